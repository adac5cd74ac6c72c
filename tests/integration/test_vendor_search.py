"""Searching the registry: what each filter finds, alone and with others, and by which plans it is found."""

from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from pydantic_core import from_json

from services.vendor import areas
from services.vendor.domain.searching import beginnings, candidates, misspellings
from services.vendor.store import coaching, products
from services.vendor.store import vendors as store
from services.vendor.store.vendors import Place, VendorFilter
from shared.db import Connection
from tests.conftest import MakeDatabase, StandingClock
from tests.integration.vendor import KARANG_ANYAR, PENJARINGAN, Registry, nik, ok


async def asked(registry: Registry, *, token: str | None = None, **body: Any) -> Any:
    """The answer to a search, made as anyone reads: without an Idempotency-Key."""
    headers = {"Authorization": f"Bearer {token or registry.officer()}"}
    return await registry.client.post("/v1/vendors/search", json=body, headers=headers)


async def found(registry: Registry, *, token: str | None = None, **body: Any) -> list[UUID]:
    return [UUID(item["vendor_id"]) for item in ok(await asked(registry, token=token, **body))["items"]]


async def change(registry: Registry, vendor_id: UUID, column: str, value: object) -> None:
    """Put a registration into a state that other parts of the registry lead to."""
    statements = {
        "merged_into": "UPDATE vendor SET merged_into = $2 WHERE vendor_id = $1",
        "suspended_because": "UPDATE vendor SET suspended_because = $2 WHERE vendor_id = $1",
    }
    async with registry.database.transaction() as conn:
        await conn.execute(statements[column], vendor_id, value)


async def erase(registry: Registry, vendor_id: UUID) -> None:
    async with registry.database.transaction() as conn:
        await conn.execute(
            "UPDATE vendor SET erased_at = now(), nik_index = NULL, nik_sealed = NULL, born_on = NULL, "
            "name = '', phone = '', email = NULL, street = '' WHERE vendor_id = $1",
            vendor_id,
        )


# ---- by name


async def test_a_name_is_found_by_the_beginnings_of_its_words_in_any_order(registry: Registry) -> None:
    vendor_id = await registry.register(1, name="Hj. Siti Nur'aini")
    await registry.register(2, name="Budi Santoso")
    for name in ("Siti Nur'aini", "nuraini", "nur", "SITI", "s\u00edti", "siti nuraini hj", "hj. sit", "nur’aini sit"):
        answer = ok(await asked(registry, name=name))
        assert [item["vendor_id"] for item in answer["items"]] == [str(vendor_id)], name
        assert not answer["similar"]
    assert await found(registry, name="raini siti") == [], "the middle of a word is not its beginning"


async def test_accents_of_a_name_that_is_kept_do_not_matter(registry: Registry) -> None:
    vendor_id = await registry.register(1, name="\u00c9lla M\u00fcller")
    assert await found(registry, name="ella muller") == [vendor_id]


async def test_a_slip_in_a_name_finds_those_that_resemble_it(registry: Registry) -> None:
    vendor_id = await registry.register(1, name="Siti Aminah")
    await registry.register(2, name="Siti Rahmawati")
    for name in ("aminha", "aminnah", "amnah", "siti aminha", "stii aminah", "stii aminha"):
        answer = ok(await asked(registry, name=name))
        assert [item["vendor_id"] for item in answer["items"]] == [str(vendor_id)], name
        assert answer["similar"]
        assert answer["next"] is None


async def test_names_that_resemble_come_only_where_no_name_is_as_asked(registry: Registry) -> None:
    exact = await registry.register(1, name="Ahmad")
    await registry.register(2, name="Achmad")
    answer = ok(await asked(registry, name="ahmad"))
    assert [item["vendor_id"] for item in answer["items"]] == [str(exact)]
    assert not answer["similar"]
    assert ok(await asked(registry, name="zulkifli")) == {"items": [], "next": None, "similar": False}


