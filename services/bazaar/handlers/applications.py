"""Applying to a bazaar and taking an application back."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.bazaar.domain import application as domain
from services.bazaar.domain.application import AlreadyApplied, Step
from services.bazaar.store import applications as store
from services.bazaar.store import bazaars, vendors
from shared import families
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.outbox import Fact, record


async def keep(conn: Connection, steps: Sequence[Step], *, now: datetime) -> None:
    """Save applications that are one event further, and record the events: two statements for any number."""
    if steps:
        await store.save_applications(conn, [step.after for step in steps])
        await record_steps(conn, steps, now=now)


async def record_steps(conn: Connection, steps: Sequence[Step], *, now: datetime) -> None:
    """Record the events of applications that are saved."""
    await record(conn, [Fact(step.event, step.after.version) for step in steps], now=now)


async def apply(
    conn: Connection,
    bazaar_id: UUID,
    vendor_id: UUID,
    choices: Sequence[Sequence[str]],
    *,
    application_id: UUID,
    now: datetime,
) -> None:
    """A vendor applies, once for all ids of a person. The vendor is shared, so that an erasure waits for applications
    under way; the bazaar after it, so that a freeze does."""
    vendor = await vendors.share_vendor(conn, vendor_id)
    bazaar = await bazaars.share_bazaar(conn, bazaar_id)
    step = domain.apply(bazaar, vendor_id, vendor, choices, application_id=application_id, now=now)
    applied = await store.has_applied(conn, bazaar_id, await families.find_family(conn, vendor_id))
    if applied or not await store.add_application(conn, step.after):
        raise AlreadyApplied("This vendor has applied to this bazaar already; to change it, withdraw and apply again.")
    await store.add_first_application(conn, vendor_id, day_in_jakarta(now))
    await record_steps(conn, [step], now=now)


async def withdraw(conn: Connection, application_id: UUID, *, now: datetime) -> None:
    """The vendor takes its application back."""
    found = await store.find_application(conn, application_id)
    bazaar = await bazaars.share_bazaar(conn, found.bazaar_id)
    application = await store.lock_application(conn, application_id)
    await keep(conn, [domain.withdraw(application, bazaar)], now=now)
