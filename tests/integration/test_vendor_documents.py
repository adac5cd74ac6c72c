"""Documents over HTTP: submitted with their file, queued, decided, corrected, renewed, reminded of, erased."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.vendor.app import VendorSettings, create
from services.vendor.handlers.documents import fall_due
from services.vendor.store import documents as store
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.files.rows import REMOVE_FILE
from shared.files.storage import FORM_BYTES_MAX, read_file, remover
from shared.http import write_cursor
from shared.service import Platform
from shared.settings import load
from shared.timers import run_due
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.vendor import KARANG_ANYAR, PENJARINGAN, Published, Registry, at_once, nik, ok
from tests.unit.test_vendor_pictures import jpeg

SCAN = b"%PDF-1.7\n1 0 obj\n%%EOF\n"
NIB = "1234567890123"
HALAL = "ID31110000123450920"
PIRT = "205317101123424"


@dataclass
class Office(Registry):
    """The registry, and what its tests of documents do."""

    files: Path

    @property
    def time(self) -> StandingClock:
        assert isinstance(self.clock, StandingClock)
        return self.clock

    def registrar(self, area: str = "31.71") -> str:
        """Token of an officer who may see personal data in full."""
        return self.issuer.token(f"registrar-{area}", ["officer", "registrar"], area=area)

    async def send(
        self,
        path: str,
        fields: dict[str, Any],
        *,
        token: str | None = None,
        content: bytes = SCAN,
        key: str | None = None,
    ) -> httpx.Response:
        """POST a form with a file whose name and header say nothing true."""
        headers = {"Authorization": f"Bearer {token or self.officer()}", "Idempotency-Key": key or str(uuid4())}
        file = {"file": ("../Foto Siti.exe", content, "text/html")}
        return await self.client.post(path, data=fields, files=file, headers=headers)

    async def submit(
        self, vendor_id: UUID, kind: str = "nib", number: str = NIB, *, token: str | None = None, **fields: Any
    ) -> UUID:
        """Submit a document that must be taken, as the vendor itself."""
        answer = await self.send(
            f"/v1/vendors/{vendor_id}/documents",
            {"kind": kind, "number": number, **fields},
            token=token or self.vendor(vendor_id),
        )
        return UUID(ok(answer, 201)["document_id"])

    async def decide(self, document_id: UUID, act: str = "verify", *, token: str | None = None, **body: Any) -> Any:
        """Decide about a document's first version, unless another is named."""
        return ok(await self.post(f"/v1/documents/{document_id}/{act}", {"version": 1, **body}, token=token))

    async def show(self, document_id: UUID, token: str | None = None) -> dict[str, Any]:
        return ok(await self.get(f"/v1/documents/{document_id}", token=token))

    async def on(self, year: int, month: int, day: int) -> None:
        """Have two replicas work off all that is due at noon of this day in Jakarta."""
        self.time.moment = datetime(year, month, day, 5, 0, tzinfo=UTC)
        await asyncio.gather(self.run_timers(), self.run_timers())

    async def run_timers(self) -> None:
        handlers = {store.DOCUMENT_DUE: fall_due, REMOVE_FILE: remover(load(VendorSettings))}
        while await run_due(self.database, handlers, self.clock.now()):
            pass

    async def told(self, *types: str) -> list[Published]:
        """Events about documents, oldest first."""
        events = await self.published(*types)
        return [event for event in events if event.type.startswith("Document")]

    def kept(self) -> int:
        """How many files there are."""
        return sum(path.is_file() for path in self.files.rglob("*"))


