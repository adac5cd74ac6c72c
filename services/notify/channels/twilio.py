"""Text messages through Twilio's Programmable Messaging API (2010-04-01).

Our attempt's id stands in the address of its status callback, so every callback names it. The list of messages does
not show that address: a message found there cannot be told from another one to the same person, but where none is
there, none was taken. Twilio says of 429 that such a request was not processed; of its 5xx it says nothing.
"""

import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from services.notify import segments
from services.notify.channels import ChannelDown, Letter, Line, WebhookRefused
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
    from services.notify.settings import TwilioSettings

__all__ = ["VALIDITY_SECONDS_MAX", "Twilio"]

VALIDITY_SECONDS_MAX = 36_000
"""Ten hours: as long as Twilio keeps a message it cannot deliver; the usual time where none is asked for."""

CALL_AGAIN = "rc=5&rp=all"
"""Twilio's connection overrides: a callback that was not answered 200 comes five times more, within its 15 seconds. The
fragment never leaves Twilio, and is not signed.
"""

SETTLED_AFTER = timedelta(minutes=5)
"""So long after an attempt its message would be in the list, if it was taken."""

_KINDS: Mapping[RejectionKind, tuple[int, ...]] = {
    "address": (21211, 21214, 21217, 21265, 21401, 21408, 21421, 21612, 21614, 21635, 30005, 30006),
    "unreachable": (30003,),
    "opted-out": (21610,),
    "defect": (21602, 21604, 21605, 21617, 21623, 30012),
    "not-now": (30001, 30017, 30022),
    "other": (21266, 21608, 30004, 30007, 30008, 30009, 30010),
}
_BY_CODE: dict[int, RejectionKind] = {number: kind for kind, numbers in _KINDS.items() for number in numbers}

_DEFERRED: Mapping[int, float] = {20429: 1.0, 14107: 1.0, 21611: 60.0, 63038: 3600.0}
"""Our rate, the queue of our number, what our account may send in a day: the code, and seconds to wait."""

_ACCOUNT = (20003, 20005, 20006, 20404, 21212, 21603, 21606, 21609, 21659, 21660, 21661, 30002, 30032, 30034)
"""Credentials, account, sender, callback: wrong for every message, until somebody mends it."""

ACCOUNT_SECONDS = 900.0

_STATUSES: Mapping[str, Status] = {
    "accepted": "sent",
    "queued": "sent",
    "sending": "sent",
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}


def _system_now() -> datetime:
    return datetime.now(UTC)


