"""Indicators over HTTP: entered, corrected, asked about, counted; erased down to statistics."""

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.vendor.store.indicators import FIND_STATISTICS, collect_indicators, erase_indicators
from services.vendor.store.vendors import PLAN_FOR_THESE_VALUES
from tests.conftest import StandingClock
from tests.integration.vendor import PENJARINGAN, Registry, at_once, ok

MILLION = 1_000_000


async def enter(
    registry: Registry, vendor_id: UUID, month: str, turnover: int, *, token: str | None = None, **more: Any
) -> dict[str, Any]:
    body = {"month": month, "turnover_rupiah": turnover, **more}
    return ok(await registry.post(f"/v1/vendors/{vendor_id}/indicators", body, token=token), 201)


async def half_a_year(registry: Registry, vendor_id: UUID) -> None:
    """Four million rupiah a month from September 2022 to February 2023."""
    for month in ("2022-09", "2022-10", "2022-11", "2022-12", "2023-01", "2023-02"):
        await enter(registry, vendor_id, month, 4 * MILLION)


async def queue(registry: Registry, *, token: str | None = None, **params: str) -> list[str]:
    answer = ok(await registry.get("/v1/indicators/queries", token=token, **params))
    return [item["report_id"] for item in answer["items"]]


async def groups(registry: Registry, *, token: str | None = None, **params: str) -> list[dict[str, Any]]:
    asked = {"first": "2023-02", "last": "2023-02", **params}
    found: list[dict[str, Any]] = ok(await registry.get("/v1/indicators/statistics", token=token, **asked))["groups"]
    return found


# ---- entering


async def test_the_last_report_of_a_month_counts_and_the_others_stay_to_be_seen(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    itself = registry.vendor(vendor_id)
    await enter(registry, vendor_id, "2023-02", 4 * MILLION, token=itself, workers=2)
    await enter(registry, vendor_id, "2023-02", 5 * MILLION, entered_by="mentor")
    await enter(registry, vendor_id, "2023-01", 3 * MILLION, token=registry.of("service"))
    february, january = ok(await registry.get(f"/v1/vendors/{vendor_id}/indicators", token=itself))["items"]
    assert (february["month"], february["turnover_rupiah"], february["workers"]) == ("2023-02", 5 * MILLION, None)
    assert (january["month"], january["entered_by"], february["entered_by"]) == ("2023-01", "mentor", "mentor")
    last, first = ok(await registry.get(f"/v1/vendors/{vendor_id}/indicators/2023-02"))["items"]
    assert (last["replaced_at"], first["entered_by"], first["turnover_rupiah"]) == (None, "vendor", 4 * MILLION)
    assert first["replaced_at"] is not None
    events = await registry.published("IndicatorsReported")
    assert [(event.sequence, event.body["month"], event.body["entered_by"]) for event in events] == [
        (2, "2023-02", "vendor"),
        (3, "2023-02", "mentor"),
        (4, "2023-01", "mentor"),
    ]


async def test_the_same_figures_again_change_nothing(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    one = await enter(registry, vendor_id, "2023-02", 4 * MILLION)
    assert await enter(registry, vendor_id, "2023-02", 4 * MILLION) == one
    assert len(await registry.published("IndicatorsReported")) == 1


async def test_reports_at_once_follow_each_other_and_one_counts(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    await registry.crowd()
    path = f"/v1/vendors/{vendor_id}/indicators"
    bodies = [{"month": "2023-02", "turnover_rupiah": n * MILLION} for n in range(1, 9)]
    answers = await at_once(*(registry.post(path, body) for body in bodies))
    assert {answer.status_code for answer in answers} == {201}
    assert await registry.value("SELECT count(*) FROM indicator_report WHERE replaced_at IS NULL") == 1
    assert [event.sequence for event in await registry.published("IndicatorsReported")] == list(range(2, 10))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"month": "2014-12", "turnover_rupiah": 1}, "month-refused"),
        ({"month": "2023-04", "turnover_rupiah": 1}, "month-refused"),
        ({"month": "2023-13", "turnover_rupiah": 1}, "invalid"),
        ({"month": "2023-2", "turnover_rupiah": 1}, "invalid"),
        ({"month": "2023-02"}, "figures-missing"),
        ({"month": "2023-02", "turnover_rupiah": 10**15 + 1}, "invalid"),
        ({"month": "2023-02", "turnover_rupiah": -1}, "invalid"),
        ({"month": "2023-02", "workers": 100_001}, "invalid"),
        ({"month": "2023-02", "profit": 1}, "invalid"),
    ],
)
async def test_what_cannot_be_kept_is_refused(registry: Registry, body: dict[str, Any], code: str) -> None:
    vendor_id = await registry.register(1)
    assert ok(await registry.post(f"/v1/vendors/{vendor_id}/indicators", body), 422)["code"] == code


