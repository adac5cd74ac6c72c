"""Files that go along with an e-mail: they arrive as they were, once, or the message says why not; and how long they
are kept.
"""

import asyncio
import base64
import email
import email.policy
import hashlib
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from services.notify.app import create
from services.notify.channels import Letter
from services.notify.channels.email import Email, SmtpServer
from services.notify.delivery.writing import Writer, no_extras
from services.notify.domain.attachments import BYTES_MAX
from services.notify.domain.delivery import Rejected
from services.notify.domain.keys import SendMessage
from services.notify.handlers import keys as handlers
from services.notify.handlers import retention
from services.notify.handlers.attachments import read_and_seal
from services.notify.keys import COLUMNS
from services.notify.simulation import report_due
from services.notify.store.attachments import FILES_AT_ONCE
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.rights import VendorErased
from shared.ids import new_id
from shared.resealing import reseal
from tests.conftest import SECRET_KEYS, FreshDatabase, MakeDatabase, Serve, StandingClock
from tests.integration.backbone import until
from tests.integration.notify import Desk, Mailbox, card, mail_server, people, victims
from tests.integration.outside import PARAMS, TEMPLATE, Outside

START, END = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", b"\n%%EOF\n"
NEW_KEYS = {"new": base64.b64encode(bytes(range(100, 132))).decode()}


@pytest.fixture
async def fresh(make_database: MakeDatabase) -> FreshDatabase:
    """A database of notify."""
    return await make_database("notify")


