"""Subscribers are told of our events: signed, at least once, each by itself, and never inside our network."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpcore
import pytest
from pydantic_core import from_json
from standardwebhooks import Webhook, WebhookVerificationError

from services.notify.handlers import delivery
from services.notify.handlers import subscribers as handlers
from services.notify.handlers.subscribers import Batch
from services.notify.store import subscribers as store
from services.notify.telling import AddressNotPublic, Guard, Telling
from tests.integration.backbone import until
from tests.integration.notify import card, enrolled, people
from tests.integration.outside import Outside

TYPES = ["NotificationSent", "NotificationFailed", "NotificationExpired"]


@dataclass
class Listener:
    """A subscriber's server. `answers`: the statuses of the next calls, then 200; `hang`: it says nothing."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    hang: bool = False
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """`webhook-id` of each call."""
        return [headers["webhook-id"] for headers, _ in self.heard]

    def verified(self) -> list[dict[str, Any]]:
        """What was heard, each signature checked as a receiver does."""
        found = []
        for headers, body in self.heard:
            Webhook(self.secrets[-1]).verify(body, headers)
            found.append(from_json(body))
        return found


@asynccontextmanager
async def listening(listener: Listener) -> AsyncIterator[Listener]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
                body = await reader.readexactly(int(headers["content-length"]))
                if listener.hang:
                    await asyncio.sleep(3600)
                listener.heard.append((headers, body))
                status = listener.answers.pop(0) if listener.answers else 200
                writer.write(f"HTTP/1.1 {status} X\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n".encode())
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    listener.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield listener
    finally:
        server.close()


@asynccontextmanager
async def telling(outside: Outside, replicas: int = 1) -> AsyncIterator[None]:
    desk, stopping = outside.desk, asyncio.Event()
    running = [
        asyncio.create_task(Telling(desk.database, desk.clock, desk.sealer, development=True).run(stopping))
        for _ in range(replicas)
    ]
    try:
        yield
    finally:
        stopping.set()
        await asyncio.wait_for(asyncio.gather(*running), 30)


async def subscribe(outside: Outside, listener: Listener, types: list[str] = TYPES) -> str:
    answer = await outside.post("/subscribers", {"name": "SIPPT", "url": listener.url, "types": types})
    assert answer.status_code == 201, answer.text
    listener.secrets.append(answer.json()["secret"])
    subscriber_id: str = answer.json()["subscriber_id"]
    return subscriber_id


async def expire(outside: Outside, number: int) -> None:
    """So many messages that expire: an event each."""
    vendors = people(number)
    await outside.desk.hear(*(card(one) for one in vendors), *(enrolled(one) for one in vendors))
    async with outside.desk.database.transaction() as conn:
        await delivery.expire_overdue(conn, now=outside.desk.clock.now() + timedelta(days=8))


async def hurry(outside: Outside) -> None:
    async with outside.desk.database.transaction() as conn:
        await conn.execute("UPDATE webhook_delivery SET due_at = clock_timestamp() WHERE claim IS NULL")


def heard(listener: Listener, number: int) -> Callable[[], Any]:
    async def reached() -> bool:
        return len(listener.heard) >= number

    return reached


async def test_an_event_is_told_signed_and_as_it_was_recorded(outside: Outside) -> None:
    async with listening(Listener()) as listener, telling(outside, replicas=2):
        await subscribe(outside, listener)
        await expire(outside, 30)
        await until(heard(listener, 30))
        await asyncio.sleep(0.3)
    told = listener.verified()
    assert len(told) == len(set(listener.ids)) == 30  # two replicas, each event once
    async with outside.desk.database.read() as conn:
        outbox = {str(row["event_id"]): row for row in await conn.fetch("SELECT * FROM outbox")}
    for event in told:
        row = outbox[event["id"]]
        assert (event["specversion"], event["type"], event["source"]) == ("1.0", row["type"], "lapak/notify")
        assert (event["subject"], event["sequence"]) == (row["key"], str(row["sequence"]))
        assert event["data"] == from_json(row["payload"])
    forged = Webhook("whsec_" + "A" * 44)
    with pytest.raises(WebhookVerificationError):
        forged.verify(listener.heard[0][1], listener.heard[0][0])


