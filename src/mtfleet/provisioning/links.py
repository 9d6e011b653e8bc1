"""Configuration links: an end user enters the password of an account on a page of ours (contract 7.9).

The token in a link is random, 256 bits; only a keyed hash of it is stored. A link is used up by success
alone. Unknown, expired and used links are told apart by nobody outside.
"""

import secrets
from collections.abc import Mapping
from datetime import timedelta

from msgspec.structs import replace

from mtfleet.domain.access import Caller
from mtfleet.domain.accounts import Account, BrokerSettings
from mtfleet.domain.deployment import AccountState, Desired, credentials_changed, want_redeployed
from mtfleet.domain.errors import ForbiddenError, NotFoundError, invalid
from mtfleet.domain.ids import AccountId, Login, TokenId
from mtfleet.domain.secret import Secret
from mtfleet.domain.values import Clock, Instant, Value
from mtfleet.provisioning.account_values import with_hash
from mtfleet.provisioning.admission import Admission
from mtfleet.provisioning.detection import Detection
from mtfleet.provisioning.operations import Operations, ResultKind, Running
from mtfleet.provisioning.options import Options
from mtfleet.provisioning.ports import Sealer, Waker
from mtfleet.provisioning.records import (
    change_deployments,
    changeable_account,
    family,
    owned_account,
    put_password,
)
from mtfleet.provisioning.validation import check_link_credentials
from mtfleet.security.audit import record
from mtfleet.store.base import Store, StoredLink, Transaction
from mtfleet.terminals.base import Terminals
from mtfleet.wire.replies import Accepted, ConfigurationLink
from mtfleet.wire.requests import Credentials

TOKEN_BYTES = 32
MAX_LINKS = 100
"""Good links of one account."""
KEEP_FAILURE_SECONDS = 10.0
"""How long the same wrong entry gets the same answer, before the broker is asked again."""
LINK_TOKEN = TokenId("configuration-link")
"""Stands in the audit log where a caller's token would."""


class LinkView(Value, frozen=True, kw_only=True):
    """What the page of a link may show."""

    account_name: str
    server: str
    needs_login: bool
    """Whether the login is asked for too: for a draft."""


class Configured(Value, frozen=True, kw_only=True):
    """The broker took the credentials; the account is being started."""

    account_name: str
    server: str


CONFIGURED = ResultKind(Configured)


