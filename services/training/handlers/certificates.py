"""Certificates are given, taken back, given anew.

What follows from a result is settled by a timer a moment after it: so no officer who takes attendance waits for the
counter of numbers, which one transaction holds at a time.
"""

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic_core import from_json, to_json

from services.training.domain import certificates as domain
from services.training.domain.certificates import (
    Certificate,
    CertificateUnknown,
    Face,
    Holder,
    HolderErased,
    NameUnknown,
    OfficersReason,
)
from services.training.domain.classes import TrainingClass
from services.training.domain.credentials import STATUS_ENTRIES, STATUS_ENTRIES_TAKEN_MAX
from services.training.handlers.names import find_names
from services.training.handlers.trainees import record
from services.training.store import certificates as store
from services.training.store import classes, credentials, rosters, trainees
from shared.clock import day_in_jakarta
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.training import TraineeEvent
from shared.ids import new_id
from shared.signing_keys import open_signing_key
from shared.timers import TimerHandler, set_timer

SETTLE = "certificates-settle"
"""Kind of the timer that gives and takes back what a class's results ask for; its key begins with the class."""

NAME_AWAITED = timedelta(minutes=5)
"""A name travels on another topic than the results: who has none yet is looked at again after this."""

SALT_BYTES = 16


async def settle_soon(conn: Connection, class_id: UUID, *, now: datetime) -> None:
    """Have certificates of this class follow its results. Call it where results change, in the same transaction."""
    # each time a timer of its own: who moved one that is just being worked off would wait for it to end, while it
    # waits for the training records locked here
    await set_timer(conn, SETTLE, f"{class_id}/{new_id()}", now)


def settler(sealer: Sealer, issuer: str) -> TimerHandler:
    """The handler of the timer, with what opens names and keys, and in whose name certificates are given."""

    async def settle_due(conn: Connection, key: str, now: datetime) -> None:
        """Timer: give certificates to who completed the class and has none, take them back from who has not."""
        class_id = UUID(key.partition("/")[0])
        waits = await settle(conn, class_id, now=now, sealer=sealer, issuer=issuer)
        if waits:
            await set_timer(conn, SETTLE, key, now + NAME_AWAITED)

    return settle_due


async def settle(conn: Connection, class_id: UUID, *, now: datetime, sealer: Sealer, issuer: str) -> bool:
    """Certificates of a class follow its results. Doing it again changes nothing. True: somebody's name is awaited."""
    concerned = [one.vendor_id for one in await store.find_unsettled(conn, class_id)]
    if not concerned:
        return False
    # results change under these locks only, so what is read now stays until this ends
    versions = await trainees.lock_trainees(conn, concerned)
    due, ending = domain.split_unsettled(await store.find_unsettled(conn, class_id, list(versions)))
    events: list[TraineeEvent] = []
    ended = await store.lock_certificates(conn, [one.standing for one in ending if one.standing is not None])
    revoked = [domain.revoke(one, "completion-corrected", by=None, now=now) for one in ended]
    if revoked:
        await store.save_revoked(conn, [certificate for certificate, _ in revoked])
        events += [event for _, event in revoked]
    names = await find_names(conn, [one.vendor_id for one in due], sealer=sealer)
    given = {one.vendor_id: one.issues + 1 for one in due if one.vendor_id in names}
    if given:
        a_class = await classes.find_class(conn, class_id)
        assert a_class is not None
        issued = await _issue(conn, a_class, given, names, now=now, sealer=sealer, issuer=issuer)
        events += [domain.issue(certificate) for certificate in issued]
    await record(conn, versions, events, now=now)
    return len(given) < len(due)


async def revoke(
    conn: Connection, certificate_id: UUID, reason: OfficersReason, *, by: str, now: datetime
) -> Certificate:
    """An officer takes a certificate back. Raises `CertificateUnknown`, `CertificateCountsNoMore`."""
    versions, found = await _lock(conn, certificate_id)
    revoked, event = domain.revoke(found, reason, by=by, now=now)
    await store.save_revoked(conn, [revoked])
    # of an erased person nothing is told any more; the number counts no more all the same
    if versions:
        await record(conn, versions, [event], now=now)
    return revoked


async def reissue(
    conn: Connection, certificate_id: UUID, *, by: str, now: datetime, sealer: Sealer, issuer: str
) -> Certificate:
    """An officer has a certificate given anew, with another number and the name as it is now; the old one, where it
    still counts, is revoked as replaced.

    Raises `CertificateUnknown`, `HolderErased`, `NotTheLast`, `NotCompleted`, `NameUnknown`.
    """
    versions, found = await _lock(conn, certificate_id)
    if not versions or found.holder_sealed is None:
        raise HolderErased("The holder was erased at its own wish; there is nobody to issue a certificate to.")
    last = await store.count_issues(conn, found.class_id, found.vendor_id)
    domain.require_reissuable(found, last, await store.has_completed(conn, found.class_id, found.vendor_id))
    names = await find_names(conn, [found.vendor_id], sealer=sealer)
    if found.vendor_id not in names:
        raise NameUnknown("The holder's name has not come from the registry yet; try again in a few minutes.")
    events: list[TraineeEvent] = []
    if found.revoked_at is None:
        replaced, event = domain.revoke(found, "replaced", by=by, now=now)
        await store.save_revoked(conn, [replaced])
        events.append(event)
    a_class = await classes.find_class(conn, found.class_id)
    assert a_class is not None
    given = {found.vendor_id: last + 1}
    (issued,) = await _issue(conn, a_class, given, names, now=now, sealer=sealer, issuer=issuer)
    await record(conn, versions, [*events, domain.issue(issued)], now=now)
    return issued


