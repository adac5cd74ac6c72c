"""The AsyncAPI 3 document: topics as channels, who sends and receives on them, the messages and their envelope."""

import inspect
from typing import Any

from pydantic.json_schema import models_json_schema

from shared.contracts.messages import messages, word
from shared.events.envelope import Message

__all__ = ["asyncapi"]


def asyncapi() -> dict[str, Any]:
    """The document of every event and command."""
    kinds = messages()
    topics = sorted({kind.topic for kind in kinds})
    _, definitions = models_json_schema(
        [(kind, "validation") for kind in kinds], ref_template="#/components/schemas/{model}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Lapak events",
            "version": "1.0.0",
            "description": (
                "Every event and command of Lapak. The body is the fact as JSON; the envelope is CloudEvents 1.0 in "
                "Kafka headers (binary mode), with a W3C traceparent. A released field is never removed, retyped or "
                "made required; unknown fields are to be ignored."
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic: _channel(topic, kinds) for topic in topics},
        "operations": {name: operation for topic in topics for name, operation in [_operation(topic, kinds)]},
        "components": {
            "messages": {kind.__name__: _message(kind) for kind in kinds},
            "schemas": {
                "EventHeaders": _headers("event"),
                "CommandHeaders": _headers("command"),
                **definitions["$defs"],
            },
        },
    }


def _channel(topic: str, kinds: list[type[Message]]) -> dict[str, Any]:
    mine = [kind for kind in kinds if kind.topic == topic]
    keys = sorted({kind.key for kind in mine})
    what = "Commands to" if _is_command_topic(topic) else "Events of"
    return {
        "address": topic,
        "title": f"{what} {_service(topic)}",
        "description": f"{what} {_service(topic)}. The record key is {' or '.join(keys)}, also in ce_subject; "
        "records of one key are in order.",
        "messages": {kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in mine},
        "bindings": {"kafka": {"topic": topic, "bindingVersion": "0.5.0"}},
    }


def _operation(topic: str, kinds: list[type[Message]]) -> tuple[str, dict[str, Any]]:
    """Who owns a topic stands in its name: the service sends its events and receives its commands."""
    action = "receive" if _is_command_topic(topic) else "send"
    channel = f"#/channels/{topic}"
    return f"{action}.{topic}", {
        "action": action,
        "title": f"{_service(topic)} {action}s",
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{kind.__name__}"} for kind in kinds if kind.topic == topic],
    }


def _is_command_topic(topic: str) -> bool:
    return ".commands." in topic


def _service(topic: str) -> str:
    return topic.split(".")[1]


def _message(kind: type[Message]) -> dict[str, Any]:
    return {
        "name": kind.__name__,
        "title": kind.__name__,
        "description": inspect.getdoc(kind) or "",
        "contentType": "application/json",
        "headers": {"$ref": f"#/components/schemas/{word(kind).capitalize()}Headers"},
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": f"The {kind.key} of the body"},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _headers(of: str) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {"type": "string", "format": "uuid", "description": f"Id of this {of}; a repeat carries the same"},
        "ce_type": {"type": "string", "description": f"Name of the {of}"},
        "ce_source": {"type": "string", "description": "Who sent it"},
        "ce_time": {"type": "string", "format": "date-time", "description": "When it happened"},
        "ce_subject": {"type": "string", "description": "Id of the aggregate, equal to the record key"},
        "content-type": {"type": "string", "const": "application/json"},
        "traceparent": {"type": "string", "description": "W3C Trace Context"},
    }
    required = [name for name in properties if name != "traceparent"]
    if of == "event":
        properties["ce_sequence"] = {
            "type": "string",
            "pattern": "^[1-9][0-9]*$",
            "description": "Version of the aggregate after this event: 1, 2, 3 ... without a gap per key",
        }
        required.append("ce_sequence")
    return {
        "type": "object",
        "description": f"CloudEvents 1.0 headers of {'an event' if of == 'event' else 'a command'}, each UTF-8 text",
        "properties": properties,
        "required": required,
    }
