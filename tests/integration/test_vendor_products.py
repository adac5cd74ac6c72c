"""Products over HTTP: the public catalogue, a vendor's own, photos, curation; erased and collected."""

import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.vendor.store.products import collect_products, erase_products
from tests.integration.vendor import KARANG_ANYAR, PENJARINGAN, Registry, at_once, ok
from tests.unit.test_vendor_pictures import png

ENTRY = {
    "name": "Keripik tempe",
    "description": "Renyah.\nTanpa pengawet.",
    "category": "food-drink",
    "price_min_rupiah": 15000,
    "price_max_rupiah": 25000,
    "unit": "bungkus",
    "capacity_per_month": 300,
}
SCORES = {"quality": 8, "packaging": 6, "labelling": 5, "price": 9, "capacity": 7}


async def draft(registry: Registry, vendor_id: UUID, *, token: str | None = None, **more: Any) -> UUID:
    answer = await registry.post(f"/v1/vendors/{vendor_id}/products", {**ENTRY, **more}, token=token)
    return UUID(ok(answer, 201)["product_id"])


async def listed(registry: Registry, vendor_id: UUID, *, token: str | None = None, **more: Any) -> UUID:
    product_id = await draft(registry, vendor_id, token=token, **more)
    ok(await registry.post(f"/v1/products/{product_id}/list", token=token))
    return product_id


async def catalogue(registry: Registry, **params: Any) -> list[UUID]:
    """What everyone sees, without a token."""
    answer = ok(await registry.client.get("/v1/products", params=params))
    return [UUID(item["product_id"]) for item in answer["items"]]


async def photo(
    registry: Registry, product_id: UUID, content: bytes, *, token: str | None = None, key: str | None = None
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token or registry.officer()}", "Idempotency-Key": key or str(uuid4())}
    files = {"file": ("foto.exe", content, "text/html")}
    return await registry.client.post(f"/v1/products/{product_id}/photos", files=files, headers=headers)


# ---- the catalogue


