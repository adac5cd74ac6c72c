"""`lapak vendors import` against a served registry: exit codes, the file of rejected rows, going on after a break."""

import asyncio
import csv
import os
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
import uvicorn
import xlsxwriter

from services.vendor.app import create
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.service import Platform
from tests.conftest import MakeDatabase, StandingClock, environment
from tests.integration.vendor import HEADINGS, Registry, nik, row, sheet, until


class Result(NamedTuple):
    """How a command ended and what it said."""

    exit_code: int
    output: str


@dataclass
class Served:
    """The registry behind a real port."""

    registry: Registry
    url: str

    async def run(self, *arguments: str | Path, token: str | None = None, url: str | None = None) -> Result:
        """Run `lapak vendors import` with these arguments."""
        process = await self.start(*arguments, token=token, url=url)
        said = (await process.communicate())[0].decode()
        assert process.returncode is not None
        return Result(process.returncode, said)

    async def start(
        self, *arguments: str | Path, token: str | None = None, url: str | None = None
    ) -> asyncio.subprocess.Process:
        """Start the command in a process of its own."""
        env = {**os.environ, "LAPAK_TOKEN": token or self.registry.officer(), "LAPAK_VENDOR_URL": url or self.url}
        command = ["-c", "from services.vendor.cli import app; app()", "import", *map(str, arguments)]
        pipe, merged = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
        return await asyncio.create_subprocess_exec(sys.executable, *command, env=env, stdout=pipe, stderr=merged)


@pytest.fixture
async def served(
    make_database: MakeDatabase,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Served]:
    fresh = await make_database("vendor")
    for name, value in environment(issuer, fresh.dsn).items():
        monkeypatch.setenv(name, value)
    service = create()
    app = service.app()
    app.state.platform = Platform(service.name, service.settings, fresh.database, clock, sealer)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server.serve(sockets=[listening]))

        async def started() -> bool:
            return server.started

        await until(started)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        yield Served(Registry(fresh.dsn, fresh.database, None, issuer, clock, sealer), url)  # type: ignore[arg-type]  # the CLI is the client here
        server.should_exit = True
        await running


def beside(file: Path) -> Path:
    """Where the rejected rows of a file are written."""
    return Path(f"{file}.rejected.csv")


def exists(file: Path) -> bool:
    return file.exists()


def mode(file: Path) -> int:
    return file.stat().st_mode & 0o777


def mend(file: Path) -> None:
    text = file.read_text(encoding="utf-8-sig").replace(";0;x;", ";1;2;").replace("mobil", "health")
    file.write_text(text, encoding="utf-8-sig")


def rejected_of(file: Path) -> list[list[str]]:
    with beside(file).open(encoding="utf-8-sig", newline="") as opened:
        return list(csv.reader(opened, delimiter=";"))


