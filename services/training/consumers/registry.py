"""What training does with what the vendor registry tells."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from services.training.domain.contributions import Word, WordKind
from services.training.handlers import contributions, graduation, referrals, vendors
from shared.consume import Many, Received
from shared.db import Connection
from shared.events.envelope import Message
from shared.events.rights import VendorErased
from shared.events.vendor import (
    VendorCategoryChosen,
    VendorCategoryCleared,
    VendorCoached,
    VendorCoachingEnded,
    VendorEvent,
    VendorMerged,
    VendorMoved,
    VendorRegistered,
    VendorUnmerged,
)

V = TypeVar("V", bound=VendorEvent)


async def on_registered(conn: Connection, received: Sequence[Received[VendorRegistered]], now: datetime) -> None:
    """New vendors are invited to training."""
    traces = {one.body.vendor_id: one.envelope.traceparent for one in received}
    await vendors.invite_registered(conn, _with_versions(received), now=now, traces=traces)
    coached = [one for one in received if one.body.agency is not None]
    await contributions.remember_words(
        conn, [_word(one, "coached", one.body.vendor_id, one.body.agency) for one in coached]
    )


async def on_category(
    conn: Connection, received: Sequence[Received[VendorCategoryChosen | VendorCategoryCleared]], _: datetime
) -> None:
    """What vendors sell, if anything."""
    await vendors.remember_categories(conn, _with_versions(received))


async def on_coaching(
    conn: Connection, received: Sequence[Received[VendorCoached | VendorCoachingEnded]], _: datetime
) -> None:
    """Who coaches vendors, if anybody."""
    await vendors.remember_agencies(conn, _with_versions(received))
    words = [
        _word(one, "coached", one.body.vendor_id, one.body.agency)
        if isinstance(one.body, VendorCoached)
        else _word(one, "ended", one.body.vendor_id)
        for one in received
    ]
    await contributions.remember_words(conn, words)


async def on_moved(conn: Connection, received: Sequence[Received[VendorMoved]], now: datetime) -> None:
    """Where vendors live."""
    await vendors.remember_addresses(conn, _with_versions(received), now=now)


async def on_merged(conn: Connection, received: Sequence[Received[VendorMerged]], now: datetime) -> None:
    """Registrations are one person."""
    await vendors.remember_merges(conn, [one.body for one in received], now=now)
    await contributions.remember_words(conn, [_word(one, "merged", one.body.vendor_id) for one in received])
    await graduation.look_again(conn, [one.body.vendor_id for one in received])
    await referrals.withdraw_unconsented(conn, {one.body.vendor_id for one in received}, now=now)


async def on_unmerged(conn: Connection, received: Sequence[Received[VendorUnmerged]], now: datetime) -> None:
    """They are not, after all."""
    await vendors.forget_merges(conn, [one.body for one in received], now=now)
    await contributions.remember_words(conn, [_word(one, "unmerged", one.body.vendor_id) for one in received])
    await graduation.look_again(conn, [one for each in received for one in (each.body.vendor_id, each.body.out_of)])
    parted = {one for each in received for one in (each.body.vendor_id, each.body.out_of)}
    await referrals.withdraw_unconsented(conn, parted, now=now)


async def on_erased(conn: Connection, received: Sequence[Received[VendorErased]], now: datetime) -> None:
    """People are erased."""
    await vendors.erase_vendors(conn, [one.body for one in received], now=now)


def _word(received: Received[V], word: WordKind, vendor_id: UUID, agency: str | None = None) -> Word:
    return Word(vendor_id, received.envelope.sequence or 0, word, agency, received.envelope.time)


def _with_versions(received: Sequence[Received[V]]) -> list[tuple[V, int]]:
    # events without a version are refused before they come here
    return [(each.body, each.envelope.sequence or 0) for each in received]


ON_MANY: dict[type[Message], Many] = {
    VendorRegistered: on_registered,
    VendorCategoryChosen: on_category,
    VendorCategoryCleared: on_category,
    VendorCoached: on_coaching,
    VendorCoachingEnded: on_coaching,
    VendorMoved: on_moved,
    VendorMerged: on_merged,
    VendorUnmerged: on_unmerged,
    VendorErased: on_erased,
}
