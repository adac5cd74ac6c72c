"""Other systems send with keys: what each kind may, test keys on the real path, references, limits."""

import asyncio
from uuid import UUID, uuid4

import pytest

from services.notify.domain.keys import BEHAVIOURS, MAGIC
from services.notify.simulation import report_due
from tests.integration.backbone import until
from tests.integration.notify import card, people
from tests.integration.outside import PARAMS, TEMPLATE, Outside


@pytest.fixture
async def outside(outside: Outside) -> Outside:
    """Notify with a template that may be sent."""
    await outside.template()
    return outside


async def test_a_key_is_shown_once_kept_as_a_hash_and_ends_when_revoked(outside: Outside) -> None:
    body = {"kind": "test", "name": "SIPPT"}
    headers = {"Authorization": f"Bearer {outside.issuer.token('operator-1', ['operator'])}", "Idempotency-Key": "k"}
    made = await outside.client.post("/v1/keys", json=body, headers=headers)
    again = await outside.client.post("/v1/keys", json=body, headers=headers)
    key, key_id = made.json()["key"], made.json()["key_id"]
    assert again.json()["key_id"] == key_id
    assert again.json()["key"] is None
    async with outside.desk.database.read() as conn:
        kept = await conn.fetch("SELECT body FROM idempotency_key")
        secret = key.rpartition("_")[2]
        assert not any(secret.encode() in row["body"] for row in kept)
    await outside.sent(key, {"email": "delivered@simulator.lapak.invalid"})
    (row,) = (await outside.get("/keys")).json()["items"]
    assert row["last_used_at"] is not None
    assert "secret_sha256" not in row
    assert (await outside.post(f"/keys/{key_id}/revoke")).status_code == 204
    refused = await outside.send(key, {"email": "delivered@simulator.lapak.invalid"})
    assert refused.status_code == 401
    assert refused.json()["code"] == "key-invalid"
    assert (await outside.post(f"/keys/{uuid4()}/revoke")).json()["code"] == "key-not-found"


async def test_only_operators_make_keys_and_only_keys_send(outside: Outside) -> None:
    for role in ("officer", "service", "vendor"):
        assert (await outside.post("/keys", {"kind": "test", "name": "x"}, role=role)).status_code == 403
        assert (await outside.get("/keys", role=role)).status_code == 403
    key = await outside.key("test")
    other = key.replace("_test_", "_normal_")
    body = {"template": TEMPLATE, "recipient": {"email": "a@b.id"}, "params": PARAMS}
    assert (await outside.post("/messages", body)).json()["code"] == "key-invalid"  # a JWT is no key
    assert (await outside.post("/messages", body, key=other)).json()["code"] == "key-invalid"
    assert (await outside.post("/messages", body, key=key[:-1] + "-")).json()["code"] == "key-invalid"
    assert (await outside.get("/keys", key=key)).status_code == 401  # nor is a key a token


async def test_a_test_key_goes_the_real_way_and_each_magic_address_does_what_it_says(outside: Outside) -> None:
    key = await outside.key("test")
    sent: dict[str, UUID] = {}
    for address, behaviour in MAGIC.items():
        kind = "email" if "@" in address else "phone"
        sent[f"{behaviour} {kind}"] = await outside.sent(key, {kind: address})
    stopping = asyncio.Event()
    running = asyncio.create_task(outside.simulating().run(stopping))

    async def states() -> dict[str, str]:
        await report_due(outside.desk.database, outside.desk.clock)
        rows = {row["id"]: row for row in await outside.desk.rows()}
        return {name: rows[message_id]["state"] for name, message_id in sent.items()}

    wanted = {
        "delivered": "delivered",
        "delivered-later": "sent",
        "read": "delivered",
        "failed-later": "rejected",
        "refused": "rejected",
        "busy-then-delivered": "delivered",
        "technical-failure": "retry",
        "no-answer": "unknown",
        "no-receipt": "sent",
        "opted-out": "rejected",
        "slow": "delivered",
    }
    expected = {f"{one} {kind}": wanted[one] for one in BEHAVIOURS for kind in ("phone", "email")}

    async def as_expected() -> bool:
        await _hurry_retries(outside)
        return await states() == expected

    try:
        await until(as_expected, 20)
        outside.desk.clock.advance(minutes=5)  # type: ignore[attr-defined]  # the clock of tests

        async def delivered_later() -> bool:
            return (await states())["delivered-later phone"] == "delivered"

        await until(delivered_later)
    finally:
        stopping.set()
        await asyncio.wait_for(running, 30)
    rows = await outside.desk.rows()
    assert {row["mode"] for row in rows} == {"test"}
    assert {row["provider"] for row in rows} <= {"simulated-sms", "simulated-email"}
    async with outside.desk.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM suppression") == 0
    answer = await outside.get(f"/messages/{sent['read phone']}", key=key)
    assert answer.json()["read_at"] is not None
    assert answer.json()["channel"] == "sms"


