"""What is added to a vendor's standing when it stays away, and taken out again when it turns out that it came."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.bazaar.domain import ledger as domain
from services.bazaar.domain.application import Application
from services.bazaar.store import ledger as store
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.ids import new_id


async def enter_no_shows(conn: Connection, applications: Sequence[Application], *, now: datetime) -> None:
    """These vendors confirmed and did not come. It counts from today; entered twice, it counts once."""
    if applications:
        day = day_in_jakarta(now)
        await store.add_adjustments(
            conn,
            [domain.no_show(new_id(), one.vendor_id, one.application_id, day) for one in applications],
            now=now,
        )


async def withdraw_no_shows(conn: Connection, application_ids: Sequence[UUID]) -> set[UUID]:
    """They did come after all, or an appeal was granted. Gives those that had been entered."""
    return await store.remove_no_shows(conn, application_ids)
