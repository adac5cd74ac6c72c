"""Rows of storefronts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Record, UniqueViolationError

from services.bazaar.domain.storefronts import ShopTaken, Storefront, StorefrontUnknown
from shared.db import Connection


async def find_storefront(conn: Connection, application_id: UUID) -> Storefront | None:
    """The storefront of an application; None when it has none."""
    row = await conn.fetchrow(
        "SELECT application_id, bazaar_id, version, state, marketplace, url, shop, sku_code, title, highlights, "
        "hidden_because FROM storefront WHERE application_id = $1",
        application_id,
    )
    return None if row is None else _storefront(row)


async def get_storefront(conn: Connection, application_id: UUID) -> Storefront:
    """The storefront of an application. Raises `StorefrontUnknown`."""
    found = await find_storefront(conn, application_id)
    if found is None:
        raise StorefrontUnknown("This application has no storefront.")
    return found


def _storefront(row: Record | Mapping[str, Any]) -> Storefront:
    return Storefront(**{**dict(row), "highlights": tuple(row["highlights"])})


async def save_storefront(conn: Connection, storefront: Storefront, *, now: datetime) -> None:
    """A storefront as the vendor submitted it. Raises `ShopTaken`."""
    try:
        # in a savepoint: what is refused here does not end the transaction
        async with conn.transaction():
            await conn.execute(
                "INSERT INTO storefront (application_id, bazaar_id, version, state, marketplace, url, shop, sku_code, "
                "title, highlights, submitted_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
                "ON CONFLICT (application_id) DO UPDATE SET version = excluded.version, state = excluded.state, "
                "marketplace = excluded.marketplace, url = excluded.url, shop = excluded.shop, "
                "sku_code = excluded.sku_code, title = excluded.title, highlights = excluded.highlights, "
                "submitted_at = excluded.submitted_at, hidden_because = NULL, decided_at = NULL",
                storefront.application_id,
                storefront.bazaar_id,
                storefront.version,
                storefront.state,
                storefront.marketplace,
                storefront.url,
                storefront.shop,
                storefront.sku_code,
                storefront.title,
                list(storefront.highlights),
                now,
            )
    except UniqueViolationError:
        raise ShopTaken(
            f"Another vendor of this bazaar has the shop {storefront.shop!r}. Where several share a shop, each gives "
            "its own sku_code, with which the codes of its products begin.",
            shop=storefront.shop,
        ) from None


async def save_decision(conn: Connection, storefront: Storefront, *, now: datetime) -> None:
    """What an officer decided on it."""
    await conn.execute(
        "UPDATE storefront SET state = $2, hidden_because = $3, decided_at = $4 WHERE application_id = $1",
        storefront.application_id,
        storefront.state,
        storefront.hidden_because,
        now,
    )


async def remove_storefront(conn: Connection, application_id: UUID) -> bool:
    """Show it no longer, and forget it; whether there was one."""
    status = await conn.execute("DELETE FROM storefront WHERE application_id = $1", application_id)
    return status == "DELETE 1"


async def list_storefronts(
    conn: Connection, bazaar_id: UUID, state: str | None, after: UUID, limit: int
) -> list[dict[str, Any]]:
    """Storefronts of a bazaar, of one state or of all; one row more than `limit` when there are more."""
    rows = await conn.fetch(
        "SELECT s.application_id, s.version, s.state, s.hidden_because, s.marketplace, s.url, s.shop, s.sku_code, "
        "s.title, s.highlights, s.submitted_at, s.decided_at, a.state AS application_state "
        "FROM storefront AS s JOIN application AS a USING (application_id) "
        "WHERE s.bazaar_id = $1 AND ($2::text IS NULL OR s.state = $2) AND s.application_id > $3 "
        "ORDER BY s.application_id LIMIT $4",
        bazaar_id,
        state,
        after,
        limit + 1,
    )
    return [dict(row) for row in rows]


async def find_shops(conn: Connection, bazaar_id: UUID, marketplace: str) -> list[Storefront]:
    """Every storefront of a bazaar at this marketplace, whether it is shown or not."""
    rows = await conn.fetch(
        "SELECT application_id, bazaar_id, version, state, marketplace, url, shop, sku_code, title, highlights, "
        "hidden_because FROM storefront WHERE bazaar_id = $1 AND marketplace = $2 ORDER BY application_id",
        bazaar_id,
        marketplace,
    )
    return [_storefront(row) for row in rows]
