"""How a vendor gets on, in one answer; and the score of export readiness."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from services.vendor.domain.progress import read
from services.vendor.handlers.progress import follow_training
from shared.events.cases import HelpCaseMoved, HelpCaseOpened
from shared.events.graduation import GraduationAppealed, GraduationDecided, GraduationProposed
from shared.events.mentoring import MentorAssigned, VisitLogged
from shared.events.training import CapitalReferralMoved, CertificateIssued, TrainingCompleted, TrainingEnrolled
from shared.ids import new_id
from tests.conftest import StandingClock
from tests.integration.test_vendor_programme import Training, merge
from tests.integration.vendor import Registry, at_once, ok

EXHIBITION = {
    "title": "Pameran UMKM G20",
    "place": "JCC Senayan",
    "kind": "exhibition",
    "area": "31.71",
    "days": ["2023-04-01"],
    "answer_by": "2023-03-10",
}
WEIGHTING = {"version": 2, "effective_on": "2023-03-02", "weights": {"price": 60, "standard": 40}, "ready_from": 60}


@pytest.fixture
def training(registry: Registry) -> Training:
    return Training(registry)


async def progress(registry: Registry, vendor_id: UUID, token: str | None = None) -> dict[str, Any]:
    return ok(await registry.get(f"/v1/vendors/{vendor_id}/progress", token=token or registry.vendor(vendor_id)))


def of(vendor_id: UUID) -> dict[str, Any]:
    return {"vendor_id": vendor_id, "candidacy_id": UUID(int=4), "criteria": "naik-kelas", "criteria_version": 1}


async def tell_everything(training: Training, vendor_id: UUID) -> None:
    """One word on everything that training tells of."""
    class_id, mentor_id, case_id = new_id(), new_id(), new_id()
    course = {"vendor_id": vendor_id, "class_id": class_id, "course": "dasar", "title": "Dasar"}
    case = {"vendor_id": vendor_id, "case_id": case_id, "service": "P4", "due_on": date(2023, 4, 1)}
    await training.say(
        TrainingEnrolled(**course, days=[]),
        TrainingCompleted(**course, completed_on=date(2023, 2, 28), sessions_attended=3, sessions_held=3),
        CertificateIssued(**course, certificate_id=new_id(), number="LPK/2023/000001", issued_on=date(2023, 3, 1)),
        MentorAssigned(
            vendor_id=vendor_id, assignment_id=new_id(), mentor_id=mentor_id, kind="employed", by="matching"
        ),
        VisitLogged(
            vendor_id=vendor_id,
            visit_id=new_id(),
            mentor_id=mentor_id,
            visited_on=date(2023, 2, 20),
            mode="visit",
            month="2023-02",
            turnover_rupiah=30_000_000,
        ),
        HelpCaseOpened(**case),
        HelpCaseMoved(**case, state="waiting-vendor", wanted=["ktp-copy"]),
        CapitalReferralMoved(vendor_id=vendor_id, referral_id=new_id(), bank="bank-dki", state="received"),
        GraduationProposed(**of(vendor_id), months_from="2022-09", months_until="2023-02"),
        GraduationDecided(**of(vendor_id), graduated=True, decided_on=date(2023, 3, 1)),
    )


async def test_a_vendor_sees_everything_in_one_answer(registry: Registry, training: Training) -> None:
    vendor_id = await registry.register(1)
    await tell_everything(training, vendor_id)
    ok(await registry.post(f"/v1/vendors/{vendor_id}/export/assess", {"ready": True, "criteria_met": ["price"]}))
    shown = await progress(registry, vendor_id)
    services = {one["service"]: one["state"] for one in shown["services"]}
    assert (services["P1"], services["P2"], services["P4"], services["P7"]) == (
        "completed",
        "completed",
        "active",
        "active",
    )
    assert [one["state"] for one in shown["trainings"]] == ["completed"]
    assert [one["valid"] for one in shown["certificates"]] == [True]
    assert shown["mentor"] is not None
    assert shown["foster_mentor"] is None
    assert shown["last_visit"]["visited_on"] == "2023-02-20"
    assert [(one["state"], one["wanted"]) for one in shown["open_cases"]] == [("waiting-vendor", ["ktp-copy"])]
    assert shown["capital_referral"]["state"] == "received"
    assert [(one["month"], one["turnover_rupiah"]) for one in shown["figures"]] == [("2023-02", 30_000_000)]
    assert shown["graduation"]["state"] == "graduated"
    assert shown["export"] == {"ready": True, "score": 15, "assessed_on": "2023-03-01"}
    assert "Congratulations, you have graduated." in shown["summary"]["en"]
    assert len(shown["summary"]["id"]) == len(shown["summary"]["en"])
    assert await progress(registry, vendor_id, registry.officer()) == shown


async def test_progress_is_for_the_vendor_itself_and_officers_of_its_area(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path = f"/v1/vendors/{vendor_id}/progress"
    assert (await registry.get(path, token=registry.vendor(new_id()))).status_code == 403
    assert (await registry.get(path, token=registry.officer("31.72"))).status_code == 404
    assert (await progress(registry, vendor_id))["graduation"] is None


async def test_news_that_comes_twice_or_late_changes_nothing(registry: Registry, training: Training) -> None:
    vendor_id = await registry.register(1)
    decided = GraduationDecided(**of(vendor_id), graduated=True, decided_on=date(2023, 3, 1))
    proposed = GraduationProposed(**of(vendor_id), months_from="2022-09", months_until="2023-02")
    await training.apply(training.record(proposed, 1), training.record(decided, 2))
    before = await registry.value("SELECT said FROM training_fact")
    await training.apply(training.record(proposed, 1), training.record(decided, 2))
    await training.apply(training.record(decided, 2), training.record(proposed, 1))
    async with registry.database.transaction() as conn:  # past the consumer, which refuses duplicates itself
        assert await follow_training(conn, [read(proposed, 1, registry.clock.now())]) == set()
    assert await registry.value("SELECT said FROM training_fact") == before
    assert (await progress(registry, vendor_id))["graduation"]["state"] == "graduated"


async def test_what_was_told_of_any_registration_is_the_person_s_and_goes_with_it(
    registry: Registry, training: Training
) -> None:
    vendor_id, other = await registry.register(1), await registry.register(2)
    await tell_everything(training, other)
    await merge(registry, other, vendor_id)
    assert (await progress(registry, vendor_id))["graduation"]["state"] == "graduated"
    unknown = new_id()
    await tell_everything(training, unknown)
    assert await registry.value("SELECT count(*) FROM training_fact WHERE vendor_id = $1", unknown) == 0


async def test_a_later_word_is_laid_over_what_was_said_before(registry: Registry, training: Training) -> None:
    vendor_id = await registry.register(1)
    await training.say(GraduationDecided(**of(vendor_id), graduated=False, decided_on=date(2023, 3, 1)))
    await training.say(GraduationAppealed(**of(vendor_id)))
    shown = (await progress(registry, vendor_id))["graduation"]
    assert shown == {"state": "declined", "criteria": "naik-kelas", "decided_on": "2023-03-01", "objected": True}


# ---- the score of export readiness


async def test_the_score_proposes_and_the_officer_decides(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path = f"/v1/vendors/{vendor_id}/export"
    met = ["capacity", "licences", "standard"]
    found = ok(await registry.client.get("/v1/export-criteria/score", params={"met": met}))
    assert found == {"score": 70, "ready_proposed": True, "weighting": 1, "ready_from": 70}
    unknown = await registry.client.get("/v1/export-criteria/score", params={"met": ["luck"]})
    assert ok(unknown, 422)["code"] == "criterion-unknown"
    answer = ok(await registry.post(f"{path}/assess", {"ready": False, "criteria_met": met}))
    assert (answer["ready"], answer["score"], answer["ready_proposed"]) == (False, 70, True)
    shown = ok(await registry.get(path))
    assert (shown["ready"], shown["assessments"][0]["score"]) == (False, 70)
    (event,) = await registry.published("ExportReadinessAssessed")
    assert (event.body["ready"], event.body["score"]) == (False, 70)


async def test_a_weighting_is_added_once_and_holds_from_its_day(registry: Registry, clock: StandingClock) -> None:
    province = registry.officer("31")
    path = "/v1/export-weightings"
    assert (await registry.post(path, WEIGHTING)).status_code == 403
    wrong = {**WEIGHTING, "weights": {"price": 60}}
    assert ok(await registry.post(path, wrong, token=province), 422)["code"] == "weighting-invalid"
    await registry.crowd()
    answers = await at_once(*(registry.post(path, WEIGHTING, token=province) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    score = "/v1/export-criteria/score?met=price"
    assert ok(await registry.client.get(score))["score"] == 15
    clock.advance(days=1)
    assert ok(await registry.client.get(score))["score"] == 60
    listed = ok(await registry.client.get(f"{path}?limit=1"))
    assert [one["version"] for one in listed["items"]] == [1]
    after = ok(await registry.client.get(path, params={"after": listed["next"]}))
    assert [one["version"] for one in after["items"]] == [2]


async def test_invitations_are_curated_by_the_score(registry: Registry) -> None:
    high, low, _ = [await registry.register(number) for number in range(3)]
    for vendor_id, met in ((high, ["capacity", "licences", "standard"]), (low, ["price"])):
        ok(await registry.post(f"/v1/vendors/{vendor_id}/export/assess", {"ready": True, "criteria_met": met}))
    exhibition = ok(await registry.post("/v1/exhibitions", EXHIBITION), 201)["exhibition_id"]
    path = f"/v1/exhibitions/{exhibition}"
    for score_min, count in ((None, 3), (0, 2), (15, 2), (16, 1), (70, 1), (71, 0)):
        params: dict[str, Any] = {} if score_min is None else {"score_min": score_min}
        assert ok(await registry.get(f"{path}/preview", **params))["count"] == count
    assert ok(await registry.post(f"{path}/invite", {"score_min": 70}))["invited"] == 1
    (event,) = await registry.published("ExhibitionInvited")
    assert event.key == str(high)
