"""The topics that bazaars listen to, and what is done about each message."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.bazaar.handlers import erasures, offers, vendors
from services.bazaar.store.erasures import PEOPLE
from shared import families
from shared.consume import Received, Refusal, Subscription
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.bazaar import RespondToOffer
from shared.events.envelope import Envelope, Message
from shared.events.rights import VendorErased
from shared.events.training import TrainingCompleted, TrainingNotCompleted
from shared.events.vendor import (
    VendorCategoryChosen,
    VendorCategoryCleared,
    VendorCoached,
    VendorCoachingEnded,
    VendorMerged,
    VendorMoved,
    VendorRegistered,
    VendorReinstated,
    VendorSuspended,
    VendorUnmerged,
)

NO_APPLICATION = UUID(int=0)
"""Stands in the refusal of a command from which not even its application could be read."""


async def on_registered(conn: Connection, run: Sequence[Received[VendorRegistered]], now: datetime) -> None:
    """Vendors registered."""
    await vendors.remember_vendors(conn, [one.body for one in run])


async def on_category_chosen(conn: Connection, run: Sequence[Received[VendorCategoryChosen]], now: datetime) -> None:
    """Vendors chose what they sell."""
    await vendors.remember_categories(conn, [one.body for one in run])


async def on_category_cleared(conn: Connection, run: Sequence[Received[VendorCategoryCleared]], now: datetime) -> None:
    """Vendors have no category any more."""
    await vendors.forget_categories(conn, [one.body for one in run])


async def on_coached(conn: Connection, run: Sequence[Received[VendorCoached]], now: datetime) -> None:
    """Agencies coach vendors."""
    await vendors.remember_coaches(conn, [one.body for one in run])


async def on_coaching_ended(conn: Connection, run: Sequence[Received[VendorCoachingEnded]], now: datetime) -> None:
    """Nobody coaches vendors any more."""
    await vendors.forget_coaches(conn, [one.body for one in run])


async def on_moved(conn: Connection, run: Sequence[Received[VendorMoved]], now: datetime) -> None:
    """Vendors live elsewhere."""
    await vendors.remember_addresses(conn, [one.body for one in run])


async def on_suspended(conn: Connection, run: Sequence[Received[VendorSuspended]], now: datetime) -> None:
    """Vendors are suspended."""
    await vendors.remember_suspensions(conn, [one.body for one in run])


async def on_reinstated(conn: Connection, run: Sequence[Received[VendorReinstated]], now: datetime) -> None:
    """Suspensions ended."""
    await vendors.forget_suspensions(conn, [one.body for one in run])


async def on_merged(conn: Connection, run: Sequence[Received[VendorMerged]], now: datetime) -> None:
    """Registrations are one person."""
    await families.remember_merges(conn, PEOPLE, [one.body for one in run])


async def on_unmerged(conn: Connection, run: Sequence[Received[VendorUnmerged]], now: datetime) -> None:
    """They are not, after all."""
    await families.part(conn, PEOPLE, {one.body.vendor_id for one in run})


async def on_erased(conn: Connection, run: Sequence[Received[VendorErased]], now: datetime) -> None:
    """People are erased."""
    await erasures.erase_vendors(conn, [one.body for one in run], now=now)


async def on_completed(conn: Connection, run: Sequence[Received[TrainingCompleted]], now: datetime) -> None:
    """Vendors completed trainings."""
    await vendors.remember_completions(conn, [one.body for one in run])


async def on_not_completed(conn: Connection, run: Sequence[Received[TrainingNotCompleted]], now: datetime) -> None:
    """Vendors did not complete trainings."""
    await vendors.forget_completions(conn, [one.body for one in run])


async def on_responses(conn: Connection, run: Sequence[Received[RespondToOffer]], now: datetime) -> None:
    """Another service brings vendors' answers to offers."""
    await offers.respond_to_offers(conn, [one.body for one in run], now=now)


async def on_refused_response(
    conn: Connection, envelope: Envelope, body: Message | None, refusal: Refusal, now: datetime
) -> None:
    """An answer to an offer was refused: say so."""
    application_id = body.application_id if isinstance(body, RespondToOffer) else _uuid(envelope.subject)
    await offers.refuse_response(conn, envelope.id, application_id, refusal.code, refusal.reason, now=now)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return NO_APPLICATION


SUBSCRIPTIONS = [
    Subscription(
        topic=VendorRegistered.topic,
        on_many={
            VendorRegistered: on_registered,
            VendorCategoryChosen: on_category_chosen,
            VendorCategoryCleared: on_category_cleared,
            VendorCoached: on_coached,
            VendorCoachingEnded: on_coaching_ended,
            VendorMoved: on_moved,
            VendorSuspended: on_suspended,
            VendorReinstated: on_reinstated,
            VendorMerged: on_merged,
            VendorUnmerged: on_unmerged,
            VendorErased: on_erased,
        },
    ),
    Subscription(
        topic=TrainingCompleted.topic,
        on_many={TrainingCompleted: on_completed, TrainingNotCompleted: on_not_completed},
    ),
    Subscription(
        topic=RespondToOffer.topic,
        on_many={RespondToOffer: on_responses},
        on_refused=on_refused_response,
    ),
]


def subscriptions(_: Sealer) -> list[Subscription]:
    """What bazaars listen to. Nothing of it is sealed."""
    return SUBSCRIPTIONS
