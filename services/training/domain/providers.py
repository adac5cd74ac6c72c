"""Providers of training (DOMAIN B4): universities, the chamber, agencies and others, with fields of competence and an
area; and which of them a class is best asked of.

A provider that rests on a partner of the registry gives classes where and while an agreement of that partner is in
force. An agency of the province needs none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Literal, NamedTuple, Self, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.training.domain.agreements import Agreement, last_day
from services.training.domain.areas import covers
from services.training.domain.courses import FieldUnknown
from services.training.domain.values import Account, Email, FieldCode, KnownArea, Name, Phone
from shared.errors import NotFound, Refused
from shared.events.training import OrganisationCard, ProviderListed, ProviderWithdrawn
from shared.events.values import Language

FIELDS_MAX = 30

ProviderKind: TypeAlias = Literal["university", "chamber", "agency", "company", "community"]
ProviderState: TypeAlias = Literal["listed", "withdrawn"]
Unfit: TypeAlias = Literal["withdrawn", "field", "area", "agreement"]
"""Why a provider cannot be asked for a class: no longer listed, not competent, not there, no agreement in force."""


class ProviderNotFound(NotFound):
    """No provider has this id."""

    code = "provider-not-found"

    def __init__(self, provider_id: UUID) -> None:
        super().__init__(
            "No provider of training has this id; GET /v1/providers lists them.", provider_id=str(provider_id)
        )


class NoProviderOfAccount(NotFound):
    """The token belongs to no provider."""

    code = "provider-not-found"


class AccountTaken(Refused):
    """The account belongs to another provider."""

    code = "account-taken"


class PartnerUnknown(Refused):
    """Nothing is known here of an agreement of this partner."""

    code = "partner-unknown"
    status = 422

    def __init__(self, partner_id: UUID) -> None:
        super().__init__(
            "No agreement of the partner in `partner_id` is known here; make one in the registry first, or try again "
            "shortly.",
            partner_id=str(partner_id),
        )


class ProviderUnfit(Refused):
    """The provider cannot give this class."""

    code = "provider-unfit"

    def __init__(self, provider_id: UUID, because: Sequence[Unfit]) -> None:
        super().__init__(
            f"This provider cannot be asked for the class: {', '.join(WORDS[one] for one in because)}. "
            "GET /v1/courses/{course}/providers?area= lists those that can.",
            provider_id=str(provider_id),
            because=list(because),
        )


WORDS: Mapping[Unfit, str] = {
    "withdrawn": "it is no longer listed",
    "field": "the course is not of its fields",
    "area": "the area is not of its area",
    "agreement": "no agreement of its partner is in force there",
}


def _once(codes: list[str]) -> list[str]:
    return sorted(set(codes))


class DescribeProvider(BaseModel):
    """All of a provider's entry. `account`: `sub` of the tokens of its people; `language`: that it is written to in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    kind: ProviderKind
    fields: Annotated[list[FieldCode], Field(min_length=1, max_length=FIELDS_MAX), AfterValidator(_once)]
    area: KnownArea
    partner_id: UUID | None = None
    account: Account | None = None
    phone: Phone | None = None
    email: Email | None = None
    language: Language = "id"

    @model_validator(mode="after")
    def _rests_on_something(self) -> Self:
        if self.kind != "agency" and self.partner_id is None:
            raise ValueError("partner_id is missing: only agencies give classes without an agreement of a partner")
        return self


class Contact(NamedTuple):
    """How to reach a provider. Kept sealed: behind an organisation's address may stand a person's."""

    phone: str | None
    email: str | None


@dataclass(frozen=True)
class Provider:
    """A provider. `fields` are sorted; `valid_until`: the last day of its partner's agreements, as it was told last;
    `card_version` counts its cards.
    """

    provider_id: UUID
    name: str
    kind: ProviderKind
    fields: tuple[str, ...]
    area: str
    partner_id: UUID | None
    valid_until: date | None
    account: str | None
    language: Language
    state: ProviderState
    version: int
    card_version: int


class Candidate(NamedTuple):
    """A provider for a class, the classes it has under way, and why it cannot be asked (nothing: it can)."""

    provider: Provider
    under_way: int
    because: tuple[Unfit, ...]


