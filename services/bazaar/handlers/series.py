"""Series: described, changed, planned; their tentative occurrences follow."""

import asyncio
from dataclasses import replace
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from services.bazaar.domain import series as domain
from services.bazaar.domain.bazaar import Bazaar
from services.bazaar.domain.series import DescribeSeries, Occurrence, Planned, Series, SeriesChanged
from services.bazaar.handlers.drafts import describe_anew, plan_bazaar
from services.bazaar.store import bazaars as bazaar_store
from services.bazaar.store import series as store
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.ids import new_id
from shared.outbox import Fact, record
from shared.timers import cancel_timer, set_timer

PLAN = "series-plan"
"""Kind of the timer that keeps a series planned ahead; its key is the series.

With a bazaar behind it, `<series>/<bazaar>`: that one is cancelled, and its turn goes to the next.
"""


class Planning(NamedTuple):
    """How many occurrences planning has added, changed and dropped."""

    added: int
    changed: int
    dropped: int


async def describe_series(conn: Connection, command: DescribeSeries, *, series_id: UUID, now: datetime) -> None:
    """Set up a series. Nothing of it is public before it is planned."""
    await asyncio.to_thread(domain.require_days, command)
    await store.add_series(conn, Series(series_id, 1, command), now=now)
    await _wait_for_next(conn, series_id, command, now)


async def change_series(
    conn: Connection, series_id: UUID, command: DescribeSeries, version: int, *, now: datetime
) -> Planning:
    """Describe it anew. Tentative occurrences follow; what is announced stays as it was announced."""
    await asyncio.to_thread(domain.require_days, command)
    series = await store.lock_series(conn, series_id)
    if series.version != version:
        raise SeriesChanged(
            f"The series has version {series.version} by now, not {version}; read it again.", version=series.version
        )
    changed = replace(series, version=version + 1, described=command)
    await store.save_series(conn, changed)
    await _wait_for_next(conn, series_id, command, now)
    return await _carry_out(conn, changed, day_in_jakarta(now), now)


async def plan_series(conn: Connection, series_id: UUID, until: date, *, now: datetime) -> Planning:
    """Plan tentative occurrences up to this day. Planning again changes nothing, however many plan at once."""
    return await _carry_out(conn, await store.lock_series(conn, series_id), until, now)


async def follow_series(conn: Connection, series_id: UUID, *, now: datetime) -> None:
    """Let the tentative occurrences take the turns that are theirs by now: a cancelled one has used none.

    Before any bazaar is locked.
    """
    await _carry_out(conn, await store.lock_series(conn, series_id), day_in_jakarta(now), now)


async def pass_turn_on(conn: Connection, bazaar: Bazaar, *, now: datetime) -> None:
    """An occurrence is cancelled: soon those that are still tentative take its turn.

    By a timer, for the series is locked before its bazaars, and this one is locked already.
    """
    if bazaar.series_id is not None:
        await set_timer(conn, PLAN, f"{bazaar.series_id}/{bazaar.bazaar_id}", now)


async def plan_by_timer(conn: Connection, key: str, now: datetime) -> None:
    """Timer: once a month, keep a series planned so far ahead as it wants to be; and let its occurrences follow."""
    series_id, _, cancelled = key.partition("/")
    series = await store.lock_series(conn, UUID(series_id))
    until = None if cancelled else domain.planned_until(series.described, now)
    await _carry_out(conn, series, until or day_in_jakarta(now), now)
    if until is not None:
        await _wait_for_next(conn, series.series_id, series.described, now)


async def _wait_for_next(conn: Connection, series_id: UUID, described: DescribeSeries, now: datetime) -> None:
    if described.planned_ahead_days is None:
        await cancel_timer(conn, PLAN, str(series_id))
    else:
        await set_timer(conn, PLAN, str(series_id), domain.next_planning(now))


async def _carry_out(conn: Connection, series: Series, until: date, now: datetime) -> Planning:
    existing = await store.lock_occurrences(conn, series.series_id)
    # in a thread: a rule that hardly ever matches takes a fifth of a second
    plan = await asyncio.to_thread(domain.plan, series, existing, until, now)
    for planned in plan.added:
        await _add(conn, series, planned, now)
    for occurrence, planned in plan.changed:
        await _change(conn, series, occurrence, planned, now)
    for occurrence in plan.dropped:
        after, event = domain.drop(await bazaar_store.lock_bazaar(conn, occurrence.bazaar_id), now)
        await bazaar_store.save_bazaar(conn, after)
        await record(conn, [Fact(event, after.version)], now=now)
    return Planning(len(plan.added), len(plan.changed), len(plan.dropped))


async def _add(conn: Connection, series: Series, planned: Planned, now: datetime) -> None:
    bazaar_id, command = new_id(), domain.describe(series.described, planned)
    await plan_bazaar(conn, command, series.series_id, planned.series_day, bazaar_id=bazaar_id, now=now)
    await store.save_occurrence(conn, bazaar_id, series.version, planned.in_turn)


async def _change(conn: Connection, series: Series, occurrence: Occurrence, planned: Planned, now: datetime) -> None:
    bazaar = await bazaar_store.lock_bazaar(conn, occurrence.bazaar_id)
    # one that the series had dropped is tentative again
    tentative = replace(bazaar, state="tentative", cancelled_because=None)
    await describe_anew(conn, tentative, domain.describe(series.described, planned), now=now)
    await store.save_occurrence(conn, bazaar.bazaar_id, series.version, planned.in_turn)
