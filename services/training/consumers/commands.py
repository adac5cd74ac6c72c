"""Commands of other services: banks answer referrals."""

from collections.abc import Sequence
from datetime import datetime

from services.training.domain.referrals import read_id
from services.training.handlers import referrals
from shared.consume import Received, Refusal, Subscription
from shared.db import Connection
from shared.events.cases import AnswerCapitalReferral
from shared.events.envelope import Envelope, Message
from shared.telemetry import get_logger

logger = get_logger()


async def on_answers(conn: Connection, run: Sequence[Received[AnswerCapitalReferral]], now: datetime) -> None:
    """Banks answer. One that cannot be taken is answered, and keeps no other back."""
    refused = await referrals.take_answers(conn, [(one.envelope, one.body) for one in run], now=now)
    for command_id, code in refused:
        logger.info("command.refused", type="AnswerCapitalReferral", code=code, command_id=str(command_id))


async def on_unreadable(
    conn: Connection, envelope: Envelope, _: Message | None, refusal: Refusal, now: datetime
) -> None:
    """A command that is none: say so."""
    await referrals.refuse_answer(conn, envelope, read_id(envelope.subject), refusal.code, refusal.reason, now=now)


SUBSCRIPTION = Subscription(
    AnswerCapitalReferral.topic, on_many={AnswerCapitalReferral: on_answers}, on_refused=on_unreadable
)