async def renew_link(conn: Connection, certificate_id: UUID) -> None:
    """The holder's links to a certificate end; others are shown from now on. Raises `CertificateUnknown`."""
    await _lock(conn, certificate_id)
    await store.save_link(conn, certificate_id, new_id())


def secret_of(certificate: Certificate, sealer: Sealer) -> str:
    """What the holder's addresses of a certificate end with: a keyed hash of the link's random id, so that neither the
    database nor the key alone opens a paper. It is compared, never stored; when the oldest key of the service goes, the
    list shows new ones."""
    return base64.urlsafe_b64encode(sealer.blind_index(f"certificate link {certificate.link_id}")).decode().rstrip("=")


def holder_of(certificate: Certificate, sealer: Sealer) -> Holder:
    """Who a certificate was given to. Raises `HolderErased`."""
    if certificate.holder_sealed is None:
        raise HolderErased(
            f"The holder of {certificate.face.number} was erased at its own wish: no name is kept, so no paper can be "
            "made. Its public page still tells whether it counts.",
            number=certificate.face.number,
        )
    return Holder(**from_json(sealer.open(certificate.holder_sealed, certificate.certificate_id.bytes)))


async def find_public(conn: Connection, reference: str, *, sealer: Sealer) -> dict[str, Any]:
    """What everybody may know of the certificate with this id or number, as somebody typed or scanned it."""
    wanted = domain.read_reference(reference)
    by_id, by_number = (wanted, None) if isinstance(wanted, UUID) else (None, wanted)
    found = await store.find_by_reference(conn, by_id, by_number)
    if found is None or by_id is None or found.holder_sealed is None:
        return domain.show_in_public(found, None)
    return domain.show_in_public(found, holder_of(found, sealer))


async def _lock(conn: Connection, certificate_id: UUID) -> tuple[dict[UUID, int], Certificate]:
    """The version of the holder's training record (none: erased), and the certificate, both locked in this order."""
    found = await store.find_certificate(conn, certificate_id)
    if found is None:
        raise CertificateUnknown("There is no such certificate.")
    versions = await trainees.lock_trainees(conn, [found.vendor_id])
    (locked,) = await store.lock_certificates(conn, [certificate_id])
    return versions, locked


async def _issue(
    conn: Connection,
    a_class: TrainingClass,
    given: Mapping[UUID, int],
    names: Mapping[UUID, str],
    *,
    now: datetime,
    sealer: Sealer,
    issuer: str,
) -> list[Certificate]:
    """Certificates of a class for these vendors, each the so-manieth of its vendor and class; their records are
    locked."""
    # what is certified can be signed: the key is there before the first who asks for a credential
    await open_signing_key(conn, credentials.KEYS, sealer, now=now)
    told = await store.find_class_names(conn, a_class.class_id)
    attended = {one.vendor_id: len(one.attended) for one in await rosters.find_roster(conn, a_class.class_id)}
    today = day_in_jakarta(now)
    first = await store.take_numbers(conn, today.year, len(given))
    status_list, indexes = await _take_status_entries(conn, len(given))
    issued = []
    for place, (vendor_id, issue) in enumerate(given.items()):
        certificate_id = new_id()
        holder = Holder(names[vendor_id], secrets.token_hex(SALT_BYTES))
        face = Face(
            number=domain.number_of(today.year, first + place),
            course=a_class.course,
            title=a_class.title,
            course_name_id=told.name_id or a_class.title,
            course_name_en=told.name_en or a_class.title,
            level=told.level,
            days=a_class.days,
            sessions_attended=attended[vendor_id],
            sessions_held=len(a_class.days),
            completed_on=a_class.completed_on,
            issued_on=today,
            issuer=issuer,
            provider=told.provider,
        )
        issued.append(
            Certificate(
                certificate_id=certificate_id,
                vendor_id=vendor_id,
                class_id=a_class.class_id,
                issue=issue,
                face=face,
                face_sha256=face.fingerprint(holder),
                holder_sealed=sealer.seal(to_json(holder._asdict()), certificate_id.bytes),
                link_id=new_id(),
                status_list=status_list,
                status_index=indexes[place],
                issued_at=now,
            )
        )
    await store.add_certificates(conn, issued)
    return issued


async def _take_status_entries(conn: Connection, count: int) -> tuple[int, Sequence[int]]:
    """A status list, held until the transaction ends, and so many of its free entries, at random: which of them is
    revoked tells nothing of when a certificate was given, or to whom."""
    status_list = await store.lock_status_list(conn, count, filled_at_most=STATUS_ENTRIES_TAKEN_MAX)
    chance, found = secrets.SystemRandom(), list[int]()
    while len(found) < count:
        tried = chance.sample(range(STATUS_ENTRIES), 3 * count + 8)
        taken = await store.find_taken(conn, status_list, tried)
        found += [index for index in tried if index not in taken and index not in found]
    return status_list, found[:count]
