"""Export and exhibitions: vendors assessed, referred, invited, and their answers."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.vendor import areas
from services.vendor.domain import consents
from services.vendor.domain import invitations as domain
from services.vendor.domain.invitations import (
    Assessment,
    Exhibition,
    ExhibitionUnknown,
    Invitation,
    InvitationUnknown,
    Referral,
)
from services.vendor.domain.partners import PartnerUnknown
from services.vendor.domain.readiness import proposes
from services.vendor.domain.registration import VendorRetired, VendorUnknown
from services.vendor.handlers.vendors import lock_vendor, save_vendor
from services.vendor.store import invitations as store
from services.vendor.store import partners
from services.vendor.store.consents import find_consents
from services.vendor.store.invitations import Choice
from services.vendor.store.merging import find_family
from services.vendor.store.readiness import find_weighting
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.ids import new_id

__all__ = [
    "Assessed",
    "answer_invitation",
    "assess_vendor",
    "enter_exhibition",
    "invite_vendors",
    "preview_invitations",
    "refer_vendor",
]


class Assessed(NamedTuple):
    """An assessment, and whether its score proposed readiness; the officer's word stands."""

    assessment: Assessment
    ready_proposed: bool


async def assess_vendor(
    conn: Connection,
    vendor_id: UUID,
    *,
    ready: bool,
    criteria_met: Sequence[str],
    note: str | None,
    by: str,
    now: datetime,
    within: str,
) -> Assessed:
    """An officer says whether a vendor is ready for export. Raises as `lock_vendor` and `domain.assess` do."""
    vendor = await lock_vendor(conn, vendor_id, within)
    criteria = [criterion.code for criterion in await store.find_criteria(conn)]
    weighting = await find_weighting(conn, day_in_jakarta(now))
    assessment, event = domain.assess(
        new_id(),
        vendor_id,
        ready=ready,
        criteria_met=criteria_met,
        criteria=criteria,
        weighting=weighting,
        note=note,
        today=day_in_jakarta(now),
        now=now,
        by=by,
    )
    await store.add_assessment(conn, assessment)
    await save_vendor(conn, vendor, vendor, [event], now=now)
    return Assessed(assessment, proposes(weighting, assessment.score or 0))


async def refer_vendor(
    conn: Connection, vendor_id: UUID, partner_id: UUID, *, by: str, now: datetime, within: str
) -> Referral:
    """Refer a vendor to a partner for export. Raises `PartnerUnknown`, and as `lock_vendor` and `domain.refer` do.

    The partner is held meanwhile: an agreement that is ended at the same moment ends before the referral, or after it.
    """
    vendor = await lock_vendor(conn, vendor_id, within)
    if await partners.hold_partner(conn, partner_id) is None:
        raise PartnerUnknown(partner_id)
    family = await find_family(conn, vendor_id)
    latest = next(iter(await store.find_assessments(conn, family)), None)
    agreements = await partners.find_agreements(conn, [partner_id])
    earlier = await store.find_referrals(conn, family)
    words = consents.standing(await find_consents(conn, family)).get("partners")
    referral, event = domain.refer(
        new_id(),
        vendor,
        latest,
        partner_id,
        agreements,
        earlier,
        consented=words is not None and words.given,
        today=day_in_jakarta(now),
        by=by,
    )
    await store.add_referral(conn, referral)
    await save_vendor(conn, vendor, vendor, [event], now=now)
    return referral


async def enter_exhibition(conn: Connection, exhibition: Exhibition, *, by: str, now: datetime) -> Exhibition:
    """A new exhibition to invite vendors to. Raises as `domain.enter_exhibition` does."""
    known = await partners.count_partners(conn, list(exhibition.partners))
    entered = domain.enter_exhibition(exhibition, known, day_in_jakarta(now))
    await store.add_exhibition(conn, entered, by, now)
    return entered


async def preview_invitations(conn: Connection, exhibition_id: UUID, choice: Choice) -> int:
    """How many `invite_vendors` would invite now."""
    if await store.find_exhibition(conn, exhibition_id) is None:
        raise ExhibitionUnknown(exhibition_id)
    return await store.count_candidates(conn, exhibition_id, choice)


async def invite_vendors(
    conn: Connection, exhibition_id: UUID, choice: Choice, *, by: str, now: datetime, within: str
) -> int:
    """Invite the vendors of a choice that were not invited yet; answers with how many. Each person is invited once.

    Raises `ExhibitionUnknown`, `InvitationsClosed`, `TooManyInvited`.
    """
    exhibition = await store.lock_exhibition(conn, exhibition_id)
    if exhibition is None or not areas.contains(within, exhibition.area):
        raise ExhibitionUnknown(exhibition_id)
    today = day_in_jakarta(now)
    domain.check_open(exhibition, today)
    domain.check_count(await store.count_candidates(conn, exhibition_id, choice))
    chosen = await store.find_candidates(conn, exhibition_id, choice, domain.INVITED_PER_CALL_MAX)
    vendors = []
    for vendor_id in chosen:
        try:
            vendors.append(await lock_vendor(conn, vendor_id, choice.area))
        except (VendorUnknown, VendorRetired):  # erased, moved away or merged since we chose
            continue
    made = [domain.invite(exhibition, new_id(), vendor.vendor_id, today, by) for vendor in vendors]
    if made:
        await store.add_invitations(conn, [invitation for invitation, _ in made])
    for vendor, (_, event) in zip(vendors, made, strict=True):
        await save_vendor(conn, vendor, vendor, [event], now=now)
    return len(made)


async def answer_invitation(conn: Connection, invitation_id: UUID, accepted: bool, *, now: datetime) -> Invitation:
    """A vendor says whether it comes. Raises `InvitationUnknown`, and as `domain.answer` does."""
    invitation = await _find(conn, invitation_id)
    vendor = await lock_vendor(conn, invitation.vendor_id, retired=True)
    exhibition = await store.find_exhibition(conn, invitation.exhibition_id)
    assert exhibition is not None  # the invitation refers to it
    today = day_in_jakarta(now)
    answered, events = domain.answer(await _find(conn, invitation_id), exhibition.answer_by, accepted, today, now)
    if events:
        await store.save_answer(conn, answered)
        await save_vendor(conn, vendor, vendor, events, now=now)
    return answered


async def _find(conn: Connection, invitation_id: UUID) -> Invitation:
    invitation = await store.find_invitation(conn, invitation_id)
    if invitation is None:
        raise InvitationUnknown(invitation_id)
    return invitation
