"""Named points where a crash test may end the process, as `kill -9` would. Off unless LAPAK_FAILPOINTS is set.

LAPAK_FAILPOINTS="relay.published:0.02,consume.applied:0.01" ends the process at those points with that probability;
LAPAK_FAILPOINTS_SEED makes a run repeatable.
"""

import os
import random
import signal

__all__ = ["failpoint"]

_CHANCES = {
    name: float(chance or 1)
    for name, _, chance in (part.partition(":") for part in os.environ.get("LAPAK_FAILPOINTS", "").split(",") if part)
}
_RANDOM = random.Random(os.environ.get("LAPAK_FAILPOINTS_SEED"))


def failpoint(name: str) -> None:
    """Die here at once, if a crash test asked for it."""
    if name in _CHANCES and _RANDOM.random() < _CHANCES[name]:
        os.kill(os.getpid(), signal.SIGKILL)
