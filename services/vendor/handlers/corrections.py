"""Corrections: done at once, or asked and decided by an officer; each with its history."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from services.vendor.checks import Warned
from services.vendor.domain import corrections as domain
from services.vendor.domain.corrections import (
    Correction,
    CorrectionDecided,
    CorrectionUnknown,
    NothingToCorrect,
    Wanted,
)
from services.vendor.domain.registration import AlreadyRegistered, Vendor
from services.vendor.handlers.vendors import lock_vendor, save_vendor
from services.vendor.store import corrections as store
from services.vendor.store import vendors
from services.vendor.store.audit import add_entry
from shared.clock import day_in_jakarta
from shared.crypto import Sealer
from shared.db import Connection
from shared.ids import new_id

__all__ = ["Asked", "approve", "ask", "open_values", "refuse"]


class Asked(NamedTuple):
    """What became of a wish: what was done at once, and what waits."""

    done: Correction | None
    waiting: Correction | None
    warnings: tuple[Warned, ...]


async def ask(
    conn: Connection,
    vendor_id: UUID,
    wish: Mapping[str, str],
    *,
    actor: str,
    by_officer: bool,
    note: str | None,
    now: datetime,
    sealer: Sealer,
    within: str | None = None,
) -> Asked:
    """Correct a registration: an officer at once, the vendor itself at once where its KTP has no say.

    Raises as `lock_vendor` does; `CorrectionInvalid`, `NothingToCorrect`; `AlreadyRegistered` when somebody else holds
    the NIK.
    """
    vendor = await lock_vendor(conn, vendor_id, within)
    warnings: list[Warned] = []
    values = domain.admit(wish, day_in_jakarta(now), warnings)
    nik = await _nik(conn, vendor_id, sealer)
    if not domain.changes(vendor, nik, values):
        raise NothingToCorrect
    now_wanted, later_wanted = domain.split(values, by_officer=by_officer)
    # a field that stands like that already is not waited for, nor noted
    changing = domain.changes(vendor, nik, values)
    now_wanted = {field: value for field, value in now_wanted.items() if field in changing}
    if not changing.keys() & later_wanted.keys():
        later_wanted = {}
    origin: Literal["self", "officer"] = "officer" if by_officer else "self"
    done = waiting = None
    if later_wanted:
        waiting = Correction(new_id(), vendor_id, tuple(later_wanted), "waiting", actor, origin, now, note=note)
        await store.replace_waiting(conn, vendor_id, waiting)
        await store.add_correction(conn, waiting, _sealed(vendor, nik, later_wanted, waiting, sealer))
    if now_wanted:
        done = Correction(
            new_id(),
            vendor_id,
            tuple(now_wanted),
            "done",
            actor,
            origin,
            now,
            decided_by=actor,
            decided_at=now,
            note=note,
        )
        await store.add_correction(conn, done, _sealed(vendor, nik, now_wanted, done, sealer))
        await _apply(conn, vendor, now_wanted, now=now, sealer=sealer)
        await _note(conn, done, actor, now)
    return Asked(done, waiting, tuple(warnings))


async def approve(
    conn: Connection,
    vendor_id: UUID,
    correction_id: UUID,
    *,
    actor: str,
    note: str | None,
    now: datetime,
    sealer: Sealer,
    within: str | None = None,
) -> Correction:
    """Do what a vendor asked for. Raises as `lock_vendor` does; `CorrectionUnknown`, `CorrectionDecided`;
    `AlreadyRegistered` when somebody else holds the NIK meanwhile."""
    vendor = await lock_vendor(conn, vendor_id, within)
    correction, sealed = await _waiting(conn, vendor_id, correction_id)
    wanted = {field: after for field, (_, after) in _open(correction_id, sealed, sealer).items()}
    nik = await _nik(conn, vendor_id, sealer)
    done = replace(correction, state="done", decided_by=actor, decided_at=now, note=note or correction.note)
    await store.decide_correction(conn, done, _sealed(vendor, nik, wanted, done, sealer))
    await _apply(conn, vendor, wanted, now=now, sealer=sealer)
    await _note(conn, done, actor, now)
    return done


async def refuse(
    conn: Connection,
    vendor_id: UUID,
    correction_id: UUID,
    *,
    actor: str,
    reason: str,
    now: datetime,
    within: str | None = None,
) -> Correction:
    """Leave things as they are, and say why. Raises as `lock_vendor` does; `CorrectionUnknown`, `CorrectionDecided`."""
    await lock_vendor(conn, vendor_id, within)
    correction, sealed = await _waiting(conn, vendor_id, correction_id)
    refused = replace(correction, state="refused", decided_by=actor, decided_at=now, note=reason)
    await store.decide_correction(conn, refused, sealed)
    await _note(conn, refused, actor, now)
    return refused


def open_values(kept: store.KeptCorrection, sealer: Sealer) -> dict[str, tuple[str | None, str | None]]:
    """Field -> what stood there, and what was asked for."""
    return _open(kept.correction.correction_id, kept.values_sealed, sealer)


def _open(correction_id: UUID, sealed: bytes, sealer: Sealer) -> dict[str, tuple[str | None, str | None]]:
    values: dict[str, list[str | None]] = json.loads(sealer.open(sealed, correction_id.bytes))
    return {field: (before, after) for field, (before, after) in values.items()}


def _sealed(vendor: Vendor, nik: str, wanted: Wanted, correction: Correction, sealer: Sealer) -> bytes:
    """The values of a correction as they are kept: field -> what stands there now, and what is wanted."""
    standing = {field: nik if field == "nik" else getattr(vendor, field) for field in wanted}
    values = {field: [standing[field], value] for field, value in wanted.items()}
    return sealer.seal(json.dumps(values).encode(), correction.correction_id.bytes)


async def _nik(conn: Connection, vendor_id: UUID, sealer: Sealer) -> str:
    kept = await vendors.find_vendor(conn, vendor_id)
    assert kept is not None
    assert kept.nik_sealed is not None
    return sealer.open(kept.nik_sealed, vendor_id.bytes).decode()


async def _waiting(conn: Connection, vendor_id: UUID, correction_id: UUID) -> store.KeptCorrection:
    kept = await store.lock_correction(conn, vendor_id, correction_id)
    if kept is None:
        raise CorrectionUnknown(correction_id)
    if kept.correction.state != "waiting":
        raise CorrectionDecided(kept.correction)
    return kept


async def _apply(conn: Connection, vendor: Vendor, wanted: Wanted, *, now: datetime, sealer: Sealer) -> Vendor:
    nik = wanted.get("nik")
    if nik is not None:
        index = sealer.blind_index(nik)
        if not await store.change_nik(conn, vendor.vendor_id, index, sealer.seal(nik.encode(), vendor.vendor_id.bytes)):
            raise AlreadyRegistered(*(await vendors.find_holders(conn, [index]))[index])
    corrected, events = domain.apply(vendor, wanted, day_in_jakarta(now))
    return await save_vendor(conn, vendor, corrected, events, now=now)


async def _note(conn: Connection, correction: Correction, actor: str, now: datetime) -> None:
    act = "correction-refused" if correction.state == "refused" else "corrected"
    detail = {"correction_id": str(correction.correction_id), "fields": list(correction.fields)}
    await add_entry(conn, actor, act, correction.vendor_id, detail, now)
