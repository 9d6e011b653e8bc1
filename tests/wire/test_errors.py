import string
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtfleet.domain import errors
from mtfleet.domain.errors import (
    FieldProblem,
    InternalError,
    MtfleetError,
    PolicyError,
    UnavailableError,
    ValidationError,
)
from mtfleet.domain.secret import Secret
from mtfleet.domain.values import Instant
from mtfleet.wire.errors import KINDS, Details, encode_error, from_wire, incident_of, status_of
from mtfleet.wire.json import decode
from mtfleet.wire.requests import NewAccount

json_leaves = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20) | st.floats(-1e9, 1e9)
)
json_values = st.recursive(
    json_leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(st.text(max_size=8), json_values, max_size=4)
codes = st.text(string.ascii_uppercase + "_", min_size=1, max_size=20)
problems = st.builds(
    FieldProblem, parameter=st.text(string.ascii_lowercase, max_size=8), message=st.text(max_size=20)
)
raisable = st.sampled_from([kind.raised for kind in KINDS.values()])


def body_of(error: BaseException) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(encode_error(error))
    return body


@pytest.mark.parametrize(
    ("raised", "status", "number", "name"),
    [
        (errors.TooManyRequestsError, 429, 1, "TooManyRequestsError"),
        (errors.UnauthorizedError, 401, 2, "UnauthorizedError"),
        (errors.ValidationError, 400, 3, "ValidationError"),
        (errors.NotFoundError, 404, 4, "NotFoundError"),
        (errors.ForbiddenError, 403, 5, "ForbiddenError"),
        (errors.InternalError, 500, 6, "InternalError"),
        (errors.ConflictError, 409, 7, "ConflictError"),
        (errors.TimedOutError, 504, 8, "TimeoutError"),
        (errors.NotSynchronizedError, 503, 9, "NotSynchronizedError"),
    ],
)
def test_every_kind_has_its_status_number_and_name(
    raised: type[MtfleetError], status: int, number: int, name: str
) -> None:
    error = raised("what to do")
    assert status_of(error) == status
    assert body_of(error) == {"id": number, "error": name, "message": "what to do"}


@given(
    raised=raisable,
    message=st.text(min_size=1, max_size=50),
    details=st.none() | codes | json_objects.filter(lambda o: "code" not in o),
    metadata=st.none() | json_objects,
)
def test_what_was_raised_arrives(
    raised: type[MtfleetError], message: str, details: Any, metadata: Any
) -> None:
    sent = raised(message, details=details, metadata=metadata)
    got = from_wire(status_of(sent), encode_error(sent), {"Request-Id": "r-1"})
    assert type(got) is raised
    assert (got.message, got.details, got.metadata) == (message, details, metadata)
    assert (got.status_code, got.error, got.id) == (status_of(sent), sent.name, KINDS[sent.name].id)
    assert got.request_id == "r-1"
    assert encode_error(got) == encode_error(sent)


@given(code=codes, fields=json_objects)
def test_a_code_arrives_alike_in_both_shapes(code: str, fields: dict[str, Any]) -> None:
    plain = from_wire(400, encode_error(ValidationError(details=code))).details
    sent = {**fields, "code": code}
    rich = from_wire(400, encode_error(ValidationError(details=sent))).details
    for details in (plain, rich):
        assert details == code
        assert details.code == details["code"] == details.get("code") == code
        assert details.get("absent") is None
        assert str(details) == code
        assert details[0] == code[0]
    assert dict(rich) == sent
    assert encode_error(ValidationError("m", details=rich)) == encode_error(
        ValidationError("m", details=sent if len(sent) > 1 else code)
    )


def test_the_two_meanings_of_a_code() -> None:
    details = Details("E_SRV_NOT_FOUND", {"serversByBrokers": {"Sandbox": ["Sandbox-MT5"]}})
    assert details["serversByBrokers"] == {"Sandbox": ["Sandbox-MT5"]}
    assert "serversByBrokers" in details
    assert "SRV" in details
    with pytest.raises(KeyError):
        details["absent"]


@given(st.lists(problems, min_size=1, max_size=4))
def test_field_problems_arrive_as_a_list(sent: list[FieldProblem]) -> None:
    got = from_wire(400, encode_error(ValidationError(details=sent)))
    assert got.details == [{"parameter": p.parameter, "message": p.message} for p in sent]


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        (b'{"magic": "x"}', "magic"),
        (b'{"tags": ["a", 5]}', "tags[1]"),
        (b'{"name": 1}', "name"),
        (b"[]", "body"),
        (b"{", "body"),
        (b"", "body"),
        (b"\xff\xfe", "body"),
    ],
)
def test_a_body_of_the_wrong_shape_names_the_field(body: bytes, parameter: str) -> None:
    with pytest.raises(msgspec.DecodeError) as caught:
        decode(body, NewAccount)
    assert status_of(caught.value) == 400
    told = body_of(caught.value)
    assert told["error"] == "ValidationError"
    assert [d["parameter"] for d in told["details"]] == [parameter]
    assert "$" not in told["message"]


