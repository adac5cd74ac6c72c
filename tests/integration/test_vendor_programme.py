"""The seven services and who coaches, over HTTP and by training's events."""

import asyncio
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from services.vendor.consumers import subscriptions
from services.vendor.store import coaching, programme
from shared.consume import Consumer
from shared.events.envelope import Envelope, Event, write_headers
from shared.events.mentoring import MentorAssigned, MentorUnassigned
from shared.events.training import (
    CapitalReferralMoved,
    TrainingClassCancelled,
    TrainingCompleted,
    TrainingEnrolled,
    TrainingNotCompleted,
    TrainingWithdrawn,
)
from shared.ids import new_id
from tests.conftest import StandingClock
from tests.integration.vendor import PENJARINGAN, Registry, at_once, ok, row, sheet

TOPIC = TrainingEnrolled.topic


@dataclass
class Training:
    """Training's topic, fed by hand to a consumer of the registry."""

    registry: Registry
    offset: int = 0
    versions: dict[str, int] | None = None

    async def say(self, *events: Event) -> None:
        """Apply these as one batch, each with the next version of its key."""
        versions = self.versions = self.versions or {}
        records = []
        for event in events:
            versions[event.subject] = versions.get(event.subject, 0) + 1
            records.append(self.record(event, versions[event.subject]))
        await self.apply(*records)

    def record(self, event: Event, sequence: int) -> ConsumerRecord:
        """An event as the next record of partition 0."""
        name, now = type(event).__name__, self.registry.clock.now()
        envelope = Envelope(new_id(), name, "lapak/training", now, event.subject, sequence, None)
        body = event.to_bytes()
        key = event.subject.encode()
        record = ConsumerRecord(
            TOPIC, 0, self.offset, 0, 0, key, body, None, len(key), len(body), write_headers(envelope)
        )
        self.offset += 1
        return record

    async def apply(self, *records: ConsumerRecord) -> None:
        """Apply these as one batch."""
        registry = self.registry
        (subscription,) = [one for one in subscriptions(registry.sealer) if one.topic == TOPIC]
        consumer = Consumer("vendor", subscription, registry.database, registry.clock, registry.sealer, asyncio.Event())
        await consumer.handle(records)


@pytest.fixture
def training(registry: Registry) -> Training:
    return Training(registry)


def enrolled(vendor_id: UUID, class_id: UUID) -> TrainingEnrolled:
    return TrainingEnrolled(vendor_id=vendor_id, class_id=class_id, course="dasar", title="Dasar", days=[])


def completed(vendor_id: UUID, class_id: UUID) -> TrainingCompleted:
    return TrainingCompleted(
        vendor_id=vendor_id,
        class_id=class_id,
        course="dasar",
        title="Dasar",
        completed_on=date(2023, 2, 28),
        sessions_attended=3,
        sessions_held=3,
    )


def failed(vendor_id: UUID, class_id: UUID) -> TrainingNotCompleted:
    return TrainingNotCompleted(
        vendor_id=vendor_id, class_id=class_id, course="dasar", title="Dasar", sessions_attended=1, sessions_held=3
    )


async def shown(registry: Registry, vendor_id: UUID, token: str | None = None) -> dict[str, dict[str, Any]]:
    answer = ok(await registry.get(f"/v1/vendors/{vendor_id}/programme", token=token))
    return {service["service"]: service for service in answer["services"]}


async def move(registry: Registry, vendor_id: UUID, service: str, act: str, **more: Any) -> Any:
    return await registry.post(f"/v1/vendors/{vendor_id}/programme/{service}/{act}", {}, **more)


async def merge(registry: Registry, retired: UUID, into: UUID) -> None:
    async with registry.database.transaction() as conn:
        await conn.execute("UPDATE vendor SET merged_into = $2 WHERE vendor_id = $1", retired, into)


# ---- enrolments


