"""Rows of cases and of what was done about them. What people wrote is sealed, bound to the act's id."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Record

from services.training.domain.cases import Act, Case, CaseNotFound, Side, Terms
from shared.db import Connection
from shared.events.cases import HelpService
from shared.resealing import SealedColumn

SEALED_NOTES = SealedColumn(
    "notes of cases",
    "SELECT act_id AS id, note_sealed AS sealed FROM case_act WHERE act_id > $1 AND note_sealed IS NOT NULL "
    "ORDER BY act_id LIMIT $2",
    "UPDATE case_act AS a SET note_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (act_id, old, fresh) "
    "WHERE a.act_id = n.act_id AND a.note_sealed = n.old",
)


class CaseFilter(NamedTuple):
    """Which cases of an area to list; None does not filter. `standing`: those that are not closed."""

    area: str
    owner: str | None = None
    officer: str | None = None
    service: str | None = None
    state: str | None = None
    overdue: bool | None = None
    standing: bool = True


class Done(NamedTuple):
    """Something that was done about a case, and how the case stood after it."""

    act_id: UUID
    nth: int
    act: Act
    side: Side
    by: str
    at: datetime
    state: str
    owner: str | None
    due_on: date
    wanted: list[str]
    outcome: str | None
    note_sealed: bytes | None


def _case(row: Record) -> Case:
    return Case(**{**row, "wanted": tuple(row["wanted"])})


async def find_terms(conn: Connection) -> dict[HelpService, Terms]:
    """The terms of each service."""
    rows = await conn.fetch("SELECT service, days, owner FROM help_service")
    return {row["service"]: Terms(row["days"], row["owner"]) for row in rows}


async def list_services(conn: Connection) -> list[dict[str, Any]]:
    """The services with their names and terms."""
    rows = await conn.fetch("SELECT service, name_id, name_en, days, owner FROM help_service ORDER BY service")
    return [dict(row) for row in rows]


async def list_wanted(conn: Connection) -> list[dict[str, Any]]:
    """What a vendor may be asked to bring, with names, by code."""
    rows = await conn.fetch("SELECT code, name_id, name_en FROM wanted_item ORDER BY code")
    return [dict(row) for row in rows]


async def find_coach(conn: Connection, vendor_ids: Sequence[UUID]) -> str | None:
    """The agency that coaches a person; under several ids, the one of the least id."""
    agency: str | None = await conn.fetchval(
        "SELECT agency FROM vendor WHERE vendor_id = ANY($1::uuid[]) AND agency IS NOT NULL ORDER BY vendor_id LIMIT 1",
        vendor_ids,
    )
    return agency


async def find_case(conn: Connection, case_id: UUID) -> Case:
    """A case. Whoever changes it has locked the vendor's training record first. Raises `CaseNotFound`."""
    row = await conn.fetchrow(
        """
        SELECT case_id, vendor_id, service, state, owner, due_on, opened_by, opened_at, door, officer, wanted,
            waiting_since, overdue, outcome, closed_at
        FROM help_case WHERE case_id = $1
        """,
        case_id,
    )
    if row is None:
        raise CaseNotFound("No case has this id.", case_id=str(case_id))
    return _case(row)


async def find_cases(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Case]:
    """All cases under these ids, the last opened first."""
    rows = await conn.fetch(
        """
        SELECT case_id, vendor_id, service, state, owner, due_on, opened_by, opened_at, door, officer, wanted,
            waiting_since, overdue, outcome, closed_at
        FROM help_case WHERE vendor_id = ANY($1::uuid[]) ORDER BY opened_at DESC, case_id DESC
        """,
        vendor_ids,
    )
    return [_case(row) for row in rows]


async def find_standing(conn: Connection, vendor_ids: Sequence[UUID], service: str) -> list[Case]:
    """The cases of a service that are not closed under these ids of one person, the oldest first.

    There may be two where registrations were merged that each had one.
    """
    rows = await conn.fetch(
        """
        SELECT case_id, vendor_id, service, state, owner, due_on, opened_by, opened_at, door, officer, wanted,
            waiting_since, overdue, outcome, closed_at
        FROM help_case WHERE vendor_id = ANY($1::uuid[]) AND service = $2 AND state <> 'closed'
        ORDER BY opened_at, case_id
        """,
        vendor_ids,
        service,
    )
    return [_case(row) for row in rows]


