"""Providers: how they are, and whether they are used at all. The edge owns the transaction."""

from collections.abc import Sequence
from datetime import datetime

from services.notify.domain.providers import (
    SHARE_PERCENT_MIN,
    SHARE_PERCENT_STEP,
    SHARE_STEP_SECONDS,
    PauseProvider,
    ProviderNotFound,
    ProviderStands,
    ResumeProvider,
)
from services.notify.domain.reports import AccountAlert
from services.notify.store import providers as store
from services.notify.store.providers import Failing, Health
from shared.db import Connection
from shared.events.notify import Channel, SendingPaused, SendingResumed
from shared.ids import new_id
from shared.outbox import Fact, record
from shared.telemetry import get_logger

logger = get_logger()

BY_PROVIDER = "provider"
"""Who paused it, where its own alert did."""


async def note_alerts(conn: Connection, alerts: Sequence[AccountAlert], *, now: datetime) -> None:
    """Providers say that something is wrong with our account: sending through them ends where they say so."""
    for provider, alert in sorted({one.provider: one for one in alerts if one.pause}.items()):
        health = await store.lock_provider(conn, provider)
        if health is not None and not health.paused:
            await _set(conn, health, paused=True, code=alert.code, actor=BY_PROVIDER, now=now)
    for alert in alerts:
        logger.warning("provider.alert", provider=alert.provider, code=alert.code, pause=alert.pause)


async def pause(conn: Connection, provider: str, command: PauseProvider, *, by: str, now: datetime) -> None:
    """Let nothing leave through it. Raises `ProviderNotFound`, `ProviderStands`."""
    health = await _lock(conn, provider)
    if health.paused:
        raise ProviderStands(f"{provider} is paused already.", provider=provider, paused=True)
    await _set(conn, health, paused=True, code=command.reason, actor=by, now=now)


async def resume(conn: Connection, provider: str, command: ResumeProvider, *, by: str, now: datetime) -> None:
    """Use it again, with little at first. Raises `ProviderNotFound`, `ProviderStands`."""
    health = await _lock(conn, provider)
    if not health.paused:
        raise ProviderStands(f"{provider} is not paused.", provider=provider, paused=False)
    await _set(conn, health, paused=False, code=command.reason, actor=by, now=now)


async def add_providers(conn: Connection, providers: Sequence[tuple[str, Channel]]) -> None:
    """Note that these are used."""
    await store.add_providers(conn, providers)


async def note_health(conn: Connection, failing: Sequence[Failing], working: Sequence[str]) -> list[Health]:
    """Tell the other replicas how providers did, and hear how they are."""
    if failing:
        await store.lower(conn, failing, share_min=SHARE_PERCENT_MIN)
    if working:
        await store.lift(conn, working, step=SHARE_PERCENT_STEP, step_seconds=SHARE_STEP_SECONDS)
    return await store.read_health(conn)


async def _lock(conn: Connection, provider: str) -> Health:
    health = await store.lock_provider(conn, provider)
    if health is None:
        raise ProviderNotFound(
            "No provider has this name; GET /v1/providers lists those that are set up.", provider=provider
        )
    return health


async def _set(conn: Connection, health: Health, *, paused: bool, code: str, actor: str, now: datetime) -> None:
    share = 100 if paused else SHARE_PERCENT_MIN
    await store.save_pause(conn, health.provider, paused=paused, code=code if paused else None, share_percent=share)
    await store.add_pause(conn, new_id(), health.provider, paused=paused, actor=actor, code=code, now=now)
    event = (
        SendingPaused(provider=health.provider, channel=health.channel, code=code)
        if paused
        else SendingResumed(provider=health.provider, channel=health.channel)
    )
    await record(conn, [Fact(event, health.version + 1)], now=now)
