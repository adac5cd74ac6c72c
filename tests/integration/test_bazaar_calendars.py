"""Calendar feeds as another library reads them, compared with the database; a vendor's own by its secret link."""

import asyncio
from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest
import vobject

from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.rights import VendorErased
from shared.events.vendor import VendorMerged
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.bazaar import GAMBIR, Fair, open_fair, site


@pytest.fixture
async def fair(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> Fair:
    """The bazaar service, empty, on 1 March 2023."""
    return await open_fair(make_database, serve, issuer, clock, sealer)


async def events(fair: Fair, path: str) -> dict[str, Any]:
    """Events of a feed by UID, as vobject reads them."""
    response = await fair.client.get(path)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/calendar; charset=utf-8"
    found = getattr(vobject.readOne(response.content.decode()), "vevent_list", [])
    assert len({event.uid.value for event in found}) == len(found)
    return {event.uid.value.removesuffix("@lapak"): event for event in found}


def days_of(event: Any) -> tuple[date, date]:
    return (event.dtstart.value, event.dtend.value)


async def plan(fair: Fair) -> str:
    body = {
        "name": "Bazar; dua, hari \\ Jum'at 🛍️",
        "organisers": ["Sudin PPKUKM"],
        "sites": [site("one")],
        "recurrence": "RRULE:FREQ=MONTHLY;BYMONTHDAY=20",
        "first_day": "2023-03-20",
        "window": [0, 1, 4],
        "applications_close": {"days_before": 7, "at": "17:00"},
    }
    series_id: str = (await fair.done("/v1/series", body))["series_id"]
    await fair.done(f"/v1/series/{series_id}/plan", {"until": "2023-06-30"})
    return series_id


async def test_a_calendar_shows_the_days_that_the_database_holds(fair: Fair) -> None:
    series_id = await plan(fair)
    await fair.announce([site("one")], name="Bazar lain")
    await fair.draft([site("one")])
    async with fair.database.read() as conn:
        rows = await conn.fetch("SELECT bazaar_id, name, days, state, revision FROM bazaar WHERE state <> 'draft'")
    everything = await events(fair, "/v1/calendar.ics")
    spread = {uid: range(*(day.toordinal() for day in days_of(event))) for uid, event in everything.items()}
    for row in rows:
        own = [uid for uid in everything if uid.startswith(str(row["bazaar_id"]))]
        assert sorted(date.fromordinal(day) for uid in own for day in spread[uid]) == row["days"]
        for uid in own:
            assert everything[uid].summary.value == row["name"]
            assert everything[uid].sequence.value == str(row["revision"])
            assert everything[uid].status.value == ("TENTATIVE" if row["state"] == "tentative" else "CONFIRMED")
    assert len(everything) == 4 * 2 + 1
    of_series = await events(fair, f"/v1/series/{series_id}/calendar.ics")
    assert of_series.keys() == (await events(fair, f"/v1/calendar.ics?series_id={series_id}")).keys()
    assert len(of_series) == 8


async def test_a_calendar_is_of_an_area_a_setting_or_one_bazaar(fair: Fair) -> None:
    here = await fair.announce([site("one")])
    both = await fair.announce([site("one"), site("two", kelurahan=GAMBIR)])
    online = await fair.announce([site("one", kelurahan=GAMBIR)], setting="online", area="31.71")

    async def of(query: str) -> set[str]:
        return set(await events(fair, f"/v1/calendar.ics?{query}"))

    assert await of("area=31.71.02") == {here, both, online}
    assert await of("area=31.71.01") == {both, online}
    assert await of("area=31") == {here, both, online}
    assert await of("area=31.72") == set()
    assert await of("setting=online") == {online}
    assert await of("setting=online&area=31.71.02.1002") == {online}
    assert set(await events(fair, f"/v1/bazaars/{here}/calendar.ics")) == {here}
    draft = await fair.draft()
    for path in (f"bazaars/{draft}", f"bazaars/{new_id()}", f"series/{new_id()}"):
        assert (await fair.client.get(f"/v1/{path}/calendar.ics")).status_code == 404
    assert (await fair.client.get("/v1/calendar.ics?area=abc")).status_code == 422


async def test_a_cancelled_bazaar_stays_visible_with_a_higher_sequence(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    path = f"/v1/bazaars/{bazaar_id}/calendar.ics"
    before = (await events(fair, path))[bazaar_id]
    fair.clock.advance(hours=1)
    await fair.done(f"/v1/bazaars/{bazaar_id}/cancel", {"reason": "weather"})
    after = (await events(fair, path))[bazaar_id]
    assert (before.status.value, after.status.value) == ("CONFIRMED", "CANCELLED")
    assert int(after.sequence.value) > int(before.sequence.value)
    assert days_of(after) == days_of(before)
    assert set(await events(fair, "/v1/calendar.ics")) == {bazaar_id}


async def test_a_feed_that_has_not_changed_is_not_sent_again(fair: Fair) -> None:
    await fair.announce()
    first = await fair.client.get("/v1/calendar.ics")
    tag = first.headers["etag"]
    fair.clock.advance(hours=5)
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = await fair.client.get("/v1/calendar.ics", headers={"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (await fair.client.get("/v1/calendar.ics")).content == first.content
    await fair.announce(name="Bazar lain")
    changed = await fair.client.get("/v1/calendar.ics", headers={"if-none-match": tag})
    assert (changed.status_code, changed.headers["etag"] != tag) == (200, True)


async def link(fair: Fair, vendor_id: UUID, *, token: str | None = None, key: str | None = None) -> str:
    response = await fair.post(f"/v1/vendors/{vendor_id}/calendar-link", token=token or fair.vendor(vendor_id), key=key)
    assert response.status_code == 201, response.text
    path: str = response.json()["path"]
    return path


async def test_a_vendor_reads_its_booths_offers_and_applications_by_its_link(fair: Fair) -> None:
    vendor_id, other = await fair.register(2)
    allocated = await fair.announce([site("one", 2), site("two", 1, days=["2023-03-21"])])
    offered = await fair.apply(allocated, vendor_id, ["two"])
    foreign = await fair.apply(allocated, other)
    waiting = await fair.apply(await fair.announce(name="Bazar lain"), vendor_id)
    path = await link(fair, vendor_id)
    found = await events(fair, path)
    assert set(found) == {offered, waiting}
    assert found[waiting].status.value == "TENTATIVE"

    await fair.allocate(allocated)
    found = await events(fair, path)
    assert (found[offered].status.value, days_of(found[offered])) == (
        "TENTATIVE",
        (date(2023, 3, 21), date(2023, 3, 22)),
    )
    assert found[offered].summary.value == "Tawaran lapak: Bazar Jakpreneur"
    assert found[offered].location.value == "Rusun two"
    before = int(found[offered].sequence.value)
    await fair.answer(offered, "confirm")
    found = await events(fair, path)
    assert found[offered].status.value == "CONFIRMED"
    assert int(found[offered].sequence.value) > before
    await fair.done(f"/v1/applications/{waiting}/withdraw", token=fair.vendor(vendor_id))
    assert (await events(fair, path))[waiting].status.value == "CANCELLED"
    assert foreign not in str(await fair.client.get(path))
    assert (await fair.client.get(path)).headers["cache-control"] == "private, no-cache"


async def test_a_link_is_secret_revocable_one_at_a_time_and_kept_as_a_hash(fair: Fair) -> None:
    vendor_id, other = await fair.register(2)
    first = await link(fair, vendor_id, key="once")
    assert await link(fair, vendor_id, key="once") == first
    secret = first.partition("key=")[2]
    assert len(secret) == 43
    assert (await fair.client.get(first)).status_code == 200
    for path in (
        f"/v1/vendors/{vendor_id}/calendar.ics?key={secret[:-1]}",
        f"/v1/vendors/{vendor_id}/calendar.ics?key={other}",
        f"/v1/vendors/{other}/calendar.ics?key={secret}",
    ):
        assert (await fair.client.get(path)).status_code == 404
    assert (await fair.client.get(f"/v1/vendors/{vendor_id}/calendar.ics")).status_code == 422
    for token in (fair.vendor(other), fair.officer("31"), fair.issuer.token("r", ["officer", "registrar"], area="31")):
        assert await fair.refused(f"/v1/vendors/{vendor_id}/calendar-link", token=token) == (403, "not-own-data")
        assert await fair.refused(f"/v1/vendors/{vendor_id}/calendar-link/revoke", token=token) == (403, "not-own-data")
    async with fair.database.read() as conn:
        links = await conn.fetch("SELECT to_jsonb(calendar_link)::text AS text FROM calendar_link")
        answers = await conn.fetch("SELECT convert_from(body, 'UTF8') AS text FROM idempotency_key")
    assert links
    assert answers
    assert not any(secret in row["text"] for row in [*links, *answers])

    second = await link(fair, vendor_id)
    assert (await fair.client.get(first)).status_code == 404
    assert (await fair.client.get(second)).status_code == 200
    response = await fair.post(f"/v1/vendors/{vendor_id}/calendar-link/revoke", token=fair.vendor(vendor_id))
    assert response.status_code == 204
    assert (await fair.client.get(second)).status_code == 404


async def test_of_links_made_at_once_one_leads_somewhere(fair: Fair) -> None:
    (vendor_id,) = await fair.register(1)
    await fair.crowd()
    paths = await asyncio.gather(*(link(fair, vendor_id) for _ in range(5)))
    codes = [(await fair.client.get(path)).status_code for path in paths]
    assert sorted(codes) == [200, 404, 404, 404, 404]


async def test_a_person_has_one_calendar_and_an_erased_one_none(fair: Fair) -> None:
    retired, survivor = await fair.register(2)
    bazaar_id = await fair.announce()
    application = await fair.apply(bazaar_id, retired)
    path = await link(fair, survivor)
    assert set(await events(fair, path)) == set()
    await fair.hear(VendorMerged(vendor_id=retired, into=survivor, merge_id=new_id()))
    assert set(await events(fair, path)) == {application}
    shown = await fair.shown(f"/v1/vendors/{survivor}/data", token=fair.vendor(survivor))
    (kept,) = shown["sections"]["calendar_links"]["data"]
    assert datetime.fromisoformat(kept["made_at"]) == fair.clock.now()
    await fair.hear(VendorErased(vendor_id=survivor, erasure_id=new_id()))
    (receipt,) = await fair.published("BazaarDataErased")
    assert receipt.body["erased"]["calendar_links"] == 1
    assert (await fair.client.get(path)).status_code == 404
    assert await fair.refused(f"/v1/vendors/{survivor}/calendar-link", token=fair.vendor(survivor)) == (
        404,
        "vendor-unknown",
    )
