"""Importing sheets over HTTP: what comes in, what is told of the rest, twice, cut off, at once, dry."""

import asyncio
import random
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from services.vendor import imports
from services.vendor.app import create
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from tests.conftest import StandingClock
from tests.integration.vendor import HEADINGS, PENJARINGAN, MakeDatabase, Registry, Serve, nik, ok, row, sheet, until


@pytest.fixture
async def registry(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> Registry:
    fresh = await make_database("vendor")
    return Registry(fresh.dsn, fresh.database, serve(create, fresh), issuer, clock, sealer)


def counts(report: dict[str, Any]) -> tuple[int, int, int, int]:
    """Rows, registered, already, rejected."""
    return report["rows"], report["registered"], report["already"], len(report["rejected"])


def told(report: dict[str, Any]) -> list[tuple[int, str, str]]:
    """Line, field and code of each rejected row."""
    return [(rejected["line"], rejected["field"], rejected["code"]) for rejected in report["rejected"]]


# ---- what comes in


@pytest.mark.parametrize("rows", [0, 1, 499, 500, 501, 1300])
async def test_every_good_row_comes_in_whatever_the_chunks(registry: Registry, rows: int) -> None:
    report = ok(await registry.send_sheet(sheet([row(number) for number in range(rows)])))
    assert counts(report) == (rows, rows, 0, 0)
    assert await registry.vendors() == rows
    events = await registry.published("VendorRegistered")
    assert len({event.key for event in events}) == rows
    assert {event.sequence for event in events} <= {1}
    assert {event.body["origin"] for event in events} <= {"file"}
    assert len(await registry.published("ContactCard")) == rows
    assert await registry.value("SELECT count(DISTINCT txid) FROM outbox") == -(-rows // imports.CHUNK_ROWS)


async def test_the_report_names_the_columns_it_read(registry: Registry) -> None:
    report = ok(await registry.send_sheet(sheet([])))
    assert report["columns"]["phone"] == "no_hp"
    assert report["columns"]["kelurahan"] == "kode_kelurahan"
    assert "language" not in report["columns"]


async def test_bad_rows_are_told_with_line_field_masked_value_reason_and_fix(registry: Registry) -> None:
    rows = [
        row(1),
        row(2, nik=nik(2)[:15]),
        row(3, name='"Orang\nDua Baris"'),
        row(4, phone="0812", rw="0", category="mobil"),
        row(5, kelurahan=PENJARINGAN),
        row(6) + ";terlalu banyak",
        row(1, nik=f"'{nik(1)}"),
        row(8),
    ]
    report = ok(await registry.send_sheet(sheet(rows)))
    assert counts(report) == (8, 3, 0, 5)
    assert told(report) == [
        (3, "nik", "nik-length"),
        (6, "phone", "phone-format"),
        (7, "kelurahan", "outside-area"),
        (8, "row", "row-cells"),
        (9, "nik", "row-repeated"),
    ]
    length, several, area, _, repeated = report["rejected"]
    assert (length["value"], length["reason"], length["fix"]) == (
        "*" * 15,
        "does not have 16 digits",
        "copy all 16 digits from the KTP",
    )
    assert [(fault["field"], fault["value"]) for fault in several["also"]] == [("rw", "0"), ("category", "mobil")]
    assert (area["value"], area["reason"]) == (PENJARINGAN, "lies outside your area 31.71")
    assert (repeated["value"], repeated["reason"]) == ("*" * 17, "stands in line 2")
    assert await registry.value("SELECT name FROM vendor WHERE name LIKE '%Baris'") == "Orang Dua Baris"


async def test_no_personal_value_is_in_the_report_or_kept_of_a_rejected_row(registry: Registry) -> None:
    rows = [row(4, rw="x", rt="y", email="rahasia", street="\x00 Jalan Rahasia", phone="08129999", nik="31710")]
    answer = await registry.send_sheet(sheet(rows))
    assert len(ok(answer)["rejected"][0]["also"]) == 5
    kept = "\n".join((await registry.everything()).values())
    for personal in ("31710", "Orang Contoh 4", "rahasia", "Rahasia", "08129999"):
        assert personal not in answer.text
        assert personal not in kept


async def test_warnings_are_counted_and_the_first_lines_named(registry: Registry) -> None:
    odd = [row(number, nik=f"3171023102{number:02d}0001") for number in range(24, 50)]
    report = ok(await registry.send_sheet(sheet([row(1), *odd])))
    assert report["warnings"] == {"nik-date-odd": {"count": 26, "lines": list(range(3, 13))}}
    assert report["registered"] == 27


# ---- the same again


async def test_a_sheet_sent_again_registers_nobody_and_says_already(registry: Registry) -> None:
    content = sheet([*(row(number) for number in range(700)), row(700, rw="x"), row(5)])
    first = ok(await registry.send_sheet(content))
    events = await registry.published()
    second = ok(await registry.send_sheet(content))
    assert (counts(first), counts(second)) == ((702, 700, 0, 2), (702, 0, 700, 2))
    assert told(first) == told(second) == [(702, "rw", "number-format"), (703, "nik", "row-repeated")]
    assert await registry.vendors() == 700
    assert await registry.published() == events


async def test_a_person_in_two_chunks_is_found_and_both_lines_are_told(registry: Registry) -> None:
    rows = [row(number) for number in range(1200)]
    rows[1100] = row(3, name="Nama Lain")
    report = ok(await registry.send_sheet(sheet(rows)))
    assert counts(report) == (1200, 1199, 0, 1)
    assert (report["rejected"][0]["line"], report["rejected"][0]["reason"]) == (1102, "stands in line 5")
    assert await registry.value("SELECT count(*) FROM vendor WHERE name = 'Nama Lain'") == 0


async def test_a_second_row_counts_when_the_first_of_the_person_was_rejected(registry: Registry) -> None:
    report = ok(await registry.send_sheet(sheet([row(1, phone="x"), row(1)])))
    assert counts(report) == (2, 1, 0, 1)


async def test_the_same_request_again_is_the_same_report(registry: Registry) -> None:
    content = sheet([row(1), row(2, rw="x")])
    first, again = [ok(await registry.send_sheet(content, key="one-import")) for _ in range(2)]
    assert first == again
    assert counts(first) == (2, 1, 0, 1)
    other = await registry.send_sheet(sheet([row(3)]), key="one-import")
    assert ok(other, 422)["code"] == "idempotency-key-reused"


# ---- dry runs


async def test_a_dry_run_tells_the_same_and_registers_nobody(registry: Registry) -> None:
    await registry.register(10)
    rows = [row(number) for number in range(1100)]
    rows[50], rows[1050] = row(50, rt="x"), row(7)
    content = sheet(rows)
    events = await registry.published()
    dry = ok(await registry.send_sheet(content, dry_run=True))
    assert (await registry.vendors(), await registry.published()) == (1, events)
    real = ok(await registry.send_sheet(content))
    assert counts(dry) == counts(real) == (1100, 1097, 1, 2)
    assert told(dry) == told(real) == [(52, "rt", "number-format"), (1052, "nik", "row-repeated")]
    assert (dry["dry_run"], real["dry_run"]) == (True, False)


# ---- refused as a whole


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "sheet-unreadable"),
        (b"nama;nik\nSiti;1\n", "sheet-columns-missing"),
        (f"{HEADINGS};NIK\n".encode(), "sheet-column-twice"),
        (sheet([row(1)]) + b"\xff", "sheet-unreadable"),
    ],
)
async def test_what_is_no_sheet_of_vendors_is_refused_and_leaves_nothing(
    registry: Registry, content: bytes, code: str
) -> None:
    assert ok(await registry.send_sheet(content, key="key"), 422)["code"] == code
    assert await registry.vendors() == 0
    assert await registry.value("SELECT count(*) FROM import_run") == 0
    assert counts(ok(await registry.send_sheet(sheet([row(1)]), key="key"))) == (1, 1, 0, 0)


