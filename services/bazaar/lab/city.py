"""A city of vendors and who of them applies when: drawn from a seed, and the same under every policy.

A vendor lives in an RW, an RW lies in an area, an area has a site in the rounds in which it is its turn, and a vendor
applies there. So an applicant names one pool, which is what makes rounds of 400,000 vendors quick (`policies.py`).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Setting:
    """What is simulated. Shares and rates are 0 to 1.

    `areas`: of which `sites` have a bazaar in a round, in turn, each with `booths`. `applicants_share`: of the vendors
    whose area has a site, how many apply on average; some hardly ever, some nearly always. `founders`: vendors there
    from the start, the others join evenly over the years. `declines`, `lapses`, `no_shows`: of those offered a booth.
    `quickness`: how much it is the same people who apply first (1: always the same, 0: chance).
    """

    vendors: int = 20_000
    years: int = 3
    rounds_per_month: int = 2
    areas: int = 8
    sites: int = 6
    booths: int = 30
    vendors_per_rw: int = 15
    applicants_share: float = 0.25
    founders: float = 0.7
    declines: float = 0.05
    lapses: float = 0.03
    no_shows: float = 0.05
    quickness: float = 0.7
    seed: int = 1

    @property
    def rounds_per_year(self) -> int:
        return 12 * self.rounds_per_month

    @property
    def rounds(self) -> int:
        return self.years * self.rounds_per_year


class City(NamedTuple):
    """The vendors by number: their RW, area, readiness to apply, first round, and habit of being quick (0 is first)."""

    rw: Numbers
    area: Numbers
    readiness: Shares
    joins: Numbers
    habit: Shares
    rws: int


class Round(NamedTuple):
    """The demand of one round. All arrays but `seats` (by area) are by applicant; `vendor` is its number.

    `lottery`: the first 128 bits of the rule's ticket, as two columns. `arrival`: 0 is first. `luck`: 0 to 1, for draws
    that are not the rule's. `answer`: 0 comes, 1 declines, 2 lets the offer lapse, 3 takes the booth and does not come.
    """

    number: int
    seed: str
    vendor: Numbers
    lottery: tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]
    arrival: Shares
    luck: Shares
    answer: Numbers
    seats: Numbers


COMES, DECLINES, LAPSES, STAYS_AWAY = range(4)


def found(setting: Setting) -> City:
    """The city of this setting."""
    chance = np.random.default_rng([setting.seed, 0])
    rws = max(setting.areas, setting.vendors // setting.vendors_per_rw)
    rw = chance.integers(0, rws, setting.vendors)
    share = min(max(setting.applicants_share, 0.001), 0.999)
    readiness = chance.beta(2 * share, 2 * (1 - share), setting.vendors)
    if setting.applicants_share >= 1:
        readiness = np.ones(setting.vendors)
    late = chance.random(setting.vendors) >= setting.founders
    joins = np.where(late, chance.integers(0, max(1, setting.rounds), setting.vendors), 0)
    return City(rw, rw % setting.areas, readiness, joins, chance.random(setting.vendors), rws)


def demand(setting: Setting, city: City) -> Iterator[Round]:
    """The rounds one after the other. Sites go round the areas: those left out are the first of the next round."""
    names = [f"v{number:07}".encode() for number in range(setting.vendors)]
    for number in range(setting.rounds):
        chance = np.random.default_rng([setting.seed, 1 + number])
        held = (number * setting.sites + np.arange(min(setting.sites, setting.areas))) % setting.areas
        seats = np.zeros(setting.areas, dtype=np.int64)
        seats[held] = setting.booths
        applies = (chance.random(setting.vendors) < city.readiness) & (city.joins <= number) & (seats[city.area] > 0)
        vendor = np.flatnonzero(applies)
        arrival = setting.quickness * city.habit + (1 - setting.quickness) * chance.random(setting.vendors)
        luck = chance.random(setting.vendors)
        edges = np.cumsum([setting.declines, setting.lapses, setting.no_shows])
        answer = (np.searchsorted(edges, chance.random(setting.vendors), side="right") + 1) % 4
        seed = f"draw {setting.seed}.{number}"
        yield Round(
            number, seed, vendor, _tickets(seed, [names[one] for one in vendor]), arrival[vendor], luck[vendor],
            answer[vendor], seats,
        )  # fmt: skip


def _tickets(seed: str, names: list[bytes]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    started = hashlib.sha256(f"{seed}:".encode())
    drawn = bytearray()
    for name in names:
        ticket = started.copy()
        ticket.update(name)
        drawn += ticket.digest()[:16]
    columns = np.frombuffer(bytes(drawn), dtype=">u8").astype(np.uint64).reshape(-1, 2)
    return columns[:, 0].copy(), columns[:, 1].copy()
