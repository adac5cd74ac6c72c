"""What a command needs to come to a service, looked at before anything is asked: its address and a bearer token."""

import re

import httpx
import typer

__all__ = ["address", "bearer"]

BEARER = re.compile(r"[A-Za-z0-9\-._~+/]+=*", re.ASCII)
"""RFC 6750: of nothing else a header could be made."""


def bearer(token: str) -> str:
    """A token, as the callback of an option; what can be none is refused."""
    if BEARER.fullmatch(token) is None:
        raise typer.BadParameter("is no token: empty, or with blanks or other signs that no token has; copy it whole")
    return token


def address(url: str) -> str:
    """An address of a service, as the callback of an option; what can be none is refused."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise typer.BadParameter(f"{url} is no address like http://HOST:PORT or https://HOST")
    return url
