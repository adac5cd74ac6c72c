"""How likely two registrations are one person: names and streets as people write them, households, twins."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.vendor.domain import duplicates as domain
from services.vendor.domain.duplicates import (
    NAME_ALIKE_MIN,
    SCORE_MAX,
    SCORE_MIN,
    SCORE_OF_OTHER_NAMES_MAX,
    Duplicate,
    DuplicateSettled,
    Person,
    addresses_alike,
    compare,
    found,
    names_alike,
)

SITI = Person(
    vendor_id=UUID(int=1),
    name="Siti Nur Aminah",
    phone="+6281234567890",
    born_on=date(1990, 7, 5),
    kelurahan="31.71.02.1002",
    rw="003",
    rt="007",
    street="Jalan Kelinci Raya No. 5",
)
ELSEWHERE: dict[str, Any] = {
    "vendor_id": UUID(int=2),
    "phone": "+6281300000000",
    "born_on": date(1971, 1, 31),
    "kelurahan": "31.72.01.1001",
}


def other(**changes: Any) -> Person:
    """The same name somewhere else, with nothing else in common but what is given."""
    return SITI._replace(**{**ELSEWHERE, **changes})


def score(**changes: Any) -> int:
    return compare(SITI, other(**changes)).score


# ---- names


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("Siti Aminah", "SITI  AMINAH"),
        ("Siti Aminah", "Aminah Siti"),
        ("Hj. Siti Aminah", "Siti Aminah"),
        ("H. Budi Santoso", "Budi Santoso"),
        ("Sdri. Siti Aminah", "Siti Aminah"),
        ("Ibu Siti Aminah", "Siti Aminah, S.E., M.M."),
        ("M. Yusuf", "Muhammad Yusuf"),
        ("Muh. Yusuf", "Mohd Yusuf"),
        ("Moch. Yusuf", "Mohammad Yusuf"),
        ("Achmad Fauzi", "Ahmad Fauzi"),
        ("Abd. Rahman", "Abdul Rahman"),
        ("Djoko Soesilo", "Joko Susilo"),
        ("Nur Hayati", "Nurhayati"),
        ("Ma'ruf Amin", "Maruf Amin"),
        ("Renée Siti", "Renee Siti"),
    ],
)
def test_one_name_written_in_two_ways_is_the_same(one: str, two: str) -> None:
    assert names_alike(one, two) == 1


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("Siti Aminah", "Siti Aminnah"),
        ("Siti Aminah", "Siti Amianh"),
        ("Siti Nur Aminah", "Siti Aminah"),
        ("Siti Aminah", "Aminah"),
        ("A. Rahman Hakim", "Abdul Rahman Hakim"),
        ("Siti", "Siti"),
    ],
)
def test_a_slip_an_initial_or_a_word_left_out_is_alike(one: str, two: str) -> None:
    assert NAME_ALIKE_MIN <= names_alike(one, two) < 1


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("Siti Aminah", "Siti Aisyah"),
        ("Rina Wati", "Rini Wati"),
        ("Ahmad Hasan", "Ahmad Husen"),
        ("Budi Santoso", "Joko Santoso"),
        ("Rina Kusumawati", "Rini Kusumawati"),
        ("Siti", "Sita"),
        ("Budi", "Joko"),
        ("S", "Siti"),
        ("", "Siti"),
    ],
)
def test_names_of_two_people_are_not_alike(one: str, two: str) -> None:
    assert names_alike(one, two) < NAME_ALIKE_MIN


@given(st.text(max_size=60), st.text(max_size=60))
def test_names_compare_the_same_both_ways_round_and_never_fail(one: str, two: str) -> None:
    likeness = names_alike(one, two)
    assert 0 <= likeness <= 1
    assert likeness == names_alike(two, one)


# ---- streets


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("Jl. Mawar No. 5", "Jalan Mawar 5"),
        ("Jln Mawar nomor 05 RT 003/RW 007", "JALAN MAWAR NO 5"),
        ("Gg. Kelinci II No 7", "Gang Kelinci II/7"),
        ("Komp. Hijau Blok C-4", "Kompleks Hijau Blok C 4"),
        ("Jalan Mawar", "Jl. Mawar No. 5"),
    ],
)
def test_one_address_written_in_two_ways_is_the_same(one: str, two: str) -> None:
    assert addresses_alike(one, two)
    assert addresses_alike(two, one)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("Jalan Mawar 5", "Jalan Mawar 6"),
        ("Jalan Mawar 5", "Jalan Mawar 5a"),
        ("Jalan Mawar 5", "Jalan Melati 5"),
        ("Jalan Mawar", "Gang Buntu"),
    ],
)
def test_another_house_or_street_is_another_address(one: str, two: str) -> None:
    assert not addresses_alike(one, two)


# ---- the score


def test_the_same_facts_are_the_highest_score() -> None:
    likeness = compare(SITI, SITI._replace(vendor_id=UUID(int=2)))
    assert likeness.score == SCORE_MAX
    assert [(part.fact, part.finding, part.points, part.percent) for part in likeness.evidence] == [
        ("name", "same", 25, 100),
        ("phone", "same", 25, None),
        ("birth", "same", 25, None),
        ("address", "same-street", 25, None),
    ]


@pytest.mark.parametrize(
    "same",
    [
        {"phone": SITI.phone},
        {"born_on": SITI.born_on},
        {"kelurahan": SITI.kelurahan},
        {"phone": SITI.phone, "name": "Siti Nur Aminnah", "born_on": None},
        {"born_on": SITI.born_on, "name": "Siti Aminah"},
    ],
)
def test_a_like_name_and_one_fact_more_come_before_an_officer(same: dict[str, Any]) -> None:
    assert score(**same) >= SCORE_MIN
    assert found(SITI, other(**same)) is not None


@pytest.mark.parametrize(
    "same",
    [
        {},
        {"born_on": None},
        {"kelurahan": SITI.kelurahan, "rw": "004"},
        {"name": "Aminah", "born_on": SITI.born_on},
        {"name": "Aminah", "phone": SITI.phone},
    ],
)
def test_a_name_alone_or_with_little_else_does_not(same: dict[str, Any]) -> None:
    assert score(**same) < SCORE_MIN
    assert found(SITI, other(**same)) is None


def test_a_family_that_shares_a_phone_and_an_address_scores_low() -> None:
    husband = SITI._replace(vendor_id=UUID(int=2), name="Budi Santoso", born_on=date(1988, 2, 3))
    daughter = SITI._replace(vendor_id=UUID(int=3), name="Siti Aisyah", born_on=date(2005, 2, 3))
    assert compare(SITI, husband).score <= SCORE_OF_OTHER_NAMES_MAX
    assert compare(SITI, daughter).score <= SCORE_OF_OTHER_NAMES_MAX


@pytest.mark.parametrize("name", ["Siti Nur Aisyah", "Sita Nur Aminah", "Rini"])
def test_twins_of_one_house_and_phone_score_low(name: str) -> None:
    assert compare(SITI, SITI._replace(vendor_id=UUID(int=2), name=name)).score <= SCORE_OF_OTHER_NAMES_MAX


@pytest.mark.parametrize(
    ("born_on", "finding", "points"),
    [
        (date(1990, 7, 5), "same", 25),
        (date(1990, 7, 6), "near", 15),
        (date(1991, 7, 5), "near", 15),
        (date(1990, 5, 7), "different", -5),
        (date(1990, 7, 16), "different", -5),
        (None, "unknown", 0),
    ],
)
def test_one_digit_of_the_date_may_be_a_slip(born_on: date | None, finding: str, points: int) -> None:
    evidence = compare(SITI, other(born_on=born_on)).evidence[2]
    assert (evidence.finding, evidence.points) == (finding, points)


def test_two_digits_that_changed_places_are_near() -> None:
    (_, _, birth, _) = compare(SITI._replace(born_on=date(1990, 7, 12)), other(born_on=date(1990, 7, 21))).evidence
    assert birth.finding == "near"


@pytest.mark.parametrize(
    ("changes", "finding", "points"),
    [
        ({"kelurahan": SITI.kelurahan, "street": "Jl Kelinci Raya 5"}, "same-street", 25),
        ({"kelurahan": SITI.kelurahan, "street": ""}, "same-rt", 15),
        ({"kelurahan": SITI.kelurahan, "street": "Jalan Kelinci Raya 6"}, "same-rt", 10),
        ({"kelurahan": SITI.kelurahan, "rt": "008"}, "same-kelurahan", 5),
        ({"kelurahan": SITI.kelurahan, "rw": "008"}, "same-kelurahan", 5),
        ({}, "different", 0),
    ],
)
def test_an_address_counts_by_how_near_it_is(changes: dict[str, Any], finding: str, points: int) -> None:
    evidence = compare(SITI, other(**changes)).evidence[3]
    assert (evidence.finding, evidence.points) == (finding, points)


def test_two_without_a_phone_do_not_share_one() -> None:
    assert compare(SITI._replace(phone=""), other(phone="")).evidence[1].finding == "different"


def test_evidence_holds_none_of_the_facts() -> None:
    text = str(compare(SITI, SITI._replace(vendor_id=UUID(int=2))).evidence)
    assert not any(value in text for value in ("Siti", "8123", "1990", "Kelinci"))


PERSON = st.builds(
    Person,
    vendor_id=st.uuids(),
    name=st.sampled_from(["Siti Aminah", "Aminah", "S. Aminah", "Siti Aminnah", "M. Yusuf", "", "Rina"]),
    phone=st.sampled_from(["+628120000001", "+628120000002"]),
    born_on=st.none() | st.dates(date(1990, 1, 1), date(1990, 1, 20)),
    kelurahan=st.sampled_from(["31.71.02.1002", "31.71.02.1001"]),
    rw=st.sampled_from(["001", "002"]),
    rt=st.just("001"),
    street=st.sampled_from(["", "Jl. Mawar 5", "Jalan Mawar", "Gang Buntu"]),
)


@given(PERSON, PERSON)
def test_the_order_of_the_two_does_not_matter(one: Person, two: Person) -> None:
    assert compare(one, two) == compare(two, one)
    assert domain.facts_text(one, two) == domain.facts_text(two, one)
    assert 0 <= compare(one, two).score <= SCORE_MAX


@given(PERSON, PERSON)
def test_one_fact_alone_never_reaches_the_queue(one: Person, two: Person) -> None:
    facts = sorted((part.points for part in compare(one, two).evidence), reverse=True)
    assert (found(one, two) is not None) <= (facts[1] >= 20 or (facts[1] >= 10 and facts[2] >= 5))


@pytest.mark.parametrize("fact", Person._fields)
def test_any_other_fact_is_another_text(fact: str) -> None:
    changed: dict[str, Any] = {
        **dict.fromkeys(Person._fields, "x"),
        "vendor_id": UUID(int=3),
        "born_on": date(1999, 1, 1),
    }
    assert domain.facts_text(SITI, other()) != domain.facts_text(SITI, other()._replace(**{fact: changed[fact]}))


# ---- decisions


NOW = datetime(2023, 3, 1, tzinfo=UTC)


def pair(state: Any) -> Duplicate:
    return Duplicate(UUID(int=9), UUID(int=1), UUID(int=2), 80, (), state, None, NOW, None, None)


def test_a_pair_is_dismissed_with_a_reason_and_reopened() -> None:
    dismissed = domain.dismiss(pair("open"), "twins", "officer", NOW)
    assert (dismissed.state, dismissed.reason, dismissed.decided_by) == ("dismissed", "twins", "officer")
    assert (domain.reopen(dismissed, "officer", NOW).state, domain.reopen(dismissed, "officer", NOW).reason) == (
        "open",
        None,
    )


@pytest.mark.parametrize("state", ["dismissed", "merged"])
def test_what_is_settled_is_not_dismissed(state: str) -> None:
    with pytest.raises(DuplicateSettled) as caught:
        domain.dismiss(pair(state), "twins", "officer", NOW)
    assert caught.value.details["state"] == state


@pytest.mark.parametrize("state", ["open", "merged"])
def test_only_what_is_dismissed_is_reopened(state: str) -> None:
    with pytest.raises(DuplicateSettled):
        domain.reopen(pair(state), "officer", NOW)
