"""What measurements start as processes of their own: `python -m tests.bench.servers NAME`, told by LAPAK_* variables.

`service PUBLISHES CONSUMES`: a Lapak service with one route and one subscription, and the topics of both.
`bare`, `bare-registry`: the limits of its route and of the vendor registry's.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from deploy.local import services, stack
from deploy.local.processes import HOST, free_port
from deploy.local.stack import Running
from services import SERVICES
from shared import outbox
from shared.consume import Received, Subscription
from shared.db import Connection
from shared.http import EdgeDep
from shared.ids import new_id
from shared.service import Service
from shared.settings import ServiceSettings, load
from tests.bench import bare
from tests.bench.bare import STATE
from tests.bench.parts import Noted

__all__ = ["PATH", "ROLE", "TABLES", "apply", "started"]

PATH = "/v1/counters"
ROLE = "officer"
TABLES = """
CREATE TABLE bench_state (id uuid PRIMARY KEY, name text NOT NULL, note text NOT NULL, version bigint NOT NULL);
CREATE TABLE bench_effect (
    place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL,
    number bigint NOT NULL,
    process int NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
EFFECT = (
    "INSERT INTO bench_effect (key, number, process) SELECT k, n, $3 FROM unnest($1::text[], $2::bigint[]) AS e (k, n)"
)


class CounterBody(BaseModel):
    """A counter to begin."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=80)]
    add: Annotated[int, Field(ge=0, le=1_000_000)]
    note: Annotated[str, Field(max_length=1000)]


router = APIRouter()


@router.post(PATH, status_code=201)
async def begin(body: CounterBody, edge: EdgeDep) -> Response:
    """Begin a counter: its row and its first event."""
    edge.caller.require(ROLE)

    async def act(conn: Connection) -> dict[str, Any]:
        counter = new_id()
        await conn.execute(STATE, counter, body.name, body.note)
        event = Noted(counter=str(counter), add=body.add, note=body.note)
        await outbox.record(conn, [outbox.Fact(event, 1)], now=edge.now)
        return {"counter": counter}

    return await edge.once(act, status=201)


async def apply(conn: Connection, received: Sequence[Received[Noted]], _: datetime) -> None:
    """Note which process applied what."""
    bodies = [one.body for one in received]
    await conn.execute(EFFECT, [body.counter for body in bodies], [body.add for body in bodies], os.getpid())


def _serve(publishes: str, consumes: str) -> None:
    Noted.topic = publishes
    subscription = Subscription(consumes, on_many={Noted: apply})
    Service("bench", load(ServiceSettings), routers=[router], subscriptions=[subscription]).serve()


@contextmanager
def started(
    running: Running, program: str, dsn: str, *topics: str, name: str | None = None
) -> Iterator[tuple[int, int]]:
    """A program of this module, or of the four services the one so named, ready to serve; gives its port and pid.

    Its settings are the defaults: the system's clock, the limits that a deployment has.
    """
    name = name or program
    port = free_port()
    variables = services.environment(running, program, dsn, port)
    for of_a_developer in ("LAPAK_CLOCK_FILE", "LAPAK_DEVELOPMENT"):
        del variables[of_a_developer]
    variables["LAPAK_PUBLIC_URL"] = "https://lapak.example.go.id"  # training wants one that lasts
    ours = ("services.cli", "run", program, "--migrate")
    variables["PYTHONDONTWRITEBYTECODE"] = ""  # an image has the bytecode; what compiles at its start is larger
    module = ours if program in SERVICES else ("tests.bench.servers", program, *topics)
    pid = stack.spawn(running.name, name, [sys.executable, "-m", *module], variables, address=f"{HOST}:{port}")
    try:
        services.wait_ready(running, name, f"http://{HOST}:{port}")
        yield port, pid
    finally:
        stack.stop_process(running.name, name)


PROGRAMS: dict[str, Callable[..., None]] = {
    "service": _serve,
    "bare": lambda: bare.serve(bare.begin),
    "bare-registry": lambda: bare.serve(bare.register),
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
