"""What the SMS providers' callbacks say, and that only theirs are believed."""

import hmac
import json
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import md5
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from services.notify.channels import WebhookRefused
from services.notify.channels.twilio import Twilio
from services.notify.channels.vonage import Vonage, signature
from services.notify.domain.reports import AccountAlert, Receipt, Reply, Report
from services.notify.settings import TwilioSettings, VonageSettings

SECRET = "rahasia"
PUBLIC = "https://pesan.example.go.id"
NOW = datetime(2023, 3, 17, 3, 0, tzinfo=UTC)
ATTEMPT = UUID("018f0000-0000-7000-8000-000000000001")
PHONE = "+6281234567890"

TWILIO = Twilio(
    TwilioSettings(
        adapter="twilio",
        name="sms-a",
        url="https://api.twilio.com",
        account="AC1",
        token=SecretStr(SECRET),
        sender="+6221500",
    ),
    PUBLIC + "/",
    now=lambda: NOW,
)
VONAGE = Vonage(
    VonageSettings(
        adapter="vonage",
        name="sms-b",
        url="https://rest.nexmo.com",
        key="k",
        secret=SecretStr("s"),
        signature_secret=SecretStr(SECRET),
        sender="LAPAK",
    ),
    PUBLIC,
)

# --- Twilio


