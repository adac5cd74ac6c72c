"""A service as operators see it: a process that starts, says what is wrong, traces, drains, and outlives the broker."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local import services, stack
from deploy.local.demo.people import Person, make_people
from shared.auth import LocalIssuer
from shared.kafka import ensure_topics
from tests.conftest import environment, repository_root
from tests.integration.backbone import until

TOPIC = "lapak.vendor.events.v1"
HASTY = """
import services.cli, shared.service
services.cli.DATABASE_WAIT_SECONDS = shared.service.DATABASE_WAIT_SECONDS = 0.3
from tests.integration.commands import main
main()
"""
"""Commands in a process that waits no longer for its database."""


@dataclass
class Process:
    """A running vendor service."""

    url: str
    env: dict[str, str]
    log: Path
    popen: "subprocess.Popen[bytes]"

    async def ready(self, **part: str) -> bool:
        """Whether /health/ready says yes."""
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"{self.url}/health/ready", params=part, timeout=5)).status_code == 200
        except httpx.HTTPError:
            return False


@pytest.fixture
async def database(servers: stack.Running) -> AsyncIterator[str]:
    """DSN of an empty database for the vendor service."""
    name = f"vendor_{uuid4().hex[:8]}"
    admin = await asyncpg.connect(servers.postgres_admin_dsn)
    await admin.execute(f'CREATE DATABASE "{name}"')
    yield servers.postgres_admin_dsn.rsplit("/", 1)[0] + f"/{name}"
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


def _launch(env: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "services.cli", "run", "vendor", "--migrate"],
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=repository_root(),
        )


@asynccontextmanager
async def serving(issuer: LocalIssuer, dsn: str, broker: str, folder: Path, **more: str) -> AsyncIterator[Process]:
    """`lapak run vendor --migrate` as a process of its own, ready."""
    await ensure_topics(broker)
    port = stack.free_port()
    env = {**os.environ, **environment(issuer, dsn, kafka=broker, port=port), **more}
    log = folder / f"vendor-{port}.log"
    popen = _launch(env, log)
    process = Process(f"http://127.0.0.1:{port}", env, log, popen)
    try:
        await until(process.ready, 60)
        yield process
    finally:
        if popen.poll() is None:
            popen.kill()
        popen.wait()


async def register(url: str, token: str, person: Person, **headers: str) -> httpx.Response:
    """Register one person over HTTP."""
    async with httpx.AsyncClient(timeout=30) as client:
        return await client.post(
            f"{url}/v1/vendors",
            json=person.fields(),
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4()), **headers},
        )


async def published(broker: str, vendors: set[str], seconds: float = 20) -> dict[str, list[dict[str, str]]]:
    """Vendor id -> headers of its records, once there is at least one for each."""
    consumer = AIOKafkaConsumer(bootstrap_servers=broker, auto_offset_reset="earliest")
    await consumer.start()
    found: dict[str, list[dict[str, str]]] = {vendor: [] for vendor in vendors}
    try:
        consumer.assign([TopicPartition(TOPIC, partition) for partition in range(6)])
        async with asyncio.timeout(seconds):
            while not all(found.values()):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        if record.key.decode() in found:
                            found[record.key.decode()].append({k: v.decode() for k, v in record.headers})
        return found
    finally:
        await consumer.stop()


def test_wrong_settings_are_named_one_line_each_and_the_exit_code_is_2(issuer: LocalIssuer) -> None:
    env = {**os.environ, **environment(issuer, "mysql://nope", port=99999)}
    del env["LAPAK_JWKS"]
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "run", "vendor"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert {line.split(":")[0] for line in done.stderr.splitlines()} == {
        "LAPAK_DATABASE",
        "LAPAK_HTTP_PORT",
        "LAPAK_JWKS",
    }


async def _said(env: dict[str, str], *command: str) -> tuple[int, list[str]]:
    """Exit code and lines of a command of the vendor service."""
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "services.cli", *command],
        env={**os.environ, **env}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, (done.stdout + done.stderr).splitlines()


async def test_a_service_without_its_migrations_does_not_start_and_says_in_a_line_what_to_run(
    issuer: LocalIssuer, database: str, broker: str
) -> None:
    env = environment(issuer, database, kafka=broker, port=stack.free_port())
    code, (line,) = await _said(env, "run", "vendor")
    assert code == 3
    assert "the database lacks shared/0001_mechanisms.sql, " in line
    assert "lapak migrate vendor" in line


@pytest.mark.parametrize(
    ("wrong", "refused"),
    [
        ({"password": "geheim-4711"}, ["does not let us in", 'failed for user "', "Correct the user, or its password"]),
        ({"user": "nobody-here"}, ["does not let us in", 'failed for user "nobody-here"', "Correct the user"]),
        ({"path": "/nowhere-here"}, ["the database nowhere-here at", "is not there", "Correct its name"]),
        ({"host": "nowhere.invalid"}, ["at nowhere.invalid", "no machine is known by this name", "Correct the host"]),
        ({"port": "1"}, ["does not answer", "Connection refused", "correct host and port"]),
    ],
)
async def test_a_database_that_does_not_let_the_service_in_is_said_in_a_line_without_the_password(
    issuer: LocalIssuer, database: str, wrong: dict[str, str], refused: list[str]
) -> None:
    parts = urlsplit(database)
    given = {"user": parts.username, "password": parts.password, "host": parts.hostname, "port": parts.port} | wrong
    dsn = parts._replace(
        netloc="{user}:{password}@{host}:{port}".format(**given), path=wrong.get("path", parts.path)
    ).geturl()
    env = environment(issuer, dsn, port=stack.free_port())
    commands = {("run", "vendor"): 3, ("run", "vendor", "--migrate"): 3, ("migrate", "vendor"): 1}
    asked = "".join(json.dumps({"words": words, "env": env}) + "\n" for words in commands)
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", HASTY], input=asked, capture_output=True, text=True, check=True
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [code for code, _, _ in answers] == list(commands.values())
    for _, said, refusal in answers:
        *waits, line = (said + refusal).splitlines()
        assert line.startswith("vendor: LAPAK_DATABASE: the database ")
        assert [words for words in refused if words not in line] == []
        assert len(waits) <= 1, "while it waits it says so once"
        assert all("It is waited for" in one for one in waits)
        assert str(given["password"]) not in said + refusal


async def test_a_trace_goes_from_the_request_through_the_outbox_to_the_event(
    issuer: LocalIssuer, database: str, broker: str, tmp_path: Path
) -> None:
    trace = uuid4().hex
    async with serving(issuer, database, broker, tmp_path) as service:
        token = issuer.token("officer", ["officer"], area="31")
        answer = await register(service.url, token, make_people(1, seed=71)[0], traceparent=f"00-{trace}-{'1' * 16}-01")
        assert answer.status_code == 201, answer.text
        (headers,) = (await published(broker, {answer.json()["vendor_id"]})).values()
        assert headers[0]["traceparent"].split("-")[1] == trace


async def test_sigterm_drains_what_was_accepted_is_published_and_the_exit_code_is_0(
    issuer: LocalIssuer, database: str, broker: str, tmp_path: Path
) -> None:
    async with serving(issuer, database, broker, tmp_path) as service:
        token = issuer.token("officer", ["officer"], area="31")
        accepted: set[str] = set()

        async def keep_registering(people: list[Person]) -> None:
            for person in people:
                try:
                    answer = await register(service.url, token, person)
                except httpx.HTTPError:
                    return  # the door is shut
                if answer.status_code == 201:
                    accepted.add(answer.json()["vendor_id"])

        people = make_people(800, seed=72)
        crowd = [asyncio.create_task(keep_registering(people[i::8])) for i in range(8)]
        await until(lambda: len(accepted) > 40)
        service.popen.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(service.popen.wait, 40)
        await asyncio.gather(*crowd)
        assert code == 0, service.log.read_text()[-3000:]
        assert len(accepted) < len(people), "the service was not stopped in the midst of its work"
        conn = await asyncpg.connect(database)
        try:
            assert await conn.fetchval("SELECT count(*) FROM outbox") == 0
            stored = {str(row["vendor_id"]) for row in await conn.fetch("SELECT vendor_id FROM vendor")}
        finally:
            await conn.close()
        assert accepted <= stored
        records = await published(broker, stored)
        assert {len(sent) for sent in records.values()} == {1}


@pytest.fixture
async def own_servers() -> AsyncIterator[stack.Running]:
    """Servers of this test's own, so that no other test feels them go."""
    name = f"outage-{os.getpid()}"
    running = await asyncio.to_thread(stack.start, name, fresh=True)
    yield running
    await asyncio.to_thread(stack.stop, name)
    shutil.rmtree(running.state_dir, ignore_errors=True)


