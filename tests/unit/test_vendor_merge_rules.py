"""Merging and un-merging: whose value stays, and that undoing in any order leaves no trace."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.vendor.domain import merging as domain
from services.vendor.domain.merging import FIELDS, Field, Kept, Merge, MergeFieldEmpty, MergeOfOne
from services.vendor.domain.registration import Vendor
from shared.events.vendor import (
    VendorCategoryChosen,
    VendorCategoryCleared,
    VendorCoached,
    VendorCoachingEnded,
    VendorEvent,
    VendorKindChosen,
    VendorMerged,
    VendorMoved,
    VendorReinstated,
    VendorSuspended,
    VendorUnmerged,
)

PEOPLE = 5
CONTACT: tuple[Field, ...] = ("name", "phone", "email", "language")
EVERY: tuple[Field, ...] = (*FIELDS, "suspension")


def vendor(number: int, **changes: Any) -> Vendor:
    made = Vendor(
        vendor_id=UUID(int=number),
        version=1,
        card_version=1,
        name=f"name {number}",
        phone=f"phone {number}",
        email=f"email {number}",
        street=f"street {number}",
        kelurahan="31.71.02.1002",
        rw="001",
        rt="001",
        kind="usaha",
        category=f"category-{number}",
        agency=f"agency-{number}",
        language="id",
        origin="self",
        registered_on=date(2023, 3, 1),
        registered_at=datetime(2023, 3, 1, tzinfo=UTC),
    )
    return replace(made, **changes)


# ---- whose value stays


@pytest.mark.parametrize(
    ("mine", "theirs", "name", "side"),
    [
        ({}, {}, "name", "survivor"),
        ({"email": None}, {}, "email", "retired"),
        ({}, {"email": None}, "email", "survivor"),
        ({"email": None}, {"email": None}, "email", "survivor"),
        ({"category": None}, {}, "category", "retired"),
        ({"agency": None}, {}, "agency", "retired"),
        ({"kind": "pemula"}, {"kind": "usaha"}, "kind", "retired"),
        ({"kind": "pemula"}, {"kind": "pemula"}, "kind", "survivor"),
        ({"kind": "usaha"}, {"kind": "pemula"}, "kind", "survivor"),
        ({"street": ""}, {}, "address", "retired"),
        ({"street": ""}, {"street": ""}, "address", "survivor"),
        ({"street": ""}, {"rt": "002"}, "address", "survivor"),
        ({"street": ""}, {"rw": "002"}, "address", "survivor"),
        ({"street": ""}, {"kelurahan": "31.71.02.1001"}, "address", "survivor"),
        ({}, {}, "address", "survivor"),
        ({}, {"language": "en"}, "language", "survivor"),
    ],
)
def test_the_survivors_value_stays_unless_it_has_none(
    mine: dict[str, Any], theirs: dict[str, Any], name: Any, side: str
) -> None:
    assert domain.keeps(vendor(1, **mine), vendor(2, **theirs), name) == side


def test_a_choice_goes_before_the_rule() -> None:
    merged = domain.merge(vendor(1, email=None), vendor(2), {"email": "survivor", "name": "retired"}, UUID(int=9))
    assert (merged.survivor.email, merged.survivor.name) == (None, "name 2")
    assert set(merged.merge.taken) == {"name"}


def test_the_retired_one_keeps_all_of_its_own_but_how_it_is_reached() -> None:
    gone = domain.merge(vendor(1), vendor(2), {}, UUID(int=9)).retired
    assert gone == replace(
        vendor(2), merged_into=UUID(int=1), name="name 1", phone="phone 1", email="email 1", language="id"
    )


def test_one_registration_is_not_two() -> None:
    with pytest.raises(MergeOfOne):
        domain.merge(vendor(1), vendor(1), {}, UUID(int=9))


@pytest.mark.parametrize("name", ["email", "category", "agency"])
def test_what_is_empty_cannot_be_chosen(name: Any) -> None:
    with pytest.raises(MergeFieldEmpty):
        domain.merge(vendor(1), vendor(2, **{name: None}), {name: "retired"}, UUID(int=9))


@pytest.mark.parametrize(
    ("mine", "theirs", "taken"), [(None, "no-show", True), ("no-show", None, False), ("no-show", "false-data", False)]
)
def test_a_suspension_of_either_is_one_of_the_person(mine: str | None, theirs: str | None, taken: bool) -> None:
    merged = domain.merge(vendor(1, suspended_because=mine), vendor(2, suspended_because=theirs), {}, UUID(int=9))
    assert merged.survivor.suspended_because == (theirs if taken else mine)
    assert ("suspension" in merged.merge.taken) == taken


def test_values_read_as_they_were_written() -> None:
    made = domain.merge(vendor(1, email=None), vendor(2), {"address": "retired"}, UUID(int=9)).merge
    assert domain.read_values(made.merge_id, 0, made.survivor, made.retired, domain.write_values(made)) == made


# ---- undoing, against a model


def copied(row: Vendor) -> tuple[Any, ...]:
    """What other services keep of a registration."""
    address = (row.kelurahan, row.rw, row.rt)
    return address, row.kind, row.category, row.agency, row.suspended_because, row.merged_into


def follow(copy: tuple[Any, ...], event: VendorEvent) -> tuple[Any, ...]:
    """The copy after an event, as another service follows it."""
    address, kind, category, agency, suspended, merged_into = copy
    match event:
        case VendorMoved():
            address = (event.kelurahan, event.rw, event.rt)
        case VendorKindChosen():
            kind = event.kind
        case VendorCategoryChosen():
            category = event.category
        case VendorCategoryCleared():
            category = None
        case VendorCoached():
            assert event.previous_agency == agency
            agency = event.agency
        case VendorCoachingEnded():
            assert event.previous_agency == agency
            agency = None
        case VendorSuspended():
            suspended = event.reason
        case VendorReinstated():
            suspended = None
        case VendorMerged():
            merged_into = event.into
        case VendorUnmerged():
            assert event.out_of == merged_into
            merged_into = None
    return address, kind, category, agency, suspended, merged_into


@dataclass
class Registry:
    """Registrations and merges as the handlers keep them, and beside them the log that a model is played from."""

    rows: dict[UUID, Vendor]
    merges: list[Merge] = field(default_factory=list)
    log: list[tuple[Any, ...]] = field(default_factory=list)
    first: dict[UUID, Vendor] = field(default_factory=dict)
    copies: dict[UUID, tuple[Any, ...]] = field(default_factory=dict)
    count: int = 0
    corrections: int = 0

    def __post_init__(self) -> None:
        self.first = dict(self.rows)
        self.copies = {key: copied(row) for key, row in self.rows.items()}

    def heads(self) -> list[UUID]:
        return [row.vendor_id for row in self.rows.values() if row.merged_into is None]

    def save(self, row: Vendor) -> None:
        """Write a row; those retired into it are reached as it is."""
        before = self.rows[row.vendor_id]
        self.rows[row.vendor_id] = row
        for event in domain.events_between(before, row, UUID(int=9)):
            self.copies[row.vendor_id] = follow(self.copies[row.vendor_id], event)
        if any(domain.value_of(row, name) != domain.value_of(before, name) for name in CONTACT):
            for child in [one for one in self.rows.values() if one.merged_into == row.vendor_id]:
                self.save(domain.follow(child, row))

    def merge(self, survivor: UUID, retired: UUID, chosen: Mapping[Any, Any]) -> None:
        self.count += 1
        empty = {name for name in FIELDS if not domain.value_of(self.rows[retired], name)}
        chosen = {name: side for name, side in chosen.items() if name not in empty or side == "survivor"}
        merged = domain.merge(self.rows[survivor], self.rows[retired], chosen, UUID(int=1000 + self.count))
        self.save(merged.survivor)
        self.save(merged.retired)
        self.merges.append(replace(merged.merge, seq=self.count))
        self.log.append(("merge", merged.merge.merge_id, survivor, retired, tuple(merged.merge.taken)))

    def undo(self, merge_id: UUID) -> tuple[Kept, ...]:
        undone = domain.undo(merge_id, self.rows, self.merges)
        depth = {row.vendor_id: self.depth(row.vendor_id) for row in self.rows.values()}
        for vendor_id in sorted(undone.vendors, key=lambda one: -depth[one]):
            self.save(undone.vendors[vendor_id])
        self.merges = [undone.merges.get(m.merge_id, m) for m in self.merges if m.merge_id != merge_id]
        self.log = [step for step in self.log if step[1] != merge_id]
        return undone.kept

    def depth(self, vendor_id: UUID) -> int:
        above = self.rows[vendor_id].merged_into
        return 0 if above is None else 1 + self.depth(above)

    def correct(self, vendor_id: UUID, name: str) -> None:
        self.corrections += 1
        value: Any = f"{name}-corrected-{self.corrections}"
        row = self.rows[vendor_id]
        self.save(replace(row, street=value) if name == "address" else replace(row, **{name: value}))
        self.log.append(("correct", None, vendor_id, name, value))

    # -- the model: what is left of the log, played from the beginning

    def model(self) -> tuple[dict[UUID, dict[str, Any]], dict[UUID, UUID]]:
        own: dict[UUID, dict[str, Any]] = {
            key: {name: domain.value_of(row, name) for name in EVERY} for key, row in self.first.items()
        }
        above: dict[UUID, UUID] = {}
        for kind, _, one, second, third in self.log:
            if kind == "merge":
                above[second] = one
                for name in third:
                    own[one][name] = own[second][name]
            elif second == "address":
                own[one][second] = (third, *own[one][second][1:])
            else:
                own[one][second] = third
        return own, above

    def check(self) -> None:
        own, above = self.model()
        for key, row in self.rows.items():
            assert row.merged_into == above.get(key)
            head = key
            while head in above:
                head = above[head]
            for name in EVERY:
                whose = head if name in CONTACT else key
                assert domain.value_of(row, name) == own[whose][name], name
            assert self.copies[key] == copied(row)


SIDES = st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(["survivor", "retired"]))
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["merge", "merge", "merge", "undo", "correct"]),
        st.integers(0, 99),
        st.integers(0, 99),
        SIDES,
        st.sampled_from(["name", "phone", "email", "address", "category", "agency"]),
    ),
    max_size=14,
)


def play(registry: Registry, steps: Any, *, corrections: bool) -> None:
    """Do what the steps say, as far as it can be done, and compare with the model after each."""
    for act, one, other, chosen, name in steps:
        heads = registry.heads()
        if act == "merge" and len(heads) > 1:
            survivor = heads.pop(one % len(heads))
            registry.merge(survivor, heads[other % len(heads)], chosen)
        elif act == "undo" and registry.merges:
            kept = registry.undo(registry.merges[one % len(registry.merges)].merge_id)
            assert corrections or kept == ()
        elif act == "correct" and corrections:
            registry.correct(heads[one % len(heads)], name)
        registry.check()


@given(STEPS)
@settings(max_examples=200, deadline=None)
def test_after_any_undoing_all_is_as_if_that_merge_had_never_been(steps: Any) -> None:
    without = {"category": None, "agency": None}
    registry = Registry({UUID(int=n): vendor(n, **without if n % 2 else {}) for n in range(1, PEOPLE + 1)})
    play(registry, steps, corrections=True)


# few values, so that many are equal: an undone merge must not be mistaken for another
FEW = st.fixed_dictionaries(
    {
        "name": st.sampled_from("ab"),
        "phone": st.sampled_from("ab"),
        "email": st.sampled_from([None, "a", "b"]),
        "street": st.sampled_from("ab"),
        "kind": st.sampled_from(["pemula", "usaha"]),
        "category": st.sampled_from([None, "a", "b"]),
        "agency": st.sampled_from([None, "a", "b"]),
        "language": st.sampled_from(["id", "en"]),
        "suspended_because": st.sampled_from([None, "no-show"]),
    }
)


@given(st.lists(FEW, min_size=PEOPLE, max_size=PEOPLE), STEPS, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_all_merges_undone_in_any_order_leave_every_registration_as_it_was(
    people: Any, steps: Any, chance: Any
) -> None:
    registry = Registry({UUID(int=n): vendor(n, **changes) for n, changes in enumerate(people, 1)})
    play(registry, steps, corrections=False)
    left = [merge.merge_id for merge in registry.merges]
    chance.shuffle(left)
    for merge_id in left:
        assert registry.undo(merge_id) == ()
    assert registry.rows == registry.first


def test_what_was_changed_since_stays_and_is_told() -> None:
    registry = Registry({UUID(int=number): vendor(number) for number in (1, 2)})
    registry.merge(UUID(int=1), UUID(int=2), {"phone": "retired", "name": "retired"})
    registry.correct(UUID(int=1), "phone")
    kept = registry.undo(registry.merges[0].merge_id)
    assert kept == (Kept(UUID(int=1), "phone", "changed-since"),)
    assert (registry.rows[UUID(int=1)].phone, registry.rows[UUID(int=1)].name) == ("phone-corrected-1", "name 1")


@pytest.mark.parametrize("name", ["email", "category", "agency"])
def test_what_was_empty_before_is_empty_again(name: str) -> None:
    registry = Registry({UUID(int=1): vendor(1, **{name: None}), UUID(int=2): vendor(2)})
    registry.merge(UUID(int=1), UUID(int=2), {})
    assert getattr(registry.rows[UUID(int=1)], name)
    assert registry.undo(registry.merges[0].merge_id) == ()
    assert registry.rows == registry.first


# ---- what is told


def test_events_tell_what_others_keep_and_nothing_else() -> None:
    before = vendor(1)
    merge_id = UUID(int=9)
    told = domain.events_between
    assert told(before, replace(before, name="other", phone="other", email=None, street="other"), merge_id) == []
    moved = told(before, replace(before, rw="009"), merge_id)
    assert [type(event).__name__ for event in moved] == ["VendorMoved"]
    both = replace(before, kind="pemula", category="b", agency="c", suspended_because="no-show")
    assert [type(event).__name__ for event in told(before, both, merge_id)] == [
        "VendorKindChosen",
        "VendorCategoryChosen",
        "VendorCoached",
        "VendorSuspended",
    ]
    assert [type(event).__name__ for event in told(both, replace(both, suspended_because=None), merge_id)] == [
        "VendorReinstated"
    ]
    (cleared, ended) = told(before, replace(before, category=None, agency=None), merge_id)
    assert isinstance(cleared, VendorCategoryCleared)
    assert cleared.model_dump() == {"vendor_id": UUID(int=1)}
    assert isinstance(ended, VendorCoachingEnded)
    assert ended.model_dump() == {"vendor_id": UUID(int=1), "previous_agency": "agency-1"}
    (coached,) = told(replace(before, agency=None), before, merge_id)
    assert isinstance(coached, VendorCoached)
    assert (coached.agency, coached.previous_agency) == ("agency-1", None)
    assert (
        told(replace(before, category=None, agency=None), replace(before, category=None, agency=None), merge_id) == []
    )
    retired = replace(before, merged_into=UUID(int=2))
    (merged,) = told(before, retired, merge_id)
    (parted,) = told(retired, before, merge_id)
    assert merged.model_dump() == {"vendor_id": UUID(int=1), "into": UUID(int=2), "merge_id": merge_id}
    assert parted.model_dump() == {"vendor_id": UUID(int=1), "out_of": UUID(int=2), "merge_id": merge_id}
