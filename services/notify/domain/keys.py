"""Keys by which other systems send messages, and what may be sent with each: pure rules.

Three kinds, as GOV.UK Notify has them. `normal` reaches everybody; `team` only addresses that an operator put on the
team's list; `test` reaches nobody: its messages go the real way (intent, routing, claim, attempt, receipt) to a
simulated provider, and are counted apart. What a simulated provider answers depends on the address: `MAGIC`.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.notify.domain.attachments import FILES_MAX, AttachFile, AttachmentNeedsEmail, different_names
from services.notify.domain.fields import SystemName, worded
from services.notify.domain.templates import TemplateName
from services.notify.plans import Lane, Topic
from shared.errors import Forbidden, NotFound, Refused

__all__ = [
    "BEHAVIOURS",
    "GUEST_NAME",
    "MAGIC",
    "AddTeamAddress",
    "Behaviour",
    "CreateKey",
    "DeadlineWrong",
    "Key",
    "KeyInvalid",
    "KeyKind",
    "KeyNotFound",
    "Mode",
    "NotOnTeam",
    "Outward",
    "Recipient",
    "RecipientNotReached",
    "ReferenceReused",
    "SendMessage",
    "TooManyMessages",
    "behaviour_of",
    "channel_of",
    "check_deadline",
    "hash_secret",
    "hint",
    "lane_of",
    "matches",
    "new_secret",
    "read_token",
    "token",
]

KeyKind: TypeAlias = Literal["normal", "team", "test"]
Mode: TypeAlias = KeyKind
Outward: TypeAlias = Literal["email", "sms", "whatsapp"]

SECRET_BYTES = 32
DEADLINE_MAX = timedelta(days=7)
GUEST_NAME = "Penerima uji"
"""How an address is spoken to that is nobody's card."""

PHONE = r"^\+[0-9]{8,15}$"
EMAIL = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)+$"


REFERENCE = r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$"

Phone: TypeAlias = Annotated[
    str,
    worded(PHONE, "must begin with + and the country code, as in +62812..., without blanks"),
    StringConstraints(pattern=PHONE),
]
Mail: TypeAlias = Annotated[
    str,
    worded(EMAIL, "must be an e-mail address: plain letters, one @ and a domain"),
    StringConstraints(pattern=EMAIL, max_length=254),
]


# --- keys


@dataclass(frozen=True)
class Key:
    """A key that was shown. `topic`: what its messages are about."""

    key_id: UUID
    kind: KeyKind
    name: str
    topic: Topic
    per_minute: int
    secret_sha256: bytes
    revoked: bool


def new_secret() -> str:
    """32 random bytes as text, shown once."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hash_secret(secret: str) -> bytes:
    """What is kept of a secret. It is random and long, so a plain hash cannot be searched."""
    return hashlib.sha256(secret.encode()).digest()


def matches(key: Key, secret: str) -> bool:
    """Whether this is the key's secret, in a time that tells nothing."""
    return hmac.compare_digest(key.secret_sha256, hash_secret(secret))


def token(kind: KeyKind, key_id: UUID, secret: str) -> str:
    """The key as its holder sends it."""
    return f"lapak_{kind}_{key_id.hex}_{secret}"


def read_token(authorization: str | None) -> tuple[KeyKind, UUID, str] | None:
    """Kind, id and secret of `Authorization: Bearer lapak_<kind>_<id>_<secret>`; None where it is none."""
    found = _TOKEN.fullmatch(authorization or "")
    if found is None:
        return None
    kind: Any = found["kind"]
    return kind, UUID(found["id"]), found["secret"]


_TOKEN = re.compile(
    r"[Bb]earer lapak_(?P<kind>normal|team|test)_(?P<id>[0-9a-f]{32})_(?P<secret>[A-Za-z0-9_-]{20,100})"
)


def lane_of(key: Key) -> Lane:
    """News stands in the lane of broadcasts; what else other systems tell is routine."""
    return Lane.BROADCAST if key.topic == "news" else Lane.ROUTINE


class CreateKey(BaseModel):
    """A key for another system. Its secret is shown in the answer, and never again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: KeyKind
    name: SystemName = Field(description="Which system it is for")
    topic: Topic = Field(
        default="news", description="What its messages are about: news needs the person's consent, the rest does not"
    )


# --- what is sent


class Recipient(BaseModel):
    """To whom: a vendor, or with keys of kind test and team an address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vendor_id: UUID | None = None
    phone: Phone | None = Field(default=None, description="E.164, for example +620000000001")
    email: Mail | None = None

    @model_validator(mode="after")
    def _check_one(self) -> "Recipient":
        if sum(one is not None for one in (self.vendor_id, self.phone, self.email)) != 1:
            raise ValueError("takes exactly one of vendor_id, phone and email")
        return self


