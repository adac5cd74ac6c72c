"""The promise over simulated years: who keeps applying to the same places is offered a booth before anyone who began to
wait after it. Vendors join, rest, decline, let offers lapse; sites grow and shrink; booths given back go on.

Everything that decides is the service's own: the problem, the solver, the offers, the next in rotation, the standings.
Only the ledger (a row per turn) is kept here, as the database keeps it.
"""

import random
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.bazaar.allocation import read_problem, result_to_json, solve, verify
from services.bazaar.domain.application import Application, Offer, Vendor, confirm, decline, lapse, offer
from services.bazaar.domain.bazaar import Bazaar
from services.bazaar.domain.policy import Level, Policy
from services.bazaar.domain.rotation import Promotion, RoundSoFar, promote
from services.bazaar.domain.round import (
    Candidate,
    GroupTurns,
    decisions,
    draw_seed,
    freeze,
    standings,
)
from tests.unit.bazaar import KARANG_ANYAR, a_bazaar, a_site

SITES = ("one", "two", "three")
ROUNDS = 20
"""Two and a half years of a bazaar every six weeks."""
BETWEEN_ROUNDS = timedelta(days=45)


@dataclass
class Person:
    """A vendor, what it does, and its rows in the ledger."""

    vendor: Vendor
    sites: tuple[tuple[str, ...], ...]
    rests: float
    declines: float
    lapses: float
    first_applied_on: date
    turns: list[date] = field(default_factory=list)

    @property
    def waiting_since(self) -> date:
        """The day of its last turn, else of its first application (`store.rounds.lock_candidates`)."""
        return max(self.turns, default=self.first_applied_on)


class Promoted(NamedTuple):
    """A booth given back that was offered to the next in rotation, and what could be seen at that moment."""

    vendor_id: UUID
    site: str
    rw_turns: Counter[str]
    """Of the ledger, and of the offers that nobody has answered yet."""
    waiting: dict[UUID, tuple[str, ...]]


@dataclass
class Played:
    """A round that is over: who stood how before it, who was offered what, who still waits."""

    people: dict[UUID, Person]
    waiting_since: dict[UUID, date]
    """Of everyone, also those who rest."""
    applied: set[UUID]
    rw_turns: Counter[str]
    offered: list[tuple[UUID, str, bool]]
    """Vendor, site and whether it was promoted, in the order of the offers."""
    queued: dict[UUID, tuple[str, ...]]
    """Vendor -> the sites that it named, of those who waited when the round was published; and who waits at its end."""
    waiting: dict[UUID, tuple[str, ...]]
    promoted: list[Promoted] = field(default_factory=list)
    turned: set[UUID] = field(default_factory=set)
    """Who took its booth, or blocked it until the offer lapsed."""


def play(chance: random.Random, policy: Policy) -> Iterable[Played]:
    """Years of bazaars to which the vendors of a neighbourhood apply."""
    people: dict[UUID, Person] = {}
    numbers = count(1)
    for number in range(1, ROUNDS + 1):
        day = date(2023, 1, 1) + number * BETWEEN_ROUNDS
        for _ in range(30 if number == 1 else chance.randint(0, 4)):
            joining = _person(chance, next(numbers), day - timedelta(days=20))
            people[joining.vendor.vendor_id] = joining
        for one in [one for one in people if chance.random() < 0.01]:
            del people[one]  # it gave up its business
        yield _round(chance, policy, people, number, day)


def _person(chance: random.Random, number: int, today: date) -> Person:
    named = chance.sample(SITES, chance.randint(1, 3))
    cut = chance.randint(0, len(named))
    vendor = Vendor(UUID(int=number), KARANG_ANYAR, f"{chance.randint(1, 9):03d}", "health", "kpkp", trained=True)
    return Person(
        vendor,
        tuple(tier for tier in (tuple(named[:cut]), tuple(named[cut:])) if tier),
        rests=chance.choice([0, 0, 0, 0.4]),
        declines=chance.choice([0, 0, 0.3]),
        lapses=chance.choice([0, 0, 0.2]),
        first_applied_on=today,
    )


