"""Sales files of marketplaces, read: CSV as sellers download it, with a line for each product of each order.

UTF-8 with or without a byte order mark; `;`, `,` or tabs; headings in any order, folded; lines above the headings (a
title, the period) are passed over. Only the columns named in `marketplaces.json` are looked at: what a file says of the
buyer is never read.
"""

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from lokal import parse_rupiah

from services.bazaar.marketplaces import REQUIRED, Field, Marketplace, Outcome
from shared.clock import day_in_jakarta
from shared.errors import Refused

__all__ = ["Fault", "FileRefused", "OrderLine", "SalesFile", "mended_file", "read_sales_file"]

LINES_MAX = 100_000
HEADING_LINES_MAX = 20
VALUE_CHARACTERS_MAX = 60
PIECES_MAX = 100_000
AMOUNT_RUPIAH_MAX = 10**11
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
MENDED_HEADINGS = ("rejected_line", "rejected_field", "rejected_reason", "rejected_fix")
WORKBOOK_BEGINNINGS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
DELIMITERS = (";", ",", "\t")

MOMENT_FORMATS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d",
    "%d-%m-%Y %H:%M:%S",
    "%d-%m-%Y %H:%M",
    "%d-%m-%Y",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
)
"""Days come before months: no Indonesian export writes them the other way round."""

_AMOUNT = re.compile(
    r"(?:rp\.?\s*|idr\s*)?(?:\d{1,3}(?:\.\d{3})+(?:,\d{1,2})?|\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?|\d+(?:[.,]\d{1,2})?)(?:,-)?",
    re.IGNORECASE,
)


class FileRefused(Refused):
    """The file as a whole cannot be read; no line of it was taken."""

    code = "sales-file-refused"
    status = 422


class Fault(NamedTuple):
    """What is wrong with a line, and how to mend it."""

    line: int
    field: str
    value: str
    code: str
    reason: str
    fix: str


class OrderLine(NamedTuple):
    """One product of one order. `sha256` knows it again in every later file; `day` is that of the payment in Jakarta,
    None while nothing was paid; `outcome`: whether it counts as sold."""

    line: int
    sha256: bytes
    order_sha256: bytes
    shop: str
    sku: str
    day: date | None
    outcome: Outcome
    pieces: int
    amount_rupiah: int


class SalesFile(NamedTuple):
    """A file that was read: every line of it is in `lines` or in `faults`."""

    lines: list[OrderLine]
    faults: list[Fault]


def read_sales_file(content: bytes, code: str, marketplace: Marketplace) -> SalesFile:
    """Read a file of the marketplace with this code. Raises `FileRefused`. Blocks: to be run in a thread."""
    table = _open(content, marketplace)
    outcomes = {word: outcome for outcome, words in marketplace.statuses.items() for word in words}
    seen: Counter[tuple[str, ...]] = Counter()
    found = SalesFile([], [])
    for line, cells in table.rows():
        read = _read_line(line, _Cells(table.columns, cells), code, outcomes, seen)
        if isinstance(read, Fault):
            found.faults.append(read)
        else:
            found.lines.append(read)
    if not found.lines and not found.faults:
        raise FileRefused("The file has headings and no lines below them.")
    return found


