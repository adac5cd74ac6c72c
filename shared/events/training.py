"""Contracts of training: classes, and how far each vendor has come."""

from datetime import date, datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.envelope import Event
from shared.events.values import AreaCode, CategoryCode, Language

__all__ = [
    "CapitalReferralMoved",
    "CertificateIssued",
    "CertificateRevoked",
    "ClassCancelled",
    "ClassDrafted",
    "ClassFinished",
    "ClassMoved",
    "ClassOpened",
    "CourseListed",
    "CourseRequested",
    "CourseWithdrawn",
    "OrganisationCard",
    "ProviderListed",
    "ProviderWithdrawn",
    "TraineeEvent",
    "TrainingClassCancelled",
    "TrainingClassMoved",
    "TrainingCompleted",
    "TrainingEnrolled",
    "TrainingInvited",
    "TrainingNotCompleted",
    "TrainingSessionNear",
    "TrainingTicketIssued",
    "TrainingWaitlisted",
    "TrainingWithdrawn",
]

TOPIC = "lapak.training.events.v1"


class OrganisationCard(Event):
    """How to reach a provider of training or a mentor, and its name. Compacted topic: the last card counts; a tombstone
    ends it. The only message of training with names: facts carry ids (DESIGN, decision 7).
    """

    topic: ClassVar[str] = "lapak.training.contact.v1"
    key: ClassVar[str] = "party_id"

    party_id: UUID = Field(description="provider_id or mentor_id")
    kind: Literal["provider", "mentor"]
    name: str = Field(max_length=200)
    phone: str | None = Field(default=None, description="E.164")
    email: str | None = None
    language: Language = "id"


# ---- the catalogue (DOMAIN B4, B5)


class ProviderEvent(Event):
    """A fact about one provider of training."""

    topic: ClassVar[str] = TOPIC
    key: ClassVar[str] = "provider_id"

    provider_id: UUID


class ProviderListed(ProviderEvent):
    """A provider can give these fields in this area, or its entry changed (DOMAIN B4)."""

    kind: Literal["university", "chamber", "agency", "company", "community"]
    fields: list[str] = Field(description="Fields of competence, codes, for example digital-marketing")
    area: AreaCode
    partner_id: UUID | None = Field(default=None, description="The partner in the registry whose agreement covers it")
    valid_until: date | None = Field(default=None, description="Last day of that agreement, Asia/Jakarta")


class ProviderWithdrawn(ProviderEvent):
    """The provider gives no more classes; those under way go on."""


class CourseEvent(Event):
    """A fact about one course of the catalogue."""

    topic: ClassVar[str] = TOPIC
    key: ClassVar[str] = "course"

    course: str = Field(description="Code of the course, for example ekspor-dasar")


class CourseListed(CourseEvent):
    """A course is in the catalogue, or its entry changed."""

    level: Literal["basic", "advanced"] = Field(description="basic: given at the kecamatan; advanced: at the province")
    field: str = Field(description="Code of its field, for example export")
    sessions: int
    prerequisites: list[str] = Field(default_factory=list, description="Courses to be completed before it")


class CourseWithdrawn(CourseEvent):
    """No more classes of it are opened."""


# ---- classes


class ClassEvent(Event):
    """A fact about one class."""

    topic: ClassVar[str] = TOPIC
    key: ClassVar[str] = "class_id"

    class_id: UUID


class ClassDrafted(ClassEvent):
    """Enough people of an area asked for a course: a class is prepared, and a provider is asked for it (DOMAIN B5)."""

    course: str
    title: str
    area: AreaCode
    provider_id: UUID | None = None
    requests: int = Field(description="So many people asked for it")
    places: int


class ClassOpened(ClassEvent):
    """A class of a course takes enrolments."""

    course: str = Field(description="Code of the course, for example dasar-kewirausahaan")
    title: str
    area: AreaCode
    days: list[date] = Field(description="Session days, calendar days in Asia/Jakarta")
    places: int
    provider_id: UUID | None = None
    category: CategoryCode | None = Field(default=None, description="Commodity it is meant for; none: everybody")
    online: bool = False


class ClassMoved(ClassEvent):
    """The class meets on other days, at other hours or at another place."""

    days: list[date]
    days_before: list[date]


class ClassCancelled(ClassEvent):
    """The class is not held."""

    reason: str = Field(description="Code, for example trainer-ill, too-few, venue")


class ClassFinished(ClassEvent):
    """The class was held and everybody in it was judged by its completion rule."""

    completed: int
    not_completed: int


