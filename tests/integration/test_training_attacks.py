"""What somebody would try who knows training well: own cases, secrets of others, inputs that cost minutes or run."""

import contextlib
import csv
import io
import json
import time
import zipfile
from typing import Any
from uuid import UUID

import pypdf
import pytest

from services.training.app import create
from services.training.attendance_sheets import read_sheet
from services.training.store.erasures import VENDOR_TOPICS
from services.training.visit_sheets import read_visits, rejected_rows
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.errors import Refused
from shared.events.rights import VendorErased
from shared.events.vendor import ContactCard, VendorMerged
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration import test_training_doors as doors
from tests.integration.test_training_certificates import graduate, listed, name, settle
from tests.integration.test_training_doors import World
from tests.integration.training import COURSE, School, moment, ok

LETTER = """
INSERT INTO dead_letter (id, topic, partition, record_offset, key, value, headers, type, record_time, state, created_at)
VALUES ($1, $2, 0, 0, $3, $4, '[]', 'ContactCard', $5, 'failed', $5)
"""
EVIL = '#read("/etc/passwd") #import "@preview/x" ] $x$ `raw` \\ */ <script>alert(1)</script> "\'><img src=x>'


@pytest.fixture
async def world(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> World:
    """The training service, empty."""
    fresh = await make_database("training")
    client = serve(create, fresh)
    return World(
        client=client, issuer=issuer, school=School(fresh.database, client, issuer, clock, sealer), clock=clock
    )


def both(world: World, vendor_id: str) -> str:
    """Token of an officer of the area who is this vendor besides."""
    return world.issuer.token("both", ["officer", "vendor"], area="31.71", vendor_id=UUID(vendor_id))


async def refused(world: World, path: str, body: dict[str, Any] | None = None, *, token: str) -> tuple[int, str]:
    answer = await world.school.post(path, body, token=token)
    return answer.status_code, answer.json().get("code")


# --- own cases


async def test_an_own_case_is_own_by_any_id_of_the_person(world: World) -> None:
    ids = await doors.the_day(world)
    (older,) = await world.school.register(1)
    await world.school.hear((VendorMerged(vendor_id=older, into=UUID(ids["vendor_id"]), merge_id=new_id()), 2))
    token, own = both(world, str(older)), (403, "own-case")
    day = doors.DAYS[0]
    path = f"/v1/classes/{ids['class_id']}"
    attended = {"day": day, "vendor_ids": [ids["another"]]}
    assert await refused(world, f"{path}/attendance", attended, token=token) == own
    correction = {"day": day, "vendor_id": ids["vendor_id"], "present": True}
    assert await refused(world, f"{path}/attendance/corrections", correction, token=token) == own
    accept = {"accept": True, "day": day}
    assert await refused(world, f"{path}/check-ins/flagged/{ids['scan_id']}", accept, token=token) == own
    enrolment = {"vendor_ids": [ids["vendor_id"], ids["another"]]}
    assert await refused(world, f"{path}/enrolments", enrolment, token=token) == own


async def test_an_officer_publishes_no_matching_in_which_it_is_matched_itself(world: World) -> None:
    ids = await doors.a_matching(world)
    path = f"/v1/matchings/{ids['matching_id']}/publish"
    (older,) = await world.school.register(1)
    await world.school.hear((VendorMerged(vendor_id=older, into=UUID(ids["vendor_id"]), merge_id=new_id()), 2))
    assert await refused(world, path, token=both(world, ids["vendor_id"])) == (403, "own-case")
    assert await refused(world, path, token=both(world, str(older))) == (403, "own-case")
    (bystander,) = await world.school.register(1)
    assert (await world.school.post(path, token=both(world, str(bystander)))).status_code == 202


# --- secrets of others


async def test_a_secret_address_opens_one_paper_and_no_other(world: World) -> None:
    world.clock.moment = doors.START
    _, shown = await graduate(world.school, world.clock, "Siti Aminah", 2)
    async with world.school.database.read() as conn:
        other = await conn.fetchval(
            "SELECT certificate_id FROM certificate WHERE certificate_id <> $1", UUID(shown["certificate_id"])
        )
    key = shown["pdf"].partition("key=")[2]
    for paper in (".pdf", "/credential.json", "/credential.jwt"):
        assert (await world.client.get(f"/v1/certificates/{other}{paper}?key={key}")).status_code == 404
        assert (await world.client.get(f"/v1/certificates/{other}{paper}?key=")).status_code == 404
        assert (await world.client.get(f"/v1/certificates/{shown['certificate_id']}{paper}?key={key}")).is_success


async def test_a_key_of_one_caller_is_nothing_to_another(world: World) -> None:
    ids = await doors.helped(world)
    path, body = f"/v1/cases/{ids['case_id']}/notes", {"note": doors.WORDS}
    tokens = {side: world.school.vendor(UUID(ids[side])) for side in ("vendor_id", "another")}
    assert (await world.school.post(path, body, token=tokens["vendor_id"], key="k")).is_success
    stolen = await world.school.post(path, body, token=tokens["another"], key="k")
    assert (stolen.status_code, stolen.json()["code"]) == (403, "not-own-data")


async def test_a_mentor_who_was_withdrawn_reaches_nothing_any_more(world: World) -> None:
    ids = await doors.helped(world)
    token = world.issuer.token(ids["account"], ["mentor"])
    assert (await world.school.get(f"/v1/cases/{ids['case_id']}", token=token)).is_success
    ok(await world.school.post(f"/v1/mentors/{ids['mentor_id']}/withdraw"))
    visit = {"vendor_id": ids["vendor_id"], **doors.COMES_ON}
    assert await refused(world, "/v1/visits", visit, token=token) == (403, "mentor-account-unknown")
    for path in (
        "/v1/mentors/me",
        "/v1/visits",
        f"/v1/visits/{ids['visit_id']}",
        "/v1/visits/overdue",
        "/v1/visits/template.csv",
        f"/v1/mentors/{ids['mentor_id']}/vendors",
        f"/v1/cases/{ids['case_id']}",
        f"/v1/trainees/{ids['vendor_id']}/cases",
    ):
        assert (await world.school.get(path, token=token)).status_code in (403, 404), path


# --- places in line


async def test_who_leaves_the_line_begins_anew_at_its_end_under_whichever_id(world: World) -> None:
    school, clock = world.school, world.clock
    clock.moment = doors.START
    holder, first, second, alias = await school.register(4)
    class_id = await school.open_class(places=1)
    await school.enrol(class_id, [holder])
    for vendor in (first, second):
        clock.advance(minutes=1)
        await school.enrol(class_id, [vendor], token=school.vendor(vendor), waitlist=True)
    await school.hear((VendorMerged(vendor_id=alias, into=second, merge_id=new_id()), 2))
    # neither asking again, nor another id of the same person, nor leaving and coming back gains anything
    for vendor in (second, alias):
        clock.advance(minutes=1)
        await school.enrol(class_id, [vendor], token=school.vendor(vendor), waitlist=True)
    await school.withdraw(class_id, [alias], token=school.vendor(alias))
    await school.enrol(class_id, [alias], token=school.vendor(alias), waitlist=True)
    items = ok(await school.get(f"/v1/classes/{class_id}/waiting"))["items"]
    assert [UUID(one["vendor_id"]) for one in items] == [first, alias]
    await school.withdraw(class_id, [holder])
    assert [UUID(seat["vendor_id"]) for seat in ok(await school.get(f"/v1/classes/{class_id}"))["roster"]] == [first]


# --- what is written is text


async def test_markup_in_names_and_titles_stays_text_on_paper_and_on_pages(world: World) -> None:
    school, clock = world.school, world.clock
    clock.moment = doors.START
    (vendor,) = await school.register(1)
    await name(school, {vendor: EVIL})
    course = {"name_id": EVIL[:100], "name_en": EVIL[:100], "level": "basic", "field": "export", "sessions": 1}
    path = f"/v1/courses/{COURSE}/edit"
    ok(await school.post(path, course, token=school.officer("31")))
    class_id = await school.open_class(title=EVIL, days=["2023-03-06"], venue=EVIL)
    await school.enrol(class_id, [vendor])
    clock.moment = moment("2023-03-06T18:00")
    await school.attend(class_id, "2023-03-06", [vendor])
    await school.finish(class_id)
    await settle(school)
    (shown,) = await listed(school, vendor)
    pdf = await world.client.get(shown["pdf"])
    assert pdf.is_success, pdf.text
    assert pdf.headers["content-disposition"] == 'inline; filename="sertifikat-LPK-2023-000001.pdf"'
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf.content)).pages)
    assert '#read("/etc/passwd")' in text.replace("“", '"').replace("”", '"')
    assert "root:" not in text
    for page in (f"/certificates/{shown['certificate_id']}", f"/certificates/{shown['number']}"):
        html = (await world.client.get(page)).text
        assert "<script" not in html
        assert "<img" not in html
    gate = (await world.client.get(f"/v1/classes/{class_id}/gate")).text
    assert "alert(1)" not in gate, "the page of the door holds no data"
    credential = (await world.client.get(shown["credential"])).headers
    assert credential["content-disposition"] == 'attachment; filename="sertifikat-LPK-2023-000001.json"'


