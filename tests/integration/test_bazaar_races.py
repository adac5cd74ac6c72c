"""One booth, one round, many requests at once: exactly one wins, and what follows from it happens once."""

import asyncio
from collections import Counter

from tests.integration.bazaar import CLOSING, DAYS, Fair, at, site

AT_ONCE = 12


async def outcomes(fair: Fair, doors: list[tuple[str, dict[str, str] | None, str]]) -> Counter[str]:
    """Ask at all doors (path, body, token) at once; how often it was done, and how often refused with which code."""
    await fair.crowd()
    responses = await asyncio.gather(*(fair.post(path, body, token=token) for path, body, token in doors))
    assert all(one.status_code in (200, 201, 204, 409) for one in responses), [one.text for one in responses]
    return Counter("done" if one.is_success else one.json()["code"] for one in responses)


async def one_booth(fair: Fair, applicants: int) -> tuple[str, str, list[str]]:
    """An allocated bazaar with a single booth: its id, who is offered the booth, who waits."""
    bazaar_id = await fair.announce([site("one", 1)])
    vendors = await fair.register(applicants)
    applications = await fair.apply_all(bazaar_id, vendors)
    await fair.allocate(bazaar_id)
    states = dict(zip(applications, await fair.states(applications), strict=True))
    (offered,) = (one for one, state in states.items() if state == "offered")
    return bazaar_id, offered, [one for one in applications if one != offered]


async def vendor_of(fair: Fair, application_id: str) -> str:
    """Token of the vendor whose application this is."""
    async with fair.database.read() as conn:
        vendor_id = await conn.fetchval("SELECT vendor_id FROM application WHERE application_id = $1", application_id)
    return fair.vendor(vendor_id)


async def test_of_many_confirmations_of_the_last_booth_one_counts(fair: Fair) -> None:
    _, offered, _ = await one_booth(fair, 3)
    vendor = await vendor_of(fair, offered)
    door = f"/v1/applications/{offered}/confirm"

    found = await outcomes(fair, [(door, None, token) for token in (vendor, fair.officer()) * (AT_ONCE // 2)])

    assert found == {"done": 1, "no-open-offer": AT_ONCE - 1}
    assert len(await fair.published("BoothConfirmed")) == 1
    async with fair.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM turn") == 1
    await fair.assert_sequences_have_no_gap()


async def test_the_last_booth_given_back_by_vendor_and_officers_at_once_goes_to_one(fair: Fair) -> None:
    _, offered, waiting = await one_booth(fair, 4)
    vendor = await vendor_of(fair, offered)
    door = f"/v1/applications/{offered}/decline"

    found = await outcomes(fair, [(door, None, token) for token in (vendor, fair.officer()) * (AT_ONCE // 2)])

    assert found == {"done": 1, "no-open-offer": AT_ONCE - 1}
    assert sorted(await fair.states(waiting)) == ["offered", "queued", "queued"]
    assert len(await fair.published("BoothAssigned")) == 2
    await fair.assert_booths_are_held_once()
    await fair.assert_sequences_have_no_gap()


async def test_two_booths_given_back_at_once_and_one_who_waits_is_offered_one_of_them(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 2)])
    applications = await fair.apply_all(bazaar_id, await fair.register(3))
    await fair.allocate(bazaar_id)
    states = dict(zip(applications, await fair.states(applications), strict=True))
    offered = [one for one, state in states.items() if state == "offered"]

    found = await outcomes(fair, [(f"/v1/applications/{one}/decline", None, fair.officer()) for one in offered])

    assert found == {"done": 2}
    assert sorted(await fair.states(applications)) == ["declined", "declined", "offered"]
    assert len(await fair.published("BoothAssigned")) == 3
    await fair.assert_booths_are_held_once()
    await fair.assert_sequences_have_no_gap()


async def test_officers_who_take_a_step_of_the_round_at_once_take_it_once(fair: Fair) -> None:
    """Two and more officers freeze, draw (each another seed), allocate and finish: each step has one author."""
    bazaar_id = await fair.announce([site("one", 2)])
    applications = await fair.apply_all(bazaar_id, await fair.register(5))
    fair.clock.moment = CLOSING
    path = f"/v1/bazaars/{bazaar_id}"
    officers = [fair.issuer.token(f"officer-{number}", ["officer"], area="31.71") for number in range(AT_ONCE)]

    frozen = await outcomes(fair, [(f"{path}/freeze", None, token) for token in officers])
    drawn = await outcomes(
        fair, [(f"{path}/seed", {"seed": f"{n}", "source": "Undian"}, token) for n, token in enumerate(officers)]
    )
    allocated = await outcomes(fair, [(f"{path}/allocate", None, token) for token in officers[:3]])

    assert frozen == {"done": 1, "wrong-moment": AT_ONCE - 1}
    assert drawn == {"done": 1, "wrong-moment": AT_ONCE - 1}
    assert allocated == {"done": 1, "round-published": 2}
    for kind, count in (("RoundFrozen", 1), ("SeedDrawn", 1), ("RoundPublished", 1), ("BoothAssigned", 2)):
        assert len(await fair.published(kind)) == count
    assert sorted(await fair.states(applications)) == ["offered", "offered", "queued", "queued", "queued"]

    fair.clock.moment = at(DAYS[-1].replace(day=DAYS[-1].day + 1))
    finished = await outcomes(fair, [(f"{path}/finish", None, token) for token in officers])
    assert finished == {"done": 1, "wrong-moment": AT_ONCE - 1}
    assert len(await fair.published("BoothOfferLapsed")) == 2
    await fair.assert_sequences_have_no_gap()
