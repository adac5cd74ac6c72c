"""Trying a template: how a message of it would look, on a channel, in a language."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.notify import segments
from services.notify.checking import sources_of
from services.notify.domain.contents import Email, FreeText, Sms, WhatsAppTemplate
from services.notify.domain.people import Contact
from services.notify.domain.templates import (
    OF_RELEASE,
    Parameter,
    ParametersWrong,
    PreviewWish,
    TemplateFixed,
    TemplateNotFound,
    TemplateRefused,
    VersionNotFound,
    check_values,
    samples,
)
from services.notify.handlers.templates import choice_of, find_template, parameters_of
from services.notify.rendering import Template, TemplateFault, compose, release_templates, render, whatsapp_form_of
from services.notify.store import templates as store
from shared.db import Connection

__all__ = ["find_previewed", "known_parameters", "preview", "shown_parameters", "signature", "sources_of"]

SAMPLE_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
MENTOR = Contact("Ibu Ratna", "+6281200000000", None, "id")


def signature(kinds: Mapping[str, str] | None) -> dict[str, str]:
    """What the declared parameters add to a version: the same texts with others are another version."""
    return {} if kinds is None else {"parameters": ",".join(f"{name}:{kinds[name]}" for name in sorted(kinds))}


def known_parameters(name: str, kinds: Mapping[str, str] | None) -> Mapping[str, Parameter]:
    """What a template's forms show, as far as it is known: of one that only our code fills, its WhatsApp form's."""
    try:
        return parameters_of(name, kinds)[0]
    except (TemplateFixed, TemplateNotFound, TemplateRefused):
        return OF_RELEASE.get(name, {})


def shown_parameters(name: str, kinds: Mapping[str, str] | None) -> dict[str, dict[str, Any]]:
    """What a template's forms may show, by name; empty where only the release knows."""
    parameters = known_parameters(name, kinds)
    return {
        one.name: {"kind": one.kind, "many": one.many, "optional": one.optional, "options": list(one.options)}
        for one in parameters.values()
    }


async def find_previewed(
    conn: Connection, name: str, version: str | None
) -> tuple[str, Template, Mapping[str, str] | None]:
    """The template at this version, or at the one in use, and its declared parameters. Raises `TemplateNotFound`,
    `VersionNotFound`.
    """
    wanted = version or (await choice_of(conn, name)).version
    template = await find_template(conn, name, wanted)
    if template is None:
        raise VersionNotFound(f"{name} has no version {wanted}.", template=name, version=wanted)
    kept = None if name in release_templates() else await store.find_version(conn, name, wanted)
    return wanted, template, None if kept is None else kept.parameters


def preview(template: Template, kinds: Mapping[str, str] | None, wish: PreviewWish) -> dict[str, Any]:
    """How the message would look. Raises `ParametersWrong`, `TemplateRefused`."""
    try:
        if wish.channel == "inbox":
            shown = render(template, wish.language, _params(template.name, kinds, wish), **_given(wish))
            return {"subject": shown.subject, "text": shown.body, "html": shown.html}
        content = compose(
            template,
            wish.channel,
            language=wish.language,
            params=_params(template.name, kinds, wish),
            **_given(wish),
        )
    except TemplateFault as fault:
        raise TemplateRefused(
            f"This message cannot be written: {fault}. Look at the parameters given, or at the form.",
            template=template.name,
        ) from None
    match content:
        case Email():
            return {"subject": content.subject, "text": content.body, "html": content.html}
        case Sms(text):
            counted = segments.count(text)
            return {
                "text": text,
                "segments": counted.parts,
                "encoding": counted.encoding,
                "units": counted.units,
            }
        case WhatsAppTemplate():
            form = whatsapp_form_of(template, wish.language)
            return {
                "text": form.words(content.parameters),
                "whatsapp_name": content.name,
                "category": content.category,
                "body": form.body,
                "parameters": list(content.parameters),
                "buttons": list(form.buttons),
            }
        case FreeText(text):
            return {"text": text}


def _given(wish: PreviewWish) -> dict[str, Any]:
    return {"name": wish.name, "notification_id": SAMPLE_ID, "party": MENTOR}


def _params(name: str, kinds: Mapping[str, str] | None, wish: PreviewWish) -> Mapping[str, Any]:
    """The parameters given, checked where they are declared; else a sample, with what was given in its place."""
    if name in OF_RELEASE or name.startswith("reply-"):
        return {**samples(known_parameters(name, kinds))[0], **(wish.params or {})}
    parameters = known_parameters(name, kinds)
    if wish.params is None:
        return samples(parameters)[0]
    if kinds is not None:
        return check_values(parameters, wish.params)
    if unknown := sorted(wish.params.keys() - parameters.keys()):
        raise ParametersWrong(
            "The parameters do not fit the template; each is named.",
            errors=[
                {
                    "field": f"params.{one}",
                    "reason": f"is no parameter of this template; it has {', '.join(sorted(parameters))}",
                }
                for one in unknown
            ],
        )
    return {**samples(parameters)[0], **wish.params}
