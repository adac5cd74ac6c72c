"""What is not kept: what messages say goes after some days, messages after a year; counts stay, each once."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.notify.domain.planning import Cause
from services.notify.domain.reports import Receipt
from services.notify.handlers import planning, retention
from services.notify.handlers import receipts as receipt_handlers
from shared.ids import new_id
from tests.integration.notify import card, enrolled, people
from tests.integration.outside import Outside

DAY = "2023-03-01"


@pytest.fixture
async def outside(outside: Outside) -> Outside:
    """Notify with a template that may be sent."""
    await outside.template()
    return outside


async def deliver(outside: Outside, number: int, *, seconds: float = 2.0) -> list[UUID]:
    """So many messages by e-mail, taken, half of them delivered after so long; ids of the messages."""
    desk = outside.desk
    vendors = people(number)
    await desk.hear(*(card(one) for one in vendors), *(enrolled(one) for one in vendors))
    while await desk.route():
        pass
    now = desk.clock.now()
    async with desk.database.transaction() as conn:
        rows = await conn.fetch(
            "UPDATE notification SET state = 'sent', sent_at = $1, settled_at = $1, attempts = 1, provider = 'smtp', "
            "version = 1, attempt_id = gen_random_uuid() WHERE state = 'queued' RETURNING id, attempt_id",
            now,
        )
        await conn.execute(
            "INSERT INTO attempt (id, notification_id, number, channel, began_at, ended_at, outcome, code, "
            "cost_millirupiah) SELECT a, n, 1, 'email', $3, $3, 'accepted', '250', 7 "
            "FROM unnest($1::uuid[], $2::uuid[]) AS t (a, n)",
            [row["attempt_id"] for row in rows],
            [row["id"] for row in rows],
            now,
        )
        told = [
            Receipt("smtp", row["attempt_id"], None, "delivered", now + timedelta(seconds=seconds))
            for row in rows[: number // 2]
        ]
        await receipt_handlers.apply_receipts(conn, told, now=now)
    return [row["id"] for row in rows]


async def ask(outside: Outside, **query: Any) -> dict[str, Any]:
    answer = await outside.get("/figures", **{"from": DAY, "to": "2024-12-31", **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def count(outside: Outside) -> None:
    async with outside.desk.database.transaction() as conn:
        await retention.count_figures(conn, "", outside.desk.clock.now())


async def forget(outside: Outside) -> None:
    async with outside.desk.database.transaction() as conn:
        await retention.forgets(7, 400)(conn, "", outside.desk.clock.now())


async def test_figures_are_the_same_before_and_after_they_are_counted_and_outlive_the_messages(
    outside: Outside,
) -> None:
    await deliver(outside, 10)
    clock: Any = outside.desk.clock
    queries: list[dict[str, Any]] = [
        {},
        {"by": "day,channel,provider,template,lane,code"},
        {"about": "message", "by": "template"},
        {"by": ""},
    ]
    before = [await ask(outside, **query) for query in queries]
    assert before[0]["items"][0]["outcomes"] == {"accepted": 5, "delivered": 5}
    assert before[0]["items"][0]["not_told"] == 5, "taken by a mail server, and more nobody knows"
    assert before[0]["items"][0]["rates"] == {"failed": 0.0}
    assert before[0]["items"][0]["cost_millirupiah"] == 70
    assert 1.0 <= before[0]["items"][0]["p50_seconds"] <= 2.5
    clock.advance(days=2, seconds=1)
    await asyncio.gather(*(count(outside) for _ in range(4)))  # however many count at once
    assert [await ask(outside, **query) for query in queries] == before
    clock.advance(days=420)
    await forget(outside)
    await forget(outside)
    async with outside.desk.database.read() as conn:
        for table in ("notification", "attempt", "receipt"):
            assert await conn.fetchval(f"SELECT count(*) FROM {table}") == 0  # noqa: S608 - names above
    assert [await ask(outside, **query) for query in queries] == before


async def test_a_count_that_is_killed_counts_nothing_and_the_next_all(outside: Outside) -> None:
    await deliver(outside, 4)
    before = await ask(outside)
    outside.desk.clock.advance(days=3)  # type: ignore[attr-defined]  # the clock of tests
    async with outside.desk.database.pool.acquire() as conn:
        dying = conn.transaction()
        await dying.start()
        await retention.count_figures(conn, "", outside.desk.clock.now())
        await dying.rollback()
    assert await ask(outside) == before
    for _ in range(3):
        await count(outside)
    assert await ask(outside) == before
    async with outside.desk.database.read() as conn:
        assert await conn.fetchval("SELECT sum(n) FROM daily_figure WHERE about = 'message'") == 4


async def test_what_messages_say_goes_after_a_week_and_what_became_of_them_stays(outside: Outside) -> None:
    ids = await deliver(outside, 4)
    clock: Any = outside.desk.clock
    clock.advance(days=6)
    await forget(outside)
    assert (await outside.get(f"/notifications/{ids[0]}")).json()["text"] is not None
    clock.advance(days=1, seconds=1)
    await forget(outside)
    for one in ids:
        life = (await outside.get(f"/notifications/{one}")).json()
        assert (life["params"], life["text"], life["language"]) == ({}, None, None)
        assert life["bodies_gone_at"] is not None
        assert life["attempt_list"][0]["outcome"] == "accepted"
    refused = await outside.post(f"/notifications/{ids[0]}/resend", {"reason": "tidak sampai", "again": True})
    assert refused.json()["details"]["because"] == "body-gone"


async def test_what_may_still_leave_keeps_its_words(outside: Outside) -> None:
    ids = await deliver(outside, 1)
    async with outside.desk.database.transaction() as conn:
        await conn.execute("UPDATE notification SET deadline = deadline + interval '60 days'")
    outside.desk.clock.advance(days=30)  # type: ignore[attr-defined]  # the clock of tests
    await forget(outside)
    assert (await outside.get(f"/notifications/{ids[0]}")).json()["text"] is not None


async def test_a_person_of_two_ids_is_still_told_once_when_the_words_are_gone(outside: Outside) -> None:
    first, second = people(2)
    await outside.desk.hear(card(first), card(second))
    async with outside.desk.database.transaction() as conn:
        await conn.execute("INSERT INTO family VALUES ($1, $2), ($2, $2)", second, first)
    event, at = enrolled(first), outside.desk.clock.now()
    async with outside.desk.database.transaction() as conn:
        await planning.plan_notifications(conn, [(event, Cause(new_id(), at))], now=at)
        await conn.execute("UPDATE notification SET state = 'sent', settled_at = $1", at)
    outside.desk.clock.advance(days=8)  # type: ignore[attr-defined]  # the clock of tests
    await forget(outside)
    async with outside.desk.database.transaction() as conn:
        again = event.model_copy(update={"vendor_id": second})
        await planning.plan_notifications(conn, [(again, Cause(new_id(), at))], now=outside.desk.clock.now())
    assert len(await outside.desk.rows()) == 1


async def test_guests_go_with_their_messages(outside: Outside) -> None:
    key = await outside.key("test")
    await outside.sent(key, {"email": "delivered@simulator.lapak.invalid"})
    async with outside.desk.database.transaction() as conn:
        assert await conn.fetchval("SELECT count(*) FROM contact WHERE kind = 'guest'") == 1
        await conn.execute("UPDATE notification SET state = 'sent', settled_at = planned_at")
    outside.desk.clock.advance(days=8)  # type: ignore[attr-defined]  # the clock of tests
    await forget(outside)
    await forget(outside)
    async with outside.desk.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM contact WHERE kind = 'guest'") == 0


async def test_what_test_keys_send_is_counted_apart(outside: Outside) -> None:
    key = await outside.key("test")
    await outside.sent(key, {"email": "delivered@simulator.lapak.invalid"})
    async with outside.desk.database.transaction() as conn:
        await conn.execute("UPDATE notification SET state = 'sent', settled_at = planned_at")
    assert (await ask(outside, about="message"))["items"] == []
    assert (await ask(outside, about="message", mode="test"))["items"][0]["n"] == 1


async def test_figures_are_for_officers_and_by_what_there_is(outside: Outside) -> None:
    assert (await outside.get("/figures", role="vendor")).status_code == 403
    assert (await outside.get("/figures", role="officer")).status_code == 200
    wrong = await outside.get("/figures", by="vendor_id")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "figures-refused")


async def test_many_rows_are_removed_in_small_batches(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH_ROWS", 3)
    await deliver(outside, 8)
    outside.desk.clock.advance(days=8)  # type: ignore[attr-defined]  # the clock of tests
    await forget(outside)
    async with outside.desk.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM notification WHERE bodies_gone_at IS NOT NULL") == 3
        due = await conn.fetchval("SELECT due_at FROM timer WHERE kind = 'retention'")
    assert due == outside.desk.clock.now()  # there is more: at once
