"""Access tokens: issued, checked, narrowed, revoked.

A token is a signed JWT (HS256, key derived in the vault). Its id is stored, never the token itself: a token
whose id is unknown or revoked is refused, however well it is signed. A narrowed token is the child of the one
it was made from, is never wider, never lives longer, and dies with it.
"""

import asyncio
import math
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import jwt
import msgspec
from msgspec.structs import replace

from mtfleet.domain.access import AccessRule, Caller, IssuedToken, User
from mtfleet.domain.errors import (
    FieldProblem,
    ForbiddenError,
    NotFoundError,
    UnauthorizedError,
    ValidationError,
    invalid,
)
from mtfleet.domain.ids import AccountId, TokenId, UserId
from mtfleet.domain.narrowing import Wish, narrow
from mtfleet.domain.values import Clock, Instant
from mtfleet.security.audit import record
from mtfleet.security.records import Store, Transaction
from mtfleet.security.vault import Vault
from mtfleet.wire.errors import public_error
from mtfleet.wire.json import convert, to_builtins
from mtfleet.wire.requests import NarrowDown

ALGORITHM: Final = "HS256"
ISSUER: Final = "mtfleet"
MAX_VALIDITY_HOURS: Final = 876_000.0
MAX_TOKEN_CHARACTERS: Final = 16 * 1024
"""Servers and proxies cut longer headers."""
MAX_NAME_CHARACTERS: Final = 200
CACHE_SECONDS: Final = 3.0
"""How long a checked token is believed without asking the store; revocation here takes effect at once."""
MAX_LINE: Final = 16
"""How often a token may be narrowed, one from the other."""
_CACHE_ENTRIES: Final = 10_000
_TOUCH_SECONDS: Final = 60.0
_KEY_PURPOSE: Final = "token-signing"


class _Checked(msgspec.Struct, frozen=True):
    caller: Caller
    at_seconds: float


