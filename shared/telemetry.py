"""What a service tells of itself: JSON logs, traces that cross services, every Prometheus metric by name."""

import logging
import math
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TextIO

import structlog
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from prometheus_client import Counter, Gauge, Histogram
from pydantic_core import to_json
from structlog.processors import NAME_TO_LEVEL
from structlog.types import EventDict, Processor, WrappedLogger

from shared.settings import ServiceSettings

__all__ = [
    "CONSUMER_LAG",
    "DEAD_LETTERS",
    "EVENTS_CONSUMED",
    "EVENTS_RECORDED",
    "EVENTS_RELAYED",
    "HANDLER_SECONDS",
    "HTTP_SECONDS",
    "LOOP_FAILURES",
    "OUTBOX_AGE_SECONDS",
    "OUTBOX_DEPTH",
    "RELAY_LEADER",
    "configure",
    "configure_logs",
    "continued",
    "current_trace_id",
    "current_traceparent",
    "get_logger",
    "masked",
]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

EVENTS_RECORDED = Counter("lapak_events_recorded", "Events written to the outbox", ["type"])
EVENTS_RELAYED = Counter("lapak_events_relayed", "Events acknowledged by the broker", ["type"])
EVENTS_CONSUMED = Counter(
    "lapak_events_consumed",
    "Records taken from topics; outcome: applied, duplicate, ignored, dead, parked, refused, gap",
    ["topic", "type", "outcome"],
)
HANDLER_SECONDS = Histogram("lapak_handler_seconds", "Duration of a handler", ["handler", "edge"], buckets=_SECONDS)
OUTBOX_DEPTH = Gauge("lapak_outbox_depth", "Events that wait in the outbox")
OUTBOX_AGE_SECONDS = Gauge("lapak_outbox_oldest_age_seconds", "Age of the oldest event in the outbox")
CONSUMER_LAG = Gauge("lapak_consumer_lag", "Records not yet consumed", ["topic", "partition"])
DEAD_LETTERS = Gauge("lapak_dead_letters", "Dead letters by state", ["state"])
RELAY_LEADER = Gauge("lapak_relay_leader", "1 where this process leads the relay")
LOOP_FAILURES = Counter("lapak_loop_failures", "Times a background loop failed and was started again", ["loop"])
HTTP_SECONDS = Histogram("lapak_http_seconds", "Duration of a request", ["method", "route", "status"], buckets=_SECONDS)

# ---- logs

MASK = "[masked]"
PERSONAL_KEYS = frozenset({"nik", "phone", "name", "email", "street"})
OUR_OWN = frozenset({"level", "at", "service", "trace_id", "method", "route"})
"""Keys of a line that only we write: nothing to look for."""

# A NIK has 16 digits; a phone starts with +62, 62 or 0 and an 8; separators inside are seen through, and the borders
# keep ids (UUID, sha256) whole. Then the places where PostgreSQL, asyncpg and pydantic repeat a value in their errors.
_PERSONAL = re.compile(
    r"(?<![\w.-])\d(?:[ .-]?\d){15}(?![\w-])"
    r"|(?<![\w.-])(?:\+?62|0)[ .-]?8(?:[ .-]?\d){7,12}(?![\w-])"
    r"|[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"
    r"|(?<=DETAIL:  ).+"
    r"|(?<=for query argument \$\d: ).+"
    r"|(?<=for query argument \$\d\d: ).+"
    r"|(?<=input_value=).+(?=, input_type=)"
)


def masked(text: str) -> str:
    """The text with everything masked that is shaped like a NIK, an Indonesian mobile number or an email address.

    So are the values that database drivers and pydantic repeat in the text of their exceptions.
    """
    return _PERSONAL.sub(MASK, text)


