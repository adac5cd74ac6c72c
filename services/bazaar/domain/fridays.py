"""Product groups that take turns in a series: Jumat Beli Lokal, where each Friday belongs to one group (DOMAIN D3, D4).

The turns of a series are numbered from 0, and turn k belongs to the k-th group, round and round. An occurrence gets its
turn when it is announced, and keeps it; one that is cancelled gives it back, to the next that is announced. Only one
occurrence at a time has a turn and is not settled (held or cancelled): so turns are held in their order, and of any n
that are held in a row each of n groups has exactly one, whatever is cancelled or moved, and whenever. No announced
Friday ever changes its group.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated, NamedTuple, Self
from uuid import UUID

from pydantic import Field, model_validator

from services.bazaar.domain.bazaar import BazaarState
from services.bazaar.domain.policy import Admission, Policy
from services.bazaar.domain.values import Exact, Label
from shared.errors import NotFound, Refused
from shared.events.values import CategoryCode
from shared.wording import CATEGORY_NAMES, Words, day_in_words

GROUPS_MAX = 20
SETTLED = ("finished", "cancelled")


class GroupsUnknown(NotFound):
    """No product groups take turns in this series."""

    code = "groups-unknown"


class TurnNotSettled(Refused):
    """Whether the turn before is held or cancelled decides whose turn comes next."""

    code = "turn-not-settled"


class EarlierPlanned(Refused):
    """An earlier day of the series is planned and would lose its turn without anybody having said so."""

    code = "earlier-planned"


class CategoryInNoGroup(NotFound):
    """None of the groups of the series sells this."""

    code = "category-in-no-group"


class GroupName(Exact):
    """What a group is called."""

    id: Label
    en: Label


class ProductGroup(Exact):
    """Vendors of these categories take their turns together."""

    code: CategoryCode
    name: GroupName
    categories: list[CategoryCode] = Field(min_length=1, max_length=50)


class SetGroups(Exact):
    """Command: the groups of a series, in the order of their turns."""

    groups: Annotated[list[ProductGroup], Field(min_length=1, max_length=GROUPS_MAX)]

    @model_validator(mode="after")
    def _name_each_once(self) -> Self:
        if len({group.code for group in self.groups}) < len(self.groups):
            raise ValueError("two groups have the same code")
        times = Counter(category for group in self.groups for category in group.categories)
        twice = [category for category, number in times.items() if number > 1]
        if twice:
            raise ValueError(f"{twice[0]} is named twice: a category belongs to one group, once")
        return self


class Rotation(NamedTuple):
    """The groups that take turns from this turn on."""

    from_turn: int
    groups: Sequence[ProductGroup]


class Occurrence(NamedTuple):
    """A bazaar of the series that is no draft; `turn` is what it was announced with, also when it was cancelled."""

    bazaar_id: UUID
    name: str
    days: Sequence[date]
    state: BazaarState
    turn: int | None = None


class Coming(NamedTuple):
    """An occurrence ahead and its turn. `fixed`: it is announced; else it moves on when one before is cancelled."""

    occurrence: Occurrence
    turn: int
    group: ProductGroup
    fixed: bool


def group_of_turn(rotations: Sequence[Rotation], turn: int) -> ProductGroup:
    """Whose turn this is. `rotations` are in the order of their turns, the first from turn 0 on."""
    rotation = [one for one in rotations if one.from_turn <= turn][-1]
    return rotation.groups[(turn - rotation.from_turn) % len(rotation.groups)]


def next_turn(occurrences: Iterable[Occurrence]) -> int:
    """The first turn that nobody has: every occurrence that was announced and not cancelled has one."""
    return sum(one.turn is not None and one.state != "cancelled" for one in occurrences)


def set_groups(command: SetGroups, rotations: Sequence[Rotation], occurrences: Sequence[Occurrence]) -> Rotation:
    """Groups from now on; where others are taking turns, when they have gone round, so that none of them is left out.

    A list that no turn was taken from is replaced.
    """
    if not rotations:
        return Rotation(0, command.groups)
    last, turn = rotations[-1], next_turn(occurrences)
    begun = max(0, turn - last.from_turn)
    rounds = -(-begun // len(last.groups))
    return Rotation(last.from_turn + rounds * len(last.groups), command.groups)


def take_turn(
    bazaar_id: UUID, first_day: date, rotations: Sequence[Rotation], occurrences: Sequence[Occurrence], today: date
) -> tuple[int, ProductGroup]:
    """The turn of an occurrence that is being announced, and whose it is."""
    others = [one for one in occurrences if one.bazaar_id != bazaar_id]
    for one in others:
        if one.turn is not None and one.state not in SETTLED:
            raise TurnNotSettled(
                f"{one.name} on {one.days[0].isoformat()} has the turn before and is not settled. Finish it, or cancel "
                "it, and then announce this one: which group comes next depends on it.",
                bazaar_id=str(one.bazaar_id),
                days=[day.isoformat() for day in one.days],
            )
        if one.state == "tentative" and today <= one.days[0] < first_day:
            raise EarlierPlanned(
                f"{one.name} is planned for {one.days[0].isoformat()}, before this one. Announce it first, or cancel "
                "it.",
                bazaar_id=str(one.bazaar_id),
                days=[day.isoformat() for day in one.days],
            )
    turn = next_turn(others)
    return turn, group_of_turn(rotations, turn)


def admitting(policy: Policy, group: ProductGroup) -> Policy:
    """The policy, for vendors of this group only (DOMAIN D3); whom else it admits or not stays."""
    others = [admission for admission in policy.admits if admission.group != "category"]
    return policy.model_copy(update={"admits": [*others, Admission(group="category", values=sorted(group.categories))]})


def ahead(rotations: Sequence[Rotation], occurrences: Sequence[Occurrence], today: date) -> list[Coming]:
    """What lies ahead, in the order of the days: the one that is announced, then those planned, as things stand."""
    coming = [one for one in occurrences if one.days[-1] >= today and one.state not in SETTLED]
    turn = next_turn(occurrences)
    found = []
    for one in sorted(coming, key=lambda one: (one.days[0], one.bazaar_id)):
        if one.turn is not None:
            found.append(Coming(one, one.turn, group_of_turn(rotations, one.turn), fixed=True))
        elif one.state == "tentative":
            found.append(Coming(one, turn, group_of_turn(rotations, turn), fixed=False))
            turn += 1
    return found


def next_of(category: str, coming: Sequence[Coming]) -> Coming | None:
    """When it is this category's turn again; None when no occurrence so far ahead is planned."""
    return next((one for one in coming if category in one.group.categories), None)


