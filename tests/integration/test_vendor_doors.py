"""Every door of the registry's HTTP, tried by everybody: who gets in, and what each may see there.

One table names every route and who it opens to; one database serves the whole table. Those who are refused knock before
those who are let in, at the same thing, so that a refusal is about rights and not about a thing that is missing.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.vendor.app import create
from services.vendor.domain.programme import CapitalReferral
from services.vendor.handlers.duplicates import walk
from services.vendor.handlers.programme import follow_capital
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration import doors
from tests.integration.doors import (
    ELSEWHERE,
    HERE,
    ITSELF,
    OFFICERS,
    OPERATOR,
    OWN,
    REFUSALS,
    REGISTRAR,
    REGISTRARS,
    SERVICE,
    Door,
    about,
    knock,
    of_area,
    send,
    wrong_status,
)
from tests.integration.vendor import PENJARINGAN, Registry, nik, ok, person, row, sheet, until
from tests.unit.test_vendor_pictures import png

BANK, BANKS = frozenset({"bank"}), frozenset({"bank", "another bank"})
PROVINCE = frozenset({"officer of the province"})
"""It knocks where only the province decides: elsewhere it is an officer of the area."""
CALLERS = (*doors.CALLERS, *sorted(BANKS))
EVERYBODY = doors.EVERYBODY | BANKS
SIGNED = doors.SIGNED | BANKS
NAME, STREET = "Zubaidah Tersembunyi", "Gang Rahasia 77"
PERSONAL = re.compile(
    r"(?<![0-9a-f-])\d{16}(?![0-9a-f])"  # a NIK
    r"|\+62\d{9,12}|(?<![0-9a-f-])08\d{8,11}(?![0-9a-f])"  # a phone
    r"|[a-z]+\d*@contoh\.id"  # an address of mail; a masked one has stars before the @
    r"|1990-\d\d-\d\d"  # the day of birth of every made-up person
)
"""What is masked unless the caller is entitled; nothing else in the answers is shaped like it."""
ODD_MONTHS = {"report_id": "2022-12", "other_report": "2023-01"}
SCAN = b"%PDF-1.7\n1 0 obj\n%%EOF\n"
ENTRY = {
    "name": "Keripik tempe",
    "category": "food-drink",
    "price_min_rupiah": 15000,
    "price_max_rupiah": 25000,
    "unit": "bungkus",
}
SCORES = {"quality": 8, "packaging": 6, "labelling": 5, "price": 9, "capacity": 7}
PAID = {"paid_on": "2023-03-01", "amount_rupiah": 120000, "reference": "KDN-1"}
AGREEMENT = {"area": "31.71", "valid_from": "2023-03-01", "valid_until": "2023-12-31", "topics": ["export"]}
EXHIBITION = {
    "title": "Pameran",
    "place": "JCC Senayan",
    "kind": "exhibition",
    "area": "31.71",
    "days": ["2023-04-01"],
    "answer_by": "2023-03-10",
}
WEIGHTING = {"version": 2, "effective_on": "2023-06-01", "weights": {"price": 100}, "ready_from": 50}
REVEAL = {"reason": "identity-check", "reference": "ADUAN/117/2023"}
NUMBERS = count(5_000)
"""People who are registered on the way."""


@dataclass(kw_only=True)
class World(doors.World):
    """The registry with something behind each door."""

    registry: Registry

    def token(self, caller: str, itself: str) -> str | None:
        """The token of a caller."""
        if caller in BANKS:
            return self.issuer.token("bank-dki" if caller == "bank" else "bank-lain", ["bank"])
        if caller in PROVINCE:
            return self.registry.officer("31")
        return super().token(caller, itself)


V = "/v1/vendors/{vendor_id}"
HALAL = "ID31110000123450920"
ISSUED = {"issued_on": "2023-02-01", "expires_on": "2026-02-01"}
AT_HALAL = {"document_id": "halal"}
MONTHS = {"first": "2023-02", "last": "2023-02"}
TO_DECIDE = {"reason": "to-decide"}

DOORS = [
    # ---- what everybody may read
    *(
        Door(f"GET /v1/{path}", EVERYBODY)
        for path in (
            "areas",
            "areas/{code}",
            "curation-criteria",
            "eligibility-rules",
            "export-criteria",
            "export-criteria/score",
            "export-weightings",
            "issue-categories",
            "organisations",
            "partners",
            "partners/{partner_id}",
            "products",
            "products/{product_id}",
            "products/{product_id}/photos/{photo_id}",
            "suspension-reasons",
        )
    ),
    Door("GET /v1/document-kinds", SIGNED),
    # ---- what a vendor may read of itself, officers of those of their area
    Door(f"GET {V}", OWN, shows=ITSELF),
    *(
        Door(f"GET {V}/{noun}", OWN)
        for noun in (
            "affiliations",
            "coaching",
            "consents",
            "documents",
            "export",
            "invitations",
            "issues",
            "products",
            "programme",
            "progress",
            "suspensions",
        )
    ),
    *(
        Door(f"GET {V}/{noun}", OWN | SERVICE)
        for noun in ("eligibility-decisions", "indicators", "indicators/{month}", "size")
    ),
    Door(f"GET {V}/eligibility", OWN | SERVICE, params={"rule": "jbl"}),
    Door(f"GET {V}/corrections", OWN, shows=ITSELF),
    Door(f"GET {V}/corrections", REGISTRAR | ITSELF, params=TO_DECIDE, shows=REGISTRAR | ITSELF),
    Door(f"GET {V}/data", REGISTRAR | ITSELF, params=TO_DECIDE, shows=REGISTRAR | ITSELF),
    Door("GET /v1/documents/{document_id}", OWN),
    Door("GET /v1/documents/{document_id}", OWN, at={"document_id": "ktp"}),
    Door("GET /v1/documents/{document_id}/file", OWN),
    Door("GET /v1/documents/{document_id}/file", REGISTRAR | ITSELF, at={"document_id": "ktp"}),
    Door("GET /v1/products/{product_id}/curations", OWN),
    Door("GET /v1/eligibility/{decision_id}", OWN | SERVICE),
    Door("GET /v1/eligibility/objections/{objection_id}", OWN | SERVICE),
    Door("GET /v1/issues/{issue_id}", OWN),
    # ---- what only officers may read
    Door("GET /v1/duplicates", OFFICERS),
    Door("GET /v1/duplicates/{duplicate_id}", HERE),
    Door("GET /v1/merges", HERE, params={"vendor_id": "@survivor"}),
    Door("GET /v1/exhibitions", OFFICERS),
    Door("GET /v1/exhibitions/{exhibition_id}", HERE),
    Door("GET /v1/exhibitions/{exhibition_id}/invitations", HERE),
    Door("GET /v1/exhibitions/{exhibition_id}/preview", HERE),
    *of_area("GET /v1/corrections"),
    Door("GET /v1/corrections", REGISTRARS, params=TO_DECIDE, shows=REGISTRAR),
    Door("GET /v1/corrections", REGISTRAR, params={**TO_DECIDE, "area": "31.71"}, shows=REGISTRAR),
    *of_area("GET /v1/documents"),
    *of_area("GET /v1/eligibility/objections"),
    *of_area("GET /v1/indicators/queries"),
    *of_area("GET /v1/indicators/statistics", SERVICE | OPERATOR, params=MONTHS),
    *of_area("GET /v1/issues"),
    Door("GET /v1/issues", HERE, params={"vendor_id": "@vendor_id"}),
    *of_area("GET /v1/reports/coaching"),
    *of_area("GET /v1/reports/issues"),
    *of_area("GET /v1/reports/issues.csv"),
    *of_area("GET /v1/vendors"),
    *of_area("GET /v1/vendors/export.csv"),
    Door("GET /v1/vendors/imports/{key}", frozenset({"officer"})),
    Door("GET /v1/vendors/imports/{key}/rejected", frozenset({"officer"})),
    # ---- operators
    Door("GET /v1/audit", OPERATOR),
    Door("GET /v1/sources", OPERATOR),
    Door("GET /v1/erasures", OPERATOR),
    Door("GET /v1/erasures/{erasure_id}", REGISTRAR | OPERATOR),
    # ---- POST that reads
    Door("POST /v1/vendors/search", OFFICERS, {"nik": nik(1)}),
    Door("POST /v1/vendors/search", HERE, {"name": "zubaidah", "area": "31.71"}),
    Door(f"POST {V}/reveal", REGISTRAR, REVEAL, shows=REGISTRAR),
    Door("POST /v1/vendors/export.csv", OFFICERS, {}),
    Door("POST /v1/vendors/export.csv", REGISTRARS, {"reveal": REVEAL}, shows=REGISTRARS),
    Door("POST /v1/vendors/export.csv", REGISTRAR, {"reveal": REVEAL, "area": "31.71"}, shows=REGISTRAR),
    Door("POST /v1/eligibility/count", OFFICERS | OPERATOR, {"rule": "jbl"}),
    Door("POST /v1/eligibility/count", HERE | OPERATOR, {"rule": "jbl", "area": "31.71"}),
    Door("POST /v1/capital-referrals/{referral_id}/reveal", BANK, shows=BANK),
    # ---- registering
    Door("POST /v1/vendors", HERE | {"newcomer", "service"}, lambda world: person(next(NUMBERS))),
    Door("POST /v1/vendors/import", OFFICERS, file=sheet([row(6001)])),
    Door("POST /v1/indicators/import", OFFICERS, file=lambda world: _figures(world)),
    # ---- what a vendor may do for itself, and officers of its area for it
    Door(f"POST {V}/corrections", OWN, {"phone": "081288880001", "name": "Zubaidah Lain"}),
    Door(f"POST {V}/consents", OWN, {"purpose": "partners", "given": True, "text_version": 1, "evidence": "Surat 1"}),
    Door(f"POST {V}/documents", OWN, form={"kind": "bpom", "number": "MD123456789012", **ISSUED}, file=SCAN),
    Door("POST /v1/documents/{document_id}/return", HERE, {"version": 1, "reason": "unreadable"}, at=AT_HALAL),
    Door("POST /v1/documents/{document_id}/resubmit", OWN, form={"number": HALAL, **ISSUED}, file=SCAN, at=AT_HALAL),
    Door("POST /v1/documents/{document_id}/reject", HERE, {"version": 2, "reason": "wrong-person"}, at=AT_HALAL),
    Door(f"POST {V}/products", OWN, ENTRY),
    Door("POST /v1/products/{product_id}/photos", OWN, file=png(40, 30)),
    Door("POST /v1/products/{product_id}/photos/{photo_id}/remove", OWN, fresh="photo_id"),
    Door("POST /v1/products/{product_id}/entry", OWN, ENTRY),
    Door("POST /v1/products/{product_id}/withdraw", OWN),
    Door("POST /v1/products/{product_id}/list", OWN),
    Door(f"POST {V}/indicators", OWN | SERVICE, {"month": "2023-02", "turnover_rupiah": 4_000_000}),
    Door(f"POST {V}/eligibility", OWN | SERVICE, {"rule": "jbl"}),
    Door(
        "POST /v1/eligibility/{decision_id}/objection", OWN, {"text": "Saya sudah ikut."}, at={"decision_id": "second"}
    ),
    Door(f"POST {V}/programme/{{service}}/{{act}}", OWN),
    Door("POST /v1/issues", OFFICERS | {"itself", "another vendor"}, {"category": "licensing", "text": "Izin lama."}),
    Door("POST /v1/invitations/{invitation_id}/answer", OWN, {"accepted": True}),
    Door("POST /v1/affiliations/{affiliation_id}/renew", HERE, {**PAID, "reference": "KDN-3"}),
    Door("POST /v1/affiliations/{affiliation_id}/end", OWN),
    # ---- what officers of its area do
    Door(f"POST {V}/programme/{{service}}/{{act}}", HERE, at={"act": "start"}),
    Door(f"POST {V}/category", HERE, {"category": "food-drink"}),
    Door(f"POST {V}/agency", HERE, {"agency": "ppkukm"}),
    Door(f"POST {V}/suspend", HERE, {"reason": "no-show"}),
    Door(f"POST {V}/reinstate", HERE),
    Door(f"POST {V}/affiliations", HERE, {"organisation": "kadin", "payment": {**PAID, "reference": "KDN-2"}}),
    Door(f"POST {V}/corrections/{{correction_id}}/approve", HERE, {}, fresh="correction_id"),
    Door(f"POST {V}/corrections/{{correction_id}}/refuse", HERE, {"reason": "Bukan nama KTP."}, fresh="correction_id"),
    Door("POST /v1/documents/{document_id}/verify", HERE, {"version": 1}),
    Door("POST /v1/documents/{document_id}/verify", REGISTRAR, {"version": 1}, at={"document_id": "ktp"}),
    Door("POST /v1/products/{product_id}/curations", HERE, {"criteria_version": 1, "scores": SCORES}),
    Door("POST /v1/indicators/{report_id}/confirm", HERE),
    Door(
        "POST /v1/indicators/{report_id}/correct",
        HERE,
        {"turnover_rupiah": 4_000_000},
        at={"report_id": "other_report"},
    ),
    Door("POST /v1/eligibility/objections/{objection_id}/answer", HERE, {"outcome": "upheld", "answer": "Belum."}),
    Door("POST /v1/issues", HERE, about(category="licensing", text="Izin lama.", area="31.71", vendors=["@vendor_id"])),
    Door("POST /v1/issues/{issue_id}/assign", HERE, {"owner": "ppkukm"}),
    Door("POST /v1/issues/{issue_id}/close", HERE, {"outcome": "solved"}),
    Door(f"POST {V}/export/assess", HERE, {"ready": True, "criteria_met": ["price"]}),
    Door(f"POST {V}/export/refer", HERE, about(partner_id="@partner_id")),
    Door("POST /v1/exhibitions", HERE, EXHIBITION),
    Door("POST /v1/exhibitions/{exhibition_id}/invite", HERE, {}),
    Door("POST /v1/duplicates/{duplicate_id}/dismiss", HERE, {"reason": "different-people"}),
    Door("POST /v1/duplicates/{duplicate_id}/reopen", HERE),
    Door("POST /v1/vendors/{survivor}/merge", HERE, about(retired="@spare")),
    Door("POST /v1/merges/{merge_id}/undo", HERE, {"reason": "mistake"}),
    # ---- what holds for a city or the province
    Door("POST /v1/partners", OFFICERS, lambda world: {"code": f"p-{next(NUMBERS)}", "name": "Mitra", "kind": "bank"}),
    Door("POST /v1/agreements/{agreement_id}/end", HERE),
    Door("POST /v1/partners/{partner_id}/agreements", HERE, AGREEMENT),
    Door("POST /v1/curation-criteria", OPERATOR, lambda world: _criteria()),
    Door("POST /v1/export-weightings", PROVINCE | OPERATOR, WEIGHTING),
    Door(
        "POST /v1/eligibility-rules",
        OPERATOR,
        {
            "name": "pameran",
            "version": 1,
            "effective_on": "2023-03-01",
            "title_id": "Pameran",
            "title_en": "Exhibition",
            "condition": {"fact": "kind", "in": ["usaha"]},
        },
    ),
    # ---- what cannot be undone
    Door(
        f"POST {V}/erasure",
        REGISTRAR | ITSELF,
        {"reason": "asked-by-person"},
        at={"vendor_id": "leaving"},
        fresh="leaving",
    ),
]


def _criteria() -> dict[str, Any]:
    words = {"name_id": "Mutu", "name_en": "Quality", "advice_id": "Jaga mutu.", "advice_en": "Keep it good."}
    return {"version": 2, "criteria": [{"code": "quality", "weight": 100, **words}]}


def _figures(world: World) -> bytes:
    return f"vendor_id;bulan;omzet\n{world.ids['vendor_id']};2023-02;4500000\n".encode()


@pytest.fixture
async def world(
    make_database: MakeDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> World:
    monkeypatch.setenv("LAPAK_FILES", str(tmp_path))
    fresh = await make_database("vendor")
    client = serve(create, fresh)
    registry = Registry(fresh.dsn, fresh.database, client, issuer, clock, sealer)
    world = World(client=client, issuer=issuer, registry=registry)
    await _furnish(world)
    return world


async def _furnish(world: World) -> None:
    """Put something behind each door, through the doors themselves."""
    registry, ids = world.registry, world.ids
    vendor_id = await registry.register(1, name=NAME, street=STREET)
    own = registry.vendor(vendor_id)
    v = f"/v1/vendors/{vendor_id}"
    ids |= {"vendor_id": str(vendor_id), "code": "31.71", "month": "2023-02", "service": "P3", "act": "ask"}
    ids["another"] = str(await registry.register(2))
    elsewhere = registry.officer("31.72")
    ids["elsewhere"] = str(await registry.register(3, token=elsewhere, kelurahan=PENJARINGAN))

    async def made(path: str, body: Any, name: str, *, token: str = own, status: int = 201) -> None:
        answer = ok(await registry.post(path, body, token=token), status)
        ids[name] = str(answer[name])

    # one person twice: found, merged, and not yet merged
    for number in (11, 12):
        await registry.register(number, name="Siti Aminah", phone="081300000011")

    async def found() -> bool:  # the walk leaves alone what is younger than any transaction that runs somewhere
        async with registry.database.transaction() as conn:
            await walk(conn, sealer=registry.sealer, now=registry.clock.now())
        return bool(await registry.value("SELECT count(*) FROM duplicate"))

    await until(found)
    ids["duplicate_id"] = str(await registry.value("SELECT duplicate_id FROM duplicate"))
    survivor, retired, spare = [str(await registry.register(number)) for number in (13, 14, 15)]
    ids |= {"survivor": survivor, "spare": spare}
    await made(f"/v1/vendors/{survivor}/merge", {"retired": retired}, "merge_id", token=registry.officer(), status=200)

    gone = await registry.register(16)
    await made(f"/v1/vendors/{gone}/erasure", {}, "erasure_id", token=registry.vendor(gone), status=202)
    await _ask_for_a_correction(world)
    nib = {"kind": "nib", "number": "1234567890123"}
    ktp, halal = {"kind": "ktp", "number": nik(1)}, {"kind": "halal", "number": HALAL, **ISSUED}
    for name, form in {"document_id": nib, "ktp": ktp, "halal": halal}.items():
        ids[name] = ok(await send(world.client, f"{v}/documents", own, form, SCAN), 201)["document_id"]
    await made(f"{v}/products", ENTRY, "product_id")
    await _add_photo(world)
    ok(await registry.post(f"/v1/products/{ids['product_id']}/list", token=own))
    for month in ("2022-08", "2022-09", "2022-10", "2022-11"):
        body = {"month": month, "turnover_rupiah": 4_000_000}
        ok(await registry.post(f"{v}/indicators", body, token=own), 201)
    odd: dict[str, dict[str, Any]] = {
        name: {"month": month, "turnover_rupiah": 900_000_000} for name, month in ODD_MONTHS.items()
    }
    for name, body in odd.items():
        ids[name] = ok(await registry.post(f"{v}/indicators", body, token=own), 201)["report_id"]
    await made(f"{v}/eligibility", {"rule": "jbl"}, "decision_id")
    await made(f"/v1/eligibility/{ids['decision_id']}/objection", {"text": "Saya sudah ikut."}, "objection_id")
    second = ok(await registry.post(f"{v}/eligibility", {"rule": "jbl"}, token=own), 201)
    ids["second"] = second["decision_id"]
    await made("/v1/issues", {"category": "licensing", "text": "Izin lama."}, "issue_id")
    officer = registry.officer()
    await made(f"{v}/affiliations", {"organisation": "kadin", "payment": PAID}, "affiliation_id", token=officer)
    await made("/v1/partners", {"code": "bank-dki", "name": "Bank DKI", "kind": "bank"}, "partner_id", token=officer)
    await made(f"/v1/partners/{ids['partner_id']}/agreements", AGREEMENT, "agreement_id", token=officer)
    await made("/v1/exhibitions", EXHIBITION, "exhibition_id", token=officer)
    invited = {"vendors": [str(vendor_id)]}
    assert ok(await registry.post(f"/v1/exhibitions/{ids['exhibition_id']}/invite", invited))["invited"] == 1
    ids["invitation_id"] = ok(await registry.get(f"{v}/invitations"))["items"][0]["invitation_id"]
    consent = {"purpose": "capital-referral", "given": True, "text_version": 1}
    ok(await registry.post(f"{v}/consents", consent, token=own))
    ids["referral_id"] = str(new_id())
    async with registry.database.transaction() as conn:
        now = registry.clock.now()
        referral = CapitalReferral(vendor_id, UUID(ids["referral_id"]), "bank-dki", "sent", now)
        await follow_capital(conn, [referral], now=now)
    ids["key"] = "first-sheet"
    report = ok(await registry.send_sheet(sheet([row(18), row(19, nik="123", phone="081")]), key=ids["key"]))
    assert (report["registered"], len(report["rejected"])) == (1, 1)


async def _ask_for_a_correction(world: World) -> None:
    token = world.registry.vendor(UUID(world.ids["vendor_id"]))
    path = f"/v1/vendors/{world.ids['vendor_id']}/corrections"
    (asked,) = ok(await world.registry.post(path, {"nik": nik(next(NUMBERS))}, token=token), 201)["corrections"]
    world.ids["correction_id"] = asked["correction_id"]


async def _add_photo(world: World) -> None:
    token = world.registry.vendor(UUID(world.ids["vendor_id"]))
    path = f"/v1/products/{world.ids['product_id']}/photos"
    world.ids["photo_id"] = ok(await send(world.client, path, token, {}, png(40, 30)), 201)["photo_id"]


async def _refresh(world: World, door: Door) -> None:
    """Make anew what this door uses up."""
    if door.fresh == "photo_id":
        await _add_photo(world)
    elif door.fresh == "correction_id":
        await _ask_for_a_correction(world)
    else:
        world.ids[door.fresh] = str(await world.registry.register(next(NUMBERS)))


async def _trace(world: World) -> tuple[int, int]:
    """How often this vendor, or something of its own, was told of; and how long the audit log is."""
    told = await world.registry.value(
        "SELECT count(*) FROM outbox WHERE key = ANY($1)", [world.ids["vendor_id"], world.ids["issue_id"]]
    )
    return told, await world.registry.value("SELECT count(*) FROM audit_log")


def _wrong_sight(world: World, door: Door, caller: str, text: str) -> str | None:
    """What is wrong with what was shown, if anything is."""
    personal = PERSONAL.search(text)
    if personal and caller not in door.shows:
        return f"sees {personal[0]}"
    if caller in door.shows and not personal:
        return "sees nothing in full, so this door proves nothing"
    if caller not in OWN | (door.shows & BANKS) and not door.public:
        seen = [word for word in (NAME, "Zubaidah", STREET) if word in text]
        if caller in ELSEWHERE and caller in door.opens and world.ids["vendor_id"] in text:
            seen.append("the vendor's id")
        if seen:
            return f"sees {', '.join(seen)}"
    return None


def test_the_table_names_every_route_of_the_service(
    issuer: LocalIssuer, setenv: Callable[[dict[str, str]], None]
) -> None:
    setenv({"LAPAK_DATABASE": "postgresql://nowhere/vendor"})
    assert {door.route for door in DOORS} == doors.routes(create, ())


async def test_each_door_opens_to_those_it_is_for_and_shows_them_no_more_than_it_may(
    world: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    wrong = []
    answered: Counter[int] = Counter()
    opened = set()
    for door in sorted(DOORS, key=lambda door: door.method):  # what is read is read before it is changed
        for caller in sorted({*CALLERS, *door.opens & PROVINCE}, key=lambda caller: caller in door.opens):
            if door.fresh and (caller in door.opens or door.fresh not in world.ids):
                await _refresh(world, door)
            told, noted = await _trace(world)
            answer = await knock(world, door, caller)
            answered[answer.status_code] += 1
            if answer.is_success:
                opened.add(id(door))
            now_told, now_noted = await _trace(world)
            found = [wrong_status(door, caller, answer), _wrong_sight(world, door, caller, answer.text)]
            if caller not in door.opens and (now_told, now_noted) != (told, noted):
                found.append("changes something though refused")
            if caller in ELSEWHERE and now_told != told:
                found.append("changes a vendor of another area")
            if caller in door.shows & (REGISTRARS | BANKS) and now_noted == noted:
                found.append("sees somebody in full, and it is not noted")
            if "no-store" not in answer.headers.get("cache-control", "") and caller in door.shows & (REGISTRAR | BANKS):
                found.append("may keep personal data in a cache")
            wrong += [f"{door.route} {door.params}: {caller} {what} ({answer.status_code})" for what in found if what]
    wrong += [f"{door.route} {door.params}: nobody gets through" for door in DOORS if id(door) not in opened]
    assert not wrong, "\n".join(wrong)
    assert {200, 201, 202, 204, 401, 403, 404} <= answered.keys()
    await _nothing_personal_is_left_behind(world, capfd.readouterr().out + caplog.text)


async def _nothing_personal_is_left_behind(world: World, logged: str) -> None:
    """Neither in the answers kept to be replayed, nor in the audit log, nor in the log lines."""
    async with world.registry.database.read() as conn:
        kept = await conn.fetchval("SELECT string_agg(convert_from(body, 'UTF8'), ' ') FROM idempotency_key")
        noted = await conn.fetchval("SELECT string_agg(detail::text, ' ') FROM audit_log")
    assert "request.handled" in logged
    for place, text in {"answers": kept, "audit log": noted, "log lines": logged}.items():
        left = [*PERSONAL.findall(text), *(word for word in ("Zubaidah", STREET) if word in text)]
        assert not left, f"{place}: {left}"


async def test_a_planted_open_door_a_planted_leak_and_a_planted_silence_are_found(world: World) -> None:
    open_door = Door("GET /v1/areas", HERE)
    leak = Door(f"GET {V}", OWN)
    silence = Door(f"GET {V}/size", OWN | SERVICE, shows=ITSELF)
    answers = [await knock(world, door, "itself") for door in (open_door, leak, silence)]
    assert wrong_status(open_door, "itself", answers[0]) == "is let in"
    assert wrong_status(open_door, "nobody", answers[0]) == "need not say who calls"
    assert wrong_status(leak, "itself", httpx.Response(404)) == "is kept out"
    assert str(_wrong_sight(world, leak, "itself", answers[1].text)).startswith("sees ")
    assert "proves nothing" in str(_wrong_sight(world, silence, "itself", answers[2].text))
    assert _wrong_sight(world, leak, "officer elsewhere", f'"{NAME}"') is not None


async def test_who_moved_away_is_not_reached_through_a_registration_that_was_merged(world: World) -> None:
    registry, registrar = world.registry, world.token("registrar", "")
    person_id, retired = await registry.register(next(NUMBERS)), await registry.register(next(NUMBERS))
    ok(await registry.post(f"/v1/vendors/{person_id}/merge", {"retired": str(retired)}))
    ok(await registry.post(f"/v1/vendors/{person_id}/indicators", {"month": "2023-02", "turnover_rupiah": 1}), 201)
    moved = {"kelurahan": PENJARINGAN, "rw": "001", "rt": "001"}
    ok(await registry.post(f"/v1/vendors/{person_id}/corrections", moved), 201)
    nouns = ("", "/indicators", "/corrections", "/programme", "/consents", "/data?reason=to-decide")
    answers = {noun: await registry.get(f"/v1/vendors/{retired}{noun}", token=registrar) for noun in nouns}
    assert [noun for noun, answer in answers.items() if answer.is_success and str(person_id) in answer.text] == []
    erasure = await registry.post(f"/v1/vendors/{retired}/erasure", {"reason": "asked-by-person"}, token=registrar)
    assert erasure.status_code in REFUSALS
    assert (await registry.get(f"/v1/vendors/{person_id}", token=registry.officer("31.72"))).is_success
