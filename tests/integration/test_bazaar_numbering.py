"""Booth numbers of a round in the service: needs, parties and past spots count; nothing that fails holds a round up."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest
import pytest_asyncio

from services.bazaar import solving
from services.bazaar.numbering.site import read_site
from services.bazaar.numbering.solve import number_site
from services.bazaar.store.numbering import find_floor
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.rights import VendorErased
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.bazaar import Fair, open_fair, site
from tests.integration.test_bazaar_venues import GRID, planned_site, set_up

CLOSING_NEXT = datetime(2023, 4, 13, 10, 0, tzinfo=UTC)


@pytest_asyncio.fixture
async def fair(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> AsyncIterator[Fair]:
    yield await open_fair(make_database, serve, issuer, clock, sealer)


async def need(fair: Fair, application_ids: Sequence[str], *needs: str) -> None:
    """These vendors need this of their booths."""
    async with fair.database.transaction() as conn:
        await conn.execute(
            "UPDATE application SET needs = $2 WHERE application_id = ANY($1::uuid[])", application_ids, list(needs)
        )


async def booths(fair: Fair, bazaar_id: str) -> dict[str, str]:
    """Application -> the booth it was offered."""
    async with fair.database.read() as conn:
        rows = await conn.fetch(
            "SELECT application_id, booth FROM application WHERE bazaar_id = $1 AND booth IS NOT NULL", UUID(bazaar_id)
        )
    return {str(row["application_id"]): row["booth"] for row in rows}


@pytest.mark.usefixtures("rounds_apart")
async def test_a_round_numbers_its_booths_by_needs_and_tells_how_well(fair: Fair) -> None:
    bazaar_id, _ = await planned_site(fair)
    applications = await fair.apply_all(bazaar_id, await fair.register(12))
    await need(fair, applications[7:], "power")
    numbering = f"/v1/bazaars/{bazaar_id}/rounds/1/numbering"
    await fair.allocate(bazaar_id)
    given = await booths(fair, bazaar_id)
    assert len(set(given.values())) == 12
    async with fair.database.read() as conn:
        powered = {
            row["number"] for row in await conn.fetch("SELECT number FROM booth WHERE power AND kind = 'vendor'")
        }
        row = await conn.fetchrow("SELECT input, result FROM numbering")
    assert row is not None
    assert len(powered) == 4
    assert powered == {given[one] for one in applications[7:] if given[one] in powered}
    (shown,) = (await fair.client.get(numbering)).json()["sites"]
    assert (shown["site_id"], shown["vendors"], shown["optimal"], shown["needs_unmet"]) == ("one", 12, True, 1)
    assert shown["objective"] == shown["bound"]
    # from what is stored the same numbers come out again
    again = number_site(read_site(row["input"]))
    assert dict(again.booths) == row["result"]["booths"]
    assert set(again.booths.values()) == set(given.values())
    assert not set(row["result"]["booths"]) & set((await fair.client.get(numbering)).text.split('"'))


@pytest.mark.usefixtures("rounds_apart")
async def test_who_had_a_good_spot_gives_way_the_next_time(fair: Fair) -> None:
    bazaar_id, venue_id = await planned_site(fair)
    vendors = await fair.register(12)
    applications = await fair.apply_all(bazaar_id, vendors)
    await fair.allocate(bazaar_id)
    for application_id in applications:
        await fair.answer(application_id, "confirm")
    async with fair.database.read() as conn:
        value = {
            row["number"]: 2 * (row["spot"] == "good") - 2 * (row["spot"] == "bad") + row["corner"]
            for row in await conn.fetch("SELECT number, spot, corner FROM booth WHERE bazaar_id = $1", UUID(bazaar_id))
        }
    first = await booths(fair, bazaar_id)
    following = await fair.draft(
        [site("one", 12, venue_id=venue_id, agency_desks=["ppkukm", "kpkp"], reserves=[], partner_booths=["Bulog"])],
        days=["2023-04-20", "2023-04-21"],
        applications_close_at=CLOSING_NEXT.isoformat(),
    )
    await fair.done(f"/v1/bazaars/{following}/sites/one/plan", {"plan": 1})
    await fair.done(f"/v1/bazaars/{following}/announce")
    again = await fair.apply_all(following, vendors)
    async with fair.database.read() as conn:
        floor = await find_floor(conn, UUID(following))
    assert sorted(one.balance for one in floor.traits.values()) == sorted(value[number] for number in first.values())
    await fair.allocate(following, closing=CLOSING_NEXT)
    second = await booths(fair, following)
    had = [value[first[one]] + value[second[other]] for one, other in zip(applications, again, strict=True)]
    alone = [2 * value[first[one]] for one in applications]
    assert sum(worth**2 for worth in had) < sum(worth**2 for worth in alone)


@pytest.mark.usefixtures("rounds_apart")
async def test_a_numbering_that_fails_hands_out_the_numbers_in_order(
    fair: Fair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solving, "number_stored", divmod)  # which bytes and stands have not
    bazaar_id = await fair.announce([site("one", 3)])
    applications = await fair.apply_all(bazaar_id, await fair.register(3))
    await fair.allocate(bazaar_id)
    assert sorted((await booths(fair, bazaar_id)).values()) == ["A01", "A02", "A03"]
    assert await fair.states(applications) == ["offered"] * 3
    (shown,) = (await fair.client.get(f"/v1/bazaars/{bazaar_id}/rounds/1/numbering")).json()["sites"]
    assert (shown["method"], shown["because"]) == ("order", "the numbering failed: TypeError")


async def test_a_promotion_takes_a_booth_that_meets_the_needs(fair: Fair) -> None:
    venue_id = await set_up(fair)
    await fair.done(f"/v1/venues/{venue_id}/plans", {"after": 0, "grid": {**GRID, "rows": 1, "tents_per_row": 2}})
    bazaar_id = await fair.draft([site("one", 4, venue_id=venue_id)])
    await fair.done(f"/v1/bazaars/{bazaar_id}/sites/one/plan", {"plan": 1})
    await fair.done(f"/v1/bazaars/{bazaar_id}/announce")
    applications = await fair.apply_all(bazaar_id, await fair.register(6))
    await fair.allocate(bazaar_id)
    given = await booths(fair, bazaar_id)
    waiting = [one for one in applications if one not in given]
    await need(fair, waiting, "power")
    by_booth = {booth: one for one, booth in given.items()}
    await fair.answer(by_booth["A02"], "decline")
    await fair.answer(by_booth["A04"], "decline")
    now = await booths(fair, bazaar_id)
    assert {now[one] for one in waiting} == {"A02", "A04"}


async def test_the_erased_leave_their_needs_behind(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 2)])
    (vendor_id,) = await fair.register(1)
    (application_id,) = await fair.apply_all(bazaar_id, [vendor_id])
    await need(fair, [application_id], "access")
    await fair.allocate(bazaar_id)
    section = (await fair.shown(f"/v1/vendors/{vendor_id}/data", token=fair.vendor(vendor_id)))["sections"]
    (numbered,) = section["booth_numbering"]["data"]
    assert numbered["looked_at"]["needs"] == ["access"]
    await fair.hear(VendorErased(vendor_id=vendor_id, erasure_id=vendor_id))
    async with fair.database.read() as conn:
        row = await conn.fetchrow("SELECT input, result FROM numbering")
    assert row is not None
    assert row["input"]["seats"][0]["needs"] == []
    assert row["result"]["unmet"] == {}
