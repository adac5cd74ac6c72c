"""What tests of replies share: where people write to, the news of an offer, and the words of what goes back."""

import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from services.notify.domain.contents import FreeText, Sms
from services.notify.domain.reports import Reply
from services.notify.domain.routing import Rules
from services.notify.handlers import replies, routing
from services.notify.rendering import compose, release_templates
from shared.events.bazaar import BoothAssigned, BoothConfirmed, BoothDeclined, RespondToOffer
from shared.events.notify import Channel
from shared.events.vendor import VendorMoved
from shared.ids import new_id
from tests.integration.notify import Desk, card, people

KARANG_ANYAR = "31.71.02.1002"
DAYS = [date(2023, 3, 20), date(2023, 3, 21)]
ALL = Rules(("whatsapp", "sms", "email"))
numbers = count(1)


def phone(number: int) -> str:
    return f"+62812000{number:05d}"


@dataclass
class Counter:
    """Where people write to: notify without its HTTP door, and what it did."""

    desk: Desk
    phones: dict[UUID, str] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return self.desk.clock.now()

    async def meet(self, number: int = 1, *, kelurahan: str = KARANG_ANYAR, language: str = "id") -> list[UUID]:
        """So many vendors, each with a phone of its own."""
        vendors = people(number)
        for vendor in vendors:
            self.phones[vendor] = phone(next(numbers))
        await self.desk.hear(
            *(card(one, language=language, phone=self.phones[one]) for one in vendors),
            *(VendorMoved(vendor_id=one, kelurahan=kelurahan, rw="001", rt="001") for one in vendors),
        )
        return vendors

    def said(self, who: UUID | str, text: str = "", *, channel: Channel = "sms", **more: Any) -> Reply:
        """A message from a vendor's phone, or from a number."""
        address = who if isinstance(who, str) else self.phones[who]
        fields = {"provider": "wa-main" if channel == "whatsapp" else "sms-a", "message_id": uuid4().hex}
        return Reply(**{**fields, "channel": channel, "address": address, "text": text, "at": self.now, **more})

    async def take(self, *said: Reply) -> int:
        """One call of a provider brings these."""
        async with self.desk.database.transaction() as conn:
            return await replies.receive(conn, said, sealer=self.desk.sealer, now=self.now)

    async def say(self, who: UUID | str, text: str = "", **more: Any) -> dict[str, Any]:
        """Somebody writes; its row."""
        said = self.said(who, text, **more)
        assert await self.take(said) == 1
        async with self.desk.database.read() as conn:
            row = await conn.fetchrow("SELECT * FROM reply WHERE message_id = $1", said.message_id)
        assert row is not None
        return dict(row)

    async def crowd(self) -> None:
        """Open every connection of the pool: what is asked for at once from now on really runs at once."""
        pool = self.desk.database.pool
        async with AsyncExitStack() as stack:
            for _ in range(pool.get_max_size()):
                await stack.enter_async_context(pool.acquire())

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """A table, oldest first."""
        async with self.desk.database.read() as conn:
            return [dict(row) for row in await conn.fetch(f'SELECT * FROM "{table}" ORDER BY 1')]  # noqa: S608 - a name

    async def answers(self) -> list[dict[str, Any]]:
        """What goes back because of replies, oldest first."""
        return [row for row in await self.desk.rows() if row["template"].startswith("reply-")]

    async def last_answer(self) -> str:
        """The template of what went back last."""
        return str((await self.answers())[-1]["template"])

    async def commands(self) -> list[tuple[UUID, RespondToOffer]]:
        """What was passed on to bazaar, in order."""
        async with self.desk.database.read() as conn:
            rows = await conn.fetch(
                "SELECT event_id, topic, key, sequence, payload FROM outbox WHERE type = 'RespondToOffer' ORDER BY seq"
            )
        found = []
        for row in rows:
            command = RespondToOffer.from_bytes(row["payload"])
            assert (row["topic"], row["key"]) == (RespondToOffer.topic, str(command.application_id))
            assert row["sequence"] is None, "a command has no version"
            found.append((row["event_id"], command))
        return found

    async def told(self, kind: str) -> list[dict[str, Any]]:
        """Bodies of the events of a type."""
        async with self.desk.database.read() as conn:
            rows = await conn.fetch("SELECT key, sequence, payload FROM outbox WHERE type = $1 ORDER BY seq", kind)
        return [json.loads(row["payload"]) for row in rows]

    async def route(self) -> None:
        """Route what is planned, with every channel there."""
        async with self.desk.database.transaction() as conn:
            await routing.route_planned(conn, rules=ALL, sealer=self.desk.sealer, now=self.now)

    async def sent_as(self, notification: Mapping[str, Any], message_id: str) -> None:
        """A message left by WhatsApp, and the provider called it so."""
        async with self.desk.database.transaction() as conn:
            await conn.execute(
                "INSERT INTO attempt (id, notification_id, number, channel, began_at, provider, message_id, outcome) "
                "VALUES ($1, $2, 1, 'whatsapp', $3, 'wa-main', $4, 'accepted')",
                new_id(),
                notification["id"],
                self.now,
                message_id,
            )


def offered(vendor_id: UUID, now: datetime, *, hours: float = 24, **more: Any) -> BoothAssigned:
    fields: dict[str, Any] = {
        "application_id": new_id(),
        "bazaar_id": new_id(),
        "vendor_id": vendor_id,
        "bazaar_name": "Bazar Jakpreneur",
        "site_id": "sb",
        "site_name": "Rusun Karang Anyar",
        "booth": "A07",
        "days": DAYS,
        "respond_by": now + timedelta(hours=hours),
    }
    return BoothAssigned.model_validate({**fields, **more})


def ids(event: BoothAssigned) -> dict[str, Any]:
    return event.model_dump(include={"application_id", "bazaar_id", "vendor_id", "bazaar_name"})


def place(event: BoothAssigned) -> dict[str, Any]:
    return event.model_dump(include={"site_id", "site_name", "booth", "days"})


def confirmed(event: BoothAssigned) -> BoothConfirmed:
    return BoothConfirmed(**ids(event), **place(event))


def declined(event: BoothAssigned) -> BoothDeclined:
    return BoothDeclined(**ids(event), site_id="sb")


def words(notification: Mapping[str, Any], channel: Channel = "sms", language: str = "id") -> str:
    """What goes over a channel."""
    content = compose(
        release_templates()[notification["template"]],
        channel,
        language=language,
        params=notification["params"],
        name="Siti",
        notification_id=notification["id"],
    )
    assert isinstance(content, FreeText if channel == "whatsapp" else Sms)
    return content.text
