"""Text messages through Vonage's SMS API (rest.nexmo.com, /sms/json).

Every answer is HTTP 200 with a status for each part of the message, and every part has a receipt of its own. Our
attempt's id goes along as `client-ref`; where the message has several parts their number follows it, so that a receipt
tells how many must be delivered before the message is. The SMS API has no call that would tell of a message.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from services.notify import segments
from services.notify.channels import Letter, Line, WebhookRefused
from services.notify.channels.http import (
    Answer,
    Api,
    Connection,
    HttpLine,
    code_of,
    name_in,
    not_understood,
    seconds_in,
    words_in,
)
from services.notify.domain.contents import FreeText, Sms
from services.notify.domain.delivery import Accepted, Ambiguous, Deferred, Outcome, Rejected
from services.notify.domain.people import Contact
from services.notify.domain.reports import AccountAlert, Receipt, RejectionKind, Reply, Report, Status
from shared.events.notify import Channel as ChannelName

if TYPE_CHECKING:
    from services.notify.settings import VonageSettings

__all__ = ["Vonage", "signature"]

ACCOUNT_SECONDS = 900.0
LIFE_MILLISECONDS = (20_000, 604_800_000)
"""How long Vonage may try: what its API takes."""

_THROTTLED: Mapping[str, float] = {"1": 1.0, "10": 5.0}
_ACCOUNT = ("4", "8", "9", "11", "14", "15", "23", "32")
_REJECTED: Mapping[str, RejectionKind] = {
    "2": "defect",
    "3": "defect",
    "6": "address",
    "7": "opted-out",
    "12": "defect",
    "22": "defect",
    "29": "other",
    "33": "address",
}
_STATUSES: Mapping[str, Status] = {
    "accepted": "sent",
    "buffered": "sent",
    "unknown": "sent",
    "delivered": "delivered",
    "expired": "failed",
    "failed": "failed",
    "rejected": "failed",
}
_FAILED: Mapping[str, RejectionKind] = {
    "2": "unreachable",
    "3": "address",
    "7": "not-now",
    "8": "not-now",
    "9": "address",
    "10": "defect",
    "12": "unreachable",
    "16": "not-now",
}
"""`err-code` of a receipt; all others say no more than that it failed."""


class Vonage:
    """An account with a sender."""

    channel: ChannelName = "sms"

    def __init__(self, settings: "VonageSettings", public_url: str) -> None:
        self.name = settings.name
        self.api = Api(settings.url, connect_seconds=settings.connect_seconds, answer_seconds=settings.answer_seconds)
        self._settings = settings
        self._webhook = f"{public_url.rstrip('/')}/v1/providers/{settings.name}/webhook"

    def address(self, contact: Contact) -> str | None:
        """The contact's number."""
        return contact.phone

    def line(self) -> Line:
        """A connection of its own."""
        return HttpLine(self)

    async def carry(self, letter: Letter, connection: Connection, *, seconds: float) -> Outcome:
        """Carry one message."""
        if not isinstance(letter.content, Sms | FreeText):
            return Rejected("content-malformed", "defect")
        text = letter.content.text
        counted = segments.count(text)
        shortest, longest = LIFE_MILLISECONDS
        life = int((letter.deadline - letter.written_at).total_seconds() * 1000)
        form = {
            "api_key": self._settings.key,
            "api_secret": self._settings.secret.get_secret_value(),
            "from": self._settings.sender,
            "to": letter.address.removeprefix("+"),
            "text": text,
            "type": "text" if counted.encoding == "gsm-7" else "unicode",
            "client-ref": str(letter.attempt_id) + (f".{counted.parts}" if counted.parts > 1 else ""),
            "ttl": str(min(max(life, shortest), longest)),
            "status-report-req": "1",
            "callback": self._webhook,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await connection.call("POST", "/sms/json", headers, urlencode(form).encode(), seconds=seconds)
        return self._outcome(answer) if isinstance(answer, Answer) else answer

    def _outcome(self, answer: Answer) -> Outcome:
        """Of several parts the worst counts, but nothing of which a part was taken is ever sent again."""
        parts = answer.json().get("messages")
        if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
            return not_understood(answer)
        statuses = [str(part.get("status")) for part in parts]
        refused = [status for status in statuses if status != "0"]
        if not refused:
            message_id = parts[-1].get("message-id")
            if not isinstance(message_id, str) or not 0 < len(message_id) <= 64:
                return Ambiguous("answer-unreadable")
            return Accepted("vonage accepted", message_id, len(parts), len(parts) * self._settings.price_millirupiah)
        code = code_of("vonage", refused[0])
        if len(refused) < len(parts):
            return Ambiguous(f"{code} of-a-part")
        status = refused[0]
        if status in _THROTTLED:
            return Deferred(code, "provider", seconds_in(answer, _THROTTLED[status]))
        if status in _ACCOUNT:
            return Deferred(code, "provider", ACCOUNT_SECONDS, pause=True)
        if status in _REJECTED:
            return Rejected(code, _REJECTED[status])
        return Ambiguous(code)  # 5: something went wrong at Vonage, before or after it was taken

    async def find(self, attempt_id: UUID, address: str, began_at: datetime) -> Outcome | None:
        """The SMS API cannot be asked."""
        return None

    def read_webhook(self, path: str, headers: Mapping[str, str], body: bytes) -> Sequence[Report]:
        """A receipt of a part, or a person's text: in the query, as a form or as JSON, signed (HMAC-SHA-256). Raises
        `WebhookRefused`.
        """
        values = _values(path, headers, body)
        given = values.pop("sig", "")
        right = signature(values, self._settings.signature_secret.get_secret_value())
        if not hmac.compare_digest(given.lower().encode(), right.encode()):
            raise WebhookRefused("the signature does not fit the call")
        return self._receipts(values) if "status" in values else self._inbound(values)

    def _receipts(self, values: Mapping[str, str]) -> Sequence[Report]:
        status, at, message_id = _STATUSES.get(values["status"]), _moment(values), name_in(values.get("messageId"))
        if status is None or at is None or message_id is None:
            return ()
        reference, _, number = values.get("client-ref", "").partition(".")
        attempt_id, parts = None, 1
        with suppress(ValueError):
            attempt_id = UUID(reference)
            if number.isascii() and number.isdigit() and len(number) < 3:
                parts = max(int(number), 1)
        if status != "failed":
            return (Receipt(self.name, attempt_id, message_id, status, at, parts=parts),)
        error = values.get("err-code", "")
        code = f"vonage err {error}" if error.isascii() and error.isdigit() and len(error) < 4 else "vonage err unknown"
        kind = "unreachable" if values["status"] == "expired" else _FAILED.get(error, "other")
        receipt = Receipt(self.name, attempt_id, message_id, status, at, code, kind)
        # 16: our quota is used up
        return (receipt, AccountAlert(self.name, code, pause=True)) if error == "16" else (receipt,)

    def _inbound(self, values: Mapping[str, str]) -> Sequence[Report]:
        sender, message_id, at = values.get("msisdn", ""), name_in(values.get("messageId")), _moment(values)
        if not (sender.isascii() and sender.isdigit() and len(sender) <= 15) or message_id is None or at is None:
            return ()
        return (Reply(self.name, "sms", message_id, f"+{sender}", words_in(values.get("text")), at),)


def signature(values: Mapping[str, str], secret: str) -> str:
    """Vonage's signature over parameters (HMAC-SHA-256, hex): `&name=value` of each, sorted by name, with `&` and `=`
    in values made `_`.
    """
    signed = "".join(f"&{name}={value.replace('&', '_').replace('=', '_')}" for name, value in sorted(values.items()))
    return hmac.new(secret.encode(), signed.encode(), "sha256").hexdigest()


def _values(path: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """The call's parameters, whichever way it carries them."""
    try:
        if headers.get("content-type", "").startswith("application/json") and body:
            read: Any = json.loads(body)
            if not isinstance(read, dict):
                raise WebhookRefused("the body is not an object")
            values = {name: value if isinstance(value, str) else json.dumps(value) for name, value in read.items()}
            "".join((*values, *values.values())).encode()  # half of a character can be neither signed nor kept
            return values
        text = body.decode() if body else path.partition("?")[2]
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=200))
    except (ValueError, RecursionError):
        raise WebhookRefused("the call's parameters cannot be read") from None


def _moment(values: Mapping[str, str]) -> datetime | None:
    """When it happened, to the second, in UTC."""
    with suppress(ValueError):
        return datetime.strptime(values.get("message-timestamp", ""), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(int(values.get("timestamp", "")), UTC)
    return None
