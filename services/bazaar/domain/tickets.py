"""Tickets of confirmed booths: what one says, when it is issued anew, and whether it still counts."""

from collections.abc import Collection
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from services.bazaar.domain.application import Application, Step
from services.bazaar.domain.bazaar import Bazaar
from shared.errors import NotFound, Refused
from shared.events.bazaar import TicketIssued
from shared.tickets import DAYS_MAX, Ticket

BOOTH = 1
"""Kind of the tickets that admit to a booth: subject is the application, event the bazaar, place the site."""

HOLDS_TICKET = ("confirmed", "attended")
"""States in which an application has a ticket that counts."""


class TicketUnknown(NotFound):
    """There is no ticket: the booth is not confirmed, or was a moment ago and the ticket is being signed."""

    code = "ticket-unknown"


class TicketElsewhere(Refused):
    """The ticket is genuine, and for another bazaar or another kind of event."""

    code = "ticket-elsewhere"


class TicketVoid(Refused):
    """The ticket is genuine and does not count any more: the booth was given back, swapped, or a newer one issued."""

    code = "ticket-void"


class Issued(NamedTuple):
    """The last ticket that was issued for an application."""

    serial: int
    site_id: str
    booth: str
    days: tuple[date, ...]


def due(
    application: Application, bazaar: Bazaar, last: Issued | None, declined: Collection[date] = ()
) -> Ticket | None:
    """The ticket that this application should have now; None when it has it, or should have none.

    `declined`: days added to the site that the vendor did not want. A ticket spans `DAYS_MAX` days; on later ones
    officers check in by the number of the booth. An online bazaar has no gate.
    """
    held = application.offer
    if application.state not in HOLDS_TICKET or held is None or bazaar.setting == "online":
        return None
    if bazaar.state != "allocated":
        return None
    wanted = [day for day in bazaar.site(held.site_id).days if day not in declined]
    days = tuple(day for day in wanted if day < wanted[0] + timedelta(days=DAYS_MAX))
    if last is not None and (last.site_id, last.booth, last.days) == (held.site_id, held.booth, days):
        return None
    serial = 1 if last is None else last.serial + 1
    return Ticket(BOOTH, application.application_id, bazaar.bazaar_id, held.site_id, held.booth, days, serial)


def issue(application: Application, bazaar: Bazaar, ticket: Ticket, text: str, gate_closes_at: datetime | None) -> Step:
    """The vendor has this ticket from now on, and no other. `gate_closes_at`: by when it has to be there, if it has."""
    event = TicketIssued(
        application_id=application.application_id,
        bazaar_id=application.bazaar_id,
        vendor_id=application.vendor_id,
        bazaar_name=bazaar.name,
        site_id=ticket.place,
        site_name=bazaar.site(ticket.place).name,
        booth=ticket.spot,
        days=list(ticket.days),
        serial=ticket.serial,
        ticket=text,
        gate_closes_at=gate_closes_at,
    )
    return Step(replace(application, version=application.version + 1), event)


def require_for(ticket: Ticket, bazaar_id: UUID) -> None:
    """Refuse a ticket of another bazaar or kind."""
    if ticket.kind != BOOTH or ticket.event != bazaar_id:
        raise TicketElsewhere("This ticket is for another bazaar.", bazaar_id=str(ticket.event))


def require_counts(ticket: Ticket, application: Application, last: Issued | None) -> None:
    """Refuse a genuine ticket that does not count any more, with what counts now."""
    held = application.offer
    if application.state not in (*HOLDS_TICKET, "missed") or held is None:
        raise TicketVoid(
            f"This ticket does not count any more: the application is {application.state}.", state=application.state
        )
    now = {"site_id": held.site_id, "booth": held.booth, "serial": None if last is None else last.serial}
    if (ticket.place, ticket.spot) != (held.site_id, held.booth):
        raise TicketVoid(
            f"This ticket is for booth {ticket.spot}, which was swapped; the vendor stands at {held.booth} now.", **now
        )
    if last is None or ticket.serial != last.serial:
        raise TicketVoid("A newer ticket was issued; ask for that one, or check in by the number of the booth.", **now)
