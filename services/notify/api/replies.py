"""What people wrote that needs a person: the officers' queue. What was written is shown one by one, and noted."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from services.notify.domain.queue import AnswerReply, CloseReply, ReplyNotFound, ReplyState
from services.notify.handlers import queue as handlers
from services.notify.handlers.queue import Officer
from services.notify.settings import NotifySettings
from services.notify.store import personal_data, replies
from services.notify.store import queue as store
from services.notify.store.queue import Found, ReplyFilter
from shared import families
from shared.auth import Caller, OutsideArea, covers
from shared.db import Connection
from shared.errors import Forbidden
from shared.events.notify import Channel, Intent
from shared.events.values import AreaCode
from shared.http import LIMIT_DEFAULT, After, Edge, EdgeDep, Limit, page, read_cursor

router = APIRouter(prefix="/v1", tags=["replies"])

LOOKED_AT = "reply"
"""The reason that is noted when an officer reads what a person wrote."""


class OwnReply(Forbidden):
    """An officer does not answer what it wrote itself, as a vendor."""

    code = "own-reply"


class ReplyRow(BaseModel):
    """A reply as the queue lists it, without its words."""

    reply_id: UUID
    channel: Channel
    vendor_id: UUID | None = Field(description="Who wrote it; none: nobody we know, or one of the candidates")
    candidates: list[UUID] = Field(description="Several people have this phone: one of them")
    intent: Intent
    about_notification_id: UUID | None
    application_id: UUID | None
    state: ReplyState
    said_at: datetime
    received_at: datetime
    settled_at: datetime | None
    settled_by: str | None
    settled_because: str | None


class ReplyPage(BaseModel):
    """Replies, the oldest first."""

    items: list[ReplyRow]
    next: str | None


class ReplyView(ReplyRow):
    """A reply with its words, and the officer's. None once they are not kept any more (7 days)."""

    text: str | None
    answer: str | None
    open_until: datetime | None = Field(
        description="Until when WhatsApp lets us write freely; none: an answer goes by SMS"
    )


class ReplyAnswered(BaseModel):
    """By which channels an answer goes, in order."""

    reply_id: UUID
    channels: list[Channel]


class ReplyClosed(BaseModel):
    """A reply that is closed."""

    reply_id: UUID
    state: ReplyState


@router.get("/replies")
async def list_replies(
    edge: EdgeDep,
    area: AreaCode | None = None,
    state: ReplyState | None = None,
    intent: Intent | None = None,
    channel: Channel | None = None,
    vendor_id: UUID | None = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> ReplyPage:
    """What people of the officer's area wrote, the oldest first; `state=open` is the queue. What came from nobody we
    know is listed for officers of the whole province.
    """
    caller = edge.caller
    caller.require("officer")
    if caller.area is None:
        raise OutsideArea("This token has no area.", area=None)
    if area is not None:
        caller.require_area(area)
    wanted = ReplyFilter(area or caller.area, state, intent, channel, vendor_id)
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        rows = await store.list_replies(conn, wanted, last, limit + 1)
    found: dict[str, Any] = page(rows, limit, lambda row: row["reply_id"])
    return ReplyPage(items=[ReplyRow(**row) for row in found["items"]], next=found["next"])


@router.get("/replies/{reply_id}")
async def show_reply(edge: EdgeDep, reply_id: UUID) -> ReplyView:
    """One reply with its words: for who wrote it, and officers of where it lives, whose look is noted."""
    sealer = edge.platform.sealer
    async with edge.platform.database.transaction() as conn:
        reply = await _find(conn, edge.caller, reply_id)
        if not await _is_own(conn, edge.caller, reply):
            for vendor_id in reply.writers:
                await personal_data.add_disclosure(conn, vendor_id, edge.caller.subject, LOOKED_AT, edge.now)
        until = None if reply.address_key is None else await replies.find_window(conn, reply.address_key, edge.now)
    context = reply_id.bytes
    fields = {name: value for name, value in reply._asdict().items() if name in ReplyRow.model_fields}
    return ReplyView(
        **fields,
        text=None if reply.text_sealed is None else sealer.open(reply.text_sealed, context).decode(),
        answer=None if reply.answer_sealed is None else sealer.open(reply.answer_sealed, context).decode(),
        open_until=until,
    )


@router.post("/replies/{reply_id}/answer", responses={200: {"model": ReplyAnswered}})
async def answer_reply(edge: EdgeDep, reply_id: UUID, body: AnswerReply) -> Response:
    """Answer in one's own words: by WhatsApp while the conversation is open, by SMS else."""
    officer = Officer(edge.caller.subject, edge.platform.sealer, _channels(edge))

    async def act(conn: Connection) -> ReplyAnswered:
        await _require_officer(conn, edge.caller, reply_id)
        ways = await handlers.answer(conn, reply_id, body, officer, now=edge.now)
        return ReplyAnswered(reply_id=reply_id, channels=ways)

    return await edge.once(act)


@router.post("/replies/{reply_id}/close", responses={200: {"model": ReplyClosed}})
async def close_reply(edge: EdgeDep, reply_id: UUID, body: CloseReply) -> Response:
    """Close what needs no answer."""

    async def act(conn: Connection) -> ReplyClosed:
        await _require_officer(conn, edge.caller, reply_id)
        await handlers.close(conn, reply_id, body, by=edge.caller.subject, now=edge.now)
        return ReplyClosed(reply_id=reply_id, state="closed")

    return await edge.once(act)


def _channels(edge: Edge) -> list[Channel]:
    """The outward channels that are set up."""
    settings = edge.platform.settings
    assert isinstance(settings, NotifySettings)
    return list(settings.rules().channels)


async def _find(conn: Connection, caller: Caller, reply_id: UUID) -> Found:
    """The reply, where the caller may see it. Raises `ReplyNotFound`, and the same for one of elsewhere."""
    caller.require("officer", "vendor")
    reply = await store.find_reply(conn, reply_id)
    if reply is not None and (await _is_own(conn, caller, reply) or await _serves(conn, caller, reply)):
        return reply
    raise ReplyNotFound("No reply of your area has this id.", reply_id=str(reply_id))


async def _require_officer(conn: Connection, caller: Caller, reply_id: UUID) -> None:
    caller.require("officer")
    reply = await _find(conn, caller, reply_id)
    if caller.vendor_id is not None and set(await families.find_family(conn, caller.vendor_id)) & set(reply.writers):
        raise OwnReply("You wrote this as a vendor: another officer of the area answers it.")


async def _is_own(conn: Connection, caller: Caller, reply: Found) -> bool:
    """Whether the caller wrote it, under any of its ids; of several who may have, nobody is shown it as its own."""
    if not caller.has("vendor") or caller.vendor_id is None or reply.vendor_id is None:
        return False
    return reply.vendor_id in await families.find_family(conn, caller.vendor_id)


async def _serves(conn: Connection, caller: Caller, reply: Found) -> bool:
    if not caller.has("officer") or caller.area is None:
        return False
    if not reply.writers:
        return "." not in caller.area
    area = caller.area
    return any(covers(area, home) for home in await store.find_homes(conn, reply.writers))
