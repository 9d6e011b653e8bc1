"""Expert advisors of an account."""

from collections.abc import Mapping
from typing import Any

from mtfleet.sdk._facts import ExpertFacts
from mtfleet.sdk._files import FileSource, opened
from mtfleet.sdk._http import Call, HttpClient, body, segment


class ExpertAdvisor:
    """An expert advisor of an MT4 account. It shows what the server said last; `reload` asks again."""

    def __init__(self, http: HttpClient, experts_path: str, facts: ExpertFacts) -> None:
        self._http = http
        self._experts_path = experts_path
        self._facts = facts

    def __repr__(self) -> str:
        return f"ExpertAdvisor(expert_id={self.expert_id!r}, file_uploaded={self.file_uploaded!r})"

    @property
    def expert_id(self) -> str:
        """The id that the caller gave it."""
        return self._facts.expert_id

    @property
    def period(self) -> str:
        """The timeframe of its chart, e.g. `1h`."""
        return self._facts.period

    @property
    def symbol(self) -> str:
        """The symbol of its chart."""
        return self._facts.symbol

    @property
    def file_uploaded(self) -> bool:
        """Whether its program file is there."""
        return self._facts.file_uploaded

    @property
    def _path(self) -> str:
        return f"{self._experts_path}/{segment('expert_id', self.expert_id)}"

    async def reload(self) -> None:
        """Ask the server how things stand. Raises `NotFoundException` once it is removed."""
        self._facts = await self._http.fetch(Call(method="GET", path=self._path), ExpertFacts)

    async def update(self, expert: Mapping[str, Any]) -> None:
        """Change period, symbol or preset (base64 of a preset file), then reload."""
        await self._http.send(Call(method="PUT", path=self._path, content=body("expert", expert)))
        await self.reload()

    async def upload_file(self, file: FileSource) -> None:
        """Upload its program (ex4), from a path or a binary stream, then reload.

        Raises `UploadNotFound` before anything is sent when there is no such file.
        """
        async with opened(file) as upload:
            await self._http.send(Call(method="PUT", path=f"{self._path}/file", upload=upload))
        await self.reload()

    async def remove(self) -> None:
        """Remove it from its account."""
        await self._http.send(Call(method="DELETE", path=self._path))
