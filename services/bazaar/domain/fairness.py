"""How fair a distribution is, in figures that others use too: plain functions over plain numbers.

A distribution is a number per person, RW or spot (turns had, days waited, rupiah sold): whole numbers of 0 or more,
including everyone who had nothing. Sums of whole numbers are exact, so the same figures give the same answer anywhere.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable
from typing import NamedTuple


class Spread(NamedTuple):
    """A distribution of waits or other amounts in a few numbers; all None where it is empty."""

    median: float | None
    p90: float | None
    p99: float | None
    longest: float | None


def jain_index(amounts: Iterable[float]) -> float | None:
    """1 when all have the same, 1/n when one of n has everything: the share of people an equal split would serve.

    (sum x)^2 / (n * sum x^2). R. Jain, D. Chiu, W. Hawe: A Quantitative Measure of Fairness and Discrimination for
    Resource Allocation in Shared Computer Systems, DEC TR-301, 1984. None where there is nobody or nothing to share.
    """
    count = 0
    total: float = 0
    squares: float = 0
    for amount in amounts:
        _require_amount(amount)
        count += 1
        total += amount
        squares += amount * amount
    return total * total / (count * squares) if squares else None


def gini(amounts: Iterable[float]) -> float | None:
    """0 when all have the same, (n-1)/n when one of n has everything.

    Half the mean difference of two people, over the mean: sum((2i - n - 1) * x_i) / (n * sum x), x in rising order,
    i from 1. C. Gini: Variabilita e mutabilita, 1912; this form: A. Sen, On Economic Inequality, 1973. None where
    there is nobody or nothing to share.
    """
    ordered = sorted(amounts)
    if not ordered:
        return None
    _require_amount(ordered[0])
    count, total = len(ordered), sum(ordered)
    weighted = sum((2 * at - count - 1) * amount for at, amount in enumerate(ordered, start=1))
    return weighted / (count * total) if total else None


def coverage(turns: Iterable[float]) -> float | None:
    """The share that has had a turn: of the RWs with a willing vendor, or of vendors. None: there are none."""
    count = served = 0
    for amount in turns:
        _require_amount(amount)
        count += 1
        served += amount > 0
    return served / count if count else None


def times_served(turns: Iterable[int], most: int = 3) -> list[float]:
    """The shares that had a turn never, once, twice ... and, last, `most` times or more; [] where there is nobody."""
    counts: Counter[int] = Counter()
    for amount in turns:
        _require_amount(amount)
        counts[min(amount, most)] += 1
    people = sum(counts.values())
    return [counts[times] / people for times in range(most + 1)] if people else []


def repeat_rate(earlier: Collection[Hashable], later: Collection[Hashable]) -> float | None:
    """ "The same participants every year": of those served in the later period, the share served in the earlier too.

    |earlier & later| / |later|, each person counted once; None where nobody was served later.
    """
    before, after = set(earlier), set(later)
    return len(before & after) / len(after) if after else None


def spread(amounts: Iterable[float]) -> Spread:
    """Median, the values that 90 and 99 of 100 do not pass, and the largest.

    Nearest rank: the smallest amount that at least so large a share does not pass (the k-th of n, k = ceil(p * n)),
    so each is an amount that somebody has. Hyndman and Fan: Sample Quantiles in Statistical Packages, 1996, type 1.
    """
    ordered = sorted(amounts)
    if not ordered:
        return Spread(None, None, None, None)
    _require_amount(ordered[0])
    median, p90, p99 = (ordered[-(-percent * len(ordered) // 100) - 1] for percent in (50, 90, 99))
    return Spread(median, p90, p99, ordered[-1])


def waits(served_in: Iterable[int], began: int, now: int) -> list[int]:
    """The waits of one who keeps applying, in rounds: from `began`, and from each round served, to the next; the last
    lasts until `now`. Who is served in each of two rounds that follow one another waited 1.
    """
    found, since = [], began
    for number in (*sorted(served_in), now):
        found.append(number - since)
        since = number
    return found


def _require_amount(amount: float) -> None:
    if amount < 0:
        raise ValueError(f"an amount must be 0 or more, is {amount}")
