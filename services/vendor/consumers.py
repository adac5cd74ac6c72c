"""What the registry takes from Kafka: commands of other services, by the same handlers as every other door."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.vendor.domain.erasure import Receipt
from services.vendor.domain.programme import CapitalReferral, Place
from services.vendor.domain.registration import Registered, Registration, RegistrationInvalid
from services.vendor.handlers import erasure, programme
from services.vendor.handlers import registration as handlers
from shared.consume import Received, Refusal, Subscription
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.envelope import Envelope, Message
from shared.events.rights import BazaarDataErased, NotifyDataErased, TrainingDataErased
from shared.events.training import CapitalReferralMoved, TrainingCompleted, TrainingEnrolled, TrainingNotCompleted
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
                TrainingEnrolled: on_enrolled,
                TrainingCompleted: on_completed,
                TrainingNotCompleted: on_not_completed,
                CapitalReferralMoved: on_capital_moved,
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


async def on_capital_moved(conn: Connection, run: Sequence[Received[CapitalReferralMoved]], now: datetime) -> None:
    """Referrals to banks moved: P7 follows."""
    referrals = [
        CapitalReferral(one.body.vendor_id, one.body.referral_id, one.body.bank, one.body.state, one.envelope.time)
        for one in run
    ]
    _say_skipped(await programme.follow_capital(conn, referrals, now=now))


def _say_skipped(vendor_ids: set[UUID]) -> None:
    for vendor_id in sorted(vendor_ids):
        logger.info("training.vendor_skipped", vendor_id=str(vendor_id))
