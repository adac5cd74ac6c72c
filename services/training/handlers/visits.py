"""Visits logged, many at once, corrected and struck."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.training.domain import visits as domain
from services.training.domain.visits import (
    Entry,
    Mentorship,
    NotItsMentor,
    Problem,
    StrikeReason,
    TooLongAgo,
    Visit,
    VisitInvalid,
    VisitIsStruck,
    VisitLoggedAlready,
    VisitUnknown,
    Wish,
)
from services.training.handlers.assignments import LockedPeople, lock_people
from services.training.handlers.trainees import record
from services.training.store import visits as store
from services.training.store.visits import KeptVisit
from shared.clock import day_in_jakarta
from shared.crypto import Sealer
from shared.db import Connection
from shared.ids import new_id


class Outcome(NamedTuple):
    """What became of a wish to log a visit: logged now (`visit`), there already as wished (`already`), or not taken.

    A visit that is there and says something else stands in `already` beside the problem.
    """

    visit: Visit | None = None
    already: UUID | None = None
    problems: tuple[Problem, ...] = ()


NOT_ITS_MENTOR = Problem(
    "vendor_id",
    "not-its-mentor",
    "is no vendor whom this mentor had on that day",
    "look at the mentor's list of vendors; an officer can assign it",
)
LOGGED_ALREADY = Problem(
    "visited_on",
    "visit-logged-already",
    "has a visit of this mentor and mode already, which says something else",
    "correct that visit, or give a second one of the day a reference of its own",
)
STRUCK_ALREADY = Problem(
    "visited_on",
    "visit-struck",
    "has a visit of this mentor and mode that was struck",
    "leave the row out; if the visit did take place, log it online or give it a reference of its own",
)


async def log_visits(
    conn: Connection,
    wishes: Sequence[Wish],
    *,
    by: str,
    by_officer: bool,
    sealer: Sealer,
    now: datetime,
    revives_struck: bool = False,
) -> list[Outcome]:
    """Log these visits, all that can be; what became of each, in their order.

    The same visit twice is one: `same_visit` says which are the same. A struck one stays struck unless
    `revives_struck`: a sheet that is sent again must not bring it back. Raises nothing for a single visit.
    """
    today = day_in_jakarta(now)
    locked = await lock_people(conn, [wish.vendor_id for wish in wishes])
    persons = _persons(locked)
    mentorships = await _find_mentorships(conn, persons)
    same = {_key(each.visit, persons): each for each in await store.find_same(conn, wishes, locked.people)}
    outcomes, added = [], list[KeptVisit]()
    for wish in wishes:
        held = mentorships.get(persons[wish.vendor_id], ())
        problems = _problems(wish, locked, held, today, by_officer=by_officer)
        if problems:
            outcomes.append(Outcome(problems=problems))
            continue
        key = domain.same_visit(wish._replace(vendor_id=persons[wish.vendor_id]))
        found = same.get(key)
        if found is not None and not (found.visit.state == "struck" and revives_struck and wish.reference is None):
            outcomes.append(_compare(wish, found, persons, sealer))
            continue
        visit = Visit(new_id(), *wish, 1, "logged", logged_by=by, logged_at=now)
        same[key] = KeptVisit(visit, _seal(sealer, visit.visit_id, wish.entry.note))
        added.append(same[key])
        outcomes.append(Outcome(visit=visit))
    if added:
        await store.add_visits(conn, added)
        await record(conn, locked.versions, [domain.tell(each.visit) for each in added], now=now)
    return outcomes


async def log_visit(
    conn: Connection, wish: Wish, *, by: str, by_officer: bool, sealer: Sealer, now: datetime
) -> tuple[UUID, bool]:
    """Log one visit: its id, and whether it was there already, as wished.

    Raises `NotItsMentor`, `VisitInvalid`, `VisitLoggedAlready`.
    """
    outcome, *_ = await log_visits(
        conn, [wish], by=by, by_officer=by_officer, sealer=sealer, now=now, revives_struck=True
    )
    if outcome.visit is not None:
        return outcome.visit.visit_id, False
    if not outcome.problems:
        assert outcome.already is not None
        return outcome.already, True
    problem = outcome.problems[0]
    said = f"{problem.field} {problem.reason}; {problem.fix}."
    if problem is NOT_ITS_MENTOR:
        raise NotItsMentor(said, vendor_id=str(wish.vendor_id))
    if outcome.already is not None:
        raise VisitLoggedAlready(said, visit_id=str(outcome.already))
    raise VisitInvalid(outcome.problems)


async def correct_visit(
    conn: Connection, visit_id: UUID, entry: Entry, *, by: str, by_officer: bool, sealer: Sealer, now: datetime
) -> Visit:
    """Enter a visit anew; the entry before stays in its history. The same again changes nothing.

    Raises `VisitUnknown`, `VisitIsStruck`, `TooLongAgo`, `VisitInvalid`, `VisitLoggedAlready`.
    """
    kept, locked = await _lock(conn, visit_id)
    visit, today = kept.visit, day_in_jakarta(now)
    if visit.state == "struck":
        raise VisitIsStruck("This visit was struck; log it anew if it did take place.", visit_id=str(visit_id))
    before = visit.entry._replace(note=open_note(sealer, visit_id, kept.note_sealed))
    if entry == before:
        return visit
    _require_recent(visit, today, by_officer=by_officer)
    problems = domain.check(entry, today, by_officer=by_officer)
    if problems:
        raise VisitInvalid(problems)
    wish = Wish(visit.vendor_id, visit.mentor_id, visit.reference, entry)
    for other in await store.find_same(conn, [wish], locked.people):
        if _is_another(other.visit, visit, entry):
            raise VisitLoggedAlready(
                "The mentor has another visit of that day and mode; correct or strike that one.",
                visit_id=str(other.visit.visit_id),
            )
    entry_id = new_id()
    await store.add_earlier(conn, entry_id, visit, _seal(sealer, entry_id, before.note))
    after = replace(visit, entry=entry, number=visit.number + 1, logged_by=by, logged_at=now)
    await store.save_visit(conn, KeptVisit(after, _seal(sealer, visit_id, entry.note)))
    await record(conn, locked.versions, [domain.tell(after)], now=now)
    return after


async def strike_visit(
    conn: Connection, visit_id: UUID, reason: StrikeReason, *, by_officer: bool, now: datetime
) -> Visit:
    """A visit was entered by mistake. Striking it again changes nothing. Raises `VisitUnknown`, `TooLongAgo`."""
    kept, locked = await _lock(conn, visit_id)
    if kept.visit.state == "struck":
        return kept.visit
    _require_recent(kept.visit, day_in_jakarta(now), by_officer=by_officer)
    struck = replace(kept.visit, state="struck", struck_because=reason)
    await store.save_visit(conn, KeptVisit(struck, kept.note_sealed))
    await record(conn, locked.versions, [domain.tell_struck(struck)], now=now)
    return struck


def open_note(sealer: Sealer, row_id: UUID, sealed: bytes | None) -> str | None:
    """A note of a visit or of an earlier entry, read."""
    return None if sealed is None else sealer.open(sealed, row_id.bytes).decode()


def _seal(sealer: Sealer, row_id: UUID, note: str | None) -> bytes | None:
    return None if note is None else sealer.seal(note.encode(), row_id.bytes)


async def _lock(conn: Connection, visit_id: UUID) -> tuple[KeptVisit, LockedPeople]:
    """A visit under its lock, after that of its vendor's training record; nothing is told of an erased person."""
    found = await store.find_visit(conn, visit_id)
    if found is None:
        raise VisitUnknown
    locked = await lock_people(conn, [found.visit.vendor_id])
    kept = await store.lock_visit(conn, visit_id)
    if kept is None or found.visit.vendor_id not in locked.versions:
        raise VisitUnknown
    return kept, locked


