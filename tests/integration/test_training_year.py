"""A year of training as one story over HTTP: the registry, training and bazaars, fed from each other's outbox, each
event twice. What one part says, the others hear; at the end everybody's books agree.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord
from pydantic_core import from_json

from services.training.app import create
from services.training.consumers import SUBSCRIPTIONS as TRAINING
from services.training.consumers import names
from services.training.handlers import matchings
from services.training.store import matchings as matching_rows
from shared.consume import Consumer
from shared.db import Connection
from shared.events.bazaar import BoothConfirmed
from shared.events.cases import AnswerCapitalReferral
from shared.events.envelope import Envelope, write_headers
from shared.events.vendor import ContactCard
from shared.ids import new_id
from shared.timers import run_due
from tests.conftest import StandingClock
from tests.integration import test_training_completion
from tests.integration.graduation import LEAST, ONLY_TURNOVER
from tests.integration.test_training_completion import City, Wire
from tests.integration.training import School, moment, ok
from tests.integration.training_books import EVENTS, TOPIC
from tests.integration.vendor import Registry

school = test_training_completion.school
city = test_training_completion.city

FOOD = "olahan-pangan"
BANK = "bank-dki"


class Year:
    """The city, its clock, and whoever acts in it."""

    def __init__(self, city: City, clock: StandingClock) -> None:
        self.city, self.clock = city, clock
        self.school: School = city.school
        self.registry: Registry = city.registry
        self.timers = dict(create()._timers)
        self.cards = Wire(
            self.registry.database,
            ContactCard.topic,
            "vendor",
            [("training", names.subscription(self.school.sealer), self.school.database)],
            clock,
            self.school.sealer,
        )

    async def work_off(self) -> None:
        """Whatever is due is done."""
        while await run_due(self.school.database, self.timers, self.clock.now()):
            pass

    async def settle(self) -> None:
        """Everybody hears everything, and does what is due."""
        await self.cards.carry()
        for _ in range(3):
            await self.city.settle()
            await self.work_off()
        await self.city.settle()

    async def until(self, text: str) -> None:
        self.clock.moment = moment(text)
        await self.settle()

    def province(self) -> str:
        return self.school.officer("31")

    async def done(self, path: str, body: dict[str, Any] | None = None, *, token: str | None = None) -> Any:
        """POST to training; the answer, which must be a yes."""
        answer = await self.school.post(path, body, token=token)
        assert answer.is_success, (path, answer.text)
        return answer.json() if answer.content else None

    async def own(self, vendor: UUID, path: str, body: dict[str, Any] | None = None) -> Any:
        """POST to training as the vendor itself."""
        return await self.done(path, body, token=self.school.vendor(vendor))

    async def shown(self, path: str, *, token: str | None = None) -> Any:
        return ok(await self.school.get(path, token=token))

    async def progress(self, vendor: UUID) -> dict[str, Any]:
        """What the registry shows the vendor of all this."""
        await self.settle()
        return ok(await self.registry.get(f"/v1/vendors/{vendor}/progress", token=self.registry.vendor(vendor)))

    async def service(self, vendor: UUID, service: str) -> str | None:
        found = {one["service"]: one["state"] for one in (await self.progress(vendor))["services"]}
        state: str | None = found[service]
        return state

    async def ask_registry(self, vendor: UUID, service: str) -> None:
        """The vendor asks for a service of the programme, where it always did."""
        path = f"/v1/vendors/{vendor}/programme/{service}/ask"
        ok(await self.registry.post(path, {}, token=self.registry.vendor(vendor)))

    async def command(self, body: AnswerCapitalReferral, times: int = 1) -> None:
        """A bank's command arrives, perhaps more than once."""
        (subscription,) = [one for one in TRAINING if one.topic == body.topic]
        records = []
        for _ in range(times):
            self.school.offsets[77] += 1
            offset = self.school.offsets[77]
            envelope = Envelope(new_id(), "AnswerCapitalReferral", "bank", self.clock.now(), body.subject, None, None)
            key, value = body.subject.encode(), body.to_bytes()
            headers = write_headers(envelope)
            records.append(ConsumerRecord(body.topic, 3, offset, 0, 0, key, value, None, len(key), len(value), headers))
        school = self.school
        await Consumer("training", subscription, school.database, self.clock, school.sealer, asyncio.Event()).handle(
            records
        )

    async def numbers(self, vendor: UUID) -> list[tuple[str, str]]:
        """The certificates of a vendor, the last issued first."""
        await self.work_off()
        found = await self.shown(f"/v1/trainees/{vendor}/certificates", token=self.school.vendor(vendor))
        return [(one["number"], one["state"]) for one in found]


