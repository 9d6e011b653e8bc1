"""Demo accounts that a broker opens on request (contract section 11)."""

import asyncio
from collections.abc import Mapping, Sequence

from mtfleet.domain.access import Caller
from mtfleet.domain.accounts import Platform
from mtfleet.domain.errors import TimedOutError, ValidationError
from mtfleet.domain.ids import ProfileId
from mtfleet.domain.values import Clock
from mtfleet.provisioning.admission import Admission
from mtfleet.provisioning.detection import Detection
from mtfleet.provisioning.operations import Operations, ResultKind, Running
from mtfleet.provisioning.options import Options
from mtfleet.provisioning.ports import Sealer
from mtfleet.provisioning.validation import check_new_demo_account
from mtfleet.security.audit import record
from mtfleet.store.base import Store
from mtfleet.terminals.base import (
    BrokerUnreachable,
    DemoAccount,
    DemoAccountRefused,
    DemoAccountRequest,
    ServerFile,
    Terminals,
)
from mtfleet.wire.replies import Accepted, GeneratedAccount
from mtfleet.wire.requests import NewDemoAccount

NO_PROFILE = "default"
"""Stands in the path where a profile's id would, when the server is to be found by its name."""
GENERATED = ResultKind(GeneratedAccount, secret_fields=("password", "investorPassword"))


class DemoAccountService:
    """Asks brokers for demo accounts; one transaction gets one account, however often it is repeated."""

    def __init__(
        self,
        store: Store,
        vault: Sealer,
        terminals: Mapping[str, Terminals],
        operations: Operations,
        clock: Clock,
        options: Options,
    ) -> None:
        self._store = store
        self._operations = operations
        self._clock = clock
        self._options = options
        self._detection = Detection(terminals, clock, options, operations.places)
        self._admission = Admission(store, self._detection, clock)

    async def create(
        self,
        caller: Caller,
        profile_id: str,
        platform: Platform,
        body: NewDemoAccount,
        transaction_id: str | None,
    ) -> GeneratedAccount | Accepted:
        """Open a demo account on the server that the body names, or that the profile's files hold.

        Raises `ValidationError` for a wrong body, an unknown server (`E_SRV_NOT_FOUND`), a server that opens
        no demo accounts; `NotFoundError` for an unknown profile; `TimedOutError` when the broker does not
        answer.
        """
        check_new_demo_account(body)
        route = f"POST /users/current/provisioning-profiles/{profile_id}/{platform.value}-demo-accounts"

        async def work(running: Running[GeneratedAccount]) -> None:
            account = await self._open(caller, profile_id, platform, body, running)
            async with self._store.transaction() as tx:
                await record(
                    tx,
                    self._clock,
                    caller,
                    "demo_account.created",
                    entity="demo-account",
                    entity_id=running.entity_id,
                    details={"server": account.server, "login": account.login},
                )
                await running.finish(
                    tx,
                    GeneratedAccount(
                        login=account.login,
                        password=account.password.reveal(),
                        server_name=account.server,
                        investor_password=account.investor_password.reveal(),
                    ),
                )

        return await self._operations.run(caller, route, transaction_id, body, GENERATED, work)

    async def _open(
        self,
        caller: Caller,
        profile_id: str,
        platform: Platform,
        body: NewDemoAccount,
        running: Running[GeneratedAccount],
    ) -> DemoAccount:
        files: Sequence[ServerFile] = ()
        if profile_id != NO_PROFILE:
            files = (await self._admission.given_by(caller, ProfileId(profile_id), platform)).files
        name = body.server_name or ""
        place = await self._detection.find(platform, name, body.keywords or (), files, running.enter)
        server = place.server.name
        if not place.terminals.capabilities.can_create_demo_accounts:
            raise _refused(server, "The kind of terminal that reaches it can't do that.")
        await running.enter(f"Opening a demo account on {server}")
        request = DemoAccountRequest(
            platform=platform,
            server=server,
            balance=body.balance or 0.0,
            leverage=body.leverage or 0.0,
            email=body.email or "",
            account_type=body.account_type,
            name=body.name,
            phone=body.phone,
            request_id=running.entity_id,
        )
        seconds = self._options.stage_timeout_seconds
        try:
            async with self._operations.places.taken(caller.user_id), asyncio.timeout(seconds):
                return await place.terminals.create_demo_account(request)
        except DemoAccountRefused as error:
            raise _refused(server, error.message) from error
        except (BrokerUnreachable, TimeoutError) as error:
            why = error.message if isinstance(error, BrokerUnreachable) else f"No answer in {seconds:g} s."
            raise TimedOutError(
                f"The broker of {server} did not answer the request for a demo account: {why} Try again "
                "later with the same transaction-id."
            ) from error


def _refused(server: str, why: str) -> ValidationError:
    return ValidationError(
        f"{server} opened no demo account: {why} Open one in the broker's terminal or on its web site, and "
        "add it with its login and password."
    )
