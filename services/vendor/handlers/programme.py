"""Enrolments: moved by vendors and officers, and by what training's events say."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, TypeAlias, TypeVar
from uuid import UUID

from services.vendor.domain import programme as domain
from services.vendor.domain.programme import Act, CapitalReferral, CaseNews, MentorNews, Place, Step
from services.vendor.domain.registration import Vendor
from services.vendor.handlers.vendors import lock_known, lock_vendor, save_vendor
from services.vendor.store import programme as store
from services.vendor.store.merging import find_family
from shared.db import Connection
from shared.events.programme import EnrolmentChanged, EnrolmentState, ProgrammeService

__all__ = ["Moved", "follow_capital", "follow_cases", "follow_classes", "follow_mentors", "move_enrolment"]

F = TypeVar("F", Place, CapitalReferral)
Word: TypeAlias = tuple[UUID, ProgrammeService, Callable[[Step | None], EnrolmentState | None]]
"""News about a vendor's service, as what it makes of the last step there."""


class Moved(NamedTuple):
    """Where a vendor stands in a service now, and where it stood before."""

    state: EnrolmentState
    previous_state: EnrolmentState | None


async def move_enrolment(
    conn: Connection,
    vendor_id: UUID,
    service: ProgrammeService,
    act: Act,
    *,
    by: str,
    reason: str | None,
    now: datetime,
    within: str | None = None,
) -> Moved:
    """Ask for a service, start, complete or leave it. Raises as `lock_vendor` and `domain.move` do.

    What counts is where the person stands, over all its registrations; the step is written under the one that stands
    for it.
    """
    vendor = await lock_vendor(conn, vendor_id, within)
    latest = await store.find_latest_steps(conn, await find_family(conn, vendor_id))
    before = domain.stand(latest).get(service)
    previous = None if before is None else before.state
    state = domain.move(service, act, previous)
    step = _step(latest, vendor_id, service, state, previous, now, by, reason)
    await store.add_steps(conn, [step])
    event = EnrolmentChanged(vendor_id=vendor_id, service=service, state=state, previous_state=previous, step=step.nth)
    await save_vendor(conn, vendor, vendor, [event], now=now)
    return Moved(state, previous)


async def follow_classes(conn: Connection, news: Sequence[Place], *, now: datetime) -> set[UUID]:
    """Training says where vendors stand in its classes, oldest news first: P2 follows.

    Returns the ids that were skipped. An id is unknown here when its person was erased, which a late event must not
    undo; or it never was a vendor, as an id leaves this registry only after it is committed here.
    """
    vendors = await lock_known(conn, {place.vendor_id for place in news})
    kept = {(place.vendor_id, place.class_id): place for place in news if place.vendor_id in vendors}
    if kept:
        await store.save_places(conn, list(kept.values()))
        places = await store.find_places(conn, list(vendors))
        await _follow(conn, vendors, "P2", places, domain.follow_training, now=now)
    return {place.vendor_id for place in news} - vendors.keys()


async def follow_capital(conn: Connection, news: Sequence[CapitalReferral], *, now: datetime) -> set[UUID]:
    """Training says where vendors' referrals to banks stand, oldest news first: P7 follows. Returns as above."""
    vendors = await lock_known(conn, {referral.vendor_id for referral in news})
    kept = {(one.vendor_id, one.referral_id): one for one in news if one.vendor_id in vendors}
    if kept:
        await store.save_referrals(conn, list(kept.values()))
        referrals = await store.find_referrals(conn, list(vendors))
        await _follow(conn, vendors, "P7", referrals, domain.follow_referrals, now=now)
    return {referral.vendor_id for referral in news} - vendors.keys()


async def follow_cases(conn: Connection, news: Sequence[CaseNews], *, now: datetime) -> set[UUID]:
    """Training says what became of cases, oldest news first: P4 to P6 follow. Returns as above.

    A retired registration keeps its own cases, so what counts is where it stands itself.
    """
    said = [(one.vendor_id, one.service, partial(domain.follow_case, one)) for one in news]
    return await _follow_each(conn, said, now=now)


async def follow_mentors(conn: Connection, news: Sequence[tuple[UUID, MentorNews]], *, now: datetime) -> set[UUID]:
    """Training gave vendors mentors, or they graduated from them, oldest news first: P3 follows. Returns as above."""

    def follow(one: MentorNews, before: Step | None) -> EnrolmentState | None:
        return domain.follow_mentor(one, None if before is None else before.state)

    said: list[Word] = [(vendor_id, "P3", partial(follow, one)) for vendor_id, one in news]
    return await _follow_each(conn, said, now=now)


async def _follow_each(conn: Connection, news: Sequence[Word], *, now: datetime) -> set[UUID]:
    """Each word moves its vendor's service from where the words before it left it."""
    vendors = await lock_known(conn, {vendor_id for vendor_id, _, _ in news})
    latest = {(step.vendor_id, step.service): step for step in await store.find_latest_steps(conn, list(vendors))}
    steps = []
    for vendor_id, service, follow in news:
        before = latest.get((vendor_id, service))
        state = follow(before) if vendor_id in vendors else None
        if state is None:
            continue
        own, previous = ([], None) if before is None else ([before], before.state)
        step = _step(own, vendor_id, service, state, previous, now, domain.TRAINING, None)
        latest[vendor_id, service] = step
        steps.append(step)
    await _tell_followed(conn, vendors, steps, now=now)
    return {vendor_id for vendor_id, _, _ in news} - vendors.keys()


async def _follow(
    conn: Connection,
    vendors: dict[UUID, Vendor],
    service: ProgrammeService,
    facts: Sequence[F],
    follow: Callable[[Iterable[F]], EnrolmentState | None],
    *,
    now: datetime,
) -> None:
    by_vendor: dict[UUID, list[Any]] = defaultdict(list)
    for fact in facts:
        by_vendor[fact.vendor_id].append(fact)
    latest = await store.find_latest_steps(conn, list(vendors))
    standing = {step.vendor_id: step for step in latest if step.service == service}
    steps = []
    for vendor_id in vendors:
        state, before = follow(by_vendor[vendor_id]), standing.get(vendor_id)
        previous = None if before is None else before.state
        if state is not None and domain.follows(state, previous):
            own = [] if before is None else [before]
            steps.append(_step(own, vendor_id, service, state, previous, now, domain.TRAINING, None))
    await _tell_followed(conn, vendors, steps, now=now)


async def _tell_followed(
    conn: Connection, vendors: dict[UUID, Vendor], steps: Sequence[Step], *, now: datetime
) -> None:
    if not steps:
        return
    await store.add_steps(conn, steps)
    for step in steps:
        event = EnrolmentChanged(
            vendor_id=step.vendor_id,
            service=step.service,
            state=step.state,
            previous_state=step.previous_state,
            step=step.nth,
            followed=True,
        )
        vendor = vendors[step.vendor_id]
        vendors[step.vendor_id] = await save_vendor(conn, vendor, vendor, [event], now=now)


def _step(
    earlier: Sequence[Step],
    vendor_id: UUID,
    service: ProgrammeService,
    state: EnrolmentState,
    previous: EnrolmentState | None,
    now: datetime,
    by: str,
    reason: str | None,
) -> Step:
    """The next step after the person's earlier ones in this service; later than they are, whatever two clocks say."""
    own = [step.nth for step in earlier if (step.vendor_id, step.service) == (vendor_id, service)]
    moments = [step.at + timedelta(microseconds=1) for step in earlier if step.service == service]
    return Step(vendor_id, service, max(own, default=0) + 1, state, previous, max([now, *moments]), by, reason)
