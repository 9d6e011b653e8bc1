"""Contract section 10: expert advisors."""

from typing import Any
from urllib.parse import quote

import pytest

from mtfleet.testing.contract import ACCOUNTS, ContractClient, parameters

pytestmark = pytest.mark.e2e

PRESET = "a2V5MT12YWx1ZTEKa2V5Mj12YWx1ZTIKa2V5Mz12YWx1ZTMKc3VwZXI9dHJ1ZQ"
BODY = {"period": "1h", "symbol": "EURUSD", "preset": PRESET}


@pytest.fixture
def experts(user: ContractClient) -> str:
    account = user.draft(server="Sandbox-MT4", type="cloud-g1")
    return f"{ACCOUNTS}/{account}/expert-advisors"


def test_create_update_upload_remove(user: ContractClient, experts: str) -> None:
    assert user.get(experts) == []
    user.get(f"{experts}/ea", 404)
    user.put(f"{experts}/ea/file", 404, files={"file": ("ea.ex4", b"program")})
    user.delete(f"{experts}/ea", 404)
    user.put(f"{experts}/ea", 204, json=BODY)
    expected = {"expertId": "ea", "period": "1h", "symbol": "EURUSD", "fileUploaded": False}
    assert user.get(f"{experts}/ea") == expected
    assert user.get(experts) == [expected]
    user.put(f"{experts}/ea/file", 204, files={"file": ("ea.ex4", b"program")})
    user.put(f"{experts}/ea", 204, json={"period": "4H", "symbol": "GBPUSD"})
    expected = {"expertId": "ea", "period": "4h", "symbol": "GBPUSD", "fileUploaded": True}
    assert user.get(f"{experts}/ea") == expected
    user.put(f"{experts}/ea/file", 204, files={"file": ("again.ex4", b"other program")})
    user.delete(f"{experts}/ea", 204)
    user.get(f"{experts}/ea", 404)
    assert user.get(experts) == []


@pytest.mark.parametrize("name", ["a b", "ea/1", "#1", "100%", "ea?x=1", "сова 🦉", "%2F", "file", "..."])
def test_any_printable_id_works(user: ContractClient, experts: str, name: str) -> None:
    path = f"{experts}/{quote(name, safe='')}"
    user.put(path, 204, json=BODY)
    user.put(f"{path}/file", 204, files={"file": ("x", b"program")})
    assert user.get(path)["expertId"] == name
    assert [one["expertId"] for one in user.get(experts)] == [name]
    user.delete(path)
    assert user.get(experts) == []


@pytest.mark.parametrize("period", ["1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w", "1mn", "1H", "1MN"])
def test_periods(user: ContractClient, experts: str, period: str) -> None:
    user.put(f"{experts}/ea", 204, json=BODY | {"period": period})
    assert user.get(f"{experts}/ea")["period"] == period.lower()


@pytest.mark.parametrize("preset", [PRESET, PRESET + "==", "", None, "YQ", "YQ==", "_-8", "YQ==\n"])
def test_presets_padded_or_not(user: ContractClient, experts: str, preset: str | None) -> None:
    user.put(f"{experts}/ea", 204, json=BODY | {"preset": preset})
    assert "preset" not in user.get(f"{experts}/ea")


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"period": "2h"}, "period"),
        ({"period": None}, "period"),
        ({"period": 1}, "period"),
        ({"symbol": None}, "symbol"),
        ({"symbol": ""}, "symbol"),
        ({"symbol": "x" * 1000}, "symbol"),
        ({"symbol": "a\u0000b"}, "symbol"),
        ({"preset": "not base64!"}, "preset"),
        ({"preset": "a"}, "preset"),
        ({"preset": "é"}, "preset"),
    ],
)
def test_wrong_bodies(user: ContractClient, experts: str, change: dict[str, Any], wrong: str) -> None:
    assert wrong in parameters(user.put(f"{experts}/ea", 400, json=BODY | change))
    assert user.get(experts) == []


def test_wrong_files(user: ContractClient, experts: str) -> None:
    user.put(f"{experts}/ea", 204, json=BODY)
    user.put(f"{experts}/ea/file", 400, files={"file": ("x", b"")})
    user.put(f"{experts}/ea/file", 400, files={"other": ("x", b"program")})
    user.put(f"{experts}/ea/file", 400, content=b"")
    user.put(f"{experts}/ea/file", 400, files={"file": ("x.dll", b"MZ\x90\x00 a library")})
    assert user.get(f"{experts}/ea")["fileUploaded"] is False


@pytest.mark.parametrize(
    ("change", "wrong"),
    [({"server": "Sandbox-MT5", "type": "cloud-g1"}, "platform"), ({"server": "Sandbox-MT4"}, "type")],
)
def test_only_mt4_accounts_on_g1(user: ContractClient, change: dict[str, Any], wrong: str) -> None:
    experts = f"{ACCOUNTS}/{user.draft(**change)}/expert-advisors"
    assert user.get(experts) == []
    assert parameters(user.put(f"{experts}/ea", 400, json=BODY)) == {wrong}
    user.get(f"{experts}/ea", 404)
