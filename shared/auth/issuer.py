"""An issuer of tokens for the local stack, the demo and tests. A deployment has its OpenID provider."""

import json
import os
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import OKPAlgorithm

__all__ = ["LOCAL_AUDIENCE", "LOCAL_ISSUER", "LocalIssuer"]

LOCAL_ISSUER = "lapak-local"
LOCAL_AUDIENCE = "lapak"


class LocalIssuer:
    """Signs tokens for the local stack, the demo and tests: an Ed25519 key in a directory of its own.

    The private key is readable by its owner only; `jwks` is the file to give to services as LAPAK_JWKS.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.jwks = directory / "jwks.json"
        self._key = _load_or_create_key(directory / "issuer.pem")
        public: dict[str, Any] = OKPAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        self._kid = public["x"][:16]
        document = {"keys": [{**public, "kid": self._kid, "alg": "EdDSA", "use": "sig"}]}
        content = json.dumps(document, indent=2).encode() + b"\n"
        if not self.jwks.exists() or self.jwks.read_bytes() != content:
            _write_whole(self.jwks, content, mode=0o644)

    def token(
        self,
        subject: str,
        roles: Iterable[str],
        area: str | None = None,
        vendor_id: uuid.UUID | None = None,
        hours: float = 12,
    ) -> str:
        """A token for the `Authorization: Bearer` header."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": LOCAL_ISSUER,
            "aud": LOCAL_AUDIENCE,
            "sub": subject,
            "roles": sorted(roles),
            "iat": now,
            "exp": now + int(hours * 3600),
        }
        if area is not None:
            claims["area"] = area
        if vendor_id is not None:
            claims["vendor_id"] = str(vendor_id)
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": self._kid})


def _load_or_create_key(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write_whole(path, pem, mode=0o600, replace=False)
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path.name} holds a key of another kind; delete it and it is made anew")
    return key


def _write_whole(path: Path, content: bytes, *, mode: int, replace: bool = True) -> None:
    """Write a file so that a killed run leaves no half of it; with `replace=False` the first of several wins."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    if replace:
        os.replace(draft, path)
        return
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)