async def test_the_present_month_in_jakarta_is_taken(registry: Registry, clock: StandingClock) -> None:
    vendor_id = await registry.register(1)
    clock.moment = clock.moment.replace(month=3, day=31, hour=17)  # 1 April in Jakarta
    await enter(registry, vendor_id, "2023-04", MILLION)


async def test_figures_are_between_the_vendor_its_mentor_and_its_officer(registry: Registry) -> None:
    vendor_id, other = await registry.register(1), await registry.register(2)
    path = f"/v1/vendors/{vendor_id}/indicators"
    body = {"month": "2023-02", "turnover_rupiah": MILLION}
    for token, status in (
        (registry.vendor(other), 403),
        (registry.officer("31.72"), 404),
        (registry.of("service", "31.72"), 404),
        (registry.of("operator"), 403),
    ):
        assert (await registry.post(path, body, token=token)).status_code == status
        for read in (path, f"{path}/2023-02", f"/v1/vendors/{vendor_id}/size"):
            assert (await registry.get(read, token=token)).status_code == status
    lying = {**body, "entered_by": "officer"}
    assert (await registry.post(path, lying, token=registry.vendor(vendor_id))).status_code == 403
    assert await registry.value("SELECT count(*) FROM indicator_report") == 0


# ---- sheets


async def send(
    registry: Registry, *rows: str, token: str | None = None, key: str | None = None, dry_run: bool = False
) -> httpx.Response:
    content = "\n".join(["id_anggota;bulan;omzet;aset;tenaga_kerja", *rows, ""]).encode()
    headers = {"Authorization": f"Bearer {token or registry.officer()}", "Idempotency-Key": key or str(uuid4())}
    files = {"file": ("angka.csv", content, "text/csv")}
    return await registry.client.post(
        "/v1/indicators/import", params={"dry_run": dry_run}, files=files, headers=headers
    )


async def test_of_a_sheet_the_good_rows_are_taken_and_the_others_named(registry: Registry) -> None:
    one = await registry.register(1)
    far = await registry.register(2, token=registry.officer("31"), kelurahan=PENJARINGAN)
    rows = [
        f"{one};2023-02;4.500.000;;2",
        f"{one};02/2023;5 juta;;2",
        f"{one};2023-01;12;;",
        f"{far};2023-02;1000000;;",
        f"{one};2023-04;1000000;;",
        f"{one};2022-12;;;",
        "satu;Feb;banyak;-5;dua",
        ";;1000000;;",
    ]
    made = ok(await send(registry, *rows))
    assert (made["rows"], made["taken"]) == (8, 3)
    assert [(row["line"], row["queried"]) for row in made["queried"]] == [(4, {"turnover_rupiah": "too-small"})]
    assert [(row["line"], [problem["code"] for problem in row["problems"]]) for row in made["rejected"]] == [
        (5, ["vendor-unknown"]),
        (6, ["month-refused"]),
        (7, ["figures-missing"]),
        (8, ["vendor-id-format", "month-format", "turnover-format", "assets-format", "workers-format"]),
        (9, ["missing", "missing"]),
    ]
    february, january = ok(await registry.get(f"/v1/vendors/{one}/indicators"))["items"]
    assert (february["turnover_rupiah"], february["workers"], february["entered_by"]) == (5 * MILLION, 2, "officer")
    assert january["turnover_rupiah"] == 12
    assert [event.sequence for event in await registry.published("IndicatorsReported")] == [2, 3, 4]


