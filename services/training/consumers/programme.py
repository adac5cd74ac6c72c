"""What training does with what the registry tells of services, consent and documents."""

from collections.abc import Sequence
from datetime import datetime

from services.training.handlers import assignments, cases, facts, referrals
from services.training.store.consents import Said
from services.training.store.programme import Change
from shared.consume import Many, Received
from shared.db import Connection
from shared.events.documents import DocumentLapsed, DocumentRejected, DocumentReturned, DocumentVerified
from shared.events.envelope import Message
from shared.events.programme import EnrolmentChanged
from shared.events.rights import ConsentGiven, ConsentWithdrawn
from shared.events.vendor import VendorKindChosen

PURPOSE = "capital-referral"


async def on_enrolment(conn: Connection, run: Sequence[Received[EnrolmentChanged]], now: datetime) -> None:
    """Where vendors stand in the services; a wish for help opens a case; who leaves mentoring has no mentor."""
    # all of them first, in the order of ids: cases and mentors, one after the other, each lock only those they concern
    await assignments.lock_people(conn, [one.body.vendor_id for one in run if _concerns_a_record(one.body)])
    changes = [Change(one.body, one.envelope.time, one.envelope.sequence or 0) for one in run]
    await cases.follow_registry(conn, changes, now=now)
    await assignments.part_who_left(conn, [one.body.vendor_id for one in run if one.body.service == "P3"], now=now)


def _concerns_a_record(event: EnrolmentChanged) -> bool:
    return not event.followed or event.service == "P3"


async def on_consent(conn: Connection, run: Sequence[Received[ConsentGiven | ConsentWithdrawn]], now: datetime) -> None:
    """Who lets facts be handed to a bank; other purposes are no matter of ours."""
    said = [
        Said(one.body.vendor_id, isinstance(one.body, ConsentGiven), one.envelope.time, one.envelope.sequence or 0)
        for one in run
        if one.body.purpose == PURPOSE
    ]
    if said:
        await referrals.remember_consents(conn, said, now=now)


async def on_verified(conn: Connection, run: Sequence[Received[DocumentVerified]], _: datetime) -> None:
    """Documents were found good."""
    await facts.remember_verified(conn, [(one.body, one.envelope.sequence or 0) for one in run])


async def on_not_good(
    conn: Connection, run: Sequence[Received[DocumentLapsed | DocumentRejected | DocumentReturned]], _: datetime
) -> None:
    """Documents are good no longer, or were not found good."""
    await facts.remember_not_good(conn, [(one.body, one.envelope.sequence or 0) for one in run])


async def on_kind(conn: Connection, run: Sequence[Received[VendorKindChosen]], _: datetime) -> None:
    """Whether vendors have a business."""
    await facts.remember_kinds(conn, [(one.body, one.envelope.sequence or 0) for one in run])


ON_MANY: dict[type[Message], Many] = {
    EnrolmentChanged: on_enrolment,
    ConsentGiven: on_consent,
    ConsentWithdrawn: on_consent,
    DocumentVerified: on_verified,
    DocumentLapsed: on_not_good,
    DocumentRejected: on_not_good,
    DocumentReturned: on_not_good,
    VendorKindChosen: on_kind,
}
