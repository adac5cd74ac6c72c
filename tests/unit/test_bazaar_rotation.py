"""Next in rotation: who is offered a booth that was given back."""

from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.bazaar.domain.application import Application
from services.bazaar.domain.bazaar import Bazaar, GroupCap, Policy, SeatLimit, Site
from services.bazaar.domain.rotation import Promotion, SeatedCount, promote
from tests.unit.bazaar import a_bazaar, a_site, an_application


def waiting(number: int, *choices: list[str], **groups: str) -> Application:
    """One who waits, at the place of its number."""
    return an_application(number, choices or [["one"]], state="queued", place=number, groups=groups)


def reserve(value: str, seats: int) -> SeatLimit:
    return SeatLimit(group="agency", value=value, seats=seats)


def who(promotions: list[Promotion]) -> list[tuple[int, str, str]]:
    """(number of the applicant, site, booth) of each promotion."""
    return [(one.application_id.int - 1000, one.site_id, one.booth) for one in promotions]


def test_the_first_in_the_queue_who_named_the_site_is_offered_its_booth() -> None:
    bazaar = a_bazaar(a_site("one"), a_site("two"))
    queue = [waiting(1, ["two"]), waiting(2, ["two"], ["one"]), waiting(3, ["one"])]
    assert who(promote(bazaar, {"one": ["A02"]}, [], queue)) == [(2, "one", "A02")]


def test_nobody_is_offered_a_booth_at_a_site_it_did_not_name() -> None:
    assert promote(a_bazaar(a_site("one"), a_site("two")), {"one": ["A02"]}, [], [waiting(1, ["two"])]) == []


def test_with_several_free_booths_each_gets_its_best() -> None:
    bazaar = a_bazaar(a_site("one"), a_site("two"))
    queue = [waiting(1, ["two"], ["one"]), waiting(2, ["two"], ["one"]), waiting(3, ["one"])]
    free = {"one": ["A01"], "two": ["A05"]}
    assert who(promote(bazaar, free, [], queue)) == [(1, "two", "A05"), (2, "one", "A01")]


def test_a_reserved_seat_goes_to_the_waiting_members_first() -> None:
    bazaar = a_bazaar(a_site("one", 3, reserves=(reserve("ppkukm", 2),)))
    queue = [waiting(1, agency="kpkp"), waiting(2, agency="ppkukm")]
    one_member_left = [SeatedCount("one", "agency", "ppkukm", 1)]
    assert who(promote(bazaar, {"one": ["A01"]}, one_member_left, queue)) == [(2, "one", "A01")]


def test_a_seat_beyond_the_reserve_goes_to_whoever_is_next() -> None:
    bazaar = a_bazaar(a_site("one", 3, reserves=(reserve("ppkukm", 2),)))
    queue = [waiting(1, agency="kpkp"), waiting(2, agency="ppkukm")]
    two_members_left = [SeatedCount("one", "agency", "ppkukm", 2)]
    assert who(promote(bazaar, {"one": ["A01"]}, two_members_left, queue)) == [(1, "one", "A01")]


def test_a_reserved_seat_that_no_member_wants_does_not_stay_empty() -> None:
    bazaar = a_bazaar(a_site("one", 3, reserves=(reserve("ppkukm", 2),)))
    assert who(promote(bazaar, {"one": ["A01"]}, [], [waiting(1, agency="kpkp")])) == [(1, "one", "A01")]


def test_members_of_another_sites_reserve_have_no_precedence() -> None:
    bazaar = a_bazaar(a_site("one"), a_site("two", 2, reserves=(reserve("ppkukm", 2),)))
    queue = [waiting(1, agency="kpkp"), waiting(2, ["one"], ["two"], agency="ppkukm")]
    assert who(promote(bazaar, {"one": ["A01"]}, [], queue)) == [(1, "one", "A01")]


def test_a_cap_of_the_site_passes_over_whom_it_stops() -> None:
    cap = SeatLimit(group="category", value="food-drink", seats=1)
    bazaar = a_bazaar(a_site("one", 3, caps=(cap,)))
    queue = [waiting(1, category="food-drink"), waiting(2, category="health")]
    met = [SeatedCount("one", "category", "food-drink", 1)]
    assert who(promote(bazaar, {"one": ["A01"]}, met, queue)) == [(2, "one", "A01")]
    assert who(promote(bazaar, {"one": ["A01"]}, [], queue)) == [(1, "one", "A01")]


def test_a_cap_counts_those_promoted_together() -> None:
    cap = SeatLimit(group="category", value="food-drink", seats=1)
    bazaar = a_bazaar(a_site("one", 3, caps=(cap,)))
    queue = [waiting(1, category="food-drink"), waiting(2, category="food-drink"), waiting(3, category="health")]
    assert who(promote(bazaar, {"one": ["A01", "A02"]}, [], queue)) == [(1, "one", "A01"), (3, "one", "A02")]


