"""The ceremony of the seed on a real database: several officials at once, deadlines, attempts, and the beacon."""

import asyncio
import json
from datetime import timedelta
from hashlib import sha256
from typing import Any

from services.bazaar.domain.ceremony import PublicCeremony, check_ceremony, commitment_of
from services.bazaar.handlers.ceremonies import CEREMONY, keep_deadline
from shared.timers import run_due
from tests.integration.bazaar import CLOSING, Fair, site

SECRETS = [sha256(f"secret {number}".encode()).hexdigest() for number in range(12)]
MINUTE = timedelta(minutes=1)


def official(fair: Fair, number: int) -> str:
    """Token of one of several officials."""
    return fair.issuer.token(f"official-{number}", ["officer"], area="31")


async def begun(fair: Fair, **plan: Any) -> str:
    """A bazaar with three applicants, frozen, its ceremony begun."""
    bazaar_id = await fair.announce([site("one", 2)])
    await fair.done(f"/v1/bazaars/{bazaar_id}/seed-plan", {"by": "ceremony", **plan})
    await fair.apply_all(bazaar_id, await fair.register(3))
    fair.clock.moment = CLOSING
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    return bazaar_id


def commitment(number: int, secret: int | None = None) -> dict[str, str]:
    secret = number if secret is None else secret
    return {"commitment": commitment_of(SECRETS[secret]), "office": f"Instansi {number}"}


async def commit(fair: Fair, bazaar_id: str, *numbers: int, secrets: int = 0) -> None:
    for number in numbers:
        body = commitment(number, number + secrets)
        await fair.done(f"/v1/bazaars/{bazaar_id}/ceremony/commit", body, token=official(fair, number))


async def reveal(fair: Fair, bazaar_id: str, *numbers: int, secrets: int = 0) -> dict[str, Any]:
    for number in numbers:
        answer = await fair.done(
            f"/v1/bazaars/{bazaar_id}/ceremony/reveal",
            {"secret": SECRETS[number + secrets]},
            token=official(fair, number),
        )
    return answer


async def run_timers(fair: Fair) -> None:
    while await run_due(fair.database, {CEREMONY: keep_deadline}, fair.clock.now()):
        pass


async def page_of(fair: Fair, bazaar_id: str) -> dict[str, Any]:
    """The public page, read without a token."""
    response = await fair.client.get(f"/v1/bazaars/{bazaar_id}/rounds/1/ceremony")
    assert response.is_success, response.text
    return dict(response.json())


async def test_three_officials_draw_the_seed_and_anyone_draws_it_again(fair: Fair) -> None:
    bazaar_id = await begun(fair)
    await commit(fair, bazaar_id, 1, 2, 3)
    await fair.done(f"/v1/bazaars/{bazaar_id}/ceremony/close")
    answer = await reveal(fair, bazaar_id, 3, 1, 2)
    assert (answer["state"], answer["revealed"]) == ("drawn", 3)

    page = await page_of(fair, bazaar_id)
    seed, findings = check_ceremony(PublicCeremony.model_validate(page))
    assert findings == []
    assert page["seed"] == seed
    assert page["plan"]["by"] == "ceremony"
    assert "official-1" not in json.dumps(page)
    (drawn,) = await fair.published("SeedDrawn")
    assert (drawn.body["seed"], drawn.sequence) == (seed, 3)
    assert drawn.body["source"].startswith("ceremony of 3 officials, attempt 1")
    await fair.done(f"/v1/bazaars/{bazaar_id}/allocate")
    problem = (await fair.client.get(f"/v1/bazaars/{bazaar_id}/rounds/1/problem")).json()
    assert problem["seed"] == seed
    await fair.assert_sequences_have_no_gap()


