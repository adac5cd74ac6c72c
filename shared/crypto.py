"""Sealing of personal data at rest, and keyed blind indexes for exact look-ups.

AES-256-GCM through `cryptography`; the key's id travels with the sealed value, so keys can be rotated.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["Sealer", "UnknownKey"]

NONCE_BYTES = 12


class UnknownKey(LookupError):
    """A value was sealed with a key this service does not hold."""


def _derive(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret)


class Sealer:
    """Seals and opens bytes. `keys`: key id -> base64 of 32 random bytes; the first is used to seal.

    The blind index uses `index_key`, by default derived from the *oldest* key (the last), so that adding a new sealing
    key in front does not change the index of what is stored.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        if not keys:
            raise ValueError("at least one secret key is needed")
        raw = {key_id: base64.b64decode(text) for key_id, text in keys.items()}
        for key_id, secret in raw.items():
            if len(secret) != 32:
                raise ValueError(f"secret key {key_id!r} has {len(secret)} bytes; 32 are needed")
            if not 0 < len(key_id.encode()) < 256:
                raise ValueError("a key id has 1 to 255 bytes")
        self.current = next(iter(raw))
        self._seals = {key_id: AESGCM(_derive(secret, b"lapak seal")) for key_id, secret in raw.items()}
        self.fingerprints = [_derive(secret, b"lapak key fingerprint") for secret in raw.values()]
        """Of each key, the current first: tells whether two hold the same key, and nothing about it."""
        self._index = _derive(raw[list(raw)[-1]], b"lapak blind index")

    def seal(self, plain: bytes, context: bytes = b"") -> bytes:
        """Encrypt; `context` (for example a row's id) must be the same when opening."""
        key_id = self.current.encode()
        nonce = os.urandom(NONCE_BYTES)
        return bytes([len(key_id)]) + key_id + nonce + self._seals[self.current].encrypt(nonce, plain, context)

    def open(self, sealed: bytes, context: bytes = b"") -> bytes:
        """Decrypt. Raises `UnknownKey`, or cryptography's `InvalidTag` when value or context were changed."""
        end = 1 + sealed[0]
        key_id = sealed[1:end].decode()
        if key_id not in self._seals:
            raise UnknownKey(f"sealed with key {key_id!r}, which is not among the secret keys given")
        nonce, cipher = sealed[end : end + NONCE_BYTES], sealed[end + NONCE_BYTES :]
        return self._seals[key_id].decrypt(nonce, cipher, context)

    def key_id(self, sealed: bytes) -> str:
        """Which key sealed this value."""
        return sealed[1 : 1 + sealed[0]].decode()

    @property
    def index_fingerprint(self) -> bytes:
        """Tells which key makes the blind indexes, and nothing about the key."""
        return self.blind_index("lapak index key")

    def blind_index(self, text: str) -> bytes:
        """32 bytes that are equal for equal texts and tell nothing without the key (HMAC-SHA-256)."""
        return hmac.new(self._index, text.encode(), hashlib.sha256).digest()
