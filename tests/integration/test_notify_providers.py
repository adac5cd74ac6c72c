"""Several providers of one channel: shares, failures, coming back slowly, pauses, and what replicas know together."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from services.notify.app import create
from services.notify.channels import Letter
from services.notify.delivery import Outlet
from services.notify.domain.budgets import PAIR_FLIGHT_SECONDS, ProviderBudget
from services.notify.domain.delivery import Ambiguous, Deferred
from services.notify.domain.providers import ResumeProvider
from services.notify.domain.reports import AccountAlert
from services.notify.handlers import providers as handlers
from services.notify.store import claims
from services.notify.store.providers import Failing, Health
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.backbone import until
from tests.integration.notify import QUICK, Desk, people
from tests.integration.notify_scripts import Act, Scripted, accept, offers, receipt, report, sending


def providers(*names: str) -> list[Scripted]:
    return [Scripted(name, "sms") for name in names]


def failing(code: str = "30001", seconds: float | None = None) -> Any:
    """A script: nothing is taken, for all alike."""
    return lambda letter: Act(Deferred(code, "provider", seconds), False)


async def health(desk: Desk, name: str) -> Health:
    """How a provider is, as everybody sees it."""
    async with desk.database.transaction() as conn:
        return {one.provider: one for one in await handlers.note_health(conn, [], [])}[name]


async def test_providers_of_one_channel_share_its_messages_by_weight(desk: Desk) -> None:
    await offers(desk, people(400), "sms")
    much, little = providers("sms-a", "sms-b")
    async with sending(desk, Outlet(much, lines=8, weight=300), Outlet(little, lines=8, weight=100)):
        assert await desk.settled() == {"sent": 400}
    assert len(much.taken) + len(little.taken) == 400
    assert 250 <= len(much.taken) <= 350
    assert {row["provider"] for row in await desk.rows()} == {"sms-a", "sms-b"}


async def test_what_a_provider_that_went_down_still_holds_goes_to_another(desk: Desk) -> None:
    await offers(desk, people(200), "sms")
    first, second = providers("sms-a", "sms-b")
    first.down = "unreachable"
    async with sending(desk, first, second):
        assert await desk.settled() == {"sent": 200}
    assert (len(first.taken), len(second.taken)) == (0, 200)
    assert {row["attempts"] for row in await desk.rows()} == {1}, "a provider that is away costs no attempts"
    assert (await health(desk, "sms-a")).down_seconds is not None


async def test_a_provider_that_fails_gets_little_and_its_messages_leave_by_the_other_at_once(desk: Desk) -> None:
    await offers(desk, people(200), "sms")
    first, second = providers("sms-a", "sms-b")
    first.script = failing()
    began = time.monotonic()
    async with sending(desk, first, second):
        assert await desk.settled() == {"sent": 200}
    assert time.monotonic() - began < 10
    assert len(second.taken) == 200
    tried = Counter(one["provider"] for one in await desk.attempts())
    assert tried["sms-a"] <= 60, "it was left alone after a few"
    assert (await health(desk, "sms-a")).share_percent == 10


async def test_with_no_other_provider_messages_wait_and_one_at_a_time_sees_whether_it_is_back(desk: Desk) -> None:
    await offers(desk, people(100), "sms")
    (only,) = providers("sms-a")
    tries: list[float] = []

    def script(letter: Letter) -> Act:
        tries.append(time.monotonic())
        return Act(Ambiguous("timed-out"), False)

    only.script = script
    async with sending(desk, only, pace=replace(QUICK, lines=16)):
        await asyncio.sleep(2.5)
    assert len(tries) <= 16 + 10, "a provider that answers nothing costs a message per line, and one per look"
    assert (await desk.states())["unknown"] == len(tries)


async def test_a_provider_that_asks_for_time_gets_it_from_all_replicas(desk: Desk) -> None:
    await offers(desk, people(100), "sms")
    (only,) = providers("sms-a")
    only.script = failing("429", 3600)
    async with sending(desk, only), sending(desk, only):
        await until(lambda: _is_left_alone(desk, "sms-a"))
        await asyncio.sleep(0.3)
        tried = len(await desk.attempts())
        await desk.hurry_retries()
        await asyncio.sleep(0.5)
        assert len(await desk.attempts()) == tried
    assert tried <= 2 * 2 * QUICK.lines


async def test_what_a_provider_that_asks_for_time_was_not_given_leaves_as_soon_as_it_is_over(desk: Desk) -> None:
    """Who was about to be written to is not kept back as if a message to them were on its way (half a minute)."""
    vendors = people(8)
    await offers(desk, vendors, "whatsapp")
    only = Scripted("wa", "whatsapp")
    budget = ProviderBudget("wa", "wa", pair_seconds=0.2, tier=8, daily_millirupiah=8000, price_millirupiah=1000)
    held: list[int] = []

    def script(letter: Letter) -> Act:
        return Act(Deferred("130429", "provider", 0.5), False) if not held else accept(letter)

    only.script = script
    async with sending(desk, Outlet(only, lines=1, budget=budget)):
        await until(lambda: _is_left_alone(desk, "wa"))
        held.append(1)
        assert await desk.settled(PAIR_FLIGHT_SECONDS * 0.8) == {"sent": 8}
    assert set(only.times().values()) == {1}
    async with desk.database.read() as conn:
        counted = await conn.fetchval("SELECT recipients FROM budget_portfolio")
        aside = await conn.fetchval("SELECT sum(held_millirupiah)::int FROM budget_recent")
    assert (counted, aside) == (8, 0)


async def _is_left_alone(desk: Desk, name: str) -> bool:
    async with desk.database.read() as conn:
        found: bool = await conn.fetchval(
            "SELECT coalesce(bool_or(opened_until > clock_timestamp()), false) FROM provider_health "
            "WHERE provider = $1",
            name,
        )
    return found


async def test_a_share_comes_back_in_steps_however_many_replicas_say_that_it_works(desk: Desk) -> None:
    async with desk.database.transaction() as conn:
        await handlers.add_providers(conn, [("sms-a", "sms")])
        await handlers.note_health(conn, [Failing("sms-a", 30.0, "unreachable")], [])
    assert (await health(desk, "sms-a")).share_percent == 10
    shares = []
    for _ in range(12):
        async with desk.database.transaction() as conn:
            await conn.execute(
                "UPDATE provider_health SET lowered_at = lowered_at - interval '31 seconds', "
                "raised_at = raised_at - interval '31 seconds'"
            )

        async def tell() -> None:
            async with desk.database.transaction() as conn:
                await handlers.note_health(conn, [], ["sms-a"])

        await asyncio.gather(*(tell() for _ in range(5)))
        shares.append((await health(desk, "sms-a")).share_percent)
    assert shares == [20, 30, 40, 50, 60, 70, 80, 90, 100, 100, 100, 100]
    assert (await health(desk, "sms-a")).down_seconds is None


async def told(desk: Desk) -> list[str]:
    """Events about providers."""
    async with desk.database.read() as conn:
        rows = await conn.fetch("SELECT type, sequence FROM outbox WHERE type LIKE 'Sending%' ORDER BY seq")
    assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
    return [row["type"] for row in rows]


# --- pauses


async def test_trouble_with_the_account_pauses_a_provider_once_and_urgent_messages_leave_by_another_channel(
    desk: Desk,
) -> None:
    await offers(desk, people(40), "whatsapp", "sms")
    first, second = Scripted("wa-main", "whatsapp"), Scripted("sms-a", "sms")
    first.script = lambda letter: Act(Deferred("131031", "provider", pause=True), False)
    async with sending(desk, first, second), sending(desk, first, second):
        assert await desk.settled() == {"sent": 40}
    assert len(second.taken) == 40
    assert await told(desk) == ["SendingPaused"]
    assert (await health(desk, "wa-main")).paused


async def test_what_is_not_urgent_waits_for_a_paused_provider_and_leaves_once_it_is_resumed(desk: Desk) -> None:
    await offers(desk, people(20), "whatsapp", "sms")
    async with desk.database.transaction() as conn:
        await conn.execute("UPDATE notification SET lane = 2")
        await handlers.add_providers(conn, [("wa-main", "whatsapp")])
        await handlers.note_alerts(conn, [AccountAlert("wa-main", "131042", pause=True)] * 2, now=desk.clock.now())
    first, second = Scripted("wa-main", "whatsapp"), Scripted("sms-a", "sms")
    async with sending(desk, first, second):
        await asyncio.sleep(0.6)
        assert await desk.states() == {"queued": 20}
        async with desk.database.transaction() as conn:
            command = ResumeProvider(reason="settled")
            await handlers.resume(conn, "wa-main", command, by="op", now=desk.clock.now())
        assert await desk.settled() == {"sent": 20}
    assert (len(first.taken), len(second.taken)) == (20, 0)


async def test_operators_pause_and_resume_and_nobody_else(
    make_database: MakeDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LAPAK_SMTP", "127.0.0.1:1")
    fresh = await make_database("notify")
    desk, client = Desk(fresh.database, clock, sealer), serve(create, fresh)

    async def act(what: str, reason: str, role: str = "operator", name: str = "sms-a") -> tuple[int, str | None]:
        headers = {"Authorization": f"Bearer {issuer.token('op-1', [role])}", "Idempotency-Key": str(uuid4())}
        answer = await client.post(f"/v1/providers/{name}/{what}", json={"reason": reason}, headers=headers)
        return answer.status_code, answer.json().get("code")

    async def read(path: str) -> list[dict[str, Any]]:
        answer = await client.get(path, headers={"Authorization": f"Bearer {issuer.token('op-1', ['operator'])}"})
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async with desk.database.transaction() as conn:
        await handlers.add_providers(conn, [("sms-a", "sms"), ("smtp", "email")])
    assert await act("pause", "cost", role="service") == (403, "role-missing")
    assert await act("pause", "cost", name="nobody") == (404, "provider-not-found")
    assert await act("pause", "because I say so, +6281234567890") == (422, "invalid")
    at_once = await asyncio.gather(*(act("pause", "cost") for _ in range(3)))
    assert Counter(at_once) == {(200, None): 1, (409, "provider-stands"): 2}
    (paused, mail) = await read("/v1/providers")
    assert (paused["provider"], paused["paused"], paused["code"], mail["paused"]) == ("sms-a", True, "cost", False)
    assert await act("resume", "settled") == (200, None)
    assert await act("resume", "settled") == (409, "provider-stands")
    (resumed, _) = await read("/v1/providers")
    assert (resumed["paused"], resumed["share_percent"]) == (False, 10)
    log = await read("/v1/provider-pauses?provider=sms-a")
    assert [(one["paused"], one["code"], one["actor"]) for one in log] == [
        (False, "settled", "op-1"),
        (True, "cost", "op-1"),
    ]
    assert await told(desk) == ["SendingPaused", "SendingResumed"]
    await report(desk, receipt(desk, "sms-a", None, "delivered", message_id="SM1"))
    (stray,) = await read("/v1/stray-receipts")
    assert (stray["provider"], stray["message_id"], stray["status"]) == ("sms-a", "SM1", "delivered")


# --- claims


async def test_claims_walk_over_nothing_that_is_not_due_or_not_asked_for(desk: Desk) -> None:
    """30,000 wait: in a lane that is closed, on another channel, for a later moment."""
    await offers(desk, people(5), "whatsapp", "sms")
    async with desk.database.transaction() as conn:
        await conn.execute(  # not asked here, and most of the time it takes to write so many
            "ALTER TABLE notification DROP CONSTRAINT notification_event_id_template_vendor_id_key, "
            "DROP CONSTRAINT notification_template_template_version_fkey"
        )
        await conn.execute("DROP INDEX notification_vendor")
        await conn.execute(
            "INSERT INTO notification (id, event_id, template, vendor_id, template_version, params, lane, state, "
            "deadline, cause_at, planned_at, channel, due_at) "
            "SELECT gen_random_uuid(), gen_random_uuid(), n.template, gen_random_uuid(), n.template_version, '{}', "
            "CASE WHEN i % 3 = 0 THEN 1 ELSE 3 END, 'queued', n.deadline, n.cause_at, n.planned_at, "
            "CASE WHEN i % 3 = 1 THEN 'sms' ELSE 'whatsapp' END, "
            "clock_timestamp() + CASE WHEN i % 3 = 0 THEN interval '1 hour' ELSE interval '-1 hour' END "
            "FROM (SELECT * FROM notification LIMIT 1) AS n, generate_series(1, 30000) AS i"
        )
        await conn.execute("UPDATE notification SET lane = 2 WHERE id IN (SELECT id FROM notification WHERE lane = 0)")
    async with desk.database.transaction() as conn:
        await conn.execute("ANALYZE notification")
        found = await conn.fetchval(
            "EXPLAIN (ANALYZE, FORMAT JSON) " + claims.CLAIM_DUE,
            *(new_id(), 100, 30.0, desk.clock.now(), [0, 1, 2], "whatsapp", 0),
        )
    scans = list(_scans(found[0]["Plan"]))
    assert [(one["Index Name"], one["Actual Loops"]) for one in scans] == [("notification_due", 3)]
    assert scans[0]["Actual Rows"] * 3 == pytest.approx(5, abs=1)
    assert scans[0].get("Rows Removed by Filter", 0) == 0
    began = time.perf_counter()
    assert len(await desk.claim(channel="whatsapp", limit=100)) == 100
    assert time.perf_counter() - began < 1


def _scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The scans of messages to be claimed, in a plan."""
    if plan["Node Type"].startswith(("Index Scan", "Seq Scan", "Bitmap")) and plan.get("Alias") == "n_1":
        yield plan
    for part in plan.get("Plans", []):
        yield from _scans(part)
