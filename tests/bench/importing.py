"""A sheet of vendors imported, beside COPY of the same file into a bare table: as fast as PostgreSQL takes it."""

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import uvloop

from services.vendor.areas import kelurahan_names
from services.vendor.imports import run_import
from services.vendor.sheets import open_sheet
from services.vendor.store.imports import ImportRun, add_import
from shared.clock import Clock
from shared.crypto import Sealer
from shared.db import Database
from shared.ids import new_id
from shared.service import Platform
from shared.settings import ServiceSettings
from tests.bench.measure import Comparison, Context, NotMeasured, in_turn
from tests.bench.parts import bench_database

__all__ = ["measure"]

ROWS = 100_000
BAD_EVERY = 33
SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
COLUMNS = ("nik", "nama", "no_hp", "kode_kelurahan", "rw", "rt", "alamat", "email", "kategori", "pengampu")
BARE = (
    "CREATE TABLE bare_sheet (nik text, nama text, no_hp text, kode_kelurahan text, rw text, rt text, alamat text, "
    "email text, kategori text, pengampu text)"
)
FIRST_NAMES = ("Siti", "Budi", "Agus", "Dewi", "Sri", "Ahmad", "Nur", "Rina", "Joko", "Wahyu", "Putri", "Fitri", "Hadi")
LAST_NAMES = ("Aminah", "Santoso", "Wijaya", "Lestari", "Rahayu", "Hidayat", "Saputra", "Wati", "Utami", "Nugroho")


def measure(context: Context) -> list[Comparison]:
    """Rows a second, from the file to the vendors, their facts and cards in the outbox; 3 % of the rows are bad."""
    return [uvloop.run(_measure(context))]


def _rows(number: int) -> Iterator[str]:
    chance = random.Random(7)
    codes = sorted(kelurahan_names())
    for place in range(number):
        born = (
            f"{chance.randint(1, 28) + chance.choice((0, 40)):02d}{chance.randint(1, 12):02d}{chance.randint(50, 99)}"
        )
        nik = f"31{71 + place // 79_992}{place // 9999 % 8 + 1:02d}{born}{place % 9999 + 1:04d}"
        name = f"{chance.choice(FIRST_NAMES)} {chance.choice(LAST_NAMES)} {chance.choice(LAST_NAMES)}"
        phone = f"0812-{chance.randint(0, 9999):04d}-{chance.randint(0, 9999):04d}"
        cells = (
            nik if place % BAD_EVERY else nik[:15],
            name,
            phone,
            chance.choice(codes),
            f"{chance.randint(1, 15)}",
            f"{chance.randint(1, 12):03d}",
            f"Jl. {chance.choice(LAST_NAMES)} No. {chance.randint(1, 200)}",
            f"orang{place}@contoh.id" if place % 3 == 0 else "",
            chance.choice(("", "food-drink", "fashion-craft", "meals-household", "health")),
            chance.choice(("", "ppkukm", "kpkp", "sosial")),
        )
        yield ";".join(cells)


@asynccontextmanager
async def _platform(context: Context) -> AsyncIterator[Platform]:
    async with bench_database(context.running, size=4, service="vendor") as (database, dsn):
        keys = {"bench": SECRET}
        settings = ServiceSettings.model_construct(database=dsn, secret_keys=keys)
        yield Platform("vendor", settings, database, Clock(), Sealer(keys))


async def _measure(context: Context) -> Comparison:
    number = context.size(ROWS)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "sheet.csv"
        file.write_text("\n".join([";".join(COLUMNS), *_rows(number), ""]))
        async with _platform(context) as platform:
            database = platform.database
            await database.pool.execute(BARE)

            async def imported() -> float:
                await database.pool.execute("TRUNCATE vendor, outbox, import_run, import_rejection CASCADE")
                run = ImportRun(new_id(), False, datetime.now(UTC))
                async with database.transaction() as conn:
                    await add_import(conn, run, "bench", str(run.import_id))
                began = perf_counter()
                run = await run_import(platform, run, open_sheet(file.open("rb")), within="31")
                seconds = perf_counter() - began
                await _check(database, run, number)
                return number / seconds

            async def copied() -> float:
                await database.pool.execute("TRUNCATE bare_sheet")
                began = perf_counter()
                async with database.transaction() as conn:
                    await conn.copy_to_table("bare_sheet", source=file, format="csv", delimiter=";", header=True)
                seconds = perf_counter() - began
                if await database.pool.fetchval("SELECT count(*) FROM bare_sheet") != number:
                    raise NotMeasured("COPY did not take every row")
                return number / seconds

            comparison = Comparison("a sheet imported", "rows/s", 0.3, "higher")
            return await in_turn(context, comparison, imported, copied)


async def _check(database: Database, run: ImportRun, number: int) -> None:
    good = number - -(-number // BAD_EVERY)
    told = (run.rows, run.registered, run.rejected)
    row = await database.pool.fetchrow(
        "SELECT (SELECT count(*) FROM vendor), (SELECT count(DISTINCT event_id) FROM outbox)"
    )
    if told != (number, good, number - good) or row is None or tuple(row) != (good, 2 * good):
        raise NotMeasured(f"of {number} rows the import told {told} and wrote {row}")
