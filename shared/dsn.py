"""The address of a database (DSN): looked at before it is used, and shown without what nobody should read."""

import re
from urllib.parse import unquote, urlsplit

__all__ = ["CODES", "FORM", "checked", "shown"]

FORM = "postgresql://user:password@host:port/database"
CODES = "in a password, / is written %2F, # %23, ? %3F, @ %40 and % %25"
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\[\]:@\s]*)(:\d{1,5})?", re.ASCII)


def checked(dsn: str) -> str:
    """The DSN as it is given. Raises `ValueError`: what is wrong with it, and the form; it shows nothing of it.

    Signs of a password that are not encoded would make its rest a host, a port or a database, which messages name.
    """
    try:
        parts = urlsplit(dsn)
    except ValueError:
        raise ValueError(f"is no address; it must look like {FORM}, and {CODES}") from None
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise ValueError(f"must look like {FORM}; {CODES}")
    user, _, hosts = parts.netloc.rpartition("@")
    if "@" in user or "@" in parts.path or parts.fragment or not all(map(_HOST.fullmatch, hosts.split(","))):
        raise ValueError(f"its host or port cannot be read; it must look like {FORM}, and {CODES}")
    return dsn


def shown(dsn: str) -> str:
    """Where a checked DSN leads, for messages: `vendor at 127.0.0.1:5432`."""
    parts = urlsplit(dsn)
    return f"{unquote(parts.path.strip('/'))} at {parts.netloc.rpartition('@')[2] or 'this machine'}"
