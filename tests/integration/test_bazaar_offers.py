"""Offers: many answers at once, lapsing by timer, and the next in rotation."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.bazaar.handlers import offers
from services.bazaar.handlers.offers import lapse_offers
from services.bazaar.store.applications import count_seated, find_waiting
from services.bazaar.store.bazaars import find_free_booths
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.bazaar import RespondToOffer
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.bazaar import CLOSING, Fair, open_fair, site

DEADLINE = CLOSING + timedelta(hours=24)
LAST_ANSWER = datetime(2023, 3, 19, 16, 59, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
async def fair(
    make_database: MakeDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> Fair:
    """The bazaar service, empty; it takes all that these tests send at once."""
    monkeypatch.setenv("LAPAK_HTTP_IN_FLIGHT_MAX", "256")
    return await open_fair(make_database, serve, issuer, clock, sealer)


async def by_place(fair: Fair, bazaar_id: str) -> list[str]:
    """Who waits, next first."""
    return [one["application_id"] for one in (await fair.shown(f"/v1/bazaars/{bazaar_id}/queue"))["items"]]


async def in_state(fair: Fair, applications: list[str], state: str) -> list[str]:
    states = await fair.states(applications)
    return [one for one, found in zip(applications, states, strict=True) if found == state]


async def turns(fair: Fair) -> dict[str, str]:
    """Day of the turn of each application that cost one."""
    async with fair.database.read() as conn:
        rows = await conn.fetch("SELECT application_id, day FROM turn")
    return {str(row["application_id"]): row["day"].isoformat() for row in rows}


async def test_two_hundred_answers_at_once_never_give_a_booth_twice(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 60), site("two", 40)])
    vendors = await fair.register(140)
    applications = await fair.apply_at_once(bazaar_id, vendors, ["one", "two"])
    await fair.allocate(bazaar_id)
    offered = await in_state(fair, applications, "offered")
    waiting = await by_place(fair, bazaar_id)
    assert (len(offered), len(waiting)) == (100, 40)
    await fair.crowd()

    doors = [f"/v1/applications/{one}/{answer}" for one in offered for answer in ("confirm", "decline")]
    responses = await asyncio.gather(*(fair.post(door) for door in doors))

    statuses = [response.status_code for response in responses]
    assert len(statuses) == 200
    assert statuses.count(200) == 100
    for index in range(0, 200, 2):
        assert sorted(statuses[index : index + 2]) == [200, 409]
    await fair.assert_booths_are_held_once()
    await fair.assert_sequences_have_no_gap()
    confirmed = await in_state(fair, applications, "confirmed")
    declined = await in_state(fair, applications, "declined")
    promoted = await in_state(fair, waiting, "offered")
    assert len(confirmed) + len(declined) == 100
    assert promoted == waiting[: len(declined)]
    assert set(await turns(fair)) == set(confirmed)
    await fair.crowd()
    await asyncio.gather(*(fair.done(f"/v1/applications/{one}/confirm") for one in promoted))
    free = 100 - len(confirmed) - len(promoted)
    assert free == max(0, len(declined) - len(waiting))


async def test_answers_and_promotions_at_once_keep_every_booth_single(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 40)])
    applications = await fair.apply_at_once(bazaar_id, await fair.register(120))
    await fair.allocate(bazaar_id)
    await fair.crowd()
    # three waves: everyone who holds an offer at the start of a wave declines; the queue moves up under their feet
    for _ in range(2):
        offered = await in_state(fair, applications, "offered")
        await asyncio.gather(*(fair.done(f"/v1/applications/{one}/decline") for one in offered))
        await fair.assert_booths_are_held_once()
    offered = await in_state(fair, applications, "offered")
    await asyncio.gather(*(fair.done(f"/v1/applications/{one}/confirm") for one in offered))
    states = await fair.states(applications)
    assert states.count("declined") == 80
    assert states.count("confirmed") == 40
    await fair.assert_sequences_have_no_gap()


async def test_a_booth_given_back_goes_through_the_whole_queue_in_order(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 1)])
    applications = await fair.apply_all(bazaar_id, await fair.register(6))
    await fair.allocate(bazaar_id)
    order = [*await in_state(fair, applications, "offered"), *await by_place(fair, bazaar_id)]
    for index, application_id in enumerate(order):
        shown = await fair.application(application_id)
        assert (shown["state"], shown["offer"]["booth"]) == ("offered", "A01")
        assert shown["offer"]["promoted"] is (index > 0)
        left = [await fair.application(one) for one in order[index + 1 :]]
        assert [one["place"] for one in left] == list(range(1, len(left) + 1))
        await fair.answer(application_id, "decline")
    assert await fair.states(order) == ["declined"] * 6
    assert await turns(fair) == {}
    summary = (await fair.shown(f"/v1/bazaars/{bazaar_id}/summary"))["sites"][0]
    assert (summary["offered"], summary["declined"], summary["promoted"], summary["open"]) == (6, 6, 5, 0)
    await fair.assert_sequences_have_no_gap()


async def test_exactly_the_unanswered_offers_lapse_after_their_deadline(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 4)])
    applications = await fair.apply_all(bazaar_id, await fair.register(7))
    await fair.allocate(bazaar_id)
    offered = await in_state(fair, applications, "offered")
    waiting = await by_place(fair, bazaar_id)
    await fair.answer(offered[0], "confirm")
    await fair.answer(offered[1], "decline")
    fair.clock.moment = DEADLINE
    assert await fair.run_timers() == 0
    await fair.answer(offered[2], "confirm")
    fair.clock.moment = DEADLINE + MICROSECOND
    assert await fair.refused(f"/v1/applications/{offered[3]}/confirm") == (409, "offer-expired")

    await fair.run_timers()

    assert await fair.states(offered) == ["confirmed", "declined", "confirmed", "lapsed"]
    # the first was promoted by the decline with the round's own deadline, which has passed too; two follow
    assert await fair.states(waiting) == ["lapsed", "offered", "offered"]
    assert await turns(fair) == {
        offered[0]: "2023-03-21",
        offered[2]: "2023-03-21",
        offered[3]: "2023-03-14",
        waiting[0]: "2023-03-14",
    }
    second = (await fair.application(waiting[1]))["offer"]
    assert second["promoted"] is True
    assert datetime.fromisoformat(second["respond_by"]) == fair.clock.moment + timedelta(hours=24)
    fair.clock.advance(hours=24)
    assert await fair.run_timers() == 0
    fair.clock.moment += MICROSECOND
    assert await fair.run_timers() == 1
    assert await fair.states(waiting[1:]) == ["lapsed", "lapsed"]
    await fair.assert_sequences_have_no_gap()


async def test_an_answer_at_the_deadline_and_the_timer_at_once_leave_one_truth(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 20)])
    applications = await fair.apply_at_once(bazaar_id, await fair.register(40))
    await fair.allocate(bazaar_id)
    offered = await in_state(fair, applications, "offered")
    fair.clock.moment = DEADLINE
    await fair.crowd()

    async def lapse() -> None:
        async with fair.database.transaction() as conn:
            await lapse_offers(conn, f"{bazaar_id}/x", DEADLINE + MICROSECOND)

    answers = [fair.post(f"/v1/applications/{one}/confirm") for one in offered]
    responses, _ = await asyncio.gather(asyncio.gather(*answers), lapse())

    states = await fair.states(offered)
    assert [response.status_code == 200 for response in responses] == [state == "confirmed" for state in states]
    assert set(states) <= {"confirmed", "lapsed"}
    assert (await fair.states(applications)).count("offered") == states.count("lapsed")
    assert set(await turns(fair)) == set(offered)
    await fair.assert_booths_are_held_once()
    await fair.assert_sequences_have_no_gap()


async def test_a_reserved_seat_given_back_goes_to_a_waiting_member_first(fair: Fair) -> None:
    reserves = [{"group": "agency", "value": "ppkukm", "seats": 1}]
    bazaar_id = await fair.announce([site("one", 1, reserves=reserves)])
    others = await fair.apply_all(bazaar_id, await fair.register(3, agency="kpkp"))
    fair.clock.advance(hours=24)
    members = await fair.apply_all(bazaar_id, await fair.register(2, agency="ppkukm"))
    await fair.allocate(bazaar_id)
    served = await in_state(fair, members, "offered")
    assert len(served) == 1
    waiting = await by_place(fair, bazaar_id)
    assert set(waiting[:3]) == set(others)

    await fair.answer(served[0], "decline")

    assert await fair.states([waiting[3]]) == ["offered"]
    await fair.answer(waiting[3], "decline")
    assert await fair.states([waiting[0]]) == ["offered"]


async def rws_in_turn(fair: Fair, booths: int) -> list[str]:
    """An allocated bazaar at which RWs take turns: applications of RW 003, 004, 001, 001, 002, a day after the other.

    No RW has had a turn, so the first get the booths of the round, and RW 001 stands twice before RW 002.
    """
    rotation = [{"by": "rw", "measure": "turns"}, {"by": "vendor", "measure": "waiting_since"}]
    bazaar_id = await fair.announce([site("one", booths)], policy={"rotation": rotation})
    applications = []
    for day, rw in enumerate(("003", "004", "001", "001", "002")):
        fair.clock.moment = CLOSING - timedelta(days=6 - day)
        applications += await fair.apply_all(bazaar_id, await fair.register(rw=rw))
    await fair.allocate(bazaar_id)
    assert await fair.states(applications) == ["offered"] * booths + ["queued"] * (5 - booths)
    assert await by_place(fair, bazaar_id) == applications[booths:]
    return applications


async def test_where_rws_take_turns_two_booths_given_back_go_to_two_rws(fair: Fair) -> None:
    applications = await rws_in_turn(fair, 2)
    await fair.answer(applications[0], "decline")
    await fair.answer(applications[1], "decline")
    assert await fair.states(applications) == ["declined", "declined", "offered", "queued", "offered"]
    await fair.answer(applications[2], "decline")
    assert await fair.states(applications) == ["declined", "declined", "declined", "offered", "offered"]


async def test_where_rws_take_turns_two_booths_that_lapse_at_once_go_to_two_rws(fair: Fair) -> None:
    applications = await rws_in_turn(fair, 2)
    fair.clock.moment = DEADLINE + MICROSECOND
    await fair.run_timers()
    assert await fair.states(applications) == ["lapsed", "lapsed", "offered", "queued", "offered"]


@pytest.mark.parametrize(("ends", "next_is"), [("declined", 3), ("lapsed", 4)])
async def test_where_rws_take_turns_a_lapsed_offer_was_one_and_a_declined_one_was_not(
    fair: Fair, ends: str, next_is: int
) -> None:
    applications = await rws_in_turn(fair, 1)
    for declining in applications[:2]:
        await fair.answer(declining, "decline")
    assert await fair.states(applications) == ["declined", "declined", "offered", "queued", "queued"]

    if ends == "declined":
        await fair.answer(applications[2], "decline")
    else:
        fair.clock.moment = DEADLINE + MICROSECOND
        await fair.run_timers()

    assert (await fair.states(applications))[2] == ends
    assert await in_state(fair, applications, "offered") == [applications[next_is]]


async def test_late_offers_end_the_evening_before_and_the_latest_are_not_made(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 3)], offer_hours=7 * 24)
    applications = await fair.apply_all(bazaar_id, await fair.register(6))
    await fair.allocate(bazaar_id)
    offered = await in_state(fair, applications, "offered")
    waiting = await by_place(fair, bazaar_id)
    shown = await fair.application(offered[0])
    assert datetime.fromisoformat(shown["offer"]["respond_by"]) == LAST_ANSWER
    fair.clock.moment = LAST_ANSWER - timedelta(hours=1)
    await fair.answer(offered[0], "decline")
    promoted = await fair.application(waiting[0])
    assert datetime.fromisoformat(promoted["offer"]["respond_by"]) == LAST_ANSWER
    fair.clock.moment += MICROSECOND
    await fair.answer(offered[1], "decline")
    fair.clock.moment = LAST_ANSWER + MICROSECOND
    await fair.run_timers()
    assert await fair.states(waiting) == ["lapsed", "queued", "queued"]
    assert (await fair.application(waiting[1]))["place"] == 1


def respond(application_id: str, vendor_id: UUID, answer: str) -> RespondToOffer:
    return RespondToOffer.model_validate({"application_id": application_id, "vendor_id": vendor_id, "answer": answer})


async def test_answers_come_from_other_services_too(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 2)])
    vendors = await fair.register(4)
    applications = await fair.apply_all(bazaar_id, vendors)
    vendor_of = dict(zip(applications, vendors, strict=True))
    await fair.allocate(bazaar_id)
    one, other = await in_state(fair, applications, "offered")
    waiting = await by_place(fair, bazaar_id)

    await fair.hear(respond(one, vendor_of[one], "confirm"), respond(other, vendor_of[other], "decline"))

    assert await fair.states([one, other, waiting[0]]) == ["confirmed", "declined", "offered"]
    assert await fair.published("OfferResponseRefused") == []


async def test_a_refused_answer_is_answered_by_an_event_and_holds_up_nobody(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 2)])
    vendors = await fair.register(3)
    applications = await fair.apply_all(bazaar_id, vendors)
    vendor_of = dict(zip(applications, vendors, strict=True))
    await fair.allocate(bazaar_id)
    one, other = await in_state(fair, applications, "offered")
    (waiting,) = await by_place(fair, bazaar_id)
    bad: dict[UUID, tuple[RespondToOffer, str]] = {
        new_id(): (respond(one, vendor_of[other], "confirm"), "application-unknown"),
        new_id(): (respond(str(new_id()), vendor_of[one], "confirm"), "application-unknown"),
        new_id(): (respond(waiting, vendor_of[waiting], "confirm"), "no-open-offer"),
    }
    records = [fair.record(command, message_id=command_id) for command_id, (command, _) in bad.items()]
    good = fair.record(respond(one, vendor_of[one], "confirm"))

    await fair.consume(*records, good)

    refused = await fair.published("OfferResponseRefused")
    assert [(event.key, event.sequence, event.body["code"]) for event in refused] == [
        (command_id, 1, code) for command_id, (_, code) in bad.items()
    ]
    assert await fair.states([one, other, waiting]) == ["confirmed", "offered", "queued"]
    async with fair.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM dead_letter") == 0


async def test_a_malformed_answer_is_refused_with_what_could_be_read(fair: Fair) -> None:
    named, command_id, other_id = new_id(), new_id(), new_id()
    broken = fair.record(respond(str(named), new_id(), "confirm"), message_id=command_id)
    broken.value = b'{"application_id": "x"}'
    nameless = fair.record(respond(str(new_id()), new_id(), "confirm"), message_id=other_id)
    nameless.value = b"[]"
    nameless.headers = [(name, b"nobody" if name == "ce_subject" else value) for name, value in nameless.headers]

    await fair.consume(broken, nameless)

    refused: dict[UUID, dict[str, Any]] = {
        event.key: event.body for event in await fair.published("OfferResponseRefused")
    }
    assert refused[command_id]["code"] == "malformed"
    assert refused[command_id]["application_id"] == str(named)
    assert refused[other_id]["application_id"] == str(UUID(int=0))


async def test_answers_over_http_and_from_a_topic_at_once_do_not_wait_in_a_circle(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 30)])
    vendors = await fair.register(60)
    applications = await fair.apply_at_once(bazaar_id, vendors)
    vendor_of = dict(zip(applications, vendors, strict=True))
    await fair.allocate(bazaar_id)
    offered = await in_state(fair, applications, "offered")
    await fair.crowd()
    commands = [
        fair.record(respond(one, vendor_of[one], "confirm" if index % 2 else "decline"))
        for index, one in enumerate(reversed(offered))
    ]
    requests = [
        fair.post(f"/v1/applications/{one}/{'decline' if index % 3 else 'confirm'}")
        for index, one in enumerate(offered)
    ]

    _, responses = await asyncio.gather(fair.consume(*commands), asyncio.gather(*requests))

    assert {response.status_code for response in responses} <= {200, 409}
    won = sum(response.status_code == 200 for response in responses)
    assert won + len(commands) - len(await fair.published("OfferResponseRefused")) == len(offered)
    await fair.assert_booths_are_held_once()
    await fair.assert_sequences_have_no_gap()


async def free_for_someone(fair: Fair, bazaar_id: str, cap: int) -> bool:
    """Whether a booth is free that somebody waiting may have: site "one" has a cap on food-drink, "two" has none."""
    async with fair.database.read() as conn:
        free = await find_free_booths(conn, UUID(bazaar_id))
        queue = await find_waiting(conn, UUID(bazaar_id), list(free))
        seated = await count_seated(conn, UUID(bazaar_id), ["category"])
    met = sum(one.seats for one in seated if (one.site_id, one.value) == ("one", "food-drink")) >= cap
    return any(
        site_id in free and not (site_id == "one" and met and application.groups["category"] == "food-drink")
        for application in queue
        for site_id in application.site_ids
    )


@pytest.mark.parametrize(("seed", "front"), [(1, 100), (2, -1)])
async def test_whatever_happens_the_seated_stay_and_no_booth_waits_for_its_next(
    fair: Fair, monkeypatch: pytest.MonkeyPatch, seed: int, front: int
) -> None:
    monkeypatch.setattr(offers, "FRONT_OF_QUEUE", front)
    chance = random.Random(seed)
    seats_most = 1
    cap = {"group": "category", "value": "food-drink", "seats": seats_most}
    bazaar_id = await fair.announce([site("one", 4, caps=[cap]), site("two", 3)], offer_hours=24)
    applications = [
        await fair.apply(bazaar_id, vendor_id, *chance.choice([[["one"]], [["two"], ["one"]], [["one", "two"]]]))
        for vendor_id in await fair.register(24)
    ]
    await fair.allocate(bazaar_id)
    seats: dict[str, tuple[str, str]] = {}
    while offered := await in_state(fair, applications, "offered"):
        act = chance.choice(["confirm", "decline", "decline", "wait"])
        if act == "wait":
            fair.clock.advance(hours=7)
            await fair.run_timers()
        else:
            response = await fair.post(f"/v1/applications/{chance.choice(offered)}/{act}")
            assert response.status_code == 200
        for application_id in await in_state(fair, applications, "confirmed"):
            offer = (await fair.application(application_id))["offer"]
            assert seats.setdefault(application_id, (offer["site_id"], offer["booth"])) == (
                offer["site_id"],
                offer["booth"],
            )
        await fair.assert_booths_are_held_once()
        if fair.clock.moment < LAST_ANSWER - timedelta(hours=1):
            assert not await free_for_someone(fair, bazaar_id, seats_most)
    await fair.assert_sequences_have_no_gap()
    assert len(set(seats.values())) == len(seats)
