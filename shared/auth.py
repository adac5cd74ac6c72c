"""Who is calling: bearer tokens (JWT, verified through a JWKS), the roles and the area they carry."""

import asyncio
import json
import os
import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
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

from shared.errors import Forbidden, Refused
from shared.telemetry import get_logger

__all__ = [
    "LOCAL_AUDIENCE",
    "LOCAL_ISSUER",
    "Caller",
    "KeysUnavailable",
    "LocalIssuer",
    "OutsideArea",
    "RoleMissing",
    "TokenExpired",
    "TokenInvalid",
    "TokenMissing",
    "Unauthenticated",
    "Verifier",
    "covers",
]

ALGORITHMS = frozenset({"EdDSA", "ES256", "RS256"})
"""Asymmetric only: with HS* whoever can verify a token could also forge one."""

LEEWAY_SECONDS = 10
KEYS_FRESH_SECONDS = 300.0
KEYS_RETRY_SECONDS = 5.0
KEYS_TIMEOUT_SECONDS = 5
TOKEN_BYTES_MAX = 8192
LOCAL_ISSUER = "lapak-local"
LOCAL_AUDIENCE = "lapak"

_AREA = re.compile(r"\d{2}(\.\d{2}(\.\d{2}(\.\d{4})?)?)?")
logger = get_logger()


class Unauthenticated(Refused):
    """The caller did not say who it is, or not in a way that can be believed."""

    code = "token-invalid"
    status = 401


class TokenMissing(Unauthenticated):
    """No bearer token came with the request."""

    code = "token-missing"


class TokenExpired(Unauthenticated):
    """The token was good once."""

    code = "token-expired"


class TokenInvalid(Unauthenticated):
    """Forged, for somebody else, or not a token at all."""


class KeysUnavailable(Refused):
    """The identity provider's keys were never received, so nobody can be recognised for the moment."""

    code = "keys-unavailable"
    status = 503


class RoleMissing(Forbidden):
    """The caller has none of the roles that may do this."""

    code = "role-missing"


class OutsideArea(Forbidden):
    """The place lies outside the area the caller answers for."""

    code = "outside-area"


class NotOwnData(Forbidden):
    """A vendor sees its own data only."""

    code = "not-own-data"


def covers(area: str, code: str) -> bool:
    """Whether an area code is the other or contains it: "31.71" covers "31.71.02.1002"; "31.7" covers nothing."""
    return code == area or code.startswith(area + ".")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. Roles: "vendor" (with `vendor_id` once registered), "officer" (of `area`), "service", "operator"."""

    subject: str
    roles: frozenset[str]
    area: str | None = None
    vendor_id: uuid.UUID | None = None

    def has(self, role: str) -> bool:
        """Whether the caller has this role."""
        return role in self.roles

    def require(self, *roles: str) -> None:
        """Refuse a caller that has none of these roles."""
        if self.roles.isdisjoint(roles):
            raise RoleMissing(f"This needs one of the roles {', '.join(roles)}.", roles=list(roles))

    def require_area(self, code: str) -> None:
        """Refuse a caller whose area does not cover this code. A service without an area serves every area."""
        if self.area is None and self.has("service"):
            return
        if self.area is None or not covers(self.area, code):
            raise OutsideArea(
                f"{code} is outside the area {self.area or '(none)'} of this token.",
                area=self.area,
                code_wanted=code,
            )

    def require_vendor(self, vendor_id: uuid.UUID) -> None:
        """Refuse everybody but this vendor itself and officers (whose area the route checks where it knows it)."""
        if self.has("officer") or (self.has("vendor") and self.vendor_id == vendor_id):
            return
        raise NotOwnData("A vendor token sees and changes its own data only.")


class Verifier:
    """Turns bearer tokens into callers. Keys come from `jwks`: an address, or a file that may change while we run.

    Times of tokens are checked against the system's clock, also where the development clock plays another day.
    """

    def __init__(self, jwks: str, *, issuer: str, audience: str) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys: _FileKeys | _RemoteKeys = _RemoteKeys(jwks) if "://" in jwks else _FileKeys(Path(jwks))

    async def caller(self, authorization: str | None) -> Caller:
        """The caller behind an `Authorization` header. Raises `Unauthenticated`."""
        scheme, _, token = (authorization or "").strip().partition(" ")
        token = token.strip()
        if not token or scheme.lower() != "bearer":
            raise TokenMissing("A bearer token is needed: `Authorization: Bearer <token>`.")
        if len(token) > TOKEN_BYTES_MAX:
            raise TokenInvalid("The token is too long.")
        return _read_caller(await self._claims(token))

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise TokenInvalid(f"Tokens are signed with one of {', '.join(sorted(ALGORITHMS))}.")
            key = await self._keys.find(header.get("kid"))
            if key is None:
                raise TokenInvalid("The token is signed with a key that the issuer does not publish.")
            return jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise TokenExpired("The token has expired; get a new one.") from None
        except jwt.InvalidTokenError as error:
            raise TokenInvalid(f"The token is not accepted ({type(error).__name__}).") from None


def _read_caller(claims: dict[str, Any]) -> Caller:
    roles = claims.get("roles", [])
    area = claims.get("area")
    vendor_id = claims.get("vendor_id")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise TokenInvalid("The claim roles must be a list of text.")
    if area is not None and (not isinstance(area, str) or not _AREA.fullmatch(area)):
        raise TokenInvalid("The claim area must be an official area code, for example 31.71.")
    try:
        vendor = None if vendor_id is None else uuid.UUID(str(vendor_id))
    except ValueError:
        raise TokenInvalid("The claim vendor_id must be a UUID.") from None
    return Caller(subject=claims["sub"], roles=frozenset(roles), area=area, vendor_id=vendor)


# ---- keys


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


class _FileKeys:
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


class _RemoteKeys:
    """Keys from an address: fetched off the event loop, kept for a while, fetched again for a key id never seen.

    When the address does not answer, the keys in hand go on serving.
    """

    def __init__(self, address: str) -> None:
        self._client = jwt.PyJWKClient(address, cache_jwk_set=False, timeout=KEYS_TIMEOUT_SECONDS)
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, kid: str | None) -> jwt.PyJWK | None:
        if self._is_due(kid):
            async with self._lock:
                if self._is_due(kid):
                    await self._refresh()
        if not self._keys:
            raise KeysUnavailable("The identity provider's keys cannot be fetched at the moment; try again.")
        return _choose(self._keys, kid)

    def _is_due(self, kid: str | None) -> bool:
        # Tokens with made-up key ids must not make us call the identity provider for each of them.
        now = time.monotonic()
        if now - self._tried_at < KEYS_RETRY_SECONDS:
            return False
        return now - self._fetched_at > KEYS_FRESH_SECONDS or _choose(self._keys, kid) is None

    async def _refresh(self) -> None:
        try:
            document = await asyncio.to_thread(self._client.fetch_data)
        except jwt.PyJWKClientError as error:
            logger.warning("keys.unreachable", error=type(error).__name__)
        else:
            self._keys = _read_keys(document) or self._keys
            self._fetched_at = time.monotonic()
        finally:
            self._tried_at = time.monotonic()


# ---- a local issuer


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
