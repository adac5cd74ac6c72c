"""The SMS and WhatsApp forms of every message: what fits into a segment, what Meta accepts, and that both say what the
e-mail says.
"""

import re
from typing import Any, NamedTuple

import jinja2
import pytest
from jinja2 import meta, nodes
from jinja2.sandbox import SandboxedEnvironment

from services.notify.forms import whatsapp_form
from services.notify.plans import PLANS, TEMPLATES
from services.notify.rendering import DIRECTORY
from services.notify.segments import count
from services.notify.wording import FILTERS, LANGUAGES
from tests.unit.notify_samples import values

SEGMENTS_TYPICAL_MAX, SEGMENTS_MAX = 2, 3
BODY_CHARS_MAX, BUTTON_CHARS_MAX, BUTTONS_MAX, WORDS_PER_PARAMETER_MIN = 1024, 25, 3, 3

ASKED = {
    "booth-assigned": ("Balas YA atau TIDAK.", "Reply YES or NO."),
    "booth-offer-expiring": ("Balas YA atau TIDAK.", "Reply YES or NO."),
    "applicant-queued": ("Balas KENAPA untuk alasannya.", "Reply WHY for the reason."),
}
"""What may be answered by a reply, and how the SMS asks for it."""
BUTTONS = {
    "booth-assigned": (["YA", "TIDAK"], ["YES", "NO"]),
    "booth-offer-expiring": (["YA", "TIDAK"], ["YES", "NO"]),
    "applicant-queued": (["KENAPA"], ["WHY"]),
}
UNASKED = {"exhibition-invited", "training-invited"}
"""Invitations that nobody asked for: Meta counts them as marketing."""

NUMBERS = {"application_id", "appeal_id", "case_id", "candidacy_id", "class_id", "interest_id", "notification_id"}
"""Long numbers: they are on the page of the message in the account."""
ONLY_IN_EMAIL = NUMBERS | {"name", "ticket", "explanation"}
LEFT_OUT = {"booth-assigned": {"promoted", "phase"}}
"""Facts of the e-mail for which a text message has no room: why a booth is whose it is."""
SAID_WITHOUT = {"ticket-issued": {"serial"}, "training-ticket-issued": {"serial"}}
"""WhatsApp says it in any case: a ticket from before, if there was one, is no longer valid."""


def environment(language: str) -> SandboxedEnvironment:
    made = SandboxedEnvironment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    made.filters.update(FILTERS[language])
    return made


ENVIRONMENTS = {language: environment(language) for language in LANGUAGES}
EVERY = [(template, language) for template in TEMPLATES for language in LANGUAGES]


def source(template: str, language: str, form: str = "") -> str:
    return (DIRECTORY / language / f"{template}{form}.txt").read_text("utf-8")


def sms(text: str, language: str, known: dict[str, Any]) -> str:
    return " ".join(ENVIRONMENTS[language].from_string(text).render(known).split())


def told(text: str, language: str) -> set[str]:
    """The parameters a text reads."""
    return meta.find_undeclared_variables(ENVIRONMENTS[language].parse(text))


LONGEST = {
    "name": 200,
    "bazaar_name": 120,
    "site_name": 120,
    "title": 200,
    "place": 200,
    "venue": 300,
    "organisation": 40,
}
"""Characters that the other services let these have."""
LONGEST_REASON = "group-missing"
WHOLE_MONTH = [f"2023-03-{day:02}" for day in range(1, 32)]


