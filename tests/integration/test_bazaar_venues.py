"""Venues and floor plans: who sets them up, what is refused, what a site takes from a plan, what everyone sees."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4
from xml.etree import ElementTree as ET

import httpx
import pytest_asyncio

from services.bazaar.app import BazaarSettings
from services.bazaar.domain.venues import PHOTOS_MAX
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.files.rows import REMOVE_FILE
from shared.files.storage import remover
from shared.settings import load
from shared.timers import run_due
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.bazaar import GAMBIR, KARANG_ANYAR, Fair, open_fair, site
from tests.unit.test_vendor_pictures import exif, jpeg, segment

SVG = "{http://www.w3.org/2000/svg}"
RUSUN = {
    "kind": "rusun",
    "name": "Rusun <Karang> & Anyar",
    "kelurahan": KARANG_ANYAR,
    "capacity": 30,
    "address": "Jl. Karang Anyar 1",
    "position": {"latitude": -6.16, "longitude": 106.83},
    "facilities": ["power", "toilet"],
}
GRID = {"width": 24, "depth": 14, "rows": 2, "tents_per_row": 3, "desks": 2, "partners": 1}


@pytest_asyncio.fixture
async def fair(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> AsyncIterator[Fair]:
    yield await open_fair(make_database, serve, issuer, clock, sealer)


async def set_up(fair: Fair, **more: Any) -> str:
    """A venue."""
    venue_id: str = (await fair.done("/v1/venues", {**RUSUN, **more}))["venue_id"]
    return venue_id


async def test_an_officer_of_the_area_sets_up_edits_and_retires_a_venue(fair: Fair) -> None:
    abroad = fair.officer("31.74")
    assert await fair.refused("/v1/venues", RUSUN, token=abroad) == (403, "outside-area")
    assert (await fair.refused("/v1/venues", {**RUSUN, "kelurahan": "31.71.02.1999"}))[0] == 422
    venue_id = await set_up(fair)
    edited = {**RUSUN, "name": "Rusun Karang Anyar", "capacity": 40, "version": 1}
    assert await fair.refused(f"/v1/venues/{venue_id}/edit", edited, token=abroad) == (403, "outside-area")
    assert (await fair.done(f"/v1/venues/{venue_id}/edit", edited))["version"] == 2
    assert await fair.refused(f"/v1/venues/{venue_id}/edit", edited) == (409, "venue-outdated")
    other = await set_up(fair, kind="hall", kelurahan=GAMBIR, name="Balai", position=None, address=None)
    listed = await fair.client.get("/v1/venues?limit=1")
    assert [one["venue_id"] for one in listed.json()["items"]] == [venue_id]
    following = await fair.client.get(f"/v1/venues?limit=1&after={listed.json()['next']}")
    assert [one["venue_id"] for one in following.json()["items"]] == [other]
    for query, expected in (("area=31.71.02", [venue_id]), ("kind=hall", [other]), ("area=31.7", None)):
        answer = await fair.client.get(f"/v1/venues?{query}")
        if expected is None:
            assert answer.status_code == 422
        else:
            assert [one["venue_id"] for one in answer.json()["items"]] == expected
    await fair.done(f"/v1/venues/{venue_id}/retire", {"version": 2})
    assert [one["venue_id"] for one in (await fair.client.get("/v1/venues")).json()["items"]] == [other]
    shown = (await fair.client.get(f"/v1/venues/{venue_id}")).json()
    assert (shown["capacity"], shown["retired_at"] is not None, shown["version"]) == (40, True, 3)
    assert (await fair.client.get(f"/v1/venues/{uuid4()}")).json()["code"] == "venue-unknown"


async def test_a_site_fits_its_venue_or_is_refused(fair: Fair) -> None:
    venue_id = await set_up(fair, capacity=6)
    await fair.draft([site("one", 6, venue_id=venue_id)])

    async def refused(*sites: dict[str, Any]) -> str:
        bazaar = {
            "name": "Bazar",
            "organisers": ["PPKUKM"],
            "days": ["2023-03-20", "2023-03-21"],
            "applications_close_at": "2023-03-13T10:00:00Z",
            "sites": list(sites),
        }
        return (await fair.refused("/v1/bazaars", bazaar))[1]

    assert await refused(site("one", venue_id=str(uuid4()))) == "venue-unknown"
    assert await refused(site("one", kelurahan=GAMBIR, venue_id=venue_id)) == "venue-elsewhere"
    assert await refused(site("one", 7, venue_id=venue_id)) == "venue-too-small"
    assert await refused(site("one", 4, venue_id=venue_id), site("two", 3, venue_id=venue_id)) == "venue-too-small"
    by_day = [
        site("one", 4, venue_id=venue_id, days=["2023-03-20"]),
        site("two", 6, venue_id=venue_id, days=["2023-03-21"]),
    ]
    await fair.draft(by_day)
    await fair.done(f"/v1/venues/{venue_id}/retire", {"version": 1})
    assert await refused(site("one", venue_id=venue_id)) == "venue-retired"


async def test_a_plan_is_drawn_checked_and_never_changed(fair: Fair) -> None:
    venue_id = await set_up(fair)
    plans = f"/v1/venues/{venue_id}/plans"
    assert (await fair.client.get(f"/v1/venues/{venue_id}/plan")).json()["code"] == "plan-unknown"
    assert (await fair.done(plans, {"after": 0, "grid": GRID}))["stands"] == 15
    drawn = (await fair.client.get(f"/v1/venues/{venue_id}/plan")).json()
    plan = {name: value for name, value in drawn.items() if name not in ("venue_id", "plan")}
    assert await fair.refused(plans, {"after": 0, "plan": plan}) == (409, "plan-outdated")
    assert (await fair.done(plans, {"after": 1, "plan": plan}))["plan"] == 2
    plan["stands"][1]["x"] -= 0.5
    response = await fair.post(plans, {"after": 2, "plan": plan})
    assert response.json()["code"] == "plan-invalid"
    (overlap, *_) = response.json()["details"]["findings"]
    assert (overlap["code"], overlap["stands"], overlap["metres"]) == ("overlap", ["A01", "A02"], 0.5)
    too_small = await fair.post(plans, {"after": 2, "grid": {**GRID, "depth": 5}})
    assert too_small.json()["details"]["findings"][0]["code"] == "too-small"
    assert await fair.refused(plans, {"after": 2, "grid": GRID}, token=fair.officer("31.74")) == (403, "outside-area")


async def test_two_who_draw_at_once_do_not_overwrite_each_other(fair: Fair) -> None:
    venue_id = await set_up(fair)
    await fair.crowd()
    answers = await asyncio.gather(
        *(fair.post(f"/v1/venues/{venue_id}/plans", {"after": 0, "grid": GRID}) for _ in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]


async def planned_site(fair: Fair, *, announce: bool = True) -> tuple[str, str]:
    """A bazaar of one site of twelve booths and two desks, set up by a plan; its id and the venue's."""
    venue_id = await set_up(fair)
    await fair.done(f"/v1/venues/{venue_id}/plans", {"after": 0, "grid": GRID})
    bazaar_id = await fair.draft(
        [site("one", 12, venue_id=venue_id, agency_desks=["ppkukm", "kpkp"], reserves=[], partner_booths=["Bulog <b>"])]
    )
    await fair.done(f"/v1/bazaars/{bazaar_id}/sites/one/plan", {"plan": 1})
    if announce:
        await fair.done(f"/v1/bazaars/{bazaar_id}/announce")
    return bazaar_id, venue_id


