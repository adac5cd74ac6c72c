"""Sales: by the vendor, its link or an officer; corrected with history; doubted, confirmed, summed up."""

import asyncio
import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.bazaar.domain.sales import REPORT_DAYS_AFTER, ReportSales
from services.bazaar.handlers.sales import enter_sales
from shared.events.rights import VendorErased
from shared.ids import new_id
from tests.integration.bazaar import DAYS, Fair, at, site
from tests.integration.bazaar_day import Day, Phone, open_day

FIGURES = {"day": str(DAYS[0]), "turnover_rupiah": 750_000, "transactions": 12, "units": 30}


async def open_selling(fair: Fair, booths: int = 2, applicants: int = 2, **more: Any) -> Day:
    """A bazaar on its first day, everyone checked in."""
    day = await open_day(fair, booths=booths, applicants=applicants, **more)
    body = {"day": str(DAYS[0]), "application_ids": day.confirmed}
    await fair.done(f"/v1/bazaars/{day.bazaar_id}/check-ins", body)
    return day


async def link(fair: Fair, application_id: str, key: str | None = None) -> str:
    response = await fair.post(f"/v1/applications/{application_id}/sales-link", key=key)
    assert response.is_success, response.text
    token: str = response.json()["token"]
    return token


async def by_link(fair: Fair, token: str, body: dict[str, Any]) -> Any:
    return await fair.client.post(f"/v1/sales/{token}", json=body, headers={"Idempotency-Key": str(new_id())})


async def test_sales_are_reported_once_a_day_by_who_was_there(fair: Fair) -> None:
    day = await open_day(fair, booths=2, applicants=2)
    first, second = day.confirmed
    await fair.done(f"/v1/bazaars/{day.bazaar_id}/check-ins", {"day": str(DAYS[0]), "application_ids": [first]})
    door = f"/v1/applications/{first}/sales"
    assert await fair.refused(door, {**FIGURES, "turnover_rupiah": 0}) == (422, "invalid")
    assert await fair.refused(door, {**FIGURES, "day": str(DAYS[1])}) == (409, "not-checked-in")
    assert await fair.refused(f"/v1/applications/{second}/sales", FIGURES) == (409, "not-checked-in")
    assert await fair.refused(f"{door}/correct", FIGURES) == (404, "sales-unknown")
    await fair.crowd()
    responses = await asyncio.gather(*(fair.post(door, FIGURES) for _ in range(6)))
    assert sorted(response.status_code for response in responses) == [200, *[409] * 5]
    assert {one.json()["code"] for one in responses if one.status_code == 409} == {"sales-already-reported"}
    (reported,) = await fair.published("SalesReported")
    assert (reported.body["turnover_rupiah"], reported.body["units"]) == (750_000, 30)
    await fair.assert_sequences_have_no_gap()


async def test_a_correction_holds_and_what_was_said_before_is_kept(fair: Fair) -> None:
    day = await open_selling(fair)
    first = day.confirmed[0]
    door, own = f"/v1/applications/{first}/sales", fair.vendor(day.vendors[first])
    await fair.done(door, FIGURES, token=own)
    corrected = {**FIGURES, "turnover_rupiah": 0, "transactions": 0, "units": 0}
    await fair.done(f"{door}/correct", corrected)
    await fair.done(f"{door}/correct", corrected)
    (shown,) = (await fair.shown(door, token=own))["days"]
    assert (shown["turnover_rupiah"], shown["transactions"], shown["units"]) == (0, 0, 0)
    assert [(one["turnover_rupiah"], one["by"]) for one in shown["reports"]] == [(750_000, "vendor"), (0, "officer")]
    assert [event.body["turnover_rupiah"] for event in await fair.published("SalesReported")] == [750_000, 0]
    stranger = fair.vendor(day.vendors[day.confirmed[1]])
    assert await fair.refused(f"{door}/correct", FIGURES, token=stranger) == (403, "not-own-data")
    assert (await fair.get(door, token=stranger)).status_code == 403
    await fair.assert_sequences_have_no_gap()


