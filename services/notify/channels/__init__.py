"""Channels: the ways a message reaches a person. One file per adapter; each keeps the rules below.

A provider opens lines; a line carries one message at a time. Before a message is begun its line is open, so a provider
that is away costs no attempts. What `send` answers decides whether a message may ever be sent again, so it must be
true: `Deferred` and `Rejected` only when the provider certainly did not take the message, `Ambiguous` for every failure
after it was handed over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable
from uuid import UUID

from services.notify.domain.contents import Content
from services.notify.domain.delivery import Outcome
from services.notify.domain.people import Contact
from services.notify.domain.reports import Report
from shared.events.notify import Channel as ChannelName

__all__ = ["Challenged", "ChannelDown", "Letter", "Line", "Provider", "WebhookRefused"]


class ChannelDown(Exception):
    """The provider cannot be reached or does not want us now; nothing was handed over. `code` says how, no address."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class WebhookRefused(Exception):
    """A call that claims to be a provider's is not, or cannot be read; the text says why and holds none of it."""


@dataclass(frozen=True)
class Letter:
    """A message ready to leave. `attempt_id` goes along as our reference, so that receipts find it."""

    notification_id: UUID
    attempt_id: UUID
    template: str
    name: str
    address: str
    content: Content
    written_at: datetime
    deadline: datetime


class Line(Protocol):
    """One open way to the provider, used by one worker at a time."""

    async def open(self) -> None:
        """Be ready to carry a message; does nothing when it is. Raises `ChannelDown`."""

    async def send(self, letter: Letter, *, seconds: float) -> Outcome:
        """Carry one message. Never raises for a failed send.

        Nothing is handed over later than `seconds` from now: the attempt's lease may be over then, and somebody else
        may have settled it.
        """

    async def close(self) -> None:
        """End the line politely; it may be opened again."""


class Provider(Protocol):
    """A provider of one channel. `name` is ours, as the settings give it: `wa-main`, `sms-a`, `smtp`."""

    name: str
    channel: ChannelName

    def address(self, contact: Contact) -> str | None:
        """Where this provider reaches the person, if it does."""

    def line(self) -> Line:
        """A new line, closed."""

    async def find(self, attempt_id: UUID, address: str, began_at: datetime) -> Outcome | None:
        """What became of an attempt whose answer was lost, where the provider can be asked; None where it cannot, or
        does not know yet. Raises `ChannelDown`.
        """

    def read_webhook(self, path: str, headers: Mapping[str, str], body: bytes) -> Sequence[Report]:
        """What a call of the provider reports, once its signature is found right. Raises `WebhookRefused`."""


@runtime_checkable
class Challenged(Protocol):
    """A provider that first asks whether an address is ours before it calls there."""

    def challenge(self, query: Mapping[str, str]) -> str:
        """What it wants to read. Raises `WebhookRefused` where it does not prove who it is."""
