"""Contracts of notification: what became of each message. No address, no text."""

from typing import ClassVar, Literal
from uuid import UUID

from shared.events.envelope import Event

__all__ = ["NotificationExpired", "NotificationFailed", "NotificationSent", "NotificationUnknown"]

Channel = Literal["email", "sms", "whatsapp", "inbox"]


class NotificationEvent(Event):
    """A fact about one notification."""

    topic: ClassVar[str] = "lapak.notify.events.v1"
    key: ClassVar[str] = "notification_id"

    notification_id: UUID
    vendor_id: UUID
    template: str
    cause_event_id: UUID


class NotificationSent(NotificationEvent):
    """A provider accepted the message."""

    channel: Channel


class NotificationFailed(NotificationEvent):
    """No channel took the message."""

    reason: str


class NotificationUnknown(NotificationEvent):
    """A crash or time-out fell between the attempt and its outcome; never resent blindly."""

    channel: Channel


class NotificationExpired(NotificationEvent):
    """Its deadline passed before it could be sent."""
