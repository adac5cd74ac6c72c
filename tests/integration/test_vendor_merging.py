"""Merging two registrations of one person and undoing it, over HTTP on a real database."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.conftest import StandingClock
from tests.integration.vendor import (
    KARANG_ANYAR,
    PENJARINGAN,
    Published,
    Registry,
    at_once,
    ok,
    person,
)

VERSIONS = ("version", "card_version", "facts_xid")


async def rows(registry: Registry) -> dict[UUID, dict[str, Any]]:
    """Every vendor's row, but what counts its changes."""
    async with registry.database.read() as conn:
        found = [dict(row) for row in await conn.fetch("SELECT * FROM vendor")]
    return {row["vendor_id"]: {name: row[name] for name in row if name not in VERSIONS} for row in found}


async def merge(
    registry: Registry, survivor: UUID, retired: UUID, *, token: str | None = None, **fields: str
) -> dict[str, Any]:
    body = {"retired": str(retired), "fields": fields}
    return ok(await registry.post(f"/v1/vendors/{survivor}/merge", body, token=token))


async def undo(registry: Registry, merge_id: str, reason: str = "mistake", *, token: str | None = None) -> Any:
    return ok(await registry.post(f"/v1/merges/{merge_id}/undo", {"reason": reason}, token=token))


async def told(registry: Registry, vendor_id: UUID) -> list[Published]:
    """What left about this vendor, but its registration."""
    events = await registry.published()
    return [event for event in events if event.key == str(vendor_id) and event.sequence > 1]


async def cards(registry: Registry) -> dict[str, dict[str, Any]]:
    """How each vendor is reached, as a reader of the compacted topic sees it."""
    return {event.key: event.body for event in await registry.published("ContactCard")}


async def gapless(registry: Registry) -> bool:
    """Whether the versions of every aggregate count 1, 2, 3 ... in the order they leave."""
    counted: dict[tuple[str, str], int] = {}
    for event in await registry.published():
        place = (event.topic, event.key)
        if event.sequence != counted.get(place, 0) + 1:
            return False
        counted[place] = event.sequence
    return True


# ---- merging


async def test_a_merge_retires_one_registration_and_both_are_reached_as_the_survivor_is(registry: Registry) -> None:
    one, other = await registry.register(1), await registry.register(2)
    made = await merge(registry, one, other)
    assert (made["survivor"], made["retired"], made["taken"]) == (str(one), str(other), [])
    (event, card) = await told(registry, other)
    assert (event.type, event.sequence) == ("VendorMerged", 2)
    assert event.body == {"vendor_id": str(other), "into": str(one), "merge_id": made["merge_id"]}
    assert (card.type, card.sequence) == ("ContactCard", 2)
    reached = await cards(registry)
    assert {**reached[str(other)], "vendor_id": str(one)} == reached[str(one)]
    assert await told(registry, one) == []


async def test_the_survivor_takes_over_what_is_chosen_and_tells_of_it(registry: Registry) -> None:
    token = registry.officer("31")
    one = await registry.register(1, token=token, category="health", agency="kpkp")
    other = await registry.register(
        2, token=token, kelurahan=PENJARINGAN, rw="9", rt="9", kind="usaha", category="food-drink", agency="sosial"
    )
    fields = ("name", "phone", "email", "address", "kind", "category", "agency")
    made = await merge(registry, one, other, token=token, **dict.fromkeys(fields, "retired"))
    assert set(made["taken"]) == set(fields)
    own = str(one)
    assert [(event.type, event.sequence, event.body) for event in (await told(registry, one))[:4]] == [
        ("VendorMoved", 2, {"vendor_id": own, "kelurahan": PENJARINGAN, "rw": "009", "rt": "009"}),
        ("VendorKindChosen", 3, {"vendor_id": own, "kind": "usaha"}),
        ("VendorCategoryChosen", 4, {"vendor_id": own, "category": "food-drink"}),
        ("VendorCoached", 5, {"vendor_id": own, "agency": "sosial", "previous_agency": "kpkp"}),
    ]
    assert (await cards(registry))[own]["phone"] == "+6281200000002"
    shown = ok(await registry.get(f"/v1/vendors/{one}", token=token))
    assert (shown["name"], shown["street"], shown["kelurahan"]) == ("Orang Contoh 2", "Jalan Contoh 2", PENJARINGAN)
    assert await gapless(registry)


