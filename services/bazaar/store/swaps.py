"""Rows of swaps of booths."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Record

from services.bazaar.domain.swaps import Place, Swap, SwapOpenAlready, SwapUnknown
from shared.db import Connection


async def add_swap(conn: Connection, swap: Swap) -> None:
    """A proposal. Raises `SwapOpenAlready` when this vendor has an open one."""
    added = await conn.fetchval(
        "INSERT INTO swap (swap_id, bazaar_id, proposer_id, proposer_site_id, proposer_booth, other_id, "
        "other_site_id, other_booth, state, answer_by, approve_by, proposed_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "
        "ON CONFLICT (proposer_id) WHERE state IN ('proposed', 'accepted') DO NOTHING RETURNING true",
        swap.swap_id,
        swap.bazaar_id,
        swap.proposer_id,
        *swap.proposer_place,
        swap.other_id,
        *swap.other_place,
        swap.state,
        swap.answer_by,
        swap.approve_by,
        swap.proposed_at,
    )
    if not added:
        raise SwapOpenAlready("This vendor has proposed a swap already; withdraw it to propose another.")


async def find_swap(conn: Connection, swap_id: UUID) -> Swap:
    """The swap as it stands. Raises `SwapUnknown`."""
    row = await conn.fetchrow(
        "SELECT swap_id, bazaar_id, proposer_id, proposer_site_id, proposer_booth, other_id, other_site_id, "
        "other_booth, state, answer_by, approve_by, proposed_at, ended_at FROM swap WHERE swap_id = $1",
        swap_id,
    )
    if row is None:
        raise SwapUnknown("There is no such swap.")
    return _swap(row)


async def lock_swap(conn: Connection, swap_id: UUID) -> Swap:
    """The swap, held until the transaction ends. Raises `SwapUnknown`."""
    row = await conn.fetchrow(
        "SELECT swap_id, bazaar_id, proposer_id, proposer_site_id, proposer_booth, other_id, other_site_id, "
        "other_booth, state, answer_by, approve_by, proposed_at, ended_at FROM swap WHERE swap_id = $1 FOR UPDATE",
        swap_id,
    )
    if row is None:
        raise SwapUnknown("There is no such swap.")
    return _swap(row)


async def lock_open_of(conn: Connection, application_ids: Sequence[UUID]) -> list[Swap]:
    """Open swaps in which one of these applications takes part, locked in the order of their ids."""
    rows = await conn.fetch(
        "SELECT swap_id, bazaar_id, proposer_id, proposer_site_id, proposer_booth, other_id, other_site_id, "
        "other_booth, state, answer_by, approve_by, proposed_at, ended_at FROM swap "
        "WHERE (proposer_id = ANY($1::uuid[]) OR other_id = ANY($1::uuid[])) AND state IN ('proposed', 'accepted') "
        "ORDER BY swap_id FOR UPDATE",
        list(application_ids),
    )
    return [_swap(row) for row in rows]


async def lock_open_of_bazaar(conn: Connection, bazaar_id: UUID) -> list[Swap]:
    """Open swaps of a bazaar, locked in the order of their ids."""
    rows = await conn.fetch(
        "SELECT swap_id, bazaar_id, proposer_id, proposer_site_id, proposer_booth, other_id, other_site_id, "
        "other_booth, state, answer_by, approve_by, proposed_at, ended_at FROM swap "
        "WHERE bazaar_id = $1 AND state IN ('proposed', 'accepted') ORDER BY swap_id FOR UPDATE",
        bazaar_id,
    )
    return [_swap(row) for row in rows]


async def was_declined(conn: Connection, proposer_id: UUID, other_id: UUID) -> bool:
    """Whether the other vendor has declined to swap with this one."""
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM swap WHERE proposer_id = $1 AND other_id = $2 AND state = 'declined')",
        proposer_id,
        other_id,
    )
    return found


def _swap(row: Record) -> Swap:
    return Swap(
        swap_id=row["swap_id"],
        bazaar_id=row["bazaar_id"],
        proposer_id=row["proposer_id"],
        proposer_place=Place(row["proposer_site_id"], row["proposer_booth"]),
        other_id=row["other_id"],
        other_place=Place(row["other_site_id"], row["other_booth"]),
        state=row["state"],
        answer_by=row["answer_by"],
        approve_by=row["approve_by"],
        proposed_at=row["proposed_at"],
        ended_at=row["ended_at"],
    )


async def save_swap(conn: Connection, swap: Swap) -> None:
    """The state that the swap is in now, and its deadlines; its row is locked."""
    await conn.execute(
        "UPDATE swap SET state = $2, ended_at = $3, answer_by = $4, approve_by = $5 WHERE swap_id = $1",
        swap.swap_id,
        swap.state,
        swap.ended_at,
        swap.answer_by,
        swap.approve_by,
    )


async def void_all(conn: Connection, bazaar_id: UUID, *, now: datetime) -> None:
    """No open swap of this bazaar takes place: the bazaar itself does not."""
    await conn.execute(
        "UPDATE swap SET state = 'void', ended_at = $2 WHERE bazaar_id = $1 AND state IN ('proposed', 'accepted')",
        bazaar_id,
        now,
    )


# ---- as they are shown


async def list_of_bazaar(
    conn: Connection, bazaar_id: UUID, state: str | None, after: UUID, limit: int
) -> list[dict[str, Any]]:
    """Swaps of a bazaar in the order of being proposed; one row more than `limit` when there are more."""
    rows = await conn.fetch(
        "SELECT swap_id, proposer_id, proposer_site_id, proposer_booth, other_id, other_site_id, other_booth, state, "
        "answer_by, approve_by, proposed_at, ended_at FROM swap "
        "WHERE bazaar_id = $1 AND ($2::text IS NULL OR state = $2) AND swap_id > $3 ORDER BY swap_id LIMIT $4",
        bazaar_id,
        state,
        after,
        limit + 1,
    )
    return [dict(row) for row in rows]


async def list_of_application(conn: Connection, application_id: UUID) -> list[dict[str, Any]]:
    """Swaps in which this application takes part, the latest first, as seen from it: whom it is with is not said."""
    rows = await conn.fetch(
        "SELECT swap_id, state, answer_by, approve_by, proposed_at, ended_at, proposer_id = $1 AS proposed_by_me, "
        "CASE WHEN proposer_id = $1 THEN proposer_site_id ELSE other_site_id END AS my_site_id, "
        "CASE WHEN proposer_id = $1 THEN proposer_booth ELSE other_booth END AS my_booth, "
        "CASE WHEN proposer_id = $1 THEN other_site_id ELSE proposer_site_id END AS their_site_id, "
        "CASE WHEN proposer_id = $1 THEN other_booth ELSE proposer_booth END AS their_booth "
        "FROM swap WHERE proposer_id = $1 OR other_id = $1 ORDER BY swap_id DESC LIMIT 100",
        application_id,
    )
    return [dict(row) for row in rows]
