"""What notify's HTTP door answers. Names and addresses are masked here unless the reader is the vendor itself."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from services.notify.domain.delivery import State
from services.notify.domain.people import Contact
from services.notify.rendering import Text

__all__ = [
    "AttemptAnswer",
    "ChecksumAnswer",
    "FigureRow",
    "FiguresAnswer",
    "FileAnswer",
    "LatencyAnswer",
    "NotificationAnswer",
    "NotificationPage",
    "NotificationRow",
    "PeopleAnswer",
    "ReceiptAnswer",
    "RecipientAnswer",
    "ResentAnswer",
    "SettledAnswer",
    "StatsAnswer",
    "TextAnswer",
    "ToldAnswer",
    "WordsAnswer",
    "masked",
    "recipient",
    "text",
]


class NotificationRow(BaseModel):
    """A notification as lists show it."""

    notification_id: UUID
    cause_event_id: UUID
    template: str
    vendor_id: UUID
    state: State
    reason: str | None = Field(description="Why it is rejected, unknown, expired or tried again: a code")
    channel: str | None
    language: str | None
    attempts: int
    cause_at: datetime
    planned_at: datetime
    deadline: datetime
    sent_at: datetime | None


class NotificationPage(BaseModel):
    """A page of notifications, newest first."""

    items: list[NotificationRow]
    next: str | None


class RecipientAnswer(BaseModel):
    """To whom it goes, by the contact card as it is now."""

    name: str
    email: str | None


class TextAnswer(BaseModel):
    """The message in words, written anew from its template's version and parameters."""

    subject: str
    body: str


class WordsAnswer(BaseModel):
    """The words in the form of a channel, written anew; of WhatsApp, the approved form with its parameters."""

    subject: str | None = None
    body: str
    buttons: list[str] = []
    whatsapp_name: str | None = Field(default=None, description="The form's name at Meta")


class ToldAnswer(BaseModel):
    """An event that told of it."""

    type: str
    at: datetime | None = Field(description="null: its moment is not kept")
    channel: str | None
    reason: str | None
    version: int | None = Field(description="Its number (ce_sequence), where it is sure")


class ReceiptAnswer(BaseModel):
    """What a provider reported of an attempt."""

    status: str
    code: str | None
    at: datetime
    received_at: datetime


class AttemptAnswer(BaseModel):
    """One attempt. `outcome` is null while it is under way."""

    attempt_id: UUID
    number: int
    channel: str
    began_at: datetime
    ended_at: datetime | None
    outcome: str | None
    code: str | None
    note: str | None
    provider: str
    message_id: str | None = Field(description="The provider's own id of the message")
    status: str | None = Field(description="How far it came, as the provider's receipts say")
    status_at: datetime | None
    failure: str | None = Field(description="Why it was given up though the provider had taken it")
    segments: int | None
    cost_millirupiah: int
    asks: int = Field(description="How often the provider was asked what became of it")
    receipts: list[ReceiptAnswer]
    words: WordsAnswer | None = Field(description="As this channel has them, in the language it was last written in")


class FileAnswer(BaseModel):
    """A file that goes along with an e-mail."""

    name: str | None = Field(description="For the person itself and for operators; null once the file is removed")
    size: int = Field(description="Bytes")
    sha256: str


class NotificationAnswer(NotificationRow):
    """A notification's whole life. Without a contact card there is no recipient and no text; a while after it was
    settled its parameters and its text are removed (`bodies_gone_at`).
    """

    template_version: str
    params: dict[str, Any]
    settled_at: datetime | None
    version: int = Field(description="How many events told of it")
    lane: int
    topic: str
    must: bool = Field(description="It cannot be ended as a whole by wishes")
    mode: str = Field(description="test: by a test key, and simulated")
    provider: str | None
    route: list[str] | None = Field(description="Channels still to try after the present one; null: not chosen yet")
    not_before: datetime | None = Field(description="It waits until then: quiet hours, or a digest")
    delivered_at: datetime | None
    read_at: datetime | None
    silent: bool = Field(description="A channel took it and gave no receipt in time, so others were tried")
    digest_id: UUID | None = Field(description="Told within this message; its fate is that one's")
    tells: list[UUID] = Field(description="Messages that this one, a digest, told")
    broadcast_id: UUID | None
    resend_of: UUID | None
    resent_as: UUID | None
    asked_by: str | None = Field(description="The id of the key that asked for it; null: an event did")
    reference: str | None = Field(description="Under which it was asked for")
    bodies_gone_at: datetime | None
    recipient: RecipientAnswer | None
    text: TextAnswer | None = Field(description="As the inbox and an e-mail have it; each attempt has its own words")
    attachments: list[FileAnswer]
    attempt_list: list[AttemptAnswer]
    told: list[ToldAnswer] = Field(description="Its events, found again from what is kept of it, in order")
    told_untraced: int = Field(description="So many more events were told of which nothing but the number is kept")


class SettledAnswer(BaseModel):
    """What an unknown notification has become."""

    notification_id: UUID
    state: State


class ResentAnswer(BaseModel):
    """The message that is sent in the place of an earlier one."""

    notification_id: UUID
    resend_of: UUID


class PeopleAnswer(BaseModel):
    """Whose address it is."""

    vendor_ids: list[UUID]


class LatencyAnswer(BaseModel):
    """Seconds from the cause (`ce_time`) to the provider's acceptance, of all that was sent."""

    p50: float | None
    p99: float | None
    count: int


class StatsAnswer(BaseModel):
    """Counts of notifications, and how long they took."""

    by_template: dict[str, int]
    by_state: dict[str, int]
    by_channel: dict[str, int]
    latency_seconds: LatencyAnswer


class FigureRow(BaseModel):
    """Counts of one group."""

    by: dict[str, date | int | str | None]
    n: int
    outcomes: dict[str, int]
    not_told: int = Field(description="E-mails that a mail server took and did not return: none says that it arrived")
    rates: dict[str, float] = Field(
        description="Of what was accepted, the share reported as delivered (not of e-mails: none is told), as failed"
    )
    timed: int = Field(description="How many of them have a duration")
    mean_seconds: float | None
    p50_seconds: float | None = Field(description="From a histogram: right within a bucket")
    p95_seconds: float | None
    p99_seconds: float | None
    segments: int
    cost_millirupiah: int


class FiguresAnswer(BaseModel):
    """Counts of these days."""

    first: date
    last: date
    about: str
    mode: str
    items: list[FigureRow]


class ChecksumAnswer(BaseModel):
    """A copy's size and hash, to compare with its source."""

    count: int
    sha256: str


def recipient(contact: Contact) -> RecipientAnswer:
    """The recipient as the reader may see it; give a masked contact to mask."""
    return RecipientAnswer(name=contact.name, email=contact.email)


def text(written: Text) -> TextAnswer:
    """The message's words."""
    return TextAnswer(subject=written.subject, body=written.body)


def masked(contact: Contact) -> Contact:
    """The contact with only as much left as helps to recognise it: `S*** A***`, `s***@example.com`."""
    email = None
    if contact.email is not None:
        local, _, domain = contact.email.rpartition("@")
        email = f"{local[:1]}***@{domain}"
    name = " ".join(f"{word[:1]}***" for word in contact.name.split())
    return Contact(name, "***", email, contact.language)