async def test_what_no_database_keeps_and_days_beyond_the_calendar_are_refused_by_name(world: World) -> None:
    school, ids = world.school, await doors.banked(world)
    vendor, draft = ids["vendor_id"], {**doors.DRAFT, "draft": True}
    for path, body, field in (
        (f"/v1/trainees/{vendor}/capital-referrals", {"bank": "bank\x00dki"}, "bank"),
        (f"/v1/trainees/{vendor}/capital-referrals", {"bank": "\ud800"}, "bank"),
        ("/v1/classes", {**draft, "title": "Kelas\x00"}, "title"),
        ("/v1/classes", {**draft, "trainer_account": "guru\x00"}, "trainer_account"),
    ):
        problem = ok(await school.client.post(path, content=json.dumps(body), headers=_headers(world)), 422)
        assert [one["field"] for one in problem["errors"]] == [field]
    for path in (f"/v1/trainees/{vendor}/days?since=9999-12-31", "/v1/certificates?course=a%00b"):
        ok(await school.get(path), 422)


def _headers(world: World) -> dict[str, str]:
    token = world.school.officer()
    return {"Authorization": f"Bearer {token}", "Idempotency-Key": str(new_id()), "Content-Type": "application/json"}


# --- sheets


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x")'])
def test_no_cell_or_heading_that_is_given_back_runs_in_a_spreadsheet(cell: str) -> None:
    written = io.StringIO()
    csv.writer(written, delimiter=";").writerows([["id_anggota", "tanggal", cell], ["x", cell, cell]])
    given_back = rejected_rows(written.getvalue().encode(), {2: [{"field": "f", "reason": "r", "fix": "x"}]})
    cells = [one for row in csv.reader(io.StringIO(given_back), delimiter=";") for one in row]
    assert f"'{cell}" in cells
    assert not [one for one in cells if one.startswith(("=", "+", "-", "@"))]


