"""What a measurement is: ours and its limit in turn, medians of some rounds, and how far the rounds lie apart."""

import gc
import os
import platform
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import psutil

from deploy.local.stack import Running

__all__ = ["Better", "Comparison", "Context", "NotMeasured", "in_turn", "machine", "versions"]

Better = Literal["higher", "lower"]
Side = Callable[[], Awaitable[float]]


class NotMeasured(RuntimeError):
    """A figure could not be taken, or was taken of work that was not done as it should be."""


@dataclass(frozen=True)
class Context:
    """What a measurement is given: the stack, how many rounds, how large, and where to tell of progress."""

    running: Running
    rounds: int
    quick: bool
    advance: Callable[[], None]

    def size(self, full: int) -> int:
        """So many items; half of them in a quick run."""
        return full // 2 if self.quick else full


@dataclass
class Comparison:
    """A figure of ours beside its limit, one value of each per round."""

    name: str
    unit: str
    aim: float
    better: Better
    digits: int = 0
    ours: list[float] = field(default_factory=list)
    limit: list[float] = field(default_factory=list)

    def add(self, ours: float, limit: float) -> None:
        """One more round."""
        self.ours.append(ours)
        self.limit.append(limit)

    @property
    def ratio(self) -> float:
        """Ours by the limit, both as medians."""
        return statistics.median(self.ours) / statistics.median(self.limit)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest ratio of a single round."""
        ratios = [ours / limit for ours, limit in zip(self.ours, self.limit, strict=True)]
        return min(ratios), max(ratios)

    @property
    def met(self) -> bool:
        """Whether the aim is reached."""
        return self.ratio >= self.aim if self.better == "higher" else self.ratio <= self.aim

    def row(self) -> dict[str, Any]:
        """The figure as it stands in the report."""
        return {
            "name": self.name,
            "ours": round(statistics.median(self.ours), 3),
            "limit": round(statistics.median(self.limit), 3),
            "unit": self.unit,
            "ratio": round(self.ratio, 4),
            "aim": self.aim,
            "better": self.better,
            "spread": [round(bound, 4) for bound in self.spread],
            "rounds": len(self.ours),
        }


async def in_turn(context: Context, comparison: Comparison, ours: Side, limit: Side) -> Comparison:
    """Measure both in turn, the first of a round being the second of the next; a round before the first is dropped."""

    async def turn(side: Side) -> float:
        gc.collect()  # a collection of what the other side left would hit this one, by chance
        return await side()

    for number in range(context.rounds + 1):
        if number % 2:
            value_limit = await turn(limit)
            value_ours = await turn(ours)
        else:
            value_ours = await turn(ours)
            value_limit = await turn(limit)
        if number:
            comparison.add(value_ours, value_limit)
        context.advance()
    return comparison


def machine() -> dict[str, Any]:
    """The machine in figures; nothing that names it."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_mb": psutil.virtual_memory().total // 2**20,
        "load": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def versions(running: Running) -> dict[str, str]:
    """The parts that were measured."""
    packages = ("aiokafka", "asyncpg", "faststream", "pydantic", "uvloop", "uvicorn")
    return {
        "python": platform.python_version(),
        "broker": running.broker,
        "database": running.database,
        **{name: version(name) for name in packages},
    }