@pytest.mark.parametrize("role", ["vendor", "service", "operator"])
async def test_only_officers_import(registry: Registry, role: str) -> None:
    assert (await registry.send_sheet(sheet([row(1)]), token=registry.of(role))).status_code == 403
    assert await registry.vendors() == 0


async def test_reading_stops_where_nearly_every_row_is_rejected(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "REJECTED_ROWS_MAX", 600)
    rows = [row(number, rw="x") for number in range(1600)]
    report = ok(await registry.send_sheet(sheet(rows)))
    assert (report["stopped_at_line"], len(report["rejected"]), report["rows"]) == (1001, 1000, 1000)
    few = ok(await registry.send_sheet(sheet(rows[:600])))
    assert (few["stopped_at_line"], len(few["rejected"])) == (None, 600)


# ---- cut off, and at once


async def _progress(registry: Registry, key: str) -> dict[str, Any]:
    answer = await registry.get(f"/v1/vendors/imports/{key}")
    return answer.json() if answer.is_success else {"rows": 0, "finished": False}


async def _has_come(registry: Registry, rows: int) -> bool:
    return bool((await _progress(registry, "long"))["rows"] >= rows)


async def test_an_import_that_was_cut_off_goes_on_and_counts_every_row_once(registry: Registry) -> None:
    await registry.crowd()
    rows = [row(number) if number % 100 else row(number, rw="x") for number in range(6000)]
    content = sheet(rows)
    stopped_at = set()
    for pieces in (1, 3, 5):
        upload = asyncio.create_task(registry.send_sheet(content, key="long"))
        await until(partial(_has_come, registry, pieces * 1000))
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload
        so_far = await _progress(registry, "long")
        assert not so_far["finished"]
        assert so_far["registered"] == await registry.vendors()
        stopped_at.add(so_far["rows"])
    assert len(stopped_at) == 3
    report = ok(await registry.send_sheet(content, key="long"))
    assert counts(report) == (6000, 5940, 0, 60)
    assert [line for line, _, _ in told(report)] == [number + 2 for number in range(0, 6000, 100)]
    assert await registry.vendors() == 5940
    assert len({event.key for event in await registry.published("VendorRegistered")}) == 5940
    assert (await _progress(registry, "long")) == {
        "import_id": report["import_id"],
        "dry_run": False,
        "rows": 6000,
        "registered": 5940,
        "already": 0,
        "rejected": 60,
        "finished": True,
    }


