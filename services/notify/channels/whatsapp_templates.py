"""Templates at WhatsApp: submitted for approval, and asked how they stand (Graph API, {account}/message_templates)."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from services.notify.channels import ChannelDown
from services.notify.channels.http import Answer, Api, Connection, code_of
from services.notify.channels.whatsapp import VERSION
from services.notify.domain.reports import TemplateVerdict
from services.notify.forms import WhatsAppForm

if TYPE_CHECKING:
    from services.notify.settings import WhatsAppSettings

__all__ = ["Submitted", "WhatsAppTemplates"]

CALL_SECONDS = 30.0
PAGES_MAX = 200
EXISTS_ALREADY = 2388024
"""Sub-code: this name and language are there; a submission whose answer was lost, or another installation's."""
TEMPORARY = frozenset({1, 2, 4, 130429, 80007, 80008, 131016})
"""Codes that say: later. All others find fault with the template or the account, and a repetition meets the same."""
WAIT_SECONDS = 300.0


@dataclass(frozen=True)
class Submitted:
    """What came of a submission. `retry_seconds`: not taken this time, again after so long."""

    status: str
    category: str | None = None
    reason: str | None = None
    retry_seconds: float | None = None


class WhatsAppTemplates:
    """The templates of one business account, through one of its providers."""

    def __init__(self, settings: "WhatsAppSettings") -> None:
        self.provider = settings.name
        self.account = settings.account_id
        self._connection = Connection(
            Api(settings.url, connect_seconds=settings.connect_seconds, answer_seconds=settings.answer_seconds)
        )
        self._path = f"/{VERSION}/{quote(settings.account_id, safe='')}/message_templates"
        self._headers = {
            "Authorization": f"Bearer {settings.token.get_secret_value()}",
            "Content-Type": "application/json",
        }

    async def submit(self, form: WhatsAppForm, example: Sequence[str]) -> Submitted:
        """Submit a form, with a value for each parameter as an example. Submitting it twice does no harm."""
        body: dict[str, Any] = {"type": "BODY", "text": form.body}
        if example:
            body["example"] = {"body_text": [list(example)]}
        components = [body]
        if form.buttons:
            components.append(
                {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": label} for label in form.buttons]}
            )
        asked = {
            "name": form.name,
            "language": form.language,
            "category": form.category.upper(),
            "parameter_format": "POSITIONAL",
            "components": components,
        }
        content = json.dumps(asked, ensure_ascii=False).encode()
        answer = await self._connection.call("POST", self._path, self._headers, content, seconds=CALL_SECONDS)
        if not isinstance(answer, Answer):
            return Submitted("wanted", reason=answer.code, retry_seconds=WAIT_SECONDS)
        return _submitted(answer)

    async def find_all(self) -> AsyncIterator[TemplateVerdict]:
        """How every template of the account that has a name of ours stands. Raises `ChannelDown`."""
        after = ""
        for _ in range(PAGES_MAX):
            query = f"?fields=name,language,status,rejected_reason&limit=100{after}"
            answer = await self._connection.call("GET", self._path + query, self._headers, b"", seconds=CALL_SECONDS)
            if not isinstance(answer, Answer) or answer.status != 200:
                raise ChannelDown(f"http {answer.status}" if isinstance(answer, Answer) else answer.code)
            page = answer.json()
            for one in page.get("data") or ():
                verdict = self._verdict(one)
                if verdict is not None:
                    yield verdict
            paging = page.get("paging") or {}
            cursor = (paging.get("cursors") or {}).get("after")
            if not cursor or "next" not in paging:
                return
            after = f"&after={quote(str(cursor), safe='')}"

    def _verdict(self, one: Any) -> TemplateVerdict | None:
        if not isinstance(one, dict):
            return None
        name, language, status = one.get("name"), one.get("language"), one.get("status")
        if not isinstance(name, str) or not isinstance(language, str) or not isinstance(status, str):
            return None
        reason = one.get("rejected_reason")
        return TemplateVerdict(
            self.provider, name, language, status.lower(), reason if isinstance(reason, str) else None
        )

    async def close(self) -> None:
        """End the connection; a later call opens another."""
        await self._connection.close()


def _submitted(answer: Answer) -> Submitted:
    found = answer.json()
    if answer.status == 200 and isinstance(found.get("status"), str):
        category = found.get("category")
        return Submitted(found["status"].lower()[:40], category.lower()[:40] if isinstance(category, str) else None)
    error = found.get("error")
    if not isinstance(error, dict):
        return Submitted("wanted", reason=f"http {answer.status}", retry_seconds=WAIT_SECONDS)
    code, subcode = error.get("code"), error.get("error_subcode")
    if subcode == EXISTS_ALREADY:
        return Submitted("pending")
    reason = code_of("whatsapp", code) + (f"/{subcode}" if isinstance(subcode, int) else "")
    if code in TEMPORARY or answer.status >= 500 or answer.status == 429:
        return Submitted("wanted", reason=reason, retry_seconds=WAIT_SECONDS)
    if answer.status in (401, 403) or code in (190, 10, 200, 368):
        return Submitted("wanted", reason=reason, retry_seconds=4 * WAIT_SECONDS)
    return Submitted("refused", reason=reason)
