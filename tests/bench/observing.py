"""Metrics and traces on, beside off: consuming in batches, and a command with its event."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from time import perf_counter
from typing import Any
from unittest.mock import patch

import uvloop
from aiokafka import ConsumerRecord
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from shared import outbox, telemetry
from shared.db import Database
from shared.ids import new_id
from shared.settings import ServiceSettings
from tests.bench.commands import AT_ONCE, STATE, TABLE
from tests.bench.consuming import filled
from tests.bench.measure import Comparison, Context, NotMeasured, in_turn
from tests.bench.parts import NOTE, NOW, Noted, bench_database

__all__ = ["measure"]

COMMANDS = 2_000
TRACEPARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
"""A sampled trace that every record belongs to: the consumer's spans continue it."""


class _EncodingExporter(SpanExporter):
    """Encodes spans as they would go to a collector, counts them, and sends them nowhere."""

    def __init__(self) -> None:
        self.spans = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        encode_spans(spans).SerializeToString()
        self.spans += len(spans)
        return SpanExportResult.SUCCESS


class _Observed:
    """One side: sets up this process, and tells afterwards whether it was as it should be."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings.model_copy(update={"trace_sample": 1.0, "otlp_endpoint": None, "log_level": "ERROR"})

    @contextmanager
    def on(self, spans: int) -> Iterator[None]:
        """Metrics as they are, and every trace sampled, with the thread that batches and encodes spans."""
        exporter = _EncodingExporter()
        processor = BatchSpanProcessor(exporter)
        recorded, handled = _count(telemetry.EVENTS_RECORDED), _count(telemetry.HANDLER_SECONDS)
        telemetry.configure("bench", self._settings, spans=processor)
        try:
            yield
        finally:
            processor.shutdown()  # type: ignore[no-untyped-call]  # what it still holds is exported
            telemetry.configure("bench", self._settings)
        if exporter.spans != spans:
            raise NotMeasured(f"{exporter.spans} spans were exported, not {spans}")
        if (_count(telemetry.EVENTS_RECORDED), _count(telemetry.HANDLER_SECONDS)) == (recorded, handled):
            raise NotMeasured("the metrics stand still")

    @contextmanager
    def off(self) -> Iterator[None]:
        """No tracer, and metrics that do nothing: the library's own methods, so that whoever holds one is met."""
        telemetry.configure("bench", self._settings)
        recorded, handled = _count(telemetry.EVENTS_RECORDED), _count(telemetry.HANDLER_SECONDS)
        with ExitStack() as stack:
            stack.enter_context(patch.object(MetricWrapperBase, "labels", _itself))
            stack.enter_context(patch.object(Histogram, "time", _no_timer))
            for kind, name in (
                (Counter, "inc"),
                (Gauge, "inc"),
                (Gauge, "dec"),
                (Gauge, "set"),
                (Histogram, "observe"),
            ):
                stack.enter_context(patch.object(kind, name, _nothing))
            yield
        if (_count(telemetry.EVENTS_RECORDED), _count(telemetry.HANDLER_SECONDS)) != (recorded, handled):
            raise NotMeasured("the metrics moved though they were off")


def _itself(metric: MetricWrapperBase, *_: Any, **__: Any) -> MetricWrapperBase:
    return metric


def _nothing(*_: Any, **__: Any) -> None: ...


def _no_timer(_: Histogram) -> AbstractContextManager[None]:
    return nullcontext()


def _count(metric: MetricWrapperBase) -> float:
    """How often it was used, over all labels."""
    samples = [sample for family in metric.collect() for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name.endswith(("_total", "_count")))


def measure(context: Context) -> list[Comparison]:
    """Events and commands a second."""
    return uvloop.run(_measure(context))


async def _measure(context: Context) -> list[Comparison]:
    async with filled(context) as bench, bench_database(context.running, size=AT_ONCE) as (database, _):
        await database.pool.execute(TABLE)
        batches = [[_traced(record) for record in batch] for batch in await bench.batches()]
        number = context.size(COMMANDS)
        observed = _Observed(bench.settings)

        async def consumed(observing: AbstractContextManager[None]) -> float:
            with observing:
                return await bench.guarded(batches)

        async def commanded(observing: AbstractContextManager[None]) -> float:
            await database.pool.execute("TRUNCATE bench_state, outbox")
            with observing:
                began = perf_counter()
                await _command(database, number)
                seconds = perf_counter() - began
            events = await database.pool.fetchval("SELECT count(*) FROM outbox")
            if events != number:
                raise NotMeasured(f"{number} commands wrote {events} events")
            return number / seconds

        consuming = Comparison("metrics and traces on, consuming", "events/s", 0.8, "higher")
        commands = Comparison("metrics and traces on, commands", "commands/s", 0.8, "higher")
        return [
            await in_turn(
                context, consuming, lambda: consumed(observed.on(len(batches))), lambda: consumed(observed.off())
            ),
            await in_turn(context, commands, lambda: commanded(observed.on(number)), lambda: commanded(observed.off())),
        ]


def _traced(record: ConsumerRecord) -> ConsumerRecord:
    return replace(record, headers=(*record.headers, ("traceparent", TRACEPARENT)))


async def _command(database: Database, number: int) -> None:
    """Commands as the HTTP edge runs them: a span round each, the handler timed, an event in the transaction."""
    todo = iter(range(number))

    async def work() -> None:
        for place in todo:
            row_id = new_id()
            with telemetry.continued(None, "POST /bench", kind=SpanKind.SERVER, method="POST"):
                async with database.transaction() as conn:
                    with telemetry.HANDLER_SECONDS.labels("bench", "http").time():
                        await conn.execute(STATE, row_id, f"number {place}", NOTE)
                        event = Noted(counter=str(row_id), add=place, note=NOTE)
                        await outbox.record(conn, [outbox.Fact(event, 1)], now=NOW)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
