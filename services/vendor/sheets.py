"""Sheets of vendors: CSV as officers' programmes write it, read as a stream.

UTF-8 with or without a byte order mark, `;` or `,`, headings in English or Indonesian, in any order. What makes the
file unreadable as a whole is refused before its first row.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, BinaryIO, ClassVar, NamedTuple

from services.vendor.domain.registration import Problem, Registration
from shared.errors import Refused

__all__ = ["HEADINGS", "Record", "Sheet", "SheetRefused", "open_sheet"]

PIECE_BYTES = 1 << 20
HEADING_CHARACTERS_MAX = 8192
REQUIRED = ("nik", "name", "phone", "kelurahan", "rw", "rt")

HEADINGS: dict[str, tuple[str, ...]] = {
    "nik": ("nik", "no_nik", "nomor_nik", "no_ktp", "nomor_ktp"),
    "name": ("name", "nama", "nama_lengkap", "full_name"),
    "phone": ("phone", "no_hp", "nomor_hp", "hp", "no_wa", "nomor_wa", "whatsapp", "no_telepon", "telepon", "no_telp"),
    "kelurahan": ("kode_kelurahan", "kelurahan_code", "kode_wilayah", "kelurahan"),
    "rw": ("rw", "no_rw"),
    "rt": ("rt", "no_rt"),
    "street": ("street", "alamat", "alamat_ktp", "jalan", "address"),
    "email": ("email", "e_mail", "surel", "alamat_email"),
    "kind": ("kind", "jenis", "jenis_anggota", "tipe"),
    "category": ("category", "kategori", "kategori_produk", "kategori_usaha"),
    "agency": ("agency", "pengampu", "dinas", "instansi"),
    "language": ("language", "bahasa"),
}
"""Field -> headings it may stand under; where a sheet has several, the first of the list is taken."""

_NO_LETTERS = re.compile(r"[\s._/-]+")


class SheetRefused(Refused):
    """The file as a whole cannot be read as a sheet of vendors; no row of it was taken."""

    code: ClassVar[str] = "sheet-unreadable"
    status: ClassVar[int] = 422


class ColumnsMissing(SheetRefused):
    """Columns without which no row can be registered."""

    code: ClassVar[str] = "sheet-columns-missing"


class ColumnTwice(SheetRefused):
    """One heading stands over two columns."""

    code: ClassVar[str] = "sheet-column-twice"


class Record(NamedTuple):
    """A row as it stands in the file. `line` is where it begins; a quoted cell may go on over several lines."""

    line: int
    cells: list[str]
    broken: Problem | None = None


@dataclass(slots=True)
class Sheet:
    """An open sheet; `records` reads it once."""

    headings: list[str]
    delimiter: str
    columns: dict[str, int]
    _reader: Any  # csv.reader's type has no public name
    _lines_before: int

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
    """Read the headings of a CSV file. Raises `SheetRefused`, `ColumnsMissing` or `ColumnTwice`.

    The whole file is looked through once for its encoding, so that no row is taken from a file that breaks later. The
    sheet owns the file from then on and closes it when it is dropped.
    """
    _check_text(file)
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
    return Sheet(headings, delimiter, _columns(headings), reader, lines_before)


def _check_text(file: BinaryIO) -> None:
    head = file.read(4)
    if head.startswith(b"PK"):
        raise SheetRefused("This is an Excel workbook. Save it as CSV UTF-8 and send that.")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SheetRefused("The file is UTF-16 text. Save it as CSV UTF-8 and send that.")
    file.seek(0)
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
    folded = [_NO_LETTERS.sub("_", heading.casefold()).strip("_") for heading in headings]
    columns: dict[str, int] = {}
    for field, names in HEADINGS.items():
        name = next((name for name in names if name in folded), None)
        if name is None:
            continue
        if folded.count(name) > 1:
            raise ColumnTwice(f"The heading {name!r} stands over two columns; rename or remove one.", field=field)
        columns[field] = folded.index(name)
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
