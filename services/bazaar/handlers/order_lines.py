"""Importing a marketplace's sales file: each order line once, and the sums of each vendor's days as its sales."""

import asyncio
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.bazaar.domain import order_lines as domain
from services.bazaar.domain.bazaar import Bazaar
from services.bazaar.domain.order_lines import Assessed, Changes, Matching
from services.bazaar.domain.sales import ReportSales
from services.bazaar.handlers.sales import enter_sales
from services.bazaar.sales_files import SalesFile
from services.bazaar.store import applications, bazaars, storefronts
from services.bazaar.store import order_lines as store
from services.bazaar.store.order_lines import DaySum
from shared.clock import day_in_jakarta
from shared.db import Connection


class Imported(NamedTuple):
    """A file as it was understood, and what it changes. `days`: vendors' days whose sums are new."""

    assessed: Assessed
    changes: Changes
    days: int


async def preview_import(
    conn: Connection, bazaar_id: UUID, marketplace: str, shop: str | None, file: SalesFile, *, now: datetime
) -> Imported:
    """What importing this file would do; nothing is written."""
    bazaar = await bazaars.find_bazaar(conn, bazaar_id)
    return await _understand(conn, bazaar, marketplace, shop, file, now)


async def import_sales(
    conn: Connection,
    bazaar_id: UUID,
    marketplace: str,
    shop: str | None,
    file: SalesFile,
    *,
    import_id: UUID,
    now: datetime,
) -> Imported:
    """Take the lines that can be taken. The bazaar is locked, so that two imports of one file cannot both add it."""
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    found = await _understand(conn, bazaar, marketplace, shop, file, now)
    lines = len(file.lines) + len(file.faults)
    await store.add_import(
        conn,
        import_id,
        bazaar_id,
        marketplace,
        lines=lines,
        changes=found.changes,
        rejected=len(found.assessed.faults),
        now=now,
    )
    await store.save_entries(conn, import_id, bazaar_id, marketplace, found.changes.written)
    await applications.lock_applications(conn, sorted({application_id for application_id, _ in found.changes.touched}))
    for one in await store.sum_days(conn, found.changes.touched):
        await enter_sales(conn, one.application_id, _report(one), origin="import", now=now)
    return found


async def _understand(
    conn: Connection, bazaar: Bazaar, marketplace: str, shop: str | None, file: SalesFile, now: datetime
) -> Imported:
    domain.require_sales_time(bazaar)
    shops = await storefronts.find_shops(conn, bazaar.bazaar_id, marketplace)
    known = await store.find_entries(conn, bazaar.bazaar_id, marketplace, [line.sha256 for line in file.lines])
    sellers = await applications.lock_applications(conn, sorted(one.application_id for one in shops))
    by_id = {one.application_id: one for one in sellers}
    today = day_in_jakarta(now)

    def understand() -> tuple[Assessed, Changes]:
        assessed = domain.assess(bazaar, file.lines, file.faults, Matching(shops, shop), by_id, known, today)
        return assessed, domain.compare(assessed.entries, known)

    # in a thread: a file of 100,000 lines would hold the event loop for half a second
    assessed, changes = await asyncio.to_thread(understand)
    return Imported(assessed, changes, len(changes.touched))


def _report(one: DaySum) -> ReportSales:
    if not one.amount_rupiah:
        return ReportSales(day=one.day, turnover_rupiah=0, transactions=0, units=0)
    return ReportSales(day=one.day, turnover_rupiah=one.amount_rupiah, transactions=one.orders, units=one.pieces)
