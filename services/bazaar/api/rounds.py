"""Rounds of allocation: freeze, seed, allocate; the public files and the queue."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Response
from pydantic import Field

from services.bazaar.allocation.stored import Solved
from services.bazaar.api.access import require_organiser
from services.bazaar.api.applications import waiting
from services.bazaar.domain.ceremony import DrawSeed
from services.bazaar.domain.round import RoundUnknown
from services.bazaar.domain.wording import site_titles
from services.bazaar.handlers import rounds as handlers
from services.bazaar.numbering import SiteNumbers
from services.bazaar.solving import solve_and_number, turn
from services.bazaar.store import applications, bazaars, policies
from services.bazaar.store import rounds as store
from services.bazaar.store.numbering import find_floor, find_numbering
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, Edge, EdgeDep, Limit, PublicEdge, PublicEdgeDep, page, read_cursor

router = APIRouter(prefix="/v1/bazaars/{bazaar_id}", tags=["rounds"])

RoundNumber = Annotated[int, Path(ge=1, le=10_000)]
Place = Annotated[int, Field(ge=0, lt=2**31)]


@router.post("/freeze")
async def freeze(edge: EdgeDep, bazaar_id: UUID) -> Response:
    """Fix and hash the applicants and the rule; from the closing moment on."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        frozen = await handlers.freeze_round(conn, bazaar_id, now=edge.now)
        return {
            "round": frozen.number,
            "applicants": frozen.applicants,
            "frozen_sha256": frozen.frozen_sha256,
            "applicants_root": frozen.applicants_root,
        }

    return await edge.once(act)


