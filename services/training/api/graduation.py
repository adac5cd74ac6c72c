"""Candidates for graduation: listed with evidence, decided by officers, objected to by vendors; how far a vendor is."""

import json
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from services.training.api.access import require_not_own, require_side, serves
from services.training.domain.criteria import CriteriaDocument, CriteriaName, Evaluation, code_of, month_text
from services.training.domain.criteria_texts import explain_check, explain_condition
from services.training.domain.graduation import (
    Candidacy,
    CandidacyState,
    CandidacyUnknown,
    DecideAppeal,
    DecideCandidacy,
    FileAppeal,
    RevokeGraduation,
)
from services.training.handlers import graduation as handlers
from services.training.handlers.graduation import Shown
from services.training.store import contributions, registry
from services.training.store import graduation as store
from shared import families
from shared.db import Connection
from shared.errors import Forbidden
from shared.events.values import AreaCode
from shared.http import LIMIT_DEFAULT, After, Edge, EdgeDep, Limit, page, read_cursor

router = APIRouter(prefix="/v1", tags=["graduation"])


class CandidacyView(BaseModel):
    """A candidacy; `decided_by` is shown to officers."""

    candidacy_id: UUID
    vendor_id: UUID
    criteria: str
    criteria_version: int
    state: CandidacyState
    proposed_at: datetime
    months_from: str
    months_until: str
    taken_back_because: str | None
    decided_on: date | None
    decided_by: str | None
    reason: str | None

    @classmethod
    def of(cls, one: Candidacy, *, named: bool) -> "CandidacyView":
        """From what is stored."""
        return cls(
            candidacy_id=one.candidacy_id,
            vendor_id=one.vendor_id,
            criteria=one.criteria,
            criteria_version=one.criteria_version,
            state=one.state,
            proposed_at=one.proposed_at,
            months_from=one.months_from,
            months_until=one.months_until,
            taken_back_because=one.taken_back_because,
            decided_on=one.decided_on,
            decided_by=one.decided_by if named else None,
            reason=one.reason,
        )


class CandidacyPage(BaseModel):
    """Candidacies, the oldest first."""

    items: list[CandidacyView]
    next: str | None


class CheckView(BaseModel):
    """A condition applied to what is known now: what is asked for, what was found (id and en)."""

    code: str
    met: bool
    asked: dict[str, str]
    found: dict[str, str]


class AppealView(BaseModel):
    """An objection and its answer, as they were written."""

    state: Literal["open", "upheld", "rejected", "dropped"]
    text: str | None
    answer: str | None
    filed_at: datetime
    decided_at: datetime | None


class CandidacyDetail(CandidacyView):
    """A candidacy with its evidence: as the decider saw it, or, while nobody decided, as it is now.

    The sha256 is over `evidence_text`, byte for byte; `evidence` is the same, read. `shares`: agency -> thousandths of
    this graduate.
    """

    criteria_met_now: bool
    checks: list[CheckView]
    evidence: dict[str, Any]
    evidence_text: str
    evidence_sha256: str
    shares: dict[str, int]
    appeal: AppealView | None


class ProgressView(BaseModel):
    """How far a vendor is by criteria in force; `run`: the months looked at, none where nothing is reported lately."""

    criteria: str
    version: int
    title: dict[str, str]
    met: bool
    run: list[str]
    checks: list[CheckView]


class GraduationView(BaseModel):
    """How a vendor stands with graduation: whether it graduated, how far it is, and what was decided before."""

    vendor_id: UUID
    graduated: bool
    progress: list[ProgressView]
    candidacies: list[CandidacyView]


class StateAnswer(BaseModel):
    """A candidacy after an act."""

    candidacy_id: UUID
    state: CandidacyState


class AppealAnswer(BaseModel):
    """An objection that was filed."""

    appeal_id: UUID


