"""Where a vendor stands in the rotation, for the vendor itself and officers of where it lives."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from services.bazaar.api.access import require_vendor_side
from services.bazaar.domain import standing as words
from services.bazaar.domain.ledger import in_force, remaining
from services.bazaar.store import ledger as store
from shared import families
from shared.clock import day_in_jakarta
from shared.http import EdgeDep
from shared.personal_data import VendorNotKept

router = APIRouter(prefix="/v1/vendors", tags=["applications"])


@router.get("/{vendor_id}/standing")
async def show_standing(edge: EdgeDep, vendor_id: UUID) -> dict[str, Any]:
    """Turns had, since when it counts as waiting, and what was added to that, in figures and in words."""
    async with edge.read() as conn:
        if await families.find_erased(conn, [vendor_id]):
            raise VendorNotKept("Nothing is kept here of this vendor.")
        await require_vendor_side(conn, edge.caller, vendor_id)
        vendor_ids = await families.find_family(conn, vendor_id)
        had = await store.find_had(conn, vendor_ids)
        adjustments = await store.find_adjustments(conn, vendor_ids)
    today = day_in_jakarta(edge.now)
    since = had.last_turn_on or had.first_applied_on
    counting = [] if since is None else in_force(since, adjustments)
    counted = words.counted(had.turns, since, counting, today)
    return {
        "vendor_id": vendor_id,
        "turns": had.turns,
        "last_turn_on": had.last_turn_on,
        "first_applied_on": had.first_applied_on,
        "counted_turns": None if counted is None else counted.turns,
        "counted_waiting_since": None if counted is None else counted.waiting_since,
        "explanation": words.tell(had.turns, had.last_turn_on, counted).both(),
        "adjustments": [
            {
                "because": one.because,
                "application_id": one.application_id,
                "from_day": one.from_day,
                "until_day": one.until_day,
                "turns": one.turns,
                "wait_days": one.wait_days,
                "turns_left": remaining(one, today).turns,
                "wait_days_left": remaining(one, today).wait_days,
                "explanation": words.tell_adjustment(one, today).both(),
            }
            for one in counting
        ],
    }