def sign(url: str, form: dict[str, str], token: str = SECRET) -> str:
    """As Twilio's documentation describes it."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return b64encode(hmac.new(token.encode(), text.encode(), "sha1").digest()).decode()


def test_the_signature_of_twilio_s_documentation() -> None:
    form = {
        "CallSid": "CA1234567890ABCDE",
        "From": "+12349013030",
        "To": "+18005551212",
        "Caller": "+12349013030",
        "Digits": "1234",
    }
    assert sign("https://mycompany.com/myapp.php?foo=1&bar=2", form, "12345") == "0/KCTR6DLpKmkAf8muzZqo1nDgQ="


def call(form: dict[str, str], path: str = str(ATTEMPT)) -> list[Report]:
    url = f"{PUBLIC}/v1/providers/sms-a/webhook" + ("" if not path else path if path[0] == "?" else f"/{path}")
    body = urlencode(form).encode()
    return list(TWILIO.read_webhook(path, {"x-twilio-signature": sign(url, form)}, body))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("queued", "sent"),
        ("accepted", "sent"),
        ("sending", "sent"),
        ("sent", "sent"),
        ("delivered", "delivered"),
        ("read", "read"),
    ],
)
def test_a_status_of_twilio_names_the_attempt_by_its_address(word: str, expected: str) -> None:
    found = call({"MessageSid": "SM1", "MessageStatus": word, "To": PHONE, "ErrorCode": ""})
    assert found == [Receipt("sms-a", ATTEMPT, "SM1", expected, NOW)]  # type: ignore[arg-type]


@pytest.mark.parametrize("word", ["undelivered", "failed", "canceled"])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("30003", "unreachable"),
        ("30004", "other"),
        ("30005", "address"),
        ("30006", "address"),
        ("30007", "other"),
        ("30008", "other"),
        ("30001", "not-now"),
        ("21610", "opted-out"),
        ("63038", "not-now"),
        ("", "other"),
    ],
)
def test_a_failure_of_twilio_has_its_code_and_the_kind_of_it(word: str, code: str, kind: str) -> None:
    (found,) = call({"MessageSid": "SM1", "MessageStatus": word, "ErrorCode": code})
    assert isinstance(found, Receipt)
    assert (found.status, found.code, found.kind) == ("failed", f"twilio {code or 'unknown'}", kind)


def test_a_suspended_account_ends_sending() -> None:
    receipt, alert = call({"MessageSid": "SM1", "MessageStatus": "failed", "ErrorCode": "30002"})
    assert isinstance(receipt, Receipt)
    assert receipt.kind == "not-now"
    assert alert == AccountAlert("sms-a", "twilio 30002", pause=True)


@pytest.mark.parametrize(
    ("more", "text"), [({}, "iya mau"), ({"OptOutType": "STOP"}, "STOP"), ({"OptOutType": "START"}, "START")]
)
def test_a_text_of_a_person_is_a_reply(more: dict[str, str], text: str) -> None:
    form = {"MessageSid": "SM2", "SmsStatus": "received", "From": PHONE, "To": "+6221500", "Body": "iya mau", **more}
    assert call(form, "") == [Reply("sms-a", "sms", "SM2", PHONE, text, NOW)]


@pytest.mark.parametrize("word", ["scheduled", "partially_delivered", "new_word"])
def test_a_status_twilio_did_not_have_is_skipped(word: str) -> None:
    assert call({"MessageSid": "SM1", "MessageStatus": word}) == []


def test_an_address_that_names_no_attempt_leaves_twilio_s_own_id() -> None:
    found = call({"MessageSid": "SM1", "MessageStatus": "sent"}, "elsewhere")
    assert found == [Receipt("sms-a", None, "SM1", "sent", NOW)]
    assert call({"MessageStatus": "sent"}, "elsewhere") == []


@pytest.mark.parametrize("change", ["no signature", "another token", "another attempt", "another body", "not text"])
def test_what_twilio_did_not_sign_is_refused(change: str) -> None:
    form = {"MessageSid": "SM1", "MessageStatus": "delivered"}
    url = f"{PUBLIC}/v1/providers/sms-a/webhook/{ATTEMPT}"
    right, path, body = sign(url, form), str(ATTEMPT), urlencode(form).encode()
    match change:
        case "no signature":
            right = ""
        case "another token":
            right = sign(url, form, "salah")
        case "another attempt":
            path = str(UUID(int=7))
        case "another body":
            body = urlencode({**form, "MessageStatus": "failed"}).encode()
        case "not text":
            body = b"\xff\xfe"
    with pytest.raises(WebhookRefused):
        TWILIO.read_webhook(path, {"x-twilio-signature": right}, body)


# --- Vonage

PARAMS = {"a": "1", "b": "2", "timestamp": "1461605396"}


def test_the_signature_vonage_s_own_library_makes() -> None:
    """The values of its tests; its oldest way (MD5) stands for the order of the parameters."""
    assert signature(PARAMS, "secret") == "a321e824b9b816be7c3f28859a31749a098713d39f613c80d455bbaffae1cd24"
    assert md5(b"&a=1&b=2&timestamp=1461605396secret").hexdigest() == "6af838ef94998832dbfc29020b564830"


def test_a_value_cannot_pretend_to_be_two_parameters() -> None:
    assert signature({"text": "a&status=delivered"}, "s") == signature({"text": "a_status_delivered"}, "s")
    assert signature({"text": "a&status=delivered"}, "s") != signature({"text": "a", "status": "delivered"}, "s")


def told(values: dict[str, str], way: str = "form") -> list[Report]:
    """A signed call: in the query, as a form, or as JSON."""
    whole = {**values, "sig": signature(values, SECRET).upper()}
    if way == "query":
        return list(VONAGE.read_webhook("?" + urlencode(whole), {}, b""))
    if way == "json":
        return list(VONAGE.read_webhook("", {"content-type": "application/json"}, json.dumps(whole).encode()))
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return list(VONAGE.read_webhook("", headers, urlencode(whole).encode()))


def receipt(word: str, error: str = "0", reference: str = str(ATTEMPT)) -> dict[str, str]:
    return {
        "msisdn": PHONE[1:],
        "to": "LAPAK",
        "network-code": "51010",
        "messageId": "0A1",
        "price": "0.03",
        "status": word,
        "scts": "2303171000",
        "err-code": error,
        "message-timestamp": "2023-03-17 03:00:00",
        "client-ref": reference,
        "timestamp": "1679022000",
        "nonce": "x",
    }


@pytest.mark.parametrize("way", ["query", "form", "json"])
@pytest.mark.parametrize(
    ("word", "expected"), [("accepted", "sent"), ("buffered", "sent"), ("unknown", "sent"), ("delivered", "delivered")]
)
def test_a_receipt_of_vonage_is_read_whichever_way_it_comes(way: str, word: str, expected: str) -> None:
    assert told(receipt(word), way) == [Receipt("sms-b", ATTEMPT, "0A1", expected, NOW)]  # type: ignore[arg-type]


def test_a_receipt_of_a_part_tells_how_many_there_are() -> None:
    (found,) = told(receipt("delivered", reference=f"{ATTEMPT}.3"))
    assert isinstance(found, Receipt)
    assert (found.reference, found.parts) == (ATTEMPT, 3)


@pytest.mark.parametrize("reference", ["", "x", "x.3", f"{ATTEMPT}.", f"{ATTEMPT}.x", f"{ATTEMPT}.0", f"{ATTEMPT}.999"])
def test_a_reference_that_is_not_ours_makes_no_parts(reference: str) -> None:
    (found,) = told(receipt("delivered", reference=reference))
    assert isinstance(found, Receipt)
    assert found.parts == 1
    assert found.message_id == "0A1"


@pytest.mark.parametrize(
    ("word", "error", "kind"),
    [
        ("failed", "1", "other"),
        ("failed", "2", "unreachable"),
        ("failed", "3", "address"),
        ("rejected", "6", "other"),
        ("failed", "7", "not-now"),
        ("rejected", "9", "address"),
        ("rejected", "10", "defect"),
        ("expired", "1", "unreachable"),
        ("failed", "99", "other"),
    ],
)
def test_a_failure_of_vonage_has_its_code_and_the_kind_of_it(word: str, error: str, kind: str) -> None:
    (found,) = told(receipt(word, error))
    assert isinstance(found, Receipt)
    assert (found.status, found.code, found.kind) == ("failed", f"vonage err {error}", kind)


def test_a_quota_that_is_used_up_ends_sending() -> None:
    _, alert = told(receipt("rejected", "16"))
    assert alert == AccountAlert("sms-b", "vonage err 16", pause=True)


def test_a_text_to_vonage_is_a_reply() -> None:
    values = {
        "msisdn": PHONE[1:],
        "to": "6221500",
        "messageId": "0B1",
        "text": "iya & mau = ya",
        "type": "text",
        "keyword": "IYA",
        "message-timestamp": "2023-03-17 03:00:00",
    }
    assert told(values) == [Reply("sms-b", "sms", "0B1", PHONE, "iya & mau = ya", NOW)]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b""),
        ({}, urlencode(receipt("delivered")).encode()),
        ({}, urlencode({**receipt("delivered"), "sig": ""}).encode()),
        ({}, urlencode({**receipt("delivered"), "sig": signature(receipt("delivered"), "salah")}).encode()),
        ({}, urlencode({**receipt("delivered"), "sig": signature(receipt("failed"), SECRET)}).encode()),
        ({"content-type": "application/json"}, b"{"),
        ({"content-type": "application/json"}, b"[]"),
        ({"content-type": "application/json"}, b"[" * 100_000),
        ({}, b"\xff\xfe"),
    ],
)
def test_what_vonage_did_not_sign_is_refused(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(WebhookRefused):
        VONAGE.read_webhook("", headers, body)


NAMES = ["status", "messageId", "msisdn", "client-ref", "message-timestamp", "timestamp", "err-code", "text", "x"]


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=8)))
def test_no_signed_call_can_break_the_reading(values: dict[str, Any]) -> None:
    for found in told(values):
        assert isinstance(found, Receipt | Reply | AccountAlert)
