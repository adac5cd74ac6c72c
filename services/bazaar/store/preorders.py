"""Rows of products that can be ordered ahead."""

from uuid import UUID

from services.bazaar.domain.preorders import Preorder, PreorderUnknown
from shared.db import Connection


async def find_preorders(conn: Connection, application_id: UUID) -> list[Preorder]:
    """What can be ordered ahead of a vendor, in the order of titles."""
    rows = await conn.fetch(
        "SELECT preorder_id, application_id, title, pieces_max, pieces_taken, pick_up_day, pick_up_place "
        "FROM preorder WHERE application_id = $1 ORDER BY title",
        application_id,
    )
    return [Preorder(*row.values()) for row in rows]


async def find_application_id(conn: Connection, preorder_id: UUID) -> UUID:
    """Whose it is. Raises `PreorderUnknown`."""
    application_id: UUID | None = await conn.fetchval(
        "SELECT application_id FROM preorder WHERE preorder_id = $1", preorder_id
    )
    if application_id is None:
        raise PreorderUnknown("There is no such product to order ahead.")
    return application_id


async def lock_preorder(conn: Connection, preorder_id: UUID) -> Preorder:
    """It, held until the transaction ends. Raises `PreorderUnknown`."""
    row = await conn.fetchrow(
        "SELECT preorder_id, application_id, title, pieces_max, pieces_taken, pick_up_day, pick_up_place "
        "FROM preorder WHERE preorder_id = $1 FOR NO KEY UPDATE",
        preorder_id,
    )
    if row is None:
        raise PreorderUnknown("There is no such product to order ahead.")
    return Preorder(*row.values())


async def save_preorder(conn: Connection, preorder: Preorder) -> None:
    """A product to order ahead; the application is locked."""
    await conn.execute(
        "INSERT INTO preorder (preorder_id, application_id, title, pieces_max, pieces_taken, pick_up_day, "
        "pick_up_place) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (preorder_id) DO UPDATE SET "
        "pieces_max = excluded.pieces_max, pick_up_day = excluded.pick_up_day, pick_up_place = excluded.pick_up_place",
        preorder.preorder_id,
        preorder.application_id,
        preorder.title,
        preorder.pieces_max,
        preorder.pieces_taken,
        preorder.pick_up_day,
        preorder.pick_up_place,
    )


async def save_taken(conn: Connection, preorder_id: UUID, pieces_taken: int) -> None:
    """So many pieces were ordered ahead; its row is locked."""
    await conn.execute("UPDATE preorder SET pieces_taken = $2 WHERE preorder_id = $1", preorder_id, pieces_taken)


async def remove_preorder(conn: Connection, preorder_id: UUID) -> None:
    """It can be ordered ahead no longer."""
    await conn.execute("DELETE FROM preorder WHERE preorder_id = $1", preorder_id)
