"""What people want to hear: by HTTP, by link, by STOP; over merges; against the router; who may; suppressions."""

import asyncio
import json
import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.notify.domain.wishes import OUTWARD, ChangeWishes
from services.notify.handlers import wishes as handlers
from services.notify.handlers.changes import ROUTE_ANEW, route_anew
from services.notify.handlers.delivery import begin_attempts
from services.notify.handlers.routing import route_planned
from services.notify.plans import TOPICS
from services.notify.store.delivery import Start
from shared.events.rights import VendorErased
from shared.ids import new_id
from shared.timers import run_due
from tests.integration.notify import people
from tests.integration.notify_wishes import (
    ALL,
    House,
    completed,
    consented,
    merged,
    urgent,
    verified,
    withdrawn,
)

NO_TRAINING = {"topics": {"training": {"sms": False, "whatsapp": False, "email": False}}}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


async def told(house: House) -> list[tuple[str, str | None, str | None, str, int]]:
    """What others heard of wishes: kind, channel, topic, through whom, sequence."""
    rows = await house.query("SELECT type, sequence, payload FROM outbox WHERE type LIKE 'Messages%' ORDER BY seq")
    found = []
    for row in rows:
        body = json.loads(row["payload"])
        found.append((row["type"], body["channel"], body["about"], body["by"], row["sequence"]))
    return found


# --- by HTTP


