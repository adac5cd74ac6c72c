"""Is a result a matching of its problem, are its four numbers right, and do its prices prove that nothing is better?

Written apart from the solver, without numbers that could run over and without its libraries: costs are vectors compared
from the left. The argument stands in the package's own words (`__init__`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from services.training.matching.problem import Mentor, Problem, Vendor
from services.training.matching.result import Goals, Result

FINDINGS_MAX = 100
NONE = Goals(0, 0, 0, 0)


def verify(problem: Problem, result: Result) -> list[str]:
    """Every difference between this result and what the rule asks for; none: it is a best matching of the problem."""
    findings: list[str] = []
    for finding in _differences(problem, result):
        findings.append(finding)
        if len(findings) == FINDINGS_MAX:
            findings.append("... and perhaps more; the search ended here")
            break
    return findings


def _differences(problem: Problem, result: Result) -> Iterator[str]:
    if result.problem_sha256 != problem.sha256:
        yield f"the result belongs to a problem file of sha256 {result.problem_sha256}, this one has {problem.sha256}"
        return
    mentors = {one.id: one for one in problem.mentors}
    strange = list(_names(problem, result, mentors))
    if strange:
        yield from strange
        return
    loads = Counter(mentor for mentor in result.pairs.values() if mentor is not None)
    overfull = list(_overfull(problem.mentors, loads))
    if overfull:
        yield from overfull
        return
    kinds = _Kinds(problem, result.prices)
    sums = [0, 0, 0, 0]
    for vendor in problem.vendors:
        mentor = result.pairs[vendor.id]
        own = kinds.cost(vendor, mentor)
        if own is None:
            yield f"{vendor.id}: is with {mentor}, who is not allowed for it (area or language)"
            continue
        sums = [sum(pair) for pair in zip(sums, own, strict=True)]
        best, at = kinds.least(vendor)
        priced = _plus(own, NONE if mentor is None else result.prices[mentor])
        if priced > at:
            yield f"{vendor.id}: {mentor or 'none'} comes to {list(priced)}, {best or 'none'} only to {list(at)}"
    sums[3] = sum(_seat(one, k) for one in problem.mentors for k in range(one.held + 1, one.held + loads[one.id] + 1))
    if tuple(sums) != tuple(result.goals):
        yield f"goals: the pairs come to {sums}, the result says {list(result.goals)}"
    yield from _prices_off(problem.mentors, loads, result.prices)


def _names(problem: Problem, result: Result, mentors: Mapping[str, Mentor]) -> Iterator[str]:
    vendors = {one.id for one in problem.vendors}
    for name in sorted(vendors - result.pairs.keys()):
        yield f"{name}: is not in the result"
    for name in sorted(result.pairs.keys() - vendors):
        yield f"{name}: is in the result, not in the problem"
    for name in sorted({one for one in result.pairs.values() if one is not None} - mentors.keys()):
        yield f"{name}: is given vendors, and is no mentor of the problem"
    if result.prices.keys() != mentors.keys():
        yield "prices: must name every mentor of the problem, and nobody else"


def _overfull(mentors: Sequence[Mentor], loads: Mapping[str, int]) -> Iterator[str]:
    for one in mentors:
        if loads[one.id] > max(0, one.load_max - one.held):
            yield f"{one.id}: is given {loads[one.id]} vendors besides {one.held}; its limit is {one.load_max}"


def _prices_off(mentors: Sequence[Mentor], loads: Mapping[str, int], prices: Mapping[str, Goals]) -> Iterator[str]:
    for one in mentors:
        load, price = one.held + loads[one.id], prices[one.id]
        if loads[one.id] > 0 and price < (last := Goals(0, 0, 0, _seat(one, load))):
            yield f"{one.id}: its price {list(price)} is below its last seat {list(last)}"
        if load < one.load_max and price > (following := Goals(0, 0, 0, _seat(one, load + 1))):
            yield f"{one.id}: its price {list(price)} is above its next seat {list(following)}"


def _seat(mentor: Mentor, k: int) -> int:
    return (2 * k - 1) * 10_000 // mentor.load_max


def _plus(one: Goals, other: Goals) -> Goals:
    return Goals(one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3])


@dataclass
class _Kinds:
    """What each vendor costs with each mentor; worked out once for all that are alike but for the mentor they have."""

    problem: Problem
    prices: Mapping[str, Goals]
    _by_area: dict[str, list[Mentor]] = field(default_factory=dict)
    _misfits: dict[object, dict[str, int]] = field(default_factory=dict)
    _steps: dict[object, dict[str, int]] = field(default_factory=dict)
    _least: dict[object, tuple[str | None, Goals]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in self.problem.mentors:
            for area in one.areas:
                self._by_area.setdefault(area, []).append(one)

    def cost(self, vendor: Vendor, mentor: str | None) -> Goals | None:
        """Cost of the vendor with this mentor, or with none; None where the pair is not allowed."""
        misfits = self._misfits_of(vendor)
        left = int(vendor.mentor in misfits and mentor != vendor.mentor)
        if mentor is None:
            return Goals(1, left, 0, 0)
        return Goals(0, left, misfits[mentor], 0) if mentor in misfits else None

    def least(self, vendor: Vendor) -> tuple[str | None, Goals]:
        """Where cost and price together are least."""
        misfits = self._misfits_of(vendor)
        kind = _kind(vendor)
        if kind not in self._least:
            priced: dict[str | None, Goals] = {
                name: _plus(self.prices[name], Goals(0, 0, misfit, 0)) for name, misfit in misfits.items()
            }
            priced[None] = Goals(1, 0, 0, 0)
            name = min(priced, key=priced.__getitem__)
            self._least[kind] = name, priced[name]
        if vendor.mentor not in misfits:
            return self._least[kind]
        # to leave costs one more, wherever to
        name, least = self._least[kind]
        stay = _plus(self.prices[vendor.mentor], Goals(0, 0, misfits[vendor.mentor], 0))
        return min((vendor.mentor, stay), (name, _plus(least, Goals(0, 1, 0, 0))), key=lambda option: option[1])

    def _misfits_of(self, vendor: Vendor) -> dict[str, int]:
        kind = _kind(vendor)
        if kind not in self._misfits:
            weights = self.problem.weights
            steps = self._steps_of(vendor)
            found = {}
            for near, area in _areas_of(vendor):  # the finest last
                for one in self._by_area.get(area, ()):
                    if vendor.language in one.languages:
                        agency = vendor.agency is not None and vendor.agency != one.agency
                        found[one.id] = weights.field * steps[one.id] + weights.agency * agency + weights.near * near
            self._misfits[kind] = found
        return self._misfits[kind]

    def _steps_of(self, vendor: Vendor) -> dict[str, int]:
        """How far each mentor's fields are from what the vendor wishes or needs: 0, 1 or 2."""
        wanted = tuple(vendor.wishes), tuple(vendor.fields)
        if wanted not in self._steps:
            self._steps[wanted] = {one.id: _field_step(vendor, one) for one in self.problem.mentors}
        return self._steps[wanted]


def _kind(vendor: Vendor) -> object:
    return vendor.kelurahan, vendor.language, tuple(vendor.wishes), tuple(vendor.fields), vendor.agency


def _areas_of(vendor: Vendor) -> list[tuple[int, str]]:
    """All that the kelurahan is part of, and itself, the widest first, each with how far it is from the kelurahan."""
    parts = vendor.kelurahan.split(".")
    return [(len(parts) - length, ".".join(parts[:length])) for length in range(1, len(parts) + 1)]


def _field_step(vendor: Vendor, mentor: Mentor) -> int:
    asked = vendor.wishes or vendor.fields
    if not asked or any(one in mentor.fields for one in asked):
        return 0
    return 1 if not mentor.fields or any(one in mentor.fields for one in vendor.fields) else 2
