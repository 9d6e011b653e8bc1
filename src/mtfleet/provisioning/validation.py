"""What is wrong with a request body: every field at once, named as the caller wrote it. Pure."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from mtfleet.domain.accounts import Account, AccountType, CopyFactoryRole, Platform, Reliability
from mtfleet.domain.errors import FieldProblem, wrong_fields
from mtfleet.provisioning.options import Options
from mtfleet.wire.requests import (
    AccountUpdate,
    CopyFactory,
    Credentials,
    Features,
    NewAccount,
    NewDemoAccount,
    NewReplica,
)

ACCOUNT_TYPES = {"cloud": AccountType.CLOUD_G2, **{kind.value: kind for kind in AccountType}}
"""Account types by the names that requests use; `cloud` is an alias."""
DEFAULT_QUOTE_INTERVAL_SECONDS = 2.5
MAX_METADATA_CHARACTERS = 1024
MAX_NAME = 256
MAX_SHORT_TEXT = 128
MAX_PASSWORD = 256
MAX_LOGIN_DIGITS = 19
MAX_TAGS = 100
MAX_KEYWORDS = 20
MAX_MAGIC = 2**53 - 1
"""The largest whole number that every JSON reader keeps exact."""
MAX_BALANCE = 1e12
MAX_LEVERAGE = 10_000

_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069]")
"""Also what turns the direction of a text around, so that a name can't look like another on a page."""
_LOGIN = re.compile(rf"[0-9]{{1,{MAX_LOGIN_DIGITS}}}")
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_PHONE = re.compile(r"\+?[0-9 ()\-./]{5,30}")

T = TypeVar("T")


class Problems:
    """Collects what is wrong; `raise_any` ends with all of it."""

    def __init__(self) -> None:
        self.found: list[FieldProblem] = []

    def add(self, parameter: str, message: str, value: Any = None) -> None:
        self.found.append(FieldProblem(parameter=parameter, message=message, value=value))

    def raise_any(self) -> None:
        """Raise `ValidationError` that names every wrong field, or do nothing."""
        if self.found:
            raise wrong_fields(self.found, "The request is not valid.")

    def text(self, parameter: str, value: str | None, limit: int, *, is_required: bool = False) -> None:
        if value is None:
            if is_required:
                self.add(parameter, "It is required.")
        elif not value.strip():
            self.add(parameter, "It must not be empty.", value)
        elif len(value) > limit:
            self.add(parameter, f"It must have at most {limit} characters.")
        elif _CONTROL.search(value):
            self.add(parameter, "It must not hold control characters.")

    def texts(self, parameter: str, values: Sequence[str] | None, most: int) -> None:
        if values is None:
            return
        if len(values) > most:
            self.add(parameter, f"At most {most} are allowed.")
        for index, value in enumerate(values[:most]):
            self.text(f"{parameter}[{index}]", value, MAX_SHORT_TEXT)

    def choice(self, parameter: str, value: str | None, choices: Sequence[str]) -> None:
        if value is not None and value not in choices:
            self.add(parameter, f"It must be one of {', '.join(choices)}.", value)

    def whole(self, parameter: str, value: int | None, least: int, most: int) -> None:
        if value is not None and not least <= value <= most:
            self.add(parameter, f"It must be a whole number from {least} to {most}.", value)

    def number(self, parameter: str, value: float | None, least: float, most: float) -> None:
        if value is not None and not least <= value <= most:
            self.add(parameter, f"It must be a number from {least:g} to {most:g}.", value)

    def metadata(self, value: dict[str, Any] | None) -> None:
        if value is not None and len(msgspec.json.encode(value).decode()) > MAX_METADATA_CHARACTERS:
            self.add("metadata", f"As JSON it must have at most {MAX_METADATA_CHARACTERS} characters.")

    def login(self, value: str | None) -> None:
        if value is not None and not _LOGIN.fullmatch(value):
            # Not echoed: people paste their password into the wrong field.
            self.add("login", f"It must be 1 to {MAX_LOGIN_DIGITS} digits.")

    def password(self, value: str | None) -> None:
        if value is not None and not 1 <= len(value) <= MAX_PASSWORD:
            self.add("password", f"It must have 1 to {MAX_PASSWORD} characters.")
        elif value is not None and _CONTROL.search(value):
            self.add("password", "It must not hold control characters.")

    def credentials(self, login: str | None, password: str | None) -> None:
        self.login(login)
        self.password(password)
        if login is None and password is not None:
            self.add("login", "It is required with a password; leave out both for a draft.")
        if password is None and login is not None:
            self.add("password", "It is required with a login; leave out both for a draft.")

    def slots(self, resource: int | None, copy_factory: int | None, options: Options) -> None:
        self.whole("resourceSlots", resource, 1, options.max_resource_slots)
        self.whole("copyFactoryResourceSlots", copy_factory, 1, options.max_resource_slots)

    def region(self, value: str | None, options: Options, *, is_required: bool = False) -> None:
        if value is None and is_required:
            self.add("region", f"It is required: one of {', '.join(options.regions)}.")
        self.choice("region", value, options.regions)

    def trading_style(
        self, kind: AccountType | None, *, magic: int | None, is_manual: bool, interval: float | None
    ) -> None:
        """Check what depends on each other: magic, manual trades, quote interval and type."""
        if is_manual and magic:
            self.add("magic", "It must be 0 when manualTrades is true.", magic)
        if is_manual and kind is AccountType.CLOUD_G1:
            self.add("manualTrades", "Only accounts of type cloud-g2 can have it.", True)
        self.number("quoteStreamingIntervalInSeconds", interval, 0, 86400)
        if kind is AccountType.CLOUD_G1 and interval is not None and 0 <= interval < 2.5:
            self.add(
                "quoteStreamingIntervalInSeconds",
                "Only accounts of type cloud-g2 can have less than 2.5.",
                interval,
            )


