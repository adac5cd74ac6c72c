"""Training records of vendors, and their invitations."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.training.domain.classes import TrainingClass
from services.training.domain.enrolments import Standing
from services.training.domain.invitations import Newcomer
from shared.db import Connection
from shared.events.training import TrainingInvited


class Invitation(NamedTuple):
    """That a vendor was invited to a course: to a class of it, or (no class) to wait for one."""

    course: str
    class_id: UUID | None
    invited_at: datetime


async def add_trainees(conn: Connection, vendor_ids: Sequence[UUID]) -> set[UUID]:
    """Begin a training record, at version 0, for each vendor that has none and is not erased. Returns those begun
    now.
    """
    rows = await conn.fetch(
        """
        INSERT INTO trainee (vendor_id, version)
        SELECT new.vendor_id, 0 FROM unnest($1::uuid[]) AS new (vendor_id)
        WHERE NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = new.vendor_id)
        ORDER BY new.vendor_id
        ON CONFLICT (vendor_id) DO NOTHING
        RETURNING vendor_id
        """,
        vendor_ids,
    )
    return {row["vendor_id"] for row in rows}


async def lock_trainees(conn: Connection, vendor_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Lock the training records of those vendors that have one, in the order of their ids. Gives their versions.

    An erased person's record takes nothing more, so it is left out.
    """
    rows = await conn.fetch(
        """
        SELECT vendor_id, version FROM trainee WHERE vendor_id = ANY($1::uuid[]) AND erased_at IS NULL
        ORDER BY vendor_id FOR NO KEY UPDATE
        """,
        list(vendor_ids),
    )
    return {row["vendor_id"]: row["version"] for row in rows}


async def save_trainee_versions(conn: Connection, versions: Mapping[UUID, int]) -> None:
    """Save the versions of locked trainees."""
    await conn.execute(
        """
        UPDATE trainee SET version = new.version
        FROM unnest($1::uuid[], $2::bigint[]) AS new (vendor_id, version)
        WHERE trainee.vendor_id = new.vendor_id
        """,
        list(versions.keys()),
        list(versions.values()),
    )


async def find_standings(conn: Connection, course: str, vendor_ids: Iterable[UUID]) -> dict[UUID, Standing]:
    """How these vendors stand in a course, under whichever of their ids; those who never enrolled are left out."""
    rows = await conn.fetch(
        """
        SELECT ids.vendor_id, min(c.class_id::text) FILTER (WHERE c.state = 'open')::uuid AS open_class,
            count(*) FILTER (WHERE e.result = 'completed') > 0 AS completed
        FROM (
            SELECT id AS vendor_id, id AS any_id FROM unnest($2::uuid[]) AS asked (id)
            UNION
            SELECT f.vendor_id, m.vendor_id FROM family f JOIN family m ON m.person_id = f.person_id
            WHERE f.vendor_id = ANY($2::uuid[])
        ) AS ids
        JOIN enrolment e ON e.vendor_id = ids.any_id
        JOIN training_class c ON c.class_id = e.class_id
        WHERE c.course = $1
        GROUP BY ids.vendor_id
        """,
        course,
        list(vendor_ids),
    )
    return {row["vendor_id"]: Standing(row["open_class"], row["completed"]) for row in rows}


async def lock_inviting(conn: Connection, course: str) -> None:
    """Let one transaction at a time match people to classes of this course.

    Else a class opened while somebody registers would be seen by neither, and two batches would fill the same
    room.
    """
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('training.inviting:' || $1, 0))", course)


async def find_waiting(conn: Connection, opened: TrainingClass) -> list[UUID]:
    """Vendors of the class's area who were invited to wait and still do, the longest waiting first.

    As many as the class has places; those with a place in an open class of the course, or done with it, are left out.
    Of a person with several ids one waits: none when any was invited to a class, else the id that stands for the
    person, else the least.
    """
    rows = await conn.fetch(
        """
        SELECT i.vendor_id
        FROM invitation i JOIN vendor v ON v.vendor_id = i.vendor_id
            LEFT JOIN family f ON f.vendor_id = i.vendor_id
        WHERE i.course = $1 AND i.class_id IS NULL
            -- the area itself and all below it: '.' sorts before '/'
            AND v.kelurahan >= $2 AND v.kelurahan < $2 || '/'
            AND NOT EXISTS (
                SELECT FROM enrolment e JOIN training_class c ON c.class_id = e.class_id
                WHERE e.vendor_id = i.vendor_id AND c.course = i.course
                    AND (c.state = 'open' OR e.result = 'completed'))
            AND (f.person_id IS NULL OR NOT EXISTS (
                SELECT FROM family m
                    LEFT JOIN invitation o ON o.vendor_id = m.vendor_id AND o.course = i.course
                    LEFT JOIN enrolment e ON e.vendor_id = m.vendor_id
                    LEFT JOIN training_class c ON c.class_id = e.class_id AND c.course = i.course
                WHERE m.person_id = f.person_id AND m.vendor_id <> i.vendor_id AND (
                    o.class_id IS NOT NULL OR c.state = 'open' OR (c.class_id IS NOT NULL AND e.result = 'completed')
                    OR (o.vendor_id IS NOT NULL AND i.vendor_id <> f.person_id
                        AND (m.vendor_id = f.person_id OR m.vendor_id < i.vendor_id)))))
        ORDER BY i.invited_at, i.vendor_id
        LIMIT $3
        """,
        opened.course,
        opened.area,
        opened.places,
    )
    return [row["vendor_id"] for row in rows]


