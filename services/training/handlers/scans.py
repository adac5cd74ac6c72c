"""At the door of a class: scans that devices send later, and what an officer decides about odd ones."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from services.training.domain import attendance, tickets
from services.training.domain import scans as domain
from services.training.domain.attendance import Mark, NotEnrolled
from services.training.domain.classes import TrainingClass
from services.training.domain.scans import OwnScan, Scan, SyncScans
from services.training.domain.tickets import Issued, TicketVoid
from services.training.handlers.attendance import mark
from services.training.handlers.classes import lock_class
from services.training.handlers.results import settle
from services.training.store import attendance as places_of
from services.training.store import scans as store
from services.training.store import tickets as ticket_rows
from shared import signing_keys
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.errors import Refused
from shared.events.training import TraineeEvent
from shared.gate.scans import KeptScan, RefusedScan, ScanIdReused, ScanUnknown, Seen, united
from shared.tickets import Ticket, read_ticket


class Synced(NamedTuple):
    """What became of the scans of one sending. `accepted`: here or before."""

    accepted: list[UUID]
    flagged: list[UUID]
    refused: list[RefusedScan]
    events: list[TraineeEvent]


class _Read(NamedTuple):
    """A scan whose ticket is genuine (None: the number was typed)."""

    scan: Scan
    vendor_id: UUID
    ticket: Ticket | None


async def sync_scans(
    conn: Connection, class_id: UUID, command: SyncScans, *, account: str, own: Collection[UUID], now: datetime
) -> Synced:
    """Add what a device scanned to the set of scans. Sent again, by whomever, in whatever order: the same set.

    `own`: the ids that the sender has as a vendor. Raises `ClassNotFound`, `NotHeld`, `SyncTooLate`.
    """
    keys = await signing_keys.find_public_keys(conn, ticket_rows.KEYS)
    # in a thread, and before anything is locked: hundreds of signatures would hold up everybody else
    read, refused = await asyncio.to_thread(_read_scans, command.scans, class_id, keys)
    a_class = await lock_class(conn, class_id)
    domain.require_sync(a_class, now)
    concerned = sorted({one.vendor_id for one in read})
    known = await store.find_scans(conn, class_id, [one.scan.scan_id for one in read])
    facts = _Facts(
        a_class,
        await places_of.find_seats(conn, class_id),
        await ticket_rows.find_issued(conn, class_id, concerned),
        own,
    )
    kept: dict[UUID, KeptScan] = {}
    for one in read:
        scan_id = one.scan.scan_id
        before = kept.get(scan_id) or known.get(scan_id)
        try:
            if before is not None and before.subject != one.vendor_id:
                raise ScanIdReused("Another scan has this id; make the ids of scans at random.")
            seen = facts.judge(one, command.sent_at, now)
        except Refused as error:
            if before is None or before.subject != one.vendor_id:
                refused.append(RefusedScan(scan_id, error.code, error.message, error.details))
            else:  # it was taken before, and what has happened since (a place given up) does not make it untrue
                kept[scan_id] = before
            continue
        row = _row(one, command.device_id, seen)
        kept[scan_id] = row if before is None else united(row, before)
    await store.save_device(conn, class_id, command.device_id, account, now=now)
    if refused:
        await store.add_refused(conn, class_id, command.device_id, refused, now=now)
    await store.save_scans(conn, class_id, list(kept.values()), now=now)
    # an earlier moment of a known scan may have moved it to another day
    days = {row.day for row in (*kept.values(), *known.values())}
    events = await settle(conn, a_class, days, now=now)
    accepted = [row.scan_id for row in kept.values() if row.state == "accepted"]
    flagged = [row.scan_id for row in kept.values() if row.state == "flagged"]
    return Synced(accepted, flagged, refused, events)


def _read_scans(
    scans: Sequence[Scan], class_id: UUID, keys: Mapping[str, bytes]
) -> tuple[list[_Read], list[RefusedScan]]:
    read: list[_Read] = []
    refused: list[RefusedScan] = []
    for scan in scans:
        if scan.vendor_id is not None:
            read.append(_Read(scan, scan.vendor_id, None))
            continue
        try:
            ticket = read_ticket(scan.ticket or "", keys)
            tickets.require_for(ticket, class_id)
            read.append(_Read(scan, ticket.subject, ticket))
        except Refused as error:
            refused.append(RefusedScan(scan.scan_id, error.code, error.message, error.details))
    return read, refused


class _Facts(NamedTuple):
    """What is known of the class and of those who were scanned."""

    a_class: TrainingClass
    places: Collection[UUID]
    issued: Mapping[UUID, Sequence[Issued]]
    own: Collection[UUID]

    def judge(self, read: _Read, sent_at: datetime, now: datetime) -> Seen:
        """When and on which day a scan was made, and whether an officer must look at it. Raises `Refused`."""
        if read.ticket is None:
            if read.vendor_id in self.own:
                raise OwnScan("This is your own number as a vendor; another officer checks you in, or your ticket.")
            if read.vendor_id not in self.places:
                raise NotEnrolled("This vendor has no place in the class.", vendor_ids=[str(read.vendor_id)])
            return domain.see(self.a_class, read.scan, sent_at, now, None)
        if read.vendor_id not in self.places:
            raise TicketVoid("This ticket does not count any more: the place was given up.")
        moment = domain.corrected(read.scan, sent_at, now)
        issued_at = tickets.require_counted(read.ticket, self.issued.get(read.vendor_id, ()), moment)
        return domain.see(self.a_class, read.scan, sent_at, now, issued_at)


def _row(read: _Read, device_id: str, seen: Seen) -> KeptScan:
    return KeptScan(
        read.scan.scan_id,
        device_id,
        read.vendor_id,
        0 if read.ticket is None else read.ticket.serial,
        seen.moment,
        seen.day,
        "accepted" if seen.flagged_because is None else "flagged",
        seen.flagged_because,
    )


async def find_flagged(conn: Connection, class_id: UUID, scan_id: UUID) -> KeptScan:
    """A scan that waits for an officer. Raises `ScanUnknown`."""
    row = (await store.find_scans(conn, class_id, [scan_id])).get(scan_id)
    if row is None or row.state != "flagged":
        raise ScanUnknown("No scan with this id waits for an officer.", scan_id=str(scan_id))
    return row


async def decide_scan(
    conn: Connection, class_id: UUID, scan_id: UUID, *, accept: bool, day: date | None, decided_by: str, now: datetime
) -> list[TraineeEvent]:
    """An officer decides on a scan that was not plausible: the vendor was there (on this day), or the scan is void.

    Raises `ClassNotFound`, `ScanUnknown`, and as `take_attendance` does. Returns as it does.
    """
    a_class = await lock_class(conn, class_id)
    row = await find_flagged(conn, class_id, scan_id)
    if not accept:
        await store.save_scans(conn, class_id, [row._replace(state="dismissed")], now=now)
        return []
    settled = row._replace(state="accepted", day=day or row.day)
    attendance.require_session(a_class, settled.day, day_in_jakarta(now))
    attendance.require_places([settled.subject], await places_of.find_seats(conn, class_id))
    await store.save_scans(conn, class_id, [settled], now=now)
    said = Mark(settled.subject, settled.day, present=True)
    return await mark(conn, a_class, [said], "scan", marked_by=decided_by, now=now)
