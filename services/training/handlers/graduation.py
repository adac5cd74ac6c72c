"""Candidates for graduation: looked at when something changes and every month; decided, objected to, taken back.

Who comes to be a candidate follows from facts that many transactions write. So none of them looks: each leaves the ids
on a list (`store.graduation.add_due`), and a timer works it off, a stretch at a time. A fact that is committed after
the look has its ids on the list again. While people are looked at or decided on nobody is merged or parted
(`families.share_people`), and their training records are locked before anything is written.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from services.training.domain import contributions as shared_out
from services.training.domain import criteria as rules
from services.training.domain import graduation as domain
from services.training.domain.contributions import Record
from services.training.domain.criteria import Criteria, Evaluation, Needs, Progress, month_of, month_text
from services.training.domain.enrolments import TraineeNotFound
from services.training.domain.graduation import (
    Appeal,
    AppealedAlready,
    Candidacy,
    CandidacyUnknown,
    DecideAppeal,
    DecideCandidacy,
    FileAppeal,
    NoOpenAppeal,
    Proposed,
    RevokeGraduation,
    TakenBack,
)
from services.training.handlers import assignments
from services.training.handlers.trainees import record
from services.training.store import contributions, criteria, figures, trainees
from services.training.store import graduation as store
from services.training.store.erasures import PEOPLE
from shared import families
from shared.clock import JAKARTA, day_in_jakarta
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.training import TraineeEvent
from shared.ids import new_id
from shared.timers import set_timer

REVIEW = "graduation-review"
"""Timer: look at those on the list."""
EVERYONE = "graduation-month"
"""Timer: everybody comes on the list. Key: `everyone`, each month, or the version of criteria that comes into force."""
MONTHLY = "everyone"
EVERYTHING = Needs(None, trainings=True, visits=True)

STRETCH = 500
"""Looked at in one transaction, well under a second."""
PAUSE = timedelta(seconds=5)
"""Between two looks at an empty list."""


class Shown(NamedTuple):
    """A candidacy as a decider sees it: by today's figures while nobody decided, else as it was frozen."""

    candidacy: Candidacy
    criteria: Criteria
    evaluation: Evaluation
    evidence: str
    evidence_sha256: str


# ---- looking


async def look_again(conn: Connection, vendor_ids: Sequence[UUID]) -> None:
    """Something that the criteria ask about has changed for these people: they are looked at soon."""
    await store.add_due(conn, vendor_ids)


async def review_by_timer(conn: Connection, key: str, now: datetime) -> None:
    """Timer: look at a stretch of the list; at once again while there are more."""
    taken = await review_due(conn, now=now)
    await set_timer(conn, REVIEW, key, now if taken == STRETCH else now + PAUSE)


async def everyone_by_timer(conn: Connection, key: str, now: datetime) -> None:
    """Timer: a month has ended, or criteria come into force: everybody with figures is to be looked at."""
    today = day_in_jakarta(now)
    await store.add_everyone_due(conn, month_text(month_of(today) - rules.LATE_MONTHS_MAX))
    if key == MONTHLY:
        following = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
        await set_timer(conn, EVERYONE, key, datetime.combine(following, time(1, 0), JAKARTA))


async def review_due(conn: Connection, *, now: datetime, limit: int = STRETCH) -> int:
    """Look at those who came first on the list: propose, and take back. Gives how many entries were worked off."""
    await families.share_people(conn, PEOPLE)
    taken, vendor_ids = await store.take_due(conn, limit)
    if not vendor_ids:
        return taken
    people = await figures.find_people(conn, vendor_ids)
    today = day_in_jakarta(now)
    in_force = await criteria.find_in_force(conn, today)
    following = await _review(conn, people, in_force, today, now)
    if following:  # seldom: these alone again, with their records locked against officers
        people = {person_id: ids for person_id, ids in people.items() if person_id in following}
        versions = await trainees.lock_trainees(conn, [one for ids in people.values() for one in ids])
        following = await _review(conn, people, in_force, today, now)
        steps = [step for some in following.values() for step in some if step.candidacy.vendor_id in versions]
        steps.sort(key=lambda step: isinstance(step, Proposed))  # taken back first: one candidacy stands at a time
        await store.save_candidacies(conn, [step.candidacy for step in steps])
        await record(conn, versions, [step.event for step in steps], now=now)
    return taken