def test_a_cap_of_the_whole_bazaar_counts_every_site() -> None:
    policy = Policy(caps=[GroupCap(group="rw", seats_each=1)])
    bazaar = a_bazaar(a_site("one"), a_site("two"), policy=policy)
    queue = [waiting(1, rw="k.001"), waiting(2, rw="k.002"), waiting(3)]
    had_its_seat = [SeatedCount("two", "rw", "k.001", 1)]
    assert who(promote(bazaar, {"one": ["A01"]}, had_its_seat, queue)) == [(2, "one", "A01")]
    assert who(promote(bazaar, {"one": ["A01", "A02"]}, had_its_seat, queue)) == [(2, "one", "A01"), (3, "one", "A02")]


# ---- any bazaar, any queue

SITES = ("one", "two", "three")
VALUES = ("ppkukm", "kpkp", "sosial")


@st.composite
def situations(draw: st.DrawFn) -> tuple[Bazaar, dict[str, list[str]], list[SeatedCount], list[Application]]:
    """A bazaar after some were seated, with booths given back and a queue."""
    sites: list[Site] = []
    free: dict[str, list[str]] = {}
    seated: list[SeatedCount] = []
    for site_id in SITES:
        booths = draw(st.integers(1, 4))
        taken = draw(st.lists(st.sampled_from(VALUES), max_size=booths))
        value = draw(st.sampled_from(VALUES))
        limits = (SeatLimit(group="agency", value=value, seats=draw(st.integers(0, booths))),)
        kind = draw(st.sampled_from(["reserves", "caps", "none"]))
        sites.append(a_site(site_id, booths, **({} if kind == "none" else {kind: limits})))
        seated += [SeatedCount(site_id, "agency", one, count) for one, count in Counter(taken).items()]
        free[site_id] = [f"A{number:02d}" for number in range(len(taken) + 1, booths + 1)]
    caps = [GroupCap(group="agency", seats_each=draw(st.integers(0, 6)))] if draw(st.booleans()) else []
    queue = [
        waiting(
            number,
            *[[site_id] for site_id in draw(st.permutations(SITES))[: draw(st.integers(1, 3))]],
            agency=draw(st.sampled_from(VALUES)),
        )
        for number in range(1, draw(st.integers(0, 8)) + 1)
    ]
    return a_bazaar(*sites, policy=Policy(caps=caps)), free, seated, queue


@given(situations())
def test_limits_hold_and_no_booth_stays_free_for_one_who_may_have_it(
    situation: tuple[Bazaar, dict[str, list[str]], list[SeatedCount], list[Application]],
) -> None:
    bazaar, free, seated, queue = situation

    promotions = promote(bazaar, free, seated, queue)

    by_id = {application.application_id: application for application in queue}
    booths = [(one.site_id, one.booth) for one in promotions]
    assert len(set(booths)) == len(booths)
    assert all(booth in free[site_id] for site_id, booth in booths)
    assert len({one.application_id for one in promotions}) == len(promotions)
    assert all(one.site_id in by_id[one.application_id].site_ids for one in promotions)
    before = Counter({(one.site_id, one.value): one.seats for one in seated})
    after = before + Counter((one.site_id, by_id[one.application_id].groups["agency"]) for one in promotions)
    promoted = {one.application_id for one in promotions}

    def allowed(site: Site, value: str, counts: Counter[tuple[str, str]]) -> bool:
        in_round = sum(counts[site_id, value] for site_id in SITES)
        return all(in_round < cap.seats_each for cap in bazaar.policy.caps) and all(
            cap.value != value or counts[site.site_id, value] < cap.seats for cap in site.caps
        )

    for value in {by_id[application_id].groups["agency"] for application_id in promoted}:
        in_round = sum(after[site_id, value] for site_id in SITES)
        assert all(in_round <= cap.seats_each for cap in bazaar.policy.caps)
    for site in bazaar.sites:
        gained = {value for value in VALUES if after[site.site_id, value] > before[site.site_id, value]}
        assert all(cap.value not in gained or after[site.site_id, cap.value] <= cap.seats for cap in site.caps)
        left = len(free[site.site_id]) - sum(one.site_id == site.site_id for one in promotions)
        for application in queue:
            if left and application.application_id not in promoted and site.site_id in application.site_ids:
                assert not allowed(site, application.groups["agency"], after)


@given(situations())
def test_a_single_booth_goes_to_the_first_it_may_go_to(
    situation: tuple[Bazaar, dict[str, list[str]], list[SeatedCount], list[Application]],
) -> None:
    bazaar, free, seated, queue = situation
    site = bazaar.sites[0]
    if not free[site.site_id]:
        return
    alone = {site.site_id: free[site.site_id][:1]}
    possible = [one for one in queue if promote(bazaar, alone, seated, [one])]
    counts = Counter({one.value: one.seats for one in seated if one.site_id == site.site_id})
    short = {one.value for one in site.reserves if counts[one.value] < one.seats}
    ranked = sorted(possible, key=lambda one: (one.groups["agency"] not in short, one.place))

    promotions = promote(bazaar, alone, seated, queue)

    expected: list[UUID] = [one.application_id for one in ranked[:1]]
    assert [one.application_id for one in promotions] == expected
