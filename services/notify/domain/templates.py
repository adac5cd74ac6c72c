"""What a template may show: its parameters, derived from the event it tells of or declared with it; what may be saved.

A template that tells of an event shows that event's fields and nothing else, so a text that is saved today can be
written for every event that comes tomorrow. A template for broadcasts declares its own parameters.
"""

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
)
from pydantic_core import to_json

from services.notify.plans import PLANS, Plan
from shared.errors import NotFound, Refused
from shared.events.envelope import Event
from shared.events.notify import Channel

__all__ = [
    "BROADCAST_PREFIX",
    "OF_RELEASE",
    "RESERVED",
    "ActivateVersion",
    "DeclaredKind",
    "Fault",
    "Forms",
    "FormsByLanguage",
    "Parameter",
    "ParametersWrong",
    "PreviewWish",
    "SaveVersion",
    "TemplateFixed",
    "TemplateFormMissing",
    "TemplateName",
    "TemplateNotFound",
    "TemplateNotSendable",
    "TemplateRefused",
    "VersionNotFound",
    "check_values",
    "declared",
    "parameters_of_event",
    "plan_of",
    "samples",
]

BROADCAST_PREFIX = "broadcast-"
SOURCE_CHARS_MAX = 8000
SAMPLES_MAX = 256
VALUE_CHARS_MAX = 1000
PREVIEW_BYTES_MAX = 20_000

TemplateName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
ParameterName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
DeclaredKind: TypeAlias = Literal["text", "date", "moment", "rupiah", "url"]
Kind: TypeAlias = Literal["text", "date", "moment", "rupiah", "url", "number", "flag", "id", "words"]
"""`words`: a text per language."""

RESERVED = frozenset({"name", "notification_id", "party_name", "party_phone", "stop_url", "loop"})
"""Given with every message (and Jinja's own), so no parameter may be called so."""


@dataclass(frozen=True)
class Parameter:
    """A value that a text shows. `many`: how deep lists of it go; `options`: the only values it has; `may_be_empty`: a
    list that may have nothing in it.
    """

    name: str
    kind: Kind
    many: int = 0
    optional: bool = False
    may_be_empty: bool = False
    options: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Fault:
    """What is wrong with a form: where, why, and the way out."""

    field: str
    reason: str
    line: int | None = None


# --- from an event


def plan_of(template: str) -> tuple[type[Event], Plan] | None:
    """The event that makes this message, and its plan."""
    return next(((event, plan) for event, plan in PLANS.items() if plan.template == template), None)


def parameters_of_event(event: type[Event], plan: Plan) -> dict[str, Parameter]:
    """What the text of a plan may show, from the event's schema."""
    schema = event.model_json_schema()
    required = schema.get("required", [])
    found = {}
    for name in plan.fields:
        if name == "site_id":  # planning names the location where an event has only its id
            found["site_name"] = Parameter("site_name", "text")
            continue
        found[name] = _parameter(name, schema["properties"][name], name in required)
    return found


def _parameter(name: str, schema: Mapping[str, Any], required: bool) -> Parameter:
    optional = False
    if "anyOf" in schema:
        kinds = [one for one in schema["anyOf"] if one.get("type") != "null"]
        optional = len(kinds) < len(schema["anyOf"])
        (schema,) = kinds
    many = 0
    while schema.get("type") == "array":
        many += 1
        schema = schema["items"]
    return Parameter(
        name, _kind(schema), many, optional, may_be_empty=not required, options=tuple(schema.get("enum", ()))
    )


def _kind(schema: Mapping[str, Any]) -> Kind:
    match schema.get("type"), schema.get("format"):
        case "string", "date":
            return "date"
        case "string", "date-time":
            return "moment"
        case "string", "uuid":
            return "id"
        case "integer", _:
            return "number"
        case "boolean", _:
            return "flag"
        case "object", _:
            return "words"
        case _:
            return "text"


OF_RELEASE: Mapping[str, Mapping[str, Parameter]] = {"digest": {"count": Parameter("count", "number")}}
"""What the WhatsApp forms show of templates that no event makes and that come with the release only."""


# --- declared


def declared(kinds: Mapping[str, str]) -> dict[str, Parameter]:
    """The parameters that a template for broadcasts declares."""
    return {name: Parameter(name, _declared_kind(kind)) for name, kind in kinds.items()}


