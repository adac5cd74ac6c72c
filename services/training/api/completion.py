"""Completion: the rules, scores of tests, and a result with its reasons."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from services.training.api.access import (
    find_class,
    require_class_officer,
    require_not_own,
    require_side,
    serves,
)
from services.training.api.attendance import Changed
from services.training.domain.attendance import PlaceUnknown
from services.training.domain.completion import CompletionRule, EnterScores, Lack, MakeRule, Result, assess
from services.training.domain.courses import CourseCode, require_province
from services.training.domain.explanations import explain_result, explain_rule
from services.training.handlers import completion as handlers
from services.training.store import attendance, rosters
from services.training.store import completion as store
from shared import families
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, page, read_cursor

router = APIRouter(prefix="/v1", tags=["training"])


class WordsView(BaseModel):
    """A text in both languages."""

    id: str
    en: str


class RuleView(BaseModel):
    """A version of a completion rule; without a course it is that of every course which has none of its own."""

    version: int
    course: str | None
    percent_min: int | None
    sessions_min: int | None
    last_required: bool
    score_min: int | None
    meaning: WordsView


class RuleSince(RuleView):
    """A rule, and since when classes are opened under it."""

    since: datetime


class RulePage(BaseModel):
    """Completion rules, the newest first."""

    items: list[RuleSince]
    next: str | None


class Word(BaseModel):
    """Something that was said or scanned about a day. `source`: list, sheet, officer, scan (an officer's decision on
    one); ticket, typed: a device.
    """

    day: date
    present: bool | None = Field(description="None: a scan that does not count (yet)")
    source: Literal["list", "sheet", "officer", "scan", "ticket", "typed"]
    at: datetime
    by: str | None = Field(description="Account or device; only officers of the class see it")
    because: str | None = Field(description="Of a scan that does not count: why")


class ScoreWord(BaseModel):
    """A score that was entered; none: taken back."""

    score: int | None
    at: datetime
    by: str | None


class ResultView(BaseModel):
    """A result and everything that it follows from. `result` is none before the class is finished."""

    class_id: UUID
    vendor_id: UUID
    course: str
    title: str
    result: Result | None
    rule: RuleView
    sessions_held: int
    sessions_attended: int
    sessions_needed: int
    missed: list[date]
    score: int | None
    lacks: list[Lack]
    explanation: WordsView
    history: list[Word]
    scores: list[ScoreWord]


class ScoresAnswer(Changed):
    """How many scores were entered; in a finished class also whose result changed."""

    entered: int


@router.get("/completion-rules", response_model=RulePage)
async def list_rules(
    edge: PublicEdgeDep,
    course: Annotated[
        CourseCode | None, Query(description="Only rules that classes of this course may have been opened under")
    ] = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """What has to be done to complete a class, every version there ever was: a class keeps the one of its opening."""
    key = read_cursor(after, int) if after is not None else None
    async with edge.read() as conn:
        rows = await store.list_rules(conn, course=course, after=key, limit=limit + 1)
    views = [RuleSince(**_rule(rule).model_dump(), since=since) for rule, since in rows]
    return page(views, limit, lambda view: view.version)


@router.post("/completion-rules", status_code=201, response_model=RuleView)
async def make_rule(edge: EdgeDep, command: MakeRule) -> Response:
    """Have classes opened from now on judged by a new rule; an officer of the province. Others keep theirs."""
    caller = edge.caller
    caller.require("officer")
    require_province(caller.area)

    async def act(conn: Connection) -> RuleView:
        return _rule(await handlers.make_rule(conn, command, made_by=caller.subject, now=edge.now))

    return await edge.once(act, status=201)


@router.post("/classes/{class_id}/scores", response_model=ScoresAnswer)
async def enter_scores(edge: EdgeDep, class_id: UUID, command: EnterScores) -> Response:
    """Enter or correct scores of a class's test, also after the class ended; none takes a score back."""
    caller = edge.caller
    caller.require("officer")

    async def act(conn: Connection) -> ScoresAnswer:
        await require_class_officer(conn, caller, class_id)
        await require_not_own(conn, caller, *(one.vendor_id for one in command.scores))
        events = await handlers.enter_scores(conn, class_id, command, entered_by=caller.subject, now=edge.now)
        return ScoresAnswer(entered=len(command.scores), **Changed.by(events))

    return await edge.once(act)


@router.get("/classes/{class_id}/results/{vendor_id}", response_model=ResultView)
async def explain(edge: EdgeDep, class_id: UUID, vendor_id: UUID) -> ResultView:
    """A vendor's result in a class: the rule, what it attended and what it lacks, and everything that was said about
    it. For the vendor itself, officers of where it lives, and officers of the class.
    """
    caller = edge.caller
    async with edge.read() as conn:
        a_class = await find_class(conn, class_id)
        inside = serves(caller, a_class.area)
        if not inside:
            await require_side(conn, caller, vendor_id)
        vendor_ids = await families.find_family(conn, vendor_id)
        places = [one for one in await rosters.find_roster(conn, class_id) if one.vendor_id in vendor_ids]
        if not places:
            raise PlaceUnknown("The vendor has no place in this class.", class_id=str(class_id))
        enrolment = places[0]
        rule = await store.find_rule(conn, a_class.rule)
        scores = await store.list_scores(conn, class_id, enrolment.vendor_id)
        history = await attendance.list_history(conn, class_id, enrolment.vendor_id)
    verdict = assess(rule, a_class.days, enrolment.attended, scores[-1]["score"] if scores else None)
    words = explain_result(rule, verdict, judged=enrolment.result is not None)
    return ResultView(
        class_id=class_id,
        vendor_id=enrolment.vendor_id,
        course=a_class.course,
        title=a_class.title,
        result=enrolment.result,
        rule=_rule(rule),
        sessions_held=verdict.held,
        sessions_attended=verdict.attended,
        sessions_needed=verdict.needed,
        missed=list(verdict.missed),
        score=verdict.score,
        lacks=list(verdict.lacks),
        explanation=WordsView(**words._asdict()),
        history=[Word(**{**one, "by": one["by"] if inside else None}) for one in history],
        scores=[ScoreWord(**{**one, "by": one["by"] if inside else None}) for one in scores],
    )


def _rule(rule: CompletionRule) -> RuleView:
    return RuleView(
        version=rule.version,
        course=rule.course,
        percent_min=rule.percent_min,
        sessions_min=rule.sessions_min,
        last_required=rule.last_required,
        score_min=rule.score_min,
        meaning=WordsView(**explain_rule(rule)._asdict()),
    )
