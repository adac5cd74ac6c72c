"""Whether a JSON Schema of today still keeps what a released one promised, to old messages and to old readers."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

__all__ = ["breaks"]

Schema: TypeAlias = Mapping[str, Any]

_UPPER_LIMITS = ("maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties")
_LOWER_LIMITS = ("minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties")
_EXACT = ("pattern", "multipleOf", "uniqueItems")


def breaks(name: str, released: Schema, today: Schema) -> Iterator[str]:
    """A sentence for each promise that today's contract of this message breaks.

    Broken is: another topic or key; a field removed, retyped, or newly required; a required field that became
    optional (old readers count on it); an enum or limit narrowed; a default changed. New optional fields and wider
    enums and limits are fine.
    """
    for mark, what in (("x-topic", "its topic"), ("x-key", "its key")):
        if released.get(mark) != today.get(mark):
            yield f"{name}: {what} changed from {released.get(mark)} to {today.get(mark)}; {_WAY_OUT}"
    yield from (f"{sentence}; {_WAY_OUT}" for sentence in _Comparison(released, today).differences(name))


_WAY_OUT = "released contracts stay as they are, a different fact gets a new name."


class _Comparison:
    """Walks two schemas side by side; references are looked up in the schema they stand in."""

    def __init__(self, released: Schema, today: Schema) -> None:
        self._released = released
        self._today = today

    def differences(self, path: str) -> Iterator[str]:
        yield from self._values(path, self._released, self._today)

    def _values(self, path: str, old: Schema, new: Schema) -> Iterator[str]:
        olds, news = _variants(old, self._released), _variants(new, self._today)
        if olds.keys() != news.keys():
            yield f"{path}: its type changed from {' or '.join(sorted(olds))} to {' or '.join(sorted(news))}"
            return
        if "default" in old and "default" in new and old["default"] != new["default"]:
            yield f"{path}: its default changed, so messages without it would be read differently"
        for kind, variant in olds.items():
            yield from self._same_kind(path, variant, news[kind])

    def _same_kind(self, path: str, old: Schema, new: Schema) -> Iterator[str]:
        yield from _narrowed(path, old, new)
        if "properties" in old:
            yield from self._fields(path, old, new)
        for part, mark in (("items", "[]"), ("additionalProperties", "{}")):
            before, after = old.get(part), new.get(part)
            if isinstance(before, Mapping) and isinstance(after, Mapping):
                yield from self._values(path + mark, before, after)
            elif isinstance(after, Mapping) or (after is False and before is not False):
                yield f"{path}{mark}: is restricted now"

    def _fields(self, path: str, old: Schema, new: Schema) -> Iterator[str]:
        fields = new.get("properties", {})
        required, was_required = set(new.get("required", ())), set(old.get("required", ()))
        for field, before in old["properties"].items():
            if field not in fields:
                yield f"{path}.{field}: the field was removed"
                continue
            yield from self._values(f"{path}.{field}", before, fields[field])
            if field in was_required - required:
                yield f"{path}.{field}: was always there and is optional now; readers count on it"
        for field in sorted(required - was_required):
            yield f"{path}.{field}: the field is required now, and messages sent before lack it"


def _variants(schema: Schema, root: Schema) -> dict[str, Schema]:
    """The alternatives of a value by their kind: "string", "string uuid", "object BazaarSite", "null" ..."""
    if "$ref" in schema:
        target = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
        return _variants(target, root)
    if "anyOf" in schema:
        return {kind: variant for part in schema["anyOf"] for kind, variant in _variants(part, root).items()}
    kind = schema.get("type", "anything")
    return {f"{kind} ({schema['format']})" if "format" in schema else kind: schema}


def _narrowed(path: str, old: Schema, new: Schema) -> Iterator[str]:
    allowed, was_allowed = _choices(new), _choices(old)
    if allowed is not None and was_allowed is None:
        yield f"{path}: took any value and takes only {', '.join(sorted(allowed))} now"
    elif allowed is not None and was_allowed is not None and not was_allowed <= allowed:
        yield f"{path}: no longer takes {', '.join(sorted(was_allowed - allowed))}"
    for limit in _UPPER_LIMITS:
        if limit in new and (limit not in old or new[limit] < old[limit]):
            yield f"{path}: {limit} was {old.get(limit, 'not set')} and is {new[limit]} now"
    for limit in _LOWER_LIMITS:
        if limit in new and (limit not in old or new[limit] > old[limit]):
            yield f"{path}: {limit} was {old.get(limit, 'not set')} and is {new[limit]} now"
    for rule in _EXACT:
        if rule in new and new[rule] != old.get(rule):
            yield f"{path}: {rule} was {old.get(rule, 'not set')} and is {new[rule]} now"


def _choices(schema: Schema) -> set[str] | None:
    if "const" in schema:
        return {str(schema["const"])}
    return {str(choice) for choice in schema["enum"]} if "enum" in schema else None