async def test_without_a_word_the_survivors_values_stay_unless_it_has_none(registry: Registry) -> None:
    one = await registry.register(1, email="", street="", category=None)
    other = await registry.register(2, kind="usaha", category="health", agency="kpkp", language="en")
    made = await merge(registry, one, other)
    assert set(made["taken"]) == {"email", "address", "kind", "category", "agency"}
    row = (await rows(registry))[one]
    assert (row["name"], row["phone"], row["email"], row["street"], row["language"]) == (
        "Orang Contoh 1",
        "+6281200000001",
        "orang2@contoh.id",
        "Jalan Contoh 2",
        "id",
    )


async def test_an_address_elsewhere_is_not_taken_over_without_a_word(registry: Registry) -> None:
    one = await registry.register(1, street="")
    other = await registry.register(2, rw="8")
    assert (await merge(registry, one, other))["taken"] == []
    assert (await rows(registry))[one]["rw"] == "003"


async def test_a_later_change_of_the_survivors_contact_reaches_all_that_were_retired(registry: Registry) -> None:
    one, other, third = [await registry.register(number) for number in (1, 2, 3)]
    await merge(registry, other, third)
    await merge(registry, one, other)
    fourth = await registry.register(4)
    await merge(registry, one, fourth, phone="retired")
    reached = await cards(registry)
    assert {reached[str(vendor)]["phone"] for vendor in (one, other, third, fourth)} == {"+6281200000004"}
    assert await gapless(registry)


async def test_the_values_kept_for_undoing_are_sealed(registry: Registry) -> None:
    one, other = await registry.register(1), await registry.register(2)
    await merge(registry, one, other, name="retired", phone="retired")
    text = (await registry.everything())["merge"]
    assert "name" in text
    assert not any(value in text for value in ("Orang Contoh", "81200000001", "contoh.id", "Jalan"))


@pytest.mark.parametrize("nik_of", [1, 2])
async def test_the_nik_of_both_stay_registered_and_lead_to_the_survivor(registry: Registry, nik_of: int) -> None:
    one, other = await registry.register(1), await registry.register(2)
    await merge(registry, one, other)
    answer = ok(await registry.post("/v1/vendors", person(nik_of)), 409)
    assert (answer["code"], answer["details"]["vendor_id"]) == ("already-registered", str(one))
    answer = ok(await registry.post("/v1/vendors", person(nik_of), token=registry.newcomer()), 409)
    assert str(one) not in str(answer)


async def test_a_merge_is_noted_in_the_audit_log(registry: Registry) -> None:
    one, other = await registry.register(1), await registry.register(2)
    made = await merge(registry, one, other, name="retired")
    await undo(registry, made["merge_id"])
    async with registry.database.read() as conn:
        entries = [tuple(row) for row in await conn.fetch("SELECT act, vendor_id, detail FROM audit_log ORDER BY seq")]
    retired, merge_id = str(other), made["merge_id"]
    assert entries == [
        ("vendors-merged", one, {"merge_id": merge_id, "retired": retired, "taken": ["name"]}),
        ("merge-undone", one, {"merge_id": merge_id, "retired": retired, "reason": "mistake", "kept": []}),
    ]


# ---- refusals


async def test_a_registration_is_not_merged_into_itself(registry: Registry) -> None:
    one = await registry.register(1)
    answer = await registry.post(f"/v1/vendors/{one}/merge", {"retired": str(one)})
    assert ok(answer, 422)["code"] == "merge-of-one"


async def test_a_retired_registration_is_merged_no_further_so_no_circle_comes_about(registry: Registry) -> None:
    one, other, third = [await registry.register(number) for number in (1, 2, 3)]
    await merge(registry, one, other)
    for survivor, retired in ((one, other), (other, one), (third, other), (other, third)):
        answer = ok(await registry.post(f"/v1/vendors/{survivor}/merge", {"retired": str(retired)}), 409)
        assert answer["code"] == "vendor-retired"
        assert answer["details"] == {"vendor_id": str(other), "merged_into": str(one)}


async def test_an_erased_or_unknown_registration_is_unknown(registry: Registry) -> None:
    one, other = await registry.register(1), await registry.register(2)
    async with registry.database.transaction() as conn:
        await conn.execute(
            "UPDATE vendor SET erased_at = now(), nik_index = NULL, nik_sealed = NULL, born_on = NULL, name = '', "
            "phone = '', email = NULL, street = '' WHERE vendor_id = $1",
            other,
        )
    for survivor, retired in ((one, other), (other, one), (one, uuid4())):
        answer = await registry.post(f"/v1/vendors/{survivor}/merge", {"retired": str(retired)})
        assert ok(answer, 404)["code"] == "vendor-unknown"


