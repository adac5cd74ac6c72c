"""Rows of what vendors wish of mentoring: fields and language, and another mentor."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.training.domain.mentoring import RequestReason, RequestState
from shared.db import Connection
from shared.events.values import Language


class Wishes(NamedTuple):
    """What a vendor wishes of its mentor."""

    fields: Sequence[str]
    language: Language
    said_at: datetime


@dataclass(frozen=True, slots=True)
class MentorRequest:
    """A vendor asks for another mentor; `mentor_id`: the one that it had then."""

    request_id: UUID
    vendor_id: UUID
    mentor_id: UUID | None
    reason: RequestReason
    state: RequestState
    asked_at: datetime
    answered_at: datetime | None


async def save_wishes(
    conn: Connection, vendor_ids: Sequence[UUID], fields: Sequence[str], language: str, *, now: datetime
) -> None:
    """What a person wishes, under each of its ids."""
    await conn.execute(
        """
        INSERT INTO mentoring_wish (vendor_id, fields, language, said_at)
        SELECT id, $2, $3, $4 FROM unnest($1::uuid[]) AS own (id)
        WHERE NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = own.id)
        ON CONFLICT (vendor_id) DO UPDATE SET
            fields = excluded.fields, language = excluded.language, said_at = excluded.said_at
        """,
        list(vendor_ids),
        list(fields),
        language,
        now,
    )


async def find_wishes(conn: Connection, vendor_ids: Sequence[UUID]) -> Wishes | None:
    """What a person last said that it wishes."""
    row = await conn.fetchrow(
        "SELECT fields, language, said_at FROM mentoring_wish WHERE vendor_id = ANY($1::uuid[]) "
        "ORDER BY said_at DESC, vendor_id LIMIT 1",
        vendor_ids,
    )
    return None if row is None else Wishes(**row)


async def find_unknown_fields(conn: Connection, fields: Sequence[str]) -> list[str]:
    """Those of these codes that are no field of the catalogue."""
    rows = await conn.fetch(
        "SELECT code FROM unnest($1::text[]) AS asked (code) "
        "WHERE NOT EXISTS (SELECT FROM course_field f WHERE f.field = asked.code) ORDER BY code",
        list(fields),
    )
    return [row["code"] for row in rows]


async def add_request(conn: Connection, request: MentorRequest) -> None:
    """A new request."""
    await conn.execute(
        "INSERT INTO mentor_request (request_id, vendor_id, mentor_id, reason, state, asked_at) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        request.request_id,
        request.vendor_id,
        request.mentor_id,
        request.reason,
        request.state,
        request.asked_at,
    )


async def find_open_requests(conn: Connection, vendor_ids: Sequence[UUID]) -> list[MentorRequest]:
    """The requests of a person that nobody answered yet."""
    rows = await conn.fetch(
        "SELECT request_id, vendor_id, mentor_id, reason, state, asked_at, answered_at FROM mentor_request "
        "WHERE vendor_id = ANY($1::uuid[]) AND state = 'open' ORDER BY request_id",
        vendor_ids,
    )
    return [MentorRequest(**row) for row in rows]


async def find_request(conn: Connection, request_id: UUID) -> MentorRequest | None:
    """A request."""
    row = await conn.fetchrow(
        "SELECT request_id, vendor_id, mentor_id, reason, state, asked_at, answered_at FROM mentor_request "
        "WHERE request_id = $1",
        request_id,
    )
    return None if row is None else MentorRequest(**row)


async def save_answer(
    conn: Connection, request_id: UUID, state: RequestState, *, by: str | None, now: datetime
) -> None:
    """A request is granted, declined or taken back."""
    await conn.execute(
        "UPDATE mentor_request SET state = $2, answered_by = $3, answered_at = $4 WHERE request_id = $1",
        request_id,
        state,
        by,
        now,
    )


async def list_requests(
    conn: Connection, area: str, state: RequestState, *, after: UUID | None, limit: int
) -> list[MentorRequest]:
    """A page of the requests of vendors who live in an area, the oldest first."""
    rows = await conn.fetch(
        """
        SELECT r.request_id, r.vendor_id, r.mentor_id, r.reason, r.state, r.asked_at, r.answered_at
        FROM mentor_request r JOIN vendor v ON v.vendor_id = r.vendor_id
        WHERE r.state = $2 AND v.kelurahan >= $1 AND v.kelurahan < $1 || '/' AND ($3::uuid IS NULL OR r.request_id > $3)
        ORDER BY r.request_id LIMIT $4
        """,
        area,
        state,
        after,
        limit,
    )
    return [MentorRequest(**row) for row in rows]
