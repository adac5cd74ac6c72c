"""The emulator of WhatsApp: messages, limits, webhooks, templates; strict as the real one."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections import Counter
from typing import Any

import pytest

from deploy.local.providers.limits import Bucket, Pairs, People
from deploy.local.providers.templates import Refusal, check
from tests.unit.local_providers import NUMBER, SITI, TEMPLATE, Desk, Hook, template


async def test_whatsapp_takes_a_template_and_answers_with_its_id(desk: Desk) -> None:
    answer = await desk.whatsapp(
        "+62 812-3456-7890", biz_opaque_callback_data="attempt-1", template=template(buttons=True)
    )
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["contacts"] == [{"input": "+62 812-3456-7890", "wa_id": SITI}]
    assert said["messages"][0]["id"].startswith("wamid.")
    row = await desk.last()
    assert row["text"] == "Halo Siti, Ibu mendapat lapak di Senen pada hari Minggu depan. Mohon dijawab ya."
    assert (row["person"], row["reference"]) == (SITI, "attempt-1")
    assert row["buttons"] == [{"title": "YA", "payload": "offer:7:yes"}, {"title": "TIDAK", "payload": "TIDAK"}]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"token": "stolen"}, 401, 190),
        ({"messaging_product": "sms"}, 400, 100),
        ({"to": ""}, 400, 100),
        ({"to": "08123456"}, 400, 131009),
        ({"to": "62812abc"}, 400, 131009),
        ({"to": "622150001000"}, 400, 131021),
        ({"biz_opaque_callback_data": "x" * 513}, 400, 100),
        ({"type": "hologram"}, 400, 131051),
        ({"colour": "red"}, 400, 100),
        ({"type": "text", "text": {"body": ""}}, 400, 100),
        ({"type": "text", "text": {"body": "x" * 4097}}, 400, 100),
        ({"template": template(name="lapak_unknown")}, 404, 132001),
        ({"template": template(language={"code": "en"})}, 404, 132001),
        ({"template": template(language={})}, 400, 100),
        ({"template": template("Siti")}, 400, 132000),
        ({"template": template("Siti", "Senen", "7")}, 400, 132000),
        ({"template": template("Siti", "")}, 400, 131008),
        ({"template": template("Siti", "Pasar\nSenen")}, 400, 100),
        ({"template": template("Siti", "a\tb")}, 400, 100),
        ({"template": template("Siti", "a     b")}, 400, 100),
        ({"template": template("Siti", "x" * 1024)}, 400, 132005),
        ({"template": template(components=[{"type": "body", "parameters": [{"type": "image"}] * 2}])}, 400, 132012),
    ],
)
async def test_whatsapp_refuses_what_is_not_as_documented(
    desk: Desk, changes: dict[str, Any], status: int, code: int
) -> None:
    answer = await desk.whatsapp(**changes)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), answer.text
    assert set(error) >= {"message", "type", "code", "error_data", "fbtrace_id"}
    assert (await desk.count())["messages"] == 0


async def test_whatsapp_knows_no_other_numbers(desk: Desk) -> None:
    answer = await desk.client.post("/graph/v23.0/42/messages", json={}, headers={"Authorization": "Bearer wa-token"})
    assert (answer.status_code, answer.json()["error"]["error_subcode"]) == (400, 33)
    broken = await desk.client.post(
        "/graph/v23.0/1090000001/messages", content=b"{", headers={"Authorization": "Bearer wa-token"}
    )
    assert broken.json()["error"]["code"] == 100


async def test_free_text_outside_the_window_is_taken_and_then_fails(desk: Desk, hook: Hook) -> None:
    await desk.admin("accounts", NUMBER | {"webhook": hook.url})
    assert (await desk.text()).status_code == 200
    await hook.until(hook.statuses)
    (told,) = hook.statuses()
    assert (told["status"], told["errors"][0]["code"]) == ("failed", 131047)
    await desk.admin("inbound", {"provider": "whatsapp", "person": f"+{SITI}", "text": "halo"})
    await desk.text()
    await hook.until(lambda: {"delivered"} <= {s["status"] for s in hook.statuses()})
    assert [s["status"] for s in hook.statuses()].count("failed") == 1


async def test_the_limits_of_a_number_hold(desk: Desk) -> None:
    await desk.admin("accounts", NUMBER | {"per_second": 2.0, "tier": None})
    answers = await asyncio.gather(*(desk.whatsapp(f"62812000000{n}") for n in range(8)))
    codes = Counter(a.json().get("error", {}).get("code") for a in answers)
    assert codes[None] <= 3
    assert codes[130429] >= 5
    assert {a.status_code for a in answers} == {200, 429}
    await desk.admin("accounts", NUMBER | {"pair_burst": 3})
    codes = Counter(
        a.json().get("error", {}).get("code") for a in await asyncio.gather(*(desk.whatsapp() for _ in range(7)))
    )
    assert codes == {None: 3, 131056: 4}
    await desk.admin("accounts", NUMBER | {"tier": 12})  # ten were met, as the store tells, and Siti
    people = [f"6281300000{n:02}" for n in range(30)]
    answers = [await desk.whatsapp(person) for person in people]
    codes = Counter(answer.json().get("error", {}).get("code") for answer in answers)
    met = (await desk.count())["recipients"]
    assert met == 12
    assert set(codes) == {None, 131048}
    assert (await desk.whatsapp(people[0])).status_code == 200, "whom one met today is not counted again"
    await desk.admin("inbound", {"provider": "whatsapp", "person": people[-1], "text": "JADWAL"})
    assert (await desk.whatsapp(people[-1])).status_code == 200, "who wrote first does not count"


def test_a_bucket_gives_what_flows_in() -> None:
    bucket = Bucket(10.0)
    assert sum(bucket.take(100.0) for _ in range(50)) == 10
    assert sum(bucket.take(100.5) for _ in range(50)) == 5
    pairs = Pairs(6.0, 45)
    assert sum(pairs.take("siti", 0.0) for _ in range(60)) == 45
    assert not pairs.take("siti", 5.9)
    assert pairs.take("siti", 6.1)
    assert not pairs.take("siti", 6.2)
    assert pairs.take("ani", 6.2)


def test_people_are_forgotten_after_a_day_and_when_the_clock_goes_back() -> None:
    people = People()
    people.meet("siti", 0.0)
    people.meet("ani", 10.0)
    people.forget(24 * 3600.0)
    assert ("siti" in people, "ani" in people) == (False, True)
    people.meet("budi", 90_000.0)
    people.forget(5.0)
    assert len(people) == 0


async def test_a_webhook_is_verified_before_it_is_used(desk: Desk, hook: Hook) -> None:
    refused = await desk.client.post("/admin/accounts", json=NUMBER | {"webhook": hook.url, "verify_token": "another"})
    assert refused.status_code == 422
    nobody = await desk.client.post("/admin/accounts", json=NUMBER | {"webhook": "http://127.0.0.1:9/x"})
    assert nobody.status_code == 422
    await desk.admin("accounts", NUMBER | {"webhook": hook.url})
    listed = (await desk.client.get("/admin/accounts")).text
    assert "wa-token" not in listed
    assert "wa-secret" not in listed


async def test_statuses_come_signed_and_in_order_until_they_are_taken(desk: Desk, hook: Hook) -> None:
    await desk.faults(read=1.0, sent_ms=0, delivered_ms=10, read_ms=20)
    await desk.admin("accounts", NUMBER | {"webhook": hook.url})
    hook.answers[:] = [503, 500]
    said = (await desk.whatsapp(biz_opaque_callback_data="attempt-9")).json()
    await hook.until(lambda: len(hook.statuses()) >= 3 and not hook.answers and hook.statuses()[-1]["status"] == "read")
    for _, headers, body in hook.heard:
        wanted = "sha256=" + hmac.new(b"wa-secret", body, hashlib.sha256).hexdigest()
        assert headers["x-hub-signature-256"] == wanted
    first = [s["status"] for s in json.loads(hook.heard[0][2])["entry"][0]["changes"][0]["value"]["statuses"]]
    assert first[0] == "sent", "what was not taken came again"
    for told in hook.statuses():
        assert (told["id"], told["recipient_id"]) == (said["messages"][0]["id"], SITI)
        assert told["biz_opaque_callback_data"] == "attempt-9"
    assert hook.statuses()[-1]["status"] == "read"
    await desk.all_told()


async def test_many_statuses_come_in_one_call(desk: Desk, hook: Hook) -> None:
    await desk.admin("accounts", NUMBER | {"webhook": hook.url, "tier": None, "per_second": 10_000})
    hook.answers[:] = [503]  # meanwhile they gather
    await asyncio.gather(*(desk.whatsapp(f"62812{n:07}") for n in range(250)))
    await hook.until(lambda: len({s["id"] for s in hook.statuses() if s["status"] == "delivered"}) == 250)
    assert len(hook.heard) < 100


async def test_what_a_person_writes_and_presses_is_told(desk: Desk, hook: Hook) -> None:
    await desk.faults(receipts=False)
    await desk.admin("accounts", NUMBER | {"webhook": hook.url})
    await desk.whatsapp(template=template(buttons=True))
    offer = await desk.last()
    await desk.admin("inbound", {"provider": "whatsapp", "person": SITI, "text": "KENAPA"})
    press = {"text": "YA", "payload": "offer:7:yes", "context": offer["message_id"]}
    await desk.admin("inbound", {"provider": "whatsapp", "person": SITI} | press)
    change = {"number_id": "1090000001", "field": "account_update", "value": {"event": "ACCOUNT_RESTRICTION"}}
    await desk.admin("webhook", change)
    await hook.until(lambda: len(hook.values()) == 3)
    text, button, alert = hook.values()
    assert (text["messages"][0]["from"], text["messages"][0]["text"]) == (SITI, {"body": "KENAPA"})
    assert text["contacts"][0]["wa_id"] == SITI
    assert button["messages"][0]["button"] == {"payload": "offer:7:yes", "text": "YA"}
    assert button["messages"][0]["context"]["id"] == offer["message_id"]
    assert alert == {"event": "ACCOUNT_RESTRICTION"}


async def test_templates_are_submitted_approved_listed_and_paused(desk: Desk, hook: Hook) -> None:
    await desk.admin("accounts", NUMBER | {"webhook": hook.url, "decision_ms": 150})
    headers = {"Authorization": "Bearer wa-token"}
    path = "/graph/v23.0/2090000001/message_templates"
    new = TEMPLATE | {"name": "lapak_new"}
    answer = await desk.client.post(path, json=new, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (200, "PENDING")
    assert (await desk.whatsapp(template=template(name="lapak_new"))).json()["error"]["code"] == 132001
    again = await desk.client.post(path, json=new, headers=headers)
    assert (again.status_code, again.json()["error"]["error_subcode"]) == (400, 2388024)
    await hook.until(lambda: [v for v in hook.values() if v.get("message_template_name") == "lapak_new"])
    verdict = next(v for v in hook.values() if v.get("message_template_name") == "lapak_new")
    assert (verdict["event"], verdict["message_template_language"]) == ("APPROVED", "id")
    assert (await desk.whatsapp(template=template(name="lapak_new"))).status_code == 200
    for number in range(30):
        await desk.client.post(path, json=TEMPLATE | {"name": f"lapak_{number}"}, headers=headers)
    names, after = [], ""
    while True:
        page = (await desk.client.get(path, params={"limit": 10, "after": after}, headers=headers)).json()
        names += [one["name"] for one in page["data"]]
        if "next" not in page["paging"]:
            break
        after = page["paging"]["cursors"]["after"]
    assert len(names) == len(set(names)) == 32
    for status, code in (("PAUSED", 132015), ("DISABLED", 132016), ("REJECTED", 132001)):
        ruling = {"number_id": "1090000001", "name": "lapak_new", "language": "id", "status": status}
        await desk.admin("templates/status", ruling)
        assert (await desk.whatsapp(template=template(name="lapak_new"))).json()["error"]["code"] == code
    assert (await desk.client.get(path)).status_code == 401


@pytest.mark.parametrize(
    ("change", "subcode"),
    [
        ({"name": "Lapak-Baru"}, 2388043),
        ({"language": "indonesia"}, 2388043),
        ({"category": "NEWS"}, 2388043),
        ({"components": []}, 2388043),
        ({"text": "{{1}} mendapat lapak di pasar hari Minggu."}, 2388299),
        ({"text": "Ibu mendapat lapak di pasar hari {{1}}"}, 2388299),
        ({"text": "Halo Ibu {{1}} {{2}} dari pasar Senen di Jakarta Pusat ya."}, 2388072),
        ({"text": "Halo Ibu {{1}} dan {{3}} dari pasar Senen di Jakarta Pusat ya."}, 2388072),
        ({"text": "Halo {{1}} di {{2}} ya."}, 2388293),
        ({"text": "Halo Ibu {{1}},\n\n\nlapak ada di {{2}} di pasar itu."}, 2388072),
        ({"text": "x " * 600}, 2388040),
        ({"example": {}}, 2388043),
        ({"example": {"body_text": [["Siti"]]}}, 2388043),
        ({"buttons": [{"type": "QUICK_REPLY", "text": "x" * 26}]}, 2388043),
    ],
)
def test_a_template_against_the_rules_is_not_taken(change: dict[str, Any], subcode: int) -> None:
    check(TEMPLATE)
    asked = json.loads(json.dumps(TEMPLATE))
    body, buttons = asked["components"]
    for name, value in change.items():
        target = body if name in {"text", "example"} else buttons if name == "buttons" else asked
        target[name] = value
    with pytest.raises(Refusal) as refused:
        check(asked)
    assert refused.value.subcode == subcode