async def test_only_an_officer_whose_area_holds_both_merges_and_undoes(registry: Registry) -> None:
    province = registry.officer("31")
    one = await registry.register(1, token=province)
    other = await registry.register(2, token=province, kelurahan=PENJARINGAN)
    body = {"retired": str(other)}
    for area in ("31.71", "31.72"):
        answer = await registry.post(f"/v1/vendors/{one}/merge", body, token=registry.officer(area))
        assert ok(answer, 404)["code"] == "vendor-unknown"
    for role in ("vendor", "service", "operator"):
        answer = await registry.post(f"/v1/vendors/{one}/merge", body, token=registry.of(role))
        assert answer.status_code == 403
    made = await merge(registry, one, other, token=province)
    path = f"/v1/merges/{made['merge_id']}/undo"
    for area in ("31.71", "31.72"):
        answer = await registry.post(path, {"reason": "mistake"}, token=registry.officer(area))
        assert ok(answer, 404)["code"] == "merge-unknown"
    assert (await registry.post(path, {"reason": "mistake"}, token=registry.of("operator"))).status_code == 403
    await undo(registry, made["merge_id"], token=province)


async def test_nothing_is_taken_from_a_field_that_is_empty(registry: Registry) -> None:
    one, other = await registry.register(1), await registry.register(2, email="")
    before = await rows(registry)
    for field in ("email", "category", "agency"):
        body = {"retired": str(other), "fields": {field: "retired"}}
        answer = ok(await registry.post(f"/v1/vendors/{one}/merge", body), 422)
        assert (answer["code"], answer["details"]) == ("merge-field-empty", {"field": field})
    assert await rows(registry) == before


@pytest.mark.parametrize(
    "body", [{}, {"retired": "x"}, {"retired": str(uuid4()), "fields": {"nik": "retired"}}, {"retired": "\x00"}]
)
async def test_a_malformed_merge_is_refused(registry: Registry, body: dict[str, Any]) -> None:
    assert (await registry.post(f"/v1/vendors/{uuid4()}/merge", body)).status_code == 422


# ---- undoing


async def test_undoing_a_merge_makes_both_as_before_and_says_so(registry: Registry) -> None:
    token = registry.officer("31")
    one = await registry.register(1, token=token, category="health", agency="kpkp")
    other = await registry.register(
        2, token=token, kelurahan=PENJARINGAN, kind="usaha", category="food-drink", agency="sosial", language="en"
    )
    before, reached = await rows(registry), await cards(registry)
    fields = ("name", "phone", "email", "language", "address", "kind", "category", "agency")
    made = await merge(registry, one, other, token=token, **dict.fromkeys(fields, "retired"))
    answer = await undo(registry, made["merge_id"], token=token)
    assert answer == {"merge_id": made["merge_id"], "survivor": str(one), "retired": str(other), "kept": []}
    assert await rows(registry) == before
    assert await cards(registry) == reached
    (parted,) = await registry.published("VendorUnmerged")
    assert (parted.sequence, parted.body) == (
        3,
        {"vendor_id": str(other), "out_of": str(one), "merge_id": made["merge_id"]},
    )
    last: dict[str, Published] = {event.type: event for event in await told(registry, one)}
    assert last["VendorMoved"].body["kelurahan"] == KARANG_ANYAR
    assert last["VendorKindChosen"].body["kind"] == "pemula"
    assert last["VendorCategoryChosen"].body["category"] == "health"
    assert last["VendorCoached"].body == {"vendor_id": str(one), "agency": "kpkp", "previous_agency": "sosial"}
    assert await gapless(registry)


async def test_what_was_changed_since_is_kept_and_named(registry: Registry) -> None:
    one = await registry.register(1, category="health")
    other = await registry.register(2, category="food-drink")
    made = await merge(registry, one, other, category="retired", name="retired")
    await registry.post(f"/v1/vendors/{one}/category", {"category": "fashion-craft"})
    answer = await undo(registry, made["merge_id"])
    assert answer["kept"] == [{"vendor_id": str(one), "field": "category", "because": "changed-since"}]
    row = (await rows(registry))[one]
    assert (row["category"], row["name"]) == ("fashion-craft", "Orang Contoh 1")