async def test_all_officials_at_once_commit_and_reveal_and_one_seed_is_drawn(fair: Fair) -> None:
    bazaar_id = await begun(fair)
    await fair.crowd()
    commits = f"/v1/bazaars/{bazaar_id}/ceremony/commit"
    joined = await asyncio.gather(
        *(fair.post(commits, commitment(number), token=official(fair, number)) for number in range(8)),
        # the same official twice, and another one with a copied commitment
        *(fair.post(commits, commitment(number, 8 + number), token=official(fair, number)) for number in range(2)),
        fair.post(commits, commitment(9, 3), token=official(fair, 9)),
    )
    assert sorted(one.status_code for one in joined) == [200] * 8 + [409] * 3
    assert {one.json()["code"] for one in joined if one.status_code == 409} == {"committed-already"}
    positions = [one.json()["position"] for one in joined if one.status_code == 200]
    assert sorted(positions) == list(range(1, 9))
    who = {one["office"]: one for one in (await page_of(fair, bazaar_id))["attempts"][0]["officials"]}
    secret_of = {
        number: next(at for at, secret in enumerate(SECRETS) if commitment_of(secret) == one["commitment"])
        for number in range(10)
        if (one := who.get(f"Instansi {number}")) is not None
    }
    assert len(secret_of) == 8
    await fair.done(f"/v1/bazaars/{bazaar_id}/ceremony/close")
    reveals = f"/v1/bazaars/{bazaar_id}/ceremony/reveal"
    answers = await asyncio.gather(
        *(
            fair.post(reveals, {"secret": SECRETS[secret]}, token=official(fair, number))
            for number, secret in [*secret_of.items(), *secret_of.items()]
        )
    )
    assert sorted(one.status_code for one in answers) == [200] * 8 + [409] * 8
    assert {one.json()["code"] for one in answers if one.status_code == 409} <= {"revealed-already", "wrong-moment"}
    assert [one.json()["state"] for one in answers if one.status_code == 200].count("drawn") == 1
    assert len(await fair.published("SeedDrawn")) == 1
    assert check_ceremony(PublicCeremony.model_validate(await page_of(fair, bazaar_id)))[1] == []
    await fair.assert_sequences_have_no_gap()


async def test_a_commit_and_the_first_reveal_at_once_leave_no_official_who_knew_a_secret(fair: Fair) -> None:
    bazaar_id = await begun(fair)
    await commit(fair, bazaar_id, 1, 2, 3)
    await fair.crowd()
    path = f"/v1/bazaars/{bazaar_id}/ceremony"
    late, closed, early = await asyncio.gather(
        fair.post(f"{path}/commit", commitment(4), token=official(fair, 4)),
        fair.post(f"{path}/close"),
        fair.post(f"{path}/reveal", {"secret": SECRETS[1]}, token=official(fair, 1)),
    )
    assert closed.status_code == 200
    assert late.status_code == 200 or late.json()["code"] == "commits-closed"
    assert early.status_code == 200 or early.json()["code"] == "commits-open"
    (attempt,) = (await page_of(fair, bazaar_id))["attempts"]
    assert len(attempt["officials"]) == (4 if late.status_code == 200 else 3)
    assert (await fair.refused(f"{path}/commit", commitment(5), token=official(fair, 5))) == (409, "commits-closed")


async def test_who_keeps_silent_is_on_record_for_ever_and_another_attempt_begins(fair: Fair) -> None:
    bazaar_id = await begun(fair, commit_minutes=60, reveal_minutes=30)
    await commit(fair, bazaar_id, 1, 2, 3)
    fair.clock.moment = CLOSING + 60 * MINUTE
    await run_timers(fair)
    assert (await page_of(fair, bazaar_id))["attempts"][0]["state"] == "committing"
    fair.clock.advance(seconds=1)
    await run_timers(fair)
    await reveal(fair, bazaar_id, 1, 2)
    fair.clock.advance(minutes=31)
    refused = await fair.refused(
        f"/v1/bazaars/{bazaar_id}/ceremony/reveal", {"secret": SECRETS[3]}, token=official(fair, 3)
    )
    assert refused == (409, "reveal-over")
    await run_timers(fair)
    await run_timers(fair)

    first, second = (await page_of(fair, bazaar_id))["attempts"]
    assert (first["state"], second["state"]) == ("failed", "committing")
    assert [one["secret"] for one in first["officials"]] == [SECRETS[1], SECRETS[2], None]
    # what was handed in before is known, or could be copied
    again = await fair.refused(f"/v1/bazaars/{bazaar_id}/ceremony/commit", commitment(1), token=official(fair, 1))
    assert again == (409, "committed-already")
    await commit(fair, bazaar_id, 1, 2, 3, secrets=4)
    await fair.done(f"/v1/bazaars/{bazaar_id}/ceremony/close")
    await reveal(fair, bazaar_id, 1, 2, 3, secrets=4)
    page = await page_of(fair, bazaar_id)
    assert [one["state"] for one in page["attempts"]] == ["failed", "drawn"]
    assert check_ceremony(PublicCeremony.model_validate(page))[1] == []
    (drawn,) = await fair.published("SeedDrawn")
    assert "attempt 2" in drawn.body["source"]
    # the timers of what is over find nothing to do
    fair.clock.advance(hours=5)
    await run_timers(fair)
    assert await page_of(fair, bazaar_id) == page
    await fair.assert_sequences_have_no_gap()


