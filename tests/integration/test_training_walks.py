"""Random walks: anybody does anything at any time, allowed or not, and after every step the books are right.

What is tried is drawn from a seed; ids are new each time, so two walks of one seed are alike and not the same: one that
fails tells its last steps. What holds always stands in `training_books`. `make test` plays one; `LAPAK_WALKS="102 6"`
in the environment plays walks of these seeds.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord

from services.training.app import create
from services.training.consumers import SUBSCRIPTIONS, names
from shared.auth import LocalIssuer
from shared.clock import day_in_jakarta
from shared.consume import Consumer
from shared.crypto import Sealer
from shared.events.cases import AnswerCapitalReferral
from shared.events.envelope import Envelope, Event, write_headers
from shared.events.products import IndicatorsReported
from shared.events.programme import EnrolmentChanged, PartnerAgreementMade
from shared.events.rights import ConsentGiven, ConsentWithdrawn, VendorErased
from shared.events.vendor import ContactCard, VendorEvent, VendorMerged, VendorMoved, VendorUnmerged
from shared.ids import new_id
from shared.timers import run_due
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.graduation import LEAST, ONLY_TURNOVER
from tests.integration.training import COURSE, GAMBIR, GAMBIR_KELURAHAN, KARANG_ANYAR, SAWAH_BESAR, School, registered
from tests.integration.training_books import Books, Row

FURTHER = "rencana-usaha"
BANK = "bank-dki"
PEOPLE, STEPS = 24, 400
AREAS = [SAWAH_BESAR, SAWAH_BESAR, GAMBIR, GAMBIR, "31.71", "31"]
TEXT = "Angka bulan lalu belum masuk semua."


class Walk:
    """One walk through training."""

    def __init__(self, school: School, clock: StandingClock, seed: int) -> None:
        self.school, self.clock, self.chance, self.books = school, clock, random.Random(seed), Books(school)
        self.timers = dict(create()._timers)
        self.people: list[UUID] = []
        self.merged: dict[UUID, UUID] = {}
        self.erased: set[UUID] = set()
        self.versions: Counter[UUID] = Counter()
        self.steps: Counter[tuple[UUID, str]] = Counter()
        self.done: Counter[str] = Counter()
        self.trail: list[str] = []

    # -- what there is to choose from

    def rows(self, table: str, *states: str) -> list[Row]:
        """Rows, most often those in one of these states."""
        rows = self.books.rows[table]
        if not states or self.chance.random() < 0.05:
            return rows
        return [row for row in rows if row["state"] in states]

    def any(self, table: str, *states: str) -> Row | None:
        return self.chance.choice(self.rows(table, *states) or [None])

    def living(self) -> UUID:
        return self.chance.choice([one for one in self.people if one not in self.erased])

    def person(self, vendor_id: UUID) -> UUID:
        while vendor_id in self.merged:
            vendor_id = self.merged[vendor_id]
        return vendor_id

    def some(self, most: int = 3) -> list[str]:
        return [str(one) for one in self.chance.sample(self.people, self.chance.randint(1, most))]

    def today(self) -> date:
        return day_in_jakarta(self.clock.now())

    def officer(self) -> str:
        """An officer, most often one who may."""
        area = self.chance.choices(["31", "31.71", "31.74"], [16, 4, 1])[0]
        return self.school.issuer.token(f"officer-{self.chance.choice('abc')}", ["officer"], area=area)

    def either(self, vendor_id: UUID | str) -> str:
        """The vendor itself or an officer, seldom another vendor."""
        if self.chance.random() < 0.05:
            return self.school.vendor(self.living())
        return self.chance.choice([self.officer(), self.school.vendor(UUID(str(vendor_id)))])

    async def ask(self, path: str, body: dict[str, Any] | None = None, *, token: str | None = None) -> dict[str, Any]:
        """POST; the answer or nothing. What goes wrong must be a refusal."""
        response = await self.school.post(path, body, token=token or self.officer())
        assert response.status_code < 500, (path, body, response.text)
        what = path.rpartition("/")[2]
        if response.is_success:
            self.done[what] += 1
            return dict(response.json()) if response.content else {}
        code = response.json()["code"]
        assert code != "invalid", (path, body, response.text)
        self.trail.append(f"    {path}: {code}")
        return {}

    async def tell(self, *events: VendorEvent) -> None:
        """The registry tells these in one batch, now and then twice."""
        numbered = []
        for event in events:
            self.versions[event.vendor_id] += 1
            numbered.append((event, self.versions[event.vendor_id]))
        if self.chance.random() < 0.1:
            numbered.append(numbered[-1])
        await self.school.hear(*numbered)

    async def settle(self) -> None:
        while await run_due(self.school.database, self.timers, self.clock.now()):
            pass

    # -- courses, classes, places

    async def ask_for_course(self) -> None:
        vendor_id = self.living()
        requests = self.rows("request", "waiting", "drafted")
        if requests and self.chance.random() < 0.2:
            row = self.chance.choice(requests)
            path = f"/v1/trainees/{row['vendor_id']}/course-requests/{row['request_id']}/take-back"
            await self.ask(path, token=self.school.vendor(row["vendor_id"]))
        else:
            body = {"course": self.chance.choice([COURSE, FURTHER])}
            await self.ask(f"/v1/trainees/{vendor_id}/course-requests", body, token=self.school.vendor(vendor_id))

    async def new_class(self) -> None:
        if len([row for row in self.books.rows["class"] if row["state"] == "open"]) > 3:
            return
        first = self.today() + timedelta(days=self.chance.choice([0, 1, 2, 3, 4, 5]))
        days = [first + timedelta(days=2 * number) for number in range(self.chance.randint(1, 3))]
        body: dict[str, Any] = {
            "course": self.chance.choice([COURSE, COURSE, FURTHER]),
            "title": "Kelas",
            "area": self.chance.choice(AREAS),
            "days": [str(day) for day in days],
            "places": self.chance.choice([1, 1, 2]),
            "draft": self.chance.random() < 0.2,
        }
        if self.chance.random() < 0.3:
            body["hours"] = {"starts": "09:00", "ends": "12:00"}
        await self.ask("/v1/classes", body)

    async def open_draft(self) -> None:
        if (found := self.any("class", "draft")) is None:
            return
        if not found["days"] or self.chance.random() < 0.3:
            day = self.today() + timedelta(days=self.chance.randint(0, 4))
            body = {"days": [str(day)], "places": self.chance.randint(1, 4)}
            await self.ask(f"/v1/classes/{found['class_id']}/draft", body)
        await self.ask(f"/v1/classes/{found['class_id']}/open")

    async def enrol(self) -> None:
        if (found := self.any("class", "open")) is None:
            return
        wish = {"waitlist": self.chance.random() < 0.75}
        path = f"/v1/classes/{found['class_id']}/enrolments"
        if self.chance.random() < 0.4:
            await self.ask(path, {"vendor_ids": self.some(), **wish})
        else:
            one = self.living()
            await self.ask(path, {"vendor_ids": [str(one)], **wish}, token=self.school.vendor(one))

    async def withdraw(self) -> None:
        waits, seats = self.rows("wait"), self.rows("seat")
        if waits and self.chance.random() < 0.3:
            row = self.chance.choice(waits)
            path = f"/v1/trainees/{row['vendor_id']}/waiting/{row['course']}/end"
            await self.ask(path, token=self.either(row["vendor_id"]))
        elif seats:
            row = self.chance.choice(seats)
            body = {"vendor_ids": [str(row["vendor_id"])]}
            path = f"/v1/classes/{row['class_id']}/withdrawals"
            await self.ask(path, body, token=self.either(row["vendor_id"]))

    async def at_once(self) -> None:
        """Several ask for and give up places in the same moment."""
        if (found := self.any("class", "open")) is None:
            return
        path = f"/v1/classes/{found['class_id']}"
        held = [row["vendor_id"] for row in self.rows("seat") if row["class_id"] == found["class_id"]]
        wishes = [
            self.ask(f"{path}/enrolments", {"vendor_ids": [str(one)], "waitlist": True}, token=self.school.vendor(one))
            for one in self.chance.sample(self.people, 4)
            if one not in self.erased
        ]
        wishes += [self.ask(f"{path}/withdrawals", {"vendor_ids": [str(one)]}) for one in held[:2]]
        await asyncio.gather(*wishes, self.settle())

    async def change_class(self) -> None:
        if (found := self.any("class", "open", "open", "draft")) is None:
            return
        path = f"/v1/classes/{found['class_id']}"
        match self.chance.randrange(6):
            case 0:
                await self.ask(f"{path}/cancel", {"reason": self.chance.choice(["too-few", "venue"])})
            case 1 | 2 if found["days"]:
                by = timedelta(days=self.chance.randint(-1, 3))
                kept = [day for day in found["days"] if day < self.today() and self.chance.random() < 0.9]
                days = {*kept, *(day + by for day in found["days"] if day not in kept)}
                await self.ask(f"{path}/move", {"days": sorted(str(day) for day in days)})
            case _:
                await self.ask(f"{path}/places", {"places": max(1, found["places"] + self.chance.choice([-1, 1, 2]))})

    # -- attendance

    async def attend(self) -> None:
        seated = {row["class_id"] for row in self.books.rows["seat"]}
        classes = [
            row
            for row in self.rows("class", "open", "finished")
            if row["days"] and (row["class_id"] in seated or self.chance.random() < 0.05)
        ]
        if not classes:
            return
        finished = [row for row in classes if row["state"] == "finished"]
        found = self.chance.choice(finished if finished and self.chance.random() < 0.5 else classes)
        path = f"/v1/classes/{found['class_id']}"
        here = [row["vendor_id"] for row in self.books.rows["seat"] if row["class_id"] == found["class_id"]]
        past = [day for day in found["days"] if day <= self.today()] or found["days"]
        day = self.chance.choice(past)
        present = [str(one) for one in here if self.chance.random() < 0.7]
        match self.chance.randrange(8):
            case 0 | 1 | 2:
                await self.ask(f"{path}/attendance", {"day": str(day), "vendor_ids": present})
            case 3 if here:
                body = {"vendor_id": str(self.chance.choice(here)), "day": str(day), "present": bool(present)}
                await self.ask(f"{path}/attendance/corrections", body)
            case 4:
                rows = [{"vendor_id": one, "score": self.chance.choice([40, 80])} for one in present]
                if rows:
                    await self.ask(f"{path}/scores", {"scores": rows})
            case _:
                await self.scan(found["class_id"], here, day)

    async def scan(self, class_id: UUID, here: list[UUID], day: date) -> None:
        async with self.school.database.read() as conn:
            rows = await conn.fetch("SELECT ticket FROM class_ticket WHERE class_id = $1", class_id)
            tickets: list[str | UUID] = [row["ticket"] for row in rows]
            flagged = await conn.fetch("SELECT * FROM class_scan WHERE class_id = $1 AND state = 'flagged'", class_id)
        path = f"/v1/classes/{class_id}/check-ins"
        if flagged and self.chance.random() < 0.5:
            one = self.chance.choice(flagged)
            body = {"accept": self.chance.random() < 0.6, "day": str(day)}
            await self.ask(f"{path}/flagged/{one['scan_id']}", body if body["accept"] else {"accept": False})
            return
        now = self.clock.now()
        at = datetime.combine(day, datetime.min.time(), now.tzinfo) + timedelta(hours=3)
        scans: list[dict[str, Any]] = []
        for what in self.chance.sample([*tickets, *here], min(len(tickets) + len(here), 4)):
            known = {"vendor_id": str(what)} if isinstance(what, UUID) else {"ticket": what}
            scans.append({"scan_id": str(new_id()), "scanned_at": self.chance.choice([now, at]).isoformat(), **known})
        body = {"device_id": self.chance.choice("ab"), "sent_at": now.isoformat(), "scans": scans}
        await self.ask(f"{path}/sync", body)
        if self.chance.random() < 0.3:
            await self.ask(f"{path}/sync", body)

    async def finish(self) -> None:
        over = [row for row in self.rows("class", "open") if row["days"] and row["days"][-1] <= self.today()]
        if not over:
            return
        found = self.chance.choice(over)
        path = f"/v1/classes/{found['class_id']}"
        here = [row["vendor_id"] for row in self.books.rows["seat"] if row["class_id"] == found["class_id"]]
        for day in found["days"]:
            if self.chance.random() < 0.9:
                present = [str(one) for one in here if self.chance.random() < 0.75]
                await self.ask(f"{path}/attendance", {"day": str(day), "vendor_ids": present})
        await self.ask(f"{path}/finish")

    async def make_rule(self) -> None:
        body = self.chance.choice(
            [{"percent_min": 50}, {"sessions_min": 1, "last_required": True}, {"percent_min": 100}, {"score_min": 60}]
        )
        await self.ask("/v1/completion-rules", {"course": self.chance.choice([COURSE, FURTHER]), **body})

    async def certificate(self) -> None:
        if (found := self.chance.choice(self.rows("certificate") or [None])) is None:
            return
        path = f"/v1/certificates/{found['certificate_id']}"
        if self.chance.random() < 0.4:
            await self.ask(f"{path}/revoke", {"reason": "issued-in-error"})
        else:
            await self.ask(f"{path}/reissue")

    # -- mentors

    async def mentor(self) -> None:
        listed = self.rows("mentor", "listed")
        body: dict[str, Any] = {
            "kind": self.chance.choice(["employed", "employed", "foster"]),
            "name": "Rina Contoh",
            "agency": "ppkukm",
            "areas": [self.chance.choice(["31", "31.71", "31.71", SAWAH_BESAR, GAMBIR])],
            "fields": [],
            "load_max": self.chance.randint(1, 4),
        }
        if len(listed) < 6:
            graduated = [row["vendor_id"] for row in self.books.rows["candidacy"] if row["state"] == "graduated"]
            if graduated and self.chance.random() < 0.5:
                body["vendor_id"] = str(self.chance.choice(graduated))
            await self.ask("/v1/mentors", body)
        elif self.chance.random() < 0.4:
            await self.ask(f"/v1/mentors/{self.chance.choice(listed)['mentor_id']}/withdraw")
        else:
            found = self.chance.choice(listed)
            await self.ask(f"/v1/mentors/{found['mentor_id']}/change", {**body, "kind": found["kind"]})

    async def assign(self) -> None:
        vendor_id, found = self.living(), self.any("mentor", "listed")
        body: dict[str, Any]
        match self.chance.randrange(7):
            case 0:
                body = {"kind": self.chance.choice(["employed", "foster"]), "reason": "other"}
                await self.ask(f"/v1/trainees/{vendor_id}/mentors/end", body)
            case 1:
                await self.tell(
                    EnrolmentChanged(vendor_id=vendor_id, service="P3", state=self.chance.choice(["asked", "left"]))
                )
            case 2:
                path = f"/v1/trainees/{vendor_id}/mentor-requests"
                wish = self.chance.choice(["", "", "/take-back"])
                await self.ask(path + wish, None if wish else {"reason": "field"}, token=self.school.vendor(vendor_id))
            case 3:
                async with self.school.database.read() as conn:
                    asked = await conn.fetch("SELECT request_id FROM mentor_request WHERE state = 'open'")
                if asked and found is not None:
                    grant = self.chance.random() < 0.7
                    body = {"grant": grant, "mentor_id": str(found["mentor_id"]) if grant else None}
                    await self.ask(f"/v1/mentor-requests/{self.chance.choice(asked)['request_id']}/answer", body)
            case _ if found is not None:
                body = {"mentor_id": str(found["mentor_id"]), "reason": "workload"}
                await self.ask(f"/v1/trainees/{vendor_id}/mentors", body)

    async def match(self) -> None:
        previewed = [row for row in self.books.rows["matching"] if row["state"] == "previewed"]
        area = self.chance.choice(["31", "31.71", "31.71", "31.71", SAWAH_BESAR])
        if previewed and self.chance.random() < 0.6:
            wish = self.chance.choice(["publish", "publish", "publish", "drop"])
            await self.ask(f"/v1/matchings/{self.chance.choice(previewed[-2:])['matching_id']}/{wish}")
        elif self.chance.random() < 0.3:
            await self.ask("/v1/matchings/newcomers", {"area": area})
        else:
            await self.ask(
                "/v1/matchings", {"area": area, "who": self.chance.choice(["asked", "everyone", "everyone"])}
            )

    async def group(self) -> None:
        groups = [row for row in self.books.rows["group"] if row["ended_at"] is None]
        foster = [row for row in self.rows("mentor", "listed") if row["kind"] == "foster"]
        if foster and len(groups) < 2:
            body = {"area": self.chance.choice(["31.71", SAWAH_BESAR]), "members_max": self.chance.randint(1, 3)}
            await self.ask(f"/v1/mentors/{self.chance.choice(foster)['mentor_id']}/groups", body)
        elif groups:
            path = f"/v1/foster-groups/{self.chance.choice(groups)['group_id']}"
            match self.chance.randrange(6):
                case 0:
                    await self.ask(f"{path}/end")
                case 1 | 2:
                    members = [row["vendor_id"] for row in self.books.rows["member"]] or [self.living()]
                    one = self.chance.choice(members)
                    await self.ask(f"{path}/members/{one}/leave", token=self.either(one))
                case _:
                    await self.ask(f"{path}/members", {"vendor_ids": self.some()})

    async def visit(self) -> None:
        logged = self.rows("visit", "logged")
        body: dict[str, Any] = {
            "visited_on": str(self.today() - timedelta(days=self.chance.randint(0, 3))),
            "mode": self.chance.choice(["visit", "call"]),
            "note": self.chance.choice([None, TEXT]),
        }
        if self.chance.random() < 0.5:
            body |= {"month": f"{self.today():%Y-%m}", "turnover_rupiah": self.chance.choice([LEAST, LEAST - 1])}
            body["visited_on"] = str(self.today())
        if logged and self.chance.random() < 0.5:
            path = f"/v1/visits/{self.chance.choice(logged)['visit_id']}"
            if self.chance.random() < 0.3:
                await self.ask(f"{path}/strike", {"reason": "other"})
            else:
                await self.ask(f"{path}/correct", body)
        elif held := self.books.rows["assignment"]:
            one = self.chance.choice(held)
            wish = {"vendor_id": str(one["vendor_id"]), "mentor_id": str(one["mentor_id"])}
            await self.ask("/v1/visits", {**wish, **body})

    # -- help, banks, graduation

    async def case(self) -> None:
        service = self.chance.choice(["P4", "P7"])
        found = self.any("case", "open", "working", "waiting-vendor", *self.chance.sample(["closed"], 1))
        match self.chance.randrange(10):
            case 0 | 1:
                vendor_id = self.living()
                path = f"/v1/trainees/{vendor_id}/cases"
                await self.ask(path, {"service": service, "note": TEXT}, token=self.either(vendor_id))
            case 2 | 3:
                vendor_id = self.living()
                self.steps[vendor_id, service] += 1
                state = self.chance.choice(["asked", "asked", "active", "completed", "left"])
                step, followed = self.steps[vendor_id, service], self.chance.random() < 0.2
                await self.tell(
                    EnrolmentChanged(vendor_id=vendor_id, service=service, state=state, step=step, followed=followed)
                )
            case _ if found is not None:
                wishes: list[tuple[str, dict[str, Any]]] = [
                    ("take", {}),
                    ("hand-over", {"owner": "ppapp"}),
                    ("wait", {"wanted": ["ktp-copy"]}),
                    ("resume", {"note": TEXT}),
                    ("deadline", {"due_on": str(self.today() + timedelta(days=self.chance.randint(0, 5)))}),
                    ("notes", {"note": TEXT}),
                    ("close", {"outcome": self.chance.choice(["solved", "withdrawn"])}),
                    ("reopen", {}),
                ]
                act, body = self.chance.choice(wishes)
                await self.ask(f"/v1/cases/{found['case_id']}/{act}", body)

    async def consent(self) -> None:
        undecided = [row["vendor_id"] for row in self.books.rows["referral"] if row["state"] in ("sent", "received")]
        if undecided and self.chance.random() < 0.4:
            await self.tell(ConsentWithdrawn(vendor_id=self.chance.choice(undecided), purpose="capital-referral"))
        else:
            await self.tell(ConsentGiven(vendor_id=self.living(), purpose="capital-referral"))

    async def refer(self) -> None:
        found = self.any("referral", "prepared", "sent", "received", "approved", "declined")
        if found is None or self.chance.random() < 0.2:
            vendor_id = self.living()
            path = f"/v1/trainees/{vendor_id}/capital-referrals"
            await self.ask(path, {"bank": BANK}, token=self.either(vendor_id))
            return
        path, act = f"/v1/capital-referrals/{found['referral_id']}", self.chance.random()
        if found["state"] == "prepared" and act < 0.8:
            body = {"packet_sha256": found["packet_sha256"], "shown": "at-counter"}
            await self.ask(f"{path}/send", body, token=self.either(found["vendor_id"]))
        elif act < 0.15:
            await self.ask(f"{path}/withdraw", token=self.either(found["vendor_id"]))
        elif act < 0.4:
            await self.ask(f"{path}/answers", self.bank_answer(found))
        else:
            await self.bank_says(found)

    def bank_answer(self, found: Row) -> dict[str, Any]:
        asked = found["sent_at"] or self.clock.now()
        at = asked + (self.clock.now() - asked) * self.chance.random()
        return {"answer": self.chance.choice(["received", "approved", "declined"]), "answered_at": at.isoformat()}

    async def bank_says(self, found: Row) -> None:
        """Some commands of a bank in one batch: of this referral, of none, some twice."""
        records: list[ConsumerRecord] = []
        for _ in range(self.chance.randint(1, 3)):
            referral_id = str(self.chance.choice([found["referral_id"]] * 4 + [new_id()]))
            bank = self.chance.choice([BANK] * 5 + ["bank-lain"])
            command = AnswerCapitalReferral(referral_id=referral_id, bank=bank, **self.bank_answer(found))
            records += [self.record(command, None)] * self.chance.choice([1, 1, 2])
        await Consumer(
            "training", SUBSCRIPTIONS[1], self.school.database, self.clock, self.school.sealer, asyncio.Event()
        ).handle(records)

    def record(self, message: Any, sequence: int | None) -> ConsumerRecord:
        envelope = Envelope(
            new_id(), type(message).__name__, "lapak/other", self.clock.now(), message.subject, sequence, None
        )
        self.school.offsets[99] += 1
        key, body = message.subject.encode(), message.to_bytes()
        offset = self.school.offsets[99]
        return ConsumerRecord(
            message.topic, 9, offset, 0, 0, key, body, None, len(key), len(body), write_headers(envelope)
        )

    async def figures(self) -> None:
        events: list[VendorEvent] = []
        vendor_id = self.living()
        first = self.today().replace(day=1)
        for _ in range(self.chance.randint(1, 4)):
            first = (first - timedelta(days=1)).replace(day=1)
            turnover = self.chance.choice([LEAST, LEAST, LEAST, LEAST, LEAST - 1, None])
            events.append(
                IndicatorsReported(
                    vendor_id=vendor_id,
                    month=f"{first:%Y-%m}",
                    turnover_rupiah=turnover,
                    entered_by="officer",
                    entered_at=self.clock.now() + timedelta(microseconds=len(events)),
                )
            )
        await self.tell(*events)

    async def graduate(self) -> None:
        found = self.any("candidacy", "proposed", "graduated", "declined")
        if found is None:
            return
        path = f"/v1/graduation/candidacies/{found['candidacy_id']}"
        if found["state"] == "proposed":
            shown = await self.school.get(path, token=self.school.officer("31"))
            if not shown.is_success:
                return
            wish: dict[str, Any] = self.chance.choice(
                [{"graduated": True}, {"graduated": False, "reason": "not-lasting"}]
            )
            await self.ask(f"{path}/decide", {**wish, "evidence_sha256": shown.json()["evidence_sha256"]})
            return
        match self.chance.randrange(3):
            case 0:
                await self.ask(f"{path}/revoke", {"reason": "figures-false"})
            case 1:
                await self.ask(f"{path}/appeal", {"text": TEXT}, token=self.school.vendor(found["vendor_id"]))
            case _:
                body = {"upheld": self.chance.random() < 0.6, "answer": TEXT}
                await self.ask(f"{path}/appeal/decide", body)

    # -- the registry, and time

    async def merge(self) -> None:
        one, other = self.chance.sample([one for one in self.people if one not in self.erased], 2)
        if one in self.merged and self.chance.random() < 0.7:
            await self.tell(VendorUnmerged(vendor_id=one, out_of=self.merged.pop(one), merge_id=new_id()))
            self.trail.append("unmerge")
        elif one not in self.merged and other not in self.merged and one not in self.merged.values():
            self.merged[one] = other
            await self.tell(VendorMerged(vendor_id=one, into=other, merge_id=new_id()))

    async def move(self) -> None:
        kelurahan = self.chance.choice([KARANG_ANYAR, GAMBIR_KELURAHAN])
        await self.tell(VendorMoved(vendor_id=self.living(), kelurahan=kelurahan, rw="001", rt="002"))

    async def erase(self) -> None:
        if len(self.erased) < 4 and self.chance.random() < 0.4:
            one = self.living()
            # the registry erases a person: every id that hangs together with this one
            ids = [other for other in self.people if self.person(other) == self.person(one)]
            self.erased |= {*ids}
            self.merged = {retired: into for retired, into in self.merged.items() if retired not in ids}
            await self.tell(*(VendorErased(vendor_id=other, erasure_id=new_id()) for other in ids))

    async def wait(self) -> None:
        """Time passes, and whatever was set for later is done."""
        self.clock.advance(hours=self.chance.choice([1, 3, 8, 14, 24, 48]))
        await self.settle()

    async def look(self) -> None:
        """Whatever can be read, can be read."""
        one = self.chance.choice(self.people)
        doors = [
            f"/v1/trainees/{one}",
            f"/v1/trainees/{one}/waiting",
            f"/v1/trainees/{one}/days",
            f"/v1/trainees/{one}/mentors",
            f"/v1/trainees/{one}/tickets",
            f"/v1/trainees/{one}/cases",
            f"/v1/trainees/{one}/certificates",
            f"/v1/trainees/{one}/course-requests",
            f"/v1/vendors/{one}/graduation",
            f"/v1/vendors/{one}/contributions",
            f"/v1/vendors/{one}/data",
            "/v1/demand",
            "/v1/classes",
            f"/v1/classes/coverage?year={self.today().year}",
            "/v1/cases",
            "/v1/visits/overdue",
            "/v1/mentors/reach",
            "/v1/graduation/candidacies",
            "/v1/capital-referrals",
            "/v1/projections",
        ]
        doors += [f"/v1/classes/{row['class_id']}/{what}" for row in self.rows("class")[-2:] for what in ("waiting",)]
        for door in self.chance.sample(doors, 3):
            response = await self.school.get(door, token=self.either(one))
            assert response.status_code < 500, (door, response.text)
            assert response.status_code != 422, (door, response.text)

    async def begin(self) -> None:
        """People, courses that few ask for, a bank, criteria that can be met."""
        self.people = [new_id() for _ in range(PEOPLE)]
        homes = [KARANG_ANYAR, GAMBIR_KELURAHAN]
        await self.tell(*(registered(one, homes[place % 2]) for place, one in enumerate(self.people)))
        cards = [ContactCard(vendor_id=one, name="Siti Aminah", phone="+6281200000001") for one in self.people[:-2]]
        await Consumer(
            "training",
            names.subscription(self.school.sealer),
            self.school.database,
            self.clock,
            self.school.sealer,
            asyncio.Event(),
        ).handle([self.record(card, 1) for card in cards])
        bank = {
            "partner_id": new_id(),
            "agreement_id": new_id(),
            "name": "Bank DKI",
            "kind": "bank",
            "area": "31",
            "valid_from": date(2023, 1, 1),
            "valid_until": date(2024, 12, 31),
            "code": BANK,
            "topics": ["capital"],
        }
        agreed: Event = PartnerAgreementMade.model_validate(bank)
        await self.school.hear((agreed, 1))
        async with self.school.database.transaction() as conn:
            await conn.execute("UPDATE graduation_criteria SET document = $1", ONLY_TURNOVER)
            await conn.execute("UPDATE course SET requests_needed = 3")
        await self.settle()
        await self.books.check("begin", settled=True)
        for act in (self.mentor, self.figures, self.new_class):
            for _ in range(5):
                await act()
        await self.tell(*(ConsentGiven(vendor_id=one, purpose="capital-referral") for one in self.people[:20]))
        asked = [EnrolmentChanged(vendor_id=one, service="P3", state="asked") for one in self.people[::2]]
        await self.tell(*asked)

    async def go(self, steps: int) -> None:
        """So many steps, each followed by a look at the books."""
        every: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (6, self.ask_for_course),
            (7, self.new_class),
            (3, self.open_draft),
            (16, self.enrol),
            (6, self.withdraw),
            (4, self.at_once),
            (5, self.change_class),
            (9, self.attend),
            (9, self.finish),
            (1, self.make_rule),
            (3, self.certificate),
            (4, self.mentor),
            (7, self.assign),
            (7, self.match),
            (5, self.group),
            (4, self.visit),
            (6, self.case),
            (3, self.consent),
            (10, self.refer),
            (5, self.figures),
            (5, self.graduate),
            (5, self.merge),
            (2, self.move),
            (2, self.erase),
            (12, self.wait),
            (4, self.look),
        ]
        await self.begin()
        for number in range(steps):
            (act,) = self.chance.choices([act for _, act in every], [weight for weight, _ in every])
            self.trail.append(f"{number} {act.__name__} at {self.clock.moment:%m-%d %H:%M}")
            happened = len(self.trail), self.done.total(), self.versions.total()
            await act()
            if (len(self.trail), self.done.total(), self.versions.total()) == happened and act != self.wait:
                continue
            settled = act == self.wait or self.chance.random() < 0.4
            if settled:
                await self.settle()
            await self.books.check(act.__name__, settled=settled)


@pytest.fixture
async def school(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> School:
    """The training service, empty."""
    fresh = await make_database("training")
    return School(fresh.database, serve(create, fresh), issuer, clock, sealer)


MUST_HAPPEN = ("enrolments", "withdrawals", "attendance", "finish", "mentors", "matchings")


@pytest.mark.parametrize("seed", [int(word) for word in os.environ.get("LAPAK_WALKS", "1").split()])
async def test_whatever_is_done_the_books_are_right(school: School, clock: StandingClock, seed: int) -> None:
    walk = Walk(school, clock, seed)
    try:
        await walk.go(STEPS)
    except AssertionError as error:
        error.add_note("\n".join([*walk.trail[-25:], *walk.books.recent]))
        raise
    idle = [what for what in MUST_HAPPEN if not walk.done[what]]
    assert not idle, f"never came about: {idle}; {walk.done}"
