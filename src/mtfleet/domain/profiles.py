"""Provisioning profiles: a broker's settings given by hand, with the terminal's server files."""

from enum import StrEnum

import msgspec

from mtfleet.domain.ids import ProfileId
from mtfleet.domain.values import Value


class ProfileStatus(StrEnum):
    NEW = "new"
    ACTIVE = "active"


class ProfileType(StrEnum):
    MT_TERMINAL = "mtTerminal"
    MANAGER_API = "managerApi"
    MANAGER_UI = "managerUi"


class Profile(Value, frozen=True, kw_only=True):
    """A provisioning profile as the API shows it. It is `active` when all files it needs are there."""

    id: ProfileId = msgspec.field(name="_id")
    name: str
    version: int
    status: ProfileStatus
    broker_timezone: str
    broker_dst_switch_timezone: str = msgspec.field(name="brokerDSTSwitchTimezone")
    type: ProfileType
    manager_login: int | None = None
    manager_server: str | None = None


class ProfileFilter(Value, frozen=True, kw_only=True):
    """Which profiles to list; `None` means no filter, `query` is a part of the name in any case."""

    offset: int
    limit: int
    query: str | None = None
    version: int | None = None
    status: ProfileStatus | None = None
    type: ProfileType | None = None


class ProfilePage(Value, frozen=True, kw_only=True):
    items: list[Profile]
    count: int | None = None


REQUIRED_FILES: dict[tuple[ProfileType, int], frozenset[str]] = {
    (ProfileType.MT_TERMINAL, 5): frozenset({"servers.dat"}),
    (ProfileType.MT_TERMINAL, 4): frozenset({"broker.srv", "servers.ini"}),
    (ProfileType.MANAGER_API, 4): frozenset({"managerApi.zip"}),
    (ProfileType.MANAGER_API, 5): frozenset({"managerApi.zip"}),
    (ProfileType.MANAGER_UI, 4): frozenset({"mt4manager.exe"}),
    (ProfileType.MANAGER_UI, 5): frozenset({"mt5managersetup.exe"}),
}
"""One of these files makes a profile of that type and version active."""
ALLOWED_FILES: frozenset[str] = frozenset().union(*REQUIRED_FILES.values())
"""Names that any profile takes, whatever its version; only the right one counts toward `active`."""
