"""What people want to hear: wishes, stops, consent, addresses that are not written to.

A wish holds for what waits already: the person's messages that have not begun to leave are decided anew in the same
transaction (`changes`).

Locks are taken in one order: the people of this service (shared), the person, its messages by their ids, its wishes.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.notify.domain import wishes as domain
from services.notify.domain.routing import address_key, addresses
from services.notify.domain.wishes import (
    NO_WISHES,
    AddressMissing,
    AddSuppression,
    ChangeWishes,
    LiftReason,
    Outward,
    SuppressionLifted,
    SuppressionNotFound,
    SuppressionReason,
    Told,
    VendorNotKnown,
    Voice,
    Wish,
    Wishes,
)
from services.notify.handlers.changes import reconsider
from services.notify.plans import TOPICS, Topic
from services.notify.store import changes, lookups
from services.notify.store import wishes as store
from services.notify.store.erasures import PEOPLE
from services.notify.store.wishes import Address, Said
from shared import families
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.notify import Channel, MessagesResumed, MessagesStopped
from shared.outbox import Fact, record

LEADS_NOWHERE: tuple[SuppressionReason, ...] = ("unreachable", "invalid")


async def change_wishes(
    conn: Connection, vendor_id: UUID, command: ChangeWishes, *, by: Voice, actor: str | None, now: datetime
) -> Wishes:
    """A person says what it wants, or an officer for it; its wishes after that. Raises `VendorNotKnown`."""
    named = command.model_fields_set & {"channels", "language", "digest"}
    return await _change(
        conn,
        vendor_id,
        command.wishes(),
        by=by,
        now=now,
        named={name: getattr(command, name) for name in named},
        actor=actor,
        because=command.because,
    )


async def end_messages(
    conn: Connection, vendor_id: UUID, topics: Sequence[Topic], channel: Outward, *, by: Voice, now: datetime
) -> Wishes:
    """A person wants these topics no more on this channel. Raises `VendorNotKnown`."""
    return await _change(conn, vendor_id, [Wish(topic, channel, False) for topic in topics], by=by, now=now)


async def choose_topics(
    conn: Connection, vendor_id: UUID, topics: Sequence[Topic], channel: Outward, *, by: Voice, now: datetime
) -> Wishes:
    """A person wants just these topics on this channel. Raises `VendorNotKnown`."""
    return await _change(conn, vendor_id, [Wish(one, channel, one in topics) for one in TOPICS], by=by, now=now)


async def _change(
    conn: Connection,
    vendor_id: UUID,
    wishes: Sequence[Wish],
    *,
    by: Voice,
    now: datetime,
    named: dict[str, object] | None = None,
    actor: str | None = None,
    because: str | None = None,
) -> Wishes:
    members, locked = await _hold(conn, vendor_id)
    before = (await store.find_wishes(conn, {vendor_id: members})).get(vendor_id, NO_WISHES)
    news = domain.changed(before, wishes)
    preferences = {
        name: value for name, value in (named or {}).items() if _plain(value) != _plain(getattr(before, name))
    }
    if not news and not preferences:
        return before
    if news:
        await store.save_wishes(conn, vendor_id, news, by, now)
    if preferences:
        await store.save_preferences(conn, vendor_id, set(preferences), preferences, now)
    await store.add_change(conn, vendor_id, by, actor, because, now)
    await _tell(conn, vendor_id, domain.changes_told(news), by, now)
    await reconsider(conn, members, locked, now=now, often="digest" in preferences)
    return (await store.find_wishes(conn, {vendor_id: members})).get(vendor_id, NO_WISHES)


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


async def find_wishes(conn: Connection, vendor_id: UUID) -> Wishes:
    """What a person wants, over all its ids. Raises `VendorNotKnown`."""
    await _require_known(conn, vendor_id)
    members = await store.find_members(conn, [vendor_id])
    return (await store.find_wishes(conn, members)).get(vendor_id, NO_WISHES)


async def has_consented(conn: Connection, vendor_id: UUID) -> bool:
    """Whether a person consented to news, by the registry's last word."""
    members = await store.find_members(conn, [vendor_id])
    return vendor_id in await store.find_consented(conn, members)


async def remember_consents(conn: Connection, said: Sequence[Said], *, now: datetime) -> None:
    """The registry tells who consented to news, and who no longer does: to them what waits does not leave."""
    withdrawn = [one.vendor_id for one in said if not one.given]
    if not withdrawn:
        await store.save_consents(conn, said)
        return
    # not shared: the same transaction may come to merge or erase
    await families.lock_people(conn, PEOPLE)
    members = {one for ids in (await store.find_members(conn, withdrawn)).values() for one in ids}
    locked = await changes.lock_messages(conn, members)
    await store.save_consents(conn, said)
    await reconsider(conn, members, locked, now=now)


# --- a channel as a whole


async def stop_channel(
    conn: Connection,
    vendor_id: UUID,
    channel: Channel,
    key: bytes,
    *,
    by: Voice,
    evidence: str,
    now: datetime,
    reason: Literal["stopped", "complained"] = "stopped",
) -> bool:
    """A person wants nothing more at this address (STOP, a complaint); whether that is news. Raises `VendorNotKnown`.

    What must be told goes by other channels from now on.
    """
    members, locked = await _hold(conn, vendor_id)
    address = Address(channel, key)
    if reason in (await store.find_suppressed(conn, [address], now)).get(address, ()):
        return False
    await suppress(conn, channel, key, reason, evidence=evidence, now=now)
    await _tell(conn, vendor_id, [Told(True, _outward(channel), None)], by, now)
    await reconsider(conn, members, locked, now=now)
    return True


