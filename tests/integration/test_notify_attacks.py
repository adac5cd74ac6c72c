"""Attacks on notify from outside: forged and mad calls of providers, addresses that lead inside, words that would be
headers, code or markup, links and keys of others.
"""

import base64
import hmac
import json
import re
import time
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from hashlib import sha256
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.notify.app import create
from services.notify.channels import Letter
from services.notify.channels.email import SmtpServer, compose
from services.notify.domain.contents import Email
from services.notify.domain.subscribers import is_public
from services.notify.forms import FormFault, compiled, fill
from shared.crypto import Sealer
from shared.events.mentoring import MentorAssigned
from shared.events.training import OrganisationCard
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.notify import Desk, Mailbox, card, enrolled, mail_server, people
from tests.integration.notify_wishes import House, completed
from tests.integration.test_notify_webhooks import PROVIDERS, PUBLIC, SECRET, Door

REFUSED = {400, 401, 404, 405, 413, 422}


@pytest.fixture
async def door(
    make_database: MakeDatabase, serve: Serve, clock: StandingClock, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> Door:
    """Notify with providers, and its HTTP door."""
    monkeypatch.setenv("LAPAK_SMTP", "127.0.0.1:1")
    monkeypatch.setenv("LAPAK_PROVIDERS", json.dumps(PROVIDERS))
    monkeypatch.setenv("LAPAK_PUBLIC_URL", PUBLIC)
    fresh = await make_database("notify")
    return Door(Desk(fresh.database, clock, sealer), serve(create, fresh))


def meta_signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "deep": b'{"entry":' * 100_000,
    "half of a character": rb'{"messageId":"\ud800","sig":"\udfff"}',
    "half a name": rb'{"\ud800":"x","sig":"x"}',
    "NUL": rb'{"messageId":"\u0000","sig":"\u0000"}',
    "Latin-1": b"messageId=\xff\xfe&sig=\xff",
    "huge number": b'{"messageId":' + b"9" * 10_000 + b"}",
    "not a number": b'{"messageId":NaN,"sig":Infinity}',
    "signature that is a list": b'{"sig":[1,2],"messageId":{"a":null}}',
    "many fields": b"&".join(b"a%d=1" % number for number in range(50_000)),
    "blanks": b" " * 500_000,
    "too much": b" " * (3 * 1024 * 1024 + 1),
}
TYPES = ("application/json", "application/x-www-form-urlencoded", "application/json; charset=utf-7", "")
FORGED = ("sha256=", "sha256=" + "0" * 64, meta_signature(b"["), meta_signature(b"{")[:-1], "\xff", "0" * 10_000)


@pytest.mark.parametrize("provider", ["wa-main", "sms-a", "sms-b", "smtp", "nobody", "..%2fwa-main"])
async def test_forged_calls_of_providers_are_refused_whatever_they_hold(door: Door, provider: str) -> None:
    tries = [(name, content_type, "") for name in BODIES for content_type in TYPES]
    tries += [(name, "application/json", given) for name in ("no JSON", "half of a character") for given in FORGED]
    wrong = []
    for name, content_type, given in tries:
        headers = {
            "Content-Type": content_type,
            "X-Hub-Signature-256": given.encode("latin-1"),
            "X-Twilio-Signature": given.encode("latin-1"),
        }
        began = time.process_time()
        answer = await door.client.post(
            f"/v1/providers/{provider}/webhook",
            content=BODIES[name],
            headers=headers,  # type: ignore[arg-type]  # text and bytes
        )
        seconds = time.process_time() - began
        if answer.status_code not in REFUSED or seconds > 2:
            wrong.append(
                f"{name} {content_type} {given:.20}: {answer.status_code} {answer.text[:100]} in {seconds:.1f} s"
            )
    assert not wrong, "\n".join(wrong)
    assert await door.kept() == 0


# --- providers that sign what no provider would say

STRANGE: list[Any] = [
    None,
    True,
    -1,
    10**400,
    1e308,
    "",
    "\0",
    "\ud800",
    "x" * 5000,
    "9" * 4000,
    "-62135596800",
    "253402300799",
    "253402300800",
    [],
    [[]],
    {},
    {"": {}},
]