def _round(chance: random.Random, policy: Policy, people: dict[UUID, Person], number: int, day: date) -> Played:
    closing = datetime(day.year, day.month, day.day, 10, tzinfo=UTC) - timedelta(days=7)
    sites = [a_site(site, chance.randint(1, 4), days=(day,)) for site in SITES]
    bazaar = a_bazaar(
        *sites, policy=policy, bazaar_id=UUID(int=10**6 + number), days=(day,), applications_close_at=closing
    )
    here = {one.vendor.vendor_id: one for one in people.values() if chance.random() >= one.rests}
    candidates = [
        Candidate(
            Application(UUID(int=10**9 + number * 10**5 + one.vendor.vendor_id.int), bazaar.bazaar_id,
                        one.vendor.vendor_id, 1, "received", one.sites, closing),
            one.vendor, len(one.turns), one.waiting_since,
        )
        for one in here.values()
    ]  # fmt: skip
    ledger = [
        GroupTurns(one.vendor.groups, len(one.turns), max(one.turns, default=None), one.first_applied_on)
        for one in people.values()
    ]
    secret = chance.randbytes(32)
    frozen = freeze(bazaar, candidates, standings(policy.groups_ranked, ledger), closing, secret=secret)
    assert frozen.dropped == []
    _, seeded, _ = draw_seed(frozen.bazaar, frozen.round, f"draw {number}", "Undian")
    assert seeded.problem is not None
    problem = read_problem(seeded.problem)
    result = solve(problem)
    assert verify(problem, result) == []

    played = Played(
        people,
        {vendor_id: one.waiting_since for vendor_id, one in people.items()},
        set(here),
        _rw_turns(people.values()),
        [],
        {},
        {},
    )
    applied = {one.application.application_id: one.application for one in candidates}
    standing = {one.pseudonym: replace(applied[one.application_id], pseudonym=one.pseudonym) for one in frozen.listed}
    booths = {site.site_id: [f"A{n:02d}" for n in range(1, site.booths + 1)] for site in sites}
    after = [step.after for step in decisions(bazaar, result_to_json(result), standing, booths, closing)]
    _offers(chance, bazaar, seeded.problem, after, booths, played, closing, day)
    return played


def _rw_turns(people: Iterable[Person]) -> Counter[str]:
    return Counter(one.vendor.rw for one in people for _ in one.turns)


def _named(queue: Iterable[Application]) -> dict[UUID, tuple[str, ...]]:
    return {one.vendor_id: one.site_ids for one in queue}


def _offers(
    chance: random.Random,
    bazaar: Bazaar,
    problem: bytes,
    applications: list[Application],
    booths: dict[str, list[str]],
    played: Played,
    now: datetime,
    day: date,
) -> None:
    """Some offers are answered or lapse while others stay open; what is given back goes to the next in rotation, until
    nothing moves."""
    offered = [one for one in applications if one.state == "offered"]
    queue = sorted((one for one in applications if one.state == "queued"), key=lambda one: one.place or 0)
    played.queued = _named(queue)
    taken: set[tuple[str, str]] = set()
    turned: list[str] = []
    played.offered += [(one.vendor_id, one.offer.site_id, False) for one in offered if one.offer is not None]
    while offered:
        chance.shuffle(offered)
        answered = [offered.pop() for _ in range(chance.randint(1, len(offered)))]
        for application in answered:
            assert application.offer is not None
            person = played.people[application.vendor_id]
            behaviour = chance.random()
            if behaviour < person.declines:
                decline(application, bazaar, now)
                continue
            if behaviour < person.declines + person.lapses:
                lapse(application, bazaar)
                person.turns.append(now.date() + timedelta(days=1))
            else:
                confirm(application, bazaar, now)
                taken.add((application.offer.site_id, application.offer.booth))
                person.turns.append(day)
            turned.append(application.name_in_round)
            played.turned.add(application.vendor_id)
        held = taken | {(one.offer.site_id, one.offer.booth) for one in offered if one.offer is not None}
        free = {site: [booth for booth in numbers if (site, booth) not in held] for site, numbers in booths.items()}
        so_far = RoundSoFar(problem, [*turned, *(one.name_in_round for one in offered)])
        promotions = promote(bazaar, free, [], queue, so_far)
        _see(played, promotions, queue, offered)
        by_id = {one.application_id: one for one in queue}
        offered += [
            offer(
                by_id[one.application_id],
                bazaar,
                Offer(one.site_id, one.booth, now + timedelta(days=1), promoted=True),
            ).after
            for one in promotions
        ]
        promoted = {one.application_id for one in promotions}
        queue = [one for one in queue if one.application_id not in promoted]
    played.waiting = _named(queue)


def _see(
    played: Played, promotions: Sequence[Promotion], queue: Sequence[Application], open_offers: Sequence[Application]
) -> None:
    """Write down each promotion with what stood at its moment, counted apart from what decided it."""
    rw_of = {vendor_id: one.vendor.rw for vendor_id, one in played.people.items()}
    rw_turns = _rw_turns(played.people.values()) + Counter(rw_of[one.vendor_id] for one in open_offers)
    waiting = _named(queue)
    vendor_of = {one.application_id: one.vendor_id for one in queue}
    for promotion in promotions:
        vendor_id = vendor_of[promotion.application_id]
        del waiting[vendor_id]
        played.promoted.append(Promoted(vendor_id, promotion.site_id, rw_turns.copy(), waiting.copy()))
        played.offered.append((vendor_id, promotion.site_id, True))
        rw_turns[rw_of[vendor_id]] += 1


YEARS = settings(max_examples=15, deadline=None, derandomize=True)
SEEDS = st.integers(0, 2**48)


def assert_promise_kept(seed: int) -> None:
    """Fail when one is offered a booth before another who named its site and began to wait in an earlier round.

    When somebody began to wait is seen from the outside: the round of its last turn, else of its first application.
    """
    began: dict[UUID, float] = {}
    for number, played in enumerate(play(random.Random(seed), Policy())):
        for vendor_id in played.people:  # the first application is the one with which a vendor joins these years
            began.setdefault(vendor_id, number)
        for waiting, named in played.waiting.items():
            for offered, site, _ in played.offered:
                assert site not in named or began[offered] <= began[waiting]
        for vendor_id in played.turned:
            began[vendor_id] = number + 0.5


