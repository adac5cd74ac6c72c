"""Files outside the database: a folder, or a bucket of any S3-compatible store, by one code path.

Written before the row that refers to it, removed after that row is gone: never a row without its file. A file is noted
with a timer that will remove it, then written; the transaction that writes the reference keeps it
(`rows.keep_file`), which cancels the timer. A request that is refused, repeated or broken off keeps nothing, so
its file goes.

A file is sealed (AES-256-GCM, bound to its id) with the secret keys of the service: who takes the folder, the bucket or
a backup of them reads nothing. The cost: a file is in memory as a whole while it is written or read (hence the limit of
its size, and of how many at once), no store can hand it out by a link of its own, and without the keys it is lost.
Only pictures that everyone may see are not sealed; they lose what the camera noted beside them.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Response, UploadFile
from pydantic import Field, SecretStr, field_validator

from shared.crypto import Sealer
from shared.db import Connection
from shared.errors import Conflict, Refused
from shared.files import rows as store
from shared.files.pictures import PictureBroken, read_picture
from shared.files.rows import FileLost, StoredFile
from shared.files.types import find_type
from shared.ids import new_id
from shared.service import Platform
from shared.settings import ServiceSettings
from shared.timers import TimerHandler

if TYPE_CHECKING:
    from shared.files.stores import Storage

__all__ = [
    "FILE_BYTES_MAX",
    "FORM_BYTES_MAX",
    "PICTURES",
    "SCANS",
    "Content",
    "FileGone",
    "FileSettings",
    "answer",
    "keep",
    "read_file",
    "remover",
    "reseal_files",
    "storage_of",
    "upload",
]

FILE_BYTES_MAX = 5 * 1024 * 1024
FORM_BYTES_MAX = FILE_BYTES_MAX + 64 * 1024
"""What a route that takes one file and a few fields allows: `@large_body(FORM_BYTES_MAX)`."""
PICTURE_PIXELS_MAX = 64_000_000
"""More than a phone of 50 megapixels makes; a viewer unpacks it to 256 MB at most."""
PICTURE_SIDE_MAX = 20_000
BROKEN_OFF_AFTER = timedelta(days=1)
"""A file that nobody kept by then belongs to a request that was broken off."""

PICTURES = frozenset({"image/jpeg", "image/png", "image/webp"})
SCANS = PICTURES | {"application/pdf"}
_NAMES = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WebP", "application/pdf": "PDF"}
_ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "application/pdf": "pdf"}
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class FileEmpty(Refused):
    """There is nothing in the file."""

    code: ClassVar[str] = "file-empty"
    status: ClassVar[int] = 422

    def __init__(self) -> None:
        super().__init__("The file is empty; choose it anew and send it again.")


class FileTooLarge(Refused):
    """The file is larger than what is kept."""

    code: ClassVar[str] = "file-too-large"
    status: ClassVar[int] = 413

    def __init__(self) -> None:
        mebibytes = FILE_BYTES_MAX // 1024 // 1024
        super().__init__(
            f"The file has more than {mebibytes} MiB; scan it in grey or with fewer pixels and send it again.",
            bytes_max=FILE_BYTES_MAX,
        )


class FileTypeRefused(Refused):
    """By its content the file is of another type; its name and header do not count."""

    code: ClassVar[str] = "file-type"
    status: ClassVar[int] = 422

    def __init__(self, types: Collection[str]) -> None:
        names = ", ".join(sorted(_NAMES[name] for name in types))
        super().__init__(f"By its content the file is none of {names}; save it as one of them.", types=sorted(types))


class FileBroken(Refused):
    """A picture that ends too early or names no size."""

    code: ClassVar[str] = "file-broken"
    status: ClassVar[int] = 422

    def __init__(self) -> None:
        super().__init__("The picture is broken: it may have been cut off on its way. Take or scan it again.")


class PictureTooLarge(Refused):
    """A small file that unpacks to a huge picture would stop whoever opens it."""

    code: ClassVar[str] = "picture-too-large"
    status: ClassVar[int] = 422

    def __init__(self) -> None:
        super().__init__(
            "The picture has too many pixels; make it smaller and send it again.",
            pixels_max=PICTURE_PIXELS_MAX,
            side_max=PICTURE_SIDE_MAX,
        )


class FileGone(Conflict):
    """The file was removed before the request that brought it ended."""

    code: ClassVar[str] = "file-gone"

    def __init__(self) -> None:
        super().__init__("The request took so long that its file was removed; send it again with a new key.")


class FileSettings(ServiceSettings):
    """Where files are kept."""

    files: str = Field(
        default="var/files",
        description="where files are kept: a folder, or s3://bucket/prefix",
        examples=["s3://lapak-vendor"],
    )
    files_s3_endpoint: str | None = Field(
        default=None,
        description="address of the S3-compatible store; none: Amazon's, by region",
        examples=["https://minio.example.go.id"],
    )
    files_s3_region: str = Field(default="us-east-1", description="region of the bucket", examples=["ap-southeast-3"])
    files_s3_access_key: str | None = Field(
        default=None, repr=False, description="access key of the bucket", examples=["lapak-vendor"]
    )
    files_s3_secret_key: SecretStr | None = Field(
        default=None, description="secret key of the bucket", examples=["(a secret)"]
    )

    @field_validator("files")
    @classmethod
    def _check_files(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme == "s3":
            if not _BUCKET.fullmatch(parts.netloc) or parts.query or parts.fragment:
                raise ValueError("must look like s3://bucket or s3://bucket/prefix")
        elif "://" in value:
            raise ValueError("must be a folder, or look like s3://bucket/prefix")
        else:
            _check_folder(Path(value).absolute())
        return value

    @field_validator("files_s3_endpoint")
    @classmethod
    def _check_endpoint(cls, value: str | None) -> str | None:
        if value is not None and (urlsplit(value).scheme not in ("https", "http") or not urlsplit(value).netloc):
            raise ValueError("must be an http(s) address")
        return value


def _check_folder(folder: Path) -> None:
    """A folder that can be written, or made: better no service than one that fails at the first upload."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise ValueError("is a file or lies below one, and a folder is needed")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError("is a folder in which this process may not write")


