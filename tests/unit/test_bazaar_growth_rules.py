"""A bazaar grows: whatever is added and given back meanwhile, nobody who holds a booth is moved."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.bazaar.domain.application import Application
from services.bazaar.domain.bazaar import Bazaar, Booth, Site, answer_until
from services.bazaar.domain.growth import (
    DayNotAddable,
    Extensions,
    FurtherSite,
    GrowBazaar,
    TooManyBooths,
    grow,
    last_day_of,
    sites_named_by,
)
from services.bazaar.domain.rotation import promote
from tests.unit.bazaar import DAYS, a_bazaar, a_site, an_application

BEFORE = datetime(2023, 3, 14, 3, 0, tzinfo=UTC)
THIRD_DAY = date(2023, 3, 22)


def stands_of(*sites: Site) -> list[Booth]:
    return [
        Booth(site.site_id, f"A{number:02d}", "vendor", tent=(number + 1) // 2)
        for site in sites
        for number in range(1, site.booths + 1)
    ]


def further(site_id: str, booths: int = 1, *days: date) -> FurtherSite:
    return FurtherSite(site_id=site_id, days=list(days or DAYS[1:]), booths=booths)


def test_numbers_and_tents_go_on_behind_those_of_the_whole_venue() -> None:
    bazaar = a_bazaar(a_site("one", 3), state="allocated")
    booths = stands_of(*bazaar.sites)
    more = grow(bazaar, GrowBazaar(site_id="one", more_booths=2), booths, BEFORE)
    assert [(one.number, one.tent) for one in more.booths] == [("A04", 2), ("A05", 3)]
    then = grow(more.bazaar, GrowBazaar(site_id="one", further_site=further("two", 2)), [*booths, *more.booths], BEFORE)
    assert [(one.site_id, one.number, one.tent) for one in then.booths] == [("two", "A06", 4), ("two", "A07", 4)]
    assert (then.event.extends, then.event.booths, then.event.days) == ("one", 2, [DAYS[1]])
    assert (then.bazaar.version, then.bazaar.revision) == (bazaar.version + 2, bazaar.revision + 2)


def test_a_number_that_a_desk_has_is_left_out() -> None:
    bazaar = a_bazaar(a_site("one", 1), state="allocated")
    booths = [*stands_of(*bazaar.sites), Booth("one", "A02", "agency", holder="ppkukm")]
    grown = grow(bazaar, GrowBazaar(site_id="one", more_booths=1), booths, BEFORE)
    assert [one.number for one in grown.booths] == ["A03"]


def test_days_and_booths_have_limits_on_both_sides() -> None:
    bazaar = a_bazaar(a_site("one", 499), state="allocated")
    assert grow(bazaar, GrowBazaar(site_id="one", more_booths=1), [], BEFORE).site.booths == 500
    with pytest.raises(TooManyBooths):
        grow(bazaar, GrowBazaar(site_id="one", more_booths=2), [], BEFORE)
    add = GrowBazaar(site_id="one", more_days=[THIRD_DAY])
    the_eve = datetime(2023, 3, 21, 16, 59, tzinfo=UTC)
    assert grow(bazaar, add, [], the_eve).site.days == (*DAYS, THIRD_DAY)
    with pytest.raises(DayNotAddable):
        grow(bazaar, add, [], the_eve + timedelta(minutes=1))
    with pytest.raises(DayNotAddable):
        grow(bazaar, GrowBazaar(site_id="one", more_days=[DAYS[0] - timedelta(days=1)]), [], BEFORE)


def test_who_named_a_site_named_what_extends_it_just_behind_it() -> None:
    sites = (a_site("one"), a_site("two"), replace(a_site("more"), extends="one"))
    extensions = Extensions(sites)
    assert extensions.tiers([["one", "two"], ["x"]]) == [["one", "two"], ["more"], ["x"]]
    assert extensions.tiers([["more"], ["one"]]) == [["more"], ["one"]], "its own rank counts"
    assert list(extensions.named(("two", "one"))) == ["two", "one", "more"]
    assert sites_named_by(a_bazaar(*sites), ["more"]) == ["more", "one"]
    assert Extensions(sites[:2]).tiers([["one"], ["two"]]) == [["one"], ["two"]]


def test_the_turn_is_on_the_last_day_that_was_not_declined() -> None:
    site = a_site("one", days=(*DAYS, THIRD_DAY))
    assert last_day_of(site, []) == THIRD_DAY
    assert last_day_of(site, [THIRD_DAY]) == DAYS[1]


@dataclass
class Story:
    """A bazaar that grows while vendors answer: who holds which booth, who waits in which order."""

    bazaar: Bazaar
    booths: list[Booth]
    waiting: list[Application]
    held: dict[int, tuple[str, str]] = field(default_factory=dict)
    heard: Counter[int] = field(default_factory=Counter)

    def offer(self, now: datetime) -> None:
        """Offer every booth that is free and can be offered in time."""
        taken = set(self.held.values())
        in_time = {site.site_id for site in self.bazaar.sites if answer_until(self.bazaar, now, site) is not None}
        free: dict[str, list[str]] = {}
        for booth in self.booths:
            if (booth.site_id, booth.number) not in taken and booth.site_id in in_time:
                free.setdefault(booth.site_id, []).append(booth.number)
        for one in promote(self.bazaar, free, [], self.waiting):
            number = one.application_id.int - 1000
            assert number not in self.held
            assert (one.site_id, one.booth) not in self.held.values()
            self.held[number] = (one.site_id, one.booth)
            self.heard[number] += 1
        self.waiting = [one for one in self.waiting if one.application_id.int - 1000 not in self.held]
        taken = set(self.held.values())
        left = {(site_id, number) for site_id, numbers in free.items() for number in numbers} - taken
        assert not left or not self.waiting, "all of them named the first site, and so all that extend it"

    def add(self, command: GrowBazaar, now: datetime) -> None:
        grown = grow(self.bazaar, command, self.booths, now)
        assert not {(one.site_id, one.number) for one in grown.booths} & {
            (one.site_id, one.number) for one in self.booths
        }
        self.bazaar, self.booths = grown.bazaar, [*self.booths, *grown.booths]
        if grown.added_days:
            for number, (site_id, _) in self.held.items():
                self.heard[number] += site_id == grown.site.site_id


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("booths"), st.integers(0, 9), st.integers(1, 5)),
        st.tuples(st.just("site"), st.integers(0, 9), st.integers(1, 4)),
        st.tuples(st.just("day"), st.integers(0, 9), st.integers(0, 6)),
        st.tuples(st.just("decline"), st.integers(0, 99), st.just(0)),
        st.tuples(st.just("hours"), st.integers(1, 40), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(applicants=st.integers(0, 40), booths=st.integers(1, 8), acts=ACTS)
def test_growth_never_moves_renumbers_or_drops_who_holds_a_booth(
    applicants: int, booths: int, acts: list[tuple[str, int, int]]
) -> None:
    site = a_site("s0", booths)
    queue = [an_application(n, [["s0"]], state="queued", place=n) for n in range(1, applicants + 1)]
    story = Story(a_bazaar(site, state="allocated"), stands_of(site), queue)
    now = BEFORE
    story.offer(now)
    for act, which, more in acts:
        before, heard, size = dict(story.held), Counter(story.heard), len(story.booths)
        sites = story.bazaar.sites
        gone: int | None = None
        try:
            if act == "booths":
                story.add(GrowBazaar(site_id=sites[which % len(sites)].site_id, more_booths=more), now)
            elif act == "site":
                added = further(f"s{len(sites)}", more, DAYS[1])
                story.add(GrowBazaar(site_id=sites[which % len(sites)].site_id, further_site=added), now)
            elif act == "day":
                day = DAYS[0] + timedelta(days=more)
                story.add(GrowBazaar(site_id=sites[which % len(sites)].site_id, more_days=[day]), now)
            elif act == "decline" and story.held:
                gone = sorted(story.held)[which % len(story.held)]
                del story.held[gone]
            else:
                now += timedelta(hours=which)
        except DayNotAddable:
            pass
        story.offer(now)
        kept = {number: place for number, place in before.items() if number != gone}
        assert {number: story.held[number] for number in kept} == kept
        assert len(story.booths) >= size
        assert sum(site.booths for site in story.bazaar.sites) == len(story.booths)
        assert len(set(story.held.values())) == len(story.held)
        # who neither got a booth nor a day hears nothing
        touched = {number for number, times in story.heard.items() if times > heard[number]}
        new = story.held.keys() - before.keys()
        extended = {number for number in kept if act == "day"}
        assert new <= touched <= new | extended
        if act != "day":
            assert touched == new