class Tokens:
    """Issues, checks, narrows and revokes tokens. It starts no tasks."""

    def __init__(self, store: Store, vault: Vault, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._checked: OrderedDict[bytes, _Checked] = OrderedDict()
        self._revocations = 0
        self._used: dict[TokenId, Instant] = {}
        self._touched_at_seconds = clock.monotonic()
        self._touching = asyncio.Lock()

    async def authenticate(self, raw: str | None, *, remote_address: str | None = None) -> Caller:
        """Return who sent a token. Raises `UnauthorizedError`, saying what is wrong with it."""
        if not raw:
            raise UnauthorizedError("No token came with the request. Send one in the header auth-token.")
        if len(raw) > MAX_TOKEN_CHARACTERS:
            raise UnauthorizedError("The token is too long to be one of this program's.")
        key = sha256(raw.encode("utf-8", "surrogatepass")).digest()
        found = self._checked.get(key)
        if found is None or self._clock.monotonic() - found.at_seconds >= CACHE_SECONDS:
            found = await self._check(raw, key)
        caller = found.caller
        now = self._clock.now()
        if caller.expires_at is not None and caller.expires_at <= now:
            raise UnauthorizedError(f"The token expired at {caller.expires_at.to_wire()}. Get a new one.")
        self._used[caller.token_id] = now
        return caller if remote_address is None else replace(caller, remote_address=remote_address)

    async def _check(self, raw: str, key: bytes) -> _Checked:
        claims = self._verified_claims(raw)
        revocations = self._revocations
        token_id = TokenId(claims["jti"])
        async with self._store.reader() as tx:
            stored = await tx.tokens.get(token_id)
            is_live = stored is not None and await tx.tokens.is_live(token_id)
            user = await tx.users.get(stored.user_id) if stored is not None else None
        if stored is None or user is None or stored.user_id != claims["sub"]:
            raise UnauthorizedError("The token is well signed but was not issued for this server's data.")
        if not is_live:
            raise UnauthorizedError(
                "The token was revoked, or the one that it was narrowed from was. Get a new one."
            )
        rules = claims.get("accessRules")
        checked = _Checked(
            Caller(
                user_id=user.id,
                token_id=token_id,
                is_administrator=user.is_administrator and rules is None,
                rules=None if rules is None else _rules(rules),
                expires_at=_instant(claims.get("exp")),
            ),
            self._clock.monotonic(),
        )
        if revocations == self._revocations:  # otherwise what was read may be from before a revocation
            self._checked[key] = checked
            self._checked.move_to_end(key)
            while len(self._checked) > _CACHE_ENTRIES:
                self._checked.popitem(last=False)
        await self._touch_now_and_then()
        return checked

    def _verified_claims(self, raw: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                raw,
                self._vault.derived_key(_KEY_PURPOSE),
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                options={
                    "require": ["sub", "jti", "iat", "iss"],
                    "verify_exp": False,  # by our own clock, in `authenticate`
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.InvalidTokenError, ValueError):
            raise UnauthorizedError(
                "The token is not one of this server's: it is cut, changed, or was issued by another server."
            ) from None
        return claims

    async def issue(
        self,
        user: User,
        *,
        name: str | None = None,
        validity_hours: float | None = None,
        caller: Caller | None = None,
    ) -> str:
        """Make a token for all of the user's things. `validity_hours` `None` lasts until it is revoked.

        `caller` is who asked for it, for the audit log. Raises `ValidationError`.
        """
        async with self._store.transaction() as tx:
            return await self.issue_within(tx, user, name=name, validity_hours=validity_hours, caller=caller)

    async def issue_within(
        self,
        tx: Transaction,
        user: User,
        *,
        name: str | None = None,
        validity_hours: float | None = None,
        caller: Caller | None = None,
    ) -> str:
        """Do what `issue` does as a part of `tx`."""
        if name is not None and not 1 <= len(name) <= MAX_NAME_CHARACTERS:
            raise invalid("name", f"must have 1 to {MAX_NAME_CHARACTERS} characters")
        now = self._clock.now()
        token = IssuedToken(
            id=TokenId(secrets.token_hex(16)),
            user_id=user.id,
            name=name,
            created_at=now,
            expires_at=None if validity_hours is None else _expiry(now, validity_hours, "validityInHours"),
        )
        await tx.tokens.add(token)
        await record(
            tx,
            self._clock,
            caller,
            "token.issued",
            entity="token",
            entity_id=token.id,
            details={"forUser": user.id, "name": name, "expiresAt": token.expires_at},
        )
        return self._sign(token, None)

    async def narrow(self, caller: Caller, wish: NarrowDown, *, validity_hours: float = 24) -> str:
        """Make a token that is narrower than the caller's.

        It ends at the latest with the caller's. Raises `ValidationError` for unknown applications, roles and
        resources, `ForbiddenError` for what the caller's token does not allow.
        """
        now = self._clock.now()
        expires_at = _expiry(now, validity_hours, "validity-in-hours")
        if caller.expires_at is not None:
            expires_at = min(expires_at, caller.expires_at)
        try:
            wished = convert(to_builtins(wish), Wish)
        except msgspec.ValidationError as error:
            raise public_error(error) from None
        rules = narrow(caller.rules, wished)
        token = IssuedToken(
            id=TokenId(secrets.token_hex(16)),
            user_id=caller.user_id,
            parent_id=caller.token_id,
            created_at=now,
            expires_at=expires_at,
        )
        raw = self._sign(token, rules)
        if len(raw) > MAX_TOKEN_CHARACTERS:
            raise ValidationError(
                f"The narrowed token would have {len(raw)} characters, more than a header takes "
                f"({MAX_TOKEN_CHARACTERS}). Name fewer resources, or name the applications that it is for."
            )
        async with self._store.reader() as tx:
            await _refuse_unknown_resources(tx, caller.user_id, wished)
        async with self._store.transaction() as tx:
            if not await tx.tokens.is_live(caller.token_id):
                raise UnauthorizedError("The calling token was revoked. Get a new one.")
            await _refuse_long_line(tx, caller.token_id)
            await tx.tokens.add(token)
            await record(
                tx,
                self._clock,
                caller,
                "token.narrowed",
                entity="token",
                entity_id=token.id,
                details={"rules": to_builtins(rules), "expiresAt": expires_at},
            )
        return raw

    async def revoke(self, caller: Caller, token_id: TokenId) -> None:
        """Revoke a token and all that were narrowed from it, at once in this process.

        A narrowed token may revoke itself and its descendants; an administrator anyone's. Raises
        `NotFoundError` for every other id. Repeating is harmless.
        """
        try:
            async with self._store.transaction() as tx:
                token = await tx.tokens.get(token_id)
                if token is None or not await self._may_see(tx, caller, token):
                    raise NotFoundError(f"There is no token {token_id}.")
                if token.revoked_at is None:
                    await tx.tokens.revoke(token_id, self._clock.now())
                    await record(tx, self._clock, caller, "token.revoked", entity="token", entity_id=token_id)
        finally:
            self._revocations += 1
            self._checked.clear()

    async def list(self, caller: Caller) -> "list[IssuedToken]":
        """List the user's tokens by creation; a narrowed token sees itself and its descendants."""
        async with self._store.reader() as tx:
            tokens = await tx.tokens.of_user(caller.user_id)
        tokens = sorted(tokens, key=lambda t: (t.created_at, t.id))
        if caller.rules is None:
            return tokens
        parents = {t.id: t.parent_id for t in tokens}
        return [t for t in tokens if _descends(t.id, caller.token_id, parents)]

    async def _may_see(self, tx: Transaction, caller: Caller, token: IssuedToken) -> bool:
        if token.user_id != caller.user_id:
            return caller.is_administrator
        if caller.rules is None:
            return True
        parents = {t.id: t.parent_id for t in await tx.tokens.of_user(caller.user_id)}
        return _descends(token.id, caller.token_id, parents)

    async def flush_usage(self) -> None:
        """Write down when tokens were last used; happens by itself about once a minute of use."""
        async with self._touching:
            used, self._used = self._used, {}
            self._touched_at_seconds = self._clock.monotonic()
            if used:
                async with self._store.transaction() as tx:
                    await tx.tokens.touch(used)

    async def _touch_now_and_then(self) -> None:
        if self._clock.monotonic() - self._touched_at_seconds >= _TOUCH_SECONDS:
            await self.flush_usage()

    def _sign(self, token: IssuedToken, rules: Sequence[AccessRule] | None) -> str:
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "_id": token.user_id,
            "sub": token.user_id,
            "jti": token.id,
            "iat": _seconds(token.created_at),
        }
        if token.expires_at is not None:
            claims["exp"] = _seconds(token.expires_at)
        if rules is not None:
            claims["accessRules"] = to_builtins(rules)
        return jwt.encode(claims, self._vault.derived_key(_KEY_PURPOSE), algorithm=ALGORITHM)


def _expiry(now: Instant, validity_hours: float, parameter: str) -> Instant:
    if not (math.isfinite(validity_hours) and 0 < validity_hours <= MAX_VALIDITY_HOURS):
        raise invalid(
            parameter, f"must be more than 0 and at most {MAX_VALIDITY_HOURS:g} hours", validity_hours
        )
    return Instant.of(now + timedelta(hours=validity_hours))


def _seconds(moment: Instant) -> float | int:
    seconds = moment.timestamp()
    return int(seconds) if seconds == int(seconds) else round(seconds, 3)


def _instant(seconds: Any) -> Instant | None:
    return None if seconds is None else Instant.of(datetime.fromtimestamp(float(seconds), UTC))


def _rules(claim: Any) -> list[AccessRule]:
    try:
        return convert(claim, list[AccessRule])
    except msgspec.ValidationError:
        raise UnauthorizedError("The token's access rules are in no known form. Get a new one.") from None


def _descends(token_id: TokenId, ancestor_id: TokenId, parents: dict[TokenId, TokenId | None]) -> bool:
    at: TokenId | None = token_id
    while at is not None:
        if at == ancestor_id:
            return True
        at = parents.get(at)
    return False


async def _refuse_long_line(tx: Transaction, token_id: TokenId) -> None:
    """Bound how many ancestors each check of a token has to look at."""
    for _ in range(MAX_LINE):
        token = await tx.tokens.get(token_id)
        if token is None or token.parent_id is None:
            return
        token_id = token.parent_id
    raise ForbiddenError(
        f"The calling token was narrowed {MAX_LINE} times already. Narrow one of those that it was made from."
    )


async def _refuse_unknown_resources(tx: Transaction, user_id: UserId, wish: Wish) -> None:
    named = [(f"resources[{i}].id", r.id) for i, r in enumerate(wish.resources or [])]
    for n, rule in enumerate(wish.access_rules or []):
        named += [(f"accessRules[{n}].resources[{i}].id", r.id) for i, r in enumerate(rule.resources or [])]
    known: dict[str, bool] = {"*": True}
    problems = []
    for parameter, account_id in named:
        if account_id not in known:
            known[account_id] = await tx.accounts.get(user_id, AccountId(account_id)) is not None
        if not known[account_id]:
            problems.append(
                FieldProblem(parameter=parameter, message="there is no such account", value=account_id)
            )
    if problems:
        raise ValidationError("The token can't be limited to accounts that do not exist.", details=problems)