def check_new_account(body: NewAccount, options: Options) -> None:
    """Raise `ValidationError` that names all that is wrong with the body of a new account."""
    problems = Problems()
    problems.text("name", body.name, MAX_NAME, is_required=True)
    problems.text("server", body.server, MAX_SHORT_TEXT, is_required=True)
    if body.magic is None:
        problems.add("magic", "It is required; send 0 if trades need no mark.")
    problems.whole("magic", body.magic, 0, MAX_MAGIC)
    problems.credentials(body.login, body.password)
    problems.choice("platform", body.platform, [one.value for one in Platform])
    if body.platform is None and body.provisioning_profile_id is None:
        problems.add("platform", "mt4 or mt5 is required without a provisioningProfileId.")
    problems.choice("type", body.type, list(ACCOUNT_TYPES))
    kind = ACCOUNT_TYPES.get(body.type or "cloud")
    problems.trading_style(
        kind,
        magic=body.magic,
        is_manual=bool(body.manual_trades),
        interval=body.quote_streaming_interval_in_seconds,
    )
    problems.text("symbol", body.symbol, MAX_SHORT_TEXT)
    if body.symbol is not None and kind is AccountType.CLOUD_G2:
        problems.add("symbol", "Only accounts of type cloud-g1 take it.", body.symbol)
    problems.number("slippage", body.slippage, 0, 1e9)
    problems.texts("keywords", body.keywords, MAX_KEYWORDS)
    problems.texts("tags", body.tags, MAX_TAGS)
    problems.metadata(body.metadata)
    problems.region(body.region, options)
    problems.choice("reliability", body.reliability, [one.value for one in Reliability])
    if body.base_currency is not None and not _CURRENCY.fullmatch(body.base_currency):
        problems.add("baseCurrency", "It must be 3 letters, such as USD.", body.base_currency)
    _copy_factory_roles(problems, "copyFactoryRoles", body.copy_factory_roles)
    problems.slots(body.resource_slots, body.copy_factory_resource_slots, options)
    problems.choice("allocateDedicatedIp", body.allocate_dedicated_ip, ["ipv4"])
    problems.raise_any()


def check_update(
    body: AccountUpdate, account: Account, options: Options, *, is_replica: bool = False
) -> None:
    """Raise `ValidationError` that names all that is wrong with a change of `account`."""
    problems = Problems()
    required = ("magic",) if is_replica else ("name", "server", "login", "password", "magic")
    for field in required:
        if getattr(body, field) is None:
            problems.add(field, "It can't be cleared.")
    if not is_replica:
        problems.text("name", given(body.name), MAX_NAME)
        problems.text("server", given(body.server), MAX_SHORT_TEXT)
        problems.login(given(body.login))
        problems.password(given(body.password))
        problems.number("slippage", given(body.slippage), 0, 1e9)
        _copy_factory_roles(problems, "copyFactoryRoles", given(body.copy_factory_roles))
    problems.whole("magic", given(body.magic), 0, MAX_MAGIC)
    is_manual = account.manual_trades
    if not is_replica:
        is_manual = bool(merged(body.manual_trades, account.manual_trades, None))
    problems.trading_style(
        account.type,
        magic=merged(body.magic, account.magic, account.magic),
        is_manual=is_manual,
        interval=given(body.quote_streaming_interval_in_seconds),
    )
    problems.texts("tags", given(body.tags), MAX_TAGS)
    problems.metadata(given(body.metadata))
    problems.slots(given(body.resource_slots), given(body.copy_factory_resource_slots), options)
    problems.raise_any()


