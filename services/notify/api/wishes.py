"""What people want to hear, and addresses that are not written to."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel, Field

from services.notify.domain.wishes import (
    OUTWARD,
    AddSuppression,
    ChangeWishes,
    LiftReason,
    LiftSuppression,
    Outward,
    ReasonNeeded,
    SuppressionReason,
    VendorNotKnown,
    Wishes,
)
from services.notify.handlers import wishes as handlers
from services.notify.plans import PLANS, TOPICS, Topic
from services.notify.store import copies
from services.notify.store import wishes as store
from shared import families
from shared.auth import Caller
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, Edge, EdgeDep, Limit, page, read_cursor

router = APIRouter(tags=["wishes"])


class ChannelAnswer(BaseModel):
    """A channel that reaches the person. Closed: nothing is sent there, because of these."""

    channel: Outward
    closed: list[SuppressionReason]


class WishesAnswer(BaseModel):
    """What a person wants, over all its ids."""

    vendor_id: UUID
    topics: dict[Topic, dict[Outward, bool]] = Field(description="Topic -> channel -> whether it is wanted")
    channels: list[Outward] | None = Field(description="In the order preferred; null: as usual")
    language: str | None = Field(description="null: as in the registration")
    digest: str | None = Field(description="null: daily")
    news_consent: bool = Field(description="Without the consent that the registry keeps there is no news")
    reached_by: list[ChannelAnswer]
    cannot_be_ended: list[str] = Field(description="Kinds of message that are told whatever is ended; by some channel")


class SuppressionRow(BaseModel):
    """An address that is not written to. The address itself is not kept."""

    suppression_id: UUID
    channel: Outward
    reason: SuppressionReason
    since: datetime
    until: datetime | None = Field(description="null: until it is lifted")
    times: int = Field(description="How often it was found so")
    evidence: str = Field(description="Ids and codes it rests on")
    lifted_at: datetime | None
    lifted_by: str | None
    lifted_because: LiftReason | None


class SuppressionPage(BaseModel):
    """A page of suppressions, newest first."""

    items: list[SuppressionRow]
    next: str | None


class SuppressionAnswer(BaseModel):
    """Which suppression stands now."""

    suppression_id: UUID


CANNOT_BE_ENDED = sorted(plan.template for plan in PLANS.values() if plan.must)


@router.get("/v1/wishes/{vendor_id}")
async def show_wishes(vendor_id: UUID, edge: EdgeDep) -> WishesAnswer:
    """What a person wants: for itself, by any of its ids, and for officers of where it lives."""
    async with edge.read() as conn:
        await _require_side(conn, edge.caller, vendor_id)
        return await _answer(conn, edge, vendor_id, await handlers.find_wishes(conn, vendor_id))


@router.put("/v1/wishes/{vendor_id}")
async def change_wishes(vendor_id: UUID, body: ChangeWishes, edge: EdgeDep) -> WishesAnswer:
    """Say what a person wants: it itself, or an officer of where it lives on its behalf, with the reason.

    What is not named stays; quiet hours hold for everybody. Repeating it changes nothing, so no key is needed.
    """
    async with edge.platform.database.transaction() as conn:
        itself = await _require_side(conn, edge.caller, vendor_id)
        if not itself and body.because is None:
            raise ReasonNeeded
        wishes = await handlers.change_wishes(
            conn,
            vendor_id,
            body,
            by="person" if itself else "officer",
            actor=None if itself else edge.caller.subject,
            now=edge.now,
        )
        return await _answer(conn, edge, vendor_id, wishes)


@router.get("/v1/suppressions")
async def list_suppressions(
    edge: EdgeDep,
    channel: Outward | None = None,
    reason: SuppressionReason | None = None,
    since: AwareDatetime | None = None,
    lifted: Annotated[bool, Query(description="Also those that were lifted")] = False,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> SuppressionPage:
    """Addresses that are not written to, newest first, without the addresses."""
    edge.caller.require("operator")
    before = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        rows = await store.list_suppressions(
            conn, channel=channel, reason=reason, since=since, lifted=lifted, before=before, limit=limit + 1
        )
    found: dict[str, Any] = page(rows, limit, lambda row: row["suppression_id"])
    return SuppressionPage(items=[SuppressionRow(**row) for row in found["items"]], next=found["next"])


@router.post("/v1/suppressions", responses={200: {"model": SuppressionAnswer}})
async def add_suppression(body: AddSuppression, edge: EdgeDep) -> Response:
    """Note that an address is not to be written to, as somebody said by phone: by the address, or by whose it is."""
    edge.caller.require("operator")

    async def act(conn: Connection) -> SuppressionAnswer:
        suppression_id = await handlers.suppress_by_hand(
            conn, body, sealer=edge.platform.sealer, by=edge.caller.subject, now=edge.now
        )
        return SuppressionAnswer(suppression_id=suppression_id)

    return await edge.once(act)


@router.post("/v1/suppressions/{suppression_id}/lift", status_code=204)
async def lift_suppression(suppression_id: UUID, body: LiftSuppression, edge: EdgeDep) -> Response:
    """Let an address be written to again."""
    edge.caller.require("operator")

    async def act(conn: Connection) -> None:
        await handlers.lift(conn, suppression_id, body.because, by=edge.caller.subject, now=edge.now)

    return await edge.once(act)


async def _require_side(conn: Connection, caller: Caller, vendor_id: UUID) -> bool:
    """Refuse everybody but the person itself, by any of its ids (True), and officers of where it lives (False)."""
    caller.require("officer", "vendor")
    if caller.has("vendor") and caller.vendor_id in await families.find_family(conn, vendor_id):
        return True
    caller.require_vendor(vendor_id)
    kelurahan = await copies.find_kelurahan(conn, vendor_id)
    if kelurahan is None:
        raise VendorNotKnown("Notify knows no such vendor, or it is erased.", vendor_id=str(vendor_id))
    caller.require_area(kelurahan)
    return False


async def _answer(conn: Connection, edge: Edge, vendor_id: UUID, wishes: Wishes) -> WishesAnswer:
    closed = await handlers.find_closed(conn, vendor_id, sealer=edge.platform.sealer, now=edge.now)
    return WishesAnswer(
        vendor_id=vendor_id,
        topics={topic: {channel: wishes.wants(topic, channel) for channel in OUTWARD} for topic in TOPICS},
        channels=None if wishes.channels is None else list(wishes.channels),
        language=wishes.language,
        digest=wishes.digest,
        news_consent=await handlers.has_consented(conn, vendor_id),
        reached_by=[
            ChannelAnswer.model_validate({"channel": channel, "closed": reasons}) for channel, reasons in closed.items()
        ],
        cannot_be_ended=CANNOT_BE_ENDED,
    )
