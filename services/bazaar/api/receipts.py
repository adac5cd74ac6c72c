"""Receipts: what an applicant keeps as proof that it stands in the frozen list."""

from uuid import UUID

from fastapi import APIRouter

from services.bazaar.api.access import require_side
from services.bazaar.domain.receipts import Receipt
from services.bazaar.handlers.rounds import give_receipt
from services.bazaar.store import applications
from shared.http import EdgeDep

router = APIRouter(prefix="/v1/applications", tags=["rounds"])


@router.get("/{application_id}/receipt")
async def show_receipt(edge: EdgeDep, application_id: UUID) -> Receipt:
    """The applicant's entry in the frozen list with the hashes that lead to its published root, and, once the round is
    published, what it made of it. Check it without us: `lapak receipt FILE`."""
    async with edge.read() as conn:
        found = await applications.find_application(conn, application_id)
        await require_side(conn, edge.caller, vendor_id=found.vendor_id, bazaar_id=found.bazaar_id)
        return await give_receipt(conn, found.bazaar_id, application_id)
