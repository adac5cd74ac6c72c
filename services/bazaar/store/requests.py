"""Rows of requests for a bazaar. A request is locked before the bazaar that it becomes is there."""

from typing import Any
from uuid import UUID

from asyncpg import Record

from services.bazaar.domain.requests import BazaarRequest, RequestUnknown
from shared.db import Connection
from shared.resealing import SealedColumn

WHY = SealedColumn(
    "reasons of requests",
    "SELECT request_id AS id, why_sealed AS sealed FROM bazaar_request "
    "WHERE request_id > $1 AND why_sealed IS NOT NULL ORDER BY request_id LIMIT $2",
    "UPDATE bazaar_request AS r SET why_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (id, old, fresh) "
    "WHERE r.request_id = n.id AND r.why_sealed = n.old",
)
NOTES = SealedColumn(
    "answers to requests",
    "SELECT request_id AS id, note_sealed AS sealed FROM bazaar_request "
    "WHERE request_id > $1 AND note_sealed IS NOT NULL ORDER BY request_id LIMIT $2",
    "UPDATE bazaar_request AS r SET note_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (id, old, fresh) "
    "WHERE r.request_id = n.id AND r.note_sealed = n.old",
)


async def add_request(conn: Connection, request: BazaarRequest, why_sealed: bytes | None) -> None:
    """A new request."""
    await conn.execute(
        "INSERT INTO bazaar_request (request_id, version, state, kelurahan, days, venue, venue_type, venue_id, booths, "
        "reasons, why_sealed, requested_by, requested_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        request.request_id,
        request.version,
        request.state,
        request.kelurahan,
        list(request.days),
        request.venue,
        request.venue_type,
        request.venue_id,
        request.booths,
        list(request.reasons),
        why_sealed,
        request.requested_by,
        request.requested_at,
    )


async def decide_request(conn: Connection, request: BazaarRequest, note_sealed: bytes | None) -> None:
    """What was decided on it; its row is locked."""
    await conn.execute(
        "UPDATE bazaar_request SET version = $2, state = $3, decided_by = $4, decided_at = $5, refused_because = $6, "
        "note_sealed = $7, bazaar_id = $8 WHERE request_id = $1",
        request.request_id,
        request.version,
        request.state,
        request.decided_by,
        request.decided_at,
        request.refused_because,
        note_sealed,
        request.bazaar_id,
    )


async def lock_request(conn: Connection, request_id: UUID) -> BazaarRequest:
    """The request, held against everyone else who decides it. Raises `RequestUnknown`."""
    row = await conn.fetchrow(
        "SELECT request_id, version, state, kelurahan, days, venue, venue_type, venue_id, booths, reasons, "
        "requested_by, requested_at, decided_by, decided_at, refused_because, bazaar_id "
        "FROM bazaar_request WHERE request_id = $1 FOR NO KEY UPDATE",
        request_id,
    )
    return _request(row)


async def find_request(conn: Connection, request_id: UUID) -> BazaarRequest:
    """The request as it stands. Raises `RequestUnknown`."""
    row = await conn.fetchrow(
        "SELECT request_id, version, state, kelurahan, days, venue, venue_type, venue_id, booths, reasons, "
        "requested_by, requested_at, decided_by, decided_at, refused_because, bazaar_id "
        "FROM bazaar_request WHERE request_id = $1",
        request_id,
    )
    return _request(row)


async def find_texts(conn: Connection, request_id: UUID) -> tuple[bytes | None, bytes | None]:
    """What people wrote, sealed: why it was asked for, and what was answered."""
    row = await conn.fetchrow("SELECT why_sealed, note_sealed FROM bazaar_request WHERE request_id = $1", request_id)
    return (None, None) if row is None else (row["why_sealed"], row["note_sealed"])


async def list_requests(
    conn: Connection, area: str, state: str | None, after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Requests of the kelurahan inside an area, the latest first; one row more than `limit` when there are more."""
    rows = await conn.fetch(
        "SELECT request_id, state, kelurahan, days, venue, venue_type, venue_id, booths, reasons, requested_at, "
        "decided_at, refused_because, bazaar_id FROM bazaar_request "
        "WHERE (kelurahan = $1 OR starts_with(kelurahan, $1 || '.')) AND ($2::text IS NULL OR state = $2) "
        "AND request_id < $3 ORDER BY request_id DESC LIMIT $4",
        area,
        state,
        after or UUID(int=2**128 - 1),
        limit + 1,
    )
    return [dict(row) for row in rows]


def _request(row: Record | None) -> BazaarRequest:
    if row is None:
        raise RequestUnknown("There is no such request in your area.")
    values: dict[str, Any] = dict(row)
    return BazaarRequest(**{**values, "days": tuple(row["days"]), "reasons": tuple(row["reasons"])})
