"""Certificates: given, taken back, given anew, shown, checked offline, and without the person once it is erased."""

import asyncio
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pypdf
import pytest
from typer.testing import CliRunner

from services.training.app import create
from services.training.cli.certificate import app as certificate_app
from services.training.consumers import names
from services.training.handlers.certificates import NAME_AWAITED, SETTLE, settler
from services.training.store.certificates import lock_status_list
from shared.auth import LocalIssuer
from shared.consume import Consumer
from shared.crypto import Sealer
from shared.db import Database, open_database
from shared.events.rights import VendorErased
from shared.events.vendor import ContactCard, VendorMerged, VendorUnmerged
from shared.ids import new_id
from shared.resealing import reseal
from shared.timers import run_due
from tests.conftest import FreshDatabase, MakeDatabase, Serve, StandingClock
from tests.integration.training import COURSE, School, moment, ok

DAYS = ("2023-03-06", "2023-03-07")
ISSUER = "Dinas PPKUKM Provinsi DKI Jakarta"
PUBLIC_URL = "https://pelatihan.example.go.id"


@pytest.fixture
async def fresh(make_database: MakeDatabase) -> FreshDatabase:
    return await make_database("training")


@pytest.fixture
async def school(
    fresh: FreshDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> School:
    monkeypatch.setenv("LAPAK_PUBLIC_URL", PUBLIC_URL)
    return School(fresh.database, serve(create, fresh), issuer, clock, sealer)


async def name(school: School, called: Mapping[UUID, str | None], version: int = 1) -> None:
    """The registry's contact cards, or their tombstones (None)."""
    subscription = names.subscription(school.sealer)
    consumer = Consumer("training", subscription, school.database, school.clock, school.sealer, asyncio.Event())
    records = []
    for vendor, said in called.items():
        card = ContactCard(vendor_id=vendor, name=said or "-", phone="+6281200000001")
        record = school.record(card, version, partition=7)
        if said is None:
            record.value = None
        records.append(record)
    await consumer.handle(records)


async def settle(school: School, database: Database | None = None) -> None:
    """Work off the timers of certificates that are due."""
    handlers = {SETTLE: settler(school.sealer, ISSUER)}
    while await run_due(database or school.database, handlers, school.clock.now()):
        pass


async def hold(
    school: School, clock: StandingClock, vendors: Sequence[UUID], *, present: Sequence[UUID] | None = None
) -> UUID:
    """A class of two days, held and finished; everybody came unless said otherwise."""
    class_id = await school.open_class()
    await school.enrol(class_id, vendors)
    for day in DAYS:
        clock.moment = moment(f"{day}T17:00")
        await school.attend(class_id, day, vendors if present is None else present)
    await school.finish(class_id)
    return class_id


async def graduate(
    school: School, clock: StandingClock, called: str = "Siti Aminah", number: int = 1
) -> tuple[UUID, dict[str, Any]]:
    """So many vendors of this name with a certificate each; the first, and its certificate as it sees it."""
    vendors = await school.register(number)
    await name(school, dict.fromkeys(vendors, called))
    await hold(school, clock, vendors)
    await settle(school)
    return vendors[0], (await listed(school, vendors[0]))[0]


async def listed(school: School, vendor: UUID) -> list[dict[str, Any]]:
    answer = await school.get(f"/v1/trainees/{vendor}/certificates", token=school.vendor(vendor))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


async def told(school: School) -> list[tuple[str, str, str | None]]:
    events = await school.published("CertificateIssued", "CertificateRevoked")
    return [(event.type, event.body["number"], event.body.get("reason")) for event in events]


async def gapless(school: School) -> bool:
    return all(found == list(range(1, len(found) + 1)) for found in (await school.sequences()).values())


async def public(school: School, reference: str) -> dict[str, Any]:
    return ok(await school.client.get(f"/v1/public/certificates/{reference}"))


# --- given and taken back


async def test_who_completes_a_class_is_given_a_certificate(school: School, clock: StandingClock) -> None:
    came, stayed_away = await school.register(2)
    await name(school, {came: "Siti Aminah", stayed_away: "Budi"})
    class_id = await hold(school, clock, [came, stayed_away], present=[came])
    assert await told(school) == []
    await settle(school)
    (issued,) = await school.published("CertificateIssued")
    assert (issued.key, issued.body["number"], issued.body["issued_on"]) == (came, "LPK/2023/000001", "2023-03-07")
    (shown,) = await listed(school, came)
    assert (shown["state"], shown["class_id"], shown["completed_on"]) == ("valid", str(class_id), "2023-03-07")
    assert shown["page"] == f"{PUBLIC_URL}/certificates/{shown['certificate_id']}"
    record = ok(await school.get(f"/v1/trainees/{came}", token=school.vendor(came)))
    assert record["certificates"] == [shown]
    assert await listed(school, stayed_away) == []
    assert await gapless(school)
    assert "Siti" not in json.dumps([event.body for event in await school.published()])


async def test_a_certificate_waits_for_the_holders_name_and_for_nobody_elses(
    school: School, clock: StandingClock
) -> None:
    late, known = await school.register(2)
    await name(school, {known: "Budi Santoso"})
    await hold(school, clock, [late, known])
    await settle(school)
    assert [event.key for event in await school.published("CertificateIssued")] == [known]
    await name(school, {late: "Siti Aminah"})
    await settle(school)
    assert len(await told(school)) == 1
    clock.moment += NAME_AWAITED
    await settle(school)
    assert [event.key for event in await school.published("CertificateIssued")] == [known, late]
    clock.moment += 10 * NAME_AWAITED
    await settle(school)
    assert len(await told(school)) == 2


async def test_a_correction_takes_a_certificate_back_and_gives_another(school: School, clock: StandingClock) -> None:
    (vendor,) = await school.register(1)
    await name(school, {vendor: "Siti Aminah"})
    class_id = await hold(school, clock, [vendor])
    await settle(school)
    await school.attend(class_id, DAYS[0], [])
    await settle(school)
    await school.attend(class_id, DAYS[0], [vendor])
    await settle(school)
    await settle(school)
    assert await told(school) == [
        ("CertificateIssued", "LPK/2023/000001", None),
        ("CertificateRevoked", "LPK/2023/000001", "completion-corrected"),
        ("CertificateIssued", "LPK/2023/000002", None),
    ]
    assert [(one["number"], one["state"]) for one in await listed(school, vendor)] == [
        ("LPK/2023/000002", "valid"),
        ("LPK/2023/000001", "revoked"),
    ]
    assert await gapless(school)


async def test_a_result_that_was_corrected_before_it_was_seen_changes_nothing(
    school: School, clock: StandingClock
) -> None:
    (vendor,) = await school.register(1)
    await name(school, {vendor: "Siti Aminah"})
    class_id = await hold(school, clock, [vendor])
    await school.attend(class_id, DAYS[0], [])
    await settle(school)
    assert await told(school) == []


async def test_what_an_officer_took_back_comes_back_by_an_officer_only(school: School, clock: StandingClock) -> None:
    vendor, shown = await graduate(school, clock)
    answer = ok(await school.post(f"/v1/certificates/{shown['certificate_id']}/revoke", {"reason": "fraud"}))
    assert (answer["state"], answer["revoked_because"]) == ("revoked", "fraud")
    for present in ([], [vendor]):
        await school.attend(UUID(shown["class_id"]), DAYS[0], present)
        await settle(school)
    assert [reason for _, _, reason in await told(school)] == [None, "fraud"]
    again = await school.post(f"/v1/certificates/{shown['certificate_id']}/revoke", {"reason": "fraud"})
    assert (again.status_code, again.json()["code"]) == (409, "certificate-revoked")
    fresh_one = ok(await school.post(f"/v1/certificates/{shown['certificate_id']}/reissue"), 201)
    assert fresh_one["number"] == "LPK/2023/000002"
    assert [reason for _, _, reason in await told(school)] == [None, "fraud", None]


async def test_a_corrected_name_needs_another_certificate(school: School, clock: StandingClock) -> None:
    vendor, shown = await graduate(school, clock, "Siti Aminh")
    await name(school, {vendor: "Siti Aminah"}, version=2)
    unchanged = await school.client.get(shown["pdf"])
    assert "Siti Aminh" in pypdf.PdfReader(io.BytesIO(unchanged.content)).pages[0].extract_text()
    ok(await school.post(f"/v1/certificates/{shown['certificate_id']}/reissue"), 201)
    stands, replaced = await listed(school, vendor)
    assert (stands["state"], replaced["revoked_because"], replaced["pdf"]) == ("valid", "replaced", None)
    assert stands["fingerprint"] != replaced["fingerprint"]
    paper = await school.client.get(stands["pdf"])
    assert "Siti Aminah" in pypdf.PdfReader(io.BytesIO(paper.content)).pages[0].extract_text()
    refused = await school.post(f"/v1/certificates/{shown['certificate_id']}/reissue")
    assert refused.json()["code"] == "not-the-last"
    assert await gapless(school)


async def test_who_has_not_completed_is_given_none_anew(school: School, clock: StandingClock) -> None:
    vendor, shown = await graduate(school, clock)
    await school.attend(UUID(shown["class_id"]), DAYS[0], [])
    await settle(school)
    refused = await school.post(f"/v1/certificates/{shown['certificate_id']}/reissue")
    assert refused.json()["code"] == "not-completed"
    await name(school, {vendor: None}, version=2)
    await school.attend(UUID(shown["class_id"]), DAYS[0], [vendor])
    refused = await school.post(f"/v1/certificates/{shown['certificate_id']}/reissue")
    assert refused.json()["code"] == "name-unknown"


# --- many at once


async def test_two_hundred_completions_at_once_in_two_replicas_are_numbered_without_gap_or_double(
    school: School, clock: StandingClock, fresh: FreshDatabase
) -> None:
    vendors = await school.register(200)
    await name(school, {vendor: f"Peserta {place}" for place, vendor in enumerate(vendors)})
    groups = [vendors[start : start + 20] for start in range(0, 200, 20)]
    classes = [await school.open_class() for _ in groups]
    for class_id, group in zip(classes, groups, strict=True):
        await school.enrol(class_id, group)
        for day in DAYS:
            clock.moment = moment(f"{day}T17:00")
            await school.attend(class_id, day, group)
        await school.finish(class_id)
    other = await open_database(fresh.dsn, size=4, name="another-replica")
    try:
        await asyncio.gather(*(settle(school, database) for database in [school.database, other] * 4))
    finally:
        await other.pool.close()
    numbers = [event.body["number"] for event in await school.published("CertificateIssued")]
    assert sorted(numbers) == [f"LPK/2023/{serial:06d}" for serial in range(1, 201)]
    async with school.database.read() as conn:
        entries = await conn.fetch("SELECT status_list, status_index FROM certificate")
        keys = await conn.fetchval("SELECT count(*) FROM credential_key")
    assert (len({tuple(entry) for entry in entries}), keys) == (200, 1)
    assert await gapless(school)


async def test_corrections_and_settling_at_once_end_in_what_the_last_list_says(
    school: School, clock: StandingClock
) -> None:
    vendors = await school.register(6)
    await name(school, dict.fromkeys(vendors, "Siti Aminah"))
    class_id = await hold(school, clock, vendors)
    await school.crowd()
    lists = [vendors[start:] + vendors[:start] for start in range(6)]
    await asyncio.gather(
        *(school.attend(class_id, DAYS[0], present[:3]) for present in lists), *(settle(school) for _ in range(8))
    )
    await settle(school)
    async with school.database.read() as conn:
        completed = await conn.fetch("SELECT vendor_id FROM enrolment WHERE result = 'completed'")
        standing = await conn.fetch("SELECT vendor_id FROM certificate WHERE revoked_at IS NULL")
        numbers = await conn.fetch("SELECT number FROM certificate ORDER BY number")
    assert {row["vendor_id"] for row in standing} == {row["vendor_id"] for row in completed}
    assert [row["number"] for row in numbers] == [f"LPK/2023/{place:06d}" for place in range(1, len(numbers) + 1)]
    assert await gapless(school)


async def test_of_twenty_officers_who_give_one_anew_at_once_one_does(school: School, clock: StandingClock) -> None:
    _, shown = await graduate(school, clock)
    await school.crowd()
    answers = await asyncio.gather(
        *(school.post(f"/v1/certificates/{shown['certificate_id']}/reissue") for _ in range(20))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert await told(school) == [
        ("CertificateIssued", "LPK/2023/000001", None),
        ("CertificateRevoked", "LPK/2023/000001", "replaced"),
        ("CertificateIssued", "LPK/2023/000002", None),
    ]


async def test_a_year_begins_its_own_numbers(school: School, clock: StandingClock) -> None:
    _, shown = await graduate(school, clock)
    clock.moment = moment("2024-01-01T00:30")  # still the old year in UTC
    again = ok(await school.post(f"/v1/certificates/{shown['certificate_id']}/reissue"), 201)
    assert (shown["number"], again["number"]) == ("LPK/2023/000001", "LPK/2024/000001")


async def test_a_status_list_is_filled_to_one_half(school: School) -> None:
    async with school.database.transaction() as conn:
        taken = [await lock_status_list(conn, 4, filled_at_most=10) for _ in range(5)]
    assert taken == [1, 1, 2, 2, 3]


# --- who sees what


async def test_a_paper_is_for_its_holder_and_for_officers_of_its_area(school: School, clock: StandingClock) -> None:
    vendor, shown = await graduate(school, clock, number=2)
    (stranger,) = await school.register(1)
    paths = [f"/v1/certificates/{shown['certificate_id']}{end}" for end in (".pdf", "/credential.json", "")]
    for path in paths:
        for token in (school.vendor(vendor), school.officer(), school.officer("31")):
            assert (await school.get(path, token=token)).status_code == 200
        for token, status in (
            (school.vendor(stranger), 403),
            (school.officer("31.72"), 403),
            (school.operator(), 403),
        ):
            assert (await school.get(path, token=token)).status_code == status
        assert (await school.client.get(path)).status_code == 401
        assert (await school.get(path.replace(shown["certificate_id"], str(new_id())))).status_code == 404
    officers = ok(await school.get(paths[2]))
    assert (officers["vendor_id"], officers["pdf"]) == (str(vendor), None)


async def test_the_holder_opens_a_paper_on_any_phone_until_the_address_is_renewed(
    school: School, clock: StandingClock
) -> None:
    vendor, shown = await graduate(school, clock)
    paper = await school.client.get(shown["pdf"])
    assert (paper.status_code, paper.headers["content-type"]) == (200, "application/pdf")
    assert paper.headers["cache-control"] == "private, no-store"
    assert paper.headers["content-disposition"] == 'inline; filename="sertifikat-LPK-2023-000001.pdf"'
    assert paper.content == (await school.client.get(shown["pdf"])).content
    assert (await school.client.get(shown["credential"])).status_code == 200
    for guess in ("x", "", "ü", shown["pdf"].partition("key=")[2][:-1]):
        assert (await school.client.get(shown["pdf"].partition("?")[0], params={"key": guess})).status_code == 404
    link = f"/v1/certificates/{shown['certificate_id']}/link"
    assert (await school.post(link)).json()["code"] == "not-own-data"
    assert (await school.post(link, token=school.vendor(vendor))).status_code == 204
    assert (await school.client.get(shown["pdf"])).status_code == 404
    (renewed,) = await listed(school, vendor)
    assert (await school.client.get(renewed["pdf"])).status_code == 200


async def test_officers_decide_in_their_area_and_never_their_own_case(school: School, clock: StandingClock) -> None:
    vendor, shown = await graduate(school, clock)
    own = school.issuer.token("officer-and-vendor", ["officer", "vendor"], area="31.71", vendor_id=vendor)
    for act, body in (("revoke", {"reason": "fraud"}), ("reissue", None)):
        for token, code in (
            (own, "own-case"),
            (school.officer("31.72"), "outside-area"),
            (school.vendor(vendor), "role-missing"),
            (school.operator(), "role-missing"),
        ):
            answer = await school.post(f"/v1/certificates/{shown['certificate_id']}/{act}", body, token=token)
            assert (answer.status_code, answer.json()["code"]) == (403, code)
        missing = await school.post(f"/v1/certificates/{new_id()}/{act}", body)
        assert missing.json()["code"] == "certificate-unknown"
    wrong = await school.post(f"/v1/certificates/{shown['certificate_id']}/revoke", {"reason": "completion-corrected"})
    assert wrong.json()["errors"][0]["field"] == "reason"
    assert len(await told(school)) == 1


async def test_officers_list_certificates_of_their_area_page_by_page(school: School, clock: StandingClock) -> None:
    _, shown = await graduate(school, clock, number=3)
    await school.post(f"/v1/certificates/{shown['certificate_id']}/revoke", {"reason": "issued-in-error"})
    first = ok(await school.get("/v1/certificates?limit=2"))
    rest = ok(await school.get(f"/v1/certificates?limit=2&after={first['next']}"))
    assert [len(first["items"]), len(rest["items"]), rest["next"]] == [2, 1, None]
    assert len({one["number"] for one in first["items"] + rest["items"]}) == 3
    for query, count in (
        ("state=revoked", 1),
        ("state=valid", 2),
        (f"course={COURSE}", 3),
        ("course=ekspor", 0),
        (f"class_id={shown['class_id']}", 3),
        ("issued_from=2023-03-08", 0),
        ("issued_to=2023-03-07", 3),
        ("area=31.71.02", 3),
        ("area=31.71.01", 0),
    ):
        assert len(ok(await school.get(f"/v1/certificates?{query}"))["items"]) == count, query
    assert (await school.get("/v1/certificates?area=31.72")).status_code == 403
    assert (await school.get("/v1/certificates", token=school.operator())).status_code == 403


# --- everybody


async def test_everybody_learns_whether_a_certificate_counts_and_nobodys_name(
    school: School, clock: StandingClock
) -> None:
    _, shown = await graduate(school, clock)
    by_id = await public(school, shown["certificate_id"])
    by_number = await public(school, "lpk-2023-000001")
    assert (by_id["state"], by_id["holder"], by_id["number"]) == ("valid", "S••• A•••", "LPK/2023/000001")
    assert by_number == {**by_id, "holder": None}
    assert await public(school, "LPK/2023/000001") == by_number
    await school.post(f"/v1/certificates/{shown['certificate_id']}/revoke", {"reason": "fraud"})
    revoked = await public(school, shown["certificate_id"])
    assert (revoked["state"], revoked["revoked_on"]) == ("revoked", "2023-03-07")
    assert "fraud" not in json.dumps(revoked)
    for reference in ("LPK/2023/000002", str(new_id()), "siti", "%00", "a/b/c"):
        assert await public(school, reference) == {"state": "unknown"}


async def test_the_public_page_says_it_in_both_languages(school: School, clock: StandingClock) -> None:
    _, shown = await graduate(school, clock)
    path = f"/certificates/{shown['certificate_id']}"
    page = await school.client.get(path)
    assert page.status_code == 200
    for said in ("Berlaku", "LPK/2023/000001", "S••• A•••", "6 dan 7 Maret 2023", shown["fingerprint"]):
        assert said in page.text
    assert "Aminah" not in page.text
    english = await school.client.get(path, headers={"Accept-Language": "en-GB,en;q=0.9"})
    assert ("Valid" in english.text, english.headers["content-language"]) == (True, "en")
    await school.post(f"/v1/certificates/{shown['certificate_id']}/revoke", {"reason": "fraud"})
    for reference in (path, "/certificates/LPK/2023/000001", "/certificates?number=lpk-2023-000001"):
        gone = await school.client.get(reference)
        assert (gone.status_code, "Dicabut" in gone.text, "7 Maret 2023" in gone.text) == (200, True, True)
        assert "fraud" not in gone.text


async def test_an_unknown_number_looks_like_any_other_and_nothing_typed_comes_back(school: School) -> None:
    pages = [
        await school.client.get(f"/certificates/{reference}")
        for reference in ("LPK/2023/000001", "LPK/2023/999999", str(new_id()), "<script>alert(1)</script>", "x" * 500)
    ]
    assert {page.status_code for page in pages} == {404}
    assert len({page.text for page in pages}) == 1
    assert "Tidak dikenal" in pages[0].text
    assert len({tuple(sorted(page.headers.items())) for page in _without_ids(pages)}) == 1
    assert "Periksa sertifikat" in (await school.client.get("/certificates")).text


def _without_ids(pages: Sequence[httpx.Response]) -> list[httpx.Response]:
    for page in pages:
        page.headers.pop("x-request-id", None)
    return list(pages)


async def test_the_public_page_loads_nothing_and_is_kept_by_no_cache_or_search_engine(school: School) -> None:
    page = await school.client.get("/certificates")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert (page.headers["x-content-type-options"], page.headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert (page.headers["cache-control"], page.headers["x-robots-tag"]) == ("no-cache", "noindex")
    assert "<script" not in page.text
    assert 'name="viewport"' in page.text


# --- people


async def test_certificates_are_the_persons_under_each_of_its_ids(school: School, clock: StandingClock) -> None:
    retired, survivor = await school.register(2)
    await name(school, {retired: "Siti A.", survivor: "Siti Aminah"})
    await school.hear((VendorMerged(vendor_id=retired, into=survivor, merge_id=new_id()), 2))
    await hold(school, clock, [retired])
    await settle(school)
    (shown,) = await listed(school, survivor)
    assert [one["number"] for one in await listed(school, retired)] == [shown["number"]]
    assert shown["vendor_id"] == str(retired)
    paper = await school.client.get(shown["pdf"])
    assert "Siti Aminah" in pypdf.PdfReader(io.BytesIO(paper.content)).pages[0].extract_text()
    await school.hear((VendorUnmerged(vendor_id=retired, out_of=survivor, merge_id=new_id()), 3))
    assert await listed(school, survivor) == []
    assert len(await listed(school, retired)) == 1


async def test_an_erased_persons_number_stays_and_the_person_does_not(school: School, clock: StandingClock) -> None:
    vendor, shown = await graduate(school, clock)
    await school.hear((VendorErased(vendor_id=vendor, erasure_id=new_id()), 2))
    await name(school, {vendor: "Siti Aminah"}, version=2)  # a card that comes late
    found = await public(school, shown["certificate_id"])
    assert (found["state"], found["holder"], found["holder_erased"]) == ("valid", None, True)
    page = await school.client.get(f"/certificates/{shown['certificate_id']}")
    assert "dihapus atas permintaannya" in page.text
    for path in (shown["pdf"], shown["credential"]):
        gone = await school.client.get(path)
        assert (gone.status_code, gone.json()["code"]) == (410, "holder-erased")
    officers = ok(await school.get(f"/v1/certificates/{shown['certificate_id']}"))
    assert officers["vendor_id"] is None
    refused = await school.post(f"/v1/certificates/{shown['certificate_id']}/reissue")
    assert refused.json()["code"] == "holder-erased"
    (receipt,) = await school.published("TrainingDataErased")
    assert (receipt.body["kept"]["certificates"], receipt.body["erased"]["name_copies"]) == (1, 1)
    async with school.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM vendor_name") == 0
        assert await conn.fetchval("SELECT holder_sealed FROM certificate") is None
    # fraud found later still ends it, and nothing is told of the person
    ok(await school.post(f"/v1/certificates/{shown['certificate_id']}/revoke", {"reason": "fraud"}))
    assert (await public(school, shown["certificate_id"]))["state"] == "revoked"
    assert [kind for kind, _, _ in await told(school)] == ["CertificateIssued"]


async def test_erasing_and_settling_at_once_leave_no_name(school: School, clock: StandingClock) -> None:
    vendors = await school.register(8)
    await name(school, dict.fromkeys(vendors, "Siti Aminah"))
    for group in (vendors[:4], vendors[4:]):
        await hold(school, clock, group)
    await school.crowd()
    await asyncio.gather(
        *(settle(school) for _ in range(4)),
        *(
            school.hear((VendorErased(vendor_id=vendor, erasure_id=new_id()), 2), partition=place)
            for place, vendor in enumerate(vendors, start=10)
        ),
    )
    await settle(school)
    async with school.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM certificate WHERE holder_sealed IS NOT NULL") == 0
        assert await conn.fetchval("SELECT count(*) FROM vendor_name") == 0
    assert await gapless(school)


async def test_a_person_sees_its_certificates_among_its_data(school: School, clock: StandingClock) -> None:
    vendor, shown = await graduate(school, clock, number=2)
    sections = ok(await school.get(f"/v1/vendors/{vendor}/data", token=school.vendor(vendor)))["sections"]
    assert [one["number"] for one in sections["certificates"]["data"]] == [shown["number"]]
    assert sections["name_copy"]["data"] == [{"vendor_id": str(vendor)}]


async def test_names_and_keys_are_sealed_anew_when_keys_change(
    school: School, clock: StandingClock, sealer: Sealer
) -> None:
    from services.training.keys import COLUMNS

    await graduate(school, clock)
    counts = {column.name: await reseal(school.database, sealer, column, lambda _: None) for column in COLUMNS}
    wanted = ("names of vendors", "holders of certificates", "keys of credentials")
    assert {column: counts[column] for column in wanted} == dict.fromkeys(wanted, 1)


# --- offline


async def kept(school: School, folder: Path, credential: bytes) -> list[str]:
    """What a verifier takes along: the credential, the issuer's keys and the status list it names, as files."""
    named = json.loads(credential)["credentialStatus"]["statusListCredential"]
    assert named.startswith(PUBLIC_URL)
    for file, content in (
        ("credential.json", credential),
        ("did.json", (await school.client.get("/.well-known/did.json")).content),
        ("list.json", (await school.client.get(named.removeprefix(PUBLIC_URL))).content),
    ):
        (folder / file).write_bytes(content)
    return [
        str(folder / "credential.json"),
        *("--keys", str(folder / "did.json")),
        *("--status-list", str(folder / "list.json")),
        *("--at", school.clock.now().strftime("%Y-%m-%dT%H:%M:%S")),
    ]


def verdict(arguments: Sequence[str]) -> tuple[int, str]:
    found = CliRunner().invoke(certificate_app, ["verify", *arguments])
    return found.exit_code, found.output


async def test_a_certificate_is_checked_offline_and_once_revoked_no_more(
    school: School, clock: StandingClock, tmp_path: Path
) -> None:
    vendor, shown = await graduate(school, clock)
    credential = (await school.client.get(shown["credential"])).content
    assert b"Aminah" not in credential
    assert str(vendor).encode() not in credential
    arguments = await kept(school, tmp_path, credential)
    assert verdict(arguments)[0] == 0
    assert verdict([*arguments, "--name", "Siti Aminah"])[0] == 0
    assert verdict([*arguments, "--name", "Siti Aminatun"])[0] == 1
    await school.post(f"/v1/certificates/{shown['certificate_id']}/revoke", {"reason": "fraud"})
    assert verdict(arguments)[0] == 0  # the list that was taken along is of before
    code, said = verdict(await kept(school, tmp_path, credential))
    assert (code, "revoked" in said) == (1, True)
    refused = await school.client.get(shown["credential"])
    assert (refused.status_code, refused.json()["code"]) == (409, "certificate-revoked")


async def test_a_new_key_signs_and_what_the_old_one_signed_stays_good(
    school: School, clock: StandingClock, tmp_path: Path
) -> None:
    _, shown = await graduate(school, clock)
    old = (await school.client.get(shown["credential"])).content
    assert (await school.post("/v1/credentials/keys")).status_code == 403
    clock.advance(minutes=1)
    rotated = ok(await school.post("/v1/credentials/keys", token=school.operator()), 201)
    renewed = (await school.client.get(shown["credential"])).content
    assert json.loads(renewed)["proof"]["verificationMethod"].endswith(rotated["key_id"])
    keys = (await school.client.get("/.well-known/did.json")).json()
    assert (len(keys["verificationMethod"]), keys["id"]) == (2, "did:web:pelatihan.example.go.id")
    for credential in (old, renewed):
        assert verdict(await kept(school, tmp_path, credential))[0] == 0


async def test_status_lists_are_public_and_the_same_within_the_hour(school: School, clock: StandingClock) -> None:
    await graduate(school, clock)
    first = await school.client.get("/v1/credentials/status/1")
    clock.advance(minutes=30)
    assert first.content == (await school.client.get("/v1/credentials/status/1")).content
    assert first.headers["content-type"] == "application/vc"
    assert len(first.content) < 4_000
    for number in (0, 2, -1, 2**40):
        assert (await school.client.get(f"/v1/credentials/status/{number}")).status_code == 404


async def test_the_jwt_is_for_those_who_may_have_the_paper(school: School, clock: StandingClock) -> None:
    vendor, shown = await graduate(school, clock)
    path = f"/v1/certificates/{shown['certificate_id']}/credential.jwt"
    token = await school.get(path, token=school.vendor(vendor))
    assert (token.status_code, token.text.count("."), token.headers["content-type"]) == (200, 2, "application/vc+jwt")
    assert (await school.client.get(path)).status_code == 401
