"""Direct routes answer as FastAPI's own way does: every route of the four services, asked rightly and wrongly."""

import copy
import importlib
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import product
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Body, Cookie, Depends, File, Form, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, request_response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Scope

from services import SERVICES
from shared.auth import Caller, TokenMissing
from shared.errors import Refused
from shared.http import EdgeDep, PublicEdgeDep
from shared.http.direct import make_direct
from shared.http.edge import EDGES

ID = "0190a000-1a9a-7000-8000-000000000000"
JSON = "application/json"
BODIES = (
    (b"", JSON),
    (b"{", JSON),
    (b"null", JSON),
    (b"[]", JSON),
    (b"{}", JSON),
    (b"{}", None),
    (b"{}", "text/plain"),
    (b"{}", "application/merge-patch+json; charset=utf-8"),
    (b"{}", "application/x-www-form-urlencoded"),
    (b'"\xff"', JSON),
    (b'{"no such field": 1, "note": NaN, "text": "\\ud800"}', JSON),
    (b"[" * 100_000, JSON),
)
QUERIES = (b"", b"limit=x&after=%00&day=y&area=z", b"limit=5&limit=6", b"area=31.71&month=2023-03&day=2023-03-14")


class Note(BaseModel):
    text: str
    number: int = 7


class _Verifier:
    async def caller(self, authorization: str | None) -> Caller:
        if authorization is None:
            raise TokenMissing("no token")
        return Caller("siti", frozenset({"officer"}))


PLATFORM = SimpleNamespace(clock=SimpleNamespace(now=lambda: datetime(2023, 3, 14, tzinfo=UTC)))
APP = SimpleNamespace(state=SimpleNamespace(verifier=_Verifier(), platform=PLATFORM))


async def told(**values: Any) -> Response:
    """In place of an endpoint: answers with what it was given."""
    shown = {
        name: type(value).__name__ if hasattr(value, "state") or hasattr(value, "platform") else value
        for name, value in values.items()
    }
    return Response(f"{sorted(shown.items())!r}")


def _ways(route: APIRoute) -> tuple[ASGIApp, ASGIApp]:
    """A copy of a route as FastAPI serves it, and directly."""
    twin = copy.copy(route)
    twin.dependant = copy.copy(route.dependant)
    twin.dependant.call = told
    own = request_response(twin.get_route_handler())
    assert make_direct(twin, EDGES)
    return own, twin.app


async def _outcome(way: ASGIApp, scope: Scope, body: bytes) -> str:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        sent.append(message)

    async with AsyncExitStack() as stack:
        try:
            await way({**scope, "fastapi_middleware_astack": stack}, receive, send)
        except RequestValidationError as error:
            return f"invalid {error.errors()}"
        except HTTPException as error:
            return f"{error.status_code} {error.detail}"
        except Refused as error:
            return repr(error)
    return repr(sent)


def _scope(route: APIRoute, kind: str | None, query: bytes, part: str, *, token: bool) -> Scope:
    headers = [(b"content-type", kind.encode())] if kind else []
    if token:
        headers.append((b"authorization", b"Bearer x"))
    return {
        "type": "http",
        "method": "POST",
        "path": route.path,
        "headers": headers,
        "query_string": query,
        "path_params": dict.fromkeys(route.param_convertors, part),
        "app": APP,
        "lapak.request": SimpleNamespace(subject=None),
    }


def _routes() -> Iterator[APIRoute]:
    for service in SERVICES:
        for router in importlib.import_module(f"services.{service}.api").ROUTERS:
            yield from (route for route in router.routes if isinstance(route, APIRoute))


def _is_direct(route: APIRoute) -> bool:
    return make_direct(copy.copy(route), EDGES)


async def _differences(route: APIRoute) -> list[str]:
    own, direct = _ways(route)
    found = []
    asked = [(body, b"", ID, True) for body in BODIES]
    asked += [((b"{}", JSON), query, part, True) for query, part in product(QUERIES, (ID, "x"))]
    asked += [(body, b"", ID, False) for body in BODIES[:2]]
    for (body, kind), query, part, token in asked:
        scope = _scope(route, kind, query, part, token=token)
        outcomes = [await _outcome(way, scope, body) for way in (own, direct)]
        if outcomes[0] != outcomes[1]:
            found.append(f"{route.path} {kind} {body[:40]!r} {query!r} {part} token={token}: {outcomes}")
    return found


@pytest.mark.parametrize("service", SERVICES)
async def test_a_direct_route_answers_as_fastapi_would(service: str) -> None:
    routers = importlib.import_module(f"services.{service}.api").ROUTERS
    routes = [route for router in routers for route in router.routes if _is_direct(route)]
    wrong = [line for route in routes for line in await _differences(route)]
    assert not wrong, "\n".join(wrong[:5])


def test_most_commands_are_direct() -> None:
    commands = [route for route in _routes() if "POST" in (route.methods or ())]
    assert sum(map(_is_direct, commands)) > 0.85 * len(commands)


router = APIRouter()


@router.post("/v1/{part}/notes")
async def add_note(
    part: int, note: Note, edge: EdgeDep, request: Request, limit: int = 3, x_far: Annotated[str, Header()] = "?"
) -> Response:
    return Response()


@router.post("/v1/{part}/pairs")
async def add_pair(part: str, note: Note, mark: Annotated[int, Body()], edge: PublicEdgeDep) -> Response:
    return Response()


@pytest.mark.parametrize("route", router.routes, ids=lambda route: route.path)
async def test_values_reach_the_endpoint_as_fastapi_gives_them(route: APIRoute) -> None:
    own, direct = _ways(route)
    seen = []
    for body in (b'{"text": "a"}', b'{"text": "a", "number": "8"}', b'{"note": {"text": "a"}, "mark": "5"}', b"{}"):
        for query, part in product((b"", b"limit=4", b"limit=x"), ("12", "x")):
            scope = _scope(route, JSON, query, part, token=True)
            outcomes = [await _outcome(way, scope, body) for way in (own, direct)]
            assert outcomes[0] == outcomes[1]
            seen.append(outcomes[0])
    assert any("text='a'" in outcome for outcome in seen)
    assert any(outcome.startswith("invalid") for outcome in seen)


async def _anybody() -> str:
    return "anybody"


async def _with_form(text: Annotated[str, Form()], edge: EdgeDep) -> Response:
    return Response(text)


async def _with_file(file: Annotated[bytes, File()], edge: EdgeDep) -> Response:
    return Response(file)


async def _with_cookie(edge: EdgeDep, kept: Annotated[str, Cookie()] = "") -> Response:
    return Response(kept)


async def _with_another_dependency(who: Annotated[str, Depends(_anybody)]) -> Response:
    return Response(who)


async def _with_work_afterwards(edge: EdgeDep, work: BackgroundTasks) -> Response:
    return Response()


async def _with_a_response_to_change(edge: EdgeDep, response: Response) -> Response:
    return response


async def _with_a_model_for_an_answer(edge: EdgeDep) -> Note:
    return Note(text="a")


def _in_a_thread(edge: EdgeDep) -> Response:
    return Response()


@pytest.mark.parametrize(
    "endpoint",
    [
        _with_form,
        _with_file,
        _with_cookie,
        _with_another_dependency,
        _with_work_afterwards,
        _with_a_response_to_change,
        _with_a_model_for_an_answer,
        _in_a_thread,
    ],
)
def test_what_needs_fastapi_is_left_to_it(endpoint: Any) -> None:
    assert not _is_direct(APIRoute("/v1/notes", endpoint, methods=["POST"]))
