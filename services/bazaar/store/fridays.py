"""Rows of product groups in turn."""

from datetime import datetime
from uuid import UUID

from services.bazaar.domain.fridays import Occurrence, ProductGroup, Rotation
from services.bazaar.domain.policy import Policy
from shared.db import Connection


async def lock_turns(conn: Connection, series_id: UUID) -> None:
    """One at a time gives out turns of a series, or changes its groups."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('group-turns/' || $1::text, 0))", str(series_id))


async def find_rotations(conn: Connection, series_id: UUID) -> list[Rotation]:
    """The groups of a series, each list with the turn from which it counts; none where no groups take turns."""
    rows = await conn.fetch(
        "SELECT from_turn, groups FROM group_rotation WHERE series_id = $1 ORDER BY from_turn", series_id
    )
    return [Rotation(row["from_turn"], [ProductGroup.model_validate(one) for one in row["groups"]]) for row in rows]


async def find_series_with_groups(conn: Connection) -> list[UUID]:
    """Every series in which groups take turns."""
    rows = await conn.fetch("SELECT DISTINCT series_id FROM group_rotation ORDER BY series_id")
    return [row["series_id"] for row in rows]


async def save_rotation(conn: Connection, series_id: UUID, rotation: Rotation, *, now: datetime) -> None:
    """Groups from this turn on; a list that was to begin then or later is replaced."""
    await conn.execute(
        "DELETE FROM group_rotation WHERE series_id = $1 AND from_turn >= $2", series_id, rotation.from_turn
    )
    await conn.execute(
        "INSERT INTO group_rotation (series_id, from_turn, groups, made_at) VALUES ($1, $2, $3, $4)",
        series_id,
        rotation.from_turn,
        [group.model_dump() for group in rotation.groups],
        now,
    )


async def find_occurrences(conn: Connection, series_id: UUID) -> list[Occurrence]:
    """The bazaars of a series that are no drafts, with the turns they were announced with, in the order of days."""
    rows = await conn.fetch(
        "SELECT b.bazaar_id, b.name, b.days, b.state, t.turn FROM bazaar AS b LEFT JOIN group_turn AS t USING "
        "(bazaar_id) WHERE b.series_id = $1 AND b.state <> 'draft' ORDER BY b.days[1], b.bazaar_id",
        series_id,
    )
    return [Occurrence(row["bazaar_id"], row["name"], row["days"], row["state"], row["turn"]) for row in rows]


async def add_turn(
    conn: Connection, series_id: UUID, bazaar_id: UUID, turn: int, group: ProductGroup, *, now: datetime
) -> None:
    """An occurrence has this turn from now on."""
    await conn.execute(
        "INSERT INTO group_turn (bazaar_id, series_id, turn, group_code, fixed_at) VALUES ($1, $2, $3, $4, $5)",
        bazaar_id,
        series_id,
        turn,
        group.code,
        now,
    )


async def save_policy(conn: Connection, bazaar_id: UUID, policy: Policy) -> None:
    """The policy of a bazaar that is being announced; its row is locked."""
    await conn.execute("UPDATE bazaar SET policy = $2 WHERE bazaar_id = $1", bazaar_id, policy.model_dump())
