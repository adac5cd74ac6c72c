"""The application: a service's routes, with health, metrics and documents beside them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, FastAPI, Query, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import to_json
from starlette.middleware import Middleware

from shared.auth import Verifier
from shared.http import documents, problems
from shared.http.direct import make_direct
from shared.http.directory import Directory
from shared.http.edge import EDGES
from shared.http.traffic import Traffic
from shared.settings import ServiceSettings

if TYPE_CHECKING:
    from shared.service import Platform

__all__ = ["Ready", "create_app"]

Ready = Callable[[], Awaitable[Mapping[str, tuple[bool, str]]]]
"""Tells of each part of a service (database, relay, each consumer) whether it works, with a word on it."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(
    *,
    name: str,
    settings: ServiceSettings,
    routers: Sequence[APIRouter],
    ready: Ready,
    lifespan: Lifespan | None = None,
    platform: "Platform | None" = None,
) -> FastAPI:
    """The HTTP application of a service.

    A router's prefix stands in its constructor: metrics and logs name the route by it. `app.state.platform` is what
    routes work with: given here, or set by `lifespan` once the pool is open.
    """
    app = FastAPI(
        title=f"Lapak {name}",
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
        # `Traffic` tells of requests; FastAPI's own telemetry would keep the texts of faults
        telemetry={"tracing": False, "metrics": False, "logs": False},
        middleware=[Middleware(Traffic, in_flight_max=settings.http_in_flight_max)],
    )
    app.state.platform = platform
    app.state.verifier = Verifier(settings.jwks, issuer=settings.token_issuer, audience=settings.token_audience)
    problems.install(app)
    grouped = (*routers, documents.router, _health(ready))
    routes = [route for group in (app.router, *grouped) for route in group.routes]
    for route in routes:
        make_direct(route, EDGES)
    app.router.routes = [Directory(routes)]
    documents.describe(app, routes)
    return app


def _health(ready: Ready) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/health/live")
    async def live() -> dict[str, bool]:
        """The process answers."""
        return {"ok": True}

    @router.get("/health/ready")
    async def is_ready(part: Annotated[list[str] | None, Query()] = None) -> Response:
        """200 when every part works, else 503; each part is listed either way.

        `?part=database&part=consumer` asks only for the parts that begin so: HTTP can be served while the broker is
        away, so a load balancer asks for less than an operator.
        """
        parts = await ready()
        asked = {name for name in parts if part is None or name.startswith(tuple(part))}
        ok = bool(asked) and all(parts[name][0] for name in asked)
        components = {name: {"ok": works, "detail": detail} for name, (works, detail) in parts.items()}
        body = to_json({"ok": ok, "components": components})
        return Response(body, 200 if ok else 503, media_type="application/json")

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
