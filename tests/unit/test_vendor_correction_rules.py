"""Rules of corrections: what may be corrected, what waits for an officer, what others hear."""

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from services.vendor.checks import Warned
from services.vendor.domain import corrections
from services.vendor.domain.corrections import CorrectionInvalid
from services.vendor.domain.registration import Vendor
from shared.events.vendor import VendorKindChosen, VendorMoved

TODAY = date(2023, 3, 1)
VENDOR = Vendor(
    vendor_id=UUID(int=1),
    version=3,
    card_version=1,
    name="Siti",
    phone="+6281234567890",
    email="siti@contoh.id",
    street="Jalan Satu",
    kelurahan="31.71.02.1002",
    rw="003",
    rt="007",
    kind="pemula",
    category=None,
    agency=None,
    language="id",
    origin="self",
    registered_on=TODAY,
    registered_at=datetime(2023, 3, 1, tzinfo=UTC),
)
NIK = "3171024507900001"


def admitted(**wish: str) -> dict[str, str | None]:
    return corrections.admit(wish, TODAY, [])


def problems(**wish: str) -> list[tuple[str, str]]:
    with pytest.raises(CorrectionInvalid) as refused:
        admitted(**wish)
    return [(problem["field"], problem["code"]) for problem in refused.value.details["errors"]]


def test_fields_are_written_as_a_registration_writes_them() -> None:
    assert admitted(phone="62812 3456 7891", email="", rt="RT 4", kind="USAHA") == {
        "phone": "+6281234567891",
        "email": None,
        "rt": "004",
        "kind": "usaha",
    }


def test_every_problem_is_named_at_once() -> None:
    assert problems(phone="1", name="7", rt="x") == [
        ("name", "name-letters"),
        ("phone", "phone-format"),
        ("rt", "number-format"),
    ]


def test_a_new_kelurahan_needs_its_rw_and_rt_and_a_new_rw_its_rt() -> None:
    assert problems(kelurahan="31.72.01.1001") == [("rw", "address-incomplete"), ("rt", "address-incomplete")]
    assert problems(kelurahan="31.72.01.1001", rw="1") == [("rt", "address-incomplete")]
    assert problems(rw="1") == [("rt", "address-incomplete")]
    assert admitted(rt="1") == {"rt": "001"}
    assert admitted(kelurahan="31.72.01.1001", rw="1", rt="2") == {
        "kelurahan": "31.72.01.1001",
        "rw": "001",
        "rt": "002",
    }


def test_a_warning_of_a_check_is_passed_on() -> None:
    warnings: list[Warned] = []
    corrections.admit({"phone": "021 5551234"}, TODAY, warnings)
    assert [warning.code for warning in warnings] == ["phone-landline"]


def test_a_vendor_changes_its_contact_at_once_and_waits_with_what_its_ktp_says() -> None:
    wish = admitted(phone="081234567891", language="en", kind="usaha", name="Siti A", street="Jalan Dua", nik=NIK)
    now, later = corrections.split(wish, by_officer=False)
    assert (set(now), set(later)) == ({"phone", "language", "kind"}, {"name", "street", "nik"})
    assert corrections.split(wish, by_officer=True) == (wish, {})


def test_only_what_differs_is_a_change() -> None:
    wish = admitted(name="Siti", phone="0812-3456-7890", language="en", nik=NIK)
    assert corrections.changes(VENDOR, NIK, wish) == {"language": ("id", "en")}
    assert set(corrections.changes(VENDOR, NIK[:-1] + "2", wish)) == {"language", "nik"}


def test_a_move_and_a_kind_are_told_and_a_name_is_not() -> None:
    corrected, events = corrections.apply(VENDOR, admitted(name="Siti A", rt="8", kind="usaha"), TODAY)
    assert events == [
        VendorMoved(vendor_id=VENDOR.vendor_id, kelurahan="31.71.02.1002", rw="003", rt="008"),
        VendorKindChosen(vendor_id=VENDOR.vendor_id, kind="usaha"),
    ]
    assert corrected == replace(VENDOR, name="Siti A", rt="008", kind="usaha")
    assert corrections.apply(VENDOR, admitted(name="Siti A", street="Jalan Dua"), TODAY)[1] == []


def test_another_nik_tells_another_birthday() -> None:
    corrected, events = corrections.apply(VENDOR, admitted(nik=NIK), TODAY)
    assert (corrected.born_on, events) == (date(1990, 7, 5), [])