async def _review(
    conn: Connection,
    people: Mapping[UUID, Sequence[UUID]],
    in_force: Sequence[Criteria],
    today: date,
    now: datetime,
) -> dict[UUID, list[Proposed | TakenBack]]:
    """What follows for these people, for whom something does."""
    ids = [one for some in people.values() for one in some]
    person_of = {one: person_id for person_id, some in people.items() for one in some}
    candidacies: dict[UUID, list[Candidacy]] = {}
    for one in await store.find_candidacies(conn, ids):
        candidacies.setdefault(person_of[one.vendor_id], []).append(one)
    known = {(one.name, one.version): one for one in in_force}
    older = {(one.criteria, one.criteria_version) for some in candidacies.values() for one in some} - known.keys()
    if older:
        known |= await criteria.find_versions(conn, list(older))
    needs = rules.needs_of([one.document for one in known.values()], today)
    progress = await figures.find_progress(conn, people, needs)
    return await asyncio.to_thread(_follow, progress, candidacies, in_force, known, today, now)


def _follow(
    progress: Mapping[UUID, Progress],
    candidacies: Mapping[UUID, Sequence[Candidacy]],
    in_force: Sequence[Criteria],
    known: Mapping[tuple[str, int], Criteria],
    today: date,
    now: datetime,
) -> dict[UUID, list[Proposed | TakenBack]]:
    found = {}
    for person_id, one in progress.items():
        own = candidacies.get(person_id, ())
        steps = domain.review(person_id, own, in_force, _evaluator(one, known, today), make_id=new_id, now=now)
        if steps:
            found[person_id] = steps
    return found


def _evaluator(
    progress: Progress, known: Mapping[tuple[str, int], Criteria], today: date
) -> Callable[[str, int], Evaluation]:
    def evaluate(name: str, version: int) -> Evaluation:
        return rules.evaluate(known[name, version].document, progress, today)

    return evaluate


# ---- showing


async def show(conn: Connection, candidacy: Candidacy, *, now: datetime) -> Shown:
    """A candidacy with its evidence, by what is known now."""
    family = await families.find_family(conn, candidacy.vendor_id)
    return (await _shown(conn, candidacy, family, now))[0]


async def evaluate_now(conn: Connection, family: Sequence[UUID], *, now: datetime) -> list[tuple[Criteria, Evaluation]]:
    """How far a person (all its ids) is by each criteria in force."""
    today = day_in_jakarta(now)
    progress = (await figures.find_progress(conn, {family[0]: family}, EVERYTHING))[family[0]]
    in_force = await criteria.find_in_force(conn, today)
    return [(one, rules.evaluate(one.document, progress, today)) for one in in_force]


async def _shown(conn: Connection, candidacy: Candidacy, family: Sequence[UUID], now: datetime) -> tuple[Shown, Record]:
    key = (candidacy.criteria, candidacy.criteria_version)
    version = (await criteria.find_versions(conn, [key]))[key]
    progress = (await figures.find_progress(conn, {family[0]: family}, EVERYTHING))[family[0]]
    evaluation = rules.evaluate(version.document, progress, day_in_jakarta(now))
    done = await contributions.find_record(conn, family)
    counted = await figures.find_counted(conn, family)
    text, sha256 = domain.write_evidence(
        {
            "candidacy_id": str(candidacy.candidacy_id),
            "criteria": candidacy.criteria,
            "criteria_version": candidacy.criteria_version,
            "run": [month_text(month) for month in evaluation.run],
            "met": evaluation.met,
            "checks": [_check(check) for check in evaluation.checks],
            "months": [figure._asdict() for figure in counted],
            "visits": len(progress.visits),
            **shared_out.describe(done),
        }
    )
    if candidacy.evidence is not None and candidacy.evidence_sha256 is not None:
        text, sha256 = candidacy.evidence, candidacy.evidence_sha256
    return Shown(candidacy, version, evaluation, text, sha256), done


def _check(check: rules.Check) -> dict[str, Any]:
    return {
        "condition": check.condition.model_dump(mode="json"),
        "met": check.met,
        "found": check.found,
        "months_held": check.months_held,
    }


# ---- deciding


class Held(NamedTuple):
    """A candidacy and its person, whose training records are locked; nobody merges or parts it meanwhile."""

    candidacy: Candidacy
    family: list[UUID]
    versions: dict[UUID, int]
    kelurahan: str


async def decide(
    conn: Connection, candidacy_id: UUID, command: DecideCandidacy, *, by: str, now: datetime
) -> Candidacy:
    """A person decides on a candidate. A graduate's employed mentor is free for others.

    Raises `CandidacyUnknown`, `OwnMentee`, `CandidacyNotOpen`, `CriteriaNotHeld` or `EvidenceChanged`.
    """
    held = await _hold(conn, candidacy_id, by)
    shown, done = await _shown(conn, held.candidacy, held.family, now)
    decided = domain.decide(
        held.candidacy,
        command,
        shown.evaluation,
        (shown.evidence, shown.evidence_sha256),
        kelurahan=held.kelurahan,
        by=by,
        now=now,
    )
    await _keep(conn, held, [decided.candidacy], [decided.event], done, now=now)
    return decided.candidacy


