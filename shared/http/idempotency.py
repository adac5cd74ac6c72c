"""Idempotency: a POST with the same `Idempotency-Key` acts once and is answered the same every time.

The key, the act and the answer are one transaction. Two equal requests at once: the unique row lets one through and
the other waits for its end. A refusal or a fault rolls the key back with everything else, so the caller may put right
what was refused and use the key again. The row keeps a keyed hash of the request, never its text, and the route without
what stood in the address, which may be a secret. The answer is kept as it was sent, so it must hold ids and codes only,
no personal data. Rows are purged after a while by a timer.
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

from shared.errors import Refused
from shared.telemetry import HANDLER_SECONDS

if TYPE_CHECKING:
    from shared.db import Connection
    from shared.service import Platform

__all__ = ["Act", "IdempotencyKeyInvalid", "IdempotencyKeyMissing", "IdempotencyKeyReused", "RequestInProgress", "once"]

Answer = BaseModel | dict[str, Any] | None
Act = Callable[["Connection"], Awaitable[Answer]]

CHUNK_BYTES = 1024 * 1024
_KEY = re.compile(r"[\x21-\x7e]{1,200}")

CLAIM = """
INSERT INTO idempotency_key (caller, key, method, path, fingerprint, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (caller, key) DO NOTHING
RETURNING true
"""
FIND = "SELECT fingerprint, status, body FROM idempotency_key WHERE caller = $1 AND key = $2"
SETTLE = "UPDATE idempotency_key SET status = $3, body = $4 WHERE caller = $1 AND key = $2"


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
    async with platform.database.transaction() as conn:
        kept = await _claim(conn, caller, key, request, fingerprint, now)
        if kept is not None:
            return _replay(kept, fingerprint)
        began = time.perf_counter()
        answer = await act(conn)
        HANDLER_SECONDS.labels(_name(request), "http").observe(time.perf_counter() - began)
        body = b"" if answer is None else to_json(answer)
        if not body and status == 200:
            status = 204
        await conn.execute(SETTLE, caller, key, status, body)
    return _respond(status, body)


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


async def _claim(
    conn: "Connection", caller: str, key: str, request: Request, fingerprint: bytes, now: datetime
) -> asyncpg.Record | None:
    """None: the key is ours now. Else the row of the request that was answered before."""
    try:
        claimed = await conn.fetchval(CLAIM, caller, key, request.method, _route(request), fingerprint, now)
    except asyncpg.LockNotAvailableError:
        raise RequestInProgress("The first request with this Idempotency-Key is still going on; try again.") from None
    if claimed:
        return None
    kept: asyncpg.Record | None = await conn.fetchrow(FIND, caller, key)
    if kept is None:
        raise RequestInProgress("This Idempotency-Key was being purged; try again.")
    return kept


def _replay(kept: asyncpg.Record, fingerprint: bytes) -> Response:
    if kept["fingerprint"] != fingerprint:
        raise IdempotencyKeyReused("This Idempotency-Key was used for another request; use a fresh one for each wish.")
    return _respond(kept["status"], kept["body"], {"Idempotency-Replayed": "true"})


def _respond(status: int, body: bytes, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers=headers, media_type="application/json" if body else None)


def _route(request: Request) -> str:
    return getattr(request.scope.get("route"), "path", "(none)")


def _name(request: Request) -> str:
    return getattr(request.scope.get("endpoint"), "__name__", "unknown")
