"""Whom broadcasts are for, and their messages: planned in the order of people's ids, held back, let go on."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from services.notify.domain.broadcasts import Broadcast
from services.notify.domain.people import Contact
from shared.db import Connection


async def replace_listed(
    conn: Connection, broadcast_id: UUID, vendor_ids: Sequence[UUID], areas: Sequence[str]
) -> set[UUID]:
    """Make these people the list of a broadcast; gives those that are nobody's of these areas."""
    await conn.execute("DELETE FROM broadcast_listed WHERE broadcast_id = $1", broadcast_id)
    rows = await conn.fetch(
        "WITH given AS (SELECT DISTINCT vendor_id FROM unnest($2::uuid[]) AS g (vendor_id)), "
        "known AS (INSERT INTO broadcast_listed (broadcast_id, vendor_id) SELECT $1, vendor_id FROM given AS g "
        "WHERE EXISTS (SELECT FROM vendor AS v WHERE v.vendor_id = g.vendor_id "
        "AND EXISTS (SELECT FROM unnest($3::text[]) AS a (code) "
        "WHERE v.kelurahan = a.code OR starts_with(v.kelurahan, a.code || '.'))) "
        "AND NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = g.vendor_id) "
        "ORDER BY vendor_id RETURNING vendor_id) "
        "SELECT vendor_id FROM given EXCEPT SELECT vendor_id FROM known",
        broadcast_id,
        vendor_ids,
        areas,
    )
    return {row["vendor_id"] for row in rows}


async def count_listed(conn: Connection, broadcast_id: UUID) -> int:
    """How many people are on its list."""
    count: int = await conn.fetchval("SELECT count(*) FROM broadcast_listed WHERE broadcast_id = $1", broadcast_id)
    return count


Cards: TypeAlias = Sequence[tuple[UUID, Contact]]
"""Vendors and where they are reached, without their names."""

CARDS_AT_ONCE = 10_000


class Choice(NamedTuple):
    """By what a channel is chosen for each person. `order`: the channels, the first to be tried first; `by_own_order`:
    unless the person prefers another order. `unfit`: languages and channels that have no form; `closed`: vendors and
    channels on which they are not written to.
    """

    order: Sequence[str]
    by_own_order: bool
    unfit: Sequence[tuple[str, str]] = ()
    closed: Sequence[tuple[UUID, str]] = ()


