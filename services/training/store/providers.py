"""Rows of providers and of the agreements they rest on. Contacts are sealed, bound to the provider's id."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Record, UniqueViolationError

from services.training.domain.agreements import Agreement
from services.training.domain.providers import AccountTaken, Provider
from shared.db import Connection
from shared.events.programme import PartnerAgreementEnded, PartnerAgreementMade
from shared.resealing import SealedColumn

SEALED_CONTACTS = SealedColumn(
    "contacts of providers",
    "SELECT provider_id AS id, contact_sealed AS sealed FROM provider "
    "WHERE provider_id > $1 AND contact_sealed IS NOT NULL ORDER BY provider_id LIMIT $2",
    "UPDATE provider AS p SET contact_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (provider_id, old, fresh) "
    "WHERE p.provider_id = n.provider_id AND p.contact_sealed = n.old",
)


ASKED_CLASSES_MAX = 200
"""More than a provider gives in a year."""


class ProviderFilter(NamedTuple):
    """Which providers: `area` lies in theirs, or theirs in it; None does not filter."""

    area: str | None = None
    field: str | None = None
    kind: str | None = None
    withdrawn: bool = False


def _provider(row: Record) -> Provider:
    return Provider(
        provider_id=row["provider_id"],
        name=row["name"],
        kind=row["kind"],
        fields=tuple(row["fields"]),
        area=row["area"],
        partner_id=row["partner_id"],
        valid_until=row["valid_until"],
        account=row["account"],
        language=row["language"],
        state=row["state"],
        version=row["version"],
        card_version=row["card_version"],
    )


async def save_provider(conn: Connection, provider: Provider, contact_sealed: bytes | None, *, now: datetime) -> None:
    """A provider as it stands now, new or not, with its contact. Raises `AccountTaken`."""
    try:
        await conn.execute(
            """
            INSERT INTO provider (provider_id, name, kind, fields, area, partner_id, valid_until, account,
                contact_sealed, language, state, version, card_version, listed_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
            ON CONFLICT (provider_id) DO UPDATE SET
                name = excluded.name, kind = excluded.kind, fields = excluded.fields, area = excluded.area,
                partner_id = excluded.partner_id, valid_until = excluded.valid_until, account = excluded.account,
                contact_sealed = excluded.contact_sealed, language = excluded.language, state = excluded.state,
                version = excluded.version, card_version = excluded.card_version
            """,
            provider.provider_id,
            provider.name,
            provider.kind,
            list(provider.fields),
            provider.area,
            provider.partner_id,
            provider.valid_until,
            provider.account,
            contact_sealed,
            provider.language,
            provider.state,
            provider.version,
            provider.card_version,
            now,
        )
    except UniqueViolationError:
        raise AccountTaken(
            "`account` belongs to another provider; take it from that one first, or use another."
        ) from None


async def save_followed(conn: Connection, providers: Sequence[Provider]) -> None:
    """How long the agreements of these locked providers hold, and their versions."""
    await conn.execute(
        """
        UPDATE provider SET valid_until = new.valid_until, version = new.version
        FROM unnest($1::uuid[], $2::date[], $3::bigint[]) AS new (provider_id, valid_until, version)
        WHERE provider.provider_id = new.provider_id
        """,
        [one.provider_id for one in providers],
        [one.valid_until for one in providers],
        [one.version for one in providers],
    )


async def find_provider(conn: Connection, provider_id: UUID) -> Provider | None:
    """A provider, also one that was withdrawn."""
    row = await conn.fetchrow(
        """
        SELECT provider_id, name, kind, fields, area, partner_id, valid_until, account, language, state, version,
            card_version
        FROM provider WHERE provider_id = $1
        """,
        provider_id,
    )
    return _provider(row) if row is not None else None


async def find_provider_of(conn: Connection, account: str) -> Provider | None:
    """The provider whose people's tokens carry this account."""
    row = await conn.fetchrow(
        """
        SELECT provider_id, name, kind, fields, area, partner_id, valid_until, account, language, state, version,
            card_version
        FROM provider WHERE account = $1
        """,
        account,
    )
    return _provider(row) if row is not None else None


async def find_contact(conn: Connection, provider_id: UUID) -> bytes | None:
    """How to reach a provider, still sealed."""
    contact: bytes | None = await conn.fetchval(
        "SELECT contact_sealed FROM provider WHERE provider_id = $1", provider_id
    )
    return contact


async def lock_provider(conn: Connection, provider_id: UUID) -> Provider | None:
    """A provider, locked to the transaction's end."""
    row = await conn.fetchrow(
        """
        SELECT provider_id, name, kind, fields, area, partner_id, valid_until, account, language, state, version,
            card_version
        FROM provider WHERE provider_id = $1 FOR NO KEY UPDATE
        """,
        provider_id,
    )
    return _provider(row) if row is not None else None


async def lock_providers_of(conn: Connection, partner_ids: Sequence[UUID]) -> list[Provider]:
    """The providers that rest on these partners, locked in the order of their ids."""
    rows = await conn.fetch(
        """
        SELECT provider_id, name, kind, fields, area, partner_id, valid_until, account, language, state, version,
            card_version
        FROM provider WHERE partner_id = ANY($1::uuid[]) ORDER BY provider_id FOR NO KEY UPDATE
        """,
        partner_ids,
    )
    return [_provider(row) for row in rows]


async def find_providers(conn: Connection, wanted: ProviderFilter, *, after: UUID | None, limit: int) -> list[Provider]:
    """Providers in the order in which they were entered."""
    rows = await conn.fetch(
        """
        SELECT provider_id, name, kind, fields, area, partner_id, valid_until, account, language, state, version,
            card_version
        FROM provider
        WHERE ($1::text IS NULL OR area = $1 OR starts_with($1, area || '.') OR starts_with(area, $1 || '.'))
            AND ($2::text IS NULL OR $2 = ANY(fields)) AND ($3::text IS NULL OR kind = $3)
            AND ($4 OR state = 'listed') AND ($5::uuid IS NULL OR provider_id > $5)
        ORDER BY provider_id LIMIT $6
        """,
        wanted.area,
        wanted.field,
        wanted.kind,
        wanted.withdrawn,
        after,
        limit,
    )
    return [_provider(row) for row in rows]


async def find_listed(conn: Connection) -> list[tuple[Provider, int]]:
    """Every listed provider, with its classes under way: prepared or open."""
    rows = await conn.fetch(
        """
        SELECT p.provider_id, p.name, p.kind, p.fields, p.area, p.partner_id, p.valid_until, p.account, p.language,
            p.state, p.version, p.card_version,
            (SELECT count(*) FROM training_class c
                WHERE c.provider_id = p.provider_id AND c.state IN ('draft', 'open')) AS under_way
        FROM provider p WHERE p.state = 'listed' ORDER BY p.provider_id
        """
    )
    return [(_provider(row), row["under_way"]) for row in rows]


async def find_asked_classes(conn: Connection, provider_id: UUID) -> list[dict[str, Any]]:
    """The classes that are asked of a provider or that it gives, prepared ones first, then the last made first."""
    rows = await conn.fetch(
        """
        SELECT c.class_id, c.course, c.title, c.area, c.state, c.days, c.places, c.requests,
            (SELECT count(*) FROM enrolment e WHERE e.class_id = c.class_id) AS taken
        FROM training_class c WHERE c.provider_id = $1
        ORDER BY c.state <> 'draft', c.class_id DESC LIMIT $2
        """,
        provider_id,
        ASKED_CLASSES_MAX,
    )
    return [dict(row) for row in rows]


# --- agreements


async def add_agreements(conn: Connection, made: Sequence[PartnerAgreementMade]) -> None:
    """Partners agreed; what is known already stays."""
    await conn.executemany(
        """
        INSERT INTO partner_agreement
            (agreement_id, partner_id, code, name, kind, area, valid_from, valid_until, topics)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (agreement_id) DO NOTHING
        """,
        [
            (
                one.agreement_id,
                one.partner_id,
                one.code,
                one.name,
                one.kind,
                one.area,
                one.valid_from,
                one.valid_until,
                one.topics,
            )
            for one in made
        ],
    )


async def end_agreements(conn: Connection, ended: Sequence[PartnerAgreementEnded]) -> None:
    """Agreements ended, those that are known."""
    await conn.execute(
        """
        UPDATE partner_agreement SET ended_on = new.ended_on, lapsed = new.lapsed
        FROM unnest($1::uuid[], $2::date[], $3::boolean[]) AS new (agreement_id, ended_on, lapsed)
        WHERE partner_agreement.agreement_id = new.agreement_id
        """,
        [one.agreement_id for one in ended],
        [one.ended_on for one in ended],
        [one.lapsed for one in ended],
    )


async def find_agreements(conn: Connection, partner_ids: Sequence[UUID]) -> list[Agreement]:
    """All agreements of these partners."""
    rows = await conn.fetch(
        """
        SELECT agreement_id, partner_id, area, valid_from, valid_until, ended_on, lapsed
        FROM partner_agreement WHERE partner_id = ANY($1::uuid[]) ORDER BY agreement_id
        """,
        partner_ids,
    )
    return [Agreement(**row) for row in rows]
