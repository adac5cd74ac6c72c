"""Showcases: where they are, and whose products stand in them."""

from uuid import UUID

from services.bazaar.domain import showcases as domain
from services.bazaar.domain.showcases import FillShowcase, SetShowcase
from services.bazaar.store import applications, bazaars
from services.bazaar.store import showcases as store
from shared.db import Connection


async def set_showcase(conn: Connection, bazaar_id: UUID, command: SetShowcase) -> None:
    """A showcase of the bazaar, new or changed."""
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    taken = await store.count_taken(conn, bazaar_id, command.showcase_id)
    await store.save_showcase(conn, domain.set_up(bazaar, command, taken))


async def fill_showcase(conn: Connection, bazaar_id: UUID, showcase_id: str, command: FillShowcase) -> None:
    """Products of these vendors stand there from now on, and of nobody else."""
    await bazaars.lock_bazaar(conn, bazaar_id)
    showcase = await store.get_showcase(conn, bazaar_id, showcase_id)
    found = await applications.lock_applications(conn, command.application_ids)
    domain.fill(showcase, command.application_ids, {one.application_id: one for one in found})
    await store.save_places(conn, showcase, command.application_ids)
