"""The router on a real database: ways and moments of many messages at once, side by side, never twice; what waits."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from services.notify.domain.routing import Rules
from services.notify.handlers.routing import route_planned
from services.notify.rendering import release_templates, whatsapp_form_of
from services.notify.settings import NotifySettings
from shared.auth import LocalIssuer
from shared.events.rights import VendorErased
from shared.events.vendor import ContactCard
from shared.ids import new_id
from shared.settings import load
from tests.conftest import environment
from tests.integration.notify import enrolled, people
from tests.integration.notify_wishes import ALL, DIGESTS, PAUSES, House, completed, consented, urgent

NIGHT = datetime(2023, 3, 1, 15, 0, tzinfo=UTC)  # 22.00 WIB


async def test_many_are_routed_in_a_few_statements_and_each_once(house: House) -> None:
    everybody = people(600)
    await house.settle_in(*everybody)
    await house.desk.hear(*(enrolled(one) for one in everybody))
    began = time.perf_counter()
    moved = await asyncio.gather(*(house.route(limit=100) for _ in range(3)))
    assert sum(moved) == 600
    assert await house.desk.states() == {"queued": 600}
    assert time.perf_counter() - began < 20
    rows = await house.query("SELECT DISTINCT channel, route, language, topic, must, digest FROM notification")
    assert rows == [
        {
            "channel": "whatsapp",
            "route": ["sms", "email"],
            "language": "id",
            "topic": "training",
            "must": True,
            "digest": False,
        }
    ]


async def test_the_urgent_go_first(house: House) -> None:
    everybody = people(6)
    await house.settle_in(*everybody)
    await house.desk.hear(*(completed(one) for one in everybody), urgent(house, everybody[0]))
    async with house.desk.database.transaction() as conn:
        await route_planned(conn, rules=ALL, sealer=house.desk.sealer, limit=1, now=house.clock.now())
    assert (await house.told())["booth-assigned"][0] == "queued"
    assert await house.desk.states() == {"queued": 1, "planned": 6}


async def test_what_arrives_at_night_waits_for_the_morning_but_for_the_offer_that_cannot(house: House) -> None:
    siti, budi = people(2)
    await house.settle_in(siti, budi)
    house.clock.moment = NIGHT
    await house.desk.hear(enrolled(siti), urgent(house, siti, hours=1), urgent(house, budi, hours=48))
    await house.route(PAUSES)
    rows = await house.query("SELECT vendor_id, template, state, reason, not_before FROM notification ORDER BY id")
    morning = datetime(2023, 3, 1, 23, 0, tzinfo=UTC)
    waits = ("deferred", "quiet-hours", morning)
    assert {(row["vendor_id"], row["template"]): (row["state"], row["reason"], row["not_before"]) for row in rows} == {
        (siti, "training-enrolled"): waits,
        (siti, "booth-assigned"): ("queued", None, None),
        (budi, "booth-assigned"): waits,
    }
    house.clock.moment = morning - timedelta(seconds=1)
    assert await house.route(PAUSES) == 0
    house.clock.moment = morning
    await house.route(PAUSES)
    assert await house.desk.states() == {"queued": 3}
    assert {row["reason"] for row in await house.desk.rows()} == {None}


async def test_a_clock_that_jumps_back_and_forth_sends_nothing_twice_and_loses_nothing(house: House) -> None:
    everybody = people(5)
    await house.settle_in(*everybody)
    house.clock.moment = NIGHT
    await house.desk.hear(*(enrolled(one) for one in everybody))
    for hours in (0, 9, -3, 30, -40, 12):
        house.clock.moment = NIGHT + timedelta(hours=hours)
        await house.route(PAUSES)
        states = await house.desk.states()
        assert sum(states.values()) == 5
        assert set(states) <= {"deferred", "queued"}
    assert await house.desk.states() == {"queued": 5}


async def test_a_wish_for_another_language_or_no_email_is_followed(house: House) -> None:
    siti, budi = people(2)
    await house.settle_in(siti)
    await house.settle_in(budi, email=None)
    await house.put(siti, {"language": "en"})
    await house.desk.hear(enrolled(siti), enrolled(budi))
    await house.route(Rules(("email",)))
    rows = {row["vendor_id"]: row for row in await house.desk.rows()}
    assert (rows[siti]["channel"], rows[siti]["language"]) == ("email", "en")
    assert (rows[budi]["state"], rows[budi]["channel"]) == ("sent", "inbox")
    assert ("NotificationSent", rows[budi]["id"], 1) in await house.desk.published()


async def test_a_form_that_whatsapp_has_not_approved_is_passed_over(house: House) -> None:
    siti, budi = people(2)
    await house.settle_in(siti)
    await house.settle_in(budi, language="en")
    form = whatsapp_form_of(release_templates()["training-enrolled"], "id")
    async with house.desk.database.transaction() as conn:
        await conn.execute("INSERT INTO whatsapp_account (provider, account) VALUES ('wa-main', 'waba')")
        await conn.execute(
            "INSERT INTO whatsapp_template (account, name, language, template, version, status, category) "
            "VALUES ('waba', $1, 'id', 'training-enrolled', 'x', 'approved', 'utility')",
            form.name,
        )
    await house.desk.hear(enrolled(siti), enrolled(budi))
    await house.route()
    rows = {row["vendor_id"]: (row["channel"], row["route"]) for row in await house.desk.rows()}
    assert rows == {siti: ("whatsapp", ["sms", "email"]), budi: ("sms", ["email"])}


async def test_what_a_team_key_sends_goes_to_addresses_of_the_team_only(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    await house.desk.hear(enrolled(siti))
    async with house.desk.database.transaction() as conn:
        await conn.execute("UPDATE notification SET mode = 'team'")
        await conn.execute(
            "INSERT INTO team_address (address_id, channel, address_key, hint, added_by, added_at) "
            "VALUES ($1, 'sms', $2, 'x', 'operator-1', now())",
            new_id(),
            house.key("sms", "+6281234567890"),
        )
    await house.route()
    assert await house.told() == {"training-enrolled": ("queued", "sms", [])}


async def test_news_reaches_whom_the_registry_has_consent_of(house: House) -> None:
    willing, silent = people(2)
    await house.settle_in(willing, silent)
    await house.desk.hear(consented(willing), enrolled(willing), enrolled(silent))
    async with house.desk.database.transaction() as conn:
        await conn.execute("UPDATE notification SET topic = 'news', lane = 3, must = false")
    await house.route()
    rows = {row["vendor_id"]: (row["state"], row["channel"], row["reason"]) for row in await house.desk.rows()}
    assert rows == {willing: ("queued", "whatsapp", None), silent: ("rejected", None, "no-consent")}


async def test_a_card_that_goes_while_it_is_routed_ends_the_message(house: House) -> None:
    everybody = people(20)
    await house.settle_in(*everybody)
    desk = house.desk
    await desk.hear(*(enrolled(one) for one in everybody))

    async def erase() -> None:
        for one in everybody:
            await desk.consumer(ContactCard.topic).handle([desk.raw(ContactCard.topic, str(one).encode(), None)])
            await desk.hear(VendorErased(vendor_id=one, erasure_id=new_id()))

    await asyncio.gather(erase(), *(house.route(limit=3) for _ in range(4)))
    await house.route()
    assert await desk.states() == {"rejected": 20}
    assert {row["reason"] for row in await desk.rows()} <= {"erased", "no-contact"}


async def test_two_routers_and_a_digest_maker_beside_each_other_lose_nothing(house: House) -> None:
    everybody = people(30)
    await house.settle_in(*everybody)
    for _ in range(2):
        await house.desk.hear(*(completed(one) for one in everybody), *(enrolled(one) for one in everybody))
    await asyncio.gather(*(house.route(DIGESTS, limit=7) for _ in range(3)))
    assert await house.desk.states() == {"deferred": 60, "queued": 60}
    house.clock.advance(hours=8)
    await asyncio.gather(*(house.route(DIGESTS, limit=7) for _ in range(3)))
    states = await house.desk.states()
    assert states == {"digested": 60, "queued": 90}


def test_settings_name_the_pauses_and_the_channels_there_are(
    monkeypatch: pytest.MonkeyPatch, issuer: LocalIssuer
) -> None:
    for name, value in environment(issuer, "postgresql://x:y@127.0.0.1/notify").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LAPAK_SMTP", "127.0.0.1:1")
    off = load(NotifySettings).rules()
    assert (off.channels, off.hours.quiet, off.hours.friday, off.digest_times) == (("email",), None, None, ())
    for name in ("QUIET_HOURS", "FRIDAY_PRAYER", "DIGEST_TIMES"):
        monkeypatch.delenv(f"LAPAK_{name}")
    usual = load(NotifySettings).rules()
    assert usual.hours == PAUSES.hours
    assert usual.digest_times == DIGESTS.digest_times
    monkeypatch.setenv("LAPAK_QUIET_HOURS", "late")
    with pytest.raises(SystemExit):
        load(NotifySettings)
