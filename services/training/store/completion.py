"""Completion rules, and the scores of tests."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.training.domain.completion import CompletionRule, RuleUnknown, Score
from shared.db import Connection


def _rule(row: asyncpg.Record) -> CompletionRule:
    return CompletionRule(
        row["version"],
        row["course"],
        row["percent_min"],
        row["sessions_min"],
        row["last_required"],
        row["score_min"],
    )


async def find_rule(conn: Connection, version: int) -> CompletionRule:
    """The rule of this version. Raises `RuleUnknown`."""
    row = await conn.fetchrow(
        "SELECT version, course, percent_min, sessions_min, last_required, score_min FROM completion_rule "
        "WHERE version = $1",
        version,
    )
    if row is None:
        raise RuleUnknown(f"There is no completion rule {version}.", version=version)
    return _rule(row)


async def find_rule_in_force(conn: Connection, course: str) -> int:
    """Version of the rule under which classes of this course are opened now: the last of its own, else of all."""
    version: int = await conn.fetchval(
        "SELECT version FROM completion_rule WHERE course = $1 OR course IS NULL "
        "ORDER BY course NULLS LAST, version DESC LIMIT 1",
        course,
    )
    return version


async def list_rules(
    conn: Connection, *, course: str | None, after: int | None, limit: int
) -> list[tuple[CompletionRule, datetime]]:
    """Rules and since when, the newest first; `course`: those that classes of it were ever opened under."""
    rows = await conn.fetch(
        """
        SELECT version, course, percent_min, sessions_min, last_required, score_min, made_at FROM completion_rule
        WHERE ($1::text IS NULL OR course = $1 OR course IS NULL) AND ($2::int IS NULL OR version < $2)
        ORDER BY version DESC LIMIT $3
        """,
        course,
        after,
        limit,
    )
    return [(_rule(row), row["made_at"]) for row in rows]


async def lock_rules(conn: Connection) -> int:
    """Let one transaction at a time make a rule; gives the last version."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('training.completion-rules', 0))")
    last: int = await conn.fetchval("SELECT coalesce(max(version), 0) FROM completion_rule")
    return last


async def add_rule(conn: Connection, rule: CompletionRule, *, made_by: str, now: datetime) -> None:
    """A new rule."""
    await conn.execute(
        "INSERT INTO completion_rule (version, course, percent_min, sessions_min, last_required, score_min, made_by, "
        "made_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        rule.version,
        rule.course,
        rule.percent_min,
        rule.sessions_min,
        rule.last_required,
        rule.score_min,
        made_by,
        now,
    )


# ---- scores


async def find_scores(conn: Connection, class_id: UUID) -> dict[UUID, int]:
    """The last score of everybody in a class who has one."""
    rows = await conn.fetch(
        "SELECT DISTINCT ON (vendor_id) vendor_id, score FROM test_score WHERE class_id = $1 "
        "ORDER BY vendor_id, score_id DESC",
        class_id,
    )
    return {row["vendor_id"]: row["score"] for row in rows if row["score"] is not None}


async def add_scores(
    conn: Connection, class_id: UUID, scores: Sequence[Score], *, entered_by: str, now: datetime
) -> None:
    """Scores, the last ones of their vendors from now on."""
    await conn.execute(
        """
        INSERT INTO test_score (class_id, vendor_id, score, entered_by, entered_at)
        SELECT $1, new.vendor_id, new.score, $4, $5 FROM unnest($2::uuid[], $3::int[]) AS new (vendor_id, score)
        """,
        class_id,
        [one.vendor_id for one in scores],
        [one.score for one in scores],
        entered_by,
        now,
    )


async def list_scores(conn: Connection, class_id: UUID, vendor_id: UUID) -> list[dict[str, Any]]:
    """Every score that was entered of a vendor in a class, the oldest first."""
    rows = await conn.fetch(
        "SELECT score, entered_by AS by, entered_at AS at FROM test_score WHERE class_id = $1 AND vendor_id = $2 "
        "ORDER BY score_id",
        class_id,
        vendor_id,
    )
    return [dict(row) for row in rows]
