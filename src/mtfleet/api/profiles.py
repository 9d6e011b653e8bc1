"""Provisioning profiles, their files, and demo accounts (contract sections 9 and 11)."""

import asyncio
from typing import Annotated

from litestar import Response, Router, delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from mtfleet.api.access import Allows
from mtfleet.api.application import segment
from mtfleet.api.parameters import (
    AnyRequest,
    ApiVersion,
    Limit,
    Offset,
    TheCaller,
    TheServices,
    TransactionId,
    checked_transaction_id,
    wants_count,
)
from mtfleet.api.responses import JsonResponse, errors, in_progress, result
from mtfleet.api.uploads import MAX_AT_ONCE, UploadOperation, content_of, received
from mtfleet.domain.accounts import Platform
from mtfleet.domain.ids import ProfileId
from mtfleet.domain.profiles import Profile, ProfileFilter, ProfileStatus, ProfileType
from mtfleet.domain.values import Value
from mtfleet.wire.replies import GeneratedAccount, ProfileCreated
from mtfleet.wire.requests import NewDemoAccount, NewProfile, ProfileUpdate

GROUP = "provisioning-profile-management"
GENERATION = "account-generation"


class ProfilesList(Value, frozen=True, kw_only=True):
    """What api-version 2 answers: `count` is how many match in all."""

    count: int
    items: list[Profile]


@get("/", guards=[Allows(GROUP, "getProvisioningProfiles")], responses=errors())
async def list_profiles(
    services: TheServices,
    caller: TheCaller,
    offset: Offset = 0,
    limit: Limit = 1000,
    text: Annotated[str | None, QueryParameter(name="query", description="Part of the name")] = None,
    version: Annotated[str | None, QueryParameter(description="4 or 5; anything else is ignored")] = None,
    status: Annotated[
        str | None, QueryParameter(description="new or active; anything else is ignored")
    ] = None,
    type_: Annotated[
        str | None, QueryParameter(name="type", description="Type; anything unknown is ignored")
    ] = None,
    api_version: ApiVersion = None,
) -> Response[list[Profile] | ProfilesList]:
    """List provisioning profiles in the order they were made."""
    with_count = wants_count(api_version)
    criteria = ProfileFilter(
        offset=offset,
        limit=limit,
        query=text or None,
        version=int(version) if version in {"4", "5"} else None,
        status=ProfileStatus(status) if status in set(ProfileStatus) else None,
        type=ProfileType(type_) if type_ in set(ProfileType) else None,
    )
    page = await services.profiles.list(caller, criteria, with_count=with_count)
    if with_count:
        return JsonResponse(ProfilesList(count=page.count or 0, items=page.items))
    return JsonResponse(page.items)


@get("/{profile_id:str}", guards=[Allows(GROUP, "getProvisioningProfile")], responses=errors(404))
async def get_profile(services: TheServices, caller: TheCaller, profile_id: FromPath[ProfileId]) -> Profile:
    """Return a provisioning profile."""
    return await services.profiles.get(caller, profile_id)


@post("/", guards=[Allows(GROUP, "createProvisioningProfile", is_writing=True)], responses=errors(404))
async def create_profile(
    services: TheServices, caller: TheCaller, data: JSONBody[NewProfile]
) -> ProfileCreated:
    """Make a provisioning profile: a broker's settings, given instead of detected."""
    return await services.profiles.create(caller, data)


@put(
    "/{profile_id:str}",
    status_code=204,
    guards=[Allows(GROUP, "updateProvisioningProfile", is_writing=True)],
    responses=errors(404, 409),
)
async def update_profile(
    services: TheServices, caller: TheCaller, profile_id: FromPath[ProfileId], data: JSONBody[ProfileUpdate]
) -> None:
    """Rename a provisioning profile."""
    await services.profiles.update(caller, profile_id, data)


@delete(
    "/{profile_id:str}",
    guards=[Allows(GROUP, "deleteProvisioningProfile", is_writing=True)],
    responses=errors(404, 409),
)
async def delete_profile(services: TheServices, caller: TheCaller, profile_id: FromPath[ProfileId]) -> None:
    """Delete a provisioning profile that no account uses."""
    await services.profiles.remove(caller, profile_id)


@post(
    "/{profile_id:str}/mt4-demo-accounts",
    guards=[Allows(GENERATION, "createMT4DemoAccount", is_writing=True, takes_default_profile=True)],
    responses={**errors(404), **in_progress()},
)
async def create_mt4_demo_account(
    services: TheServices,
    caller: TheCaller,
    profile_id: FromPath[str],
    data: JSONBody[NewDemoAccount],
    transaction_id: TransactionId = None,
) -> Response[GeneratedAccount]:
    """Open an MT4 demo account at the broker. The profile `default` finds the server by its name."""
    outcome = await services.demo_accounts.create(
        caller, profile_id, Platform.MT4, data, checked_transaction_id(transaction_id)
    )
    return result(outcome, services.clock)


@post(
    "/{profile_id:str}/mt5-demo-accounts",
    guards=[Allows(GENERATION, "createMT5DemoAccount", is_writing=True, takes_default_profile=True)],
    responses={**errors(404), **in_progress()},
)
async def create_mt5_demo_account(
    services: TheServices,
    caller: TheCaller,
    profile_id: FromPath[str],
    data: JSONBody[NewDemoAccount],
    transaction_id: TransactionId = None,
) -> Response[GeneratedAccount]:
    """Open an MT5 demo account at the broker. The profile `default` finds the server by its name."""
    outcome = await services.demo_accounts.create(
        caller, profile_id, Platform.MT5, data, checked_transaction_id(transaction_id)
    )
    return result(outcome, services.clock)


def router(max_upload_bytes: int, max_body_bytes: int) -> Router:
    """Return the routes; bodies of uploads are bounded by `max_body_bytes`."""
    places = asyncio.Semaphore(MAX_AT_ONCE)

    @put(
        "/{profile_id:str}/{file_name:str}",
        status_code=204,
        guards=[Allows(GROUP, "uploadProvisioningProfileFile", is_writing=True)],
        responses=errors(404, 409),
        request_max_body_size=max_body_bytes,
        operation_class=UploadOperation,
    )
    async def upload_profile_file(
        services: TheServices,
        caller: TheCaller,
        profile_id: FromPath[ProfileId],
        file_name: FromPath[str],
        request: AnyRequest,
    ) -> None:
        """Store or replace a server file of a profile; the address names it, not the part's file name."""
        async with received(request) as file, places:
            content = await content_of(file, max_upload_bytes)
            await services.profiles.upload_file(caller, profile_id, segment(file_name), content)

    return Router(
        "/users/current/provisioning-profiles",
        tags=["Provisioning profiles"],
        route_handlers=[
            list_profiles,
            get_profile,
            create_profile,
            update_profile,
            delete_profile,
            create_mt4_demo_account,
            create_mt5_demo_account,
            upload_profile_file,
        ],
    )
