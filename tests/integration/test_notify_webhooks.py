"""Where providers call back: who is believed, what one call does, and that it may come again and again."""

import asyncio
import hmac
import json
from base64 import b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import httpx
import pytest

from services.notify.app import create
from services.notify.channels.vonage import signature
from services.notify.domain.delivery import Accepted
from services.notify.handlers import delivery as handlers
from services.notify.handlers.delivery import End
from services.notify.store.delivery import Start
from shared.crypto import Sealer
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.notify import Desk, card, enrolled, people

SECRET = "rahasia-sekali"
PUBLIC = "https://pesan.example.go.id"
PHONE = "6281234567890"

PROVIDERS = [
    {
        "adapter": "whatsapp",
        "name": "wa-main",
        "url": "http://127.0.0.1:1",
        "number_id": "1055",
        "account_id": "2066",
        "token": SECRET,
        "app_secret": SECRET,
        "verify_token": "setuju",
    },
    {
        "adapter": "twilio",
        "name": "sms-a",
        "url": "http://127.0.0.1:1",
        "account": "AC1",
        "token": SECRET,
        "sender": "LAPAK",
    },
    {
        "adapter": "vonage",
        "name": "sms-b",
        "url": "http://127.0.0.1:1",
        "key": "k",
        "secret": SECRET,
        "signature_secret": SECRET,
        "sender": "LAPAK",
    },
]


class Door:
    """Notify with its HTTP door, and the three providers that knock on it."""

    def __init__(self, desk: Desk, client: httpx.AsyncClient) -> None:
        self.desk = desk
        self.client = client

    async def whatsapp(self, value: dict[str, Any], field: str = "messages", secret: str = SECRET) -> httpx.Response:
        """Meta calls, with a signature by this secret."""
        metadata = {"phone_number_id": "1055"}
        change = {"field": field, "value": {"metadata": metadata, **value}}
        return await self.meta({"object": "x", "entry": [{"id": "2066", "changes": [change]}]}, secret)

    async def meta(self, body: Any, secret: str = SECRET) -> httpx.Response:
        """Meta calls with this body."""
        raw = json.dumps(body).encode()
        headers = {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), raw, sha256).hexdigest()}
        return await self.client.post("/v1/providers/wa-main/webhook", content=raw, headers=headers)

    async def twilio(self, attempt_id: UUID | None, form: dict[str, str], token: str = SECRET) -> httpx.Response:
        """Twilio calls."""
        path = "/v1/providers/sms-a/webhook" + ("" if attempt_id is None else f"/{attempt_id}")
        text = PUBLIC + path + "".join(name + form[name] for name in sorted(form))
        given = b64encode(hmac.new(token.encode(), text.encode(), "sha1").digest()).decode()
        return await self.client.post(path, data=form, headers={"X-Twilio-Signature": given})

    async def vonage(self, values: dict[str, str], method: str = "POST", secret: str = SECRET) -> httpx.Response:
        """Vonage calls."""
        whole = {"message-timestamp": "2023-03-01 02:00:00", **values}
        whole["sig"] = signature(whole, secret)
        if method == "GET":
            return await self.client.get("/v1/providers/sms-b/webhook?" + urlencode(whole))
        return await self.client.post("/v1/providers/sms-b/webhook", data=whole)

    async def sent(self, provider: str, count: int = 1) -> list[UUID]:
        """So many messages that this provider has accepted: their attempts."""
        vendors = people(count)
        await self.desk.hear(*[card(vendor) for vendor in vendors], *[enrolled(vendor) for vendor in vendors])
        jobs = await self.desk.claim(limit=count)
        assert len(jobs) == count
        channel = "whatsapp" if provider == "wa-main" else "sms"
        starts = [Start(job.id, job.claim, new_id(), channel, "id", provider) for job in jobs]  # type: ignore[arg-type]
        async with self.desk.database.transaction() as conn:
            await handlers.begin_attempts(conn, starts, lease_seconds=60, now=self.desk.clock.now())
        ends = [
            End(start.notification_id, start.attempt_id, Accepted("x accepted", f"m-{start.attempt_id}"))
            for start in starts
        ]
        async with self.desk.database.transaction() as conn:
            await handlers.end_attempts(conn, ends, now=self.desk.clock.now())
        return [start.attempt_id for start in starts]

    async def kept(self) -> int:
        """How many rows anything a webhook reports has left."""
        async with self.desk.database.read() as conn:
            count: int = await conn.fetchval(
                "SELECT (SELECT count(*) FROM receipt) + (SELECT count(*) FROM stray_receipt) "
                "+ (SELECT count(*) FROM reply) + (SELECT count(*) FROM message_parts) "
                "+ (SELECT count(*) FROM provider_pause)"
            )
        return count


