"""Rows of series and of what their occurrences have from them. A series is locked before its bazaars."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.bazaar.domain.series import DescribeSeries, Occurrence, Series, SeriesUnknown
from shared.db import Connection


async def add_series(conn: Connection, series: Series, *, now: datetime) -> None:
    """A new series."""
    described = series.described
    await conn.execute(
        "INSERT INTO series (series_id, version, name, setting, areas, described, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        series.series_id,
        series.version,
        described.name,
        described.setting,
        described.areas,
        described.model_dump(mode="json"),
        now,
    )


async def save_series(conn: Connection, series: Series) -> None:
    """What is described anew; its row is locked."""
    described = series.described
    await conn.execute(
        "UPDATE series SET version = $2, name = $3, setting = $4, areas = $5, described = $6 WHERE series_id = $1",
        series.series_id,
        series.version,
        described.name,
        described.setting,
        described.areas,
        described.model_dump(mode="json"),
    )


async def find_series(conn: Connection, series_id: UUID) -> Series:
    """The series as it stands. Raises `SeriesUnknown`."""
    row = await conn.fetchrow("SELECT series_id, version, described FROM series WHERE series_id = $1", series_id)
    if row is None:
        raise SeriesUnknown("There is no such series.")
    return Series(row["series_id"], row["version"], DescribeSeries.model_validate(row["described"]))


async def lock_series(conn: Connection, series_id: UUID) -> Series:
    """The series, held against everyone else who plans or changes it. Raises `SeriesUnknown`."""
    row = await conn.fetchrow(
        "SELECT series_id, version, described FROM series WHERE series_id = $1 FOR NO KEY UPDATE", series_id
    )
    if row is None:
        raise SeriesUnknown("There is no such series.")
    return Series(row["series_id"], row["version"], DescribeSeries.model_validate(row["described"]))


async def find_areas(conn: Connection, series_id: UUID) -> list[str]:
    """Codes of the areas that its officers must cover. Raises `SeriesUnknown`."""
    areas: list[str] | None = await conn.fetchval("SELECT areas FROM series WHERE series_id = $1", series_id)
    if areas is None:
        raise SeriesUnknown("There is no such series.")
    return areas


async def lock_occurrences(conn: Connection, series_id: UUID) -> list[Occurrence]:
    """Every occurrence, in order of days; those that may still change are locked, in the order of ids.

    One that was moved by hand follows its series no longer, as one that was edited.
    """
    await conn.execute(
        "SELECT FROM bazaar WHERE series_id = $1 AND (state = 'tentative' OR cancelled_because = 'series') "
        "ORDER BY bazaar_id FOR NO KEY UPDATE",
        series_id,
    )
    rows = await conn.fetch(
        "SELECT b.bazaar_id, b.series_day, b.days, b.state, b.cancelled_because, coalesce(o.in_turn, '{}') AS in_turn, "
        "coalesce(o.series_version, 0) AS series_version, "
        "(o.bazaar_id IS NULL OR o.by_hand OR b.moved_from IS NOT NULL) AS by_hand "
        "FROM bazaar AS b LEFT JOIN occurrence AS o USING (bazaar_id) WHERE b.series_id = $1 "
        "ORDER BY b.days[1], b.bazaar_id",
        series_id,
    )
    return [
        Occurrence(
            bazaar_id=row["bazaar_id"],
            series_day=row["series_day"],
            days=tuple(row["days"]),
            state=row["state"],
            cancelled_because=row["cancelled_because"],
            in_turn=tuple(row["in_turn"]),
            series_version=row["series_version"],
            by_hand=row["by_hand"],
        )
        for row in rows
    ]


async def save_occurrence(conn: Connection, bazaar_id: UUID, series_version: int, in_turn: Sequence[str]) -> None:
    """What a bazaar has from its series."""
    await conn.execute(
        "INSERT INTO occurrence (bazaar_id, series_version, in_turn) VALUES ($1, $2, $3) "
        "ON CONFLICT (bazaar_id) DO UPDATE SET series_version = excluded.series_version, in_turn = excluded.in_turn",
        bazaar_id,
        series_version,
        list(in_turn),
    )


async def mark_edited(conn: Connection, bazaar_id: UUID) -> None:
    """An officer has edited it: it follows its series no longer."""
    await conn.execute("UPDATE occurrence SET by_hand = true WHERE bazaar_id = $1", bazaar_id)


async def find_in_turn(conn: Connection, bazaar_id: UUID) -> list[str]:
    """The turns of its series that a bazaar takes."""
    in_turn: list[str] | None = await conn.fetchval("SELECT in_turn FROM occurrence WHERE bazaar_id = $1", bazaar_id)
    return in_turn or []


async def is_public(conn: Connection, series_id: UUID) -> bool:
    """Whether something of it is known outside."""
    public: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM bazaar WHERE series_id = $1 AND state <> 'draft')", series_id
    )
    return public


async def list_series(conn: Connection, after: UUID | None, limit: int, within: str | None) -> list[dict[str, Any]]:
    """Series of which something is known outside, the newest first; one row more than `limit` when there are more.

    `within`: instead, every series whose areas all lie in this one.
    """
    rows = await conn.fetch(
        "SELECT s.series_id, s.name, s.setting, s.described -> 'theme' AS theme FROM series AS s "
        "WHERE s.series_id < $1 AND CASE WHEN $3::text IS NULL "
        "THEN EXISTS (SELECT FROM bazaar AS b WHERE b.series_id = s.series_id AND b.state <> 'draft') "
        "ELSE NOT EXISTS (SELECT FROM unnest(s.areas) AS a (code) WHERE code <> $3 "
        "AND NOT starts_with(code, $3 || '.')) END ORDER BY s.series_id DESC LIMIT $2",
        after or UUID(int=2**128 - 1),
        limit + 1,
        within,
    )
    return [dict(row) for row in rows]


async def list_occurrences(conn: Connection, series_id: UUID, limit: int) -> list[dict[str, Any]]:
    """The occurrences known outside, the latest first."""
    rows = await conn.fetch(
        "SELECT b.bazaar_id, b.series_day, b.days, b.state, b.cancelled_because, coalesce(o.in_turn, '{}') AS in_turn "
        "FROM bazaar AS b LEFT JOIN occurrence AS o USING (bazaar_id) WHERE b.series_id = $1 AND b.state <> 'draft' "
        "ORDER BY b.days[1] DESC, b.bazaar_id DESC LIMIT $2",
        series_id,
        limit,
    )
    return [dict(row) for row in rows]
