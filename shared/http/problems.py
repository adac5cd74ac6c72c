"""Problems: every answer that is not a success, as problem+json (RFC 9457) with a stable code."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from shared.auth import TokenMissing, Unauthenticated
from shared.errors import Refused
from shared.events.values import AREA_PATTERN, CODE_PATTERN, KELURAHAN_PATTERN, RW_RT_PATTERN
from shared.failures import is_outage
from shared.http.idempotency import RequestInProgress
from shared.http.traffic import request_facts
from shared.telemetry import get_logger, masked

__all__ = ["PROBLEM_SCHEMA", "install", "problem"]

MEDIA_TYPE = "application/problem+json"
ERRORS_SHOWN_MAX = 100
RETRY_AFTER_SECONDS = "1"
logger = get_logger()

PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457. Decide by `code`, which is stable; show `detail` to people.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:lapak:problem:booth-taken"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was refused, why, and the way out"},
        "code": {"type": "string", "examples": ["booth-taken"]},
        "request_id": {"type": "string", "description": "Also in the header X-Request-Id and in the logs"},
        "errors": {
            "type": "array",
            "description": "The fields at fault",
            "items": {
                "type": "object",
                "required": ["field", "reason"],
                "properties": {"field": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
        "details": {"type": "object", "description": "Ids, codes and limits the refusal is about"},
        "trace_id": {"type": "string", "description": "With a fault: what to look for in the traces"},
    },
}

_CODES = {
    400: "malformed",
    404: "no-such-address",
    405: "method-not-allowed",
    413: "body-too-large",
    415: "media-type-not-supported",
}

# pydantic's own sentence repeats a part of the input for these; ours does not
_REASONS = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this request",
    "json_invalid": "is not valid JSON",
    "uuid_parsing": "must be a UUID",
    "union_tag_invalid": "names none of the known kinds",
    "bytes_invalid_encoding": "is not in the encoding expected",
    "get_attribute_error": "cannot be read",
    "mapping_type": "must be an object",
    "iteration_error": "must be a list",
}

# by pattern, and not by a validator that knows its reason: events have these fields too, and would pay for it each time
_PATTERN_REASONS = {
    KELURAHAN_PATTERN: "must be the code of a kelurahan, as in 31.71.02.1002",
    AREA_PATTERN: "must be the code of a province, city, kecamatan or kelurahan, as in 31.71 or 31.71.02.1002",
    CODE_PATTERN: "must be small letters and digits with hyphens between them, as in food-drink",
    RW_RT_PATTERN: "must have three digits, as in 007",
}


def problem(
    request_id: str,
    *,
    status: int,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> Response:
    """A problem+json answer; `members` that are empty are left out."""
    content: dict[str, Any] = {
        "type": f"urn:lapak:problem:{code}",
        "title": code.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }
    content.update({name: value for name, value in members.items() if value})
    return Response(to_json(content), status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def field_errors(faults: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Each wrong field and why, without the value that was sent."""
    shown = faults[:ERRORS_SHOWN_MAX]
    return [{"field": masked(_field(fault)), "reason": masked(_reason(fault))} for fault in shown]


def _field(fault: Mapping[str, Any]) -> str:
    loc: tuple[int | str, ...] = fault["loc"]
    if fault["type"] == "json_invalid":
        return "body"
    inner = loc[1:] if len(loc) > 1 and loc[0] in ("body", "query", "path", "header", "cookie") else loc
    return ".".join(str(part) for part in inner)


def _reason(fault: Mapping[str, Any]) -> str:
    known = _REASONS.get(fault["type"])
    if fault["type"] == "string_pattern_mismatch":
        known = _PATTERN_REASONS.get(fault["ctx"]["pattern"])
    return known if known is not None else str(fault["msg"]).removeprefix("Value error, ")


def _answer_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    headers = {}
    if isinstance(error, Unauthenticated):
        missing = isinstance(error, TokenMissing)
        headers["WWW-Authenticate"] = "Bearer" if missing else 'Bearer error="invalid_token"'
    elif error.status in (429, 503) or isinstance(error, RequestInProgress):
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    facts = request_facts(request.scope)
    facts.refused = error.code
    return problem(
        facts.request_id,
        status=error.status,
        code=error.code,
        detail=error.message,
        headers=headers,
        errors=error.details.get("errors"),
        details={name: value for name, value in error.details.items() if name != "errors"},
    )


def _answer_malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError | ValidationError)
    facts = request_facts(request.scope)
    facts.refused = "invalid"
    return problem(
        facts.request_id,
        status=422,
        code="invalid",
        detail="The request was understood, but these fields are wrong.",
        errors=field_errors(error.errors()),
    )


def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    details = {
        404: "There is nothing at this address; /docs lists what there is.",
        405: "This address does not take this method; the header Allow lists those it does.",
        400: "The body could not be read as what its Content-Type says.",
    }
    return problem(
        request_facts(request.scope).request_id,
        status=error.status_code,
        code=_CODES.get(error.status_code, HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")),
        detail=details.get(error.status_code, masked(str(error.detail))),
        headers=error.headers,
    )


def _answer_gone(request: Request, _: Exception) -> Response:
    """The client left before its body had come: no fault of ours, and nobody reads this but the logs."""
    facts = request_facts(request.scope)
    facts.refused = "body-cut-short"
    return problem(
        facts.request_id,
        status=400,
        code="body-cut-short",
        detail="The connection ended before the whole body had come. Nothing was changed; try again.",
    )


def _answer_fault(request: Request, error: Exception) -> Response:
    """The one place where an unexpected exception of a request ends. Logged once, here, with its traceback."""
    facts = request_facts(request.scope)
    headers = {"X-Request-Id": facts.request_id}
    where = {"request_id": facts.request_id, "trace_id": facts.trace_id, "method": request.method}
    if is_outage(error):
        logger.warning("request.outage", error=type(error).__name__, route=facts.route, **where)
        return problem(
            facts.request_id,
            status=503,
            code="unavailable",
            detail="A part this needs is not to be had at the moment. Nothing was changed; try again.",
            headers={**headers, "Retry-After": RETRY_AFTER_SECONDS},
        )
    logger.error("request.fault", exc_info=error, route=facts.route, **where)
    return problem(
        facts.request_id,
        status=500,
        code="fault",
        detail="Something went wrong on our side. Nothing was changed; the trace_id helps us to find it.",
        headers=headers,
        trace_id=facts.trace_id,
    )


def install(app: FastAPI) -> None:
    """Answer refusals, malformed requests and faults in one way, whatever the route."""
    app.add_exception_handler(Refused, _answer_refusal)
    app.add_exception_handler(RequestValidationError, _answer_malformed)
    app.add_exception_handler(ValidationError, _answer_malformed)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(ClientDisconnect, _answer_gone)
    app.add_exception_handler(Exception, _answer_fault)
