"""Broadcasts are drafted, submitted, approved, run and ended. Whoever changes one holds its row."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.notify.domain import broadcasts as domain
from services.notify.domain import delivery as lives
from services.notify.domain.broadcasts import (
    Act,
    ApproveBroadcast,
    Broadcast,
    BroadcastNotIn,
    DraftBroadcast,
    EndBroadcast,
    ListMissing,
    Moved,
)
from services.notify.domain.templates import check_values
from services.notify.handlers import forecasts, templates
from services.notify.handlers.audiences import find_choice
from services.notify.handlers.delivery import save_settlements
from services.notify.handlers.forecasts import Means
from services.notify.plans import Lane
from services.notify.store import audiences, delivery
from services.notify.store import broadcasts as store
from services.notify.store.audiences import Progress
from services.notify.store.broadcasts import Done
from services.notify.store.erasures import PEOPLE
from shared import families
from shared.crypto import Sealer
from shared.db import Connection
from shared.ids import new_id
from shared.outbox import Fact, record

AHEAD_MAX = 5_000
"""Messages planned ahead of those that left, on each channel: so pausing and stopping have little to take back."""

CHUNK_PEOPLE = 1_000
CANCELLED_ROWS = 500

ENDED = ("sent", "delivered", "rejected", "expired", "cancelled", "unknown")


class Actor(NamedTuple):
    """Who does something: the subject of its token (None: time), and what it writes is sealed by."""

    by: str | None
    sealer: Sealer | None


TIME = Actor(None, None)


# --- steps that people take


async def draft(conn: Connection, command: DraftBroadcast, actor: Actor, *, now: datetime) -> Broadcast:
    """Write down what is to be told to whom. Raises `BroadcastUnfit`, `TemplateNotFound`, `TemplateNotSendable`,
    `ParametersWrong`.
    """
    one = await _drafted(conn, command, actor.by or "", now)
    await store.add_broadcast(conn, one)
    await _note(conn, one, "draft", actor, None, now)
    return one


async def _drafted(conn: Connection, command: DraftBroadcast, by: str, now: datetime) -> Broadcast:
    sendable = await templates.find_sendable(conn, command.template)
    params = check_values(sendable.parameters, command.params)
    return domain.draft(new_id(), command, params, by=by, now=now)


async def foresee(
    conn: Connection, command: DraftBroadcast, means: Means, *, sealer: Sealer, now: datetime
) -> tuple[dict[str, int], forecasts.Foreseen]:
    """How many people a draft would reach by channel, and when; nothing is written."""
    one = await _drafted(conn, command, "", now)
    version = (await templates.find_sendable(conn, one.template)).version
    choice = await find_choice(conn, one, version, means.channels, sealer=sealer, now=now)
    counts = await audiences.count_people(conn, one, choice)
    return counts, await _foreseen(conn, one, counts, means, now)


async def foresee_rest(
    conn: Connection, one: Broadcast, ways: Sequence[Progress], means: Means, *, now: datetime
) -> forecasts.Foreseen | None:
    """When the rest of a broadcast will have left, as it looks now; None where nothing is going on."""
    if one.state not in ("submitted", "running", "paused"):
        return None
    ahead = dict(await audiences.count_ahead(conn, one.broadcast_id))
    undecided = ahead.pop(None, 0)
    own = {channel: count for channel, count in ahead.items() if channel is not None}
    rest = {way.channel: way.recipients - way.expanded + own.get(way.channel, 0) for way in ways}
    if rest and undecided:
        rest[max(rest, key=lambda channel: rest[channel])] += undecided
    return await forecasts.foresee(
        conn, rest, means, not_before=one.not_before, deadline=one.deadline, own=own, now=now
    )


async def list_people(
    conn: Connection, broadcast_id: UUID, vendor_ids: Sequence[UUID], actor: Actor, *, now: datetime
) -> tuple[int, set[UUID]]:
    """Give a draft its list; how many people it has now, and which ids are nobody's of its areas. Raises
    `BroadcastNotIn`, `ListMissing`.
    """
    one = await store.lock_broadcast(conn, broadcast_id)
    if one.state != "draft":
        raise BroadcastNotIn(f"This broadcast is {one.state}; only a draft gets a list.", state=one.state)
    if not one.by_list:
        raise ListMissing("This broadcast goes by areas; draft one with by_list to use a list.")
    await families.share_people(conn, PEOPLE)
    unknown = await audiences.replace_listed(conn, broadcast_id, vendor_ids, one.areas)
    await _note(conn, one, "list", actor, None, now)
    return await audiences.count_listed(conn, broadcast_id), unknown


async def submit(conn: Connection, broadcast_id: UUID, actor: Actor, means: Means, *, now: datetime) -> Broadcast:
    """Fix its words and its people, foresee, and have it approved; to few people it begins at once."""
    one = await store.lock_broadcast(conn, broadcast_id)
    if one.state != "draft":
        raise BroadcastNotIn(f"This broadcast is {one.state}; only a draft is submitted.", state=one.state)
    if one.by_list and not await audiences.count_listed(conn, broadcast_id):
        raise ListMissing(
            "This broadcast goes by a list and has none; give it one first (POST .../list or .../list-file)."
        )
    sendable = await templates.find_sendable(conn, one.template)
    one = replace(one, params=check_values(sendable.parameters, one.params))
    await families.share_people(conn, PEOPLE)
    assert actor.sealer is not None
    choice = await find_choice(conn, one, sendable.version, means.channels, sealer=actor.sealer, now=now)
    counts, digest = await audiences.fix_people(conn, one, choice)
    moved = domain.submit(
        one,
        template_version=sendable.version,
        recipients=sum(counts.values()),
        audience_sha256=digest,
        approval_over=means.approval_over,
        by=actor.by or "",
        now=now,
    )
    await _keep(conn, moved, "submit", actor, None, now)
    foreseen = await _foreseen(conn, one, counts, means, now)
    await store.save_forecast(conn, broadcast_id, forecasts.summary(foreseen))
    return moved.broadcast


async def approve(
    conn: Connection, broadcast_id: UUID, command: ApproveBroadcast, actor: Actor, *, now: datetime
) -> Broadcast:
    """A second person agrees: it begins."""
    one = await store.lock_broadcast(conn, broadcast_id)
    moved = domain.approve(one, command, by=actor.by or "", now=now)
    return await _keep(conn, moved, "approve", actor, None, now)


async def reject(
    conn: Connection, broadcast_id: UUID, command: EndBroadcast, actor: Actor, *, now: datetime
) -> Broadcast:
    """Not agreed to, or taken back: it is a draft again."""
    moved = domain.reject(await store.lock_broadcast(conn, broadcast_id))
    await audiences.drop_people(conn, broadcast_id)
    await store.save_forecast(conn, broadcast_id, None)
    return await _keep(conn, moved, "reject", actor, command.reason, now)


async def pause(
    conn: Connection, broadcast_id: UUID, command: EndBroadcast, actor: Actor, *, now: datetime
) -> Broadcast:
    """What has not begun to leave waits from now on."""
    moved = domain.pause(await store.lock_broadcast(conn, broadcast_id))
    await _keep(conn, moved, "pause", actor, command.reason, now)
    await audiences.hold(conn, broadcast_id)
    return moved.broadcast


async def resume(
    conn: Connection, broadcast_id: UUID, command: EndBroadcast, actor: Actor, *, now: datetime
) -> Broadcast:
    """It goes on where it was."""
    moved = domain.resume(await store.lock_broadcast(conn, broadcast_id))
    await _keep(conn, moved, "resume", actor, command.reason, now)
    await audiences.release(conn, broadcast_id)
    return moved.broadcast


async def stop(
    conn: Connection, broadcast_id: UUID, command: EndBroadcast, actor: Actor, *, now: datetime
) -> Broadcast:
    """What has not begun to leave never does: held back at once, then cancelled one chunk after the other."""
    one = await store.lock_broadcast(conn, broadcast_id)
    domain.stop(one, cancelled=0, now=now)  # refused before anything is held
    await audiences.hold(conn, broadcast_id)
    states = await store.count_states(conn, broadcast_id)
    unplanned = sum(way.recipients - way.expanded for way in await audiences.find_ways(conn, broadcast_id))
    cancelled = states.get("held", 0) + states.get("waiting_contact", 0) + unplanned
    moved = domain.stop(one, cancelled=cancelled, now=now)
    return await _keep(conn, moved, "stop", actor, command.reason, now)


async def _foreseen(
    conn: Connection, one: Broadcast, counts: dict[str, int], means: Means, now: datetime
) -> forecasts.Foreseen:
    return await forecasts.foresee(conn, counts, means, not_before=one.not_before, deadline=one.deadline, now=now)


async def _keep(conn: Connection, moved: Moved, act: Act, actor: Actor, note: str | None, now: datetime) -> Broadcast:
    one = moved.broadcast
    await store.save_broadcast(conn, one)
    await _note(conn, one, act, actor, note, now)
    first = one.version - len(moved.events) + 1
    await record(conn, [Fact(event, first + place) for place, event in enumerate(moved.events)], now=now)
    return one


async def _note(conn: Connection, one: Broadcast, act: Act, actor: Actor, note: str | None, now: datetime) -> None:
    act_id = new_id()
    sealed = None
    if note is not None and actor.sealer is not None:
        sealed = actor.sealer.seal(note.encode(), act_id.bytes)
    await store.add_act(conn, one.broadcast_id, Done(act_id, act, actor.by, now, one.state, sealed))


# --- steps that time takes


async def advance(conn: Connection, broadcast_id: UUID, *, now: datetime) -> bool:
    """Take a broadcast one step further, unless somebody else holds it. Whether there is more to do at once."""
    await families.share_people(conn, PEOPLE)  # first: who erases holds it while waiting for messages
    one = await store.lock_idle(conn, broadcast_id)
    match None if one is None else one.state:
        case "running":
            assert one is not None
            return await _run(conn, one, now)
        case "paused":
            assert one is not None
            # what was on its way when it was paused and came back
            await audiences.hold(conn, broadcast_id)
            if one.deadline <= now:
                await _complete(conn, one, now)
        case "stopped":
            return await _cancel(conn, broadcast_id, now)
    return False


async def _run(conn: Connection, one: Broadcast, now: datetime) -> bool:
    if one.not_before is not None and one.not_before > now:
        return False
    ways = await audiences.find_ways(conn, one.broadcast_id)
    overdue = one.deadline <= now
    open_ways = [way for way in ways if not way.finished and not overdue]
    if not open_ways:
        await _complete(conn, one, now)
        return False
    ahead = await audiences.count_ahead(conn, one.broadcast_id)
    more = False
    for way in open_ways:
        room = AHEAD_MAX - ahead.get(way.channel, 0) - ahead.get(None, 0)
        if room > 0:
            planned = await _plan(conn, one, way, min(room, CHUNK_PEOPLE), now)
            ahead[None] = ahead.get(None, 0) + planned
            more = True
    return more


async def _plan(conn: Connection, one: Broadcast, way: Progress, limit: int, now: datetime) -> int:
    """Plan the messages of the next people of a channel; how many."""
    people = await audiences.find_next(conn, one.broadcast_id, way, limit)
    told = [vendor_id for vendor_id, is_told in people if is_told]
    if told:
        await audiences.add_messages(
            conn,
            one,
            told,
            [new_id() for _ in told],
            lane=int(Lane.BROADCAST),
            route=domain.route_of(one.channels),
            now=now,
        )
    last = people[-1][0] if people else way.expanded_to
    further = replace(way, expanded=way.expanded + len(people), expanded_to=last, finished=len(people) < limit)
    await audiences.save_expanded(conn, one.broadcast_id, further)
    return len(told)


async def _complete(conn: Connection, one: Broadcast, now: datetime) -> None:
    states = await store.count_states(conn, one.broadcast_id)
    if states.keys() - set(ENDED):
        return
    accepted = states.get("sent", 0) + states.get("delivered", 0)
    failed = max(0, one.recipients - accepted - states.get("unknown", 0))
    moved = domain.complete(one, accepted=accepted, failed=failed, now=now)
    await _keep(conn, moved, "complete", TIME, None, now)
    await measure(conn, one.broadcast_id, now=now)  # whoever looks at it later sees all of it


async def _cancel(conn: Connection, broadcast_id: UUID, now: datetime) -> bool:
    ids = await audiences.find_unsent(conn, broadcast_id, CANCELLED_ROWS)
    standings = [one for one, _ in await delivery.lock_attempted(conn, ids)]
    unsent = [one for one in standings if one.state in lives.UNSENT]
    await save_settlements(conn, [lives.cancel(one) for one in unsent], now)
    return len(ids) == CANCELLED_ROWS


async def measure(conn: Connection, broadcast_id: UUID, *, now: datetime) -> None:
    """Write how far a broadcast is, how fast it goes, and what it has cost."""
    before = await store.find_measured(conn, broadcast_id)
    states = await store.count_states(conn, broadcast_id)
    done = sum(states.get(state, 0) for state in ENDED)
    seconds = 0.0 if before.at is None else (now - before.at).total_seconds()
    # a development clock may have been put back
    per_minute = max(0, done - before.done) / seconds * 60 if seconds > 0 else None
    await store.save_measured(conn, broadcast_id, done, per_minute, now)
