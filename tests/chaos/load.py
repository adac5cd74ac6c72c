"""The load: what officers and other services ask for while everything dies around them, and what was acknowledged.

The steps and their order follow from the seed. A client repeats a request with the same Idempotency-Key, at either
instance, until it is answered; a command on Kafka is sent again with the same id when its fate is unknown, and every
fifth is sent twice on purpose.
"""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from deploy.local.demo.people import AGENCIES, CATEGORIES, Person, make_people, to_csv
from shared.auth import LocalIssuer
from shared.clock import day_in_jakarta
from shared.events.envelope import Envelope, write_headers
from shared.events.vendor import RegisterVendor
from shared.kafka import open_producer
from tests.chaos.evidence import BAZAAR, TRAINING, VENDOR, Ledger
from tests.chaos.fleet import Fleet

__all__ = ["EVENTS_PER_PERSON", "Load"]

EVENTS_PER_PERSON = 6.0
"""Rounded down: registered, card, invited, two messages sent; and for some more."""

AT_ONCE = 16
ANSWER_SECONDS_MAX = 240.0
WHOLE_SECONDS_MAX = 1200.0
HEARD_MIN = 20
"""A request is given up after so many seconds, and not before somebody took it so many times, or the longest time has
passed: on a busy machine those who could answer take most of it to start.
"""
REQUEST_SECONDS = 20.0
PAUSE_SECONDS = (0.1, 0.6)
RETRIED_CODES = ("request-in-progress", "import-running", "unknown-vendor")
AREA = "31"
SITES = {"sawah-besar": "31.71.02.1001", "senen": "31.71.04.1001"}
COURSE = "dasar-kewirausahaan"
CLASS_PLACES = 40
SHEET_ROWS = 600
COMMANDS_PER_STEP = 10
SPARE = 500
"""People kept back for a run that needs more to do."""
ROUND_SECONDS = 60.0
"""How long applications for the round of offers are taken."""
ROUND_BOOTHS = 25
APPLICANTS_MAX = 90
ROUND_NAME = "Bazar Undian"
LATER = 60
"""So many steps after a registration something is asked about the vendor, at the earliest."""

Act = Callable[[], Awaitable[None]]


class NotAnswered(RuntimeError):
    """A request that nobody answered in time."""


