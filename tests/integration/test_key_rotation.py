"""`lapak rotate-keys`: a key comes, everything is sealed with it, and the old one can go."""

import asyncio
import base64
import json
import os
import sys
from uuid import UUID

import pytest

from services.bazaar.keys import COLUMNS as COLUMNS_OF_BAZAARS
from services.training.app import create as create_training
from services.training.keys import COLUMNS as COLUMNS_OF_TRAINING
from services.vendor.app import create
from services.vendor.keys import COLUMNS, check_index_key
from shared.auth import LocalIssuer
from shared.crypto import Sealer, UnknownKey
from shared.db import open_database
from shared.service import Platform, StartRefused
from tests.conftest import SECRET_KEYS, FreshDatabase, MakeDatabase, Serve, StandingClock
from tests.integration import test_training_doors as training
from tests.integration.bazaar import KARANG_ANYAR, open_fair
from tests.integration.training import School
from tests.integration.vendor import Registry, nik, ok, person

NEW = base64.b64encode(bytes(range(100, 132))).decode()
BOTH = {"new": NEW, **SECRET_KEYS}
ONLY_NEW = {"new": NEW}
ONLY_OLD = SECRET_KEYS


async def rotate(dsn: str, keys: dict[str, str], *more: str, service: str = "vendor") -> tuple[int, str]:
    """Run the command; its exit code and what it said."""
    env = {**os.environ, "LAPAK_DATABASE": dsn, "LAPAK_SECRET_KEYS": json.dumps(keys), "COLUMNS": "200"}
    command = [sys.executable, "-m", "services.cli", "rotate-keys", service, *more]
    pipe, merged = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=pipe, stderr=merged)
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


def with_keys(registry: Registry, serve: Serve, keys: dict[str, str]) -> tuple[Registry, Platform]:
    """The same database behind a service with other keys."""
    client = serve(create, FreshDatabase(registry.dsn, registry.database))
    state = client._transport.app.state  # type: ignore[attr-defined]  # the app behind the client
    state.platform = Platform("vendor", state.platform.settings, registry.database, registry.clock, Sealer(keys))
    other = Registry(registry.dsn, registry.database, client, registry.issuer, registry.clock, Sealer(keys))
    return other, state.platform


async def test_the_old_key_can_go_after_sealing_and_indexing_anew(registry: Registry, serve: Serve) -> None:
    first = await registry.register(1)
    both, platform = with_keys(registry, serve, BOTH)
    await check_index_key(platform)
    second = await both.register(2)
    code, said = await rotate(registry.dsn, BOTH)
    assert code == 0, said
    assert "test still makes the blind indexes" in said
    await check_index_key(platform)  # sealing anew changes no index
    code, said = await rotate(registry.dsn, BOTH, "--reindex")
    assert code == 0, said
    only_new, platform = with_keys(registry, serve, ONLY_NEW)
    await check_index_key(platform)
    for vendor_id, number in ((first, 1), (second, 2)):
        assert ok(await only_new.get(f"/v1/vendors/{vendor_id}"))["nik"][-2:] == nik(number)[-2:]
        assert ok(await only_new.post("/v1/vendors", person(number)), 409)["code"] == "already-registered"


async def test_a_service_with_the_wrong_keys_does_not_start(registry: Registry, serve: Serve) -> None:
    await check_index_key(with_keys(registry, serve, ONLY_OLD)[1])
    await check_index_key(with_keys(registry, serve, BOTH)[1])
    with pytest.raises(StartRefused, match="last key"):
        await check_index_key(with_keys(registry, serve, ONLY_NEW)[1])


async def test_indexes_are_not_made_anew_under_a_running_service(registry: Registry, serve: Serve) -> None:
    await registry.register(1)
    await check_index_key(with_keys(registry, serve, BOTH)[1])
    running = await open_database(registry.dsn, size=1, name="lapak-vendor")
    try:
        before = await registry.value("SELECT nik_index FROM vendor")
        code, said = await rotate(registry.dsn, BOTH, "--reindex")
    finally:
        await running.pool.close()
    assert code == 1
    assert "stop every instance" in said
    assert await registry.value("SELECT nik_index FROM vendor") == before


async def test_nothing_is_sealed_with_a_key_that_the_running_service_lacks(registry: Registry, serve: Serve) -> None:
    await registry.register(1)
    before = await registry.value("SELECT nik_sealed FROM vendor")
    await check_index_key(with_keys(registry, serve, ONLY_OLD)[1])
    running = await open_database(registry.dsn, size=1, name="lapak-vendor")
    try:
        code, said = await rotate(registry.dsn, BOTH)
        assert code == 1
        assert "started without the key new" in said
        assert await registry.value("SELECT nik_sealed FROM vendor") == before
        await check_index_key(with_keys(registry, serve, BOTH)[1])
        assert (await rotate(registry.dsn, BOTH))[0] == 0
    finally:
        await running.pool.close()
    assert await registry.value("SELECT nik_sealed FROM vendor") != before


async def test_a_key_that_is_missing_is_named_and_nothing_is_lost(registry: Registry) -> None:
    await registry.register(1)
    before = await registry.value("SELECT nik_sealed FROM vendor")
    code, said = await rotate(registry.dsn, ONLY_NEW)
    assert code == 1
    assert "'test'" in said
    assert await registry.value("SELECT nik_sealed FROM vendor") == before


