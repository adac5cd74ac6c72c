"""Sheets of visits, kept without a network: a row is a visit. CSV in UTF-8, `;` or `,`, headings in English or
Indonesian in any order; amounts and days as people write them (`4,5 juta`, `28/02/2023`: the day before the month).
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar
from uuid import UUID

from services.training.domain.visits import (
    AMOUNT_RUPIAH_MAX,
    NEXT_ACTIONS,
    NOTE_CHARACTERS_MAX,
    WORKERS_MAX,
    Entry,
    NextAction,
    Problem,
    VisitMode,
)
from shared.cells import filled_rows, fold, read_count, read_day, read_month, read_rupiah
from shared.errors import Refused

__all__ = [
    "ROWS_MAX",
    "SHEET_BYTES_MAX",
    "VisitRow",
    "VisitSheetRefused",
    "cut_sheet",
    "read_visits",
    "rejected_rows",
    "shown",
    "template",
]

SHEET_BYTES_MAX = 4 * 1024 * 1024
ROWS_MAX = 2_000
"""They are taken in one transaction, which answers within seconds; a longer sheet is cut (`lapak visits import`)."""
CELL_CHARACTERS_MAX = 100
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")

HEADINGS = {
    "vendor_id": ("vendor_id", "id_anggota", "id"),
    "mentor_id": ("mentor_id", "id_pendamping"),
    "visited_on": ("visited_on", "tanggal", "tanggal_kunjungan", "tgl_kunjungan", "tgl"),
    "mode": ("mode", "cara"),
    "next_action": ("next_action", "tindak_lanjut"),
    "next_action_on": ("next_action_on", "tanggal_tindak_lanjut", "tgl_tindak_lanjut"),
    "month": ("month", "bulan"),
    "turnover_rupiah": ("turnover_rupiah", "turnover", "omzet", "omset"),
    "assets_rupiah": ("assets_rupiah", "assets", "aset"),
    "workers": ("workers", "tenaga_kerja", "jumlah_tenaga_kerja", "karyawan"),
    "note": ("note", "catatan"),
    "reference": ("reference", "nomor", "no"),
}
"""Field -> headings it may stand under; the first of each is the template's in English, the second in Indonesian."""
TEMPLATE_HEADINGS = (
    "id_anggota",
    "tanggal",
    "cara",
    "tindak_lanjut",
    "tanggal_tindak_lanjut",
    "bulan",
    "omzet",
    "aset",
    "tenaga_kerja",
    "catatan",
    "nomor",
)
REJECTED_HEADINGS = ("rejected_line", "rejected_field", "rejected_reason", "rejected_fix")

MODES: dict[str, VisitMode] = {
    "visit": "visit",
    "kunjungan": "visit",
    "call": "call",
    "telepon": "call",
    "group": "group",
    "kelompok": "group",
}
ACTIONS: dict[str, NextAction] = {
    word: code for code, names in NEXT_ACTIONS.items() for word in (fold(code), *map(fold, names))
}
_REFERENCE = re.compile(r"[\x21-\x7e]{1,60}")
_SAFE = re.compile(r"[0-9A-Za-z.,/:_-]{1,40}")
_ID = re.compile(r"[0-9a-fA-F]{1,12}(-[0-9a-fA-F]{1,12}){3,5}")
T = TypeVar("T")


class VisitSheetRefused(Refused):
    """The sheet cannot be read as one of visits; no row of it was taken."""

    code = "sheet-of-visits"
    status = 422


class VisitRow(NamedTuple):
    """A row: the visit that it tells of, or what is wrong with it. `cells`: what was written, by field."""

    line: int
    vendor_id: UUID | None
    mentor_id: UUID | None
    reference: str | None
    entry: Entry | None
    problems: tuple[Problem, ...]
    cells: Mapping[str, str]


class _Table(NamedTuple):
    headings: list[str]
    delimiter: str
    rows: Iterator[tuple[int, list[str]]]


