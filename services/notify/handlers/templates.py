"""Templates: which version a message is planned with, saving and choosing versions, WhatsApp's approval."""

import re
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.notify.checking import Report, check_forms
from services.notify.domain.reports import TemplateVerdict
from services.notify.domain.templates import (
    BROADCAST_PREFIX,
    RESERVED,
    ActivateVersion,
    Fault,
    Parameter,
    TemplateFixed,
    TemplateFormMissing,
    TemplateNotFound,
    TemplateNotSendable,
    TemplateRefused,
    VersionNotFound,
    declared,
    parameters_of_event,
    plan_of,
)
from services.notify.domain.wishes import OUTWARD
from services.notify.plans import PLANS, Lane
from services.notify.rendering import (
    FormMissing,
    Template,
    TemplateFault,
    form_key,
    release_templates,
    whatsapp_form_of,
)
from services.notify.store import templates as store
from services.notify.store.templates import Choice, Version, WhatsAppName
from services.notify.wording import LANGUAGES
from shared.db import Connection
from shared.events.notify import Channel
from shared.ids import new_id
from shared.telemetry import get_logger

__all__ = [
    "APPROVED",
    "Saved",
    "Sendable",
    "activate_version",
    "check_sources",
    "choice_of",
    "choose_versions",
    "find_sendable",
    "find_template",
    "find_whatsapp_ready",
    "keep_release",
    "note_verdicts",
    "parameters_of",
    "require_form",
    "save_version",
    "want_current_forms",
    "whatsapp_standing",
]

TEMPLATES_KNOWN_MAX = 512
APPROVED = frozenset({"approved", "reinstated", "flagged"})
"""Statuses at Meta with which a template may be sent (a flagged one may, until it is disabled)."""

FORM_NAMES: Mapping[Channel, str] = {"whatsapp": "WhatsApp", "sms": "SMS", "email": "e-mail"}

_LANES = {plan.template: plan.lane for plan in PLANS.values()}
_known: OrderedDict[tuple[str, str], Template] = OrderedDict()
_unapproved_told: set[tuple[str, str]] = set()

logger = get_logger()


# --- which version


async def choose_versions(conn: Connection, names: Collection[str], *, now: datetime) -> dict[str, str]:
    """The version of each of these templates that a message is planned with now. Its sources are kept from here on.

    The database says which one an operator chose, so every replica plans with it from the moment it was chosen.
    """
    release = release_templates()
    wanted = sorted(set(names))
    versions = [release[name].version if name in release else None for name in wanted]
    choices = await store.find_choices(conn, wanted, versions)
    if missing := set(wanted) - {one.template for one in choices}:
        raise _not_found(min(missing))
    if fresh := [release[one.template] for one in choices if not one.kept]:
        await store.add_versions(conn, fresh, now)
    return {one.template: one.version for one in choices}


async def choice_of(conn: Connection, name: str) -> Choice:
    """The version of a template in use. Raises `TemplateNotFound`."""
    release = release_templates().get(name)
    choices = await store.find_choices(conn, [name], [None if release is None else release.version])
    if not choices:
        raise _not_found(name)
    return choices[0]


async def find_template(conn: Connection, name: str, version: str) -> Template | None:
    """A template at a version, with its sources. A version never changes, so what was read once is remembered."""
    release = release_templates().get(name)
    if release is not None and release.version == version:
        return release
    known = _known.get((name, version))
    if known is None:
        found = await store.find_version(conn, name, version)
        if found is None:
            return None
        known = _known[name, version] = Template(name, version, found.sources)
        if len(_known) > TEMPLATES_KNOWN_MAX:
            _known.popitem(last=False)
    return known


async def keep_release(conn: Connection, *, now: datetime) -> None:
    """Keep every template of this release as a version, whether a message was planned with it or not."""
    await store.add_versions(conn, sorted(release_templates().values(), key=lambda one: one.name), now)


@dataclass(frozen=True)
class Sendable:
    """A template that may be sent to whoever one wants, at the version in use, with the parameters it declares."""

    template: str
    version: str
    parameters: Mapping[str, Parameter]


async def find_sendable(conn: Connection, name: str) -> Sendable:
    """A template for broadcasts (values are checked with `domain.templates.check_values`). Raises `TemplateNotFound`,
    `TemplateNotSendable`.
    """
    if not name.startswith(BROADCAST_PREFIX):
        if name in release_templates():
            raise TemplateNotSendable(
                f"template: {name} tells of an event and goes out by itself when that happens. What is sent at will, "
                f"with a key or to many, uses a template whose name begins with {BROADCAST_PREFIX}: GET /v1/templates "
                f"lists them, an operator makes one (`lapak notify templates save {BROADCAST_PREFIX}...`).",
                template=name,
            )
        raise _not_found(name)
    choices = await store.find_choices(conn, [name], [None])
    found = await store.find_version(conn, name, choices[0].version) if choices else None
    if found is None:
        raise _not_found(name)
    return Sendable(name, found.version, declared(found.parameters or {}))


