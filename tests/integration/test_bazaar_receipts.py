"""Receipts, pseudonyms and replays on a real database."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

from typer.testing import CliRunner

from services.bazaar.app import create
from services.bazaar.domain.receipts import Receipt, check_against_problem, check_against_result, check_receipt
from services.bazaar.replaying import Replay, replay_round
from services.bazaar.store import ceremonies
from services.bazaar.store import rounds as store
from services.cli import app
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.bazaar import CLOSING, Fair, site

runner = CliRunner()


async def file_of(fair: Fair, bazaar_id: str, name: str) -> bytes:
    response = await fair.client.get(f"/v1/bazaars/{bazaar_id}/rounds/1/{name}")
    assert response.is_success, response.text
    return response.content


async def receipt_of(fair: Fair, application_id: str, token: str | None = None) -> Receipt:
    shown = await fair.shown(f"/v1/applications/{application_id}/receipt", token=token)
    return Receipt.model_validate_json(json.dumps(shown))


async def test_every_applicant_has_a_receipt_that_leads_to_the_published_root(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 4)])
    vendors = await fair.register(11)
    applications = await fair.apply_all(bazaar_id, vendors)
    missing = await fair.get(f"/v1/applications/{applications[0]}/receipt")
    assert (missing.status_code, missing.json()["code"]) == (404, "round-unknown")
    fair.clock.moment = CLOSING
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")

    frozen = await file_of(fair, bazaar_id, "frozen")
    round_ = (await fair.client.get(f"/v1/bazaars/{bazaar_id}/rounds/1")).json()
    (event,) = await fair.published("RoundFrozen")
    assert event.body["applicants_root"] == round_["applicants_root"]
    names = set()
    for application_id, vendor_id in zip(applications, vendors, strict=True):
        receipt = await receipt_of(fair, application_id, fair.vendor(vendor_id))
        assert receipt.applicants_root == round_["applicants_root"]
        assert (check_receipt(receipt), check_against_problem(receipt, frozen), receipt.outcome) == ([], [], None)
        shown = await fair.shown(f"/v1/applications/{application_id}", token=fair.vendor(vendor_id))
        assert receipt.entry["id"] == shown["pseudonym"]
        names.add(receipt.entry["id"])
    assert len(names) == 11

    await fair.done(f"/v1/bazaars/{bazaar_id}/seed", {"seed": "1", "source": "Undian"})
    await fair.done(f"/v1/bazaars/{bazaar_id}/allocate")
    problem, result = await file_of(fair, bazaar_id, "problem"), await file_of(fair, bazaar_id, "result")
    outcomes: list[str] = []
    for application_id in applications:
        receipt = await receipt_of(fair, application_id)
        assert check_against_problem(receipt, problem) == []
        assert check_against_result(receipt, result) == []
        outcomes += receipt.outcome or {}
    assert sorted(outcomes) == ["served"] * 4 + ["waiting"] * 7
    # what became of it later changes nothing of what the round said
    declined = (await fair.published("BoothAssigned"))[0]
    await fair.answer(str(declined.key), "decline")
    for application_id in applications:
        assert check_against_result(await receipt_of(fair, application_id), result) == []
    await fair.assert_sequences_have_no_gap()


async def test_a_receipt_is_for_the_vendor_itself_and_officers(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 1)])
    own, other = await fair.register(2)
    application_id = await fair.apply(bazaar_id, own)
    await fair.allocate(bazaar_id)
    path = f"/v1/applications/{application_id}/receipt"
    assert (await fair.get(path, token=fair.vendor(own))).status_code == 200
    assert (await fair.get(path, token=fair.vendor(other))).status_code == 403
    assert (await fair.get(path, token=fair.officer("31.72"))).status_code == 403
    assert (await fair.client.get(path)).status_code == 401
    assert (await fair.get(f"/v1/applications/{new_id()}/receipt")).status_code == 404


async def test_who_was_left_out_at_the_freeze_has_no_receipt(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 1)])
    (lost,) = await fair.register(1, trained=False)
    class_id = await fair.train(lost)
    application_id = await fair.apply(bazaar_id, lost)
    await fair.untrain(lost, class_id)
    fair.clock.moment = CLOSING
    frozen = await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    assert frozen["applicants_root"] == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert (await fair.get(f"/v1/applications/{application_id}/receipt")).status_code == 404


async def test_nothing_in_the_public_files_is_an_id_that_is_known_elsewhere(fair: Fair) -> None:
    policy = {"rotation": [{"by": "rw", "measure": "turns"}, {"by": "vendor", "measure": "waiting_since"}]}
    bazaar_id = await fair.announce([site("one", 2)], policy=policy)
    vendors = await fair.register(6)
    applications = await fair.apply_all(bazaar_id, vendors)
    await fair.allocate(bazaar_id)
    files = b"".join([await file_of(fair, bazaar_id, name) for name in ("frozen", "problem", "result")])
    for one in (*vendors, *map(UUID, applications)):
        assert str(one).encode() not in files
        assert one.hex.encode() not in files
    # and a booth given back finds the next in rotation all the same, where groups take turns
    offered = (await fair.published("BoothAssigned"))[0]
    await fair.answer(str(offered.key), "decline")
    assert len(await fair.published("BoothAssigned")) == 3


async def test_a_booth_of_a_round_frozen_before_pseudonyms_is_offered_on(fair: Fair) -> None:
    policy = {"rotation": [{"by": "rw", "measure": "turns"}, {"by": "vendor", "measure": "waiting_since"}]}
    bazaar_id = await fair.announce([site("one", 2)], policy=policy)
    applications = await fair.apply_all(bazaar_id, await fair.register(5))
    await fair.allocate(bazaar_id)
    names = await fair.names(applications)
    async with fair.database.transaction() as conn:
        # as such a round lies in the database: ids in its files, and no pseudonym
        for name, application_id in names.items():
            await conn.execute(
                "UPDATE allocation_round SET applicants_root = NULL, applicants_tree = NULL, "
                "problem = convert_to(replace(convert_from(problem, 'UTF8'), $1, $2), 'UTF8')",
                name,
                application_id,
            )
        await conn.execute("UPDATE application SET pseudonym = NULL, entry = NULL, entry_index = NULL, seat = NULL")
    offered = (await fair.published("BoothAssigned"))[0]
    await fair.answer(str(offered.key), "decline")
    assert len(await fair.published("BoothAssigned")) == 3
    missing = await fair.get(f"/v1/applications/{applications[0]}/receipt")
    assert (missing.status_code, missing.json()["code"]) == (404, "round-unknown")


async def test_corrections_of_the_ledger_under_any_id_of_a_person_enter_the_problem(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 1)])
    vendors = await fair.register(2)
    applications = await fair.apply_all(bazaar_id, vendors)
    day = (CLOSING - timedelta(days=10)).date()
    async with fair.database.transaction() as conn:
        await conn.execute(
            "INSERT INTO turn_adjustment (adjustment_id, vendor_id, because, turns, wait_days, from_day, until_day, "
            "made_at) VALUES ($1, $2, 'no-show', 2, 60, $3, $4, now()), ($5, $6, 'appeal', -1, -30, $3, NULL, now())",
            new_id(),
            vendors[0],
            day,
            day + timedelta(days=20),
            new_id(),
            vendors[1],
        )
    fair.clock.moment = CLOSING
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    names = await fair.names(applications)
    said = {
        names[one["id"]]: (one["turns"], one["waiting_since"])
        for one in json.loads(await file_of(fair, bazaar_id, "frozen"))["applicants"]
    }
    # both applied on 1 March: half of the no-show is left, and nobody waits since a day that has not come
    assert said == {applications[0]: (1, "2023-03-13"), applications[1]: (0, "2023-01-30")}


# ---- replays


async def replays(fair: Fair) -> list[Replay]:
    async with fair.database.read() as conn:
        return [
            replay_round(await store.find_round(conn, *key), await ceremonies.find_ceremonies(conn, *key))
            for key in await store.list_rounds(conn, None)
        ]


async def test_a_stored_round_gives_what_was_published_and_every_altered_column_is_found_out(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 2)])
    await fair.apply_all(bazaar_id, await fair.register(5))
    await fair.allocate(bazaar_id)
    (replay,) = await replays(fair)
    assert (replay.findings, replay.decided, replay.applicants) == ([], True, 5)
    kept: dict[str, Any]
    async with fair.database.transaction() as conn:
        kept = dict(await conn.fetchrow("SELECT * FROM allocation_round") or {})
    for column in (
        "frozen",
        "frozen_sha256",
        "seed",
        "problem",
        "problem_sha256",
        "result",
        "result_sha256",
        "applicants",
        "applicants_root",
        "served",
        "waiting",
    ):
        value = kept[column]
        if isinstance(value, bytes):
            altered: Any = value.replace(b'"one"', b'"two"')
        else:
            altered = value + 1 if isinstance(value, int) else ("0" if value[0] != "0" else "1") + value[1:]
        async with fair.database.transaction() as conn:
            await conn.execute(UPDATES[column], altered)
        (replay,) = await replays(fair)
        assert replay.findings, column
        async with fair.database.transaction() as conn:
            await conn.execute(UPDATES[column], value)
    assert (await replays(fair))[0].findings == []


UPDATES = {
    "frozen": "UPDATE allocation_round SET frozen = $1",
    "frozen_sha256": "UPDATE allocation_round SET frozen_sha256 = $1",
    "seed": "UPDATE allocation_round SET seed = $1",
    "problem": "UPDATE allocation_round SET problem = $1",
    "problem_sha256": "UPDATE allocation_round SET problem_sha256 = $1",
    "result": "UPDATE allocation_round SET result = $1",
    "result_sha256": "UPDATE allocation_round SET result_sha256 = $1",
    "applicants": "UPDATE allocation_round SET applicants = $1",
    "applicants_root": "UPDATE allocation_round SET applicants_root = $1",
    "served": "UPDATE allocation_round SET served = $1",
    "waiting": "UPDATE allocation_round SET waiting = $1",
}


async def test_the_command_replays_every_round_and_names_what_was_altered(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> None:
    fresh = await make_database("bazaar")
    fair = Fair(fresh.database, serve(create, fresh), issuer, clock, sealer)
    bazaar_id = await fair.announce([site("one", 1)])
    await fair.apply_all(bazaar_id, await fair.register(2))
    await fair.allocate(bazaar_id)
    command = ["rounds", "replay", "--database", fresh.dsn]
    ran = await asyncio.to_thread(runner.invoke, app, command)
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert "rounds: 1, decided: 1, applicants in all: 2" in ran.stderr
    async with fair.database.transaction() as conn:
        await conn.execute("UPDATE allocation_round SET result = result || '\\x20'::bytea")
    ran = await asyncio.to_thread(runner.invoke, app, [*command, "--bazaar", bazaar_id])
    assert ran.exit_code == 1
    assert "result_sha256: the result was altered" in ran.stdout
    nowhere = ["rounds", "replay", "--database", "postgresql://nobody@127.0.0.1:1/none"]
    assert (await asyncio.to_thread(runner.invoke, app, nowhere)).exit_code == 2
