"""Callers: their roles and area, what they may do, and the refusals when they may not."""

import uuid
from dataclasses import dataclass

from shared.errors import Forbidden, Refused

__all__ = [
    "Caller",
    "KeysUnavailable",
    "NotOwnData",
    "OutsideArea",
    "RoleMissing",
    "TokenExpired",
    "TokenInvalid",
    "TokenMissing",
    "Unauthenticated",
    "covers",
]


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
    """Who calls. Roles: "vendor" (with `vendor_id` once registered), "officer" (of `area`), "registrar" (an officer who
    may see personal data in full), "service", "operator"."""

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
            which = f"the role {roles[0]}" if len(roles) == 1 else f"one of the roles {', '.join(roles)}"
            raise RoleMissing(f"This needs {which}.", roles=list(roles))

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
        raise NotOwnData("This is for the vendor itself and for officers of its area.")
