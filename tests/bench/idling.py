"""The memory of a service that is ready and has nothing to do."""

import psutil
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local import stack
from shared.kafka import TOPICS
from tests.bench.measure import Comparison, Context, NotMeasured
from tests.bench.servers import started

__all__ = ["measure"]

MEGABYTES_MAX = 120.0


def measure(context: Context) -> list[Comparison]:
    """Resident megabytes of the largest of the four services with its children, once it is ready; a start per round."""
    running = context.running
    dsns = stack.provision(running)
    stack.topics(running)
    if number := uvloop.run(_records(running.kafka)):
        raise NotMeasured(f"the topics hold {number} records: services that read them are not idle")
    comparison = Comparison("memory of one idle service, the largest of four", "MB", 1.0, "lower")
    for service, dsn in dsns.items():
        _megabytes(running, service, dsn)  # migrates, and writes the bytecode
    context.advance()
    for _ in range(context.rounds):
        comparison.add(max(_megabytes(running, service, dsn) for service, dsn in dsns.items()), MEGABYTES_MAX)
        context.advance()
    return [comparison]


def _megabytes(running: stack.Running, service: str, dsn: str) -> float:
    with started(running, service, dsn) as (_, pid):
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return sum(one.memory_info().rss for one in family) / 1e6


async def _records(bootstrap: str) -> int:
    """How many records the services' topics hold."""
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await reader.start()
    try:
        ends = await reader.end_offsets([TopicPartition(t.name, n) for t in TOPICS for n in range(t.partitions)])
        return sum(ends.values())
    finally:
        await reader.stop()
