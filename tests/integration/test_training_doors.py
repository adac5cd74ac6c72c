"""Every door of training's HTTP, tried by everybody: who gets in, and whose ids and words nobody else ever reads.

One table names every route and who it opens to. What is of a city lies in Central Jakarta, classes in Sawah Besar; the
officer of the kelurahan where the vendor lives speaks for it, and decides nothing about classes, mentors or matchings.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from services.training import pages
from services.training.api import ROUTERS
from services.training.app import create
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.programme import PartnerAgreementMade
from shared.events.rights import ConsentGiven
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration import doors
from tests.integration.doors import EVERYBODY, ITSELF, OPERATOR, REGISTRAR, about, knock
from tests.integration.graduation import Programme, make_programme
from tests.integration.test_training_attendance import issue_tickets, ticket
from tests.integration.test_training_catalogue import describe
from tests.integration.test_training_certificates import graduate
from tests.integration.test_training_matching import p3, work_off
from tests.integration.test_training_mentors import adopt, enter, entry, foster, give, join, visit
from tests.integration.test_training_visits import HEADINGS
from tests.integration.training import COURSE, KARANG_ANYAR, SAWAH_BESAR, School, moment, ok

LOCAL = frozenset({"officer of the kelurahan"})
PROVINCE = frozenset({"officer of the province"})
SELF = frozenset({"officer who is this vendor"})
MENTOR, MENTORS = frozenset({"mentor of the vendor"}), frozenset({"mentor of the vendor", "another mentor"})
PROVIDERS = frozenset({"provider", "another provider"})
CALLERS = (*doors.CALLERS, *sorted(LOCAL | PROVINCE | SELF | MENTORS | PROVIDERS), "bank")

DECIDERS = doors.HERE | PROVINCE
"""Officers of the class, the city, the group; none of them is the vendor that it is about."""
HERE = DECIDERS | SELF
HOME = DECIDERS | LOCAL
"""Officers of where the vendor lives; none of them is the vendor."""
HOLDER = ITSELF | SELF
OWN = HOME | HOLDER
"""The side of a vendor: itself, and officers of where it lives."""
ANY_OFFICER = doors.OFFICERS | HERE | LOCAL
PUBLIC = EVERYBODY | frozenset(CALLERS)
SIGNED = PUBLIC - {"nobody"}
NOBODY: frozenset[str] = frozenset()
UNPLACED = frozenset({"officer of nowhere"})

START = moment("2023-03-01T09:00")
DAYS = ("2023-03-06", "2023-03-07")
NAME, MENTOR_NAME, WORDS = "Zubaidah Tersembunyi", "Rina Terselubung", "kata-kata rahasia 77"
PHONE = "+6281277770001"
PERSONAL = re.compile("Zubaidah|Tersembunyi|Terselubung|kata-kata rahasia|81277770001")
"""What is shown only to whom a door names."""
NUMBERS = count(1)
COMES_ON = {"visited_on": "2023-03-01", "mode": "visit"}
DRAFT = {"course": COURSE, "title": "Kelas", "area": SAWAH_BESAR, "days": list(DAYS), "places": 5}
CRITERIA = {
    "name": "naik-kelas",
    "version": 2,
    "effective_on": "2023-12-01",
    "title_id": "Naik kelas",
    "title_en": "Graduation",
    "document": {
        "months": 3,
        "late_months": 3,
        "conditions": [{"kind": "least", "measure": "turnover_rupiah", "at_least": 1}],
    },
}
AGENCY = {"kind": "agency", "fields": ["export"], "area": "31.71", "email": "kantor@contoh.id"}


@dataclass(frozen=True)
class Door(doors.Door):
    """A door of training."""

    unfit: frozenset[str] = frozenset()
    """Who is told, before it is a matter of rights, that what it sends makes no sense of it."""


@dataclass(kw_only=True)
class World(doors.World):
    """Training with something behind each door."""

    school: School
    clock: StandingClock

    def token(self, caller: str, itself: str) -> str | None:
        """The token of a caller."""
        issuer, account = self.issuer, self.ids.get
        tokens: dict[str, Callable[[], str]] = {
            "officer of the kelurahan": lambda: self.school.officer(KARANG_ANYAR),
            "officer of the province": lambda: self.school.officer("31"),
            "officer who is this vendor": lambda: issuer.token(
                "officer-self", ["officer", "vendor"], area="31.71", vendor_id=UUID(itself)
            ),
            "mentor of the vendor": lambda: issuer.token(account("account", "mentor"), ["mentor"]),
            "another mentor": lambda: issuer.token(account("other_account", "other-mentor"), ["mentor"]),
            "provider": lambda: issuer.token(account("provider_account", "provider"), ["provider"]),
            "another provider": lambda: issuer.token(account("other_provider", "other-provider"), ["provider"]),
            "bank": lambda: issuer.token("bank-dki", ["bank"]),
        }
        return tokens[caller]() if caller in tokens else super().token(caller, itself)


Ids = dict[str, str]
Maker = Callable[[World], Awaitable[Ids]]

# ---- what stands behind the doors; each maker makes it anew, with vendors of its own


async def people(world: World) -> Ids:
    world.clock.moment = START
    itself, another = await world.school.register(2)
    return {"vendor_id": str(itself), "another": str(another)}


async def a_class(world: World, **more: Any) -> Ids:
    """Open; nobody has a place."""
    ids = await people(world)
    return {**ids, "class_id": str(await world.school.open_class(**more))}


async def a_draft(world: World) -> Ids:
    return await a_class(world, draft=True)


async def placed(world: World) -> Ids:
    """Both have places and tickets."""
    ids = await a_class(world)
    await world.school.enrol(UUID(ids["class_id"]), [UUID(ids["vendor_id"]), UUID(ids["another"])])
    await issue_tickets(world.school)
    return {**ids, "secret:ticket": await ticket(world.school, UUID(ids["class_id"]), UUID(ids["vendor_id"]))}


async def waiting(world: World) -> Ids:
    """Another vendor has the only place."""
    ids = await a_class(world, places=1)
    for name in ("another", "vendor_id"):
        await world.school.enrol(UUID(ids["class_id"]), [UUID(ids[name])], waitlist=True)
    return ids


async def the_day(world: World) -> Ids:
    """The first morning; a device has shown a ticket that an officer must look at, and one that is forged."""
    ids = await placed(world)
    world.clock.moment = moment(f"{DAYS[0]}T09:00")
    scans = [
        {"scan_id": str(new_id()), "ticket": text, "scanned_at": "2015-01-01T09:00:00+07:00"}
        for text in (ids["secret:ticket"], f"{ids['secret:ticket'][:-4]}AAAA")
    ]
    body = {"device_id": "A", "sent_at": world.clock.now().isoformat(), "scans": scans}
    ok(await world.school.post(f"/v1/classes/{ids['class_id']}/check-ins/sync", body))
    return {**ids, "scan_id": scans[0]["scan_id"]}


async def examined(world: World) -> Ids:
    """A class whose course ends with a test."""
    ids = await a_course(world)
    rule = {"course": ids["course"], "score_min": 60}
    ok(await world.school.post("/v1/completion-rules", rule, token=world.school.officer("31")), 201)
    class_id = await world.school.open_class(course=ids["course"])
    await world.school.enrol(class_id, [UUID(ids["vendor_id"])])
    return {**ids, "class_id": str(class_id)}


async def over(world: World) -> Ids:
    ids = await the_day(world)
    world.clock.moment = moment(f"{DAYS[1]}T18:00")
    for day in DAYS:
        await world.school.attend(UUID(ids["class_id"]), day, [UUID(ids["vendor_id"])])
    return ids


async def certified(world: World) -> Ids:
    world.clock.moment = START
    vendor, certificate = await graduate(world.school, world.clock, NAME, 2)
    (another,) = await world.school.register(1)
    secret = certificate["pdf"].partition("key=")[2]
    return {
        "vendor_id": str(vendor),
        "another": str(another),
        "certificate_id": certificate["certificate_id"],
        "class_id": certificate["class_id"],
        "reference": certificate["number"],
        "secret:key": secret,
    }


async def demanded(world: World) -> Ids:
    ids = await a_course(world)
    path = f"/v1/trainees/{ids['vendor_id']}/course-requests"
    made = ok(await world.school.post(path, {"course": ids["course"]}), 201)
    return {**ids, "request_id": made["request_id"]}


async def a_course(world: World) -> Ids:
    ids = await people(world)
    code = f"kursus-{next(NUMBERS)}"
    await world.school.list_course(code)
    return {**ids, "course": code}


async def a_provider(world: World) -> Ids:
    ids = await people(world)
    accounts = {name: f"penyedia-{next(NUMBERS)}" for name in ("provider_account", "other_provider")}
    made = [
        ok(
            await world.school.post("/v1/providers", {"name": account, **AGENCY, "account": account, "phone": PHONE}),
            201,
        )
        for account in accounts.values()
    ]
    return {**ids, **accounts, "provider_id": made[0]["provider_id"]}


async def mentored(world: World) -> Ids:
    """Itself has a mentor, who was there once; another mentor has another vendor."""
    ids = await people(world)
    accounts = {name: f"mentor-{next(NUMBERS)}" for name in ("account", "other_account")}
    own, other = [
        await enter(world.school, entry(MENTOR_NAME, account=account, phone=PHONE)) for account in accounts.values()
    ]
    await give(world.school, own, UUID(ids["vendor_id"]))
    await give(world.school, other, UUID(ids["another"]))
    visit_id = await visit(world.school, own, UUID(ids["vendor_id"]), "2023-03-01", note=WORDS)
    return {**ids, **accounts, "mentor_id": str(own), "other_mentor": str(other), "visit_id": str(visit_id)}


async def unhappy(world: World) -> Ids:
    """Itself asks for another mentor."""
    ids = await mentored(world)
    path = f"/v1/trainees/{ids['vendor_id']}/mentor-requests"
    token = world.school.vendor(UUID(ids["vendor_id"]))
    made = ok(await world.school.post(path, {"reason": "distance"}, token=token), 201)
    return {**ids, "request_id": made["request_id"]}


async def fostered(world: World) -> Ids:
    """A group of a foster mentor, with itself in it."""
    ids = await people(world)
    account = f"bapak-{next(NUMBERS)}"
    mentor = await enter(world.school, {**foster(account=account), "name": MENTOR_NAME, "phone": PHONE})
    group = await adopt(world.school, mentor)
    await join(world.school, group, UUID(ids["vendor_id"]))
    return {**ids, "account": account, "mentor_id": str(mentor), "group_id": str(group)}


async def a_matching(world: World, *, published: bool = False) -> Ids:
    """Two more vendors asked for mentoring, and are matched."""
    ids = await mentored(world)
    third, fourth = await world.school.register(2)
    await world.school.hear((p3(third), 2), (p3(fourth), 2))
    made = ok(await world.school.post("/v1/matchings", {"area": KARANG_ANYAR}), 201)
    if published:
        ok(await world.school.post(f"/v1/matchings/{made['matching_id']}/publish"), 202)
        await work_off(world.school)
    return {**ids, "vendor_id": str(third), "another": str(fourth), "matching_id": made["matching_id"]}


async def matched(world: World) -> Ids:
    return await a_matching(world, published=True)


async def helped(world: World) -> Ids:
    """A case that itself opened, with what it said; it has a mentor."""
    ids = await mentored(world)
    path = f"/v1/trainees/{ids['vendor_id']}/cases"
    token = world.school.vendor(UUID(ids["vendor_id"]))
    made = ok(await world.school.post(path, {"service": "P4", "note": WORDS}, token=token), 201)
    return {**ids, "case_id": made["case_id"]}


async def _case_after(world: World, act: str, **body: Any) -> Ids:
    ids = await helped(world)
    ok(await world.school.post(f"/v1/cases/{ids['case_id']}/{act}", body))
    return ids


async def case_waiting(world: World) -> Ids:
    return await _case_after(world, "wait", wanted=["ktp-copy"])


async def case_closed(world: World) -> Ids:
    return await _case_after(world, "close", outcome="solved")


async def banked(world: World) -> Ids:
    """A bank has an agreement, and both consent."""
    ids = await people(world)
    fields = {"name": "Bank DKI", "kind": "bank", "area": "31", "code": "bank-dki", "topics": ["capital"]}
    days = {"valid_from": "2023-01-01", "valid_until": "2023-12-31"}
    agreement = {"partner_id": new_id(), "agreement_id": new_id(), **fields, **days}
    if next(NUMBERS_OF_BANKS) == 0:
        await world.school.hear((PartnerAgreementMade.model_validate(agreement), 1))
    for name in ("vendor_id", "another"):
        await world.school.hear((ConsentGiven(vendor_id=UUID(ids[name]), purpose="capital-referral"), 2))
    return ids


NUMBERS_OF_BANKS = count()


async def prepared(world: World) -> Ids:
    ids = await banked(world)
    path = f"/v1/trainees/{ids['vendor_id']}/capital-referrals"
    made = ok(await world.school.post(path, {"bank": "bank-dki"}), 201)
    return {**ids, "referral_id": made["referral_id"], "sha256": made["packet_sha256"]}


async def sent(world: World) -> Ids:
    ids = await prepared(world)
    body = {"packet_sha256": ids["sha256"], "shown": "at-counter"}
    ok(await world.school.post(f"/v1/capital-referrals/{ids['referral_id']}/send", body))
    return ids


async def _programme(world: World) -> Programme:
    return await make_programme(world.school, world.clock)


async def a_candidate(world: World) -> Ids:
    programme = await _programme(world)
    vendor, candidacy = await programme.candidate()
    (another,) = await world.school.register(1)
    found = {"vendor_id": str(vendor), "another": str(another), "candidacy_id": str(candidacy)}
    return {**found, "sha256": (await programme.shown(candidacy))["evidence_sha256"]}


async def decided(world: World, *, graduated: bool = True) -> Ids:
    ids = await a_candidate(world)
    body = {"graduated": graduated, "evidence_sha256": ids["sha256"]}
    more = {} if graduated else {"reason": "not-lasting"}
    path = f"/v1/graduation/candidacies/{ids['candidacy_id']}"
    decider = world.issuer.token("first-decider", ["officer"], area="31.71")
    ok(await world.school.post(f"{path}/decide", {**body, **more}, token=decider))
    return ids


async def declined(world: World) -> Ids:
    return await decided(world, graduated=False)


async def objected(world: World) -> Ids:
    ids = await declined(world)
    path = f"/v1/graduation/candidacies/{ids['candidacy_id']}/appeal"
    ok(await world.school.post(path, {"text": WORDS}, token=world.school.vendor(UUID(ids["vendor_id"]))), 201)
    return ids


MAKERS: dict[str, Maker] = {}


def door(route: str, opens: frozenset[str], maker: Maker, body: Any = None, **more: Any) -> Door:
    """A door behind which this maker puts something."""
    MAKERS[maker.__name__] = maker
    return Door(route, opens, body, fresh=maker.__name__, **more)


def told_by_letter(world: doors.World) -> dict[str, Any]:
    return {"answer": "received", "answered_at": START.isoformat()}


def a_sheet(world: doors.World) -> bytes:
    return f"vendor_id;day;present\n{world.ids['vendor_id']};{DAYS[0]};ya\n".encode()


def a_log(world: doors.World) -> bytes:
    cells = {"id_anggota": world.ids["vendor_id"], "tanggal": "27/02/2023", "cara": "kunjungan", "catatan": WORDS}
    return f"{HEADINGS}\n{';'.join(cells.get(name, '') for name in HEADINGS.split(';'))}\n".encode()


def an_entry(world: doors.World) -> dict[str, Any]:
    return entry(f"{MENTOR_NAME} {next(NUMBERS)}", phone=PHONE)


C, T = "/v1/classes/{class_id}", "/v1/trainees/{vendor_id}"
K, R = "/v1/certificates/{certificate_id}", "/v1/capital-referrals/{referral_id}"
G, M = "/v1/graduation/candidacies/{candidacy_id}", "/v1/matchings/{matching_id}"
PAPERS = (".pdf", "/credential.json", "/credential.jwt")
WITH_KEY = {"key": "@secret:key"}
WRONG_KEY = {"key": "0" * 43}
IN_LAST_YEARS = {"first": "2023-01-01", "last": "2023-12-31"}

DOORS = [
    # ---- what everybody may read
    *(
        door(f"GET {path}", PUBLIC, maker)
        for path, maker in {
            "/v1/fields": people,
            "/v1/courses": people,
            "/v1/courses/{course}": a_course,
            "/v1/providers": a_provider,
            f"{C}/gate": placed,
            f"{C}/gate-worker.js": placed,
            "/v1/completion-rules": people,
            "/v1/tickets/keys": placed,
            "/v1/public/certificates/{reference}": certified,
            "/certificates": certified,
            "/certificates/{reference}": certified,
            "/.well-known/did.json": certified,
            "/v1/help-services": people,
            "/v1/banks": banked,
            "/v1/graduation/criteria": people,
        }.items()
    ),
    door("GET /v1/credentials/status/{number}", PUBLIC, certified, at={"number": "1"}),
    door("GET /certificates", PUBLIC, certified, params={"number": "@reference"}),
    *(
        door(f"GET {path}", PUBLIC, certified, at={"reference": "certificate_id"})
        for path in ("/v1/public/certificates/{reference}", "/certificates/{reference}")
    ),
    # a secret address opens to whoever has it, and no other does
    *(door(f"GET {K}{end}", PUBLIC, certified, params=WITH_KEY) for end in PAPERS),
    *(door(f"GET {K}{end}", NOBODY, certified, params=WRONG_KEY, hides=True) for end in PAPERS),
    # ---- what everybody may read who says who it is
    door("GET /v1/classes", SIGNED, placed),
    door(f"GET {C}", SIGNED, placed),
    door(
        "GET /v1/visits/actions",
        ANY_OFFICER | UNPLACED | MENTORS | {"newcomer", "itself", "another vendor"},
        people,
    ),
    # ---- what a vendor may read of itself, and officers of where it lives
    *(
        door(f"GET {path}", OWN, maker)
        for path, maker in {
            T: placed,
            f"{T}/course-requests": demanded,
            f"{T}/waiting": waiting,
            f"{T}/days": placed,
            f"{T}/tickets": placed,
            f"{T}/tickets/{{class_id}}.svg": placed,
            f"{T}/tickets/{{class_id}}.png": placed,
            f"{T}/certificates": certified,
            f"{T}/mentors": mentored,
            f"{T}/capital-referrals": sent,
            R: sent,
            "/v1/vendors/{vendor_id}/graduation": decided,
            "/v1/vendors/{vendor_id}/contributions": mentored,
            K: certified,
            f"{K}.pdf": certified,
            f"{K}/credential.json": certified,
            f"{K}/credential.jwt": certified,
            f"{C}/results/{{vendor_id}}": over,
        }.items()
    ),
    door(f"GET {G}", OWN, objected, shows=OWN),
    door(f"GET {T}/cases", OWN | MENTOR, helped),
    door("GET /v1/cases/{case_id}", OWN | MENTOR, helped, shows=OWN | MENTOR),
    door("GET /v1/visits/{visit_id}", OWN | MENTOR, mentored, shows=OWN | MENTOR),
    door(
        "GET /v1/visits",
        ANY_OFFICER | MENTORS | HOLDER,
        mentored,
        params={"vendor_id": "@vendor_id"},
    ),
    door(f"GET {M}/pairs/{{vendor_id}}", OWN, matched),
    door(
        "GET /v1/vendors/{vendor_id}/data",
        REGISTRAR | HOLDER,
        mentored,
        params={"reason": "to-decide"},
    ),
    # ---- what officers may read of classes, areas, mentors
    door(f"GET {C}", HERE, a_draft),
    *(
        door(f"GET {C}/{noun}", HERE, maker)
        for noun, maker in {
            "waiting": waiting,
            "attendance/sheet.csv": placed,
            "gate/list": the_day,
            "check-ins": the_day,
            "check-ins/flagged": the_day,
            "check-ins/refused": the_day,
        }.items()
    ),
    door(f"GET {C}/attendance", HERE, the_day, params={"day": DAYS[0]}),
    door("GET /v1/classes/coverage", ANY_OFFICER | UNPLACED, placed),
    door("GET /v1/mentoring-policy", ANY_OFFICER | UNPLACED, people),
    door("GET /v1/demand", ANY_OFFICER, demanded),
    door("GET /v1/courses/{course}/providers", HERE, a_provider, params={"area": SAWAH_BESAR}, at={"course": COURSE}),
    door("GET /v1/providers/{provider_id}", HERE | LOCAL, a_provider, shows=HERE | LOCAL),
    *(
        door(f"GET /v1/{path}", ANY_OFFICER, maker)
        for path, maker in {
            "certificates": certified,
            "cases": helped,
            "capital-referrals": sent,
            "mentors/reach/areas": mentored,
            "mentor-requests": unhappy,
            "matchings": matched,
            "graduation/candidacies": objected,
        }.items()
    ),
    door("GET /v1/graduation/agencies", ANY_OFFICER, decided, params=IN_LAST_YEARS),
    door("GET /v1/mentors", ANY_OFFICER, mentored, shows=HERE | LOCAL),
    door("GET /v1/mentors/{mentor_id}", HERE | LOCAL, mentored, shows=HERE | LOCAL),
    *(door(f"GET {path}", HERE | LOCAL, matched) for path in (M, f"{M}/pairs", f"{M}/problem", f"{M}/result")),
    # ---- mentors and providers
    door("GET /v1/mentors/me", MENTORS, mentored, shows=MENTORS),
    door("GET /v1/mentors/{mentor_id}/vendors", HERE | MENTOR, mentored),
    *(door(f"GET /v1/{path}", ANY_OFFICER | MENTORS, mentored) for path in ("visits/overdue", "mentors/reach")),
    door("GET /v1/visits/template.csv", ANY_OFFICER | UNPLACED | MENTORS, mentored),
    door("GET /v1/foster-groups", ANY_OFFICER | MENTOR, fostered),
    *(door(f"GET /v1/foster-groups/{{group_id}}{end}", HERE | MENTOR, fostered) for end in ("", "/members")),
    door("GET /v1/providers/me", PROVIDERS, a_provider),
    # ---- operators
    *(door(f"GET /v1/{noun}", OPERATOR, people) for noun in ("sources", "projections")),
    *(door(f"POST /v1/{noun}/keys", OPERATOR, people) for noun in ("tickets", "credentials")),
    # ---- what a vendor may do for itself, and officers of where it lives for it
    door(f"POST {T}/course-requests", OWN, a_course, about(course="@course")),
    door(f"POST {T}/course-requests/{{request_id}}/take-back", OWN, demanded),
    door(f"POST {T}/waiting/{{course}}/end", OWN, waiting, at={"course": COURSE}),
    door(f"POST {T}/mentoring-wishes", OWN, people, {"fields": ["kuliner"]}),
    door(f"POST {T}/mentor-requests", HOLDER, mentored, {"reason": "distance"}),
    door(f"POST {T}/mentor-requests/take-back", HOLDER, unhappy),
    door(f"POST {K}/link", HOLDER, certified),
    door(f"POST {T}/cases", OWN | MENTOR, mentored, {"service": "P5", "note": WORDS}),
    door("POST /v1/cases/{case_id}/notes", OWN | MENTOR, helped, {"note": WORDS}),
    door("POST /v1/cases/{case_id}/resume", OWN, case_waiting, {}),
    door("POST /v1/cases/{case_id}/close", OWN, helped, {"outcome": "withdrawn"}),
    door("POST /v1/cases/{case_id}/reopen", OWN, case_closed, {}),
    door(f"POST {T}/capital-referrals", OWN, banked, {"bank": "bank-dki"}),
    door(f"POST {R}/send", OWN, prepared, about(packet_sha256="@sha256", shown="at-counter")),
    door(f"POST {R}/withdraw", OWN, sent),
    door(f"POST {G}/appeal", OWN, declined, {"text": WORDS}),
    # ---- what officers of where it lives decide about it, or its mentor does; never the officer who is this vendor
    door(f"POST {T}/mentors", HOME, mentored, about(mentor_id="@other_mentor", reason="language")),
    door(f"POST {T}/mentors/end", HOME, mentored, {"reason": "language"}),
    door("POST /v1/mentor-requests/{request_id}/answer", HOME, unhappy, about(grant=True, mentor_id="@other_mentor")),
    *(
        door(f"POST /v1/cases/{{case_id}}/{act}", HOME, helped, body)
        for act, body in {
            "take": {},
            "hand-over": {"owner": "kpkp"},
            "wait": {"wanted": ["ktp-copy"]},
            "deadline": {"due_on": "2023-04-20"},
        }.items()
    ),
    door(f"POST {R}/answers", HOME, sent, told_by_letter),
    door(f"POST {G}/decide", HOME, a_candidate, about(graduated=True, evidence_sha256="@sha256")),
    door(f"POST {G}/revoke", HOME, decided, {"reason": "decided-in-error"}),
    door(f"POST {G}/appeal/decide", HOME, objected, {"upheld": False, "answer": WORDS}),
    door(
        "POST /v1/visits",
        HOME | MENTOR,
        mentored,
        about(**COMES_ON, reference="r1", vendor_id="@vendor_id", mentor_id="@mentor_id"),
        unfit=frozenset({"another mentor"}),
    ),
    door("POST /v1/visits/{visit_id}/correct", HOME | MENTOR, mentored, {**COMES_ON, "note": WORDS}),
    door("POST /v1/visits/{visit_id}/strike", HOME | MENTOR, mentored, {"reason": "not-held"}),
    # rows about vendors of others are rejected one by one
    door("POST /v1/visits/import", ANY_OFFICER | MENTORS, mentored, params={"mentor_id": "@mentor_id"}, file=a_log),
    # ---- what officers of the class do
    door("POST /v1/classes", HERE, people, DRAFT),
    door(f"POST {C}/draft", HERE, a_draft, {"places": 7}),
    door(f"POST {C}/open", HERE, a_draft),
    door(f"POST {C}/move", HERE, placed, {"days": ["2023-03-20", "2023-03-21"]}),
    door(f"POST {C}/places", HERE, placed, {"places": 9}),
    door(f"POST {C}/cancel", HERE, placed, {"reason": "venue"}),
    door(f"POST {C}/finish", HERE, over),
    door(f"POST {C}/enrolments", DECIDERS | HOLDER, a_class, about(vendor_ids=["@vendor_id"])),
    door(f"POST {C}/withdrawals", DECIDERS | HOLDER, placed, about(vendor_ids=["@vendor_id"])),
    door(f"POST {C}/enrolments", DECIDERS, a_class, about(vendor_ids=["@vendor_id", "@another"])),
    door(f"POST {C}/attendance", DECIDERS, the_day, about(day=DAYS[0], vendor_ids=["@vendor_id"])),
    door(
        f"POST {C}/attendance/corrections",
        DECIDERS,
        the_day,
        about(day=DAYS[0], vendor_id="@vendor_id", present=True),
    ),
    door(f"POST {C}/attendance/sheet", DECIDERS, the_day, file=a_sheet, unfit=SELF),
    door(f"POST {C}/check-ins/sync", HERE, the_day, {"device_id": "B", "sent_at": START.isoformat(), "scans": []}),
    door(f"POST {C}/check-ins/flagged/{{scan_id}}", DECIDERS, the_day, {"accept": True, "day": DAYS[0]}),
    door(f"POST {C}/scores", DECIDERS, examined, about(scores=[{"vendor_id": "@vendor_id", "score": 80}])),
    door(f"POST {K}/revoke", DECIDERS, certified, {"reason": "fraud"}),
    door(f"POST {K}/reissue", DECIDERS, certified),
    # ---- what officers of the city do
    door("POST /v1/providers", HERE, people, lambda world: {"name": f"Dinas {next(NUMBERS)}", **AGENCY}),
    door("POST /v1/providers/{provider_id}/edit", HERE, a_provider, {"name": "Lain", **AGENCY}),
    door("POST /v1/providers/{provider_id}/withdraw", HERE, a_provider),
    door("POST /v1/mentors", HERE, people, an_entry),
    door("POST /v1/mentors/{mentor_id}/change", HERE, mentored, an_entry),
    door("POST /v1/mentors/{mentor_id}/withdraw", HERE, mentored),
    door("POST /v1/mentors/{mentor_id}/groups", HERE, fostered, {"area": "31.71", "members_max": 5}),
    door("POST /v1/foster-groups/{group_id}/members", DECIDERS, fostered, about(vendor_ids=["@vendor_id"])),
    door("POST /v1/foster-groups/{group_id}/members/{vendor_id}/leave", DECIDERS | HOLDER, fostered),
    door("POST /v1/foster-groups/{group_id}/end", HERE, fostered),
    door("POST /v1/matchings", HERE | LOCAL, mentored, {"area": KARANG_ANYAR}),
    door("POST /v1/matchings/newcomers", HERE | LOCAL, mentored, {"area": KARANG_ANYAR}),
    door(f"POST {M}/publish", HOME, a_matching),
    door(f"POST {M}/drop", HERE | LOCAL, a_matching),
    door("POST /v1/graduation/criteria/preview", ANY_OFFICER, people, {"document": CRITERIA["document"]}),
    # ---- what officers of the province do
    door("POST /v1/fields", PROVINCE, people, {"field": "kopi", "name_id": "Kopi", "name_en": "Coffee"}),
    door("POST /v1/courses", PROVINCE, people, lambda world: {"course": f"baru-{next(NUMBERS)}", **describe()}),
    door("POST /v1/courses/{course}/edit", PROVINCE, a_course, describe()),
    door("POST /v1/courses/{course}/withdraw", PROVINCE, a_course),
    door("POST /v1/completion-rules", PROVINCE, people, {"percent_min": 80}),
    door("POST /v1/mentoring-policy", PROVINCE, people, {"newcomers": "nobody"}),
    door("POST /v1/graduation/criteria", PROVINCE, people, CRITERIA),
]

USED_UP = {
    f"POST {C}/check-ins/flagged/{{scan_id}}",
    f"POST {T}/mentors/end",
    f"POST {T}/waiting/{{course}}/end",
    f"POST {T}/mentor-requests/take-back",
    f"POST {G}/appeal/decide",
    "POST /v1/foster-groups/{group_id}/members/{vendor_id}/leave",
}
"""After the first call that is let in there is nothing there any more."""


# ---- knocking


@pytest_asyncio.fixture
async def world(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> AsyncIterator[World]:
    fresh = await make_database("training")
    client = serve(create, fresh)
    school = School(fresh.database, client, issuer, clock, sealer)
    world = World(client=client, issuer=issuer, school=school, clock=clock)
    (elsewhere,) = await school.register(1, kelurahan="31.72.01.1001")
    world.ids["elsewhere"] = str(elsewhere)
    yield world


def test_the_table_names_every_route_of_the_service(
    issuer: LocalIssuer, setenv: Callable[[dict[str, str]], None]
) -> None:
    setenv({"LAPAK_DATABASE": "postgresql://nowhere/training"})
    assert {door.route for door in DOORS} == doors.routes(create, (*ROUTERS, pages.router))


OF_ITSELF = ("vendor_id",)
OF_ANOTHER = ("another",)


def wrong_status(door: Door, caller: str, answer: httpx.Response) -> str | None:
    """What is wrong with who was let in, if anything is."""
    if caller in door.unfit and answer.status_code in (409, 422):
        return None
    return doors.wrong_status(door, caller, answer)


def wrong_sight(world: World, door: Door, caller: str, answer: httpx.Response) -> str | None:
    """Whose id or words are shown to whom they must not be shown, if any are."""
    file = door.file(world) if callable(door.file) else door.file
    asked = door.route.partition(" ")[2].format(**door.names(world)) + "".join(door.params.values()) + file.decode()
    hidden = [] if caller in HERE | LOCAL else [*OF_ANOTHER]
    if caller == "another mentor":  # which has the other vendor
        hidden = [*OF_ITSELF]
    elif door.public or caller not in door.opens or caller in doors.ELSEWHERE:
        hidden = [*OF_ITSELF, *OF_ANOTHER]
    seen = [name for name in hidden if world.ids.get(name, "nothing") in answer.text]
    seen = [name for name in seen if world.ids[name] not in asked and f"@{name}" not in asked]
    personal = PERSONAL.search(answer.text)
    if personal and caller not in door.shows:
        seen.append(personal[0])
    if answer.is_success and not personal and caller in door.shows:
        return "sees nothing in full, so this door proves nothing"
    return f"sees {', '.join(seen)}" if seen else None


async def written(school: School) -> tuple[int, int]:
    """How much was told, and how many POSTs have acted."""
    async with school.database.read() as conn:
        row = await conn.fetchrow(
            "SELECT (SELECT count(*) FROM outbox) AS told, (SELECT count(*) FROM idempotency_key) AS acted"
        )
    assert row is not None
    return row["told"], row["acted"]


async def test_each_door_opens_to_those_it_is_for_and_tells_nobody_of_others(
    world: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO")
    clock, wrong, secrets = world.clock, [], set()
    answered: Counter[int] = Counter()
    made: dict[str, tuple[Ids, datetime]] = {}
    for door in sorted(DOORS, key=lambda door: door.method):  # what is read is made once
        if door.method == "POST" or door.fresh not in made:
            ids = await MAKERS[door.fresh](world)
            made[door.fresh] = ids, clock.moment
        ids, clock.moment = made[door.fresh]
        world.ids = {"elsewhere": world.ids["elsewhere"], **ids}
        secrets |= {value for name, value in ids.items() if name.startswith("secret:")}
        opened = False
        before: tuple[int, int] | None = await written(world.school)
        for caller in sorted(CALLERS, key=lambda caller: caller in door.opens):
            if opened and door.route in USED_UP:
                world.ids |= await MAKERS[door.fresh](world)
            if before is not None and caller in door.opens:  # the first; those who are refused came before
                if before != await written(world.school):
                    wrong.append(f"{door.route} {door.params}: changes something though it refuses")
                before = None
            answer = await knock(world, door, caller)
            answered[answer.status_code] += 1
            opened |= answer.status_code < 400
            found = [wrong_status(door, caller, answer), wrong_sight(world, door, caller, answer)]
            text = f"{door.route} {door.params} {door.fresh}: {caller}"
            wrong += [f"{text} {what} ({answer.status_code}: {answer.text[:160]})" for what in found if what]
        if not opened and door.opens:
            wrong.append(f"{door.route} {door.params} {door.fresh}: nobody gets through")
    assert not wrong, "\n".join(wrong)
    assert {200, 201, 202, 204, 401, 403, 404} <= answered.keys()
    assert len(secrets) > 5
    # the client of this test logs whole addresses; the service must not
    own = [record.getMessage() for record in caplog.records if not record.name.startswith("http")]
    await _nothing_is_left_behind(world.school, secrets, capfd.readouterr().out + " ".join(own))


async def _nothing_is_left_behind(school: School, secrets: set[str], logged: str) -> None:
    """Neither secrets nor anybody's words: in what is kept of requests and answers, in events, in log lines."""
    async with school.database.read() as conn:
        kept = await conn.fetchval(
            "SELECT string_agg(concat_ws(' ', caller, path, convert_from(body, 'UTF8')), ' ') FROM idempotency_key"
        )
        told = await conn.fetchval(
            "SELECT string_agg(convert_from(payload, 'UTF8'), ' ') FROM outbox WHERE topic = 'lapak.training.events.v1'"
        )
    assert "request.handled" in logged
    for place, text in {"what is kept of requests": kept, "events": told, "log lines": logged}.items():
        assert not PERSONAL.findall(text), place
        # the ticket is sent to the vendor through its event
        assert place == "events" or not [secret for secret in secrets if secret in text], place


async def test_a_planted_open_door_and_a_planted_leak_are_found(world: World) -> None:
    world.ids |= await placed(world)
    open_door, leak = Door(f"GET {C}", HERE), Door(f"GET {T}", OWN)
    answer = await knock(world, open_door, "itself")
    assert wrong_status(open_door, "itself", answer) == "is let in"
    assert wrong_status(open_door, "nobody", answer) == "need not say who calls"
    assert wrong_status(replace(open_door, opens=PUBLIC), "nobody", httpx.Response(404)) == "is kept out"
    assert wrong_status(replace(open_door, unfit=ITSELF), "itself", httpx.Response(422)) is None

    def sees(caller: str, text: str) -> str | None:
        return wrong_sight(world, leak, caller, httpx.Response(200, text=text))

    assert sees("itself", world.ids["another"]) == "sees another"
    assert sees("officer elsewhere", "a") is None
    assert sees("officer", world.ids["another"]) is None
    assert sees("officer", NAME) == "sees Zubaidah"
    assert "proves nothing" in str(wrong_sight(world, replace(leak, shows=ITSELF), "itself", answer))
