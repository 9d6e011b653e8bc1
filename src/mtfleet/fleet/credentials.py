"""From a placement to what a driver needs; the only place of the fleet where a password is unsealed."""

from hashlib import blake2b
from typing import Protocol

from mtfleet.domain.ids import Login, ServerName
from mtfleet.domain.secret import Secret
from mtfleet.engines.base import Placement
from mtfleet.store.base import ACCOUNTS, PASSWORD
from mtfleet.terminals.base import ServerFile, TerminalSpec, TerminalStartFailed


class OpensSecrets(Protocol):
    """What the fleet needs of the vault."""

    async def open_secret(self, sealed: bytes, *, table: str, record_id: str, field: str) -> Secret:
        """Unseal; raises an error of the vault when the key is not at hand or the text was changed."""
        ...


def mark_of(login: Login | None, server: ServerName, sealed_password: bytes) -> int:
    """Return a short mark of credentials, to tell later whether they are still the stored ones."""
    text = f"{login}\0{server}\0".encode() + sealed_password
    return int.from_bytes(blake2b(text, digest_size=6).digest(), "big") | 1


async def terminal_spec(placement: Placement, vault: OpensSecrets, files: list[ServerFile]) -> TerminalSpec:
    """Unseal the password and return the driver's specification, which must be kept nowhere but in the
    driver.

    Raises what the vault raises, and `TerminalStartFailed` for an account without login.
    """
    account, broker = placement.account, placement.broker
    if account.login is None:
        raise TerminalStartFailed("The account has no login; set one with an update, then deploy again.")
    password = await vault.open_secret(
        placement.sealed_password,
        table=ACCOUNTS,
        record_id=placement.credentials_id,
        field=PASSWORD,
    )
    return TerminalSpec(
        account_id=placement.account_id,
        platform=account.platform,
        server=account.server,
        login=account.login,
        password=password,
        magic=account.magic,
        quote_streaming_interval_seconds=account.quote_streaming_interval_in_seconds,
        base_currency=account.base_currency,
        slippage=account.slippage,
        symbol=account.symbol,
        broker_timezone=broker.broker_timezone if broker else None,
        broker_dst_switch_timezone=broker.broker_dst_switch_timezone if broker else None,
        server_files=files,
    )
