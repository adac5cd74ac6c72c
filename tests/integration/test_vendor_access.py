"""Who may read what: every route of reading, by role and area; data in full only to registrars, and never unnoticed."""

import csv
import io
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.vendor.api import exports
from services.vendor.store.audit import Head, verify_chain
from tests.integration.vendor import (
    KARANG_ANYAR,
    PENJARINGAN,
    Registry,
    at_once,
    nik,
    ok,
    person,
)

REASON = {"reason": "identity-check", "reference": "ADUAN/117/2023"}


def registrar(registry: Registry, area: str = "31.71") -> str:
    return registry.issuer.token(f"registrar-{area}", ["officer", "registrar"], area=area)


async def send(registry: Registry, token: str | None, method: str, path: str, body: object = None) -> httpx.Response:
    """A request with nothing but a token."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return await registry.client.request(method, path, json=body, headers=headers)


async def noted(registry: Registry) -> list[tuple[str, str, UUID | None, dict[str, Any]]]:
    """The audit log, whose chain must hold."""
    async with registry.database.read() as conn:
        rows = await conn.fetch("SELECT actor, act, vendor_id, detail FROM audit_log ORDER BY seq")
        steps = [step async for step in verify_chain(conn)]
    assert isinstance(steps[-1], Head)
    return [tuple(row.values()) for row in rows]


# ---- role x area x route


async def test_every_route_of_reading_answers_each_role_and_area_as_it_should(registry: Registry) -> None:
    here = await registry.register(1, token=registry.officer("31"))
    own, another = registry.vendor(here), registry.vendor(uuid4())
    callers = {
        "nobody": None,
        "kelurahan": registry.officer(KARANG_ANYAR),
        "kecamatan": registry.officer("31.71.02"),
        "city": registry.officer("31.71"),
        "province": registry.officer("31"),
        "elsewhere": registry.officer("31.72"),
        "no area": registry.issuer.token("officer", ["officer"]),
        "registrar": registrar(registry),
        "registrar elsewhere": registrar(registry, "31.72"),
        "registrar alone": registry.of("registrar", "31"),
        "itself": own,
        "another vendor": another,
        "newcomer": registry.newcomer(),
        "service": registry.of("service"),
        "operator": registry.of("operator"),
    }
    officers = {"kelurahan", "kecamatan", "city", "province", "elsewhere", "registrar", "registrar elsewhere"}
    of_the_area = officers - {"elsewhere", "registrar elsewhere"}
    one = f"/v1/vendors/{here}"

    def by(allowed: set[str], refused: dict[str, int], rest: int = 403) -> dict[str, int]:
        """Status by caller."""
        statuses = {name: 200 if name in allowed else refused.get(name, rest) for name in callers}
        return {**statuses, "nobody": refused.get("nobody", 401)}

    unknown = {"elsewhere": 404, "registrar elsewhere": 404}
    wider = {"kelurahan": 403, "elsewhere": 403, "registrar elsewhere": 403}
    routes: list[tuple[str, str, object, dict[str, int]]] = [
        ("GET", "/v1/vendors", None, by(officers, {})),
        ("GET", "/v1/vendors?area=31.71.02", None, by(of_the_area - {"kelurahan"}, wider)),
        ("POST", "/v1/vendors/search", {}, by(officers, {})),
        ("POST", "/v1/vendors/search", {"area": "31.71.02"}, by(of_the_area - {"kelurahan"}, wider)),
        ("GET", "/v1/vendors/export.csv", None, by(officers, {})),
        ("POST", "/v1/vendors/export.csv", {}, by(officers, {})),
        ("POST", "/v1/vendors/export.csv", {"reveal": REASON}, by({"registrar", "registrar elsewhere"}, {})),
        ("GET", one, None, by(of_the_area | {"itself"}, unknown)),
        ("POST", f"{one}/reveal", REASON, by({"registrar"}, {"registrar elsewhere": 404})),
        ("GET", f"/v1/vendors/{uuid4()}", None, by(set(), dict.fromkeys(officers, 404))),
        ("GET", "/v1/audit", None, by({"operator"}, {})),
        ("GET", "/v1/areas", None, by(set(callers), {"nobody": 200})),
        ("GET", "/v1/areas/31.71", None, by(set(callers), {"nobody": 200})),
        ("GET", "/v1/sources", None, by({"operator"}, {})),
    ]
    wrong = []
    for method, path, body, expected in routes:
        for name, token in callers.items():
            answer = await send(registry, token, method, path, body)
            if answer.status_code != expected[name]:
                wrong.append(f"{method} {path} {body} as {name}: {answer.status_code}, not {expected[name]}")
    assert not wrong, "\n".join(wrong)


async def test_who_registers_whom(registry: Registry) -> None:
    tokens = {
        registry.newcomer(): 201,
        registry.vendor(uuid4()): 403,
        registry.officer("31.71.02"): 201,
        registry.officer("31.72"): 403,
        registrar(registry): 201,
        registry.of("service"): 201,
        registry.of("service", "31.71"): 201,
        registry.of("service", "31.72"): 403,
        registry.of("operator"): 403,
        registry.of("registrar", "31"): 403,
        registry.issuer.token("officer", ["officer"]): 403,
    }
    for number, (token, status) in enumerate(tokens.items()):
        answer = await registry.post("/v1/vendors", person(number), token=token)
        assert answer.status_code == status, (number, answer.text)
    assert await registry.vendors() == list(tokens.values()).count(201)


# ---- one vendor


async def test_the_state_and_the_family_of_a_vendor_are_shown(registry: Registry) -> None:
    one, two, three = [await registry.register(number) for number in range(3)]
    async with registry.database.transaction() as conn:
        await conn.execute("UPDATE vendor SET merged_into = $1 WHERE vendor_id = ANY($2)", one, [two, three])
        await conn.execute("UPDATE vendor SET suspended_because = 'no-show' WHERE vendor_id = $1", one)
    shown = ok(await registry.get(f"/v1/vendors/{one}"))
    assert (shown["state"], shown["merged_into"]) == ("suspended", None)
    assert shown["family"] == [str(one), str(two), str(three)]
    shown = ok(await registry.get(f"/v1/vendors/{two}"))
    assert (shown["state"], shown["merged_into"]) == ("merged", str(one))
    assert shown["family"] == [str(one), str(two), str(three)]
    assert ok(await registry.get(f"/v1/vendors/{two}", token=registry.vendor(two)))["merged_into"] == str(one)


async def test_a_day_of_birth_is_masked_to_officers_and_shown_to_the_vendor(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    assert ok(await registry.get(f"/v1/vendors/{vendor_id}"))["born_on"] == "1990-**-**"
    own = ok(await registry.get(f"/v1/vendors/{vendor_id}", token=registry.vendor(vendor_id)))
    assert own["born_on"].startswith("1990-07-")


# ---- in full


async def test_a_registrar_sees_a_vendor_in_full_and_it_is_noted(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    answer = await send(registry, registrar(registry), "POST", f"/v1/vendors/{vendor_id}/reveal", REASON)
    shown = ok(answer)
    assert (shown["nik"], shown["phone"], shown["email"]) == (nik(1), "+6281200000001", "orang1@contoh.id")
    assert shown["born_on"].startswith("1990-07-")
    assert answer.headers["cache-control"] == "no-store"
    detail = {"reason": "identity-check", "reference": "ADUAN/117/2023"}
    assert await noted(registry) == [("registrar-31.71", "vendor-revealed", vendor_id, detail)]


async def test_each_look_is_noted_also_when_the_same_request_is_repeated(registry: Registry) -> None:
    await registry.crowd()
    vendor_id = await registry.register(1)
    token, path = registrar(registry), f"/v1/vendors/{vendor_id}/reveal"
    answers = await at_once(*(registry.post(path, {"reason": "complaint"}, token=token, key="same") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await noted(registry)) == 8
    kept = (await registry.everything())["idempotency_key"]
    assert "same" not in kept, "the answer is kept nowhere"
    assert nik(1) not in str({name: text for name, text in (await registry.everything()).items() if name != "vendor"})


async def test_a_look_that_cannot_be_noted_shows_nothing(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    async with registry.database.transaction() as conn:
        await conn.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN RAISE EXCEPTION 'full' USING ERRCODE = 'disk_full'; END$$"
        )
        await conn.execute("CREATE TRIGGER full_disk BEFORE INSERT ON audit_log EXECUTE FUNCTION full_disk()")
    answer = await send(registry, registrar(registry), "POST", f"/v1/vendors/{vendor_id}/reveal", REASON)
    assert answer.status_code == 503
    assert nik(1) not in answer.text


async def test_what_is_refused_is_not_noted(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path = f"/v1/vendors/{vendor_id}/reveal"
    bodies: list[object] = [
        {},
        {"reason": "curious"},
        {**REASON, "text": "Siti asked"},
        {**REASON, "reference": "Siti Aminah"},
        {**REASON, "reference": "SitiAminah"},
        {**REASON, "reference": nik(1)},
        {**REASON, "reference": "0812-3456-7890"},
        {**REASON, "reference": "A" * 40 + "1"},
        {**REASON, "reference": ""},
        {**REASON, "reference": "1\x00"},
    ]
    for body in bodies:
        assert (await send(registry, registrar(registry), "POST", path, body)).status_code == 422, body
    answer = await send(registry, registry.officer(), "POST", path, REASON)
    assert ok(answer, 403)["code"] == "role-missing"
    assert ok(answer, 403)["details"]["roles"] == ["registrar"]
    assert await noted(registry) == []
    for reference in ("117/2023", "S-1", "123456789"):
        body = {**REASON, "reference": reference}
        assert (await send(registry, registrar(registry), "POST", path, body)).status_code == 200


async def test_the_erased_are_revealed_to_nobody(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    async with registry.database.transaction() as conn:
        await conn.execute(
            "UPDATE vendor SET erased_at = now(), nik_index = NULL, nik_sealed = NULL, born_on = NULL, "
            "name = '', phone = '', email = NULL, street = ''"
        )
    answer = await send(registry, registrar(registry), "POST", f"/v1/vendors/{vendor_id}/reveal", REASON)
    assert ok(answer, 404)["code"] == "vendor-unknown"
    assert await noted(registry) == []


# ---- files


def table(answer: httpx.Response) -> list[dict[str, str]]:
    """The rows of a file that must have come whole."""
    assert answer.status_code == 200, answer.text
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))
    assert answer.headers[exports.ROWS_HEADER] == str(len(rows))
    return rows


async def test_a_file_holds_the_officers_vendors_masked(registry: Registry) -> None:
    token = registry.officer("31")
    here = await registry.register(1, token=token, category="health")
    await registry.register(2, token=token, kelurahan=PENJARINGAN)
    answer = await send(registry, registry.officer(), "GET", "/v1/vendors/export.csv")
    (row,) = table(answer)
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    assert row == {
        "nik": "'317102********02",
        "name": "Orang Contoh 1",
        "phone": "'+62812*****001",
        "kode_kelurahan": KARANG_ANYAR,
        "rw": "003",
        "rt": "007",
        "street": "Jalan Contoh 1",
        "email": "o***@contoh.id",
        "kind": "pemula",
        "category": "health",
        "agency": "",
        "language": "id",
        "nama_kelurahan": "Karang Anyar",
        "born_on": "1990-**-**",
        "registered_on": "2023-03-01",
        "origin": "officer",
        "state": "active",
        "vendor_id": str(here),
        "merged_into": "",
    }
    assert await noted(registry) == []
    assert len(table(await send(registry, token, "GET", "/v1/vendors/export.csv"))) == 2
    assert table(await send(registry, token, "GET", "/v1/vendors/export.csv?category=fashion-craft")) == []


async def test_a_file_in_full_is_noted_with_its_count_and_names_nobody_in_the_log(registry: Registry) -> None:
    for number in range(3):
        await registry.register(number, name=f"Siti {number}")
    await registry.register(3, name="Budi")
    body = {"name": "siti", "phone": None, "state": "active", "reveal": {"reason": "legal-order"}}
    rows = table(await send(registry, registrar(registry), "POST", "/v1/vendors/export.csv", body))
    assert [row["nik"] for row in rows] == [f"'{nik(number)}" for number in range(3)]
    assert rows[1]["phone"] == "'+6281200000001"
    assert rows[1]["email"] == "orang1@contoh.id"
    filters = {"area": "31.71", "state": "active", "words": True}
    detail = {"reason": "legal-order", "rows": 3, "filters": filters}
    assert await noted(registry) == [("registrar-31.71", "vendors-exported", None, detail)]


async def test_a_file_of_several_pages_holds_everybody_once(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "ROWS_PER_PAGE", 2)
    for count in range(5):
        rows = table(await send(registry, registry.officer(), "GET", "/v1/vendors/export.csv"))
        assert [row["name"] for row in rows] == [f"Orang Contoh {number}" for number in range(count)]
        await registry.register(count)


KEPT = """
SELECT array_agg(
    concat_ws('|', name, phone, email, street, kelurahan, rw, rt, kind, category, agency, language, born_on)
    ORDER BY phone
) FROM vendor
"""


async def test_a_file_in_full_can_be_imported_again(registry: Registry) -> None:
    for number in range(3):
        await registry.register(number, category="health", name=f'Nama; "{number}"')
    file = (await send(registry, registrar(registry), "POST", "/v1/vendors/export.csv", {"reveal": REASON})).content
    assert ok(await registry.send_sheet(file))["already"] == 3
    before = await registry.value(KEPT)
    async with registry.database.transaction() as conn:
        await conn.execute("DELETE FROM vendor")
    report = ok(await registry.send_sheet(file))
    assert (report["registered"], report["rejected"]) == (3, [])
    assert await registry.value(KEPT) == before


async def test_no_cell_of_a_file_is_a_formula(registry: Registry) -> None:
    names = ['=HYPERLINK("http://x","y")a', "+1a", "-1a", "@SUM(a)", "＝a"]
    for number, name in enumerate(names):
        await registry.register(number, name=name, street=name)
    answer = await send(registry, registrar(registry), "POST", "/v1/vendors/export.csv", {"reveal": REASON})
    rows = table(answer)
    assert [row["name"] for row in rows] == [f"'{name}" for name in names]
    for row in rows:
        for cell in row.values():
            assert not cell.startswith(("=", "+", "-", "@", "＝", "\t"))


# ---- areas


async def test_areas_are_for_everybody(registry: Registry) -> None:
    found = ok(await registry.client.get("/v1/areas", params={"q": "Kamal"}))
    assert [(item["code"], item["match"], item["warning"]["other"]) for item in found["items"]] == [
        ("31.73.06.1004", "name", "31.72.01.1002"),
        ("31.72.01.1002", "beginning", "31.73.06.1004"),
    ]
    assert found["items"][0]["warning"]["code"] == "area-name-trap"
    assert found["items"][0]["within"] == [
        {"code": "31", "name": "DKI Jakarta"},
        {"code": "31.73", "name": "Kota Administrasi Jakarta Barat"},
        {"code": "31.73.06", "name": "Kalideres"},
    ]
    one = ok(await registry.client.get("/v1/areas/31.71.02"))
    assert (one["name"], one["level"], one["inside"], one["warning"]) == ("Sawah Besar", "kecamatan", 5, None)
    for code in ("32", "31.79", "31.71.02.9999", "00.00.00.0000"):
        assert ok(await registry.client.get(f"/v1/areas/{code}"), 404)["code"] == "area-unknown"
    for path in ("/v1/areas/x", "/v1/areas?q=", "/v1/areas?level=rw", "/v1/areas?within=3", "/v1/areas?after=x"):
        assert (await registry.client.get(path)).status_code == 422, path
    assert (await registry.client.get("/v1/areas?within=99")).status_code == 404


async def test_pages_of_areas_hold_each_once(registry: Registry) -> None:
    counts = {"city": 6, "kecamatan": 44, "kelurahan": 267}
    for level, count in counts.items():
        seen: list[str] = []
        after: str | None = None
        while True:
            params: dict[str, Any] = {"level": level, "limit": 100, **({"after": after} if after else {})}
            answer = ok(await registry.client.get("/v1/areas", params=params))
            seen += [item["code"] for item in answer["items"]]
            after = answer["next"]
            if after is None:
                break
        assert (len(seen), len(set(seen)), seen) == (count, count, sorted(seen))
    inside = ok(await registry.client.get("/v1/areas", params={"within": "31.71"}))["items"]
    assert [item["level"] for item in inside] == ["kecamatan"] * 8
    assert ok(await registry.client.get("/v1/areas", params={"within": KARANG_ANYAR}))["items"] == []
