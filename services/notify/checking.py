"""Whether a template may be saved: what its forms may hold, and that they can be filled for whatever may come.

First the source is read, never run: only the parts of Jinja that a text needs, loops over lists of the event only, one
within another only over what the outer one gives, no calls, no multiplication, none of the filters that make much of
little. So nothing that is saved can run long or grow large, whoever saved it. Then it is filled for samples of every
kind: each optional field there and absent, each literal. What passes cannot fail but by data that breaks the event's
own schema. Uses much CPU (tens of milliseconds): in a thread.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID

import jinja2
from jinja2 import nodes

from services.notify import segments
from services.notify.domain.templates import Fault, FormsByLanguage, Parameter, samples
from services.notify.forms import FormFault, WhatsAppForm, environment, fill, one_line, whatsapp_form
from services.notify.rendering import WHATSAPP_CHARS_MAX, footer
from services.notify.wording import FILTERS, LANGUAGES

__all__ = ["Report", "check_forms", "sources_of"]

SEGMENTS_MAX, SEGMENTS_WARNED = 3, 2
SUBJECT_CHARS_MAX = 150
BUTTONS_MAX, BUTTON_CHARS_MAX = 3, 25
DEPTH_MAX, NODES_MAX = 40, 2000
SAMPLE_NAME = "Siti Aminah binti Abdurrahman"
SAMPLE_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")

FILTERS_OF_JINJA = frozenset(
    {"capitalize", "count", "default", "d", "first", "int", "join", "last", "length", "lower", "map", "title", "trim"}
    | {"upper"}
)
"""Those of Jinja's own that make no more of a text than it was."""
_NODES = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Filter,
    nodes.Test,
    nodes.If,
    nodes.For,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.CondExpr,
    nodes.Concat,
    nodes.Add,
    nodes.Sub,
    nodes.Tuple,
    nodes.List,
)
_LOOP = frozenset({"index", "index0", "first", "last", "length"})


@dataclass
class Report:
    """What was found: `faults` forbid saving, `warnings` do not. `sizes`: by form, parts of an SMS or characters."""

    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)


def sources_of(forms: FormsByLanguage) -> dict[str, str]:
    """The forms as a version keeps them: e-mail with its footer, once, for what is changed was often read from us."""
    found = {}
    for language, of_language in ((language, getattr(forms, language)) for language in LANGUAGES):
        text = of_language.email.rstrip().removesuffix(footer(language).strip()).rstrip()
        found[language] = f"{text}\n{footer(language)}"
        if of_language.sms is not None:
            found[f"{language}.sms"] = of_language.sms
        if of_language.whatsapp is not None:
            found[f"{language}.whatsapp"] = of_language.whatsapp
    return found


def check_forms(
    name: str, sources: Mapping[str, str], parameters: Mapping[str, Parameter], *, has_party: bool = False
) -> Report:
    """Everything that is wrong with these forms."""
    report = Report()
    given = {"name", "notification_id"} | ({"party_name", "party_phone"} if has_party else set())
    for key, source in sources.items():
        language, _, channel = key.partition(".")
        known = given | parameters.keys() | (set() if channel else {"stop_url"})
        _Form(report, f"forms.{language}.{channel or 'email'}", name, language, channel, source).check(
            known, parameters, has_party
        )
    for channel in ("sms", "whatsapp"):
        having = [language for language in LANGUAGES if f"{language}.{channel}" in sources]
        if 0 < len(having) < len(LANGUAGES):
            report.faults.append(
                Fault(f"forms.{having[0]}.{channel}", "has no counterpart in the other language; write both or none")
            )
    return report


@cache
def _checking(language: str) -> jinja2.Environment:
    """As messages are written, but what is absent may not be printed."""
    made = environment(language).overlay(finalize=_never_none)
    made.sandboxed = True
    return made


