"""Cases are opened and worked on. Whoever changes one locks the training records of its person first."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple, get_args
from uuid import UUID

from services.training.domain import cases as domain
from services.training.domain.cases import (
    AddNote,
    Case,
    CaseNotFound,
    CloseCase,
    Door,
    HandOver,
    Moved,
    OpenCase,
    SetDeadline,
    Side,
    TakeCase,
    WaitForVendor,
    Wish,
)
from services.training.domain.enrolments import TraineeNotFound
from services.training.handlers.assignments import LockedPeople, lock_people
from services.training.handlers.trainees import record
from services.training.store import cases as store
from services.training.store import programme
from services.training.store.programme import Change
from shared import families
from shared.clock import JAKARTA, day_in_jakarta
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.cases import HelpCaseEvent, HelpService
from shared.ids import new_id
from shared.timers import cancel_timer, set_timer

OVERDUE = "case-overdue"
"""Kind of the timer that each case has while its deadline counts, keyed by its id."""

TIMER = "timer"
HELPED: Mapping[str, HelpService] = {service: service for service in get_args(HelpService)}


class Actor(NamedTuple):
    """Who does something: on which side, the subject of its token, and what it writes is sealed by."""

    side: Side
    by: str
    sealer: Sealer


async def open_case(
    conn: Connection, vendor_id: UUID, command: OpenCase, *, door: Door, by: str, sealer: Sealer, now: datetime
) -> Case:
    """Open a case for a vendor. Raises `TraineeNotFound`, `PersonChanged`, `CaseStands`."""
    locked = await lock_people(conn, [vendor_id])
    locked.require(vendor_id)
    moved = await _open(conn, locked, vendor_id, command.service, door=door, by=by, now=now)
    await _keep(conn, locked, [moved], Actor(door, by, sealer), command.note, now=now)
    return moved.case


async def _open(
    conn: Connection, locked: LockedPeople, vendor_id: UUID, service: HelpService, *, door: Door, by: str, now: datetime
) -> Moved:
    family = locked.people[vendor_id]
    standing = await store.find_standing(conn, family, service)
    terms = (await store.find_terms(conn))[service]
    moved = domain.open_case(
        new_id(),
        vendor_id,
        service,
        standing[0] if standing else None,
        terms,
        coach=await store.find_coach(conn, family),
        door=door,
        by=by,
        now=now,
    )
    await store.add_case(conn, moved.case)
    return moved


async def take(conn: Connection, case_id: UUID, command: TakeCase, actor: Actor, *, now: datetime) -> Case:
    """An officer works on it from now on."""
    return await _act(
        conn,
        case_id,
        lambda case, today: domain.take(case, command.owner, by=actor.by, today=today),
        actor,
        command.note,
        now=now,
    )


async def hand_over(conn: Connection, case_id: UUID, command: HandOver, actor: Actor, *, now: datetime) -> Case:
    """Another agency is to work on it."""
    return await _act(
        conn,
        case_id,
        lambda case, today: domain.hand_over(case, command.owner, today=today),
        actor,
        command.note,
        now=now,
    )


async def wait(conn: Connection, case_id: UUID, command: WaitForVendor, actor: Actor, *, now: datetime) -> Case:
    """The vendor is to bring something."""
    known = {item["code"] for item in await store.list_wanted(conn)}
    return await _act(
        conn,
        case_id,
        lambda case, today: domain.wait(case, command.wanted, known, today=today),
        actor,
        command.note,
        now=now,
    )


async def resume(conn: Connection, case_id: UUID, command: Wish, actor: Actor, *, now: datetime) -> Case:
    """The vendor brought it."""
    return await _act(conn, case_id, lambda case, today: domain.resume(case, today=today), actor, command.note, now=now)


async def set_deadline(conn: Connection, case_id: UUID, command: SetDeadline, actor: Actor, *, now: datetime) -> Case:
    """Another last day."""
    return await _act(
        conn,
        case_id,
        lambda case, today: domain.set_deadline(case, command.due_on, today=today),
        actor,
        command.note,
        now=now,
    )


async def add_note(conn: Connection, case_id: UUID, command: AddNote, actor: Actor, *, now: datetime) -> Case:
    """Something is said about it."""
    return await _act(conn, case_id, lambda case, _: domain.note(case), actor, command.note, now=now)


async def close(conn: Connection, case_id: UUID, command: CloseCase, actor: Actor, *, now: datetime) -> Case:
    """It ended."""
    return await _act(
        conn,
        case_id,
        lambda case, _: domain.close(case, command.outcome, side=actor.side, now=now),
        actor,
        command.note,
        now=now,
    )


async def reopen(conn: Connection, case_id: UUID, command: Wish, actor: Actor, *, now: datetime) -> Case:
    """It was not over after all."""
    case, locked = await _lock(conn, case_id)
    standing = await store.find_standing(conn, locked.people[case.vendor_id], case.service)
    terms = (await store.find_terms(conn))[case.service]
    moved = domain.reopen(case, standing[0] if standing else None, terms, today=day_in_jakarta(now))
    await _keep(conn, locked, [moved], actor, command.note, now=now)
    return moved.case


async def close_referred(
    conn: Connection, locked: LockedPeople, vendor_id: UUID, actor: Actor, *, now: datetime
) -> list[Moved]:
    """The vendor's wish for capital is with a bank now: its open case ends with that. Saved, not yet recorded."""
    standing = await store.find_standing(conn, locked.people[vendor_id], "P7")
    moved = [domain.refer(case, now=now) for case in standing]
    await save(conn, moved, actor, None, now=now)
    return moved


