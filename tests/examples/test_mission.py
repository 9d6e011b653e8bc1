"""The mission guide as a test: its calls, in its order, with its names and arguments, against a real server.

The guide's own names of brokers and files are supplied by fixtures. Its loops over `accounts['items']` have
one bracket too many; here they run.
"""

import ast
import inspect
import logging
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mtfleet import MetaApi, NotFoundException, ValidationException
from mtfleet.sdk import ExpertAdvisor, MetatraderAccount, ProvisioningProfile
from mtfleet.testing.server import RunningServer

GUIDE = Path(__file__).resolve().parents[3] / "shared" / "mission" / "account-management.txt"
PRESET = "a2V5MT12YWx1ZTEKa2V5Mj12YWx1ZTIKa2V5Mz12YWx1ZTMKc3VwZXI9dHJ1ZQ"
PERSON = {
    "balance": 100000,
    "accountType": "demo",
    "email": "trader@example.com",
    "leverage": 100,
    "name": "Test User",
    "phone": "+12345678901",
}


@dataclass(frozen=True)
class Credentials:
    login: str
    password: str


@pytest.fixture
async def api(server: RunningServer) -> AsyncIterator[MetaApi]:
    async with MetaApi(server.token, {"url": server.url, "retryOpts": {"minDelayInSeconds": 0.1}}) as api:
        yield api


@pytest.fixture
async def mt4(api: MetaApi) -> Credentials:
    """An account at the broker, which mtfleet does not know yet."""
    demo = await api.metatrader_account_generator_api.create_mt4_demo_account(
        account=PERSON | {"serverName": "Sandbox-MT4"}
    )
    return Credentials(demo.login, demo.password)


@pytest.fixture
async def mt5(api: MetaApi) -> Credentials:
    demo = await api.metatrader_account_generator_api.create_mt5_demo_account(
        account=PERSON | {"serverName": "Sandbox-MT5"}
    )
    return Credentials(demo.login, demo.password)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("servers.dat", "broker.srv", "custom-ea"):
        (tmp_path / name).write_bytes(f"content of {name}".encode())
    return tmp_path


def wanted(credentials: Credentials, **fields: Any) -> dict[str, Any]:
    """The guide's first account."""
    return {
        "name": "Trading account #1",
        "type": "cloud",
        "login": credentials.login,
        "platform": "mt4",
        "password": credentials.password,
        "server": "Sandbox-MT4",
        "magic": 123456,
        "keywords": ["Sandbox Markets Ltd"],
        "quoteStreamingIntervalInSeconds": 2.5,
        "reliability": "high",
        **fields,
    }


@pytest.mark.e2e
async def test_the_guide_from_its_first_call_to_its_last(
    api: MetaApi, mt4: Credentials, mt5: Credentials, files: Path
) -> None:
    account = await add_with_detection(api, mt4)
    profile = await make_profile(api, files)
    with_profile, draft = await add_with_profile(api, mt5, profile)
    await list_accounts(api, account)
    account = await live_of_an_account(api, account, mt4)
    await experts(api, mt4, files)
    await list_profiles(api, profile)
    for added in (with_profile, draft):
        await added.remove()
        await added.wait_removed()
    await demo_accounts(api, profile, files)
    await live_of_a_profile(api, profile, files)


async def add_with_detection(api: MetaApi, credentials: Credentials) -> MetatraderAccount:
    account = await api.metatrader_account_api.create_account(account=wanted(credentials))
    assert (account.server, account.version, account.type) == ("Sandbox-MT4", 4, "cloud-g2")
    assert (account.magic, account.reliability) == (123456, "high")
    assert account.quote_streaming_interval_in_seconds == 2.5
    await account.wait_connected()
    assert (account.state, account.connection_status) == ("DEPLOYED", "CONNECTED")
    return account


async def make_profile(api: MetaApi, files: Path) -> ProvisioningProfile:
    provisioningProfile = await api.provisioning_profile_api.create_provisioning_profile(
        profile={
            "name": "My profile",
            "version": 5,
            "brokerTimezone": "EET",
            "brokerDSTSwitchTimezone": "EET",
        }
    )
    assert provisioningProfile.status == "new"
    await provisioningProfile.upload_file(file_name="servers.dat", file=str(files / "servers.dat"))
    assert provisioningProfile.status == "active"
    await provisioningProfile.upload_file(file_name="broker.srv", file=str(files / "broker.srv"))
    return provisioningProfile


async def add_with_profile(
    api: MetaApi, credentials: Credentials, provisioningProfile: ProvisioningProfile
) -> tuple[MetatraderAccount, MetatraderAccount]:
    account = await api.metatrader_account_api.create_account(
        account={
            "name": "Trading account #1",
            "type": "cloud",
            "login": credentials.login,
            "password": credentials.password,
            "server": "Sandbox-MT5",
            "provisioningProfileId": provisioningProfile.id,
            "magic": 123456,
            "quoteStreamingIntervalInSeconds": 2.5,
            "reliability": "high",
        }
    )
    assert (account.provisioning_profile_id, account.version) == (provisioningProfile.id, 5)
    draft = await api.metatrader_account_api.create_account(
        account={
            "name": "Trading account #1",
            "type": "cloud",
            "server": "Sandbox-MT5",
            "provisioningProfileId": provisioningProfile.id,
            "application": "MetaApi",
            "magic": 123456,
            "quoteStreamingIntervalInSeconds": 2.5,
            "reliability": "high",
        }
    )
    assert draft.state == "DRAFT"
    configuration_link = await draft.create_configuration_link(ttl_in_days=7)
    assert draft.id in configuration_link["configurationLink"]
    return account, draft


