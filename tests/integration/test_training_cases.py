"""Help as cases: asked for at any door, one open per person and service, worked on, overdue, and the registry."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord

from services.training.app import create
from services.training.consumers import SUBSCRIPTIONS as TRAINING
from services.training.handlers.cases import OVERDUE, fall_due
from services.training.store.cases import SEALED_NOTES
from services.vendor.app import create as create_registry
from services.vendor.consumers import subscriptions as of_registry
from shared.auth import LocalIssuer
from shared.consume import Consumer
from shared.crypto import Sealer
from shared.db import Database
from shared.events.envelope import Envelope, write_headers
from shared.events.programme import EnrolmentChanged, EnrolmentState, ProgrammeService
from shared.events.rights import VendorErased
from shared.events.training import TraineeEvent
from shared.events.vendor import VendorEvent, VendorMerged, VendorUnmerged
from shared.ids import new_id
from shared.resealing import reseal
from shared.timers import run_due
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.training import GAMBIR_KELURAHAN, School, moment, ok
from tests.integration.vendor import Registry


@pytest.fixture
async def school(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> School:
    fresh = await make_database("training")
    return School(fresh.database, serve(create, fresh), issuer, clock, sealer)


def wish(
    vendor_id: UUID,
    state: EnrolmentState = "asked",
    *,
    service: ProgrammeService = "P4",
    step: int = 1,
    followed: bool = False,
) -> EnrolmentChanged:
    return EnrolmentChanged(vendor_id=vendor_id, service=service, state=state, step=step, followed=followed)


async def ask(school: School, vendor_id: UUID, service: str = "P4", *, token: str | None = None, **more: Any) -> str:
    """Open a case; its id."""
    body = {"service": service, **more}
    return str(ok(await school.post(f"/v1/trainees/{vendor_id}/cases", body, token=token), 201)["case_id"])


async def do(school: School, case_id: str, act: str, *, token: str | None = None, **body: Any) -> dict[str, Any]:
    return ok(await school.post(f"/v1/cases/{case_id}/{act}", body, token=token))


async def told(school: School) -> list[tuple[str, str]]:
    """What was published of cases: the type, and the state or outcome."""
    events = await school.published("HelpCaseOpened", "HelpCaseMoved", "HelpCaseClosed")
    return [(one.type, one.body.get("state") or one.body.get("outcome") or "") for one in events]


async def test_a_case_goes_its_way_and_everybody_concerned_sees_it(school: School, clock: StandingClock) -> None:
    (vendor,) = await school.register(1)
    own = school.vendor(vendor)
    case_id = await ask(school, vendor, token=own, note="Saya butuh P-IRT untuk keripik")
    await do(school, case_id, "take")
    await do(school, case_id, "wait", wanted=["product-label", "ktp-copy"], note="Mohon bawa minggu ini")
    clock.advance(days=5)
    await do(school, case_id, "resume", token=own)
    await do(school, case_id, "hand-over", owner="kpkp")
    await do(school, case_id, "take")
    closed = await do(school, case_id, "close", outcome="solved")
    assert closed == {
        "case_id": case_id,
        "state": "closed",
        "owner": "kpkp",
        "due_on": "2023-04-05",
        "outcome": "solved",
    }

    events = await school.published("HelpCaseOpened", "HelpCaseMoved", "HelpCaseClosed")
    assert [(one.type, one.body.get("state")) for one in events] == [
        ("HelpCaseOpened", None),
        ("HelpCaseMoved", "working"),
        ("HelpCaseMoved", "waiting-vendor"),
        ("HelpCaseMoved", "working"),
        ("HelpCaseMoved", "open"),
        ("HelpCaseMoved", "working"),
        ("HelpCaseClosed", None),
    ]
    assert events[2].body["wanted"] == ["ktp-copy", "product-label"]
    assert events[3].body["due_on"] == "2023-04-05", "five days were the vendor's"
    assert [*(await school.sequences())[vendor]] == list(range(1, 9)), "an invitation, then the case"

    seen = ok(await school.get(f"/v1/cases/{case_id}", token=own))
    assert [one["act"] for one in seen["history"]] == [
        "opened",
        "taken",
        "waiting",
        "resumed",
        "handed-over",
        "taken",
        "closed",
    ]
    assert seen["history"][2]["note"] == "Mohon bawa minggu ini"
    assert {one["by"] for one in seen["history"]} == {None}, "who works there is the officers' to know"
    by_officer = ok(await school.get(f"/v1/cases/{case_id}"))
    assert by_officer["history"][1]["by"] == "officer-31.71"
    mine = ok(await school.get(f"/v1/trainees/{vendor}/cases", token=own))
    assert [one["case_id"] for one in mine["items"]] == [case_id]


async def test_of_fifty_wishes_of_one_person_at_three_doors_one_opens_a_case(school: School) -> None:
    one, other = await school.register(2)
    await school.hear((VendorMerged(vendor_id=other, into=one, merge_id=new_id()), 2))
    await school.crowd()

    async def at_the_registry(vendor: UUID, partition: int) -> None:
        await school.consumer().handle([school.record(wish(vendor), 3, partition)])

    doors = [
        school.post(
            f"/v1/trainees/{vendor}/cases",
            {"service": "P4"},
            token=school.vendor(vendor) if number % 2 else school.officer(),
        )
        for number in range(24)
        for vendor in (one, other)
    ]
    answers = (await asyncio.gather(*doors, at_the_registry(one, 1), at_the_registry(other, 2)))[:48]
    statuses = sorted(answer.status_code for answer in answers if answer is not None)
    opened = await school.published("HelpCaseOpened")
    assert len(opened) == 1
    assert set(statuses) <= {201, 409}
    refused = {answer.json()["code"] for answer in answers if answer is not None and answer.status_code == 409}
    assert refused == {"case-open"}
    async with school.database.read() as conn:
        (case,) = await conn.fetch("SELECT door FROM help_case")
        assert statuses.count(201) == (case["door"] != "registry")
        assert await conn.fetchval("SELECT count(*) FROM dead_letter") == 0


async def test_each_service_has_a_case_of_its_own_and_a_closed_one_makes_room(school: School) -> None:
    (vendor,) = await school.register(1)
    first = await ask(school, vendor, "P4")
    await ask(school, vendor, "P6")
    refused = ok(await school.post(f"/v1/trainees/{vendor}/cases", {"service": "P4"}), 409)
    assert (refused["code"], refused["details"]["case_id"]) == ("case-open", first)
    await do(school, first, "close", outcome="not-possible")
    second = await ask(school, vendor, "P4")
    assert ok(await school.post(f"/v1/cases/{first}/reopen", {}), 409)["details"]["case_id"] == second
    await do(school, second, "close", outcome="solved")
    assert (await do(school, first, "reopen"))["state"] == "open"


async def test_of_two_who_close_at_once_one_does(school: School) -> None:
    (vendor,) = await school.register(1)
    case_id = await ask(school, vendor)
    await school.crowd()
    answers = await asyncio.gather(
        *(school.post(f"/v1/cases/{case_id}/close", {"outcome": "solved"}) for _ in range(12))
    )
    assert sorted(one.status_code for one in answers) == [200] + [409] * 11
    assert len(await school.published("HelpCaseClosed")) == 1


async def test_a_case_is_overdue_after_its_last_day_in_jakarta_and_not_while_it_waits(
    school: School, clock: StandingClock
) -> None:
    vendor, waiting = await school.register(2)
    case_id, other = await ask(school, vendor), await ask(school, waiting)
    await do(school, other, "wait", wanted=["ktp-copy"])

    async def work_off() -> None:
        while await run_due(school.database, {OVERDUE: fall_due}, clock.now()):
            pass

    clock.moment = moment("2023-03-31T23:59")
    await work_off()
    assert "overdue" not in {
        key for one in await school.published("HelpCaseMoved") for key in one.body if one.body["overdue"]
    }
    clock.moment = moment("2023-04-01T00:00")
    await work_off()
    late = [one for one in await school.published("HelpCaseMoved") if one.body["overdue"]]
    assert [one.body["case_id"] for one in late] == [case_id]
    listed = ok(await school.get("/v1/cases?overdue=true"))
    assert [one["case_id"] for one in listed["items"]] == [case_id]
    await do(school, other, "resume")
    await do(school, case_id, "deadline", due_on="2023-04-10")
    assert ok(await school.get("/v1/cases?overdue=true"))["items"] == []
    clock.moment = moment("2023-05-02T00:00")
    await work_off()
    assert len([one for one in await school.published("HelpCaseMoved") if one.body["overdue"]]) == 3


async def test_officers_list_the_cases_of_their_area_by_what_they_ask_for(school: School) -> None:
    here = await school.register(3)
    there = await school.register(1, GAMBIR_KELURAHAN)
    (elsewhere,) = await school.register(1, "31.72.01.1001")
    ids = [await ask(school, vendor) for vendor in (*here, *there)]
    await ask(school, elsewhere, token=school.officer("31.72"))
    await do(school, ids[0], "take", owner="kpkp")
    await do(school, ids[1], "close", outcome="withdrawn")

    async def found(query: str, token: str | None = None) -> set[str]:
        page = ok(await school.get(f"/v1/cases?{query}", token=token))
        return {one["case_id"] for one in page["items"]}

    assert await found("") == {ids[0], ids[2], ids[3]}
    assert await found("state=closed") == {ids[1]}
    assert await found("owner=kpkp") == {ids[0]} == await found("mine=true") == await found("state=working")
    assert await found("area=31.71.01") == {ids[3]}
    assert await found("service=P5") == set()
    assert (await school.get("/v1/cases?area=31.72")).status_code == 403
    first = ok(await school.get("/v1/cases?limit=2"))
    rest = ok(await school.get(f"/v1/cases?limit=2&after={first['next']}"))
    both = [one["case_id"] for one in (*first["items"], *rest["items"])]
    assert (sorted(both), rest["next"]) == (sorted((ids[0], ids[2], ids[3])), None)


async def test_nobody_meddles_with_the_cases_of_others(school: School, issuer: LocalIssuer) -> None:
    vendor, stranger = await school.register(2)
    case_id = await ask(school, vendor, token=school.vendor(vendor))
    both = issuer.token("both", ["vendor", "officer"], area="31.71", vendor_id=vendor)
    for token in (school.vendor(stranger), school.officer("31.72"), issuer.token("m", ["mentor"]), school.operator()):
        for path in (f"/v1/cases/{case_id}", f"/v1/trainees/{vendor}/cases"):
            assert (await school.get(path, token=token)).status_code == 403
        assert (await school.post(f"/v1/cases/{case_id}/notes", {"note": "x"}, token=token)).status_code == 403
    refused = await school.post(f"/v1/cases/{case_id}/take", {}, token=both)
    assert (refused.status_code, refused.json()["code"]) == (403, "officers-only"), "nobody works on its own case"
    assert (await school.post(f"/v1/cases/{case_id}/close", {"outcome": "solved"}, token=both)).status_code == 403
    await do(school, case_id, "close", outcome="withdrawn", token=both)


async def test_a_mentor_opens_and_sees_the_cases_of_those_it_accompanies(school: School, issuer: LocalIssuer) -> None:
    vendor, stranger = await school.register(2)
    async with school.database.transaction() as conn:
        mentor_id = new_id()
        await conn.execute(
            "INSERT INTO mentor (mentor_id, kind, funding, agency, areas, fields, languages, load_max, account, state, "
            "version, listed_at) "
            "VALUES ($1, 'employed', 'APBD', 'kpkp', '{31.71}', '{}', '{id}', 20, 'm1', 'listed', 1, now())",
            mentor_id,
        )
        await conn.execute(
            "INSERT INTO assignment (assignment_id, vendor_id, mentor_id, kind, by, since) "
            "VALUES ($1, $2, $3, 'employed', 'officer', now())",
            new_id(),
            vendor,
            mentor_id,
        )
    token = issuer.token("m1", ["mentor"])
    case_id = await ask(school, vendor, token=token, note="Perlu NIB")
    assert ok(await school.get(f"/v1/cases/{case_id}", token=token))["door"] == "mentor"
    assert (await school.post(f"/v1/trainees/{stranger}/cases", {"service": "P4"}, token=token)).status_code == 403
    assert (await school.post(f"/v1/cases/{case_id}/take", {}, token=token)).status_code == 403


async def test_a_wish_in_the_registry_opens_a_case_once_and_what_is_moved_there_moves_it(school: School) -> None:
    (vendor,) = await school.register(1)
    await school.hear((wish(vendor), 2))
    await school.hear((wish(vendor, "left", step=2), 3), (wish(vendor, step=3), 4))
    assert await told(school) == [
        ("HelpCaseOpened", ""),
        ("HelpCaseClosed", "withdrawn"),
        ("HelpCaseOpened", ""),
    ]
    await school.hear((wish(vendor, "active", step=4), 5), (wish(vendor, "completed", step=5), 6))
    assert (await told(school))[3:] == [("HelpCaseMoved", "working"), ("HelpCaseClosed", "solved")]
    await school.hear((wish(vendor, "asked", step=6, followed=True), 7))
    assert len(await told(school)) == 5, "what the registry only followed opens nothing"
    events = await school.published("HelpCaseOpened", "HelpCaseMoved", "HelpCaseClosed")
    assert [one.body["step_seen"] for one in events] == [1, 2, 3, 4, 5]


async def test_a_wish_of_nobody_known_is_set_aside_and_of_an_erased_one_dropped(school: School) -> None:
    (vendor,) = await school.register(1)
    await ask(school, vendor, note="Rahasia", token=school.vendor(vendor))
    await school.hear((VendorErased(vendor_id=vendor, erasure_id=new_id()), 2), (wish(vendor), 3))
    async with school.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM dead_letter") == 0
        assert await conn.fetchval("SELECT count(*) FROM programme_enrolment") == 0
        row = await conn.fetchrow("SELECT state, outcome, opened_by FROM help_case")
        assert await conn.fetchval("SELECT count(*) FROM case_act WHERE note_sealed IS NOT NULL OR by <> ''") == 0
    assert tuple(row or ()) == ("closed", "withdrawn", "")
    (receipt,) = await school.published("TrainingDataErased")
    assert receipt.body["erased"]["case_notes"] == 1
    assert receipt.body["kept"]["help_cases"] == 1


async def test_two_cases_of_people_who_turn_out_to_be_one_stand_and_no_third_is_opened(school: School) -> None:
    one, other = await school.register(2)
    first, second = await ask(school, one), await ask(school, other)
    await school.hear((VendorMerged(vendor_id=other, into=one, merge_id=new_id()), 2))
    assert (await school.post(f"/v1/trainees/{one}/cases", {"service": "P4"})).status_code == 409
    await do(school, first, "close", outcome="solved")
    assert (await school.post(f"/v1/trainees/{one}/cases", {"service": "P4"})).status_code == 409
    seen = ok(await school.get(f"/v1/trainees/{one}/cases", token=school.vendor(one)))["items"]
    assert {one["case_id"] for one in seen} == {first, second}
    await school.hear((VendorUnmerged(vendor_id=other, out_of=one, merge_id=new_id()), 3))
    await ask(school, one)


async def test_notes_are_sealed_and_are_sealed_anew_when_keys_change(school: School) -> None:
    (vendor,) = await school.register(1)
    await ask(school, vendor, note="Suami sakit")
    async with school.database.read() as conn:
        sealed = await conn.fetchval("SELECT note_sealed FROM case_act")
    assert b"Suami" not in sealed
    assert await reseal(school.database, school.sealer, SEALED_NOTES, lambda _: None) == 1


# ---- the registry and training, each fed from the other's outbox


class Loop:
    """The registry and training as they speak to each other."""

    def __init__(self, registry: Registry, school: School) -> None:
        self.registry, self.school = registry, school
        self._read = {"vendor": 0, "training": 0}

    async def _carry(self, source: Database, service: str, topic: str, consumer: Consumer, most: int | None) -> int:
        async with source.read() as conn:
            rows = await conn.fetch(
                "SELECT event_id, type, key, sequence, occurred_at, payload FROM outbox "
                "WHERE topic = $1 ORDER BY seq OFFSET $2 LIMIT $3",
                topic,
                self._read[service],
                most,
            )
        records = []
        for offset, row in enumerate(rows, self._read[service]):
            key, body = row["key"].encode(), row["payload"]
            envelope = Envelope(
                row["event_id"], row["type"], f"lapak/{service}", row["occurred_at"], row["key"], row["sequence"], None
            )
            headers = write_headers(envelope)
            records.append(ConsumerRecord(topic, 0, offset, 0, 0, key, body, None, len(key), len(body), headers))
        self._read[service] += len(rows)
        await consumer.handle(records)
        return len(rows)

    async def to_training(self, most: int | None = None) -> int:
        """Training reads what the registry said."""
        school = self.school
        consumer = Consumer("training", TRAINING[0], school.database, school.clock, school.sealer, asyncio.Event())
        return await self._carry(self.registry.database, "vendor", VendorEvent.topic, consumer, most)

    async def to_registry(self, most: int | None = None) -> int:
        """The registry reads what training said."""
        registry = self.registry
        subscription = of_registry(registry.sealer)[1]
        consumer = Consumer("vendor", subscription, registry.database, registry.clock, registry.sealer, asyncio.Event())
        return await self._carry(self.school.database, "training", TraineeEvent.topic, consumer, most)

    async def settle(self) -> None:
        """Carry news both ways until there is none; a loop would never end."""
        for _ in range(10):
            if await self.to_training() + await self.to_registry() == 0:
                return
        raise AssertionError("the two services keep telling each other news")

    async def stands(self, vendor: UUID) -> dict[str, str | None]:
        """Where a vendor stands in P4 to P7, as the registry shows it."""
        shown = ok(await self.registry.get(f"/v1/vendors/{vendor}/programme"))["services"]
        return {one["service"]: one["state"] for one in shown if one["service"] in ("P4", "P5", "P6", "P7")}

    async def cases(self, vendor: UUID) -> list[tuple[str, str, str | None]]:
        """All cases of a vendor, the oldest first."""
        shown = ok(await self.school.get(f"/v1/trainees/{vendor}/cases"))["items"]
        return [(one["service"], one["state"], one["outcome"]) for one in reversed(shown)]

    async def move(self, vendor: UUID, service: str, act: str) -> None:
        ok(await self.registry.post(f"/v1/vendors/{vendor}/programme/{service}/{act}"))


@pytest.fixture
async def loop(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> Loop:
    fresh = await make_database("vendor")
    registry = Registry(fresh.dsn, fresh.database, serve(create_registry, fresh), issuer, clock, sealer)
    taught = await make_database("training")
    return Loop(registry, School(taught.database, serve(create, taught), issuer, clock, sealer))


async def test_a_wish_goes_from_the_registry_to_a_case_and_back_and_ends_there(loop: Loop) -> None:
    vendor = await loop.registry.register(1)
    for service in ("P4", "P7"):
        await loop.move(vendor, service, "ask")
    await loop.settle()
    assert await loop.cases(vendor) == [("P4", "open", None), ("P7", "open", None)]
    licence = ok(await loop.school.get(f"/v1/trainees/{vendor}/cases"))["items"][1]["case_id"]
    await do(loop.school, licence, "take")
    await loop.settle()
    assert await loop.stands(vendor) == {"P4": "active", "P5": None, "P6": None, "P7": "asked"}
    await do(loop.school, licence, "close", outcome="solved")
    await loop.settle()
    assert await loop.stands(vendor) == {"P4": "completed", "P5": None, "P6": None, "P7": "asked"}
    assert await loop.cases(vendor) == [("P4", "closed", "solved"), ("P7", "open", None)]
    await do(loop.school, licence, "reopen")
    await loop.settle()
    assert (await loop.stands(vendor))["P4"] == "asked"
    assert [state for _, state, _ in await loop.cases(vendor)] == ["open", "open"]


async def test_a_case_opened_and_closed_before_the_registry_hears_of_it_opens_no_second_one(loop: Loop) -> None:
    vendor = await loop.registry.register(1)
    await loop.settle()
    case_id = await ask(loop.school, vendor, "P5")
    await loop.to_registry(1)  # the invitation
    await loop.to_registry(1)
    assert (await loop.stands(vendor))["P5"] == "asked"
    await do(loop.school, case_id, "close", outcome="not-possible")
    await loop.settle()
    assert await loop.cases(vendor) == [("P5", "closed", "not-possible")]
    assert (await loop.stands(vendor))["P5"] == "left"


async def test_a_wish_taken_back_while_the_case_is_taken_ends_the_same_on_both_sides(loop: Loop) -> None:
    vendor = await loop.registry.register(1)
    await loop.move(vendor, "P6", "ask")
    await loop.settle()
    (case,) = ok(await loop.school.get(f"/v1/trainees/{vendor}/cases"))["items"]
    await do(loop.school, case["case_id"], "take")  # crosses with
    await loop.move(vendor, "P6", "leave")
    await loop.to_registry()
    assert (await loop.stands(vendor))["P6"] == "left", "what was done by hand after it stands"
    await loop.settle()
    assert await loop.cases(vendor) == [("P6", "closed", "withdrawn")]
    assert (await loop.stands(vendor))["P6"] == "left"


async def test_a_wish_made_again_is_not_undone_by_news_of_the_first(loop: Loop) -> None:
    vendor = await loop.registry.register(1)
    for act in ("ask", "leave", "ask"):
        await loop.move(vendor, "P4", act)
    await loop.settle()
    assert await loop.cases(vendor) == [("P4", "closed", "withdrawn"), ("P4", "open", None)]
    async with loop.registry.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM enrolment_step WHERE service = 'P4'") == 3
    assert (await loop.stands(vendor))["P4"] == "asked"


async def test_an_officer_who_moves_the_service_by_hand_moves_the_case(loop: Loop) -> None:
    vendor = await loop.registry.register(1)
    await loop.move(vendor, "P4", "ask")
    await loop.settle()
    await loop.move(vendor, "P4", "start")
    await loop.settle()
    assert await loop.cases(vendor) == [("P4", "working", None)]
    await loop.move(vendor, "P4", "complete")
    await loop.settle()
    assert await loop.cases(vendor) == [("P4", "closed", "solved")]
    assert (await loop.stands(vendor))["P4"] == "completed"
