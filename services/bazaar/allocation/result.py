"""The result of one round: who is served and where, who waits and why; and its JSON, byte for byte the same.

    {"problem_sha256": "...",
     "served": [{"applicant": "v1", "phase": 1, "pool": "p1", "tier": 0}],
     "waiting": [{"applicant": "v2", "place": 1, "because": {...}, "ahead": {...}, "forecast_round": 1}]}

`served` is in the order in which they were kept, `waiting` in the order of the queue.
"""

from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from annotated_types import Ge
from pydantic import ConfigDict, Field, StrictInt, StrictStr, TypeAdapter, ValidationError

from services.bazaar.allocation.collector import collector_paused
from services.bazaar.allocation.problem import canonical_json
from shared.malformed import explain, parse_json

_EXACT = ConfigDict(extra="forbid", strict=False)  # lists for tuples; the leaves are strict
_Count = Annotated[StrictInt, Ge(0)]


@dataclass(frozen=True, slots=True)
class Served:
    """A seat. `tier`: index of the applicant's tier that names the pool (0 = best). `phase`: 1 reserved, 2 open."""

    __pydantic_config__ = _EXACT
    applicant: StrictStr
    pool: StrictStr
    tier: _Count
    phase: Literal[1, 2]


@dataclass(frozen=True, slots=True)
class PoolsFull:
    """Every pool it named is full. `pools` in the order of its choices."""

    __pydantic_config__ = _EXACT
    pools: tuple[StrictStr, ...]
    code: Literal["pools-full"] = "pools-full"


@dataclass(frozen=True, slots=True)
class CapMet:
    """In each of `pools` this value of this group holds as many seats as the pool's cap allows."""

    __pydantic_config__ = _EXACT
    group: StrictStr
    value: StrictStr
    pools: tuple[StrictStr, ...]


@dataclass(frozen=True, slots=True)
class CapReached:
    """Of the pools it named, some have no seat left under a cap on its group (`caps`), the others are `full`."""

    __pydantic_config__ = _EXACT
    caps: tuple[CapMet, ...]
    full: tuple[StrictStr, ...]
    code: Literal["cap-reached"] = "cap-reached"


@dataclass(frozen=True, slots=True)
class GroupHadItsSeat:
    """When it was walked its group already held the `seats` that the problem-wide cap allows each value."""

    __pydantic_config__ = _EXACT
    group: StrictStr
    value: StrictStr
    seats: _Count
    code: Literal["group-had-its-seat"] = "group-had-its-seat"


@dataclass(frozen=True, slots=True)
class RoundCap:
    """The `seats` that the problem-wide cap allows this value of this group."""

    __pydantic_config__ = _EXACT
    group: StrictStr
    value: StrictStr
    seats: _Count


@dataclass(frozen=True, slots=True)
class PartyDoesNotFit:
    """It asked to stand with its party of `size` or not at all, and when they were walked there was no pool where all
    of them could sit together. `cap`: the problem-wide cap that they would have passed together; None: the `pools`
    (in the order of its choices) had no room."""

    __pydantic_config__ = _EXACT
    size: Annotated[StrictInt, Ge(2)]
    pools: tuple[StrictStr, ...]
    cap: RoundCap | None
    code: Literal["party-does-not-fit"] = "party-does-not-fit"


Because = PoolsFull | CapReached | GroupHadItsSeat | PartyDoesNotFit


@dataclass(frozen=True, slots=True)
class Ahead:
    """How many of those who hold the seats it could have had went before it, each counted once, by why:

    `reserved`: seated in phase 1; the others in phase 2, by the first level of priority at which they differ:
    `fewer_turns` / `waited_longer` of the applicants, `group_...` of their groups, else the `lottery`.
    """

    __pydantic_config__ = _EXACT
    reserved: _Count = 0
    fewer_turns: _Count = 0
    waited_longer: _Count = 0
    group_fewer_turns: _Count = 0
    group_waited_longer: _Count = 0
    lottery: _Count = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """One not served. `place`: 1 = first of all who wait. `forecast_round`: 1 = the next round, None = never."""

    __pydantic_config__ = _EXACT
    applicant: StrictStr
    place: Annotated[StrictInt, Ge(1)]
    because: Annotated[Because, Field(discriminator="code")]
    ahead: Ahead
    forecast_round: Annotated[StrictInt, Ge(1)] | None


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of the problem with this hash."""

    __pydantic_config__ = _EXACT
    problem_sha256: StrictStr
    served: tuple[Served, ...]
    waiting: tuple[Waiting, ...]


_RESULT = TypeAdapter(Result)
_FIELDS = {
    (): tuple(Result.__annotations__),
    ("served",): tuple(Served.__annotations__),
    ("waiting",): tuple(Waiting.__annotations__),
    ("waiting", "ahead"): tuple(Ahead.__annotations__),
}


def read_result(data: bytes) -> Result:
    """The result in a JSON document (UTF-8). Raises `Malformed`, one sentence per faulty field."""
    with collector_paused():
        document = parse_json(data, "result")
        try:
            return _RESULT.validate_python(document)
        except ValidationError as error:
            raise explain(error, _FIELDS) from None


def result_to_json(result: Result) -> bytes:
    """Canonical JSON (keys sorted, no spaces, UTF-8) and a newline: equal results give equal bytes."""
    with collector_paused():
        return canonical_json(_document(result)) + b"\n"


def _document(result: Result) -> dict[str, object]:
    reasons: dict[int, dict[str, object]] = {}  # many who wait share one reason

    def reason(because: Because) -> dict[str, object]:
        found = reasons.get(id(because))
        if found is None:
            found = reasons[id(because)] = asdict(because)
        return found

    return {
        "problem_sha256": result.problem_sha256,
        "served": [
            {"applicant": one.applicant, "pool": one.pool, "tier": one.tier, "phase": one.phase}
            for one in result.served
        ],
        "waiting": [
            {
                "applicant": one.applicant,
                "place": one.place,
                "because": reason(one.because),
                "ahead": {
                    "reserved": one.ahead.reserved,
                    "fewer_turns": one.ahead.fewer_turns,
                    "waited_longer": one.ahead.waited_longer,
                    "group_fewer_turns": one.ahead.group_fewer_turns,
                    "group_waited_longer": one.ahead.group_waited_longer,
                    "lottery": one.ahead.lottery,
                },
                "forecast_round": one.forecast_round,
            }
            for one in result.waiting
        ],
    }
