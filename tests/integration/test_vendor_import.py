"""Importing sheets over HTTP: what comes in, what is told of the rest, twice, cut off, at once, dry."""

import asyncio
import csv
import io
import multiprocessing
import random
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import xlsxwriter

from services.vendor import imports
from services.vendor.domain.registration import Codes, Registration
from services.vendor.handlers import importing
from services.vendor.handlers.importing import Asked
from services.vendor.handlers.registration import register_vendors
from services.vendor.sheets import open_sheet
from services.vendor.store.vendors import copy_vendors
from shared.db import Database
from shared.http.pages import write_cursor
from tests.conftest import MakeDatabase
from tests.integration.vendor import HEADINGS, PENJARINGAN, Registry, nik, ok, row, sheet, until


def counts(report: dict[str, Any]) -> tuple[int, int, int, int]:
    """Rows, registered, already, rejected."""
    return report["rows"], report["registered"], report["already"], len(report["rejected"])


def told(report: dict[str, Any]) -> list[tuple[int, str, str]]:
    """Line, field and code of each rejected row."""
    return [(rejected["line"], rejected["field"], rejected["code"]) for rejected in report["rejected"]]


# ---- what comes in


@pytest.fixture
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "CHUNK_ROWS", 500)


@pytest.mark.parametrize("rows", [0, 1, 499, 500, 501, 1300])
@pytest.mark.usefixtures("short_chunks")
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


@pytest.mark.usefixtures("short_chunks")
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


# ---- written as by any other door


async def test_what_an_import_writes_is_what_registering_them_writes(
    registry: Registry, make_database: MakeDatabase
) -> None:
    """Row for row and byte for byte, but for what is fresh each time: ids, nonces, moments of recording."""
    cells = [
        row(1),
        row(
            2,
            name='"José ""Si Kecil"" \\ Ñuñez"',
            category="health",
            agency="kpkp",
            email="",
            street="\u201cJl\u201d 1",
        ),
        row(3, nik="3171020106100003", phone="62812-3456-7890", rw="RW 12", rt="9", street=""),
    ]
    ok(await registry.send_sheet(sheet(cells)))
    other = await make_database("vendor")
    wishes = [wish for _, wish in open_sheet(io.BytesIO(sheet(cells))).wishes() if isinstance(wish, Registration)]
    async with other.database.transaction() as conn:
        await register_vendors(conn, wishes, origin="file", now=registry.clock.now(), sealer=registry.sealer)

    async def written(database: Database) -> list[dict[str, Any]]:
        async with database.read() as conn:
            people = await conn.fetch("SELECT * FROM vendor ORDER BY nik_index")
            facts = await conn.fetch(
                "SELECT key, topic, sequence, type, occurred_at, payload FROM outbox ORDER BY type"
            )
        found = []
        for person in people:
            key = str(person["vendor_id"])
            nik = registry.sealer.open(person["nik_sealed"], person["vendor_id"].bytes)
            own = [
                {**fact, "key": "", "payload": fact["payload"].replace(key.encode(), b"")}
                for fact in facts
                if fact["key"] == key
            ]
            fresh = {"vendor_id": "", "nik_sealed": nik, "facts_xid": ""}
            found.append({**dict(person), **fresh, "facts": own})
        return found

    imported = await written(registry.database)
    assert len(imported) == 3
    assert [len(person["facts"]) for person in imported] == [2, 2, 2]
    assert imported == await written(other.database)


@pytest.mark.usefixtures("short_chunks")
async def test_a_long_sheet_is_prepared_in_a_process_of_its_own_with_the_same_result(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "PROCESS_ROWS_MIN", 500)
    rows = [row(number) if number % 100 else row(number, rw="x") for number in range(1700)]
    rows[1500] = row(3)
    report = ok(await registry.send_sheet(sheet(rows)))
    assert counts(report) == (1700, 1683, 0, 17)
    assert (1502, "nik", "row-repeated") in told(report)
    sealed = await registry.value("SELECT nik_sealed FROM vendor WHERE name = 'Orang Contoh 1699'")
    owner = await registry.value("SELECT vendor_id FROM vendor WHERE name = 'Orang Contoh 1699'")
    assert registry.sealer.open(sealed, owner.bytes).decode() == nik(1699)
    await until(helper_ended)


async def helper_ended() -> bool:
    return not multiprocessing.active_children()


async def test_somebody_who_registers_between_our_look_and_our_write_is_already_registered(registry: Registry) -> None:
    """COPY takes all or none: with one NIK taken meanwhile the others come in nevertheless, and their facts only."""
    codes = Codes(frozenset(), frozenset())
    rows = list(open_sheet(io.BytesIO(sheet([row(number) for number in range(50)]))).wishes())
    asked = Asked(codes, registry.clock.now(), None, None)
    prepared = importing.prepare(rows, asked, registry.sealer)
    taken = await registry.register(7)
    async with registry.database.transaction() as conn:
        ordered = sorted(prepared.entrants, key=lambda entrant: entrant.nik_index)
        added = await copy_vendors(conn, [entrant.vendor for entrant in ordered])
        assert added == {entrant.vendor_id for entrant in ordered if entrant.nik != int(nik(7))}
    async with registry.database.transaction() as conn:
        again = importing.prepare(rows, asked, registry.sealer).entrants
        assert await copy_vendors(conn, [entrant.vendor for entrant in again]) == set()
    assert await registry.vendors() == 50
    assert await registry.value("SELECT vendor_id FROM vendor WHERE name = 'Orang Contoh 7'") == taken


