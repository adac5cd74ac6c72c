"""Certificates of completed classes: whose is due, what its face says, when it counts no more. Pure."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from typing import Any, Literal, NamedTuple, TypeAlias
from uuid import UUID

import rfc8785
from pydantic import BaseModel, ConfigDict

from services.training.domain.courses import CourseLevel
from shared.clock import day_in_jakarta
from shared.errors import NotFound, Refused
from shared.events.training import CertificateIssued, CertificateRevoked

REFERENCE_CHARACTERS_MAX = 80
FINGERPRINT_CHARACTERS = 16

OfficersReason: TypeAlias = Literal["issued-in-error", "fraud"]
"""Why an officer takes a certificate back."""
Reason: TypeAlias = Literal["completion-corrected", "issued-in-error", "fraud", "replaced"]

_NUMBER = re.compile(r"LPK[/-](\d{4})[/-](\d{6,9})", re.IGNORECASE)


class CertificateUnknown(NotFound):
    """There is no such certificate, or it is not the caller's to see."""

    code = "certificate-unknown"


class CertificateCountsNoMore(Refused):
    """The certificate was revoked."""

    code = "certificate-revoked"


class HolderErased(Refused):
    """The holder asked to be erased: there is no name to print."""

    code = "holder-erased"
    status = 410


class NameUnknown(Refused):
    """The holder's name has not come from the registry yet."""

    code = "name-unknown"


class NotCompleted(Refused):
    """Without a completed class there is no certificate."""

    code = "not-completed"


class NotTheLast(Refused):
    """A later certificate of the same class exists."""

    code = "not-the-last"


class NameUnprintable(Refused):
    """The font lacks a letter of the holder's name."""

    code = "name-unprintable"


class RevokeCertificate(BaseModel):
    """Take a certificate back; its public page says so from then on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: OfficersReason


class Holder(NamedTuple):
    """Who a certificate was given to: the name on the day of issue, and what salts the name's hashes."""

    name: str
    salt: str


class Unsettled(NamedTuple):
    """A place in a finished class whose certificate does not say what its result says. `issues`: certificates so far;
    `standing`: the one that counts."""

    vendor_id: UUID
    completed: bool
    issues: int
    standing: UUID | None


@dataclass(frozen=True, slots=True)
class Face:
    """What a certificate says, but for its holder."""

    number: str
    course: str
    title: str
    course_name_id: str
    course_name_en: str
    level: CourseLevel | None
    days: tuple[date, ...]
    sessions_attended: int
    sessions_held: int
    completed_on: date
    issued_on: date
    issuer: str
    provider: str | None

    def fingerprint(self, holder: Holder) -> bytes:
        """The hash over everything on the paper, the holder's name included; the salt keeps names from being tried."""
        said: dict[str, Any] = {
            "number": self.number,
            "course": self.course,
            "title": self.title,
            "course_name_id": self.course_name_id,
            "course_name_en": self.course_name_en,
            "level": self.level,
            "days": [day.isoformat() for day in self.days],
            "sessions_attended": self.sessions_attended,
            "sessions_held": self.sessions_held,
            "completed_on": self.completed_on.isoformat(),
            "issued_on": self.issued_on.isoformat(),
            "issuer": self.issuer,
            "provider": self.provider,
            "name": holder.name,
            "salt": holder.salt,
        }
        return sha256(rfc8785.dumps(said)).digest()


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as it is kept. `holder_sealed` is none once the person is erased."""

    certificate_id: UUID
    vendor_id: UUID
    class_id: UUID
    issue: int
    face: Face
    face_sha256: bytes
    holder_sealed: bytes | None
    link_id: UUID
    status_list: int
    status_index: int
    issued_at: datetime
    revoked_at: datetime | None = None
    revoked_because: Reason | None = None
    revoked_by: str | None = None

    @property
    def state(self) -> Literal["valid", "revoked"]:
        """Whether it counts."""
        return "valid" if self.revoked_at is None else "revoked"

    @property
    def fingerprint(self) -> str:
        """What is printed of the hash over its face."""
        return self.face_sha256.hex()[:FINGERPRINT_CHARACTERS]


def number_of(year: int, serial: int) -> str:
    """The number that is printed, for example LPK/2023/000123."""
    return f"LPK/{year}/{serial:06d}"


def read_reference(text: str) -> UUID | str | None:
    """What somebody typed or scanned: a certificate's id, or its number (also with - for /). None: neither."""
    if len(text) > REFERENCE_CHARACTERS_MAX:
        return None
    typed = text.strip()
    if (found := _NUMBER.fullmatch(typed)) is not None and typed.isascii():
        return f"LPK/{found[1]}/{found[2]}"
    try:
        return UUID(typed)
    except ValueError:
        return None


