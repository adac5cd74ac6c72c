"""Templates that are paused: nothing of them leaves, whatever is under way, and everything once they are resumed."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.notify.domain.delivery import Deferred
from services.notify.domain.templates import ActivateVersion
from services.notify.handlers import delivery as deliveries
from services.notify.handlers import templates
from services.notify.rendering import Template, release_templates, version_of
from services.notify.store import audiences, inbox
from services.notify.store.delivery import Start
from shared.ids import new_id
from tests.integration.backbone import until
from tests.integration.notify import Desk, Mailbox, card, enrolled, mail_server, offer, people
from tests.integration.outside import PARAMS, TEMPLATE, Outside

ENROLLED = "training-enrolled"


async def pause(outside: Outside, template: str = ENROLLED) -> dict[str, Any]:
    """Pause a template as an operator."""
    answer = await outside.post(f"/templates/{template}/pause", {"reason": "wrong-text"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def resume(outside: Outside, template: str = ENROLLED, **more: str) -> int:
    """Resume it."""
    answer = await outside.post(f"/templates/{template}/resume", {"reason": "text-mended", **more})
    assert answer.status_code == 200, answer.text
    released: int = answer.json()["released"]
    return released


async def mended(desk: Desk, name: str = ENROLLED) -> str:
    """Another version of a template of events, in use; its subject begins with `Ralat`."""
    before = release_templates()[name].sources
    sources = {key: text if "." in key else f"Ralat {text}" for key, text in before.items()}
    template = Template(name, version_of(sources), sources)
    async with desk.database.transaction() as conn:
        now = desk.clock.now()
        await templates.save_version(conn, template, None, by="ani", reason="ralat", now=now)
        command = ActivateVersion(reason="ralat")
        await templates.activate_version(conn, name, template.version, command, by="ani", now=now)
    return template.version


async def attempted(desk: Desk) -> set[UUID]:
    """Messages of which an attempt was begun."""
    return {one["notification_id"] for one in await desk.attempts()}


async def test_nothing_of_a_paused_template_leaves_and_all_of_it_once_it_is_resumed(outside: Outside) -> None:
    desk = outside.desk
    first, second, third = people(3)
    await desk.hear(card(first), card(second), card(third), enrolled(first), offer(second, desk.clock.now()))
    (job,) = [one for one in await desk.claim() if one.template == ENROLLED]  # a worker holds it
    found = await pause(outside)
    assert found == {"template": ENROLLED, "held": 1, "under_way": 0, "left_in_a_day": 0}
    async with desk.database.transaction() as conn:
        start = Start(job.id, job.claim, new_id(), "email", "id")
        assert not await deliveries.begin_attempts(conn, [start], lease_seconds=20, now=desk.clock.now())
    await desk.hear(enrolled(third))  # planned meanwhile
    await desk.hurry()  # the claim of the offer ends
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        await desk.until("sent", 1)  # the offer
        await desk.until("held", 2)
        assert len(mailbox.raw) == 1
        listed = await outside.get("/templates", limit=100)
        assert {one["template"] for one in listed.json()["items"] if one["paused"]} == {ENROLLED}
        assert await resume(outside) == 2
        await desk.until("sent", 3)
    assert set(mailbox.times().values()) == {1}
    pauses = (await outside.get("/template-pauses", template=ENROLLED)).json()["items"]
    assert [(one["paused"], one["reason"], one["actor"], one["messages"]) for one in pauses] == [
        (False, "text-mended", "operator-1", 2),
        (True, "wrong-text", "operator-1", 1),
    ]
    async with desk.database.read() as conn:
        told = await conn.fetch("SELECT type, key, sequence FROM outbox WHERE key = $1 ORDER BY seq", ENROLLED)
    assert [tuple(row) for row in told] == [("TemplatePaused", ENROLLED, 1), ("TemplateResumed", ENROLLED, 2)]


async def test_who_may_pause_what_and_how_often(outside: Outside) -> None:
    for role in ("officer", "service", "vendor"):
        assert (await outside.post("/templates/welcome/pause", {"reason": "test"}, role=role)).status_code == 403
    nothing = await outside.post("/templates/broadcast-tiada/pause", {"reason": "test"})
    assert (nothing.status_code, nothing.json()["code"]) == (404, "template-not-found")
    odd = await outside.post("/templates/welcome/pause", {"reason": "Ibu Siti marah"})
    assert odd.status_code == 422  # a code, no words about people
    early = await outside.post("/templates/welcome/resume", {"reason": "test"})
    assert (early.status_code, early.json()["code"]) == (409, "template-stands")
    answers = await asyncio.gather(
        *(outside.post("/templates/welcome/pause", {"reason": "test"}) for _ in range(6)),
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 5}
    answers = await asyncio.gather(
        *(outside.post("/templates/welcome/resume", {"reason": "test"}) for _ in range(6)),
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 5}


@pytest.mark.parametrize("seed", range(3))
async def test_while_messages_pour_out_none_begins_to_leave_after_the_pause(outside: Outside, seed: int) -> None:
    desk = outside.desk
    vendors = people(40)
    await desk.hear(*(card(one) for one in vendors))
    mailbox = Mailbox(delay_seconds=0.01)
    for one in vendors[:8]:  # some come back to be tried again while it is paused
        mailbox.behave[f"v{one.hex}@example.com"] = ["451 content"]

    async def pouring() -> None:
        for one in vendors:
            await desk.hear(enrolled(one))

    async with mail_server(mailbox), desk.delivering(mailbox):
        events = asyncio.create_task(pouring())

        async def some_left() -> bool:
            return len(mailbox.raw) >= 1 + 4 * seed

        await until(some_left)
        found = await pause(outside)
        begun = await attempted(desk)
        await events

        async def at_rest() -> bool:
            await desk.hurry_retries()
            return not (await desk.states()).keys() & {"planned", "queued", "retry", "sending"}

        await until(at_rest)
        assert await attempted(desk) == begun
        assert len(mailbox.raw) <= len(begun)
        assert found["held"] + found["under_way"] + found["left_in_a_day"] <= len(vendors)
        await resume(outside)

        async def all_sent() -> bool:
            await desk.hurry_retries()
            return (await desk.states())["sent"] == len(vendors)

        await until(all_sent)
    assert set(mailbox.times().values()) == {1}


async def test_what_comes_back_to_be_tried_again_is_held(outside: Outside) -> None:
    desk = outside.desk
    (vendor,) = people(1)
    await desk.hear(card(vendor), enrolled(vendor))
    (job,) = await desk.claim()
    attempt_id = new_id()
    async with desk.database.transaction() as conn:
        start = Start(job.id, job.claim, attempt_id, "email", "id")
        assert await deliveries.begin_attempts(conn, [start], lease_seconds=20, now=desk.clock.now())
    assert (await pause(outside))["under_way"] == 1
    async with desk.database.transaction() as conn:
        end = deliveries.End(job.id, attempt_id, Deferred("451"))
        await deliveries.end_attempts(conn, [end], now=desk.clock.now())
    assert (await desk.row())["state"] == "held"
    assert await desk.claim() == []
    await resume(outside)
    await desk.hurry()
    assert [one.id for one in await desk.claim()] == [job.id]


async def test_a_retry_that_is_written_while_it_is_paused_is_found(outside: Outside) -> None:
    desk = outside.desk
    (vendor,) = people(1)
    await desk.hear(card(vendor), enrolled(vendor))
    (job,) = await desk.claim()
    attempt_id = new_id()
    async with desk.database.transaction() as conn:
        start = Start(job.id, job.claim, attempt_id, "email", "id")
        assert await deliveries.begin_attempts(conn, [start], lease_seconds=20, now=desk.clock.now())
    async with desk.database.transaction() as conn:
        end = deliveries.End(job.id, attempt_id, Deferred("451"))
        await deliveries.end_attempts(conn, [end], now=desk.clock.now())
        pausing = asyncio.create_task(pause(outside))  # waits for this transaction

        async def waits() -> bool:
            return bool(
                await desk.database.pool.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND wait_event_type = 'Lock'"
                )
            )

        await until(waits)
    assert (await pausing)["held"] == 1
    assert (await desk.row())["state"] == "held"


async def test_deadlines_end_what_is_held(outside: Outside) -> None:
    desk = outside.desk
    (vendor,) = people(1)
    await desk.hear(card(vendor), enrolled(vendor))
    await pause(outside)
    desk.clock.advance(days=30)  # type: ignore[attr-defined]  # the clock of tests
    async with desk.database.transaction() as conn:
        assert await deliveries.expire_overdue(conn, now=desk.clock.now()) == 1
    assert (await desk.row())["state"] == "expired"
    assert await resume(outside) == 0


@pytest.mark.parametrize("words", ["current", "planned"])
async def test_held_messages_leave_with_the_words_that_were_wished(outside: Outside, words: str) -> None:
    desk = outside.desk
    (vendor,) = people(1)
    await desk.hear(card(vendor), enrolled(vendor))
    await desk.route()
    await pause(outside)
    version = await mended(desk)
    await resume(outside, words=words)
    row = await desk.row()
    assert (row["template_version"] == version) == (words == "current")
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        await desk.until("sent", 1)
    assert (b"Subject: Ralat" in mailbox.raw[0]) == (words == "current")


async def test_words_with_other_parameters_are_refused_with_the_way_out(outside: Outside) -> None:
    desk = outside.desk
    await outside.template()
    key = await outside.key("test")
    await outside.sent(key, {"email": "delivered@simulator.lapak.invalid"})
    await pause(outside, TEMPLATE)
    sources = {"id": "Kabar\n\n{{ place }}\n", "en": "News\n\n{{ place }}\n"}
    template = Template(TEMPLATE, version_of(sources), sources)
    async with desk.database.transaction() as conn:
        now = desk.clock.now()
        await templates.save_version(conn, template, {"place": "text"}, by="ani", reason="x", now=now)
        await templates.activate_version(
            conn, TEMPLATE, template.version, ActivateVersion(reason="x"), by="ani", now=now
        )
    refused = await outside.post(f"/templates/{TEMPLATE}/resume", {"reason": "text-mended"})
    assert (refused.status_code, refused.json()["code"]) == (422, "template-faulty")
    assert "words: planned" in refused.json()["detail"]
    assert await resume(outside, TEMPLATE, words="planned") == 1
    assert PARAMS["title"] == (await desk.row())["params"]["title"]


async def test_a_message_of_a_paused_broadcast_waits_for_both(outside: Outside) -> None:
    desk = outside.desk
    (vendor,) = people(1)
    await desk.hear(card(vendor), enrolled(vendor))
    broadcast_id = new_id()
    async with desk.database.transaction() as conn:
        await conn.execute(
            "INSERT INTO broadcast (broadcast_id, state, template, params, topic, channels, areas, by_list, deadline, "
            "drafted_by, drafted_at) VALUES ($1, 'paused', $2, '{}', 'news', '{email}', '{31}', false, $3, 'a', $4)",
            broadcast_id,
            ENROLLED,
            desk.clock.now() + timedelta(days=1),
            desk.clock.now(),
        )
        await conn.execute("UPDATE notification SET broadcast_id = $1", broadcast_id)
    await pause(outside)
    await resume(outside)
    await desk.route()
    assert (await desk.row())["state"] == "held"  # by its broadcast
    await pause(outside)
    async with desk.database.transaction() as conn:
        await conn.execute("UPDATE broadcast SET state = 'running'")
        await audiences.release(conn, broadcast_id)
    await desk.route()
    assert (await desk.row())["state"] == "held"  # by its template
    await resume(outside)
    await desk.route()
    assert (await desk.row())["state"] == "queued"


async def test_what_waits_for_its_card_or_for_the_router_leaves_with_the_words_that_were_wished(
    outside: Outside,
) -> None:
    desk = outside.desk
    here, late = people(2)
    await desk.hear(card(here))
    await pause(outside)
    await desk.hear(enrolled(here), enrolled(late))
    assert await desk.states() == {"planned": 1, "waiting_contact": 1}
    version = await mended(desk)
    await resume(outside)
    await desk.hear(card(late))
    assert [row["template_version"] for row in await desk.rows()] == [version] * 2
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        await desk.until("sent", 2)
    assert all(b"Subject: Ralat" in one for one in mailbox.raw)


async def test_no_inbox_shows_what_is_paused_whatever_it_waits_for(outside: Outside) -> None:
    desk = outside.desk
    here, late = people(2)
    await desk.hear(card(here))
    await pause(outside)
    await desk.hear(enrolled(here), enrolled(late), offer(late, desk.clock.now()))
    async with desk.database.read() as conn:
        shown = await inbox.find_inbox(conn, [here, late], unread=False, before=None, limit=10)
        assert [one["template"] for one in shown] == ["booth-assigned"]
        assert await inbox.count_unread(conn, [here, late]) == 1
    await resume(outside)
    async with desk.database.read() as conn:
        assert await inbox.count_unread(conn, [here, late]) == 3