async def require_form(conn: Connection, sendable: Sendable, channel: Channel) -> None:
    """Refuse what may go by this channel alone where the template has no form for it. Raises `TemplateFormMissing`."""
    template = await find_template(conn, sendable.template, sendable.version)
    if template is None or form_key(LANGUAGES[0], channel) in template.sources:
        return
    has = [one for one in OUTWARD if form_key(LANGUAGES[0], one) in template.sources]
    ways = {
        "whatsapp": "name `channel: whatsapp`",
        "sms": "name `channel: sms`",
        "email": "send it to an e-mail address",
    }
    raise TemplateFormMissing(
        f"template: {template.name} has no form for {FORM_NAMES[channel]}, by which this message would go. It has one "
        f"for {' and '.join(FORM_NAMES[one] for one in has)}: {', or '.join(ways[one] for one in has)}; or use another "
        "template (GET /v1/templates shows the channels of each), or have an operator save a version with this form.",
        template=template.name,
        missing=channel,
        has=has,
    )


def _not_found(name: str) -> TemplateNotFound:
    return TemplateNotFound(
        f"There is no template {name}, or no version of it was activated; GET /v1/templates lists them.", template=name
    )


# --- saving and choosing


def parameters_of(name: str, kinds: Mapping[str, str] | None) -> tuple[dict[str, Parameter], bool]:
    """What a template's text may show, and whether it names a mentor or provider. Raises `TemplateNotFound`,
    `TemplateFixed`, `TemplateRefused`.
    """
    found = plan_of(name)
    if found is not None:
        if kinds is not None:
            raise _refused([Fault("parameters", "are those of the event; leave this field out")])
        return parameters_of_event(*found), found[1].party is not None
    if name.startswith(BROADCAST_PREFIX):
        if taken := sorted((kinds or {}).keys() & RESERVED):
            reason = "is given with every message; use another name"
            raise _refused([Fault(f"parameters.{one}", reason) for one in taken])
        return declared(kinds or {}), False
    if name in release_templates():
        raise TemplateFixed(f"{name} is written together with the program and changes with a release only.")
    raise TemplateNotFound(
        f"There is no event that makes {name}. The name of a new template begins with {BROADCAST_PREFIX}.",
        template=name,
    )


def check_sources(name: str, sources: Mapping[str, str], kinds: Mapping[str, str] | None) -> Report:
    """Look at forms before they are saved. Takes tens of milliseconds: call it in a thread. Raises `TemplateNotFound`,
    and `TemplateRefused` which names every fault.
    """
    parameters, has_party = parameters_of(name, kinds)
    report = check_forms(name, sources, parameters, has_party=has_party)
    if report.faults:
        raise _refused(report.faults)
    return report


def _refused(faults: Sequence[Fault]) -> TemplateRefused:
    return TemplateRefused(
        "The template was not saved; every fault is named with its form and line. Correct them and save again.",
        errors=[
            {"field": one.field, "reason": one.reason if one.line is None else f"line {one.line}: {one.reason}"}
            for one in faults
        ],
    )


@dataclass(frozen=True)
class Saved:
    """A version that is kept. `new`: it was not there before."""

    template: str
    version: str
    number: int | None
    new: bool


async def save_version(
    conn: Connection, template: Template, kinds: Mapping[str, str] | None, *, by: str, reason: str, now: datetime
) -> Saved:
    """Keep a version whose sources were found right (`check_sources`), and have its WhatsApp forms approved. Texts that
    are there already are no new version.
    """
    await store.lock_template(conn, template.name)
    if template.name in release_templates():
        await store.add_versions(conn, [release_templates()[template.name]], now)
    found = await store.find_version(conn, template.name, template.version)
    if found is not None:
        return Saved(template.name, found.version, found.number, new=False)
    number = await store.add_version(conn, template, kinds, by=by, reason=reason, now=now)
    await store.want_forms(conn, list(_whatsapp_names(template)))
    return Saved(template.name, template.version, number, new=True)


