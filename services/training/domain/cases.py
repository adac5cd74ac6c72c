"""Help (DOMAIN A4) as cases: licensing, sales, financial reports, capital. Pure.

A person has one open case of a service, whichever of its ids it is under. The deadline stands still while the case
waits for the vendor. An agency owns it, and an officer works on it.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Annotated, Literal, NamedTuple, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from shared.clock import day_in_jakarta
from shared.errors import Forbidden, NotFound, Refused
from shared.events.cases import HelpCaseClosed, HelpCaseEvent, HelpCaseMoved, HelpCaseOpened, HelpService
from shared.events.programme import EnrolmentState
from shared.events.values import AgencyCode

CaseState: TypeAlias = Literal["open", "working", "waiting-vendor", "closed"]
Outcome: TypeAlias = Literal["solved", "not-possible", "withdrawn", "referred"]
Door: TypeAlias = Literal["vendor", "officer", "mentor", "registry"]
Side: TypeAlias = Literal["vendor", "officer", "mentor", "registry", "time"]
Act: TypeAlias = Literal[
    "opened", "taken", "handed-over", "waiting", "resumed", "deadline", "noted", "overdue", "closed", "reopened"
]

REOPENED_WITHIN_DAYS = 90
"""Later than that it is another matter: a case of its own tells more than an old one that goes on."""

DEADLINE_DAYS_MAX = 365
WANTED_MAX = 10
NOTE_CHARACTERS_MAX = 2000


class CaseNotFound(NotFound):
    """No case has this id."""

    code = "case-not-found"


class CaseStands(Refused):
    """The person has an open case of this service already."""

    code = "case-open"


class CaseClosed(Refused):
    """A closed case is not worked on."""

    code = "case-closed"


class CaseNotWaiting(Refused):
    """Only a case that waits for the vendor can go on."""

    code = "case-not-waiting"


class CaseNotClosed(Refused):
    """Only a closed case is opened again."""

    code = "case-not-closed"


class CaseTooOld(Refused):
    """It was closed too long ago to be opened again."""

    code = "case-too-old"


class DeadlineRefused(Refused):
    """A deadline is a day from today on, and not too far away."""

    code = "deadline-refused"
    status = 422


class WantedUnknown(Refused):
    """What the vendor is to bring is named by codes that people can be told."""

    code = "wanted-unknown"
    status = 422


class OutcomeNotYours(Forbidden):
    """A vendor takes its wish back; whether the matter is solved the officer says."""

    code = "outcome-not-yours"


def _plain(text: str) -> str:
    if not text.replace("\n", " ").replace("\t", " ").isprintable():
        raise ValueError("must not hold control characters")
    return text


Note: TypeAlias = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=NOTE_CHARACTERS_MAX),
    AfterValidator(_plain),
]
Code: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]


def _distinct(codes: list[str]) -> list[str]:
    if len(set(codes)) < len(codes):
        raise ValueError("names something twice")
    return sorted(codes)


class Wish(BaseModel):
    """What is said about a case, if anything."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    note: Note | None = None


class OpenCase(Wish):
    """Ask for help in a service."""

    service: HelpService


class TakeCase(Wish):
    """Work on it oneself, for an agency; without one for the agency that owns it."""

    owner: AgencyCode | None = None


class HandOver(Wish):
    """Give it to another agency, whose officers take it."""

    owner: AgencyCode


class WaitForVendor(Wish):
    """What the vendor is to bring."""

    wanted: Annotated[list[Code], Field(min_length=1, max_length=WANTED_MAX), AfterValidator(_distinct)]


class SetDeadline(Wish):
    """Another last day."""

    due_on: date


class AddNote(BaseModel):
    """What is said about a case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    note: Note


class CloseCase(Wish):
    """How it ended."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Case:
    """A case. `officer` and `opened_by` are subjects of tokens; `waiting_since` goes with waiting-vendor."""

    case_id: UUID
    vendor_id: UUID
    service: HelpService
    state: CaseState
    owner: str | None
    due_on: date
    opened_by: str
    opened_at: datetime
    door: Door
    officer: str | None = None
    wanted: tuple[str, ...] = ()
    waiting_since: date | None = None
    overdue: bool = False
    outcome: Outcome | None = None
    closed_at: datetime | None = None


class Terms(NamedTuple):
    """Of a service: how many days its cases may take, and which agency works on those that nobody coaches."""

    days: int
    owner: str


class Moved(NamedTuple):
    """A case after something was done about it, and the event that says so, if others need to know."""

    case: Case
    act: Act
    event: HelpCaseEvent | None


def open_case(
    case_id: UUID,
    vendor_id: UUID,
    service: HelpService,
    standing: Case | None,
    terms: Terms,
    *,
    coach: str | None,
    door: Door,
    by: str,
    now: datetime,
) -> Moved:
    """A new case; the agency that coaches the vendor owns it, if one does. `standing`: the person's open one."""
    if standing is not None:
        raise CaseStands(
            f"There is an open case of {service} for this person; go on with that one, or close it first.",
            case_id=str(standing.case_id),
        )
    case = Case(
        case_id=case_id,
        vendor_id=vendor_id,
        service=service,
        state="open",
        owner=coach or terms.owner,
        due_on=day_in_jakarta(now) + timedelta(days=terms.days),
        opened_by=by,
        opened_at=now,
        door=door,
    )
    event = HelpCaseOpened(vendor_id=vendor_id, case_id=case_id, service=service, owner=case.owner, due_on=case.due_on)
    return Moved(case, "opened", event)


