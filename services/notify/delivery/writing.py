"""Messages in words: written when they leave, in the version of their template that they were planned with."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias
from uuid import UUID

from services.notify import calendar_files
from services.notify.channels import Letter, Provider
from services.notify.domain.contents import Attachment
from services.notify.domain.delivery import Rejected
from services.notify.forms import one_line
from services.notify.handlers.attachments import open_files
from services.notify.handlers.queue import OFFICERS_WORDS, params_in_full
from services.notify.rendering import Extras, FormMissing, Template, TemplateFault, compose, current_templates
from services.notify.store import attachments, intents
from services.notify.store.claims import Job
from shared.clock import Clock
from shared.crypto import Sealer
from shared.db import Database
from shared.events.notify import Channel
from shared.telemetry import get_logger

__all__ = ["MakeExtras", "Writer", "no_extras"]

PINNED_MAX = 500

MakeExtras: TypeAlias = Callable[[Job, Channel], Extras]
"""What goes along with a message besides its words."""

logger = get_logger()


def no_extras(job: Job, channel: Channel) -> Extras:
    """Nothing goes along."""
    return Extras()


class Writer:
    """Writes messages; a version of a template never changes, so it is read once."""

    def __init__(self, database: Database, clock: Clock, extras: MakeExtras, sealer: Sealer) -> None:
        self._database = database
        self._clock = clock
        self._extras = extras
        self._sealer = sealer
        self._pinned: dict[tuple[str, str], Template] = {}

    async def write(self, job: Job, provider: Provider, attempt_id: UUID) -> Letter | Rejected:
        """The message in words, or why there is none: the channel does not reach the person, or the template is at
        fault.
        """
        if job.contact is None:
            return Rejected("no-contact")
        address = provider.address(job.contact)
        if address is None:
            return Rejected("no-address")
        extras = self._extras(job, provider.channel)
        if job.files:
            if provider.channel != "email":
                return Rejected("files-need-email")
            files = await self._files(job)
            if len(files) < job.files:  # erased meanwhile: the words alone would say what is not so
                return Rejected("files-gone")
            extras = replace(extras, attachments=(*extras.attachments, *files))
        if provider.channel == "email" and job.template in calendar_files.TEMPLATES:
            await asyncio.to_thread(calendar_files.load)
        try:
            content = compose(
                await self._template(job.template, job.template_version),
                provider.channel,
                language=job.language or job.contact.language,
                params=await self._params(job),
                name=job.contact.name,
                notification_id=job.id,
                party=job.party,
                extras=extras,
            )
        except FormMissing:
            return Rejected("no-form")
        except TemplateFault as fault:
            logger.error("notification.template_fault", notification_id=str(job.id), fault=str(fault))
            return Rejected("template-fault")
        name = one_line(job.contact.name)
        return Letter(job.id, attempt_id, job.template, name, address, content, self._clock.now(), job.deadline)

    async def _params(self, job: Job) -> Mapping[str, object]:
        """The message's parameters; the words of an officer are kept sealed beside what it answers."""
        if job.template != OFFICERS_WORDS:
            return job.params
        async with self._database.read() as conn:
            return await params_in_full(conn, self._sealer, job.template, job.params)

    async def _files(self, job: Job) -> tuple[Attachment, ...]:
        """The files that go along, as far as they are kept."""
        async with self._database.read() as conn:
            kept = await attachments.find_kept(conn, job.id)
        return await asyncio.to_thread(open_files, kept, self._sealer)

    async def _template(self, name: str, version: str) -> Template:
        """The template at the version the message was planned with, which may be an older release's."""
        current = current_templates().get(name)
        if current is not None and current.version == version:
            return current
        pinned = self._pinned.get((name, version))
        if pinned is None:
            async with self._database.read() as conn:
                pinned = await intents.find_template(conn, name, version)
            if pinned is None:
                raise TemplateFault(f"{name} {version}: this version is not kept")
            if len(self._pinned) >= PINNED_MAX:
                self._pinned.clear()
            self._pinned[name, version] = pinned
        return pinned