async def test_a_site_takes_its_stands_from_the_plan(fair: Fair) -> None:
    bazaar_id, _ = await planned_site(fair)
    async with fair.database.read() as conn:
        rows = await conn.fetch("SELECT * FROM booth ORDER BY position")
    assert [row["number"] for row in rows] == [*(f"A{at:02d}" for at in range(1, 13)), "D01", "D02", "P01"]
    assert [row["holder"] for row in rows][-3:] == ["ppkukm", "kpkp", "Bulog <b>"]
    assert [row["corner"] for row in rows[:6]] == [True, False, False, False, False, True]
    assert {row["spot"] for row in rows} == {"good", "normal", "bad"}
    assert all(row["x"] is not None for row in rows)
    path = f"/v1/bazaars/{bazaar_id}/sites"
    assert await fair.refused(f"{path}/none/plan", {"plan": 1}) == (404, "plan-unknown")
    assert await fair.refused(f"{path}/one/plan", {"plan": 2}) == (404, "plan-unknown")
    assert await fair.refused(f"{path}/one/plan", {"plan": 1}, token=fair.officer("31.74")) == (403, "outside-area")


async def test_a_plan_of_other_stands_is_refused_and_after_the_freeze_every_plan(fair: Fair) -> None:
    bazaar_id, venue_id = await planned_site(fair)
    path = f"/v1/bazaars/{bazaar_id}/sites/one/plan"
    await fair.done(f"/v1/venues/{venue_id}/plans", {"after": 1, "grid": {**GRID, "tents_per_row": 4}})
    assert await fair.refused(path, {"plan": 2}) == (409, "plan-misfit")
    await fair.done(f"/v1/venues/{venue_id}/plans", {"after": 2, "grid": {**GRID, "desks": 1}})
    assert await fair.refused(path, {"plan": 3}) == (409, "plan-misfit")
    await fair.allocate(bazaar_id)
    assert await fair.refused(path, {"plan": 1}) == (409, "wrong-moment")


