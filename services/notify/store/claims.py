"""Claims: due messages of a channel, taken by one worker until its lease ends."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from services.notify.domain.people import Contact
from shared.db import Connection
from shared.events.notify import Channel


class Job(NamedTuple):
    """A claimed notification with what is needed to write and send it. `contact` is None after an erasure; `party`: the
    mentor or provider it tells of; `language`: the one it is written in; `files`: how many go along.
    """

    id: UUID
    claim: UUID
    vendor_id: UUID
    lane: int
    topic: str
    must: bool
    template: str
    template_version: str
    params: Mapping[str, object]
    cause_at: datetime
    deadline: datetime
    traceparent: str | None
    language: str | None
    contact: Contact | None
    party: Contact | None
    files: int = 0


CLAIM_DUE = """
WITH picked AS (
    SELECT due.* FROM unnest($5::smallint[]) AS open (lane) CROSS JOIN LATERAL (
        SELECT id, vendor_id, (params ->> 'mentor_id')::uuid AS party_id FROM notification AS n
        WHERE n.state IN ('queued', 'retry') AND n.channel = $6 AND (n.mode = 'test')::int = $7 AND n.lane = open.lane
        AND n.due_at <= statement_timestamp() AND n.deadline > $4
        ORDER BY n.due_at LIMIT $2 FOR UPDATE SKIP LOCKED
    ) AS due LIMIT $2
)
UPDATE notification n SET claim = $1, due_at = clock_timestamp() + make_interval(secs => $3)
FROM picked LEFT JOIN contact ON contact.vendor_id = picked.vendor_id
LEFT JOIN contact AS party ON party.vendor_id = picked.party_id WHERE n.id = picked.id
RETURNING n.id, n.vendor_id, n.lane, n.topic, n.must, n.template, n.template_version, n.params, n.cause_at, n.deadline,
    n.traceparent, n.files, n.language AS wanted_language, contact.name, contact.phone, contact.email, contact.language,
    party.name AS party_name, party.phone AS party_phone, party.email AS party_email, party.language AS party_language
"""


async def claim_due(
    conn: Connection,
    claim: UUID,
    *,
    channel: Channel,
    lanes: Sequence[int],
    limit: int,
    lease_seconds: float,
    now: datetime,
    test: bool = False,
) -> list[Job]:
    """Take what is due on a channel, from the first of these lanes on. Until the lease ends nobody else takes it; then
    anybody may. `test`: messages of test keys, else all others.

    A scan of the index per lane, which ends as soon as there are enough: what is not due and lanes that are not asked
    for are not walked over.
    """
    rows = await conn.fetch(
        CLAIM_DUE,
        claim,
        limit,
        lease_seconds,
        now,
        lanes,
        channel,
        int(test),
    )
    return [
        Job(
            id=row["id"],
            claim=claim,
            vendor_id=row["vendor_id"],
            lane=row["lane"],
            topic=row["topic"],
            must=row["must"],
            template=row["template"],
            template_version=row["template_version"],
            params=row["params"],
            cause_at=row["cause_at"],
            deadline=row["deadline"],
            traceparent=row["traceparent"],
            language=row["wanted_language"] or row["language"],
            contact=_contact(row, ""),
            party=_contact(row, "party_"),
            files=row["files"],
        )
        for row in rows
    ]


def _contact(row: asyncpg.Record, whose: str) -> Contact | None:
    if row[f"{whose}language"] is None:
        return None
    return Contact(*(row[f"{whose}{column}"] for column in ("name", "phone", "email", "language")))


async def drop_claims(
    conn: Connection, ids: Sequence[UUID], claims: Sequence[UUID], waits: Sequence[float] | None = None
) -> set[UUID]:
    """Give back what was taken and not begun; `waits`: seconds until each may be taken again. Which of them were held
    without a break: what was put aside for them still is.

    Who holds one at this moment decides about it: it is left, and its claim ends by itself.
    """
    rows = await conn.fetch(
        "WITH held AS (SELECT n.id, h.wait, n.due_at > statement_timestamp() AS unbroken FROM notification AS n "
        "JOIN unnest($1::uuid[], $2::uuid[], $3::float8[]) AS h (id, claim, wait) ON n.id = h.id "
        "WHERE n.claim = h.claim AND n.state IN ('queued', 'retry') FOR UPDATE OF n SKIP LOCKED) "
        "UPDATE notification n SET claim = NULL, due_at = clock_timestamp() + make_interval(secs => held.wait) "
        "FROM held WHERE n.id = held.id RETURNING n.id, held.unbroken",
        ids,
        claims,
        waits or [0.0] * len(ids),
    )
    return {row["id"] for row in rows if row["unbroken"]}
