"""People who change while messages to them wait: their card, their wishes, their consent, who they are."""

import asyncio
import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from services.notify.domain.broadcasts import Broadcast, route_of
from services.notify.domain.delivery import Accepted, Deferred, Outcome, Rejected, SettleNotification
from services.notify.domain.pauses import PauseTemplate, ResumeTemplate
from services.notify.domain.reports import Receipt
from services.notify.domain.wishes import OUTWARD, ChangeWishes, Outward
from services.notify.handlers import audiences as choosing
from services.notify.handlers import copies, erasures, pauses, wishes
from services.notify.handlers import delivery as handlers
from services.notify.handlers.changes import ROUTE_ANEW, route_anew
from services.notify.handlers.delivery import End
from services.notify.handlers.receipts import apply_receipts
from services.notify.store import audiences, claims, delivery
from services.notify.store.delivery import Start
from shared.db import Connection
from shared.events.notify import Channel
from shared.events.rights import VendorErased
from shared.events.vendor import ContactCard, VendorUnmerged
from shared.ids import new_id
from shared.timers import run_due
from tests.integration.backbone import until
from tests.integration.notify import card, people
from tests.integration.notify_wishes import (
    DIGESTS,
    House,
    completed,
    consented,
    lapsed,
    merged,
    urgent,
    verified,
    withdrawn,
)

OLD, NEW = "+6281234567890", "+6281299990001"
AFTERNOON = datetime(2023, 3, 1, 9, 0, tzinfo=UTC)  # 16.00 WIB
NO_DOCUMENTS = {"topics": {"documents": {"sms": False, "whatsapp": False, "email": False}}}
OUTCOMES: list[Outcome] = [Accepted("200"), Deferred("429", seconds=0.0), Deferred("451", seconds=0.0)]
NO_TRAINING = {"topics": {"training": {"sms": False, "whatsapp": False, "email": False}}}


def unmerged(vendor: UUID, out_of: UUID) -> VendorUnmerged:
    return VendorUnmerged(vendor_id=vendor, out_of=out_of, merge_id=new_id())


async def suppress(house: House, channel: Outward, address: str) -> None:
    async with house.desk.database.transaction() as conn:
        key = house.key(channel, address)
        await wishes.suppress(conn, channel, key, "invalid", evidence="test", now=house.clock.now())


async def start(house: House, channel: Channel = "whatsapp") -> list[Start]:
    """Claim what is due and begin its attempts."""
    jobs = await house.desk.claim(channel=channel)
    starts = [Start(job.id, job.claim, new_id(), channel, "id", channel) for job in jobs]
    async with house.desk.database.transaction() as conn:
        begun = await handlers.begin_attempts(conn, starts, lease_seconds=60, now=house.clock.now())
    return [one for one in starts if one.attempt_id in begun]


async def finish(house: House, starts: Sequence[Start], outcome: Outcome) -> None:
    """These attempts have this outcome."""
    ends = [End(one.notification_id, one.attempt_id, outcome, one.channel, one.provider) for one in starts]
    async with house.desk.database.transaction() as conn:
        await handlers.end_attempts(conn, ends, now=house.clock.now())


async def by_person(house: House) -> dict[UUID, tuple[str, str | None]]:
    """Vendor -> state and reason of its only message."""
    return {row["vendor_id"]: (row["state"], row["reason"]) for row in await house.desk.rows()}


async def reasons(house: House) -> list[str]:
    """Why messages failed, as it was told."""
    rows = await house.query("SELECT payload FROM outbox WHERE type = 'NotificationFailed' ORDER BY seq")
    return [json.loads(row["payload"])["reason"] for row in rows]


# --- cards