def stretched(known: dict[str, Any]) -> dict[str, Any]:
    """The same with names as long as they may be, the longest of reasons, and as many days and choices as there are."""
    much: dict[str, Any] = {}
    for name, value in known.items():
        match name, value:
            case (("bazaar_name" | "site_name" | "title" | "place" | "venue" | "organisation"), str()):
                much[name] = ("Kegiatan " * 40)[: LONGEST[name]].strip()
            case "name" | "party_name", str():
                much[name] = ("Aminah " * 40)[: LONGEST["name"]].strip()
            case "reason" | "because", "mentor-left" | "officer" | "replaced":
                pass
            case "reason" | "because", str():
                much[name] = LONGEST_REASON
            case (("days" | "days_before" | "added" | "clashes"), [_, *_]):
                much[name] = WHOLE_MONTH
            case "starts_at", [_, *_]:
                much[name] = [f"{day}T{hour % 9:02}:00:00Z" for hour, day in enumerate(WHOLE_MONTH)]
            case "choices", [_, *_]:
                much[name] = [["Kegiatan " * 13] * 8] * 8
            case "wanted", [_, *_]:
                much[name] = ["family-card-copy", "bank-statement", "lease-letter"]
    return {**known, **much}


# ---- WhatsApp: what Meta is shown


class Form(NamedTuple):
    """A WhatsApp form taken apart: `parts` are the fixed texts between the parameters, one more than `expressions`."""

    headers: dict[str, str]
    parts: list[str]
    expressions: list[str]

    @property
    def body(self) -> str:
        """As Meta's reviewer sees it, with {{1}}, {{2}} ... where parameters stand."""
        return self.filled(["{{" + str(at) + "}}" for at in range(1, len(self.expressions) + 1)])

    def parameters(self, language: str, known: dict[str, Any]) -> list[str]:
        made = ENVIRONMENTS[language]
        return [made.from_string("{{" + expression + "}}").render(known) for expression in self.expressions]

    def filled(self, parameters: list[str]) -> str:
        return "".join(part + filling for part, filling in zip(self.parts, [*parameters, ""], strict=True))


def take_apart(text: str) -> Form:
    head, _, body = text.partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.split("\n"))
    parts, expressions, inside = [""], [], False
    for _, kind, value in ENVIRONMENTS["id"].lex(body.rstrip("\n")):
        match kind:
            case "data":
                parts[-1] += value
            case "variable_begin":
                expressions.append("")
                inside = True
            case "variable_end":
                parts.append("")
                inside = False
            case _:
                assert inside, f"{kind}: only output expressions stand in a body"
                expressions[-1] += value
    return Form(headers, parts, expressions)


def faults(form: Form) -> list[str]:
    """What Meta would refuse in a body."""
    found = []
    if not re.match(r"\w", form.parts[0]):
        found.append("begins with no word")
    if not re.search(r"\w", form.parts[-1]):
        found.append("ends with no word")
    if any(not re.search(r"\w", part) for part in form.parts[1:-1]):
        found.append("two parameters without a word between them")
    if sum(len(re.findall(r"\w+", part)) for part in form.parts) < WORDS_PER_PARAMETER_MIN * len(form.expressions):
        found.append("too few words for so many parameters")
    if len(form.body) > BODY_CHARS_MAX:
        found.append("too long")
    if re.search(r"\n{3}|[^\S\n]{2}|\t|[ ]$", form.body, re.MULTILINE):
        found.append("untidy")
    if form.body.count("*") % 2 or any(line.count("*") % 2 for line in form.body.split("\n")):
        found.append("a bold word that does not end")
    return found


# ---- every form


def test_every_template_has_both_forms_and_no_form_is_without_its_template() -> None:
    for language in LANGUAGES:
        files = {path.name for path in (DIRECTORY / language).iterdir()}
        assert files >= {f"{template}{form}.txt" for template in TEMPLATES for form in ("", ".sms", ".whatsapp")}
        templates = {name.partition(".")[0] for name in files}
        assert files <= {f"{template}{form}.txt" for template in templates for form in ("", ".sms", ".whatsapp")}
        assert {f"{template}.txt" for template in templates} <= files


