"""Digests: what may wait is told together, once per person and moment; each message hears its own outcome."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.notify.handlers import digests as handlers
from services.notify.handlers.routing import route_planned
from shared.events.rights import VendorErased
from shared.ids import new_id
from tests.integration.notify import Mailbox, mail_server, people
from tests.integration.notify_wishes import DIGESTS, House, completed, lapsed, merged, urgent, verified

AFTERNOON = datetime(2023, 3, 1, 9, 0, tzinfo=UTC)  # 16.00 WIB


async def waiting(house: House, *vendors: UUID) -> None:
    """Each has two messages that wait for the digest of this afternoon."""
    await house.settle_in(*vendors)
    await house.desk.hear(*(completed(one) for one in vendors), *(verified(one) for one in vendors))
    await house.route(DIGESTS)
    assert await house.desk.states() == {"deferred": 2 * len(vendors)}


async def by_template(house: House) -> dict[str, dict[str, Any]]:
    return {row["template"]: row for row in await house.desk.rows()}


async def test_several_become_one_that_lists_them_and_one_alone_goes_as_itself(house: House) -> None:
    siti, budi = people(2)
    await house.settle_in(siti, budi)
    await house.desk.hear(completed(siti, "Ekspor"), verified(siti), lapsed(siti), verified(budi), urgent(house, siti))
    await house.route(DIGESTS)
    assert await house.desk.states() == {"deferred": 4, "queued": 1}
    house.clock.moment = AFTERNOON
    await house.route(DIGESTS)
    rows = await house.desk.rows()
    (digest,) = [row for row in rows if row["template"] == "digest"]
    assert (digest["vendor_id"], digest["state"], digest["channel"], digest["route"]) == (
        siti,
        "queued",
        "whatsapp",
        ["sms", "email"],
    )
    assert digest["params"]["count"] == 3
    assert "Ekspor" in digest["params"]["items"][0]["subject"]
    assert all(item["gist"] and "Halo" not in item["gist"] for item in digest["params"]["items"])
    told = [row for row in rows if row["digest_id"] == digest["id"]]
    assert {row["template"] for row in told} == {"training-completed", "document-verified", "affiliation-lapsed"}
    assert {row["state"] for row in told} == {"digested"}
    (alone,) = [row for row in rows if row["vendor_id"] == budi]
    assert (alone["state"], alone["digest_id"]) == ("queued", None)
    assert [key for kind, key, _ in await house.desk.published() if kind.startswith("Notification")] == []


async def test_the_digest_leaves_by_email_with_each_message_in_it_and_their_outcome_is_its_own(house: House) -> None:
    siti, budi = people(2)
    await house.settle_in(siti, budi)
    for one in (siti, budi):
        await house.put(one, {"language": "en"})
    await house.desk.hear(*(event for one in (siti, budi) for event in (completed(one, "Export"), verified(one))))
    async with mail_server(Mailbox()) as mailbox:
        mailbox.behave[f"v{budi.hex}@example.com"] = ["550"]
        await house.route(DIGESTS)
        house.clock.moment = AFTERNOON
        async with house.desk.database.transaction() as conn:
            await handlers.gather(conn, rules=DIGESTS, sealer=house.desk.sealer, now=house.clock.now())
            await conn.execute("UPDATE notification SET route = '{email}' WHERE template = 'digest'")
        async with house.desk.delivering(mailbox):
            await house.desk.settled()
    (letter,) = mailbox.raw
    assert b"Subject: 2 messages for you" in letter
    assert letter.count(b"Export") >= 2, "in the text and in its HTML"
    states = {(row["vendor_id"], row["template"]): (row["state"], row["channel"]) for row in await house.desk.rows()}
    assert states[siti, "training-completed"] == states[siti, "document-verified"] == ("digested", "email")
    assert states[siti, "digest"] == ("sent", "email")
    assert states[budi, "training-completed"] == ("rejected", None)
    rows = {row["id"]: row for row in await house.desk.rows()}
    events = [
        (kind, rows[key]["template"], rows[key]["vendor_id"], sequence)
        for kind, key, sequence in await house.desk.published()
        if key in rows
    ]
    for one, kind in ((siti, "NotificationSent"), (budi, "NotificationFailed")):
        for template in ("digest", "training-completed", "document-verified"):
            assert (kind, template, one, 1) in events
    assert len(events) == 6
    assert all(row["sent_at"] is not None for row in rows.values() if row["vendor_id"] == siti)


async def test_a_person_with_two_ids_has_one_digest(house: House) -> None:
    old, new = people(2)
    await house.settle_in(old, new)
    await house.desk.hear(completed(old, "Ekspor"), verified(old), completed(new, "Kemasan"), lapsed(new))
    await house.route(DIGESTS)
    await house.desk.hear(merged(old, new))
    house.clock.moment = AFTERNOON
    await house.route(DIGESTS)
    assert await house.desk.states() == {"digested": 4, "queued": 1}


async def test_makers_beside_each_other_make_one_digest_for_each(house: House) -> None:
    everybody = people(25)
    await waiting(house, *everybody)
    house.clock.moment = AFTERNOON
    desk = house.desk

    async def gather() -> None:
        for _ in range(6):
            async with desk.database.transaction() as conn:
                await handlers.gather(conn, rules=DIGESTS, sealer=desk.sealer, now=desk.clock.now())

    await asyncio.gather(*(gather() for _ in range(4)), *(house.route(DIGESTS) for _ in range(2)))
    await house.route(DIGESTS)
    assert await desk.states() == {"digested": 50, "queued": 25}
    assert len(await house.query("TABLE digest")) == 25


async def test_a_crash_while_it_is_made_leaves_all_as_it_was(house: House) -> None:
    (siti,) = people(1)
    await waiting(house, siti)
    house.clock.moment = AFTERNOON
    async with house.desk.database.pool.acquire() as conn:  # the process dies before it commits
        transaction = conn.transaction()
        await transaction.start()
        assert await handlers.gather(conn, rules=DIGESTS, sealer=house.desk.sealer, now=house.clock.now()) == 2
        await transaction.rollback()
    assert await house.desk.states() == {"deferred": 2}
    await house.route(DIGESTS)
    assert await house.desk.states() == {"digested": 2, "queued": 1}


async def test_what_comes_too_late_for_its_moment_leaves_by_itself(house: House) -> None:
    (siti,) = people(1)
    await waiting(house, siti)
    house.clock.moment = AFTERNOON
    await house.route(DIGESTS)
    await house.desk.hear(completed(siti, "A"), completed(siti, "B"))
    async with house.desk.database.transaction() as conn:  # a slow router that still took it for before the moment
        await conn.execute(
            "UPDATE notification SET state = 'deferred', reason = 'digest', not_before = $1 WHERE state = 'planned'",
            AFTERNOON,
        )
    await house.route(DIGESTS)
    assert await house.desk.states() == {"digested": 2, "queued": 3}
    await house.desk.hear(completed(siti, "C"))
    await house.route(DIGESTS)
    (late,) = await house.query("SELECT not_before FROM notification WHERE state = 'deferred'")
    assert late["not_before"] == datetime(2023, 3, 2, 9, 0, tzinfo=UTC)


async def test_who_ended_a_topic_or_is_erased_meanwhile_does_not_find_it_in_the_digest(house: House) -> None:
    siti, budi = people(2)
    await waiting(house, siti, budi)
    await house.put(siti, {"topics": {"documents": {"sms": False, "whatsapp": False, "email": False}}})
    await house.route(DIGESTS)
    house.clock.moment = AFTERNOON
    await asyncio.gather(house.desk.hear(VendorErased(vendor_id=budi, erasure_id=new_id())), house.route(DIGESTS))
    await house.route(DIGESTS)
    states = {(row["vendor_id"], row["template"]): row["state"] for row in await house.desk.rows()}
    assert states[siti, "training-completed"] == "queued"
    assert states[siti, "document-verified"] == "rejected"
    assert (siti, "digest") not in states
    assert states.get((budi, "digest"), "rejected") == "rejected"
    assert all(row["params"] == {} for row in await house.desk.rows() if row["vendor_id"] == budi)


async def test_messages_with_no_channel_in_common_leave_by_themselves(house: House) -> None:
    (siti,) = people(1)
    await waiting(house, siti)
    await house.put(
        siti,
        {
            "topics": {
                "documents": {"sms": False, "whatsapp": False},
                "training": {"email": False},
            }
        },
    )
    await house.route(DIGESTS)
    house.clock.moment = AFTERNOON
    await house.route(DIGESTS)
    assert await house.told() == {
        "document-verified": ("queued", "email", []),
        "training-completed": ("queued", "whatsapp", ["sms"]),
    }


async def test_what_cannot_be_written_meets_its_fate_alone(house: House) -> None:
    (siti,) = people(1)
    await waiting(house, siti)
    await house.desk.hear(lapsed(siti))
    await house.route(DIGESTS)
    async with house.desk.database.transaction() as conn:
        await conn.execute("UPDATE notification SET params = '{}' WHERE template = 'affiliation-lapsed'")
    house.clock.moment = AFTERNOON
    await house.route(DIGESTS)
    told = await by_template(house)
    assert told["affiliation-lapsed"]["state"] == "queued"
    assert told["digest"]["params"]["count"] == 2


async def test_a_digest_for_many_is_made_in_pieces_and_what_is_urgent_goes_before(house: House) -> None:
    everybody = people(150)
    await waiting(house, *everybody)
    house.clock.moment = AFTERNOON
    await house.desk.hear(urgent(house, everybody[0]))
    async with house.desk.database.transaction() as conn:
        await route_planned(conn, rules=DIGESTS, sealer=house.desk.sealer, limit=1, now=house.clock.now())
    states = await house.desk.states()
    assert (states["queued"], states["deferred"]) == (1, 300)
    await house.route(DIGESTS)
    assert await house.desk.states() == {"digested": 300, "queued": 151}
