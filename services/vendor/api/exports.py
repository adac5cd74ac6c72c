"""Files of vendors: CSV under the headings that an import takes, safe to open in a sheet program, of any length."""

import asyncio
import codecs
import csv
import io
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from services.vendor.api.access import wanted_by
from services.vendor.api.answers import ExportBody, Filters, RevealBody, VendorAnswer
from services.vendor.api.vendors import READS_ONLY
from services.vendor.checks import FORMULA_SIGNS
from services.vendor.handlers.reading import open_export
from services.vendor.store import vendors as store
from services.vendor.store.vendors import Kept, Place, VendorFilter
from shared.crypto import Sealer
from shared.http import Edge, EdgeDep

__all__ = ["COLUMNS", "ROWS_HEADER", "rendered", "router"]

ROWS_PER_PAGE = 1000
ROWS_HEADER = "Lapak-Rows"
"""Of the answer: how many rows the file will have, for whoever shows how far it has come."""

COLUMNS = {
    "nik": "nik",
    "name": "name",
    "phone": "phone",
    "kode_kelurahan": "kelurahan",
    "rw": "rw",
    "rt": "rt",
    "street": "street",
    "email": "email",
    "kind": "kind",
    "category": "category",
    "agency": "agency",
    "language": "language",
    "nama_kelurahan": "kelurahan_name",
    "born_on": "born_on",
    "registered_on": "registered_on",
    "origin": "origin",
    "state": "state",
    "vendor_id": "vendor_id",
    "merged_into": "merged_into",
}
"""Heading -> field. The first twelve are those an import reads; it passes over the others."""

_ALWAYS_TEXT = ("nik", "phone")
"""Digits that a sheet program would round or show as 3.17102E+15."""

CSV_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The file"}
}

router = APIRouter(tags=["vendors"])


@router.get("/v1/vendors/export.csv", response_class=StreamingResponse, responses=CSV_ANSWER)
async def export_masked(edge: EdgeDep, asked: Annotated[Filters, Query()]) -> StreamingResponse:
    """The vendors of the officer's area as a CSV file; what is personal is masked."""
    return await _file(edge, wanted_by(edge, asked), None)


@router.post("/v1/vendors/export.csv", response_class=StreamingResponse, responses=CSV_ANSWER, openapi_extra=READS_ONLY)
async def export(body: ExportBody, edge: EdgeDep) -> StreamingResponse:
    """The vendors that a search finds as a CSV file; in full for a registrar who says why, which is noted.

    Who registers while the file is written is not in it. It takes no Idempotency-Key.
    """
    if body.reveal is not None:
        edge.caller.require("registrar")
    return await _file(edge, wanted_by(edge, body), body.reveal)


async def _file(edge: Edge, wanted: VendorFilter, reveal: RevealBody | None) -> StreamingResponse:
    async with edge.platform.database.transaction() as conn:
        count, last = await open_export(
            conn,
            wanted,
            actor=edge.caller.subject,
            reason=None if reveal is None else reveal.reason,
            reference=None if reveal is None else reveal.reference,
            now=edge.now,
        )
    return StreamingResponse(
        _pieces(edge, wanted, last, in_full=reveal is not None),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": 'attachment; filename="vendors.csv"',
            "Cache-Control": "no-store",
            ROWS_HEADER: str(count),
        },
    )


async def _pieces(edge: Edge, wanted: VendorFilter, last: Place | None, *, in_full: bool) -> AsyncIterator[bytes]:
    """The file page by page; each is one short read, so that no snapshot is held for as long as a slow reader reads."""
    yield codecs.BOM_UTF8 + _lines([list(COLUMNS)])  # a sheet program takes it for another encoding without the mark
    after: Place | None = None
    rows: Sequence[Kept] = ()
    while last is not None and (after is None or len(rows) == ROWS_PER_PAGE):
        async with edge.read() as conn:
            rows = await store.find_vendors(conn, wanted, after, ROWS_PER_PAGE, last=last)
        if not rows:
            return
        yield await asyncio.to_thread(rendered, rows, edge.platform.sealer, in_full=in_full)
        after = Place(rows[-1].vendor.registered_on, rows[-1].vendor.vendor_id)


def rendered(rows: Sequence[Kept], sealer: Sealer, *, in_full: bool) -> bytes:
    """Vendors as lines of the file."""
    show = VendorAnswer.in_full if in_full else VendorAnswer.masked
    lines = []
    for kept in rows:
        shown = show(kept, sealer)
        lines.append([_cell(field, getattr(shown, field)) for field in COLUMNS.values()])
    return _lines(lines)


def _cell(field: str, value: object) -> str:
    """A value as text; an apostrophe before it where a sheet program would make something else of it."""
    text = "" if value is None else str(value)
    return f"'{text}" if text and (field in _ALWAYS_TEXT or text.startswith(FORMULA_SIGNS)) else text


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=";", lineterminator="\r\n").writerows(rows)
    return written.getvalue().encode()
