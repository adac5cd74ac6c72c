"""Policies by name, and what one would do to a bazaar before it is used."""

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import Field, StrictInt

from services.bazaar.api.access import require_organiser
from services.bazaar.domain.policies import DefinePolicy, NamedPolicy
from services.bazaar.domain.policy import PolicyChoice, PolicyCode
from services.bazaar.domain.preview import SEEDS_MAX
from services.bazaar.domain.values import Exact
from services.bazaar.handlers import policies as handlers
from services.bazaar.handlers.previews import preview_policy
from services.bazaar.previewing import preview_apart
from services.bazaar.store import policies as store
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, page, read_cursor

router = APIRouter(prefix="/v1", tags=["policies"])

READS_ONLY = {"x-reads-only": True}
"""A POST because a policy is a document; it changes nothing and needs no Idempotency-Key."""


class Preview(Exact):
    """A policy to try, as a document or by name, with so many seeds: what hangs on the lottery differs between them."""

    policy: PolicyChoice
    seeds: StrictInt = Field(default=1, ge=1, le=SEEDS_MAX)


@router.post("/policies", status_code=201)
async def define_policy(edge: EdgeDep, command: DefinePolicy) -> Response:
    """A new policy, or the next version of one; an officer of its area. Versions never change."""
    edge.caller.require("officer")
    edge.caller.require_area(command.area)

    async def act(conn: Connection) -> dict[str, Any]:
        version = await handlers.define_policy(conn, command, edge.caller.subject, now=edge.now)
        return {"code": command.code, "version": version}

    return await edge.once(act, status=201)


@router.get("/policies")
async def list_policies(
    edge: PublicEdgeDep,
    code: Annotated[PolicyCode | None, Query()] = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Every version of every policy, or of one: the rules by which booths are shared out are everyone's to read."""
    key = read_cursor(after, tuple[str, Annotated[int, Field(ge=0, lt=2**31)]]) if after else None
    async with edge.read() as conn:
        found = await store.list_policies(conn, code, key, limit)
    shown = page(found, limit, lambda one: (one.code, one.version))
    shown["items"] = [_shown(one) for one in shown["items"]]
    return shown


def _shown(policy: NamedPolicy) -> dict[str, Any]:
    return asdict(policy)


@router.post("/bazaars/{bazaar_id}/preview", openapi_extra=READS_ONLY)
async def preview(edge: EdgeDep, bazaar_id: UUID, wish: Preview) -> dict[str, Any]:
    """What this policy would do with those who have applied so far, beside the bazaar's own policy, as counts.

    From the announcement until the freeze. Nothing is stored, and nothing is decided by it.
    """
    async with edge.read() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        await require_organiser(conn, edge.caller, bazaar_id)
        job = await preview_policy(conn, bazaar_id, wish.policy, wish.seeds, now=edge.now)
        return await preview_apart(job)