def _open(content: bytes) -> _Table:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise VisitSheetRefused("The file is not UTF-8 text. Save it as CSV UTF-8 and send that.") from None
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = filled_rows(reader, _unreadable)
    _, headings = next(rows, (0, []))
    return _Table(headings, delimiter, rows)


def _unreadable(line: int) -> VisitSheetRefused:
    return VisitSheetRefused(
        f"The file is no CSV from line {line} on: look at its quotation marks. No row was taken.", line=line
    )


def read_visits(content: bytes) -> list[VisitRow]:
    """The rows of a sheet that tell of a visit: one with ids alone, as the template brings it, is left out.

    Raises `VisitSheetRefused` where the file as a whole cannot be read; then no row is taken.
    """
    table = _open(content)
    folded = [fold(heading) for heading in table.headings]
    columns = {
        field: folded.index(name)
        for field, names in HEADINGS.items()
        if (name := next((one for one in names if one in folded), None)) is not None
    }
    missing = [field for field in ("vendor_id", "visited_on") if field not in columns]
    if missing:
        said = ", ".join(f"{field} (also: {', '.join(HEADINGS[field][1:])})" for field in missing)
        raise VisitSheetRefused(
            f"The sheet lacks columns: {said}. GET /v1/visits/template.csv gives an empty one.", missing=missing
        )
    found: list[VisitRow] = []
    for line, cells in table.rows:
        if len(found) == ROWS_MAX:
            raise VisitSheetRefused(f"The sheet has more than {ROWS_MAX} rows; send it in parts.", rows_max=ROWS_MAX)
        if len(cells) > len(table.headings) and any(cells[len(table.headings) :]):
            fix = "put cells that hold the separator in quotation marks"
            problem = Problem("row", "row-cells", "has more cells than the headings have", fix)
            found.append(VisitRow(line, None, None, None, None, (problem,), {}))
            continue
        written = {field: cells[at] if at < len(cells) else "" for field, at in columns.items()}
        if any(text for field, text in written.items() if field not in ("vendor_id", "mentor_id")):
            found.append(_row(line, written))
    return found


def _row(line: int, cells: dict[str, str]) -> VisitRow:
    problems: list[Problem] = []

    def kept(field: str, read: Callable[[str], T | None], reason: str, fix: str, longest: int) -> T | None:
        text = cells.get(field, "")
        if not text:
            return None
        value = read(text) if len(text) <= longest else None
        if value is None:
            problems.append(Problem(field, f"{field.removesuffix('_rupiah').replace('_', '-')}-format", reason, fix))
        return value

    short = CELL_CHARACTERS_MAX
    rupiah = partial(read_rupiah, rupiah_max=AMOUNT_RUPIAH_MAX)
    amount = ("is no exact amount of rupiah", "write it like 4500000, 4.500.000 or 4,5 juta", short)
    day = ("is no day", "write it like 2023-02-28 or 28/02/2023", short)
    modes = "write kunjungan, telepon or kelompok (visit, call or group)"
    workers = f"write a number from 0 to {WORKERS_MAX}"
    characters = "use up to 60 visible characters without spaces"
    vendor_id = kept("vendor_id", _uuid, "is no id of a vendor", "copy it from your list of vendors", short)
    mentor_id = kept("mentor_id", _uuid, "is no id of a mentor", "copy it from the list of mentors", short)
    visited_on = kept("visited_on", read_day, *day)
    mode: VisitMode | None = kept("mode", lambda text: MODES.get(fold(text)), "is no way to visit", modes, short)
    action: NextAction | None = kept(
        "next_action",
        lambda text: ACTIONS.get(fold(text)),
        "is no next action",
        f"write {', '.join(NEXT_ACTIONS)}",
        short,
    )
    action_on = kept("next_action_on", read_day, *day)
    month = kept("month", read_month, "is no month", "write it like 2023-02 or 02/2023", short)
    turnover = kept("turnover_rupiah", rupiah, *amount)
    assets = kept("assets_rupiah", rupiah, *amount)
    people = kept("workers", partial(read_count, count_max=WORKERS_MAX), "is no number of workers", workers, short)
    shorter = f"shorten it to {NOTE_CHARACTERS_MAX} characters"
    note = kept("note", _note, "is too long", shorter, NOTE_CHARACTERS_MAX)
    reference = kept("reference", _reference, "is no reference", characters, short)
    lacking = [field for field in ("vendor_id", "visited_on") if not cells[field]]
    problems += [Problem(field, "missing", "is missing", "every row needs it") for field in lacking]
    entry = None
    if visited_on is not None and not problems:
        told = None if month is None else f"{month:%Y-%m}"
        entry = Entry(visited_on, mode or "visit", action, action_on, told, turnover, assets, people, note)
    return VisitRow(line, vendor_id, mentor_id, reference, entry, tuple(problems), cells)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _note(text: str) -> str | None:
    return text if "\x00" not in text else None


