"""Idempotency on a real PostgreSQL: a POST with one key acts once, whatever is repeated, at once or later."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, ClassVar
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import APIRouter, Response, UploadFile
from pydantic import BaseModel

from shared import outbox
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.db import Connection
from shared.errors import Conflict
from shared.events.envelope import Event
from shared.http import EdgeDep, create_app
from shared.service import Platform
from shared.settings import ServiceSettings
from tests.conftest import FreshDatabase, MakeDatabase, StandingClock, environment

NIK = "3171024501900001"


class NoteRefused(Conflict):
    """The note says no."""

    code = "note-refused"


class Note(BaseModel):
    text: str


class NoteTaken(Event):
    """A note was taken down."""

    topic: ClassVar[str] = "notes"
    key: ClassVar[str] = "note_id"
    note_id: UUID
    text: str


class Added(BaseModel):
    note_id: UUID
    length: int


def routes() -> APIRouter:
    router = APIRouter()

    async def add(conn: Connection, text: str) -> Added:
        note_id = uuid4()
        await conn.execute("INSERT INTO note (note_id, text) VALUES ($1, $2)", note_id, text)
        if text == "refuse":
            raise NoteRefused("This note is refused.")
        if text == "fault":
            raise RuntimeError("boom")
        if text.startswith("slow"):
            await conn.execute("SELECT pg_sleep(0.3)")
        return Added(note_id=note_id, length=len(text))

    @router.post("/v1/notes")
    async def add_note(note: Note, edge: EdgeDep) -> Response:
        return await edge.once(lambda conn: add(conn, note.text), status=201)

    @router.post("/v1/other-notes")
    async def add_other_note(note: Note, edge: EdgeDep) -> Response:
        return await edge.once(lambda conn: add(conn, note.text), status=201)

    @router.post("/v1/touches")
    async def touch(edge: EdgeDep) -> Response:
        async def act(conn: Connection) -> None:
            await add(conn, "touch")

        return await edge.once(act)

    @router.post("/v1/booths")
    async def take(note: Note, edge: EdgeDep) -> Response:
        async def act(conn: Connection) -> Added:
            await conn.execute("SELECT pg_advisory_xact_lock(1)")
            if note.text == "fault" and await conn.fetchval("SELECT count(*) FROM note"):
                raise RuntimeError("boom")
            if note.text != "free" and await conn.fetchval("SELECT count(*) FROM note"):
                raise NoteRefused("This booth is taken.")
            added = await add(conn, "taken")
            facts = [outbox.Fact(NoteTaken(note_id=added.note_id, text=f"fact {n}"), n) for n in (1, 2)]
            for fact in facts:
                await outbox.record(conn, [fact], now=edge.now)
            return added

        return await edge.once(act, status=201)

    @router.post("/v1/sheets")
    async def add_sheet(file: UploadFile, edge: EdgeDep) -> Response:
        async def act(conn: Connection) -> dict[str, Any]:
            return {"read": len(await file.read()), "note": (await add(conn, "sheet")).note_id}

        return await edge.once(act)

    return router


Post = Callable[..., Coroutine[Any, Any, httpx.Response]]


@pytest.fixture
async def fresh(make_database: MakeDatabase) -> FreshDatabase:
    fresh = await make_database("edges")
    await fresh.database.pool.execute("CREATE TABLE note (note_id uuid PRIMARY KEY, text text NOT NULL)")
    return fresh


@pytest.fixture
async def post(
    fresh: FreshDatabase,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Post]:
    """POST as a caller, with a key."""
    for name, value in environment(issuer, fresh.dsn).items():
        monkeypatch.setenv(name, value)
    settings = ServiceSettings()

    async def ready() -> dict[str, tuple[bool, str]]:
        return {}

    app = create_app(name="edges", settings=settings, routers=[routes()], ready=ready)
    app.state.platform = Platform("edges", settings, fresh.database, clock, sealer)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://edges", timeout=30) as client:

        async def send(path: str, key: str | None = "k1", caller: str = "siti", **content: Any) -> httpx.Response:
            headers = {"Authorization": f"Bearer {issuer.token(caller, ['officer'])}"}
            if key is not None:
                headers["Idempotency-Key"] = key
            return await client.post(path, headers=headers, **content)

        yield send


async def notes(fresh: FreshDatabase) -> int:
    count: int = await fresh.database.pool.fetchval("SELECT count(*) FROM note")
    return count


async def keys(fresh: FreshDatabase) -> list[dict[str, Any]]:
    return [dict(row) for row in await fresh.database.pool.fetch("SELECT * FROM idempotency_key")]


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


# ---- once


async def test_a_repeated_request_is_answered_the_same_and_acts_once(post: Post, fresh: FreshDatabase) -> None:
    first = await post("/v1/notes", json={"text": "halo"})
    again = await post("/v1/notes", json={"text": "halo"})
    assert (first.status_code, first.json()["length"]) == (201, 4)
    assert "idempotency-replayed" not in first.headers
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["content-type"] == first.headers["content-type"] == "application/json"
    assert await notes(fresh) == 1


async def test_a_fresh_key_acts_again(post: Post, fresh: FreshDatabase) -> None:
    first = await post("/v1/notes", "k1", json={"text": "halo"})
    second = await post("/v1/notes", "k2", json={"text": "halo"})
    assert first.json()["note_id"] != second.json()["note_id"]
    assert await notes(fresh) == 2


async def test_a_key_belongs_to_its_caller(post: Post, fresh: FreshDatabase) -> None:
    await post("/v1/notes", caller="siti", json={"text": "halo"})
    other = await post("/v1/notes", caller="budi", json={"text": "other"})
    assert other.status_code == 201
    assert await notes(fresh) == 2


async def test_an_empty_answer_is_replayed_empty(post: Post, fresh: FreshDatabase) -> None:
    for _ in range(2):
        answer = await post("/v1/touches")
        assert (answer.status_code, answer.content) == (204, b"")
    assert await notes(fresh) == 1


# ---- what is done again and taken back


async def events(fresh: FreshDatabase) -> list[tuple[str, int]]:
    rows = await fresh.database.pool.fetch("SELECT key, sequence FROM outbox ORDER BY seq")
    return [(row["key"], row["sequence"]) for row in rows]


@pytest.mark.parametrize("text", ["taken", "fault", "free"])
async def test_what_refuses_or_fails_only_because_it_was_done_before_is_answered_as_before(
    post: Post, fresh: FreshDatabase, text: str
) -> None:
    first = await post("/v1/booths", json={"text": text})
    again = await post("/v1/booths", json={"text": text})
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert await notes(fresh) == 1
    assert await events(fresh) == [(first.json()["note_id"], 1), (first.json()["note_id"], 2)]


async def test_equal_requests_at_once_for_the_last_booth_all_have_it(post: Post, fresh: FreshDatabase) -> None:
    answers = await asyncio.gather(*(post("/v1/booths", json={"text": "taken"}) for _ in range(8)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert (await notes(fresh), len(await events(fresh))) == (1, 2)


async def test_two_requests_at_once_for_the_last_booth_one_has_it(post: Post, fresh: FreshDatabase) -> None:
    answers = await asyncio.gather(*(post("/v1/booths", f"k{n}", json={"text": "taken"}) for n in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert (await notes(fresh), len(await events(fresh)), len(await keys(fresh))) == (1, 2, 1)


async def test_a_used_key_is_refused_before_what_the_other_request_would_be_refused_for(
    post: Post, fresh: FreshDatabase
) -> None:
    await post("/v1/booths", json={"text": "taken"})
    assert code(await post("/v1/booths", json={"text": "also"})) == (422, "idempotency-key-reused")


# ---- another request with the same key


async def test_a_key_used_for_another_request_is_refused(post: Post, fresh: FreshDatabase) -> None:
    await post("/v1/notes", json={"text": "halo"})
    for path, text in (("/v1/notes", "other"), ("/v1/other-notes", "halo"), ("/v1/notes?day=2", "halo")):
        assert code(await post(path, json={"text": text})) == (422, "idempotency-key-reused")
    assert await notes(fresh) == 1


@pytest.mark.parametrize("key", [None, ""])
async def test_a_post_without_a_key_is_refused(post: Post, fresh: FreshDatabase, key: str | None) -> None:
    assert code(await post("/v1/notes", key, json={"text": "halo"})) == (400, "idempotency-key-missing")
    assert await notes(fresh) == 0


@pytest.mark.parametrize(("key", "status"), [("x" * 200, 201), ("x" * 201, 400), ("two words", 400), ("!~", 201)])
async def test_a_key_is_1_to_200_visible_characters(post: Post, key: str, status: int) -> None:
    answer = await post("/v1/notes", key, json={"text": "halo"})
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["code"] == "idempotency-key-invalid"


# ---- what goes wrong leaves no trace


async def test_a_refusal_frees_the_key_so_that_a_corrected_request_may_use_it(post: Post, fresh: FreshDatabase) -> None:
    assert code(await post("/v1/notes", json={"text": "refuse"})) == (409, "note-refused")
    assert (await notes(fresh), await keys(fresh)) == (0, [])
    assert (await post("/v1/notes", json={"text": "halo"})).status_code == 201


async def test_a_fault_frees_the_key_too(post: Post, fresh: FreshDatabase) -> None:
    assert code(await post("/v1/notes", json={"text": "fault"})) == (500, "fault")
    assert (await notes(fresh), await keys(fresh)) == (0, [])


# ---- at once


async def test_of_equal_requests_at_once_exactly_one_acts(post: Post, fresh: FreshDatabase) -> None:
    answers = await asyncio.gather(*(post("/v1/notes", json={"text": "slow"}) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert await notes(fresh) == 1


async def test_of_different_requests_at_once_with_one_key_one_acts_and_the_rest_are_refused(
    post: Post, fresh: FreshDatabase
) -> None:
    answers = await asyncio.gather(*(post("/v1/notes", json={"text": f"slow {n}"}) for n in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 422, 422, 422, 422, 422]
    assert await notes(fresh) == 1


async def test_when_the_first_is_refused_the_next_of_those_that_wait_acts(post: Post, fresh: FreshDatabase) -> None:
    async with fresh.database.pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        await conn.execute(
            "INSERT INTO idempotency_key (caller, key, method, path, fingerprint, created_at)"
            " VALUES ('siti', 'k1', 'POST', '/v1/notes', '', now())"
        )
        waiting = [asyncio.create_task(post("/v1/notes", json={"text": "halo"})) for _ in range(3)]
        await asyncio.sleep(0.3)
        assert not any(request.done() for request in waiting)
        await transaction.rollback()
    answers = await asyncio.gather(*waiting)
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert {answer.status_code for answer in answers} == {201}
    assert await notes(fresh) == 1


async def test_a_first_request_that_does_not_end_is_not_waited_for_for_ever(post: Post, fresh: FreshDatabase) -> None:
    async with fresh.database.pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        await conn.execute(
            "INSERT INTO idempotency_key (caller, key, method, path, fingerprint, created_at)"
            " VALUES ('siti', 'k1', 'POST', '/v1/notes', '', now())"
        )
        answer = await post("/v1/notes", json={"text": "halo"})
        await transaction.rollback()
    assert code(answer) == (409, "request-in-progress")
    assert answer.headers["retry-after"] == "1"


# ---- forms


async def test_a_file_sent_again_is_the_same_request_whatever_its_boundary(post: Post, fresh: FreshDatabase) -> None:
    sheet = b"nik,name\n" * 200_000
    first = await post("/v1/sheets", files={"file": ("a.csv", sheet[:900_000])})
    again = await post("/v1/sheets", files={"file": ("b.csv", sheet[:900_000])})
    assert first.json()["read"] == 900_000, "the file is read from its start after it was hashed"
    assert again.content == first.content
    other = await post("/v1/sheets", files={"file": ("a.csv", sheet[:899_999])})
    assert code(other) == (422, "idempotency-key-reused")
    assert await notes(fresh) == 1


# ---- what is kept


async def test_nothing_of_the_request_is_kept_readable(post: Post, fresh: FreshDatabase, clock: StandingClock) -> None:
    await post("/v1/notes", json={"text": NIK})
    [row] = await keys(fresh)
    assert (row["caller"], row["key"], row["method"], row["path"]) == ("siti", "k1", "POST", "/v1/notes")
    assert (row["status"], row["created_at"]) == (201, clock.now())
    assert len(row["fingerprint"]) == 32
    assert NIK.encode() not in row["body"] + row["fingerprint"]


async def test_the_answer_is_the_callers_own_even_with_a_purged_key(post: Post, fresh: FreshDatabase) -> None:
    first = await post("/v1/notes", json={"text": "halo"})
    await fresh.database.pool.execute("DELETE FROM idempotency_key")
    second = await post("/v1/notes", json={"text": "halo"})
    assert (second.status_code, "idempotency-replayed" in second.headers) == (201, False)
    assert first.json()["note_id"] != second.json()["note_id"]
