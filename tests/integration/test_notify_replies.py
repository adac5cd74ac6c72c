"""What people write back: YA and TIDAK reach bazaar once, questions are answered, the rest is read by officers."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from aiokafka import ConsumerRecord

from services.bazaar.allocation.stored import Solved, solve_stored
from services.bazaar.api import rounds
from services.bazaar.numbering import Floor, SiteNumbers, number_stored
from services.notify.app import create
from services.notify.domain.contents import FreeText, Sms
from services.notify.domain.reports import Reply
from services.notify.domain.routing import Rules, address_key
from services.notify.handlers import queue, replies, routing
from services.notify.handlers.reports import take_reports
from services.notify.rendering import compose, release_templates
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.bazaar import (
    ApplicantQueued,
    ApplicationCancelled,
    ApplicationRescheduled,
    ApplicationWithdrawn,
    BoothAssigned,
    BoothConfirmed,
    BoothDaysAdded,
    BoothDeclined,
    BoothOfferLapsed,
    BoothSwapped,
    OfferResponseRefused,
    RespondToOffer,
)
from shared.events.envelope import Envelope, write_headers
from shared.events.notify import Channel
from shared.events.rights import VendorErased
from shared.events.training import (
    TrainingClassCancelled,
    TrainingClassMoved,
    TrainingCompleted,
    TrainingEnrolled,
    TrainingWithdrawn,
)
from shared.events.vendor import VendorMerged, VendorMoved
from shared.ids import new_id
from tests.conftest import StandingClock
from tests.integration.bazaar import Fair, open_fair, site
from tests.integration.notify import Desk, MakeDatabase, card, people
from tests.integration.notify_scripts import Scripted, sending
from tests.integration.test_notify_api import Serve

KARANG_ANYAR = "31.71.02.1002"
DAYS = [date(2023, 3, 20), date(2023, 3, 21)]
TOLD = {"id": "Semua lapak terisi; giliran Anda berikutnya.", "en": "All booths went; you are next."}
ALL = Rules(("whatsapp", "sms", "email"))
_numbers = count(1)


def phone(number: int) -> str:
    return f"+62812000{number:05d}"


@dataclass
class Counter:
    """Where people write to: notify without its HTTP door, and what it did."""

    desk: Desk
    phones: dict[UUID, str] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return self.desk.clock.now()

    async def meet(self, number: int = 1, *, kelurahan: str = KARANG_ANYAR, language: str = "id") -> list[UUID]:
        """So many vendors, each with a phone of its own."""
        vendors = people(number)
        for vendor in vendors:
            self.phones[vendor] = phone(next(_numbers))
        await self.desk.hear(
            *(card(one, language=language, phone=self.phones[one]) for one in vendors),
            *(VendorMoved(vendor_id=one, kelurahan=kelurahan, rw="001", rt="001") for one in vendors),
        )
        return vendors

    def said(self, who: UUID | str, text: str = "", *, channel: Channel = "sms", **more: Any) -> Reply:
        """A message from a vendor's phone, or from a number."""
        address = who if isinstance(who, str) else self.phones[who]
        fields = {"provider": "wa-main" if channel == "whatsapp" else "sms-a", "message_id": uuid4().hex}
        return Reply(**{**fields, "channel": channel, "address": address, "text": text, "at": self.now, **more})

    async def take(self, *said: Reply) -> int:
        """One call of a provider brings these."""
        async with self.desk.database.transaction() as conn:
            return await replies.receive(conn, said, sealer=self.desk.sealer, now=self.now)

    async def say(self, who: UUID | str, text: str = "", **more: Any) -> dict[str, Any]:
        """Somebody writes; its row."""
        said = self.said(who, text, **more)
        assert await self.take(said) == 1
        async with self.desk.database.read() as conn:
            row = await conn.fetchrow("SELECT * FROM reply WHERE message_id = $1", said.message_id)
        assert row is not None
        return dict(row)

    async def crowd(self) -> None:
        """Open every connection of the pool: what is asked for at once from now on really runs at once."""
        pool = self.desk.database.pool
        async with AsyncExitStack() as stack:
            for _ in range(pool.get_max_size()):
                await stack.enter_async_context(pool.acquire())

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """A table, oldest first."""
        async with self.desk.database.read() as conn:
            return [dict(row) for row in await conn.fetch(f'SELECT * FROM "{table}" ORDER BY 1')]  # noqa: S608 - a name

    async def answers(self) -> list[dict[str, Any]]:
        """What goes back because of replies, oldest first."""
        return [row for row in await self.desk.rows() if row["template"].startswith("reply-")]

    async def last_answer(self) -> str:
        """The template of what went back last."""
        return str((await self.answers())[-1]["template"])

    async def commands(self) -> list[tuple[UUID, RespondToOffer]]:
        """What was passed on to bazaar, in order."""
        async with self.desk.database.read() as conn:
            rows = await conn.fetch(
                "SELECT event_id, topic, key, sequence, payload FROM outbox WHERE type = 'RespondToOffer' ORDER BY seq"
            )
        found = []
        for row in rows:
            command = RespondToOffer.from_bytes(row["payload"])
            assert (row["topic"], row["key"]) == (RespondToOffer.topic, str(command.application_id))
            assert row["sequence"] is None, "a command has no version"
            found.append((row["event_id"], command))
        return found

    async def told(self, kind: str) -> list[dict[str, Any]]:
        """Bodies of the events of a type."""
        async with self.desk.database.read() as conn:
            rows = await conn.fetch("SELECT key, sequence, payload FROM outbox WHERE type = $1 ORDER BY seq", kind)
        return [json.loads(row["payload"]) for row in rows]

    async def route(self) -> None:
        """Route what is planned, with every channel there."""
        async with self.desk.database.transaction() as conn:
            await routing.route_planned(conn, rules=ALL, sealer=self.desk.sealer, now=self.now)

    async def sent_as(self, notification: Mapping[str, Any], message_id: str) -> None:
        """A message left by WhatsApp, and the provider called it so."""
        async with self.desk.database.transaction() as conn:
            await conn.execute(
                "INSERT INTO attempt (id, notification_id, number, channel, began_at, provider, message_id, outcome) "
                "VALUES ($1, $2, 1, 'whatsapp', $3, 'wa-main', $4, 'accepted')",
                new_id(),
                notification["id"],
                self.now,
                message_id,
            )


