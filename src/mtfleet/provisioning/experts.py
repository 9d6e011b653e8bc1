"""Expert advisors that a user adds to an account: MetaTrader 4 on `cloud-g1` only.

Changes on a deployed account are used from its next redeploy on. Experts that need libraries (DLLs) of their
own are not supported, and a library is not taken in an expert's place. Presets often hold licence keys,
so they are sealed as passwords are.
"""

import base64
import binascii
from typing import Final

from msgspec.structs import replace

from mtfleet.domain.access import Caller
from mtfleet.domain.accounts import Account, AccountType, Platform
from mtfleet.domain.errors import FieldProblem, ForbiddenError, NotFoundError, invalid, wrong_fields
from mtfleet.domain.experts import PERIODS, Expert
from mtfleet.domain.ids import AccountId, ExpertId, Symbol
from mtfleet.domain.secret import Secret
from mtfleet.domain.values import Clock
from mtfleet.provisioning.options import Options
from mtfleet.provisioning.ports import Sealer
from mtfleet.provisioning.profiles import check_upload
from mtfleet.security.audit import record
from mtfleet.store.base import EXPERTS, SealedSecret, Store, Transaction
from mtfleet.wire.requests import ExpertBody

MAX_EXPERTS: Final = 100
"""Per account."""
MAX_ID_CHARACTERS: Final = 128
MAX_SYMBOL_CHARACTERS: Final = 64
MAX_PRESET_BYTES: Final = 256 * 1024


class ExpertService:
    """What a user does with an account's expert advisors. Foreign and unknown ids raise `NotFoundError`."""

    def __init__(self, store: Store, vault: Sealer, clock: Clock, options: Options) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._options = options

    async def list(self, caller: Caller, account_id: AccountId) -> list[Expert]:
        """List in the order of creation; an account that takes none has none."""
        async with self._store.reader() as tx:
            await _owned(tx, caller, account_id)
            return await tx.experts.all(account_id)

    async def get(self, caller: Caller, account_id: AccountId, expert_id: ExpertId) -> Expert:
        """Return an expert."""
        async with self._store.reader() as tx:
            await _owned(tx, caller, account_id)
            return await _existing(tx, account_id, expert_id)

    async def put(self, caller: Caller, account_id: AccountId, expert_id: ExpertId, body: ExpertBody) -> None:
        """Create an expert, or change its period and symbol, and its preset if one is given.

        Raises `ValidationError` for an account that takes no experts, naming why, and with every wrong field;
        `ForbiddenError` when the account has as many as allowed.
        """
        async with self._store.transaction() as tx:
            _refuse_unfit(await _owned(tx, caller, account_id))
            present = await tx.experts.get(account_id, expert_id)
            expert, preset = _wanted(expert_id, body)
            if present is None:
                if len(await tx.experts.all(account_id)) >= MAX_EXPERTS:
                    raise ForbiddenError(
                        f"The account has {MAX_EXPERTS} expert advisors, as many as one can have. Delete one."
                    )
            else:
                expert = replace(expert, file_uploaded=present.file_uploaded)
            await tx.experts.put(account_id, expert)
            if preset is not None:
                await self._put_preset(tx, account_id, expert_id, preset)
            await record(
                tx,
                self._clock,
                caller,
                "expert.created" if present is None else "expert.updated",
                entity="account",
                entity_id=account_id,
                details={"expertId": expert_id, "period": expert.period, "symbol": expert.symbol},
            )

    async def _put_preset(
        self, tx: Transaction, account_id: AccountId, expert_id: ExpertId, preset: bytes
    ) -> None:
        place = {"table": EXPERTS, "record_id": account_id, "field": expert_id}
        sealed = self._vault.seal(Secret(base64.b64encode(preset).decode()), **place)
        await tx.secrets.put(SealedSecret(**place, sealed=sealed))

    async def upload_file(
        self, caller: Caller, account_id: AccountId, expert_id: ExpertId, content: bytes
    ) -> None:
        """Store or replace the expert's program. This server never runs it; the account's terminal does.

        Raises `ValidationError` for an account that takes no experts, and for an empty, too large or unfit
        file.
        """
        async with self._store.transaction() as tx:
            account = await _owned(tx, caller, account_id)
            await _existing(tx, account_id, expert_id)
            _refuse_unfit(account)
            check_upload(content, self._options)
            if content.startswith(b"MZ"):
                raise invalid(
                    "file",
                    "this is a Windows library or program (DLL, EXE), not an expert advisor (EX4); experts "
                    "that need libraries are not supported",
                )
            await tx.experts.put_file(account_id, expert_id, content)
            await record(
                tx,
                self._clock,
                caller,
                "expert.file_uploaded",
                entity="account",
                entity_id=account_id,
                details={"expertId": expert_id, "bytes": len(content)},
            )

    async def remove(self, caller: Caller, account_id: AccountId, expert_id: ExpertId) -> None:
        """Delete an expert and its file."""
        async with self._store.transaction() as tx:
            await _owned(tx, caller, account_id)
            await _existing(tx, account_id, expert_id)
            await tx.experts.remove(account_id, expert_id)
            await record(
                tx,
                self._clock,
                caller,
                "expert.deleted",
                entity="account",
                entity_id=account_id,
                details={"expertId": expert_id},
            )


