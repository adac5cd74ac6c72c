"""What Meta's webhooks say, and that nothing else is read from them."""

import hmac
import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from services.notify.channels import WebhookRefused
from services.notify.channels.whatsapp import WhatsApp
from services.notify.channels.whatsapp_reports import judged
from services.notify.domain.delivery import Ambiguous, Deferred, Rejected
from services.notify.domain.reports import AccountAlert, Receipt, Reply, Report, TemplateVerdict
from services.notify.settings import WhatsAppSettings

SECRET = "rahasia"
AT = datetime(2023, 3, 17, 3, 0, tzinfo=UTC)
STAMP = str(int(AT.timestamp()))
ATTEMPT = UUID("018f0000-0000-7000-8000-000000000001")
PRICE = 357_000

NUMBER = WhatsApp(
    WhatsAppSettings(
        adapter="whatsapp",
        name="wa-main",
        url="https://graph.facebook.com",
        number_id="1055",
        account_id="2066",
        token=SecretStr("t"),
        app_secret=SecretStr(SECRET),
        verify_token=SecretStr("setuju"),
        price_millirupiah=PRICE,
    )
)


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()}


def read(body: Any) -> list[Report]:
    raw = json.dumps(body).encode()
    return list(NUMBER.read_webhook("", signed(raw), raw))


def change(value: dict[str, Any], field: str = "messages", entry: str = "2066", number: str = "1055") -> dict[str, Any]:
    metadata = {"metadata": {"display_phone_number": "622150", "phone_number_id": number}}
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": entry, "changes": [{"field": field, "value": metadata | value}]}],
    }


def status(word: str, **more: Any) -> dict[str, Any]:
    return {
        "id": "wamid.A",
        "status": word,
        "timestamp": STAMP,
        "recipient_id": "6281234567890",
        "biz_opaque_callback_data": str(ATTEMPT),
        **more,
    }


def message(kind: str, **more: Any) -> dict[str, Any]:
    return {"from": "6281234567890", "id": "wamid.B", "timestamp": STAMP, "type": kind, **more}


def one(value: dict[str, Any], **where: str) -> Report:
    (found,) = read(change(value, **where))
    return found


@pytest.mark.parametrize("word", ["sent", "delivered", "read"])
def test_a_status_is_a_receipt_by_our_reference_and_theirs(word: str) -> None:
    pricing = {"billable": True, "pricing_model": "PMP", "category": "utility"}
    receipt = one({"statuses": [status(word, pricing=pricing)]})
    assert receipt == Receipt("wa-main", ATTEMPT, "wamid.A", word, AT, cost_millirupiah=PRICE)  # type: ignore[arg-type]


def test_what_was_free_costs_nothing_and_without_a_word_on_it_the_price_stays_open() -> None:
    free = one({"statuses": [status("sent", pricing={"billable": False})]})
    silent = one({"statuses": [status("sent")]})
    assert isinstance(free, Receipt)
    assert isinstance(silent, Receipt)
    assert (free.cost_millirupiah, silent.cost_millirupiah) == (0, None)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (131026, "unreachable"),
        (131047, "window"),
        (131049, "not-now"),
        (131050, "opted-out"),
        (131056, "not-now"),
        (130429, "not-now"),
        (132001, "defect"),
        (131000, "other"),
        (999999, "other"),
    ],
)
def test_a_failed_status_has_its_code_and_the_kind_of_it(code: int, kind: str) -> None:
    errors = [{"code": code, "title": "x", "error_data": {"details": "+6281234567890 is bad"}}]
    receipt = one({"statuses": [status("failed", errors=errors)]})
    assert isinstance(receipt, Receipt)
    assert (receipt.status, receipt.code, receipt.kind) == ("failed", f"whatsapp {code}", kind)
    assert "is bad" not in repr(receipt)


@pytest.mark.parametrize("code", [131048, 131042, 131031, 368, 190])
def test_trouble_with_the_account_ends_sending(code: int) -> None:
    alert, receipt = read(change({"statuses": [status("failed", errors=[{"code": code}])]}))
    assert isinstance(receipt, Receipt)
    assert receipt.kind == "not-now"
    assert alert == AccountAlert("wa-main", f"whatsapp {code}", pause=True)
    assert one({"errors": [{"code": code}]}) == alert


