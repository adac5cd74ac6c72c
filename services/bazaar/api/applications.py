"""Applications: apply, change, withdraw, confirm, decline, and how one stands and why."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import AfterValidator, Field, model_validator

from services.bazaar.api.access import require_organiser, require_side, require_vendor_side
from services.bazaar.domain.application import ApplicationState, Need, Origin
from services.bazaar.domain.explanation import Company, Situation, Standing, explain, tell
from services.bazaar.domain.ledger import Adjustment, in_force
from services.bazaar.domain.offers import release_deadline
from services.bazaar.domain.values import Exact, SiteId
from services.bazaar.handlers import applications as handlers
from services.bazaar.handlers import offers
from services.bazaar.store import appeals, bazaars, ledger
from services.bazaar.store import applications as store
from shared import families
from shared.auth import Caller
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.errors import Refused
from shared.http import LIMIT_DEFAULT, After, Edge, EdgeDep, Limit, page, read_cursor
from shared.ids import new_id
from shared.wording import Words

router = APIRouter(prefix="/v1", tags=["applications"])


class VendorNotNamed(Refused):
    """Who applies for somebody else says for whom."""

    code = "vendor-not-named"
    status = 422


def _distinct(needs: list[Need]) -> list[Need]:
    if len(set(needs)) < len(needs):
        raise ValueError("one is named twice")
    return needs


Choices = Annotated[list[Annotated[list[SiteId], Field(min_length=1)]], Field(min_length=1, max_length=100)]
"""Tiers of site ids, best first; sites of one tier are equal. A site is a venue on its days, so days are chosen so."""

Needs = Annotated[list[Need], AfterValidator(_distinct), Field(max_length=3)]
PartyCode = Annotated[str, Field(min_length=1, max_length=40)]


class Apply(Exact):
    """Choices, or the code of a party, whose choices are its leader's; `vendor_id` when an officer applies for one."""

    vendor_id: UUID | None = None
    choices: Choices | None = None
    needs: Needs = Field(default_factory=list)
    party_code: PartyCode | None = None

    @model_validator(mode="after")
    def _choose_one_way(self) -> Self:
        if (self.choices is None) == (self.party_code is None):
            raise ValueError("name the sites in choices, or give the party_code of a party whose choices count")
        return self


class Change(Exact):
    """What the application asks for from now on; what is left out stays as it is."""

    choices: Choices | None = None
    needs: Needs | None = None

    @model_validator(mode="after")
    def _change_something(self) -> Self:
        if self.choices is None and self.needs is None:
            raise ValueError("give choices, needs, or both")
        return self


@router.post("/bazaars/{bazaar_id}/applications", status_code=201)
async def apply(edge: EdgeDep, bazaar_id: UUID, wish: Apply) -> Response:
    """A vendor applies to a bazaar, or an officer for it."""
    vendor_id = _applicant(edge.caller, wish)

    async def act(conn: Connection) -> dict[str, Any]:
        await require_side(conn, edge.caller, vendor_id=vendor_id, bazaar_id=bazaar_id)
        application_id = new_id()
        await handlers.apply(
            conn,
            bazaar_id,
            vendor_id,
            wish.choices,
            application_id=application_id,
            now=edge.now,
            origin=await _origin(conn, edge.caller, vendor_id),
            needs=wish.needs,
            party_code=wish.party_code,
        )
        return {"application_id": application_id}

    return await edge.once(act, status=201)


def _applicant(caller: Caller, wish: Apply) -> UUID:
    vendor_id = wish.vendor_id or caller.vendor_id
    if vendor_id is None:
        raise VendorNotNamed("Name the vendor that applies in vendor_id.")
    return vendor_id


async def _origin(conn: Connection, caller: Caller, vendor_id: UUID) -> Origin:
    own = caller.has("vendor") and caller.vendor_id in await families.find_family(conn, vendor_id)
    return "vendor" if own else "officer"


