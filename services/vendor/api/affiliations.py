"""Affiliations over HTTP: what a vendor belongs to, and the organisations there are."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.vendor.api.access import may_reach, officer_area, see_family
from services.vendor.api.texts import Day, Line
from services.vendor.domain.affiliations import Affiliation, AffiliationUnknown, Payment
from services.vendor.handlers import affiliations as handlers
from services.vendor.store import affiliations as store
from services.vendor.store.affiliations import NotedPayment
from shared.auth import Caller
from shared.db import Connection
from shared.events.values import AreaCode, RwRt
from shared.http import EdgeDep, PublicEdgeDep

__all__ = ["router"]

RUPIAH_MAX = 1_000_000_000_000

router = APIRouter(tags=["affiliations"])

OrganisationCode = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]


class PaymentBody(BaseModel):
    """A payment made to the organisation; noted here, not collected."""

    model_config = ConfigDict(extra="forbid")

    paid_on: Day
    amount_rupiah: int = Field(ge=1, le=RUPIAH_MAX, examples=[120000])
    reference: Line = Field(description="The organisation's own, for example the number of its receipt")

    def payment(self) -> Payment:
        """As the handler takes it."""
        return Payment(self.paid_on, self.amount_rupiah, self.reference)


class AffiliationBody(BaseModel):
    """What a vendor belongs to. PKK: the area of its level, and the RW where it is one's."""

    model_config = ConfigDict(extra="forbid")

    organisation: OrganisationCode = Field(examples=["kadin"])
    area: AreaCode | None = None
    rw: RwRt | None = None
    started_on: Day | None = Field(default=None, description="Today, unless named")
    payment: PaymentBody | None = None


class StoodAnswer(BaseModel):
    """How an affiliation stands now. Kept to be replayed: ids, codes and days alone."""

    affiliation_id: UUID
    vendor_id: UUID
    state: Literal["active", "lapsed", "ended"]
    expires_on: date | None


class PaymentAnswer(BaseModel):
    """A payment as it was noted, and until when it pays."""

    paid_on: date
    amount_rupiah: int
    reference: str
    expires_on: date


class AffiliationAnswer(BaseModel):
    """An affiliation; `expires_on` is its last day (null: it has no term)."""

    affiliation_id: UUID
    vendor_id: UUID
    organisation: str
    level: Literal["rw", "kelurahan", "kecamatan", "kota", "province"] | None
    area: str | None
    rw: str | None
    state: Literal["active", "lapsed", "ended"]
    started_on: date
    expires_on: date | None
    ended_on: date | None
    payments: list[PaymentAnswer]


class AffiliationList(BaseModel):
    """Everything a person belongs to or belonged to."""

    items: list[AffiliationAnswer]


class OrganisationAnswer(BaseModel):
    """An organisation; `months` and `fee_rupiah` where its membership runs out."""

    code: str
    name: str
    of_area: bool
    months: int | None
    fee_rupiah: int | None


class OrganisationList(BaseModel):
    """Every organisation the programme knows."""

    items: list[OrganisationAnswer]


@router.get("/v1/organisations")
async def list_organisations(edge: PublicEdgeDep) -> OrganisationList:
    """Organisations that vendors may belong to."""
    async with edge.read() as conn:
        known = await store.find_organisations(conn)
    items = [
        OrganisationAnswer(
            code=one.code, name=one.name, of_area=one.of_area, months=one.months, fee_rupiah=one.fee_rupiah
        )
        for one in known.values()
    ]
    return OrganisationList(items=items)


@router.get("/v1/vendors/{vendor_id}/affiliations")
async def list_affiliations(vendor_id: UUID, edge: EdgeDep) -> AffiliationList:
    """What a vendor belongs to, with the payments noted."""
    async with edge.read() as conn:
        family = await see_family(conn, edge.caller, vendor_id)
        held = await store.find_affiliations(conn, family)
        noted = await store.find_payments(conn, [one.affiliation_id for one in held])
    return AffiliationList(items=[_answer(one, noted) for one in held])


@router.post("/v1/vendors/{vendor_id}/affiliations", status_code=201, responses={201: {"model": StoodAnswer}})
async def start_affiliation(vendor_id: UUID, body: AffiliationBody, edge: EdgeDep) -> Response:
    """Note that a vendor belongs to an organisation; an officer of its area."""
    within = officer_area(edge.caller)

    async def act(conn: Connection) -> dict[str, Any]:
        return _stood(
            await handlers.start_affiliation(
                conn,
                vendor_id,
                body.organisation,
                area=body.area,
                rw=body.rw,
                started_on=body.started_on,
                payment=None if body.payment is None else body.payment.payment(),
                by=edge.caller.subject,
                now=edge.now,
                within=within,
            )
        )

    return await edge.once(act, status=201)


@router.post("/v1/affiliations/{affiliation_id}/renew", responses={200: {"model": StoodAnswer}})
async def renew_affiliation(affiliation_id: UUID, body: PaymentBody, edge: EdgeDep) -> Response:
    """Note the payment of another term, which begins on the later of today and the day after the last."""
    within = officer_area(edge.caller)

    async def act(conn: Connection) -> dict[str, Any]:
        await _visible(conn, edge.caller, affiliation_id)
        renewed = await handlers.renew_affiliation(
            conn, affiliation_id, body.payment(), by=edge.caller.subject, now=edge.now, within=within
        )
        return _stood(renewed)

    return await edge.once(act)


@router.post("/v1/affiliations/{affiliation_id}/end", responses={200: {"model": StoodAnswer}})
async def end_affiliation(affiliation_id: UUID, edge: EdgeDep) -> Response:
    """Note that the vendor left the organisation; the vendor itself, or an officer of its area."""
    edge.caller.require("officer", "vendor")

    async def act(conn: Connection) -> dict[str, Any]:
        await _visible(conn, edge.caller, affiliation_id)
        ended = await handlers.end_affiliation(conn, affiliation_id, now=edge.now)
        await _visible(conn, edge.caller, affiliation_id)  # locked now: the vendor may have moved in between
        return _stood(ended)

    return await edge.once(act)


async def _visible(conn: Connection, caller: Caller, affiliation_id: UUID) -> None:
    affiliation = await store.find_affiliation(conn, affiliation_id)
    if affiliation is None or not await may_reach(conn, caller, affiliation.vendor_id):
        raise AffiliationUnknown(affiliation_id)


def _stood(affiliation: Affiliation) -> dict[str, Any]:
    return {
        "affiliation_id": affiliation.affiliation_id,
        "vendor_id": affiliation.vendor_id,
        "state": affiliation.state,
        "expires_on": affiliation.expires_on,
    }


def _answer(affiliation: Affiliation, noted: list[NotedPayment]) -> AffiliationAnswer:
    return AffiliationAnswer(
        affiliation_id=affiliation.affiliation_id,
        vendor_id=affiliation.vendor_id,
        organisation=affiliation.organisation,
        level=affiliation.level,
        area=affiliation.area,
        rw=affiliation.rw,
        state=affiliation.state,
        started_on=affiliation.started_on,
        expires_on=affiliation.expires_on,
        ended_on=affiliation.ended_on,
        payments=[
            PaymentAnswer(
                paid_on=one.payment.paid_on,
                amount_rupiah=one.payment.amount_rupiah,
                reference=one.payment.reference,
                expires_on=one.expires_on,
            )
            for one in noted
            if one.affiliation_id == affiliation.affiliation_id
        ],
    )
