"""People are erased."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.notify.domain import delivery as domain
from services.notify.handlers.changes import ROUTE_ANEW, take_apart
from services.notify.handlers.delivery import save_settlements
from services.notify.store import changes, delivery, erasures
from services.notify.store.erasures import PEOPLE
from shared import families
from shared.db import Connection
from shared.events.rights import NotifyDataErased, VendorErased
from shared.outbox import Fact, record
from shared.timers import set_timer


async def erase_vendors(conn: Connection, events: Sequence[VendorErased], *, now: datetime) -> None:
    """Erase these ids, each once: what has not left never does, and nothing follows. Answers for each with what was
    erased and what stays without the person; the person itself hears nothing, for there is no address any more.
    """
    fresh = await families.add_erased(conn, PEOPLE, events, now=now)
    vendor_ids = [event.vendor_id for event in fresh]
    await _stop_digests(conn, vendor_ids, now)
    unsent = await delivery.lock_unsent(conn, vendor_ids)
    await save_settlements(conn, [domain.drop(one) for one in unsent], now)
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


async def _stop_digests(conn: Connection, vendor_ids: Sequence[UUID], now: datetime) -> None:
    """No digest tells another id of the person what was for these, and none that did keeps their words. Locks all of
    their messages.
    """
    digests = await changes.lock_everything(conn, vendor_ids)
    if not digests:
        return
    await changes.mark(conn, digests)
    if not await take_apart(conn, vendor_ids, now=now):
        for vendor_id in vendor_ids:
            await set_timer(conn, ROUTE_ANEW, str(vendor_id), now)
    await changes.remove_words(conn, digests)