@router.post("/applications/{application_id}/change")
async def change(edge: EdgeDep, application_id: UUID, wish: Change) -> Response:
    """Ask for other sites or needs while applications are open; the application keeps its moment."""

    async def act(conn: Connection) -> dict[str, Any]:
        found = await store.find_application(conn, application_id)
        await require_side(conn, edge.caller, vendor_id=found.vendor_id, bazaar_id=found.bazaar_id)
        await handlers.change(conn, application_id, choices=wish.choices, needs=wish.needs, now=edge.now)
        return {"application_id": application_id}

    return await edge.once(act)


Answer = Callable[..., Awaitable[None]]


async def _answer(edge: Edge, application_id: UUID, handler: Answer, state: str) -> Response:
    async def act(conn: Connection) -> dict[str, Any]:
        found = await store.find_application(conn, application_id)
        await require_side(conn, edge.caller, vendor_id=found.vendor_id, bazaar_id=found.bazaar_id)
        await handler(conn, application_id, now=edge.now)
        return {"application_id": application_id, "state": state}

    return await edge.once(act)


@router.post("/applications/{application_id}/withdraw")
async def withdraw(edge: EdgeDep, application_id: UUID) -> Response:
    """Take an application back before the list is frozen."""
    return await _answer(edge, application_id, handlers.withdraw, "withdrawn")


@router.post("/applications/{application_id}/confirm")
async def confirm(edge: EdgeDep, application_id: UUID) -> Response:
    """Take the offered booth."""
    return await _answer(edge, application_id, offers.confirm_booth, "confirmed")


@router.post("/applications/{application_id}/decline")
async def decline(edge: EdgeDep, application_id: UUID) -> Response:
    """Give the offered booth back in time; it costs no turn, and the next in rotation is offered it."""
    return await _answer(edge, application_id, offers.decline_booth, "declined")


@router.get("/applications/{application_id}")
async def show_application(edge: EdgeDep, application_id: UUID) -> dict[str, Any]:
    """How an application stands and why: its offer, or its place in the queue, and what was objected to."""
    async with edge.read() as conn:
        row = await store.show_application(conn, application_id)
        await require_side(conn, edge.caller, vendor_id=row["vendor_id"], bazaar_id=row["bazaar_id"])
        titles = await bazaars.find_site_titles(conn, [row["bazaar_id"]])
        adjustments = await _adjustments(conn, await families.find_family(conn, row["vendor_id"]))
        objections = await appeals.find_appeals_of(conn, application_id)
    shown = _shown(row, titles[row["bazaar_id"]], adjustments, day_in_jakarta(edge.now))
    return {**shown, "appeals": objections}


