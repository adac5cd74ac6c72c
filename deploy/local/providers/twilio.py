"""Twilio's Messages resource: what it takes, what it refuses and how, and what its callbacks look like."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from deploy.local.providers import sms
from deploy.local.providers.accounts import TwilioAccount
from deploy.local.providers.limits import Bucket
from deploy.local.providers.messages import Answer, Message, Request, Taken, as_json
from deploy.local.providers.store import Due

__all__ = ["Line", "Refused", "callback", "error", "inbound", "judge", "resource", "retries", "sign"]

VERSION = "2010-04-01"
BODY_LENGTH_MAX = 1600
VALIDITY_SECONDS_MAX = 36_000
E164 = re.compile(r"\+[1-9]\d{6,14}")
STATUSES = {"sent": "sent", "delivered": "delivered", "failed": "undelivered", "read": "read"}
STOP = {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}
START = {"START", "YES", "UNSTOP"}
ERRORS: dict[int, tuple[int, str]] = {
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "Internal Server Error"),
    20503: (503, "Service Unavailable"),
    21211: (400, "Invalid 'To' Phone Number"),
    21266: (400, "'To' and 'From' number cannot be the same"),
    21408: (400, "Permission to send an SMS has not been enabled for the region indicated by the 'To' number"),
    21602: (400, "Message body is required"),
    21603: (400, "A 'From' phone number is required"),
    21604: (400, "A 'To' phone number is required"),
    21606: (400, "The 'From' phone number provided is not a valid message-capable Twilio phone number"),
    21609: (400, "Invalid 'StatusCallback' URL"),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21612: (400, "The 'To' phone number is not currently reachable via SMS"),
    21614: (400, "'To' number is not a valid mobile number"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    21621: (400, "The requested ValidityPeriod is not valid"),
    14107: (429, "SMS rate limit exceeded"),
}


class Line:
    """An account and what its limit has left; `stopped`: who wrote STOP to which of its senders."""

    def __init__(self, account: TwilioAccount) -> None:
        self.account = account
        self.bucket = Bucket(account.per_second)
        self.stopped: set[tuple[str, str]] = set()
        pair = f"{account.account}:{account.token}"
        self.authorization = b"Basic " + base64.b64encode(pair.encode())


class Refused(Exception):
    """The request is refused with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


