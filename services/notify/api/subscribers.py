"""Other systems that are told of our events by signed webhooks, for operators."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from services.notify.api.keys import with_secret
from services.notify.domain.subscribers import AddSubscriber, ReplayEvents, SubscriberNotFound, SubscriberState
from services.notify.handlers import subscribers as handlers
from services.notify.store import subscribers as store
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor

router = APIRouter(tags=["subscribers"])


class SecretAnswer(BaseModel):
    """A subscriber and its new secret, which is shown in this answer only; a repeated request is answered without."""

    subscriber_id: UUID
    secret: str | None = Field(default=None, description="whsec_...: signs, as Standard Webhooks says")


class SubscriberRow(BaseModel):
    """A subscriber, and how it does."""

    subscriber_id: UUID
    name: str
    url: str
    types: list[str]
    state: SubscriberState
    paused_because: str | None
    created_by: str
    created_at: datetime
    failing_since: datetime | None = Field(description="Nothing got through since; null: it works")
    last_code: str | None
    last_success_at: datetime | None
    due: int = Field(description="Events it is owed")
    given_up: int


class SubscriberPage(BaseModel):
    """A page of subscribers, newest first."""

    items: list[SubscriberRow]
    next: str | None


class DeliveryRow(BaseModel):
    """An event for a subscriber, and what came of it."""

    event_id: UUID
    type: str
    subject: str
    occurred_at: datetime
    state: str
    tries: int
    code: str | None
    settled_at: datetime | None


class DeliveryPage(BaseModel):
    """A page of deliveries, newest first."""

    items: list[DeliveryRow]
    next: str | None


class ReplayAnswer(BaseModel):
    """How many events are told again."""

    events: int


class PingAnswer(BaseModel):
    """The event that tells nothing: look for it among the deliveries."""

    event_id: UUID


@router.post("/v1/subscribers", status_code=201, responses={201: {"model": SecretAnswer}})
async def add_subscriber(command: AddSubscriber, edge: EdgeDep) -> Response:
    """Tell a system of these events from now on. Keep `secret` from the answer: it is not shown again."""
    edge.caller.require("operator")
    platform = edge.platform
    secret: list[str] = []

    async def act(conn: Connection) -> SecretAnswer:
        added = await handlers.add_subscriber(
            conn,
            command,
            sealer=platform.sealer,
            development=platform.settings.development,
            by=edge.caller.subject,
            now=edge.now,
        )
        secret.append(added.secret)
        return SecretAnswer(subscriber_id=added.subscriber_id)

    return with_secret(await edge.once(act, status=201), "secret", secret)


@router.get("/v1/subscribers")
async def list_subscribers(edge: EdgeDep, after: After = None, limit: Limit = LIMIT_DEFAULT) -> SubscriberPage:
    """Subscribers, newest first."""
    edge.caller.require("operator")
    before = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        rows = await store.find_subscribers(conn, before=before, limit=limit + 1)
    found: dict[str, Any] = page(rows, limit, lambda row: row["subscriber_id"])
    return SubscriberPage(items=[SubscriberRow(**row) for row in found["items"]], next=found["next"])


@router.get("/v1/subscribers/{subscriber_id}")
async def show_subscriber(subscriber_id: UUID, edge: EdgeDep) -> SubscriberRow:
    """A subscriber, and how it does."""
    edge.caller.require("operator")
    async with edge.read() as conn:
        rows = await store.find_subscribers(conn, only=subscriber_id)
    if not rows:
        raise SubscriberNotFound("No subscriber has this id; GET /v1/subscribers lists them.")
    return SubscriberRow(**rows[0])


@router.get("/v1/subscribers/{subscriber_id}/deliveries")
async def list_deliveries(
    subscriber_id: UUID,
    edge: EdgeDep,
    state: Annotated[Literal["due", "delivered", "given-up"], Query()] = "given-up",
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> DeliveryPage:
    """What it was told, is owed, or was given up; as long as events are kept."""
    edge.caller.require("operator")
    before = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        if not await store.find_subscribers(conn, only=subscriber_id):
            raise SubscriberNotFound("No subscriber has this id; GET /v1/subscribers lists them.")
        rows = await store.find_deliveries(conn, subscriber_id, state=state, before=before, limit=limit + 1)
    found: dict[str, Any] = page(rows, limit, lambda row: row["event_id"])
    return DeliveryPage(items=[DeliveryRow(**row) for row in found["items"]], next=found["next"])


@router.post("/v1/subscribers/{subscriber_id}/pause", status_code=204)
async def pause(subscriber_id: UUID, edge: EdgeDep) -> Response:
    """Deliver nothing until it is resumed; what happens meanwhile waits, as long as events are kept."""
    edge.caller.require("operator")

    async def act(conn: Connection) -> None:
        await handlers.pause(conn, subscriber_id, "operator")

    return await edge.once(act)


@router.post("/v1/subscribers/{subscriber_id}/resume", status_code=204)
async def resume(subscriber_id: UUID, edge: EdgeDep) -> Response:
    """Deliver again, what waited too."""
    edge.caller.require("operator")

    async def act(conn: Connection) -> None:
        await handlers.resume(conn, subscriber_id)

    return await edge.once(act)


@router.post("/v1/subscribers/{subscriber_id}/remove", status_code=204)
async def remove(subscriber_id: UUID, edge: EdgeDep) -> Response:
    """Tell it no more, and forget its secrets and what it was owed."""
    edge.caller.require("operator")

    async def act(conn: Connection) -> None:
        await handlers.remove(conn, subscriber_id)

    return await edge.once(act)


@router.post("/v1/subscribers/{subscriber_id}/rotate-secret", responses={200: {"model": SecretAnswer}})
async def rotate_secret(subscriber_id: UUID, edge: EdgeDep) -> Response:
    """A new secret; for a day both sign, so that nothing is refused while the other side changes."""
    edge.caller.require("operator")
    secret: list[str] = []

    async def act(conn: Connection) -> SecretAnswer:
        added = await handlers.rotate_secret(conn, subscriber_id, sealer=edge.platform.sealer, now=edge.now)
        secret.append(added.secret)
        return SecretAnswer(subscriber_id=subscriber_id)

    return with_secret(await edge.once(act), "secret", secret)


@router.post("/v1/subscribers/{subscriber_id}/replay", responses={200: {"model": ReplayAnswer}})
async def replay(subscriber_id: UUID, command: ReplayEvents, edge: EdgeDep) -> Response:
    """Tell again what it was told or should have been since a moment, under the same ids, as long as it is kept."""
    edge.caller.require("operator")

    async def act(conn: Connection) -> ReplayAnswer:
        return ReplayAnswer(events=await handlers.replay(conn, subscriber_id, command.since))

    return await edge.once(act)


@router.post("/v1/subscribers/{subscriber_id}/ping", responses={200: {"model": PingAnswer}})
async def ping(subscriber_id: UUID, edge: EdgeDep) -> Response:
    """Send an event that tells nothing, to try the address and the secret."""
    edge.caller.require("operator")

    async def act(conn: Connection) -> PingAnswer:
        return PingAnswer(event_id=await handlers.ping(conn, subscriber_id, now=edge.now))

    return await edge.once(act)
