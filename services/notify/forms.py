"""Forms of a template: how each is read, compiled and filled. Compiled once, since every message fills one.

An e-mail form is its subject, an empty line and its body. A text message's form is a text that becomes one paragraph. A
WhatsApp form begins with header lines (`category:`, `buttons:`), an empty line, and a body of text and output
expressions only: the expressions become the positional parameters {{1}}, {{2}} ... of the template that Meta approves.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.sandbox import SandboxedEnvironment

from services.notify.wording import FILTERS

__all__ = ["CATEGORIES", "FormFault", "WhatsAppForm", "compiled", "environment", "fill", "one_line", "whatsapp_form"]

CATEGORIES = ("utility", "marketing")

TEXT_CHARS_MAX = 200_000
"""A loop that prints a long text makes gigabytes of a few thousand characters; it ends here."""

_MARK = "\0"
"""Stands between two filled expressions. No parameter holds one: PostgreSQL takes no text with it."""

_FAULTS = (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, AttributeError, LookupError, RecursionError)


class FormFault(Exception):
    """A form cannot be read or filled. `line` of its source, where one is known; the text holds no value given."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


@dataclass(frozen=True)
class WhatsAppForm:
    """A WhatsApp form as Meta gets it. `text_chars`: how long the body is without its parameters."""

    name: str
    language: str
    category: str
    buttons: tuple[str, ...]
    body: str
    count: int
    text_chars: int
    expressions: jinja2.Template

    def parameters(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """The parameters in order, each in one line. Raises `FormFault`, also where one is empty."""
        if not self.count:
            return ()
        filled = tuple(one_line(part) for part in fill(self.expressions, values).split(_MARK))
        if len(filled) != self.count:
            raise FormFault("a value holds a character that no text may hold")
        if not all(filled):
            raise FormFault(f"parameter {{{{{filled.index('') + 1}}}}} is empty")
        return filled

    def words(self, parameters: Sequence[str]) -> str:
        """The body as the reader sees it."""
        return re.sub(r"\{\{(\d+)\}\}", lambda place: parameters[int(place[1]) - 1], self.body)


def fill(compiled: jinja2.Template, values: Mapping[str, Any]) -> str:
    """The text with these values. Raises `FormFault`, also where it would be far longer than any message."""
    written, room = [], TEXT_CHARS_MAX
    try:
        for part in compiled.generate(values):
            written.append(part)
            room -= len(part)
            if room < 0:
                raise FormFault(f"is longer than {TEXT_CHARS_MAX} characters")
        return "".join(written)
    except _FAULTS as error:
        reason = str(error.message) if isinstance(error, jinja2.UndefinedError) else type(error).__name__
        raise FormFault(reason, _line_of(error)) from None


def _line_of(error: BaseException) -> int | None:
    """The line of the source on which it failed: Jinja rewrites tracebacks so that they name it."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in ("<template>", "<unknown>"):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def one_line(text: str) -> str:
    """Printable text in one line: a name must neither break a header nor fake a paragraph."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(text.split())


@cache
def environment(language: str) -> jinja2.Environment:
    """Where forms of this language are compiled: a sandbox in which a name that is not given is a fault.

    No autoescape: the source is plain text; the finished text is escaped as a whole when it becomes HTML.
    """
    made = SandboxedEnvironment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    made.filters.update(FILTERS[language])
    return made


@lru_cache(maxsize=1024)
def compiled(language: str, source: str) -> jinja2.Template:
    """A form of text, ready to be filled. Raises jinja2's `TemplateSyntaxError`."""
    return environment(language).from_string(source)


@lru_cache(maxsize=1024)
def whatsapp_form(template: str, language: str, source: str) -> WhatsAppForm:
    """A WhatsApp form, compiled. Raises `FormFault`."""
    headers, body_source, first_line = _split(source)
    category = headers.get("category", "")
    if category not in CATEGORIES:
        raise FormFault(f"the header `category:` must be one of {', '.join(CATEGORIES)}", 1)
    buttons = tuple(label for part in headers.get("buttons", "").split("|") if (label := part.strip()))
    env = environment(language)
    try:
        parsed = env.parse(body_source)
    except jinja2.TemplateSyntaxError as error:
        raise FormFault(error.message or "cannot be read", error.lineno + first_line - 1) from None
    body, expressions = _taken_apart(parsed, first_line)
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    return WhatsAppForm(
        name=f"lapak_{template.replace('-', '_')}_{digest}",
        language=language,
        category=category,
        buttons=buttons,
        body=body,
        count=len(expressions),
        text_chars=len(body) - sum(len(f"{{{{{number}}}}}") for number in range(1, len(expressions) + 1)),
        expressions=_one_template(env, expressions, first_line),
    )


def _split(source: str) -> tuple[dict[str, str], str, int]:
    """The header lines, the body, and the line on which the body begins."""
    headers: dict[str, str] = {}
    lines = source.split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            return headers, "\n".join(lines[number:]), number + 1
        key, colon, value = line.partition(":")
        if not colon or key.strip() not in ("category", "buttons"):
            raise FormFault("before the empty line stand only `category:` and `buttons:`", number)
        headers[key.strip()] = value.strip()
    raise FormFault("there is no empty line between the header lines and the body", len(lines))


def _taken_apart(parsed: nodes.Template, first_line: int) -> tuple[str, list[nodes.Expr]]:
    """The body with {{1}} ... in it, and the expressions that fill them."""
    texts: list[str] = []
    expressions: list[nodes.Expr] = []
    for node in parsed.body:
        if not isinstance(node, nodes.Output):
            raise FormFault("a WhatsApp body holds text and {{ expressions }} only", node.lineno + first_line - 1)
        for part in node.nodes:
            if not isinstance(part, nodes.TemplateData):
                expressions.append(part)
                texts.append(f"{{{{{len(expressions)}}}}}")
            elif "{{" in part.data or "}}" in part.data:
                raise FormFault("braces in the text would look like a parameter", part.lineno + first_line - 1)
            else:
                texts.append(part.data)
    return "".join(texts).strip(), expressions


def _one_template(env: jinja2.Environment, expressions: list[nodes.Expr], first_line: int) -> jinja2.Template:
    """One template that writes all expressions with marks between them: one rendering per message."""
    outputs: list[nodes.Node] = []
    for number, expression in enumerate(expressions):
        between: list[nodes.Expr] = [nodes.TemplateData(_MARK)] if number else []
        outputs.append(nodes.Output([*between, expression], lineno=expression.lineno + first_line - 1))
    whole = nodes.Template(outputs, lineno=1)
    whole.set_environment(env)
    try:
        return jinja2.Template.from_code(env, env.compile(whole), env.make_globals(None))
    except jinja2.TemplateSyntaxError as error:
        raise FormFault(error.message or "cannot be compiled", error.lineno + first_line - 1) from None
