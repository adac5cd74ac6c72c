"""The problem of one round: what a problem document may say, and what it says once read.

The rule is docs/rotation.md. What the rule leaves open is settled here by refusing: whatever could silently change an
allocation (a misspelt field, a pool that does not exist, an applicant without the group that the rotation ranks by) is
`Malformed`, with the field's path and the way out.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal, NamedTuple, NotRequired

from annotated_types import Ge, MinLen
from pydantic import ConfigDict, StrictInt, StrictStr, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from services.bazaar.allocation.collector import collector_paused
from shared.malformed import (
    Malformed,
    explain,
    listing,
    parse_json,
    path,
    quote,
)

VENDOR = "vendor"
"""`by` of a rotation level that ranks the applicant itself; no group may bear this name."""

Measure = Literal["turns", "waiting_since"]


class Limit(NamedTuple):
    """So many seats for the members of one group: a reserve (at least) or a cap (at most) of one pool."""

    group: str
    value: str
    seats: int


class Pool(NamedTuple):
    """A site x its days x a kind of booth: `capacity` equal seats. Its reserves and caps name one `group`."""

    id: str
    capacity: int
    group: str | None
    reserves: tuple[Limit, ...]
    caps: tuple[Limit, ...]


class GroupCap(NamedTuple):
    """Each value of the group may have at most `seats_each` seats in the round."""

    group: str
    seats_each: int


class Level(NamedTuple):
    """One level of the priority: a measure of the applicant (`by` = "vendor") or of its group."""

    by: str
    measure: Measure


class Standing(NamedTuple):
    """What a group has had so far. `waiting_since` is an ISO day; None sorts last."""

    turns: int
    waiting_since: str | None


class Applicant(NamedTuple):
    """One who asks for a seat. `choices`: tiers of pool ids, best first; `waiting_since` None sorts last."""

    id: str
    groups: Mapping[str, str]
    turns: int
    waiting_since: str | None
    choices: tuple[tuple[str, ...], ...]


class Party(NamedTuple):
    """Applicants who want to stand together. `apart`: what becomes of them where they cannot: none of them is served,
    or each is walked for itself. `parties.py` has the rule."""

    id: str
    members: tuple[str, ...]
    apart: Literal["none", "split"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A round as the rule sees it: every default filled in, every name resolved. Made by `read_problem`."""

    sha256: str
    seed: str
    pools: tuple[Pool, ...]
    caps: tuple[GroupCap, ...]
    rotation: tuple[Level, ...]
    groups: Mapping[str, Mapping[str, Standing]]
    applicants: tuple[Applicant, ...]
    parties: tuple[Party, ...] = ()


PARTY_SIZE_MAX = 10

DEFAULT_ROTATION = (Level(VENDOR, "waiting_since"),)
NOTHING_YET = Standing(0, None)

_Name = Annotated[StrictStr, MinLen(1)]
_Count = Annotated[StrictInt, Ge(0)]
_EXACT = ConfigDict(extra="forbid", strict=True)


@with_config(_EXACT)
class _LimitIn(TypedDict):
    group: _Name
    value: _Name
    seats: _Count


@with_config(_EXACT)
class _PoolIn(TypedDict):
    id: _Name
    capacity: _Count
    reserves: NotRequired[list[_LimitIn]]
    caps: NotRequired[list[_LimitIn]]


@with_config(_EXACT)
class _GroupCapIn(TypedDict):
    group: _Name
    seats_each: _Count


@with_config(_EXACT)
class _LevelIn(TypedDict):
    by: _Name
    measure: Measure


@with_config(_EXACT)
class _StandingIn(TypedDict):
    turns: NotRequired[_Count]
    waiting_since: NotRequired[StrictStr]


@with_config(_EXACT)
class _ApplicantIn(TypedDict):
    id: _Name
    groups: NotRequired[dict[_Name, _Name]]
    turns: NotRequired[_Count]
    waiting_since: NotRequired[StrictStr]
    choices: Annotated[list[Annotated[list[StrictStr], MinLen(1)]], MinLen(1)]


