"""Processes that outlive the command that started them, and how to find them again.

A pid alone proves nothing: it may have been given to another process since. Every process is remembered with
an identity (boot and moment of its start) and carries two marks in its environment, so that one whose record
was lost, because the command was killed between starting and writing it down, is still found.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

HOST = "127.0.0.1"
STATE_DIR_MARK = "LAPAK_STACK_DIR"
PROCESS_MARK = "LAPAK_STACK_PROCESS"
FREE_PORTS = (20_000, 32_000)
LOG_BYTES_MAX = 20 * 1024 * 1024


class StackError(RuntimeError):
    """The local stack cannot do what was asked; the message says why and what to do, for a person to read."""


class ProcessRecord(BaseModel):
    """What is needed to find a process again and to end it decently."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    pid: int
    identity: str
    argv: list[str]
    log: str
    started_at: str
    stop_signal: int = int(signal.SIGTERM)
    grace_seconds: float = 20.0
    address: str | None = None


# Our own children stay referenced: a Popen that is collected while its process runs warns, and polling it reaps.
_children: dict[int, subprocess.Popen[bytes]] = {}


def identity(pid: int) -> str | None:
    """The boot and the moment at which the process with this pid began; None when there is none, or a zombie."""
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        return None
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists():
            # Ticks since boot do not move when the clock is set; field 22, counted after the name in brackets.
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            return f"{boot}:{stat.read_text().rpartition(')')[2].split()[19]}"
        return f"at:{process.create_time():.1f}"
    except (psutil.Error, OSError):
        return None


def is_alive(record: ProcessRecord) -> bool:
    """Whether the very process that was started still runs; a stranger under its pid does not count."""
    return identity(record.pid) == record.identity


def launch(
    state_dir: Path,
    name: str,
    argv: Sequence[str],
    env: Mapping[str, str] | None = None,
    *,
    cwd: Path | None = None,
    user: str | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    grace_seconds: float = 20.0,
    address: str | None = None,
) -> ProcessRecord:
    """Start a process in a session of its own, its output appended to logs/NAME.log. `env` adds to our environment."""
    log = state_dir / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_suffix(".log.1"))
    full_env = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
    full_env |= {STATE_DIR_MARK: str(state_dir), PROCESS_MARK: name}
    with log.open("ab") as output:
        child = subprocess.Popen(
            list(argv),
            env=full_env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
            group=None if user is None else user_group(user),
            extra_groups=None if user is None else [],
        )
    mark = identity(child.pid)
    _children[child.pid] = child
    return ProcessRecord(
        name=name,
        pid=child.pid,
        identity=mark or "ended at once",
        argv=list(argv),
        log=str(log),
        started_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        stop_signal=int(stop_signal),
        grace_seconds=grace_seconds,
        address=address,
    )


def user_group(user: str) -> int:
    """The first group of a system user."""
    return pwd.getpwnam(user).pw_gid


def adopt(record: ProcessRecord) -> ProcessRecord | None:
    """The same record under the identity its pid has now: for a process found by its mark. None when it is gone."""
    now = identity(record.pid)
    return None if now is None else record.model_copy(update={"identity": now})


def stop_all(records: Iterable[ProcessRecord]) -> None:
    """Ask every process to end, wait for each as long as its record grants, then kill it and what it left behind."""
    live = [record for record in records if is_alive(record)]
    families: dict[int, list[psutil.Process]] = {}
    for record in live:
        with contextlib.suppress(psutil.Error):
            families[record.pid] = psutil.Process(record.pid).children(recursive=True)
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, record.stop_signal)
    began = time.monotonic()
    for record in live:
        wait_gone(record, max(0.1, record.grace_seconds - (time.monotonic() - began)))
        kill(record)
        for relative in families.get(record.pid, []):
            with contextlib.suppress(psutil.Error):  # psutil compares the moment of birth before it signals
                if relative.is_running() and relative.status() != psutil.STATUS_ZOMBIE:
                    relative.kill()


def kill(record: ProcessRecord) -> bool:
    """SIGKILL, if the process is still the one that was started. Returns whether there was one to kill."""
    if not is_alive(record):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(record.pid, signal.SIGKILL)
    wait_gone(record, 10.0)
    return True


def wait_gone(record: ProcessRecord, seconds: float) -> bool:
    """Wait until the process has ended, at most so long. Returns whether it has."""
    deadline = time.monotonic() + seconds
    while is_alive(record):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def marked(state_dir: Path) -> dict[int, str]:
    """Pid -> name of every running process that carries this stack's mark, recorded or not."""
    found: dict[int, str] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            if environment.get(STATE_DIR_MARK) == str(state_dir) and process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = environment.get(PROCESS_MARK, "")
    found.pop(os.getpid(), None)
    return found


def log_tail(path: str | Path, lines: int = 15) -> str:
    """The last lines of a log, for a message that says why a start failed."""
    try:
        with Path(path).open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - 16_384))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


# --- ports ---------------------------------------------------------------------------------------


def port_is_free(port: int) -> bool:
    """Whether we could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free to a server
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A loopback port that nobody listens on. Another process may take it before we do: callers try again.

    It lies below the range from which systems number outgoing connections, so that a server that was stopped or
    has crashed finds its port still free.
    """
    for _ in range(200):
        port = random.randint(*FREE_PORTS)
        if port_is_free(port):
            return port
    raise StackError(f"No free port between {FREE_PORTS[0]} and {FREE_PORTS[1]} on {HOST}.")


def port_holder(port: int) -> str:
    """Who listens on a port, as words for a message."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                if connection.pid is None:
                    break
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except (psutil.Error, OSError):
        pass
    return "another process (of another user, perhaps)"


def accepts(port: int) -> bool:
    """Whether something answers on this loopback port."""
    try:
        with socket.create_connection((HOST, port), timeout=0.5):
            return True
    except OSError:
        return False
