"""The emulators of WhatsApp, Twilio and Vonage: strict as the real ones, and honest about their faults."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest

from deploy.local.providers import sms, twilio
from deploy.local.providers.emulator import Emulator
from deploy.local.providers.limits import Bucket, Pairs, People
from deploy.local.providers.server import serving
from deploy.local.providers.templates import Refusal, check

NUMBER = {
    "adapter": "whatsapp",
    "number_id": "1090000001",
    "account_id": "2090000001",
    "display_number": "622150001000",
    "token": "wa-token",
    "app_secret": "wa-secret",
    "verify_token": "wa-verify",
    "decision_ms": 0,
}
SID = "AC" + "0" * 31 + "1"
TWILIO = {"adapter": "twilio", "account": SID, "token": "tw-token", "senders": ["+622150002000"]}
VONAGE = {
    "adapter": "vonage",
    "api_key": "abcd1234",
    "secret": "vo-secret",
    "signature_secret": "vo-signature",
    "senders": ["622150003000"],
}
TEMPLATE = {
    "name": "lapak_booth_offered",
    "language": "id",
    "category": "UTILITY",
    "components": [
        {
            "type": "BODY",
            "text": "Halo {{1}}, Ibu mendapat lapak di {{2}} pada hari Minggu depan. Mohon dijawab ya.",
            "example": {"body_text": [["Siti", "Senen"]]},
        },
        {
            "type": "BUTTONS",
            "buttons": [{"type": "QUICK_REPLY", "text": "YA"}, {"type": "QUICK_REPLY", "text": "TIDAK"}],
        },
    ],
}
SITI = "6281234567890"


@dataclass
class Desk:
    """The running emulators and what a test does with them."""

    url: str
    emulator: Emulator
    client: httpx.AsyncClient

    async def admin(self, path: str, body: Any, **query: Any) -> Any:
        answer = await self.client.post(f"/admin/{path}", json=body, params=query)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def faults(self, **faults: Any) -> None:
        await self.admin("faults", faults)

    async def whatsapp(self, to: str = SITI, token: str = "wa-token", **changes: Any) -> httpx.Response:
        body = {"messaging_product": "whatsapp", "to": to, "type": "template", "template": template()} | changes
        headers = {"Authorization": f"Bearer {token}"}
        return await self.client.post("/graph/v23.0/1090000001/messages", json=body, headers=headers)

    async def text(self, to: str = SITI, body: str = "Siap, Bu.") -> httpx.Response:
        return await self.whatsapp(to, type="text", text={"body": body})

    async def twilio(self, auth: tuple[str, str] = (SID, "tw-token"), **fields: str) -> httpx.Response:
        form = {"To": f"+{SITI}", "From": "+622150002000", "Body": "Lapak nomor 7."} | fields
        form = {name: value for name, value in form.items() if value}
        return await self.client.post(f"/twilio/2010-04-01/Accounts/{SID}/Messages.json", data=form, auth=auth)

    async def vonage(self, **fields: str) -> dict[str, Any]:
        form = {"api_key": "abcd1234", "api_secret": "vo-secret", "from": "622150003000", "to": SITI, "text": "Halo."}
        form = {name: value for name, value in (form | fields).items() if value}
        answer = await self.client.post("/vonage/sms/json", data=form)
        assert answer.status_code == 200
        said: dict[str, Any] = answer.json()
        return said

    async def count(self) -> dict[str, int]:
        counts: dict[str, int] = (await self.client.get("/admin/count")).json()
        return counts

    async def all_told(self) -> None:
        """Wait until no report waits any more."""
        for _ in range(500):
            if not (await self.client.get("/admin/pending")).json():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("reports wait for ever")

    async def last(self) -> dict[str, Any]:
        row: dict[str, Any] = (await self.client.get("/admin/messages?limit=1")).json()["messages"][0]
        return row


def template(*values: str, buttons: bool = False, **changes: Any) -> dict[str, Any]:
    parameters = [{"type": "text", "text": value} for value in values or ("Siti", "Senen")]
    components: list[dict[str, Any]] = [{"type": "body", "parameters": parameters}]
    if buttons:
        press = {"type": "button", "sub_type": "quick_reply", "index": "0"}
        components.append(press | {"parameters": [{"type": "payload", "payload": "offer:7:yes"}]})
    return {"name": "lapak_booth_offered", "language": {"code": "id"}, "components": components} | changes


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    folder = tmp_path_factory.mktemp("providers")
    async with serving(folder) as (url, emulator), httpx.AsyncClient(base_url=url) as client:
        yield Desk(url, emulator, client)


@pytest.fixture
async def desk(running: Desk) -> Desk:
    """The emulators as new: nobody was sent anything, and all behave."""
    await running.client.delete("/admin/messages")
    await running.faults()
    for account in (NUMBER, TWILIO, VONAGE):
        await running.admin("accounts", account)
    await running.admin("templates", {"number_id": "1090000001", "templates": [TEMPLATE]})
    return running


@dataclass
class Hook:
    """A webhook of ours: what it heard. `answers`: the first answers it gives; then 200."""

    url: str = ""
    heard: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    async def until(self, enough: Callable[[], Any]) -> None:
        """Wait until it heard enough."""
        for _ in range(2000):
            if enough():
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"heard only {self.heard}")

    def statuses(self) -> list[dict[str, Any]]:
        """All statuses WhatsApp told, in the order in which they came."""
        return [s for value in self.values() for s in value.get("statuses", [])]

    def values(self) -> list[dict[str, Any]]:
        bodies = [json.loads(body) for _, _, body in self.heard]
        return [change["value"] for body in bodies for entry in body["entry"] for change in entry["changes"]]

    def forms(self) -> list[dict[str, str]]:
        return [dict(parse_qsl(body.decode(), keep_blank_values=True)) for _, _, body in self.heard]


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    async with hearing() as hook:
        yield hook


@asynccontextmanager
async def hearing() -> AsyncIterator[Hook]:
    hook = Hook()
    open_ones: set[asyncio.StreamWriter] = set()

    async def one(reader: asyncio.StreamReader) -> bytes:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (part.partition(": ") for part in rest if part)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, target, _ = line.split(" ")
        if method == "GET":
            query = parse_qs(urlsplit(target).query)
            wanted = query["hub.verify_token"] == ["wa-verify"]
            said = query["hub.challenge"][0].encode() if wanted else b"no"
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said)
        hook.heard.append((target, headers, body))
        return b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % (hook.answers.pop(0) if hook.answers else 200)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(writer)
        try:
            while True:
                writer.write(await one(reader))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
        finally:
            open_ones.discard(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    hook.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield hook
    finally:
        server.close()
        for writer in open_ones:
            writer.close()
        await asyncio.sleep(0)


# --- WhatsApp


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


# --- Twilio and Vonage


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


# --- faults


async def send(desk: Desk, provider: str, number: int) -> httpx.Response:
    if provider == "whatsapp":
        return await desk.whatsapp(f"62812{number:07}")
    if provider == "twilio":
        return await desk.twilio(To=f"+62812{number:07}")
    form = {"api_key": "abcd1234", "api_secret": "vo-secret", "from": "622150003000", "text": "Halo."}
    return await desk.client.post("/vonage/sms/json", data=form | {"to": f"62812{number:07}"})


@pytest.mark.parametrize("provider", ["whatsapp", "twilio", "vonage"])
async def test_a_provider_misbehaves_as_told(desk: Desk, provider: str) -> None:
    async def stored() -> int:
        return (await desk.count())["messages"]

    await desk.faults(down=True)
    assert (await send(desk, provider, 1)).status_code == 503
    await desk.faults(broken_before=1.0)
    assert (await send(desk, provider, 2)).status_code == 500
    await desk.faults(cut_before=1.0)
    with pytest.raises(httpx.RemoteProtocolError):
        await send(desk, provider, 3)
    assert await stored() == 0
    await desk.faults(cut_after=1.0)
    with pytest.raises(httpx.RemoteProtocolError):
        await send(desk, provider, 4)
    assert await stored() == 1
    await desk.faults(time_out=1.0)
    with pytest.raises(httpx.ReadTimeout):
        await asyncio.wait_for(_within(desk, 0.1, send(desk, provider, 5)), 5)
    assert await stored() == 2
    await desk.faults(delay_ms=60)
    began = time.monotonic()
    assert (await send(desk, provider, 6)).is_success
    assert time.monotonic() - began >= 0.06
    code = {"whatsapp": 131026, "twilio": 30003, "vonage": 7}[provider]
    await desk.faults(failures={code: 1.0}, delivered_ms=0)
    await send(desk, provider, 7)
    row = await desk.last()
    assert (row["status"], row["code"]) == ("failed", code)


async def _within(desk: Desk, seconds: float, sending: Awaitable[httpx.Response]) -> httpx.Response:
    desk.client.timeout = httpx.Timeout(seconds)
    try:
        return await sending
    finally:
        desk.client.timeout = httpx.Timeout(5)


async def test_errors_are_drawn_by_their_share_and_the_same_for_a_seed(desk: Desk) -> None:
    await desk.admin("accounts", NUMBER | {"tier": None, "per_second": 10_000})
    seen: list[list[int]] = []
    for _ in range(2):
        await desk.faults(seed=7, errors={131016: 0.3})
        seen.append([(await desk.whatsapp(f"62812{n:07}")).status_code for n in range(100)])
    assert seen[0] == seen[1]
    assert 15 <= seen[0].count(503) <= 45


async def test_reports_are_lost_doubled_shuffled_and_lied_about(desk: Desk, hook: Hook) -> None:
    await desk.admin("accounts", NUMBER | {"webhook": hook.url, "tier": None, "per_second": 10_000})

    async def told(**faults: Any) -> list[list[str]]:
        hook.heard.clear()
        await desk.faults(read=0.0, sent_ms=0, delivered_ms=40, **faults)
        ids = [(await desk.whatsapp(f"62812{n:07}")).json()["messages"][0]["id"] for n in range(10)]
        await desk.all_told()
        return [[s["status"] for s in hook.statuses() if s["id"] == one] for one in ids]

    assert await told() == [["sent", "delivered"]] * 10
    assert await told(lost=1.0) == [[]] * 10
    assert [Counter(one) for one in await told(doubled=1.0)] == [Counter(sent=2, delivered=2)] * 10
    assert await told(shuffled=1.0) == [["delivered", "sent"]] * 10
    assert await told(failed_after_delivered=1.0) == [["sent", "delivered", "failed"]] * 10
    assert await told(delivered_unsent=1.0) == [["sent", "delivered"]] * 10
    sent = {row["message_id"] for row in (await desk.client.get("/admin/messages")).json()["messages"]}
    assert len({s["id"] for s in hook.statuses()} - sent) == 10


async def test_unknown_numbers_are_always_the_same(desk: Desk) -> None:
    await desk.admin("accounts", NUMBER | {"tier": None, "per_second": 10_000})
    await desk.faults(unknown_numbers=0.5, delivered_ms=0)
    for _ in range(2):
        for number in range(20):
            await desk.whatsapp(f"62812{number:07}")
    rows = (await desk.client.get("/admin/messages")).json()["messages"]
    fates = {row["person"]: row["status"] for row in rows}
    assert all(row["status"] == fates[row["person"]] for row in rows)
    assert 3 <= sum(fate == "failed" for fate in fates.values()) <= 17


# --- what is kept, and the pages


async def test_what_was_taken_is_there_after_a_crash(tmp_path: Path, hook: Hook) -> None:
    async with serving(tmp_path) as (url, emulator), httpx.AsyncClient(base_url=url) as client:
        desk = Desk(url, emulator, client)
        await desk.admin("accounts", NUMBER | {"webhook": hook.url, "tier": 3})
        await desk.admin("templates", {"number_id": "1090000001", "templates": [TEMPLATE]})
        await desk.faults(sent_ms=300, delivered_ms=300)
        for number in range(3):
            await desk.whatsapp(f"62812000000{number}")
    async with serving(tmp_path) as (url, emulator), httpx.AsyncClient(base_url=url) as client:
        desk = Desk(url, emulator, client)
        assert (await desk.whatsapp("628120000009")).json()["error"]["code"] == 131048
        assert (await desk.whatsapp("628120000001")).status_code == 200
        await hook.until(lambda: len({s["id"] for s in hook.statuses() if s["status"] == "delivered"}) == 4)


async def test_duplicates_are_counted(desk: Desk) -> None:
    for reference in ("a", "a", "b"):
        await desk.whatsapp(biz_opaque_callback_data=reference)
    await desk.twilio()
    counts = await desk.count()
    assert (counts["messages"], counts["recipients"], counts["references"]) == (4, 1, 2)
    assert (counts["duplicate_references"], counts["duplicate_texts"]) == (1, 2)
    assert (await desk.client.delete("/admin/messages")).json() == {"deleted": 4}
    assert (await desk.count())["messages"] == 0


async def test_the_phones_show_what_came_and_let_a_person_answer(desk: Desk, hook: Hook) -> None:
    await desk.faults(receipts=False)
    await desk.admin("accounts", NUMBER | {"webhook": hook.url})
    await desk.whatsapp(template=template("<b>Siti</b>", "Senen", buttons=True))
    listed = (await desk.client.get("/")).text
    assert f"+{SITI}" in listed
    page = await desk.client.get(f"/phones/{SITI}")
    assert "&lt;b&gt;Siti&lt;/b&gt;" in page.text
    assert "<b>Siti" not in page.text
    assert "offer:7:yes" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    press = {"way": "whatsapp:1090000001", "text": "YA", "payload": "offer:7:yes", "context": "wamid.x"}
    outside = await desk.client.post(f"/phones/{SITI}", data=press, headers={"Sec-Fetch-Site": "cross-site"})
    assert outside.status_code == 403
    answer = await desk.client.post(f"/phones/{SITI}", data=press, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 303
    await hook.until(hook.values)
    assert hook.values()[0]["messages"][0]["button"]["payload"] == "offer:7:yes"
    assert (await desk.client.get("/", headers={"Host": "evil.example"})).status_code == 400


async def test_a_clock_of_development_dates_what_is_told(tmp_path: Path, hook: Hook) -> None:
    from shared.clock import Clock

    file = tmp_path / "clock"
    file.write_text("2023-03-20T09:00:00+07:00")
    async with serving(tmp_path, clock=Clock(file)) as (url, emulator), httpx.AsyncClient(base_url=url) as client:
        desk = Desk(url, emulator, client)
        await desk.admin("accounts", NUMBER | {"webhook": hook.url})
        await desk.admin("templates", {"number_id": "1090000001", "templates": [TEMPLATE]})
        await desk.whatsapp()
        await hook.until(hook.statuses)
    assert abs(int(hook.statuses()[0]["timestamp"]) - 1679277600) < 60


async def test_the_stack_tells_notify_and_the_emulators_the_same(tmp_path: Path) -> None:
    from deploy.local import messengers
    from deploy.local.stack import Running
    from services.notify.channels import Letter
    from services.notify.channels.assembly import providers
    from services.notify.domain.contents import Content, Sms, WhatsAppTemplate
    from services.notify.domain.delivery import Accepted
    from services.notify.settings import NotifySettings
    from shared.crypto import Sealer
    from shared.ids import new_id

    key = base64.b64encode(bytes(32)).decode()
    async with serving(tmp_path / "emulators") as (url, emulator), hearing() as hook:
        running = Running("x", "", "given", "", "", "", ("127.0.0.1", 25), "", url, tmp_path)
        assert messengers.environment(running) == {}
        await asyncio.to_thread(messengers.open_accounts, running, hook.url.removesuffix("/hook"))
        told = {
            name.removeprefix("LAPAK_").lower(): value
            for name, value in messengers.environment(running).items()
            if name != "LAPAK_TEMPLATE_SUBMISSIONS_PER_HOUR"
        }
        settings = NotifySettings.model_validate(
            {
                "database": "postgresql://u:p@127.0.0.1:5432/notify",
                "kafka": "127.0.0.1:9092",
                "http_port": 0,
                "jwks": "https://id.test/keys",
                "token_issuer": "test",
                "secret_keys": {"k": key},
                "smtp": "127.0.0.1:25",
                "public_url": hook.url.removesuffix("/hook"),
            }
            | told
        )
        number = emulator.numbers["1090000001"]
        emulator.submit(number, TEMPLATE, at_once=True)
        form = WhatsAppTemplate("lapak_booth_offered", "id", ("Siti", "Senen"), ("offer:7:yes", "offer:7:no"))
        used = {one.name: one for one in providers(settings, Sealer({"k": key}))}
        now = datetime.now(UTC)
        for name in ("wa-main", "sms-a", "sms-b"):
            content: Content = form if name == "wa-main" else Sms("Lapak nomor 7.")
            letter = Letter(
                new_id(), new_id(), "booth-assigned", "Siti", f"+{SITI}", content, now, now + timedelta(hours=1)
            )
            line = used[name].line()
            await line.open()
            assert isinstance(outcome := await line.send(letter, seconds=5), Accepted), (name, outcome)
            await line.close()
        paths = {"wa-main": 3, "sms-a": 2, "sms-b": 2}
        await hook.until(lambda: all(sum(f"/{n}/" in path for path, _, _ in hook.heard) >= 1 for n in paths))
        for path, headers, body in hook.heard:
            name = path.split("/")[3]
            reports = used[name].read_webhook(path.partition("/webhook")[2].lstrip("/"), headers, body)
            assert reports, (path, body)
