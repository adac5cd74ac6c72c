"""Rows of documents: as they stand, what they were before a correction, the officers' queue."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from services.vendor.domain.documents import Document, Reason
from services.vendor.store.vendors import PLAN_FOR_THESE_VALUES
from shared.db import Connection
from shared.events.documents import DocumentKind
from shared.files.rows import release_files

__all__ = [
    "DOCUMENT_DUE",
    "Paper",
    "Version",
    "add_document",
    "add_version",
    "collect_documents",
    "count_same_number",
    "erase_documents",
    "find_document",
    "find_documents_of",
    "find_file_of",
    "find_kin",
    "find_queue",
    "find_reasons",
    "find_valid_kinds",
    "find_versions",
    "matches_nik",
    "save_document",
]

DOCUMENT_DUE = "document-due"
"""Kind of the timers of documents; a key is a document's id and the day. One that is no longer due does nothing."""


class Paper(NamedTuple):
    """A document with what is known of its file."""

    document: Document
    media_type: str
    bytes: int


class Version(NamedTuple):
    """What a document was before it was corrected."""

    version: int
    number: str | None
    issued_on: date | None
    expires_on: date | None
    file_id: UUID
    submitted_by: str
    submitted_at: datetime
    reason: str | None
    note: str
    correct_by: date | None
    decided_by: str | None
    decided_at: datetime | None


async def find_reasons(conn: Connection) -> list[Reason]:
    """Why documents are rejected or returned, in the order of the programme."""
    rows = await conn.fetch("SELECT code, rejects, returns, name_id, name_en FROM document_reason ORDER BY position")
    return [Reason(*row) for row in rows]


async def matches_nik(conn: Connection, vendor_id: UUID, nik_index: bytes) -> bool:
    """Whether this vendor is registered with this NIK, by blind index."""
    return bool(
        await conn.fetchval("SELECT true FROM vendor WHERE vendor_id = $1 AND nik_index = $2", vendor_id, nik_index)
    )


async def add_document(conn: Connection, document: Document) -> None:
    """A new document."""
    await conn.execute(
        "INSERT INTO document (document_id, vendor_id, kind, state, version, number, issued_on, expires_on, file_id, "
        "submitted_by, submitted_at, replaces, reason, note, correct_by, decided_by, decided_at, reminded) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        *asdict(document).values(),
    )


async def save_document(conn: Connection, document: Document) -> None:
    """Write what may change about a document; its vendor is locked."""
    await conn.execute(
        "UPDATE document SET state = $2, version = $3, number = $4, issued_on = $5, expires_on = $6, file_id = $7, "
        "submitted_by = $8, submitted_at = $9, reason = $10, note = $11, correct_by = $12, decided_by = $13, "
        "decided_at = $14, reminded = $15 WHERE document_id = $1",
        document.document_id,
        document.state,
        document.version,
        document.number,
        document.issued_on,
        document.expires_on,
        document.file_id,
        document.submitted_by,
        document.submitted_at,
        document.reason,
        document.note,
        document.correct_by,
        document.decided_by,
        document.decided_at,
        document.reminded,
    )


async def add_version(conn: Connection, before: Document) -> None:
    """Keep what a document was before it is corrected."""
    await conn.execute(
        "INSERT INTO document_version (document_id, version, number, issued_on, expires_on, file_id, submitted_by, "
        "submitted_at, reason, note, correct_by, decided_by, decided_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        before.document_id,
        before.version,
        before.number,
        before.issued_on,
        before.expires_on,
        before.file_id,
        before.submitted_by,
        before.submitted_at,
        before.reason,
        before.note,
        before.correct_by,
        before.decided_by,
        before.decided_at,
    )


FIND_DOCUMENT = """
SELECT d.document_id, d.vendor_id, d.kind, d.state, d.version, d.number, d.issued_on, d.expires_on, d.file_id,
       d.submitted_by, d.submitted_at, d.replaces, d.reason, d.note, d.correct_by, d.decided_by, d.decided_at,
       d.reminded, f.media_type, f.bytes
FROM document AS d JOIN stored_file AS f ON f.file_id = d.file_id
WHERE d.document_id = $1
"""

FIND_DOCUMENTS_OF = """
SELECT d.document_id, d.vendor_id, d.kind, d.state, d.version, d.number, d.issued_on, d.expires_on, d.file_id,
       d.submitted_by, d.submitted_at, d.replaces, d.reason, d.note, d.correct_by, d.decided_by, d.decided_at,
       d.reminded, f.media_type, f.bytes
FROM document AS d JOIN stored_file AS f ON f.file_id = d.file_id
WHERE d.vendor_id = ANY($1::uuid[]) AND ($2::uuid IS NULL OR d.document_id > $2)
ORDER BY d.document_id
LIMIT $3
"""

