"""Traffic: what happens round every request. Correlation, the limits, one log line, one span, one measurement."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from opentelemetry.trace import SpanKind
from pydantic_core import to_json
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from shared.ids import new_id
from shared.telemetry import HTTP_SECONDS, continued, current_trace_id, get_logger

__all__ = ["BODY_BYTES_MAX", "RequestFacts", "Traffic", "large_body", "request_facts"]

BODY_BYTES_MAX = 1024 * 1024
NO_ROUTE = "(none)"
QUIET_PATHS = ("/health/", "/metrics")
"""Asked for by machines all the time: never refused for load, logged only when debugging."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_FACTS = "lapak.request"
_BODY_LIMIT = "__body_bytes_max__"
_OVERLOADED = {
    "type": "urn:lapak:problem:overloaded",
    "title": "Overloaded",
    "status": 429,
    "detail": "The service has all it can do at the moment. Nothing was changed; try again.",
    "code": "overloaded",
}

logger = get_logger()
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True)
class RequestFacts:
    """What is known of a request while it is served."""

    request_id: str
    method: str
    route: str = NO_ROUTE
    trace_id: str | None = None
    subject: str | None = None
    refused: str | None = None
    status: int = 500


def request_facts(scope: Scope) -> RequestFacts:
    """The facts of the request with this scope."""
    facts: RequestFacts = scope[_FACTS]
    return facts


def large_body(bytes_max: int) -> Callable[[F], F]:
    """Mark a route whose body may be larger than `BODY_BYTES_MAX`; stands below the route's own decorator."""

    def mark(endpoint: F) -> F:
        setattr(endpoint, _BODY_LIMIT, bytes_max)
        return endpoint

    return mark


class Traffic:
    """ASGI middleware round the whole application.

    At most `in_flight_max` requests are served at once; the rest are answered 429 at once, so that those that are
    accepted stay fast however many come.
    """

    def __init__(self, app: ASGIApp, *, in_flight_max: int) -> None:
        self._app = app
        self._in_flight_max = in_flight_max
        self._in_flight = 0
        self._refused = 0
        self._told_at = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        quiet = scope["path"].startswith(QUIET_PATHS)
        if self._in_flight >= self._in_flight_max and not quiet:
            await self._refuse(scope, send)
            return
        headers = Headers(scope=scope)
        facts = RequestFacts(_request_id(headers.get("x-request-id")), scope["method"])
        scope[_FACTS] = facts
        began = time.perf_counter()
        with (
            bound_contextvars(request_id=facts.request_id),
            continued(headers.get("traceparent"), f"{facts.method} {NO_ROUTE}", kind=SpanKind.SERVER) as span,
        ):
            facts.trace_id = current_trace_id()
            try:
                await self._serve(scope, receive, _noting(facts, send), quiet=quiet)
            finally:
                seconds = time.perf_counter() - began
                facts.route = getattr(scope.get("route"), "path", NO_ROUTE)
                span.update_name(f"{facts.method} {facts.route}")
                span.set_attribute("http.request.method", facts.method)
                span.set_attribute("http.route", facts.route)
                span.set_attribute("http.response.status_code", facts.status)
                _tell(facts, seconds, quiet=quiet)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, *, quiet: bool) -> None:
        if quiet:
            await self._app(scope, receive, send)
            return
        self._in_flight += 1
        try:
            await self._app(scope, _limited(scope, receive), send)
        finally:
            self._in_flight -= 1

    async def _refuse(self, scope: Scope, send: Send) -> None:
        """Answer 429 with as little work as can be, for work is what is short: counted each time, logged by second."""
        request_id = _request_id(Headers(scope=scope).get("x-request-id"))
        body = to_json({**_OVERLOADED, "request_id": request_id})
        headers = {"content-type": "application/problem+json", "content-length": str(len(body)), "retry-after": "1"}
        start = {
            "type": "http.response.start",
            "status": 429,
            "headers": Headers({**headers, "x-request-id": request_id}).raw,
        }
        await send(start)
        await send({"type": "http.response.body", "body": body})
        HTTP_SECONDS.labels(_method(scope["method"]), NO_ROUTE, 429).observe(0)
        self._refused += 1
        if time.monotonic() - self._told_at >= 1:
            logger.warning("requests.refused", refused="overloaded", count=self._refused, in_flight=self._in_flight)
            self._refused, self._told_at = 0, time.monotonic()


def _method(name: str) -> str:
    return name if name in _METHODS else "OTHER"


def _request_id(given: str | None) -> str:
    return given if given is not None and _REQUEST_ID.fullmatch(given) else str(new_id())


def _noting(facts: RequestFacts, send: Send) -> Send:
    """Notes the status of the answer, gives it the request's id, and keeps it out of caches if it has a caller."""

    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            facts.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = facts.request_id
            if facts.subject is not None:  # what is answered to somebody is that one's, and no cache's
                headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return noting


def _limited(scope: Scope, receive: Receive) -> Receive:
    """Reads the body up to the limit of the route, which is known by the time its body is read."""
    received = 0

    async def limited() -> Message:
        nonlocal received
        bytes_max: int = getattr(scope.get("endpoint"), _BODY_LIMIT, BODY_BYTES_MAX)
        declared = Headers(scope=scope).get("content-length", "")
        if received == 0 and declared.isdigit() and int(declared) > bytes_max:
            raise _too_large(bytes_max)
        message = await receive()
        received += len(message.get("body", b""))
        if received > bytes_max:
            raise _too_large(bytes_max)
        return message

    return limited


def _too_large(bytes_max: int) -> HTTPException:
    return HTTPException(413, f"The body may have {bytes_max} bytes at most. Send less at a time.")


def _tell(facts: RequestFacts, seconds: float, *, quiet: bool) -> None:
    """One line and one measurement for each request."""
    method = _method(facts.method)
    HTTP_SECONDS.labels(method, facts.route, facts.status).observe(seconds)
    more = {key: value for key in ("subject", "refused") if (value := getattr(facts, key)) is not None}
    (logger.debug if quiet else logger.info)(
        "request.handled",
        method=method,
        route=facts.route,
        status=facts.status,
        ms=round(seconds * 1000, 2),
        **more,
    )
