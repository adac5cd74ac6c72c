"""Candidates for graduation: proposed from the registry's figures, taken back, by criteria as data."""

import asyncio
import random
import tracemalloc
from collections import defaultdict
from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.training.app import create
from services.training.handlers import graduation
from services.training.store import figures
from services.training.store.figures import Report
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.vendor import VendorEvent, VendorMerged, VendorUnmerged
from shared.ids import new_id
from shared.timers import run_due
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.graduation import (
    LEAST,
    MONTHS,
    NOW,
    ONLY_TURNOVER,
    Programme,
    make_programme,
    refusal,
    same_as_told,
)
from tests.integration.training import KARANG_ANYAR, School, ok


@pytest.fixture
async def programme(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> Programme:
    fresh = await make_database("training")
    return await make_programme(School(fresh.database, serve(create, fresh), issuer, clock, sealer), clock)


# ---- candidates follow from figures


async def test_a_candidate_is_proposed_once_with_its_evidence(programme: Programme) -> None:
    vendor, candidacy_id = await programme.candidate()
    await programme.tell(programme.report(vendor, "2023-06"))
    await programme.look()
    (event,) = await programme.graduations()
    assert event.type == "GraduationProposed"
    assert (event.body["months_from"], event.body["months_until"]) == ("2023-04", "2023-06")
    shown = await programme.shown(candidacy_id)
    assert shown["criteria_met_now"]
    assert [month["month"] for month in shown["evidence"]["months"]] == list(MONTHS[3:])
    assert shown["checks"][0]["found"]["en"].startswith("Held in 3 of 3 months")


async def test_a_correction_takes_an_undecided_candidacy_back_and_another_brings_it_back(programme: Programme) -> None:
    vendor, candidacy_id = await programme.candidate()
    await programme.tell(programme.report(vendor, "2023-05", LEAST - 1))
    await programme.look()
    await programme.tell(programme.report(vendor, "2023-05", LEAST))
    await programme.look()
    types = [event.type for event in await programme.graduations()]
    assert types == ["GraduationProposed", "GraduationProposalWithdrawn", "GraduationProposed"]
    assert {UUID(event.body["candidacy_id"]) for event in await programme.graduations()} == {candidacy_id}


async def test_figures_that_come_twice_or_late_change_nothing(programme: Programme) -> None:
    vendor, _ = await programme.candidate()
    old = programme.report(vendor, "2023-05", 1)
    await programme.school.hear((old, 2), (old, 2), partition=0)
    await programme.look()
    assert len(await programme.graduations()) == 1


async def test_an_earlier_word_that_comes_late_changes_nothing(programme: Programme) -> None:
    (vendor,) = await programme.join()
    async with programme.school.database.transaction() as conn:
        for version, turnover in ((5, LEAST), (4, 1)):
            report = Report(programme.report(vendor, "2023-06", turnover), version, programme.entered)
            assert await figures.save_figures(conn, [report]) == {vendor}
        (kept,) = await figures.find_counted(conn, [vendor])
    assert kept.turnover_rupiah == LEAST


async def test_the_training_that_was_missing_makes_a_candidate_and_its_correction_takes_it_back(
    programme: Programme,
) -> None:
    school = programme.school
    asks = {**ONLY_TURNOVER, "conditions": [*ONLY_TURNOVER["conditions"], {"kind": "trainings", "at_least": 1}]}
    async with school.database.transaction() as conn:
        await conn.execute("UPDATE graduation_criteria SET document = $1", asks)
    (vendor,) = await programme.join()
    await programme.grow(vendor)
    await programme.look()
    assert await programme.candidates(vendor) == []
    class_id = await school.open_class()
    await school.enrol(class_id, [vendor])
    for day in ("2023-03-06", "2023-03-07"):
        await school.attend(class_id, day, [vendor])
    await school.finish(class_id)
    await programme.look()
    assert [one.state for one in await programme.candidates(vendor)] == ["proposed"]
    await school.attend(class_id, "2023-03-07", [])
    await programme.look()
    assert [one.state for one in await programme.candidates(vendor)] == ["taken-back"]
    await same_as_told(programme)


def person_of(vendor: UUID, merged: dict[UUID, UUID]) -> UUID:
    while vendor in merged:
        vendor = merged[vendor]
    return vendor


def held(turnovers: dict[str, int | None]) -> bool:
    """The definition, naively: the three months until the last one reported of April to June."""
    for last in ("2023-06", "2023-05", "2023-04"):
        if turnovers.get(last) is not None:
            place = MONTHS.index(last)
            run = [turnovers.get(month) for month in MONTHS[place - 2 : place + 1]]
            return all(value is not None and value >= LEAST for value in run)
    return False


@pytest.mark.parametrize("seed", range(4))
async def test_who_is_a_candidate_is_what_the_naive_definition_says(programme: Programme, seed: int) -> None:
    """Corrections, gaps, figures taken back, merges and merges undone, in any order, looked at now and then."""
    chance = random.Random(seed)
    people = [await programme.join(3) for _ in range(12)]
    merged: dict[UUID, UUID] = {}
    told: dict[UUID, dict[str, tuple[datetime, int | None]]] = defaultdict(dict)
    for _ in range(3):
        events: list[VendorEvent] = []
        for ids in people:
            for _ in range(chance.randint(0, 6)):
                heads = [one for one in ids if one not in merged]
                retired = [one for one in ids if one in merged]
                match chance.choice(["report"] * 6 + ["merge", "unmerge"]):
                    case "merge" if len(heads) > 1:
                        one, into = chance.sample(heads, 2)
                        merged[one] = into
                        events.append(VendorMerged(vendor_id=one, into=into, merge_id=new_id()))
                    case "unmerge" if retired:
                        one = chance.choice(retired)
                        events.append(VendorUnmerged(vendor_id=one, out_of=merged.pop(one), merge_id=new_id()))
                    case _:
                        one, month = chance.choice(ids), chance.choice(MONTHS[2:])
                        turnover = chance.choice([LEAST, LEAST, LEAST, LEAST + 5, LEAST - 1, None])
                        event = programme.report(one, month, turnover)
                        told[one][month] = (programme.entered, turnover)
                        events.append(event)
        numbered = [(event, programme.next(event.vendor_id)) for event in events]
        # of different ids in any order, of one id in its own; some twice
        queues: dict[UUID, list[tuple[VendorEvent, int]]] = defaultdict(list)
        for told_event, version in numbered:
            queues[told_event.vendor_id].append((told_event, version))
        mixed = []
        while queues:
            vendor = chance.choice(list(queues))
            mixed.append(queues[vendor].pop(0))
            if not queues[vendor]:
                del queues[vendor]
            if chance.random() < 0.2:
                mixed.append(mixed[-1])
        cut = chance.randint(0, len(mixed))
        await programme.school.hear(*mixed[:cut])
        if chance.random() < 0.5:
            await programme.look()
        await programme.school.hear(*mixed[cut:])
        await programme.look()
        everyone = [one for ids in people for one in ids]
        standing = {
            person_of(one.vendor_id, merged) for one in await programme.candidates(*everyone) if one.state == "proposed"
        }
        expected = set()
        for one in everyone:
            if one not in merged:
                members = [other for other in everyone if person_of(other, merged) == one]
                months: dict[str, tuple[datetime, int | None]] = {}
                for other in members:
                    for month, (entered, turnover) in told[other].items():
                        if turnover is not None and (month not in months or months[month][0] < entered):
                            months[month] = (entered, turnover)
                if held({month: turnover for month, (_, turnover) in months.items()}):
                    expected.add(one)
        assert standing == expected
    await same_as_told(programme)


async def test_a_month_without_a_report_ends_an_undecided_candidacy_in_time(programme: Programme) -> None:
    vendor, _ = await programme.candidate()
    timers = {graduation.EVERYONE: graduation.everyone_by_timer, graduation.REVIEW: graduation.review_by_timer}
    for moment, state in (
        (datetime(2023, 9, 30, 16, 59, tzinfo=UTC), "proposed"),  # still September in Jakarta
        (datetime(2023, 9, 30, 18, 1, tzinfo=UTC), "taken-back"),
    ):
        programme.clock.moment = moment
        for _ in range(4):
            await run_due(programme.school.database, timers, moment)
        await programme.look()
        (one,) = await programme.candidates(vendor)
        assert one.state == state


async def test_everybody_is_looked_at_in_stretches_and_memory_stays_flat(programme: Programme) -> None:
    people = 3 * graduation.STRETCH
    async with programme.school.database.transaction() as conn:
        for statement in EVERYBODY:
            await conn.execute(statement, people)
        await graduation.everyone_by_timer(conn, graduation.MONTHLY, NOW)
    peaks = []
    tracemalloc.start()
    for _ in range(3):
        tracemalloc.reset_peak()
        async with programme.school.database.transaction() as conn:
            assert await graduation.review_due(conn, now=NOW) == graduation.STRETCH
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert max(peaks) < 1.5 * peaks[0]
    assert len(await programme.school.published("GraduationProposed")) == people // 2
    await same_as_told(programme)


# Every second one of them meets the criteria.
EVERYBODY = (
    "INSERT INTO trainee (vendor_id, version) SELECT md5(n::text)::uuid, 0 FROM generate_series(1, $1::int) AS n",
    "INSERT INTO vendor (vendor_id, kelurahan, rw, registry_version, kind, registered_on) "
    "SELECT md5(n::text)::uuid, '31.71.02.1002', '003', 1, 'usaha', '2023-01-01' FROM generate_series(1, $1::int) AS n",
    "INSERT INTO indicator (vendor_id, month, turnover_rupiah, entered_by, queried, registry_version, entered_at) "
    "SELECT md5(n::text)::uuid, '2023-0' || m, 25000000 - n % 2, 'officer', false, m, '2023-07-10' "
    "FROM generate_series(1, $1::int) AS n, generate_series(1, 6) AS m",
)


# ---- criteria


async def test_a_version_is_added_once_and_holds_from_its_day(programme: Programme) -> None:
    province = programme.officer("province", area="31")
    body = {
        "name": "naik-kelas",
        "version": 2,
        "effective_on": "2023-07-15",
        "title_id": "Naik kelas",
        "title_en": "Graduation",
        "document": {**ONLY_TURNOVER, "months": 2},
    }
    assert refusal(await programme.school.post("/v1/graduation/criteria", body)) == (403, "outside-area")
    late = {**body, "effective_on": "2023-07-13"}
    answer = await programme.school.post("/v1/graduation/criteria", late, token=province)
    assert refusal(answer) == (422, "effective-day-refused")
    (vendor,) = await programme.join()
    await programme.grow(vendor, *MONTHS[4:])
    await programme.look()
    assert await programme.candidates(vendor) == []
    await programme.school.crowd()
    answers = await asyncio.gather(
        *(programme.school.post("/v1/graduation/criteria", body, token=province) for _ in range(5))
    )
    assert sorted(one.status_code for one in answers) == [201, 409, 409, 409, 409]
    programme.clock.advance(days=1)
    timers = {graduation.EVERYONE: graduation.everyone_by_timer}
    while await run_due(programme.school.database, timers, programme.clock.now()):
        pass
    await programme.look()
    (one,) = await programme.candidates(vendor)
    assert one.criteria_version == 2
    listed = ok(await programme.school.get("/v1/graduation/criteria?name=naik-kelas&limit=1"))
    assert [each["version"] for each in listed["items"]] == [1]
    assert listed["next"] is not None


async def test_a_draft_is_tried_out_before(programme: Programme) -> None:
    meets, fails, elsewhere = [await programme.join(kelurahan=one) for one in (KARANG_ANYAR,) * 2 + ("31.72.01.1001",)]
    await programme.grow(meets[0])
    await programme.grow(fails[0], "2023-06")
    await programme.grow(elsewhere[0])
    again = (await programme.join())[0]
    await programme.grow(again, "2023-03")
    await programme.tell(VendorMerged(vendor_id=again, into=fails[0], merge_id=new_id()))
    found = ok(await programme.school.post("/v1/graduation/criteria/preview", {"document": ONLY_TURNOVER}))
    assert found == {"area": "31.71", "people": 2, "met": 1, "failed": {"least-turnover": 1}}
    assert await programme.graduations() == []


async def test_the_copy_of_figures_can_be_compared(programme: Programme) -> None:
    await programme.candidate()
    copies = ok(await programme.school.get("/v1/projections", token=programme.school.operator()))
    assert copies["indicators"]["count"] == 3
