"""Rows of certificates and the counters of their numbers. Holders' names are sealed, bound to the certificate's id."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from services.training.domain.certificates import Certificate, Face, Unsettled
from services.training.domain.courses import CourseLevel
from shared.db import Connection
from shared.resealing import SealedColumn

SEALED_HOLDERS = SealedColumn(
    "holders of certificates",
    "SELECT certificate_id AS id, holder_sealed AS sealed FROM certificate "
    "WHERE certificate_id > $1 AND holder_sealed IS NOT NULL ORDER BY certificate_id LIMIT $2",
    "UPDATE certificate AS c SET holder_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (id, old, fresh) "
    "WHERE c.certificate_id = n.id AND c.holder_sealed = n.old",
)


class ClassNames(NamedTuple):
    """What the catalogue calls the course of a class, and who gave the class; none where it does not know."""

    name_id: str | None
    name_en: str | None
    level: CourseLevel | None
    provider: str | None


# --- what is due


async def find_unsettled(conn: Connection, class_id: UUID, vendor_ids: Sequence[UUID] | None = None) -> list[Unsettled]:
    """Whose certificate of this class does not say what the result says; of these vendors only, if any are named.

    A certificate that an officer took back stays so: only an officer gives another. Nobody who is erased.
    """
    rows = await conn.fetch(
        """
        SELECT e.vendor_id, e.result = 'completed' AS completed, coalesce(last.issue, 0) AS issues,
            CASE WHEN last.revoked_at IS NULL THEN last.certificate_id END AS standing
        FROM enrolment e LEFT JOIN LATERAL (
            SELECT c.certificate_id, c.issue, c.revoked_at, c.revoked_because FROM certificate c
            WHERE c.vendor_id = e.vendor_id AND c.class_id = e.class_id ORDER BY c.issue DESC LIMIT 1
        ) AS last ON true
        WHERE e.class_id = $1 AND e.sessions_attended IS NULL AND ($2::uuid[] IS NULL OR e.vendor_id = ANY($2))
            AND CASE e.result
                WHEN 'completed' THEN last.issue IS NULL OR last.revoked_because = 'completion-corrected'
                WHEN 'not-completed' THEN last.issue IS NOT NULL AND last.revoked_at IS NULL
            END
        ORDER BY e.vendor_id
        """,
        class_id,
        vendor_ids,
    )
    return [Unsettled(**row) for row in rows]


async def find_class_names(conn: Connection, class_id: UUID) -> ClassNames:
    """What the catalogue says of a class."""
    row = await conn.fetchrow(
        """
        SELECT k.name_id, k.name_en, k.level, p.name AS provider
        FROM training_class c LEFT JOIN course k ON k.course = c.course
            LEFT JOIN provider p ON p.provider_id = c.provider_id
        WHERE c.class_id = $1
        """,
        class_id,
    )
    return ClassNames(**row) if row is not None else ClassNames(None, None, None, None)


async def has_completed(conn: Connection, class_id: UUID, vendor_id: UUID) -> bool:
    """Whether this vendor's result in this class is a completion."""
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM enrolment WHERE class_id = $1 AND vendor_id = $2 AND result = 'completed')",
        class_id,
        vendor_id,
    )
    return found


# --- numbers and places in status lists


async def take_numbers(conn: Connection, year: int, count: int) -> int:
    """Take the next numbers of a year; gives the first. Whoever wants more waits until this transaction ends."""
    last: int = await conn.fetchval(
        """
        INSERT INTO certificate_year (year, last) VALUES ($1, $2)
        ON CONFLICT (year) DO UPDATE SET last = certificate_year.last + excluded.last RETURNING last
        """,
        year,
        count,
    )
    return last - count + 1