def require_category(category: str, rotations: Sequence[Rotation]) -> ProductGroup:
    """The group that the category belongs to, as the newest list has it."""
    for group in rotations[-1].groups:
        if category in group.categories:
            return group
    raise CategoryInNoGroup(
        f"No group of this series sells {category}.",
        category=category,
        categories=[one for group in rotations[-1].groups for one in group.categories],
    )


def no_category() -> Words:
    """To a vendor that has not said what it sells."""
    return Words(
        "Kategori produk Anda belum tercatat. Catat kategori Anda di kelurahan, lalu tanyakan lagi.",
        "What you sell is not recorded yet. Have your category recorded at your kelurahan, then ask again.",
    )


def category_in_no_group(category: str) -> Words:
    """To a vendor of a category that takes no turns here."""
    name = CATEGORY_NAMES.get(category, Words(category, category))
    return Words(
        f"Kategori Anda, {name.id}, tidak termasuk kelompok yang bergiliran di sini.",
        f"Your category, {name.en}, is in none of the groups that take turns here.",
    )


def in_words(group: ProductGroup, next_one: Coming | None) -> Words:
    """The answer to "when is my group next?"."""
    if next_one is None:
        return Words(
            f"Giliran kelompok {group.name.id} belum dijadwalkan.",
            f"The next turn of the group {group.name.en} is not planned yet.",
        )
    day = day_in_words(next_one.occurrence.days[0])
    sentence = Words(
        f"Giliran kelompok {group.name.id} berikutnya: {day.id}.",
        f"The next turn of the group {group.name.en} is {day.en}.",
    )
    if next_one.fixed:
        return sentence
    return Words(
        f"{sentence.id} Tanggal ini masih rencana: jika satu sebelumnya batal, giliran bergeser, tidak hilang.",
        f"{sentence.en} This is still a plan: if one before it is cancelled, the turn moves on and is not lost.",
    )