def strange_statuses(attempt_id: UUID) -> list[dict[str, Any]]:
    """Statuses of a real message, each with one field that makes no sense."""
    usual: dict[str, Any] = {
        "id": f"m-{attempt_id}",
        "status": "failed",
        "timestamp": "1677636000",
        "biz_opaque_callback_data": str(attempt_id),
        "errors": [{"code": 131026, "title": "x"}],
        "pricing": {"billable": True},
    }
    places = [*usual, "recipient_id", "conversation"]
    found = [{**usual, place: value} for place in places for value in STRANGE]
    found += [{**usual, "errors": [{"code": value}]} for value in STRANGE]
    found += [{**usual, "pricing": {"billable": value}} for value in STRANGE]
    return found


def strange_messages() -> list[dict[str, Any]]:
    usual: dict[str, Any] = {
        "id": "wamid.1",
        "from": "6281234567890",
        "timestamp": "1677636000",
        "type": "text",
        "text": {"body": "YA"},
        "context": {"id": "m-1"},
    }
    found = [{**usual, "id": f"wamid.{place}.{n}", place: value} for place in usual for n, value in enumerate(STRANGE)]
    for kind in ("text", "button", "interactive", "reaction", "image", "system", "order", "contacts"):
        found += [{**usual, "id": f"w.{kind}.{n}", "type": kind, kind: value} for n, value in enumerate(STRANGE)]
    found += [
        {
            **usual,
            "id": f"w.i.{n}",
            "type": "interactive",
            "interactive": {"button_reply": {"id": value, "title": value}},
        }
        for n, value in enumerate(STRANGE)
    ]
    return found


