"""A small application for the tests of the HTTP edge: doors to knock on, and what the tests turn on them."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx
from fastapi import APIRouter, FastAPI, Query, Request, UploadFile
from pydantic import BaseModel, Field

from shared import telemetry
from shared.auth import LOCAL_ISSUER, LocalIssuer
from shared.http import (
    BODY_BYTES_MAX,
    LIMIT_DEFAULT,
    After,
    EdgeDep,
    Limit,
    PublicEdgeDep,
    create_app,
    large_body,
    page,
    read_cursor,
)
from shared.settings import ServiceSettings

NIK = "3171024501900001"
UPLOAD_BYTES_MAX = 2 * BODY_BYTES_MAX
IN_FLIGHT_MAX = 2


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Wish(BaseModel):
    nik: Annotated[str, Field(pattern=r"^\d{16}$")]
    vendor_id: UUID
    born: date
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None


class StoppedClock:
    def now(self) -> datetime:
        return datetime(2023, 3, 20, 2, tzinfo=UTC)


class StubPlatform:
    """These routes touch the clock only."""

    clock = StoppedClock()


@dataclass
class Doors:
    """The routes under test, and what the tests turn on them."""

    directory: Path
    parts: dict[str, tuple[bool, str]] = field(default_factory=lambda: {"database": (True, "answers")})
    error: Exception | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    entered: int = 0

    def __post_init__(self) -> None:
        self.issuer = LocalIssuer(self.directory)
        self.settings = ServiceSettings(
            database="postgresql://h/d",
            kafka="h:1",
            http_port=0,
            jwks=str(self.issuer.jwks),
            token_issuer=LOCAL_ISSUER,
            secret_keys={"k": base64.b64encode(bytes(32)).decode()},
            http_in_flight_max=IN_FLIGHT_MAX,
        )
        self.app: FastAPI = create_app(name="doors", settings=self.settings, routers=[self.routes()], ready=self.ready)
        self.app.state.platform = StubPlatform()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """Somebody who knocks."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://doors") as client:
            yield client

    async def ready(self) -> dict[str, tuple[bool, str]]:
        return self.parts

    def routes(self) -> APIRouter:
        """One route for each thing the edge does."""
        router = APIRouter()

        @router.get("/v1/me")
        async def me(edge: EdgeDep) -> dict[str, Any]:
            edge.caller.require("officer")
            return {"subject": edge.caller.subject, "now": edge.now}

        @router.post("/v1/wishes")
        async def wish(body: Wish) -> None: ...

        @router.get("/v1/raises/{thing}")
        async def raises(thing: str) -> None:
            if self.error is not None:
                raise self.error

        @router.get("/v1/rows")
        async def rows(edge: PublicEdgeDep, limit: Limit = LIMIT_DEFAULT, after: After = None) -> dict[str, Any]:
            first = 0 if after is None else read_cursor(after, int) + 1
            return page(list(range(first, min(7, first + limit + 1))), limit, lambda row: row)

        @router.get("/v1/inside")
        async def inside(day: Annotated[str, Query()]) -> None:
            Wish(nik=NIK + "0", vendor_id=day, born=day)

        @router.get("/v1/waits")
        async def waits() -> dict[str, str | None]:
            self.entered += 1
            await self.gate.wait()
            return {"traceparent": telemetry.current_traceparent()}

        @router.post("/v1/notes")
        async def notes(body: dict[str, str]) -> int:
            return len(body["text"])

        @router.post("/v1/reads")
        async def reads(request: Request) -> int:
            return len(await request.body())

        @router.post("/v1/sheets")
        @large_body(UPLOAD_BYTES_MAX)
        async def sheets(file: UploadFile) -> int:
            return len(await file.read())

        return router


def problem_of(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem in an answer, after checking what every problem has."""
    problem: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["type"] == f"urn:lapak:problem:{code}"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["title"]
    assert problem["detail"]
    return problem


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
