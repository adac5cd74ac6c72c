"""Erasure of a person: everything of the registry in one transaction, then the receipts of the others as they come."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from services.vendor.domain import erasure as domain
from services.vendor.domain.erasure import Erasure, Receipt
from services.vendor.handlers.vendors import lock_vendor, save_vendor
from services.vendor.store import erasure as store
from services.vendor.store import vendors
from services.vendor.store.audit import add_entry
from services.vendor.store.corrections import collect_corrections
from services.vendor.store.merging import collect_merges, find_family
from services.vendor.store.person import NOUNS
from shared.crypto import Sealer
from shared.db import Connection
from shared.errors import Conflict
from shared.events.vendor import ContactCard, RegisterVendor
from shared.ids import new_id
from shared.outbox import record_tombstone
from shared.timers import set_timer

__all__ = ["TIMER", "erase_person", "find_letters_of", "follow_topic", "note_commands_deleted", "note_receipt"]

TIMER = "erasure-topic"
LOOK_FIRST_AFTER = timedelta(minutes=1)
LOOK_AGAIN_AFTER = timedelta(minutes=10)
LETTERS_AT_ONCE = 200


async def erase_person(
    conn: Connection,
    vendor_id: UUID,
    *,
    origin: domain.ErasureOrigin,
    reason: str,
    actor: str,
    now: datetime,
    sealer: Sealer,
    within: str | None = None,
) -> Erasure:
    """Erase the person behind this registration and all that were merged with it; gives the erasure that leads.

    Raises as `lock_vendor` does (a merged registration may be named too), `Conflict` when the person's registrations
    are being merged at this moment.
    """
    family = await find_family(conn, vendor_id)
    for one in sorted(family):  # in one order, so that two who lock the same family never deadlock
        await vendors.lock_vendor(conn, one)
    await lock_vendor(conn, vendor_id, within, retired=True)
    if set(await find_family(conn, vendor_id)) != set(family):
        raise Conflict("This person's registrations were merged or parted at this moment; ask again.")

    letters = await find_letters_of(conn, family, sealer)
    counts: Counter[str] = Counter()
    for noun in NOUNS:
        counts.update(await noun.erase(conn, family))
    leads = new_id()
    if letters:
        counts["dead_letters"] = await store.wipe_letters(
            conn, [one.letter_id for one in letters], f"erasure {leads}", now
        )
    for position, one in enumerate(family):
        vendor = await vendors.lock_vendor(conn, one)
        assert vendor is not None
        stripped = domain.strip(vendor, now)
        erasure = Erasure(
            erasure_id=leads if position == 0 else new_id(),
            leads=leads,
            vendor_id=one,
            origin=origin,
            reason=reason,
            erased_at=now,
            due_at=now + domain.DUE_WITHIN,
            card_version=stripped.card_version,
        )
        await store.strip_vendor(conn, stripped)
        await store.add_erasure(conn, erasure)
        await record_tombstone(conn, ContactCard, str(one), stripped.card_version, now=now)
        await save_vendor(conn, stripped, stripped, [domain.erased_event(erasure)], now=now)
        found = {"registrations": 1, **(counts if position == 0 else {})}
        own = Receipt("vendor", {kind: count for kind, count in found.items() if count}, {"statistics": 1}, now)
        await store.add_receipt(conn, erasure.erasure_id, own)
        await set_timer(conn, TIMER, str(erasure.erasure_id), now + LOOK_FIRST_AFTER)
        await add_entry(conn, actor, "erased", one, {"erasure_id": str(erasure.erasure_id), "reason": reason}, now)
        if position == 0:
            first = erasure
    return first


async def find_letters_of(conn: Connection, vendor_ids: Sequence[UUID], sealer: Sealer) -> list[store.Letter]:
    """Dead letters of the command topic that name this person: by NIK, phone or email, in body, key or headers."""
    wanted = await _traces(conn, vendor_ids, sealer)
    found: list[store.Letter] = []
    last = UUID(int=0)
    while letters := await store.find_letters(conn, RegisterVendor.topic, last, LETTERS_AT_ONCE):
        found += [one for one in letters if domain.mentions(_content(one, sealer), wanted)]
        last = letters[-1].letter_id
    return found


async def _traces(conn: Connection, vendor_ids: Sequence[UUID], sealer: Sealer) -> list[str]:
    """By what this person is found: as it is registered, and as it was before corrections and merges."""
    known: list[Mapping[str, str | None]] = []
    for vendor_id in vendor_ids:
        kept = await vendors.find_vendor(conn, vendor_id)
        if kept is not None and kept.nik_sealed is not None:
            nik = sealer.open(kept.nik_sealed, vendor_id.bytes).decode()
            known.append({"nik": nik, "phone": kept.vendor.phone, "email": kept.vendor.email})
    for correction in (await collect_corrections(conn, vendor_ids, sealer=sealer))["corrections"]:
        before_and_after = range(2)
        known += [{field: pair[n] for field, pair in correction["values"].items()} for n in before_and_after]
    for merge in (await collect_merges(conn, vendor_ids, sealer=sealer))["merges"]:
        known += [merge.get(name, {}) for name in ("values_replaced", "values_taken", "retired_contact")]
    found = {trace for one in known for trace in domain.traces(one.get("nik"), one.get("phone"), one.get("email"))}
    return sorted(found)


def _content(letter: store.Letter, sealer: Sealer) -> bytes:
    """Everything the sender wrote: key, headers and body."""
    headers = b"\n".join(store.header_bytes(value) for _, value in letter.headers)
    return b"\n".join((letter.key or b"", headers, sealer.open(letter.value, letter.letter_id.bytes)))


async def note_receipt(conn: Connection, erasure_id: UUID, receipt: Receipt, *, now: datetime) -> bool:
    """Keep what a service answered; False when nobody asked, or it answered before."""
    added = await store.add_receipt(conn, erasure_id, receipt)
    if added:
        await _complete(conn, erasure_id, now)
    return added


async def note_commands_deleted(conn: Connection, erasure_ids: Sequence[UUID], *, now: datetime) -> None:
    """The commands that were consumed when these erasures stood have left their topic."""
    for erasure_id in sorted(erasure_ids):
        erasure = await store.lock_erasure(conn, erasure_id)
        if erasure is not None and erasure.commands_deleted_at is None:
            await store.save_erasure(conn, replace(erasure, commands_deleted_at=now))
            await _complete(conn, erasure_id, now)


async def follow_topic(conn: Connection, key: str, now: datetime) -> None:
    """See that the old contact cards leave their topic: the timer of an erasure, in three steps.

    The tombstone must have left the outbox; later than a segment of the topic lives a second one is written, which
    closes the segment that holds the cards and the first; when that has left too, compaction does the rest.
    """
    erasure = await store.lock_erasure(conn, UUID(key))
    assert erasure is not None
    if await store.count_unsent(conn, ContactCard.topic, str(erasure.vendor_id)):
        await set_timer(conn, TIMER, key, now + LOOK_AGAIN_AFTER)
    elif erasure.published_at is None:
        await store.save_erasure(conn, replace(erasure, published_at=now))
        await set_timer(conn, TIMER, key, now + domain.SECOND_TOMBSTONE_AFTER)
    elif erasure.repeated_at is None:
        vendor = await vendors.lock_vendor(conn, erasure.vendor_id)
        assert vendor is not None
        again = replace(vendor, card_version=vendor.card_version + 1)
        await record_tombstone(conn, ContactCard, str(again.vendor_id), again.card_version, now=now)
        await vendors.save_vendor(conn, again)
        await store.save_erasure(conn, replace(erasure, repeated_at=now, card_version=again.card_version))
        await set_timer(conn, TIMER, key, now + LOOK_FIRST_AFTER)
    else:
        await store.save_erasure(conn, replace(erasure, sealed_at=now))
        await _complete(conn, erasure.erasure_id, now)


async def _complete(conn: Connection, erasure_id: UUID, now: datetime) -> None:
    """Write the receipt once everything is in, tell of it, and put its hash into the audit log."""
    erasure = await store.lock_erasure(conn, erasure_id)
    assert erasure is not None
    receipts = (await store.find_receipts(conn, [erasure_id]))[erasure_id]
    if erasure.completed_at is not None or domain.missing(erasure, receipts):
        return
    done = domain.write_receipt(erasure, receipts, now)
    await store.save_erasure(conn, done)
    vendor = await vendors.lock_vendor(conn, erasure.vendor_id)
    assert vendor is not None
    await save_vendor(conn, vendor, vendor, [domain.completed(done)], now=now)
    detail = {"erasure_id": str(erasure_id), "receipt_sha256": done.receipt_sha256}
    await add_entry(conn, "registry", "erasure-completed", erasure.vendor_id, detail, now)
