"""Limits as the providers hold them: so many a second, so many to one person, so many people in 24 hours."""

from collections import OrderedDict

__all__ = ["Bucket", "Pairs", "People"]

DAY_SECONDS = 24 * 3600.0


class Bucket:
    """At most `per_second` a second, and a second's worth at once."""

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._size = max(1.0, per_second)
        self._tokens = self._size
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Take one, if there is one. `now` never goes back."""
        self._tokens = min(self._size, self._tokens + (now - self._at) * self.per_second)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class Pairs:
    """To each person one message in `seconds`, `burst` of them in advance. Full buckets are forgotten."""

    def __init__(self, seconds: float, burst: int) -> None:
        self._seconds = seconds
        self._burst = float(burst)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, person: str, now: float) -> bool:
        """Take one of this person's, if there is one. `now` never goes back."""
        left = self._left
        while left and now - next(iter(left.values()))[1] > self._burst * self._seconds:
            left.popitem(last=False)
        tokens, at = left.get(person, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) / self._seconds)
        if tokens < 1.0:
            return False
        left[person] = (tokens - 1.0, now)
        left.move_to_end(person)
        return True


class People:
    """The people met within the last 24 hours; the clock may be a development clock, which jumps."""

    def __init__(self) -> None:
        self._met: OrderedDict[str, float] = OrderedDict()
        self._latest = 0.0

    def __contains__(self, person: str) -> bool:
        return person in self._met

    def __len__(self) -> int:
        return len(self._met)

    def forget(self, now: float) -> None:
        """Forget whom we met longer ago, and everybody when the clock was set back."""
        if now < self._latest - 60.0:
            self._met.clear()
            self._latest = now
        met = self._met
        while met and now - next(iter(met.values())) >= DAY_SECONDS:
            met.popitem(last=False)

    def meet(self, person: str, now: float) -> None:
        """Remember that we met this person now."""
        self._latest = max(self._latest, now)
        self._met[person] = now
        self._met.move_to_end(person)
