"""Matching vendors to mentors: the best there is, with a proof that anyone can check. Pure; no I/O.

    problem = read_problem(data)        # Malformed, with the path of every faulty field
    result = solve(problem)             # from .flow, which loads the solver
    data = result_to_json(result)       # the same for the same problem, in whatever order its lists are
    findings = verify(problem, result)  # [] = nothing better exists; written apart from `solve`

The rule. A pair of vendor and mentor is *allowed* when one of the mentor's areas is or covers the vendor's kelurahan,
and the mentor speaks the vendor's language. Each vendor gets one allowed mentor or none, and no mentor more vendors
than `load_max - held` (`held`: vendors that it has besides those of this problem). Of all such matchings one is best in
these four numbers, looked at in this order, each the smaller the better:

1. `unmatched`: vendors without a mentor.
2. `left`: vendors that had a mentor, with whom the pair is still allowed, and are not with it.
3. `misfit`: the sum over pairs of  weights.field * f + weights.agency * a + weights.near * n,  where
   f = 0 when the mentor has a field that the vendor wishes (or, when it wishes none, one that its product group needs),
   or nothing is wished nor needed; 1 when it has none of the wishes but one that the product group needs, or names no
   field at all (it is general); else 2;
   a = 1 when an agency coaches the vendor and it is not the mentor's, else 0;
   n = 0, 1, 2, 3 when the finest of the mentor's areas that cover the vendor is a kelurahan, kecamatan, city, province.
4. `unevenness`: the sum over mentors, and over each seat k = held + 1 .. held + load that this matching takes, of
   floor((2k - 1) * 10000 / load_max). Up to the rounding these sums are 10000 * load^2 / load_max: they are least when
   every mentor is loaded to the same share of what it can take.

The best value is unique. Among matchings of that value the solver gives one; it depends on nothing but the problem (and
the solver's version), for vendors and mentors are taken in the order of their ids.

The proof. A result carries a *price* for each mentor, a vector in the order of the four numbers, compared from the
left. With  cost(v, m) = (0, left?, misfit, 0)  for a mentor,  (1, left?, 0, 0)  for none, and none priced at nothing:

- every vendor is where cost + price is least for it;
- the price of a mentor is not below the last seat it gave, (0, 0, 0, floor(...)), and not above the next that it
  could give.

For any other matching, add the first over all vendors and use that seats never get cheaper: it cannot be better. The
verifier checks these inequalities and believes nothing else; how the solver came to them does not matter.
"""

from services.training.matching.problem import Mentor, Problem, Vendor, Weights, read_problem
from services.training.matching.result import Goals, Result, read_result, result_to_json
from services.training.matching.verifier import verify
from shared.malformed import Malformed

__all__ = [
    "Goals",
    "Malformed",
    "Mentor",
    "Problem",
    "Result",
    "Vendor",
    "Weights",
    "read_problem",
    "read_result",
    "result_to_json",
    "verify",
]
