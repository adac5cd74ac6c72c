"""The timer that has places of a course looked at for those who wait; `seating` does the looking."""

from datetime import datetime

from shared.db import Connection
from shared.ids import new_id
from shared.timers import set_timer

__all__ = ["PROMOTE", "look_for_places"]

PROMOTE = "training-promote"
"""Kind of the timer that gives free places of a course to those who wait, keyed `<course>/<any id>`: after what frees
places, or changes who may have them, without knowing of which class.
"""


async def look_for_places(conn: Connection, course: str, *, now: datetime) -> None:
    """Have the timer `PROMOTE` look at this course at once. No lock is taken or waited for."""
    # each time a timer of its own: one that is being worked off waits for the queue, and whoever holds that queue must
    # not wait for the timer
    await set_timer(conn, PROMOTE, f"{course}/{new_id()}", now)
