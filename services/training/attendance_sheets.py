"""Sheets of attendance as people keep them: CSV in UTF-8 (`;` or `,`) or XLSX, headings in English or Indonesian.

Two shapes are read: a row for each vendor's day (columns day and present), and a row for each vendor with a column for
each day, whose heading is the day. Whom a row is about is said by its id, or by the number on its ticket.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID

from services.training.domain.attendance_sheets import Fault, SheetRow
from services.training.domain.tickets import number_of, spot_of
from services.training.store.attendance import SheetLine
from shared.cells import filled_rows, fold, read_day
from shared.workbooks import Fields, SheetRefused, read_workbook

__all__ = ["SHEET_BYTES_MAX", "AttendanceSheetRefused", "EmptyCells", "Sheet", "read_sheet", "write_sheet"]

SHEET_BYTES_MAX = 1024 * 1024
ROWS_MAX = 10_000
MARKS_MAX = 60_000
"""1,000 people on 60 days; they are taken in one transaction, which answers within seconds."""
CELL_SHOWN_CHARACTERS_MAX = 40

WORKBOOK_BEGINNINGS = (b"PK", b"\xd0\xcf\x11\xe0")
"""Of a ZIP archive (XLSX), and of OLE (XLSX under a password, or a format before 2007: both refused)."""

VENDOR_NAMES = ("vendor_id", "id_anggota", "id")
NUMBER_NAMES = ("number", "nomor", "nomor_peserta", "no_peserta", "nomor_tiket", "ticket_number", "no")
HEADINGS = {
    "vendor_id": VENDOR_NAMES,
    "number": NUMBER_NAMES,
    "day": ("day", "tanggal", "tgl", "hari", "tanggal_pertemuan"),
    "present": ("present", "hadir", "kehadiran"),
}
FIELDS = Fields({"person": (*VENDOR_NAMES, *NUMBER_NAMES), **HEADINGS}, ("person",))

PRESENT = frozenset({"1", "x", "v", "✓", "✔", "y", "yes", "ya", "true", "h", "hadir", "present"})
ABSENT = frozenset({"0", "-", "n", "no", "tidak", "false", "a", "absen", "alpa", "absent", "i", "izin", "s", "sakit"})
"""Also who was ill or excused was not there; completion rules know sessions attended only."""

EmptyCells: TypeAlias = Literal["unmarked", "absent"]
"""What an empty cell under a day says: nothing, or that the vendor was not there."""


class AttendanceSheetRefused(SheetRefused):
    """The file as a whole cannot be read as a sheet of attendance; no row of it was taken."""

    code = "sheet-of-attendance"


class Sheet(NamedTuple):
    """The rows of a sheet that can be read, and what is wrong with the others."""

    rows: list[SheetRow]
    faults: list[Fault]


class _Columns(NamedTuple):
    known: dict[str, int]
    days: dict[int, date]


def read_sheet(content: bytes, empty: EmptyCells) -> Sheet:
    """The rows of a sheet. Raises `SheetRefused` where the file as a whole cannot be read. Blocks for a moment."""
    lines = _workbook_rows(content) if content.startswith(WORKBOOK_BEGINNINGS) else _text_rows(content)
    _, headings = next(lines, (0, []))
    columns = _columns(headings)
    found = Sheet([], [])
    marks = 0
    for line, cells in lines:
        if len(found.rows) + len(found.faults) >= ROWS_MAX or marks > MARKS_MAX:
            raise AttendanceSheetRefused(
                f"The sheet has more than {ROWS_MAX} rows or {MARKS_MAX} marks; send it in parts.", rows_max=ROWS_MAX
            )
        row = _row(line, cells, columns, empty, found.faults)
        if row is not None:
            found.rows.append(row)
            marks += len(row.marks)
    return found


def write_sheet(days: Sequence[date], lines: Sequence[SheetLine]) -> str:
    """A sheet to be filled and sent back: a row for each vendor, a column for each day, with what is known."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=";")
    writer.writerow(["id_anggota", "nomor", *(day.isoformat() for day in days)])
    for line in lines:
        number = "" if line.number is None else spot_of(line.number)
        writer.writerow([line.vendor_id, number, *("hadir" if day in line.attended else "" for day in days)])
    return written.getvalue()