@pytest.fixture
def counter(desk: Desk) -> Counter:
    """Notify, reached by phone."""
    return Counter(desk)


def offered(vendor_id: UUID, now: datetime, *, hours: float = 24, **more: Any) -> BoothAssigned:
    fields: dict[str, Any] = {
        "application_id": new_id(),
        "bazaar_id": new_id(),
        "vendor_id": vendor_id,
        "bazaar_name": "Bazar Jakpreneur",
        "site_id": "sb",
        "site_name": "Rusun Karang Anyar",
        "booth": "A07",
        "days": DAYS,
        "respond_by": now + timedelta(hours=hours),
    }
    return BoothAssigned.model_validate({**fields, **more})


def ids(event: BoothAssigned) -> dict[str, Any]:
    return event.model_dump(include={"application_id", "bazaar_id", "vendor_id", "bazaar_name"})


def place(event: BoothAssigned) -> dict[str, Any]:
    return event.model_dump(include={"site_id", "site_name", "booth", "days"})


def confirmed(event: BoothAssigned) -> BoothConfirmed:
    return BoothConfirmed(**ids(event), **place(event))


def declined(event: BoothAssigned) -> BoothDeclined:
    return BoothDeclined(**ids(event), site_id="sb")


# --- YA and TIDAK


@pytest.mark.parametrize(("text", "answer"), [("YA", "confirm"), ("tidak pak", "decline")])
async def test_an_answer_to_the_open_offer_is_passed_on_to_bazaar(counter: Counter, text: str, answer: str) -> None:
    (vendor,) = await counter.meet()
    made = offered(vendor, counter.now)
    await counter.desk.hear(made)
    row = await counter.say(vendor, text)
    ((_, command),) = await counter.commands()
    assert command == RespondToOffer(application_id=made.application_id, vendor_id=vendor, answer=answer)
    assert (row["state"], row["vendor_id"], row["application_id"]) == ("handled", vendor, made.application_id)
    assert await counter.answers() == [], "bazaar's own answer is told by its own message"
    (event,) = await counter.told("ReplyReceived")
    assert (event["vendor_id"], event["channel"], event["queued"]) == (str(vendor), "sms", False)
    assert b"YA" not in row["text_sealed"]
    assert counter.desk.sealer.open(row["text_sealed"], row["reply_id"].bytes).decode() == text


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


