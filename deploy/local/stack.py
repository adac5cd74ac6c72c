"""Start, stop and describe the local stack: PostgreSQL, Kafka, a mail catcher, the emulated
providers of messages, and what is spawned beside them.

A stack has a name (`local` for `make up`, `demo`, `test`) and a folder `var/<name>`: data, logs, `stack.json`,
passwords. Its processes outlive the command that starts them, and any later command finds them again. Whatever a
killed run left behind is put right by the next `start` or `stop`. Functions block; they may be called from a
thread that runs an event loop, which then waits.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import psutil
from aiokafka.errors import KafkaError
from pydantic import TypeAdapter, ValidationError

from deploy.local import embedded_broker, kafka, postgres, processes
from deploy.local.processes import HOST, ProcessRecord, StackError
from deploy.local.state import REPOSITORY, StackState, edit, locked, read, state_dir, var_dir, write_private
from deploy.local.waiting import run_blocking
from services import SERVICES
from shared import dsn as addresses
from shared.kafka import TOPICS, TopicSpec, ensure_topics

__all__ = [
    "ProcessStatus",
    "Running",
    "StackError",
    "free_port",
    "kill",
    "provision",
    "running",
    "spawn",
    "start",
    "status",
    "stop",
    "stop_process",
    "topics",
]

BrokerKind = Literal["apache", "embedded", "given"]
T = TypeVar("T")

SERVERS = ("postgres", "kafka", "broker", "mail", "providers")  # ours; every other process of a stack is a service
# Only the stack that people talk to has ports of its own; the others take what is free.
PREFERRED_PORTS: Mapping[str, Mapping[str, int]] = {
    "local": {
        "postgres": 15432,
        "kafka": 19092,
        "kafka-controller": 19093,
        "smtp": 11025,
        "mail": 18025,
        "providers": 18026,
    }
}
START_TRIES = 3
CATCHER_START_SECONDS_MAX = 30.0

free_port = processes.free_port


@dataclass(frozen=True)
class Running:
    """Where the servers of a started stack answer. The admin DSN holds a password."""

    name: str
    kafka: str
    broker_kind: BrokerKind
    broker_version: str
    postgres_admin_dsn: str
    postgres_version: str
    smtp: tuple[str, int]
    mail_url: str
    providers_url: str
    state_dir: Path

    @property
    def broker(self) -> str:
        """The broker in words, for the head of a test run."""
        return {
            "apache": f"Apache Kafka {self.broker_version} (KRaft, one node)",
            "embedded": f"noida-db {self.broker_version} (embedded, development only, not Apache Kafka)",
            "given": f"Kafka at {self.kafka} (given by LAPAK_KAFKA)",
        }[self.broker_kind]

    @property
    def database(self) -> str:
        """The database in words, for the head of a test run."""
        given = " (given by LAPAK_POSTGRES)" if os.environ.get("LAPAK_POSTGRES") else ""
        return f"PostgreSQL {self.postgres_version}{given}"


@dataclass(frozen=True)
class ProcessStatus:
    """One process of a stack, as it is now."""

    name: str
    pid: int
    alive: bool
    address: str | None
    started_at: str
    log: str


def _quiet(_: str) -> None:
    """Report to nobody."""


# --- start and stop ------------------------------------------------------------------------------


def start(name: str, *, fresh: bool = False, on_progress: Callable[[str], None] = _quiet) -> Running:
    """Start what of the stack does not run yet and return where it answers.

    `fresh` stops it first and forgets its data, logs and passwords. `on_progress` gets lines for people, from
    several threads in turn. Raises StackError with a reason and a way out; what this call had started is then
    stopped again.
    """
    folder = state_dir(name)
    say = _one_at_a_time(on_progress)
    with locked(folder, "start"):
        _end_unrecorded(folder)
        if fresh:
            _stop_everything(folder)
            _forget(folder)
            if given := os.environ.get("LAPAK_POSTGRES"):
                _checked_given(given, lambda: _drop_databases(given, _given_prefix(name)))
        before = {record.name for record in read(folder).processes.values() if processes.is_alive(record)}
        try:
            return _start_servers(name, folder, say)
        except BaseException:
            processes.stop_all(r for r in read(folder).processes.values() if r.name not in before)
            raise


def stop(name: str, *, on_progress: Callable[[str], None] = _quiet) -> None:
    """Stop every process of the stack, services first; its data stays. Nothing to stop is no error."""
    folder = state_dir(name)
    if not folder.exists():
        return
    with locked(folder, "start"):
        _end_unrecorded(folder)
        _stop_everything(folder, on_progress)


def running(name: str) -> Running | None:
    """Where a stack answers, if its last start finished and its own servers still run."""
    folder = state_dir(name)
    if not folder.exists():
        return None
    state = read(folder)
    if not state.running:
        return None
    alive = {record.name for record in state.processes.values() if processes.is_alive(record)}
    kind = state.running.get("broker_kind")
    needed = {"mail", "providers"} | ({"kafka"} if kind == "apache" else {"broker"} if kind == "embedded" else set())
    if state.running.get("postgres_given") != "yes":
        needed.add("postgres")
    if not needed <= alive:
        return None
    try:
        port = int(state.running["smtp_port"])
        return TypeAdapter(Running).validate_python(
            {
                "name": name,
                "smtp": (HOST, port),
                "state_dir": folder,
                **{key: value for key, value in state.running.items() if key not in {"smtp_port", "postgres_given"}},
            }
        )
    except (KeyError, ValueError, ValidationError):
        return None


def status(name: str) -> list[ProcessStatus]:
    """Every process the stack remembers, servers first, and whether it runs."""
    folder = state_dir(name)
    if not folder.exists():
        return []
    records = read(folder).processes.values()
    ordered = sorted(records, key=lambda r: (SERVERS.index(r.name) if r.name in SERVERS else len(SERVERS), r.name))
    return [ProcessStatus(r.name, r.pid, processes.is_alive(r), r.address, r.started_at, r.log) for r in ordered]


def _start_servers(name: str, folder: Path, say: Callable[[str], None]) -> Running:
    secrets_now = _secrets(folder)
    given_postgres = os.environ.get("LAPAK_POSTGRES", "")
    with ThreadPoolExecutor(max_workers=4) as threads:
        database = threads.submit(_start_postgres, name, folder, secrets_now["admin"], given_postgres, say)
        broker = threads.submit(_start_broker, name, folder, say)
        mail = threads.submit(_start_mail, name, folder, say)
        providers = threads.submit(_start_providers, name, folder, say)
        failures = [error for job in (database, broker, mail, providers) if (error := job.exception()) is not None]
    if failures:
        raise failures[0]
    dsn, postgres_version = database.result()
    kind, address, broker_version = broker.result()
    smtp_port, mail_port = mail.result()
    result = Running(
        name=name,
        kafka=address,
        broker_kind=kind,
        broker_version=broker_version,
        postgres_admin_dsn=dsn,
        postgres_version=postgres_version,
        smtp=(HOST, smtp_port),
        mail_url=f"http://{HOST}:{mail_port}",
        providers_url=f"http://{HOST}:{providers.result()}",
        state_dir=folder,
    )
    remembered = {key: str(value) for key, value in asdict(result).items() if key not in {"name", "smtp", "state_dir"}}
    with edit(folder) as state:
        state.running = remembered | {
            "smtp_port": str(smtp_port),
            "postgres_given": "yes" if given_postgres else "no",
        }
    return result


def _start_postgres(name: str, folder: Path, password: str, given: str, say: Callable[[str], None]) -> tuple[str, str]:
    if given:
        return given, _checked_given(given, lambda: _server_version(given))
    began = time.monotonic()
    record = _living(folder, "postgres")
    if record is None:

        def launch(port: int) -> ProcessRecord:
            return postgres.start(folder, port, password, on_progress=say, remember=_remember(folder))

        record = _on_a_port(name, folder, ("postgres",), lambda ports: launch(ports[0]), say)
        say(f"PostgreSQL {postgres.version()} on {record.address} ({time.monotonic() - began:.1f} s)")
    dsn = postgres.admin_dsn(_port(record), password)
    postgres.wait_ready(record, dsn)
    return dsn, postgres.version()


def _given_prefix(name: str) -> str:
    return f"lapak_{name.replace('-', '_')}_"


def _checked_given(given: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    try:
        return run_blocking(work)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        where = urlsplit(given).hostname or "?"
        raise StackError(
            f"LAPAK_POSTGRES points at {where}, which does not let us in: {error}. "
            "Correct it, or unset it to start a server here."
        ) from error
    except ValueError:  # its text may show a piece of the password
        raise StackError(f"LAPAK_POSTGRES must look like {addresses.FORM}; {addresses.CODES}.") from None


async def _drop_databases(dsn: str, prefix: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        names = await connection.fetch("select datname from pg_database where starts_with(datname, $1)", prefix)
        for (name,) in names:
            await connection.execute(
                await connection.fetchval("select format('drop database %I with (force)', $1::text)", name)
            )
    finally:
        await connection.close(timeout=5)


async def _server_version(dsn: str) -> str:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        shown: str = await connection.fetchval("show server_version")
        return shown.split()[0]
    finally:
        await connection.close(timeout=5)


def _start_broker(name: str, folder: Path, say: Callable[[str], None]) -> tuple[BrokerKind, str, str]:
    given = os.environ.get("LAPAK_KAFKA", "")
    owner = _stack_of_broker(given) if given else None
    if owner is not None and owner != name:
        raise StackError(
            f"LAPAK_KAFKA={given} is the broker of the stack {owner!r} (`lapak env` exports it). Two stacks on one "
            "broker would hear each other's events: unset LAPAK_KAFKA."
        )
    if given and owner is None:
        if not kafka.answers(given):
            raise StackError(f"LAPAK_KAFKA={given} does not answer. Correct it, or unset it to start a broker here.")
        say(f"Kafka on {given}, as LAPAK_KAFKA says")
        return "given", given, "unknown"
    wanted = _wanted_broker(say)
    mine, other = ("kafka", "broker") if wanted == "apache" else ("broker", "kafka")
    stale = _living(folder, other)
    if stale is not None:
        processes.stop_all([stale])
    began = time.monotonic()
    record = _living(folder, mine)
    version = kafka.version() if wanted == "apache" else embedded_broker.version()
    if record is None:
        remember = _remember(folder)

        def launch(ports: Sequence[int]) -> ProcessRecord:
            if wanted == "apache":
                return kafka.start(folder, ports[0], ports[1], on_progress=say, remember=remember)
            return embedded_broker.start(folder, ports[0], remember=remember)

        record = _on_a_port(name, folder, ("kafka", "kafka-controller"), launch, say)
        label = "Apache Kafka" if wanted == "apache" else "noida-db"
        say(f"{label} {version} on {record.address} ({time.monotonic() - began:.1f} s)")
    kafka.wait_ready(record, _port(record))
    return wanted, record.address or "", version


def _stack_of_broker(address: str) -> str | None:
    """The stack of this checkout that runs the broker on this address, if one does."""
    for file in sorted(var_dir().glob("*/stack.json")):
        for record in read(file.parent).processes.values():
            if record.name in {"kafka", "broker"} and record.address == address and processes.is_alive(record):
                return file.parent.name
    return None


def _wanted_broker(say: Callable[[str], None]) -> Literal["apache", "embedded"]:
    """Apache Kafka where it can be had; the stand-in only where it may be."""
    mode = os.environ.get("LAPAK_BROKER") or "auto"
    if mode not in {"auto", "apache", "embedded"}:
        raise StackError(f"LAPAK_BROKER is auto, apache or embedded, not {mode!r}.")
    in_ci = os.environ.get("CI", "").strip().lower() in {"1", "true", "yes", "on"}
    if mode == "embedded":
        if in_ci:
            raise StackError("With CI=true the broker is Apache Kafka; LAPAK_BROKER=embedded is refused.")
        say(embedded_broker.WARNING)
        return "embedded"
    try:
        kafka.java()
        kafka.libraries(say)
    except StackError as error:
        if mode == "apache" or in_ci:
            why = "CI=true" if in_ci else "LAPAK_BROKER=apache"
            raise StackError(f"{error} ({why} allows no other broker.)") from error
        say(str(error))
        say(embedded_broker.WARNING)
        return "embedded"
    return "apache"


def _start_mail(name: str, folder: Path, say: Callable[[str], None]) -> tuple[int, int]:
    def argv(ports: Sequence[int]) -> list[str]:
        return ["deploy.local.mail", "--smtp-port", str(ports[0]), "--http-port", str(ports[1])]

    smtp, pages = _start_catcher(name, folder, "mail", ("smtp", "mail"), argv, "Mail catcher", say)
    return smtp, pages


def _start_providers(name: str, folder: Path, say: Callable[[str], None]) -> int:
    def argv(ports: Sequence[int]) -> list[str]:
        return ["deploy.local.providers", "--port", str(ports[0]), "--clock", str(folder / "clock")]

    (port,) = _start_catcher(name, folder, "providers", ("providers",), argv, "WhatsApp and SMS, emulated,", say)
    return port


def _start_catcher(
    name: str,
    folder: Path,
    process: str,
    keys: Sequence[str],
    argv: Callable[[Sequence[int]], Sequence[str]],
    label: str,
    say: Callable[[str], None],
) -> list[int]:
    """Start what takes messages and delivers to nobody, unless it runs; gives its ports, the last one of its pages."""
    record = _living(folder, process)
    if record is None:

        def launch(ports: Sequence[int]) -> ProcessRecord:
            record = processes.launch(
                folder,
                process,
                [sys.executable, "-m", *argv(ports), "--store", str(folder / process)],
                cwd=REPOSITORY,
                grace_seconds=10.0,
                address=f"{HOST}:{ports[-1]}",
            )
            _remember(folder)(record)
            deadline = time.monotonic() + CATCHER_START_SECONDS_MAX
            while not all(processes.accepts(port) for port in ports):
                if not processes.is_alive(record) or time.monotonic() > deadline:
                    processes.kill(record)
                    raise StackError(f"{label} did not start:\n{processes.log_tail(record.log)}")
                time.sleep(0.05)
            return record

        began = time.monotonic()
        _on_a_port(name, folder, keys, launch, say)
        ports = read(folder).ports
        say(f"{label} on http://{HOST}:{ports[keys[-1]]} ({time.monotonic() - began:.1f} s)")
    ports = read(folder).ports
    return [ports[key] for key in keys]


def _stop_everything(folder: Path, on_progress: Callable[[str], None] = _quiet) -> None:
    records = [record for record in read(folder).processes.values() if processes.is_alive(record)]
    services = [record for record in records if record.name not in SERVERS]
    servers = [record for record in records if record.name in SERVERS]
    for group in (services, servers):  # services drain while what they need still runs
        if group:
            on_progress("stopping " + ", ".join(record.name for record in group))
            processes.stop_all(group)
    postgres.end_strays(folder / "postgres")
    with edit(folder) as state:
        state.processes.clear()
        state.running.clear()


def _end_unrecorded(folder: Path) -> None:
    """End what carries this stack's mark and is in no record: its starter was killed before it wrote it down."""
    state = read(folder)
    known = {record.pid for record in state.processes.values() if processes.is_alive(record)}
    lost: list[ProcessRecord] = []
    for pid, process in processes.marked(folder).items():
        mark = processes.identity(pid)
        if mark is None or pid in known or _descends_from(pid, known):
            continue
        stop_signal = 2 if process == "postgres" else 15
        lost.append(
            ProcessRecord(name=process, pid=pid, identity=mark, argv=[], log="", started_at="", stop_signal=stop_signal)
        )
    processes.stop_all(lost)


