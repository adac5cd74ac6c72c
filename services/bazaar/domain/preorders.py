"""Pre-orders: how much of a product buyers may order ahead of a vendor, and where it is handed over (DOMAIN A5).

Ordering is the marketplace's affair; here are figures only, so that no vendor promises more than it can make.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field, StrictInt

from services.bazaar.domain.bazaar import Bazaar
from services.bazaar.domain.storefronts import ShortText, require_no_personal_data
from services.bazaar.domain.values import Day, Exact, Label
from shared.errors import NotFound, Refused

PICK_UP_DAYS_MAX = 14
"""After the last day of the bazaar."""

PREORDERS_MAX = 30
"""Products of one vendor in one bazaar."""


class PreorderUnknown(NotFound):
    """No product that can be ordered ahead has this id."""

    code = "preorder-unknown"


class PreordersFull(Refused):
    """More was ordered ahead than the vendor can make."""

    code = "preorders-full"


class FewerThanTaken(Refused):
    """Orders that were taken are kept."""

    code = "fewer-than-taken"


class PickUpDayRefused(Refused):
    """Nothing can be picked up on this day."""

    code = "pick-up-day-refused"
    status = 422


class TooManyPreorders(Refused):
    """The vendor has as many products to order ahead as a page can show."""

    code = "too-many-preorders"


class OfferPreorder(Exact):
    """Command: so many pieces of this product can be ordered ahead; the same title again changes it."""

    title: ShortText
    pieces_max: Annotated[StrictInt, Field(ge=1, le=100_000)]
    pick_up_day: Day
    pick_up_place: Label


class CountPreorders(Exact):
    """Command: so many pieces more were ordered ahead; below 0: orders were cancelled."""

    pieces: Annotated[StrictInt, Field(ge=-100_000, le=100_000)]


@dataclass(frozen=True, slots=True)
class Preorder:
    """A product that can be ordered ahead."""

    preorder_id: UUID
    application_id: UUID
    title: str
    pieces_max: int
    pieces_taken: int
    pick_up_day: date
    pick_up_place: str


def offer(
    bazaar: Bazaar, application_id: UUID, command: OfferPreorder, known: list[Preorder], preorder_id: UUID
) -> Preorder:
    """A product to order ahead, or the one of this title with other figures; `known`: all of the application."""
    last = bazaar.days[-1] + timedelta(days=PICK_UP_DAYS_MAX)
    if not bazaar.days[0] <= command.pick_up_day <= last:
        raise PickUpDayRefused(
            f"pick_up_day must lie between {bazaar.days[0].isoformat()} and {last.isoformat()}.",
            earliest=bazaar.days[0].isoformat(),
            latest=last.isoformat(),
        )
    require_no_personal_data([command.title, command.pick_up_place])
    before = next((one for one in known if one.title == command.title), None)
    if before is None and len(known) >= PREORDERS_MAX:
        raise TooManyPreorders(
            f"A vendor offers at most {PREORDERS_MAX} products ahead; take one away first.", products_max=PREORDERS_MAX
        )
    taken = 0 if before is None else before.pieces_taken
    if command.pieces_max < taken:
        raise FewerThanTaken(f"{taken} pieces were ordered already; pieces_max cannot be less.", pieces_taken=taken)
    return Preorder(
        preorder_id=preorder_id if before is None else before.preorder_id,
        application_id=application_id,
        title=command.title,
        pieces_max=command.pieces_max,
        pieces_taken=taken,
        pick_up_day=command.pick_up_day,
        pick_up_place=command.pick_up_place,
    )


def count(preorder: Preorder, pieces: int) -> int:
    """Pieces taken after this many more. Refused above the limit and below nothing."""
    after = preorder.pieces_taken + pieces
    if after > preorder.pieces_max:
        left = preorder.pieces_max - preorder.pieces_taken
        raise PreordersFull(f"Only {left} pieces are left to order ahead.", pieces_left=left)
    if after < 0:
        raise PreordersFull(
            f"Only {preorder.pieces_taken} pieces were ordered ahead.", pieces_taken=preorder.pieces_taken
        )
    return after
