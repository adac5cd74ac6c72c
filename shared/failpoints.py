"""Named points where a crash test may end the process, as `kill -9` would. Off unless LAPAK_FAILPOINTS is set.

LAPAK_FAILPOINTS="relay.published:0.02,consume.applied:0.01" ends the process at those points with that probability;
LAPAK_FAILPOINTS_SEED makes a run repeatable.

The points: `db.committing`, `db.committed` (every transaction of `shared.db`); `relay.read`, `relay.published`,
`relay.deleted`; `consume.received`, `consume.applied`, `consume.committed`; `notify.begun`, `notify.sent`,
`notify.recording`, `notify.recorded`. An unknown name ends the start: a crash test that kills nothing proves nothing.
"""

import os
import random
import signal

__all__ = ["failpoint"]

POINTS = frozenset(
    {
        "consume.applied",
        "consume.committed",
        "consume.received",
        "db.committed",
        "db.committing",
        "notify.begun",
        "notify.recorded",
        "notify.recording",
        "notify.sent",
        "relay.deleted",
        "relay.published",
        "relay.read",
    }
)
_CHANCES = {
    name: float(chance or 1)
    for name, _, chance in (part.partition(":") for part in os.environ.get("LAPAK_FAILPOINTS", "").split(",") if part)
}
if unknown := sorted(_CHANCES.keys() - POINTS):
    raise SystemExit(f"LAPAK_FAILPOINTS: no such point: {', '.join(unknown)}; there are {', '.join(sorted(POINTS))}")
_RANDOM = random.Random(os.environ.get("LAPAK_FAILPOINTS_SEED"))


def failpoint(name: str) -> None:
    """Die here at once, if a crash test asked for it."""
    if name in _CHANCES and _RANDOM.random() < _CHANCES[name]:
        os.kill(os.getpid(), signal.SIGKILL)
