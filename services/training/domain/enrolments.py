"""Places in a class: who gets one, and who is told why not.

A *trainee* is an aggregate, the training record of one vendor: each of its events adds one to its version, whichever
class it concerns.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.training.domain.classes import TrainingClass
from services.training.domain.completion import Result
from shared.errors import NotFound
from shared.events.training import TrainingEnrolled

VENDORS_PER_REQUEST_MAX = 1_000

RefusalCode: TypeAlias = Literal[
    "class-closed", "unknown-vendor", "already-completed", "already-enrolled", "class-full"
]


class TraineeNotFound(NotFound):
    """Training has not heard of this vendor (yet): `VendorRegistered` makes it known."""

    code = "unknown-vendor"


class EnrolVendors(BaseModel):
    """Give these vendors places in a class, in this order while places last."""

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
    """What became of a request for places; both lists in the order asked."""

    enrolled: list[TrainingEnrolled] = field(default_factory=list)
    refused: list[EnrolmentRefusal] = field(default_factory=list)


def enrol(
    a_class: TrainingClass,
    taken: int,
    vendor_ids: Iterable[UUID],
    known: Collection[UUID],
    standings: Mapping[UUID, Standing],
    *,
    today: date,
    by_officer: bool,
    persons: Mapping[UUID, UUID] | None = None,
) -> Enrolling:
    """Give out places in the order asked; `taken` places are gone. A vendor named twice counts once.

    Vendors enrol themselves up to the first session day; officers until the class is finished. A person has a
    place in one open class of a course, and none in a course it completed: `standings` are the person's, and `persons`
    says which of the ids asked for are one person (id -> the id that stands for it).
    """
    closed = a_class.state == "finished" or (not by_officer and today > a_class.days[0])
    outcome = Enrolling()
    here: set[UUID] = set()
    for vendor_id in dict.fromkeys(vendor_ids):
        full = taken + len(outcome.enrolled) >= a_class.places
        person_id = (persons or {}).get(vendor_id, vendor_id)
        standing = Standing(a_class.class_id) if person_id in here else standings.get(vendor_id, Standing())
        refusal = _enrolment_refusal(a_class, vendor_id in known, standing, closed=closed, full=full)
        if refusal is not None:
            outcome.refused.append(EnrolmentRefusal(vendor_id, *refusal))
            continue
        here.add(person_id)
        outcome.enrolled.append(
            TrainingEnrolled(
                vendor_id=vendor_id,
                class_id=a_class.class_id,
                course=a_class.course,
                title=a_class.title,
                days=list(a_class.days),
            )
        )
    return outcome


def _enrolment_refusal(
    a_class: TrainingClass, known: bool, standing: Standing, *, closed: bool, full: bool
) -> tuple[RefusalCode, str] | None:
    if closed:
        return "class-closed", "The class no longer takes enrolments; choose one that has not begun."
    if not known:
        return (
            "unknown-vendor",
            "Training does not know this vendor; register it first, or try again shortly.",
        )
    if standing.completed:
        return "already-completed", f"The vendor has completed the course {a_class.course}."
    if standing.open_class == a_class.class_id:
        return "already-enrolled", "The vendor has a place in this class."
    if standing.open_class is not None:
        return (
            "already-enrolled",
            f"The vendor has a place in class {standing.open_class} of the same course.",
        )
    if full:
        return "class-full", f"All {a_class.places} places are taken; choose another class."
    return None