async def test_of_many_a_yes_at_once_one_is_passed_on(counter: Counter) -> None:
    vendors = await counter.meet(4)
    await counter.desk.hear(*(offered(vendor, counter.now) for vendor in vendors))
    await counter.crowd()
    await asyncio.gather(*(counter.take(counter.said(vendor, "ya")) for _ in range(5) for vendor in vendors))
    assert sorted(command.vendor_id for _, command in await counter.commands()) == sorted(vendors)
    assert [row["params"]["state"] for row in await counter.answers()] == ["passed-on"] * 16


async def test_a_yes_and_a_no_at_once_both_reach_bazaar_which_decides(counter: Counter) -> None:
    (vendor,) = await counter.meet()
    made = offered(vendor, counter.now)
    await counter.desk.hear(made)
    await counter.crowd()
    await asyncio.gather(counter.take(counter.said(vendor, "ya")), counter.take(counter.said(vendor, "tidak")))
    (_, first), (second_id, second) = await counter.commands()
    assert {first.answer, second.answer} == {"confirm", "decline"}
    # bazaar took the first, and refuses the second
    event = confirmed(made) if first.answer == "confirm" else declined(made)
    await counter.desk.hear(event)
    refused = OfferResponseRefused(
        command_id=second_id, application_id=made.application_id, code="no-open-offer", reason="-"
    )
    await counter.desk.hear(refused)
    (told,) = await counter.answers()
    assert (told["template"], told["params"]["state"]) == (
        "reply-offer-refused",
        {"confirm": "confirmed"}.get(first.answer, "declined"),
    )
    assert {row["outcome"] for row in await counter.rows("offer_answer")} == {"done", "no-open-offer"}


async def test_a_yes_to_what_is_confirmed_is_harmless(counter: Counter) -> None:
    (vendor,) = await counter.meet()
    made = offered(vendor, counter.now)
    await counter.desk.hear(made, confirmed(made))
    await counter.say(vendor, "YA")
    assert await counter.commands() == []
    (told,) = await counter.answers()
    assert (told["template"], told["params"]["state"]) == ("reply-offer-state", "confirmed")
    assert (told["route"], told["lane"], told["topic"], told["must"]) == (["sms"], 0, "offers", True)
    await counter.say(vendor, "tidak")
    ((_, command),) = await counter.commands()
    assert command.answer == "decline", "what follows is for bazaar to say"


async def test_a_refusal_is_explained_once_and_only_to_who_answered(counter: Counter) -> None:
    (vendor,) = await counter.meet()
    made = offered(vendor, counter.now)
    await counter.desk.hear(made)
    await counter.say(vendor, "YA", channel="whatsapp")
    ((command_id, _),) = await counter.commands()
    for answered in (command_id, new_id(), command_id):
        refused = OfferResponseRefused(
            command_id=answered, application_id=made.application_id, code="offer-expired", reason="-"
        )
        await counter.desk.hear(refused)
    (told,) = await counter.answers()
    assert (told["template"], told["vendor_id"], told["route"]) == ("reply-offer-refused", vendor, ["whatsapp", "sms"])
    assert told["params"]["code"] == "offer-expired"


async def test_a_yes_after_the_deadline_hears_so(counter: Counter, clock: StandingClock) -> None:
    (vendor,) = await counter.meet()
    made = offered(vendor, counter.now, hours=1)
    await counter.desk.hear(made)
    clock.advance(hours=1, microseconds=1)
    await counter.say(vendor, "YA")
    await counter.desk.hear(BoothOfferLapsed(**ids(made), site_id="sb"))
    await counter.say(vendor, "YA")
    assert [row["params"]["state"] for row in await counter.answers()] == ["lapsed", "lapsed"]
    assert await counter.commands() == []


