"""How a client is made, and what it refuses."""

import asyncio
import logging
import traceback
from typing import Any

import httpx2
import pytest

from mtfleet import ApiException, MetaApi, NetworkException, ValidationException
from mtfleet.testing.http import TOKEN, ScriptedServer, account_body, error, ok


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MTFLEET_TOKEN", raising=False)
    monkeypatch.delenv("MTFLEET_URL", raising=False)


async def host_of_call(api: MetaApi, server: ScriptedServer) -> str:
    server.will(ok(account_body()))
    async with api:
        await api.metatrader_account_api.get_account("a")
    return str(server.requests[-1].url)


async def test_address_and_token_come_from_the_environment(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTFLEET_TOKEN", f" {TOKEN}\n")
    monkeypatch.setenv("MTFLEET_URL", "https://fleet.example:8443/mt/")
    url = await host_of_call(MetaApi(opts={"transport": server}), server)
    assert url == "https://fleet.example:8443/mt/users/current/accounts/a"
    assert server.requests[0].headers["auth-token"] == TOKEN


async def test_arguments_win_over_the_environment(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTFLEET_TOKEN", "other")
    monkeypatch.setenv("MTFLEET_URL", "http://other")
    url = await host_of_call(MetaApi(token=TOKEN, opts={"url": "http://mine", "transport": server}), server)
    assert url.startswith("http://mine/")
    assert server.requests[0].headers["auth-token"] == TOKEN


async def test_the_local_server_is_the_default(server: ScriptedServer) -> None:
    url = await host_of_call(MetaApi(TOKEN, {"transport": server}), server)
    assert url.startswith("http://127.0.0.1:8080/")


async def test_domain_and_region_build_the_hosted_style_addresses(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTFLEET_URL", "http://other")
    opts = {"domain": "cloud.example", "region": "london", "transport": server}
    async with MetaApi(TOKEN, opts) as api:
        server.will(ok(account_body()), ok({}), ok({"token": "t"}))
        await api.metatrader_account_api.get_account("a")
        await api.request("GET", "/users/current/accounts/a/symbols", service="client")
        await api.token_management_api.narrow_down_token_roles(["reader"])
    assert [request.url.host for request in server.requests] == [
        "mt-provisioning-api-v1.cloud.example",
        "mt-client-api-v1.london.cloud.example",
        "profile-api-v1.cloud.example",
    ]


def test_no_token_names_both_ways_to_give_one() -> None:
    with pytest.raises(ValidationException, match="MTFLEET_TOKEN") as caught:
        MetaApi()
    assert "MetaApi(token=" in str(caught.value)


@pytest.mark.parametrize("token", ["secret\nx: y", "two words", "sécret", "\x00"])
def test_a_token_that_no_header_can_hold_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(ValidationException, match="token") as caught:
        MetaApi(token)
    assert token not in str(caught.value)
    assert token not in repr(caught.value.details)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", 8080),
        ("url", "127.0.0.1:8080"),
        ("url", "ftp://host"),
        ("url", "http://"),
        ("url", "http://host?x=1"),
        ("url", "http://[::1"),
        ("domain", 1),
        ("domain", "https://cloud.example"),
        ("domain", "a/b"),
        ("region", "../x"),
        ("region", 3),
        ("application", []),
        ("requestTimeout", "60"),
        ("requestTimeout", 0),
        ("requestTimeout", True),
        ("requestTimeout", float("nan")),
        ("retryOpts", 5),
        ("enableLatencyMonitor", "yes"),
        ("enableSocketioDebugger", 1),
        ("websocketLogPath", 1),
        ("transport", object()),
    ],
)
def test_an_option_of_the_wrong_kind_is_named(key: str, value: Any) -> None:
    with pytest.raises(ValidationException, match=key) as caught:
        MetaApi(TOKEN, {key: value})
    assert caught.value.details[0].parameter == key


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("retries", -1),
        ("retries", 1.5),
        ("retries", True),
        ("minDelayInSeconds", "1"),
        ("minDelayInSeconds", -1),
        ("maxDelayInSeconds", 0.5),
        ("longRunningRequestTimeoutInMinutes", 0),
        ("longRunningRequestTimeoutInMinutes", float("inf")),
    ],
)
def test_a_wrong_retry_option_is_named(key: str, value: Any) -> None:
    with pytest.raises(ValidationException, match=f"retryOpts.{key}"):
        MetaApi(TOKEN, {"retryOpts": {key: value}})


def test_opts_must_be_a_dictionary() -> None:
    with pytest.raises(ValidationException, match="opts"):
        MetaApi(TOKEN, "http://127.0.0.1")  # type: ignore[arg-type]  # that is what is tested


