"""What we do about other services' events on vendors: keep what eligibility and the rotation's groups need."""

from collections.abc import Sequence

from services.bazaar.store import vendors as store
from shared.db import Connection
from shared.events.training import TrainingCompleted, TrainingNotCompleted
from shared.events.vendor import VendorCategoryChosen, VendorCoached, VendorRegistered


async def remember_vendors(conn: Connection, events: Sequence[VendorRegistered]) -> None:
    """Vendors registered: they may apply now."""
    await store.add_vendors(
        conn,
        [
            store.RegisteredVendor(event.vendor_id, event.kelurahan, event.rw, event.category, event.agency)
            for event in events
        ],
    )


async def remember_categories(conn: Connection, events: Sequence[VendorCategoryChosen]) -> None:
    """Vendors chose what they sell; of several choices of one vendor the last counts."""
    await store.save_categories(conn, {event.vendor_id: event.category for event in events})


async def remember_coaches(conn: Connection, events: Sequence[VendorCoached]) -> None:
    """An agency coaches these vendors now; of several of one vendor the last counts."""
    await store.save_agencies(conn, {event.vendor_id: event.agency for event in events})


async def remember_completions(conn: Connection, events: Sequence[TrainingCompleted]) -> None:
    """Vendors completed a training; the news may come before that of their registration."""
    await store.add_completions(conn, [(event.vendor_id, event.class_id) for event in events])


async def forget_completions(conn: Connection, events: Sequence[TrainingNotCompleted]) -> None:
    """A class ended without success, or a correction took a completion back."""
    await store.remove_completions(conn, [(event.vendor_id, event.class_id) for event in events])
