"""Registering people, one or hundreds at once."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.vendor.domain import registration as domain
from services.vendor.domain.registration import (
    AccountRegistered,
    Admitted,
    AlreadyRegistered,
    Outcome,
    OutsideArea,
    Registered,
    Registration,
    RegistrationInvalid,
)
from services.vendor.store import newcomers
from services.vendor.store import vendors as store
from services.vendor.store.vendors import Holder, NewVendor
from shared.clock import day_in_jakarta
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.vendor import VendorRegistrationRefused
from shared.ids import new_id
from shared.outbox import Fact, record

__all__ = ["refuse_registrations", "register_self", "register_vendors"]


class _Sorted(NamedTuple):
    """A batch before anything is saved. Positions are those of the batch; NIK stand as their blind indexes."""

    refused: dict[int, Outcome]
    admitted: dict[int, tuple[bytes, Admitted]]
    first: dict[bytes, int]
    """NIK nobody holds yet -> the first who brings it; later ones of the batch find it taken."""
    holders: dict[bytes, Holder]


async def register_vendors(
    conn: Connection,
    wishes: Sequence[Registration],
    *,
    origin: domain.Origin,
    now: datetime,
    sealer: Sealer,
    within: str | None = None,
    traces: Sequence[str | None] = (),
) -> list[Outcome]:
    """Register people, one or hundreds alike; answers in the order asked, and never raises for a single refusal.

    The good ones of a batch are registered, whatever is wrong with the others. `within` is the area of the officer
    who asks. Of two that race for one NIK, in a batch or between transactions, exactly one is registered. `traces`
    are the traces the wishes came with, where each came with its own.
    """
    batch = await _sort_out(conn, wishes, now=now, sealer=sealer, within=within)
    day = day_in_jakarta(now)
    rows: list[NewVendor] = []
    facts: dict[UUID, tuple[Fact, Fact]] = {}
    for index, position in batch.first.items():
        admitted = batch.admitted[position][1]
        vendor, event, card = domain.register(admitted, new_id(), origin, day, now)
        rows.append(NewVendor.of(vendor, index, sealer.seal(admitted.nik.encode(), vendor.vendor_id.bytes)))
        trace = traces[position] if traces else None
        facts[vendor.vendor_id] = (Fact(event, vendor.version, trace), Fact(card, vendor.card_version, trace))
    added = await store.add_vendors(conn, rows) if rows else set()
    came_in = {row.nik_index: Holder(row.vendor_id, row.kelurahan) for row in rows if row.vendor_id in added}
    lost = [index for index in batch.first if index not in came_in]
    if lost:  # somebody else committed these NIK between our look and our insert
        batch.holders.update(await store.find_holders(conn, lost))
    await record(conn, [fact for vendor_id in facts if vendor_id in added for fact in facts[vendor_id]], now=now)
    return _outcomes(batch, len(wishes), came_in)


async def _sort_out(
    conn: Connection, wishes: Sequence[Registration], *, now: datetime, sealer: Sealer, within: str | None
) -> _Sorted:
    codes = await store.find_codes(conn)
    day = day_in_jakarta(now)
    refused: dict[int, Outcome] = {}
    admitted: dict[int, tuple[bytes, Admitted]] = {}
    for position, wish in enumerate(wishes):
        try:
            good = domain.admit(wish, codes, day, within=within)
        except (RegistrationInvalid, OutsideArea) as refusal:
            refused[position] = refusal
        else:
            admitted[position] = (sealer.blind_index(good.nik), good)
    holders = await store.find_holders(conn, list({index for index, _ in admitted.values()})) if admitted else {}
    first: dict[bytes, int] = {}
    for position, (index, _) in admitted.items():
        if index not in holders:
            first.setdefault(index, position)
    return _Sorted(refused, admitted, first, holders)


def _outcomes(batch: _Sorted, size: int, came_in: dict[bytes, Holder]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for position in range(size):
        if position in batch.refused:
            outcomes.append(batch.refused[position])
            continue
        index, admitted = batch.admitted[position]
        if index in came_in and batch.first[index] == position:
            outcomes.append(Registered(came_in[index].vendor_id, admitted.warnings))
        else:
            outcomes.append(AlreadyRegistered(*(came_in.get(index) or batch.holders[index])))
    return outcomes


async def register_self(
    conn: Connection, wish: Registration, subject: str, *, now: datetime, sealer: Sealer
) -> Outcome:
    """Register the person behind an account. Of two wishes of one account at once one wins; raises `AccountRegistered`
    before anything is said of the NIK."""
    account = sealer.blind_index(f"account {subject}")
    if await newcomers.find_newcomer(conn, account) is not None:
        raise AccountRegistered
    (outcome,) = await register_vendors(conn, [wish], origin="self", now=now, sealer=sealer)
    if isinstance(outcome, Registered) and not await newcomers.add_newcomer(conn, account, outcome.vendor_id):
        raise AccountRegistered
    return outcome


async def refuse_registrations(
    conn: Connection, refusals: Sequence[tuple[VendorRegistrationRefused, str | None]], *, now: datetime
) -> None:
    """Answer commands of other services that were refused; with each answer the trace its command came with."""
    await record(conn, [Fact(refusal, 1, trace) for refusal, trace in refusals], now=now)
