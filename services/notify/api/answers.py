"""What notify's HTTP door answers. Names and addresses are masked here unless the reader is the vendor itself."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from services.notify.domain.delivery import State
from services.notify.domain.people import Contact
from services.notify.rendering import Text

__all__ = [
    "AttemptAnswer",
    "ChecksumAnswer",
    "LatencyAnswer",
    "NotificationAnswer",
    "NotificationPage",
    "NotificationRow",
    "RecipientAnswer",
    "SettledAnswer",
    "StatsAnswer",
    "TextAnswer",
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


class NotificationAnswer(NotificationRow):
    """A notification with its text and its attempts. Without a contact card there is no recipient and no text."""

    template_version: str
    params: dict[str, Any]
    settled_at: datetime | None
    recipient: RecipientAnswer | None
    text: TextAnswer | None
    attempt_list: list[AttemptAnswer]


class SettledAnswer(BaseModel):
    """What an unknown notification has become."""

    notification_id: UUID
    state: State


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
