"""Vonage's SMS API: what it takes, what it refuses and how (always 200), and what its callbacks look like."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from deploy.local.providers import sms
from deploy.local.providers.accounts import VonageAccount
from deploy.local.providers.limits import Bucket
from deploy.local.providers.messages import Answer, Message, Request, Taken, as_json
from deploy.local.providers.store import Due

__all__ = ["Line", "Refused", "error", "form_of", "inbound", "judge", "receipt", "sign"]

PRICE = "0.03330000"
NETWORK = "51010"
TEXT_LENGTH_MAX = 3200
TTL_MS = (20_000, 604_800_000)
ERRORS = {
    1: "Throughput Rate Exceeded - please wait [ 250 ] and retry",
    2: "Missing {0} param",
    3: "Invalid value for param: {0}",
    4: "Bad Credentials",
    5: "Internal Error",
    6: "Unroutable message - rejected",
    7: "Number barred",
    8: "Partner account barred",
    9: "Quota Exceeded - rejected",
    12: "Message too long",
    15: "Illegal Sender Address - rejected",
    29: "Non-Whitelisted Destination - rejected",
    33: "Number De-activated",
}


class Line:
    """An account and what its limit has left."""

    def __init__(self, account: VonageAccount) -> None:
        self.account = account
        self.bucket = Bucket(account.per_second)


class Refused(Exception):
    """The request is refused with this status; `about`: a parameter."""

    def __init__(self, status: int, about: str = "") -> None:
        super().__init__(f"{status} {about}")
        self.status, self.about = status, about


def error(refused: Refused) -> Answer:
    """A refusal: HTTP 200 with a status that is not 0."""
    text = ERRORS.get(refused.status, "Error").format(refused.about)
    said = {"status": str(refused.status), "error-text": text}
    return Answer(200, as_json({"message-count": "1", "messages": [said]}))


def form_of(request: Request) -> dict[str, str]:
    """The fields of a request, form or JSON."""
    if request.headers.get(b"content-type", b"").startswith(b"application/json"):
        try:
            body = json.loads(request.body)
        except ValueError:
            raise Refused(3, "body") from None
        return {str(name): str(value) for name, value in body.items()} if isinstance(body, dict) else {}
    return {name: values[-1] for name, values in parse_qs(request.body.decode(), keep_blank_values=True).items()}


def judge(line: Line, form: Mapping[str, str], *, now: float, monotonic: float) -> Taken:
    """Take a message, or raise Refused. The account was found by its key."""
    account = line.account
    if form.get("api_secret") != account.secret:
        raise Refused(4)
    for name in ("from", "to", "text"):
        if not form.get(name):
            raise Refused(2, name)
    to, sender, text, kind = form["to"], form["from"], form["text"], form.get("type", "text")
    if not re.fullmatch(r"[1-9]\d{6,14}", to):
        raise Refused(3, "to")
    if sender not in account.senders:
        raise Refused(15)
    if kind not in {"text", "unicode"}:
        raise Refused(3, "type")
    if len(text) > TEXT_LENGTH_MAX:
        raise Refused(12)
    reference = form.get("client-ref")
    if reference is not None and len(reference) > 100:
        raise Refused(3, "client-ref")
    called = form.get("callback")
    if called is not None and (len(called) > 100 or not re.match(r"https?://", called)):
        raise Refused(3, "callback")
    ttl = form.get("ttl")
    if ttl is not None and not (ttl.isdigit() and TTL_MS[0] <= int(ttl) <= TTL_MS[1]):
        raise Refused(3, "ttl")
    if not line.bucket.take(monotonic):
        raise Refused(1)
    shown = sms.as_gsm(text) if kind == "text" else text  # as it arrives: what the alphabet lacks is lost
    count = sms.parts(shown, unicode=kind == "unicode")
    ids = tuple(secrets.token_hex(8).upper() for _ in range(count))
    message = Message(
        provider="vonage",
        account=account.api_key,
        message_id=ids[0],
        person=to,
        sender=sender,
        text=shown,
        at=now,
        reference=reference,
        kind="sms",
        callback=called if form.get("status-report-req", "1") not in {"0", "false"} else "",
        parts=count,
    )
    said: dict[str, Any] = {"to": to, "status": "0", "remaining-balance": "100.00000000", "message-price": PRICE}
    said["network"] = NETWORK
    if reference is not None:
        said["client-ref"] = reference
    parts = [{"message-id": one} | said for one in ids]
    return Taken(message, Answer(200, as_json({"message-count": str(count), "messages": parts})), part_ids=ids[1:])


# --- callbacks


def sign(secret: str, form: Mapping[str, str]) -> str:
    """The value of `sig`, HMAC-SHA256 over all other fields by name; & and = of values count as underscores."""
    text = "".join(f"&{name}={form[name].replace('&', '_').replace('=', '_')}" for name in sorted(form))
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest().upper()


def signed(account: VonageAccount, form: dict[str, str], *, now: float) -> dict[str, str]:
    """A callback's fields with nonce, moment and signature."""
    form |= {"timestamp": str(int(now)), "nonce": secrets.token_hex(16)}
    return form | {"sig": sign(account.signature_secret, form)}


def receipt(account: VonageAccount, row: Due) -> dict[str, str]:
    """The fields of a delivery receipt."""
    moment = datetime.fromtimestamp(row["at"], UTC)
    form = {
        "msisdn": row["person"] or "628000000000",
        "to": row["sender"] or account.senders[0],
        "network-code": NETWORK,
        "messageId": row["message_id"],
        "price": PRICE,
        "status": {"sent": "accepted", "delivered": "delivered"}.get(row["status"], "failed"),
        "scts": f"{moment:%y%m%d%H%M}",
        "err-code": str(row["code"] or 1) if row["status"] == "failed" else "0",
        "api-key": account.api_key,
        "message-timestamp": f"{moment:%Y-%m-%d %H:%M:%S}",
    }
    if row["reference"] is not None:
        form["client-ref"] = row["reference"]
    return form


def inbound(account: VonageAccount, message: Message) -> dict[str, str]:
    """The fields of a call about what a person wrote."""
    moment = datetime.fromtimestamp(message.at, UTC)
    return {
        "api-key": account.api_key,
        "msisdn": message.person,
        "to": message.sender,
        "messageId": message.message_id,
        "text": message.text,
        "type": "text" if sms.is_gsm(message.text) else "unicode",
        "keyword": (message.text.split() or [""])[0].upper(),
        "message-timestamp": f"{moment:%Y-%m-%d %H:%M:%S}",
    }