async def list_accounts(api: MetaApi, account: MetatraderAccount) -> None:
    chosen: dict[str, Any] = {"limit": 10, "offset": 0, "query": "Sandbox-MT4", "state": ["DEPLOYED"]}
    accounts = await api.metatrader_account_api.get_accounts_with_infinite_scroll_pagination(
        accounts_filter=chosen
    )
    assert account.id in [found.id for found in accounts]
    accounts = await api.metatrader_account_api.get_accounts_with_infinite_scroll_pagination()
    assert account.id in [acc.id for acc in accounts["items"]]
    accounts = await api.metatrader_account_api.get_accounts_with_classic_scroll_pagination(
        accounts_filter=chosen
    )
    assert account.id in [acc.id for acc in accounts["items"]]
    assert accounts["count"] >= 1
    accounts = await api.metatrader_account_api.get_accounts_with_classic_scroll_pagination()
    assert accounts["count"] >= 3


async def live_of_an_account(
    api: MetaApi, account: MetatraderAccount, credentials: Credentials
) -> MetatraderAccount:
    account = await api.metatrader_account_api.get_account(account.id)
    await account.update(
        account={
            "name": "Trading account #1",
            "login": credentials.login,
            "password": credentials.password,
            "server": "Sandbox-MT4",
            "quoteStreamingIntervalInSeconds": 2.5,
        }
    )
    await account.deploy()
    await account.undeploy()
    await account.wait_undeployed()
    await account.deploy()
    await account.wait_deployed()
    await account.redeploy()
    await account.wait_connected()
    await account.remove()
    await account.wait_removed()
    with pytest.raises(NotFoundException):
        await api.metatrader_account_api.get_account(account.id)
    return account


async def experts(api: MetaApi, credentials: Credentials, files: Path) -> None:
    account = await api.metatrader_account_api.create_account(wanted(credentials, type="cloud-g1"))
    expert = await account.create_expert_advisor(
        expert_id="expertId", expert={"period": "1h", "symbol": "EURUSD", "preset": PRESET}
    )
    assert not expert.file_uploaded
    await expert.upload_file(str(files / "custom-ea"))
    assert expert.file_uploaded
    experts = await account.get_expert_advisors()
    assert [found.expert_id for found in experts] == ["expertId"]
    expert = await account.get_expert_advisor(expert_id="expertId")
    await expert.update(expert={"period": "4h", "symbol": "EURUSD", "preset": PRESET})
    assert (expert.period, expert.symbol) == ("4h", "EURUSD")
    await expert.upload_file(str(files / "custom-ea"))
    await expert.remove()
    assert await account.get_expert_advisors() == []
    await account.remove()
    await account.wait_removed()


async def list_profiles(api: MetaApi, profile: ProvisioningProfile) -> None:
    profiles = api.provisioning_profile_api
    chosen = {"limit": 10, "offset": 0, "query": "my prof", "version": 5}
    provisioningProfiles = await profiles.get_provisioning_profiles_with_infinite_scroll_pagination(chosen)
    assert profile.id in [found.id for found in provisioningProfiles]
    provisioningProfiles = await profiles.get_provisioning_profiles_with_infinite_scroll_pagination()
    assert profile.id in [found.id for found in provisioningProfiles]
    provisioningProfiles = await profiles.get_provisioning_profiles_with_classic_pagination(chosen)
    assert profile.id in [found.id for found in provisioningProfiles["items"]]
    assert provisioningProfiles["count"] >= 1
    provisioningProfiles = await profiles.get_provisioning_profiles_with_classic_pagination()
    assert provisioningProfiles["count"] >= 1


async def live_of_a_profile(api: MetaApi, profile: ProvisioningProfile, files: Path) -> None:
    provisioningProfile = await api.provisioning_profile_api.get_provisioning_profile(profile.id)
    await provisioningProfile.update(profile={"name": "New name"})
    assert provisioningProfile.name == "New name"
    await provisioningProfile.upload_file(file_name="servers.dat", file=str(files / "servers.dat"))
    await provisioningProfile.upload_file(file_name="broker.srv", file=str(files / "broker.srv"))
    await provisioningProfile.remove()
    with pytest.raises(NotFoundException):
        await provisioningProfile.reload()