async def resume_channel(
    conn: Connection, vendor_id: UUID, channel: Channel, key: bytes, *, by: Voice, now: datetime
) -> bool:
    """A person wants messages at this address again (MULAI); whether it had stopped them. Raises `VendorNotKnown`.

    Only the person's own stop is lifted: an address that leads nowhere still does.
    """
    members, locked = await _hold(conn, vendor_id)
    lifted = await store.lift_suppressions(
        conn, [Address(channel, key)], "stopped", by=by, because="asked-by-person", now=now
    )
    if not lifted:
        return False
    await _tell(conn, vendor_id, [Told(False, _outward(channel), None)], by, now)
    await reconsider(conn, members, locked, now=now)
    return True


# --- addresses


async def suppress(
    conn: Connection, channel: Channel, key: bytes, reason: SuppressionReason, *, evidence: str, now: datetime
) -> UUID:
    """Write to this address no more: it leads nowhere, or its owner wants nothing. `key`: `domain.routing.address_key`;
    `evidence`: ids and codes, no words of people. The id of what stands now.

    What is queued to it already meets the provider's refusal and goes on to its next channel.
    """
    until = domain.lasts_until(reason, now)
    return await store.add_suppression(conn, Address(channel, key), reason, evidence=evidence, until=until, now=now)


async def note_reachable(conn: Connection, channel: Channel, key: bytes, *, now: datetime) -> None:
    """Somebody wrote to us from this address: whatever a provider said, it does not lead nowhere."""
    for reason in LEADS_NOWHERE:
        await store.lift_suppressions(
            conn, [Address(channel, key)], reason, by="provider", because="address-works", now=now
        )


async def suppress_by_hand(
    conn: Connection, command: AddSuppression, *, sealer: Sealer, by: str, now: datetime
) -> UUID:
    """An operator notes that an address is not to be written to. Raises `AddressMissing`, `VendorNotKnown`."""
    address = command.address
    if (address is None) == (command.vendor_id is None):
        raise AddressMissing("address, vendor_id: name one of them, not both and not neither.")
    if command.vendor_id is not None:
        contact = await lookups.find_contact(conn, command.vendor_id)
        if contact is None:
            raise VendorNotKnown("Notify has no contact of this vendor.", vendor_id=str(command.vendor_id))
        address = addresses(contact).get(command.channel)
        if address is None:
            raise AddressMissing(f"vendor_id: this vendor has no address for {command.channel}; name the address.")
    assert address is not None
    key = address_key(sealer.blind_index, command.channel, address)
    if command.vendor_id is None:
        return await suppress(conn, command.channel, key, command.reason, evidence=f"by {by}", now=now)
    members, locked = await _hold(conn, command.vendor_id)
    suppression_id = await suppress(conn, command.channel, key, command.reason, evidence=f"by {by}", now=now)
    await reconsider(conn, members, locked, now=now)
    return suppression_id


async def lift(conn: Connection, suppression_id: UUID, because: LiftReason, *, by: str, now: datetime) -> None:
    """An operator lets an address be written to again. Raises `SuppressionNotFound`, `SuppressionLifted`."""
    found = await store.lock_suppression(conn, suppression_id)
    if found is None:
        raise SuppressionNotFound("No suppression has this id.", suppression_id=str(suppression_id))
    if found["lifted_at"] is not None:
        raise SuppressionLifted("This was lifted before; the list shows by whom.", suppression_id=str(suppression_id))
    await store.lift_suppression(conn, suppression_id, by=by, because=because, now=now)


async def find_closed(conn: Connection, vendor_id: UUID, *, sealer: Sealer, now: datetime) -> dict[Outward, list[str]]:
    """The channels that reach a person by its card, each with why it is not used."""
    contact = await lookups.find_contact(conn, vendor_id)
    if contact is None:
        return {}
    keys = {
        channel: Address(channel, address_key(sealer.blind_index, channel, address))
        for channel, address in addresses(contact).items()
    }
    found = await store.find_suppressed(conn, list(keys.values()), now)
    return {channel: sorted(found.get(address, ())) for channel, address in keys.items()}


# --- means


async def _hold(conn: Connection, vendor_id: UUID) -> tuple[list[UUID], list[UUID]]:
    """Let nobody else change this person and its messages; all its ids, and what has not begun to leave."""
    await families.share_people(conn, PEOPLE)
    await _require_known(conn, vendor_id)
    members = (await store.find_members(conn, [vendor_id]))[vendor_id]
    await store.lock_person(conn, members)
    return members, await changes.lock_messages(conn, members)


async def _require_known(conn: Connection, vendor_id: UUID) -> None:
    if not await store.is_known(conn, vendor_id):
        raise VendorNotKnown("Notify knows no such vendor, or it is erased.", vendor_id=str(vendor_id))


async def _tell(conn: Connection, vendor_id: UUID, told: Sequence[Told], by: Voice, now: datetime) -> None:
    if not told:
        return
    last = await store.raise_version(conn, vendor_id, len(told))
    facts = []
    for number, one in enumerate(told, start=last - len(told) + 1):
        kind = MessagesStopped if one.stopped else MessagesResumed
        facts.append(Fact(kind(vendor_id=vendor_id, channel=one.channel, about=one.topic, by=by), number))
    await record(conn, facts, now=now)


def _outward(channel: Channel) -> Outward:
    if channel == "inbox":
        raise ValueError("the inbox is never stopped")
    return channel
