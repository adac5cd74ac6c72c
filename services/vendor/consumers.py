"""What the registry takes from Kafka: commands of other services, by the same handlers as every other door."""

from collections.abc import Sequence
from datetime import datetime

from services.vendor.domain.registration import Registered, Registration, RegistrationInvalid
from services.vendor.handlers import registration as handlers
from shared.consume import Received, Refusal, Subscription
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.envelope import Envelope, Message
from shared.events.vendor import RegisterVendor, VendorRegistrationRefused
from shared.telemetry import get_logger

__all__ = ["subscriptions"]

logger = get_logger()


def subscriptions(sealer: Sealer) -> list[Subscription]:
    """One subscriber: the commands to register people."""

    async def register(conn: Connection, received: Sequence[Received[RegisterVendor]], now: datetime) -> None:
        await register_many(conn, received, now, sealer=sealer)

    return [Subscription(RegisterVendor.topic, on_many={RegisterVendor: register}, on_refused=answer_refusal)]


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
