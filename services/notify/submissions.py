"""Templates on their way to WhatsApp: a background that has every form in use approved, and learns how they stand.

Approval takes Meta minutes to a day, so a form is submitted as soon as it is saved or comes with a release, before a
message needs it. Each submission is claimed first (a lease), then made outside any transaction, then noted; any number
of replicas. A submission that was made and not noted is made again, and the account says that it has it.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from uuid import UUID

from services.notify.channels import ChannelDown
from services.notify.channels.whatsapp_templates import WhatsAppTemplates
from services.notify.domain.templates import samples
from services.notify.forms import FormFault
from services.notify.handlers import templates as handlers
from services.notify.handlers.previews import known_parameters
from services.notify.rendering import TemplateFault, whatsapp_form_of
from services.notify.settings import NotifySettings, WhatsAppSettings
from services.notify.store import templates as store
from services.notify.store.templates import Submission
from shared.service import Platform
from shared.telemetry import get_logger

__all__ = ["keep_templates"]

ROUND_SECONDS = 5.0
LOOK_SECONDS = 600.0
"""How often the account is asked how its templates stand: webhooks are lost at times."""
LEASE_SECONDS = 900.0
"""Outlasts a whole turn of submissions that each meet the slowest answer."""
AT_ONCE = 10

logger = get_logger()


async def keep_templates(platform: Platform, settings: NotifySettings, stopping: asyncio.Event) -> None:
    """Keep the release's templates as versions, and have their WhatsApp forms approved, until `stopping`."""
    accounts = {
        one.account_id: WhatsAppTemplates(one) for one in settings.providers if isinstance(one, WhatsAppSettings)
    }
    async with platform.database.transaction() as conn:
        await handlers.keep_release(conn, now=platform.clock.now())
        await store.save_providers(
            conn, {one.name: one.account_id for one in settings.providers if isinstance(one, WhatsAppSettings)}
        )
    if not accounts:
        await stopping.wait()
        return
    look_at = 0.0
    try:
        while not stopping.is_set():
            if time.monotonic() >= look_at:
                for account in accounts.values():
                    await _look(platform, account)
                async with platform.database.transaction() as conn:
                    await handlers.want_current_forms(conn)
                look_at = time.monotonic() + LOOK_SECONDS
            for account in accounts.values():
                per_hour = settings.template_submissions_per_hour
                while not stopping.is_set() and await submit_some(platform, account, per_hour=per_hour) == AT_ONCE:
                    pass  # the hour's limit is the only one: until a form is approved its messages go another way
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), ROUND_SECONDS)
    finally:
        for account in accounts.values():
            await account.close()


async def _look(platform: Platform, account: WhatsAppTemplates) -> None:
    """Ask the account how its templates stand."""
    try:
        verdicts = [verdict async for verdict in account.find_all()]
    except ChannelDown as error:
        logger.warning("templates.not_asked", provider=account.provider, reason=error.code)
        return
    async with platform.database.transaction() as conn:
        await handlers.note_verdicts(conn, verdicts, now=platform.clock.now())


async def submit_some(platform: Platform, account: WhatsAppTemplates, *, per_hour: int) -> int:
    """Submit what waits for this account, within what it takes in an hour. How many were submitted."""
    async with platform.database.transaction() as conn:
        room = min(AT_ONCE, per_hour - await store.count_submissions(conn, account.account))
        if room <= 0:
            return 0
        taken = await store.claim_submissions(conn, account.account, limit=room, lease_seconds=LEASE_SECONDS)
    for one in taken:
        await _submit(platform, account, one)
    return len(taken)


async def _submit(platform: Platform, account: WhatsAppTemplates, one: Submission) -> None:
    async with platform.database.read() as conn:
        template = await handlers.find_template(conn, one.template, one.version)
        version = await store.find_version(conn, one.template, one.version)
    assert template is not None
    kinds = None if version is None else version.parameters
    try:
        form = whatsapp_form_of(template, one.language)
        example = form.parameters(_example(one.template, kinds))
    except (TemplateFault, FormFault) as fault:
        logger.error("template.faulty", template=one.template, language=one.language, fault=str(fault))
        async with platform.database.transaction() as conn:
            await store.save_submitted(
                conn, one, status="refused", category=None, reason="form-faulty", now=platform.clock.now()
            )
        return
    answer = await account.submit(form, example)
    async with platform.database.transaction() as conn:
        if answer.retry_seconds is not None:
            await store.retry_submission(conn, one, seconds=answer.retry_seconds, reason=answer.reason or "later")
        else:
            await store.save_submitted(
                conn,
                one,
                status=answer.status,
                category=answer.category,
                reason=answer.reason,
                now=platform.clock.now(),
            )
    if answer.status == "refused":
        logger.error("template.refused", template=one.template, language=one.language, reason=answer.reason)
    elif answer.retry_seconds is not None:
        logger.warning("template.not_submitted", template=one.template, reason=answer.reason)


def _example(template: str, kinds: Mapping[str, str] | None) -> dict[str, object]:
    """Values that stand for no real person, for Meta's reviewers."""
    return {
        **samples(known_parameters(template, kinds))[0],
        "name": "Siti Aminah",
        "notification_id": UUID(int=0),
        "party_name": "Ibu Ratna",
        "party_phone": "+6281200000000",
    }