async def test_what_rolls_back_is_told_to_nobody_and_types_are_kept_to(outside: Outside) -> None:
    async with listening(Listener()) as listener:
        await subscribe(outside, listener, ["NotificationSent"])
        await expire(outside, 2)
    async with outside.desk.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM webhook_event") == 0
        assert await conn.fetchval("SELECT count(*) FROM outbox WHERE type = 'NotificationExpired'") == 2


async def test_a_failed_try_comes_again_under_the_same_id_and_in_the_end_is_given_up(outside: Outside) -> None:
    async with listening(Listener(answers=[500, 302])) as listener, telling(outside):
        subscriber_id = await subscribe(outside, listener)
        await expire(outside, 1)
        await until(heard(listener, 1))
        await until(lambda: _failing(outside, subscriber_id))

        async def heard_thrice() -> bool:
            await hurry(outside)
            return len(listener.heard) == 3

        await until(heard_thrice)
        assert len(set(listener.ids)) == 1

        async def works() -> bool:
            row = (await outside.get(f"/subscribers/{subscriber_id}")).json()
            return (row["due"], row["failing_since"], row["last_code"]) == (0, None, "http-200")

        await until(works)
        async with outside.desk.database.transaction() as conn:
            await conn.execute("UPDATE webhook_delivery SET state = 'due', tries = 10, due_at = clock_timestamp()")
        listener.answers = [503]

        async def given_up() -> bool:
            return bool((await outside.get(f"/subscribers/{subscriber_id}/deliveries")).json()["items"])

        await until(given_up)
    (row,) = (await outside.get(f"/subscribers/{subscriber_id}/deliveries")).json()["items"]
    assert (row["state"], row["tries"], row["code"]) == ("given-up", 11, "http-503")


async def _failing(outside: Outside, subscriber_id: str) -> bool:
    return (await outside.get(f"/subscribers/{subscriber_id}")).json()["failing_since"] is not None


async def test_a_slow_subscriber_delays_no_other(outside: Outside) -> None:
    async with listening(Listener(hang=True)) as slow, listening(Listener()) as quick, telling(outside):
        await subscribe(outside, slow)
        await subscribe(outside, quick)
        await expire(outside, 40)
        await until(heard(quick, 40), 10)
        assert slow.heard == []


async def test_a_subscriber_that_fails_for_a_day_or_is_gone_is_paused_until_resumed(outside: Outside) -> None:
    async with listening(Listener(answers=[410])) as listener, telling(outside):
        subscriber_id = await subscribe(outside, listener)
        await expire(outside, 1)

        async def paused() -> bool:
            return bool((await outside.get(f"/subscribers/{subscriber_id}")).json()["state"] == "paused")

        await until(paused)
        assert (await outside.get(f"/subscribers/{subscriber_id}")).json()["paused_because"] == "gone"
        assert (await outside.post(f"/subscribers/{subscriber_id}/ping")).json()["code"] == "subscriber-stopped"
        await expire(outside, 1)
        await hurry(outside)
        await asyncio.sleep(0.5)
        assert len(listener.heard) == 1
        assert (await outside.post(f"/subscribers/{subscriber_id}/resume")).status_code == 204
        await until(heard(listener, 3))  # what failed, and what happened meanwhile
        listener.answers = [500]
        await expire(outside, 1)
        await until(lambda: _failing(outside, subscriber_id))
        async with outside.desk.database.transaction() as conn:
            await conn.execute("UPDATE subscriber SET failing_since = clock_timestamp() - interval '25 hours'")
        listener.answers = [500] * 100

        async def paused_after_another() -> bool:
            await hurry(outside)
            return await paused()

        await until(paused_after_another)
        assert (await outside.get(f"/subscribers/{subscriber_id}")).json()["paused_because"] == "http-500"


async def test_after_a_rotation_both_secrets_sign_for_a_day(outside: Outside) -> None:
    async with listening(Listener()) as listener, telling(outside):
        subscriber_id = await subscribe(outside, listener)
        old = listener.secrets[0]
        new = (await outside.post(f"/subscribers/{subscriber_id}/rotate-secret")).json()["secret"]
        assert (await outside.post(f"/subscribers/{subscriber_id}/ping")).status_code == 200
        await until(heard(listener, 1))
        for secret in (old, new):
            Webhook(secret).verify(listener.heard[0][1], listener.heard[0][0])
        outside.desk.clock.advance(days=1, seconds=1)  # type: ignore[attr-defined]  # the clock of tests
        await outside.post(f"/subscribers/{subscriber_id}/ping")
        await until(heard(listener, 2))
        Webhook(new).verify(listener.heard[1][1], listener.heard[1][0])
        with pytest.raises(WebhookVerificationError):
            Webhook(old).verify(listener.heard[1][1], listener.heard[1][0])
    async with outside.desk.database.read() as conn:
        for row in await conn.fetch("SELECT secret_sealed FROM subscriber_secret"):
            assert new.encode() not in row["secret_sealed"]


