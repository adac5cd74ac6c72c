"""Message templates at WhatsApp: what may be submitted, when it is approved, what a message of one looks like."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from deploy.local.providers.store import Store

__all__ = ["Refusal", "Template", "Templates", "check"]

VARIABLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
BODY_LENGTH_MAX = 1024
FOOTER_LENGTH_MAX = 60
BUTTON_LENGTH_MAX = 25
BUTTONS_MAX = 10
CATEGORIES = {"UTILITY", "MARKETING", "AUTHENTICATION"}
LANGUAGES = re.compile(r"^[a-z]{2,3}(_[A-Z]{2,3})?$")


class Refusal(Exception):
    """A template is not taken: the sub-code, title and text that the API answers beside code 100."""

    def __init__(self, subcode: int, title: str, text: str) -> None:
        super().__init__(title)
        self.subcode, self.title, self.text = subcode, title, text


@dataclass(frozen=True)
class Template:
    """One template in one language. PENDING until `decided_at` when it is to be approved."""

    account: str
    name: str
    language: str
    id: int
    category: str
    components: tuple[dict[str, Any], ...]
    status: str
    decided_at: float

    def status_at(self, now: float) -> str:
        """What its status is now."""
        return "PENDING" if self.status == "APPROVED" and now < self.decided_at else self.status

    @property
    def body(self) -> str:
        """The text with {{1}} ... in it."""
        return next((str(part["text"]) for part in self.components if part["type"] == "BODY"), "")

    @property
    def variables(self) -> int:
        """How many values a message must bring."""
        return len(set(VARIABLE.findall(self.body)))

    @property
    def buttons(self) -> list[str]:
        """The quick replies under it."""
        found: dict[str, Any] = next((part for part in self.components if part["type"] == "BUTTONS"), {"buttons": []})
        return [str(button["text"]) for button in found["buttons"] if button["type"] == "QUICK_REPLY"]

    def text(self, values: list[str]) -> str:
        """The message in words."""
        return VARIABLE.sub(lambda place: values[int(place[1]) - 1], self.body)


class Templates:
    """All templates of all accounts, in memory and in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._all: dict[tuple[str, str, str], Template] = {}
        for row in store.templates():
            values = dict(row) | {"components": tuple(json.loads(row["components"]))}
            template = Template(**values)
            self._all[template.account, template.name, template.language] = template

    def get(self, account: str, name: str, language: str) -> Template | None:
        """One of them."""
        return self._all.get((account, name, language))

    def of(self, account: str) -> list[Template]:
        """All of an account, oldest first."""
        return sorted((one for one in self._all.values() if one.account == account), key=lambda one: one.id)

    def create(self, account: str, asked: dict[str, Any], *, decided_at: float) -> Template:
        """Take a new template, to be approved at that moment. Raises Refusal."""
        check(asked)
        name, language = str(asked["name"]), str(asked["language"])
        if (account, name, language) in self._all:
            raise Refusal(
                2388024,
                "Content in This Language Already Exists",
                f"There is already {language} content for this template. You can create a new template and try again.",
            )
        number = 10**15 + len(self._all) + 1
        return self._save(
            Template(
                account, name, language, number, asked["category"], tuple(asked["components"]), "APPROVED", decided_at
            )
        )

    def decide(self, template: Template, status: str) -> Template:
        """Another status by a person's word: PAUSED, DISABLED, REJECTED, APPROVED."""
        return self._save(replace(template, status=status, decided_at=0.0))

    def _save(self, template: Template) -> Template:
        self._all[template.account, template.name, template.language] = template
        self._store.save_template(
            (
                template.account,
                template.name,
                template.language,
                template.id,
                template.category,
                json.dumps(template.components),
                template.status,
                template.decided_at,
            )
        )
        return template