async def test_without_the_broker_commands_succeed_and_everything_follows_when_it_is_back(
    issuer: LocalIssuer, own_servers: stack.Running, tmp_path: Path
) -> None:
    name, token, people = own_servers.name, issuer.token("officer", ["officer"], area="31"), make_people(30, seed=73)
    dsn = (await asyncio.to_thread(stack.provision, own_servers))["vendor"]
    async with serving(issuer, dsn, own_servers.kafka, tmp_path) as service:
        first = await register(service.url, token, people[0])
        await published(own_servers.kafka, {first.json()["vendor_id"]})
        assert stack.kill(name, "kafka") or stack.kill(name, "broker")
        answers = [await register(service.url, token, person) for person in people[1:]]
        assert {answer.status_code for answer in answers} == {201}
        await until(lambda: _metric_is_positive(service.url, "lapak_outbox_oldest_age_seconds"), 30)
        assert not await service.ready()
        assert await service.ready(part="database"), "HTTP can be served while the broker is away"
        await asyncio.to_thread(stack.start, name)
        vendors = {answer.json()["vendor_id"] for answer in answers}
        records = await published(own_servers.kafka, vendors, seconds=60)
        assert {sent[0]["ce_sequence"] for sent in records.values()} == {"1"}
        await until(service.ready, 60)

        # and a service that is told to stop while the broker is away stops, with what it could not publish kept
        assert stack.kill(name, "kafka") or stack.kill(name, "broker")
        service.popen.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(service.popen.wait, 45) == 0


