"""What we do about other services' events on vendors: keep what eligibility and the rotation's groups need."""

from collections.abc import Sequence

from services.bazaar.store import vendors as store
from services.bazaar.store.erasures import PEOPLE
from shared import families
from shared.db import Connection
from shared.events.training import TrainingCompleted, TrainingNotCompleted
from shared.events.vendor import (
    VendorCategoryChosen,
    VendorCategoryCleared,
    VendorCoached,
    VendorCoachingEnded,
    VendorMoved,
    VendorRegistered,
    VendorReinstated,
    VendorSuspended,
)


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


async def forget_categories(conn: Connection, events: Sequence[VendorCategoryCleared]) -> None:
    """Vendors have no category any more."""
    await store.save_categories(conn, dict.fromkeys((event.vendor_id for event in events), None))


async def forget_coaches(conn: Connection, events: Sequence[VendorCoachingEnded]) -> None:
    """Nobody coaches these vendors any more."""
    await store.save_agencies(conn, dict.fromkeys((event.vendor_id for event in events), None))


async def remember_addresses(conn: Connection, events: Sequence[VendorMoved]) -> None:
    """Vendors live elsewhere now, or their address was corrected; of several of one vendor the last counts."""
    await store.save_addresses(conn, {event.vendor_id: (event.kelurahan, event.rw) for event in events})


async def remember_suspensions(conn: Connection, events: Sequence[VendorSuspended]) -> None:
    """Vendors are suspended: no new application, no booth by rotation; what they hold already stays."""
    await store.save_suspensions(conn, {event.vendor_id: event.reason for event in events})


async def forget_suspensions(conn: Connection, events: Sequence[VendorReinstated]) -> None:
    """Vendors are suspended no longer."""
    await store.remove_suspensions(conn, [event.vendor_id for event in events])


async def remember_completions(conn: Connection, events: Sequence[TrainingCompleted]) -> None:
    """Vendors completed a training; the news may come before that of their registration.

    It comes on another topic than that of an erasure, so the two really run beside each other.
    """
    await families.share_people(conn, PEOPLE)
    await store.add_completions(conn, [(event.vendor_id, event.class_id) for event in events])


async def forget_completions(conn: Connection, events: Sequence[TrainingNotCompleted]) -> None:
    """A class ended without success, or a correction took a completion back."""
    await store.remove_completions(conn, [(event.vendor_id, event.class_id) for event in events])
