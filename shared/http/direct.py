"""Direct routes: what FastAPI decides anew for each request is decided once, when the application is made.

Nearly all of our routes take an edge, parameters and at most one JSON body, and answer themselves. For these FastAPI's
own way (a solver of dependencies, three stacks of what to close, a parser of e-mail headers for the content type) takes
longer than all else that Python does in a command. Parameters and bodies are still read and refused by FastAPI.
"""

import inspect
import json
from collections.abc import Awaitable, Callable
from email.message import Message
from functools import lru_cache
from typing import Any, get_type_hints

from fastapi import Request, Response
from fastapi.dependencies.utils import request_body_to_args, request_params_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.params import Body, Form
from fastapi.routing import APIRoute
from pydantic_core import PydanticUndefined
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

__all__ = ["make_direct"]

TYPES_KNOWN = 256


def make_direct(route: BaseRoute, edges: frozenset[object]) -> bool:
    """Let a route serve directly, if it may; tells whether it does.

    `edges` are the dependencies that a direct route may have one of. The answers are FastAPI's in every case
    (`tests/unit/test_http_direct.py` compares them).
    """
    if not isinstance(route, APIRoute) or not _may(route, edges):
        return False
    handle = _handler(route)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await handle(Request(scope, receive, send))
        await response(scope, receive, send)

    route.app = app
    return True


def _may(route: APIRoute, edges: frozenset[object]) -> bool:
    dependant = route.dependant
    body = route.body_field.field_info if route.body_field is not None else None
    return (
        inspect.iscoroutinefunction(dependant.call)
        and get_type_hints(dependant.call).get("return") is Response
        and len(dependant.dependencies) <= 1
        and all(one.call in edges and one.name is not None for one in dependant.dependencies)
        and not dependant.cookie_params
        and dependant.response_param_name is None
        and dependant.background_tasks_param_name is None
        and (body is None or (isinstance(body, Body) and not isinstance(body, Form)))
    )


def _handler(route: APIRoute) -> Callable[[Request], Awaitable[Response]]:
    dependant, embed = route.dependant, route._embed_body_fields
    endpoint, wants_body = dependant.call, route.body_field is not None
    assert endpoint is not None
    edges = [(one.name, one.call) for one in dependant.dependencies if one.name is not None and one.call is not None]

    async def handle(request: Request) -> Response:
        body = await _body(request) if wants_body else PydanticUndefined
        values: dict[str, Any] = {}
        for name, edge in edges:
            values[name] = await edge(request)
        errors: list[Any] = []
        for fields, given in (
            (dependant.path_params, "path_params"),
            (dependant.query_params, "query_params"),
            (dependant.header_params, "headers"),
        ):
            if fields:
                found, wrong = request_params_to_args(fields, getattr(request, given))
                values.update(found)
                errors += wrong
        if dependant.body_params:
            found, wrong = await request_body_to_args(dependant.body_params, body, embed_body_fields=embed)
            values.update(found)
            errors += wrong
        if errors:
            raise RequestValidationError(errors, body=body)
        if dependant.request_param_name is not None:
            values[dependant.request_param_name] = request
        response: Response = await endpoint(**values)
        return response

    return handle


async def _body(request: Request) -> Any:
    """The body as what its Content-Type says: JSON read, anything else as bytes; undefined when there is none."""
    try:
        raw = await request.body()
        if not raw:
            return PydanticUndefined
        kind = request.headers.get("content-type")
        return json.loads(raw) if kind and _is_json(kind) else raw
    except json.JSONDecodeError as error:
        fault = {
            "type": "json_invalid",
            "loc": ("body", error.pos),
            "msg": "JSON decode error",
            "input": {},
            "ctx": {"error": error.msg},
        }
        raise RequestValidationError([fault], body=error.doc) from error
    except HTTPException:
        raise
    except Exception as error:  # as FastAPI: whatever cannot be read
        raise HTTPException(400, "There was an error parsing the body") from error


@lru_cache(TYPES_KNOWN)
def _is_json(content_type: str) -> bool:
    message = Message()
    message["content-type"] = content_type
    subtype = message.get_content_subtype()
    return message.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))