def _never_none(value: Any) -> Any:
    if value is None:
        raise jinja2.UndefinedError("an absent value would be printed as None; guard it: {% if ... %}, or `or`")
    return value


@dataclass
class _Form:
    """One form under examination."""

    report: Report
    field: str
    template: str
    language: str
    channel: str
    source: str

    def check(self, known: set[str], parameters: Mapping[str, Parameter], has_party: bool) -> None:
        body = self.source
        first_line = 1
        if self.channel == "whatsapp":
            head, _, body = self.source.partition("\n\n")
            first_line = head.count("\n") + 3
        if not self._is_readable(body, first_line, known, parameters):
            return
        if self.channel == "whatsapp":
            self._check_whatsapp(parameters, has_party)
        elif self.channel == "sms":
            self._check_sms(parameters, has_party)
        else:
            self._check_email(parameters, has_party)

    def _fault(self, reason: str, line: int | None = None) -> None:
        fault = Fault(self.field, reason, line)
        if fault not in self.report.faults:
            self.report.faults.append(fault)

    def _warn(self, reason: str) -> None:
        self.report.warnings.append(Fault(self.field, reason))

    # --- reading

    def _is_readable(self, body: str, first_line: int, known: set[str], parameters: Mapping[str, Parameter]) -> bool:
        try:
            parsed = environment(self.language).parse(body)
        except jinja2.TemplateSyntaxError as error:
            self._fault(f"cannot be read: {error.message}", error.lineno + first_line - 1)
            return False
        except RecursionError:
            self._fault("is nested too deeply; write it plainer")
            return False
        before = len(self.report.faults)
        reader = _Reader(self.language, known, parameters)
        try:
            reader.read(parsed)
        except RecursionError:
            self._fault("is nested too deeply; write it plainer")
        for line, reason in reader.found:
            self._fault(reason, line + first_line - 1)
        return len(self.report.faults) == before

    # --- filling

    def _filled(
        self, source: str, parameters: Mapping[str, Parameter], has_party: bool, first_line: int = 1
    ) -> Iterator[tuple[dict[str, Any], str]]:
        template = _checking(self.language).from_string(source)
        for values in _values(parameters, has_party):
            try:
                yield values, fill(template, values)
            except FormFault as fault:
                line = None if fault.line is None else fault.line + first_line - 1
                self._fault(f"cannot be written for every event: {fault.reason}", line)

    def _check_email(self, parameters: Mapping[str, Parameter], has_party: bool) -> None:
        most = 0
        for _, written in self._filled(self.source, parameters, has_party):
            subject, _, body = written.partition("\n")
            most = max(most, len(written))
            if not subject.strip():
                self._fault("begins with an empty line; the first line is the subject", 1)
            elif body and body.split("\n", 1)[0].strip():
                self._fault("the subject goes over its one line; an empty line comes after it", 2)
            elif len(subject) > SUBJECT_CHARS_MAX:
                self._fault(f"the subject is longer than {SUBJECT_CHARS_MAX} characters for some event", 1)
        self.report.sizes[self.field] = most

    def _check_sms(self, parameters: Mapping[str, Parameter], has_party: bool) -> None:
        most = 0
        for _, written in self._filled(self.source, parameters, has_party):
            counted = segments.count(one_line(written))
            most = max(most, counted.parts)
            if not one_line(written):
                self._fault("is empty for some event")
            if counted.encoding == "ucs-2":
                self._warn_once("has characters outside GSM-7, so that a part holds 67 characters only")
        if most > SEGMENTS_MAX:
            self._fault(f"takes {most} parts for some event; {SEGMENTS_MAX} at most: shorten it, or cut names (brief)")
        elif most >= SEGMENTS_WARNED:
            self._warn(f"takes {most} parts for some event; each is paid")
        self.report.sizes[self.field] = most

    def _warn_once(self, reason: str) -> None:
        if Fault(self.field, reason) not in self.report.warnings:
            self._warn(reason)

    def _check_whatsapp(self, parameters: Mapping[str, Parameter], has_party: bool) -> None:
        try:
            form = whatsapp_form(self.template, self.language, self.source)
        except FormFault as fault:
            self._fault(fault.reason, fault.line)
            return
        for reason in _refused_by_meta(form):
            self._fault(reason)
        before = len(self.report.faults)
        head, _, body = self.source.partition("\n\n")
        for _ in self._filled(body, parameters, has_party, head.count("\n") + 3):
            pass
        if len(self.report.faults) > before:
            return
        most = 0
        for values in _values(parameters, has_party):
            try:
                filled = form.parameters(values)
            except FormFault as fault:
                self._fault(f"cannot be written for every event: {fault.reason}", fault.line)
                continue
            most = max(most, form.text_chars + sum(map(len, filled)))
        if most > WHATSAPP_CHARS_MAX:
            self._fault(f"is {most} characters long for some event; Meta carries {WHATSAPP_CHARS_MAX}: shorten it")
        self.report.sizes[self.field] = most


