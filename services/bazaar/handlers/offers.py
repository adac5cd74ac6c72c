"""Offers: remind, confirm, decline, release, lapse, and the next in rotation."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.bazaar.domain import application as domain
from services.bazaar.domain import offers as timing
from services.bazaar.domain.application import Application, ApplicationUnknown, Offer, Step
from services.bazaar.domain.bazaar import Bazaar, answer_until
from services.bazaar.domain.growth import sites_named_by
from services.bazaar.domain.offers import JUST_AFTER
from services.bazaar.domain.rotation import RoundSoFar, front_decides, groups_limited, promote
from services.bazaar.handlers import tickets
from services.bazaar.handlers.applications import keep
from services.bazaar.handlers.swaps import void_swaps
from services.bazaar.store import applications as store
from services.bazaar.store import bazaars, rounds
from services.bazaar.store.numbering import find_offers_of_stands
from shared import families
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.bazaar import OfferResponseRefused, RespondToOffer
from shared.outbox import Fact, record
from shared.timers import set_timer

LAPSE = "offers-lapse"
"""Kind of the timer that lets unanswered offers lapse; its key is `<bazaar>/<deadline>`."""

REMIND = "offers-remind"
"""Kind of the timer that reminds of offers without an answer; its key is `<bazaar>/<moment>`."""

FRONT_OF_QUEUE = 100
"""So many and two for each booth are read of a queue of tens of thousands, where nobody behind them can matter."""


async def confirm_booth(conn: Connection, application_id: UUID, *, now: datetime) -> None:
    """The vendor takes the booth. It counts as a turn from now on, whether the vendor comes or not.

    The bazaar is shared, so that it is neither moved nor cancelled meanwhile.
    """
    found = await store.find_application(conn, application_id)
    bazaar = await bazaars.share_bazaar(conn, found.bazaar_id)
    application = await store.lock_application(conn, application_id)
    step = domain.confirm(application, bazaar, now)
    assert step.after.offer is not None
    day = bazaar.site(step.after.offer.site_id).days[-1]
    await store.add_turns(conn, [store.Turn(application_id, application.vendor_id, day)])
    await keep(conn, [step], now=now)
    await tickets.issue(conn, [step.after], now=now)


async def decline_booth(conn: Connection, application_id: UUID, *, now: datetime) -> None:
    """The vendor gives the booth back; the next in rotation is offered it in the same transaction."""
    found = await store.find_application(conn, application_id)
    bazaar = await bazaars.lock_bazaar(conn, found.bazaar_id)
    application = await store.lock_application(conn, application_id)
    await keep(conn, [domain.decline(application, bazaar, now)], now=now)
    await offer_free_booths(conn, bazaar, now=now)


async def release_booth(conn: Connection, application_id: UUID, *, now: datetime) -> bool:
    """The vendor gives a confirmed booth back; the next in rotation is offered it in the same transaction.

    True when it came too late to cost nothing: the turn stays.
    """
    found = await store.find_application(conn, application_id)
    bazaar = await bazaars.lock_bazaar(conn, found.bazaar_id)
    application = await store.lock_application(conn, application_id)
    step, costs_turn = timing.release(application, bazaar, now)
    if not costs_turn:
        await store.remove_turns(conn, [application_id])
    await keep(conn, [step], now=now)
    await void_swaps(conn, bazaar, [application_id], now=now)
    await offer_free_booths(conn, bazaar, now=now)
    return costs_turn


async def remind_of_offers(conn: Connection, key: str, now: datetime) -> None:
    """Timer: offers of this bazaar lapse soon. Those still without an answer are reminded of, each once."""
    bazaar = await bazaars.share_bazaar(conn, UUID(key.partition("/")[0]))
    await keep(
        conn,
        [timing.remind(application, bazaar) for application in await store.lock_to_remind(conn, bazaar.bazaar_id, now)],
        now=now,
    )


async def lapse_offers(conn: Connection, key: str, now: datetime) -> None:
    """Timer: a deadline has passed. Offers of this bazaar without an answer lapse, the next in rotation are offered."""
    bazaar = await bazaars.lock_bazaar(conn, UUID(key.partition("/")[0]))
    await lapse_expired(conn, bazaar, now=now)
    await offer_free_booths(conn, bazaar, now=now)


async def lapse_expired(conn: Connection, bazaar: Bazaar, *, now: datetime) -> None:
    """Let every offer past its deadline lapse, each costing the turn it blocked. The bazaar is locked."""
    expired = await store.lock_expired_offers(conn, bazaar.bazaar_id, now)
    await store.add_turns(conn, [_lapsed_turn(application) for application in expired])
    await keep(conn, [domain.lapse(application, bazaar) for application in expired], now=now)


def _lapsed_turn(application: Application) -> store.Turn:
    assert application.offer is not None
    return store.Turn(application.application_id, application.vendor_id, day_in_jakarta(application.offer.respond_by))


async def offer_free_booths(conn: Connection, bazaar: Bazaar, *, now: datetime) -> None:
    """Offer every booth that nobody holds to the next in rotation. The bazaar is locked.

    Nothing happens before the round is published, nor at a site so late that nobody could answer in time.
    """
    if bazaar.state != "allocated":
        return
    in_time = {site.site_id for site in bazaar.sites if answer_until(bazaar, now, site) is not None}
    free = {
        site_id: numbers
        for site_id, numbers in (await bazaars.find_free_booths(conn, bazaar.bazaar_id)).items()
        if site_id in in_time
    }
    if not free:
        return
    booths = sum(map(len, free.values()))
    front = FRONT_OF_QUEUE + 2 * booths if front_decides(bazaar, free) else None
    steps = await _promotions(conn, bazaar, free, front, now=now)
    if front is not None and len(steps) < booths:
        # caps kept booths from those in front, or the queue ends there
        steps = await _promotions(conn, bazaar, free, None, now=now)
    await keep(conn, steps, now=now)
    await set_offer_timers(conn, bazaar, [step.after.offer for step in steps if step.after.offer])


async def _promotions(
    conn: Connection, bazaar: Bazaar, free: Mapping[str, Sequence[str]], front: int | None, *, now: datetime
) -> list[Step]:
    """Offers of these free booths to those who are next; with `front`, of so many at the front of the queue."""
    waiting = await store.find_waiting(conn, bazaar.bazaar_id, sites_named_by(bazaar, free), front)
    if not waiting:
        return []
    limited = groups_limited(bazaar)
    seated = await store.count_seated(conn, bazaar.bazaar_id, limited) if limited else []
    so_far = await round_so_far(conn, bazaar) if bazaar.policy.groups_in_turn else None
    # in a thread: where groups take turns the whole problem is read again, and the event loop would stand still
    persons = await families.find_persons(conn, [application.vendor_id for application in waiting])
    stands = await find_offers_of_stands(conn, bazaar.bazaar_id)
    promotions = await asyncio.to_thread(promote, bazaar, free, seated, waiting, so_far, persons, stands)
    by_id = {application.application_id: application for application in waiting}
    offers = [timing.make_offer(bazaar, one.site_id, one.booth, now, promoted=True) for one in promotions]
    return [domain.offer(by_id[one.application_id], bazaar, made) for one, made in zip(promotions, offers, strict=True)]


async def round_so_far(conn: Connection, bazaar: Bazaar) -> RoundSoFar:
    """What the turns of groups follow from. The bazaar is locked."""
    problem = await rounds.find_problem(conn, bazaar.bazaar_id, bazaar.round)
    return RoundSoFar(problem, await store.find_turned(conn, bazaar.bazaar_id))


async def release_erased(conn: Connection, bazaar: Bazaar, *, now: datetime) -> None:
    """Give back what erased people have not used of this bazaar, and offer it on. The bazaar is locked.

    A booth that was confirmed costs no turn then: whoever is offered it has the turn. Where it is too late for that the
    booth stays, but nobody is left to swap with.
    """
    concerned = await store.lock_of_erased(conn, bazaar.bazaar_id)
    left = [step for application in concerned if (step := domain.leave(application, bazaar, now)) is not None]
    if left:
        await store.remove_turns(conn, [step.after.application_id for step in left])
        await keep(conn, left, now=now)
    await void_swaps(conn, bazaar, [application.application_id for application in concerned], now=now)
    if left:
        await offer_free_booths(conn, bazaar, now=now)


async def set_offer_timers(conn: Connection, bazaar: Bazaar, offers: Collection[Offer]) -> None:
    """Have offers reminded of, and lapse when their deadline has passed: one timer for all with the same moment."""
    for respond_by in {offer.respond_by for offer in offers}:
        await set_timer(conn, LAPSE, f"{bazaar.bazaar_id}/{respond_by.isoformat()}", respond_by + JUST_AFTER)
    for moment in {offer.remind_at for offer in offers if offer.remind_at is not None}:
        await set_timer(conn, REMIND, f"{bazaar.bazaar_id}/{moment.isoformat()}", moment)


async def set_round_timers(conn: Connection, bazaar: Bazaar, *, now: datetime) -> None:
    """The same for the offers that a round makes now: those of one site have one deadline."""
    in_time = [site for site in bazaar.sites if answer_until(bazaar, now, site) is not None]
    offers = [timing.make_offer(bazaar, site.site_id, "", now, promoted=False) for site in in_time]
    await set_offer_timers(conn, bazaar, offers)


async def respond_to_offers(conn: Connection, commands: Sequence[RespondToOffer], *, now: datetime) -> None:
    """Answers that another service brings, in order. Every bazaar and application concerned is locked first, in the
    order of ids, so that batches and single requests cannot wait for one another in a circle."""
    concerned = sorted({command.application_id for command in commands})
    for bazaar_id in await store.find_bazaar_ids(conn, concerned):
        await bazaars.lock_bazaar(conn, bazaar_id)
    await store.lock_applications(conn, concerned)
    for command in commands:
        await _respond(conn, command, now=now)


async def _respond(conn: Connection, command: RespondToOffer, *, now: datetime) -> None:
    application = await store.find_application(conn, command.application_id)
    if application.vendor_id != command.vendor_id:
        raise ApplicationUnknown("This vendor has no such application.")
    answers = {"confirm": confirm_booth, "decline": decline_booth}
    await answers[command.answer](conn, command.application_id, now=now)


async def refuse_response(
    conn: Connection, command_id: UUID, application_id: UUID, code: str, reason: str, *, now: datetime
) -> None:
    """Tell whoever sent a `RespondToOffer` why it was refused."""
    event = OfferResponseRefused(command_id=command_id, application_id=application_id, code=code, reason=reason)
    await record(conn, [Fact(event, 1)], now=now)
