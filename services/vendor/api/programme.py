"""The seven services over HTTP: where a vendor stands in each, and the steps between."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

from services.vendor.api.access import officer_area, require_reach, see_family
from services.vendor.api.texts import Note
from services.vendor.domain.programme import SERVICES, Act, CapitalReferral, Place, Step, stand
from services.vendor.domain.registration import VendorUnknown
from services.vendor.handlers import programme as handlers
from services.vendor.store import programme as store
from services.vendor.store.vendors import find_vendor
from shared.db import Connection
from shared.events.programme import EnrolmentState, ProgrammeService
from shared.http import EdgeDep

__all__ = ["router"]

router = APIRouter(tags=["programme"])


class StepBody(BaseModel):
    """Why, if there is something to say."""

    model_config = ConfigDict(extra="forbid")

    reason: Note | None = None


class MovedAnswer(BaseModel):
    """Where the vendor stands now. Kept to be replayed: ids and codes alone."""

    vendor_id: UUID
    service: ProgrammeService
    state: EnrolmentState
    previous_state: EnrolmentState | None


class StepAnswer(BaseModel):
    """One change: when, from where to where, why; who made it is shown to officers."""

    vendor_id: UUID
    state: EnrolmentState
    previous_state: EnrolmentState | None
    at: datetime
    by: str | None
    reason: str | None


class ClassAnswer(BaseModel):
    """P2: a class of training."""

    class_id: UUID
    course: str
    state: Literal["enrolled", "completed", "not-completed", "withdrawn", "cancelled"]
    completed_on: date | None


class ReferralAnswer(BaseModel):
    """P7: a referral to a bank, and what became of it there."""

    referral_id: UUID
    bank: str
    bank_name: str | None
    state: str
    moved_at: datetime


class ServiceAnswer(BaseModel):
    """A service of the programme: where the vendor stands (null: it never asked), and how it came there."""

    service: ProgrammeService
    state: EnrolmentState | None
    since: datetime | None
    history: list[StepAnswer]
    classes: list[ClassAnswer] | None = None
    referrals: list[ReferralAnswer] | None = None


class ProgrammeAnswer(BaseModel):
    """All seven services of one person, whatever its registrations."""

    vendor_id: UUID
    services: list[ServiceAnswer]


@router.get("/v1/vendors/{vendor_id}/programme")
async def get_programme(vendor_id: UUID, edge: EdgeDep) -> ProgrammeAnswer:
    """Where a vendor stands in P1 to P7, with the whole history."""
    async with edge.read() as conn:
        family = await see_family(conn, edge.caller, vendor_id)
        kept = await find_vendor(conn, family[0])
        steps = await store.find_steps(conn, family)
        places = await store.find_places(conn, family)
        referrals = await store.find_referrals(conn, family)
        banks = await store.find_bank_names(conn, [referral.bank for referral in referrals])
    if kept is None:
        raise VendorUnknown(vendor_id)
    vendor = kept.vendor
    registered = Step(vendor.vendor_id, "P1", 1, "completed", None, vendor.registered_at, vendor.origin)
    shown = [_service(service, [registered, *steps], named=edge.caller.has("officer")) for service in SERVICES]
    shown[SERVICES.index("P2")].classes = [_class(place) for place in places]
    shown[SERVICES.index("P7")].referrals = [_referral(referral, banks.get(referral.bank)) for referral in referrals]
    return ProgrammeAnswer(vendor_id=family[0], services=shown)


@router.post("/v1/vendors/{vendor_id}/programme/{service}/{act}", responses={200: {"model": MovedAnswer}})
async def move_enrolment(
    vendor_id: UUID, service: ProgrammeService, act: Act, edge: EdgeDep, body: StepBody | None = None
) -> Response:
    """Ask for a service or leave it (the vendor itself, or an officer of its area), start or complete it (officers)."""
    own = act in ("ask", "leave")
    within = require_reach(edge.caller, vendor_id) if own else officer_area(edge.caller)

    async def step(conn: Connection) -> dict[str, Any]:
        moved = await handlers.move_enrolment(
            conn,
            vendor_id,
            service,
            act,
            by=edge.caller.subject,
            reason=None if body is None else body.reason,
            now=edge.now,
            within=within,
        )
        return {"vendor_id": vendor_id, "service": service, **moved._asdict()}

    return await edge.once(step)


def _service(service: ProgrammeService, steps: Sequence[Step], *, named: bool) -> ServiceAnswer:
    own = [step for step in steps if step.service == service]
    latest = {step.vendor_id: step for step in own}  # steps come oldest first
    standing = stand(latest.values()).get(service)
    return ServiceAnswer(
        service=service,
        state=None if standing is None else standing.state,
        since=None if standing is None else standing.at,
        history=[
            StepAnswer(
                vendor_id=step.vendor_id,
                state=step.state,
                previous_state=step.previous_state,
                at=step.at,
                by=step.by if named else None,
                reason=step.reason,
            )
            for step in own
        ],
    )


def _class(place: Place) -> ClassAnswer:
    return ClassAnswer(class_id=place.class_id, course=place.course, state=place.state, completed_on=place.completed_on)


def _referral(referral: CapitalReferral, bank_name: str | None) -> ReferralAnswer:
    return ReferralAnswer(
        referral_id=referral.referral_id,
        bank=referral.bank,
        bank_name=bank_name,
        state=referral.state,
        moved_at=referral.moved_at,
    )
