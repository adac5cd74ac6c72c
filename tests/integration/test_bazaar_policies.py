"""Policies by name and their versions; previews, which change nothing."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.bazaar.domain.policy import Policy
from services.bazaar.domain.preview import PreviewTooSlow
from services.bazaar.handlers.previews import preview_policy
from services.bazaar.previewing import preview_apart
from tests.integration.bazaar import CLOSING, KARANG_ANYAR, Fair, site

BY_RW = {"rotation": [{"by": "rw", "measure": "turns"}, {"by": "vendor", "measure": "waiting_since"}]}


WISH: dict[str, Any] = {"policy": {}}


def a_policy(code: str = "pusat", **more: Any) -> dict[str, Any]:
    return {
        "code": code,
        "area": "31.71",
        "title": {"id": "Percobaan", "en": "A trial"},
        "description": {"id": "Bergilir per RW.", "en": "RWs in turn."},
        "document": {"policy": BY_RW},
        **more,
    }


async def listed(fair: Fair, query: str = "") -> list[dict[str, Any]]:
    """Policies as everyone may read them."""
    response = await fair.client.get(f"/v1/policies?limit=200{query}")
    assert response.is_success, response.text
    return list(response.json()["items"])


async def test_the_usual_policies_are_there_from_the_start_and_each_sets_up_a_bazaar(fair: Fair) -> None:
    found = await listed(fair)
    assert [(one["code"], one["version"]) for one in found] == [
        ("agencies-share", 1),
        ("by-category", 1),
        ("by-rw", 1),
        ("by-vendor", 1),
    ]
    for one in found:
        bazaar_id = await fair.announce([site("one", 30)], policy={"code": one["code"]})
        shown = (await fair.client.get(f"/v1/bazaars/{bazaar_id}")).json()
        assert shown["policy"] == one["document"]["policy"]
        assert shown["sites"][0]["reserves"] == one["document"]["site_reserves"]
    small = await fair.announce([site("one", 13)], policy={"code": "agencies-share", "version": 1})
    reserves = (await fair.client.get(f"/v1/bazaars/{small}")).json()["sites"][0]["reserves"]
    assert [one["seats"] for one in reserves] == [2] * 6
    own = [{"group": "agency", "value": "kpkp", "seats": 1}]
    kept = await fair.announce([site("one", 30, reserves=own)], policy={"code": "agencies-share"})
    assert (await fair.client.get(f"/v1/bazaars/{kept}")).json()["sites"][0]["reserves"] == own


async def test_a_policy_that_is_not_there_is_refused_and_a_misspelt_one_too(fair: Fair) -> None:
    bazaar = {
        "name": "Bazar",
        "organisers": ["Sudin"],
        "days": ["2023-03-20"],
        "sites": [site("one")],
        "applications_close_at": CLOSING.isoformat(),
    }
    for unknown in ({"code": "nothing"}, {"code": "by-rw", "version": 2}):
        assert await fair.refused("/v1/bazaars", {**bazaar, "policy": unknown}) == (404, "policy-unknown")
    wrong: list[dict[str, Any]] = [{"code": "by-rw", "rotation": []}, {"rotations": []}, {"code": "By RW"}]
    for misspelt in wrong:
        assert (await fair.refused("/v1/bazaars", {**bazaar, "policy": misspelt}))[0] == 422


async def test_a_version_never_changes_and_no_bazaar_changes_with_a_later_one(fair: Fair) -> None:
    assert (await fair.done("/v1/policies", a_policy()))["version"] == 1
    bazaar_id = await fair.announce(policy={"code": "pusat"})
    later = a_policy(document={"policy": {"training_required": False}})
    assert (await fair.done("/v1/policies", later))["version"] == 2
    shown = (await fair.client.get(f"/v1/bazaars/{bazaar_id}")).json()
    assert shown["policy"]["rotation"] == BY_RW["rotation"]
    assert [one["version"] for one in await listed(fair, "&code=pusat")] == [1, 2]
    again = await fair.announce(policy={"code": "pusat"})
    assert (await fair.client.get(f"/v1/bazaars/{again}")).json()["policy"]["training_required"] is False


async def test_policies_are_defined_by_officers_of_their_area(fair: Fair) -> None:
    await fair.done("/v1/policies", a_policy())
    (vendor_id,) = await fair.register(1)
    assert await fair.refused("/v1/policies", a_policy(), token=fair.vendor(vendor_id)) == (403, "role-missing")
    assert await fair.refused("/v1/policies", a_policy(area="31")) == (403, "outside-area")
    south = fair.officer("31.74")
    elsewhere = a_policy(area="31.74")
    assert await fair.refused("/v1/policies", elsewhere, token=south) == (409, "policy-owned-elsewhere")
    for wrong in (
        {"site_reserves": [{"group": "agency", "value": "kpkp", "seats": 3}] * 2},
        {
            "site_reserves": [{"group": "agency", "value": "kpkp", "seats": 3}],
            "site_caps": [{"group": "category", "value": "health", "seats": 3}],
        },
    ):
        assert (await fair.refused("/v1/policies", a_policy("other", document=wrong)))[0] == 422


async def test_versions_defined_at_once_are_all_kept_or_told(fair: Fair) -> None:
    await fair.crowd()
    responses = await asyncio.gather(*(fair.post("/v1/policies", a_policy()) for _ in range(6)))
    kept = sorted(one.json()["version"] for one in responses if one.status_code == 201)
    assert kept == list(range(1, len(kept) + 1))
    assert {one.json()["code"] for one in responses if one.status_code != 201} <= {"conflict"}
    assert [one["version"] for one in await listed(fair, "&code=pusat")] == kept


# ---- previews


async def tables(fair: Fair) -> dict[str, list[str]]:
    """Every row of the database, as text."""
    async with fair.database.read() as conn:
        names = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
        found = {}
        for name in [row["tablename"] for row in names]:
            query: str = await conn.fetchval(
                "SELECT format('SELECT t::text AS row FROM %I AS t ORDER BY 1', $1::text)", name
            )
            found[name] = [row["row"] for row in await conn.fetch(query)]
    return found


async def test_a_preview_says_what_a_policy_would_do_and_changes_nothing(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 3)])
    crowded = await fair.register(4, rw="003")
    await fair.apply_all(bazaar_id, crowded)
    fair.clock.advance(hours=48)
    alone = await fair.register(2, rw="004")
    await fair.apply_all(bazaar_id, alone)
    before = await tables(fair)

    response = await fair.post(f"/v1/bazaars/{bazaar_id}/preview", {"policy": {"code": "by-rw"}})

    assert response.status_code == 200, response.text
    found = response.json()
    # by waiting the four of RW 003 come first; one booth for each RW leaves one empty
    assert found["applicants"] == 6
    assert (found["present"]["served"], found["proposed"]["served"]) == (3, 2)
    assert found["proposed"]["seats_unused"] == 1
    assert found["present"]["rws"] == {"applied": 2, "served": 1}
    assert found["proposed"]["rws"] == {"applied": 2, "served": 2}
    assert found["difference"]["served_only_by_proposed"] == 1
    assert found["present"]["longest_wait_days"] == {"served": 2, "not_served": 2}
    assert found["proposed"]["by_kecamatan"] == {"31.71.02": {"served": 2, "waiting": 4}}
    assert sum(one["served"] for one in found["proposed"]["by_category"].values()) == 2
    for vendor_id in (*crowded, *alone):
        assert str(vendor_id) not in response.text
    assert await tables(fair) == before


async def test_several_seeds_give_the_mean_of_what_hangs_on_the_lottery(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 2)])
    await fair.apply_all(bazaar_id, await fair.register(7))
    found = (await fair.post(f"/v1/bazaars/{bazaar_id}/preview", {"policy": BY_RW, "seeds": 3})).json()
    assert (found["present"]["served"], found["present"]["waiting"]) == (2.0, 5.0)
    by_agency = found["present"]["by_agency"].values()
    assert sum(one["served"] for one in by_agency) == pytest.approx(2, abs=0.3)


async def test_a_preview_has_its_moment_and_its_people(fair: Fair) -> None:
    bazaar_id = await fair.draft()
    path, wish = f"/v1/bazaars/{bazaar_id}/preview", WISH
    assert await fair.refused(path, wish) == (409, "wrong-moment")
    await fair.done(f"/v1/bazaars/{bazaar_id}/announce")
    (vendor_id,) = await fair.register(1)
    assert await fair.refused(path, wish, token=fair.vendor(vendor_id)) == (403, "role-missing")
    assert await fair.refused(path, wish, token=fair.officer("31.72")) == (403, "outside-area")
    assert (await fair.refused(path, {"policy": {}, "seeds": 6}))[0] == 422
    assert await fair.refused(path, {"policy": {"code": "nothing"}}) == (404, "policy-unknown")
    empty = (await fair.post(path, wish)).json()
    assert (empty["applicants"], empty["present"]["seats_unused"]) == (0, 2)
    fair.clock.moment = CLOSING
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    assert await fair.refused(path, wish) == (409, "wrong-moment")


async def test_one_preview_of_a_bazaar_at_a_time_and_none_for_ever(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    await fair.apply_all(bazaar_id, await fair.register(3))
    await fair.crowd()
    path, wish = f"/v1/bazaars/{bazaar_id}/preview", WISH
    responses = await asyncio.gather(*(fair.post(path, wish) for _ in range(3)))
    assert sorted(one.status_code for one in responses) == [200, 409, 409]
    assert {one.json()["code"] for one in responses if one.status_code == 409} == {"preview-running"}
    assert (await fair.post(path, wish)).status_code == 200
    async with fair.database.read() as conn, conn.transaction(readonly=True):
        job = await preview_policy(conn, UUID(bazaar_id), Policy(), 1, now=fair.clock.now())
        with pytest.raises(PreviewTooSlow):
            await preview_apart(job, time_max_seconds=0.01)


async def test_who_is_not_admitted_by_a_policy_is_counted(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 5)])
    await fair.apply_all(bazaar_id, await fair.register(4))
    policy = {"admits": [{"group": "area", "values": [KARANG_ANYAR]}, {"group": "category", "values": ["health"]}]}
    fair.clock.moment = CLOSING - timedelta(hours=1)
    found = (await fair.post(f"/v1/bazaars/{bazaar_id}/preview", {"policy": policy})).json()
    assert (found["present"]["not_admitted"], found["proposed"]["not_admitted"]) == (0, 3)
    assert (found["proposed"]["served"], found["proposed"]["seats_unused"]) == (1, 4)
