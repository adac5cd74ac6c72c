"""Templates: what they say, which version is in use, trying and changing them, WhatsApp's approval."""

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.notify.domain.fields import worded
from services.notify.domain.templates import (
    ActivateVersion,
    PreviewWish,
    SaveVersion,
    TemplateName,
    TemplateNotFound,
    VersionNotFound,
)
from services.notify.handlers import previews
from services.notify.handlers import templates as handlers
from services.notify.rendering import Template, release_templates, version_of
from services.notify.store import pauses
from services.notify.store import templates as store
from services.notify.store.templates import Version
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor

router = APIRouter(prefix="/v1", tags=["templates"])

READERS = ("operator", "officer", "service")
VERSION = r"^[0-9a-f]{16}$"
READS_ONLY = {"x-reads-only": True}
VERSIONS_SHOWN = 50

Name = Annotated[TemplateName, Path(description="Name of the template, for example booth-assigned")]
VersionName = Annotated[
    str,
    worded(VERSION, "must have 16 digits and letters a-f, as in 2876bb8c392a07d2; GET /v1/templates/{name} lists them"),
    Path(pattern=VERSION, description="Version of the template, as GET /v1/templates/{name} shows it"),
]


class FaultView(BaseModel):
    """What is worth a second look in a form, though it is no fault."""

    field: str
    message: str


class TemplateRow(BaseModel):
    """A template as lists show it. `source`: whether the version in use came with the release or was chosen.
    `whatsapp`: how its forms stand, by language; `ready` where it may be sent.
    """

    template: str
    version: str
    number: int | None
    source: str
    channels: list[str]
    whatsapp: dict[str, str]
    paused: bool = Field(description="Nothing of it leaves until it is resumed")


class TemplatePage(BaseModel):
    """A page of templates, by name."""

    items: list[TemplateRow]
    next: str | None


class VersionRow(BaseModel):
    """A version; without `saved_by` it came with a release."""

    version: str
    number: int | None
    kept_at: datetime
    saved_by: str | None
    saved_at: datetime | None
    reason: str | None


class ActivationRow(BaseModel):
    """Who chose a version, when and why."""

    version: str
    activated_by: str
    activated_at: datetime
    reason: str


class TemplateView(TemplateRow):
    """A template with its forms (`id`, `id.sms`, `id.whatsapp`, ...; an e-mail form has its footer with it), what they
    may show, its versions and who chose them, newest first.
    """

    forms: dict[str, str]
    parameters: dict[str, Any]
    versions: list[VersionRow]
    activations: list[ActivationRow]


class VersionView(VersionRow):
    """A version with its forms."""

    template: str
    forms: dict[str, str]
    declared: dict[str, str] | None = Field(description="Its parameters, where it is for broadcasts")


class SavedAnswer(BaseModel):
    """A version that is kept. `sizes`: by form, the parts of an SMS, the characters of the others, at the most."""

    template: str
    version: str
    number: int | None
    new: bool = Field(description="False: these texts were saved before")
    warnings: list[FaultView]
    sizes: dict[str, int]


class ActivatedAnswer(BaseModel):
    """The version that messages are planned with from now on."""

    template: str
    version: str
    number: int | None


class PreviewView(BaseModel):
    """How a message would look. Of an e-mail: subject and text; of an SMS: text and parts; of WhatsApp: the approved
    name, the body with its parameters, and both together as `text`.
    """

    channel: str
    language: str
    version: str
    text: str
    subject: str | None = None
    html: str | None = None
    segments: int | None = None
    encoding: str | None = None
    units: int | None = None
    whatsapp_name: str | None = None
    category: str | None = None
    body: str | None = None
    parameters: list[str] | None = None
    buttons: list[str] | None = None


class WhatsAppRow(BaseModel):
    """A WhatsApp form at an account. `status`: ours (wanted, submitting, refused), then Meta's."""

    name: str
    language: str
    account: str
    template: str | None
    version: str | None
    status: str
    category: str | None
    reason: str | None
    tries: int
    submitted_at: datetime | None
    decided_at: datetime | None