def test_every_documented_option_is_taken() -> None:
    MetaApi(
        TOKEN,
        {
            "url": None,
            "application": "MetaApi",
            "region": "new-york",
            "requestTimeout": 30,
            "enableLatencyMonitor": True,
            "enableSocketioDebugger": False,
            "websocketLogPath": "/tmp/ws.log",  # noqa: S108 - only a value
            "retryOpts": {
                "retries": 3,
                "minDelayInSeconds": 0.5,
                "maxDelayInSeconds": 10,
                "longRunningRequestTimeoutInMinutes": 2.5,
                "somethingElse": 1,
            },
        },
    )


def test_an_unknown_option_is_ignored_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    MetaApi(TOKEN, {"requestTimout": 5})
    assert "requestTimout" in caplog.text


async def test_the_token_shows_nowhere(
    options: dict[str, Any], server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    options["url"] = "http://someone:hidden@mtfleet.test"
    options["retryOpts"] = {"retries": 1}
    server.will(error(503, "x"), error(503, "x"), httpx2.ReadError("reset"), httpx2.ReadError("reset"))
    shown = []
    async with MetaApi(TOKEN, options) as api:
        shown.append(repr(api))
        for _ in range(2):
            with pytest.raises(ApiException) as caught:
                await api.metatrader_account_api.get_account("a")
            shown += [api.format_error(caught.value), repr(caught.value)]
            shown += traceback.format_exception(caught.value)
    assert server.requests[0].headers["authorization"].startswith("Basic ")
    text = "\n".join([*shown, caplog.text])
    assert "mtfleet.test" in text
    assert TOKEN not in text
    assert "hidden" not in text


async def test_a_closed_client_says_so(options: dict[str, Any]) -> None:
    async with MetaApi(TOKEN, options) as api:
        pass
    await api.close()
    with pytest.raises(ValidationException, match="closed"):
        await api.metatrader_account_api.get_account("a")


def test_one_client_may_outlive_a_loop_but_not_serve_two(
    options: dict[str, Any], server: ScriptedServer
) -> None:
    api = MetaApi(TOKEN, options)

    async def use() -> str:
        server.will(ok(account_body()))
        return (await api.metatrader_account_api.get_account("a")).name

    assert asyncio.run(use()) == asyncio.run(use())

    async def use_in_a_second_loop() -> None:
        await use()
        with pytest.raises(ValidationException, match="another event loop"):
            await asyncio.to_thread(asyncio.run, use())
        await api.close()

    asyncio.run(use_in_a_second_loop())


async def test_a_path_that_is_none_is_refused(api: MetaApi) -> None:
    with pytest.raises(ValidationException, match="path"):
        await api.request("GET", "/a\x00b")


async def test_a_redirect_is_not_followed_with_the_token(api: MetaApi, server: ScriptedServer) -> None:
    server.will(httpx2.Response(302, headers={"location": "http://elsewhere/login"}))
    with pytest.raises(Exception, match="http://elsewhere/login"):
        await api.metatrader_account_api.get_account("a")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(200, text="<html>Sign in to the Wi-Fi</html>", headers={"content-type": "text/html"}),
        httpx2.Response(200, json=[]),
        httpx2.Response(200, json={"_id": 5}),
        httpx2.Response(200, content=b"\xff\xfe{"),
        httpx2.Response(204),
    ],
)
async def test_an_answer_that_makes_no_sense_is_explained(
    api: MetaApi, server: ScriptedServer, answer: httpx2.Response
) -> None:
    server.will(answer)
    with pytest.raises(
        Exception, match=r"GET /users/current/accounts/a was answered with status 20\d"
    ) as caught:
        await api.metatrader_account_api.get_account("a")
    assert hasattr(caught.value, "details")


async def test_a_server_that_is_not_there_is_named(options: dict[str, Any], server: ScriptedServer) -> None:
    options["retryOpts"] = {"retries": 0}
    server.will(httpx2.ConnectError("Connection refused"))
    async with MetaApi(TOKEN, options) as api:
        with pytest.raises(NetworkException, match=r"http://mtfleet\.test.*refused.*MTFLEET_URL") as caught:
            await api.metatrader_account_api.get_account("a")
    assert caught.value.details is None
    assert caught.value.status_code is None


def test_enable_logging_adds_one_handler() -> None:
    logger = logging.getLogger("mtfleet")
    before = list(logger.handlers)
    level = logger.level
    try:
        MetaApi.enable_logging()
        MetaApi.enable_logging()
        assert len(logger.handlers) == len(before) + 1
        assert logger.isEnabledFor(logging.INFO)
    finally:
        logger.handlers[:] = before
        logger.setLevel(level)
