"""Routing: what is planned gets its channel, its moment, or its end."""

from collections.abc import Sequence
from datetime import datetime

from services.notify.domain.delivery import cancel
from services.notify.domain.routing import Rules
from services.notify.handlers import digests
from services.notify.handlers.delivery import save_settlements
from services.notify.handlers.recipients import apply_all, decide_all
from services.notify.store import broadcasts, pauses, routing
from services.notify.store.routing import Planned
from shared.crypto import Sealer
from shared.db import Connection

ROWS_MAX = 500


async def route_planned(conn: Connection, *, rules: Rules, sealer: Sealer, limit: int = ROWS_MAX, now: datetime) -> int:
    """Route what is planned, the most urgent first; what waited for a moment that has come is planned again, and what
    waited for a digest is gathered once nothing else is to be done. How many messages were moved on.

    Any number of replicas may do this at once: what one holds the others pass over.
    """
    await pauses.share_pauses(conn)
    woken = await routing.wake_deferred(conn, limit, now)
    planned = await routing.lock_planned(conn, limit, now)
    going = await _halt(conn, planned, now)
    await apply_all(conn, await decide_all(conn, going, rules=rules, sealer=sealer, now=now), now)
    gathered = 0
    if len(planned) < limit:
        gathered = await digests.gather(conn, rules=rules, sealer=sealer, now=now)
    return woken + len(planned) + gathered


async def _halt(conn: Connection, planned: Sequence[Planned], now: datetime) -> list[Planned]:
    """Those of these messages that go on: of a broadcast or a template that is paused they are held, of a stopped
    broadcast cancelled, whatever made them planned since (a card that came, a channel that failed).
    """
    if not planned:
        return []
    paused = await pauses.find_paused(conn)
    of_broadcasts = {one.broadcast_id for one in planned if one.broadcast_id is not None}
    halted = await broadcasts.share_halted(conn, sorted(of_broadcasts)) if of_broadcasts else {}
    stopped, held, going = [], [], []
    for one in planned:
        state = None if one.broadcast_id is None else halted.get(one.broadcast_id)
        if state == "stopped":
            stopped.append(cancel(one.standing))
        elif state == "paused" or one.case.template in paused:
            held.append(one.case.id)
        else:
            going.append(one)
    if held:
        await routing.hold(conn, held)
    await save_settlements(conn, stopped, now)
    return going