async def test_the_catalogue_shows_what_is_listed_and_nothing_of_the_person(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    product_id = await listed(registry, vendor_id, token=registry.vendor(vendor_id))
    await draft(registry, vendor_id)
    (item,) = ok(await registry.client.get("/v1/products"))["items"]
    assert item == {
        "product_id": str(product_id),
        "vendor_id": str(vendor_id),
        **ENTRY,
        "photos": [],
        "kelurahan": KARANG_ANYAR,
        "kelurahan_name": "Karang Anyar",
    }
    assert ok(await registry.client.get(f"/v1/products/{product_id}")) == item


async def test_the_catalogue_is_filtered_by_area_and_category_and_paged(registry: Registry) -> None:
    province = registry.officer("31")
    here = await registry.register(1, token=province)
    there = await registry.register(2, token=province, kelurahan=PENJARINGAN)
    one = await listed(registry, here, token=province)
    two = await listed(registry, there, token=province)
    three = await listed(registry, here, token=province, category="health")
    assert await catalogue(registry) == [one, two, three]
    assert await catalogue(registry, area="31.71") == [one, three]
    assert await catalogue(registry, area=PENJARINGAN) == [two]
    assert await catalogue(registry, area="31.71", category="food-drink") == [one]
    first = ok(await registry.client.get("/v1/products", params={"limit": 2}))
    assert await catalogue(registry, after=first["next"]) == [three]


async def test_what_a_suspended_vendor_listed_is_hidden_meanwhile(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    product_id = await listed(registry, vendor_id)
    other = await draft(registry, vendor_id)
    ok(await registry.post(f"/v1/vendors/{vendor_id}/suspend", {"reason": "no-show"}), 201)
    assert await catalogue(registry) == []
    assert (await registry.client.get(f"/v1/products/{product_id}")).status_code == 404
    assert ok(await registry.post(f"/v1/products/{other}/list"), 409)["code"] == "vendor-suspended"
    ok(await registry.post(f"/v1/vendors/{vendor_id}/reinstate"))
    assert await catalogue(registry) == [product_id]


# ---- a vendor's products


async def test_a_product_goes_through_its_states_and_others_hear_of_it(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    product_id = await draft(registry, vendor_id)
    path = f"/v1/products/{product_id}"
    assert ok(await registry.post(f"{path}/list"))["state"] == "listed"
    assert ok(await registry.post(f"{path}/list"))["state"] == "listed"
    ok(await registry.post(f"{path}/entry", {**ENTRY, "category": "health"}))
    assert ok(await registry.post(f"{path}/withdraw"))["state"] == "withdrawn"
    assert ok(await registry.post(f"{path}/withdraw"), 409)["code"] == "product-not-listed"
    assert await catalogue(registry) == []
    events = await registry.published("ProductListed", "ProductWithdrawn")
    told = {"vendor_id": str(vendor_id), "product_id": str(product_id)}
    assert [(event.type, event.sequence, event.body) for event in events] == [
        ("ProductListed", 2, {**told, "category": "food-drink"}),
        ("ProductListed", 3, {**told, "category": "health"}),
        ("ProductWithdrawn", 4, told),
    ]
    (item,) = ok(await registry.get(f"/v1/vendors/{vendor_id}/products"))["items"]
    assert (item["state"], item["category"]) == ("withdrawn", "health")


async def test_a_vendor_without_a_category_may_take_that_of_its_product(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path = f"/v1/vendors/{vendor_id}/products"
    assert ok(await registry.post(path, ENTRY), 201)["category_offered"] == "food-drink"
    assert ok(await registry.get(f"/v1/vendors/{vendor_id}"))["category"] is None
    assert ok(await registry.post(path, {**ENTRY, "adopt_category": True}), 201)["category_offered"] is None
    assert ok(await registry.get(f"/v1/vendors/{vendor_id}"))["category"] == "food-drink"
    ok(await registry.post(path, {**ENTRY, "category": "health", "adopt_category": True}), 201)
    assert ok(await registry.get(f"/v1/vendors/{vendor_id}"))["category"] == "food-drink"
    assert [event.body["category"] for event in await registry.published("VendorCategoryChosen")] == ["food-drink"]


async def test_a_product_belongs_to_its_vendor_and_to_the_officer_of_its_area(registry: Registry) -> None:
    one, other = await registry.register(1), await registry.register(2)
    product_id = await draft(registry, one)
    strangers = [registry.vendor(other), registry.officer("31.72")]
    for act, body in (("list", None), ("withdraw", None), ("entry", ENTRY)):
        for token in strangers:
            refused = await registry.post(f"/v1/products/{product_id}/{act}", body, token=token)
            assert ok(refused, 404)["code"] == "product-unknown"
    assert ok(await photo(registry, product_id, png(), token=strangers[0]), 404)["code"] == "product-unknown"
    assert (await registry.get(f"/v1/products/{product_id}/curations", token=strangers[0])).status_code == 404
    assert (await registry.get(f"/v1/vendors/{one}/products", token=strangers[0])).status_code == 403
    assert (await registry.get(f"/v1/vendors/{one}/products", token=strangers[1])).status_code == 404
    assert (await registry.post(f"/v1/vendors/{one}/products", ENTRY, token=strangers[0])).status_code == 403
    assert (await registry.post(f"/v1/vendors/{one}/products", ENTRY, token=strangers[1])).status_code == 404
    assert (await registry.post(f"/v1/products/{product_id}/list", token=registry.of("operator"))).status_code == 403
    assert (await registry.client.get(f"/v1/products/{product_id}")).status_code == 404
    assert (await registry.post(f"/v1/products/{uuid4()}/list")).status_code == 404
    assert ok(await registry.post(f"/v1/products/{product_id}/list", token=registry.vendor(one)))["state"] == "listed"


@pytest.mark.parametrize(
    "bad",
    [
        {"name": ""},
        {"name": "a\u0000b"},
        {"name": "x" * 201},
        {"description": "\u0007"},
        {"description": "x" * 2001},
        {"price_min_rupiah": -1},
        {"price_min_rupiah": 25001},
        {"price_max_rupiah": 10**12 + 1},
        {"price_max_rupiah": "25000"},
        {"capacity_per_month": 10**9 + 1},
        {"category": "mobil"},
        {"unit": "\n"},
        {"score": 100},
    ],
)
async def test_an_entry_that_cannot_be_kept_is_refused(registry: Registry, bad: dict[str, Any]) -> None:
    vendor_id = await registry.register(1)
    assert (await registry.post(f"/v1/vendors/{vendor_id}/products", {**ENTRY, **bad})).status_code == 422
    assert await registry.value("SELECT count(*) FROM product") == 0


async def test_half_a_character_is_refused(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    body = json.dumps({**ENTRY, "name": "\ud800", "description": "\udfff"})
    headers = {"Authorization": f"Bearer {registry.officer()}", "Idempotency-Key": str(uuid4())}
    headers["Content-Type"] = "application/json"
    path = f"/v1/vendors/{vendor_id}/products"
    assert (await registry.client.post(path, content=body.encode(), headers=headers)).status_code == 422


async def test_two_lists_at_once_are_told_once(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    product_id = await draft(registry, vendor_id)
    await registry.crowd()
    await at_once(*(registry.post(f"/v1/products/{product_id}/list") for _ in range(6)))
    assert [event.sequence for event in await registry.published("ProductListed")] == [2]


async def test_the_same_draft_sent_twice_is_one_product(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path, key = f"/v1/vendors/{vendor_id}/products", str(uuid4())
    one, two = [ok(await registry.post(path, ENTRY, key=key), 201) for _ in range(2)]
    assert one == two
    assert await registry.value("SELECT count(*) FROM product") == 1


async def test_a_person_keeps_the_products_of_a_registration_that_was_merged(registry: Registry) -> None:
    one, two = await registry.register(1), await registry.register(2)
    product_id = await listed(registry, two)
    ok(await registry.post(f"/v1/vendors/{one}/merge", {"retired": str(two), "fields": {}}))
    (item,) = ok(await registry.get(f"/v1/vendors/{one}/products", token=registry.vendor(one)))["items"]
    assert item["product_id"] == str(product_id)
    ok(await registry.post(f"/v1/products/{product_id}/withdraw", token=registry.vendor(one)))
    (event,) = await registry.published("ProductWithdrawn")
    assert event.key == str(two)
    ok(await registry.post(f"/v1/vendors/{one}/suspend", {"reason": "no-show"}), 201)
    assert ok(await registry.post(f"/v1/products/{product_id}/list"), 409)["code"] == "vendor-suspended"


# ---- photos


async def test_a_photo_of_a_listed_product_is_for_everyone(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    product_id = await draft(registry, vendor_id)
    photo_id = ok(await photo(registry, product_id, png(), token=registry.vendor(vendor_id)), 201)["photo_id"]
    path = f"/v1/products/{product_id}/photos/{photo_id}"
    assert (await registry.client.get(path)).status_code == 404
    ok(await registry.post(f"/v1/products/{product_id}/list"))
    shown = await registry.client.get(path)
    assert (shown.status_code, shown.headers["content-type"], shown.content[:4]) == (200, "image/png", b"\x89PNG")
    (item,) = ok(await registry.client.get("/v1/products"))["items"]
    assert item["photos"] == [path]
    removed = await registry.post(f"{path}/remove", token=registry.vendor(vendor_id))
    assert removed.status_code == 204
    assert (await registry.client.get(path)).status_code == 404
    assert ok(await registry.post(f"{path}/remove"), 404)["code"] == "photo-unknown"
    assert await registry.value("SELECT count(*) FROM stored_file WHERE kept") == 0


async def test_of_photos_at_once_five_are_taken(registry: Registry) -> None:
    product_id = await draft(registry, await registry.register(1))
    await registry.crowd()
    answers = await at_once(*(photo(registry, product_id, png()) for _ in range(7)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [409] * 2
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"photo-limit"}
    assert await registry.value("SELECT count(*) FROM stored_file WHERE kept") == 5


async def test_a_photo_is_a_picture(registry: Registry) -> None:
    product_id = await draft(registry, await registry.register(1))
    assert ok(await photo(registry, product_id, b"%PDF-1.7\n%%EOF\n"), 422)["code"] == "file-type"
    assert ok(await photo(registry, product_id, b""), 422)["code"] == "file-empty"


# ---- curation


async def test_a_curation_is_told_kept_and_explained(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    product_id = await listed(registry, vendor_id)
    path = f"/v1/products/{product_id}/curations"
    made = ok(await registry.post(path, {"criteria_version": 1, "scores": SCORES}), 201)
    assert (made["total"], made["criteria_version"]) == (70, 1)
    ok(await registry.post(path, {"criteria_version": 1, "scores": dict.fromkeys(SCORES, 10)}), 201)
    events = await registry.published("ProductCurated")
    assert [(event.sequence, event.body["score"], event.body["criteria_version"]) for event in events] == [
        (3, 70, 1),
        (4, 100, 1),
    ]
    latest, first = ok(await registry.get(path, token=registry.vendor(vendor_id)))["items"]
    assert (latest["total"], first["total"]) == (100, 70)
    assert sum(mark["points"] for mark in first["marks"]) == 70
    assert first["explanation"]["en"].index("Labelling (5 of 10)") < first["explanation"]["en"].index("Packaging (6")
    (item,) = ok(await registry.get(f"/v1/vendors/{vendor_id}/products"))["items"]
    assert item["score"] == 100


async def test_only_an_officer_of_the_area_curates(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path = f"/v1/products/{await listed(registry, vendor_id)}/curations"
    body = {"criteria_version": 1, "scores": SCORES}
    assert (await registry.post(path, body, token=registry.vendor(vendor_id))).status_code == 403
    assert (await registry.post(path, body, token=registry.officer("31.72"))).status_code == 404
    for bad in ({**SCORES, "quality": 11}, {**SCORES, "quality": -1}, {"quality": 1}, {**SCORES, "taste": 1}):
        assert (await registry.post(path, {"criteria_version": 1, "scores": bad})).status_code == 422


async def test_new_criteria_hold_from_then_on_and_old_scores_keep_theirs(registry: Registry) -> None:
    product_id = await listed(registry, await registry.register(1))
    path = f"/v1/products/{product_id}/curations"
    ok(await registry.post(path, {"criteria_version": 1, "scores": SCORES}), 201)
    advice = {"advice_id": "Perbaiki.", "advice_en": "Mend it."}
    criteria = [{"code": "story", "name_id": "Cerita", "name_en": "Story", "weight": 100, **advice}]
    body = {"version": 2, "criteria": criteria}
    province = registry.officer("31")
    for token in (registry.officer(), registry.of("service")):
        assert (await registry.post("/v1/curation-criteria", body, token=token)).status_code == 403
    heavy = {"version": 2, "criteria": [{**criteria[0], "weight": 99}]}
    assert ok(await registry.post("/v1/curation-criteria", heavy, token=province), 422)["code"] == "criteria-invalid"
    await registry.crowd()
    answers = await at_once(*(registry.post("/v1/curation-criteria", body, token=province) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    ahead = {**body, "version": 4}
    refused = await registry.post("/v1/curation-criteria", ahead, token=registry.of("operator"))
    assert ok(refused, 409)["code"] == "criteria-version-taken"
    assert ok(await registry.client.get("/v1/curation-criteria"))["version"] == 2
    old = await registry.post(path, {"criteria_version": 1, "scores": SCORES})
    assert ok(old, 409)["code"] == "criteria-outdated"
    assert ok(await registry.post(path, {"criteria_version": 2, "scores": {"story": 3}}), 201)["total"] == 30
    first = ok(await registry.get(path))["items"][1]
    assert (first["criteria_version"], first["total"], len(first["marks"])) == (1, 70, 5)


# ---- everything of a person


async def test_everything_is_collected_and_erased(registry: Registry) -> None:
    one, two = await registry.register(1), await registry.register(2)
    product_id = await listed(registry, one, name="Keripik Rahasia")
    await listed(registry, two)
    ok(await photo(registry, product_id, png()), 201)
    ok(await registry.post(f"/v1/products/{product_id}/curations", {"criteria_version": 1, "scores": SCORES}), 201)
    async with registry.database.transaction() as conn:
        (kept,) = (await collect_products(conn, [one]))["products"]
        assert (kept["name"], len(kept["photo_files"]), kept["curations"][0]["total"]) == ("Keripik Rahasia", 1, 70)
        assert await erase_products(conn, [one]) == {"products": 1, "product_photos": 1, "curations": 1}
        assert (await collect_products(conn, [one]))["products"] == []
        assert len((await collect_products(conn, [two]))["products"]) == 1
    assert "Keripik Rahasia" not in "".join((await registry.everything()).values())
    assert await registry.value("SELECT count(*) FROM stored_file WHERE kept") == 0
    assert await registry.value("SELECT count(*) FROM timer WHERE kind = 'remove-file'") == 1
