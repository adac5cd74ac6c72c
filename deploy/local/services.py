"""The four services as processes of a local stack: their settings, their start, their readiness, their addresses."""

from __future__ import annotations

import base64
import json
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx

from deploy.local import messengers, stack
from deploy.local.processes import HOST, StackError, free_port, log_tail, port_holder, port_is_free
from deploy.local.stack import Running
from deploy.local.state import edit, read, write_private
from services import SERVICES
from shared.auth import LOCAL_ISSUER, LocalIssuer
from shared.kafka import TOPICS

__all__ = ["Addresses", "environment", "issuer", "port_of", "set_clock", "start_services", "wait_ready"]

PREFERRED_PORTS = {"vendor": 8101, "training": 8102, "bazaar": 8103, "notify": 8104}
READY_SECONDS_MAX = 180.0


@dataclass(frozen=True)
class Addresses:
    """Where the started services answer: name -> http://host:port."""

    urls: Mapping[str, str]
    state_dir: Path


def issuer(running: Running) -> LocalIssuer:
    """Signs the tokens that this stack's services accept."""
    return LocalIssuer(running.state_dir / "issuer")


def environment(running: Running, service: str, dsn: str, port: int) -> dict[str, str]:
    """The LAPAK_* variables of one service of this stack."""
    variables = {
        "LAPAK_DATABASE": dsn,
        "LAPAK_KAFKA": running.kafka,
        "LAPAK_HTTP_HOST": HOST,
        "LAPAK_HTTP_PORT": str(port),
        "LAPAK_JWKS": str(issuer(running).jwks),
        "LAPAK_TOKEN_ISSUER": LOCAL_ISSUER,
        "LAPAK_SECRET_KEYS": json.dumps(_secret_keys(running, service)),
        "LAPAK_DEVELOPMENT": "true",
        "LAPAK_CLOCK_FILE": str(running.state_dir / "clock"),
        "LAPAK_SMTP": f"{running.smtp[0]}:{running.smtp[1]}",
        "LAPAK_FILES": str(running.state_dir / "files"),
        # what happens on a developer's machine must not depend on the time of the day
        "LAPAK_QUIET_HOURS": "off",
        "LAPAK_FRIDAY_PRAYER": "off",
        "LAPAK_DIGEST_TIMES": "off",
    }
    if service == "notify":
        variables |= {
            "LAPAK_PUBLIC_URL": f"http://{HOST}:{port}",
            "LAPAK_SMTP_BOUNCE_ADDRESS": "bounce@localhost",
            **messengers.environment(running),
        }
    return variables


def _secret_keys(running: Running, service: str) -> dict[str, str]:
    """Each service seals with a key of its own, kept in the stack's folder."""
    path = running.state_dir / f"{service}.keys.json"
    if not path.exists():
        write_private(path, json.dumps({"k1": base64.b64encode(secrets.token_bytes(32)).decode()}))
    keys: dict[str, str] = json.loads(path.read_text())
    return keys


def set_clock(running: Running, moment: datetime | None) -> None:
    """Take every service of the stack to this moment (None: back to the system's clock)."""
    path = running.state_dir / "clock"
    if moment is None:
        path.unlink(missing_ok=True)
    else:
        write_private(path, moment.isoformat())


def start_services(
    running: Running,
    *,
    all_channels: bool = False,
    limits: messengers.Limits = messengers.LIMITS,
    settings: Mapping[str, str] | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Addresses:
    """Provision databases and topics, migrate, start what of the four services does not run, wait until all are ready.

    `all_channels`: messages leave through the emulated WhatsApp and SMS too, not by e-mail alone; `limits`: of the
    accounts there. `settings`: LAPAK_* variables in place of those of a local stack.

    Raises StackError with the end of the log of a service that did not come up.
    """
    dsns = stack.provision(running)
    stack.topics(running)
    on_progress(f"{len(dsns)} databases, {len(TOPICS)} topics")
    living = {process.name for process in stack.status(running.name) if process.alive}
    ports = {name: _port(running, name, name in living, on_progress) for name in SERVICES}
    if all_channels:
        messengers.open_accounts(running, f"http://{HOST}:{ports['notify']}", limits)
    for name in SERVICES:
        if name not in living:
            stack.spawn(
                running.name,
                name,
                [sys.executable, "-m", "services.cli", "run", name, "--migrate"],
                {**environment(running, name, dsns[name], ports[name]), **(settings or {})},
                address=f"{HOST}:{ports[name]}",
            )
    urls = {name: f"http://{HOST}:{port}" for name, port in ports.items()}
    with ThreadPoolExecutor(len(SERVICES)) as threads:
        list(threads.map(lambda name: wait_ready(running, name, urls[name]), SERVICES))
    if all_channels:
        messengers.call_back(running, urls["notify"])
    on_progress("services ready: " + ", ".join(f"{name} {url}" for name, url in urls.items()))
    return Addresses(urls, running.state_dir)


def _port(running: Running, name: str, lives: bool, say: Callable[[str], None]) -> int:
    """The port it has if it lives; on the stack people talk to the preferred one; else the one used last, else any."""
    with edit(running.state_dir) as state:
        first = state.ports.get(name) or free_port()
        if not lives and running.name == "local":
            first = PREFERRED_PORTS[name]
        if not lives and not port_is_free(first):
            other = free_port()
            say(f"port {first} ({name}) is held by {port_holder(first)}: using {other} this time")
            first = other
        state.ports[name] = first
        return first


def port_of(running: Running, service: str) -> int:
    """The port a service of this stack answers on."""
    return read(running.state_dir).ports[service]


def wait_ready(running: Running, name: str, url: str) -> None:
    """Return when the service says that all it needs works; StackError when it ended or takes too long."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    said = "no answer yet"
    client = httpx.Client(timeout=5, verify=False)  # plain HTTP on loopback; certificates load slowly
    while time.monotonic() < deadline:
        try:
            answer = client.get(f"{url}/health/ready")
        except httpx.HTTPError as error:
            said = type(error).__name__
        else:
            if answer.status_code == 200:
                return
            said = answer.text[:500]
        record = read(running.state_dir).processes.get(name)
        if record is None or not any(p.alive for p in stack.status(running.name) if p.name == name):
            tail = log_tail(running.state_dir / "logs" / f"{name}.log")
            raise StackError(f"The service {name} ended while starting:\n{tail}")
        time.sleep(0.2)
    raise StackError(f"The service {name} is not ready after {READY_SECONDS_MAX:.0f} s; it says: {said}")
