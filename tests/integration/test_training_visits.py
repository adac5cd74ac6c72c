"""Visits over HTTP and at the outbox: who may log, correct and strike which; sheets that come in twice, and at once."""

import asyncio
import csv
import io
import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.training.app import create
from services.training.handlers.assignments import assign, unassign
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.rights import VendorErased
from shared.events.vendor import VendorMerged
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.training import GAMBIR, School, moment, ok

HEADINGS = "id_anggota;tanggal;cara;tindak_lanjut;tanggal_tindak_lanjut;bulan;omzet;aset;tenaga_kerja;catatan;nomor"
NOTE = "Omzet naik karena pesanan katering, perlu mesin baru."


@pytest.fixture
async def school(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> School:
    fresh = await make_database("training")
    clock.moment = moment("2023-03-20T09:00")
    return School(fresh.database, serve(create, fresh), issuer, clock, sealer)


class Mentor:
    """A mentor with vendors, and its token."""

    def __init__(self, school: School, mentor_id: UUID, account: str) -> None:
        self.school, self.mentor_id = school, mentor_id
        self.token = school.issuer.token(account, ["mentor"])

    async def has(self, *vendors: UUID, since: str | None = None) -> None:
        now = self.school.clock.now() if since is None else moment(since)
        async with self.school.database.transaction() as conn:
            for vendor in vendors:
                await assign(conn, vendor, self.mentor_id, kind="employed", by="officer", now=now)

    async def loses(self, vendor: UUID) -> None:
        async with self.school.database.transaction() as conn:
            await unassign(conn, vendor, because="officer", now=self.school.clock.now())

    async def logs(self, vendor: UUID, day: str = "2023-03-15", **more: Any) -> httpx.Response:
        body = {"vendor_id": str(vendor), "visited_on": day, "mode": "visit", **more}
        return await self.school.post("/v1/visits", body, token=self.token)

    async def logged(self, vendor: UUID, day: str = "2023-03-15", **more: Any) -> UUID:
        return UUID(ok(await self.logs(vendor, day, **more), 201)["visit_id"])

    async def sends(self, *rows: str, dry_run: bool = False, accept: str = "*/*", headings: str = HEADINGS) -> Any:
        return await send(self.school, self.token, *rows, dry_run=dry_run, accept=accept, headings=headings)


async def send(
    school: School, token: str, *rows: str, dry_run: bool = False, accept: str = "*/*", headings: str = HEADINGS
) -> httpx.Response:
    return await school.client.post(
        "/v1/visits/import",
        params={"dry_run": dry_run},
        files={"file": ("kunjungan.csv", "\n".join([headings, *rows, ""]).encode(), "text/csv")},
        headers={"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4()), "Accept": accept},
    )


async def enter(school: School, account: str, areas: tuple[str, ...] = ("31.71",)) -> Mentor:
    body = {
        "kind": "employed",
        "name": "Contoh",
        "agency": "ppkukm",
        "areas": areas,
        "load_max": 99,
        "account": account,
    }
    return Mentor(school, UUID(ok(await school.post("/v1/mentors", body), 201)["mentor_id"]), account)


def row(vendor: UUID, day: str = "15/03/2023", **more: str) -> str:
    cells = {"id_anggota": str(vendor), "tanggal": day, "cara": "kunjungan", **more}
    return ";".join(cells.get(name, "") for name in HEADINGS.split(";"))


def line(cells: Iterable[str]) -> str:
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=";", lineterminator="").writerow(cells)
    return written.getvalue()


async def visits(school: School) -> list[tuple[Any, ...]]:
    events = await school.published("VisitLogged", "VisitStruck")
    return [(event.type, event.key, event.sequence) for event in events]


# --- logged


async def test_a_visit_is_told_with_its_figures_and_without_its_words(school: School) -> None:
    rina = await enter(school, "rina")
    (vendor,) = await school.register(1)
    await rina.has(vendor)
    figures: dict[str, Any] = {
        "month": "2023-02",
        "turnover_rupiah": 4_500_000,
        "assets_rupiah": 12_000_000,
        "workers": 2,
    }
    visit = await rina.logged(
        vendor, next_action="licence", next_action_on="2023-04-01", note=NOTE, reference="RINA-7", **figures
    )
    (event,) = await school.published("VisitLogged")
    assert (event.key, event.sequence) == (vendor, 3)  # after its invitation and its mentor
    assert event.body == {
        "vendor_id": str(vendor),
        "visit_id": str(visit),
        "mentor_id": str(rina.mentor_id),
        "visited_on": "2023-03-15",
        "mode": "visit",
        "next_action_on": "2023-04-01",
        **figures,
    }
    shown = ok(await school.get(f"/v1/visits/{visit}", token=rina.token))
    assert (shown["note"], shown["next_action"], shown["entry"], shown["earlier"]) == (NOTE, "licence", 1, [])
    async with school.database.read() as conn:
        kept = await conn.fetchval("SELECT note FROM visit")
        answers = await conn.fetch("SELECT body FROM idempotency_key")
    assert NOTE.encode() not in kept
    assert not any(NOTE.encode() in (each["body"] or b"") for each in answers)


@pytest.mark.parametrize(
    ("day", "by_mentor", "by_officer"),
    [
        ("2023-03-20", 201, 201),
        ("2023-03-21", 422, 422),
        ("2022-12-20", 201, 201),
        ("2022-12-19", 422, 201),
        ("2014-12-31", 422, 422),
    ],
)
async def test_a_mentor_logs_90_days_back_and_an_officer_any_day_that_was(
    school: School, day: str, by_mentor: int, by_officer: int
) -> None:
    rina = await enter(school, "rina")
    one, other = await school.register(2)
    await rina.has(one, other)
    assert (await rina.logs(one, day)).status_code == by_mentor
    body = {"vendor_id": str(other), "mentor_id": str(rina.mentor_id), "visited_on": day, "mode": "call"}
    assert (await school.post("/v1/visits", body)).status_code == by_officer


async def test_every_wrong_field_is_named_with_the_way_out(school: School) -> None:
    rina = await enter(school, "rina")
    (vendor,) = await school.register(1)
    await rina.has(vendor)
    problem = ok(
        await rina.logs(vendor, "2023-03-21", next_action_on="2023-03-01", month="2023-04", turnover_rupiah=1), 422
    )
    assert [(error["field"], error["code"]) for error in problem["errors"]] == [
        ("visited_on", "visit-to-come"),
        ("next_action", "next-action-missing"),
        ("next_action_on", "next-action-day"),
        ("month", "month-refused"),
    ]
    assert await visits(school) == []


async def test_the_same_visit_at_once_is_logged_once(school: School) -> None:
    rina = await enter(school, "rina")
    (vendor,) = await school.register(1)
    await rina.has(vendor)
    await school.crowd()
    answers = [ok(answer, 201) for answer in await asyncio.gather(*(rina.logs(vendor, note=NOTE) for _ in range(20)))]
    assert len({answer["visit_id"] for answer in answers}) == 1
    assert sorted(answer["already"] for answer in answers) == [False] + [True] * 19
    assert len(await visits(school)) == 1
    other = ok(await rina.logs(vendor, note="Lain."), 409)
    assert (other["code"], other["details"]["visit_id"]) == ("visit-logged-already", answers[0]["visit_id"])
    await rina.logged(vendor, note="Sore harinya.", reference="2")
    assert len(await visits(school)) == 2


# --- who may


async def test_a_mentor_never_sees_nor_edits_what_is_anothers(school: School) -> None:
    rina, sari = await enter(school, "rina"), await enter(school, "sari")
    hers, his = await school.register(2)
    await rina.has(hers)
    await sari.has(his)
    visit = await rina.logged(hers, note=NOTE)
    refused = ok(await sari.logs(hers), 403)
    assert refused["code"] == "not-its-mentor"
    body = {"vendor_id": str(his), "visited_on": "2023-03-15", "mode": "visit"}
    forged = await school.post("/v1/visits", {**body, "mentor_id": str(sari.mentor_id)}, token=rina.token)
    assert ok(forged, 422)["errors"][0]["code"] == "mentor-other"
    entry = {"visited_on": "2023-03-16", "mode": "visit"}
    for answer in (
        await school.get(f"/v1/visits/{visit}", token=sari.token),
        await school.post(f"/v1/visits/{visit}/correct", entry, token=sari.token),
        await school.post(f"/v1/visits/{visit}/strike", {"reason": "not-held"}, token=sari.token),
        await school.get(f"/v1/visits/{uuid4()}", token=sari.token),
    ):
        assert ok(answer, 404)["code"] == "visit-unknown"
    for query in ("", f"?vendor_id={hers}", f"?mentor_id={rina.mentor_id}", f"?mentor_id={rina.mentor_id}&area=31"):
        assert ok(await school.get(f"/v1/visits{query}", token=sari.token))["items"] == []
    sheet = ok(await sari.sends(row(hers)))
    assert [problem["code"] for problem in sheet["rejected"][0]["problems"]] == ["not-its-mentor"]
    stranger = school.issuer.token("nobody", ["mentor"])
    assert ok(await school.get("/v1/visits", token=stranger), 403)["code"] == "mentor-account-unknown"
    assert len(await visits(school)) == 1


async def test_a_mentor_who_was_parted_still_hands_in_the_days_when_it_had_the_vendor(
    school: School, clock: StandingClock
) -> None:
    rina, sari = await enter(school, "rina"), await enter(school, "sari")
    (vendor,) = await school.register(1)
    await rina.has(vendor, since="2023-03-01T09:00")
    clock.moment = moment("2023-03-10T09:00")
    await rina.loses(vendor)
    clock.moment = moment("2023-03-20T09:00")
    await sari.has(vendor)
    for day, status in (("2023-02-28", 403), ("2023-03-01", 201), ("2023-03-10", 201), ("2023-03-11", 403)):
        assert (await rina.logs(vendor, day)).status_code == status
    await sari.logged(vendor, "2023-03-11")  # agreed before it was given the vendor, and entered late


async def test_officers_log_and_read_where_they_serve_and_never_about_themselves(school: School) -> None:
    rina = await enter(school, "rina")
    (vendor,) = await school.register(1)
    await rina.has(vendor)
    body = {"vendor_id": str(vendor), "mentor_id": str(rina.mentor_id), "visited_on": "2023-03-15", "mode": "visit"}
    away = school.officer(GAMBIR)
    assert (await school.post("/v1/visits", body, token=away)).status_code == 403
    assert (await school.post("/v1/visits", body, token=school.operator())).status_code == 403
    assert (await school.post("/v1/visits", body, token=school.vendor(vendor))).status_code == 403
    herself = school.issuer.token("both", ["officer", "vendor"], area="31.71", vendor_id=vendor)
    assert ok(await school.post("/v1/visits", body, token=herself), 403)["code"] == "own-case"
    visit = UUID(ok(await school.post("/v1/visits", body), 201)["visit_id"])
    assert (await school.get(f"/v1/visits/{visit}", token=away)).status_code == 404
    struck = await school.post(f"/v1/visits/{visit}/strike", {"reason": "not-held"}, token=herself)
    assert ok(struck, 403)["code"] == "own-case"
    assert ok(await school.get("/v1/visits", token=away))["items"] == []
    assert len(ok(await school.get("/v1/visits"))["items"]) == 1


async def test_a_vendor_reads_what_was_noted_of_it_and_of_nobody_else(school: School) -> None:
    rina = await enter(school, "rina")
    one, other = await school.register(2)
    await rina.has(one, other)
    visit = await rina.logged(one, note=NOTE)
    assert ok(await school.get(f"/v1/visits/{visit}", token=school.vendor(one)))["note"] == NOTE
    assert (await school.get(f"/v1/visits/{visit}", token=school.vendor(other))).status_code == 404
    assert len(ok(await school.get("/v1/visits", token=school.vendor(one)))["items"]) == 1
    assert ok(await school.get("/v1/visits", token=school.vendor(other)))["items"] == []
    assert (await school.get(f"/v1/visits?vendor_id={one}", token=school.vendor(other))).status_code == 403
    correct = {"visited_on": "2023-03-16", "mode": "visit"}
    assert (await school.post(f"/v1/visits/{visit}/correct", correct, token=school.vendor(one))).status_code == 403


# --- corrected and struck


async def test_corrections_keep_what_stood_before_and_the_same_again_is_none(school: School) -> None:
    rina = await enter(school, "rina")
    (vendor,) = await school.register(1)
    await rina.has(vendor)
    visit = await rina.logged(vendor, note=NOTE, month="2023-02", workers=1)
    entries: list[dict[str, Any]] = [
        {"visited_on": "2023-03-16", "mode": "call", "note": "Kedua."},
        {"visited_on": "2023-03-16", "mode": "call", "note": "Ketiga.", "month": "2023-03", "workers": 3},
    ]
    for number, entry in enumerate(entries, 2):
        for _ in range(2):
            answer = ok(await school.post(f"/v1/visits/{visit}/correct", entry, token=rina.token))
            assert (answer["entry"], answer["state"]) == (number, "logged")
    shown = ok(await school.get(f"/v1/visits/{visit}"))
    assert [shown["note"], *(one["note"] for one in shown["earlier"])] == ["Ketiga.", "Kedua.", NOTE]
    assert [one["visited_on"] for one in shown["earlier"]] == ["2023-03-16", "2023-03-15"]
    assert {one["logged_by"] for one in shown["earlier"]} == {"rina"}
    events = await school.published("VisitLogged")
    assert [event.body["workers"] for event in events] == [1, None, 3]
    assert [event.sequence for event in events] == [3, 4, 5]


async def test_a_struck_visit_stays_struck_and_may_be_logged_anew(school: School, clock: StandingClock) -> None:
    rina = await enter(school, "rina")
    (vendor,) = await school.register(1)
    await rina.has(vendor)
    visit = await rina.logged(vendor)
    for _ in range(2):
        ok(await school.post(f"/v1/visits/{visit}/strike", {"reason": "entered-twice"}, token=rina.token))
    assert [kind for kind, *_ in await visits(school)] == ["VisitLogged", "VisitStruck"]
    entry = {"visited_on": "2023-03-16", "mode": "visit"}
    assert ok(await school.post(f"/v1/visits/{visit}/correct", entry, token=rina.token), 409)["code"] == "visit-struck"
    assert ok(await school.get("/v1/visits"))["items"] == []
    assert [one["struck_because"] for one in ok(await school.get("/v1/visits?struck=true"))["items"]] == [
        "entered-twice"
    ]
    again = await rina.logged(vendor)
    assert again != visit
    clock.advance(days=91)
    late = await school.post(f"/v1/visits/{again}/strike", {"reason": "not-held"}, token=rina.token)
    assert ok(late, 409)["code"] == "visit-too-long-ago"
    ok(await school.post(f"/v1/visits/{again}/strike", {"reason": "not-held"}))


async def test_a_correction_does_not_become_another_visit_of_the_mentor(school: School) -> None:
    rina = await enter(school, "rina")
    (vendor,) = await school.register(1)
    await rina.has(vendor)
    first = await rina.logged(vendor, "2023-03-14")
    second = await rina.logged(vendor, "2023-03-15")
    answer = await school.post(
        f"/v1/visits/{second}/correct", {"visited_on": "2023-03-14", "mode": "visit"}, token=rina.token
    )
    assert ok(answer, 409)["details"]["visit_id"] == str(first)


async def test_corrections_and_a_strike_at_once_leave_one_story(school: School) -> None:
    rina = await enter(school, "rina")
    (vendor,) = await school.register(1)
    await rina.has(vendor)
    visit = await rina.logged(vendor)
    await school.crowd()
    await asyncio.gather(
        *(
            school.post(
                f"/v1/visits/{visit}/correct", {"visited_on": f"2023-03-{day}", "mode": "visit"}, token=rina.token
            )
            for day in range(10, 15)
        ),
        school.post(f"/v1/visits/{visit}/strike", {"reason": "not-held"}, token=rina.token),
    )
    told = await visits(school)
    assert told[-1][0] == "VisitStruck"
    assert [sequence for *_, sequence in told] == list(range(3, 3 + len(told)))
    async with school.database.read() as conn:
        entries = await conn.fetchval("SELECT count(*) FROM visit_entry")
        row_kept = await conn.fetchrow("SELECT state, entry FROM visit")
    assert (*(row_kept or ()), entries) == ("struck", len(told) - 1, len(told) - 2)


# --- one person


async def test_of_a_person_with_two_ids_one_visit_is_one_and_counts_for_both(school: School) -> None:
    rina = await enter(school, "rina")
    kept, retired = await school.register(2)
    await rina.has(retired)
    visit = await rina.logged(retired)
    await school.hear((VendorMerged(vendor_id=retired, into=kept, merge_id=new_id()), 2))
    answer = ok(await rina.logs(kept), 201)
    assert (answer["visit_id"], answer["already"]) == (str(visit), True)
    sheet = ok(await rina.sends(row(kept), row(retired)))
    assert (sheet["already"], sheet["rejected"]) == (2, [])
    assert len(ok(await school.get("/v1/visits", token=school.vendor(kept)))["items"]) == 1


async def test_of_an_erased_vendor_a_bare_visit_stays_for_the_mentors_record(school: School) -> None:
    rina = await enter(school, "rina")
    gone, other = await school.register(2)
    await rina.has(gone, other)
    visit = await rina.logged(gone, note=NOTE, month="2023-02", workers=2, next_action="capital", reference="BUDI")
    await school.post(
        f"/v1/visits/{visit}/correct", {"visited_on": "2023-03-15", "mode": "visit", "note": "Dua."}, token=rina.token
    )
    await rina.logged(other, note=NOTE)
    await school.hear((VendorErased(vendor_id=gone, erasure_id=new_id()), 2))
    async with school.database.read() as conn:
        bare = await conn.fetchrow("SELECT * FROM visit WHERE vendor_id = $1", gone)
        texts = await conn.fetchval("SELECT count(*) FROM visit_entry")
        receipt = await conn.fetchval("SELECT payload FROM outbox WHERE type = 'TrainingDataErased'")
    assert bare is not None
    told = {name for name in ("note", "next_action", "month", "workers") if bare[name] is not None}
    assert (told, texts, bare["visited_on"].isoformat()) == (set(), 0, "2023-03-15")
    assert "BUDI" not in str(dict(bare))
    counts = json.loads(receipt)
    assert (counts["erased"]["visit_texts"], counts["kept"]["visits"]) == (2, 1)
    assert (await school.get(f"/v1/visits/{visit}", token=rina.token)).status_code == 404
    assert len(ok(await school.get("/v1/visits", token=rina.token))["items"]) == 1
    assert (await rina.logs(gone)).status_code == 403


# --- sheets


async def test_a_sheet_that_comes_twice_is_logged_once(school: School) -> None:
    rina = await enter(school, "rina")
    vendors = await school.register(3)
    await rina.has(*vendors)
    rows = [row(vendor, bulan="02/2023", omzet="4,5 juta", catatan=NOTE) for vendor in vendors]
    preview = ok(await rina.sends(*rows, dry_run=True))
    assert (preview["dry_run"], preview["logged"], await visits(school)) == (True, 3, [])
    first, second = ok(await rina.sends(*rows)), ok(await rina.sends(*rows, rows[0]))
    assert [first[name] for name in ("rows", "logged", "already", "rejected")] == [3, 3, 0, []]
    assert [second[name] for name in ("rows", "logged", "already", "rejected")] == [4, 0, 4, []]
    events = await school.published("VisitLogged")
    assert [event.body["turnover_rupiah"] for event in events] == [4_500_000] * 3
    assert {(event.body["mode"], event.body["month"]) for event in events} == {("visit", "2023-02")}


async def test_two_sheets_at_once_that_share_rows_log_each_visit_once(school: School) -> None:
    rina = await enter(school, "rina")
    vendors = await school.register(40)
    await rina.has(*vendors)
    rows = [row(vendor) for vendor in vendors]
    await school.crowd()
    sheets = [rows, rows[::-1], rows[10:30], [*rows, *rows]]
    answers = [ok(answer) for answer in await asyncio.gather(*(rina.sends(*sheet) for sheet in sheets))]
    assert sum(answer["logged"] for answer in answers) == 40
    assert not any(answer["rejected"] for answer in answers)
    assert len(await visits(school)) == 40
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in (await school.sequences()).values())


