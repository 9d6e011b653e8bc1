from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtfleet.domain.access import (
    ALIASES,
    ANY,
    MANAGEMENT,
    NOT_SERVED,
    REST,
    SERVED,
    WITHOUT_ACCOUNT,
    AccessRule,
    Caller,
    Method,
    MethodGroup,
    Resource,
    access_rules_manifest,
    allows,
    are_resources_narrowed_down,
    full_rule,
    require,
    visible_accounts,
)
from mtfleet.domain.errors import ForbiddenError, ValidationError
from mtfleet.domain.ids import AccountId, TokenId, UserId
from mtfleet.domain.narrowing import Wish, WishedRule, narrow
from mtfleet.wire.json import convert

ACCOUNTS = [AccountId(f"a-{n}") for n in range(3)]
PAIRS = [
    ("account-management", "getAccounts"),
    ("account-management", "getAccount"),
    ("account-management", "updateAccount"),
    ("expert-advisor-management", "getExpertAdvisors"),
    ("market-data", "getSymbols"),
    ("region-management", "getRegions"),
]


def caller(rules: list[AccessRule] | None) -> Caller:
    return Caller(user_id=UserId("u"), token_id=TokenId("t"), is_administrator=False, rules=rules)


applications = st.sampled_from([MANAGEMENT, REST, "copyfactory-api", "metaapi-rpc-api"])
wished_applications = st.sampled_from([*SERVED, *ALIASES, *NOT_SERVED, ANY])
roles = st.lists(st.sampled_from(["reader", "writer"]), min_size=1, max_size=2, unique=True)
wished_roles = st.lists(st.sampled_from(["reader", "writer", ANY]), min_size=1, max_size=3)
resources = st.lists(
    st.sampled_from([Resource(entity="account", id=a) for a in ACCOUNTS]),
    max_size=3,
    unique_by=lambda r: r.id,
)
wished_resources = st.lists(
    st.sampled_from([Resource(entity="account", id=a) for a in [*ACCOUNTS, ANY]]), min_size=1, max_size=3
)
scopes = st.none() | st.lists(st.sampled_from(["dealing", "public"]), min_size=1, max_size=2, unique=True)


@st.composite
def groups(draw: st.DrawFn, *, minimum: int = 1) -> list[MethodGroup]:
    made = []
    for _ in range(draw(st.integers(minimum, 3))):
        group, method = draw(st.sampled_from(PAIRS))
        shown = draw(st.sampled_from([group, ANY]))
        names = draw(st.lists(st.sampled_from([method, ANY]), min_size=1, max_size=2))
        made.append(MethodGroup(group=shown, methods=[Method(method=n, scopes=draw(scopes)) for n in names]))
    return made


rules = st.builds(
    AccessRule,
    id=st.just("r"),
    application=applications,
    service=st.just("rest"),
    resources=resources,
    method_groups=groups(),
    roles=roles,
)
parents = st.none() | st.lists(rules, min_size=1, max_size=4)
simplified = st.builds(
    Wish,
    applications=st.none() | st.lists(wished_applications, min_size=1, max_size=3),
    roles=st.none() | wished_roles,
    resources=st.none() | wished_resources,
)
detailed = st.builds(
    Wish,
    access_rules=st.lists(
        st.builds(
            WishedRule,
            application=wished_applications,
            resources=st.none() | st.just([]) | wished_resources,
            method_groups=st.none() | groups(),
            roles=st.none() | wished_roles,
        ),
        min_size=1,
        max_size=3,
    ),
)
probes = st.tuples(
    st.sampled_from([*SERVED, *NOT_SERVED]),
    st.sampled_from(PAIRS),
    st.booleans(),
    st.none() | st.sampled_from([*ACCOUNTS, AccountId("a-other")]),
)


