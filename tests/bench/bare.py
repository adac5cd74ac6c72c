"""The limit of a command over HTTP: uvicorn and nothing more, one transaction with the rows that ours writes."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

import asyncpg
import uvicorn
from pydantic_core import from_json, to_json
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.db import Connection
from shared.ids import new_id
from shared.service import KEEP_ALIVE_SECONDS
from shared.settings import ServiceSettings, load
from tests.bench.parts import Noted

__all__ = ["STATE", "begin", "register", "serve"]

STATE = "INSERT INTO bench_state (id, name, note, version) VALUES ($1, $2, $3, 1)"
OUTBOX = """
INSERT INTO outbox (event_id, topic, key, sequence, type, occurred_at, payload) VALUES ($1, $2, $3, 1, $4, $5, $6)
"""
OUTBOX_TWICE = """
INSERT INTO outbox (event_id, topic, key, sequence, type, occurred_at, payload)
VALUES ($1, $3, $5, 1, $6, $8, $9), ($2, $4, $5, 1, $7, $8, $10)
"""
VENDOR = """
INSERT INTO vendor (
    vendor_id, version, card_version, nik_index, nik_sealed, name, phone, email, street, kelurahan, rw, rt,
    kind, category, agency, language, origin, registered_on, registered_at
)
VALUES ($1, 1, 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'pemula', NULL, NULL, 'id', 'officer', $11, $12)
"""
Act = Callable[[Connection, dict[str, Any]], Awaitable[dict[str, Any]]]


async def begin(conn: Connection, body: dict[str, Any]) -> dict[str, Any]:
    """The rows of `POST /v1/counters`."""
    counter = new_id()
    payload = to_json({"counter": counter, "add": body["add"], "note": body["note"]})
    await conn.execute(STATE, counter, body["name"], body["note"])
    await conn.execute(OUTBOX, new_id(), Noted.topic, str(counter), Noted.__name__, datetime.now(UTC), payload)
    return {"counter": counter}


async def register(conn: Connection, body: dict[str, Any]) -> dict[str, Any]:
    """The rows of `POST /v1/vendors`: a vendor, its fact and its card."""
    vendor_id, now, nik = new_id(), datetime.now(UTC), body["nik"].encode()
    fact = {"vendor_id": vendor_id, **{name: body[name] for name in ("kelurahan", "rw", "rt")}}
    card = {"vendor_id": vendor_id, **{name: body[name] for name in ("name", "phone", "email", "kelurahan", "rw")}}
    await conn.execute(
        VENDOR,
        vendor_id,
        sha256(nik).digest(),
        nik * 3,  # as long as a sealed one
        *(body[name] for name in ("name", "phone", "email", "street", "kelurahan", "rw", "rt")),
        date(2023, 3, 1),
        now,
    )
    await conn.execute(
        OUTBOX_TWICE,
        new_id(),
        new_id(),
        "lapak.vendor.events.v1",
        "lapak.vendor.contact.v1",
        str(vendor_id),
        "VendorRegistered",
        "ContactCard",
        now,
        to_json(fact),
        to_json(card),
    )
    return {"vendor_id": vendor_id}


def _application(act: Act, dsn: str, size: int) -> ASGIApp:
    """Reads JSON, acts in one transaction, answers 201; answers 200 to everything that is no POST."""
    pool: asyncpg.Pool[asyncpg.Record]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal pool
        if scope["type"] == "lifespan":
            await receive()
            pool = await asyncpg.create_pool(dsn, min_size=1, max_size=size)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await pool.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["method"] != "POST":
            await _answer(send, 200, b"{}")
            return
        body, more = b"", True
        while more:
            message: Message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        async with pool.acquire() as conn, conn.transaction():
            done = await act(conn, from_json(body))
        await _answer(send, 201, to_json(done))

    return app


async def _answer(send: Send, status: int, body: bytes) -> None:
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def serve(act: Act) -> None:
    """Serve until SIGTERM: one worker, as many database connections as a service has."""
    settings = load(ServiceSettings)
    app = _application(act, settings.database, settings.pool_size)
    uvicorn.run(
        app,
        host=settings.http_host,
        port=settings.http_port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
