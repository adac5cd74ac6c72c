"""Where mail servers bring what came back: bounces and complaints.

Two rights are asked for. Whoever brings a mail shows a token; but anybody could have written that mail, so what it says
counts only with the proof that the letter carried (`domain/bounces.py`).
"""

import asyncio
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from prometheus_client import Counter
from pydantic import BaseModel, Field

from services.notify.channels.email import Email
from services.notify.channels.mail_reports import read_report
from services.notify.domain.bounces import Became, BouncesBusy, MailReport
from services.notify.domain.providers import ProviderNotFound
from services.notify.handlers.bounces import Taken, take_mail
from shared.db import Connection
from shared.errors import Refused
from shared.http import EdgeDep, replayed
from shared.telemetry import get_logger

READ_AT_ONCE = 1
WAITING_MAX = 16

MEDIA_TYPES = ("message/rfc822", "application/octet-stream")

MAILS = Counter("lapak_notify_returned_mails", "Mails that came back, by what they were found to be", ["became"])

logger = get_logger()
router = APIRouter(tags=["providers"])

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {one: {"schema": {"type": "string", "format": "binary"}} for one in MEDIA_TYPES},
    }
}


class NoMail(Refused):
    """What was brought is no mail, by its Content-Type."""

    code = "media-type-not-supported"
    status = 415


class ReturnedMailAnswer(BaseModel):
    """What a mail was found to be."""

    became: Became = Field(
        description="failed: its message came back; complained: its person wants no more; all others change nothing: "
        "not-final, auto-reply, no-report, unreadable, unproven (no proof of ours in it), unknown, too-late"
    )
    code: str | None = Field(description="status of the report (RFC 3463), such as dsn 5.1.1, or its type of feedback")
    notification_id: UUID | None = Field(description="the message that it is about, where it is proven")


class Reading:
    """Reads mails one at a time beside the event loop, and lets few wait."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(READ_AT_ONCE)
        self._waiting = 0

    async def read(self, raw: bytes) -> MailReport:
        """What the mail is. Raises `BouncesBusy`."""
        if self._waiting >= WAITING_MAX:
            raise BouncesBusy(
                f"{WAITING_MAX} mails wait to be read already. Nothing was taken; bring it again in a moment, with the "
                "same Idempotency-Key.",
                waiting_max=WAITING_MAX,
            )
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(read_report, raw)
        finally:
            self._waiting -= 1


@router.post("/v1/providers/{name}/reports", responses={200: {"model": ReturnedMailAnswer}}, openapi_extra=_BODY)
async def take_returned_mail(name: str, request: Request, edge: EdgeDep) -> Response:
    """A mail that came back to the sender of our letters, as bytes: a bounce (RFC 3464) or a complaint (RFC 5965).
    Nothing of its text is kept.
    """
    edge.caller.require("operator", "service")
    if name != Email.name:
        raise ProviderNotFound(f"Mail comes back to {Email.name} only.", provider=name)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in MEDIA_TYPES:
        raise NoMail(f"Content-Type: must be {' or '.join(MEDIA_TYPES)}, and the body the mail as it came.")
    mail = await _reading(request).read(await request.body())
    found: list[Taken] = []

    async def act(conn: Connection) -> ReturnedMailAnswer:
        taken = await take_mail(conn, mail, provider=name, sealer=edge.platform.sealer, now=edge.now)
        found.append(taken)
        return ReturnedMailAnswer.model_validate(taken._asdict())

    answer = await edge.once(act)
    for taken in [] if replayed(answer) else found:  # a mail that was brought before is none
        MAILS.labels(taken.became).inc()
        logger.info("mail.returned", became=taken.became, code=taken.code)
    return answer


def _reading(request: Request) -> Reading:
    """The one reader of the application."""
    found: Reading | None = getattr(request.app.state, "reading", None)
    if found is None:
        found = request.app.state.reading = Reading()
    return found