async def test_registration_completes_p1_and_asks_for_nothing_else(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    services = await shown(registry, vendor_id)
    assert {name: service["state"] for name, service in services.items()} == {
        "P1": "completed",
        "P2": None,
        "P3": None,
        "P4": None,
        "P5": None,
        "P6": None,
        "P7": None,
    }
    assert [(step["state"], step["by"]) for step in services["P1"]["history"]] == [("completed", "officer")]
    assert await registry.value("SELECT count(*) FROM enrolment_step") == 0


async def test_a_vendor_takes_any_service_in_any_order_and_the_history_says_who_when_why(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    own = registry.vendor(vendor_id)
    path = f"/v1/vendors/{vendor_id}/programme"
    ok(await registry.post(f"{path}/P6/ask", {"reason": "Butuh\nlaporan"}, token=own))
    ok(await registry.post(f"{path}/P6/start"))
    ok(await registry.post(f"{path}/P3/start", {"reason": "Kunjungan"}))
    ok(await registry.post(f"{path}/P6/complete"))
    ok(await registry.post(f"{path}/P3/leave", token=own))
    services = await shown(registry, vendor_id)
    assert [
        (step["state"], step["previous_state"], step["by"], step["reason"]) for step in services["P6"]["history"]
    ] == [
        ("asked", None, f"vendor-{vendor_id}", "Butuh\nlaporan"),
        ("active", "asked", "officer-31.71", None),
        ("completed", "active", "officer-31.71", None),
    ]
    assert (services["P6"]["state"], services["P3"]["state"], services["P4"]["state"]) == ("completed", "left", None)
    events = await registry.published("EnrolmentChanged")
    assert [(event.sequence, event.body["service"], event.body["state"]) for event in events] == [
        (2, "P6", "asked"),
        (3, "P6", "active"),
        (4, "P3", "active"),
        (5, "P6", "completed"),
        (6, "P3", "left"),
    ]
    assert "Kunjungan" not in str(events)
    assert await registry.value("SELECT version FROM vendor") == 6
    assert {step["by"] for step in (await shown(registry, vendor_id, own))["P6"]["history"]} == {None}


async def test_a_step_that_is_not_open_is_refused_and_changes_nothing(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    for service, act, code in (
        ("P1", "ask", "service-followed"),
        ("P2", "start", "service-followed"),
        ("P7", "complete", "service-followed"),
        ("P4", "complete", "enrolment-move-refused"),
        ("P4", "leave", "enrolment-move-refused"),
    ):
        assert ok(await move(registry, vendor_id, service, act), 409)["code"] == code
    assert await registry.value("SELECT version FROM vendor") == 1
    assert (await move(registry, vendor_id, "P8", "ask")).status_code == 422
    assert (await move(registry, vendor_id, "P4", "stop")).status_code == 422


async def test_vendors_ask_and_leave_and_officers_of_the_area_do_the_rest(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    own, other = registry.vendor(vendor_id), registry.vendor(uuid4())
    elsewhere, service = registry.officer("31.72"), registry.of("service")
    assert (await move(registry, vendor_id, "P3", "start", token=own)).status_code == 403
    for act in ("ask", "start"):
        assert ok(await move(registry, vendor_id, "P3", act, token=elsewhere), 404)["code"] == "vendor-unknown"
        assert (await move(registry, vendor_id, "P3", act, token=other)).status_code == 403
        assert (await move(registry, vendor_id, "P3", act, token=service)).status_code == 403
    assert (await move(registry, uuid4(), "P3", "ask")).status_code == 404
    for path in ("programme", "coaching"):
        assert (await registry.get(f"/v1/vendors/{vendor_id}/{path}", token=other)).status_code == 403
        assert (await registry.get(f"/v1/vendors/{vendor_id}/{path}", token=elsewhere)).status_code == 404
        assert (await registry.get(f"/v1/vendors/{vendor_id}/{path}", token=own)).status_code == 200
    assert await registry.value("SELECT version FROM vendor") == 1


async def test_a_reason_is_bounded_text(registry: Registry) -> None:
    path = f"/v1/vendors/{await registry.register(1)}/programme/P3/ask"
    for reason in ("a\x00b", "", "   ", "x" * 2001, "\x1b[31m"):
        assert (await registry.post(path, {"reason": reason})).status_code == 422
    ok(await registry.post(path, {"reason": "x" * 2000}))


async def test_of_two_that_ask_at_once_one_wins(registry: Registry) -> None:
    await registry.crowd()
    vendor_id = await registry.register(1)
    answers = await at_once(*(move(registry, vendor_id, "P5", "ask") for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 5]
    assert [event.sequence for event in await registry.published("EnrolmentChanged")] == [2]


# ---- P2 follows training


async def test_training_moves_p2_and_a_correction_takes_it_back(registry: Registry, training: Training) -> None:
    vendor_id, first, second = await registry.register(1), new_id(), new_id()
    states = []
    for event in (
        enrolled(vendor_id, first),
        completed(vendor_id, first),
        enrolled(vendor_id, second),
        failed(vendor_id, second),
        failed(vendor_id, first),
    ):
        await training.say(event)
        states.append((await shown(registry, vendor_id))["P2"]["state"])
    assert states == ["active", "completed", "active", "completed", "left"]
    events = await registry.published("EnrolmentChanged")
    assert [(event.sequence, event.body["state"], event.body["previous_state"]) for event in events] == [
        (2, "active", None),
        (3, "completed", "active"),
        (4, "active", "completed"),
        (5, "completed", "active"),
        (6, "left", "completed"),
    ]


async def test_a_batch_of_training_moves_each_vendor_once_and_counts_completions(
    registry: Registry, training: Training
) -> None:
    vendors = [await registry.register(number) for number in range(3)]
    classes = [new_id(), new_id()]
    await training.say(*(completed(vendor_id, class_id) for vendor_id in vendors for class_id in classes))
    assert len(await registry.published("EnrolmentChanged")) == 3
    async with registry.database.read() as conn:
        assert [await programme.count_completions(conn, [vendor_id]) for vendor_id in vendors] == [2, 2, 2]
        assert await programme.count_completions(conn, vendors) == 2
        assert await programme.find_active_services(conn, vendors[:1]) == {"P1", "P2"}
        assert await programme.find_active_services(conn, [await registry.register(9)]) == {"P1"}
    await training.say(failed(vendors[0], classes[0]))
    async with registry.database.read() as conn:
        assert await programme.count_completions(conn, vendors[:1]) == 1
    assert len(await registry.published("EnrolmentChanged")) == 3


async def test_a_place_given_up_and_a_class_not_held_end_training(registry: Registry, training: Training) -> None:
    vendor_id, here, there = await registry.register(1), new_id(), new_id()
    of = {"vendor_id": vendor_id, "course": "dasar", "title": "Dasar"}

    async def p2() -> dict[str, Any]:
        return (await shown(registry, vendor_id))["P2"]

    await training.say(enrolled(vendor_id, here), enrolled(vendor_id, there))
    await training.say(TrainingWithdrawn(**of, class_id=None, by="vendor", waited_only=True))
    await training.say(TrainingWithdrawn(**of, class_id=here, by="vendor", waited_only=True))
    await training.say(TrainingWithdrawn(**of, class_id=here, by="officer"))
    assert (await p2())["state"] == "active", "it is in the other class still"
    await training.say(TrainingClassCancelled(**of, class_id=there, reason="venue"))
    assert (await p2())["state"] == "left"
    assert {one["class_id"]: one["state"] for one in (await p2())["classes"]} == {
        str(here): "withdrawn",
        str(there): "cancelled",
    }
    await training.say(enrolled(vendor_id, here))
    assert (await p2())["state"] == "active", "back in the class it left"


async def test_mentoring_is_active_with_a_mentor_and_completed_by_graduation(
    registry: Registry, training: Training
) -> None:
    vendor_id = await registry.register(1)

    def given(kind: str = "employed") -> MentorAssigned:
        fields = {"assignment_id": new_id(), "mentor_id": new_id(), "kind": kind, "by": "officer"}
        return MentorAssigned.model_validate({"vendor_id": vendor_id, **fields})

    def parted(because: str, kind: str = "employed") -> MentorUnassigned:
        fields = {"assignment_id": new_id(), "mentor_id": new_id(), "kind": kind, "because": because}
        return MentorUnassigned.model_validate({"vendor_id": vendor_id, **fields})

    await training.say(given("foster"), parted("graduated", "foster"))
    ok(await move(registry, vendor_id, "P3", "ask"))
    await training.say(given(), given(), parted("mentor-left"))
    assert (await shown(registry, vendor_id))["P3"]["state"] == "active", "it waits for the next one"
    ok(await move(registry, vendor_id, "P3", "leave"))
    await training.say(parted("graduated"))
    assert (await shown(registry, vendor_id))["P3"]["state"] == "left", "what it left is not completed"
    await training.say(given(), parted("graduated"))
    assert (await shown(registry, vendor_id))["P3"]["state"] == "completed"
    ok(await move(registry, vendor_id, "P3", "ask"))
    ok(await move(registry, vendor_id, "P3", "leave"))
    await training.say(given(), parted("vendor-left"))
    assert (await shown(registry, vendor_id))["P3"]["state"] == "left", "it was given one before training heard of it"
    told = [one.body for one in await registry.published("EnrolmentChanged")]
    assert [(one["state"], one["followed"]) for one in told[:5]] == [
        ("asked", False),
        ("active", True),
        ("left", False),
        ("active", True),
        ("completed", True),
    ]


async def test_an_event_that_comes_twice_is_told_once(registry: Registry, training: Training) -> None:
    vendor_id, class_id = await registry.register(1), new_id()
    event = completed(vendor_id, class_id)
    await training.apply(training.record(event, 1))
    await training.apply(training.record(event, 1), training.record(failed(vendor_id, class_id), 2))
    await training.apply(training.record(event, 1))
    assert (await shown(registry, vendor_id))["P2"]["state"] == "left"
    assert len(await registry.published("EnrolmentChanged")) == 2


async def test_an_unknown_or_erased_vendor_is_no_poison(registry: Registry, training: Training) -> None:
    erased, known = await registry.register(1), await registry.register(2)
    async with registry.database.transaction() as conn:
        await conn.execute(
            "UPDATE vendor SET erased_at = now(), nik_index = NULL, nik_sealed = NULL, born_on = NULL, name = '', "
            "phone = '', email = NULL, street = '' WHERE vendor_id = $1",
            erased,
        )
    class_id = new_id()
    await training.say(*(enrolled(one, class_id) for one in (uuid4(), erased, known)))
    await training.say(CapitalReferralMoved(vendor_id=uuid4(), referral_id=new_id(), bank="bank-dki", state="sent"))
    assert await registry.value("SELECT count(*) FROM dead_letter") == 0
    assert await registry.value("SELECT array_agg(vendor_id) FROM training_place") == [known]
    assert [event.key for event in await registry.published("EnrolmentChanged")] == [str(known)]


# ---- P7 follows the banks


async def test_capital_shows_bank_and_state_and_is_never_decided_here(registry: Registry, training: Training) -> None:
    vendor_id, referral_id = await registry.register(1), new_id()
    province = registry.officer("31")
    ok(
        await registry.post("/v1/partners", {"code": "bank-dki", "name": "Bank DKI", "kind": "bank"}, token=province),
        201,
    )
    ok(await move(registry, vendor_id, "P7", "ask", token=registry.vendor(vendor_id)))
    states = []
    for state in ("sent", "received", "declined"):
        await training.say(
            CapitalReferralMoved(vendor_id=vendor_id, referral_id=referral_id, bank="bank-dki", state=state)
        )
        states.append((await shown(registry, vendor_id))["P7"]["state"])
    assert states == ["active", "active", "left"]
    ok(await move(registry, vendor_id, "P7", "ask"))
    await training.say(
        CapitalReferralMoved(vendor_id=vendor_id, referral_id=referral_id, bank="bank-dki", state="withdrawn")
    )
    assert (await shown(registry, vendor_id))["P7"]["state"] == "asked"
    another = new_id()
    await training.say(CapitalReferralMoved(vendor_id=vendor_id, referral_id=another, bank="bni", state="sent"))
    assert ok(await move(registry, vendor_id, "P7", "leave"), 409)["code"] == "service-followed"
    await training.say(CapitalReferralMoved(vendor_id=vendor_id, referral_id=another, bank="bni", state="approved"))
    service = (await shown(registry, vendor_id))["P7"]
    assert service["state"] == "completed"
    assert [(one["bank"], one["bank_name"], one["state"]) for one in service["referrals"]] == [
        ("bank-dki", "Bank DKI", "withdrawn"),
        ("bni", None, "approved"),
    ]
    assert [step["state"] for step in service["history"]] == ["asked", "active", "left", "asked", "active", "completed"]


# ---- one person with several registrations


async def test_what_stands_for_a_person_is_the_union_of_its_registrations(
    registry: Registry, training: Training
) -> None:
    survivor, retired, class_id = await registry.register(1), await registry.register(2), new_id()
    ok(await move(registry, retired, "P4", "start"))
    await training.say(enrolled(retired, class_id))
    await merge(registry, retired, survivor)
    assert ok(await move(registry, retired, "P4", "complete"), 409)["code"] == "vendor-retired"
    ok(await move(registry, survivor, "P4", "complete"))
    await training.say(completed(retired, class_id))
    for token in (None, registry.vendor(survivor)):
        services = await shown(registry, survivor, token)
        assert (services["P2"]["state"], services["P4"]["state"]) == ("completed", "completed")
    steps = services["P4"]["history"]
    assert [UUID(step["vendor_id"]) for step in steps] == [retired, survivor]
    (done,) = [event for event in await registry.published("EnrolmentChanged") if event.key == str(survivor)]
    assert (done.sequence, done.body["previous_state"]) == (2, "active")
    async with registry.database.transaction() as conn:
        await conn.execute("UPDATE vendor SET merged_into = NULL")
    assert (await shown(registry, survivor))["P4"]["state"] == "completed"
    assert (await shown(registry, retired))["P4"]["state"] == "active"
    assert (await shown(registry, survivor))["P2"]["state"] is None


# ---- who coaches


async def coach(registry: Registry, vendor_id: UUID, agency: str) -> None:
    ok(await registry.post(f"/v1/vendors/{vendor_id}/agency", {"agency": agency}))


async def spans(registry: Registry, vendor_id: UUID, **more: Any) -> list[tuple[str, str, str | None, str | None]]:
    answer = ok(await registry.get(f"/v1/vendors/{vendor_id}/coaching", **more))
    return [
        (one["agency"], one["since"][:10], one["until"] and one["until"][:10], one["by"]) for one in answer["spans"]
    ]


async def test_a_transfer_keeps_the_history_without_gap_or_overlap(registry: Registry, clock: StandingClock) -> None:
    vendor_id = await registry.register(1, agency="kpkp")
    assert await registry.value("SELECT count(*) FROM coaching_transfer") == 0
    assert await spans(registry, vendor_id) == [("kpkp", "2023-03-01", None, None)]
    clock.advance(days=10)
    await coach(registry, vendor_id, "sosial")
    clock.advance(days=10)
    await coach(registry, vendor_id, "sosial")
    await coach(registry, vendor_id, "ppapp")
    assert await spans(registry, vendor_id) == [
        ("kpkp", "2023-03-01", "2023-03-11", None),
        ("sosial", "2023-03-11", "2023-03-21", "officer-31.71"),
        ("ppapp", "2023-03-21", None, "officer-31.71"),
    ]
    assert {by for *_, by in await spans(registry, vendor_id, token=registry.vendor(vendor_id))} == {None}


async def test_who_was_coached_by_nobody_at_first_has_no_span_for_that_time(
    registry: Registry, clock: StandingClock
) -> None:
    vendor_id = await registry.register(1)
    assert await spans(registry, vendor_id) == []
    clock.advance(days=3)
    await coach(registry, vendor_id, "kpkp")
    assert await spans(registry, vendor_id) == [("kpkp", "2023-03-04", None, "officer-31.71")]


async def test_a_sheet_starts_the_history_without_a_row(registry: Registry) -> None:
    ok(await registry.send_sheet(sheet([row(1, agency="kpkp"), row(2, agency="sosial")])))
    assert await registry.value("SELECT count(*) FROM coaching_transfer") == 0
    vendor_id = await registry.value("SELECT vendor_id FROM vendor WHERE agency = 'kpkp'")
    assert await spans(registry, vendor_id) == [("kpkp", "2023-03-01", None, None)]


async def test_transfers_at_once_make_one_chain(registry: Registry) -> None:
    await registry.crowd()
    vendor_id = await registry.register(1, agency="ppkukm")
    agencies = ("ppapp", "kpkp", "sosial", "parekraf", "nakertransgi")
    await asyncio.gather(*(coach(registry, vendor_id, agency) for agency in agencies))
    chain = await spans(registry, vendor_id)
    assert {agency for agency, *_ in chain} == {"ppkukm", *agencies}
    assert len(chain) == 6
    assert [until is None for _, _, until, _ in chain] == [False] * 5 + [True]
    assert chain[-1][0] == await registry.value("SELECT agency FROM vendor")


async def test_the_database_itself_refuses_a_broken_chain(registry: Registry) -> None:
    vendor_id = await registry.register(1, agency="kpkp")
    await coach(registry, vendor_id, "sosial")
    add = "INSERT INTO coaching_transfer (vendor_id, nth, previous_agency, agency, at) VALUES ($1, $2, $3, $4, now())"
    async with registry.database.read() as conn:
        with pytest.raises(asyncpg.ForeignKeyViolationError):  # a gap: the second is missing
            await conn.execute(add, vendor_id, 3, "sosial", "ppapp")
        with pytest.raises(asyncpg.ForeignKeyViolationError):  # it was sosial, not kpkp, that gave the vendor away
            await conn.execute(add, vendor_id, 2, "kpkp", "ppapp")
        with pytest.raises(asyncpg.UniqueViolationError):  # two at once
            await conn.execute(add, vendor_id, 1, "kpkp", "ppapp")
        await conn.execute(add, vendor_id, 2, "sosial", "ppapp")
        await conn.execute(add, vendor_id, 3, "ppapp", None)
        with pytest.raises(asyncpg.ForeignKeyViolationError):  # coaching had ended: nobody gave the vendor away
            await conn.execute(add, vendor_id, 4, "ppapp", "kpkp")
        await conn.execute(add, vendor_id, 4, None, "kpkp")
        with pytest.raises(asyncpg.ForeignKeyViolationError):  # it was kpkp, not nobody
            await conn.execute(add, vendor_id, 5, None, "sosial")


async def test_a_report_counts_each_person_once_where_it_is_coached_now(registry: Registry) -> None:
    province = registry.officer("31")
    vendors = [await registry.register(number, agency="kpkp") for number in range(4)]
    await registry.register(5)
    await registry.register(6, agency="kpkp", kelurahan=PENJARINGAN, token=province)
    await coach(registry, vendors[0], "sosial")
    await merge(registry, vendors[1], vendors[0])
    report = ok(await registry.get("/v1/reports/coaching"))
    assert report == {
        "area": "31.71",
        "total": 4,
        "agencies": [
            {"agency": "kpkp", "vendors": 2},
            {"agency": "sosial", "vendors": 1},
            {"agency": None, "vendors": 1},
        ],
    }
    assert ok(await registry.get("/v1/reports/coaching", token=province))["total"] == 5
    assert ok(await registry.get("/v1/reports/coaching", token=province, area="31.72"))["total"] == 1
    assert (await registry.get("/v1/reports/coaching", area="31.72")).status_code == 403
    assert (await registry.get("/v1/reports/coaching", token=registry.vendor(vendors[0]))).status_code == 403
    assert UUID(ok(await registry.get(f"/v1/vendors/{vendors[0]}/coaching"))["spans"][-1]["vendor_id"]) == vendors[1]


# ---- a person's data


async def test_everything_kept_is_collected_and_erasing_leaves_counts(registry: Registry, training: Training) -> None:
    vendor_id, other = await registry.register(1, agency="kpkp"), await registry.register(2)
    await coach(registry, vendor_id, "sosial")
    for one in (vendor_id, other):
        ok(await registry.post(f"/v1/vendors/{one}/programme/P3/ask", {"reason": "Rahasia"}))
        await training.say(completed(one, new_id()))
        await training.say(CapitalReferralMoved(vendor_id=one, referral_id=new_id(), bank="bank-dki", state="sent"))
    async with registry.database.transaction() as conn:
        kept = await programme.collect_programme(conn, [vendor_id])
        reasons = {one["service"]: one["reason"] for one in kept["enrolments"]}
        assert reasons == {"P2": None, "P3": "Rahasia", "P7": None}
        assert [one["completed_on"] for one in kept["classes"]] == ["2023-02-28"]
        assert [one["bank"] for one in kept["capital_referrals"]] == ["bank-dki"]
        assert [one["agency"] for one in (await coaching.collect_coaching(conn, [vendor_id]))["coaching"]] == [
            "kpkp",
            "sosial",
        ]
        assert await programme.erase_programme(conn, [vendor_id]) == {
            "enrolment-steps": 3,
            "training-places": 1,
            "capital-referrals": 1,
        }
        assert await coaching.erase_coaching(conn, [vendor_id]) == {"coaching-transfers": 1}
        left = await programme.collect_programme(conn, [vendor_id])
        assert (left["classes"], left["capital_referrals"]) == ([], [])
        assert {one["reason"] for one in left["enrolments"]} == {None}
        assert len(left["enrolments"]) == 3
        assert len((await programme.collect_programme(conn, [other]))["classes"]) == 1
