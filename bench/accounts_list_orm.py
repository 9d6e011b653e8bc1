"""The list of accounts as it is usually built: FastAPI, SQLAlchemy's ORM, pydantic."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import JSON, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class _Base(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON}  # noqa: RUF012 - as SQLAlchemy documents it


class _Account(_Base):
    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column("_id", primary_key=True)
    userId: Mapped[str]
    name: Mapped[str]
    login: Mapped[str | None]
    server: Mapped[str]
    version: Mapped[int]
    type: Mapped[str]
    magic: Mapped[int]
    manualTrades: Mapped[bool]
    quoteStreamingIntervalInSeconds: Mapped[float]
    region: Mapped[str]
    reliability: Mapped[str]
    baseCurrency: Mapped[str]
    resourceSlots: Mapped[int]
    copyFactoryResourceSlots: Mapped[int]
    copyFactoryRoles: Mapped[list[Any]]
    tags: Mapped[list[Any]]
    account_metadata: Mapped[dict[str, Any]] = mapped_column("metadata")
    state: Mapped[str]
    connectionStatus: Mapped[str]
    hash: Mapped[int]
    primaryReplica: Mapped[bool]
    accountReplicas: Mapped[list[Any]]
    metastatsApiEnabled: Mapped[bool]
    riskManagementApiEnabled: Mapped[bool]
    createdAt: Mapped[str]
    hops: Mapped[list[Any]]
    search_text: Mapped[str]


class _Shown(BaseModel):
    model_config = ConfigDict(from_attributes=True, populate_by_name=True)

    id: str = Field(serialization_alias="_id")
    userId: str
    name: str
    login: str | None
    server: str
    version: int
    type: str
    magic: int
    manualTrades: bool
    quoteStreamingIntervalInSeconds: float
    region: str
    reliability: str
    baseCurrency: str
    resourceSlots: int
    copyFactoryResourceSlots: int
    copyFactoryRoles: list[str]
    tags: list[str]
    account_metadata: dict[str, Any] = Field(serialization_alias="metadata")
    state: str
    connectionStatus: str
    hash: int
    primaryReplica: bool
    accountReplicas: list[Any]
    metastatsApiEnabled: bool
    riskManagementApiEnabled: bool
    createdAt: str
    hops: list[Any]


class OrmSide:
    """One FastAPI application over a database of plain columns, called in this process without HTTP."""

    def __init__(self, path: Path) -> None:
        self._engine = create_engine(f"sqlite:///{path}")
        self._app = FastAPI()

        @self._app.get("/accounts", response_model=list[_Shown])
        async def accounts(user: str, state: str, query: str) -> Any:
            with self._session() as session:
                wanted = (
                    select(_Account)
                    .where(_Account.userId == user, _Account.state == state)
                    .where(func.instr(_Account.search_text, query) > 0)
                    .order_by(_Account.createdAt, _Account.id)
                    .limit(1000)
                )
                return session.scalars(wanted).all()

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with Session(self._engine) as session:
            yield session

    async def list(self, user: str, state: str, query: str) -> bytes:
        """Return the body of the answer."""
        body = bytearray()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] != 200:
                raise RuntimeError(f"status {message['status']}")
            body.extend(message.get("body", b""))

        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/accounts",
            "raw_path": b"/accounts",
            "query_string": urlencode({"user": user, "state": state, "query": query}).encode(),
            "headers": [],
            "server": ("localhost", 80),
            "client": ("localhost", 1),
            "root_path": "",
        }
        await self._app(scope, receive, send)
        return bytes(body)

    def close(self) -> None:
        self._engine.dispose()
