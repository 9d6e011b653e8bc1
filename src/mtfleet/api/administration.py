"""What only administrators do."""

from litestar import Router, get, post
from litestar.params import FromPath, JSONBody

from mtfleet.api.access import Administrator
from mtfleet.api.parameters import TheCaller, TheServices
from mtfleet.api.responses import errors
from mtfleet.domain.access import User
from mtfleet.domain.accounts import Platform
from mtfleet.domain.errors import NotFoundError, invalid
from mtfleet.domain.ids import UserId
from mtfleet.domain.values import Value
from mtfleet.wire.replies import NarrowedToken
from mtfleet.wire.requests import Request


class NewUser(Request, frozen=True, kw_only=True):
    name: str | None = None
    is_administrator: bool | None = None


class NewToken(Request, frozen=True, kw_only=True):
    name: str | None = None
    validity_in_hours: float | None = None
    """Absent for a token that does not expire."""


class UserWithToken(Value, frozen=True, kw_only=True):
    """A new user and its first token, shown once."""

    id: UserId
    name: str
    token: str

    def __repr__(self) -> str:
        return f"UserWithToken(id={self.id!r}, name={self.name!r}, token=***)"


class Rotated(Value, frozen=True, kw_only=True):
    rewrapped: int
    """How many secrets are now under the new data key."""


class SimulatedServer(Value, frozen=True, kw_only=True):
    name: str
    broker: str
    platform: Platform


@get("/users", guards=[Administrator()], responses=errors())
async def list_users(services: TheServices) -> list[User]:
    """List all users."""
    return await services.users.all()


@post("/users", guards=[Administrator()], responses=errors(409))
async def create_user(services: TheServices, caller: TheCaller, data: JSONBody[NewUser]) -> UserWithToken:
    """Make a user and its first token."""
    if not data.name:
        raise invalid("name", "is required")
    user, token = await services.users.create(
        data.name, is_administrator=bool(data.is_administrator), caller=caller
    )
    return UserWithToken(id=user.id, name=user.name, token=token)


@post("/users/{user_id:str}/tokens", guards=[Administrator()], responses=errors(404))
async def issue_token(
    services: TheServices, caller: TheCaller, user_id: FromPath[str], data: JSONBody[NewToken | None] = None
) -> NarrowedToken:
    """Make another token for a user, e.g. when the first was lost."""
    async with services.store.reader() as tx:
        user = await tx.users.get(UserId(user_id))
    if user is None:
        raise NotFoundError("There is no such user.")
    wish = data or NewToken()
    hours = wish.validity_in_hours
    if hours is not None and not 0 < hours <= 876_000:
        raise invalid("validityInHours", "must be more than 0 and at most 876000")
    return NarrowedToken(
        token=await services.tokens.issue(user, name=wish.name, validity_hours=hours, caller=caller)
    )


@post("/vault/rotate", status_code=200, guards=[Administrator()], responses=errors(409))
async def rotate_vault(services: TheServices, caller: TheCaller) -> Rotated:
    """Make a new data key and rewrap every secret with it, while serving."""
    return Rotated(rewrapped=await services.vault.rotate(caller=caller))


@get("/brokers", guards=[Administrator()], responses=errors())
async def list_brokers(services: TheServices) -> list[SimulatedServer]:
    """List the simulated trade servers."""
    return [
        SimulatedServer(name=name, broker=broker, platform=platform)
        for platform in Platform
        for broker, names in (await services.simulated_servers.servers(platform)).items()
        for name in names
    ]


ROUTER = Router(
    "/admin",
    tags=["Administration"],
    route_handlers=[list_users, create_user, issue_token, rotate_vault, list_brokers],
)