def check_new_replica(body: NewReplica, account: Account, options: Options) -> None:
    """Raise `ValidationError` that names all that is wrong with a new replica of `account`."""
    problems = Problems()
    if body.magic is None:
        problems.add("magic", "It is required; send 0 if trades need no mark.")
    problems.whole("magic", body.magic, 0, MAX_MAGIC)
    problems.region(body.region, options, is_required=True)
    taken = {account.region, *(replica.region for replica in account.account_replicas)}
    if body.region in taken:
        problems.add("region", "The account or a replica of it is in that region already.", body.region)
    problems.trading_style(
        account.type,
        magic=body.magic,
        is_manual=account.manual_trades,
        interval=body.quote_streaming_interval_in_seconds,
    )
    problems.text("symbol", body.symbol, MAX_SHORT_TEXT)
    if body.symbol is not None and account.type is AccountType.CLOUD_G2:
        problems.add("symbol", "Only accounts of type cloud-g1 take it.", body.symbol)
    problems.texts("tags", body.tags, MAX_TAGS)
    problems.metadata(body.metadata)
    problems.choice("reliability", body.reliability, [one.value for one in Reliability])
    problems.slots(body.resource_slots, body.copy_factory_resource_slots, options)
    problems.raise_any()


def check_copy_factory(body: CopyFactory, options: Options, prefix: str = "") -> None:
    """Raise `ValidationError` unless roles and slots are there and right."""
    problems = Problems()
    _check_copy_factory(problems, body, options, prefix)
    problems.raise_any()


def check_features(body: Features, options: Options) -> None:
    """Raise `ValidationError` that names all that is wrong with a wish for features."""
    problems = Problems()
    if body.copy_factory_api is not None:
        _check_copy_factory(problems, body.copy_factory_api, options, "copyFactoryApi.")
    problems.choice("allocateDedicatedIp", body.allocate_dedicated_ip, ["ipv4"])
    problems.raise_any()


def check_new_demo_account(body: NewDemoAccount) -> None:
    """Raise `ValidationError` that names all that is wrong with a wish for a demo account."""
    problems = Problems()
    problems.text("serverName", body.server_name, MAX_SHORT_TEXT, is_required=True)
    for parameter, value, most in (
        ("balance", body.balance, MAX_BALANCE),
        ("leverage", body.leverage, float(MAX_LEVERAGE)),
    ):
        if value is None:
            problems.add(parameter, "It is required.")
        elif not 0 < value <= most:
            problems.add(parameter, f"It must be more than 0 and at most {most:g}.", value)
    problems.text("email", body.email, MAX_NAME, is_required=True)
    problems.text("accountType", body.account_type, MAX_SHORT_TEXT)
    problems.text("name", body.name, MAX_NAME)
    if body.phone is not None and not _PHONE.fullmatch(body.phone):
        problems.add("phone", "It must be a phone number in international format.", body.phone)
    problems.texts("keywords", body.keywords, MAX_KEYWORDS)
    problems.raise_any()


def check_link_credentials(body: Credentials, *, needs_login: bool) -> None:
    """Raise `ValidationError` unless the password, and for a draft the login, are there and right."""
    problems = Problems()
    if needs_login and not body.login:
        problems.add("login", "It is required.")
    elif needs_login:
        problems.login(body.login)
    if not body.password:
        problems.add("password", "It is required.")
    else:
        problems.password(body.password)
    problems.raise_any()


def given(value: T | UnsetType | None) -> T | None:
    """Return what was sent, or `None` when it was left out or is `null`."""
    return None if value is UNSET else value


def merged(value: T | UnsetType | None, present: T, cleared: T | None) -> Any:
    """Return the value after an update: what was sent, `cleared` for `null`, else what is there."""
    if value is UNSET:
        return present
    return cleared if value is None else value


def _check_copy_factory(problems: Problems, body: CopyFactory, options: Options, prefix: str) -> None:
    if body.copy_factory_roles is None:
        problems.add(f"{prefix}copyFactoryRoles", "It is required.")
    _copy_factory_roles(problems, f"{prefix}copyFactoryRoles", body.copy_factory_roles)
    slots = f"{prefix}copyFactoryResourceSlots"
    if body.copy_factory_resource_slots is None:
        problems.add(slots, "It is required.")
    problems.whole(slots, body.copy_factory_resource_slots, 1, options.max_resource_slots)


def _copy_factory_roles(problems: Problems, parameter: str, roles: Sequence[str] | None) -> None:
    for index, role in enumerate(roles or ()):
        problems.choice(f"{parameter}[{index}]", role, [one.value for one in CopyFactoryRole])
