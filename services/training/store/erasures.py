"""Erasing a person: what goes, what stays as figures, and who is erased."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.training.store import cases, certificates, graduation, referrals, visits
from shared import dead_letters
from shared.db import Connection

PEOPLE = "training.people"
"""The lock under which people are merged, parted and erased."""

VENDOR_TOPICS = ("lapak.vendor.contact.v1", "lapak.vendor.events.v1")
"""Topics whose records are of one vendor, by its id."""


class Counts(NamedTuple):
    """Of one id: kind of record -> how many were erased, and how many stay without the person."""

    erased: dict[str, int]
    kept: dict[str, int]


async def lock_classes(conn: Connection, vendor_ids: Sequence[UUID]) -> set[str]:
    """Lock the classes in which these vendors have places, in the order of their ids: nobody takes or corrects
    attendance there, or finishes them, meanwhile. Gives the courses of those that are running.
    """
    rows = await conn.fetch(
        """
        SELECT c.course, c.state FROM training_class c WHERE c.state IN ('open', 'finished')
            AND EXISTS (SELECT FROM enrolment e WHERE e.class_id = c.class_id AND e.vendor_id = ANY($1::uuid[]))
        ORDER BY c.class_id FOR NO KEY UPDATE
        """,
        vendor_ids,
    )
    return {row["course"] for row in rows if row["state"] == "open"}


async def erase_vendor(conn: Connection, vendor_id: UUID, *, now: datetime) -> Counts:
    """Erase what is kept of an id. Places in running classes are free again. A place in a finished class stays as a
    figure of the class: its result, and how many sessions were attended, under an id that leads to nobody.
    """
    # the record first: nobody enrols this vendor any more
    await conn.execute("UPDATE trainee SET erased_at = $2 WHERE vendor_id = $1", vendor_id, now)
    kept = await conn.execute(
        """
        UPDATE enrolment e SET sessions_attended = (
            SELECT count(*) FROM attendance a WHERE a.class_id = e.class_id AND a.vendor_id = e.vendor_id)
        FROM training_class c WHERE c.class_id = e.class_id AND c.state = 'finished' AND e.vendor_id = $1
        """,
        vendor_id,
    )
    erased = {
        "vendor_copies": await conn.execute("DELETE FROM vendor WHERE vendor_id = $1", vendor_id),
        "programme_copies": await conn.execute("DELETE FROM programme_enrolment WHERE vendor_id = $1", vendor_id),
        "consent_copies": await conn.execute("DELETE FROM capital_consent WHERE vendor_id = $1", vendor_id),
        "document_copies": await conn.execute("DELETE FROM vendor_document WHERE vendor_id = $1", vendor_id),
        "name_copies": await conn.execute("DELETE FROM vendor_name WHERE vendor_id = $1", vendor_id),
        "invitations": await conn.execute("DELETE FROM invitation WHERE vendor_id = $1", vendor_id),
        "course_requests": await conn.execute("DELETE FROM course_request WHERE vendor_id = $1", vendor_id),
        "waits": await conn.execute("DELETE FROM waiting WHERE vendor_id = $1", vendor_id),
        "withdrawals": await conn.execute("DELETE FROM withdrawal WHERE vendor_id = $1", vendor_id),
        "booth_copies": await conn.execute("DELETE FROM booth_day WHERE vendor_id = $1", vendor_id),
        "tickets": await conn.execute("DELETE FROM class_ticket WHERE vendor_id = $1", vendor_id),
        "scans": await conn.execute("DELETE FROM class_scan WHERE vendor_id = $1", vendor_id),
        "attendance_marks": await conn.execute("DELETE FROM attendance_mark WHERE vendor_id = $1", vendor_id),
        "scores": await conn.execute("DELETE FROM test_score WHERE vendor_id = $1", vendor_id),
        "group_memberships": await conn.execute("DELETE FROM foster_member WHERE vendor_id = $1", vendor_id),
        "assignments": await conn.execute("DELETE FROM assignment WHERE vendor_id = $1", vendor_id),
        "mentoring_wishes": await conn.execute("DELETE FROM mentoring_wish WHERE vendor_id = $1", vendor_id),
        "matched_pairs": await conn.execute("DELETE FROM matching_pair WHERE vendor_id = $1", vendor_id),
        "mentor_requests": await conn.execute("DELETE FROM mentor_request WHERE vendor_id = $1", vendor_id),
        "mentor_entries": await conn.execute("UPDATE mentor SET vendor_id = NULL WHERE vendor_id = $1", vendor_id),
        "figures": await conn.execute("DELETE FROM indicator WHERE vendor_id = $1", vendor_id),
        "coaching_words": await conn.execute("DELETE FROM coaching_word WHERE vendor_id = $1", vendor_id),
        "candidacies": await conn.execute(
            "DELETE FROM candidacy WHERE vendor_id = $1 AND decided_at IS NULL", vendor_id
        ),
        "looks_due": await conn.execute("DELETE FROM graduation_due WHERE vendor_id = $1", vendor_id),
        "attendances": await conn.execute("DELETE FROM attendance WHERE vendor_id = $1", vendor_id),
        "enrolments": await conn.execute(
            "DELETE FROM enrolment WHERE vendor_id = $1 AND sessions_attended IS NULL", vendor_id
        ),
    }
    notes, cases_kept = await cases.erase_cases(conn, vendor_id, now=now)
    referred = await referrals.erase_referrals(conn, vendor_id)
    certified = await certificates.erase_holder(conn, vendor_id, now=now)
    visited = await visits.erase_visits(conn, vendor_id)
    graduations = await graduation.erase_candidacies(conn, vendor_id, now=now)
    letters = await dead_letters.erase(conn, VENDOR_TOPICS, str(vendor_id), now=now)
    counts = {kind: _count(status) for kind, status in erased.items()}
    counts |= {"visit_texts": visited.texts, "case_notes": notes, "capital_referrals": referred}
    counts["dead_letters"] = letters
    stays = {
        "enrolments": _count(kept),
        "help_cases": cases_kept,
        "graduations": graduations,
        "certificates": certified,
        "visits": visited.kept,
    }
    return Counts(counts, stays)


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