async def test_of_several_offers_the_person_chooses_by_number(counter: Counter) -> None:
    (vendor,) = await counter.meet()
    late, soon = offered(vendor, counter.now, hours=9), offered(vendor, counter.now, hours=5, booth="B01")
    await counter.desk.hear(late, soon)
    await counter.say(vendor, "ya")
    (asked,) = await counter.answers()
    assert asked["template"] == "reply-offer-which"
    assert [one["booth"] for one in asked["params"]["offers"]] == ["B01", "A07"]
    assert await counter.commands() == []
    await counter.say(vendor, "3")
    assert [row["template"] for row in await counter.answers()] == ["reply-offer-which"] * 2
    await counter.say(vendor, "2")
    ((_, command),) = await counter.commands()
    assert (command.application_id, command.answer) == (late.application_id, "confirm")
    row = await counter.say(vendor, "1")
    assert row["state"] == "open", "the question was answered: a number means nothing any more"


async def test_the_message_that_is_answered_says_which_offer_is_meant(counter: Counter) -> None:
    (vendor,) = await counter.meet()
    one, other = offered(vendor, counter.now, hours=9), offered(vendor, counter.now, hours=5)
    await counter.desk.hear(one, other)
    message = next(
        row for row in await counter.desk.rows() if row["params"]["application_id"] == str(one.application_id)
    )
    await counter.sent_as(message, "wamid.1")
    row = await counter.say(vendor, "ya", channel="whatsapp", in_reply_to="wamid.1")
    button = f"TIDAK:{other.application_id}"
    await counter.say(vendor, "TIDAK", channel="whatsapp", button=button)
    (_, yes), (_, no) = await counter.commands()
    assert (yes.application_id, yes.answer) == (one.application_id, "confirm")
    assert (no.application_id, no.answer) == (other.application_id, "decline")
    assert row["about_notification_id"] == message["id"]


async def test_a_yes_to_another_message_is_no_yes_to_the_offer(counter: Counter) -> None:
    (vendor,) = await counter.meet()
    await counter.desk.hear(
        offered(vendor, counter.now),
        TrainingEnrolled(vendor_id=vendor, class_id=new_id(), course="d", title="Dasar", days=DAYS),
    )
    message = next(row for row in await counter.desk.rows() if row["template"] == "training-enrolled")
    await counter.sent_as(message, "wamid.2")
    row = await counter.say(vendor, "ya", channel="whatsapp", in_reply_to="wamid.2")
    assert (row["state"], await counter.commands()) == ("open", [])


async def test_somebody_elses_button_answers_nothing(counter: Counter) -> None:
    vendor, other = await counter.meet(2)
    made = offered(other, counter.now)
    await counter.desk.hear(made)
    row = await counter.say(vendor, "YA", channel="whatsapp", button=f"YA:{made.application_id}")
    assert (row["state"], row["application_id"], await counter.commands()) == ("open", None, [])


async def test_a_person_with_several_ids_answers_for_all_of_them(counter: Counter) -> None:
    vendor, other = await counter.meet(2)
    made = offered(other, counter.now)
    await counter.desk.hear(made, VendorMerged(vendor_id=other, into=vendor, merge_id=new_id()))
    row = await counter.say(vendor, "ya")
    ((_, command),) = await counter.commands()
    assert command.vendor_id == other, "bazaar knows the application by this id"
    assert row["vendor_id"] == vendor, "what goes back goes to the phone that wrote"


# --- one phone, several people; and nobody