async def test_a_reference_is_one_message_however_many_ask_at_once(outside: Outside) -> None:
    key = await outside.key("test")
    to = {"phone": "+620000000001"}
    answers = await asyncio.gather(*(outside.send(key, to, reference="surat/12") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["message_id"] for answer in answers}) == 1
    assert sum(answer.json()["new"] for answer in answers) == 1
    assert len(await outside.desk.rows()) == 1
    other = await outside.send(key, {"phone": "+620000000002"}, reference="surat/12")
    assert (other.status_code, other.json()["code"]) == (409, "reference-reused")
    found = await outside.get("/messages", key=key, reference="surat/12")
    assert found.json()["message_id"] == answers[0].json()["message_id"]
    stranger = await outside.key("test")
    assert (await outside.get("/messages", key=stranger, reference="surat/12")).status_code == 404
    assert (await outside.get(f"/messages/{found.json()['message_id']}", key=stranger)).status_code == 404
    # the reference of one key is another's own
    assert (await outside.send(stranger, to, reference="surat/12")).json()["new"] is True


async def test_a_normal_key_writes_to_vendors_it_finds(outside: Outside) -> None:
    key = await outside.key("normal", topic="programme")
    (vendor,) = people(1)
    unknown = await outside.send(key, {"vendor_id": str(vendor)})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "vendor-unknown")
    await outside.desk.hear(card(vendor))
    message_id = await outside.sent(key, {"vendor_id": str(vendor)}, channel="email")
    row = await outside.desk.row()
    assert (row["id"], row["vendor_id"], row["topic"], row["lane"], row["mode"]) == (
        message_id,
        vendor,
        "programme",
        2,
        "normal",
    )
    assert row["route"] == ["email"]
    refused = await outside.send(key, {"email": "siti@example.com"})
    assert (refused.status_code, refused.json()["code"]) == (422, "recipient-not-reached")


async def test_a_team_key_writes_to_the_team_only(outside: Outside) -> None:
    key = await outside.key("team")
    (vendor,) = people(1)
    await outside.desk.hear(card(vendor, "ani@example.go.id"))
    for to in ({"email": "ani@example.go.id"}, {"vendor_id": str(vendor)}):
        refused = await outside.send(key, to)
        assert (refused.status_code, refused.json()["code"]) == (403, "not-on-team")
    added = await outside.post("/team", {"email": "Ani@example.go.id"})
    assert added.json() == {"channels": ["email"]}
    await outside.sent(key, {"email": "ani@example.go.id"})
    await outside.sent(key, {"vendor_id": str(vendor)})
    assert (await outside.send(key, {"vendor_id": str(vendor)}, channel="sms")).json()["code"] == "not-on-team"
    assert {tuple(row["route"]) for row in await outside.desk.rows()} == {("email",)}
    (row,) = (await outside.get("/team")).json()["items"]
    assert row["hint"] == "A***@example.go.id"
    assert (await outside.post(f"/team/{row['address_id']}/remove")).status_code == 204
    assert (await outside.send(key, {"email": "ani@example.go.id"})).json()["code"] == "not-on-team"


async def test_templates_of_events_and_wrong_parameters_are_refused(outside: Outside) -> None:
    key = await outside.key("test")
    to = {"phone": "+620000000001"}
    assert (await outside.send(key, to, template="booth-assigned")).json()["code"] == "template-not-sendable"
    assert (await outside.send(key, to, template="nothing")).status_code == 404
    wrong = await outside.send(key, to, params={"title": "x", "color": "red"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "template-parameters-wrong")
    assert {one["field"] for one in wrong.json()["errors"]} == {"params.color", "params.day"}
    for body in ({"channel": "email"}, {"deadline": "2020-01-01T00:00:00Z"}, {"reference": "surat 12"}):
        assert (await outside.send(key, to, **body)).status_code == 422


async def test_a_key_sends_so_many_a_minute_however_many_ask_at_once(outside: Outside) -> None:
    key = await outside.key("test")
    async with outside.desk.database.transaction() as conn:
        await conn.execute("UPDATE api_key SET per_minute = 5, tokens = 5, filled_at = clock_timestamp()")
    answers = await asyncio.gather(*(outside.send(key, {"phone": "+620000000001"}) for _ in range(12)))
    codes = [answer.status_code for answer in answers]
    assert codes.count(201) == 5
    assert codes.count(429) == 7
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == "key-rate-limited"
    assert refused.headers["retry-after"]


async def _hurry_retries(outside: Outside) -> None:
    async with outside.desk.database.pool.acquire() as conn:
        await conn.execute("UPDATE notification SET due_at = clock_timestamp() WHERE state = 'retry'")
