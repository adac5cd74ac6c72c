"""Standing interest: declared once, applied for when applications open; cut off and resumed; nobody twice."""

import asyncio
import os
import signal
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.bazaar.app import create
from services.bazaar.handlers.applications import apply
from services.bazaar.handlers.interests import APPLY, REMIND, apply_for_interested, remind_of_interest
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.rights import VendorErased
from shared.events.vendor import VendorMerged, VendorSuspended
from shared.ids import new_id
from shared.timers import run_due
from tests.conftest import FreshDatabase, MakeDatabase, Serve, StandingClock, repository_root
from tests.integration.bazaar import CLOSING, GAMBIR, Fair, site

VALID_UNTIL = "2023-12-31"


@pytest.fixture
async def fresh(make_database: MakeDatabase) -> FreshDatabase:
    return await make_database("bazaar")


@pytest.fixture
async def fair(fresh: FreshDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer) -> Fair:
    """The bazaar service, empty."""
    return Fair(fresh.database, serve(create, fresh), issuer, clock, sealer)


async def declare(fair: Fair, vendor_id: UUID, **more: Any) -> str:
    body = {"valid_until": VALID_UNTIL, **more}
    interest_id: str = (await fair.done("/v1/interests", body, token=fair.vendor(vendor_id)))["interest_id"]
    return interest_id


async def declare_many(fair: Fair, vendors: list[UUID]) -> None:
    """Each of these vendors wants every bazaar: 2,000 requests would prove nothing more."""
    async with fair.database.transaction() as conn:
        await conn.execute(
            "INSERT INTO interest (interest_id, version, vendor_id, state, origin, weekdays, categories, areas, "
            "venue_ids, any_site, needs, valid_until, declared_at, confirmed_at) "
            "SELECT i, 0, v, 'active', 'vendor', '{}', '{}', '{}', '{}', true, '{}', $3, $4, $4 "
            "FROM unnest($1::uuid[], $2::uuid[]) AS n (i, v)",
            [new_id() for _ in vendors],
            vendors,
            date.fromisoformat(VALID_UNTIL),
            fair.clock.now(),
        )


async def work_off(fair: Fair) -> int:
    """Work off the timers of interests that are due; how many there were."""
    worked = 0
    while await run_due(fair.database, {APPLY: apply_for_interested, REMIND: remind_of_interest}, fair.clock.now()):
        worked += 1
    return worked


async def outcomes(fair: Fair) -> Counter[str]:
    async with fair.database.read() as conn:
        rows = await conn.fetch("SELECT coalesce(because, 'applied') AS what FROM interest_outcome")
    return Counter(row["what"] for row in rows)


async def applied(fair: Fair) -> list[UUID]:
    """Who has an application by its standing interest."""
    async with fair.database.read() as conn:
        rows = await conn.fetch("SELECT vendor_id FROM application WHERE origin = 'standing' ORDER BY vendor_id")
    return [row["vendor_id"] for row in rows]


async def somebody_waits(fair: Fair) -> None:
    """Until a transaction of this database waits for another to end."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with fair.database.read() as conn:
        for _ in range(2000):
            if await conn.fetchval(query):
                return
            await asyncio.sleep(0.01)
    pytest.fail("nobody waits")


KILLED_IN_THE_THIRD = """
import asyncio, os, signal, sys
from datetime import datetime
from services.bazaar.handlers import interests
from shared.db import open_database
from shared.timers import run_due

calls, save_run = 0, interests.store.save_run

async def save_and_die(*arguments, **named):
    global calls
    calls += 1
    await save_run(*arguments, **named)
    if calls == 3:
        os.kill(os.getpid(), signal.SIGKILL)

interests.store.save_run = save_and_die

async def main():
    database, now = await open_database(sys.argv[1], size=2), datetime.fromisoformat(sys.argv[2])
    while await run_due(database, {interests.APPLY: interests.apply_for_interested}, now):
        pass

