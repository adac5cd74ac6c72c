"""Sheets of vendors, read as a stream: CSV as officers' programmes write it, and the sheet of an XLSX workbook.

CSV: UTF-8 with or without a byte order mark, `;` or `,`. Headings in English or Indonesian, in any order. The content
says what a file is, not its name. What makes the file unreadable as a whole is refused before its first row.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, BinaryIO, ClassVar, NamedTuple, cast

from services.vendor.checks import FORMULA_SIGNS
from services.vendor.domain.registration import Problem, Registration
from services.vendor.headings import FIELDS, HEADINGS, REQUIRED
from shared.cells import fold
from shared.workbooks import SheetRefused, read_workbook

__all__ = ["HEADINGS", "Record", "RejectedRows", "Sheet", "SheetRefused", "open_sheet"]

PIECE_BYTES = 1 << 20
HEADING_CHARACTERS_MAX = 8192
WORKBOOK_BEGINNINGS = (b"PK", b"\xd0\xcf\x11\xe0")
"""Of a ZIP archive (XLSX), and of OLE (XLSX under a password, or a format before 2007: both refused)."""
REJECTED_HEADINGS = ("rejected_line", "rejected_field", "rejected_reason", "rejected_fix")


class ColumnsMissing(SheetRefused):
    """Columns without which no row can be registered."""

    code: ClassVar[str] = "sheet-columns-missing"


class ColumnTwice(SheetRefused):
    """One heading stands over two columns."""

    code: ClassVar[str] = "sheet-column-twice"


class Record(NamedTuple):
    """A row as it stands in the file. `line` is where it begins; a quoted cell may go on over several lines.

    In a workbook it is the number of the row.
    """

    line: int
    cells: list[str]
    broken: Problem | None = None


@dataclass(slots=True)
class Sheet:
    """An open sheet; `records` reads it once."""

    headings: list[str]
    delimiter: str
    columns: dict[str, int]
    _text: io.TextIOWrapper
    _reader: Any  # csv.reader's type has no public name
    _lines_before: int
    _numbered: bool = False
    """Whether the first cell of each row is its number: a workbook's."""

    def again(self) -> "Sheet":
        """The same sheet from its beginning; this one can be read no more."""
        file = cast(BinaryIO, self._text.detach())
        file.seek(0)
        return _open_rows(file) if self._numbered else _open_text(file)

    def records(self) -> Iterator[Record]:
        """The rows below the headings, without the empty ones."""
        reader, before, width = self._reader, self._lines_before, len(self.headings)
        while True:
            line = before + reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                yield Record(line, [], _broken_quotes(line, before + reader.line_num))
                continue
            if self._numbered:
                line = int(cells.pop(0))
            if not any(cells):
                continue
            if len(cells) != width:
                if any(cells[width:]):
                    yield Record(line, cells, _too_many(len(cells), width))
                    continue
                cells = (cells + [""] * width)[:width]
            yield Record(line, cells)

    def wishes(self) -> Iterator[tuple[int, Registration | Problem]]:
        """The line of each row, and what it asks for; a `Problem` where the row itself is broken."""
        # a field without a column reads the empty cell put after the last
        pick = itemgetter(*(self.columns.get(field, -1) for field in Registration._fields))
        for line, cells, broken in self.records():
            if broken is not None:
                yield line, broken
                continue
            cells.append("")
            yield line, Registration._make(pick(cells))


def open_sheet(file: BinaryIO) -> Sheet:
    """Read the headings of a sheet. Raises `SheetRefused` (or what is derived from it), and then has taken no row.

    Of CSV the whole file is looked through once for its encoding, so that no row is taken from a file that breaks
    later. The sheet owns the file from then on and closes it when it is dropped. Blocks: to be run in a thread.
    """
    beginning = file.read(4)
    file.seek(0)
    if beginning.startswith(WORKBOOK_BEGINNINGS):
        return _open_rows(read_workbook(file, FIELDS))
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SheetRefused("The file is UTF-16 text. Save it as CSV UTF-8 and send that.")
    _check_text(file)
    return _open_text(file)


