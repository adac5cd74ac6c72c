"""How a fault is named, and what of the log every check looks at."""

from typing import NamedTuple, TypeAlias

from tests.chaos.evidence import Record

__all__ = ["FAULTS", "Finding", "Firsts", "Key"]

FAULTS = (
    "unreadable",
    "lost",
    "without cause",
    "doubled",
    "disordered",
    "effect lost",
    "effect doubled",
    "effect wrong",
    "not told",
    "told twice",
    "contradicted",
    "left over",
    "answer",
)

Key: TypeAlias = tuple[str, str]
Firsts: TypeAlias = dict[Key, list[Record]]
"""(topic, key) -> the first appearance of each of its events, in the order of the log."""


class Finding(NamedTuple):
    """A fault: what sort, of which event (topic, key, version), and what was found where."""

    fault: str
    topic: str
    key: str
    mark: str
    detail: str

    def __str__(self) -> str:
        return f"{self.fault}: {self.topic} {self.key} {self.mark}: {self.detail}"