async def test_a_link_reports_for_its_own_booth_until_it_ends(fair: Fair) -> None:
    day = await open_selling(fair)
    first = day.confirmed[0]
    key = str(new_id())
    token = await link(fair, first, key)
    assert await link(fair, first, key) == token, "a repeated request is answered the same"
    async with fair.database.read() as conn:
        kept = [bytes(row["body"] or b"") for row in await conn.fetch("SELECT body FROM idempotency_key")]
        assert await conn.fetchval("SELECT expires_at FROM sales_link") == at(
            DAYS[1] + timedelta(days=REPORT_DAYS_AFTER + 1), 7
        ) - timedelta(hours=7)
    assert not any(token[22:].encode() in body for body in kept), "the secret is stored nowhere"
    assert (await by_link(fair, token, FIGURES)).json() == {"day": str(DAYS[0]), "queried": []}
    assert (await by_link(fair, token, {**FIGURES, "turnover_rupiah": 760_000})).status_code == 200
    shown = (await fair.client.get(f"/v1/sales/{token}")).json()
    assert set(shown) == {"bazaar_name", "site_name", "booth", "days"}
    assert shown["days"][0]["turnover_rupiah"] == 760_000
    (of_officer,) = (await fair.shown(f"/v1/applications/{first}/sales"))["days"]
    assert [one["by"] for one in of_officer["reports"]] == ["link", "link"]

    for wrong in (token[:-2] + ("AA" if token[-2:] != "AA" else "BA"), "A" * 43, "_" * 43):
        response = await fair.client.get(f"/v1/sales/{wrong}")
        assert (response.status_code, response.json()["code"]) == (404, "sales-link-invalid")
    newer = await link(fair, first)
    assert newer != token
    assert (await by_link(fair, token, FIGURES)).status_code == 404, "a new link ends the one before"
    fair.clock.moment = at(DAYS[1] + timedelta(days=REPORT_DAYS_AFTER), 23)
    assert (await by_link(fair, newer, {**FIGURES, "units": 31})).status_code == 200
    fair.clock.moment += timedelta(hours=1)
    assert (await by_link(fair, newer, FIGURES)).status_code == 404
    assert await fair.refused(f"/v1/applications/{new_id()}/sales-link") == (404, "application-unknown")


