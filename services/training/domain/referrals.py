"""Referrals of vendors to banks (P7, DOMAIN B3): what is sent, and what the bank's answers come to. Pure.

We never decide a loan. What the bank answered is kept as it came; which answer counts follows from all of them by one
rule, so it is the same in whatever order they come and however often:

- the first decision of a bank (approved, declined) is the one with the earliest moment that the bank names for it;
- for 30 days from that moment the bank may correct it: of its decisions until then the one with the latest moment
  counts, and of two with the same moment the one that promises less (declined);
- later decisions do not count any more. `received` never undoes a decision;
- what comes after the referral was withdrawn does not count. A decided referral is withdrawn no more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from services.training.domain.cases import Code
from shared.clock import day_in_jakarta
from shared.errors import NotFound, Refused
from shared.events.cases import AnswerCapitalReferral
from shared.events.training import CapitalReferralMoved

AnswerCode: TypeAlias = Literal["received", "approved", "declined"]
ReferralState: TypeAlias = Literal["prepared", "sent", "received", "approved", "declined", "withdrawn"]
SentState: TypeAlias = Literal["sent", "received", "approved", "declined", "withdrawn"]
Shown: TypeAlias = Literal["itself", "at-counter", "on-paper", "by-phone"]
Because: TypeAlias = Literal["vendor", "officer", "consent"]
Weight: TypeAlias = Literal["stands", "superseded", "too-late-to-correct", "after-withdrawal"]

ANSWER_DAYS = 21
PREVIEW_DAYS = 7
"""So the bank has two weeks at the least."""

CORRECTION_DAYS = 30
CLOCKS_APART = timedelta(minutes=5)
DECISIONS: tuple[AnswerCode, ...] = ("approved", "declined")
UNDECIDED: tuple[ReferralState, ...] = ("prepared", "sent", "received")


class ReferralNotFound(NotFound):
    """No referral has this id, or it is another bank's: which of the two is nobody's business."""

    code = "referral-unknown"

    def __init__(self, referral_id: UUID) -> None:
        super().__init__("No referral of yours has this id.", referral_id=str(referral_id))


class ReferralStands(Refused):
    """The bank has a referral of this person before it already."""

    code = "referral-stands"


class ConsentMissing(Refused):
    """Facts go to a bank only with the consent of the person."""

    code = "consent-missing"


class BankUnknown(Refused):
    """No bank of this code has an agreement about capital that is in force where the vendor lives."""

    code = "bank-unknown"
    status = 422


class PacketChanged(Refused):
    """What would be sent is not what the vendor was shown."""

    code = "packet-changed"


class PreviewTooOld(Refused):
    """It was shown too long ago."""

    code = "preview-too-old"


class ReferralSent(Refused):
    """It is with the bank already."""

    code = "referral-sent"


class ReferralDecided(Refused):
    """The bank has decided; there is nothing to withdraw."""

    code = "referral-decided"


class ReferralWithdrawn(Refused):
    """The vendor does not ask this bank any more: its answers do not count."""

    code = "referral-withdrawn"


class DecisionFinal(Refused):
    """The bank decided otherwise more than 30 days before."""

    code = "decision-final"


class AnswerMalformed(Refused):
    """An answer that cannot be read."""

    code = "malformed"
    status = 422


class AnswerMomentRefused(Refused):
    """A bank answers after it was asked, and not in the future."""

    code = "answered-at-refused"
    status = 422


class ShownMissing(Refused):
    """An officer who sends a packet says how the vendor saw it."""

    code = "shown-missing"
    status = 422


class PrepareReferral(BaseModel):
    """Prepare what a bank would be sent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bank: Code


class SendReferral(BaseModel):
    """Send what was shown; `shown`: how the vendor saw it, where an officer sends it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    packet_sha256: str
    shown: Literal["at-counter", "on-paper", "by-phone"] | None = None


class EnterAnswer(BaseModel):
    """What a bank answered, as an officer enters it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer: AnswerCode
    answered_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class Referral:
    """A referral. `packet`: the bytes that were shown, and sent."""

    referral_id: UUID
    vendor_id: UUID
    bank: str
    state: ReferralState
    packet: bytes
    packet_sha256: str
    answer_by: date
    prepared_by: str
    prepared_at: datetime
    shown: Shown | None = None
    sent_by: str | None = None
    sent_at: datetime | None = None
    withdrawn_at: datetime | None = None
    withdrawn_because: Because | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a bank, as it came or was entered. `answered_at` is the bank's own word."""

    answer: AnswerCode
    answered_at: datetime
    taken_at: datetime
    side: Literal["bank", "officer"]
    entered_by: str
    after_withdrawal: bool


class Answered(NamedTuple):
    """What a bank says about a referral, read from its command."""

    referral_id: UUID
    bank: str
    answer: AnswerCode
    answered_at: datetime


