"""A message in words, in the form of each channel."""

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Attachment", "Content", "Email", "FreeText", "Sms", "WhatsAppTemplate"]


@dataclass(frozen=True)
class Attachment:
    """A file that goes with an e-mail: `content_type` as in text/calendar or application/pdf."""

    name: str
    content_type: str
    body: bytes


@dataclass(frozen=True)
class Email:
    """An e-mail: the subject in one line, the body as plain text and as simple HTML."""

    subject: str
    body: str
    html: str
    attachments: tuple[Attachment, ...] = ()
    unsubscribe_url: str | None = None
    """Where one click ends messages of this topic (RFC 8058); None where it cannot be ended."""


@dataclass(frozen=True)
class Sms:
    """A text message."""

    text: str


@dataclass(frozen=True)
class WhatsAppTemplate:
    """An approved template with its positional parameters. `buttons`: payloads of its quick replies, in order."""

    name: str
    language: str
    parameters: tuple[str, ...]
    buttons: tuple[str, ...] = ()
    category: str = "utility"


@dataclass(frozen=True)
class FreeText:
    """Plain words, for an open conversation (WhatsApp: within 24 hours after the person's last message)."""

    text: str


Content: TypeAlias = Email | Sms | WhatsAppTemplate | FreeText