class SendMessage(BaseModel):
    """A message to one recipient."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    template: TemplateName
    recipient: Recipient
    params: dict[str, Any] = Field(default={}, max_length=50)
    reference: (
        Annotated[
            str,
            worded(REFERENCE, "must begin with a letter or digit and have at most 100 letters, digits or ._:/-"),
            StringConstraints(pattern=REFERENCE),
        ]
        | None
    ) = Field(
        default=None, description="Your own id of it: the same one is answered with the same message. No personal data"
    )
    channel: Outward | None = Field(default=None, description="Only by this one; none: as the recipient is reached")
    deadline: AwareDatetime | None = Field(default=None, description="Then it is worthless; 7 days at most")
    language: Literal["id", "en"] = Field(default="id", description="For an address; a vendor has one of its own")
    attachments: Annotated[tuple[AttachFile, ...], different_names] = Field(
        default=(), max_length=FILES_MAX, description="They make it an e-mail: it goes by no other channel"
    )


def check_deadline(wanted: datetime | None, now: datetime) -> datetime:
    """Until when a message may leave. Raises `DeadlineWrong`."""
    latest = now + DEADLINE_MAX
    if wanted is None:
        return latest
    if not now < wanted <= latest:
        raise DeadlineWrong(
            f"deadline must be after now and by {latest.isoformat(timespec='seconds')}, seven days from now; without "
            "one it is that.",
            latest=latest.isoformat(),
        )
    return wanted


def channel_of(recipient: Recipient, wanted: Outward | None, *, has_files: bool = False) -> Outward | None:
    """By which channel alone it goes; None: by those that reach the vendor. What has files is an e-mail, lest its words
    arrive without them. Raises `RecipientNotReached`, `AttachmentNeedsEmail`.
    """
    if has_files and (recipient.phone is not None or wanted not in (None, "email")):
        raise AttachmentNeedsEmail(
            "Files go along with e-mails only: write to a vendor or an e-mail address and leave channel out, or leave "
            "attachments out."
        )
    if recipient.email is not None and wanted not in (None, "email"):
        raise RecipientNotReached(f"An e-mail address is not reached by {wanted}; leave channel out, or give a phone.")
    if recipient.phone is not None and wanted == "email":
        raise RecipientNotReached("A phone is not reached by email; leave channel out, or give an e-mail address.")
    if recipient.email is not None:
        return "email"
    if recipient.phone is not None:
        return wanted or "sms"
    return "email" if has_files else wanted


class AddTeamAddress(BaseModel):
    """An address of the team, which keys of kind team may write to. A phone is one for SMS and WhatsApp."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phone: Phone | None = None
    email: Mail | None = None

    @model_validator(mode="after")
    def _check_one(self) -> "AddTeamAddress":
        if (self.phone is None) == (self.email is None):
            raise ValueError("takes exactly one of phone and email")
        return self


def hint(address: str) -> str:
    """As much of an address as helps its owner to recognise it."""
    if "@" in address:
        local, _, domain = address.rpartition("@")
        return f"{local[:1]}***@{domain}"
    return f"{address[:3]}***{address[-3:]}"


# --- what a simulated provider does


Behaviour: TypeAlias = Literal[
    "delivered",
    "delivered-later",
    "read",
    "failed-later",
    "refused",
    "busy-then-delivered",
    "technical-failure",
    "no-answer",
    "no-receipt",
    "opted-out",
    "slow",
]

BEHAVIOURS: Mapping[Behaviour, str] = {
    "delivered": "taken, and delivered at once",
    "delivered-later": "taken, and delivered after five minutes",
    "read": "taken, delivered and read",
    "failed-later": "taken, then reported as failed: the address leads nowhere (permanent failure)",
    "refused": "refused at once (permanent failure)",
    "busy-then-delivered": "not taken the first time (temporary failure), then delivered",
    "technical-failure": "never taken: tried again until its deadline",
    "no-answer": "handed over and no answer came: unknown, settled by hand only",
    "no-receipt": "taken, and never heard of again",
    "opted-out": "refused: the person wants no messages from us",
    "slow": "delivered, but the answer takes five seconds",
}

MAGIC: Mapping[str, Behaviour] = {
    address: behaviour
    for number, behaviour in enumerate(BEHAVIOURS, start=1)
    for address in (f"+6200000000{number:02d}", f"{behaviour}@simulator.lapak.invalid")
}
"""Addresses that can belong to nobody: no Indonesian number has a 0 after its country code (the trunk prefix is left
out in E.164), and `.invalid` never resolves (RFC 2606).
"""


def behaviour_of(address: str) -> Behaviour:
    """What the simulated provider does with a message to this address."""
    return MAGIC.get(address.lower(), "delivered")


# --- refusals


class KeyNotFound(NotFound):
    """No key has this id."""

    code = "key-not-found"


class KeyInvalid(Refused):
    """The key is unknown, revoked, or not a key."""

    code = "key-invalid"
    status = 401


class TooManyMessages(Refused):
    """The key sent as many as it may in a minute."""

    code = "key-rate-limited"
    status = 429


class NotOnTeam(Forbidden):
    """A team key writes to the team only."""

    code = "not-on-team"


class RecipientNotReached(Refused):
    """The recipient has no such address, or the key may not write to addresses."""

    code = "recipient-not-reached"
    status = 422


class DeadlineWrong(Refused):
    """The deadline is past or too far."""

    code = "deadline-wrong"
    status = 422


class ReferenceReused(Refused):
    """The reference belongs to another message of this key."""

    code = "reference-reused"
