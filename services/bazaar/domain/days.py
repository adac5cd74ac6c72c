"""The days of the bazaar: who stood at its booth, and the end."""

from dataclasses import replace
from datetime import date

from services.bazaar.domain.application import Application, Step
from services.bazaar.domain.bazaar import Bazaar
from shared.errors import Refused
from shared.events.bazaar import BazaarHeld, BoothCheckedIn


class NotABazaarDay(Refused):
    """The day is none of the bazaar's or of the booth's site, or has not come yet."""

    code = "not-a-bazaar-day"


class NotConfirmed(Refused):
    """Only a vendor that confirmed its booth can stand at it."""

    code = "not-confirmed"


class BoothGivenAway(Refused):
    """The vendor was absent when the gate closed, and its booth went to somebody who was there."""

    code = "booth-given-away"


class BazaarNotOver(Refused):
    """A bazaar is finished after its last day."""

    code = "bazaar-not-over"


def require_day(bazaar: Bazaar, day: date, today: date) -> None:
    """Refuse a day on which the bazaar is not held, and one that has not come."""
    if day not in bazaar.days:
        raise NotABazaarDay(
            f"The bazaar is not held on {day.isoformat()}.", days=[held.isoformat() for held in bazaar.days]
        )
    if day > today:
        raise NotABazaarDay(f"{day.isoformat()} has not come yet.", today=today.isoformat())


def check_in(application: Application, bazaar: Bazaar, day: date, *, given_away: bool = False) -> Step:
    """The vendor stands at its booth. `day` is a held day without a check-in of this application yet.

    Who was taken for absent and came after all has its booth again, unless it was `given_away` meanwhile.
    """
    held = application.offer
    if held is None or application.state not in ("confirmed", "attended", "missed"):
        raise NotConfirmed(
            f"Only a confirmed booth can be checked in; this application is {application.state}.",
            state=application.state,
        )
    if application.state == "missed" and given_away:
        raise booth_given_away(application)
    days = bazaar.site(held.site_id).days
    if day not in days:
        raise NotABazaarDay(f"Its site is not open on {day.isoformat()}.", days=[one.isoformat() for one in days])
    after = replace(application, state="attended", version=application.version + 1)
    event = BoothCheckedIn(
        application_id=application.application_id,
        bazaar_id=application.bazaar_id,
        vendor_id=application.vendor_id,
        site_id=held.site_id,
        day=day,
    )
    return Step(after, event)


def booth_given_away(application: Application) -> BoothGivenAway:
    """What one is told who comes when its booth is somebody else's."""
    held = application.offer
    assert held is not None
    return BoothGivenAway(
        f"The vendor was not there when the gate closed, and booth {held.booth} was given to one who waited. "
        "It may appeal against having missed it.",
        site_id=held.site_id,
        booth=held.booth,
    )


def finish(bazaar: Bazaar, today: date) -> Bazaar:
    """The bazaar is over: who confirmed and never came is settled now."""
    bazaar.require("allocated", "finish it")
    last_day = max(day for site in bazaar.sites for day in site.days)
    if today <= last_day:
        raise BazaarNotOver(
            f"The last day is {last_day.isoformat()}; finish the bazaar from the day after.",
            last_day=last_day.isoformat(),
        )
    return replace(bazaar, state="finished", version=bazaar.version + 1)


def held(bazaar: Bazaar, attended: int, missed: int) -> BazaarHeld:
    """It is over and settled."""
    return BazaarHeld(
        bazaar_id=bazaar.bazaar_id, name=bazaar.name, days=list(bazaar.days), attended=attended, missed=missed
    )