async def test_a_category_and_a_coach_taken_over_where_there_was_none_go_again_and_it_is_told(
    registry: Registry, clock: StandingClock
) -> None:
    one, other = await registry.register(1), await registry.register(2, category="health", agency="kpkp")
    before = await rows(registry)
    clock.advance(days=1)
    made = await merge(registry, one, other)
    clock.advance(days=1)
    assert (await undo(registry, made["merge_id"]))["kept"] == []
    assert await rows(registry) == before
    assert [(event.type, event.sequence, event.body) for event in (await told(registry, one))[-2:]] == [
        ("VendorCategoryCleared", 4, {"vendor_id": str(one)}),
        ("VendorCoachingEnded", 5, {"vendor_id": str(one), "previous_agency": "kpkp"}),
    ]
    assert await gapless(registry)
    # the history: a span that ended, with nobody after it; then somebody again
    clock.advance(days=1)
    ok(await registry.post(f"/v1/vendors/{one}/agency", {"agency": "sosial"}))
    spans = ok(await registry.get(f"/v1/vendors/{one}/coaching"))["spans"]
    assert [(span["agency"], span["since"][:10], (span["until"] or "")[:10]) for span in spans] == [
        ("kpkp", "2023-03-02", "2023-03-03"),
        ("sosial", "2023-03-04", ""),
    ]
    (of_other,) = ok(await registry.get(f"/v1/vendors/{other}/coaching"))["spans"]
    assert (of_other["agency"], of_other["until"]) == ("kpkp", None)
    report = ok(await registry.get("/v1/reports/coaching"))
    assert {count["agency"]: count["vendors"] for count in report["agencies"]} == {"kpkp": 1, "sosial": 1}


async def test_a_suspension_follows_the_person_and_ends_with_the_merge(registry: Registry) -> None:
    one, other = await registry.register(1), await registry.register(2)
    async with registry.database.transaction() as conn:
        await conn.execute("UPDATE vendor SET suspended_because = 'false-data' WHERE vendor_id = $1", other)
    before = await rows(registry)
    made = await merge(registry, one, other)
    (suspended,) = await registry.published("VendorSuspended")
    assert suspended.body == {"vendor_id": str(one), "reason": "false-data"}
    await undo(registry, made["merge_id"])
    assert await rows(registry) == before
    (reinstated,) = await registry.published("VendorReinstated")
    assert (reinstated.key, reinstated.sequence) == (str(one), 3)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_merges_into_each_other_are_undone_in_any_order(registry: Registry, order: tuple[int, int]) -> None:
    one, other, third = [await registry.register(number) for number in (1, 2, 3)]
    before, reached = await rows(registry), await cards(registry)
    made = [
        await merge(registry, other, third, phone="retired", email="retired"),
        await merge(registry, one, other, phone="retired", name="retired"),
    ]
    assert (await cards(registry))[str(one)]["phone"] == "+6281200000003"
    first, last = order
    await undo(registry, made[first]["merge_id"])
    if first == 0:  # whose phone it was stands for itself again: nobody else is reached by it
        now = {key: card["phone"] for key, card in (await cards(registry)).items()}
        assert now == {
            str(one): "+6281200000002",
            str(other): "+6281200000002",
            str(third): "+6281200000003",
        }
    await undo(registry, made[last]["merge_id"])
    assert await rows(registry) == before
    assert await cards(registry) == reached
    assert await gapless(registry)


async def test_a_merge_is_undone_once(registry: Registry) -> None:
    one, other = await registry.register(1), await registry.register(2)
    made = await merge(registry, one, other)
    path = f"/v1/merges/{made['merge_id']}/undo"
    await undo(registry, made["merge_id"])
    assert ok(await registry.post(path, {"reason": "mistake"}), 409)["code"] == "merge-undone"
    assert ok(await registry.post(f"/v1/merges/{uuid4()}/undo", {"reason": "mistake"}), 404)["code"] == "merge-unknown"
    assert (await registry.post(path, {"reason": "because"})).status_code == 422
    again = await merge(registry, other, one)
    assert again["survivor"] == str(other)


async def test_the_values_are_gone_once_a_merge_is_undone_or_the_person_erased(registry: Registry) -> None:
    from services.vendor.store.merging import collect_merges, erase_merges

    one, other, third = [await registry.register(number) for number in (1, 2, 3)]
    await undo(registry, (await merge(registry, one, other, name="retired"))["merge_id"])
    made = await merge(registry, one, third, name="retired")
    async with registry.database.transaction() as conn:
        collected = (await collect_merges(conn, [one], sealer=registry.sealer))["merges"]
        assert [row.get("values_replaced") for row in collected] == [None, {"name": "Orang Contoh 1"}]
        assert collected[1]["retired_contact"]["phone"] == "+6281200000003"
        assert await erase_merges(conn, [one, third]) == {"merges": 1}
        assert await conn.fetchval("SELECT count(*) FROM merge WHERE sealed IS NOT NULL") == 0
    answer = await registry.post(f"/v1/merges/{made['merge_id']}/undo", {"reason": "mistake"})
    assert ok(answer, 409)["code"] == "merge-of-erased"


