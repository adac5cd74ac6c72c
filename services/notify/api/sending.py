"""Messages that other systems ask for with a key: send, and see what became of them."""

import asyncio
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field

from services.notify.domain.attachments import REQUEST_BYTES_MAX
from services.notify.domain.delivery import NotificationNotFound, State
from services.notify.domain.keys import Key, Mode, SendMessage
from services.notify.handlers import keys as handlers
from services.notify.handlers.attachments import read_and_seal
from services.notify.store import keys as store
from shared.db import Connection
from shared.http import PublicEdge, PublicEdgeDep, idempotency, large_body
from shared.http.traffic import request_facts

__all__ = ["router"]

router = APIRouter(tags=["messages of other systems"])

KEY = HTTPBearer(
    auto_error=False,
    scheme_name="Key",
    bearerFormat="lapak_<kind>_<id>_<secret>",
    description="A key of another system (POST /v1/keys)",
)


class MessageSent(BaseModel):
    """The message that was asked for; `new` is false where it was, under the same reference, before."""

    message_id: UUID
    new: bool


class MessageAnswer(BaseModel):
    """What became of a message."""

    message_id: UUID
    reference: str | None
    template: str
    mode: Mode
    state: State
    reason: str | None = Field(description="Why it is rejected, unknown, expired or tried again: a code")
    channel: str | None
    planned_at: datetime
    deadline: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None


async def known_key(request: Request, edge: PublicEdgeDep, _: Annotated[object, Security(KEY)]) -> Key:
    """The key that calls. Raises `KeyInvalid`."""
    async with edge.read() as conn:
        key = await handlers.recognise(conn, request.headers.get("authorization"))
    request_facts(request.scope).subject = f"key-{key.key_id}"
    return key


KeyDep = Annotated[Key, Depends(known_key)]


@router.post("/v1/messages", status_code=201, responses={201: {"model": MessageSent}})
@large_body(REQUEST_BYTES_MAX)
async def send_message(command: SendMessage, edge: PublicEdgeDep, key: KeyDep) -> Response:
    """Send a message. A key of kind test or team writes to addresses too; what a test key sends reaches nobody. Up to
    five PDF files go along with an e-mail, 2 MiB together.
    """
    async with edge.platform.database.pool.acquire() as conn:
        await handlers.spend(conn, key, now=edge.now)

    sealer = edge.platform.sealer
    files = await asyncio.to_thread(read_and_seal, command.attachments, sealer) if command.attachments else []

    async def act(conn: Connection) -> MessageSent:
        sent = await handlers.send(conn, key, command, files=files, sealer=sealer, now=edge.now)
        return MessageSent(message_id=sent.notification_id, new=sent.new)

    return await idempotency.once(edge.request, edge.platform, f"key-{key.key_id}", edge.now, act, 201)


@router.get("/v1/messages")
async def find_message(
    edge: PublicEdgeDep, key: KeyDep, reference: Annotated[str, Query(min_length=1, max_length=100)]
) -> MessageAnswer:
    """The message of this key with this reference."""
    return await _show(edge, key, reference=reference)


@router.get("/v1/messages/{message_id}")
async def get_message(message_id: UUID, edge: PublicEdgeDep, key: KeyDep) -> MessageAnswer:
    """A message of this key."""
    return await _show(edge, key, notification_id=message_id)


async def _show(
    edge: PublicEdge, key: Key, *, notification_id: UUID | None = None, reference: str | None = None
) -> MessageAnswer:
    async with edge.read() as conn:
        row = await store.find_message(conn, key.key_id, notification_id=notification_id, reference=reference)
    if row is None:
        raise NotificationNotFound("This key sent no such message.")
    return MessageAnswer(**row)
