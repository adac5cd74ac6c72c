"""Booth numbers inside one site, pure: who of those the round served stands where.

The round decides who is served at which site; this decides the stand, by goals in a fixed order, each looked at only
among what is best for the ones before it:

1. needs: everyone gets a stand with the power, the way in without steps and the water it needs; where there is too
   little of that, by the order of the rule, and the rest are reported (`needs`);
2. parties: vendors who applied to stand together stand side by side, in as few pieces as possible;
3. neighbours: vendors of one category stand apart, in a tent before side by side, side by side before across an aisle;
4. spots: who had good spots in its past turns stands after who had bad ones (`Seat.balance`).

Each goal is solved to proven optimality, or to a proven bound that the result carries. The same input always gives the
same numbers. What happens when all this fails is not decided here: `number_in_order` is there for it.
"""

from services.bazaar.numbering.neighbours import Edge, neighbours
from services.bazaar.numbering.round import (
    Floor,
    Served,
    SiteNumbers,
    Traits,
    number_round,
    number_round_in_order,
    number_stored,
    number_stored_in_order,
)
from services.bazaar.numbering.site import Needs, Place, Seat, SiteMalformed, SiteStands, Stand
from services.bazaar.numbering.solve import Numbering, number_in_order, number_site

__all__ = [
    "Edge",
    "Floor",
    "Needs",
    "Numbering",
    "Place",
    "Seat",
    "Served",
    "SiteMalformed",
    "SiteNumbers",
    "SiteStands",
    "Stand",
    "Traits",
    "neighbours",
    "number_in_order",
    "number_round",
    "number_round_in_order",
    "number_site",
    "number_stored",
    "number_stored_in_order",
]
