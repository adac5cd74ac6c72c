"""The folder or bucket that holds files, behind one interface: `obstore`.

A module apart from `storage`, which loads it with the first file: its library takes 4 MB.
"""

import asyncio
import os
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from shared.files.rows import FileLost

if TYPE_CHECKING:
    from obstore.store import S3Config

__all__ = ["Storage", "StoreUnavailable", "open_storage"]

AT_ONCE_MAX = 8
"""Files a process writes or reads at once; each takes about three times its size in memory."""
STORE_SECONDS_MAX = timedelta(seconds=10)

ObjectStore: TypeAlias = LocalStore | S3Store


class StoreUnavailable(OSError):
    """The folder or the bucket cannot be used at the moment: an outage, as a database that is away."""


@dataclass(frozen=True, slots=True)
class Storage:
    """The folder or bucket; `folder` is None for a bucket."""

    objects: ObjectStore
    folder: Path | None
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE_MAX))

    async def write(self, file_id: UUID, content: bytes) -> None:
        """Write a file so that it is there as a whole or not at all, also after the power failed."""
        path = _path(file_id)
        try:
            await obstore.put_async(self.objects, path, content, use_multipart=False)
            if self.folder is not None:
                await asyncio.to_thread(_settle, self.folder, path)
        except (BaseError, OSError) as error:
            raise StoreUnavailable(f"a file could not be written: {type(error).__name__}") from error

    async def read(self, file_id: UUID) -> bytes:
        """The bytes of a file. Raises `FileLost`."""
        try:
            result = await obstore.get_async(self.objects, _path(file_id))
            return bytes(await result.bytes_async())
        except FileNotFoundError:
            raise FileLost(f"the store does not hold file {file_id}") from None
        except (BaseError, OSError) as error:
            raise StoreUnavailable(f"a file could not be read: {type(error).__name__}") from error

    async def remove(self, file_id: UUID) -> None:
        """Remove a file; one that is not there is no error."""
        try:
            await obstore.delete_async(self.objects, _path(file_id))
        except FileNotFoundError as error:
            # a bucket never says that of a file: the bucket itself is missing, as the folder may be
            if self.folder is None or not self.folder.is_dir():
                raise StoreUnavailable("the folder or bucket of files is not there") from error
        except (BaseError, OSError) as error:
            raise StoreUnavailable(f"a file could not be removed: {type(error).__name__}") from error


def _path(file_id: UUID) -> str:
    """An id says nothing of the person; its last digits are chance, and spread the files over 256 folders."""
    return f"{file_id.hex[-2:]}/{file_id.hex}"


def _settle(folder: Path, path: str) -> None:
    """Have the disk hold the file and its name before a row refers to it."""
    written = folder / path
    for settled in (written, written.parent, folder):
        number = os.open(settled, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


@cache
def open_storage(
    place: str, endpoint: str | None, region: str, access_key: str | None, secret_key: str | None
) -> Storage:
    """The storage at this place, a folder or `s3://bucket/prefix`; the same one each time."""
    parts = urlsplit(place)
    if parts.scheme != "s3":
        folder = Path(place).resolve()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Storage(LocalStore(folder), folder)
    # one file is removed at a time, and not every store knows the request for many
    config: S3Config = {"region": region, "disable_bulk_delete": True}
    if endpoint is not None:
        config["endpoint"] = endpoint
    if access_key is not None and secret_key is not None:
        config["access_key_id"], config["secret_access_key"] = access_key, secret_key
    objects = S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        config=config,
        client_options={
            "allow_http": endpoint is not None and endpoint.startswith("http://"),
            "timeout": STORE_SECONDS_MAX,
            "connect_timeout": STORE_SECONDS_MAX / 2,
        },
        retry_config={"max_retries": 3, "retry_timeout": STORE_SECONDS_MAX},
    )
    return Storage(objects, None)
