"""Two hundred vendors answer, give back and swap at once, over HTTP and through another service's commands: one booth
has one vendor, a vendor one place at a time, and each booth taken costs one turn."""

import asyncio
from collections import Counter
from uuid import UUID

import pytest

from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.bazaar import RespondToOffer
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.bazaar import Fair, open_fair, site

VENDORS, BOOTHS, SWAPS, RELEASES = 230, 200, 10, 20


@pytest.fixture
async def fair(
    make_database: MakeDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> Fair:
    """The bazaar service, empty; it takes all that these tests send at once."""
    monkeypatch.setenv("LAPAK_HTTP_IN_FLIGHT_MAX", "512")
    return await open_fair(make_database, serve, issuer, clock, sealer)


async def held(fair: Fair) -> dict[str, tuple[str, str, str]]:
    """Who has which booth, in which state."""
    async with fair.database.read() as conn:
        rows = await conn.fetch(
            "SELECT application_id, site_id, booth, state FROM application WHERE state IN ('offered', 'confirmed')"
        )
    return {str(row["application_id"]): (row["site_id"], row["booth"], row["state"]) for row in rows}


async def test_two_hundred_confirm_decline_release_and_swap_at_once(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", BOOTHS // 2), site("two", BOOTHS // 2)])
    vendors = await fair.register(VENDORS)
    applications = await fair.apply_at_once(bazaar_id, vendors, ["one", "two"])
    vendor_of = dict(zip(applications, vendors, strict=True))
    await fair.allocate(bazaar_id)
    offered = sorted(await held(fair))
    assert len(offered) == BOOTHS
    early, late = offered[: 2 * SWAPS + RELEASES], offered[2 * SWAPS + RELEASES :]
    await asyncio.gather(*(fair.answer(one, "confirm") for one in early))
    places = await held(fair)
    swaps: list[str] = []
    for one, other in zip(early[:SWAPS], early[SWAPS : 2 * SWAPS], strict=True):
        site_id, booth, _ = places[other]
        wish = {"site_id": site_id, "booth": booth}
        swaps.append((await fair.done(f"/v1/applications/{one}/swaps", wish))["swap_id"])
        await fair.done(f"/v1/swaps/{swaps[-1]}/accept")
    await fair.crowd()

    doors = [f"/v1/applications/{one}/{'decline' if at % 4 == 0 else 'confirm'}" for at, one in enumerate(late)]
    doors += [f"/v1/swaps/{swap_id}/approve" for swap_id in swaps]
    # half of those who swap give their booth back at the same moment, and others besides
    doors += [f"/v1/applications/{one}/release" for one in (*early[: SWAPS // 2], *early[2 * SWAPS :])]
    commands = [
        fair.record(
            RespondToOffer.model_validate({"application_id": one, "vendor_id": vendor_of[one], "answer": "confirm"})
        )
        for one in reversed(late)
    ]
    batches = [commands[start : start + 40] for start in range(0, len(commands), 40)]

    async def consume() -> None:
        for batch in batches:
            await fair.consume(*batch)

    responses, _ = await asyncio.gather(asyncio.gather(*map(fair.post, doors)), consume())

    assert {response.status_code for response in responses} <= {200, 409}, Counter(one.text for one in responses)
    released = [one for one, door in zip(responses, doors, strict=True) if door.endswith("/release")]
    assert all(response.is_success for response in released)
    await fair.assert_booths_are_held_once()
    await fair.assert_sequences_have_no_gap()
    states = dict(zip(applications, await fair.states(applications), strict=True))
    now_held = await held(fair)
    # whoever answered was answered to once, by whichever way came first
    assert all(states[one] in ("confirmed", "declined") for one in late)
    answered = sum(one.is_success for one in responses[: len(late)])
    assert answered + len(late) - len(await fair.published("OfferResponseRefused")) == len(late)
    # a place is held once and nothing stands empty while somebody waits for it
    waiting = [one for one, state in states.items() if state == "queued"]
    assert len(now_held) == BOOTHS or not waiting
    assert len({(site_id, booth) for site_id, booth, _ in now_held.values()}) == len(now_held)
    async with fair.database.read() as conn:
        turns = {str(row["application_id"]) for row in await conn.fetch("SELECT application_id FROM turn")}
        per_vendor = await conn.fetch(
            "SELECT vendor_id FROM application WHERE state IN ('offered', 'confirmed') "
            "GROUP BY vendor_id HAVING count(*) > 1"
        )
    assert turns == {one for one, (_, _, state) in now_held.items() if state == "confirmed"}
    assert per_vendor == []
    swapped = {event.key for event in await fair.published("BoothSwapped")}
    for one, other in zip(early[:SWAPS], early[SWAPS : 2 * SWAPS], strict=True):
        pair = {UUID(one), UUID(other)}
        assert len(swapped & pair) in (0, 2)
        if states[one] == states[other] == "confirmed":
            assert (now_held[one][:2], now_held[other][:2]) == (
                (places[other][:2], places[one][:2]) if swapped & pair else (places[one][:2], places[other][:2])
            )
