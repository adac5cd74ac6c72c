"""A service that is killed in the middle of an import, again and again, and the same command given until it is done."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from shared.auth import LocalIssuer
from shared.crypto import Sealer
from tests.conftest import MakeDatabase, StandingClock, environment, repository_root
from tests.integration.vendor import Registry, row, sheet

CHUNK_ROWS = 150
ROWS = 2_100
KILLS = 2
SIXTH = "19"
"""The seed with which the point is passed five times."""
SERVE = """
import asyncio, os, sys
import uvicorn
from services.vendor import imports
from services.vendor.app import create
from shared.clock import Clock
from shared.crypto import Sealer
from shared.db import open_database
from shared.service import Platform

async def serve(port):
    imports.CHUNK_ROWS, imports.PROCESS_ROWS_MIN = %d, 600
    service = create()
    database = await open_database(service.settings.database)
    app = service.app()
    app.state.platform = Platform(
        service.name, service.settings, database, Clock(), Sealer(service.settings.secret_keys)
    )
    config = uvicorn.Config(app, host="127.0.0.1", port=port, lifespan="off", log_config=None, access_log=False)
    await uvicorn.Server(config).serve()

if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


async def test_a_service_killed_in_an_import_again_and_again_registers_every_good_row_once(
    make_database: MakeDatabase, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer, tmp_path: Path
) -> None:
    fresh = await make_database("vendor")
    registry = Registry(fresh.dsn, fresh.database, None, issuer, clock, sealer)  # type: ignore[arg-type]  # the CLI is the client here
    program = tmp_path / "serve.py"
    program.write_text(SERVE % CHUNK_ROWS)
    file = tmp_path / "orang.csv"
    rows = [row(number) if number % 50 else row(number, rw="x") for number in range(ROWS)]
    rows[ROWS - 1] = row(3)  # stands in line 5 too, and is found though a killed process knew of that line
    file.write_bytes(sheet(rows))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    served = {**os.environ, **environment(issuer, fresh.dsn), "PYTHONPATH": str(repository_root())}
    asked = {**os.environ, "LAPAK_TOKEN": registry.officer(), "LAPAK_VENDOR_URL": url}
    codes, done = [], []
    for number in range(KILLS + 1):
        point = "db.committing" if number % 2 else "db.committed"
        deadly = {"LAPAK_FAILPOINTS": f"{point}:0.2", "LAPAK_FAILPOINTS_SEED": SIXTH}
        service = await asyncio.create_subprocess_exec(
            sys.executable, str(program), str(port), env={**served, **(deadly if number < KILLS else {})}
        )
        try:
            await _answers(port)
            command = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                "from services.vendor.cli import app; app()",
                "import",
                str(file),
                env=asked,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said = (await command.communicate())[0].decode()
            codes.append(command.returncode)
            if command.returncode == 3:
                assert "Give the same command again" in said
                assert await service.wait() == -signal.SIGKILL
        finally:
            if service.returncode is None:
                service.terminate()
                await service.wait()
        done.append(await registry.value("SELECT coalesce(max(rows), 0) FROM import_run"))
    assert codes == [3] * KILLS + [1], (codes, done)
    # the first transaction of the first request is that of its key, which a repeated one does not commit; the sixth was
    # committed the first time, then it was not
    assert done == [5 * CHUNK_ROWS, 10 * CHUNK_ROWS, ROWS]
    good = ROWS - ROWS // 50 - 1
    assert f"{ROWS} rows: {good} registered, 0 were already, {ROWS // 50 + 1} rejected" in said
    assert "stands in line 5" in file.with_name("orang.csv.rejected.csv").read_text()
    assert await registry.vendors() == good
    assert await registry.value("SELECT count(DISTINCT nik_index) FROM vendor") == good
    for kind in ("VendorRegistered", "ContactCard"):
        events = await registry.published(kind)
        assert len(events) == len({event.key for event in events}) == good
    assert await registry.value("SELECT count(*) FROM import_run") == 1


async def _answers(port: int) -> None:
    for _ in range(600):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise TimeoutError