@YEARS
@given(SEEDS)
def test_nobody_is_offered_a_booth_before_one_who_named_its_site_and_began_to_wait_earlier(seed: int) -> None:
    assert_promise_kept(seed)


@YEARS
@given(SEEDS)
def test_who_keeps_applying_waits_no_more_rounds_than_others_stood_before_it(seed: int) -> None:
    """Each round without an offer, one who stood before it has had a turn at its sites, and stands behind it now."""
    before: dict[UUID, int] = {}
    waited: Counter[UUID] = Counter()
    longest = 0
    for played in play(random.Random(seed), Policy()):
        for vendor_id in played.applied - before.keys():
            since = played.waiting_since[vendor_id]
            before[vendor_id] = sum(other <= since for other in played.waiting_since.values()) - 1
        for vendor_id in played.waiting:
            waited[vendor_id] += 1
            longest = max(longest, waited[vendor_id])
            assert waited[vendor_id] <= before[vendor_id]
        for vendor_id, _, _ in played.offered:
            before.pop(vendor_id, None)
            waited.pop(vendor_id, None)
    assert longest > 1, "nobody waits in these years: they prove nothing"


RWS_IN_TURN = Policy(rotation=[Level(by="rw", measure="turns"), Level(by="vendor", measure="waiting_since")])


def assert_rws_in_turn(seed: int) -> None:
    """Fail when at the moment of an offer its RW had more turns than one that was left waiting for it (E2): by the
    round, and of booths given back.

    Turns are counted from the outside, over the years and within the round.
    """
    for played in play(random.Random(seed), RWS_IN_TURN):
        rw_of = {vendor_id: one.vendor.rw for vendor_id, one in played.people.items()}
        seated: Counter[str] = Counter()
        by_round = [(vendor_id, site) for vendor_id, site, promoted in played.offered if not promoted]
        all_seated = Counter(rw_of[vendor_id] for vendor_id, _ in by_round)
        for vendor_id, site in by_round:
            rw = rw_of[vendor_id]
            for waiting, named in played.queued.items():
                if site in named:
                    other = rw_of[waiting]
                    assert played.rw_turns[rw] + seated[rw] <= played.rw_turns[other] + all_seated[other]
            seated[rw] += 1
        for promoted in played.promoted:
            for waiting, named in promoted.waiting.items():
                if promoted.site in named:
                    turns = promoted.rw_turns
                    assert turns[rw_of[promoted.vendor_id]] <= turns[rw_of[waiting]], "promoted out of turn"


@YEARS
@given(SEEDS)
def test_no_rw_is_offered_a_booth_before_one_that_had_fewer_turns_and_waits_for_the_same_site(seed: int) -> None:
    assert_rws_in_turn(seed)


# -- awake: a rule that forgets is found out


@pytest.mark.parametrize("forgets", ["turns", "waiting"])
def test_a_ledger_that_forgets_breaks_the_promise(monkeypatch: pytest.MonkeyPatch, forgets: str) -> None:
    if forgets == "turns":  # a turn is not written down: who was served stays in front
        monkeypatch.setattr(Person, "waiting_since", property(lambda self: self.first_applied_on))
    else:  # every application starts the waiting anew
        chance = random.Random(1)
        monkeypatch.setattr(
            Person, "waiting_since", property(lambda _: date(2023, 1, 1) + timedelta(chance.randint(0, 999)))
        )

    def over_some_years() -> None:
        for seed in range(5):
            assert_promise_kept(seed)

    with pytest.raises(AssertionError):
        over_some_years()


def test_groups_whose_turns_are_forgotten_are_not_served_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys.modules[__name__],
        "standings",
        lambda ranked, ledger, standings=standings: {
            group: {value: one._replace(turns=0) for value, one in values.items()}
            for group, values in standings(ranked, ledger).items()
        },
    )

    def over_some_years() -> None:
        for seed in range(5):
            assert_rws_in_turn(seed)

    with pytest.raises(AssertionError):
        over_some_years()


@pytest.mark.parametrize("forgets", ["turns of groups", "this round"])
def test_promotions_that_forget_turns_break_the_turns_of_rws(monkeypatch: pytest.MonkeyPatch, forgets: str) -> None:
    rightly = promote

    def by_stored_places(bazaar: Bazaar, *rest: Any) -> list[Promotion]:
        return rightly(replace(bazaar, policy=Policy()), *rest)

    def by_the_freeze_alone(
        bazaar: Bazaar, free: Any, seated: Any, waiting: Any, so_far: RoundSoFar
    ) -> list[Promotion]:
        return rightly(bazaar, free, seated, waiting, so_far._replace(turned=[]))

    forgetful = {"turns of groups": by_stored_places, "this round": by_the_freeze_alone}[forgets]
    monkeypatch.setattr(sys.modules[__name__], "promote", forgetful)

    def over_some_years() -> None:
        for seed in range(5):
            assert_rws_in_turn(seed)

    with pytest.raises(AssertionError, match="promoted out of turn"):
        over_some_years()
