"""Agreements of partners (DOMAIN B1), as the registry tells of them: where and on which days they hold."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from services.training.domain.areas import covers


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a partner agreed to. `ended_on`: its last day when it ran out (`lapsed`), else the day it was ended on."""

    agreement_id: UUID
    partner_id: UUID
    area: str
    valid_from: date
    valid_until: date
    ended_on: date | None = None
    lapsed: bool | None = None

    @property
    def last_day(self) -> date:
        """The last day on which it holds; before `valid_from` when it was ended before it began."""
        if self.ended_on is not None and not self.lapsed:
            return min(self.valid_until, self.ended_on - timedelta(days=1))
        return self.valid_until

    def holds(self, area: str, day: date) -> bool:
        """Whether it is in force that day in all of this area."""
        return covers(self.area, area) and self.valid_from <= day <= self.last_day

    def touches(self, area: str) -> bool:
        """Whether it is made for this area, for a part of it, or for one around it."""
        return covers(self.area, area) or covers(area, self.area)


def last_day(agreements: Iterable[Agreement], area: str) -> date | None:
    """The last day on which one of these agreements holds in this area or in a part of it; None for none at all."""
    days = [one.last_day for one in agreements if one.last_day >= one.valid_from and one.touches(area)]
    return max(days, default=None)
