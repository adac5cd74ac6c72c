"""Sales: reported, corrected, queried where they are far from what is usual, and confirmed."""

from datetime import date, datetime, timedelta
from uuid import UUID

from services.bazaar.domain import sales as domain
from services.bazaar.domain.application import Application, ApplicationUnknown
from services.bazaar.domain.bazaar import Bazaar
from services.bazaar.domain.sales import (
    Figures,
    NoQueryOpen,
    Origin,
    ReportSales,
    SalesAlreadyReported,
    SalesUnknown,
)
from services.bazaar.handlers.applications import keep
from services.bazaar.store import applications, bazaars, days
from services.bazaar.store import sales as store
from services.bazaar.store.sales import SalesRow
from shared import families
from shared.clock import JAKARTA, day_in_jakarta
from shared.db import Connection


async def report_sales(
    conn: Connection, application_id: UUID, command: ReportSales, *, origin: Origin, now: datetime
) -> list[str]:
    """The first report of a day at a booth that was checked in on it. Gives the codes for which it is queried."""
    application, bazaar, before = await _open(conn, application_id, command, now)
    if before is not None:
        raise SalesAlreadyReported(
            f"Sales of {command.day.isoformat()} were reported before; correct them.", day=str(command.day)
        )
    return await _enter(conn, application, bazaar, command, 1, origin, now)


async def correct_sales(
    conn: Connection, application_id: UUID, command: ReportSales, *, origin: Origin, now: datetime
) -> list[str]:
    """Other figures for a day; those before are kept as history. Said again, the same figures change nothing."""
    application, bazaar, before = await _open(conn, application_id, command, now)
    if before is None:
        raise SalesUnknown(f"Nothing was reported for {command.day.isoformat()} yet.", day=str(command.day))
    if before.figures == _figures(command):
        return before.queried_because
    return await _enter(conn, application, bazaar, command, before.report + 1, origin, now)


async def enter_sales(
    conn: Connection, application_id: UUID, command: ReportSales, *, origin: Origin, now: datetime
) -> list[str]:
    """Report a day, or correct it where it was reported: what is entered holds. The same figures change nothing."""
    application, bazaar, before = await _open(conn, application_id, command, now)
    if before is not None and before.figures == _figures(command):
        return before.queried_because
    report = 1 if before is None else before.report + 1
    return await _enter(conn, application, bazaar, command, report, origin, now)


def _figures(command: ReportSales) -> Figures:
    return Figures(command.turnover_rupiah, command.transactions, command.units)


async def _open(
    conn: Connection, application_id: UUID, command: ReportSales, now: datetime
) -> tuple[Application, Bazaar, SalesRow | None]:
    application = await applications.lock_application(conn, application_id)
    bazaar = await bazaars.find_bazaar(conn, application.bazaar_id)
    checked_in = bool(await days.find_check_ins(conn, [application_id], command.day))
    domain.require_sold(application, bazaar, command.day, day_in_jakarta(now), checked_in=checked_in)
    return application, bazaar, await store.find_sales(conn, application_id, command.day)


async def _enter(
    conn: Connection,
    application: Application,
    bazaar: Bazaar,
    command: ReportSales,
    report: int,
    origin: Origin,
    now: datetime,
) -> list[str]:
    family = await families.find_family(conn, application.vendor_id)
    comparisons = await store.find_comparisons(conn, application.application_id, family, command.day)
    because = domain.unusual(_figures(command), comparisons)
    await store.add_report(conn, application.application_id, command, report, origin, because, now=now)
    reported = domain.report(application, command)
    await keep(conn, [reported], now=now)
    if because:
        await keep(conn, [domain.query(reported.after, bazaar, command.day, because[0])], now=now)
    return because


async def confirm_sales(conn: Connection, application_id: UUID, day: date, *, origin: Origin, now: datetime) -> None:
    """Figures that were queried are right: they count from now on."""
    await applications.lock_application(conn, application_id)
    before = await store.find_sales(conn, application_id, day)
    if before is None:
        raise SalesUnknown(f"Nothing was reported for {day.isoformat()} yet.", day=str(day))
    if not before.queried_because:
        raise NoQueryOpen(f"Nobody doubts the sales of {day.isoformat()}.", day=str(day))
    await store.confirm_sales(conn, application_id, day, origin, now=now)


async def make_link(conn: Connection, application_id: UUID, *, link_id: UUID, now: datetime) -> datetime:
    """A link by which the vendor reports its sales without signing in; until when it is good. An older one ends."""
    application = await applications.lock_application(conn, application_id)
    held = application.offer
    if held is None or application.state not in ("confirmed", "attended"):
        raise ApplicationUnknown("Only a confirmed booth has sales to report.", state=application.state)
    bazaar = await bazaars.find_bazaar(conn, application.bazaar_id)
    last_day = bazaar.site(held.site_id).days[-1]
    expires_at = datetime.combine(last_day + timedelta(days=domain.REPORT_DAYS_AFTER + 1), datetime.min.time(), JAKARTA)
    await store.save_link(conn, application_id, link_id, expires_at)
    return expires_at
