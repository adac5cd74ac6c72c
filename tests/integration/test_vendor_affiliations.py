"""Affiliations over HTTP and by their timer."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from services.vendor.handlers.affiliations import watch_affiliation
from services.vendor.store import affiliations as store
from shared.timers import run_due
from tests.conftest import StandingClock
from tests.integration.vendor import KARANG_ANYAR, Registry, at_once, ok

PAID = {"paid_on": "2023-03-01", "amount_rupiah": 120000, "reference": "KADIN/2023/1"}
KADIN = {"organisation": "kadin", "payment": PAID}
TOLD = ("AffiliationStarted", "AffiliationExpiring", "AffiliationLapsed", "AffiliationEnded")


async def begin(registry: Registry, vendor_id: UUID, body: dict[str, Any], **more: Any) -> UUID:
    answer = ok(await registry.post(f"/v1/vendors/{vendor_id}/affiliations", body, **more), 201)
    return UUID(answer["affiliation_id"])


async def held(registry: Registry, vendor_id: UUID, **more: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = ok(await registry.get(f"/v1/vendors/{vendor_id}/affiliations", **more))["items"]
    return items


async def wake(registry: Registry) -> int:
    """Work off every timer that is due now; how many there were."""
    count = 0
    while await run_due(registry.database, {store.TIMER: watch_affiliation}, registry.clock.now()):
        count += 1
    return count


def stand_at(clock: StandingClock, day: str, hour_wib: int = 0) -> None:
    clock.moment = datetime.fromisoformat(f"{day}T{hour_wib:02d}:00:00+07:00").astimezone(UTC)


# ---- begun, renewed, left


async def test_the_organisations_are_data(registry: Registry) -> None:
    items = ok(await registry.client.get("/v1/organisations"))["items"]
    assert [(one["code"], one["of_area"], one["months"], one["fee_rupiah"]) for one in items] == [
        ("kadin", False, 12, 120000),
        ("pkk", True, None, None),
    ]


async def test_a_vendor_belongs_to_pkk_and_kadin_and_sees_both(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    kadin = await begin(registry, vendor_id, KADIN)
    pkk = await begin(registry, vendor_id, {"organisation": "pkk", "area": KARANG_ANYAR, "rw": "003"})
    for token in (None, registry.vendor(vendor_id)):
        one, two = await held(registry, vendor_id, token=token)
        assert (one["affiliation_id"], one["expires_on"], one["level"]) == (str(kadin), "2024-02-29", None)
        assert one["payments"] == [{**PAID, "expires_on": "2024-02-29"}]
        assert (two["affiliation_id"], two["expires_on"], two["level"]) == (str(pkk), None, "rw")
    events = await registry.published(*TOLD)
    assert [(event.sequence, event.body) for event in events] == [
        (
            2,
            {
                "vendor_id": str(vendor_id),
                "affiliation_id": str(kadin),
                "organisation": "kadin",
                "area": None,
                "rw": None,
                "expires_on": "2024-02-29",
            },
        ),
        (
            3,
            {
                "vendor_id": str(vendor_id),
                "affiliation_id": str(pkk),
                "organisation": "pkk",
                "area": KARANG_ANYAR,
                "rw": "003",
                "expires_on": None,
            },
        ),
    ]


async def test_an_early_renewal_loses_no_day_and_one_receipt_pays_once(
    registry: Registry, clock: StandingClock
) -> None:
    vendor_id = await registry.register(1)
    path = f"/v1/affiliations/{await begin(registry, vendor_id, KADIN)}/renew"
    stand_at(clock, "2023-12-01")
    again = {**PAID, "reference": "KADIN/2024/1", "paid_on": "2023-12-01"}
    assert ok(await registry.post(path, PAID), 409)["code"] == "payment-noted"
    assert ok(await registry.post(path, {**again, "amount_rupiah": 100000}), 422)["code"] == "fee-mismatch"
    assert ok(await registry.post(path, again))["expires_on"] == "2025-02-28"
    assert ok(await registry.post(path, again), 409)["code"] == "payment-noted"
    (one,) = await held(registry, vendor_id)
    assert [(paid["reference"], paid["expires_on"]) for paid in one["payments"]] == [
        ("KADIN/2023/1", "2024-02-29"),
        ("KADIN/2024/1", "2025-02-28"),
    ]
    assert [event.type for event in await registry.published(*TOLD)] == ["AffiliationStarted"] * 2
    assert await registry.value("SELECT due_at FROM timer WHERE kind = 'affiliation'") == datetime(
        2025, 1, 28, 17, tzinfo=UTC
    )


async def test_who_left_may_come_back_and_has_no_timer_meanwhile(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    first = await begin(registry, vendor_id, KADIN)
    ok(await registry.post(f"/v1/affiliations/{first}/end", token=registry.vendor(vendor_id)))
    assert await registry.value("SELECT count(*) FROM timer WHERE kind = 'affiliation'") == 0
    assert ok(await registry.post(f"/v1/affiliations/{first}/end"), 409)["code"] == "affiliation-over"
    assert ok(await registry.post(f"/v1/affiliations/{first}/renew", PAID), 409)["code"] == "affiliation-over"
    await begin(registry, vendor_id, KADIN)
    assert [one["state"] for one in await held(registry, vendor_id)] == ["ended", "active"]


async def test_what_makes_no_sense_is_refused(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"organisation": "rotary"}, "organisation-unknown"),
        ({"organisation": "kadin"}, "payment-missing"),
        ({"organisation": "pkk"}, "affiliation-area-invalid"),
        ({"organisation": "pkk", "area": "32"}, "affiliation-area-invalid"),
        ({**KADIN, "started_on": "2022-02-28"}, "start-implausible"),
        ({**KADIN, "payment": {**PAID, "paid_on": "2023-03-02"}}, "payment-in-future"),
        ({**KADIN, "payment": {**PAID, "reference": "a\x00b"}}, "invalid"),
        ({**KADIN, "payment": {**PAID, "amount_rupiah": 10**30}}, "invalid"),
        ({**KADIN, "started_on": "0001-01-01"}, "invalid"),
        ({"organisation": "pkk", "area": KARANG_ANYAR, "rw": "3"}, "invalid"),
        ({**KADIN, "extra": 1}, "invalid"),
    ]
    for body, code in wrong:
        answer = ok(await registry.post(f"/v1/vendors/{vendor_id}/affiliations", body), 422)
        assert answer["code"] == code, body
    assert await registry.value("SELECT version FROM vendor") == 1


async def test_only_officers_of_the_area_note_and_only_the_vendor_sees(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    own, other, elsewhere = registry.vendor(vendor_id), registry.vendor(uuid4()), registry.officer("31.72")
    path = f"/v1/vendors/{vendor_id}/affiliations"
    assert (await registry.post(path, KADIN, token=own)).status_code == 403
    assert (await registry.post(path, KADIN, token=elsewhere)).status_code == 404
    one = await begin(registry, vendor_id, KADIN)
    for act, body in (("renew", {**PAID, "reference": "x"}), ("end", None)):
        answer = await registry.post(f"/v1/affiliations/{one}/{act}", body, token=elsewhere)
        assert ok(answer, 404)["code"] == "affiliation-unknown"
        assert (await registry.post(f"/v1/affiliations/{uuid4()}/{act}", body)).status_code == 404
        assert (await registry.post(f"/v1/affiliations/{one}/{act}", body, token=other)).status_code in (403, 404)
    assert (await registry.get(path, token=other)).status_code == 403
    assert (await registry.get(path, token=elsewhere)).status_code == 404
    assert len(await registry.published(*TOLD)) == 1


async def test_of_two_that_begin_the_same_at_once_one_wins(registry: Registry) -> None:
    await registry.crowd()
    vendor_id = await registry.register(1)
    answers = await at_once(*(registry.post(f"/v1/vendors/{vendor_id}/affiliations", KADIN) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"affiliation-held"}
    assert [event.sequence for event in await registry.published(*TOLD)] == [2]


async def test_of_two_that_note_the_same_receipt_at_once_one_wins(registry: Registry) -> None:
    await registry.crowd()
    path = f"/v1/affiliations/{await begin(registry, await registry.register(1), KADIN)}/renew"
    answers = await at_once(*(registry.post(path, {**PAID, "reference": "K-2"}) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert await registry.value("SELECT expires_on::text FROM affiliation") == "2025-02-28"


async def test_a_merged_person_holds_an_affiliation_once(registry: Registry) -> None:
    survivor, retired = await registry.register(1), await registry.register(2)
    one = await begin(registry, retired, KADIN)
    async with registry.database.transaction() as conn:
        await conn.execute("UPDATE vendor SET merged_into = $1 WHERE vendor_id = $2", survivor, retired)
    answer = await registry.post(f"/v1/vendors/{survivor}/affiliations", KADIN)
    assert ok(answer, 409)["details"]["affiliation_id"] == str(one)
    assert [item["affiliation_id"] for item in await held(registry, survivor)] == [str(one)]
    ok(await registry.post(f"/v1/affiliations/{one}/end", token=registry.vendor(survivor)))
    assert [event.key for event in await registry.published("AffiliationEnded")] == [str(retired)]


# ---- reminders and lapse


async def test_reminders_and_lapse_come_on_their_days_in_jakarta(registry: Registry, clock: StandingClock) -> None:
    vendor_id = await registry.register(1)
    await begin(registry, vendor_id, KADIN)  # until 2024-02-29
    told = []
    for day, hour in (
        ("2024-01-29", 23),
        ("2024-01-30", 0),
        ("2024-01-30", 12),
        ("2024-02-21", 23),
        ("2024-02-22", 0),
        ("2024-02-29", 23),
        ("2024-03-01", 0),
        ("2024-06-01", 0),
    ):
        stand_at(clock, day, hour)
        told.append(await wake(registry))
    assert told == [0, 1, 0, 0, 1, 0, 1, 0]
    events = await registry.published(*TOLD)
    assert [(event.type, event.sequence, event.body.get("days_left")) for event in events] == [
        ("AffiliationStarted", 2, None),
        ("AffiliationExpiring", 3, 30),
        ("AffiliationExpiring", 4, 7),
        ("AffiliationLapsed", 5, None),
    ]
    assert events[-1].body["expired_on"] == "2024-02-29"
    (one,) = await held(registry, vendor_id)
    assert one["state"] == "lapsed"


async def test_a_day_slept_over_is_told_once_and_late(registry: Registry, clock: StandingClock) -> None:
    await begin(registry, await registry.register(1), KADIN)
    stand_at(clock, "2024-02-26")
    assert await wake(registry) == 1
    stand_at(clock, "2024-02-28")
    assert await wake(registry) == 0
    stand_at(clock, "2024-04-01")
    assert await wake(registry) == 1
    events = await registry.published(*TOLD)
    assert [(event.type, event.body.get("days_left")) for event in events[1:]] == [
        ("AffiliationExpiring", 3),
        ("AffiliationLapsed", None),
    ]


async def test_slept_over_everything_only_the_lapse_is_told(registry: Registry, clock: StandingClock) -> None:
    await begin(registry, await registry.register(1), KADIN)
    stand_at(clock, "2024-12-01")
    assert await wake(registry) == 1
    assert [event.type for event in await registry.published(*TOLD)] == ["AffiliationStarted", "AffiliationLapsed"]


async def test_a_renewal_stops_the_reminder_and_revives_a_lapsed_one(registry: Registry, clock: StandingClock) -> None:
    vendor_id = await registry.register(1)
    one = await begin(registry, vendor_id, KADIN)
    stand_at(clock, "2024-01-30")
    await wake(registry)
    ok(await registry.post(f"/v1/affiliations/{one}/renew", {**PAID, "reference": "K-2"}))
    stand_at(clock, "2024-03-05")
    assert await wake(registry) == 0
    stand_at(clock, "2025-03-01")
    assert await wake(registry) == 1
    answer = await registry.post(f"/v1/vendors/{vendor_id}/affiliations", KADIN)
    assert ok(answer, 409)["details"]["state"] == "lapsed"
    stood = ok(await registry.post(f"/v1/affiliations/{one}/renew", {**PAID, "reference": "K-3"}))
    assert (stood["state"], stood["expires_on"]) == ("active", "2026-02-28")
    stand_at(clock, "2026-01-29")
    assert await wake(registry) == 1
    assert [event.body["days_left"] for event in await registry.published("AffiliationExpiring")] == [30, 30]


async def test_a_timer_that_fires_twice_tells_once(registry: Registry, clock: StandingClock) -> None:
    one = await begin(registry, await registry.register(1), KADIN)
    stand_at(clock, "2024-03-01")
    for _ in range(2):
        async with registry.database.transaction() as conn:
            await watch_affiliation(conn, str(one), clock.now())
    assert len(await registry.published("AffiliationLapsed")) == 1
    async with registry.database.transaction() as conn:
        await watch_affiliation(conn, str(uuid4()), clock.now())


async def test_a_lapsed_member_is_served_as_before(registry: Registry, clock: StandingClock) -> None:
    vendor_id = await registry.register(1)
    await begin(registry, vendor_id, KADIN)
    stand_at(clock, "2024-03-01")
    await wake(registry)
    ok(await registry.post(f"/v1/vendors/{vendor_id}/programme/P5/start"))
    ok(await registry.post(f"/v1/vendors/{vendor_id}/export/assess", {"ready": True}))


async def test_erasing_removes_affiliations_payments_and_timers(registry: Registry, clock: StandingClock) -> None:
    vendor_id, other = await registry.register(1), await registry.register(2)
    await begin(registry, vendor_id, KADIN)
    await begin(registry, other, KADIN)
    async with registry.database.transaction() as conn:
        (kept,) = (await store.collect_affiliations(conn, [vendor_id]))["affiliations"]
        assert (kept["organisation"], kept["payments"][0]["reference"]) == ("kadin", "KADIN/2023/1")
        assert await store.erase_affiliations(conn, [vendor_id]) == {"affiliations": 1, "affiliation-payments": 1}
        assert await store.collect_affiliations(conn, [vendor_id]) == {"affiliations": []}
    stand_at(clock, "2024-03-01")
    assert await wake(registry) == 1
    assert [event.key for event in await registry.published("AffiliationLapsed")] == [str(other)]
