"""A marketplace's sales file: its lines become sales of the vendors, once, and what changes later corrects them."""

import asyncio
import os
import socket
import sys
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import uvicorn

from services.bazaar.app import create
from shared.auth import LocalIssuer
from shared.service import Platform
from tests.conftest import environment
from tests.integration.bazaar import DAYS, Fair, at
from tests.integration.borju import borju, show

HEADINGS = (
    "Nomor Invoice;Tanggal Pembayaran;Status Terakhir;Nama Toko;Nama Produk;Nomor SKU;Jumlah Produk Dibeli;"
    "Harga Jual (IDR);Nama Pembeli;No Telp Pembeli"
)
FIRST, SECOND = (day.strftime("%d-%m-%Y 10:15:00") for day in DAYS)
FILE = "\n".join(
    [
        HEADINGS,
        f"INV/1;{FIRST};Pesanan Selesai;warung-bu-tini;Keripik;K-1;2;12.500;Siti Aminah;081234567890",
        f"INV/1;{FIRST};Pesanan Selesai;warung-bu-tini;Sambal;S-1;1;20.000;Siti Aminah;081234567890",
        f"INV/2;{SECOND};Pesanan Dikirim;Warung Bu Tini;Keripik;K-1;1;12.500;Budi;081300000000",
        f"INV/3;{FIRST};Pesanan Selesai;toko-bersama;Batik;bt-7;1;250.000;Wati;081311111111",
        f"INV/4;{FIRST};Menunggu Pembayaran;toko-bersama;Batik;BT-7;1;250.000;Wati;081311111111",
        f"INV/5;{FIRST};Pesanan Selesai;toko-lain;Panci;P-1;1;99.000;Joko;081322222222",
        "INV/6;01-01-2023 09:00;Pesanan Selesai;warung-bu-tini;Keripik;K-1;1;12.500;Ani;081333333333",
        f"INV/7;{FIRST};Pesanan Selesai;warung-bu-tini;Keripik;K-1;dua;12.500;Ani;081333333333",
    ]
)


async def window(fair: Fair) -> tuple[str, list[str]]:
    """BORJU on its second day: Bu Tini with a shop of her own, and a shop that two vendors share."""
    bazaar_id, _, applications = await borju(fair, 3)
    tini, batik, _ = applications
    await show(fair, tini)
    shared = {"url": "https://www.tokopedia.com/toko-bersama", "title": "Batik Wati", "sku_code": "BT"}
    await show(fair, batik, **shared)
    fair.clock.moment = at(DAYS[1], 20)
    return bazaar_id, applications


async def send(
    fair: Fair, bazaar_id: str, text: str, *, token: str | None = None, accept: str = "*/*", key: str = "", **query: Any
) -> httpx.Response:
    """Upload a file."""
    return await fair.client.post(
        f"/v1/bazaars/{bazaar_id}/marketplace-sales/import",
        params={"marketplace": "tokopedia", **query},
        files={"file": ("penjualan.csv", text.encode(), "text/csv")},
        headers={
            "Authorization": f"Bearer {token or fair.officer()}",
            "Idempotency-Key": key or str(uuid4()),
            "Accept": accept,
        },
    )


async def sold(fair: Fair, application_id: str) -> dict[date, tuple[int, int, int]]:
    """Turnover, transactions and units of each day, as they hold."""
    async with fair.database.read() as conn:
        rows = await conn.fetch(
            "SELECT day, turnover_rupiah, transactions, units FROM sales WHERE application_id = $1",
            UUID(application_id),
        )
    return {row["day"]: (row["turnover_rupiah"], row["transactions"], row["units"]) for row in rows}


def figures(answer: httpx.Response) -> tuple[int, ...]:
    """Added, changed, unchanged, ignored, rejected."""
    assert answer.status_code == 200, answer.text
    report = answer.json()
    return (*(report[name] for name in ("added", "changed", "unchanged", "ignored")), len(report["rejected"]))


