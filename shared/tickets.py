"""Tickets: small signed facts that a phone checks without a network, from a QR code or from typed text.

A ticket is a text of the QR alphabet "alphanumeric": `LPK1:` and then base32 (RFC 4648, upper case, no padding) of

    bytes     what
    1         kind: what it admits to; each publisher names its own (1: a booth at a bazaar)
    4         key id: the first four bytes of sha256 of the public key
    16        subject (UUID): who or what is admitted, an id that tells no name
    16        event (UUID): what it is admitted to
    1 + n     place: n, then n bytes of ASCII (0 to 40), for example a site of the event
    1 + n     spot: n, then n bytes of ASCII (0 to 10), for example the number of a booth
    2         first day: days since 2000-01-01, unsigned, big endian
    4         days: bit i (the least is 0) stands for the first day plus i; bit 0 is always set
    2         serial: of two tickets of one subject the higher counts, unsigned, big endian
    64        Ed25519 signature (RFC 8032) over the ASCII bytes `LPK1:` and all bytes before it

Nothing else is a ticket: no other characters, no lower case, no bits left over. Base32 was preferred to base45
(RFC 9285): 7 % longer, but without spaces and signs that are lost when a text is copied, typed or put into a link.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.errors import Refused

__all__ = [
    "DAYS_MAX",
    "TICKET_CHARACTERS_MAX",
    "Ticket",
    "TicketForged",
    "TicketKeyUnknown",
    "TicketMalformed",
    "key_id_of",
    "read_keys",
    "read_ticket",
    "show_keys",
    "sign_ticket",
]

PREFIX = "LPK1:"
EPOCH = date(2000, 1, 1)
DAYS_MAX = 32
"""A ticket's last day is at most so many days from its first, both counted."""

