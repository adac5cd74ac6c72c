"""Appeals: a vendor objects to a decision on its application, and a human decides (UU PDP, Law 27/2022).

What was published stands: an appeal changes no stored round, no queue and no offer. What is granted changes the ledger,
and so the vendor's place in rounds to come. What people write is sealed and never leaves this service; events and
figures carry codes.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Annotated, Literal, NamedTuple, Self, get_args
from uuid import UUID

from pydantic import StringConstraints, model_validator

from services.bazaar.domain.application import Application, Step
from services.bazaar.domain.bazaar import Bazaar
from services.bazaar.domain.ledger import NO_SHOW_FADES_DAYS, NO_SHOW_WAIT_DAYS, Adjustment
from services.bazaar.domain.values import Day, Exact
from shared.clock import day_in_jakarta
from shared.errors import Forbidden, NotFound, Refused
from shared.events.bazaar import AppealDecided, AppealFiled

About = Literal["not-served", "lapsed", "no-show", "ineligible", "other"]
AppealState = Literal["open", "upheld", "rejected", "dropped"]
Remedy = Literal["none", "turn-returned", "waiting-restored", "priority-granted"]

FILING_DAYS = 30
"""Counted from the decision; in the law's spirit long enough to ask somebody for help with the words."""

STATES_OF: dict[str, str] = {
    "not-served": "queued",
    "lapsed": "lapsed",
    "no-show": "missed",
    "ineligible": "ineligible",
}
"""What each is about: an application in this state. `other` is about any that is past the freeze."""

NOTHING_DECIDED = ("received", "withdrawn")

PRIORITY_TURNS = -1
PRIORITY_WAIT_DAYS = -NO_SHOW_WAIT_DAYS
PRIORITY_FADES_DAYS = NO_SHOW_FADES_DAYS
"""A wrong is weighed like a no-show, with the sign turned: one turn fewer, two months longer, gone after a year."""

WAITING_RESTORED_DAYS_MAX = 3660

GrantReason = Literal["message-not-received", "illness", "emergency", "our-mistake", "data-corrected"]
RejectReason = Literal["rule-was-followed", "not-shown", "remedy-not-possible"]
Reason = GrantReason | RejectReason

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=4000)]

FIGURES_MIN = 5
"""Counts below this are not published: they could be about somebody the reader knows."""


class AppealUnknown(NotFound):
    """There is no such appeal, or it is not the caller's to see."""

    code = "appeal-unknown"


class AppealNotFitting(Refused):
    """The application is not in the state that the appeal is about."""

    code = "appeal-not-fitting"


class AppealTooLate(Refused):
    """The time to object is over."""

    code = "appeal-too-late"


class AppealedAlready(Refused):
    """There is an appeal about this already, open or decided."""

    code = "appealed-already"


class AppealDecidedAlready(Refused):
    """An appeal is decided once."""

    code = "appeal-decided"


class OwnAppeal(Forbidden):
    """Nobody decides on an appeal of its own, or one that it filed for somebody."""

    code = "own-appeal"


class NothingToReturn(Refused):
    """The application costs no turn, so there is none to give back."""

    code = "nothing-to-return"


class SinceTooEarly(Refused):
    """So much waiting is given back to nobody: the programme's records do not go back that far."""

    code = "since-too-early"


class SinceNotEarlier(Refused):
    """The vendor waits since that day already, or longer."""

    code = "since-not-earlier"


class FileAppeal(Exact):
    """Command: what the vendor objects to, and why, in its own words."""

    about: About
    text: Text


class DecideAppeal(Exact):
    """Command: a human's decision. `since`: for waiting-restored, the day since which the vendor shall wait."""

    upheld: bool
    reason: Reason
    answer: Text
    remedy: Remedy = "none"
    since: Day | None = None

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.reason not in get_args(GrantReason if self.upheld else RejectReason):
            raise ValueError("the reason does not go with this decision")
        if not self.upheld and self.remedy != "none":
            raise ValueError("an appeal that is not upheld has no remedy")
        if (self.remedy == "waiting-restored") != (self.since is not None):
            raise ValueError("since goes with waiting-restored, and with nothing else")
        return self


@dataclass(frozen=True, slots=True)
class Appeal:
    """An appeal, without what people wrote. `filed_by` and `decided_by` are subjects of tokens."""

    appeal_id: UUID
    application_id: UUID
    bazaar_id: UUID
    vendor_id: UUID
    about: About
    state: AppealState
    filed_by: str
    filed_at: datetime
    reason: Reason | None = None
    remedy: Remedy | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None


class Decisions(NamedTuple):
    """When what can be objected to was decided; None: not yet."""

    frozen_at: datetime | None
    published_at: datetime | None


def file(
    application: Application,
    bazaar: Bazaar,
    decisions: Decisions,
    about: About,
    *,
    appeal_id: UUID,
    by: str,
    now: datetime,
) -> tuple[Appeal, Step]:
    """A vendor objects. Refused where nothing of the kind was decided, and after the time to object."""
    state = STATES_OF.get(about)
    fits = application.state not in NOTHING_DECIDED if state is None else application.state == state
    if not fits:
        raise AppealNotFitting(
            f"An appeal about {about} is about an application that is {state or 'past the freeze'}; this one is "
            f"{application.state}.",
            about=about,
            state=application.state,
        )
    last_day = file_until(application, bazaar, decisions, about)
    if day_in_jakarta(now) > last_day:
        raise AppealTooLate(
            f"One could object until {last_day.isoformat()}. An officer of your kelurahan can still be asked.",
            until=last_day.isoformat(),
        )
    appeal = Appeal(
        appeal_id, application.application_id, bazaar.bazaar_id, application.vendor_id, about, "open", by, now
    )
    event = AppealFiled(**_ids(application), appeal_id=appeal_id, about=about)
    return appeal, Step(replace(application, version=application.version + 1), event)


