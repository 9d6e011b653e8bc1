"""How a token is narrowed: what is wished for, cut down to what the calling token allows.

What is wished for by name and not allowed to the calling token is refused, so that nobody gets a token that
silently lacks something; a wildcard or an absent field means "as much as the calling token has".
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from mtfleet.domain.access import (
    ALIASES,
    ANY,
    ENTITIES,
    NOT_SERVED,
    ROLES,
    SERVED,
    AccessRule,
    Method,
    MethodGroup,
    Resource,
    full_rule,
)
from mtfleet.domain.errors import FieldProblem, ForbiddenError, wrong_fields
from mtfleet.domain.values import Value

MAX_RULES: Final = 50
MAX_RESOURCES: Final = 1000
MAX_GROUPS: Final = 50
MAX_METHODS: Final = 200
MAX_METHODS_IN_ALL: Final = 1000
MAX_SCOPES: Final = 20
MAX_PROBLEMS: Final = 100
"""How many wrong fields are named."""
MAX_ID_CHARACTERS: Final = 200

_EVERYTHING: Final = [MethodGroup(group=ANY, methods=[Method(method=ANY)])]


class WishedRule(Value, frozen=True, kw_only=True):
    """One access rule of the detailed form. What is absent is as wide as the calling token allows."""

    id: str | None = None
    application: str
    service: str | None = None
    resources: list[Resource] | None = None
    method_groups: list[MethodGroup] | None = None
    roles: list[str] | None = None


class Wish(Value, frozen=True, kw_only=True):
    """What a narrowed token shall allow: the simplified form, or the detailed one in `access_rules`."""

    applications: list[str] | None = None
    roles: list[str] | None = None
    resources: list[Resource] | None = None
    access_rules: list[WishedRule] | None = None


class _Term(Value, frozen=True, kw_only=True):
    """A checked wish for some applications."""

    applications: list[str]
    named_applications: list[str]
    """Those asked for by their own name, so that lacking one is told."""
    roles: list[str] | None = None
    resources: list[Resource]
    method_groups: list[MethodGroup]
    id: str | None = None
    service: str | None = None


def narrow(parent: Sequence[AccessRule] | None, wish: Wish) -> list[AccessRule]:
    """Return the rules of a token narrowed as wished; they never allow what `parent` does not.

    `parent` `None` is a token that is not narrowed. Raises `ValidationError` with every wrong field, and
    `ForbiddenError` for something wished for by name that the calling token does not allow.
    """
    if problems := list(islice(_problems(wish), MAX_PROBLEMS)):
        raise wrong_fields(problems, "The token can't be narrowed as asked.")
    narrowed: list[AccessRule] = []
    for term in _terms(parent, wish):
        _refuse_excess(term, _base(parent, term))
        made = _apply(parent, term)
        _refuse_excess(term, made)  # also what is allowed only apart from the rest of the wish
        narrowed += [rule for rule in made if rule not in narrowed]
    return narrowed


def _terms(parent: Sequence[AccessRule] | None, wish: Wish) -> list[_Term]:
    own = list(SERVED) if parent is None else list(dict.fromkeys(r.application for r in parent))

    def applications(named: Iterable[str]) -> list[str]:
        wide = [own if n == ANY else ALIASES.get(n, (n,)) for n in named]
        return list(dict.fromkeys(a for several in wide for a in several))

    if wish.access_rules is None:
        named = wish.applications
        return [
            _Term(
                applications=own if named is None else applications(named),
                named_applications=_own_names(named or ()),
                roles=_roles(wish.roles),
                resources=_resources(wish.resources),
                method_groups=_EVERYTHING,
            )
        ]
    return [
        _Term(
            applications=applications([rule.application]),
            named_applications=_own_names([rule.application]),
            roles=_roles(rule.roles),
            resources=_resources(rule.resources),
            method_groups=_EVERYTHING if rule.method_groups is None else rule.method_groups,
            id=rule.id,
            service=rule.service,
        )
        for rule in wish.access_rules
    ]


def _own_names(applications: Iterable[str]) -> list[str]:
    return [a for a in applications if a != ANY and a not in ALIASES]


def _roles(wished: list[str] | None) -> list[str] | None:
    return None if wished is None or ANY in wished else wished


def _resources(wished: list[Resource] | None) -> list[Resource]:
    """Return what is limited to; empty for no limit."""
    return [] if wished is None or any(r.id == ANY for r in wished) else wished


def _base(parent: Sequence[AccessRule] | None, term: _Term) -> list[AccessRule]:
    """Return the parent's rules for the applications of a wish, in the wish's order."""
    if parent is None:
        return [full_rule(application) for application in term.applications]
    return [rule for application in term.applications for rule in parent if rule.application == application]


def _apply(parent: Sequence[AccessRule] | None, term: _Term) -> list[AccessRule]:
    made: list[AccessRule] = []
    for rule in _base(parent, term):
        narrowed = _intersect(rule, term)
        if narrowed is not None and narrowed not in made:
            made.append(narrowed)
    return made


def _intersect(rule: AccessRule, term: _Term) -> AccessRule | None:
    roles = [r for r in rule.roles if term.roles is None or r in term.roles]
    groups = _intersect_groups(rule.method_groups, term.method_groups)
    if rule.resources and term.resources:
        allowed = {(r.entity, r.id) for r in rule.resources}
        resources = [r for r in term.resources if (r.entity, r.id) in allowed]
        if not resources:
            return None
    else:
        resources = rule.resources or term.resources
    if not roles or not groups:
        return None
    return AccessRule(
        id=term.id or rule.id,
        application=rule.application,
        service=rule.service,
        resources=resources,
        method_groups=groups,
        roles=roles,
    )


def _intersect_groups(allowed: Sequence[MethodGroup], wished: Sequence[MethodGroup]) -> list[MethodGroup]:
    groups: list[MethodGroup] = []
    for a in allowed:
        for w in wished:
            name = _narrower(a.group, w.group)
            if name is None:
                continue
            methods: list[Method] = []
            for am in a.methods:
                for wm in w.methods:
                    both = _intersect_method(am, wm)
                    if both is not None and both not in methods:
                        methods.append(both)
            group = MethodGroup(group=name, methods=methods)
            if methods and group not in groups:
                groups.append(group)
    return groups


def _narrower(allowed: str, wished: str) -> str | None:
    if wished in (ANY, allowed):
        return allowed
    return wished if allowed == ANY else None


def _intersect_method(allowed: Method, wished: Method) -> Method | None:
    name = _narrower(allowed.method, wished.method)
    if name is None:
        return None
    if allowed.scopes is None or wished.scopes is None:
        return Method(method=name, scopes=wished.scopes if allowed.scopes is None else allowed.scopes)
    scopes = [s for s in wished.scopes if s in allowed.scopes]
    return Method(method=name, scopes=scopes) if scopes else None


def _refuse_excess(term: _Term, rules: Sequence[AccessRule]) -> None:
    """Raise `ForbiddenError` for a named part of the wish that none of the rules holds."""
    if not rules:
        missing = ", ".join(term.named_applications or term.applications)
        raise _excess(f"the application {missing}, or nothing of what is asked for in it")
    applications = {rule.application for rule in rules}
    for application in term.named_applications:
        if application not in applications:
            raise _excess(f"the application {application}")
    for role in term.roles or []:
        if not any(role in rule.roles for rule in rules):
            raise _excess(f"the role {role}")
    for wished in term.resources:
        if not any(not rule.resources or wished in rule.resources for rule in rules):
            raise _excess(f"the {wished.entity} {wished.id}")
    for group in term.method_groups:
        for method in group.methods:
            asked = [MethodGroup(group=group.group, methods=[method])]
            named = group.group != ANY or method.method != ANY
            if named and not any(_intersect_groups(rule.method_groups, asked) for rule in rules):
                raise _excess(f"the method {group.group}/{method.method}")


def _excess(what: str) -> ForbiddenError:
    return ForbiddenError(
        f"The calling token does not allow {what}, so a token narrowed from it can't either. Leave it out, "
        "or call with a token that allows it."
    )


def _problems(wish: Wish) -> Iterable[FieldProblem]:
    simplified = {"applications": wish.applications, "roles": wish.roles, "resources": wish.resources}
    if wish.access_rules is None:
        for index, application in enumerate(wish.applications or []):
            yield from _application_problems(f"applications[{index}]", application)
        yield from _list_problems("applications", wish.applications, MAX_RULES)
        yield from _list_problems("resources", wish.resources, MAX_RESOURCES)
        yield from _shared_problems("", wish.roles, wish.resources)
        return
    for name, given in simplified.items():
        if given is not None:
            yield FieldProblem(
                parameter=name, message="leave it out when accessRules is given, or the other way round"
            )
    yield from _list_problems("accessRules", wish.access_rules, MAX_RULES)
    yield from _sum_problems(wish.access_rules)
    for index, rule in enumerate(wish.access_rules[:MAX_RULES]):
        at = f"accessRules[{index}]."
        yield from _application_problems(f"{at}application", rule.application)
        for field, text in (("id", rule.id), ("service", rule.service)):
            if text is not None and len(text) > MAX_ID_CHARACTERS:
                yield FieldProblem(
                    parameter=at + field, message=f"must have at most {MAX_ID_CHARACTERS} characters"
                )
        yield from _shared_problems(at, rule.roles, rule.resources)
        if len(rule.resources or ()) > MAX_RESOURCES:
            yield FieldProblem(
                parameter=f"{at}resources", message=f"must have at most {MAX_RESOURCES} entries"
            )
        yield from _group_problems(at, rule)


def _sum_problems(rules: Sequence[WishedRule]) -> Iterable[FieldProblem]:
    """Bound what all rules have together, since each is compared with each of the calling token's."""
    resources = sum(len(rule.resources or ()) for rule in rules)
    methods = sum(len(group.methods) for rule in rules for group in rule.method_groups or ())
    for what, count, most in (
        ("resources", resources, MAX_RESOURCES),
        ("methods", methods, MAX_METHODS_IN_ALL),
    ):
        if count > most:
            yield FieldProblem(parameter="accessRules", message=f"must have at most {most} {what} in all")


