"""The seven services of the programme: where a vendor stands in each, and how that changes.

They are independent of each other (DOMAIN: not a straight line since 2020): no rule here looks at a second service.
P1 is completed by the registration itself. P2 and P7 are decided elsewhere and followed here: P2 by training's classes,
P7 by the banks that a capital referral goes to. P3 to P6 are asked for by the vendor and moved by officers; P3 follows
also the mentors that training gives, P4 to P6 the cases of training in which the help is given.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Literal, get_args
from uuid import UUID

from shared.errors import Refused
from shared.events.programme import EnrolmentState, ProgrammeService

__all__ = [
    "SERVICES",
    "TRAINING",
    "Act",
    "CapitalReferral",
    "CaseNews",
    "CaseState",
    "EnrolmentMoveRefused",
    "MentorNews",
    "Place",
    "ServiceFollowed",
    "Step",
    "follow_case",
    "follow_mentor",
    "follow_referrals",
    "follow_training",
    "follows",
    "move",
    "stand",
]

Act = Literal["ask", "start", "complete", "leave"]
MentorNews = Literal["given", "graduated", "left"]
CaseState = Literal["opened", "open", "working", "waiting-vendor", "solved", "not-possible", "withdrawn", "referred"]

SERVICES: tuple[ProgrammeService, ...] = get_args(ProgrammeService)
TRAINING = "training"
"""Who moved P2 and P7, and P3 to P6 by mentors and cases, in the history: events of the training service."""

STATES: Mapping[Act, EnrolmentState] = {"ask": "asked", "start": "active", "complete": "completed", "leave": "left"}
ALLOWED_FROM: Mapping[Act, frozenset[EnrolmentState | None]] = {
    "ask": frozenset({None, "completed", "left"}),  # a second licence is asked for like the first
    "start": frozenset({None, "asked", "completed", "left"}),
    "complete": frozenset({"active"}),
    "leave": frozenset({"asked", "active"}),
}
FOLLOWED: Mapping[ProgrammeService, str] = {
    "P1": "P1 is completed by the registration itself",
    "P2": "P2 follows the classes of the training service",
    "P7": "P7 is decided by the bank; its referral is moved in the training service",
}
FURTHEST: tuple[EnrolmentState, ...] = ("active", "completed", "asked", "left")


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a vendor's standing in a service: who, when, why. `nth` counts them per vendor and service."""

    vendor_id: UUID
    service: ProgrammeService
    nth: int
    state: EnrolmentState
    previous_state: EnrolmentState | None
    at: datetime
    by: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a vendor stands in one class of training; withdrawn: it gave its place up."""

    vendor_id: UUID
    class_id: UUID
    course: str
    state: Literal["enrolled", "completed", "not-completed", "withdrawn", "cancelled"]
    completed_on: date | None = None


@dataclass(frozen=True, slots=True)
class CapitalReferral:
    """Where a referral of a vendor to a bank stands; the loan is the bank's to decide (DOMAIN B3)."""

    vendor_id: UUID
    referral_id: UUID
    bank: str
    state: Literal["sent", "received", "approved", "declined", "withdrawn"]
    moved_at: datetime


@dataclass(frozen=True, slots=True)
class CaseNews:
    """What became of a case of training in which a vendor is helped with P4 to P6.

    `seen`: the number of the last step of this vendor and service that training knew of then; None where it knew none.
    """

    vendor_id: UUID
    service: ProgrammeService
    became: CaseState
    seen: int | None


class ServiceFollowed(Refused):
    """This service is decided elsewhere; the registry shows it and does not move it."""

    code: ClassVar[str] = "service-followed"

    def __init__(self, service: ProgrammeService) -> None:
        super().__init__(f"{FOLLOWED[service]}; it cannot be moved here.", service=service)


class EnrolmentMoveRefused(Refused):
    """From where the vendor stands in this service, this step is not open."""

    code: ClassVar[str] = "enrolment-move-refused"

    def __init__(self, service: ProgrammeService, act: Act, state: EnrolmentState | None) -> None:
        open_acts = [other for other in STATES if state in ALLOWED_FROM[other] and (service != "P7" or _own(other))]
        super().__init__(
            f"{service} is {state or 'not asked for yet'}; from there one can {' or '.join(open_acts)}.",
            service=service,
            act=act,
            state=state,
            open=open_acts,
        )


