"""Documents: submitted, decided, corrected, and what their days bring."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID

from services.vendor.checks import Warned
from services.vendor.domain import documents as domain
from services.vendor.domain.documents import Decision, Document, DocumentSealed, DocumentUnknown, NikDiffers
from services.vendor.domain.registration import Vendor, VendorUnknown
from services.vendor.domain.submissions import AdmittedDocument, Submission, admit
from services.vendor.handlers.reach import Reach
from services.vendor.handlers.vendors import lock_vendor, save_vendor
from services.vendor.store import documents as store
from services.vendor.store.merging import find_family
from shared.clock import JAKARTA, day_in_jakarta
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.documents import DocumentEvent
from shared.files import storage as files
from shared.ids import new_id
from shared.timers import set_timer

__all__ = ["Correction", "Submitted", "fall_due", "give_back", "reject", "resubmit", "submit", "verify"]


class Correction(NamedTuple):
    """What a returned document is to say; None for a file that stays."""

    number: str
    issued_on: date | None
    expires_on: date | None
    file_id: UUID | None


class Submitted(NamedTuple):
    """A document that was taken."""

    document: Document
    warnings: tuple[Warned, ...]


async def submit(
    conn: Connection,
    vendor_id: UUID,
    wish: Submission,
    file_id: UUID,
    *,
    by: domain.Submitter,
    sealer: Sealer,
    now: datetime,
    within: str | None = None,
) -> Submitted:
    """Take a vendor's document, whose file was uploaded; it waits for an officer.

    Raises as `lock_vendor` does, `DocumentInvalid`, `NikDiffers`, `DocumentWaiting`, `DocumentNotReplaceable`.
    """
    vendor = await lock_vendor(conn, vendor_id, within)
    admitted = admit(wish, day_in_jakarta(now))
    await _compare_nik(conn, vendor_id, admitted, sealer)
    kin = await store.find_kin(conn, await find_family(conn, vendor_id), wish.kind)
    document, events = domain.submit(admitted, wish, (new_id(), vendor_id), file_id, by, kin, now)
    await files.keep(conn, file_id)
    await store.add_document(conn, document)
    await save_vendor(conn, vendor, vendor, events, now=now)
    return Submitted(document, admitted.warnings)


async def resubmit(
    conn: Connection,
    document_id: UUID,
    correction: Correction,
    *,
    by: domain.Submitter,
    reach: Reach,
    sealer: Sealer,
    now: datetime,
) -> Submitted:
    """Take the correction of a returned document; what it was before is kept.

    Raises `DocumentUnknown`, `DocumentInvalid`, `NikDiffers`, `DocumentNotReturned`.
    """
    vendor, before = await _lock_document(conn, document_id, reach)
    wish = Submission(before.kind, correction.number, correction.issued_on, correction.expires_on)
    admitted = admit(wish, day_in_jakarta(now))
    await _compare_nik(conn, before.vendor_id, admitted, sealer)
    document, events = domain.resubmit(before, admitted, correction.file_id, by, now)
    if correction.file_id is not None:
        await files.keep(conn, correction.file_id)
    await store.add_version(conn, before)
    await _save(conn, vendor, document, events, now)
    return Submitted(document, admitted.warnings)


async def _compare_nik(conn: Connection, vendor_id: UUID, admitted: AdmittedDocument, sealer: Sealer) -> None:
    """The number of a KTP is the NIK that is registered; it is compared by blind index and forgotten."""
    if admitted.kind == "ktp" and not await store.matches_nik(conn, vendor_id, sealer.blind_index(admitted.number)):
        raise NikDiffers


async def verify(conn: Connection, document_id: UUID, decision: Decision, *, reach: Reach) -> Document:
    """Find a document good; the one it renews is replaced. Of two who decide at once one is refused.

    Raises `DocumentUnknown`, `DocumentSealed`, `DocumentNotSubmitted`, `DocumentChanged`, `DocumentExpired`.
    """
    vendor, before = await _lock_document(conn, document_id, reach, deciding=True)
    document, events = domain.verify(before, decision, day_in_jakarta(decision.now))
    family = await find_family(conn, before.vendor_id)
    kin = await store.find_kin(conn, family, before.kind)
    for replaced in domain.replaced_by(before, kin):
        await store.save_document(conn, replaced)
    await _save(conn, vendor, document, events, decision.now)
    return document


async def reject(conn: Connection, document_id: UUID, decision: Decision, *, reach: Reach) -> Document:
    """Refuse a document for good. Raises as `verify` does, or `ReasonUnknown`."""
    vendor, before = await _lock_document(conn, document_id, reach, deciding=True)
    document, events = domain.reject(before, decision, await store.find_reasons(conn))
    await _save(conn, vendor, document, events, decision.now)
    return document


async def give_back(
    conn: Connection, document_id: UUID, decision: Decision, correct_by: date | None, *, reach: Reach
) -> Document:
    """Send a document back to be corrected. Raises as `reject` does, or `CorrectionDayRefused`."""
    vendor, before = await _lock_document(conn, document_id, reach, deciding=True)
    reasons = await store.find_reasons(conn)
    document, events = domain.give_back(before, decision, correct_by, reasons, day_in_jakarta(decision.now))
    await _save(conn, vendor, document, events, decision.now)
    return document


async def fall_due(conn: Connection, key: str, now: datetime) -> None:
    """The timer of a document: remind of its expiry, let it lapse, or end the time for its correction."""
    document_id = UUID(key.partition("/")[0])
    try:
        vendor, before = await _lock_document(conn, document_id, Reach())
    except DocumentUnknown:  # erased meanwhile
        return
    document, events = domain.fall_due(before, day_in_jakarta(now), now)
    if events:
        await _save(conn, vendor, document, events, now)


async def _lock_document(
    conn: Connection, document_id: UUID, reach: Reach, *, deciding: bool = False
) -> tuple[Vendor, Document]:
    """A document and its vendor, locked with all registrations of the person, so that documents that replace each
    other are changed by one at a time. A document of a registration that was merged into another stays its own."""
    found = await store.find_document(conn, document_id)
    if found is None:
        raise DocumentUnknown(document_id)
    vendor_id = found.document.vendor_id
    family = await find_family(conn, vendor_id)
    if reach.own is not None and reach.own not in family:
        raise DocumentUnknown(document_id)
    try:
        locked = {
            one: await lock_vendor(conn, one, reach.within if one == family[0] else None, retired=True)
            for one in sorted(family)
        }
    except VendorUnknown:
        raise DocumentUnknown(document_id) from None
    document = await store.find_document(conn, document_id)
    if document is None:
        raise DocumentUnknown(document_id)
    if deciding and document.document.kind == "ktp" and not reach.registrar:
        raise DocumentSealed
    return locked[vendor_id], document.document


async def _save(
    conn: Connection, vendor: Vendor, document: Document, events: Sequence[DocumentEvent], now: datetime
) -> None:
    await store.save_document(conn, document)
    await _set_due(conn, document)
    await save_vendor(conn, vendor, vendor, events, now=now)


async def _set_due(conn: Connection, document: Document) -> None:
    """Have the document looked at when its next day begins in Jakarta.

    Timers that were set before stay and find nothing to do. Cancelling one that is being worked off would wait for it,
    while it waits for the vendor that is locked here.
    """
    day = domain.next_due(document)
    if day is not None:
        begins = datetime.combine(day, time(), tzinfo=JAKARTA)
        await set_timer(conn, store.DOCUMENT_DUE, f"{document.document_id}/{day}", begins + timedelta(seconds=1))
