"""Commands of other services, applied as the consumer applies them, on a real database."""

import asyncio
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from aiokafka import ConsumerRecord

from services.vendor.app import create
from services.vendor.consumers import subscriptions
from shared.auth import LocalIssuer
from shared.consume import Consumer
from shared.crypto import Sealer
from shared.events.envelope import Envelope, write_headers
from shared.events.vendor import RegisterVendor
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.vendor import Registry, nik, person


@dataclass
class Commands:
    """The topic of commands, fed by hand to a consumer of the registry."""

    registry: Registry
    offset: int = 0

    def record(
        self, body: bytes, command_id: UUID | None = None, key: str = "ref", trace: str | None = None
    ) -> ConsumerRecord:
        """A command as the next record of partition 0."""
        now = self.registry.clock.now()
        envelope = Envelope(command_id or new_id(), "RegisterVendor", "lapak/elsewhere", now, key, None, trace)
        record = ConsumerRecord(
            RegisterVendor.topic, 0, self.offset, 0, 0, key.encode(), body, None, 3, len(body), write_headers(envelope)
        )
        self.offset += 1
        return record

    async def apply(self, *records: ConsumerRecord) -> None:
        """Apply these as one batch, with a consumer as one replica has it."""
        (subscription,) = (one for one in subscriptions(self.registry.sealer) if one.takes_commands)
        registry = self.registry
        consumer = Consumer("vendor", subscription, registry.database, registry.clock, registry.sealer, asyncio.Event())
        await consumer.handle(records)


def body(number: int, **more: str | None) -> bytes:
    return RegisterVendor(reference=f"ref-{number}", **person(number, **more)).to_bytes()


@pytest.fixture
async def commands(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> Commands:
    fresh = await make_database("vendor")
    return Commands(Registry(fresh.dsn, fresh.database, serve(create, fresh), issuer, clock, sealer))


async def test_the_good_commands_of_a_batch_go_through_and_the_others_are_answered(commands: Commands) -> None:
    registry = commands.registry
    taken = await registry.register(3)
    bad, known, twin = new_id(), new_id(), new_id()
    await commands.apply(
        commands.record(body(1)),
        commands.record(body(2, rw="x", phone="1"), bad),
        commands.record(body(3), known),
        commands.record(body(4, category="health", agency="kpkp")),
        commands.record(body(1), twin),
    )
    registered = [event.body for event in await registry.published("VendorRegistered")]
    assert [(event["origin"], event["agency"]) for event in registered] == [
        ("officer", None),
        ("service", None),
        ("service", "kpkp"),
    ]
    refused = await registry.published("VendorRegistrationRefused")
    assert [(event.topic, event.key, event.sequence) for event in refused] == [
        ("lapak.vendor.events.v1", str(command), 1) for command in (bad, known, twin)
    ]
    assert [(event.body["code"], event.body["fields"]) for event in refused] == [
        ("registration-invalid", ["phone", "rw"]),
        ("already-registered", []),
        ("already-registered", []),
    ]
    assert str(taken) not in str(refused)
    assert await registry.value("SELECT count(*) FROM dead_letter") == 0


async def test_what_a_command_led_to_follows_the_trace_it_came_with(commands: Commands) -> None:
    good, bad = (f"00-{uuid4().hex}-{'1' * 16}-01" for _ in range(2))
    await commands.apply(commands.record(body(1, nik="nol"), trace=bad), commands.record(body(2), trace=good))
    async with commands.registry.database.read() as conn:
        rows = await conn.fetch("SELECT type, traceparent FROM outbox ORDER BY type")
    assert [tuple(row) for row in rows] == [
        ("ContactCard", good),
        ("VendorRegistered", good),
        ("VendorRegistrationRefused", bad),
    ]


async def test_a_command_that_cannot_be_read_is_answered_with_its_field(commands: Commands) -> None:
    unreadable = new_id()
    await commands.apply(
        commands.record(body(1)),
        commands.record(b'{"reference": "r", "nik": 7, "name": "Rahasia"}', unreadable),
        commands.record(body(2)),
    )
    registry = commands.registry
    assert await registry.vendors() == 2
    (refused,) = await registry.published("VendorRegistrationRefused")
    assert (refused.key, refused.sequence, refused.body["code"]) == (str(unreadable), 1, "malformed")
    assert "nik" in refused.body["fields"]
    assert "Rahasia" not in str(refused.body)
    assert await registry.value("SELECT count(*) FROM dead_letter") == 0


async def test_a_command_that_comes_twice_is_done_once_and_answered_once(commands: Commands) -> None:
    good, bad = new_id(), new_id()
    for _ in range(2):  # redelivered under new offsets, as after a publisher's retry
        await commands.apply(commands.record(body(1), good), commands.record(body(2, rt="0"), bad))
    registry = commands.registry
    assert await registry.vendors() == 1
    assert len(await registry.published("VendorRegistered")) == 1
    assert len(await registry.published("VendorRegistrationRefused")) == 1


async def test_a_refusal_says_nothing_of_the_person(commands: Commands, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await commands.apply(commands.record(body(5, kelurahan="Rahasia 5", rw="Rahasia", category="Rahasia")))
    (refused,) = await commands.registry.published("VendorRegistrationRefused")
    said = f"{refused} {caplog.text}"
    for personal in (nik(5), "Orang Contoh", "1200000005", "Jalan", "@contoh", "Rahasia"):
        assert personal not in said
    assert refused.body["fields"] == ["kelurahan", "rw", "category"]


async def test_a_thousand_commands_are_one_batch(commands: Commands) -> None:
    await commands.apply(*(commands.record(body(number), key=f"ref-{number}") for number in range(1000)))
    registry = commands.registry
    assert await registry.vendors() == 1000
    assert await registry.value("SELECT count(*) FROM inbox") == 1000
    assert await registry.value("SELECT count(DISTINCT txid) FROM outbox") == 1
