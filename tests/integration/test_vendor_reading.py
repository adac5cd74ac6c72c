"""What the registry shows, changes and compares: lists, one vendor, category and agency, digests."""

import hashlib
from uuid import UUID, uuid4

import pytest

from tests.integration.vendor import (
    KARANG_ANYAR,
    PENJARINGAN,
    Registry,
    at_once,
    ok,
)


async def ids(registry: Registry, *, token: str | None = None, **params: str) -> list[UUID]:
    return [UUID(item["vendor_id"]) for item in ok(await registry.get("/v1/vendors", token=token, **params))["items"]]


# ---- lists


async def test_a_list_is_of_the_officers_area_and_masks_what_is_personal(registry: Registry) -> None:
    province = registry.officer("31")
    here = await registry.register(1, token=province)
    await registry.register(2, token=province, kelurahan=PENJARINGAN)
    (item,) = ok(await registry.get("/v1/vendors"))["items"]
    assert item == {
        "vendor_id": str(here),
        "nik": "317102********02",
        "name": "Orang Contoh 1",
        "phone": "+62812*****001",
        "email": "o***@contoh.id",
        "born_on": "1990-**-**",
        "street": "Jalan Contoh 1",
        "kelurahan": KARANG_ANYAR,
        "kelurahan_name": "Karang Anyar",
        "rw": "003",
        "rt": "007",
        "kind": "pemula",
        "category": None,
        "agency": None,
        "language": "id",
        "origin": "officer",
        "registered_on": "2023-03-01",
        "state": "active",
        "merged_into": None,
    }


async def test_filters_combine(registry: Registry) -> None:
    token = registry.officer("31")
    one = await registry.register(1, token=token, category="health", agency="kpkp", kind="usaha")
    two = await registry.register(2, token=token, category="health", agency="sosial")
    three = await registry.register(3, token=token, category="health", agency="kpkp", kelurahan=PENJARINGAN)
    assert await ids(registry, token=token) == [one, two, three]
    assert await ids(registry, token=token, category="health", agency="kpkp") == [one, three]
    assert await ids(registry, token=token, area="31.72") == [three]
    assert await ids(registry, token=token, area=KARANG_ANYAR) == [one, two]
    assert await ids(registry, token=token, area="31.71", agency="kpkp", kind="usaha") == [one]
    assert await ids(registry, token=token, kind="usaha", agency="sosial") == []
    assert await ids(registry, token=token, category="fashion-craft") == []


async def test_an_area_is_not_a_prefix_of_text(registry: Registry) -> None:
    token = registry.officer("31")
    await registry.register(1, token=token, kelurahan="31.71.01.1001")
    await registry.register(2, token=token, kelurahan="31.71.02.1001")
    assert len(await ids(registry, token=token, area="31.71.01")) == 1
    assert len(await ids(registry, token=registry.officer("31.71.01"))) == 1


async def test_a_list_of_another_area_is_refused(registry: Registry) -> None:
    assert (await registry.get("/v1/vendors", area="31.72")).status_code == 403
    assert (await registry.get("/v1/vendors", area="31")).status_code == 403
    assert (await registry.get("/v1/vendors", area="31.71.02")).status_code == 200


@pytest.mark.parametrize("role", ["vendor", "service", "operator"])
async def test_a_list_is_for_officers(registry: Registry, role: str) -> None:
    assert (await registry.get("/v1/vendors", token=registry.of(role))).status_code == 403


async def test_pages_hold_every_vendor_once_in_the_order_of_registration(registry: Registry) -> None:
    vendors = [await registry.register(number) for number in range(7)]
    found: list[UUID] = []
    sizes = []
    after: str | None = None
    while True:
        answer = ok(await registry.get("/v1/vendors", limit=3, **({"after": after} if after else {})))
        found += [UUID(item["vendor_id"]) for item in answer["items"]]
        sizes.append(len(answer["items"]))
        after = answer["next"]
        if after is None:
            break
    assert (found, sizes) == (vendors, [3, 3, 1])


async def test_a_cursor_of_another_list_is_refused(registry: Registry) -> None:
    assert ok(await registry.get("/v1/vendors", after="bm90LWEtY3Vyc29y"), 422)["code"] == "cursor-invalid"


# ---- one vendor