@with_config(_EXACT)
class _PartyIn(TypedDict):
    id: _Name
    members: list[StrictStr]
    apart: Literal["none", "split"]


@with_config(_EXACT)
class _ProblemIn(TypedDict):
    seed: _Name
    pools: list[_PoolIn]
    caps: NotRequired[list[_GroupCapIn]]
    rotation: NotRequired[list[_LevelIn]]
    groups: NotRequired[dict[_Name, dict[_Name, _StandingIn]]]
    applicants: list[_ApplicantIn]
    parties: NotRequired[list[_PartyIn]]


_DOCUMENT = TypeAdapter(_ProblemIn)
_FIELDS = {
    (): tuple(_ProblemIn.__annotations__),
    ("pools",): tuple(_PoolIn.__annotations__),
    ("pools", "reserves"): tuple(_LimitIn.__annotations__),
    ("pools", "caps"): tuple(_LimitIn.__annotations__),
    ("caps",): tuple(_GroupCapIn.__annotations__),
    ("rotation",): tuple(_LevelIn.__annotations__),
    ("applicants",): tuple(_ApplicantIn.__annotations__),
    ("parties",): tuple(_PartyIn.__annotations__),
}


def canonical_json(document: object) -> bytes:
    """Keys sorted, no spaces, no escapes beyond what JSON demands, UTF-8, no newline at the end."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def problem_sha256(problem: bytes | Mapping[str, object]) -> str:
    """Hex SHA-256 of the problem's canonical JSON, so that spacing and the order of fields do not count.

    The order of lists does (a choice's tiers are ranked). Problems hold no fractions, so the form is also that of
    RFC 8785 for names within the Basic Multilingual Plane. Raises `Malformed` for bytes that are no JSON.
    """
    document = parse_json(problem, "problem") if isinstance(problem, bytes) else problem
    return hashlib.sha256(canonical_json(document)).hexdigest()


def read_problem(data: bytes) -> Problem:
    """The problem in a JSON document (UTF-8). Raises `Malformed`, one sentence per faulty field."""
    with collector_paused():
        return _read(data)


def _read(data: bytes) -> Problem:
    document = parse_json(data, "problem")
    try:
        read = _DOCUMENT.validate_python(document)
    except ValidationError as error:
        raise explain(error, _FIELDS) from None
    found = list(_faults(read))
    if found:
        raise Malformed(found)
    return Problem(
        sha256=problem_sha256(dict(read)),
        seed=read["seed"],
        pools=tuple(_pool(pool) for pool in read["pools"]),
        caps=tuple(GroupCap(**cap) for cap in read.get("caps", ())),
        rotation=tuple(Level(**level) for level in read["rotation"]) if "rotation" in read else DEFAULT_ROTATION,
        groups={
            group: {
                value: Standing(standing.get("turns", 0), standing.get("waiting_since"))
                for value, standing in values.items()
            }
            for group, values in read.get("groups", {}).items()
        },
        applicants=tuple(
            Applicant(
                one["id"],
                one.get("groups", {}),
                one.get("turns", 0),
                one.get("waiting_since"),
                tuple([tuple(tier) for tier in one["choices"]]),
            )
            for one in read["applicants"]
        ),
        parties=tuple(Party(party["id"], tuple(party["members"]), party["apart"]) for party in read.get("parties", ())),
    )


def _pool(pool: _PoolIn) -> Pool:
    reserves = tuple(Limit(**limit) for limit in pool.get("reserves", ()))
    caps = tuple(Limit(**limit) for limit in pool.get("caps", ()))
    named = reserves or caps
    return Pool(pool["id"], pool["capacity"], named[0].group if named else None, reserves, caps)


def _faults(read: _ProblemIn) -> Iterator[str]:
    """What the shape alone cannot say: names that do not resolve, limits that contradict one another, days."""
    days: dict[str, bool] = {}
    yield from _pool_faults(read["pools"])
    seen: dict[str, int] = {}
    for index, cap in enumerate(read.get("caps", ())):
        yield from _not_vendor(cap["group"], "caps", index, "group")
        if (first := seen.setdefault(cap["group"], index)) != index:
            yield f"{path('caps', index, 'group')}: names {quote(cap['group'])}, as caps[{first}] does; keep one"
    levels: dict[tuple[str, str], int] = {}
    for index, level in enumerate(read.get("rotation", ())):
        if (first := levels.setdefault((level["by"], level["measure"]), index)) != index:
            yield f"{path('rotation', index)}: is the same level as rotation[{first}]; keep one"
    for group, values in read.get("groups", {}).items():
        yield from _not_vendor(group, "groups", group)
        for value, standing in values.items():
            if not _is_day(standing.get("waiting_since"), days):
                yield _no_day(standing["waiting_since"], "groups", group, value, "waiting_since")
    yield from _applicant_faults(read, days)
    if "parties" in read:
        yield from _party_faults(read["parties"], read["applicants"])


def _pool_faults(pools: list[_PoolIn]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for index, pool in enumerate(pools):
        if (first := seen.setdefault(pool["id"], index)) != index:
            yield f"{path('pools', index, 'id')}: is {quote(pool['id'])}, as pools[{first}] is; ids are unique"
        group: str | None = None
        for field, limits in (("reserves", pool.get("reserves", [])), ("caps", pool.get("caps", []))):
            values: dict[str, int] = {}
            for at, limit in enumerate(limits):
                here = ("pools", index, field, at)
                yield from _not_vendor(limit["group"], *here, "group")
                group = limit["group"] if group is None else group
                if limit["group"] != group:
                    yield (
                        f"{path(*here, 'group')}: names {quote(limit['group'])}, but this pool's reserves and caps"
                        f" already name {quote(group)}; a pool may name one group: split the pool or drop one"
                    )
                if (first := values.setdefault(limit["value"], at)) != at:
                    yield (
                        f"{path(*here, 'value')}: is {quote(limit['value'])}, as {field}[{first}] of this pool;"
                        " join them into one"
                    )
        reserved = sum(limit["seats"] for limit in pool.get("reserves", ()))
        if reserved > pool["capacity"]:
            yield (
                f"{path('pools', index, 'reserves')}: reserve {reserved} seats together, but the pool's capacity is"
                f" {pool['capacity']}; reserve fewer or raise the capacity"
            )
        caps = {limit["value"]: limit["seats"] for limit in pool.get("caps", ())}
        for at, limit in enumerate(pool.get("reserves", ())):
            if limit["seats"] > caps.get(limit["value"], limit["seats"]):
                yield (
                    f"{path('pools', index, 'reserves', at, 'seats')}: reserves {limit['seats']} seats for"
                    f" {quote(limit['value'])}, but this pool's cap on it is {caps[limit['value']]};"
                    " reserve fewer or raise the cap"
                )


def _applicant_faults(read: _ProblemIn, days: dict[str, bool]) -> Iterator[str]:
    pools = {pool["id"] for pool in read["pools"]}
    ranked = {level["by"]: at for at, level in reversed(list(enumerate(read.get("rotation", ()))))}
    ranked.pop(VENDOR, None)
    seen: dict[str, int] = {}
    for index, one in enumerate(read["applicants"]):
        if (first := seen.setdefault(one["id"], index)) != index:
            yield f"{path('applicants', index, 'id')}: is {quote(one['id'])}, as applicants[{first}] is; ids are unique"
        groups = one.get("groups", {})
        if VENDOR in groups:
            yield from _not_vendor(VENDOR, "applicants", index, "groups", VENDOR)
        for group, at in ranked.items():
            if group not in groups:
                yield (
                    f"{path('applicants', index, 'groups', group)}: is missing, and rotation[{at}] ranks by it;"
                    " give the applicant a value or take the level out"
                )
        if not _is_day(one.get("waiting_since"), days):
            yield _no_day(one["waiting_since"], "applicants", index, "waiting_since")
        named: set[str] = set()
        for tier, ids in enumerate(one["choices"]):
            for at, pool in enumerate(ids):
                here = path("applicants", index, "choices", tier, at) if pool not in pools or pool in named else ""
                if pool not in pools:
                    known = f"pools are {listing(sorted(pools))}" if pools else "there are no pools"
                    yield f"{here}: names pool {quote(pool)}, which does not exist; {known}"
                elif pool in named:
                    yield f"{here}: names pool {quote(pool)} a second time; keep it in one tier"
                named.add(pool)


def _party_faults(parties: list[_PartyIn], applicants: list[_ApplicantIn]) -> Iterator[str]:
    choices = {one["id"]: [set(tier) for tier in one["choices"]] for one in applicants}
    seen: dict[str, int] = {}
    joined: dict[str, int] = {}
    for index, party in enumerate(parties):
        if (first := seen.setdefault(party["id"], index)) != index:
            yield f"{path('parties', index, 'id')}: is {quote(party['id'])}, as parties[{first}] is; ids are unique"
        members = party["members"]
        here = path("parties", index, "members")
        if not 2 <= len(members) <= PARTY_SIZE_MAX:
            yield (
                f"{here}: a party has 2 to {PARTY_SIZE_MAX} members, this one has {len(members)};"
                " leave out a party of one, and divide a larger one"
            )
        for at, member in enumerate(members):
            here = path("parties", index, "members", at)
            if member not in choices:
                yield f"{here}: is {quote(member)}, but there is no such applicant; correct the id or take it out"
            elif member in members[:at]:
                yield f"{here}: is {quote(member)} a second time; keep it once"
            elif (first := joined.setdefault(member, index)) != index:
                yield f"{here}: is {quote(member)}, a member of parties[{first}] already; keep it in one party"
            elif members[0] in choices and choices[member] != choices[members[0]]:
                yield (
                    f"{here}: is {quote(member)}, whose choices are not those of {quote(members[0])};"
                    " members of a party name the same pools in the same tiers"
                )


def _not_vendor(group: str, *at: str | int) -> Iterator[str]:
    if group == VENDOR:
        yield f'{path(*at)}: no group may be called "vendor", which in a rotation means the applicant itself'


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)


def _is_day(text: str | None, known: dict[str, bool]) -> bool:
    if text is None:
        return True
    if text not in known:
        try:
            known[text] = bool(_DAY.match(text)) and date.fromisoformat(text) is not None
        except ValueError:
            known[text] = False
    return known[text]


def _no_day(text: str, *at: str | int) -> str:
    return f"{path(*at)}: must be a day of the calendar as YYYY-MM-DD, is {quote(text)}"


def idle_limits(problem: Problem) -> list[str]:
    """Reserves and caps that concern nobody who applied: lawful, but often a misspelt group or value."""
    named: set[tuple[str, str, str]] = set()
    groups = {pool.id: pool.group for pool in problem.pools}
    members: set[str] = set()
    for one in problem.applicants:
        members.update(one.groups)
        for tier in one.choices:
            for pool in tier:
                group = groups[pool]
                if group is not None and group in one.groups:
                    named.add((pool, group, one.groups[group]))
    found = [
        f"{path('pools', index, field, at)}: nobody of {limit.group} {quote(limit.value)} named pool {quote(pool.id)}"
        for index, pool in enumerate(problem.pools)
        for field, limits in (("reserves", pool.reserves), ("caps", pool.caps))
        for at, limit in enumerate(limits)
        if (pool.id, limit.group, limit.value) not in named
    ]
    return found + [
        f"{path('caps', at)}: no applicant has a {quote(cap.group)}"
        for at, cap in enumerate(problem.caps)
        if cap.group not in members
    ]
