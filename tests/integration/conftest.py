"""Fixtures of the integration tests beside those of all."""

from pathlib import Path

import pytest

from services.vendor.app import create
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from tests.conftest import StandingClock
from tests.integration.vendor import MakeDatabase, Registry, Serve


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
