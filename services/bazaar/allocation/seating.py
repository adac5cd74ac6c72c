"""Who can sit together: pools cut into sections, and the search that moves the seated to make room.

A pool's reserves and caps name one group, so an applicant sits in a pool in one *section*: that of its value of
that group, or the section of all others. Seating is then a flow applicant -> section -> pool, and people who sit
in one section and named another are all alike to a search, which runs over sections and not over people.
"""

from collections.abc import Iterator, Mapping, Sequence

from services.bazaar.allocation.problem import Problem


class Sections:
    """The problem's sections, numbered by pool id, then value: numbers do not depend on the order of the input.

    Per section: `pool` (number), `reserve` and `cap` in seats (a section without a cap: the pool's capacity);
    `is_reserved`, `is_capped`: the pool has such a limit on the section's `value` (None: all others) of its `group`;
    a cap above the pool's capacity is none.
    Per pool: `pool_ids`, `capacity`, `members` (its sections).
    Per applicant: `options`, the section of each pool it named, in the order of its choices.
    """

    def __init__(self, problem: Problem) -> None:
        self.pool: list[int] = []
        self.reserve: list[int] = []
        self.cap: list[int] = []
        self.is_reserved: list[bool] = []
        self.is_capped: list[bool] = []
        self.value: list[str | None] = []
        self.pool_ids: list[str] = []
        self.capacity: list[int] = []
        self.group: list[str | None] = []
        self.members: list[tuple[int, ...]] = []
        lookup: dict[str, tuple[str | None, dict[str, int], int]] = {}
        for number, pool in enumerate(sorted(problem.pools)):
            reserves = {limit.value: limit.seats for limit in pool.reserves}
            caps = {limit.value: limit.seats for limit in pool.caps}
            values: list[str | None] = [*sorted(reserves.keys() | caps.keys()), None]
            first = len(self.pool)
            for value in values:
                self.pool.append(number)
                self.value.append(value)
                self.reserve.append(reserves.get(value, 0) if value is not None else 0)
                self.is_reserved.append(value in reserves)
                self.is_capped.append(value is not None and caps.get(value, pool.capacity + 1) <= pool.capacity)
                cap = pool.capacity if value is None else caps.get(value, pool.capacity)
                self.cap.append(min(cap, pool.capacity))
            self.pool_ids.append(pool.id)
            self.capacity.append(pool.capacity)
            self.group.append(pool.group)
            self.members.append(tuple(range(first, len(self.pool))))
            named = {value: first + at for at, value in enumerate(values) if value is not None}
            lookup[pool.id] = (pool.group, named, first + len(named))
        self.options = [
            tuple([_section(applicant.groups, *lookup[pool]) for tier in applicant.choices for pool in tier])
            for applicant in problem.applicants
        ]

    def tiers(self, problem: Problem, applicant: int) -> dict[int, int]:
        """The tier (0 = best) of each section the applicant may sit in, in the order of its choices."""
        numbers = [at for at, tier in enumerate(problem.applicants[applicant].choices) for _ in tier]
        return dict(zip(self.options[applicant], numbers, strict=True))


def _section(groups: Mapping[str, str], group: str | None, named: dict[str, int], others: int) -> int:
    value = groups.get(group) if group is not None else None
    return others if value is None else named.get(value, others)


