"""Where: with the served fixed, the seat of each.

First as many reserved seats as possible hold members of their group, then the sum of tier indexes is the least: a
min-cost flow, solved by OR-tools. Many arrangements may be equal in both; a solver's habit must not choose among
them. So, in the order in which they were kept, each in turn gets the best seat - by tier, then by pool id - that
leaves both sums as they are and the seats of those before it untouched. That makes the arrangement unique: it
depends neither on OR-tools nor on the order of the input, and who went first is who chooses first.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from services.bazaar.allocation.problem import Problem
from services.bazaar.allocation.seating import Moves, Sections, bits

Tiers = Mapping[int, int]
"""Of one applicant: the tier of each section it may sit in."""


def place(problem: Problem, sections: Sections, order: Sequence[int], fixed: Mapping[int, int]) -> dict[int, int]:
    """The section of each of the served. `order`: as they were kept; together they must be seatable. `fixed`: the
    section of each who sits there fast, with its party."""
    if not order:
        return {}
    tiers = {applicant: sections.tiers(problem, applicant) for applicant in order}
    for applicant, section in fixed.items():
        tiers[applicant] = {section: tiers[applicant][section]}
    worth = 1 + sum(max(one.values()) for one in tiers.values())  # of a reserved seat, in tiers: more than all sums
    seat = _least_cost(sections, tiers, worth)
    return _settle(sections, tiers, worth, seat)


def _least_cost(sections: Sections, tiers: Mapping[int, Tiers], worth: int) -> dict[int, int]:
    """An arrangement of least cost: -`worth` a reserved seat held by its group, + the sum of tiers."""
    from ortools.graph.python.min_cost_flow import SimpleMinCostFlow  # 0.1 s, only where seats are to be had

    classes: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for applicant, one in tiers.items():
        classes.setdefault(tuple(one.items()), []).append(applicant)
    first_section = len(classes)
    first_pool = first_section + len(sections.pool)
    sink = first_pool + len(sections.pool_ids)
    tails, heads, seats, costs = [], [], [], []
    for number, (choices, members) in enumerate(classes.items()):
        for section, tier in choices:
            tails.append(number)
            heads.append(first_section + section)
            seats.append(len(members))
            costs.append(tier)
    from_people = len(tails)
    total = len(tiers)
    for section, pool in enumerate(sections.pool):
        reserve, cap = min(sections.reserve[section], total), min(sections.cap[section], total)
        for count, cost in ((reserve, -worth), (cap - reserve, 0)):
            if count:
                tails.append(first_section + section)
                heads.append(first_pool + pool)
                seats.append(count)
                costs.append(cost)
    for pool, capacity in enumerate(sections.capacity):
        tails.append(first_pool + pool)
        heads.append(sink)
        seats.append(min(capacity, total))
        costs.append(0)
    flow = SimpleMinCostFlow()
    flow.add_arcs_with_capacity_and_unit_cost(tails, heads, seats, costs)
    for number, members in enumerate(classes.values()):
        flow.set_node_supply(number, len(members))
    flow.set_node_supply(sink, -total)
    status = flow.solve()
    if status != flow.OPTIMAL:
        raise AssertionError(f"the kept cannot sit together: min-cost flow says {status}")
    waiting = [list(members) for members in classes.values()]
    return {
        waiting[tails[arc]].pop(): heads[arc] - first_section
        for arc in range(from_people)
        for _ in range(flow.flow(arc))
    }


def _settle(sections: Sections, tiers: Mapping[int, Tiers], worth: int, seat: Mapping[int, int]) -> dict[int, int]:
    """Of all arrangements of the same cost, the one in which each in turn has the best seat it can."""
    price = _prices(sections, tiers, worth, seat)
    choices = Choices(sections, price, worth)
    wanted: dict[int, list[int]] = {}
    for applicant, one in tiers.items():
        now = seat[applicant]
        equal = [section for section in one if one[section] - price[section] == one[now] - price[now]]
        choices.put(applicant, now, tuple(equal) if len(equal) > 1 else ())
        if len(equal) > 1:
            wanted[applicant] = sorted(sorted(equal), key=one.__getitem__)  # best tier first, then as pool ids go
    for applicant, better in wanted.items():
        choices.fix(applicant)
        for section in better:
            if section == choices.at[applicant] or choices.swap(applicant, section):
                break
    return choices.at


def _prices(sections: Sections, tiers: Mapping[int, Tiers], worth: int, seat: Mapping[int, int]) -> list[int]:
    """Prices of sections, pools and (last) the round: no move along the residual network costs less than it gains.

    With prices, an arrangement is of least cost exactly if it uses only moves that cost what they gain.
    """
    first_pool = len(sections.pool)
    end = first_pool + len(sections.pool_ids)
    count = [0] * len(sections.pool)
    arcs: list[dict[int, int]] = [{} for _ in range(end + 1)]
    for applicant, one in tiers.items():
        now = seat[applicant]
        count[now] += 1
        for section, tier in one.items():
            if section != now:
                cost = tier - one[now]
                if cost < arcs[now].get(section, worth):
                    arcs[now][section] = cost
    filled = [0] * len(sections.pool_ids)
    for section, pool in enumerate(sections.pool):
        filled[pool] += count[section]
        if count[section] < sections.cap[section]:
            arcs[section][first_pool + pool] = -worth if count[section] < sections.reserve[section] else 0
        if count[section]:
            arcs[first_pool + pool][section] = worth if count[section] <= sections.reserve[section] else 0
    for pool, capacity in enumerate(sections.capacity):
        if filled[pool] < capacity:
            arcs[first_pool + pool][end] = 0
        if filled[pool]:
            arcs[end][first_pool + pool] = 0
    price = [0] * (end + 1)
    queue = deque(range(end + 1))
    queued = [True] * (end + 1)
    while queue:
        node = queue.popleft()
        queued[node] = False
        here = price[node]
        for other, cost in arcs[node].items():
            if here + cost < price[other]:
                price[other] = here + cost
                if not queued[other]:
                    queued[other] = True
                    queue.append(other)
    return price


class Choices(Moves):
    """Arrangements of least cost: each section and pool may hold between `least` and `most` people.

    A stretch of seats whose price is above what it gains stays full in all of them, one below stays empty.
    """

    def __init__(self, sections: Sections, price: Sequence[int], worth: int) -> None:
        super().__init__(sections)
        first_pool = len(sections.pool)
        end = first_pool + len(sections.pool_ids)
        self._least: list[int] = []
        self._most: list[int] = []
        for section, pool in enumerate(sections.pool):
            gain = price[section] - price[first_pool + pool]
            reserve, rest = sections.reserve[section], sections.cap[section] - sections.reserve[section]
            self._least.append(reserve * (gain < worth) + rest * (gain < 0))
            self._most.append(reserve * (gain <= worth) + rest * (gain <= 0))
        self._floor: list[int] = []
        self._room: list[int] = []
        for pool, capacity in enumerate(sections.capacity):
            gain = price[first_pool + pool] - price[end]
            self._floor.append(capacity * (gain < 0))
            self._room.append(capacity * (gain <= 0))

    def swap(self, applicant: int, section: int) -> bool:
        """Give the applicant (fixed) a seat in the section, moving others round to its old one; False if none can.

        A breadth-first search from the section for the applicant's own: on through whoever may move, through the
        pool where its sections' numbers have play, and through the round where the pools' have.
        """
        goal = self.at[applicant]
        goal_bit, goal_pool = 1 << goal, self.sections.pool[goal]
        spare = self.count[goal] > self._least[goal]  # so the applicant may leave through the pool
        leaves_round = spare and self.filled[goal_pool] > self._floor[goal_pool]
        came: dict[int, tuple[int, int] | None] = {section: None}
        seen = 1 << section
        found: list[tuple[int, tuple[int, int] | None]] = [(seen, None)]  # sections, and the step that enters them
        opened: set[int] = set()
        round_open = False
        for mask, step in found:
            for entered in bits(mask):
                came[entered] = step
                pool = self.sections.pool[entered]
                sources = [entered]
                if self.count[entered] < self._most[entered]:
                    opens_round = self.filled[pool] < self._room[pool]
                    if (spare and pool == goal_pool) or (opens_round and leaves_round):
                        self._turn(applicant, entered, came)
                        return True
                    sources += self._may_leave(pool, opened)
                    if opens_round and not round_open:
                        round_open = True
                        for other, least in enumerate(self._floor):
                            if self.filled[other] > least:
                                sources += self._may_leave(other, opened)
                for source in sources:
                    new = self.out[source] & ~seen
                    if new & goal_bit:
                        came[goal] = (entered, source)
                        self._turn(applicant, goal, came)
                        return True
                    if new:
                        seen |= new
                        found.append((new, (entered, source)))
        return False

    def _may_leave(self, pool: int, opened: set[int]) -> list[int]:
        """The pool's sections that may lose someone, the first time that the pool is opened."""
        if pool in opened:
            return []
        opened.add(pool)
        return [section for section in self.sections.members[pool] if self.count[section] > self._least[section]]

    def _turn(self, applicant: int, section: int, came: Mapping[int, tuple[int, int] | None]) -> None:
        step = came[section]
        while step is not None:
            entered, source = step
            self.move(self.mover(source, section), section)
            section, step = entered, came[entered]
        self.move(applicant, section)
