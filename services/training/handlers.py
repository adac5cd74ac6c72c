"""One function per message: load and lock, let the domain decide, save, record."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.training import domain, invitations
from services.training.domain import (
    ClassNotFound,
    Enrolling,
    EnrolVendors,
    OpenClass,
    TakeAttendance,
    TraineeNotFound,
    TrainingClass,
)
from services.training.invitations import INTRODUCTORY_COURSE, Newcomer
from services.training.store import classes, erasures, registry, rosters, trainees
from services.training.store.erasures import PEOPLE
from services.training.store.registry import Said
from shared import families
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.rights import TrainingDataErased, VendorErased
from shared.events.training import TraineeEvent
from shared.events.vendor import (
    VendorCategoryChosen,
    VendorCategoryCleared,
    VendorCoached,
    VendorCoachingEnded,
    VendorMerged,
    VendorMoved,
    VendorRegistered,
    VendorUnmerged,
)
from shared.outbox import Fact, record

# --- what the vendor registry tells; with each event comes the registry's version of the vendor


async def invite_registered(
    conn: Connection,
    registered: Sequence[tuple[VendorRegistered, int]],
    *,
    now: datetime,
    traces: Mapping[UUID, str | None] | None = None,
) -> None:
    """Remember new vendors and invite each once (DOMAIN A2), all of them in a handful of statements. Whoever turns out
    to be a person that is known already under another id is not invited again.

    `traces` are the traces that the registrations came with.
    """
    await trainees.lock_inviting(conn, INTRODUCTORY_COURSE)
    by_vendor = {event.vendor_id: (event, version) for event, version in registered}
    await registry.save_vendors(conn, list(by_vendor.values()))
    begun = await trainees.add_trainees(conn, list(by_vendor))
    new = begun - await trainees.find_known(conn, INTRODUCTORY_COURSE, list(begun))
    newcomers = [Newcomer(vendor, event.kelurahan) for vendor, (event, _) in by_vendor.items() if vendor in new]
    if not newcomers:
        return
    openings = await classes.find_openings(conn, INTRODUCTORY_COURSE, day_in_jakarta(now))
    invited = invitations.invite_newcomers(newcomers, openings)
    await trainees.save_invitations(conn, invited, now=now)
    await _record(conn, dict.fromkeys(new, 0), invited, now=now, traces=traces)


async def remember_categories(
    conn: Connection, told: Sequence[tuple[VendorCategoryChosen | VendorCategoryCleared, int]]
) -> None:
    """Remember the categories vendors chose, or that they have none any more; the last word on each counts.

    Raises `TraineeNotFound`.
    """
    said = {
        event.vendor_id: Said(event.category if isinstance(event, VendorCategoryChosen) else None, version)
        for event, version in told
    }
    await _require_known(conn, said.keys() - await registry.save_categories(conn, said))


async def remember_agencies(conn: Connection, told: Sequence[tuple[VendorCoached | VendorCoachingEnded, int]]) -> None:
    """Remember which agency coaches a vendor, if any; the last word on each counts. Raises `TraineeNotFound`."""
    said = {
        event.vendor_id: Said(event.agency if isinstance(event, VendorCoached) else None, version)
        for event, version in told
    }
    await _require_known(conn, said.keys() - await registry.save_agencies(conn, said))


async def remember_addresses(conn: Connection, moved: Sequence[tuple[VendorMoved, int]]) -> None:
    """Remember where vendors live now; the last of each counts. Raises `TraineeNotFound`."""
    by_vendor = {event.vendor_id: (event, version) for event, version in moved}
    await _require_known(conn, by_vendor.keys() - await registry.save_addresses(conn, list(by_vendor.values())))


async def _require_known(conn: Connection, missing: set[UUID]) -> None:
    # A vendor's events come in order, so its registration was lost here: better set aside than a silent gap.
    # Of an erased one nothing is kept, and what comes late is dropped.
    unknown = missing - await families.find_erased(conn, list(missing)) if missing else missing
    if unknown:
        raise TraineeNotFound("These vendors were never registered here.", vendor_ids=sorted(map(str, unknown)))


async def remember_merges(conn: Connection, events: Sequence[VendorMerged]) -> None:
    """Registrations are one person with others. Nothing moves; news of either id may come first, that of an erased id
    is dropped.
    """
    await trainees.lock_inviting(conn, INTRODUCTORY_COURSE)
    await families.remember_merges(conn, PEOPLE, events)


async def forget_merges(conn: Connection, events: Sequence[VendorUnmerged], *, now: datetime) -> None:
    """Registrations stand for themselves again: everything is as if they had never been merged. Whoever was not invited
    because it seemed to be known already is invited now.
    """
    vendor_ids = {event.vendor_id for event in events}
    await trainees.lock_inviting(conn, INTRODUCTORY_COURSE)
    await families.part(conn, PEOPLE, vendor_ids)
    newcomers = await trainees.find_uninvited(conn, INTRODUCTORY_COURSE, vendor_ids)
    if newcomers:
        versions = await trainees.lock_trainees(conn, [newcomer.vendor_id for newcomer in newcomers])
        openings = await classes.find_openings(conn, INTRODUCTORY_COURSE, day_in_jakarta(now))
        invited = invitations.invite_newcomers(newcomers, openings)
        await trainees.save_invitations(conn, invited, now=now)
        await _record(conn, versions, invited, now=now)


async def erase_vendors(conn: Connection, events: Sequence[VendorErased], *, now: datetime) -> None:
    """Erase these ids, each once: places in running classes are given up, attendance stays as counts. Answers for each
    with what was erased and what stays without the person.

    One transaction at a time, and all of them together, in the order in which officers lock: classes, then trainees.
    """
    await trainees.lock_inviting(conn, INTRODUCTORY_COURSE)
    fresh = await families.add_erased(conn, PEOPLE, events, now=now)
    vendor_ids = [event.vendor_id for event in fresh]
    await erasures.lock_open_classes(conn, vendor_ids)
    merged = await families.part(conn, PEOPLE, vendor_ids)
    receipts = []
    for event in fresh:
        counts = await erasures.erase_vendor(conn, event.vendor_id, now=now)
        receipt = TrainingDataErased(
            erasure_id=event.erasure_id,
            vendor_id=event.vendor_id,
            erased={"merges": int(event.vendor_id in merged), **counts.erased},
            kept=counts.kept,
        )
        receipts.append(Fact(receipt, 1))
    await record(conn, receipts, now=now)


# --- what officers and vendors ask


async def open_class(conn: Connection, command: OpenClass, *, class_id: UUID, now: datetime) -> TrainingClass:
    """Open a class, and invite to it those in its area who wait for one of this course."""
    await trainees.lock_inviting(conn, command.course)
    opened, event = domain.open_class(class_id, command)
    await classes.add_class(conn, opened, now=now)
    await record(conn, [Fact(event, opened.version)], now=now)
    today = day_in_jakarta(now)
    if invitations.takes_invitations(opened, today):
        waiting = await trainees.find_waiting(conn, opened)
        versions = await trainees.lock_trainees(conn, waiting)
        standings = await trainees.find_standings(conn, opened.course, waiting)
        invited = invitations.invite_waiting(opened, waiting, standings)
        await trainees.save_invitations(conn, invited, now=now)
        await _record(conn, versions, invited, now=now)
    return opened


async def enrol_vendors(
    conn: Connection, class_id: UUID, command: EnrolVendors, *, by_officer: bool, now: datetime
) -> Enrolling:
    """Give vendors places, in the order asked; says for each that got none why. Raises `ClassNotFound`."""
    a_class = await _lock_class(conn, class_id)
    versions = await trainees.lock_trainees(conn, command.vendor_ids)
    standings = await trainees.find_standings(conn, a_class.course, command.vendor_ids)
    taken = await rosters.count_enrolled(conn, class_id)
    outcome = domain.enrol(
        a_class,
        taken,
        command.vendor_ids,
        versions.keys(),
        standings,
        today=day_in_jakarta(now),
        by_officer=by_officer,
        persons=await families.find_persons(conn, command.vendor_ids),
    )
    await rosters.add_enrolments(conn, outcome.enrolled, now=now)
    await _record(conn, versions, outcome.enrolled, now=now)
    return outcome


async def take_attendance(
    conn: Connection, class_id: UUID, command: TakeAttendance, *, taken_by: str, now: datetime
) -> list[TraineeEvent]:
    """Set who attended one day. In a finished class results are judged anew; returns what changed for whom.

    Raises `ClassNotFound`, `NoSuchSession`, `SessionAhead`, `NotEnrolled`.
    """
    a_class = await _lock_class(conn, class_id)
    roster = await rosters.find_roster(conn, class_id)
    roster = domain.take_attendance(a_class, roster, command, today=day_in_jakarta(now))
    await rosters.save_attendance(conn, class_id, command.day, command.vendor_ids, taken_by=taken_by, now=now)
    return await _judge(conn, a_class, roster, now=now)


async def finish_class(conn: Connection, class_id: UUID, *, now: datetime) -> tuple[int, int]:
    """Finish a class and judge everybody in it; again, it changes nothing. Returns how many completed and did
    not.

    Raises `ClassNotFound`, `ClassRunning`, `AttendanceMissing`.
    """
    a_class = await _lock_class(conn, class_id)
    taken_days = await rosters.find_taken_days(conn, class_id)
    finished = domain.finish(a_class, taken_days, today=day_in_jakarta(now))
    if finished != a_class:
        await classes.save_finished(conn, class_id, now=now)
        await _judge(conn, finished, await rosters.find_roster(conn, class_id), now=now)
    return await rosters.count_results(conn, class_id)


async def _lock_class(conn: Connection, class_id: UUID) -> TrainingClass:
    a_class = await classes.lock_class(conn, class_id)
    if a_class is None:
        raise ClassNotFound("No class has this id.", class_id=str(class_id))
    return a_class


async def _judge(
    conn: Connection, a_class: TrainingClass, roster: Sequence[domain.Enrolment], *, now: datetime
) -> list[TraineeEvent]:
    changed = domain.evaluate(a_class, roster)
    if not changed:
        return []
    versions = await trainees.lock_trainees(conn, [enrolment.vendor_id for enrolment, _ in changed])
    # who was erased since the roster was read is judged no more
    judged = [enrolment for enrolment, _ in changed if enrolment.vendor_id in versions]
    events = [event for _, event in changed if event.vendor_id in versions]
    await rosters.save_results(conn, a_class.class_id, judged, now=now)
    await _record(conn, versions, events, now=now)
    return events


async def _record(
    conn: Connection,
    versions: Mapping[UUID, int],
    events: Sequence[TraineeEvent],
    *,
    now: datetime,
    traces: Mapping[UUID, str | None] | None = None,
) -> None:
    """Record events of locked trainees, each with the version its trainee has after it."""
    if not events:
        return
    after: dict[UUID, int] = {}
    facts = []
    for event in events:
        after[event.vendor_id] = after.get(event.vendor_id, versions[event.vendor_id]) + 1
        facts.append(Fact(event, after[event.vendor_id], (traces or {}).get(event.vendor_id)))
    await trainees.save_trainee_versions(conn, after)
    await record(conn, facts, now=now)
