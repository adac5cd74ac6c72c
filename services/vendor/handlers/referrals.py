"""A bank learns whose referral it has: while the referral stands and the person consents, and never without a note."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from services.vendor.domain import consents as consent_rules
from services.vendor.domain.registration import Vendor
from services.vendor.handlers.vendors import lock_vendor
from services.vendor.store import consents, programme
from services.vendor.store.audit import add_entry
from services.vendor.store.merging import find_family
from shared.db import Connection
from shared.errors import NotFound

__all__ = ["ReferralNotStanding", "reveal_to_bank"]

STANDING = ("sent", "received", "approved")


class ReferralNotStanding(NotFound):
    """No referral to this bank stands under this id: there never was one, it ended, or consent was withdrawn."""

    code: ClassVar[str] = "referral-not-standing"

    def __init__(self, referral_id: UUID) -> None:
        super().__init__(
            "No referral to this bank stands under this id: it is unknown, was declined or withdrawn, or the person no "
            "longer consents.",
            referral_id=str(referral_id),
        )


async def reveal_to_bank(conn: Connection, referral_id: UUID, bank: str, *, now: datetime) -> Vendor:
    """The person whom a referral to this bank is about, as it is reached now; noted in the audit log.

    The registration that stands for the person is locked, so that consent cannot be withdrawn meanwhile. Raises
    `ReferralNotStanding`, which does not tell a bank whether another one has the referral.
    """
    found = await programme.find_referral(conn, referral_id)
    if found is None or found.bank != bank:
        raise ReferralNotStanding(referral_id)
    head, *_ = await find_family(conn, found.vendor_id)
    vendor = await lock_vendor(conn, head, retired=True)
    family = await find_family(conn, found.vendor_id)
    said = consent_rules.standing(await consents.find_consents(conn, family)).get("capital-referral")
    again = await programme.find_referral(conn, referral_id)
    stands = again is not None and again.state in STANDING
    if family[0] != head or not stands or said is None or not said.given:
        raise ReferralNotStanding(referral_id)
    detail = {"referral_id": str(referral_id), "bank": bank}
    await add_entry(conn, f"bank:{bank}", "referral-revealed", head, detail, now)
    return vendor
