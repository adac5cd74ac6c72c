"""Where people stand, from what bazaar and training tell: kept so that answers can be given at once."""

from collections.abc import Sequence
from datetime import datetime

from services.notify.domain.standings import change_of, class_change_of
from services.notify.store import replies, standings
from services.notify.store.erasures import PEOPLE
from shared import families
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.bazaar import ApplicationEvent, BoothAssigned, BoothConfirmed, BoothDeclined
from shared.events.training import TraineeEvent


async def note_applications(
    conn: Connection, events: Sequence[tuple[ApplicationEvent, datetime]], *, now: datetime
) -> None:
    """Remember where applications stand; `events` are of one type, in order, each with when it happened.

    What bazaar made of an answer settles it: nothing is waited for any more.
    """
    await families.share_people(conn, PEOPLE)
    changes = {event.application_id: change_of(event, happened_at) for event, happened_at in events}
    await standings.save_changes(conn, changes.values(), day_in_jakarta(now), now)
    concerned = list(changes)
    kind = type(events[0][0])
    if issubclass(kind, BoothConfirmed):
        await replies.settle_offer_answers(conn, concerned, ["accept"], "done", now)
    elif issubclass(kind, BoothDeclined):
        await replies.settle_offer_answers(conn, concerned, ["decline"], "done", now)
    elif issubclass(kind, BoothAssigned):  # another offer: what was answered to the one before is over
        await replies.settle_offer_answers(conn, concerned, ["accept", "decline"], "superseded", now)


async def note_classes(conn: Connection, events: Sequence[TraineeEvent]) -> None:
    """Remember in which classes people have places; `events` are of one type, in order."""
    await families.share_people(conn, PEOPLE)
    changes = [change for event in events if (change := class_change_of(event)) is not None]
    await standings.save_classes(conn, {(one.vendor_id, one.class_id): one for one in changes}.values())