class Content(NamedTuple):
    """A file as it came, and its type as it was found."""

    media_type: str
    content: bytes


def storage_of(settings: ServiceSettings) -> "Storage":
    """The storage that settings name; the same one each time."""
    if not isinstance(settings, FileSettings):
        raise TypeError("the settings of this service name no place for files")
    from shared.files.stores import open_storage  # 4 MB and 5 ms, for the first file

    secret = settings.files_s3_secret_key
    return open_storage(
        settings.files,
        settings.files_s3_endpoint,
        settings.files_s3_region,
        settings.files_s3_access_key,
        None if secret is None else secret.get_secret_value(),
    )


@asynccontextmanager
async def upload(
    platform: Platform, file: UploadFile, types: Collection[str], *, now: datetime, public: bool = False
) -> AsyncIterator[UUID]:
    """Write an uploaded file and give its id; what is not kept (`keep`) inside this block is removed after it.

    `public` is for pictures that everyone may see: not sealed, and without the camera's notes. Raises a refusal when
    the file is empty, too large, broken, or by its content none of `types`.
    """
    if file.size is not None and file.size > FILE_BYTES_MAX:
        raise FileTooLarge
    storage = storage_of(platform.settings)
    async with storage.turns:
        content = await file.read(FILE_BYTES_MAX + 1)
        await file.seek(0)
        found = await asyncio.to_thread(_examine, content, types, public=public)
        file_id = new_id()
        sealed_with = None if public else platform.sealer.current
        noted = StoredFile(file_id, found.media_type, len(found.content), sealed_with, now)
        async with platform.database.transaction() as conn:
            await store.add_file(conn, noted, now + BROKEN_OFF_AFTER)
        try:
            if not public:
                found = found._replace(
                    content=await asyncio.to_thread(platform.sealer.seal, found.content, file_id.bytes)
                )
            await storage.write(file_id, found.content)
        except BaseException:
            await _drop_unless_kept(platform, file_id)
            raise
        del content, found  # not held while the block waits for the database
    try:
        yield file_id
    finally:
        await _drop_unless_kept(platform, file_id)