@settings(max_examples=400)
@given(parents, simplified | detailed, st.lists(probes, min_size=20, max_size=20))
def test_a_child_never_allows_what_its_parent_does_not(
    parent_rules: list[AccessRule] | None,
    wish: Wish,
    tried: list[tuple[str, tuple[str, str], bool, AccountId | None]],
) -> None:
    try:
        child_rules = narrow(parent_rules, wish)
    except (ForbiddenError, ValidationError):
        return
    parent, child = caller(parent_rules), caller(child_rules)
    for application, (group, method), is_writing, account_id in tried:
        of_child = allows(
            child,
            application=application,
            group=group,
            method=method,
            is_writing=is_writing,
            account_id=account_id,
        )
        of_parent = allows(
            parent,
            application=application,
            group=group,
            method=method,
            is_writing=is_writing,
            account_id=account_id,
        )
        assert of_parent or not of_child
    for application in SERVED:
        seen, whole = visible_accounts(child, application), visible_accounts(parent, application)
        assert whole is None or (seen is not None and seen <= whole)


@given(st.lists(rules, min_size=1, max_size=4), st.lists(probes, min_size=20, max_size=20))
def test_an_empty_wish_keeps_everything(
    parent_rules: list[AccessRule], tried: list[tuple[str, tuple[str, str], bool, AccountId | None]]
) -> None:
    parent, child = caller(parent_rules), caller(narrow(parent_rules, Wish()))
    for application, (group, method), is_writing, account_id in tried:
        both = [
            allows(
                one,
                application=application,
                group=group,
                method=method,
                is_writing=is_writing,
                account_id=account_id,
            )
            for one in (parent, child)
        ]
        assert both[0] is both[1]


def test_an_empty_wish_of_a_full_token_is_all_that_is_served() -> None:
    assert narrow(None, Wish()) == [full_rule(application) for application in SERVED]


def test_the_simplified_form() -> None:
    [rule] = narrow(
        None,
        Wish(
            applications=[MANAGEMENT],
            roles=["reader"],
            resources=[Resource(entity="account", id="a-1")],
        ),
    )
    child = caller([rule])
    ask = {"application": MANAGEMENT, "group": "account-management"}
    assert allows(child, **ask, method="getAccount", is_writing=False, account_id=AccountId("a-1"))
    assert not allows(child, **ask, method="getAccount", is_writing=False, account_id=AccountId("a-2"))
    assert not allows(child, **ask, method="updateAccount", is_writing=True, account_id=AccountId("a-1"))
    assert not allows(child, **ask, method="createAccount", is_writing=True, account_id=None)
    assert allows(child, **ask, method="getAccounts", is_writing=False, account_id=None)
    assert visible_accounts(child, MANAGEMENT) == frozenset({ACCOUNTS[1]})
    assert visible_accounts(child, REST) == frozenset()


def test_the_detailed_form_from_the_manifest() -> None:
    wish = convert({"accessRules": access_rules_manifest()}, Wish)
    narrowed = caller(narrow(None, wish))
    for served in SERVED.values():
        for group, methods in served.groups.items():
            for method in methods:
                for is_writing in (False, True):
                    assert allows(
                        narrowed,
                        application=served.application,
                        group=group,
                        method=method,
                        is_writing=is_writing,
                        account_id=AccountId("a-1"),
                    )
    assert visible_accounts(narrowed, MANAGEMENT) is None


def test_one_name_for_several_applications() -> None:
    made = narrow(None, Wish(applications=["metaapi-api", "copyfactory-api"]))
    assert [r.application for r in made] == [*ALIASES["metaapi-api"], "copyfactory-api"]
    [only] = narrow([full_rule(REST)], Wish(applications=["metaapi-api"]))
    assert only.application == REST


def test_wildcards_mean_as_much_as_the_parent_has() -> None:
    parent = [
        AccessRule(
            id="r",
            application=MANAGEMENT,
            service="rest",
            resources=[Resource(entity="account", id="a-1")],
            method_groups=[MethodGroup(group="account-management", methods=[Method(method="getAccount")])],
            roles=["reader"],
        )
    ]
    wide = WishedRule(
        application=ANY,
        resources=[Resource(entity="account", id=ANY)],
        method_groups=[MethodGroup(group=ANY, methods=[Method(method=ANY)])],
        roles=[ANY],
    )
    assert narrow(parent, Wish(access_rules=[wide])) == parent
    assert narrow(parent, Wish(applications=[ANY], roles=[ANY])) == parent


