"""The refusal: a rule said no. Everything else is either malformed input (pydantic) or a fault (see STYLE)."""

from typing import Any, ClassVar

__all__ = ["Conflict", "Forbidden", "NotFound", "Refused"]


class Refused(Exception):
    """A rule said no.

    `code` is stable and part of the contract (problem+json `code`, refusal events). `message` is a sentence for a
    person: what was refused, why, and the way out; it never carries personal data. `details` are ids, codes, limits.
    """

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 409

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class NotFound(Refused):
    """The thing named does not exist, or the caller may not know that it does."""

    code = "not-found"
    status = 404


class Forbidden(Refused):
    """The caller is known and may not do this."""

    code = "forbidden"
    status = 403


class Conflict(Refused):
    """Somebody else changed the same thing first; the caller may look again and retry."""

    code = "conflict"
