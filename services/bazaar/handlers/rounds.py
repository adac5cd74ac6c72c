"""A round of allocation, step by step: freeze, seed, publish."""

import asyncio
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import TypeVar
from uuid import UUID

from services.bazaar.allocation.stored import Solved
from services.bazaar.domain import ceremony
from services.bazaar.domain import round as domain
from services.bazaar.domain.application import Application, Step, drop
from services.bazaar.domain.ceremony import PUBLIC_DRAW, DrawSeed
from services.bazaar.domain.pseudonyms import SECRET_BYTES
from services.bazaar.domain.receipts import Receipt, check_receipt, positions_beside
from services.bazaar.domain.round import Freeze, Round
from services.bazaar.handlers.applications import record_steps
from services.bazaar.handlers.ceremonies import begin_ceremony
from services.bazaar.handlers.offers import release_erased, set_round_timers
from services.bazaar.numbering import SiteNumbers
from services.bazaar.numbering.round import numbered_too_late, still_free
from services.bazaar.store import applications, bazaars, ceremonies
from services.bazaar.store import rounds as store
from services.bazaar.store.numbering import save_numbering
from shared.db import Connection
from shared.events.bazaar import ApplicantQueued
from shared.outbox import Fact, record

ROWS_PER_STATEMENT = 500
"""A round of 100,000 is written in pieces of this size, so that the event loop is not held for long."""

T = TypeVar("T")


class ReceiptWrong(RuntimeError):
    """A fault of ours: the receipt that was to be given does not lead to the published root."""


async def freeze_round(conn: Connection, bazaar_id: UUID, *, now: datetime) -> Round:
    """Commit: fix and hash the applicants and the rule, before any seed is known."""
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    domain.require_freezable(bazaar, now)
    candidates = await store.lock_candidates(conn, bazaar_id)
    ledger = await store.sum_turns_by_groups(conn) if bazaar.policy.groups_ranked else []
    standings = domain.standings(bazaar.policy.groups_ranked, ledger)
    # in a thread: with tens of thousands of applicants the event loop would stand still for a second
    frozen = await asyncio.to_thread(
        domain.freeze, bazaar, candidates, standings, now, secret=secrets.token_bytes(SECRET_BYTES)
    )
    standing = {one.application.application_id: one.application for one in candidates}
    await _save_freeze(conn, frozen, standing, now)
    await _drop(conn, frozen, standing, now)
    plan = await ceremonies.find_plan(conn, bazaar_id)
    if plan is not None and plan.by == "ceremony":
        await begin_ceremony(conn, plan, frozen.bazaar, now=now)
    return frozen.round


async def _drop(conn: Connection, frozen: Freeze, standing: Mapping[UUID, Application], now: datetime) -> None:
    """Who is left out of the round hears of it, and why."""
    for some in _in_pieces(frozen.dropped):
        await store.save_dropped(conn, some)
        steps = [drop(standing[one.application_id], frozen.bazaar, one.because) for one in some]
        await record_steps(conn, steps, now=now)


async def _save_freeze(conn: Connection, frozen: Freeze, standing: Mapping[UUID, Application], now: datetime) -> None:
    await bazaars.save_bazaar(conn, frozen.bazaar)
    await store.add_round(conn, frozen.round, frozen.tree, now=now)
    for some in _in_pieces(frozen.listed):
        await store.save_listed(conn, some)
    following = [one for one in frozen.listed if one.choices != standing[one.application_id].choices]
    if following:
        await store.save_choices(conn, following)
    await record(conn, [Fact(frozen.event, frozen.bazaar.version)], now=now)


async def draw_seed(conn: Connection, bazaar_id: UUID, command: DrawSeed, *, now: datetime) -> Round:
    """Reveal: the seed that was drawn in public, in the way that was announced, joins the frozen problem."""
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    bazaar.require("frozen", "draw its seed")
    frozen = await store.find_round(conn, bazaar_id, bazaar.round)
    assert frozen.frozen_at is not None
    plan = await ceremonies.find_plan(conn, bazaar_id) or PUBLIC_DRAW
    source = ceremony.source_typed_in(plan, command, frozen.frozen_at, now)
    after, seeded, event = domain.draw_seed(bazaar, frozen, command.seed, source)
    await bazaars.save_bazaar(conn, after)
    await store.save_seed(conn, seeded, now=now)
    await record(conn, [Fact(event, after.version)], now=now)
    return seeded


async def give_receipt(conn: Connection, bazaar_id: UUID, application_id: UUID) -> Receipt:
    """The proof that this application stands in the frozen list, and what the round made of it.

    Raises `RoundUnknown` when it stands in none.
    """
    found = await store.find_in_list(conn, application_id)
    positions = positions_beside(found.place, found.applicants)
    path = await store.find_hashes(conn, bazaar_id, found.round, positions, found.applicants)
    receipt = Receipt(
        bazaar_id=bazaar_id,
        round=found.round,
        frozen_sha256=found.frozen_sha256,
        applicants_root=found.applicants_root,
        entry=json.loads(found.entry),
        index=found.place,
        size=found.applicants,
        path=[one.hex() for one in path],
        result_sha256=found.result_sha256,
        outcome=found.outcome,
    )
    findings = check_receipt(receipt)
    if findings:
        raise ReceiptWrong(findings[0])
    return receipt


async def publish_round(
    conn: Connection, bazaar_id: UUID, solved: Solved | None, numbered: Sequence[SiteNumbers] = (), *, now: datetime
) -> Round:
    """Publish what was solved outside this transaction: every offer and every place in the queue, or nothing.

    `solved` is None when there was no seeded round to solve; the domain then says why. `numbered`: who stands where.
    """
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    if solved is None:
        raise domain.not_solvable(bazaar)
    seeded = await store.find_round(conn, bazaar_id, bazaar.round)
    after, decided, event = domain.publish(bazaar, seeded, solved, now)
    received = await applications.lock_in_state(conn, bazaar_id, "received")
    standing = {one.name_in_round: one for one in received}
    booths = await bazaars.find_free_booths(conn, bazaar_id)
    numbered = [one if still_free(one, booths) else numbered_too_late(one) for one in numbered]
    numbers = {applicant: booth for one in numbered for applicant, booth in one.booths.items()}
    for steps in _in_pieces(domain.decisions(after, solved.result, standing, booths, now, numbers)):
        await _save_decisions(conn, steps, now)
    await bazaars.save_bazaar(conn, after)
    await store.save_result(conn, decided, now=now)
    await store.save_seats(conn, bazaar_id, decided.number)
    await save_numbering(conn, bazaar_id, decided.number, numbered, now=now)
    await record(conn, [Fact(event, after.version)], now=now)
    await set_round_timers(conn, after, now=now)
    await release_erased(conn, after, now=now)
    return decided


async def _save_decisions(conn: Connection, steps: Sequence[Step], now: datetime) -> None:
    queued = [(step.event, step.after.version) for step in steps if isinstance(step.event, ApplicantQueued)]
    offered = [step.after for step in steps if not isinstance(step.event, ApplicantQueued)]
    await applications.save_applications(conn, offered)
    await applications.save_queued(conn, [event for event, _ in queued], [version for _, version in queued])
    await record_steps(conn, steps, now=now)


def _in_pieces(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while piece := list(islice(rest, ROWS_PER_STATEMENT)):
        yield piece
