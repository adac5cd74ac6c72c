"""Mentors over HTTP and at the outbox: entered, changed, withdrawn; groups of foster mentors; whom each reaches."""

import asyncio
import json
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from services.training.app import create
from services.training.handlers.assignments import assign
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.rights import VendorErased
from shared.events.vendor import VendorMerged
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.training import GAMBIR, SAWAH_BESAR, School, moment, ok

OTHER_CITY = "31.72"


@pytest.fixture
async def school(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> School:
    fresh = await make_database("training")
    return School(fresh.database, serve(create, fresh), issuer, clock, sealer)


def entry(name: str = "Rina Contoh", **more: Any) -> dict[str, Any]:
    body = {
        "kind": "employed",
        "name": name,
        "agency": "ppkukm",
        "areas": ["31.71"],
        "fields": ["kuliner"],
        "languages": ["id"],
        "load_max": 140,
        "phone": "081234567890",
    }
    return {**body, **more}


def foster(**more: Any) -> dict[str, Any]:
    return entry("Bapak Contoh", **{"kind": "foster", "agency": None, **more})


async def enter(school: School, body: dict[str, Any] | None = None) -> UUID:
    return UUID(ok(await school.post("/v1/mentors", body or entry()), 201)["mentor_id"])


async def give(school: School, mentor: UUID, *vendors: UUID, kind: Any = "employed") -> None:
    async with school.database.transaction() as conn:
        for vendor in vendors:
            await assign(conn, vendor, mentor, kind=kind, by="officer", now=school.clock.now())


async def graduate(school: School, vendor: UUID) -> None:
    async with school.database.transaction() as conn:
        await conn.execute(
            "INSERT INTO candidacy (candidacy_id, vendor_id, criteria, criteria_version, state, proposed_at, "
            "decided_at, months_from, months_until, decided_on, decided_until, evidence) "
            "VALUES ($1, $2, 'naik-kelas', 1, 'graduated', $3, $3, '2022-09', '2023-02', $4, '2023-02', '{}')",
            new_id(),
            vendor,
            school.clock.now(),
            school.clock.today(),
        )


async def visit(school: School, mentor: UUID, vendor: UUID, day: str, **more: Any) -> UUID:
    body = {"vendor_id": str(vendor), "mentor_id": str(mentor), "visited_on": day, "mode": "visit", **more}
    return UUID(ok(await school.post("/v1/visits", body), 201)["visit_id"])


async def cards(school: School) -> list[tuple[int, dict[str, Any] | None]]:
    async with school.database.read() as conn:
        rows = await conn.fetch(
            "SELECT sequence, payload FROM outbox WHERE topic = 'lapak.training.contact.v1' ORDER BY seq"
        )
    return [(row["sequence"], None if row["payload"] is None else json.loads(row["payload"])) for row in rows]


# --- the entry


async def test_a_mentor_is_entered_and_its_name_is_on_its_card_only(school: School) -> None:
    mentor = await enter(school)
    (event,) = await school.published()
    assert (event.type, event.key, event.sequence) == ("MentorListed", mentor, 1)
    assert event.body["funding"] == "APBD"
    assert "Rina" not in json.dumps(event.body)
    assert await cards(school) == [
        (
            1,
            {
                "party_id": str(mentor),
                "kind": "mentor",
                "name": "Rina Contoh",
                "phone": "+6281234567890",
                "email": None,
                "language": "id",
            },
        )
    ]
    shown = ok(await school.get(f"/v1/mentors/{mentor}"))
    assert (shown["name"], shown["phone"], shown["load"], shown["alumnus"]) == (
        "Rina Contoh",
        "+6281234567890",
        0,
        False,
    )
    async with school.database.read() as conn:
        assert b"Rina" not in await conn.fetchval("SELECT card_sealed FROM mentor")


async def test_an_entry_that_cannot_be_is_refused_and_the_field_named(school: School) -> None:
    problem = ok(await school.post("/v1/mentors", entry(agency=None, load_max=501)), 422)
    assert "load_max" in json.dumps(problem["errors"])
    assert await school.published() == []


async def test_a_foster_mentor_never_costs_public_money(school: School) -> None:
    mentor = await enter(school, foster())
    assert ok(await school.get(f"/v1/mentors/{mentor}"))["funding"] == "NON_APBD"
    changed = await school.post(f"/v1/mentors/{mentor}/change", foster(funding="APBD"))
    assert changed.status_code == 422
    (event,) = await school.published("MentorListed")
    assert (event.body["kind"], event.body["funding"]) == ("foster", "NON_APBD")


async def test_a_change_is_told_once_and_a_name_alone_only_on_the_card(school: School) -> None:
    mentor = await enter(school)
    await school.post(f"/v1/mentors/{mentor}/change", entry())
    await school.post(f"/v1/mentors/{mentor}/change", entry("Rina Baru"))
    await school.post(f"/v1/mentors/{mentor}/change", entry("Rina Baru", load_max=20, account="rina"))
    assert [(e.sequence, e.body["load_max"]) for e in await school.published()] == [(1, 140), (2, 20)]
    assert [(number, card and card["name"]) for number, card in await cards(school)] == [
        (1, "Rina Contoh"),
        (2, "Rina Baru"),
    ]
    mine = ok(await school.get("/v1/mentors/me", token=school.issuer.token("rina", ["mentor"])))
    assert (mine["mentor_id"], mine["name"], mine["load_max"]) == (str(mentor), "Rina Baru", 20)
    other_kind = await school.post(f"/v1/mentors/{mentor}/change", foster())
    assert ok(other_kind, 409)["code"] == "mentor-kind-stays"


async def test_a_withdrawn_mentor_leaves_its_vendors_its_name_and_its_account(school: School) -> None:
    mentor = await enter(school, entry(account="rina"))
    one, other = sorted(await school.register(2))
    await give(school, mentor, one, other)
    for _ in range(2):
        ok(await school.post(f"/v1/mentors/{mentor}/withdraw"))
    assert [(e.type, e.key, e.sequence) for e in await school.published("MentorWithdrawn", "MentorUnassigned")] == [
        ("MentorWithdrawn", mentor, 2),
        ("MentorUnassigned", one, 3),
        ("MentorUnassigned", other, 3),
    ]
    (parted, _) = await school.published("MentorUnassigned")
    assert parted.body["because"] == "mentor-left"
    assert [card for _, card in await cards(school)] == [
        None,
        None,
    ]  # what waited in the outbox goes without a body too
    shown = ok(await school.get(f"/v1/mentors/{mentor}"))
    assert (shown["name"], shown["phone"], shown["account"], shown["load"]) == (None, None, None, 0)
    answer = await school.get("/v1/mentors/me", token=school.issuer.token("rina", ["mentor"]))
    assert ok(answer, 403)["code"] == "mentor-account-unknown"
    await enter(school, entry(account="rina"))  # the account is free for another
    gone = await school.post(f"/v1/mentors/{mentor}/change", entry())
    assert ok(gone, 409)["code"] == "mentor-withdrawn"


async def test_an_account_goes_to_one_of_ten_who_are_entered_at_once(school: School) -> None:
    await school.crowd()
    answers = await asyncio.gather(*(school.post("/v1/mentors", entry(account="rina")) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"account-taken"}


async def test_only_officers_whose_area_covers_a_mentor_write_its_entry(school: School) -> None:
    mentor = await enter(school, entry(areas=[SAWAH_BESAR, GAMBIR]))
    for token in (school.officer(SAWAH_BESAR), school.officer(OTHER_CITY), school.operator(), school.vendor(new_id())):
        for path, body in (
            ("/v1/mentors", entry(areas=[SAWAH_BESAR, GAMBIR])),
            (f"/v1/mentors/{mentor}/change", entry()),
            (f"/v1/mentors/{mentor}/withdraw", None),
        ):
            assert (await school.post(path, body, token=token)).status_code == 403
    assert (await school.get(f"/v1/mentors/{mentor}", token=school.officer(SAWAH_BESAR))).status_code == 200
    assert (await school.get(f"/v1/mentors/{mentor}", token=school.officer(OTHER_CITY))).status_code == 403
    assert len(await school.published()) == 1


async def test_mentors_are_listed_by_area_field_language_and_room(school: School) -> None:
    full = await enter(school, entry(load_max=1, languages=["id", "en"]))
    away = await enter(school, entry(areas=[GAMBIR], fields=["kriya"]))
    angkat = await enter(school, foster(areas=[SAWAH_BESAR]))
    (vendor,) = await school.register(1)
    await give(school, full, vendor)

    async def found(query: str, token: str | None = None) -> list[UUID]:
        answer = ok(await school.get(f"/v1/mentors?{query}", token=token))
        return [UUID(item["mentor_id"]) for item in answer["items"]]

    assert await found("") == [full, away, angkat]
    assert await found(f"area={SAWAH_BESAR}") == [full, angkat]
    assert await found("", school.officer(GAMBIR)) == [full, away]
    assert await found("with_room=true") == [away, angkat]
    assert await found("kind=foster") == [angkat]
    assert await found("field=kriya") == [away]
    assert await found("language=en") == [full]
    assert await found("agency=kpkp") == []
    first = ok(await school.get("/v1/mentors?limit=2"))
    rest = ok(await school.get(f"/v1/mentors?limit=2&after={first['next']}"))
    assert [UUID(item["mentor_id"]) for item in rest["items"]] == [angkat]
    assert rest["next"] is None


async def test_only_a_member_who_graduated_mentors_and_an_erased_one_does_no_more(school: School) -> None:
    alumnus, mentee = await school.register(2)
    refused = await school.post("/v1/mentors", foster(vendor_id=str(alumnus)))
    assert ok(refused, 409)["code"] == "not-graduated"
    await graduate(school, alumnus)
    mentor = await enter(school, foster(vendor_id=str(alumnus)))
    (listed,) = await school.published("MentorListed")
    assert listed.body["alumnus"] is True
    await give(school, mentor, mentee, kind="foster")

    await school.hear((VendorErased(vendor_id=alumnus, erasure_id=new_id()), 2))
    assert [e.key for e in await school.published("MentorWithdrawn", "MentorUnassigned")] == [mentor, mentee]
    async with school.database.read() as conn:
        row = await conn.fetchrow("SELECT state, vendor_id, card_sealed FROM mentor")
    assert tuple(row or ()) == ("withdrawn", None, None)


@pytest.mark.parametrize("survivor", ["mentor", "mentee"])
async def test_a_mentor_who_turns_out_to_be_its_own_mentee_is_parted_from_itself_only(
    school: School, clock: StandingClock, survivor: str
) -> None:
    alumnus, mentee, stranger = await school.register(3)
    await graduate(school, alumnus)
    itself = await enter(school, foster(vendor_id=str(alumnus)))
    employed, angkat = await enter(school), await enter(school, foster())
    group = await adopt(school, itself)
    await join(school, group, mentee, stranger)
    await give(school, employed, mentee)
    one, into, kept = mentee, alumnus, {(mentee, employed), (stranger, itself)}
    if survivor == "mentee":
        # of the two foster mentors this stays, though it came later and the other is that of the id that survives
        clock.advance(minutes=1)
        await give(school, angkat, alumnus, kind="foster")
        one, into, kept = alumnus, mentee, {*kept, (alumnus, angkat)}
    await school.hear((VendorMerged(vendor_id=one, into=into, merge_id=new_id()), 2))
    async with school.database.read() as conn:
        standing = await conn.fetch("SELECT vendor_id, mentor_id FROM assignment WHERE until IS NULL")
        ended = await conn.fetch("SELECT vendor_id, mentor_id, ended_because FROM assignment WHERE until IS NOT NULL")
    assert {tuple(row) for row in standing} == kept
    assert [tuple(row) for row in ended] == [(mentee, itself, "merged")]
    (parted,) = await school.published("MentorUnassigned")
    assert (parted.key, parted.body["mentor_id"], parted.body["kind"], parted.body["because"]) == (
        mentee,
        str(itself),
        "foster",
        "merged",
    )
    members = ok(await school.get(f"/v1/foster-groups/{group}/members"))["items"]
    assert [UUID(member["vendor_id"]) for member in members] == [stranger]
    asked_again = await school.post(f"/v1/trainees/{mentee}/mentors", {"mentor_id": str(itself), "reason": "other"})
    assert ok(asked_again, 409)["code"] == "own-mentor"


# --- foster groups


async def adopt(school: School, mentor: UUID, members_max: int = 30) -> UUID:
    body = {"area": SAWAH_BESAR, "members_max": members_max}
    return UUID(ok(await school.post(f"/v1/mentors/{mentor}/groups", body), 201)["group_id"])


async def join(school: School, group: UUID, *vendors: UUID) -> dict[str, Any]:
    body = {"vendor_ids": [str(vendor) for vendor in vendors]}
    return ok(await school.post(f"/v1/foster-groups/{group}/members", body))


async def test_members_of_a_group_have_its_foster_mentor_beside_the_employed_one(school: School) -> None:
    employed, angkat = await enter(school), await enter(school, foster())
    one, other = await school.register(2)
    await give(school, employed, one)
    group = await adopt(school, angkat)
    assert (await join(school, group, one, other))["refused"] == []
    shown = ok(await school.get(f"/v1/foster-groups/{group}"))
    assert (shown["members"], shown["funding"]) == (2, "NON_APBD")
    async with school.database.read() as conn:
        standing = await conn.fetch("SELECT vendor_id, mentor_id, kind FROM assignment WHERE until IS NULL")
    assert sorted(tuple(row) for row in standing) == sorted(
        [(one, employed, "employed"), (one, angkat, "foster"), (other, angkat, "foster")]
    )

    left = await school.post(f"/v1/foster-groups/{group}/members/{one}/leave", token=school.vendor(one))
    assert left.status_code == 204
    (event,) = await school.published("MentorUnassigned")
    assert (event.key, event.body["kind"], event.body["because"]) == (one, "foster", "vendor-left")
    members = ok(await school.get(f"/v1/foster-groups/{group}/members"))["items"]
    assert [UUID(member["vendor_id"]) for member in members] == [other]
    past = ok(await school.get(f"/v1/foster-groups/{group}/members?past=true"))["items"]
    assert [UUID(member["vendor_id"]) for member in past] == [one]
    again = await school.post(f"/v1/foster-groups/{group}/members/{one}/leave")
    assert ok(again, 404)["code"] == "member-unknown"


async def test_the_last_place_of_a_group_goes_to_one_of_many_at_once(school: School) -> None:
    angkat = await enter(school, foster())
    group = await adopt(school, angkat, members_max=1)
    vendors = await school.register(10)
    await school.crowd()
    answers = await asyncio.gather(*(join(school, group, vendor) for vendor in vendors))
    assert sum(len(answer["joined"]) for answer in answers) == 1
    assert {refused["code"] for answer in answers for refused in answer["refused"]} == {"group-full"}
    assert len(await school.published("MentorAssigned")) == 1


async def test_a_refused_vendor_leaves_its_place_to_the_next(school: School) -> None:
    angkat = await enter(school, foster())
    group = await adopt(school, angkat, members_max=2)
    held, second, third = await school.register(3)
    await join(school, group, held)
    answer = await join(school, group, held, second, third)
    assert answer["joined"] == [str(second)]
    assert [(r["vendor_id"], r["code"]) for r in answer["refused"]] == [
        (str(held), "mentor-standing"),
        (str(third), "group-full"),
    ]


async def test_who_has_the_foster_mentor_already_joins_without_a_second_assignment(school: School) -> None:
    angkat = await enter(school, foster())
    (vendor,) = await school.register(1)
    await give(school, angkat, vendor, kind="foster")
    group = await adopt(school, angkat)
    assert (await join(school, group, vendor))["joined"] == [str(vendor)]
    assert len(await school.published("MentorAssigned")) == 1


async def test_a_person_joins_once_though_both_of_its_ids_ask(school: School) -> None:
    angkat = await enter(school, foster())
    one, other = await school.register(2)
    await school.hear((VendorMerged(vendor_id=other, into=one, merge_id=new_id()), 2))
    answer = await join(school, await adopt(school, angkat), one, other)
    assert answer["joined"] == [str(one)]
    assert [(r["vendor_id"], r["code"]) for r in answer["refused"]] == [(str(other), "mentor-standing")]


async def test_a_group_that_is_given_up_parts_its_members_once(school: School) -> None:
    angkat = await enter(school, foster())
    group = await adopt(school, angkat)
    vendors = await school.register(3)
    await join(school, group, *vendors)
    assert ok(await school.post(f"/v1/foster-groups/{group}/end"))["parted"] == 3
    assert ok(await school.post(f"/v1/foster-groups/{group}/end"))["parted"] == 0
    late = await school.post(f"/v1/foster-groups/{group}/members", {"vendor_ids": [str(vendors[0])]})
    assert ok(late, 409)["code"] == "group-ended"
    assert ok(await school.get("/v1/foster-groups"))["items"] == []
    assert len(ok(await school.get("/v1/foster-groups?ended=true"))["items"]) == 1


async def test_an_employed_mentor_adopts_no_group_and_a_foster_mentor_none_elsewhere(school: School) -> None:
    employed, angkat = await enter(school), await enter(school, foster(areas=[GAMBIR]))
    body = {"area": SAWAH_BESAR, "members_max": 3}
    assert ok(await school.post(f"/v1/mentors/{employed}/groups", body), 409)["code"] == "mentor-kind"
    assert ok(await school.post(f"/v1/mentors/{angkat}/groups", body), 409)["code"] == "mentor-area"


# --- whom mentors reach


async def test_load_and_reach_stand_beside_the_averages_of_the_agency(school: School, clock: StandingClock) -> None:
    clock.moment = moment("2023-02-20T09:00")
    busy, idle = await enter(school, entry(account="rina")), await enter(school)
    elsewhere = await enter(school, entry(agency="kpkp"))
    here = await school.register(3)
    there = await school.register(1, "31.71.01.1001")
    await give(school, busy, *here)
    await give(school, idle, *there)
    clock.moment = moment("2023-03-10T09:00")
    await visit(school, busy, here[0], "2023-03-02")
    await visit(school, busy, here[0], "2023-03-09")
    await visit(school, busy, here[1], "2023-03-09", mode="call")
    await visit(school, busy, here[2], "2023-02-28")

    rows = {UUID(row["mentor_id"]): row for row in ok(await school.get("/v1/mentors/reach"))["items"]}
    assert set(rows) == {busy, idle, elsewhere}
    assert [rows[busy][name] for name in ("held", "visited", "visits")] == [3, 2, 3]
    assert [round(rows[busy][name], 3) for name in ("share", "agency_held", "agency_visited", "agency_share")] == [
        0.667,
        2.0,
        1.0,
        0.5,
    ]
    assert (rows[idle]["share"], rows[elsewhere]["share"], rows[elsewhere]["agency_share"]) == (0.0, None, None)
    february = ok(await school.get("/v1/mentors/reach?month=2023-02"))["items"]
    assert [row["visited"] for row in february if UUID(row["mentor_id"]) == busy] == [1]
    january = ok(await school.get("/v1/mentors/reach?month=2023-01"))["items"]
    assert {row["held"] for row in january} == {0}

    mine = ok(await school.get("/v1/mentors/reach", token=school.issuer.token("rina", ["mentor"])))["items"]
    assert [(UUID(row["mentor_id"]), row["agency_held"]) for row in mine] == [(busy, 2.0)]
    only_here = ok(await school.get(f"/v1/mentors/reach?area={SAWAH_BESAR}"))["items"]
    assert {UUID(row["mentor_id"]): row["held"] for row in only_here}[idle] == 0
    areas = ok(await school.get("/v1/mentors/reach/areas"))["areas"]
    assert [(row["area"], row["held"], row["visited"], row["mentors"]) for row in areas] == [
        (GAMBIR, 1, 0, 1),
        (SAWAH_BESAR, 3, 2, 1),
    ]


@pytest.mark.parametrize(
    ("today", "visits", "due"),
    [
        ("2023-04-05T09:00", [], None),  # had since 1 March: 35 days on is 5 April
        ("2023-04-06T09:00", [], "2023-04-05"),
        ("2023-04-13T23:59", [("2023-03-09", None)], None),
        ("2023-04-14T00:00", [("2023-03-09", None)], "2023-04-13"),
        ("2023-03-20T09:00", [("2023-03-09", "2023-03-20")], None),
        ("2023-03-21T09:00", [("2023-03-09", "2023-03-20")], "2023-03-20"),
        ("2023-03-21T09:00", [("2023-03-09", "2023-03-20"), ("2023-03-15", None)], None),
    ],
)
async def test_a_visit_is_overdue_after_35_days_or_the_day_that_was_agreed(
    school: School, clock: StandingClock, today: str, visits: list[tuple[str, str | None]], due: str | None
) -> None:
    mentor = await enter(school)
    (vendor,) = await school.register(1)
    await give(school, mentor, vendor)
    clock.moment = moment(today)
    for day, agreed in visits:
        await visit(school, mentor, vendor, day, next_action=agreed and "licence", next_action_on=agreed)
    found = ok(await school.get("/v1/visits/overdue"))["items"]
    assert [item["due_on"] for item in found] == ([due] if due else [])
    if due:
        days = (clock.today() - date.fromisoformat(due)).days
        assert (found[0]["overdue_days"], found[0]["vendor_id"]) == (days, str(vendor))


async def test_overdue_visits_come_longest_first_page_by_page_and_each_mentor_sees_its_own(
    school: School, clock: StandingClock
) -> None:
    rina, sari = await enter(school, entry(account="rina")), await enter(school, entry(account="sari"))
    vendors = await school.register(4)
    other = (await school.register(1, "31.71.01.1001"))[0]
    await give(school, rina, *vendors[:3])
    await give(school, sari, vendors[3], other)
    for number, vendor in enumerate(vendors[1:3], 1):
        clock.moment = moment(f"2023-03-0{number + 1}T09:00")
        await visit(school, rina, vendor, f"2023-03-0{number + 1}")
    clock.moment = moment("2023-05-01T09:00")

    async def found(query: str = "", token: str | None = None) -> list[UUID]:
        vendors_found, after = [], ""
        while True:
            answer = ok(await school.get(f"/v1/visits/overdue?limit=2&{query}{after}", token=token))
            vendors_found += [UUID(item["vendor_id"]) for item in answer["items"]]
            if answer["next"] is None:
                return vendors_found
            after = f"&after={answer['next']}"

    everybody = await found()
    assert everybody[-2:] == vendors[1:3]
    assert set(everybody) == {*vendors, other}
    assert await found("never=true") == everybody[:-2]
    assert set(await found(token=school.issuer.token("rina", ["mentor"]))) == set(vendors[:3])
    assert set(await found(f"mentor_id={rina}", school.issuer.token("sari", ["mentor"]))) == {vendors[3], other}
    assert await found(f"area={GAMBIR}") == [other]
    assert await found(token=school.officer(OTHER_CITY)) == []
    assert (await school.get("/v1/visits/overdue", token=school.vendor(other))).status_code == 403