class LinkService:
    """Makes links, and takes what is entered on their pages."""

    def __init__(
        self,
        store: Store,
        vault: Sealer,
        fleet: Waker,
        terminals: Mapping[str, Terminals],
        operations: Operations,
        clock: Clock,
        options: Options,
    ) -> None:
        self._store = store
        self._vault = vault
        self._fleet = fleet
        self._operations = operations
        self._clock = clock
        self._options = options
        detection = Detection(terminals, clock, options, operations.places)
        self._admission = Admission(store, detection, clock)

    async def create(self, caller: Caller, account_id: AccountId, ttl_days: float) -> ConfigurationLink:
        """Make a link that is good for `ttl_days`; links live independently of each other.

        Raises `ValidationError` for a time that is not in (0, 365], `NotFoundError`, `ConflictError`,
        `ForbiddenError` when the account has as many as allowed.
        """
        most = self._options.max_link_ttl_days
        if not 0 < ttl_days <= most:
            raise invalid("ttlInDays", f"It must be more than 0 and at most {most:g}.", ttl_days)
        token = secrets.token_hex(TOKEN_BYTES)
        now = self._clock.now()
        expires_at = Instant.of(now + timedelta(days=ttl_days))
        async with self._store.transaction() as tx:
            await changeable_account(tx, caller.user_id, account_id)
            if await tx.links.tidy(account_id, now) >= MAX_LINKS:
                raise ForbiddenError(
                    f"The account has {MAX_LINKS} links that are good, as many as one can have. Use one of "
                    "them, or wait until one has expired."
                )
            await tx.links.add(
                StoredLink(
                    token_hash=self._hash(token), account_id=account_id, created_at=now, expires_at=expires_at
                )
            )
            await self._note(tx, caller, "link.created", account_id, {"expiresAt": expires_at.to_wire()})
        url = f"{self._options.public_url}/configure-trading-account-credentials/{account_id}/{token}"
        return ConfigurationLink(configuration_link=url)

    async def look_up(self, account_id: AccountId, token: str) -> LinkView:
        """Return what the page shows. Raises `NotFoundError`, the same for every link that is not good."""
        async with self._store.reader() as tx:
            account, _ = await self._target(tx, account_id, token)
        return LinkView(
            account_name=account.name,
            server=account.server,
            needs_login=account.state is AccountState.DRAFT,
        )

    async def configure(
        self, account_id: AccountId, token: str, body: Credentials, remote_address: str | None
    ) -> Configured | Accepted:
        """Try the credentials at the broker, store them, use up the link and start the account.

        For a draft without a provisioning profile the broker's settings are detected. `Accepted` means that
        it takes longer: repeat with the same entry. Raises `NotFoundError` as `look_up` does, and
        `ValidationError` for what is wrong with the entry or what the broker has against it; then the link
        stays good.
        """
        key = self._hash(f"{token}\n{body.login}\n{body.password}")
        route = f"POST /configure-trading-account-credentials/{account_id}"
        async with self._store.reader() as tx:
            owner = await tx.accounts.owner(account_id)
            if owner is None:
                raise _no_link()
            earlier = await tx.operations.get(owner, route, key)  # type: ignore[arg-type]  # a hash is an id here
            if earlier is None or not earlier.is_success:
                account, _ = await self._target(tx, account_id, token)
                check_link_credentials(body, needs_login=account.state is AccountState.DRAFT)
        caller = Caller(
            user_id=owner, token_id=LINK_TOKEN, is_administrator=False, remote_address=remote_address
        )

        async def work(running: Running[Configured]) -> None:
            await self._configure(caller, account_id, token, body, running)

        return await self._operations.run(
            caller, route, key, body, CONFIGURED, work, keep_failure_seconds=KEEP_FAILURE_SECONDS
        )

    async def _configure(
        self,
        caller: Caller,
        account_id: AccountId,
        token: str,
        body: Credentials,
        running: Running[Configured],
    ) -> None:
        async with self._store.reader() as tx:
            account, broker = await self._target(tx, account_id, token)
        is_draft = account.state is AccountState.DRAFT
        login = Login(body.login or "") if is_draft else account.login
        if not login:
            raise invalid("login", "It is required.")
        password = Secret(body.password or "")
        profile_id = account.provisioning_profile_id
        findings = await self._admission.admit(
            caller,
            account,
            login,
            password,
            running.enter,
            given=await self._admission.given_by(caller, profile_id) if profile_id else None,
            known=broker,
        )
        async with self._store.transaction() as tx:
            account = await changeable_account(tx, caller.user_id, account_id)
            if not await tx.links.consume(self._hash(token), self._clock.now()):
                raise _no_link()
            if (account.state is AccountState.DRAFT) != is_draft or (not is_draft and account.login != login):
                raise _no_link()  # someone else configured it meanwhile, so this entry was not asked for
            configured = with_hash(replace(account, login=login, server=findings.server.name))
            await tx.accounts.update(configured)
            await put_password(tx, self._vault, account_id, password)
            await tx.accounts.set_broker(account_id, findings.broker)
            await change_deployments(tx, family(account), credentials_changed)
            await change_deployments(tx, [account_id], want_redeployed)
            details: dict[str, object] = {"fields": ["login", "password"] if is_draft else ["password"]}
            await self._note(tx, caller, "account.configured", account_id, details)
            await running.finish(tx, Configured(account_name=account.name, server=configured.server))
        self._fleet.wake(family(account))

    async def _target(
        self, tx: Transaction, account_id: AccountId, token: str
    ) -> tuple[Account, BrokerSettings | None]:
        """Return the account of a good link and its broker's settings if they are known."""
        link = await tx.links.get(self._hash(token))
        now = self._clock.now()
        if (
            link is None
            or link.account_id != account_id
            or link.used_at is not None
            or link.expires_at <= now
        ):
            raise _no_link()
        owner = await tx.accounts.owner(account_id)
        deployment = await tx.deployments.get(account_id)
        if owner is None or deployment is None or deployment.desired is Desired.DELETED:
            raise _no_link()
        account = await owned_account(tx, owner, account_id)
        running = (await tx.accounts.run_settings([account_id])).get(account_id)
        return account, running.broker if running else None

    def _hash(self, text: str) -> str:
        return self._vault.keyed_hash(text.encode(), "configuration-link")

    async def _note(
        self, tx: Transaction, caller: Caller, action: str, account_id: AccountId, details: dict[str, object]
    ) -> None:
        await record(tx, self._clock, caller, action, entity="account", entity_id=account_id, details=details)


def _no_link() -> NotFoundError:
    return NotFoundError("This link is not valid, or not any more. Ask for a new one.")