async def test_a_vendor_sees_itself_in_full_but_for_its_nik(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    shown = ok(await registry.get(f"/v1/vendors/{vendor_id}", token=registry.vendor(vendor_id)))
    assert (shown["nik"], shown["phone"], shown["email"]) == (
        "317102********02",
        "+6281200000001",
        "orang1@contoh.id",
    )


async def test_a_vendor_is_masked_to_its_officer_and_hidden_from_others(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path = f"/v1/vendors/{vendor_id}"
    assert ok(await registry.get(path))["phone"] == "+62812*****001"
    assert ok(await registry.get(path, token=registry.officer("31.72")), 404)["code"] == "vendor-unknown"
    assert (await registry.get(path, token=registry.vendor(uuid4()))).status_code == 403
    assert (await registry.get(path, token=registry.of("service"))).status_code == 403
    assert (await registry.get(f"/v1/vendors/{uuid4()}")).status_code == 404
    assert (await registry.client.get(path)).status_code == 401


# ---- category and agency


async def test_category_and_agency_become_known_later(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path = f"/v1/vendors/{vendor_id}"
    assert ok(await registry.post(f"{path}/category", {"category": "Health"}))["category"] == "health"
    assert ok(await registry.post(f"{path}/agency", {"agency": "kpkp"}))["agency"] == "kpkp"
    assert ok(await registry.post(f"{path}/agency", {"agency": "kpkp"}))["agency"] == "kpkp"
    assert ok(await registry.post(f"{path}/agency", {"agency": "sosial"}))["agency"] == "sosial"
    events = await registry.published("VendorRegistered", "VendorCategoryChosen", "VendorCoached")
    assert [(event.type, event.sequence) for event in events] == [
        ("VendorRegistered", 1),
        ("VendorCategoryChosen", 2),
        ("VendorCoached", 3),
        ("VendorCoached", 4),
    ]
    assert events[3].body == {"vendor_id": str(vendor_id), "agency": "sosial", "previous_agency": "kpkp"}
    shown = ok(await registry.get(path))
    assert (shown["category"], shown["agency"]) == ("health", "sosial")


async def test_the_contact_card_counts_for_itself(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    await registry.post(f"/v1/vendors/{vendor_id}/category", {"category": "health"})
    assert await registry.value("SELECT version FROM vendor") == 2
    assert await registry.value("SELECT card_version FROM vendor") == 1
    assert [event.sequence for event in await registry.published("ContactCard")] == [1]


async def test_changes_at_once_follow_each_other_without_a_gap(registry: Registry) -> None:
    await registry.crowd()
    vendor_id = await registry.register(1)
    agencies = ("ppkukm", "ppapp", "kpkp", "sosial", "parekraf", "nakertransgi") * 3
    answers = await at_once(
        *(registry.post(f"/v1/vendors/{vendor_id}/agency", {"agency": agency}) for agency in agencies)
    )
    assert {answer.status_code for answer in answers} == {200}
    events = await registry.published("VendorCoached")
    assert [event.sequence for event in events] == list(range(2, len(events) + 2))
    assert await registry.value("SELECT version FROM vendor") == len(events) + 1
    before = None
    for event in events:
        assert event.body["previous_agency"] == before != event.body["agency"]
        before = event.body["agency"]


@pytest.mark.parametrize(("path", "body"), [("category", {"category": "mobil"}), ("agency", {"agency": "dishub"})])
async def test_an_unknown_code_is_refused_listing_those_known(
    registry: Registry, path: str, body: dict[str, str]
) -> None:
    vendor_id = await registry.register(1)
    answer = ok(await registry.post(f"/v1/vendors/{vendor_id}/{path}", body), 422)
    assert answer["code"] == "code-unknown"
    assert len(answer["details"]["known"]) == {"category": 4, "agency": 6}[path]
    assert await registry.value("SELECT version FROM vendor") == 1


async def test_only_the_officer_of_the_area_changes_a_vendor(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path = f"/v1/vendors/{vendor_id}/category"
    body = {"category": "health"}
    assert (await registry.post(path, body, token=registry.officer("31.72"))).status_code == 404
    assert (await registry.post(path, body, token=registry.vendor(vendor_id))).status_code == 403
    assert (await registry.post(f"/v1/vendors/{uuid4()}/category", body)).status_code == 404
    assert await registry.value("SELECT version FROM vendor") == 1


# ---- digests


async def test_digests_are_over_sorted_lines_of_what_others_copy(registry: Registry) -> None:
    one = await registry.register(1, category="health", agency="kpkp")
    two = await registry.register(2, email="", name="\u00c9ti")
    vendors = f"{one}|{KARANG_ANYAR}|003|health|kpkp\n{two}|{KARANG_ANYAR}|003||\n"
    contacts = f"{one}|Orang Contoh 1|+6281200000001|orang1@contoh.id|id\n{two}|\u00c9ti|+6281200000002||id\n"
    assert ok(await registry.get("/v1/sources", token=registry.of("operator"))) == {
        "vendors": {"count": 2, "sha256": hashlib.sha256(vendors.encode()).hexdigest()},
        "contacts": {"count": 2, "sha256": hashlib.sha256(contacts.encode()).hexdigest()},
        "indicators": {"count": 0, "sha256": hashlib.sha256(b"").hexdigest()},
    }


async def test_digests_of_nothing_are_those_of_nothing(registry: Registry) -> None:
    empty = {"count": 0, "sha256": hashlib.sha256(b"").hexdigest()}
    answer = ok(await registry.get("/v1/sources", token=registry.of("operator")))
    assert answer == {"vendors": empty, "contacts": empty, "indicators": empty}
    assert (await registry.get("/v1/sources")).status_code == 403
