"""WhatsApp through Meta's Cloud API (v23.0): approved templates, and free words while a conversation is open.

An answer carries Meta's error code, by which it is judged (its error page asks for that: titles and HTTP statuses may
change). Our attempt's id goes along as `biz_opaque_callback_data` and comes back with every status, so a message whose
answer was lost is settled by its first status. There is no call that would tell of a message: `find` cannot know.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic_core import to_json

from services.notify.channels import Letter, Line, WebhookRefused
from services.notify.channels.http import Answer, Api, Connection, HttpLine, code_of, not_understood, seconds_in
from services.notify.channels.whatsapp_reports import judged, read_changes
from services.notify.domain.contents import Content, FreeText, WhatsAppTemplate
from services.notify.domain.delivery import Accepted, Ambiguous, Deferred, Outcome, Rejected
from services.notify.domain.people import Contact
from services.notify.domain.reports import Report
from shared.events.notify import Channel as ChannelName

if TYPE_CHECKING:
    from services.notify.settings import WhatsAppSettings

__all__ = ["VERSION", "WhatsApp"]

VERSION = "v23.0"


class WhatsApp:
    """A number at the Cloud API."""

    channel: ChannelName = "whatsapp"

    def __init__(self, settings: "WhatsAppSettings") -> None:
        self.name = settings.name
        self.api = Api(settings.url, connect_seconds=settings.connect_seconds, answer_seconds=settings.answer_seconds)
        self._settings = settings
        self._path = f"/{VERSION}/{settings.number_id}/messages"
        self._headers = {
            "Authorization": f"Bearer {settings.token.get_secret_value()}",
            "Content-Type": "application/json",
        }
        self._signing_key = settings.app_secret.get_secret_value().encode()

    def address(self, contact: Contact) -> str | None:
        """The contact's mobile number; whether WhatsApp is used there only a try tells."""
        return contact.phone

    def line(self) -> Line:
        """A connection of its own."""
        return HttpLine(self)

    async def carry(self, letter: Letter, connection: Connection, *, seconds: float) -> Outcome:
        """Carry one message."""
        message = _message(letter.content)
        if message is None:
            return Rejected("content-malformed", "defect")
        body = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": letter.address.removeprefix("+"),
            "biz_opaque_callback_data": str(letter.attempt_id),
            **message,
        }
        answer = await connection.call("POST", self._path, self._headers, to_json(body), seconds=seconds)
        if not isinstance(answer, Answer):
            return answer
        outcome = _outcome(answer)
        if isinstance(outcome, Accepted) and not isinstance(letter.content, FreeText):
            return Accepted(outcome.code, outcome.message_id, 1, self._settings.price_millirupiah)
        return outcome

    async def find(self, attempt_id: UUID, address: str, began_at: datetime) -> Outcome | None:
        """The Cloud API cannot be asked about a message; its statuses tell."""
        return None

    def challenge(self, query: Mapping[str, str]) -> str:
        """What Meta wants to read when the webhook is set up. Raises `WebhookRefused`."""
        token = self._settings.verify_token.get_secret_value()
        told = query.get("hub.verify_token", "")
        challenge = query.get("hub.challenge", "")
        if query.get("hub.mode") != "subscribe" or not hmac.compare_digest(told.encode(), token.encode()):
            raise WebhookRefused("the verify token is not ours")
        if not challenge.isascii() or not challenge.isalnum() or len(challenge) > 200:
            raise WebhookRefused("there is no challenge to answer")
        return challenge

    def read_webhook(self, path: str, headers: Mapping[str, str], body: bytes) -> Sequence[Report]:
        """Statuses, messages of people, verdicts on templates, trouble with the account. Raises `WebhookRefused`."""
        given = headers.get("x-hub-signature-256", "")
        right = "sha256=" + hmac.new(self._signing_key, body, sha256).hexdigest()
        if not hmac.compare_digest(given.encode(), right.encode()):
            raise WebhookRefused("the signature does not fit the body")
        try:
            read: Any = json.loads(body)
        except (ValueError, RecursionError):
            raise WebhookRefused("the body is not JSON") from None
        settings = self._settings
        return read_changes(self.name, settings.number_id, settings.account_id, settings.price_millirupiah, read)


def _message(content: Content) -> dict[str, Any] | None:
    """The message as the API wants it; None where this channel has no form for it."""
    match content:
        case FreeText(text):
            return {"type": "text", "text": {"preview_url": False, "body": text}}
        case WhatsAppTemplate(name, language, parameters, buttons):
            components: list[dict[str, Any]] = []
            if parameters:
                texts = [{"type": "text", "text": value} for value in parameters]
                components.append({"type": "body", "parameters": texts})
            for place, payload in enumerate(buttons):
                parts = [{"type": "payload", "payload": payload}]
                button = {"type": "button", "sub_type": "quick_reply", "index": str(place), "parameters": parts}
                components.append(button)
            template: dict[str, Any] = {"name": name, "language": {"code": language}}
            if components:
                template["components"] = components
            return {"type": "template", "template": template}
        case _:
            return None


def _outcome(answer: Answer) -> Outcome:
    """What the answer says became of the message."""
    found = answer.json()
    error = found.get("error")
    if isinstance(error, dict) and isinstance(error.get("code"), int):
        return _refused(answer, error["code"])
    messages = found.get("messages")
    if answer.status != 200 or not isinstance(messages, list) or not messages:
        return not_understood(answer)
    first = messages[0]
    message_id = first.get("id") if isinstance(first, dict) else None
    if not isinstance(message_id, str) or not 0 < len(message_id) <= 200:
        return Ambiguous("answer-unreadable")
    return Accepted("whatsapp accepted", message_id)


def _refused(answer: Answer, number: int) -> Outcome:
    """By Meta's code; a code we do not know is a refusal of this message where the request was at fault (4xx)."""
    judgement = judged(number)
    if judgement is not None:
        if isinstance(judgement, Deferred) and judgement.seconds is not None:
            seconds = seconds_in(answer, judgement.seconds)
            return Deferred(judgement.code, judgement.scope, seconds, judgement.pause)
        return judgement
    if answer.status == 429:
        return not_understood(answer)
    if 400 <= answer.status < 500:
        return Rejected(code_of("whatsapp", number))
    return Ambiguous(code_of("whatsapp", number))
