"""The officers' queue: replies that nobody could understand, or that nobody may answer but a person. Pure."""

from collections.abc import Collection, Sequence
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.errors import NotFound, Refused
from shared.events.notify import Channel

__all__ = [
    "AnswerReply",
    "CloseReason",
    "CloseReply",
    "NoWayBack",
    "ReplyNotFound",
    "ReplySettled",
    "ReplyState",
    "WriterNotNamed",
    "WriterUnknown",
    "ways_back",
    "writer_of",
]

ReplyState: TypeAlias = Literal["handled", "open", "answered", "closed"]

CloseReason: TypeAlias = Literal["needs-no-answer", "answered-elsewhere", "wrong-number", "spam"]


class AnswerReply(BaseModel):
    """An officer's answer. `vendor_id`: to whom, where several people have the phone that it came from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=600)] = Field(
        description="Goes as it is, in one paragraph"
    )
    vendor_id: UUID | None = None


class CloseReply(BaseModel):
    """Why a reply needs no answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: CloseReason


class ReplyNotFound(NotFound):
    """No reply has this id, or its writer lives outside the caller's area."""

    code = "reply-not-found"


class ReplySettled(Refused):
    """It was answered or closed before, or understood at once."""

    code = "reply-settled"


class WriterUnknown(Refused):
    """The address is nobody's that we know, so nothing can be sent to it."""

    code = "reply-writer-unknown"


class WriterNotNamed(Refused):
    """Several people have this phone: the answer says to whom it goes."""

    code = "reply-writer-not-named"
    status = 422


class NoWayBack(Refused):
    """No channel lets us write freely to this person now."""

    code = "reply-no-way-back"


def writer_of(writers: Sequence[UUID], named: UUID | None) -> UUID:
    """To whom an answer goes. Raises `WriterUnknown`, `WriterNotNamed`."""
    if not writers:
        raise WriterUnknown("Nobody we know has the address that this came from. Close it, with a reason.")
    if named is None and len(writers) == 1:
        return writers[0]
    if named is None or named not in writers:
        listed = [str(one) for one in writers]
        raise WriterNotNamed(
            f"vendor_id: name one of those who may have written it: {', '.join(listed)}.", candidates=listed
        )
    return named


def ways_back(channel: Channel, there: Collection[Channel], *, window_is_open: bool, has_phone: bool) -> list[Channel]:
    """The channels by which free words may go to whoever wrote over this one, in order: WhatsApp while the conversation
    is open, SMS else. Raises `NoWayBack`.
    """
    if not has_phone:
        raise NoWayBack("This person has no phone number in its contact card any more; write by another way.")
    ways: list[Channel] = []
    if channel == "whatsapp" and window_is_open and "whatsapp" in there:
        ways.append("whatsapp")
    if "sms" in there:
        ways.append("sms")
    if not ways:
        raise NoWayBack(
            "The conversation on WhatsApp is closed (24 hours after the person's last message), and no provider of SMS "
            "is set up. Call the person, or wait until it writes again."
        )
    return ways
