"""Sheets of vendors over HTTP."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, UploadFile
from pydantic_core import from_json

from services.vendor.api.access import officer_area
from services.vendor.api.answers import ImportReport, ProgressAnswer
from services.vendor.domain.registration import ImportUnknown
from services.vendor.imports import run_import
from services.vendor.sheets import Sheet, open_sheet
from services.vendor.store import imports as store
from services.vendor.store.imports import ImportRun
from shared.db import Connection
from shared.http import EdgeDep, large_body
from shared.ids import new_id

__all__ = ["router"]

SHEET_BYTES_MAX = 256 * 1024 * 1024

router = APIRouter(tags=["imports"])

Key = Annotated[str, Path(pattern=r"^[\x21-\x7e]{1,200}$", description="An Idempotency-Key")]


@router.post("/v1/vendors/import")
@large_body(SHEET_BYTES_MAX)
async def import_vendors(
    edge: EdgeDep,
    file: UploadFile,
    dry_run: Annotated[bool, Query(description="Report what would happen, and register nobody")] = False,
) -> ImportReport:
    """Register the people of a CSV sheet, all that can be; the report names every row that was not taken, and why.

    The same Idempotency-Key again goes on where a broken run stopped, or repeats the report of one that ended.
    """
    within = officer_area(edge.caller)
    sheet: Sheet | None = None

    async def begin(conn: Connection) -> dict[str, Any]:
        nonlocal sheet
        sheet = await asyncio.to_thread(open_sheet, file.file)  # a file that is refused leaves the key unused
        run = ImportRun(new_id(), dry_run, edge.now)
        await store.add_import(conn, run, edge.caller.subject, edge.request.headers["idempotency-key"])
        return {"import_id": run.import_id}

    begun = await edge.once(begin)
    import_id = UUID(from_json(bytes(begun.body))["import_id"])
    if sheet is None:
        sheet = await asyncio.to_thread(open_sheet, file.file)
    async with edge.read() as conn:
        run = await store.get_import(conn, import_id)
    run = await run_import(edge.platform, run, sheet, within=within)
    async with edge.read() as conn:
        return ImportReport.of(run, await store.find_rejections(conn, import_id), sheet)


@router.get("/v1/vendors/imports/{key}")
async def get_progress(key: Key, edge: EdgeDep) -> ProgressAnswer:
    """How far the caller's import with this Idempotency-Key has come."""
    edge.caller.require("officer")
    async with edge.read() as conn:
        run = await store.find_import(conn, edge.caller.subject, key)
    if run is None:
        raise ImportUnknown("You started no import with this Idempotency-Key.")
    return ProgressAnswer.of(run)