async def activate_version(
    conn: Connection, name: str, version: str, command: ActivateVersion, *, by: str, now: datetime
) -> Version:
    """Plan messages with this version from now on; those planned before keep theirs. The release's own version is
    followed into the next release. Raises `VersionNotFound`, `TemplateRefused`.
    """
    release = release_templates().get(name)
    chosen = await store.lock_template(conn, name)
    if release is not None:
        await store.add_versions(conn, [release], now)
    found = await store.find_version(conn, name, version)
    if found is None:
        raise VersionNotFound(
            f"{name} has no version {version}; GET /v1/templates/{name} lists them.", template=name, version=version
        )
    wanted = None if release is not None and release.version == version else version
    if chosen == wanted:
        return found
    await store.save_choice(conn, name, wanted)
    await store.add_activation(conn, new_id(), name, version, by=by, reason=command.reason, now=now)
    await store.want_forms(conn, list(_whatsapp_names(Template(name, version, found.sources))))
    return found


# --- WhatsApp's approval


def _whatsapp_names(template: Template) -> list[WhatsAppName]:
    """The template's WhatsApp forms, under their names at Meta."""
    found = []
    for language in LANGUAGES:
        try:
            form = whatsapp_form_of(template, language)
        except FormMissing:
            continue
        except TemplateFault as fault:
            logger.error("template.faulty", template=template.name, fault=str(fault))
            continue
        lane = int(_LANES.get(template.name, Lane.BROADCAST))
        found.append(WhatsAppName(form.name, form.language, form.category, template.name, template.version, lane))
    return found


async def want_current_forms(conn: Connection) -> int:
    """Have the WhatsApp forms in use submitted to every account that does not know them. How many are new."""
    release = release_templates()
    names = sorted({*release, *await store.find_saved_templates(conn)})
    versions = [release[name].version if name in release else None for name in names]
    wanted: list[WhatsAppName] = []
    for choice in await store.find_choices(conn, names, versions):
        template = await find_template(conn, choice.template, choice.version)
        if template is not None:
            wanted += _whatsapp_names(template)
    return await store.want_forms(conn, wanted)


async def whatsapp_standing(conn: Connection, choices: Sequence[Choice]) -> dict[str, dict[str, str]]:
    """How the WhatsApp forms of these versions stand, by template and language: `ready`, or the status of the account
    that stands in the way; `unknown` where it was not submitted.
    """
    names: dict[tuple[str, str], tuple[str, str]] = {}
    for choice in choices:
        template = await find_template(conn, choice.template, choice.version)
        for one in [] if template is None else _whatsapp_names(template):
            names[one.name, one.language] = (one.template, one.language)
    approved = await store.find_approved(conn, names, APPROVED)
    statuses = await store.find_statuses(conn, names, APPROVED)
    found: dict[str, dict[str, str]] = {}
    for form, (name, language) in names.items():
        found.setdefault(name, {})[language] = "ready" if form in approved else statuses.get(form, "unknown")
    return found


async def note_verdicts(conn: Connection, verdicts: Sequence[TemplateVerdict], *, now: datetime) -> None:
    """What a provider says of our templates: approved, rejected, paused. The last word on each counts; templates that
    are not of our naming are none of ours.
    """
    accounts = await store.find_providers(conn)
    said: dict[tuple[str, str, str], tuple[str, str, str, str, str | None]] = {}
    for one in verdicts:
        if one.name.startswith("lapak_"):
            account = accounts.get(one.provider, one.provider)
            said[account, one.name, one.language] = (account, one.name, one.language, one.status, _code(one.reason))
    for name, language, status in await store.save_verdicts(conn, list(said.values()), now):
        if status in APPROVED:
            logger.info("template.approved", name=name, language=language)
        else:
            logger.warning("template.not_approved", name=name, language=language, status=status)


def _code(reason: str | None) -> str | None:
    """The provider's reason where it is a code; its texts are not kept."""
    if reason is None or re.fullmatch(r"[A-Za-z0-9_ -]{1,60}", reason) is None or reason.upper() == "NONE":
        return None
    return reason.lower().replace(" ", "-").replace("_", "-")


async def find_whatsapp_ready(conn: Connection, wanted: Collection[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    """Of these (template, version, language) those whose WhatsApp form may be sent: there is one, and every account we
    send through has approved it. Who waits for approval is passed over by the router, and said once in the log.
    """
    names: dict[tuple[str, str, str], tuple[str, str]] = {}
    ready: set[tuple[str, str, str]] = set()
    for one in set(wanted):
        template = await find_template(conn, one[0], one[1])
        if template is None:
            continue
        if template.name.startswith("reply-"):
            ready.add(one)  # an answer goes as free text
            continue
        try:
            form = whatsapp_form_of(template, one[2])
        except TemplateFault:
            continue
        names[one] = (form.name, form.language)
    if not names:
        return ready
    approved = await store.find_approved(conn, set(names.values()), APPROVED)
    for missing in set(names.values()) - approved - _unapproved_told:
        _unapproved_told.add(missing)
        logger.warning("template.unapproved", name=missing[0], language=missing[1])
    return ready | {one for one, name in names.items() if name in approved}