def check(asked: dict[str, Any]) -> None:
    """Hold a template against the documented rules. Raises Refusal."""

    def bad(text: str, subcode: int = 2388043, title: str = "Invalid parameter") -> Refusal:
        return Refusal(subcode, title, text)

    name = asked.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9_]{1,512}", name):
        raise bad("name: lower-case letters, digits and underscores, at most 512")
    if not isinstance(asked.get("language"), str) or not LANGUAGES.match(asked["language"]):
        raise bad("language: a code like id or en_US")
    if asked.get("category") not in CATEGORIES:
        raise bad(f"category: one of {', '.join(sorted(CATEGORIES))}")
    parts = asked.get("components")
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise bad("components: a list of objects")
    bodies = [part for part in parts if part.get("type") == "BODY"]
    if len(bodies) != 1:
        raise bad("components: exactly one BODY")
    for part in parts:
        _check_part(part, bad)
    _check_body(bodies[0])


def _check_part(part: dict[str, Any], bad: Any) -> None:
    kind, text = part.get("type"), part.get("text")
    if kind in {"BODY", "FOOTER"} and (not isinstance(text, str) or not text.strip()):
        raise bad(f"{kind}: has no text")
    if kind == "FOOTER" and (len(str(text)) > FOOTER_LENGTH_MAX or VARIABLE.search(str(text))):
        raise bad("FOOTER: at most 60 characters, no variables", 2388073, "Message footer format is incorrect")
    if kind == "BUTTONS":
        buttons = part.get("buttons")
        if not isinstance(buttons, list) or not 1 <= len(buttons) <= BUTTONS_MAX:
            raise bad("BUTTONS: one to ten")
        for button in buttons:
            label = button.get("text") if isinstance(button, dict) else None
            if not isinstance(label, str) or not 1 <= len(label) <= BUTTON_LENGTH_MAX or VARIABLE.search(label):
                raise bad("BUTTONS: a text of at most 25 characters each, no variables")
            if button.get("type") not in {"QUICK_REPLY", "URL", "PHONE_NUMBER"}:
                raise bad("BUTTONS: of type QUICK_REPLY, URL or PHONE_NUMBER")
    elif kind not in {"BODY", "FOOTER", "HEADER"}:
        raise bad(f"components: no such type {kind}")


def _check_body(body: dict[str, Any]) -> None:
    text: str = body["text"]
    found: list[str] = VARIABLE.findall(text)
    if len(text) > BODY_LENGTH_MAX:
        raise Refusal(2388040, "Character Limit Exceeded", "BODY: at most 1024 characters")
    if re.search(r"\n{3,}|\t| {5,}", text):
        raise Refusal(2388072, "Message body format is incorrect", "BODY: no tabs, no runs of empty lines or spaces")
    if sorted(set(found)) != sorted(str(number) for number in range(1, len(set(found)) + 1)):
        raise Refusal(2388072, "Message body format is incorrect", "BODY: variables are {{1}}, {{2}}, ... without gaps")
    bare = text.strip()
    if bare.startswith("{{") or bare.endswith("}}"):
        raise Refusal(
            2388299, "Leading or trailing params not allowed", "Variables can't be at the start or end of the template."
        )
    if re.search(r"\}\}\s*\{\{", text):
        raise Refusal(2388072, "Message body format is incorrect", "BODY: two variables stand side by side")
    words = len(VARIABLE.sub(" ", text).split())
    if words < 2 * len(set(found)) + 1:
        raise Refusal(
            2388293,
            "Parameters words ratio exceeds limit",
            "This template has too many variables for its length. Reduce the variables or increase the message length.",
        )
    examples = body.get("example", {}).get("body_text") if isinstance(body.get("example"), dict) else None
    if found:
        one = examples[0] if isinstance(examples, list) and examples and isinstance(examples[0], list) else None
        if one is None or len(one) != len(set(found)) or not all(isinstance(v, str) and v.strip() for v in one):
            raise Refusal(
                2388043,
                'Message template "components" param is missing expected field(s)',
                "component of type BODY is missing expected field(s) (example)",
            )
