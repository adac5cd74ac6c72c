"""What comes back by mail after a letter was taken: bounces and complaints. Pure rules.

Anybody may send a mail that looks like a bounce, so what it says counts for nothing; only a proof in it does. A letter
carries one, as its envelope's sender and in a header: the attempt's id and a keyed hash of it. Whoever can repeat it
has seen that letter: the servers on its way, and the person it went to, who may well have mail to itself ended.
"""

import base64
import hmac
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID

from services.notify.domain.reports import RejectionKind
from shared.errors import Refused

__all__ = [
    "COUNTS_FOR",
    "PROOF_CHARS",
    "Became",
    "BouncesBusy",
    "MailReport",
    "RecipientStatus",
    "Verdict",
    "address_fault",
    "is_complaint",
    "judge",
    "proof",
    "proven",
]

COUNTS_FOR = timedelta(days=30)
"""A server gives up after five days or so (RFC 5321), people complain within weeks; an older letter was perhaps found
by somebody else.
"""

PROOF_CHARS = 48
HASH_BYTES = 14
"""112 bits: with the id 30 bytes, which are 48 characters of base32. Servers may write a local part in small letters,
and take 64 characters of it (RFC 5321).
"""
CANDIDATES_MAX = 20

_PROOF = re.compile(rf"(?<![A-Za-z0-9])[A-Za-z2-7]{{{PROOF_CHARS}}}(?![A-Za-z0-9])")
_STATUS = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])")
_DIAGNOSED = re.compile(r"(?<!\d)[45]\d\d[ -]([45]\.\d{1,3}\.\d{1,3})(?![\d.])")
_OF_THE_SENDER = ("5.1.5", "5.1.7", "5.1.8")
"""Of x.1 those that are about us, or say that the address is good (RFC 3463)."""

Became: TypeAlias = Literal[
    "failed", "complained", "not-final", "auto-reply", "no-report", "unreadable", "unproven", "unknown", "too-late"
]
"""What a mail was found to be: a message came back; its person complained; a report that settles nothing (it is
delayed, it was relayed); an automatic answer; no report; nothing that can be read; a report without a proof; a report
of a message that is not known; a proof that no longer counts.
"""


class BouncesBusy(Refused):
    """So many mails wait to be read that no more are taken for the moment."""

    code = "bounces-busy"
    status = 429


@dataclass(frozen=True)
class RecipientStatus:
    """What a report says of one recipient (RFC 3464): `action` in small letters, `status` and `diagnosis` as they
    came, `addresses` as far as it names them.
    """

    action: str
    status: str
    diagnosis: str = ""
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class MailReport:
    """A mail, as far as it was understood. `says` is None where `recipients` or `feedback` tell what it is; `marks`:
    texts that may hold a proof; `feedback`: the type of a report of feedback (RFC 5965), such as `abuse`.
    """

    says: Literal["auto-reply", "no-report", "unreadable"] | None = None
    marks: tuple[str, ...] = ()
    recipients: tuple[RecipientStatus, ...] = ()
    feedback: str | None = None


class Verdict(NamedTuple):
    """A message came back. `kind` is `address` where the address is known to lead nowhere."""

    code: str
    kind: RejectionKind | None


# --- proofs


def proof(blind_index: Callable[[str], bytes], attempt_id: UUID) -> str:
    """What a letter carries: letters and digits that nobody else can make for this attempt."""
    return base64.b32encode(attempt_id.bytes + _keyed(blind_index, attempt_id)).decode().lower()


def proven(blind_index: Callable[[str], bytes], marks: Iterable[str]) -> UUID | None:
    """The attempt whose proof is in one of these texts, in their order; None where there is none."""
    candidates = [found for mark in marks for found in _PROOF.findall(mark)]
    for text in candidates[:CANDIDATES_MAX]:
        packed = base64.b32decode(text.upper())
        attempt_id = UUID(bytes=packed[:16])
        if hmac.compare_digest(packed[16:], _keyed(blind_index, attempt_id)):
            return attempt_id
    return None


def _keyed(blind_index: Callable[[str], bytes], attempt_id: UUID) -> bytes:
    return blind_index(f"bounce/{attempt_id}")[:HASH_BYTES]


# --- what a report says


def judge(recipients: Sequence[RecipientStatus], is_ours: Callable[[str], bool]) -> Verdict | None:
    """Whether the message came back; None: not for good. `is_ours` knows the address that it went to.

    Where the report names that address, what it says of others does not count. Where it names only others, the mail was
    passed on: it did not arrive, but the address itself may be good.
    """
    named = [one for one in recipients if any(is_ours(address) for address in one.addresses)]
    counted = named or recipients
    if not counted or not all(one.action in ("failed", "error") for one in counted):
        return None
    codes = [_status_of(one) for one in counted]
    leads_nowhere = bool(named) and all(address_fault(code) for code in codes)
    return Verdict(f"dsn {codes[0]}", "address" if leads_nowhere else None)


def _status_of(one: RecipientStatus) -> str:
    """The status (RFC 3463). A server that knows no better writes x.0.0; then what the other one answered says more."""
    found = _STATUS.search(one.status)
    status = "5.0.0" if found is None else found[0]
    if status.endswith(".0.0"):
        diagnosed = _DIAGNOSED.search(one.diagnosis)
        return status if diagnosed is None else diagnosed[1]
    return status


def address_fault(status: str) -> bool:
    """Whether a status says that a mailbox is not there, or is closed: not that it is full, or that we are at fault."""
    return (status.startswith("5.1.") and status not in _OF_THE_SENDER) or status == "5.2.1"


def is_complaint(feedback: str) -> bool:
    """Whether feedback of this type says that the person wants no more of this."""
    return feedback in ("abuse", "opt-out")
