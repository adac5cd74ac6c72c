"""The page of a message's life: the words that left by each channel, and its events, found again as they were told."""

from typing import Any
from uuid import UUID

from services.notify.domain.delivery import Accepted, Ambiguous, Outcome, Rejected
from services.notify.domain.keys import KeyKind
from services.notify.handlers import delivery as deliveries
from tests.integration.notify import card, enrolled, people
from tests.integration.notify_scripts import Act, Scripted, offers, receipt, report, route, sending
from tests.integration.outside import PARAMS, TEMPLATE, Outside


def answering(name: str, channel: Any, outcome: Outcome, *, taken: bool = False) -> Scripted:
    """A provider that always does this."""
    return Scripted(name, channel, lambda letter: Act(outcome, taken))


async def life(outside: Outside, notification_id: UUID) -> dict[str, Any]:
    """The page, as an operator reads it."""
    answer = await outside.get(f"/notifications/{notification_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def assert_told_in_full(outside: Outside, notification_id: UUID) -> dict[str, Any]:
    """What the page lists is what the outbox holds: types, numbers, channels; the page."""
    page = await life(outside, notification_id)
    async with outside.desk.database.read() as conn:
        rows = await conn.fetch(
            "SELECT type, sequence, convert_from(payload, 'UTF8')::jsonb ->> 'channel' AS channel FROM outbox "
            "WHERE key = $1 ORDER BY seq",
            str(notification_id),
        )
    found = [(one["type"], one["version"]) for one in page["told"]]
    assert found == [(row["type"], row["sequence"]) for row in rows]
    for one, row in zip(page["told"], rows, strict=True):
        assert one["channel"] in (row["channel"], None)
    assert page["told_untraced"] == 0
    return page


async def test_each_attempt_shows_the_words_that_left_by_its_channel(outside: Outside) -> None:
    desk = outside.desk
    (notification_id,) = (await offers(desk, people(1), "whatsapp", "sms")).values()
    sms = Scripted("sms-a", "sms")
    async with sending(desk, answering("wa-main", "whatsapp", Rejected("131026", "unreachable")), sms):
        await desk.settled()
    page = await assert_told_in_full(outside, notification_id)
    whatsapp, text = page["attempt_list"]
    assert "A07" in text["words"]["body"]
    assert text["words"]["subject"] is None
    assert "\n" not in text["words"]["body"]
    assert whatsapp["words"]["buttons"]
    assert whatsapp["words"]["whatsapp_name"].startswith("lapak_booth_assigned_")
    assert "{{" not in whatsapp["words"]["body"]
    assert "Siti" not in text["words"]["body"]  # an operator sees S*** where the text names the person
    assert page["text"]["subject"] != text["words"]["body"]
    assert [one["reason"] for one in page["told"]] == ["131026", None]
    (letter,) = sms.taken
    shown = letter.content.text.replace("Siti Aminah", "S*** A***")  # type: ignore[union-attr]  # it is an Sms
    assert shown == text["words"]["body"]


async def test_the_events_of_a_message_are_listed_as_they_were_told(outside: Outside) -> None:
    desk = outside.desk
    both = await offers(desk, people(1), "whatsapp", "sms")
    async with sending(
        desk,
        answering("wa-main", "whatsapp", Rejected("131026", "unreachable")),
        answering("sms-a", "sms", Rejected("21211", "address")),
    ):
        await desk.settled()
    await assert_told_in_full(outside, *both.values())
    read = await offers(desk, people(1), "whatsapp")
    provider = Scripted("wa-main", "whatsapp")
    async with sending(desk, provider):
        await desk.settled()
    await report(desk, receipt(desk, "wa-main", provider.taken[0].attempt_id, "delivered"))
    desk.clock.advance(minutes=1)  # type: ignore[attr-defined]  # the clock of tests
    await report(desk, receipt(desk, "wa-main", provider.taken[0].attempt_id, "read"))
    page = await assert_told_in_full(outside, *read.values())
    assert [one["type"] for one in page["told"]] == ["NotificationSent", "NotificationDelivered", "NotificationRead"]
    assert page["told"][2]["at"] > page["told"][1]["at"]
    late = await offers(desk, people(1), "whatsapp", "sms")
    provider = Scripted("wa-main", "whatsapp")
    async with sending(desk, provider):
        await desk.settled()
    await report(desk, receipt(desk, "wa-main", provider.taken[0].attempt_id, "failed"))
    await route(desk)
    await assert_told_in_full(outside, *late.values())
    async with sending(desk, Scripted("sms-a", "sms")):
        await desk.settled()
    await assert_told_in_full(outside, *late.values())


async def test_the_events_of_unknown_expired_and_inbox_messages_too(outside: Outside) -> None:
    desk = outside.desk
    unknown = await offers(desk, people(1), "whatsapp")
    async with sending(desk, answering("wa-main", "whatsapp", Ambiguous("timeout"), taken=True)):
        await desk.until("unknown", 1)
    (unknown_id,) = unknown.values()
    await assert_told_in_full(outside, unknown_id)
    settled = await outside.post(
        f"/notifications/{unknown_id}/settle", {"outcome": "sent", "reason": "ada di log penyedia"}
    )
    assert settled.status_code == 200
    page = await assert_told_in_full(outside, unknown_id)
    assert page["told"][0]["at"] is not None
    (vendor,) = people(1)
    await desk.hear(card(vendor, None), enrolled(vendor))
    await desk.route()  # only e-mail is there, and it has none
    (row,) = [one for one in await desk.rows() if one["vendor_id"] == vendor]
    assert (await assert_told_in_full(outside, row["id"]))["channel"] == "inbox"
    overdue = await offers(desk, people(1), "whatsapp")
    desk.clock.advance(days=3)  # type: ignore[attr-defined]  # the clock of tests
    async with desk.database.transaction() as conn:
        await deliveries.expire_overdue(conn, now=desk.clock.now())
    await assert_told_in_full(outside, *overdue.values())


async def test_what_left_no_trace_is_counted_and_nothing_is_numbered_by_guess(outside: Outside) -> None:
    desk = outside.desk
    (notification_id,) = (await offers(desk, people(1), "whatsapp", "sms")).values()
    async with desk.database.transaction() as conn:  # WhatsApp is paused: left without an attempt
        assert await deliveries.leave_channel(conn, "whatsapp", "channel-paused", now=desk.clock.now()) == 1
    await route(desk)
    async with sending(desk, answering("sms-a", "sms", Accepted("200", "m-1"), taken=True)):
        await desk.settled()
    page = await life(outside, notification_id)
    assert (page["version"], page["told_untraced"]) == (2, 1)
    assert [(one["type"], one["version"]) for one in page["told"]] == [("NotificationSent", None)]


async def test_a_key_whose_template_has_no_form_for_the_phone_is_refused_at_once(outside: Outside) -> None:
    await outside.template()
    await outside.template(name="broadcast-surat", forms=("email", "whatsapp"))
    await outside.template(name="broadcast-pos", forms=("email",))
    kinds: tuple[KeyKind, ...] = ("test", "team")
    await outside.post("/team", {"phone": "+6281234567890"})
    for kind in kinds:
        key = await outside.key(kind)
        phone = {"phone": "+6281234567890"}
        for template, channel in (("broadcast-surat", None), ("broadcast-pos", "whatsapp"), ("broadcast-pos", None)):
            more = {} if channel is None else {"channel": channel}
            refused = await outside.send(key, phone, template=template, **more)
            assert (refused.status_code, refused.json()["code"]) == (422, "template-form-missing")
            problem = refused.json()
            assert template in problem["detail"]
            assert ("WhatsApp" if channel else "SMS") in problem["detail"]
            assert "e-mail address" in problem["detail"]
            assert ("channel: whatsapp" in problem["detail"]) == (template == "broadcast-surat")
        assert (await outside.send(key, phone, template=TEMPLATE)).status_code == 201
        assert (await outside.send(key, phone, template="broadcast-surat", channel="whatsapp")).status_code == 201
    key = await outside.key("test")
    told = await outside.send(key, {"email": "delivered@simulator.lapak.invalid"}, template="broadcast-pos")
    assert told.status_code == 201
    event = await outside.send(key, {"phone": "+620000000001"}, template="booth-assigned", params=PARAMS)
    assert event.json()["code"] == "template-not-sendable"
    assert "GET /v1/templates" in event.json()["detail"]
