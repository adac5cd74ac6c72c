"""Parties: applicants who want to stand together, in the walk of the rule.

In words for everyone:

- A party is walked where its last member stands. Members reached earlier step aside and wait for the others; nobody
  behind them waits for that. Where groups take turns, a member who waits counts as a turn of its groups for its
  companions, just as if it sat already. So company never moves anyone forward.
- When the last is reached, the party is kept if all kept so far can still sit and all its members can sit in one pool
  that they named: within capacity and caps, and in phase 1 each in a seat reserved for it. Among the pools where that
  is possible it gets the one of its best tier, then the one whose id comes first, and stays there for good: others who
  were kept may be moved to make room as always, a party that was kept may not.
- Members who hold more seats together than a problem-wide cap leaves to one of their groups do not fit.
- Where a party cannot be kept, `apart` says what they asked for. "none": none of them is served. "split": they step
  back into the walk at once, each for itself and as anyone else: in their own order, the last of them no earlier than
  its own place, in any pool it named.
- A party takes part in phase 1 if some pool reserves a seat for each of its members. Where it cannot be kept there it
  is walked again in phase 2, still together: a seat with one's company comes before a reserved seat alone. Only phase
  2 splits it.

What follows for who waits: everyone stands in the queue for itself. A member of a party that is not to be split is
told `party-does-not-fit`; who went before it is counted from where its party was walked, and its forecast is that of
the last of its members to be dealt a seat, or never where no pool it named could seat the party even if empty.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from services.bazaar.allocation.priority import Key, Priority
from services.bazaar.allocation.problem import Party, Problem
from services.bazaar.allocation.seating import Sections

Company = Mapping[int, int]
"""Applicant -> its party, of those who are walked as one."""


class Parties:
    """The problem's parties by position, `members` and `splits` of each; `of`: the party of each who belongs to one.

    `pools`: per party the sections its members would sit in, pool by pool: best tier first, then as pool ids go.
    """

    def __init__(self, problem: Problem, sections: Sections) -> None:
        self.members: list[tuple[int, ...]] = []
        self.splits = [party.apart == "split" for party in problem.parties]
        self.of: dict[int, int] = {}
        self.pools: list[list[tuple[int, ...]]] = []
        if not problem.parties:
            return
        position = {one.id: at for at, one in enumerate(problem.applicants)}
        for number, party in enumerate(problem.parties):
            members = tuple([position[name] for name in party.members])
            self.members.append(members)
            self.of.update(dict.fromkeys(members, number))
            seat = [{sections.pool[section]: section for section in sections.options[member]} for member in members]
            tiers = sections.tiers(problem, members[0])
            ranked = sorted((tier, sections.pool[section]) for section, tier in tiers.items())  # numbers follow ids
            self.pools.append([tuple([one[pool] for one in seat]) for _, pool in ranked])

    def reserved_pools(self, number: int, sections: Sections) -> list[tuple[int, ...]]:
        """Of the party's pools those that reserve a seat for each of its members."""
        return [places for places in self.pools[number] if all(sections.is_reserved[section] for section in places)]


@dataclass(slots=True)
class Gathering:
    """The parties of one phase while their members are reached.

    `of`: those who are still walked as a party; `pools`: where each party could sit; `came`: who of it has been
    reached, in that order.
    """

    of: dict[int, int]
    pools: Mapping[int, list[tuple[int, ...]]]
    came: dict[int, list[int]] = field(default_factory=dict)

    def reach(self, applicant: int, parties: Parties, priority: Priority) -> int | None:
        """The applicant's party if it is the last of it to be reached; else it steps aside."""
        number = self.of[applicant]
        came = self.came.setdefault(number, [])
        came.append(applicant)
        if len(came) == len(parties.members[number]):
            return number
        priority.step_aside(applicant, number)
        return None

    def places(self, number: int, pool: tuple[int, ...], parties: Parties) -> list[int]:
        """The sections of one of the party's pools in the order in which its members were reached."""
        at = dict(zip(parties.members[number], pool, strict=True))
        return [at[member] for member in self.came[number]]

    def dissolve(self, number: int) -> list[int]:
        """The party is settled; its members as they were reached."""
        came = self.came[number]
        for member in came:
            del self.of[member]
        return came

    def key_of_last(self, number: int, parties: Parties, priority: Priority) -> Key:
        """The key at which the last of the party would be reached if nobody more were seated."""
        came = self.came.setdefault(number, [])
        left = set(parties.members[number]) - set(came)
        while True:
            last = min(left, key=lambda member: priority.now(member, number))
            key = priority.now(last, number)
            left.remove(last)
            if not left:
                return key
            priority.step_aside(last, number)


def fits_empty(problem: Problem, sections: Sections, members: Iterable[int], pool: tuple[int, ...]) -> bool:
    """Could they sit in this pool together if nobody else were there?"""
    needed = Counter(pool)
    if needed.total() > sections.capacity[sections.pool[pool[0]]]:
        return False
    if any(seats > sections.cap[section] for section, seats in needed.items()):
        return False
    groups = [problem.applicants[member].groups for member in members]
    return all(
        seats <= seats_each
        for group, seats_each in problem.caps
        for seats in Counter(one[group] for one in groups if group in one).values()
    )


def never_together(problem: Problem) -> list[Party]:
    """Parties that no pool they named could seat even if it were empty: lawful, but in vain or walked apart."""
    if not problem.parties:
        return []
    sections = Sections(problem)
    parties = Parties(problem, sections)
    return [
        party
        for party, members, pools in zip(problem.parties, parties.members, parties.pools, strict=True)
        if not any(fits_empty(problem, sections, members, pool) for pool in pools)
    ]