def _values(parameters: Mapping[str, Parameter], has_party: bool) -> Iterator[dict[str, Any]]:
    parties: list[dict[str, Any]] = [{"party_name": None, "party_phone": None}]
    if has_party:
        parties.insert(0, {"party_name": "Ibu Ratna", "party_phone": "+6281234567890"})
    for values in samples(parameters):
        for party in parties:
            yield {**values, **party, "name": SAMPLE_NAME, "notification_id": SAMPLE_ID, "stop_url": None}


_PARAMETER = re.compile(r"\{\{\d+\}\}")


def _refused_by_meta(form: WhatsAppForm) -> Iterator[str]:
    """Why Meta would refuse a body or its buttons (Message Templates, guidelines and errors 100 / 2388xxx)."""
    if len(form.body) > WHATSAPP_CHARS_MAX:
        yield f"the body has {len(form.body)} characters; {WHATSAPP_CHARS_MAX} at most"
    if re.match(_PARAMETER, form.body) or re.search(r"\{\{\d+\}\}\W*$", form.body):
        yield "the body may neither begin nor end with a parameter; put words before and after it"
    if re.search(r"\{\{\d+\}\}\s*\{\{\d+\}\}", form.body):
        yield "two parameters stand beside each other; put words between them"
    if "\n\n\n" in form.body:
        yield "more than one empty line in a row"
    if "\t" in form.body or "     " in form.body:
        yield "a tab, or more than four blanks in a row"
    words = len(_PARAMETER.sub(" ", form.body).split())
    if words < 2 * form.count + 1:
        yield f"{form.count} parameters need {2 * form.count + 1} words of text at least; there are {words}"
    if len(form.buttons) > BUTTONS_MAX:
        yield f"{len(form.buttons)} buttons; {BUTTONS_MAX} at most"
    if len(set(form.buttons)) < len(form.buttons):
        yield "two buttons say the same"
    for button in form.buttons:
        if len(button) > BUTTON_CHARS_MAX or not button.isprintable() or "{" in button:
            yield f"a button has 1 to {BUTTON_CHARS_MAX} characters and no parameter"


