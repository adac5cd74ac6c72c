"""Sheets of vendors over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, UploadFile
from fastapi.responses import StreamingResponse
from pydantic import Field
from pydantic_core import from_json, to_json

from services.vendor.api.access import officer_area
from services.vendor.api.answers import ImportReport, ProgressAnswer, RejectedPage, RejectedRow
from services.vendor.domain.registration import ImportUnknown
from services.vendor.imports import run_import
from services.vendor.sheets import RejectedRows, Sheet, open_sheet
from services.vendor.store import imports as store
from services.vendor.store.imports import ImportRun, Rejection
from shared.db import Connection
from shared.http import After, Edge, EdgeDep, Limit, large_body, page, read_cursor
from shared.http.pages import LIMIT_DEFAULT
from shared.ids import new_id

__all__ = ["router"]

SHEET_BYTES_MAX = 256 * 1024 * 1024
REPORTED_ROWS = 500
"""Rejected rows that are read from the database at a time."""

router = APIRouter(tags=["imports"])

Key = Annotated[str, Path(pattern=r"^[\x21-\x7e]{1,200}$", description="An Idempotency-Key")]
Line = Annotated[int, Field(ge=0, lt=1 << 63)]


@router.post(
    "/v1/vendors/import",
    response_model=ImportReport,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
@large_body(SHEET_BYTES_MAX)
async def import_vendors(
    edge: EdgeDep,
    request: Request,
    file: UploadFile,
    dry_run: Annotated[bool, Query(description="Report what would happen, and register nobody")] = False,
) -> StreamingResponse:
    """Register the people of a sheet (CSV or XLSX), all that can be; the report names every row not taken, and why.

    With `Accept: text/csv` the answer is the rejected rows themselves, in full, with what is wrong beside each: mend
    them and send that file. They are copied from what was sent; the registry keeps no row that it did not take.

    The same Idempotency-Key again goes on where a broken run stopped, or repeats the report of one that ended (in
    either form).
    """
    within = officer_area(edge.caller)
    # before the transaction: a workbook of 400,000 rows takes seconds, and a file that is refused leaves the key unused
    sheet = await asyncio.to_thread(open_sheet, file.file)
    await file.seek(0)

    async def begin(conn: Connection) -> dict[str, Any]:
        run = ImportRun(new_id(), dry_run, edge.now)
        await store.add_import(conn, run, edge.caller.subject, edge.request.headers["idempotency-key"])
        return {"import_id": run.import_id}

    begun = await edge.once(begin)
    import_id = UUID(from_json(bytes(begun.body))["import_id"])
    sheet = sheet.again()
    async with edge.read() as conn:
        run = await store.get_import(conn, import_id)
    run = await run_import(edge.platform, run, sheet, within=within)
    if "text/csv" in request.headers.get("accept", ""):
        headers = {
            "Content-Disposition": 'attachment; filename="rejected.csv"',
            "X-Content-Type-Options": "nosniff",
        }
        return StreamingResponse(_rejected_csv(edge, import_id, sheet), media_type="text/csv", headers=headers)
    return StreamingResponse(_report(edge, run, sheet), media_type="application/json")


async def _report(edge: Edge, run: ImportRun, sheet: Sheet) -> AsyncIterator[bytes]:
    """The report, without holding 50,000 rejected rows in memory."""
    before, rejected, after = ImportReport.of(run, sheet).model_dump_json().partition('"rejected":[')
    yield f"{before}{rejected}".encode()
    comma = b""
    async for rejections in _rejections(edge, run.import_id):
        rows = [to_json(RejectedRow.of(rejection)) for rejection in rejections]
        yield comma + b",".join(rows)
        comma = b","
    yield after.encode()


async def _rejected_csv(edge: Edge, import_id: UUID, sheet: Sheet) -> AsyncIterator[bytes]:
    """Rows of the sheet that were not taken, as Excel opens them: with a byte order mark."""
    rows = RejectedRows(sheet.again())
    yield "\ufeff".encode()
    async for rejections in _rejections(edge, import_id):
        yield (await asyncio.to_thread(rows.write, rejections)).encode()
    yield rows.write(()).encode()


async def _rejections(edge: Edge, import_id: UUID) -> AsyncIterator[list[Rejection]]:
    line = 0
    while True:
        async with edge.read() as conn:
            rejections = await store.find_rejections(conn, import_id, line, REPORTED_ROWS)
        if not rejections:
            return
        yield rejections
        line = rejections[-1].line


@router.get("/v1/vendors/imports/{key}")
async def get_progress(key: Key, edge: EdgeDep) -> ProgressAnswer:
    """How far the caller's import with this Idempotency-Key has come."""
    return ProgressAnswer.of(await _find(edge, key))


@router.get("/v1/vendors/imports/{key}/rejected")
async def list_rejected(key: Key, edge: EdgeDep, limit: Limit = LIMIT_DEFAULT, after: After = None) -> RejectedPage:
    """Rows that the caller's import with this Idempotency-Key did not take so far: line, masked value, reason, fix."""
    below = 0 if after is None else read_cursor(after, Line)
    run = await _find(edge, key)
    async with edge.read() as conn:
        rejections = await store.find_rejections(conn, run.import_id, below, limit + 1)
    return RejectedPage(**page([RejectedRow.of(one) for one in rejections], limit, lambda row: row.line))


async def _find(edge: Edge, key: str) -> ImportRun:
    edge.caller.require("officer")
    async with edge.read() as conn:
        run = await store.find_import(conn, edge.caller.subject, key)
    if run is None:
        raise ImportUnknown("You started no import with this Idempotency-Key.")
    return run