@pytest.mark.parametrize(
    ("given", "text", "button", "in_reply_to"),
    [
        (message("text", text={"body": "YA"}), "YA", None, None),
        (message("text", text={"body": "YA"}, context={"id": "wamid.A"}), "YA", None, "wamid.A"),
        (
            message("button", button={"text": "Ya", "payload": "ya:1"}, context={"id": "wamid.A"}),
            *("Ya", "ya:1", "wamid.A"),
        ),
        (
            message("interactive", interactive={"type": "button_reply", "button_reply": {"id": "p", "title": "T"}}),
            *("T", "p", None),
        ),
        (
            message("interactive", interactive={"type": "list_reply", "list_reply": {"id": "p", "title": "T"}}),
            *("T", "p", None),
        ),
        (message("reaction", reaction={"message_id": "wamid.A", "emoji": "👍"}), "👍", None, "wamid.A"),
        (message("image", image={"id": "7", "caption": "foto"}), "", None, None),
        (message("audio", audio={"id": "7"}), "", None, None),
        (message("unsupported", errors=[{"code": 131051}]), "", None, None),
        (message("text", text="YA"), "", None, None),
        (message("text", text={"body": "Y\0A\ud800"}), "YA?", None, None),
        (message("button", button={"text": "Ya", "payload": "ya\0"}), "Ya", None, None),
        (message("text"), "", None, None),
    ],
)
def test_what_a_person_writes_is_a_reply(
    given: dict[str, Any], text: str, button: str | None, in_reply_to: str | None
) -> None:
    found = one({"messages": [given], "contacts": [{"profile": {"name": "Siti"}, "wa_id": "6281234567890"}]})
    assert found == Reply("wa-main", "whatsapp", "wamid.B", "+6281234567890", text, AT, button, in_reply_to)


@pytest.mark.parametrize("reaction", [{"message_id": "wamid.A"}, {"message_id": "wamid.A", "emoji": ""}])
def test_a_reaction_that_is_taken_back_says_nothing(reaction: dict[str, Any]) -> None:
    assert list(read(change({"messages": [message("reaction", reaction=reaction)]}))) == []


@pytest.mark.parametrize(
    ("event", "more", "reason"),
    [
        ("APPROVED", {"reason": "NONE"}, None),
        ("REJECTED", {"reason": "INVALID_FORMAT"}, "invalid_format"),
        ("PAUSED", {"reason": None}, None),
        ("DISABLED", {}, None),
        ("FLAGGED", {"reason": "a sentence of theirs"}, None),
    ],
)
def test_a_verdict_on_a_template_is_told(event: str, more: dict[str, Any], reason: str | None) -> None:
    value = {"event": event, "message_template_name": "lapak_x_1", "message_template_language": "id", **more}
    found = one(value, field="message_template_status_update")
    assert found == TemplateVerdict("wa-main", "lapak_x_1", "id", event.lower(), reason)


@pytest.mark.parametrize(
    ("field", "value", "code", "pause"),
    [
        ("account_update", {"event": "ACCOUNT_DELETED"}, "account account_deleted", True),
        ("account_update", {"event": "ACCOUNT_VIOLATION"}, "account account_violation", False),
        (
            "account_update",
            {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}},
            *("account disabled_update", True),
        ),
        (
            "account_update",
            {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}},
            *("account disabled_update", False),
        ),
        (
            "account_update",
            {
                "event": "ACCOUNT_RESTRICTION",
                "restriction_info": [{"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING"}],
            },
            *("account account_restriction", True),
        ),
        (
            "account_update",
            {
                "event": "ACCOUNT_RESTRICTION",
                "restriction_info": [{"restriction_type": "RESTRICTED_ADD_PHONE_NUMBER_ACTION"}],
            },
            *("account account_restriction", False),
        ),
        ("phone_number_quality_update", {"event": "FLAGGED", "current_limit": "TIER_1K"}, "quality flagged", False),
    ],
)
def test_news_of_the_account_is_an_alert(field: str, value: dict[str, Any], code: str, pause: bool) -> None:
    assert one(value, field=field) == AccountAlert("wa-main", code, pause)


