"""Registering the rows of a sheet: what `register_vendors` does, for thousands at once.

The rules are the same (`domain.registration.admit`), and so is what is written, row for row and byte for byte. What
differs is that everything that needs no database is made beforehand, by `prepare`, which may run in another process
while the rows before are being written.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from services.vendor import checks
from services.vendor.domain import registration as domain
from services.vendor.domain.registration import Admitted, Codes, OutsideArea, Problem, Registration, RegistrationInvalid
from services.vendor.store import vendors as store
from services.vendor.store.imports import Rejection
from services.vendor.store.vendors import NewVendor
from shared.clock import day_in_jakarta
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.envelope import Event
from shared.events.vendor import ContactCard, VendorRegistered
from shared.ids import new_id
from shared.outbox import encode_fact, record_encoded

__all__ = [
    "Asked",
    "Entrant",
    "Prepared",
    "Row",
    "find_unregistered",
    "prepare",
    "read_niks",
    "register_entrants",
    "reject",
]

Row = tuple[int, Registration | Problem]
"""The line of a row, and what it asks for."""


class Entrant(NamedTuple):
    """A good row of a sheet, and all that registering its person will write, encoded."""

    place: int
    """Among the rows it was prepared with."""
    nik: int
    nik_index: bytes
    vendor_id: bytes
    vendor: bytes
    event: bytes
    card: bytes
    warnings: tuple[str, ...]


class Prepared(NamedTuple):
    """Rows of a sheet, looked through: those that may come in, and those that may not."""

    entrants: list[Entrant]
    rejections: list[Rejection]


class Asked(NamedTuple):
    """By whom, when and in what circumstances rows are brought."""

    codes: Codes
    now: datetime
    within: str | None
    traceparent: str | None


def prepare(rows: Sequence[Row], asked: Asked, sealer: Sealer) -> Prepared:
    """Check rows, and make what registering the good ones will write. No input, no output."""
    now, traceparent = asked.now, asked.traceparent
    day = day_in_jakarta(now)
    entrants: list[Entrant] = []
    rejections: list[Rejection] = []
    for place, (line, wish) in enumerate(rows):
        try:
            admitted = _admit(wish, asked)
        except _Refused as refusal:
            rejections.append(reject(line, wish, refusal.problems))
            continue
        vendor_id, nik = new_id(), admitted.nik
        key = str(vendor_id)
        index = sealer.blind_index(nik)
        event, card = domain.first_bodies(admitted, key, "file", day)
        vendor = NewVendor(
            vendor_id,
            1,
            1,
            index,
            sealer.seal(nik.encode(), vendor_id.bytes),
            admitted.name,
            admitted.phone,
            admitted.email,
            admitted.street,
            admitted.kelurahan,
            admitted.rw,
            admitted.rt,
            admitted.kind,
            admitted.category,
            admitted.agency,
            admitted.language,
            "file",
            day,
            now,
            checks.born_on(nik, day),
        )
        entrants.append(
            Entrant(
                place,
                int(nik),
                index,
                vendor_id.bytes,
                store.encode_vendor(vendor),
                encode_fact(VendorRegistered, key, 1, event, now=now, traceparent=traceparent),
                encode_fact(ContactCard, key, 1, card, now=now, traceparent=traceparent),
                tuple([warning.code for warning in admitted.warnings]),
            )
        )
    return Prepared(entrants, rejections)


def read_niks(rows: Sequence[Row], asked: Asked) -> list[tuple[int, int]]:
    """Line and NIK of the good rows: whom the part of a sheet brought that was imported before."""
    found = []
    for line, wish in rows:
        try:
            found.append((line, int(_admit(wish, asked).nik)))
        except _Refused:
            continue
    return found


class _Refused(Exception):
    """A row that cannot be taken."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = problems


def _admit(wish: Registration | Problem, asked: Asked) -> Admitted:
    if isinstance(wish, Problem):
        raise _Refused([wish])
    try:
        return domain.admit(wish, asked.codes, day_in_jakarta(asked.now), within=asked.within)
    except RegistrationInvalid as refusal:
        raise _Refused(refusal.problems) from None
    except OutsideArea as refusal:
        reason, fix = f"lies outside your area {asked.within}", "the officer of that area can register this person"
        raise _Refused([Problem("kelurahan", refusal.code, reason, fix)]) from None


def reject(line: int, wish: Registration | Problem, problems: Sequence[Problem]) -> Rejection:
    """What is noted of a row that was not taken: its values masked."""
    noted = []
    for problem in problems:
        value = "" if isinstance(wish, Problem) else checks.mask(problem.field, getattr(wish, problem.field))
        noted.append({**problem._asdict(), "value": value})
    return Rejection(line, noted)


async def register_entrants(conn: Connection, entrants: Sequence[Entrant]) -> list[Entrant]:
    """Register those whom nobody registered yet, and answer with them. A known NIK is no fault: nothing changes."""
    fresh = sorted(await find_unregistered(conn, entrants), key=lambda entrant: entrant.nik_index)
    if not fresh:
        return []
    added = await store.copy_vendors(conn, [entrant.vendor for entrant in fresh])
    if added is not None:
        fresh = [entrant for entrant in fresh if entrant.vendor_id in added]
    counts: dict[type[Event], int] = {VendorRegistered: len(fresh), ContactCard: len(fresh)}
    await record_encoded(conn, [fact for one in fresh for fact in (one.event, one.card)], counts)
    return sorted(fresh)


async def find_unregistered(conn: Connection, entrants: Sequence[Entrant]) -> list[Entrant]:
    """Those whose NIK nobody holds now."""
    holders = await store.find_holders(conn, [entrant.nik_index for entrant in entrants])
    return [entrant for entrant in entrants if entrant.nik_index not in holders]