async def test_everyone_sees_which_stands_are_taken_and_by_nobodys_name(fair: Fair) -> None:
    bazaar_id, venue_id = await planned_site(fair, announce=False)
    path = f"/v1/bazaars/{bazaar_id}/sites/one/plan.svg"
    assert (await fair.client.get(path)).json()["code"] == "bazaar-unknown"
    await fair.done(f"/v1/bazaars/{bazaar_id}/announce")
    vendors = await fair.register(3)
    applications = await fair.apply_all(bazaar_id, vendors)
    await fair.allocate(bazaar_id)
    await fair.answer(applications[0], "confirm")
    taken = (await fair.application(applications[0]))["offer"]["booth"]
    response = await fair.client.get(f"{path}?booth=A02&form=print")
    assert response.headers["content-type"] == "image/svg+xml"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    drawing = ET.fromstring(response.text)
    said = {group.get("id"): group.findtext(f"{SVG}title") or "" for group in drawing.iter(f"{SVG}g")}
    assert "terisi" in said[f"stand-{taken}"]
    assert sum("terisi" in text for text in said.values()) == 1
    assert "lapak yang dicari" in said["stand-A02"]
    assert said["stand-P01"].startswith("Mitra P01, Bulog <b>")
    assert drawing.get("width") in ("210mm", "297mm")
    again = await fair.client.get(f"{path}?booth=A02&form=print", headers={"If-None-Match": response.headers["etag"]})
    assert again.status_code == 304
    assert (await fair.client.get(f"{path}?booth=Z99")).json()["code"] == "plan-unknown"
    venue = await fair.client.get(f"/v1/venues/{venue_id}/plan.svg")
    assert "terisi" not in venue.text
    assert "Rusun &lt;Karang&gt; &amp; Anyar" in venue.text


async def test_photos_lose_their_notes_and_go_when_they_are_removed(fair: Fair) -> None:
    venue_id = await set_up(fair)
    path = f"/v1/venues/{venue_id}/photos"
    secret = b"GPS -6.1612 106.8312"

    async def send(content: bytes, token: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or fair.officer()}", "Idempotency-Key": str(uuid4())}
        return await fair.client.post(path, files={"file": ("a.jpg", content, "image/jpeg")}, headers=headers)

    photo = jpeg(notes=segment(0xE1, exif(6, note=secret)))
    assert secret in photo
    assert (await send(photo, fair.officer("31.74"))).json()["code"] == "outside-area"
    assert (await send(b"%PDF-1.7 no picture")).json()["code"] == "file-type"
    photo_id = (await send(photo)).json()["photo_id"]
    (shown,) = (await fair.client.get(f"/v1/venues/{venue_id}")).json()["photos"]
    picture = await fair.client.get(shown)
    assert picture.headers["content-type"] == "image/jpeg"
    assert secret not in picture.content
    assert (await fair.client.get(f"/v1/venues/{uuid4()}/photos/{photo_id}")).status_code == 404
    await fair.post(f"{path}/{photo_id}/remove")
    assert (await fair.client.get(shown)).json()["code"] == "photo-unknown"
    removal = {REMOVE_FILE: remover(load(BazaarSettings))}
    while await run_due(fair.database, removal, fair.clock.now()):
        pass
    async with fair.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM stored_file") == 0


async def test_at_most_so_many_photos_are_kept_also_when_they_come_at_once(fair: Fair) -> None:
    venue_id = await set_up(fair)
    async with fair.database.transaction() as conn:
        for _ in range(PHOTOS_MAX - 1):
            file_id = uuid4()
            await conn.execute(
                "INSERT INTO stored_file (file_id, media_type, bytes, stored_at, kept) "
                "VALUES ($1, 'image/jpeg', 1, now(), true)",
                file_id,
            )
            await conn.execute("INSERT INTO venue_photo VALUES ($1, $2, now())", file_id, UUID(venue_id))
    await fair.crowd()
    answers = await asyncio.gather(
        *(
            fair.client.post(
                f"/v1/venues/{venue_id}/photos",
                files={"file": ("a.jpg", jpeg(), "image/jpeg")},
                headers={"Authorization": f"Bearer {fair.officer()}", "Idempotency-Key": str(uuid4())},
            )
            for _ in range(3)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
