"""WhatsApp Cloud API: what it takes, what it refuses and how, and what its webhooks look like.

Errors are those of Meta's list of error codes; the text of `message` is its title. Meta documents no code of its own
for more people in 24 hours than the portfolio's tier: 131048 (restrictions on how many messages can be sent from this
number) is answered.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Sequence
from typing import Any

from deploy.local.providers.accounts import WhatsAppAccount
from deploy.local.providers.limits import Bucket, Pairs, People
from deploy.local.providers.messages import Answer, Message, Request, Taken, as_json
from deploy.local.providers.store import Due
from deploy.local.providers.templates import Template, Templates

__all__ = ["Number", "Refused", "error", "judge", "sign", "statuses", "webhook"]

ERRORS: dict[int, tuple[int, str]] = {
    0: (401, "AuthException"),
    1: (400, "API Unknown"),
    2: (503, "API Service"),
    4: (400, "API Too Many Calls"),
    10: (403, "Permission Denied"),
    33: (400, "Parameter value is not valid"),
    100: (400, "Invalid parameter"),
    190: (401, "Invalid OAuth access token - Cannot parse access token"),
    200: (403, "API Permission"),
    368: (403, "Temporarily blocked for policies violations"),
    80007: (400, "Rate limit issues"),
    130429: (429, "Rate limit hit"),
    130472: (400, "User's number is part of an experiment"),
    130497: (403, "Business account is restricted from messaging users in this country"),
    131000: (500, "Something went wrong"),
    131005: (403, "Access denied"),
    131008: (400, "Required parameter is missing"),
    131009: (400, "Parameter value is not valid"),
    131016: (503, "Service unavailable"),
    131021: (400, "Recipient cannot be sender"),
    131026: (400, "Message undeliverable"),
    131031: (403, "Account has been locked"),
    131042: (400, "Business eligibility payment issue"),
    131045: (500, "Incorrect certificate"),
    131047: (400, "Re-engagement message"),
    131048: (400, "Spam rate limit hit"),
    131049: (400, "This message was not delivered to maintain healthy ecosystem engagement"),
    131050: (400, "Unable to deliver the message. This recipient has chosen to stop receiving marketing messages"),
    131051: (400, "Unsupported message type"),
    131056: (400, "(Business Account, Consumer Account) pair rate limit hit"),
    131057: (503, "Account in maintenance mode"),
    132000: (400, "Number of parameters does not match the expected number of params"),
    132001: (404, "Template name does not exist in the translation"),
    132005: (400, "Translated text too long"),
    132007: (400, "Template Character Policy Violated"),
    132012: (400, "Template Parameter Format Mismatch"),
    132015: (400, "Template is Paused"),
    132016: (400, "Template is Disabled"),
    133010: (400, "Phone number not registered"),
}
DOCUMENTATION = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"
TEXT_LENGTH_MAX = 4096
REFERENCE_LENGTH_MAX = 512
PAYLOAD_LENGTH_MAX = 128
KNOWN = {"messaging_product", "recipient_type", "to", "type", "template", "text", "biz_opaque_callback_data", "context"}
DIGITS = re.compile(r"[1-9]\d{6,14}")
BROKEN_VALUE = re.compile(r"[\n\r\t]| {5,}")


class Number:
    """A business number and what its limits have left. `windows`: who wrote to it within 24 hours."""

    def __init__(self, account: WhatsAppAccount) -> None:
        self.account = account
        self.bucket = Bucket(account.per_second)
        self.pairs = Pairs(account.pair_seconds, account.pair_burst)
        self.windows = People()
        self.begun = People()
        self.authorization = f"Bearer {account.token}".encode()


class Refused(Exception):
    """The request is refused with this code."""

    def __init__(self, code: int, details: str, *, subcode: int | None = None) -> None:
        super().__init__(details)
        self.code, self.details, self.subcode = code, details, subcode


def error(refused: Refused) -> Answer:
    """The documented body of an error."""
    status, title = ERRORS.get(refused.code, (400, "Unknown"))
    body: dict[str, Any] = {
        "message": title if refused.code == 190 else f"(#{refused.code}) {title}",
        "type": "OAuthException",
        "code": refused.code,
        "error_data": {"messaging_product": "whatsapp", "details": refused.details},
        "fbtrace_id": secrets.token_urlsafe(8),
    }
    if refused.subcode is not None:
        body["error_subcode"] = refused.subcode
    return Answer(status, as_json({"error": body}))


def judge(number: Number, request: Request, asked: Any, templates: Templates, *, now: float, monotonic: float) -> Taken:
    """Take a message, or raise Refused. `now` is the time people have, `monotonic` that of the limits a second."""
    if request.headers.get(b"authorization") != number.authorization:
        raise Refused(190, "The access token is not one of this number")
    if not isinstance(asked, dict) or asked.get("messaging_product") != "whatsapp":
        raise Refused(100, "The parameter messaging_product is required.")
    if unknown := asked.keys() - KNOWN:
        raise Refused(100, f'Unexpected key "{min(unknown)}" on param "root".')
    person = _person(asked.get("to"))
    account = number.account
    if person == account.display_number:
        raise Refused(131021, "Recipient and sender are the same number")
    reference = asked.get("biz_opaque_callback_data")
    if reference is not None and (not isinstance(reference, str) or len(reference) > REFERENCE_LENGTH_MAX):
        raise Refused(100, "Param biz_opaque_callback_data must be at most 512 characters long.")
    kind = asked.get("type", "text")
    name: str | None = None
    buttons: tuple[tuple[str, str], ...] = ()
    number.windows.forget(now)
    failure: int | None = None
    if kind == "template":
        template, text, buttons = _template(asked.get("template"), account, templates)
        name = f"{template.name}/{template.language}/{template.category.lower()}"
    elif kind == "text":
        text = _text(asked.get("text"))
        if person not in number.windows:
            failure = 131047  # said by webhook: the answer is friendly
    else:
        raise Refused(131051, f"Message type {kind} is not supported here")
    if not number.bucket.take(monotonic):
        raise Refused(130429, "Message failed to send because the throughput of this number was reached")
    if kind == "template" and person not in number.windows:
        number.begun.forget(now)
        if account.tier is not None and person not in number.begun and len(number.begun) >= account.tier:
            raise Refused(131048, f"More than {account.tier} people in 24 hours outside of a customer service window")
    if not number.pairs.take(person, monotonic):
        raise Refused(131056, "Too many messages sent from this phone number to the same phone number")
    if kind == "template" and person not in number.windows:
        number.begun.meet(person, now)
    message_id = new_id()
    said: dict[str, Any] = {"id": message_id}
    if kind == "template":
        said["message_status"] = "accepted"
    answer = {
        "messaging_product": "whatsapp",
        "contacts": [{"input": asked["to"], "wa_id": person}],
        "messages": [said],
    }
    message = Message(
        provider="whatsapp",
        account=account.number_id,
        message_id=message_id,
        person=person,
        sender=account.display_number,
        text=text,
        at=now,
        reference=reference,
        kind=kind,
        template=name,
        buttons=buttons,
    )
    return Taken(message, Answer(200, as_json(answer)), failure, reads=True)


def new_id() -> str:
    """An id as WhatsApp gives them."""
    return "wamid." + base64.b64encode(secrets.token_bytes(30)).decode()


def _person(to: Any) -> str:
    """The number as digits; plus, spaces, dashes and brackets are allowed as documented."""
    if not isinstance(to, str) or not to:
        raise Refused(100, "The parameter to is required.")
    digits = re.sub(r"[\s()+-]", "", to)
    if not DIGITS.fullmatch(digits):
        raise Refused(131009, "Recipient is not a valid phone number")
    return digits


def _text(asked: Any) -> str:
    body = asked.get("body") if isinstance(asked, dict) else None
    if not isinstance(body, str) or not body.strip():
        raise Refused(100, "The parameter text['body'] is required.")
    if len(body) > TEXT_LENGTH_MAX:
        raise Refused(100, "Param text['body'] must be at most 4096 characters long.")
    return body


def _template(
    asked: Any, account: WhatsAppAccount, templates: Templates
) -> tuple[Template, str, tuple[tuple[str, str], ...]]:
    name = asked.get("name") if isinstance(asked, dict) else None
    if not isinstance(name, str) or not name:
        raise Refused(100, "The parameter template['name'] is required.")
    if unknown := asked.keys() - {"name", "language", "components", "namespace"}:
        raise Refused(100, f'Unexpected key "{min(unknown)}" on param "template".')
    language = asked["language"].get("code") if isinstance(asked.get("language"), dict) else None
    if not isinstance(language, str) or not language:
        raise Refused(100, "The parameter template['language']['code'] is required.")
    template = templates.get(account.account_id, name, language)
    status = template.status_at(time.time()) if template else None  # decisions fall on the real clock
    if template is None or status in {"PENDING", "REJECTED"}:
        raise Refused(132001, f"template name ({name}) does not exist in {language}")
    if status in {"PAUSED", "DISABLED"}:
        raise Refused(132015 if status == "PAUSED" else 132016, f"Template {name} is {status.lower()}")
    components = asked.get("components") or []
    if not isinstance(components, list) or not all(isinstance(part, dict) for part in components):
        raise Refused(100, "Param template['components'] must be an array.")
    values = [_value(one) for part in components if part.get("type") == "body" for one in part.get("parameters") or []]
    if len(values) != template.variables:
        raise Refused(
            132000,
            f"body: number of localizable_params ({len(values)}) does not match the expected number of params"
            f" ({template.variables})",
        )
    text = template.text(values)
    if len(text) > 1024:
        raise Refused(132005, "Template hydrated text is too long")
    return template, text, _buttons(template, components)


def _value(parameter: Any) -> str:
    if not isinstance(parameter, dict) or parameter.get("type") != "text":
        raise Refused(132012, "body: parameter must be of type text")
    text = parameter.get("text")
    if not isinstance(text, str) or not text.strip():
        raise Refused(131008, "Parameter of type text is missing text value")
    if BROKEN_VALUE.search(text):
        raise Refused(100, "Param text cannot have new-line/tab characters or more than 4 consecutive spaces")
    return text


def _buttons(template: Template, components: Sequence[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    """The quick replies with what each sends back; its own text where the message says nothing."""
    labels = template.buttons
    payloads = dict(enumerate(labels))
    for part in components:
        if part.get("type") in {"body", "header"}:
            continue
        place = str(part.get("index", ""))
        if part.get("type") != "button" or part.get("sub_type") != "quick_reply" or not place.isdigit():
            raise Refused(100, "Param template['components'] has a component of an unknown type")
        if int(place) >= len(labels):
            raise Refused(132012, f"buttons: the template has no button at index {place}")
        given = part.get("parameters") or []
        payload = given[0].get("payload") if len(given) == 1 and isinstance(given[0], dict) else None
        if not isinstance(payload, str) or not 1 <= len(payload) <= PAYLOAD_LENGTH_MAX:
            raise Refused(131009, "Button payload must be 1 to 128 characters long")
        payloads[int(place)] = payload
    return tuple((label, payloads[place]) for place, label in enumerate(labels))


# --- webhooks


def sign(account: WhatsAppAccount, body: bytes) -> str:
    """The value of X-Hub-Signature-256."""
    return "sha256=" + hmac.new(account.app_secret.encode(), body, hashlib.sha256).hexdigest()


def statuses(rows: Sequence[Due]) -> list[dict[str, Any]]:
    """Entries of `statuses` in a webhook."""
    return [_status(row) for row in rows]


def _status(row: Due) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": row["message_id"],
        "status": row["status"],
        "timestamp": str(int(row["at"])),
        "recipient_id": row["person"] or "628000000000",
    }
    if row["reference"] is not None:
        told["biz_opaque_callback_data"] = row["reference"]
    if row["status"] == "failed":
        code = row["code"] or 131000
        title = ERRORS.get(code, (400, "Unknown"))[1]
        told["errors"] = [
            {"code": code, "title": title, "message": title, "error_data": {"details": title}, "href": DOCUMENTATION}
        ]
    elif row["status"] in {"sent", "delivered"}:
        category = (row["template"] or "//service").rpartition("/")[2]
        told["pricing"] = {"billable": category != "service", "pricing_model": "PMP", "category": category}
        told["pricing"]["type"] = "regular" if category != "service" else "free_customer_service"
    return told


def webhook(account: WhatsAppAccount, rows: Sequence[Due], *, now: float) -> bytes:
    """The body of one webhook for all these reports: statuses by the hundred, then everything else as it is."""
    reports = [row for row in rows if row["body"] is None]
    changes = [
        change(account, {"statuses": statuses(reports[start : start + 100])}) for start in range(0, len(reports), 100)
    ]
    body = as_json(
        {
            "object": "whatsapp_business_account",
            "entry": [{"id": account.account_id, "time": int(now), "changes": changes}] if changes else [],
        }
    )
    ready = [row["body"] for row in rows if row["body"] is not None]
    if not ready:
        return body
    raw = ",".join(f'{{"id":"{account.account_id}","time":{int(now)},"changes":[{one}]}}' for one in ready)
    head = body[: -len(b"]}")]
    return head + (b"," if changes else b"") + raw.encode() + b"]}"


def change(account: WhatsAppAccount, value: dict[str, Any], field: str = "messages") -> dict[str, Any]:
    """One entry of `changes`."""
    if field == "messages":
        metadata = {"display_phone_number": account.display_number, "phone_number_id": account.number_id}
        value = {"messaging_product": "whatsapp", "metadata": metadata} | value
    return {"value": value, "field": field}
