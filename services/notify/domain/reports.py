"""What providers report to us: receipts, replies of people, verdicts on templates, trouble with the account."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from shared.events.notify import Channel

__all__ = ["AccountAlert", "Complaint", "Receipt", "RejectionKind", "Reply", "Report", "Status", "TemplateVerdict"]

Status: TypeAlias = Literal["sent", "delivered", "read", "failed"]

RejectionKind: TypeAlias = Literal["address", "unreachable", "opted-out", "not-now", "window", "defect", "other"]
"""Why a provider will not carry a message to a person: its address leads nowhere; nobody is reached there for the
moment (no account on this channel, a phone that is off, a full mailbox: worth another try in some days); it wants none
from us; the provider chose not to for the moment (no retry at once); the conversation is closed; we are at fault
(template, parameters); anything else.
"""


@dataclass(frozen=True)
class Receipt:
    """A provider says how far a message came. `reference`: the attempt's id, which went along with the message;
    `message_id`: the provider's own. One of them is there.
    """

    provider: str
    reference: UUID | None
    message_id: str | None
    status: Status
    at: datetime
    code: str | None = None
    kind: RejectionKind | None = None
    """Of a failed one."""
    cost_millirupiah: int | None = None
    parts: int = 1
    """How many parts the message has, where each has receipts of its own (`message_id` is this part's): it is delivered
    when all of them are.
    """


@dataclass(frozen=True)
class Reply:
    """A person wrote to us. `button`: the payload of the quick reply that was pressed; `in_reply_to`: the provider's
    id of the message it answers.
    """

    provider: str
    channel: Channel
    message_id: str
    address: str
    text: str
    at: datetime
    button: str | None = None
    in_reply_to: str | None = None


@dataclass(frozen=True)
class Complaint:
    """The person told its provider that our message was unwanted. `reference`: the attempt's id."""

    provider: str
    reference: UUID
    code: str


@dataclass(frozen=True)
class TemplateVerdict:
    """The provider approved, refused, paused or disabled a template; `status` in its lower-case words."""

    provider: str
    name: str
    language: str
    status: str
    reason: str | None = None


@dataclass(frozen=True)
class AccountAlert:
    """Something is wrong with our account or number: `pause` ends all sending through the provider until an operator
    resumes it.
    """

    provider: str
    code: str
    pause: bool


Report: TypeAlias = Receipt | Reply | Complaint | TemplateVerdict | AccountAlert