# Each person once, under the id that has a card, best the one that stands for the person; with the channel that the
# router would choose now, the inbox where there is none. News: who consented, by the last word over all ids of the
# person; of two of one moment the refusal.
PEOPLE = """
WITH said AS (
    SELECT DISTINCT ON (person_id) person_id, given FROM (
        SELECT coalesce(f.person_id, c.vendor_id) AS person_id, c.given, c.said_at
        FROM news_consent AS c LEFT JOIN family AS f ON f.vendor_id = c.vendor_id WHERE $3::text = 'news'
    ) AS words ORDER BY person_id, said_at DESC, given
),
unwanted AS (
    SELECT person_id, array_agg(channel) AS channels FROM (
        SELECT DISTINCT ON (person_id, channel) person_id, channel, wanted FROM (
            SELECT coalesce(f.person_id, w.vendor_id) AS person_id, w.channel, w.wanted, w.said_at
            FROM wish AS w LEFT JOIN family AS f ON f.vendor_id = w.vendor_id WHERE w.topic = $3
        ) AS words ORDER BY person_id, channel, said_at DESC, wanted
    ) AS last WHERE NOT wanted GROUP BY person_id
),
preferred AS (
    SELECT DISTINCT ON (person_id) person_id, channels FROM (
        SELECT coalesce(f.person_id, p.vendor_id) AS person_id, p.channels, p.channels_said_at
        FROM preference AS p LEFT JOIN family AS f ON f.vendor_id = p.vendor_id
        WHERE $8::bool AND p.channels_said_at IS NOT NULL
    ) AS words ORDER BY person_id, channels_said_at DESC
),
spoken AS (
    SELECT DISTINCT ON (person_id) person_id, language FROM (
        SELECT coalesce(f.person_id, p.vendor_id) AS person_id, p.language, p.language_said_at
        FROM preference AS p LEFT JOIN family AS f ON f.vendor_id = p.vendor_id WHERE p.language_said_at IS NOT NULL
    ) AS words ORDER BY person_id, language_said_at DESC
),
closed AS (
    SELECT vendor_id, array_agg(channel) AS channels
    FROM unnest($9::uuid[], $10::text[]) AS c (vendor_id, channel) GROUP BY vendor_id
),
homes AS (
    SELECT v.vendor_id, coalesce(f.person_id, v.vendor_id) AS person_id, c.phone, c.email, c.language,
        c.vendor_id IS NOT NULL AS carded
    FROM vendor AS v
    LEFT JOIN family AS f ON f.vendor_id = v.vendor_id
    LEFT JOIN contact AS c ON c.vendor_id = v.vendor_id
    WHERE EXISTS (
            SELECT FROM unnest($2::text[]) AS a (code)
            WHERE v.kelurahan = a.code OR starts_with(v.kelurahan, a.code || '.'))
        AND (NOT $4::bool OR EXISTS (
            SELECT FROM broadcast_listed AS l
            LEFT JOIN family AS lf ON lf.vendor_id = l.vendor_id
            WHERE l.broadcast_id = $1::uuid
                AND coalesce(lf.person_id, l.vendor_id) = coalesce(f.person_id, v.vendor_id)))
        AND ($5::text IS NULL OR c.language = $5)
        AND NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = v.vendor_id)
),
persons AS (
    SELECT DISTINCT ON (person_id) person_id, vendor_id, phone, email, language
    FROM homes ORDER BY person_id, carded DESC, vendor_id <> person_id, vendor_id
),
ways AS (
    SELECT p.vendor_id, coalesce((
        SELECT way.channel FROM unnest($6::text[]) WITH ORDINALITY AS way (channel, place)
        WHERE CASE way.channel WHEN 'email' THEN p.email ELSE p.phone END <> ''
            AND way.channel <> ALL (coalesce(u.channels, '{}')) AND way.channel <> ALL (coalesce(x.channels, '{}'))
            AND coalesce(s.language, p.language) || ':' || way.channel <> ALL ($11::text[])
        ORDER BY coalesce(array_position(o.channels, way.channel), 99), way.place LIMIT 1
    ), 'inbox') AS channel
    FROM persons AS p LEFT JOIN unwanted AS u ON u.person_id = p.person_id
    LEFT JOIN preferred AS o ON o.person_id = p.person_id
    LEFT JOIN spoken AS s ON s.person_id = p.person_id
    LEFT JOIN closed AS x ON x.vendor_id = p.vendor_id
    WHERE $3 <> 'news' OR EXISTS (SELECT FROM said WHERE said.person_id = p.person_id AND said.given)
),
fixed AS (
    INSERT INTO broadcast_recipient (broadcast_id, channel, vendor_id)
    SELECT $1, channel, vendor_id FROM ways WHERE $7 ORDER BY channel, vendor_id
)
SELECT channel, count(*) AS n FROM ways GROUP BY channel ORDER BY channel
"""


async def count_people(conn: Connection, one: Broadcast, choice: Choice) -> dict[str, int]:
    """How many people it would be for, by the channel that the router would choose for each now."""
    return await _people(conn, one, choice, fix=False)


async def fix_people(conn: Connection, one: Broadcast, choice: Choice) -> tuple[dict[str, int], str]:
    """Write down who it is for, from now on: how many by channel, and the sha256 of their sorted ids, a line each."""
    await drop_people(conn, one.broadcast_id)
    counts = await _people(conn, one, choice, fix=True)
    await conn.execute(
        "INSERT INTO broadcast_way (broadcast_id, channel, recipients) "
        "SELECT $1, channel, recipients FROM unnest($2::text[], $3::int[]) AS w (channel, recipients)",
        one.broadcast_id,
        list(counts),
        list(counts.values()),
    )
    digest: str = await conn.fetchval(
        "SELECT encode(sha256(convert_to(coalesce(string_agg(vendor_id::text || chr(10), '' ORDER BY vendor_id), ''), "
        "'UTF8')), 'hex') FROM broadcast_recipient WHERE broadcast_id = $1",
        one.broadcast_id,
    )
    return counts, digest


