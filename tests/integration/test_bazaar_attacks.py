"""What somebody would try who knows the service well: own cases, secrets in what is kept, inputs that cost minutes."""

from typing import Any
from uuid import UUID

import pytest

from shared.events.vendor import VendorMerged
from shared.ids import new_id
from tests.integration.bazaar import DAYS, Fair, site
from tests.integration.borju import SHOP
from tests.integration.doors import send
from tests.integration.test_bazaar_doors import (
    a_party,
    a_swap_agreed,
    an_appeal,
    an_online_one,
    an_open_one,
    sales,
    the_day,
)


def both(fair: Fair, vendor_id: str) -> str:
    """Token of an officer of the area who is this vendor besides."""
    return fair.issuer.token("both", ["officer", "vendor"], area="31.71", vendor_id=UUID(vendor_id))


async def test_an_officer_decides_nothing_about_itself_as_a_vendor(fair: Fair) -> None:
    own = (403, "own-case")
    swap = await a_swap_agreed(fair)
    for side in ("vendor_id", "another"):
        for decision in ("approve", "refuse"):
            path = f"/v1/swaps/{swap['swap_id']}/{decision}"
            assert await fair.refused(path, token=both(fair, swap[side])) == own
    await fair.done(f"/v1/swaps/{swap['swap_id']}/approve")

    day = await the_day(fair)
    path = f"/v1/bazaars/{day['bazaar_id']}/check-ins/flagged/{day['scan_id']}"
    wish: dict[str, Any] = {"accept": True, "day": str(DAYS[0])}
    assert await fair.refused(path, wish, token=both(fair, day["vendor_id"])) == own
    await fair.done(path, wish, token=both(fair, day["another"]))

    shop = await an_online_one(fair)
    path = f"/v1/applications/{shop['application_id']}/storefront"
    version = (await fair.done(path, SHOP))["version"]
    approval = {"version": version, "decision": "approve"}
    assert await fair.refused(f"{path}/decide", approval, token=both(fair, shop["vendor_id"])) == own


async def test_an_own_case_is_own_by_any_id_of_the_person(fair: Fair) -> None:
    swap = await a_swap_agreed(fair)
    (older,) = await fair.register(1)
    await fair.hear(VendorMerged(vendor_id=older, into=UUID(swap["vendor_id"]), merge_id=new_id()))
    path = f"/v1/swaps/{swap['swap_id']}/approve"
    assert await fair.refused(path, token=both(fair, str(older))) == (403, "own-case")


async def test_an_officer_reads_its_own_appeal_and_reports_its_own_sales_as_the_vendor_that_it_is(fair: Fair) -> None:
    appeal = await an_appeal(fair)
    elsewhere = fair.issuer.token("both", ["officer", "vendor"], area="31.72", vendor_id=UUID(appeal["vendor_id"]))
    assert (await fair.shown(f"/v1/appeals/{appeal['appeal_id']}", token=elsewhere))["text"]

    sold = await sales(fair)
    path = f"/v1/applications/{sold['application_id']}/sales"
    await fair.done(f"{path}/confirm", {"day": str(DAYS[0])}, token=both(fair, sold["vendor_id"]))
    async with fair.database.read() as conn:
        by = await conn.fetchval(
            "SELECT confirmed_by FROM sales_report WHERE application_id = $1", UUID(sold["application_id"])
        )
    assert by == "vendor"


async def test_the_form_of_a_link_answers_nonsense_with_the_page_and_not_with_a_fault(fair: Fair) -> None:
    sold = await sales(fair)
    for act in ("report", "confirm"):
        answer = await fair.client.post(f"/v1/sales/{sold['token']}/form", data={"day": "besok", "act": act})
        assert (answer.status_code, answer.headers["location"].partition("said=")[2]) == (303, "invalid")


