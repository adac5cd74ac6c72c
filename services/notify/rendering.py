"""Templates to texts. A template is one text file per language: its subject, an empty line, its body.

Its version is the hash of both languages with their footer; a notification pins the version it was planned with, and
the sources of every pinned version are kept (`template_version`), so a text can be shown again as it was sent.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from html import escape
from pathlib import Path
from typing import Any
from uuid import UUID

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from services.notify.domain.people import Contact
from services.notify.plans import TEMPLATES
from services.notify.wording import FILTERS, LANGUAGES

__all__ = ["Template", "TemplateFault", "Text", "current_templates", "render"]

DIRECTORY = Path(__file__).resolve().parent / "templates"

_HTML = (
    '<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title></head>\n'
    '<body style="font-family: sans-serif; font-size: 16px; line-height: 1.5; max-width: 36em; margin: 1em auto">\n'
    "{content}\n</body></html>\n"
)


class TemplateFault(Exception):
    """A template and its parameters do not fit. The text names the template and the fault, no parameter's value."""


@dataclass(frozen=True)
class Template:
    """One version of a template: its source per language, footer included."""

    name: str
    version: str
    sources: Mapping[str, str]


@dataclass(frozen=True)
class Text:
    """A message in words: the subject in one line, the body as plain text and as simple HTML."""

    subject: str
    body: str
    html: str


@cache
def current_templates() -> Mapping[str, Template]:
    """The templates of this release, by name."""
    found = {}
    for name in TEMPLATES:
        sources = {language: _source(language, name) for language in LANGUAGES}
        joined = "\0".join(sources[language] for language in LANGUAGES)
        version = hashlib.sha256(joined.encode()).hexdigest()[:16]
        found[name] = Template(name, version, sources)
    return found


def _source(language: str, name: str) -> str:
    folder = DIRECTORY / language
    return (folder / f"{name}.txt").read_text("utf-8") + (folder / "footer.txt").read_text("utf-8")


def render(
    template: Template,
    language: str,
    params: Mapping[str, Any],
    *,
    name: str,
    notification_id: UUID,
    party: Contact | None = None,
) -> Text:
    """The message in the reader's language (Indonesian unless there is another). `party`: the mentor or provider it
    tells of, while there is a card of it. Raises `TemplateFault`.
    """
    chosen = language if language in template.sources else LANGUAGES[0]
    values = {
        **params,
        "name": _one_line(name),
        "notification_id": notification_id,
        "party_name": None if party is None else _one_line(party.name),
        "party_phone": None if party is None else party.phone,
    }
    try:
        written = _compiled(chosen, template.sources[chosen]).render(values)
    except (jinja2.TemplateError, TypeError, ValueError, AttributeError, KeyError) as error:
        fault = error.message if isinstance(error, jinja2.UndefinedError) else type(error).__name__
        raise TemplateFault(f"{template.name} {template.version} ({chosen}): {fault}") from None
    subject, _, body = written.partition("\n")
    body = re.sub(r"\n{3,}", "\n\n", body).strip("\n") + "\n"
    subject = _one_line(subject)
    content = _to_html(body)
    return Text(subject, body, _HTML.format(language=chosen, title=escape(subject), content=content))


def _one_line(text: str) -> str:
    """Printable text in one line: a name must neither break a header nor fake a paragraph."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


@lru_cache(maxsize=512)
def _compiled(language: str, source: str) -> jinja2.Template:
    return _environment(language).from_string(source)


@cache
def _environment(language: str) -> jinja2.Environment:
    # no autoescape: the source is plain text; the finished text is escaped as a whole when it becomes HTML
    environment = SandboxedEnvironment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters.update(FILTERS[language])
    return environment


def _to_html(body: str) -> str:
    """Paragraphs and lists of a plain text, escaped."""
    return "\n".join(_block(block.split("\n")) for block in body.strip("\n").split("\n\n"))


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
            items.append(escape(line[2:]))
        else:
            if items:
                close()
            words.append(escape(line))
    close()
    return "\n".join(parts)
