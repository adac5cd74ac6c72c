"""Whose referral a bank has: the event that asked it names nobody (DOMAIN B3)."""

from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel

from services.vendor.api.vendors import READS_ONLY
from services.vendor.handlers import referrals as handlers
from shared.http import EdgeDep

__all__ = ["router"]

router = APIRouter(tags=["programme"])


class RevealedPerson(BaseModel):
    """What a bank needs to get in touch, and no more: the rest it asks the person itself."""

    referral_id: UUID
    vendor_id: UUID
    name: str
    phone: str
    email: str | None


@router.post("/v1/capital-referrals/{referral_id}/reveal", openapi_extra=READS_ONLY)
async def reveal_person(edge: EdgeDep, referral_id: UUID, response: Response) -> RevealedPerson:
    """Whom a referral is about, for the bank that has it (role bank; the token's subject is the bank's code), while it
    stands and the person consents. Each time it is noted in the audit log; it takes no Idempotency-Key, and the answer
    is kept nowhere.
    """
    edge.caller.require("bank")
    async with edge.platform.database.transaction() as conn:
        vendor = await handlers.reveal_to_bank(conn, referral_id, edge.caller.subject, now=edge.now)
    response.headers["Cache-Control"] = "no-store"
    return RevealedPerson(
        referral_id=referral_id,
        vendor_id=vendor.vendor_id,
        name=vendor.name,
        phone=vendor.phone,
        email=vendor.email,
    )
