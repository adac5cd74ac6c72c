"""The envelope of every message: CloudEvents 1.0 in Kafka headers (binary mode), W3C trace context beside it.

Source: CloudEvents 1.0 Kafka protocol binding (headers prefixed `ce_`), W3C Trace Context (`traceparent`).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict

__all__ = ["Command", "Envelope", "Event", "Malformed", "Message", "read_envelope", "write_headers"]


class Malformed(ValueError):
    """A message that can never be read; `field` names the header or field, the text says why and what was expected.

    The text carries no value of the message: it may be personal data.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


class Message(BaseModel):
    """Body of a message on a topic: only the fact, as JSON. Unknown fields are ignored, so publishers may add"""

    model_config = ConfigDict(frozen=True, extra="ignore")

    topic: ClassVar[str]
    key: ClassVar[str]
    """Name of the field that holds the aggregate's id: the Kafka key and `ce_subject`."""

    registry: ClassVar[dict[str, type["Message"]]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        if "topic" in vars(cls) or any("topic" in vars(base) for base in cls.__mro__[1:-1]):
            if cls.__name__ in Message.registry and Message.registry[cls.__name__].__module__ != cls.__module__:
                raise TypeError(f"two messages are named {cls.__name__}: the name is the contract, choose another")
            Message.registry[cls.__name__] = cls

    @property
    def subject(self) -> str:
        """The aggregate's id as text."""
        return str(getattr(self, type(self).key))

    def to_bytes(self) -> bytes:
        """The body as compact JSON."""
        return self.__pydantic_serializer__.to_json(self)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read a body; raises pydantic's `ValidationError`."""
        return cls.model_validate_json(raw)


class Event(Message):
    """A business fact in the past tense, on its publisher's topic `lapak.<service>.events.v1`."""


class Command(Message):
    """A wish of another service, on `lapak.<service>.commands.v1`. A refusal is answered by an event."""


class Envelope(NamedTuple):
    """What stands round a body. `sequence` is the version of the aggregate after this fact (1, 2, 3 ...); a command
    carries none. `type` is the name of the event or command; `time` when it happened."""

    id: UUID
    type: str
    source: str
    time: datetime
    subject: str
    sequence: int | None
    traceparent: str | None


def write_headers(envelope: Envelope) -> list[tuple[str, bytes]]:
    """The Kafka headers of an envelope."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(envelope.id).encode()),
        ("ce_type", envelope.type.encode()),
        ("ce_source", envelope.source.encode()),
        ("ce_time", envelope.time.astimezone(UTC).isoformat().encode()),
        ("ce_subject", envelope.subject.encode()),
        ("content-type", b"application/json"),
    ]
    if envelope.sequence is not None:
        headers.append(("ce_sequence", str(envelope.sequence).encode()))
    if envelope.traceparent is not None:
        headers.append(("traceparent", envelope.traceparent.encode()))
    return headers


def read_envelope(headers: Iterable[tuple[str, bytes | None]]) -> Envelope:
    """Read the headers of a record. Raises `Malformed` naming the header that is missing or unreadable."""
    raw: Mapping[str, bytes | None] = dict(headers)

    def text(name: str) -> str:
        value = raw.get(name)
        if value is None:
            raise Malformed(name, "the header is missing; CloudEvents 1.0 in binary mode is expected")
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise Malformed(name, "the header is not UTF-8") from None

    version = text("ce_specversion")
    if version != "1.0":
        raise Malformed("ce_specversion", "only CloudEvents 1.0 is understood")
    try:
        event_id = UUID(text("ce_id"))
    except ValueError as error:
        raise error if isinstance(error, Malformed) else Malformed("ce_id", "is not a UUID") from None
    try:
        moment = datetime.fromisoformat(text("ce_time"))
    except ValueError as error:
        raise error if isinstance(error, Malformed) else Malformed("ce_time", "is not an RFC 3339 moment") from None
    if moment.tzinfo is None:
        raise Malformed("ce_time", "has no time zone")
    sequence: int | None = None
    if "ce_sequence" in raw:
        try:
            sequence = int(text("ce_sequence"))
        except ValueError as error:
            raise error if isinstance(error, Malformed) else Malformed("ce_sequence", "is not a number") from None
        if sequence < 1:
            raise Malformed("ce_sequence", "is below 1")
    traceparent = raw.get("traceparent")
    return Envelope(
        id=event_id,
        type=text("ce_type"),
        source=text("ce_source"),
        time=moment,
        subject=text("ce_subject"),
        sequence=sequence,
        traceparent=traceparent.decode("ascii", "replace") if traceparent is not None else None,
    )
