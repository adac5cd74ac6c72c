"""Rows of visits and of their earlier entries. Notes are sealed, each bound to the id of its row."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Record

from services.training.domain.visits import Entry, Mentorship, Visit, Wish
from shared.db import Connection
from shared.resealing import SealedColumn

VISIT_NOTES = SealedColumn(
    "notes of visits",
    "SELECT visit_id AS id, note AS sealed FROM visit WHERE visit_id > $1 AND note IS NOT NULL "
    "ORDER BY visit_id LIMIT $2",
    "UPDATE visit AS v SET note = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (visit_id, old, fresh) "
    "WHERE v.visit_id = n.visit_id AND v.note = n.old",
)
EARLIER_VISIT_NOTES = SealedColumn(
    "earlier notes of visits",
    "SELECT entry_id AS id, note AS sealed FROM visit_entry WHERE entry_id > $1 AND note IS NOT NULL "
    "ORDER BY entry_id LIMIT $2",
    "UPDATE visit_entry AS e SET note = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (entry_id, old, fresh) "
    "WHERE e.entry_id = n.entry_id AND e.note = n.old",
)


class KeptVisit(NamedTuple):
    """A visit (its entry without the note), and the note, sealed."""

    visit: Visit
    note_sealed: bytes | None


class EarlierEntry(NamedTuple):
    """An entry that was corrected since; `entry` without the note."""

    entry_id: UUID
    number: int
    entry: Entry
    note_sealed: bytes | None
    logged_by: str
    logged_at: Any


class VisitFilter(NamedTuple):
    """Which visits: of these ids of one person, of a mentor, of vendors who live in an area, of days."""

    vendor_ids: Sequence[UUID] | None = None
    mentor_id: UUID | None = None
    area: str | None = None
    first: date | None = None
    last: date | None = None
    struck: bool = False


def _entry(row: Record) -> Entry:
    return Entry(
        visited_on=row["visited_on"],
        mode=row["mode"],
        next_action=row["next_action"],
        next_action_on=row["next_action_on"],
        month=row["month"],
        turnover_rupiah=row["turnover_rupiah"],
        assets_rupiah=row["assets_rupiah"],
        workers=row["workers"],
    )


def _kept(row: Record) -> KeptVisit:
    visit = Visit(
        visit_id=row["visit_id"],
        vendor_id=row["vendor_id"],
        mentor_id=row["mentor_id"],
        reference=row["reference"],
        entry=_entry(row),
        number=row["entry"],
        state=row["state"],
        logged_by=row["logged_by"],
        logged_at=row["logged_at"],
        struck_because=row["struck_because"],
    )
    return KeptVisit(visit, row["note"])


FIND_VISIT = """
SELECT visit_id, vendor_id, mentor_id, reference, visited_on, mode, next_action, next_action_on, month,
    turnover_rupiah, assets_rupiah, workers, note, state, entry, logged_by, logged_at, struck_because
FROM visit WHERE visit_id = $1
"""

LOCK_VISIT = """
SELECT visit_id, vendor_id, mentor_id, reference, visited_on, mode, next_action, next_action_on, month,
    turnover_rupiah, assets_rupiah, workers, note, state, entry, logged_by, logged_at, struck_because
FROM visit WHERE visit_id = $1 FOR NO KEY UPDATE
"""

# By the mentor's references, and by the days and modes of its visits to these ids; struck ones come first, so that a
# logged one of the same key counts.
FIND_SAME = """
SELECT visit_id, vendor_id, mentor_id, reference, visited_on, mode, next_action, next_action_on, month,
    turnover_rupiah, assets_rupiah, workers, note, state, entry, logged_by, logged_at, struck_because
FROM visit v
WHERE (mentor_id, reference) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
    OR (reference IS NULL AND (mentor_id, vendor_id, visited_on) IN (
        SELECT * FROM unnest($3::uuid[], $4::uuid[], $5::date[])))
ORDER BY state = 'logged', visit_id
"""

LIST_VISITS = """
SELECT v.visit_id, v.vendor_id, v.mentor_id, v.reference, v.visited_on, v.mode, v.next_action, v.next_action_on,
    v.month, v.turnover_rupiah, v.assets_rupiah, v.workers, v.note, v.state, v.entry, v.logged_by, v.logged_at,
    v.struck_because
