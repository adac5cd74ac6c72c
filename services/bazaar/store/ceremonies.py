"""Rows of how seeds are drawn: what was said before the freeze, and the ceremonies of officials."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from asyncpg import Record

from services.bazaar.domain.ceremony import Ceremony, Part, SeedPlan
from shared.db import Connection


class PlanSaid(NamedTuple):
    """How the seed is drawn, and when that was said."""

    plan: SeedPlan
    said_at: datetime


async def save_plan(conn: Connection, bazaar_id: UUID, plan: SeedPlan, *, now: datetime) -> None:
    """Say how the seed of this bazaar is drawn; what was said before is replaced. The bazaar is locked."""
    await conn.execute(
        "INSERT INTO seed_plan (bazaar_id, plan, said_at) VALUES ($1, $2, $3) "
        "ON CONFLICT (bazaar_id) DO UPDATE SET plan = excluded.plan, said_at = excluded.said_at",
        bazaar_id,
        plan.model_dump(mode="json"),
        now,
    )


async def find_plan(conn: Connection, bazaar_id: UUID) -> SeedPlan | None:
    """How the seed of this bazaar is drawn; None when nothing was said."""
    said = await find_plan_said(conn, bazaar_id)
    return said and said.plan


async def find_plan_said(conn: Connection, bazaar_id: UUID) -> PlanSaid | None:
    """How the seed of this bazaar is drawn, and when that was said; None when nothing was said."""
    row = await conn.fetchrow("SELECT plan, said_at FROM seed_plan WHERE bazaar_id = $1", bazaar_id)
    return None if row is None else PlanSaid(SeedPlan.model_validate(row["plan"]), row["said_at"])


async def find_ceremonies(conn: Connection, bazaar_id: UUID, number: int) -> list[Ceremony]:
    """Every attempt to draw the seed of a round together, the first one first."""
    rows = await conn.fetch(
        "SELECT bazaar_id, round, attempt, state, officials_min, reveal_minutes, opened_at, commit_until, closed_at, "
        "reveal_until, ended_at FROM ceremony WHERE bazaar_id = $1 AND round = $2 ORDER BY attempt",
        bazaar_id,
        number,
    )
    parts = await conn.fetch(
        "SELECT attempt, position, subject, office, commitment, committed_at, secret, revealed_at FROM ceremony_part "
        "WHERE bazaar_id = $1 AND round = $2 ORDER BY attempt, position",
        bazaar_id,
        number,
    )
    return [_ceremony(row, [part for part in parts if part["attempt"] == row["attempt"]]) for row in rows]


def _ceremony(row: Record, parts: list[Record]) -> Ceremony:
    return Ceremony(
        bazaar_id=row["bazaar_id"],
        round=row["round"],
        attempt=row["attempt"],
        state=row["state"],
        officials_min=row["officials_min"],
        reveal_minutes=row["reveal_minutes"],
        opened_at=row["opened_at"],
        commit_until=row["commit_until"],
        parts=tuple(
            Part(
                position=part["position"],
                subject=part["subject"],
                office=part["office"],
                commitment=part["commitment"],
                committed_at=part["committed_at"],
                secret=part["secret"],
                revealed_at=part["revealed_at"],
            )
            for part in parts
        ),
        closed_at=row["closed_at"],
        reveal_until=row["reveal_until"],
        ended_at=row["ended_at"],
    )


async def add_ceremony(conn: Connection, ceremony: Ceremony) -> None:
    """A new attempt, to which nobody has committed yet."""
    await conn.execute(
        "INSERT INTO ceremony (bazaar_id, round, attempt, state, officials_min, reveal_minutes, opened_at, "
        "commit_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        ceremony.bazaar_id,
        ceremony.round,
        ceremony.attempt,
        ceremony.state,
        ceremony.officials_min,
        ceremony.reveal_minutes,
        ceremony.opened_at,
        ceremony.commit_until,
    )


async def save_ceremony(conn: Connection, ceremony: Ceremony) -> None:
    """How far an attempt has come; its bazaar is locked."""
    await conn.execute(
        "UPDATE ceremony SET state = $4, closed_at = $5, reveal_until = $6, ended_at = $7 "
        "WHERE bazaar_id = $1 AND round = $2 AND attempt = $3",
        ceremony.bazaar_id,
        ceremony.round,
        ceremony.attempt,
        ceremony.state,
        ceremony.closed_at,
        ceremony.reveal_until,
        ceremony.ended_at,
    )


async def add_part(conn: Connection, ceremony: Ceremony, part: Part) -> None:
    """An official commits."""
    await conn.execute(
        "INSERT INTO ceremony_part (bazaar_id, round, attempt, position, subject, office, commitment, committed_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        ceremony.bazaar_id,
        ceremony.round,
        ceremony.attempt,
        part.position,
        part.subject,
        part.office,
        part.commitment,
        part.committed_at,
    )


async def save_secret(conn: Connection, ceremony: Ceremony, part: Part) -> None:
    """An official reveals."""
    await conn.execute(
        "UPDATE ceremony_part SET secret = $5, revealed_at = $6 "
        "WHERE bazaar_id = $1 AND round = $2 AND attempt = $3 AND position = $4",
        ceremony.bazaar_id,
        ceremony.round,
        ceremony.attempt,
        part.position,
        part.secret,
        part.revealed_at,
    )
