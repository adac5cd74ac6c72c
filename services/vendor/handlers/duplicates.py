"""Finding registrations that are likely one person, soon after they came or changed, and deciding about such pairs."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.vendor import areas
from services.vendor.domain import duplicates as domain
from services.vendor.domain.duplicates import DismissReason, Duplicate, DuplicateUnknown, Evidence
from services.vendor.store import audit
from services.vendor.store import duplicates as store
from services.vendor.store.duplicates import Found, Queued
from shared.crypto import Sealer
from shared.db import Connection
from shared.ids import new_id
from shared.timers import TimerHandler, set_timer

__all__ = ["PAIRS_AT_ONCE", "TIMER", "dismiss", "find_queued", "reopen", "walk", "walk_by_timer"]

TIMER = "find-duplicates"
STRETCH_VENDORS = 200
"""Compared in one transaction: with some 40 candidates each that is well under a second, so that other timers and a
stopping service do not wait."""
PAIRS_AT_ONCE = 100
"""Scored before whatever else the service does has its turn: 2 ms. A stretch has thousands."""
PAUSE = timedelta(seconds=10)
"""Between two looks when everybody was compared."""


def walk_by_timer(sealer: Sealer) -> TimerHandler:
    """The timer's handler: compares a stretch of vendors and sets itself again, at once while there are more.

    The timer's row is the lease: of many replicas one walks. A crash rolls the stretch back with its place in the walk.
    """

    async def tick(conn: Connection, key: str, now: datetime) -> None:
        more = await walk(conn, sealer=sealer, now=now)
        await set_timer(conn, TIMER, key, now if more else now + PAUSE)

    return tick


async def walk(conn: Connection, *, sealer: Sealer, now: datetime, size: int = STRETCH_VENDORS) -> bool:
    """Compare the next vendors whose facts are new with all they could be; True when there were any."""
    stretch = await store.lock_stretch(conn, size)
    if stretch is None:
        return False
    pairs = await store.find_candidates(conn, stretch.vendor_ids)
    people = await store.find_people(conn, list({vendor_id for pair in pairs for vendor_id in pair}))
    found = []
    for place, (one, other) in enumerate(pairs):
        if place % PAIRS_AT_ONCE == 0:
            await asyncio.sleep(0)
        if one in people and other in people and (likeness := domain.found(people[one], people[other])):
            facts = sealer.blind_index(domain.facts_text(people[one], people[other]))
            found.append(Found(new_id(), one, other, likeness.score, _written(likeness.evidence), facts))
    await store.drop_duplicates(conn, stretch.vendor_ids, found)
    await store.save_found(conn, found, now)
    await store.save_stretch(conn, stretch)
    return True


def _written(evidence: Sequence[Evidence]) -> dict[str, Any]:
    return {part.fact: {"finding": part.finding, "points": part.points, "percent": part.percent} for part in evidence}


async def find_queued(conn: Connection, duplicate_id: UUID, within: str) -> Queued:
    """A pair of which both live in the area. Raises `DuplicateUnknown`."""
    queued = await store.find_queued(conn, duplicate_id)
    if queued is None or not (
        areas.contains(within, queued.kelurahan_one) and areas.contains(within, queued.kelurahan_other)
    ):
        raise DuplicateUnknown(duplicate_id)
    return queued


async def dismiss(
    conn: Connection, duplicate_id: UUID, reason: DismissReason, *, actor: str, within: str, now: datetime
) -> Duplicate:
    """Take a pair from the queue: two people. Raises `DuplicateUnknown`, `DuplicateSettled`."""
    duplicate = domain.dismiss(await _lock(conn, duplicate_id, within), reason, actor, now)
    await _save(conn, duplicate, "duplicate-dismissed", actor, now)
    return duplicate


async def reopen(conn: Connection, duplicate_id: UUID, *, actor: str, within: str, now: datetime) -> Duplicate:
    """Put a dismissed pair back into the queue. Raises `DuplicateUnknown`, `DuplicateSettled`."""
    duplicate = domain.reopen(await _lock(conn, duplicate_id, within), actor, now)
    await _save(conn, duplicate, "duplicate-reopened", actor, now)
    return duplicate


async def _lock(conn: Connection, duplicate_id: UUID, within: str) -> Duplicate:
    duplicate = await store.lock_duplicate(conn, duplicate_id)
    await find_queued(conn, duplicate_id, within)
    if duplicate is None:
        raise DuplicateUnknown(duplicate_id)
    return duplicate


async def _save(conn: Connection, duplicate: Duplicate, act: str, actor: str, now: datetime) -> None:
    await store.save_duplicate(conn, duplicate)
    detail = {"duplicate_id": str(duplicate.duplicate_id), "other": str(duplicate.other), "reason": duplicate.reason}
    await audit.add_entry(conn, actor, act, duplicate.one, detail, now)
