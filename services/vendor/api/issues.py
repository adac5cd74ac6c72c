"""The register of issues over HTTP, and its report."""

import csv
import io
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.vendor import areas
from services.vendor.api.access import officer_area, see_family
from services.vendor.api.texts import Day, Note
from services.vendor.domain.issues import Issue, IssueUnknown, Outcome, report_level
from services.vendor.handlers import issues as handlers
from services.vendor.store import issues as store
from services.vendor.store.issues import IssueFilter, IssueReportRow
from services.vendor.store.merging import find_family
from shared.db import Connection
from shared.errors import Forbidden
from shared.events.values import AgencyCode, AreaCode, CategoryCode
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, page, read_cursor

__all__ = ["router"]

VENDORS_MAX = 200

router = APIRouter(tags=["issues"])


class IssueBody(BaseModel):
    """A problem. A vendor leaves area and vendors out: it raises one of its own."""

    model_config = ConfigDict(extra="forbid")

    category: CategoryCode = Field(examples=["licensing"])
    text: Note
    area: AreaCode | None = None
    vendors: Annotated[list[UUID], Field(max_length=VENDORS_MAX)] = Field(default_factory=list)


class AssignBody(BaseModel):
    """The agency that owns the issue from now on."""

    model_config = ConfigDict(extra="forbid")

    owner: AgencyCode = Field(examples=["ppkukm"])
    note: Note | None = None


class CloseBody(BaseModel):
    """How the issue ended."""

    model_config = ConfigDict(extra="forbid")

    outcome: Outcome
    note: Note | None = None


class IssueStood(BaseModel):
    """How an issue stands now. Kept to be replayed: ids and codes alone."""

    issue_id: UUID
    state: Literal["open", "assigned", "closed"]
    owner: str | None
    outcome: Outcome | None


class IssueAnswer(IssueStood):
    """An issue. Its vendors are named to officers alone."""

    category: str
    text: str
    area: str
    raised_on: date
    raised_by_vendor: UUID | None
    closed_on: date | None
    vendors: list[UUID] | None


class IssueStepAnswer(BaseModel):
    """What became of it when."""

    state: str
    owner: str | None
    outcome: str | None
    at: datetime
    by: str | None
    note: str | None


class IssueDetail(IssueAnswer):
    """An issue with its history; notes, and who made them, are shown to officers alone."""

    history: list[IssueStepAnswer]


class IssuePage(BaseModel):
    """A page of issues."""

    items: list[IssueAnswer]
    next: str | None


class CategoryAnswer(BaseModel):
    """A category of issues."""

    code: str
    name_id: str
    name_en: str


class CategoryList(BaseModel):
    """The categories of the register."""

    items: list[CategoryAnswer]


class ReportRow(BaseModel):
    """Issues of one area and category; `median_days` from raised to closed, of the closed ones."""

    area: str
    area_name: str
    category: str
    open: int
    assigned: int
    closed: int
    median_days: float | None

    @classmethod
    def of(cls, row: IssueReportRow) -> "ReportRow":
        """From what was counted."""
        return cls(area_name=_area_name(row.area), **row._asdict())


class IssueReport(BaseModel):
    """Issues of an area by category and by its parts one level down; issues of the whole area stand under its code."""

    area: str
    rows: list[ReportRow]


@router.get("/v1/issue-categories")
async def list_categories(edge: PublicEdgeDep) -> CategoryList:
    """The categories of the register."""
    async with edge.read() as conn:
        known = await store.find_categories(conn)
    return CategoryList(items=[CategoryAnswer(**category._asdict()) for category in known])


@router.post("/v1/issues", status_code=201, responses={201: {"model": IssueStood}})
async def raise_issue(body: IssueBody, edge: EdgeDep) -> Response:
    """Raise a problem: an officer one of its area, a vendor one of its own."""
    caller = edge.caller
    within, area = "", body.area or ""
    if caller.has("officer"):
        within = officer_area(caller)
        area = area or within
        caller.require_area(area)
    else:
        caller.require("officer", "vendor")
        if caller.vendor_id is None:
            raise Forbidden("This token belongs to no registered vendor; register first.")
        if body.vendors or body.area:
            raise Forbidden("A vendor raises problems of its own; leave area and vendors out.")

    async def act(conn: Connection) -> dict[str, Any]:
        if caller.vendor_id is not None and not caller.has("officer"):
            own = (await find_family(conn, caller.vendor_id))[0]
            issue = await handlers.raise_own_issue(conn, own, body.category, body.text, by=caller.subject, now=edge.now)
        else:
            issue = await handlers.raise_issue(
                conn, body.category, body.text, area, body.vendors, by=caller.subject, now=edge.now, within=within
            )
        return _stood(issue)

    return await edge.once(act, status=201)


@router.post("/v1/issues/{issue_id}/assign", responses={200: {"model": IssueStood}})
async def assign_issue(issue_id: UUID, body: AssignBody, edge: EdgeDep) -> Response:
    """Let an agency own an issue of the officer's area."""
    within = officer_area(edge.caller)

    async def act(conn: Connection) -> dict[str, Any]:
        return _stood(
            await handlers.assign_issue(
                conn, issue_id, body.owner, body.note, by=edge.caller.subject, now=edge.now, within=within
            )
        )

    return await edge.once(act)