@router.post("/seed")
async def draw_seed(edge: EdgeDep, bazaar_id: UUID, command: DrawSeed) -> Response:
    """Enter the seed that was drawn in public, or the beacon's value; after the freeze, once, as was said before it."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        seeded = await handlers.draw_seed(conn, bazaar_id, command, now=edge.now)
        return {"round": seeded.number, "seed": seeded.seed, "problem_sha256": seeded.problem_sha256}

    return await edge.once(act)


@router.post("/allocate")
async def allocate(edge: EdgeDep, bazaar_id: UUID) -> Response:
    """Solve the round by the rule, have the result verified, and publish it: every offer and place, or nothing."""
    await edge.request.body()  # who asked may leave while it is solved, and then nothing can be read any more
    async with turn(bazaar_id):
        solved, numbered = await _solve(edge, bazaar_id)

        async def act(conn: Connection) -> dict[str, Any]:
            await require_organiser(conn, edge.caller, bazaar_id)
            decided = await handlers.publish_round(conn, bazaar_id, solved, numbered, now=edge.now)
            return {
                "round": decided.number,
                "served": decided.served,
                "waiting": decided.waiting,
                "problem_sha256": decided.problem_sha256,
                "result_sha256": decided.result_sha256,
                "verified": True,
            }

        return await edge.once(act)


async def _solve(edge: Edge, bazaar_id: UUID) -> tuple[Solved | None, list[SiteNumbers]]:
    """The seeded round, solved and its stands numbered, with no transaction and no connection held; None when there is
    nothing to solve, which may be a repeated request that is answered by its key."""
    async with edge.read() as conn:
        await require_organiser(conn, edge.caller, bazaar_id)
        bazaar = await bazaars.find_bazaar(conn, bazaar_id)
        if bazaar.state != "seeded":
            return None, []
        seeded = await store.find_round(conn, bazaar_id, bazaar.round)
        floor = await find_floor(conn, bazaar_id)
    return (None, []) if seeded.problem is None else await solve_and_number(seeded.problem, floor)


@router.get("/rounds/{number}")
async def show_round(edge: PublicEdgeDep, bazaar_id: UUID, number: RoundNumber) -> dict[str, Any]:
    """Hashes, seed and counts of a round; the policy by the name under which the bazaar was set up, if it has one."""
    async with edge.read() as conn:
        found = await store.find_round(conn, bazaar_id, number)
        policy = await policies.find_used(conn, bazaar_id)
    return {
        "bazaar_id": bazaar_id,
        "round": found.number,
        "policy": policy,
        "applicants": found.applicants,
        "frozen_sha256": found.frozen_sha256,
        "frozen_at": found.frozen_at,
        "applicants_root": found.applicants_root,
        "seed": found.seed,
        "seed_source": found.seed_source,
        "problem_sha256": found.problem_sha256,
        "result_sha256": found.result_sha256,
        "served": found.served,
        "waiting": found.waiting,
    }


@router.get("/rounds/{number}/numbering")
async def show_numbering(edge: PublicEdgeDep, bazaar_id: UUID, number: RoundNumber) -> dict[str, Any]:
    """How good the booth numbers of a round are, site by site: what was aimed at in its order, what was reached, and
    what nothing could be below. Of who stands where nothing is told."""
    async with edge.read() as conn:
        found = await store.find_round(conn, bazaar_id, number)
        rows = await find_numbering(conn, bazaar_id, number)
    if found.result_sha256 is None:
        raise RoundUnknown("The booths of this round are not numbered yet.", round=number)
    return {
        "bazaar_id": bazaar_id,
        "round": number,
        "sites": [
            {
                "site_id": row["site_id"],
                "vendors": row["vendors"],
                "stands": row["stands"],
                **{name: row["result"][name] for name in ("method", "because", "optimal", "objective", "bound")},
                "needs_unmet": len(row["result"]["unmet"]),
            }
            for row in rows
        ],
    }


@router.get("/rounds/{number}/frozen")
async def show_frozen(edge: PublicEdgeDep, bazaar_id: UUID, number: RoundNumber) -> Response:
    """The applicants and the rule as committed to, before the seed: the bytes whose sha256 is `frozen_sha256`."""
    return await _file(edge, bazaar_id, number, "frozen")


@router.get("/rounds/{number}/problem")
async def show_problem(edge: PublicEdgeDep, bazaar_id: UUID, number: RoundNumber) -> Response:
    """The problem with its seed, as `lapak allocate` reads it; applicants bear pseudonyms of this round."""
    return await _file(edge, bazaar_id, number, "problem")


@router.get("/rounds/{number}/result")
async def show_result(edge: PublicEdgeDep, bazaar_id: UUID, number: RoundNumber) -> Response:
    """The result, as `lapak allocate` writes it: check it with `lapak allocate --verify PROBLEM RESULT`."""
    return await _file(edge, bazaar_id, number, "result")


async def _file(edge: PublicEdge, bazaar_id: UUID, number: int, name: str) -> Response:
    async with edge.read() as conn:
        found = await store.find_round(conn, bazaar_id, number)
    files = {
        "frozen": (found.frozen, found.frozen_sha256),
        "problem": (found.problem, found.problem_sha256),
        "result": (found.result, found.result_sha256),
    }
    content, sha256 = files[name]
    if content is None:
        raise RoundUnknown(f"The {name} of this round is not published yet.", round=number)
    headers = {"ETag": f'"{sha256}"', "Cache-Control": "public, max-age=31536000, immutable"}
    return Response(content, media_type="application/json", headers=headers)


@router.get("/queue")
async def show_queue(
    edge: EdgeDep, bazaar_id: UUID, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> dict[str, Any]:
    """Who waits, next first, each with the reason."""
    stored_place = read_cursor(after, Place) if after else 0
    async with edge.read() as conn:
        await require_organiser(conn, edge.caller, bazaar_id)
        bazaar = await bazaars.find_bazaar(conn, bazaar_id)
        rows = await applications.list_queue(conn, bazaar_id, stored_place, limit)
        count = await applications.count_in_state(conn, bazaar_id, "queued")
    titles = site_titles(bazaar)
    over = bazaar.state == "finished"
    shown = page(rows, limit, lambda row: row["stored_place"])
    shown["items"] = [
        {
            "application_id": row["application_id"],
            "vendor_id": row["vendor_id"],
            "choices": row["choices"],
            **waiting(row, titles, bazaar_name=bazaar.name, waiting=count, over=over),
        }
        for row in shown["items"]
    ]
    return shown