async def test_of_people_with_one_phone_the_one_who_is_meant_answers(counter: Counter) -> None:
    vendor, other = await counter.meet(2)
    shared_phone = counter.phones[vendor]
    await counter.desk.hear(card(other, phone=shared_phone))
    made = offered(other, counter.now)
    await counter.desk.hear(made)
    row = await counter.say(shared_phone, "ya")
    assert row["vendor_id"] == other, "the one who has an offer"
    await counter.desk.hear(offered(vendor, counter.now))
    row = await counter.say(shared_phone, "tidak")
    assert (row["state"], row["vendor_id"]) == ("open", None)
    assert {one["vendor_id"] for one in await counter.rows("reply_candidate")} == {vendor, other}
    row = await counter.say(shared_phone, "tidak", channel="whatsapp", button=f"TIDAK:{made.application_id}")
    assert row["vendor_id"] == other
    assert [command.answer for _, command in await counter.commands()] == ["confirm", "decline"]


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
    number = phone(next(_numbers))
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


def words(notification: Mapping[str, Any], channel: Channel = "sms", language: str = "id") -> str:
    """What goes over a channel."""
    content = compose(
        release_templates()[notification["template"]],
        channel,
        language=language,
        params=notification["params"],
        name="Siti",
        notification_id=notification["id"],
    )
    assert isinstance(content, FreeText if channel == "whatsapp" else Sms)
    return content.text


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
    await counter.desk.hear(card(other, phone=phone(next(_numbers))))
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


# --- the whole way


async def test_a_yes_by_phone_makes_the_booth_the_vendors(
    counter: Counter,
    make_database: MakeDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def solve_here(problem: bytes, floor: Floor) -> tuple[Solved, list[SiteNumbers]]:
        solved = solve_stored(problem)
        return solved, number_stored(solved.result, floor)

    monkeypatch.setattr(rounds, "solve_and_number", solve_here)  # a process apart takes two seconds
    fair: Fair = await open_fair(make_database, serve, issuer, clock, sealer)
    vendors = await fair.register(3)
    for vendor in vendors:
        counter.phones[vendor] = phone(next(_numbers))
    await counter.desk.hear(*(card(vendor, phone=counter.phones[vendor]) for vendor in vendors))
    bazaar_id = await fair.announce([site("one", 2)])
    applications = await fair.apply_all(bazaar_id, vendors)
    await fair.allocate(bazaar_id)
    known: set[UUID] = set()

    async def bring_news() -> None:
        """What bazaar published since the last time reaches notify."""
        async with fair.database.read() as conn:
            rows = await conn.fetch("SELECT event_id, type, key, sequence, topic, payload FROM outbox ORDER BY seq")
        fresh = [row for row in rows if row["event_id"] not in known]
        known.update(row["event_id"] for row in fresh)
        records: list[ConsumerRecord] = []
        for row in fresh:
            envelope = Envelope(
                row["event_id"], row["type"], "lapak/bazaar", counter.now, row["key"], row["sequence"], None
            )
            records.append(counter.desk.raw(row["topic"], row["key"].encode(), row["payload"], write_headers(envelope)))
        await counter.desk.consumer(BoothAssigned.topic).handle(records)

    async def bring_answers() -> None:
        """What was passed on reaches bazaar; twice, as after a crash of the relay."""
        records = [fair.record(command, message_id=command_id) for command_id, command in await counter.commands()]
        again = [fair.record(command, message_id=command_id) for command_id, command in await counter.commands()]
        await fair.consume(*records, *again)

    await bring_news()
    states = dict(zip(applications, await fair.states(applications), strict=True))
    yes, no = (vendors[applications.index(one)] for one, state in states.items() if state == "offered")
    (third,) = (vendors[applications.index(one)] for one, state in states.items() if state == "queued")
    await counter.say(yes, "Iya, saya mau 🙏", channel="whatsapp")
    await counter.say(no, "maaf tidak bisa")
    await bring_answers()
    await bring_news()
    assert await fair.states([applications[vendors.index(one)] for one in (yes, no, third)]) == [
        "confirmed",
        "declined",
        "offered",
    ]
    assert await counter.answers() == [], "each has bazaar's own message"
    sent = {(row["vendor_id"], row["template"]) for row in await counter.desk.rows()}
    assert {(yes, "booth-confirmed"), (no, "booth-declined"), (third, "booth-assigned")} <= sent
    await counter.say(no, "ya")
    await bring_answers()
    await bring_news()
    assert await counter.last_answer() == "reply-offer-refused"
    await counter.say(third, "oke siap")
    await bring_answers()
    await bring_news()
    assert await fair.states([applications[vendors.index(third)]]) == ["confirmed"]
    await fair.assert_booths_are_held_once()


async def test_replies_come_with_whatever_else_a_provider_reports(counter: Counter) -> None:
    (vendor,) = await counter.meet()
    await counter.desk.hear(offered(vendor, counter.now))
    async with counter.desk.database.transaction() as conn:
        await take_reports(conn, [counter.said(vendor, "ya")], sealer=counter.desk.sealer, now=counter.now)
    assert len(await counter.commands()) == 1


# --- officers


@dataclass
class Office:
    """The officers' door to what people wrote."""

    counter: Counter
    client: httpx.AsyncClient
    issuer: LocalIssuer

    def headers(self, roles: list[str], **claims: Any) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.issuer.token('-'.join(roles), roles, **claims)}",
            "Idempotency-Key": str(uuid4()),
        }

    async def get(
        self, path: str, *, roles: str = "officer", area: str | None = "31.71", **more: Any
    ) -> httpx.Response:
        """GET as an officer of a city, unless told otherwise."""
        claims = {"area": area, "vendor_id": more.pop("as_vendor", None)}
        return await self.client.get(path, params=more, headers=self.headers(roles.split(), **claims))

    async def post(self, path: str, body: dict[str, Any], *, roles: str = "officer", **claims: Any) -> httpx.Response:
        """POST as an officer of a city, unless told otherwise."""
        return await self.client.post(
            path, json=body, headers=self.headers(roles.split(), **{"area": "31.71", **claims})
        )

    async def queue(self, **more: Any) -> list[str]:
        """Ids of the open replies."""
        answer = await self.get("/v1/replies", state="open", **more)
        assert answer.status_code == 200, answer.text
        return [item["reply_id"] for item in answer.json()["items"]]


