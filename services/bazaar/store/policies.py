"""Rows of policies by name."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Record

from services.bazaar.domain.policies import DefinePolicy, InBothLanguages, NamedPolicy, PolicyDocument
from shared.db import Connection


async def add_policy(conn: Connection, command: DefinePolicy, version: int, created_by: str, *, now: datetime) -> bool:
    """A version of a policy; False when somebody else has just added it."""
    added = await conn.fetchval(
        "INSERT INTO policy (code, version, area, title, description, document, created_at, created_by) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING true",
        command.code,
        version,
        command.area,
        command.title.model_dump(),
        command.description.model_dump(),
        command.document.model_dump(),
        now,
        created_by,
    )
    return bool(added)


async def find_policy(conn: Connection, code: str, version: int | None) -> NamedPolicy | None:
    """This version of a policy, or its latest; None when there is none."""
    row = await conn.fetchrow(
        "SELECT code, version, area, title, description, document, created_at FROM policy "
        "WHERE code = $1 AND ($2::int IS NULL OR version = $2) ORDER BY version DESC LIMIT 1",
        code,
        version,
    )
    return None if row is None else _policy(row)


async def list_policies(
    conn: Connection, code: str | None, after: tuple[str, int] | None, limit: int
) -> Sequence[NamedPolicy]:
    """Every version of every policy (or of one), by name and version; one more than `limit` when there are more."""
    last_code, last_version = after or ("", 0)
    rows = await conn.fetch(
        "SELECT code, version, area, title, description, document, created_at FROM policy "
        "WHERE ($1::text IS NULL OR code = $1) AND (code, version) > ($2, $3) ORDER BY code, version LIMIT $4",
        code,
        last_code,
        last_version,
        limit + 1,
    )
    return [_policy(row) for row in rows]


def _policy(row: Record) -> NamedPolicy:
    return NamedPolicy(
        code=row["code"],
        version=row["version"],
        area=row["area"],
        title=InBothLanguages.model_validate(row["title"]),
        description=InBothLanguages.model_validate(row["description"]),
        document=PolicyDocument.model_validate(row["document"]),
        created_at=row["created_at"],
    )


async def save_used(conn: Connection, bazaar_id: UUID, policy: NamedPolicy | None) -> None:
    """Which policy a bazaar was set up with; None: with a document of its own."""
    if policy is None:
        await conn.execute("DELETE FROM bazaar_policy WHERE bazaar_id = $1", bazaar_id)
        return
    await conn.execute(
        "INSERT INTO bazaar_policy (bazaar_id, code, version) VALUES ($1, $2, $3) "
        "ON CONFLICT (bazaar_id) DO UPDATE SET code = excluded.code, version = excluded.version",
        bazaar_id,
        policy.code,
        policy.version,
    )


async def find_used(conn: Connection, bazaar_id: UUID) -> dict[str, Any] | None:
    """Name and version of the policy that a bazaar was set up with; None: a document of its own."""
    row = await conn.fetchrow("SELECT code, version FROM bazaar_policy WHERE bazaar_id = $1", bazaar_id)
    return None if row is None else dict(row)
