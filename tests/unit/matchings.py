"""Problems of matching by chance, small and large, and the best matching found in other ways."""

import random
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from services.training.matching import Goals, Mentor, Problem, Vendor, Weights, read_problem
from services.training.matching.problem import problem_to_json

FIELDS = ("kuliner", "kriya", "digital-marketing", "export", "bookkeeping", "licensing")
AGENCIES = ("ppkukm", "ppapp", "kpkp", "sosial", "parekraf", "nakertransgi")
KELURAHAN = [
    f"31.7{city}.{kecamatan:02}.{1000 + number}"
    for city in range(1, 6)
    for kecamatan in range(1, 10)
    for number in range(1, 7)
]


def small_problem(seed: int, *, vendors_max: int = 4, mentors_max: int = 3) -> Problem:
    """A few vendors and mentors in two kecamatan, so that everything binds now and then."""
    chance = random.Random(seed)
    places = ["31.71.01.1001", "31.71.01.1002", "31.71.02.1001"]
    areas = [*places, "31.71.01", "31.71.02", "31.71", "31"]
    mentors = [
        Mentor(
            id=f"m{at}",
            areas=chance.sample(areas, chance.randint(1, 2)),
            fields=chance.sample(FIELDS[:3], chance.randint(0, 2)),
            languages=chance.choice([["id"], ["id"], ["id", "en"], ["en"]]),
            agency=chance.choice(AGENCIES[:2]),
            load_max=chance.randint(0, 4),
            held=chance.choice([0, 0, 1, 2]),
        )
        for at in range(chance.randint(1, mentors_max))
    ]
    vendors = [
        Vendor(
            id=f"v{at}",
            kelurahan=chance.choice(places),
            language=chance.choice(["id", "id", "id", "en"]),
            wishes=chance.sample(FIELDS[:3], chance.choice([0, 0, 1])),
            fields=chance.sample(FIELDS[:3], chance.choice([0, 1])),
            agency=chance.choice([None, *AGENCIES[:2]]),
            mentor=chance.choice([None, *(one.id for one in mentors)]),
        )
        for at in range(chance.randint(1, vendors_max))
    ]
    weights = Weights(field=chance.randint(0, 12), agency=chance.randint(0, 4), near=chance.randint(0, 2))
    return read_problem(problem_to_json(mentors, vendors, weights))


def large_problem(vendors: int, mentors: int, *, seed: int = 1, wide: float = 0.1, slack: float = 1.05) -> bytes:
    """A city: mentors of a kecamatan, of two kelurahan, and some (`wide`) of a city or of all. Seven of ten vendors
    have a mentor; `slack`: seats for each vendor, about."""
    chance = random.Random(seed)
    kecamatan = sorted({one.rpartition(".")[0] for one in KELURAHAN})
    cities = sorted({one[:5] for one in KELURAHAN})
    listed = []
    for at in range(mentors):
        width = chance.random()
        if width < wide:
            areas = ["31"] if width < wide / 2 else [chance.choice(cities)]
        else:
            areas = [kecamatan[at % len(kecamatan)]] if width < 0.6 else chance.sample(KELURAHAN, 2)
        listed.append(
            Mentor(
                id=f"m{at:04}",
                areas=areas,
                fields=chance.sample(FIELDS, 2),
                languages=["id"] if chance.random() < 0.8 else ["id", "en"],
                agency=chance.choice(AGENCIES),
                load_max=int(vendors / mentors * slack * chance.uniform(0.7, 1.3)),
            )
        )
    by_area: dict[str, list[str]] = {}
    for mentor in listed:
        for area in mentor.areas:
            by_area.setdefault(area, []).append(mentor.id)
    members = []
    for at in range(vendors):
        kelurahan = chance.choice(KELURAHAN)
        around = by_area.get(kelurahan.rpartition(".")[0], []) + by_area.get(kelurahan, [])
        members.append(
            Vendor(
                id=f"v{at:06}",
                kelurahan=kelurahan,
                language="id" if chance.random() < 0.98 else "en",
                wishes=chance.sample(FIELDS, 1) if chance.random() < 0.2 else [],
                fields=[chance.choice(("kuliner", "kuliner", "kriya", "licensing"))],
                agency=chance.choice((*AGENCIES, None)),
                mentor=chance.choice(around) if around and chance.random() < 0.7 else None,
            )
        )
    return problem_to_json(listed, members)


# ---- by definition


