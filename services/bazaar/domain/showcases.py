"""Showcases: where products of an online bazaar can be looked at (DOMAIN A6).

Nothing is sold there and nobody has a booth, so a showcase is no site: it has no part in the round, no check-in and no
sales. Products of vendors that take part in the bazaar are put on its places.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StrictInt, model_validator

from services.bazaar.domain.application import Application, ApplicationUnknown
from services.bazaar.domain.bazaar import Bazaar, WrongMoment
from services.bazaar.domain.storefronts import require_participant
from services.bazaar.domain.values import Day, Exact, Label, SiteId, real_kelurahan
from shared.errors import NotFound, Refused
from shared.events.values import KelurahanCode

PLACES_MAX = 500


class ShowcaseUnknown(NotFound):
    """The bazaar has no such showcase."""

    code = "showcase-unknown"


class ShowcaseDaysRefused(Refused):
    """A showcase is open on days of its bazaar."""

    code = "showcase-days-refused"
    status = 422


class NoPlaceLeft(Refused):
    """More products than the showcase has places."""

    code = "no-place-left"


class SetShowcase(Exact):
    """Command: a showcase of the bazaar, new or changed; times are those of Jakarta."""

    showcase_id: SiteId
    name: Label
    kelurahan: Annotated[KelurahanCode, AfterValidator(real_kelurahan)]
    address: Label
    days: list[Day] = Field(min_length=1, max_length=31)
    opens: time
    closes: time
    places: StrictInt = Field(ge=1, le=PLACES_MAX)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if sorted(set(self.days)) != self.days:
            raise ValueError("days are given in order, each once")
        if self.opens.tzinfo is not None or self.closes.tzinfo is not None or self.opens >= self.closes:
            raise ValueError("opens must lie before closes; both are times of Jakarta, without an offset")
        return self


class FillShowcase(Exact):
    """Command: whose products stand on the places, in their order; nobody else's do."""

    application_ids: Annotated[list[UUID], Field(max_length=PLACES_MAX)]

    @model_validator(mode="after")
    def _name_each_once(self) -> Self:
        if len(set(self.application_ids)) < len(self.application_ids):
            raise ValueError("application_ids names one twice")
        return self


@dataclass(frozen=True, slots=True)
class Showcase:
    """A showcase of a bazaar."""

    bazaar_id: UUID
    showcase_id: str
    name: str
    kelurahan: str
    address: str
    days: tuple[date, ...]
    opens: time
    closes: time
    places: int


def set_up(bazaar: Bazaar, command: SetShowcase, taken: int) -> Showcase:
    """A showcase as described; `taken`: places with products on them now."""
    if bazaar.state in ("finished", "cancelled"):
        raise WrongMoment(f"The bazaar is {bazaar.state}; it needs no showcase.", state=bazaar.state)
    if not set(command.days) <= set(bazaar.days):
        raise ShowcaseDaysRefused(
            "A showcase is open on days of its bazaar.", days=[day.isoformat() for day in bazaar.days]
        )
    _require_places(taken, command.places)
    return Showcase(
        bazaar_id=bazaar.bazaar_id,
        showcase_id=command.showcase_id,
        name=command.name,
        kelurahan=command.kelurahan,
        address=command.address,
        days=tuple(command.days),
        opens=command.opens,
        closes=command.closes,
        places=command.places,
    )


def fill(showcase: Showcase, wanted: Sequence[UUID], found: Mapping[UUID, Application]) -> None:
    """Refuse products of who does not take part in the bazaar, and more than there are places."""
    _require_places(len(wanted), showcase.places)
    for application_id in wanted:
        application = found.get(application_id)
        if application is None or application.bazaar_id != showcase.bazaar_id:
            raise ApplicationUnknown(
                f"This bazaar has no application {application_id}.", application_id=str(application_id)
            )
        require_participant(application)


def _require_places(wanted: int, places: int) -> None:
    if wanted > places:
        raise NoPlaceLeft(f"{wanted} products do not fit on {places} places.", places=places)
