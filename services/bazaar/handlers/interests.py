"""Standing interests: declared, paused, confirmed, ended; and applied for when applications of a bazaar open."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from services.bazaar.domain import interests as domain
from services.bazaar.domain.application import Step
from services.bazaar.domain.bazaar import Bazaar
from services.bazaar.domain.interests import (
    ALREADY_APPLIED,
    DeclareInterest,
    Interest,
    Interested,
    InterestState,
    InterestUnknown,
    SeriesUnknown,
)
from services.bazaar.handlers.applications import record_steps
from services.bazaar.store import bazaars, vendors
from services.bazaar.store import interests as store
from services.bazaar.store.erasures import PEOPLE
from services.bazaar.store.interests import Outcome
from shared import families
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.ids import new_id
from shared.outbox import Fact, record
from shared.timers import cancel_timer, set_timer

APPLY = "interests-apply"
"""Kind of the timer that applies for those interested when applications of a bazaar open; its key is the bazaar."""

REMIND = "interests-remind"
"""Kind of the timer that asks a vendor whether it still wants what it declared; its key is the interest."""

INTERESTS_PER_TRANSACTION = 500
"""So that nobody waits long for the locks of a run, and a run that is cut off loses little."""


async def declare_interest(
    conn: Connection,
    vendor_id: UUID,
    command: DeclareInterest,
    *,
    interest_id: UUID,
    origin: Literal["vendor", "officer"],
    now: datetime,
) -> None:
    """A vendor says what it wants. It counts for bazaars whose applications open from now on."""
    await store.lock_vendor(conn, vendor_id)
    vendor = await vendors.find_vendor(conn, vendor_id)
    if command.series_id is not None and not await store.series_exists(conn, command.series_id):
        raise SeriesUnknown("series_id names no series; leave it out to want bazaars of every series.")
    had = await store.count_interests(conn, await families.find_family(conn, vendor_id))
    interest = domain.declare(command, vendor_id, vendor, had, interest_id=interest_id, origin=origin, now=now)
    await store.add_interest(conn, interest)
    await _set_reminder(conn, interest, now)


async def move_interest(conn: Connection, interest_id: UUID, state: InterestState) -> None:
    """Pause it, take it up again, or end it. Applications that were made stay."""
    after = domain.move(await store.lock_interest(conn, interest_id), state)
    await store.save_interest(conn, after)
    if after.state == "ended":
        await cancel_timer(conn, REMIND, str(interest_id))


async def confirm_interest(conn: Connection, interest_id: UUID, valid_until: date, *, now: datetime) -> None:
    """The vendor still wants it, until this day."""
    after = domain.confirm(await store.lock_interest(conn, interest_id), valid_until, now)
    await store.save_interest(conn, after)
    await _set_reminder(conn, after, now)


async def _set_reminder(conn: Connection, interest: Interest, now: datetime) -> None:
    """Who has just said until when is not asked at once: a reminder whose moment has passed is none."""
    moment = domain.remind_at(interest)
    if moment > now:
        await set_timer(conn, REMIND, str(interest.interest_id), moment)
    else:
        await cancel_timer(conn, REMIND, str(interest.interest_id))


async def remind_of_interest(conn: Connection, key: str, now: datetime) -> None:
    """Timer: an interest ends in a month. Its vendor is asked, unless it is erased meanwhile."""
    try:
        interest = await store.lock_interest(conn, UUID(key))
    except InterestUnknown:
        return
    if asked := domain.remind(interest, now):
        after, event = asked
        await store.save_interest(conn, after)
        await record(conn, [Fact(event, after.version)], now=now)


async def await_opening(conn: Connection, bazaar: Bazaar, *, now: datetime) -> None:
    """A bazaar is announced: apply for those interested when its applications open, at once where that is now."""
    await set_timer(conn, APPLY, str(bazaar.bazaar_id), max(now, bazaar.applications_open_at or now))


async def apply_for_interested(conn: Connection, key: str, now: datetime) -> None:
    """Timer: applications of a bazaar are open. Apply for some of those interested, and come back for the rest.

    Each call is a transaction: what it did, how far it came and the timer for the rest are kept together or not at all.
    Nobody is merged or erased meanwhile, and nothing is frozen.
    """
    await families.share_people(conn, PEOPLE)
    bazaar = await bazaars.share_bazaar(conn, UUID(key))
    if bazaar.phase(now) == "announced":
        await await_opening(conn, bazaar, now=now)
        return
    run = await store.lock_run(conn, bazaar.bazaar_id)
    if bazaar.phase(now) != "open" or run.finished:
        return
    today = day_in_jakarta(now)
    found = await store.find_interested(conn, bazaar, run.last_id, today, INTERESTS_PER_TRANSACTION)
    await _apply_for(conn, bazaar, found, now)
    more = len(found) == INTERESTS_PER_TRANSACTION
    last_id = found[-1].interest.interest_id if found else run.last_id
    await store.save_run(conn, bazaar.bazaar_id, last_id, finished_at=None if more else now)
    if more:
        await set_timer(conn, APPLY, key, now)


async def _apply_for(conn: Connection, bazaar: Bazaar, found: Sequence[Interested], now: datetime) -> None:
    steps: dict[UUID, Step] = {}
    refused: dict[UUID, str] = {}
    here: set[UUID] = set()
    for one in found:
        choices = domain.choices_at(one.interest, bazaar)
        if not choices:
            continue
        if one.person_id in here:
            refused[one.interest.interest_id] = ALREADY_APPLIED
            continue
        made = domain.apply_for(one, bazaar, choices, application_id=new_id(), now=now)
        if isinstance(made, Step):
            steps[one.interest.interest_id] = made
            here.add(one.person_id)
        else:
            refused[one.interest.interest_id] = made
    added = await store.add_applications(conn, [step.after for step in steps.values()], day_in_jakarta(now))
    outcomes = [Outcome(interest_id, None, because) for interest_id, because in refused.items()]
    for interest_id, step in steps.items():
        application_id = step.after.application_id
        if application_id in added:
            outcomes.append(Outcome(interest_id, application_id, None))
        else:
            outcomes.append(Outcome(interest_id, None, ALREADY_APPLIED))
    await store.add_outcomes(conn, bazaar.bazaar_id, outcomes, now=now)
    await record_steps(conn, [step for step in steps.values() if step.after.application_id in added], now=now)
