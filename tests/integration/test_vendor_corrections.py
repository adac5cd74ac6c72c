"""Corrections over HTTP, on a real database: at once, asked and decided, their history, races."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.integration.vendor import PENJARINGAN, Registry, at_once, nik, ok, person


def registrar(registry: Registry, area: str = "31.71") -> str:
    return registry.issuer.token(f"registrar-{area}", ["officer", "registrar"], area=area)


async def correct(registry: Registry, vendor_id: UUID, *, token: str | None = None, **fields: str) -> dict[str, Any]:
    """Ask for a correction, which must be taken; its states by field."""
    answer = ok(await registry.post(f"/v1/vendors/{vendor_id}/corrections", fields, token=token), 201)
    return {field: one["state"] for one in answer["corrections"] for field in one["fields"]}


async def history(registry: Registry, vendor_id: UUID, *, token: str | None = None, **params: str) -> list[Any]:
    path = f"/v1/vendors/{vendor_id}/corrections"
    return list(ok(await registry.get(path, token=token, **params))["items"])


async def stands(registry: Registry, vendor_id: UUID, column: str) -> Any:
    async with registry.database.read() as conn:
        row = await conn.fetchrow("SELECT * FROM vendor WHERE vendor_id = $1", vendor_id)
    assert row is not None
    return row[column]


async def test_a_vendor_changes_its_contact_at_once_and_a_new_card_tells_it(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    own = registry.vendor(vendor_id)
    assert await correct(registry, vendor_id, token=own, phone="0812 9999 0001", email="", kind="usaha") == {
        "phone": "done",
        "email": "done",
        "kind": "done",
    }
    cards = await registry.published("ContactCard")
    assert [(card.sequence, card.body["phone"], card.body["email"]) for card in cards][1:] == [
        (2, "+6281299990001", None)
    ]
    events = await registry.published("VendorKindChosen", "VendorMoved")
    assert [(event.type, event.sequence, event.body) for event in events] == [
        ("VendorKindChosen", 2, {"vendor_id": str(vendor_id), "kind": "usaha"})
    ]


async def test_what_the_ktp_says_waits_for_an_officer(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    own = registry.vendor(vendor_id)
    assert await correct(registry, vendor_id, token=own, name="Siti Baru", phone="081299990001") == {
        "name": "waiting",
        "phone": "done",
    }
    assert await stands(registry, vendor_id, "name") == "Orang Contoh 1"
    (waiting,) = ok(await registry.get("/v1/corrections"))["items"]
    assert waiting["changes"] == [{"field": "name", "before": "Orang Contoh 1", "after": "Siti Baru"}]
    path = f"/v1/vendors/{vendor_id}/corrections/{waiting['correction_id']}/approve"
    assert ok(await registry.post(path, {}))["state"] == "done"
    assert await stands(registry, vendor_id, "name") == "Siti Baru"
    assert [card.body["name"] for card in await registry.published("ContactCard")][-1] == "Siti Baru"
    assert ok(await registry.get("/v1/corrections"))["items"] == []
    assert ok(await registry.post(path, {}), 409)["code"] == "correction-decided"


async def test_a_refused_wish_changes_nothing_and_its_reason_is_told(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    own = registry.vendor(vendor_id)
    await correct(registry, vendor_id, token=own, name="Siti Baru")
    (waiting,) = await history(registry, vendor_id, token=own)
    path = f"/v1/vendors/{vendor_id}/corrections/{waiting['correction_id']}"
    assert (await registry.post(f"{path}/refuse", {})).status_code == 422
    assert ok(await registry.post(f"{path}/refuse", {"reason": "KTP belum dibawa"}))["state"] == "refused"
    (told,) = await history(registry, vendor_id, token=own)
    assert (told["state"], told["note"]) == ("refused", "KTP belum dibawa")
    assert told["decided_by"] is None  # who decided is shown to officers
    assert await stands(registry, vendor_id, "name") == "Orang Contoh 1"
    assert ok(await registry.post(f"{path}/approve", {}), 409)["code"] == "correction-decided"


async def test_a_newer_wish_takes_the_place_of_the_one_that_waits(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    own = registry.vendor(vendor_id)
    await correct(registry, vendor_id, token=own, name="Satu")
    await correct(registry, vendor_id, token=own, name="Dua")
    assert [item["state"] for item in await history(registry, vendor_id, token=own)] == ["replaced", "waiting"]
    (waiting,) = ok(await registry.get("/v1/corrections"))["items"]
    assert waiting["changes"][0]["after"] == "Dua"


async def test_an_officer_corrects_at_once_and_may_move_a_vendor_out_of_its_area_not_into_it(
    registry: Registry,
) -> None:
    vendor_id = await registry.register(1)
    await correct(registry, vendor_id, kelurahan=PENJARINGAN, rw="1", rt="2")
    (moved,) = await registry.published("VendorMoved")
    assert (moved.sequence, moved.body["kelurahan"], moved.body["rw"], moved.body["rt"]) == (
        2,
        PENJARINGAN,
        "001",
        "002",
    )
    back = {"kelurahan": "31.71.02.1002", "rw": "1", "rt": "2"}
    path = f"/v1/vendors/{vendor_id}/corrections"
    assert ok(await registry.post(path, back), 404)["code"] == "vendor-unknown"
    assert (await registry.post(path, back, token=registry.officer("31.72"))).status_code == 201


async def test_another_nik_is_found_by_its_index_and_the_old_one_is_free(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    await correct(registry, vendor_id, nik=nik(2))
    index, sealed = await stands(registry, vendor_id, "nik_index"), await stands(registry, vendor_id, "nik_sealed")
    assert index == registry.sealer.blind_index(nik(2))
    assert registry.sealer.open(sealed, vendor_id.bytes).decode() == nik(2)
    assert await registry.register(1) != vendor_id
    refused = ok(await registry.post(f"/v1/vendors/{vendor_id}/corrections", {"nik": nik(1)}), 409)
    assert refused["code"] == "already-registered"


async def test_a_nik_that_is_taken_is_named_to_who_may_know_and_nothing_changes(registry: Registry) -> None:
    province = registry.officer("31")
    vendor_id = await registry.register(1)
    other = await registry.register(2, token=province, kelurahan=PENJARINGAN)
    path = f"/v1/vendors/{vendor_id}/corrections"
    wish = {"nik": nik(2), "phone": "081299990001"}
    assert "details" not in ok(await registry.post(path, wish), 409)
    assert ok(await registry.post(path, wish, token=province), 409)["details"] == {"vendor_id": str(other)}
    assert await stands(registry, vendor_id, "phone") == "+6281200000001"
    assert await history(registry, vendor_id) == []


async def test_of_two_who_race_for_a_nik_one_has_it(registry: Registry) -> None:
    await registry.crowd()
    vendors = [await registry.register(number) for number in range(6)]
    answers = await at_once(
        *(registry.post(f"/v1/vendors/{vendor_id}/corrections", {"nik": nik(99)}) for vendor_id in vendors)
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5


async def test_a_correction_and_a_registration_that_race_for_a_nik_one_has_it(registry: Registry) -> None:
    await registry.crowd()
    vendor_id = await registry.register(1)
    for number in range(50, 56):
        answers = await at_once(
            registry.post(f"/v1/vendors/{vendor_id}/corrections", {"nik": nik(number)}),
            registry.post("/v1/vendors", person(number)),
        )
        assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_two_officers_who_decide_at_once_one_wins(registry: Registry) -> None:
    await registry.crowd()
    vendor_id = await registry.register(1)
    await correct(registry, vendor_id, token=registry.vendor(vendor_id), name="Siti Baru")
    (waiting,) = await history(registry, vendor_id)
    path = f"/v1/vendors/{vendor_id}/corrections/{waiting['correction_id']}"
    answers = await at_once(
        *(registry.post(f"{path}/approve", {}) for _ in range(3)),
        *(registry.post(f"{path}/refuse", {"reason": "tidak cocok"}) for _ in range(3)),
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    won = next(answer.json()["state"] for answer in answers if answer.status_code == 200)
    assert (await history(registry, vendor_id))[0]["state"] == won
    assert (await stands(registry, vendor_id, "name") == "Siti Baru") == (won == "done")


async def test_the_history_is_sealed_and_shown_to_the_entitled_only(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    await correct(registry, vendor_id, nik=nik(2), phone="081299990001")
    full = {
        "nik": {"field": "nik", "before": nik(1), "after": nik(2)},
        "phone": {"field": "phone", "before": "+6281200000001", "after": "+6281299990001"},
    }
    masked = {
        "nik": {"field": "nik", "before": "317102********02", "after": "317102********03"},
        "phone": {"field": "phone", "before": "+62812*****001", "after": "+62812*****001"},
    }
    for token, params, shown in (
        (registry.vendor(vendor_id), {}, full),
        (registrar(registry), {"reason": "complaint"}, full),
        (registrar(registry), {}, masked),
        (registry.officer(), {}, masked),
    ):
        (item,) = await history(registry, vendor_id, token=token, **params)
        assert {change["field"]: change for change in item["changes"]} == shown
    path = f"/v1/vendors/{vendor_id}/corrections"
    assert ok(await registry.get(path, reason="complaint"), 403)["code"] == "role-missing"
    assert (await registry.get(path, token=registry.vendor(uuid4()))).status_code == 403
    assert (await registry.get(path, token=registry.officer("31.72"))).status_code == 404
    looked = await registry.value("SELECT count(*) FROM audit_log WHERE act = 'corrections-seen'")
    assert looked == 1, "only the look in full is noted"
    kept = {label: text for label, text in (await registry.everything()).items() if label not in ("vendor",)}
    assert not [label for label, text in kept.items() if nik(2) in text]
    assert "81299990001" not in kept["correction"]


async def test_a_correction_without_a_change_is_refused(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path = f"/v1/vendors/{vendor_id}/corrections"
    assert (
        ok(await registry.post(path, {"phone": "0812 0000 0001", "nik": nik(1)}), 409)["code"] == "nothing-to-correct"
    )
    assert ok(await registry.post(path, {}), 409)["code"] == "nothing-to-correct"


@pytest.mark.parametrize(
    "wish",
    [
        {"name": "a\x00b"},
        {"note": "a\x00b", "name": "Siti"},
        {"nik": "\x00"},
        {"kind": "\x00"},
        {"kelurahan": "\ud800"},
        {"name": "x" * 1001},
        {"unknown": "x"},
        {"name": 7},
    ],
)
async def test_what_cannot_be_kept_is_refused_field_by_field(registry: Registry, wish: dict[str, Any]) -> None:
    vendor_id = await registry.register(1)
    headers = {
        "Authorization": f"Bearer {registry.officer()}",
        "Idempotency-Key": str(uuid4()),
        "Content-Type": "application/json",
    }
    path = f"/v1/vendors/{vendor_id}/corrections"
    answer = await registry.client.post(path, content=json.dumps(wish), headers=headers)
    assert answer.status_code == 422, answer.text


async def test_a_correction_is_repeated_by_its_key_and_holds_nothing_personal(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path, wish = f"/v1/vendors/{vendor_id}/corrections", {"name": "Siti Rahasia", "phone": "081299990001"}
    first = await registry.post(path, wish, key="k")
    again = await registry.post(path, wish, key="k")
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert "Rahasia" not in first.text
    assert await registry.value("SELECT count(*) FROM correction") == 1


@pytest.mark.parametrize("role", ["service", "operator"])
async def test_corrections_are_for_the_vendor_and_officers(registry: Registry, role: str) -> None:
    vendor_id = await registry.register(1)
    path = f"/v1/vendors/{vendor_id}/corrections"
    assert (await registry.post(path, {"name": "X"}, token=registry.of(role))).status_code == 403
    assert (await registry.get(path, token=registry.of(role))).status_code == 403
    assert (await registry.get("/v1/corrections", token=registry.of(role))).status_code == 403
    decide = f"{path}/{uuid4()}"
    own = registry.vendor(vendor_id)
    assert (await registry.post(f"{decide}/approve", {}, token=own)).status_code == 403
    assert ok(await registry.post(f"{decide}/approve", {}), 404)["code"] == "correction-unknown"