def test_a_batch_of_many_entries_is_read_whole_and_what_is_not_ours_or_unknown_is_skipped() -> None:
    ours = change({"statuses": [status("sent"), status("delivered")], "messages": [message("text")]})
    others = [
        change({"statuses": [status("sent")]}, number="9999"),
        change({"event": "ACCOUNT_DELETED"}, field="account_update", entry="9999"),
        change({"new": 1}, field="a_field_of_next_year"),
        change({"statuses": [status("played"), status("sent", timestamp="soon"), status("sent", id=7), "x"]}),
        change({"statuses": [status("sent", id="a\0b"), status("sent", id="x" * 201)]}),
        change({"messages": [message("system"), message("text", **{"from": "US.ABC"}), {"id": 7}]}),
    ]
    entries = [*ours["entry"], *(entry for other in others for entry in other["entry"]), 7, {"changes": "x"}]
    found = read({"object": "whatsapp_business_account", "entry": entries})
    assert [type(one) for one in found] == [Receipt, Receipt, Reply]


def test_a_reference_that_is_none_of_ours_is_left_out() -> None:
    for reference in ("x", 7, None):
        receipt = one({"statuses": [status("sent", biz_opaque_callback_data=reference)]})
        assert isinstance(receipt, Receipt)
        assert (receipt.reference, receipt.message_id) == (None, "wamid.A")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["statuses", "messages", "errors", "id", "status", "timestamp", "code", "type", "text", "x"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.sampled_from(["messages", "account_update", "message_template_status_update"]))
def test_no_signed_call_can_break_the_reading(value: Any, field: str) -> None:
    body = {"entry": [{"id": "2066", "changes": [{"field": field, "value": value}]}]}
    if isinstance(value, dict):
        value["metadata"] = {"phone_number_id": "1055"}
    for found in read(body):
        assert isinstance(found, Receipt | Reply | TemplateVerdict | AccountAlert)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b'{"entry": []}'),
        ({"x-hub-signature-256": ""}, b'{"entry": []}'),
        ({"x-hub-signature-256": "sha256="}, b'{"entry": []}'),
        ({"x-hub-signature-256": "sha256=é"}, b'{"entry": []}'),
        (signed(b'{"entry": []}', "another"), b'{"entry": []}'),
        (signed(b'{"entry": []}'), b'{"entry":  []}'),
        ({"x-hub-signature": "sha1=" + hmac.new(SECRET.encode(), b"{}", "sha1").hexdigest()}, b"{}"),
        (signed(b"{"), b"{"),
        (signed(b"[]"), b"[]"),
        (signed(b"{}"), b"{}"),
        (signed(b"[" * 100_000), b"[" * 100_000),
        (signed(b"\xff"), b"\xff"),
    ],
)
def test_what_is_not_signed_with_our_secret_or_no_webhook_is_refused(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(WebhookRefused):
        NUMBER.read_webhook("", headers, body)


def test_the_challenge_is_answered_to_who_knows_the_word() -> None:
    asked = {"hub.mode": "subscribe", "hub.verify_token": "setuju", "hub.challenge": "1158201444"}
    assert NUMBER.challenge(asked) == "1158201444"


@pytest.mark.parametrize(
    "changed",
    [
        {"hub.verify_token": "salah"},
        {"hub.verify_token": ""},
        {"hub.mode": "unsubscribe"},
        {"hub.challenge": ""},
        {"hub.challenge": "<script>"},
        {"hub.challenge": "1" * 201},
    ],
)
def test_the_challenge_is_not_answered_otherwise(changed: dict[str, str]) -> None:
    asked = {"hub.mode": "subscribe", "hub.verify_token": "setuju", "hub.challenge": "1158201444"}
    with pytest.raises(WebhookRefused):
        NUMBER.challenge({**asked, **changed})


@given(st.integers(min_value=0, max_value=200_000))
def test_a_code_means_one_thing(code: int) -> None:
    found = judged(code)
    assert found is None or isinstance(found, Rejected | Deferred | Ambiguous)
    assert found is None or found.code == f"whatsapp {code}"
