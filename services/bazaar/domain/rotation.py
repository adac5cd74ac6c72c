"""Next in rotation: who is offered the booths that were given back, by the rule of the round."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from services.bazaar.allocation import read_problem
from services.bazaar.allocation.priority import Priority
from services.bazaar.domain.application import Application
from services.bazaar.domain.bazaar import Bazaar, Site
from services.bazaar.domain.growth import Extensions


class Promotion(NamedTuple):
    """This application is offered this booth."""

    application_id: UUID
    site_id: str
    booth: str


class SeatedCount(NamedTuple):
    """How many who hold a booth of this site (offered or confirmed) have this value of this group."""

    site_id: str
    group: str
    value: str
    seats: int


class RoundSoFar(NamedTuple):
    """What the turns of groups follow from: the problem of the round as published, and, by the names it has for them,
    whose offers count as a turn: who holds a booth (offered or confirmed) and who let the offer lapse. A booth declined
    costs no turn. Who is not in the problem stood at the gate on the day, and counts in the next round."""

    problem: bytes
    turned: Sequence[str]


def groups_limited(bazaar: Bazaar) -> list[str]:
    """The groups that a reserve or a cap of this bazaar names: whose seats must be counted."""
    limits = [limit for site in bazaar.sites for limit in (*site.reserves, *site.caps)]
    return sorted({limit.group for limit in limits} | {cap.group for cap in bazaar.policy.caps})


def front_decides(bazaar: Bazaar, free: Iterable[str]) -> bool:
    """Whether the queue for free booths of these sites is walked once, from its front, until every booth is taken: then
    nobody behind those who took them matters. Not where groups take turns, nor where reserves are filled first."""
    return not bazaar.policy.groups_in_turn and not any(bazaar.site(site_id).reserves for site_id in free)


def promote(
    bazaar: Bazaar,
    free: Mapping[str, Sequence[str]],
    seated: Iterable[SeatedCount],
    waiting: Sequence[Application],
    so_far: RoundSoFar | None = None,
    persons: Mapping[UUID, UUID] | None = None,
    stands: Mapping[tuple[str, str], frozenset[str]] | None = None,
) -> list[Promotion]:
    """Who is offered which free booth, in the order of the offers. `free`: booth numbers per site; `seated`: counts of
    `groups_limited`; `waiting`: in the order of the stored queue; `so_far`: needed where groups take turns; `persons`:
    vendor -> the id that stands for the person, of those merged with others: one who waits twice is offered one booth;
    `stands`: (site, booth) -> what it has of what a vendor may need.

    The phases of the rule, with every seat that is held left as it is: first the queue is walked for members of
    reserves that have fewer members at their site than seats, then for everyone. Each is given the best ranked of
    its sites that has a free booth and whose caps allow it; there a booth that has what it needs, else the first.

    The next one walked is the one of least priority with the turns of groups as they stand, as in the round: those the
    group had at the freeze, one for each of `so_far.turned`, one for each promoted here. Every level of the rotation
    is compared again, then the lottery, since among groups that have become equal the stored places no longer say who
    waits longer. Where no group takes turns nothing moves, and the stored places are that order.
    """
    walk = _Walk(bazaar, free, seated, stands or {})
    queue = _Queue(bazaar, waiting, so_far, persons or {})
    promotions: list[Promotion] = []
    for reserved in (True, False):
        for application in queue.walk():
            if walk.booths_left == 0:
                break
            found = walk.take(application, reserved=reserved)
            if found is not None:
                queue.seat(application)
                promotions.append(found)
    return promotions


class _Queue:
    """Who waits, in the order of the rule with the turns of groups as they stand."""

    def __init__(
        self,
        bazaar: Bazaar,
        waiting: Sequence[Application],
        so_far: RoundSoFar | None,
        persons: Mapping[UUID, UUID],
    ) -> None:
        self._waiting = {application.application_id: application for application in waiting}
        self._persons = persons
        self._priority: Priority | None = None
        if bazaar.policy.groups_in_turn:
            assert so_far is not None, "the stored places forget that the turns of groups grow"
            problem = read_problem(so_far.problem)
            self._at = {applicant.id: at for at, applicant in enumerate(problem.applicants)}
            self._priority = Priority(problem)
            for name in so_far.turned:
                if name in self._at:
                    self._priority.seat(self._at[name])

    def walk(self) -> Iterator[Application]:
        """Each who still waits once; who is seated meanwhile counts at once."""
        if self._priority is None:
            for application_id, application in list(self._waiting.items()):
                if application_id in self._waiting:
                    yield application
            return
        waiting = {self._at[application.name_in_round]: application for application in self._waiting.values()}
        for at, _ in self._priority.walk(waiting):
            if waiting[at].application_id in self._waiting:
                yield waiting[at]

    def seat(self, application: Application) -> None:
        """This person waits no more, and its groups have had one turn more."""
        del self._waiting[application.application_id]
        person_id = self._persons.get(application.vendor_id)
        if person_id is not None:
            for other in [one for one in self._waiting.values() if self._persons.get(one.vendor_id) == person_id]:
                del self._waiting[other.application_id]
        if self._priority is not None:
            self._priority.seat(self._at[application.name_in_round])


class _Walk:
    """Free booths and held seats as they stand during one walk along the queue."""

    def __init__(
        self,
        bazaar: Bazaar,
        free: Mapping[str, Sequence[str]],
        seated: Iterable[SeatedCount],
        stands: Mapping[tuple[str, str], frozenset[str]],
    ) -> None:
        self._stands = stands
        self._sites = {site.site_id: site for site in bazaar.sites}
        self._named = Extensions(bazaar.sites).named
        self._round_caps = {cap.group: cap.seats_each for cap in bazaar.policy.caps}
        self._free = {site_id: list(numbers) for site_id, numbers in free.items() if numbers}
        self._at_site: Counter[tuple[str, str, str]] = Counter()
        self._in_round: Counter[tuple[str, str]] = Counter()
        for site_id, group, value, seats in seated:
            self._at_site[site_id, group, value] += seats
            self._in_round[group, value] += seats
        self.booths_left = sum(map(len, self._free.values()))

    def _best_for(self, needs: Sequence[str], site_id: str) -> int:
        """The place of the first free booth there that has what the vendor needs; of the first where none has."""
        wanted = set(needs)
        booths = enumerate(self._free[site_id])
        return next((at for at, number in booths if wanted <= self._stands.get((site_id, number), frozenset())), 0)

    def take(self, application: Application, *, reserved: bool) -> Promotion | None:
        """The best booth this applicant may have, taken; None when there is none for it."""
        groups = application.groups
        if any(
            group in groups and self._in_round[group, groups[group]] >= most for group, most in self._round_caps.items()
        ):
            return None
        for site_id in self._sites_with_booths(application):
            site = self._sites[site_id]
            if self._allowed(site, groups) and (not reserved or self._short_reserve(site, groups)):
                booth = self._free[site_id].pop(self._best_for(application.needs, site_id))
                self.booths_left -= 1
                for group, value in groups.items():
                    self._at_site[site_id, group, value] += 1
                    self._in_round[group, value] += 1
                return Promotion(application.application_id, site_id, booth)
        return None

    def _sites_with_booths(self, application: Application) -> Iterator[str]:
        return (site_id for site_id in self._named(application.site_ids) if self._free.get(site_id))

    def _allowed(self, site: Site, groups: Mapping[str, str]) -> bool:
        return all(
            groups.get(cap.group) != cap.value or self._at_site[site.site_id, cap.group, cap.value] < cap.seats
            for cap in site.caps
        )

    def _short_reserve(self, site: Site, groups: Mapping[str, str]) -> bool:
        return any(
            groups.get(reserve.group) == reserve.value
            and self._at_site[site.site_id, reserve.group, reserve.value] < reserve.seats
            for reserve in site.reserves
        )
