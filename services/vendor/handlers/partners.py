"""Partners: entered, agreed with, and agreements that end."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from uuid import UUID

from services.vendor import areas
from services.vendor.domain import partners as domain
from services.vendor.domain.partners import (
    Agreement,
    AgreementUnknown,
    Partner,
    PartnerKind,
    PartnerKnown,
    PartnerUnknown,
)
from services.vendor.store import partners as store
from shared.clock import JAKARTA, day_in_jakarta
from shared.db import Connection
from shared.events.programme import PartnerEvent
from shared.ids import new_id
from shared.outbox import Fact, record
from shared.timers import cancel_timer, set_timer

__all__ = ["TIMER", "end_agreement", "enter_partner", "lapse_agreement", "make_agreement"]

TIMER = "partner-agreement"
"""Kind of the timer that each agreement has, keyed by its id."""


async def enter_partner(
    conn: Connection, code: str, name: str, kind: PartnerKind, *, by: str, now: datetime
) -> Partner:
    """A new organisation. Raises `PartnerKnown`."""
    partner = Partner(new_id(), 0, code, name, kind)
    if not await store.add_partner(conn, partner, by, now):
        raise PartnerKnown(code)
    return partner


async def make_agreement(
    conn: Connection,
    partner_id: UUID,
    *,
    area: str,
    valid_from: date,
    valid_until: date,
    topics: Sequence[str],
    by: str,
    now: datetime,
) -> Agreement:
    """A partner agrees for an area, topics and days. Raises `PartnerUnknown` and as `domain.make` does."""
    partner = await store.lock_partner(conn, partner_id)
    if partner is None:
        raise PartnerUnknown(partner_id)
    others = await store.find_agreements(conn, [partner_id])
    agreement, event = domain.make(
        partner,
        new_id(),
        others,
        area=area,
        valid_from=valid_from,
        valid_until=valid_until,
        topics=topics,
        today=day_in_jakarta(now),
    )
    await store.add_agreement(conn, agreement, by, now)
    after = datetime.combine(valid_until + timedelta(days=1), time.min, tzinfo=JAKARTA)
    await set_timer(conn, TIMER, str(agreement.agreement_id), after)
    await _tell(conn, partner, event, now)
    return agreement


async def end_agreement(conn: Connection, agreement_id: UUID, *, now: datetime, within: str) -> Agreement:
    """An agreement ends early, by an officer whose area holds its area. Raises as `domain.end_early` does, or
    `AgreementUnknown`."""
    partner, agreement = await _lock(conn, agreement_id)
    if not areas.contains(within, agreement.area):
        raise AgreementUnknown(agreement_id)
    ended, event = domain.end_early(agreement, day_in_jakarta(now))
    await store.save_agreement(conn, ended)
    await cancel_timer(conn, TIMER, str(agreement_id))
    await _tell(conn, partner, event, now)
    return ended


async def lapse_agreement(conn: Connection, key: str, now: datetime) -> None:
    """Timer: an agreement ran out."""
    partner, agreement = await _lock(conn, UUID(key))
    lapsed = domain.lapse(agreement, day_in_jakarta(now))
    if lapsed is None:
        return
    await store.save_agreement(conn, lapsed[0])
    await _tell(conn, partner, lapsed[1], now)


async def _lock(conn: Connection, agreement_id: UUID) -> tuple[Partner, Agreement]:
    agreement = await store.find_agreement(conn, agreement_id)
    if agreement is None:
        raise AgreementUnknown(agreement_id)
    partner = await store.lock_partner(conn, agreement.partner_id)
    agreement = await store.find_agreement(conn, agreement_id)
    if partner is None or agreement is None:
        raise AgreementUnknown(agreement_id)
    return partner, agreement


async def _tell(conn: Connection, partner: Partner, event: PartnerEvent, now: datetime) -> None:
    counted = replace(partner, version=partner.version + 1)
    await store.save_version(conn, counted)
    await record(conn, [Fact(event, counted.version)], now=now)