async def demo_accounts(api: MetaApi, provisioningProfile: ProvisioningProfile, files: Path) -> None:
    made = [
        await api.metatrader_account_generator_api.create_mt4_demo_account(
            account=PERSON | {"serverName": "Sandbox-MT4", "keywords": ["Sandbox Markets Ltd"]}
        ),
        await api.metatrader_demo_account_api.create_mt5_demo_account(
            account={
                "accountType": "demo",
                "balance": 100000,
                "email": "trader@example.com",
                "leverage": 100,
                "serverName": "Sandbox-MT5",
                "keywords": ["Sandbox Markets Ltd"],
            }
        ),
        await api.metatrader_account_generator_api.create_mt5_demo_account(
            account=PERSON | {"serverName": "Sandbox-MT5"}, profile_id=provisioningProfile.id
        ),
    ]
    mt4_profile = await api.provisioning_profile_api.create_provisioning_profile(
        profile={"name": "MT4", "version": 4, "brokerTimezone": "EET", "brokerDSTSwitchTimezone": "EET"}
    )
    await mt4_profile.upload_file(file_name="broker.srv", file=files / "broker.srv")
    made.append(
        await api.metatrader_account_generator_api.create_mt4_demo_account(
            account=PERSON | {"serverName": "Sandbox-MT4"}, profile_id=mt4_profile.id
        )
    )
    assert [demo.server_name for demo in made] == ["Sandbox-MT4", "Sandbox-MT5", "Sandbox-MT5", "Sandbox-MT4"]
    assert len({(demo.server_name, demo.login) for demo in made}) == 4
    await mt4_profile.remove()


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"server": "Sandbox-MT"}, "E_SRV_NOT_FOUND"),
        ({"password": "not the password"}, "E_AUTH"),
        ({"server": "Sandbox-NoTimezone"}, "E_SERVER_TIMEZONE"),
    ],
)
async def test_the_three_errors_that_the_guide_tells_of(
    api: MetaApi, change: dict[str, str], code: str
) -> None:
    server = change.get("server", "Sandbox-MT5")
    demo = await api.metatrader_account_generator_api.create_mt5_demo_account(
        account=PERSON | {"serverName": "Sandbox-MT5" if code == "E_SRV_NOT_FOUND" else server}
    )
    credentials = Credentials(demo.login, demo.password)
    account = wanted(credentials, server="Sandbox-MT5", platform="mt5") | change
    with pytest.raises(ValidationException) as caught:
        await api.metatrader_account_api.create_account(account=account)
    err = caught.value
    assert hasattr(err, "details")
    assert err.details == code
    assert (err.status_code, err.error, err.id) == (400, "ValidationError", 3)
    assert demo.password not in f"{err} {err!r} {api.format_error(err)}"
    page = await api.metatrader_account_api.get_accounts_with_classic_pagination({"query": demo.login})
    assert demo.login not in [found.login for found in page]


@pytest.mark.e2e
async def test_slow_detection_is_waited_for_and_told(api: MetaApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mtfleet")
    demo = await api.metatrader_account_generator_api.create_mt5_demo_account(
        account=PERSON | {"serverName": "Sandbox-Slow"}
    )
    account = await api.metatrader_account_api.create_account(
        account=wanted(Credentials(demo.login, demo.password), server="Sandbox-Slow", platform="mt5")
    )
    told = [record.getMessage() for record in caplog.records if record.name == "mtfleet"]
    wait = re.compile(r"Retrying request in [0-9.]+ seconds because request returned message: .")
    assert any(wait.match(text) for text in told)
    await account.remove()


def calls_of(guide: str) -> list[ast.Call]:
    """Return every `await …(…)` of the guide, whatever stands around it."""
    found = []
    for match in re.finditer(r"await\s+(?=[\w.]+\()", guide):
        for end in re.finditer(r"\)", guide[match.end() :]):
            try:
                parsed = ast.parse(guide[match.end() : match.end() + end.end()], mode="eval")
            except SyntaxError:
                continue
            assert isinstance(parsed.body, ast.Call)
            found.append(parsed.body)
            break
    return found


RECEIVERS = {
    "account": MetatraderAccount,
    "expert": ExpertAdvisor,
    "provisioningProfile": ProvisioningProfile,
}


@pytest.mark.skipif(not GUIDE.exists(), reason="the guide is not beside this checkout")
def test_every_call_of_the_guide_fits_the_sdk() -> None:
    api = MetaApi("a.b.c", {"url": "http://127.0.0.1"})
    guide = GUIDE.read_text(encoding="utf-8")
    calls = calls_of(guide)
    assert len(calls) == len(re.findall(r"\bawait ", guide))
    used = set(re.findall(r"\.(\w+)\(", Path(__file__).read_text(encoding="utf-8")))
    for call in calls:
        assert isinstance(call.func, ast.Attribute)
        receiver = ast.unparse(call.func.value)
        bound = getattr(api, receiver.removeprefix("api.")) if receiver.startswith("api.") else None
        owner = type(bound) if bound is not None else RECEIVERS[receiver]
        method = getattr(owner, call.func.attr)
        assert inspect.iscoroutinefunction(method), ast.unparse(call.func)
        keywords = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        inspect.signature(method).bind(object(), *call.args, **keywords)
        assert call.func.attr in used, f"{call.func.attr} is not called in this file"
