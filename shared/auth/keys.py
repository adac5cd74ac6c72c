"""Keys: the public half of what signs tokens, from a file or an address (JWKS, RFC 7517)."""

import asyncio
import json
import os
from pathlib import Path
from time import monotonic
from typing import Any

import jwt

from shared.auth.callers import KeysUnavailable
from shared.telemetry import get_logger

__all__ = ["ALGORITHMS", "FileKeys", "RemoteKeys"]

ALGORITHMS = frozenset({"EdDSA", "ES256", "RS256"})
"""Asymmetric only: with HS* whoever can verify a token could also forge one."""

KEYS_FRESH_SECONDS = 300.0
KEYS_RETRY_SECONDS = 5.0
KEYS_TIMEOUT_SECONDS = 5

logger = get_logger()


def _read_keys(document: Any) -> dict[str | None, jwt.PyJWK]:
    """The usable public keys of a JWKS by key id; of several keys without an id the last counts."""
    entries = document.get("keys") if isinstance(document, dict) else None
    keys: dict[str | None, jwt.PyJWK] = {}
    for entry in entries if isinstance(entries, list) else []:
        try:
            key = jwt.PyJWK.from_dict(entry)
        except (jwt.PyJWTError, AttributeError):
            continue  # a kind of key this library does not know: the issuer may use it for other things
        if key.algorithm_name in ALGORITHMS and key.public_key_use in (None, "sig"):
            keys[key.key_id] = key
    return keys


def _choose(keys: dict[str | None, jwt.PyJWK], kid: str | None) -> jwt.PyJWK | None:
    if kid is None and len(keys) == 1:
        return next(iter(keys.values()))
    return keys.get(kid)


class FileKeys:
    """Keys from a local file, read again when the file has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._keys: dict[str | None, jwt.PyJWK] = {}

    async def find(self, kid: str | None) -> jwt.PyJWK | None:
        try:
            self._refresh()
        except (OSError, ValueError) as error:
            if not self._keys:
                raise KeysUnavailable("The keys that verify tokens cannot be read; try again.") from error
            logger.warning("keys.unreadable", error=type(error).__name__)
        return _choose(self._keys, kid)

    def _refresh(self) -> None:
        stat = os.stat(self._path)
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if stamp != self._stamp:
            self._keys = _read_keys(json.loads(self._path.read_bytes()))
            self._stamp = stamp


class RemoteKeys:
    """Keys from an address, fetched off the event loop.

    A key id never seen makes its request wait for a fetch (a new key is in use); keys that are merely old are renewed
    beside the requests. When the address does not answer, the keys in hand go on serving.
    """

    def __init__(self, address: str) -> None:
        self._client = jwt.PyJWKClient(address, cache_jwk_set=False, timeout=KEYS_TIMEOUT_SECONDS)
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._fetch: asyncio.Task[None] | None = None

    async def find(self, kid: str | None) -> jwt.PyJWK | None:
        key = _choose(self._keys, kid)
        if key is None:
            fetch = self._renewal()
            if fetch is not None:
                await asyncio.shield(fetch)
            key = _choose(self._keys, kid)
        elif monotonic() - self._fetched_at > KEYS_FRESH_SECONDS:
            self._renewal()
        if not self._keys:
            raise KeysUnavailable("The identity provider's keys cannot be fetched at the moment; try again.")
        return key

    def _renewal(self) -> asyncio.Task[None] | None:
        """The fetch that is under way, or a new one; none so soon after the last.

        So tokens with made-up key ids do not make us call the identity provider for each of them.
        """
        if self._fetch is None or self._fetch.done():
            if monotonic() - self._tried_at < KEYS_RETRY_SECONDS:
                return None
            self._fetch = asyncio.create_task(self._renew())
        return self._fetch

    async def _renew(self) -> None:
        try:
            self._keys = _read_keys(await asyncio.to_thread(self._client.fetch_data)) or self._keys
            self._fetched_at = monotonic()
        except (jwt.PyJWKClientError, OSError, ValueError) as error:
            logger.warning("keys.unreachable", error=type(error).__name__)
        finally:
            self._tried_at = monotonic()
