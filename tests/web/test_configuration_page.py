"""What an end user meets behind a configuration link."""

import asyncio
import re
from typing import Any

import httpx2
import pytest

from mtfleet.domain.errors import (
    FieldProblem,
    InternalError,
    TimedOutError,
    ValidationError,
)
from mtfleet.web import configuration_page
from mtfleet.wire.replies import Accepted

LINK = f"/configure-trading-account-credentials/11111111-1111-4111-8111-111111111111/{'a' * 64}"


def form_token(page: httpx2.Response) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert found
    return found[1]


async def send(built: Any, headers: dict[str, str] | None = None, **fields: str) -> httpx2.Response:
    """Open the page and send its form, as a browser does."""
    page = await built.client.get(LINK)
    data = {"form_token": form_token(page), "login": "1234567", "password": "Right-1", **fields}
    answer: httpx2.Response = await built.client.post(LINK, data=data, headers=headers)
    return answer


async def test_looking_uses_nothing_up_and_shows_whose_account_it_is(built: Any) -> None:
    for _ in range(2):
        page = await built.client.get(LINK)
        assert page.status_code == 200
        assert "&lt;b&gt;Maria&lt;/b&gt;" in page.text
        assert "Sandbox-MT5" in page.text
    assert built.links.sent == []


async def test_pages_allow_nothing_foreign(built: Any) -> None:
    for path in (LINK, "/", "/configure-trading-account-credentials/x/y"):
        page = await built.client.get(path)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-frame-options"] == "DENY"
        assert "<script" not in page.text
        assert "style=" not in page.text
        assert not re.search(r'(src|href|action)="https?:', page.text)
    sheet = await built.client.get("/assets/mtfleet.css")
    assert sheet.headers["content-type"].startswith("text/css")


async def test_the_form_is_accessible(built: Any) -> None:
    page = (await built.client.get(LINK)).text
    assert '<html lang="en">' in page
    assert '<label for="login">' in page
    assert '<label for="password">' in page
    assert 'inputmode="numeric"' in page
    assert 'autocomplete="username"' in page
    assert 'autocomplete="current-password"' in page
    wrong = (await send(built, login="12a", password="")).text
    assert 'aria-describedby="login-hint login-error" aria-invalid="true"' in wrong
    assert 'id="login-error"' in wrong
    assert 'id="password-error"' in wrong


async def test_only_a_draft_asks_for_the_login(built: Any) -> None:
    built.links.needs_login = False
    assert 'name="login"' not in (await built.client.get(LINK)).text
    await send(built, login="999")
    assert built.links.sent == [(None, "Right-1")]


async def test_success_is_shown_and_the_link_is_used_up(built: Any) -> None:
    answer = await send(built)
    assert answer.status_code == 303
    assert built.links.sent == [("1234567", "Right-1")]
    done = await built.client.get(answer.headers["location"])
    assert done.status_code == 200
    assert "All set" in done.text
    again = await built.client.get(answer.headers["location"])
    assert "All set" in again.text
    assert (await built.client.get(LINK)).status_code == 404


@pytest.mark.parametrize(
    ("raised", "status", "text"),
    [
        (ValidationError(details="E_AUTH"), 400, "did not accept this login and password"),
        (ValidationError(details={"code": "E_SRV_NOT_FOUND"}), 400, "server is not known"),
        (
            ValidationError(details=[FieldProblem(parameter="login", message="must be digits")]),
            400,
            "must be digits",
        ),
        (ValidationError("Something else is wrong."), 400, "Something else is wrong."),
        (TimedOutError(), 503, "could not be reached"),
        (InternalError(), 503, "could not be reached"),
    ],
)
async def test_a_refusal_keeps_the_login_and_not_the_password(
    built: Any, raised: Exception, status: int, text: str
) -> None:
    built.links.answers = [raised, None]
    answer = await send(built, password="Wrong-secret-1")
    assert answer.status_code == status
    assert text in answer.text
    assert 'value="1234567"' in answer.text
    assert "Wrong-secret-1" not in answer.text
    assert (await send(built)).status_code == 303


async def test_a_defect_tells_nothing_of_itself(built: Any) -> None:
    built.links.answers = [RuntimeError("password=Wrong-secret-1")]
    answer = await send(built, password="Wrong-secret-1")
    assert answer.status_code == 503
    assert "Wrong-secret-1" not in answer.text


async def test_a_slow_broker_is_waited_for(built: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration_page, "WAIT_SECONDS", 0.01)
    built.links.hold = asyncio.Event()
    built.links.answers = [Accepted(message="Logging in", retry_after_seconds=3), None]
    answer = await send(built)
    place = answer.headers["location"]
    waiting = await built.client.get(place)
    assert "Checking with your broker" in waiting.text
    assert '<meta http-equiv="refresh" content="2">' in waiting.text
    twice = await send(built, password="Other")
    assert twice.headers["location"] == place
    built.links.hold.set()
    await built.clock.run_until(lambda: len(built.links.sent) == 2)
    await built.clock.advance(0)
    assert "All set" in (await built.client.get(place)).text
    assert built.links.sent == [("1234567", "Right-1")] * 2


