"""What the tests of notify share: a mail server that can misbehave, the consumers fed by hand, a running delivery."""

import asyncio
import os
import re
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, cast, get_args
from uuid import UUID

import httpx
from aiokafka import ConsumerRecord
from aiosmtpd.smtp import SMTP, Envelope, Session

from services.notify.channels.email import Email, SmtpServer
from services.notify.consumers import SUBSCRIPTIONS
from services.notify.delivery import Delivery, Outlet, Pace
from services.notify.domain.routing import Rules
from services.notify.handlers import routing
from services.notify.store import claims
from services.notify.store.claims import Job
from shared import failpoints
from shared.clock import Clock
from shared.consume import Consumer
from shared.crypto import Sealer
from shared.db import Database, open_database
from shared.events.bazaar import BoothAssigned
from shared.events.envelope import Envelope as EventEnvelope
from shared.events.envelope import Event, write_headers
from shared.events.notify import Channel
from shared.events.training import TrainingEnrolled
from shared.events.vendor import ContactCard
from shared.failures import is_outage
from shared.ids import new_id
from tests.conftest import SECRET_KEYS, StandingClock
from tests.integration.backbone import until

Behaviour = Literal["550", "451", "550 content", "451 content", "accept and drop", "drop at data", "silent", "421"]

_NOTIFICATION = re.compile(rb"^X-Lapak-Notification: (\S+)\r?$", re.MULTILINE)

QUICK = Pace(
    lines=4,
    claim_seconds=5,
    hand_over_seconds=5,
    sending_seconds=20,
    poll_seconds=0.05,
    sweep_seconds=0.1,
    health_seconds=0.1,
)


