"""Where a run takes place: fresh topics, fresh databases, and the wait until all has come to rest."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import httpx
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local import stack
from deploy.local.stack import Running
from shared.db import migrate
from shared.kafka import TOPICS, ensure_topics
from tests.chaos import witness
from tests.chaos.evidence import moving
from tests.chaos.fleet import until

__all__ = ["come_to_rest", "fresh_databases", "fresh_topics"]

DELETION_SECONDS_MAX = 300.0
POLL_SECONDS = 0.5
CALM_POLLS = 3
WHOLE_SECONDS_MAX = 900.0


async def fresh_topics(kafka: str) -> None:
    """Make every topic anew, empty."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        names = {spec.name for spec in TOPICS}
        if there := names & set(await admin.list_topics()):
            await admin.delete_topics(sorted(there))

            async def gone() -> bool:
                return not names & set(await admin.list_topics())

            await until(gone, DELETION_SECONDS_MAX, "the topics to be deleted")
    finally:
        await admin.close()
    await ensure_topics(kafka)


@asynccontextmanager
async def fresh_databases(
    running: Running, services: Iterable[str], *, forgetful: bool = False
) -> AsyncIterator[dict[str, str]]:
    """Service -> DSN of a migrated, empty database, dropped at the end; `forgetful` is what the witness shall be."""
    mark = uuid4().hex[:8]
    names = {service: f"chaos_{service}_{mark}" for service in services}
    dsns = await asyncio.to_thread(stack.provision, running, names.values())
    try:
        for service, name in names.items():
            if service == "witness":
                await witness.prepare(dsns[name], forgetful=forgetful)
            else:
                await migrate(dsns[name], service)
        yield {service: dsns[name] for service, name in names.items()}
    finally:
        admin = await asyncpg.connect(running.postgres_admin_dsn)
        try:
            for dsn in dsns.values():
                await admin.execute(f'DROP DATABASE "{dsn.rpartition("/")[2]}" WITH (FORCE)')
        finally:
            await admin.close()


async def come_to_rest(
    running: Running, databases: Mapping[str, str], seconds: float, tell: Callable[[str], None] = lambda _: None
) -> tuple[float, dict[str, int]]:
    """Wait until nothing is under way any more; how long that took, and what is left when nothing of it has moved for
    so many seconds: a busy machine may take its time.
    """
    began = last = moved = time.monotonic()
    calm = 0
    left: dict[str, int] = {}
    before = left
    while calm < CALM_POLLS:
        try:
            left = await moving(running.kafka, databases, running.providers_url)
        except (OSError, KafkaError, asyncpg.PostgresError, httpx.HTTPError) as error:
            left = {type(error).__name__: 1}
        calm = 0 if left else calm + 1
        tell(", ".join(f"{what} {count}" for what, count in left.items()))
        if left != before:
            before, moved = left, time.monotonic()
        if left:
            last = time.monotonic()
            if last - moved > seconds or last - began > WHOLE_SECONDS_MAX:
                break
        await asyncio.sleep(POLL_SECONDS)
    return last - began, left
