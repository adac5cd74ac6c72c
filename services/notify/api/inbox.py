"""A person's inbox: every message, in words, newest first. For the person itself, by any of its ids; nobody else."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from services.notify.api.answers import TextAnswer, text
from services.notify.domain.people import Contact
from services.notify.domain.wishes import NO_WISHES
from services.notify.handlers import inbox as handlers
from services.notify.handlers import templates
from services.notify.handlers.queue import params_in_full
from services.notify.rendering import TemplateFault, render
from services.notify.store import inbox, wishes
from shared import families
from shared.auth import Caller
from shared.auth.callers import NotOwnData
from shared.crypto import Sealer
from shared.db import Connection
from shared.http import After, EdgeDep, page, read_cursor

router = APIRouter(tags=["inbox"])

MESSAGES_MAX = 50
"""Each is written anew for the reader; so many take some ten milliseconds."""


class InboxRow(BaseModel):
    """A message as the person sees it."""

    notification_id: UUID
    template: str
    topic: str
    at: datetime = Field(description="When it was made")
    deadline: datetime
    read_at: datetime | None
    text: TextAnswer | None = Field(description="null once its words are no longer kept")


class InboxPage(BaseModel):
    """A page of the inbox, newest first."""

    items: list[InboxRow]
    unread: int = Field(description="How many were not read, of all")
    next: str | None


class ReadAnswer(BaseModel):
    """When a message was first read."""

    notification_id: UUID
    read_at: datetime


@router.get("/v1/inbox/{vendor_id}")
async def show_inbox(
    vendor_id: UUID,
    edge: EdgeDep,
    unread: Annotated[bool, Query(description="Only what was not read")] = False,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=MESSAGES_MAX)] = 20,
) -> InboxPage:
    """Every message to a person, whatever other way it went, at once and at any hour."""
    before = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        ids = await _own_ids(conn, edge.caller, vendor_id)
        rows = await inbox.find_inbox(conn, ids, unread=unread, before=before, limit=limit + 1)
        count = await inbox.count_unread(conn, ids)
        found: dict[str, Any] = page(rows, limit, lambda row: row["notification_id"])
        items = await _written(conn, edge.platform.sealer, found["items"], vendor_id, ids)
    return InboxPage(items=items, unread=count, next=found["next"])


@router.post("/v1/inbox/{vendor_id}/{notification_id}/read", responses={200: {"model": ReadAnswer}})
async def read_message(vendor_id: UUID, notification_id: UUID, edge: EdgeDep) -> Response:
    """The person opened a message. Only the first time counts."""

    async def act(conn: Connection) -> ReadAnswer:
        ids = await _own_ids(conn, edge.caller, vendor_id)
        read_at = await handlers.read_message(conn, notification_id, ids, now=edge.now)
        return ReadAnswer(notification_id=notification_id, read_at=read_at)

    return await edge.once(act)


async def _own_ids(conn: Connection, caller: Caller, vendor_id: UUID) -> list[UUID]:
    """All ids of the person who calls. Raises `NotOwnData` for everybody else's."""
    caller.require("vendor")
    ids = await families.find_family(conn, vendor_id)
    if caller.vendor_id not in ids:
        raise NotOwnData("An inbox is for the person itself; an officer finds messages under /v1/notifications.")
    return ids


async def _written(
    conn: Connection, sealer: Sealer, rows: Sequence[Mapping[str, Any]], vendor_id: UUID, ids: Sequence[UUID]
) -> list[InboxRow]:
    parties = [UUID(row["params"]["mentor_id"]) for row in rows if row["params"].get("mentor_id")]
    contacts = await inbox.find_contacts(conn, [*ids, *parties])
    members = {vendor_id: ids}
    language = (await wishes.find_wishes(conn, members)).get(vendor_id, NO_WISHES).language
    shown = [{**row, "params": await params_in_full(conn, sealer, row["template"], row["params"])} for row in rows]
    return [await _row(conn, row, contacts, language) for row in shown]


async def _row(
    conn: Connection, row: Mapping[str, Any], contacts: Mapping[UUID, Contact], language: str | None
) -> InboxRow:
    return InboxRow(
        notification_id=row["notification_id"],
        template=row["template"],
        topic=row["topic"],
        at=row["planned_at"],
        deadline=row["deadline"],
        read_at=row["read_at"],
        text=await _text(conn, row, contacts, language),
    )


async def _text(
    conn: Connection, row: Mapping[str, Any], contacts: Mapping[UUID, Contact], language: str | None
) -> TextAnswer | None:
    contact = contacts.get(row["vendor_id"])
    template = await templates.find_template(conn, row["template"], row["template_version"])
    if contact is None or template is None:
        return None
    party = row["params"].get("mentor_id")
    try:
        written = render(
            template,
            row["language"] or language or contact.language,
            row["params"],
            name=contact.name,
            notification_id=row["notification_id"],
            party=None if party is None else contacts.get(UUID(party)),
        )
    except TemplateFault:
        return None
    return text(written)