READER_OF_ONE = [
    AccessRule(
        id="r",
        application=MANAGEMENT,
        service="rest",
        resources=[Resource(entity="account", id="a-1")],
        method_groups=[MethodGroup(group="account-management", methods=[Method(method="getAccount")])],
        roles=["reader"],
    )
]


@pytest.mark.parametrize(
    ("wish", "named"),
    [
        ({"applications": [REST]}, REST),
        ({"applications": [MANAGEMENT, REST]}, REST),
        ({"roles": ["reader", "writer"]}, "writer"),
        ({"resources": [{"entity": "account", "id": "a-2"}]}, "a-2"),
        ({"resources": [{"entity": "account", "id": i} for i in ("a-1", "a-2")]}, "a-2"),
        ({"applications": ["metaapi-api"]}, "metaapi-rpc-api"),
        ({"accessRules": [{"application": REST}]}, REST),
        ({"accessRules": [{"application": MANAGEMENT, "roles": ["writer"]}]}, "writer"),
        (
            {
                "accessRules": [
                    {
                        "application": MANAGEMENT,
                        "methodGroups": [
                            {"group": "account-management", "methods": [{"method": "updateAccount"}]}
                        ],
                    }
                ]
            },
            "updateAccount",
        ),
    ],
)
def test_what_the_parent_lacks_is_refused_by_name(wish: dict[str, object], named: str) -> None:
    with pytest.raises(ForbiddenError) as caught:
        narrow(READER_OF_ONE, convert(wish, Wish))
    assert named in caught.value.message


MANY = {"group": "*", "methods": [{"method": "*"}] * 200}


@pytest.mark.parametrize(
    ("wish", "parameter"),
    [
        ({"applications": ["nonsense"]}, "applications[0]"),
        ({"applications": []}, "applications"),
        ({"roles": ["owner"]}, "roles[0]"),
        ({"roles": []}, "roles"),
        ({"resources": []}, "resources"),
        ({"resources": [{"entity": "planet", "id": "a-1"}]}, "resources[0].entity"),
        ({"resources": [{"entity": "account", "id": ""}]}, "resources[0].id"),
        ({"resources": [{"entity": "account", "id": "a"}] * 1001}, "resources"),
        ({"accessRules": []}, "accessRules"),
        ({"accessRules": [{"application": MANAGEMENT}], "roles": ["reader"]}, "roles"),
        ({"accessRules": [{"application": "nonsense"}]}, "accessRules[0].application"),
        ({"accessRules": [{"application": MANAGEMENT, "roles": ["owner"]}]}, "accessRules[0].roles[0]"),
        ({"accessRules": [{"application": MANAGEMENT, "methodGroups": []}]}, "accessRules[0].methodGroups"),
        (
            {"accessRules": [{"application": MANAGEMENT, "methodGroups": [{"group": "x", "methods": []}]}]},
            "accessRules[0].methodGroups[0].methods",
        ),
        ({"accessRules": [{"application": MANAGEMENT, "id": "x" * 201}]}, "accessRules[0].id"),
        ({"accessRules": [{"application": MANAGEMENT, "service": "x" * 201}]}, "accessRules[0].service"),
        ({"accessRules": [{"application": MANAGEMENT, "methodGroups": [MANY] * 6}]}, "accessRules"),
        (
            {
                "accessRules": [
                    {"application": MANAGEMENT, "resources": [{"entity": "account", "id": "a"}] * 501}
                ]
                * 2
            },
            "accessRules",
        ),
        (
            {
                "accessRules": [
                    {
                        "application": MANAGEMENT,
                        "methodGroups": [{"group": "*", "methods": [{"method": "*", "scopes": ["s"] * 21}]}],
                    }
                ]
            },
            "accessRules[0].methodGroups[0].methods[0].scopes",
        ),
        (
            {
                "accessRules": [
                    {
                        "application": MANAGEMENT,
                        "methodGroups": [{"group": "nonsense", "methods": [{"method": "*"}]}],
                    }
                ]
            },
            "accessRules[0].methodGroups[0].group",
        ),
        (
            {
                "accessRules": [
                    {
                        "application": MANAGEMENT,
                        "methodGroups": [
                            {"group": "account-management", "methods": [{"method": "getNothing"}]}
                        ],
                    }
                ]
            },
            "accessRules[0].methodGroups[0].methods[0].method",
        ),
    ],
)
def test_what_is_unknown_is_refused_naming_the_field(wish: dict[str, object], parameter: str) -> None:
    with pytest.raises(ValidationError) as caught:
        narrow(None, convert(wish, Wish))
    assert parameter in [p.parameter for p in caught.value.details]


