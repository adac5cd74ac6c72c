"""The days of the bazaar: check-in by list, and settling it afterwards."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from services.bazaar.domain import application as applications
from services.bazaar.domain import days as domain
from services.bazaar.domain.application import Application, ApplicationUnknown, Step
from services.bazaar.handlers import ledger
from services.bazaar.handlers.applications import keep
from services.bazaar.handlers.offers import lapse_expired
from services.bazaar.store import applications as store
from services.bazaar.store import bazaars
from services.bazaar.store import days as rows
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.errors import Refused
from shared.outbox import Fact, record


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
    already = await rows.find_check_ins(conn, wanted, day)
    given_away = await rows.find_given_away(conn, wanted)
    steps: list[Step] = []
    refused: list[RefusedCheckIn] = []
    for application_id in wanted:
        if application_id not in already:
            try:
                application = of_bazaar(found.get(application_id), bazaar_id)
                steps.append(domain.check_in(application, bazaar, day, given_away=application_id in given_away))
            except Refused as error:
                refused.append(RefusedCheckIn(application_id, error.code, error.message))
    await keep_check_ins(conn, found.values(), [(step, now) for step in steps], now=now)
    return CheckIns(len(steps), len(already), refused)


def of_bazaar(application: Application | None, bazaar_id: UUID) -> Application:
    """The application, if it is one to this bazaar. Raises `ApplicationUnknown`."""
    if application is None or application.bazaar_id != bazaar_id:
        raise ApplicationUnknown("This bazaar has no such application.")
    return application


async def keep_check_ins(
    conn: Connection,
    before: Collection[Application],
    steps: Sequence[tuple[Step, datetime]],
    *,
    now: datetime,
) -> None:
    """Save check-ins, each with the moment at which it was made, one of each application.

    Whoever of `before` was taken for absent has come after all, so its no-show is taken out of the ledger.
    """
    came = {step.after.application_id for step, _ in steps}
    returned = [one.application_id for one in before if one.state == "missed" and one.application_id in came]
    if returned:
        await ledger.withdraw_no_shows(conn, returned)
    moments = {(step.after.application_id, step.event.model_dump()["day"]): moment for step, moment in steps}
    await rows.save_check_ins(conn, moments)
    await keep(conn, [step for step, _ in steps], now=now)


async def finish_bazaar(conn: Connection, bazaar_id: UUID, *, now: datetime) -> Finished:
    """The bazaar is over: who confirmed and never came has missed it; an offer still open has lapsed.

    An online bazaar has no gate at which anybody could be missed: who confirmed took part.
    """
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    after = domain.finish(bazaar, day_in_jakarta(now))
    await lapse_expired(conn, bazaar, now=now)
    if bazaar.setting == "physical":
        absent = await store.lock_in_state(conn, bazaar_id, "confirmed")
        await keep(conn, [applications.miss(application, bazaar) for application in absent], now=now)
        await ledger.enter_no_shows(conn, absent, now=now)
    await bazaars.save_bazaar(conn, after)
    attended = await store.count_in_state(conn, bazaar_id, "attended")
    if bazaar.setting == "online":
        attended += await store.count_in_state(conn, bazaar_id, "confirmed")
    finished = Finished(attended, await store.count_in_state(conn, bazaar_id, "missed"))
    await record(conn, [Fact(domain.held(after, finished.attended, finished.missed), after.version)], now=now)
    return finished