def take(case: Case, owner: str | None, *, by: str, today: date) -> Moved:
    """An officer works on it from now on, also where another did; while it waits for the vendor it goes on waiting."""
    _require_standing(case)
    state: CaseState = "waiting-vendor" if case.state == "waiting-vendor" else "working"
    return _moved(replace(case, state=state, owner=owner or case.owner, officer=by), "taken", today)


def hand_over(case: Case, owner: str, *, today: date) -> Moved:
    """Another agency owns it; one of its officers will take it."""
    _require_standing(case)
    return _moved(replace(_going_on(case, today), state="open", owner=owner, officer=None), "handed-over", today)


def wait(case: Case, wanted: Collection[str], known: Collection[str], *, today: date) -> Moved:
    """The vendor is to bring something; asked again, what is wanted now counts."""
    _require_standing(case)
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise WantedUnknown("These codes name nothing a vendor can be asked for; see /v1/help-services.", codes=unknown)
    since = case.waiting_since or today
    waiting = replace(case, state="waiting-vendor", wanted=tuple(sorted(wanted)), waiting_since=since)
    return _moved(waiting, "waiting", today)


def resume(case: Case, *, today: date) -> Moved:
    """The vendor brought it: the work goes on, and the deadline moves by as many days as it waited."""
    _require_standing(case)
    if case.state != "waiting-vendor":
        raise CaseNotWaiting(f"This case is {case.state}; it does not wait for the vendor.", state=case.state)
    state: CaseState = "open" if case.officer is None else "working"
    return _moved(replace(_going_on(case, today), state=state), "resumed", today)


def set_deadline(case: Case, due_on: date, *, today: date) -> Moved:
    """Another last day, from today on."""
    _require_standing(case)
    last = today + timedelta(days=DEADLINE_DAYS_MAX)
    if not today <= due_on <= last:
        raise DeadlineRefused(f"`due_on` must be a day from {today} to {last}.", first=str(today), last=str(last))
    return _moved(replace(case, due_on=due_on), "deadline", today)


def note(case: Case) -> Moved:
    """Something is said about it; nothing changes."""
    return Moved(case, "noted", None)


def close(case: Case, outcome: Outcome, *, side: Side, now: datetime) -> Moved:
    """It ended. A vendor takes its wish back, and that alone."""
    _require_standing(case)
    if side == "vendor" and outcome != "withdrawn":
        raise OutcomeNotYours(
            "You can take your wish back (withdrawn); whether it is solved the officer who works on it says.",
            outcome=outcome,
        )
    return _ended(case, outcome, now)


def refer(case: Case, *, now: datetime) -> Moved:
    """A case of capital ends when a bank is asked: the matter is with the bank from now on."""
    return _ended(case, "referred", now)


def reopen(case: Case, standing: Case | None, terms: Terms, *, today: date) -> Moved:
    """It was not over after all: it is open again, with as many days as a new one."""
    if case.state != "closed" or case.closed_at is None:
        raise CaseNotClosed(f"This case is {case.state}; it goes on already.", state=case.state)
    if standing is not None:
        raise CaseStands(
            f"There is an open case of {case.service} for this person; go on with that one.",
            case_id=str(standing.case_id),
        )
    last = day_in_jakarta(case.closed_at) + timedelta(days=REOPENED_WITHIN_DAYS)
    if today > last:
        raise CaseTooOld(f"It could be opened again until {last}; open a new case.", until=str(last))
    due_on = today + timedelta(days=terms.days)
    again = replace(case, state="open", outcome=None, closed_at=None, officer=None, due_on=due_on)
    return _moved(again, "reopened", today)


def fall_due(case: Case, *, today: date) -> Moved | None:
    """The day after its last day: it is overdue, and the officers see that. None where that is not so (any more)."""
    if case.overdue or not keeps_time(case) or today <= case.due_on:
        return None
    return _moved(case, "overdue", today)


def keeps_time(case: Case) -> bool:
    """Whether its deadline counts: it is neither closed nor the vendor's turn."""
    return case.state in ("open", "working")


def obey(case: Case, state: EnrolmentState, *, today: date, now: datetime) -> Moved | None:
    """Somebody moved the service itself in the registry: the open case follows. None where nothing follows."""
    match state:
        case "left":
            return close(case, "withdrawn", side="registry", now=now)
        case "completed":
            return close(case, "solved", side="registry", now=now)
        case "active" if case.state == "open":
            return _moved(replace(case, state="working"), "taken", today)
        case _:
            return None


def _going_on(case: Case, today: date) -> Case:
    """The case no longer waiting: the days it waited are added to its deadline."""
    if case.waiting_since is None:
        return case
    waited = max(today - case.waiting_since, timedelta(0))
    return replace(case, due_on=case.due_on + waited, wanted=(), waiting_since=None)


def _ended(case: Case, outcome: Outcome, now: datetime) -> Moved:
    closed = replace(case, state="closed", outcome=outcome, closed_at=now, wanted=(), waiting_since=None, overdue=False)
    event = HelpCaseClosed(vendor_id=case.vendor_id, case_id=case.case_id, service=case.service, outcome=outcome)
    return Moved(closed, "closed", event)


def _require_standing(case: Case) -> None:
    if case.state == "closed":
        raise CaseClosed(
            f"This case was closed ({case.outcome}); open it again first, or open a new one.", outcome=case.outcome
        )


def _moved(case: Case, act: Act, today: date) -> Moved:
    case = replace(case, overdue=keeps_time(case) and today > case.due_on)
    assert case.state != "closed"
    event = HelpCaseMoved(
        vendor_id=case.vendor_id,
        case_id=case.case_id,
        service=case.service,
        state=case.state,
        owner=case.owner,
        due_on=case.due_on,
        wanted=list(case.wanted),
        overdue=case.overdue,
    )
    return Moved(case, act, event)
