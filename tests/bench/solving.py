"""Allocation by the rule, beside reading and sorting the same problem."""

from time import process_time

from services.bazaar.allocation import read_problem, solve
from services.bazaar.allocation.priority import Priority
from tests.bench.measure import Comparison, Context, NotMeasured
from tests.unit.test_allocation_size import large_problem

__all__ = ["measure"]

APPLICANTS = 100_000
POOLS = 320
SEATS = 9_600
KIND = "limits"


def measure(context: Context) -> list[Comparison]:
    """Processor seconds of solving 100,000 applicants for 9,600 seats, and of reading and sorting them."""
    data = large_problem(KIND, applicants=APPLICANTS, pools=POOLS)
    solve(read_problem(large_problem(KIND, applicants=50, pools=4)))  # what is loaded once is not measured
    comparison = Comparison("allocation by the rule, 100,000 x 9,600", "processor s", 3.0, "lower", digits=2)
    context.advance()
    for _ in range(context.rounds):
        start = process_time()
        problem = read_problem(data)
        sorted(Priority(problem).at_start)
        parsed = process_time()
        result = solve(problem)
        ended = process_time()
        if len(result.served) != SEATS:
            raise NotMeasured(f"{len(result.served)} of {SEATS} seats were given")
        comparison.add(ended - parsed, parsed - start)
        context.advance()
    return [comparison]