# ---- rows


def _text_rows(content: bytes) -> Iterator[tuple[int, list[str]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise AttendanceSheetRefused(
            "The file is not UTF-8 text. Save it as CSV UTF-8 or XLSX and send that."
        ) from None
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    return filled_rows(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), _unreadable)


def _unreadable(line: int) -> AttendanceSheetRefused:
    return AttendanceSheetRefused(f"The file is no CSV from line {line} on: look at its quotation marks.", line=line)


def _workbook_rows(content: bytes) -> Iterator[tuple[int, list[str]]]:
    with io.TextIOWrapper(read_workbook(io.BytesIO(content), FIELDS), encoding="utf-8", newline="") as text:
        for number, *cells in csv.reader(text):
            yield int(number), [cell.strip() for cell in cells]


def _columns(headings: Sequence[str]) -> _Columns:
    folded = [fold(heading) for heading in headings]
    known = {field: at for field, at in FIELDS.columns(headings).items() if field in HEADINGS}
    days = {at: day for at, heading in enumerate(headings) if (day := read_day(heading)) is not None}
    used = {folded[at] for at in known.values()}
    twice = sorted(name for name, times in Counter(folded).items() if times > 1 and name in used)
    if twice or len(set(days.values())) < len(days):
        raise AttendanceSheetRefused("Two columns stand under one heading; rename or remove one.", headings=twice)
    if not known.keys() & {"vendor_id", "number"} or not (days or known.keys() >= {"day", "present"}):
        raise AttendanceSheetRefused(
            "The sheet needs a column vendor_id (id_anggota) or number (nomor), and either the columns day (tanggal) "
            "and present (hadir), or a column for each session under its day, for example 2023-03-06.",
            found=sorted(known),
        )
    return _Columns(known, days)


def _row(line: int, cells: list[str], columns: _Columns, empty: EmptyCells, faults: list[Fault]) -> SheetRow | None:
    def cell(name: str) -> str:
        at = columns.known.get(name)
        return cells[at] if at is not None and at < len(cells) else ""

    before = len(faults)
    vendor_id, number = _vendor_id(cell("vendor_id")), number_of(cell("number"))
    if cell("vendor_id") and vendor_id is None:
        fix = "copy it from the class's sheet.csv, or leave it empty and give the number"
        faults.append(Fault(line, "vendor_id", _shown(cell("vendor_id")), "is no id of a vendor", fix))
    if cell("number") and number is None:
        faults.append(
            Fault(line, "number", _shown(cell("number")), "is no number of a ticket", "write it like P7 or 7")
        )
    if not cell("vendor_id") and not cell("number"):
        faults.append(Fault(line, "vendor_id", "", "says of nobody who was there", "give the id or the number"))
    marks = []
    if columns.days:
        for at, day in columns.days.items():
            text = cells[at] if at < len(cells) else ""
            if text or empty == "absent":
                marks.append((day, _present(line, str(day), text or "-", faults)))
    else:
        named = read_day(cell("day"))
        if named is None:
            fix = "write it like 2023-03-06 or 06/03/2023"
            faults.append(Fault(line, "day", _shown(cell("day")), "is no day", fix))
        else:
            marks.append((named, _present(line, "present", cell("present"), faults)))
    return SheetRow(line, vendor_id, number, tuple(marks)) if len(faults) == before else None


def _vendor_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _present(line: int, field: str, text: str, faults: list[Fault]) -> bool:
    word = text.casefold()
    if word not in PRESENT and word not in ABSENT:
        fix = "write hadir (x, v, 1) for present, tidak (-, 0, a, i, s) for absent"
        faults.append(Fault(line, field, _shown(text), "says neither present nor absent", fix))
    return word in PRESENT


def _shown(text: str) -> str:
    """What stands in a cell; of a longer text, which may be about a person, only how long it is."""
    return text if len(text) <= CELL_SHOWN_CHARACTERS_MAX and not text.isalpha() else f"({len(text)} characters)"
