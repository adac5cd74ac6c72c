"""Tickets are issued: asked for in the transaction that gives a booth, signed a moment later by a timer.

So no answer of a vendor waits for a signature or a key, other services' commands need no key, and what is asked for is
not lost when a process dies in between.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.bazaar.domain import tickets as domain
from services.bazaar.domain.application import Application
from services.bazaar.domain.gate import closing_for
from services.bazaar.domain.tickets import Issued
from services.bazaar.handlers.applications import keep
from services.bazaar.store import applications, bazaars
from services.bazaar.store import days as gates
from services.bazaar.store import tickets as store
from shared import families
from shared.crypto import Sealer
from shared.db import Connection
from shared.ids import new_id
from shared.signing_keys import open_signing_key
from shared.tickets import sign_ticket
from shared.timers import TimerHandler, set_timer

ISSUE = "tickets-issue"
"""Kind of the timer that issues a ticket; its key begins with the application."""

KEY_SEPARATOR = "/"


async def issue(conn: Connection, concerned: Sequence[Application], *, now: datetime) -> None:
    """Have the ticket issued that each of these applications should have now; where it has it, nothing happens.

    Call it when a booth is confirmed, and after every change of who stands where and when: swap, move, added days.
    """
    for application in concerned:
        # each time a timer of its own: one that is being worked off waits for the application, and whoever holds that
        # must not wait for the timer
        await set_timer(conn, ISSUE, f"{application.application_id}{KEY_SEPARATOR}{new_id()}", now)


def issuer(sealer: Sealer) -> TimerHandler:
    """The handler of the timer, with what opens the signing key."""

    async def issue_due(conn: Connection, key: str, now: datetime) -> None:
        """Timer: sign the ticket that an application should have now, if it has not got it. None for the erased."""
        application = await applications.lock_application(conn, UUID(key.partition(KEY_SEPARATOR)[0]))
        if await families.find_erased(conn, [application.vendor_id]):
            return
        bazaar = await bazaars.find_bazaar(conn, application.bazaar_id)
        last = (await store.find_last_tickets(conn, [application.application_id])).get(application.application_id)
        declined = await store.find_declined_days(conn, application.application_id)
        ticket = domain.due(application, bazaar, None if last is None else last[0], declined)
        if ticket is None:
            return
        _, private = await open_signing_key(conn, store.KEYS, sealer, now=now)
        text = sign_ticket(ticket, private)
        issued = Issued(ticket.serial, ticket.place, ticket.spot, ticket.days)
        await store.add_ticket(conn, application.application_id, issued, text, now=now)
        # after the lock of the application: who changes the gate's closing locks it too, and tells what it finds issued
        gate = await gates.find_gate(conn, bazaar.bazaar_id, ticket.place)
        closes = closing_for(bazaar.site(ticket.place), gate, ticket.days, now)
        await keep(conn, [domain.issue(application, bazaar, ticket, text, closes)], now=now)

    return issue_due
