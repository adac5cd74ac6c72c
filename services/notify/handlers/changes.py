"""People change while messages to them wait: other addresses, other wishes, one person instead of two, or none.

What has not begun to leave is decided anew by the router, in the words of the moment: nothing leaves on grounds that no
longer hold. A digest is taken apart, and made again from what may still be told. What is being handed over at that very
moment is marked, and decided anew should it come back. What ended already stays ended: nothing is revived.

Locks are taken in one order: the people of this service, the person, messages by their ids, those told within digests
last. What was being planned or gathered at that very moment may have missed the change, so a timer looks once more.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.notify.domain.delivery import UNSENT, Settlement, Standing, cancel
from services.notify.domain.doubles import SAME_PERSON, superfluous
from services.notify.store import changes, delivery, intents, routing, wishes
from services.notify.store.changes import CardChange
from services.notify.store.erasures import PEOPLE
from shared import families
from shared.db import Connection
from shared.events.vendor import VendorMerged
from shared.outbox import Fact, record
from shared.timers import set_timer

ROUTE_ANEW = "wishes.route-anew"

AGAIN = timedelta(seconds=1)

REMADE = "digest-remade"
"""Why a digest is cancelled: its messages are told in another one, or by themselves."""


async def reconsider(
    conn: Connection, vendor_ids: Collection[UUID], locked: Sequence[UUID], *, now: datetime, often: bool = False
) -> None:
    """Have what waits for these vendors decided anew; `locked`: their messages (`changes.lock_messages`). `often`: how
    often digests come to them has changed too.
    """
    await routing.route_anew(conn, locked, digests_after=now if often else None)
    await changes.mark(conn, locked)
    await take_apart(conn, vendor_ids, now=now)
    for vendor_id in sorted(vendor_ids):
        await set_timer(conn, ROUTE_ANEW, str(vendor_id), now)


async def route_anew(conn: Connection, key: str, now: datetime) -> None:
    """Timer: what a person's messages missed of its last word. What somebody holds is looked at a little later."""
    members = (await wishes.find_members(conn, [UUID(key)]))[UUID(key)]
    ids, has_messages = await routing.lock_open(conn, members)
    await routing.route_anew(conn, ids)
    has_digests = await take_apart(conn, members, now=now)
    if not (has_messages and has_digests):
        await set_timer(conn, ROUTE_ANEW, key, now + AGAIN)


async def take_apart(conn: Connection, vendor_ids: Collection[UUID], *, now: datetime) -> bool:
    """Cancel the digests that tell of messages to these vendors and have not begun to leave; their messages wait for
    one once more. Whether none was held by somebody else.
    """
    digests, is_all = await changes.lock_digests(conn, vendor_ids)
    await _dissolve(conn, digests, now)
    return is_all


async def heed_marks(conn: Connection, notification_ids: Sequence[UUID], *, now: datetime) -> None:
    """Messages that are locked and came back from an attempt: whose person changed meanwhile is decided anew."""
    marked = await changes.take_marks(conn, notification_ids)
    if marked:
        await routing.route_anew(conn, marked)
        await _dissolve(conn, await changes.find_digests(conn, marked), now)


async def _dissolve(conn: Connection, digests: Sequence[Standing], now: datetime) -> None:
    if digests:
        await changes.free_children(conn, [one.id for one in digests])
        await _cancel(conn, [cancel(one, REMADE) for one in digests], now)


async def _cancel(conn: Connection, cancelled: Sequence[Settlement], now: datetime) -> None:
    """Not through the delivery's own way: nothing shares the fate of these."""
    await delivery.save_settlements(conn, cancelled, now)
    await record(conn, [Fact(event, one.version) for one in cancelled for event in one.events], now=now)


# --- cards


async def follow_cards(
    conn: Connection, vendor_ids: Collection[UUID], news: Sequence[CardChange], *, now: datetime
) -> None:
    """The cards of these vendors are kept: what waited for one is routed. Some (`news`) say something else than before:
    what waits goes by them.
    """
    changed = [one.vendor_id for one in news]
    locked = await changes.lock_messages(conn, changed, waiting=vendor_ids)
    await intents.release_waiting(conn, locked)
    if news:
        await reconsider(conn, changed, locked, now=now)
        await changes.widen_routes(conn, locked, news)


# --- people


async def remember_merges(conn: Connection, events: Sequence[VendorMerged], *, now: datetime) -> None:
    """Registrations are one person: its words hold for all of its ids, and what two of them were to be told leaves
    once, as far as it has not left twice already.
    """
    await families.remember_merges(conn, PEOPLE, events)
    persons = await families.find_persons(conn, [event.vendor_id for event in events])
    members = await wishes.find_members(conn, set(persons.values()))
    of_person = {one: person for person, ids in members.items() for one in ids if len(ids) > 1}
    if not of_person:
        return
    locked = await changes.lock_messages(conn, of_person)
    await reconsider(conn, list(of_person), locked, now=now)
    twins = superfluous(await changes.find_twins(conn, of_person, now))
    # locked only now: a message that had left, and failed since, may be leaving by its next channel
    standings = [one for one, _ in await delivery.lock_attempted(conn, twins) if one.state in UNSENT]
    await _cancel(conn, [cancel(one, SAME_PERSON) for one in standings], now)


async def forget_merges(conn: Connection, vendor_ids: Collection[UUID], *, now: datetime) -> None:
    """They are not one person, after all: no digest tells one of the other. What was cancelled stays so."""
    await families.lock_people(conn, PEOPLE)
    members = {one for ids in (await wishes.find_members(conn, vendor_ids)).values() for one in ids}
    if await families.part(conn, PEOPLE, vendor_ids):
        locked = await changes.lock_messages(conn, members)
        await reconsider(conn, members, locked, now=now)
