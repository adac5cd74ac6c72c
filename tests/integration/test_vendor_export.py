"""`lapak vendors export` against a served registry: the file, who may have it in full, exit codes, a broken line."""

import asyncio
import csv
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from typer.testing import CliRunner

from services.vendor.app import create
from services.vendor.cli import app as cli
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.service import Platform
from tests.conftest import MakeDatabase, StandingClock, environment
from tests.integration.vendor import Registry, nik, row, sheet, until


@dataclass
class Served:
    """The registry behind a real port."""

    registry: Registry
    url: str

    async def export(self, *arguments: str | Path, token: str | None = None, url: str | None = None) -> tuple[int, str]:
        """Run `lapak vendors export`; its exit code and what it said."""
        env = {"LAPAK_TOKEN": token or self.registry.officer(), "LAPAK_VENDOR_URL": url or self.url, "COLUMNS": "200"}
        result = await asyncio.to_thread(CliRunner(env=env).invoke, cli, ["export", *map(str, arguments)])
        return result.exit_code, result.output


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
        registry = Registry(fresh.dsn, fresh.database, None, issuer, clock, sealer)  # type: ignore[arg-type]  # the CLI is the client here
        yield Served(registry, url)
        server.should_exit = True
        await running


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        return list(csv.DictReader(opened, delimiter=";"))


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode(file: Path) -> int:
    return file.stat().st_mode & 0o777


async def test_the_file_that_is_written_can_be_imported_and_read_by_its_owner_alone(
    served: Served, tmp_path: Path
) -> None:
    source, file = tmp_path / "orang.csv", tmp_path / "keluar.csv"
    source.write_bytes(sheet([row(number, category="health" if number else "") for number in range(3)]))
    env = {"LAPAK_TOKEN": served.registry.officer(), "LAPAK_VENDOR_URL": served.url}
    imported = await asyncio.to_thread(CliRunner(env=env).invoke, cli, ["import", str(source)])
    assert imported.exit_code == 0, imported.output

    code, said = await served.export(file)
    assert (code, "3 vendors are in" in said) == (0, True), said
    assert [row["nik"][:7] for row in rows_of(file)] == ["'317102"] * 3
    assert nik(0) not in file.read_text(encoding="utf-8")
    assert mode(file) == 0o600

    filtered = tmp_path / "some.csv"
    assert (await served.export(filtered, "--category", "health", "--name", "orang", "--area", "31.71.02"))[0] == 0
    assert len(rows_of(filtered)) == 2

    whole = tmp_path / "whole.csv"
    registrar = served.registry.issuer.token("registrar", ["officer", "registrar"], area="31.71")
    code, said = await served.export(whole, "--reveal", "legal-order", "--reference", "S-1", token=registrar)
    assert (code, "in full" in said) == (0, True), said
    assert [row["nik"] for row in rows_of(whole)] == [f"'{nik(number)}" for number in range(3)]
    assert await served.registry.value("SELECT detail->>'rows' FROM audit_log") == "3"
    again = await asyncio.to_thread(CliRunner(env=env).invoke, cli, ["import", str(whole)])
    assert (again.exit_code, "3 were already" in again.output) == (0, True), again.output


async def test_what_cannot_be_done_is_said_and_leaves_no_file(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "keluar.csv"
    refused = [
        (["--reveal", "legal-order"], "role-missing"),
        (["--area", "31.72"], "outside-area"),
        (["--state", "gone"], "state"),
        (["--reference", "S-1"], "--reveal"),
        (["--name", "..."], "search-invalid"),
        (["--name", "..."], "name: holds no letter; give a word of the name, or more\n"),
    ]
    for arguments, reason in refused:
        code, said = await served.export(file, *arguments)
        assert (code, reason in said) == (2, True), said
    code, said = await served.export(file, url="http://127.0.0.1:1")
    assert (code, "does not answer" in said) == (2, True)
    assert (await served.export(file, url="nowhere"))[0] == 2
    assert (await served.export(tmp_path / "no" / "such" / "folder.csv"))[0] == 2
    assert left_in(tmp_path) == []
    file.write_text("mine", encoding="utf-8")
    code, said = await served.export(file)
    assert (code, "exists" in said) == (2, True)
    assert file.read_text(encoding="utf-8") == "mine"


async def test_a_connection_that_breaks_on_the_way_leaves_no_half_file(served: Served, tmp_path: Path) -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = "HTTP/1.1 200 OK\r\nLapak-Rows: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head.encode() + b"6\r\nnik;a\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(half, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        code, said = await served.export(tmp_path / "keluar.csv", url=f"http://127.0.0.1:{port}")
    assert (code, "broke" in said) == (3, True), said
    assert left_in(tmp_path) == []
