"""Files in a folder and in a bucket of a real S3 server: written before their rows, removed after them, sealed."""

import asyncio
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from cryptography.exceptions import InvalidTag
from fastapi import UploadFile
from starlette.datastructures import Headers

from services.vendor.app import VendorSettings
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.db import Connection
from shared.errors import Refused
from shared.failures import is_outage
from shared.files import rows as store
from shared.files import storage as files
from shared.files.rows import FileLost
from shared.files.storage import FileGone, answer, read_file, remover, storage_of
from shared.files.stores import StoreUnavailable
from shared.service import Platform
from shared.settings import load
from shared.timers import run_due
from tests.conftest import SECRET_KEYS, MakeDatabase, StandingClock, environment
from tests.integration.bucket import ACCESS_KEY, BUCKET, SECRET_KEY, Bucket, serve_bucket
from tests.unit.test_vendor_pictures import SECRET, exif, jpeg, png, riff, segment

PDF = b"%PDF-1.7\n" + SECRET + b"\n%%EOF\n"
NEWER_KEYS = {"newer": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", **SECRET_KEYS}


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with serve_bucket(tmp_path_factory.mktemp("s3")) as running:
        yield running


@dataclass
class Place:
    """A vendor service's files, and the folder a thief would look into."""

    platform: Platform
    disk: Path

    async def upload(self, content: bytes, *, public: bool = False, types: frozenset[str] = files.SCANS) -> UUID:
        """Upload and keep."""
        async with (
            files.upload(
                self.platform, upload_of(content), types, now=self.platform.clock.now(), public=public
            ) as file_id,
            self.platform.database.transaction() as conn,
        ):
            await files.keep(conn, file_id)
        return file_id

    async def release(self, *file_ids: UUID) -> int:
        async with self.platform.database.transaction() as conn:
            return await store.release_files(conn, file_ids)

    async def sweep(self, now: datetime | None = None) -> int:
        """Work off the timers that are due; says how many."""
        handlers = {store.REMOVE_FILE: remover(self.platform.settings)}
        done = 0
        while await run_due(self.platform.database, handlers, now or self.platform.clock.now()):
            done += 1
        return done

    async def value(self, sql: str) -> object:
        async with self.platform.database.read() as conn:
            return await conn.fetchval(sql)

    def stolen(self) -> list[bytes]:
        """Every file a thief of the disk would find."""
        return [path.read_bytes() for path in self.disk.rglob("*") if path.is_file()]


def upload_of(content: bytes, name: str = "Foto KTP Siti.exe", media_type: str = "text/html") -> UploadFile:
    """As a browser might send it: neither name nor header are to be believed."""
    return UploadFile(
        io.BytesIO(content), size=len(content), filename=name, headers=Headers({"content-type": media_type})
    )


@pytest.fixture(params=["folder", "bucket"])
async def place(
    request: pytest.FixtureRequest,
    make_database: MakeDatabase,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Place:
    fresh = await make_database("vendor")
    folder = tmp_path / "files"
    more = {"LAPAK_FILES": str(folder)}
    if request.param == "bucket":
        served: Bucket = request.getfixturevalue("bucket")
        prefix = uuid4().hex
        folder = served.folder / prefix
        more = {
            "LAPAK_FILES": f"s3://{BUCKET}/{prefix}",
            "LAPAK_FILES_S3_ENDPOINT": served.endpoint,
            "LAPAK_FILES_S3_ACCESS_KEY": ACCESS_KEY,
            "LAPAK_FILES_S3_SECRET_KEY": SECRET_KEY,
        }
    for name, value in {**environment(issuer, fresh.dsn), **more}.items():
        monkeypatch.setenv(name, value)
    return Place(Platform("vendor", load(VendorSettings), fresh.database, clock, sealer), folder)


async def test_a_file_comes_back_as_it_came_with_the_type_of_its_content(place: Place) -> None:
    for content, media_type in (
        (PDF, "application/pdf"),
        (jpeg(), "image/jpeg"),
        (png(), "image/png"),
        (riff((b"VP8L", b"\x2f\1\0\0\0data")), "image/webp"),
    ):
        file_id = await place.upload(content)
        assert await read_file(place.platform, file_id) == (media_type, content)
    assert await place.value("SELECT count(*) FROM timer WHERE kind = 'remove-file'") == 0


async def test_who_takes_the_disk_reads_nothing_of_a_sealed_file(place: Place) -> None:
    noted = jpeg(notes=segment(0xE1, exif(6)))
    sealed = await place.upload(noted)
    (stolen,) = place.stolen()
    assert SECRET not in stolen
    assert noted[:20] not in stolen
    names = [path.name for path in place.disk.rglob("*")]
    assert names
    assert not any(word in name for name in names for word in ("KTP", "Siti", "exe"))
    assert (await read_file(place.platform, sealed)).content == noted


async def test_a_public_picture_is_not_sealed_and_tells_not_where_it_was_taken(place: Place) -> None:
    file_id = await place.upload(jpeg(notes=segment(0xE1, exif(1))), public=True, types=files.PICTURES)
    assert place.stolen() == [jpeg()]
    assert await read_file(place.platform, file_id) == ("image/jpeg", jpeg())


async def test_a_sealed_file_put_in_the_place_of_another_does_not_open(place: Place) -> None:
    one, two = await place.upload(PDF), await place.upload(png())
    storage = storage_of(place.platform.settings)
    await storage.write(two, await storage.read(one))
    with pytest.raises(InvalidTag):
        await read_file(place.platform, two)
    assert (await read_file(place.platform, one)).content == PDF


UNTAKEN = {
    "file-empty": [b""],
    "file-type": [b"<html><script>alert(1)</script>", b"PK\x03\x04" + bytes(60), b"MZ" + bytes(60), b"hello", b"\x00"],
    "file-broken": [jpeg()[:-2], png()[:-1]],
    "picture-too-large": [png(8001, 8000), png(20_001, 1)],
    "file-too-large": [b"%PDF-1.7\n" + bytes(files.FILE_BYTES_MAX - 8)],
}


@pytest.mark.parametrize("place", ["folder"], indirect=True)
async def test_what_is_no_scan_is_refused_and_leaves_nothing(place: Place) -> None:
    for code, contents in UNTAKEN.items():
        for content in contents:
            with pytest.raises(Refused) as refused:
                await place.upload(content)
            assert refused.value.code == code
    assert await place.value("SELECT count(*) FROM stored_file") == 0
    assert place.stolen() == []


@pytest.mark.parametrize("place", ["folder"], indirect=True)
async def test_the_limits_themselves_are_taken(place: Place) -> None:
    largest = b"%PDF-1.7\n" + bytes(files.FILE_BYTES_MAX - 9)
    assert (await read_file(place.platform, await place.upload(largest))).content == largest
    await place.upload(png(8000, 8000))
    await place.upload(png(20_000, 1))


@pytest.mark.parametrize("place", ["folder"], indirect=True)
async def test_a_pdf_is_no_picture(place: Place) -> None:
    with pytest.raises(Refused) as refused:
        await place.upload(PDF, public=True, types=files.PICTURES)
    assert refused.value.code == "file-type"
    assert refused.value.details == {"types": ["image/jpeg", "image/png", "image/webp"]}


async def test_a_file_that_nobody_keeps_is_removed_at_once(place: Place) -> None:
    class Stopped(Exception):
        pass

    async def refused_later() -> None:
        async with files.upload(place.platform, upload_of(PDF), files.SCANS, now=place.platform.clock.now()):
            assert len(place.stolen()) == 1
            raise Stopped

    with pytest.raises(Stopped):
        await refused_later()
    assert await place.sweep() == 1
    assert place.stolen() == []
    assert await place.value("SELECT count(*) FROM stored_file") == 0


async def test_a_file_whose_transaction_was_rolled_back_is_removed(place: Place) -> None:
    class Stopped(Exception):
        pass

    async def rolled_back() -> None:
        async with (
            files.upload(place.platform, upload_of(PDF), files.SCANS, now=place.platform.clock.now()) as file_id,
            place.platform.database.transaction() as conn,
        ):
            await files.keep(conn, file_id)
            raise Stopped

    with pytest.raises(Stopped):
        await rolled_back()
    assert await place.sweep() == 1
    assert place.stolen() == []


async def test_what_a_crash_left_is_removed_after_a_day(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def crashed(*_: object) -> None:
        """The process ended before it could tidy up."""

    monkeypatch.setattr(files, "_drop_unless_kept", crashed)
    async with files.upload(place.platform, upload_of(PDF), files.SCANS, now=place.platform.clock.now()):
        pass
    assert await place.sweep() == 0
    assert len(place.stolen()) == 1
    assert isinstance(place.platform.clock, StandingClock)
    place.platform.clock.advance(hours=24)
    assert await place.sweep() == 1
    assert place.stolen() == []


async def test_a_kept_file_stays_whatever_the_timers_do(place: Place) -> None:
    file_id = await place.upload(PDF)
    async with place.platform.database.transaction() as conn:  # as if a timer had been left behind
        await conn.execute(
            "INSERT INTO timer VALUES ($1, $2, $3)", store.REMOVE_FILE, str(file_id), datetime(2020, 1, 1, tzinfo=UTC)
        )
    assert await place.sweep() == 1
    assert (await read_file(place.platform, file_id)).content == PDF


async def test_released_files_are_removed_soon_and_only_once(place: Place) -> None:
    one, two, three = [await place.upload(PDF) for _ in range(3)]
    assert await place.release(one, two, one, uuid4()) == 2
    assert await place.release(one, two) == 0
    assert await place.sweep(datetime(2000, 1, 1, tzinfo=UTC)) == 2, "whatever the clock says"
    assert len(place.stolen()) == 1
    assert (await read_file(place.platform, three)).content == PDF
    for gone in (one, two):
        with pytest.raises(FileLost):
            await read_file(place.platform, gone)


async def test_a_file_that_is_gone_already_is_removed_without_complaint(place: Place) -> None:
    file_id = await place.upload(PDF)
    await storage_of(place.platform.settings).remove(file_id)
    with pytest.raises(FileLost):
        await read_file(place.platform, file_id)
    await place.release(file_id)
    assert await place.sweep() == 1
    assert await place.value("SELECT count(*) FROM stored_file") == 0


async def test_a_file_is_kept_or_removed_never_both(place: Place) -> None:
    for keep_first in (True, False):
        async with files.upload(place.platform, upload_of(PDF), files.SCANS, now=place.platform.clock.now()) as file_id:
            pass
        kept = asyncio.create_task(_keep(place, file_id))
        if keep_first:
            await asyncio.sleep(0)
        swept = asyncio.create_task(place.sweep())
        outcome = (await asyncio.gather(kept, swept, return_exceptions=True))[0]
        here = len(place.stolen()) == 1
        rows = await place.value("SELECT count(*) FROM stored_file")
        if isinstance(outcome, FileGone):
            assert (here, rows) == (False, 0)
        else:
            assert outcome is None
            assert (here, rows) == (True, 1)
            await place.release(file_id)
            await place.sweep()


async def _keep(place: Place, file_id: UUID) -> None:
    async with place.platform.database.transaction() as conn:
        await files.keep(conn, file_id)


async def test_a_removed_file_cannot_be_kept(place: Place) -> None:
    async with files.upload(place.platform, upload_of(PDF), files.SCANS, now=place.platform.clock.now()) as file_id:
        pass
    assert await place.sweep() == 1
    with pytest.raises(FileGone):
        await _keep(place, file_id)


async def test_a_rotation_seals_every_file_with_the_new_key(place: Place) -> None:
    ids = [await place.upload(PDF) for _ in range(3)]
    await place.upload(jpeg(), public=True, types=files.PICTURES)
    newer = Platform(
        "vendor", place.platform.settings, place.platform.database, place.platform.clock, Sealer(NEWER_KEYS)
    )
    last: UUID | None = None
    rounds = 0
    while done := await files.reseal_files(newer, last, limit=2):
        last = done[-1]
        rounds += 1
    assert rounds == 2
    assert await place.value("SELECT count(*) FROM stored_file WHERE sealed_with = 'newer'") == 3
    without_old = Sealer({"newer": NEWER_KEYS["newer"]})
    alone = Platform("vendor", newer.settings, newer.database, newer.clock, without_old)
    assert [(await read_file(alone, file_id)).content for file_id in ids] == [PDF] * 3


# ---- a store that is away


@pytest.mark.parametrize("place", ["folder"], indirect=True)
async def test_a_folder_that_cannot_be_used_is_an_outage_and_keeps_the_timer(place: Place, tmp_path: Path) -> None:
    file_id = await place.upload(PDF)
    place.disk.rename(tmp_path / "elsewhere")
    (tmp_path / "files").write_bytes(b"in the way")
    with pytest.raises(StoreUnavailable) as away:
        await place.upload(PDF)
    assert is_outage(away.value)
    await place.release(file_id)
    with pytest.raises(StoreUnavailable):
        await place.sweep()
    assert await place.value("SELECT count(*) FROM stored_file") == 2
    os.unlink(tmp_path / "files")
    (tmp_path / "elsewhere").rename(place.disk)
    async with place.platform.database.transaction() as conn:
        await _no_pause(conn)
    assert await place.sweep() == 2
    assert place.stolen() == []


async def _no_pause(conn: Connection) -> None:
    await conn.execute("UPDATE timer SET retry_at = NULL")


async def test_a_bucket_that_is_not_there_is_an_outage(
    bucket: Bucket, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {
        **environment(issuer, "postgresql://v:p@127.0.0.1/none"),
        "LAPAK_FILES": "s3://no-such-bucket",
        "LAPAK_FILES_S3_ENDPOINT": bucket.endpoint,
        "LAPAK_FILES_S3_ACCESS_KEY": ACCESS_KEY,
        "LAPAK_FILES_S3_SECRET_KEY": SECRET_KEY,
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    storage = storage_of(load(VendorSettings))
    for act in (storage.write(uuid4(), b"x"), storage.remove(uuid4())):
        with pytest.raises(StoreUnavailable):
            await act
    monkeypatch.setenv("LAPAK_FILES", f"s3://{BUCKET}")
    monkeypatch.setenv("LAPAK_FILES_S3_SECRET_KEY", "wrong")
    with pytest.raises(StoreUnavailable):
        await storage_of(load(VendorSettings)).write(uuid4(), b"x")


def test_an_answer_lets_nothing_guess_run_or_keep_a_file() -> None:
    private = answer(files.Content("application/pdf", PDF), "nib-1").headers
    assert private["content-disposition"] == 'attachment; filename="nib-1.pdf"'
    assert private["cache-control"] == "no-store"
    public = answer(files.Content("image/webp", b"x"), "produk-1", public=True).headers
    assert public["content-disposition"] == 'inline; filename="produk-1.webp"'
    assert public["cache-control"].startswith("public")
    for headers in (private, public):
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "default-src 'none'; sandbox"
