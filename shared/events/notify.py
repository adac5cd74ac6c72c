"""Contracts of notification: what became of each message. No address, no text."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.envelope import Event

__all__ = [
    "BroadcastApproved",
    "BroadcastCompleted",
    "BroadcastEvent",
    "BroadcastPaused",
    "BroadcastResumed",
    "BroadcastStopped",
    "BroadcastSubmitted",
    "Channel",
    "Intent",
    "MessagesResumed",
    "MessagesStopped",
    "NotificationChannelFailed",
    "NotificationDelivered",
    "NotificationEvent",
    "NotificationExpired",
    "NotificationFailed",
    "NotificationRead",
    "NotificationSent",
    "NotificationUnknown",
    "ReplyReceived",
    "SendingPaused",
    "SendingResumed",
    "TemplatePaused",
    "TemplateResumed",
]

Channel = Literal["email", "sms", "whatsapp", "inbox"]
Intent = Literal["accept", "decline", "stop", "start", "why", "schedule", "other"]


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


class NotificationDelivered(NotificationEvent):
    """The provider reported that it reached the person's device or mailbox. Told once, whatever channels follow."""

    channel: Channel


class NotificationRead(NotificationEvent):
    """The person opened it, where the channel tells so."""

    channel: Channel


class NotificationChannelFailed(NotificationEvent):
    """This channel did not reach the person; the next one is tried."""

    channel: Channel
    reason: str


class ReplyReceived(Event):
    """A person wrote to us. What it wrote stays with notify."""

    topic: ClassVar[str] = "lapak.notify.events.v1"
    key: ClassVar[str] = "reply_id"

    reply_id: UUID
    vendor_id: UUID | None = Field(description="None where the address is nobody's we know")
    channel: Channel
    intent: Intent
    about_notification_id: UUID | None = None
    queued: bool = Field(description="True: an officer is to answer")


class WishEvent(Event):
    """What a person wants, or no longer wants, to hear."""

    topic: ClassVar[str] = "lapak.notify.events.v1"
    key: ClassVar[str] = "vendor_id"

    vendor_id: UUID
    channel: Channel | None = Field(description="None: on every channel")
    about: str | None = Field(default=None, description="Topic of messages; None: all that may be ended")
    by: Literal["reply", "link", "person", "officer", "provider"]


class MessagesStopped(WishEvent):
    """The person wants no more of these messages."""


class MessagesResumed(WishEvent):
    """The person wants them again."""


class BroadcastEvent(Event):
    """A fact about one broadcast."""

    topic: ClassVar[str] = "lapak.notify.events.v1"
    key: ClassVar[str] = "broadcast_id"

    broadcast_id: UUID


class BroadcastSubmitted(BroadcastEvent):
    """Somebody wants this told to many."""

    template: str
    recipients: int
    approval_needed: bool


class BroadcastApproved(BroadcastEvent):
    """A second person agreed, or none was needed: it begins."""

    second_person: bool


class BroadcastPaused(BroadcastEvent):
    """What has not left waits."""


class BroadcastResumed(BroadcastEvent):
    """It goes on."""


class BroadcastStopped(BroadcastEvent):
    """What has not left never does."""

    cancelled: int


class BroadcastCompleted(BroadcastEvent):
    """All of it has left or never will."""

    recipients: int
    accepted: int
    failed: int


class SendingProviderEvent(Event):
    """A fact about a provider of a channel."""

    topic: ClassVar[str] = "lapak.notify.events.v1"
    key: ClassVar[str] = "provider"

    provider: str = Field(description="The provider's name in our settings")
    channel: Channel


class SendingPaused(SendingProviderEvent):
    """Nothing leaves through it: trouble with the account, or an operator's wish."""

    code: str


class SendingResumed(SendingProviderEvent):
    """It is used again."""


class TemplateEvent(Event):
    """A fact about one template of messages."""

    topic: ClassVar[str] = "lapak.notify.events.v1"
    key: ClassVar[str] = "template"

    template: str


class TemplatePaused(TemplateEvent):
    """Nothing of this template leaves, by an operator's wish."""

    reason: str = Field(description="A code")


class TemplateResumed(TemplateEvent):
    """It is used again; what was held back leaves, if it is not worthless by now."""