def file_until(application: Application, bazaar: Bazaar, decisions: Decisions, about: About) -> date:
    """The last day to object: so many days after the decision, or, of what happens on the day, after the bazaar."""
    over = bazaar.days[-1]
    decided = {
        "not-served": decisions.published_at,
        "ineligible": decisions.frozen_at,
        "lapsed": application.offer and application.offer.respond_by,
    }.get(about)
    return (over if decided is None else day_in_jakarta(decided)) + timedelta(days=FILING_DAYS)


def require_decider(appeal: Appeal, by: str, *, is_own: bool) -> None:
    """Refuse to decide on an appeal of one's own (`is_own`: by any id of the person), or one that one filed."""
    if is_own or appeal.filed_by == by:
        raise OwnAppeal("Somebody else decides on this: it is your own appeal, or you filed it for the vendor.")


class Granted(NamedTuple):
    """What a decision does to the ledger: the turn of the application is taken out, or something is added."""

    turn_returned: bool
    adjustment: Adjustment | None


def decide(
    appeal: Appeal,
    command: DecideAppeal,
    application: Application,
    bazaar: Bazaar,
    *,
    has_turn: bool,
    waiting_since: date,
    adjustment_id: UUID,
    by: str,
    now: datetime,
) -> tuple[Appeal, Step, Granted]:
    """A human decides. `has_turn`: whether the application cost a turn or counts as a no-show; `waiting_since`: of the
    vendor today, before adjustments.
    """
    if appeal.state != "open":
        raise AppealDecidedAlready(f"This appeal is {appeal.state}; what was decided stands.", state=appeal.state)
    granted = _granted(appeal, command, has_turn, waiting_since, adjustment_id, day_in_jakarta(now))
    after = replace(
        appeal,
        state="upheld" if command.upheld else "rejected",
        reason=command.reason,
        remedy=command.remedy,
        decided_by=by,
        decided_at=now,
    )
    event = AppealDecided(
        **_ids(application),
        appeal_id=appeal.appeal_id,
        bazaar_name=bazaar.name,
        upheld=command.upheld,
        remedy=command.remedy,
    )
    return after, Step(replace(application, version=application.version + 1), event), granted


def _granted(
    appeal: Appeal, command: DecideAppeal, has_turn: bool, waiting_since: date, adjustment_id: UUID, today: date
) -> Granted:
    match command.remedy:
        case "turn-returned":
            if not has_turn:
                raise NothingToReturn("This application costs no turn; choose another remedy.")
            return Granted(turn_returned=True, adjustment=None)
        case "waiting-restored":
            assert command.since is not None
            days = (waiting_since - command.since).days
            if days > WAITING_RESTORED_DAYS_MAX:
                earliest = (waiting_since - timedelta(days=WAITING_RESTORED_DAYS_MAX)).isoformat()
                raise SinceTooEarly(
                    f"since: at most {WAITING_RESTORED_DAYS_MAX} days of waiting are given back; the earliest day for "
                    f"this vendor is {earliest}.",
                    since_min=earliest,
                )
            if days <= 0:
                raise SinceNotEarlier(
                    f"since: the vendor waits since {waiting_since.isoformat()}; give an earlier day.",
                    waiting_since=waiting_since.isoformat(),
                )
            # no last day: it counts until the next turn, from which everybody waits anew
            return Granted(
                turn_returned=False,
                adjustment=Adjustment(
                    adjustment_id, appeal.vendor_id, "appeal", 0, -days, today, None, appeal_id=appeal.appeal_id
                ),
            )
        case "priority-granted":
            return Granted(
                turn_returned=False,
                adjustment=Adjustment(
                    adjustment_id,
                    appeal.vendor_id,
                    "appeal",
                    PRIORITY_TURNS,
                    PRIORITY_WAIT_DAYS,
                    today,
                    today + timedelta(days=PRIORITY_FADES_DAYS),
                    appeal_id=appeal.appeal_id,
                ),
            )
        case _:
            return Granted(turn_returned=False, adjustment=None)


class Figure(NamedTuple):
    """How many appeals about something are in a state; None: too few to publish."""

    about: str
    state: str
    appeals: int | None


def publishable(counts: dict[tuple[str, str], int]) -> list[Figure]:
    """Figures for everybody, of every kind and outcome; small ones are left out, so no sum is given either."""
    return [
        Figure(about, state, count if (count := counts.get((about, state), 0)) >= FIGURES_MIN else None)
        for about in get_args(About)
        for state in ("open", "upheld", "rejected")
    ]


def _ids(application: Application) -> dict[str, UUID]:
    return {
        "application_id": application.application_id,
        "bazaar_id": application.bazaar_id,
        "vendor_id": application.vendor_id,
    }