@dataclass
class Load:
    """Steps to do, in order, and the ledger they fill."""

    fleet: Fleet
    issuer: LocalIssuer
    seed: int
    ledger: Ledger = field(default_factory=Ledger)
    steps: list[Act] = field(default_factory=list)
    done: int = 0
    asked_again: int = 0
    """Requests repeated because no answer came."""
    replayed: int = 0
    """Of those: answered from the first time."""
    sent_twice: int = 0
    round_held: bool = False
    """The round of offers is decided, or given up."""

    def __post_init__(self) -> None:
        self.chance = random.Random(f"{self.seed}/load")
        self._pause = random.Random(f"{self.seed}/pause")
        self._turn = itertools.count()
        self._token = self.issuer.token("officer-chaos", ["officer"], area=AREA)
        self._client = httpx.AsyncClient(timeout=REQUEST_SECONDS, verify=False)
        self._producer: AIOKafkaProducer | None = None
        self._spare: list[Person] = []
        self._bazaar: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> "Load":
        self._producer = await open_producer(self.fleet.running.kafka, "chaos-kelurahan-app")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()
        if self._producer is not None:
            await self._producer.stop()

    # --- what is asked, in which order

    def plan(self, people: int, services: set[str]) -> None:
        """Lay out the steps for so many people: over HTTP, by command, from sheets; and what follows."""
        everybody = make_people(people + SPARE, self.seed)
        everybody, self._spare = everybody[:people], everybody[people:]
        by_file = everybody[: people // 4]
        by_command = everybody[people // 4 : people // 4 + people // 5]
        one_by_one = everybody[people // 4 + people // 5 :]
        self.ledger.people |= {person.phone for person in everybody}
        known = {person.nik: self._promise_of_id() for person in one_by_one}
        steps: list[tuple[float, Act]] = []
        span = float(len(one_by_one))

        def put(at: float, act: Act) -> None:
            steps.append((at, act))

        for place, person in enumerate(one_by_one):
            put(place, self._registers(person, known[person.nik]))
            later = place + LATER + self.chance.random() * span / 4
            if self.chance.random() < 0.3:
                category = self.chance.choice([code for code in CATEGORIES if code != person.category])
                put(later, self._changes(known[person.nik], "category", category))
            if self.chance.random() < 0.3:
                agency = self.chance.choice([code for code in AGENCIES if code != person.agency])
                put(later + self.chance.random() * 40, self._changes(known[person.nik], "agency", agency))
            if "bazaar" in services and self.chance.random() < 0.15:
                put(later + span / 8, self._applies(known[person.nik], withdraws=self.chance.random() < 0.3))
        for number in range(0, len(by_command), COMMANDS_PER_STEP):
            batch = by_command[number : number + COMMANDS_PER_STEP]
            put(self.chance.random() * span, self._commands(number, batch))
        for number in range(0, len(by_file), SHEET_ROWS):
            put(self.chance.random() * span / 2, self._imports(by_file[number : number + SHEET_ROWS]))
        if "bazaar" in services:
            put(-1.0, self._announces())
            hopeful = [known[person.nik] for person in one_by_one[: len(one_by_one) // 3]][:APPLICANTS_MAX]
            put(span * 0.45, self._draws_lots(hopeful))
        if "training" in services:
            put(-1.0, self._opens_for_later())
            pupils = [known[person.nik] for person in one_by_one[: len(one_by_one) * 2 // 5]]
            for number in range(0, len(pupils), CLASS_PLACES):
                put(number + span / 3, self._teaches(pupils[number : number + CLASS_PLACES]))
        self.steps = [act for _, act in sorted(steps, key=lambda step: step[0])]

    def _promise_of_id(self) -> "asyncio.Future[str]":
        return asyncio.get_running_loop().create_future()

    async def one_more(self) -> None:
        """Register somebody who is in no step."""
        person = self._spare.pop()
        self.ledger.people.add(person.phone)
        await self._registers(person, self._promise_of_id())()

    async def run(self, may_go: Callable[[int], Awaitable[None]]) -> None:
        """Do the steps in order, some at once; `may_go(place)` holds a step back until its time has come."""
        gate = asyncio.Semaphore(AT_ONCE)
        tasks = []
        for place, act in enumerate(self.steps):
            await may_go(place)
            await gate.acquire()
            tasks.append(asyncio.create_task(self._step(act, gate)))
        await asyncio.gather(*tasks)

    async def _step(self, act: Act, gate: asyncio.Semaphore) -> None:
        try:
            await act()
        except (NotAnswered, KafkaError) as error:
            self.ledger.complaints.append(f"{type(error).__name__}: {error}")
        finally:
            self.done += 1
            gate.release()

    # --- the steps

    def _registers(self, person: Person, known: "asyncio.Future[str]") -> Act:
        async def act() -> None:
            try:
                answer = await self.ask("vendor", "/v1/vendors", person.fields())
            except NotAnswered as error:
                known.set_exception(error)
                known.exception()  # whoever needs this vendor says so; that nobody does is no fault
                raise
            vendor_id = answer["vendor_id"]
            self.ledger.promise(VENDOR, vendor_id, "VendorRegistered")
            known.set_result(vendor_id)

        return act

    def _changes(self, known: "asyncio.Future[str]", what: str, code: str) -> Act:
        async def act() -> None:
            vendor_id = await known
            await self.ask("vendor", f"/v1/vendors/{vendor_id}/{what}", {what: code})
            kind = "VendorCategoryChosen" if what == "category" else "VendorCoached"
            self.ledger.promise(VENDOR, vendor_id, kind)

        return act

    def _imports(self, people: Sequence[Person]) -> Act:
        async def act() -> None:
            files = {"file": ("sheet.csv", to_csv(people), "text/csv")}
            report = await self.ask("vendor", "/v1/vendors/import", files=files)
            if (report["registered"], report["already"], report["rejected"]) != (len(people), 0, []):
                told = f"{report['registered']} registered, {report['already']} already"
                self.ledger.complaints.append(f"a sheet of {len(people)} people was reported as {told}")

        return act

    def _commands(self, number: int, people: Sequence[Person]) -> Act:
        """People to register by command, and one command that must be refused."""

        async def act() -> None:
            broken = replace(people[0], nik="0")
            for place, person in enumerate([*people, broken]):
                fields = {name: value for name, value in asdict(person).items() if value is not None}
                command = RegisterVendor(reference=f"chaos-{number}-{place}", **fields)
                identity = UUID(int=self._pause.getrandbits(128), version=4)
                if person is broken:
                    self.ledger.refused.add(str(identity))
                await self._send(command, identity)
                if place % 5 == 0:
                    self.sent_twice += 1
                    await self._send(command, identity)

        return act

    def _opens_for_later(self) -> Act:
        """A class to which newcomers are invited while it has room."""

        async def act() -> None:
            day = day_in_jakarta(datetime.now(UTC)) + timedelta(days=30)
            await self._open_class("Kelas bulan depan", day.isoformat(), 1000)

        return act

    def _teaches(self, pupils: Sequence["asyncio.Future[str]"]) -> Act:
        """A class of today: its pupils get places, attend, and complete it."""

        async def act() -> None:
            ids = [await known for known in pupils]
            today = day_in_jakarta(datetime.now(UTC)).isoformat()
            class_id = await self._open_class("Kelas hari ini", today, CLASS_PLACES)
            path, waiting = f"/v1/classes/{class_id}", ids
            deadline = asyncio.get_running_loop().time() + ANSWER_SECONDS_MAX
            while waiting and asyncio.get_running_loop().time() < deadline:
                answer = await self.ask("training", f"{path}/enrolments", {"vendor_ids": waiting})
                for vendor_id in answer["enrolled"]:
                    self.ledger.promise(TRAINING, vendor_id, "TrainingEnrolled")
                waiting = [refused["vendor_id"] for refused in answer["refused"]]
                if {refused["code"] for refused in answer["refused"]} - {"unknown-vendor"}:
                    raise NotAnswered(f"places in a class were refused: {answer['refused'][:3]}")
                await asyncio.sleep(1.0 if waiting else 0)
            if waiting:
                raise NotAnswered(f"training still does not know {len(waiting)} vendors")
            await self.ask("training", f"{path}/attendance", {"day": today, "vendor_ids": ids})
            await self.ask("training", f"{path}/finish")
            for vendor_id in ids:
                self.ledger.promise(TRAINING, vendor_id, "TrainingCompleted")

        return act

    async def _open_class(self, title: str, day: str, places: int) -> str:
        body = {"course": COURSE, "title": title, "area": "31.71", "days": [day], "places": places}
        class_id: str = (await self.ask("training", "/v1/classes", body))["class_id"]
        self.ledger.promise(TRAINING, class_id, "ClassOpened")
        return class_id

    def _announces(self) -> Act:
        async def act() -> None:
            closes = datetime.now(UTC) + timedelta(days=20)
            try:
                bazaar_id = await self._announce("Bazar di tengah badai", closes, 30)
                assert bazaar_id is not None
                self._bazaar.set_result(bazaar_id)
            except NotAnswered as error:
                self._bazaar.set_exception(error)
                raise

        return act

    def _applies(self, known: "asyncio.Future[str]", *, withdraws: bool) -> Act:
        tiers = self.chance.sample([[site] for site in SITES], len(SITES))

        async def act() -> None:
            vendor_id = await known
            path = f"/v1/bazaars/{await asyncio.shield(self._bazaar)}/applications"
            # an officer asks for the vendor; refused as long as the bazaar has not heard of it
            application = (await self.ask("bazaar", path, {"vendor_id": vendor_id, "choices": tiers}))["application_id"]
            self.ledger.promise(BAZAAR, application, "ApplicationReceived")
            if withdraws:
                await self.ask("bazaar", f"/v1/applications/{application}/withdraw")
                self.ledger.promise(BAZAAR, application, "ApplicationWithdrawn")

        return act

    def _draws_lots(self, hopeful: Sequence["asyncio.Future[str]"]) -> Act:
        """A round from its announcement to its offers; whoever is too late to apply is not in it."""

        async def act() -> None:
            try:
                ids = [await known for known in hopeful]
                now = datetime.now(UTC)
                closes = now + timedelta(seconds=ROUND_SECONDS)
                bazaar_id = await self._announce(ROUND_NAME, closes, ROUND_BOOTHS)
                if bazaar_id is None:
                    return
                path = f"/v1/bazaars/{bazaar_id}"
                for vendor_id in ids:
                    body = {"vendor_id": vendor_id, "choices": [[site] for site in SITES]}
                    answer = await self.ask("bazaar", f"{path}/applications", body, unless="applications-closed")
                    if answer is None:
                        break
                    self.ledger.promise(BAZAAR, answer["application_id"], "ApplicationReceived")
                await asyncio.sleep(max(0.0, (closes - datetime.now(UTC)).total_seconds()) + 1.0)
                await self.ask("bazaar", f"{path}/freeze")
                await self.ask("bazaar", f"{path}/seed", {"seed": str(self.seed), "source": "undian terbuka"})
                await self.ask("bazaar", f"{path}/allocate")
            finally:
                self.round_held = True

        return act

    async def _announce(self, name: str, closes: datetime, booths: int) -> str | None:
        """Announce a bazaar; None where its applications would have closed meanwhile."""
        body = {
            "name": name,
            "organisers": ["Dinas PPKUKM Provinsi DKI Jakarta"],
            "days": [(day_in_jakarta(datetime.now(UTC)) + timedelta(days=30)).isoformat()],
            "sites": [
                {"site_id": site, "name": site, "venue_type": "office", "kelurahan": code, "booths": booths}
                for site, code in SITES.items()
            ],
            "applications_close_at": closes.isoformat(),
            "policy": {"training_required": False},
        }
        bazaar_id: str = (await self.ask("bazaar", "/v1/bazaars", body))["bazaar_id"]
        if await self.ask("bazaar", f"/v1/bazaars/{bazaar_id}/announce", unless="closing-passed") is None:
            return None
        self.ledger.promise(BAZAAR, bazaar_id, "BazaarAnnounced")
        return bazaar_id

    # --- the two doors

    async def ask(
        self, service: str, path: str, body: Any = None, *, files: Any = None, unless: str | None = None
    ) -> Any:
        """POST until it is answered with success; None where it is refused with the code `unless`. Refusals that time
        mends are repeated; any other is a complaint.
        """
        headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": str(uuid4())}
        loop = asyncio.get_running_loop()
        began, heard = loop.time(), 0
        said = "nothing"
        while loop.time() - began < (ANSWER_SECONDS_MAX if heard >= HEARD_MIN else WHOLE_SECONDS_MAX):
            members = self.fleet.of(service)
            url = members[next(self._turn) % len(members)].url
            try:
                answer = await self._client.post(url + path, json=body, files=files, headers=headers)
            except httpx.TransportError as error:
                said = type(error).__name__
                self.asked_again += 1
                heard += not isinstance(error, httpx.ConnectError)
            else:
                heard += 1
                if answer.is_success:
                    self.replayed += answer.headers.get("idempotency-replayed") == "true"
                    return answer.json() if answer.content else None
                said = f"{answer.status_code} {answer.text[:300]}"
                if answer.status_code == 500:
                    self.ledger.complaints.append(f"POST {path} was answered {said}")
                elif unless is not None and _code(answer) == unless:
                    return None
                elif answer.status_code < 500 and answer.status_code != 429 and _code(answer) not in RETRIED_CODES:
                    raise NotAnswered(f"POST {path} was refused: {said}")
            await asyncio.sleep(self._pause.uniform(*PAUSE_SECONDS))
        seconds = loop.time() - began
        raise NotAnswered(f"POST {path}: taken {heard} times, no success in {seconds:.0f} s, the last answer: {said}")

    async def _send(self, command: RegisterVendor, identity: UUID) -> None:
        """Send a command until Kafka acknowledges it; sent again it keeps its id."""
        now = datetime.now(UTC)
        headers = write_headers(
            Envelope(identity, type(command).__name__, "chaos/kelurahan-app", now, command.subject, None, None)
        )
        deadline = asyncio.get_running_loop().time() + ANSWER_SECONDS_MAX
        while True:
            try:
                assert self._producer is not None
                await self._producer.send_and_wait(
                    command.topic, command.to_bytes(), key=command.subject.encode(), headers=headers
                )
            except (KafkaError, OSError):
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(self._pause.uniform(*PAUSE_SECONDS))
            else:
                return


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("code"))
    except ValueError:
        return ""
