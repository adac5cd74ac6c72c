"""What the emulators keep: messages that were taken, what is reported of them, and how a request is answered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

__all__ = ["Answer", "Cut", "Message", "Report", "Request", "Status", "Step", "Taken", "as_json", "status_at"]

Status: TypeAlias = Literal["sent", "delivered", "read", "failed"]


class Step(NamedTuple):
    """A message came so far at `due` (seconds since 1970); `code`: the provider's, of a failure."""

    status: Status
    due: float
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request to one of the APIs: the path within it, and header names in lower case."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"


class Cut(Exception):
    """The connection ends without an answer."""


@dataclass(slots=True)
class Message:
    """A message as the provider took it: `person` and `sender` in digits (a sender may be a name), `reference` is
    ours, `steps` come when it is taken.
    """

    provider: str
    account: str
    message_id: str
    person: str
    sender: str
    text: str
    at: float
    inbound: bool = False
    reference: str | None = None
    kind: str = "text"
    template: str | None = None
    buttons: tuple[tuple[str, str], ...] = ()
    callback: str | None = None
    parts: int = 1
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Something a webhook is to hear at `due`: a step of a message, or (`body`) anything else, ready made.

    `message_id` stands in for the message's own: another part of it, or one that nobody sent.
    """

    lane: str
    due: float
    at: float
    status: str
    code: int | None = None
    message_id: str | None = None
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that a provider takes: the answer to its sender; `failure`: the code it will fail with all the same."""

    message: Message
    answer: Answer
    failure: int | None = None
    reads: bool = False
    part_ids: tuple[str, ...] = field(default=())


def as_json(value: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def status_at(steps: tuple[Step, ...], now: float) -> Step | None:
    """How far a message came by now."""
    reached = [step for step in steps if step.due <= now]
    return reached[-1] if reached else None