async def revoke(
    conn: Connection, candidacy_id: UUID, command: RevokeGraduation, *, by: str, now: datetime
) -> Candidacy:
    """Take a graduation back; an objection to it has what it wanted. Raises `CandidacyUnknown`, `OwnMentee` or
    `NotGraduated`.
    """
    held = await _hold(conn, candidacy_id, by)
    decided = domain.revoke(held.candidacy, command.reason, by=by, now=now)
    filed = await store.find_appeal(conn, candidacy_id)
    if filed is not None and filed.state == "open":
        await store.save_answer(conn, domain.drop(filed, by=by, now=now), None)
    await _keep(conn, held, [decided.candidacy], [decided.event], None, now=now)
    return decided.candidacy


async def file_appeal(
    conn: Connection, candidacy_id: UUID, command: FileAppeal, *, by: str, sealer: Sealer, now: datetime
) -> Appeal:
    """The vendor objects to what was decided. Raises `CandidacyUnknown`, `NothingDecided`, `AppealTooLate` or
    `AppealedAlready`.
    """
    held = await _hold(conn, candidacy_id, None)
    appeal_id = new_id()
    filed, event = domain.appeal(held.candidacy, appeal_id=appeal_id, by=by, now=now)
    if not await store.add_appeal(conn, filed, sealer.seal(command.text.encode(), appeal_id.bytes)):
        raise AppealedAlready("There is an objection to this already; what became of it stands with the candidacy.")
    await record(conn, held.versions, [event], now=now)
    return filed


async def answer_appeal(
    conn: Connection, candidacy_id: UUID, command: DecideAppeal, *, by: str, sealer: Sealer, now: datetime
) -> Candidacy:
    """Another person answers an objection. Raises `CandidacyUnknown`, `OwnMentee`, `NoOpenAppeal`, `SameDecider` or
    `GraduatedAlready`.
    """
    held = await _hold(conn, candidacy_id, by)
    filed = await store.find_appeal(conn, candidacy_id)
    if filed is None:
        raise NoOpenAppeal("Nobody objects to this.")
    others = [one for one in await store.find_candidacies(conn, held.family) if one.candidacy_id != candidacy_id]
    answered, decided = domain.answer_appeal(
        held.candidacy,
        filed,
        command.upheld,
        graduated_otherwise=any(one.state == "graduated" for one in others),
        by=by,
        now=now,
    )
    await store.save_answer(conn, answered, sealer.seal(command.answer.encode(), filed.appeal_id.bytes))
    gone = []
    if decided.candidacy.state == "graduated":
        gone = [domain.take_back(one, "merged") for one in others if one.state == "proposed"]
    done = await contributions.find_record(conn, held.family)
    changed = [*(one.candidacy for one in gone), decided.candidacy]
    await _keep(conn, held, changed, [*(one.event for one in gone), decided.event], done, now=now)
    return decided.candidacy


async def _hold(conn: Connection, candidacy_id: UUID, by: str | None) -> Held:
    """Lock the training records of a candidate, under all its ids.

    `by`: who decides, who must not be a mentor of the vendor. Raises `CandidacyUnknown` or `OwnMentee`.
    """
    await families.share_people(conn, PEOPLE)
    found = await store.find_candidacy(conn, candidacy_id)
    if found is None:
        raise CandidacyUnknown("There is no such candidacy.")
    family = await families.find_family(conn, found.vendor_id)
    if by is not None:
        domain.require_impartial(accompanied=await contributions.accompanies(conn, family, by))
    versions = await trainees.lock_trainees(conn, family)
    locked = await store.find_candidacy(conn, candidacy_id)
    home = (await figures.find_homes(conn, family[:1])).get(family[0])
    if locked is None or home is None or found.vendor_id not in versions:
        raise TraineeNotFound("Training does not know this vendor any more.", vendor_id=str(found.vendor_id))
    return Held(locked, family, versions, home)


async def _keep(
    conn: Connection,
    held: Held,
    changed: Sequence[Candidacy],
    events: Sequence[TraineeEvent],
    done: Record | None,
    *,
    now: datetime,
) -> None:
    """Save a decision and what follows from it. `done`: what was done for the person, where it may graduate."""
    await store.save_candidacies(conn, changed)
    await record(conn, held.versions, events, now=now)
    for one in changed:
        if one.state == "graduated" and held.candidacy.state != "graduated" and done is not None:
            months = shared_out.active_months(done, day_in_jakarta(now))
            await contributions.save_shares(conn, one.candidacy_id, months, shared_out.shares(months))
            await assignments.unassign(
                conn, one.vendor_id, because="graduated", now=now, kind="employed", ended_by=one.decided_by
            )
    await store.add_due(conn, held.family)
