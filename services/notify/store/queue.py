"""Rows of the officers' queue: replies that wait, are answered, closed and forgotten."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from shared.db import Connection
from shared.events.notify import Channel, Intent


class ReplyFilter(NamedTuple):
    """Which replies to list; None does not filter. `area`: where the writer lives; of nobody we know where there is no
    narrower area than the province.
    """

    area: str
    state: str | None = None
    intent: str | None = None
    channel: str | None = None
    vendor_id: UUID | None = None


# Two statements, so that each plan has an index: the queue one of its own, all replies that of their ids.
REPLIES = """
SELECT r.reply_id, r.channel, r.vendor_id, r.intent, r.about_notification_id, r.application_id, r.state, r.said_at,
    r.received_at, r.settled_at, r.settled_by, r.settled_because,
    ARRAY(SELECT c.vendor_id FROM reply_candidate AS c WHERE c.reply_id = r.reply_id ORDER BY c.vendor_id) AS candidates
FROM reply AS r WHERE ($1::text IS NULL OR r.intent = $1) AND ($2::text IS NULL OR r.channel = $2)
    AND ($3::uuid IS NULL OR r.vendor_id = $3) AND ($4::uuid IS NULL OR r.reply_id > $4)
    AND CASE
        WHEN r.vendor_id IS NOT NULL THEN coalesce((SELECT v.kelurahan = $5 OR v.kelurahan LIKE $5 || '.%'
            FROM vendor AS v WHERE v.vendor_id = r.vendor_id), false)
        WHEN EXISTS (SELECT FROM reply_candidate AS c WHERE c.reply_id = r.reply_id) THEN EXISTS (
            SELECT FROM reply_candidate AS c JOIN vendor AS v ON v.vendor_id = c.vendor_id
            WHERE c.reply_id = r.reply_id AND (v.kelurahan = $5 OR v.kelurahan LIKE $5 || '.%'))
        ELSE strpos($5, '.') = 0 END
"""
OPEN_REPLIES = REPLIES + " AND r.state = 'open' ORDER BY r.reply_id LIMIT $6"
ALL_REPLIES = REPLIES + " AND ($7::text IS NULL OR r.state = $7) ORDER BY r.reply_id LIMIT $6"


async def list_replies(conn: Connection, wanted: ReplyFilter, after: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Replies, the oldest first: whoever waits longest is answered first."""
    filters = (wanted.intent, wanted.channel, wanted.vendor_id, after, wanted.area, limit)
    if wanted.state == "open":
        rows = await conn.fetch(OPEN_REPLIES, *filters)
    else:
        rows = await conn.fetch(ALL_REPLIES, *filters, wanted.state)
    return [dict(row) for row in rows]


class Found(NamedTuple):
    """A reply of the queue."""

    reply_id: UUID
    channel: Channel
    provider: str
    address_key: bytes | None
    vendor_id: UUID | None
    candidates: Sequence[UUID]
    intent: Intent
    about_notification_id: UUID | None
    application_id: UUID | None
    text_sealed: bytes | None
    answer_sealed: bytes | None
    state: str
    said_at: datetime
    received_at: datetime
    settled_at: datetime | None
    settled_by: str | None
    settled_because: str | None

    @property
    def writers(self) -> Sequence[UUID]:
        """Who wrote it, or may have."""
        return self.candidates if self.vendor_id is None else [self.vendor_id]


async def find_reply(conn: Connection, reply_id: UUID, *, lock: bool = False) -> Found | None:
    """A reply, if there is one; locked when it is to be settled."""
    if lock:
        await conn.execute("SELECT FROM reply WHERE reply_id = $1 FOR UPDATE", reply_id)
    row = await conn.fetchrow(
        """
        SELECT r.reply_id, r.channel, r.provider, r.address_key, r.vendor_id,
            ARRAY(SELECT c.vendor_id FROM reply_candidate AS c WHERE c.reply_id = r.reply_id ORDER BY c.vendor_id)
                AS candidates,
            r.intent, r.about_notification_id, r.application_id, r.text_sealed, r.answer_sealed, r.state, r.said_at,
            r.received_at, r.settled_at, r.settled_by, r.settled_because
        FROM reply AS r WHERE r.reply_id = $1
        """,
        reply_id,
    )
    return None if row is None else Found(*row)


async def settle_reply(
    conn: Connection,
    reply_id: UUID,
    state: str,
    *,
    vendor_id: UUID | None,
    by: str,
    because: str | None,
    answer_sealed: bytes | None,
    now: datetime,
) -> None:
    """An officer answered it, or closed it; whose it was found to be."""
    await conn.execute(
        "UPDATE reply SET state = $2, vendor_id = coalesce(vendor_id, $3), settled_by = $4, settled_because = $5, "
        "answer_sealed = $6, settled_at = $7 WHERE reply_id = $1",
        reply_id,
        state,
        vendor_id,
        by,
        because,
        answer_sealed,
        now,
    )


async def find_officer_words(conn: Connection, reply_id: UUID) -> bytes | None:
    """What an officer answered, sealed, while it is kept."""
    sealed: bytes | None = await conn.fetchval("SELECT answer_sealed FROM reply WHERE reply_id = $1", reply_id)
    return sealed


async def find_homes(conn: Connection, vendor_ids: Sequence[UUID]) -> list[str]:
    """Where these vendors live."""
    rows = await conn.fetch("SELECT kelurahan FROM vendor WHERE vendor_id = ANY($1::uuid[])", vendor_ids)
    return [row["kelurahan"] for row in rows]


# --- forgetting


async def forget_texts(conn: Connection, before: datetime, now: datetime) -> None:
    """What was written before this moment goes, with the address; whoever still waited is not answered any more."""
    await conn.execute(
        "UPDATE reply SET text_sealed = NULL, address_key = NULL, "
        "settled_at = CASE WHEN state = 'open' THEN $2::timestamptz ELSE settled_at END, "
        "settled_because = CASE WHEN state = 'open' THEN 'not-answered' ELSE settled_because END, "
        "state = CASE WHEN state = 'open' THEN 'closed' ELSE state END "
        "WHERE reply_id IN (SELECT reply_id FROM reply WHERE received_at < $1 "
        "AND (text_sealed IS NOT NULL OR address_key IS NOT NULL) ORDER BY reply_id FOR UPDATE SKIP LOCKED)",
        before,
        now,
    )
    await conn.execute(
        "UPDATE reply SET answer_sealed = NULL WHERE answer_sealed IS NOT NULL AND settled_at < $1", before
    )
