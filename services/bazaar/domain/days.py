"""The days of the bazaar: check-in, sales, and who did not come."""

from dataclasses import replace
from datetime import date
from typing import Annotated

from pydantic import Field, StrictInt

from services.bazaar.domain.application import Application, Step
from services.bazaar.domain.bazaar import Bazaar, Exact
from shared.errors import Refused
from shared.events.bazaar import BoothCheckedIn, SalesReported


class NotABazaarDay(Refused):
    """The day is none of the bazaar's, or has not come yet."""

    code = "not-a-bazaar-day"


class NotConfirmed(Refused):
    """Only a vendor that confirmed its booth can stand at it."""

    code = "not-confirmed"


class NotCheckedIn(Refused):
    """Sales belong to a day on which the vendor was at its booth."""

    code = "not-checked-in"


class SalesAlreadyReported(Refused):
    """Sales of one booth and day are reported once."""

    code = "sales-already-reported"


class BazaarNotOver(Refused):
    """A bazaar is finished after its last day."""

    code = "bazaar-not-over"


class ReportSales(Exact):
    """Command: turnover of one day at the booth."""

    day: date
    turnover_rupiah: Annotated[StrictInt, Field(gt=0, le=10**12)]
    transactions: Annotated[StrictInt, Field(gt=0, le=10**6)]


def require_day(bazaar: Bazaar, day: date, today: date) -> None:
    """Refuse a day on which the bazaar is not held, and one that has not come."""
    if day not in bazaar.days:
        raise NotABazaarDay(
            f"The bazaar is not held on {day.isoformat()}.", days=[held.isoformat() for held in bazaar.days]
        )
    if day > today:
        raise NotABazaarDay(f"{day.isoformat()} has not come yet.", today=today.isoformat())


def check_in(application: Application, day: date) -> Step:
    """The vendor stands at its booth. `day` is a held day without a check-in of this application yet."""
    if application.offer is None or application.state not in ("confirmed", "attended"):
        raise NotConfirmed(
            f"Only a confirmed booth can be checked in; this application is {application.state}.",
            state=application.state,
        )
    after = replace(application, state="attended", version=application.version + 1)
    event = BoothCheckedIn(
        application_id=application.application_id,
        bazaar_id=application.bazaar_id,
        vendor_id=application.vendor_id,
        site_id=application.offer.site_id,
        day=day,
    )
    return Step(after, event)


def report_sales(application: Application, command: ReportSales, *, checked_in: bool) -> Step:
    """Turnover of one held day. `checked_in`: whether the vendor was at its booth on it."""
    if application.offer is None or not checked_in:
        raise NotCheckedIn("Sales are reported for days on which the booth was checked in.", day=str(command.day))
    event = SalesReported(
        application_id=application.application_id,
        bazaar_id=application.bazaar_id,
        vendor_id=application.vendor_id,
        site_id=application.offer.site_id,
        day=command.day,
        turnover_rupiah=command.turnover_rupiah,
        transactions=command.transactions,
    )
    return Step(replace(application, version=application.version + 1), event)


def finish(bazaar: Bazaar, today: date) -> Bazaar:
    """The bazaar is over: who confirmed and never came is settled now."""
    bazaar.require("allocated", "finish it")
    if today <= bazaar.days[-1]:
        raise BazaarNotOver(
            f"The last day is {bazaar.days[-1].isoformat()}; finish the bazaar from the day after.",
            last_day=bazaar.days[-1].isoformat(),
        )
    return replace(bazaar, state="finished")
