"""The configuration page in a real browser without script, against the whole program."""

import shutil
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from mtfleet.testing.server import RunningServer, running_server

pytestmark = pytest.mark.e2e

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "these tests need chromium; .ci/run tells how to install it"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def api(server: RunningServer) -> Iterator[httpx2.Client]:
    headers = {"auth-token": server.token}
    with httpx2.Client(base_url=f"{server.url}/users/current", headers=headers, timeout=60) as client:
        yield client


@pytest.fixture(params=[(360, "light"), (360, "dark"), (1280, "light")], ids=str)
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 720}, color_scheme=scheme, java_script_enabled=False
    )
    yield context.new_page()
    context.close()


def demo_account(api: httpx2.Client, server_name: str) -> Any:
    wish = {"balance": 1000, "email": "a@example.com", "leverage": 100, "serverName": server_name}
    answer = api.post("/provisioning-profiles/default/mt5-demo-accounts", json=wish)
    while answer.status_code == 202:
        answer = api.post("/provisioning-profiles/default/mt5-demo-accounts", json=wish)
    return answer.json()


def a_link(api: httpx2.Client, server_name: str) -> tuple[str, str]:
    """Make a draft and a link to it."""
    draft = {"name": "Growth", "server": server_name, "platform": "mt5", "magic": 0}
    account_id = api.post("/accounts", json=draft).json()["id"]
    link = api.put(f"/accounts/{account_id}/configuration-link").json()["configurationLink"]
    return account_id, link


def test_an_owner_connects_an_account(api: httpx2.Client, page: Page) -> None:
    demo = demo_account(api, "Sandbox-MT5")
    account_id, link = a_link(api, "Sandbox-MT5")
    page.goto(link)
    assert page.locator("h1").inner_text() == "Connect your trading account"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    page.get_by_label("Login").fill(demo["login"])
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button").click()
    assert "did not accept" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("Login").input_value() == demo["login"]
    assert page.get_by_label("Password").input_value() == ""

    page.get_by_label("Password").fill(demo["password"])
    page.get_by_role("button").click()
    page.get_by_role("heading", name="All set").wait_for(timeout=30_000)
    assert api.get(f"/accounts/{account_id}").json()["login"] == demo["login"]
    page.goto(link)
    assert page.locator("h1").inner_text() == "This link does not work"


def test_a_slow_broker_shows_progress(api: httpx2.Client, browser: Browser) -> None:
    demo = demo_account(api, "Sandbox-Slow")
    _, link = a_link(api, "Sandbox-Slow")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(link)
    page.get_by_label("Login").fill(demo["login"])
    page.get_by_label("Password").fill(demo["password"])
    page.get_by_role("button").click()
    page.get_by_role("heading", name="Checking with your broker").wait_for(timeout=30_000)
    page.get_by_role("heading", name="All set").wait_for(timeout=60_000)
    context.close()


def test_the_reference_needs_no_network_and_no_script(server: RunningServer, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server.url}/swagger/")
    assert page.locator("details").count() > 60
    assert all(url.startswith((server.url, "data:")) for url in asked)
    context.close()