async def test_a_file_becomes_sales_once_and_later_files_correct_them(fair: Fair) -> None:
    bazaar_id, (tini, batik, _) = await window(fair)
    dry = await send(fair, bazaar_id, FILE, dry_run=True)
    assert figures(dry) == (4, 0, 0, 1, 3)
    assert await sold(fair, tini) == {}
    answer = await send(fair, bazaar_id, FILE)
    assert figures(answer) == (4, 0, 0, 1, 3)
    assert [(fault["line"], fault["field"], fault["code"]) for fault in answer.json()["rejected"]] == [
        (7, "shop", "vendor-not-matched"),
        (8, "paid_at", "outside-the-bazaar"),
        (9, "pieces", "pieces-invalid"),
    ]
    assert await sold(fair, tini) == {DAYS[0]: (45_000, 1, 3), DAYS[1]: (12_500, 1, 1)}
    assert await sold(fair, batik) == {DAYS[0]: (250_000, 1, 1)}
    # the same lines again, in another order, with a new name for a buyer: nothing is doubled, nothing is told anew
    lines = FILE.replace("Budi", "Budiman").split("\n")
    assert figures(await send(fair, bazaar_id, "\n".join([lines[0], *reversed(lines[1:])]))) == (0, 0, 4, 1, 3)
    assert len(await fair.published("SalesReported")) == 3
    # one order is returned, one that was not paid is: the days they touch are corrected, and no others
    later = FILE.replace(
        f"INV/1;{FIRST};Pesanan Selesai;warung-bu-tini;Sambal", f"INV/1;{FIRST};Dikembalikan;warung-bu-tini;Sambal"
    )
    later = later.replace("Menunggu Pembayaran", "Pesanan Selesai")
    assert figures(await send(fair, bazaar_id, later)) == (1, 1, 3, 0, 3)
    assert await sold(fair, tini) == {DAYS[0]: (25_000, 1, 2), DAYS[1]: (12_500, 1, 1)}
    assert await sold(fair, batik) == {DAYS[0]: (500_000, 2, 2)}
    # everything of a day is cancelled: the day says so
    gone = f"{HEADINGS}\nINV/2;;Pesanan Dibatalkan;Warung Bu Tini;Keripik;K-1;1;12.500;Budi;0813"
    assert figures(await send(fair, bazaar_id, gone)) == (0, 1, 0, 0, 0)
    assert (await sold(fair, tini))[DAYS[1]] == (0, 0, 0)
    listed = await fair.shown(f"/v1/bazaars/{bazaar_id}/marketplace-sales/imports")
    assert [(one["added"], one["changed"]) for one in listed["items"]] == [(4, 0), (0, 0), (1, 1), (0, 1)]


async def test_nothing_of_a_buyer_is_kept_anywhere(fair: Fair) -> None:
    bazaar_id, _ = await window(fair)
    assert figures(await send(fair, bazaar_id, FILE)) == (4, 0, 0, 1, 3)
    async with fair.database.read() as conn:
        tables = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for table in tables:
            found = await conn.fetch(f'SELECT to_jsonb(t)::text AS row FROM "{table["tablename"]}" AS t')  # noqa: S608 - names from the catalogue
            for row in found:
                assert not any(word in row["row"] for word in ("Siti", "0812345", "INV/1", "Budi"))


async def test_the_same_request_again_changes_nothing_and_reports_the_same(fair: Fair) -> None:
    bazaar_id, _ = await window(fair)
    key = str(uuid4())
    first = await send(fair, bazaar_id, FILE, key=key)
    again = await send(fair, bazaar_id, FILE, key=key)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()
    assert (await send(fair, bazaar_id, FILE + "\n", key=key)).json()["code"] == "idempotency-key-reused"


async def test_one_file_sent_by_many_at_once_counts_once(fair: Fair) -> None:
    bazaar_id, (tini, *_) = await window(fair)
    await fair.crowd()
    answers = await asyncio.gather(*(send(fair, bazaar_id, FILE) for _ in range(6)))
    assert sorted(figures(answer)[:3] for answer in answers) == [(0, 0, 4)] * 5 + [(4, 0, 0)]
    assert await sold(fair, tini) == {DAYS[0]: (45_000, 1, 3), DAYS[1]: (12_500, 1, 1)}


