"""What is done about an answer to an offer, and what is said in return: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from services.notify.domain.replies import Meaning
from services.notify.domain.standings import ApplicationStanding, ClassStanding
from shared.clock import day_in_jakarta

__all__ = [
    "LISTED_MAX",
    "Answer",
    "Ask",
    "PassOn",
    "Question",
    "Say",
    "Step",
    "Unsure",
    "answer_offer",
    "schedule",
    "why",
]

LISTED_MAX = 4
"""So many offers, booths or classes are named in one message."""

Answer: TypeAlias = Literal["accept", "decline"]


@dataclass(frozen=True)
class Say:
    """Something is said in return: a template and what it shows."""

    template: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PassOn:
    """The answer goes to bazaar, which decides; what comes of it is told by its own message."""

    application_id: UUID
    vendor_id: UUID
    answer: Answer


@dataclass(frozen=True)
class Ask:
    """Several offers are open: which one is meant?"""

    answer: Answer
    offers: Sequence[ApplicationStanding]

    def say(self) -> Say:
        """The question in words."""
        listed = [{"number": number, **_shown(one)} for number, one in enumerate(self.offers[:LISTED_MAX], start=1)]
        return Say("reply-offer-which", {"answer": self.answer, "offers": listed})


@dataclass(frozen=True)
class Unsure:
    """An officer reads it."""


Step: TypeAlias = Say | PassOn | Ask | Unsure


@dataclass(frozen=True)
class Question:
    """A list of offers that the person was shown, in order, and what it had answered."""

    answer: Answer
    application_ids: Sequence[UUID]


def answer_offer(
    meaning: Meaning,
    mine: Sequence[ApplicationStanding],
    *,
    about: UUID | None,
    question: Question | None,
    pending: Mapping[UUID, Answer],
    now: datetime,
) -> Step:
    """What a yes, a no or a number is about, and what follows.

    `mine`: the applications of the person, under all of its ids, the last changed first. `about`: the application that
    the message names which was answered; `question`: what we asked last; `pending`: the last answer of each application
    that bazaar has not replied to yet.
    """
    if meaning.number is not None:
        return _answer_question(meaning, mine, question, pending)
    if meaning.intent not in ("accept", "decline"):
        return Unsure()
    answer: Answer = "accept" if meaning.intent == "accept" else "decline"
    if about is not None:
        named = next((one for one in mine if one.application_id == about), None)
        return Unsure() if named is None else _answer(named, answer, pending)
    offers = sorted((one for one in mine if one.open_at(now)), key=_soonest)
    if len(offers) > 1:
        return Ask(answer, offers)
    if offers:
        return _answer(offers[0], answer, pending)
    # the one that was heard of last: "already yours", "too late"
    past = next((one for one in mine if one.state not in ("waiting", "over")), None)
    return Say("reply-offer-none") if past is None else _answer(past, answer, pending, late=True)


def _answer_question(
    meaning: Meaning, mine: Sequence[ApplicationStanding], question: Question | None, pending: Mapping[UUID, Answer]
) -> Step:
    assert meaning.number is not None
    if question is None or (meaning.intent != "other" and meaning.intent != question.answer):
        return Unsure()
    listed = [one for id_ in question.application_ids for one in mine if one.application_id == id_]
    if len(listed) != len(question.application_ids):
        return Unsure()  # registrations were parted or erased meanwhile
    if meaning.number > len(listed):
        return Ask(question.answer, listed)
    return _answer(listed[meaning.number - 1], question.answer, pending)


def _answer(one: ApplicationStanding, answer: Answer, pending: Mapping[UUID, Answer], *, late: bool = False) -> Step:
    if pending.get(one.application_id) == answer:
        return Say("reply-offer-state", {"state": "passed-on", **_shown(one)})
    if one.application_id not in pending:
        same = {"accept": "confirmed", "decline": "declined"}[answer]
        if one.state == same or one.state in ("lapsed", "cancelled", "missed", "released", "waiting", "over"):
            return Say("reply-offer-state", {"state": one.state, **_shown(one)})
        if late and one.state == "offered":
            return Say("reply-offer-state", {"state": "lapsed", **_shown(one)})
    return PassOn(one.application_id, one.vendor_id, answer)


def _soonest(one: ApplicationStanding) -> tuple[datetime, UUID]:
    return (one.respond_by or one.changed_at, one.application_id)


def _shown(one: ApplicationStanding) -> dict[str, Any]:
    return {
        "bazaar_name": one.bazaar_name,
        "site_name": one.site_name,
        "booth": one.booth,
        "days": [day.isoformat() for day in one.days],
        "respond_by": None if one.respond_by is None else one.respond_by.isoformat(),
    }


def why(mine: Sequence[ApplicationStanding], about: UUID | None) -> Say:
    """Why it was not this person's turn: the last round it waited in (or the one asked about), as bazaar explained it;
    or how turns are shared out.
    """
    explained = [one for one in mine if one.queued_at is not None and one.explanation]
    asked = [one for one in explained if one.application_id == about]
    if not explained:
        return Say("reply-why-rule")
    last = asked[0] if asked else max(explained, key=lambda one: (one.queued_at, one.application_id))
    return Say(
        "reply-why",
        {"bazaar_name": last.bazaar_name, "place": last.place, "explanation": dict(last.explanation or {})},
    )


def schedule(mine: Sequence[ApplicationStanding], classes: Sequence[ClassStanding], now: datetime) -> Say:
    """Booths and classes to come, the soonest first, in one message."""
    today = day_in_jakarta(now)
    coming: list[tuple[date, dict[str, Any]]] = []
    for one in mine:
        left = sorted(day for day in one.days if day >= today)
        if one.state == "confirmed" and left:
            coming.append((left[0], {"kind": "booth", **_shown(one), "days": [day.isoformat() for day in left]}))
    for place in classes:
        left = sorted(day for day in place.days if day >= today)
        if left:
            moments = [moment.isoformat() for moment in place.starts_at if day_in_jakarta(moment) >= today]
            shown = {"kind": "class", "title": place.title, "venue": place.venue, "starts_at": moments}
            coming.append((left[0], {**shown, "days": [day.isoformat() for day in left]}))
    coming.sort(key=lambda found: found[0])
    listed = [shown for _, shown in coming[:LISTED_MAX]]
    return Say("reply-schedule", {"coming": listed, "more": len(coming) - len(listed)})