async def lock_status_list(conn: Connection, count: int, *, filled_at_most: int) -> int:
    """The status list that takes so many more entries, held until the transaction ends; a new one where the last is
    filled so far. Gives its number.
    """
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('training.status-lists', 0))")
    number: int = await conn.fetchval(
        """
        WITH newest AS (SELECT list, taken FROM status_list ORDER BY list DESC LIMIT 1)
        INSERT INTO status_list (list, taken)
        SELECT coalesce((SELECT CASE WHEN taken + $1 <= $2 THEN list ELSE list + 1 END FROM newest), 1), $1
        ON CONFLICT (list) DO UPDATE SET taken = status_list.taken + excluded.taken RETURNING list
        """,
        count,
        filled_at_most,
    )
    return number


async def find_taken(conn: Connection, status_list: int, indexes: Sequence[int]) -> set[int]:
    """Which of these places in a status list are some certificate's."""
    rows = await conn.fetch(
        "SELECT status_index FROM certificate WHERE status_list = $1 AND status_index = ANY($2::int[])",
        status_list,
        list(indexes),
    )
    return {row["status_index"] for row in rows}


# --- certificates


async def add_certificates(conn: Connection, added: Sequence[Certificate]) -> None:
    """New certificates."""
    await conn.executemany(
        """
        INSERT INTO certificate (certificate_id, vendor_id, class_id, issue, number, course, title, course_name_id,
            course_name_en, level, days, sessions_attended, sessions_held, completed_on, issued_on, issuer, provider,
            holder_sealed, face_sha256, link_id, status_list, status_index, issued_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
            $23)
        """,
        [
            (
                one.certificate_id,
                one.vendor_id,
                one.class_id,
                one.issue,
                one.face.number,
                one.face.course,
                one.face.title,
                one.face.course_name_id,
                one.face.course_name_en,
                one.face.level,
                list(one.face.days),
                one.face.sessions_attended,
                one.face.sessions_held,
                one.face.completed_on,
                one.face.issued_on,
                one.face.issuer,
                one.face.provider,
                one.holder_sealed,
                one.face_sha256,
                one.link_id,
                one.status_list,
                one.status_index,
                one.issued_at,
            )
            for one in added
        ],
    )


async def save_revoked(conn: Connection, revoked: Sequence[Certificate]) -> None:
    """These count no more."""
    await conn.execute(
        """
        UPDATE certificate AS c SET revoked_at = n.revoked_at, revoked_because = n.because, revoked_by = n.by
        FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[]) AS n (id, revoked_at, because, by)
        WHERE c.certificate_id = n.id
        """,
        [one.certificate_id for one in revoked],
        [one.revoked_at for one in revoked],
        [one.revoked_because for one in revoked],
        [one.revoked_by for one in revoked],
    )


async def save_link(conn: Connection, certificate_id: UUID, link_id: UUID) -> None:
    """The holder's links are made from another id: those given out before lead nowhere any more."""
    await conn.execute("UPDATE certificate SET link_id = $2 WHERE certificate_id = $1", certificate_id, link_id)


async def find_certificate(conn: Connection, certificate_id: UUID) -> Certificate | None:
    """A certificate."""
    row = await conn.fetchrow(
        """
        SELECT certificate_id, vendor_id, class_id, issue, number, course, title, course_name_id, course_name_en, level,
            days, sessions_attended, sessions_held, completed_on, issued_on, issuer, provider, holder_sealed,
            face_sha256, link_id, status_list, status_index, issued_at, revoked_at, revoked_because, revoked_by
        FROM certificate WHERE certificate_id = $1
        """,
        certificate_id,
    )
    return None if row is None else _certificate(row)


async def find_by_reference(conn: Connection, certificate_id: UUID | None, number: str | None) -> Certificate | None:
    """A certificate by its id or by its number."""
    row = await conn.fetchrow(
        """
        SELECT certificate_id, vendor_id, class_id, issue, number, course, title, course_name_id, course_name_en, level,
            days, sessions_attended, sessions_held, completed_on, issued_on, issuer, provider, holder_sealed,
            face_sha256, link_id, status_list, status_index, issued_at, revoked_at, revoked_because, revoked_by
        FROM certificate WHERE certificate_id = $1 OR number = $2
        """,
        certificate_id,
        number,
    )
    return None if row is None else _certificate(row)


