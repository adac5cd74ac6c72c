"""Excel workbooks (XLSX), read in a process of their own: `python -m shared.workbooks FIELDS < BOOK > ROWS`.

A workbook is a ZIP archive, which may unpack to anything, and it is read whole. So a child with limits of memory, time
and output reads it, and writes the rows of its sheet as CSV: the row's number in the workbook, then its cells as text.
A book that would bring a service down brings down the child. FIELDS says, as JSON, what a sheet is known by.

What the child cannot use it tells by its exit code and a word on stderr; `read_workbook` makes a refusal of it.
"""

import csv
import io
import json
import resource
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, BinaryIO, ClassVar, NamedTuple

from shared.cells import fold
from shared.errors import Refused

__all__ = ["Fields", "SheetRefused", "WorkbookRefused", "read_workbook"]

MEMORY_BYTES_MAX = 768 << 20
"""400,000 rows of ten cells take 400 MB; the address space of the interpreter and its libraries is in it."""
ROWS_BYTES_MAX = 512 << 20
SECONDS_MAX = 120
UNPACKED_BYTES_MAX = 1 << 30
HEADINGS_SOUGHT_ROWS = 30
DIGITS_KEPT = 15
"""Excel keeps 15 digits of a number (ECMA-376 leaves cells IEEE 754 doubles); a NIK has 16."""
UNUSABLE = 3

FIXES = {
    "password": "It is protected by a password, or of the format before 2007. Save it as XLSX without a password.",
    "not-xlsx": "It is an archive, but no XLSX workbook. Save the sheet as XLSX or as CSV UTF-8.",
    "broken": "It is damaged or incomplete. Open it in Excel and save it anew as XLSX, or as CSV UTF-8.",
    "too-large": "It is too large to be read as a workbook. Save the sheet as CSV UTF-8: that may have any length.",
    "no-sheet": "It has no visible sheet with rows. The first row must be the headings.",
    "merged": "Cells are merged over several rows, which hides what belongs to each row: {}. Unmerge and fill them.",
}


class SheetRefused(Refused):
    """The file as a whole cannot be read as a sheet; no row of it was taken."""

    code: ClassVar[str] = "sheet-unreadable"
    status: ClassVar[int] = 422


class Fields(NamedTuple):
    """What the sheet that is sought is known by: field -> folded headings it may stand under, and the fields that it
    must have.
    """

    accepted: Mapping[str, Sequence[str]]
    required: Sequence[str]

    def columns(self, headings: Sequence[str]) -> dict[str, int]:
        """Field -> position of its column, of the fields that are there.

        Where a sheet has several of a field's headings, the first that is accepted is taken.
        """
        folded = [fold(heading) for heading in headings]
        columns = {}
        for field, names in self.accepted.items():
            name = next((name for name in names if name in folded), None)
            if name is not None:
                columns[field] = folded.index(name)
        return columns

    def complete(self, headings: Sequence[str]) -> bool:
        """Whether all that is required is there."""
        return set(self.required) <= self.columns(headings).keys()


class WorkbookRefused(SheetRefused):
    """The workbook cannot be read; `why` is one of a few words."""

    code: ClassVar[str] = "workbook-unreadable"

    def __init__(self, why: str, where: str = "") -> None:
        super().__init__(f"The workbook was not read. {FIXES[why].format(where)}", why=why)


def read_workbook(file: BinaryIO, fields: Fields) -> BinaryIO:
    """The rows of a workbook's sheet as CSV (see above), in a file that is gone when it is closed.

    Raises `WorkbookRefused`. Blocks for some seconds where there are 100,000 rows.
    """
    rows = tempfile.TemporaryFile()  # noqa: SIM115 - the caller reads and closes it
    with _on_disk(file) as book, tempfile.TemporaryFile() as said:
        try:
            child = subprocess.run(
                [sys.executable, "-m", __name__, json.dumps(fields)],
                stdin=book,
                stdout=rows,
                stderr=said,
                timeout=SECONDS_MAX,
                check=False,
            )
            code = child.returncode
        except subprocess.TimeoutExpired:
            code = -1
        said.seek(0)
        words = said.read().decode(errors="replace").split("\n")[0].split(" ", 1)
    if code:
        rows.close()
        if code == UNUSABLE and words[0] in FIXES:
            raise WorkbookRefused(*words)
        raise WorkbookRefused("too-large")  # it met a limit and was ended
    rows.seek(0)
    return rows


def _on_disk(file: BinaryIO) -> BinaryIO:
    """The same bytes as a file of the system, from its beginning."""
    book = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.seek(0)
    while piece := file.read(1 << 20):
        book.write(piece)
    book.seek(0)
    return book


# ---- the child


