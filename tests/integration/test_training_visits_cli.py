"""`lapak visits import` against a served training service: exit codes, parts, the file of rejected rows, once more."""

import asyncio
import csv
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import httpx
import pytest
import uvicorn
from typer.testing import CliRunner

from services.training.app import create
from services.training.cli.visits import app
from services.training.handlers.assignments import assign
from services.training.visit_sheets import ROWS_MAX
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.service import Platform
from tests.conftest import MakeDatabase, StandingClock, environment
from tests.integration.training import School, moment, ok
from tests.integration.vendor import until


class Result(NamedTuple):
    """How a command ended and what it said."""

    exit_code: int
    output: str


@dataclass
class Served:
    """Training behind a real port, with a mentor who has vendors."""

    school: School
    url: str
    mentor_id: UUID
    vendors: list[UUID]

    async def run(self, *arguments: str | Path, token: str | None = None, url: str | None = None) -> Result:
        """Run `lapak visits import` with these arguments."""
        token = token or self.school.issuer.token("rina", ["mentor"])
        env = {"LAPAK_TOKEN": token, "LAPAK_TRAINING_URL": url or self.url, "COLUMNS": "200"}
        command = ["import", *map(str, arguments)]
        # in a thread: the service that it calls is served by this loop
        result = await asyncio.to_thread(CliRunner(env=env).invoke, app, command)
        return Result(result.exit_code, result.output)

    async def logged(self) -> int:
        async with self.school.database.read() as conn:
            return int(await conn.fetchval("SELECT count(*) FROM visit"))


@pytest.fixture
async def served(
    make_database: MakeDatabase,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Served]:
    fresh = await make_database("training")
    clock.moment = moment("2023-03-20T09:00")
    for name, value in environment(issuer, fresh.dsn).items():
        monkeypatch.setenv(name, value)
    service = create()
    served_app = service.app()
    served_app.state.platform = Platform(service.name, service.settings, fresh.database, clock, sealer)
    server = uvicorn.Server(uvicorn.Config(served_app, lifespan="off", log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server.serve(sockets=[listening]))

        async def started() -> bool:
            return server.started

        await until(started)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with httpx.AsyncClient(base_url=url) as client:
            school = School(fresh.database, client, issuer, clock, sealer)
            entry = {"kind": "employed", "name": "Rina", "agency": "ppkukm", "areas": ["31"], "load_max": 99}
            entered = await school.post("/v1/mentors", {**entry, "account": "rina"}, token=school.officer("31"))
            mentor_id = UUID(ok(entered, 201)["mentor_id"])
            vendors = await school.register(3)
            async with fresh.database.transaction() as conn:
                for vendor in vendors:
                    await assign(conn, vendor, mentor_id, kind="employed", by="officer", now=clock.now())
            yield Served(school, url, mentor_id, vendors)
        server.should_exit = True
        await running


def sheet(file: Path, rows: list[str]) -> Path:
    file.write_text("\n".join(["id_anggota;tanggal;nomor;catatan", *rows, ""]))
    return file


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        return list(csv.DictReader(opened, delimiter=";"))


def mend(file: Path) -> None:
    file.write_text(file.read_text(encoding="utf-8-sig").replace("99/03", "14/03"))


async def test_a_sheet_comes_in_once_whatever_its_length(served: Served, tmp_path: Path) -> None:
    vendor = served.vendors[0]
    # a note of two lines: where a row stands in its part is not where it stands in the file
    rows = [f'{vendor};15/03/2023;R{number};"satu\ndua"' for number in range(ROWS_MAX + 3)]
    rows[-2] = f"{vendor};99/03/2023;rusak;"
    file = sheet(tmp_path / "kunjungan.csv", rows)
    preview = await served.run("--dry-run", file)
    assert (preview.exit_code, await served.logged()) == (1, 0)
    assert "2003 rows: 2002 would be logged, 0 were already, 1 rejected." in preview.output
    first, second = await served.run(file), await served.run(file)
    assert "2003 rows: 2002 logged, 0 were already, 1 rejected." in first.output
    assert f"line {2 + 2 * (ROWS_MAX + 1)}: visited_on '99/03/2023' is no day" in first.output
    assert "2003 rows: 0 logged, 2002 were already, 1 rejected." in second.output
    assert (first.exit_code, second.exit_code, await served.logged()) == (1, 1, 2002)
    rejected = Path(f"{file}.rejected.csv")
    (row,) = rows_of(rejected)
    assert (row["nomor"], row["rejected_field"]) == ("rusak", "visited_on")
    mend(rejected)
    mended = await served.run(rejected)
    assert (mended.exit_code, await served.logged()) == (0, 2003)


async def test_what_cannot_be_sent_ends_with_two_and_says_why(served: Served, tmp_path: Path) -> None:
    good = sheet(tmp_path / "a.csv", [f"{served.vendors[0]};15/03/2023;;"])
    other = tmp_path / "b.csv"
    other.write_text("nama;alamat\nx;y\n")
    for arguments, token, url, word in (
        ((tmp_path / "none.csv",), None, None, "cannot be read"),
        ((other,), None, None, "template.csv"),
        ((sheet(tmp_path / "c.csv", []),), None, None, "no row"),
        ((good,), served.school.vendor(served.vendors[0]), None, "Refused (role-missing)"),
        ((good,), None, "http://127.0.0.1:1", "does not answer"),
        ((good,), None, "nonsense", "is no address"),
    ):
        result = await served.run(*arguments, token=token, url=url)
        assert (result.exit_code, word in result.output) == (2, True), result.output
    officer = await served.run("--mentor", str(served.mentor_id), good, token=served.school.officer())
    assert (officer.exit_code, await served.logged()) == (0, 1)
