"""Consents: the texts people are asked, and every time one was given or withdrawn."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.vendor.domain.consents import Consent, ConsentText
from shared.db import Connection

__all__ = [
    "add_consent",
    "collect_consents",
    "erase_consents",
    "find_consent_texts",
    "find_consents",
]


async def find_consent_texts(conn: Connection) -> list[ConsentText]:
    """The text that is asked for each purpose now: its newest."""
    rows = await conn.fetch(
        "SELECT DISTINCT ON (purpose) purpose, version, text_id, text_en FROM consent_text "
        "ORDER BY purpose, version DESC"
    )
    return [ConsentText(**dict(row)) for row in rows]


async def add_consent(conn: Connection, consent: Consent) -> None:
    """Keep that a consent was given or withdrawn."""
    await conn.execute(
        "INSERT INTO consent (consent_id, vendor_id, purpose, given, text_version, source, actor, evidence, at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        consent.consent_id,
        consent.vendor_id,
        consent.purpose,
        consent.given,
        consent.text_version,
        consent.source,
        consent.actor,
        consent.evidence,
        consent.at,
    )


async def find_consents(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Consent]:
    """Every word of a person on consent, oldest first."""
    rows = await conn.fetch(
        "SELECT consent_id, vendor_id, purpose, given, text_version, source, actor, evidence, at FROM consent "
        "WHERE vendor_id = ANY($1::uuid[]) ORDER BY at, consent_id",
        vendor_ids,
    )
    return [Consent(**dict(row)) for row in rows]


async def collect_consents(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, Any]:
    """Every consent given or withdrawn under these ids, with the text that was shown."""
    rows = await conn.fetch(
        "SELECT c.consent_id, c.vendor_id, c.purpose, c.given, c.text_version, t.text_id, t.text_en, c.source, "
        "c.actor, c.evidence, c.at FROM consent AS c "
        "JOIN consent_text AS t ON t.purpose = c.purpose AND t.version = c.text_version "
        "WHERE c.vendor_id = ANY($1::uuid[]) ORDER BY c.at, c.consent_id",
        vendor_ids,
    )
    return {
        "consents": [
            {
                **dict(row),
                "consent_id": str(row["consent_id"]),
                "vendor_id": str(row["vendor_id"]),
                "at": row["at"].isoformat(),
            }
            for row in rows
        ]
    }


async def erase_consents(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, int]:
    """Delete the consents of these ids: what they allowed is gone with the person."""
    rows = await conn.fetch("DELETE FROM consent WHERE vendor_id = ANY($1::uuid[]) RETURNING 1", vendor_ids)
    return {"consents": len(rows)}
