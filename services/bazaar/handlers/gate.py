"""At the gate: scans that devices send later, who is absent, and who walks in."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, time
from typing import NamedTuple
from uuid import UUID

from services.bazaar.domain import application as applications
from services.bazaar.domain import days as check_ins
from services.bazaar.domain import gate as domain
from services.bazaar.domain import ledger as standings
from services.bazaar.domain import tickets as ticketing
from services.bazaar.domain.application import Application, Step, Vendor
from services.bazaar.domain.bazaar import Bazaar, Site
from services.bazaar.domain.gate import Gate, Newcomer, Scan, SyncScans
from services.bazaar.domain.ledger import Standing
from services.bazaar.domain.rotation import Promotion, groups_limited, promote
from services.bazaar.domain.tickets import Issued
from services.bazaar.handlers import ledger
from services.bazaar.handlers.applications import keep, record_steps
from services.bazaar.handlers.days import keep_check_ins, of_bazaar
from services.bazaar.handlers.offers import lapse_expired, round_so_far
from services.bazaar.handlers.swaps import void_swaps
from services.bazaar.handlers.tickets import issue
from services.bazaar.store import applications as store
from services.bazaar.store import bazaars, rounds, vendors
from services.bazaar.store import days as rows
from services.bazaar.store import ledger as ledger_rows
from services.bazaar.store import tickets as ticket_rows
from shared import families
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.errors import Refused
from shared.gate.scans import KeptScan, RefusedScan, ScanIdReused, ScanUnknown, Seen, united
from shared.ids import new_id
from shared.signing_keys import find_public_keys
from shared.tickets import Ticket, read_ticket

# ---- scans


class Synced(NamedTuple):
    """What became of the scans of one sending. `accepted`: here or before; `checked_in`: first of their day, now."""

    accepted: list[UUID]
    checked_in: int
    flagged: list[UUID]
    refused: list[RefusedScan]


class _Read(NamedTuple):
    """A scan whose ticket is genuine (None: the booth's number was typed)."""

    scan: Scan
    application_id: UUID
    ticket: Ticket | None


async def sync_scans(conn: Connection, bazaar_id: UUID, command: SyncScans, *, now: datetime) -> Synced:
    """Add what a device scanned to the set of scans. Sent again, by whomever, in whatever order: the same set."""
    bazaar = await bazaars.share_bazaar(conn, bazaar_id)
    domain.require_sync(bazaar, now)
    keys = await find_public_keys(conn, ticket_rows.KEYS)
    # in a thread: hundreds of signatures would hold up everybody else
    read, refused = await asyncio.to_thread(_read_scans, command.scans, bazaar_id, keys)
    concerned = sorted({one.application_id for one in read})
    found = {one.application_id: one for one in await store.lock_applications(conn, concerned)}
    known = await rows.find_scans(conn, bazaar_id, [one.scan.scan_id for one in read])
    facts = _Facts(
        bazaar,
        await ticket_rows.find_last_tickets(conn, concerned),
        await rows.find_given_away(conn, concerned),
        await rows.find_gates(conn, bazaar_id),
    )
    kept: dict[UUID, KeptScan] = {}
    in_time: list[UUID] = []
    for one in read:
        scan_id = one.scan.scan_id
        before = kept.get(scan_id) or known.get(scan_id)
        try:
            application = of_bazaar(found.get(one.application_id), bazaar_id)
            if before is not None and before.subject != one.application_id:
                raise ScanIdReused("Another scan has this id; make the ids of scans at random.")
            seen = facts.judge(one, application, command.sent_at, now)
        except Refused as error:
            if before is None or before.subject != one.application_id:
                refused.append(RefusedScan(scan_id, error.code, error.message, error.details))
            else:  # it was taken before, and what has happened since (a swap, a walk-in) does not make it untrue
                kept[scan_id] = before
            continue
        if seen.flagged_because == "booth-given-away":
            in_time.append(application.application_id)
        row = _row(one, command.device_id, seen)
        kept[scan_id] = row if before is None else united(row, before)
    await rows.save_scans(conn, bazaar_id, list(kept.values()), now=now)
    accepted = [row for row in kept.values() if row.state == "accepted"]
    checked_in = await _check_in(conn, bazaar, found, accepted, now=now)
    await ledger.withdraw_no_shows(conn, in_time)
    flagged = [row.scan_id for row in kept.values() if row.state == "flagged"]
    return Synced([row.scan_id for row in accepted], checked_in, flagged, refused)


def _read_scans(
    scans: Sequence[Scan], bazaar_id: UUID, keys: Mapping[str, bytes]
) -> tuple[list[_Read], list[RefusedScan]]:
    read: list[_Read] = []
    refused: list[RefusedScan] = []
    for scan in scans:
        if scan.application_id is not None:
            read.append(_Read(scan, scan.application_id, None))
            continue
        try:
            ticket = read_ticket(scan.ticket or "", keys)
            ticketing.require_for(ticket, bazaar_id)
            read.append(_Read(scan, ticket.subject, ticket))
        except Refused as error:
            refused.append(RefusedScan(scan.scan_id, error.code, error.message, error.details))
    return read, refused


class _Facts(NamedTuple):
    """What is known of the bazaar and of the applications concerned."""

    bazaar: Bazaar
    last_tickets: Mapping[UUID, tuple[Issued, datetime]]
    given_away: Collection[UUID]
    gates: Mapping[str, Gate]

    def judge(self, read: _Read, application: Application, sent_at: datetime, now: datetime) -> Seen:
        """When and on which day a scan was made, and whether an officer must look at it. Raises `Refused`."""
        last = self.last_tickets.get(application.application_id)
        if read.ticket is not None:
            ticketing.require_counts(read.ticket, application, None if last is None else last[0])
        held = application.offer
        if held is None or application.state not in ("confirmed", "attended", "missed"):
            raise check_ins.NotConfirmed(
                f"Only a confirmed booth can be checked in; this application is {application.state}.",
                state=application.state,
            )
        days = self.bazaar.site(held.site_id).days if read.ticket is None else read.ticket.days
        issued_at = None if read.ticket is None or last is None else last[1]
        seen = domain.see(read.scan.scanned_at, sent_at, now, days, issued_at)
        if application.application_id in self.given_away and seen.flagged_because is None:
            gate = self.gates.get(held.site_id, Gate())
            return domain.came_too_late_for(application, seen, gate)
        return seen


def _row(read: _Read, device_id: str, seen: Seen) -> KeptScan:
    return KeptScan(
        read.scan.scan_id,
        device_id,
        read.application_id,
        0 if read.ticket is None else read.ticket.serial,
        seen.moment,
        seen.day,
        "accepted" if seen.flagged_because is None else "flagged",
        seen.flagged_because,
    )


async def _check_in(
    conn: Connection,
    bazaar: Bazaar,
    found: Mapping[UUID, Application],
    accepted: Sequence[KeptScan],
    *,
    now: datetime,
) -> int:
    """Check in who is not yet, on each day in turn; where it was, the earliest moment counts. How many were not."""
    moments: dict[date, dict[UUID, datetime]] = {}
    for row in accepted:
        of_day = moments.setdefault(row.day, {})
        of_day[row.subject] = min(row.moment, of_day.get(row.subject, row.moment))
    already = await rows.find_days_checked_in(conn, list(found))
    current, count = dict(found), 0
    for day, of_day in sorted(moments.items()):
        steps = [
            (check_ins.check_in(current[application_id], bazaar, day), moment)
            for application_id, moment in sorted(of_day.items())
            if (application_id, day) not in already
        ]
        before = [current[step.after.application_id] for step, _ in steps]
        await keep_check_ins(conn, before, steps, now=now)
        current |= {step.after.application_id: step.after for step, _ in steps}
        count += len(steps)
        earlier = {(one, day): moment for one, moment in of_day.items() if (one, day) in already}
        await rows.save_check_ins(conn, earlier)
    return count


async def decide_scan(
    conn: Connection, bazaar_id: UUID, scan_id: UUID, *, accept: bool, day: date | None, now: datetime
) -> None:
    """An officer decides on a scan that was not plausible: the vendor was there (on this day), or it was not."""
    bazaar = await bazaars.share_bazaar(conn, bazaar_id)
    domain.require_sync(bazaar, now)
    row = (await rows.find_scans(conn, bazaar_id, [scan_id])).get(scan_id)
    application = None if row is None else await store.lock_application(conn, row.subject)
    row = (await rows.find_scans(conn, bazaar_id, [scan_id])).get(scan_id)
    if row is None or row.state != "flagged" or application is None:
        raise ScanUnknown("No scan with this id waits for an officer.", scan_id=str(scan_id))
    if not accept:
        await rows.save_scans(conn, bazaar_id, [row._replace(state="dismissed")], now=now)
        return
    settled = row._replace(state="accepted", day=day or row.day)
    check_ins.require_day(bazaar, settled.day, day_in_jakarta(now))
    if (row.subject, settled.day) not in await rows.find_days_checked_in(conn, [row.subject]):
        given_away = bool(await rows.find_given_away(conn, [row.subject]))
        check_ins.check_in(application, bazaar, settled.day, given_away=given_away)
    await rows.save_scans(conn, bazaar_id, [settled], now=now)
    # its own moment was not plausible, so the check-in bears that of the decision
    at_decision = settled._replace(moment=now)
    await _check_in(conn, bazaar, {application.application_id: application}, [at_decision], now=now)


# ---- who is absent


async def set_gate(conn: Connection, bazaar_id: UUID, site_id: str, closes_at: time, *, now: datetime) -> None:
    """The gate of a site closes at this time of its first day. Who has a ticket that said otherwise is told."""
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    site = domain.site_of(bazaar, site_id)
    before = await rows.find_gate(conn, bazaar_id, site_id)
    domain.require_gate(bazaar, before, closes_at)
    await rows.save_gate(conn, bazaar_id, site_id, closes_at)
    if closes_at == before.closes_at:
        return
    expected = await store.lock_applications(conn, await rows.lock_confirmed_at(conn, bazaar_id, site_id))
    issued = await ticket_rows.find_last_tickets(conn, [one.application_id for one in expected])
    steps = []
    for application in expected:
        last, _ = issued.get(application.application_id, (None, None))
        closes = last and domain.closing_for(site, before._replace(closes_at=closes_at), last.days, now)
        if closes:
            steps.append(domain.change_closing(application, bazaar, site, before, closes))
    await keep(conn, steps, now=now)


async def release_absent(conn: Connection, bazaar_id: UUID, site_id: str, *, now: datetime) -> int:
    """The gate has closed: who confirmed a booth of this site and is not there has missed it, and walk-ins may have it.

    How many. Nobody is left for a second time.
    """
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    site = domain.site_of(bazaar, site_id)
    domain.require_closed(bazaar, site, await rows.find_gate(conn, bazaar_id, site_id), now)
    absent = await store.lock_applications(conn, await rows.lock_confirmed_at(conn, bazaar_id, site_id))
    await keep(conn, [applications.miss(application, bazaar) for application in absent], now=now)
    await ledger.enter_no_shows(conn, absent, now=now)
    await void_swaps(conn, bazaar, [application.application_id for application in absent], now=now)
    await rows.save_released(conn, bazaar_id, site_id, now)
    return len(absent)


# ---- who walks in


class WalkedIn(NamedTuple):
    """One who was at the gate and has a booth now. `queued`: it was in the queue."""

    vendor_id: UUID
    application_id: UUID
    booth: str
    queued: bool


class TurnedAway(NamedTuple):
    """One who was at the gate and has none, and why."""

    vendor_id: UUID
    code: str
    reason: str


class WalkIns(NamedTuple):
    """What became of those present."""

    assigned: list[WalkedIn]
    turned_away: list[TurnedAway]


async def take_walk_ins(
    conn: Connection, bazaar_id: UUID, site_id: str, present: Sequence[UUID], *, now: datetime
) -> WalkIns:
    """Give the site's free booths to those who stand at its gate: in the order of the queue, first those who named the
    site, then those who named others; then those who did not apply, by their standing. Each is checked in at once and
    has had a turn.
    """
    known = {vendor_id: await vendors.share_vendor(conn, vendor_id) for vendor_id in sorted(set(present))}
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    site = domain.site_of(bazaar, site_id)
    today = domain.require_selling(bazaar, site, now)
    await lapse_expired(conn, bazaar, now=now)
    people = {vendor_id: await families.find_family(conn, vendor_id) for vendor_id in known}
    everyone = {one: vendor_id for vendor_id, family in people.items() for one in family}
    waiting = [
        application
        for application in await store.find_waiting(conn, bazaar_id, [one.site_id for one in bazaar.sites])
        if application.vendor_id in everyone
    ]
    turned_away: list[TurnedAway] = []
    newcomers: list[Newcomer] = []
    in_queue = {everyone[application.vendor_id] for application in waiting}
    for vendor_id, vendor in known.items():
        if vendor_id not in in_queue:
            try:
                newcomers.append(await _newcomer(conn, bazaar, vendor, people[vendor_id], today))
            except Refused as error:
                turned_away.append(TurnedAway(vendor_id, error.code, error.message))

    named = [one for one in waiting if site_id in one.site_ids]
    assigned = await _give(conn, bazaar, site, named, today, by_round=True, now=now)
    seated = {everyone[one.vendor_id] for one in assigned}
    others = [one for one in waiting if everyone[one.vendor_id] not in seated and one not in named]
    applied = [
        domain.walk_in(bazaar, one.vendor, site_id, application_id=new_id(), now=now)
        for one in domain.in_order(newcomers, bazaar_id)
    ]
    elsewhere = [domain.at_this_site(one, site_id) for one in others]
    assigned += await _give(conn, bazaar, site, elsewhere, today, newcomers=applied, now=now)
    seated = {everyone[one.vendor_id] for one in assigned}
    refused = {one.vendor_id for one in turned_away}
    turned_away += [
        TurnedAway(vendor_id, domain.NoBoothFree.code, f"No booth of {site.name} is free for this vendor any more.")
        for vendor_id in known
        if vendor_id not in seated and vendor_id not in refused
    ]
    return WalkIns(assigned, turned_away)


async def _newcomer(
    conn: Connection, bazaar: Bazaar, vendor: Vendor | None, family: Sequence[UUID], today: date
) -> Newcomer:
    states = [state for _, _, state in await rows.find_states_in(conn, bazaar.bazaar_id, family)]
    admitted = domain.require_walk_in(bazaar.policy, vendor, states)
    had = await ledger_rows.find_had(conn, family)
    since = had.last_turn_on or had.first_applied_on or today
    adjustments = await ledger_rows.find_adjustments(conn, family)
    return Newcomer(admitted, standings.adjusted(Standing(had.turns, since), adjustments, today))


async def _give(
    conn: Connection,
    bazaar: Bazaar,
    site: Site,
    waiting: Sequence[Application],
    today: date,
    *,
    by_round: bool = False,
    newcomers: Sequence[Step] = (),
    now: datetime,
) -> list[WalkedIn]:
    """Give free booths of the site to these, in order, within its caps and reserves; newcomers come last."""
    free = (await bazaars.find_free_booths(conn, bazaar.bazaar_id)).get(site.site_id, [])
    in_line = [*waiting, *(step.after for step in newcomers)]
    if not free or not in_line:
        return []
    limited = groups_limited(bazaar)
    seated = await store.count_seated(conn, bazaar.bazaar_id, limited) if limited else []
    persons = await families.find_persons(conn, [application.vendor_id for application in in_line])
    ranked, so_far = bazaar, None
    if by_round and bazaar.policy.groups_in_turn:
        so_far = await round_so_far(conn, bazaar)
    else:
        ranked = domain.without_turns_of_groups(bazaar)
    given = await asyncio.to_thread(promote, ranked, {site.site_id: free}, seated, in_line, so_far, persons)
    return await _seat(conn, bazaar, site, given, in_line, newcomers, today, now=now)


async def _seat(
    conn: Connection,
    bazaar: Bazaar,
    site: Site,
    given: Sequence[Promotion],
    in_line: Sequence[Application],
    newcomers: Sequence[Step],
    today: date,
    *,
    now: datetime,
) -> list[WalkedIn]:
    """Let these stand at their booths: applied (who had not), confirmed, checked in; a turn for each."""
    chosen = {one.application_id for one in given}
    arrived = [step for step in newcomers if step.after.application_id in chosen]
    for step in arrived:
        await store.add_application(conn, step.after)
        await store.add_first_application(conn, step.after.vendor_id, today)
    await rounds.save_groups(conn, [(step.after.application_id, step.after.groups) for step in arrived])
    await record_steps(conn, arrived, now=now)
    by_id = {application.application_id: application for application in in_line}
    steps = [domain.give_booth(by_id[one.application_id], bazaar, site, one.booth, now) for one in given]
    await keep(conn, steps, now=now)
    standing = [(check_ins.check_in(step.after, bazaar, today), now) for step in steps]
    await keep_check_ins(conn, [], standing, now=now)
    seated = [step.after for step, _ in standing]
    last_day = site.days[-1]
    await store.add_turns(conn, [store.Turn(one.application_id, one.vendor_id, last_day) for one in seated])
    if last_day > today:  # today an officer has seen them
        await issue(conn, seated, now=now)
    newly = {step.after.application_id for step in arrived}
    return [
        WalkedIn(one.vendor_id, one.application_id, promotion.booth, one.application_id not in newly)
        for one, promotion in zip(seated, given, strict=True)
    ]