def cost(problem: Problem, vendor: Vendor, mentor: Mentor | None) -> Goals | None:
    """Cost of a pair as the rule says it, without the seat; None where it is not allowed."""
    present = next((one for one in problem.mentors if one.id == vendor.mentor), None)
    left = int(present is not None and _allowed(vendor, present) and present is not mentor)
    if mentor is None:
        return Goals(1, left, 0, 0)
    if not _allowed(vendor, mentor):
        return None
    wants = vendor.wishes or vendor.fields
    if not wants or set(wants) & set(mentor.fields):
        field = 0
    elif not mentor.fields or set(vendor.fields) & set(mentor.fields):
        field = 1
    else:
        field = 2
    agency = int(vendor.agency not in (None, mentor.agency))
    near = min(3 - area.count(".") for area in mentor.areas if f"{vendor.kelurahan}.".startswith(f"{area}."))
    weights = problem.weights
    return Goals(0, left, weights.field * field + weights.agency * agency + weights.near * near, 0)


def _allowed(vendor: Vendor, mentor: Mentor) -> bool:
    return vendor.language in mentor.languages and any(
        f"{vendor.kelurahan}.".startswith(f"{area}.") for area in mentor.areas
    )


def value(problem: Problem, chosen: Sequence[Mentor | None]) -> Goals | None:
    """The four numbers of a choice for each vendor; None where it is no matching."""
    total = [0, 0, 0, 0]
    for vendor, mentor in zip(problem.vendors, chosen, strict=True):
        one = cost(problem, vendor, mentor)
        if one is None:
            return None
        total = [sum(pair) for pair in zip(total, one, strict=True)]
    for mentor in problem.mentors:
        load = sum(one is mentor for one in chosen)
        if load > max(0, mentor.load_max - mentor.held):
            return None
        total[3] += sum((2 * k - 1) * 10_000 // mentor.load_max for k in range(mentor.held + 1, mentor.held + load + 1))
    return Goals(*total)


def best_of_all(problem: Problem) -> Goals:
    """The best value, by trying every choice."""
    return min(_values(problem))


def _values(problem: Problem) -> Iterator[Goals]:
    for chosen in product([None, *problem.mentors], repeat=len(problem.vendors)):
        found = value(problem, chosen)
        if found is not None:
            yield found


def greedy(problem: Problem) -> Goals:
    """What an officer would do by hand: one vendor after another, the one it has if it may stay, else the best fitting
    with a seat, the emptiest of equals."""
    load = {one.id: one.held for one in problem.mentors}
    chosen: list[Mentor | None] = []
    for vendor in problem.vendors:
        options = [
            (own.left, own.misfit, load[one.id] / one.load_max, one.id, one)
            for one in problem.mentors
            if load[one.id] < one.load_max and (own := cost(problem, vendor, one)) is not None
        ]
        mentor = min(options)[-1] if options else None
        if mentor is not None:
            load[mentor.id] += 1
        chosen.append(mentor)
    found = value(problem, chosen)
    assert found is not None
    return found


def by_programme(problem: Problem) -> Goals:
    """The best value by OR-tools' CP-SAT, goal after goal, each held when the next is looked at: another solver, and
    another way to the same."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    goals: list[list[tuple[Any, int]]] = [[], [], [], []]
    into: dict[str, list[Any]] = {one.id: [] for one in problem.mentors}
    for vendor in problem.vendors:
        options = []
        for mentor in (None, *problem.mentors):
            own = cost(problem, vendor, mentor)
            if own is None:
                continue
            chosen = model.new_bool_var("")
            options.append(chosen)
            if mentor is not None:
                into[mentor.id].append(chosen)
            for goal, number in zip(goals, own, strict=True):
                goal.append((chosen, number))
        model.add_exactly_one(options)
    for mentor in problem.mentors:
        seats = [model.new_bool_var("") for _ in range(mentor.room)]
        model.add(sum(into[mentor.id]) == sum(seats))
        for k, seat in enumerate(seats, start=mentor.held + 1):
            goals[3].append((seat, (2 * k - 1) * 10_000 // mentor.load_max))
    reached = []
    for goal in goals:
        total = sum(one * number for one, number in goal)
        model.minimize(total)
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        assert solver.solve(model) == cp_model.OPTIMAL
        best = round(solver.objective_value)
        reached.append(best)
        model.clear_objective()  # type: ignore[no-untyped-call]  # OR-tools left it without types
        model.add(total <= best)
    return Goals(*reached)