class _Unusable(Exception):
    """The book cannot be used: a word of `FIXES`, and where."""


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES_MAX),
        (resource.RLIMIT_CPU, SECONDS_MAX),
        (resource.RLIMIT_FSIZE, ROWS_BYTES_MAX),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _check_archive(book: BinaryIO) -> None:
    if book.read(8) == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":  # OLE: .xls, or an encrypted package
        raise _Unusable("password")
    try:
        with zipfile.ZipFile(book) as archive:
            parts = archive.infolist()
    # all that zipfile raises for what is no archive, one cut off, and one of a method it does not know
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError):
        raise _Unusable("broken") from None
    if any(part.flag_bits & 1 for part in parts):
        raise _Unusable("password")
    if "xl/workbook.xml" not in {part.filename for part in parts}:
        raise _Unusable("not-xlsx")
    if sum(part.file_size for part in parts) > UNPACKED_BYTES_MAX:
        raise _Unusable("too-large")
    book.seek(0)


def _write_rows(book: BinaryIO, target: Any, fields: Fields) -> None:
    import python_calamine as calamine

    try:
        workbook = calamine.CalamineWorkbook.from_filelike(book)
        visible = [
            sheet.name
            for sheet in workbook.sheets_metadata
            if sheet.visible == calamine.SheetVisibleEnum.Visible and sheet.typ == calamine.SheetTypeEnum.WorkSheet
        ]
        best = None
        for name in visible:
            sheet = workbook.get_sheet_by_name(name)
            if sheet.start is None:
                continue
            top = _headings(_numbered(sheet), fields)
            if top is None:
                continue
            if best is None or fields.complete(top[1]):
                best = (sheet, *top)
            if fields.complete(top[1]):
                break
    except calamine.PasswordError:
        raise _Unusable("password") from None
    except (calamine.CalamineError, ValueError, OSError):
        raise _Unusable("broken") from None
    if best is None:
        raise _Unusable("no-sheet")
    sheet, first, headings = best
    _, left = sheet.start or (0, 0)
    _check_merged(sheet.merged_cell_ranges or (), first, fields.columns(headings), left)
    writer = csv.writer(target)
    for number, cells in _numbered(sheet):
        if number >= first:
            texts = [_text(cell) for cell in cells]
            if any(texts):
                writer.writerow([number, *texts])


def _numbered(sheet: Any) -> Iterator[tuple[int, list[Any]]]:
    """The rows with their numbers as Excel shows them."""
    return enumerate(sheet.iter_rows(), sheet.start[0] + 1)


def _headings(rows: Iterable[tuple[int, list[Any]]], fields: Fields) -> tuple[int, list[str]] | None:
    """Number and texts of the row of headings: there may be a title above. The first row that is not empty, else."""
    first = None
    for number, cells in rows:
        texts = [_text(cell) for cell in cells]
        if fields.complete(texts):
            return number, texts
        if first is None and any(texts):
            first = (number, texts)
        if number >= HEADINGS_SOUGHT_ROWS:
            break
    return first


def _check_merged(ranges: Iterable[Any], first: int, columns: dict[str, int], left: int) -> None:
    used = {left + column for column in columns.values()}
    hiding = [
        f"{_name(begin)}:{_name(end)}"
        for begin, end in ranges
        if end[0] > begin[0] and end[0] + 1 > first and used & set(range(begin[1], end[1] + 1))
    ]
    if hiding:
        more = f" and {len(hiding) - 3} more" if len(hiding) > 3 else ""
        raise _Unusable(f"merged {', '.join(hiding[:3])}{more}")


def _name(cell: tuple[int, int]) -> str:
    """`A1` of row 0, column 0."""
    letters, column = "", cell[1] + 1
    while column:
        column, digit = divmod(column - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return f"{letters}{cell[0] + 1}"


def _text(cell: Any) -> str:
    """A cell as text. A number of more digits than Excel keeps is written as it shows it, for it was rounded."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, int | float):
        if abs(cell) >= 10**DIGITS_KEPT:
            return f"{cell:.{DIGITS_KEPT - 1}E}"
        return str(int(cell)) if cell == int(cell) else repr(cell)
    if isinstance(cell, datetime) and cell.time() == datetime.min.time():
        cell = cell.date()
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def _main() -> int:
    _limit()
    try:
        with open(0, "rb", closefd=False) as book, open(1, "wb", closefd=False) as out:
            _check_archive(book)
            with io.TextIOWrapper(out, "utf-8", newline="", errors="replace") as target:
                _write_rows(book, target, Fields(*json.loads(sys.argv[1])))
    except _Unusable as unusable:
        sys.stderr.write(f"{unusable}\n")  # what the parent reads
        return UNUSABLE
    except MemoryError:
        sys.stderr.write("too-large\n")
        return UNUSABLE
    return 0


if __name__ == "__main__":
    sys.exit(_main())
