"""Receipts in any order, doubled, late, early, of the wrong attempt or of nothing: each message ends as it must."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from services.notify.channels import Letter
from services.notify.domain.delivery import Accepted, Ambiguous
from services.notify.domain.reports import Status
from services.notify.handlers import delivery as delivery_handlers
from services.notify.handlers import receipts as handlers
from services.notify.handlers.delivery import End
from services.notify.store.delivery import Start
from shared.ids import new_id
from tests.integration.backbone import until
from tests.integration.notify import Desk, people
from tests.integration.notify_scripts import Act, Scripted, offers, queue, receipt, report, sending


async def begun(desk: Desk, *route: Any, provider: str = "wa-main") -> tuple[UUID, UUID]:
    """An offer whose attempt is under way; notification and attempt."""
    (notification_id,) = (await offers(desk, people(1), *route)).values()
    (job,) = await desk.claim(channel=route[0])
    attempt_id = new_id()
    start = Start(job.id, job.claim, attempt_id, route[0], "id", provider, b"key")
    async with desk.database.transaction() as conn:
        assert await delivery_handlers.begin_attempts(conn, [start], lease_seconds=60, now=desk.clock.now())
    return notification_id, attempt_id


async def end(desk: Desk, notification_id: UUID, attempt_id: UUID, outcome: Any, provider: str = "wa-main") -> None:
    """The outcome of our own call."""
    async with desk.database.transaction() as conn:
        await delivery_handlers.end_attempts(
            conn, [End(notification_id, attempt_id, outcome, "whatsapp", provider, b"key")], now=desk.clock.now()
        )


async def told(desk: Desk) -> list[str]:
    """The types of events, which are numbered without a gap."""
    found = await desk.published()
    assert [sequence for _, _, sequence in found] == list(range(1, len(found) + 1))
    return [kind for kind, _, _ in found]


async def strays(desk: Desk) -> int:
    """How many receipts of nothing are kept."""
    async with desk.database.read() as conn:
        count: int = await conn.fetchval("SELECT count(*) FROM stray_receipt")
    return count


async def test_a_message_is_sent_delivered_and_read_and_each_is_told_once(desk: Desk) -> None:
    notification_id, attempt_id = await begun(desk, "whatsapp", "sms")
    await end(desk, notification_id, attempt_id, Accepted("200", "wamid.1", cost_millirupiah=400_000))
    for status in ("sent", "sent", "delivered", "read", "delivered", "read", "sent"):
        await report(desk, receipt(desk, "wa-main", attempt_id, status))
    assert await told(desk) == ["NotificationSent", "NotificationDelivered", "NotificationRead"]
    row = await desk.row()
    assert (row["state"], row["channel"]) == ("delivered", "whatsapp")
    assert row["delivered_at"] is not None
    assert row["read_at"] is not None
    (attempt,) = await desk.attempts()
    assert (attempt["status"], attempt["outcome"], attempt["message_id"], attempt["cost_millirupiah"]) == (
        "read",
        "accepted",
        "wamid.1",
        400_000,
    )
    async with desk.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM receipt") == 3


async def test_a_receipt_before_our_own_outcome_is_committed_settles_the_attempt(desk: Desk) -> None:
    notification_id, attempt_id = await begun(desk, "whatsapp", "sms")
    await report(desk, receipt(desk, "wa-main", attempt_id, "delivered", message_id="wamid.1"))
    assert (await desk.row())["state"] == "delivered"
    await end(desk, notification_id, attempt_id, Accepted("200", "wamid.1", cost_millirupiah=400_000))
    assert (await desk.row())["state"] == "delivered"
    assert await told(desk) == ["NotificationSent", "NotificationDelivered"]
    (attempt,) = await desk.attempts()
    assert (attempt["outcome"], attempt["code"], attempt["cost_millirupiah"]) == ("accepted", "200", 400_000)


async def test_a_receipt_clears_up_an_unknown_message(desk: Desk) -> None:
    notification_id, attempt_id = await begun(desk, "whatsapp", "sms")
    await end(desk, notification_id, attempt_id, Ambiguous("timed-out"))
    await report(desk, receipt(desk, "wa-main", attempt_id, "sent"))
    assert (await desk.row())["state"] == "sent"
    assert await told(desk) == ["NotificationUnknown", "NotificationSent"]
    await end(desk, notification_id, attempt_id, Ambiguous("timed-out"))
    assert (await desk.attempts())[0]["outcome"] == "accepted", "what is known is not forgotten"


async def test_a_failure_after_acceptance_goes_to_the_next_channel_and_a_late_delivery_wins_all_the_same(
    desk: Desk,
) -> None:
    notification_id, attempt_id = await begun(desk, "whatsapp", "sms")
    await end(desk, notification_id, attempt_id, Accepted("200", "wamid.1"))
    await report(desk, receipt(desk, "wa-main", attempt_id, "failed", code="131026", kind="unreachable"))
    row = await desk.row()
    assert (row["state"], row["route"], row["reason"]) == ("planned", ["sms"], "131026")
    await report(desk, receipt(desk, "wa-main", attempt_id, "sent"))
    assert (await desk.attempts())[0]["status"] == "failed", "an earlier status does not undo a failure"
    await queue(desk, "sms")
    await report(desk, receipt(desk, "wa-main", attempt_id, "delivered"))
    assert (await desk.row())["state"] == "delivered"
    assert await desk.claim(channel="sms") == [], "what was queued beside it is withdrawn"
    assert await told(desk) == ["NotificationSent", "NotificationChannelFailed", "NotificationDelivered"]
    async with desk.database.read() as conn:
        assert await conn.fetchval("SELECT reason FROM suppression") == "unreachable"


async def test_what_is_already_leaving_elsewhere_when_the_first_arrives_is_only_recorded(desk: Desk) -> None:
    notification_id, first = await begun(desk, "whatsapp", "sms")
    await end(desk, notification_id, first, Accepted("200", "wamid.1"))
    await report(desk, receipt(desk, "wa-main", first, "failed", code="131000"))
    await queue(desk, "sms")
    (job,) = await desk.claim(channel="sms")
    second = new_id()
    start = Start(job.id, job.claim, second, "sms", "id", "sms-a", b"key")
    async with desk.database.transaction() as conn:
        assert await delivery_handlers.begin_attempts(conn, [start], lease_seconds=60, now=desk.clock.now())
    await report(desk, receipt(desk, "wa-main", first, "delivered"))
    await end(desk, notification_id, second, Accepted("201", "SM1"), "sms-a")
    await report(desk, receipt(desk, "sms-a", second, "delivered"))
    await report(desk, receipt(desk, "sms-a", second, "failed", code="30003"))
    row = await desk.row()
    assert (row["state"], row["channel"]) == ("delivered", "whatsapp")
    assert await told(desk) == ["NotificationSent", "NotificationChannelFailed", "NotificationDelivered"]
    assert [one["status"] for one in await desk.attempts()] == ["delivered", "delivered"]
    assert [one["message_id"] for one in await desk.attempts()] == ["wamid.1", "SM1"]


async def test_a_late_failure_of_an_earlier_channel_does_not_end_what_left_by_the_next(desk: Desk) -> None:
    """WhatsApp kept silent, the SMS was taken; then WhatsApp says that it failed."""
    notification_id, first = await begun(desk, "whatsapp", "sms", "email")
    await end(desk, notification_id, first, Accepted("200", "wamid.1"))
    async with desk.database.transaction() as conn:
        assert await delivery_handlers.leave_silent(conn, "whatsapp", 0.0, now=desk.clock.now()) == 1
    await queue(desk, "sms", "email")
    (job,) = await desk.claim(channel="sms")
    second = new_id()
    async with desk.database.transaction() as conn:
        start = Start(job.id, job.claim, second, "sms", "id", "sms-a", b"key")
        assert await delivery_handlers.begin_attempts(conn, [start], lease_seconds=60, now=desk.clock.now())
    await report(desk, receipt(desk, "wa-main", first, "failed", code="131026"))
    row = await desk.row()
    assert (row["state"], row["attempt_id"], row["silent"]) == ("sending", second, False)
    assert row["due_at"] > row["planned_at"], "its lease goes on"
    await end(desk, notification_id, second, Accepted("201", "SM1"), "sms-a")
    await report(desk, receipt(desk, "wa-main", first, "failed", code="131026"))
    row = await desk.row()
    assert (row["state"], row["channel"], row["route"]) == ("sent", "sms", ["email"])


async def test_receipts_of_several_attempts_and_statuses_in_one_call_are_applied_together(desk: Desk) -> None:
    vendors = people(50)
    ids = await offers(desk, vendors, "whatsapp", "sms")
    provider = Scripted("wa-main", "whatsapp")
    async with sending(desk, provider):
        await desk.until("sent", 50)
    statuses: tuple[Status, ...] = ("read", "sent", "delivered", "sent")
    await report(
        desk, *[receipt(desk, "wa-main", one.attempt_id, status) for status in statuses for one in provider.taken]
    )
    assert await desk.states() == {"delivered": 50}
    counts = Counter(kind for kind, _, _ in await desk.published())
    assert counts == dict.fromkeys(("NotificationSent", "NotificationDelivered", "NotificationRead"), len(ids))


@pytest.mark.parametrize("named_by", ["reference of another provider", "no such reference", "no such message id"])
async def test_a_receipt_of_nothing_we_know_is_kept_and_changes_nothing(desk: Desk, named_by: str) -> None:
    notification_id, attempt_id = await begun(desk, "whatsapp", "sms")
    await end(desk, notification_id, attempt_id, Accepted("200", "wamid.1"))
    match named_by:
        case "reference of another provider":
            wrong = receipt(desk, "sms-a", attempt_id, "delivered")
        case "no such reference":
            wrong = receipt(desk, "wa-main", new_id(), "delivered")
        case _:
            wrong = receipt(desk, "wa-main", None, "delivered", message_id="wamid.2")
    for _ in range(2):
        await report(desk, wrong)
    async with desk.database.transaction() as conn:
        assert await handlers.settle_strays(conn, now=desk.clock.now()) == 0
    assert (await desk.row())["state"] == "sent"
    assert await strays(desk) == 1


async def test_a_receipt_that_names_only_the_providers_id_is_applied_once_that_is_known(desk: Desk) -> None:
    notification_id, attempt_id = await begun(desk, "whatsapp", "sms")
    await report(desk, receipt(desk, "wa-main", None, "delivered", message_id="wamid.1"))
    assert ((await desk.row())["state"], await strays(desk)) == ("sending", 1)
    await end(desk, notification_id, attempt_id, Accepted("200", "wamid.1"))
    async with desk.database.transaction() as conn:
        assert await handlers.settle_strays(conn, now=desk.clock.now()) == 1
    assert ((await desk.row())["state"], await strays(desk)) == ("delivered", 0)


async def test_strays_are_forgotten_after_a_week(desk: Desk) -> None:
    await report(desk, receipt(desk, "wa-main", None, "delivered", message_id="wamid.1"))
    async with desk.database.transaction() as conn:
        assert await handlers.forget_strays(conn, now=desk.clock.now()) == 0
        await conn.execute("UPDATE stray_receipt SET kept_at = kept_at - interval '8 days'")
        assert await handlers.forget_strays(conn, now=desk.clock.now()) == 1


# --- at once


async def test_receipts_outcomes_and_sweeps_of_the_same_messages_at_once_neither_deadlock_nor_lose(desk: Desk) -> None:
    """A provider whose receipts outrun its answers, doubled and out of order, in calls that overlap."""
    vendors = people(120)
    await offers(desk, vendors, "whatsapp", "sms")
    provider = Scripted("wa-main", "whatsapp", delay_seconds=0.01)
    calls: list[asyncio.Task[None]] = []
    gathered: list[Letter] = []

    def script(letter: Letter) -> Act:
        gathered.append(letter)
        if len(gathered) % 10 == 0:
            some = gathered[-25:]
            for statuses in (("delivered", "sent"), ("sent", "read")):
                found = [receipt(desk, "wa-main", one.attempt_id, s) for s in statuses for one in reversed(some)]
                calls.append(asyncio.create_task(report(desk, *found)))
        return Act(Accepted("200", f"m-{letter.attempt_id}"), True)

    provider.script = script
    async with sending(desk, provider):
        await until(lambda: len(gathered) == 120)
        await asyncio.gather(*calls)
        await desk.settled()
    assert await desk.states() == {"delivered": 120}
    assert set(provider.times().values()) == {1}
    sequences: dict[UUID, list[int]] = {}
    for _, key, sequence in await desk.published():
        sequences.setdefault(key, []).append(sequence)
    assert all(found == list(range(1, len(found) + 1)) for found in sequences.values())


async def test_the_same_receipt_in_many_calls_at_once_counts_once(desk: Desk) -> None:
    notification_id, attempt_id = await begun(desk, "whatsapp", "sms")
    await end(desk, notification_id, attempt_id, Accepted("200", "wamid.1"))
    await asyncio.gather(*(report(desk, receipt(desk, "wa-main", attempt_id, "delivered")) for _ in range(8)))
    assert await told(desk) == ["NotificationSent", "NotificationDelivered"]