@pytest.fixture
async def office(
    make_database: MakeDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Office:
    monkeypatch.setenv("LAPAK_FILES", str(tmp_path / "files"))
    fresh = await make_database("vendor")
    return Office(fresh.dsn, fresh.database, serve(create, fresh), issuer, clock, sealer, tmp_path / "files")


# ---- submitting


async def test_a_vendor_submits_a_document_and_an_officer_verifies_it(office: Office) -> None:
    vendor_id = await office.register(1)
    document_id = await office.submit(vendor_id, "pirt", f"P-IRT No. {PIRT}", issued_on="2019-04-01")
    waiting = await office.show(document_id)
    assert (waiting["state"], waiting["number"], waiting["submitted_by"]) == ("submitted", PIRT, "vendor")
    assert (waiting["issued_on"], waiting["expires_on"]) == ("2019-04-01", "2024-04-01")
    assert (waiting["media_type"], waiting["bytes"]) == ("application/pdf", len(SCAN))
    assert await office.decide(document_id) == {"document_id": str(document_id), "state": "verified", "version": 1}
    assert [(event.type, event.sequence) for event in await office.told()] == [
        ("DocumentSubmitted", 2),
        ("DocumentVerified", 3),
    ]
    about = {"vendor_id": str(vendor_id), "document_id": str(document_id), "kind": "pirt"}
    assert [event.body for event in await office.told()] == [about, {**about, "expires_on": "2024-04-01"}]
    assert await office.value("SELECT version FROM vendor") == 3


async def test_an_answer_that_is_kept_holds_no_personal_data(office: Office) -> None:
    vendor_id = await office.register(1)
    answer = await office.send(
        f"/v1/vendors/{vendor_id}/documents", {"kind": "hki", "number": "DID2023012345", "issued_on": "2023-01-05"}
    )
    body = ok(answer, 201)
    assert set(body) == {"document_id", "state", "version", "warnings"}
    assert [warning["code"] for warning in body["warnings"]] == ["number-unusual"]
    assert "DID2023012345" not in answer.text
    assert "DID2023012345" not in json.dumps([event.body for event in await office.published()])


async def test_a_ktp_is_compared_with_the_nik_and_its_number_is_not_kept(office: Office) -> None:
    vendor_id = await office.register(1)
    path = f"/v1/vendors/{vendor_id}/documents"
    token = office.vendor(vendor_id)
    refused = ok(await office.send(path, {"kind": "ktp", "number": nik(2)}, token=token), 422)
    assert refused["code"] == "nik-differs"
    document_id = await office.submit(vendor_id, "ktp", nik(1))
    assert (await office.show(document_id))["number"] is None
    dump = await office.everything()
    assert not [table for table, text in dump.items() if nik(1) in text or nik(2) in text]


async def test_fields_that_cannot_be_kept_are_all_named_and_nothing_stays(office: Office) -> None:
    vendor_id = await office.register(1)
    path = f"/v1/vendors/{vendor_id}/documents"
    answer = ok(await office.send(path, {"kind": "bpom", "number": "NA1", "issued_on": "2030-01-01"}), 422)
    assert answer["code"] == "document-invalid"
    assert [(error["field"], error["code"]) for error in answer["errors"]] == [
        ("number", "number-format"),
        ("issued_on", "issued-in-future"),
        ("expires_on", "missing"),
    ]
    await office.run_timers()
    assert office.kept() == 0
    assert await office.value("SELECT count(*) FROM document") == 0
    assert await office.told() == []


MALFORMED: list[tuple[dict[str, str], bytes]] = [
    ({"kind": "sim", "number": NIB}, SCAN),
    ({"kind": "nib"}, SCAN),
    ({"kind": "nib", "number": NIB, "else": "1"}, SCAN),
    ({"kind": "nib", "number": "1" * 101}, SCAN),
    ({"kind": "nib", "number": NIB, "issued_on": "yesterday"}, SCAN),
    ({"kind": "nib", "number": "12345\x006789012"}, SCAN),
    ({"kind": "nib", "number": NIB, "issued_on": "0001-01-01"}, SCAN),
    ({"kind": "pirt", "number": PIRT, "issued_on": "9999-12-31", "expires_on": "9999-12-31"}, SCAN),
    ({"kind": "nib", "number": NIB}, b""),
    ({"kind": "nib", "number": NIB}, b"<html>"),
    ({"kind": "nib", "number": NIB, "replaces": "x"}, SCAN),
]


async def test_what_is_malformed_is_refused(office: Office) -> None:
    vendor_id = await office.register(1)
    for fields, content in MALFORMED:
        answer = await office.send(f"/v1/vendors/{vendor_id}/documents", fields, content=content)
        assert answer.status_code == 422, (fields, answer.text)
        assert NIB not in answer.text
    assert await office.value("SELECT count(*) FROM document") == 0


async def test_a_body_that_is_too_large_is_refused(office: Office) -> None:
    vendor_id = await office.register(1)
    path = f"/v1/vendors/{vendor_id}/documents"
    for size in (5 * 1024 * 1024 + 1, FORM_BYTES_MAX + 1):
        answer = await office.send(path, {"kind": "nib", "number": NIB}, content=SCAN.ljust(size))
        assert answer.status_code == 413, answer.text
    taken = await office.send(path, {"kind": "nib", "number": NIB}, content=SCAN.ljust(5 * 1024 * 1024))
    assert taken.status_code == 201, taken.text


async def test_a_repeated_request_is_answered_and_its_second_file_goes(office: Office) -> None:
    vendor_id = await office.register(1)
    path, fields, key = f"/v1/vendors/{vendor_id}/documents", {"kind": "nib", "number": NIB}, str(uuid4())
    first = await office.send(path, fields, key=key)
    again = await office.send(path, fields, key=key)
    assert ok(first, 201) == ok(again, 201)
    other = await office.send(path, fields, key=key, content=SCAN + b"%")
    assert ok(other, 422)["code"] == "idempotency-key-reused"
    await office.run_timers()
    assert office.kept() == 1
    assert await office.value("SELECT count(*) FROM document") == 1


async def test_of_two_nib_submitted_at_once_one_waits(office: Office) -> None:
    await office.crowd()
    vendor_id = await office.register(1)
    path, fields = f"/v1/vendors/{vendor_id}/documents", {"kind": "nib", "number": NIB}
    answers = await at_once(*(office.send(path, fields) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"document-waiting"}
    await office.run_timers()
    assert office.kept() == 1


async def test_who_may_submit_for_whom(office: Office) -> None:
    mine, other = await office.register(1), await office.register(2)
    path, fields = f"/v1/vendors/{mine}/documents", {"kind": "nib", "number": NIB}
    assert (await office.send(path, fields, token=office.vendor(other))).status_code == 403
    assert (await office.send(path, fields, token=office.newcomer())).status_code == 403
    assert (await office.send(path, fields, token=office.of("service"))).status_code == 403
    assert ok(await office.send(path, fields, token=office.officer("31.72")), 404)["code"] == "vendor-unknown"
    assert (await office.send(f"/v1/vendors/{uuid4()}/documents", fields)).status_code == 404
    assert await office.value("SELECT count(*) FROM document") == 0
    by = ok(await office.send(path, fields), 201)["document_id"]
    assert (await office.show(UUID(by)))["submitted_by"] == "officer"


# ---- deciding


async def test_of_two_officers_who_decide_at_once_one_wins(office: Office) -> None:
    await office.crowd()
    vendor_id = await office.register(1)
    document_id = await office.submit(vendor_id)
    path = f"/v1/documents/{document_id}"
    answers = await at_once(
        office.post(f"{path}/verify", {"version": 1}),
        office.post(f"{path}/reject", {"version": 1, "reason": "not-genuine"}, token=office.officer("31.71.02")),
        office.post(f"{path}/return", {"version": 1, "reason": "unreadable"}, token=office.officer("31")),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"document-not-submitted"}
    assert len(await office.told("DocumentVerified", "DocumentRejected", "DocumentReturned")) == 1


async def test_a_rejection_says_why_to_the_vendor_but_not_to_the_world(office: Office) -> None:
    vendor_id = await office.register(1)
    document_id = await office.submit(vendor_id)
    note = "NIB atas nama Siti, bukan Anda"
    await office.decide(document_id, "reject", reason="wrong-person", note=note)
    shown = await office.show(document_id, office.vendor(vendor_id))
    assert (shown["state"], shown["reason"], shown["note"]) == ("rejected", "wrong-person", note)
    (event,) = await office.told("DocumentRejected")
    assert event.body["reason"] == "wrong-person"
    assert "Siti" not in json.dumps([event.body for event in await office.published("DocumentRejected")])


async def test_a_reason_must_be_one_of_the_programmes(office: Office) -> None:
    vendor_id = await office.register(1)
    document_id = await office.submit(vendor_id)
    for act, reason in (("reject", "unreadable"), ("return", "wrong-person"), ("reject", "not-corrected")):
        body = {"version": 1, "reason": reason}
        refused = ok(await office.post(f"/v1/documents/{document_id}/{act}", body), 422)
        assert refused["code"] == "reason-unknown"
        assert reason not in refused["details"]["known"]
    malformed = {"version": 1, "reason": "x", "note": "a\x00b"}
    assert (await office.post(f"/v1/documents/{document_id}/reject", malformed)).status_code == 422
    assert (await office.post(f"/v1/documents/{document_id}/verify", {"version": 2**31})).status_code == 422
    assert (await office.show(document_id))["state"] == "submitted"
    kinds = ok(await office.get("/v1/document-kinds"))
    assert {kind["kind"] for kind in kinds["kinds"]} == {"nib", "pirt", "halal", "bpom", "hki", "ktp"}
    assert {reason["code"] for reason in kinds["reasons"] if reason["returns"]} >= {"unreadable", "incomplete"}


async def test_only_officers_of_the_area_decide_and_only_registrars_about_a_ktp(office: Office) -> None:
    vendor_id = await office.register(1)
    nib, ktp = await office.submit(vendor_id), await office.submit(vendor_id, "ktp", nik(1))
    path, body = f"/v1/documents/{nib}/verify", {"version": 1}
    assert (await office.post(path, body, token=office.vendor(vendor_id))).status_code == 403
    elsewhere = ok(await office.post(path, body, token=office.officer("31.72")), 404)
    unknown = ok(await office.post(f"/v1/documents/{uuid4()}/verify", body), 404)
    assert elsewhere["code"] == unknown["code"] == "document-unknown"
    for act in ("verify", "reject", "return"):
        reason = {"verify": {}, "reject": {"reason": "expired"}, "return": {"reason": "unreadable"}}[act]
        refused = ok(await office.post(f"/v1/documents/{ktp}/{act}", {**body, **reason}), 403)
        assert refused["code"] == "document-sealed"
    assert (await office.decide(ktp, token=office.registrar()))["state"] == "verified"
    assert (await office.decide(nib))["state"] == "verified"


async def test_a_document_that_expired_while_it_waited_is_not_verified(office: Office) -> None:
    vendor_id = await office.register(1)
    document_id = await office.submit(vendor_id, "halal", HALAL, issued_on="2022-01-01", expires_on="2023-03-02")
    office.time.advance(days=2)
    refused = ok(await office.post(f"/v1/documents/{document_id}/verify", {"version": 1}), 409)
    assert refused["code"] == "document-expired"
    await office.decide(document_id, "reject", reason="expired")


# ---- corrections


async def test_a_returned_document_is_corrected_and_its_versions_are_kept(office: Office) -> None:
    vendor_id = await office.register(1)
    mine = office.vendor(vendor_id)
    document_id = await office.submit(vendor_id)
    await office.decide(document_id, "return", reason="unreadable", note="Foto kabur", correct_by="2023-03-10")
    (event,) = await office.told("DocumentReturned")
    assert (event.body["reason"], event.body["correct_by"]) == ("unreadable", "2023-03-10")
    path = f"/v1/documents/{document_id}/resubmit"
    for stranger in (office.vendor(await office.register(2)), office.officer("31.72")):
        refused = ok(await office.send(path, {"number": NIB}, token=stranger), 404)
        assert refused["code"] == "document-unknown"
    photo = jpeg()
    answer = ok(await office.send(path, {"number": "9999999999999"}, token=mine, content=photo))
    assert (answer["state"], answer["version"]) == ("submitted", 2)
    stale = ok(await office.post(f"/v1/documents/{document_id}/verify", {"version": 1}), 409)
    assert (stale["code"], stale["details"]["version"]) == ("document-changed", 2)
    shown = await office.show(document_id, mine)
    assert (shown["version"], shown["number"], shown["reason"], shown["note"]) == (2, "9999999999999", None, "")
    (before,) = shown["earlier"]
    assert (before["version"], before["number"], before["note"]) == (1, NIB, "Foto kabur")
    now = await office.get(f"/v1/documents/{document_id}/file", token=mine)
    assert (now.content, now.headers["content-type"]) == (photo, "image/jpeg")
    assert (await office.get(f"/v1/documents/{document_id}/file", token=mine, version=1)).content == SCAN
    assert (await office.get(f"/v1/documents/{document_id}/file", token=mine, version=3)).status_code == 404
    await office.decide(document_id, version=2)
    again = ok(await office.send(path, {"number": NIB}, token=mine), 409)
    assert again["code"] == "document-not-returned"
    await office.run_timers()
    assert office.kept() == 2
    assert [event.sequence for event in await office.told()] == [2, 3, 4, 5]


async def test_a_correction_of_the_number_alone_keeps_the_file(office: Office) -> None:
    vendor_id = await office.register(1)
    document_id = await office.submit(vendor_id)
    await office.decide(document_id, "return", reason="number-differs")
    headers = {"Authorization": f"Bearer {office.vendor(vendor_id)}", "Idempotency-Key": str(uuid4())}
    answer = await office.client.post(
        f"/v1/documents/{document_id}/resubmit", files={"number": (None, "9999999999999")}, headers=headers
    )
    assert ok(answer)["version"] == 2
    shown = await office.get(f"/v1/documents/{document_id}/file", token=office.vendor(vendor_id))
    assert shown.content == SCAN
    assert office.kept() == 1


async def test_without_a_correction_in_time_a_document_is_rejected(office: Office) -> None:
    vendor_id = await office.register(1)
    document_id = await office.submit(vendor_id)
    await office.decide(document_id, "return", reason="unreadable", correct_by="2023-03-10")
    await office.on(2023, 3, 10)
    assert (await office.show(document_id))["state"] == "returned"
    await office.on(2023, 3, 11)
    shown = await office.show(document_id)
    assert (shown["state"], shown["reason"]) == ("rejected", "not-corrected")
    assert [event.body["reason"] for event in await office.told("DocumentRejected")] == ["not-corrected"]
    late = await office.send(f"/v1/documents/{document_id}/resubmit", {"number": NIB}, token=office.vendor(vendor_id))
    assert ok(late, 409)["code"] == "document-not-returned"
    await office.submit(vendor_id)


async def test_a_correction_at_the_very_deadline_is_taken_or_too_late_never_both(office: Office) -> None:
    await office.crowd()
    made = []
    for number in range(1, 9):
        vendor_id = await office.register(number)
        document_id = await office.submit(vendor_id)
        await office.decide(document_id, "return", reason="unreadable", correct_by="2023-03-02")
        made.append((document_id, office.vendor(vendor_id)))
    office.time.advance(days=2)
    timers = asyncio.create_task(office.run_timers())
    answers = await at_once(
        *(office.send(f"/v1/documents/{one}/resubmit", {"number": NIB}, token=token) for one, token in reversed(made))
    )
    await timers
    assert {answer.status_code for answer in answers} <= {200, 409}
    states = [(await office.show(one))["state"] for one, _ in reversed(made)]
    assert states == ["submitted" if answer.status_code == 200 else "rejected" for answer in answers]
    assert len(await office.told("DocumentRejected")) == states.count("rejected")


async def test_a_document_corrected_in_time_is_left_alone_by_its_deadline(office: Office) -> None:
    vendor_id = await office.register(1)
    document_id = await office.submit(vendor_id)
    await office.decide(document_id, "return", reason="unreadable", correct_by="2023-03-10")
    ok(await office.send(f"/v1/documents/{document_id}/resubmit", {"number": NIB}, token=office.vendor(vendor_id)))
    await office.on(2023, 3, 20)
    assert (await office.show(document_id))["state"] == "submitted"
    assert await office.told("DocumentRejected") == []


# ---- expiry


async def expiring(office: Office, vendor_id: UUID, expires_on: str = "2023-12-31") -> UUID:
    document_id = await office.submit(vendor_id, "halal", HALAL, issued_on="2022-01-01", expires_on=expires_on)
    await office.decide(document_id)
    return document_id


async def test_reminders_and_lapse_are_told_on_their_days_in_jakarta(office: Office) -> None:
    vendor_id = await office.register(1)
    document_id = await expiring(office, vendor_id)
    days = [(2023, 10, 31), (2023, 11, 1), (2023, 11, 1), (2023, 12, 16), (2023, 12, 17), (2023, 12, 31), (2024, 1, 1)]
    told = []
    for day in days:
        before = len(await office.told())
        await office.on(*day)
        told.append([event.type for event in (await office.told())[before:]])
    assert told == [[], ["DocumentExpiring"], [], [], ["DocumentExpiring"], [], ["DocumentLapsed"]]
    assert [event.body["days_left"] for event in await office.told("DocumentExpiring")] == [60, 14]
    (lapsed,) = await office.told("DocumentLapsed")
    assert lapsed.body["expired_on"] == "2023-12-31"
    assert (await office.show(document_id))["state"] == "lapsed"
    assert [event.sequence for event in await office.told()] == list(range(2, 7))


async def test_the_day_begins_at_midnight_in_jakarta(office: Office) -> None:
    vendor_id = await office.register(1)
    document_id = await expiring(office, vendor_id)
    await office.on(2023, 12, 20)
    office.time.moment = datetime(2023, 12, 31, 16, 59, 59, tzinfo=UTC)
    await office.run_timers()
    assert (await office.show(document_id))["state"] == "verified"
    office.time.moment = datetime(2023, 12, 31, 17, 0, 1, tzinfo=UTC)
    await office.run_timers()
    assert (await office.show(document_id))["state"] == "lapsed"


async def test_days_that_the_service_slept_over_are_told_once(office: Office) -> None:
    one, two, three = [await office.register(number) for number in (1, 2, 3)]
    await expiring(office, one, "2023-12-31")
    await expiring(office, two, "2024-01-20")
    await expiring(office, three, "2023-12-15")
    await office.on(2023, 12, 24)
    await office.on(2023, 12, 24)
    told = [(UUID(event.key), event.type, event.body.get("days_left")) for event in (await office.told())[6:]]
    assert sorted(told) == [
        (one, "DocumentExpiring", 7),
        (two, "DocumentExpiring", 27),
        (three, "DocumentLapsed", None),
    ]


async def test_a_renewed_document_is_reminded_of_no_more(office: Office) -> None:
    vendor_id = await office.register(1)
    old = await expiring(office, vendor_id)
    await office.on(2023, 11, 1)
    new = await office.submit(vendor_id, "halal", "ID31110000123450921", issued_on="2023-11-01")
    assert (await office.show(new))["replaces"] == str(old)
    assert (await office.show(old))["state"] == "verified"
    await office.decide(new)
    assert (await office.show(old))["state"] == "replaced"
    await office.on(2024, 2, 1)
    assert [event.body["days_left"] for event in await office.told("DocumentExpiring")] == [60]
    assert await office.told("DocumentLapsed") == []


async def test_documents_verified_at_once_follow_each_other_without_a_gap(office: Office) -> None:
    await office.crowd()
    vendor_id = await office.register(1)
    fields = {"issued_on": "2023-01-01", "beside": "true"}
    made = [await office.submit(vendor_id, "hki", f"IDM00012345{n}", **fields) for n in range(4)]
    answers = await at_once(*(office.post(f"/v1/documents/{one}/verify", {"version": 1}) for one in made))
    assert {answer.status_code for answer in answers} == {200}
    assert [event.sequence for event in await office.told()] == list(range(2, 10))
    unclear = await office.send(
        f"/v1/vendors/{vendor_id}/documents", {"kind": "hki", "number": "IDM000999999", "issued_on": "2023-02-01"}
    )
    assert ok(unclear, 422)["code"] == "document-not-replaceable"
    assert sorted(unclear.json()["details"]["standing"]) == sorted(map(str, made))
    new = await office.submit(vendor_id, "hki", "IDM000999999", issued_on="2023-02-01", replaces=str(made[2]))
    await office.decide(new)
    assert [(await office.show(one))["state"] for one in made] == ["verified", "verified", "replaced", "verified"]


# ---- one person, two registrations


async def test_documents_of_a_merged_registration_belong_to_the_person(office: Office) -> None:
    stays, retired, other = [await office.register(number) for number in (1, 2, 3)]
    waiting = await office.submit(retired)
    old = await expiring(office, retired)
    async with office.database.transaction() as conn:
        await conn.execute("UPDATE vendor SET merged_into = $1 WHERE vendor_id = $2", stays, retired)
    mine = office.vendor(stays)
    shown = ok(await office.get(f"/v1/vendors/{stays}/documents", token=mine))["items"]
    assert [item["document_id"] for item in shown] == [str(waiting), str(old)]
    assert (await office.get(f"/v1/documents/{old}/file", token=mine)).status_code == 200
    assert (await office.get(f"/v1/documents/{old}", token=office.vendor(other))).status_code == 404
    await office.decide(waiting)
    refused = await office.send(f"/v1/vendors/{retired}/documents", {"kind": "nib", "number": NIB})
    assert ok(refused, 409)["code"] == "vendor-retired"
    new = await office.submit(stays, "halal", HALAL, issued_on="2023-02-01")
    await office.decide(new)
    assert (await office.show(old))["state"] == "replaced"
    assert [(event.key, event.sequence) for event in await office.told("DocumentVerified")] == [
        (str(retired), 4),
        (str(retired), 5),
        (str(stays), 3),
    ]


# ---- reading


async def test_the_queue_is_of_the_area_oldest_first_in_pages(office: Office) -> None:
    province = office.officer("31")
    made = []
    for number in range(1, 6):
        kelurahan = PENJARINGAN if number == 3 else KARANG_ANYAR
        vendor_id = await office.register(number, token=province, kelurahan=kelurahan)
        made.append(await office.submit(vendor_id))
        office.time.advance(seconds=1 if number % 2 else 0)
    await office.decide(made[1], "return", reason="unreadable")

    async def queue(token: str | None = None, **params: Any) -> list[UUID]:
        found: list[UUID] = []
        after: dict[str, str] = {}
        while True:
            body = ok(await office.get("/v1/documents", token=token, limit=2, **params, **after))
            found += [UUID(item["document_id"]) for item in body["items"]]
            if body["next"] is None:
                return found
            after = {"after": body["next"]}

    assert await queue() == [made[0], made[3], made[4]]
    assert await queue(province) == [made[0], made[2], made[3], made[4]]
    assert await queue(province, area="31.72") == [made[2]]
    assert await queue(state="returned") == [made[1]]
    assert await queue(kind="nib", state="submitted") == [made[0], made[3], made[4]]
    assert await queue(kind="ktp") == []
    assert (await office.get("/v1/documents", area="31.72")).status_code == 403
    assert (await office.get("/v1/documents", state="verified")).status_code == 422
    for made_up in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2023-01-01T00:00:00", "x"):
        answer = await office.get("/v1/documents", after=write_cursor((made_up, made[0])))
        assert ok(answer, 422)["code"] == "cursor-invalid"
    assert (await office.get("/v1/documents", token=office.vendor(uuid4()))).status_code == 403


async def test_who_may_read_a_document(office: Office) -> None:
    mine, other = await office.register(1), await office.register(2)
    document_id = await office.submit(mine)
    for path in (f"/v1/documents/{document_id}", f"/v1/documents/{document_id}/file"):
        assert (await office.get(path)).status_code == 200
        assert (await office.get(path, token=office.vendor(mine))).status_code == 200
        for token in (office.vendor(other), office.officer("31.72")):
            assert ok(await office.get(path, token=token), 404)["code"] == "document-unknown"
        assert (await office.get(path, token=office.of("service"))).status_code == 403
        assert (await office.get(path, token=office.newcomer())).status_code == 403
    assert (await office.get(f"/v1/vendors/{mine}/documents", token=office.vendor(other))).status_code == 403
    assert (await office.get(f"/v1/vendors/{mine}/documents", token=office.officer("31.72"))).status_code == 404


async def test_a_file_is_sent_safely_and_reading_it_is_on_record(office: Office) -> None:
    vendor_id = await office.register(1)
    document_id = await office.submit(vendor_id, "ktp", nik(1))
    path = f"/v1/documents/{document_id}/file"
    own = await office.get(path, token=office.vendor(vendor_id))
    assert (own.status_code, own.content) == (200, SCAN)
    assert own.headers["content-disposition"] == f'attachment; filename="ktp-{document_id}.pdf"'
    assert own.headers["cache-control"] == "no-store"
    assert own.headers["x-content-type-options"] == "nosniff"
    assert await office.value("SELECT count(*) FROM audit_log") == 0, "its own scan is the vendor's own business"
    assert ok(await office.get(path), 403)["code"] == "document-sealed"
    assert await office.value("SELECT count(*) FROM audit_log") == 0
    assert (await office.get(path, token=office.registrar())).content == SCAN
    async with office.database.read() as conn:
        rows = await conn.fetch("SELECT actor, act, vendor_id, detail FROM audit_log")
    detail = {"document_id": str(document_id), "kind": "ktp", "version": 1}
    assert [tuple(row) for row in rows] == [("registrar-31.71", "document-file-read", vendor_id, detail)]


async def test_officers_see_that_others_submitted_the_same_number(office: Office) -> None:
    one, two, three = [await office.register(number) for number in (1, 2, 3)]
    first = await office.submit(one)
    assert (await office.show(first))["held_by_others"] == 0
    second, third = await office.submit(two), await office.submit(three)
    assert (await office.show(first))["held_by_others"] == 2
    await office.decide(third, "reject", reason="wrong-business")
    assert (await office.show(second))["held_by_others"] == 1
    assert (await office.show(second, office.vendor(two)))["held_by_others"] is None


# ---- for the other nouns


async def test_valid_kinds_are_those_verified_and_valid_on_the_day(office: Office) -> None:
    vendor_id, other = await office.register(1), await office.register(2)
    await office.submit(vendor_id)
    await expiring(office, vendor_id, "2023-12-31")
    await office.decide(await office.submit(other, "nib", "9999999999999"))

    async def valid(*vendor_ids: UUID, day: date) -> set[str]:
        async with office.database.read() as conn:
            return await store.find_valid_kinds(conn, vendor_ids, day)

    assert await valid(vendor_id, day=date(2023, 12, 31)) == {"halal"}
    assert await valid(vendor_id, day=date(2024, 1, 1)) == set()
    assert await valid(vendor_id, day=date(2021, 12, 31)) == set()
    assert await valid(vendor_id, other, day=date(2022, 1, 1)) == {"halal", "nib"}
    assert await valid(day=date(2023, 5, 1)) == set()


async def test_all_that_is_kept_of_a_person_can_be_collected_and_erased(office: Office) -> None:
    vendor_id, other = await office.register(1), await office.register(2)
    document_id = await office.submit(vendor_id)
    await office.decide(document_id, "return", reason="unreadable", note="Foto kabur")
    mine = office.vendor(vendor_id)
    ok(await office.send(f"/v1/documents/{document_id}/resubmit", {"number": NIB}, token=mine, content=jpeg()))
    await expiring(office, vendor_id)
    theirs = await office.submit(other)
    async with office.database.read() as conn:
        collected = json.loads(json.dumps(await store.collect_documents(conn, [vendor_id])))
        assert await store.collect_documents(conn, []) == {"documents": []}
    first, second = collected["documents"]
    assert (first["kind"], first["number"], first["version"], first["bytes"]) == ("nib", NIB, 2, len(jpeg()))
    assert (first["earlier"][0]["note"], first["earlier"][0]["reason"]) == ("Foto kabur", "unreadable")
    assert (second["expires_on"], second["state"]) == ("2023-12-31", "verified")
    platform = Platform("vendor", load(VendorSettings), office.database, office.clock, office.sealer)
    assert (await read_file(platform, UUID(first["earlier"][0]["file_id"]))).content == SCAN

    async with office.database.transaction() as conn:
        erased = await store.erase_documents(conn, [vendor_id])
    assert erased == {"documents": 2, "earlier versions of documents": 1, "files of documents": 3}
    assert (await office.get(f"/v1/documents/{document_id}", token=mine)).status_code == 404
    assert office.kept() == 4
    await office.run_timers()
    assert office.kept() == 1
    await office.on(2024, 1, 1)
    assert await office.told("DocumentExpiring", "DocumentLapsed") == []
    assert (await office.show(theirs))["state"] == "submitted"
    async with office.database.transaction() as conn:
        assert await store.erase_documents(conn, [vendor_id]) == dict.fromkeys(erased, 0)


# ---- at size


@pytest.fixture
async def plans(office: Office) -> Callable[..., Any]:
    """20,000 vendors with three documents each, one in a hundred waiting; answers with the plan of a statement."""
    async with office.database.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO vendor (vendor_id, version, card_version, nik_index, nik_sealed, name, phone, street, "
            "kelurahan, rw, rt, kind, language, origin, registered_on, registered_at) "
            "SELECT md5('v' || n)::uuid, 1, 1, sha256(n::text::bytea), '', 'x', 'x', '', "
            "'31.7' || 1 + n % 5 || '.0' || 1 + n % 8 || '.100' || 1 + n % 6, '001', '001', 'usaha', 'id', 'file', "
            "'2023-01-01', '2023-01-01' FROM generate_series(1, 20000) AS n"
        )
        await conn.execute(
            "INSERT INTO stored_file (file_id, media_type, bytes, sealed_with, stored_at, kept) "
            "SELECT md5('f' || n)::uuid, 'application/pdf', 1000, 'test', '2023-01-01', true "
            "FROM generate_series(1, 60000) AS n"
        )
        await conn.execute(
            "INSERT INTO document (document_id, vendor_id, kind, state, version, number, file_id, submitted_by, "
            "submitted_at) SELECT md5('d' || n)::uuid, md5('v' || 1 + n % 20000)::uuid, "
            "(ARRAY['nib', 'pirt', 'halal'])[1 + n / 20001], "
            "CASE WHEN n % 100 = 7 THEN 'submitted' ELSE 'verified' END, "
            "1, lpad(n::text, 13, '0'), md5('f' || n)::uuid, 'vendor', "
            "timestamptz '2023-01-01' + n * interval '1 second' FROM generate_series(1, 60000) AS n"
        )
        await conn.execute("ANALYZE vendor, document, stored_file, document_version")

    async def explain(sql: str, *arguments: Any) -> str:
        async with office.database.read() as conn:
            rows = await conn.fetch(f"EXPLAIN {sql}", *arguments)
        return "\n".join(row[0] for row in rows)

    return explain


async def test_what_officers_ask_for_is_answered_by_indexes(office: Office, plans: Callable[..., Any]) -> None:
    vendor_id = await office.value("SELECT vendor_id FROM vendor LIMIT 1")
    document_id = await office.value("SELECT document_id FROM document LIMIT 1")
    for area in ("31", "31.71", "31.71.01", "31.71.01.1001"):
        for after in ((None, None), (datetime(2023, 1, 1, 5, tzinfo=UTC), document_id)):
            plan = await plans(store.FIND_QUEUE, "submitted", area, None, *after, 51)
            assert "document_waiting" in plan, plan
            assert "Seq Scan" not in plan, plan
    for sql, arguments in (
        (store.FIND_DOCUMENT, [document_id]),
        (store.FIND_DOCUMENTS_OF, [[vendor_id], None, 51]),
        (store.FIND_KIN, [[vendor_id], "nib"]),
        (store.COLLECT_DOCUMENTS, [[vendor_id]]),
        (store.COUNT_SAME_NUMBER, ["nib", NIB, [vendor_id]]),
        (store.FIND_VALID_KINDS, [[vendor_id], date(2023, 3, 1)]),
        ("DELETE FROM stored_file WHERE file_id = $1", [uuid4()]),
        ("SELECT 1 FROM document WHERE file_id = $1", [uuid4()]),
    ):
        plan = await plans(sql, *arguments)
        assert "Index" in plan, plan
        assert "Seq Scan on document " not in plan, plan
        assert "Seq Scan on stored_file" not in plan, plan
