"""Providers that do as a test says, for all channels, and a desk that sends through them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.notify.channels import ChannelDown, Letter, WebhookRefused
from services.notify.delivery import Delivery, Outlet, Pace
from services.notify.domain.delivery import Accepted, Outcome
from services.notify.domain.people import Contact
from services.notify.domain.reports import Receipt, RejectionKind, Report, Status
from services.notify.domain.routing import Rules
from services.notify.handlers import receipts as handlers
from services.notify.handlers import routing
from shared.events.notify import Channel
from tests.integration.notify import QUICK, Desk, card, offer


class Act(NamedTuple):
    """What a provider does with a message: what it answers, and whether the message is in its hands."""

    outcome: Outcome
    taken: bool


def accept(letter: Letter) -> Act:
    """Take it, and say so."""
    return Act(Accepted("200", f"m-{letter.attempt_id}"), True)


@dataclass
class Scripted:
    """A provider on a script. `taken`: the messages in its hands, in order."""

    name: str
    channel: Channel
    script: Callable[[Letter], Act] = accept
    taken: list[Letter] = field(default_factory=list)
    down: str | None = None
    delay_seconds: float = 0.0
    findings: dict[UUID, Outcome | None] = field(default_factory=dict)
    asked: list[UUID] = field(default_factory=list)

    def address(self, contact: Contact) -> str | None:
        """The phone, or the e-mail address."""
        return contact.email if self.channel == "email" else contact.phone

    def line(self) -> "_Line":
        """A way to it."""
        return _Line(self)

    async def find(self, attempt_id: UUID, address: str, began_at: datetime) -> Outcome | None:
        """As `findings` say."""
        self.asked.append(attempt_id)
        return self.findings.get(attempt_id)

    def read_webhook(self, path: str, headers: Mapping[str, str], body: bytes) -> Sequence[Report]:
        """It calls nobody."""
        raise WebhookRefused("not here")

    def times(self) -> Counter[UUID]:
        """How often it took each notification."""
        return Counter(letter.notification_id for letter in self.taken)


class _Line:
    def __init__(self, provider: Scripted) -> None:
        self._provider = provider

    async def open(self) -> None:
        if self._provider.down is not None:
            raise ChannelDown(self._provider.down)

    async def send(self, letter: Letter, *, seconds: float) -> Outcome:
        if self._provider.delay_seconds:
            await asyncio.sleep(self._provider.delay_seconds)
        act = self._provider.script(letter)
        if act.taken:
            self._provider.taken.append(letter)
        return act.outcome

    async def close(self) -> None:
        pass


def delivery(desk: Desk, *outlets: Scripted | Outlet, pace: Pace = QUICK) -> Delivery:
    """A delivery through these, not yet running."""
    found = [one if isinstance(one, Outlet) else Outlet(one) for one in outlets]
    return Delivery(desk.database, desk.clock, found, pace, sealer=desk.sealer, rules=RULES)


RULES = Rules(channels=("whatsapp", "sms", "email"))


@asynccontextmanager
async def sending(desk: Desk, *outlets: Scripted | Outlet, pace: Pace = QUICK) -> AsyncIterator[None]:
    """A delivery through these that runs until the block ends, and ends well."""
    stopping = asyncio.Event()
    task = asyncio.create_task(delivery(desk, *outlets, pace=pace).run(stopping))
    try:
        yield
    finally:
        stopping.set()
        await asyncio.wait_for(task, 30)


async def offers(desk: Desk, vendors: Sequence[UUID], *route: Channel, hours: float = 24) -> dict[UUID, UUID]:
    """An offer for each of these, queued for the first of these channels, with the others to follow; vendor ->
    notification.
    """
    known = {row["vendor_id"] for row in await desk.rows()}
    await desk.hear(
        *[
            card(vendor, phone=f"+62811{int(vendor.hex[-8:], 16):010d}"[:15])
            for vendor in vendors
            if vendor not in known
        ]
    )
    await desk.hear(*[offer(vendor, desk.clock.now(), hours) for vendor in vendors])
    await queue(desk, *route)
    return {row["vendor_id"]: row["id"] for row in await desk.rows() if row["vendor_id"] in set(vendors)}


async def queue(desk: Desk, channel: Channel, *route: Channel) -> None:
    """Queue what is planned for a channel, with the others to follow."""
    async with desk.database.transaction() as conn:
        await conn.execute(
            "UPDATE notification SET state = 'queued', channel = $1, route = $2, due_at = clock_timestamp() "
            "WHERE state = 'planned'",
            channel,
            list(route),
        )


async def route(desk: Desk) -> None:
    """Route what is planned, with all channels there."""
    async with desk.database.transaction() as conn:
        await routing.route_planned(conn, rules=RULES, sealer=desk.sealer, now=desk.clock.now())


async def report(desk: Desk, *receipts: Receipt) -> None:
    """Receipts come."""
    async with desk.database.transaction() as conn:
        await handlers.apply_receipts(conn, receipts, now=desk.clock.now())


def receipt(
    desk: Desk,
    provider: str,
    reference: UUID | None,
    status: Status,
    *,
    message_id: str | None = None,
    code: str | None = None,
    kind: RejectionKind | None = None,
) -> Receipt:
    """A receipt."""
    return Receipt(provider, reference, message_id, status, desk.clock.now(), code, kind)