async def test_a_dry_run_reports_the_same_and_enters_nothing(registry: Registry) -> None:
    one = await registry.register(1)
    tried = ok(await send(registry, f"{one};2023-02;4.500.000;;2", "x;y;z;;", dry_run=True))
    assert await registry.value("SELECT count(*) FROM indicator_report") == 0
    assert await registry.published("IndicatorsReported") == []
    assert await registry.value("SELECT version FROM vendor") == 1
    done = ok(await send(registry, f"{one};2023-02;4.500.000;;2", "x;y;z;;"))
    assert {**tried, "dry_run": False} == done


async def test_a_sheet_sent_again_changes_nothing(registry: Registry) -> None:
    one = await registry.register(1)
    rows = (f"{one};2023-02;4.500.000;;2", f"{one};2023-01;4.400.000;;2")
    first = ok(await send(registry, *rows, key="k"))
    assert ok(await send(registry, *rows, key="k")) == first
    assert ok(await send(registry, *rows))["taken"] == 2
    assert await registry.value("SELECT count(*) FROM indicator_report") == 2


async def test_a_sheet_that_is_none_is_refused(registry: Registry) -> None:
    headers = {"Authorization": f"Bearer {registry.officer()}"}
    for content in (b"", b"\xff\xfe", b"a;b\n1;2\n", b'vendor_id;month;omzet\n"x', b"\x00", b"vendor_id;month\n"):
        refused = await registry.client.post(
            "/v1/indicators/import",
            files={"file": ("x.csv", content)},
            headers={**headers, "Idempotency-Key": str(uuid4())},
        )
        assert ok(refused, 422)["code"] == "sheet-of-figures"
    assert (await send(registry, token=registry.newcomer())).status_code == 403


# ---- what looks odd


