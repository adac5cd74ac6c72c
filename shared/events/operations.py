"""Notices about the running of a service."""

from typing import ClassVar
from uuid import UUID

from shared.events.envelope import Event

__all__ = ["MessageDeadLettered"]


class MessageDeadLettered(Event):
    """A consumer set a message aside (`lapak dead-letters`). Carries where it lies, never what it says."""

    topic: ClassVar[str] = "lapak.operations.events.v1"
    key: ClassVar[str] = "dead_letter_id"

    dead_letter_id: UUID
    service: str
    source_topic: str
    partition: int
    offset: int
    error: str