@pytest.mark.parametrize(("template", "language"), EVERY)
def test_a_text_message_is_plain_short_and_tidy(template: str, language: str) -> None:
    text = source(template, language, ".sms")
    for known in values(template):
        said = sms(text, language, known)
        assert said.startswith("Lapak: ")
        size = count(said)
        assert size.encoding == "gsm-7"
        assert size.units == len(said), "a character of the extension table counts twice"
        assert size.parts <= SEGMENTS_TYPICAL_MAX, f"{size.units}: {said}"
        assert not re.search(r"None|\[\]|\{|\}| [.,;:)]|\.\.(?!\.)|,\.|\( |[a-z]\.[A-Z]", said.replace("...", "")), said
        assert said.endswith((".", "!", "?"))
        for answer in ("Balas", "Reply"):
            assert (answer in said) is (template in ASKED and answer in ASKED[template][LANGUAGES.index(language)])
        if template in ASKED:
            assert said.endswith(ASKED[template][LANGUAGES.index(language)])


@pytest.mark.parametrize(("template", "language"), EVERY)
def test_whatever_names_are_given_a_text_message_has_three_segments_at_the_most(template: str, language: str) -> None:
    text = source(template, language, ".sms")
    for known in map(stretched, values(template)):
        said = sms(text, language, known)
        assert count(said).parts <= SEGMENTS_MAX, f"{count(said).units}: {said}"


@pytest.mark.parametrize(("template", "language"), EVERY)
def test_a_whatsapp_form_is_what_meta_accepts(template: str, language: str) -> None:
    form = take_apart(source(template, language, ".whatsapp"))
    assert faults(form) == []
    assert form.body.startswith("Halo {{1}}," if language == "id" else "Hello {{1}},")
    assert form.headers.keys() <= {"category", "buttons"}
    assert form.headers["category"] == ("marketing" if template in UNASKED else "utility")
    buttons = form.headers["buttons"].split(" | ") if "buttons" in form.headers else []
    assert buttons == BUTTONS.get(template, ([], []))[LANGUAGES.index(language)]
    assert len(buttons) <= BUTTONS_MAX
    assert all(0 < len(button) <= BUTTON_CHARS_MAX for button in buttons)
    assert all(button in form.body for button in buttons)


@pytest.mark.parametrize(("template", "language"), EVERY)
def test_the_parameters_of_whatsapp_are_never_empty_and_the_whole_is_not_too_long(template: str, language: str) -> None:
    form = take_apart(source(template, language, ".whatsapp"))
    for known in [*values(template), *map(stretched, values(template))]:
        parameters = form.parameters(language, known)
        for parameter in parameters:
            assert parameter.strip()
            assert not re.search(r"[\n\r\t]| {4}|None|\[\]", parameter), parameter
        filled = form.filled(parameters)
        assert len(filled) <= BODY_CHARS_MAX, f"{len(filled)}: {filled}"
        assert not re.search(r" [.,;:)]|\.\.(?!\.)|[,;]\.|\( ", filled.replace("...", "")), filled


@pytest.mark.parametrize(("template", "language"), EVERY)
def test_a_whatsapp_form_is_sent_as_it_is_judged_here(template: str, language: str) -> None:
    text = source(template, language, ".whatsapp")
    form, compiled = take_apart(text), whatsapp_form(template, language, text)
    assert compiled.body == form.body
    for known in values(template):
        assert list(compiled.parameters(known)) == form.parameters(language, known)


@pytest.mark.parametrize(("template", "language"), EVERY)
def test_the_forms_use_what_the_plan_gives(template: str, language: str) -> None:
    plan = next(plan for plan in PLANS.values() if plan.template == template)
    given = {"site_name" if name == "site_id" else name for name in plan.fields} | {"name", "notification_id"}
    given |= {"party_name", "party_phone"} if plan.party else set()
    for form in (".sms", ".whatsapp"):
        assert told(source(template, language, form), language) <= given


@pytest.mark.parametrize(("template", "language"), EVERY)
def test_the_forms_tell_what_the_email_tells(template: str, language: str) -> None:
    email = told(source(template, language), language)
    whatsapp = told(source(template, language, ".whatsapp"), language)
    text = told(source(template, language, ".sms"), language)
    assert email - whatsapp - SAID_WITHOUT.get(template, set()) <= ONLY_IN_EMAIL
    assert email - text - LEFT_OUT.get(template, set()) <= ONLY_IN_EMAIL
    assert "ticket" not in whatsapp | text
    assert "name" in whatsapp
    assert "name" not in text