class WhatsAppPage(BaseModel):
    """A page of WhatsApp forms, by name, language and account."""

    items: list[WhatsAppRow]
    next: str | None


class SubmitForms(BaseModel):
    """Submit again what waits or was refused: of these templates, or of all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    templates: list[TemplateName] | None = Field(default=None, max_length=200)


class SubmittedAnswer(BaseModel):
    """How many forms are submitted shortly."""

    wanted: int


@router.get("/templates")
async def list_templates(edge: EdgeDep, after: After = None, limit: Limit = LIMIT_DEFAULT) -> TemplatePage:
    """All templates with the version in use, by name."""
    edge.caller.require(*READERS)
    last = "" if after is None else read_cursor(after, str)
    async with edge.read() as conn:
        names = [name for name in await _names(conn) if name > last][: limit + 1]
        rows = await _rows(conn, names)
    return TemplatePage(**page(rows, limit, lambda row: row.template))


@router.get("/templates/{name}")
async def show_template(name: Name, edge: EdgeDep) -> TemplateView:
    """One template: its forms as they are in use, what they may show, its versions."""
    edge.caller.require(*READERS)
    async with edge.read() as conn:
        rows = await _rows(conn, [name])
        versions = await store.find_versions(conn, name, VERSIONS_SHOWN)
        if not rows and not versions:
            raise TemplateNotFound(f"There is no template {name}; GET /v1/templates lists them.", template=name)
        activations = await store.find_activations(conn, name, VERSIONS_SHOWN)
        # a new template without an active version shows the newest one
        row = rows[0] if rows else _unused(versions[0], paused=name in await pauses.find_paused(conn))
        template = await handlers.find_template(conn, name, row.version)
        kept = await store.find_version(conn, name, row.version)
    assert template is not None
    return TemplateView(
        **row.model_dump(),
        forms=dict(template.sources),
        parameters=previews.shown_parameters(name, None if kept is None else kept.parameters),
        versions=[_version_row(one) for one in versions],
        activations=[ActivationRow(**one) for one in activations],
    )


@router.get("/templates/{name}/versions/{version}")
async def show_version(name: Name, version: VersionName, edge: EdgeDep) -> VersionView:
    """One version with its forms."""
    edge.caller.require(*READERS)
    async with edge.read() as conn:
        found = await store.find_version(conn, name, version)
    if found is None:
        raise VersionNotFound(f"{name} has no version {version}.", template=name, version=version)
    row = _version_row(found).model_dump()
    return VersionView(
        **row,
        template=name,
        forms=dict(found.sources),
        declared=None if found.parameters is None else dict(found.parameters),
    )


@router.post("/templates/{name}/versions", status_code=201, response_model=SavedAnswer)
async def save_version(name: Name, command: SaveVersion, edge: EdgeDep) -> Response:
    """Save a version, once it is found right: what it shows exists, it can be written for every event, each channel
    takes it. It is used from its activation on; its WhatsApp forms are submitted for approval at once. Operators.
    """
    edge.caller.require("operator")
    sources = previews.sources_of(command.forms)
    report = await asyncio.to_thread(handlers.check_sources, name, sources, command.parameters)
    template = Template(name, version_of({**sources, **previews.signature(command.parameters)}), sources)

    async def act(conn: Connection) -> SavedAnswer:
        saved = await handlers.save_version(
            conn, template, command.parameters, by=edge.caller.subject, reason=command.reason, now=edge.now
        )
        return SavedAnswer(
            template=name,
            version=saved.version,
            number=saved.number,
            new=saved.new,
            warnings=[FaultView(field=one.field, message=one.reason) for one in report.warnings],
            sizes=report.sizes,
        )

    return await edge.once(act, status=201)


@router.post("/templates/{name}/versions/{version}/activate", response_model=ActivatedAnswer)
async def activate_version(name: Name, version: VersionName, command: ActivateVersion, edge: EdgeDep) -> Response:
    """Plan messages with this version from now on; an older one rolls back. Those planned before keep theirs.
    Operators.
    """
    edge.caller.require("operator")
    async with edge.read() as conn:
        found = await store.find_version(conn, name, version)
    if found is not None and found.saved_by is not None:
        # the event may have lost a field since it was saved
        await asyncio.to_thread(handlers.check_sources, name, found.sources, found.parameters)

    async def act(conn: Connection) -> ActivatedAnswer:
        active = await handlers.activate_version(conn, name, version, command, by=edge.caller.subject, now=edge.now)
        return ActivatedAnswer(template=name, version=active.version, number=active.number)

    return await edge.once(act)


@router.post("/templates/{name}/preview", response_model=PreviewView, openapi_extra=READS_ONLY)
async def preview(name: Name, wish: PreviewWish, edge: EdgeDep) -> PreviewView:
    """How a message would look on a channel, with these parameters or with a sample. Nothing is sent or stored."""
    edge.caller.require("operator", "officer")
    async with edge.read() as conn:
        version, template, kinds = await previews.find_previewed(conn, name, wish.version)
    shown = await asyncio.to_thread(previews.preview, template, kinds, wish)
    return PreviewView(channel=wish.channel, language=wish.language, version=version, **shown)


@router.get("/whatsapp-templates")
async def list_whatsapp_templates(
    edge: EdgeDep,
    status: Annotated[str | None, Query(max_length=40, description="As in approved, rejected, wanted")] = None,
    template: Annotated[TemplateName | None, Query()] = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> WhatsAppPage:
    """WhatsApp forms and how they stand at each account, by name. Operators."""
    edge.caller.require("operator")
    last = None if after is None else read_cursor(after, tuple[str, str, str])
    async with edge.read() as conn:
        rows = await store.find_whatsapp_templates(conn, status=status, template=template, after=last, limit=limit + 1)
    return WhatsAppPage(
        **page([WhatsAppRow(**row) for row in rows], limit, lambda row: (row.name, row.language, row.account))
    )


@router.post("/whatsapp-templates/submit", response_model=SubmittedAnswer)
async def submit_whatsapp_templates(command: SubmitForms, edge: EdgeDep) -> Response:
    """Submit forms for approval now: those that wait for a new try, were refused or rejected. Operators."""
    edge.caller.require("operator")

    async def act(conn: Connection) -> SubmittedAnswer:
        there = await _names(conn)
        for name in command.templates or ():
            if name not in there:
                raise TemplateNotFound(f"There is no template {name}; GET /v1/templates lists them.", template=name)
        return SubmittedAnswer(wanted=await store.want_again(conn, command.templates))

    return await edge.once(act)


async def _names(conn: Connection) -> list[str]:
    return sorted({*release_templates(), *await store.find_saved_templates(conn)})


async def _rows(conn: Connection, names: list[str]) -> list[TemplateRow]:
    """The templates of these names that have a version in use."""
    release = release_templates()
    versions = [release[name].version if name in release else None for name in names]
    choices = sorted(await store.find_choices(conn, names, versions))
    numbers = await store.find_numbers(conn, [one.template for one in choices], [one.version for one in choices])
    standing = await handlers.whatsapp_standing(conn, choices)
    paused = await pauses.find_paused(conn)
    rows = []
    for choice in choices:
        template = await handlers.find_template(conn, choice.template, choice.version)
        assert template is not None
        rows.append(
            TemplateRow(
                template=choice.template,
                version=choice.version,
                number=numbers.get((choice.template, choice.version)),
                source="chosen" if choice.chosen else "release",
                channels=_channels(template.sources),
                whatsapp=standing.get(choice.template, {}),
                paused=choice.template in paused,
            )
        )
    return rows


def _channels(sources: Any) -> list[str]:
    return ["email", *sorted({key.partition(".")[2] for key in sources if "." in key})]


def _unused(newest: Version, *, paused: bool) -> TemplateRow:
    return TemplateRow(
        template=newest.template,
        version=newest.version,
        number=newest.number,
        source="unused",
        channels=_channels(newest.sources),
        whatsapp={},
        paused=paused,
    )


def _version_row(one: Version) -> VersionRow:
    return VersionRow(
        version=one.version,
        number=one.number,
        kept_at=one.kept_at,
        saved_by=one.saved_by,
        saved_at=one.saved_at,
        reason=one.reason,
    )
