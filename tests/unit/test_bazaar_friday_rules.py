"""Product groups in turn: whatever is cancelled or moved, and whenever, each group once in every n that are held."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.bazaar.domain.bazaar import BazaarState
from services.bazaar.domain.fridays import (
    CategoryInNoGroup,
    EarlierPlanned,
    GroupName,
    Occurrence,
    ProductGroup,
    Rotation,
    SetGroups,
    TurnNotSettled,
    admitting,
    ahead,
    group_of_turn,
    in_words,
    next_of,
    require_category,
    set_groups,
    take_turn,
)
from services.bazaar.domain.policy import Admission, Policy
from shared.errors import Refused

FRIDAY = date(2021, 9, 17)
FOUR = ("food-drink", "fashion-craft", "meals-household", "health")


def groups(*codes: str) -> list[ProductGroup]:
    """Groups of one category each."""
    return [ProductGroup(code=code, name=GroupName(id=code, en=code), categories=[code]) for code in codes]


def occurrence(week: int, state: BazaarState = "tentative", turn: int | None = None) -> Occurrence:
    """The occurrence of this week after the first Friday."""
    return Occurrence(UUID(int=week), f"JBL {week}", [FRIDAY + timedelta(weeks=week)], state, turn)


@dataclass
class Season:
    """A series as officers work on it, day by day, with its refusals."""

    rotations: list[Rotation]
    today: date = FRIDAY - timedelta(days=10)
    occurrences: dict[int, Occurrence] = field(default_factory=dict)
    held: list[tuple[date, int]] = field(default_factory=list)
    promised: dict[int, str] = field(default_factory=dict)

    def act(self, step: str, week: int, days: int) -> None:
        """One step; what the rules refuse does not happen."""
        one = self.occurrences.get(week)
        if step == "plan" and one is None:
            self.occurrences[week] = occurrence(week)
        elif step == "wait":
            self.today += timedelta(days=days)
        elif step == "groups":
            command = SetGroups(groups=groups(*FOUR[: 1 + days % 4], "new")[: 1 + week % 5])
            changed = set_groups(command, self.rotations, list(self.occurrences.values()))
            self.rotations = [kept for kept in self.rotations if kept.from_turn < changed.from_turn] + [changed]
        elif one is not None:
            self._work_on(step, week, one, days)

    def _work_on(self, step: str, week: int, one: Occurrence, days: int) -> None:
        if step == "announce" and one.state == "tentative" and self.today < one.days[0]:
            try:
                turn, group = take_turn(
                    one.bazaar_id, one.days[0], self.rotations, list(self.occurrences.values()), self.today
                )
            except Refused:
                return
            self.occurrences[week] = one._replace(state="announced", turn=turn)
            self.promised[week] = group.code
        elif step == "cancel" and one.state in ("tentative", "announced"):
            self.occurrences[week] = one._replace(state="cancelled")
        elif step == "hold" and one.state == "announced" and self.today > one.days[-1]:
            self.occurrences[week] = one._replace(state="finished")
            assert one.turn is not None
            self.held.append((one.days[0], week))
        elif step == "move" and one.state in ("tentative", "announced") and self.today < one.days[0]:
            self.occurrences[week] = one._replace(days=[self.today + timedelta(days=1 + days)])


STEPS = st.tuples(
    st.sampled_from(["plan", "announce", "announce", "hold", "hold", "cancel", "move", "wait", "wait"]),
    st.integers(0, 15),
    st.integers(0, 20),
)


@given(st.integers(1, 5), st.lists(STEPS, max_size=150))
@settings(deadline=None, max_examples=300)
def test_of_any_n_held_in_a_row_each_group_has_one_whatever_is_cancelled_or_moved(
    number: int, steps: list[tuple[str, int, int]]
) -> None:
    season = Season([Rotation(0, groups(*FOUR, "fifth")[:number])])
    for step in steps:
        season.act(*step)
    held = [season.promised[week] for _, week in season.held]
    assert season.held == sorted(season.held, key=lambda one: one[0])
    for start in range(len(held) - number + 1):
        assert len(set(held[start : start + number])) == number


def busy_weeks(number: int) -> st.SearchStrategy[list[tuple[str, int, int]]]:
    """Week by week: planned, announced, and then held, cancelled before, or cancelled on the very day."""
    fates = st.lists(st.sampled_from(["held", "early", "late", "moved"]), min_size=number, max_size=number)

    def steps(chosen: list[str]) -> list[tuple[str, int, int]]:
        done: list[tuple[str, int, int]] = [("plan", week, 0) for week in range(number)]
        done.append(("wait", 0, 8))
        for week, fate in enumerate(chosen):
            if fate == "early":
                done.append(("cancel", week, 0))
            done.append(("announce", week, 0))
            if fate == "moved":
                done.append(("move", week, 3))
            done.append(("wait", 0, 2))
            if fate == "late":
                done.append(("cancel", week, 0))
            done += [("wait", 0, 5), ("hold", week, 0)]
        return done

    return fates.map(steps)


@given(busy_weeks(16))
@settings(deadline=None, max_examples=100)
def test_a_cancelled_friday_shifts_the_turn_and_skips_no_group(steps: list[tuple[str, int, int]]) -> None:
    season = Season([Rotation(0, groups(*FOUR))])
    for step in steps:
        season.act(*step)
    held = [season.promised[week] for _, week in season.held]
    assert held == [FOUR[turn % 4] for turn in range(len(held))]
    # awake: weeks went by in which something was really held
    assert len(held) >= sum(step[0] == "plan" for step in steps) - sum(step[0] == "cancel" for step in steps)


@given(st.lists(st.one_of(STEPS, st.tuples(st.just("groups"), st.integers(0, 9), st.integers(0, 9))), max_size=150))
@settings(deadline=None, max_examples=300)
def test_groups_that_change_do_so_when_all_have_gone_round(steps: list[tuple[str, int, int]]) -> None:
    season = Season([Rotation(0, groups(*FOUR))])
    for step in steps:
        season.act(*step)
    ends = [*(one.from_turn for one in season.rotations[1:]), 10**6]
    for rotation, end in zip(season.rotations, ends, strict=True):
        size = len(rotation.groups)
        assert end == 10**6 or (end - rotation.from_turn) % size == 0
        mine = [
            season.promised[week]
            for _, week in season.held
            if rotation.from_turn <= (season.occurrences[week].turn or 0) < end
        ]
        for start in range(len(mine) - size + 1):
            assert len(set(mine[start : start + size])) == size
    # what was announced keeps its group, whatever changed afterwards
    for week, code in season.promised.items():
        turn = season.occurrences[week].turn
        if season.occurrences[week].state != "cancelled" and turn is not None:
            assert group_of_turn(season.rotations, turn).code == code


@pytest.mark.parametrize(("turns", "from_turn"), [(0, 0), (1, 4), (3, 4), (4, 4), (5, 8), (8, 8)])
def test_new_groups_wait_until_those_before_have_gone_round(turns: int, from_turn: int) -> None:
    known = [occurrence(week, "finished", week) for week in range(turns)]
    changed = set_groups(SetGroups(groups=groups(*FOUR, "fifth")), [Rotation(0, groups(*FOUR))], known)
    assert changed.from_turn == from_turn


def test_the_next_is_not_announced_before_the_last_is_settled() -> None:
    rotations = [Rotation(0, groups(*FOUR))]
    known = [occurrence(0, "allocated", 0), occurrence(1)]
    with pytest.raises(TurnNotSettled) as refused:
        take_turn(UUID(int=1), known[1].days[0], rotations, known, FRIDAY + timedelta(days=1))
    assert "JBL 0" in refused.value.message
    held, cancelled = occurrence(0, "finished", 0), occurrence(0, "cancelled", 0)
    turn, group = take_turn(UUID(int=1), known[1].days[0], rotations, [held, known[1]], FRIDAY)
    assert (turn, group.code) == (1, "fashion-craft")
    turn, group = take_turn(UUID(int=1), known[1].days[0], rotations, [cancelled, known[1]], FRIDAY)
    assert (turn, group.code) == (0, "food-drink")


def test_an_earlier_day_is_announced_or_cancelled_first() -> None:
    rotations = [Rotation(0, groups(*FOUR))]
    known = [occurrence(0), occurrence(1)]
    with pytest.raises(EarlierPlanned):
        take_turn(UUID(int=1), known[1].days[0], rotations, known, FRIDAY)
    # one that nobody held nor cancelled in time blocks nothing once its day is over
    assert take_turn(UUID(int=1), known[1].days[0], rotations, known, FRIDAY + timedelta(days=1))[0] == 0


def test_when_is_my_group_next_is_told_with_the_day_and_how_sure_it_is() -> None:
    rotations = [Rotation(0, groups(*FOUR))]
    known = [occurrence(0, "finished", 0), occurrence(1, "announced", 1), *map(occurrence, range(2, 5))]
    coming = ahead(rotations, known, FRIDAY + timedelta(days=2))
    assert [(one.group.code, one.fixed) for one in coming] == [
        ("fashion-craft", True),
        ("meals-household", False),
        ("health", False),
        ("food-drink", False),
    ]
    words = in_words(require_category("health", rotations), next_of("health", coming))
    assert words.id.startswith("Giliran kelompok health berikutnya: Jumat, 8 Oktober 2021.")
    assert "Friday, 8 October 2021" in words.en
    assert "still a plan" in words.en
    sure = in_words(require_category("fashion-craft", rotations), next_of("fashion-craft", coming))
    assert "rencana" not in sure.id
    # the announced one is cancelled: everyone behind it moves on by a week
    known[1] = known[1]._replace(state="cancelled")
    shifted = ahead(rotations, known, FRIDAY + timedelta(days=2))
    assert [one.group.code for one in shifted] == ["fashion-craft", "meals-household", "health"]
    assert "belum dijadwalkan" in in_words(require_category("food-drink", rotations), None).id
    with pytest.raises(CategoryInNoGroup):
        require_category("books", rotations)


def test_a_fixed_group_admits_its_categories_and_leaves_other_conditions() -> None:
    area = Admission(group="area", values=["31"])
    policy = Policy(admits=[Admission(group="category", values=["health"]), area])
    after = admitting(policy, groups("food-drink")[0])
    assert after.admits == [area, Admission(group="category", values=["food-drink"])]
    assert after.training_required


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ([], "at least 1"),
        ([("a", ["x"]), ("a", ["y"])], "same code"),
        ([("a", ["x"]), ("b", ["x"])], "x is named twice"),
        ([("a", [])], "at least 1"),
    ],
)
def test_groups_that_are_not_clear_are_refused(bad: list[tuple[str, list[str]]], told: str) -> None:
    body = {"groups": [{"code": code, "name": {"id": "n", "en": "n"}, "categories": held} for code, held in bad]}
    with pytest.raises(ValidationError, match=told):
        SetGroups.model_validate(body)
