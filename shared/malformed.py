"""JSON documents that do not fit: one sentence per fault, each beginning with the JSON path of the field."""

import json
import re
from collections.abc import Mapping, Sequence

from pydantic import ValidationError

FINDINGS_SHOWN_MAX = 20

_NONE_KNOWN: Mapping[tuple[str, ...], Sequence[str]] = {}
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


class Malformed(ValueError):
    """A document that cannot be read. `findings`: a sentence per fault, in the order of the input."""

    def __init__(self, findings: Sequence[str]) -> None:
        self.findings = tuple(findings)
        shown = list(self.findings[:FINDINGS_SHOWN_MAX])
        if len(self.findings) > len(shown):
            shown.append(f"... and {len(self.findings) - len(shown)} more")
        super().__init__("\n".join(shown))


def path(*parts: str | int) -> str:
    """The JSON path of a field: `applicants[3].choices[0][1]`, `groups.rw["31.71.02.1002.003"].turns`."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_NAME.match(part):
            text += f".{part}" if text else part
        else:
            text += f"[{quote(part)}]"
    return text or "the document"


def quote(value: object, length_max: int = 60) -> str:
    """The value as JSON on one line, cut where it is long."""
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= length_max else text[: length_max - 3] + "..."


def listing(names: Sequence[str], count_max: int = 8) -> str:
    """`p1, p2, p3 ...`: the first few names of a list."""
    return ", ".join(names[:count_max]) + (" ..." if len(names) > count_max else "")


def explain(error: ValidationError, fields: Mapping[tuple[str, ...], Sequence[str]] = _NONE_KNOWN) -> Malformed:
    """Pydantic's findings as sentences. `fields`: the known fields of the object at a path without indexes."""
    findings = []
    for found in error.errors(include_url=False):
        sentence = _sentence(found["type"], found["input"], found.get("ctx", {}), found["msg"])
        findings.append(f"{path(*_field(found['loc']))}: {sentence}{_known(found['type'], found['loc'], fields)}")
    return Malformed(findings)


def _field(loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Pydantic marks a fault in a field's own name by one more step, "[key]"."""
    return loc[:-1] if loc and loc[-1] == "[key]" else loc


def _sentence(kind: str, value: object, context: Mapping[str, object], message: str) -> str:
    match kind:
        case "missing":
            return "is missing; add it"
        case "extra_forbidden" | "unexpected_keyword_argument":
            return "is not a field here; correct its spelling or take it out"
        case "int_type" | "int_from_float" | "int_parsing":
            return f"must be a whole number, is {quote(value)}"
        case "greater_than_equal":
            return f"must be {context['ge']} or more, is {quote(value)}"
        case "string_type":
            return f"must be text, is {quote(value)}"
        case "string_unicode":
            return f"holds half a character (a lone surrogate), is {quote(value)}; correct the text"
        case "string_too_short":
            return "is empty text; give it a name"
        case "list_type" | "tuple_type":
            return f"must be a list, is {quote(value)}"
        case "dict_type" | "dataclass_type" | "dataclass_exact_type" | "model_type":
            return f"must be an object, is {quote(value)}"
        case "too_short":
            return "is empty; name at least one, or take it out"
        case "literal_error":
            return f"must be {context['expected']}, is {quote(value)}"
        case _:
            return f"{message[0].lower()}{message[1:]}, is {quote(value)}"


def _known(kind: str, loc: Sequence[str | int], fields: Mapping[tuple[str, ...], Sequence[str]]) -> str:
    if kind not in ("extra_forbidden", "unexpected_keyword_argument"):
        return ""
    known = fields.get(tuple(part for part in loc[:-1] if isinstance(part, str)))
    return f" (fields here are {', '.join(known)})" if known else ""


class _Repeated(dict[str, object]):
    """A JSON object in which a field stood twice."""

    field = ""


def parse_json(data: bytes, what: str) -> object:
    """The document, where every reader would read the same.

    Raises `Malformed` for anything but UTF-8 JSON, for NaN, and for a field given twice in one object (readers
    differ on which counts).
    """
    repeated: list[str] = []

    def build(pairs: list[tuple[str, object]]) -> dict[str, object]:
        built = dict(pairs)
        if len(built) == len(pairs):
            return built
        names = [name for name, _ in pairs]
        marked = _Repeated(built)
        marked.field = next(name for name in names if names.count(name) > 1)
        repeated.append(marked.field)
        return marked

    def refuse_constant(name: str) -> object:
        raise Malformed([f"the {what} holds {name}, which is not JSON; use whole numbers"])

    try:
        document: object = json.loads(data.decode("utf-8-sig"), object_pairs_hook=build, parse_constant=refuse_constant)
    except UnicodeDecodeError as error:
        raise Malformed([f"the {what} is not UTF-8 text (byte {error.start}); save it as UTF-8 JSON"]) from error
    except json.JSONDecodeError as error:
        raise Malformed([f"the {what} is not JSON: line {error.lineno} column {error.colno}: {error.msg}"]) from error
    except RecursionError as error:
        raise Malformed([f"the {what} is nested too deeply to be one"]) from error
    except Malformed:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise Malformed([f"the {what} is not JSON that can be read: {error}"]) from error
    if repeated:
        raise Malformed([f"{where}: stands twice in its object; keep one" for where in _repeated(document, ())])
    return document


def _repeated(value: object, at: tuple[str | int, ...]) -> list[str]:
    found: list[str] = []
    if isinstance(value, _Repeated):
        found.append(path(*at, value.field))
    if isinstance(value, dict):
        for name, inner in value.items():
            found += _repeated(inner, (*at, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += _repeated(inner, (*at, index))
    return found