PROVIDERS = [
    {
        "adapter": "twilio",
        "name": "sms-a",
        "url": "http://127.0.0.1:1",
        "account": "AC1",
        "token": "secret",
        "sender": "LAPAK",
    },
    {
        "adapter": "whatsapp",
        "name": "wa-main",
        "url": "http://127.0.0.1:1",
        "number_id": "1",
        "account_id": "2",
        "token": "secret",
        "app_secret": "secret",
        "verify_token": "secret",
    },
]


async def open_office(
    providers: list[dict[str, Any]],
    make_database: MakeDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> Office:
    """Notify with these providers and its HTTP door."""
    monkeypatch.setenv("LAPAK_SMTP", "127.0.0.1:1")
    monkeypatch.setenv("LAPAK_PUBLIC_URL", "https://pesan.lapak.test")
    monkeypatch.setenv("LAPAK_PROVIDERS", json.dumps(providers))
    fresh = await make_database("notify")
    return Office(Counter(Desk(fresh.database, clock, sealer)), serve(create, fresh), issuer)


@pytest.fixture
async def office(
    make_database: MakeDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> Office:
    """Notify with WhatsApp and SMS, and its HTTP door."""
    return await open_office(PROVIDERS, make_database, serve, issuer, clock, sealer, monkeypatch)


async def test_officers_see_the_replies_of_their_area_the_oldest_first(office: Office) -> None:
    (near,), (far,) = await office.counter.meet(), await office.counter.meet(kelurahan="31.74.01.1001")
    texts = [await office.counter.say(who, "halo") for who in (near, far, phone(0))]
    first, second, third = (str(row["reply_id"]) for row in texts)
    assert await office.queue() == [first]
    assert await office.queue(area="31.74") == [second]
    assert await office.queue(area="31") == [first, second, third]
    assert await office.queue(area="31.71.02.1003") == []
    page = (await office.get("/v1/replies", area="31", limit=2)).json()
    assert [item["reply_id"] for item in page["items"]] == [first, second]
    rest = (await office.get("/v1/replies", area="31", limit=2, after=page["next"])).json()
    assert [item["reply_id"] for item in rest["items"]] == [third]
    assert "halo" not in json.dumps(page), "words are shown one by one"
    for filters in ({"intent": "why"}, {"channel": "whatsapp"}, {"state": "closed"}, {"vendor_id": str(new_id())}):
        assert (await office.get("/v1/replies", area="31", **filters)).json()["items"] == [], filters
    assert (await office.get("/v1/replies", roles="vendor", as_vendor=near)).status_code == 403
    assert (await office.get("/v1/replies", roles="operator")).status_code == 403
    assert (await office.get("/v1/replies", area=None)).status_code == 403


async def test_what_was_written_is_shown_to_the_writer_and_to_officers_of_its_area_whose_look_is_noted(
    office: Office,
) -> None:
    (vendor,) = await office.counter.meet()
    row = await office.counter.say(vendor, "Boleh tukar hari?", channel="whatsapp")
    path = f"/v1/replies/{row['reply_id']}"
    own = (await office.get(path, roles="vendor", area=None, as_vendor=vendor)).json()
    assert own["text"] == "Boleh tukar hari?"
    assert await office.counter.rows("disclosure") == []
    shown = (await office.get(path)).json()
    assert (shown["text"], shown["state"]) == ("Boleh tukar hari?", "open")
    assert datetime.fromisoformat(shown["open_until"]) == office.counter.now + replies.WINDOW
    (noted,) = await office.counter.rows("disclosure")
    assert (noted["vendor_id"], noted["actor"], noted["reason"]) == (vendor, "officer", "reply")
    assert (await office.get(path, area="31.74")).status_code == 404
    assert (await office.get(path, roles="vendor", area=None, as_vendor=new_id())).status_code == 404
    assert (await office.get(f"/v1/replies/{new_id()}")).status_code == 404
    data = (await office.get(f"/v1/vendors/{vendor}/data", roles="vendor", area=None, as_vendor=vendor)).json()[
        "sections"
    ]
    assert data["replies"]["data"][0]["text"] == "Boleh tukar hari?"


async def test_an_officer_answers_in_its_own_words_which_are_kept_sealed(office: Office) -> None:
    (vendor,) = await office.counter.meet()
    row = await office.counter.say(vendor, "Boleh tukar hari?", channel="whatsapp")
    path = f"/v1/replies/{row['reply_id']}/answer"
    answer = await office.post(path, {"text": "  Boleh, Bu Siti.\nHari Selasa. "})
    assert (answer.status_code, answer.json()["channels"]) == (200, ["whatsapp", "sms"])
    (notification,) = [row for row in await office.counter.answers() if row["template"] == "reply-officer"]
    assert notification["route"] == ["whatsapp", "sms"]
    assert "Selasa" not in str(await office.counter.rows("reply")) + str(notification["params"])
    async with office.counter.desk.database.read() as conn:
        full = await queue.params_in_full(
            conn, office.counter.desk.sealer, notification["template"], notification["params"]
        )
    assert words({**notification, "params": full}, "whatsapp") == (
        "Lapak, jawaban petugas: Boleh, Bu Siti. Hari Selasa."
    )
    again = await office.post(path, {"text": "Boleh."})
    assert (again.status_code, again.json()["code"]) == (409, "reply-settled")
    own = (await office.get(f"/v1/replies/{row['reply_id']}", roles="vendor", area=None, as_vendor=vendor)).json()
    assert (own["state"], own["answer"]) == ("answered", "Boleh, Bu Siti.\nHari Selasa.")


async def test_answers_leave_as_free_text_by_the_way_they_were_asked_whatever_the_hour(office: Office) -> None:
    (vendor,) = await office.counter.meet(language="en")
    row = await office.counter.say(vendor, "May I swap days?", channel="whatsapp")
    await office.counter.say(vendor, "schedule")
    await office.post(f"/v1/replies/{row['reply_id']}/answer", {"text": "Yes, Tuesday."})
    whatsapp, sms = Scripted("wa-main", "whatsapp"), Scripted("sms-a", "sms")
    async with sending(office.counter.desk, whatsapp, sms):
        await office.counter.desk.settled()
    assert {letter.content for letter in whatsapp.taken} == {
        FreeText("Lapak: Thank you, we have your message. An officer reads it and answers on a working day."),
        FreeText("Lapak, an officer's answer: Yes, Tuesday."),
    }
    assert [letter.content for letter in sms.taken] == [
        Sms("Lapak: There is no bazaar and no training on your schedule yet.")
    ]
    assert {letter.address for letter in whatsapp.taken + sms.taken} == {office.counter.phones[vendor]}


async def test_a_reply_is_answered_or_closed_once_whoever_comes_at_the_same_time(office: Office) -> None:
    (vendor,) = await office.counter.meet()
    row = await office.counter.say(vendor, "halo")
    path = f"/v1/replies/{row['reply_id']}"
    await office.counter.crowd()
    done = await asyncio.gather(
        *(office.post(f"{path}/answer", {"text": f"Jawaban {number}"}) for number in range(3)),
        *(office.post(f"{path}/close", {"reason": "spam"}) for _ in range(3)),
    )
    assert sorted(answer.status_code for answer in done) == [200] + [409] * 5
    assert len([one for one in await office.counter.answers() if one["template"] == "reply-officer"]) <= 1


async def test_once_the_conversation_is_closed_an_answer_goes_by_sms_or_is_refused_with_the_reason(
    office: Office,
    make_database: MakeDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bare = await open_office(PROVIDERS[1:], make_database, serve, issuer, clock, sealer, monkeypatch)
    paths = {}
    for door in (office, bare):
        (vendor,) = await door.counter.meet()
        row = await door.counter.say(vendor, "halo", channel="whatsapp")
        paths[door.counter.desk.database] = f"/v1/replies/{row['reply_id']}/answer"
    clock.advance(hours=24)
    answer = await office.post(paths[office.counter.desk.database], {"text": "Halo Bu."})
    assert answer.json()["channels"] == ["sms"]
    refused = await bare.post(paths[bare.counter.desk.database], {"text": "Halo Bu."})
    assert (refused.status_code, refused.json()["code"]) == (409, "reply-no-way-back")
    assert await bare.queue() == [paths[bare.counter.desk.database].split("/")[3]], "it still waits"


async def test_an_answer_needs_somebody_to_go_to(office: Office) -> None:
    vendor, other = await office.counter.meet(2)
    await office.counter.desk.hear(card(other, phone=office.counter.phones[vendor]))
    several = await office.counter.say(vendor, "halo")
    nobody = await office.counter.say(phone(0), "halo")
    path = f"/v1/replies/{several['reply_id']}/answer"
    asked = await office.post(path, {"text": "Halo."})
    assert (asked.status_code, asked.json()["code"]) == (422, "reply-writer-not-named")
    assert (await office.post(path, {"text": "Halo.", "vendor_id": str(other)})).status_code == 200
    (notification,) = [row for row in await office.counter.answers() if row["template"] == "reply-officer"]
    assert notification["vendor_id"] == other
    path = f"/v1/replies/{nobody['reply_id']}"
    refused = await office.post(f"{path}/answer", {"text": "Halo."}, area="31")
    assert (refused.status_code, refused.json()["code"]) == (409, "reply-writer-unknown")
    assert (await office.post(f"{path}/close", {"reason": "wrong-number"}, area="31")).status_code == 200
    assert (await office.post(f"{path}/close", {"reason": "because"}, area="31")).status_code == 422


async def test_who_may_not_see_a_reply_does_not_answer_it_and_nobody_answers_itself(office: Office) -> None:
    (vendor,) = await office.counter.meet()
    row = await office.counter.say(vendor, "halo")
    path = f"/v1/replies/{row['reply_id']}"
    for act, body in (("answer", {"text": "Halo."}), ("close", {"reason": "spam"})):
        assert (await office.post(f"{path}/{act}", body, area="31.74")).status_code == 404
        assert (
            await office.post(f"{path}/{act}", body, roles="vendor", area=None, vendor_id=vendor)
        ).status_code == 403
        own = await office.post(f"{path}/{act}", body, roles="officer vendor", vendor_id=vendor)
        assert (own.status_code, own.json()["code"]) == (403, "own-reply")
