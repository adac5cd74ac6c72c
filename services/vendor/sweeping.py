"""Consumed commands leave their topic: a command to register holds a NIK in the clear, and nobody reads it again."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from services.vendor.handlers.erasure import note_commands_deleted
from services.vendor.store.erasure import find_waiting_for_commands
from shared.events.vendor import RegisterVendor
from shared.inbound import find_offsets
from shared.kafka import delete_records_before
from shared.service import Platform

__all__ = ["sweep_commands"]

POLL_SECONDS = 5.0
EVERY = timedelta(hours=24)
FIRST_AFTER = timedelta(minutes=10)


async def sweep_commands(platform: Platform, stopping: asyncio.Event) -> None:
    """Delete what we have consumed of the command topic: soon after an erasure, and once a day, until stopping.

    No transaction is open while Kafka works. Several replicas may do it at once: to delete twice does no harm.
    """
    due_at = platform.clock.now() + FIRST_AFTER
    while not stopping.is_set():
        async with platform.database.read() as conn:
            waiting = await find_waiting_for_commands(conn)
            # read after the erasures: whatever registered these people stands before these offsets
            offsets = await find_offsets(conn, RegisterVendor.topic)
        now = platform.clock.now()
        if waiting or now >= due_at:
            await delete_records_before(platform.settings.kafka, RegisterVendor.topic, offsets)
            async with platform.database.transaction() as conn:
                await note_commands_deleted(conn, waiting, now=platform.clock.now())
            due_at = now + EVERY
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), POLL_SECONDS)
