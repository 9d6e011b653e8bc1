"""Let an account in: have its credentials accepted by its broker, and know the broker's settings."""

from collections.abc import Sequence

import msgspec

from mtfleet.domain.access import Caller
from mtfleet.domain.accounts import Account, BrokerSettings, Platform
from mtfleet.domain.ids import AccountId, Login, ProfileId
from mtfleet.domain.secret import Secret
from mtfleet.domain.values import Clock
from mtfleet.provisioning.detection import Detection, Enter, Findings, ProbeSubject
from mtfleet.provisioning.records import active_profile, platform_of, settings_of
from mtfleet.security.audit import record
from mtfleet.store.base import Store
from mtfleet.terminals.base import ServerFile


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What a provisioning profile gives."""

    platform: Platform
    broker: BrokerSettings
    files: Sequence[ServerFile]


class Admission:
    """Tries credentials at brokers for all services that take some."""

    def __init__(self, store: Store, detection: Detection, clock: Clock) -> None:
        self._store = store
        self._detection = detection
        self._clock = clock

    async def given_by(self, caller: Caller, profile_id: ProfileId, wished: Platform | None = None) -> Given:
        """Read a profile and its files. Raises `NotFoundError`; `ValidationError` when it can't be used."""
        async with self._store.reader() as tx:
            profile = await active_profile(tx, caller.user_id, profile_id)
            platform = platform_of(profile, wished)
            files = await tx.profiles.files(profile_id)
        return Given(
            platform=platform,
            broker=settings_of(profile),
            files=[ServerFile(name=name, content=content) for name, content in sorted(files.items())],
        )

    async def admit(
        self,
        caller: Caller,
        account: Account,
        login: Login,
        password: Secret,
        enter: Enter,
        *,
        given: Given | None = None,
        known: BrokerSettings | None = None,
        keywords: Sequence[str] = (),
    ) -> Findings:
        """Log in with these credentials; detect the broker's settings unless they are `given` or `known`.

        Every use of credentials is written to the audit log first. Raises what `Detection` raises.
        """
        await self._note(caller, account.id, login, account.server)
        subject = ProbeSubject(
            user_id=caller.user_id,
            account_id=account.id,
            platform=account.platform,
            server=account.server,
            login=login,
            password=password,
            resource_slots=account.resource_slots,
            symbol=account.symbol,
            keywords=keywords,
        )
        if given is not None:
            return await self._detection.validate(subject, given.files, given.broker, enter)
        if known is not None:
            return await self._detection.validate(subject, (), known, enter)
        return await self._detection.detect(subject, enter)

    async def _note(self, caller: Caller, account_id: AccountId, login: Login, server: str) -> None:
        async with self._store.transaction() as tx:
            await record(
                tx,
                self._clock,
                caller,
                "credentials.used",
                entity="account",
                entity_id=account_id,
                details={"login": login, "server": server, "purpose": "validation"},
            )
