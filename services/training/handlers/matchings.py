"""Matchings: computed, previewed, published, and put into effect step by step; newcomers get mentors day by day.

Order of locks: the lock of matchings, the matching, then mentors and trainees as assigning locks them.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, time, timedelta
from uuid import UUID

from services.training.domain import matchings as domain
from services.training.domain.assignments import Assignment, Room, Wanted
from services.training.domain.matchings import (
    ComputeMatching,
    Draft,
    Matching,
    MatchingKind,
    MatchingNotFound,
    MatchingUnderWay,
    Pair,
)
from services.training.handlers.assignments import assign_many, lock_people, unassign_many
from services.training.matching.stored import Solved
from services.training.solving import solve_apart
from services.training.store import assignments, graduation, matchings
from shared import outbox
from shared.clock import JAKARTA, day_in_jakarta
from shared.db import Connection
from shared.ids import new_id
from shared.telemetry import get_logger
from shared.timers import set_timer

PUBLISH = "matching-publish"
NEWCOMERS = "mentors-for-newcomers"
PAIRS_AT_ONCE = 500
"""A transaction of a quarter of a second: others who want the same mentors wait no longer."""

NEWCOMERS_AT_ONCE = 20_000
"""A few seconds of the solver, while the timer's transaction stands open."""

LOOKED_AT = time(2, 0)
"""In Jakarta, every night."""

PROVINCE = "31"
AGAIN_SOON = timedelta(minutes=5)

logger = get_logger()


class NotBestProven(RuntimeError):
    """The verifier does not believe the solver: a fault of ours, and nothing is stored."""


async def draft_matching(conn: Connection, command: ComputeMatching) -> Draft:
    """The problem of an area as it is now. Raises `NobodyToMatch`, `MatchingTooLarge`."""
    members = await matchings.find_members(
        conn, command.area, everyone=command.who == "everyone", limit=domain.VENDORS_MAX + 1
    )
    mentors = await matchings.find_mentors(conn, command.area)
    # in a thread: with tens of thousands of vendors the event loop would stand still
    return await asyncio.to_thread(domain.draft, members, mentors, command.weights)


async def keep_matching(
    conn: Connection, draft: Draft, solved: Solved, *, kind: MatchingKind, area: str, by: str, now: datetime
) -> Matching:
    """Keep what was computed, to be looked at. Raises `NotBestProven`."""
    if solved.findings:
        logger.error("matching.unproven", problem_sha256=solved.problem_sha256, findings=len(solved.findings))
        raise NotBestProven(f"{len(solved.findings)} findings, the first: {solved.findings[0]}")
    matching = Matching(
        matching_id=new_id(),
        kind=kind,
        area=area,
        state="previewed",
        version=0,
        problem_sha256=solved.problem_sha256,
        result_sha256=solved.result_sha256,
        solver=solved.solver,
        seconds=solved.seconds,
        summary=solved.summary,
        made_by=by,
        made_at=now,
        published_by=None,
        published_at=None,
        finished_at=None,
    )
    await matchings.add_matching(conn, matching, draft, solved)
    return matching


async def publish_matching(conn: Connection, matching_id: UUID, *, by: str, now: datetime) -> Matching:
    """Publish exactly what was previewed; a timer puts it into effect.

    Raises `MatchingNotFound`, `MatchingSettled`, `MatchingUnderWay`, `MatchingOutdated`.
    """
    alone = await matchings.try_to_lock_matchings(conn)
    matching = await _lock(conn, matching_id)
    event = domain.publish(matching)
    if not alone or await matchings.is_publishing_near(conn, matching.area):
        raise MatchingUnderWay(
            "Another matching of these mentors is being put into effect; it takes minutes. Compute this one anew then."
        )
    mentors = {one.mentor_id: one for one in await matchings.find_mentors(conn, matching.area)}
    # whoever gives or takes one of these mentors meanwhile waits, so the seats that are promised are there
    await assignments.lock_rooms(conn, list(mentors))
    mentors = {one.mentor_id: one for one in await matchings.find_mentors(conn, matching.area)}
    today = await matchings.find_pairs_today(conn, matching_id)
    await asyncio.to_thread(domain.require_current, matching, today, mentors)
    await matchings.save_publishing(conn, matching_id, matching.version + 1, by=by, now=now)
    await outbox.record(conn, [outbox.Fact(event, matching.version + 1)], now=now)
    await set_timer(conn, PUBLISH, str(matching_id), now)
    return matching


async def drop_matching(conn: Connection, matching_id: UUID, *, now: datetime) -> None:
    """A preview that will not be published. Raises `MatchingNotFound`, `MatchingSettled`."""
    domain.require_previewed(await _lock(conn, matching_id))
    await matchings.save_state(conn, matching_id, "dropped", now=now)


async def _lock(conn: Connection, matching_id: UUID) -> Matching:
    matching = await matchings.lock_matching(conn, matching_id)
    if matching is None:
        raise MatchingNotFound("No matching has this id.", matching_id=str(matching_id))
    return matching


# ---- putting it into effect


async def put_into_effect(conn: Connection, key: str, now: datetime) -> None:
    """Timer: the next pairs of a matching, and the timer again until none is left.

    A crash loses nothing and does nothing twice: what was done is marked in the same transaction.
    """
    matching = await matchings.lock_matching(conn, UUID(key))
    if matching is None or matching.state != "publishing":
        return
    pairs = await matchings.find_next_pairs(conn, matching.matching_id, PAIRS_AT_ONCE)
    if not pairs:
        await matchings.save_state(conn, matching.matching_id, "published", now=now)
        return
    skipped = await _apply(conn, matching, pairs, now=now)
    await matchings.save_pairs(conn, matching.matching_id, skipped, [pair.name for pair in pairs])
    await set_timer(conn, PUBLISH, key, now)