@pytest.mark.parametrize(
    ("application", "group", "method", "is_writing", "account_id", "lacks"),
    [
        (REST, "server", "getServerTime", False, "a-1", REST),
        (MANAGEMENT, "account-management", "deployAccount", True, "a-1", "deployAccount"),
        (MANAGEMENT, "account-management", "getAccount", True, "a-1", "writer"),
        (MANAGEMENT, "account-management", "getAccount", False, "a-2", "a-2"),
        (MANAGEMENT, "account-management", "getAccount", False, None, "limited"),
    ],
)
def test_a_refusal_names_what_is_missing(
    application: str, group: str, method: str, is_writing: bool, account_id: str | None, lacks: str
) -> None:
    with pytest.raises(ForbiddenError, match=lacks):
        require(
            caller(READER_OF_ONE),
            application=application,
            group=group,
            method=method,
            is_writing=is_writing,
            account_id=None if account_id is None else AccountId(account_id),
        )


def test_a_list_shows_only_what_the_rule_for_lists_covers() -> None:
    experts_of_all = AccessRule(
        id="e",
        application=MANAGEMENT,
        service="rest",
        resources=[],
        method_groups=[MethodGroup(group="expert-advisor-management", methods=[Method(method=ANY)])],
        roles=["reader"],
    )
    lists_of_one = AccessRule(
        id="l",
        application=MANAGEMENT,
        service="rest",
        resources=[Resource(entity="account", id="a-1")],
        method_groups=[MethodGroup(group=ANY, methods=[Method(method=ANY)])],
        roles=["reader"],
    )
    assert visible_accounts(caller([experts_of_all, lists_of_one]), MANAGEMENT) == frozenset({ACCOUNTS[1]})
    assert visible_accounts(caller(None), MANAGEMENT) is None


def test_names_are_unique_and_the_methods_without_account_exist() -> None:
    for served in SERVED.values():
        names = [m for methods in served.groups.values() for m in methods]
        assert len(names) == len(set(names))
    assert {m for ms in SERVED[MANAGEMENT].groups.values() for m in ms} >= WITHOUT_ACCOUNT


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({}, False),
        ({"accessRules": None}, False),
        ({"accessRules": "x"}, False),
        ({"accessRules": [{"resources": []}]}, False),
        ({"accessRules": ["x", {"resources": []}, {"resources": [{"entity": "account", "id": "a"}]}]}, True),
    ],
)
def test_whether_resources_are_narrowed_down(claims: dict[str, object], expected: bool) -> None:
    assert are_resources_narrowed_down(claims) is expected


def test_the_reference_names_every_application_and_method() -> None:
    page = Path(__file__).parents[2].joinpath("docs/reference/access-rules.md").read_text(encoding="utf-8")
    for served in SERVED.values():
        assert served.application in page
        for group, methods in served.groups.items():
            for method in methods:
                assert f"| `{group}` | `{method}` |" in page
    for name in (*ALIASES, *NOT_SERVED, *WITHOUT_ACCOUNT):
        assert f"`{name}`" in page
