"""The public doors the demo goes through: HTTP with tokens, Kafka commands, metrics."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.processes import StackError
from shared.auth import LocalIssuer
from shared.kafka import TOPICS

__all__ = ["Doors", "everything_on", "exit_code", "resend"]

T = TypeVar("T")
AT_ONCE = 12
METRICS = ("lapak_events_", "lapak_outbox_", "lapak_dead_letters")


class Doors:
    """An HTTP client of all four services that speaks as an officer, an operator or a vendor."""

    def __init__(self, urls: Mapping[str, str], issuer: LocalIssuer) -> None:
        self.urls = urls
        self._issuer = issuer
        limits = httpx.Limits(max_connections=AT_ONCE * 2, keepalive_expiry=2)
        self._client = httpx.AsyncClient(timeout=60, limits=limits)
        self.officer = issuer.token("officer-central", ["officer", "operator"], area="31", hours=12)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def vendor(self, vendor_id: str) -> str:
        """A token of one vendor."""
        return self._issuer.token(f"vendor-{vendor_id}", ["vendor"], vendor_id=UUID(vendor_id), hours=12)

    def person(self) -> str:
        """A token of somebody who is not registered yet; an account registers itself once."""
        return self._issuer.token(f"new-person-{uuid4()}", ["vendor"], hours=12)

    async def get(self, service: str, path: str, token: str | None = None, **query: Any) -> Any:
        """The JSON answer; StackError when it is not a success."""
        params = {name: value for name, value in query.items() if value is not None}
        headers = {"Authorization": f"Bearer {token or self.officer}"}
        return self._checked(await self._ask("GET", service, path, params=params, headers=headers))

    async def raw(self, service: str, path: str, token: str | None = None) -> bytes:
        """The bytes of a file; without a token as anybody gets it."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        answer = await self._ask("GET", service, path, headers=headers)
        if answer.status_code != 200:
            raise StackError(f"GET {path}: {answer.status_code} {answer.text[:300]}")
        return answer.content

    async def items(self, service: str, path: str, **query: Any) -> list[dict[str, Any]]:
        """All items of a paged list."""
        found: list[dict[str, Any]] = []
        after = None
        while True:
            page = await self.get(service, path, limit=500, after=after, **query)
            found += page["items"]
            after = page["next"]
            if after is None:
                return found

    async def post(
        self, service: str, path: str, body: Any = None, *, token: str | None = None, files: Any = None, **query: Any
    ) -> httpx.Response:
        """Post with a fresh Idempotency-Key; the answer, whatever its status."""
        headers = {"Authorization": f"Bearer {token or self.officer}", "Idempotency-Key": str(uuid4())}
        # tried again it has the same key: what was done already is answered, not done again
        content = {"json": body} if files is None else {"files": files}
        return await self._ask("POST", service, path, params=query, headers=headers, **content)

    async def done(self, service: str, path: str, body: Any = None, **more: Any) -> Any:
        """Post and expect success; the JSON answer."""
        return self._checked(await self.post(service, path, body, **more))

    async def put(self, service: str, path: str, body: Any, *, token: str | None = None) -> Any:
        """Put and expect success; the JSON answer."""
        headers = {"Authorization": f"Bearer {token or self.officer}"}
        return self._checked(await self._ask("PUT", service, path, json=body, headers=headers))

    async def _ask(self, method: str, service: str, path: str, **more: Any) -> httpx.Response:
        """The answer, whatever its status. A broken connection is tried again; StackError when nobody answers."""
        url = self.urls[service] + path
        for last in (False, False, True):
            try:
                return await self._client.request(method, url, **more)
            except httpx.TransportError as error:
                if last:
                    raise StackError(
                        f"{method} {url}: no answer ({type(error).__name__}). Does {service} run?"
                    ) from error
        raise AssertionError("unreachable")

    @staticmethod
    def _checked(answer: httpx.Response) -> Any:
        if not answer.is_success:
            request = answer.request
            raise StackError(
                f"{request.method} {request.url.path} was answered {answer.status_code}: {answer.text[:500]}"
            )
        return answer.json() if answer.content else None

    async def metrics(self, service: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """The samples about events, outbox and dead letters on a service's /metrics: (name, labels) -> value."""
        answer = await self._ask("GET", service, "/metrics")
        lines = [line for line in answer.text.splitlines() if line.startswith(METRICS)]
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families("\n".join(lines) + "\n")
            for sample in family.samples
        }

    async def many(
        self, work: Iterable[Callable[[], Awaitable[T]]], step: Callable[[], None] = lambda: None
    ) -> list[T]:
        """Do many things, a dozen at once; results in order."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(act: Callable[[], Awaitable[T]]) -> T:
            async with gate:
                result = await act()
            step()
            return result

        return list(await asyncio.gather(*(one(act) for act in work)))


async def everything_on(kafka: str, topic: str, *, limit: int | None = None) -> list[Any]:
    """Records of a topic from its beginning."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, auto_offset_reset="earliest", max_partition_fetch_bytes=4 << 20
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, n) for spec in TOPICS if spec.name == topic for n in range(spec.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[Any] = []
        waiting = {partition for partition in partitions if ends[partition] > 0}
        while waiting and (limit is None or len(found) < limit):
            for batch in (await consumer.getmany(timeout_ms=300)).values():
                found += batch
            waiting = {partition for partition in waiting if await consumer.position(partition) < ends[partition]}
        return found[:limit]
    finally:
        await consumer.stop()


async def resend(kafka: str, topic: str, records: Sequence[Any]) -> None:
    """Send records again as they are: same key, body, headers."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    await producer.start()
    try:
        for record in records:
            await producer.send(topic, record.value, key=record.key, headers=list(record.headers))
        await producer.flush()
    finally:
        await producer.stop()


async def exit_code(*words: str | Path) -> int:
    """The exit code of a `lapak` command, as anyone could run it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", *map(str, words)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()
