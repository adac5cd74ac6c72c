"""Tokens and published keys for the tests of authentication."""

import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from shared.auth import LOCAL_AUDIENCE, LOCAL_ISSUER, Verifier


def verifier_of(jwks: Path | str) -> Verifier:
    return Verifier(str(jwks), issuer=LOCAL_ISSUER, audience=LOCAL_AUDIENCE)


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {"iss": LOCAL_ISSUER, "aud": LOCAL_AUDIENCE, "sub": "o", "roles": [], "iat": now, "exp": now + 60}
    return {name: value for name, value in {**good, **changes}.items() if value is not ...}


def publish(path: Path, *keys: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"keys": list(keys)}))
    return path


def as_jwk(key: Ed25519PrivateKey, kid: str, **more: Any) -> dict[str, Any]:
    return {**OKPAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **more}


KEY = Ed25519PrivateKey.generate()


def signed(key: Any = KEY, kid: str | None = "k", algorithm: str = "EdDSA", **changes: Any) -> str:
    headers = {} if kid is None else {"kid": kid}
    return "Bearer " + jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers)