def _list_problems(name: str, given: Sequence[object] | None, most: int) -> Iterable[FieldProblem]:
    if given is not None and not 1 <= len(given) <= most:
        yield FieldProblem(
            parameter=name, message=f"must have 1 to {most} entries; leave it out for no limit of this kind"
        )


def _application_problems(parameter: str, application: str) -> Iterable[FieldProblem]:
    known = (*SERVED, *ALIASES, *NOT_SERVED)
    if application != ANY and application not in known:
        yield FieldProblem(
            parameter=parameter,
            message=f"unknown application; known are {', '.join(known)}",
            value=application,
        )


def _shared_problems(
    at: str, roles: Sequence[str] | None, resources: Sequence[Resource] | None
) -> Iterable[FieldProblem]:
    yield from _list_problems(f"{at}roles", roles, len(ROLES) + 1)
    for index, role in enumerate(roles or []):
        if role not in (ANY, *ROLES):
            yield FieldProblem(
                parameter=f"{at}roles[{index}]",
                message=f"unknown role; known are {' and '.join(ROLES)}",
                value=role,
            )
    for index, resource in enumerate(resources or []):
        if resource.entity not in ENTITIES:
            yield FieldProblem(
                parameter=f"{at}resources[{index}].entity",
                message=f"unknown kind of resource; known is {', '.join(ENTITIES)}",
                value=resource.entity,
            )
        if not resource.id or not resource.id.isprintable():
            yield FieldProblem(
                parameter=f"{at}resources[{index}].id",
                message="must have printable characters only, and some",
            )


