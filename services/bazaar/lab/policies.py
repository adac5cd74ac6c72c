"""The policies that are compared: who goes before whom among the applicants of a round.

Where every applicant names one pool, and nothing is reserved or capped, the walk of the rule seats people until the
pool is full, so it serves the first of each pool in the order of priority, and sorting is enough. RWs in turn: the
walk reaches the n-th of an RW (by waiting, then lottery) when its RW has had n - 1 turns more, whatever the others do.
`tests/unit/test_bazaar_lab.py` holds this against `solve`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from services.bazaar.lab.city import City, Flags, Numbers, Round


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a policy knows: per vendor its turns and the round since which it waits, per RW its turns."""

    turns: Numbers
    since: Numbers
    rw_turns: Numbers


Policy = Callable[[City, Ledger, Round, Flags], Numbers]
"""The applicants still in question (positions in the round), first come first, whatever their pool."""


def _sorted(among: Flags, *levels: np.ndarray) -> Numbers:
    """Positions by the first level, then the next ...; the smaller goes first."""
    here = np.flatnonzero(among)
    return here[np.lexsort([level[here] for level in reversed(levels)])]


def by_waiting(city: City, ledger: Ledger, round_: Round, among: Flags) -> Numbers:
    """The rule as it is by default: who waits longest, then the lottery."""
    return _sorted(among, ledger.since[round_.vendor], *round_.lottery)


def by_turns(city: City, ledger: Ledger, round_: Round, among: Flags) -> Numbers:
    """Who has had fewer turns, then who waits longer, then the lottery."""
    return _sorted(among, ledger.turns[round_.vendor], ledger.since[round_.vendor], *round_.lottery)


def by_rw(city: City, ledger: Ledger, round_: Round, among: Flags) -> Numbers:
    """RWs in turn (E2): whose RW has had fewer turns, those of this round counted, then who waits longer."""
    rw = city.rw[round_.vendor]
    ordered = _sorted(among, rw, ledger.since[round_.vendor], *round_.lottery)
    if not len(ordered):
        return ordered
    firsts = np.flatnonzero(np.r_[True, np.diff(rw[ordered]) != 0])
    nth = np.arange(len(ordered)) - np.repeat(firsts, np.diff(np.r_[firsts, len(ordered)]))
    standing = np.zeros(len(rw), dtype=np.int64)
    standing[ordered] = ledger.rw_turns[rw[ordered]] + nth
    return _sorted(among, standing, ledger.since[round_.vendor], *round_.lottery)


def first_come(city: City, ledger: Ledger, round_: Round, among: Flags) -> Numbers:
    """Who applied first."""
    return _sorted(among, round_.arrival)


def lottery(city: City, ledger: Ledger, round_: Round, among: Flags) -> Numbers:
    """The lottery alone."""
    return _sorted(among, *round_.lottery)


def weighted_lottery(city: City, ledger: Ledger, round_: Round, among: Flags) -> Numbers:
    """A lottery with a ticket for every round waited, drawn without replacement.

    An exponential race: -log(luck) / tickets. P. Efraimidis, P. Spirakis: Weighted random sampling with a reservoir,
    2006.
    """
    tickets = round_.number + 1 - ledger.since[round_.vendor]
    return _sorted(among, -np.log(1 - round_.luck) / tickets)


POLICIES: dict[str, Policy] = {
    "waiting": by_waiting,
    "turns": by_turns,
    "rw": by_rw,
    "first-come": first_come,
    "lottery": lottery,
    "weighted-lottery": weighted_lottery,
}
