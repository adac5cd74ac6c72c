"""Templates to messages. A template has, in each language, a form for e-mail and, mostly, one for SMS and for WhatsApp.

Its version is the hash of all its forms; a notification pins the version it was planned with, and the sources of every
pinned version are kept (`template_version`), so a text can be shown again as it was sent. Versions of releases that
knew e-mail only still render; they have no form for the other channels (`FormMissing`).
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any
from uuid import UUID

import jinja2

from services.notify import calendar_files
from services.notify.domain.contents import Attachment, Content, Email, FreeText, Sms, WhatsAppTemplate
from services.notify.domain.people import Contact
from services.notify.domain.templates import parameters_of_event, plan_of
from services.notify.forms import FormFault, WhatsAppForm, compiled, fill, one_line, whatsapp_form
from services.notify.plans import TEMPLATES
from services.notify.wording import LANGUAGES
from shared.events.notify import Channel

__all__ = [
    "WHATSAPP_CHARS_MAX",
    "Extras",
    "FormMissing",
    "Template",
    "TemplateFault",
    "Text",
    "compose",
    "current_templates",
    "footer",
    "form_key",
    "release_templates",
    "render",
    "version_of",
    "whatsapp_form_of",
]

DIRECTORY = Path(__file__).resolve().parent / "templates"

WHATSAPP_CHARS_MAX = 1024
"""Body and parameters together; what is longer Meta refuses with 132005."""

_HTML = (
    '<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title></head>\n'
    '<body style="font-family: sans-serif; font-size: 16px; line-height: 1.5; max-width: 36em; margin: 1em auto; '
    'overflow-wrap: anywhere">\n'
    "{content}\n</body></html>\n"
)


_ADDRESS = re.compile(r"https?://[A-Za-z0-9](?:[A-Za-z0-9/_~%=#+-]|&amp;|[.?:](?=\w))*")
"""In escaped text: plain characters, and no full stop, colon or question mark that ends a sentence."""


class TemplateFault(Exception):
    """A template and its parameters do not fit. The text names the template and the fault, no parameter's value."""


class FormMissing(TemplateFault):
    """This version of the template has no form for the channel."""


@dataclass(frozen=True)
class Template:
    """One version of a template. `sources`: a form each, by `form_key`; the e-mail form has its footer with it."""

    name: str
    version: str
    sources: Mapping[str, str]


@dataclass(frozen=True)
class Text:
    """A message in words: the subject in one line, the body as plain text and as simple HTML."""

    subject: str
    body: str
    html: str


@dataclass(frozen=True)
class Extras:
    """What goes along with a message besides its words. `unsubscribe_url`: where one click ends messages of its topic;
    an e-mail form may show it as `stop_url`.
    """

    unsubscribe_url: str | None = None
    attachments: tuple[Attachment, ...] = ()


NO_EXTRAS = Extras()


def form_key(language: str, channel: Channel) -> str:
    """The name of a form among the sources of a version: `id` (e-mail), `id.sms`, `id.whatsapp`."""
    return language if channel in ("email", "inbox") else f"{language}.{channel}"


def version_of(sources: Mapping[str, str]) -> str:
    """The version that these sources are: the same texts have the same version, whoever saved them."""
    joined = "\0".join(f"{key}\0{sources[key]}" for key in sorted(sources))
    return hashlib.sha256(joined.encode()).hexdigest()[:16]


@cache
def release_templates() -> Mapping[str, Template]:
    """The templates of this release, by name: one for each plan, and whatever else lies in the folder."""
    others = {path.name.removesuffix(".txt") for path in (DIRECTORY / LANGUAGES[0]).glob("*.txt")}
    others = {name for name in others if "." not in name and name != "footer"}
    found = {}
    for name in (*TEMPLATES, *sorted(others - set(TEMPLATES))):
        sources = {}
        for language in LANGUAGES:
            folder = DIRECTORY / language
            sources[language] = (folder / f"{name}.txt").read_text("utf-8") + footer(language)
            for channel in ("sms", "whatsapp"):
                path = folder / f"{name}.{channel}.txt"
                if path.exists():
                    sources[f"{language}.{channel}"] = path.read_text("utf-8")
        found[name] = Template(name, version_of(sources), sources)
    return found


def current_templates() -> Mapping[str, Template]:
    """The templates of this release, by name. An operator may have chosen another version of one: what is planned asks
    `handlers.templates.choose_versions`.
    """
    return release_templates()


@cache
def footer(language: str) -> str:
    """What ends every e-mail."""
    return (DIRECTORY / language / "footer.txt").read_text("utf-8")


