"""Suspension over HTTP and by its timer; merged persons; erased and collected."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from services.vendor.handlers.suspension import end_suspension
from services.vendor.store.suspension import SUSPENSION_END, collect_suspensions, erase_suspensions
from shared.timers import run_due
from tests.conftest import StandingClock
from tests.integration.vendor import Registry, at_once, ok


async def suspend(registry: Registry, vendor_id: UUID, reason: str = "no-show", until: str | None = None) -> UUID:
    body = {"reason": reason, "until": until}
    return UUID(ok(await registry.post(f"/v1/vendors/{vendor_id}/suspend", body), 201)["suspension_id"])


async def merge(registry: Registry, survivor: UUID, retired: UUID) -> str:
    body = {"retired": str(retired), "fields": {}}
    return str(ok(await registry.post(f"/v1/vendors/{survivor}/merge", body))["merge_id"])


async def because(registry: Registry, vendor_id: UUID) -> str | None:
    found: str | None = await registry.value("SELECT suspended_because FROM vendor WHERE vendor_id = $1", vendor_id)
    return found


async def at(registry: Registry, clock: StandingClock, moment: datetime) -> None:
    """Work off what is due at this moment."""
    clock.moment = moment
    while await run_due(registry.database, {SUSPENSION_END: end_suspension}, moment):
        pass


async def told(registry: Registry) -> list[tuple[str, str, int]]:
    return [(e.type, e.key, e.sequence) for e in await registry.published("VendorSuspended", "VendorReinstated")]


async def test_a_vendor_is_suspended_and_reinstated_and_its_history_stays(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    await suspend(registry, vendor_id, "false-data")
    assert await because(registry, vendor_id) == "false-data"
    path = f"/v1/vendors/{vendor_id}"
    assert ok(await registry.post(f"{path}/suspend", {"reason": "no-show"}), 409)["code"] == "already-suspended"
    ok(await registry.post(f"{path}/reinstate"))
    assert await because(registry, vendor_id) is None
    assert ok(await registry.post(f"{path}/reinstate"), 409)["code"] == "not-suspended"
    await suspend(registry, vendor_id)
    latest, first = ok(await registry.get(f"{path}/suspensions", token=registry.vendor(vendor_id)))["items"]
    assert (latest["reason"], latest["ended"], first["reason"], first["ended"]) == (
        "no-show",
        None,
        "false-data",
        "reinstated",
    )
    key = str(vendor_id)
    assert await told(registry) == [
        ("VendorSuspended", key, 2),
        ("VendorReinstated", key, 3),
        ("VendorSuspended", key, 4),
    ]


async def test_a_suspension_ends_at_the_midnight_after_its_last_day_in_jakarta(
    registry: Registry, clock: StandingClock
) -> None:
    vendor_id = await registry.register(1)
    await suspend(registry, vendor_id, until="2023-03-05")
    await at(registry, clock, datetime(2023, 3, 5, 16, 59, 59, tzinfo=UTC))
    assert await because(registry, vendor_id) == "no-show"
    await at(registry, clock, datetime(2023, 3, 5, 17, 0, tzinfo=UTC))
    assert await because(registry, vendor_id) is None
    (item,) = ok(await registry.get(f"/v1/vendors/{vendor_id}/suspensions"))["items"]
    assert item["ended"] == "expired"
    assert [event[0] for event in await told(registry)] == ["VendorSuspended", "VendorReinstated"]


async def test_the_timer_of_a_suspension_that_ended_early_does_not_end_the_next(
    registry: Registry, clock: StandingClock
) -> None:
    vendor_id = await registry.register(1)
    first = await suspend(registry, vendor_id, until="2023-03-05")
    ok(await registry.post(f"/v1/vendors/{vendor_id}/reinstate"))
    assert await registry.value("SELECT count(*) FROM timer WHERE kind = $1", SUSPENSION_END) == 0
    await suspend(registry, vendor_id)
    async with registry.database.transaction() as conn:
        await end_suspension(conn, str(first), clock.now())
        await end_suspension(conn, str(uuid4()), clock.now())
    assert await because(registry, vendor_id) == "no-show"


async def test_of_suspensions_at_once_one_is_made(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    await registry.crowd()
    path = f"/v1/vendors/{vendor_id}/suspend"
    answers = await at_once(*(registry.post(path, {"reason": "no-show"}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    assert len(await told(registry)) == 1
    freed = await at_once(*(registry.post(f"/v1/vendors/{vendor_id}/reinstate") for _ in range(6)))
    assert sorted(answer.status_code for answer in freed) == [200] + [409] * 5
    assert len(await told(registry)) == 2


async def test_only_the_officer_of_the_area_suspends(registry: Registry) -> None:
    vendor_id, other = await registry.register(1), await registry.register(2)
    for act, body in (("suspend", {"reason": "no-show"}), ("reinstate", None)):
        path = f"/v1/vendors/{vendor_id}/{act}"
        assert (await registry.post(path, body, token=registry.vendor(vendor_id))).status_code == 403
        assert (await registry.post(path, body, token=registry.officer("31.72"))).status_code == 404
    history = f"/v1/vendors/{vendor_id}/suspensions"
    assert (await registry.get(history, token=registry.vendor(other))).status_code == 403
    assert (await registry.get(history, token=registry.officer("31.72"))).status_code == 404
    assert await told(registry) == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"reason": "mood"}, "reason-unknown"),
        ({"reason": "no-show", "until": "2023-02-28"}, "until-refused"),
        ({"reason": "no-show", "until": "9999-12-31"}, "until-refused"),
        ({"reason": "\u0000"}, "invalid"),
        ({}, "invalid"),
    ],
)
async def test_a_suspension_needs_a_known_reason_and_a_day_to_come(
    registry: Registry, body: dict[str, str], code: str
) -> None:
    vendor_id = await registry.register(1)
    assert ok(await registry.post(f"/v1/vendors/{vendor_id}/suspend", body), 422)["code"] == code


async def test_the_reasons_are_for_everyone_to_read(registry: Registry) -> None:
    answer = await registry.client.get("/v1/suspension-reasons")
    assert "no-show" in {reason["code"] for reason in answer.json()}


# ---- merged persons


async def test_reinstating_a_merged_person_ends_what_the_merge_carried_over(registry: Registry) -> None:
    one, two = await registry.register(1), await registry.register(2)
    await suspend(registry, two, until="2023-03-05")
    await merge(registry, one, two)
    assert await because(registry, one) == "no-show"
    ok(await registry.post(f"/v1/vendors/{one}/reinstate"))
    assert (await because(registry, one), await because(registry, two)) == (None, None)
    assert {key for kind, key, _ in await told(registry) if kind == "VendorReinstated"} == {str(one), str(two)}
    (item,) = ok(await registry.get(f"/v1/vendors/{one}/suspensions"))["items"]
    assert (item["vendor_id"], item["ended"]) == (str(two), "reinstated")


async def test_the_last_day_frees_a_merged_person_of_that_suspension_only(
    registry: Registry, clock: StandingClock
) -> None:
    one, two = await registry.register(1), await registry.register(2)
    await suspend(registry, one, "false-data")
    await suspend(registry, two, until="2023-03-05")
    await merge(registry, one, two)
    await at(registry, clock, datetime(2023, 3, 6, tzinfo=UTC))
    assert (await because(registry, one), await because(registry, two)) == ("false-data", None)


# ---- everything of a person


async def test_everything_is_collected_and_erased(registry: Registry, clock: StandingClock) -> None:
    one, two = await registry.register(1), await registry.register(2)
    suspension_id = await suspend(registry, one, until="2023-03-05")
    await suspend(registry, two)
    async with registry.database.transaction() as conn:
        assert (await collect_suspensions(conn, [one]))["suspensions"] == [
            {
                "suspension_id": str(suspension_id),
                "vendor_id": str(one),
                "reason": "no-show",
                "until": "2023-03-05",
                "suspended_at": clock.now().isoformat(),
                "ended": None,
                "ended_at": None,
            }
        ]
        assert await erase_suspensions(conn, [one]) == {"suspensions": 1}
        assert (await collect_suspensions(conn, [one]))["suspensions"] == []
        assert len((await collect_suspensions(conn, [two]))["suspensions"]) == 1
    assert await registry.value("SELECT count(*) FROM timer WHERE kind = $1", SUSPENSION_END) == 0
