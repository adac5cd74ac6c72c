"""Channels: the ways a message reaches a person. One file per channel; each keeps the rules below.

A channel opens lines; a line carries one message at a time. Before a message is begun its line is open, so a provider
that is away costs no attempts. What `send` answers decides whether a message may ever be sent again, so it must be
true: `Deferred` and `Rejected` only when the provider certainly did not take the message, `Ambiguous` for every failure
after it was handed over.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.notify.domain.delivery import Outcome
from services.notify.domain.people import Contact
from services.notify.rendering import Text
from shared.events.notify import Channel as ChannelName

__all__ = ["Channel", "ChannelDown", "Letter", "Line"]


class ChannelDown(Exception):
    """The provider cannot be reached or does not want us now; nothing was handed over. `code` says how, no address."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Letter:
    """A message ready to leave."""

    notification_id: UUID
    template: str
    name: str
    address: str
    text: Text
    written_at: datetime


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


class Channel(Protocol):
    """A way to reach people."""

    name: ChannelName

    def address(self, contact: Contact) -> str | None:
        """Where this channel reaches the person, if it does."""

    def line(self) -> Line:
        """A new line, closed."""
