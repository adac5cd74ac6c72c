"""Indicators over HTTP: entered and corrected by month, odd ones asked about, the size of a business, statistics."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from services.vendor import areas
from services.vendor.api.access import officer_area, require_reach, see_vendor
from services.vendor.domain.indicators import (
    AMOUNT_RUPIAH_MAX,
    GROUP_VENDORS_MIN,
    WORKERS_MAX,
    EnteredBy,
    Figures,
    LevelTooFine,
    Report,
    check_period,
)
from services.vendor.figures import SHEET_BYTES_MAX, FiguresSheetRefused, read_figures
from services.vendor.handlers import indicators as handlers
from services.vendor.handlers.indicators import RowOutcome
from services.vendor.store import indicators as store
from services.vendor.store.indicators import Group, StatisticsFilter
from services.vendor.store.merging import find_family
from shared import outbox
from shared.auth import Caller, OutsideArea
from shared.db import Connection
from shared.errors import Forbidden
from shared.events.values import AreaCode, CategoryCode
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, large_body, page, read_cursor

__all__ = ["router"]

router = APIRouter(tags=["indicators"])

MONTH_PATTERN = r"^[12][0-9]{3}-(0[1-9]|1[0-2])$"
Rupiah = Annotated[int, Field(strict=True, ge=0, le=AMOUNT_RUPIAH_MAX)]
Workers = Annotated[int, Field(strict=True, ge=0, le=WORKERS_MAX)]
MonthPath = Annotated[str, Path(pattern=MONTH_PATTERN, examples=["2023-02"])]
MonthQuery = Annotated[str, Query(pattern=MONTH_PATTERN, examples=["2023-02"])]
CODE_CHARACTERS: dict[str, Literal[5, 8, 13]] = {"city": 5, "kecamatan": 8, "kelurahan": 13}


class FiguresBody(BaseModel):
    """The figures of a month. What is left out is not known; it takes nothing over from an earlier report."""

    model_config = ConfigDict(extra="forbid")

    turnover_rupiah: Rupiah | None = Field(default=None, examples=[4500000])
    assets_rupiah: Rupiah | None = Field(default=None, examples=[12000000])
    workers: Workers | None = Field(default=None, examples=[2])

    def figures(self) -> Figures:
        """As the handler takes them."""
        return Figures(self.turnover_rupiah, self.assets_rupiah, self.workers)


class ReportBody(FiguresBody):
    """The figures of a month, and which."""

    month: str = Field(pattern=MONTH_PATTERN, examples=["2023-02"])
    entered_by: Literal["mentor", "officer"] | None = Field(
        default=None, description="An officer who enters what a mentor collected says so"
    )


class QueryAnswer(BaseModel):
    """Why a figure looked odd; `usual` is the median of the months before, where enough are known."""

    measure: str
    code: str = Field(description="far-from-usual, unit-mistake, fell-to-zero, too-large or too-small")
    usual: int | None


class ReportedAnswer(BaseModel):
    """What became of a report: it counts, and these measures were queried."""

    report_id: UUID
    queried: dict[str, str] = Field(description="Measure -> code")

    @classmethod
    def of(cls, report: Report) -> "ReportedAnswer":
        """From the report."""
        return cls(report_id=report.report_id, queried={query.measure: query.code for query in report.queries})


class ReportAnswer(BaseModel):
    """A report; `replaced_at` when a later one of its month counts. Of a mentor's visit: which, and when its word
    was taken back because it was struck or corrected.
    """

    report_id: UUID
    vendor_id: UUID
    month: str
    turnover_rupiah: int | None
    assets_rupiah: int | None
    workers: int | None
    entered_by: EnteredBy
    entered_at: datetime
    queries: list[QueryAnswer]
    query_state: str | None
    answered_at: datetime | None
    replaced_at: datetime | None
    visit_id: UUID | None
    taken_back_at: datetime | None

    @classmethod
    def of(cls, report: Report) -> "ReportAnswer":
        """From what is stored."""
        return cls(
            report_id=report.report_id,
            vendor_id=report.vendor_id,
            month=f"{report.month:%Y-%m}",
            **report.figures._asdict(),
            entered_by=report.entered_by,
            entered_at=report.entered_at,
            queries=[QueryAnswer(**query._asdict()) for query in report.queries],
            query_state=report.query_state,
            answered_at=report.answered_at,
            replaced_at=report.replaced_at,
            visit_id=report.visit_id,
            taken_back_at=report.taken_back_at,
        )


class ReportPage(BaseModel):
    """A page of reports."""

    items: list[ReportAnswer]
    next: str | None


class SizeAnswer(BaseModel):
    """The size of a business; of an incomplete year it is the least it can be."""

    size: Literal["mikro", "kecil", "menengah", "besar"] | None
    turnover_rupiah: int
    months_known: int
    complete: bool
    until: str
    source: str


class GroupAnswer(BaseModel):
    """Figures of a part of the area, a category and a month; a measure that fewer than five gave is left out."""

    area: str
    category: str | None
    month: str
    vendors: int
    turnover_sum: int | None
    turnover_median: int | None
    assets_sum: int | None
    assets_median: int | None
    workers_sum: int | None
    workers_median: int | None

    @classmethod
    def of(cls, group: Group) -> "GroupAnswer":
        """From the statistics."""
        return cls(**{**group._asdict(), "month": f"{group.month:%Y-%m}"})


class StatisticsAnswer(BaseModel):
    """Statistics; groups of fewer than `vendors_min` vendors are not shown."""

    vendors_min: int
    groups: list[GroupAnswer]


def _first_of(month: str) -> date:
    return date.fromisoformat(f"{month}-01")


def _entered_by(caller: Caller, vendor_id: UUID, said: Literal["mentor", "officer"] | None) -> EnteredBy:
    """Who enters: the vendor, another service for a mentor, or an officer, who may do so for a mentor."""
    itself = caller.has("vendor") and caller.vendor_id == vendor_id
    if caller.has("officer") and not itself:
        return said or "officer"
    who: EnteredBy = "vendor" if itself else "mentor"
    if said is not None and said != who:
        raise Forbidden(f"Figures from this caller are entered by the {who}; leave entered_by out.")
    return who


@router.post("/v1/vendors/{vendor_id}/indicators", status_code=201, responses={201: {"model": ReportedAnswer}})
async def report_indicators(vendor_id: UUID, body: ReportBody, edge: EdgeDep) -> Response:
    """Enter or correct the figures of a month: the vendor, its mentor (a service), or an officer of its area."""
    within = require_reach(edge.caller, vendor_id, service=True)
    entered_by = _entered_by(edge.caller, vendor_id, body.entered_by)

    async def act(conn: Connection) -> BaseModel:
        report = await handlers.report_indicators(
            conn,
            vendor_id,
            _first_of(body.month),
            body.figures(),
            entered_by=entered_by,
            subject=edge.caller.subject,
            now=edge.now,
            within=within,
        )
        return ReportedAnswer.of(report)

    return await edge.once(act, status=201)


@router.get("/v1/vendors/{vendor_id}/indicators")
async def list_indicators(
    vendor_id: UUID, edge: EdgeDep, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> ReportPage:
    """The report that counts of each month, the latest month first."""
    last = None if after is None else read_cursor(after, date)
    async with edge.read() as conn:
        await see_vendor(conn, edge.caller, vendor_id, service=True)
        rows = await store.find_counted(conn, await find_family(conn, vendor_id), last, limit + 1)
    return _page(page(rows, limit, lambda report: report.month))


@router.get("/v1/vendors/{vendor_id}/indicators/{month}")
async def list_reports(
    vendor_id: UUID, month: MonthPath, edge: EdgeDep, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> ReportPage:
    """Every report of a month, the latest first: what was corrected stays to be seen."""
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        await see_vendor(conn, edge.caller, vendor_id, service=True)
        rows = await store.find_history(conn, await find_family(conn, vendor_id), _first_of(month), last, limit + 1)
    return _page(page(rows, limit, lambda report: report.report_id))


@router.get("/v1/vendors/{vendor_id}/size")
async def get_size(vendor_id: UUID, edge: EdgeDep) -> SizeAnswer:
    """Whether the business is mikro, kecil or menengah by its turnover of the last twelve months (PP 7/2021)."""
    async with edge.read() as conn:
        await see_vendor(conn, edge.caller, vendor_id, service=True)
        until, size = await handlers.classify_vendor(conn, vendor_id, edge.now)
    return SizeAnswer(
        size=size.name,
        turnover_rupiah=size.turnover_rupiah,
        months_known=size.months_known,
        complete=size.complete,
        until=f"{until:%Y-%m}",
        source=size.source,
    )


class FaultAnswer(BaseModel):
    """What is wrong with a field of a row, and how to mend it; without the value."""

    field: str
    code: str
    reason: str
    fix: str


class RejectedRow(BaseModel):
    """A row that was not taken."""

    line: int
    problems: list[FaultAnswer]


class QueriedRow(ReportedAnswer):
    """A row that was taken and looks odd."""

    line: int


class SheetReport(BaseModel):
    """What became of a sheet: `rows` = `taken` + the rejected."""

    dry_run: bool
    rows: int
    taken: int
    queried: list[QueriedRow]
    rejected: list[RejectedRow]

    @classmethod
    def of(cls, outcomes: Sequence[RowOutcome], *, dry_run: bool) -> "SheetReport":
        """From the outcome of each row."""
        taken = [(one.line, one.report) for one in outcomes if one.report is not None]
        return cls(
            dry_run=dry_run,
            rows=len(outcomes),
            taken=len(taken),
            queried=[
                QueriedRow(line=line, **ReportedAnswer.of(report).model_dump())
                for line, report in taken
                if report.query_state == "open"
            ],
            rejected=[
                RejectedRow(line=one.line, problems=[FaultAnswer(**problem._asdict()) for problem in one.problems])
                for one in outcomes
                if one.report is None
            ],
        )


@router.post("/v1/indicators/import", responses={200: {"model": SheetReport}})
@large_body(SHEET_BYTES_MAX + 64 * 1024)
async def import_indicators(
    edge: EdgeDep,
    file: UploadFile,
    dry_run: Annotated[bool, Query(description="Report what would happen, and enter nothing")] = False,
    entered_by: Annotated[Literal["mentor", "officer"], Query(description="Who collected the figures")] = "officer",
) -> Response:
    """Enter a CSV sheet of figures, all rows that can be: vendor_id, month, turnover, assets, workers. By an officer.

    The same row again changes nothing, so a sheet may be mended and sent once more.
    """
    within = officer_area(edge.caller)

    async def act(conn: Connection) -> BaseModel:
        content = await file.read(SHEET_BYTES_MAX + 1)
        if len(content) > SHEET_BYTES_MAX:
            raise FiguresSheetRefused("The sheet has more than 1 MiB; send it in parts.", bytes_max=SHEET_BYTES_MAX)
        rows = await asyncio.to_thread(read_figures, content)
        async with outbox.attempt(conn, keep=not dry_run):
            outcomes = await handlers.report_sheet(
                conn, rows, entered_by=entered_by, subject=edge.caller.subject, now=edge.now, within=within
            )
        return SheetReport.of(outcomes, dry_run=dry_run)

    return await edge.once(act)


# ---- what looked odd


@router.get("/v1/indicators/queries")
async def list_queries(
    edge: EdgeDep, area: AreaCode | None = None, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> ReportPage:
    """Reports of the officer's area that look odd and wait for a word, the oldest first."""
    own = officer_area(edge.caller)
    if area is not None:
        edge.caller.require_area(area)
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        rows = await store.find_queries(conn, area or own, last, limit + 1)
    return _page(page(rows, limit, lambda report: report.report_id))


