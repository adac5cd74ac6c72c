"""Progress: what training tells of vendors is remembered, and everything of one person put together."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from services.vendor.domain import progress as domain
from services.vendor.domain.indicators import Report
from services.vendor.domain.programme import Step, stand
from services.vendor.domain.progress import Fact, Overview
from services.vendor.domain.registration import VendorUnknown
from services.vendor.store import indicators, invitations, programme
from services.vendor.store import progress as store
from services.vendor.store.vendors import find_vendor
from shared.db import Connection

__all__ = ["FIGURES_SHOWN_MONTHS", "follow_training", "put_together"]

FIGURES_SHOWN_MONTHS = 6


async def follow_training(conn: Connection, facts: Sequence[Fact]) -> set[UUID]:
    """Remember what training says, oldest news first. Returns the ids that were skipped: unknown here, or erased."""
    known = await store.lock_known(conn, {fact.vendor_id for fact in facts})
    kept = domain.fold(fact for fact in facts if fact.vendor_id in known)
    if kept:
        await store.save_facts(conn, kept)
    return {fact.vendor_id for fact in facts} - known


async def put_together(conn: Connection, family: Sequence[UUID]) -> Overview:
    """How a person gets on, over all its registrations, the one that stands for it first. Raises `VendorUnknown`."""
    kept = await find_vendor(conn, family[0])
    if kept is None:
        raise VendorUnknown(family[0])
    registered = Step(family[0], "P1", 1, "completed", None, kept.vendor.registered_at, kept.vendor.origin)
    steps = stand([registered, *await programme.find_latest_steps(conn, family)])
    referrals = await programme.find_referrals(conn, family)
    referral = referrals[-1] if referrals else None  # they come in the order of their moves
    banks = {} if referral is None else await programme.find_bank_names(conn, [referral.bank])
    assessments = await invitations.find_assessments(conn, family)
    facts = await store.find_facts(conn, family)
    return Overview(
        services=steps,
        places=await programme.find_places(conn, family),
        certificates=domain.certificates(facts),
        mentor=domain.mentor(facts, "employed"),
        foster=domain.mentor(facts, "foster"),
        visit=domain.last_visit(facts),
        cases=domain.open_cases(facts),
        referral=referral,
        bank_name=None if referral is None else banks.get(referral.bank),
        figures=_known(await indicators.find_counted(conn, family, None, FIGURES_SHOWN_MONTHS)),
        graduation=domain.graduation(facts),
        assessment=assessments[0] if assessments else None,
    )


def _known(reports: Sequence[Report]) -> list[Report]:
    months: dict[date, Report] = {report.month: report for report in reversed(reports)}
    return [months[month] for month in sorted(months)]