class Twilio:
    """An account with a sender. `now`: the world's clock, for callbacks carry no moment of their own."""

    channel: ChannelName = "sms"

    def __init__(
        self, settings: "TwilioSettings", public_url: str, *, now: Callable[[], datetime] = _system_now
    ) -> None:
        self.name = settings.name
        self.api = Api(settings.url, connect_seconds=settings.connect_seconds, answer_seconds=settings.answer_seconds)
        self._settings = settings
        self._path = f"/2010-04-01/Accounts/{settings.account}/Messages.json"
        token = settings.token.get_secret_value()
        self._signing_key = token.encode()
        self._headers = {
            "Authorization": "Basic " + b64encode(f"{settings.account}:{token}".encode()).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        self._webhook = f"{public_url.rstrip('/')}/v1/providers/{settings.name}/webhook"
        self._now = now

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
        form = {
            "To": letter.address,
            "From": self._settings.sender,
            "Body": text,
            "StatusCallback": f"{self._webhook}/{letter.attempt_id}#{CALL_AGAIN}",
        }
        valid = int((letter.deadline - letter.written_at).total_seconds())
        if valid < VALIDITY_SECONDS_MAX:
            form["ValidityPeriod"] = str(max(valid, 1))
        answer = await connection.call("POST", self._path, self._headers, urlencode(form).encode(), seconds=seconds)
        return self._outcome(answer, text) if isinstance(answer, Answer) else answer

    def _outcome(self, answer: Answer, text: str) -> Outcome:
        found = answer.json()
        if answer.status not in (200, 201):
            number = found.get("code")
            return _refused(answer, number) if isinstance(number, int) else not_understood(answer)
        sid, told = found.get("sid"), str(found.get("num_segments"))
        if not isinstance(sid, str) or not 0 < len(sid) <= 64:
            return Ambiguous("answer-unreadable")
        if found.get("status") in ("failed", "undelivered") and isinstance(found.get("error_code"), int):
            return _refused(answer, found["error_code"])
        is_told = told.isascii() and told.isdigit() and told != "0" and len(told) < 4
        parts = int(told) if is_told else segments.count(text).parts
        return Accepted("twilio accepted", sid, parts, parts * self._settings.price_millirupiah)

    async def find(self, attempt_id: UUID, address: str, began_at: datetime) -> Outcome | None:
        """Deferred where Twilio has no message to this person since the attempt; None where it has one, for nobody
        can tell whether it is this one.

        The attempt's moment is taken from its id: the world's clock, which Twilio's list is kept by, and not the
        programme's, which `began_at` is.
        """
        began = datetime.fromtimestamp((attempt_id.int >> 80) / 1000, UTC)
        if self._now() - began < SETTLED_AFTER:
            return None
        query = urlencode({"To": address, "PageSize": "1000"})
        connection = Connection(self.api)
        try:
            answer = await connection.call("GET", f"{self._path}?{query}", self._headers, b"", seconds=30.0)
        finally:
            await connection.close()
        if not isinstance(answer, Answer):
            raise ChannelDown(answer.code)
        found = answer.json()
        messages = found.get("messages")
        if answer.status != 200 or not isinstance(messages, list):
            raise ChannelDown(f"http {answer.status}")
        if found.get("next_page_uri") is not None:
            return None
        with suppress(ValueError, TypeError, KeyError):
            created = [parsedate_to_datetime(message["date_created"]) for message in messages]
            if all(moment < began - SETTLED_AFTER for moment in created):
                return Deferred("twilio not-found")
        return None

    def read_webhook(self, path: str, headers: Mapping[str, str], body: bytes) -> Sequence[Report]:
        """The status of a message (`path` is its attempt), or a person's text. Raises `WebhookRefused`."""
        try:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200)
        except ValueError:
            raise WebhookRefused("the body is not a form") from None
        signed = self._webhook + (path if path.startswith("?") else f"/{path}" if path else "")
        signed += "".join(name + value for name, value in sorted(set(pairs)))
        right = b64encode(hmac.digest(self._signing_key, signed.encode(), "sha1"))
        if not hmac.compare_digest(headers.get("x-twilio-signature", "").encode(), right):
            raise WebhookRefused("the signature does not fit the call")
        form = dict(pairs)
        status = form.get("MessageStatus") or form.get("SmsStatus") or "received"
        if status in ("received", "receiving"):
            return self._inbound(form)
        return self._status(path.partition("?")[0], form, status)

    def _status(self, reference: str, form: Mapping[str, str], word: str) -> Sequence[Report]:
        status = _STATUSES.get(word)
        attempt_id = None
        with suppress(ValueError):
            attempt_id = UUID(reference)
        message_id = name_in(form.get("MessageSid") or form.get("SmsSid"))
        if status is None or (attempt_id is None and message_id is None):
            return ()
        if status != "failed":
            return (Receipt(self.name, attempt_id, message_id, status, self._now()),)
        told = form.get("ErrorCode", "")
        number = int(told) if told.isascii() and told.isdigit() and len(told) < 7 else 0
        if number in _ACCOUNT:
            kind: RejectionKind = "not-now"
        else:
            kind = _BY_CODE.get(number, "not-now" if number in _DEFERRED else "other")
        receipt = Receipt(self.name, attempt_id, message_id, status, self._now(), code_of("twilio", told), kind)
        if number in _ACCOUNT:
            return (receipt, AccountAlert(self.name, code_of("twilio", told), pause=True))
        return (receipt,)

    def _inbound(self, form: Mapping[str, str]) -> Sequence[Report]:
        sender, message_id = form.get("From", ""), name_in(form.get("MessageSid") or form.get("SmsSid"))
        number = sender.removeprefix("+")
        if number == sender or not (number.isascii() and number.isdigit() and len(number) <= 15) or message_id is None:
            return ()  # a short code or a name: nobody we could answer
        # Twilio itself knows more words for "stop" than ours, and has ended the messages by then
        text = words_in(form.get("OptOutType") or form.get("Body"))
        return (Reply(self.name, "sms", message_id, sender, text, self._now()),)


def _refused(answer: Answer, number: int) -> Outcome:
    """By Twilio's code; one we do not know is a refusal of this message where the request was at fault (4xx)."""
    code = code_of("twilio", number)
    if number in _DEFERRED:
        return Deferred(code, "provider", seconds_in(answer, _DEFERRED[number]))
    if number in _ACCOUNT:
        return Deferred(code, "provider", ACCOUNT_SECONDS, pause=True)
    if number in _BY_CODE:
        return Rejected(code, _BY_CODE[number])
    if answer.status == 429 or answer.status == 503:
        return not_understood(answer)
    if answer.status == 401:
        return Deferred(code, "provider", ACCOUNT_SECONDS, pause=True)
    return Rejected(code) if 200 <= answer.status < 500 else Ambiguous(code)