# ---- history


async def test_the_history_names_every_merge_of_a_registration_the_latest_first(registry: Registry) -> None:
    one, other, third = [await registry.register(number) for number in (1, 2, 3)]
    first = await merge(registry, one, other)
    await undo(registry, first["merge_id"], "wrong-survivor")
    second = await merge(registry, other, one, phone="retired")
    await merge(registry, other, third)
    page = ok(await registry.get("/v1/merges", vendor_id=str(one), limit=1))
    assert [item["merge_id"] for item in page["items"]] == [second["merge_id"]]
    assert page["items"][0]["taken"] == ["phone"]
    (item,) = ok(await registry.get("/v1/merges", vendor_id=str(one), after=page["next"]))["items"]
    assert (item["merge_id"], item["reason"], item["merged_by"], item["kept"]) == (
        first["merge_id"],
        "wrong-survivor",
        "officer-31.71",
        [],
    )
    assert len(ok(await registry.get("/v1/merges", vendor_id=str(other)))["items"]) == 3
    assert (await registry.get("/v1/merges", vendor_id=str(one), token=registry.officer("31.72"))).status_code == 404
    assert (await registry.get("/v1/merges", vendor_id=str(one), token=registry.vendor(one))).status_code == 403
    assert (await registry.get("/v1/merges")).status_code == 422


async def test_a_family_is_named_from_every_member_the_survivor_first(registry: Registry) -> None:
    from services.vendor.store.merging import find_family

    one, other, third, fourth = [await registry.register(number) for number in (1, 2, 3, 4)]
    await merge(registry, other, third)
    await merge(registry, fourth, other)
    async with registry.database.read() as conn:
        for vendor_id in (fourth, other, third):
            assert await find_family(conn, vendor_id) == [fourth, other, third]
        assert await find_family(conn, one) == [one]
        unknown = uuid4()
        assert await find_family(conn, unknown) == [unknown]


# ---- at once


async def test_of_two_officers_who_merge_one_pair_at_once_one_wins(registry: Registry) -> None:
    await registry.crowd()
    one, other = await registry.register(1), await registry.register(2)
    wishes = [(one, other), (other, one)] * 6
    answers = await at_once(
        *(registry.post(f"/v1/vendors/{survivor}/merge", {"retired": str(retired)}) for survivor, retired in wishes)
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 11
    assert {answer.json().get("code") for answer in answers if answer.status_code == 409} == {"vendor-retired"}
    assert await registry.value("SELECT count(*) FROM merge") == 1
    assert len(await registry.published("VendorMerged")) == 1


async def test_of_two_who_undo_at_once_one_wins(registry: Registry) -> None:
    await registry.crowd()
    one, other = await registry.register(1), await registry.register(2)
    made = await merge(registry, one, other)
    answers = await at_once(
        *(registry.post(f"/v1/merges/{made['merge_id']}/undo", {"reason": "mistake"}) for _ in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    assert len(await registry.published("VendorUnmerged")) == 1


async def test_merges_changes_registrations_and_undoing_at_once_never_block_each_other_for_good(
    registry: Registry,
) -> None:
    await registry.crowd()
    people = [await registry.register(number) for number in range(6)]
    before = await rows(registry)
    rings = [(people[n], people[(n + 1) % 6]) for n in range(6)]
    answers = await at_once(
        *(
            registry.post(f"/v1/vendors/{one}/merge", {"retired": str(other), "fields": {"phone": "retired"}})
            for pair in rings
            for one, other in (pair, pair[::-1])
        ),
        *(registry.post(f"/v1/vendors/{one}/category", {"category": "health"}) for one in people),
        *(registry.post("/v1/vendors", person(number)) for number in (3, 4, 50, 51)),
    )
    assert {answer.status_code for answer in answers} <= {200, 201, 409}
    made = [answer.json()["merge_id"] for answer in answers if "merge_id" in answer.json()]
    assert made
    # undone at once too, while survivors' phones change hands: a loser looks again
    waiting = made
    while waiting:
        answers = await at_once(
            *(registry.post(f"/v1/merges/{merge_id}/undo", {"reason": "mistake"}) for merge_id in waiting)
        )
        assert {answer.status_code for answer in answers} <= {200, 409}
        assert any(answer.status_code == 200 for answer in answers)
        assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"merge-at-once"}
        waiting = [merge_id for merge_id, answer in zip(waiting, answers, strict=True) if answer.status_code == 409]
    after = await rows(registry)
    for vendor_id in people:
        assert {**after[vendor_id], "category": None} == {**before[vendor_id], "category": None}
    assert await gapless(registry)
