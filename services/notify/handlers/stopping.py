"""Links by which a person ends messages of a topic without signing in: what they say, sealed, and how they are read."""

import base64
import binascii
import struct
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag

from services.notify.domain.wishes import OUTWARD, Outward
from services.notify.plans import TOPICS, Topic
from shared.crypto import Sealer, UnknownKey

__all__ = ["VALID", "StopLink", "read_link", "stop_url"]

VALID = timedelta(days=400)
"""An old letter still ends what it was about; an older one was perhaps passed on."""

CONTEXT = b"lapak stop link"
FORMAT = struct.Struct(">B16s16sBBI")
VERSION = 1
EVERYTHING = 255
CHARACTERS_MAX = 600


class StopLink(NamedTuple):
    """What a link may end: messages of this topic (None: whatever can be ended) to this person on this channel."""

    vendor_id: UUID
    notification_id: UUID
    topic: Topic | None
    channel: Outward


def stop_url(
    public_url: str,
    sealer: Sealer,
    *,
    vendor_id: UUID,
    notification_id: UUID,
    topic: str | None,
    now: datetime,
    channel: Outward = "email",
) -> str:
    """The address that ends messages like this one. It names nobody to who has not the key."""
    place = EVERYTHING if topic is None else TOPICS.index(topic)
    packed = FORMAT.pack(
        VERSION, vendor_id.bytes, notification_id.bytes, place, OUTWARD.index(channel), int(now.timestamp()) // 60
    )
    token = base64.urlsafe_b64encode(sealer.seal(packed, CONTEXT)).decode().rstrip("=")
    return f"{public_url.rstrip('/')}/stop/{token}"


def read_link(token: str, sealer: Sealer, now: datetime) -> StopLink | None:
    """What the link says; None where it is none of ours, was changed, or is too old."""
    if not 0 < len(token) <= CHARACTERS_MAX:
        return None
    try:
        sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        packed = sealer.open(sealed, CONTEXT)
        version, vendor, notification, place, channel, minutes = FORMAT.unpack(packed)
    except (binascii.Error, InvalidTag, UnknownKey, UnicodeError, IndexError, ValueError, struct.error):
        return None
    made_at = datetime.fromtimestamp(minutes * 60, now.tzinfo)
    if version != VERSION or now - made_at > VALID:
        return None
    topic = None if place == EVERYTHING else TOPICS[place]
    return StopLink(UUID(bytes=vendor), UUID(bytes=notification), topic, OUTWARD[channel])
