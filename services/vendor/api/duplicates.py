"""Duplicates and merges over HTTP, for officers whose area holds both registrations."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.vendor import areas, checks
from services.vendor.api.access import officer_area
from services.vendor.api.answers import VendorAnswer
from services.vendor.domain import merging as domain
from services.vendor.domain.duplicates import SCORE_MAX, SCORE_MIN, DismissReason, Duplicate, DuplicateUnknown, Person
from services.vendor.domain.merging import Choosable, Side, UndoReason
from services.vendor.domain.registration import VendorUnknown
from services.vendor.handlers import duplicates as handlers
from services.vendor.handlers import merging
from services.vendor.handlers.reach import lies_in
from services.vendor.store import duplicates as store
from services.vendor.store import merging as merging_store
from services.vendor.store import vendors as vendors_store
from services.vendor.store.merging import MergeRow
from services.vendor.store.vendors import Kept
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor

__all__ = ["router"]

router = APIRouter(tags=["duplicates"])

Score = Annotated[int, Field(ge=0, le=SCORE_MAX)]
Number = Annotated[int, Field(ge=1, le=2**63 - 1)]
State = Literal["open", "dismissed", "merged"]


class DismissBody(BaseModel):
    """Why the two are not one person: a code, so that no words about people are kept."""

    model_config = ConfigDict(extra="forbid")

    reason: DismissReason


class ChosenFields(BaseModel):
    """Whose value of a field stays. Without a word: the survivor's, unless it has none."""

    model_config = ConfigDict(extra="forbid")

    name: Side | None = None
    phone: Side | None = None
    email: Side | None = None
    language: Side | None = None
    address: Side | None = Field(default=None, description="street, kelurahan, RW and RT together")
    kind: Side | None = None
    category: Side | None = None
    agency: Side | None = None

    def chosen(self) -> dict[Choosable, Side]:
        """As the handler takes it."""
        sides = {field: getattr(self, field) for field in domain.FIELDS}
        return {field: side for field, side in sides.items() if side is not None}


class MergeBody(BaseModel):
    """The registration to retire into the one named in the path."""

    model_config = ConfigDict(extra="forbid")

    retired: UUID
    fields: ChosenFields = ChosenFields()


class UndoBody(BaseModel):
    """Why a merge is undone, as a code."""

    model_config = ConfigDict(extra="forbid")

    reason: UndoReason


class EvidenceAnswer(BaseModel):
    """What one fact says about a pair; the points add up to the score, which other names hold down."""

    fact: str = Field(examples=["birth"])
    finding: str = Field(examples=["same"])
    points: int
    percent: int | None = Field(description="How alike, where that is a matter of degree")


class PersonAnswer(BaseModel):
    """One of a pair, masked."""

    vendor_id: UUID
    name: str
    phone: str
    kelurahan: str
    kelurahan_name: str
    rw: str
    rt: str
    street: str

    @classmethod
    def of(cls, person: Person) -> "PersonAnswer":
        """From what it is compared by."""
        return cls(
            vendor_id=person.vendor_id,
            name=person.name,
            phone=checks.mask_phone(person.phone),
            kelurahan=person.kelurahan,
            kelurahan_name=areas.areas().get(person.kelurahan, person.kelurahan),
            rw=person.rw,
            rt=person.rt,
            street=person.street,
        )


class DuplicateAnswer(BaseModel):
    """A pair of registrations that is likely one person."""

    duplicate_id: UUID
    score: int
    state: State
    reason: str | None
    evidence: list[EvidenceAnswer]
    found_at: datetime
    decided_at: datetime | None

    @staticmethod
    def parts(duplicate: Duplicate) -> dict[str, Any]:
        """The fields of a pair, whoever its people are."""
        return {
            "duplicate_id": duplicate.duplicate_id,
            "score": duplicate.score,
            "state": duplicate.state,
            "reason": duplicate.reason,
            "evidence": [part._asdict() for part in duplicate.evidence],
            "found_at": duplicate.found_at,
            "decided_at": duplicate.decided_at,
        }


