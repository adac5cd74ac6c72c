"""Which of the messages that say the same to one person need not leave."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.delivery import STATES, UNSENT
from services.notify.domain.doubles import Twin, superfluous

ENDED_IN_VAIN = ("rejected", "expired", "cancelled")
LIVING = [state for state in STATES if state not in ENDED_IN_VAIN]

twins = st.lists(
    st.builds(
        Twin,
        id=st.uuids(),
        told=st.integers(1, 3),
        state=st.sampled_from(LIVING),
        silent=st.booleans(),
        channel=st.sampled_from([None, "inbox", "whatsapp"]),
        addresses=st.integers(0, 2),
    ),
    max_size=9,
    unique_by=lambda one: one.id,
)


@given(twins)
def test_of_the_same_words_exactly_one_is_left_to_leave_and_none_where_one_has(found: list[Twin]) -> None:
    cancelled = set(superfluous(found))
    for told in {one.told for one in found}:
        group = [one for one in found if one.told == told and not one.lies_in_the_inbox]
        unsent = [one for one in group if not one.has_left]
        left = [one for one in unsent if one.id not in cancelled]
        assert len(left) == (1 if unsent and len(unsent) == len(group) else 0)
    assert all(one.state in UNSENT and not one.silent for one in found if one.id in cancelled)


@given(twins, st.randoms())
def test_the_order_of_the_rows_decides_nothing(found: list[Twin], chance: object) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # a Random
    assert set(superfluous(found)) == set(superfluous(shuffled))


def twin(number: int, state: str, *, addresses: int = 1, channel: str | None = None, silent: bool = False) -> Twin:
    return Twin(UUID(int=number), 1, state, silent, channel, addresses)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "cancelled"),
    [
        ([twin(1, "planned"), twin(2, "queued")], [1]),
        ([twin(1, "waiting_contact", addresses=0), twin(2, "deferred")], [1]),
        ([twin(1, "planned", addresses=1), twin(2, "planned", addresses=2)], [1]),
        ([twin(1, "planned"), twin(2, "planned")], [2]),
        ([twin(1, "sending"), twin(2, "queued")], [2]),
        ([twin(1, "unknown"), twin(2, "held")], [2]),
        ([twin(1, "digested"), twin(2, "deferred")], [2]),
        ([twin(1, "planned", silent=True), twin(2, "planned")], [2]),
        ([twin(1, "sent", channel="inbox"), twin(2, "queued")], []),
        ([twin(1, "sent", channel="inbox"), twin(2, "queued"), twin(3, "planned")], [3]),
        ([twin(1, "sent"), twin(2, "delivered")], []),
    ],
)
def test_what_is_nearest_to_leaving_leaves(found: list[Twin], cancelled: list[int]) -> None:
    assert [one.int for one in superfluous(found)] == cancelled