async def _find_mentorships(conn: Connection, persons: Mapping[UUID, UUID]) -> Mapping[UUID, Sequence[Mentorship]]:
    """Mentorships by the person they are of."""
    found = defaultdict(list)
    for vendor_id, mentorship in await store.find_mentorships(conn, persons):
        found[persons[vendor_id]].append(mentorship)
    return found


def _persons(locked: LockedPeople) -> dict[UUID, UUID]:
    """Every id of these people -> the least id of its person."""
    return {each: min(ids) for ids in locked.people.values() for each in ids}


def _key(visit: Visit, persons: Mapping[UUID, UUID]) -> tuple[Any, ...]:
    person_id = persons.get(visit.vendor_id, visit.vendor_id)
    return domain.same_visit(Wish(person_id, visit.mentor_id, visit.reference, visit.entry))


def _problems(
    wish: Wish, locked: LockedPeople, held: Sequence[Mentorship], today: date, *, by_officer: bool
) -> tuple[Problem, ...]:
    if wish.vendor_id not in locked.versions or not domain.accompanied(held, wish.mentor_id, wish.entry.visited_on):
        return (NOT_ITS_MENTOR,)
    if wish.vendor_id in locked.changed:
        fix = "send it again in a moment"
        return (Problem("vendor_id", "person-changed", "is being merged with another registration", fix),)
    return domain.check(wish.entry, today, by_officer=by_officer)


def _compare(wish: Wish, found: KeptVisit, persons: Mapping[UUID, UUID], sealer: Sealer) -> Outcome:
    """Whether a visit that is there is the one wished. Where it says something else, nobody knows which is newer: the
    sheet, or what was corrected online since.
    """
    visit = found.visit
    if visit.state == "struck":
        return Outcome(already=visit.visit_id, problems=(STRUCK_ALREADY,))
    entry = visit.entry._replace(note=open_note(sealer, visit.visit_id, found.note_sealed))
    if entry == wish.entry and persons.get(visit.vendor_id) == persons[wish.vendor_id]:
        return Outcome(already=visit.visit_id)
    return Outcome(already=visit.visit_id, problems=(LOGGED_ALREADY,))


def _is_another(other: Visit, visit: Visit, entry: Entry) -> bool:
    return (
        other.visit_id != visit.visit_id
        and other.state == "logged"
        and visit.reference is None
        and other.entry.mode == entry.mode
    )


def _require_recent(visit: Visit, today: date, *, by_officer: bool) -> None:
    if not by_officer and domain.is_long_ago(visit.entry.visited_on, today):
        raise TooLongAgo(
            f"This visit is more than {domain.BACK_DAYS_MAX} days ago; an officer of the area can change it.",
            visit_id=str(visit.visit_id),
        )
