"""Appeals: filed by a vendor, decided by a human; what is granted goes into the ledger and nowhere else."""

from datetime import datetime
from uuid import UUID

from services.bazaar.domain import appeals as domain
from services.bazaar.domain.appeals import AppealedAlready, DecideAppeal, FileAppeal
from services.bazaar.domain.application import VendorUnknown
from services.bazaar.handlers.applications import keep
from services.bazaar.handlers.ledger import withdraw_no_shows
from services.bazaar.store import appeals as store
from services.bazaar.store import applications, bazaars, ledger, vendors
from shared import families
from shared.clock import day_in_jakarta
from shared.crypto import Sealer
from shared.db import Connection
from shared.ids import new_id


async def file_appeal(
    conn: Connection,
    application_id: UUID,
    command: FileAppeal,
    *,
    appeal_id: UUID,
    by: str,
    sealer: Sealer,
    now: datetime,
) -> None:
    """A vendor objects to a decision on its application; it is shared, so that nothing is kept behind its erasure."""
    found = await applications.find_application(conn, application_id)
    if await vendors.share_vendor(conn, found.vendor_id) is None:
        raise VendorUnknown("This vendor is not registered any more.")
    application = await applications.lock_application(conn, application_id)
    bazaar = await bazaars.find_bazaar(conn, application.bazaar_id)
    decisions = await store.find_decisions(conn, bazaar.bazaar_id)
    appeal, step = domain.file(application, bazaar, decisions, command.about, appeal_id=appeal_id, by=by, now=now)
    sealed = sealer.seal(command.text.encode(), appeal_id.bytes)
    if not await store.add_appeal(conn, appeal, sealed):
        raise AppealedAlready(
            "There is an appeal about this already; what it says can be read there. About something else, file another."
        )
    await keep(conn, [step], now=now)


async def decide_appeal(
    conn: Connection,
    appeal_id: UUID,
    command: DecideAppeal,
    *,
    by: str,
    by_vendor: UUID | None,
    sealer: Sealer,
    now: datetime,
) -> None:
    """A human decides, once. `by_vendor`: the vendor that the officer is besides, if any."""
    found = await store.find_appeal(conn, appeal_id)
    family = await families.find_family(conn, found.vendor_id)
    domain.require_decider(found, by, is_own=by_vendor in family)
    application = await applications.lock_application(conn, found.application_id)
    appeal = await store.lock_appeal(conn, appeal_id)
    bazaar = await bazaars.find_bazaar(conn, appeal.bazaar_id)
    had = await ledger.find_had(conn, family)
    after, step, granted = domain.decide(
        appeal,
        command,
        application,
        bazaar,
        has_turn=await store.has_turn(conn, application.application_id),
        waiting_since=had.last_turn_on or had.first_applied_on or day_in_jakarta(now),
        adjustment_id=new_id(),
        by=by,
        now=now,
    )
    await store.save_decision(conn, after, sealer.seal(command.answer.encode(), appeal_id.bytes))
    if granted.turn_returned:
        await applications.remove_turns(conn, [application.application_id])
        await withdraw_no_shows(conn, [application.application_id])
    if granted.adjustment is not None:
        await ledger.add_adjustments(conn, [granted.adjustment], now=now)
    await keep(conn, [step], now=now)