class QueuedAnswer(DuplicateAnswer):
    """A pair in the list."""

    vendors: list[PersonAnswer]


class DuplicatePage(BaseModel):
    """A page of pairs, the likeliest first."""

    items: list[QueuedAnswer]
    next: str | None


class Proposal(BaseModel):
    """What a merge would keep if nobody chose: the earlier registration survives."""

    survivor: UUID
    retired: UUID
    fields: dict[str, Literal["same", "survivor", "retired"]]


class PairAnswer(DuplicateAnswer):
    """A pair, both side by side."""

    vendors: list[VendorAnswer]
    proposal: Proposal | None = Field(description="None where one of them is merged already")


class DecidedAnswer(BaseModel):
    """A pair after a decision."""

    duplicate_id: UUID
    state: State
    reason: str | None


class MergedAnswer(BaseModel):
    """Two registrations that are one now."""

    merge_id: UUID
    survivor: UUID
    retired: UUID
    taken: list[str] = Field(description="Fields whose value the survivor took over")


class KeptAnswer(BaseModel):
    """A value that undoing left as it is: somebody changed it since."""

    vendor_id: UUID
    field: str
    because: str


class UndoneAnswer(BaseModel):
    """Two registrations that stand for themselves again."""

    merge_id: UUID
    survivor: UUID
    retired: UUID
    kept: list[KeptAnswer]


class MergeAnswer(MergedAnswer):
    """A merge in the history of a registration."""

    merged_at: datetime
    merged_by: str
    undone_at: datetime | None
    undone_by: str | None
    reason: str | None
    kept: list[str] | None

    @classmethod
    def of(cls, row: MergeRow) -> "MergeAnswer":
        """From the stored merge."""
        values = row._asdict()
        return cls(**{name: values[name] for name in cls.model_fields})


class MergePage(BaseModel):
    """A page of merges, the latest first."""

    items: list[MergeAnswer]
    next: str | None


