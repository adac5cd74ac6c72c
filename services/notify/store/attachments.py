"""Rows of files that go along with e-mails. Name and content are sealed, each bound to the attachment's id."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from shared.db import Connection
from shared.resealing import SealedColumn

FILES_AT_ONCE = 20
"""Of the rotation of keys: each has up to two megabytes."""

SEALED_FILE_NAMES = SealedColumn(
    "names of attached files",
    "SELECT attachment_id AS id, name_sealed AS sealed FROM attachment WHERE attachment_id > $1 "
    "AND content_sealed IS NOT NULL ORDER BY attachment_id LIMIT $2",
    "UPDATE attachment AS a SET name_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (id, old, fresh) "
    "WHERE a.attachment_id = n.id AND a.name_sealed = n.old",
)
SEALED_FILES = SealedColumn(
    "attached files",
    "SELECT attachment_id AS id, content_sealed AS sealed FROM attachment WHERE attachment_id > $1 "
    "AND content_sealed IS NOT NULL ORDER BY attachment_id LIMIT $2",
    "UPDATE attachment AS a SET content_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (id, old, fresh) "
    "WHERE a.attachment_id = n.id AND a.content_sealed = n.old",
    FILES_AT_ONCE,
)


class SealedFile(NamedTuple):
    """A file as it is kept."""

    attachment_id: UUID
    number: int
    name_sealed: bytes
    content_sealed: bytes
    size: int
    sha256: bytes


class FileRow(NamedTuple):
    """What is known of a file without its content. Without a sealed name the content is removed too."""

    attachment_id: UUID
    name_sealed: bytes | None
    size: int
    sha256: bytes


async def add_files(conn: Connection, notification_id: UUID, files: Sequence[SealedFile]) -> None:
    """Let these files go along with a message, which was written in this transaction."""
    await conn.executemany(
        "INSERT INTO attachment (attachment_id, notification_id, number, name_sealed, content_sealed, size, sha256) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        [
            (
                one.attachment_id,
                notification_id,
                one.number,
                one.name_sealed,
                one.content_sealed,
                one.size,
                one.sha256,
            )
            for one in files
        ],
    )


async def find_kept(conn: Connection, notification_id: UUID) -> list[SealedFile]:
    """The files of a message that are still kept, in their order."""
    rows = await conn.fetch(
        "SELECT attachment_id, number, name_sealed, content_sealed, size, sha256 FROM attachment "
        "WHERE notification_id = $1 AND content_sealed IS NOT NULL ORDER BY number",
        notification_id,
    )
    return [SealedFile(*row) for row in rows]


async def find_files(conn: Connection, notification_id: UUID) -> list[FileRow]:
    """What is known of the files of a message, in their order."""
    rows = await conn.fetch(
        "SELECT attachment_id, name_sealed, size, sha256 FROM attachment WHERE notification_id = $1 ORDER BY number",
        notification_id,
    )
    return [FileRow(*row) for row in rows]
