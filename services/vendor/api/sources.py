"""Digests of what other services copy."""

from typing import Any

from fastapi import APIRouter

from services.vendor.store.indicators import digest_indicators
from services.vendor.store.vendors import Digest, digest_contacts, digest_vendors
from shared.http import EdgeDep

__all__ = ["router"]

router = APIRouter(tags=["sources"])


@router.get("/v1/sources")
async def sources(edge: EdgeDep) -> dict[str, Any]:
    """Digests of what other services keep copies of, to compare with theirs."""
    edge.caller.require("operator")
    async with edge.read() as conn:
        vendors, contacts = await digest_vendors(conn), await digest_contacts(conn)
        months, sha256 = await digest_indicators(conn)
    return {
        "vendors": _digest(vendors),
        "contacts": _digest(contacts),
        "indicators": {"count": months, "sha256": sha256},
    }


def _digest(digest: Digest) -> dict[str, Any]:
    return {"count": digest.count, "sha256": digest.sha256}
