"""Consents over HTTP: what a person is asked, what it said, and saying it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from services.vendor.api.access import require_reach, see_vendor
from services.vendor.api.texts import Note
from services.vendor.domain.consents import Consent, standing
from services.vendor.handlers import consents as handlers
from services.vendor.store import consents as store
from services.vendor.store.merging import find_family
from shared.db import Connection
from shared.events.rights import ConsentPurpose
from shared.http import EdgeDep

__all__ = ["router"]

router = APIRouter(tags=["consents"])

VERSION_MAX = 2**31 - 1


class ConsentBody(BaseModel):
    """One purpose: given, to a text by its version; or withdrawn."""

    model_config = ConfigDict(extra="forbid")

    purpose: ConsentPurpose
    given: bool
    text_version: Annotated[int, Field(ge=1, le=VERSION_MAX)] | None = Field(
        default=None, description="The text the person was shown; wanted when consent is given"
    )
    evidence: Note | None = Field(default=None, description="From an officer: what it rests on, e.g. the signed form")


class SaidAnswer(BaseModel):
    """What stands for a purpose now. Holds no personal data, because it is kept to be replayed."""

    vendor_id: UUID
    purpose: ConsentPurpose
    given: bool
    text_version: int


class TextAnswer(BaseModel):
    """What is asked."""

    version: int
    id: str
    en: str


class WordAnswer(BaseModel):
    """One time that consent was given or withdrawn."""

    purpose: ConsentPurpose
    given: bool
    text_version: int
    source: str
    evidence: str | None
    at: datetime

    @classmethod
    def of(cls, consent: Consent) -> "WordAnswer":
        """From the consent."""
        return cls(
            purpose=consent.purpose,
            given=consent.given,
            text_version=consent.text_version,
            source=consent.source,
            evidence=consent.evidence,
            at=consent.at,
        )


class PurposeAnswer(BaseModel):
    """Where a person stands on one purpose, and the text it would be asked now."""

    purpose: ConsentPurpose
    given: bool
    since: datetime | None
    text: TextAnswer


class ConsentsAnswer(BaseModel):
    """A person's consents: each purpose, and every word on them, oldest first."""

    vendor_id: UUID
    purposes: list[PurposeAnswer]
    history: list[WordAnswer]


@router.post("/v1/vendors/{vendor_id}/consents", responses={200: {"model": SaidAnswer}})
async def say(vendor_id: UUID, body: ConsentBody, edge: EdgeDep) -> Response:
    """Give or withdraw consent for a purpose: the vendor itself, or an officer of its area with evidence."""
    within = require_reach(edge.caller, vendor_id)

    async def act(conn: Connection) -> SaidAnswer:
        consent = await handlers.say(
            conn,
            vendor_id,
            body.purpose,
            given=body.given,
            text_version=body.text_version,
            source="self" if within is None else "officer",
            actor=edge.caller.subject,
            evidence=body.evidence,
            now=edge.now,
            within=within,
        )
        return SaidAnswer(
            vendor_id=vendor_id, purpose=body.purpose, given=consent.given, text_version=consent.text_version
        )

    return await edge.once(act)


@router.get("/v1/vendors/{vendor_id}/consents")
async def list_consents(vendor_id: UUID, edge: EdgeDep) -> ConsentsAnswer:
    """A person's consents, to itself and to officers of its area; without a word a purpose is not allowed."""
    async with edge.read() as conn:
        await see_vendor(conn, edge.caller, vendor_id)
        history = await store.find_consents(conn, await find_family(conn, vendor_id))
        texts = await store.find_consent_texts(conn)
    stands = standing(history)
    purposes = []
    for text in texts:
        last = stands.get(text.purpose)
        purposes.append(
            PurposeAnswer(
                purpose=text.purpose,
                given=last is not None and last.given,
                since=None if last is None else last.at,
                text=TextAnswer(version=text.version, id=text.text_id, en=text.text_en),
            )
        )
    return ConsentsAnswer(vendor_id=vendor_id, purposes=purposes, history=[WordAnswer.of(one) for one in history])
