"""Providers of channels for operators: how they are, pause, resume; receipts of nothing we know."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from services.notify.domain.providers import PauseProvider, ResumeProvider
from services.notify.handlers import providers as handlers
from services.notify.store import providers, receipts
from shared.db import Connection
from shared.events.notify import Channel
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor

router = APIRouter(tags=["providers"])


class ProviderAnswer(BaseModel):
    """How a provider is, as all replicas see it."""

    provider: str
    channel: Channel
    paused: bool
    share_percent: int = Field(description="of its weight: lowered when it fails, raised in steps as it succeeds")
    open_seconds: float = Field(description="for how long it is left alone after failures; 0: it is used")
    down_seconds: float | None = Field(description="since when nothing got through; null: it works")
    code: str | None = Field(description="why it is paused or was found failing")


class ProvidersAnswer(BaseModel):
    """All providers, by name."""

    items: list[ProviderAnswer]


class PauseRow(BaseModel):
    """Somebody, or the provider itself, paused or resumed it."""

    pause_id: UUID
    provider: str
    paused: bool
    actor: str
    code: str
    at: datetime


class PausePage(BaseModel):
    """A page of pauses, newest first."""

    items: list[PauseRow]
    next: str | None


class StrayRow(BaseModel):
    """A receipt that names no message of ours."""

    stray_id: UUID
    provider: str
    reference: UUID | None
    message_id: str | None
    status: str
    code: str | None
    at: datetime
    received_at: datetime


class StrayPage(BaseModel):
    """A page of stray receipts, newest first."""

    items: list[StrayRow]
    next: str | None


class PausedAnswer(BaseModel):
    """A provider, and whether it is paused now."""

    provider: str
    paused: bool


@router.get("/v1/providers")
async def list_providers(edge: EdgeDep) -> ProvidersAnswer:
    """How every provider is."""
    edge.caller.require("operator")
    async with edge.read() as conn:
        found = await providers.read_health(conn)
    return ProvidersAnswer(items=[ProviderAnswer.model_validate(one._asdict()) for one in found])


@router.post("/v1/providers/{provider}/pause", responses={200: {"model": PausedAnswer}})
async def pause(provider: str, body: PauseProvider, edge: EdgeDep) -> Response:
    """Let nothing leave through a provider: what is under way ends, what waits goes to another provider of its channel
    or waits; urgent messages go to their next channel.
    """
    edge.caller.require("operator")

    async def act(conn: Connection) -> PausedAnswer:
        await handlers.pause(conn, provider, body, by=edge.caller.subject, now=edge.now)
        return PausedAnswer(provider=provider, paused=True)

    return await edge.once(act)


@router.post("/v1/providers/{provider}/resume", responses={200: {"model": PausedAnswer}})
async def resume(provider: str, body: ResumeProvider, edge: EdgeDep) -> Response:
    """Use a provider again: with a tenth of its share, more as it succeeds."""
    edge.caller.require("operator")

    async def act(conn: Connection) -> PausedAnswer:
        await handlers.resume(conn, provider, body, by=edge.caller.subject, now=edge.now)
        return PausedAnswer(provider=provider, paused=False)

    return await edge.once(act)


@router.get("/v1/provider-pauses")
async def list_pauses(
    edge: EdgeDep,
    provider: Annotated[str | None, Query(max_length=60)] = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> PausePage:
    """Who paused and resumed providers, when and why."""
    edge.caller.require("operator")
    before = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        rows = await providers.list_pauses(conn, provider=provider, before=before, limit=limit + 1)
    found: dict[str, Any] = page(rows, limit, lambda row: row["pause_id"])
    return PausePage(items=[PauseRow(**row) for row in found["items"]], next=found["next"])


@router.get("/v1/stray-receipts")
async def list_strays(
    edge: EdgeDep,
    provider: Annotated[str | None, Query(max_length=60)] = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> StrayPage:
    """Receipts that name no message of ours: many of them mean that somebody else sends in our name, or that a
    provider lies. They are kept a week.
    """
    edge.caller.require("operator")
    before = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        rows = await receipts.list_strays(conn, provider=provider, before=before, limit=limit + 1)
    found: dict[str, Any] = page(rows, limit, lambda row: row["stray_id"])
    return StrayPage(items=[StrayRow(**row) for row in found["items"]], next=found["next"])
