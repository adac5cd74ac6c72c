"""The messages: every event and command there is, and its JSON Schema."""

from typing import Any

from shared import events
from shared.events.envelope import Command, Message

__all__ = ["messages", "schema", "word"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def messages() -> list[type[Message]]:
    """Every event and command by name: those of `shared.events` that no other message builds on."""
    known = [kind for kind in Message.registry.values() if kind.__module__.startswith(events.__name__ + ".")]
    parents = {base for kind in known for base in kind.__mro__[1:]}
    return sorted((kind for kind in known if kind not in parents), key=lambda kind: kind.__name__)


def schema(kind: type[Message]) -> dict[str, Any]:
    """The JSON Schema of a body, with the topic and the field that is the record key."""
    return {
        "$schema": DIALECT,
        "$id": f"urn:lapak:{word(kind)}:{kind.__name__}",
        "x-topic": kind.topic,
        "x-key": kind.key,
        **kind.model_json_schema(),
    }


def word(kind: type[Message]) -> str:
    """Event or command."""
    return "command" if issubclass(kind, Command) else "event"
