"""Tokens: a bearer token (JWT) becomes a caller, or is refused."""

import re
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import jwt

from shared.auth.callers import Caller, TokenExpired, TokenInvalid, TokenMissing
from shared.auth.keys import ALGORITHMS, FileKeys, RemoteKeys

__all__ = ["Verifier"]

LEEWAY_SECONDS = 10
TOKEN_BYTES_MAX = 8192
TOKENS_KNOWN_MAX = 4096

_AREA = re.compile(r"\d{2}(\.\d{2}(\.\d{2}(\.\d{4})?)?)?")


class Verifier:
    """Turns bearer tokens into callers. Keys come from `jwks`: an address, or a file that may change while we run.

    Times of tokens are checked against the system's clock, also where the development clock plays another day.
    """

    def __init__(self, jwks: str, *, issuer: str, audience: str) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys: FileKeys | RemoteKeys = RemoteKeys(jwks) if "://" in jwks else FileKeys(Path(jwks))
        self._known: dict[str, _Known] = {}

    async def caller(self, authorization: str | None) -> Caller:
        """The caller behind an `Authorization` header. Raises `Unauthenticated`."""
        scheme, _, token = (authorization or "").strip().partition(" ")
        token = token.strip()
        if not token or scheme.lower() != "bearer":
            raise TokenMissing("A bearer token is needed: `Authorization: Bearer <token>`.")
        if len(token) > TOKEN_BYTES_MAX:
            raise TokenInvalid("The token is too long.")
        try:
            return await self._verify(token)
        except jwt.ExpiredSignatureError:
            raise TokenExpired("The token has expired; get a new one.") from None
        except jwt.InvalidTokenError as error:
            raise TokenInvalid(f"The token is not accepted ({type(error).__name__}).") from None

    async def _verify(self, token: str) -> Caller:
        # A signature takes longer to check than most requests to serve, and callers come back: what was verified is
        # believed again until the token expires or its key is replaced or withdrawn.
        known = self._known.get(token)
        if known is not None and time.time() < known.expires_at and await self._keys.find(known.kid) is known.key:
            return known.caller
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS:
            raise TokenInvalid(f"Tokens are signed with one of {', '.join(sorted(ALGORITHMS))}.")
        kid = header.get("kid")
        key = await self._keys.find(kid)
        if key is None:
            raise TokenInvalid("The token is signed with a key that the issuer does not publish.")
        claims = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            issuer=self._issuer,
            audience=self._audience,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        caller = _read_caller(claims)
        if len(self._known) >= TOKENS_KNOWN_MAX:
            self._known.clear()
        self._known[token] = _Known(caller, kid, key, claims["exp"])
        return caller


class _Known(NamedTuple):
    caller: Caller
    kid: str | None
    key: jwt.PyJWK
    expires_at: float


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
