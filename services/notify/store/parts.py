"""Which parts of text messages were delivered."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from shared.db import Connection


async def add_delivered(conn: Connection, delivered: Mapping[UUID, tuple[int, Sequence[str]]]) -> set[UUID]:
    """Note these parts (attempt -> how many parts its message has, those delivered now); the attempts of which all are
    delivered by now. In the order of attempts, so that two transactions never wait for each other.
    """
    rows = await conn.fetch(
        """
        INSERT INTO message_parts AS known (attempt_id, parts, delivered)
        SELECT attempt_id, parts, string_to_array(delivered, ' ')
        FROM unnest($1::uuid[], $2::smallint[], $3::text[]) AS told (attempt_id, parts, delivered)
        ORDER BY attempt_id
        ON CONFLICT (attempt_id) DO UPDATE SET delivered =
            ARRAY(SELECT unnest(known.delivered) UNION SELECT unnest(excluded.delivered))
        RETURNING attempt_id, cardinality(delivered) >= parts AS whole
        """,
        sorted(delivered),
        [delivered[attempt_id][0] for attempt_id in sorted(delivered)],
        [" ".join(delivered[attempt_id][1]) for attempt_id in sorted(delivered)],
    )
    return {row["attempt_id"] for row in rows if row["whole"]}


async def remove_parts(conn: Connection, kept_seconds: float) -> None:
    """Forget messages whose first part was delivered so long ago."""
    await conn.execute(
        """
        DELETE FROM message_parts WHERE attempt_id IN (
            SELECT attempt_id FROM message_parts
            WHERE began_at < clock_timestamp() - make_interval(secs => $1)
            ORDER BY began_at LIMIT 1000
            FOR UPDATE SKIP LOCKED
        )
        """,
        kept_seconds,
    )
