"""What becomes of those who asked for a course when its classes open, fill and are cancelled.

Each locks rows of requests and nothing after: call it once the trainees concerned are locked.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from services.training.domain.classes import TrainingClass
from services.training.store import demand as store
from shared import families
from shared.db import Connection

__all__ = ["close_requests", "find_requesters", "give_back", "invite_requesters"]


async def find_requesters(conn: Connection, opened: TrainingClass) -> list[UUID]:
    """Who is invited before anybody else to a class that opens: those for whom it was prepared and those of its area
    who asked for the course, each person once, in the order in which they asked.
    """
    people: dict[UUID, UUID] = {}
    for request in await store.find_requesters(conn, opened.class_id, opened.course, opened.area):
        people.setdefault(request.person_id, request.vendor_id)
    return list(people.values())


async def invite_requesters(
    conn: Connection, opened: TrainingClass, invited: Collection[UUID], *, now: datetime
) -> None:
    """A class opened and these vendors are invited to it. Others for whom it was prepared wait again."""
    persons = await families.find_persons(conn, list(invited))
    people = {persons.get(vendor_id, vendor_id) for vendor_id in invited}
    requests = await store.find_requesters(conn, opened.class_id, opened.course, opened.area)
    theirs = [request.request_id for request in requests if request.person_id in people]
    await store.save_invited(conn, opened.class_id, theirs, now=now)


async def give_back(conn: Connection, class_id: UUID, *, now: datetime) -> None:
    """A class is not held: whoever it was prepared for, or was invited and took no place, waits again in its order."""
    await store.give_back(conn, class_id, ["drafted", "invited"], now=now)


async def close_requests(conn: Connection, course: str, vendor_ids: Collection[UUID], *, now: datetime) -> None:
    """These vendors have a place in a class of the course: what they asked for, under any of their ids, is done."""
    await store.save_done(conn, course, list(vendor_ids), now=now)
