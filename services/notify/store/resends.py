"""Messages that are sent again. Why is sealed, bound to the id of the new message."""

from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Connection
from shared.resealing import SealedColumn

SEALED_REASONS = SealedColumn(
    "reasons to send messages again",
    "SELECT notification_id AS id, reason_sealed AS sealed FROM resend WHERE notification_id > $1 "
    "AND reason_sealed IS NOT NULL ORDER BY notification_id LIMIT $2",
    "UPDATE resend AS r SET reason_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (id, old, fresh) "
    "WHERE r.notification_id = n.id AND r.reason_sealed = n.old",
)


async def lock_resent(conn: Connection, notification_id: UUID) -> dict[str, Any] | None:
    """Lock a message that is to be sent again."""
    row = await conn.fetchrow(
        "SELECT n.id, n.vendor_id, n.state, n.mode, n.deadline, n.files, n.bodies_gone_at IS NULL AS has_body, "
        "EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = n.vendor_id) AS erased "
        "FROM notification AS n WHERE n.id = $1 FOR UPDATE OF n",
        notification_id,
    )
    return None if row is None else dict(row)


async def find_resent(conn: Connection, notification_id: UUID) -> UUID | None:
    """The message that was sent in the place of this one, as of now."""
    found: UUID | None = await conn.fetchval("SELECT id FROM notification WHERE resend_of = $1", notification_id)
    return found


async def add_resend(
    conn: Connection,
    new_id: UUID,
    notification_id: UUID,
    deadline: datetime,
    *,
    by: str,
    reason_sealed: bytes,
    now: datetime,
) -> None:
    """Write the intent of the same message anew, with a cause of its own, to be routed anew; what has files stays an
    e-mail.
    """
    await conn.execute(
        "WITH again AS (INSERT INTO notification (id, event_id, template, vendor_id, template_version, params, lane, "
        "state, deadline, cause_at, planned_at, traceparent, topic, must, mode, route, asked_by, resend_of, files) "
        "SELECT $2, $2, template, vendor_id, template_version, params, lane, "
        "CASE WHEN EXISTS (SELECT FROM contact AS c WHERE c.vendor_id = n.vendor_id) THEN 'planned' "
        "ELSE 'waiting_contact' END, $3, $4, $4, traceparent, topic, must, mode, "
        "CASE WHEN files > 0 THEN ARRAY['email'] END, asked_by, n.id, files "
        "FROM notification AS n WHERE id = $1 RETURNING id) "
        "INSERT INTO resend (notification_id, by, reason_sealed, at) SELECT id, $5, $6, $4 FROM again",
        notification_id,
        new_id,
        deadline,
        now,
        by,
        reason_sealed,
    )
