"""Documents for callers: OpenAPI with our headers and problems, and the AsyncAPI of the events."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from jinja2 import Environment
from pydantic_core import from_json
from starlette.routing import BaseRoute

from shared.http.problems import MEDIA_TYPE, PROBLEM_SCHEMA

__all__ = ["describe", "router"]

ASYNCAPI = Path(__file__).resolve().parent.parent / "events" / "schema" / "asyncapi.json"
router = APIRouter(include_in_schema=False)

_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ document.info.title }}</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .2rem .6rem .2rem 0 }
td { border-top: 1px solid #ddd; vertical-align: top } code { background: #f3f3f3 }
</style></head><body>
<h1>{{ document.info.title }}</h1>
<p>{{ document.info.description }} <a href="asyncapi.json">AsyncAPI {{ document.asyncapi }} document</a></p>
{% for channel in document.channels.values() %}
<h2><code>{{ channel.address }}</code></h2><p>{{ channel.description }}</p>
{% for name in channel.messages %}
{% set message = document.components.messages[name] %}
<h3 id="{{ name }}">{{ name }}</h3><p>{{ message.description }}</p>
<table><tr><th>field</th><th>type</th><th></th></tr>
{% for field, schema in document.components.schemas[name].properties.items() %}
<tr><td><code>{{ field }}</code></td>
<td>{{ schema.format or schema.type or "one of" }}</td><td>{{ schema.description or "" }}</td></tr>
{% endfor %}
</table>
{% endfor %}
{% endfor %}
</body></html>""")


@router.get("/docs/asyncapi.json")
async def asyncapi() -> Response:
    """Every event and command, as committed."""
    return Response(_asyncapi(), media_type="application/json")


@router.get("/docs/asyncapi")
async def asyncapi_page() -> HTMLResponse:
    """The same, to be read; nothing is loaded from elsewhere."""
    return HTMLResponse(_PAGE.render(document=from_json(_asyncapi())))


def _asyncapi() -> bytes:
    return ASYNCAPI.read_bytes()


def describe(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Make the OpenAPI document of these routes tell of problem+json and of Idempotency-Key, which every POST takes
    that does more than read (`openapi_extra={"x-reads-only": True}`)."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, routes=routes)
            app.openapi_schema = _with_conventions(document)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to change the document


def _with_conventions(document: dict[str, Any]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = PROBLEM_SCHEMA
    components["responses"] = {
        "Problem": {
            "description": "Refused or failed; the code says why",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    }
    components["parameters"] = {
        "IdempotencyKey": {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "description": "A fresh UUID for each wish, the same one when it is repeated",
            "schema": {"type": "string", "maxLength": 200},
        }
    }
    for path in document.get("paths", {}).values():
        for method, operation in path.items():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
            if method == "post" and not operation.get("x-reads-only"):
                parameters = operation.setdefault("parameters", [])
                parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
    return document
