"""What the vendor registry tells; with each event comes the registry's version of the vendor."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.training.domain import invitations
from services.training.domain.enrolments import TraineeNotFound
from services.training.domain.invitations import INTRODUCTORY_COURSE, Newcomer
from services.training.handlers.assignments import end_doubles
from services.training.handlers.mentors import withdraw_erased
from services.training.handlers.promotion import look_for_places
from services.training.handlers.trainees import record
from services.training.store import assignments, classes, erasures, registry, trainees, waiting
from services.training.store.erasures import PEOPLE
from services.training.store.registry import Said
from shared import families, outbox
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.rights import TrainingDataErased, VendorErased
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
    newcomers = [
        Newcomer(vendor, event.kelurahan, event.category) for vendor, (event, _) in by_vendor.items() if vendor in new
    ]
    if not newcomers:
        return
    openings = await classes.find_openings(conn, INTRODUCTORY_COURSE, day_in_jakarta(now))
    invited = invitations.invite_newcomers(newcomers, openings)
    await trainees.save_invitations(conn, invited, now=now)
    await record(conn, dict.fromkeys(new, 0), invited, now=now, traces=traces)


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


async def remember_addresses(conn: Connection, moved: Sequence[tuple[VendorMoved, int]], *, now: datetime) -> None:
    """Remember where vendors live now; the last of each counts. Who waits for a class may find one there. Raises
    `TraineeNotFound`.
    """
    by_vendor = {event.vendor_id: (event, version) for event, version in moved}
    await _require_known(conn, by_vendor.keys() - await registry.save_addresses(conn, list(by_vendor.values())))
    for code in await waiting.find_waited_courses(conn, list(by_vendor)):
        await look_for_places(conn, code, now=now)


async def _require_known(conn: Connection, missing: set[UUID]) -> None:
    # A vendor's events come in order, so its registration was lost here: better set aside than a silent gap.
    # Of an erased one nothing is kept, and what comes late is dropped.
    unknown = missing - await families.find_erased(conn, list(missing)) if missing else missing
    if unknown:
        raise TraineeNotFound("These vendors were never registered here.", vendor_ids=sorted(map(str, unknown)))


async def remember_merges(conn: Connection, events: Sequence[VendorMerged], *, now: datetime) -> None:
    """Registrations are one person with others. Nothing moves; news of either id may come first, that of an erased id
    is dropped. Of two mentors of one kind the person keeps one.
    """
    await trainees.lock_inviting(conn, INTRODUCTORY_COURSE)
    await families.remember_merges(conn, PEOPLE, events)
    await end_doubles(conn, {one for event in events for one in (event.vendor_id, event.into)}, now=now)


async def forget_merges(conn: Connection, events: Sequence[VendorUnmerged], *, now: datetime) -> None:
    """Registrations stand for themselves again: everything is as if they had never been merged. Whoever was not invited
    because it seemed to be known already is invited now.
    """
    vendor_ids = {event.vendor_id for event in events}
    await trainees.lock_inviting(conn, INTRODUCTORY_COURSE)
    await families.lock_people(conn, PEOPLE)
    # each of them may find a place now that another of them had in the person's stead
    near = {one for ids in (await assignments.find_families(conn, vendor_ids)).values() for one in ids}
    await families.part(conn, PEOPLE, vendor_ids)
    for code in await waiting.find_waited_courses(conn, list(near)):
        await look_for_places(conn, code, now=now)
    newcomers = await trainees.find_uninvited(conn, INTRODUCTORY_COURSE, vendor_ids)
    if newcomers:
        versions = await trainees.lock_trainees(conn, [newcomer.vendor_id for newcomer in newcomers])
        openings = await classes.find_openings(conn, INTRODUCTORY_COURSE, day_in_jakarta(now))
        invited = invitations.invite_newcomers(newcomers, openings)
        await trainees.save_invitations(conn, invited, now=now)
        await record(conn, versions, invited, now=now)


async def erase_vendors(conn: Connection, events: Sequence[VendorErased], *, now: datetime) -> None:
    """Erase these ids, each once: places in running classes are given up, attendance stays as counts. Answers for each
    with what was erased and what stays without the person.

    One transaction at a time, and all of them together, in the order in which officers lock: classes, then trainees.
    """
    await trainees.lock_inviting(conn, INTRODUCTORY_COURSE)
    fresh = await families.add_erased(conn, PEOPLE, events, now=now)
    vendor_ids = [event.vendor_id for event in fresh]
    freed = await erasures.lock_classes(conn, vendor_ids)
    merged = await families.part(conn, PEOPLE, vendor_ids)
    await withdraw_erased(conn, vendor_ids, now=now)
    receipts = []
    for event in fresh:
        counts = await erasures.erase_vendor(conn, event.vendor_id, now=now)
        receipt = TrainingDataErased(
            erasure_id=event.erasure_id,
            vendor_id=event.vendor_id,
            erased={"merges": int(event.vendor_id in merged), **counts.erased},
            kept=counts.kept,
        )
        receipts.append(outbox.Fact(receipt, 1))
    await outbox.record(conn, receipts, now=now)
    for code in freed:
        await look_for_places(conn, code, now=now)