async def test_a_replay_tells_again_under_the_same_ids(outside: Outside) -> None:
    async with listening(Listener()) as listener, telling(outside):
        subscriber_id = await subscribe(outside, listener)
        await expire(outside, 3)
        await until(heard(listener, 3))
        await until(lambda: _at_rest(outside))
        since = (outside.desk.clock.now() - timedelta(days=1)).isoformat()
        answer = await outside.post(f"/subscribers/{subscriber_id}/replay", {"since": since})
        assert answer.json() == {"events": 3}
        await until(heard(listener, 6))
        assert len(set(listener.ids)) == 3
        later = (outside.desk.clock.now() + timedelta(days=30)).isoformat()
        await until(lambda: _at_rest(outside))
        assert (await outside.post(f"/subscribers/{subscriber_id}/replay", {"since": later})).json() == {"events": 0}
    async with outside.desk.database.transaction() as conn:
        assert await store.remove_events(conn, outside.desk.clock.now() + timedelta(days=9), 10) == 3
        assert await conn.fetchval("SELECT count(*) FROM webhook_delivery") == 0


async def _at_rest(outside: Outside) -> bool:
    async with outside.desk.database.read() as conn:
        return bool(await conn.fetchval("SELECT count(*) = 0 FROM webhook_delivery WHERE state = 'due'"))


async def test_two_never_take_the_same_event_and_a_dead_ones_comes_back(outside: Outside) -> None:
    async with listening(Listener()) as listener:
        subscriber_id = UUID(await subscribe(outside, listener))
        await expire(outside, 40)

    async def claim() -> Batch:
        async with outside.desk.database.transaction() as conn:
            return await handlers.claim(
                conn,
                subscriber_id,
                sealer=outside.desk.sealer,
                limit=20,
                lease_seconds=60,
                now=outside.desk.clock.now(),
            )

    batches = await asyncio.gather(*(claim() for _ in range(4)))
    taken = [one.event_id for batch in batches for one in batch.owed]
    assert len(taken) == len(set(taken)) == 40
    async with outside.desk.database.transaction() as conn:  # their process died: the lease ends
        await conn.execute("UPDATE webhook_delivery SET due_at = clock_timestamp()")
    assert len((await claim()).owed) == 20


async def test_private_addresses_are_refused_when_added_and_when_connecting(outside: Outside) -> None:
    for url in ("http://example.com/x", "https://10.0.0.1/x", "https://[fd00::1]/x", "https://u:p@example.com/"):
        answer = await outside.post("/subscribers", {"name": "x", "url": url, "types": TYPES})
        assert (answer.status_code, answer.json()["code"]) == (422, "subscriber-address-refused")
    async with listening(Listener()) as listener:
        port = int(listener.url.rpartition(":")[2].partition("/")[0])
        for host in ("localhost", "127.0.0.1", "0.0.0.0"):  # a name that leads to a private address now
            with pytest.raises(AddressNotPublic):
                await Guard(development=False).connect_tcp(host, port, timeout=2)
        stream = await Guard(development=True).connect_tcp("127.0.0.1", port, timeout=2)
        await stream.aclose()
    with pytest.raises(httpcore.ConnectError):
        await Guard(development=False).connect_tcp("nobody.invalid", 443, timeout=2)


async def test_only_operators_and_only_known_subscribers(outside: Outside) -> None:
    for role in ("officer", "service", "vendor"):
        assert (await outside.get("/subscribers", role=role)).status_code == 403
    none = "01890a5d-ac96-774b-bcce-b302099a8057"
    for act in ("pause", "resume", "remove", "ping", "rotate-secret"):
        assert (await outside.post(f"/subscribers/{none}/{act}")).json()["code"] == "subscriber-not-found"
    assert (await outside.get(f"/subscribers/{none}")).status_code == 404
