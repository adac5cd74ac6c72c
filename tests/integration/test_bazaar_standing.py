"""Where a vendor stands: turns, no-shows and what is left of them, for itself and its officers; erased with it."""

from datetime import date, timedelta
from uuid import UUID

from services.bazaar.handlers.ledger import enter_no_shows, withdraw_no_shows
from services.bazaar.store.applications import find_application
from shared.events.rights import VendorErased
from shared.events.vendor import VendorMerged
from shared.ids import new_id
from tests.integration.bazaar import DAYS, Fair, at, site


async def stayed_away(fair: Fair, application_id: str) -> None:
    async with fair.database.transaction() as conn:
        application = await find_application(conn, UUID(application_id))
        await enter_no_shows(conn, [application], now=fair.clock.now())


async def test_a_no_show_counts_once_is_shown_in_words_and_goes_with_the_person(fair: Fair) -> None:
    vendor_id, other_id, stranger = await fair.register(3)
    path = f"/v1/vendors/{vendor_id}/standing"
    fresh = await fair.shown(path, token=fair.vendor(vendor_id))
    assert (fresh["turns"], fresh["counted_turns"], fresh["adjustments"]) == (0, None, [])
    bazaar_id = await fair.announce([site("one", 1)])
    application_id = await fair.apply(bazaar_id, vendor_id)
    await fair.allocate(bazaar_id)
    await fair.answer(application_id, "confirm")
    fair.clock.moment = at(DAYS[-1] + timedelta(days=1))
    await stayed_away(fair, application_id)
    await stayed_away(fair, application_id)

    shown = await fair.shown(path, token=fair.vendor(vendor_id))

    assert (shown["turns"], shown["last_turn_on"], shown["counted_turns"]) == (1, str(DAYS[-1]), 2)
    assert shown["counted_waiting_since"] == "2023-03-22", "nobody waits since a day that has not come"
    (one,) = shown["adjustments"]
    assert (one["because"], one["turns_left"], one["wait_days_left"]) == ("no-show", 1, 60)
    assert one["until_day"] == str(date(2023, 3, 22) + timedelta(days=365))
    assert one["explanation"]["id"].startswith("Anda tidak datang ke lapak")
    for token in (fair.vendor(stranger), fair.officer("31.72"), fair.operator()):
        assert (await fair.get(path, token=token)).status_code in (403, 404)
    assert (await fair.get(path)).status_code == 200

    await fair.hear(VendorMerged(vendor_id=other_id, into=vendor_id, merge_id=new_id()))
    assert len((await fair.shown(path.replace(str(vendor_id), str(other_id))))["adjustments"]) == 1
    data = (await fair.shown(f"/v1/vendors/{vendor_id}/data", token=fair.vendor(vendor_id)))["sections"]
    assert [row["because"] for row in data["standing_adjustments"]["data"]] == ["no-show"]

    async with fair.database.transaction() as conn:
        assert await withdraw_no_shows(conn, [UUID(application_id)]) == {UUID(application_id)}
        assert await withdraw_no_shows(conn, [UUID(application_id)]) == set()
    assert (await fair.shown(path))["counted_turns"] == 1
    await stayed_away(fair, application_id)
    await fair.hear(VendorErased(vendor_id=vendor_id, erasure_id=new_id()))
    async with fair.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM turn_adjustment") == 0
    assert (await fair.get(path)).status_code == 404
