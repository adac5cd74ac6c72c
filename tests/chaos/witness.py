"""The witness: a service that hears everything and whose effect cannot be done twice without showing.

Per topic and key it adds one and notes the version (a command: its id) at the end of a trail. `python -m
tests.chaos.witness` serves one instance; its database is made by `prepare`.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import asyncpg

import shared.events
from shared.consume import Received, Subscription
from shared.db import Connection, migrate
from shared.events.envelope import Message
from shared.service import Service
from shared.settings import ServiceSettings, load

__all__ = ["create", "prepare"]

TALLY = """
CREATE TABLE tally (
    topic text NOT NULL,
    key text NOT NULL,
    count bigint NOT NULL,
    trail text[] NOT NULL,
    PRIMARY KEY (topic, key)
)
"""
# The versions seen are forgotten as soon as they are written: whatever comes again looks new.
FORGETFUL = """
CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM consumed_version; RETURN NULL; END';
CREATE TRIGGER forget AFTER INSERT OR UPDATE ON consumed_version FOR EACH STATEMENT EXECUTE FUNCTION forget();
"""
HEAR = """
INSERT INTO tally (topic, key, count, trail)
SELECT heard.topic, heard.key, cardinality(string_to_array(heard.marks, ' ')), string_to_array(heard.marks, ' ')
FROM unnest($1::text[], $2::text[], $3::text[]) AS heard (topic, key, marks)
ON CONFLICT (topic, key) DO UPDATE SET count = tally.count + excluded.count, trail = tally.trail || excluded.trail
"""


async def prepare(dsn: str, *, forgetful: bool = False) -> None:
    """Make the witness's tables. A forgetful one has its check for duplicates switched off."""
    await migrate(dsn, "witness")
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(TALLY)
        if forgetful:
            await conn.execute(FORGETFUL)
    finally:
        await conn.close()


async def hear(conn: Connection, received: Sequence[Received[Any]], _: datetime) -> None:
    """Count and note messages of one type."""
    heard = sorted(received, key=_place)  # stable: the messages of a key stay in their order
    runs = [(place, [_mark(one) for one in run]) for place, run in groupby(heard, key=_place)]
    await conn.execute(
        HEAR, [topic for (topic, _), _ in runs], [key for (_, key), _ in runs], [" ".join(marks) for _, marks in runs]
    )


def _place(one: Received[Any]) -> tuple[str, str]:
    return type(one.body).topic, one.envelope.subject


def _mark(one: Received[Any]) -> str:
    return str(one.envelope.id if one.envelope.sequence is None else one.envelope.sequence)


def create() -> Service:
    """The witness, from the environment: a subscription per topic, to every type of message on it."""
    kinds = [kind for kind in Message.registry.values() if kind.__module__.startswith(shared.events.__name__)]
    topics = sorted({kind.topic for kind in kinds})
    subscriptions = [
        Subscription(topic, on_many={kind: hear for kind in kinds if kind.topic == topic}) for topic in topics
    ]
    return Service("witness", load(ServiceSettings), subscriptions=subscriptions)


if __name__ == "__main__":
    create().serve()
