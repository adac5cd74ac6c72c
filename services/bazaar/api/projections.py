"""What this service keeps of other services' data, in figures that can be compared with the source."""

from typing import Any

from fastapi import APIRouter

from services.bazaar.store import vendors as store
from shared.http import EdgeDep

router = APIRouter(prefix="/v1", tags=["operations"])


@router.get("/projections")
async def show_projections(edge: EdgeDep) -> dict[str, Any]:
    """Count and sha256 of each projection; for operators."""
    edge.caller.require("operator")
    async with edge.read() as conn:
        return dict(await store.fingerprint_projections(conn))
