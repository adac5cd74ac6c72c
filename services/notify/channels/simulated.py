"""Simulated providers, one for each channel: what test keys send goes to them, and nothing leaves.

What one answers depends on the address (`domain/keys.py`: MAGIC). What it will report later stands in its id of the
message, so nothing is lost with a process: whoever looks (`simulation.py`) sees what is due of what was taken.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.notify import segments
from services.notify.channels import Letter, Provider, WebhookRefused
from services.notify.domain.contents import FreeText, Sms
from services.notify.domain.delivery import Accepted, Ambiguous, Deferred, Outcome, Rejected
from services.notify.domain.keys import Behaviour, Outward, behaviour_of
from services.notify.domain.people import Contact
from services.notify.domain.reports import Receipt, Report, Status
from shared.events.notify import Channel

__all__ = ["Simulated", "receipts_due", "simulated_providers"]

SLOW_SECONDS = 5.0
LATER = timedelta(minutes=5)
REMEMBERED_MAX = 10_000

_REPORTS: Mapping[str, tuple[timedelta, tuple[Status, ...]]] = {
    "delivered": (timedelta(), ("delivered",)),
    "delivered-later": (LATER, ("delivered",)),
    "read": (timedelta(), ("delivered", "read")),
    "failed-later": (timedelta(), ("failed",)),
    "busy-then-delivered": (timedelta(), ("delivered",)),
    "slow": (timedelta(), ("delivered",)),
}


def simulated_providers() -> list[Provider]:
    """One of each channel."""
    channels: tuple[Outward, ...] = ("whatsapp", "sms", "email")
    return [Simulated(channel) for channel in channels]


def receipts_due(provider: str, attempt_id: UUID, message_id: str, began_at: datetime, now: datetime) -> list[Receipt]:
    """What this provider reports by now of a message that it took."""
    behaviour = message_id.rpartition(":")[0].removeprefix("sim:")
    after, statuses = _REPORTS.get(behaviour, (timedelta(), ()))
    if now < began_at + after:
        return []
    return [
        Receipt(
            provider, attempt_id, message_id, status, now, code="simulated-unreachable" if status == "failed" else None
        )
        for status in statuses
    ]


class Simulated:
    """A provider that takes messages and carries none."""

    def __init__(self, channel: Outward) -> None:
        self.name = f"simulated-{channel}"
        self.channel: Channel = channel
        self._put_off: OrderedDict[UUID, None] = OrderedDict()

    def address(self, contact: Contact) -> str | None:
        """The address of the card that this channel uses."""
        return contact.email if self.channel == "email" else contact.phone

    def line(self) -> "SimulatedLine":
        """A new line."""
        return SimulatedLine(self)

    async def find(self, attempt_id: UUID, address: str, began_at: datetime) -> Outcome | None:
        """It cannot be asked."""
        return None

    def read_webhook(self, path: str, headers: Mapping[str, str], body: bytes) -> Sequence[Report]:
        """It calls nobody. Raises `WebhookRefused`."""
        raise WebhookRefused("this provider reports nothing")

    def puts_off(self, notification_id: UUID) -> bool:
        """Whether this is the first try of a message that is not taken at once."""
        if notification_id in self._put_off:
            return False
        self._put_off[notification_id] = None
        if len(self._put_off) > REMEMBERED_MAX:
            self._put_off.popitem(last=False)
        return True


class SimulatedLine:
    """A line that is always open."""

    def __init__(self, provider: Simulated) -> None:
        self._provider = provider

    async def open(self) -> None:
        """It is."""

    async def close(self) -> None:
        """There is nothing to close."""

    async def send(self, letter: Letter, *, seconds: float) -> Outcome:
        """Answer as the address wants it."""
        behaviour = behaviour_of(letter.address)
        if behaviour == "slow":
            await asyncio.sleep(min(SLOW_SECONDS, seconds))
        return self._answer(behaviour, letter)

    def _answer(self, behaviour: Behaviour, letter: Letter) -> Outcome:
        match behaviour:
            case "refused":
                return Rejected("simulated-refused")
            case "opted-out":
                # of kind "other", lest addresses that are nobody's are put on the list of those not written to
                return Rejected("simulated-opted-out")
            case "technical-failure":
                return Deferred("simulated-failure")
            case "busy-then-delivered" if self._provider.puts_off(letter.notification_id):
                return Deferred("simulated-busy")
            case "no-answer":
                return Ambiguous("simulated-no-answer")
            case _:
                content = letter.content
                text = content.text if isinstance(content, Sms | FreeText) else None
                parts = None if text is None or self._provider.channel != "sms" else segments.count(text).parts
                return Accepted("simulated", f"sim:{behaviour}:{letter.attempt_id.hex}", parts)
