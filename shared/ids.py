"""Identifiers: UUID version 7, so that keys made later sort later and indexes stay compact."""

import uuid

import uuid_utils

__all__ = ["derived_id", "new_id"]

_NAMESPACE = uuid.UUID("0190a000-1a9a-7000-8000-000000000000")


def new_id() -> uuid.UUID:
    """A fresh UUIDv7."""
    return uuid.UUID(int=uuid_utils.uuid7().int)


def derived_id(*parts: object) -> uuid.UUID:
    """The one UUID (version 5) that belongs to these parts: the same parts give the same id on every machine."""
    return uuid.uuid5(_NAMESPACE, "/".join(str(part) for part in parts))
