"""The books of training: what has to hold after every step, whatever anybody did.

Written from what the rules say, over rows and events as they are; nothing of the service's own reckoning is used.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from shared.clock import day_in_jakarta
from shared.events import bazaar, cases, graduation, mentoring, rights, training
from shared.events.envelope import Event
from tests.integration.training import School

TOPIC = "lapak.training.events.v1"
CARDS = "lapak.training.contact.v1"
MODULES: tuple[ModuleType, ...] = (training, mentoring, cases, graduation, rights, bazaar)
EVENTS: dict[str, type[Event]] = {
    name: value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, Event)
}
READ = {
    "class": "TABLE training_class",
    "seat": "TABLE enrolment",
    "wait": "SELECT w.*, v.kelurahan FROM waiting w JOIN vendor v USING (vendor_id)",
    "trainee": "TABLE trainee",
    "request": "TABLE course_request",
    "certificate": "TABLE certificate",
    "assignment": "SELECT * FROM assignment WHERE until IS NULL",
    "mentor": "TABLE mentor",
    "member": "SELECT * FROM foster_member JOIN assignment USING (assignment_id, vendor_id) WHERE until IS NULL",
    "group": "TABLE foster_group",
    "case": "TABLE help_case",
    "referral": "TABLE capital_referral",
    "answer": "TABLE capital_answer",
    "consent": "TABLE capital_consent",
    "candidacy": "TABLE candidacy",
    "family": "TABLE family",
    "name": "SELECT vendor_id FROM vendor_name",
    "promised": "SELECT * FROM seat_promised WHERE seats > 0",
    "visit": "TABLE visit",
    "provider": "TABLE provider",
    "matching": "SELECT matching_id, version, state FROM matching",
    "course": "TABLE course",
}
STAYS_OF_ERASED = {
    "trainee": "erased_at IS NOT NULL",
    "erased_vendor": "true",
    "enrolment": "sessions_attended IS NOT NULL",
    "certificate": "erased_at IS NOT NULL AND holder_sealed IS NULL",
    "help_case": "state = 'closed'",
    "candidacy": "erased_at IS NOT NULL AND evidence IS NULL",
    "visit": "note IS NULL",
    "graduation_appeal": "text_sealed IS NULL AND answer_sealed IS NULL AND state <> 'open'",
}
"""Table -> what must be so of a row under an id that leads to nobody; of other tables none is left."""

Row = Mapping[str, Any]


@dataclass
class Told:
    """What somebody knows who reads the events and nothing else."""

    seats: dict[tuple[UUID, UUID], str] = field(default_factory=dict)
    waits: dict[tuple[UUID, str], UUID | None] = field(default_factory=dict)
    certificates: dict[UUID, bool] = field(default_factory=dict)
    mentors: dict[tuple[UUID, str], UUID] = field(default_factory=dict)
    cases: dict[UUID, str] = field(default_factory=dict)
    referrals: dict[UUID, str] = field(default_factory=dict)
    candidacies: dict[UUID, str] = field(default_factory=dict)
    visits: dict[UUID, str] = field(default_factory=dict)

    def hear(self, event: Event) -> None:
        """One more event."""
        match event:
            case training.TrainingEnrolled():
                self.seats[event.class_id, event.vendor_id] = "open"
                self.waits.pop((event.vendor_id, event.course), None)
            case training.TrainingWaitlisted():
                self.waits[event.vendor_id, event.course] = event.class_id
            case training.TrainingWithdrawn(waited_only=True):
                self.waits.pop((event.vendor_id, event.course))
            case training.TrainingWithdrawn(class_id=UUID() as class_id):
                del self.seats[class_id, event.vendor_id]
            case training.TrainingClassCancelled():
                del self.seats[event.class_id, event.vendor_id]
                self.waits[event.vendor_id, event.course] = None
            case training.TrainingCompleted():
                self.seats[event.class_id, event.vendor_id] = "completed"
            case training.TrainingNotCompleted():
                self.seats[event.class_id, event.vendor_id] = "not-completed"
            case training.CertificateIssued():
                self.certificates[event.certificate_id] = True
            case training.CertificateRevoked():
                assert self.certificates[event.certificate_id], "revoked twice"
                self.certificates[event.certificate_id] = False
            case mentoring.MentorAssigned():
                assert self.mentors.get((event.vendor_id, event.kind)) != event.mentor_id, f"assigned again: {event}"
                self.mentors[event.vendor_id, event.kind] = event.mentor_id
            case mentoring.MentorUnassigned():
                assert self.mentors.pop((event.vendor_id, event.kind)) == event.mentor_id
            case mentoring.VisitLogged():
                self.visits[event.visit_id] = "logged"
            case mentoring.VisitStruck():
                self.visits[event.visit_id] = "struck"
            case cases.HelpCaseOpened():
                self.cases[event.case_id] = "open"
            case cases.HelpCaseMoved():
                self.cases[event.case_id] = event.state
            case cases.HelpCaseClosed():
                self.cases[event.case_id] = "closed"
            case training.CapitalReferralMoved():
                before = self.referrals.get(event.referral_id)
                assert moves(before, event.state), f"a referral went from {before} to {event.state}"
                self.referrals[event.referral_id] = event.state
            case graduation.GraduationProposed():
                self.candidacies[event.candidacy_id] = "proposed"
            case graduation.GraduationProposalWithdrawn():
                self.candidacies[event.candidacy_id] = "taken-back"
            case graduation.GraduationDecided():
                self.candidacies[event.candidacy_id] = "graduated" if event.graduated else "declined"
            case graduation.GraduationRevoked():
                self.candidacies[event.candidacy_id] = "revoked"


def moves(before: str | None, after: str) -> bool:
    """Whether a referral may go on like this: a bank corrects itself, and nothing is undone."""
    following = {
        None: {"sent"},
        "sent": {"received", "approved", "declined", "withdrawn"},
        "received": {"approved", "declined", "withdrawn"},
        "approved": {"declined"},
        "declined": {"approved"},
    }
    return after in following.get(before, set())


@dataclass
class Books:
    """What was so before the step, and what has to hold after it."""

    school: School
    rows: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in READ})
    before: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in READ})
    told: Told = field(default_factory=Told)
    events_seen: int = 0
    versions: Counter[tuple[str, str]] = field(default_factory=Counter)
    erased: set[UUID] = field(default_factory=set)
    recent: list[str] = field(default_factory=list)
    people: dict[UUID, UUID] = field(default_factory=dict)
    ever_merged: set[UUID] = field(default_factory=set)

    async def check(self, step: str, *, settled: bool) -> None:
        """Read everything, and compare. `settled`: every timer that is due was worked off."""
        now = self.school.clock.now()
        self.before = self.rows
        async with self.school.database.read() as conn:
            self.rows = {name: [dict(row) for row in await conn.fetch(query)] for name, query in READ.items()}
            gone = {row["vendor_id"] for row in await conn.fetch("SELECT vendor_id FROM erased_vendor")}
            written = await conn.fetch(
                "SELECT topic, type, key, sequence, payload FROM outbox ORDER BY seq OFFSET $1", self.events_seen
            )
            letters = await conn.fetch("SELECT type, error FROM dead_letter")
            facts = await self._facts(conn) if settled else None
        assert not letters, f"a message of another service could not be taken: {[dict(one) for one in letters]}"
        self.people = {row["vendor_id"]: row["person_id"] for row in self.rows["family"]}
        self.ever_merged |= self.people.keys()
        self._read(written)
        self.erased = gone
        self._versions()
        self._same_as_told()
        self._seats(now)
        self._queue(now)
        self._requests()
        self._mentors(step)
        self._help()
        self._certificates(settled=settled)
        if facts is not None:
            self._results(facts)
            self._nobody_waits_in_vain(now)
            self._deadlines(now)
            self._proposals()
            await self._nothing_of_the_erased()

    async def _facts(self, conn: Any) -> dict[str, list[Row]]:
        queries = {
            "mark": "SELECT * FROM attendance_mark ORDER BY mark_id",
            "scan": "SELECT * FROM class_scan WHERE state = 'accepted'",
            "score": "SELECT * FROM test_score ORDER BY score_id",
            "rule": "TABLE completion_rule",
        }
        return {name: [dict(row) for row in await conn.fetch(query)] for name, query in queries.items()}

    def person(self, vendor_id: UUID) -> UUID:
        """Who stands for the person behind an id."""
        return stands_for(self.people, vendor_id)

    # -- events

    def _read(self, written: Iterable[Any]) -> None:
        for row in written:
            key = (row["topic"], row["key"])
            assert row["sequence"] == self.versions[key] + 1, f"{row['type']} of {key} after {self.versions[key]}"
            self.versions[key] += 1
            if not row["payload"]:
                continue
            event = EVENTS[row["type"]].model_validate(from_json(row["payload"]), strict=False)
            if isinstance(event, training.TraineeEvent):
                assert event.vendor_id not in self.erased, f"told of somebody who was erased: {row['type']}"
            self.told.hear(event)
            self.recent = [*self.recent[-60:], f"{row['type']} {row['key']} {event.model_dump_json()[:300]}"]
        self.events_seen += len(list(written))

    def _versions(self) -> None:
        for table, key in (
            ("trainee", "vendor_id"),
            ("class", "class_id"),
            ("mentor", "mentor_id"),
            ("provider", "provider_id"),
            ("matching", "matching_id"),
            ("course", "course"),
        ):
            for row in self.rows[table]:
                events = self.versions[TOPIC, str(row[key])]
                assert row["version"] == events, f"{table} {row[key]} is at {row['version']}, {events} events of it"
        for row in self.rows["mentor"]:
            assert row["card_version"] == self.versions[CARDS, str(row["mentor_id"])]

    def _same_as_told(self) -> None:
        told, gone = self.told, self.erased
        states = {row["class_id"]: row["state"] for row in self.rows["class"]}
        seats = {
            (row["class_id"], row["vendor_id"]): row["result"] or "open"
            for row in self.rows["seat"]
            if states[row["class_id"]] != "cancelled" and row["vendor_id"] not in gone
        }
        same(seats, {key: state for key, state in told.seats.items() if key[1] not in gone})
        waits = {(row["vendor_id"], row["course"]): row["class_id"] for row in self.rows["wait"]}
        # of a person's several ids one hears where it waits from now on; that it waits each has heard
        told_waits = {key: class_id for key, class_id in told.waits.items() if key[0] not in gone}
        told_waits |= {key: waits[key] for key in waits.keys() & told_waits.keys() if key[0] in self.ever_merged}
        same(waits, told_waits)
        mentors = {(row["vendor_id"], row["kind"]): row["mentor_id"] for row in self.rows["assignment"]}
        same(mentors, {key: mentor_id for key, mentor_id in told.mentors.items() if key[0] not in gone})
        for table, key, known in (
            ("case", "case_id", told.cases),
            ("referral", "referral_id", told.referrals),
            ("candidacy", "candidacy_id", told.candidacies),
            ("visit", "visit_id", told.visits),
        ):
            for row in self.rows[table]:
                never_told = table == "referral" and row["sent_at"] is None
                if row["vendor_id"] not in gone and not never_told:
                    assert known.get(row[key]) == row["state"], f"{table} {row[key]}: {known.get(row[key])}, {row}"

    # -- places

    def _seats(self, now: datetime) -> None:
        classes = {row["class_id"]: row for row in self.rows["class"]}
        taken = Counter(row["class_id"] for row in self.rows["seat"])
        for class_id, number in taken.items():
            assert number <= classes[class_id]["places"], f"{number} in {classes[class_id]}"
        there = {(row["class_id"], row["vendor_id"]) for row in self.before["seat"]}
        for row in self.rows["seat"]:
            if (row["class_id"], row["vendor_id"]) in there:
                continue
            course, person = classes[row["class_id"]]["course"], self.person(row["vendor_id"])
            others = [
                other
                for other in self.rows["seat"]
                if other is not row
                and self.person(other["vendor_id"]) == person
                and classes[other["class_id"]]["course"] == course
                and (classes[other["class_id"]]["state"] == "open" or other["result"] == "completed")
            ]
            assert not others, f"a person got a second place: {row}, {others}"

    def _busy(self, rows: dict[str, list[Row]]) -> set[tuple[UUID, str]]:
        """Who has a place in an open class of a course, or completed it: person and course."""
        classes = {row["class_id"]: row for row in rows["class"]}
        people: dict[UUID, UUID] = {row["vendor_id"]: row["person_id"] for row in rows["family"]}
        return {
            (stands_for(people, row["vendor_id"]), classes[row["class_id"]]["course"])
            for row in rows["seat"]
            if classes[row["class_id"]]["state"] == "open" or row["result"] == "completed"
        }

    def _queue_of(self, rows: dict[str, list[Row]], a_class: Row) -> dict[UUID, datetime]:
        """Who waited for a place of this class, by person, and since when."""
        people: dict[UUID, UUID] = {row["vendor_id"]: row["person_id"] for row in rows["family"]}
        busy = self._busy(rows)
        since: dict[UUID, datetime] = {}
        applies: set[UUID] = set()
        for row in rows["wait"]:
            person = stands_for(people, row["vendor_id"])
            if row["course"] != a_class["course"] or (person, row["course"]) in busy:
                continue
            since[person] = min(row["since"], since.get(person, row["since"]))
            lives_there = f"{row['kelurahan']}.".startswith(f"{a_class['area']}.")
            if row["class_id"] == a_class["class_id"] or (row["class_id"] is None and lives_there):
                applies.add(person)
        return {person: moment for person, moment in since.items() if person in applies}

    def _queue(self, now: datetime) -> None:
        """Whoever got a place of a class that lies ahead got it before nobody who waited for it longer."""
        today = day_in_jakarta(now)
        people: dict[UUID, UUID] = {row["vendor_id"]: row["person_id"] for row in self.before["family"]}
        there = {(row["class_id"], row["vendor_id"]) for row in self.before["seat"]}
        busy_now = self._busy(self.rows)
        for a_class in self.rows["class"]:
            if a_class["state"] != "open" or a_class["days"][0] <= today:
                continue
            queue = self._queue_of(self.before, a_class)
            for row in self.rows["seat"]:
                if row["class_id"] != a_class["class_id"] or (row["class_id"], row["vendor_id"]) in there:
                    continue
                person = stands_for(people, row["vendor_id"])
                # who asks for another class while it waits keeps its moment there
                turn = min(
                    (
                        wait["since"]
                        for wait in self.before["wait"]
                        if wait["course"] == a_class["course"] and stands_for(people, wait["vendor_id"]) == person
                    ),
                    default=None,
                )
                skipped = [
                    other
                    for other, since in queue.items()
                    if other != person
                    and (turn is None or since < turn)
                    and (self.person(other), a_class["course"]) not in busy_now
                    and any(
                        self.person(wait["vendor_id"]) == self.person(other) and wait["course"] == a_class["course"]
                        for wait in self.rows["wait"]
                    )
                ]
                assert not skipped, f"{row} got a place before {skipped}, who waited longer"

    def _nobody_waits_in_vain(self, now: datetime) -> None:
        taken = Counter(row["class_id"] for row in self.rows["seat"])
        for a_class in self.rows["class"]:
            if a_class["state"] == "open" and a_class["days"][0] > day_in_jakarta(now):
                free = a_class["places"] - taken[a_class["class_id"]]
                queue = self._queue_of(self.rows, a_class)
                assert not (free and queue), f"{free} places free, {queue} wait: {a_class}"

    def _requests(self) -> None:
        classes = {row["class_id"]: row["state"] for row in self.rows["class"]}
        open_ones = [row for row in self.rows["request"] if row["state"] in ("waiting", "drafted")]
        before = {row["request_id"]: row["state"] for row in self.before["request"]}
        for row in open_ones:
            assert row["state"] != "drafted" or classes[row["class_id"]] == "draft", row
            if row["request_id"] not in before:
                same = [
                    other
                    for other in open_ones
                    if other["course"] == row["course"]
                    and self.person(other["vendor_id"]) == self.person(row["vendor_id"])
                ]
                assert same == [row], f"a person asked twice: {same}"
        for row in self.rows["request"]:
            assert row["state"] != "invited" or classes[row["class_id"]] in ("open", "finished"), row

    # -- results

    def _results(self, facts: dict[str, list[Row]]) -> None:
        words = {(row["class_id"], row["vendor_id"], row["day"]): row["present"] for row in facts["mark"]}
        scanned = {(row["class_id"], row["vendor_id"], row["day"]) for row in facts["scan"]}
        scores = {(row["class_id"], row["vendor_id"]): row["score"] for row in facts["score"]}
        rules = {row["version"]: row for row in facts["rule"]}
        classes = {row["class_id"]: row for row in self.rows["class"]}
        for row in self.rows["seat"]:
            a_class = classes[row["class_id"]]
            if a_class["state"] != "finished" or row["sessions_attended"] is not None:
                continue
            keys = [(row["class_id"], row["vendor_id"], day) for day in a_class["days"]]
            came = [words.get(key, key in scanned) for key in keys]
            rule = rules[a_class["rule"]]
            met = (
                sum(came) * 100 >= (rule["percent_min"] or 0) * len(came)
                and sum(came) >= min(rule["sessions_min"] or 0, len(came))
                and (came[-1] or not rule["last_required"])
                and (rule["score_min"] is None or (scores.get(keys[0][:2]) or 0) >= rule["score_min"])
            )
            assert row["result"] == ("completed" if met else "not-completed"), f"{row}: {came} by {rule}"

    def _certificates(self, *, settled: bool) -> None:
        of_seat: dict[tuple[UUID, UUID], list[Row]] = defaultdict(list)
        for row in sorted(self.rows["certificate"], key=lambda row: int(row["issue"])):
            of_seat[row["class_id"], row["vendor_id"]].append(row)
            if row["vendor_id"] not in self.erased:
                assert self.told.certificates[row["certificate_id"]] == (row["revoked_at"] is None)
        years: dict[str, list[int]] = defaultdict(list)
        for row in self.rows["certificate"]:
            _, year, number = row["number"].split("/")
            years[year].append(int(number))
        for numbers in years.values():
            assert sorted(numbers) == list(range(1, len(numbers) + 1)), numbers
        named = {row["vendor_id"] for row in self.rows["name"]}
        for row in self.rows["seat"] if settled else ():
            if row["sessions_attended"] is not None:
                continue
            issued = of_seat[row["class_id"], row["vendor_id"]]
            valid = [one for one in issued if one["revoked_at"] is None]
            taken_back = bool(issued) and issued[-1]["revoked_because"] in ("issued-in-error", "fraud")
            due = row["result"] == "completed" and row["vendor_id"] in named and not taken_back
            assert len(valid) == due or (len(valid) == 1 and row["result"] == "completed"), (row, issued)

    # -- mentors

    def _mentors(self, step: str) -> None:
        kinds = Counter((self.person(row["vendor_id"]), row["kind"]) for row in self.rows["assignment"])
        assert set(kinds.values()) <= {1}, f"two mentors of one kind: {kinds}"
        load = Counter(row["mentor_id"] for row in self.rows["assignment"])
        load_before = Counter(row["mentor_id"] for row in self.before["assignment"])
        for row in self.rows["mentor"]:
            held = load[row["mentor_id"]]
            assert held <= row["load_max"] or held <= load_before[row["mentor_id"]], f"{held} at {row}"
            assert row["state"] == "listed" or held == 0, f"a withdrawn mentor has {held} vendors"
            own = {self.person(row["vendor_id"])} if row["vendor_id"] is not None else set()
            theirs = {
                self.person(one["vendor_id"]) for one in self.rows["assignment"] if one["mentor_id"] == row["mentor_id"]
            }
            assert not own & theirs, f"somebody mentors itself: {row}"
        groups = {row["group_id"]: row for row in self.rows["group"]}
        members = Counter(row["group_id"] for row in self.rows["member"])
        for row in self.rows["member"]:
            group = groups[row["group_id"]]
            assert row["mentor_id"] == group["mentor_id"], row
            assert group["ended_at"] is None, row
        for group_id, number in members.items():
            assert number <= groups[group_id]["members_max"]
        if not any(row["state"] == "publishing" for row in self.rows["matching"]):
            assert not self.rows["promised"], "seats are promised to no matching"

    # -- help, referrals, candidates

    def _help(self) -> None:
        standing = [row for row in self.rows["case"] if row["state"] != "closed"]
        before = {row["case_id"]: row["state"] for row in self.before["case"]}
        for row in standing:
            if before.get(row["case_id"], "closed") == "closed":
                same = [
                    one
                    for one in standing
                    if one["service"] == row["service"]
                    and self.person(one["vendor_id"]) == self.person(row["vendor_id"])
                ]
                assert same == [row], f"a second open case: {same}"
        answers = defaultdict(list)
        for answer in self.rows["answer"]:
            answers[answer["referral_id"]].append(answer)
        for row in self.rows["referral"]:
            if row["state"] in ("prepared", "withdrawn"):
                continue
            counting = [one for one in answers[row["referral_id"]] if not one["after_withdrawal"]]
            assert row["state"] == answered(counting), f"{row['state']} by {counting}"
            if row["state"] in ("sent", "received"):
                said = [
                    one
                    for one in self.rows["consent"]
                    if self.person(one["vendor_id"]) == self.person(row["vendor_id"])
                ]
                last = max(said, key=lambda one: (one["said_at"], not one["given"]), default=None)
                assert last is not None, f"{row} is with a bank without consent"
                assert last["given"], f"{row} is with a bank and the consent was withdrawn"

    def _deadlines(self, now: datetime) -> None:
        today = day_in_jakarta(now)
        for row in self.rows["case"]:
            if row["vendor_id"] not in self.erased:
                late = row["state"] in ("open", "working") and today > row["due_on"]
                assert row["overdue"] == late, f"on {today}: {row}"

    def _proposals(self) -> None:
        people = Counter(self.person(row["vendor_id"]) for row in self.rows["candidacy"] if row["state"] == "proposed")
        assert set(people.values()) <= {1}, f"two candidacies of one person: {people}"

    # -- the erased

    async def _nothing_of_the_erased(self) -> None:
        if not self.erased:
            return
        async with self.school.database.read() as conn:
            tables = await conn.fetch(
                "SELECT table_name AS name FROM information_schema.columns JOIN information_schema.tables "
                "USING (table_schema, table_name) WHERE table_schema = 'public' AND column_name = 'vendor_id' "
                "AND table_type = 'BASE TABLE' ORDER BY 1"
            )
            for (name,) in tables:
                condition = STAYS_OF_ERASED.get(name, "false")
                left = await conn.fetch(
                    f"SELECT * FROM {name} WHERE vendor_id = ANY($1::uuid[]) AND NOT ({condition})",  # noqa: S608 - names of our own tables
                    list(self.erased),
                )
                assert not left, f"{name} still knows somebody who was erased: {[dict(row) for row in left]}"


def stands_for(people: Mapping[UUID, UUID], vendor_id: UUID) -> UUID:
    """The id that stands for the person behind this one."""
    return people.get(vendor_id, vendor_id)


def same(there: Mapping[Any, Any], told: Mapping[Any, Any]) -> None:
    """What is there is what was told; the difference where it is not."""
    differs = {key: (there.get(key), told.get(key)) for key in there.keys() | told.keys()}
    differs = {key: both for key, both in differs.items() if both[0] != both[1] or (key in there) != (key in told)}
    assert not differs, f"there and told: {differs}"


def answered(counting: list[Row]) -> str:
    """What a bank's answers come to, by the words of the rule."""
    decisions = sorted((one["answered_at"], one["answer"]) for one in counting if one["answer"] != "received")
    if not decisions:
        return "received" if counting else "sent"
    until = decisions[0][0] + timedelta(days=30)
    # of one moment `declined` sorts after `approved`, and is the one that promises less
    return str([answer for moment, answer in decisions if moment <= until][-1])
