"""Capital referrals: shown to the vendor before they are sent, answered by banks, followed by everybody concerned."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from services.training.api.access import require_home, require_not_own, require_side
from services.training.domain import referral_wording as wording
from services.training.domain import referrals as domain
from services.training.domain.cases import Code
from services.training.domain.referrals import (
    Answer,
    AnswerCode,
    Answered,
    EnterAnswer,
    PrepareReferral,
    Referral,
    ReferralState,
    SendReferral,
    Weight,
)
from services.training.handlers import referrals as handlers
from services.training.handlers.cases import Actor
from services.training.store import banks
from services.training.store import referrals as store
from services.training.store.referrals import ReferralFilter
from shared import families
from shared.auth import Caller, OutsideArea
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.cases import CapitalPacketSent
from shared.events.values import AreaCode
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, page, read_cursor
from shared.wording import Words

router = APIRouter(prefix="/v1", tags=["capital referrals"])


class BankView(BaseModel):
    """A bank that may be asked."""

    code: str
    name: str
    valid_until: date


class BankList(BaseModel):
    """Banks, by code."""

    items: list[BankView]


class WordsView(BaseModel):
    """The same in Indonesian and in English."""

    id: str
    en: str


class ReferralAnswer(BaseModel):
    """How a referral stands now. Kept to be replayed: ids, codes and days."""

    referral_id: UUID
    bank: str
    state: ReferralState
    packet_sha256: str
    answer_by: date


class TakenAnswer(ReferralAnswer):
    """What became of an answer that was entered."""

    weight: Weight
    late: bool


class AnswerView(BaseModel):
    """An answer of the bank, whether it counts or not, and the same in plain words."""

    answer: AnswerCode
    answered_at: datetime
    taken_at: datetime
    side: Literal["bank", "officer"]
    late: bool
    weight: Weight
    words: WordsView


class ReferralView(BaseModel):
    """A referral. `overdue`: the bank was to answer by a day that is over."""

    referral_id: UUID
    vendor_id: UUID
    bank: str
    state: ReferralState
    prepared_at: datetime
    sent_at: datetime | None
    shown: str | None
    answer_by: date
    overdue: bool
    withdrawn_at: datetime | None
    withdrawn_because: str | None
    words: WordsView
    answers: list[AnswerView]


class ReferralDetail(ReferralView):
    """A referral with what the bank is sent: the very bytes, their sha256, and the same in plain words."""

    packet: str = Field(description="The body of CapitalPacketSent as it is sent, byte for byte")
    packet_sha256: str
    packet_words: list[WordsView]


class ReferralList(BaseModel):
    """All referrals of a person, the last prepared first."""

    items: list[ReferralView]


class ReferralPage(BaseModel):
    """Referrals, those to be answered first."""

    items: list[ReferralView]
    next: str | None


@router.get("/banks")
async def list_banks(
    edge: PublicEdgeDep,
    area: Annotated[AreaCode | None, Query(description="With an agreement for all of this area")] = None,
) -> BankList:
    """Banks whose agreement about capital is in force today."""
    async with edge.read() as conn:
        rows = await banks.find_banks(conn, day_in_jakarta(edge.now), area)
    return BankList(items=[BankView(**row) for row in rows])


@router.post("/trainees/{vendor_id}/capital-referrals", status_code=201, responses={201: {"model": ReferralAnswer}})
async def prepare_referral(edge: EdgeDep, vendor_id: UUID, command: PrepareReferral) -> Response:
    """Put together what a bank would be sent, to be looked at; nothing is sent. Asked again: put together anew."""

    async def act(conn: Connection) -> ReferralAnswer:
        await _side_of(conn, edge.caller, vendor_id)
        referral = await handlers.prepare(conn, vendor_id, command.bank, by=edge.caller.subject, now=edge.now)
        return _answer(referral)

    return await edge.once(act, status=201)


@router.get("/trainees/{vendor_id}/capital-referrals")
async def list_own_referrals(edge: EdgeDep, vendor_id: UUID) -> ReferralList:
    """All referrals of a person, with what the banks answered: for itself and officers of where it lives."""
    async with edge.read() as conn:
        await require_side(conn, edge.caller, vendor_id)
        found = await store.find_referrals(conn, await families.find_family(conn, vendor_id))
        answers = await store.find_answers(conn, [one.referral_id for one in found])
    return ReferralList(items=[_view(one, answers[one.referral_id], edge.now) for one in found])


@router.get("/capital-referrals")
async def list_referrals(
    edge: EdgeDep,
    area: Annotated[AreaCode | None, Query(description="Where the vendor lives; not named: the token's area")] = None,
    bank: Code | None = None,
    state: ReferralState | None = None,
    overdue: Annotated[bool, Query(description="Only those that the bank was to answer by a day that is over")] = False,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> ReferralPage:
    """Referrals of vendors of the officer's area, those to be answered first."""
    caller = edge.caller
    caller.require("officer")
    if caller.area is None:
        raise OutsideArea("This token has no area.", area=None)
    if area is not None:
        caller.require_area(area)
    wanted = ReferralFilter(area or caller.area, bank, state, day_in_jakarta(edge.now) if overdue else None)
    last = None if after is None else read_cursor(after, tuple[date, UUID])
    async with edge.read() as conn:
        found = await store.list_referrals(conn, wanted, last, limit + 1)
        answers = await store.find_answers(conn, [one.referral_id for one in found])
    views = [_view(one, answers[one.referral_id], edge.now) for one in found]
    return ReferralPage(**page(views, limit, lambda view: (view.answer_by, view.referral_id)))