@router.post("/v1/indicators/{report_id}/confirm", responses={200: {"model": ReportedAnswer}})
async def confirm_report(report_id: UUID, edge: EdgeDep) -> Response:
    """The odd figures are right: an officer of the area asked."""
    within = officer_area(edge.caller)

    async def act(conn: Connection) -> dict[str, Any]:
        await handlers.confirm_report(conn, report_id, subject=edge.caller.subject, now=edge.now, within=within)
        return {"report_id": report_id, "queried": {}}

    return await edge.once(act)


@router.post("/v1/indicators/{report_id}/correct", status_code=201, responses={201: {"model": ReportedAnswer}})
async def correct_report(report_id: UUID, body: FiguresBody, edge: EdgeDep) -> Response:
    """The odd figures were wrong and these are right: an officer of the area asked. They are not queried again."""
    within = officer_area(edge.caller)

    async def act(conn: Connection) -> BaseModel:
        report = await handlers.correct_report(
            conn, report_id, body.figures(), subject=edge.caller.subject, now=edge.now, within=within
        )
        return ReportedAnswer.of(report)

    return await edge.once(act, status=201)


# ---- statistics


@router.get("/v1/indicators/statistics")
async def get_statistics(
    edge: EdgeDep,
    first: MonthQuery,
    last: MonthQuery,
    area: AreaCode | None = None,
    by: Literal["city", "kecamatan", "kelurahan"] | None = None,
    category: CategoryCode | None = None,
) -> StatisticsAnswer:
    """Counts, sums and medians by part of the area, category and month, at most twelve months at once.

    For officers of the area (by kecamatan where nothing is said). Groups of fewer than five vendors are not shown.
    Services and operators ask by city alone: between two levels, what one hides could be found by subtraction.
    """
    edge.caller.require("officer", "service", "operator")
    own = officer_area(edge.caller) if edge.caller.has("officer") else edge.caller.area or areas.PROVINCE
    if area is not None and not areas.contains(own, area):
        raise OutsideArea(f"{area} is outside the area {own} of this token.", area=own, code_wanted=area)
    check_period(_first_of(first), _first_of(last))
    if not edge.caller.has("officer") and by not in (None, "city"):
        raise LevelTooFine
    level = by or ("kecamatan" if edge.caller.has("officer") else "city")
    wanted = StatisticsFilter(area or own, CODE_CHARACTERS[level], _first_of(first), _first_of(last), category)
    async with edge.read() as conn:
        groups = await store.find_statistics(conn, wanted, GROUP_VENDORS_MIN)
    return StatisticsAnswer(vendors_min=GROUP_VENDORS_MIN, groups=[GroupAnswer.of(group) for group in groups])


def _page(found: dict[str, Any]) -> ReportPage:
    items: Sequence[Report] = found["items"]
    return ReportPage(items=[ReportAnswer.of(report) for report in items], next=found["next"])