async def test_rejected_rows_come_back_as_a_file_to_be_mended_and_sent(school: School) -> None:
    rina = await enter(school, "rina")
    good, bad, strange = *(await school.register(2)), new_id()
    await rina.has(good, bad)
    rows = [
        row(good),
        row(bad, "32/03/2023", bulan="02/2023", omzet="sekitar 3 juta", catatan="=1+1"),
        row(strange),
        f"{bad};;;",
    ]
    report = ok(await rina.sends(*rows))
    assert (report["rows"], report["logged"]) == (3, 1)  # a row with an id alone is the template's, and no visit
    assert [
        (one["line"], problem["field"], problem["value"], problem["code"])
        for one in report["rejected"]
        for problem in one["problems"]
    ] == [
        (3, "visited_on", "32/03/2023", "visited-on-format"),
        (3, "turnover_rupiah", "********", "turnover-format"),
        (4, "vendor_id", str(strange), "not-its-mentor"),
    ]
    answer = await rina.sends(*rows, accept="text/csv")
    assert answer.status_code == 200
    first, second = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";")
    assert (first["id_anggota"], first["catatan"], first["rejected_field"]) == (
        str(bad),
        "'=1+1",
        "visited_on; turnover_rupiah",
    )
    mended = {**first, "tanggal": "13/03/2023", "omzet": "3 juta"}
    again = ok(await rina.sends(line(mended.values()), line(second.values()), headings=line(first)))
    assert (again["logged"], len(again["rejected"])) == (1, 1)


