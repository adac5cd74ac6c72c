"""Places in classes: officers act for vendors in classes of their area, a vendor for itself."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel

from services.training.api.access import OwnCase, find_class, own_ids, require_class_area, require_side
from services.training.domain.classes import Caution
from services.training.domain.courses import CourseCode
from services.training.domain.enrolments import EnrolVendors, RefusalCode, WithdrawVendors
from services.training.domain.waiting import Wait
from services.training.handlers import enrolments as handlers
from services.training.handlers.reminders import find_places_in_line
from services.training.store import registry, waiting
from shared import families
from shared.auth import Caller
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor

router = APIRouter(prefix="/v1", tags=["training"])


class RefusedVendor(BaseModel):
    """Why one vendor got no place."""

    vendor_id: UUID
    code: RefusalCode
    reason: str


class WaitingVendor(BaseModel):
    """A vendor that waits; for the class, or (none) for the next of its course. Place 1 is next."""

    vendor_id: UUID
    class_id: UUID | None
    place: int


class Warned(BaseModel):
    """What is to be known beside a yes; nothing was refused. `days`: where it is about days."""

    vendor_id: UUID | None = None
    code: str
    reason: str
    days: list[date] = []


class EnrolmentAnswer(BaseModel):
    """Who got a place, who waits for one and who gets none, in the order asked; what is to be known besides."""

    enrolled: list[UUID]
    waiting: list[WaitingVendor]
    refused: list[RefusedVendor]
    warnings: list[Warned]


class WithdrawalAnswer(BaseModel):
    """Whose places were taken back, who waits no longer, and who had neither."""

    withdrawn: list[UUID]
    stopped_waiting: list[UUID]
    refused: list[RefusedVendor]


class WaitView(BaseModel):
    """A course that a vendor waits for: a place in one class, or (none) the next class where it lives."""

    course: str
    class_id: UUID | None
    since: datetime
    place: int | None


class WaitsAnswer(BaseModel):
    """What a vendor waits for."""

    items: list[WaitView]


class WaiterView(BaseModel):
    """Somebody who would get a place of the class. `bound`: it waits for this class, not for the next one."""

    vendor_id: UUID
    since: datetime
    bound: bool


class WaiterPage(BaseModel):
    """Who would get places of a class, the longest waiting first."""

    items: list[WaiterView]
    next: str | None


def warned(cautions: Sequence[Caution]) -> list[Warned]:
    """What officers and vendors are told beside a yes."""
    return [Warned(vendor_id=c.vendor_id, code=c.code, reason=c.reason, days=list(c.days)) for c in cautions]


@router.post("/classes/{class_id}/enrolments", response_model=EnrolmentAnswer)
async def enrol_vendors(edge: EdgeDep, class_id: UUID, command: EnrolVendors) -> Response:
    """Give vendors places while they last; each that gets none is told why. With `waitlist` whoever finds the class
    full waits: places that come free go to those who wait, in the order in which they began to. A vendor enrols only
    itself.
    """
    edge.caller.require("officer", "vendor")

    async def act(conn: Connection) -> EnrolmentAnswer:
        by_officer = await _acts_as_officer(conn, edge.caller, class_id, command.vendor_ids)
        outcome = await handlers.enrol_vendors(conn, class_id, command, by_officer=by_officer, now=edge.now)
        return EnrolmentAnswer(
            enrolled=[event.vendor_id for event in outcome.enrolled],
            waiting=[
                WaitingVendor(vendor_id=event.vendor_id, class_id=event.class_id, place=event.place)
                for event in outcome.waiting
            ],
            refused=[RefusedVendor(vendor_id=r.vendor_id, code=r.code, reason=r.reason) for r in outcome.refused],
            warnings=warned(outcome.cautions),
        )

    return await edge.once(act)


@router.post("/classes/{class_id}/withdrawals", response_model=WithdrawalAnswer)
async def withdraw_vendors(edge: EdgeDep, class_id: UUID, command: WithdrawVendors) -> Response:
    """Give places up, or wait no longer for one: a vendor its own until the first session day, officers of the class's
    area while it runs. Whoever waits the longest gets the place at once, unless the class has begun.
    """
    edge.caller.require("officer", "vendor")

    async def act(conn: Connection) -> WithdrawalAnswer:
        by_officer = await _acts_as_officer(conn, edge.caller, class_id, command.vendor_ids)
        outcome = await handlers.withdraw_vendors(conn, class_id, command, by_officer=by_officer, now=edge.now)
        return WithdrawalAnswer(
            withdrawn=[event.vendor_id for event in outcome.withdrawn if not event.waited_only],
            stopped_waiting=[event.vendor_id for event in outcome.withdrawn if event.waited_only],
            refused=[RefusedVendor(vendor_id=r.vendor_id, code=r.code, reason=r.reason) for r in outcome.refused],
        )

    return await edge.once(act)


async def _acts_as_officer(conn: Connection, caller: Caller, class_id: UUID, vendor_ids: Sequence[UUID]) -> bool:
    """Whether an officer of the class's area acts for others; False for a vendor that acts for itself, by any of its
    ids. An officer who is a vendor too does for itself what every vendor may, and no more.
    """
    own = await own_ids(conn, caller)
    others = [vendor_id for vendor_id in vendor_ids if vendor_id not in own]
    if not others and caller.has("vendor"):
        return False
    for vendor_id in others:
        caller.require_vendor(vendor_id)
    await require_class_area(conn, caller, class_id)
    if len(others) < len(vendor_ids):
        raise OwnCase("`vendor_ids` names yourself among others: ask for your own place alone, or leave it to another.")
    return True


@router.get("/classes/{class_id}/waiting", response_model=WaiterPage)
async def list_waiting(
    edge: EdgeDep, class_id: UUID, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> dict[str, Any]:
    """Who would get places of this class, for officers of its area, the longest waiting first: those who wait for it,
    and those of its area who wait for the next class of the course.
    """
    edge.caller.require("officer")
    last = read_cursor(after, tuple[datetime, UUID]) if after is not None else None
    async with edge.read() as conn:
        a_class = await find_class(conn, class_id)
        edge.caller.require_area(a_class.area)
        queue = await waiting.find_queue(conn, a_class.course, class_id, a_class.area, after=last, limit=limit + 1)
    found = page(queue, limit, lambda waiter: waiter.turn)
    items = [WaiterView(vendor_id=w.vendor_id, since=w.since, bound=w.class_id is not None) for w in found["items"]]
    return {"items": items, "next": found["next"]}


@router.get("/trainees/{vendor_id}/waiting", response_model=WaitsAnswer)
async def show_waits(edge: EdgeDep, vendor_id: UUID) -> WaitsAnswer:
    """The courses a vendor waits for, under whichever of its ids, with its place in line: for the vendor itself and for
    officers of where it lives.
    """
    async with edge.read() as conn:
        await require_side(conn, edge.caller, vendor_id)
        vendor_ids = await families.find_family(conn, vendor_id)
        waits = await waiting.find_waits_of(conn, vendor_ids)
        items = [
            WaitView(course=course, class_id=wait.class_id, since=wait.since, place=await _place(conn, course, wait))
            for course, wait in waits
        ]
    return WaitsAnswer(items=items)


async def _place(conn: Connection, course: str, wait: Wait) -> int | None:
    if wait.class_id is not None:
        a_class = await find_class(conn, wait.class_id)
        queue = await waiting.find_queue(conn, course, wait.class_id, a_class.area)
        return next((place for place, one in enumerate(queue, start=1) if one.vendor_id == wait.vendor_id), None)
    kelurahan = await registry.find_kelurahan(conn, wait.vendor_id)
    return None if kelurahan is None else (await find_places_in_line(conn, course, {kelurahan})).get(wait.vendor_id)


@router.post("/trainees/{vendor_id}/waiting/{course}/end", status_code=204)
async def stop_waiting(
    edge: EdgeDep, vendor_id: UUID, course: Annotated[CourseCode, Path(description="Code of the course")]
) -> Response:
    """Wait for a course no longer: for the vendor itself and for officers of where it lives."""

    async def act(conn: Connection) -> None:
        await require_side(conn, edge.caller, vendor_id)
        vendor_ids = await families.find_family(conn, vendor_id)
        by_officer = edge.caller.vendor_id not in vendor_ids
        await handlers.stop_waiting(conn, vendor_ids, course, by_officer=by_officer, now=edge.now)

    return await edge.once(act)