def tidy_name(name: str) -> str:
    """A name as it is printed and hashed: one form of each letter (NFC), one space between words."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def mask_name(name: str) -> str:
    """The first letter of each word, the rest hidden: enough to compare with a paper in the hand, too little to learn
    a name from. How many letters are hidden is not told."""
    return " ".join(f"{word[0]}•••" for word in tidy_name(name).split(" ") if word)


def split_unsettled(found: Iterable[Unsettled]) -> tuple[list[Unsettled], list[Unsettled]]:
    """Whose certificate is due, and whose is to be taken back."""
    listed = list(found)
    due = [one for one in listed if one.completed and one.standing is None]
    return due, [one for one in listed if not one.completed and one.standing is not None]


def issue(certificate: Certificate) -> CertificateIssued:
    """The certificate is given."""
    return CertificateIssued(
        vendor_id=certificate.vendor_id,
        certificate_id=certificate.certificate_id,
        class_id=certificate.class_id,
        course=certificate.face.course,
        title=certificate.face.title,
        number=certificate.face.number,
        issued_on=certificate.face.issued_on,
    )


def revoke(
    certificate: Certificate, because: Reason, *, by: str | None, now: datetime
) -> tuple[Certificate, CertificateRevoked]:
    """It counts no more. `by`: the officer; none where it follows from a correction. Raises `CertificateCountsNoMore`
    when it was revoked before."""
    require_standing(certificate)
    revoked = replace(certificate, revoked_at=now, revoked_because=because, revoked_by=by)
    return revoked, CertificateRevoked(
        vendor_id=certificate.vendor_id,
        certificate_id=certificate.certificate_id,
        class_id=certificate.class_id,
        course=certificate.face.course,
        title=certificate.face.title,
        number=certificate.face.number,
        reason=because,
    )


def require_standing(certificate: Certificate) -> None:
    """Refuse a revoked certificate. Raises `CertificateCountsNoMore`."""
    if certificate.revoked_at is not None:
        raise CertificateCountsNoMore(
            f"{certificate.face.number} was revoked ({certificate.revoked_because}); a later one of the same class, "
            "if there is any, is in the list of certificates.",
            number=certificate.face.number,
            because=certificate.revoked_because,
        )


def require_reissuable(certificate: Certificate, last_issue: int, completed: bool) -> None:
    """Refuse to replace any certificate but the last of its vendor and class, and one whose class is not completed.

    Raises `NotTheLast`, `NotCompleted`.
    """
    if certificate.issue != last_issue:
        raise NotTheLast(
            f"{certificate.face.number} was followed by another certificate of this class; replace that one.",
            number=certificate.face.number,
        )
    if not completed:
        raise NotCompleted(
            "The holder has not completed the class, so there is nothing to certify; correct the attendance first.",
            class_id=str(certificate.class_id),
        )


def show_in_public(certificate: Certificate | None, holder: Holder | None) -> dict[str, Any]:
    """What everybody may know of a certificate; none: nothing is known of it.

    `holder`: only for who asks by the certificate's id, which stands in its code and cannot be guessed: the name is
    masked. Numbers follow one another, so whoever asks by number learns nothing of a person.
    """
    if certificate is None:
        return {"state": "unknown"}
    face = certificate.face
    return {
        "state": certificate.state,
        "number": face.number,
        "course": {"id": face.course_name_id, "en": face.course_name_en},
        "level": face.level,
        "days": list(face.days),
        "completed_on": face.completed_on,
        "issued_on": face.issued_on,
        "issuer": face.issuer,
        "provider": face.provider,
        "revoked_on": None if certificate.revoked_at is None else day_in_jakarta(certificate.revoked_at),
        "holder": None if holder is None else mask_name(holder.name),
        "holder_erased": certificate.holder_sealed is None,
        "fingerprint": certificate.fingerprint,
    }