@pytest.fixture
def year(city: City, clock: StandingClock) -> Year:
    return Year(city, clock)


async def test_a_year_of_training_and_mentoring(year: Year, monkeypatch: pytest.MonkeyPatch) -> None:
    async with year.school.database.transaction() as conn:
        await conn.execute("UPDATE graduation_criteria SET document = $1", ONLY_TURNOVER)
    people = [await year.registry.register(number) for number in range(1, 8)]
    await year.settle()
    class_id = await a_class_comes_of_three_wishes(year, people)
    await it_is_held_and_certified(year, people, class_id)
    mentor_id = await mentors_are_matched(year, people, monkeypatch)
    await a_vendor_graduates_and_mentors(year, people, mentor_id)
    await help_is_given(year, people)
    await a_bank_answers_late(year, people)
    await two_turn_out_to_be_one(year, people)
    await the_books_agree(year, people)


async def a_class_comes_of_three_wishes(year: Year, people: Sequence[UUID]) -> UUID:
    """Courses, demand, a draft, its opening; places, the waiting list, a promotion, a clash, another day."""
    course = await year.shown(f"/v1/courses/{FOOD}")
    body = {name: course[name] for name in ("level", "field", "sessions", "prerequisites")}
    body |= {f"name_{language}": course["name"][language] for language in ("id", "en")}
    await year.done(f"/v1/courses/{FOOD}/edit", {**body, "requests_needed": 3}, token=year.province())
    provider = {"name": "Balai Pelatihan", "kind": "agency", "fields": ["kuliner"], "area": "31.71"}
    provider_id = (await year.done("/v1/providers", provider, token=year.province()))["provider_id"]
    for vendor in people[:3]:
        asked = await year.own(vendor, f"/v1/trainees/{vendor}/course-requests", {"course": FOOD})
    class_id = UUID(asked["class_id"])
    draft = await year.shown(f"/v1/classes/{class_id}")
    assert (draft["state"], draft["provider_id"], draft["requests"]) == ("draft", provider_id, 3)
    days = ["2023-03-13", "2023-03-14", "2023-03-15"]
    described = {
        "days": days,
        "places": 3,
        "venue": "RPTRA Karang Anyar",
        "hours": {"starts": "09:00", "ends": "12:00"},
    }
    await year.done(f"/v1/classes/{class_id}/draft", described)
    await year.done(f"/v1/classes/{class_id}/open")
    invited = [one for one in await year.school.published("TrainingInvited") if one.body["class_id"] == str(class_id)]
    assert [one.key for one in invited] == people[:3]

    booth = BoothConfirmed(
        application_id=new_id(),
        bazaar_id=new_id(),
        vendor_id=people[0],
        bazaar_name="Bazar",
        site_id="a",
        site_name="A",
        booth="A01",
        days=[date(2023, 3, 14)],
    )
    bazaars = next(one for one in TRAINING if one.topic == BoothConfirmed.topic)
    school = year.school
    await Consumer("training", bazaars, school.database, year.clock, school.sealer, asyncio.Event()).handle(
        [school.record(booth, 4)]
    )
    enrolments = f"/v1/classes/{class_id}/enrolments"
    for vendor in people[:5]:
        year.clock.advance(minutes=1)
        answer = await year.own(vendor, enrolments, {"vendor_ids": [str(vendor)], "waitlist": True})
        assert [one["code"] for one in answer["warnings"]] == (["clash"] if vendor == people[0] else [])
    assert answer["waiting"][0]["place"] == 2
    await year.own(people[1], f"/v1/classes/{class_id}/withdrawals", {"vendor_ids": [str(people[1])]})
    roster = [UUID(one["vendor_id"]) for one in (await year.shown(f"/v1/classes/{class_id}"))["roster"]]
    assert sorted(roster) == sorted([people[0], people[2], people[3]])
    await year.done(f"/v1/classes/{class_id}/move", {"days": [*days[:2], "2023-03-16"]})
    await year.settle()
    (ticket,) = (await year.shown(f"/v1/trainees/{people[3]}/tickets"))["items"]
    assert ticket["days"][-1] == "2023-03-16"
    assert await year.service(people[3], "P2") == "active"
    return class_id