def _masked_value(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {key: MASK if key in PERSONAL_KEYS else _masked_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked_value(item) for item in value]
    return value


def _mask_personal(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {
        key: MASK if key in PERSONAL_KEYS else value if key in OUR_OWN else _masked_value(value)
        for key, value in event.items()
    }


def _only_from_the_level_up(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
    if NAME_TO_LEVEL[method] < _process.log_level:
        raise structlog.DropEvent
    return event


def _add_service(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event["service"] = _process.service
    trace_id = current_trace_id()
    if trace_id is not None:
        event.setdefault("trace_id", trace_id)
    return event


def _event_first(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    head = {key: event.pop(key) for key in ("event", "level", "at", "service") if key in event}
    return {**head, **event}


def _json(event: EventDict, **_: Any) -> str:
    return to_json(event, serialize_unknown=True).decode()


_ENRICH: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    _add_service,
]
_RENDER: list[Processor] = [
    structlog.processors.format_exc_info,
    _mask_personal,
    _event_first,
    structlog.processors.JSONRenderer(_json),
]
_FORMATTER = structlog.stdlib.ProcessorFormatter(
    foreign_pre_chain=[*_ENRICH, structlog.stdlib.add_logger_name],
    processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_RENDER],
)


def get_logger() -> Any:
    """A structured logger: `get_logger().info("vendor.registered", vendor_id=...)`."""
    return structlog.get_logger()


class _Lines:
    """Writes each line at once to what `sys.stdout` is at that moment; a method for each level, as structlog asks."""

    def msg(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    debug = info = warning = error = critical = msg


class _StandardOutput(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stdout` is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stdout
        super().emit(record)


SELDOM_SECONDS = 30.0
TEXTS_MAX = 1000


def _is_news(record: logging.LogRecord) -> bool:
    """uvicorn logs again what the HTTP edge has logged as `request.fault` (Starlette raises it once more)."""
    return not record.getMessage().startswith("Exception in ASGI application")


class _Seldom(logging.Filter):
    """Lets each text of aiokafka through once in so many seconds. Stands on the handler: children's lines count too.

    Without its broker it says the same some 50 times a second, while our own loops tell of the outage.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._told: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("aiokafka"):
            return True
        text, now = str(record.msg), time.monotonic()
        if now - self._told.get(text, -math.inf) < self._seconds:
            return False
        if len(self._told) >= TEXTS_MAX:
            self._told.clear()
        self._told[text] = now
        return True


def configure_logs(level: str) -> None:
    """Have this process log JSON lines to stdout, those of this level and above; may be called again."""
    structlog.configure(
        # our own lines do not go through `logging`, which takes twice as long
        processors=[_only_from_the_level_up, *_ENRICH, *_RENDER],
        logger_factory=lambda *_: _Lines(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        cache_logger_on_first_use=True,
    )
    _process.log_level = logging.getLevelNamesMapping()[level]
    root = logging.getLogger()
    if _process.log_handler is not None:
        root.removeHandler(_process.log_handler)
    _process.log_handler = _StandardOutput(sys.stdout)
    _process.log_handler.setFormatter(_FORMATTER)
    root.addHandler(_process.log_handler)
    root.setLevel(level)
    logging.captureWarnings(True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "faststream", "aiokafka", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").propagate = False  # the edge writes one line per request itself
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    _process.log_handler.addFilter(_Seldom(SELDOM_SECONDS))
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line per request, with its address


# ---- traces

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_ids = RandomIdGenerator()


@dataclass(slots=True)
class _Process:
    """What `configure` has set up in this process."""

    service: str = "lapak"
    log_level: int = logging.INFO
    log_handler: logging.Handler | None = None
    sampler: Sampler = field(default_factory=lambda: ParentBased(TraceIdRatioBased(1.0)))
    tracer: trace.Tracer | None = None
    """None where nobody receives spans."""


_process = _Process()


def configure(service: str, settings: ServiceSettings, *, spans: SpanProcessor | None = None) -> None:
    """Set up logs and traces of this process. `spans` receives the spans instead of the collector (tests)."""
    _process.service = service
    configure_logs(settings.log_level)
    _process.sampler = ParentBased(TraceIdRatioBased(settings.trace_sample))
    _process.tracer = None
    if spans is None and settings.otlp_endpoint is not None:
        endpoint = settings.otlp_endpoint.rstrip("/") + "/v1/traces"
        # imported here: it takes 0.1 s and most processes have no collector
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        spans = BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint))
    if spans is not None:
        resource = Resource.create({"service.name": service, "service.namespace": "lapak"})
        provider = TracerProvider(sampler=_process.sampler, resource=resource)
        provider.add_span_processor(spans)
        _process.tracer = provider.get_tracer("lapak")


def current_traceparent() -> str | None:
    """The W3C `traceparent` of what is being done now, to be carried by what follows from it."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def current_trace_id() -> str | None:
    """The id of the trace that is being followed now, 32 hex digits."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def _remote(traceparent: str | None) -> SpanContext | None:
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent is not None else None
    if found is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags & TraceFlags.SAMPLED))
    return context if context.is_valid else None


def _new_trace(name: str) -> SpanContext:
    """The identity of a trace that nobody records here; the sampling decision still travels with it."""
    trace_id = _ids.generate_trace_id()
    decision = _process.sampler.should_sample(None, trace_id, name).decision
    flags = TraceFlags(int(decision is Decision.RECORD_AND_SAMPLE))
    return SpanContext(trace_id, _ids.generate_span_id(), is_remote=False, trace_flags=flags)


@contextmanager
def continued(
    traceparent: str | None,
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    **attributes: str | int | float | bool,
) -> Iterator[Span]:
    """Do something as part of the trace of `traceparent`; without one, of a new trace (inside another span: of its).

    Gives the span. Where nobody receives spans, or the trace is not sampled, only its identity is passed on. No text
    of an exception is recorded: it may hold personal data.
    """
    parent = _remote(traceparent) or trace.get_current_span().get_span_context()
    if _process.tracer is None or (parent.is_valid and not parent.trace_flags & TraceFlags.SAMPLED):
        span: Span = NonRecordingSpan(parent if parent.is_valid else _new_trace(name))
        token = attach(trace.set_span_in_context(span))
        try:
            yield span
        finally:
            detach(token)
        return
    context = trace.set_span_in_context(NonRecordingSpan(parent), Context()) if parent.is_valid else Context()
    with _process.tracer.start_as_current_span(
        name,
        context=context,
        kind=kind,
        attributes={key: _masked_value(value) for key, value in attributes.items()},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