async def _drop_unless_kept(platform: Platform, file_id: UUID) -> None:
    async with platform.database.transaction() as conn:
        await store.hasten_removal(conn, file_id)


async def keep(conn: Connection, file_id: UUID) -> None:
    """Keep an uploaded file, in the transaction of the row that refers to it. Raises `FileGone`."""
    if not await store.keep_file(conn, file_id):
        raise FileGone


def _examine(content: bytes, types: Collection[str], *, public: bool) -> Content:
    """The type of a file by its content, and what of it is kept."""
    if not content:
        raise FileEmpty
    if len(content) > FILE_BYTES_MAX:
        raise FileTooLarge
    media_type = find_type(content)
    if media_type not in types:
        raise FileTypeRefused(types)
    if media_type not in PICTURES:
        return Content(media_type, content)
    try:
        picture = read_picture(media_type, content)
    except PictureBroken:
        raise FileBroken from None
    if picture.width * picture.height > PICTURE_PIXELS_MAX or max(picture.width, picture.height) > PICTURE_SIDE_MAX:
        raise PictureTooLarge
    return Content(media_type, picture.bare if public else content)


async def read_file(platform: Platform, file_id: UUID) -> Content:
    """A file as it came. Raises `FileLost` when it is not there, which is a fault, not a refusal."""
    storage = storage_of(platform.settings)
    async with platform.database.read() as conn:
        noted = await store.find_file(conn, file_id)
    if noted is None:
        raise FileLost(f"nothing is known of file {file_id}")
    async with storage.turns:
        content = await storage.read(file_id)
        if noted.sealed_with is not None:
            content = await asyncio.to_thread(platform.sealer.open, content, file_id.bytes)
    return Content(noted.media_type, content)


def answer(file: Content, name: str, *, public: bool = False) -> Response:
    """A file as an HTTP answer; `name` without its ending, of ASCII letters, digits and hyphens.

    Nothing guesses its type, runs what it may hold, or keeps it; a public picture may be shown in a page and cached,
    because another picture has another id.
    """
    kept = "public, max-age=3600" if public else "no-store"
    shown = "inline" if public else "attachment"
    headers = {
        "Content-Disposition": f'{shown}; filename="{name}.{_ENDINGS[file.media_type]}"',
        "Cache-Control": kept,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin" if public else "same-origin",
    }
    return Response(file.content, media_type=file.media_type, headers=headers)


def remover(settings: ServiceSettings) -> TimerHandler:
    """The timer that removes a file which nobody keeps; a store that is away is asked again later.

    The row's lock is what orders it with `keep`: either the file is kept and stays, or the row is gone and `keep`
    says so. The store is asked inside the transaction, and answers within the seconds a transaction may idle.
    """

    async def remove(conn: Connection, key: str, _: datetime) -> None:
        file_id = UUID(key)
        if await store.forget_file(conn, file_id):
            await storage_of(settings).remove(file_id)

    return remove


async def reseal_files(platform: Platform, after: UUID | None = None, limit: int = 20) -> list[UUID]:
    """Seal the next files that an older key seals with the current one; the ids done, empty when there is none.

    For the rotation of keys: when it answers with none, no file needs an older key any longer. A crash in between
    leaves files that say an older key than they have; that is no harm, they are sealed once more.
    """
    storage = storage_of(platform.settings)
    sealer: Sealer = platform.sealer
    async with platform.database.transaction() as conn:
        noted = await store.find_files_sealed_before(conn, sealer.current, after, limit)
        for file in noted:
            async with storage.turns:
                content = sealer.open(await storage.read(file.file_id), file.file_id.bytes)
                await storage.write(file.file_id, sealer.seal(content, file.file_id.bytes))
        await store.mark_sealed(conn, [file.file_id for file in noted], sealer.current)
    return [file.file_id for file in noted]
