"""What vendors wish of mentoring, and what officers decide about it by hand."""

from typing import Annotated, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.training.domain.assignments import Kind, Reason
from services.training.domain.values import FieldCode
from shared.errors import NotFound, Refused
from shared.events.values import Language

FIELDS_MAX = 3

RequestState: TypeAlias = Literal["open", "granted", "declined", "taken-back"]
RequestReason: TypeAlias = Literal["field", "language", "distance", "never-came", "conflict", "other"]


class FieldUnknown(Refused):
    """A code that is no field of the catalogue."""

    code = "unknown-field"
    status = 422


class RequestNotFound(NotFound):
    """No request for another mentor has this id."""

    code = "unknown-mentor-request"


class RequestStanding(Refused):
    """The vendor asked already, and waits for the answer."""

    code = "mentor-request-standing"


class RequestSettled(Refused):
    """The request was answered or taken back."""

    code = "mentor-request-settled"


class WishMentoring(BaseModel):
    """In which fields a vendor wants help, and in which language; without fields its product group decides."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fields: Annotated[list[FieldCode], Field(max_length=FIELDS_MAX)] = Field(default_factory=list)
    language: Language = "id"


class GiveMentor(BaseModel):
    """An officer gives a vendor this mentor; the kind is the mentor's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mentor_id: UUID
    reason: Reason


class TakeMentor(BaseModel):
    """An officer parts a vendor from its mentor."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind = "employed"
    reason: Reason


class AskForAnother(BaseModel):
    """A vendor asks for another mentor."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: RequestReason


class AnswerRequest(BaseModel):
    """An officer grants the request, naming the mentor, or declines it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    grant: bool
    mentor_id: UUID | None = None

    @model_validator(mode="after")
    def _names_whom(self) -> Self:
        if self.grant != (self.mentor_id is not None):
            raise ValueError("mentor_id: name the other mentor to grant the request, and none to decline it")
        return self
