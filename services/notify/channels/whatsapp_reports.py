"""What Meta's error codes and webhooks mean (developers.facebook.com: Cloud API error codes, webhooks reference)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.notify.channels import WebhookRefused
from services.notify.channels.http import code_of, name_in, words_in
from services.notify.domain.delivery import Ambiguous, Deferred, Outcome, Rejected
from services.notify.domain.reports import (
    AccountAlert,
    Receipt,
    RejectionKind,
    Reply,
    Report,
    Status,
    TemplateVerdict,
)

__all__ = ["judged", "read_changes"]

PAIR_SECONDS = 6.0
ACCOUNT_SECONDS = 900.0
BUTTON_LENGTH_MAX = 256

_REJECTED: Mapping[RejectionKind, tuple[int, ...]] = {
    # the number itself: our own, or none that could ever have WhatsApp
    "address": (131021,),
    # not on WhatsApp, an old app, terms not accepted: told as one code, and any of them may change
    "unreachable": (131026,),
    "window": (131047,),
    # marketing held back for the person's sake; part of Meta's experiment
    "not-now": (131049, 130472),
    "opted-out": (131050,),
    # template or parameters, the request itself
    "defect": (
        *(100, 131008, 131009, 131051, 131052, 131053, 135000),
        *(132000, 132001, 132005, 132007, 132012, 132015, 132016, 132068, 132069),
    ),
    "other": (131030,),
}
_DEFERRED: Mapping[int, float] = {
    4: 60.0,  # calls of the app in an hour
    80007: 60.0,  # of the account
    130429: 1.0,  # messages a second
    2: 5.0,  # down or overloaded
    131016: 5.0,  # a service is unavailable for the moment
    131057: 60.0,  # the account is being upgraded
    133004: 5.0,  # the server is unavailable for the moment
}
"""Not taken, for the moment: the code, and seconds to wait."""

_ACCOUNT = frozenset(
    {0, 3, 10, 33, 190, 368, 130497, 131005, 131031, 131037, 131042, 131045, 131048, 134011, *range(200, 300)}
)
"""Token, rights, payment, the number's registration, a policy broken, too many reports of spam: somebody must look."""

_UNCLEAR = (1, 131000)
"""Something went wrong at Meta: it does not say whether before the message was taken or after."""

_BY_CODE: dict[int, RejectionKind] = {number: kind for kind, numbers in _REJECTED.items() for number in numbers}
_STATUSES: tuple[Status, ...] = ("sent", "delivered", "read", "failed")
_WORD = re.compile(r"[A-Za-z0-9_]{1,60}")
_NO_MESSAGING = ("RESTRICTED_BIZ_INITIATED_MESSAGING", "RESTRICTED_CUSTOMER_INITIATED_MESSAGING")


def judged(number: int) -> Outcome | None:
    """What an error code means for the message it answers; None for one that is not known."""
    code = code_of("whatsapp", number)
    if number in _BY_CODE:
        return Rejected(code, _BY_CODE[number])
    if number == 131056:
        return Deferred(code, "recipient", PAIR_SECONDS)
    if number in _DEFERRED:
        return Deferred(code, "provider", _DEFERRED[number])
    if _is_account(number):
        return Deferred(code, "provider", ACCOUNT_SECONDS, pause=True)
    return Ambiguous(code) if number in _UNCLEAR else None


def read_changes(provider: str, number_id: str, account_id: str, price_millirupiah: int, body: Any) -> Sequence[Report]:
    """What a signed webhook reports of our number and account. What is not known, or not ours, is skipped: a webhook
    that is refused comes again, for days. Raises `WebhookRefused` where it is no webhook at all.
    """
    if not isinstance(body, dict) or not isinstance(body.get("entry"), list):
        raise WebhookRefused("the body is not a webhook")
    found: list[Report] = []
    for entry in _objects(body["entry"]):
        for change in _objects(entry.get("changes")):
            value = change.get("value")
            if not isinstance(value, dict):
                continue
            metadata = value.get("metadata")
            if change.get("field") == "messages":
                if isinstance(metadata, dict) and metadata.get("phone_number_id") == number_id:
                    found += _messages(provider, price_millirupiah, value)
            elif entry.get("id") == account_id:
                found += _account(provider, change.get("field"), value)
    return found


def _is_account(number: int) -> bool:
    return number in _ACCOUNT or (133000 <= number < 134000 and number not in _DEFERRED)


def _messages(provider: str, price_millirupiah: int, value: Mapping[str, Any]) -> Iterator[Report]:
    for status in _objects(value.get("statuses")):
        yield from _status(provider, price_millirupiah, status)
    for message in _objects(value.get("messages")):
        reply = _reply(provider, message)
        if reply is not None:
            yield reply
    yield from _alerts(provider, value)


