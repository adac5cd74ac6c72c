"""What is copied from here and to here, in figures that can be compared with the other side."""

from fastapi import APIRouter
from pydantic import BaseModel

from services.training.store import figures, registry, rosters
from shared.http import EdgeDep

router = APIRouter(prefix="/v1", tags=["training"])


class CopyView(BaseModel):
    """Rows and the sha256 over their sorted lines, to compare a copy with its source."""

    count: int
    sha256: str


@router.get("/sources", response_model=dict[str, CopyView])
async def show_sources(edge: EdgeDep) -> dict[str, CopyView]:
    """What other services copy from here, to compare."""
    edge.caller.require("operator")
    async with edge.read() as conn:
        count, sha256 = await rosters.digest_completions(conn)
    return {"completions": CopyView(count=count, sha256=sha256)}


@router.get("/projections", response_model=dict[str, CopyView])
async def show_projections(edge: EdgeDep) -> dict[str, CopyView]:
    """What is copied here from other services, to compare."""
    edge.caller.require("operator")
    async with edge.read() as conn:
        count, sha256 = await registry.digest_vendors(conn)
        months, months_sha256 = await figures.digest_figures(conn)
    return {
        "vendors": CopyView(count=count, sha256=sha256),
        "indicators": CopyView(count=months, sha256=months_sha256),
    }