@router.get("/bazaars/{bazaar_id}/applications")
async def list_applications(
    edge: EdgeDep,
    bazaar_id: UUID,
    state: ApplicationState | None = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Who applied to a bazaar and how each stands, for its officers: the whole list, or those of one state."""
    last = read_cursor(after, UUID) if after else None
    async with edge.read() as conn:
        await require_organiser(conn, edge.caller, bazaar_id)
        rows = await store.list_applications(conn, bazaar_id, state, last, limit)
    return page(rows, limit, lambda row: row["application_id"])


@router.get("/vendors/{vendor_id}/applications")
async def list_applications_of(
    edge: EdgeDep, vendor_id: UUID, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> dict[str, Any]:
    """Applications of a vendor, by any of its ids, the latest first, each with how it stands and why."""
    last = read_cursor(after, UUID) if after else None
    async with edge.read() as conn:
        await require_vendor_side(conn, edge.caller, vendor_id)
        family = await families.find_family(conn, vendor_id)
        rows = await store.list_applications_of(conn, family, last, limit)
        titles = await bazaars.find_site_titles(conn, [row["bazaar_id"] for row in rows])
        adjustments = await _adjustments(conn, family)
    shown = page(rows, limit, lambda row: row["application_id"])
    today = day_in_jakarta(edge.now)
    shown["items"] = [_shown(row, titles[row["bazaar_id"]], adjustments, today) for row in shown["items"]]
    return shown


async def _adjustments(conn: Connection, family: Sequence[UUID]) -> list[Adjustment]:
    """What is added to the standing of this person and still counts."""
    had = await ledger.find_had(conn, family)
    waiting_since = had.last_turn_on or had.first_applied_on
    found = await ledger.find_adjustments(conn, family)
    return found if waiting_since is None else in_force(waiting_since, found)


def _shown(
    row: Mapping[str, Any], titles: Mapping[str, Words], adjustments: Sequence[Adjustment], today: date
) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "application_id": row["application_id"],
        "bazaar_id": row["bazaar_id"],
        "bazaar_name": row["bazaar_name"],
        "vendor_id": row["vendor_id"],
        "state": row["state"],
        "origin": row["origin"],
        "choices": row["choices"],
        "needs": row["needs"],
        "applied_at": row["applied_at"],
        "pseudonym": row["pseudonym"],
        "ineligible_because": row["ineligible_because"],
        "offer": _offer(row),
        "party": _party(row),
        "checked_in": row["checked_in"],
    }
    if row["state"] == "queued":
        shown |= waiting(row, titles, bazaar_name=row["bazaar_name"], waiting=row["waiting"], over=_over(row))
    return {**shown, "explanation": tell(_situation(row, titles, adjustments), titles, today)}


COUNTED_WHILE = ("received", "queued", "ineligible", "missed")
"""States in which a vendor asks where it stands in the rotation."""


def _situation(row: Mapping[str, Any], titles: Mapping[str, Words], adjustments: Sequence[Adjustment]) -> Situation:
    state = row["state"]
    return Situation(
        state=state,
        bazaar_name=row["bazaar_name"],
        days=row["days"],
        over=_over(row),
        because=row["cancelled_because"] if state == "cancelled" else row["ineligible_because"],
        site=None if row["site_id"] is None else Words(row["site_name"], row["site_name"]),
        booth=row["booth"],
        respond_by=row["respond_by"],
        promoted=bool(row["promoted"]),
        phase=row["phase"],
        waiting_since=row["waiting_since"],
        queue=_standing(row, row["bazaar_name"], row["waiting"], over=_over(row)) if state == "queued" else None,
        company=None if row["party_id"] is None else Company(row["members"], row["if_apart"] == "none"),
        turn=row["turn"],
        adjustments=adjustments if state in COUNTED_WHILE else (),
    )


def _over(row: Mapping[str, Any]) -> bool:
    return bool(row["bazaar_state"] == "finished")


def _party(row: Mapping[str, Any]) -> dict[str, Any] | None:
    if row["party_id"] is None:
        return None
    return {"party_id": row["party_id"], "if_apart": row["if_apart"], "members": row["members"]}


def _offer(row: Mapping[str, Any]) -> dict[str, Any] | None:
    if row["site_id"] is None:
        return None
    return {
        "site_id": row["site_id"],
        "site_name": row["site_name"],
        "booth": row["booth"],
        "days": row["days"],
        "respond_by": row["respond_by"],
        "promoted": row["promoted"],
        "release_by": _release_by(row),
    }


def _release_by(row: Mapping[str, Any]) -> datetime | None:
    """Until when a confirmed booth is given back at no cost; None: there is none to give back."""
    if row["state"] != "confirmed":
        return None
    return release_deadline(row["first_day"], row["release_hours"], row["release_by"]).astimezone(UTC)


def waiting(
    row: Mapping[str, Any], titles: Mapping[str, Words], *, bazaar_name: str, waiting: int, over: bool
) -> dict[str, Any]:
    """What one who waits is told: its place now, and the stored decision in figures and in words."""
    return {
        "place": row["place"],
        "because": row["because"],
        "ahead": row["ahead"],
        "forecast": row["forecast_round"],
        "explanation": explain(_standing(row, bazaar_name, waiting, over=over), titles),
    }


def _standing(row: Mapping[str, Any], bazaar_name: str, waiting: int, *, over: bool) -> Standing:
    return Standing(bazaar_name, row["place"], waiting, row["because"], row["ahead"], row["forecast_round"], over=over)
