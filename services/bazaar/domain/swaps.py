"""Two confirmed vendors of one bazaar change places: both agree, and an officer of the bazaar approves.

proposed -> accepted | declined; accepted -> swapped | not-approved; both -> withdrawn | lapsed | void.
A swap is of two certain booths. When one of the two has its booth no longer, for whatever reason, the swap is void.
Caps and reserves hold after it as they did before; a need that was met stays met; turns follow the days.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from services.bazaar.domain.application import Application, Offer, Step
from services.bazaar.domain.bazaar import Bazaar, Site, offers_end_at
from services.bazaar.domain.policy import SeatLimit
from services.bazaar.domain.rotation import SeatedCount
from services.bazaar.domain.values import Exact, Label, SiteId
from shared.errors import NotFound, Refused
from shared.events.bazaar import BoothSwapped, BoothSwapProposed, BoothSwapRefused

SwapState = Literal["proposed", "accepted", "swapped", "declined", "lapsed", "withdrawn", "not-approved", "void"]
OPEN: tuple[SwapState, ...] = ("proposed", "accepted")

ANSWER_WITHIN = timedelta(hours=48)
"""So long the other vendor has to agree, but not beyond the evening before either of the two sites begins."""

ANSWER_WITHIN_MIN = timedelta(hours=2)
"""With less time than this, nobody can agree and an officer approve."""

Because = Literal["declined", "lapsed", "not-approved", "withdrawn", "booth-gone"]


class SwapUnknown(NotFound):
    """There is no such swap, or the caller has no part in it."""

    code = "swap-unknown"


class NotSwappable(Refused):
    """One of the two has no confirmed booth of this bazaar, or both are one vendor."""

    code = "not-swappable"


class SwapTooLate(Refused):
    """The sites begin too soon."""

    code = "swap-too-late"


class SwapOpenAlready(Refused):
    """A vendor proposes one swap at a time."""

    code = "swap-open"


class SwapDeclinedBefore(Refused):
    """The other vendor has said no; it is not asked again and again."""

    code = "swap-declined-before"


class SwapNotOpen(Refused):
    """The swap does not wait for this step."""

    code = "swap-not-open"


class SwapBreaksLimit(Refused):
    """After the swap a site would have more vendors of a group than its cap, or fewer than its reserve."""

    code = "swap-breaks-limit"


class SwapBreaksNeed(Refused):
    """The other booth lacks what this vendor needs and has now."""

    code = "swap-breaks-need"


class ProposeSwap(Exact):
    """Command: change places with whoever has confirmed this booth."""

    site_id: SiteId
    booth: Label


class Place(NamedTuple):
    """A booth of a site."""

    site_id: str
    booth: str


@dataclass(frozen=True, slots=True)
class Swap:
    """A swap between two applications, each in its place."""

    swap_id: UUID
    bazaar_id: UUID
    proposer_id: UUID
    proposer_place: Place
    other_id: UUID
    other_place: Place
    state: SwapState
    answer_by: datetime
    approve_by: datetime
    proposed_at: datetime
    ended_at: datetime | None = None


class Proposal(NamedTuple):
    """A swap proposed, and what the other vendor hears of it."""

    swap: Swap
    step: Step


def propose(
    bazaar: Bazaar, proposer: Application, other: Application | None, *, swap_id: UUID, now: datetime
) -> Proposal:
    """A vendor would like the booth of `other`, who is told what it would get for it."""
    bazaar.require("allocated", "swap its booths")
    mine = _held(proposer)
    if mine is None:
        raise NotSwappable(
            f"Only a confirmed booth can be swapped; this application is {proposer.state}.", state=proposer.state
        )
    theirs = None if other is None else _held(other)
    if other is None or theirs is None or other.application_id == proposer.application_id:
        raise NotSwappable("No other vendor has confirmed this booth. Look at the plan for the booths that are taken.")
    site = bazaar.site(mine.site_id)
    approve_by = _approve_by(bazaar, mine, theirs)
    if approve_by - now < ANSWER_WITHIN_MIN:
        raise SwapTooLate(
            "One of the two sites begins too soon: booths are swapped until the evening before.",
            approve_by=approve_by.isoformat(),
        )
    swap = Swap(
        swap_id=swap_id,
        bazaar_id=bazaar.bazaar_id,
        proposer_id=proposer.application_id,
        proposer_place=mine,
        other_id=other.application_id,
        other_place=theirs,
        state="proposed",
        answer_by=min(now + ANSWER_WITHIN, approve_by),
        approve_by=approve_by,
        proposed_at=now,
    )
    event = BoothSwapProposed(
        **_ids(other),
        swap_id=swap_id,
        bazaar_name=bazaar.name,
        site_name=site.name,
        booth=mine.booth,
        days=list(site.days),
        answer_by=swap.answer_by,
    )
    return Proposal(swap, Step(replace(other, version=other.version + 1), event))


def accept(swap: Swap, now: datetime) -> Swap:
    """The other vendor agrees; an officer decides now."""
    _require_state(swap, ("proposed",), swap.answer_by, now)
    return replace(swap, state="accepted")


def decline(swap: Swap, now: datetime) -> Swap:
    """The other vendor does not want to, or no more."""
    _require_state(swap, ("proposed",), swap.answer_by, now)
    return replace(swap, state="declined", ended_at=now)


def withdraw(swap: Swap, now: datetime) -> Swap:
    """The vendor that proposed it no longer wants it."""
    _require_state(swap, OPEN, swap.approve_by, now)
    return replace(swap, state="withdrawn", ended_at=now)


def refuse(swap: Swap, now: datetime) -> Swap:
    """An officer does not approve."""
    _require_state(swap, ("accepted",), swap.approve_by, now)
    return replace(swap, state="not-approved", ended_at=now)


def lapse(swap: Swap, now: datetime) -> Swap:
    """Nobody answered or decided in time. The caller found the moment passed."""
    return replace(swap, state="lapsed", ended_at=now)


def void(swap: Swap, now: datetime) -> Swap:
    """One of the two has its booth no longer."""
    return replace(swap, state="void", ended_at=now)


def reschedule(swap: Swap, bazaar: Bazaar) -> Swap:
    """The bazaar was moved, and the swap still is of the same booths."""
    approve_by = _approve_by(bazaar, swap.proposer_place, swap.other_place)
    return replace(swap, approve_by=approve_by, answer_by=min(swap.answer_by, approve_by))


def _approve_by(bazaar: Bazaar, *places: Place) -> datetime:
    return min(offers_end_at(bazaar.site(place.site_id).days[0]) for place in places)


def until(swap: Swap) -> datetime:
    """Until when the swap waits in the state it is in."""
    return swap.answer_by if swap.state == "proposed" else swap.approve_by


def _require_state(swap: Swap, states: Sequence[SwapState], by: datetime, now: datetime) -> None:
    if swap.state not in states:
        raise SwapNotOpen(f"This swap is {swap.state}; it does not wait for that.", state=swap.state)
    if now > by:
        raise SwapNotOpen("The time for it is over; both keep their booths. Propose it again.", by=by.isoformat())


def stands(swap: Swap, proposer: Application, other: Application) -> bool:
    """Whether both still have the booths that the swap is of."""
    return (_held(proposer), _held(other)) == (swap.proposer_place, swap.other_place)


def _held(application: Application) -> Place | None:
    if application.state != "confirmed" or application.offer is None:
        return None
    return Place(application.offer.site_id, application.offer.booth)


class Swapped(NamedTuple):
    """A swap approved, and both applications in their new booths."""

    swap: Swap
    proposer: Step
    other: Step


def approve(
    swap: Swap,
    bazaar: Bazaar,
    proposer: Application,
    other: Application,
    seated: Iterable[SeatedCount],
    offering: Mapping[tuple[str, str], frozenset[str]],
    now: datetime,
) -> Swapped:
    """An officer approves. The caller found that the swap stands.

    `seated`: counts of the groups that the sites' limits name; `offering`: what booths have of what a vendor may need.
    """
    _require_state(swap, ("accepted",), swap.approve_by, now)
    _require_limits(bazaar, proposer, other, seated)
    _require_needs(proposer, swap.proposer_place, swap.other_place, offering)
    _require_needs(other, swap.other_place, swap.proposer_place, offering)
    return Swapped(
        replace(swap, state="swapped", ended_at=now),
        _seated(proposer, bazaar, swap, swap.other_place),
        _seated(other, bazaar, swap, swap.proposer_place),
    )


def _require_limits(bazaar: Bazaar, proposer: Application, other: Application, seated: Iterable[SeatedCount]) -> None:
    """A cap is not exceeded; a reserve that has its members keeps them, one that is short gets no shorter."""
    assert proposer.offer is not None
    assert other.offer is not None
    counts = {(one.site_id, one.group, one.value): one.seats for one in seated}
    for leaves, comes in ((proposer, other), (other, proposer)):
        assert leaves.offer is not None
        site = bazaar.site(leaves.offer.site_id)
        for limit in (*site.caps, *site.reserves):
            before = counts.get((site.site_id, limit.group, limit.value), 0)
            after = before - _is_of(leaves, limit) + _is_of(comes, limit)
            if proposer.offer.site_id == other.offer.site_id:
                after = before
            if limit in site.caps and before < after > limit.seats:
                raise SwapBreaksLimit(
                    f"{site.name} has {limit.seats} booths at most for {limit.value}; after the swap it would be "
                    f"{after}.",
                    site_id=site.site_id,
                    group=limit.group,
                    value=limit.value,
                    cap=limit.seats,
                )
            if limit in site.reserves and after < min(before, limit.seats):
                raise SwapBreaksLimit(
                    f"{site.name} keeps {limit.seats} booths for {limit.value}; after the swap it would be {after}.",
                    site_id=site.site_id,
                    group=limit.group,
                    value=limit.value,
                    reserve=limit.seats,
                )


def _is_of(application: Application, limit: SeatLimit) -> bool:
    return application.groups.get(limit.group) == limit.value


def _require_needs(
    application: Application, now_at: Place, then_at: Place, offering: Mapping[tuple[str, str], frozenset[str]]
) -> None:
    met = offering.get(now_at, frozenset()) & set(application.needs)
    lost = sorted(met - offering.get(then_at, frozenset()))
    if lost:
        raise SwapBreaksNeed(
            f"Booth {then_at.booth} lacks what one of the two vendors needs: {', '.join(lost)}.",
            booth=then_at.booth,
            needs=lost,
        )


def _seated(application: Application, bazaar: Bazaar, swap: Swap, place: Place) -> Step:
    assert application.offer is not None
    offer: Offer = application.offer._replace(site_id=place.site_id, booth=place.booth)
    site: Site = bazaar.site(place.site_id)
    return Step(
        replace(application, offer=offer, version=application.version + 1),
        BoothSwapped(
            **_ids(application),
            swap_id=swap.swap_id,
            bazaar_name=bazaar.name,
            site_id=place.site_id,
            site_name=site.name,
            booth=place.booth,
            days=list(site.days),
        ),
    )


def tell_refused(application: Application, bazaar: Bazaar, swap: Swap, because: Because) -> Step:
    """A vendor that took part hears that the swap does not take place."""
    event = BoothSwapRefused(**_ids(application), swap_id=swap.swap_id, bazaar_name=bazaar.name, because=because)
    return Step(replace(application, version=application.version + 1), event)


def _ids(application: Application) -> dict[str, UUID]:
    return {
        "application_id": application.application_id,
        "bazaar_id": application.bazaar_id,
        "vendor_id": application.vendor_id,
    }
