"""Partners over HTTP: a list that anyone may read, entered by officers of the province and its cities."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.vendor.api.access import officer_area
from services.vendor.api.texts import Day, Line
from services.vendor.domain.partners import Agreement, Partner, PartnerKind, PartnerUnknown, require_wide
from services.vendor.handlers import partners as handlers
from services.vendor.store import partners as store
from services.vendor.store.partners import PartnerFilter
from shared.auth import Caller
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.values import AreaCode
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, page, read_cursor

__all__ = ["router"]

TOPICS_MAX = 20

router = APIRouter(tags=["partners"])

Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]


class PartnerBody(BaseModel):
    """An organisation. Referrals to banks name it by its code."""

    model_config = ConfigDict(extra="forbid")

    code: Code = Field(examples=["bank-dki"])
    name: Line = Field(examples=["Bank DKI"])
    kind: PartnerKind


class AgreementBody(BaseModel):
    """An agreement: for which area, on which days, about what."""

    model_config = ConfigDict(extra="forbid")

    area: AreaCode
    valid_from: Day
    valid_until: Day
    topics: Annotated[list[Code], Field(min_length=1, max_length=TOPICS_MAX, examples=[["export", "capital"]])]


class EnteredAnswer(BaseModel):
    """A partner that was entered."""

    partner_id: UUID


class MadeAnswer(BaseModel):
    """An agreement that was made, or ended."""

    agreement_id: UUID
    partner_id: UUID
    ended_on: date | None


class AgreementAnswer(BaseModel):
    """An agreement. `in_force`: on the day asked for."""

    agreement_id: UUID
    area: str
    valid_from: date
    valid_until: date
    topics: list[str]
    ended_on: date | None
    lapsed: bool | None
    in_force: bool


class PartnerAnswer(BaseModel):
    """A partner and its agreements."""

    partner_id: UUID
    code: str
    name: str
    kind: PartnerKind
    agreements: list[AgreementAnswer]


class PartnerPage(BaseModel):
    """A page of partners."""

    items: list[PartnerAnswer]
    next: str | None


@router.get("/v1/partners")
async def list_partners(
    edge: PublicEdgeDep,
    area: Annotated[AreaCode | None, Query(description="Agreements for this area, or for one that holds it")] = None,
    day: Annotated[Day | None, Query(description="In force on this day; today, unless named")] = None,
    kind: PartnerKind | None = None,
    topic: Annotated[Code | None, Query()] = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> PartnerPage:
    """Partners with an agreement in force, in the order of their codes."""
    wanted = PartnerFilter(day or day_in_jakarta(edge.now), area, kind, topic)
    last = None if after is None else read_cursor(after, Code)
    async with edge.read() as conn:
        rows = await store.find_partners(conn, wanted, last, limit + 1)
        found: dict[str, Any] = page(rows, limit, lambda partner: partner.code)
        agreements = await store.find_agreements(conn, [partner.partner_id for partner in found["items"]])
    items = [_answer(partner, agreements, wanted.day) for partner in found["items"]]
    return PartnerPage(items=items, next=found["next"])


@router.get("/v1/partners/{partner_id}")
async def get_partner(partner_id: UUID, edge: PublicEdgeDep) -> PartnerAnswer:
    """One partner with all its agreements, those that ended too."""
    async with edge.read() as conn:
        partner = await store.find_partner(conn, partner_id)
        agreements = await store.find_agreements(conn, [partner_id])
    if partner is None:
        raise PartnerUnknown(partner_id)
    return _answer(partner, agreements, day_in_jakarta(edge.now))


@router.post("/v1/partners", status_code=201, responses={201: {"model": EnteredAnswer}})
async def enter_partner(body: PartnerBody, edge: EdgeDep) -> Response:
    """Enter an organisation; officers of the province or a city."""
    _wide(edge.caller)

    async def act(conn: Connection) -> dict[str, Any]:
        partner = await handlers.enter_partner(
            conn, body.code, body.name, body.kind, by=edge.caller.subject, now=edge.now
        )
        return {"partner_id": partner.partner_id}

    return await edge.once(act, status=201)


@router.post("/v1/partners/{partner_id}/agreements", status_code=201, responses={201: {"model": MadeAnswer}})
async def make_agreement(partner_id: UUID, body: AgreementBody, edge: EdgeDep) -> Response:
    """Enter an agreement for an area of the officer's."""
    _wide(edge.caller)
    edge.caller.require_area(body.area)

    async def act(conn: Connection) -> dict[str, Any]:
        return _made(
            await handlers.make_agreement(
                conn,
                partner_id,
                area=body.area,
                valid_from=body.valid_from,
                valid_until=body.valid_until,
                topics=body.topics,
                by=edge.caller.subject,
                now=edge.now,
            )
        )

    return await edge.once(act, status=201)


@router.post("/v1/agreements/{agreement_id}/end", responses={200: {"model": MadeAnswer}})
async def end_agreement(agreement_id: UUID, edge: EdgeDep) -> Response:
    """End an agreement early, from today on."""
    within = _wide(edge.caller)

    async def act(conn: Connection) -> dict[str, Any]:
        return _made(await handlers.end_agreement(conn, agreement_id, now=edge.now, within=within))

    return await edge.once(act)


def _wide(caller: Caller) -> str:
    area = officer_area(caller)
    require_wide(area)
    return area


def _made(agreement: Agreement) -> dict[str, Any]:
    return {
        "agreement_id": agreement.agreement_id,
        "partner_id": agreement.partner_id,
        "ended_on": agreement.ended_on,
    }


def _answer(partner: Partner, agreements: list[Agreement], day: date) -> PartnerAnswer:
    return PartnerAnswer(
        partner_id=partner.partner_id,
        code=partner.code,
        name=partner.name,
        kind=partner.kind,
        agreements=[
            AgreementAnswer(
                agreement_id=agreement.agreement_id,
                area=agreement.area,
                valid_from=agreement.valid_from,
                valid_until=agreement.valid_until,
                topics=list(agreement.topics),
                ended_on=agreement.ended_on,
                lapsed=agreement.lapsed,
                in_force=agreement.holds_on(day),
            )
            for agreement in agreements
            if agreement.partner_id == partner.partner_id
        ],
    )
