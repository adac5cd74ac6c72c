"""The days of the bazaar: check-in, sales, and settling it afterwards."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from services.bazaar.domain import application as applications
from services.bazaar.domain import days as domain
from services.bazaar.domain.application import Application, ApplicationUnknown, Step
from services.bazaar.domain.days import ReportSales, SalesAlreadyReported
from services.bazaar.handlers.applications import keep
from services.bazaar.handlers.offers import lapse_expired
from services.bazaar.store import applications as store
from services.bazaar.store import bazaars
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.errors import Refused


class RefusedCheckIn(NamedTuple):
    """One application that could not be checked in, and why."""

    application_id: UUID
    code: str
    reason: str


class CheckIns(NamedTuple):
    """What became of a list of check-ins."""

    checked_in: int
    already: int
    refused: list[RefusedCheckIn]


class Finished(NamedTuple):
    """How a bazaar ended."""

    attended: int
    missed: int


async def check_in(
    conn: Connection, bazaar_id: UUID, day: date, application_ids: Sequence[UUID], *, now: datetime
) -> CheckIns:
    """Vendors stand at their booths on this day. A repeated check-in changes nothing; who cannot is told one by one."""
    bazaar = await bazaars.share_bazaar(conn, bazaar_id)
    bazaar.require("allocated", "check in its booths")
    domain.require_day(bazaar, day, day_in_jakarta(now))
    wanted = sorted(set(application_ids))
    found = {one.application_id: one for one in await store.lock_applications(conn, wanted)}
    already = await store.find_check_ins(conn, wanted, day)
    steps: list[Step] = []
    refused: list[RefusedCheckIn] = []
    for application_id in wanted:
        if application_id not in already:
            try:
                steps.append(domain.check_in(_of_bazaar(found.get(application_id), bazaar_id), day))
            except Refused as error:
                refused.append(RefusedCheckIn(application_id, error.code, error.message))
    await store.add_check_ins(conn, [step.after.application_id for step in steps], day, now=now)
    await keep(conn, steps, now=now)
    return CheckIns(len(steps), len(already), refused)


def _of_bazaar(application: Application | None, bazaar_id: UUID) -> Application:
    if application is None or application.bazaar_id != bazaar_id:
        raise ApplicationUnknown("This bazaar has no such application.")
    return application


async def report_sales(conn: Connection, application_id: UUID, command: ReportSales, *, now: datetime) -> None:
    """Turnover of one day at a booth that was checked in on it."""
    application = await store.lock_application(conn, application_id)
    checked_in = bool(await store.find_check_ins(conn, [application_id], command.day))
    step = domain.report_sales(application, command, checked_in=checked_in)
    added = await store.add_sales(
        conn, application_id, command.day, command.turnover_rupiah, command.transactions, now=now
    )
    if not added:
        raise SalesAlreadyReported(f"Sales of {command.day.isoformat()} were reported before.", day=str(command.day))
    await keep(conn, [step], now=now)


async def finish_bazaar(conn: Connection, bazaar_id: UUID, *, now: datetime) -> Finished:
    """The bazaar is over: who confirmed and never came has missed it; an offer still open has lapsed."""
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    after = domain.finish(bazaar, day_in_jakarta(now))
    await lapse_expired(conn, bazaar, now=now)
    absent = await store.lock_in_state(conn, bazaar_id, "confirmed")
    await keep(conn, [applications.miss(application, bazaar) for application in absent], now=now)
    await bazaars.save_bazaar(conn, after)
    return Finished(await store.count_in_state(conn, bazaar_id, "attended"), len(absent))
