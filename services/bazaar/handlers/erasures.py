"""What we do when people are erased: give back what they have not used, erase what is kept, and say what was done."""

from collections.abc import Sequence
from datetime import datetime

from services.bazaar.handlers.offers import release_erased
from services.bazaar.store import applications, bazaars
from services.bazaar.store import erasures as store
from services.bazaar.store.erasures import PEOPLE
from shared import families
from shared.db import Connection
from shared.events.rights import BazaarDataErased, VendorErased
from shared.outbox import Fact, record


async def erase_vendors(conn: Connection, events: Sequence[VendorErased], *, now: datetime) -> None:
    """Erase these ids, each once, and answer for each with what was erased and what stays without the person.

    One transaction at a time, and all of them together, step by step: vendors, then bazaars in order, as an application
    locks them. Else two who are erased in the same bazaars could wait for each other.
    """
    fresh = await families.add_erased(conn, PEOPLE, events, now=now)
    vendor_ids = [event.vendor_id for event in fresh]
    # first of all, so that no application can come in behind our back
    known = await store.remove_vendors(conn, vendor_ids)
    merged = await families.part(conn, PEOPLE, vendor_ids)
    for bazaar_id in await applications.find_bazaars_of(conn, vendor_ids):
        await release_erased(conn, await bazaars.lock_bazaar(conn, bazaar_id), now=now)
    receipts = []
    for event in fresh:
        counts = await store.erase_vendor(conn, event.vendor_id, now=now)
        found = {"vendor_copies": int(event.vendor_id in known), "merges": int(event.vendor_id in merged)}
        receipt = BazaarDataErased(
            erasure_id=event.erasure_id,
            vendor_id=event.vendor_id,
            erased={**found, **counts.erased},
            kept=counts.kept,
        )
        receipts.append(Fact(receipt, 1))
    await record(conn, receipts, now=now)
