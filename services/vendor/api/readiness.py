"""How the criteria of export readiness weigh: everyone's to read; officers of the province add versions."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.vendor.api.access import require_province
from services.vendor.api.texts import Day
from services.vendor.domain.readiness import WHOLE, Weighting, proposes, score
from services.vendor.handlers import readiness as handlers
from services.vendor.store import readiness as store
from services.vendor.store.invitations import find_criteria
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.values import CategoryCode
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, page, read_cursor

__all__ = ["router"]

CRITERIA_MAX = 50

router = APIRouter(tags=["export and exhibitions"])

Weight = Annotated[int, Field(strict=True, ge=0, le=WHOLE)]
Version = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]


class WeightingBody(BaseModel):
    """The next version of the weighting; the weights are 100 in all, a criterion left out counts nothing."""

    model_config = ConfigDict(extra="forbid")

    version: Version = Field(description="The version that follows the last one")
    effective_on: Day = Field(description="From which day it holds, Asia/Jakarta; today at the earliest")
    weights: Annotated[dict[CategoryCode, Weight], Field(min_length=1, max_length=CRITERIA_MAX)]
    ready_from: int = Field(strict=True, ge=1, le=WHOLE, description="From this score on readiness is proposed")


class WeightingAnswer(BaseModel):
    """A version of the weighting."""

    version: int
    effective_on: date
    weights: dict[str, int]
    ready_from: int


class WeightingPage(BaseModel):
    """A page of versions."""

    items: list[WeightingAnswer]
    next: str | None


class AddedAnswer(BaseModel):
    """A version that was added."""

    version: int


class ScoreAnswer(BaseModel):
    """What these criteria score today, and whether readiness is proposed; the officer decides."""

    score: int
    ready_proposed: bool
    weighting: int
    ready_from: int


@router.get("/v1/export-weightings")
async def list_weightings(edge: PublicEdgeDep, after: After = None, limit: Limit = LIMIT_DEFAULT) -> WeightingPage:
    """Every version of how the criteria weigh. In force is the highest one whose day has come."""
    last = 0 if after is None else read_cursor(after, Version)
    async with edge.read() as conn:
        found = await store.find_weightings(conn, last, limit + 1)
    shown: dict[str, Any] = page(found, limit, lambda one: one.version)
    return WeightingPage(items=[_shown(one) for one in shown["items"]], next=shown["next"])


@router.post("/v1/export-weightings", status_code=201, responses={201: {"model": AddedAnswer}})
async def add_weighting(body: WeightingBody, edge: EdgeDep) -> Response:
    """Add the next version: an officer of the whole province, or an operator. Assessments keep their score."""
    require_province(edge.caller)

    async def act(conn: Connection) -> dict[str, Any]:
        weighting = Weighting(body.version, body.effective_on, body.weights, body.ready_from)
        await handlers.add_weighting(conn, weighting, made_by=edge.caller.subject, now=edge.now)
        return {"version": body.version}

    return await edge.once(act, status=201)


@router.get("/v1/export-criteria/score")
async def get_score(
    edge: PublicEdgeDep,
    met: Annotated[
        list[CategoryCode] | None, Query(max_length=CRITERIA_MAX, description="Criteria that are met")
    ] = None,
) -> ScoreAnswer:
    """What an assessment with these criteria would score today; nothing is stored."""
    async with edge.read() as conn:
        weighting = await store.find_weighting(conn, day_in_jakarta(edge.now))
        known = [criterion.code for criterion in await find_criteria(conn)]
    reached = score(weighting, met or [], known)
    return ScoreAnswer(
        score=reached,
        ready_proposed=proposes(weighting, reached),
        weighting=weighting.version,
        ready_from=weighting.ready_from,
    )


def _shown(weighting: Weighting) -> WeightingAnswer:
    return WeightingAnswer(
        version=weighting.version,
        effective_on=weighting.effective_on,
        weights=dict(weighting.weights),
        ready_from=weighting.ready_from,
    )