@pytest.mark.parametrize(
    "raised", [ValueError, KeyError, RuntimeError, ExceptionGroup, MemoryError, TimeoutError]
)
def test_the_text_of_a_foreign_exception_stays_inside(raised: type[Exception]) -> None:
    error = raised("qwerty", [ValueError("qwerty")]) if raised is ExceptionGroup else raised("qwerty")
    told = encode_error(error)
    assert b"qwerty" not in told
    assert incident_of(error).encode() in told
    assert status_of(error) == (504 if raised is TimeoutError else 500)
    assert encode_error(error) == told
    assert incident_of(raised("x", [error]) if raised is ExceptionGroup else raised("x")) != incident_of(
        error
    )


def test_values_of_secret_fields_are_not_sent_back() -> None:
    for parameter in ("password", "managerPassword", "accessToken"):
        assert b"qwerty" not in encode_error(errors.invalid(parameter, "is too short", "qwerty"))
    assert b"qwerty" not in encode_error(ValidationError(details={"given": Secret("qwerty")}))
    assert body_of(errors.invalid("magic", "is too small", -1))["details"][0]["value"] == -1


@pytest.mark.parametrize(
    "odd", [object(), {1: {2: b"x"}}, 2**80, "\ud800", {"a": {1, 2}}, float("nan"), Instant(2026, 1, 1)]
)
def test_writing_an_error_never_fails(odd: Any) -> None:
    for error in (ValidationError("\ud800", details={"x": odd}), ValidationError(metadata={"x": odd})):
        assert body_of(error)["error"] == "ValidationError"


def test_writing_an_error_that_contains_itself_ends() -> None:
    loop: dict[str, Any] = {}
    loop["again"] = loop
    assert body_of(ValidationError(details=loop))["error"] == "ValidationError"


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, ValidationError),
        (404, errors.NotFoundError),
        (405, PolicyError),
        (413, ValidationError),
        (418, PolicyError),
        (429, errors.TooManyRequestsError),
        (500, InternalError),
        (502, InternalError),
        (503, InternalError),
        (504, errors.TimedOutError),
        (599, InternalError),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><head><title>x</title></head><body><h1>Bad gateway</h1></body></html>",
        b"nothing to read",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b"{",
        b"{}",
        b"[" * 100_000,
        b'{"error": 5, "message": ["x"], "id": "3", "metadata": "m"}',
    ],
)
def test_an_answer_of_any_shape_becomes_an_error(
    status: int, raised: type[MtfleetError], body: bytes
) -> None:
    error = from_wire(status, body, {})
    assert type(error) is raised
    assert error.status_code == status
    assert error.message
    assert len(error.message) < 700
    assert error.id is None
    assert error.metadata is None
    assert error.details is None
    assert error.request_id is None
    assert "<" not in error.message


def test_an_unknown_name_falls_back_on_the_status() -> None:
    error = from_wire(403, b'{"id": 77, "error": "PaymentRequiredError", "message": "m", "details": 5}')
    assert type(error) is errors.ForbiddenError
    assert (error.error, error.id, error.message, error.details) == ("PaymentRequiredError", 77, "m", 5)


@given(status=st.integers(400, 599), body=st.binary(max_size=60) | json_values.map(msgspec.json.encode))
def test_reading_an_error_never_fails(status: int, body: bytes) -> None:
    assert from_wire(status, body).status_code == status


def test_the_reference_names_every_error_and_every_code() -> None:
    page = Path(__file__).parents[2].joinpath("docs/reference/errors.md").read_text(encoding="utf-8")
    for name, kind in KINDS.items():
        assert f"| `{name}` | {kind.status} | {kind.id} |" in page
    codes = [code for name, code in vars(errors.DetailCode).items() if name.isupper()]
    assert len(codes) >= 9
    for code in codes:
        assert f"| `{code}` |" in page


def test_what_is_away_is_told_as_such_without_its_own_text() -> None:
    class AnotherAway(UnavailableError):
        is_for_callers = False

    away = AnotherAway("The database on db.internal is away.")
    assert status_of(away) == 503
    told = from_wire(503, encode_error(away))
    assert type(told) is UnavailableError
    assert (told.name, told.id, told.status_code) == ("InternalError", 6, 503)
    assert "db.internal" not in told.message
    assert incident_of(away) in told.message
    assert status_of(UnavailableError()) == 503
