"""What the registry takes from Kafka: commands of other services, by the same handlers as every other door."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.vendor.domain.erasure import Receipt
from services.vendor.domain.indicators import Figures
from services.vendor.domain.programme import CapitalReferral, CaseNews, CaseState, MentorNews, Place
from services.vendor.domain.progress import FOLLOWED, read
from services.vendor.domain.registration import Registered, Registration, RegistrationInvalid
from services.vendor.handlers import erasure, programme, progress, visits
from services.vendor.handlers import registration as handlers
from services.vendor.handlers.visits import VisitWord
from shared.consume import Many, Received, Refusal, Subscription
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.cases import HelpCaseClosed, HelpCaseEvent, HelpCaseMoved, HelpCaseOpened
from shared.events.envelope import Envelope, Message
from shared.events.mentoring import MentorAssigned, MentorUnassigned, VisitLogged, VisitStruck
from shared.events.rights import BazaarDataErased, NotifyDataErased, TrainingDataErased
from shared.events.training import (
    CapitalReferralMoved,
    TraineeEvent,
    TrainingClassCancelled,
    TrainingCompleted,
    TrainingEnrolled,
    TrainingNotCompleted,
    TrainingWithdrawn,
)
from shared.events.vendor import RegisterVendor, VendorRegistrationRefused
from shared.telemetry import get_logger

__all__ = ["subscriptions"]

logger = get_logger()


def subscriptions(sealer: Sealer) -> list[Subscription]:
    """The commands to register people, and what the other services answer when a person is erased."""

    async def register(conn: Connection, received: Sequence[Received[RegisterVendor]], now: datetime) -> None:
        await register_many(conn, received, now, sealer=sealer)

    return [
        Subscription(RegisterVendor.topic, on_many={RegisterVendor: register}, on_refused=answer_refusal),
        Subscription(
            TrainingDataErased.topic,
            on={TrainingDataErased: note_receipt},
            on_many={
                **dict.fromkeys(FOLLOWED, on_told),
                TrainingEnrolled: on_enrolled,
                TrainingCompleted: on_completed,
                TrainingNotCompleted: on_not_completed,
                TrainingWithdrawn: on_withdrawn,
                TrainingClassCancelled: on_class_cancelled,
                CapitalReferralMoved: on_capital_moved,
                MentorAssigned: _remembered(on_mentors),
                MentorUnassigned: _remembered(on_mentors),
                VisitLogged: _remembered(on_visits),
                VisitStruck: _remembered(on_visits),
                HelpCaseOpened: _remembered(on_case),
                HelpCaseMoved: _remembered(on_case),
                HelpCaseClosed: _remembered(on_case),
            },
        ),
        Subscription(BazaarDataErased.topic, on={BazaarDataErased: note_receipt}, sparse=True),
        Subscription(NotifyDataErased.topic, on={NotifyDataErased: note_receipt}, sparse=True),
    ]


async def register_many(
    conn: Connection, received: Sequence[Received[RegisterVendor]], now: datetime, *, sealer: Sealer
) -> None:
    """Register those of a run of commands that can be, and answer each of the others with why it was refused."""
    wishes = [_wish(one.body) for one in received]
    traces = [one.envelope.traceparent for one in received]
    outcomes = await handlers.register_vendors(conn, wishes, origin="service", now=now, sealer=sealer, traces=traces)
    refusals = []
    for one, outcome in zip(received, outcomes, strict=True):
        if isinstance(outcome, Registered):
            continue
        fields = [problem.field for problem in outcome.problems] if isinstance(outcome, RegistrationInvalid) else []
        refusal = Refusal(outcome.code, outcome.message, fields)
        refusals.append((_refused(one.envelope, refusal), one.envelope.traceparent))
        logger.info("command.refused", type="RegisterVendor", code=outcome.code, command_id=str(one.envelope.id))
    await handlers.refuse_registrations(conn, refusals, now=now)


async def answer_refusal(
    conn: Connection, envelope: Envelope, _: Message | None, refusal: Refusal, now: datetime
) -> None:
    """Answer a command that could not be read."""
    await handlers.refuse_registrations(conn, [(_refused(envelope, refusal), envelope.traceparent)], now=now)


def _refused(envelope: Envelope, refusal: Refusal) -> VendorRegistrationRefused:
    return VendorRegistrationRefused(
        command_id=envelope.id, code=refusal.code, reason=refusal.reason, fields=refusal.fields
    )


def _wish(command: RegisterVendor) -> Registration:
    return Registration(
        nik=command.nik,
        name=command.name,
        phone=command.phone,
        kelurahan=command.kelurahan,
        rw=command.rw,
        rt=command.rt,
        street=command.street,
        email=command.email or "",
        kind=command.kind,
        category=command.category or "",
        agency=command.agency or "",
        language=command.language,
    )


SERVICE_OF = {TrainingDataErased: "training", BazaarDataErased: "bazaar", NotifyDataErased: "notify"}


async def note_receipt(
    conn: Connection, received: Received[TrainingDataErased | BazaarDataErased | NotifyDataErased], now: datetime
) -> None:
    """A service has erased a person. One that nobody asked is no fault of the topic: it is left out."""
    body = received.body
    receipt = Receipt(SERVICE_OF[type(body)], body.erased, body.kept, received.envelope.time)
    if not await erasure.note_receipt(conn, body.erasure_id, receipt, now=now):
        logger.info("erasure.receipt_ignored", erasure_id=str(body.erasure_id), service=receipt.service)


async def on_enrolled(conn: Connection, run: Sequence[Received[TrainingEnrolled]], now: datetime) -> None:
    """Vendors have places in classes: P2 is active."""
    places = [Place(one.body.vendor_id, one.body.class_id, one.body.course, "enrolled") for one in run]
    _say_skipped(await programme.follow_classes(conn, places, now=now))


async def on_completed(conn: Connection, run: Sequence[Received[TrainingCompleted]], now: datetime) -> None:
    """Vendors completed trainings: P2 is completed."""
    places = [
        Place(one.body.vendor_id, one.body.class_id, one.body.course, "completed", one.body.completed_on) for one in run
    ]
    _say_skipped(await programme.follow_classes(conn, places, now=now))


async def on_not_completed(conn: Connection, run: Sequence[Received[TrainingNotCompleted]], now: datetime) -> None:
    """Vendors did not complete trainings, or a correction took a completion back."""
    places = [Place(one.body.vendor_id, one.body.class_id, one.body.course, "not-completed") for one in run]
    _say_skipped(await programme.follow_classes(conn, places, now=now))


async def on_withdrawn(conn: Connection, run: Sequence[Received[TrainingWithdrawn]], now: datetime) -> None:
    """Vendors gave places up. Who only waited for one had none."""
    places = [
        Place(one.body.vendor_id, one.body.class_id, one.body.course, "withdrawn")
        for one in run
        if one.body.class_id is not None and not one.body.waited_only
    ]
    _say_skipped(await programme.follow_classes(conn, places, now=now))


async def on_class_cancelled(conn: Connection, run: Sequence[Received[TrainingClassCancelled]], now: datetime) -> None:
    """Classes that vendors had places in are not held."""
    places = [Place(one.body.vendor_id, one.body.class_id, one.body.course, "cancelled") for one in run]
    _say_skipped(await programme.follow_classes(conn, places, now=now))


async def on_capital_moved(conn: Connection, run: Sequence[Received[CapitalReferralMoved]], now: datetime) -> None:
    """Referrals to banks moved: P7 follows."""
    referrals = [
        CapitalReferral(one.body.vendor_id, one.body.referral_id, one.body.bank, one.body.state, one.envelope.time)
        for one in run
    ]
    _say_skipped(await programme.follow_capital(conn, referrals, now=now))


async def on_case(conn: Connection, run: Sequence[Received[HelpCaseEvent]], now: datetime) -> None:
    """What became of cases: P4 to P6 follow. P7 follows the banks, not the case of the help to ask one."""
    news = [
        CaseNews(one.body.vendor_id, one.body.service, _became(one.body), one.body.step_seen)
        for one in run
        if one.body.service != "P7"
    ]
    _say_skipped(await programme.follow_cases(conn, news, now=now))


def _became(event: HelpCaseEvent) -> CaseState:
    if isinstance(event, HelpCaseClosed):
        return event.outcome
    return event.state if isinstance(event, HelpCaseMoved) else "opened"


PARTED_FOR_GOOD: dict[str, MentorNews] = {"graduated": "graduated", "vendor-left": "left"}


async def on_mentors(
    conn: Connection, run: Sequence[Received[MentorAssigned | MentorUnassigned]], now: datetime
) -> None:
    """Vendors have mentors, graduated from them or left them: P3 follows. Parted otherwise, they wait for the next.

    A foster mentor stands beside: whom one adopted did not ask for P3, and may still.
    """
    news: list[tuple[UUID, MentorNews]] = []
    for one in run:
        if one.body.kind == "foster":
            continue
        if isinstance(one.body, MentorAssigned):
            news.append((one.body.vendor_id, "given"))
        elif one.body.because in PARTED_FOR_GOOD:
            news.append((one.body.vendor_id, PARTED_FOR_GOOD[one.body.because]))
    _say_skipped(await programme.follow_mentors(conn, news, now=now))


async def on_visits(conn: Connection, run: Sequence[Received[VisitLogged | VisitStruck]], now: datetime) -> None:
    """Mentors logged, corrected or struck visits: the figures of the months follow."""
    _say_skipped(await visits.follow_visits(conn, [_word(one) for one in run], now=now))


def _word(one: Received[VisitLogged | VisitStruck]) -> VisitWord:
    body = one.body
    month, figures = None, Figures()
    if isinstance(body, VisitLogged):
        figures = Figures(body.turnover_rupiah, body.assets_rupiah, body.workers)
        if body.month is not None and figures != Figures():
            month = date.fromisoformat(f"{body.month}-01")
    return VisitWord(body.vendor_id, body.visit_id, body.mentor_id, month, figures, one.envelope.time)


async def on_told(conn: Connection, run: Sequence[Received[TraineeEvent]], _: datetime) -> None:
    """What training says of certificates, mentors, visits, cases and graduation: shown as progress."""
    facts = [read(one.body, one.envelope.sequence or 0, one.envelope.time) for one in run]
    _say_skipped(await progress.follow_training(conn, facts))


def _remembered(follow: Many) -> Many:
    """What follows from an event, which is shown as progress besides."""

    async def both(conn: Connection, run: Sequence[Received[Any]], now: datetime) -> None:
        await follow(conn, run, now)
        await on_told(conn, run, now)

    return both


def _say_skipped(vendor_ids: set[UUID]) -> None:
    for vendor_id in sorted(vendor_ids):
        logger.info("training.vendor_skipped", vendor_id=str(vendor_id))
