"""Graduation: people decide, object and answer; what each agency did, shared among them; erasure."""

import asyncio
from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.training.app import create
from services.training.domain.graduation import DecideCandidacy
from services.training.handlers import assignments, graduation
from services.training.store import graduation as store
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.rights import VendorErased
from shared.events.vendor import VendorCoached, VendorCoachingEnded, VendorMerged, VendorUnmerged
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.graduation import (
    LEAST,
    NOW,
    Programme,
    make_programme,
    refusal,
    same_as_told,
)
from tests.integration.training import School, ok
from tests.integration.vendor import until


@pytest.fixture
async def programme(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> Programme:
    fresh = await make_database("training")
    return await make_programme(School(fresh.database, serve(create, fresh), issuer, clock, sealer), clock)


# ---- people decide


async def test_of_two_deciders_at_once_one_wins(programme: Programme) -> None:
    _, candidacy_id = await programme.candidate()
    sha256 = (await programme.shown(candidacy_id))["evidence_sha256"]
    await programme.school.crowd()
    answers = await asyncio.gather(
        *(
            programme.decide(candidacy_id, by=str(n), sha256=sha256, **wish)
            for n in range(6)
            for wish in ({"graduated": True}, {"graduated": False, "reason": "not-lasting"})
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 11
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"candidacy-not-open"}
    assert len([event for event in await programme.graduations() if event.type == "GraduationDecided"]) == 1
    await same_as_told(programme)


async def test_figures_that_fall_while_somebody_decides_end_in_one_of_two_ways(programme: Programme) -> None:
    pairs = [await programme.candidate() for _ in range(6)]
    seen = [(await programme.shown(candidacy_id))["evidence_sha256"] for _, candidacy_id in pairs]
    await programme.school.crowd()

    async def fall() -> None:
        await programme.tell(*(programme.report(vendor, "2023-05", 1) for vendor, _ in pairs))
        await programme.look()

    deciding = (programme.decide(pair[1], sha256=sha256) for pair, sha256 in zip(pairs, seen, strict=True))
    await asyncio.gather(fall(), *deciding)
    await programme.look()
    assert {one.state for vendor, _ in pairs for one in await programme.candidates(vendor)} <= {
        "graduated",
        "taken-back",
    }
    await same_as_told(programme)


async def waits(programme: Programme) -> bool:
    """Whether somebody waits for a lock."""
    async with programme.school.database.read() as conn:
        waiting: bool = await conn.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
    return waiting


async def test_who_is_decided_on_meanwhile_is_not_taken_back(programme: Programme) -> None:
    vendor, candidacy_id = await programme.candidate()
    seen = (await programme.shown(candidacy_id))["evidence_sha256"]
    command = DecideCandidacy(graduated=True, evidence_sha256=seen)
    async with programme.school.database.transaction() as conn:
        await graduation.decide(conn, candidacy_id, command, by="officer", now=NOW)
        await programme.tell(programme.report(vendor, "2023-05", 1))
        looking = asyncio.create_task(programme.look())
        await until(partial(waits, programme))
    await looking
    (one,) = await programme.candidates(vendor)
    assert one.state == "graduated"
    await same_as_told(programme)


async def test_a_decision_on_other_evidence_than_that_of_now_is_refused(programme: Programme) -> None:
    vendor, candidacy_id = await programme.candidate()
    before = (await programme.shown(candidacy_id))["evidence_sha256"]
    await programme.tell(programme.report(vendor, "2023-06", LEAST + 1))
    assert refusal(await programme.decide(candidacy_id, sha256=before)) == (409, "evidence-changed")
    ok(await programme.decide(candidacy_id))
    frozen = await programme.shown(candidacy_id)
    await programme.tell(programme.report(vendor, "2023-06", LEAST + 2))
    assert (await programme.shown(candidacy_id))["evidence_text"] == frozen["evidence_text"]


async def mentor(programme: Programme, account: str, agency: str | None = "ppkukm", kind: str = "employed") -> UUID:
    """A mentor with this account."""
    mentor_id = new_id()
    async with programme.school.database.transaction() as conn:
        await conn.execute(
            "INSERT INTO mentor (mentor_id, kind, funding, agency, areas, fields, languages, load_max, account, state, "
            "version, listed_at) VALUES ($1, $2, $3, $4, '{31}', '{kuliner}', '{id}', 20, $5, 'listed', 1, $6)",
            mentor_id,
            kind,
            "APBD" if kind == "employed" else "NON_APBD",
            agency,
            account,
            NOW,
        )
    return mentor_id


async def accompany(programme: Programme, vendor: UUID, mentor_id: UUID, kind: Any = "employed") -> None:
    async with programme.school.database.transaction() as conn:
        await assignments.assign(conn, vendor, mentor_id, kind=kind, by="officer", now=programme.clock.now())


async def visit(programme: Programme, vendor: UUID, mentor_id: UUID, day: str) -> None:
    async with programme.school.database.transaction() as conn:
        await conn.execute(
            "INSERT INTO visit (visit_id, vendor_id, mentor_id, visited_on, mode, state, entry, logged_by, logged_at) "
            "VALUES ($1, $2, $3, $4, 'visit', 'logged', 1, 'mentor', $5)",
            new_id(),
            vendor,
            mentor_id,
            date.fromisoformat(day),
            NOW,
        )


async def test_who_may_decide(programme: Programme) -> None:
    vendor, candidacy_id = await programme.candidate()
    await accompany(programme, vendor, await mentor(programme, "officer-mentor"))
    body = {"graduated": True, "evidence_sha256": (await programme.shown(candidacy_id))["evidence_sha256"]}
    path = f"/v1/graduation/candidacies/{candidacy_id}"
    own = programme.officer("own", vendor_id=vendor)
    assert refusal(await programme.school.post(f"{path}/decide", body, token=own)) == (403, "own-case")
    assert refusal(await programme.decide(candidacy_id, by="mentor")) == (403, "own-mentee")
    elsewhere = programme.officer("north", area="31.72")
    assert refusal(await programme.school.get(path, token=elsewhere)) == (404, "candidacy-unknown")
    assert refusal(await programme.school.post(f"{path}/decide", body, token=elsewhere)) == (404, "candidacy-unknown")
    itself = programme.school.vendor(vendor)
    assert refusal(await programme.school.post(f"{path}/decide", body, token=itself)) == (403, "role-missing")
    assert (await programme.shown(candidacy_id, itself))["decided_by"] is None
    stranger = programme.school.vendor(new_id())
    assert refusal(await programme.school.get(path, token=stranger)) == (404, "candidacy-unknown")


async def test_a_graduate_parts_from_its_employed_mentor_and_may_mentor(programme: Programme) -> None:
    vendor, candidacy_id = await programme.candidate()
    await accompany(programme, vendor, await mentor(programme, "employed"))
    await accompany(programme, vendor, await mentor(programme, "foster", None, "foster"), "foster")
    ok(await programme.decide(candidacy_id))
    async with programme.school.database.read() as conn:
        assert await store.find_graduated(conn, [vendor, new_id()]) == {vendor}
        standing = await assignments.find_standing(conn, [vendor])
    assert [one.kind for one in standing] == ["foster"]
    (parted,) = await programme.school.published("MentorUnassigned")
    assert parted.body["because"] == "graduated"
    shown = ok(await programme.school.get(f"/v1/vendors/{vendor}/graduation", token=programme.school.vendor(vendor)))
    assert shown["graduated"]
    await same_as_told(programme)


async def test_who_was_declined_objects_and_another_officer_answers(programme: Programme) -> None:
    vendor, candidacy_id = await programme.candidate()
    path = f"/v1/graduation/candidacies/{candidacy_id}/appeal"
    text = {"text": "Omzet saya benar dan sudah stabil."}
    itself = programme.school.vendor(vendor)
    assert refusal(await programme.school.post(path, text, token=itself)) == (409, "nothing-decided")
    ok(await programme.decide(candidacy_id, graduated=False, reason="figures-doubtful"))
    ok(await programme.school.post(path, text, token=itself), 201)
    assert refusal(await programme.school.post(path, text, token=itself)) == (409, "appealed-already")
    listed = ok(await programme.school.get("/v1/graduation/candidacies?objected=true"))
    assert [one["candidacy_id"] for one in listed["items"]] == [str(candidacy_id)]
    answer = {"upheld": True, "answer": "Setelah diperiksa, angka Anda benar."}
    assert refusal(await programme.act(candidacy_id, "appeal/decide", answer)) == (403, "same-decider")
    await programme.school.crowd()
    answers = await asyncio.gather(
        *(programme.act(candidacy_id, "appeal/decide", answer, by=f"other-{n}") for n in range(5))
    )
    assert sorted(one.status_code for one in answers) == [200, 404, 404, 404, 404]
    shown = await programme.shown(candidacy_id, itself)
    assert (shown["state"], shown["appeal"]["text"]) == ("graduated", text["text"])
    assert shown["appeal"]["answer"] == answer["answer"]
    types = [event.type for event in await programme.graduations()]
    assert types == ["GraduationProposed", "GraduationDecided", "GraduationAppealed", "GraduationDecided"]
    ok(await programme.act(candidacy_id, "revoke", {"reason": "figures-false"}))
    await programme.look()
    await same_as_told(programme)
    async with programme.school.database.read() as conn:
        assert await store.find_graduated(conn, [vendor]) == set()
        sealed = await conn.fetchval("SELECT text_sealed FROM graduation_appeal")
    assert text["text"].encode() not in sealed


async def test_after_a_merge_one_candidacy_stands_and_a_graduate_has_none(programme: Programme) -> None:
    (first, _), (second, second_id) = await programme.candidate(), await programme.candidate()
    await programme.tell(VendorMerged(vendor_id=second, into=first, merge_id=new_id()))
    await programme.look()
    assert [one.state for one in await programme.candidates(first, second)] == ["proposed", "taken-back"]
    await programme.tell(VendorUnmerged(vendor_id=second, out_of=first, merge_id=new_id()))
    await programme.look()
    assert [one.state for one in await programme.candidates(first, second)] == ["proposed", "proposed"]
    ok(await programme.decide(second_id))
    await programme.tell(VendorMerged(vendor_id=second, into=first, merge_id=new_id()))
    await programme.look()
    assert [one.state for one in await programme.candidates(first, second)] == ["taken-back", "graduated"]
    await same_as_told(programme)


# ---- what each agency did


async def test_what_each_agency_did_is_frozen_and_graduates_are_shared_once(programme: Programme) -> None:
    vendor, candidacy_id = await programme.candidate()
    programme.clock.moment = datetime(2023, 4, 10, tzinfo=UTC)
    await programme.tell(VendorCoached(vendor_id=vendor, agency="ppapp"))
    programme.clock.moment = datetime(2023, 5, 20, tzinfo=UTC)
    await programme.tell(VendorCoachingEnded(vendor_id=vendor, previous_agency="ppapp"))
    programme.clock.moment = NOW
    employed, foster = await mentor(programme, "m", "kpkp"), await mentor(programme, "f", None, "foster")
    await visit(programme, vendor, employed, "2023-06-02")
    await accompany(programme, vendor, foster, "foster")
    await visit(programme, vendor, foster, "2023-07-14")
    done = ok(await programme.school.get(f"/v1/vendors/{vendor}/contributions"))
    assert done["months"] == {"kpkp": 1, "ppapp": 2}
    ok(await programme.decide(candidacy_id))
    await programme.tell(VendorCoached(vendor_id=vendor, agency="sosial"))
    shown = await programme.shown(candidacy_id)
    assert shown["shares"] == {"kpkp": 333, "ppapp": 667}
    assert [one["agency"] for one in shown["evidence"]["agencies"]] == ["kpkp", "ppapp"]
    assert shown["evidence"]["agencies"][1]["coached"] == [{"from": "2023-04-10", "until": "2023-05-20"}]
    assert [(one["funding"], one["visits"]) for one in shown["evidence"]["foster_mentors"]] == [("NON_APBD", 1)]
    _, other = await programme.candidate()
    ok(await programme.decide(other))
    report = ok(await programme.school.get("/v1/graduation/agencies?first=2023-01-01&last=2023-12-31"))
    assert (report["graduates"], report["without_agency"]) == (2, 1)
    assert {one["agency"]: one["share_thousandths"] for one in report["agencies"]} == {"kpkp": 333, "ppapp": 667}
    refused = await programme.school.get("/v1/graduation/agencies?first=2023-01-02&last=2023-01-01")
    assert refusal(refused) == (422, "period-refused")


# ---- erasure


async def test_an_erased_graduate_stays_a_figure_and_nothing_else(programme: Programme) -> None:
    vendor, candidacy_id = await programme.candidate()
    await programme.tell(VendorCoached(vendor_id=vendor, agency="ppapp"))
    ok(await programme.decide(candidacy_id))
    candidate, _ = await programme.candidate()
    for one in (vendor, candidate):
        await programme.tell(VendorErased(vendor_id=one, erasure_id=uuid4()))
        await programme.tell(programme.report(one, "2023-06"))
    await programme.look()
    async with programme.school.database.read() as conn:
        for table in ("indicator", "coaching_word", "graduation_due"):
            assert await conn.fetchval(f"SELECT count(*) FROM {table}") == 0  # noqa: S608 - names of this list
        (row,) = await conn.fetch("SELECT vendor_id, state, evidence FROM candidacy")
    assert (row["vendor_id"], row["state"], row["evidence"]) == (vendor, "graduated", None)
    report = ok(await programme.school.get("/v1/graduation/agencies?first=2023-01-01&last=2023-12-31"))
    assert report["graduates"] == 1
    assert refusal(await programme.school.get(f"/v1/graduation/candidacies/{candidacy_id}")) == (
        404,
        "candidacy-unknown",
    )