async def fall_due(conn: Connection, key: str, now: datetime) -> None:
    """Timer: the last day of a case is over."""
    try:
        case, locked = await _lock(conn, UUID(key))
    except CaseNotFound:
        return
    moved = domain.fall_due(case, today=day_in_jakarta(now))
    if moved is not None:
        await store.save_case(conn, moved.case)
        await store.add_act(conn, new_id(), moved.case, moved.act, side="time", by=TIMER, note_sealed=None, now=now)
        await record_moves(conn, locked, [moved], now=now)


async def follow_registry(conn: Connection, changes: Sequence[Change], *, now: datetime) -> None:
    """The registry says where vendors stand in the services; a wish for help opens a case, once.

    What the registry only followed is not followed again. Somebody who moves a service there by hand moves the open
    case with it. Raises `TraineeNotFound` for vendors that were never registered here.
    """
    await programme.save_enrolments(conn, changes)
    by_hand = [c for c in changes if c.event.service in HELPED and not c.event.followed]
    if not by_hand:
        return
    vendor_ids = list({change.event.vendor_id for change in by_hand})
    locked = await lock_people(conn, vendor_ids)
    if locked.changed:  # merged at this moment: an event cannot be told to come again, so whoever joined is locked too
        locked = await lock_people(conn, vendor_ids)
    unknown = set(vendor_ids) - locked.versions.keys()
    if unknown - await families.find_erased(conn, list(unknown)):
        raise TraineeNotFound("These vendors were never registered here.", vendor_ids=sorted(map(str, unknown)))
    events: list[HelpCaseEvent] = []
    for change in by_hand:
        if change.event.vendor_id not in unknown:
            events += await _follow(conn, locked, change, now=now)
    await record(conn, locked.versions, events, now=now)


async def _follow(conn: Connection, locked: LockedPeople, change: Change, *, now: datetime) -> list[HelpCaseEvent]:
    event, service = change.event, HELPED[change.event.service]
    standing = await store.find_standing(conn, locked.people[event.vendor_id], service)
    if event.state == "asked":
        opened = [] if standing else [event.vendor_id]
        moved = [await _open(conn, locked, one, service, door="registry", by="registry", now=now) for one in opened]
    else:
        obeyed = [domain.obey(case, event.state, today=day_in_jakarta(now), now=now) for case in standing]
        moved = [one for one in obeyed if one is not None]
    await save(conn, moved, None, None, now=now)
    # what follows from this change had not seen those that stand behind it in the same batch
    known: dict[tuple[UUID, str], int] = {} if event.step is None else {(event.vendor_id, service): event.step}
    return await events_of(conn, moved, known)


async def _act(
    conn: Connection,
    case_id: UUID,
    move: Callable[[Case, date], Moved],
    actor: Actor,
    note: str | None,
    *,
    now: datetime,
) -> Case:
    case, locked = await _lock(conn, case_id)
    moved = move(case, day_in_jakarta(now))
    await _keep(conn, locked, [moved], actor, note, now=now)
    return moved.case


async def _lock(conn: Connection, case_id: UUID) -> tuple[Case, LockedPeople]:
    """A case and its person, locked. Raises `CaseNotFound`, also where the person is erased, and `PersonChanged`."""
    found = await store.find_case(conn, case_id)
    locked = await lock_people(conn, [found.vendor_id])
    if found.vendor_id not in locked.versions:
        raise CaseNotFound("No case has this id.", case_id=str(case_id))
    locked.require(found.vendor_id)
    return await store.find_case(conn, case_id), locked


async def _keep(
    conn: Connection, locked: LockedPeople, moved: Sequence[Moved], actor: Actor, note: str | None, *, now: datetime
) -> None:
    await save(conn, moved, actor, note, now=now)
    await record_moves(conn, locked, moved, now=now)


async def save(
    conn: Connection, moved: Sequence[Moved], actor: Actor | None, note: str | None, *, now: datetime
) -> None:
    """Save how cases stand, what was done and by whom (none: the registry), and keep their deadlines."""
    for one in moved:
        await store.save_case(conn, one.case)
        act_id = new_id()
        sealed = None if note is None or actor is None else actor.sealer.seal(note.encode(), act_id.bytes)
        side: Side = "registry" if actor is None else actor.side
        by = "registry" if actor is None else actor.by
        await store.add_act(conn, act_id, one.case, one.act, side=side, by=by, note_sealed=sealed, now=now)
        await _keep_time(conn, one.case)


async def _keep_time(conn: Connection, case: Case) -> None:
    if domain.keeps_time(case) and not case.overdue:
        after = datetime.combine(case.due_on + timedelta(days=1), time.min, tzinfo=JAKARTA)
        await set_timer(conn, OVERDUE, str(case.case_id), after)
    else:
        await cancel_timer(conn, OVERDUE, str(case.case_id))


async def record_moves(conn: Connection, locked: LockedPeople, moved: Sequence[Moved], *, now: datetime) -> None:
    """Record what became of cases of locked people, each with what is known of the registry's word."""
    await record(conn, locked.versions, await events_of(conn, moved), now=now)


async def events_of(
    conn: Connection, moved: Sequence[Moved], known: Mapping[tuple[UUID, str], int] | None = None
) -> list[HelpCaseEvent]:
    """The events of these moves, each with the last of the registry's steps that was known; `known` says it better."""
    told = [one.event for one in moved if one.event is not None]
    seen = await programme.find_steps(conn, [event.vendor_id for event in told])
    seen.update(known or {})
    return [event.model_copy(update={"step_seen": seen.get((event.vendor_id, event.service))}) for event in told]