def _status(provider: str, price_millirupiah: int, status: Mapping[str, Any]) -> Iterator[Report]:
    word, at, message_id = status.get("status"), _moment(status.get("timestamp")), name_in(status.get("id"))
    if word not in _STATUSES or at is None or message_id is None:
        return
    reference = None
    with suppress(ValueError, AttributeError, TypeError):
        reference = UUID(status.get("biz_opaque_callback_data"))
    code, kind, cost = None, None, None
    if word == "failed":
        numbers = [error.get("code") for error in _objects(status.get("errors"))]
        code = code_of("whatsapp", numbers[0] if numbers else None)
        kind = _kind(numbers[0] if numbers and isinstance(numbers[0], int) else -1)
        yield from _alerts(provider, status)
    pricing = status.get("pricing")
    if isinstance(pricing, dict) and isinstance(pricing.get("billable"), bool):
        cost = price_millirupiah if pricing["billable"] else 0
    yield Receipt(provider, reference, message_id, word, at, code, kind, cost)


def _kind(number: int) -> RejectionKind:
    """Why a message failed after it was taken. What stood in the way of all, or of the moment, may pass."""
    judgement = judged(number)
    if isinstance(judgement, Rejected):
        return judgement.kind
    return "not-now" if isinstance(judgement, Deferred) else "other"


def _alerts(provider: str, value: Mapping[str, Any]) -> Iterator[AccountAlert]:
    for error in _objects(value.get("errors")):
        number = error.get("code")
        if isinstance(number, int) and _is_account(number):
            yield AccountAlert(provider, code_of("whatsapp", number), pause=True)


def _reply(provider: str, message: Mapping[str, Any]) -> Reply | None:
    sender, message_id, at = name_in(message.get("from")), name_in(message.get("id")), _moment(message.get("timestamp"))
    if sender is None or message_id is None or at is None:
        return None
    if not (sender.isascii() and sender.isdigit() and len(sender) <= 15) or message.get("type") == "system":
        return None
    text, button = _said(message)
    if message.get("type") == "reaction" and not text:
        return None  # taken back: nothing was said
    about = message.get("context")
    in_reply_to = about.get("id") if isinstance(about, dict) else None
    if message.get("type") == "reaction" and isinstance(message.get("reaction"), dict):
        in_reply_to = message["reaction"].get("message_id")
    return Reply(
        provider,
        "whatsapp",
        message_id,
        f"+{sender}",
        text,
        at,
        button,
        name_in(in_reply_to),
    )


def _said(message: Mapping[str, Any]) -> tuple[str, str | None]:
    """The words, and the payload of a button that was pressed. Pictures, voices and places have no words."""
    kind = message.get("type")
    part = message.get(kind) if isinstance(kind, str) else None
    if not isinstance(part, dict):
        return "", None
    if kind == "interactive":
        chosen = part.get("button_reply") or part.get("list_reply")
        if not isinstance(chosen, dict):
            return "", None
        return words_in(chosen.get("title")), name_in(chosen.get("id"), BUTTON_LENGTH_MAX)
    if kind == "button":
        return words_in(part.get("text")), name_in(part.get("payload"), BUTTON_LENGTH_MAX)
    if kind == "text":
        return words_in(part.get("body")), None
    if kind == "reaction":
        return words_in(part.get("emoji")), None
    return "", None


def _account(provider: str, field: Any, value: Mapping[str, Any]) -> Iterator[Report]:
    event = _word(value.get("event"))
    if field == "message_template_status_update":
        name, language = _word(value.get("message_template_name")), _word(value.get("message_template_language"))
        if event and name and language:
            reason = _word(value.get("reason"))
            reason = None if reason is None or reason == "NONE" else reason.lower()
            yield TemplateVerdict(provider, name, language, event.lower(), reason)
    elif field == "account_update" and event:
        yield AccountAlert(provider, f"account {event.lower()}", pause=_ends_sending(event, value))
    elif field == "phone_number_quality_update" and event:
        yield AccountAlert(provider, f"quality {event.lower()}", pause=False)


def _ends_sending(event: str, value: Mapping[str, Any]) -> bool:
    """Whether nothing can leave any more. A violation, a ban announced or lifted, a restriction of other rights end
    nothing yet: they are told.
    """
    if event == "DISABLED_UPDATE":
        ban = value.get("ban_info")
        return isinstance(ban, dict) and ban.get("waba_ban_state") == "DISABLE"
    if event == "ACCOUNT_RESTRICTION":
        return any(one.get("restriction_type") in _NO_MESSAGING for one in _objects(value.get("restriction_info")))
    return event in ("ACCOUNT_DELETED", "ACCOUNT_OFFBOARDED")


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _word(value: Any) -> str | None:
    """A word of Meta's vocabulary: nothing else of a webhook gets into our codes."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def _moment(value: Any) -> datetime | None:
    """Seconds since 1970, as text."""
    with suppress(ValueError, OverflowError, OSError, TypeError):
        return datetime.fromtimestamp(int(value), UTC)
    return None
