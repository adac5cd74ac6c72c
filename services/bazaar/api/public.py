"""Bazaars as residents see them, as data: anyone may read, no personal data."""

import hashlib
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic_core import to_json

from services.bazaar.domain import public as domain
from services.bazaar.store import public as store
from shared.clock import day_in_jakarta
from shared.http import LIMIT_DEFAULT, After, Limit, PublicEdgeDep, page, read_cursor

router = APIRouter(prefix="/v1/public", tags=["public"])

CACHED_SECONDS = 60


@router.get("/bazaars")
async def list_bazaars(
    edge: PublicEdgeDep,
    past: Annotated[bool, Query(description="Those that are over, the last first")] = False,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Bazaars that are not over, the next first: planned, announced, under way, cancelled."""
    key = read_cursor(after, tuple[date, UUID]) if after else None
    find = store.list_past if past else store.list_coming
    async with edge.read() as conn:
        rows = await find(conn, day_in_jakarta(edge.now), key, limit)
    found = page(rows, limit, lambda row: (row["days"][0], row["bazaar_id"]))
    return {**found, "items": [domain.listed(row, edge.now) for row in found["items"]]}


@router.get("/bazaars/{bazaar_id}")
async def show_bazaar(
    edge: PublicEdgeDep, bazaar_id: UUID, if_none_match: Annotated[str | None, Header(max_length=1000)] = None
) -> Response:
    """What, where, when, who sells what, and the links; codes with words in both languages beside them."""
    async with edge.read() as conn:
        facts = await store.find_facts(conn, bazaar_id)
    body = to_json(domain.describe(facts, edge.now))
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": f"public, max-age={CACHED_SECONDS}"}
    if if_none_match is not None and tag in if_none_match:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)
