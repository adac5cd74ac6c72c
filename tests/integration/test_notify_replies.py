"""What people write back: each message is taken once, questions are answered, the rest waits for an officer, and
words are forgotten."""

import asyncio
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from services.notify.domain.routing import address_key
from services.notify.handlers import queue, replies
from services.notify.handlers.reports import take_reports
from shared.events.bazaar import (
    ApplicantQueued,
    ApplicationCancelled,
    ApplicationRescheduled,
    ApplicationWithdrawn,
    BoothDaysAdded,
    BoothSwapped,
)
from shared.events.rights import VendorErased
from shared.events.training import (
    TrainingClassCancelled,
    TrainingClassMoved,
    TrainingCompleted,
    TrainingEnrolled,
    TrainingWithdrawn,
)
from shared.ids import new_id
from tests.conftest import StandingClock
from tests.integration.notify import card, people
from tests.integration.notify_replies import DAYS, Counter, confirmed, ids, numbers, offered, phone, place, words

TOLD = {"id": "Semua lapak terisi; giliran Anda berikutnya.", "en": "All booths went; you are next."}


# --- what comes in


async def test_one_message_is_taken_once_however_often_and_at_once_it_is_brought(counter: Counter) -> None:
    (vendor,) = await counter.meet()
    await counter.desk.hear(offered(vendor, counter.now))
    said = counter.said(vendor, "YA", channel="whatsapp")
    await counter.crowd()
    taken = await asyncio.gather(*(counter.take(said, said) for _ in range(8)))
    assert sorted(taken) == [0] * 7 + [1]
    assert await counter.take(said) == 0
    assert len(await counter.rows("reply")) == len(await counter.commands()) == 1
    assert len(await counter.told("ReplyReceived")) == 1


async def test_replies_come_with_whatever_else_a_provider_reports(counter: Counter) -> None:
    (vendor,) = await counter.meet()
    await counter.desk.hear(offered(vendor, counter.now))
    async with counter.desk.database.transaction() as conn:
        await take_reports(conn, [counter.said(vendor, "ya")], sealer=counter.desk.sealer, now=counter.now)
    assert len(await counter.commands()) == 1


async def test_what_nobody_we_know_writes_is_queued_without_a_person_and_not_answered(counter: Counter) -> None:
    row = await counter.say("6281199990000", "ya", channel="whatsapp")
    assert (row["vendor_id"], row["state"]) == (None, "open")
    assert await counter.desk.rows() == []
    (event,) = await counter.told("ReplyReceived")
    assert (event["vendor_id"], event["queued"]) == (None, True)
    assert "81199990000" not in str(await counter.rows("reply")), "no address in clear"


# --- STOP and MULAI


async def test_after_stop_an_offer_goes_another_way_and_the_stop_is_confirmed_once(counter: Counter) -> None:
    (vendor,) = await counter.meet()
    await asyncio.gather(*(counter.take(counter.said(vendor, "STOP", channel="whatsapp")) for _ in range(3)))
    await counter.desk.hear(offered(vendor, counter.now))
    await counter.route()
    sent = {row["template"]: row["channel"] for row in await counter.desk.rows()}
    assert sent == {"reply-stopped": "whatsapp", "booth-assigned": "sms"}
    (event,) = await counter.told("MessagesStopped")
    assert (event["vendor_id"], event["channel"], event["by"]) == (str(vendor), "whatsapp", "reply")
    await counter.say(vendor, "stop")
    await counter.desk.hear(offered(vendor, counter.now))
    await counter.route()
    assert (await counter.desk.rows())[-1]["channel"] == "email"
    await counter.say(vendor, "mulai", channel="whatsapp")
    await counter.desk.hear(offered(vendor, counter.now))
    await counter.route()
    assert (await counter.desk.rows())[-1]["channel"] == "whatsapp"
    assert len(await counter.told("MessagesResumed")) == 1
    assert [row["template"] for row in await counter.answers()] == ["reply-stopped", "reply-stopped", "reply-started"]


async def test_the_stop_of_nobody_we_know_holds_for_the_address(counter: Counter) -> None:
    number = phone(next(numbers))
    row = await counter.say(number, "STOP")
    assert row["state"] == "handled"
    (vendor,) = people(1)
    await counter.desk.hear(card(vendor, phone=number), offered(vendor, counter.now))
    await counter.route()
    assert (await counter.desk.row())["channel"] == "whatsapp", "SMS was stopped, WhatsApp was not"


# --- KENAPA and JADWAL


def waiting(vendor_id: UUID, place: int = 3, **more: Any) -> ApplicantQueued:
    fields: dict[str, Any] = {
        "application_id": new_id(),
        "bazaar_id": new_id(),
        "vendor_id": vendor_id,
        "bazaar_name": "Bazar Jakpreneur",
        "place": place,
        "because": {},
        "ahead": {},
        "explanation": TOLD,
    }
    return ApplicantQueued.model_validate({**fields, **more})