async def it_is_held_and_certified(year: Year, people: Sequence[UUID], class_id: UUID) -> None:
    """Scans, a list, a sheet; who completed has a paper, which a correction takes back and another gives anew."""
    here = [people[0], people[2], people[3]]
    path = f"/v1/classes/{class_id}"
    await year.until("2023-03-13T09:05")
    scans = []
    for vendor in here:
        (ticket,) = (await year.shown(f"/v1/trainees/{vendor}/tickets", token=year.school.vendor(vendor)))["items"]
        now = year.clock.now().isoformat()
        scans.append({"scan_id": str(new_id()), "ticket": ticket["ticket"], "scanned_at": now})
    sent = {"device_id": "pintu", "sent_at": year.clock.now().isoformat(), "scans": scans}
    for _ in range(2):
        assert len((await year.done(f"{path}/check-ins/sync", sent))["accepted"]) == 3
    await year.until("2023-03-14T13:00")
    present = {"day": "2023-03-14", "vendor_ids": [str(one) for one in here]}
    await year.done(f"{path}/attendance", present)
    await year.until("2023-03-16T13:00")
    lines = ["vendor_id;2023-03-16", *(f"{one};x" for one in here[:2]), f"{here[2]};tidak"]
    sheet = {"file": ("hadir.csv", "\n".join(lines).encode(), "text/csv")}
    headers = {"Authorization": f"Bearer {year.school.officer()}", "Idempotency-Key": str(new_id())}
    ok(await year.school.client.post(f"{path}/attendance/sheet", files=sheet, headers=headers))
    assert await year.done(f"{path}/finish") == {"completed": 2, "not_completed": 1}
    await year.settle()
    first, second = (await year.numbers(here[0]))[0], (await year.numbers(here[1]))[0]
    assert {first, second} == {("LPK/2023/000001", "valid"), ("LPK/2023/000002", "valid")}
    assert await year.numbers(here[2]) == []
    assert [await year.service(one, "P2") for one in here] == ["completed", "completed", "left"]

    wrong = {"vendor_id": str(here[1]), "day": "2023-03-14", "present": False}
    await year.done(f"{path}/attendance/corrections", wrong)
    assert await year.numbers(here[1]) == [(second[0], "revoked")]
    assert await year.service(here[1], "P2") != "completed"
    page = await year.shown(f"/v1/public/certificates/{second[0]}")
    assert page["state"] == "revoked"
    year.clock.advance(minutes=1)
    await year.done(f"{path}/attendance/corrections", {**wrong, "present": True})
    assert await year.numbers(here[1]) == [("LPK/2023/000003", "valid"), (second[0], "revoked")]
    progress = await year.progress(here[1])
    assert [(one["number"], one["valid"]) for one in progress["certificates"]] == [
        ("LPK/2023/000003", True),
        (second[0], False),
    ]


