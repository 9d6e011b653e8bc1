"""Expert advisors of MT4 accounts (contract section 10)."""

import asyncio

from litestar import Router, delete, get, put
from litestar.params import FromPath, JSONBody

from mtfleet.api.access import Allows
from mtfleet.api.application import segment
from mtfleet.api.parameters import AnyRequest, TheCaller, TheServices
from mtfleet.api.responses import errors
from mtfleet.api.uploads import MAX_AT_ONCE, UploadOperation, content_of, received
from mtfleet.domain.experts import Expert
from mtfleet.domain.ids import AccountId, ExpertId
from mtfleet.wire.requests import ExpertBody

GROUP = "expert-advisor-management"


def _id(text: str) -> ExpertId:
    return ExpertId(segment(text))


@get("/", guards=[Allows(GROUP, "getExpertAdvisors")], responses=errors(404))
async def list_experts(
    services: TheServices, caller: TheCaller, account_id: FromPath[AccountId]
) -> list[Expert]:
    """List an account's expert advisors in the order they were added."""
    return await services.experts.list(caller, account_id)


@get("/{expert_id:str}", guards=[Allows(GROUP, "getExpertAdvisor")], responses=errors(404))
async def get_expert(
    services: TheServices, caller: TheCaller, account_id: FromPath[AccountId], expert_id: FromPath[str]
) -> Expert:
    """Return an expert advisor; its preset is never shown."""
    return await services.experts.get(caller, account_id, _id(expert_id))


@put(
    "/{expert_id:str}",
    status_code=204,
    guards=[Allows(GROUP, "updateExpertAdvisor", is_writing=True)],
    responses=errors(404, 409),
)
async def put_expert(
    services: TheServices,
    caller: TheCaller,
    account_id: FromPath[AccountId],
    expert_id: FromPath[str],
    data: JSONBody[ExpertBody],
) -> None:
    """Create an expert advisor under an id of your choice, or change it."""
    await services.experts.put(caller, account_id, _id(expert_id), data)


@delete(
    "/{expert_id:str}",
    guards=[Allows(GROUP, "deleteExpertAdvisor", is_writing=True)],
    responses=errors(404, 409),
)
async def delete_expert(
    services: TheServices, caller: TheCaller, account_id: FromPath[AccountId], expert_id: FromPath[str]
) -> None:
    """Delete an expert advisor and its file."""
    await services.experts.remove(caller, account_id, _id(expert_id))


def router(max_upload_bytes: int, max_body_bytes: int) -> Router:
    """Return the routes; bodies of uploads are bounded by `max_body_bytes`."""
    places = asyncio.Semaphore(MAX_AT_ONCE)

    @put(
        "/{expert_id:str}/file",
        status_code=204,
        guards=[Allows(GROUP, "uploadExpertAdvisorFile", is_writing=True)],
        responses=errors(404, 409),
        request_max_body_size=max_body_bytes,
        operation_class=UploadOperation,
    )
    async def upload_expert_file(
        services: TheServices,
        caller: TheCaller,
        account_id: FromPath[AccountId],
        expert_id: FromPath[str],
        request: AnyRequest,
    ) -> None:
        """Store or replace the expert advisor's program."""
        async with received(request) as file, places:
            content = await content_of(file, max_upload_bytes)
            await services.experts.upload_file(caller, account_id, _id(expert_id), content)

    return Router(
        "/users/current/accounts/{account_id:str}/expert-advisors",
        tags=["Expert advisors"],
        route_handlers=[list_experts, get_expert, put_expert, delete_expert, upload_expert_file],
    )