async def _people(conn: Connection, one: Broadcast, choice: Choice, *, fix: bool) -> dict[str, int]:
    rows = await conn.fetch(
        PEOPLE,
        one.broadcast_id,
        one.areas,
        one.topic,
        one.by_list,
        one.language,
        choice.order,
        fix,
        choice.by_own_order,
        [vendor_id for vendor_id, _ in choice.closed],
        [channel for _, channel in choice.closed],
        [f"{language}:{channel}" for language, channel in choice.unfit],
    )
    return {row["channel"]: row["n"] for row in rows}


async def read_cards(conn: Connection, one: Broadcast) -> AsyncIterator[Cards]:
    """The cards of who lives in its areas, many at a time; in a transaction."""
    cursor = await conn.cursor(
        "SELECT v.vendor_id, c.phone, c.email FROM vendor AS v JOIN contact AS c ON c.vendor_id = v.vendor_id "
        "WHERE EXISTS (SELECT FROM unnest($1::text[]) AS a (code) "
        "WHERE v.kelurahan = a.code OR starts_with(v.kelurahan, a.code || '.')) "
        "AND ($2::text IS NULL OR c.language = $2)",
        one.areas,
        one.language,
    )
    while rows := await cursor.fetch(CARDS_AT_ONCE):
        yield [(row["vendor_id"], Contact("", row["phone"], row["email"], "")) for row in rows]


async def drop_people(conn: Connection, broadcast_id: UUID) -> None:
    """Forget who it was for."""
    await conn.execute("DELETE FROM broadcast_way WHERE broadcast_id = $1", broadcast_id)
    await conn.execute("DELETE FROM broadcast_recipient WHERE broadcast_id = $1", broadcast_id)


@dataclass(frozen=True)
class Progress:
    """One channel of a broadcast: how many people, how many of them had a message planned."""

    channel: str
    recipients: int
    expanded: int
    expanded_to: UUID
    finished: bool


async def find_ways(conn: Connection, broadcast_id: UUID) -> list[Progress]:
    """The channels of a broadcast, and how far each is."""
    rows = await conn.fetch(
        "SELECT channel, recipients, expanded, expanded_to, finished FROM broadcast_way WHERE broadcast_id = $1 "
        "ORDER BY channel",
        broadcast_id,
    )
    return [Progress(*row) for row in rows]


# --- planning its messages


async def find_standing(conn: Connection) -> list[UUID]:
    """Broadcasts that there may be something to do about."""
    rows = await conn.fetch(
        "SELECT b.broadcast_id FROM broadcast AS b WHERE b.state IN ('running', 'paused') "
        "OR b.state = 'stopped' AND EXISTS (SELECT FROM notification AS n WHERE n.broadcast_id = b.broadcast_id "
        "AND n.state IN ('planned', 'waiting_contact', 'deferred', 'held', 'queued', 'retry')) ORDER BY b.broadcast_id"
    )
    return [row["broadcast_id"] for row in rows]


async def count_ahead(conn: Connection, broadcast_id: UUID) -> dict[str | None, int]:
    """How many of its messages have been planned and have not begun to leave, by channel; None: not chosen yet. What is
    held by its template's pause counts: the rest of the people can wait as well.
    """
    rows = await conn.fetch(
        "SELECT channel, count(*) AS n FROM notification WHERE broadcast_id = $1 "
        "AND state IN ('planned', 'deferred', 'held', 'queued', 'retry') GROUP BY channel",
        broadcast_id,
    )
    return {row["channel"]: row["n"] for row in rows}


async def find_next(conn: Connection, broadcast_id: UUID, way: Progress, limit: int) -> list[tuple[UUID, bool]]:
    """The next people of a channel, and whether each is to be told.

    Not: who is erased, and who turned out to be one person with somebody who was told already, or is to be.
    """
    rows = await conn.fetch(
        "SELECT r.vendor_id, NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = r.vendor_id) "
        "AND NOT EXISTS (SELECT FROM family AS f JOIN family AS m ON m.person_id = f.person_id "
        "AND m.vendor_id <> f.vendor_id JOIN broadcast_recipient AS other ON other.vendor_id = m.vendor_id "
        "AND other.broadcast_id = $1 WHERE f.vendor_id = r.vendor_id AND (m.vendor_id < r.vendor_id "
        "OR EXISTS (SELECT FROM notification AS n WHERE n.vendor_id = m.vendor_id AND n.broadcast_id = $1))) AS told "
        "FROM broadcast_recipient AS r WHERE r.broadcast_id = $1 AND r.channel = $2 AND r.vendor_id > $3 "
        "ORDER BY r.vendor_id LIMIT $4",
        broadcast_id,
        way.channel,
        way.expanded_to,
        limit,
    )
    return [(row["vendor_id"], row["told"]) for row in rows]


