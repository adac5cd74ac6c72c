"""Tickets of places in classes are issued: asked for in the transaction that gives a place, signed a moment later.

So nobody who enrols waits for a signature, and what is asked for is not lost when a process dies in between. Each
asking sets a timer of its own, as one that is worked off waits for the class: whoever holds the class must never wait
for that timer's row. A timer issues whatever is due in its class; the others then find nothing left to do.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, time
from uuid import UUID

from services.training.domain import tickets as domain
from services.training.domain.tickets import number_of
from services.training.handlers.trainees import record
from services.training.store import attendance, classes, trainees
from services.training.store import tickets as store
from shared import signing_keys
from shared.clock import JAKARTA, day_in_jakarta
from shared.crypto import Sealer
from shared.db import Connection
from shared.ids import new_id
from shared.tickets import Ticket, sign_ticket
from shared.timers import TimerHandler, set_timer

ISSUE = "class-tickets-issue"
"""Kind of the timer that issues the tickets of a class; its key begins with the class."""

KEY_SEPARATOR = "/"


async def issue(conn: Connection, class_id: UUID, *, now: datetime) -> None:
    """Have the tickets issued that those with a place in a class should have now; who has its own gets none.

    Call it when places are given, and after every change of the class's days. Tickets of places that are given up, and
    of a class that is cancelled, need nothing: they do not count any more.
    """
    await set_timer(conn, ISSUE, f"{class_id}{KEY_SEPARATOR}{new_id()}", now)


def issuer(sealer: Sealer) -> TimerHandler:
    """The handler of the timer, with what opens the signing key."""

    async def issue_due(conn: Connection, key: str, now: datetime) -> None:
        """Timer: sign the tickets that are due in a class; none for the erased."""
        a_class = await classes.lock_class(conn, UUID(key.partition(KEY_SEPARATOR)[0]))
        if a_class is None or a_class.state != "open":
            return
        today = day_in_jakarta(now)
        places = await attendance.find_seats(conn, a_class.class_id)
        last = await store.find_last(conn, a_class.class_id)
        highest = await store.count_numbers(conn, a_class.class_id)
        due = domain.due(a_class, places, last, highest, today=today)
        versions = await trainees.lock_trainees(conn, [ticket.subject for ticket in due])
        due = [ticket for ticket in due if ticket.subject in versions]
        if not due:
            return
        _, private = await signing_keys.open_signing_key(conn, store.KEYS, sealer, now=now)
        # in a thread: a thousand signatures would hold up everybody else
        texts = await asyncio.to_thread(_sign, due, private)
        signed = [(ticket, number_of(ticket.spot) or 0, text) for ticket, text in zip(due, texts, strict=True)]
        await store.add_tickets(conn, signed, class_id=a_class.class_id, now=now)
        events = [domain.issue(a_class, ticket, text) for ticket, _, text in signed]
        await record(conn, versions, events, now=now)
        following = domain.next_span(a_class, today)
        if following is not None:
            midnight = datetime.combine(following, time(), JAKARTA)
            await set_timer(conn, ISSUE, f"{a_class.class_id}{KEY_SEPARATOR}{following}", midnight)

    return issue_due


def _sign(tickets: Sequence[Ticket], private: bytes) -> list[str]:
    return [sign_ticket(ticket, private) for ticket in tickets]