FIND_KIN = """
SELECT document_id, vendor_id, kind, state, version, number, issued_on, expires_on, file_id, submitted_by,
       submitted_at, replaces, reason, note, correct_by, decided_by, decided_at, reminded
FROM document WHERE vendor_id = ANY($1::uuid[]) AND kind = $2
ORDER BY document_id
"""

# The ids of one page first. Of those who stand for themselves: where an area holds many who wait, the queue is walked
# in its order; where it holds few, its people are sought among all who wait (the planner chooses, for the area that is
# asked for). Of retired registrations, which are few, all (`stray`): each belongs where the one lives that stands for
# the person (`up`). The area is a range of codes, as in `vendors.FIND_IDS`.
FIND_QUEUE = """
WITH RECURSIVE stray AS MATERIALIZED (
    SELECT d.submitted_at, d.document_id, r.merged_into
    FROM document AS d JOIN vendor AS r ON r.vendor_id = d.vendor_id AND r.merged_into IS NOT NULL
    WHERE d.state = $1 AND d.state IN ('submitted', 'returned')
      AND ($3::text IS NULL OR d.kind = $3)
      AND ($4::timestamptz IS NULL OR (d.submitted_at, d.document_id) > ($4, $5::uuid))
), up AS (
    SELECT submitted_at, document_id, merged_into FROM stray
    UNION ALL
    SELECT u.submitted_at, u.document_id, v.merged_into FROM up AS u JOIN vendor AS v ON v.vendor_id = u.merged_into
    WHERE v.merged_into IS NOT NULL
), waiting AS (
    (SELECT d.submitted_at, d.document_id
     FROM document AS d JOIN vendor AS v ON v.vendor_id = d.vendor_id
     WHERE d.state = $1 AND d.state IN ('submitted', 'returned')
       AND v.merged_into IS NULL AND v.kelurahan >= $2 AND v.kelurahan < $2 || '/'
       AND ($3::text IS NULL OR d.kind = $3)
       AND ($4::timestamptz IS NULL OR (d.submitted_at, d.document_id) > ($4, $5::uuid))
     ORDER BY d.submitted_at, d.document_id LIMIT $6)
    UNION ALL
    SELECT u.submitted_at, u.document_id FROM up AS u JOIN vendor AS v ON v.vendor_id = u.merged_into
    WHERE v.merged_into IS NULL AND v.kelurahan >= $2 AND v.kelurahan < $2 || '/'
)
SELECT d.document_id, d.vendor_id, d.kind, d.state, d.version, d.number, d.issued_on, d.expires_on, d.file_id,
       d.submitted_by, d.submitted_at, d.replaces, d.reason, d.note, d.correct_by, d.decided_by, d.decided_at,
       d.reminded, f.media_type, f.bytes
FROM (SELECT document_id FROM waiting ORDER BY submitted_at, document_id LIMIT $6) AS w
JOIN document AS d ON d.document_id = w.document_id
JOIN stored_file AS f ON f.file_id = d.file_id
ORDER BY d.submitted_at, d.document_id
"""

COUNT_SAME_NUMBER = """
SELECT count(DISTINCT vendor_id) FROM document
WHERE kind = $1 AND number = $2 AND state <> 'rejected' AND vendor_id <> ALL($3::uuid[])
"""

FIND_VALID_KINDS = """
SELECT DISTINCT kind FROM document
WHERE vendor_id = ANY($1::uuid[]) AND state = 'verified'
  AND (issued_on IS NULL OR issued_on <= $2) AND (expires_on IS NULL OR expires_on >= $2)
"""


def _paper(row: asyncpg.Record) -> Paper:
    *values, media_type, size = row
    return Paper(Document(*values), media_type, size)


async def find_document(conn: Connection, document_id: UUID) -> Paper | None:
    """One document."""
    row = await conn.fetchrow(FIND_DOCUMENT, document_id)
    return None if row is None else _paper(row)


async def find_documents_of(
    conn: Connection, vendor_ids: Sequence[UUID], after: UUID | None, limit: int
) -> list[Paper]:
    """Documents of these vendors in the order of their submission, those after `after`, at most `limit`."""
    return [_paper(row) for row in await conn.fetch(FIND_DOCUMENTS_OF, vendor_ids, after, limit)]


async def find_kin(conn: Connection, vendor_ids: Sequence[UUID], kind: DocumentKind) -> list[Document]:
    """All documents of one kind of these vendors; who changes them has locked the vendors."""
    return [Document(*row) for row in await conn.fetch(FIND_KIN, vendor_ids, kind)]


