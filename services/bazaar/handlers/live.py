"""Setting the programme of a live channel."""

from uuid import UUID

from services.bazaar.domain import live as domain
from services.bazaar.domain.live import SetProgramme, Slot
from services.bazaar.store import bazaars
from services.bazaar.store import live as store
from shared.db import Connection


async def set_programme(conn: Connection, bazaar_id: UUID, site_id: str, command: SetProgramme) -> list[Slot]:
    """The channel of a site, and which booth stands for which slot; again and again until the round is frozen."""
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    booths = await store.find_vendor_booths(conn, bazaar_id, site_id)
    slots = domain.slots(bazaar, site_id, command, booths)
    await store.save_programme(conn, bazaar_id, site_id, command, slots)
    return slots
