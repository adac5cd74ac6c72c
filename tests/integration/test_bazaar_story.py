"""The story of one bazaar over HTTP, from the draft to its end."""

import hashlib
import json
from datetime import timedelta

import pytest

from services.bazaar.allocation import read_problem, read_result, verify
from tests.integration.bazaar import CLOSING, DAYS, GAMBIR, Fair, at, site


async def test_a_bazaar_is_played_from_draft_to_end(fair: Fair) -> None:
    vendors = await fair.register(7)
    bazaar_id = await fair.announce(
        [site("one", 2, agency_desks=["ppkukm"], partner_booths=["Bulog"], reserves=[]), site("two", 1, GAMBIR)]
    )
    applications = await fair.apply_all(bazaar_id, vendors, ["one"], ["two"])

    outcome = await fair.allocate(bazaar_id)

    assert outcome["served"] == 3
    assert outcome["waiting"] == 4
    assert outcome["verified"] is True
    states = await fair.states(applications)
    assert states.count("offered") == 3
    assert states.count("queued") == 4
    offered = [one for one, state in zip(applications, states, strict=True) if state == "offered"]
    booths = {
        (one["offer"]["site_id"], one["offer"]["booth"])
        for one in [await fair.application(application_id) for application_id in offered]
    }
    assert booths == {("one", "A01"), ("one", "A02"), ("two", "A01")}

    await fair.answer(offered[0], "confirm")
    await fair.answer(offered[1], "confirm")
    await fair.answer(offered[2], "decline")
    queue = (await fair.shown(f"/v1/bazaars/{bazaar_id}/queue"))["items"]
    assert [one["place"] for one in queue] == [1, 2, 3]
    promoted = [event for event in await fair.published("BoothAssigned") if event.body["promoted"]]
    assert len(promoted) == 1
    await fair.answer(str(promoted[0].key), "confirm")

    fair.clock.moment = at(DAYS[0])
    came = [offered[0], offered[1]]
    checked = await fair.done(
        f"/v1/bazaars/{bazaar_id}/check-ins", {"day": DAYS[0].isoformat(), "application_ids": came}
    )
    assert checked == {"checked_in": 2, "already": 0, "refused": []}
    sales = {"day": DAYS[0].isoformat(), "turnover_rupiah": 1_250_000, "transactions": 31}
    await fair.done(f"/v1/applications/{came[0]}/sales", sales)
    fair.clock.moment = at(DAYS[-1] + timedelta(days=1))
    assert await fair.done(f"/v1/bazaars/{bazaar_id}/finish") == {"attended": 2, "missed": 1}

    summary = {one["site_id"]: one for one in (await fair.shown(f"/v1/bazaars/{bazaar_id}/summary"))["sites"]}
    assert sum(one["offered"] for one in summary.values()) == 4
    assert sum(one["confirmed"] for one in summary.values()) == 3
    assert sum(one["declined"] for one in summary.values()) == 1
    assert sum(one["promoted"] for one in summary.values()) == 1
    assert sum(one["checked_in"] for one in summary.values()) == 2
    assert sum(one["missed"] for one in summary.values()) == 1
    assert sum(one["turnover"] for one in summary.values()) == 1_250_000
    await fair.assert_sequences_have_no_gap()
    types = [event.type for event in await fair.published()]
    assert types[0] == "BazaarAnnounced"
    assert types.count("BoothMissed") == 1


@pytest.mark.usefixtures("rounds_apart")
async def test_the_published_files_are_served_byte_for_byte_and_verified(fair: Fair) -> None:
    vendors = await fair.register(20)
    bazaar_id = await fair.announce(
        [
            site("one", 6, reserves=[{"group": "agency", "value": "ppkukm", "seats": 2}]),
            site("two", 4, GAMBIR, caps=[{"group": "category", "value": "health", "seats": 1}]),
        ],
        policy={"rotation": [{"by": "rw", "measure": "turns"}, {"by": "vendor", "measure": "waiting_since"}]},
    )
    await fair.apply_all(bazaar_id, vendors[:10], ["one"], ["two"])
    await fair.apply_all(bazaar_id, vendors[10:], ["two", "one"])
    fair.clock.moment = CLOSING
    frozen = await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    committed = (await fair.client.get(f"/v1/bazaars/{bazaar_id}/rounds/1/frozen")).content
    assert hashlib.sha256(committed).hexdigest() == frozen["frozen_sha256"]
    assert (await fair.client.get(f"/v1/bazaars/{bazaar_id}/rounds/1/problem")).status_code == 404
    await fair.done(f"/v1/bazaars/{bazaar_id}/seed", {"seed": "8-1-5", "source": "Undian"})
    outcome = await fair.done(f"/v1/bazaars/{bazaar_id}/allocate")

    problem_file = (await fair.client.get(f"/v1/bazaars/{bazaar_id}/rounds/1/problem")).content
    result_file = (await fair.client.get(f"/v1/bazaars/{bazaar_id}/rounds/1/result")).content

    assert hashlib.sha256(problem_file).hexdigest() == outcome["problem_sha256"]
    assert hashlib.sha256(result_file).hexdigest() == outcome["result_sha256"]
    without_seed = json.loads(problem_file)
    assert without_seed.pop("seed") == "8-1-5"
    assert without_seed == json.loads(committed)
    problem = read_problem(problem_file)
    assert problem.sha256 == outcome["problem_sha256"]
    assert verify(problem, read_result(result_file)) == []
    published = (await fair.published("RoundPublished"))[0].body
    assert published["result_sha256"] == outcome["result_sha256"]
