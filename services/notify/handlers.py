"""What notify does with each message and each outcome: load, decide, save, record. The edge owns the transaction."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.notify import domain
from services.notify.domain import Cause, Draft, NotificationNotFound, Outcome, Settlement, SettleNotification
from services.notify.rendering import current_templates
from services.notify.store import copies, delivery, erasures, intents
from services.notify.store.delivery import Ended, Start
from services.notify.store.erasures import PEOPLE
from shared import families
from shared.db import Connection
from shared.events.envelope import Event
from shared.events.rights import NotifyDataErased, VendorErased
from shared.events.training import OrganisationCard
from shared.events.vendor import ContactCard, VendorMoved, VendorRegistered
from shared.outbox import Fact, record

SWEEP_ROWS_MAX = 500


# --- copies


async def remember_contacts(
    conn: Connection, cards: Sequence[ContactCard | OrganisationCard], *, now: datetime
) -> None:
    """Keep the cards, and queue the messages that waited for them."""
    await families.share_people(conn, PEOPLE)
    last = {UUID(card.subject): card for card in cards}
    await copies.save_contacts(conn, list(last.values()), now)
    await intents.release_waiting(conn, list(last))


async def forget_contact(conn: Connection, vendor_id: UUID) -> None:
    """Erase how to reach a vendor. What is not yet sent to it finds no contact and is rejected."""
    await copies.remove_contact(conn, vendor_id)


async def forget_organisation(conn: Connection, party_id: UUID) -> None:
    """Forget a provider or a mentor. Texts that would have named it do not."""
    await copies.remove_organisation(conn, party_id)


async def remember_sites(conn: Connection, names: Mapping[tuple[UUID, str], str]) -> None:
    """Keep the names of locations, by bazaar and site."""
    if names:
        await copies.save_sites(conn, names)


async def remember_areas(conn: Connection, events: Sequence[VendorRegistered | VendorMoved]) -> None:
    """Keep where vendors live; of several of one vendor the last counts."""
    await copies.save_areas(conn, {event.vendor_id: event.kelurahan for event in events})


# --- people


async def erase_vendors(conn: Connection, events: Sequence[VendorErased], *, now: datetime) -> None:
    """Erase these ids, each once: what has not left never does, and nothing follows. Answers for each with what was
    erased and what stays without the person; the person itself hears nothing, for there is no address any more.
    """
    fresh = await families.add_erased(conn, PEOPLE, events, now=now)
    vendor_ids = [event.vendor_id for event in fresh]
    unsent = await delivery.lock_unsent(conn, vendor_ids)
    await _save(conn, [domain.drop(one) for one in unsent], now)
    merged = await families.part(conn, PEOPLE, vendor_ids)
    dropped = Counter(one.vendor_id for one in unsent)
    receipts = []
    for event in fresh:
        vendor_id = event.vendor_id
        counts = await erasures.erase_vendor(conn, vendor_id, now=now)
        receipt = NotifyDataErased(
            erasure_id=event.erasure_id,
            vendor_id=vendor_id,
            erased={"unsent_messages": dropped[vendor_id], "merges": int(vendor_id in merged), **counts.erased},
            kept=counts.kept,
        )
        receipts.append(Fact(receipt, 1))
    await record(conn, receipts, now=now)


# --- intents


async def plan_notifications(conn: Connection, events: Sequence[tuple[Event, Cause]], *, now: datetime) -> None:
    """Write down who is to be told of these events, and with which version of which text.

    A person with several ids is told once for one cause; somebody who is erased, nothing.
    """
    if any(event.topic != VendorErased.topic for event, _ in events):
        await families.share_people(conn, PEOPLE)
    bazaar_ids = {bazaar_id for event, _ in events if (bazaar_id := getattr(event, "bazaar_id", None))}
    sites = await copies.find_sites(conn, list(bazaar_ids)) if bazaar_ids else {}
    wanted = [domain.draft(event, cause, sites, now) for event, cause in events]
    drafts = await _told_once(conn, [draft for draft in wanted if draft is not None])
    if not drafts:
        return
    templates = [current_templates()[name] for name in sorted({draft.template for draft in drafts})]
    await intents.save_template_versions(conn, templates, now)
    versions = {template.name: template.version for template in templates}
    await intents.add_notifications(conn, drafts, versions, now)


async def _told_once(conn: Connection, drafts: Sequence[Draft]) -> list[Draft]:
    persons = await families.find_persons(conn, [draft.vendor_id for draft in drafts])
    if not persons:
        return list(drafts)
    of_families = [draft for draft in drafts if draft.vendor_id in persons]
    told = await intents.find_told(conn, of_families)
    once = domain.told_once(drafts, persons)
    return [draft for draft in once if draft.cause.event_id not in told]


# --- delivery


class End(NamedTuple):
    """An attempt and its outcome."""

    notification_id: UUID
    attempt_id: UUID
    outcome: Outcome


async def begin_attempts(
    conn: Connection, starts: Sequence[Start], *, lease_seconds: float, now: datetime
) -> set[UUID]:
    """Record attempts before their calls; the notifications that may be sent now."""
    return await delivery.begin_attempts(conn, starts, lease_seconds=lease_seconds, now=now)


async def end_attempts(
    conn: Connection, ends: Sequence[End], *, now: datetime, chance: Callable[[], float] = random.random
) -> None:
    """Record outcomes, settle their notifications and tell of it. An outcome that came too late to count is dropped."""
    by_id = {end.notification_id: end for end in ends}
    standings = await delivery.lock_attempted(conn, list(by_id), [end.attempt_id for end in by_id.values()])
    settlements = [domain.settle(one, by_id[one.id].outcome, chance=chance()) for one in standings]
    await delivery.end_attempts(conn, [_ended(by_id[one.id]) for one in standings], now)
    await _save(conn, settlements, now)


async def settle_lost(conn: Connection, *, now: datetime) -> int:
    """Attempts whose lease lapsed without an outcome: unknown, and listed. How many."""
    lost = await delivery.lock_lost(conn, SWEEP_ROWS_MAX)
    await delivery.lose_attempts(conn, [one.id for one in lost], now)
    await _save(conn, [domain.lose(one, "lease-lapsed") for one in lost], now)
    return len(lost)


async def expire_overdue(conn: Connection, *, now: datetime) -> int:
    """Messages that have not left by their deadline: expired. How many."""
    overdue = await delivery.lock_overdue(conn, now, SWEEP_ROWS_MAX)
    await _save(conn, [domain.expire(one) for one in overdue], now)
    return len(overdue)


async def release_reachable(conn: Connection) -> int:
    """Queue what waits though the contact card is there (card and event were written side by side). How many."""
    return await intents.release_reachable(conn)


async def settle_by_hand(
    conn: Connection, notification_id: UUID, command: SettleNotification, *, by: str, now: datetime
) -> Settlement:
    """Settle an unknown notification by what an operator found out. Raises `NotificationNotFound`, `NotUnknown`."""
    found = await delivery.lock_notification(conn, notification_id)
    if found is None:
        raise NotificationNotFound("No notification has this id.", notification_id=str(notification_id))
    standing, attempt_id = found
    settlement = domain.settle_by_hand(standing, command)
    if attempt_id is not None:
        outcome = "accepted" if command.outcome == "sent" else "deferred"
        await delivery.note_attempt(conn, attempt_id, outcome, f"{by}: {command.reason}", now)
    await _save(conn, [settlement], now)
    return settlement


async def _save(conn: Connection, settlements: Sequence[Settlement], now: datetime) -> None:
    if not settlements:
        return
    await delivery.save_settlements(conn, settlements, now)
    facts = [Fact(one.event, one.version) for one in settlements if one.event is not None]
    await record(conn, facts, now=now)


def _ended(end: End) -> Ended:
    return Ended(end.attempt_id, type(end.outcome).__name__.lower(), end.outcome.code)
