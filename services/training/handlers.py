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
from services.training.store import classes, registry, rosters, trainees
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.training import TraineeEvent
from shared.events.vendor import VendorCategoryChosen, VendorCoached, VendorRegistered
from shared.outbox import Fact, record

# --- what the vendor registry tells; with each event comes the registry's version of the vendor


async def invite_registered(
    conn: Connection,
    registered: Sequence[tuple[VendorRegistered, int]],
    *,
    now: datetime,
    traces: Mapping[UUID, str | None] | None = None,
) -> None:
    """Remember new vendors and invite each once (DOMAIN A2), all of them in a handful of statements.

    `traces` are the traces that the registrations came with.
    """
    await trainees.lock_inviting(conn, INTRODUCTORY_COURSE)
    by_vendor = {event.vendor_id: (event, version) for event, version in registered}
    await registry.save_vendors(conn, list(by_vendor.values()))
    begun = await trainees.add_trainees(conn, list(by_vendor))
    newcomers = [Newcomer(vendor, event.kelurahan) for vendor, (event, _) in by_vendor.items() if vendor in begun]
    if not newcomers:
        return
    openings = await classes.find_openings(conn, INTRODUCTORY_COURSE, day_in_jakarta(now))
    invited = invitations.invite_newcomers(newcomers, openings)
    await trainees.save_invitations(conn, invited, now=now)
    await _record(conn, dict.fromkeys(begun, 0), invited, now=now, traces=traces)


async def remember_categories(conn: Connection, chosen: Sequence[tuple[VendorCategoryChosen, int]]) -> None:
    """Remember the categories vendors chose; the last choice of each counts. Raises `TraineeNotFound`."""
    by_vendor = {event.vendor_id: (event, version) for event, version in chosen}
    _require_known(by_vendor.keys() - await registry.save_categories(conn, list(by_vendor.values())))


async def remember_agencies(conn: Connection, coached: Sequence[tuple[VendorCoached, int]]) -> None:
    """Remember which agency coaches a vendor; the last of each counts. Raises `TraineeNotFound`."""
    by_vendor = {event.vendor_id: (event, version) for event, version in coached}
    _require_known(by_vendor.keys() - await registry.save_agencies(conn, list(by_vendor.values())))


def _require_known(unknown: set[UUID]) -> None:
    # A vendor's events come in order, so its registration was lost here: better set aside than a silent gap.
    if unknown:
        raise TraineeNotFound("These vendors were never registered here.", vendor_ids=sorted(map(str, unknown)))


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
    judged, events = [enrolment for enrolment, _ in changed], [event for _, event in changed]
    versions = await trainees.lock_trainees(conn, [enrolment.vendor_id for enrolment in judged])
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
