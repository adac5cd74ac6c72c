"""The event loop while a whole round is at work: other requests, and the checks of the service's health, go on.

Measured is the time of the processor that one step of the loop takes: how busy the machine is otherwise, and how long
the database takes, makes no difference.
"""

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from services.bazaar.handlers.interests import APPLY, apply_for_interested
from services.bazaar.handlers.offers import LAPSE, lapse_offers
from shared.timers import run_due
from tests.integration.bazaar import CLOSING, Fair, at, site

APPLICANTS = 4_000
STEP_MAX = 0.15
"""Seconds; with 35,000 applicants what is done all at once takes nine times as long."""

SITES, BOOTHS = 4, 100
DAY = date(2023, 3, 20)

VENDORS = """
INSERT INTO vendor (vendor_id, kelurahan, rw, category, agency)
SELECT gen_random_uuid(), '31.71.02.100' || n % 5, lpad((1 + n % 20)::text, 3, '0'),
    (ARRAY['food-drink', 'fashion-craft', 'meals-household', 'health'])[1 + n % 4],
    (ARRAY['ppkukm', 'ppapp', 'kpkp', 'sosial', 'parekraf', 'nakertransgi'])[1 + n % 6]
FROM generate_series(1, $1) AS n
"""
TRAINED = "INSERT INTO completion (vendor_id, class_id) SELECT vendor_id, gen_random_uuid() FROM vendor"
INTERESTED = """
INSERT INTO interest (interest_id, version, vendor_id, state, origin, weekdays, categories, areas, venue_ids, any_site,
    needs, valid_until, declared_at, confirmed_at)
SELECT gen_random_uuid(), 1, vendor_id, 'active', 'vendor', '{}', '{}', '{}', '{}', true, '{}', '2023-12-31', $1, $1
FROM vendor
"""
APPLIED = """
INSERT INTO application (application_id, bazaar_id, vendor_id, version, state, choices, site_ids, applied_at, groups)
SELECT gen_random_uuid(), $1, vendor_id, 1, 'received', $2, $3, $4, '{}' FROM vendor
"""
FIRST = (
    "INSERT INTO first_application (vendor_id, day) SELECT vendor_id, '2023-03-01' FROM vendor ON CONFLICT DO NOTHING"
)


@dataclass
class Steps:
    """How long the longest step of the loop took in each part of the story."""

    longest: dict[str, float] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)
    part: str = ""

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        self.part, begun = part, time.perf_counter()
        yield
        self.took[part], self.part = time.perf_counter() - begun, ""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    """Every step of the loop is measured from now on."""
    measured = Steps()
    gc.freeze()  # what the tests themselves have loaded is not looked through meanwhile
    run = asyncio.Handle._run

    def run_measured(handle: asyncio.Handle) -> None:
        begun = time.thread_time()
        run(handle)
        took = time.thread_time() - begun
        if measured.part:
            measured.longest[measured.part] = max(took, measured.longest.get(measured.part, 0.0))

    monkeypatch.setattr(asyncio.Handle, "_run", run_measured)
    yield measured
    gc.unfreeze()


@pytest.mark.usefixtures("rounds_apart")
async def test_no_step_of_a_round_holds_the_event_loop(fair: Fair, steps: Steps) -> None:
    sites = [f"s{number}" for number in range(SITES)]
    async with fair.database.transaction() as conn:
        await conn.execute(VENDORS, APPLICANTS)
        await conn.execute(TRAINED)
        await conn.execute(INTERESTED, fair.clock.now())
        await conn.execute("ANALYZE")

    wanted = await fair.announce([site(one, BOOTHS) for one in sites])
    with steps.of("interests"):
        for _ in range(APPLICANTS // 500 + 1):
            await run_due(fair.database, {APPLY: apply_for_interested}, fair.clock.now())
    async with fair.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM application") == APPLICANTS
    with steps.of("cancel before the round"):
        await fair.done(f"/v1/bazaars/{wanted}/cancel", {"reason": "weather"})

    bazaar_id = await fair.announce([site(one, BOOTHS) for one in sites], name="Bazar Jakpreneur Dua")
    async with fair.database.transaction() as conn:
        await conn.execute(APPLIED, UUID(bazaar_id), [sites], sites, fair.clock.now())
        await conn.execute(FIRST)
        await conn.execute("ANALYZE")
    policy = {"rotation": [{"by": "vendor", "measure": "turns"}]}
    with steps.of("preview"):
        await fair.done(f"/v1/bazaars/{bazaar_id}/preview", {"policy": policy})
    fair.clock.moment = CLOSING
    with steps.of("freeze"):
        await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    with steps.of("seed"):
        await fair.done(f"/v1/bazaars/{bazaar_id}/seed", {"seed": "3-8-19", "source": "Undian terbuka di balai warga"})
    with steps.of("allocate"):
        answer: dict[str, Any] = await fair.done(f"/v1/bazaars/{bazaar_id}/allocate")
    assert (answer["served"], answer["waiting"]) == (SITES * BOOTHS, APPLICANTS - SITES * BOOTHS)
    async with fair.database.read() as conn:
        offered = [
            str(row["application_id"])
            for row in await conn.fetch("SELECT application_id FROM application WHERE state = 'offered'")
        ]
    with steps.of("decline"):
        await fair.answer(offered[0], "decline")
    with steps.of("public files"):
        for path in ("rounds/1", "rounds/1/problem", "rounds/1/result", "queue", "rounds/1/numbering"):
            assert (await fair.get(f"/v1/bazaars/{bazaar_id}/{path}")).is_success, path
    with steps.of("move"):
        days = [day.isoformat() for day in (date(2023, 3, 27), date(2023, 3, 28))]
        await fair.done(f"/v1/bazaars/{bazaar_id}/move", {"days": days, "reason": "weather"})
    fair.clock.moment = at(date(2023, 3, 19))
    with steps.of("lapse"):
        assert await run_due(fair.database, {LAPSE: lapse_offers}, fair.clock.now())
    with steps.of("cancel"):
        await fair.done(f"/v1/bazaars/{bazaar_id}/cancel", {"reason": "weather"})
    held = {part: round(took, 3) for part, took in steps.longest.items() if took > STEP_MAX}
    assert not held, f"held the loop for so many seconds: {held}; {steps.longest}"