def _own(act: Act) -> bool:
    return act in ("ask", "leave")


def move(service: ProgrammeService, act: Act, state: EnrolmentState | None) -> EnrolmentState:
    """The state after this act on a service that stands in `state` (None: never asked for).

    P7 can be asked for, and the wish taken back; the rest of it is the banks'. Raises `ServiceFollowed`,
    `EnrolmentMoveRefused`.
    """
    if service in ("P1", "P2") or (service == "P7" and not _own(act)):
        raise ServiceFollowed(service)
    if service == "P7" and act == "leave" and state == "active":
        raise ServiceFollowed(service)  # a referral under way is withdrawn where it was made
    if state not in ALLOWED_FROM[act]:
        raise EnrolmentMoveRefused(service, act, state)
    return STATES[act]


def follow_training(places: Iterable[Place]) -> EnrolmentState | None:
    """Where P2 stands by a vendor's classes: in one now, else one completed, else none met or held; None without
    any.
    """
    states = {place.state for place in places}
    if "enrolled" in states:
        return "active"
    if "completed" in states:
        return "completed"
    return "left" if states else None


def follow_referrals(referrals: Iterable[CapitalReferral]) -> EnrolmentState | None:
    """Where P7 stands by a vendor's referrals: one under way, else one approved, else all ended; None without any."""
    states = {referral.state for referral in referrals}
    if states & {"sent", "received"}:
        return "active"
    if "approved" in states:
        return "completed"
    return "left" if states else None


def follow_mentor(news: MentorNews, state: EnrolmentState | None) -> EnrolmentState | None:
    """Where P3 stands after a vendor was given a mentor, graduated from it, or was parted because it left mentoring
    (that it had been given one we may have heard too late); None where nothing changes. Parted otherwise, it wants one.
    """
    if news == "given":
        return None if state == "active" else "active"
    after: EnrolmentState = "completed" if news == "graduated" else "left"
    return after if state == "active" else None


def follow_case(news: CaseNews, latest: Step | None) -> EnrolmentState | None:
    """Where a service stands after news of a case; None where the news changes nothing.

    What somebody moved here by hand after the last step that training knew of stands: training hears of it, moves the
    case, and tells that.
    """
    if latest is not None and latest.by != TRAINING and news.seen is not None and latest.nth > news.seen:
        return None
    state = None if latest is None else latest.state
    match news.became:
        case "opened":
            after: EnrolmentState = "active" if state == "active" else "asked"
        case "open":  # handed over, or opened again
            after = state if state in ("asked", "active") else "asked"
        case "working" | "waiting-vendor":
            after = "active"
        case "solved":
            after = "completed"
        case _:
            after = "left"
    return None if after == state else after


def follows(state: EnrolmentState | None, previous: EnrolmentState | None) -> bool:
    """Whether what was decided elsewhere moves a vendor that stands in `previous`.

    A wish for P7 that is newer than referrals which ended stays a wish.
    """
    return state is not None and state != previous and (state, previous) != ("left", "asked")


def stand(latest: Iterable[Step]) -> dict[ProgrammeService, Step]:
    """Where a person stands in each service, from the latest step of each of its registrations.

    Registrations that were merged are one person. P2 comes from classes: one class under way at either registration is
    enough to be in training. Of the other services the step that was made last counts.
    """
    chosen: dict[ProgrammeService, Step] = {}
    for step in latest:
        before = chosen.get(step.service)
        if before is None or _outranks(step, before):
            chosen[step.service] = step
    return chosen


def _outranks(step: Step, other: Step) -> bool:
    if step.service == "P2" and step.state != other.state:
        return FURTHEST.index(step.state) < FURTHEST.index(other.state)
    return (step.at, step.vendor_id, step.nth) > (other.at, other.vendor_id, other.nth)
