"""A bazaar is cancelled or moved, and everyone concerned hears: as many as applied, in pieces, in one transaction."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from services.bazaar.domain import changes as domain
from services.bazaar.domain.application import Application, Offer, Step
from services.bazaar.domain.bazaar import Bazaar
from services.bazaar.domain.changes import CancelBazaar, Move, MoveBazaar
from services.bazaar.handlers import swaps, tickets
from services.bazaar.handlers.applications import keep
from services.bazaar.handlers.interests import await_opening
from services.bazaar.handlers.offers import offer_free_booths, set_offer_timers
from services.bazaar.handlers.series import pass_turn_on
from services.bazaar.store import applications, bazaars, growth
from services.bazaar.store import swaps as swap_store
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.outbox import Fact, record

ROWS_PER_STATEMENT = 500
"""Of 35,000 who applied, so many at a time: the event loop is not held for long, and the whole takes no longer."""


class Cancelled(NamedTuple):
    """How many vendors were told, and how many turns were given back."""

    told: int
    turns_returned: int


async def cancel_bazaar(conn: Connection, bazaar_id: UUID, command: CancelBazaar, *, now: datetime) -> Cancelled:
    """It does not take place: everyone who applied hears, turns are given back, open swaps and offers are void."""
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    after, event = domain.cancel(bazaar, command)
    await bazaars.save_bazaar(conn, replace(after, changed_at=now))
    await pass_turn_on(conn, after, now=now)
    await record(conn, [Fact(event, after.version)], now=now)
    await swap_store.void_all(conn, bazaar_id, now=now)
    told = returned = 0
    async for piece in _concerned(conn, bazaar_id, domain.CONCERNED_BY_CANCELLING):
        free = [one.application_id for one in piece if domain.loses_its_turn(one)]
        turned = await applications.remove_turns(conn, free) if free else set()
        steps = [
            step
            for one in piece
            if (
                step := domain.cancel_application(
                    one, after, command, turn_returned=one.application_id in turned, today=day_in_jakarta(now)
                )
            )
            is not None
        ]
        await keep(conn, steps, now=now)
        told, returned = told + len(steps), returned + len(turned)
    return Cancelled(told, returned)


async def move_bazaar(conn: Connection, bazaar_id: UUID, command: MoveBazaar, *, now: datetime) -> int:
    """It is held on other days: everyone who still waits or has a booth hears. Gives how many.

    Deadlines, turns and tickets follow, and a booth that was free too late to offer may be offered now.
    """
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    move = domain.move(bazaar, command, now)
    await bazaars.save_bazaar(conn, move.bazaar)
    await growth.save_sites(conn, move.bazaar)
    if move.bazaar.state == "announced" and move.bazaar.applications_open_at != bazaar.applications_open_at:
        await await_opening(conn, move.bazaar, now=now)
    if move.event is not None:
        await record(conn, [Fact(move.event, move.bazaar.version)], now=now)
    told = 0
    async for piece in _concerned(conn, bazaar_id, domain.CONCERNED_BY_MOVING):
        steps = [domain.reschedule(one, move, now) for one in piece]
        await keep(conn, steps, now=now)
        await _follow(conn, move, steps, now=now)
        told += len(steps)
    await swaps.reschedule_swaps(conn, move.bazaar)
    await offer_free_booths(conn, move.bazaar, now=now)
    return told


async def _follow(conn: Connection, move: Move, steps: Sequence[Step], *, now: datetime) -> None:
    """What hangs on the days of a booth: the turn, the ticket, days added before, the end of an open offer."""
    after = [step.after for step in steps]
    confirmed = [one for one in after if one.state == "confirmed"]
    await growth.remove_added_days(conn, [one.application_id for one in after if one.offer is not None])
    await applications.save_turn_days(
        conn, [(one.application_id, _site_days(move.bazaar, one.offer)[-1]) for one in confirmed if one.offer]
    )
    await tickets.issue(conn, confirmed, now=now)
    await set_offer_timers(conn, move.bazaar, [one.offer for one in after if one.state == "offered" and one.offer])


def _site_days(bazaar: Bazaar, held: Offer) -> Sequence[date]:
    return bazaar.site(held.site_id).days


async def _concerned(conn: Connection, bazaar_id: UUID, states: Sequence[str]) -> AsyncIterator[list[Application]]:
    """Applications in these states, piece by piece, locked in the order of their ids. The bazaar is locked, so that
    none comes to be in them or leaves them meanwhile."""
    ids = await applications.find_ids_in_states(conn, bazaar_id, states)
    for start in range(0, len(ids), ROWS_PER_STATEMENT):
        yield await applications.lock_applications(conn, ids[start : start + ROWS_PER_STATEMENT])
