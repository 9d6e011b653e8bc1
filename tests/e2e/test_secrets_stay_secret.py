"""No password in any answer, log line, error, audit entry or byte on disk, whatever was done with it."""

import base64
import secrets
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mtfleet.testing.server import RunningServer, running_server

pytestmark = pytest.mark.e2e

ACCOUNTS = "/users/current/accounts"
DEMOS = "/users/current/provisioning-profiles/default/mt5-demo-accounts"


class Recorder:
    """A client that keeps every answer, whole."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http
        self.heard = b""

    async def send(
        self, method: str, path: str, *, secret_answer: bool = False, **options: Any
    ) -> httpx2.Response:
        """Send; a `secret_answer` is one that rightly holds a password, and is not kept."""
        options.setdefault("headers", {})["transaction-id"] = secrets.token_hex(16)
        answer = await self._http.request(method, path, **options)
        if not secret_answer:
            self.heard += repr(dict(answer.headers)).encode() + answer.content
        return answer


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with running_server(flags=["--log-level", "debug"]) as running:
        yield running


async def test_no_password_is_found_anywhere(server: RunningServer) -> None:
    wrong = "Wrong-" + secrets.token_hex(12)
    entered = "Entered-" + secrets.token_hex(12)
    manager = "Manager-" + secrets.token_hex(12)
    preset = "Preset-" + secrets.token_hex(12)
    async with httpx2.AsyncClient(
        base_url=server.url, headers={"auth-token": server.token}, timeout=30
    ) as http:
        recorder = Recorder(http)
        demo = await make_demo_account(recorder)
        account = await add_accounts(recorder, demo, wrong)
        await send_malformed(recorder, wrong)
        await use_links(recorder, account, entered, demo["password"])
        await add_profile_and_expert(recorder, manager, preset, demo)
        await recorder.send("GET", "/users/current/audit-log")
        await recorder.send("GET", ACCOUNTS)
        await recorder.send("GET", "/metrics")
        while_serving = files_of(server.data_dir)
    token = server.token
    server.stop()
    sought = [wrong, entered, manager, preset, demo["password"], demo["investorPassword"]]
    places = {
        "answers": recorder.heard,
        "log": server.log().encode(),
        **while_serving,
        **files_of(server.data_dir),
    }
    assert len(places["log"]) > 100, "the log says nothing, so this test would prove nothing"
    found = [
        (place, form)
        for place, content in places.items()
        for text in sought
        for form in (text, base64.b64encode(text.encode()).decode().rstrip("="), text.encode().hex())
        if form.encode() in content
    ]
    assert found == []
    assert [p for p, content in places.items() if token.encode() in content] == ["admin.token"]


def files_of(directory: Path) -> dict[str, bytes]:
    """Read every file, the database's write-ahead log among them."""
    files = {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}
    assert any("db" in name or "sqlite" in name for name in files), f"no database among {sorted(files)}"
    return files


async def make_demo_account(recorder: Recorder) -> dict[str, str]:
    wish = {"balance": 1000, "email": "a@example.com", "leverage": 100, "serverName": "Sandbox-MT5"}
    answer = await recorder.send("POST", DEMOS, json=wish, secret_answer=True)
    assert answer.status_code == 201, answer.text
    made: dict[str, str] = answer.json()
    return made


def account_body(demo: dict[str, str], password: str, **more: Any) -> dict[str, Any]:
    return {
        "name": "Leak test",
        "server": "Sandbox-MT5",
        "platform": "mt5",
        "magic": 0,
        "login": demo["login"],
        "password": password,
        **more,
    }


async def add_accounts(recorder: Recorder, demo: dict[str, str], wrong: str) -> str:
    """One that works, one with a wrong password, one on an unknown server, an update to a wrong password."""
    good = await recorder.send("POST", ACCOUNTS, json=account_body(demo, demo["password"]))
    assert good.status_code == 201, good.text
    account = str(good.json()["id"])
    assert (await recorder.send("POST", ACCOUNTS, json=account_body(demo, wrong))).json()[
        "details"
    ] == "E_AUTH"
    unknown = account_body(demo, wrong, server="Nowhere-Demo")
    assert (await recorder.send("POST", ACCOUNTS, json=unknown)).status_code == 400
    await recorder.send("PUT", f"{ACCOUNTS}/{account}", json={"password": wrong})
    await recorder.send("POST", f"{ACCOUNTS}/{account}/redeploy")
    await recorder.send("PUT", f"{ACCOUNTS}/{account}", json={"password": demo["password"]})
    await recorder.send("POST", f"{ACCOUNTS}/{account}/redeploy")
    return account


async def send_malformed(recorder: Recorder, wrong: str) -> None:
    """A password in a place where it does not belong, or in a body that is none."""
    for content in (
        f'{{"password": "{wrong}"',
        f'{{"password": ["{wrong}"]}}',
        f'{{"password": {{"a": "{wrong}"}}}}',
        f'["{wrong}"]',
        f'"{wrong}"',
        f'{{"login": "{wrong}", "password": "{wrong}", "name": "x", "server": "S", "magic": 0}}',
        f'{{"magic": "x"}}{wrong}',
    ):
        headers = {"content-type": "application/json"}
        answer = await recorder.send("POST", ACCOUNTS, content=content, headers=headers)
        assert answer.status_code == 400, answer.text


async def use_links(recorder: Recorder, account: str, entered: str, right: str) -> None:
    """Enter a wrong password on the configuration page, then the right one."""
    link = await recorder.send("PUT", f"{ACCOUNTS}/{account}/configuration-link", secret_answer=True)
    url = httpx2.URL(link.json()["configurationLink"])
    page = await recorder.send("GET", url.path)
    form = dict(hidden_fields(page.text))
    for password in (entered, right):
        answer = await recorder.send("POST", url.path, data={**form, "password": password})
        assert answer.status_code < 500


def hidden_fields(page: str) -> list[tuple[str, str]]:
    """Read the hidden inputs of a form."""
    found: list[tuple[str, str]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            values = dict(attributes)
            if tag == "input" and values.get("type") == "hidden":
                found.append((values.get("name") or "", values.get("value") or ""))

    Reader().feed(page)
    return found


async def add_profile_and_expert(recorder: Recorder, manager: str, preset: str, demo: dict[str, str]) -> None:
    """A manager's password and an expert's preset are secrets as well."""
    profile = {
        "name": "Leak test",
        "version": 5,
        "brokerTimezone": "EET",
        "brokerDSTSwitchTimezone": "EET",
        "type": "managerApi",
        "managerLogin": 1,
        "managerPassword": manager,
        "managerServer": "127.0.0.1:443",
    }
    await recorder.send("POST", "/users/current/provisioning-profiles", json=profile)
    mt4 = await recorder.send(
        "POST",
        DEMOS.replace("mt5", "mt4"),
        json={"balance": 1, "email": "a@example.com", "leverage": 1, "serverName": "Sandbox-MT4"},
        secret_answer=True,
    )
    body = account_body(
        mt4.json(), mt4.json()["password"], server="Sandbox-MT4", platform="mt4", type="cloud-g1"
    )
    made = await recorder.send("POST", ACCOUNTS, json=body)
    assert made.status_code == 201, made.text
    expert = {"period": "1h", "symbol": "EURUSD", "preset": base64.b64encode(preset.encode()).decode()}
    put = await recorder.send("PUT", f"{ACCOUNTS}/{made.json()['id']}/expert-advisors/ea", json=expert)
    assert put.status_code == 204, put.text