def _declared_kind(kind: str) -> Kind:
    checked: DeclaredKind = TypeAdapter(DeclaredKind).validate_python(kind)
    return checked


_CHECKS: Mapping[str, TypeAdapter[Any]] = {
    "text": TypeAdapter(
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=VALUE_CHARS_MAX)]
    ),
    "date": TypeAdapter(Annotated[str, AfterValidator(date.fromisoformat)]),
    "moment": TypeAdapter(Annotated[str, AfterValidator(datetime.fromisoformat)]),
    "rupiah": TypeAdapter(Annotated[int, Field(strict=True, ge=0, le=10**15)]),
    "url": TypeAdapter(HttpUrl),
}
_EXPECTED = {
    "text": f"a text of 1 to {VALUE_CHARS_MAX} characters in one line",
    "date": "a day like 2023-03-20",
    "moment": "a moment with its time zone, like 2023-03-20T09:00:00+07:00",
    "rupiah": "an amount in whole rupiah, as a number",
    "url": "an address that begins with https://",
}


def check_values(parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as a text shows them, for declared parameters. Raises `ParametersWrong`, which names each."""
    wrong = [
        {"field": f"params.{name}", "reason": f"is no parameter of this template; it has {_names(parameters)}"}
        for name in sorted(values.keys() - parameters.keys())
    ]
    checked = {}
    for name, parameter in parameters.items():
        try:
            checked[name] = _checked(parameter.kind, values[name])
        except KeyError:
            wrong.append({"field": f"params.{name}", "reason": f"is missing; give {_EXPECTED[parameter.kind]}"})
        except ValueError:
            wrong.append({"field": f"params.{name}", "reason": f"must be {_EXPECTED[parameter.kind]}"})
    if wrong:
        raise ParametersWrong("The parameters do not fit the template; each is named with what it takes.", errors=wrong)
    return checked


def _checked(kind: Kind, value: Any) -> Any:
    """Raises ValueError."""
    try:
        read = _CHECKS[kind].validate_python(value)
    except ValidationError:
        raise ValueError from None
    match kind:
        case "text":
            if not str(read).isprintable():
                raise ValueError
        case "moment":
            if read.tzinfo is None:
                raise ValueError
        case "url":
            if read.scheme != "https":
                raise ValueError
            return str(read)
    return read.isoformat() if kind in ("date", "moment") else read


def _names(parameters: Mapping[str, Parameter]) -> str:
    return ", ".join(sorted(parameters)) or "none"


# --- samples: what a text is tried with before it is saved

_TEXTS = {
    "title": "Dasar Kewirausahaan",
    "bazaar_name": "Bazar Jakpreneur Ramadan",
    "site_name": "Rusun Karang Anyar",
    "place": "Balai Kota DKI Jakarta",
    "venue": "Balai Rakyat Sawah Besar",
    "booth": "A07",
    "area": "31.71.02",
    "organisation": "kadin",
    "bank": "bank-dki",
    "reason": "weather",
    "because": "declined",
    "remedy": "turn-returned",
    "number": "LPK/2023/000123",
    "ticket": "LPK1:eyJhcHBsaWNhdGlvbiI6IjAxODZm:MEUCIQDx7cZ8",
    "choices": "RPTRA Johar Baru",
    "wanted": "ktp-copy",
}
_SAMPLE_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
_DAYS = ("2023-09-20", "2023-09-21", "2023-10-18")
_MOMENTS = ("2023-09-20T02:00:00Z", "2023-09-21T02:00:00Z", "2023-10-18T06:30:00Z")
_WORDS = {
    "id": "Semua lapak di lokasi pilihan Anda sudah terisi oleh pedagang yang lebih jarang mendapat giliran.",
    "en": "All booths at the sites you chose went to vendors who had fewer turns.",
}


def samples(parameters: Mapping[str, Parameter]) -> list[dict[str, Any]]:
    """Values to try a text with: the first is whole and usual. Every combination of what may be absent, of literals and
    yes or no where there are few; else each by itself, and some combinations that are always the same.
    """
    choices = [_alternatives(parameter) for parameter in parameters.values()]
    count = math.prod(map(len, choices))
    combinations = itertools.product(*choices) if count <= SAMPLES_MAX else _some(choices)
    return [dict(zip(parameters, values, strict=True)) for values in combinations]


def _some(choices: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    first = tuple(one[0] for one in choices)
    last = tuple(one[-1] for one in choices)
    yield first
    yield last
    for place, one in enumerate(choices):
        for value in one:
            yield (*first[:place], value, *first[place + 1 :])
            yield (*last[:place], value, *last[place + 1 :])
    chance = random.Random(7)  # always the same combinations
    for _ in range(SAMPLES_MAX // 2):
        yield tuple(chance.choice(one) for one in choices)


def _alternatives(parameter: Parameter) -> list[Any]:
    """Values of a parameter: the usual one first, the absent one last."""
    found = _values(parameter)
    for _ in range(parameter.many):
        found = [found, found[:1]] if len(found) > 1 else [found]
    if parameter.may_be_empty and not parameter.optional:
        if parameter.many:
            found.append([])
        elif parameter.kind == "words":
            found.append({})
    if parameter.optional:
        found.append(None)
    return found


def _values(parameter: Parameter) -> list[Any]:
    if parameter.options:
        return list(parameter.options)
    match parameter.kind:
        case "date":
            return list(_DAYS) if parameter.many else [_DAYS[0]]
        case "moment":
            return list(_MOMENTS) if parameter.many else [_MOMENTS[0]]
        case "id":
            return [_SAMPLE_ID]
        case "number":
            return [12, 1]
        case "rupiah":
            return [1_500_000]
        case "flag":
            return [True, False]
        case "url":
            return ["https://lapak.example.go.id/berita/1"]
        case "words":
            return [_WORDS]
        case _:
            return [_TEXTS.get(parameter.name, "Contoh")]


# --- commands


class Forms(BaseModel):
    """The forms of a template in one language. The footer of e-mails is added by us."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    email: str = Field(min_length=1, max_length=SOURCE_CHARS_MAX, description="Subject, an empty line, the body")
    sms: str | None = Field(default=None, min_length=1, max_length=SOURCE_CHARS_MAX)
    whatsapp: str | None = Field(
        default=None,
        min_length=1,
        max_length=SOURCE_CHARS_MAX,
        description="`category: utility`, `buttons: YA | TIDAK` (where it has any), an empty line, the body",
    )


class FormsByLanguage(BaseModel):
    """Indonesian and English."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Forms
    en: Forms


Reason: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class SaveVersion(BaseModel):
    """A new version of a template, complete. It is not used before it is activated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    forms: FormsByLanguage
    parameters: dict[ParameterName, DeclaredKind] | None = Field(
        default=None, max_length=20, description="Of a template for broadcasts (`broadcast-...`) only: its parameters"
    )
    reason: Reason = Field(description="What is changed and why, for those who look it up later")


class ActivateVersion(BaseModel):
    """From now on messages are planned with this version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Reason


class PreviewWish(BaseModel):
    """How a message would look. Without `params` a sample is shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: Channel = "email"
    language: Literal["id", "en"] = "id"
    version: str | None = Field(default=None, max_length=64, description="None: the one in use")
    params: dict[str, Any] | None = Field(default=None, max_length=50)
    name: str = Field(default="Siti Aminah", min_length=1, max_length=200)

    @field_validator("params")
    @classmethod
    def _check_size(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if len(to_json(value)) > PREVIEW_BYTES_MAX:
            raise ValueError(f"is longer than {PREVIEW_BYTES_MAX} bytes of JSON; no event has that much in it")
        return value


# --- refusals


class TemplateNotFound(NotFound):
    """No template has this name."""

    code = "template-not-found"


class TemplateFixed(Refused):
    """The template comes with the release: our own code gives what it shows."""

    code = "template-fixed"


class TemplateNotSendable(Refused):
    """The template tells of an event; it is not for sending at will."""

    code = "template-not-sendable"


class TemplateFormMissing(Refused):
    """The template has no form for the only channel that the message may go by."""

    code = "template-form-missing"
    status = 422


class VersionNotFound(NotFound):
    """The template has no such version."""

    code = "template-version-not-found"


class TemplateRefused(Refused):
    """The forms do not fit the event, the channel or each other; every fault is named with its line."""

    code = "template-faulty"
    status = 422


class ParametersWrong(Refused):
    """The values given do not fit the template's parameters."""

    code = "template-parameters-wrong"
    status = 422
