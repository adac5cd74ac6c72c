"""How export readiness is scored, and how progress is read from what training tells."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.vendor.domain import progress, readiness
from services.vendor.domain.progress import Fact, Overview
from services.vendor.domain.readiness import CriterionUnknown, Weighting, WeightingInvalid
from shared.events.cases import HelpCaseClosed, HelpCaseMoved, HelpCaseOpened
from shared.events.graduation import GraduationAppealed, GraduationDecided, GraduationProposed, GraduationRevoked
from shared.events.mentoring import MentorAssigned, MentorUnassigned, VisitLogged, VisitStruck
from shared.events.training import CertificateIssued, CertificateRevoked, TraineeEvent
from shared.ids import new_id

CRITERIA = ("capacity", "licences", "packaging", "price", "standard")
TODAY = date(2023, 3, 1)
NOW = datetime(2023, 3, 1, 2, tzinfo=UTC)
WEIGHTS = {"capacity": 25, "licences": 25, "packaging": 15, "price": 15, "standard": 20}
V, W = UUID(int=1), UUID(int=2)


def weighting(**more: Any) -> Weighting:
    return Weighting(**{"version": 2, "effective_on": TODAY, "weights": WEIGHTS, "ready_from": 70, **more})


@given(st.sets(st.sampled_from(CRITERIA)))
def test_the_score_is_what_the_met_criteria_weigh_and_never_more_than_all(met: set[str]) -> None:
    found = readiness.score(weighting(), met, CRITERIA)
    assert found == sum(WEIGHTS[one] for one in met)
    assert 0 <= found <= 100
    assert (found == 100) == (met == set(CRITERIA))


def test_a_criterion_without_a_weight_counts_nothing_and_an_unknown_one_is_refused() -> None:
    assert readiness.score(weighting(weights={"price": 100}), ["standard"], CRITERIA) == 0
    with pytest.raises(CriterionUnknown):
        readiness.score(weighting(), ["luck"], CRITERIA)


@pytest.mark.parametrize(("reached", "proposed"), [(69, False), (70, True)])
def test_both_sides_of_the_threshold(reached: int, proposed: bool) -> None:
    assert readiness.proposes(weighting(), reached) is proposed


@pytest.mark.parametrize(
    "wrong",
    [
        {"effective_on": TODAY - timedelta(days=1)},
        {"effective_on": TODAY + timedelta(days=3 * 366 + 1)},
        {"weights": {**WEIGHTS, "luck": 0}},
        {"weights": {**WEIGHTS, "price": 16}},
        {"weights": {}},
    ],
)
def test_a_weighting_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    readiness.check_weighting(weighting(), CRITERIA, TODAY)
    with pytest.raises(WeightingInvalid):
        readiness.check_weighting(weighting(**wrong), CRITERIA, TODAY)


# ---- progress


def told(*events: TraineeEvent) -> list[Fact]:
    """What these events say, each with the next version of its vendor, an hour apart."""
    versions: dict[UUID, int] = {}
    facts = []
    for n, event in enumerate(events):
        versions[event.vendor_id] = versions.get(event.vendor_id, 0) + 1
        facts.append(progress.read(event, versions[event.vendor_id], NOW + timedelta(hours=n)))
    return facts


def assigned(vendor_id: UUID, assignment: int, mentor: int) -> MentorAssigned:
    ids = {"assignment_id": UUID(int=assignment), "mentor_id": UUID(int=mentor)}
    return MentorAssigned(vendor_id=vendor_id, **ids, kind="employed", by="officer")


def unassigned(vendor_id: UUID, assignment: int, mentor: int) -> MentorUnassigned:
    ids = {"assignment_id": UUID(int=assignment), "mentor_id": UUID(int=mentor)}
    return MentorUnassigned(vendor_id=vendor_id, **ids, kind="employed", because="officer")


def visited(visit: int, day: str, **more: Any) -> VisitLogged:
    ids = {"visit_id": UUID(int=visit), "mentor_id": UUID(int=9)}
    return VisitLogged(vendor_id=V, **ids, visited_on=date.fromisoformat(day), mode="visit", **more)


def test_the_order_in_which_facts_are_folded_does_not_matter() -> None:
    case = {"vendor_id": V, "case_id": UUID(int=3), "service": "P4"}
    facts = told(
        HelpCaseOpened(**case, due_on=TODAY),
        HelpCaseMoved(**case, state="waiting-vendor", due_on=TODAY, wanted=["ktp-copy"]),
        HelpCaseClosed(**case, outcome="solved"),
    )
    assert {repr(progress.fold(some)) for some in permutations(facts)} == {repr(progress.fold(facts))}
    assert progress.open_cases(progress.fold(facts)) == []
    (waiting,) = progress.open_cases(progress.fold(facts[:2]))
    assert (waiting.state, waiting.wanted) == ("waiting-vendor", ("ktp-copy",))


def test_the_mentor_is_the_last_one_assigned_and_none_after_the_end() -> None:
    facts = told(assigned(V, 1, 11), assigned(V, 2, 12))
    found = progress.mentor(progress.fold(facts), "employed")
    assert found is not None
    assert (found.mentor_id, found.since) == (UUID(int=12), NOW + timedelta(hours=1))
    ended = told(assigned(V, 1, 11), assigned(V, 2, 12), unassigned(V, 2, 12))
    assert progress.mentor(progress.fold(ended), "employed") is None
    other = told(assigned(W, 5, 15), assigned(V, 1, 11), unassigned(V, 1, 11))
    merged = progress.mentor(progress.fold(other), "employed")
    assert merged is not None
    assert merged.mentor_id == UUID(int=15)
    assert progress.mentor(progress.fold(facts), "foster") is None


def test_the_last_visit_is_one_that_was_not_struck() -> None:
    facts = told(
        visited(1, "2023-02-01", next_action_on=date(2023, 3, 1)),
        visited(2, "2023-02-20"),
        VisitStruck(vendor_id=V, visit_id=UUID(int=2), mentor_id=UUID(int=9)),
    )
    last = progress.last_visit(progress.fold(facts))
    assert last is not None
    assert (last.visited_on, last.next_action_on) == (date(2023, 2, 1), date(2023, 3, 1))
    assert progress.last_visit([]) is None


def test_a_revoked_certificate_is_shown_and_not_valid() -> None:
    ids = {"vendor_id": V, "certificate_id": new_id(), "class_id": new_id()}
    names = {"course": "dasar", "title": "Dasar", "number": "LPK/2023/000001"}
    facts = told(CertificateIssued(**ids, **names, issued_on=TODAY), CertificateRevoked(**ids, **names, reason="fraud"))
    (found,) = progress.certificates(progress.fold(facts))
    assert (found.issued_on, found.valid) == (TODAY, False)


def test_graduation_is_the_last_word_and_once_graduated_stays_so_under_another_id() -> None:
    one = {"candidacy_id": UUID(int=1), "criteria": "naik-kelas", "criteria_version": 1}
    other = {**one, "candidacy_id": UUID(int=2)}
    months = {"months_from": "2022-09", "months_until": "2023-02"}
    declined = GraduationDecided(vendor_id=V, **one, graduated=False, decided_on=TODAY, reason="not-lasting")
    facts = told(GraduationProposed(vendor_id=V, **one, **months), declined, GraduationAppealed(vendor_id=V, **one))
    found = progress.graduation(progress.fold(facts))
    assert found is not None
    assert (found.state, found.objected, found.decided_on) == ("declined", True, TODAY)
    graduated = GraduationDecided(vendor_id=W, **other, graduated=True, decided_on=TODAY)
    both = told(graduated, GraduationProposed(vendor_id=V, **one, **months))
    assert (progress.graduation(progress.fold(both)) or found).state == "graduated"
    revoked = told(graduated, GraduationRevoked(vendor_id=W, **other, reason="own-wish"))
    assert (progress.graduation(progress.fold(revoked)) or found).state == "revoked"
    assert progress.graduation([]) is None


def test_a_beginner_s_progress_is_said_in_both_languages() -> None:
    nothing = Overview({}, [], [], None, None, None, [], None, None, [], None, None)
    said = progress.describe(nothing)
    assert len(said["id"]) == len(said["en"]) == 10
    assert said["en"][3] == "P4 licensing: not asked for yet."
    assert "Saat ini tidak ada pendamping." in said["id"]


def test_a_mentor_is_said_with_the_day_in_jakarta_and_a_foster_mentor_besides() -> None:
    one_in_the_morning = datetime(2023, 3, 1, 18, 30, tzinfo=UTC)
    foster = progress.Mentor(UUID(int=3), one_in_the_morning)
    fostered = Overview({}, [], [], None, foster, None, [], None, None, [], None, None)
    said = progress.describe(fostered)["en"]
    assert "You have no mentor at present." in said
    assert "You have had a foster mentor since 2023-03-02." in said
    both = progress.describe(replace(fostered, mentor=foster))["id"]
    assert "Anda didampingi sejak 2023-03-02; belum ada kunjungan." in both
