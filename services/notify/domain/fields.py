"""Fields of requests that keep to a pattern: refused in words, for a pattern tells a person nothing."""

import re
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, StringConstraints

__all__ = ["SystemName", "worded"]


def worded(pattern: str, reason: str) -> BeforeValidator:
    """Refuse, for this reason, text that does not match the whole pattern."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and re.fullmatch(pattern, value) is None:
            raise ValueError(reason)
        return value

    return BeforeValidator(check)


_NAME = r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}"

SystemName: TypeAlias = Annotated[
    str,
    worded(rf"\s*{_NAME}\s*", "must begin with a letter or digit and have at most 60 letters, digits, blanks or ._-"),
    StringConstraints(strip_whitespace=True, pattern=rf"^{_NAME}$"),
]
"""What another system is called."""
