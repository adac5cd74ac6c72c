"""What the result tells those who wait, computed anew: place, because, ahead, forecast (see `reasons.py`)."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping

from services.bazaar.allocation.problem import Party, Problem
from services.bazaar.allocation.result import (
    Ahead,
    Because,
    CapMet,
    CapReached,
    GroupHadItsSeat,
    PartyDoesNotFit,
    PoolsFull,
    Result,
    RoundCap,
)
from services.bazaar.allocation.verifier.roll import Roll
from services.bazaar.allocation.verifier.walk import Rank, Walked

Seats = tuple[str, str, str]
"""A set of seats: ("pool", id, "") whole, ("pool", id, value) of one value, ("group", group, value)."""


def check_waiting(problem: Problem, result: Result, roll: Roll, walked: Walked) -> list[str]:
    """A finding for every statement to someone waiting that is not so."""
    expected = sorted((walked.rank_at_end(name), name) for name in roll.applicants if name not in roll.phase)
    place = {name: at for at, (_, name) in enumerate(expected, start=1)}
    found = []
    for at, waiting in enumerate(result.waiting, start=1):
        if waiting.place != place[waiting.applicant]:
            found.append(
                f"applicant {waiting.applicant}: place is {waiting.place}, should be {place[waiting.applicant]}"
            )
        elif waiting.place != at:
            found.append(f"waiting[{at - 1}]: is {waiting.applicant}, whose place is {waiting.place}")
    holders = _Holders(problem, roll, walked)
    sizes = {name: len(party.members) for party in problem.parties for name in party.members}
    forecast = _forecasts(problem, roll, walked, [name for _, name in expected])
    for waiting in result.waiting:
        name = waiting.applicant
        because, seats = _reason(problem, roll, walked, holders, sizes, name)
        if waiting.because != because:
            found.append(f"applicant {name}: because is {waiting.because}, should be {because}")
        ahead = holders.ahead(seats, walked.rank[name])
        if waiting.ahead != ahead:
            found.append(f"applicant {name}: ahead is {waiting.ahead}, should be {ahead}")
        if waiting.forecast_round != forecast[name]:
            found.append(f"applicant {name}: forecast_round is {waiting.forecast_round}, should be {forecast[name]}")
    return found


def _reason(
    problem: Problem, roll: Roll, walked: Walked, holders: "_Holders", sizes: Mapping[str, int], name: str
) -> tuple[Because, list[Seats]]:
    one = roll.applicants[name]
    if name in walked.unfit:
        over = walked.unfit[name]
        pools = tuple(pool for pool, _ in roll.boxes[name])
        if over is None:
            return PartyDoesNotFit(sizes[name], pools, None), [("pool", pool, "") for pool in pools]
        return PartyDoesNotFit(sizes[name], pools, RoundCap(*over)), [("group", over[0], over[1])]
    if name in walked.stopped_by:
        named, most = problem.caps[walked.stopped_by[name]]
        return GroupHadItsSeat(named, one.groups[named], most), [("group", named, one.groups[named])]
    capped: dict[tuple[str, str], list[str]] = defaultdict(list)
    full: list[str] = []
    seats: list[Seats] = []
    for box in roll.boxes[name]:  # a cap as large as the pool is named too when the pool is full of that value
        pool, value = box
        group = roll.pools[pool].group
        if (
            group is not None
            and value is not None
            and box in roll.cap
            and holders.size("pool", pool, value) >= roll.cap[box]
        ):
            capped[group, value].append(pool)
            seats.append(("pool", pool, value))
        else:
            full.append(pool)
            seats.append(("pool", pool, ""))
    if capped:
        caps = tuple(CapMet(group, value, tuple(pools)) for (group, value), pools in capped.items())
        return CapReached(caps, tuple(full)), seats
    return PoolsFull(tuple(full)), seats


class _Holders:
    """Who holds which seats: how many in phase 1, and the ranks of the others cut after each level and sorted."""

    def __init__(self, problem: Problem, roll: Roll, walked: Walked) -> None:
        people: dict[Seats, list[str]] = defaultdict(list)
        for name, (pool, value) in roll.seat.items():
            people["pool", pool, ""].append(name)
            if value is not None:
                people["pool", pool, value].append(name)
            for group, _ in problem.caps:
                if group in roll.applicants[name].groups:
                    people["group", group, roll.applicants[name].groups[group]].append(name)
        self._levels = [
            f"{'' if by == 'vendor' else 'group_'}{'fewer_turns' if measure == 'turns' else 'waited_longer'}"
            for by, measure in problem.rotation
        ] + ["lottery"]
        self._people = people
        self._reserved = {seats: sum(roll.phase[name] == 1 for name in names) for seats, names in people.items()}
        self._ranks: dict[Seats, list[list[Rank]]] = {
            seats: [
                sorted(walked.rank[name][: level + 1] for name in names if name in walked.rank)
                for level in range(len(self._levels))
            ]
            for seats, names in people.items()
        }

    def size(self, *seats: str) -> int:
        kind, name, value = seats
        return len(self._people.get((kind, name, value), ()))

    def ahead(self, seats: list[Seats], rank: Rank) -> Ahead:
        counts = Counter({"reserved": sum(self._reserved.get(one, 0) for one in seats)})
        for one in seats:
            before = 0
            for level, ranks in enumerate(self._ranks.get(one, ())):
                smaller = bisect_left(ranks, rank[: level + 1])
                counts[self._levels[level]] += smaller - before
                before = smaller
        return Ahead(**counts)


def _forecasts(problem: Problem, roll: Roll, walked: Walked, queue: list[str]) -> dict[str, int | None]:
    """Deal out the rounds to come along the queue."""
    dealt: Counter[Seats] = Counter()
    rounds: dict[str, int | None] = {}
    for name in queue:
        one = roll.applicants[name]
        for_all = [(("group", group, one.groups[group]), most) for group, most in problem.caps if group in one.groups]
        offers = []
        for at, (pool, value) in enumerate(roll.boxes[name]):
            limits: list[tuple[Seats, int]] = [*for_all, (("pool", pool, ""), roll.pools[pool].capacity)]
            if value is not None and (pool, value) in roll.cap:
                limits.append((("pool", pool, value), roll.cap[pool, value]))
            if all(most > 0 for _, most in limits):
                offers.append((max(dealt[seats] // most + 1 for seats, most in limits), at, limits))
        if not offers:
            rounds[name] = None
            continue
        rounds[name], _, taken = min(offers, key=lambda offer: offer[:2])
        for seats, _ in taken:
            dealt[seats] += 1
    for party in problem.parties:
        if party.members[0] in walked.unfit:
            told = [name for name in party.members if name in rounds]  # a wrong result may have served some of them
            mine = [rounds[name] for name in told]
            known = [one for one in mine if one is not None]
            never = len(known) < len(mine) or not _has_a_pool(problem, roll, party)
            rounds.update(dict.fromkeys(told, None if never else max(known, default=None)))
    return rounds


def _has_a_pool(problem: Problem, roll: Roll, party: Party) -> bool:
    """Would a pool that they named, with nobody in it, seat all of them?"""
    for group, most in problem.caps:
        values = Counter(roll.applicants[name].groups.get(group) for name in party.members)
        if any(value is not None and seats > most for value, seats in values.items()):
            return False
    boxes = Counter(box for name in party.members for box in roll.boxes[name])
    sizes = Counter(pool for pool, _ in boxes.elements())
    return any(
        sizes[pool] <= roll.pools[pool].capacity
        and all(seats <= roll.cap.get(box, seats) for box, seats in boxes.items() if box[0] == pool)
        for pool in sizes
    )