@router.get("/v1/duplicates")
async def list_duplicates(
    edge: EdgeDep,
    state: State = "open",
    score_min: Annotated[int, Query(ge=0, le=SCORE_MAX)] = SCORE_MIN,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> DuplicatePage:
    """Pairs that are likely one person, the likeliest first, masked; both live in the officer's area.

    A pair across two areas is seen by the officer of the area that holds both: nobody sees people elsewhere.
    """
    area = officer_area(edge.caller)
    last = None if after is None else read_cursor(after, tuple[Score, UUID])
    async with edge.read() as conn:
        rows = await store.find_duplicates(conn, area, state, score_min, last, limit + 1)
        people = await store.find_people(conn, [vendor_id for row in rows for vendor_id in (row.one, row.other)])
    found = page(rows, limit, lambda row: (row.score, row.duplicate_id))
    items = [
        QueuedAnswer(
            **DuplicateAnswer.parts(row),
            vendors=[PersonAnswer.of(people[one]) for one in (row.one, row.other) if one in people],
        )
        for row in found["items"]
    ]
    return DuplicatePage(items=items, next=found["next"])


@router.get("/v1/duplicates/{duplicate_id}")
async def get_duplicate(duplicate_id: UUID, edge: EdgeDep) -> PairAnswer:
    """A pair side by side, masked: why it is likely one person, and what a merge would keep."""
    area = officer_area(edge.caller)
    async with edge.read() as conn:
        queued = await handlers.find_queued(conn, duplicate_id, area)
        one = await vendors_store.find_vendor(conn, queued.duplicate.one)
        other = await vendors_store.find_vendor(conn, queued.duplicate.other)
    if one is None or other is None or one.vendor.erased_at or other.vendor.erased_at:
        raise DuplicateUnknown(duplicate_id)
    return PairAnswer(
        **DuplicateAnswer.parts(queued.duplicate),
        vendors=[VendorAnswer.masked(kept, edge.platform.sealer) for kept in (one, other)],
        proposal=_proposal(one, other) if queued.standing else None,
    )


def _proposal(one: Kept, other: Kept) -> Proposal:
    survivor, retired = one.vendor, other.vendor
    fields: dict[str, Literal["same", "survivor", "retired"]] = {}
    for field in domain.FIELDS:
        same = domain.value_of(survivor, field) == domain.value_of(retired, field)
        fields[field] = "same" if same else domain.keeps(survivor, retired, field)
    return Proposal(survivor=survivor.vendor_id, retired=retired.vendor_id, fields=fields)


@router.post("/v1/duplicates/{duplicate_id}/dismiss", responses={200: {"model": DecidedAnswer}})
async def dismiss(duplicate_id: UUID, body: DismissBody, edge: EdgeDep) -> Response:
    """Two people after all; the pair stays out of the queue until a fact of one of them changes."""
    area = officer_area(edge.caller)

    async def act(conn: Connection) -> BaseModel:
        decided = await handlers.dismiss(
            conn, duplicate_id, body.reason, actor=edge.caller.subject, within=area, now=edge.now
        )
        return DecidedAnswer(duplicate_id=duplicate_id, state=decided.state, reason=decided.reason)

    return await edge.once(act)


@router.post("/v1/duplicates/{duplicate_id}/reopen", responses={200: {"model": DecidedAnswer}})
async def reopen(duplicate_id: UUID, edge: EdgeDep) -> Response:
    """Put a dismissed pair back into the queue."""
    area = officer_area(edge.caller)

    async def act(conn: Connection) -> BaseModel:
        decided = await handlers.reopen(conn, duplicate_id, actor=edge.caller.subject, within=area, now=edge.now)
        return DecidedAnswer(duplicate_id=duplicate_id, state=decided.state, reason=decided.reason)

    return await edge.once(act)


@router.post("/v1/vendors/{survivor}/merge", responses={200: {"model": MergedAnswer}})
async def merge(survivor: UUID, body: MergeBody, edge: EdgeDep) -> Response:
    """Retire another registration of the same person into this one; nothing moves, and it can be undone."""
    area = officer_area(edge.caller)

    async def act(conn: Connection) -> BaseModel:
        made = await merging.merge_vendors(
            conn,
            survivor,
            body.retired,
            body.fields.chosen(),
            actor=edge.caller.subject,
            within=area,
            sealer=edge.platform.sealer,
            now=edge.now,
        )
        return MergedAnswer(
            merge_id=made.merge_id, survivor=made.survivor, retired=made.retired, taken=list(made.taken)
        )

    return await edge.once(act)


@router.post("/v1/merges/{merge_id}/undo", responses={200: {"model": UndoneAnswer}})
async def undo(merge_id: UUID, body: UndoBody, edge: EdgeDep) -> Response:
    """Let the retired registration stand for itself again; the state of both is as before, but for changes since."""
    area = officer_area(edge.caller)

    async def act(conn: Connection) -> BaseModel:
        parted = await merging.undo_merge(
            conn,
            merge_id,
            body.reason,
            actor=edge.caller.subject,
            within=area,
            sealer=edge.platform.sealer,
            now=edge.now,
        )
        return UndoneAnswer(
            merge_id=parted.merge_id,
            survivor=parted.survivor,
            retired=parted.retired,
            kept=[KeptAnswer(**kept._asdict()) for kept in parted.kept],
        )

    return await edge.once(act)


@router.get("/v1/merges")
async def list_merges(edge: EdgeDep, vendor_id: UUID, after: After = None, limit: Limit = LIMIT_DEFAULT) -> MergePage:
    """Merges that a registration of the officer's area took part in, the latest first, those undone too."""
    area = officer_area(edge.caller)
    last = None if after is None else read_cursor(after, Number)
    async with edge.read() as conn:
        kept = await vendors_store.find_vendor(conn, vendor_id)
        if kept is None or kept.vendor.erased_at is not None or not await lies_in(conn, kept.vendor, area):
            raise VendorUnknown(vendor_id)
        rows = await merging_store.find_merges(conn, vendor_id, last, limit + 1)
    found = page(rows, limit, lambda row: row.seq)
    return MergePage(items=[MergeAnswer.of(row) for row in found["items"]], next=found["next"])
