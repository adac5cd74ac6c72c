"""Whether a provider is used, and how much: pure rules.

A provider that fails is lowered at once and comes back in steps: so one that is only half well is found out with a few
messages and not with all of them.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.errors import NotFound, Refused

SHARE_PERCENT_MIN = 10

SHARE_PERCENT_STEP = 10

SHARE_STEP_SECONDS = 30.0
"""From the least to all of its share: four and a half minutes of success."""

FAILURES_TO_OPEN = 5

OPEN_SECONDS_FIRST = 0.5

OPEN_SECONDS_MAX = 30.0

OPEN_SECONDS_MAX_ASKED = 900.0
"""However long a provider asks us to wait: after so long it is tried again with one message."""

DOWN_SECONDS_TO_LEAVE = 300.0
"""A channel of which nothing has worked for so long is not waited for by urgent messages that have another."""


@dataclass(frozen=True)
class Breaker:
    """What one replica has seen of a provider. `failures`: in a row; `openings`: in a row, without a message through.

    `probing`: one message is on its way, to see.
    """

    failures: int = 0
    openings: int = 0
    open_until: float = 0.0
    probing: bool = False

    def is_open(self, at: float) -> bool:
        """Whether nothing may leave at this moment (of a monotonic clock)."""
        return at < self.open_until

    def is_half_open(self) -> bool:
        """Whether one message may leave, and no other until it is known how it went."""
        return self.openings > 0


def succeeded(breaker: Breaker) -> Breaker:
    """A message got through."""
    return Breaker()


def failed(breaker: Breaker, at: float, chance: float, asked_seconds: float | None = None) -> Breaker:
    """A failure that all other messages would meet too. So many in a row, one while half open, or a provider that asks
    us to wait: nothing leaves for a while, longer each time, spread by `chance`.
    """
    failures = breaker.failures + 1
    if asked_seconds is None and failures < FAILURES_TO_OPEN and not breaker.is_half_open():
        return Breaker(failures, 0, 0.0)
    if breaker.is_open(at) and asked_seconds is None:
        return breaker  # one that was under way: it says nothing new
    seconds = min(OPEN_SECONDS_MAX, OPEN_SECONDS_FIRST * 2.0 ** min(breaker.openings, 30)) * (0.5 + chance / 2)
    if asked_seconds is not None:
        seconds = max(seconds, min(asked_seconds, OPEN_SECONDS_MAX_ASKED) * (1 + chance / 10))
    return Breaker(0, breaker.openings + 1, max(breaker.open_until, at + seconds))


PauseReason = Literal["account", "complaints", "cost", "maintenance", "quality", "test", "other"]


class PauseProvider(BaseModel):
    """Nothing leaves through a provider until it is resumed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: PauseReason = Field(description="why; it is kept with who said it and published")


class ResumeProvider(BaseModel):
    """A provider is used again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Literal["settled", "maintenance-over", "test", "other"] = Field(description="why; kept with who said it")


class ProviderNotFound(NotFound):
    """No provider has this name."""

    code = "provider-not-found"


class ProviderStands(Refused):
    """The provider is paused already, or is not paused."""

    code = "provider-stands"