async def test_a_sheet_undoes_neither_a_correction_nor_a_strike(school: School) -> None:
    rina = await enter(school, "rina")
    corrected, struck = await school.register(2)
    await rina.has(corrected, struck)
    rows = [row(corrected), row(struck), row(struck, nomor="B")]
    ok(await rina.sends(*rows))
    ids = {
        (UUID(one["vendor_id"]), one["reference"]): one["visit_id"]
        for one in ok(await school.get("/v1/visits"))["items"]
    }
    entry = {"visited_on": "2023-03-15", "mode": "visit", "note": "Dibetulkan."}
    ok(await school.post(f"/v1/visits/{ids[corrected, None]}/correct", entry))
    for reference in (None, "B"):
        ok(await school.post(f"/v1/visits/{ids[struck, reference]}/strike", {"reason": "not-held"}))
    report = ok(await rina.sends(*rows))
    assert [(one["visit_id"], one["problems"][0]["code"]) for one in report["rejected"]] == [
        (ids[corrected, None], "visit-logged-already"),
        (ids[struck, None], "visit-struck"),
        (ids[struck, "B"], "visit-struck"),
    ]
    assert (report["logged"], report["already"]) == (0, 0)


async def test_an_officer_sends_sheets_of_its_area_for_mentors(school: School) -> None:
    rina = await enter(school, "rina")
    (here,), (there,) = await school.register(1), await school.register(1, "31.71.01.1001")
    await rina.has(here, there)
    headings = f"{HEADINGS};id_pendamping"
    rows = [f"{row(here, '15/01/2022')};{rina.mentor_id}", f"{row(there)};{rina.mentor_id}", row(here)]
    report = ok(await send(school, school.officer("31.71.02"), *rows, headings=headings))
    assert report["logged"] == 1  # far back: an officer may
    assert [(one["line"], one["problems"][0]["code"]) for one in report["rejected"]] == [
        (3, "outside-area"),
        (4, "mentor-missing"),
    ]
    assert (await send(school, school.vendor(here), row(here))).status_code == 403


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"\xff\xfe", "UTF-8"),
        (b"", "vendor_id"),
        (b"nama;tanggal\nx;y\n", "vendor_id"),
        (b'id;tanggal\n"1;2\n', "quotation"),
        (b"id;tanggal\n" + b"1;2\n" * 2001, "2000 rows"),
    ],
)
async def test_what_is_no_sheet_of_visits_is_refused_whole(school: School, content: bytes, word: str) -> None:
    rina = await enter(school, "rina")
    answer = await school.client.post(
        "/v1/visits/import",
        files={"file": ("x.csv", content, "text/csv")},
        headers={"Authorization": f"Bearer {rina.token}", "Idempotency-Key": "one"},
    )
    problem = ok(answer, 422)
    assert (problem["code"], word in problem["detail"]) == ("sheet-of-visits", True)


async def test_the_template_has_a_row_for_each_vendor_and_can_be_sent_as_it_is(school: School) -> None:
    rina = await enter(school, "rina")
    vendors = await school.register(2)
    await rina.has(*vendors)
    answer = await school.get("/v1/visits/template.csv", token=rina.token)
    text = answer.content.decode("utf-8-sig")
    found = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert {UUID(one["id_anggota"]) for one in found} == set(vendors)
    headings, *rows = text.splitlines()
    assert ok(await rina.sends(*rows, headings=headings))["rows"] == 0
    cells = ["20/03/2023", "telepon", "Mengurus perizinan", "1/4/2023", "2023-02", "3.500.000", "", "1", "ok", ""]
    sent = ok(await rina.sends(line([str(vendors[0]), *cells, "31.71.02.1002"]), headings=headings))
    assert (sent["logged"], sent["rejected"]) == (1, [])
    (event,) = await school.published("VisitLogged")
    assert (event.body["mode"], event.body["turnover_rupiah"], event.body["next_action_on"]) == (
        "call",
        3_500_000,
        "2023-04-01",
    )
    assert (await school.get("/v1/visits/template.csv", token=school.vendor(vendors[0]))).status_code == 403