_UUID, _ANSWER = TypeAdapter(UUID), TypeAdapter[AnswerCode](AnswerCode)
_MOMENT = TypeAdapter[datetime](AwareDatetime)


def read_answer(command: AnswerCapitalReferral) -> Answered:
    """What the bank says. Raises `AnswerMalformed` naming the field, never its value."""
    referral_id = read_id(command.referral_id)
    if referral_id is None:
        raise AnswerMalformed("referral_id: must be the id of a referral, a UUID.", field="referral_id")
    try:
        answer = _ANSWER.validate_python(command.answer)
    except ValidationError:
        raise AnswerMalformed("answer: must be received, approved or declined.", field="answer") from None
    try:
        # pydantic would take a bare number for seconds since 1970; a date of RFC 3339 begins with year and month
        answered_at = _MOMENT.validate_python(command.answered_at if command.answered_at[4:5] == "-" else "")
    except ValidationError:
        raise AnswerMalformed(
            "answered_at: must be a moment with its time zone, RFC 3339, for example 2023-03-20T09:00:00+07:00.",
            field="answered_at",
        ) from None
    return Answered(referral_id, command.bank, answer, answered_at)


def read_id(text: str) -> UUID | None:
    """The id in a text; None where it is none."""
    try:
        return _UUID.validate_python(text)
    except ValidationError:
        return None


def require_moment(answered_at: datetime, sent_at: datetime, now: datetime) -> None:
    """Refuse an answer to what was not asked yet, or of a moment that is still to come."""
    if answered_at > now + CLOCKS_APART:
        raise AnswerMomentRefused("answered_at: lies in the future; name the moment at which the bank decided.")
    if answered_at < sent_at - CLOCKS_APART:
        raise AnswerMomentRefused("answered_at: is before the bank was asked; name the moment at which it decided.")


def standing(answers: Iterable[Answer]) -> SentState:
    """What all answers together come to; `sent` without any that counts."""
    counting = [answer for answer in answers if not answer.after_withdrawal]
    decision = _decision(counting)
    if decision is not None:
        return decision.answer
    return "received" if counting else "sent"


def weigh(answer: Answer, answers: Sequence[Answer]) -> Weight:
    """What one answer counts beside all of them."""
    if answer.after_withdrawal:
        return "after-withdrawal"
    counting = [one for one in answers if not one.after_withdrawal]
    decision = _decision(counting)
    if decision is None or answer.answer == decision.answer:
        return "stands"
    if answer.answer == "received" or answer.answered_at <= _correctable_until(counting):
        return "superseded"
    return "too-late-to-correct"


def _decision(counting: Sequence[Answer]) -> Answer | None:
    decisions = [answer for answer in counting if answer.answer in DECISIONS]
    if not decisions:
        return None
    until = _correctable_until(counting)
    return max(
        (answer for answer in decisions if answer.answered_at <= until),
        key=lambda answer: (answer.answered_at, answer.answer == "declined"),
    )


def _correctable_until(counting: Sequence[Answer]) -> datetime:
    first = min(answer.answered_at for answer in counting if answer.answer in DECISIONS)
    return first + timedelta(days=CORRECTION_DAYS)


def is_late(answer: Answer, answer_by: date) -> bool:
    """Whether the bank answered after the day it was to answer by; it counts all the same."""
    return day_in_jakarta(answer.answered_at) > answer_by


def moved(referral: Referral, state: SentState) -> CapitalReferralMoved:
    """That a referral came into a state."""
    return CapitalReferralMoved(
        vendor_id=referral.vendor_id, referral_id=referral.referral_id, bank=referral.bank, state=state
    )


def require_sendable(referral: Referral, packet_sha256: str, *, today: date) -> None:
    """Refuse to send what was not shown as it is, was shown too long ago, or is with the bank already."""
    if referral.state == "withdrawn":
        raise ReferralWithdrawn("This referral was withdrawn; prepare a new one.")
    if referral.state != "prepared":
        raise ReferralSent("This referral is with the bank already.", state=referral.state)
    if packet_sha256 != referral.packet_sha256:
        raise PacketChanged("`packet_sha256` is not that of what was prepared last; look at it again, then send that.")
    last = day_in_jakarta(referral.prepared_at) + timedelta(days=PREVIEW_DAYS)
    if today > last:
        raise PreviewTooOld(f"It was shown more than {PREVIEW_DAYS} days ago; prepare it anew.", until=str(last))


def require_undecided(referral: Referral) -> None:
    """Refuse to withdraw what is decided or withdrawn."""
    if referral.state == "withdrawn":
        raise ReferralWithdrawn("This referral is withdrawn already.")
    if referral.state not in UNDECIDED:
        raise ReferralDecided(
            f"The bank has answered ({referral.state}); whether you take the loan is between you and the bank.",
            state=referral.state,
        )
