"""Places in a class: who gets one, who waits for one, who gives one up, and who is told why not.

A *trainee* is an aggregate, the training record of one vendor: each of its events adds one to its version, whichever
class it concerns.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.training.domain.clashes import Engagement, caution_of_clashes
from services.training.domain.classes import Caution, TrainingClass
from services.training.domain.completion import Result
from services.training.domain.waiting import Wait
from shared.errors import NotFound
from shared.events.training import TrainingEnrolled, TrainingWaitlisted, TrainingWithdrawn

VENDORS_PER_REQUEST_MAX = 1_000

RefusalCode: TypeAlias = Literal[
    "class-closed",
    "unknown-vendor",
    "already-completed",
    "already-enrolled",
    "already-waiting",
    "prerequisite-missing",
    "class-full",
    "not-enrolled",
]


class TraineeNotFound(NotFound):
    """Training has not heard of this vendor (yet): `VendorRegistered` makes it known."""

    code = "unknown-vendor"


class NotWaiting(NotFound):
    """The vendor does not wait for this course."""

    code = "not-waiting"


class EnrolVendors(BaseModel):
    """Give these vendors places in a class, in this order while places last. `waitlist`: who finds it full waits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vendor_ids: list[UUID] = Field(min_length=1, max_length=VENDORS_PER_REQUEST_MAX)
    waitlist: bool = False


class WithdrawVendors(BaseModel):
    """Take these vendors' places in a class back, or let them wait for one no longer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vendor_ids: list[UUID] = Field(min_length=1, max_length=VENDORS_PER_REQUEST_MAX)


@dataclass(frozen=True)
class Enrolment:
    """A vendor's place in a class, the days it attended, and its result (none before the class is over)."""

    vendor_id: UUID
    attended: frozenset[date] = frozenset()
    result: Result | None = None


@dataclass(frozen=True)
class Standing:
    """How a vendor stands in a course: the open class it has a place in; whether it completed the course."""

    open_class: UUID | None = None
    completed: bool = False


@dataclass(frozen=True)
class EnrolmentRefusal:
    """Why one vendor got no place."""

    vendor_id: UUID
    code: RefusalCode
    reason: str


@dataclass
class Enrolling:
    """What became of a request for places; each list in the order asked. `waiting`: who waits for one now."""

    enrolled: list[TrainingEnrolled] = field(default_factory=list)
    waiting: list[UUID] = field(default_factory=list)
    refused: list[EnrolmentRefusal] = field(default_factory=list)
    cautions: list[Caution] = field(default_factory=list)


@dataclass(frozen=True)
class About:
    """What is known of those who ask for places.

    `known`: of whom there is a training record. `standings` and `waits`: how their person stands in the course, and
    what it waits for. `persons`: id -> the id that stands for the person, where that is another. `lacking`: courses to
    be completed before. `categories`: what they sell. `engagements`: where they are expected on the days of the class.
    """

    known: Collection[UUID]
    standings: Mapping[UUID, Standing] = field(default_factory=dict)
    persons: Mapping[UUID, UUID] = field(default_factory=dict)
    waits: Mapping[UUID, Wait] = field(default_factory=dict)
    lacking: Mapping[UUID, Sequence[str]] = field(default_factory=dict)
    categories: Mapping[UUID, str | None] = field(default_factory=dict)
    engagements: Mapping[UUID, Sequence[Engagement]] = field(default_factory=dict)


def enrolled_event(
    a_class: TrainingClass, vendor_id: UUID, clashes: Iterable[Engagement] = (), *, promoted: bool = False
) -> TrainingEnrolled:
    """That a vendor has a place, with all it needs to know of the class."""
    return TrainingEnrolled(
        vendor_id=vendor_id,
        class_id=a_class.class_id,
        course=a_class.course,
        title=a_class.title,
        days=list(a_class.days),
        starts_at=a_class.starts_at,
        venue=a_class.venue,
        promoted=promoted,
        clashes=sorted({each.day for each in clashes}),
    )


def enrol(
    a_class: TrainingClass,
    taken: int,
    vendor_ids: Iterable[UUID],
    about: About,
    *,
    today: date,
    by_officer: bool,
    waitlist: bool = False,
    spoken_for: bool = False,
) -> Enrolling:
    """Give out places in the order asked; `taken` places are gone. A vendor named twice counts once.

    Vendors enrol themselves up to the first session day; officers until the class is finished. A person has a
    place in one open class of a course, and none in a course it completed, nor before it completed what the course
    asks for. Where no place is left, or what is left is `spoken_for` by people who wait, `waitlist` has it wait too:
    for this class while that has not begun, else for the next of the course. Who waits keeps the moment since when.
    """
    closed = a_class.state != "open" or (not by_officer and today > a_class.days[0])
    outcome = Enrolling()
    here: set[UUID] = set()
    for vendor_id in dict.fromkeys(vendor_ids):
        full = spoken_for or taken + len(outcome.enrolled) >= a_class.places
        person_id = about.persons.get(vendor_id, vendor_id)
        standing = Standing(a_class.class_id) if person_id in here else about.standings.get(vendor_id, Standing())
        refusal = _refusal(a_class, vendor_id, about, standing, closed=closed)
        wait = about.waits.get(vendor_id)
        if refusal is None and full:
            if not waitlist:
                refusal = "class-full", _full(a_class)
            elif wait is not None and (wait.vendor_id != vendor_id or wait.class_id == awaited(a_class, today)):
                refusal = "already-waiting", "The vendor waits for this course already, and keeps its place in line."
        if refusal is not None:
            outcome.refused.append(EnrolmentRefusal(vendor_id, *refusal))
            continue
        here.add(person_id)
        outcome.cautions += _cautions(a_class, vendor_id, about)
        if full:
            outcome.waiting.append(vendor_id)
        else:
            outcome.enrolled.append(enrolled_event(a_class, vendor_id, about.engagements.get(vendor_id, ())))
    return outcome