def _bomb() -> bytes:
    book = io.BytesIO()
    with zipfile.ZipFile(book, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", bytes(1 << 20))
    packed = bytearray(book.getvalue())
    # the archive's own list says how large its parts are: two gigabytes, which nobody unpacks
    at = packed.rindex(b"PK\x01\x02")
    packed[at + 24 : at + 28] = (2_000_000_000).to_bytes(4, "little")
    return bytes(packed)


LONG = b"id_anggota;tanggal;" + b";".join(f"k{number}".encode() for number in range(120_000)) + b"\nx;y\n"
ODD = {
    "many columns": LONG,
    "one column": b"x" * (1 << 20),
    "only separators": b";" * (1 << 20),
    "only lines": b"\n" * (1 << 20),
    "an open quotation mark": b'id_anggota;tanggal\n"' + b"x" * (1 << 20),
    "NUL": b"id_anggota;2023-03-06\n\x00;\x00\n",
    "UTF-16": "id_anggota;tanggal\n".encode("utf-16"),
    "windows": "id_anggota;tanggal\nJos\xe9;1\n".encode("cp1252"),
    "a broken archive": b"PK\x03\x04" + bytes(64),
    "an archive that unpacks to gigabytes": _bomb(),
    "an old workbook": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512),
    "nothing": b"",
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
def test_an_odd_sheet_is_read_or_refused_at_once(content: bytes, clock: StandingClock) -> None:
    begun = time.process_time()
    for read in (lambda: read_sheet(content, "absent"), lambda: read_visits(content)):
        with contextlib.suppress(Refused):
            read()
    assert time.process_time() - begun < 5, "this kept the interpreter from everybody else"


# --- erasure


async def test_a_contact_card_that_was_set_aside_goes_with_the_person(world: World) -> None:
    (vendor,) = await world.school.register(1)
    card = ContactCard(vendor_id=vendor, name=doors.NAME, phone="+6281200000001").to_bytes()
    async with world.school.database.transaction() as conn:
        for topic in VENDOR_TOPICS:
            await conn.execute(LETTER, new_id(), topic, str(vendor).encode(), card, world.clock.now())
    await world.school.hear((VendorErased(vendor_id=vendor, erasure_id=new_id()), 2))
    async with world.school.database.read() as conn:
        kept = await conn.fetch("SELECT topic, state, value FROM dead_letter")
    assert {row["topic"] for row in kept} >= {ContactCard.topic}
    assert {(row["state"], row["value"]) for row in kept} == {("discarded", None)}
