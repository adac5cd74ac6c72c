"""Criteria of graduation: everyone's to read; officers of the province add versions, and try them out before."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.training.domain.criteria import AddCriteria, Criteria, CriteriaDocument, CriteriaName, code_of
from services.training.domain.criteria_texts import explain_condition
from services.training.handlers import criteria as handlers
from services.training.store import criteria as store
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.errors import Forbidden
from shared.events.values import AreaCode
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, page, read_cursor

router = APIRouter(prefix="/v1/graduation", tags=["graduation"])

PROVINCE = "31"
READS_ONLY = {"x-reads-only": True}
"""A POST because criteria are a document; it changes nothing and needs no Idempotency-Key."""


class VersionAnswer(BaseModel):
    """A version that was added."""

    name: str
    version: int


class ConditionView(BaseModel):
    """What has to hold: as it is stored, and in words."""

    code: str
    condition: dict[str, Any]
    text: dict[str, str] = Field(description="id and en")


class CriteriaView(BaseModel):
    """A version of criteria."""

    name: str
    version: int
    effective_on: date
    title: dict[str, str]
    months: int
    late_months: int
    conditions: list[ConditionView]

    @classmethod
    def of(cls, criteria: Criteria) -> "CriteriaView":
        """From what is stored."""
        document = criteria.document
        return cls(
            name=criteria.name,
            version=criteria.version,
            effective_on=criteria.effective_on,
            title={"id": criteria.title_id, "en": criteria.title_en},
            months=document.months,
            late_months=document.late_months,
            conditions=[
                ConditionView(
                    code=code_of(one), condition=one.model_dump(mode="json"), text=explain_condition(one, document)
                )
                for one in document.conditions
            ],
        )


class CriteriaPage(BaseModel):
    """Versions of criteria."""

    items: list[CriteriaView]
    next: str | None


class Draft(BaseModel):
    """Criteria to try out in an area (the officer's own unless named)."""

    model_config = ConfigDict(extra="forbid")

    document: CriteriaDocument
    area: AreaCode | None = None


class PreviewAnswer(BaseModel):
    """Of the people of the area with figures lately enough: how many would be candidates today, and at which conditions
    the others fail; one may fail at several.
    """

    area: str
    people: int
    met: int
    failed: dict[str, int]


@router.get("/criteria", response_model=CriteriaPage)
async def list_criteria(
    edge: PublicEdgeDep,
    name: Annotated[CriteriaName | None, Query()] = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Every version of all criteria, or of one name. In force is the highest one whose day has come."""
    key = read_cursor(after, tuple[CriteriaName, Annotated[int, Field(ge=0, lt=2**31)]]) if after else None
    async with edge.read() as conn:
        found = await store.list_criteria(conn, name, key, limit + 1)
    shown = page(found, limit, lambda one: (one.name, one.version))
    return {**shown, "items": [CriteriaView.of(one) for one in shown["items"]]}


@router.post("/criteria", status_code=201, response_model=VersionAnswer)
async def add_criteria(edge: EdgeDep, command: AddCriteria) -> Response:
    """Add the next version: an officer of the whole province. Versions never change; what stands keeps its own."""
    edge.caller.require("officer")
    edge.caller.require_area(PROVINCE)

    async def act(conn: Connection) -> VersionAnswer:
        await handlers.add_criteria(conn, command, made_by=edge.caller.subject, now=edge.now)
        return VersionAnswer(name=command.name, version=command.version)

    return await edge.once(act, status=201)


@router.post("/criteria/preview", response_model=PreviewAnswer, openapi_extra=READS_ONLY)
async def preview_criteria(edge: EdgeDep, draft: Draft) -> PreviewAnswer:
    """How many of an officer's area would be candidates by these criteria today. Nothing is stored or decided by it."""
    caller = edge.caller
    caller.require("officer")
    if caller.area is None:
        raise Forbidden("This token names no area; an officer answers for one.")
    area = draft.area or caller.area
    caller.require_area(area)
    async with edge.read() as conn:
        found = await handlers.foresee(conn, draft.document, area, today=day_in_jakarta(edge.now))
    return PreviewAnswer(area=area, people=found.people, met=found.met, failed=found.failed)
