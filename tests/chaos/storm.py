"""A run: the load, the people who answer, the kills among it, the rest after it, and what the checker finds."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from deploy.local import services
from deploy.local.stack import Running
from tests.chaos.answering import People
from tests.chaos.books import Unknown, count_ways, list_unknown, trace
from tests.chaos.channels import opened
from tests.chaos.checker import Finding, count_duplicates, count_events, first_appearances, judge
from tests.chaos.evidence import LISTENS, OPERATIONS, Evidence, gather, last_mail
from tests.chaos.fleet import (
    CHANCES_IN_TURN,
    CONSUMES,
    ENDED,
    EVERYWHERE,
    RELAYS,
    SENDS,
    Death,
    Fleet,
    Member,
    armed_at_random,
    armed_in_turn,
    until,
)
from tests.chaos.load import EVENTS_PER_PERSON, Load
from tests.chaos.setting import come_to_rest, fresh_databases, fresh_topics

__all__ = ["SERVICES", "Outcome", "Tell", "look", "rage", "squall", "take_over"]

SERVICES = ("vendor", "training", "bazaar", "notify", "witness")
OUTSIDE_SHARE = 0.4
"""Of the kills asked for, planned from outside; the rest happens at failpoints, or is added from outside."""
OUTAGES = (
    (0.25, "providers", 0.0),
    (0.4, "kafka", 20.0),
    (0.55, "providers", 0.0),
    (0.7, "postgres", 0.0),
    (0.8, "network", 8.0),
)
"""At which share of the load which server goes away, and for how many seconds."""
NOTIFY_SHARE = 0.4
"""Of the kills from outside, those that notify gets beside its turn."""
ANSWERS_SECONDS_MAX = 120.0
"""After the load: for offers to be made, to arrive, and to be answered."""
MILESTONES = 20
AFTER_SECONDS_MAX = 2.0
REST_SECONDS_MAX = 300.0
TAKE_OVER_SECONDS_MAX = 600.0
IN_TURN_SECONDS_MAX = 600.0
"""Only a wait in vain lasts so long: a busy machine takes a minute to start a process."""
STALL_SECONDS = 4.0
TRICKLE_SECONDS = 0.3

Tell = Callable[[str, int, int], None]
"""(what, done, of how many)."""


@dataclass
class Outcome:
    """What a run showed."""

    seed: int
    events: int
    duplicates: Mapping[str, int]
    deaths: list[Death]
    findings: list[Finding]
    seconds: dict[str, float]
    load: dict[str, int]
    unknown: list[Unknown]
    ways: dict[str, int]
    traces: dict[str, list[str]]
    """What there is of each message that a finding names."""
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def kills(self) -> Counter[str]:
        """Kills by where they happened."""
        return Counter(death.point for death in self.deaths if death.point != ENDED)

    def faults(self) -> Counter[str]:
        """Findings by sort."""
        return Counter(finding.fault for finding in self.findings)


async def rage(running: Running, *, seed: int, events: int, kills: int, tell: Tell) -> Outcome:
    """The long form: all services, so many events and kills, Kafka and PostgreSQL gone once, one of each for good."""
    await fresh_topics(running.kafka)
    async with opened(running, seed) as channels, fresh_databases(running, SERVICES) as databases:
        mail = await last_mail(running.mail_url)
        await channels.misbehave()
        began = time.monotonic()
        async with (
            Fleet(running, databases, channels, seed=seed, arm=armed_at_random(seed)) as fleet,
            Load(fleet, services.issuer(running), seed=seed) as load,
            _answering(running, seed) as people,
        ):
            load.plan(-int(-events // EVENTS_PER_PERSON), set(SERVICES))
            script = _Script(fleet, load, seed=seed, kills=kills, tell=tell)
            acting = asyncio.create_task(script.act())
            await load.run(script.may_go)
            await acting
            await script.add_kills(kills)
            await _answered(load, people, tell)
            loaded = time.monotonic()
            tell("disarming", 0, 0)
            await fleet.disarm()
            chance = random.Random(f"{seed}/for good")
            for service in databases:
                await fleet.dismiss(chance.choice(fleet.of(service)))
            for member in await take_over(fleet):
                fleet.complaints.append(f"{member.name} did not take over: {await fleet.parts(member)}")
            _, left = await come_to_rest(
                running, databases, REST_SECONDS_MAX, lambda what: tell(f"coming to rest: {what}", 0, 0)
            )
            if left:
                fleet.complaints.append(f"still under way after {REST_SECONDS_MAX:.0f} s: {left}")
            rested = time.monotonic()
            outcome, _ = await look(running, databases, mail, fleet, load, seed)
        outcome.seconds = {"storm": loaded - began, "catch-up": rested - loaded, "all": time.monotonic() - began}
    return outcome


async def squall(running: Running, *, seed: int, people: int) -> Outcome:
    """The short form: three services, each point of theirs killed at once; work shared before, taken over after."""
    await fresh_topics(running.kafka)
    points = {"vendor": (*EVERYWHERE, *RELAYS), "notify": SENDS, "witness": CONSUMES}
    async with opened(running, seed) as channels, fresh_databases(running, points) as databases:
        mail = await last_mail(running.mail_url)
        await channels.misbehave()
        began = time.monotonic()
        arm = armed_in_turn(seed, points)
        async with (
            Fleet(running, databases, channels, seed=seed, arm=arm, chances=CHANCES_IN_TURN) as fleet,
            Load(fleet, services.issuer(running), seed=seed) as load,
        ):
            load.plan(people, set(points))
            await fleet.serving()
            await _share(fleet)
            wanted = {point for some in points.values() for point in some}
            killing = asyncio.create_task(_kill_in_turn(fleet, wanted))
            await load.run(lambda place: _at_the_pace_of_kills(fleet, wanted, place / len(load.steps)))
            while not killing.done():  # who is still to die needs something to do
                await load.one_more()
                await asyncio.sleep(TRICKLE_SECONDS)
            await killing
            loaded = time.monotonic()
            await fleet.disarm()
            leaving = [min(fleet.of(service), key=lambda one: one.point is not None) for service in databases]
            await asyncio.gather(*map(fleet.dismiss, leaving))
            (notify,) = fleet.of("notify")
            await fleet.kill(notify)
            await _end_leases(databases["notify"])
            for member in await take_over(fleet):
                fleet.complaints.append(f"{member.name} did not take over: {await fleet.parts(member)}")
            _, left = await come_to_rest(running, databases, TAKE_OVER_SECONDS_MAX)
            if left:
                fleet.complaints.append(f"still under way: {left}")
            if missing := wanted - fleet.kinds().keys():
                fleet.complaints.append(f"nobody died at {', '.join(sorted(missing))}")
            rested = time.monotonic()
            outcome, _ = await look(running, databases, mail, fleet, load, seed)
        outcome.seconds = {"storm": loaded - began, "catch-up": rested - loaded, "all": time.monotonic() - began}
    return outcome


@asynccontextmanager
async def _answering(running: Running, seed: int) -> AsyncIterator[People]:
    """People look at their phones and answer, until the block ends."""
    people = People(running.providers_url, seed)
    task = asyncio.create_task(people.answer())
    try:
        yield people
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task  # a fault of theirs is not passed over


async def _answered(load: Load, people: People, tell: Tell) -> None:
    """Wait until whoever was offered a booth had time to answer."""
    with suppress(TimeoutError):
        async with asyncio.timeout(ANSWERS_SECONDS_MAX):
            while not (load.round_held and people.offered and people.has_answered):
                tell("answers", people.offered, 0)
                await asyncio.sleep(1.0)


async def _share(fleet: Fleet) -> None:
    """Wait until the two instances of each service have half of the partitions each, and one of them the relay."""

    async def shared() -> bool:
        for service in {member.service for member in fleet.members}:
            said = [await fleet.parts(member) for member in fleet.of(service)]
            halves = [
                [parts.get(f"consumer {topic}") for topic in LISTENS[service] if topic != OPERATIONS] for parts in said
            ]
            if sorted(parts.get("relay", "") for parts in said) != ["leads", "stands by"]:
                return False
            if any(word != "3 partitions" for words in halves for word in words):
                return False
        return True

    await until(shared, TAKE_OVER_SECONDS_MAX, "two instances to share the work")


async def _kill_in_turn(fleet: Fleet, wanted: set[str]) -> None:
    """Kill all from outside; then whoever leads in place of one that may die leading; until each has killed."""
    await asyncio.gather(*map(fleet.kill, fleet.members))
    deaths, since = len(fleet.deaths), time.monotonic()
    deadline = since + IN_TURN_SECONDS_MAX
    while not wanted <= fleet.kinds().keys() and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        if len(fleet.deaths) != deaths:
            deaths, since = len(fleet.deaths), time.monotonic()
            deadline = since + IN_TURN_SECONDS_MAX
        elif time.monotonic() - since > STALL_SECONDS:
            alive = [member for member in fleet.members if member.serves.is_set()]
            stand_by = {member.service for member in alive if member.point in RELAYS}
            for member in alive:
                if member.point is None and member.service in stand_by:
                    await fleet.kill(member)
            since = time.monotonic()


async def _at_the_pace_of_kills(fleet: Fleet, wanted: set[str], share: float) -> None:
    """Hold the load back while fewer points have killed than there should be by now; a little work always comes."""
    if len(wanted & fleet.kinds().keys()) < share * len(wanted):
        await asyncio.sleep(TRICKLE_SECONDS)


async def _end_leases(dsn: str) -> None:
    """No sender is alive: have what the dead ones held come back now, and not after two minutes; and the people whom
    they were about to write to, not after half a minute.
    """
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute("UPDATE notification SET due_at = clock_timestamp() WHERE due_at > clock_timestamp()")
        await conn.execute(
            "UPDATE budget_recent SET free_at = clock_timestamp() + make_interval(secs => pair_seconds) "
            "WHERE free_at > clock_timestamp() + make_interval(secs => pair_seconds)"
        )
    finally:
        await conn.close()


class _Script:
    """When who is killed: places in the sequence of the load, from the seed."""

    def __init__(self, fleet: Fleet, load: Load, *, seed: int, kills: int, tell: Tell) -> None:
        self._fleet = fleet
        self._load = load
        self._kills = kills
        self._tell = tell
        self._chance = random.Random(f"{seed}/kills")
        self._steps = len(load.steps)
        outages = [(int(share * self._steps), server, seconds) for share, server, seconds in OUTAGES]
        places = [(self._chance.randrange(self._steps), "", 0.0) for _ in range(round(kills * OUTSIDE_SHARE))]
        self._script = sorted([*outages, *places])
        self._reached = 0
        self._moved = asyncio.Condition()
        self._begun = 0

    async def may_go(self, place: int) -> None:
        """Hold the load back until what was to happen before this place has begun, and enough have died."""
        async with self._moved:
            self._reached = place
            self._moved.notify_all()
            await self._moved.wait_for(lambda: sum(at < place for at, _, _ in self._script) <= self._begun)
        if place % max(1, self._steps // MILESTONES) == 0:
            await self.add_kills(round(self._kills * place / self._steps))
        self._tell("load", place, self._steps)
        self._tell("kills", self._fleet.killed, self._kills)

    async def act(self) -> None:
        """Do what the script says, one after the other."""
        for at, server, seconds in self._script:
            victim, wait = self._victim(), self._chance.uniform(0, AFTER_SECONDS_MAX)
            async with self._moved:
                await self._moved.wait_for(lambda at=at: self._reached >= at or self._load.done >= self._steps)  # type: ignore[misc]  # bound early on purpose
                if server:
                    self._begun += 1  # the load goes on while a server is away
                    self._moved.notify_all()
            if server:
                self._tell(f"{server} is away", 0, 0)
                await self._take_away(server, seconds)
                continue
            await self._fleet.kill(victim, wait)
            async with self._moved:
                self._begun += 1
                self._moved.notify_all()

    async def _take_away(self, server: str, seconds: float) -> None:
        channels = self._fleet.channels
        match server:
            case "providers":
                await self._fleet.lose_providers()
            case "network":
                await asyncio.gather(channels.inward.pause(seconds), channels.outward.pause(seconds))
                channels.outward.cut()
            case _:
                await self._fleet.take_away(server, seconds)

    def _victim(self) -> Member:
        """Anybody, notify more often."""
        some = self._fleet.of("notify") if self._chance.random() < NOTIFY_SHARE else self._fleet.members
        return self._chance.choice(some)

    async def add_kills(self, wanted: int) -> None:
        """Kill from outside until so many are dead."""
        while self._fleet.killed < wanted:
            await self._fleet.kill(self._victim(), self._chance.uniform(0, AFTER_SECONDS_MAX))
            self._tell("kills", self._fleet.killed, self._kills)


async def take_over(fleet: Fleet) -> list[Member]:
    """Wait until each surviving instance does all the work alone; those that do not."""
    survivors = [member for member in fleet.members if not member.dismissed]

    async def alone(member: Member) -> bool:
        parts = await fleet.parts(member)
        partitions = {topic: parts.get(f"consumer {topic}") for topic in LISTENS[member.service]}
        return parts.get("relay") == "leads" and all(
            word == ("1 partitions" if topic == OPERATIONS else "6 partitions") for topic, word in partitions.items()
        )

    async def waited(member: Member) -> Member | None:
        try:
            await until(lambda: alone(member), TAKE_OVER_SECONDS_MAX, member.name)
        except TimeoutError:
            return member
        return None

    return [member for member in await asyncio.gather(*map(waited, survivors)) if member is not None]


async def look(
    running: Running, databases: Mapping[str, str], mail: int, fleet: Fleet, load: Load, seed: int
) -> tuple[Outcome, Evidence]:
    """Gather what the run left behind, and judge it."""
    load.ledger.complaints += fleet.complaints
    evidence = await gather(running.kafka, databases, running.mail_url, mail, running.providers_url, load.ledger)
    findings = await asyncio.to_thread(judge, evidence)
    firsts = first_appearances(evidence)
    notifications = evidence.tables.get("notify.notification", [])
    outcome = Outcome(
        seed=seed,
        events=count_events(evidence),
        duplicates=count_duplicates(evidence),
        deaths=list(fleet.deaths),
        findings=findings,
        seconds={},
        load={
            "people": len(load.ledger.people),
            "steps": load.done,
            "commands sent twice": load.sent_twice,
            "requests asked again": load.asked_again,
            "answered from the first time": load.replayed,
            "messages": len(notifications),
        },
        unknown=list_unknown(evidence),
        ways=count_ways(evidence, firsts),
        traces={
            key: found for key in dict.fromkeys(one.key for one in findings) if (found := trace(evidence, firsts, key))
        },
        errors=_logged_errors(running.state_dir / "logs"),
    )
    return outcome, evidence


def _logged_errors(logs: Path) -> dict[str, int]:
    """What the processes logged as errors -> how often: by service and event; a library's by its name alone."""
    found: Counter[str] = Counter()
    for path in sorted(logs.glob("chaos-*.log")):
        for line in path.read_text(errors="replace").splitlines():
            try:
                said: Any = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict) and said.get("level") in ("error", "critical"):
                what = said.get("logger") or said.get("event")
                found[f"{path.stem.removeprefix('chaos-')[:-2]} {what}"] += 1
    return dict(found)
