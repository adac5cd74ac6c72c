"""People are erased."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from services.notify.domain import delivery as domain
from services.notify.handlers.delivery import save_settlements
from services.notify.store import delivery, erasures
from services.notify.store.erasures import PEOPLE
from shared import families
from shared.db import Connection
from shared.events.rights import NotifyDataErased, VendorErased
from shared.outbox import Fact, record


async def erase_vendors(conn: Connection, events: Sequence[VendorErased], *, now: datetime) -> None:
    """Erase these ids, each once: what has not left never does, and nothing follows. Answers for each with what was
    erased and what stays without the person; the person itself hears nothing, for there is no address any more.
    """
    fresh = await families.add_erased(conn, PEOPLE, events, now=now)
    vendor_ids = [event.vendor_id for event in fresh]
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
