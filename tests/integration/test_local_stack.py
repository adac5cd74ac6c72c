"""The local stack for real: started, used, crashed, started again with its data, and gone without a trace."""

from __future__ import annotations

import os
import shutil
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.local import embedded_broker, processes, stack
from deploy.local.stack import Running
from deploy.local.state import state_dir
from shared.kafka import TopicSpec

NAME = f"stacktest-{os.getpid()}"
TOPIC = "lapak.test.events.v1"
SERVICES = ("vendor", "bazaar")

pytestmark = pytest.mark.usefixtures("own_servers")


@pytest.fixture(scope="module")
def own_servers() -> Iterator[None]:
    """This module crashes servers: it always starts its own, whatever the other tests are pointed at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LAPAK_KAFKA", raising=False)
        patch.delenv("LAPAK_POSTGRES", raising=False)
        yield


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return []


@pytest.fixture(scope="module")
def started(own_servers: None, lines: list[str]) -> Iterator[Running]:
    folder = state_dir(NAME)
    try:
        yield stack.start(NAME, fresh=True, on_progress=lines.append)
    finally:
        stack.stop(NAME)
        left = processes.marked(folder)
        assert not left, f"processes that outlived the stack: {left}"
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def dsns(started: Running) -> dict[str, str]:
    return stack.provision(started, SERVICES)


async def produce(running: Running, *values: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=running.kafka, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(TOPIC, value, key=b"k", headers=[("ce_id", value)], partition=0)
    finally:
        await producer.stop()


async def consume(running: Running, count: int, group: str) -> list[tuple[bytes, bytes]]:
    consumer = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=running.kafka, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        found = [await consumer.getone() for _ in range(count)]
        await consumer.commit({TopicPartition(TOPIC, 0): count})
        return [(record.value or b"", dict(record.headers)["ce_id"]) for record in found]
    finally:
        await consumer.stop()


async def fetch(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def send(running: Running, notification: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "lapak@example.id", "siti@example.id", f"Lapak {notification}"
    message["Message-ID"], message["X-Lapak-Notification"] = f"<{notification}@lapak>", notification
    message.set_content("Yth. Ibu Siti \u2013 lapak Anda sudah ada.")
    with smtplib.SMTP(*running.smtp, timeout=10) as client:
        client.send_message(message)


def test_a_start_says_what_runs_and_where(started: Running, lines: list[str]) -> None:
    assert {line.split()[0] for line in lines} >= {"PostgreSQL", "Mail", "WhatsApp"}
    assert started.kafka in " ".join(lines)
    assert {s.name for s in stack.status(NAME) if s.alive} >= {"postgres", "mail", "providers"}
    assert stack.running(NAME) == started
    again: list[str] = []
    assert stack.start(NAME, on_progress=again.append) == started
    assert not [line for line in again if line != embedded_broker.WARNING]


async def test_what_is_produced_is_consumed_with_its_header(started: Running) -> None:
    stack.topics(started, [TopicSpec(TOPIC, 1, {"retention.ms": "-1"})])
    stack.topics(started, [TopicSpec(TOPIC, 3, {})])
    await produce(started, b"one", b"two")
    assert await consume(started, 2, "first") == [(b"one", b"one"), (b"two", b"two")]


async def test_a_service_owns_its_database_and_sees_no_other(dsns: dict[str, str], started: Running) -> None:
    assert stack.provision(started, SERVICES) == dsns
    await fetch(dsns["vendor"], "create table kept (id uuid primary key default uuidv7())")
    await fetch(dsns["vendor"], "insert into kept default values")
    assert await fetch(dsns["vendor"], "select current_user::text") == "vendor"
    for database in ("bazaar", "postgres", "template1"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
            await fetch(urlunsplit(urlsplit(dsns["vendor"])._replace(path=f"/{database}")), "select 1")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await fetch(dsns["vendor"], "create role intruder")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await fetch(dsns["vendor"].replace("//vendor:", "//vendor:x"), "select 1")


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes"])
async def test_the_database_keeps_its_promises(started: Running, setting: str) -> None:
    assert await fetch(started.postgres_admin_dsn, f"show {setting}") == "on"


def test_servers_listen_on_loopback_only(started: Running) -> None:
    for server in stack.status(NAME):
        listening = [c for c in psutil.Process(server.pid).net_connections() if c.status == psutil.CONN_LISTEN]
        assert listening, server.name
        assert {c.laddr.ip for c in listening} <= {"127.0.0.1", "::ffff:127.0.0.1"}


def test_a_sent_message_can_be_read(started: Running) -> None:
    with httpx.Client(base_url=started.mail_url) as mail:
        send(started, "n-1")
        send(started, "n-1")
        listed = mail.get("/messages", params={"to": "Siti@example.id", "subject": "lapak N-1"}).json()["messages"]
        assert [(m["notification"], m["message_id"], m["to"]) for m in listed] == [
            ("n-1", "<n-1@lapak>", ["siti@example.id"])
        ] * 2
        shown = mail.get(f"/messages/{listed[0]['id']}").json()
        assert shown["text"].strip() == "Yth. Ibu Siti \u2013 lapak Anda sudah ada."
        assert mail.get("/count").json() == {"messages": 2, "recipients": 1, "notifications": 1, "duplicates": 1}
        assert mail.get("/messages", params={"after": listed[0]["id"]}).json() == {"messages": []}
        for page in ("/", "/?to=siti", f"/read/{listed[0]['id']}"):
            response = mail.get(page)
            assert response.status_code == 200
            assert "Lapak n-1" in response.text
        assert mail.get("/read/999999").status_code == 404
        assert mail.get("/", headers={"Host": "elsewhere.example"}).status_code == 400


def test_the_catcher_misbehaves_only_when_asked(started: Running) -> None:
    with httpx.Client(base_url=started.mail_url) as mail:
        before = mail.get("/count").json()["messages"]
        mail.post("/faults", json={"drop_after_data": 1})
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
            send(started, "n-2")
        mail.post("/faults", json={"reject_rate": 1})
        with pytest.raises(smtplib.SMTPDataError, match="451"):
            send(started, "n-3")
        mail.post("/faults", json={})
        send(started, "n-4")
        assert mail.get("/count").json()["messages"] == before + 2
        assert mail.get("/messages", params={"subject": "n-2"}).json()["messages"]
        assert mail.post("/faults", json={"reject_rate": 2}).status_code == 422


async def test_crashed_servers_come_back_with_their_data(started: Running, dsns: dict[str, str]) -> None:
    apache = started.broker_kind == "apache"
    broker = "kafka" if apache else "broker"
    before = {s.name: s.pid for s in stack.status(NAME)}
    async with httpx.AsyncClient(base_url=started.providers_url) as providers:
        account = {
            "adapter": "vonage",
            "api_key": "abcd1234",
            "secret": "s",
            "signature_secret": "s",
            "senders": ["628"],
        }
        assert (await providers.post("/admin/accounts", json=account)).status_code == 204
    for process in (broker, "postgres", "mail", "providers"):
        assert stack.kill(NAME, process)
    assert stack.running(NAME) is None
    (started.state_dir / "stack.json.new").write_text('{"half": ')  # as if writing it had been cut short

    again = stack.start(NAME)

    assert again == started
    assert not before.items() & {s.name: s.pid for s in stack.status(NAME)}.items()
    assert await fetch(dsns["vendor"], "select count(*) from kept") == 1
    async with httpx.AsyncClient(base_url=again.mail_url) as mail:
        assert (await mail.get("/count")).json()["messages"] == 4
    async with httpx.AsyncClient(base_url=again.providers_url) as providers:
        assert [one["api_key"] for one in (await providers.get("/admin/accounts")).json()] == ["abcd1234"]
    if apache:  # the stand-in promises nothing here
        await produce(again, b"three")
        assert [value for value, _ in await consume(again, 3, "second")] == [b"one", b"two", b"three"]


async def test_a_start_that_lost_its_memory_takes_over(started: Running, dsns: dict[str, str]) -> None:
    stack.kill(NAME, "kafka")
    (started.state_dir / "stack.json").write_text('{"version": 1, "processes": {"kafka"')

    again = stack.start(NAME)

    again_dsns = stack.provision(again, SERVICES)
    assert await fetch(again_dsns["vendor"], "select count(*) from kept") == 1
    assert len([s for s in stack.status(NAME) if s.alive]) == 4