async def _apply(conn: Connection, matching: Matching, pairs: Sequence[Pair], *, now: datetime) -> dict[str, str]:
    """Give and part; who is not as the preview had it is skipped: name -> why."""
    rooms = await assignments.lock_rooms(conn, {one.mentor_id for one in pairs if one.mentor_id is not None})
    locked = await lock_people(conn, [one.vendor_id for one in pairs])
    held = {one.vendor_id: one for one in await assignments.find_standing(conn, locked.versions, "employed")}
    skipped: dict[str, str] = {}
    able: list[Pair] = []
    graduated = await graduation.find_graduated(conn, [one.vendor_id for one in pairs])
    for pair in pairs:
        standing = next((held[one] for one in locked.people[pair.vendor_id] if one in held), None)
        because = _changed(pair, standing)
        if pair.vendor_id in locked.changed or pair.vendor_id not in locked.versions:
            because = "person-changed"
        elif pair.vendor_id in graduated:
            because = "graduated"
        if because is None:
            able.append(pair)
        else:
            skipped[pair.name] = because
    skipped |= dict.fromkeys((one.name for one in over_limit(able, rooms)), "mentor-full")
    able = [pair for pair in able if pair.name not in skipped]
    parted = [pair.vendor_id for pair in able if pair.change == "parted"]
    if parted:
        await unassign_many(conn, parted, because="rematched", now=now, kind="employed")
    outcome = await assign_many(
        conn,
        [Wanted(pair.vendor_id, pair.mentor_id) for pair in able if pair.mentor_id is not None],
        rooms,
        kind="employed",
        by="matching" if matching.kind == "area" else "newcomer",
        matching_id=matching.matching_id,
        now=now,
        seat_secured=True,
    )
    names = {pair.vendor_id: pair.name for pair in able}
    return skipped | {names[vendor_id]: refusal.code for vendor_id, refusal in outcome.refused.items()}


def _changed(pair: Pair, standing: Assignment | None) -> str | None:
    if standing is None:
        return None if pair.previous_mentor_id is None else "parted-meanwhile"
    return None if standing.mentor_id == pair.previous_mentor_id else "assigned-meanwhile"


def over_limit(pairs: Collection[Pair], rooms: Mapping[UUID, Room]) -> list[Pair]:
    """Those of these pairs for whom there is no seat, because somebody who was to leave did not. The last steps first,
    and whoever would have come to the seat that they keep."""
    load: Counter[UUID] = Counter({mentor_id: room.held for mentor_id, room in rooms.items()})
    into: defaultdict[UUID, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.previous_mentor_id is not None:
            load[pair.previous_mentor_id] -= 1
        if pair.mentor_id is not None:
            load[pair.mentor_id] += 1
            into[pair.mentor_id].append(pair)
    without: list[Pair] = []
    full = [mentor_id for mentor_id, room in rooms.items() if load[mentor_id] > room.load_max]
    while full:
        mentor_id = full.pop()
        while load[mentor_id] > rooms[mentor_id].load_max and into[mentor_id]:
            pair = into[mentor_id].pop()
            without.append(pair)
            load[mentor_id] -= 1
            if pair.previous_mentor_id is not None:
                load[pair.previous_mentor_id] += 1
                if pair.previous_mentor_id in rooms:
                    full.append(pair.previous_mentor_id)
    return without


# ---- newcomers


async def match_by_timer(conn: Connection, key: str, now: datetime) -> None:
    """Timer: whoever has no mentor and is to have one gets the best that has room; nobody else moves. Every night."""
    tomorrow = day_in_jakarta(now) + timedelta(days=1)
    due = datetime.combine(tomorrow, LOOKED_AT, JAKARTA)
    try:
        matching = await match_newcomers(conn, PROVINCE, by="nightly", now=now)
    except MatchingUnderWay:
        due = now + AGAIN_SOON
    else:
        if matching is not None and matching.summary["vendors"] == NEWCOMERS_AT_ONCE:
            due = now + AGAIN_SOON
    await set_timer(conn, NEWCOMERS, key, due)


async def match_newcomers(conn: Connection, area: str, *, by: str, now: datetime) -> Matching | None:
    """Give those of an area who have no mentor, and are to have one, the best with room; nobody else moves. None where
    there is nobody, or no room. Raises `MatchingUnderWay`.
    """
    if not await matchings.try_to_lock_matchings(conn) or await matchings.is_publishing_near(conn, area):
        raise MatchingUnderWay("A matching of these mentors is being put into effect; try again in some minutes.")
    policy, _ = await matchings.find_policy(conn)
    if policy == "nobody":
        return None
    mentors = await matchings.find_mentors(conn, area)
    without = await matchings.find_members(conn, area, everyone=policy == "everyone", only_without=True)
    members = await asyncio.to_thread(domain.within_reach, without, mentors)
    if not members:
        return None
    draft = await asyncio.to_thread(domain.draft, members[:NEWCOMERS_AT_ONCE], mentors)
    solved = await solve_apart(draft.problem, draft.standing, vendors=len(draft.vendors))
    if solved.summary["counts"]["new"] == 0:
        return None
    matching = await keep_matching(conn, draft, solved, kind="newcomers", area=area, by=by, now=now)
    await matchings.save_publishing(conn, matching.matching_id, matching.version, by=by, now=now)
    await set_timer(conn, PUBLISH, str(matching.matching_id), now)
    return matching