async def test_what_resembles_lies_in_the_officers_area_too_and_fits_the_filters(registry: Registry) -> None:
    token = registry.officer("31")
    await registry.register(1, token=token, name="Aminah", kelurahan=PENJARINGAN, category="health")
    here = await registry.register(2, token=token, name="Aminah")
    assert await found(registry, name="aminha") == [here]
    assert await found(registry, token=token, name="aminha", category="fashion-craft") == []


async def test_a_name_that_is_none_is_refused_without_repeating_it(registry: Registry) -> None:
    for name in ("%", "_", "\x00", "a b c d e f g", ".*", ""):
        answer = ok(await asked(registry, name=name), 422)
        assert (answer["code"], answer["errors"][0]["field"]) == ("search-invalid", "name")
    assert ok(await asked(registry, name="' OR 1=1 --"))["items"] == []
    for name in ("x" * 200, " ".join(["abcdefghijklmnopqrst"[n:] + "abcdefghijklmnopqrst"[:n] for n in range(6)])):
        assert ok(await asked(registry, name=name))["items"] == []
    assert (await asked(registry, name="x" * 201)).status_code == 422


# ---- by phone and NIK


async def test_a_phone_is_found_in_whatever_form_it_is_typed(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    await registry.register(2)
    for phone in ("0812-0000-0001", "+62 812 0000 0001", "6281200000001", "81200000001"):
        assert await found(registry, phone=phone) == [vendor_id], phone
    assert ok(await asked(registry, phone="12"), 422)["code"] == "search-invalid"


async def test_a_nik_is_found_whole_or_not_at_all(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    await registry.register(2)
    assert await found(registry, nik=nik(1)) == [vendor_id]
    assert await found(registry, nik=f" {nik(1)} ") == [vendor_id]
    assert await found(registry, nik=nik(3)) == []
    answer = await asked(registry, nik=nik(1)[:15])
    assert ok(answer, 422)["code"] == "search-invalid"
    assert nik(1)[:15] not in answer.text


async def test_a_search_by_phone_or_nik_ends_at_the_officers_area(registry: Registry) -> None:
    await registry.register(1)
    other = registry.officer("31.72")
    assert await found(registry, token=other, nik=nik(1)) == []
    assert await found(registry, token=other, phone="081200000001") == []
    assert await found(registry, token=other, name="Orang") == []


async def test_nobody_is_named_in_an_address(registry: Registry) -> None:
    await registry.register(1)
    for field, value in (("nik", nik(1)), ("phone", "081200000001"), ("name", "Orang Contoh 1")):
        answer = await registry.get("/v1/vendors", **{field: value})
        assert answer.status_code == 422, f"{field} is not taken from an address"
        assert value not in answer.text


async def test_a_search_leaves_nothing_behind(registry: Registry) -> None:
    await registry.register(1)
    before = await registry.everything()
    headers = {"Authorization": f"Bearer {registry.officer()}", "Idempotency-Key": "one-and-the-same"}
    for body in ({"nik": nik(1)}, {"name": "siti"}):
        answer = await registry.client.post("/v1/vendors/search", json=body, headers=headers)
        assert answer.status_code == 200, "a search is no wish that is made once"
    assert await registry.everything() == before


async def test_what_a_search_shows_is_masked(registry: Registry) -> None:
    await registry.register(1)
    answer = await asked(registry, nik=nik(1))
    assert nik(1) not in answer.text
    assert "+6281200000001" not in answer.text
    assert "orang1@contoh.id" not in answer.text
    assert "1990-07" not in answer.text


async def test_an_unknown_field_is_refused(registry: Registry) -> None:
    assert (await asked(registry, nama="Siti")).status_code == 422


# ---- states


async def test_states_are_told_apart(registry: Registry) -> None:
    active, suspended, merged, erased = [await registry.register(number) for number in range(4)]
    await change(registry, suspended, "suspended_because", "no-show")
    await change(registry, merged, "merged_into", active)
    await erase(registry, erased)
    assert await found(registry) == [active, suspended]
    assert await found(registry, state="active") == [active]
    assert await found(registry, state="suspended") == [suspended]
    assert await found(registry, state="merged") == [merged]
    listed = ok(await registry.get("/v1/vendors", state="merged"))["items"]
    assert [(item["state"], item["merged_into"]) for item in listed] == [("merged", str(active))]


async def test_the_nik_of_a_merged_registration_leads_to_the_person(registry: Registry) -> None:
    survivor, retired = await registry.register(1), await registry.register(2)
    await change(registry, retired, "merged_into", survivor)
    (item,) = ok(await asked(registry, nik=nik(2)))["items"]
    assert (item["vendor_id"], item["merged_into"]) == (str(retired), str(survivor))
    assert await found(registry, nik=nik(2), state="active") == []


async def test_the_erased_are_never_found(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    await erase(registry, vendor_id)
    for body in ({}, {"nik": nik(1)}, {"phone": "081200000001"}, {"name": "orang"}, {"state": "active"}):
        assert await found(registry, **body) == []
    assert await registry.value("SELECT name_folded FROM vendor") == "  "


# ---- together


async def test_filters_combine_with_a_search(registry: Registry, clock: StandingClock) -> None:
    token = registry.officer("31")
    one = await registry.register(1, token=token, name="Siti A", category="health", kind="usaha", agency="kpkp")
    two = await registry.register(2, token=registry.of("service"), name="Siti B", category="health")
    clock.advance(days=1)
    three = await registry.register(3, token=token, name="Siti C", category="health", kelurahan=PENJARINGAN)
    assert await found(registry, token=token, name="siti", category="health") == [one, two, three]
    assert await found(registry, token=token, name="siti", category="health", origin="service") == [two]
    assert await found(registry, token=token, name="siti", registered_from="2023-03-02") == [three]
    assert await found(registry, token=token, name="siti", registered_until="2023-03-01") == [one, two]
    assert await found(registry, token=token, name="siti", area="31.72") == [three]
    assert await found(registry, token=token, name="siti", kind="usaha", agency="kpkp", area="31.71") == [one]
    assert await found(registry, token=token, name="siti", registered_from="2023-03-01", area=KARANG_ANYAR) == [
        one,
        two,
    ]
    params = {"registered_from": "2023-03-02", "origin": "officer"}
    assert [item["vendor_id"] for item in ok(await registry.get("/v1/vendors", token=token, **params))["items"]] == [
        str(three)
    ]


async def test_pages_of_a_search_hold_everybody_once_in_the_order_of_registration(
    registry: Registry, clock: StandingClock
) -> None:
    vendors = []
    for number in range(7):
        vendors.append(await registry.register(number, name=f"Siti {number}"))
        clock.advance(hours=9)
    seen: list[UUID] = []
    after: str | None = None
    while True:
        answer = ok(await asked(registry, name="siti", limit=2, **({"after": after} if after else {})))
        seen += [UUID(item["vendor_id"]) for item in answer["items"]]
        after = answer["next"]
        if after is None:
            break
    assert seen == vendors


async def test_a_cursor_that_is_none_is_refused(registry: Registry) -> None:
    for after in ("", "x", "bm90LWEtY3Vyc29y", "WzEsMl0", "\x00"):
        assert ok(await asked(registry, after=after), 422)["code"] == "cursor-invalid", after


# ---- plans: which index answers, and how many pages of 8 kB are touched

ROWS = 50_000
GENERATE = """
INSERT INTO vendor (
    vendor_id, version, card_version, nik_index, nik_sealed, name, phone, email, street, kelurahan, rw, rt,
    kind, category, agency, language, origin, registered_on, registered_at, born_on, suspended_because
)
SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 1, 1,
       sha256(convert_to('nik' || n, 'UTF8')), '\\x00',
       (ARRAY['Siti', 'Muhammad', 'Nur', 'Sri', 'Ahmad', 'Dewi'])[1 + (n * 7919 / 11) % 6] || ' '
           || (ARRAY['ra', 'di', 'su', 'ma', 'wi', 'na', 'to', 'ni', 'ka', 'ri', 'sa'])[1 + (n * 31) % 11]
           || (ARRAY['ning', 'man', 'yan', 'har', 'wan', 'lis', 'tra'])[1 + (n / 13) % 7]
           || (ARRAY['ti', 'no', 'to', 'ah', 'di'])[1 + (n / 97) % 5],
       '+62812' || lpad((n * 7919 % 100000000)::text, 8, '0'), NULL, 'Jalan', ($1::text[])[1 + n * 7919 % 267],
       '001', '001', (ARRAY['pemula', 'usaha'])[1 + n / 3 % 2],
       (ARRAY['food-drink', 'fashion-craft', 'meals-household', 'health'])[1 + n / 5 % 4],
       (ARRAY['ppkukm', 'ppapp', 'kpkp', 'sosial', 'parekraf', 'nakertransgi'])[1 + n / 7 % 6],
       'id', CASE WHEN n % 50 = 0 THEN 'self' ELSE 'file' END, date '2022-01-01' + n / $3, now(), date '1990-01-01',
       CASE WHEN n % 500 = 0 THEN 'no-show' END
FROM generate_series(1, $2) AS n
"""


class Plan(NamedTuple):
    """How a search was made."""

    nodes: list[str]
    indexes: set[str]
    pages: int
    rows: int


async def plan_of(conn: Connection, settings: str, statement: str, arguments: tuple[Any, ...]) -> Plan:
    """Run a search as the store does, and look how."""
    async with conn.transaction():
        await conn.execute(settings)
        text = await conn.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *arguments)
    explained = (from_json(text) if isinstance(text, str) else text)[0]["Plan"]
    nodes: list[str] = []
    indexes: set[str] = set()

    def walk(node: dict[str, Any]) -> None:
        nodes.append(node["Node Type"])
        if "Index Name" in node:
            indexes.add(node["Index Name"])
        for inner in node.get("Plans", ()):
            walk(inner)

    walk(explained)
    pages = explained["Shared Hit Blocks"] + explained["Shared Read Blocks"]
    return Plan(nodes, indexes, pages, explained["Actual Rows"])


async def fill(conn: Connection, *, a_day: int) -> Place:
    """Register `ROWS` people, so many on a day; where the one in the middle stands."""
    await conn.execute(GENERATE, list(areas.kelurahan_names()), ROWS, a_day)
    await conn.execute("VACUUM ANALYZE vendor")
    middle = await conn.fetchrow(
        "SELECT registered_on, vendor_id FROM vendor ORDER BY registered_on, vendor_id OFFSET $1 LIMIT 1", ROWS // 2
    )
    assert middle is not None
    return Place(*middle)


async def plan_of_page(conn: Connection, wanted: VendorFilter, after: Place | None) -> Plan:
    """How a page of 50 is found."""
    bounds = (*(after or (None, None)), None, None)
    arguments = (*wanted[:-1], beginnings(wanted.words), *bounds, 51)
    return await plan_of(conn, store.PLAN_FOR_THESE_VALUES, store.FIND_IDS, arguments)


ORDER, AREA, NAME, GROUP = "vendor_in_order", "vendor_of_area", "vendor_by_name", "vendor_of_group"
SEARCHES: list[tuple[VendorFilter, set[str], int]] = [
    # what is asked, the indexes that may answer it, and the pages it may touch
    (VendorFilter(), {ORDER}, 200),
    (VendorFilter(area="31"), {ORDER}, 200),
    (VendorFilter(area="31.71"), {ORDER, AREA}, 400),
    (VendorFilter(area="31.71.02"), {ORDER, AREA}, 400),
    (VendorFilter(area=KARANG_ANYAR), {AREA}, 100),
    (VendorFilter(category="health"), {ORDER}, 200),
    (VendorFilter(agency="kpkp", kind="usaha"), {ORDER}, 300),
    (VendorFilter("31.71", "health", "kpkp", "usaha"), {ORDER, AREA, GROUP}, 700),
    (VendorFilter("31.71.02", "health", "kpkp", "usaha", "self"), {AREA, GROUP}, 200),
    (VendorFilter("31.71", "none", "kpkp"), {GROUP}, 30),
    (VendorFilter(None, "none", "kpkp"), {GROUP}, 30),
    (VendorFilter(state="suspended"), {"vendor_suspended", ORDER}, 250),
    (VendorFilter("31.71", state="suspended"), {"vendor_suspended", AREA}, 400),
    (VendorFilter(state="merged"), {"vendor_above", "vendor_merged"}, 10),
    (VendorFilter("31.71", state="active", agency="sosial"), {ORDER, AREA}, 500),
    (VendorFilter(registered_from=date(2022, 3, 1), registered_until=date(2022, 3, 2)), {ORDER}, 50),
    (VendorFilter(registered_from=date(2023, 5, 1)), {ORDER}, 150),
    (VendorFilter("31.71", registered_from=date(2023, 5, 1)), {ORDER, AREA}, 500),
    (VendorFilter(phone="+6281200007919"), {"vendor_by_phone"}, 10),
    (VendorFilter("31.71", phone="+6281200007919"), {"vendor_by_phone"}, 10),
    (VendorFilter(nik_index=b"0" * 32), {"vendor_nik_once"}, 10),
    (VendorFilter("31.71", nik_index=b"0" * 32, state="active"), {"vendor_nik_once"}, 10),
    (VendorFilter(words=("siti",)), {ORDER}, 300),
    (VendorFilter("31.71.02", words=("siti",)), {NAME, AREA, ORDER}, 700),
    (VendorFilter(words=("siti", "rayanti")), {NAME}, 700),
    (VendorFilter("31.71", words=("siti", "rayanti")), {NAME, AREA}, 700),
    (VendorFilter(words=("rayanti",)), {NAME, ORDER}, 700),
    (VendorFilter(words=("zulkifli",)), {NAME}, 20),
    (VendorFilter("31.71", "health", words=("ray", "sit")), {NAME, AREA, ORDER}, 900),
]
MISSPELT: list[tuple[VendorFilter, set[str], int]] = [
    (VendorFilter(words=("siit",)), {NAME}, 200),
    (VendorFilter(words=("mhammad",)), {NAME}, 400),
    (VendorFilter("31.71.02", words=("mhammad",)), {NAME, AREA}, 500),
    (VendorFilter(words=("rayanit", "stii")), {NAME}, 400),
    (VendorFilter(words=("zzzzzz",)), {NAME}, 100),
    (VendorFilter(words=("ranningti", "kawanahsitimuhamma")), {NAME}, 100),
]


async def test_every_search_is_answered_by_indexes_and_few_pages(make_database: MakeDatabase) -> None:
    """At an eighth of the size to serve; no sequential scan, whichever filters, on the first page and later ones."""
    fresh = await make_database("vendor")
    async with fresh.database.pool.acquire() as conn:
        middle = await fill(conn, a_day=100)
        wrong = []
        for wanted, indexes, pages_max in SEARCHES:
            for after in (None, middle):
                plan = await plan_of_page(conn, wanted, after)
                if "Seq Scan" in plan.nodes or not plan.indexes <= indexes or plan.pages > pages_max:
                    wrong.append((wanted, after, plan))
        for wanted, indexes, pages_max in MISSPELT:
            arguments = (*wanted[:-1], candidates(wanted.words), misspellings(wanted.words), 51)
            plan = await plan_of(conn, store.PLAN_BY_TRIGRAMS, store.FIND_SIMILAR_IDS, arguments)
            if "Seq Scan" in plan.nodes or not plan.indexes <= indexes or plan.pages > pages_max:
                wrong.append((wanted, None, plan))
        assert not wrong, "\n".join(map(str, wrong))
        one_page = await plan_of(conn, "SELECT 1", "SELECT vendor_id FROM vendor WHERE street = 'Jalan' || $1", ("x",))
        assert "Seq Scan" in one_page.nodes, "a search that has no index would be seen"


async def test_the_few_of_the_province_are_found_without_walking_past_all_others(make_database: MakeDatabase) -> None:
    """Whichever of category, agency, kind and origin says that they are few; they registered last."""
    fresh = await make_database("vendor")
    async with fresh.database.pool.acquire() as conn:
        await fill(conn, a_day=100)
        await conn.execute(
            "UPDATE vendor SET category = 'rare-1', agency = 'rare-2', origin = 'service' "
            "WHERE registered_on >= date '2022-01-01' + $1::int",
            (ROWS - 60) // 100,
        )
        await conn.execute("VACUUM ANALYZE vendor")
        few = (
            VendorFilter(category="rare-1"),
            VendorFilter(agency="rare-2"),
            VendorFilter("31", kind="usaha", origin="service"),
            VendorFilter("31.71", agency="rare-2", kind="usaha"),
            VendorFilter("31", category="rare-1", state="active", registered_from=date(2022, 1, 1)),
        )
        plans = [await plan_of_page(conn, wanted, None) for wanted in few]
    assert [plan.indexes for plan in plans] == [{GROUP}] * len(few), plans
    assert min(plan.rows for plan in plans) > 0
    assert max(plan.pages for plan in plans) <= 100, plans


async def test_those_who_do_not_fit_are_passed_over_in_the_index(make_database: MakeDatabase) -> None:
    """The planner expects one of eight to fit, and half of all have to be passed before the first one does."""
    fresh = await make_database("vendor")
    async with fresh.database.pool.acquire() as conn:
        middle = await fill(conn, a_day=100)
        await conn.execute(
            "UPDATE vendor SET kind = 'pemula' WHERE category = 'health' AND registered_on < $1", middle.registered_on
        )
        await conn.execute("VACUUM (FULL, ANALYZE) vendor")
        await conn.execute("VACUUM vendor")
        plan = await plan_of_page(conn, VendorFilter("31", category="health", kind="usaha"), None)
        named = await plan_of_page(conn, VendorFilter("31", category="health", kind="usaha", words=("siti",)), None)
    assert plan.nodes == named.nodes == ["Limit", "Index Only Scan"]
    assert plan.rows == named.rows == 51
    assert max(plan.pages, named.pages) <= 500, (plan, named)


async def test_a_later_page_is_found_as_fast_where_a_sheet_brought_everybody_on_one_day(
    make_database: MakeDatabase,
) -> None:
    fresh = await make_database("vendor")
    async with fresh.database.pool.acquire() as conn:
        middle = await fill(conn, a_day=ROWS + 1)
        few = (KARANG_ANYAR,), (KARANG_ANYAR, "health"), ("31.71.02", None, "kpkp")
        plans = [await plan_of_page(conn, VendorFilter(*wanted), middle) for wanted in few]
        assert [plan.indexes for plan in plans] == [{AREA}] * 3
        assert max(plan.pages for plan in plans) <= 300, plans
        named = await plan_of_page(conn, VendorFilter(words=("siti", "rayanti")), middle)
        assert named.indexes == {NAME}, named
        in_order = await plan_of_page(conn, VendorFilter("31"), middle)
        assert in_order.indexes == {ORDER}, in_order
        assert in_order.pages <= 200


async def test_what_is_asked_of_an_area_is_planned_for_the_values_it_is_asked_with(make_database: MakeDatabase) -> None:
    """After five times PostgreSQL plans a prepared statement for any values; such a plan walks through everybody."""
    fresh = await make_database("vendor")
    async with fresh.database.pool.acquire() as conn:
        for _ in range(8):
            await store.find_vendors(conn, VendorFilter(phone="+6281200000001"), None, 51)
            await store.find_similar_vendors(conn, VendorFilter(words=("siti",)), 51)
            await products.find_offers(conn, KARANG_ANYAR, "health", None, 51)
            await coaching.count_coached(conn, KARANG_ANYAR)
        plans = await conn.fetch(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement = ANY($1::text[])",
            [store.FIND_IDS, store.FIND_SIMILAR_IDS, products.FIND_OFFERS, coaching.COUNT_COACHED],
        )
    assert [tuple(row.values()) for row in plans] == [(0, 8)] * 4
