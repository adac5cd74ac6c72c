"""How the seed of a round is drawn: said before the freeze, by officials in a ceremony, and for everyone to read."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from services.bazaar.api.access import require_organiser
from services.bazaar.api.rounds import RoundNumber
from services.bazaar.domain.bazaar import BazaarUnknown
from services.bazaar.domain.ceremony import PUBLIC_DRAW, Ceremony, Commit, Reveal, SeedPlan, due_at, shown
from services.bazaar.handlers import ceremonies as handlers
from services.bazaar.store import bazaars, rounds
from services.bazaar.store import ceremonies as store
from services.bazaar.store.ceremonies import PlanSaid
from shared.db import Connection
from shared.http import EdgeDep, PublicEdgeDep

router = APIRouter(prefix="/v1/bazaars/{bazaar_id}", tags=["rounds"])


@router.post("/seed-plan")
async def plan_seed(edge: EdgeDep, bazaar_id: UUID, plan: SeedPlan) -> Response:
    """Say how the seed will be drawn, until the list is frozen: by a ceremony of officials, by a named beacon, or in
    public and typed in."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        await handlers.plan_seed(conn, bazaar_id, plan, now=edge.now)
        return {"bazaar_id": bazaar_id, "by": plan.by}

    return await edge.once(act)


@router.get("/seed-plan")
async def show_seed_plan(edge: PublicEdgeDep, bazaar_id: UUID) -> dict[str, Any]:
    """How the seed will be drawn, or was, and since when that is known."""
    async with edge.read() as conn:
        bazaar = await bazaars.find_bazaar(conn, bazaar_id)
        if bazaar.state == "draft":
            raise BazaarUnknown("There is no such bazaar.")
        said = await store.find_plan_said(conn, bazaar_id)
    return {"bazaar_id": bazaar_id, **_plan(said)}


def _plan(said: PlanSaid | None) -> dict[str, Any]:
    plan = PUBLIC_DRAW if said is None else said.plan
    found: dict[str, Any] = {"by": plan.by, "said_at": said and said.said_at, "beacon": plan.beacon}
    if plan.by == "ceremony":
        found |= plan.model_dump(include={"officials_min", "commit_minutes", "reveal_minutes"})
    return found


@router.post("/ceremony/commit")
async def commit(edge: EdgeDep, bazaar_id: UUID, command: Commit) -> Response:
    """An official of the bazaar's area hands in the SHA-256 of its secret."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        after = await handlers.commit(conn, bazaar_id, command, edge.caller.subject, now=edge.now)
        return {**_standing(after), "position": len(after.parts)}

    return await edge.once(act)


@router.post("/ceremony/close")
async def close(edge: EdgeDep, bazaar_id: UUID) -> Response:
    """Close the list of officials: everyone reveals now. Else it closes at its deadline."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        return _standing(await handlers.close_commits(conn, bazaar_id, now=edge.now))

    return await edge.once(act)


@router.post("/ceremony/reveal")
async def reveal(edge: EdgeDep, bazaar_id: UUID, command: Reveal) -> Response:
    """An official reveals its secret. The last one to do so draws the seed."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        return _standing(await handlers.reveal(conn, bazaar_id, command, edge.caller.subject, now=edge.now))

    return await edge.once(act)


def _standing(ceremony: Ceremony) -> dict[str, Any]:
    return {
        "round": ceremony.round,
        "attempt": ceremony.attempt,
        "state": ceremony.state,
        "committed": len(ceremony.parts),
        "revealed": sum(part.secret is not None for part in ceremony.parts),
        "commit_until": ceremony.commit_until,
        "reveal_until": ceremony.reveal_until,
    }


@router.get("/rounds/{number}/ceremony")
async def show_ceremony(edge: PublicEdgeDep, bazaar_id: UUID, number: RoundNumber) -> dict[str, Any]:
    """How the seed of this round was drawn, with every attempt: check it with `lapak seed FILE`."""
    async with edge.read() as conn:
        found = await rounds.find_round(conn, bazaar_id, number)
        said = await store.find_plan_said(conn, bazaar_id)
        attempts = await store.find_ceremonies(conn, bazaar_id, number)
    beacon = said and said.plan.beacon
    return {
        "bazaar_id": bazaar_id,
        "round": number,
        "frozen_sha256": found.frozen_sha256,
        "frozen_at": found.frozen_at,
        "plan": _plan(said),
        "due_at": due_at(beacon, found.frozen_at) if beacon and found.frozen_at else None,
        "seed": found.seed,
        "source": found.seed_source,
        "attempts": [shown(one) for one in attempts],
    }
