"""Texts and days that people enter, bounded: PostgreSQL takes no NUL, and a list shows no control characters."""

import unicodedata
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field

__all__ = ["Day", "Line", "Note"]

NOTE_CHARACTERS_MAX = 2000
LINE_CHARACTERS_MAX = 200


def _line(text: str) -> str:
    value = " ".join(unicodedata.normalize("NFC", text).split())
    if not value.isprintable():
        raise ValueError("must not hold control characters")
    if not value:
        raise ValueError("must not be empty")
    return value


def _note(text: str) -> str:
    value = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\t", " ").strip()
    if not value.replace("\n", " ").isprintable():
        raise ValueError("must not hold control characters")
    if not value:
        raise ValueError("must not be empty")
    return value


Line = Annotated[str, Field(min_length=1, max_length=LINE_CHARACTERS_MAX), AfterValidator(_line)]
"""One line of text, with single spaces."""

Note = Annotated[str, Field(min_length=1, max_length=NOTE_CHARACTERS_MAX), AfterValidator(_note)]
"""Free text of several lines."""

Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2100, 12, 31))]
"""A calendar day in Asia/Jakarta, of the programme's century."""