asyncio.run(main())
"""


async def test_a_run_for_two_thousand_that_is_killed_goes_on_where_it_was(fair: Fair, fresh: FreshDatabase) -> None:
    vendors = await fair.register(2000)
    await declare_many(fair, vendors)
    await fair.announce([site("one"), site("two", 2, GAMBIR)])

    killed = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        KILLED_IN_THE_THIRD,
        fresh.dsn,
        fair.clock.now().isoformat(),
        cwd=repository_root(),
        env={**os.environ},
    )
    assert await killed.wait() == -signal.SIGKILL
    assert len(await applied(fair)) == 1000

    await fair.crowd()
    workers = await asyncio.gather(*(work_off(fair) for _ in range(3)))

    assert sum(workers) >= 3
    assert await applied(fair) == sorted(vendors)
    assert await outcomes(fair) == {"applied": 2000}
    received = await fair.published("ApplicationReceived")
    assert len({event.key for event in received}) == len(received) == 2000
    assert {event.body["origin"] for event in received} == {"standing"}
    assert {str(event.body["choices"]) for event in received} == {"[['one', 'two']]"}
    await fair.assert_sequences_have_no_gap()


async def test_whom_a_run_leaves_alone_and_whom_it_tells_why(fair: Fair) -> None:
    names = ("free", "itself", "withdrew", "suspended", "paused", "ended", "merged", "into", "erased", "craft", "later")
    who = dict(zip(names, await fair.register(len(names), category="food-drink"), strict=True))
    (who["untrained"],) = await fair.register(1, trained=False)
    interests = {name: await declare(fair, vendor_id) for name, vendor_id in who.items() if name != "craft"}
    interests["craft"] = await declare(fair, who["craft"], categories=["fashion-craft"])
    interests["friday"] = await declare(fair, who["free"], weekdays=[5])
    for name, step in (("paused", "pause"), ("ended", "end")):
        await fair.done(f"/v1/interests/{interests[name]}/{step}", token=fair.vendor(who[name]))
    opens = fair.clock.now() + timedelta(hours=2)
    bazaar_id = await fair.announce(applications_open_at=opens.isoformat())
    assert await work_off(fair) == 0

    fair.clock.moment = opens
    await fair.apply(bazaar_id, who["itself"])
    taken_back = await fair.apply(bazaar_id, who["withdrew"])
    await fair.done(f"/v1/applications/{taken_back}/withdraw", token=fair.vendor(who["withdrew"]))
    await fair.hear(
        VendorSuspended(vendor_id=who["suspended"], reason="documents-missing"),
        VendorMerged(vendor_id=who["merged"], into=who["into"], merge_id=new_id()),
        VendorErased(vendor_id=who["erased"], erasure_id=new_id()),
    )
    assert await work_off(fair) == 1

    assert await applied(fair) == sorted([who["free"], who["merged"], who["later"]])
    assert await outcomes(fair) == {
        "applied": 3,
        "already-applied": 2,
        "withdrawn-before": 1,
        "vendor-suspended": 1,
        "training-missing": 1,
        "category-changed": 1,
    }
    async with fair.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM interest WHERE vendor_id = $1", who["erased"]) == 0
    shown = await fair.shown(f"/v1/interests/{interests['untrained']}", token=fair.vendor(who["untrained"]))
    (outcome,) = shown["outcomes"]
    assert (outcome["because"], outcome["application_id"]) == ("training-missing", None)
    assert "pelatihan" in outcome["explanation"]["id"]
    assert "training" in outcome["explanation"]["en"]
    await fair.assert_sequences_have_no_gap()

    # what is over is over: nothing is made again, for nobody
    async with fair.database.transaction() as conn:
        await apply_for_interested(conn, bazaar_id, fair.clock.now())
    assert len(await applied(fair)) == 3


async def test_a_vendor_that_applies_at_the_moment_of_the_run_has_one_application(fair: Fair) -> None:
    """Its own application is made and not yet committed when the run looks, so that the run sees none and waits."""
    vendors = await fair.register(3)
    await declare_many(fair, vendors)
    bazaar_id = UUID(await fair.announce())
    async with fair.database.transaction() as conn:
        await apply(conn, bazaar_id, vendors[1], [["one"]], application_id=new_id(), now=fair.clock.now())
        run = asyncio.create_task(work_off(fair))
        await somebody_waits(fair)
    assert await run == 1
    assert await applied(fair) == sorted([vendors[0], vendors[2]])
    assert await outcomes(fair) == {"applied": 2, "already-applied": 1}
    assert len(await fair.published("ApplicationReceived")) == 3
    await fair.assert_sequences_have_no_gap()


async def test_an_interest_is_asked_about_a_month_before_it_ends_and_confirmed(fair: Fair) -> None:
    (vendor_id,) = await fair.register(1)
    interest_id = await declare(fair, vendor_id, valid_until="2023-06-30")
    path, token = f"/v1/interests/{interest_id}", fair.vendor(vendor_id)
    fair.clock.moment = datetime(2023, 5, 31, 1, 59, tzinfo=UTC)
    assert await work_off(fair) == 0
    fair.clock.moment = datetime(2023, 5, 31, 2, 0, tzinfo=UTC)
    assert await work_off(fair) == 1
    (asked,) = await fair.published("InterestExpiring")
    assert (asked.sequence, asked.body["valid_until"]) == (1, "2023-06-30")

    assert await fair.refused(f"{path}/confirm", {"valid_until": "2024-06-01"}, token=token) == (409, "validity-wrong")
    await fair.done(f"{path}/confirm", {"valid_until": "2024-05-30"}, token=token)
    fair.clock.moment = datetime(2024, 4, 30, 2, 0, tzinfo=UTC)
    assert await work_off(fair) == 1
    assert [event.sequence for event in await fair.published("InterestExpiring")] == [1, 2]

    fair.clock.moment = datetime(2024, 6, 1, 2, 0, tzinfo=UTC)
    assert (await fair.shown(path, token=token))["expired"] is True
    await fair.done(f"{path}/end", token=token)
    assert await fair.refused(f"{path}/resume", token=token) == (409, "interest-ended")


async def test_an_interest_is_the_vendors_and_its_officers(fair: Fair) -> None:
    one, other = await fair.register(2)
    interest_id = await declare(fair, one)
    path = f"/v1/interests/{interest_id}"
    assert (await fair.get(path, token=fair.vendor(other))).status_code == 403
    assert (await fair.get(path, token=fair.officer("31.71.01"))).status_code == 403
    assert (await fair.get(path, token=fair.officer("31.71.02"))).status_code == 200
    assert await fair.refused(f"{path}/end", token=fair.vendor(other)) == (403, "not-own-data")
    for_other = {"vendor_id": str(one), "valid_until": VALID_UNTIL}
    assert await fair.refused("/v1/interests", for_other, token=fair.vendor(other)) == (403, "not-own-data")
    assert await fair.refused("/v1/interests", for_other, token=fair.officer("31.72")) == (403, "outside-area")
    await fair.done("/v1/interests", for_other, token=fair.officer("31.71.02"))
    listed = await fair.shown(f"/v1/vendors/{one}/interests?limit=1", token=fair.vendor(one))
    assert [item["origin"] for item in listed["items"]] == ["officer"]
    rest = await fair.shown(f"/v1/vendors/{one}/interests?after={listed['next']}", token=fair.vendor(one))
    assert [item["interest_id"] for item in rest["items"]] == [interest_id]
    unknown = {"valid_until": VALID_UNTIL, "series_id": str(new_id())}
    assert await fair.refused("/v1/interests", unknown, token=fair.vendor(one)) == (409, "unknown-series")
    for _ in range(3):
        await declare(fair, one)
    assert await fair.refused("/v1/interests", for_other, token=fair.vendor(one)) == (409, "interests-full")


async def test_applications_closed_before_a_late_run_stay_closed(fair: Fair) -> None:
    await declare_many(fair, await fair.register(3))
    await fair.announce()
    fair.clock.moment = CLOSING
    assert await work_off(fair) == 1
    assert await applied(fair) == []