async def lock_certificates(conn: Connection, certificate_ids: Sequence[UUID]) -> list[Certificate]:
    """These certificates, held until the transaction ends; after their holders' training records."""
    rows = await conn.fetch(
        """
        SELECT certificate_id, vendor_id, class_id, issue, number, course, title, course_name_id, course_name_en, level,
            days, sessions_attended, sessions_held, completed_on, issued_on, issuer, provider, holder_sealed,
            face_sha256, link_id, status_list, status_index, issued_at, revoked_at, revoked_because, revoked_by
        FROM certificate WHERE certificate_id = ANY($1::uuid[]) ORDER BY certificate_id FOR NO KEY UPDATE
        """,
        list(certificate_ids),
    )
    return [_certificate(row) for row in rows]


async def count_issues(conn: Connection, class_id: UUID, vendor_id: UUID) -> int:
    """How many certificates of this class the vendor was given; the last has this number."""
    count: int = await conn.fetchval(
        "SELECT coalesce(max(issue), 0) FROM certificate WHERE vendor_id = $1 AND class_id = $2", vendor_id, class_id
    )
    return count


async def find_of_vendors(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Certificate]:
    """All certificates under these ids of one person, the last issued first."""
    rows = await conn.fetch(
        """
        SELECT certificate_id, vendor_id, class_id, issue, number, course, title, course_name_id, course_name_en, level,
            days, sessions_attended, sessions_held, completed_on, issued_on, issuer, provider, holder_sealed,
            face_sha256, link_id, status_list, status_index, issued_at, revoked_at, revoked_because, revoked_by
        FROM certificate WHERE vendor_id = ANY($1::uuid[]) ORDER BY issued_at DESC, certificate_id DESC
        """,
        list(vendor_ids),
    )
    return [_certificate(row) for row in rows]


async def find_certificates(
    conn: Connection,
    *,
    area: str,
    class_id: UUID | None,
    course: str | None,
    state: str | None,
    issued_from: date | None,
    issued_to: date | None,
    after: UUID | None,
    limit: int,
) -> list[Certificate]:
    """Certificates of classes of this area and all below it, the last first."""
    rows = await conn.fetch(
        """
        SELECT c.certificate_id, c.vendor_id, c.class_id, c.issue, c.number, c.course, c.title, c.course_name_id,
            c.course_name_en, c.level, c.days, c.sessions_attended, c.sessions_held, c.completed_on, c.issued_on,
            c.issuer, c.provider, c.holder_sealed, c.face_sha256, c.link_id, c.status_list, c.status_index,
            c.issued_at, c.revoked_at, c.revoked_because, c.revoked_by
        FROM certificate c JOIN training_class k ON k.class_id = c.class_id
        WHERE k.area >= $1 AND k.area < $1 || '/' AND ($2::uuid IS NULL OR c.class_id = $2)
            AND ($3::text IS NULL OR c.course = $3)
            AND ($4::text IS NULL OR (c.revoked_at IS NULL) = ($4 = 'valid'))
            AND ($5::date IS NULL OR c.issued_on >= $5) AND ($6::date IS NULL OR c.issued_on <= $6)
            AND ($7::uuid IS NULL OR c.certificate_id < $7)
        ORDER BY c.certificate_id DESC LIMIT $8
        """,
        area,
        class_id,
        course,
        state,
        issued_from,
        issued_to,
        after,
        limit,
    )
    return [_certificate(row) for row in rows]


async def erase_holder(conn: Connection, vendor_id: UUID, *, now: datetime) -> int:
    """Forget who holds the certificates of an id: numbers and what was certified stay, without the person."""
    status = await conn.execute(
        "UPDATE certificate SET holder_sealed = NULL, erased_at = $2 WHERE vendor_id = $1 AND erased_at IS NULL",
        vendor_id,
        now,
    )
    return int(status.rpartition(" ")[2])


def _certificate(row: Mapping[str, object] | asyncpg.Record) -> Certificate:
    fields = dict(row)
    face = {name: fields.pop(name) for name in Face.__dataclass_fields__}
    return Certificate(face=Face(**{**face, "days": tuple(face["days"])}), **fields)
