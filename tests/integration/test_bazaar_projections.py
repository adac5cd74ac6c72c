"""What bazaars keep of vendors and trainings, from the events of those services."""

import hashlib
from uuid import UUID

import pytest

from services.bazaar.store.vendors import VendorMissing, find_vendor, save_agencies, save_categories
from shared.events.vendor import VendorCategoryChosen, VendorCategoryCleared, VendorCoached, VendorCoachingEnded
from shared.ids import new_id
from tests.integration.bazaar import KARANG_ANYAR, Fair


async def trained(fair: Fair, vendor_id: UUID) -> bool:
    async with fair.database.read() as conn:
        vendor = await find_vendor(conn, vendor_id)
    assert vendor is not None
    return vendor.trained


async def test_the_last_category_and_coach_of_a_batch_count(fair: Fair) -> None:
    one, other = await fair.register(2, category=None, agency=None)
    await fair.hear(
        VendorCategoryChosen(vendor_id=one, category="health"),
        VendorCategoryChosen(vendor_id=other, category="food-drink"),
        VendorCategoryChosen(vendor_id=one, category="fashion-craft"),
    )
    await fair.hear(
        VendorCoached(vendor_id=one, agency="ppkukm"),
        VendorCoached(vendor_id=one, agency="kpkp", previous_agency="ppkukm"),
    )
    async with fair.database.read() as conn:
        vendors = [await find_vendor(conn, vendor_id) for vendor_id in (one, other)]
    assert [(vendor.category, vendor.agency) for vendor in vendors if vendor] == [
        ("fashion-craft", "kpkp"),
        ("food-drink", None),
    ]


async def test_a_category_and_a_coach_are_forgotten_again(fair: Fair) -> None:
    one, other = await fair.register(2, category="health", agency="kpkp")
    await fair.hear(VendorCategoryCleared(vendor_id=one), VendorCoachingEnded(vendor_id=one, previous_agency="kpkp"))
    async with fair.database.read() as conn:
        vendors = [await find_vendor(conn, vendor_id) for vendor_id in (one, other)]
    assert [(vendor.category, vendor.agency) for vendor in vendors if vendor] == [(None, None), ("health", "kpkp")]


async def test_news_of_a_vendor_that_never_registered_is_a_fault(fair: Fair) -> None:
    (known,) = await fair.register(1)
    for save in (save_categories, save_agencies):
        with pytest.raises(VendorMissing):
            async with fair.database.transaction() as conn:
                await save(conn, {known: "health", new_id(): "health"})


async def test_a_completion_may_arrive_before_its_vendor(fair: Fair) -> None:
    vendor_id = new_id()
    await fair.train(vendor_id)
    assert (await fair.shown("/v1/projections", token=fair.operator()))["completions"]["count"] == 1
    await fair.register(1, trained=False, vendor_id=vendor_id)
    assert await trained(fair, vendor_id)


async def test_a_vendor_is_trained_while_one_completion_stands(fair: Fair) -> None:
    (vendor_id,) = await fair.register(1, trained=False)
    assert not await trained(fair, vendor_id)
    first, second = await fair.train(vendor_id), await fair.train(vendor_id)
    await fair.train(vendor_id, class_id=first)
    await fair.untrain(vendor_id, first)
    assert await trained(fair, vendor_id)
    await fair.untrain(vendor_id, second)
    assert not await trained(fair, vendor_id)
    await fair.untrain(vendor_id, new_id())


async def test_a_projection_is_compared_with_its_source_by_its_hash(fair: Fair) -> None:
    vendors = sorted(
        [*await fair.register(2), *await fair.register(1, trained=False, category=None, agency=None)], key=str
    )
    async with fair.database.read() as conn:
        known = [await find_vendor(conn, vendor_id) for vendor_id in vendors]
    vendor_lines = [
        f"{one.vendor_id}|{KARANG_ANYAR}|{one.rw}|{one.category or ''}|{one.agency or ''}\n" for one in known if one
    ]
    trained_lines = [f"{one.vendor_id}\n" for one in known if one and one.trained]

    shown = await fair.shown("/v1/projections", token=fair.operator())

    assert shown == {
        "vendors": {"count": 3, "sha256": hashlib.sha256("".join(sorted(vendor_lines)).encode()).hexdigest()},
        "completions": {"count": 2, "sha256": hashlib.sha256("".join(sorted(trained_lines)).encode()).hexdigest()},
    }


async def test_projections_of_nothing_have_the_hash_of_nothing(fair: Fair) -> None:
    nothing = {"count": 0, "sha256": hashlib.sha256(b"").hexdigest()}
    shown = await fair.shown("/v1/projections", token=fair.operator())
    assert shown == {"vendors": nothing, "completions": nothing}
    assert (await fair.get("/v1/projections")).status_code == 403
