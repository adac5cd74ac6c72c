"""Everything kept here about one person, for the person itself and those entitled to see it (UU PDP, Law 27/2022)."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from services.training.api.access import require_entitled
from services.training.store import personal_data
from shared import families
from shared.http import EdgeDep

router = APIRouter(prefix="/v1", tags=["training", "personal data"])


@router.get("/vendors/{vendor_id}/data")
async def show_personal_data(edge: EdgeDep, vendor_id: UUID) -> dict[str, Any]:
    """All that training keeps about a person, under each of its ids: for the person itself and a registrar of where it
    lives (UU PDP, Law 27/2022). A section that is empty says so.
    """
    async with edge.read() as conn:
        await require_entitled(conn, edge.caller, vendor_id)
        vendor_ids = await families.find_family(conn, vendor_id)
        sections = await personal_data.collect(conn, vendor_ids)
    return {
        "service": "training",
        "vendor_id": vendor_id,
        "registrations_of_the_person": vendor_ids,
        "collected_at": edge.now,
        "sections": sections,
    }
