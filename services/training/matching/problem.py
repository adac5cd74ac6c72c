"""The problem of a matching, as JSON and as read."""

import hashlib
import json
from codecs import BOM_UTF8
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked
from pydantic_core import to_json

from shared.events.values import AreaCode, KelurahanCode
from shared.malformed import Malformed, explain, parse_json

RULE: Literal[1] = 1
LOAD_MAX = 100_000
WEIGHT_MAX = 100

Name = Annotated[str, StringConstraints(min_length=1, max_length=80)]
Count = Annotated[int, Field(ge=0, le=LOAD_MAX)]
Weight = Annotated[int, Field(ge=0, le=WEIGHT_MAX)]
STRICT = ConfigDict(extra="forbid", strict=True)


@checked(frozen=True, slots=True, config=STRICT)
class Weights:
    """What one step of each kind of misfit counts."""

    field: Weight = 12
    agency: Weight = 4
    near: Weight = 1


@checked(frozen=True, slots=True, config=STRICT)
class Mentor:
    """A mentor; `held`: vendors that it has and keeps besides those of the problem."""

    id: Name
    areas: list[AreaCode]
    fields: list[Name]
    languages: list[Name]
    load_max: Count
    agency: Name | None = None
    held: Count = 0

    @property
    def room(self) -> int:
        """Vendors that this matching may give it."""
        return max(0, self.load_max - self.held)


@checked(frozen=True, slots=True, config=STRICT)
class Vendor:
    """A vendor. `wishes`: fields that it asked for; `fields`: those that serve its product group; `mentor`: the one it
    has now."""

    id: Name
    kelurahan: KelurahanCode
    language: Name = "id"
    wishes: list[Name] = Field(default_factory=list)
    fields: list[Name] = Field(default_factory=list)
    agency: Name | None = None
    mentor: Name | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem; vendors and mentors in the order of their ids. `sha256`: of its canonical bytes."""

    mentors: Sequence[Mentor]
    vendors: Sequence[Vendor]
    weights: Weights
    sha256: str


@checked(frozen=True, slots=True, config=STRICT)
class _Document:
    rule: Literal[1]
    mentors: list[Mentor]
    vendors: list[Vendor]
    weights: Weights = Field(default_factory=Weights)


_DOCUMENT = TypeAdapter(_Document)


def read_problem(data: bytes) -> Problem:
    """The problem in these bytes. Raises `Malformed`."""
    document = read_document(_DOCUMENT, data, "problem")
    mentors = sorted(document.mentors, key=lambda one: one.id)
    vendors = sorted(document.vendors, key=lambda one: one.id)
    findings = [
        *_repeated("mentors", [one.id for one in mentors]),
        *_repeated("vendors", [one.id for one in vendors]),
        *(f"mentors: {one.id} has no area; name at least one" for one in mentors if not one.areas),
    ]
    known = {one.id for one in mentors}
    findings += [
        f"vendors: {one.id} has the mentor {one.mentor}, who is not in the problem; add it, or take it out"
        for one in vendors
        if one.mentor is not None and one.mentor not in known
    ]
    if findings:
        raise Malformed(findings)
    return Problem(mentors, vendors, document.weights, hashlib.sha256(data).hexdigest())


def problem_to_json(mentors: Sequence[Mentor], vendors: Sequence[Vendor], weights: Weights | None = None) -> bytes:
    """The bytes of a problem, the same for the same problem: in the order of ids, without blanks."""
    document = _Document(
        rule=RULE,
        mentors=sorted(mentors, key=lambda one: one.id),
        vendors=sorted(vendors, key=lambda one: one.id),
        weights=weights or Weights(),
    )
    return to_json(document)


def read_document(shape: TypeAdapter[Any], data: bytes, what: str) -> Any:
    """JSON of this shape. Raises `Malformed`, one sentence per faulty field."""
    parse_json(data, what)
    try:
        return shape.validate_json(data.removeprefix(BOM_UTF8))
    except ValidationError as error:
        raise explain(error) from None


def _repeated(where: str, ids: Sequence[str]) -> list[str]:
    """`ids` in order."""
    return [
        f"{where}: the id {json.dumps(one)} stands twice; keep one"
        for one, following in pairwise(ids)
        if one == following
    ]
