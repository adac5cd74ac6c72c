"""The envelope of every message: CloudEvents 1.0 in Kafka headers (binary mode), W3C trace context beside it.

Source: CloudEvents 1.0 Kafka protocol binding (headers prefixed `ce_`), W3C Trace Context (`traceparent`).
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict

__all__ = [
    "Command",
    "Envelope",
    "Event",
    "Malformed",
    "Message",
    "join_headers",
    "read_envelope",
    "time_text",
    "write_headers",
]


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
        message: Self = cls.__pydantic_validator__.validate_json(raw)
        return message


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
    event_id, kind, source, time, subject, sequence, traceparent = envelope
    return join_headers(event_id, kind, source.encode(), time_text(time), subject.encode(), sequence, traceparent)


def join_headers(
    event_id: UUID, kind: str, source: bytes, time: bytes, subject: bytes, sequence: int | None, traceparent: str | None
) -> list[tuple[str, bytes]]:
    """What `write_headers` does, for whoever writes thousands and has some of it as bytes; `time` by `time_text`."""
    headers = [
        _SPEC_VERSION,
        ("ce_id", str(event_id).encode()),
        _type_header(kind),
        ("ce_source", source),
        ("ce_time", time),
        ("ce_subject", subject),
        _CONTENT_TYPE,
    ]
    if sequence is not None:
        headers.append(("ce_sequence", b"%d" % sequence))
    if traceparent is not None:
        headers.append(("traceparent", traceparent.encode()))
    return headers


_SPEC_VERSION = ("ce_specversion", b"1.0")
_CONTENT_TYPE = ("content-type", b"application/json")


@lru_cache(maxsize=1024)
def _type_header(kind: str) -> tuple[str, bytes]:
    return "ce_type", kind.encode()


def time_text(moment: datetime) -> bytes:
    """A moment as `ce_time` says it: RFC 3339, UTC."""
    return moment.astimezone(UTC).isoformat().encode()


@lru_cache(maxsize=1024)  # the events of a transaction share their moment
def _moment(text: bytes) -> datetime:
    """Raises ValueError."""
    moment = datetime.fromisoformat(text.decode())
    if moment.tzinfo is None:
        raise ValueError
    return moment


def read_envelope(headers: Iterable[tuple[str, bytes | None]]) -> Envelope:
    """Read the headers of a record. Raises `Malformed` naming the header that is missing or unreadable."""
    raw: Mapping[str, Any] = dict(headers)
    try:
        sequence = int(raw["ce_sequence"].decode()) if "ce_sequence" in raw else None
        traceparent = raw.get("traceparent")
        envelope = Envelope(
            UUID(raw["ce_id"].decode()),
            raw["ce_type"].decode(),
            raw["ce_source"].decode(),
            _moment(raw["ce_time"]),
            raw["ce_subject"].decode(),
            sequence,
            traceparent.decode("ascii", "replace") if traceparent is not None else None,
        )
    except (KeyError, AttributeError, ValueError):  # a header that is not there, has no value, cannot be read
        _complain(raw)
        raise
    if raw.get("ce_specversion") != b"1.0" or (sequence is not None and sequence < 1):
        _complain(raw)
    return envelope


def _version(text: str) -> None:
    if text != "1.0":
        raise ValueError


def _from_one(text: str) -> None:
    if int(text) < 1:
        raise ValueError


_WRONG: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "ce_specversion": (_version, "only CloudEvents 1.0 is understood"),
    "ce_id": (UUID, "is not a UUID"),
    "ce_time": (lambda text: _moment(text.encode()), "is not an RFC 3339 moment with its time zone"),
    "ce_sequence": (_from_one, "is not a number from 1 up"),
    "ce_type": (str, ""),
    "ce_source": (str, ""),
    "ce_subject": (str, ""),
}


def _complain(raw: Mapping[str, bytes | None]) -> None:
    """Raise `Malformed` for the first header that is wrong."""
    for name, (read, wrong) in _WRONG.items():
        value = raw.get(name)
        if name == "ce_sequence" and name not in raw:
            continue  # a command carries none
        if value is None:
            raise Malformed(name, "the header is missing; CloudEvents 1.0 in binary mode is expected")
        try:
            text = value.decode()
        except UnicodeDecodeError:
            raise Malformed(name, "the header is not UTF-8") from None
        try:
            read(text)
        except ValueError:
            raise Malformed(name, wrong) from None
