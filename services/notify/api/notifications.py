"""Messages: look them up, settle unknown ones."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from services.notify.api.answers import (
    AttemptAnswer,
    FileAnswer,
    NotificationAnswer,
    NotificationPage,
    NotificationRow,
    PeopleAnswer,
    ResentAnswer,
    SettledAnswer,
    ToldAnswer,
    masked,
    recipient,
)
from services.notify.api.words import email_text, find_material, words_on
from services.notify.domain.delivery import NotificationNotFound, SettleNotification, State
from services.notify.domain.resends import FindPeople, ResendNotification
from services.notify.domain.told import find_told
from services.notify.handlers import delivery as handlers
from services.notify.handlers import resends
from services.notify.handlers.attachments import find_facts
from services.notify.store import copies, lookups
from shared import families
from shared.auth import Caller, OutsideArea
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor

READERS = ("operator", "officer", "service")
PROVINCE = "31"
PEOPLE_MAX = 50
TELLS_MAX = 100

router = APIRouter(tags=["notifications"])


@router.get("/v1/notifications")
async def list_notifications(
    edge: EdgeDep,
    vendor_id: UUID | None = None,
    template: Annotated[str | None, Query(max_length=60)] = None,
    state: State | None = None,
    reference: Annotated[str | None, Query(max_length=100, description="Of the system that asked for it")] = None,
    provider: Annotated[str | None, Query(max_length=40)] = None,
    message_id: Annotated[str | None, Query(max_length=200, description="The provider's own id of it")] = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> NotificationPage:
    """Notifications, newest first; a vendor sees its own, an officer those to vendors of its area. `state=unknown`
    lists what waits to be settled. `reference`, or `provider` and `message_id`, find by themselves, for operators and
    services: other filters do not hold beside them.
    """
    caller = edge.caller
    if reference is not None or message_id is not None:
        caller.require("operator", "service")
    elif vendor_id is None:
        caller.require(*READERS)
        if caller.area is None and not _sees_all(caller):
            raise OutsideArea("This token has no area.", area=None)
    before = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        if vendor_id is not None:
            await _is_own(conn, caller, vendor_id)
        if reference is not None:
            rows = await lookups.find_by_reference(conn, reference, before=before, limit=limit + 1)
        elif message_id is not None:
            rows = await lookups.find_by_message_id(conn, provider or "", message_id, before=before, limit=limit + 1)
        elif vendor_id is None:
            area = None if _sees_all(caller) else caller.area
            rows = await lookups.find_notifications(
                conn, template=template, state=state, area=area, before=before, limit=limit + 1
            )
        else:
            rows = await lookups.find_notifications_of(
                conn, vendor_id, template=template, state=state, before=before, limit=limit + 1
            )
    found: dict[str, Any] = page(rows, limit, lambda row: row["notification_id"])
    return NotificationPage(items=[NotificationRow(**row) for row in found["items"]], next=found["next"])


@router.get("/v1/notifications/{notification_id}")
async def get_notification(notification_id: UUID, edge: EdgeDep) -> NotificationAnswer:
    """One notification, its whole life: cause, plan, route, text, each attempt with its receipts, what it is part of.
    Name and address in full for the vendor itself only, by any of its ids; an officer sees messages of its area.
    """
    async with edge.read() as conn:
        row = await lookups.find_notification(conn, notification_id)
        if row is None:
            raise NotificationNotFound("No notification has this id.", notification_id=str(notification_id))
        own = await _is_own(conn, edge.caller, row["vendor_id"])
        attempts = await lookups.find_attempts(conn, notification_id)
        tells = await lookups.find_digested(conn, notification_id, TELLS_MAX)
        contact = await lookups.find_contact(conn, row["vendor_id"])
        if contact is not None and not own:
            contact = masked(contact)
        material = await find_material(conn, row, contact, in_full=own)
        files = await find_facts(conn, notification_id, edge.platform.sealer)
        if not own and not edge.caller.has("operator"):
            files = [one._replace(name=None) for one in files]
    told, untraced = find_told(row, attempts)
    return NotificationAnswer(
        **row,
        recipient=None if contact is None else recipient(contact),
        text=email_text(material),
        attachments=[FileAnswer(**one._asdict()) for one in files],
        tells=tells,
        attempt_list=[AttemptAnswer(**one, words=words_on(material, one["channel"])) for one in attempts],
        told=[ToldAnswer(**one._asdict()) for one in told],
        told_untraced=untraced,
    )


@router.post("/v1/notifications/{notification_id}/settle", responses={200: {"model": SettledAnswer}})
async def settle(notification_id: UUID, body: SettleNotification, edge: EdgeDep) -> Response:
    """Say what became of an unknown message, after a look at the provider: it was sent, or it may be sent again."""
    edge.caller.require("operator")

    async def act(conn: Connection) -> SettledAnswer:
        settled = await handlers.settle_by_hand(conn, notification_id, body, by=edge.caller.subject, now=edge.now)
        return SettledAnswer(notification_id=settled.id, state=settled.state)

    return await edge.once(act)


@router.post("/v1/notifications/{notification_id}/resend", status_code=201, responses={201: {"model": ResentAnswer}})
async def resend(notification_id: UUID, body: ResendNotification, edge: EdgeDep) -> Response:
    """Send a message again that did not reach the person: a new one, linked to it. One that was sent, or of which
    nobody knows, only with `again`: the person may get it twice.
    """
    edge.caller.require("operator")

    async def act(conn: Connection) -> ResentAnswer:
        new_id = await resends.resend(
            conn, notification_id, body, sealer=edge.platform.sealer, by=edge.caller.subject, now=edge.now
        )
        return ResentAnswer(notification_id=new_id, resend_of=notification_id)

    return await edge.once(act, status=201)


@router.post("/v1/notifications/people", openapi_extra={"x-reads-only": True})
async def find_people(body: FindPeople, edge: EdgeDep) -> PeopleAnswer:
    """Whose phone or e-mail address it is, for somebody who calls about a message. Ids only; an address in a POST does
    not stand in any log.
    """
    edge.caller.require("operator")
    async with edge.read() as conn:
        vendor_ids = await lookups.find_vendors_at(conn, body.phone, body.email, PEOPLE_MAX)
    return PeopleAnswer(vendor_ids=vendor_ids)


def _sees_all(caller: Caller) -> bool:
    """Whether the caller reads messages of every area."""
    return caller.has("operator") or caller.has("service")


async def _is_own(conn: Connection, caller: Caller, vendor_id: UUID) -> bool:
    """Whether the caller is this vendor, by any of its ids. Refuses whoever may not read its messages: others than
    readers of the programme, and officers of other areas; who lives nowhere (a mentor) is for those of the province.
    """
    if caller.has("vendor") and caller.vendor_id in await families.find_family(conn, vendor_id):
        return True
    caller.require(*READERS)
    if not _sees_all(caller):
        caller.require_area(await copies.find_kelurahan(conn, vendor_id) or PROVINCE)
    return False
