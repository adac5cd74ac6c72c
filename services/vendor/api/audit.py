"""The audit log over HTTP: who saw or changed what of whom."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services.vendor.store import audit as store
from services.vendor.store.audit import Entry
from shared.http import LIMIT_DEFAULT, After, CursorInvalid, EdgeDep, Limit, page, read_cursor

__all__ = ["router"]

SEQ_MAX = 2**63 - 1

router = APIRouter(tags=["audit"])

Name = Annotated[str | None, Query(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]


class EntryAnswer(BaseModel):
    """One row of the log."""

    seq: int
    at: datetime
    actor: str
    act: str
    vendor_id: UUID | None
    detail: dict[str, Any]
    hash: str = Field(description="sha256 over the hash of the row before and this row, in hex")

    @classmethod
    def of(cls, entry: Entry, digest: bytes) -> "EntryAnswer":
        """From the row."""
        return cls(**{**entry._asdict(), "detail": dict(entry.detail)}, hash=digest.hex())


class EntryPage(BaseModel):
    """A page of the log, the newest first."""

    items: list[EntryAnswer]
    next: str | None


@router.get("/v1/audit")
async def list_entries(
    edge: EdgeDep,
    vendor_id: UUID | None = None,
    actor: Name = None,
    act: Name = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> EntryPage:
    """Who saw or changed what of whom, the newest first. For operators; the log holds ids and codes only."""
    edge.caller.require("operator")
    last = None if after is None else read_cursor(after, int)
    if last is not None and not 0 <= last <= SEQ_MAX:
        raise CursorInvalid("`after` must be the `next` of the page before, as it was given.")
    async with edge.read() as conn:
        rows = await store.find_entries(conn, vendor_id, actor, act, last, limit + 1)
    found: dict[str, Any] = page(rows, limit, lambda row: row[0].seq)
    return EntryPage(items=[EntryAnswer.of(*row) for row in found["items"]], next=found["next"])