async def test_kenapa_is_answered_by_the_reason_of_the_last_round(counter: Counter, clock: StandingClock) -> None:
    (vendor,) = await counter.meet()
    await counter.say(vendor, "kenapa?")
    await counter.desk.hear(waiting(vendor, explanation={"id": "Lama.", "en": "Old."}))
    clock.advance(days=14)
    await counter.desk.hear(waiting(vendor))
    await counter.say(vendor, "knp ya", channel="whatsapp")
    rule, told = await counter.answers()
    assert rule["template"] == "reply-why-rule"
    assert TOLD["id"] in words(told, "whatsapp")
    assert TOLD["en"] in words(told, "whatsapp", "en")


async def test_jadwal_lists_booths_and_classes_to_come(counter: Counter, clock: StandingClock) -> None:
    (vendor,) = await counter.meet()
    made = offered(vendor, counter.now)
    class_id = new_id()
    course = {"vendor_id": vendor, "class_id": class_id, "course": "dasar", "title": "Dasar Kewirausahaan"}
    await counter.say(vendor, "jadwal")
    await counter.desk.hear(
        made, confirmed(made), TrainingEnrolled.model_validate({**course, "days": [date(2023, 3, 10)]})
    )
    await counter.say(vendor, "jadwal")
    await counter.desk.hear(
        ApplicationRescheduled(**ids(made), days_before=DAYS, days=[date(2023, 3, 8)]),
        TrainingClassMoved.model_validate({**course, "days": [date(2023, 3, 9)], "days_before": [date(2023, 3, 10)]}),
    )
    await counter.say(vendor, "jadwal")
    clock.advance(days=60)
    await counter.say(vendor, "jadwal")
    nothing, both, moved, over = [words(row) for row in await counter.answers()]
    assert nothing == over == "Lapak: Saat ini belum ada jadwal bazar atau pelatihan untuk Anda."
    assert both == (
        "Lapak: Jadwal Anda: pelatihan Dasar Kewirausahaan, Jum 10 Mar; "
        "lapak A07 Bazar Jakpreneur (Rusun Karang Anyar), Sen 20 & Sel 21 Mar."
    )
    assert moved.index("Rab 8 Mar") < moved.index("Kam 9 Mar")


async def test_standings_follow_every_event_and_places_that_are_gone_are_forgotten(counter: Counter) -> None:
    (vendor,) = await counter.meet()
    kept, gone = offered(vendor, counter.now), offered(vendor, counter.now)
    course = {"vendor_id": vendor, "course": "dasar", "title": "Dasar"}
    classes = [new_id() for _ in range(4)]
    grown = [*DAYS, date(2023, 3, 22)]
    await counter.desk.hear(
        kept,
        gone,
        confirmed(kept),
        BoothDaysAdded(**{**ids(kept), **place(kept), "added": grown[2:], "days": grown}),
        BoothSwapped(**{**ids(kept), **place(kept), "swap_id": new_id(), "booth": "C03", "days": grown}),
        ApplicationCancelled(**ids(gone), days=DAYS, reason="weather", had_booth=True, turn_returned=True),
        ApplicationWithdrawn(application_id=new_id(), bazaar_id=new_id(), vendor_id=vendor),
        *(TrainingEnrolled.model_validate({**course, "class_id": one, "days": DAYS}) for one in classes),
        TrainingWithdrawn.model_validate({**course, "class_id": classes[0], "by": "vendor"}),
        TrainingWithdrawn.model_validate({**course, "class_id": classes[1], "by": "vendor", "waited_only": True}),
        TrainingClassCancelled.model_validate({**course, "class_id": classes[2], "reason": "venue"}),
        TrainingCompleted.model_validate(
            {
                **course,
                "class_id": classes[3],
                "completed_on": DAYS[0],
                "sessions_attended": 1,
                "sessions_held": 1,
            }
        ),
        TrainingClassMoved.model_validate({**course, "class_id": new_id(), "days": DAYS, "days_before": DAYS}),
    )
    standing = {row["application_id"]: row for row in await counter.rows("application_standing")}
    assert (standing[kept.application_id]["booth"], standing[kept.application_id]["days"]) == ("C03", grown)
    assert standing[gone.application_id]["state"] == "cancelled"
    assert len(standing) == 2, "of an application that was never heard of there is nothing to say"
    assert [row["class_id"] for row in await counter.rows("class_standing")] == [classes[1]]


# --- what a person must read


async def test_who_writes_something_else_hears_once_a_day_that_an_officer_will_answer(
    counter: Counter, clock: StandingClock
) -> None:
    (vendor,) = await counter.meet()
    await counter.say(vendor, "boleh tukar hari?")
    await counter.say(vendor, "halo?")
    clock.advance(hours=23)
    await counter.say(vendor, "halo")
    assert [row["template"] for row in await counter.answers()] == ["reply-wait"]
    clock.advance(hours=2)
    await counter.say(vendor, "halo")
    assert len(await counter.answers()) == 2
    assert {row["state"] for row in await counter.rows("reply")} == {"open"}


