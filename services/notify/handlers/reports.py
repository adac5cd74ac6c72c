"""What providers report: shared out to those it concerns."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.notify.domain.reports import AccountAlert, Complaint, Receipt, Reply, Report, TemplateVerdict
from services.notify.handlers import complaints, providers, receipts, replies, templates
from services.notify.store import parts
from shared.crypto import Sealer
from shared.db import Connection

PARTS_KEPT_SECONDS = 7 * 86_400.0


def apart(reports: Sequence[Report]) -> list[list[Report]]:
    """What is taken in a transaction each: every reply and complaint by itself, for a STOP holds all messages of its
    person, and two transactions that hold those of several would wait for each other; then all the rest.
    """
    rest: list[Report] = [one for one in reports if not isinstance(one, Reply | Complaint)]
    alone: list[list[Report]] = [[one] for one in reports if isinstance(one, Reply | Complaint)]
    return [*alone, rest] if rest else alone


async def take_reports(conn: Connection, reports: Sequence[Report], *, sealer: Sealer, now: datetime) -> None:
    """Take what a provider reported. Each handler keeps what it knows already only once, so a call may come again.

    Replies and complaints go first: they hold people together against an erasure, which then waits, before any message
    is locked. Several of them, or some beside receipts, are not for one transaction (`apart`).
    """
    await replies.receive(conn, [one for one in reports if isinstance(one, Reply)], sealer=sealer, now=now)
    for one in reports:
        if isinstance(one, Complaint):
            await complaints.note_complaint(conn, one, sealer=sealer, now=now)
    told = [one for one in reports if isinstance(one, Receipt)]
    await receipts.apply_receipts(conn, await _of_whole_messages(conn, told), now=now)
    await templates.note_verdicts(conn, [one for one in reports if isinstance(one, TemplateVerdict)], now=now)
    await providers.note_alerts(conn, [one for one in reports if isinstance(one, AccountAlert)], now=now)


async def _of_whole_messages(conn: Connection, told: Sequence[Receipt]) -> list[Receipt]:
    """Receipts of messages, from receipts of their parts: until all parts are delivered the message is sent, no more.
    A part that failed is a message that failed: nobody can read it.
    """
    delivered: dict[UUID, tuple[int, list[str]]] = {}
    for one in told:
        if one.parts > 1 and one.status == "delivered" and one.reference is not None and one.message_id is not None:
            delivered.setdefault(one.reference, (one.parts, []))[1].append(one.message_id)
    if not delivered:
        return list(told)
    whole = await parts.add_delivered(conn, delivered)
    await parts.remove_parts(conn, PARTS_KEPT_SECONDS)
    return [
        replace(one, status="sent")
        if one.status == "delivered" and one.reference in delivered and one.reference not in whole
        else one
        for one in told
    ]