PLACE_BYTES_MAX, SPOT_BYTES_MAX = 40, 10
SIGNATURE_BYTES = 64
FIXED_BYTES = 1 + 4 + 16 + 16 + 1 + 1 + 2 + 4 + 2
TICKET_CHARACTERS_MAX = len(PREFIX) + -(-(FIXED_BYTES + PLACE_BYTES_MAX + SPOT_BYTES_MAX + SIGNATURE_BYTES) * 8 // 5)

_TEXT = re.compile(r"LPK1:[A-Z2-7]+")


class TicketMalformed(Refused):
    """The text is no ticket: cut off, mistyped, or something else."""

    code = "ticket-malformed"
    status = 422


class TicketKeyUnknown(Refused):
    """The ticket names a key that was never published, or not by the time the keys were fetched."""

    code = "ticket-key-unknown"


class TicketForged(Refused):
    """The signature does not fit: the ticket was changed, or somebody else made it."""

    code = "ticket-forged"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket says. `days`: in order, each once."""

    kind: int
    subject: UUID
    event: UUID
    place: str
    spot: str
    days: tuple[date, ...]
    serial: int


def key_id_of(public: bytes) -> str:
    """The id of a key: eight hex digits that follow from its public half."""
    return hashlib.sha256(public).hexdigest()[:8]


def sign_ticket(ticket: Ticket, private: bytes) -> str:
    """The ticket as text. `private`: the 32 bytes of an Ed25519 key. Raises `ValueError` for what no ticket can say."""
    key = Ed25519PrivateKey.from_private_bytes(private)
    payload = _payload(ticket, bytes.fromhex(key_id_of(key.public_key().public_bytes_raw())))
    signed = payload + key.sign(PREFIX.encode() + payload)
    return PREFIX + base64.b32encode(signed).decode().rstrip("=")


def read_ticket(text: str, keys: Mapping[str, bytes]) -> Ticket:
    """What a ticket says, if one of these keys (id -> public half) signed exactly this.

    Raises `TicketMalformed`, `TicketKeyUnknown`, `TicketForged`.
    """
    signed = _bytes(text)
    payload, signature = signed[:-SIGNATURE_BYTES], signed[-SIGNATURE_BYTES:]
    key_id, ticket = _ticket(payload)
    if key_id not in keys:
        raise TicketKeyUnknown("The ticket was signed with a key that is not known here.", key_id=key_id)
    try:
        Ed25519PublicKey.from_public_bytes(keys[key_id]).verify(signature, PREFIX.encode() + payload)
    except InvalidSignature:
        raise TicketForged("The ticket's signature does not fit: it was changed, or is not ours.") from None
    return ticket


def show_keys(keys: Mapping[str, bytes]) -> dict[str, Any]:
    """Public keys as a JWKS (RFC 7517, RFC 8037)."""
    return {
        "keys": [
            {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key_id, "x": _base64url(public)}
            for key_id, public in keys.items()
        ]
    }


def read_keys(document: Any) -> dict[str, bytes]:
    """The keys of a JWKS that can have signed tickets; others are passed over. Raises `ValueError` when it is none."""
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("not a set of keys: there is no list `keys`")
    keys = {}
    for entry in entries:
        if isinstance(entry, dict) and entry.get("kty") == "OKP" and entry.get("crv") == "Ed25519":
            public = base64.urlsafe_b64decode(str(entry.get("x", "")) + "==")
            if len(public) == 32 and entry.get("kid") == key_id_of(public):
                keys[key_id_of(public)] = public
    return keys


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _payload(ticket: Ticket, key_id: bytes) -> bytes:
    return b"".join(
        [
            ticket.kind.to_bytes(1, "big"),
            key_id,
            ticket.subject.bytes,
            ticket.event.bytes,
            _short(ticket.place, PLACE_BYTES_MAX),
            _short(ticket.spot, SPOT_BYTES_MAX),
            _days(ticket.days),
            ticket.serial.to_bytes(2, "big"),
        ]
    )


def _short(text: str, bytes_max: int) -> bytes:
    content = text.encode("ascii")
    if len(content) > bytes_max:
        raise ValueError(f"{text!r} has more than {bytes_max} bytes")
    return bytes([len(content)]) + content


def _days(days: Sequence[date]) -> bytes:
    if not days or list(days) != sorted(set(days)) or (days[-1] - days[0]).days >= DAYS_MAX:
        raise ValueError(f"a ticket has days, in order, each once, {DAYS_MAX} at most from first to last")
    mask = sum(1 << (day - days[0]).days for day in days)
    return (days[0] - EPOCH).days.to_bytes(2, "big") + mask.to_bytes(4, "big")


def _bytes(text: str) -> bytes:
    malformed = TicketMalformed("This is no ticket; scan the code again, or type the number on it.")
    if len(text) > TICKET_CHARACTERS_MAX or not _TEXT.fullmatch(text):
        raise malformed
    body = text.removeprefix(PREFIX)
    try:
        content = base64.b32decode(body + "=" * (-len(body) % 8))
    except binascii.Error:
        raise malformed from None
    # the last character may hold bits of no byte: only zeros are ours, else two texts would be one ticket
    if base64.b32encode(content).decode().rstrip("=") != body or len(content) < FIXED_BYTES + SIGNATURE_BYTES:
        raise malformed
    return content


def _ticket(payload: bytes) -> tuple[str, Ticket]:
    """The key's id, and what the payload says. Every payload that is read would be written the same."""
    reader = _Reader(payload)
    try:
        kind, key_id = reader.take(1)[0], reader.take(4).hex()
        subject, event = UUID(bytes=reader.take(16)), UUID(bytes=reader.take(16))
        place, spot = reader.short(PLACE_BYTES_MAX), reader.short(SPOT_BYTES_MAX)
        first, mask = int.from_bytes(reader.take(2), "big"), int.from_bytes(reader.take(4), "big")
        serial = int.from_bytes(reader.take(2), "big")
        if reader.left or not mask & 1:
            raise ValueError("bytes left over, or no first day")
    except ValueError:
        raise TicketMalformed("This is no ticket: its fields do not add up.") from None
    days = tuple(_set_days(EPOCH + timedelta(days=first), mask))
    return key_id, Ticket(kind, subject, event, place, spot, days, serial)


def _set_days(first: date, mask: int) -> Iterable[date]:
    return (first + timedelta(days=bit) for bit in range(DAYS_MAX) if mask >> bit & 1)


class _Reader:
    """Bytes taken from the front, never more than there are."""

    def __init__(self, content: bytes) -> None:
        self.left = content

    def take(self, number: int) -> bytes:
        if len(self.left) < number:
            raise ValueError("too few bytes")
        taken, self.left = self.left[:number], self.left[number:]
        return taken

    def short(self, bytes_max: int) -> str:
        number = self.take(1)[0]
        if number > bytes_max:
            raise ValueError("too long")
        return self.take(number).decode("ascii")