@pytest.mark.parametrize("form", [".sms", ".whatsapp"])
@pytest.mark.parametrize(("template", "language"), EVERY)
def test_the_samples_reach_both_branches_of_every_condition(template: str, language: str, form: str) -> None:
    tree = ENVIRONMENTS[language].parse(source(template, language, form))
    tests = [one.test for one in tree.find_all(nodes.If)] + [one.test for one in tree.find_all(nodes.CondExpr)]
    for test in tests:
        outcome = nodes.CondExpr(test, nodes.Const("yes"), nodes.Const("no"))
        asked = ENVIRONMENTS[language].from_string(nodes.Template([nodes.Output([outcome])], lineno=1))
        assert {asked.render(known) for known in values(template)} == {"yes", "no"}, test


@pytest.mark.parametrize("form", [".sms", ".whatsapp"])
@pytest.mark.parametrize("template", TEMPLATES)
def test_both_languages_tell_the_same(template: str, form: str) -> None:
    indonesian, english = (told(source(template, language, form), language) for language in LANGUAGES)
    assert indonesian == english


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("{{ name }}, halo semua orang di sana", "begins with no word"),
        ("Halo semua orang di sana, {{ name }}.", "ends with no word"),
        ("Halo kawan {{ name }}, {{ title }} sudah dekat sekali ya, datang", "two parameters without a word"),
        ("Halo {{ name }}, lalu {{ title }} ya", "too few words"),
        ("kata " * 300, "too long"),
        ("Halo semuanya\n\n\n{{ name }} dan kawan kawan", "untidy"),
        ("Halo *semua {{ name }} dan kawan kawan", "a bold word"),
    ],
)
def test_a_body_that_meta_would_refuse_is_seen(body: str, fault: str) -> None:
    assert any(said.startswith(fault) for said in faults(take_apart(f"category: utility\n\n{body}\n")))


@pytest.mark.parametrize("body", ["Halo {% if name %}kawan{% endif %} semua", "Halo {# nanti #} semua"])
def test_a_block_in_a_whatsapp_body_is_seen(body: str) -> None:
    with pytest.raises(AssertionError, match="only output expressions"):
        take_apart(f"category: utility\n\n{body}\n")


def test_a_whatsapp_body_is_taken_apart_and_filled() -> None:
    form = take_apart(source("booth-declined", "id", ".whatsapp"))
    assert "lapak di {{2}} untuk {{3}}." in form.body
    filled = form.filled(form.parameters("id", next(values("booth-declined"))))
    assert filled.startswith("Halo Siti Aminah, kami sudah mencatat")
    assert "lapak di Rusun Karang Anyar untuk Bazar Jakpreneur." in filled


# ---- what offers and answers must say, word for word


@pytest.mark.parametrize(
    ("template", "language", "facts"),
    [
        ("booth-assigned", "id", ["A07", "Rusun Karang Anyar", "Sen 20 & Sel 21 Mar", "Sab 18 Mar 15.00", "Gratis"]),
        ("booth-assigned", "en", ["A07", "Rusun Karang Anyar", "Mon 20 & Tue 21 Mar", "Sat 18 Mar 15:00", "Free"]),
        ("booth-offer-expiring", "id", ["A07", "Sab 18 Mar 15.00", "terhitung satu giliran"]),
        ("ticket-issued", "id", ["kotak masuk Lapak Anda", "A07"]),
        ("training-enrolled", "id", ["Sen 20 & Sel 21 Mar pukul 09.00", "Pada Sel 21 Mar Anda tercatat juga"]),
        ("mentor-assigned", "id", ["Ibu Ratna", "+6281234567890"]),
        ("document-verified", "id", ["sertifikat halal", "Sabtu, 16 Oktober 2027"]),
    ],
)
def test_a_text_message_says_what_it_must(template: str, language: str, facts: list[str]) -> None:
    said = sms(source(template, language, ".sms"), language, next(values(template)))
    for fact in facts:
        assert fact in said, said