def error(code: int) -> Answer:
    """The documented body of an error."""
    status, message = ERRORS.get(code, (400, "Bad Request"))
    said = {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return Answer(status, as_json(said))


def authorise(line: Line, request: Request) -> None:
    """Raises Refused unless the request carries the account's SID and token."""
    if request.headers.get(b"authorization") != line.authorization:
        raise Refused(20003)


def judge(line: Line, request: Request, *, now: float, monotonic: float) -> Taken:
    """Take a message, or raise Refused."""
    authorise(line, request)
    if not request.headers.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded"):
        raise Refused(21604)  # nothing of another kind of body is read
    form = {name: values[-1] for name, values in parse_qs(request.body.decode(), keep_blank_values=True).items()}
    account = line.account
    to, sender, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
    if not to:
        raise Refused(21604)
    if not E164.fullmatch(to):
        raise Refused(21211)
    if not sender:
        raise Refused(21603)
    if sender not in account.senders:
        raise Refused(21606)
    if sender == to:
        raise Refused(21266)
    if not any(to[1:].startswith(country) for country in account.countries):
        raise Refused(21408)
    if not body:
        raise Refused(21602)
    if len(body) > BODY_LENGTH_MAX:
        raise Refused(21617)
    called = form.get("StatusCallback")
    if called is not None and (urlsplit(called).scheme not in {"http", "https"} or not urlsplit(called).hostname):
        raise Refused(21609)
    period = form.get("ValidityPeriod")
    if period is not None and not (period.isdigit() and 1 <= int(period) <= VALIDITY_SECONDS_MAX):
        raise Refused(21621)
    if (sender, to[1:]) in line.stopped:
        raise Refused(21610)
    if not line.bucket.take(monotonic):
        raise Refused(20429)
    message = Message(
        provider="twilio",
        account=account.account,
        message_id="SM" + secrets.token_hex(16),
        person=to[1:],
        sender=sender,
        text=body,
        at=now,
        reference=urlsplit(called).path.rpartition("/")[2] if called else None,
        kind="sms",
        callback=called,
        parts=sms.parts(body),
    )
    return Taken(message, Answer(201, as_json(resource(account, _shown(message)))))


def _shown(message: Message) -> dict[str, Any]:
    return {
        "message_id": message.message_id,
        "person": message.person,
        "sender": message.sender,
        "text": message.text,
        "parts": message.parts,
        "taken_at": time.time(),
        "status": "accepted",
        "code": None,
        "inbound": False,
    }


def resource(account: TwilioAccount, row: Mapping[str, Any]) -> dict[str, Any]:
    """A message as the API shows it."""
    sid, status = row["message_id"], STATUSES.get(row["status"], "queued")
    moment = format_datetime(datetime.fromtimestamp(row["taken_at"], UTC))
    path = f"/{VERSION}/Accounts/{account.account}/Messages/{sid}"
    to, sender = f"+{row['person']}", row["sender"]
    if row["inbound"]:
        to, sender, status = sender, to, "received"
    return {
        "account_sid": account.account,
        "api_version": VERSION,
        "body": row["text"],
        "date_created": moment,
        "date_sent": None if status == "queued" else moment,
        "date_updated": moment,
        "direction": "inbound" if row["inbound"] else "outbound-api",
        "error_code": (row["code"] or 30008) if status == "undelivered" else None,
        "error_message": None,
        "from": sender,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": str(row["parts"]),
        "price": None if status == "queued" else f"-{0.03 * row['parts']:.5f}",
        "price_unit": "USD",
        "sid": sid,
        "status": status,
        "subresource_uris": {"media": f"{path}/Media.json"},
        "tags": None,
        "to": to,
        "uri": f"{path}.json",
    }


# --- callbacks


def sign(token: str, url: str, form: Mapping[str, str]) -> str:
    """The value of X-Twilio-Signature: over the address and the fields by name."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def callback(account: TwilioAccount, row: Due) -> dict[str, str]:
    """The fields of a status callback."""
    status, sid = STATUSES[row["status"]], row["message_id"]
    form = {
        "AccountSid": account.account,
        "ApiVersion": VERSION,
        "From": row["sender"] or account.senders[0],
        "MessageSid": sid,
        "MessageStatus": status,
        "SmsSid": sid,
        "SmsStatus": status,
        "To": f"+{row['person'] or '628000000000'}",
    }
    if status == "undelivered":
        form["ErrorCode"] = str(row["code"] or 30008)
    return form


def inbound(account: TwilioAccount, message: Message, *, opt_out: str | None) -> dict[str, str]:
    """The fields of a call about what a person wrote."""
    form = {
        "AccountSid": account.account,
        "ApiVersion": VERSION,
        "Body": message.text,
        "From": f"+{message.person}",
        "MessageSid": message.message_id,
        "NumMedia": "0",
        "NumSegments": str(message.parts),
        "SmsMessageSid": message.message_id,
        "SmsSid": message.message_id,
        "SmsStatus": "received",
        "To": message.sender,
    }
    if opt_out:
        form["OptOutType"] = opt_out
    return form


def opted(text: str) -> str | None:
    """What Twilio makes of a person's word: STOP, START or nothing."""
    word = text.strip().upper()
    return "STOP" if word in STOP else "START" if word in START else None


def retries(url: str) -> tuple[int, set[str]]:
    """How often a failed callback is tried again, and after which failures: #rc=...&rp=... of its address; the default
    is once, when no connection came about (`ct`).
    """
    overrides = parse_qs(urlsplit(url).fragment)
    count = min(5, int(overrides.get("rc", ["1"])[0]))
    policy = set(overrides.get("rp", ["ct"])[0].split(","))
    return count, {"ct", "rt", "4xx", "5xx"} if "all" in policy else policy
