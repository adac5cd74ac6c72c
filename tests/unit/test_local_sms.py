"""The emulators of Twilio and Vonage: strict as the real ones, in what they take, call back and count."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections import Counter
from typing import Any

import pytest

from deploy.local.providers import sms, twilio
from tests.unit.local_providers import SID, SITI, TWILIO, VONAGE, Desk, Hook


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"auth": (SID, "wrong")}, 401, 20003),
        ({"To": ""}, 400, 21604),
        ({"To": SITI}, 400, 21211),
        ({"To": "+0812"}, 400, 21211),
        ({"To": "+15005550006"}, 400, 21408),
        ({"From": ""}, 400, 21603),
        ({"From": "+622150009999"}, 400, 21606),
        ({"To": "+622150002000"}, 400, 21266),
        ({"Body": ""}, 400, 21602),
        ({"Body": "x" * 1601}, 400, 21617),
        ({"StatusCallback": "not an address"}, 400, 21609),
        ({"ValidityPeriod": "36001"}, 400, 21621),
    ],
)
async def test_twilio_refuses_what_is_not_as_documented(
    desk: Desk, fields: dict[str, Any], status: int, code: int
) -> None:
    answer = await desk.twilio(**fields)
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (status, code, status), answer.text
    assert (await desk.count())["messages"] == 0


async def test_twilio_takes_a_message_and_calls_back_signed(desk: Desk, hook: Hook) -> None:
    answer = await desk.twilio(StatusCallback=f"{hook.url}/attempt-3")
    said = answer.json()
    assert (answer.status_code, said["status"], said["num_segments"]) == (201, "queued", "1")
    await hook.until(lambda: len(hook.heard) == 2)
    for (path, headers, _), form in zip(hook.heard, hook.forms(), strict=True):
        assert path == "/hook/attempt-3"
        text = f"{hook.url}/attempt-3" + "".join(name + form[name] for name in sorted(form))
        wanted = base64.b64encode(hmac.new(b"tw-token", text.encode(), hashlib.sha1).digest()).decode()
        assert headers["x-twilio-signature"] == wanted
        assert form["MessageSid"] == said["sid"]
    assert [form["MessageStatus"] for form in hook.forms()] == ["sent", "delivered"]
    path = f"/twilio/2010-04-01/Accounts/{SID}/Messages/{said['sid']}.json"
    shown = (await desk.client.get(path, auth=(SID, "tw-token"))).json()
    assert (shown["status"], shown["to"], shown["body"]) == ("delivered", f"+{SITI}", "Lapak nomor 7.")
    assert (await desk.client.get(path.replace(said["sid"], "SMnone"), auth=(SID, "tw-token"))).status_code == 404
    listing = f"/twilio/2010-04-01/Accounts/{SID}/Messages.json"
    for query, found in (({"To": f"+{SITI}"}, 1), ({"To": "+62811111111"}, 0)):
        page = (await desk.client.get(listing, params=query, auth=(SID, "tw-token"))).json()
        assert len(page["messages"]) == found


async def test_twilio_repeats_a_callback_only_as_its_address_says(desk: Desk, hook: Hook) -> None:
    assert twilio.retries("http://a/b") == (1, {"ct"})
    assert twilio.retries("http://a/b#rc=9&rp=5xx,rt") == (5, {"5xx", "rt"})
    await desk.faults(sent_ms=0, delivered_ms=400)
    hook.answers[:] = [503]
    await desk.twilio(StatusCallback=f"{hook.url}/a")
    await hook.until(lambda: len(hook.heard) == 2)
    assert [form["MessageStatus"] for form in hook.forms()] == ["sent", "delivered"], "the first is lost"
    hook.heard.clear()
    hook.answers[:] = [503]
    await desk.twilio(StatusCallback=f"{hook.url}/b#rc=3&rp=all")
    await hook.until(lambda: len(hook.heard) == 3)
    assert sorted(form["MessageStatus"] for form in hook.forms()) == ["delivered", "sent", "sent"]


async def test_who_writes_stop_is_sent_no_more_until_start(desk: Desk, hook: Hook) -> None:
    await desk.admin("accounts", TWILIO | {"webhook": hook.url})
    for text, code in (("stop", 21610), ("START", None)):
        await desk.admin("inbound", {"provider": "twilio", "person": SITI, "text": text})
        assert (await desk.twilio()).json().get("code") == code
    await hook.until(lambda: len(hook.heard) == 2)
    assert [form["OptOutType"] for form in hook.forms()] == ["STOP", "START"]
    assert [form["From"] for form in hook.forms()] == [f"+{SITI}"] * 2


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"api_key": ""}, "2"),
        ({"api_key": "unknown1"}, "4"),
        ({"api_secret": "wrong"}, "4"),
        ({"to": ""}, "2"),
        ({"to": f"+{SITI}"}, "3"),
        ({"from": "LAPAK"}, "15"),
        ({"type": "wappush"}, "3"),
        ({"text": ""}, "2"),
        ({"text": "x" * 3201}, "12"),
        ({"client-ref": "x" * 101}, "3"),
        ({"ttl": "5"}, "3"),
    ],
)
async def test_vonage_refuses_what_is_not_as_documented(desk: Desk, fields: dict[str, str], status: str) -> None:
    assert (await desk.vonage(**fields))["messages"][0]["status"] == status
    assert (await desk.count())["messages"] == 0


@pytest.mark.parametrize("method", ["POST", "POST-JSON"])
async def test_vonage_takes_parts_and_tells_of_each_signed(desk: Desk, hook: Hook, method: str) -> None:
    await desk.admin("accounts", VONAGE | {"inbound": hook.url, "method": method})
    said = await desk.vonage(**{"text": "x" * 200, "client-ref": "attempt-5", "callback": hook.url})
    assert (said["message-count"], [one["status"] for one in said["messages"]]) == ("2", ["0", "0"])
    await hook.until(lambda: len(hook.heard) == 4)
    await desk.admin("inbound", {"provider": "vonage", "person": SITI, "text": "YA & TIDAK=2"})
    await hook.until(lambda: len(hook.heard) == 5)
    forms = [json.loads(body) for _, _, body in hook.heard] if method == "POST-JSON" else hook.forms()
    for form in forms:
        text = "".join(f"&{n}={form[n].translate({38: 95, 61: 95})}" for n in sorted(form) if n != "sig")
        assert form["sig"] == hmac.new(b"vo-signature", text.encode(), hashlib.sha256).hexdigest().upper()
    told = Counter((form["messageId"], form["status"]) for form in forms[:4])
    ids = [one["message-id"] for one in said["messages"]]
    assert told == {(one, status): 1 for one in ids for status in ("accepted", "delivered")}
    assert {form["client-ref"] for form in forms[:4]} == {"attempt-5"}
    assert (forms[4]["msisdn"], forms[4]["text"]) == (SITI, "YA & TIDAK=2")


async def test_vonage_repeats_a_receipt_until_it_is_taken(desk: Desk, hook: Hook) -> None:
    hook.answers[:] = [500, 503]
    await desk.vonage(callback=hook.url)
    await hook.until(lambda: len(hook.heard) == 4)


async def test_vonage_loses_what_the_alphabet_lacks(desk: Desk) -> None:
    await desk.vonage(text="Pagi – 7 ‘lapak’")
    assert (await desk.last())["text"] == "Pagi ? 7 ?lapak?"
    await desk.vonage(text="Pagi – 7", type="unicode")
    assert (await desk.last())["text"] == "Pagi – 7"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("x" * 152 + "€" + "x" * 10, 2),
        ("x" * 152 + "€" + "x" * 152, 3),
        ("ñ" * 160, 1),
        ("–" * 70, 1),
        ("–" * 71, 2),
        ("🙂" * 35, 1),
        ("🙂" * 36, 2),
        ("x" * 66 + "🙂" + "x" * 67, 3),
    ],
)
def test_parts_are_counted_as_networks_do(text: str, count: int) -> None:
    assert sms.parts(text) == count


async def test_nobody_answers_a_sender_that_is_a_name(desk: Desk) -> None:
    await desk.admin("accounts", TWILIO | {"senders": ["LAPAK"]})
    said = {"provider": "twilio", "person": SITI, "text": "YA"}
    assert (await desk.client.post("/admin/inbound", json=said)).status_code == 409
