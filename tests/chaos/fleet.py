"""The processes of a run: two instances of each service, killed with -9 inside and outside, and started again.

Where a started process may die follows from the run's seed, the service, the instance and the number of the start;
so does where its chance stands. When it comes there is the machine's affair.
"""

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from deploy.local import services, stack
from deploy.local.processes import HOST, PROCESS_MARK, STATE_DIR_MARK, ProcessRecord, free_port, identity, port_is_free
from deploy.local.stack import Running
from deploy.local.state import REPOSITORY, edit
from tests.chaos.channels import Channels

__all__ = [
    "CHANCES_IN_TURN",
    "CONSUMES",
    "ENDED",
    "EVERYWHERE",
    "INSTANCES",
    "OUTSIDE",
    "POINTS",
    "RELAYS",
    "SENDS",
    "Death",
    "Fleet",
    "Member",
    "armed_at_random",
    "armed_in_turn",
    "until",
]

INSTANCES = (1, 2)
OUTSIDE = "from outside"
ENDED = "ended by itself"
ARMED_SHARE = 0.75
START_SECONDS_MAX = 600.0
"""On a very busy machine; on a quiet one it takes five seconds."""
AWAY_SECONDS = 180.0
"""So long after a server went away a start may fail."""
AGAIN_SECONDS = 1.0
TAIL_LINES = 40

EVERYWHERE = ("db.committing", "db.committed")
RELAYS = ("relay.read", "relay.published", "relay.deleted")
CONSUMES = ("consume.received", "consume.applied", "consume.committed")
SENDS = ("notify.begun", "notify.sent", "notify.recording", "notify.recorded")
POINTS: Mapping[str, Sequence[str]] = {
    "vendor": (*EVERYWHERE, *RELAYS, *CONSUMES),
    "training": (*EVERYWHERE, *RELAYS, *CONSUMES),
    "bazaar": (*EVERYWHERE, *RELAYS, *CONSUMES),
    "notify": (*EVERYWHERE, *RELAYS, *CONSUMES, *SENDS),
    "witness": (*EVERYWHERE, *CONSUMES),
}
"""Service -> the points it passes (`shared.failpoints`)."""

# Of dying where a point is passed: great for what comes seldom (a batch), small for what comes all the time (a commit),
# so that a process does some work before it dies.
CHANCES: Mapping[str, float] = {"db": 0.04, "relay": 0.6, "consume": 0.6, "notify": 0.15}
CHANCES_IN_TURN: Mapping[str, float] = {"db": 0.1, "relay": 0.7, "consume": 0.8, "notify": 0.5}
"""For a short run with little work."""

Arm = Callable[[str, int, int], str | None]
"""(service, instance, start) -> the point where this start may die; None: nowhere."""


def armed_at_random(seed: int) -> Arm:
    """Three starts of four may die, at one of their service's points."""

    def arm(service: str, number: int, start: int) -> str | None:
        chance = random.Random(f"{seed}/{service}/{number}/{start}/point")
        return chance.choice(POINTS[service]) if chance.random() < ARMED_SHARE else None

    return arm


def armed_in_turn(seed: int, points: Mapping[str, Sequence[str]]) -> Arm:
    """First starts live; each later start of a service may die at the next of its points, until all had their turn."""
    left = {
        service: random.Random(f"{seed}/{service}/turn").sample(list(some), len(some))
        for service, some in points.items()
    }

    def arm(service: str, number: int, start: int) -> str | None:
        return left[service].pop() if start > 1 and left[service] else None

    return arm


@dataclass(frozen=True)
class Death:
    """A process that ended: of whom, its how-manieth start, where, and how many seconds after the run began."""

    member: str
    start: int
    point: str
    seconds: float


@dataclass
class Member:
    """One instance of one service."""

    service: str
    number: int
    dsn: str
    argv: Sequence[str]
    port: int
    starts: int = 0
    point: str | None = None
    process: asyncio.subprocess.Process | None = None
    serves: asyncio.Event = field(default_factory=asyncio.Event)
    asked: bool = False
    dismissed: bool = False

    @property
    def name(self) -> str:
        """For example vendor-2."""
        return f"{self.service}-{self.number}"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self.port}"


