"""Provisioning profiles: a broker's settings given by hand."""

from collections.abc import Mapping
from typing import Any

from mtfleet.sdk._facts import NewId, ProfileFacts, ProfilesPage
from mtfleet.sdk._files import FileSource, opened
from mtfleet.sdk._http import Call, HttpClient, Repeat, body, query, segment
from mtfleet.sdk._pages import Page
from mtfleet.sdk._token import require_whole_access

PATH = "/users/current/provisioning-profiles"


class ProvisioningProfile:
    """A provisioning profile. It shows what the server said last; `reload` asks again."""

    def __init__(self, http: HttpClient, facts: ProfileFacts) -> None:
        self._http = http
        self._facts = facts

    def __repr__(self) -> str:
        return f"ProvisioningProfile(id={self.id!r}, name={self.name!r}, status={self.status!r})"

    @property
    def id(self) -> str:
        """The id, a lower-case UUID."""
        return self._facts.id

    @property
    def name(self) -> str:
        """The name that people see."""
        return self._facts.name

    @property
    def version(self) -> int:
        """4 or 5."""
        return self._facts.version

    @property
    def status(self) -> str:
        """`active` once all files it needs are there, `new` before."""
        return self._facts.status

    @property
    def broker_timezone(self) -> str:
        """The broker's time zone, an IANA name."""
        return self._facts.broker_timezone

    @property
    def broker_dst_switch_timezone(self) -> str:
        """The zone whose calendar says when summer time begins and ends, an IANA name."""
        return self._facts.broker_dst_switch_timezone

    @property
    def type(self) -> str:
        """`mtTerminal`, `managerApi` or `managerUi`."""
        return self._facts.type

    async def reload(self) -> None:
        """Ask the server how things stand. Raises `NotFoundException` once it is removed."""
        self._facts = await self._http.fetch(Call(method="GET", path=_path(self.id)), ProfileFacts)

    async def update(self, profile: Mapping[str, Any]) -> None:
        """Change the name, then reload."""
        await self._http.send(Call(method="PUT", path=_path(self.id), content=body("profile", profile)))
        await self.reload()

    async def upload_file(self, file_name: str, file: FileSource) -> None:
        """Upload a broker's file, from a path or a binary stream, then reload.

        `file_name` says what it is: `servers.dat` for MT5, `broker.srv` or `servers.ini` for MT4. Raises
        `UploadNotFound` before anything is sent when there is no such file.
        """
        path = f"{_path(self.id)}/{segment('file_name', file_name)}"
        async with opened(file, file_name) as upload:
            await self._http.send(Call(method="PUT", path=path, upload=upload))
        await self.reload()

    async def remove(self) -> None:
        """Remove it. Raises `ConflictException` while an account uses it."""
        await self._http.send(Call(method="DELETE", path=_path(self.id)))


class ProvisioningProfileApi:
    """All provisioning profiles of the token's user: `api.provisioning_profile_api`."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def create_provisioning_profile(self, profile: Mapping[str, Any]) -> ProvisioningProfile:
        """Make a profile from `name`, `version`, `brokerTimezone` and `brokerDSTSwitchTimezone`.

        Its files are uploaded afterwards. Sent again only when it surely was not carried out.
        """
        content = body("profile", profile)
        require_whole_access(self._http.token, "create_provisioning_profile")
        call = Call(method="POST", path=PATH, content=content, repeat=Repeat.IF_NOT_DONE)
        created = await self._http.fetch(call, NewId)
        return await self.get_provisioning_profile(created.id)

    async def get_provisioning_profile(self, provisioning_profile_id: str) -> ProvisioningProfile:
        """Return one profile. Raises `NotFoundException`."""
        call = Call(method="GET", path=_path(provisioning_profile_id))
        return ProvisioningProfile(self._http, await self._http.fetch(call, ProfileFacts))

    async def get_provisioning_profiles_with_infinite_scroll_pagination(
        self,
        filter: Mapping[str, Any] | None = None,
    ) -> Page[ProvisioningProfile]:
        """Return one page of profiles, without counting all matches; at most 1000.

        Filter keys: `limit`, `offset`, `query` (part of the name), `version`, `status`, `type`.
        """
        call = self._list_call(filter, "1")
        found = await self._http.fetch(call, list[ProfileFacts])
        return Page(ProvisioningProfile(self._http, facts) for facts in found)

    async def get_provisioning_profiles_with_classic_pagination(
        self,
        filter: Mapping[str, Any] | None = None,
    ) -> Page[ProvisioningProfile]:
        """Return one page of profiles with `page["count"]`, the number of all matches. Filters as above."""
        found = await self._http.fetch(self._list_call(filter, "2"), ProfilesPage)
        return Page((ProvisioningProfile(self._http, facts) for facts in found.items), found.count)

    def _list_call(self, given: Mapping[str, Any] | None, version: str) -> Call:
        return Call(method="GET", path=PATH, params=query("filter", given), headers={"api-version": version})


def _path(profile_id: str) -> str:
    return f"{PATH}/{segment('provisioning_profile_id', profile_id)}"