@pytest.fixture
async def outside(
    fresh: FreshDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> Outside:
    """Notify before other systems, with a template that may be sent."""
    monkeypatch.setenv("LAPAK_SMTP", "127.0.0.1:1")
    found = Outside(Desk(fresh.database, clock, sealer), serve(create, fresh), issuer)
    await found.template()
    return found


@pytest.fixture
async def key(outside: Outside) -> str:
    """A key that writes to vendors, about what needs no consent."""
    return await outside.key("normal", topic="programme")


def pdf(size: int = 2000, start: bytes = START) -> bytes:
    """A file that looks like a PDF, with chance in it."""
    return start + os.urandom(size - len(start) - len(END)) + END


def attached(files: Mapping[str, bytes]) -> dict[str, Any]:
    return {
        "attachments": [
            {"name": name, "content": base64.b64encode(content).decode()} for name, content in files.items()
        ]
    }


async def vendor_with_card(outside: Outside, address: str | None = "") -> UUID:
    (vendor,) = people(1)
    await outside.desk.hear(card(vendor, address))
    return vendor


async def send_file(outside: Outside, key: str, files: Mapping[str, bytes], vendor: UUID | None = None) -> UUID:
    """Ask for a message with files that must be taken; its id."""
    vendor = vendor or await vendor_with_card(outside)
    return await outside.sent(key, {"vendor_id": str(vendor)}, **attached(files))


def files_in(raw: bytes) -> dict[str, bytes]:
    """The files of an e-mail as a mail program finds them."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert {part.get_content_type() for part in message.iter_attachments()} <= {"application/pdf"}
    return {cast(str, part.get_filename()): part.get_content() for part in message.iter_attachments()}


async def life(outside: Outside, message_id: UUID, **who: Any) -> dict[str, Any]:
    answer = await outside.get(f"/notifications/{message_id}", **who)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def kept(outside: Outside) -> list[asyncpg.Record]:
    async with outside.desk.database.read() as conn:
        found: list[asyncpg.Record] = await conn.fetch("SELECT * FROM attachment ORDER BY notification_id, number")
        return found


async def forget(outside: Outside) -> None:
    async with outside.desk.database.transaction() as conn:
        await retention.forgets(7, 400)(conn, "", outside.desk.clock.now())


# --- the way


async def test_files_arrive_byte_for_byte_by_the_real_way(outside: Outside, key: str) -> None:
    half = BYTES_MAX // 2
    sent = {"surat-undangan.pdf": pdf(half), "Denah lokasi (2).pdf": pdf(half)}
    message_id = await send_file(outside, key, sent)
    async with mail_server(Mailbox()) as mailbox, outside.desk.delivering(mailbox):
        assert await outside.desk.settled() == {"sent": 1}
    (raw,) = mailbox.raw
    assert files_in(raw) == sent
    assert b"Halo Siti Aminah" in raw
    shown = await life(outside, message_id)
    assert shown["attachments"] == [
        {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sent.items()
    ]
    assert (shown["channel"], shown["route"]) == ("email", [])
    rows = await kept(outside)
    assert all(START not in row["content_sealed"] and b"surat" not in row["name_sealed"] for row in rows)


async def test_a_test_key_takes_the_same_way_to_a_provider_that_carries_nothing(outside: Outside) -> None:
    key = await outside.key("test")
    to = {"email": "delivered@simulator.lapak.invalid"}
    whole = await outside.sent(key, to, **attached({"a.pdf": pdf()}))
    torn = await outside.sent(key, to, **attached({"a.pdf": pdf(), "b.pdf": pdf()}))
    async with outside.desk.database.transaction() as conn:
        await conn.execute("DELETE FROM attachment WHERE notification_id = $1 AND number = 2", torn)
    stopping = asyncio.Event()
    running = asyncio.create_task(outside.simulating().run(stopping))

    async def ended() -> bool:
        await report_due(outside.desk.database, outside.desk.clock)
        return (await outside.desk.states()) == {"delivered": 1, "rejected": 1}

    try:
        await until(ended)
    finally:
        stopping.set()
        await asyncio.wait_for(running, 30)
    assert (await outside.get(f"/messages/{whole}", key=key)).json()["state"] == "delivered"
    # the words do not leave without a file of theirs
    assert (await outside.get(f"/messages/{torn}", key=key)).json()["reason"] == "files-gone"


async def test_a_vendor_whose_address_is_closed_is_not_told_by_the_inbox_without_the_file(
    outside: Outside, key: str
) -> None:
    vendor = await vendor_with_card(outside)
    closed = {"channel": "email", "reason": "invalid", "vendor_id": str(vendor)}
    assert (await outside.post("/suppressions", closed)).status_code == 200
    message_id = await send_file(outside, key, {"a.pdf": pdf()}, vendor)
    words = await outside.sent(key, {"vendor_id": str(vendor)}, channel="email")
    await outside.desk.route()
    rows = {row["id"]: (row["state"], row["channel"], row["reason"]) for row in await outside.desk.rows()}
    assert rows == {message_id: ("rejected", None, "unreachable"), words: ("sent", "inbox", None)}


async def test_a_card_that_comes_later_has_the_file_sent_and_one_without_an_address_has_it_refused(
    outside: Outside, key: str
) -> None:
    reached, not_reached = people(2)
    for vendor in (reached, not_reached):
        await outside.desk.hear(card(vendor))
        async with outside.desk.database.transaction() as conn:
            await conn.execute("DELETE FROM contact WHERE vendor_id = $1", vendor)
            await conn.execute("INSERT INTO vendor (vendor_id, kelurahan) VALUES ($1, '31.71.02.1002')", vendor)
        await send_file(outside, key, {"a.pdf": pdf()}, vendor)
    assert await outside.desk.states() == {"waiting_contact": 2}
    await outside.desk.hear(card(reached), card(not_reached, None))
    async with mail_server(Mailbox()) as mailbox, outside.desk.delivering(mailbox):
        await outside.desk.until("sent", 1)
        await outside.desk.until("rejected", 1)
    assert len(mailbox.raw) == 1


# --- what is refused


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (attached({"a.pdf": b"MZ\x90\x00" + bytes(900)}), 422, "attachment-invalid", "attachments.0.content"),
        (attached({"a.pdf": pdf(), "b.pdf": b""}), 422, "attachment-invalid", "attachments.1.content"),
        ({"attachments": [{"name": "a.pdf", "content": "%%%"}]}, 422, "attachment-invalid", "attachments.0.content"),
        (attached({"../a.pdf": pdf()}), 422, "invalid", "attachments.0.name"),
        (attached({"a.exe": pdf()}), 422, "invalid", "attachments.0.name"),
        (attached({f"{number}.pdf": pdf() for number in range(6)}), 422, "invalid", "attachments"),
        (attached({"a.pdf": pdf(BYTES_MAX + 1)}), 413, "attachments-too-large", "attachments"),
        ({**attached({"a.pdf": pdf()}), "channel": "whatsapp"}, 422, "attachment-needs-email", None),
        ({**attached({"a.pdf": pdf()}), "recipient": {"phone": "+620000000001"}}, 422, "attachment-needs-email", None),
        (attached({"a.pdf": pdf(BYTES_MAX + BYTES_MAX // 2)}), 413, "body-too-large", None),
    ],
)
async def test_a_file_that_cannot_go_along_is_refused_with_its_field_and_leaves_nothing(
    outside: Outside, body: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    key = await outside.key("test")
    recipient = body.pop("recipient", {"email": "delivered@simulator.lapak.invalid"})
    refused = await outside.send(key, recipient, **body)
    assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
    assert [one["field"] for one in refused.json().get("errors", [])] == ([] if field is None else [field])
    assert refused.json()["detail"].endswith(".")
    assert "JVBERi" not in refused.text
    assert await outside.desk.rows() == []
    assert await kept(outside) == []


async def test_a_vendor_without_an_e_mail_address_is_refused_at_once(outside: Outside, key: str) -> None:
    vendor = await vendor_with_card(outside, None)
    refused = await outside.send(key, {"vendor_id": str(vendor)}, **attached({"a.pdf": pdf()}))
    assert (refused.status_code, refused.json()["code"]) == (422, "attachment-needs-email")
    assert "leave attachments out" in refused.json()["detail"]
    assert (await outside.send(key, {"vendor_id": str(vendor)})).status_code == 201


async def test_only_this_route_takes_more_than_a_mebibyte(outside: Outside, key: str) -> None:
    body = {"template": TEMPLATE, "params": {"day": "x" * 1_100_000}, "areas": ["31"]}
    refused = await outside.post("/broadcasts", body)
    assert (refused.status_code, refused.json()["code"]) == (413, "body-too-large")


# --- once


async def test_the_same_reference_with_the_same_files_is_one_message_and_with_another_file_refused(
    outside: Outside, key: str
) -> None:
    vendor = await vendor_with_card(outside)
    one, other = pdf(), pdf()

    async def ask(name: str, content: bytes) -> httpx.Response:
        to = {"vendor_id": str(vendor)}
        return await outside.send(key, to, reference="surat/1", **attached({name: content}))

    answers = await asyncio.gather(*(ask("a.pdf", one) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert sum(answer.json()["new"] for answer in answers) == 1
    assert len(await outside.desk.rows()) == len(await kept(outside)) == 1
    for changed in (await ask("a.pdf", other), await ask("b.pdf", one)):
        assert (changed.status_code, changed.json()["code"]) == (409, "reference-reused")
    without = await outside.send(key, {"vendor_id": str(vendor)}, reference="surat/1")
    assert without.json()["code"] == "reference-reused"
    assert len(await kept(outside)) == 1


async def test_a_reference_that_was_used_before_there_were_files_still_fits(outside: Outside, key: str) -> None:
    """Its hash is of what was asked for as it read then."""
    vendor = await vendor_with_card(outside)
    first = await outside.send(key, {"vendor_id": str(vendor)}, reference="surat/1")
    as_it_was = {
        "template": TEMPLATE,
        "recipient": {"vendor_id": str(vendor), "phone": None, "email": None},
        "params": PARAMS,
        "reference": "surat/1",
        "channel": None,
        "deadline": None,
        "language": "id",
    }
    text = SendMessage.model_validate(as_it_was).model_dump_json(include=set(as_it_was))
    async with outside.desk.database.read() as conn:
        assert await conn.fetchval("SELECT fingerprint FROM key_message") == outside.desk.sealer.blind_index(text)
    again = await outside.send(key, {"vendor_id": str(vendor)}, reference="surat/1")
    assert again.json() == {**first.json(), "new": False}


async def test_an_idempotency_key_covers_the_files(outside: Outside, key: str) -> None:
    vendor = await vendor_with_card(outside)
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": str(uuid4())}
    body = {"template": TEMPLATE, "recipient": {"vendor_id": str(vendor)}, "params": PARAMS}
    file = pdf()

    async def ask(content: bytes) -> httpx.Response:
        return await outside.client.post("/v1/messages", json={**body, **attached({"a.pdf": content})}, headers=headers)

    first, again, other = await ask(file), await ask(file), await ask(pdf())
    assert (first.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert other.json()["code"] == "idempotency-key-reused"
    assert len(await kept(outside)) == 1


async def test_a_request_that_dies_half_way_leaves_neither_message_nor_file(outside: Outside, key: str) -> None:
    vendor = await vendor_with_card(outside)
    command = SendMessage.model_validate(
        {"template": TEMPLATE, "recipient": {"vendor_id": vendor}, "params": PARAMS, **attached({"a.pdf": pdf()})}
    )
    desk = outside.desk
    files = read_and_seal(command.attachments, desk.sealer)
    async with desk.database.pool.acquire() as conn:
        caller = await handlers.recognise(conn, f"Bearer {key}")
        dying = conn.transaction()
        await dying.start()
        await handlers.send(conn, caller, command, files=files, sealer=desk.sealer, now=desk.clock.now())
        await dying.rollback()
    assert await desk.rows() == []
    assert await kept(outside) == []


async def test_killed_again_and_again_each_file_arrives_once_with_its_message(
    fresh: FreshDatabase, outside: Outside, key: str
) -> None:
    desk = outside.desk
    vendors = people(6)
    await desk.hear(*(card(one) for one in vendors))
    sent = {one: pdf(30_000) for one in vendors}
    ids = {await send_file(outside, key, {"a.pdf": sent[one]}, one): one for one in vendors}

    async def left() -> bool:
        return bool((await desk.states()).keys() & {"planned", "queued"})

    async def over() -> bool:
        return not await left()

    kills = 0
    often = "notify.begun:0.2,notify.sent:0.2,notify.recording:0.2,notify.recorded:0.2"
    async with mail_server(Mailbox(delay_seconds=0.002)) as mailbox:
        async with victims(fresh.dsn, mailbox.port, often) as dying:
            while await left():
                assert await dying.let_die(kills, over) == [signal.SIGKILL] * 2
                kills += 2
                await desk.hurry()
        async with desk.delivering(mailbox):
            await desk.settled()
    assert kills
    assert set(mailbox.times().values()) == {1}
    states = {row["id"]: row["state"] for row in await desk.rows()}
    assert set(states.values()) <= {"sent", "unknown"}
    assert {one for one, state in states.items() if state == "sent"} <= set(mailbox.times())
    for (_, message_id), raw in zip(mailbox.accepted, mailbox.raw, strict=True):
        assert files_in(raw) == {"a.pdf": sent[ids[message_id]]}
    assert len(await kept(outside)) == len(vendors)


# --- too large for a mail server


@dataclass
class Narrow(Mailbox):
    """A mail server that finds a content too large."""

    answer: str = ""

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        """The content has come."""
        return self.answer or await super().handle_DATA(server, session, envelope)


@dataclass
class Announcing:
    """A mail server that says beforehand how much it takes. `data`: how often a content was offered."""

    port: int = 0
    data: list[int] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        """The content has come."""
        self.data.append(len(envelope.content or b""))
        return "250 2.0.0 Taken"


@asynccontextmanager
async def announcing(size: int) -> AsyncIterator[Announcing]:
    """Such a server, while the block runs."""
    loop, handler = asyncio.get_running_loop(), Announcing()
    make: Callable[[], SMTP] = lambda: SMTP(handler, hostname="mail.test", data_size_limit=size, loop=loop)  # noqa: E731
    server = await loop.create_server(make, "127.0.0.1", 0)
    handler.port = server.sockets[0].getsockname()[1]
    try:
        yield handler
    finally:
        server.close()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("552 5.3.4 Message size exceeds fixed limit", "smtp 552 5.3.4"),
        ("552 Message too big", "smtp 552"),
        ("452 4.3.4 Message too big for system", "smtp 452 4.3.4"),
        ("554 5.2.3 Longer than the administrator allows", "smtp 554 5.2.3"),
    ],
)
async def test_a_content_that_a_server_finds_too_large_ends_as_rejected_with_its_code(
    outside: Outside, key: str, answer: str, code: str
) -> None:
    await send_file(outside, key, {"a.pdf": pdf()})
    async with mail_server(Narrow(answer=answer)) as mailbox, outside.desk.delivering(mailbox):
        assert await outside.desk.settled() == {"rejected": 1}
    row = await outside.desk.row()
    assert (row["reason"], row["attempts"]) == (code, 1)
    async with outside.desk.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM suppression") == 0  # it is not the address that is wrong


async def test_what_is_larger_than_the_server_says_it_takes_is_not_handed_over(outside: Outside, key: str) -> None:
    large, small = (
        await send_file(outside, key, {"a.pdf": pdf(90_000)}),
        await send_file(outside, key, {"a.pdf": pdf()}),
    )
    async with announcing(100_000) as server, outside.desk.delivering(cast(Mailbox, server)):
        await outside.desk.settled()
    rows = {row["id"]: (row["state"], row["reason"]) for row in await outside.desk.rows()}
    assert rows == {large: ("rejected", "too-large"), small: ("sent", None)}
    assert len(server.data) == 1


# --- sent again


async def test_a_message_sent_again_carries_its_files_while_they_are_kept(outside: Outside, key: str) -> None:
    sent = {"a.pdf": pdf(), "b.pdf": pdf()}
    message_id = await send_file(outside, key, sent)
    again = {"reason": "tidak terbaca", "again": True}
    async with mail_server(Mailbox()) as mailbox, outside.desk.delivering(mailbox):
        await outside.desk.until("sent", 1)
        answer = await outside.post(f"/notifications/{message_id}/resend", again)
        assert answer.status_code == 201, answer.text
        await outside.desk.until("sent", 2)
    assert [files_in(raw) for raw in mailbox.raw] == [sent, sent]
    fresh_id = UUID(answer.json()["notification_id"])
    first, second = await life(outside, message_id), await life(outside, fresh_id)
    assert first["attachments"] == second["attachments"]
    assert [one["channel"] for one in second["attempt_list"]] == ["email"]


async def test_sending_again_says_when_the_files_are_gone(outside: Outside, key: str) -> None:
    message_id = await send_file(outside, key, {"a.pdf": pdf()})
    async with mail_server(Mailbox()) as mailbox, outside.desk.delivering(mailbox):
        await outside.desk.until("sent", 1)
    again = {"reason": "tidak terbaca", "again": True}
    async with outside.desk.database.transaction() as conn:
        await conn.execute("UPDATE attachment SET content_sealed = NULL, name_sealed = NULL")
    refused = await outside.post(f"/notifications/{message_id}/resend", again)
    assert (refused.status_code, refused.json()["details"]["because"]) == (409, "files-gone")
    outside.desk.clock.advance(days=8)  # type: ignore[attr-defined]  # the clock of tests
    await forget(outside)
    refused = await outside.post(f"/notifications/{message_id}/resend", again)
    assert refused.json()["details"]["because"] == "body-gone"
    assert "every file" in refused.json()["detail"]
    assert len(await outside.desk.rows()) == 1


# --- how long they are kept, and who sees them


async def test_files_go_with_the_words_and_what_they_were_stays_as_size_and_hash(outside: Outside, key: str) -> None:
    content = pdf()
    message_id = await send_file(outside, key, {"a.pdf": content})
    async with mail_server(Mailbox()) as mailbox, outside.desk.delivering(mailbox):
        await outside.desk.until("sent", 1)
    clock: Any = outside.desk.clock
    clock.advance(days=6, hours=23)
    await forget(outside)
    (row,) = await kept(outside)
    assert row["content_sealed"] is not None
    clock.advance(hours=2)
    await asyncio.gather(*(forget(outside) for _ in range(3)))
    (row,) = await kept(outside)
    assert (row["content_sealed"], row["name_sealed"]) == (None, None)
    proof = {"name": None, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert (await life(outside, message_id))["attachments"] == [proof]
    clock.advance(days=401)
    async with outside.desk.database.transaction() as conn:
        await retention.count_figures(conn, "", clock.now())
    await forget(outside)
    assert await kept(outside) == []
    assert await outside.desk.rows() == []


async def test_a_file_that_may_still_leave_is_kept(outside: Outside, key: str) -> None:
    await send_file(outside, key, {"a.pdf": pdf()})
    async with outside.desk.database.transaction() as conn:
        await conn.execute("UPDATE notification SET deadline = deadline + interval '60 days'")
    outside.desk.clock.advance(days=30)  # type: ignore[attr-defined]  # the clock of tests
    await forget(outside)
    async with mail_server(Mailbox()) as mailbox, outside.desk.delivering(mailbox):
        await outside.desk.until("sent", 1)
    assert len(files_in(mailbox.raw[0])) == 1


async def test_an_erased_persons_files_are_gone_and_what_was_claimed_does_not_leave_without_them(
    outside: Outside, key: str
) -> None:
    gone, stays = await vendor_with_card(outside), await vendor_with_card(outside)
    for vendor in (gone, stays):
        await send_file(outside, key, {"a.pdf": pdf(), "b.pdf": pdf()}, vendor)
    claimed = {job.vendor_id: job for job in await outside.desk.claim()}
    smtp = Email(SmtpServer("127.0.0.1", 1, "Lapak <lapak@lapak.test>"))
    writer = Writer(outside.desk.database, outside.desk.clock, no_extras, outside.desk.sealer)
    await outside.desk.hear(VendorErased(vendor_id=gone, erasure_id=new_id()))
    assert len(await kept(outside)) == 2
    async with outside.desk.database.read() as conn:
        told = await conn.fetchval("SELECT payload FROM outbox WHERE type = 'NotifyDataErased'")
    assert json.loads(told)["erased"]["attached_files"] == 2
    assert await writer.write(claimed[gone], smtp, new_id()) == Rejected("files-gone")
    assert isinstance(await writer.write(claimed[stays], smtp, new_id()), Letter)
    await outside.desk.hurry()
    async with mail_server(Mailbox()) as mailbox, outside.desk.delivering(mailbox):
        await outside.desk.until("sent", 1)
    assert [address for address, _ in mailbox.accepted] == [f"v{stays.hex}@example.com"]


async def test_a_persons_data_lists_its_files_without_their_content(outside: Outside, key: str) -> None:
    vendor = await vendor_with_card(outside)
    content = pdf()
    message_id = await send_file(outside, key, {"surat.pdf": content}, vendor)
    token = outside.issuer.token("siti", ["vendor"], vendor_id=vendor)
    answer = await outside.client.get(f"/v1/vendors/{vendor}/data", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    (file,) = answer.json()["sections"]["attached_files"]["data"]
    assert file.pop("attachment_id")
    assert file == {
        "notification_id": str(message_id),
        "number": 1,
        "name": "surat.pdf",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "kept": True,
    }


async def test_a_files_name_is_for_the_person_and_for_operators(outside: Outside, key: str) -> None:
    vendor = await vendor_with_card(outside)
    message_id = await send_file(outside, key, {"surat-siti.pdf": pdf()}, vendor)
    seen = {}
    for role, claims in {
        "operator": {},
        "service": {},
        "officer": {"area": "31"},
        "vendor": {"vendor_id": vendor},
    }.items():
        token = outside.issuer.token(f"{role}-1", [role], **cast(Any, claims))
        headers = {"Authorization": f"Bearer {token}"}
        answer = await outside.client.get(f"/v1/notifications/{message_id}", headers=headers)
        assert answer.status_code == 200, answer.text
        (file,) = answer.json()["attachments"]
        assert file["size"] == 2000
        seen[role] = file["name"]
    assert seen == {"operator": "surat-siti.pdf", "service": None, "officer": None, "vendor": "surat-siti.pdf"}


async def test_the_old_key_can_go_once_files_are_sealed_anew(outside: Outside, key: str) -> None:
    desk = outside.desk
    vendors = people(5)
    await desk.hear(*(card(one) for one in vendors))
    sent = {one: {f"{number}.pdf": pdf(100) for number in range(5)} for one in vendors}
    for one in vendors:
        await send_file(outside, key, sent[one], one)
    rows = await kept(outside)
    assert len(rows) > FILES_AT_ONCE
    both = Sealer({**NEW_KEYS, **SECRET_KEYS})
    counts = {column.name: await reseal(desk.database, both, column, lambda _: None) for column in COLUMNS}
    assert counts["attached files"] == counts["names of attached files"] == len(rows)
    desk.sealer = Sealer(NEW_KEYS)
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        await desk.until("sent", len(vendors))
    for (address, _), raw in zip(mailbox.accepted, mailbox.raw, strict=True):
        (vendor,) = (one for one in vendors if one.hex in address)
        assert files_in(raw) == sent[vendor]