async def find_queue(
    conn: Connection, state: str, area: str, kind: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[Paper]:
    """Documents that wait (submitted, or returned to their vendors) inside an area, oldest first."""
    moment, last = after or (None, None)
    async with conn.transaction():
        await conn.execute(PLAN_FOR_THESE_VALUES)
        return [_paper(row) for row in await conn.fetch(FIND_QUEUE, state, area, kind, moment, last, limit)]


async def find_versions(conn: Connection, document_id: UUID) -> list[Version]:
    """What a document was before its corrections, oldest first."""
    rows = await conn.fetch(
        "SELECT version, number, issued_on, expires_on, file_id, submitted_by, submitted_at, reason, note, "
        "correct_by, decided_by, decided_at FROM document_version WHERE document_id = $1 ORDER BY version",
        document_id,
    )
    return [Version(*row) for row in rows]


async def find_file_of(conn: Connection, document_id: UUID, version: int) -> UUID | None:
    """The file of one version of a document."""
    file_id: UUID | None = await conn.fetchval(
        "SELECT file_id FROM document WHERE document_id = $1 AND version = $2 "
        "UNION ALL SELECT file_id FROM document_version WHERE document_id = $1 AND version = $2",
        document_id,
        version,
    )
    return file_id


async def count_same_number(conn: Connection, document: Document, vendor_ids: Sequence[UUID]) -> int:
    """How many other persons' vendors hold a document with this number that was not rejected."""
    if document.number is None:
        return 0
    found: int = await conn.fetchval(COUNT_SAME_NUMBER, document.kind, document.number, vendor_ids)
    return found


async def find_valid_kinds(conn: Connection, vendor_ids: Sequence[UUID], day: date) -> set[str]:
    """Kinds of which these vendors have a verified document that is valid on this day."""
    return {row["kind"] for row in await conn.fetch(FIND_VALID_KINDS, vendor_ids, day)}


COLLECT_DOCUMENTS = """
SELECT json_build_object(
    'document_id', d.document_id, 'vendor_id', d.vendor_id, 'kind', d.kind, 'state', d.state, 'version', d.version,
    'number', d.number, 'issued_on', d.issued_on, 'expires_on', d.expires_on, 'file_id', d.file_id,
    'media_type', f.media_type, 'bytes', f.bytes, 'submitted_by', d.submitted_by, 'submitted_at', d.submitted_at,
    'replaces', d.replaces, 'reason', d.reason, 'note', d.note, 'correct_by', d.correct_by,
    'decided_at', d.decided_at, 'reminded_days_before', d.reminded,
    'earlier', (
        SELECT coalesce(json_agg(json_build_object(
            'version', e.version, 'number', e.number, 'issued_on', e.issued_on, 'expires_on', e.expires_on,
            'file_id', e.file_id, 'media_type', g.media_type, 'bytes', g.bytes, 'submitted_by', e.submitted_by,
            'submitted_at', e.submitted_at, 'reason', e.reason, 'note', e.note, 'correct_by', e.correct_by,
            'decided_at', e.decided_at
        ) ORDER BY e.version), '[]')
        FROM document_version AS e JOIN stored_file AS g ON g.file_id = e.file_id
        WHERE e.document_id = d.document_id
    )
) AS document
FROM document AS d JOIN stored_file AS f ON f.file_id = d.file_id
WHERE d.vendor_id = ANY($1::uuid[])
ORDER BY d.document_id
"""


async def collect_documents(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, Any]:
    """Everything kept about the documents of these vendors, JSON-ready; a file by its id (`files.read_file`)."""
    rows = await conn.fetch(COLLECT_DOCUMENTS, vendor_ids)
    return {"documents": [row["document"] for row in rows]}


async def erase_documents(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, int]:
    """Delete the documents of these vendors; their files are removed soon after this transaction. Says how many."""
    rows = await conn.fetch("SELECT document_id, file_id FROM document WHERE vendor_id = ANY($1::uuid[])", vendor_ids)
    document_ids = [row["document_id"] for row in rows]
    earlier = await conn.fetch(
        "DELETE FROM document_version WHERE document_id = ANY($1::uuid[]) RETURNING file_id", document_ids
    )
    await conn.execute("DELETE FROM document WHERE document_id = ANY($1::uuid[])", document_ids)
    released = await release_files(conn, list({row["file_id"] for row in [*rows, *earlier]}))
    return {"documents": len(rows), "earlier versions of documents": len(earlier), "files of documents": released}