@router.get("/capital-referrals/{referral_id}")
async def show_referral(edge: EdgeDep, referral_id: UUID) -> ReferralDetail:
    """A referral with the very bytes that are sent, before they are and after, and every answer."""
    async with edge.read() as conn:
        referral = await store.find_referral(conn, referral_id)
        await require_side(conn, edge.caller, referral.vendor_id)
        answers = (await store.find_answers(conn, [referral_id]))[referral_id]
    sent = CapitalPacketSent.from_bytes(referral.packet)
    return ReferralDetail(
        **_view(referral, answers, edge.now).model_dump(),
        packet=referral.packet.decode(),
        packet_sha256=referral.packet_sha256,
        packet_words=[_words(line) for line in wording.packet(sent)],
    )


@router.post("/capital-referrals/{referral_id}/send", responses={200: {"model": ReferralAnswer}})
async def send_referral(edge: EdgeDep, referral_id: UUID, command: SendReferral) -> Response:
    """Send the bank exactly what was shown: the vendor itself, or an officer who says how the vendor saw it."""

    async def act(conn: Connection) -> ReferralAnswer:
        side = await _side_of(conn, edge.caller, (await store.find_referral(conn, referral_id)).vendor_id)
        actor = Actor(side, edge.caller.subject, edge.platform.sealer)
        return _answer(await handlers.send(conn, referral_id, command, actor, now=edge.now))

    return await edge.once(act)


@router.post("/capital-referrals/{referral_id}/withdraw", responses={200: {"model": ReferralAnswer}})
async def withdraw_referral(edge: EdgeDep, referral_id: UUID) -> Response:
    """Do not ask this bank any more, while it has not decided: the vendor itself, or an officer of where it lives."""

    async def act(conn: Connection) -> ReferralAnswer:
        side = await _side_of(conn, edge.caller, (await store.find_referral(conn, referral_id)).vendor_id)
        return _answer(await handlers.withdraw(conn, referral_id, side, now=edge.now))

    return await edge.once(act)


@router.post("/capital-referrals/{referral_id}/answers", responses={200: {"model": TakenAnswer}})
async def enter_answer(edge: EdgeDep, referral_id: UUID, command: EnterAnswer) -> Response:
    """Enter what a bank answered by letter or telephone, as an officer of where the vendor lives. Every answer is kept;
    which counts follows from all of them."""

    async def act(conn: Connection) -> TakenAnswer:
        found = await store.find_referral(conn, referral_id)
        await require_home(conn, edge.caller, found.vendor_id)
        answered = Answered(referral_id, found.bank, command.answer, command.answered_at)
        taken = await handlers.enter_answer(conn, referral_id, answered, by=edge.caller.subject, now=edge.now)
        return TakenAnswer(**_answer(taken.referral).model_dump(), weight=taken.weight, late=taken.late)

    return await edge.once(act)


async def _side_of(conn: Connection, caller: Caller, vendor_id: UUID) -> Literal["vendor", "officer"]:
    """On which side somebody stands: an officer who is the vendor itself stands on the vendor's."""
    await require_side(conn, caller, vendor_id)
    if caller.has("vendor") and caller.vendor_id in await families.find_family(conn, vendor_id):
        return "vendor"
    await require_not_own(conn, caller, vendor_id)
    return "officer"


def _answer(referral: Referral) -> ReferralAnswer:
    return ReferralAnswer(
        referral_id=referral.referral_id,
        bank=referral.bank,
        state=referral.state,
        packet_sha256=referral.packet_sha256,
        answer_by=referral.answer_by,
    )


def _words(words: Words) -> WordsView:
    return WordsView(id=words.id, en=words.en)


def _view(referral: Referral, answers: list[Answer], now: datetime) -> ReferralView:
    return ReferralView(
        referral_id=referral.referral_id,
        vendor_id=referral.vendor_id,
        bank=referral.bank,
        state=referral.state,
        prepared_at=referral.prepared_at,
        sent_at=referral.sent_at,
        shown=referral.shown,
        answer_by=referral.answer_by,
        overdue=referral.state in ("sent", "received") and day_in_jakarta(now) > referral.answer_by,
        withdrawn_at=referral.withdrawn_at,
        withdrawn_because=referral.withdrawn_because,
        words=_words(wording.state(referral.state, referral.withdrawn_because)),
        answers=[_answer_view(one, answers, referral) for one in answers],
    )


def _answer_view(one: Answer, answers: list[Answer], referral: Referral) -> AnswerView:
    weight, late = domain.weigh(one, answers), domain.is_late(one, referral.answer_by)
    return AnswerView(
        answer=one.answer,
        answered_at=one.answered_at,
        taken_at=one.taken_at,
        side=one.side,
        late=late,
        weight=weight,
        words=_words(wording.answer(one, weight, late=late)),
    )
