"""Offers in time: until when they can be answered, when they are reminded of, and how a booth is given back.

A confirmed booth is given back at no cost until the release deadline of its bazaar. After it the booth can still be
given back, until the end of the site's first day: that costs the turn, but it is no no-show. Who says that it cannot
come leaves the booth to somebody else; who stays away in silence leaves it empty.
"""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from services.bazaar.domain.application import Application, Offer, Step
from services.bazaar.domain.bazaar import Bazaar, Site, answer_until
from shared.clock import JAKARTA
from shared.errors import Refused
from shared.events.bazaar import BoothOfferExpiring, BoothReleased

JUST_AFTER = timedelta(microseconds=1)
"""What is done at a deadline itself counts, so timers fire at the first moment after it."""

REMIND_WITH_SHARE_LEFT = 1 / 4
REMIND_BEFORE_MIN = timedelta(hours=1)
REMIND_BEFORE_MAX = timedelta(hours=24)
REMIND_WINDOW_MIN = timedelta(hours=2)
"""Whoever has less time than this to answer has just been told of the offer."""


class NotReleasable(Refused):
    """There is no confirmed booth to give back, or its day is over."""

    code = "not-releasable"


def remind_at(made_at: datetime, respond_by: datetime) -> datetime | None:
    """When an offer is reminded of: a quarter of its time before it lapses, but 1 to 24 hours before.

    None where less than 2 hours are given to answer.
    """
    window = respond_by - made_at
    if window < REMIND_WINDOW_MIN:
        return None
    return respond_by - min(max(window * REMIND_WITH_SHARE_LEFT, REMIND_BEFORE_MIN), REMIND_BEFORE_MAX)


def make_offer(bazaar: Bazaar, site_id: str, booth: str, now: datetime, *, promoted: bool) -> Offer:
    """An offer of this booth made now. The caller found time enough to answer it."""
    respond_by = answer_until(bazaar, now, bazaar.site(site_id))
    assert respond_by is not None, "an offer that nobody could answer"
    return Offer(site_id, booth, respond_by, promoted, remind_at(now, respond_by))


def remind(application: Application, bazaar: Bazaar) -> Step:
    """The offer still waits for an answer: say so, once."""
    held = application.offer
    assert held is not None
    site = bazaar.site(held.site_id)
    after = replace(application, offer=held._replace(remind_at=None), version=application.version + 1)
    return Step(
        after,
        BoothOfferExpiring(
            application_id=application.application_id,
            bazaar_id=application.bazaar_id,
            vendor_id=application.vendor_id,
            bazaar_name=bazaar.name,
            site_id=held.site_id,
            site_name=site.name,
            booth=held.booth,
            days=list(site.days),
            respond_by=held.respond_by,
        ),
    )


def release_by(bazaar: Bazaar, site: Site) -> datetime:
    """The release deadline: so many hours before the first day of the site begins, in Jakarta."""
    return release_deadline(site.days[0], bazaar.release_hours, None)


def release_deadline(first_day: date, hours: int, own: datetime | None) -> datetime:
    """Until when a confirmed booth is given back at no cost. `own`: its own deadline, after the bazaar was moved."""
    usual = datetime.combine(first_day, time(0), JAKARTA) - timedelta(hours=hours)
    return usual if own is None else max(own, usual)


class Release(NamedTuple):
    """A booth given back; `costs_turn`: too late for it to cost nothing."""

    step: Step
    costs_turn: bool


def release(application: Application, bazaar: Bazaar, now: datetime) -> Release:
    """The vendor gives its confirmed booth back."""
    held = application.offer
    if application.state != "confirmed" or held is None:
        raise NotReleasable(
            f"Only a confirmed booth is given back; this application is {application.state}."
            + (" Decline the offer instead: that costs no turn." if application.state == "offered" else ""),
            state=application.state,
        )
    site = bazaar.site(held.site_id)
    last_moment = datetime.combine(site.days[0] + timedelta(days=1), time(0), JAKARTA)
    if now >= last_moment:
        raise NotReleasable(
            "The first day at this booth is over; whoever did not come has missed it. If there was a good reason, "
            "appeal.",
            first_day=site.days[0].isoformat(),
        )
    deadline = release_deadline(site.days[0], bazaar.release_hours, application.release_by)
    costs_turn = now > deadline
    event = BoothReleased(
        application_id=application.application_id,
        bazaar_id=application.bazaar_id,
        vendor_id=application.vendor_id,
        bazaar_name=bazaar.name,
        site_id=held.site_id,
        costs_turn=costs_turn,
    )
    after = replace(application, state="released", version=application.version + 1)
    return Release(Step(after, event), costs_turn)
