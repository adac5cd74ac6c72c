"""Live selling: a channel is a site of an online bazaar, and each of its slots is one of the site's booths.

So vendors apply for a channel as for any site, the rule allocates slots as it does booths, and an offer names the slot.
One vendor has one booth of a bazaar, hence one slot: no vendor can be in two shows at once.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Annotated, NamedTuple, Self
from uuid import UUID

from pydantic import Field, StrictInt, model_validator

from services.bazaar.domain.bazaar import Bazaar, BazaarUnknown, WrongMoment
from services.bazaar.domain.storefronts import Url, require_link
from services.bazaar.domain.values import Day, Exact, Label
from services.bazaar.marketplaces import STREAM_HOSTS
from shared.clock import JAKARTA
from shared.errors import Refused

BEFORE_THE_ROUND = ("draft", "tentative", "announced")
"""States of a bazaar in which the programme may still change: nobody has been offered a slot."""


class NotOnline(Refused):
    """Live slots belong to an online bazaar."""

    code = "not-online"


class SlotsDoNotFit(Refused):
    """The programme has more or fewer slots than the site has booths, or a day that is none of the site's."""

    code = "slots-do-not-fit"
    status = 422


class Show(Exact):
    """A stretch of time on one day, in Jakarta, which is cut into slots."""

    day: Day
    begins: time
    ends: time

    @model_validator(mode="after")
    def _be_a_stretch(self) -> Self:
        if self.begins.tzinfo is not None or self.ends.tzinfo is not None:
            raise ValueError("begins and ends are times of Jakarta, without an offset")
        if self.begins >= self.ends:
            raise ValueError("begins must lie before ends")
        return self


class SetProgramme(Exact):
    """Command: the channel of a site and its shows, cut into slots of so many minutes with a pause between."""

    title: Label
    url: Url
    slot_minutes: StrictInt = Field(ge=5, le=480)
    pause_minutes: StrictInt = Field(default=0, ge=0, le=120)
    shows: Annotated[list[Show], Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _keep_shows_apart(self) -> Self:
        shows = sorted(self.shows, key=lambda show: (show.day, show.begins))
        for before, after in pairwise(shows):
            if before.day == after.day and after.begins < before.ends:
                raise ValueError(f"two shows overlap on {before.day.isoformat()}")
        return self


class Slot(NamedTuple):
    """A slot: the booth that stands for it, and from when until when it is on air."""

    booth: str
    starts_at: datetime
    ends_at: datetime


def slots(bazaar: Bazaar, site_id: str, command: SetProgramme, booths: Sequence[str]) -> list[Slot]:
    """The slots in the order of time, one for each booth of the site. `booths`: numbers of its vendor booths."""
    if bazaar.setting != "online":
        raise NotOnline("Live slots belong to an online bazaar; this one is physical.", setting=bazaar.setting)
    if bazaar.state not in BEFORE_THE_ROUND:
        raise WrongMoment(
            f"The programme is set before the round is frozen; this bazaar is {bazaar.state}.", state=bazaar.state
        )
    if site_id not in {site.site_id for site in bazaar.sites}:
        raise BazaarUnknown(f"The bazaar has no site {site_id!r}.", site_id=site_id)
    require_link(command.url, STREAM_HOSTS, "url")
    days: tuple[date, ...] = bazaar.site(site_id).days
    for show in command.shows:
        if show.day not in days:
            raise SlotsDoNotFit(
                f"{show.day.isoformat()} is none of the site's days.", days=[day.isoformat() for day in days]
            )
    times = list(_times(command))
    if len(times) != len(booths):
        raise SlotsDoNotFit(
            f"These shows make {len(times)} slots, and the site has {len(booths)} booths. Each slot is one booth: "
            "change the shows, the minutes, or the number of booths.",
            slots=len(times),
            booths=len(booths),
        )
    return [Slot(booth, starts_at, ends_at) for booth, (starts_at, ends_at) in zip(booths, times, strict=True)]


def _times(command: SetProgramme) -> Iterator[tuple[datetime, datetime]]:
    length, pause = timedelta(minutes=command.slot_minutes), timedelta(minutes=command.pause_minutes)
    for show in sorted(command.shows, key=lambda show: (show.day, show.begins)):
        starts_at = datetime.combine(show.day, show.begins, JAKARTA)
        end = datetime.combine(show.day, show.ends, JAKARTA)
        while starts_at + length <= end:
            yield starts_at, starts_at + length
            starts_at += length + pause


def uid(bazaar_id: UUID, site_id: str, booth: str) -> str:
    """What calendars know this slot by, the same for ever."""
    return f"{bazaar_id}.{site_id}.{booth}@lapak"
