"""Cells of sheets as people write them: headings, months, days and amounts of rupiah, and the rows of a CSV."""

import re
from collections.abc import Callable, Iterator
from csv import Error
from datetime import date
from decimal import Decimal
from typing import Any

import lokal

__all__ = ["filled_rows", "fold", "read_count", "read_day", "read_month", "read_rupiah"]

_NO_LETTERS = re.compile(r"[\s._/-]+")
_YEAR_FIRST = re.compile(r"(\d{4})-(\d{1,2})", re.ASCII)
_MONTH_FIRST = re.compile(r"(\d{1,2})[/-](\d{4})", re.ASCII)
_DAY_LAST = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_DAY_FIRST = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})", re.ASCII)


def fold(heading: str) -> str:
    """A heading without case, signs and spaces: "Tgl. Kunjungan" is tgl_kunjungan."""
    return _NO_LETTERS.sub("_", heading.casefold()).strip("_")


def filled_rows(reader: Any, unreadable: Callable[[int], Exception]) -> Iterator[tuple[int, list[str]]]:
    """The rows of a `csv.reader` (its type has no public name) that hold something, with the line each begins on.

    Raises what `unreadable` makes of the line from which on the text is no CSV.
    """
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except Error:
            raise unreadable(line) from None
        if any(cells):
            yield line, cells


def read_month(text: str) -> date | None:
    """The first day of a month written like 2023-02 or 02/2023; None: it is no month."""
    if found := _YEAR_FIRST.fullmatch(text):
        year, month = int(found[1]), int(found[2])
    elif found := _MONTH_FIRST.fullmatch(text):
        year, month = int(found[2]), int(found[1])
    else:
        return None
    return date(year, month, 1) if 1 <= month <= 12 and year >= 1 else None


def read_day(text: str) -> date | None:
    """A day written like 2023-02-28, 28/02/2023 or 28.2.2023, the day before the month; None: it is no day."""
    if found := _DAY_LAST.fullmatch(text):
        year, month, day = int(found[1]), int(found[2]), int(found[3])
    elif found := _DAY_FIRST.fullmatch(text):
        year, month, day = int(found[3]), int(found[2]), int(found[1])
    else:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


def read_rupiah(text: str, rupiah_max: int) -> int | None:
    """An exact amount written like 4500000, 4.500.000 or 4,5 juta; None: it is none, or larger than `rupiah_max`."""
    if not text.isprintable() or "-" in text:
        return None
    try:
        read = lokal.parse_rupiah(text)
    except ArithmeticError:  # it cannot round more than the 28 digits of a Decimal
        return None
    if read is None or read.approximate or Decimal(str(read.amount)) != int(read.amount):
        return None
    return int(read.amount) if 0 <= read.amount <= rupiah_max else None


def read_count(text: str, count_max: int) -> int | None:
    """A whole number from 0 to `count_max`; None: it is none."""
    return int(text) if text.isascii() and text.isdigit() and int(text) <= count_max else None
