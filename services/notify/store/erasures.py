"""Erasing a person: what goes, what stays as figures, and who is erased."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared import dead_letters
from shared.db import Connection

PEOPLE = "notify.people"
"""The lock under which people are merged, parted and erased; whoever writes of people shares it, and looks first who is
erased. Cards, events and erasures come on different topics, so they really run beside each other.

Not what comes on the topic of the erasures itself: of one person that comes one after the other, and a batch that
shares the lock and then finds an erasure would wait for all others that do, as they for it.
"""

VENDOR_TOPICS = ("lapak.vendor.contact.v1", "lapak.vendor.events.v1", "lapak.training.events.v1")
"""Topics read here whose records are keyed by the vendor."""


class Counts(NamedTuple):
    """Of one id: kind of record -> how many were erased, and how many stay without the person."""

    erased: dict[str, int]
    kept: dict[str, int]


async def erase_vendor(conn: Connection, vendor_id: UUID, *, now: datetime) -> Counts:
    """Erase what is kept of an id: the address, what messages were made from, what operators noted beside them.

    That a message was planned, sent or not, and when, stays as a figure under an id that leads to nobody; so does who
    was shown the person's data.
    """
    erased = {
        "contacts": await conn.execute(
            "WITH forgotten AS (DELETE FROM forgotten_contact WHERE vendor_id = $1 RETURNING vendor_id), "
            "known AS (DELETE FROM contact WHERE vendor_id = $1 RETURNING vendor_id) "
            "SELECT vendor_id FROM forgotten UNION SELECT vendor_id FROM known",
            vendor_id,
        ),
        "vendor_copies": await conn.execute("DELETE FROM vendor WHERE vendor_id = $1", vendor_id),
        "wishes": await conn.execute("DELETE FROM wish WHERE vendor_id = $1", vendor_id),
        "preferences": await conn.execute("DELETE FROM preference WHERE vendor_id = $1", vendor_id),
        "wish_changes": await conn.execute("DELETE FROM wish_change WHERE vendor_id = $1", vendor_id),
        "consents": await conn.execute("DELETE FROM news_consent WHERE vendor_id = $1", vendor_id),
        "applications_followed": await conn.execute("DELETE FROM application_standing WHERE vendor_id = $1", vendor_id),
        "classes_followed": await conn.execute("DELETE FROM class_standing WHERE vendor_id = $1", vendor_id),
        "offer_answers": await conn.execute("DELETE FROM offer_answer WHERE vendor_id = $1", vendor_id),
        "questions": await conn.execute("DELETE FROM reply_question WHERE vendor_id = $1", vendor_id),
        "reply_texts": await conn.execute(
            "UPDATE reply SET text_sealed = NULL, answer_sealed = NULL, address_key = NULL, application_id = NULL, "
            "settled_because = CASE WHEN state = 'open' THEN 'erased' ELSE settled_because END, "
            "settled_at = CASE WHEN state = 'open' THEN $2::timestamptz ELSE settled_at END, "
            "state = CASE WHEN state = 'open' THEN 'closed' ELSE state END "
            "WHERE (vendor_id = $1 OR reply_id IN (SELECT reply_id FROM reply_candidate WHERE vendor_id = $1)) "
            "AND (text_sealed IS NOT NULL OR answer_sealed IS NOT NULL OR address_key IS NOT NULL "
            "OR application_id IS NOT NULL OR state = 'open')",
            vendor_id,
            now,
        ),
        "reply_candidates": await conn.execute("DELETE FROM reply_candidate WHERE vendor_id = $1", vendor_id),
        "broadcast_lists": await conn.execute("DELETE FROM broadcast_listed WHERE vendor_id = $1", vendor_id),
        "broadcast_recipients": await conn.execute("DELETE FROM broadcast_recipient WHERE vendor_id = $1", vendor_id),
        "message_texts": await conn.execute(
            "UPDATE notification SET params = '{}', params_sha256 = NULL, language = NULL "
            "WHERE vendor_id = $1 AND (params <> '{}' OR params_sha256 IS NOT NULL OR language IS NOT NULL)",
            vendor_id,
        ),
        "attached_files": await conn.execute(
            "DELETE FROM attachment USING notification AS n WHERE n.id = attachment.notification_id "
            "AND n.vendor_id = $1 AND n.files > 0",
            vendor_id,
        ),
        "resend_reasons": await conn.execute(
            "UPDATE resend SET reason_sealed = NULL FROM notification AS n WHERE n.id = resend.notification_id "
            "AND n.vendor_id = $1 AND resend.reason_sealed IS NOT NULL",
            vendor_id,
        ),
        "attempt_notes": await conn.execute(
            "UPDATE attempt SET note = NULL FROM notification AS n "
            "WHERE n.id = attempt.notification_id AND n.vendor_id = $1 AND attempt.note IS NOT NULL",
            vendor_id,
        ),
        "attempt_addresses": await conn.execute(
            "UPDATE attempt SET address_key = NULL FROM notification AS n "
            "WHERE n.id = attempt.notification_id AND n.vendor_id = $1 AND attempt.address_key IS NOT NULL",
            vendor_id,
        ),
    }
    await conn.execute(  # an address that is remembered without its person
        "UPDATE budget_recipient SET counted_for = NULL "
        "WHERE counted_for IN (SELECT id FROM notification WHERE vendor_id = $1)",
        vendor_id,
    )
    kept = await conn.fetchrow(
        "SELECT (SELECT count(*) FROM notification WHERE vendor_id = $1) AS messages, "
        "(SELECT count(*) FROM reply WHERE vendor_id = $1) AS replies, "
        "(SELECT count(*) FROM disclosure WHERE vendor_id = $1) AS disclosures, "
        "(SELECT count(*) FROM digest WHERE person_id = $1) AS digests",
        vendor_id,
    )
    letters = await dead_letters.erase(conn, VENDOR_TOPICS, str(vendor_id), now=now)
    counts = {kind: _count(status) for kind, status in erased.items()}
    return Counts({**counts, "dead_letters": letters}, dict(kept or {}))


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