def _descends_from(pid: int, known: set[int]) -> bool:
    try:
        return any(parent.pid in known for parent in psutil.Process(pid).parents())
    except psutil.Error:
        return True  # gone, or not ours to judge


def _forget(folder: Path) -> None:
    for entry in ("postgres", "postgres.new", "kafka", "broker", "mail", "providers", "logs"):
        path = folder / entry
        if path.exists():
            shutil.rmtree(path)
    for entry in ("postgres.pw", "secrets.json", "providers.json", "stack.json", "stack.json.unreadable"):
        (folder / entry).unlink(missing_ok=True)


# --- further processes ---------------------------------------------------------------------------


def spawn(name: str, process: str, argv: Sequence[str], env: Mapping[str, str], *, address: str | None = None) -> int:
    """Start a further process (a service) under this stack; returns its pid. `env` adds to our own environment.

    It lives until `stop` or `kill`, its output is in logs/PROCESS.log. One of that name that still runs is refused.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,60}", process) or process in SERVERS:
        raise StackError(f"A process needs a name of its own, of letters, digits and dashes, not {process!r}.")
    folder = state_dir(name)
    living = _living(folder, process)
    if living is not None:
        raise StackError(f"{process} already runs in the stack {name} (process {living.pid}).")
    record = processes.launch(folder, process, argv, env, cwd=REPOSITORY, address=address)
    _remember(folder)(record)
    return record.pid


def stop_process(name: str, process: str) -> bool:
    """Stop one process decently (SIGTERM, a bounded wait, SIGKILL). Returns whether it ran."""
    record = _living(state_dir(name), process)
    if record is None:
        return False
    processes.stop_all([record])
    return True


def kill(name: str, process: str) -> bool:
    """SIGKILL one process, as a crash would; `start` revives a server. Returns whether there was one to kill."""
    record = _living(state_dir(name), process)
    return record is not None and processes.kill(record)


# --- what services need --------------------------------------------------------------------------


def provision(running: Running, services: Iterable[str] = SERVICES) -> dict[str, str]:
    """A login role and a database of its own per service; returns service -> DSN. May be repeated.

    No role may connect to another's database. Passwords are random and kept in the stack's folder. On a server
    that is given, the names carry the stack's, so that several stacks share it without meeting.
    """
    wanted = list(services)
    given = _is_given(running)
    prefix = _given_prefix(running.name) if given else ""
    with locked(running.state_dir, "secrets"):
        known = _secrets(running.state_dir)
        for service in wanted:
            known.setdefault(service, secrets.token_urlsafe(24))
        write_private(running.state_dir / "secrets.json", TypeAdapter(dict[str, str]).dump_json(known).decode())
    names = {service: prefix + service for service in wanted}
    run_blocking(lambda: _provision(running.postgres_admin_dsn, {names[s]: known[s] for s in wanted}, own=not given))
    return {s: _dsn_for(running.postgres_admin_dsn, names[s], known[s]) for s in wanted}


async def _provision(admin_dsn: str, passwords: Mapping[str, str], *, own: bool) -> None:
    connection = await asyncpg.connect(admin_dsn, timeout=10)

    async def run(template: str, *values: str) -> None:
        """Have the server quote names and literals into a statement that takes no parameters, and run it."""
        marks = "".join(f", ${number}::text" for number in range(2, len(values) + 2))
        await connection.execute(await connection.fetchval(f"select format($1::text{marks})", template, *values))

    try:
        # Two commands may provision at once: the second waits here, then finds everything there.
        await connection.execute("select pg_advisory_lock(hashtext('lapak provision'))")
        for name, password in passwords.items():
            exists = await connection.fetchval("select true from pg_roles where rolname = $1", name)
            verb = "alter" if exists else "create"
            await run(
                verb + " role %I login nosuperuser nocreatedb nocreaterole noreplication password %L", name, password
            )
            if not await connection.fetchval("select true from pg_database where datname = $1", name):
                # An administrator who is no superuser must be a member of the role it gives a database to.
                if not await connection.fetchval("select usesuper from pg_user where usename = current_user"):
                    await run("grant %I to current_user", name)
                await run("create database %I owner %I", name, name)
            await run("revoke all on database %I from public", name)
        if own:  # not on a server that others use too
            await connection.execute("revoke connect on database postgres, template1 from public")
    finally:
        await connection.close(timeout=5)


def topics(running: Running, specs: Sequence[TopicSpec] = TOPICS) -> None:
    """Make the Kafka topics exist (`shared.kafka.ensure_topics`). May be repeated."""
    try:
        run_blocking(lambda: ensure_topics(running.kafka, specs))
    except (KafkaError, OSError) as error:
        raise StackError(f"The broker at {running.kafka} did not create the topics: {error!r}") from error


# --- within --------------------------------------------------------------------------------------


def _is_given(running: Running) -> bool:
    return read(running.state_dir).running.get("postgres_given") == "yes"


def _dsn_for(admin_dsn: str, name: str, password: str) -> str:
    parts = urlsplit(admin_dsn)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, f"{quote(name)}:{quote(password)}@{host}", f"/{name}", parts.query, ""))


def _secrets(folder: Path) -> dict[str, str]:
    """The stack's passwords, the administrator's made on first use."""
    path = folder / "secrets.json"
    try:
        return TypeAdapter(dict[str, str]).validate_json(path.read_bytes())
    except FileNotFoundError:
        made = {"admin": secrets.token_urlsafe(24)}
        write_private(path, TypeAdapter(dict[str, str]).dump_json(made).decode())
        return made
    except ValidationError as error:
        raise StackError(f"{path} cannot be read. Remove {folder} to begin anew.") from error


def _living(folder: Path, process: str) -> ProcessRecord | None:
    record = read(folder).processes.get(process)
    return record if record is not None and processes.is_alive(record) else None


def _remember(folder: Path) -> Callable[[ProcessRecord], None]:
    def remember(record: ProcessRecord) -> None:
        with edit(folder) as state:
            state.processes[record.name] = record

    return remember


def _port(record: ProcessRecord) -> int:
    return int((record.address or ":0").rpartition(":")[2])


def _on_a_port(
    name: str,
    folder: Path,
    keys: Sequence[str],
    launch: Callable[[Sequence[int]], T],
    say: Callable[[str], None],
) -> T:
    """Choose ports, remember them, launch; again with others when somebody was faster in taking one."""
    for attempt in range(1, START_TRIES + 1):
        with edit(folder) as state:
            ports = [_choose(name, state, key, say) for key in keys]
            state.ports |= dict(zip(keys, ports, strict=True))
        try:
            return launch(ports)
        except StackError:
            if attempt == START_TRIES or all(processes.port_is_free(port) for port in ports):
                raise
            say(f"a port of {' '.join(keys)} was taken meanwhile; trying others")
    raise AssertionError("unreachable")


def _choose(name: str, state: StackState, key: str, say: Callable[[str], None]) -> int:
    """The port used last, else the preferred one, else any; a line says when somebody holds the first choice."""
    first = state.ports.get(key) or PREFERRED_PORTS.get(name, {}).get(key)
    if first is None:
        return processes.free_port()
    if processes.port_is_free(first):
        return first
    other = processes.free_port()
    say(f"port {first} ({key}) is held by {processes.port_holder(first)}: using {other} this time")
    return other


def _one_at_a_time(on_progress: Callable[[str], None]) -> Callable[[str], None]:
    lock = threading.Lock()

    def say(line: str) -> None:
        with lock:
            on_progress(line)

    return say
