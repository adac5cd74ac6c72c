"""What a matching came to: pairs, the four numbers, and the prices that prove them least."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked
from pydantic_core import to_json

from services.training.matching.problem import RULE, read_document
from shared.malformed import Malformed


class Goals(NamedTuple):
    """The four numbers of a matching, in the order in which they count; also a price, and a cost."""

    unmatched: int
    left: int
    misfit: int
    unevenness: int


@dataclass(frozen=True, slots=True)
class Result:
    """`pairs`: every vendor of the problem -> its mentor, or None. `prices`: mentor -> price."""

    problem_sha256: str
    goals: Goals
    pairs: Mapping[str, str | None]
    prices: Mapping[str, Goals]


@checked(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class _Document:
    rule: Literal[1]
    problem_sha256: str
    goals: dict[str, int]
    pairs: list[tuple[str, str | None]]
    prices: dict[str, tuple[int, int, int, int]]


_DOCUMENT = TypeAdapter(_Document)


def result_to_json(result: Result) -> bytes:
    """The bytes of a result, pairs and prices in the order of ids."""
    return to_json(
        {
            "rule": RULE,
            "problem_sha256": result.problem_sha256,
            "goals": result.goals._asdict(),
            "prices": {name: list(result.prices[name]) for name in sorted(result.prices)},
            "pairs": sorted(result.pairs.items()),
        }
    )


def read_result(data: bytes) -> Result:
    """The result in these bytes. Raises `Malformed`."""
    document = read_document(_DOCUMENT, data, "result")
    pairs = dict(document.pairs)
    findings = (
        [f"pairs: {len(document.pairs) - len(pairs)} vendors stand twice"] if len(pairs) < len(document.pairs) else []
    )
    if set(document.goals) != set(Goals._fields):
        findings.append(f"goals: must be {', '.join(Goals._fields)}")
    if findings:
        raise Malformed(findings)
    prices = {name: Goals(*price) for name, price in document.prices.items()}
    return Result(document.problem_sha256, Goals(**document.goals), pairs, prices)
