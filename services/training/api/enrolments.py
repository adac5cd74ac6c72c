"""Places in classes: officers enrol vendors in classes of their area, a vendor enrols itself."""

from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel

from services.training.api.access import require_class_area
from services.training.domain.enrolments import EnrolVendors, RefusalCode
from services.training.handlers import enrolments as handlers
from shared.db import Connection
from shared.http import EdgeDep

router = APIRouter(prefix="/v1", tags=["training"])


class RefusedVendor(BaseModel):
    """Why one vendor got no place."""

    vendor_id: UUID
    code: RefusalCode
    reason: str


class EnrolmentAnswer(BaseModel):
    """Who got a place and who did not, in the order asked."""

    enrolled: list[UUID]
    refused: list[RefusedVendor]


@router.post("/classes/{class_id}/enrolments", response_model=EnrolmentAnswer)
async def enrol_vendors(edge: EdgeDep, class_id: UUID, command: EnrolVendors) -> Response:
    """Give vendors places while they last; each that gets none is told why. A vendor enrols only itself."""
    caller = edge.caller
    caller.require("officer", "vendor")
    by_officer = caller.has("officer")
    for vendor_id in command.vendor_ids:
        caller.require_vendor(vendor_id)

    async def act(conn: Connection) -> EnrolmentAnswer:
        if by_officer:
            await require_class_area(conn, caller, class_id)
        outcome = await handlers.enrol_vendors(conn, class_id, command, by_officer=by_officer, now=edge.now)
        return EnrolmentAnswer(
            enrolled=[event.vendor_id for event in outcome.enrolled],
            refused=[RefusedVendor(vendor_id=r.vendor_id, code=r.code, reason=r.reason) for r in outcome.refused],
        )

    return await edge.once(act)
