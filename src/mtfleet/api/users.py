"""The caller itself: who it is, its tokens, what was done in its name (contract section 13)."""

from typing import Annotated, Any

from litestar import Router, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from mtfleet.api.access import AnyToken, WholeUser
from mtfleet.api.parameters import TheCaller, TheServices
from mtfleet.api.responses import errors
from mtfleet.domain.access import AuditEntry, IssuedToken, access_rules_manifest
from mtfleet.domain.errors import ForbiddenError, NotFoundError
from mtfleet.domain.ids import TokenId, UserId
from mtfleet.domain.values import Value
from mtfleet.wire.replies import NarrowedToken
from mtfleet.wire.requests import NarrowDown


class CurrentUser(Value, frozen=True, kw_only=True):
    id: UserId
    name: str
    is_administrator: bool


@get("/", guards=[AnyToken()], responses=errors())
async def current_user(services: TheServices, caller: TheCaller) -> CurrentUser:
    """Tell whose token this is."""
    async with services.store.reader() as tx:
        user = await tx.users.get(caller.user_id)
    if user is None:
        raise NotFoundError("The user of this token is gone.")
    return CurrentUser(id=user.id, name=user.name, is_administrator=caller.is_administrator)


@get("/tokens", guards=[WholeUser()], responses=errors())
async def list_tokens(services: TheServices, caller: TheCaller) -> list[IssuedToken]:
    """List the user's tokens: what is known of them, never the tokens themselves."""
    return await services.tokens.list(caller)


@delete("/tokens/{token_id:str}", guards=[WholeUser()], responses=errors(404))
async def revoke_token(services: TheServices, caller: TheCaller, token_id: FromPath[str]) -> None:
    """Revoke a token and all that were narrowed from it."""
    await services.tokens.revoke(caller, TokenId(token_id))


@post("/narrow-down-auth-token", status_code=200, guards=[AnyToken()], responses=errors())
async def narrow_down(
    services: TheServices,
    caller: TheCaller,
    data: JSONBody[NarrowDown],
    validity_hours: Annotated[
        float, QueryParameter(name="validity-in-hours", gt=0, le=876_000, description="How long it is valid")
    ] = 24,
) -> NarrowedToken:
    """Make a token that may do less than the one that asks; it dies with it."""
    return NarrowedToken(token=await services.tokens.narrow(caller, data, validity_hours=validity_hours))


@get("/access-rules-manifest", guards=[AnyToken()], responses=errors())
async def manifest() -> list[dict[str, Any]]:
    """List the applications and methods that a token can be narrowed to."""
    return access_rules_manifest()


@get("/audit-log", guards=[WholeUser()], responses=errors())
async def audit_log(
    services: TheServices,
    caller: TheCaller,
    after: Annotated[
        int, QueryParameter(ge=0, le=2**53, description="Return entries after this sequence")
    ] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
    entity_id: Annotated[str | None, QueryParameter(name="entityId")] = None,
    is_everybody: Annotated[
        bool, QueryParameter(name="everybody", description="All users' entries; administrators only")
    ] = False,
) -> list[AuditEntry]:
    """Read what was done in the user's name, oldest first."""
    if is_everybody and not caller.is_administrator:
        raise ForbiddenError("Only an administrator may read everybody's entries.")
    async with services.store.reader() as tx:
        return await tx.audit.page(
            user_id=None if is_everybody else caller.user_id,
            after=after,
            limit=limit,
            entity_id=entity_id or None,
        )


ROUTER = Router(
    "/users/current",
    tags=["Users and tokens"],
    route_handlers=[
        current_user,
        list_tokens,
        revoke_token,
        narrow_down,
        manifest,
        audit_log,
    ],
)