FROM visit v LEFT JOIN vendor r ON r.vendor_id = v.vendor_id
WHERE ($1::uuid[] IS NULL OR v.vendor_id = ANY($1))
    AND ($2::uuid IS NULL OR v.mentor_id = $2)
    -- the area itself and all below it: '.' sorts before '/'
    AND ($3::text IS NULL OR (r.kelurahan >= $3 AND r.kelurahan < $3 || '/'))
    AND ($4::date IS NULL OR v.visited_on >= $4) AND ($5::date IS NULL OR v.visited_on <= $5)
    AND (v.state = 'struck') = $6
    AND NOT EXISTS (SELECT FROM erased_vendor e WHERE e.vendor_id = v.vendor_id)
    AND ($7::date IS NULL OR (v.visited_on, v.visit_id) < ($7, $8::uuid))
ORDER BY v.visited_on DESC, v.visit_id DESC LIMIT $9
"""


async def find_visit(conn: Connection, visit_id: UUID) -> KeptVisit | None:
    """A visit as it stands, also a struck one."""
    row = await conn.fetchrow(FIND_VISIT, visit_id)
    return None if row is None else _kept(row)


async def lock_visit(conn: Connection, visit_id: UUID) -> KeptVisit | None:
    """A visit, held until the transaction ends; after its vendor's training record."""
    row = await conn.fetchrow(LOCK_VISIT, visit_id)
    return None if row is None else _kept(row)


async def find_same(conn: Connection, wishes: Sequence[Wish], people: Mapping[UUID, Sequence[UUID]]) -> list[KeptVisit]:
    """Visits that may be the same as these, under whichever ids of their people; logged ones after struck ones."""
    named = [one for one in wishes if one.reference is not None]
    days = [(one, each) for one in wishes if one.reference is None for each in people.get(one.vendor_id, ())]
    rows = await conn.fetch(
        FIND_SAME,
        [one.mentor_id for one in named],
        [one.reference for one in named],
        [one.mentor_id for one, _ in days],
        [each for _, each in days],
        [one.entry.visited_on for one, _ in days],
    )
    return [_kept(row) for row in rows]


async def find_mentorships(conn: Connection, vendor_ids: Collection[UUID]) -> list[tuple[UUID, Mentorship]]:
    """Who has or had these ids as a vendor: id and mentorship."""
    rows = await conn.fetch(
        "SELECT vendor_id, mentor_id, since, until FROM assignment WHERE vendor_id = ANY($1::uuid[])",
        list(vendor_ids),
    )
    return [(row["vendor_id"], Mentorship(row["mentor_id"], row["since"], row["until"])) for row in rows]


async def list_visits(
    conn: Connection, wanted: VisitFilter, after: tuple[date, UUID] | None, limit: int
) -> list[KeptVisit]:
    """Visits, the latest day first. Those to erased people are left out."""
    last_day, last_id = after or (None, None)
    return [_kept(row) for row in await conn.fetch(LIST_VISITS, *wanted, last_day, last_id, limit)]


async def find_earlier(conn: Connection, visit_id: UUID) -> list[EarlierEntry]:
    """What stood before of a visit, the latest first."""
    rows = await conn.fetch(
        """
        SELECT entry_id, entry, visited_on, mode, next_action, next_action_on, month, turnover_rupiah, assets_rupiah,
            workers, note, logged_by, logged_at
        FROM visit_entry WHERE visit_id = $1 ORDER BY entry DESC
        """,
        visit_id,
    )
    return [
        EarlierEntry(row["entry_id"], row["entry"], _entry(row), row["note"], row["logged_by"], row["logged_at"])
        for row in rows
    ]


