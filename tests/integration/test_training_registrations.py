"""What training does when the registry tells of vendors: the copy it keeps, and who is invited to what."""

import asyncio
import hashlib
from uuid import UUID, uuid4

import pytest

from services.training.app import create
from services.training.handlers.vendors import invite_registered
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.vendor import VendorCategoryChosen, VendorCoached
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.training import (
    COURSE,
    GAMBIR,
    GAMBIR_KELURAHAN,
    KARANG_ANYAR,
    SAWAH_BESAR,
    School,
    moment,
    ok,
    registered,
)


@pytest.fixture
async def school(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> School:
    fresh = await make_database("training")
    return School(fresh.database, serve(create, fresh), issuer, clock, sealer)


# --- the copy of the registry


async def test_the_copy_follows_the_registry(school: School) -> None:
    first, second = sorted([uuid4(), uuid4()])
    await school.hear(
        (registered(first, category="health"), 1),
        (registered(second, GAMBIR_KELURAHAN, agency="ppapp"), 1),
        (VendorCoached(vendor_id=first, agency="kpkp"), 2),
        (VendorCoached(vendor_id=second, agency="sosial", previous_agency="ppapp"), 2),
        (VendorCoached(vendor_id=first, agency="ppkukm", previous_agency="kpkp"), 3),
        (VendorCategoryChosen(vendor_id=second, category="food-drink"), 3),
    )
    lines = f"{first}|{KARANG_ANYAR}|003|health|ppkukm\n{second}|{GAMBIR_KELURAHAN}|003|food-drink|sosial\n"
    copies = ok(await school.get("/v1/projections", token=school.operator()))
    assert copies["vendors"] == {"count": 2, "sha256": hashlib.sha256(lines.encode()).hexdigest()}


async def test_a_value_that_is_not_known_is_an_empty_field(school: School) -> None:
    empty = {"count": 0, "sha256": hashlib.sha256(b"").hexdigest()}
    assert ok(await school.get("/v1/projections", token=school.operator()))["vendors"] == empty
    (vendor,) = await school.register(1)
    line = f"{vendor}|{KARANG_ANYAR}|003||\n"
    one = {"count": 1, "sha256": hashlib.sha256(line.encode()).hexdigest()}
    assert ok(await school.get("/v1/projections", token=school.operator()))["vendors"] == one


async def test_news_of_a_vendor_never_registered_here_is_set_aside(school: School) -> None:
    stranger = uuid4()
    (known,) = await school.register(1)
    await school.hear(
        (VendorCoached(vendor_id=stranger, agency="kpkp"), 2), (VendorCoached(vendor_id=known, agency="kpkp"), 2)
    )
    async with school.database.read() as conn:
        letters = await conn.fetch("SELECT key, error FROM dead_letter")
        assert [letter["key"].decode() for letter in letters] == [str(stranger)]
        assert letters[0]["error"].startswith("unknown-vendor")
        assert await conn.fetchval("SELECT agency FROM vendor WHERE vendor_id = $1", known) == "kpkp"


async def test_each_invitation_follows_its_own_registrations_trace_though_they_came_in_one_batch(
    school: School,
) -> None:
    traces = {uuid4(): f"00-{uuid4().hex}-{'1' * 16}-01" for _ in range(5)}
    records = [school.record(registered(vendor), 1, traceparent=trace) for vendor, trace in traces.items()]
    await school.consumer().handle(records)
    async with school.database.read() as conn:
        rows = await conn.fetch("SELECT key, traceparent FROM outbox WHERE type = 'TrainingInvited'")
    assert {UUID(row["key"]): row["traceparent"] for row in rows} == traces


# --- duplicates


async def test_a_registration_that_comes_twice_is_in_effect_once(school: School) -> None:
    vendors = [new_id() for _ in range(5)]
    await school.open_class(places=3)
    events = [(registered(vendor), 1) for vendor in vendors]
    await school.hear(*events, *events)  # the publisher's duplicates: new offsets, same versions
    await school.hear(*events)
    again = school.record(*events[0])
    await school.consumer().handle([again])
    await school.consumer().handle([again])  # redelivered: the same offset
    invited = await school.published("TrainingInvited")
    assert [event.key for event in invited] == vendors
    assert [event.body["class_id"] is not None for event in invited] == [True] * 3 + [False] * 2
    assert await school.sequences() == {**{vendor: [1] for vendor in vendors}, **await class_keys(school)}


async def test_a_registration_applied_anew_by_an_operator_invites_nobody_twice(school: School) -> None:
    (vendor,) = await school.register(1)
    async with school.database.transaction() as conn:
        await invite_registered(conn, [(registered(vendor, category="health"), 1)], now=school.clock.now())
    assert len(await school.published("TrainingInvited")) == 1


# --- invitations on registration


async def test_newcomers_are_invited_to_the_nearest_class_with_room(school: School) -> None:
    city = await school.open_class(area="31.71", places=2)
    near = await school.open_class(area=SAWAH_BESAR, places=3)
    await school.open_class(area=SAWAH_BESAR, places=9, course="ekspor")
    vendors = await school.register(6)
    invited = await school.published("TrainingInvited")
    assert [event.key for event in invited] == vendors
    wanted = [str(near)] * 3 + [str(city)] * 2 + [None]
    assert [event.body["class_id"] for event in invited] == wanted
    assert {event.body["course"] for event in invited} == {COURSE}
    assert invited[0].body["days"] == ["2023-03-06", "2023-03-07"]


async def test_places_given_and_offers_taken_elsewhere_count_as_they_should(school: School) -> None:
    a_class = await school.open_class(places=3)
    other = await school.open_class(places=3, area=GAMBIR)
    first, second, third = await school.register(3)
    await school.enrol(a_class, [first])  # its offer became a place: still one of three
    await school.enrol(other, [second])  # its offer here is free again
    (fourth,) = await school.register(1)
    (fifth,) = await school.register(1)
    invited = {event.key: event.body["class_id"] for event in await school.published("TrainingInvited")}
    assert invited == {vendor: str(a_class) for vendor in (first, second, third, fourth)} | {fifth: None}


async def test_nobody_is_invited_to_a_class_that_begins_today(school: School, clock: StandingClock) -> None:
    a_class = await school.open_class()
    clock.moment = moment("2023-03-05T23:59")
    (early,) = await school.register(1)
    clock.moment = moment("2023-03-06T00:00")
    (late,) = await school.register(1)
    invited = {event.key: event.body["class_id"] for event in await school.published("TrainingInvited")}
    assert invited == {early: str(a_class), late: None}


async def test_batches_at_once_offer_a_class_no_further_than_its_places(school: School) -> None:
    a_class = await school.open_class(places=25)
    batches = [[(registered(new_id()), 1) for _ in range(10)] for _ in range(6)]
    await school.crowd()
    await asyncio.gather(*(school.hear(*batch, partition=number) for number, batch in enumerate(batches)))
    offered = [event.body["class_id"] for event in await school.published("TrainingInvited")]
    assert (offered.count(str(a_class)), offered.count(None)) == (25, 35)


# --- invitations when a class opens


async def test_a_new_class_invites_those_in_its_area_who_wait_once(school: School, clock: StandingClock) -> None:
    far = await school.register(2, GAMBIR_KELURAHAN)
    first = await school.register(2)
    clock.advance(hours=1)
    later = await school.register(2)
    small = await school.open_class(places=3)
    invited = await invitations_to(school, small)
    assert set(first) < set(invited) < {*first, *later}
    assert len(invited) == 3
    export = await school.open_class(course="ekspor")
    assert await invitations_to(school, export) == []
    large = await school.open_class(area="31.71", places=30)
    assert sorted(await invitations_to(school, large)) == sorted({*far, *later} - set(invited))
    largest = await school.open_class(area="31.71", places=30)
    assert await invitations_to(school, largest) == []
    sequences = await school.sequences()
    assert all(sequences[vendor] == [1, 2] for vendor in (*far, *first, *later))


async def test_who_has_a_place_or_is_done_is_not_invited(school: School, clock: StandingClock) -> None:
    placed, done, failed = await school.register(3)
    past = await school.open_class(days=["2023-03-01"])
    assert await invitations_to(school, past) == []
    await school.enrol(past, [done, failed])
    await school.attend(past, "2023-03-01", [done])
    await school.finish(past)
    await school.enrol(await school.open_class(days=["2023-03-01"]), [placed])
    assert await invitations_to(school, await school.open_class()) == [failed]


async def test_nobody_waits_beside_a_class_that_opened_while_they_registered(school: School) -> None:
    """Whatever the order in which they meet: with places for all, all have an invitation to the class."""
    batches = [[(registered(new_id()), 1) for _ in range(10)] for _ in range(8)]
    heard = [school.hear(*batch, partition=number) for number, batch in enumerate(batches)]
    await school.crowd()
    await asyncio.gather(*heard[:4], school.open_class(places=100), *heard[4:], school.open_class())
    async with school.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM invitation WHERE class_id IS NULL") == 0
        assert await conn.fetchval("SELECT count(*) FROM invitation") == 80
    for key, found in (await school.sequences()).items():
        assert found in ([1], [1, 2]), key


# ---


async def class_keys(school: School) -> dict[UUID, list[int]]:
    return {event.key: [event.sequence] for event in await school.published("ClassOpened")}


async def invitations_to(school: School, class_id: UUID) -> list[UUID]:
    """Vendors invited to a class, in the order published."""
    events = await school.published("TrainingInvited")
    return [event.key for event in events if event.body["class_id"] == str(class_id)]
