"""Eligibility over HTTP: rules in versions, decisions with their facts, counts, objections; erased and collected."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.vendor.domain.eligibility import judge
from services.vendor.domain.programme import Place
from services.vendor.domain.rules import FactName
from services.vendor.store import eligibility as store
from services.vendor.store.merging import find_family
from services.vendor.store.programme import save_places
from tests.conftest import StandingClock
from tests.integration.vendor import PENJARINGAN, Registry, at_once, ok

USAHA = {"fact": "kind", "in": ["usaha"]}


async def train(registry: Registry, *vendor_ids: UUID) -> None:
    """Let each complete one class of its own, as training's events would say."""
    async with registry.database.transaction() as conn:
        places = [Place(vendor_id, uuid4(), "dasar", "completed", date(2023, 2, 1)) for vendor_id in vendor_ids]
        await save_places(conn, places)


async def verify_nib(registry: Registry, vendor_id: UUID) -> None:
    headers = {"Authorization": f"Bearer {registry.officer('31')}", "Idempotency-Key": str(uuid4())}
    document = await registry.client.post(
        f"/v1/vendors/{vendor_id}/documents",
        data={"kind": "nib", "number": "1234567890123"},
        files={"file": ("nib.pdf", b"%PDF-1.7\n1 0 obj\n%%EOF\n", "application/pdf")},
        headers=headers,
    )
    path = f"/v1/documents/{ok(document, 201)['document_id']}/verify"
    ok(await registry.post(path, {"version": 1}, token=registry.officer("31")))


async def decide(registry: Registry, vendor_id: UUID, rule: str = "jbl", *, token: str | None = None) -> dict[str, Any]:
    return ok(await registry.post(f"/v1/vendors/{vendor_id}/eligibility", {"rule": rule}, token=token), 201)


async def publish(
    registry: Registry, condition: Any, *, name: str = "pameran", version: int = 1, effective_on: str = "2023-03-01"
) -> httpx.Response:
    body = {
        "name": name,
        "version": version,
        "effective_on": effective_on,
        "title_id": "Pameran",
        "title_en": "Exhibition",
        "condition": condition,
    }
    return await registry.post("/v1/eligibility-rules", body, token=registry.officer("31"))


async def object_to(registry: Registry, decision_id: str, *, token: str | None = None) -> httpx.Response:
    body = {"text": "Saya sudah ikut pelatihan."}
    return await registry.post(f"/v1/eligibility/{decision_id}/objection", body, token=token)


async def answer(
    registry: Registry, objection_id: str, outcome: str = "upheld", *, token: str | None = None, **more: str
) -> httpx.Response:
    body = {"outcome": outcome, "answer": "Sudah kami periksa.", **more}
    return await registry.post(f"/v1/eligibility/objections/{objection_id}/answer", body, token=token)


# ---- deciding


