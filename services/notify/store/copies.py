"""Copies of what other services own: contact cards of vendors, providers and mentors; names of locations."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from shared.db import Connection
from shared.events.training import OrganisationCard
from shared.events.vendor import ContactCard


async def save_contacts(conn: Connection, cards: Sequence[ContactCard | OrganisationCard], now: datetime) -> None:
    """Keep the last card of each vendor, provider and mentor; `cards` name each once. A vendor that is erased is not
    brought back.
    """
    await conn.execute(
        "INSERT INTO contact (vendor_id, name, phone, email, language, kind, remembered_at) "
        "SELECT vendor_id, name, phone, email, language, kind, $7 FROM "
        "unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) "
        "AS card (vendor_id, name, phone, email, language, kind) "
        "WHERE NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = card.vendor_id) ORDER BY vendor_id "
        "ON CONFLICT (vendor_id) DO UPDATE SET name = excluded.name, phone = excluded.phone, "
        "email = excluded.email, language = excluded.language, remembered_at = excluded.remembered_at",
        [UUID(card.subject) for card in cards],
        [card.name for card in cards],
        [card.phone for card in cards],
        [card.email for card in cards],
        [card.language for card in cards],
        ["vendor" if isinstance(card, ContactCard) else card.kind for card in cards],
        now,
    )


async def remove_contact(conn: Connection, vendor_id: UUID) -> None:
    """Forget how to reach this vendor, and keep that there was a way, for the receipt of its erasure."""
    await conn.execute(
        "WITH gone AS (DELETE FROM contact WHERE vendor_id = $1 RETURNING vendor_id) "
        "INSERT INTO forgotten_contact (vendor_id) SELECT vendor_id FROM gone ON CONFLICT DO NOTHING",
        vendor_id,
    )


async def remove_organisation(conn: Connection, party_id: UUID) -> None:
    """Forget a provider or a mentor."""
    await conn.execute("DELETE FROM contact WHERE vendor_id = $1 AND kind <> 'vendor'", party_id)


async def save_areas(conn: Connection, kelurahan: Mapping[UUID, str]) -> None:
    """Keep where vendors live. One that is erased is not brought back."""
    await conn.execute(
        "INSERT INTO vendor (vendor_id, kelurahan) SELECT new.vendor_id, new.kelurahan "
        "FROM unnest($1::uuid[], $2::text[]) AS new (vendor_id, kelurahan) "
        "WHERE NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = new.vendor_id) "
        "ORDER BY new.vendor_id ON CONFLICT (vendor_id) DO UPDATE SET kelurahan = excluded.kelurahan",
        list(kelurahan),
        list(kelurahan.values()),
    )


async def find_kelurahan(conn: Connection, vendor_id: UUID) -> str | None:
    """Where the vendor lives; None for one that is not known."""
    kelurahan: str | None = await conn.fetchval("SELECT kelurahan FROM vendor WHERE vendor_id = $1", vendor_id)
    return kelurahan


async def save_sites(conn: Connection, names: Mapping[tuple[UUID, str], str]) -> None:
    """Keep the names of locations."""
    await conn.execute(
        "INSERT INTO site (bazaar_id, site_id, name) SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[]) "
        "ON CONFLICT (bazaar_id, site_id) DO UPDATE SET name = excluded.name",
        [bazaar_id for bazaar_id, _ in names],
        [site_id for _, site_id in names],
        list(names.values()),
    )


async def find_sites(conn: Connection, bazaar_ids: Sequence[UUID]) -> dict[tuple[UUID, str], str]:
    """Names of the locations of these bazaars."""
    rows = await conn.fetch("SELECT bazaar_id, site_id, name FROM site WHERE bazaar_id = ANY($1)", bazaar_ids)
    return {(row["bazaar_id"], row["site_id"]): row["name"] for row in rows}