@pytest.mark.parametrize(
    ("arguments", "keys", "expected"),
    [
        (["--reindex"], {"k": "c2hvcnQ="}, "has 5 bytes"),
        ([], {}, "names no key"),
    ],
)
async def test_bad_keys_are_refused_without_showing_them(
    registry: Registry, arguments: list[str], keys: dict[str, str], expected: str
) -> None:
    code, said = await rotate(registry.dsn, keys, *arguments)
    assert code == 2
    assert expected in said
    assert "c2hvcnQ=" not in said


async def test_every_sealed_column_of_the_registry_is_rotated(registry: Registry) -> None:
    async with registry.database.read() as conn:
        rows = await conn.fetch(
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND data_type = 'bytea' AND column_name LIKE '%sealed'"
        )
    assert {("vendor", "nik_sealed")} <= {tuple(row) for row in rows}
    for table, column in rows:
        assert any(f"FROM {table} " in one.select and column in one.select for one in COLUMNS), f"{table}.{column}"


async def test_what_bazaars_keep_sealed_is_rotated_every_column_of_it(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> None:
    fresh: list[FreshDatabase] = []

    async def make(service: str) -> FreshDatabase:
        fresh.append(await make_database(service))
        return fresh[-1]

    fair = await open_fair(make, serve, issuer, clock, sealer)
    async with fair.database.read() as conn:
        rows = await conn.fetch(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
            "AND data_type = 'bytea' AND column_name LIKE '%sealed' AND table_name <> 'dead_letter'"
        )
    assert {("appeal", "text_sealed"), ("appeal", "answer_sealed")} <= {tuple(row) for row in rows}
    for table, column in rows:
        assert any(f"FROM {table} " in one.select and column in one.select for one in COLUMNS_OF_BAZAARS), column

    wish = {
        "kelurahan": KARANG_ANYAR,
        "days": ["2023-05-01"],
        "booths": 10,
        "venue": "Lapangan",
        "venue_type": "field",
        "reasons": ["demand"],
        "why": "Lapangan RW 03 kosong.",
    }
    await fair.done("/v1/requests", wish, token=fair.officer(KARANG_ANYAR))
    await fair.done("/v1/tickets/keys", token=fair.operator())
    sealed = "SELECT request_id, why_sealed FROM bazaar_request"
    code, said = await rotate(fresh[0].dsn, BOTH, service="bazaar")
    assert (code, "test may go" in said) == (0, True), said
    async with fair.database.read() as conn:
        row = await conn.fetchrow(sealed)
    assert row is not None
    assert Sealer(ONLY_NEW).open(row["why_sealed"], row["request_id"].bytes) == b"Lapangan RW 03 kosong."
    with pytest.raises(UnknownKey):
        Sealer(ONLY_OLD).open(row["why_sealed"], row["request_id"].bytes)


OPEN_IN_TRAINING = {
    ("ticket_key", "public"),
    ("credential_key", "public"),
    ("certificate", "face_sha256"),
    ("matching", "problem"),
    ("matching", "result"),
    ("capital_referral", "packet"),
}
"""What stands there as bytes and names nobody: keys for everybody, digests, documents in which people bear numbers."""
OF_MECHANISMS = {"outbox", "dead_letter", "parked_key", "idempotency_key"}


async def test_what_training_keeps_sealed_is_rotated_every_column_of_it(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> None:
    fresh = await make_database("training")
    client = serve(create_training, fresh)
    school = School(fresh.database, client, issuer, clock, sealer)
    world = training.World(client=client, issuer=issuer, school=school, clock=clock)
    async with fresh.database.read() as conn:
        rows = await conn.fetch(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
            "AND data_type = 'bytea' AND table_name <> ALL($1::text[])",
            list(OF_MECHANISMS),
        )
    sealed = {tuple(row) for row in rows} - OPEN_IN_TRAINING
    for table, column in sealed:
        assert any(f"FROM {table} " in one.select and column in one.select for one in COLUMNS_OF_TRAINING), table
    assert len(sealed) == len(COLUMNS_OF_TRAINING)

    await training.a_provider(world)
    await training.certified(world)
    await training.placed(world)
    case = await training.helped(world)
    entry = {**training.COMES_ON, "note": "Lain."}
    ok(await school.post(f"/v1/visits/{case['visit_id']}/correct", entry))
    objection = await training.objected(world)
    path = f"/v1/graduation/candidacies/{objection['candidacy_id']}/appeal/decide"
    ok(await school.post(path, {"upheld": False, "answer": "Tetap, seperti semula."}))
    code, said = await rotate(fresh.dsn, BOTH, service="training")
    assert (code, "test may go" in said) == (0, True), said
    async with fresh.database.read() as conn:
        values = {one.name: await conn.fetch(one.select, UUID(int=0), 99) for one in COLUMNS_OF_TRAINING}
    assert all(values.values()), {name for name, found in values.items() if not found}
    assert {Sealer(ONLY_NEW).key_id(row["sealed"]) for found in values.values() for row in found} == {"new"}
    only_new = Sealer(ONLY_NEW)
    texts = {name: [only_new.open(row["sealed"], row["id"].bytes) for row in found] for name, found in values.items()}
    assert training.WORDS.encode() in texts["notes of cases"]