async def add_visits(conn: Connection, visits: Sequence[KeptVisit]) -> None:
    """Insert visits; their vendors' training records are locked."""
    await conn.execute(
        """
        INSERT INTO visit (visit_id, vendor_id, mentor_id, reference, visited_on, mode, next_action, next_action_on,
            month, turnover_rupiah, assets_rupiah, workers, note, state, entry, logged_by, logged_at)
        SELECT n.*, $14, 1, $15, $16
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::date[], $6::text[], $7::text[], $8::date[],
            $9::text[], $10::bigint[], $11::bigint[], $12::int[], $13::bytea[]) AS n
        """,
        [one.visit.visit_id for one in visits],
        [one.visit.vendor_id for one in visits],
        [one.visit.mentor_id for one in visits],
        [one.visit.reference for one in visits],
        [one.visit.entry.visited_on for one in visits],
        [one.visit.entry.mode for one in visits],
        [one.visit.entry.next_action for one in visits],
        [one.visit.entry.next_action_on for one in visits],
        [one.visit.entry.month for one in visits],
        [one.visit.entry.turnover_rupiah for one in visits],
        [one.visit.entry.assets_rupiah for one in visits],
        [one.visit.entry.workers for one in visits],
        [one.note_sealed for one in visits],
        "logged",
        visits[0].visit.logged_by,
        visits[0].visit.logged_at,
    )


async def add_earlier(conn: Connection, entry_id: UUID, visit: Visit, note_sealed: bytes | None) -> None:
    """Keep what stands of a visit before it is corrected."""
    entry = visit.entry
    await conn.execute(
        """
        INSERT INTO visit_entry (entry_id, visit_id, entry, visited_on, mode, next_action, next_action_on, month,
            turnover_rupiah, assets_rupiah, workers, note, logged_by, logged_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        """,
        entry_id,
        visit.visit_id,
        visit.number,
        entry.visited_on,
        entry.mode,
        entry.next_action,
        entry.next_action_on,
        entry.month,
        entry.turnover_rupiah,
        entry.assets_rupiah,
        entry.workers,
        note_sealed,
        visit.logged_by,
        visit.logged_at,
    )


async def save_visit(conn: Connection, kept: KeptVisit) -> None:
    """Save a locked visit."""
    visit, entry = kept.visit, kept.visit.entry
    await conn.execute(
        """
        UPDATE visit SET visited_on = $2, mode = $3, next_action = $4, next_action_on = $5, month = $6,
            turnover_rupiah = $7, assets_rupiah = $8, workers = $9, note = $10, state = $11, entry = $12,
            logged_by = $13, logged_at = $14, struck_because = $15
        WHERE visit_id = $1
        """,
        visit.visit_id,
        entry.visited_on,
        entry.mode,
        entry.next_action,
        entry.next_action_on,
        entry.month,
        entry.turnover_rupiah,
        entry.assets_rupiah,
        entry.workers,
        kept.note_sealed,
        visit.state,
        visit.number,
        visit.logged_by,
        visit.logged_at,
        visit.struck_because,
    )


class ErasedVisits(NamedTuple):
    """Of an erased vendor: how many notes and figures went, and how many bare visits stay for their mentors' record."""

    texts: int
    kept: int


async def erase_visits(conn: Connection, vendor_id: UUID) -> ErasedVisits:
    """Erase what was written and measured at visits to a vendor, and every earlier entry of them. That a mentor was
    with somebody on a day stays, under an id that leads to nobody.
    """
    earlier: int = await conn.fetchval(
        """
        WITH gone AS (
            DELETE FROM visit_entry e USING visit v WHERE v.visit_id = e.visit_id AND v.vendor_id = $1 RETURNING 1)
        SELECT count(*) FROM gone
        """,
        vendor_id,
    )
    row = await conn.fetchrow(
        """
        WITH bared AS (
            UPDATE visit v SET note = NULL, next_action = NULL, next_action_on = NULL, month = NULL,
                turnover_rupiah = NULL, assets_rupiah = NULL, workers = NULL,
                -- what a mentor called it may tell of somebody; some name keeps it apart from others of its day
                reference = CASE WHEN v.reference IS NOT NULL THEN v.visit_id::text END
            FROM visit before WHERE before.visit_id = v.visit_id AND v.vendor_id = $1
            RETURNING num_nonnulls(before.note, before.month, before.next_action, before.reference) > 0 AS told)
        SELECT count(*) FILTER (WHERE told) AS texts, count(*) AS kept FROM bared
        """,
        vendor_id,
    )
    assert row is not None
    return ErasedVisits(earlier + row["texts"], row["kept"])
