"""Rows of replies, of conversations that are open, of questions asked and answers passed on. What people write is
sealed, bound to the reply's id.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.notify.domain.answers import Answer, Question
from services.notify.domain.reports import Reply
from services.notify.plans import Lane
from shared.db import Connection
from shared.events.notify import Channel, Intent
from shared.ids import new_id
from shared.resealing import SealedColumn
from shared.telemetry import current_traceparent

SEALED_TEXTS = SealedColumn(
    "texts of replies",
    "SELECT reply_id AS id, text_sealed AS sealed FROM reply WHERE reply_id > $1 AND text_sealed IS NOT NULL "
    "ORDER BY reply_id LIMIT $2",
    "UPDATE reply AS r SET text_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (reply_id, old, fresh) "
    "WHERE r.reply_id = n.reply_id AND r.text_sealed = n.old",
)
SEALED_ANSWERS = SealedColumn(
    "officers' answers to replies",
    "SELECT reply_id AS id, answer_sealed AS sealed FROM reply WHERE reply_id > $1 AND answer_sealed IS NOT NULL "
    "ORDER BY reply_id LIMIT $2",
    "UPDATE reply AS r SET answer_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (reply_id, old, fresh) "
    "WHERE r.reply_id = n.reply_id AND r.answer_sealed = n.old",
)


# --- who writes, and about what


async def find_senders(conn: Connection, phones: Sequence[str]) -> dict[str, list[UUID]]:
    """Phone -> the vendors who have it in their card."""
    rows = await conn.fetch(
        "SELECT phone, array_agg(vendor_id ORDER BY vendor_id) AS vendor_ids FROM contact "
        "WHERE phone = ANY($1::text[]) AND kind = 'vendor' GROUP BY phone",
        phones,
    )
    return {row["phone"]: row["vendor_ids"] for row in rows}


async def lock_senders(conn: Connection, names: Sequence[str]) -> None:
    """Let nobody else answer these senders until this transaction ends; all take the locks in one order."""
    await conn.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(s.name, 7)) FROM (SELECT DISTINCT name FROM "
        "unnest($1::text[]) AS given (name) ORDER BY name) AS s",
        [f"notify.reply/{name}" for name in names],
    )


async def is_taken(conn: Connection, provider: str, message_id: str) -> bool:
    """Whether this message was taken before."""
    taken: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM reply WHERE provider = $1 AND message_id = $2)", provider, message_id
    )
    return taken


class About(NamedTuple):
    """The message that is answered."""

    notification_id: UUID
    vendor_id: UUID
    template: str
    application_id: UUID | None


async def find_about(conn: Connection, provider: str, message_id: str) -> About | None:
    """The message of ours with this id at the provider."""
    row = await conn.fetchrow(
        "SELECT n.id, n.vendor_id, n.template, n.params ->> 'application_id' AS application_id "
        "FROM attempt AS a JOIN notification AS n ON n.id = a.notification_id "
        "WHERE a.provider = $1 AND a.message_id = $2 LIMIT 1",
        provider,
        message_id,
    )
    if row is None:
        return None
    application_id = row["application_id"]
    return About(row["id"], row["vendor_id"], row["template"], None if application_id is None else UUID(application_id))


# --- conversations


async def open_window(conn: Connection, provider: str, address_key: bytes, until: datetime) -> None:
    """The person wrote: until then it may be written to freely. An older message shortens nothing."""
    await conn.execute(
        "INSERT INTO conversation_window AS w (provider, address_key, until) VALUES ($1, $2, $3) "
        "ON CONFLICT (provider, address_key) DO UPDATE SET until = greatest(w.until, excluded.until)",
        provider,
        address_key,
        until,
    )


async def find_window(conn: Connection, address_key: bytes, now: datetime) -> datetime | None:
    """Until when somebody with this address may be written to freely; None where no conversation is open."""
    until: datetime | None = await conn.fetchval(
        "SELECT max(until) FROM conversation_window WHERE address_key = $1 AND until > $2", address_key, now
    )
    return until


async def find_windows(conn: Connection, address_keys: Sequence[bytes], now: datetime) -> set[tuple[str, bytes]]:
    """Which providers may write freely to which of these addresses."""
    rows = await conn.fetch(
        "SELECT provider, address_key FROM conversation_window WHERE address_key = ANY($1::bytea[]) AND until > $2",
        address_keys,
        now,
    )
    return {(row["provider"], row["address_key"]) for row in rows}


async def count_echoes(conn: Connection, address_key: bytes, since: datetime) -> int:
    """How often we answered this address by ourselves."""
    count: int = await conn.fetchval(
        "SELECT count(*) FROM reply WHERE address_key = $1 AND received_at > $2 AND echoed", address_key, since
    )
    return count


async def was_told_to_wait(conn: Connection, address_key: bytes, since: datetime) -> bool:
    """Whether this address was told that an officer will answer."""
    told: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM reply WHERE address_key = $1 AND received_at > $2 AND told_to_wait)",
        address_key,
        since,
    )
    return told


# --- replies


class Kept(NamedTuple):
    """A reply as it is kept: what it is taken for and what became of it at once."""

    reply_id: UUID
    reply: Reply
    address_key: bytes
    vendor_id: UUID | None
    candidates: Sequence[UUID]
    intent: Intent
    about_notification_id: UUID | None
    application_id: UUID | None
    text_sealed: bytes
    state: str
    echoed: bool
    told_to_wait: bool


async def add_reply(conn: Connection, kept: Kept, now: datetime) -> None:
    """Keep a reply."""
    reply = kept.reply
    await conn.execute(
        "INSERT INTO reply (reply_id, provider, message_id, channel, address_key, vendor_id, intent, "
        "about_notification_id, application_id, text_sealed, state, echoed, told_to_wait, said_at, received_at, "
        "settled_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
        "CASE WHEN $11 = 'handled' THEN $15::timestamptz END)",
        kept.reply_id,
        reply.provider,
        reply.message_id,
        reply.channel,
        kept.address_key,
        kept.vendor_id,
        kept.intent,
        kept.about_notification_id,
        kept.application_id,
        kept.text_sealed,
        kept.state,
        kept.echoed,
        kept.told_to_wait,
        reply.at,
        now,
    )
    if kept.candidates:
        await conn.execute(
            "INSERT INTO reply_candidate (reply_id, vendor_id) SELECT $1, v FROM unnest($2::uuid[]) AS v",
            kept.reply_id,
            kept.candidates,
        )


class Echo(NamedTuple):
    """A message that goes back because of a reply: to whom, in which words, by which channels in order."""

    reply_id: UUID
    vendor_id: UUID
    template: str
    version: str
    params: Mapping[str, Any]
    lane: Lane
    channels: Sequence[Channel]
    deadline: datetime


async def add_echo(conn: Connection, echo: Echo, now: datetime) -> None:
    """Plan a message that goes back; one of a kind for each reply. None to who is erased."""
    await conn.execute(
        "INSERT INTO notification (id, event_id, template, vendor_id, template_version, params, lane, state, deadline, "
        "cause_at, traceparent, planned_at, topic, must, route) "
        "SELECT $1, $2, $3, $4, $5, $6, $7, 'planned', $8, $9, $10, $9, 'offers', true, $11 "
        "WHERE NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = $4) "
        "ON CONFLICT (event_id, template, vendor_id) DO NOTHING",
        new_id(),
        echo.reply_id,
        echo.template,
        echo.vendor_id,
        echo.version,
        dict(echo.params),
        int(echo.lane),
        echo.deadline,
        now,
        current_traceparent(),
        list(echo.channels),
    )


# --- questions and answers to offers


async def find_question(conn: Connection, vendor_ids: Sequence[UUID], now: datetime) -> Question | None:
    """What we asked this person last, while it is of use."""
    row = await conn.fetchrow(
        "SELECT answer, application_ids FROM reply_question WHERE vendor_id = ANY($1::uuid[]) AND until > $2 "
        "ORDER BY until DESC LIMIT 1",
        vendor_ids,
        now,
    )
    return None if row is None else Question(row["answer"], row["application_ids"])


async def save_question(conn: Connection, vendor_id: UUID, question: Question, until: datetime) -> None:
    """Remember what was asked, instead of what was asked before."""
    await conn.execute(
        "INSERT INTO reply_question (vendor_id, answer, application_ids, until) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (vendor_id) DO UPDATE SET answer = excluded.answer, application_ids = excluded.application_ids, "
        "until = excluded.until",
        vendor_id,
        question.answer,
        list(question.application_ids),
        until,
    )


async def remove_question(conn: Connection, vendor_ids: Sequence[UUID]) -> None:
    """It is answered."""
    await conn.execute("DELETE FROM reply_question WHERE vendor_id = ANY($1::uuid[])", vendor_ids)


async def find_pending(conn: Connection, vendor_ids: Sequence[UUID]) -> Mapping[UUID, Answer]:
    """Applications of these ids with an answer that bazaar has not replied to: the last one of each."""
    rows = await conn.fetch(
        "SELECT DISTINCT ON (application_id) application_id, answer FROM offer_answer "
        "WHERE vendor_id = ANY($1::uuid[]) AND outcome IS NULL ORDER BY application_id, command_id DESC",
        vendor_ids,
    )
    return {row["application_id"]: row["answer"] for row in rows}


async def add_offer_answer(
    conn: Connection,
    command_id: UUID,
    reply_id: UUID,
    application_id: UUID,
    vendor_id: UUID,
    answer: str,
    now: datetime,
) -> None:
    """An answer is passed on."""
    await conn.execute(
        "INSERT INTO offer_answer (command_id, reply_id, application_id, vendor_id, answer, sent_at) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        command_id,
        reply_id,
        application_id,
        vendor_id,
        answer,
        now,
    )


async def settle_offer_answers(
    conn: Connection, application_ids: Sequence[UUID], answers: Sequence[str], outcome: str, now: datetime
) -> None:
    """Answers of these kinds to these applications need no reply of bazaar any more."""
    await conn.execute(
        "UPDATE offer_answer AS o SET outcome = $3, settled_at = $4 FROM (SELECT command_id FROM offer_answer "
        "WHERE application_id = ANY($1::uuid[]) AND answer = ANY($2::text[]) AND outcome IS NULL "
        "ORDER BY command_id FOR UPDATE) AS open WHERE o.command_id = open.command_id",
        application_ids,
        answers,
        outcome,
        now,
    )


async def find_answered(conn: Connection, application_ids: Sequence[UUID], since: datetime) -> set[UUID]:
    """Which of these applications' offers were answered by a reply since."""
    rows = await conn.fetch(
        "SELECT DISTINCT application_id FROM offer_answer WHERE application_id = ANY($1::uuid[]) AND sent_at > $2",
        application_ids,
        since,
    )
    return {row["application_id"] for row in rows}


class RefusedAnswer(NamedTuple):
    """An answer that bazaar refused, and the reply it came from."""

    command_id: UUID
    reply_id: UUID
    application_id: UUID
    writer: UUID
    answer: Answer
    channel: Channel


async def refuse_offer_answer(conn: Connection, command_id: UUID, code: str, now: datetime) -> RefusedAnswer | None:
    """Bazaar refused this answer; None where it is none of ours, or was refused before."""
    row = await conn.fetchrow(
        "UPDATE offer_answer AS o SET outcome = $2, settled_at = $3 FROM reply AS r "
        "WHERE o.command_id = $1 AND o.outcome IS NULL AND r.reply_id = o.reply_id "
        "RETURNING o.command_id, o.reply_id, o.application_id, coalesce(r.vendor_id, o.vendor_id) AS writer, "
        "o.answer, r.channel",
        command_id,
        code,
        now,
    )
    return None if row is None else RefusedAnswer(*row)


async def remove_past(conn: Connection, now: datetime) -> None:
    """Remove conversations that are over and questions that nobody answers any more."""
    await conn.execute("DELETE FROM conversation_window WHERE until < $1", now)
    await conn.execute("DELETE FROM reply_question WHERE until < $1", now)