async def save_invitations(conn: Connection, invitations: Sequence[TrainingInvited], *, now: datetime) -> None:
    """Save invitations; one that names a class takes the place of one to wait, or to an earlier class."""
    await conn.execute(
        """
        INSERT INTO invitation (vendor_id, course, class_id, invited_at, class_invited_at)
        SELECT vendor_id, course, class_id, $4::timestamptz,
            CASE WHEN class_id IS NOT NULL THEN $4::timestamptz END
        FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS new (vendor_id, course, class_id)
        ON CONFLICT (vendor_id, course) DO UPDATE SET
            class_id = excluded.class_id, class_invited_at = excluded.class_invited_at
        WHERE excluded.class_id IS NOT NULL
        """,
        [invitation.vendor_id for invitation in invitations],
        [invitation.course for invitation in invitations],
        [invitation.class_id for invitation in invitations],
        now,
    )


async def take_invitations_back(conn: Connection, class_id: UUID) -> None:
    """A class is not held: whoever was invited to it is invited to wait, as before."""
    await conn.execute("UPDATE invitation SET class_id = NULL, class_invited_at = NULL WHERE class_id = $1", class_id)


async def find_known(conn: Connection, course: str, vendor_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these vendors who are known already under another id: as one invited to this course, or enrolled in
    one of its classes.
    """
    rows = await conn.fetch(
        """
        SELECT f.vendor_id FROM family f
        WHERE f.vendor_id = ANY($2::uuid[]) AND EXISTS (
            SELECT FROM family m
                LEFT JOIN invitation i ON i.vendor_id = m.vendor_id AND i.course = $1
                LEFT JOIN enrolment e ON e.vendor_id = m.vendor_id
                LEFT JOIN training_class c ON c.class_id = e.class_id AND c.course = $1
            WHERE m.person_id = f.person_id AND m.vendor_id <> f.vendor_id
                AND (i.vendor_id IS NOT NULL OR c.class_id IS NOT NULL))
        """,
        course,
        vendor_ids,
    )
    return {row["vendor_id"] for row in rows}


async def find_uninvited(conn: Connection, course: str, vendor_ids: Iterable[UUID]) -> list[Newcomer]:
    """Those of these vendors who were never invited to this course and had no place in one of its classes, and who are
    no person that is known under another id.
    """
    rows = await conn.fetch(
        """
        SELECT v.vendor_id, v.kelurahan, v.category
        FROM trainee t JOIN vendor v ON v.vendor_id = t.vendor_id
        WHERE t.vendor_id = ANY($2::uuid[]) AND t.erased_at IS NULL
            AND NOT EXISTS (SELECT FROM invitation i WHERE i.vendor_id = t.vendor_id AND i.course = $1)
            AND NOT EXISTS (
                SELECT FROM enrolment e JOIN training_class c ON c.class_id = e.class_id
                WHERE e.vendor_id = t.vendor_id AND c.course = $1)
            AND NOT EXISTS (SELECT FROM family f WHERE f.vendor_id = t.vendor_id)
        ORDER BY v.vendor_id
        """,
        course,
        list(vendor_ids),
    )
    return [Newcomer(**row) for row in rows]


async def find_invitations(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Invitation]:
    """Invitations under these ids of one person, the latest first."""
    rows = await conn.fetch(
        """
        SELECT course, class_id, coalesce(class_invited_at, invited_at) AS invited_at
        FROM invitation WHERE vendor_id = ANY($1::uuid[]) ORDER BY 3 DESC, course
        """,
        vendor_ids,
    )
    return [Invitation(row["course"], row["class_id"], row["invited_at"]) for row in rows]