async def test_a_restarted_database_is_found_again_and_the_service_is_ready_by_itself(
    issuer: LocalIssuer, own_servers: stack.Running, tmp_path: Path
) -> None:
    dsn = (await asyncio.to_thread(stack.provision, own_servers))["vendor"]
    async with serving(issuer, dsn, own_servers.kafka, tmp_path) as service:
        token, people = issuer.token("officer", ["officer"], area="31"), make_people(4, seed=74)
        before = [await register(service.url, token, person) for person in people[:2]]
        assert stack.kill(own_servers.name, "postgres")
        assert (await register(service.url, token, people[2])).status_code == 503
        await asyncio.to_thread(stack.start, own_servers.name)
        await until(service.ready, 30)
        again = [await register(service.url, token, person) for person in people]
        assert [answer.status_code for answer in again] == [409, 409, 201, 201]
        vendors = {answer.json()["vendor_id"] for answer in (*before, *again[2:])}
        assert set(await published(own_servers.kafka, vendors)) == vendors
        assert '"loop.failed"' not in service.log.read_text(), "an outage was taken for a defect"


async def _metric_is_positive(url: str, name: str) -> bool:
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{url}/metrics")).text
    return any(line.startswith(name) and float(line.split()[-1]) > 0 for line in text.splitlines())


async def test_no_service_can_read_the_database_of_another(servers: stack.Running) -> None:
    dsns = await asyncio.to_thread(stack.provision, servers)
    assert set(dsns) == set(services.PREFERRED_PORTS)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(dsns["vendor"].rsplit("/", 1)[0] + "/" + dsns["bazaar"].rsplit("/", 1)[1])