def _reference(text: str) -> str | None:
    return text if _REFERENCE.fullmatch(text) else None


def shown(field: str, text: str) -> str:
    """A cell as a report may repeat it, which is stored for a while: nothing of a note, nor of what may be a name or a
    number that tells who somebody is, also where a column was shifted.
    """
    if field == "note" or not text:
        return ""
    if not _SAFE.fullmatch(text) or (text.isalpha() and field not in ("mode", "next_action")):
        return "*" * min(len(text), 8)
    digits = sum(character.isdigit() for character in text)
    is_id = field in ("vendor_id", "mentor_id") and _ID.fullmatch(text) is not None
    return f"{text[:3]}{'*' * 6}" if digits >= 9 and not is_id else text


def rejected_rows(content: bytes, rejected: Mapping[int, Sequence[Mapping[str, str]]]) -> str:
    """Those rows of a sheet again, in full, with what is wrong beside each: ready to be mended and sent.

    `rejected`: line -> problems with field, reason and fix. Columns of that kind in the sheet itself are replaced.
    """
    table = _open(content)
    kept = [place for place, heading in enumerate(table.headings) if heading not in REJECTED_HEADINGS]
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=table.delimiter)
    writer.writerow([*(_harmless(table.headings[place]) for place in kept), *REJECTED_HEADINGS])
    for line, cells in table.rows:
        if (problems := rejected.get(line)) is None:
            continue
        told = ["; ".join(one[name] for one in problems) for name in ("field", "reason", "fix")]
        own = (cells[place] if place < len(cells) else "" for place in kept)
        writer.writerow([*map(_harmless, own), str(line), *told])
    return written.getvalue()


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet runs as a formula; numbers stay as they are."""
    return f"'{cell}" if cell.startswith(FORMULA_SIGNS) else cell


def cut_sheet(content: bytes, rows_max: int = ROWS_MAX) -> Iterator[tuple[bytes, dict[int, int]]]:
    """A sheet in parts that the service takes, each with the headings, and with where its rows stand in the whole
    sheet: line of the part -> line of the sheet. Raises `VisitSheetRefused`.
    """
    table = _open(content)
    rows = list(table.rows)
    for start in range(0, len(rows), rows_max):
        part = rows[start : start + rows_max]
        written = io.StringIO(newline="")
        writer = csv.writer(written, delimiter=table.delimiter)
        writer.writerow(table.headings)
        writer.writerows(cells for _, cells in part)
        piece = written.getvalue().encode()
        lines = (line for line, _ in _open(piece).rows)
        yield piece, dict(zip(lines, (line for line, _ in part), strict=True))


def template(vendors: Iterable[tuple[UUID, str]]) -> str:
    """An empty sheet with a row for each vendor: its id, and where it lives to find it by (not read again)."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=";")
    writer.writerow([*TEMPLATE_HEADINGS, "kelurahan"])
    for vendor_id, kelurahan in vendors:
        writer.writerow([str(vendor_id), *[""] * (len(TEMPLATE_HEADINGS) - 1), kelurahan])
    return written.getvalue()
