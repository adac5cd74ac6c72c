"""Idempotency: a POST with the same `Idempotency-Key` acts once and is answered the same every time.

The act, its answer and the key are one transaction. The key is written last, with the answer: one statement, and the
usual request, whose key is fresh, asks for nothing before it acts. A request that was answered before acts too, finds
its key taken, and takes back all it did: so an act works through its transaction alone. Of two equal requests at once
the unique row lets one through. An act that fails on what its twin has done (a booth that is taken, by itself) is no
failure: the kept answer is looked for before a refusal or a fault is told.

A refusal or a fault leaves no key, so the caller may put right what was refused and use the key again. The row keeps a
keyed hash of the request, never its text, and the route without what stood in the address, which may be a secret. The
answer is kept as it was sent, so it must hold ids and codes only, no personal data. Rows are purged after a while by a
timer.
"""

import hashlib
import re
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import asyncpg
from fastapi import Request, Response
from pydantic import BaseModel
from pydantic_core import to_json
from starlette.datastructures import UploadFile

from shared import outbox
from shared.errors import Refused
from shared.telemetry import HANDLER_SECONDS

if TYPE_CHECKING:
    from shared.db import Connection
    from shared.service import Platform

__all__ = ["Act", "IdempotencyKeyInvalid", "IdempotencyKeyMissing", "IdempotencyKeyReused", "RequestInProgress", "once"]

Answer = BaseModel | dict[str, Any] | None
Act = Callable[["Connection"], Awaitable[Answer]]

CHUNK_BYTES = 1024 * 1024
REPLAYED = "Idempotency-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,200}")

KEEP = """
INSERT INTO idempotency_key (caller, key, method, path, fingerprint, created_at, status, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (caller, key) DO NOTHING
RETURNING true
"""
FIND = "SELECT fingerprint, status, body FROM idempotency_key WHERE caller = $1 AND key = $2"


class IdempotencyKeyMissing(Refused):
    """Every POST carries an `Idempotency-Key`."""

    code = "idempotency-key-missing"
    status = 400


class IdempotencyKeyInvalid(Refused):
    """The key is not 1 to 200 visible ASCII characters."""

    code = "idempotency-key-invalid"
    status = 400


class IdempotencyKeyReused(Refused):
    """The key belongs to another request of this caller."""

    code = "idempotency-key-reused"
    status = 422


class RequestInProgress(Refused):
    """The first request with this key has not ended yet."""

    code = "request-in-progress"


async def once(request: Request, platform: "Platform", caller: str, now: datetime, act: Act, status: int) -> Response:
    """Act in one transaction unless this request was answered before; then give that answer again."""
    key = _read_key(request)
    digest = await _digest(request, key)
    fingerprint = platform.sealer.blind_index(digest)
    try:
        async with platform.database.transaction() as conn:
            with outbox.held(conn) as held:
                began = time.perf_counter()
                answer = await act(conn)
                HANDLER_SECONDS.labels(_name(request), "http").observe(time.perf_counter() - began)
            body = b"" if answer is None else to_json(answer)
            if not body and status == 200:
                status = 204
            row = (caller, key, request.method, _route(request), fingerprint, now, status, body)
            await _keep(conn, held.join(KEEP, *row))
    except Exception as error:  # an edge: whatever it is, this request may have been answered before
        async with platform.database.read() as conn:
            kept = await conn.fetchrow(FIND, caller, key)
        if kept is not None:
            return _replay(kept, fingerprint)
        if isinstance(error, _KeyTaken):
            raise RequestInProgress("This Idempotency-Key was being purged; try again.") from None
        raise
    return _respond(status, body)


class _KeyTaken(Exception):
    """The key is another's, or ours of before: what was done is rolled back."""


def _read_key(request: Request) -> str:
    key = request.headers.get("idempotency-key")
    if not key:
        raise IdempotencyKeyMissing(
            "A POST needs the header Idempotency-Key: a fresh UUID for each wish, the same one when it is repeated."
        )
    if not _KEY.fullmatch(key):
        raise IdempotencyKeyInvalid("Idempotency-Key must be 1 to 200 visible ASCII characters; a UUID is best.")
    return key


async def _digest(request: Request, key: str) -> str:
    """Hash of what is asked for: method, path, query, and the body (of a form: its fields and files)."""
    digest = hashlib.sha256()

    def add(part: bytes) -> None:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)

    for part in (key.encode(), request.method.encode(), request.scope["path"].encode(), request.scope["query_string"]):
        add(part)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        add(await request.body())
        return digest.hexdigest()
    # The boundary differs each time a form is sent, so its parts count, not its bytes.
    for name, value in (await request.form()).multi_items():
        add(name.encode("utf-8", "surrogatepass"))
        if isinstance(value, UploadFile):
            while chunk := await value.read(CHUNK_BYTES):
                add(chunk)
            await value.seek(0)
        else:
            add(value.encode("utf-8", "surrogatepass"))  # a form may hold what is no text; the route says so
    return digest.hexdigest()


async def _keep(conn: "Connection", statement: tuple[Any, ...]) -> None:
    """Keep the answer. Raises `_KeyTaken`, and `RequestInProgress` when whoever holds the key does not end."""
    try:
        kept = await conn.fetchval(*statement)
    except asyncpg.LockNotAvailableError:
        raise RequestInProgress("The first request with this Idempotency-Key is still going on; try again.") from None
    if not kept:
        raise _KeyTaken


def _replay(kept: asyncpg.Record, fingerprint: bytes) -> Response:
    if kept["fingerprint"] != fingerprint:
        raise IdempotencyKeyReused("This Idempotency-Key was used for another request; use a fresh one for each wish.")
    return _respond(kept["status"], kept["body"], {REPLAYED: "true"})


def _respond(status: int, body: bytes, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers=headers, media_type="application/json" if body else None)


def _route(request: Request) -> str:
    return getattr(request.scope.get("route"), "path", "(none)")


def _name(request: Request) -> str:
    return getattr(request.scope.get("endpoint"), "__name__", "unknown")