def describe(
    provider_id: UUID,
    command: DescribeProvider,
    before: Provider | None,
    agreements: Sequence[Agreement],
    fields: Sequence[str],
) -> tuple[Provider, ProviderListed | None]:
    """The entry as described, new or in place of what stood `before`; one that was withdrawn is listed again. Without
    an event where others would notice nothing. `agreements`: those of its partner; `fields`: all there are.

    Raises `FieldUnknown`, `PartnerUnknown`.
    """
    unknown = [field for field in command.fields if field not in fields]
    if unknown:
        raise FieldUnknown(unknown, fields)
    if command.partner_id is not None and not agreements:
        raise PartnerUnknown(command.partner_id)
    described = Provider(
        provider_id=provider_id,
        name=command.name,
        kind=command.kind,
        fields=tuple(command.fields),
        area=command.area,
        partner_id=command.partner_id,
        valid_until=last_day(agreements, command.area),
        account=command.account,
        language=command.language,
        state="listed",
        version=before.version if before is not None else 0,
        card_version=before.card_version if before is not None else 0,
    )
    if before is not None and before.state == "listed" and listed(before) == listed(described):
        return described, None
    return replace(described, version=described.version + 1), listed(described)


def follow_agreements(provider: Provider, agreements: Sequence[Agreement]) -> tuple[Provider, ProviderListed] | None:
    """What the agreements of its partner, as they are now, change for a provider; None for nothing."""
    until = last_day(agreements, provider.area)
    if provider.state != "listed" or until == provider.valid_until:
        return None
    followed = replace(provider, valid_until=until, version=provider.version + 1)
    return followed, listed(followed)


def withdraw(provider: Provider) -> tuple[Provider, ProviderWithdrawn] | None:
    """It gives no more classes, those under way go on; None where it was withdrawn before."""
    if provider.state == "withdrawn":
        return None
    after = replace(provider, state="withdrawn", version=provider.version + 1, card_version=provider.card_version + 1)
    return after, ProviderWithdrawn(provider_id=provider.provider_id)


def listed(provider: Provider) -> ProviderListed:
    """What is told of a provider as it stands."""
    return ProviderListed(
        provider_id=provider.provider_id,
        kind=provider.kind,
        fields=list(provider.fields),
        area=provider.area,
        partner_id=provider.partner_id,
        valid_until=provider.valid_until,
    )


def write_card(
    provider: Provider, contact: Contact, before: Provider | None, contact_before: Contact | None
) -> tuple[Provider, OrganisationCard | None]:
    """How to reach it, by name; no card where the last one says the same. `contact_before`: None where none is out."""
    named_before = None if before is None else (before.name, before.language, contact_before)
    if named_before == (provider.name, provider.language, contact):
        return provider, None
    return replace(provider, card_version=provider.card_version + 1), OrganisationCard(
        party_id=provider.provider_id,
        kind="provider",
        name=provider.name,
        phone=contact.phone,
        email=contact.email,
        language=provider.language,
    )


def unfit(provider: Provider, agreements: Iterable[Agreement], *, field: str, area: str, today: date) -> list[Unfit]:
    """Why this provider cannot be asked for a class of this field in this area; nothing: it can. `agreements` may be
    those of every partner.
    """
    because: list[Unfit] = []
    if provider.state != "listed":
        because.append("withdrawn")
    if field not in provider.fields:
        because.append("field")
    if not covers(provider.area, area):
        because.append("area")
    if provider.partner_id is not None and not any(
        one.partner_id == provider.partner_id and one.holds(area, today) for one in agreements
    ):
        because.append("agreement")
    return because


def in_force(provider: Provider, agreements: Iterable[Agreement], *, today: date) -> bool:
    """Whether it can be asked for any class today, as far as agreements go: somewhere in its area."""
    if provider.state != "listed":
        return False
    return provider.partner_id is None or any(
        one.partner_id == provider.partner_id and one.touches(provider.area) and one.holds(one.area, today)
        for one in agreements
    )


def rank(
    providers: Iterable[tuple[Provider, int]],
    agreements: Sequence[Agreement],
    *,
    field: str,
    area: str,
    today: date,
) -> list[Candidate]:
    """Providers with the classes they have under way, those that can be asked first: of these the one with the fewest
    classes under way, then the one whose area is the nearest (the narrowest around the class's), then the one that was
    listed first.
    """
    candidates = [
        Candidate(provider, under_way, tuple(unfit(provider, agreements, field=field, area=area, today=today)))
        for provider, under_way in providers
    ]
    return sorted(
        candidates,
        key=lambda one: (len(one.because), one.under_way, -len(one.provider.area), one.provider.provider_id),
    )


def choose(candidates: Sequence[Candidate]) -> Provider | None:
    """The first of ranked candidates that can be asked; None where none can."""
    return candidates[0].provider if candidates and not candidates[0].because else None