@dataclass
class Mailbox:
    """A real SMTP server on loopback. `behave` names what the next messages to an address meet."""

    port: int = 0
    behave: dict[str, list[Behaviour]] = field(default_factory=lambda: defaultdict(list))
    accepted: list[tuple[str, UUID]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    delay_seconds: float = 0.0
    connections: int = 0
    mail_answer: str | None = None
    on_accept: Callable[[UUID], None] | None = None

    @property
    def address(self) -> str:
        """host:port"""
        return f"127.0.0.1:{self.port}"

    def times(self) -> Counter[UUID]:
        """How often each notification was accepted."""
        return Counter(notification for _, notification in self.accepted)

    def next_for(self, address: str, when: tuple[Behaviour, ...]) -> Behaviour | None:
        """The behaviour that waits for this address, if it belongs to this step."""
        waiting = self.behave[address]
        return waiting.pop(0) if waiting and waiting[0] in when else None

    async def handle_MAIL(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """MAIL FROM."""
        if self.mail_answer is not None:
            return self.mail_answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """RCPT TO."""
        match self.next_for(address, ("550", "451", "421")):
            case "550":
                return f"550 5.1.1 <{address}>: Recipient address rejected"
            case "451":
                return "451 4.7.1 Greylisted, try again"
            case "421":
                return "421 4.3.2 Service shutting down"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: "_Session", session: Session, envelope: Envelope) -> str:
        """The content has come."""
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        (address,) = envelope.rcpt_tos
        behaviour = self.next_for(address, ("550 content", "451 content", "accept and drop", "drop at data", "silent"))
        if behaviour == "550 content":
            return "554 5.7.1 Message refused"
        if behaviour == "451 content":
            return "451 4.3.0 Not now"
        if behaviour == "drop at data":
            server.cut()
            return "250 nobody reads this"
        content = envelope.content
        assert isinstance(content, bytes)
        found = _NOTIFICATION.search(content)
        assert found is not None
        self.accepted.append((address, UUID(found[1].decode())))
        self.raw.append(content)
        self.senders.append(envelope.mail_from or "")
        if self.on_accept is not None:
            self.on_accept(UUID(found[1].decode()))
        if behaviour == "accept and drop":
            server.cut()
        if behaviour == "silent":
            await asyncio.sleep(3600)
        return "250 2.0.0 Taken"


class _Session(SMTP):
    def __init__(self, mailbox: Mailbox) -> None:
        super().__init__(mailbox, hostname="mail.test", enable_SMTPUTF8=True, loop=asyncio.get_running_loop())
        self._mailbox = mailbox

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._mailbox.connections += 1
        super().connection_made(transport)

    def cut(self) -> None:
        """Break the connection without a word."""
        assert isinstance(self.transport, asyncio.WriteTransport)
        self.transport.abort()


@asynccontextmanager
async def mail_server(mailbox: Mailbox) -> AsyncIterator[Mailbox]:
    """Serve the mailbox; on the port it had before, if it was served before."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Session(mailbox), "127.0.0.1", mailbox.port)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()


@dataclass
class Desk:
    """Notify on a database of its own, without a broker: its consumers are fed by hand."""

    database: Database
    clock: Clock
    sealer: Sealer
    offsets: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    versions: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def record(self, event: Event, event_id: UUID | None = None, partition: int = 0) -> ConsumerRecord:
        """The event as the next record of a partition of its topic."""
        place, key = (event.topic, partition), event.subject.encode()
        self.versions[event.topic, event.subject] += 1
        headers = write_headers(
            EventEnvelope(
                id=event_id or new_id(),
                type=type(event).__name__,
                source="lapak/test",
                time=self.clock.now(),
                subject=event.subject,
                sequence=self.versions[event.topic, event.subject],
                traceparent=None,
            )
        )
        return self.raw(event.topic, key, event.to_bytes(), headers, place)

    def raw(
        self,
        topic: str,
        key: bytes,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        place: tuple[str, int] | None = None,
    ) -> ConsumerRecord:
        """Any record."""
        place = place or (topic, 0)
        offset = self.offsets[place]
        self.offsets[place] += 1
        return ConsumerRecord(topic, place[1], offset, 0, 0, key, value, None, len(key), len(value or b""), headers)

    async def hear(self, *events: Event) -> None:
        """Consume these events, each topic's as one batch, in the order in which the topics come."""
        by_topic: dict[str, list[ConsumerRecord]] = {}
        for event in events:
            by_topic.setdefault(event.topic, []).append(self.record(event))
        for topic, records in by_topic.items():
            await self.consumer(topic).handle(records)

    def consumer(self, topic: str) -> Consumer:
        """A consumer of one topic, as one replica has it."""
        (subscription,) = (one for one in SUBSCRIPTIONS if one.topic == topic)
        return Consumer("notify", subscription, self.database, self.clock, self.sealer, asyncio.Event())

    async def states(self) -> Counter[str]:
        """How many notifications are in each state."""
        async with self.database.read() as conn:
            rows = await conn.fetch("SELECT state, count(*) AS n FROM notification GROUP BY state")
        return Counter({row["state"]: row["n"] for row in rows})

    async def rows(self) -> list[dict[str, Any]]:
        """All notifications, oldest first, with their recipient's address."""
        async with self.database.read() as conn:
            rows = await conn.fetch(
                "SELECT n.*, c.email FROM notification n LEFT JOIN contact c USING (vendor_id) ORDER BY n.id"
            )
        return [dict(row) for row in rows]

    async def row(self) -> dict[str, Any]:
        """The only notification."""
        (row,) = await self.rows()
        return row

    async def attempts(self) -> list[dict[str, Any]]:
        """All attempts, oldest first."""
        async with self.database.read() as conn:
            return [dict(row) for row in await conn.fetch("SELECT * FROM attempt ORDER BY id")]

    async def published(self) -> list[tuple[str, UUID, int]]:
        """Events in the outbox: type, key, sequence; oldest first."""
        async with self.database.read() as conn:
            rows = await conn.fetch("SELECT type, key, sequence FROM outbox ORDER BY seq")
        return [(row["type"], UUID(row["key"]), row["sequence"]) for row in rows]

    async def cut(self) -> None:
        """Cut every connection of this database but the one that asks for it."""

        async def asked() -> bool:
            async with self.database.read() as conn:
                await conn.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            return True

        await until(lambda: _unless_cut(asked))

    async def hurry(self) -> None:
        """Let every retry be due now, every lease be over, and every early receipt be looked at again."""
        async with self.database.transaction() as conn:
            await conn.execute("UPDATE notification SET due_at = clock_timestamp() - interval '1 second'")
            await conn.execute("UPDATE stray_receipt SET due_at = clock_timestamp() - interval '1 second'")

    async def route(self) -> int:
        """Give what is planned its channel, as a replica does. How many messages moved."""
        async with self.database.transaction() as conn:
            return await routing.route_planned(conn, rules=Rules(), sealer=self.sealer, now=self.clock.now())

    async def claim(self, lease_seconds: float = 60, *, channel: Channel = "email", limit: int = 10) -> list[Job]:
        """Claim whatever is due on a channel, once what is planned is routed."""
        await self.route()
        async with self.database.pool.acquire() as conn:
            return await claims.claim_due(
                conn,
                new_id(),
                channel=channel,
                lanes=[0, 1, 2, 3],
                limit=limit,
                lease_seconds=lease_seconds,
                now=self.clock.now(),
            )

    async def hurry_receipts(self) -> None:
        """Let what was sent have waited for its receipt for five minutes more."""
        async with self.database.transaction() as conn:
            await conn.execute("UPDATE notification SET due_at = due_at - interval '5 minutes' WHERE state = 'sent'")

    async def hurry_retries(self) -> None:
        """Let every retry be due now; leases go on."""
        async with self.database.transaction() as conn:
            await conn.execute("UPDATE notification SET due_at = clock_timestamp() WHERE state = 'retry'")

    @asynccontextmanager
    async def delivering(self, mailbox: Mailbox, pace: Pace = QUICK, **server: Any) -> AsyncIterator[asyncio.Event]:
        """A delivery that runs until the block ends, and ends well."""
        stopping = asyncio.Event()
        task = asyncio.create_task(self.delivery(mailbox, pace, **server).run(stopping))
        try:
            yield stopping
        finally:
            stopping.set()
            await asyncio.wait_for(task, 30)

    def delivery(self, mailbox: Mailbox, pace: Pace = QUICK, **server: Any) -> Delivery:
        """A delivery by e-mail, not yet running."""
        fields: dict[str, Any] = {"answer_seconds": 5.0, **server}
        channel = Email(SmtpServer("127.0.0.1", mailbox.port, "Lapak <lapak@lapak.test>", **fields))
        return Delivery(self.database, self.clock, [Outlet(channel)], pace, sealer=self.sealer)

    async def until(self, state: str, count: int, seconds: float = 20) -> None:
        """Wait until so many notifications are in this state."""

        async def reached() -> bool:
            return (await self.states())[state] == count

        await until(reached, seconds)

    async def settled(self, seconds: float = 20) -> Counter[str]:
        """Wait until nothing is planned, queued, due again or under way; the states then."""

        found: Counter[str] = Counter()

        async def at_rest() -> bool:
            nonlocal found
            found = await self.states()
            return not found.keys() & {"planned", "queued", "retry", "sending"}

        await until(lambda: _unless_cut(at_rest), seconds)
        return found


@dataclass(frozen=True)
class Front:
    """A desk, and a client of the service's HTTP door."""

    desk: Desk
    client: httpx.AsyncClient


async def _unless_cut(ask: Callable[[], Awaitable[bool]]) -> bool:
    """The answer; False when the pool gave a connection that was cut and not yet missed."""
    try:
        return await ask()
    except Exception as error:
        if not is_outage(error):
            raise
        return False


def card(
    vendor_id: UUID,
    email: str | None = "",
    *,
    name: str = "Siti Aminah",
    language: str = "id",
    phone: str = "+6281234567890",
) -> ContactCard:
    """A contact card; by default with an e-mail address of its own."""
    address = f"v{vendor_id.hex}@example.com" if email == "" else email
    return ContactCard.model_validate(
        {"vendor_id": vendor_id, "name": name, "phone": phone, "email": address, "language": language}
    )


def enrolled(vendor_id: UUID) -> TrainingEnrolled:
    """An event that makes one message."""
    return TrainingEnrolled(
        vendor_id=vendor_id, class_id=new_id(), course="dasar", title="Dasar Kewirausahaan", days=[]
    )


def offer(vendor_id: UUID, now: datetime, hours: float = 24) -> BoothAssigned:
    """An event that makes one urgent message, worthless after `hours`."""
    return BoothAssigned(
        application_id=new_id(),
        bazaar_id=new_id(),
        vendor_id=vendor_id,
        bazaar_name="Bazar Jakpreneur",
        site_id="sb",
        site_name="Rusun Karang Anyar",
        booth="A07",
        days=[],
        respond_by=now + timedelta(hours=hours),
    )


def people(number: int) -> list[UUID]:
    """Ids of so many vendors."""
    return [new_id() for _ in range(number)]


# --- deliveries in processes of their own, for the tests that kill them


@dataclass
class Victims:
    """Pairs of deliveries that die at random steps. A process that has everything imported forks them quickly."""

    process: asyncio.subprocess.Process
    pids: list[int] = field(default_factory=list)

    async def let_die(self, seed: int, is_over: Callable[[], Awaitable[bool]]) -> list[int]:
        """Start a pair and wait until both are dead; once it `is_over` who still lives is killed from outside.

        Gives the signals that ended them.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{seed}\n".encode())
        self.pids = [int(pid) for pid in (await self.process.stdout.readline()).split()]
        ends = asyncio.ensure_future(self.process.stdout.readline())
        while not (await asyncio.wait([ends], timeout=0.1))[0]:
            if await is_over():
                self.kill()
        self.pids = []
        return [int(number) for number in ends.result().split()]

    def kill(self) -> None:
        """kill -9."""
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@asynccontextmanager
async def victims(dsn: str, port: int, where: str, channel: str = "email") -> AsyncIterator[Victims]:
    """Deliveries to be killed, on this database and this provider of a channel."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.notify", dsn, str(port), channel),
        env={**os.environ, "LAPAK_FAILPOINTS": where},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    found = Victims(process)
    try:
        yield found
    finally:
        found.kill()
        process.kill()
        await process.wait()


