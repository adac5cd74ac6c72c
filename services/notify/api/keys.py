"""Keys of other systems, for operators: make, list, revoke; the addresses that team keys may write to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from pydantic_core import from_json, to_json

from services.notify.domain.keys import BEHAVIOURS, MAGIC, AddTeamAddress, Behaviour, CreateKey, KeyKind
from services.notify.handlers import keys as handlers
from services.notify.plans import Topic
from services.notify.settings import NotifySettings
from services.notify.store import keys as store
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor, replayed

__all__ = ["router", "with_secret"]

router = APIRouter(tags=["keys"])


class KeyCreated(BaseModel):
    """A new key. `key` is shown in this answer only; a repeated request is answered without it."""

    key_id: UUID
    kind: KeyKind
    name: str
    topic: Topic
    per_minute: int
    key: str | None = Field(default=None, description="What its holder sends: `Authorization: Bearer <key>`")


class KeyRow(BaseModel):
    """A key, without its secret."""

    key_id: UUID
    kind: KeyKind
    name: str
    topic: Topic
    per_minute: int
    created_by: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_by: str | None
    revoked_at: datetime | None


class KeyPage(BaseModel):
    """A page of keys, newest first."""

    items: list[KeyRow]
    next: str | None


class TeamRow(BaseModel):
    """An address of the team on one channel; only as much of it is kept as helps to recognise it."""

    address_id: UUID
    channel: str
    hint: str
    added_by: str
    added_at: datetime


class TeamAnswer(BaseModel):
    """The team's list."""

    items: list[TeamRow]


class TeamAdded(BaseModel):
    """By which channels the address may be written to now."""

    channels: list[str]


class MagicRow(BaseModel):
    """What the simulated providers do with messages to these addresses."""

    behaviour: Behaviour
    meaning: str
    phone: str
    email: str


def with_secret(response: Response, name: str, secret: Sequence[str]) -> Response:
    """The answer with a secret, if there is one, that is shown but not kept for a repeated request."""
    if not secret or replayed(response):
        return response
    body = {**from_json(bytes(response.body)), name: secret[0]}
    return Response(to_json(body), response.status_code, media_type="application/json")


@router.post("/v1/keys", status_code=201, responses={201: {"model": KeyCreated}})
async def create_key(command: CreateKey, edge: EdgeDep) -> Response:
    """Make a key for another system. Keep `key` from the answer: it is not shown again."""
    edge.caller.require("operator")
    settings = cast(NotifySettings, edge.platform.settings)
    secret: list[str] = []

    async def act(conn: Connection) -> KeyCreated:
        key, token = await handlers.create_key(
            conn, command, per_minute=settings.key_messages_per_minute, by=edge.caller.subject, now=edge.now
        )
        secret.append(token)
        return KeyCreated(key_id=key.key_id, kind=key.kind, name=key.name, topic=key.topic, per_minute=key.per_minute)

    response = await edge.once(act, status=201)
    return with_secret(response, "key", secret)


@router.get("/v1/keys")
async def list_keys(
    edge: EdgeDep, kind: KeyKind | None = None, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> KeyPage:
    """Keys, newest first, revoked ones too."""
    edge.caller.require("operator")
    before = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        rows = await store.find_keys(conn, kind=kind, before=before, limit=limit + 1)
    found: dict[str, Any] = page(rows, limit, lambda row: row["key_id"])
    return KeyPage(items=[KeyRow(**row) for row in found["items"]], next=found["next"])


@router.post("/v1/keys/{key_id}/revoke", status_code=204)
async def revoke_key(key_id: UUID, edge: EdgeDep) -> Response:
    """End a key at once. What was sent with it goes on."""
    edge.caller.require("operator")

    async def act(conn: Connection) -> None:
        await handlers.revoke_key(conn, key_id, by=edge.caller.subject, now=edge.now)

    return await edge.once(act)


@router.get("/v1/keys/magic")
async def list_magic(edge: EdgeDep) -> list[MagicRow]:
    """Addresses that can belong to nobody, and what becomes of messages to them that a test key sends."""
    edge.caller.require("operator", "service")
    phones = {behaviour: address for address, behaviour in MAGIC.items() if address.startswith("+")}
    emails = {behaviour: address for address, behaviour in MAGIC.items() if "@" in address}
    return [
        MagicRow(behaviour=one, meaning=meaning, phone=phones[one], email=emails[one])
        for one, meaning in BEHAVIOURS.items()
    ]


@router.get("/v1/team")
async def list_team(edge: EdgeDep) -> TeamAnswer:
    """Addresses that keys of kind team may write to."""
    edge.caller.require("operator")
    async with edge.read() as conn:
        rows = await store.find_team(conn)
    return TeamAnswer(items=[TeamRow(**row) for row in rows])


@router.post("/v1/team", status_code=201, responses={201: {"model": TeamAdded}})
async def add_team_address(command: AddTeamAddress, edge: EdgeDep) -> Response:
    """Let keys of kind team write to an address."""
    edge.caller.require("operator")

    async def act(conn: Connection) -> TeamAdded:
        channels = await handlers.add_team_address(
            conn, command, sealer=edge.platform.sealer, by=edge.caller.subject, now=edge.now
        )
        return TeamAdded(channels=channels)

    return await edge.once(act, status=201)


@router.post("/v1/team/{address_id}/remove", status_code=204)
async def remove_team_address(address_id: UUID, edge: EdgeDep) -> Response:
    """Take an address off the team's list."""
    edge.caller.require("operator")

    async def act(conn: Connection) -> None:
        await handlers.remove_team_address(conn, address_id)

    return await edge.once(act)