async def test_a_machine_that_answers_our_answers_meets_silence(counter: Counter, clock: StandingClock) -> None:
    (vendor,) = await counter.meet()
    for _ in range(replies.ECHOES_PER_HOUR_MAX + 3):
        await counter.say(vendor, "jadwal")
    assert len(await counter.answers()) == replies.ECHOES_PER_HOUR_MAX
    assert [row["state"] for row in await counter.rows("reply")][-3:] == ["open"] * 3
    await counter.desk.hear(offered(vendor, counter.now))
    await counter.say(vendor, "ya")
    assert len(await counter.commands()) == 1, "what it asks for is done all the same"
    clock.advance(hours=1, seconds=1)
    await counter.say(vendor, "jadwal")
    assert len(await counter.answers()) == replies.ECHOES_PER_HOUR_MAX + 1


async def test_a_conversation_on_whatsapp_is_open_for_a_day_after_the_last_message(
    counter: Counter, clock: StandingClock
) -> None:
    (vendor,) = await counter.meet()
    start = counter.now
    await counter.say(vendor, "jadwal", channel="whatsapp")
    await counter.say(vendor, "jadwal", channel="whatsapp", at=start - timedelta(hours=3))
    await counter.say(vendor, "jadwal", channel="whatsapp", at=start + timedelta(hours=3))
    await counter.say(vendor, "jadwal")
    (window,) = await counter.rows("conversation_window")
    key = address_key(counter.desk.sealer.blind_index, "whatsapp", counter.phones[vendor])
    assert (window["provider"], window["address_key"]) == ("wa-main", key)
    assert window["until"] == start + replies.WINDOW, "a clock ahead of ours opens nothing for longer"


# --- erasure and forgetting


async def test_of_an_erased_person_nothing_is_left_and_its_later_words_are_nobodys(counter: Counter) -> None:
    vendor, other = await counter.meet(2)
    await counter.desk.hear(card(other, phone=counter.phones[vendor]))
    made = offered(vendor, counter.now)
    await counter.desk.hear(
        made,
        waiting(vendor),
        TrainingEnrolled(vendor_id=vendor, class_id=new_id(), course="d", title="Dasar", days=DAYS),
    )
    await counter.say(vendor, "halo")
    await counter.desk.hear(card(other, phone=phone(next(numbers))))
    await counter.say(vendor, "ya")
    await counter.say(vendor, "halo")
    await counter.desk.hear(VendorErased(vendor_id=vendor, erasure_id=new_id()))
    await counter.desk.hear(confirmed(made), offered(vendor, counter.now))
    for table in ("application_standing", "class_standing", "offer_answer", "reply_question"):
        assert await counter.rows(table) == [], table
    assert [row["vendor_id"] for row in await counter.rows("reply_candidate")] == [other]
    for row in await counter.rows("reply"):
        assert (row["text_sealed"], row["address_key"], row["application_id"]) == (None, None, None)
        assert row["state"] != "open"
    (receipt,) = await counter.told("NotifyDataErased")
    assert (receipt["erased"]["reply_texts"], receipt["kept"]["replies"]) == (3, 2)
    row = await counter.say(vendor, "ya")
    assert (row["vendor_id"], row["state"]) == (None, "open")
    assert len(await counter.commands()) == 1


async def test_an_erasure_and_a_message_at_once_leave_nothing_of_the_person(counter: Counter) -> None:
    vendors = await counter.meet(6)
    await counter.desk.hear(*(offered(vendor, counter.now) for vendor in vendors))
    for vendor in vendors:
        await asyncio.gather(
            counter.take(counter.said(vendor, "ya"), counter.said(vendor, "halo")),
            counter.desk.hear(VendorErased(vendor_id=vendor, erasure_id=new_id())),
        )
    assert await counter.rows("offer_answer") == []
    assert {row["text_sealed"] for row in await counter.rows("reply") if row["vendor_id"] is not None} <= {None}


async def test_words_are_forgotten_after_a_week_and_standings_a_week_after_their_last_day(
    counter: Counter, clock: StandingClock
) -> None:
    (vendor,) = await counter.meet()
    await counter.desk.hear(offered(vendor, counter.now))
    await counter.say(vendor, "halo", channel="whatsapp")
    clock.advance(days=7)
    await forget(counter)
    (row,) = await counter.rows("reply")
    assert (row["state"], row["text_sealed"] is None) == ("open", False)
    clock.advance(seconds=1)
    await forget(counter)
    (row,) = await counter.rows("reply")
    assert (row["state"], row["settled_because"], row["text_sealed"], row["address_key"]) == (
        "closed",
        "not-answered",
        None,
        None,
    )
    assert await counter.rows("conversation_window") == []
    clock.moment = clock.moment.replace(month=3, day=28, hour=16, minute=59)
    await forget(counter)
    assert len(await counter.rows("application_standing")) == 1
    clock.advance(minutes=1)
    await forget(counter)
    assert await counter.rows("application_standing") == []


async def forget(counter: Counter) -> None:
    async with counter.desk.database.transaction() as conn:
        await queue.forget(conn, "hourly", counter.now)
        assert await conn.fetchval("SELECT due_at FROM timer WHERE kind = $1", queue.FORGET) > counter.now
