"""Messages: look them up, settle unknown ones."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from services.notify.api.answers import (
    AttemptAnswer,
    NotificationAnswer,
    NotificationPage,
    NotificationRow,
    SettledAnswer,
    masked,
    recipient,
    text,
)
from services.notify.domain.delivery import NotificationNotFound, SettleNotification, State
from services.notify.domain.people import Contact
from services.notify.handlers import delivery as handlers
from services.notify.rendering import TemplateFault, render
from services.notify.store import intents, lookups
from shared.auth import Caller
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor

READERS = ("operator", "officer", "service")

router = APIRouter(tags=["notifications"])


@router.get("/v1/notifications")
async def list_notifications(
    edge: EdgeDep,
    vendor_id: UUID | None = None,
    template: Annotated[str | None, Query(max_length=60)] = None,
    state: State | None = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> NotificationPage:
    """Notifications, newest first; a vendor sees its own. `state=unknown` lists what waits to be settled."""
    _may_read(edge.caller, vendor_id)
    before = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        if vendor_id is None:
            rows = await lookups.find_notifications(
                conn, template=template, state=state, before=before, limit=limit + 1
            )
        else:
            rows = await lookups.find_notifications_of(
                conn, vendor_id, template=template, state=state, before=before, limit=limit + 1
            )
    found: dict[str, Any] = page(rows, limit, lambda row: row["notification_id"])
    return NotificationPage(items=[NotificationRow(**row) for row in found["items"]], next=found["next"])


@router.get("/v1/notifications/{notification_id}")
async def get_notification(notification_id: UUID, edge: EdgeDep) -> NotificationAnswer:
    """One notification: its text, its attempts. Name and address in full for the vendor itself only."""
    async with edge.read() as conn:
        row = await lookups.find_notification(conn, notification_id)
        if row is None:
            raise NotificationNotFound("No notification has this id.", notification_id=str(notification_id))
        _may_read(edge.caller, row["vendor_id"])
        attempts = await lookups.find_attempts(conn, notification_id)
        contact = await lookups.find_contact(conn, row["vendor_id"])
        if contact is not None and edge.caller.vendor_id != row["vendor_id"]:
            contact = masked(contact)
        written = await written_text(conn, row, contact)
    return NotificationAnswer(
        **row,
        recipient=None if contact is None else recipient(contact),
        text=written,
        attempt_list=[AttemptAnswer(**attempt) for attempt in attempts],
    )


@router.post("/v1/notifications/{notification_id}/settle", responses={200: {"model": SettledAnswer}})
async def settle(notification_id: UUID, body: SettleNotification, edge: EdgeDep) -> Response:
    """Say what became of an unknown message, after a look at the provider: it was sent, or it may be sent again."""
    edge.caller.require("operator")

    async def act(conn: Connection) -> SettledAnswer:
        settled = await handlers.settle_by_hand(conn, notification_id, body, by=edge.caller.subject, now=edge.now)
        return SettledAnswer(notification_id=settled.id, state=settled.state)

    return await edge.once(act)


def _may_read(caller: Caller, vendor_id: UUID | None) -> None:
    """Readers of the programme, and a vendor for itself."""
    if vendor_id is not None and caller.has("vendor") and caller.vendor_id == vendor_id:
        return
    caller.require(*READERS)


async def written_text(conn: Connection, row: dict[str, Any], contact: Contact | None) -> Any:
    """The text as it is or would be sent; None where it cannot be written."""
    if contact is None:
        return None
    template = await intents.find_template(conn, row["template"], row["template_version"])
    if template is None:
        return None
    language = row["language"] or contact.language
    party_id = row["params"].get("mentor_id")
    party = None if party_id is None else await lookups.find_contact(conn, UUID(party_id))
    try:
        written = render(
            template,
            language,
            row["params"],
            name=contact.name,
            notification_id=row["notification_id"],
            party=party,
        )
    except TemplateFault:
        return None
    return text(written)