async def test_the_form_of_a_link_works_without_scripts(fair: Fair) -> None:
    day = await open_selling(fair, name="Bazar <b>Warga</b>")
    token = await link(fair, day.confirmed[0])
    page = await fair.client.get(f"/v1/sales/{token}", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert "Bazar &lt;b&gt;Warga&lt;/b&gt;" in page.text
    assert "<script" not in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    (action,) = re.findall(r'action="([^"]+)"', page.text)

    async def submit(**fields: str) -> str:
        response = await fair.client.post(action, data={"day": str(DAYS[0]), **fields})
        assert response.status_code == 303
        return response.headers["location"].partition("said=")[2]

    assert await submit(turnover_rupiah="Rp 1.250.000", transactions="15", units="") == "saved"
    assert await submit(turnover_rupiah="1.250.000", transactions="0") == "invalid"
    assert await submit(turnover_rupiah="banyak", transactions="1") == "invalid"
    assert await submit(turnover_rupiah="5", transactions="1", day=str(DAYS[1])) == "not-checked-in"
    assert await submit(turnover_rupiah="5", transactions="1", day="besok") == "invalid"
    assert await submit(act="confirm") == "no-query-open"
    saved = await fair.client.get(f"/v1/sales/{token}?lang=en&said=saved", headers={"Accept": "text/html"})
    assert "Saved. Thank you." in saved.text
    assert 'value="1250000"' in saved.text
    (shown,) = (await fair.shown(f"/v1/applications/{day.confirmed[0]}/sales"))["days"]
    assert [one["turnover_rupiah"] for one in shown["reports"]] == [1_250_000]


async def test_figures_far_from_the_others_are_doubted_until_confirmed_or_corrected(fair: Fair) -> None:
    day = await open_selling(fair, booths=10, applicants=10)
    *usual, far, near = day.confirmed
    for index, application_id in enumerate(usual):
        body = {**FIGURES, "turnover_rupiah": 600_000 + 10_000 * index}
        assert (await fair.done(f"/v1/applications/{application_id}/sales", body))["queried"] == []
    door = f"/v1/applications/{far}/sales"
    slip = {**FIGURES, "turnover_rupiah": 7_500_000_000}
    answer = await fair.done(door, slip)
    assert answer["queried"] == ["turnover-high", "per-transaction-high", "per-unit-high"]
    assert (await fair.done(f"/v1/applications/{near}/sales", FIGURES))["queried"] == []
    (queried,) = await fair.published("SalesQueried")
    assert (str(queried.key), queried.body["because"]) == (far, "turnover-high")

    queries = f"/v1/bazaars/{day.bazaar_id}/sales/queries"
    (one,) = (await fair.shown(queries))["items"]
    assert (one["application_id"], one["turnover_rupiah"]) == (far, 7_500_000_000)
    (sums,) = (await fair.shown(f"/v1/bazaars/{day.bazaar_id}/sales"))["days"]
    assert (sums["reports"], sums["queried_reports"]) == (9, 1)
    assert (sums["turnover_rupiah"], sums["queried_turnover_rupiah"]) == (5_080_000 + 750_000, 7_500_000_000)

    await fair.done(f"{door}/confirm", {"day": str(DAYS[0])})
    assert await fair.refused(f"{door}/confirm", {"day": str(DAYS[0])}) == (409, "no-query-open")
    assert (await fair.shown(queries))["items"] == []
    (shown,) = (await fair.shown(door))["days"]
    assert shown["reports"][0]["confirmed_by"] == "officer"
    assert (await fair.done(f"{door}/correct", {**slip, "turnover_rupiah": 8_000_000_000}))["queried"] != []
    await fair.done(f"{door}/correct", FIGURES, token=fair.vendor(day.vendors[far]))
    (sums,) = (await fair.shown(f"/v1/bazaars/{day.bazaar_id}/sales"))["days"]
    assert (sums["reports"], sums["queried_reports"], sums["queried_turnover_rupiah"]) == (10, 0, 0)
    assert (await fair.get(queries, token=fair.vendor(day.vendors[far]))).status_code == 403
    await fair.assert_sequences_have_no_gap()


async def test_online_sales_need_no_check_in_and_are_entered_anew_as_files_come(fair: Fair) -> None:
    day = await open_day(fair, sites=[site("one", 1)], applicants=1, setting="online")
    (application_id,) = day.confirmed

    async def enter(turnover: int, transactions: int, now: datetime) -> None:
        command = ReportSales(day=DAYS[0], turnover_rupiah=turnover, transactions=transactions)
        async with fair.database.transaction() as conn:
            await enter_sales(conn, UUID(application_id), command, origin="import", now=now)

    for turnover, transactions in ((100, 1), (100, 1), (300, 2), (0, 0)):
        await enter(turnover, transactions, fair.clock.now())
    (shown,) = (await fair.shown(f"/v1/applications/{application_id}/sales"))["days"]
    assert [(one["turnover_rupiah"], one["by"]) for one in shown["reports"]] == [
        (100, "import"),
        (300, "import"),
        (0, "import"),
    ]
    await fair.assert_sequences_have_no_gap()


async def test_what_the_day_left_of_a_person_is_shown_to_it_and_goes_with_it_but_for_the_figures(fair: Fair) -> None:
    day = await open_selling(fair)
    first = day.confirmed[0]
    vendor_id = day.vendors[first]
    text = (await fair.shown(f"/v1/applications/{first}/ticket"))["ticket"]
    phone, now = Phone("phone-a"), fair.clock.now()
    await fair.done(f"/v1/bazaars/{day.bazaar_id}/check-ins/sync", phone.sending([phone.scan(text, now)], now))
    token = await link(fair, first)
    await by_link(fair, token, FIGURES)

    shown = (await fair.shown(f"/v1/vendors/{vendor_id}/data", token=fair.vendor(vendor_id)))["sections"]
    counts = {name: len(shown[name]["data"]) for name in ("tickets", "scans", "sales", "sales_reports", "sales_links")}
    assert set(counts.values()) == {1}

    await fair.hear(VendorErased(vendor_id=vendor_id, erasure_id=new_id()))
    async with fair.database.read() as conn:
        left = await conn.fetchrow(
            "SELECT (SELECT count(*) FROM ticket WHERE application_id = $1) AS tickets, "
            "(SELECT count(*) FROM scan WHERE application_id = $1) AS scans, "
            "(SELECT count(*) FROM sales_link WHERE application_id = $1) AS links, "
            "(SELECT count(*) FROM sales_report WHERE application_id = $1) AS reports, "
            "(SELECT count(*) FROM check_in WHERE application_id = $1) AS check_ins",
            UUID(first),
        )
    assert left is not None
    assert dict(left) == {"tickets": 0, "scans": 0, "links": 0, "reports": 1, "check_ins": 1}
    (receipt,) = await fair.published("BazaarDataErased")
    assert (receipt.body["erased"]["tickets"], receipt.body["kept"]["sales_reports"]) == (1, 1)
    assert (await fair.client.get(f"/v1/sales/{token}")).status_code == 404
