"""A round of allocation, step by step: freeze, seed, publish."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TypeVar
from uuid import UUID

from services.bazaar.domain import round as domain
from services.bazaar.domain.application import Step
from services.bazaar.domain.round import DrawSeed, Freeze, Round, Solved
from services.bazaar.handlers.applications import record_steps
from services.bazaar.handlers.offers import release_erased, set_lapse_timer
from services.bazaar.store import applications, bazaars
from services.bazaar.store import rounds as store
from shared.db import Connection
from shared.events.bazaar import ApplicantQueued
from shared.outbox import Fact, record

ROWS_PER_STATEMENT = 2000
"""A round of 100,000 is written in pieces of this size, so that the event loop is not held for long."""

T = TypeVar("T")


async def freeze_round(conn: Connection, bazaar_id: UUID, *, now: datetime) -> Round:
    """Commit: fix and hash the applicants and the rule, before any seed is known."""
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    domain.require_freezable(bazaar, now)
    candidates = await store.lock_candidates(conn, bazaar_id)
    ledger = await store.sum_turns_by_groups(conn) if bazaar.policy.groups_ranked else []
    standings = domain.standings(bazaar.policy.groups_ranked, ledger)
    # in a thread: with tens of thousands of applicants the event loop would stand still for a second
    frozen = await asyncio.to_thread(domain.freeze, bazaar, candidates, standings, now)
    await _save_freeze(conn, frozen, now)
    return frozen.round


async def _save_freeze(conn: Connection, frozen: Freeze, now: datetime) -> None:
    await bazaars.save_bazaar(conn, frozen.bazaar)
    await store.add_round(conn, frozen.round, now=now)
    for some in _in_pieces(frozen.groups.items()):
        await store.save_groups(conn, some)
    await store.save_dropped(conn, frozen.dropped)
    await record(conn, [Fact(frozen.event, frozen.bazaar.version)], now=now)


async def draw_seed(conn: Connection, bazaar_id: UUID, command: DrawSeed, *, now: datetime) -> Round:
    """Reveal: the seed that was drawn in public joins the frozen problem."""
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    bazaar.require("frozen", "draw its seed")
    frozen = await store.find_round(conn, bazaar_id, bazaar.round)
    after, seeded, event = domain.draw_seed(bazaar, frozen, command)
    await bazaars.save_bazaar(conn, after)
    await store.save_seed(conn, seeded, now=now)
    await record(conn, [Fact(event, after.version)], now=now)
    return seeded


async def publish_round(conn: Connection, bazaar_id: UUID, solved: Solved | None, *, now: datetime) -> Round:
    """Publish what was solved outside this transaction: every offer and every place in the queue, or nothing.

    `solved` is None when there was no seeded round to solve; the domain then says why.
    """
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    if solved is None:
        raise domain.not_solvable(bazaar)
    seeded = await store.find_round(conn, bazaar_id, bazaar.round)
    after, decided, event = domain.publish(bazaar, seeded, solved, now)
    standing = {str(one.application_id): one for one in await applications.lock_in_state(conn, bazaar_id, "received")}
    booths = await bazaars.find_free_booths(conn, bazaar_id)
    for steps in _in_pieces(domain.decisions(after, solved.result, standing, booths, now)):
        await _save_decisions(conn, steps, now)
    await bazaars.save_bazaar(conn, after)
    await store.save_result(conn, decided, now=now)
    await record(conn, [Fact(event, after.version)], now=now)
    await set_lapse_timer(conn, after, now=now)
    await release_erased(conn, after, now=now)
    return decided


async def _save_decisions(conn: Connection, steps: Sequence[Step], now: datetime) -> None:
    queued = [(step.event, step.after.version) for step in steps if isinstance(step.event, ApplicantQueued)]
    offered = [step.after for step in steps if not isinstance(step.event, ApplicantQueued)]
    await applications.save_applications(conn, offered)
    await applications.save_queued(conn, [event for event, _ in queued], [version for _, version in queued])
    await record_steps(conn, steps, now=now)


def _in_pieces(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while piece := list(islice(rest, ROWS_PER_STATEMENT)):
        yield piece
