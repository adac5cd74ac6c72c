"""Mentors entered, changed and withdrawn; with each change of a name the card that says it."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from pydantic_core import from_json, to_json

from services.training.domain import mentors as domain
from services.training.domain.assignments import MentorNotFound
from services.training.domain.mentors import AccountTaken, Card, ListMentor, Mentor, NotGraduated
from services.training.handlers.assignments import unassign_all
from services.training.store import graduation
from services.training.store import mentors as store
from services.training.store.assignments import find_vendors_held, lock_rooms
from services.training.store.trainees import lock_trainees
from shared import families
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.training import OrganisationCard
from shared.ids import new_id
from shared.outbox import Fact, record, record_tombstone


async def enter_mentor(conn: Connection, command: ListMentor, *, sealer: Sealer, now: datetime) -> Mentor:
    """Enter a mentor. Raises `AccountTaken`, `NotGraduated`."""
    await _require_free(conn, command.account, None)
    await _require_graduated(conn, command.vendor_id)
    mentor, event = domain.enter(command, mentor_id=new_id(), now=now)
    mentor = mentor.with_next_card()
    await store.add_mentor(conn, mentor, seal_card(sealer, mentor.mentor_id, command.card()))
    card = domain.tell_card(mentor, command.card())
    await record(conn, [Fact(event, mentor.version), Fact(card, mentor.card_version)], now=now)
    return mentor


async def change_mentor(
    conn: Connection, mentor_id: UUID, command: ListMentor, *, sealer: Sealer, now: datetime
) -> Mentor:
    """Write a mentor's entry anew. The same again changes nothing.

    Raises `MentorNotFound`, `MentorGone`, `KindChanged`, `AccountTaken`, `NotGraduated`.
    """
    before = await _lock(conn, mentor_id)
    after, event = domain.change(before, command)
    if after.account != before.account:
        await _require_free(conn, after.account, mentor_id)
    if after.vendor_id != before.vendor_id:
        await _require_graduated(conn, after.vendor_id)
    sealed = await store.find_card(conn, mentor_id)
    facts = [] if event is None else [Fact(event, after.version)]
    if sealed is None or open_card(sealer, mentor_id, sealed) != command.card():
        after = after.with_next_card()
        sealed = seal_card(sealer, mentor_id, command.card())
        facts.append(Fact(domain.tell_card(after, command.card()), after.card_version))
    if after != before:
        await store.save_mentor(conn, after, sealed)
    await record(conn, facts, now=now)
    return after


async def withdraw_mentor(conn: Connection, mentor_id: UUID, *, by: str | None, now: datetime) -> Mentor:
    """The mentor mentors no more: its vendors are parted from it, its name is gone here and on the topic of cards.

    Withdrawing it again changes nothing. Raises `MentorNotFound`.
    """
    before = await _lock(conn, mentor_id)
    if not before.listed:
        return before
    after, event = domain.withdraw(before, now=now)
    await store.save_mentor(conn, after, None)
    await record(conn, [Fact(event, after.version)], now=now)
    await record_tombstone(conn, OrganisationCard, str(mentor_id), after.card_version, now=now)
    await unassign_all(conn, mentor_id, because="mentor-left", ended_by=by, now=now)
    return after


async def withdraw_erased(conn: Connection, vendor_ids: list[UUID], *, now: datetime) -> int:
    """People who are erased mentor no more, under whichever of their ids they did; how many entries that ended.

    The training records of the erased are locked, with those of the vendors whom they mentor.
    """
    gone = await store.find_mentors_who_are(conn, vendor_ids)
    # all mentors, then all records, each in the order of ids as everybody locks them
    await lock_rooms(conn, gone)
    await lock_trainees(conn, {*vendor_ids, *await find_vendors_held(conn, gone)})
    for mentor_id in gone:
        await withdraw_mentor(conn, mentor_id, by=None, now=now)
    return len(gone)


def seal_card(sealer: Sealer, mentor_id: UUID, card: Card) -> bytes:
    """A card as it is stored."""
    return sealer.seal(to_json(card._asdict()), mentor_id.bytes)


def open_card(sealer: Sealer, mentor_id: UUID, sealed: bytes) -> Card:
    """A stored card, read."""
    return Card(**from_json(sealer.open(sealed, mentor_id.bytes)))


def open_cards(sealer: Sealer, sealed: Mapping[UUID, bytes]) -> dict[UUID, Card]:
    """Stored cards, read."""
    return {mentor_id: open_card(sealer, mentor_id, card) for mentor_id, card in sealed.items()}


async def _lock(conn: Connection, mentor_id: UUID) -> Mentor:
    mentor = await store.lock_mentor(conn, mentor_id)
    if mentor is None:
        raise MentorNotFound("No mentor has this id.", mentor_id=str(mentor_id))
    return mentor


async def _require_free(conn: Connection, account: str | None, mentor_id: UUID | None) -> None:
    if account is None:
        return
    await store.lock_account(conn, account)
    holder = await store.find_mentor_of(conn, account)
    if holder is not None and holder.mentor_id != mentor_id:
        raise AccountTaken(
            "account: it belongs to another mentor; give this one an account of its own, or withdraw the other first.",
            mentor_id=str(holder.mentor_id),
        )


async def _require_graduated(conn: Connection, vendor_id: UUID | None) -> None:
    if vendor_id is None:
        return
    family = await families.find_family(conn, vendor_id)
    if await families.find_erased(conn, family) or not await graduation.find_graduated(conn, family):
        raise NotGraduated(
            "vendor_id: only a member who graduated mentors others; leave it out, or wait for the decision.",
            vendor_id=str(vendor_id),
        )