async def test_rejected_lines_come_back_as_a_file(fair: Fair) -> None:
    bazaar_id, _ = await window(fair)
    answer = await send(fair, bazaar_id, FILE, accept="text/csv", dry_run=True)
    assert answer.headers["content-type"].startswith("text/csv")
    lines = answer.text.splitlines()
    assert len(lines) == 4
    assert lines[0].endswith("rejected_line;rejected_field;rejected_reason;rejected_fix")
    assert "Joko" in answer.text
    assert "Siti" not in answer.text


async def test_a_file_without_shops_is_whose_the_upload_says(fair: Fair) -> None:
    bazaar_id, (tini, *_) = await window(fair)
    lines = [";".join(cell for at, cell in enumerate(row.split(";")) if at != 3) for row in FILE.split("\n")[:3]]
    assert figures(await send(fair, bazaar_id, "\n".join(lines))) == (0, 0, 0, 0, 2)
    assert figures(await send(fair, bazaar_id, "\n".join(lines), shop="Warung-Bu-Tini")) == (2, 0, 0, 0, 0)
    assert await sold(fair, tini) == {DAYS[0]: (45_000, 1, 3)}


async def test_only_officers_of_the_bazaar_import_and_only_sales_files(fair: Fair) -> None:
    bazaar_id, _ = await window(fair)
    answers = [
        await send(fair, bazaar_id, FILE, token=fair.officer("31.72")),
        await send(fair, bazaar_id, FILE, token=fair.vendor(uuid4())),
        await send(fair, bazaar_id, "nama;alamat\nTini;Enim"),
        await send(fair, bazaar_id, FILE, marketplace="pasar-gelap"),
        await send(fair, str(uuid4()), FILE),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (403, "outside-area"),
        (403, "role-missing"),
        (422, "sales-file-refused"),
        (422, "marketplace-unknown"),
        (404, "bazaar-unknown"),
    ]
    draft = await fair.draft()
    assert (await send(fair, draft, FILE)).json()["code"] == "wrong-moment"


async def test_the_command_tells_line_by_line_and_writes_what_is_to_be_mended(
    fair: Fair, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bazaar_id, (tini, *_) = await window(fair)
    for name, value in environment(issuer, "postgresql://bazaar:unused@127.0.0.1:1/bazaar").items():
        monkeypatch.setenv(name, value)
    service = create()
    app = service.app()
    app.state.platform = Platform(service.name, service.settings, fair.database, fair.clock, fair.sealer)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    sheet = tmp_path / "penjualan.csv"
    sheet.write_text(FILE)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server.serve(sockets=[listening]))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"

        async def run(file: Path, *more: str, at_url: str = url) -> tuple[int | None, str]:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-c", "from services.bazaar.cli.sales import app; app()", "import", str(file)),
                *("--bazaar", bazaar_id, "--marketplace", "tokopedia", *more),
                env={**os.environ, "LAPAK_TOKEN": fair.officer(), "LAPAK_BAZAAR_URL": at_url},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said = (await process.communicate())[0].decode()
            return process.returncode, said

        code, said = await run(sheet, "--dry-run")
        assert (code, await sold(fair, tini)) == (1, {})
        code, said = await run(sheet)
        assert code == 1
        assert "8 lines: 4 were added, 0 were changed, 0 known already, 1 not paid, 3 rejected." in said
        assert "line 9: pieces 'dua' is no number from 1 to 100000; write whole pieces: 3" in said
        rejected = tmp_path / "penjualan.csv.rejected.csv"
        assert "Joko" in rejected.read_text(encoding="utf-8-sig")
        sheet.write_text("\n".join(FILE.split("\n")[:5]))
        code, said = await run(sheet)
        assert (code, "4 known already" in said) == (0, True)
        code, said = await run(tmp_path / "nowhere.csv")
        assert (code, "cannot be read" in said) == (2, True)
        code, said = await run(sheet, at_url="http://127.0.0.1:1")
        assert (code, "does not answer" in said) == (2, True)
        server.should_exit = True
        await running
