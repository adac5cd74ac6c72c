"""Tickets of places in classes: what one says, when it is issued anew, and whether it counts."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from services.training.domain.classes import TrainingClass
from shared.errors import NotFound, Refused
from shared.events.training import TrainingTicketIssued
from shared.gate.scans import CLOCK_TOLERANCE
from shared.tickets import DAYS_MAX, Ticket

PLACE_IN_CLASS = 2
"""Kind of the tickets that admit to a class: subject is the vendor, event the class; spot is the vendor's number."""


class TicketUnknown(NotFound):
    """The vendor has no ticket of this class: no place, or one given a moment ago whose ticket is being signed."""

    code = "ticket-unknown"


class TicketElsewhere(Refused):
    """The ticket is genuine, and for another class or another kind of event."""

    code = "ticket-elsewhere"


class TicketVoid(Refused):
    """The ticket is genuine and does not count any more: the place was given up, or a newer one was issued."""

    code = "ticket-void"


class Issued(NamedTuple):
    """A ticket that was issued to a vendor for a class. `number` may be typed instead, the same in all of them."""

    vendor_id: UUID
    serial: int
    number: int
    days: tuple[date, ...]
    issued_at: datetime


def spot_of(number: int) -> str:
    """A number as it is printed and typed: P7."""
    return f"P{number}"


def number_of(spot: str) -> int | None:
    """The number that is written like `P7` or `7`; None where it is none."""
    digits = spot.strip().upper().removeprefix("P").strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 5 else None


def days_of_ticket(a_class: TrainingClass, today: date) -> tuple[date, ...]:
    """The session days that a ticket issued now is for.

    A ticket spans `DAYS_MAX` days; of a class that lasts longer those before the span that today is in are left out.
    """
    span: list[date] = []
    for day in a_class.days:
        if span and day >= span[0] + timedelta(days=DAYS_MAX):
            if today <= span[-1]:
                break
            span = []
        span.append(day)
    return tuple(span)


def due(
    a_class: TrainingClass,
    places: Mapping[UUID, datetime],
    last: Sequence[Issued],
    highest_number: int,
    *,
    today: date,
) -> list[Ticket]:
    """The tickets that those with a place should have now and have not, in the order of their ids.

    None when the class is not open (any more), online, or over. `places`: since when each has its place, as the ticket
    of one given up before does not come back. `last`: the last ticket of each that ever had one; `highest_number`: that
    was ever given in this class. Who comes anew gets the next.
    """
    if a_class.state != "open" or a_class.kind == "online" or today > a_class.days[-1]:
        return []
    by_vendor = {one.vendor_id: one for one in last}
    days = days_of_ticket(a_class, today)
    tickets = []
    for vendor_id in sorted(places):
        before = by_vendor.get(vendor_id)
        if before is not None and before.days == days and before.issued_at >= places[vendor_id]:
            continue
        if before is None:
            highest_number += 1
        number, serial = (highest_number, 1) if before is None else (before.number, before.serial + 1)
        tickets.append(Ticket(PLACE_IN_CLASS, vendor_id, a_class.class_id, "", spot_of(number), days, serial))
    return tickets


def next_span(a_class: TrainingClass, today: date) -> date | None:
    """The day on which new tickets are due because those issued today are used up; None where they last to the end."""
    days = days_of_ticket(a_class, today)
    return days[-1] + timedelta(days=1) if days[-1] < a_class.days[-1] else None


def issue(a_class: TrainingClass, ticket: Ticket, text: str) -> TrainingTicketIssued:
    """The vendor has this ticket from now on, and no other of this class."""
    return TrainingTicketIssued(
        vendor_id=ticket.subject,
        class_id=a_class.class_id,
        course=a_class.course,
        title=a_class.title,
        days=list(ticket.days),
        serial=ticket.serial,
        number=ticket.spot,
        ticket=text,
    )


def require_for(ticket: Ticket, class_id: UUID) -> None:
    """Refuse a ticket of another class or kind."""
    if ticket.kind != PLACE_IN_CLASS or ticket.event != class_id:
        raise TicketElsewhere("This ticket is for another class.", class_id=str(ticket.event))


def require_counted(ticket: Ticket, issued: Sequence[Issued], moment: datetime) -> datetime:
    """When a ticket that counted when it was scanned was issued. `issued`: every ticket of this vendor in this class.

    Raises `TicketVoid` for one that a newer had replaced by then, with what counts now. One that was never issued (a
    database restored from before it) is void too.
    """
    own = next((one for one in issued if one.serial == ticket.serial), None)
    newer = min((one.issued_at for one in issued if one.serial > ticket.serial), default=None)
    if own is None or (newer is not None and moment > newer + CLOCK_TOLERANCE):
        raise TicketVoid(
            "A newer ticket was issued; ask for that one, or check in by the number.",
            serial=max((one.serial for one in issued), default=None),
        )
    return own.issued_at