@pytest.mark.parametrize("table", ["category", "agency"])
@pytest.mark.parametrize("act", ["DELETE FROM {}", "UPDATE {} SET code = code || '-x'", "TRUNCATE {} CASCADE"])
async def test_a_code_that_vendors_may_carry_is_never_removed(registry: Registry, table: str, act: str) -> None:
    async with registry.database.pool.acquire() as conn:
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await conn.execute(act.format(table))


# ---- workbooks, and rejected rows as a file


def workbook(rows: Sequence[Sequence[str | int]]) -> bytes:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as book:
        table = book.add_worksheet("Data")
        for number, cells in enumerate([HEADINGS.split(";"), *rows]):
            table.write_row(number, 0, cells)
    return content.getvalue()


async def ask_for_csv(registry: Registry, content: bytes, key: str | None = None) -> httpx.Response:
    """Upload a sheet and ask for its rejected rows."""
    headers = {
        "Authorization": f"Bearer {registry.officer()}",
        "Idempotency-Key": key or str(uuid4()),
        "Accept": "text/csv",
    }
    files = {"file": ("orang", content)}
    return await registry.client.post("/v1/vendors/import", params={"dry_run": False}, files=files, headers=headers)


async def test_a_workbook_comes_in_as_csv_does(registry: Registry) -> None:
    rows: list[list[str | int]] = [[*row(number).split(";")] for number in range(4)]
    rows[1][0] = int(nik(1))
    rows[2][2] = 81234567890
    report = ok(await registry.send_sheet(workbook(rows)))
    assert counts(report) == (4, 3, 0, 1)
    assert told(report) == [(3, "nik", "nik-scientific")]
    assert nik(1)[:6] not in report["rejected"][0]["value"]
    assert await registry.value("SELECT phone FROM vendor WHERE name = 'Orang Contoh 2'") == "+6281234567890"


async def test_a_workbook_that_cannot_be_read_is_refused_and_leaves_the_key_unused(registry: Registry) -> None:
    refused = ok(await registry.send_sheet(workbook([])[:200], key="key"), 422)
    assert (refused["code"], "damaged" in refused["detail"]) == ("workbook-unreadable", True)
    assert counts(ok(await registry.send_sheet(workbook([row(1).split(";")]), key="key"))) == (1, 1, 0, 0)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_rejected_rows_come_back_in_full_when_csv_is_asked_for_and_are_kept_nowhere(
    registry: Registry, kind: str
) -> None:
    rows = [row(1), row(2, rw="0", rt="x"), row(3, name="Rahasia", category="mobil"), row(4)]
    content = sheet(rows) if kind == "csv" else workbook([one.split(";") for one in rows])
    answer = await ask_for_csv(registry, content, "mine")
    assert answer.headers["content-type"].startswith("text/csv")
    lines = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))
    assert lines[0][:3] == ["nik", "nama", "no_hp"]
    assert [(line[0], line[1], line[-4], line[-3]) for line in lines[1:]] == [
        (nik(2), "Orang Contoh 2", "3", "rw; rt"),
        (nik(3), "Rahasia", "4", "category"),
    ]
    assert counts(ok(await registry.send_sheet(content, key="mine"))) == (4, 2, 0, 2)
    kept = "\n".join((await registry.everything()).values())
    assert nik(2) not in kept
    assert "Rahasia" not in kept
    mended = answer.content.replace(b";0;x;", b";1;2;").replace(b"mobil", b"health")
    assert counts(ok(await registry.send_sheet(mended))) == (2, 2, 0, 0)


async def test_a_sheet_without_faults_comes_back_as_headings_alone(registry: Registry) -> None:
    answer = await ask_for_csv(registry, sheet([row(1)]))
    assert answer.content.decode("utf-8-sig").splitlines() == [
        f"{HEADINGS};rejected_line;rejected_field;rejected_reason;rejected_fix"
    ]


async def test_rejected_rows_can_be_read_page_by_page_by_who_imports(registry: Registry) -> None:
    report = ok(await registry.send_sheet(sheet([row(number, rw="x") for number in range(1100)]), key="mine"))
    assert len(report["rejected"]) == 1100
    found: list[dict[str, Any]] = []
    after = None
    while True:
        params: dict[str, Any] = {"limit": 500} if after is None else {"limit": 500, "after": after}
        answer = ok(await registry.get("/v1/vendors/imports/mine/rejected", **params))
        found += answer["items"]
        after = answer["next"]
        if after is None:
            break
    assert found == report["rejected"]
    elsewhere = await registry.get("/v1/vendors/imports/mine/rejected", token=registry.officer("31"))
    assert ok(elsewhere, 404)["code"] == "import-unknown"
    for cursor in ("x", write_cursor(-1), write_cursor(2**63), write_cursor("1; DROP")):
        assert (await registry.get("/v1/vendors/imports/mine/rejected", after=cursor)).status_code == 422


# ---- dry runs


@pytest.mark.usefixtures("short_chunks")
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


@pytest.mark.usefixtures("short_chunks")
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


@pytest.mark.usefixtures("short_chunks")
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


@pytest.mark.usefixtures("short_chunks")
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


@pytest.mark.usefixtures("short_chunks")
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
