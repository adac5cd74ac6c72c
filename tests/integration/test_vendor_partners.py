"""Partners and their agreements; export, exhibitions and invitations."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic_core import from_json

from services.vendor.handlers.partners import TIMER, lapse_agreement
from services.vendor.store import invitations as store
from services.vendor.store.vendors import PLAN_FOR_THESE_VALUES
from shared.timers import run_due
from tests.conftest import StandingClock
from tests.integration.vendor import KARANG_ANYAR, PENJARINGAN, Registry, at_once, ok

BANK = {"code": "bank-dki", "name": "Bank DKI", "kind": "bank"}
CITY = {"area": "31.71", "valid_from": "2023-03-01", "valid_until": "2023-12-31", "topics": ["export"]}
EXHIBITION = {
    "title": "Pameran UMKM G20",
    "place": "JCC Senayan",
    "kind": "exhibition",
    "area": "31.71",
    "days": ["2023-04-02", "2023-04-01"],
    "answer_by": "2023-03-10",
}


def stand_at(clock: StandingClock, day: str) -> None:
    clock.moment = datetime.fromisoformat(f"{day}T00:00:00+07:00").astimezone(UTC)


async def enter(registry: Registry, **more: str) -> UUID:
    return UUID(ok(await registry.post("/v1/partners", {**BANK, **more}), 201)["partner_id"])


async def agree(registry: Registry, partner_id: UUID, *, token: str | None = None, **more: Any) -> UUID:
    answer = await registry.post(f"/v1/partners/{partner_id}/agreements", {**CITY, **more}, token=token)
    return UUID(ok(answer, 201)["agreement_id"])


async def codes(registry: Registry, **params: str) -> list[str]:
    answer = ok(await registry.client.get("/v1/partners", params=params))
    return [item["code"] for item in answer["items"]]


async def wake(registry: Registry) -> int:
    count = 0
    while await run_due(registry.database, {TIMER: lapse_agreement}, registry.clock.now()):
        count += 1
    return count


# ---- partners


async def test_anyone_may_read_who_works_with_the_programme(registry: Registry) -> None:
    partner_id = await enter(registry)
    agreement_id = await agree(registry, partner_id, topics=["export", "capital"])
    listed = ok(await registry.client.get("/v1/partners"))
    assert listed == {
        "items": [
            {
                "partner_id": str(partner_id),
                **BANK,
                "agreements": [
                    {
                        "agreement_id": str(agreement_id),
                        "area": "31.71",
                        "valid_from": "2023-03-01",
                        "valid_until": "2023-12-31",
                        "topics": ["capital", "export"],
                        "ended_on": None,
                        "lapsed": None,
                        "in_force": True,
                    }
                ],
            }
        ],
        "next": None,
    }
    assert ok(await registry.client.get(f"/v1/partners/{partner_id}")) == listed["items"][0]
    assert ok(await registry.client.get(f"/v1/partners/{uuid4()}"), 404)["code"] == "partner-unknown"
    (event,) = await registry.published("PartnerAgreementMade")
    assert (event.key, event.sequence, event.body["name"], event.body["area"]) == (
        str(partner_id),
        1,
        "Bank DKI",
        "31.71",
    )


async def test_the_list_is_filtered_by_area_day_kind_and_topic(registry: Registry) -> None:
    province = registry.officer("31")
    bank = await enter(registry)
    chamber = await enter(registry, code="kadin", name="Kadin", kind="chamber")
    await agree(registry, bank)
    await agree(registry, chamber, token=province, area="31", valid_from="2023-06-01", topics=["digital-marketing"])
    assert await codes(registry) == ["bank-dki"]
    assert await codes(registry, day="2023-06-01") == ["bank-dki", "kadin"]
    assert await codes(registry, day="2023-06-01", area=KARANG_ANYAR) == ["bank-dki", "kadin"]
    assert await codes(registry, day="2023-06-01", area="31.72") == ["kadin"]
    assert await codes(registry, day="2023-06-01", area="31") == ["kadin"]
    assert await codes(registry, day="2023-06-01", kind="bank") == ["bank-dki"]
    assert await codes(registry, day="2023-06-01", topic="digital-marketing") == ["kadin"]
    assert await codes(registry, day="2024-01-01") == []
    first = ok(await registry.client.get("/v1/partners", params={"day": "2023-06-01", "limit": 1}))
    assert first["next"]
    assert await codes(registry, day="2023-06-01", after=first["next"]) == ["kadin"]


async def test_cursors_and_filters_that_nobody_gave_out_are_refused(registry: Registry) -> None:
    for params in (
        {"after": "Ilx1MDAwMCI"},  # "\\u0000" as JSON
        {"after": "MQ"},
        {"topic": "a\x00"},
        {"day": "9999-12-31"},
        {"area": "31.7"},
        {"kind": "x"},
    ):
        assert (await registry.client.get("/v1/partners", params=params)).status_code == 422, params


async def test_agreements_that_overlap_are_refused_until_the_first_is_ended(
    registry: Registry, clock: StandingClock
) -> None:
    partner_id = await enter(registry)
    first = await agree(registry, partner_id)
    path = f"/v1/partners/{partner_id}/agreements"
    later = {**CITY, "valid_from": "2023-12-31", "valid_until": "2024-12-31"}
    assert ok(await registry.post(path, later), 409)["details"]["agreement_id"] == str(first)
    stand_at(clock, "2023-05-01")
    assert ok(await registry.post(f"/v1/agreements/{first}/end"))["ended_on"] == "2023-05-01"
    assert ok(await registry.post(f"/v1/agreements/{first}/end"), 409)["code"] == "agreement-over"
    assert await codes(registry) == []
    await agree(registry, partner_id, valid_from="2023-05-01")
    events = await registry.published("PartnerAgreementMade", "PartnerAgreementEnded")
    assert [(event.type, event.sequence) for event in events] == [
        ("PartnerAgreementMade", 1),
        ("PartnerAgreementEnded", 2),
        ("PartnerAgreementMade", 3),
    ]
    assert (events[1].body["ended_on"], events[1].body["lapsed"]) == ("2023-05-01", False)
    agreements = ok(await registry.client.get(f"/v1/partners/{partner_id}"))["agreements"]
    assert [one["in_force"] for one in agreements] == [False, True]
    async with registry.database.read() as conn:
        with pytest.raises(asyncpg.ExclusionViolationError):  # the database itself knows
            await conn.execute(
                "INSERT INTO partner_agreement SELECT gen_random_uuid(), partner_id, area, valid_from, valid_until, "
                "topics, NULL, NULL, days, made_by, made_at FROM partner_agreement WHERE ended_on IS NULL"
            )


async def test_an_agreement_runs_out_by_its_timer_once(registry: Registry, clock: StandingClock) -> None:
    partner_id = await enter(registry)
    agreement_id = await agree(registry, partner_id)
    clock.moment = datetime(2023, 12, 31, 16, 59, tzinfo=UTC)  # 23.59 WIB
    assert await wake(registry) == 0
    stand_at(clock, "2024-01-01")
    assert await codes(registry) == []
    assert await wake(registry) == 1
    async with registry.database.transaction() as conn:
        await lapse_agreement(conn, str(agreement_id), clock.now())
    (event,) = await registry.published("PartnerAgreementEnded")
    assert (event.sequence, event.body["ended_on"], event.body["lapsed"]) == (2, "2023-12-31", True)
    assert ok(await registry.post(f"/v1/agreements/{agreement_id}/end"), 409)["code"] == "agreement-over"


async def test_of_two_agreements_made_at_once_one_wins(registry: Registry) -> None:
    await registry.crowd()
    partner_id = await enter(registry)
    answers = await at_once(*(registry.post(f"/v1/partners/{partner_id}/agreements", CITY) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert [event.sequence for event in await registry.published("PartnerAgreementMade")] == [1]
    answers = await at_once(*(registry.post("/v1/partners", {**BANK, "code": "bni"}) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_only_officers_of_province_and_cities_enter_and_only_for_their_area(registry: Registry) -> None:
    partner_id = await enter(registry)
    agreement_id = await agree(registry, partner_id)
    path = f"/v1/partners/{partner_id}/agreements"
    small, elsewhere = registry.officer("31.71.02"), registry.officer("31.72")
    assert ok(await registry.post("/v1/partners", BANK, token=small), 403)["code"] == "area-too-small"
    assert ok(await registry.post(path, CITY, token=small), 403)["code"] == "area-too-small"
    assert ok(await registry.post(path, CITY, token=elsewhere), 403)["code"] == "outside-area"
    assert ok(await registry.post(path, {**CITY, "area": "31"}), 403)["code"] == "outside-area"
    for token in (registry.of("vendor"), registry.of("service")):
        assert (await registry.post("/v1/partners", BANK, token=token)).status_code == 403
    end = f"/v1/agreements/{agreement_id}/end"
    assert ok(await registry.post(end, token=elsewhere), 404)["code"] == "agreement-unknown"
    assert (await registry.post(f"/v1/agreements/{uuid4()}/end")).status_code == 404
    assert (await registry.post(f"/v1/partners/{uuid4()}/agreements", CITY)).status_code == 404
    assert ok(await registry.post("/v1/partners", BANK), 409)["code"] == "partner-known"
    senseless: list[dict[str, Any]] = [
        {"valid_until": "2023-02-28"},
        {"valid_until": "2035-01-01"},
        {"area": "31.71.99"},
        {"topics": []},
    ]
    for wrong in senseless:
        assert (await registry.post(path, {**CITY, **wrong})).status_code == 422
    assert len(await registry.published("PartnerAgreementMade")) == 1


# ---- export


async def assess(registry: Registry, vendor_id: UUID, ready: bool = True, **more: Any) -> None:
    ok(await registry.post(f"/v1/vendors/{vendor_id}/export/assess", {"ready": ready, **more}))


async def consent(registry: Registry, vendor_id: UUID, given: bool = True) -> None:
    version = await registry.value("SELECT max(version) FROM consent_text WHERE purpose = 'partners'")
    body = {"purpose": "partners", "given": given, "text_version": version}
    ok(await registry.post(f"/v1/vendors/{vendor_id}/consents", body, token=registry.vendor(vendor_id)))


async def test_a_ready_vendor_that_agreed_is_referred_to_a_partner_of_its_area(
    registry: Registry, clock: StandingClock
) -> None:
    vendor_id, partner_id = await registry.register(1), await enter(registry)
    path = f"/v1/vendors/{vendor_id}/export"
    wish = {"partner_id": str(partner_id)}
    assert ok(await registry.get(path))["ready"] is None
    assert ok(await registry.post(f"{path}/refer", wish), 409)["code"] == "not-export-ready"
    await assess(registry, vendor_id, criteria_met=["price", "standard"], note="Siap")
    assert ok(await registry.post(f"{path}/refer", wish), 409)["code"] == "consent-missing"
    await consent(registry, vendor_id)
    assert ok(await registry.post(f"{path}/refer", wish), 409)["code"] == "no-export-agreement"
    agreement_id = await agree(registry, partner_id)
    assert ok(await registry.post(f"{path}/refer", wish))["agreement_id"] == str(agreement_id)
    assert ok(await registry.post(f"{path}/refer", wish), 409)["code"] == "already-referred"
    shown = ok(await registry.get(path, token=registry.vendor(vendor_id)))
    assert (shown["ready"], len(shown["referrals"]), shown["assessments"][0]["note"]) == (True, 1, "Siap")
    clock.advance(days=1)
    await assess(registry, vendor_id, ready=False)
    assert ok(await registry.get(path))["ready"] is False
    assert ok(await registry.post(f"{path}/refer", wish), 409)["code"] == "not-export-ready"
    events = await registry.published("ExportReadinessAssessed", "ExportReferred")
    assert [event.type for event in events] == [
        "ExportReadinessAssessed",
        "ExportReferred",
        "ExportReadinessAssessed",
    ]
    assert "Siap" not in str(events)
    answer = await registry.post(f"{path}/assess", {"ready": True, "criteria_met": ["luck"]})
    assert ok(answer, 422)["code"] == "criterion-unknown"


async def test_export_is_for_officers_of_the_area(registry: Registry) -> None:
    vendor_id, partner_id = await registry.register(1), await enter(registry)
    path = f"/v1/vendors/{vendor_id}/export"
    for act, body in (("assess", {"ready": True}), ("refer", {"partner_id": str(partner_id)})):
        assert (await registry.post(f"{path}/{act}", body, token=registry.vendor(vendor_id))).status_code == 403
        assert (await registry.post(f"{path}/{act}", body, token=registry.officer("31.72"))).status_code == 404
    assert (await registry.post(f"{path}/refer", {"partner_id": str(uuid4())})).status_code == 404
    assert (await registry.get(path, token=registry.vendor(uuid4()))).status_code == 403
    assert len(ok(await registry.client.get("/v1/export-criteria"))["items"]) == 5


async def test_of_two_referrals_at_once_one_wins(registry: Registry) -> None:
    await registry.crowd()
    vendor_id, partner_id = await registry.register(1), await enter(registry)
    await agree(registry, partner_id)
    await assess(registry, vendor_id)
    await consent(registry, vendor_id)
    path = f"/v1/vendors/{vendor_id}/export/refer"
    answers = await at_once(*(registry.post(path, {"partner_id": str(partner_id)}) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert len(await registry.published("ExportReferred")) == 1


# ---- exhibitions and invitations


async def exhibit(registry: Registry, *, token: str | None = None, **more: Any) -> UUID:
    answer = await registry.post("/v1/exhibitions", {**EXHIBITION, **more}, token=token)
    return UUID(ok(answer, 201)["exhibition_id"])


async def invite(registry: Registry, exhibition_id: UUID, body: dict[str, Any], **more: Any) -> int:
    invited: int = ok(await registry.post(f"/v1/exhibitions/{exhibition_id}/invite", body, **more))["invited"]
    return invited


async def preview(registry: Registry, exhibition_id: UUID, **params: Any) -> int:
    count: int = ok(await registry.get(f"/v1/exhibitions/{exhibition_id}/preview", **params))["count"]
    return count


async def invitation_of(registry: Registry, vendor_id: UUID) -> dict[str, Any]:
    (item,) = ok(await registry.get(f"/v1/vendors/{vendor_id}/invitations", token=registry.vendor(vendor_id)))["items"]
    invitation: dict[str, Any] = item
    return invitation


async def test_vendors_are_invited_by_a_choice_whose_size_is_seen_first(registry: Registry) -> None:
    province = registry.officer("31")
    food = [await registry.register(number, category="food-drink") for number in range(3)]
    await registry.register(8, category="health")
    await registry.register(9, category="food-drink", kelurahan=PENJARINGAN, token=province)
    await assess(registry, food[0])
    await assess(registry, food[1], ready=False)
    organiser = await enter(registry)
    exhibition_id = await exhibit(registry, partners=[str(organiser)])
    assert await preview(registry, exhibition_id) == 4
    assert await preview(registry, exhibition_id, category="food-drink") == 3
    assert await preview(registry, exhibition_id, ready="true") == 1
    assert await preview(registry, exhibition_id, ready="false") == 3
    assert await preview(registry, exhibition_id, area="31.71.01") == 0
    assert await invite(registry, exhibition_id, {"ready": True}) == 1
    assert await invite(registry, exhibition_id, {"category": "food-drink"}) == 2
    assert await invite(registry, exhibition_id, {"category": "food-drink"}) == 0
    assert await preview(registry, exhibition_id) == 1
    events = await registry.published("ExhibitionInvited")
    assert {event.key for event in events} == {str(one) for one in food}
    assert events[0].body["days"] == ["2023-04-01", "2023-04-02"]
    assert (events[0].body["title"], events[0].body["answer_by"]) == ("Pameran UMKM G20", "2023-03-10")
    shown = ok(await registry.get(f"/v1/exhibitions/{exhibition_id}"))
    assert (shown["invited"], shown["accepted"], shown["declined"], shown["partners"]) == (3, 0, 0, [str(organiser)])


async def test_a_vendor_answers_until_the_last_day_and_may_change_its_mind(
    registry: Registry, clock: StandingClock
) -> None:
    vendor_id = await registry.register(1)
    exhibition_id = await exhibit(registry)
    await invite(registry, exhibition_id, {"vendors": [str(vendor_id)]})
    invitation = await invitation_of(registry, vendor_id)
    path, own = f"/v1/invitations/{invitation['invitation_id']}/answer", registry.vendor(vendor_id)
    assert (invitation["accepted"], invitation["exhibition"]["place"]) == (None, "JCC Senayan")
    ok(await registry.post(path, {"accepted": True}, token=own))
    ok(await registry.post(path, {"accepted": True}, token=own))
    clock.moment = datetime(2023, 3, 10, 16, 59, tzinfo=UTC)  # the last minute in Jakarta
    ok(await registry.post(path, {"accepted": False}, token=own))
    stand_at(clock, "2023-03-11")
    assert ok(await registry.post(path, {"accepted": True}, token=own), 409)["code"] == "answer-too-late"
    assert (await invitation_of(registry, vendor_id))["accepted"] is False
    events = await registry.published("ExhibitionAnswered")
    assert [(event.sequence, event.body["accepted"]) for event in events] == [(3, True), (4, False)]
    answer = await registry.post(f"/v1/exhibitions/{exhibition_id}/invite", {})
    assert ok(answer, 409)["code"] == "invitations-closed"
    page = ok(await registry.get(f"/v1/exhibitions/{exhibition_id}/invitations"))
    assert [(item["vendor_id"], item["accepted"]) for item in page["items"]] == [(str(vendor_id), False)]


async def test_an_invitation_is_answered_by_its_vendor_or_an_officer_of_its_area(registry: Registry) -> None:
    vendor_id, other = await registry.register(1), await registry.register(2)
    exhibition_id = await exhibit(registry)
    await invite(registry, exhibition_id, {"vendors": [str(vendor_id)]})
    path = f"/v1/invitations/{(await invitation_of(registry, vendor_id))['invitation_id']}/answer"
    yes = {"accepted": True}
    for token in (registry.vendor(other), registry.officer("31.72")):
        assert ok(await registry.post(path, yes, token=token), 404)["code"] == "invitation-unknown"
    for token in (registry.newcomer(), registry.of("service")):
        assert (await registry.post(path, yes, token=token)).status_code == 403
    assert (await registry.post(f"/v1/invitations/{uuid4()}/answer", yes)).status_code == 404
    ok(await registry.post(path, yes))
    assert len(await registry.published("ExhibitionAnswered")) == 1


async def test_suspended_and_merged_registrations_are_not_invited_and_a_person_once(registry: Registry) -> None:
    survivor, retired, suspended = [await registry.register(number) for number in range(3)]
    exhibition_id = await exhibit(registry)
    assert await invite(registry, exhibition_id, {"vendors": [str(retired)]}) == 1
    await assess(registry, retired)
    async with registry.database.transaction() as conn:
        await conn.execute("UPDATE vendor SET merged_into = $1 WHERE vendor_id = $2", survivor, retired)
        await conn.execute("UPDATE vendor SET suspended_because = 'no-show' WHERE vendor_id = $1", suspended)
    assert await preview(registry, exhibition_id) == 0
    assert await invite(registry, exhibition_id, {}) == 0
    another = await exhibit(registry)
    assert await preview(registry, another, ready="true") == 1
    assert await invite(registry, another, {"ready": True}) == 1
    items = ok(await registry.get(f"/v1/vendors/{survivor}/invitations"))["items"]
    assert {UUID(item["vendor_id"]) for item in items} == {survivor, retired}
    first = next(item for item in items if UUID(item["vendor_id"]) == retired)
    path = f"/v1/invitations/{first['invitation_id']}/answer"
    ok(await registry.post(path, {"accepted": True}, token=registry.vendor(survivor)))
    (answered,) = await registry.published("ExhibitionAnswered")
    assert answered.key == str(retired)


async def test_two_that_invite_at_once_invite_each_vendor_once(registry: Registry) -> None:
    await registry.crowd()
    vendors = [await registry.register(number) for number in range(5)]
    exhibition_id = await exhibit(registry)
    answers = await at_once(*(registry.post(f"/v1/exhibitions/{exhibition_id}/invite", {}) for _ in range(3)))
    assert sorted(ok(answer)["invited"] for answer in answers) == [0, 0, 5]
    assert {event.key for event in await registry.published("ExhibitionInvited")} == {str(one) for one in vendors}
    assert len(await registry.published("ExhibitionInvited")) == 5


async def test_too_many_at_once_are_refused_naming_how_many(registry: Registry) -> None:
    async with registry.database.transaction() as conn:
        await conn.execute(
            "INSERT INTO vendor (vendor_id, version, card_version, nik_index, nik_sealed, name, phone, street, "
            "kelurahan, rw, rt, kind, language, origin, registered_on, registered_at) "
            "SELECT gen_random_uuid(), 1, 1, n::text::bytea, 'x', 'Orang', '+62812', '', $1, '001', '001', 'usaha', "
            "'id', 'file', '2023-01-01', now() FROM generate_series(1, 501) AS n",
            KARANG_ANYAR,
        )
    exhibition_id = await exhibit(registry)
    assert await preview(registry, exhibition_id) == 501
    answer = ok(await registry.post(f"/v1/exhibitions/{exhibition_id}/invite", {}), 409)
    assert (answer["code"], answer["details"]) == ("too-many-invited", {"count": 501, "most": 500})
    assert await registry.published("ExhibitionInvited") == []


async def test_exhibitions_are_of_the_officers_area(registry: Registry) -> None:
    province, elsewhere = registry.officer("31"), registry.officer("31.72")
    own, wide = await exhibit(registry), await exhibit(registry, token=province, area="31")
    assert [item["exhibition_id"] for item in ok(await registry.get("/v1/exhibitions"))["items"]] == [str(own)]
    listed = ok(await registry.get("/v1/exhibitions", token=province, limit=1))
    assert [item["exhibition_id"] for item in listed["items"]] == [str(wide)]
    rest = ok(await registry.get("/v1/exhibitions", token=province, after=listed["next"]))
    assert [item["exhibition_id"] for item in rest["items"]] == [str(own)]
    for path in ("", "/preview", "/invitations"):
        assert (await registry.get(f"/v1/exhibitions/{own}{path}", token=elsewhere)).status_code == 404
        assert (await registry.get(f"/v1/exhibitions/{uuid4()}{path}")).status_code == 404
        assert (await registry.get(f"/v1/exhibitions/{own}{path}", token=registry.of("vendor"))).status_code == 403
    assert (await registry.post(f"/v1/exhibitions/{own}/invite", {}, token=elsewhere)).status_code == 404
    assert (await registry.post(f"/v1/exhibitions/{own}/invite", {"area": "31.72"})).status_code == 403
    assert (await registry.get(f"/v1/exhibitions/{own}/preview", area="31.72")).status_code == 403
    assert (await registry.post("/v1/exhibitions", EXHIBITION, token=elsewhere)).status_code == 403
    senseless: list[dict[str, Any]] = [
        {"answer_by": "2023-02-28"},
        {"answer_by": "2023-04-02"},
        {"days": []},
        {"partners": [str(uuid4())]},
        {"title": "\x00"},
        {"area": "31.71.99"},
    ]
    for wrong in senseless:
        assert (await registry.post("/v1/exhibitions", {**EXHIBITION, **wrong})).status_code == 422, wrong


async def test_erasing_keeps_answers_as_counts_and_nothing_of_the_person(registry: Registry) -> None:
    vendor_id, other, partner_id = await registry.register(1), await registry.register(2), await enter(registry)
    await agree(registry, partner_id)
    for one in (vendor_id, other):
        await assess(registry, one, note="Rahasia", criteria_met=["price"])
        await consent(registry, one)
        ok(await registry.post(f"/v1/vendors/{one}/export/refer", {"partner_id": str(partner_id)}))
    answered, unanswered = await exhibit(registry), await exhibit(registry)
    await invite(registry, answered, {})
    path = f"/v1/invitations/{(await invitation_of(registry, vendor_id))['invitation_id']}/answer"
    ok(await registry.post(path, {"accepted": True}))
    await invite(registry, unanswered, {})
    async with registry.database.transaction() as conn:
        kept = await store.collect_invitations(conn, [vendor_id])
        assert [one["note"] for one in kept["export_assessments"]] == ["Rahasia"]
        assert [one["partner_id"] for one in kept["export_referrals"]] == [str(partner_id)]
        assert [one["accepted"] for one in kept["invitations"]] == [None, True]
        assert await store.erase_invitations(conn, [vendor_id]) == {
            "export-assessments": 1,
            "export-referrals": 1,
            "invitations": 1,
        }
        left = await store.collect_invitations(conn, [vendor_id])
        assert [one["note"] for one in left["export_assessments"]] == [None]
        assert (left["export_referrals"], len(left["invitations"])) == ([], 1)
        assert (await store.collect_invitations(conn, [other]))["export_assessments"][0]["note"] == "Rahasia"
        assert await store.count_answers(conn, answered) == (2, 1, 0)


FILLED = (
    """
    INSERT INTO vendor (vendor_id, version, card_version, nik_index, nik_sealed, name, phone, street, kelurahan, rw, rt,
                        kind, language, origin, registered_on, registered_at)
    SELECT md5('v' || n)::uuid, 1, 1, sha256(n::text::bytea), '', 'x', 'x', '', '31.71.02.100' || 1 + n % 6, '001',
           '001', 'usaha', 'id', 'file', '2023-01-01', '2023-01-01' FROM generate_series(1, 10000) AS n
    """,
    """
    INSERT INTO export_assessment (assessment_id, vendor_id, ready, criteria_met, assessed_on, at, by)
    SELECT md5('a' || n)::uuid, md5('v' || n)::uuid, n % 2 = 0, '{}', '2023-01-01', '2023-01-01', 'x'
    FROM generate_series(1, 4000) AS n
    """,
    """
    INSERT INTO consent (consent_id, vendor_id, purpose, given, text_version, source, actor, at)
    SELECT md5('c' || n)::uuid, md5('v' || n)::uuid, 'messages', n % 50 <> 0, 1, 'self', 'x', '2023-01-01'
    FROM generate_series(1, 8000) AS n
    """,
    "UPDATE vendor SET merged_into = md5('v1')::uuid WHERE vendor_id IN (SELECT md5('v' || n * 100)::uuid FROM "
    "generate_series(1, 50) AS n)",
    "ANALYZE",
)


async def test_whom_a_choice_would_invite_is_counted_without_looking_up_each_vendor(registry: Registry) -> None:
    exhibition_id = UUID(ok(await registry.post("/v1/exhibitions", EXHIBITION), 201)["exhibition_id"])
    async with registry.database.transaction() as conn:
        for statement in FILLED:
            await conn.execute(statement)
        await conn.execute(PLAN_FOR_THESE_VALUES)
        loops = {}
        for ready in (None, True, False):
            text = await conn.fetchval(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {store.COUNT_CANDIDATES}",
                exhibition_id,
                "31.71",
                None,
                ready,
                None,
                None,
            )
            walked = [(from_json(text) if isinstance(text, str) else text)[0]["Plan"]]
            for node in walked:
                walked += node.get("Plans", ())
            loops[ready] = max(node["Actual Loops"] for node in walked if node["Node Type"] != "Result")
    assert max(loops.values()) <= 500, loops