def _group_problems(at: str, rule: WishedRule) -> Iterable[FieldProblem]:
    yield from _list_problems(f"{at}methodGroups", rule.method_groups, MAX_GROUPS)
    applications = ALIASES.get(rule.application, (rule.application,))
    known = [SERVED[a].groups for a in applications if a in SERVED]
    for g, group in enumerate(rule.method_groups or []):
        where = f"{at}methodGroups[{g}]"
        yield from _list_problems(f"{where}.methods", group.methods, MAX_METHODS)
        groups = [
            methods for served in known for name, methods in served.items() if group.group in (ANY, name)
        ]
        if known and not groups:
            yield FieldProblem(
                parameter=f"{where}.group",
                message=f"unknown method group; known are {', '.join(known[0])}",
                value=group.group,
            )
            continue
        for m, method in enumerate(group.methods):
            if len(method.scopes or ()) > MAX_SCOPES:
                yield FieldProblem(
                    parameter=f"{where}.methods[{m}].scopes",
                    message=f"must have at most {MAX_SCOPES} entries",
                )
            if known and method.method != ANY and not any(method.method in names for names in groups):
                yield FieldProblem(
                    parameter=f"{where}.methods[{m}].method",
                    message="unknown method; the access rules manifest names all",
                    value=method.method,
                )