def bits(mask: int) -> Iterator[int]:
    """The positions of the ones, lowest first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class Moves:
    """Who sits in which section, and from each section the others that someone in it could move to.

    `out[s]`: a bit for every section that someone movable in `s` also named. Whoever is added without moves sits
    fast: counted, never moved.
    """

    def __init__(self, sections: Sections) -> None:
        count = len(sections.pool)
        self.sections = sections
        self.at: dict[int, int] = {}
        self.count = [0] * count
        self.filled = [0] * len(sections.pool_ids)
        self.out = [0] * count
        self.moves: dict[int, tuple[int, ...]] = {}
        self._movers: list[dict[int, dict[int, None]]] = [{} for _ in range(count)]

    def put(self, applicant: int, section: int, moves: tuple[int, ...] = ()) -> None:
        """Seat the applicant. `moves`: the sections it may be moved between from now on."""
        self.at[applicant] = section
        self.count[section] += 1
        self.filled[self.sections.pool[section]] += 1
        if moves:
            self.moves[applicant] = moves
            self._loosen(applicant, section)

    def take_out(self, applicant: int) -> None:
        """The applicant, seated without moves, has no seat any more."""
        section = self.at.pop(applicant)
        self.count[section] -= 1
        self.filled[self.sections.pool[section]] -= 1

    def fix(self, applicant: int) -> None:
        """From now on the applicant keeps its seat."""
        self._fasten(applicant, self.at[applicant])
        del self.moves[applicant]

    def move(self, applicant: int, section: int) -> None:
        """Seat one who is seated already in another section; whoever has moves keeps them."""
        left = self.at[applicant]
        self.count[left] -= 1
        self.filled[self.sections.pool[left]] -= 1
        moves = self.moves.get(applicant, ())
        if moves:
            self._fasten(applicant, left)
        self.put(applicant, section, moves)

    def mover(self, source: int, target: int) -> int:
        """Someone who sits in `source` and may move to `target`."""
        return next(iter(self._movers[source][target]))

    def _loosen(self, applicant: int, section: int) -> None:
        movers = self._movers[section]
        for target in self.moves[applicant]:
            if target != section:
                if target in movers:
                    movers[target][applicant] = None
                else:
                    movers[target] = {applicant: None}
                    self.out[section] |= 1 << target

    def _fasten(self, applicant: int, section: int) -> None:
        movers = self._movers[section]
        for target in self.moves[applicant]:
            if target != section:
                del movers[target][applicant]
                if not movers[target]:
                    del movers[target]
                    self.out[section] &= ~(1 << target)


class Seats(Moves):
    """Seats that are taken one applicant at a time; the seated are moved, never put out.

    `most`: seats per section; `room`: seats per pool, None where the sections alone are the bound.
    A section from which no free seat can be reached is closed for good: no later move enters it, so nothing in it
    changes, and no search repeats what a failed one has seen. A party is tried member by member; what a search sees
    while companions hold seats that they may have to give back closes nothing. Where it fails, those companions are
    taken out and the moves that made room stay: they too seat everyone who was kept, and that is all a search needs.
    The companions sat in sections that were not closed, so whatever is closed stays as it was.
    """

    def __init__(self, sections: Sections, most: list[int], room: list[int] | None) -> None:
        super().__init__(sections)
        self._most = most
        self._room = room if room is not None else [sum(most) + 1] * len(sections.pool_ids)
        self._whole = [sum(1 << section for section in members) for members in sections.members]
        self._bit = [1 << section for section in range(len(most))]
        self._closed = 0
        self._free = 0
        for section, seats in enumerate(most):
            if seats > 0 and self._room[sections.pool[section]] > 0:
                self._free |= 1 << section

    def full(self) -> bool:
        """No seat is free anywhere."""
        return not self._free

    def sit(self, applicant: int, section: int, options: tuple[int, ...]) -> None:
        """Seat the applicant in a section that has a free seat."""
        self.put(applicant, section, options)
        self._refresh(section)

    def seat(self, applicant: int, options: tuple[int, ...]) -> bool:
        """Seat the applicant in one of the sections, moving the seated where needed; False if that cannot be."""
        starts = 0
        for section in options:
            bit = self._bit[section]
            if bit & self._free:
                self.sit(applicant, section, options)
                return True
            if not bit & self._closed:
                starts |= bit
        if not starts:
            return False
        due = self._make_room(starts)
        if due is None:
            return False
        self.sit(applicant, due, options)
        return True

    def seat_together(self, applicants: Sequence[int], places: Sequence[int]) -> bool:
        """Seat each of the applicants fast in its section (all of one pool), moving the others where needed; False, and
        none of them seated, if that cannot be."""
        if any(self._bit[section] & self._closed for section in places):
            return False
        for at, (applicant, section) in enumerate(zip(applicants, places, strict=True)):
            bit = self._bit[section]
            if not bit & self._free and self._make_room(bit, alone=not at) is None:
                for companion in applicants[:at]:
                    self.take_out(companion)
                self._reopen(self.sections.pool[section])
                return False
            self.sit(applicant, section, ())
        return True

    def _make_room(self, starts: int, *, alone: bool = True) -> int | None:
        """Move the seated until one of these sections has a free seat, and say which; None if that cannot be.

        `alone`: nobody sits for a trial, so what is seen in vain is closed for good.
        """
        seen = self._closed | starts
        came: dict[int, tuple[int, int] | None] = {}  # section entered -> (entered before it, left by the mover)
        found: list[tuple[int, tuple[int, int] | None]] = [(starts, None)]  # sections, and the step that enters them
        for mask, step in found:
            for entered in bits(mask):
                came[entered] = step
                pool = self.sections.pool[entered]
                sources: tuple[int, ...] = (entered,)
                if self.count[entered] < self._most[entered]:  # so the pool is full: anyone in it may make room
                    sources = self.sections.members[pool]
                    seen |= self._whole[pool]
                for source in sources:
                    new = self.out[source] & ~seen
                    if not new:
                        continue
                    free = new & self._free
                    if free:
                        last = next(bits(free))
                        came[last] = (entered, source)
                        return self._shift(last, came)
                    seen |= new
                    found.append((new, (entered, source)))
        if alone:
            self._closed = seen
        return None

    def _shift(self, section: int, came: dict[int, tuple[int, int] | None]) -> int:
        """Move people along the path that ends in this section; the section at its start, where a seat is now due."""
        step = came[section]
        while step is not None:
            entered, source = step
            self.move(self.mover(source, section), section)
            self._refresh(section)
            section, step = entered, came[entered]
        return section

    def _reopen(self, pool: int) -> None:
        """Someone left the pool: see anew which of its sections have a free seat."""
        self._free &= ~self._whole[pool]
        if self.filled[pool] < self._room[pool]:
            for section in self.sections.members[pool]:
                if self.count[section] < self._most[section]:
                    self._free |= self._bit[section]

    def _refresh(self, section: int) -> None:
        pool = self.sections.pool[section]
        if self.filled[pool] >= self._room[pool]:
            self._free &= ~self._whole[pool]
        elif self.count[section] >= self._most[section]:
            self._free &= ~(1 << section)