async def test_what_nobody_said_is_wanted_and_a_person_changes_it(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    shown = (await house.get(f"/v1/wishes/{siti}", house.token("vendor", siti))).json()
    assert all(all(channels.values()) for channels in shown["topics"].values())
    assert set(shown["topics"]) == set(TOPICS)
    assert (shown["channels"], shown["language"], shown["digest"], shown["news_consent"]) == (None, None, None, False)
    assert shown["reached_by"] == [{"channel": one, "closed": []} for one in ("whatsapp", "sms", "email")]
    assert "booth-assigned" in shown["cannot_be_ended"]
    body = {**NO_TRAINING, "channels": ["email", "sms"], "language": "en", "digest": "weekly"}
    changed = await house.put(siti, body)
    assert changed.status_code == 200
    assert changed.json() == (await house.get(f"/v1/wishes/{siti}", house.token("vendor", siti))).json()
    assert changed.json()["topics"]["training"] == {"whatsapp": False, "sms": False, "email": False}
    assert (changed.json()["channels"], changed.json()["digest"]) == (["email", "sms"], "weekly")
    assert await told(house) == [("MessagesStopped", None, "training", "person", 1)]
    again = await house.put(siti, {"topics": {"training": {"sms": True}}, "language": None})
    assert again.json()["topics"]["training"] == {"whatsapp": False, "sms": True, "email": False}
    assert (again.json()["language"], again.json()["digest"]) == (None, "weekly")
    assert (await told(house))[1:] == [("MessagesResumed", "sms", "training", "person", 2)]
    await house.put(siti, {"topics": {"training": {"sms": True}}})
    assert len(await told(house)) == 2, "nothing new was said"


@pytest.mark.parametrize(
    "body",
    [
        {"topics": {"weather": {"sms": False}}},
        {"topics": {"news": {"inbox": False}}},
        {"channels": ["sms", "sms"]},
        {"channels": []},
        {"channels": ["inbox"]},
        {"digest": "hourly"},
        {"language": "jv"},
        {"quiet_hours": "23:00-05:00"},
    ],
)
async def test_what_makes_no_sense_is_refused_by_field(house: House, body: dict[str, Any]) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    answer = await house.put(siti, body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith(next(iter(body)))


async def test_only_the_person_and_officers_of_its_home_see_and_change_its_wishes(house: House) -> None:
    siti, other = people(2)
    await house.settle_in(siti, other)
    here, elsewhere = house.token("officer"), house.token("officer", area="31.72")
    for headers, status in (
        (house.token("vendor", other), 403),
        (elsewhere, 403),
        (house.token("operator"), 403),
        (house.token("service"), 403),
        ({}, 401),
        (here, 200),
    ):
        assert (await house.get(f"/v1/wishes/{siti}", headers)).status_code == status
    assert (await house.put(siti, NO_TRAINING, house.token("vendor", other))).status_code == 403
    assert (await house.put(siti, NO_TRAINING, elsewhere)).status_code == 403
    missing = await house.put(siti, NO_TRAINING, here)
    assert (missing.status_code, missing.json()["code"]) == (422, "reason-missing")
    assert (await house.put(siti, {**NO_TRAINING, "because": "asked-by-phone"}, here)).status_code == 200
    assert [one[3] for one in await told(house)] == ["officer"]
    (change,) = await house.query("SELECT by, actor, reason FROM wish_change")
    assert change == {"by": "officer", "actor": "officer-1", "reason": "asked-by-phone"}
    unknown = uuid4()
    assert (await house.get(f"/v1/wishes/{unknown}", here)).status_code == 404
    assert (await house.put(unknown, NO_TRAINING, house.token("vendor", unknown))).status_code == 404


async def test_ids_that_are_one_person_have_one_will_the_last_word_of_each_thing(house: House) -> None:
    old, new = people(2)
    await house.settle_in(old, new)
    await house.put(old, {"topics": {"training": {"sms": False}, "news": {"sms": False}}, "digest": "weekly"})
    house.clock.advance(hours=1)
    await house.put(new, {"topics": {"training": {"email": False}}, "language": "en"})
    await house.desk.hear(merged(old, new))
    for one in (old, new):
        shown = (await house.get(f"/v1/wishes/{new}", house.token("vendor", one))).json()
        assert shown["topics"]["training"] == {"whatsapp": True, "sms": False, "email": False}
        assert (shown["language"], shown["digest"]) == ("en", "weekly")
    house.clock.advance(hours=1)
    await house.put(new, {"topics": {"news": {"sms": True}}, "digest": None})
    shown = (await house.get(f"/v1/wishes/{old}", house.token("vendor", old))).json()
    assert shown["topics"]["news"]["sms"]
    assert shown["digest"] is None
    await house.desk.hear(completed(old))
    await house.route()
    assert await house.told() == {"training-completed": ("queued", "whatsapp", [])}


# --- consent


async def test_consent_to_news_is_the_registrys_last_word(house: House) -> None:
    siti, again = people(2)
    await house.settle_in(siti, again)

    async def has(one: UUID) -> bool:
        shown = await house.get(f"/v1/wishes/{one}", house.token("vendor", one))
        return bool(shown.json()["news_consent"])

    assert not await has(siti)
    await house.desk.hear(consented(siti))
    assert await has(siti)
    await house.desk.hear(withdrawn(siti))
    assert not await has(siti)
    house.clock.advance(hours=1)
    await house.desk.hear(consented(again), merged(siti, again))
    assert await has(siti), "the later word of the same person"


# --- what waits already


async def test_a_wish_holds_for_what_waits_already(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    await house.desk.hear(completed(siti), verified(siti), urgent(house, siti))
    await house.route()
    assert {state for state, *_ in (await house.told()).values()} == {"queued"}
    await house.put(siti, {**NO_TRAINING, "channels": ["sms"]})
    await house.route()
    assert await house.told() == {
        "training-completed": ("rejected", None, None),
        "document-verified": ("queued", "sms", ["whatsapp", "email"]),
        "booth-assigned": ("queued", "sms", ["whatsapp", "email"]),
    }
    (refused,) = await house.query("SELECT reason FROM notification WHERE state = 'rejected'")
    assert refused["reason"] == "stopped"
    assert [kind for kind, *_ in await house.desk.published() if kind == "NotificationFailed"] == ["NotificationFailed"]


async def test_what_a_worker_holds_but_has_not_begun_does_not_leave_after_a_stop(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    await house.desk.hear(completed(siti))
    await house.route()
    (job,) = await house.desk.claim(channel="whatsapp")
    await house.put(siti, NO_TRAINING)
    async with house.desk.database.transaction() as conn:
        begun = await begin_attempts(
            conn, [Start(job.id, job.claim, new_id(), "whatsapp", "id")], lease_seconds=60, now=house.desk.clock.now()
        )
    assert begun == set()


async def test_a_wish_against_the_router_leaves_nothing_on_its_old_way(house: House) -> None:
    everybody = people(40)
    await house.settle_in(*everybody)
    await house.desk.hear(*(completed(one) for one in everybody))
    desk = house.desk

    async def route() -> None:
        async with desk.database.transaction() as conn:
            await route_planned(conn, rules=ALL, sealer=desk.sealer, limit=5, now=desk.clock.now())

    async def stop(one: UUID) -> None:
        async with desk.database.transaction() as conn:
            await handlers.change_wishes(
                conn, one, ChangeWishes.model_validate(NO_TRAINING), by="person", actor=None, now=desk.clock.now()
            )

    await asyncio.gather(*(stop(one) for one in everybody), *(route() for _ in range(16)))
    await house.route()
    while await run_due(desk.database, {ROUTE_ANEW: route_anew}, desk.clock.now()):
        pass
    await house.route()
    assert await desk.states() == {"rejected": 40}


async def test_a_wish_waits_for_the_router_that_holds_its_messages_and_turns_them_round(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    await house.desk.hear(completed(siti))
    desk = house.desk
    async with desk.database.transaction() as conn:
        assert await route_planned(conn, rules=ALL, sealer=desk.sealer, now=desk.clock.now()) == 1
        stop = asyncio.create_task(house.put(siti, NO_TRAINING))
        await asyncio.sleep(0.2)
        assert not stop.done()
    assert (await stop).status_code == 200
    await house.route()
    assert await desk.states() == {"rejected": 1}


async def test_what_was_being_planned_when_it_was_said_is_found_a_moment_later(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    desk = house.desk
    await desk.hear(completed(siti))
    async with desk.database.transaction() as conn:  # a router that has read the old wishes, and has not written yet
        await handlers.change_wishes(
            conn, siti, ChangeWishes.model_validate(NO_TRAINING), by="person", actor=None, now=desk.clock.now()
        )
    async with desk.database.transaction() as conn:
        await conn.execute("UPDATE notification SET state = 'queued', channel = 'sms', route = '{email}'")
    assert await run_due(desk.database, {ROUTE_ANEW: route_anew}, desk.clock.now())
    await house.route()
    assert await house.told() == {"training-completed": ("rejected", None, None)}


async def test_two_wishes_of_one_person_at_once_both_hold_and_are_told_in_order(house: House) -> None:
    old, new = people(2)
    await house.settle_in(old, new)
    await house.desk.hear(merged(old, new), *(completed(old, title=f"Kelas {n}") for n in range(5)))
    changes = [
        (one, {"topics": {topic: {channel: False}}})
        for topic in ("training", "news", "mentoring")
        for one, channel in ((old, "sms"), (new, "email"), (old, "whatsapp"))
    ]
    routers = [asyncio.create_task(house.route()) for _ in range(4)]
    answers = await asyncio.gather(*(house.put(one, body) for one, body in changes))
    assert {answer.status_code for answer in answers} == {200}
    await asyncio.gather(*routers)
    shown = (await house.get(f"/v1/wishes/{new}", house.token("vendor", new))).json()
    assert {topic for topic, channels in shown["topics"].items() if not any(channels.values())} == {
        "training",
        "news",
        "mentoring",
    }
    rows = await house.query("SELECT key, sequence FROM outbox WHERE type = 'MessagesStopped' ORDER BY seq")
    for one, count in ((old, 6), (new, 3)):
        assert [row["sequence"] for row in rows if row["key"] == str(one)] == list(range(1, count + 1))


# --- STOP and MULAI


async def test_a_stopped_channel_is_never_used_until_the_person_wants_it_again(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    desk, key = house.desk, house.key("whatsapp", "+6281234567890")

    async def say(stop: bool) -> bool:
        async with desk.database.transaction() as conn:
            if stop:
                return await handlers.stop_channel(
                    conn, siti, "whatsapp", key, by="reply", evidence="reply 1", now=desk.clock.now()
                )
            return await handlers.resume_channel(conn, siti, "whatsapp", key, by="reply", now=desk.clock.now())

    await desk.hear(urgent(house, siti))
    await house.route()
    assert [await say(True), await say(True)] == [True, False]
    await house.route()
    assert await house.told() == {"booth-assigned": ("queued", "sms", ["email"])}, "what must be told goes elsewhere"
    assert await told(house) == [("MessagesStopped", "whatsapp", None, "reply", 1)]
    async with desk.database.transaction() as conn:
        await handlers.suppress(conn, "whatsapp", key, "invalid", evidence="131026", now=desk.clock.now())
    assert [await say(False), await say(False)] == [True, False]
    shown = (await house.get(f"/v1/wishes/{siti}", house.token("vendor", siti))).json()
    assert shown["reached_by"][0] == {"channel": "whatsapp", "closed": ["invalid"]}, "its word does not mend a number"
    assert (await told(house))[1:] == [("MessagesResumed", "whatsapp", None, "reply", 2)]


async def test_stop_and_start_at_once_leave_one_or_the_other(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    desk, key = house.desk, house.key("sms", "+6281234567890")

    async def say(stop: bool) -> None:
        async with desk.database.transaction() as conn:
            if stop:
                await handlers.stop_channel(conn, siti, "sms", key, by="reply", evidence="x", now=desk.clock.now())
            else:
                await handlers.resume_channel(conn, siti, "sms", key, by="reply", now=desk.clock.now())

    await asyncio.gather(*(say(number % 4 < 2) for number in range(16)))
    kinds = [one[0] for one in await told(house)]
    assert kinds == [("MessagesStopped", "MessagesResumed")[number % 2] for number in range(len(kinds))]
    standing = await house.query("SELECT * FROM suppression WHERE lifted_at IS NULL")
    assert len(standing) == len(kinds) % 2


# --- addresses that are not written to


async def test_operators_see_add_and_lift_suppressions_and_no_address(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    await house.desk.hear(urgent(house, siti))
    await house.route()
    operator = house.token("operator")
    by_vendor = {"channel": "whatsapp", "reason": "complained", "vendor_id": str(siti)}
    first = (await house.post("/v1/suppressions", by_vendor, operator)).json()["suppression_id"]
    by_address = {"channel": "sms", "reason": "invalid", "address": "62 812-3456-7890"}
    await house.post("/v1/suppressions", by_address, house.token("operator"))
    await house.route()
    assert (await house.told())["booth-assigned"] == ("queued", "email", [])
    shown = await house.get("/v1/suppressions", operator)
    assert [(one["channel"], one["reason"]) for one in shown.json()["items"]] == [
        ("sms", "invalid"),
        ("whatsapp", "complained"),
    ]
    assert "6281" not in shown.text
    assert (await house.get("/v1/suppressions", operator, reason="invalid")).json()["items"][0]["channel"] == "sms"
    page = (await house.get("/v1/suppressions", operator, limit=1)).json()
    rest = (await house.get("/v1/suppressions", operator, limit=1, after=page["next"])).json()
    assert [one["channel"] for one in page["items"] + rest["items"]] == ["sms", "whatsapp"]
    late = (house.desk.clock.now() + timedelta(hours=1)).isoformat()
    assert (await house.get("/v1/suppressions", operator, since=late)).json()["items"] == []
    lift = f"/v1/suppressions/{first}/lift"
    assert (await house.post(lift, {"because": "noted-by-mistake"}, house.token("operator"))).status_code == 204
    again = await house.post(lift, {"because": "noted-by-mistake"}, house.token("operator"))
    assert (again.status_code, again.json()["code"]) == (409, "suppression-lifted")
    missing = await house.post(
        f"/v1/suppressions/{uuid4()}/lift", {"because": "provider-error"}, house.token("operator")
    )
    assert missing.status_code == 404
    assert len((await house.get("/v1/suppressions", operator)).json()["items"]) == 1
    assert len((await house.get("/v1/suppressions", operator, lifted="true")).json()["items"]) == 2
    for wrong in ({}, {"address": "+6281", "vendor_id": str(siti)}, {"vendor_id": str(uuid4())}):
        answer = await house.post(
            "/v1/suppressions", {"channel": "sms", "reason": "stopped", **wrong}, house.token("operator")
        )
        assert answer.status_code in (404, 422)
    for role in ("officer", "service"):
        assert (await house.get("/v1/suppressions", house.token(role))).status_code == 403
        assert (await house.post("/v1/suppressions", by_vendor, house.token(role))).status_code == 403


async def test_a_new_address_is_free_and_an_unreachable_one_is_tried_again_after_a_month(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti, email="siti@example.com")
    desk = house.desk
    async with desk.database.transaction() as conn:
        for channel, reason in (("whatsapp", "unreachable"), ("sms", "unreachable")):
            key = house.key(channel, "+6281234567890")
            await handlers.suppress(conn, channel, key, reason, evidence="131026", now=desk.clock.now())  # type: ignore[arg-type]
        key = house.key("email", "SITI@example.com")
        await handlers.suppress(conn, "email", key, "bounced", evidence="550", now=desk.clock.now())
    await desk.hear(completed(siti))
    await house.route()
    assert (await house.told())["training-completed"] == ("sent", "inbox", None)
    await house.settle_in(siti, email="siti.baru@example.com")
    await desk.hear(verified(siti))
    await house.route()
    assert (await house.told())["document-verified"] == ("queued", "email", [])
    house.clock.advance(days=30)
    await desk.hear(completed(siti, "Kelas lain"))
    await house.route()
    assert (await house.told())["training-completed"] == ("queued", "whatsapp", ["sms", "email"])


async def test_the_same_address_suppressed_many_times_at_once_stands_once(house: House) -> None:
    desk, key = house.desk, house.key("sms", "+6281234567890")

    async def suppress() -> None:
        async with desk.database.transaction() as conn:
            await handlers.suppress(conn, "sms", key, "invalid", evidence="21211", now=desk.clock.now())

    await asyncio.gather(*(suppress() for _ in range(10)))
    (row,) = await house.query("SELECT times, until FROM suppression")
    assert row == {"times": 10, "until": None}


# --- erasure


async def test_of_an_erased_person_no_wish_stays_and_none_can_be_said(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    await house.put(siti, {**NO_TRAINING, "language": "en"})
    await house.desk.hear(consented(siti))
    async with house.desk.database.transaction() as conn:
        key = house.key("sms", "+6281234567890")
        await handlers.suppress(conn, "sms", key, "invalid", evidence="21211", now=house.desk.clock.now())
    await house.desk.hear(VendorErased(vendor_id=siti, erasure_id=new_id()))
    for table in ("wish", "preference", "wish_change", "news_consent"):
        assert await house.query(f'TABLE "{table}"') == []
    assert len(await house.query("SELECT * FROM suppression")) == 1, "it names nobody, and still protects"
    (receipt,) = await house.query("SELECT payload FROM outbox WHERE type = 'NotifyDataErased'")
    erased = json.loads(receipt["payload"])["erased"]
    assert (erased["wishes"], erased["preferences"], erased["wish_changes"], erased["consents"]) == (3, 1, 1, 1)
    assert (await house.put(siti, NO_TRAINING)).status_code == 404
    page = await house.client.post(house.link(siti), data=ONE_CLICK)
    assert page.status_code == 404
    await house.desk.hear(consented(siti))
    assert await house.query("TABLE news_consent") == []


async def test_an_erasure_and_wishes_at_once_leave_nothing(house: House) -> None:
    everybody = people(10)
    await house.settle_in(*everybody)
    await house.desk.hear(*(completed(one) for one in everybody))

    async def erase(one: UUID) -> None:
        await house.desk.hear(VendorErased(vendor_id=one, erasure_id=new_id()))

    async def erase_all() -> None:
        for one in everybody:
            await erase(one)

    beside = [asyncio.create_task(erase_all()), *(asyncio.create_task(house.route()) for _ in range(3))]
    answers = await asyncio.gather(
        *(house.put(one, NO_TRAINING) for one in everybody),
        *(house.client.post(house.link(one), data=ONE_CLICK) for one in everybody),
    )
    assert {answer.status_code for answer in answers} <= {200, 404}
    await asyncio.gather(*beside)
    for table in ("wish", "preference", "wish_change"):
        assert await house.query(f'TABLE "{table}"') == []


async def test_a_person_sees_its_wishes_among_its_data(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    await house.put(siti, {**NO_TRAINING, "digest": "off"})
    await house.desk.hear(consented(siti))
    shown = (await house.get(f"/v1/vendors/{siti}/data", house.token("vendor", siti))).json()["sections"]
    assert {(one["topic"], one["channel"], one["wanted"]) for one in shown["wishes"]["data"]} == {
        ("training", channel, False) for channel in OUTWARD
    }
    assert shown["preferences"]["data"][0]["digest"] == "off"
    assert shown["consent_copy"]["data"][0]["given"] is True
    assert shown["wish_changes"]["data"][0]["by"] == "person"


# --- by link


async def test_looking_at_the_link_ends_nothing_and_the_button_does(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    link = house.link(siti)
    for _ in range(2):
        page = await house.client.get(link)
        assert page.status_code == 200
        assert "Pelatihan" in page.text
        assert "Ya, berhenti" in page.text
    assert await told(house) == []
    page = await house.client.post(link, data={"act": "stop"})
    assert page.status_code == 200
    assert "Sudah dihentikan" in page.text
    assert await told(house) == [("MessagesStopped", "email", "training", "link", 1)]
    await house.client.post(link, data={"act": "stop"})
    assert len(await told(house)) == 1
    await house.desk.hear(completed(siti))
    await house.route()
    assert await house.told() == {"training-completed": ("queued", "whatsapp", ["sms"])}


async def test_one_click_in_the_mail_program_ends_at_once(house: House) -> None:
    siti, budi = people(2)
    await house.settle_in(siti, budi)
    answer = await house.client.post(house.link(siti), data=ONE_CLICK)
    assert (answer.status_code, answer.has_redirect_location) == (200, False)
    as_parts = await house.client.post(house.link(budi, topic=None), files={"List-Unsubscribe": (None, "One-Click")})
    assert as_parts.status_code == 200
    assert [one[:3] for one in await told(house)] == [
        ("MessagesStopped", "email", "training"),
        ("MessagesStopped", "email", None),
    ]


async def test_topics_are_chosen_on_the_second_page(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    link = house.link(siti)
    page = await house.client.post(link, data={"act": "stop"})
    boxes = dict(re.findall(r'name="topic" value="(\w+)"( checked)?', page.text))
    assert {name for name, checked in boxes.items() if not checked} == {"training"}
    assert set(boxes) == set(TOPICS)
    chosen = await house.client.post(link, data={"act": "choose", "topic": ["training", "offers", "nonsense"]})
    assert "Pilihan Anda tersimpan" in chosen.text
    shown = (await house.get(f"/v1/wishes/{siti}", house.token("vendor", siti))).json()
    assert {topic for topic, channels in shown["topics"].items() if channels["email"]} == {"training", "offers"}
    assert all(channels["sms"] for channels in shown["topics"].values())


@pytest.mark.parametrize("wrong", ["x", "AAAA", "%3Cscript%3E", "a" * 3000])
async def test_a_link_that_is_none_gets_a_kind_page_and_changes_nothing(house: House, wrong: str) -> None:
    for page in (
        await house.client.get(f"/stop/{wrong}"),
        await house.client.post(f"/stop/{wrong}", data=ONE_CLICK),
        await house.client.get(f"/stop/{wrong}", headers={"Accept-Language": "en"}),
    ):
        assert page.status_code == 404
        assert page.headers["content-type"].startswith("text/html")
        assert "STOP" in page.text
        assert "<script" not in page.text.lower()
    assert await told(house) == []


async def test_a_form_that_says_nothing_ends_nothing(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    for body in ({}, {"act": "other"}, {"List-Unsubscribe": "maybe"}):
        assert (await house.client.post(house.link(siti), data=body)).status_code == 400
    big = await house.client.post(house.link(siti), data={"act": "stop", "topic": ["x" * 1000] * 5000})
    assert big.status_code == 413
    assert await told(house) == []


async def test_the_page_loads_nothing_from_elsewhere_and_is_kept_by_nobody(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    page = await house.client.get(house.link(siti) + "?lang=en")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["cache-control"] == "private, no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert not re.search(r'(src|href)="(https?:)?//', page.text)
    assert "Siti" not in page.text
    assert str(siti) not in page.text
    assert "End these messages?" in page.text