@router.post("/v1/issues/{issue_id}/close", responses={200: {"model": IssueStood}})
async def close_issue(issue_id: UUID, body: CloseBody, edge: EdgeDep) -> Response:
    """Close an issue of the officer's area."""
    within = officer_area(edge.caller)

    async def act(conn: Connection) -> dict[str, Any]:
        return _stood(
            await handlers.close_issue(
                conn, issue_id, body.outcome, body.note, by=edge.caller.subject, now=edge.now, within=within
            )
        )

    return await edge.once(act)


@router.get("/v1/issues")
async def list_issues(
    edge: EdgeDep,
    area: AreaCode | None = None,
    category: CategoryCode | None = None,
    state: Literal["open", "assigned", "closed"] | None = None,
    owner: AgencyCode | None = None,
    vendor_id: UUID | None = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> IssuePage:
    """Issues of the officer's area, in the order they were raised."""
    own = officer_area(edge.caller)
    if area is not None:
        edge.caller.require_area(area)
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        about = None if vendor_id is None else await see_family(conn, edge.caller, vendor_id)
        wanted = IssueFilter(area or own, category, state, owner, about)
        rows = await store.find_issues(conn, wanted, last, limit + 1)
        found: dict[str, Any] = page(rows, limit, lambda issue: issue.issue_id)
        vendors = await store.find_issue_vendors(conn, [issue.issue_id for issue in found["items"]])
    items = [IssueAnswer(**_shown(issue, vendors[issue.issue_id])) for issue in found["items"]]
    return IssuePage(items=items, next=found["next"])


@router.get("/v1/vendors/{vendor_id}/issues")
async def list_own_issues(
    vendor_id: UUID, edge: EdgeDep, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> IssuePage:
    """Issues that this vendor raised itself, oldest first."""
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        family = await see_family(conn, edge.caller, vendor_id)
        rows = await store.find_raised_by(conn, family, last, limit + 1)
    found: dict[str, Any] = page(rows, limit, lambda issue: issue.issue_id)
    return IssuePage(items=[IssueAnswer(**_shown(issue, None)) for issue in found["items"]], next=found["next"])


@router.get("/v1/issues/{issue_id}")
async def get_issue(issue_id: UUID, edge: EdgeDep) -> IssueDetail:
    """One issue with its history: of the officer's area, or raised by the vendor itself."""
    caller = edge.caller
    caller.require("officer", "vendor")
    async with edge.read() as conn:
        issue = await store.find_issue(conn, issue_id)
        if issue is None:
            raise IssueUnknown(issue_id)
        raised = caller.vendor_id is not None and issue.raised_by_vendor in await find_family(conn, caller.vendor_id)
        officer = caller.has("officer") and areas.contains(officer_area(caller), issue.area)
        if not raised and not officer:
            raise IssueUnknown(issue_id)
        vendors = (await store.find_issue_vendors(conn, [issue_id]))[issue_id]
        steps = await store.find_steps(conn, issue_id)
    history = [
        IssueStepAnswer(
            state=step.state,
            owner=step.owner,
            outcome=step.outcome,
            at=step.at,
            by=step.by if officer else None,
            note=step.note if officer else None,
        )
        for step in steps
    ]
    return IssueDetail(history=history, **_shown(issue, vendors if officer else None))


RaisedFrom = Annotated[Day | None, Query(alias="from", description="Raised on this day or later")]
RaisedUntil = Annotated[Day | None, Query(alias="until", description="Raised on this day or earlier")]


@router.get("/v1/reports/issues")
async def report_issues(
    edge: EdgeDep, area: AreaCode | None = None, raised_from: RaisedFrom = None, raised_until: RaisedUntil = None
) -> IssueReport:
    """Issues by area and category: how many stand where, and how long they took."""
    asked = officer_area(edge.caller) if area is None else area
    officer_area(edge.caller)
    edge.caller.require_area(asked)
    async with edge.read() as conn:
        rows = await store.report_issues(conn, asked, report_level(asked), raised_from, raised_until)
    return IssueReport(area=asked, rows=[ReportRow.of(row) for row in rows])


@router.get("/v1/reports/issues.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
async def report_issues_csv(
    edge: EdgeDep, area: AreaCode | None = None, raised_from: RaisedFrom = None, raised_until: RaisedUntil = None
) -> Response:
    """The same report as a sheet. Its cells are codes, names of areas and numbers: none begins a formula."""
    report = await report_issues(edge, area, raised_from, raised_until)
    sheet = io.StringIO()
    writer = csv.DictWriter(sheet, list(ReportRow.model_fields), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(row.model_dump() for row in report.rows)
    return Response(
        sheet.getvalue(),
        media_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="issues.csv"'},
    )


def _area_name(code: str) -> str:
    return "DKI Jakarta" if code == areas.PROVINCE else areas.areas().get(code, code)


def _stood(issue: Issue) -> dict[str, Any]:
    return {"issue_id": issue.issue_id, "state": issue.state, "owner": issue.owner, "outcome": issue.outcome}


def _shown(issue: Issue, vendors: list[UUID] | None) -> dict[str, Any]:
    return {
        **_stood(issue),
        "category": issue.category,
        "text": issue.text,
        "area": issue.area,
        "raised_on": issue.raised_on,
        "raised_by_vendor": issue.raised_by_vendor,
        "closed_on": issue.closed_on,
        "vendors": vendors,
    }