@pytest.fixture
async def door(
    make_database: MakeDatabase,
    serve: Serve,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> Door:
    """Notify with providers, and its HTTP door."""
    monkeypatch.setenv("LAPAK_SMTP", "127.0.0.1:1")
    monkeypatch.setenv("LAPAK_PROVIDERS", json.dumps(PROVIDERS))
    monkeypatch.setenv("LAPAK_PUBLIC_URL", PUBLIC)
    fresh = await make_database("notify")
    return Door(Desk(fresh.database, clock, sealer), serve(create, fresh))


def status(attempt_id: UUID, word: str, **more: Any) -> dict[str, Any]:
    """A status of Meta's."""
    return {
        "id": f"m-{attempt_id}",
        "status": word,
        "timestamp": "1677636000",
        "recipient_id": PHONE,
        "biz_opaque_callback_data": str(attempt_id),
        **more,
    }


def part(attempt_id: UUID, message_id: str, parts: int, word: str = "delivered") -> dict[str, str]:
    """A receipt of Vonage's for one part of a message."""
    return {"messageId": message_id, "status": word, "client-ref": f"{attempt_id}.{parts}", "err-code": "1"}


async def test_a_status_of_each_provider_settles_its_message(door: Door) -> None:
    (first,), (second,), (third,) = await door.sent("wa-main"), await door.sent("sms-a"), await door.sent("sms-b")
    answers = [
        await door.whatsapp({"statuses": [status(first, "delivered")]}),
        await door.twilio(second, {"MessageSid": f"m-{second}", "MessageStatus": "delivered"}),
        await door.vonage({"messageId": f"m-{third}", "status": "delivered", "client-ref": str(third)}, "GET"),
    ]
    assert [(answer.status_code, answer.content) for answer in answers] == [(200, b"")] * 3
    assert await door.desk.states() == {"delivered": 3}


async def test_the_same_call_again_and_again_changes_nothing(door: Door) -> None:
    (attempt_id,) = await door.sent("wa-main")
    value = {"statuses": [status(attempt_id, "read"), status(attempt_id, "sent"), status(attempt_id, "delivered")]}
    value["messages"] = [{"from": PHONE, "id": "wamid.R", "timestamp": "1677636000", "type": "image", "image": {}}]
    answers = await asyncio.gather(*(door.whatsapp(value) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    first = (await door.desk.rows())[0]["id"]
    kinds = sorted(kind for kind, key, _ in await door.desk.published() if key == first)
    assert kinds == ["NotificationDelivered", "NotificationRead", "NotificationSent"]
    async with door.desk.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM reply") == 1


@pytest.mark.parametrize("provider", ["wa-main", "sms-a", "sms-b"])
async def test_a_wrong_signature_is_answered_401_and_leaves_nothing(door: Door, provider: str) -> None:
    (attempt_id,) = await door.sent(provider)
    match provider:
        case "wa-main":
            answer = await door.whatsapp({"statuses": [status(attempt_id, "delivered")]}, secret="salah")
        case "sms-a":
            form = {"MessageSid": "x", "MessageStatus": "delivered"}
            answer = await door.twilio(attempt_id, form, token="salah")
        case _:
            answer = await door.vonage({"messageId": "x", "status": "delivered", "client-ref": "x"}, secret="salah")
    assert (answer.status_code, answer.json()["code"]) == (401, "webhook-not-believed")
    assert await door.kept() == 0
    assert await door.desk.states() == {"sent": 1}


async def test_a_provider_nobody_named_is_not_found(door: Door) -> None:
    for name in ("wa-other", "smtp-x", "%2e%2e"):
        answer = await door.client.post(f"/v1/providers/{name}/webhook", content=b"{}")
        assert answer.status_code == 404
    assert (await door.client.post("/v1/providers/smtp/webhook", content=b"{}")).status_code == 401
    assert await door.kept() == 0


async def test_meta_s_challenge_is_answered_to_who_knows_the_word(door: Door) -> None:
    query = {"hub.mode": "subscribe", "hub.challenge": "1158201444"}
    path = "/v1/providers/wa-main/webhook"
    right = await door.client.get(path, params={**query, "hub.verify_token": "setuju"})
    assert (right.status_code, right.text) == (200, "1158201444")
    assert (await door.client.get(path, params={**query, "hub.verify_token": "salah"})).status_code == 401
    assert (await door.client.get(path)).status_code == 401


async def test_a_body_over_three_megabytes_is_refused_unread(door: Door) -> None:
    answer = await door.client.post("/v1/providers/wa-main/webhook", content=b" " * (3 * 1024 * 1024 + 1))
    assert answer.status_code == 413


async def test_a_thousand_statuses_are_one_transaction(door: Door) -> None:
    """All of them or none: a commit that fails leaves nothing, and the call comes again."""
    attempts = [*await door.sent("wa-main", 500), *await door.sent("wa-main", 500)]
    value = {"statuses": [status(attempt_id, "delivered") for attempt_id in reversed(attempts)]}
    async with door.desk.database.transaction() as conn:
        await conn.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN RAISE EXCEPTION SQLSTATE '53300'; END$$"
        )
        await conn.execute(
            "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON receipt DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    assert (await door.whatsapp(value)).status_code == 503
    assert await door.kept() == 0
    async with door.desk.database.transaction() as conn:
        await conn.execute("DROP TRIGGER refuse ON receipt")
    assert (await door.whatsapp(value)).status_code == 200
    assert await door.desk.states() == {"delivered": 1000}


async def test_a_database_that_is_away_is_answered_503_so_that_the_provider_calls_again(door: Door) -> None:
    (attempt_id,) = await door.sent("wa-main")
    await door.desk.database.pool.close()
    answer = await door.whatsapp({"statuses": [status(attempt_id, "delivered")]})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_a_message_is_delivered_when_all_of_its_parts_are(door: Door) -> None:
    (attempt_id,) = await door.sent("sms-b")
    for message_id in ("p1", "p1", "p3"):
        assert (await door.vonage(part(attempt_id, message_id, 3))).status_code == 200
        assert await door.desk.states() == {"sent": 1}
    await door.vonage(part(attempt_id, "p2", 3))
    assert await door.desk.states() == {"delivered": 1}
    await door.vonage(part(attempt_id, "p2", 3))
    assert await door.desk.states() == {"delivered": 1}


async def test_parts_that_are_told_at_once_make_one_message(door: Door) -> None:
    attempts = await door.sent("sms-b", 6)
    calls = [door.vonage(part(attempt_id, f"p{number}", 3)) for number in range(3) for attempt_id in attempts]
    assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}
    assert await door.desk.states() == {"delivered": 6}


async def test_a_part_that_fails_fails_the_message(door: Door) -> None:
    (attempt_id,) = await door.sent("sms-b")
    await door.vonage(part(attempt_id, "p1", 2))
    await door.vonage(part(attempt_id, "p2", 2, "failed"))
    (attempt,) = await door.desk.attempts()
    assert attempt["status"] == "failed"


async def test_trouble_with_the_account_pauses_the_provider(door: Door) -> None:
    async with door.desk.database.transaction() as conn:
        await conn.execute("INSERT INTO provider_health (provider, channel) VALUES ('wa-main', 'whatsapp')")
    value = {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}
    assert (await door.whatsapp(value, "account_update")).status_code == 200
    async with door.desk.database.read() as conn:
        row = await conn.fetchrow("SELECT paused, code FROM provider_health WHERE provider = 'wa-main'")
    assert row is not None
    assert (row["paused"], row["code"]) == (True, "account disabled_update")


async def test_what_a_person_writes_is_kept_sealed_and_never_told(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    text = "tolong kembalikan lapak saya yang kemarin"
    message = {"from": PHONE, "id": "wamid.R", "timestamp": "1677636000", "type": "text", "text": {"body": text}}
    assert (await door.whatsapp({"messages": [message]})).status_code == 200
    async with door.desk.database.read() as conn:
        rows = [dict(row) for row in await conn.fetch("SELECT * FROM reply")]
        events = await conn.fetch("SELECT payload FROM outbox")
    assert len(rows) == 1
    shown = f"{rows} {[bytes(row['payload']) for row in events]} {caplog.text}"
    assert "kembalikan" not in shown
    assert PHONE not in shown


@pytest.mark.parametrize(
    "body",
    [
        {"entry": []},
        {"entry": [{"id": "2066", "changes": [{"field": "messages", "value": {}}]}]},
        {"entry": [{"id": "2066", "changes": [{"field": "history", "value": {"new": True}}]}]},
    ],
)
async def test_a_call_that_reports_nothing_we_know_is_taken_all_the_same(door: Door, body: Any) -> None:
    """Refused, it would come again for days."""
    assert (await door.meta(body)).status_code == 200
    assert await door.kept() == 0