async def test_a_good_sheet_comes_in_with_exit_code_zero(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "orang.csv"
    file.write_bytes(sheet([row(number) for number in range(1201)]))
    result = await served.run(file)
    assert result.exit_code == 0, result.output
    assert "1201 rows: 1201 registered, 0 were already, 0 rejected" in result.output
    assert await served.registry.vendors() == 1201
    assert not exists(beside(file))
    again = await served.run(file)
    assert again.exit_code == 0
    assert "0 registered, 1201 were already" in again.output


async def test_rejected_rows_come_back_as_a_file_that_can_be_mended_and_imported(
    served: Served, tmp_path: Path
) -> None:
    file = tmp_path / "orang.csv"
    rows = [row(1), row(2, rw="0", rt="x"), row(3, name='"Nama; dua\nbaris"', category="mobil"), row(4)]
    file.write_bytes(b"\xef\xbb\xbf" + sheet(rows))
    file.chmod(0o600)
    result = await served.run(file)
    assert result.exit_code == 1, result.output
    assert f"{file}.rejected.csv" in result.output
    written = rejected_of(file)
    assert written[0] == [*HEADINGS.split(";"), "rejected_line", "rejected_field", "rejected_reason", "rejected_fix"]
    assert [(line[0], line[10], line[11]) for line in written[1:]] == [
        (nik(2), "3", "rw; rt"),
        (nik(3), "4", "category"),
    ]
    assert written[2][1] == "Nama; dua\nbaris"
    assert mode(beside(file)) == 0o600
    mend(beside(file))
    second = await served.run(beside(file))
    assert second.exit_code == 0, second.output
    assert "2 rows: 2 registered" in second.output
    assert await served.registry.vendors() == 4


async def test_a_workbook_comes_in_and_its_rejected_rows_come_back_as_csv(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "orang.xlsx"
    with xlsxwriter.Workbook(file) as book:
        table = book.add_worksheet("Data")
        for number, cells in enumerate([HEADINGS, row(1), row(2, rw="0", rt="x"), row(3)]):
            table.write_row(number, 0, cells.split(";"))
    result = await served.run(file)
    assert result.exit_code == 1, result.output
    assert "3 rows: 2 registered, 0 were already, 1 rejected" in result.output
    assert [(line[0], line[10], line[11]) for line in rejected_of(file)[1:]] == [(nik(2), "3", "rw; rt")]
    mend(beside(file))
    assert (await served.run(beside(file))).exit_code == 0
    assert await served.registry.vendors() == 3


async def test_a_mended_file_that_is_rejected_again_does_not_grow_columns(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "orang.csv"
    file.write_bytes(sheet([row(2, rw="0")]))
    await served.run(file)
    assert (await served.run(beside(file))).exit_code == 1
    assert rejected_of(beside(file))[0] == rejected_of(file)[0]


async def test_no_personal_value_is_printed(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "orang.csv"
    file.write_bytes(sheet([row(5, rw="x", phone="08129999", name="1234")]))
    result = await served.run(file)
    assert result.exit_code == 1
    assert "is no Indonesian phone number" in result.output
    for personal in (nik(5), "08129999", "1234", "Jalan Contoh"):
        assert personal not in result.output


async def test_a_dry_run_registers_nobody(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "orang.csv"
    file.write_bytes(sheet([row(1), row(2, rw="x")]))
    result = await served.run(file, "--dry-run")
    assert result.exit_code == 1, result.output
    assert "1 would be registered" in result.output
    assert await served.registry.vendors() == 0
    assert (await served.run(file)).exit_code == 1
    assert await served.registry.vendors() == 1


@pytest.mark.parametrize("content", [b"", b"nama;rt\nSiti;7\n", sheet([row(1)]) + b"\xff"])
async def test_what_is_no_sheet_ends_with_exit_code_two(served: Served, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "orang.csv"
    file.write_bytes(content)
    assert (await served.run(file)).exit_code == 2
    assert await served.registry.vendors() == 0


async def test_a_file_that_is_not_there_ends_with_exit_code_two(served: Served, tmp_path: Path) -> None:
    result = await served.run(tmp_path / "nowhere.csv")
    assert (result.exit_code, "No such file" in result.output) == (2, True)


async def test_who_may_not_import_ends_with_exit_code_two(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "orang.csv"
    file.write_bytes(sheet([row(1)]))
    for token in ("nonsense", served.registry.of("operator")):
        result = await served.run(file, token=token)
        assert (result.exit_code, "Refused (" in result.output) == (2, True)
    assert await served.registry.vendors() == 0


async def test_a_service_that_is_not_there_ends_with_exit_code_two(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "orang.csv"
    file.write_bytes(sheet([row(1)]))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    result = await served.run(file, url=f"http://127.0.0.1:{port}")
    assert (result.exit_code, "does not answer" in result.output) == (2, True)


async def test_a_command_that_was_killed_goes_on_when_given_again(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "orang.csv"
    file.write_bytes(sheet([row(number) for number in range(8000)]))
    first = await served.start(file)

    async def half_way() -> bool:
        return bool(await served.registry.value("SELECT max(rows) >= 1000 FROM import_run"))

    async def finished() -> bool:
        return bool(await served.registry.value("SELECT bool_and(finished_at IS NOT NULL) FROM import_run"))

    await until(half_way)
    first.kill()
    await first.wait()
    result = await served.run(file)
    assert result.exit_code in (0, 2), result.output  # 2: the service still works at what the killed command sent
    await until(finished)
    assert await served.registry.vendors() == 8000
    assert (await served.run(file)).exit_code == 0
    assert len(await served.registry.published("VendorRegistered")) == 8000
