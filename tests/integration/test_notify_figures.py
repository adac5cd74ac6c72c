"""A message's whole life, sending it again, finding it; what monitoring sees."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import generate_latest

from services.notify.domain.reports import Receipt
from services.notify.handlers import delivery, receipts
from services.notify.measuring import measure_once
from services.notify.store.resends import SEALED_REASONS
from shared.events.rights import VendorErased
from shared.ids import new_id
from tests.integration.notify import Mailbox, card, enrolled, mail_server, people
from tests.integration.outside import Outside


async def expired(outside: Outside) -> UUID:
    """A message that did not leave in time."""
    (vendor,) = people(1)
    await outside.desk.hear(card(vendor), enrolled(vendor))
    outside.desk.clock.advance(days=7, seconds=1)  # type: ignore[attr-defined]  # the clock of tests
    async with outside.desk.database.transaction() as conn:
        await delivery.expire_overdue(conn, now=outside.desk.clock.now())
    message_id: UUID = (await outside.desk.row())["id"]
    return message_id


def later(outside: Outside) -> str:
    return (outside.desk.clock.now() + timedelta(days=1)).isoformat()


async def test_a_messages_whole_life_is_one_page(outside: Outside) -> None:
    (vendor,) = people(1)
    async with mail_server(Mailbox()) as mailbox:
        await outside.desk.hear(card(vendor), enrolled(vendor))
        async with outside.desk.delivering(mailbox):
            await outside.desk.until("sent", 1)
    (attempt,) = await outside.desk.attempts()
    now = outside.desk.clock.now()
    async with outside.desk.database.transaction() as conn:
        read = [Receipt("smtp", attempt["id"], None, status, now) for status in ("delivered", "read")]
        await receipts.apply_receipts(conn, read, now=now)
        await conn.execute("UPDATE attempt SET message_id = 'wamid.1'")
    message_id = (await outside.desk.row())["id"]
    life = (await outside.get(f"/notifications/{message_id}")).json()
    assert (life["state"], life["mode"], life["provider"], life["topic"]) == ("delivered", "normal", "smtp", "training")
    assert life["text"] is not None
    assert life["read_at"] is not None
    assert life["resent_as"] is life["digest_id"] is life["broadcast_id"] is life["asked_by"] is None
    (told,) = life["attempt_list"]
    assert (told["outcome"], told["status"], told["message_id"]) == ("accepted", "read", "wamid.1")
    assert [one["status"] for one in told["receipts"]] == ["delivered", "read"]
    found = await outside.get("/notifications", provider="smtp", message_id="wamid.1")
    assert [one["notification_id"] for one in found.json()["items"]] == [str(message_id)]
    assert (await outside.get("/notifications", provider="other", message_id="wamid.1")).json()["items"] == []


async def test_what_did_not_reach_the_person_is_sent_again_once_however_many_ask_at_once(outside: Outside) -> None:
    message_id = await expired(outside)
    path, reason = f"/notifications/{message_id}/resend", "Alamat sudah benar"
    refused = await outside.post(path, {"reason": reason})
    assert (refused.status_code, refused.json()["details"]["because"]) == (409, "deadline")
    body = {"reason": reason, "deadline": later(outside)}
    answers = await asyncio.gather(*(outside.post(path, body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]
    (new,) = [answer.json() for answer in answers if answer.status_code == 201]
    old, fresh = await outside.desk.rows()
    assert (str(fresh["id"]), fresh["resend_of"], fresh["state"]) == (new["notification_id"], message_id, "planned")
    assert fresh["params"] == old["params"]
    assert (await outside.get(f"/notifications/{message_id}")).json()["resent_as"] == str(fresh["id"])
    async with outside.desk.database.read() as conn:
        (row,) = await conn.fetch(SEALED_REASONS.select, UUID(int=0), 10)
    assert outside.desk.sealer.open(row["sealed"], row["id"].bytes).decode() == reason
    async with mail_server(Mailbox()) as mailbox, outside.desk.delivering(mailbox):
        await outside.desk.until("sent", 1)
        assert mailbox.times() == {fresh["id"]: 1}
    twice = await outside.post(f"/notifications/{fresh['id']}/resend", {"reason": reason})
    assert twice.json()["details"]["because"] == "reached"
    meant = await outside.post(f"/notifications/{fresh['id']}/resend", {"reason": reason, "again": True})
    assert meant.status_code == 201


async def test_only_operators_send_again_and_never_to_the_erased(outside: Outside) -> None:
    message_id = await expired(outside)
    body = {"reason": "coba lagi", "deadline": later(outside)}
    for role in ("officer", "service", "vendor"):
        assert (await outside.post(f"/notifications/{message_id}/resend", body, role=role)).status_code == 403
    assert (await outside.post(f"/notifications/{new_id()}/resend", body)).status_code == 404
    again = await outside.post(f"/notifications/{message_id}/resend", body)
    assert again.status_code == 201
    vendor_id = (await outside.desk.rows())[0]["vendor_id"]
    await outside.desk.hear(VendorErased(vendor_id=vendor_id, erasure_id=new_id()))
    refused = await outside.post(f"/notifications/{again.json()['notification_id']}/resend", body)
    assert refused.json()["details"]["because"] == "erased"
    async with outside.desk.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM resend WHERE reason_sealed IS NOT NULL") == 0


async def test_people_are_found_by_an_address_that_stands_in_no_log(
    outside: Outside, capsys: pytest.CaptureFixture[str]
) -> None:
    vendor, other = people(2)
    await outside.desk.hear(card(vendor, "Siti@example.com"), card(other, "ani@example.com"))
    found = await outside.post("/notifications/people", {"email": "siti@EXAMPLE.com"})
    assert found.json() == {"vendor_ids": [str(vendor)]}
    both = await outside.post("/notifications/people", {"phone": "+6281234567890"})
    assert sorted(both.json()["vendor_ids"]) == sorted([str(vendor), str(other)])
    assert (await outside.post("/notifications/people", {})).status_code == 422
    assert (await outside.post("/notifications/people", {"phone": "+6281234567890"}, role="officer")).status_code == 403
    said = capsys.readouterr().out.lower()
    assert "81234567890" not in said
    assert "siti@" not in said


async def test_monitoring_sees_what_waits(outside: Outside) -> None:
    vendors = people(3)
    await outside.desk.hear(*(card(one) for one in vendors), *(enrolled(one) for one in vendors))
    await measure_once(outside.desk.database)
    assert 'lapak_notify_waiting{channel="",lane="personal",state="planned"} 3.0' in _metrics()
    await outside.desk.route()
    await measure_once(outside.desk.database)
    told: Any = _metrics()
    assert 'lapak_notify_waiting{channel="email",lane="personal",state="queued"} 3.0' in told
    assert 'state="planned"' not in told
    assert "lapak_notify_unknown 0.0" in told


def _metrics() -> str:
    return generate_latest().decode()