class _Table(NamedTuple):
    text: str
    delimiter: str
    headings: list[str]
    lines_before: int
    columns: dict[Field, int]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The line on which each row begins, and its cells; empty rows are left out."""
        reader = csv.reader(io.StringIO(self.text, newline=""), delimiter=self.delimiter)
        number = 0
        while True:
            line = self.lines_before + reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                raise FileRefused(f"Line {line} cannot be read as CSV; save the file again.", line=line) from None
            if any(cell.strip() for cell in cells):
                number += 1
                if number > LINES_MAX:
                    raise FileRefused(f"The file has more than {LINES_MAX} lines; send it in parts.")
                yield line, cells


def _open(content: bytes, marketplace: Marketplace) -> _Table:
    if content.startswith(WORKBOOK_BEGINNINGS):
        raise FileRefused("The file is a workbook. Save it as CSV UTF-8 and send that.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise FileRefused(
            f"The file is no UTF-8 text: see line {line}. Download it as CSV, not as a workbook, and send that.",
            line=line,
        ) from None
    rest, lines_before = text, 0
    while rest and lines_before < HEADING_LINES_MAX:
        first, _, below = rest.partition("\n")
        for delimiter in DELIMITERS:
            headings = next(csv.reader([first.strip("\r")], delimiter=delimiter), [])
            columns = _columns(headings, marketplace)
            if "order" in columns and "status" in columns:
                return _Table(below, delimiter, headings, lines_before + 1, _complete(columns, headings, marketplace))
        rest, lines_before = below, lines_before + 1
    _complete({}, [], marketplace)
    raise AssertionError("a file without columns is refused")


def _columns(headings: Sequence[str], marketplace: Marketplace) -> dict[Field, int]:
    """Field -> position of its column: of several headings that mean it, the one named first counts."""
    folded = [" ".join(heading.split()).lower() for heading in headings]
    return {
        field: next(folded.index(name) for name in names if name in folded)
        for field, names in marketplace.columns.items()
        if any(name in folded for name in names)
    }


def _complete(columns: dict[Field, int], headings: Sequence[str], marketplace: Marketplace) -> dict[Field, int]:
    needed: list[Field] = [*REQUIRED]
    if "unit_price" not in columns:
        needed.append("amount")
    missing = [field for field in needed if field not in columns]
    if missing:
        accepted = {field: marketplace.columns[field] for field in missing}
        told = "; ".join(f"{field} ({' or '.join(names)})" for field, names in accepted.items())
        raise FileRefused(
            f"The file lacks columns that a sales file of {marketplace.name} has: {told}.", missing=accepted
        )
    folded = [" ".join(heading.split()).lower() for heading in headings]
    for field, position in columns.items():
        if folded.count(folded[position]) > 1:
            raise FileRefused(f"The heading {headings[position]!r} stands over two columns.", field=field)
    return columns


class _Cells:
    """The cells of one row by their fields; a column or cell that is not there reads as empty."""

    def __init__(self, columns: Mapping[Field, int], cells: Sequence[str]) -> None:
        self._columns, self._cells = columns, cells

    def __getitem__(self, field: Field) -> str:
        position = self._columns.get(field, -1)
        return " ".join(self._cells[position].split()) if 0 <= position < len(self._cells) else ""


def _read_line(
    line: int, cells: _Cells, code: str, outcomes: Mapping[str, Outcome], seen: Counter[tuple[str, ...]]
) -> OrderLine | Fault:
    def fault(field: Field, code: str, reason: str, fix: str) -> Fault:
        return Fault(line, field, cells[field][:VALUE_CHARACTERS_MAX], code, reason, fix)

    order = cells["order"]
    if not order:
        return fault("order", "order-missing", "is empty", "each line carries the number of its order")
    if not cells["product"]:
        return fault("product", "product-missing", "is empty", "each line names its product")
    outcome = outcomes.get(cells["status"].lower())
    if outcome is None:
        return fault("status", "status-unknown", "is no order state known here", f"use one of: {', '.join(outcomes)}")
    pieces = _pieces(cells["pieces"])
    if pieces is None:
        return fault("pieces", "pieces-invalid", f"is no number from 1 to {PIECES_MAX}", "write whole pieces: 3")
    amount_field: Field = "amount" if cells["amount"] else "unit_price"
    amount = _rupiah(cells[amount_field])
    if amount is None:
        return fault(
            amount_field, "amount-invalid", "is no amount in whole rupiah", "write 12500, 12.500 or Rp12.500,00"
        )
    if amount_field == "unit_price":
        amount *= pieces
    if amount > AMOUNT_RUPIAH_MAX:
        return fault(amount_field, "amount-too-high", "is more than any order comes to", "look at the thousands")
    day = _day(cells["paid_at"])
    if day is None and outcome == "counted":
        return fault("paid_at", "paid-at-invalid", "is no date and time", "write 2021-10-15 13:05 or 15-10-2021 13:05")
    # one order may hold the same product on two lines: the n-th of them is the n-th of them in every file
    same = (code, order.casefold(), cells["sku"].casefold(), cells["product"].casefold(), cells["variation"].casefold())
    seen[same] += 1
    return OrderLine(
        line=line,
        sha256=_sha256(*same, str(seen[same])),
        order_sha256=_sha256(code, order.casefold()),
        shop=cells["shop"].casefold(),
        sku=cells["sku"].upper(),
        day=day,
        outcome=outcome,
        pieces=pieces,
        amount_rupiah=amount,
    )


def _sha256(*parts: str) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.digest()


def _pieces(text: str) -> int | None:
    plain = text.removesuffix(".0")
    # str.isdecimal also takes digits of other scripts, as int() does
    return int(plain) if plain.isdecimal() and len(plain) <= 6 and 1 <= int(plain) <= PIECES_MAX else None


def _rupiah(text: str) -> int | None:
    """Whole rupiah in one of the ways exports write them; None for anything else, also for sen."""
    if not _AMOUNT.fullmatch(text.replace("\xa0", " ")):
        return None
    parsed = parse_rupiah(text)
    return int(parsed.amount) if parsed is not None and parsed.amount == int(parsed.amount) else None


def _day(text: str) -> date | None:
    for form in MOMENT_FORMATS:
        try:
            moment = datetime.strptime(text, form)  # noqa: DTZ007 - exports write the clock of Jakarta without an offset
        except ValueError:
            continue
        return moment.date() if moment.tzinfo is None else day_in_jakarta(moment)
    return None


def mended_file(content: bytes, marketplace: Marketplace, faults: Sequence[Fault]) -> str:
    """The lines that were not taken, in full, with what is wrong beside each: to be mended and sent again."""
    table = _open(content, marketplace)
    by_line = {fault.line: fault for fault in faults}
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=table.delimiter)
    kept = [at for at, heading in enumerate(table.headings) if heading not in MENDED_HEADINGS]
    writer.writerow([*(table.headings[at] for at in kept), *MENDED_HEADINGS])
    for line, cells in table.rows():
        fault = by_line.get(line)
        if fault is not None:
            row = [cells[at] if at < len(cells) else "" for at in kept]
            row = [f"'{cell}" if cell.startswith(FORMULA_SIGNS) else cell for cell in row]
            writer.writerow([*row, str(line), fault.field, fault.reason, fault.fix])
    return written.getvalue()
