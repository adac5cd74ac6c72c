"""What each pair costs, for all pairs at once: vendors of one kind cost the same with every mentor."""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from services.training.matching.problem import Mentor, Problem

SCALE = 10_000
AREA_PARTS = 4
"""Parts of a kelurahan's code."""

Key = TypeVar("Key", bound=Hashable)

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Kinds(NamedTuple):
    """Vendors by kind. `of`: each vendor's kind; `misfit` and `allowed`: a row per kind, a column per mentor;
    `present`: each vendor's mentor now as a column, -1 where it has none with whom it may stay."""

    of: Ints
    misfit: Ints
    allowed: Flags
    present: Ints


def kinds_of(problem: Problem) -> Kinds:
    """The kinds of the problem's vendors: alike is who costs the same with every mentor, its present one aside."""
    vendors = problem.vendors
    near, near_of = _rows([one.kelurahan for one in vendors], _near(problem.mentors))
    field, field_of = _rows([(tuple(one.wishes), tuple(one.fields)) for one in vendors], _field(problem.mentors))
    agency, agency_of = _rows([one.agency for one in vendors], _agency(problem.mentors))
    speaks, speaks_of = _rows([one.language for one in vendors], _speaks(problem.mentors))
    each = np.stack([near_of, field_of, agency_of, speaks_of], axis=1)
    distinct, of = np.unique(each, axis=0, return_inverse=True)
    of = of.reshape(-1).astype(np.int64)
    allowed = (near[distinct[:, 0]] >= 0) & (speaks[distinct[:, 3]] > 0)
    weights = problem.weights
    misfit = (
        weights.near * near[distinct[:, 0]]
        + weights.field * field[distinct[:, 1]]
        + weights.agency * agency[distinct[:, 2]]
    )
    column = {one.id: at for at, one in enumerate(problem.mentors)}
    present = np.array([-1 if one.mentor is None else column[one.mentor] for one in vendors], dtype=np.int64)
    has = np.flatnonzero(present >= 0)
    present[has[~allowed[of[has], present[has]]]] = -1
    return Kinds(of, misfit, allowed, present)


def seat_costs(load_max: int, held: int, seats: int) -> Ints:
    """What each of the next seats of a mentor costs."""
    taken = np.arange(held + 1, held + seats + 1, dtype=np.int64)
    return (2 * taken - 1) * SCALE // load_max if load_max else taken[:0]


def _rows(keys: Sequence[Key], row_of: Callable[[Key], Ints]) -> tuple[Ints, Ints]:
    """A row for each distinct one of these keys, distinct in themselves, and for each key which row is its."""
    number: dict[Key, int] = {}
    of = np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.int64)
    rows, merged = np.unique(np.stack([row_of(key) for key in number]), axis=0, return_inverse=True)
    return rows, merged.reshape(-1)[of]


def _near(mentors: Sequence[Mentor]) -> Callable[[str], Ints]:
    """0 to 3 by the finest area that covers a kelurahan; -1 where none does."""
    columns: dict[str, list[int]] = {}
    for at, mentor in enumerate(mentors):
        for area in mentor.areas:
            columns.setdefault(area, []).append(at)

    def row(kelurahan: str) -> Ints:
        found = np.full(len(mentors), -1, dtype=np.int64)
        parts = kelurahan.split(".")
        for length in range(1, AREA_PARTS + 1):
            found[columns.get(".".join(parts[:length]), [])] = AREA_PARTS - length
        return found

    return row


def _field(mentors: Sequence[Mentor]) -> Callable[[tuple[tuple[str, ...], tuple[str, ...]]], Ints]:
    has = [frozenset(one.fields) for one in mentors]

    def row(key: tuple[tuple[str, ...], tuple[str, ...]]) -> Ints:
        wishes, needs = key
        best = wishes or needs
        if not best:
            return np.zeros(len(mentors), dtype=np.int64)
        return np.array(
            [
                0 if not fields.isdisjoint(best) else 1 if not fields or not fields.isdisjoint(needs) else 2
                for fields in has
            ],
            dtype=np.int64,
        )

    return row


def _agency(mentors: Sequence[Mentor]) -> Callable[[str | None], Ints]:
    return lambda agency: np.array([agency is not None and one.agency != agency for one in mentors], dtype=np.int64)


def _speaks(mentors: Sequence[Mentor]) -> Callable[[str], Ints]:
    return lambda language: np.array([language in one.languages for one in mentors], dtype=np.int64)