class _Reader:
    """Reads a parsed form and notes what it may not hold, by line."""

    def __init__(self, language: str, known: set[str], parameters: Mapping[str, Parameter]) -> None:
        self.found: list[tuple[int, str]] = []
        self._filters = FILTERS[language].keys() | FILTERS_OF_JINJA
        self._known = known
        self._parameters = parameters
        self._count = 0

    def read(self, parsed: nodes.Template) -> None:
        self._read(parsed, (), 0)

    def _read(self, node: nodes.Node, targets: tuple[str, ...], depth: int) -> None:
        self._count += 1
        if depth > DEPTH_MAX or self._count > NODES_MAX:
            if not self.found or self.found[-1][1] != _TOO_MUCH:
                self.found.append((node.lineno, _TOO_MUCH))
            return
        if not isinstance(node, _NODES):
            self._note(node, f"{_called(node)} is not used in texts; use names, filters, if and for")
            return
        match node:
            case nodes.Name():
                self._read_name(node, targets)
            case nodes.Filter():
                self._read_filter(node)
            case nodes.Test():
                if node.name not in ("defined", "none", "string", "number", "even", "odd"):
                    self._note(node, f"the test {node.name!r} is not used in texts")
            case nodes.Getattr():
                self._read_attribute(node)
            case nodes.Getitem():
                if not isinstance(node.arg, nodes.Const) or not isinstance(node.arg.value, int | str):
                    self._note(node, "only a number or a name may stand in brackets, as in days[0]")
            case nodes.For():
                self._read_loop(node, targets, depth)
                return
            case nodes.List() | nodes.Tuple() | nodes.Const():
                pass
        for child in node.iter_child_nodes():
            self._read(child, targets, depth + 1)

    def _read_name(self, node: nodes.Name, targets: tuple[str, ...]) -> None:
        if node.name in targets or node.name in self._known or (node.name == "loop" and targets):
            return
        known = ", ".join(sorted(self._known))
        self._note(node, f"{node.name!r} is not known here; there are {known}")

    def _read_filter(self, node: nodes.Filter) -> None:
        if node.name not in self._filters:
            known = ", ".join(sorted(self._filters))
            self._note(node, f"there is no filter {node.name!r} in texts; there are {known}")
        if node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None:
            self._note(node, f"the filter {node.name!r} takes values here, no names")
        if node.name == "map":
            first = node.args[0] if node.args else None
            inner = first.value if isinstance(first, nodes.Const) else None
            if inner not in self._filters or inner == "map":
                self._note(node, "`map` takes the name of a filter that texts may use")

    def _read_attribute(self, node: nodes.Getattr) -> None:
        if isinstance(node.node, nodes.Name) and node.node.name == "loop" and node.attr in _LOOP:
            return
        parameter = self._parameters.get(node.node.name) if isinstance(node.node, nodes.Name) else None
        if parameter is None or parameter.kind != "words" or node.attr not in LANGUAGES:
            self._note(node, f"there is no {node.attr!r} in it")

    def _read_loop(self, node: nodes.For, targets: tuple[str, ...], depth: int) -> None:
        """Over a list of the event; in another loop only over what that one gives: no more rounds than data."""
        source = node.iter
        over = source.name if isinstance(source, nodes.Name) else None
        parameter = None if over is None else self._parameters.get(over)
        right = over == targets[-1] if targets else parameter is not None and parameter.many > 0
        if not right or node.recursive or node.test is not None or not isinstance(node.target, nodes.Name):
            lists = ", ".join(sorted(name for name, one in self._parameters.items() if one.many)) or "none"
            self._note(node, f"a loop goes over a list of the event ({lists}), or over what the outer one gives")
            return
        if node.target.name in self._known or node.target.name == "loop":
            self._note(node, f"{node.target.name!r} is the name of a parameter; call it otherwise")
            return
        within = (*targets, node.target.name)
        for child in (*node.body, *node.else_):
            self._read(child, within, depth + 1)

    def _note(self, node: nodes.Node, reason: str) -> None:
        self.found.append((node.lineno, reason))


_TOO_MUCH = "is too long or nested too deeply; write it plainer"


def _called(node: nodes.Node) -> str:
    names: Mapping[type[nodes.Node], str] = {
        nodes.Call: "a call, as in range(),",
        nodes.Assign: "`set`",
        nodes.AssignBlock: "`set`",
        nodes.Mul: "multiplication",
        nodes.Pow: "a power",
        nodes.Mod: "formatting with %",
        nodes.Include: "`include`",
        nodes.Macro: "a macro",
    }
    return names.get(type(node), f"`{type(node).__name__.lower()}`")