def _refusal(
    a_class: TrainingClass, vendor_id: UUID, about: About, standing: Standing, *, closed: bool
) -> tuple[RefusalCode, str] | None:
    if closed:
        return "class-closed", "The class takes no enrolments; choose one that is open and has not begun."
    if vendor_id not in about.known:
        return (
            "unknown-vendor",
            "Training does not know this vendor; register it first, or try again shortly.",
        )
    if standing.completed:
        return "already-completed", f"The vendor has completed the course {a_class.course}."
    if standing.open_class == a_class.class_id:
        return "already-enrolled", "The vendor has a place in this class, or asks for one twice."
    if standing.open_class is not None:
        return (
            "already-enrolled",
            f"The vendor has a place in class {standing.open_class} of the same course.",
        )
    if lacking := about.lacking.get(vendor_id):
        return "prerequisite-missing", f"{a_class.course} comes after {', '.join(lacking)}; complete that first."
    return None


def _full(a_class: TrainingClass) -> str:
    return f"All {a_class.places} places are taken; choose another class, or send `waitlist`: true to wait for a place."


def awaited(a_class: TrainingClass, today: date) -> UUID | None:
    """What somebody waits for who finds this class full: a place in it; once it has begun, the next of the course."""
    return a_class.class_id if a_class.is_ahead(today) else None


def waitlisted_event(a_class: TrainingClass, vendor_id: UUID, class_id: UUID | None, place: int) -> TrainingWaitlisted:
    """That a vendor waits for a place in this class (`class_id`), or for the next of its course (None)."""
    title = a_class.title if class_id is not None else None
    return TrainingWaitlisted(vendor_id=vendor_id, course=a_class.course, class_id=class_id, title=title, place=place)


def _cautions(a_class: TrainingClass, vendor_id: UUID, about: About) -> list[Caution]:
    found = []
    category = about.categories.get(vendor_id)
    if a_class.category is not None and category is not None and category != a_class.category:
        reason = f"The class is meant for {a_class.category}; the vendor sells {category}."
        found.append(Caution("category-differs", reason, vendor_id))
    if clashes := about.engagements.get(vendor_id):
        found.append(caution_of_clashes(vendor_id, clashes))
    return found


@dataclass
class Withdrawing:
    """What became of a request to give places up."""

    withdrawn: list[TrainingWithdrawn] = field(default_factory=list)
    refused: list[EnrolmentRefusal] = field(default_factory=list)


def withdraw(
    a_class: TrainingClass,
    vendor_ids: Iterable[UUID],
    places: Mapping[UUID, UUID],
    waits: Mapping[UUID, UUID],
    *,
    today: date,
    by_officer: bool,
) -> Withdrawing:
    """Take places back. `places` and `waits`: which id of the person behind an asked one has a place here, or waits for
    one.

    A vendor gives its place up until the first session day; an officer takes it back until the class is finished.
    Who gives up a place and waits for it by another id waits no longer: the place would come straight back.
    """
    outcome = Withdrawing()
    for vendor_id in dict.fromkeys(vendor_ids):
        holder = places.get(vendor_id)
        if holder is not None and (a_class.state != "open" or (not by_officer and today > a_class.days[0])):
            reason = "The class has begun; an officer of its area can take the place back while it runs."
            outcome.refused.append(EnrolmentRefusal(vendor_id, "class-closed", reason))
        elif holder is not None or vendor_id in waits:
            for left, waited_only in ((holder, False), (waits.get(vendor_id), True)):
                if left is None:
                    continue
                event = TrainingWithdrawn(
                    vendor_id=left,
                    class_id=a_class.class_id,
                    course=a_class.course,
                    title=a_class.title,
                    by="officer" if by_officer else "vendor",
                    waited_only=waited_only,
                )
                if event not in outcome.withdrawn:
                    outcome.withdrawn.append(event)
        else:
            reason = "The vendor has no place in this class and does not wait for one."
            outcome.refused.append(EnrolmentRefusal(vendor_id, "not-enrolled", reason))
    return outcome
