"""Digests: what may wait for one is told together, once for each person and moment.

One maker works at a time, over all replicas; the table `digest` holds what it made, so a second one, or one that comes
back after a crash, finds it. A message that comes too late for the digest of its moment leaves by itself.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.notify.domain.routing import Queue, Rules
from services.notify.handlers import templates
from services.notify.handlers.recipients import Decided, apply_all, decide_all
from services.notify.plans import DIGEST
from services.notify.rendering import TemplateFault, render
from services.notify.store import digests, pauses, routing, wishes
from services.notify.store.digests import Digest
from services.notify.store.routing import Waiting
from shared.crypto import Sealer
from shared.db import Connection
from shared.ids import new_id

MESSAGES_MAX = 100
"""Looked for at once. Their texts are written here: a few dozen milliseconds."""

GIST_CHARACTERS_MAX = 300


async def gather(conn: Connection, *, rules: Rules, sealer: Sealer, now: datetime) -> int:
    """Make digests whose moment has come, for some dozens of people; how many messages were moved on."""
    due = await digests.find_due(conn, now, MESSAGES_MAX)
    if not due or not await digests.lead(conn):
        return 0
    members = await wishes.find_members(conn, due)
    waiting = await routing.lock_waiting(conn, list({one for ids in members.values() for one in ids}), now)
    waiting, held = await _without_paused(conn, waiting)
    by_id = {one.planned.case.id: one for one in waiting}
    decided = await decide_all(conn, [one.planned for one in waiting], rules=rules, sealer=sealer, now=now)
    alone: list[Decided] = []
    groups: dict[UUID, list[Decided]] = defaultdict(list)
    for one in decided:
        if isinstance(one.decision, Queue):
            groups[min(members.get(one.planned.standing.vendor_id, [one.planned.standing.vendor_id]))].append(one)
        else:
            alone.append(one)
    made: list[tuple[Digest, list[Decided]]] = []
    for person_id, group in groups.items():
        lines = {one.planned.case.id: await _line(conn, one, by_id[one.planned.case.id]) for one in group}
        told = [one for one in group if lines[one.planned.case.id] is not None]
        route = _common(told)
        if len(told) < 2 or not route:
            alone += group
            continue
        alone += [one for one in group if lines[one.planned.case.id] is None]
        items = [lines[one.planned.case.id] for one in told]
        made.append((_digest(person_id, [by_id[one.planned.case.id] for one in told], items, route), told))
    if made:
        alone += await _save(conn, made, now)
    await apply_all(conn, alone, now)
    return len(waiting) + held


async def _without_paused(conn: Connection, waiting: Sequence[Waiting]) -> tuple[list[Waiting], int]:
    """Those of these messages whose template is not paused; how many others there are, which are held. A pause holds
    what waits for a digest, but what one told is there again once it is taken apart.
    """
    paused = await pauses.find_paused(conn)
    held = [one.planned.case.id for one in waiting if one.planned.case.template in paused]
    if held:
        await routing.hold(conn, held)
    return [one for one in waiting if one.planned.case.template not in paused], len(held)


async def _save(conn: Connection, made: Sequence[tuple[Digest, list[Decided]]], now: datetime) -> list[Decided]:
    """Write the digests; the messages of those whose person has had one at this moment."""
    new = await digests.add_digests(conn, [digest for digest, _ in made])
    versions = await templates.choose_versions(conn, [DIGEST], now=now)
    fresh = [digest for digest, _ in made if digest.digest_id in new]
    await digests.add_messages(conn, fresh, versions[DIGEST], now)
    told_in = {
        one.planned.case.id: digest.digest_id for digest, told in made if digest.digest_id in new for one in told
    }
    await digests.save_digested(conn, told_in, now)
    return [one for digest, told in made if digest.digest_id not in new for one in told]


def _common(group: Sequence[Decided]) -> list[str]:
    """The channels that all of these may use, in the order of the first."""
    ways = [(one.decision.channel, *one.decision.route) for one in group if isinstance(one.decision, Queue)]
    return [channel for channel in ways[0] if all(channel in way for way in ways)] if ways else []


def _digest(
    person_id: UUID, waiting: Sequence[Waiting], items: Sequence[Mapping[str, str] | None], route: Sequence[str]
) -> Digest:
    last = max(waiting, key=lambda one: one.planned.case.id)
    return Digest(
        digest_id=new_id(),
        person_id=person_id,
        moment=max(one.moment for one in waiting),
        vendor_id=last.planned.standing.vendor_id,
        params={"count": len(items), "items": list(items)},
        route=route,
        deadline=min(one.planned.case.deadline for one in waiting),
        cause_at=last.cause_at,
        traceparent=last.traceparent,
    )


async def _line(conn: Connection, one: Decided, waiting: Waiting) -> dict[str, str] | None:
    """Subject and gist of a message; None where its text cannot be written: it meets its fate by itself."""
    planned, _, language = one
    template = await templates.find_template(conn, planned.case.template, planned.template_version)
    if template is None or planned.contact is None or language is None:
        return None
    try:
        text = render(template, language, waiting.params, name=planned.contact.name, notification_id=planned.case.id)
    except TemplateFault:
        return None
    return {"subject": text.subject, "gist": gist(text.body)}


def gist(body: str) -> str:
    """The first paragraph after the greeting, in one line."""
    paragraphs = [" ".join(part.split()) for part in body.split("\n\n") if part.strip()]
    said = " ".join(paragraphs[1:2] or paragraphs[:1])
    return said if len(said) <= GIST_CHARACTERS_MAX else said[: GIST_CHARACTERS_MAX - 1].rstrip() + "…"
