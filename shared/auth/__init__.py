"""Who is calling: bearer tokens (JWT, verified through a JWKS), the roles and the area they carry."""

from shared.auth.callers import (
    Caller,
    KeysUnavailable,
    NotOwnData,
    OutsideArea,
    RoleMissing,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    Unauthenticated,
    covers,
)
from shared.auth.issuer import LOCAL_AUDIENCE, LOCAL_ISSUER, LocalIssuer
from shared.auth.tokens import Verifier

__all__ = [
    "LOCAL_AUDIENCE",
    "LOCAL_ISSUER",
    "Caller",
    "KeysUnavailable",
    "LocalIssuer",
    "NotOwnData",
    "OutsideArea",
    "RoleMissing",
    "TokenExpired",
    "TokenInvalid",
    "TokenMissing",
    "Unauthenticated",
    "Verifier",
    "covers",
]
