"""Matching vendors to mentors, beside reading and sorting the same problem."""

from time import process_time

from services.training.matching import read_problem, verify
from services.training.matching.flow import solve
from tests.bench.measure import Comparison, Context, NotMeasured
from tests.unit.matchings import large_problem

__all__ = ["measure"]

VENDORS = 50_000
MENTORS = 400
RATIO_MAX = 8.0


def measure(context: Context) -> list[Comparison]:
    """Processor seconds of matching 50,000 vendors to 400 mentors with its proof, and of reading and sorting them."""
    data = large_problem(VENDORS, MENTORS)
    solve(read_problem(large_problem(50, 4)))  # what is loaded once is not measured
    comparison = Comparison("matching, 50,000 vendors x 400 mentors", "processor s", RATIO_MAX, "lower", digits=2)
    context.advance()
    for _ in range(context.rounds):
        start = process_time()
        problem = read_problem(data)
        sorted(problem.vendors, key=lambda one: (one.kelurahan, one.id))
        parsed = process_time()
        result = solve(problem)
        ended = process_time()
        if verify(problem, result):
            raise NotMeasured("the verifier does not believe the result")
        comparison.add(ended - parsed, parsed - start)
        context.advance()
    return [comparison]
