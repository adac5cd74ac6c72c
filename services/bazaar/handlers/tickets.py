"""Tickets are issued: asked for in the transaction that gives a booth, signed a moment later by a timer.

So no answer of a vendor waits for a signature or a key, other services' commands need no key, and what is asked for is
not lost when a process dies in between.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.bazaar.domain import tickets as domain
from services.bazaar.domain.application import Application
from services.bazaar.domain.tickets import Issued
from services.bazaar.handlers.applications import keep
from services.bazaar.store import applications, bazaars
from services.bazaar.store import tickets as store
from services.bazaar.store.tickets import SigningKey
from shared import families
from shared.crypto import Sealer
from shared.db import Connection
from shared.ids import new_id
from shared.tickets import key_id_of, sign_ticket
from shared.timers import TimerHandler, set_timer

ISSUE = "tickets-issue"
"""Kind of the timer that issues a ticket; its key is the application."""


async def issue(conn: Connection, concerned: Sequence[Application], *, now: datetime) -> None:
    """Have the ticket issued that each of these applications should have now; where it has it, nothing happens.

    Call it when a booth is confirmed, and after every change of who stands where and when: swap, move, added days.
    """
    for application in concerned:
        await set_timer(conn, ISSUE, str(application.application_id), now)


def issuer(sealer: Sealer) -> TimerHandler:
    """The handler of the timer, with what opens the signing key."""

    async def issue_due(conn: Connection, key: str, now: datetime) -> None:
        """Timer: sign the ticket that an application should have now, if it has not got it. None for the erased."""
        application = await applications.lock_application(conn, UUID(key))
        if await families.find_erased(conn, [application.vendor_id]):
            return
        bazaar = await bazaars.find_bazaar(conn, application.bazaar_id)
        last = (await store.find_last_tickets(conn, [application.application_id])).get(application.application_id)
        declined = await store.find_declined_days(conn, application.application_id)
        ticket = domain.due(application, bazaar, None if last is None else last[0], declined)
        if ticket is None:
            return
        signing = await _signing_key(conn, sealer, now=now)
        text = sign_ticket(ticket, sealer.open(signing.sealed, signing.id.bytes))
        issued = Issued(ticket.serial, ticket.place, ticket.spot, ticket.days)
        await store.add_ticket(conn, application.application_id, issued, text, now=now)
        await keep(conn, [domain.issue(application, bazaar, ticket, text)], now=now)

    return issue_due


async def _signing_key(conn: Connection, sealer: Sealer, *, now: datetime) -> SigningKey:
    found = await store.find_signing_key(conn)
    if found is None:
        await store.lock_keys(conn)
        found = await store.find_signing_key(conn) or await _make_key(conn, sealer, now=now)
    return found


async def _make_key(conn: Connection, sealer: Sealer, *, now: datetime) -> SigningKey:
    private, row_id = Ed25519PrivateKey.generate(), new_id()
    public = private.public_key().public_bytes_raw()
    key = SigningKey(row_id, key_id_of(public), public, sealer.seal(private.private_bytes_raw(), row_id.bytes))
    await store.add_key(conn, key, now=now)
    return key


async def rotate_key(conn: Connection, sealer: Sealer, *, now: datetime) -> str:
    """Tickets are signed with a new key from now on; those of older keys stay good. Gives the new key's id."""
    await store.lock_keys(conn)
    return (await _make_key(conn, sealer, now=now)).key_id