def _open_text(file: BinaryIO) -> Sheet:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    lines_before, first = 0, ""
    while not first.strip():
        first = text.readline(HEADING_CHARACTERS_MAX)
        if not first:
            raise SheetRefused("The file is empty; its first row must be the headings.")
        lines_before += 1
        if first.lower().startswith("sep=") and len(first.strip()) == 5:  # Excel's own hint
            first = ""
    if len(first) == HEADING_CHARACTERS_MAX:
        raise SheetRefused("The first row is too long to be the headings of a sheet.")
    delimiter = ";" if first.count(";") > first.count(",") else ","
    headings = [heading.strip() for heading in next(csv.reader([first], delimiter=delimiter))]
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    return Sheet(headings, delimiter, _columns(headings), text, reader, lines_before)


def _open_rows(file: BinaryIO) -> Sheet:
    """The rows of a workbook, as `read_workbook` gives them."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    reader = csv.reader(text)
    headings = [heading.strip() for heading in next(reader)[1:]]
    return Sheet(headings, ";", _columns(headings), text, reader, 0, _numbered=True)


def _check_text(file: BinaryIO) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    while True:
        piece = file.read(PIECE_BYTES)
        try:
            decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            line += error.object[: error.start].count(b"\n")
            raise SheetRefused(
                f"The file is not UTF-8 text: line {line} holds bytes of another encoding. Save it as CSV UTF-8.",
                line=line,
            ) from None
        if not piece:
            break
        line += piece.count(b"\n")
    file.seek(0)


def _columns(headings: list[str]) -> dict[str, int]:
    """Field -> position of its column."""
    folded = [fold(heading) for heading in headings]
    columns = FIELDS.columns(headings)
    for field, position in columns.items():
        name = folded[position]
        if folded.count(name) > 1:
            raise ColumnTwice(f"The heading {name!r} stands over two columns; rename or remove one.", field=field)
    missing = [field for field in REQUIRED if field not in columns]
    if missing:
        accepted = {field: list(HEADINGS[field]) for field in missing}
        said = ", ".join(f"{field} (also: {', '.join(HEADINGS[field])})" for field in missing)
        raise ColumnsMissing(f"The sheet lacks columns: {said}. No row was taken.", missing=missing, accepted=accepted)
    return columns


def _broken_quotes(first: int, last: int) -> Problem:
    where = f"line {first}" if first >= last else f"lines {first} to {last}"
    fix = "close each quotation mark, and double those inside a quoted cell; then send these lines again"
    return Problem("row", "row-quotes", f"holds a quotation mark that is not closed; {where} were not read", fix)


def _too_many(cells: int, width: int) -> Problem:
    fix = "put cells that hold the separator in quotation marks"
    return Problem("row", "row-cells", f"has {cells} cells where the headings have {width}", fix)


class RejectedRows:
    """The rows of a sheet that were rejected, in full, with what is wrong beside them: ready to be mended and imported.

    Where the sheet itself is such a file, its columns of that kind are replaced.
    """

    def __init__(self, sheet: Sheet) -> None:
        self._kept = [place for place, heading in enumerate(sheet.headings) if heading not in REJECTED_HEADINGS]
        self._records = sheet.records()
        self._written = io.StringIO(newline="")
        self._writer = csv.writer(self._written, delimiter=sheet.delimiter)
        self._writer.writerow([*(sheet.headings[place] for place in self._kept), *REJECTED_HEADINGS])

    def write(self, rejected: Iterable[tuple[int, Sequence[Mapping[str, str]]]]) -> str:
        """CSV of these rows (line and problems), which follow in the sheet after those written before.

        Headings stand before the first.
        """
        waiting = dict(rejected)
        for record in self._records if waiting else ():
            problems = waiting.pop(record.line, None)
            if problems is not None:
                cells = [record.cells[place] if place < len(record.cells) else "" for place in self._kept]
                cells = [f"'{cell}" if cell.startswith(FORMULA_SIGNS) else cell for cell in cells]
                told = ["; ".join(one[name] for one in problems) for name in ("field", "reason", "fix")]
                self._writer.writerow([*cells, str(record.line), *told])
            if not waiting:
                break
        text = self._written.getvalue()
        self._written.seek(0)
        self._written.truncate()
        return text
