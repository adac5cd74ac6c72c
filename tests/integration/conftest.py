"""Fixtures of the integration tests beside those of all."""

from pathlib import Path

import pytest

from services.bazaar.allocation.stored import Solved, solve_stored
from services.bazaar.api import rounds as rounds_api
from services.bazaar.numbering import Floor, SiteNumbers, number_stored
from services.bazaar.numbering import round as rounds_numbered
from services.notify.app import create as create_notify
from services.vendor.app import create
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.bazaar import Fair, open_fair
from tests.integration.notify import Desk, Front
from tests.integration.notify_replies import Counter
from tests.integration.notify_wishes import House
from tests.integration.outside import Outside
from tests.integration.vendor import Registry

EFFORT = 0.02
"""Of the solver that numbers stands, in tests of other things."""


@pytest.fixture
async def registry(
    make_database: MakeDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Registry:
    """The vendor service on a database and a folder of files of its own."""
    monkeypatch.setenv("LAPAK_FILES", str(tmp_path / "files"))
    fresh = await make_database("vendor")
    return Registry(fresh.dsn, fresh.database, serve(create, fresh), issuer, clock, sealer)


@pytest.fixture
def rounds_apart() -> None:
    """For tests of bazaars whose rounds are solved as the service does it: in a process apart, at full effort."""


@pytest.fixture(autouse=True)
def rounds_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of the other tests of bazaars are solved in this process, their stands numbered with little effort: a
    process for each, which loads the solver anew, took half of the time of these tests."""
    if "test_bazaar" not in request.path.name or "rounds_apart" in request.fixturenames:
        return

    async def solve_here(problem: bytes, floor: Floor) -> tuple[Solved, list[SiteNumbers]]:
        solved = solve_stored(problem)
        return solved, number_stored(solved.result, floor)

    monkeypatch.setattr(rounds_api, "solve_and_number", solve_here)
    monkeypatch.setattr(rounds_numbered, "EFFORT", EFFORT)


@pytest.fixture
async def desk(make_database: MakeDatabase, clock: StandingClock, sealer: Sealer) -> Desk:
    """Notify on a fresh database."""
    return Desk((await make_database("notify")).database, clock, sealer)


@pytest.fixture
def counter(desk: Desk) -> Counter:
    """Notify, reached by phone."""
    return Counter(desk)


@pytest.fixture
async def front(
    make_database: MakeDatabase, serve: Serve, clock: StandingClock, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> Front:
    """Notify on a fresh database, with its HTTP door; no mail server is behind it."""
    monkeypatch.setenv("LAPAK_SMTP", "127.0.0.1:1")
    fresh = await make_database("notify")
    return Front(Desk(fresh.database, clock, sealer), serve(create_notify, fresh))


@pytest.fixture
async def fair(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> Fair:
    """The bazaar service, empty."""
    return await open_fair(make_database, serve, issuer, clock, sealer)


@pytest.fixture
def house(front: Front, issuer: LocalIssuer, clock: StandingClock) -> House:
    """Notify on a fresh database, with its HTTP door."""
    return House(front.desk, front.client, issuer, clock)


@pytest.fixture
async def outside(house: House) -> Outside:
    """Notify with operators and other systems before it."""
    return Outside(house.desk, house.client, house.issuer)
