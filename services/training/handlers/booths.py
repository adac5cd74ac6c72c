"""What the bazaar service tells of booths: on these days their vendors are not free."""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from services.training.store import engagements
from services.training.store.engagements import Booth
from shared.db import Connection
from shared.events.bazaar import BoothAssigned, BoothConfirmed, BoothDaysAdded, BoothSwapped

__all__ = ["forget_booths", "move_booths", "remember_booths"]


async def remember_booths(
    conn: Connection, told: Sequence[BoothAssigned | BoothConfirmed | BoothDaysAdded | BoothSwapped]
) -> None:
    """Vendors have booths offered, or hold them; the last word on each application counts."""
    booths = {
        event.application_id: Booth(event.vendor_id, sorted(event.days), not isinstance(event, BoothAssigned))
        for event in told
    }
    await engagements.save_booths(conn, booths)


async def move_booths(conn: Connection, days: Mapping[UUID, Sequence[date]]) -> None:
    """Bazaars were moved: the booths of these applications, if they have any, are on these days."""
    await engagements.save_booth_days(conn, {application_id: sorted(moved) for application_id, moved in days.items()})


async def forget_booths(conn: Connection, application_ids: Sequence[UUID]) -> None:
    """Booths were declined, lapsed, given back or cancelled."""
    await engagements.delete_booths(conn, application_ids)