async def test_a_decision_is_kept_with_its_facts_told_and_explained(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    made = await decide(registry, vendor_id, token=registry.vendor(vendor_id))
    assert (made["rule"], made["rule_version"], made["eligible"], made["failed"]) == (
        "jbl",
        1,
        False,
        ["trained-times"],
    )
    (event,) = await registry.published("EligibilityDecided")
    assert event.sequence == 2
    assert event.body == {"vendor_id": str(vendor_id), **made}
    shown = ok(await registry.get(f"/v1/eligibility/{made['decision_id']}", token=registry.vendor(vendor_id)))
    assert shown["facts"] == {
        "trained_times": 0,
        "registered_days": 0,
        "domicile": "31.71.02.1002",
        "kind": "pemula",
        "category": None,
        "documents_valid": [],
        "services_active": ["P1"],
        "not_suspended": True,
        "waived": [],
    }
    assert shown["explanation"]["en"]["missing"][0]["what"].startswith("Having completed at least 1 training")
    assert shown["explanation"]["id"]["missing"][0]["todo"].startswith("Ikuti kelas pelatihan")


async def test_facts_come_from_training_documents_and_suspension(registry: Registry, clock: StandingClock) -> None:
    vendor_id = await registry.register(1, kind="usaha")
    assert (await decide(registry, vendor_id, "capital-referral"))["failed"] == ["documents-valid"]
    await verify_nib(registry, vendor_id)
    await train(registry, vendor_id, vendor_id)
    clock.advance(days=10)
    assert (await decide(registry, vendor_id, "capital-referral"))["eligible"]
    made = await decide(registry, vendor_id)
    facts = ok(await registry.get(f"/v1/eligibility/{made['decision_id']}"))["facts"]
    assert made["eligible"]
    assert (facts["trained_times"], facts["registered_days"], facts["documents_valid"]) == (2, 10, ["nib"])
    ok(await registry.post(f"/v1/vendors/{vendor_id}/suspend", {"reason": "no-show"}), 201)
    assert (await decide(registry, vendor_id))["failed"] == ["not-suspended"]


async def test_a_merged_person_has_the_facts_of_all_its_registrations(registry: Registry, clock: StandingClock) -> None:
    two = await registry.register(2)
    await train(registry, two)
    clock.advance(days=5)
    one = await registry.register(1)
    ok(await registry.post(f"/v1/vendors/{one}/merge", {"retired": str(two), "fields": {}}))
    made = await decide(registry, one)
    assert made["eligible"]
    facts = ok(await registry.get(f"/v1/eligibility/{made['decision_id']}"))["facts"]
    assert (facts["trained_times"], facts["registered_days"]) == (1, 5)
    refused = await registry.post(f"/v1/vendors/{two}/eligibility", {"rule": "jbl"})
    assert ok(refused, 409)["code"] == "vendor-retired"


async def test_asking_what_would_be_keeps_nothing_and_tells_nobody(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path = f"/v1/vendors/{vendor_id}/eligibility"
    shown = ok(await registry.get(path, rule="jbl", token=registry.vendor(vendor_id)))
    assert (shown["eligible"], shown["failed"]) == (False, ["trained-times"])
    assert await registry.value("SELECT count(*) FROM eligibility_decision") == 0
    assert await registry.published("EligibilityDecided") == []
    assert ok(await registry.get(path, rule="star-sign"), 404)["code"] == "rule-unknown"
    assert (await registry.get(path, rule="\u0000")).status_code == 422


async def test_every_kept_decision_is_decided_again_the_same_way(registry: Registry) -> None:
    vendors = [await registry.register(number) for number in range(3)]
    await train(registry, vendors[0])
    ok(await registry.post(f"/v1/vendors/{vendors[1]}/suspend", {"reason": "no-show"}), 201)
    for vendor_id in vendors:
        for rule in ("bazaar", "jbl", "up2k-pkk", "capital-referral"):
            await decide(registry, vendor_id, rule)
    async with registry.database.read() as conn:
        for vendor_id in vendors:
            decisions = await store.find_decisions(conn, [vendor_id], None, 10)
            assert len(decisions) == 4
            for decision in decisions:
                used = await store.find_rule_version(conn, decision.rule, decision.rule_version)
                assert used is not None
                assert judge(used.condition, decision.facts) == (decision.eligible, decision.failed)


async def test_decisions_are_seen_by_whom_they_concern(registry: Registry) -> None:
    vendor_id, other = await registry.register(1), await registry.register(2)
    decision_id = (await decide(registry, vendor_id, token=registry.of("service")))["decision_id"]
    path = f"/v1/vendors/{vendor_id}/eligibility"
    for token, status in (
        (registry.vendor(other), 403),
        (registry.officer("31.72"), 404),
        (registry.of("service", "31.72"), 404),
        (registry.of("operator"), 403),
    ):
        assert (await registry.post(path, {"rule": "jbl"}, token=token)).status_code == status
        assert (await registry.get(path, token=token, rule="jbl")).status_code == status
        assert (await registry.get(f"{path}-decisions", token=token)).status_code == status
    for token in (registry.vendor(other), registry.officer("31.72"), registry.of("service", "31.72")):
        assert ok(await registry.get(f"/v1/eligibility/{decision_id}", token=token), 404)["code"] == "decision-unknown"
    (item,) = ok(await registry.get(f"{path}-decisions", token=registry.vendor(vendor_id)))["items"]
    assert item["decision_id"] == decision_id


# ---- rules


async def test_a_new_version_holds_from_its_day_and_decisions_keep_theirs(
    registry: Registry, clock: StandingClock
) -> None:
    vendor_id = await registry.register(1)
    first = await decide(registry, vendor_id)
    ok(await publish(registry, USAHA, name="jbl", version=2, effective_on="2023-03-02"), 201)
    assert (await decide(registry, vendor_id))["rule_version"] == 1
    clock.moment = clock.moment.replace(hour=17)  # 2 March in Jakarta
    assert (await decide(registry, vendor_id))["failed"] == ["kind"]
    old = ok(await registry.get(f"/v1/eligibility/{first['decision_id']}"))
    assert (old["rule_version"], old["failed"]) == (1, ["trained-times"])
    versions = ok(await registry.client.get("/v1/eligibility-rules", params={"name": "jbl"}))["items"]
    assert [(rule["version"], rule["effective_on"]) for rule in versions] == [(1, "2020-01-01"), (2, "2023-03-02")]
    assert versions[1]["condition"] == USAHA


async def test_a_rule_without_a_version_in_force_decides_nothing_yet(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    ok(await publish(registry, USAHA, effective_on="2023-03-02"), 201)
    refused = await registry.post(f"/v1/vendors/{vendor_id}/eligibility", {"rule": "pameran"})
    assert ok(refused, 409)["code"] == "rule-not-in-force"


async def test_of_versions_published_at_once_one_is_taken(registry: Registry) -> None:
    await registry.crowd()
    answers = await at_once(*(publish(registry, USAHA, name="jbl", version=2) for _ in range(5)))
    assert sorted(made.status_code for made in answers) == [201] + [409] * 4
    assert ok(await publish(registry, USAHA, name="jbl", version=4), 409)["code"] == "rule-version-taken"
    assert ok(await publish(registry, USAHA, name="jbl", version=1), 409)["code"] == "rule-version-taken"


def nested(levels: int) -> Any:
    condition: Any = {"fact": "not_suspended", "is": True}
    for _ in range(levels):
        condition = {"not": condition}
    return condition


@pytest.mark.parametrize(
    ("condition", "place"),
    [
        ({"fact": "star_sign"}, "condition"),
        ({"all": [USAHA, {"fact": "star_sign"}]}, "condition.all.all.1"),
        ({"fact": "domicile", "within": ["31.99"]}, "condition.within.0"),
        ({"fact": "category", "in": ["mobil"]}, "condition.in.0"),
        (nested(7), "condition.not.not.not.not.not.not"),
        ({"fact": "category", "in": ["\u0000"]}, "condition.category.in.0"),
    ],
)
async def test_a_malformed_rule_is_refused_naming_the_place(registry: Registry, condition: Any, place: str) -> None:
    assert place in [error["field"] for error in ok(await publish(registry, condition), 422)["errors"]]


async def test_a_rule_nested_without_end_is_refused(registry: Registry) -> None:
    for levels in (300, 900):
        assert (await publish(registry, nested(levels))).status_code in (400, 422)


async def test_rules_are_published_for_the_whole_province(registry: Registry) -> None:
    body = {"name": "x", "version": 1, "effective_on": "2023-03-01", "title_id": "x", "title_en": "x"}
    for token in (registry.officer(), registry.of("service"), registry.newcomer()):
        refused = await registry.post("/v1/eligibility-rules", {**body, "condition": USAHA}, token=token)
        assert refused.status_code == 403
    ok(await registry.post("/v1/eligibility-rules", {**body, "condition": USAHA}, token=registry.of("operator")), 201)
    past = {**body, "name": "y", "effective_on": "2023-02-28", "condition": USAHA}
    refused = await registry.post("/v1/eligibility-rules", past, token=registry.of("operator"))
    assert ok(refused, 422)["code"] == "rule-invalid"


async def test_rules_come_in_pages(registry: Registry) -> None:
    first = ok(await registry.client.get("/v1/eligibility-rules", params={"limit": 3}))
    rest = ok(await registry.client.get("/v1/eligibility-rules", params={"after": first["next"]}))
    names = [rule["name"] for rule in first["items"] + rest["items"]]
    assert names == ["bazaar", "capital-referral", "jbl", "up2k-pkk"]


# ---- counting


async def people(registry: Registry, clock: StandingClock) -> list[UUID]:
    """Some persons of every sort: trained, merged, suspended, with documents, elsewhere, waived; a day apart."""
    province = registry.officer("31")
    ids = []
    for number, more in enumerate(({}, {}, {}, {"category": "health"}, {}, {"kelurahan": PENJARINGAN}, {}, {})):
        kind = "usaha" if number % 2 else "pemula"
        ids.append(await registry.register(number, token=province, kind=kind, **more))
        clock.advance(days=1)
    await train(registry, ids[0], ids[1], ids[1], ids[5])
    await verify_nib(registry, ids[3])
    ok(await registry.post(f"/v1/vendors/{ids[2]}/suspend", {"reason": "no-show"}), 201)
    ok(await registry.post(f"/v1/vendors/{ids[4]}/merge", {"retired": str(ids[1]), "fields": {}}))
    decision_id = (await decide(registry, ids[6]))["decision_id"]
    objection_id = ok(await object_to(registry, decision_id), 201)["objection_id"]
    ok(await answer(registry, objection_id, "overruled", valid_until="2023-03-31"))
    ok(await registry.post(f"/v1/vendors/{ids[7]}/programme/P5/ask", {}, token=registry.vendor(ids[7])))
    ok(await registry.post(f"/v1/vendors/{ids[7]}/programme/P5/start", {}))
    return ids


async def test_a_count_says_what_deciding_one_by_one_would(
    registry: Registry, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PEOPLE_AT_ONCE", 3)  # several batches
    ids = await people(registry, clock)
    every = {
        "any": [
            {"fact": "trained_times", "at_least": 2},
            {"all": [{"fact": "documents_valid", "contains": ["nib"]}, {"fact": "category", "in": ["health"]}]},
            {"fact": "services_active", "contains": ["P5"]},
            {"all": [USAHA, {"not": {"fact": "domicile", "within": ["31.71"]}}, {"fact": "not_suspended", "is": True}]},
        ]
    }
    ok(await publish(registry, every, effective_on=clock.today().isoformat()), 201)
    alone: Sequence[UUID] = [one for one in ids if one != ids[1]]
    province = registry.officer("31")
    for rule in ("pameran", "jbl", "bazaar", "capital-referral"):
        path = "/v1/vendors/{}/eligibility"
        shown = [ok(await registry.get(path.format(one), token=province, rule=rule)) for one in alone]
        counted = ok(await registry.post("/v1/eligibility/count", {"rule": rule}, token=province))
        assert (counted["people"], counted["area"]) == (7, "31")
        assert counted["eligible"] == sum(one["eligible"] for one in shown)
        assert 0 < counted["eligible"] < 7
        codes = {code for one in shown for code in one["failed"]}
        assert counted["failed"] == {code: sum(code in one["failed"] for one in shown) for code in codes}
    today = clock.today()
    used: list[FactName] = ["trained_times", "documents_valid", "services_active"]
    async with registry.database.read() as conn:
        async for some in store.find_facts_of_all(conn, "31", "jbl", today, used):
            for one in some:
                family = await find_family(conn, one.vendor_id)
                assert one.facts == await store.find_facts(conn, family, "jbl", today)


async def test_a_count_is_of_the_officers_area(registry: Registry) -> None:
    await registry.register(1)
    await registry.register(2, token=registry.officer("31"), kelurahan=PENJARINGAN)
    assert ok(await registry.post("/v1/eligibility/count", {"rule": "bazaar"}))["people"] == 1
    refused = await registry.post("/v1/eligibility/count", {"rule": "bazaar", "area": "31"})
    assert refused.status_code == 403
    operator = registry.of("operator")
    assert ok(await registry.post("/v1/eligibility/count", {"rule": "bazaar"}, token=operator))["eligible"] == 2
    assert (await registry.post("/v1/eligibility/count", {"rule": "x"}, token=operator)).status_code == 404


# ---- objections


async def test_an_objection_is_looked_at_by_a_person_who_may_overrule_until_a_day(
    registry: Registry, clock: StandingClock
) -> None:
    vendor_id = await registry.register(1)
    itself = registry.vendor(vendor_id)
    decision_id = (await decide(registry, vendor_id))["decision_id"]
    objection_id = ok(await object_to(registry, decision_id, token=itself), 201)["objection_id"]
    (item,) = ok(await registry.get("/v1/eligibility/objections"))["items"]
    assert (item["objection_id"], item["text"]) == (objection_id, "Saya sudah ikut pelatihan.")
    made = ok(await answer(registry, objection_id, "overruled", valid_until="2023-03-31"))
    assert made["state"] == "overruled"
    assert ok(await registry.get("/v1/eligibility/objections"))["items"] == []
    manual = ok(await registry.get(f"/v1/eligibility/{made['manual_decision_id']}", token=itself))
    assert (manual["eligible"], manual["overrules"], manual["valid_until"]) == (True, decision_id, "2023-03-31")
    shown = ok(await registry.get(f"/v1/eligibility/objections/{objection_id}", token=itself))
    assert (shown["answer"], shown["state"]) == ("Sudah kami periksa.", "overruled")
    events = await registry.published("EligibilityDecided")
    assert [(event.sequence, event.body["eligible"]) for event in events] == [(2, False), (3, True)]
    assert await registry.value("SELECT act FROM audit_log") == "eligibility.objection-answered"
    # 31 March in Jakarta, and the day after
    clock.moment = clock.moment.replace(day=31, hour=16)
    assert (await decide(registry, vendor_id))["eligible"]
    clock.moment = clock.moment.replace(day=31, hour=17)
    assert not (await decide(registry, vendor_id))["eligible"]


async def test_a_persons_word_covers_what_was_objected_to_and_nothing_else(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    decision_id = (await decide(registry, vendor_id))["decision_id"]
    objection_id = ok(await object_to(registry, decision_id), 201)["objection_id"]
    ok(await answer(registry, objection_id, "overruled", valid_until="2023-03-31"))
    assert (await decide(registry, vendor_id))["eligible"]
    assert not (await decide(registry, vendor_id, "capital-referral"))["eligible"]
    ok(await registry.post(f"/v1/vendors/{vendor_id}/suspend", {"reason": "no-show"}), 201)
    assert (await decide(registry, vendor_id))["failed"] == ["not-suspended"]


async def test_an_upheld_decision_stays(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    decision_id = (await decide(registry, vendor_id))["decision_id"]
    objection_id = ok(await object_to(registry, decision_id), 201)["objection_id"]
    assert ok(await answer(registry, objection_id))["manual_decision_id"] is None
    assert not (await decide(registry, vendor_id))["eligible"]
    (item,) = ok(await registry.get("/v1/eligibility/objections", state="upheld"))["items"]
    assert item["objection_id"] == objection_id


async def test_of_officers_who_answer_at_once_one_does(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    decision_id = (await decide(registry, vendor_id))["decision_id"]
    await registry.crowd()
    raised = await at_once(*(object_to(registry, decision_id) for _ in range(4)))
    assert sorted(one.status_code for one in raised) == [201, 409, 409, 409]
    objection_id = next(one.json()["objection_id"] for one in raised if one.status_code == 201)
    answers = await at_once(
        *(answer(registry, objection_id, "overruled", valid_until="2023-03-31") for _ in range(3)),
        *(answer(registry, objection_id) for _ in range(3)),
    )
    assert sorted(one.status_code for one in answers) == [200] + [409] * 5
    assert {one.json()["code"] for one in answers if one.status_code == 409} == {"objection-answered"}
    assert await registry.value("SELECT count(*) FROM audit_log") == 1


async def test_objections_are_between_the_person_and_the_officers_of_its_area(registry: Registry) -> None:
    vendor_id, other = await registry.register(1), await registry.register(2)
    decision_id = (await decide(registry, vendor_id))["decision_id"]
    for token in (registry.vendor(other), registry.officer("31.72")):
        assert ok(await object_to(registry, decision_id, token=token), 404)["code"] == "decision-unknown"
    assert (await object_to(registry, decision_id, token=registry.of("service"))).status_code == 403
    objection_id = ok(await object_to(registry, decision_id), 201)["objection_id"]
    assert ok(await object_to(registry, decision_id), 409)["code"] == "objection-exists"
    path = f"/v1/eligibility/objections/{objection_id}"
    for token in (registry.vendor(other), registry.officer("31.72")):
        assert (await registry.get(path, token=token)).status_code == 404
    assert (await answer(registry, objection_id, token=registry.officer("31.72"))).status_code == 404
    assert (await answer(registry, objection_id, token=registry.vendor(vendor_id))).status_code == 403
    assert ok(await registry.get("/v1/eligibility/objections", token=registry.officer("31.72")))["items"] == []


@pytest.mark.parametrize(
    ("outcome", "more", "code"),
    [
        ("overruled", {"valid_until": "2023-02-28"}, "validity-refused"),
        ("overruled", {"valid_until": "9999-12-31"}, "validity-refused"),
        ("overruled", {}, "invalid"),
        ("upheld", {"valid_until": "2023-03-31"}, "invalid"),
        ("upheld", {"answer": ""}, "invalid"),
        ("upheld", {"answer": "\u0000"}, "invalid"),
        ("perhaps", {}, "invalid"),
    ],
)
async def test_an_answer_that_says_nothing_is_refused(
    registry: Registry, outcome: str, more: dict[str, str], code: str
) -> None:
    vendor_id = await registry.register(1)
    decision_id = (await decide(registry, vendor_id))["decision_id"]
    objection_id = ok(await object_to(registry, decision_id), 201)["objection_id"]
    assert ok(await answer(registry, objection_id, outcome, **more), 422)["code"] == code


async def test_nobody_objects_to_being_let_in(registry: Registry) -> None:
    decision_id = (await decide(registry, await registry.register(1), "bazaar"))["decision_id"]
    assert ok(await object_to(registry, decision_id), 409)["code"] == "decision-favourable"


# ---- everything of a person


async def test_erasing_leaves_decisions_as_figures_without_a_person(registry: Registry) -> None:
    one, two = await registry.register(1), await registry.register(2)
    decision_id = (await decide(registry, one, token=registry.vendor(one)))["decision_id"]
    objection_id = ok(await object_to(registry, decision_id, token=registry.vendor(one)), 201)["objection_id"]
    made = ok(await answer(registry, objection_id, "overruled", valid_until="2023-03-31"))
    await decide(registry, two)
    async with registry.database.transaction() as conn:
        kept = await store.collect_eligibility(conn, [one])
        assert [decision["decision_id"] for decision in kept["eligibility_decisions"]] == [
            decision_id,
            made["manual_decision_id"],
        ]
        assert kept["eligibility_decisions"][0]["facts"]["domicile"] == "31.71.02.1002"
        assert kept["eligibility_objections"][0]["text"] == "Saya sudah ikut pelatihan."
        assert await store.erase_eligibility(conn, [one]) == {"eligibility_objections": 1, "eligibility_decisions": 2}
        assert await store.collect_eligibility(conn, [one]) == {
            "eligibility_decisions": [],
            "eligibility_objections": [],
        }
        assert len((await store.collect_eligibility(conn, [two]))["eligibility_decisions"]) == 1
    everything = await registry.everything()
    assert str(one) not in everything["eligibility_decision"]
    assert await registry.value("SELECT count(*) FROM eligibility_decision WHERE rule = 'jbl'") == 3
    assert (await registry.get(f"/v1/eligibility/{decision_id}")).status_code == 404
