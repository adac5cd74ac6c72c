"""The catalogue on a real database, through the HTTP doors: courses, fields, providers and their agreements."""

import asyncio
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.training.app import create
from services.training.handlers.courses import TELL, tell_catalogue
from services.training.keys import COLUMNS
from services.training.store.courses import find_completed_courses
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.programme import PartnerAgreementEnded, PartnerAgreementMade
from shared.events.vendor import VendorMerged
from shared.ids import new_id
from shared.timers import run_due
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.training import COURSE, SAWAH_BESAR, School, moment, ok


@pytest.fixture
async def school(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> School:
    fresh = await make_database("training")
    return School(fresh.database, serve(create, fresh), issuer, clock, sealer)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def told(school: School, topic: str = "lapak.training.events.v1") -> list[tuple[str, str, int, Any]]:
    """What is in the outbox of a topic, oldest first: type, key, sequence and body; none for a tombstone."""
    async with school.database.read() as conn:
        rows = await conn.fetch(
            "SELECT type, key, sequence, convert_from(payload, 'UTF8')::json AS body FROM outbox WHERE topic = $1 "
            "ORDER BY seq",
            topic,
        )
    return [tuple(row) for row in rows]


def describe(**more: Any) -> dict[str, Any]:
    names = {"name_id": "Barista", "name_en": "Barista"}
    return {**names, "level": "basic", "field": "kuliner", "sessions": 2, **more}


# --- courses


async def test_the_first_catalogue_has_courses_of_every_field_and_is_told_once(
    school: School, clock: StandingClock
) -> None:
    fields = {one["field"] for one in ok(await school.client.get("/v1/fields"))["items"]}
    courses = ok(await school.client.get("/v1/courses"))["items"]
    assert {one["field"] for one in courses} == fields
    assert {one["course"] for one in courses} >= {COURSE, "ekspor-dasar"}
    assert await told(school) == []
    # somebody changed one before the timer came: it is told as it is now, and not again
    ok(await school.post("/v1/courses/olahan-pangan/edit", describe(), token=school.officer("31")))
    assert await run_due(school.database, {TELL: tell_catalogue}, clock.now())
    assert not await run_due(school.database, {TELL: tell_catalogue}, clock.now())
    events = await told(school)
    assert {(kind, sequence) for kind, _, sequence, _ in events} == {("CourseListed", 1)}
    assert sorted(key for _, key, _, _ in events) == sorted(one["course"] for one in courses)
    ok(await school.post(f"/v1/courses/{COURSE}/edit", describe(), token=school.officer("31")))
    assert (await told(school))[-1][:3] == ("CourseListed", COURSE, 2)


async def test_a_course_is_listed_changed_withdrawn_and_listed_again(school: School) -> None:
    province = school.officer("31")
    body = {"course": "barista", **describe(prerequisites=["olahan-pangan"], requests_needed=5)}
    assert ok(await school.post("/v1/courses", body, token=province), 201) == {"course": "barista", "state": "listed"}
    assert refusal(await school.post("/v1/courses", body, token=province)) == (409, "course-known")
    assert ok(await school.client.get("/v1/courses/barista")) == {
        "course": "barista",
        "name": {"id": "Barista", "en": "Barista"},
        "level": "basic",
        "field": "kuliner",
        "sessions": 2,
        "prerequisites": ["olahan-pangan"],
        "counted_in": "kecamatan",
        "requests_needed": 5,
        "state": "listed",
    }
    answer = await school.post("/v1/courses/olahan-pangan/withdraw", token=province)
    assert (refusal(answer), answer.json()["details"]["courses"]) == (
        (409, "course-needed"),
        ["barista", "kemasan-pangan"],
    )
    for _ in range(2):
        ok(await school.post("/v1/courses/barista/withdraw", token=province))
    listed = ok(await school.client.get("/v1/courses?field=kuliner&limit=2"))
    assert [one["course"] for one in listed["items"]] == ["kemasan-pangan", "olahan-pangan"]
    first = ok(await school.client.get("/v1/courses?field=kuliner&withdrawn=true&limit=1"))
    assert [(one["course"], one["state"]) for one in first["items"]] == [("barista", "withdrawn")]
    second = ok(await school.client.get(f"/v1/courses?field=kuliner&withdrawn=true&limit=1&after={first['next']}"))
    assert [one["course"] for one in second["items"]] == ["kemasan-pangan"]
    ok(await school.post("/v1/courses/barista/edit", describe(), token=province))
    events = [one[:3] for one in await told(school)]
    assert events == [(kind, "barista", n) for n, kind in enumerate(["CourseListed", "CourseWithdrawn"] * 2, 1)][:3]


async def test_of_courses_that_would_need_each_other_in_a_ring_the_last_is_refused(school: School) -> None:
    province, ring = school.officer("31"), [f"ring-{number}" for number in range(8)]
    for code in ring:
        ok(await school.post("/v1/courses", {"course": code, **describe()}, token=province), 201)
    await school.crowd()
    answers = await asyncio.gather(
        *(
            school.post(f"/v1/courses/{code}/edit", describe(prerequisites=[needed]), token=province)
            for code, needed in zip(ring, [*ring[1:], ring[0]], strict=True)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [422]
    (refused,) = (answer.json() for answer in answers if answer.status_code == 422)
    assert (refused["code"], len(refused["details"]["cycle"])) == ("prerequisite-cycle", 9)


async def test_what_a_course_lacks_is_named(school: School) -> None:
    province = school.officer("31")
    for body, code in (
        (describe(field="dancing"), "field-unknown"),
        (describe(prerequisites=["nowhere"]), "prerequisite-unknown"),
        (describe(prerequisites=["barista"]), "prerequisite-cycle"),
        (describe(sessions=0), "invalid"),
    ):
        assert refusal(await school.post("/v1/courses", {"course": "barista", **body}, token=province)) == (422, code)
    assert refusal(await school.post("/v1/courses/nowhere/edit", describe(), token=province)) == (
        404,
        "course-not-found",
    )
    assert refusal(await school.client.get("/v1/courses/nowhere")) == (404, "course-not-found")
    assert await told(school) == []
    field = {"field": "dancing", "name_id": "Tari", "name_en": "Dance"}
    ok(await school.post("/v1/fields", field, token=province))
    ok(await school.post("/v1/courses", {"course": "tari", **describe(field="dancing")}, token=province), 201)


async def test_the_catalogue_is_kept_by_officers_of_the_province(school: School) -> None:
    (vendor,) = await school.register(1)
    posts = [
        ("/v1/courses", {"course": "barista", **describe()}),
        (f"/v1/courses/{COURSE}/edit", describe()),
        (f"/v1/courses/{COURSE}/withdraw", None),
        ("/v1/fields", {"field": "dancing", "name_id": "Tari", "name_en": "Dance"}),
    ]
    for path, body in posts:
        assert refusal(await school.post(path, body)) == (403, "province-only")
        assert refusal(await school.post(path, body, token=school.vendor(vendor))) == (403, "role-missing")


async def test_what_a_person_completed_counts_under_each_of_its_ids(school: School, clock: StandingClock) -> None:
    one, other, stranger = await school.register(3)
    class_id = await school.open_class(days=["2023-03-02"])
    await school.enrol(class_id, [one])
    clock.moment = moment("2023-03-02T17:00")
    await school.attend(class_id, "2023-03-02", [one])
    await school.finish(class_id)
    await school.hear((VendorMerged(vendor_id=one, into=other, merge_id=new_id()), 2))
    async with school.database.read() as conn:
        found = await find_completed_courses(conn, [one, other, stranger])
    assert found == {one: {COURSE}, other: {COURSE}, stranger: set()}


# --- providers


async def agree(school: School, partner_id: UUID, sequence: int = 1, **more: Any) -> UUID:
    """A partner agrees with the programme, as the registry tells it."""
    fields = {"area": "31.71", "valid_from": date(2023, 1, 1), "valid_until": date(2023, 12, 31), **more}
    agreement_id = new_id()
    made = PartnerAgreementMade(
        partner_id=partner_id, agreement_id=agreement_id, name="Universitas", kind="university", **fields
    )
    await school.hear((made, sequence))
    return agreement_id


def entry(**more: Any) -> dict[str, Any]:
    return {"name": "Dinas PPKUKM", "kind": "agency", "fields": ["export"], "area": "31.71", **more}


async def candidates(school: School, area: str = SAWAH_BESAR) -> list[tuple[str, list[str]]]:
    answer = ok(await school.get(f"/v1/courses/ekspor-dasar/providers?area={area}"))
    return [(one["provider_id"], one["because"]) for one in answer["items"]]


async def test_a_provider_rests_on_its_partners_agreement_while_it_holds(school: School, clock: StandingClock) -> None:
    partner_id = uuid4()
    body = entry(kind="university", partner_id=str(partner_id), account="kampus")
    assert refusal(await school.post("/v1/providers", body)) == (422, "partner-unknown")
    agreement_id = await agree(school, partner_id)
    provider_id = ok(await school.post("/v1/providers", body), 201)["provider_id"]
    assert await candidates(school) == [(provider_id, [])]
    shown = ok(await school.client.get("/v1/providers"))["items"]
    assert [(one["provider_id"], one["in_force"], one["valid_until"]) for one in shown] == [
        (provider_id, True, "2023-12-31")
    ]
    # outside its days
    clock.moment = moment("2024-01-01T00:00")
    assert await candidates(school) == [(provider_id, ["agreement"])]
    clock.moment = moment("2023-12-31T23:59")
    assert await candidates(school) == [(provider_id, [])]
    # ended early: from that day on, and the news goes on
    ended = PartnerAgreementEnded(
        partner_id=partner_id, agreement_id=agreement_id, ended_on=date(2023, 12, 31), lapsed=False
    )
    await school.hear((ended, 2))
    assert await candidates(school) == [(provider_id, ["agreement"])]
    await agree(school, partner_id, 3, valid_from=date(2024, 1, 1), valid_until=date(2024, 6, 30))
    assert await candidates(school) == [(provider_id, ["agreement"])]
    clock.moment = moment("2024-01-01T00:00")
    assert await candidates(school) == [(provider_id, [])]
    events = [(kind, sequence, body["valid_until"]) for kind, _, sequence, body in await told(school)]
    assert events == [
        ("ProviderListed", 1, "2023-12-31"),
        ("ProviderListed", 2, "2023-12-30"),
        ("ProviderListed", 3, "2024-06-30"),
    ]


async def test_an_agreement_covers_its_own_area_only(school: School) -> None:
    partner_id = uuid4()
    await agree(school, partner_id, area="31.71.01")
    body = entry(kind="chamber", partner_id=str(partner_id))
    provider_id = ok(await school.post("/v1/providers", body), 201)["provider_id"]
    assert await candidates(school, "31.71.01") == [(provider_id, [])]
    assert await candidates(school, SAWAH_BESAR) == [(provider_id, ["agreement"])]
    # news of an agreement that was made before anybody listened changes nothing
    unheard = PartnerAgreementEnded(
        partner_id=partner_id, agreement_id=new_id(), ended_on=date(2023, 3, 1), lapsed=True
    )
    await school.hear((unheard, 2))
    assert await candidates(school, "31.71.01") == [(provider_id, [])]


async def test_names_and_contacts_travel_on_the_card_and_a_withdrawn_provider_leaves_none(
    school: School, sealer: Sealer
) -> None:
    contact = {"phone": "0812-3456-7890", "email": "pelatihan@contoh.go.id"}
    provider_id = ok(await school.post("/v1/providers", entry(**contact)), 201)["provider_id"]
    shown = ok(await school.get(f"/v1/providers/{provider_id}"))
    assert (shown["phone"], shown["email"]) == ("+6281234567890", contact["email"])
    path = f"/v1/providers/{provider_id}"
    # nothing that others would notice: no event, no card
    ok(await school.post(f"{path}/edit", entry(**contact, account="dinas")))
    ok(await school.post(f"{path}/edit", entry(**contact, account="dinas", name="Dinas UMKM")))
    async with school.database.read() as conn:
        (column,) = (one for one in COLUMNS if one.name == "contacts of providers")
        sealed = await conn.fetch(column.select, UUID(int=0), 10)
    assert [sealer.open(row["sealed"], row["id"].bytes) for row in sealed] == [
        b'{"phone": "+6281234567890", "email": "pelatihan@contoh.go.id"}'
    ]
    for _ in range(2):
        ok(await school.post(f"{path}/withdraw"))
    assert refusal(await school.get("/v1/providers/me", token=provider(school, "nobody"))) == (
        404,
        "provider-not-found",
    )
    gone = ok(await school.get(path))
    assert (gone["state"], gone["phone"], gone["in_force"]) == ("withdrawn", None, False)
    ok(await school.post(f"{path}/edit", entry(**contact)))
    assert [one[:3] for one in await told(school)] == [
        ("ProviderListed", provider_id, 1),
        ("ProviderWithdrawn", provider_id, 2),
        ("ProviderListed", provider_id, 3),
    ]
    assert not any("Dinas" in str(body) or "@" in str(body) for _, _, _, body in await told(school))
    cards = await told(school, "lapak.training.contact.v1")
    assert [(sequence, body and body["name"]) for _, _, sequence, body in cards] == [
        (1, None),  # not sent yet when the tombstone came
        (2, None),
        (3, None),
        (4, "Dinas PPKUKM"),
    ]


async def test_an_account_belongs_to_one_provider(school: School) -> None:
    await school.crowd()
    answers = await asyncio.gather(
        *(school.post("/v1/providers", entry(name=f"Dinas {n}", account="dinas")) for n in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"account-taken"}
    assert len(await told(school)) == 1


async def test_providers_are_kept_by_officers_of_their_area_and_seen_by_everybody(school: School) -> None:
    south, sawah_besar = school.officer("31.74"), school.officer(SAWAH_BESAR)
    assert refusal(await school.post("/v1/providers", entry(), token=south)) == (403, "outside-area")
    assert refusal(await school.post("/v1/providers", entry(fields=["dancing"]))) == (422, "field-unknown")
    provider_id = ok(await school.post("/v1/providers", entry()), 201)["provider_id"]
    path = f"/v1/providers/{provider_id}"
    assert refusal(await school.post(f"{path}/edit", entry(area=SAWAH_BESAR), token=sawah_besar)) == (
        403,
        "outside-area",
    )
    assert refusal(await school.post(f"{path}/edit", entry(area="31"))) == (403, "outside-area")
    assert refusal(await school.post(f"{path}/withdraw", token=south)) == (403, "outside-area")
    assert refusal(await school.get(path, token=south)) == (403, "outside-area")
    assert refusal(await school.get(path, token=provider(school, "kampus"))) == (403, "role-missing")
    for officer in (sawah_besar, school.officer("31")):
        assert ok(await school.get(path, token=officer))["provider_id"] == provider_id
    assert refusal(await school.get(f"/v1/providers/{uuid4()}")) == (404, "provider-not-found")
    other = ok(await school.post("/v1/providers", entry(area="31.74", fields=["kuliner"]), token=south), 201)
    for query, expected in (
        ("", [provider_id, other["provider_id"]]),
        ("?area=31.71.02.1002", [provider_id]),
        ("?area=31", [provider_id, other["provider_id"]]),
        ("?field=kuliner", [other["provider_id"]]),
        ("?kind=university", []),
    ):
        items = ok(await school.client.get(f"/v1/providers{query}"))["items"]
        assert [one["provider_id"] for one in items] == expected
        assert all("phone" not in one and "account" not in one for one in items)


async def test_the_people_of_a_provider_see_what_is_asked_of_it(school: School) -> None:
    provider_id = ok(await school.post("/v1/providers", entry(account="dinas")), 201)["provider_id"]
    body = {"draft": True, "course": "ekspor-dasar", "title": "Ekspor", "area": "31.71", "provider_id": provider_id}
    draft = ok(await school.post("/v1/classes", body), 201)["class_id"]
    own = ok(await school.get("/v1/providers/me", token=provider(school, "dinas")))
    assert (own["provider_id"], own["in_force"]) == (provider_id, True)
    assert [(one["class_id"], one["state"], one["taken"]) for one in own["classes"]] == [(draft, "draft", 0)]
    assert refusal(await school.get("/v1/providers/me")) == (403, "role-missing")
    # with a class under way another is asked first
    other = ok(await school.post("/v1/providers", entry()), 201)["provider_id"]
    assert [one for one, _ in await candidates(school)] == [other, provider_id]


def provider(school: School, account: str) -> str:
    """Token of a provider's people."""
    return school.issuer.token(account, ["provider"])
