"""Sheets of indicators: a row is a vendor's month. CSV in UTF-8, `;` or `,`, headings in English or Indonesian.

Amounts are read as people write them (`4.500.000`, `4,5 juta`), by `lokal`; approximate ones are refused.
"""

import csv
import io
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import ClassVar, NamedTuple, TypeVar
from uuid import UUID

from services.vendor.domain.indicators import AMOUNT_RUPIAH_MAX, WORKERS_MAX, Figures
from services.vendor.domain.registration import Problem
from shared.cells import filled_rows, fold, read_count, read_month, read_rupiah
from shared.workbooks import SheetRefused

__all__ = ["ROWS_MAX", "SHEET_BYTES_MAX", "FiguresSheetRefused", "MonthRow", "read_figures"]

SHEET_BYTES_MAX = 1024 * 1024
ROWS_MAX = 2_000
"""They are taken in one transaction, which answers within seconds."""
CELL_CHARACTERS_MAX = 100

HEADINGS = {
    "vendor_id": ("vendor_id", "id_anggota", "id"),
    "month": ("month", "bulan"),
    "turnover_rupiah": ("turnover_rupiah", "turnover", "omzet", "omset"),
    "assets_rupiah": ("assets_rupiah", "assets", "aset"),
    "workers": ("workers", "tenaga_kerja", "jumlah_tenaga_kerja", "karyawan"),
}
T = TypeVar("T")


class FiguresSheetRefused(SheetRefused):
    """The sheet cannot be read as one of indicators."""

    code: ClassVar[str] = "sheet-of-figures"


class MonthRow(NamedTuple):
    """A row: the figures of a vendor's month, or what is wrong with it."""

    line: int
    vendor_id: UUID | None
    month: date | None
    figures: Figures
    problems: tuple[Problem, ...]


def read_figures(content: bytes) -> list[MonthRow]:
    """The rows of a sheet. Raises `SheetRefused` where the file as a whole cannot be read; then no row is taken."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FiguresSheetRefused("The file is not UTF-8 text. Save it as CSV UTF-8 and send that.") from None
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = filled_rows(reader, _unreadable)
    _, headings = next(rows, (0, []))
    folded = [fold(heading) for heading in headings]
    columns = {
        field: folded.index(name)
        for field, names in HEADINGS.items()
        if (name := next((one for one in names if one in folded), None)) is not None
    }
    missing = [field for field in ("vendor_id", "month") if field not in columns]
    if missing or len(columns) < 3:
        raise FiguresSheetRefused(
            "The sheet needs the columns vendor_id, month (bulan), and one of turnover (omzet), assets (aset), workers "
            "(tenaga_kerja).",
            missing=missing,
        )
    found: list[MonthRow] = []
    for line, cells in rows:
        if len(found) == ROWS_MAX:
            raise FiguresSheetRefused(f"The sheet has more than {ROWS_MAX} rows; send it in parts.", rows_max=ROWS_MAX)
        found.append(_row(line, {field: cells[at] if at < len(cells) else "" for field, at in columns.items()}))
    return found


def _unreadable(line: int) -> FiguresSheetRefused:
    return FiguresSheetRefused(f"The file is no CSV from line {line} on: look at its quotation marks.")


def _row(line: int, cells: dict[str, str]) -> MonthRow:
    problems: list[Problem] = []

    def kept(field: str, read: Callable[[str], T | None], reason: str, fix: str) -> T | None:
        text = cells.get(field, "")
        if not text:
            return None
        value = read(text) if len(text) <= CELL_CHARACTERS_MAX else None
        if value is None:
            problems.append(Problem(field, f"{field.removesuffix('_rupiah').replace('_', '-')}-format", reason, fix))
        return value

    rupiah, workers = partial(read_rupiah, rupiah_max=AMOUNT_RUPIAH_MAX), partial(read_count, count_max=WORKERS_MAX)
    amount = ("is no exact amount of rupiah", "write it like 4500000, 4.500.000 or 4,5 juta")
    row = MonthRow(
        line,
        kept("vendor_id", _vendor_id, "is no id of a vendor", "copy it from the list of vendors"),
        kept("month", read_month, "is no month", "write it like 2023-02 or 02/2023"),
        Figures(
            kept("turnover_rupiah", rupiah, *amount),
            kept("assets_rupiah", rupiah, *amount),
            kept("workers", workers, "is no number of workers", f"write a number from 0 to {WORKERS_MAX}"),
        ),
        (),
    )
    lacking = [field for field in ("vendor_id", "month") if not cells[field]]
    problems += [Problem(field, "missing", "is missing", "every row needs it") for field in lacking]
    return row._replace(problems=tuple(problems))


def _vendor_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
