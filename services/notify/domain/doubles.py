"""One person that was about to be told the same twice, under two ids that turned out to be one: a pure decision."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from services.notify.domain.delivery import UNSENT, State
from shared.events.notify import Channel

__all__ = ["SAME_PERSON", "Twin", "superfluous"]

SAME_PERSON = "same-person"
"""Why a message is cancelled that another id of its person has."""


class Twin(NamedTuple):
    """A message that says the same as others with this `told`. `silent`: a channel took it and gave no receipt;
    `addresses`: how many its card has.
    """

    id: UUID
    told: int
    state: State
    silent: bool
    channel: Channel | None
    addresses: int

    @property
    def has_left(self) -> bool:
        """Whether the person has it, or may have it, or it is about to be told of it in a digest."""
        return self.silent or self.state not in UNSENT

    @property
    def lies_in_the_inbox(self) -> bool:
        """Whether it is in the inbox alone: then another one that still has a way is of more use."""
        return self.state == "sent" and self.channel == "inbox"


def superfluous(twins: Sequence[Twin]) -> list[UUID]:
    """Which of these messages need not leave: all that have not, where one has; else all but the one that is nearest to
    leaving.
    """
    groups: dict[int, list[Twin]] = defaultdict(list)
    for one in twins:
        if not one.lies_in_the_inbox:
            groups[one.told].append(one)
    found = []
    for group in groups.values():
        unsent = sorted((one for one in group if not one.has_left), key=_nearness)
        found += [one.id for one in (unsent if len(unsent) < len(group) else unsent[1:])]
    return found


def _nearness(one: Twin) -> tuple[bool, bool, int, UUID]:
    """The least leaves first: what has a way, then what has a card, the more addresses the better."""
    return one.state not in ("queued", "retry"), one.state == "waiting_contact", -one.addresses, one.id
