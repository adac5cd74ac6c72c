"""The whole service on a real broker: events in, one email each, and what became of it out again."""

import asyncio
from uuid import UUID

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.notify.app import create
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.notify import NotificationSent
from shared.kafka import ensure_topics
from tests.conftest import MakeDatabase, StandingClock, environment
from tests.integration.backbone import producer, until
from tests.integration.notify import Desk, Mailbox, card, enrolled, mail_server, offer, people


async def sent(broker: str, vendors: set[UUID], seconds: float = 30) -> list[ConsumerRecord]:
    """The NotificationSent of these vendors, once there is one for each message."""
    consumer = AIOKafkaConsumer(bootstrap_servers=broker, auto_offset_reset="earliest")
    await consumer.start()
    found: list[ConsumerRecord] = []
    try:
        topic = NotificationSent.topic
        consumer.assign([TopicPartition(topic, partition) for partition in range(6)])
        async with asyncio.timeout(seconds):
            while len(found) < 2 * len(vendors):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [one for one in records if NotificationSent.from_bytes(one.value).vendor_id in vendors]
        return found
    finally:
        await consumer.stop()


async def test_events_become_emails_and_their_outcomes_events(
    make_database: MakeDatabase,
    broker: str,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fresh = await make_database("notify")
    desk = Desk(fresh.database, clock, sealer)
    vendors = people(20)
    await ensure_topics(broker)
    async with mail_server(Mailbox()) as mailbox:
        settings = {**environment(issuer, fresh.dsn, kafka=broker), "LAPAK_SMTP": mailbox.address}
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        async with create().run() as platform, producer(broker) as out:
            clock.moment = platform.clock.now()
            # the messages' events come before the cards of half of the vendors
            early = [card(vendor) for vendor in vendors[::2]]
            events = [event for vendor in vendors for event in (enrolled(vendor), offer(vendor, clock.now()))]
            for event in [*early, *events, *[card(vendor) for vendor in vendors[1::2]]]:
                record = desk.record(event)
                await out.send(record.topic, record.value, record.key, headers=record.headers)
            await out.flush()

            def all_here() -> bool:
                addresses = [to for to, _ in mailbox.accepted]
                return all(addresses.count(f"v{vendor.hex}@example.com") == 2 for vendor in vendors)

            await until(all_here, 60)
        own = {f"v{vendor.hex}@example.com" for vendor in vendors}
        ours = [notification for to, notification in mailbox.accepted if to in own]
        assert len(ours) == len(set(ours)) == 40
        records = await sent(broker, set(vendors))
    assert {UUID(record.key.decode()) for record in records} == set(ours)
    for record in records:
        headers = dict(record.headers)
        assert headers["ce_type"] == b"NotificationSent"
        assert headers["ce_sequence"] == b"1"
