"""The entry object."""

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self, cast

from mtfleet.domain.errors import invalid
from mtfleet.sdk._account_api import MetatraderAccountApi
from mtfleet.sdk._exceptions import format_error
from mtfleet.sdk._generator import MetatraderAccountGeneratorApi
from mtfleet.sdk._http import Call, HttpClient, Repeat, query
from mtfleet.sdk._options import Service, read_options, read_token
from mtfleet.sdk._profiles import ProvisioningProfileApi
from mtfleet.sdk._token_api import TokenManagementApi
from mtfleet.wire.json import encode

_REPEATABLE: Final = frozenset(("GET", "HEAD", "OPTIONS", "PUT", "DELETE"))
_ANYTHING: Final = cast("type[object]", Any)


class MetaApi:
    """A client of an mtfleet server, or of any server with the same API.

    `token` and the address come from the arguments, or from MTFLEET_TOKEN and MTFLEET_URL. `opts` are
    described in docs/reference/sdk.md. Making one opens no connection; `async with MetaApi() as api:` or
    `close` ends what it opened. One object serves many tasks of one event loop.
    """

    def __init__(self, token: str | None = None, opts: Mapping[str, Any] | None = None) -> None:
        self._options = read_options(opts)
        self._http = HttpClient(read_token(token), self._options)
        self._accounts = MetatraderAccountApi(self._http)
        self._profiles = ProvisioningProfileApi(self._http)
        self._generator = MetatraderAccountGeneratorApi(self._http)
        self._tokens = TokenManagementApi(self._http)

    def __repr__(self) -> str:
        return f"MetaApi(token=***, url={self._options.addresses['provisioning']!r})"

    @property
    def metatrader_account_api(self) -> MetatraderAccountApi:
        """Accounts."""
        return self._accounts

    @property
    def provisioning_profile_api(self) -> ProvisioningProfileApi:
        """Provisioning profiles."""
        return self._profiles

    @property
    def metatrader_account_generator_api(self) -> MetatraderAccountGeneratorApi:
        """Demo accounts."""
        return self._generator

    @property
    def metatrader_demo_account_api(self) -> MetatraderAccountGeneratorApi:
        """Another name of `metatrader_account_generator_api`."""
        return self._generator

    @property
    def token_management_api(self) -> TokenManagementApi:
        """Narrower tokens."""
        return self._tokens

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        service: Service = "provisioning",
    ) -> Any:
        """Send any request of the REST API with this client's token, retries and errors.

        Returns the answer's JSON as plain data, `None` when it is empty, and the text when it is no JSON.
        `json` is sent as the body. A header `transaction-id` lets a POST be repeated, and a 202 be polled.
        """
        if not path.startswith("/"):
            raise invalid("path", "begin with a slash", path)
        method = method.upper()
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        is_repeatable = method in _REPEATABLE or "transaction-id" in sent
        call = Call(
            method=method,
            path=path,
            params=query("params", params),
            content=None if json is None else encode(json),
            headers=sent,
            repeat=Repeat.ALWAYS if is_repeatable else Repeat.IF_NOT_DONE,
            service=service,
        )
        response = await self._http.send(call)
        if not response.content:
            return None
        if "json" in response.headers.get("content-type", "json"):
            return self._http.read(call, response, _ANYTHING)
        return response.text

    async def close(self) -> None:
        """Close all connections; a second call does nothing. Calls made later raise `ValidationException`."""
        await self._http.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @staticmethod
    def enable_logging(level: int = logging.INFO) -> None:
        """Print what the SDK logs, above all why it waits, to standard error. Call it once, at the start."""
        logger = logging.getLogger("mtfleet")
        logger.setLevel(level)
        if not any(handler.get_name() == "mtfleet" for handler in logger.handlers):
            handler = logging.StreamHandler()
            handler.set_name("mtfleet")
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
            logger.addHandler(handler)

    @staticmethod
    def format_error(err: BaseException) -> str:
        """Return an error as text for people, with all that the server said."""
        return format_error(err)
