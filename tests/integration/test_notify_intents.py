"""From events to intents: each event makes one message, whatever comes first, and none is lost for want of a card."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.notify.consumers import copies, planning
from services.notify.rendering import current_templates
from shared.consume import Received
from shared.events.bazaar import BazaarAnnounced, BazaarSite, BoothDeclined
from shared.events.envelope import Envelope, Event
from shared.events.vendor import ContactCard
from shared.ids import new_id
from tests.conftest import StandingClock
from tests.integration.notify import QUICK, Desk, Mailbox, card, enrolled, mail_server, offer, people


async def test_an_event_makes_one_planned_message_with_its_template_pinned(desk: Desk) -> None:
    (vendor,) = people(1)
    await desk.hear(card(vendor), enrolled(vendor))
    row = await desk.row()
    assert (row["state"], row["template"], row["vendor_id"], row["attempts"]) == (
        "planned",
        "training-enrolled",
        vendor,
        0,
    )
    assert row["template_version"] == current_templates()["training-enrolled"].version
    assert row["cause_at"] == desk.clock.now()
    assert row["deadline"] == desk.clock.now() + timedelta(days=7)
    assert "Siti" not in str(row["params"])


async def test_a_repeated_event_makes_no_second_message(desk: Desk) -> None:
    """Even if the mechanism let it through: the row is unique by event, template and recipient."""
    (vendor,) = people(1)
    event, event_id = enrolled(vendor), new_id()
    await desk.hear(card(vendor))
    for _ in range(3):
        await desk.consumer(event.topic).handle([desk.record(event, event_id)])
    assert len(await desk.rows()) == 1


async def test_an_event_before_its_contact_card_waits_and_is_released(desk: Desk) -> None:
    first, second = people(2)
    await desk.hear(enrolled(first), enrolled(second))
    assert await desk.states() == {"waiting_contact": 2}
    await desk.hear(card(first))
    assert await desk.states() == {"waiting_contact": 1, "planned": 1}
    await desk.hear(card(second))
    assert await desk.states() == {"planned": 2}


async def test_a_message_whose_card_never_comes_expires_and_says_so(desk: Desk, clock: StandingClock) -> None:
    (vendor,) = people(1)
    await desk.hear(enrolled(vendor))
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        await asyncio.sleep(0.3)
        assert await desk.states() == {"waiting_contact": 1}
        clock.advance(days=7)
        await desk.until("expired", 1)
    row = await desk.row()
    assert row["reason"] == "no-contact"
    assert await desk.published() == [("NotificationExpired", row["id"], 1)]


async def test_card_and_event_written_at_the_same_moment_meet(desk: Desk) -> None:
    """Neither transaction sees the other's row; the sweep brings them together."""
    (vendor,) = people(1)
    async with desk.database.pool.acquire() as one, desk.database.pool.acquire() as other:
        begun, done = one.transaction(), other.transaction()
        await begun.start()
        await done.start()

        def received(event: Event) -> Received[Any]:
            envelope = Envelope(new_id(), type(event).__name__, "test", desk.clock.now(), str(vendor), 1, None)
            return Received(envelope, event)

        await planning.plan_notifications(one, [received(enrolled(vendor))], desk.clock.now())
        await copies.remember_contacts(other, [received(card(vendor))], desk.clock.now())
        await done.commit()
        await begun.commit()
    assert await desk.states() == {"waiting_contact": 1}
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        await desk.until("sent", 1)
        assert len(mailbox.accepted) == 1


async def test_a_burst_of_mixed_events_is_planned_in_batches(desk: Desk) -> None:
    vendors = people(300)
    await desk.hear(*[card(vendor) for vendor in vendors[:150]])
    await desk.hear(*[enrolled(vendor) for vendor in vendors], *[offer(vendor, desk.clock.now()) for vendor in vendors])
    assert await desk.states() == {"planned": 300, "waiting_contact": 300}
    await desk.hear(*[card(vendor) for vendor in vendors])
    assert await desk.states() == {"planned": 600}


async def test_the_last_card_of_a_batch_counts_and_a_tombstone_erases(desk: Desk) -> None:
    kept, erased = people(2)
    await desk.hear(card(kept, "old@example.com"), card(erased), card(kept, "new@example.com"))
    await desk.hear(enrolled(kept), enrolled(erased))
    tombstone = desk.raw(ContactCard.topic, str(erased).encode(), None)
    await desk.consumer(ContactCard.topic).handle([tombstone])
    async with desk.database.read() as conn:
        rows = await conn.fetch("SELECT vendor_id, email FROM contact")
    assert [(row["vendor_id"], row["email"]) for row in rows] == [(kept, "new@example.com")]
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        states = await desk.settled()
    assert states == {"sent": 1, "rejected": 1}
    assert [address for address, _ in mailbox.accepted] == ["new@example.com"]
    reasons = {row["vendor_id"]: row["reason"] for row in await desk.rows()}
    assert reasons == {kept: None, erased: "no-contact"}


async def test_a_vendor_without_an_address_finds_it_in_the_inbox(desk: Desk) -> None:
    (vendor,) = people(1)
    await desk.hear(card(vendor, None), enrolled(vendor))
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        assert await desk.settled() == {"sent": 1}
    row = await desk.row()
    assert (row["channel"], row["attempts"]) == ("inbox", 0)
    assert await desk.published() == [("NotificationSent", row["id"], 1)]


async def test_messages_name_locations_of_bazaars_announced_before(desk: Desk) -> None:
    (vendor,) = people(1)
    bazaar_id = new_id()
    sites = [BazaarSite(site_id="sb", name="Rusun Karang Anyar", kelurahan="31.71.02.1002", booths=30)]
    announced = BazaarAnnounced(
        bazaar_id=bazaar_id,
        name="Bazar Jakpreneur",
        days=[],
        sites=sites,
        applications_close_at=desk.clock.now(),
    )
    declined = BoothDeclined(
        application_id=new_id(),
        bazaar_id=bazaar_id,
        vendor_id=vendor,
        bazaar_name="Bazar Jakpreneur",
        site_id="sb",
    )
    await desk.hear(card(vendor), announced, declined)
    assert (await desk.row())["params"]["site_name"] == "Rusun Karang Anyar"


async def test_a_message_keeps_the_text_it_was_planned_with(desk: Desk) -> None:
    """An older release's version is not in the files any more; its sources are in the database."""
    (vendor,) = people(1)
    await desk.hear(card(vendor), enrolled(vendor))
    async with desk.database.transaction() as conn:
        await conn.execute(
            "INSERT INTO template_version (template, version, sources, first_used_at) "
            "SELECT template, 'older', $1, first_used_at FROM template_version",
            {"id": "Subjek lama\n\nHalo {{ name }}, ini teks lama.\n", "en": "Old\n\nOld.\n"},
        )
        await conn.execute("UPDATE notification SET template_version = 'older'")
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox, QUICK):
        await desk.settled()
    assert b"Halo Siti Aminah, ini teks lama." in mailbox.raw[0]


async def test_a_poisonous_template_is_rejected_and_holds_nobody_up(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = people(2)
    await desk.hear(card(first), card(second), offer(first, desk.clock.now()), enrolled(second))
    async with desk.database.transaction() as conn:
        await conn.execute("UPDATE notification SET params = '{}' WHERE template = 'booth-assigned'")
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        assert await desk.settled() == {"sent": 1, "rejected": 1}
    reasons = {row["template"]: row["reason"] for row in await desk.rows()}
    assert reasons == {"booth-assigned": "template-fault", "training-enrolled": None}