@router.get("/graduation/candidacies", response_model=CandidacyPage)
async def list_candidacies(
    edge: EdgeDep,
    area: Annotated[
        AreaCode | None, Query(description="Vendors who live here; left out: the officer's own area")
    ] = None,
    state: CandidacyState | None = None,
    criteria: Annotated[CriteriaName | None, Query()] = None,
    objected: Annotated[bool, Query(description="Only those with an objection that waits for an answer")] = False,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Candidacies of vendors of the officer's area, the oldest first."""
    caller = edge.caller
    caller.require("officer")
    if caller.area is None:
        raise Forbidden("This token names no area; an officer answers for one.")
    if area is not None:
        caller.require_area(area)
    last = read_cursor(after, UUID) if after is not None else None
    wanted = store.Wanted(area or caller.area, state, criteria, objected)
    async with edge.read() as conn:
        found = await store.list_candidacies(conn, wanted, last, limit + 1)
    shown = page(found, limit, lambda one: one.candidacy_id)
    return {**shown, "items": [CandidacyView.of(one, named=True) for one in shown["items"]]}


@router.get("/graduation/candidacies/{candidacy_id}", response_model=CandidacyDetail)
async def show_candidacy(edge: EdgeDep, candidacy_id: UUID) -> CandidacyDetail:
    """A candidacy with its evidence and an objection: for the vendor itself and officers of where it lives."""
    async with edge.read() as conn:
        candidacy = await _find(conn, edge, candidacy_id)
        shown = await handlers.show(conn, candidacy, now=edge.now)
        shares = await contributions.find_shares(conn, candidacy_id)
        filed = await store.find_appeal(conn, candidacy_id)
        written = await store.find_written(conn, candidacy_id)
    appeal = None
    if filed is not None:
        text, answer = (
            None if one is None else edge.platform.sealer.open(one, filed.appeal_id.bytes).decode() for one in written
        )
        appeal = AppealView(
            state=filed.state, text=text, answer=answer, filed_at=filed.filed_at, decided_at=filed.decided_at
        )
    return CandidacyDetail(
        **CandidacyView.of(candidacy, named=edge.caller.has("officer")).model_dump(),
        criteria_met_now=shown.evaluation.met,
        checks=_checks(shown),
        evidence=json.loads(shown.evidence),
        evidence_text=shown.evidence,
        evidence_sha256=shown.evidence_sha256,
        shares=shares,
        appeal=appeal,
    )


@router.get("/vendors/{vendor_id}/graduation", response_model=GraduationView)
async def show_graduation(edge: EdgeDep, vendor_id: UUID) -> GraduationView:
    """How far a vendor is on the way to graduation, and what was decided: for itself and officers of where it lives."""
    async with edge.read() as conn:
        family = await families.find_family(conn, vendor_id)
        await require_side(conn, edge.caller, family[0])
        candidacies = await store.find_candidacies(conn, family)
        evaluated = await handlers.evaluate_now(conn, family, now=edge.now)
    return GraduationView(
        vendor_id=vendor_id,
        graduated=any(one.state == "graduated" for one in candidacies),
        progress=[
            ProgressView(
                criteria=criteria.name,
                version=criteria.version,
                title={"id": criteria.title_id, "en": criteria.title_en},
                met=evaluation.met,
                run=[month_text(month) for month in evaluation.run],
                checks=_checks_of(evaluation, criteria.document),
            )
            for criteria, evaluation in evaluated
        ],
        candidacies=[CandidacyView.of(one, named=edge.caller.has("officer")) for one in candidacies],
    )


@router.post("/graduation/candidacies/{candidacy_id}/decide", response_model=StateAnswer)
async def decide_candidacy(edge: EdgeDep, candidacy_id: UUID, command: DecideCandidacy) -> Response:
    """Decide whether a candidate graduates, on the evidence that was shown: an officer of where the vendor lives, who
    neither is the vendor nor accompanies it.
    """

    async def act(conn: Connection) -> StateAnswer:
        await _require_decider(conn, edge, candidacy_id)
        decided = await handlers.decide(conn, candidacy_id, command, by=edge.caller.subject, now=edge.now)
        return StateAnswer(candidacy_id=candidacy_id, state=decided.state)

    return await edge.once(act)


@router.post("/graduation/candidacies/{candidacy_id}/revoke", response_model=StateAnswer)
async def revoke_graduation(edge: EdgeDep, candidacy_id: UUID, command: RevokeGraduation) -> Response:
    """Take a graduation back: an officer of where the vendor lives, as for deciding."""

    async def act(conn: Connection) -> StateAnswer:
        await _require_decider(conn, edge, candidacy_id)
        revoked = await handlers.revoke(conn, candidacy_id, command, by=edge.caller.subject, now=edge.now)
        return StateAnswer(candidacy_id=candidacy_id, state=revoked.state)

    return await edge.once(act)


@router.post("/graduation/candidacies/{candidacy_id}/appeal", status_code=201, response_model=AppealAnswer)
async def file_appeal(edge: EdgeDep, candidacy_id: UUID, command: FileAppeal) -> Response:
    """Object to a decision within 30 days: the vendor itself, or an officer of where it lives whom it told."""

    async def act(conn: Connection) -> AppealAnswer:
        await _find(conn, edge, candidacy_id)
        filed = await handlers.file_appeal(
            conn, candidacy_id, command, by=edge.caller.subject, sealer=edge.platform.sealer, now=edge.now
        )
        return AppealAnswer(appeal_id=filed.appeal_id)

    return await edge.once(act, status=201)


@router.post("/graduation/candidacies/{candidacy_id}/appeal/decide", response_model=StateAnswer)
async def answer_appeal(edge: EdgeDep, candidacy_id: UUID, command: DecideAppeal) -> Response:
    """Answer an objection: an officer of where the vendor lives, who did neither decide nor file it."""

    async def act(conn: Connection) -> StateAnswer:
        await _require_decider(conn, edge, candidacy_id)
        decided = await handlers.answer_appeal(
            conn, candidacy_id, command, by=edge.caller.subject, sealer=edge.platform.sealer, now=edge.now
        )
        return StateAnswer(candidacy_id=candidacy_id, state=decided.state)

    return await edge.once(act)


async def _find(conn: Connection, edge: Edge, candidacy_id: UUID) -> Candidacy:
    """A candidacy that the caller may see. Raises `CandidacyUnknown`, also for those of other areas."""
    caller = edge.caller
    caller.require("officer", "vendor")
    candidacy = await store.find_candidacy(conn, candidacy_id)
    if candidacy is not None:
        family = await families.find_family(conn, candidacy.vendor_id)
        itself = caller.has("vendor") and caller.vendor_id in family
        home = await registry.find_kelurahan(conn, family[0])
        if home is not None and (itself or serves(caller, home)):
            return candidacy
    raise CandidacyUnknown("There is no such candidacy among those that you may see.")


async def _require_decider(conn: Connection, edge: Edge, candidacy_id: UUID) -> None:
    """Refuse everybody but an officer of where the vendor lives, in a case not its own."""
    edge.caller.require("officer")
    candidacy = await _find(conn, edge, candidacy_id)
    await require_not_own(conn, edge.caller, candidacy.vendor_id)


def _checks(shown: Shown) -> list[CheckView]:
    return _checks_of(shown.evaluation, shown.criteria.document)


def _checks_of(evaluation: Evaluation, document: CriteriaDocument) -> list[CheckView]:
    return [
        CheckView(
            code=code_of(check.condition),
            met=check.met,
            asked=explain_condition(check.condition, document),
            found=explain_check(check, document),
        )
        for check in evaluation.checks
    ]