def compose(
    template: Template,
    channel: Channel,
    *,
    language: str,
    params: Mapping[str, Any],
    name: str,
    notification_id: UUID,
    party: Contact | None = None,
    extras: Extras | None = None,
) -> Content:
    """The message in the form of a channel and in the reader's language. Raises `TemplateFault`; `FormMissing` where
    the template has no form for the channel.

    An answer to what a person wrote (`reply-...`) goes over WhatsApp as free text: it leaves while the conversation is
    open, and nobody approved a form of it.
    """
    extras = extras or NO_EXTRAS
    if channel == "email":
        text = render(
            template,
            language,
            params,
            name=name,
            notification_id=notification_id,
            party=party,
            stop_url=extras.unsubscribe_url,
        )
        files = (*_calendar(template, language, params, notification_id), *extras.attachments)
        return Email(text.subject, text.body, text.html, files, extras.unsubscribe_url)
    if channel == "inbox":
        raise FormMissing(f"{template.name} {template.version}: the inbox shows the e-mail form")
    chosen = _language(template, language)
    values = _values(template, params, name, notification_id, party)
    answers = template.name.startswith("reply-")
    if channel == "sms" or answers:
        source = _source(template, chosen, "sms")
        written = one_line(_filled(template, chosen, source, values))
        return FreeText(written) if channel == "whatsapp" else Sms(written)
    form = whatsapp_form_of(template, chosen)
    try:
        parameters = form.parameters(values)
    except FormFault as fault:
        raise _fault(template, chosen, "whatsapp", fault) from None
    if form.text_chars + sum(map(len, parameters)) > WHATSAPP_CHARS_MAX:
        raise TemplateFault(f"{template.name} {template.version} ({chosen}, whatsapp): longer than 1024 characters")
    about = params.get("application_id", notification_id)
    buttons = tuple(f"{label}:{about}" for label in form.buttons)
    return WhatsAppTemplate(form.name, chosen, parameters, buttons, form.category)


def render(
    template: Template,
    language: str,
    params: Mapping[str, Any],
    *,
    name: str,
    notification_id: UUID,
    party: Contact | None = None,
    stop_url: str | None = None,
) -> Text:
    """The e-mail form in the reader's language (Indonesian unless there is another); the inbox shows it too. `party`:
    the mentor or provider it tells of, while there is a card of it. Raises `TemplateFault`.
    """
    chosen = _language(template, language)
    values = _values(template, params, name, notification_id, party)
    values["stop_url"] = stop_url
    written = _filled(template, chosen, _source(template, chosen, "email"), values)
    subject, _, body = written.partition("\n")
    body = re.sub(r"\n{3,}", "\n\n", body).strip("\n") + "\n"
    subject = one_line(subject)
    content = _to_html(body)
    return Text(subject, body, _HTML.format(language=chosen, title=escape(subject), content=content))


def whatsapp_form_of(template: Template, language: str) -> WhatsAppForm:
    """The template's WhatsApp form in this language (Indonesian unless there is another): its name at Meta, its body.
    Raises `FormMissing`, `TemplateFault`.
    """
    chosen = _language(template, language)
    source = _source(template, chosen, "whatsapp")
    try:
        return whatsapp_form(template.name, chosen, source)
    except FormFault as fault:
        raise _fault(template, chosen, "whatsapp", fault) from None


def _calendar(
    template: Template, language: str, params: Mapping[str, Any], notification_id: UUID
) -> tuple[Attachment, ...]:
    try:
        return calendar_files.attachments(
            template.name, params, language=_language(template, language), notification_id=notification_id
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        reason = f"no calendar file can be made ({type(error).__name__})"
        raise TemplateFault(f"{template.name} {template.version}: {reason}") from None


def _language(template: Template, language: str) -> str:
    return language if language in template.sources else LANGUAGES[0]


def _source(template: Template, language: str, channel: Channel) -> str:
    try:
        return template.sources[form_key(language, channel)]
    except KeyError:
        raise FormMissing(f"{template.name} {template.version} ({language}): has no form for {channel}") from None


@cache
def _optional(template: str) -> Mapping[str, None]:
    """What an event need not say: a message that an earlier release planned, which did not know it, lacks it whole."""
    found = plan_of(template)
    parameters = {} if found is None else parameters_of_event(*found)
    return {name: None for name, one in parameters.items() if one.optional}


def _values(
    template: Template, params: Mapping[str, Any], name: str, notification_id: UUID, party: Contact | None
) -> dict[str, Any]:
    return {
        **_optional(template.name),
        **params,
        "name": one_line(name),
        "notification_id": notification_id,
        "party_name": None if party is None else one_line(party.name),
        "party_phone": None if party is None else party.phone,
    }


def _filled(template: Template, language: str, source: str, values: Mapping[str, Any]) -> str:
    try:
        return fill(compiled(language, source), values)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateFault(f"{template.name} {template.version} ({language}): {type(error).__name__}") from None
    except FormFault as fault:
        raise TemplateFault(f"{template.name} {template.version} ({language}): {fault.reason}") from None


def _fault(template: Template, language: str, channel: str, fault: FormFault) -> TemplateFault:
    return TemplateFault(f"{template.name} {template.version} ({language}, {channel}): {fault.reason}")


def _to_html(body: str) -> str:
    """Paragraphs and lists of a plain text, escaped."""
    return "\n".join(_block(block.split("\n")) for block in body.strip("\n").split("\n\n"))


def _linked(line: str) -> str:
    """A line, escaped, its addresses as links: not every mail program finds them by itself."""
    return _ADDRESS.sub(r'<a href="\g<0>">\g<0></a>', escape(line))


def _block(lines: list[str]) -> str:
    parts: list[str] = []
    items: list[str] = []
    words: list[str] = []

    def close() -> None:
        if words:
            parts.append(f"<p>{'<br>'.join(words)}</p>")
            words.clear()
        if items:
            parts.append(f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>")
            items.clear()

    for line in lines:
        if line == "--":
            close()
            parts.append("<hr>")
        elif line.startswith("- "):
            if words:
                close()
            items.append(_linked(line[2:]))
        else:
            if items:
                close()
            words.append(_linked(line))
    close()
    return "\n".join(parts)