async def test_what_is_kept_of_a_request_by_link_names_neither_its_secret_nor_what_a_party_is_joined_with(
    fair: Fair,
) -> None:
    sold = await sales(fair)
    headers = {"Idempotency-Key": "by-link"}
    body = {"day": str(DAYS[0]), "turnover_rupiah": 1000, "transactions": 1}
    assert (await fair.client.post(f"/v1/sales/{sold['token']}", json=body, headers=headers)).is_success
    party = await a_party(fair)
    path = f"/v1/applications/{party['application_id']}/party/code"
    first, again = [(await fair.post(path, key="one-code")).json() for _ in range(2)]
    assert first == again != {"party_id": party["party_id"], "code": party["secret:code"]}
    async with fair.database.read() as conn:
        rows = await conn.fetch("SELECT caller, path, convert_from(body, 'UTF8') AS body FROM idempotency_key")
    kept = " ".join(str(tuple(row)) for row in rows)
    assert "/v1/sales/{token}" in kept
    assert [secret for secret in (sold["token"][22:], first["code"], party["secret:code"]) if secret in kept] == []
    token = fair.vendor(UUID(party["another"]))
    joined = await fair.post(f"/v1/applications/{party['other']}/party/join", {"code": first["code"]}, token=token)
    assert joined.is_success, joined.text


async def test_nobody_has_a_sales_file_read_for_a_bazaar_that_is_not_theirs(
    fair: Fair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object) -> None:
        raise AssertionError("the file was read before the caller was known")

    monkeypatch.setattr("services.bazaar.api.marketplace.read_sales_file", read)
    shop = await an_online_one(fair)
    path = f"/v1/bazaars/{shop['bazaar_id']}/marketplace-sales/import?marketplace=tokopedia"
    for token in (fair.vendor(UUID(shop["vendor_id"])), fair.officer("31.72")):
        assert (await send(fair.client, path, token, {}, b"a;b")).status_code == 403


async def test_a_key_of_one_caller_is_nothing_to_another(fair: Fair) -> None:
    ids = await an_open_one(fair)
    path, body = f"/v1/applications/{ids['application_id']}/change", {"needs": ["power"]}
    assert (await fair.post(path, body, token=fair.vendor(UUID(ids["vendor_id"])), key="k")).is_success
    stolen = await fair.post(path, body, token=fair.vendor(UUID(ids["another"])), key="k")
    assert (stolen.status_code, stolen.json()["code"]) == (403, "not-own-data")


async def test_markup_in_what_officers_write_stays_text_wherever_it_is_shown(fair: Fair) -> None:
    evil = "</script><script>alert(1)</script>\"'><img src=x onerror=y>"
    sites = [site("one", 2, name=evil)]
    link = {"kind": "other", "title": evil, "url": "https://contoh.id/?q=%22%3E"}
    bazaar_id = await fair.announce(sites, name=evil, theme=evil, organisers=[evil], links=[link])
    for path in (f"/bazaars/{bazaar_id}", "/bazaars"):
        page = await fair.client.get(path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
        assert "script-src" not in page.headers["content-security-policy"], "default-src 'none' holds for scripts"
    calendar = (await fair.client.get(f"/v1/bazaars/{bazaar_id}/calendar.ics")).text
    assert sum(line.startswith("BEGIN:VEVENT") for line in calendar.splitlines()) == 1
    for url in (
        "javascript:alert(1)",
        "data:text/html,x",
        "http://contoh.id",
        "https://a:b@contoh.id",
        "https://x\r\ny",
    ):
        wish = {"links": [{**link, "url": url}]}
        assert (await fair.refused(f"/v1/bazaars/{bazaar_id}/links", wish))[0] == 422
    for name in ("a\r\nDTSTART:20230101", "a\nBEGIN:VEVENT", "a\x00"):
        wish = {"links": [{**link, "title": name}]}
        assert (await fair.refused(f"/v1/bazaars/{bazaar_id}/links", wish))[0] == 422
