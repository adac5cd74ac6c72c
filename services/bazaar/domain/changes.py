"""A bazaar does not take place, or is held on other days: what that means for it and for everyone who applied.

Nobody pays for it with a turn. Of a cancelled bazaar every turn is given back, also that of an offer left to lapse or
of a booth given back late, since nobody was kept from anything; only who has stood at its booth has had its turn,
and whoever was missed at the gate before stays missed: the bazaar was there, it was not. Of one that is moved, booths
stay with those who confirmed them; who cannot come on the new days gives the booth back at no cost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from services.bazaar.domain.application import SEATED, Application, ApplicationState, Step
from services.bazaar.domain.bazaar import Bazaar, Site, WrongMoment, answer_until, offers_end_at
from services.bazaar.domain.offers import release_by, remind_at
from services.bazaar.domain.values import Day, Exact, SiteId
from shared.clock import day_in_jakarta
from shared.errors import Refused
from shared.events.bazaar import ApplicationCancelled, ApplicationRescheduled, BazaarCancelled, BazaarMoved

Reason = Literal["holiday", "weather", "venue", "organiser", "safety"]

RELEASE_AFTER_MOVE = timedelta(hours=72)
"""So long at least a booth can be given back at no cost after a move, as far as its site does not begin before."""

CONCERNED_BY_MOVING: tuple[ApplicationState, ...] = ("received", "queued", "offered", "confirmed")
CONCERNED_BY_CANCELLING: tuple[ApplicationState, ...] = (*CONCERNED_BY_MOVING, "lapsed", "released", "attended")


class MoveRefused(Refused):
    """The new days do not do."""

    code = "move-refused"


class CancelBazaar(Exact):
    """Command: the bazaar does not take place."""

    reason: Reason


class MoveBazaar(Exact):
    """Command: hold the bazaar on other days. As many days as before, the first in place of the first and so on; or
    the days of every site are named in `sites`."""

    days: list[Day] = Field(min_length=1, max_length=31)
    reason: Reason
    sites: dict[SiteId, Annotated[list[Day], Field(min_length=1, max_length=31)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if sorted(set(self.days)) != self.days:
            raise ValueError("days are given in order, each once")
        for site_id, days in self.sites.items():
            if sorted(set(days)) != days or not set(days) <= set(self.days):
                raise ValueError(f"the days of site {site_id} are some of the bazaar's, in order, each once")
        return self


def cancel(bazaar: Bazaar, command: CancelBazaar) -> tuple[Bazaar, BazaarCancelled]:
    """It does not take place. Of a draft nobody knows, so nothing is to be cancelled."""
    if bazaar.state not in ("tentative", "announced", "frozen", "seeded", "allocated"):
        raise WrongMoment(
            f"A bazaar is cancelled after residents have heard of it and before it is settled; this one is "
            f"{bazaar.state}.",
            state=bazaar.state,
            needed="tentative, announced, frozen, seeded or allocated",
        )
    after = replace(
        bazaar,
        state="cancelled",
        cancelled_because=command.reason,
        version=bazaar.version + 1,
        revision=bazaar.revision + 1,
    )
    event = BazaarCancelled(bazaar_id=bazaar.bazaar_id, name=bazaar.name, days=list(bazaar.days), reason=command.reason)
    return after, event


def loses_its_turn(application: Application) -> bool:
    """Whether a turn that this application cost is given back when the bazaar does not take place."""
    return application.state in ("confirmed", "lapsed", "released")


def cancel_application(
    application: Application, bazaar: Bazaar, command: CancelBazaar, *, turn_returned: bool, today: date
) -> Step | None:
    """What is not over is over. Who was at its booth, and would have come again, hears; its turn is used.

    None for those whom it does not concern: what they had ended before, at no cost.
    """
    state: ApplicationState = "cancelled"
    if application.state == "attended":
        assert application.offer is not None
        if bazaar.site(application.offer.site_id).days[-1] <= today:
            return None
        state = "attended"
    elif application.state in ("lapsed", "released") and not turn_returned:
        return None
    event = ApplicationCancelled(
        application_id=application.application_id,
        bazaar_id=application.bazaar_id,
        vendor_id=application.vendor_id,
        bazaar_name=bazaar.name,
        days=list(bazaar.days),
        reason=command.reason,
        had_booth=application.state in SEATED,
        turn_returned=turn_returned,
    )
    return Step(replace(application, state=state, version=application.version + 1), event)


@dataclass(frozen=True, slots=True)
class Move:
    """A bazaar on its new days. A draft is moved without a word."""

    before: Bazaar
    bazaar: Bazaar
    event: BazaarMoved | None


def move(bazaar: Bazaar, command: MoveBazaar, now: datetime) -> Move:
    """Hold it on other days. The time to apply moves along while it is not over."""
    if bazaar.state in ("finished", "cancelled"):
        raise WrongMoment(
            f"A bazaar is moved before it is held; this one is {bazaar.state}.", state=bazaar.state, needed="not over"
        )
    today = day_in_jakarta(now)
    public = bazaar.state != "draft"
    if bazaar.days[0] <= today and public:
        raise MoveRefused(
            "The bazaar has begun. Cancel it, or let days be added to its sites.", first_day=str(bazaar.days[0])
        )
    sites = tuple(replace(site, days=days) for site, days in _new_days(bazaar, command).items())
    days = tuple(command.days)
    if days == bazaar.days and sites == bazaar.sites:
        raise MoveRefused("The bazaar is held on these days already.", days=[str(day) for day in days])
    if days[0] <= today:
        raise MoveRefused("A bazaar is moved to days to come.", first_day=str(days[0]), today=str(today))
    after = replace(
        _with_times(bazaar, days[0] - bazaar.days[0], now),
        days=days,
        sites=sites,
        moved_from=bazaar.days if public else bazaar.moved_from,
        version=bazaar.version + public,
        revision=bazaar.revision + public,
        changed_at=now if public else bazaar.changed_at,
        opening=bazaar.opening and bazaar.opening.later(days[0] - bazaar.days[0]),
    )
    _require_time(bazaar, after, now)
    if not public:
        return Move(bazaar, after, None)
    event = BazaarMoved(
        bazaar_id=bazaar.bazaar_id,
        name=bazaar.name,
        days_before=list(bazaar.days),
        days=list(days),
        reason=command.reason,
    )
    return Move(bazaar, after, event)


def _new_days(bazaar: Bazaar, command: MoveBazaar) -> Mapping[Site, tuple[date, ...]]:
    unknown = sorted(command.sites.keys() - {site.site_id for site in bazaar.sites})
    if unknown:
        raise MoveRefused(f"The bazaar has no site {unknown[0]!r}.", site_id=unknown[0])
    if len(command.days) != len(bazaar.days) and any(site.site_id not in command.sites for site in bazaar.sites):
        raise MoveRefused(
            f"The bazaar has {len(bazaar.days)} days; name as many, or the days of every site in sites.",
            days=len(bazaar.days),
        )
    new = dict(zip(bazaar.days, command.days, strict=False))
    return {site: tuple(command.sites.get(site.site_id) or (new[day] for day in site.days)) for site in bazaar.sites}


def _with_times(bazaar: Bazaar, by: timedelta, now: datetime) -> Bazaar:
    if now >= bazaar.applications_close_at:
        return bazaar
    opens = bazaar.applications_open_at
    return replace(
        bazaar,
        applications_close_at=bazaar.applications_close_at + by,
        applications_open_at=opens + by if opens is not None and now < opens else opens,
    )


def _require_time(before: Bazaar, after: Bazaar, now: datetime) -> None:
    """Vendors can still apply where they could before, and whoever is offered a booth can still answer."""
    closing = after.applications_close_at
    first = offers_end_at(min(site.days[0] for site in after.sites))
    if closing >= first:
        raise MoveRefused(
            "The new days are too soon: applications are taken until after offers would have to be answered. Move it "
            "to later days.",
            applications_close_at=closing.isoformat(),
        )
    if now < before.applications_close_at:
        if closing <= now:
            raise MoveRefused(
                "Moved this far forward, vendors could no longer apply: the closing moment moves along. Move it to "
                "later days.",
                applications_close_at=closing.isoformat(),
            )
    elif after.state not in ("draft", "tentative"):
        _require_answers(after, now)


def _require_answers(after: Bazaar, now: datetime) -> None:
    for site in after.sites:
        if answer_until(after, now, site) is None:
            raise MoveRefused(
                f"The new days are too soon: offers at {site.name} could not be answered in time. Move it to later "
                "days, or cancel it.",
                site_id=site.site_id,
                first_day=str(site.days[0]),
            )


def reschedule(application: Application, move: Move, now: datetime) -> Step:
    """What the new days mean for one application: an open offer gets its whole time again, since it is of other days;
    a confirmed booth can be given back at no cost for a while."""
    bazaar, held = move.bazaar, application.offer
    event = ApplicationRescheduled(
        application_id=application.application_id,
        bazaar_id=application.bazaar_id,
        vendor_id=application.vendor_id,
        bazaar_name=bazaar.name,
        days_before=list(move.before.days),
        days=list(bazaar.days),
    )
    after = replace(application, version=application.version + 1)
    if held is None or application.state not in ("offered", "confirmed"):
        return Step(after, event)
    site = bazaar.site(held.site_id)
    event = event.model_copy(
        update={
            "days_before": list(move.before.site(held.site_id).days),
            "days": list(site.days),
            "site_id": site.site_id,
            "site_name": site.name,
            "booth": held.booth,
        }
    )
    if application.state == "offered":
        respond_by = answer_until(bazaar, now, site)
        assert respond_by is not None, "a move after which an open offer could not be answered"
        after = replace(after, offer=held._replace(respond_by=respond_by, remind_at=remind_at(now, respond_by)))
        return Step(after, event.model_copy(update={"respond_by": respond_by}))
    until = max(release_by(bazaar, site), min(now + RELEASE_AFTER_MOVE, offers_end_at(site.days[0])))
    return Step(replace(after, release_by=until), event.model_copy(update={"release_by": until}))
