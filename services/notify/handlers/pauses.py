"""Templates are paused and resumed. The edge owns the transaction."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.notify.domain.pauses import PauseTemplate, ResumeTemplate, TemplateStands
from services.notify.domain.templates import TemplateNotFound, TemplateRefused
from services.notify.handlers.templates import choice_of, choose_versions
from services.notify.rendering import release_templates
from services.notify.store import pauses as store
from services.notify.store import templates
from shared.db import Connection
from shared.events.notify import TemplatePaused, TemplateResumed
from shared.ids import new_id
from shared.outbox import Fact, record

DAY_MILLISECONDS = 86_400_000


class Paused(NamedTuple):
    """What a pause found. `held`: waits now; `under_way`: was being handed over at that moment; `left_in_a_day`: of
    what was planned in the last day, had left or may have left.
    """

    held: int
    under_way: int
    left_in_a_day: int


async def pause(conn: Connection, template: str, command: PauseTemplate, *, by: str, now: datetime) -> Paused:
    """Let nothing of a template leave. Raises `TemplateNotFound`, `TemplateStands`."""
    await _require_template(conn, template)
    await store.lock_pauses(conn)
    standing = await store.lock_standing(conn, template)
    if standing.paused:
        raise TemplateStands(
            f"{template} is paused already; GET /v1/template-pauses?template={template} says by whom.",
            template=template,
            paused=True,
        )
    await store.save_standing(conn, template, paused=True, version=standing.version + 1)
    found = await store.hold_all(conn, template)
    last = await store.find_last_id(conn)
    left = 0 if last is None else await store.count_left(conn, template, _a_day_before(last))
    held = found.held + found.waiting
    await store.add_pause(
        conn, new_id(), template, paused=True, actor=by, reason=command.reason, messages=held, now=now
    )
    event = TemplatePaused(template=template, reason=command.reason)
    await record(conn, [Fact(event, standing.version + 1)], now=now)
    return Paused(held, found.under_way, left)


async def resume(conn: Connection, template: str, command: ResumeTemplate, *, by: str, now: datetime) -> int:
    """Let go on what was held back; how many messages. Raises `TemplateNotFound`, `TemplateStands`, `TemplateRefused`
    where what was held does not fit the words in use now.
    """
    await _require_template(conn, template)
    await store.lock_pauses(conn)
    standing = await store.lock_standing(conn, template)
    if not standing.paused:
        raise TemplateStands(f"{template} is not paused.", template=template, paused=False)
    await store.save_standing(conn, template, paused=False, version=standing.version + 1)
    version = await _current_words(conn, template, now) if command.words == "current" else None
    released = await store.release(conn, template, version)
    await store.add_pause(
        conn, new_id(), template, paused=False, actor=by, reason=command.reason, messages=released, now=now
    )
    await record(conn, [Fact(TemplateResumed(template=template), standing.version + 1)], now=now)
    return released


async def _current_words(conn: Connection, template: str, now: datetime) -> str:
    """The version in use; its parameters must be those of what was held."""
    version = (await choose_versions(conn, [template], now=now))[template]
    current = await templates.find_version(conn, template, version)
    assert current is not None
    for other in set(await store.find_held_versions(conn, template)) - {version}:
        before = await templates.find_version(conn, template, other)
        if before is None or before.parameters != current.parameters:
            raise TemplateRefused(
                f"words: messages that were held have other parameters than version {version} shows; resume with "
                "`words: planned`, or activate a version with the same parameters.",
                template=template,
            )
    return version


async def _require_template(conn: Connection, template: str) -> None:
    if template in release_templates():
        return
    try:
        await choice_of(conn, template)
    except TemplateNotFound:
        if not await templates.find_versions(conn, template, 1):
            raise


def _a_day_before(notification_id: UUID) -> UUID:
    """The least id of a message that was planned up to a day before this one: ids begin with their moment."""
    return UUID(int=max(0, (notification_id.int >> 80) - DAY_MILLISECONDS) << 80)