async def _deliver(dsn: str, port: int, channel: str) -> None:
    from tests.integration.notify_wires import Wire, outlet

    database = await open_database(dsn, size=4, name="test-notify-victim")
    desk = Desk(database, StandingClock(), Sealer(SECRET_KEYS))
    assert channel in get_args(Wire)
    outlets = [outlet(cast(Wire, channel), port)]
    pace = replace(QUICK, claim_seconds=1.0)  # who survives soon takes what the other one held
    await Delivery(database, desk.clock, outlets, pace, sealer=desk.sealer).run(asyncio.Event())


def _breed(dsn: str, port: int, channel: str) -> None:
    """For each seed read: fork two deliveries, tell their pids, wait, and tell the signals that ended them."""
    for line in sys.stdin:
        pids = []
        for number in range(2):
            pid = os.fork()
            if pid == 0:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                failpoints._RANDOM.seed(f"{line.strip()}/{number}")
                asyncio.run(_deliver(dsn, port, channel))
                os._exit(1)
            pids.append(pid)
        sys.stdout.write(" ".join(map(str, pids)) + "\n")
        sys.stdout.flush()
        ends = [os.WTERMSIG(os.waitpid(pid, 0)[1]) for pid in pids]
        sys.stdout.write(" ".join(map(str, ends)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _breed(sys.argv[1], int(sys.argv[2]), sys.argv[3])