# An area itself and all below it: '.' sorts before '/'.
LIST_CASES = """
SELECT c.case_id, c.vendor_id, c.service, c.state, c.owner, c.due_on, c.opened_by, c.opened_at, c.door, c.officer,
    c.wanted, c.waiting_since, c.overdue, c.outcome, c.closed_at, v.kelurahan
FROM help_case c JOIN vendor v ON v.vendor_id = c.vendor_id
WHERE v.kelurahan >= $1 AND v.kelurahan < $1 || '/'
    AND ($2::text IS NULL OR c.owner = $2)
    AND ($3::text IS NULL OR c.officer = $3)
    AND ($4::text IS NULL OR c.service = $4)
    AND ($5::text IS NULL OR c.state = $5)
    AND ($6::boolean IS NULL OR c.overdue = $6)
    AND ($7::boolean OR c.state = 'closed') AND (NOT $7::boolean OR c.state <> 'closed')
    AND ($8::date IS NULL OR (c.due_on, c.case_id) > ($8, $9::uuid))
ORDER BY c.due_on, c.case_id LIMIT $10
"""


async def list_cases(
    conn: Connection, wanted: CaseFilter, after: tuple[date, UUID] | None, limit: int
) -> list[tuple[Case, str]]:
    """Cases with where the vendor lives, those due first; at most `limit`."""
    due_on, case_id = after or (None, None)
    async with conn.transaction():
        # planned for these filters: one plan for all of them could not use the index of those that are not closed
        await conn.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        rows = await conn.fetch(LIST_CASES, *wanted, due_on, case_id, limit)
    return [(_case_of(row), row["kelurahan"]) for row in rows]


def _case_of(row: Record) -> Case:
    fields = dict(row)
    del fields["kelurahan"]
    return Case(**{**fields, "wanted": tuple(row["wanted"])})


async def add_case(conn: Connection, case: Case) -> None:
    """A new case; the person's training records are locked."""
    await conn.execute(
        """
        INSERT INTO help_case (case_id, vendor_id, service, state, owner, due_on, opened_by, opened_at, door)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        case.case_id,
        case.vendor_id,
        case.service,
        case.state,
        case.owner,
        case.due_on,
        case.opened_by,
        case.opened_at,
        case.door,
    )


async def save_case(conn: Connection, case: Case) -> None:
    """How a case stands now; the vendor's training record is locked."""
    await conn.execute(
        """
        UPDATE help_case SET state = $2, owner = $3, due_on = $4, officer = $5, wanted = $6, waiting_since = $7,
            overdue = $8, outcome = $9, closed_at = $10
        WHERE case_id = $1
        """,
        case.case_id,
        case.state,
        case.owner,
        case.due_on,
        case.officer,
        list(case.wanted),
        case.waiting_since,
        case.overdue,
        case.outcome,
        case.closed_at,
    )


async def add_act(
    conn: Connection,
    act_id: UUID,
    case: Case,
    act: Act,
    *,
    side: Side,
    by: str,
    note_sealed: bytes | None,
    now: datetime,
) -> None:
    """Something was done about a case that is locked; `case` is how it stands after it."""
    await conn.execute(
        """
        INSERT INTO case_act (act_id, case_id, nth, act, side, by, at, state, owner, due_on, wanted, outcome,
            note_sealed)
        SELECT $1, $2, coalesce(max(nth), 0) + 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12
        FROM case_act WHERE case_id = $2
        """,
        act_id,
        case.case_id,
        act,
        side,
        by,
        now,
        case.state,
        case.owner,
        case.due_on,
        list(case.wanted),
        case.outcome,
        note_sealed,
    )


async def find_acts(conn: Connection, case_id: UUID) -> list[Done]:
    """Everything that was done about a case, the oldest first."""
    rows = await conn.fetch(
        """
        SELECT act_id, nth, act, side, by, at, state, owner, due_on, wanted, outcome, note_sealed
        FROM case_act WHERE case_id = $1 ORDER BY nth
        """,
        case_id,
    )
    return [Done(**row) for row in rows]


async def erase_cases(conn: Connection, vendor_id: UUID, *, now: datetime) -> tuple[int, int]:
    """Cases of an erased person stay as figures of the agencies, without what was written and who asked. Gives how many
    notes went and how many cases stay.
    """
    notes = await conn.fetch(
        """
        UPDATE case_act a SET note_sealed = NULL FROM help_case c
        WHERE c.case_id = a.case_id AND c.vendor_id = $1 AND a.note_sealed IS NOT NULL RETURNING 1
        """,
        vendor_id,
    )
    await conn.execute(
        """
        UPDATE case_act a SET by = '' FROM help_case c
        WHERE c.case_id = a.case_id AND c.vendor_id = $1 AND a.side = 'vendor'
        """,
        vendor_id,
    )
    cases = await conn.fetch(
        """
        UPDATE help_case SET state = 'closed', outcome = coalesce(outcome, 'withdrawn'),
            closed_at = coalesce(closed_at, $2), wanted = '{}', waiting_since = NULL, overdue = false,
            opened_by = CASE door WHEN 'vendor' THEN '' ELSE opened_by END
        WHERE vendor_id = $1 RETURNING 1
        """,
        vendor_id,
        now,
    )
    return len(notes), len(cases)
