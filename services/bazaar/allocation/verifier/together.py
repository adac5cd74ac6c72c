"""Could a party have sat together? A trial among those kept by then, in the seats that the result gives them.

Whoever was kept with its party sits fast; all others may be moved between the boxes they named. The trial seats the
members one after the other, each by a chain of moves to a free seat, and then undoes everything: an answer is all
that is wanted of it.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

from services.bazaar.allocation.verifier.roll import Box


class Trial:
    """Those kept so far. `cap`: most seats of a box, `capacity`: of a pool (None: the boxes alone are the bound)."""

    def __init__(self, cap: dict[Box, int], capacity: dict[str, int] | None) -> None:
        self._cap = cap
        self._capacity = capacity
        self._in_box: dict[Box, int] = defaultdict(int)
        self._in_pool: dict[str, int] = defaultdict(int)
        self._boxes: dict[str, set[Box]] = defaultdict(set)
        self._may_move: dict[Box, dict[Box, set[str]]] = defaultdict(dict)
        self._others: dict[str, tuple[Box, ...]] = {}

    def add(self, name: str, box: Box, boxes: Iterable[Box] = ()) -> None:
        """This one was kept and sits here; it may move to any of `boxes`."""
        self._others[name] = tuple(boxes)
        self._enter(name, box)

    def seats(self, boxes: Sequence[Box]) -> bool:
        """Is there a seat in each of these boxes at the same time, for one who would not leave it again?"""
        moved: list[tuple[str, Box, Box]] = []
        taken: list[Box] = []
        try:
            for box in boxes:
                chain = self._chain(box)
                if chain is None:
                    return False
                for name, left, entered in chain:
                    self._leave(name, left)
                    self._enter(name, entered)
                    moved.append((name, left, entered))
                self._count(box, 1)
                taken.append(box)
            return True
        finally:
            for box in taken:
                self._count(box, -1)
            for name, left, entered in reversed(moved):
                self._leave(name, entered)
                self._enter(name, left)

    def _chain(self, start: Box) -> list[tuple[str, Box, Box]] | None:
        """Who must move from where to where, the last one first, so that a seat in the box is free."""
        came: dict[Box, tuple[Box, str, Box] | None] = {start: None}
        queue = deque([start])
        while queue:
            entered = queue.popleft()
            leave: Iterable[Box] = [entered]
            if self._in_box[entered] < self._cap.get(entered, self._in_box[entered] + 1):
                pool = entered[0]
                if self._capacity is None or self._in_pool[pool] < self._capacity[pool]:
                    chain = []
                    here = entered
                    while (step := came[here]) is not None:
                        before, name, left = step
                        chain.append((name, left, here))
                        here = before
                    return chain
                leave = self._boxes[pool]
            for left in leave:
                for other, names in self._may_move[left].items():
                    if names and other not in came:
                        came[other] = (entered, next(iter(names)), left)
                        queue.append(other)
        return None

    def _count(self, box: Box, seats: int) -> None:
        self._in_box[box] += seats
        self._in_pool[box[0]] += seats
        self._boxes[box[0]].add(box)

    def _enter(self, name: str, box: Box) -> None:
        self._count(box, 1)
        for other in self._others[name]:
            if other != box:
                self._may_move[box].setdefault(other, set()).add(name)

    def _leave(self, name: str, box: Box) -> None:
        self._count(box, -1)
        for other in self._others[name]:
            if other != box:
                self._may_move[box][other].discard(name)