async def test_the_deadline_of_commits_waits_for_enough_officials(fair: Fair) -> None:
    bazaar_id = await begun(fair, officials_min=2)
    await commit(fair, bazaar_id, 1)
    fair.clock.advance(hours=3)
    await run_timers(fair)
    assert await fair.refused(f"/v1/bazaars/{bazaar_id}/ceremony/close") == (409, "too-few-officials")
    await commit(fair, bazaar_id, 2)
    answer = await reveal(fair, bazaar_id, 1, 2)
    assert answer["state"] == "drawn"


async def test_a_ceremony_is_for_officers_of_the_whole_bazaar(fair: Fair) -> None:
    bazaar_id = await begun(fair)
    (vendor_id,) = await fair.register(1)
    path = f"/v1/bazaars/{bazaar_id}/ceremony/commit"
    assert await fair.refused(path, commitment(1), token=fair.officer("31.72")) == (403, "outside-area")
    assert await fair.refused(path, commitment(1), token=fair.vendor(vendor_id)) == (403, "role-missing")
    (attempt,) = (await page_of(fair, bazaar_id))["attempts"]
    assert attempt["officials"] == []


async def test_how_the_seed_is_drawn_is_public_before_the_freeze_and_fixed_by_it(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    plan = f"/v1/bazaars/{bazaar_id}/seed-plan"
    assert (await fair.client.get(plan)).json()["by"] == "public-draw"
    beacon = {"name": "drand quicknet", "link": "https://api.drand.sh/", "minutes_after_freeze": 30}
    await fair.done(plan, {"by": "ceremony"})
    await fair.done(plan, {"by": "beacon", "beacon": beacon})
    shown = (await fair.client.get(plan)).json()
    assert (shown["by"], shown["beacon"]) == ("beacon", beacon)
    fair.clock.moment = CLOSING
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    assert await fair.refused(plan, {"by": "public-draw"}) == (409, "seed-plan-fixed")

    typed = {"seed": "9f86d081884c7d65", "source": "Diketik petugas"}
    seed = f"/v1/bazaars/{bazaar_id}/seed"
    assert await fair.refused(seed, typed) == (409, "seed-drawn-otherwise")
    assert await fair.refused(f"/v1/bazaars/{bazaar_id}/ceremony/commit", commitment(1)) == (409, "no-ceremony")
    value = {**typed, "beacon_round": "2812345", "link": "https://api.drand.sh/public/2812345"}
    for minutes, now in ((-1, 31), (0, 31), (29, 31), (31, 30)):
        fair.clock.moment = CLOSING + now * MINUTE
        body = {**value, "drawn_at": (CLOSING + minutes * MINUTE).isoformat()}
        assert await fair.refused(seed, body) == (409, "beacon-moment"), minutes
    fair.clock.moment = CLOSING + 35 * MINUTE
    await fair.done(seed, {**value, "drawn_at": (CLOSING + 30 * MINUTE).isoformat()})
    (drawn,) = await fair.published("SeedDrawn")
    assert drawn.body["seed"] == typed["seed"]
    assert "drand quicknet 2812345, 2023-03-13T10:30:00+00:00" in drawn.body["source"]
    page = await page_of(fair, bazaar_id)
    assert page["due_at"] == "2023-03-13T10:30:00Z"


async def test_where_a_ceremony_was_announced_nobody_types_a_seed_in(fair: Fair) -> None:
    bazaar_id = await begun(fair)
    typed = {"seed": "1", "source": "Undian"}
    assert await fair.refused(f"/v1/bazaars/{bazaar_id}/seed", typed) == (409, "seed-drawn-otherwise")
    await commit(fair, bazaar_id, 1, 2, 3)
    await fair.done(f"/v1/bazaars/{bazaar_id}/ceremony/close")
    await reveal(fair, bazaar_id, 1, 2, 3)
    assert await fair.refused(f"/v1/bazaars/{bazaar_id}/seed", typed) == (409, "wrong-moment")
