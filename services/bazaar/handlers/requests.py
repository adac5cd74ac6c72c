"""Requests of a kelurahan: made, approved, refused."""

from datetime import datetime
from uuid import UUID

from services.bazaar.domain import requests as domain
from services.bazaar.domain.requests import ApproveRequest, BazaarRequest, RefuseRequest, RequestBazaar, RequestUnknown
from services.bazaar.handlers.drafts import draft_bazaar
from services.bazaar.store import requests as store
from shared.auth import covers
from shared.crypto import Sealer
from shared.db import Connection
from shared.outbox import Fact, record


async def request_bazaar(
    conn: Connection, command: RequestBazaar, *, request_id: UUID, by: str, now: datetime, sealer: Sealer
) -> None:
    """A kelurahan asks for a bazaar."""
    request, event = domain.ask(command, request_id, by=by, now=now)
    await store.add_request(conn, request, _sealed(command.why, request_id, sealer))
    await record(conn, [Fact(event, request.version)], now=now)


async def approve_request(
    conn: Connection,
    request_id: UUID,
    command: ApproveRequest,
    *,
    bazaar_id: UUID,
    by: str,
    area: str | None,
    now: datetime,
) -> None:
    """It becomes a draft, which is announced like any other."""
    request = await _lock(conn, request_id, area)
    after, event, draft = domain.approve(request, command, bazaar_id, by=by, area=area, now=now)
    await draft_bazaar(conn, draft, bazaar_id=bazaar_id, now=now)
    await store.decide_request(conn, after, None)
    await record(conn, [Fact(event, after.version)], now=now)


async def refuse_request(
    conn: Connection,
    request_id: UUID,
    command: RefuseRequest,
    *,
    by: str,
    area: str | None,
    now: datetime,
    sealer: Sealer,
) -> None:
    """Not this one."""
    request = await _lock(conn, request_id, area)
    after, event = domain.refuse(request, command.because, by=by, area=area, now=now)
    await store.decide_request(conn, after, _sealed(command.note, request_id, sealer))
    await record(conn, [Fact(event, after.version)], now=now)


async def read_texts(conn: Connection, request_id: UUID, sealer: Sealer) -> dict[str, str | None]:
    """What people wrote: why it was asked for, and what was answered."""
    why, note = await store.find_texts(conn, request_id)
    return {
        "why": None if why is None else sealer.open(why, request_id.bytes).decode(),
        "note": None if note is None else sealer.open(note, request_id.bytes).decode(),
    }


async def _lock(conn: Connection, request_id: UUID, area: str | None) -> BazaarRequest:
    request = await store.lock_request(conn, request_id)
    if area is None or not covers(area, request.kelurahan):
        raise RequestUnknown("There is no such request in your area.")
    return request


def _sealed(text: str | None, request_id: UUID, sealer: Sealer) -> bytes | None:
    return None if text is None else sealer.seal(text.encode(), request_id.bytes)
