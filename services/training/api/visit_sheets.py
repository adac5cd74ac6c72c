"""Sheets of visits over HTTP: an empty one to fill in without a network, and its rows logged, each once."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, UploadFile
from pydantic import BaseModel, Field
from pydantic_core import from_json

from services.training.api.access import find_own_mentor
from services.training.api.mentors import officer_area
from services.training.handlers import visit_sheets as handlers
from services.training.handlers.visit_sheets import RowOutcome, Sender
from services.training.store import reach
from services.training.visit_sheets import (
    SHEET_BYTES_MAX,
    VisitSheetRefused,
    read_visits,
    rejected_rows,
    shown,
    template,
)
from shared import families, outbox
from shared.db import Connection
from shared.http import Edge, EdgeDep, large_body

router = APIRouter(prefix="/v1/visits", tags=["visits"])

HEADERS = {"X-Content-Type-Options": "nosniff"}


class RowProblem(BaseModel):
    """What is wrong with a field of a row, and how to mend it. Of a value only what tells of nobody."""

    field: str
    value: str
    code: str
    reason: str
    fix: str


class RejectedRow(BaseModel):
    """A row that was not taken; `visit_id` where a visit that says something else is there already."""

    line: int
    visit_id: UUID | None
    problems: list[RowProblem]


class SheetReport(BaseModel):
    """What became of a sheet: `rows` = `logged` + `already` + the rejected."""

    dry_run: bool
    rows: int
    logged: int
    already: int = Field(description="Rows whose visit was in the log before, as they tell it")
    rejected: list[RejectedRow]

    @classmethod
    def of(cls, outcomes: Sequence[RowOutcome], *, dry_run: bool) -> "SheetReport":
        """From the outcome of each row."""
        return cls(
            dry_run=dry_run,
            rows=len(outcomes),
            logged=sum(1 for one in outcomes if not one.problems and not one.already),
            already=sum(1 for one in outcomes if one.already),
            rejected=[
                RejectedRow(
                    line=one.row.line,
                    visit_id=one.visit_id,
                    problems=[
                        RowProblem(
                            value=shown(problem.field, one.row.cells.get(problem.field, "")), **problem._asdict()
                        )
                        for problem in one.problems
                    ],
                )
                for one in outcomes
                if one.problems
            ],
        )


@router.get("/template.csv", responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}})
async def get_template(edge: EdgeDep) -> Response:
    """An empty sheet to fill in without a network; for a mentor with a row for each vendor it has."""
    edge.caller.require("mentor", "officer")
    held: list[tuple[UUID, str]] = []
    if not edge.caller.has("officer"):
        async with edge.read() as conn:
            mentor = await find_own_mentor(conn, edge.caller)
            held = await reach.find_homes_of(conn, mentor.mentor_id)
    headers = {**HEADERS, "Content-Disposition": 'attachment; filename="kunjungan.csv"'}
    return Response(f"\ufeff{template(held)}", media_type="text/csv; charset=utf-8", headers=headers)


@router.post(
    "/import",
    response_model=SheetReport,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
@large_body(SHEET_BYTES_MAX + 64 * 1024)
async def import_visits(
    edge: EdgeDep,
    request: Request,
    file: UploadFile,
    dry_run: Annotated[bool, Query(description="Report what would happen, and log nothing")] = False,
    mentor_id: Annotated[
        UUID | None, Query(description="An officer says whose sheet it is, where its rows do not")
    ] = None,
) -> Response:
    """Log a CSV sheet of visits, all rows that can be, at most 2,000: a mentor its own, an officer for mentors.

    A visit that is in the log already counts once, so a sheet may be sent again, or mended and sent. With
    `Accept: text/csv` the answer is the rejected rows themselves, in full, with what is wrong beside each.
    """
    edge.caller.require("mentor", "officer")
    content = await file.read(SHEET_BYTES_MAX + 1)
    if len(content) > SHEET_BYTES_MAX:
        raise VisitSheetRefused("The sheet has more than 4 MiB; send it in parts.", bytes_max=SHEET_BYTES_MAX)
    rows = await asyncio.to_thread(read_visits, content)
    await file.seek(0)

    async def act(conn: Connection) -> BaseModel:
        sender = await _sender(conn, edge, mentor_id)
        async with outbox.attempt(conn, keep=not dry_run):
            outcomes = await handlers.log_sheet(conn, rows, sender, sealer=edge.platform.sealer, now=edge.now)
        return SheetReport.of(outcomes, dry_run=dry_run)

    answer = await edge.once(act)
    if "text/csv" not in request.headers.get("accept", ""):
        return answer
    report: dict[str, Any] = from_json(bytes(answer.body))
    rejected = {row["line"]: row["problems"] for row in report["rejected"]}
    text = await asyncio.to_thread(rejected_rows, content, rejected)
    headers = {**HEADERS, "Content-Disposition": 'attachment; filename="rejected.csv"'}
    return Response(f"\ufeff{text}", media_type="text/csv; charset=utf-8", headers=headers)


async def _sender(conn: Connection, edge: Edge, mentor_id: UUID | None) -> Sender:
    caller = edge.caller
    if caller.has("officer"):
        own = [] if caller.vendor_id is None else await families.find_family(conn, caller.vendor_id)
        return Sender(caller.subject, mentor_id, officer_area(caller), own)
    mentor = await find_own_mentor(conn, caller)
    return Sender(caller.subject, mentor.mentor_id)
