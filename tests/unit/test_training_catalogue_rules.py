"""Rules of the catalogue: what a course needs before it, and who may be asked to give it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise, permutations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.training.domain import courses, providers
from services.training.domain.agreements import Agreement, last_day
from services.training.domain.courses import (
    Course,
    CourseNeeded,
    DescribeCourse,
    FieldUnknown,
    PrerequisiteCycle,
    PrerequisiteUnknown,
    ProvinceOnly,
    find_cycle,
)
from services.training.domain.providers import Contact, DescribeProvider, PartnerUnknown, Provider
from shared.ids import new_id

TODAY = date(2023, 3, 1)
FIELDS = ["export", "kuliner"]


def course(code: str, *prerequisites: str, state: courses.CourseState = "listed", version: int = 1) -> Course:
    return Course(code, code, code, "basic", "export", 2, prerequisites, 20, state, version)


def wish(*prerequisites: str, field: str = "export") -> DescribeCourse:
    return DescribeCourse(
        name_id="A", name_en="A", level="basic", field=field, sessions=2, prerequisites=list(prerequisites)
    )


def catalogue(*known: Course) -> Mapping[str, Course]:
    return {one.course: one for one in known}


# --- prerequisites


def test_a_course_that_would_need_itself_is_refused_and_the_way_round_is_named() -> None:
    known = catalogue(course("a"), course("b", "a"), course("c", "b"))
    with pytest.raises(PrerequisiteCycle) as refused:
        courses.list_course("a", wish("c"), known["a"], known, FIELDS)
    assert refused.value.details["cycle"] == ["a", "c", "b", "a"]
    assert "a needs c needs b needs a" in refused.value.message
    with pytest.raises(PrerequisiteCycle) as refused:
        courses.list_course("a", wish("a"), known["a"], known, FIELDS)
    assert refused.value.details["cycle"] == ["a", "a"]


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef"), max_size=4), max_size=6))
def test_a_cycle_is_found_just_where_there_is_one(needs: dict[str, set[str]]) -> None:
    graph = {code: sorted(before) for code, before in needs.items()}
    for start in "abcdef":
        cycle = find_cycle(start, graph)
        if cycle:
            assert cycle[0] == cycle[-1] == start
            assert all(after in graph[before] for before, after in pairwise(cycle))
        else:
            assert not any(
                all(after in graph.get(before, []) for before, after in zip(way, (*way[1:], start), strict=True))
                for length in range(1, 7)
                for way in permutations("abcdef", length)
                if way[0] == start
            )


def test_what_a_course_needs_is_in_the_catalogue_and_listed() -> None:
    known = catalogue(course("a"), course("old", state="withdrawn"))
    for unknown in ("nowhere", "old"):
        with pytest.raises(PrerequisiteUnknown) as refused:
            courses.list_course("b", wish("a", unknown), None, known, FIELDS)
        assert refused.value.details["unknown"] == [unknown]
    with pytest.raises(FieldUnknown):
        courses.list_course("b", wish(field="dancing"), None, known, FIELDS)


def test_a_course_others_need_is_not_withdrawn_and_a_withdrawn_one_is_listed_again() -> None:
    known = catalogue(course("a"), course("b", "a"))
    with pytest.raises(CourseNeeded):
        courses.withdraw_course(known["a"], known)
    withdrawn = courses.withdraw_course(known["a"], catalogue(known["a"], replace(known["b"], state="withdrawn")))
    assert withdrawn is not None
    gone, event = withdrawn
    assert (gone.state, gone.version, event.course) == ("withdrawn", 2, "a")
    assert courses.withdraw_course(gone, known) is None
    back, _ = courses.list_course("a", wish(), gone, known, FIELDS)
    assert (back.state, back.version) == ("listed", 3)


def test_requests_are_counted_in_the_kecamatan_or_in_the_province() -> None:
    assert course("a").area_of("31.71.02.1002") == "31.71.02"
    assert replace(course("a"), level="advanced").area_of("31.71.02.1002") == "31"


def test_the_catalogue_is_kept_by_the_province() -> None:
    courses.require_province("31")
    for area in (None, "31.71", "31.71.02"):
        with pytest.raises(ProvinceOnly):
            courses.require_province(area)


# --- agreements


def agreement(partner_id: UUID, area: str = "31", first: int = -10, last: int = 10) -> Agreement:
    return Agreement(new_id(), partner_id, area, TODAY + timedelta(days=first), TODAY + timedelta(days=last))


def test_an_agreement_holds_on_its_days_in_its_area_and_not_from_the_day_it_was_ended_on() -> None:
    one = agreement(new_id(), "31.71", 0, 5)
    days = [TODAY + timedelta(days=offset) for offset in range(-1, 7)]
    assert [one.holds("31.71.02", day) for day in days] == [False, *[True] * 6, False]
    assert not one.holds("31", TODAY)
    assert not one.holds("31.74", TODAY)
    ended = replace(one, ended_on=TODAY + timedelta(days=2), lapsed=False)
    assert [ended.holds("31.71", day) for day in days] == [False, True, True, *[False] * 5]
    assert replace(one, ended_on=one.valid_until, lapsed=True).last_day == one.valid_until
    before_it_began = replace(one, ended_on=TODAY - timedelta(days=3), lapsed=False)
    assert not any(before_it_began.holds("31.71", day) for day in days)
    assert last_day([before_it_began], "31.71") is None
    assert last_day([one, ended], "31.71.02.1002") == one.valid_until
    assert last_day([one], "31.74") is None


# --- who is asked for a class


def provider(
    area: str = "31", *, fields: tuple[str, ...] = ("export",), partner_id: UUID | None = None, listed: bool = True
) -> Provider:
    state: providers.ProviderState = "listed" if listed else "withdrawn"
    kind: providers.ProviderKind = "agency" if partner_id is None else "university"
    return Provider(new_id(), "P", kind, fields, area, partner_id, None, None, "id", state, 1, 1)


PARTNERS = [UUID(int=1), UUID(int=2)]
AREAS = ["31", "31.71", "31.71.02", "31.71.01", "31.74"]
some_providers = st.lists(
    st.tuples(
        st.builds(
            provider,
            st.sampled_from(AREAS),
            fields=st.sampled_from([("export",), ("kuliner",), ("export", "kuliner")]),
            partner_id=st.sampled_from([None, *PARTNERS]),
            listed=st.booleans(),
        ),
        st.integers(0, 3),
    ),
    max_size=8,
)
some_agreements = st.lists(
    st.builds(agreement, st.sampled_from(PARTNERS), st.sampled_from(AREAS), st.integers(-3, 1), st.integers(-1, 3)),
    max_size=5,
)


@given(some_providers, some_agreements, st.sampled_from(AREAS))
def test_who_is_asked_is_fit_and_nobody_fit_has_fewer_classes_or_as_many_and_is_nearer(
    known: list[tuple[Provider, int]], agreements: list[Agreement], area: str
) -> None:
    def fits(one: Provider) -> bool:
        inside = area == one.area or area.startswith(one.area + ".")
        held = one.partner_id is None or any(
            agreed.partner_id == one.partner_id
            and (area == agreed.area or area.startswith(agreed.area + "."))
            and agreed.valid_from <= TODAY <= agreed.valid_until
            for agreed in agreements
        )
        return one.state == "listed" and "export" in one.fields and inside and held

    candidates = providers.rank(known, agreements, field="export", area=area, today=TODAY)
    chosen = providers.choose(candidates)
    fit = [(under_way, -len(one.area), one.provider_id) for one, under_way in known if fits(one)]
    assert (chosen is None) == (not fit)
    if chosen is not None:
        under_way = {one.provider_id: count for one, count in known}[chosen.provider_id]
        assert (under_way, -len(chosen.area), chosen.provider_id) == min(fit)
    # everybody is listed, and whoever is not fit is told why
    assert {one.provider.provider_id for one in candidates} == {one.provider_id for one, _ in known}
    assert all(fits(one.provider) == (not one.because) for one in candidates)


def test_only_agencies_give_classes_without_a_partner() -> None:
    entry = {"name": "Universitas", "kind": "university", "fields": ["export"], "area": "31"}
    with pytest.raises(ValidationError, match="partner_id is missing"):
        DescribeProvider.model_validate(entry)
    command = DescribeProvider.model_validate({**entry, "partner_id": str(new_id())})
    with pytest.raises(PartnerUnknown):
        providers.describe(new_id(), command, None, [], FIELDS)
    agency = DescribeProvider.model_validate({**entry, "kind": "agency"})
    entered, event = providers.describe(new_id(), agency, None, [], FIELDS)
    assert event is not None
    assert (entered.version, event.valid_until) == (1, None)


def test_nothing_is_told_twice_of_a_provider() -> None:
    partner_id = new_id()
    entry = {"name": "A", "kind": "chamber", "fields": ["export"], "area": "31", "partner_id": str(partner_id)}
    first = agreement(partner_id)
    entered, _ = providers.describe(new_id(), DescribeProvider.model_validate(entry), None, [first], FIELDS)
    assert entered.valid_until == first.valid_until
    same, event = providers.describe(
        entered.provider_id, DescribeProvider.model_validate({**entry, "name": "B"}), entered, [first], FIELDS
    )
    assert (event, same.name, same.version) == (None, "B", 1)
    assert providers.follow_agreements(same, [first]) is None
    longer = agreement(partner_id, last=400)
    followed = providers.follow_agreements(same, [first, longer])
    assert followed is not None
    assert (followed[0].version, followed[1].valid_until) == (2, longer.valid_until)


def test_a_card_is_written_where_it_says_something_new() -> None:
    contact = Contact("+6281234567890", None)
    before = provider()
    _, none = providers.write_card(before, contact, before, contact)
    assert none is None
    for after, other in ((replace(before, name="Q"), contact), (before, Contact(None, "a@b.id"))):
        written, card = providers.write_card(after, other, before, contact)
        assert card is not None
        assert (card.name, card.phone, card.email) == (after.name, other.phone, other.email)
        assert written.card_version == before.card_version + 1