async def test_what_waits_goes_by_the_new_card_and_never_to_an_address_that_is_suppressed(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    await suppress(house, "whatsapp", NEW)
    await house.desk.hear(completed(siti))
    await house.route()
    (job,) = await house.desk.claim(channel="whatsapp")
    await house.desk.hear(card(siti, phone=NEW))
    begin = [Start(job.id, job.claim, new_id(), "whatsapp", "id")]
    async with house.desk.database.transaction() as conn:
        assert not await handlers.begin_attempts(conn, begin, lease_seconds=9, now=house.clock.now()), "the old number"
    await house.route()
    assert await house.told() == {"training-completed": ("queued", "sms", ["email"])}
    await house.desk.hear(card(siti, None, phone=NEW, language="en"))
    await house.route()
    assert await house.told() == {"training-completed": ("queued", "sms", [])}, "there is no e-mail address any more"
    assert (await house.desk.row())["language"] == "en"


async def test_a_card_that_says_what_it_said_before_disturbs_nothing(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    await house.desk.hear(completed(siti))
    await house.route()
    (job,) = await house.desk.claim(channel="whatsapp")
    await house.desk.hear(card(siti, name="Siti A."))
    begin = [Start(job.id, job.claim, new_id(), "whatsapp", "id")]
    async with house.desk.database.transaction() as conn:
        assert await handlers.begin_attempts(conn, begin, lease_seconds=9, now=house.clock.now())


async def test_what_a_worker_holds_does_not_leave_once_the_card_is_gone(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    await house.desk.hear(completed(siti))
    await house.route()
    (job,) = await house.desk.claim(channel="whatsapp")
    tombstone = house.desk.raw(ContactCard.topic, str(siti).encode(), None)
    await house.desk.consumer(ContactCard.topic).handle([tombstone])
    begin = [Start(job.id, job.claim, new_id(), "whatsapp", "id")]
    async with house.desk.database.transaction() as conn:
        assert not await handlers.begin_attempts(conn, begin, lease_seconds=9, now=house.clock.now())
    await house.route()
    assert await by_person(house) == {siti: ("rejected", "no-contact")}


async def test_cards_that_change_and_cards_that_come_have_messages_locked_in_one_order(house: House) -> None:
    siti, budi = people(2)
    await house.settle_in(siti)
    await house.desk.hear(completed(budi))
    await house.desk.hear(completed(siti))
    await house.route()
    waits, queued = [row["id"] for row in await house.desk.rows()]

    async def come() -> None:
        async with house.desk.database.transaction() as conn:
            await copies.remember_contacts(conn, [card(siti, phone=NEW), card(budi)], now=house.clock.now())

    async def is_waited_for() -> bool:
        return bool(
            await house.query(
                "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )

    async with house.desk.database.transaction() as conn:  # outcomes of both
        await delivery.lock_attempted(conn, [waits])
        cards = asyncio.create_task(come())
        await until(is_waited_for)
        await delivery.lock_attempted(conn, [queued])
    await cards
    assert await house.desk.states() == {"planned": 2}


async def test_a_retry_finds_an_address_that_was_not_there_when_its_channels_were_chosen(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti, email=None)
    await house.desk.hear(urgent(house, siti))
    await house.route()
    await finish(house, await start(house), Deferred("451", seconds=300))
    assert await house.told() == {"booth-assigned": ("retry", "whatsapp", ["sms"])}
    await suppress(house, "whatsapp", NEW)
    await suppress(house, "sms", NEW)
    await house.desk.hear(card(siti, phone=NEW))
    await house.route()
    assert await house.told() == {"booth-assigned": ("queued", "email", [])}


async def test_what_came_to_nothing_before_the_new_card_stays_so(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti, email=None)
    await house.desk.hear(urgent(house, siti))
    await house.route()
    async with house.desk.database.transaction() as conn:
        await conn.execute("UPDATE notification SET state = 'rejected', reason = '131026', route = '{}'")
    await house.desk.hear(card(siti, phone=NEW))
    assert await house.route() == 0
    assert await house.desk.states() == {"rejected": 1}


# --- what is under way


async def test_what_was_handed_over_as_the_person_ended_it_and_was_not_taken_does_not_come_again(house: House) -> None:
    siti, budi = people(2)
    await house.settle_in(siti, budi)
    await house.desk.hear(completed(siti), completed(budi))
    await house.route()
    begun = await start(house)
    await house.put(siti, NO_TRAINING)
    await finish(house, begun, Deferred("429", seconds=60))
    assert await house.desk.states() == {"planned": 1, "retry": 1}
    await house.route()
    assert await by_person(house) == {siti: ("rejected", "stopped"), budi: ("retry", "429")}


async def test_what_an_operator_found_not_sent_after_a_stop_does_not_come_again(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    await house.desk.hear(completed(siti))
    await house.route()
    await start(house)
    async with house.desk.database.transaction() as conn:
        await conn.execute("UPDATE notification SET due_at = clock_timestamp()")
        assert await handlers.settle_lost(conn, now=house.clock.now()) == 1
    await house.put(siti, NO_TRAINING)
    command = SettleNotification(outcome="not-sent", reason="looked")
    async with house.desk.database.transaction() as conn:
        row = await house.desk.row()
        await handlers.settle_by_hand(conn, row["id"], command, by="op", now=house.clock.now())
    await house.route()
    assert await by_person(house) == {siti: ("rejected", "stopped")}


# --- digests


async def digest_of(house: House, *vendors: UUID) -> None:
    """Each has a digest of three messages, which is queued."""
    await house.settle_in(*vendors)
    for one in vendors:
        await house.desk.hear(completed(one, f"Ekspor {one}"), verified(one), lapsed(one))
    await house.route(DIGESTS)
    house.clock.moment = AFTERNOON
    await house.route(DIGESTS)
    assert await house.desk.states() == {"digested": 3 * len(vendors), "queued": len(vendors)}


async def digests(house: House) -> list[dict[str, Any]]:
    return [row for row in await house.desk.rows() if row["template"] == "digest"]


async def test_a_topic_that_is_ended_is_not_told_in_a_digest_that_has_not_left(house: House) -> None:
    (siti,) = people(1)
    await digest_of(house, siti)
    (job,) = await house.desk.claim(channel="whatsapp")
    await house.put(siti, NO_DOCUMENTS)
    begin = [Start(job.id, job.claim, new_id(), "whatsapp", "id")]
    async with house.desk.database.transaction() as conn:
        assert not await handlers.begin_attempts(conn, begin, lease_seconds=9, now=house.clock.now())
    await house.route(DIGESTS)
    while await run_due(house.desk.database, {ROUTE_ANEW: route_anew}, house.clock.now()):
        await house.route(DIGESTS)
    found = await digests(house)
    assert [row["reason"] for row in found if row["state"] == "cancelled"] == ["digest-remade"] * (len(found) - 1)
    (last,) = [row for row in found if row["state"] == "queued"]
    assert last["params"]["count"] == 2
    states = {row["template"]: row["state"] for row in await house.desk.rows() if row["template"] != "digest"}
    assert states == {
        "training-completed": "digested",
        "affiliation-lapsed": "digested",
        "document-verified": "rejected",
    }
    assert set(await reasons(house)) == {"digest-remade", "stopped"}


async def test_a_digest_that_was_not_taken_is_made_again_without_what_was_ended_meanwhile(house: House) -> None:
    (siti,) = people(1)
    await digest_of(house, siti)
    begun = await start(house)
    assert len(begun) == 1
    await house.put(siti, NO_DOCUMENTS)
    assert [row["state"] for row in await digests(house)] == ["sending"]
    await finish(house, begun, Deferred("429", seconds=1))
    await house.route(DIGESTS)
    (last,) = [row for row in await digests(house) if row["state"] == "queued"]
    assert last["params"]["count"] == 2


async def test_a_digest_that_has_left_tells_what_it_tells(house: House) -> None:
    (siti,) = people(1)
    await digest_of(house, siti)
    begun = await start(house)
    await house.put(siti, NO_DOCUMENTS)
    await finish(house, begun, Accepted("200", "m-1"))
    await house.route(DIGESTS)
    assert await house.desk.states() == {"sent": 1, "digested": 3}


async def test_a_digest_does_not_go_by_a_channel_that_was_stopped_meanwhile(house: House) -> None:
    (siti,) = people(1)
    await digest_of(house, siti)
    async with house.desk.database.transaction() as conn:
        key = house.key("whatsapp", OLD)
        now = house.clock.now()
        await wishes.stop_channel(conn, siti, "whatsapp", key, by="reply", evidence="reply 1", now=now)
    await house.route(DIGESTS)
    (last,) = [row for row in await digests(house) if row["state"] == "queued"]
    assert (last["channel"], last["params"]["count"]) == ("sms", 3)


async def test_a_digest_that_failed_on_a_channel_after_its_person_changed_tells_of_it_in_order(house: House) -> None:
    (siti,) = people(1)
    await digest_of(house, siti)
    begun = await start(house)
    await house.put(siti, NO_DOCUMENTS)
    await finish(house, begun, Rejected("131026", "unreachable"))
    (digest,) = [row for row in await digests(house) if row["state"] == "cancelled"]
    told = await house.query("SELECT type, sequence FROM outbox WHERE key = $1 ORDER BY seq", str(digest["id"]))
    assert [(row["type"], row["sequence"]) for row in told] == [
        ("NotificationChannelFailed", 1),
        ("NotificationFailed", 2),
    ]


async def test_what_a_digest_told_as_sent_is_not_told_so_again_by_the_one_that_is_made_instead(house: House) -> None:
    (siti,) = people(1)
    await digest_of(house, siti)
    for number in (1, 2):
        begun = await start(house)
        await finish(house, begun, Accepted("200", f"m-{number}"))
        if number == 1:
            failed = Receipt("whatsapp", begun[0].attempt_id, None, "failed", house.clock.now(), "131026")
            async with house.desk.database.transaction() as conn:
                await apply_receipts(conn, [failed], now=house.clock.now())
            await house.desk.hear(card(siti, phone=NEW))
            await house.route(DIGESTS)
    assert [row["state"] for row in await digests(house)] == ["cancelled", "sent"]
    told = await house.query(
        "SELECT key, count(*) AS n FROM outbox WHERE type = 'NotificationSent' GROUP BY key ORDER BY 2"
    )
    assert [row["n"] for row in told] == [1] * 5, "two digests and three messages, each once"


@pytest.mark.parametrize("paused", [("document-verified",), ("document-verified", "affiliation-lapsed")])
async def test_of_a_digest_that_is_made_again_what_was_paused_meanwhile_is_held(
    house: House, paused: tuple[str, ...]
) -> None:
    (siti,) = people(1)
    await digest_of(house, siti)
    for template in paused:
        async with house.desk.database.transaction() as conn:
            await pauses.pause(conn, template, PauseTemplate(reason="wrong-text"), by="op", now=house.clock.now())
    await house.desk.hear(card(siti, phone=NEW))
    await house.route(DIGESTS)
    rows = [row for row in await house.desk.rows() if row["reason"] != "digest-remade"]
    assert {row["template"] for row in rows if row["state"] == "held"} == set(paused)
    assert [row["template"] for row in rows if row["state"] == "queued"] == (
        ["digest"] if len(paused) == 1 else ["training-completed"]
    )
    for template in paused:
        async with house.desk.database.transaction() as conn:
            await pauses.resume(conn, template, ResumeTemplate(reason="settled"), by="op", now=house.clock.now())
    await house.route(DIGESTS)
    assert "held" not in await house.desk.states()


async def test_of_two_who_are_not_one_after_all_no_digest_tells_the_other(house: House) -> None:
    old, new = people(2)
    await house.settle_in(old, new)
    await house.desk.hear(merged(old, new))
    await house.desk.hear(completed(old, "Ekspor"), verified(old), completed(new, "Kemasan"), lapsed(new))
    await house.route(DIGESTS)
    house.clock.moment = AFTERNOON
    await house.route(DIGESTS)
    (both,) = await digests(house)
    assert both["params"]["count"] == 4
    await house.desk.hear(unmerged(old, new))
    await house.route(DIGESTS)
    made = {row["vendor_id"]: row["params"] for row in await digests(house) if row["state"] == "queued"}
    assert {one: params["count"] for one, params in made.items()} == {old: 2, new: 2}
    assert "Kemasan" not in str(made[old])
    assert "Ekspor" not in str(made[new])


async def test_of_an_erased_id_the_digest_to_another_id_of_the_person_tells_nothing(house: House) -> None:
    old, new = people(2)
    await house.settle_in(old, new)
    await house.desk.hear(merged(old, new))
    await house.desk.hear(completed(old, "Ekspor"), verified(old), completed(new, "Kemasan"), lapsed(new))
    await house.route(DIGESTS)
    house.clock.moment = AFTERNOON
    await house.route(DIGESTS)
    (both,) = await digests(house)
    gone, stays = (old, new) if both["vendor_id"] == new else (new, old)
    await house.desk.hear(VendorErased(vendor_id=gone, erasure_id=new_id()))
    await house.route(DIGESTS)
    (made,) = [row for row in await digests(house) if row["state"] == "queued"]
    assert (made["vendor_id"], made["params"]["count"]) == (stays, 2)
    assert [row["params"] for row in await digests(house) if row["state"] == "cancelled"] == [{}]
    states = {(row["state"], row["reason"]) for row in await house.desk.rows() if row["vendor_id"] == gone}
    assert states == {("rejected", "erased")}


# --- consent


async def test_news_that_waits_does_not_leave_once_consent_is_withdrawn(house: House) -> None:
    siti, budi = people(2)
    await house.settle_in(siti, budi)
    await house.desk.hear(completed(siti), completed(budi), consented(siti), consented(budi))
    async with house.desk.database.transaction() as conn:
        await conn.execute("UPDATE notification SET topic = 'news', lane = 3")
    await house.route()
    (job,) = [job for job in await house.desk.claim(channel="whatsapp") if job.vendor_id == siti]
    await house.desk.hear(withdrawn(siti))
    begin = [Start(job.id, job.claim, new_id(), "whatsapp", "id")]
    async with house.desk.database.transaction() as conn:
        assert not await handlers.begin_attempts(conn, begin, lease_seconds=9, now=house.clock.now())
    await house.route()
    assert await by_person(house) == {siti: ("rejected", "no-consent"), budi: ("queued", None)}


# --- two who are one


async def both_told(house: House, old: UUID, new: UUID) -> None:
    """Both ids have a message that says the same."""
    await house.settle_in(old, new)
    await house.desk.hear(completed(old), completed(new))
    await house.route()


async def test_two_that_are_one_are_told_once_what_has_not_left(house: House) -> None:
    old, new = people(2)
    await both_told(house, old, new)
    await house.desk.hear(merged(old, new))
    await house.route()
    assert sorted((await by_person(house)).values(), key=str) == [("cancelled", "same-person"), ("queued", None)]
    assert await reasons(house) == ["same-person"]
    await house.desk.hear(unmerged(old, new))
    await house.route()
    assert await house.desk.states() == {"cancelled": 1, "queued": 1}, "what was cancelled stays so"


async def test_of_two_of_which_one_has_left_the_other_does_not(house: House) -> None:
    old, new = people(2)
    await both_told(house, old, new)
    begun = (await start(house))[:1]
    async with house.desk.database.transaction() as conn:  # the other one was not begun
        await conn.execute(
            "UPDATE notification SET state = 'queued', claim = NULL WHERE id <> $1", begun[0].notification_id
        )
    await house.desk.hear(merged(old, new))
    await finish(house, begun, Accepted("200", "m-1"))
    await house.route()
    assert await house.desk.states() == {"cancelled": 1, "sent": 1}


async def test_of_two_that_have_left_both_have(house: House) -> None:
    old, new = people(2)
    await both_told(house, old, new)
    await finish(house, await start(house), Accepted("200", "m-1"))
    await house.desk.hear(merged(old, new))
    assert await house.desk.states() == {"sent": 2}


async def test_different_things_are_both_told(house: House) -> None:
    old, new = people(2)
    await house.settle_in(old, new)
    await house.desk.hear(completed(old, "Ekspor"), completed(new, "Kemasan"))
    await house.desk.hear(merged(old, new))
    await house.route()
    assert await house.desk.states() == {"queued": 2}


# --- at once


async def test_whoever_is_gone_or_wants_no_more_hears_nothing_after_that_whatever_is_claimed_at_once(
    house: House,
) -> None:
    everybody = people(24)
    await house.settle_in(*everybody)
    for number in range(3):
        await house.desk.hear(*(completed(one, f"Kelas {number}") for one in everybody))
    desk, chance = house.desk, random.Random(4)
    known: dict[UUID, set[UUID]] = {}
    over = asyncio.Event()

    async def work(channel: Channel) -> None:
        while not over.is_set():
            async with desk.database.transaction() as conn:
                jobs = await claims.claim_due(
                    conn,
                    new_id(),
                    channel=channel,
                    lanes=[0, 1, 2, 3],
                    limit=3,
                    lease_seconds=60,
                    now=desk.clock.now(),
                )
            starts = [Start(job.id, job.claim, new_id(), channel, "id", channel) for job in jobs]
            async with desk.database.transaction() as conn:
                begun = await handlers.begin_attempts(conn, starts, lease_seconds=60, now=desk.clock.now())
            outcome = chance.choice(OUTCOMES)
            await finish(house, [one for one in starts if one.attempt_id in begun], outcome)
            if not jobs:
                await asyncio.sleep(0.01)

    async def change(one: UUID, place: int) -> None:
        async with desk.database.transaction() as conn:
            now = desk.clock.now()
            match place % 3:
                case 0:
                    event = VendorErased(vendor_id=one, erasure_id=new_id())
                    await erasures.erase_vendors(conn, [event], now=now)
                case 1:
                    command = ChangeWishes.model_validate(NO_TRAINING)
                    await wishes.change_wishes(conn, one, command, by="person", actor=None, now=now)
                case _:
                    await copies.remember_contacts(conn, [card(one, phone=NEW)], now=now)
                    return
            known[one] = await attempts_of(conn, one)

    async def attempts_of(conn: Connection, one: UUID) -> set[UUID]:
        rows = await conn.fetch(
            "SELECT a.id FROM attempt AS a JOIN notification AS n ON n.id = a.notification_id WHERE n.vendor_id = $1",
            one,
        )
        return {row["id"] for row in rows}

    async def route() -> None:
        while not over.is_set():
            await house.route()
            await asyncio.sleep(0.01)

    workers = [asyncio.create_task(act) for act in (work("whatsapp"), work("whatsapp"), work("sms"), route())]
    for place in range(0, len(everybody), 6):
        await asyncio.gather(
            *(change(one, number) for number, one in enumerate(everybody[place : place + 6])),
            desk.hear(merged(everybody[place + 2], everybody[place + 5])),
        )
    while await run_due(desk.database, {ROUTE_ANEW: route_anew}, desk.clock.now()):
        pass
    over.set()
    await asyncio.gather(*workers)
    async with desk.database.read() as conn:
        for one, before in known.items():
            assert await attempts_of(conn, one) == before, "an attempt after the last word"
        deadlocks = await conn.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert deadlocks == 0
    assert len(known) == 16


# --- what is foreseen of a broadcast


async def test_what_is_foreseen_is_what_the_router_does(house: House) -> None:
    chance = random.Random(11)
    everybody = people(60)
    await house.settle_in(*everybody)
    phones = {one: f"+62812{number:08d}" for number, one in enumerate(everybody)}
    await house.desk.hear(*(card(one, chance.choice(["", "", None]), phone=phones[one]) for one in everybody))
    for one in chance.sample(everybody, 25):
        topics = {"training": {channel: chance.random() < 0.4 for channel in OUTWARD}}
        order = chance.sample(OUTWARD, chance.randint(1, 3))
        await house.put(one, {"topics": topics, "channels": order, "language": chance.choice(["id", "en", None])})
    for one in chance.sample(everybody, 20):
        await suppress(house, chance.choice(["whatsapp", "sms"]), phones[one])
    await house.desk.hear(*(merged(one, other) for one, other in zip(everybody[:6], everybody[6:12], strict=True)))
    await house.desk.hear(completed(everybody[0]))
    words = await house.desk.row()
    for channels in (("whatsapp", "email"), ("whatsapp", "sms", "email"), ("sms",)):
        told = broadcast(house, words, channels)
        async with house.desk.database.transaction() as conn:
            await conn.execute("DELETE FROM notification")
            await add_broadcast(conn, told)
            choice = await choosing.find_choice(
                conn, told, words["template_version"], ("whatsapp", "sms", "email"), sealer=house.desk.sealer, now=NOW
            )
            counts, _ = await audiences.fix_people(conn, told, choice)
            assert sum(counts.values()) == 54
            rows = await conn.fetch(
                "SELECT vendor_id, channel FROM broadcast_recipient WHERE broadcast_id = $1", told.broadcast_id
            )
            foreseen = {row["vendor_id"]: row["channel"] for row in rows}
            await audiences.add_messages(
                conn,
                told,
                list(foreseen),
                [new_id() for _ in foreseen],
                lane=3,
                route=route_of(told.channels),
                now=NOW,
            )
        await house.route()
        found = {row["vendor_id"]: row["channel"] or "inbox" for row in await house.desk.rows()}
        assert found == foreseen
        assert len(set(found.values())) > 1


NOW = datetime(2023, 3, 1, 2, 0, tzinfo=UTC)


def broadcast(house: House, words: dict[str, Any], channels: tuple[str, ...]) -> Broadcast:
    """A broadcast in words that are there, to everybody."""
    return Broadcast(
        broadcast_id=new_id(),
        state="running",
        version=1,
        template=words["template"],
        template_version=words["template_version"],
        params=words["params"],
        topic="training",
        channels=channels,
        areas=("31",),
        by_list=False,
        language=None,
        not_before=None,
        deadline=words["deadline"],
        drafted_by="ani",
        drafted_at=NOW,
        approved_at=NOW,
    )


async def add_broadcast(conn: Connection, one: Broadcast) -> None:
    await conn.execute(
        "INSERT INTO broadcast (broadcast_id, state, version, template, template_version, params, topic, channels, "
        "areas, by_list, deadline, drafted_by, drafted_at, approved_at) "
        "VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, false, $9, 'ani', $10, $10)",
        one.broadcast_id,
        one.state,
        one.template,
        one.template_version,
        dict(one.params),
        one.topic,
        one.channels,
        one.areas,
        one.deadline,
        NOW,
    )
