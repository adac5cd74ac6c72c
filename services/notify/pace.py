"""How much at once, how long things may take, and through whom messages leave."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.notify.channels import Provider
from services.notify.domain.budgets import ProviderBudget
from shared.events.notify import Channel

SIMULATED = "simulated"
"""Providers whose name begins so carry the messages of test keys, and no others."""


@dataclass(frozen=True)
class Pace:
    """How much at once, and how long things may take.

    `sending_seconds`, the lease of an attempt, exceeds what an attempt may take: `hand_over_seconds` until the content
    leaves, and then the channel's time for an answer. `silence`: after how many seconds without a receipt an urgent
    message is tried on its next channel too; a channel that is not here is waited for.
    """

    lines: int = 16
    claim_seconds: float = 30.0
    hand_over_seconds: float = 60.0
    sending_seconds: float = 180.0
    poll_seconds: float = 0.25
    sweep_seconds: float = 1.0
    health_seconds: float = 1.0
    closing_seconds: float = 5.0
    silence: Mapping[Channel, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outlet:
    """A provider and how it is used: lines at once (as the pace says where None), its share of the channel's messages,
    its budget (None: no limits).
    """

    provider: Provider
    lines: int | None = None
    weight: int = 100
    budget: ProviderBudget | None = None

    @property
    def name(self) -> str:
        """Our name of the provider."""
        return self.provider.name

    @property
    def channel(self) -> Channel:
        """Its channel."""
        return self.provider.channel

    @property
    def is_simulated(self) -> bool:
        """Whether it carries messages of test keys, and no others."""
        return self.name.startswith(SIMULATED)