async def test_two_uploads_under_one_key_at_once_do_every_row_once(registry: Registry) -> None:
    await registry.crowd()
    content = sheet([row(number) for number in range(3000)])
    answers = await asyncio.gather(*(registry.send_sheet(content, key="same") for _ in range(4)))
    taken = [answer.json() for answer in answers if answer.is_success]
    assert {answer.json()["code"] for answer in answers if not answer.is_success} <= {"import-running"}
    assert taken
    assert {counts(report) for report in taken} == {(3000, 3000, 0, 0)}
    assert len({report["import_id"] for report in taken}) == 1
    assert await registry.vendors() == 3000
    assert len(await registry.published("VendorRegistered")) == 3000


async def test_two_officers_with_the_same_people_at_once_register_each_once(registry: Registry) -> None:
    await registry.crowd()
    rows = [row(number) for number in range(2000)]
    shuffled = random.Random(3).sample(rows, len(rows))
    one, other = await asyncio.gather(
        registry.send_sheet(sheet(rows)), registry.send_sheet(sheet(shuffled), token=registry.officer("31"))
    )
    reports = [ok(one), ok(other)]
    assert sum(report["registered"] for report in reports) == 2000
    assert sum(report["already"] for report in reports) == 2000
    assert not reports[0]["rejected"]
    assert not reports[1]["rejected"]
    assert await registry.vendors() == 2000
    assert len(await registry.published()) == 4000


@pytest.mark.parametrize("key", ["%00", "%20", "a" * 201, "%C3%A9"])
async def test_a_key_that_can_be_no_key_is_no_fault(registry: Registry, key: str) -> None:
    assert (await registry.get(f"/v1/vendors/imports/{key}")).status_code == 422


async def test_progress_is_told_to_who_imports_only(registry: Registry) -> None:
    await registry.send_sheet(sheet([row(1)]), key="mine")
    assert (await registry.get("/v1/vendors/imports/mine")).status_code == 200
    other = await registry.get("/v1/vendors/imports/mine", token=registry.officer("31"))
    assert ok(other, 404)["code"] == "import-unknown"
    assert (await registry.get("/v1/vendors/imports/mine", token=registry.of("operator"))).status_code == 403
    assert UUID((await registry.get("/v1/vendors/imports/mine")).json()["import_id"]).version == 7
