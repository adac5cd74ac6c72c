"""The HTTP door of notify: look up messages, settle unknown ones, figures, checksums of copies."""

from collections import Counter
from typing import Annotated, Any, get_args
from uuid import UUID

from fastapi import APIRouter, Query, Response

from services.notify import handlers
from services.notify.answers import (
    AttemptAnswer,
    ChecksumAnswer,
    LatencyAnswer,
    NotificationAnswer,
    NotificationPage,
    NotificationRow,
    SettledAnswer,
    StatsAnswer,
    masked,
    recipient,
    text,
)
from services.notify.domain import (
    Contact,
    NotificationNotFound,
    SettleNotification,
    State,
)
from services.notify.rendering import TemplateFault, render
from services.notify.store import copies, intents, lookups, personal_data
from shared import families
from shared.auth import Caller
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor
from shared.personal_data import LookReason, ReasonMissing, VendorNotKept, require_entitled

__all__ = ["router"]

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
        written = await _written(conn, row, contact)
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


@router.get("/v1/vendors/{vendor_id}/data", tags=["personal data"])
async def show_personal_data(vendor_id: UUID, edge: EdgeDep, reason: LookReason | None = None) -> dict[str, Any]:
    """All that notify keeps about a person, under each of its ids, messages with their words: for the person itself,
    and a registrar of where it lives who says why, which is noted (UU PDP, Law 27/2022). A section that is
    empty says so.
    """
    caller = edge.caller
    async with edge.platform.database.transaction() as conn:
        if await families.find_erased(conn, [vendor_id]):
            raise VendorNotKept("Nothing is kept here of this vendor.")
        if not require_entitled(caller, vendor_id, await copies.find_kelurahan(conn, vendor_id)):
            if reason is None:
                raise ReasonMissing(get_args(LookReason))
            await personal_data.add_disclosure(conn, vendor_id, caller.subject, reason, edge.now)
        vendor_ids = await families.find_family(conn, vendor_id)
        sections = await personal_data.collect(conn, vendor_ids)
        contacts = {one: await lookups.find_contact(conn, one) for one in vendor_ids}
        for message in sections["messages"]["data"]:
            message["text"] = await _written(conn, message, contacts[message["vendor_id"]])
    return {
        "service": "notify",
        "vendor_id": vendor_id,
        "registrations_of_the_person": vendor_ids,
        "collected_at": edge.now,
        "sections": sections,
    }


@router.get("/v1/stats")
async def stats(edge: EdgeDep) -> StatsAnswer:
    """Counts by template, state and channel, and the latency from cause to acceptance."""
    edge.caller.require("operator", "officer")
    async with edge.read() as conn:
        counts = await lookups.count_notifications(conn)
        sent, p50, p99 = await lookups.measure_latency(conn)
    by_template, by_state, by_channel = Counter[str](), Counter[str](), Counter[str]()
    for template, state, channel, count in counts:
        by_template[template] += count
        by_state[state] += count
        if channel is not None:
            by_channel[channel] += count
    return StatsAnswer(
        by_template=by_template,
        by_state=by_state,
        by_channel=by_channel,
        latency_seconds=LatencyAnswer(p50=p50, p99=p99, count=sent),
    )


@router.get("/v1/projections")
async def projections(edge: EdgeDep) -> dict[str, ChecksumAnswer]:
    """Checksums of the copies kept here, to compare with their sources."""
    edge.caller.require("operator")
    async with edge.read() as conn:
        count, digest = await lookups.contacts_checksum(conn)
    return {"contacts": ChecksumAnswer(count=count, sha256=digest)}


def _may_read(caller: Caller, vendor_id: UUID | None) -> None:
    """Readers of the programme, and a vendor for itself."""
    if vendor_id is not None and caller.has("vendor") and caller.vendor_id == vendor_id:
        return
    caller.require(*READERS)


async def _written(conn: Connection, row: dict[str, Any], contact: Contact | None) -> Any:
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
