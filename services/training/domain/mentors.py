"""Mentors: employed by an agency (pendamping), or foster mentors who adopt a group without public money (bapak/ibu
angkat, DOMAIN E4). Their names travel on a card and nowhere else.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Literal, NamedTuple, Self, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.training.domain.assignments import MentorGone
from services.training.domain.values import Account, Email, FieldCode, KnownArea, Name, Phone, each_once
from shared.errors import Refused
from shared.events.mentoring import MentorListed, MentorWithdrawn
from shared.events.training import OrganisationCard
from shared.events.values import AgencyCode, Language

AREAS_MAX = 60
FIELDS_MAX = 30
LOAD_MAX = 500
"""358 mentors stand beside 50,000 vendors who are accompanied: 140 each; nobody visits 500 in a month."""

MentorKind: TypeAlias = Literal["employed", "foster"]
Funding: TypeAlias = Literal["APBD", "NON_APBD"]


class AccountTaken(Refused):
    """The account belongs to another mentor."""

    code = "account-taken"


class NotGraduated(Refused):
    """Only members who graduated mentor others."""

    code = "not-graduated"


class KindChanged(Refused):
    """An employed mentor does not become a foster mentor, nor the other way round."""

    code = "mentor-kind-stays"


class ListMentor(BaseModel):
    """A mentor's entry as an officer writes it; the whole of it again where it changes.

    `load_max`: so many vendors at once at the most. `vendor_id`: the member who graduated and mentors now.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: MentorKind
    name: Name
    areas: Annotated[list[KnownArea], Field(min_length=1, max_length=AREAS_MAX), AfterValidator(each_once)]
    fields: Annotated[list[FieldCode], Field(max_length=FIELDS_MAX), AfterValidator(each_once)] = Field(
        default_factory=list, description="Fields of competence, codes as those of courses; none: general"
    )
    languages: Annotated[list[Language], Field(min_length=1), AfterValidator(each_once)] = ["id"]
    load_max: int = Field(strict=True, ge=0, le=LOAD_MAX)
    funding: Funding | None = Field(default=None, description="Employed: APBD unless said; foster: always NON_APBD")
    agency: AgencyCode | None = None
    phone: Phone | None = None
    email: Email | None = None
    language: Language = Field(default="id", description="In which it is written to")
    account: Account | None = Field(default=None, description="`sub` of the mentor's own tokens")
    vendor_id: UUID | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.kind == "employed" and self.agency is None:
            raise ValueError("agency: an employed mentor is employed by one; name it")
        if self.kind == "foster" and self.funding == "APBD":
            raise ValueError("funding: a foster mentor costs no public money; leave funding out or say NON_APBD")
        return self

    def card(self) -> "Card":
        """What its card holds."""
        return Card(self.name, self.phone, self.email, self.language)


class Card(NamedTuple):
    """How to reach a mentor. Personal data: sealed in our row, and on the compacted topic of cards."""

    name: str
    phone: str | None
    email: str | None
    language: Language


@dataclass(frozen=True, slots=True)
class Mentor:
    """A mentor without its card. `version` counts its events, `card_version` its cards; areas, fields and languages are
    sorted.
    """

    mentor_id: UUID
    kind: MentorKind
    funding: Funding
    agency: str | None
    areas: tuple[str, ...]
    fields: tuple[str, ...]
    languages: tuple[Language, ...]
    load_max: int
    account: str | None
    vendor_id: UUID | None
    state: Literal["listed", "withdrawn"]
    version: int
    card_version: int
    listed_at: datetime
    withdrawn_at: datetime | None = None

    @property
    def listed(self) -> bool:
        """Whether it mentors at present."""
        return self.state == "listed"

    def with_next_card(self) -> "Mentor":
        """With a card of the next version."""
        return replace(self, card_version=self.card_version + 1)


def enter(command: ListMentor, *, mentor_id: UUID, now: datetime) -> tuple[Mentor, MentorListed]:
    """A mentor is entered."""
    mentor = _as_written(
        Mentor(mentor_id, command.kind, "APBD", None, (), (), (), 0, None, None, "listed", 0, 0, now), command
    )
    return mentor, tell(mentor)


def change(mentor: Mentor, command: ListMentor) -> tuple[Mentor, MentorListed | None]:
    """The entry as it is written now; without an event where others would notice nothing. Who it accompanies stays,
    also beyond a load that was lowered. Raises `MentorGone`, `KindChanged`.
    """
    if not mentor.listed:
        raise MentorGone("This mentor was withdrawn; enter one who comes back anew.", mentor_id=str(mentor.mentor_id))
    if command.kind != mentor.kind:
        raise KindChanged(
            f"This is the entry of one who is {mentor.kind}; enter the other as a mentor of its own.",
            kind=mentor.kind,
        )
    changed = _as_written(mentor, command)
    if tell(changed) == tell(mentor):
        return replace(changed, version=mentor.version), None
    return changed, tell(changed)


def withdraw(mentor: Mentor, *, now: datetime) -> tuple[Mentor, MentorWithdrawn]:
    """The mentor mentors no more; its account opens nothing from now on."""
    after = replace(
        mentor,
        state="withdrawn",
        account=None,
        withdrawn_at=now,
        version=mentor.version + 1,
        card_version=mentor.card_version + 1,
    )
    return after, MentorWithdrawn(mentor_id=mentor.mentor_id)


def tell(mentor: Mentor) -> MentorListed:
    """What others hear of an entry."""
    return MentorListed(
        mentor_id=mentor.mentor_id,
        kind=mentor.kind,
        funding=mentor.funding,
        agency=mentor.agency,
        areas=list(mentor.areas),
        fields=list(mentor.fields),
        languages=list(mentor.languages),
        load_max=mentor.load_max,
        alumnus=mentor.vendor_id is not None,
    )


def tell_card(mentor: Mentor, card: Card) -> OrganisationCard:
    """The card as it travels."""
    return OrganisationCard(party_id=mentor.mentor_id, kind="mentor", **card._asdict())


def _as_written(mentor: Mentor, command: ListMentor) -> Mentor:
    return replace(
        mentor,
        funding="NON_APBD" if command.kind == "foster" else command.funding or "APBD",
        agency=command.agency,
        areas=tuple(command.areas),
        fields=tuple(command.fields),
        languages=tuple(command.languages),
        load_max=command.load_max,
        account=command.account,
        vendor_id=command.vendor_id,
        version=mentor.version + 1,
    )