async def test_a_provider_that_talks_nonsense_is_answered_and_harms_nothing(door: Door) -> None:
    (attempt_id,) = await door.sent("wa-main")
    wrong = []
    values: list[tuple[str, Any]] = [("statuses", one) for one in strange_statuses(attempt_id)]
    values += [("messages", one) for one in strange_messages()]
    for name, one in values:
        answer = await door.whatsapp({name: [one]})
        if answer.status_code != 200:
            wrong.append(f"{name} {one!r:.200}: {answer.status_code}")
    for body in (
        *STRANGE,
        {"entry": STRANGE},
        {"entry": [{"changes": STRANGE}]},
        {
            "entry": [
                {
                    "id": "2066",
                    "changes": [
                        {
                            "field": field,
                            "value": {
                                "event": value,
                                "message_template_name": value,
                                "message_template_language": value,
                                "ban_info": value,
                                "restriction_info": value,
                                "reason": value,
                            },
                        }
                        for value in STRANGE
                        for field in ("message_template_status_update", "account_update", 7)
                    ],
                }
            ]
        },
    ):
        answer = await door.meta(body)
        if answer.status_code not in (200, 401):
            wrong.append(f"{body!r:.200}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    (row,) = [row for row in await door.desk.rows() if row["template"] == "training-enrolled"]
    assert row["state"] in ("sent", "rejected", "delivered", "planned")


@pytest.mark.parametrize("provider", ["sms-a", "sms-b"])
async def test_text_providers_that_talk_nonsense_are_answered(door: Door, provider: str) -> None:
    (attempt_id,) = await door.sent(provider)
    words = ["", "\0", "x" * 5000, "9" * 400, "-1", "9999-12-31 23:59:59", "0001-01-01 00:00:00", "\u2028", "é" * 300]
    wrong = []
    for value in words:
        if provider == "sms-b":
            usual = {
                "messageId": f"m-{attempt_id}",
                "status": "delivered",
                "client-ref": str(attempt_id),
                "msisdn": "628",
            }
            said = {"messageId": "in-1", "msisdn": "6281234567890", "text": "YA"}
            calls = [
                {**form, name: value} for form in (usual, said) for name in (*form, "message-timestamp", "err-code")
            ]
            answers = [await door.vonage(form) for form in calls]
        else:
            usual = {"MessageSid": f"m-{attempt_id}", "MessageStatus": "failed", "ErrorCode": "30006"}
            said = {"MessageSid": "in-1", "From": "+6281234567890", "Body": "YA", "OptOutType": "STOP"}
            calls = [{**form, name: value} for form in (usual, said) for name in form]
            answers = [
                await door.twilio(attempt_id if form is usual else None, one)
                for form in (usual, said)
                for one in [{**form, name: value} for name in form]
            ]
        wrong += [f"{value!r:.60}: {one.status_code} {one.text[:100]}" for one in answers if one.status_code != 200]
    assert not wrong, "\n".join(wrong)


async def test_three_megabytes_of_statuses_are_taken_in_seconds_and_more_is_refused(door: Door) -> None:
    one = {"id": "", "status": "delivered", "timestamp": "1677636000"}
    many = [{**one, "id": f"wamid.{number}"} for number in range(35_000)]
    began = time.perf_counter()
    answer = await door.whatsapp({"statuses": many})
    seconds = time.perf_counter() - began
    assert answer.status_code == 200
    assert await door.kept() == len(many)
    assert seconds < 20
    assert (await door.whatsapp({"statuses": many * 2})).status_code == 413


async def called(app: Any, method: str, path: str, query: bytes) -> int:
    """The status of a call with a query of any bytes, which no client would send."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "server": ("service", 80),
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [(b"host", b"service")],
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    try:
        await app(scope, receive, send)
    except Exception:  # noqa: BLE001 - what would be a fault is answered 500, then raised for the server to see
        return 500
    status: int = sent[0]["status"]
    return status


async def test_a_query_that_is_no_text_makes_no_fault(door: Door) -> None:
    transport = door.client._transport
    assert isinstance(transport, httpx.ASGITransport)
    wrong = []
    for path in (
        "/v1/providers/sms-b/webhook",
        "/v1/providers/sms-a/webhook",
        "/v1/providers/wa-main/webhook",
        "/stop/x",
    ):
        for query in (b"a=\xff\xfe", b"hub.mode=%ff%00", b"&" * 10_000, b"lang=\xc3", b"a=%", b"\xed\xa0\x80"):
            for method in ("GET", "POST"):
                status = await called(transport.app, method, path, query)
                if status not in REFUSED:
                    wrong.append((method, path, query[:20], status))
    assert not wrong


# --- addresses that lead inside

INSIDE = """
127.0.0.1 127.9.9.9 0.0.0.0 10.0.0.1 172.16.0.1 192.168.1.1 100.64.0.1 169.254.169.254 192.0.0.8 192.88.99.1
198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255 :: ::1 ::7f00:1 ::a9fe:a9fe ::ffff:127.0.0.1 ::ffff:0:7f00:1
64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::7f00:1 2002:7f00:1:: 2001:0:7f00:1:: 2001:db8::1 3fff::1 fc00::1
fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 100::1 5f00::1 4000::1 ::5efe:7f00:1
"""


@pytest.mark.parametrize("address", INSIDE.split())
def test_no_form_of_an_address_leads_inside(address: str) -> None:
    assert not is_public(address, development=False)


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "2606:4700::1111", "64:ff9b::808:808"])
def test_the_internet_is_called(address: str) -> None:
    assert is_public(address, development=False)


# --- words that would be headers or lines

HOSTILE = [
    "Siti\r\nBcc: x@example.com",
    "Siti\nX: y",
    "Siti\rX: y",
    "=?utf-8?q?x?=\r\n x",
    "Siti\x0b\x0c\x1c\x85\u2028X: y",
    'Siti" <x@example.com>, "',
    "a" * 900,
    "\u202esiti",
    "Siti\0",
]
SERVER = SmtpServer("127.0.0.1", 25, "Lapak <lapak@lapak.test>")
MOMENT = datetime(2023, 3, 17, 3, 0, tzinfo=UTC)
HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "X-Lapak-Notification",
    "X-Lapak-Template",
    "MIME-Version",
    "Content-Type",
]


def composed(name: str, subject: str, body: str) -> bytes:
    content = Email(subject, body, f"<p>{body}</p>")
    number = new_id()
    return compose(Letter(number, number, "welcome", name, "siti@example.com", content, MOMENT, MOMENT), SERVER)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_name_and_no_subject_adds_a_header(hostile: str) -> None:
    for name, subject in ((hostile, "Halo"), ("Siti", hostile)):
        try:
            raw = composed(name, subject, "Halo\n")
        except ValueError:
            continue  # such a message is rejected as our defect; names and subjects come here in one line
        message = message_from_bytes(raw, policy=policy.default)
        assert message.keys() == HEADERS
        assert [one.addr_spec for one in message["To"].addresses] == ["siti@example.com"]


@pytest.mark.parametrize("end", ["\r\n.\r\n", "\r.\r", "\n.\n", "\r\n.\n", "\r.\n", "\n.\r", "\r\r\n.\r\r\n"])
def test_no_words_end_the_message_and_begin_another(end: str) -> None:
    """SMTP smuggling: servers differ in what they read as the end of a line."""
    raw = composed("Siti", "Halo", f"Halo{end}MAIL FROM:<x@example.com>\n")
    assert raw.count(b"\r") == raw.count(b"\n") == raw.count(b"\r\n")
    assert not re.search(rb"\r\n\.", raw)


async def test_a_hostile_card_gets_its_mail_in_one_line(house: House) -> None:
    """The registry gives no such name; a card is data from outside all the same."""
    (siti,) = people(1)
    await house.settle_in(siti)
    await house.desk.hear(card(siti, "siti@example.com", name="Siti\r\nBcc: x@example.com"), enrolled(siti))
    async with mail_server(Mailbox()) as mailbox, house.desk.delivering(mailbox):
        await house.desk.settled()
    (raw,) = mailbox.raw
    message = message_from_bytes(raw, policy=policy.default)
    assert message["To"].addresses[0].display_name == "Siti Bcc: x@example.com"
    assert message["Bcc"] is None


# --- links of others, pages


async def test_links_that_are_forged_cut_or_of_something_else_end_nothing(house: House) -> None:
    siti, budi = people(2)
    await house.settle_in(siti, budi)
    sealer = house.desk.sealer
    token = house.link(siti).rpartition("/")[2]
    other = house.link(budi).rpartition("/")[2]
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    forged = [bytes([*raw[:place], raw[place] ^ 1, *raw[place + 1 :]]) for place in range(len(raw))]
    wrong = [base64.urlsafe_b64encode(one).decode().rstrip("=") for one in forged]
    wrong += [
        token[:-4],
        token + "AAAA",
        token[: len(token) // 2] + other[len(other) // 2 :],
        "",
        "%00",
        "é",
        "." * 600,
    ]
    wrong += [base64.urlsafe_b64encode(sealer.seal(b"x" * 38, b"another thing")).decode().rstrip("=")]
    wrong += [base64.urlsafe_b64encode(sealer.seal(bytes([1] + [255] * 37), b"lapak stop link")).decode().rstrip("=")]
    for one in wrong:
        answer = await house.client.post(f"/stop/{one}", data={"act": "stop"})
        assert answer.status_code in (404, 405), (one, answer.status_code)
    assert await house.query("SELECT 1 FROM wish") == []


async def test_forms_that_are_bombs_are_answered_at_once(house: House) -> None:
    (siti,) = people(1)
    await house.settle_in(siti)
    path = house.link(siti)
    parts = b"".join(b'--x\r\nContent-Disposition: form-data; name="topic"\r\n\r\nnews\r\n' for _ in range(12_000))
    bombs = {
        "application/x-www-form-urlencoded": [b"topic=news&" * 90_000, b"&" * 1_000_000, b"a" * 1_000_000, b"\xff=%ff"],
        "multipart/form-data; boundary=x": [parts + b"--x--", b"--x", b"\xff" * 1000, b""],
        "multipart/form-data": [b"--x"],
        "multipart/form-data; boundary=x; charset=nonsense": [parts[:500]],
    }
    for content_type, bodies in bombs.items():
        for body in bodies:
            began = time.process_time()
            answer = await house.client.post(path, content=body, headers={"Content-Type": content_type})
            seconds = time.process_time() - began
            assert answer.status_code in (200, 400, 413), (content_type, body[:40], answer.status_code, answer.text)
            assert seconds < 2


async def test_no_page_and_no_letter_runs_what_somebody_wrote(house: House) -> None:
    """Names, parameters, addresses: as text everywhere, and the page lets no script run."""
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
    (siti,) = people(1)
    await house.settle_in(siti)
    await house.desk.hear(card(siti, "siti@example.com", name=evil[:200]), completed(siti, evil))
    async with mail_server(Mailbox()) as mailbox, house.desk.delivering(mailbox):
        await house.desk.settled()
    message = message_from_bytes(mailbox.raw[0], policy=policy.default)
    assert isinstance(message, EmailMessage)
    html = message.get_body(("html",))
    assert html is not None
    assert "<script" not in html.get_content()
    assert "<img" not in html.get_content()
    path = house.link(siti)
    for url in (path, f"{path}?lang=%3Cscript%3E", "/stop/%3Cscript%3E", f"{path}?%22%3E%3Cscript%3E"):
        answer = await house.client.get(url, headers={"Accept-Language": "<script>"})
        assert "<script" not in answer.text, url
    page = await house.client.get(path)
    assert "script-src" not in page.headers["content-security-policy"]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "Siti" not in page.text


# --- keys


async def test_what_is_no_key_is_refused_in_the_same_words(house: House) -> None:
    known = f"lapak_test_{new_id().hex}_{'A' * 43}"
    given = [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {known}",
        f"Bearer {known}\u00ff",
        f"bearer {known.upper()}",
        "Bearer lapak_normal_" + "0" * 32 + "_" + "A" * 100_000,
        f"Bearer {known} {known}",
        "Bearer lapak_root_1_2",
    ]
    answers = [
        await house.client.get(
            "/v1/messages", params={"reference": "x"}, headers=[(b"Authorization", one.encode("latin-1"))]
        )
        for one in (*given, f"Bearer {known}")
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.json()["detail"] for answer in answers}) == 1


# --- mentors


async def test_whom_a_message_tells_of_is_named_to_the_person_alone(house: House) -> None:
    mentor, siti = people(2)
    await house.settle_in(siti)
    await house.desk.hear(
        OrganisationCard(party_id=mentor, kind="mentor", name="Rina Terselubung", phone="+6281277770001"),
        MentorAssigned(vendor_id=siti, assignment_id=new_id(), mentor_id=mentor, kind="employed", by="officer"),
    )
    (row,) = [row for row in await house.desk.rows() if row["vendor_id"] == siti]
    path = f"/v1/notifications/{row['id']}"
    own = await house.get(path, house.token("vendor", siti))
    assert "Rina Terselubung" in own.text
    for role in ("officer", "operator", "service"):
        shown = await house.get(path, house.token(role))
        assert shown.status_code == 200
        assert "Terselubung" not in shown.text
        assert "81277770001" not in shown.text
    elsewhere = await house.get(path, house.token("officer", area="31.72"))
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (403, "outside-area")


# --- templates


async def test_a_text_that_grows_without_end_is_stopped_wherever_it_is_written(house: House) -> None:
    """A version may be saved by which short parameters make gigabytes; neither a preview nor a message takes them."""
    loop = "{% for day in days %}{{ title }}{{ title }}{{ title }}{{ title }}{% endfor %}"
    began = time.process_time()
    with pytest.raises(FormFault, match="longer than"):
        fill(compiled("id", loop), {"days": range(10**9), "title": "x" * 1000})
    assert time.process_time() - began < 1
    headers = {"Authorization": house.token("officer")["Authorization"]}
    for params in ({"title": "x" * 30_000}, {"days": ["2023-03-20"] * 60_000}, {"title": [[[[["x" * 30_000]]]]]}):
        answer = await house.post("/v1/templates/training-enrolled/preview", {"params": params}, headers)
        assert (answer.status_code, "params" in answer.text) == (422, True), answer.text
    answer = await house.post(
        "/v1/templates/training-enrolled/preview", {"params": {"days": ["2023-03-20"] * 1000}}, headers
    )
    assert answer.status_code == 200, answer.text


async def test_an_officer_draws_no_broadcast_beyond_its_area_by_any_spelling(house: House) -> None:
    """An area is a code of the law's; nothing that looks like one beside it, and none that only begins alike."""
    for areas in (
        ["31"],
        ["31.72"],
        ["31.7"],
        ["31.71", "31.72"],
        ["31.71.02.1002", "31"],
        ["31.710"],
        ["31.71%"],
        ["31.71 "],
        ["31.71\n"],
        ["%"],
        ["３１.71"],
        [""],
        ["31.71."],
        ["31.71.02.1002.1"],
    ):
        for path in ("/v1/broadcasts", "/v1/broadcasts/plan"):
            body = {"template": "broadcast-kabar", "params": {}, "areas": areas}
            answer = await house.post(path, body, house.token("officer"))
            assert answer.status_code in (403, 422), (areas, answer.status_code, answer.text)
    for area in ("31.72", "31.7%", "%", "31.71%"):
        for path in ("/v1/replies", "/v1/broadcasts"):
            answer = await house.get(path, house.token("officer"), area=area)
            assert answer.status_code in (403, 422), (path, area, answer.status_code)
