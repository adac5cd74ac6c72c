"""What comes back by mail: what it is found to be, and what becomes of its message. The edge owns the transaction."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.notify.domain.bounces import COUNTS_FOR, Became, MailReport, is_complaint, judge, proven
from services.notify.domain.reports import Complaint, Receipt
from services.notify.domain.routing import address_key
from services.notify.handlers.reports import take_reports
from services.notify.store import bounces as store
from services.notify.store.bounces import Attempted
from shared.crypto import Sealer
from shared.db import Connection


class Taken(NamedTuple):
    """What a mail was found to be, and of which message."""

    became: Became
    code: str | None = None
    notification_id: UUID | None = None


async def take_mail(conn: Connection, mail: MailReport, *, provider: str, sealer: Sealer, now: datetime) -> Taken:
    """Take a mail that came back to `provider`. What has no proof changes nothing, whatever it says."""
    if mail.says is not None:
        return Taken(mail.says)
    attempt_id = proven(sealer.blind_index, mail.marks)
    if attempt_id is None:
        return Taken("unproven")
    attempt = await store.find_attempt(conn, provider, attempt_id)
    if attempt is None:
        return Taken("unknown")
    if now - attempt.began_at > COUNTS_FOR:
        return Taken("too-late", notification_id=attempt.notification_id)
    if mail.feedback is not None:
        return await _complaint(conn, mail.feedback, attempt, provider, sealer, now)
    return await _bounce(conn, mail, attempt, provider, sealer, now)


async def _complaint(
    conn: Connection, feedback: str, attempt: Attempted, provider: str, sealer: Sealer, now: datetime
) -> Taken:
    if not is_complaint(feedback):
        return Taken("not-final", notification_id=attempt.notification_id)
    code = f"arf {feedback}"
    await take_reports(conn, [Complaint(provider, attempt.attempt_id, code)], sealer=sealer, now=now)
    return Taken("complained", code, attempt.notification_id)


async def _bounce(
    conn: Connection, mail: MailReport, attempt: Attempted, provider: str, sealer: Sealer, now: datetime
) -> Taken:
    def is_ours(address: str) -> bool:
        return address_key(sealer.blind_index, "email", address) == attempt.address_key

    verdict = judge(mail.recipients, is_ours)
    if verdict is None:
        return Taken("not-final", notification_id=attempt.notification_id)
    receipt = Receipt(provider, attempt.attempt_id, None, "failed", now, verdict.code, verdict.kind)
    await take_reports(conn, [receipt], sealer=sealer, now=now)
    return Taken("failed", verdict.code, attempt.notification_id)
