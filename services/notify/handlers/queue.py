"""The officers' queue: what a person must answer, in its own words; and forgetting what was written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.notify.domain import queue as domain
from services.notify.domain.answers import Say
from services.notify.domain.queue import AnswerReply, CloseReply
from services.notify.domain.standings import KEPT as STANDINGS_KEPT
from services.notify.handlers.replies import WINDOW, send_back
from services.notify.plans import Lane
from services.notify.store import lookups, replies, standings
from services.notify.store import queue as store
from services.notify.store.erasures import PEOPLE
from services.notify.store.queue import Found
from shared import families
from shared.clock import day_in_jakarta
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.notify import Channel
from shared.timers import set_timer

OFFICERS_WORDS = "reply-officer"
"""The template that carries an officer's own words."""


@dataclass(frozen=True)
class Officer:
    """Who answers or closes a reply: the subject of its token, by what its words are sealed, the channels there are."""

    by: str
    sealer: Sealer
    channels: Sequence[Channel]


async def answer(
    conn: Connection, reply_id: UUID, command: AnswerReply, officer: Officer, *, now: datetime
) -> list[Channel]:
    """An officer answers in its own words; the channels by which the answer goes, in order.

    Raises `ReplyNotFound`, `ReplySettled`, `WriterUnknown`, `WriterNotNamed`, `NoWayBack`.
    """
    await families.share_people(conn, PEOPLE)
    reply = await _lock_open(conn, reply_id)
    vendor_id = domain.writer_of(reply.writers, command.vendor_id)
    window = None
    if reply.address_key is not None:
        window = await replies.find_window(conn, reply.address_key, now)
    contact = await lookups.find_contact(conn, vendor_id)
    ways = domain.ways_back(
        reply.channel,
        officer.channels,
        window_is_open=window is not None,
        has_phone=contact is not None and contact.phone is not None,
    )
    sealed = officer.sealer.seal(command.text.encode(), reply_id.bytes)
    await store.settle_reply(
        conn, reply_id, "answered", vendor_id=vendor_id, by=officer.by, because=None, answer_sealed=sealed, now=now
    )
    until = now + WINDOW if window is None or len(ways) > 1 else window
    say = Say(OFFICERS_WORDS, {"reply_id": str(reply_id)})
    await send_back(conn, reply_id, vendor_id, say, channels=ways, now=now, lane=Lane.PERSONAL, of_use_until=until)
    return ways


async def close(conn: Connection, reply_id: UUID, command: CloseReply, *, by: str, now: datetime) -> None:
    """An officer closes a reply that needs no answer. Raises `ReplyNotFound`, `ReplySettled`."""
    await _lock_open(conn, reply_id)
    await store.settle_reply(
        conn, reply_id, "closed", vendor_id=None, by=by, because=command.reason, answer_sealed=None, now=now
    )


async def _lock_open(conn: Connection, reply_id: UUID) -> Found:
    found = await store.find_reply(conn, reply_id, lock=True)
    if found is None:
        raise domain.ReplyNotFound("No reply has this id.", reply_id=str(reply_id))
    if found.state != "open":
        raise domain.ReplySettled(
            f"This reply is {found.state}; only an open one is answered or closed.", state=found.state
        )
    return found


async def params_in_full(
    conn: Connection, sealer: Sealer, template: str, params: Mapping[str, object]
) -> Mapping[str, object]:
    """The parameters of a message with an officer's words, which are kept sealed elsewhere; None once they are gone."""
    if template != OFFICERS_WORDS or "reply_id" not in params:
        return params
    reply_id = UUID(str(params["reply_id"]))
    sealed = await store.find_officer_words(conn, reply_id)
    return {**params, "words": None if sealed is None else sealer.open(sealed, reply_id.bytes).decode()}


# --- forgetting

KEPT = timedelta(days=7)
"""What people wrote is kept so long; so is what officers answered."""
FORGET = "forget-replies"
"""Kind of the timer that removes what is past, its key `hourly`."""


async def forget(conn: Connection, key: str, now: datetime) -> None:
    """Timer: remove texts, conversations and standings that are past their use."""
    await store.forget_texts(conn, now - KEPT, now)
    await replies.remove_past(conn, now)
    await standings.remove_past(conn, day_in_jakarta(now) - STANDINGS_KEPT)
    await set_timer(conn, FORGET, key, now + timedelta(hours=1))
