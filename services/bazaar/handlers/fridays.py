"""Product groups in turn: which groups there are, and which one an occurrence is announced with."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.bazaar.domain import fridays as domain
from services.bazaar.domain.bazaar import Bazaar
from services.bazaar.domain.fridays import Rotation, SetGroups
from services.bazaar.store import fridays as store
from shared.clock import day_in_jakarta
from shared.db import Connection


async def set_groups(conn: Connection, series_id: UUID, command: SetGroups, *, now: datetime) -> Rotation:
    """These groups take turns, from the first one on or when those before have gone round."""
    await store.lock_turns(conn, series_id)
    rotations = await store.find_rotations(conn, series_id)
    rotation = domain.set_groups(command, rotations, await store.find_occurrences(conn, series_id))
    await store.save_rotation(conn, series_id, rotation, now=now)
    return rotation


async def fix_group(conn: Connection, bazaar: Bazaar, *, now: datetime) -> Bazaar:
    """Give a bazaar that is being announced its turn, and admit the vendors of the group whose turn it is.

    The bazaar is locked. One of no series, or of a series without groups, stays as it is; so does one that was
    announced at this moment, which has its turn.
    """
    if bazaar.state not in ("draft", "tentative"):
        return bazaar
    if bazaar.series_id is None or not (rotations := await store.find_rotations(conn, bazaar.series_id)):
        return bazaar
    await store.lock_turns(conn, bazaar.series_id)
    rotations = await store.find_rotations(conn, bazaar.series_id)
    occurrences = await store.find_occurrences(conn, bazaar.series_id)
    turn, group = domain.take_turn(bazaar.bazaar_id, bazaar.days[0], rotations, occurrences, day_in_jakarta(now))
    policy = domain.admitting(bazaar.policy, group)
    await store.add_turn(conn, bazaar.series_id, bazaar.bazaar_id, turn, group, now=now)
    await store.save_policy(conn, bazaar.bazaar_id, policy)
    return replace(bazaar, policy=policy)