async def mentors_are_matched(year: Year, people: Sequence[UUID], monkeypatch: pytest.MonkeyPatch) -> UUID:
    """Matched, published in pieces with a crash in between; a newcomer is fitted in and moves nobody."""
    await year.until("2023-04-03T09:00")
    entered = []
    for number in range(2):
        body = {
            "kind": "employed",
            "name": f"Pendamping {number}",
            "agency": "ppkukm",
            "areas": ["31.71"],
            "fields": [],
            "load_max": 3,
            "account": f"pendamping-{number}",
        }
        entered.append(UUID((await year.done("/v1/mentors", body))["mentor_id"]))
    for vendor in people[:5]:
        await year.ask_registry(vendor, "P3")
    await year.city.settle()
    matching = await year.done("/v1/matchings", {"area": "31.71"})
    assert matching["counts"]["new"] == 5
    monkeypatch.setattr(matchings, "PAIRS_AT_ONCE", 2)
    await year.done(f"/v1/matchings/{matching['matching_id']}/publish")
    kept = matching_rows.save_pairs
    calls = 0

    async def die_once(conn: Connection, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        await kept(conn, *arguments)
        if calls == 2:
            raise ConnectionResetError("the process ends here")

    monkeypatch.setattr(matching_rows, "save_pairs", die_once)
    with pytest.raises(ConnectionResetError):
        await year.work_off()
    year.clock.advance(minutes=1)
    await year.work_off()
    assert calls > 3
    assigned = await year.school.published("MentorAssigned")
    assert sorted(one.key for one in assigned) == sorted(people[:5])
    before = {one.key: one.body["mentor_id"] for one in assigned}

    await year.ask_registry(people[5], "P3")
    await year.until("2023-04-04T03:00")
    assigned = await year.school.published("MentorAssigned")
    assert [(one.key, one.body["by"]) for one in assigned[5:]] == [(people[5], "newcomer")]
    assert Counter(one.body["mentor_id"] for one in assigned) == {str(one): 3 for one in entered}
    progress = await year.progress(people[0])
    assert progress["mentor"]["mentor_id"] == before[people[0]]
    return UUID(before[people[0]])


async def a_vendor_graduates_and_mentors(year: Year, people: Sequence[UUID], mentor_id: UUID) -> None:
    """Figures of visits go to the registry and come back; a person decides; the graduate mentors a group."""
    vendor = people[0]
    mentor = (await year.shown(f"/v1/mentors/{mentor_id}"))["account"]
    token = year.school.issuer.token(mentor, ["mentor"])
    await year.until("2023-04-20T10:00")
    for day, month in (("2023-04-05", "2023-01"), ("2023-04-12", "2023-02"), ("2023-04-19", "2023-03")):
        figures = {"visited_on": day, "mode": "visit", "month": month, "turnover_rupiah": LEAST, "note": "Lancar."}
        await year.done("/v1/visits", {"vendor_id": str(vendor), **figures}, token=token)
    await year.settle()
    year.clock.advance(minutes=10)
    progress = await year.progress(vendor)
    assert [(one["month"], one["turnover_rupiah"]) for one in progress["figures"]] == [
        ("2023-01", LEAST),
        ("2023-02", LEAST),
        ("2023-03", LEAST),
    ]
    assert progress["graduation"]["state"] == "proposed"
    (candidacy,) = (await year.shown("/v1/graduation/candidacies?state=proposed"))["items"]
    path = f"/v1/graduation/candidacies/{candidacy['candidacy_id']}"
    seen = (await year.shown(path))["evidence_sha256"]
    # neither the mentor decides, nor the vendor
    itself = year.school.issuer.token("officer-x", ["officer", "vendor"], area="31.71", vendor_id=vendor)
    visitor = year.school.issuer.token(mentor, ["officer"], area="31.71")
    for refused in (itself, visitor):
        answer = await year.school.post(f"{path}/decide", {"graduated": True, "evidence_sha256": seen}, token=refused)
        assert answer.status_code == 403, answer.text
    await year.done(f"{path}/decide", {"graduated": True, "evidence_sha256": seen})
    (parted,) = await year.school.published("MentorUnassigned")
    assert (parted.key, parted.body["because"]) == (vendor, "graduated")
    progress = await year.progress(vendor)
    assert (progress["graduation"]["state"], progress["mentor"]) == ("graduated", None)

    alumnus = {
        "kind": "foster",
        "name": "Orang Contoh 1",
        "areas": ["31.71"],
        "fields": ["kuliner"],
        "load_max": 2,
        "vendor_id": str(vendor),
    }
    angkat = (await year.done("/v1/mentors", alumnus))["mentor_id"]
    group = await year.done(f"/v1/mentors/{angkat}/groups", {"area": "31.71.02", "members_max": 2})
    members = [str(one) for one in (vendor, people[1], people[6])]
    joined = await year.done(f"/v1/foster-groups/{group['group_id']}/members", {"vendor_ids": members})
    assert [one["code"] for one in joined["refused"]] == ["own-mentor"]
    progress = await year.progress(people[1])
    assert progress["foster_mentor"]["mentor_id"] == angkat
    assert progress["mentor"] is not None


async def help_is_given(year: Year, people: Sequence[UUID]) -> None:
    """A wish in the registry opens a case; it waits for the vendor, goes on, and is solved, in both places."""
    vendor = people[4]
    await year.until("2023-05-02T09:00")
    await year.ask_registry(vendor, "P4")
    await year.settle()
    (case,) = (await year.shown(f"/v1/trainees/{vendor}/cases"))["items"]
    path = f"/v1/cases/{case['case_id']}"
    await year.done(f"{path}/take", {})
    assert await year.service(vendor, "P4") == "active"
    await year.done(f"{path}/wait", {"wanted": ["ktp-copy"], "note": "Fotokopi KTP belum ada."})
    assert [one["wanted"] for one in (await year.progress(vendor))["open_cases"]] == [["ktp-copy"]]
    await year.until("2023-05-09T09:00")
    await year.done(f"{path}/resume", {})
    due = date.fromisoformat((await year.shown(path))["due_on"])
    assert due == date.fromisoformat(case["due_on"]) + timedelta(days=7)
    await year.done(f"{path}/close", {"outcome": "solved"})
    assert await year.service(vendor, "P4") == "completed"


async def a_bank_answers_late(year: Year, people: Sequence[UUID]) -> None:
    """A referral with consent, of recorded facts; the bank answers late, twice and contrarily."""
    vendor = people[2]
    bank = {"code": BANK, "name": "Bank DKI", "kind": "bank"}
    partner_id = ok(await year.registry.post("/v1/partners", bank, token=year.registry.officer("31")), 201)[
        "partner_id"
    ]
    agreed = {"area": "31.71", "valid_from": "2023-05-01", "valid_until": "2023-12-31", "topics": ["capital"]}
    ok(await year.registry.post(f"/v1/partners/{partner_id}/agreements", agreed), 201)
    consent = {"purpose": "capital-referral", "given": True, "text_version": 1}
    own = year.registry.vendor(vendor)
    ok(await year.registry.post(f"/v1/vendors/{vendor}/consents", consent, token=own))
    await year.ask_registry(vendor, "P7")
    await year.settle()
    made = await year.own(vendor, f"/v1/trainees/{vendor}/capital-referrals", {"bank": BANK})
    path = f"/v1/capital-referrals/{made['referral_id']}"
    packet = from_json((await year.shown(path, token=year.school.vendor(vendor)))["packet"])
    assert packet["trainings_completed"] == [FOOD]
    await year.own(vendor, f"{path}/send", {"packet_sha256": made["packet_sha256"]})
    assert [one["outcome"] for one in (await year.shown(f"/v1/trainees/{vendor}/cases"))["items"]] == ["referred"]
    await year.until("2023-06-20T10:00")

    def answer(said: str, at: str) -> AnswerCapitalReferral:
        return AnswerCapitalReferral(
            referral_id=made["referral_id"], bank=BANK, answer=said, answered_at=f"{at}T09:00:00+07:00"
        )

    await year.command(answer("approved", "2023-06-10"), times=2)
    await year.command(answer("declined", "2023-06-09"))
    await year.command(answer("received", "2023-05-20"))
    shown = await year.shown(path)
    assert shown["state"] == "approved"
    assert (await year.progress(vendor))["capital_referral"]["state"] == "approved"
    states = [one.body["state"] for one in await year.school.published("CapitalReferralMoved")]
    assert states == ["sent", "approved"]


async def two_turn_out_to_be_one(year: Year, people: Sequence[UUID]) -> None:
    """Merged they have one mentor, in both services; that one changes, and parted again each has what is its own."""
    one, other = people[4], people[5]

    async def mentors(vendor: UUID) -> tuple[list[str], str | None]:
        standing = (await year.shown(f"/v1/trainees/{vendor}/mentors"))["assignments"]
        shown = (await year.progress(vendor))["mentor"]
        return [each["mentor_id"] for each in standing if each["until"] is None], shown and shown["mentor_id"]

    merging = {"retired": str(other), "fields": {}}
    answer = await year.registry.post(f"/v1/vendors/{one}/merge", merging, token=year.registry.officer("31"))
    merge_id = ok(answer)["merge_id"]
    await year.settle()
    (kept,), told = await mentors(one)
    assert told == kept
    body = {"kind": "employed", "name": "Pendamping 3", "agency": "ppapp", "areas": ["31.71"], "fields": []}
    third = (await year.done("/v1/mentors", {**body, "load_max": 3}))["mentor_id"]
    # by the id that has no mentor of its own
    await year.done(f"/v1/trainees/{other}/mentors", {"mentor_id": third, "reason": "workload"})
    assert await mentors(one) == ([third], third)
    undone = await year.registry.post(
        f"/v1/merges/{merge_id}/undo", {"reason": "mistake"}, token=year.registry.officer("31")
    )
    assert ok(undone)["kept"] == []
    await year.settle()
    assert await mentors(one) == ([], None)
    assert await mentors(other) == ([third], third)


async def the_books_agree(year: Year, people: Sequence[UUID]) -> None:
    """No event is missing or malformed, and the registry shows what training knows."""
    await year.settle()
    async with year.school.database.read() as conn:
        rows = await conn.fetch("SELECT topic, type, key, sequence, payload FROM outbox ORDER BY seq")
        letters = await conn.fetchval("SELECT count(*) FROM dead_letter")
        timers = await conn.fetch("SELECT kind FROM timer WHERE attempts > 0")
        months = await conn.fetch("SELECT vendor_id, month, turnover_rupiah FROM indicator")
    assert (letters, list(timers)) == (0, [])
    last: Counter[tuple[str, str]] = Counter()
    for row in rows:
        key = (row["topic"], row["key"])
        assert row["sequence"] == last[key] + 1, f"{row['type']} of {key}"
        last[key] += 1
        event = EVENTS[row["type"]].model_validate_json(row["payload"])
        assert event.to_bytes() == row["payload"]
    told = {row["type"] for row in rows if row["topic"] == TOPIC}
    assert told >= {
        "CourseListed",
        "ProviderListed",
        "CourseRequested",
        "ClassDrafted",
        "ClassOpened",
        "ClassMoved",
        "ClassFinished",
        "TrainingWaitlisted",
        "TrainingWithdrawn",
        "TrainingTicketIssued",
        "TrainingSessionNear",
        "CertificateIssued",
        "CertificateRevoked",
        "MatchingPublished",
        "MentorListed",
        "VisitLogged",
        "GraduationDecided",
        "HelpCaseClosed",
        "CapitalPacketSent",
    }
    sources = ok(await year.registry.get("/v1/sources", token=year.registry.of("operator")))
    projections = await year.shown("/v1/projections", token=year.school.operator())
    assert {name: projections[name] for name in ("vendors", "indicators")} == {
        name: sources[name] for name in ("vendors", "indicators")
    }
    assert len(months) == 3
    for vendor in people:
        progress = await year.progress(vendor)
        certificates = await year.numbers(vendor)
        assert [(one["number"], "valid" if one["valid"] else "revoked") for one in progress["certificates"]] == (
            certificates
        )
        standing = await year.shown(f"/v1/trainees/{vendor}/mentors")
        mentors = {one["kind"]: one["mentor_id"] for one in standing["assignments"] if one["until"] is None}
        shown = {"employed": progress["mentor"], "foster": progress["foster_mentor"]}
        assert mentors == {kind: one["mentor_id"] for kind, one in shown.items() if one is not None}
        visits = (await year.shown(f"/v1/visits?vendor_id={vendor}"))["items"]
        last_visit = progress["last_visit"]
        assert (visits[0]["visited_on"] if visits else None) == (last_visit and last_visit["visited_on"])
        assert len(progress["summary"]["id"]) == len(progress["summary"]["en"]) > 0
