"""Sales files of marketplaces over HTTP."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, UploadFile
from pydantic_core import from_json, to_json

from services.bazaar.api.access import require_organiser
from services.bazaar.domain.order_lines import MarketplaceUnknown
from services.bazaar.domain.storefronts import Shop
from services.bazaar.handlers import order_lines as handlers
from services.bazaar.handlers.order_lines import Imported
from services.bazaar.marketplaces import Marketplace, marketplaces
from services.bazaar.sales_files import mended_file, read_sales_file
from services.bazaar.store import order_lines as store
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, large_body, page, read_cursor, replayed
from shared.ids import new_id

router = APIRouter(prefix="/v1/bazaars/{bazaar_id}/marketplace-sales", tags=["marketplace"])

FILE_BYTES_MAX = 32 * 1024 * 1024


@router.post("/import", responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}})
@large_body(FILE_BYTES_MAX)
async def import_sales(
    edge: EdgeDep,
    request: Request,
    bazaar_id: UUID,
    file: UploadFile,
    marketplace: Annotated[str, Query(max_length=40, description="Its code, see /v1/marketplaces")],
    shop: Annotated[Shop | None, Query(description="Whose file it is, where no column names the shop")] = None,
    dry_run: Annotated[bool, Query(description="Report what would happen, and change nothing")] = False,
) -> Response:
    """Take a marketplace's sales file (CSV): each order line once, however often it comes; one that is cancelled or
    returned in a later file counts no more. The report names every line that was not taken, why, and how to mend it.

    With `Accept: text/csv` the answer is those lines themselves, in full as they were sent: nothing of buyers is kept.
    """
    async with edge.read() as conn:  # nobody else has a file of 32 MB read
        await require_organiser(conn, edge.caller, bazaar_id)
    market = _marketplace(marketplace)
    # before the transaction: a long file takes a second
    content = await file.read()
    await file.seek(0)
    read = await asyncio.to_thread(read_sales_file, content, marketplace, market)
    done: list[Imported] = []

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        import_id = new_id()
        if dry_run:
            found = await handlers.preview_import(conn, bazaar_id, marketplace, shop, read, now=edge.now)
        else:
            found = await handlers.import_sales(
                conn, bazaar_id, marketplace, shop, read, import_id=import_id, now=edge.now
            )
        done.append(found)
        return {
            "import_id": None if dry_run else import_id,
            "dry_run": dry_run,
            "lines": len(read.lines) + len(read.faults),
            "added": found.changes.added,
            "changed": found.changes.changed,
            "unchanged": found.changes.unchanged,
            "ignored": found.assessed.ignored,
            "days": found.days,
        }

    answered = await edge.once(act)
    if replayed(answered):
        # the same request again: its figures were kept, its rejected lines are found anew
        async with edge.read() as conn:
            done = [await handlers.preview_import(conn, bazaar_id, marketplace, shop, read, now=edge.now)]
    faults = done[0].assessed.faults
    headers = {name: value for name, value in answered.headers.items() if name.startswith("idempotency")}
    if "text/csv" in request.headers.get("accept", ""):
        csv = await asyncio.to_thread(mended_file, content, market, faults)
        headers |= {"Content-Disposition": 'attachment; filename="rejected.csv"', "X-Content-Type-Options": "nosniff"}
        return Response("\ufeff" + csv, media_type="text/csv", headers=headers)
    report = {**from_json(bytes(answered.body)), "rejected": [fault._asdict() for fault in faults]}
    return Response(to_json(report), media_type="application/json", headers=headers)


@router.get("/imports")
async def list_imports(
    edge: EdgeDep, bazaar_id: UUID, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> dict[str, Any]:
    """What was imported so far, in figures; for officers of the bazaar."""
    key = read_cursor(after, UUID) if after else UUID(int=0)
    async with edge.read() as conn:
        await require_organiser(conn, edge.caller, bazaar_id)
        rows = await store.list_imports(conn, bazaar_id, key, limit)
    return page(rows, limit, lambda row: row["import_id"])


def _marketplace(code: str) -> Marketplace:
    known = marketplaces()
    if code not in known:
        raise MarketplaceUnknown(
            f"No marketplace has the code {code!r}; there are {', '.join(sorted(known))}.", marketplaces=sorted(known)
        )
    return known[code]
