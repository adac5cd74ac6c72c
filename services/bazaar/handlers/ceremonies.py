"""Drawing the seed together: say how, commit, close, reveal; deadlines; what a failed attempt is followed by."""

from datetime import datetime, timedelta
from uuid import UUID

from services.bazaar.domain import ceremony as domain
from services.bazaar.domain import round as rounds_domain
from services.bazaar.domain.bazaar import Bazaar
from services.bazaar.domain.ceremony import PUBLIC_DRAW, Ceremony, Commit, Reveal, SeedPlan
from services.bazaar.store import bazaars, rounds
from services.bazaar.store import ceremonies as store
from shared.db import Connection
from shared.outbox import Fact, record
from shared.timers import set_timer

CEREMONY = "ceremony-due"
"""Kind of the timer that keeps a ceremony's deadlines; its key is `<bazaar>/<round>/<attempt>`."""

JUST_AFTER = timedelta(microseconds=1)
"""At the deadline itself it still counts."""


async def plan_seed(conn: Connection, bazaar_id: UUID, plan: SeedPlan, *, now: datetime) -> None:
    """Say how the seed of this bazaar's round will be drawn; until the freeze."""
    domain.require_plannable(await bazaars.lock_bazaar(conn, bazaar_id))
    await store.save_plan(conn, bazaar_id, plan, now=now)


async def begin_ceremony(conn: Connection, plan: SeedPlan, bazaar: Bazaar, *, attempt: int = 1, now: datetime) -> None:
    """Officials may commit from now on. The bazaar is locked and frozen."""
    ceremony = domain.open_ceremony(plan, bazaar.bazaar_id, bazaar.round, attempt, now)
    await store.add_ceremony(conn, ceremony)
    await _set_timer(conn, ceremony)


async def commit(conn: Connection, bazaar_id: UUID, command: Commit, subject: str, *, now: datetime) -> Ceremony:
    """An official hands in its commitment. The bazaar is locked, so that one comes after the other."""
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    before = await _attempts(conn, bazaar)
    handed_in = {part.commitment for one in before for part in one.parts}
    current = domain.require_under_way(bazaar, before[-1] if before else None)
    after, part = domain.commit(current, command, subject, handed_in, now)
    await store.add_part(conn, after, part)
    await _save(conn, current, after)
    return after


async def close_commits(conn: Connection, bazaar_id: UUID, *, now: datetime) -> Ceremony:
    """An officer closes the list of officials: everyone reveals now."""
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    current = await _current(conn, bazaar)
    after = domain.close(current, now)
    await _save(conn, current, after)
    return after


async def reveal(conn: Connection, bazaar_id: UUID, command: Reveal, subject: str, *, now: datetime) -> Ceremony:
    """An official reveals its secret; the last one draws the seed."""
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    # the deadline for commits may have passed a moment ago, and its timer not have come round yet
    stored = await _current(conn, bazaar)
    after, part = domain.reveal(domain.fall_due(stored, now), command, subject, now)
    await store.save_secret(conn, after, part)
    await _save(conn, stored, after)
    if after.state == "drawn":
        await _draw(conn, bazaar, after, now=now)
    return after


async def _draw(conn: Connection, bazaar: Bazaar, ceremony: Ceremony, *, now: datetime) -> None:
    frozen = await rounds.find_round(conn, bazaar.bazaar_id, bazaar.round)
    seed, source = domain.draw_together(ceremony, frozen.frozen_sha256)
    after, seeded, event = rounds_domain.draw_seed(bazaar, frozen, seed, source)
    await bazaars.save_bazaar(conn, after)
    await rounds.save_seed(conn, seeded, now=now)
    await record(conn, [Fact(event, after.version)], now=now)


async def keep_deadline(conn: Connection, key: str, now: datetime) -> None:
    """Timer: a deadline of a ceremony has passed. Commits close; or who kept silent has failed it, and the next attempt
    begins. Nothing happens when it is over, another attempt runs, or the bazaar does not take place."""
    bazaar_id, number, attempt = key.split("/")
    bazaar = await bazaars.lock_bazaar(conn, UUID(bazaar_id))
    if bazaar.state != "frozen" or bazaar.round != int(number):
        return
    current = await _current(conn, bazaar)
    if current.attempt != int(attempt):
        return
    after = domain.fall_due(current, now)
    await _save(conn, current, after)
    if after.state == "failed":
        plan = await store.find_plan(conn, bazaar.bazaar_id) or PUBLIC_DRAW
        await begin_ceremony(conn, plan, bazaar, attempt=after.attempt + 1, now=now)


async def _attempts(conn: Connection, bazaar: Bazaar) -> list[Ceremony]:
    return await store.find_ceremonies(conn, bazaar.bazaar_id, bazaar.round)


async def _current(conn: Connection, bazaar: Bazaar) -> Ceremony:
    attempts = await _attempts(conn, bazaar)
    return domain.require_under_way(bazaar, attempts[-1] if attempts else None)


async def _save(conn: Connection, before: Ceremony, after: Ceremony) -> None:
    if after.state != before.state:
        await store.save_ceremony(conn, after)
        if after.state == "revealing":
            await _set_timer(conn, after)


async def _set_timer(conn: Connection, ceremony: Ceremony) -> None:
    key = f"{ceremony.bazaar_id}/{ceremony.round}/{ceremony.attempt}"
    await set_timer(conn, CEREMONY, key, (ceremony.reveal_until or ceremony.commit_until) + JUST_AFTER)