async def _owned(tx: Transaction, caller: Caller, account_id: AccountId) -> Account:
    account = await tx.accounts.get(caller.user_id, account_id)
    if account is None:
        raise NotFoundError("There is no such account among yours. List them to see their ids.")
    return account


async def _existing(tx: Transaction, account_id: AccountId, expert_id: ExpertId) -> Expert:
    expert = await tx.experts.get(account_id, expert_id)
    if expert is None:
        raise NotFoundError("The account has no such expert advisor. Create it before anything else.")
    return expert


def _refuse_unfit(account: Account) -> None:
    if account.platform is not Platform.MT4:
        raise invalid(
            "platform", "expert advisors can be added to MetaTrader 4 accounts only", account.platform
        )
    if account.type is not AccountType.CLOUD_G1:
        raise invalid(
            "type", "expert advisors can be added to accounts of type cloud-g1 only", account.type.value
        )


def _wanted(expert_id: ExpertId, body: ExpertBody) -> tuple[Expert, bytes | None]:
    problems: list[FieldProblem] = []
    if not 1 <= len(expert_id) <= MAX_ID_CHARACTERS or not expert_id.isprintable():
        problems.append(
            FieldProblem(
                parameter="expertId", message=f"must have 1 to {MAX_ID_CHARACTERS} printable characters"
            )
        )
    period = (body.period or "").strip().lower()
    if period not in PERIODS:
        problems.append(
            FieldProblem(
                parameter="period", message=f"must be one of {', '.join(PERIODS)}", value=body.period
            )
        )
    symbol = (body.symbol or "").strip()
    if not 1 <= len(symbol) <= MAX_SYMBOL_CHARACTERS or not symbol.isprintable():
        problems.append(
            FieldProblem(
                parameter="symbol",
                message=f"is required and must have 1 to {MAX_SYMBOL_CHARACTERS} printable characters",
                value=None if body.symbol is None else body.symbol[:100],
            )
        )
    preset: bytes | None = None
    if body.preset is not None:
        try:
            preset = decode_preset(body.preset)
        except ValueError as error:
            problems.append(FieldProblem(parameter="preset", message=str(error)))
    if problems:
        raise wrong_fields(problems, "The expert advisor is not valid.")
    return Expert(expert_id=expert_id, period=period, symbol=Symbol(symbol), file_uploaded=False), preset


def decode_preset(text: str) -> bytes:
    """Read base64, standard or URL-safe, padded or not, with line breaks or without.

    Raises `ValueError` with a text for the caller.
    """
    if len(text) > MAX_PRESET_BYTES * 2:
        raise ValueError(f"is too long: at most {MAX_PRESET_BYTES} bytes are taken")
    plain = "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        preset = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be base64 of a preset file") from None
    if len(preset) > MAX_PRESET_BYTES:
        raise ValueError(f"has {len(preset)} bytes; at most {MAX_PRESET_BYTES} are taken")
    return preset
