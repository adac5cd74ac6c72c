"""Registration and what may change about a vendor, decided without a database."""

from datetime import UTC, date, datetime
from typing import Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.vendor.domain import registration as domain
from services.vendor.domain.registration import (
    AlreadyRegistered,
    Codes,
    CodeUnknown,
    OutsideArea,
    Registration,
    RegistrationInvalid,
    Vendor,
)

TODAY = date(2023, 3, 1)
NOW = datetime(2023, 2, 28, 18, 30, tzinfo=UTC)
VENDOR_ID = UUID("0186a000-0000-7000-8000-000000000001")
CODES = Codes(frozenset({"food-drink", "health"}), frozenset({"ppkukm", "kpkp"}))
GOOD = Registration("3171024507900001", "Siti Aminah", "0812-3456-7890", "31.71.02.1002", "3", "7")


def registered(wish: Registration = GOOD) -> Vendor:
    return domain.register(domain.admit(wish, CODES, TODAY), VENDOR_ID, "self", TODAY, NOW)[0]


def test_identity_and_contact_are_enough_to_register() -> None:
    vendor, event, card = domain.register(domain.admit(GOOD, CODES, TODAY), VENDOR_ID, "officer", TODAY, NOW)
    assert (vendor.kind, vendor.category, vendor.agency, vendor.email) == ("pemula", None, None, None)
    assert (vendor.rw, vendor.rt, vendor.phone) == ("003", "007", "+6281234567890")
    assert (vendor.version, vendor.card_version, vendor.origin) == (1, 1, "officer")
    assert event.model_dump(mode="json") == {
        "vendor_id": str(VENDOR_ID),
        "kind": "pemula",
        "kelurahan": "31.71.02.1002",
        "rw": "003",
        "rt": "007",
        "category": None,
        "agency": None,
        "origin": "officer",
        "registered_on": "2023-03-01",
    }
    assert card.model_dump(mode="json") == {
        "vendor_id": str(VENDOR_ID),
        "name": "Siti Aminah",
        "phone": "+6281234567890",
        "email": None,
        "language": "id",
    }


def test_a_registration_with_everything_keeps_everything() -> None:
    wish = GOOD._replace(
        street="Jl. Karang Anyar 5",
        email="siti@contoh.id",
        kind="usaha",
        category="health",
        agency="KPKP",
        language="en",
    )
    vendor = registered(wish)
    assert (vendor.street, vendor.email, vendor.kind) == ("Jl. Karang Anyar 5", "siti@contoh.id", "usaha")
    assert (vendor.category, vendor.agency, vendor.language) == ("health", "kpkp", "en")


def test_the_fact_carries_no_personal_data() -> None:
    wish = GOOD._replace(street="Jl. Rahasia 9", email="siti@contoh.id")
    _, event, _ = domain.register(domain.admit(wish, CODES, TODAY), VENDOR_ID, "self", TODAY, NOW)
    body = event.to_bytes().decode()
    for personal in ("3171024507900001", "Siti", "81234567890", "Rahasia", "siti@"):
        assert personal not in body


def test_every_bad_field_is_named_at_once() -> None:
    wish = Registration("1", "", "x", "Kamal", "0", "1000", "\x00", "x", "besar", "mobil", "dishub", "nl")
    with pytest.raises(RegistrationInvalid) as caught:
        domain.admit(wish, CODES, TODAY)
    assert ",".join(problem.field for problem in caught.value.problems) == (
        "nik,name,phone,kelurahan,rw,rt,street,email,kind,category,agency,language"
    )
    assert [error["field"] for error in caught.value.details["errors"]] == [p.field for p in caught.value.problems]
    assert (caught.value.code, caught.value.status) == ("registration-invalid", 422)


def test_a_warning_does_not_refuse() -> None:
    admitted = domain.admit(GOOD._replace(nik="3171023102900001", kelurahan="31.73.06.1004"), CODES, TODAY)
    assert [warning.code for warning in admitted.warnings] == ["nik-date-odd", "area-name-trap"]


@pytest.mark.parametrize(("area", "good"), [("31", True), ("31.71", True), ("31.71.02.1002", True), ("31.72", False)])
def test_an_officer_registers_inside_its_area_only(area: str, good: bool) -> None:
    if good:
        assert domain.admit(GOOD, CODES, TODAY, within=area).kelurahan == "31.71.02.1002"
        return
    with pytest.raises(OutsideArea) as caught:
        domain.admit(GOOD, CODES, TODAY, within=area)
    assert (caught.value.code, caught.value.status, caught.value.details) == ("outside-area", 403, {"area": area})


