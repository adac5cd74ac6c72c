"""Subscribers to our events: added, paused, removed, their secrets changed, events told again. The edge owns the
transaction.
"""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.notify.domain import subscribers as domain
from services.notify.domain.subscribers import (
    SECRET_OVERLAP,
    SUBSCRIBERS_MAX,
    AddSubscriber,
    SubscriberNotFound,
    SubscribersTooMany,
    SubscriberStopped,
)
from services.notify.store import subscribers as store
from services.notify.store.subscribers import Owed, Told
from shared.crypto import Sealer
from shared.db import Connection
from shared.ids import new_id

SECRET_BYTES = 32
PING = b'{"text":"This tells nothing; it tries your address."}'


class Added(NamedTuple):
    """A new subscriber, or a new secret; the secret is shown now and never again."""

    subscriber_id: UUID
    secret: str


async def add_subscriber(
    conn: Connection, command: AddSubscriber, *, sealer: Sealer, development: bool, by: str, now: datetime
) -> Added:
    """Tell a system from now on. Raises `AddressRefused`, `SubscribersTooMany`."""
    url = domain.check_url(command.url, development=development)
    if await store.lock_subscribers(conn) >= SUBSCRIBERS_MAX:
        raise SubscribersTooMany(f"There are {SUBSCRIBERS_MAX} subscribers, which is the most; remove one first.")
    subscriber_id = new_id()
    await store.add_subscriber(conn, subscriber_id, command.name, url, sorted(set(command.types)), by=by, now=now)
    return Added(subscriber_id, await _add_secret(conn, subscriber_id, sealer, now))


async def rotate_secret(conn: Connection, subscriber_id: UUID, *, sealer: Sealer, now: datetime) -> Added:
    """A new secret; the old one signs beside it for a day. Raises `SubscriberNotFound`."""
    await _lock(conn, subscriber_id)
    await store.end_secrets(conn, subscriber_id, now + SECRET_OVERLAP, now)
    return Added(subscriber_id, await _add_secret(conn, subscriber_id, sealer, now))


async def _add_secret(conn: Connection, subscriber_id: UUID, sealer: Sealer, now: datetime) -> str:
    secret_id, secret = new_id(), secrets.token_bytes(SECRET_BYTES)
    await store.add_secret(conn, secret_id, subscriber_id, sealer.seal(secret, secret_id.bytes), now)
    return "whsec_" + base64.b64encode(secret).decode()


async def _lock(conn: Connection, subscriber_id: UUID) -> str:
    state = await store.lock_subscriber(conn, subscriber_id)
    if state is None:
        raise SubscriberNotFound(
            "No subscriber has this id; GET /v1/subscribers lists them.", subscriber_id=str(subscriber_id)
        )
    return state


async def pause(conn: Connection, subscriber_id: UUID, because: str) -> None:
    """Deliver nothing until it is resumed. Raises `SubscriberNotFound`."""
    if await _lock(conn, subscriber_id) != "paused":
        await store.set_state(conn, subscriber_id, "paused", because)


async def resume(conn: Connection, subscriber_id: UUID) -> None:
    """Deliver again, what waited first. Raises `SubscriberNotFound`."""
    if await _lock(conn, subscriber_id) != "active":
        await store.set_state(conn, subscriber_id, "active", None)


async def remove(conn: Connection, subscriber_id: UUID) -> None:
    """Tell it no more, and forget what it was owed. Raises `SubscriberNotFound`."""
    await _lock(conn, subscriber_id)
    await store.set_state(conn, subscriber_id, "removed", None)


async def replay(conn: Connection, subscriber_id: UUID, since: datetime) -> int:
    """Tell again what happened from then on. How many events. Raises `SubscriberNotFound`."""
    await _lock(conn, subscriber_id)
    return await store.replay(conn, subscriber_id, since)


async def ping(conn: Connection, subscriber_id: UUID, *, now: datetime) -> UUID:
    """Owe it an event that tells nothing. Raises `SubscriberNotFound`, `SubscriberStopped`."""
    if await _lock(conn, subscriber_id) == "paused":
        raise SubscriberStopped("This subscriber is paused; resume it first.")
    return await store.add_ping(conn, subscriber_id, PING, now)


class Batch(NamedTuple):
    """What is due to a subscriber: where to, the secrets that sign, the events."""

    claim: UUID
    url: str
    secrets: tuple[bytes, ...]
    owed: Sequence[Owed]


async def claim(
    conn: Connection, subscriber_id: UUID, *, sealer: Sealer, limit: int, lease_seconds: float, now: datetime
) -> Batch:
    """Take what is due to a subscriber."""
    mine = new_id()
    url, owed = await store.claim_owed(conn, subscriber_id, mine, limit=limit, lease_seconds=lease_seconds)
    sealed = await store.find_secrets(conn, subscriber_id, now) if owed else []
    return Batch(mine, url, tuple(sealer.open(one, secret_id.bytes) for secret_id, one in sealed), owed)


async def end_tries(conn: Connection, subscriber_id: UUID, mine: UUID, told: Sequence[Told], *, now: datetime) -> None:
    """Write what came of tries; a subscriber through which nothing gets for a day, or that is gone, is paused."""
    failing = await store.save_told(conn, subscriber_id, mine, told, now)
    gone = any(one.code == "http-410" for one in told)
    if gone or (failing is not None and failing >= domain.PAUSE_AFTER_SECONDS):
        state = await store.lock_subscriber(conn, subscriber_id)
        if state == "active":
            await store.set_state(conn, subscriber_id, "paused", "gone" if gone else told[-1].code)
