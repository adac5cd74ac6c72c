"""Swaps of booths: propose, agree or not, approve or not, and void what stands no longer.

Each step holds the bazaar, so that no booth changes hands meanwhile, then the swap, then the applications.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from services.bazaar.domain import swaps as domain
from services.bazaar.domain.application import Application, ApplicationUnknown
from services.bazaar.domain.bazaar import Bazaar
from services.bazaar.domain.offers import JUST_AFTER
from services.bazaar.domain.rotation import groups_limited
from services.bazaar.domain.swaps import Because, ProposeSwap, Swap, SwapDeclinedBefore, SwapNotOpen, SwapUnknown
from services.bazaar.handlers import tickets
from services.bazaar.handlers.applications import keep
from services.bazaar.store import applications, bazaars
from services.bazaar.store import growth as days
from services.bazaar.store import swaps as store
from services.bazaar.store.numbering import find_offers_of_stands
from shared.db import Connection
from shared.timers import set_timer

LAPSE = "swap-lapse"
"""Kind of the timer that ends a swap on which nobody decided in time; its key is the swap."""


async def propose_swap(
    conn: Connection, application_id: UUID, command: ProposeSwap, *, swap_id: UUID, now: datetime
) -> Swap:
    """A vendor would like another booth of its bazaar; who has it is told."""
    found = await applications.find_application(conn, application_id)
    bazaar = await bazaars.lock_bazaar(conn, found.bazaar_id)
    holder = await applications.find_holder(conn, bazaar.bazaar_id, command.site_id, command.booth)
    wanted = [application_id] if holder is None else [application_id, holder.application_id]
    locked = {one.application_id: one for one in await applications.lock_applications(conn, wanted)}
    other = None if holder is None else locked[holder.application_id]
    swap, step = domain.propose(bazaar, locked[application_id], other, swap_id=swap_id, now=now)
    if await store.was_declined(conn, application_id, swap.other_id):
        raise SwapDeclinedBefore("This vendor has declined to swap with you before.")
    await store.add_swap(conn, swap)
    await keep(conn, [step], now=now)
    await _set_timer(conn, swap)
    return swap


async def accept_swap(conn: Connection, swap_id: UUID, *, now: datetime) -> Swap:
    """The other vendor agrees."""
    _, swap = await _lock(conn, swap_id)
    after = domain.accept(swap, now)
    await _require_stands(conn, swap)
    await store.save_swap(conn, after)
    await _set_timer(conn, after)
    return after


async def decline_swap(conn: Connection, swap_id: UUID, *, now: datetime) -> Swap:
    """The other vendor does not want to."""
    return await _end(conn, swap_id, domain.decline, "declined", now=now, tell_other=False)


async def withdraw_swap(conn: Connection, swap_id: UUID, *, now: datetime) -> Swap:
    """The vendor that proposed it wants it no longer."""
    return await _end(conn, swap_id, domain.withdraw, "withdrawn", now=now, tell_proposer=False)


async def refuse_swap(conn: Connection, swap_id: UUID, *, now: datetime) -> Swap:
    """An officer does not approve."""
    return await _end(conn, swap_id, domain.refuse, "not-approved", now=now)


async def lapse_swap(conn: Connection, key: str, now: datetime) -> None:
    """Timer: nobody answered, or no officer decided, in time. Nothing, where the swap went with an erased person."""
    try:
        bazaar, swap = await _lock(conn, UUID(key))
    except SwapUnknown:
        return
    if swap.state in domain.OPEN and now > domain.until(swap):
        await store.save_swap(conn, domain.lapse(swap, now))
        await _tell(conn, bazaar, swap, [swap.proposer_id, swap.other_id], "lapsed", now=now)


async def approve_swap(conn: Connection, swap_id: UUID, *, now: datetime) -> Swap:
    """An officer approves: both booths change hands at once, and the turns go to the days of the new booths."""
    bazaar, swap = await _lock(conn, swap_id)
    proposer, other = await _require_stands(conn, swap)
    limited = groups_limited(bazaar)
    seated = await applications.count_seated(conn, bazaar.bazaar_id, limited) if limited else []
    offering = await find_offers_of_stands(conn, bazaar.bazaar_id)
    swapped = domain.approve(swap, bazaar, proposer, other, seated, offering, now)
    await applications.leave_booth(conn, other.application_id)
    await keep(conn, [swapped.proposer], now=now)
    await keep(conn, [swapped.other], now=now)
    after = [swapped.proposer.after, swapped.other.after]
    await days.remove_added_days(conn, [one.application_id for one in after])
    await applications.save_turn_days(
        conn, [(one.application_id, bazaar.site(one.offer.site_id).days[-1]) for one in after if one.offer is not None]
    )
    await tickets.issue(conn, after, now=now)
    await store.save_swap(conn, swapped.swap)
    await void_swaps(conn, bazaar, [one.application_id for one in after], now=now)
    return swapped.swap


async def void_swaps(conn: Connection, bazaar: Bazaar, gone: Sequence[UUID], *, now: datetime) -> None:
    """These applications have not the booth any more that they had: open swaps with them are void, and whoever wanted
    to swap with them hears. The bazaar is locked."""
    for swap in await store.lock_open_of(conn, gone):
        await store.save_swap(conn, domain.void(swap, now))
        left = [one for one in (swap.proposer_id, swap.other_id) if one not in gone]
        await _tell(conn, bazaar, swap, left, "booth-gone", now=now)


async def reschedule_swaps(conn: Connection, bazaar: Bazaar) -> None:
    """The bazaar was moved: open swaps have until the evening before the new first day. The bazaar is locked."""
    for swap in await store.lock_open_of_bazaar(conn, bazaar.bazaar_id):
        after = domain.reschedule(swap, bazaar)
        await store.save_swap(conn, after)
        await _set_timer(conn, after)


async def _lock(conn: Connection, swap_id: UUID) -> tuple[Bazaar, Swap]:
    found = await store.find_swap(conn, swap_id)
    bazaar = await bazaars.lock_bazaar(conn, found.bazaar_id)
    return bazaar, await store.lock_swap(conn, swap_id)


async def _require_stands(conn: Connection, swap: Swap) -> tuple[Application, Application]:
    locked = {
        one.application_id: one for one in await applications.lock_applications(conn, [swap.proposer_id, swap.other_id])
    }
    if len(locked) < 2:
        raise ApplicationUnknown("There is no such application.")
    proposer, other = locked[swap.proposer_id], locked[swap.other_id]
    if swap.state in domain.OPEN and not domain.stands(swap, proposer, other):
        raise SwapNotOpen("One of the two vendors does not have that booth any more; nothing can be swapped.")
    return proposer, other


async def _end(
    conn: Connection,
    swap_id: UUID,
    decide: Callable[[Swap, datetime], Swap],
    because: Because,
    *,
    now: datetime,
    tell_proposer: bool = True,
    tell_other: bool = True,
) -> Swap:
    bazaar, swap = await _lock(conn, swap_id)
    after = decide(swap, now)
    await store.save_swap(conn, after)
    concerned = [swap.proposer_id] * tell_proposer + [swap.other_id] * tell_other
    await _tell(conn, bazaar, swap, concerned, because, now=now)
    return after


async def _tell(
    conn: Connection, bazaar: Bazaar, swap: Swap, concerned: Sequence[UUID], because: Because, *, now: datetime
) -> None:
    locked = await applications.lock_applications(conn, concerned)
    await keep(conn, [domain.tell_refused(one, bazaar, swap, because) for one in locked], now=now)


async def _set_timer(conn: Connection, swap: Swap) -> None:
    await set_timer(conn, LAPSE, str(swap.swap_id), domain.until(swap) + JUST_AFTER)