class Fleet:
    """All instances. `async with`: they live until the block ends."""

    def __init__(
        self,
        running: Running,
        databases: Mapping[str, str],
        channels: Channels,
        *,
        seed: int = 0,
        arm: Arm | None = None,
        chances: Mapping[str, float] = CHANCES,
        instances: Sequence[int] = INSTANCES,
    ) -> None:
        self.running = running
        self.channels = channels
        channels.notify_ports = self._notify_ports
        self.deaths: list[Death] = []
        self.complaints: list[str] = []
        self.members = [self._member(service, n, dsn) for service, dsn in databases.items() for n in instances]
        self._seed = seed
        self._arm = arm
        self._chances = chances
        self._began = time.monotonic()
        self._reviving = asyncio.Lock()
        self._away = 0.0
        self._turn = 0
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []

    def _notify_ports(self) -> list[int]:
        """Where a call to notify may go, in turn."""
        members = [one for one in self.of("notify") if one.serves.is_set()]
        self._turn += 1
        return [members[(self._turn + place) % len(members)].port for place in range(len(members))]

    def _member(self, service: str, number: int, dsn: str) -> Member:
        run = ["tests.chaos.witness"] if service == "witness" else ["services.cli", "run", service]
        return Member(service, number, dsn, [sys.executable, "-m", *run], free_port())

    async def __aenter__(self) -> "Fleet":
        self._tasks = [asyncio.create_task(self._live(member), name=member.name) for member in self.members]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        for member in self.members:
            _signal(member, signal.SIGKILL)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with edit(self.running.state_dir) as state:
            for member in self.members:
                state.processes.pop(_process_name(member), None)

    # --- lives

    async def _live(self, member: Member) -> None:
        while not (member.dismissed or self._closing):
            async with self._reviving:
                process = await self._start(member)
            if self._closing:  # the end came while it was started
                _signal(member, signal.SIGKILL)
            answering = asyncio.create_task(_answering(member))
            code = await process.wait()
            answering.cancel()
            member.serves.clear()
            member.process = None
            self._note(member, code)
            if code != -signal.SIGKILL:
                await asyncio.sleep(AGAIN_SECONDS)

    async def _start(self, member: Member) -> asyncio.subprocess.Process:
        member.starts += 1
        member.asked = False
        member.point = None if self._arm is None else self._arm(member.service, member.number, member.starts)
        if not port_is_free(member.port):  # somebody else took it while we were dead
            member.port = free_port()
        env = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            **services.environment(self.running, member.service, member.dsn, member.port),
        }
        if member.service == "notify":
            env |= self.channels.environment()
        if member.point is not None:
            chance = self._chances[member.point.partition(".")[0]]
            env["LAPAK_FAILPOINTS"] = f"{member.point}:{chance}"
            env["LAPAK_FAILPOINTS_SEED"] = f"{self._seed}/{member.name}/{member.starts}"
        # the stack's marks and record: whatever becomes of us, the next start or stop of the stack ends this process
        env |= {STATE_DIR_MARK: str(self.running.state_dir), PROCESS_MARK: _process_name(member)}
        with self._log(member).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *member.argv,
                env=env,
                cwd=REPOSITORY,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        member.process = process
        with edit(self.running.state_dir) as state:
            state.processes[_process_name(member)] = ProcessRecord(
                name=_process_name(member),
                pid=process.pid,
                identity=identity(process.pid) or "ended at once",
                argv=list(member.argv),
                log=str(self._log(member)),
                started_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                address=f"{HOST}:{member.port}",
            )
        return process

    def _log(self, member: Member) -> Path:
        folder = self.running.state_dir / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{_process_name(member)}.log"

    def _note(self, member: Member, code: int) -> None:
        if self._closing:
            return
        seconds = round(time.monotonic() - self._began, 1)
        if code == -signal.SIGKILL and (member.asked or member.point is not None):
            point = OUTSIDE if member.asked else member.point or ""
            self.deaths.append(Death(member.name, member.starts, point, seconds))
            return
        self.deaths.append(Death(member.name, member.starts, ENDED, seconds))
        if time.monotonic() > self._away:  # while a server is away a start may fail: whoever runs services starts anew
            tail = self._log(member).read_text(errors="replace").splitlines()[-TAIL_LINES:]
            if any("address already in use" in line for line in tail):
                return  # somebody was faster in taking its port; the next start has another
            self.complaints.append(f"{member.name} ended by itself with {code}: {' | '.join(tail[-3:])[-600:]}")

    # --- kills

    def of(self, service: str) -> list[Member]:
        """Its instances that are not dismissed."""
        return [member for member in self.members if member.service == service and not member.dismissed]

    @property
    def killed(self) -> int:
        """How many died of -9 so far."""
        return sum(death.point != ENDED for death in self.deaths)

    def kinds(self) -> Counter[str]:
        """Deaths by where they happened."""
        return Counter(death.point for death in self.deaths)

    async def kill(self, member: Member, after_seconds: float = 0.0) -> bool:
        """kill -9 from outside, so long after it serves; True when that ended it (it may die by itself before)."""
        with suppress(TimeoutError):
            await asyncio.wait_for(member.serves.wait(), START_SECONDS_MAX)
        starts = member.starts
        await asyncio.sleep(after_seconds)
        if member.process is None or member.starts != starts:
            return False
        member.asked = True
        process = member.process
        _signal(member, signal.SIGKILL)
        await process.wait()
        return True

    async def dismiss(self, member: Member) -> None:
        """Kill it for good: nobody starts it again."""
        member.dismissed = True
        await self.kill(member)

    async def disarm(self) -> None:
        """From now on nobody dies by itself: those that still may are killed, and start without."""
        self._arm = None
        armed = [member for member in self.members if member.point is not None and member.process is not None]
        for member in armed:
            member.asked = True
            _signal(member, signal.SIGKILL)

        async def disarmed() -> bool:
            return all(member.point is None for member in self.members if not member.dismissed)

        await until(disarmed, START_SECONDS_MAX, "every process to be started without a failpoint")

    async def take_away(self, server: str, seconds: float) -> None:
        """Kill a server of the stack, and bring it back after so many seconds."""
        self._away = time.monotonic() + seconds + AWAY_SECONDS
        if not await asyncio.to_thread(stack.kill, self.running.name, server):
            raise RuntimeError(f"there is no {server} to kill")
        await asyncio.sleep(seconds)
        async with self._reviving:  # `stack.start` ends whatever process is in no record yet
            await asyncio.to_thread(stack.start, self.running.name)
        self._away = time.monotonic() + 10

    async def lose_providers(self) -> None:
        """Kill the providers, whose connections break off; started anew they go wrong as before."""
        await self.take_away("providers", 0.0)
        self.channels.outward.cut()
        await self.channels.misbehave()

    # --- health

    async def serving(self) -> None:
        """Wait until every instance answers."""
        async with asyncio.timeout(START_SECONDS_MAX):
            for member in self.members:
                if not member.dismissed:
                    await member.serves.wait()

    async def parts(self, member: Member) -> dict[str, str]:
        """What an instance says of its parts when it is ready; empty when it is not."""
        try:
            async with httpx.AsyncClient(timeout=5, verify=False) as client:
                answer = await client.get(f"{member.url}/health/ready")
        except httpx.HTTPError:
            return {}
        if answer.status_code != 200:
            return {}
        return {name: part["detail"] for name, part in answer.json()["components"].items()}


def _process_name(member: Member) -> str:
    return f"chaos-{member.name}"


def _signal(member: Member, number: signal.Signals) -> None:
    if member.process is not None and member.process.returncode is None:
        with suppress(ProcessLookupError):
            member.process.send_signal(number)


async def _answering(member: Member) -> None:
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(HOST, member.port)
            writer.close()
            member.serves.set()
            return
        await asyncio.sleep(0.1)


async def until(true: Callable[[], Awaitable[bool]], seconds: float, what: str) -> None:
    """Poll until it is true; TimeoutError naming what was waited for."""
    deadline = time.monotonic() + seconds
    while not await true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        await asyncio.sleep(0.2)