async def add_messages(
    conn: Connection,
    one: Broadcast,
    vendor_ids: Sequence[UUID],
    ids: Sequence[UUID],
    *,
    lane: int,
    route: Sequence[str] | None,
    now: datetime,
) -> None:
    """Write the messages of a broadcast for these people, each once."""
    await conn.execute(
        "INSERT INTO notification (id, event_id, template, vendor_id, template_version, params, lane, state, deadline, "
        "cause_at, planned_at, topic, must, broadcast_id, route) "
        "SELECT new.id, $1, $4, new.vendor_id, $5, $6, $7, "
        "CASE WHEN c.vendor_id IS NULL THEN 'waiting_contact' ELSE 'planned' END, $8, $9, $10, $11, false, $1, $12 "
        "FROM unnest($2::uuid[], $3::uuid[]) AS new (id, vendor_id) "
        "LEFT JOIN contact AS c ON c.vendor_id = new.vendor_id "
        "ON CONFLICT (event_id, template, vendor_id) DO NOTHING",
        one.broadcast_id,
        ids,
        vendor_ids,
        one.template,
        one.template_version,
        dict(one.params),
        lane,
        one.deadline,
        one.approved_at,
        now,
        one.topic,
        route,
    )


async def save_expanded(conn: Connection, broadcast_id: UUID, way: Progress) -> None:
    """Write how far the messages of a channel are planned."""
    await conn.execute(
        "UPDATE broadcast_way SET expanded = $3, expanded_to = $4, finished = $5 "
        "WHERE broadcast_id = $1 AND channel = $2",
        broadcast_id,
        way.channel,
        way.expanded,
        way.expanded_to,
        way.finished,
    )


# --- holding back


async def hold(conn: Connection, broadcast_id: UUID) -> int:
    """Hold back what has not begun to leave, in the order of ids; how many. Whoever claimed one finds it gone.

    A message that failed on one channel goes on where it was when it is released.
    """
    return _count(
        await conn.execute(
            "WITH mine AS (SELECT id FROM notification WHERE broadcast_id = $1 "
            "AND state IN ('planned', 'deferred', 'queued', 'retry') ORDER BY id FOR UPDATE) "
            "UPDATE notification AS n SET state = 'held', claim = NULL, not_before = NULL, "
            "route = CASE WHEN n.state IN ('queued', 'retry') THEN array_prepend(n.channel, n.route) ELSE n.route END, "
            "channel = CASE WHEN n.attempts = 0 THEN NULL ELSE n.channel END "
            "FROM mine WHERE n.id = mine.id",
            broadcast_id,
        )
    )


async def release(conn: Connection, broadcast_id: UUID) -> int:
    """Let go on what was held back; how many."""
    return _count(
        await conn.execute(
            "WITH mine AS (SELECT id FROM notification WHERE broadcast_id = $1 AND state = 'held' "
            "ORDER BY id FOR UPDATE) "
            "UPDATE notification AS n SET state = 'planned' FROM mine WHERE n.id = mine.id",
            broadcast_id,
        )
    )


async def count_waiting(conn: Connection) -> dict[str, int]:
    """How many messages to many are queued for each channel."""
    rows = await conn.fetch(
        "SELECT channel, count(*) AS n FROM notification WHERE state IN ('queued', 'retry') "
        "AND channel = ANY('{whatsapp,sms,email}') AND (mode = 'test')::int = 0 AND lane = 3 GROUP BY channel"
    )
    return {row["channel"]: row["n"] for row in rows}


async def find_unsent(conn: Connection, broadcast_id: UUID, limit: int) -> list[UUID]:
    """Messages of a broadcast that have not begun to leave."""
    rows = await conn.fetch(
        "SELECT id FROM notification WHERE broadcast_id = $1 "
        "AND state IN ('planned', 'waiting_contact', 'deferred', 'held', 'queued', 'retry') ORDER BY id LIMIT $2",
        broadcast_id,
        limit,
    )
    return [row["id"] for row in rows]


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])
