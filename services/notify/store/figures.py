"""Figures: messages and attempts counted by day, so that counts outlive them."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from services.notify.domain.figures import Tally
from shared.db import Connection


async def count_settled(conn: Connection, before: datetime, *, unknown_before: datetime, limit: int) -> int:
    """Count messages that were settled before then, and their attempts, each once: the mark and the count are one
    statement. How many messages.
    """
    counted: int = await conn.fetchval(
        "WITH picked AS (SELECT id FROM notification WHERE NOT counted AND settled_at < $1 "
        "AND (state IN ('sent', 'delivered', 'rejected', 'expired', 'digested', 'cancelled') "
        "OR state = 'unknown' AND settled_at < $2) ORDER BY settled_at LIMIT $3 FOR UPDATE SKIP LOCKED), "
        "marked AS (UPDATE notification AS n SET counted = true FROM picked WHERE n.id = picked.id RETURNING n.id), "
        "added AS (INSERT INTO daily_figure AS f (day, about, mode, channel, provider, template, lane, outcome, code, "
        "n, timed, seconds, histogram, segments, cost_millirupiah) "
        "SELECT u.day, u.about, u.mode, u.channel, u.provider, u.template, u.lane, u.outcome, u.code, count(*), "
        "count(u.seconds), coalesce(sum(u.seconds), 0), ARRAY["
        "count(*) FILTER (WHERE u.bucket = 0), count(*) FILTER (WHERE u.bucket = 1), "
        "count(*) FILTER (WHERE u.bucket = 2), count(*) FILTER (WHERE u.bucket = 3), "
        "count(*) FILTER (WHERE u.bucket = 4), count(*) FILTER (WHERE u.bucket = 5), "
        "count(*) FILTER (WHERE u.bucket = 6), count(*) FILTER (WHERE u.bucket = 7), "
        "count(*) FILTER (WHERE u.bucket = 8), count(*) FILTER (WHERE u.bucket = 9), "
        "count(*) FILTER (WHERE u.bucket = 10), count(*) FILTER (WHERE u.bucket = 11), "
        "count(*) FILTER (WHERE u.bucket = 12), count(*) FILTER (WHERE u.bucket = 13), "
        "count(*) FILTER (WHERE u.bucket = 14), count(*) FILTER (WHERE u.bucket = 15)], "
        "sum(u.segments), sum(u.cost_millirupiah) FROM picked "
        # OFFSET 0: looked up message by message; a join would count all messages there are and keep these
        "CROSS JOIN LATERAL (SELECT * FROM figure_unit WHERE notification_id = picked.id OFFSET 0) AS u "
        "GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9 "
        "ON CONFLICT (day, about, mode, channel, provider, template, lane, outcome, code) DO UPDATE SET "
        "n = f.n + excluded.n, timed = f.timed + excluded.timed, seconds = f.seconds + excluded.seconds, "
        "histogram = ARRAY(SELECT kept + more FROM unnest(f.histogram, excluded.histogram) AS h (kept, more)), "
        "segments = f.segments + excluded.segments, cost_millirupiah = f.cost_millirupiah + excluded.cost_millirupiah) "
        "SELECT count(*) FROM marked",
        before,
        unknown_before,
        limit,
    )
    return counted


class Group(NamedTuple):
    """One group of what was asked for: its values, of its outcomes one, and the counts. `unreported`: of a channel on
    which nobody says that a message has arrived.
    """

    values: tuple[Any, ...]
    outcome: str
    unreported: bool
    tally: Tally


async def find_figures(
    conn: Connection, *, about: str, mode: str, first: date, last: date, by: Sequence[str], limit: int
) -> list[Group]:
    """Counts of these days, in groups by any of day, channel, provider, template, lane and code, and always by outcome:
    what was counted, and what is settled and not counted yet.
    """
    rows = await conn.fetch(
        "SELECT CASE WHEN 'day' = ANY($5::text[]) THEN day END AS day, "
        "CASE WHEN 'channel' = ANY($5) THEN channel END AS channel, "
        "CASE WHEN 'provider' = ANY($5) THEN provider END AS provider, "
        "CASE WHEN 'template' = ANY($5) THEN template END AS template, "
        "CASE WHEN 'lane' = ANY($5) THEN lane END AS lane, CASE WHEN 'code' = ANY($5) THEN code END AS code, outcome, "
        # simulated mail servers, alone, report
        "coalesce(channel = 'email', false) AND $2 <> 'test' AS unreported, "
        "sum(n)::bigint AS n, sum(timed)::bigint AS timed, sum(seconds) AS seconds, ARRAY["
        "sum(histogram[1]), sum(histogram[2]), sum(histogram[3]), sum(histogram[4]), sum(histogram[5]), "
        "sum(histogram[6]), sum(histogram[7]), sum(histogram[8]), sum(histogram[9]), sum(histogram[10]), "
        "sum(histogram[11]), sum(histogram[12]), sum(histogram[13]), sum(histogram[14]), sum(histogram[15]), "
        "sum(histogram[16])]::bigint[] AS histogram, sum(segments)::bigint AS segments, "
        "sum(cost_millirupiah)::bigint AS cost_millirupiah FROM ("
        "SELECT day, channel, provider, template, lane, outcome, code, n, timed, seconds, histogram, segments, "
        "cost_millirupiah FROM daily_figure WHERE about = $1 AND mode = $2 AND day BETWEEN $3 AND $4 UNION ALL "
        "SELECT u.day, u.channel, u.provider, u.template, u.lane, u.outcome, u.code, count(*), count(u.seconds), "
        "coalesce(sum(u.seconds), 0), ARRAY["
        "count(*) FILTER (WHERE u.bucket = 0), count(*) FILTER (WHERE u.bucket = 1), "
        "count(*) FILTER (WHERE u.bucket = 2), count(*) FILTER (WHERE u.bucket = 3), "
        "count(*) FILTER (WHERE u.bucket = 4), count(*) FILTER (WHERE u.bucket = 5), "
        "count(*) FILTER (WHERE u.bucket = 6), count(*) FILTER (WHERE u.bucket = 7), "
        "count(*) FILTER (WHERE u.bucket = 8), count(*) FILTER (WHERE u.bucket = 9), "
        "count(*) FILTER (WHERE u.bucket = 10), count(*) FILTER (WHERE u.bucket = 11), "
        "count(*) FILTER (WHERE u.bucket = 12), count(*) FILTER (WHERE u.bucket = 13), "
        "count(*) FILTER (WHERE u.bucket = 14), count(*) FILTER (WHERE u.bucket = 15)], "
        "sum(u.segments), sum(u.cost_millirupiah) FROM notification AS n "
        "CROSS JOIN LATERAL (SELECT * FROM figure_unit WHERE notification_id = n.id AND about = $1 OFFSET 0) AS u "
        "WHERE NOT n.counted AND n.settled_at IS NOT NULL "
        "AND u.mode = $2 AND u.day BETWEEN $3 AND $4 GROUP BY 1, 2, 3, 4, 5, 6, 7) AS f "
        "GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8 LIMIT $6",
        about,
        mode,
        first,
        last,
        list(by),
        limit,
    )
    return [
        Group(
            tuple(row[name] for name in by),
            row["outcome"],
            row["unreported"],
            Tally(
                row["n"],
                row["timed"],
                row["seconds"],
                tuple(row["histogram"]),
                row["segments"],
                row["cost_millirupiah"],
            ),
        )
        for row in rows
    ]


# --- retention


async def empty_settled(conn: Connection, before: datetime, now: datetime, limit: int) -> int:
    """Remove what messages were made of that were settled before then and cannot leave any more: their deadline is
    past. What stays is a hash of it, and of each file its size and hash. How many.
    """
    emptied: int = await conn.fetchval(
        "WITH emptied AS (UPDATE notification SET params_sha256 = sha256(convert_to(params::text, 'UTF8')), "
        "params = '{}', language = NULL, bodies_gone_at = $2 WHERE id IN ("
        "SELECT id FROM notification WHERE bodies_gone_at IS NULL AND settled_at < $1 AND deadline < $2 AND state "
        "IN ('sent', 'delivered', 'rejected', 'expired', 'digested', 'cancelled', 'unknown') "
        "ORDER BY settled_at LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING id, files), "
        "files AS (UPDATE attachment SET name_sealed = NULL, content_sealed = NULL "
        "WHERE notification_id IN (SELECT id FROM emptied WHERE files > 0)) SELECT count(*) FROM emptied",
        before,
        now,
        limit,
    )
    return emptied


async def remove_reasons(conn: Connection, before: datetime) -> int:
    """Remove what operators wrote when they sent messages again. How many."""
    return _count(
        await conn.execute("UPDATE resend SET reason_sealed = NULL WHERE at < $1 AND reason_sealed IS NOT NULL", before)
    )


async def remove_guests(conn: Connection, before: datetime, limit: int) -> int:
    """Remove addresses that keys wrote to and that no kept message needs. How many."""
    return _count(
        await conn.execute(
            "DELETE FROM contact WHERE vendor_id IN (SELECT c.vendor_id FROM contact AS c WHERE c.kind = 'guest' "
            "AND c.remembered_at < $1 AND NOT EXISTS (SELECT FROM notification AS n WHERE n.vendor_id = c.vendor_id "
            "AND n.bodies_gone_at IS NULL) ORDER BY c.remembered_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
            before,
            limit,
        )
    )


async def remove_counted(conn: Connection, before: datetime, limit: int) -> int:
    """Remove messages, the oldest first, that were settled before then and are counted, with their attempts and
    receipts. How many.
    """
    removed: int = await conn.fetchval(
        "WITH gone AS MATERIALIZED (SELECT id FROM (SELECT id, settled_at, counted, bodies_gone_at FROM notification "
        "ORDER BY id LIMIT $2) AS oldest WHERE settled_at < $1 AND counted AND bodies_gone_at IS NOT NULL), "
        "attempts AS (SELECT a.id FROM attempt AS a JOIN gone ON gone.id = a.notification_id), "
        "receipts AS (DELETE FROM receipt WHERE attempt_id IN (SELECT id FROM attempts)), "
        "parts AS (DELETE FROM message_parts WHERE attempt_id IN (SELECT id FROM attempts)), "
        "tries AS (DELETE FROM attempt WHERE notification_id IN (SELECT id FROM gone)), "
        "resends AS (DELETE FROM resend WHERE notification_id IN (SELECT id FROM gone)), "
        "files AS (DELETE FROM attachment WHERE notification_id IN (SELECT id FROM gone)), "
        "keys AS (DELETE FROM key_message WHERE notification_id IN (SELECT id FROM gone)), "
        "messages AS (DELETE FROM notification WHERE id IN (SELECT id FROM gone) RETURNING id) "
        "SELECT count(*) FROM messages",
        before,
        limit,
    )
    return removed


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])