# ---- one vendor's training


class TraineeEvent(Event):
    """A fact about one vendor's training; the aggregate is the vendor's training record, keyed by the vendor."""

    topic: ClassVar[str] = TOPIC
    key: ClassVar[str] = "vendor_id"

    vendor_id: UUID


class TrainingInvited(TraineeEvent):
    """Every new member is invited to training automatically (DOMAIN A2); with a class when one fits, else to wait."""

    course: str
    class_id: UUID | None = None
    title: str | None = None
    days: list[date] = Field(default_factory=list)


class CourseRequested(TraineeEvent):
    """The vendor asked for a course (DOMAIN B5); enough requests in an area make a class."""

    course: str
    area: AreaCode = Field(description="Kecamatan or province in which requests are counted together")


class TrainingWaitlisted(TraineeEvent):
    """The class is full; the vendor waits for a place, in this class and then in the next of the course."""

    course: str
    class_id: UUID | None = Field(default=None, description="None: it waits for the next class of the course")
    title: str | None = None
    place: int = Field(description="1: next")


class TrainingEnrolled(TraineeEvent):
    """The vendor has a place in a class."""

    class_id: UUID
    course: str
    title: str
    days: list[date]
    starts_at: list[datetime] = Field(default_factory=list, description="When each session begins; as many as days")
    venue: str | None = Field(default=None, description="Where it meets, or the link of an online class")
    promoted: bool = Field(default=False, description="True: from the waiting list")
    clashes: list[date] = Field(
        default_factory=list, description="Session days on which the vendor has a booth or another class"
    )


class TrainingTicketIssued(TraineeEvent):
    """The signed ticket that shows at the door who has a place; of two of one class the higher serial counts."""

    class_id: UUID
    course: str
    title: str
    days: list[date]
    serial: int
    number: str | None = Field(default=None, description="Said or typed at the door where no code can be read: P7")
    ticket: str = Field(description="Text of the QR code, see shared/tickets.py")


class TrainingSessionNear(TraineeEvent):
    """A session of the vendor's class is tomorrow."""

    class_id: UUID
    title: str
    day: date
    starts_at: datetime | None = None
    venue: str | None = None


class TrainingWithdrawn(TraineeEvent):
    """The vendor's place is given up, by itself or by an officer; or it waits no longer."""

    class_id: UUID | None = None
    course: str
    title: str | None = None
    by: Literal["vendor", "officer"]
    waited_only: bool = Field(default=False, description="True: it had no place, it waited for one")


class TrainingClassMoved(TraineeEvent):
    """The vendor's class meets at other times or elsewhere; its place is kept."""

    class_id: UUID
    course: str
    title: str
    days: list[date]
    days_before: list[date]
    starts_at: list[datetime] = Field(default_factory=list)
    venue: str | None = None
    clashes: list[date] = Field(default_factory=list)


class TrainingClassCancelled(TraineeEvent):
    """The vendor's class is not held; it waits for the next one of the course, before those who came later."""

    class_id: UUID
    course: str
    title: str
    reason: str


class TrainingCompleted(TraineeEvent):
    """The vendor met the completion rule of its class: eligible where a policy wants one training (DOMAIN A2, D5)."""

    class_id: UUID
    course: str
    title: str
    completed_on: date
    sessions_attended: int
    sessions_held: int


class TrainingNotCompleted(TraineeEvent):
    """The class ended and the vendor did not meet its completion rule, or a correction took the completion back."""

    class_id: UUID
    course: str
    title: str
    sessions_attended: int
    sessions_held: int


class CertificateIssued(TraineeEvent):
    """A certificate of a completed class; issued anew with another number when it had to be revoked before."""

    certificate_id: UUID
    class_id: UUID
    course: str
    title: str
    number: str = Field(description="Printed on it, for example LPK/2023/000123")
    issued_on: date


class CertificateRevoked(TraineeEvent):
    """The certificate counts no more; its public page says so."""

    certificate_id: UUID
    class_id: UUID
    course: str
    title: str
    number: str
    reason: Literal["completion-corrected", "issued-in-error", "fraud", "replaced"]


class CapitalReferralMoved(TraineeEvent):
    """A referral of this vendor to a bank (P7) came into a new state; the loan is the bank's to decide (DOMAIN B3)."""

    referral_id: UUID
    bank: str = Field(description="Code of the partner bank")
    state: Literal["sent", "received", "approved", "declined", "withdrawn"]