async def test_an_odd_figure_is_taken_and_asked_about_until_an_officer_confirms(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    await half_a_year(registry, vendor_id)
    made = await enter(registry, vendor_id, "2023-03", 4000, token=registry.vendor(vendor_id))
    assert made["queried"] == {"turnover_rupiah": "unit-mistake"}
    (item,) = ok(await registry.get("/v1/indicators/queries"))["items"]
    assert item["queries"] == [{"measure": "turnover_rupiah", "code": "unit-mistake", "usual": 4 * MILLION}]
    path = f"/v1/indicators/{made['report_id']}/confirm"
    assert (await registry.post(path, token=registry.officer("31.72"))).status_code == 404
    assert (await registry.post(path, token=registry.vendor(vendor_id))).status_code == 403
    await registry.crowd()
    answers = await at_once(*(registry.post(path) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"query-answered"}
    assert await queue(registry) == []
    events = await registry.published("IndicatorsReported")
    assert [(event.sequence, event.body["queried"]) for event in events[-2:]] == [(8, True), (9, False)]


async def test_an_officers_correction_answers_and_is_not_asked_about_again(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    await half_a_year(registry, vendor_id)
    made = await enter(registry, vendor_id, "2023-03", 90 * MILLION)
    path = f"/v1/indicators/{made['report_id']}/correct"
    assert ok(await registry.post(path, {}), 422)["code"] == "figures-missing"
    assert ok(await registry.post(path, {"turnover_rupiah": 80 * MILLION}), 201)["queried"] == {}
    assert await queue(registry) == []
    assert ok(await registry.post(path, {"turnover_rupiah": MILLION}), 409)["code"] == "report-replaced"
    last, first = ok(await registry.get(f"/v1/vendors/{vendor_id}/indicators/2023-03"))["items"]
    assert (last["turnover_rupiah"], last["query_state"], first["query_state"]) == (80 * MILLION, None, "corrected")


async def test_a_new_report_of_the_vendor_answers_the_question_too(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    await half_a_year(registry, vendor_id)
    made = await enter(registry, vendor_id, "2023-03", 4000)
    await enter(registry, vendor_id, "2023-03", 4 * MILLION, token=registry.vendor(vendor_id))
    assert await queue(registry) == []
    refused = await registry.post(f"/v1/indicators/{made['report_id']}/confirm")
    assert ok(refused, 409)["code"] == "report-replaced"


async def test_the_queue_is_of_the_officers_area(registry: Registry) -> None:
    province = registry.officer("31")
    here = await registry.register(1, token=province)
    there = await registry.register(2, token=province, kelurahan=PENJARINGAN)
    one = (await enter(registry, here, "2023-02", 1, token=province))["report_id"]
    two = (await enter(registry, there, "2023-02", 1, token=province))["report_id"]
    assert await queue(registry) == [one]
    assert await queue(registry, token=province) == [one, two]
    assert await queue(registry, token=province, area="31.72") == [two]
    assert (await registry.get("/v1/indicators/queries", area="31.72")).status_code == 403
    assert (await registry.get("/v1/indicators/queries", token=registry.vendor(here))).status_code == 403


# ---- size


async def test_the_size_is_of_the_twelve_months_before_this_one(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path = f"/v1/vendors/{vendor_id}/size"
    assert ok(await registry.get(path))["size"] is None
    for n in range(12):
        await enter(registry, vendor_id, f"{2022 + (n + 2) // 12}-{(n + 2) % 12 + 1:02d}", 200 * MILLION)
    await enter(registry, vendor_id, "2023-03", 40_000 * MILLION)
    await enter(registry, vendor_id, "2022-02", 40_000 * MILLION)
    shown = ok(await registry.get(path, token=registry.vendor(vendor_id)))
    assert shown == {
        "size": "kecil",
        "turnover_rupiah": 2400 * MILLION,
        "months_known": 12,
        "complete": True,
        "until": "2023-02",
        "source": "PP 7/2021, Pasal 35: hasil penjualan tahunan",
    }


# ---- statistics


async def test_groups_of_fewer_than_five_vendors_are_not_shown(registry: Registry) -> None:
    province = registry.officer("31")
    for number in range(9):
        area = {"kelurahan": PENJARINGAN} if number > 4 else {}
        vendor_id = await registry.register(number, token=province, category="health", **area)
        workers = {"workers": number} if number < 4 else {}
        await enter(registry, vendor_id, "2023-02", (number + 1) * MILLION, token=province, **workers)
    (group,) = await groups(registry, token=province)
    assert group == {
        "area": "31.71.02",
        "category": "health",
        "month": "2023-02",
        "vendors": 5,
        "turnover_sum": 15 * MILLION,
        "turnover_median": 3 * MILLION,
        "assets_sum": None,
        "assets_median": None,
        "workers_sum": None,
        "workers_median": None,
    }
    assert len(await groups(registry, token=registry.of("operator"), by="city", category="health")) == 1
    assert await groups(registry, token=province, area="31.72") == []
    assert await groups(registry, token=province, category="food-drink") == []
    assert await groups(registry, token=province, first="2023-01", last="2023-01") == []


async def test_sums_may_be_larger_than_any_column(registry: Registry) -> None:
    async with registry.database.transaction() as conn:
        await conn.execute(
            "INSERT INTO indicator_anonymous SELECT '2023-02-01', '31.71.02.1002', 'health', 1000000000000000, NULL, 1 "
            "FROM generate_series(1, 9300)"
        )
    (group,) = await groups(registry)
    assert (group["turnover_sum"], group["workers_median"]) == (9300 * 10**15, 1)


async def test_statistics_are_of_an_area_the_caller_may_ask_about(registry: Registry) -> None:
    asked = {"first": "2023-02", "last": "2023-02"}
    path = "/v1/indicators/statistics"
    assert (await registry.get(path, area="31.72", **asked)).status_code == 403
    assert (await registry.get(path, area="31", **asked)).status_code == 403
    assert (await registry.get(path, token=registry.newcomer(), **asked)).status_code == 403
    long = await registry.get(path, first="2022-01", last="2023-01")
    assert ok(long, 422)["code"] == "period-refused"


async def test_a_person_who_was_merged_counts_once(registry: Registry) -> None:
    vendors = [await registry.register(number, category="health") for number in range(6)]
    for vendor_id in vendors:
        await enter(registry, vendor_id, "2023-02", 4 * MILLION)
    ok(await registry.post(f"/v1/vendors/{vendors[0]}/merge", {"retired": str(vendors[1]), "fields": {}}))
    (group,) = await groups(registry)
    assert (group["vendors"], group["turnover_sum"]) == (5, 20 * MILLION)
    ok(await registry.post(f"/v1/vendors/{vendors[2]}/merge", {"retired": str(vendors[0]), "fields": {}}))
    assert await groups(registry) == []
    (item,) = ok(await registry.get(f"/v1/vendors/{vendors[2]}/indicators"))["items"]
    assert item["month"] == "2023-02"


FILLED = (
    """
    INSERT INTO vendor (vendor_id, version, card_version, nik_index, nik_sealed, name, phone, street, kelurahan, rw, rt,
                        kind, language, origin, registered_on, registered_at)
    SELECT md5('v' || n)::uuid, 1, 1, sha256(n::text::bytea), '', 'x', 'x', '', '31.7' || 1 + n % 5 || '.02.10' ||
           10 + n % 49, '001', '001', 'usaha', 'id', 'file', '2022-01-01', '2022-01-01'
    FROM generate_series(1, 5000) AS n
    """,
    """
    INSERT INTO indicator_report (report_id, vendor_id, month, turnover_rupiah, entered_by, entered_subject, entered_at,
                                  queries)
    SELECT md5(n || '/' || m)::uuid, md5('v' || n)::uuid, (date '2022-01-01' + m * interval '1 month')::date, n,
           'mentor', 'x', '2023-01-01', '[]' FROM generate_series(1, 5000) AS n, generate_series(0, 11) AS m
    """,
)


async def test_statistics_of_a_small_area_read_the_figures_of_its_vendors_alone(registry: Registry) -> None:
    async with registry.database.pool.acquire() as conn:
        for statement in FILLED:
            await conn.execute(statement)
        await conn.execute("VACUUM ANALYZE")
        plans = {}
        for area in ("31.71.02.1010", "31.71"):
            async with conn.transaction():
                await conn.execute(PLAN_FOR_THESE_VALUES)
                rows = await conn.fetch(
                    f"EXPLAIN {FIND_STATISTICS}", area, 13, date(2022, 1, 1), date(2022, 12, 1), None, 5
                )
            plans[area] = "\n".join(row[0] for row in rows)
    assert not any("Seq Scan on indicator_report" in plan for plan in plans.values()), plans
    assert "Index Only Scan using indicator_counts" in plans["31.71.02.1010"], plans
    assert "Index Only Scan using indicator_of_month" not in plans["31.71.02.1010"], plans


# ---- everything of a person


async def test_erasing_a_person_leaves_the_statistics_as_they_were(registry: Registry) -> None:
    vendors = [await registry.register(number, category="health") for number in range(5)]
    for vendor_id in vendors:
        await enter(registry, vendor_id, "2023-02", 3 * MILLION)
        await enter(registry, vendor_id, "2023-02", 4 * MILLION, workers=1)
        await enter(registry, vendor_id, "2023-01", 5 * MILLION)
    before = await groups(registry, first="2023-01")
    assert len(before) == 2
    async with registry.database.transaction() as conn:
        kept = (await collect_indicators(conn, vendors[:1]))["indicators"]
        assert [(one["month"], one["turnover_rupiah"], one["workers"]) for one in kept] == [
            ("2023-01", 5 * MILLION, None),
            ("2023-02", 3 * MILLION, None),
            ("2023-02", 4 * MILLION, 1),
        ]
        assert await erase_indicators(conn, vendors[:1]) == {"indicator_reports": 3}
        assert await erase_indicators(conn, vendors[1:2]) == {"indicator_reports": 3}
        assert (await collect_indicators(conn, vendors[:2]))["indicators"] == []
    assert await groups(registry, first="2023-01") == before
    assert await registry.value("SELECT count(*) FROM indicator_anonymous WHERE month = $1", date(2023, 2, 1)) == 2
    assert await registry.value("SELECT count(*) FROM indicator_report") == 9
