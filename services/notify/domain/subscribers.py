"""Other systems that are told of our events by signed webhooks (Standard Webhooks): pure rules."""

import ipaddress
from datetime import timedelta
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from services.notify.domain.fields import SystemName
from shared.errors import NotFound, Refused

__all__ = [
    "RETRY_SECONDS",
    "AddSubscriber",
    "AddressRefused",
    "EventType",
    "ReplayEvents",
    "SubscriberNotFound",
    "SubscriberState",
    "SubscriberStopped",
    "SubscribersTooMany",
    "check_url",
    "is_public",
    "retry_seconds",
]

EventType: TypeAlias = Literal[
    "NotificationSent",
    "NotificationDelivered",
    "NotificationRead",
    "NotificationChannelFailed",
    "NotificationFailed",
    "NotificationExpired",
    "NotificationUnknown",
    "ReplyReceived",
    "MessagesStopped",
    "MessagesResumed",
    "BroadcastSubmitted",
    "BroadcastApproved",
    "BroadcastPaused",
    "BroadcastResumed",
    "BroadcastStopped",
    "BroadcastCompleted",
    "SendingPaused",
    "SendingResumed",
    "TemplatePaused",
    "TemplateResumed",
]
SubscriberState: TypeAlias = Literal["active", "paused", "removed"]

SUBSCRIBERS_MAX = 50
SECRET_OVERLAP = timedelta(days=1)
"""After a rotation both secrets sign for so long."""
PAUSE_AFTER_SECONDS = 86_400.0
"""A subscriber through which nothing got for a day is paused until somebody looks."""

RETRY_SECONDS = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14_400.0, 21_600.0, 28_800.0)
"""After each failed try the next one: over some 22 hours, each by chance up to a fifth earlier or later."""


class AddSubscriber(BaseModel):
    """A system that wants to be told. Its secret is shown in the answer, and never again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: SystemName
    url: Annotated[str, StringConstraints(min_length=10, max_length=500)] = Field(
        description="https, a public address; no user, no fragment"
    )
    types: Annotated[list[EventType], Field(min_length=1, max_length=30)]


class ReplayEvents(BaseModel):
    """Deliver again what happened from then on, as long as it is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: AwareDatetime


def check_url(url: str, *, development: bool) -> str:
    """An address that may be called. Only https; in development http on this machine too. Whether its name leads to a
    public address is looked at anew for each connection. Raises `AddressRefused`.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise AddressRefused("url cannot be read as an address.") from None
    if not url.isascii() or not url.isprintable() or " " in url:
        raise AddressRefused("url must be written in printable ASCII without blanks (an IDN host as xn--...).")
    if not host or parts.username is not None or parts.password is not None or parts.fragment or port == 0:
        raise AddressRefused("url must name a host, and carry no user, password or fragment.")
    if development and parts.scheme in ("http", "https") and host in ("127.0.0.1", "localhost", "::1"):
        return url
    if parts.scheme != "https":
        raise AddressRefused("url must begin with https://.")
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return url
    if not is_public(str(literal), development=development):
        raise AddressRefused("url must not lead into a private network.")
    return url


def is_public(address: str, *, development: bool) -> bool:
    """Whether this IP address may be called: one of the public internet; in development this machine too."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if development and found.is_loopback:
        return True
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo is not None else None)
        if inner is None and found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
        if inner is not None:
            return _is_public(inner)
        if found not in _UNICAST:
            return False
    return _is_public(found)


def _is_public(found: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return found.is_global and not found.is_multicast and not any(found in network for network in _SPECIAL)


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that IANA gives out to the internet. Outside of it lie old and local forms (::a.b.c.d, ::ffff:0:a.b.c.d,
64:ff9b:1::/48, fec0::/10) that a gateway may take inside.
"""
_SPECIAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))
"""Of protocols, of relays that are no more, and of documents (RFC 6890, 7526, 9637)."""


def retry_seconds(tries: int, chance: float) -> float | None:
    """After so many failed tries, how long until the next; None: it is given up. `chance` in [0, 1)."""
    if tries > len(RETRY_SECONDS):
        return None
    return RETRY_SECONDS[tries - 1] * (0.8 + 0.4 * chance)


class AddressRefused(Refused):
    """The address may not be called."""

    code = "subscriber-address-refused"
    status = 422


class SubscriberNotFound(NotFound):
    """No subscriber has this id."""

    code = "subscriber-not-found"


class SubscribersTooMany(Refused):
    """There are as many as may be."""

    code = "subscribers-too-many"


class SubscriberStopped(Refused):
    """The subscriber is removed or paused, so this cannot be done."""

    code = "subscriber-stopped"
