"""Pre-orders: what a vendor can make, and how much of it is promised."""

from uuid import UUID

from services.bazaar.domain import preorders as domain
from services.bazaar.domain.preorders import CountPreorders, FewerThanTaken, OfferPreorder, Preorder
from services.bazaar.handlers.storefronts import lock_participant
from services.bazaar.store import bazaars
from services.bazaar.store import preorders as store
from shared.db import Connection


async def offer_preorder(
    conn: Connection, application_id: UUID, command: OfferPreorder, *, preorder_id: UUID
) -> Preorder:
    """The vendor offers a product ahead, or changes what it offered."""
    application = await lock_participant(conn, application_id)
    bazaar = await bazaars.find_bazaar(conn, application.bazaar_id)
    known = await store.find_preorders(conn, application_id)
    for one in known:
        # what is being counted at this moment is waited for
        if one.title == command.title:
            known[known.index(one)] = await store.lock_preorder(conn, one.preorder_id)
    preorder = domain.offer(bazaar, application_id, command, known, preorder_id)
    await store.save_preorder(conn, preorder)
    return preorder


async def count_preorders(conn: Connection, preorder_id: UUID, command: CountPreorders) -> Preorder:
    """Orders came in, or were cancelled. Never more than the vendor can make, however many count at once."""
    preorder = await store.lock_preorder(conn, preorder_id)
    await store.save_taken(conn, preorder_id, domain.count(preorder, command.pieces))
    return await store.lock_preorder(conn, preorder_id)


async def withdraw_preorder(conn: Connection, preorder_id: UUID) -> None:
    """The vendor offers it no longer; refused while orders are taken."""
    preorder = await store.lock_preorder(conn, preorder_id)
    if preorder.pieces_taken:
        raise FewerThanTaken(
            f"{preorder.pieces_taken} pieces were ordered already; count them back first.",
            pieces_taken=preorder.pieces_taken,
        )
    await store.remove_preorder(conn, preorder_id)
