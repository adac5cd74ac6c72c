"""The directory of routes finds what FastAPI finds by asking every route in turn."""

from importlib import import_module

import pytest
from fastapi import APIRouter
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Match, Mount, Route
from starlette.types import Scope

from services import SERVICES
from shared.http.directory import Directory

PARTS = ["v1", "vendors", "public", "certificates", "providers", "", "x", "a/b", "{vendor_id}", ":path}", "0190a0a0"]


async def _nothing() -> None: ...


def _routes(service: str) -> list[Route]:
    """Every route of a service, in its order."""
    routers: list[APIRouter] = list(import_module(f"services.{service}.api").ROUTERS)
    return [route for router in routers for route in router.routes if isinstance(route, Route)]


ROUTES = {service: _routes(service) for service in SERVICES}


def _scope(method: str, path: str) -> Scope:
    return {"type": "http", "method": method, "path": path, "root_path": ""}


def _asked_in_turn(routes: list[Route], scope: Scope) -> tuple[Match, Route | None]:
    matches = [(route.matches(scope)[0], route) for route in routes]
    for wanted in (Match.FULL, Match.PARTIAL):
        for match, route in matches:
            if match is wanted:
                return match, route
    return Match.NONE, None


def _looked_up(directory: Directory, scope: Scope) -> tuple[Match, Route | None]:
    match, more = directory.matches(scope)
    return match, more.get("route")


@pytest.mark.parametrize("service", SERVICES)
def test_every_route_of_a_service_is_found_by_its_own_address(service: str) -> None:
    directory = Directory(ROUTES[service])
    for route in ROUTES[service]:
        path = route.path_format.replace("{", "x").replace("}", "y")
        for method in (*(route.methods or ()), "TRACE"):
            scope = _scope(method, path)
            assert _looked_up(directory, scope) == _asked_in_turn(ROUTES[service], scope) != (Match.NONE, None)


@given(
    st.lists(st.sampled_from(PARTS), max_size=6),
    st.lists(st.sampled_from([*PARTS, "{one}", "{two}", "{rest:path}"]), max_size=5, unique=True),
    st.sampled_from(["GET", "POST"]),
    st.data(),
)
def test_any_address_finds_the_route_that_asking_in_turn_finds(
    asked: list[str], known: list[str], method: str, data: st.DataObject
) -> None:
    templates = [known, known[:-1], [*known[:1], "{any}", *known[2:]], data.draw(st.permutations(known))]
    good = [[part for part in parts if part not in ("{vendor_id}", ":path}")] for parts in templates]
    routes = [
        Route("/" + "/".join(parts), _nothing, methods=[verb])
        for parts in good
        for verb in data.draw(st.permutations(["GET", "POST"]))[:1]
    ]
    scope = _scope(method, "/" + "/".join(asked))
    assert _looked_up(Directory(routes), scope) == _asked_in_turn(routes, scope)


def test_what_has_no_path_of_its_own_cannot_be_listed() -> None:
    with pytest.raises(TypeError, match="no mounts"):
        Directory([Mount("/files", routes=[])])


def test_what_is_no_request_is_not_found() -> None:
    directory = Directory(ROUTES["vendor"])
    assert directory.matches({"type": "websocket", "path": "/v1/vendors"}) == (Match.NONE, {})