def test_an_unknown_category_is_refused_listing_those_known() -> None:
    with pytest.raises(RegistrationInvalid) as caught:
        domain.admit(GOOD._replace(category="mobil"), CODES, TODAY)
    assert caught.value.problems[0].fix == "known are food-drink, health"


def test_who_holds_a_nik_is_named_only_on_purpose() -> None:
    refusal = AlreadyRegistered(VENDOR_ID, "31.71.02.1002")
    assert refusal.details == {}
    assert str(VENDOR_ID) not in refusal.message
    assert refusal.naming().details == {"vendor_id": str(VENDOR_ID)}
    assert refusal.details == {}


def test_a_category_is_chosen_and_chosen_again_once() -> None:
    vendor, events = domain.choose_category(registered(), "food-drink", CODES)
    assert vendor.category == "food-drink"
    assert [event.model_dump() for event in events] == [{"vendor_id": VENDOR_ID, "category": "food-drink"}]
    assert domain.choose_category(vendor, " Food-Drink ", CODES) == (vendor, [])


def test_one_agency_coaches_at_a_time_and_the_one_before_is_told() -> None:
    vendor, events = domain.coach(registered(), "kpkp", CODES)
    assert [event.model_dump() for event in events] == [
        {"vendor_id": VENDOR_ID, "agency": "kpkp", "previous_agency": None}
    ]
    vendor, events = domain.coach(vendor, "ppkukm", CODES)
    assert vendor.agency == "ppkukm"
    assert [event.model_dump() for event in events] == [
        {"vendor_id": VENDOR_ID, "agency": "ppkukm", "previous_agency": "kpkp"}
    ]
    assert domain.coach(vendor, "ppkukm", CODES) == (vendor, [])


@pytest.mark.parametrize("code", ["", "dishub", "ppkukm "])
def test_a_code_the_programme_lacks_is_refused(code: str) -> None:
    with pytest.raises(CodeUnknown) as caught:
        domain.choose_category(registered(), code, CODES)
    assert (caught.value.status, caught.value.details) == (
        422,
        {"field": "category", "known": ["food-drink", "health"]},
    )


@given(st.lists(st.text(max_size=40), min_size=12, max_size=12))
def test_any_text_is_admitted_or_refused_and_never_repeated(cells: list[str]) -> None:
    """No input is a fault, and no refusal gives a value back that a report or a log would then hold."""
    secret = "Rahasia-7"
    wish = Registration(*(secret + cell for cell in cells))
    with pytest.raises(RegistrationInvalid) as caught:
        domain.admit(wish, CODES, TODAY)
    assert secret not in f"{caught.value.message} {caught.value.details}"


@given(st.builds(Registration, *[st.text(max_size=25)] * 12))
def test_what_is_admitted_can_be_stored_and_sent(wish: Registration) -> None:
    try:
        admitted = domain.admit(GOOD._replace(name=wish.name, street=wish.street, rw=wish.rw), CODES, TODAY)
    except RegistrationInvalid:
        return
    vendor, event, card = domain.register(admitted, VENDOR_ID, "file", TODAY, NOW)
    for text in (vendor.name, vendor.street):
        assert text.isprintable()
        assert text.encode()
    assert event.to_bytes()
    assert card.to_bytes()


PRINTABLE = st.text(st.characters().filter(str.isprintable), min_size=1, max_size=30)


@given(
    name=PRINTABLE,
    email=st.none() | PRINTABLE,
    category=st.sampled_from([None, "health", "food-drink"]),
    agency=st.none() | st.just("kpkp"),
    kind=st.sampled_from(["pemula", "usaha"]),
    language=st.sampled_from(["id", "en"]),
    day=st.dates(),
)
def test_bodies_written_straight_are_those_of_the_events_byte_for_byte(
    name: str,
    email: str | None,
    category: str | None,
    agency: str | None,
    kind: Literal["pemula", "usaha"],
    language: Literal["id", "en"],
    day: date,
) -> None:
    admitted = domain.admit(GOOD, CODES, TODAY)._replace(
        name=name, email=email, category=category, agency=agency, kind=kind, language=language
    )
    _, event, card = domain.register(admitted, VENDOR_ID, "file", TODAY, NOW)
    event = event.model_copy(update={"registered_on": day})
    assert domain.first_bodies(admitted, str(VENDOR_ID), "file", day) == (event.to_bytes(), card.to_bytes())
