"""Parties: make one, tell its code, join, leave."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field, StrictInt
from pydantic_core import from_json, to_json

from services.bazaar.api.access import require_side
from services.bazaar.api.applications import PartyCode
from services.bazaar.domain.parties import SIZE_MAX, IfApart, NotInParty, new_code
from services.bazaar.domain.values import Exact
from services.bazaar.handlers import parties as handlers
from services.bazaar.store import applications
from services.bazaar.store import parties as store
from shared.db import Connection
from shared.http import Edge, EdgeDep
from shared.ids import new_id

router = APIRouter(prefix="/v1/applications/{application_id}/party", tags=["parties"])


class MakeParty(Exact):
    """`if_apart`: without room for all nobody stands ("none"), or each is considered alone ("split")."""

    if_apart: IfApart
    size: StrictInt = Field(default=SIZE_MAX, ge=2, le=SIZE_MAX)


class JoinParty(Exact):
    """The code as its leader told it; small letters, spaces and dashes do not matter."""

    code: PartyCode


async def _require_own(conn: Connection, edge: Edge, application_id: UUID) -> None:
    found = await applications.find_application(conn, application_id)
    await require_side(conn, edge.caller, vendor_id=found.vendor_id, bazaar_id=found.bazaar_id)


def _code(edge: Edge, code_id: UUID) -> str:
    """The code that follows from this random id and our key: whoever reads the stored answer cannot tell it."""
    return new_code(edge.platform.sealer.blind_index(f"party code {code_id}"))


def _told(edge: Edge, answer: Response) -> Response:
    """The answer as it leaves. What is stored to be replayed names the code's id alone."""
    stored = from_json(bytes(answer.body))
    shown = {"party_id": stored["party_id"], "code": _code(edge, UUID(stored["code_id"]))}
    headers = {name: value for name, value in answer.headers.items() if name.startswith("idempotency")}
    return Response(to_json(shown), answer.status_code, headers=headers, media_type="application/json")


@router.post("", status_code=201)
async def make_party(edge: EdgeDep, application_id: UUID, wish: MakeParty) -> Response:
    """Make a party for this application's bazaar. Its code is shown now and never again."""

    async def act(conn: Connection) -> dict[str, Any]:
        await _require_own(conn, edge, application_id)
        party_id, code_id = new_id(), new_id()
        await handlers.make_party(
            conn,
            application_id,
            party_id=party_id,
            if_apart=wish.if_apart,
            size=wish.size,
            code=_code(edge, code_id),
            now=edge.now,
        )
        return {"party_id": party_id, "code_id": code_id}

    return _told(edge, await edge.once(act, status=201))


@router.post("/join")
async def join_party(edge: EdgeDep, application_id: UUID, wish: JoinParty) -> Response:
    """Join a party with this application; from then on its choices are the party's."""

    async def act(conn: Connection) -> dict[str, Any]:
        await _require_own(conn, edge, application_id)
        return {"party_id": await handlers.join_party(conn, application_id, code=wish.code, now=edge.now)}

    return await edge.once(act)


@router.post("/leave")
async def leave_party(edge: EdgeDep, application_id: UUID) -> Response:
    """Go one's own way, until the list of applicants is frozen; the application stays."""

    async def act(conn: Connection) -> dict[str, Any]:
        await _require_own(conn, edge, application_id)
        await handlers.leave_party(conn, application_id, now=edge.now)
        return {"application_id": application_id}

    return await edge.once(act)


@router.post("/code")
async def change_code(edge: EdgeDep, application_id: UUID) -> Response:
    """Another code for the party that this application leads; the one before leads nowhere."""

    async def act(conn: Connection) -> dict[str, Any]:
        await _require_own(conn, edge, application_id)
        code_id = new_id()
        party_id = await handlers.change_code(conn, application_id, code=_code(edge, code_id))
        return {"party_id": party_id, "code_id": code_id}

    return _told(edge, await edge.once(act))


@router.get("")
async def show_party(edge: EdgeDep, application_id: UUID) -> dict[str, Any]:
    """The party of this application: for how many it is, how many have joined, and whether this one leads it."""
    async with edge.read() as conn:
        await _require_own(conn, edge, application_id)
        application = await applications.find_application(conn, application_id)
        if application.party_id is None:
            raise NotInParty("This application belongs to no party.")
        party = await store.find_party(conn, application.party_id)
        numbers = await store.find_numbers(conn, application.party_id)
    return {
        "party_id": party.party_id,
        "bazaar_id": party.bazaar_id,
        "if_apart": party.if_apart,
        "size": party.size,
        "members": len(numbers),
        "leads": next(iter(numbers), None) == application_id,
        "choices": application.choices,
    }