async def test_a_forgotten_check_leads_back_to_the_form(built: Any) -> None:
    answer = await built.client.get(f"{LINK}/progress/unknown")
    assert (answer.status_code, answer.headers["location"]) == (303, LINK)


async def test_unknown_expired_and_used_links_look_alike(built: Any) -> None:
    other = LINK.replace("a" * 64, "b" * 64)
    foreign = LINK.replace("1111-", "2222-", 1)
    pages = [await built.client.get(path) for path in (other, foreign)]
    await send(built)
    pages.append(await built.client.get(LINK))
    pages.append(await built.client.post(LINK, data={"password": "x"}))
    assert {page.status_code for page in pages} == {404}
    assert len({page.text for page in pages}) == 1


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"form_token": "forged"}, {}),
        ({"form_token": ""}, {}),
        ({}, {"origin": "https://evil.example"}),
        ({}, {"sec-fetch-site": "cross-site"}),
        ({}, {"cookie": "mtfleet_form=nonsense"}),
    ],
)
async def test_forged_forms_are_refused(built: Any, fields: Any, headers: Any) -> None:
    answer = await send(built, headers=headers, **fields)
    assert answer.status_code == 403
    assert built.links.sent == []


@pytest.mark.parametrize("headers", [{"origin": "http://test"}, {"origin": "null"}])
async def test_our_own_page_is_believed(built: Any, headers: Any) -> None:
    assert (await send(built, headers=headers)).status_code == 303


async def test_the_cookie_is_strict(built: Any) -> None:
    cookie = (await built.client.get(LINK)).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/configure-trading-account-credentials" in cookie


async def test_attempts_are_counted(built: Any) -> None:
    built.links.answers = [ValidationError(details="E_AUTH")]
    assert [(await send(built)).status_code for _ in range(6)] == [400] * 5 + [429]
    await built.clock.advance(600)
    assert (await send(built)).status_code == 400


async def test_nobody_tries_passwords_for_as_long_as_the_link_lives(built: Any) -> None:
    built.links.answers = [ValidationError("No.", details="E_AUTH")]
    statuses = []
    for _ in range(4):
        statuses += [(await send(built)).status_code for _ in range(5)]
        await built.clock.advance(601)
    assert statuses == [400] * 12 + [429] * 8
    assert len(built.links.sent) == 12
    await built.clock.advance(24 * 3600)
    assert (await send(built)).status_code == 400


@pytest.mark.parametrize(
    ("addresses", "other"),
    [
        (["2001:db8::1", "2001:db8::2", "2001:db8::ffff:1:2:3"], "2001:db8:0:1::1"),
        (["::ffff:192.0.2.1", "192.0.2.1"], "192.0.2.2"),
    ],
)
async def test_an_ipv6_network_counts_as_one_address(built: Any, addresses: list[str], other: str) -> None:
    async def visit(address: str, token: str) -> int:
        app = built.client._transport.app
        transport = httpx2.ASGITransport(app=app, client=(address, 1))
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            return (await client.get(LINK[:-64] + token.rjust(64, "0"))).status_code

    for number in range(20):
        assert await visit(addresses[number % len(addresses)], str(number)) == 404
    assert await visit(addresses[0], "21") == 429
    assert await visit(other, "22") == 404


async def test_views_are_counted(built: Any) -> None:
    answers = [await built.client.get(LINK) for _ in range(21)]
    assert answers[-1].status_code == 429
    assert answers[-1].headers["retry-after"] == "60"
    assert "Too many attempts" in answers[-1].text


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"x" * 20_000, "application/x-www-form-urlencoded", 400),
        (b"{}", "application/json", 403),
        (b"\xff\xfe&=%", "application/x-www-form-urlencoded", 403),
        (b"raw", "multipart/form-data; boundary=x", 400),
        (b"", "", 403),
    ],
)
async def test_damaged_forms(built: Any, content: bytes, content_type: str, status: int) -> None:
    answer = await built.client.post(LINK, content=content, headers={"content-type": content_type})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")


async def test_checks_have_an_end_and_a_bound(built: Any) -> None:
    built.links.hold = asyncio.Event()
    from mtfleet.domain.errors import TooManyRequestsError
    from mtfleet.domain.ids import AccountId
    from mtfleet.wire.requests import Credentials

    for number in range(3):
        built.submissions.submit(AccountId(str(number)), "t", Credentials(password="x"), None)
    with pytest.raises(TooManyRequestsError):
        built.submissions.submit(AccountId("4"), "t", Credentials(password="x"), None)
    await built.submissions.stop()
    assert len(asyncio.all_tasks()) == 1
