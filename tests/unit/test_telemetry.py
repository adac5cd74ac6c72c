"""Telemetry: JSON lines without personal data, and a trace that goes on in whatever follows."""

import base64
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, TraceFlags
from structlog.contextvars import bound_contextvars

from shared import telemetry
from shared.settings import ServiceSettings
from shared.telemetry import MASK, continued, current_trace_id, current_traceparent, masked

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED = f"00-{TRACE}-00f067aa0ba902b7-01"
UNSAMPLED = f"00-{TRACE}-00f067aa0ba902b7-00"


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    jwks = tmp_path / "jwks.json"
    jwks.write_text("{}")
    return ServiceSettings(
        database="postgresql://h/d",
        kafka="h:1",
        http_port=0,
        jwks=str(jwks),
        token_issuer="test",
        secret_keys={"k": base64.b64encode(bytes(32)).decode()},
        log_level="DEBUG",
    )


@pytest.fixture
def lines(
    settings: ServiceSettings, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The lines logged so far, read as JSON."""
    telemetry.configure("vendor", settings)
    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    telemetry.configure("test", settings.model_copy(update={"log_level": "WARNING"}))


@pytest.fixture
def spans(settings: ServiceSettings) -> Iterator[Callable[[], list[ReadableSpan]]]:
    """The spans ended so far."""
    exporter = InMemorySpanExporter()
    telemetry.configure("vendor", settings, spans=SimpleSpanProcessor(exporter))
    yield lambda: list(exporter.get_finished_spans())
    telemetry.configure("test", settings.model_copy(update={"log_level": "WARNING"}))


# ---- logs


def test_what_aiokafka_repeats_is_told_once_and_nobody_else_is_silenced(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    for node in range(50):
        logging.getLogger("aiokafka.client").error("Unable connect to node with id %s", node)
        logging.getLogger("aiokafka.client").error("Unable to update metadata")
        logging.getLogger("asyncio").error("slow")
    told = [line["event"] for line in lines()]
    assert told.count("slow") == 50
    assert [text for text in told if text != "slow"] == [
        "Unable connect to node with id 0",
        "Unable to update metadata",
    ]


Lines = Callable[[], list[dict[str, Any]]]


def test_a_line_is_json_with_the_event_first(lines: Lines, capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.get_logger().info("vendor.registered", vendor_id="v1", count=3)
    out = capsys.readouterr().out
    assert list(json.loads(out))[:4] == ["event", "level", "at", "service"]
    assert (
        json.loads(out).items()
        >= {
            "event": "vendor.registered",
            "level": "info",
            "service": "vendor",
            "vendor_id": "v1",
            "count": 3,
        }.items()
    )


def test_bound_ids_and_the_trace_stand_in_every_line(lines: Lines) -> None:
    with bound_contextvars(request_id="r1"), continued(SAMPLED, "work"):
        telemetry.get_logger().info("step.done")
        logging.getLogger("aiokafka").warning("rejoining %s", "group")
    assert [(line["request_id"], line["trace_id"]) for line in lines()] == [("r1", TRACE), ("r1", TRACE)]


def test_other_libraries_log_through_the_same_renderer(lines: Lines) -> None:
    for name in ("uvicorn.error", "faststream", "aiokafka.consumer"):
        logging.getLogger(name).warning("slow by %s ms", 7)
    assert [(line["event"], line["logger"], line["level"]) for line in lines()] == [
        ("slow by 7 ms", "uvicorn.error", "warning"),
        ("slow by 7 ms", "faststream", "warning"),
        ("slow by 7 ms", "aiokafka.consumer", "warning"),
    ]


def test_configuring_again_writes_each_line_once_and_with_the_new_name(lines: Lines, settings: ServiceSettings) -> None:
    logger = telemetry.get_logger()
    logger.info("first")
    telemetry.configure("bazaar", settings)
    logger.info("second")
    assert [(line["event"], line["service"]) for line in lines()] == [("first", "vendor"), ("second", "bazaar")]


def test_lines_below_the_level_are_not_written(lines: Lines, settings: ServiceSettings) -> None:
    telemetry.configure("vendor", settings.model_copy(update={"log_level": "WARNING"}))
    telemetry.get_logger().info("quiet")
    logging.getLogger("aiokafka").info("quiet")
    telemetry.get_logger().warning("heard")
    assert [line["event"] for line in lines()] == ["heard"]


def test_a_fault_logged_by_the_edge_is_not_logged_again_by_the_server(lines: Lines) -> None:
    logging.getLogger("uvicorn.error").error("Exception in ASGI application\n")
    logging.getLogger("uvicorn.error").error("another thing")
    assert [line["event"] for line in lines()] == ["another thing"]


def test_personal_fields_are_masked_also_inside(lines: Lines) -> None:
    telemetry.get_logger().info(
        "x",
        nik="3171024501900001",
        phone="0812",
        name="Siti",
        email="s@example.org",
        street="Jl. Contoh",
        card={"name": "Siti", "rows": [{"phone": "x"}], "area": "31.71"},
    )
    [line] = lines()
    assert {line[key] for key in telemetry.PERSONAL_KEYS} == {MASK}
    assert line["card"] == {"name": MASK, "rows": [{"phone": MASK}], "area": "31.71"}


@pytest.mark.parametrize(
    "text",
    [
        "3171024501900001",
        "nik=3171024501900001,",
        "31.7102.4501.9000.01",
        "3171 0245 0190 0001",
        "+6281200000001",
        "6281200000001",
        "081200000001",
        "0812-0000-0001",
        "+62 812 0000 0001",
        "contoh.warga@example.org",
        "DETAIL:  Failing row contains (1, Siti, Jl. Contoh 7).",
        "invalid input for query argument $1: 'Siti' (expected int)",
        "invalid input for query argument $12: 'Siti' (expected int)",
        "[type=int_parsing, input_value='Siti', input_type=str]",
    ],
)
def test_what_is_shaped_like_personal_data_is_masked(text: str) -> None:
    shown = masked(f"before {text} after")
    assert MASK in shown
    assert not any(part in shown for part in ("0001", "Siti", "warga", "Jl."))
    assert shown.startswith("before ")


@pytest.mark.parametrize(
    "text",
    [
        "31.71.02.1002.003",
        "0186f0a2-7b10-7d52-8e07-5a1c9b3f2d41",
        "08123456-7890-7123-8123-081234567890",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "2023-03-14T03:15:20.250000+00:00",
        "lapak.vendor.events.v1",
        "offset 12345678901234567",
        "/v1/vendors/{vendor_id}",
        "Rp 85.000.000",
    ],
)
def test_ids_codes_and_moments_stay_readable(text: str) -> None:
    assert masked(text) == text


def test_the_text_of_an_exception_is_masked(lines: Lines) -> None:
    try:
        raise ValueError("no vendor with 3171024501900001")
    except ValueError:
        telemetry.get_logger().exception("command.failed")
    [line] = lines()
    assert f"ValueError: no vendor with {MASK}" in line["exception"]


# ---- traces

Spans = Callable[[], list[ReadableSpan]]


def identity(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def test_without_a_trace_there_is_no_traceparent() -> None:
    assert current_traceparent() is None
    assert current_trace_id() is None


@pytest.mark.parametrize("traceparent", [SAMPLED, UNSAMPLED])
def test_a_trace_goes_on_where_nobody_records_it(traceparent: str) -> None:
    with continued(traceparent, "work"):
        assert current_traceparent() == traceparent
    assert current_traceparent() is None


@pytest.mark.parametrize("traceparent", [None, "", "rubbish", f"00-{'0' * 32}-{'0' * 16}-01", SAMPLED.upper()])
def test_without_a_readable_parent_a_new_trace_begins(traceparent: str | None) -> None:
    with continued(traceparent, "work"):
        begun = current_traceparent()
        assert begun is not None
        assert TRACE not in begun
        with continued(None, "inner"):
            assert current_trace_id() == begun.split("-")[1]


def test_spans_are_children_of_the_remote_parent(spans: Spans) -> None:
    with continued(SAMPLED, "consume", kind=SpanKind.CONSUMER, topic="t"), continued(None, "handle"):
        carried = current_traceparent()
    inner, outer = spans()
    inner_id, outer_id = identity(inner), identity(outer)
    assert (outer.name, inner.name) == ("consume", "handle")
    assert outer.parent is not None
    assert f"{outer.parent.span_id:016x}" == "00f067aa0ba902b7"
    assert inner.parent is not None
    assert inner.parent.span_id == outer_id
    assert carried == f"00-{TRACE}-{inner_id:016x}-01"
    assert outer.attributes == {"topic": "t"}
    assert outer.resource.attributes["service.name"] == "vendor"


def test_a_trace_that_is_not_sampled_is_passed_on_and_not_recorded(spans: Spans) -> None:
    with continued(UNSAMPLED, "consume"):
        assert current_traceparent() == UNSAMPLED
    assert spans() == []


def test_the_share_of_traces_sampled_is_a_setting(spans: Spans, settings: ServiceSettings) -> None:
    exporter = InMemorySpanExporter()
    none = settings.model_copy(update={"trace_sample": 0.0})
    telemetry.configure("vendor", none, spans=SimpleSpanProcessor(exporter))
    with continued(None, "work"):
        carried = current_traceparent()
    assert carried is not None
    assert not int(carried[-2:], 16) & TraceFlags.SAMPLED
    assert exporter.get_finished_spans() == ()


def test_a_span_tells_of_an_error_by_its_kind_only(spans: Spans) -> None:
    with pytest.raises(ValueError), continued(SAMPLED, "work", who="3171024501900001"):
        raise ValueError("Siti")
    [span] = spans()
    assert span.status.description == "ValueError"
    assert span.events == ()
    assert span.attributes == {"who": MASK}


def test_metrics_have_the_names_dashboards_know() -> None:
    names = {metric.name for constant in telemetry.__all__ if constant.isupper() for metric in _metric(constant)}
    assert names == {
        "lapak_consumer_lag",
        "lapak_dead_letters",
        "lapak_events_consumed",
        "lapak_events_recorded",
        "lapak_events_relayed",
        "lapak_handler_seconds",
        "lapak_http_seconds",
        "lapak_loop_failures",
        "lapak_outbox_depth",
        "lapak_outbox_oldest_age_seconds",
        "lapak_relay_leader",
    }


def _metric(constant: str) -> list[Any]:
    return list(getattr(telemetry, constant).describe())
