"""Answers to offers: YA and TIDAK reach bazaar once, and bazaar's word on them comes back."""

import asyncio
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord

from services.bazaar.allocation.stored import Solved, solve_stored
from services.bazaar.api import rounds
from services.bazaar.numbering import Floor, SiteNumbers, number_stored
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.bazaar import BoothAssigned, BoothOfferLapsed, OfferResponseRefused, RespondToOffer
from shared.events.envelope import Envelope, write_headers
from shared.events.training import TrainingEnrolled
from shared.events.vendor import VendorMerged
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.bazaar import Fair, open_fair, site
from tests.integration.notify import card
from tests.integration.notify_replies import DAYS, Counter, confirmed, declined, ids, numbers, offered, phone

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


# --- one phone, several people


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
        counter.phones[vendor] = phone(next(numbers))
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
