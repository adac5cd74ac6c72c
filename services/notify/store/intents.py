"""Intents: who is to be told what, written before anything is sent."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.notify.domain.planning import Draft
from services.notify.rendering import Template
from shared.db import Connection
from shared.ids import new_id


async def find_template(conn: Connection, name: str, version: str) -> Template | None:
    """A template as it was at that version."""
    sources = await conn.fetchval(
        "SELECT sources FROM template_version WHERE template = $1 AND version = $2", name, version
    )
    return None if sources is None else Template(name, version, sources)


async def add_notifications(
    conn: Connection, drafts: Sequence[Draft], versions: Mapping[str, str], now: datetime
) -> None:
    """Write intents: planned, or waiting for the vendor's contact card. One that is there already is not repeated; for
    a vendor that is erased there is none.
    """
    await conn.execute(
        "INSERT INTO notification (id, event_id, template, vendor_id, template_version, params, lane, state, deadline, "
        "cause_at, traceparent, topic, must, digest, planned_at) "
        "SELECT d.id, d.event_id, d.template, d.vendor_id, d.template_version, d.params, d.lane, "
        "CASE WHEN contact.vendor_id IS NULL THEN 'waiting_contact' ELSE 'planned' END, d.deadline, d.cause_at, "
        "d.traceparent, d.topic, d.must, d.digest, $14 "
        "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::jsonb[], $7::smallint[], "
        "$8::timestamptz[], $9::timestamptz[], $10::text[], $11::text[], $12::boolean[], $13::boolean[]) "
        "AS d (id, event_id, template, vendor_id, template_version, params, lane, deadline, cause_at, traceparent, "
        "topic, must, digest) "
        "LEFT JOIN contact ON contact.vendor_id = d.vendor_id "
        "WHERE NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = d.vendor_id) "
        "ON CONFLICT (event_id, template, vendor_id) DO NOTHING",
        [new_id() for _ in drafts],
        [draft.cause.event_id for draft in drafts],
        [draft.template for draft in drafts],
        [draft.vendor_id for draft in drafts],
        [versions[draft.template] for draft in drafts],
        [dict(draft.params) for draft in drafts],
        [int(draft.lane) for draft in drafts],
        [draft.deadline for draft in drafts],
        [draft.cause.happened_at for draft in drafts],
        [draft.cause.traceparent for draft in drafts],
        [draft.topic for draft in drafts],
        [draft.must for draft in drafts],
        [draft.digest for draft in drafts],
        now,
    )


async def find_told(conn: Connection, drafts: Sequence[Draft]) -> set[UUID]:
    """Of these drafts the events whose person was told just this, for the same cause, under another of its ids."""
    rows = await conn.fetch(
        "SELECT d.event_id FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::jsonb[], $5::uuid[]) "
        "AS d (vendor_id, template, cause_at, params, event_id) "
        "JOIN family AS f ON f.vendor_id = d.vendor_id "
        "JOIN family AS m ON m.person_id = f.person_id AND m.vendor_id <> f.vendor_id "
        "JOIN notification AS n ON n.vendor_id = m.vendor_id AND n.template = d.template AND n.cause_at = d.cause_at "
        "AND (n.params = d.params OR n.params_sha256 = sha256(convert_to(d.params::text, 'UTF8')))",
        [draft.vendor_id for draft in drafts],
        [draft.template for draft in drafts],
        [draft.cause.happened_at for draft in drafts],
        [dict(draft.params) for draft in drafts],
        [draft.cause.event_id for draft in drafts],
    )
    return {row["event_id"] for row in rows}


async def release_waiting(conn: Connection, notification_ids: Sequence[UUID]) -> None:
    """Have those of these messages, which are locked, routed that waited for their vendor's card, which is there."""
    await conn.execute(
        "UPDATE notification AS n SET state = 'planned' FROM contact AS c "
        "WHERE n.id = ANY($1::uuid[]) AND n.state = 'waiting_contact' AND c.vendor_id = n.vendor_id",
        notification_ids,
    )


async def release_reachable(conn: Connection) -> int:
    """Have whatever waits though its card is there routed: card and event were written at the same moment.

    Rows that somebody else holds are left for the next time: a sweep waits for nobody, so it deadlocks with nobody.
    """
    return _count(
        await conn.execute(
            "UPDATE notification SET state = 'planned' WHERE id IN ("
            "SELECT n.id FROM notification n JOIN contact ON contact.vendor_id = n.vendor_id "
            "WHERE n.state = 'waiting_contact' FOR UPDATE OF n SKIP LOCKED)"
        )
    )


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])
