"""Providers are entered, changed and withdrawn, and follow the agreements that they rest on."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from services.training.domain import providers as domain
from services.training.domain.agreements import Agreement
from services.training.domain.courses import Course
from services.training.domain.providers import (
    Candidate,
    Contact,
    DescribeProvider,
    Provider,
    ProviderNotFound,
)
from services.training.store import courses
from services.training.store import providers as store
from shared import outbox
from shared.clock import day_in_jakarta
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.programme import PartnerAgreementEnded, PartnerAgreementMade
from shared.events.training import OrganisationCard

__all__ = [
    "change_provider",
    "end_agreements",
    "enter_provider",
    "find_in_force",
    "make_agreements",
    "rank_providers",
    "read_contact",
    "require_provider",
    "withdraw_provider",
]


async def enter_provider(
    conn: Connection, command: DescribeProvider, *, provider_id: UUID, now: datetime, sealer: Sealer
) -> Provider:
    """A new provider. Raises `AccountTaken` and as `domain.describe` does."""
    return await _describe(conn, provider_id, command, None, None, now=now, sealer=sealer)


async def change_provider(
    conn: Connection, provider_id: UUID, command: DescribeProvider, *, now: datetime, sealer: Sealer
) -> Provider:
    """All of a provider's entry anew; one that was withdrawn is listed again. Raises `ProviderNotFound`,
    `AccountTaken` and as `domain.describe` does.
    """
    before = await _lock(conn, provider_id)
    contact = await read_contact(conn, provider_id, sealer)
    return await _describe(conn, provider_id, command, before, contact, now=now, sealer=sealer)


async def _describe(
    conn: Connection,
    provider_id: UUID,
    command: DescribeProvider,
    before: Provider | None,
    contact_before: Contact | None,
    *,
    now: datetime,
    sealer: Sealer,
) -> Provider:
    agreements = await _agreements(conn, [] if command.partner_id is None else [command.partner_id])
    fields = [field["field"] for field in await courses.find_fields(conn)]
    provider, event = domain.describe(provider_id, command, before, agreements, fields)
    contact = Contact(command.phone, command.email)
    provider, card = domain.write_card(provider, contact, before, contact_before)
    sealed = sealer.seal(json.dumps(contact._asdict()).encode(), provider_id.bytes)
    await store.save_provider(conn, provider, sealed, now=now)
    if event is not None:
        await outbox.record(conn, [outbox.Fact(event, provider.version)], now=now)
    if card is not None:
        await outbox.record(conn, [outbox.Fact(card, provider.card_version)], now=now)
    return provider


async def withdraw_provider(conn: Connection, provider_id: UUID, *, now: datetime) -> None:
    """It gives no more classes; its card and its contact go. Again, it changes nothing. Raises `ProviderNotFound`."""
    withdrawn = domain.withdraw(await _lock(conn, provider_id))
    if withdrawn is None:
        return
    provider, event = withdrawn
    await store.save_provider(conn, provider, None, now=now)
    await outbox.record(conn, [outbox.Fact(event, provider.version)], now=now)
    await outbox.record_tombstone(conn, OrganisationCard, str(provider_id), provider.card_version, now=now)


async def _lock(conn: Connection, provider_id: UUID) -> Provider:
    provider = await store.lock_provider(conn, provider_id)
    if provider is None:
        raise ProviderNotFound(provider_id)
    return provider


async def read_contact(conn: Connection, provider_id: UUID, sealer: Sealer) -> Contact | None:
    """How to reach a provider; None for one that was withdrawn."""
    sealed = await store.find_contact(conn, provider_id)
    return None if sealed is None else Contact(**json.loads(sealer.open(sealed, provider_id.bytes)))


# --- agreements


async def make_agreements(conn: Connection, made: Sequence[PartnerAgreementMade], *, now: datetime) -> None:
    """Partners of the registry agreed with the programme."""
    await store.add_agreements(conn, made)
    await _follow(conn, {event.partner_id for event in made}, now=now)


async def end_agreements(conn: Connection, ended: Sequence[PartnerAgreementEnded], *, now: datetime) -> None:
    """Agreements of partners ran out or were ended early; one that was made before we listened covers nobody."""
    await store.end_agreements(conn, ended)
    await _follow(conn, {event.partner_id for event in ended}, now=now)


async def _follow(conn: Connection, partner_ids: Collection[UUID], *, now: datetime) -> None:
    providers = await store.lock_providers_of(conn, list(partner_ids))
    agreements = await _agreements(conn, partner_ids)
    followed = [
        one
        for provider in providers
        if (one := domain.follow_agreements(provider, [a for a in agreements if a.partner_id == provider.partner_id]))
    ]
    await store.save_followed(conn, [provider for provider, _ in followed])
    await outbox.record(conn, [outbox.Fact(event, provider.version) for provider, event in followed], now=now)


async def _agreements(conn: Connection, partner_ids: Collection[UUID]) -> list[Agreement]:
    return await store.find_agreements(conn, list(partner_ids)) if partner_ids else []


# --- who is asked for a class


async def rank_providers(conn: Connection, course: Course, area: str, *, now: datetime) -> list[Candidate]:
    """The listed providers for a class of this course in this area, the one to be asked first in front."""
    providers = await store.find_listed(conn)
    agreements = await _agreements(
        conn, {provider.partner_id for provider, _ in providers if provider.partner_id is not None}
    )
    return domain.rank(providers, agreements, field=course.field, area=area, today=day_in_jakarta(now))


async def find_in_force(conn: Connection, providers: Sequence[Provider], *, now: datetime) -> set[UUID]:
    """Those of these providers that may be asked today: agencies, and where an agreement of their partner holds in all
    of their area or in a part of it.
    """
    agreements = await _agreements(conn, {one.partner_id for one in providers if one.partner_id is not None})
    today = day_in_jakarta(now)
    return {one.provider_id for one in providers if domain.in_force(one, agreements, today=today)}


async def require_provider(
    conn: Connection, provider_id: UUID, course: Course, area: str, *, now: datetime
) -> Provider:
    """A provider that can be asked for a class of this course in this area. Raises `ProviderNotFound`,
    `ProviderUnfit`.
    """
    provider = await store.find_provider(conn, provider_id)
    if provider is None:
        raise ProviderNotFound(provider_id)
    agreements = await _agreements(conn, [] if provider.partner_id is None else [provider.partner_id])
    because = domain.unfit(provider, agreements, field=course.field, area=area, today=day_in_jakarta(now))
    if because:
        raise domain.ProviderUnfit(provider_id, because)
    return provider
