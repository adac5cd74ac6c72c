"""Facts about a person that a bank may be told: copies of the registry, and trainings completed here."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from services.training.domain.packets import Facts, Figures
from services.training.store import courses, figures
from shared.db import Connection
from shared.events.documents import DocumentKind
from shared.events.values import VendorKind


class Document(NamedTuple):
    """What became of a document: found good (until when), or not; and the registry's version of the vendor then."""

    vendor_id: UUID
    document_id: UUID
    kind: DocumentKind
    verified: bool
    expires_on: date | None
    version: int


async def save_documents(conn: Connection, told: Sequence[Document]) -> None:
    """Remember the last word on each document. Nobody who is erased is brought back."""
    last = {(one.vendor_id, one.document_id): one for one in sorted(told, key=_version)}
    await conn.execute(
        """
        INSERT INTO vendor_document (vendor_id, document_id, kind, verified, expires_on, registry_version)
        SELECT new.vendor_id, new.document_id, new.kind, new.verified, new.expires_on, new.version
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::boolean[], $5::date[], $6::bigint[])
            AS new (vendor_id, document_id, kind, verified, expires_on, version)
        WHERE NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = new.vendor_id)
        ON CONFLICT (vendor_id, document_id) DO UPDATE SET kind = excluded.kind, verified = excluded.verified,
            expires_on = excluded.expires_on, registry_version = excluded.registry_version
        WHERE vendor_document.registry_version < excluded.registry_version
        """,
        [one.vendor_id for one in last.values()],
        [one.document_id for one in last.values()],
        [one.kind for one in last.values()],
        [one.verified for one in last.values()],
        [one.expires_on for one in last.values()],
        [one.version for one in last.values()],
    )


def _version(one: Document) -> int:
    return one.version


async def save_kinds(conn: Connection, said: Mapping[UUID, tuple[VendorKind, int]]) -> None:
    """Set whether vendors have a business; the number is the registry's version."""
    await conn.execute(
        """
        UPDATE vendor SET
            kind = CASE WHEN registry_version < new.version THEN new.kind ELSE vendor.kind END,
            registry_version = greatest(registry_version, new.version)
        FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS new (vendor_id, kind, version)
        WHERE vendor.vendor_id = new.vendor_id
        """,
        list(said),
        [kind for kind, _ in said.values()],
        [version for _, version in said.values()],
    )


async def find_facts(conn: Connection, family: Sequence[UUID], *, today: date) -> Facts | None:
    """What is on record of a person; `family`: all its ids, the one that stands for it first. None for nobody known.

    What is said once (kind, category, where it lives) is said by the first; what adds up is of all ids.
    """
    rows = await conn.fetch(
        """
        SELECT kelurahan, kind, category, min(registered_on) OVER () AS member_since
        FROM vendor WHERE vendor_id = ANY($1::uuid[]) ORDER BY array_position($1::uuid[], vendor_id)
        """,
        family,
    )
    if not rows:
        return None
    documents = await conn.fetch(
        """
        SELECT DISTINCT kind FROM vendor_document
        WHERE vendor_id = ANY($1::uuid[]) AND verified AND (expires_on IS NULL OR expires_on >= $2)
        """,
        family,
        today,
    )
    completed = await courses.find_completed_courses(conn, family)
    return Facts(
        kelurahan=rows[0]["kelurahan"],
        kind=rows[0]["kind"],
        category=rows[0]["category"],
        member_since=rows[0]["member_since"],
        documents={row["kind"] for row in documents},
        courses={course for one in completed.values() for course in one},
        figures=[
            Figures(one.month, one.turnover_rupiah, one.assets_rupiah, one.workers, one.queried)
            for one in await figures.find_counted(conn, family)
        ],
    )
