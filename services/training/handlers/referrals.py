"""Referrals to banks: prepared, shown, sent, answered, withdrawn. The person's training records are locked first.

So consent cannot be withdrawn between the moment it is looked at and the moment the packet leaves, and of an answer and
a withdrawal at the same time one is first.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from services.training.domain import packets
from services.training.domain import referrals as domain
from services.training.domain.enrolments import TraineeNotFound
from services.training.domain.referrals import (
    Answer,
    Answered,
    BankUnknown,
    Because,
    ConsentMissing,
    DecisionFinal,
    PacketChanged,
    Referral,
    ReferralNotFound,
    ReferralStands,
    ReferralWithdrawn,
    SendReferral,
    ShownMissing,
    Weight,
)
from services.training.handlers import cases
from services.training.handlers.assignments import LockedPeople, lock_people
from services.training.handlers.cases import Actor
from services.training.handlers.trainees import record
from services.training.store import banks, consents, facts
from services.training.store import referrals as store
from services.training.store.consents import Said
from shared import families, outbox
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.errors import Refused
from shared.events.cases import AnswerCapitalReferral, CapitalPacketSent, CapitalReferralAnswerRefused
from shared.events.envelope import Envelope
from shared.events.training import TraineeEvent
from shared.ids import new_id

BANK = "bank"


async def prepare(conn: Connection, vendor_id: UUID, bank: str, *, by: str, now: datetime) -> Referral:
    """Put together what a bank would be sent, to be shown to the vendor; prepared again, it is put together anew.

    Raises `TraineeNotFound`, `ConsentMissing`, `BankUnknown`, `ReferralStands`.
    """
    locked = await lock_people(conn, [vendor_id])
    locked.require(vendor_id)
    undecided = await _at_bank(conn, locked, vendor_id, bank)
    if undecided is not None and undecided.state != "prepared":
        raise ReferralStands(
            "This bank has a referral of this person before it; wait for its answer, or withdraw that one first.",
            referral_id=str(undecided.referral_id),
        )
    referral_id = new_id() if undecided is None else undecided.referral_id
    owner = vendor_id if undecided is None else undecided.vendor_id
    answer_by = day_in_jakarta(now) + timedelta(days=domain.ANSWER_DAYS)
    blank = Referral(referral_id, owner, bank, "prepared", b"", "", answer_by, by, now)
    packet = (await _assemble(conn, blank, now=now)).to_bytes()
    prepared = replace(blank, packet=packet, packet_sha256=packets.digest(packet))
    await (store.add_referral if undecided is None else store.save_referral)(conn, prepared)
    return prepared


async def _at_bank(conn: Connection, locked: LockedPeople, vendor_id: UUID, bank: str) -> Referral | None:
    found = [one for one in await store.find_undecided(conn, locked.people[vendor_id]) if one.bank == bank]
    return max(found, key=lambda one: one.state != "prepared", default=None)


async def _assemble(conn: Connection, referral: Referral, *, now: datetime) -> CapitalPacketSent:
    today = day_in_jakarta(now)
    family = await families.find_family(conn, referral.vendor_id)
    consented_at = await consents.find_consented_at(conn, family)
    if consented_at is None:
        raise ConsentMissing(
            "There is no consent to hand facts to a bank, or it was withdrawn; the vendor gives it in the registry "
            "(purpose capital-referral).",
            purpose="capital-referral",
        )
    known = await facts.find_facts(conn, family, today=today)
    if known is None:
        raise TraineeNotFound("Training does not know this vendor.", vendor_id=str(referral.vendor_id))
    if not await banks.find_banks(conn, today, known.kelurahan, referral.bank):
        raise BankUnknown(
            "No bank of this code has an agreement about capital in force where the vendor lives; see /v1/banks.",
            bank=referral.bank,
        )
    return packets.assemble(
        known,
        referral.vendor_id,
        referral.referral_id,
        referral.bank,
        consented_at=consented_at,
        answer_by=referral.answer_by,
    )


async def send(conn: Connection, referral_id: UUID, command: SendReferral, actor: Actor, *, now: datetime) -> Referral:
    """Send a bank exactly what the vendor was shown. Consent is looked at now, and so are the facts: where they changed
    since, the vendor is to see them first.

    Raises `ReferralNotFound`, and as `prepare` and `domain.require_sendable` do.
    """
    if actor.side == "officer" and command.shown is None:
        raise ShownMissing("`shown` is missing: how did the vendor see this (at-counter, on-paper, by-phone)?")
    referral, locked = await _lock(conn, referral_id)
    domain.require_sendable(referral, command.packet_sha256, today=day_in_jakarta(now))
    packet = await _assemble(conn, referral, now=now)
    if packet.to_bytes() != referral.packet:
        raise PacketChanged("Facts have changed since this was shown; prepare it anew, look at it, then send that.")
    at_bank = await _at_bank(conn, locked, referral.vendor_id, referral.bank)
    if at_bank is not None and at_bank.state != "prepared":
        raise ReferralStands("This bank has a referral of this person before it under another registration.")
    shown = "itself" if actor.side == "vendor" else command.shown
    sent = replace(referral, state="sent", shown=shown, sent_by=actor.by, sent_at=now)
    await store.save_referral(conn, sent)
    closed = await cases.close_referred(conn, locked, referral.vendor_id, actor, now=now)
    events: list[TraineeEvent] = [packet, domain.moved(sent, "sent"), *await cases.events_of(conn, closed)]
    await record(conn, locked.versions, events, now=now)
    return sent


async def withdraw(
    conn: Connection, referral_id: UUID, because: Literal["vendor", "officer"], *, now: datetime
) -> Referral:
    """The vendor does not ask this bank any more. Raises `ReferralNotFound`, `ReferralDecided`, `ReferralWithdrawn`."""
    referral, locked = await _lock(conn, referral_id)
    domain.require_undecided(referral)
    await _withdraw(conn, locked, [referral], because, now=now)
    return await store.find_referral(conn, referral_id)


async def _withdraw(
    conn: Connection, locked: LockedPeople, referrals: Sequence[Referral], because: Because, *, now: datetime
) -> None:
    events = []
    for referral in referrals:
        after = replace(referral, state="withdrawn", withdrawn_at=now, withdrawn_because=because)
        await store.save_referral(conn, after)
        if referral.state != "prepared":  # nobody has heard of one that was only prepared
            events.append(domain.moved(after, "withdrawn"))
    await record(conn, locked.versions, events, now=now)


async def remember_consents(conn: Connection, said: Sequence[Said], *, now: datetime) -> None:
    """The registry says who consents. Whoever does not any more is asked about by no bank that has not decided."""
    locked = await _lock_all(conn, {one.vendor_id for one in said})
    await consents.save_consents(conn, said)
    await _withdraw_without_consent(conn, locked, now=now)


async def withdraw_unconsented(conn: Connection, vendor_ids: Collection[UUID], *, now: datetime) -> None:
    """Who is one person has changed for these ids, and with it whose consent counts: undecided referrals that none
    covers any more are withdrawn."""
    await _withdraw_without_consent(conn, await _lock_all(conn, vendor_ids), now=now)


async def _withdraw_without_consent(conn: Connection, locked: LockedPeople, *, now: datetime) -> None:
    for family in {tuple(ids) for ids in locked.people.values()}:
        undecided = await store.find_undecided(conn, family)
        if undecided and await consents.find_consented_at(conn, family) is None:
            known = [one for one in undecided if one.vendor_id in locked.versions]
            await _withdraw(conn, locked, known, "consent", now=now)


class Taken(NamedTuple):
    """What became of an answer: how the referral stands, and whether the answer counts."""

    referral: Referral
    weight: Weight
    late: bool


async def enter_answer(conn: Connection, referral_id: UUID, answer: Answered, *, by: str, now: datetime) -> Taken:
    """An officer enters what a bank answered. Raises `ReferralNotFound`, `AnswerMomentRefused`."""
    return await _take(conn, referral_id, answer, side="officer", by=by, now=now)


async def take_answers(
    conn: Connection, commands: Sequence[tuple[Envelope, AnswerCapitalReferral]], *, now: datetime
) -> list[tuple[UUID, str]]:
    """Banks answer, by commands. Each that cannot be taken, or that does not count, is answered with why.

    Returns the ids of those commands with the codes.
    """
    refused = []
    ids = [referral_id for _, command in commands if (referral_id := domain.read_id(command.referral_id)) is not None]
    await _lock_all(conn, await store.find_vendors(conn, ids))  # all at once, in the order of ids
    for envelope, command in commands:
        try:
            await _take_command(conn, command, now=now)
        except Refused as refusal:
            referral_id = domain.read_id(command.referral_id)
            await refuse_answer(conn, envelope, referral_id, refusal.code, refusal.message, now=now)
            refused.append((envelope.id, refusal.code))
    return refused


async def _take_command(conn: Connection, command: AnswerCapitalReferral, *, now: datetime) -> None:
    answer = domain.read_answer(command)
    taken = await _take(conn, answer.referral_id, answer, side="bank", by=answer.bank, now=now)
    # it is kept and shown all the same: what is told here is that it changes nothing
    if taken.weight == "after-withdrawal":
        raise ReferralWithdrawn("The vendor does not ask this bank any more; the answer is kept and does not count.")
    if taken.weight == "too-late-to-correct":
        raise DecisionFinal(
            f"The bank decided otherwise more than {domain.CORRECTION_DAYS} days before; the answer is kept and does "
            "not count. Ask an officer of the programme."
        )


async def refuse_answer(
    conn: Connection, envelope: Envelope, referral_id: UUID | None, code: str, reason: str, *, now: datetime
) -> None:
    """Answer a command that was not taken, or does not count."""
    event = CapitalReferralAnswerRefused(command_id=envelope.id, referral_id=referral_id, code=code, reason=reason)
    await outbox.record(conn, [outbox.Fact(event, 1, envelope.traceparent)], now=now)


async def _take(
    conn: Connection, referral_id: UUID, answered: Answered, *, side: Literal["bank", "officer"], by: str, now: datetime
) -> Taken:
    referral, locked = await _lock(conn, referral_id)
    if referral.bank != answered.bank or referral.sent_at is None:
        raise ReferralNotFound(referral_id)
    domain.require_moment(answered.answered_at, referral.sent_at, now)
    withdrawn = referral.state == "withdrawn"
    answer = Answer(answered.answer, answered.answered_at, now, side, by, withdrawn)
    await store.add_answer(conn, referral_id, answer)
    answers = (await store.find_answers(conn, [referral_id]))[referral_id]
    (kept,) = [one for one in answers if (one.answer, one.answered_at) == (answer.answer, answer.answered_at)]
    state = domain.standing(answers)
    if not withdrawn and state != referral.state:
        referral = replace(referral, state=state)
        await store.save_referral(conn, referral)
        await record(conn, locked.versions, [domain.moved(referral, state)], now=now)
    return Taken(referral, domain.weigh(kept, answers), domain.is_late(kept, referral.answer_by))


async def _lock(conn: Connection, referral_id: UUID) -> tuple[Referral, LockedPeople]:
    found = await store.find_referral(conn, referral_id)
    locked = await _lock_all(conn, [found.vendor_id])
    if found.vendor_id not in locked.versions:
        raise ReferralNotFound(referral_id)
    return await store.find_referral(conn, referral_id), locked


async def _lock_all(conn: Connection, vendor_ids: Collection[UUID]) -> LockedPeople:
    """These people, locked. Whoever is merged at this moment is locked too: news is not told a second time."""
    locked = await lock_people(conn, list(vendor_ids))
    return await lock_people(conn, list(vendor_ids)) if locked.changed else locked
