"""Finding registrations of one person on a real database, and the queue that officers decide from."""

import asyncio
import base64
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.vendor.app import create
from services.vendor.handlers.duplicates import PAIRS_AT_ONCE, PAUSE, TIMER, walk, walk_by_timer
from services.vendor.store import duplicates as store
from services.vendor.store import merging, vendors
from shared.crypto import Sealer
from shared.db import Connection
from shared.timers import run_due
from tests.integration.backbone import until
from tests.integration.vendor import (
    KARANG_ANYAR,
    PENJARINGAN,
    Registry,
    at_once,
    ok,
)


def siti(number: int, **more: str | None) -> dict[str, str | None]:
    """Somebody called Siti Aminah, with a street and a phone of her own, born as person `number` is."""
    return {"name": "Siti Aminah", "street": f"Jalan Contoh {number}", "phone": f"0813{number:08d}", **more}


async def undisturbed(registry: Registry) -> None:
    """Wait for transactions of other databases (the next test's is being made): the walk leaves alone what is younger
    than the oldest transaction of the whole server."""

    async def alone() -> bool:
        sql = (
            "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname <> current_database() "
            "AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL))"
        )
        return bool(await registry.value(sql))

    await until(alone)


async def walked(registry: Registry, *, size: int = 200) -> int:
    """Walk until everybody was compared; in how many stretches."""
    await undisturbed(registry)
    stretches = 0
    while True:
        async with registry.database.transaction() as conn:
            if not await walk(conn, sealer=registry.sealer, now=registry.clock.now(), size=size):
                return stretches
        stretches += 1


async def pairs(registry: Registry, *, state: str = "open", token: str | None = None, **params: Any) -> list[Any]:
    """The queue."""
    items: list[Any] = ok(await registry.get("/v1/duplicates", token=token, state=state, **params))["items"]
    return items


async def couple(registry: Registry, start: int = 1, **more: str) -> tuple[UUID, UUID]:
    """Two registrations of one person: same name, same phone, same date of birth."""
    one = await registry.register(start, **siti(start, **more))
    other = await registry.register(start + 1, **siti(start, **more, email=f"lain{start}@contoh.id"))
    return one, other


# ---- the walk


class Watching(Sealer):
    """Notes at each pair that is found how many turns others had by then."""

    def __init__(self, turns: Callable[[], int]) -> None:
        super().__init__({"test": base64.b64encode(bytes(32)).decode()})
        self.turns = turns
        self.seen: Counter[int] = Counter()

    def blind_index(self, text: str) -> bytes:
        self.seen[self.turns()] += 1
        return super().blind_index(text)


async def test_who_asks_meanwhile_does_not_wait_until_thousands_of_pairs_are_compared(registry: Registry) -> None:
    for number in range(22):
        await registry.register(number, **siti(1, phone=f"0813{number:08d}"))
    await undisturbed(registry)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    watching, asking = Watching(lambda: turns), asyncio.create_task(others())
    async with registry.database.transaction() as conn:
        assert await walk(conn, sealer=watching, now=registry.clock.now())
    asking.cancel()
    assert watching.seen.total() == 22 * 21 / 2
    assert max(watching.seen.values()) <= PAIRS_AT_ONCE


async def test_registrations_of_one_person_are_found_once_with_the_evidence(registry: Registry) -> None:
    one = await registry.register(1, **siti(1))
    other = await registry.register(2, **siti(1, name="Hj. Aminah Siti", street="Jl. Contoh No. 1"))
    await registry.register(3)
    assert await pairs(registry) == []
    assert await walked(registry) == 1
    (pair,) = await pairs(registry)
    assert [vendor["vendor_id"] for vendor in pair["vendors"]] == [str(one), str(other)]
    assert (pair["score"], pair["state"], pair["reason"]) == (100, "open", None)
    assert [(part["fact"], part["finding"], part["points"]) for part in pair["evidence"]] == [
        ("name", "same", 25),
        ("phone", "same", 25),
        ("birth", "same", 25),
        ("address", "same-street", 25),
    ]
    assert await walked(registry) == 0
    assert await registry.value("SELECT count(*) FROM duplicate") == 1


@pytest.mark.parametrize(
    "common",
    [
        {"phone": "081300000001"},
        {"nik": "3171024107900099"},
        {"kelurahan": KARANG_ANYAR, "rw": "003", "rt": "007", "street": "Jl Contoh 1"},
    ],
)
async def test_phone_birth_and_address_each_lead_to_somebody_of_the_same_name(
    registry: Registry, common: dict[str, str]
) -> None:
    token = registry.officer("31")
    await registry.register(1, token=token, **siti(1), nik="3171024107900001")
    elsewhere = {"kelurahan": PENJARINGAN, "rw": "009", "nik": "3171025512710001"}
    await registry.register(2, token=token, **{**siti(2), **elsewhere, **common})
    await walked(registry)
    assert len(await pairs(registry, token=token)) == 1


async def test_twins_and_families_are_not_in_the_queue(registry: Registry) -> None:
    house = siti(1)
    await registry.register(1, **house)
    await registry.register(2, **{**house, "name": "Siti Aisyah"})
    await registry.register(3, **{**house, "name": "Budi Santoso"})
    await walked(registry)
    assert await registry.value("SELECT count(*) FROM duplicate") == 0


async def test_stretches_add_up_to_the_same_pairs_and_an_aborted_one_is_walked_again(registry: Registry) -> None:
    for number in range(1, 6):
        await registry.register(number, **siti(1, name=f"Siti Aminah {'Nur ' * (number % 2)}"))

    async def cut_off() -> None:
        async with registry.database.transaction() as conn:
            assert await walk(conn, sealer=registry.sealer, now=registry.clock.now(), size=2)
            raise RuntimeError

    await undisturbed(registry)
    with pytest.raises(RuntimeError):
        await cut_off()
    assert await registry.value("SELECT count(*) FROM duplicate") == 0
    assert await walked(registry, size=2) == 3
    assert await registry.value("SELECT count(*) FROM duplicate") == 10
    assert await registry.value("SELECT count(DISTINCT (one, other)) FROM duplicate WHERE one < other") == 10


async def test_one_who_registers_slowly_is_not_passed_by(registry: Registry) -> None:
    """The walk's place is a transaction, and ids and commits come in another order."""
    async with registry.database.transaction() as slow:
        await slow.execute("SELECT pg_current_xact_id()")
        one, other = await couple(registry)
        assert await walked(registry) == 0
        await slow.execute("UPDATE vendor SET street = 'Jalan Lain' WHERE vendor_id = $1", one)
    await walked(registry)
    assert len(await pairs(registry)) == 1
    assert other


async def test_a_walk_over_a_restored_database_begins_where_its_transactions_do(registry: Registry) -> None:
    async with registry.database.transaction() as conn:
        await conn.execute("UPDATE duplicate_walk SET facts_xid = 9000000000000000000")
    await couple(registry)
    await walked(registry)
    assert len(await pairs(registry)) == 1
    assert await registry.value("SELECT facts_xid < 9000000000000000000 FROM duplicate_walk")
    one = await registry.register(7, **siti(1))
    await walked(registry)
    assert await registry.value("SELECT count(*) FROM duplicate WHERE other = $1", one) == 2


async def test_only_a_fact_that_people_are_compared_by_sets_the_walk_going(registry: Registry) -> None:
    one, _ = await couple(registry)
    await walked(registry)
    await registry.post(f"/v1/vendors/{one}/category", {"category": "health"})
    assert await walked(registry) == 0
    async with registry.database.transaction() as conn:
        await conn.execute("UPDATE vendor SET rt = '009' WHERE vendor_id = $1", one)
    assert await walked(registry) == 1


async def test_a_pair_that_is_alike_no_longer_leaves_the_queue(registry: Registry) -> None:
    one, _ = await couple(registry)
    await walked(registry)
    async with registry.database.transaction() as conn:
        await conn.execute("UPDATE vendor SET name = 'Budi Santoso' WHERE vendor_id = $1", one)
    await walked(registry)
    assert await registry.value("SELECT count(*) FROM duplicate") == 0


@pytest.mark.parametrize(("sharing", "found"), [(store.SHARED_PHONE_MAX, True), (store.SHARED_PHONE_MAX + 1, False)])
async def test_a_phone_that_very_many_share_tells_nothing(registry: Registry, sharing: int, found: bool) -> None:
    """People of one phone, otherwise strangers; the last has the name of the first."""
    async with registry.database.transaction() as conn:
        await add_strangers(conn, sharing)
        await conn.execute("UPDATE vendor SET phone = '+628110000000'")
        await conn.execute(
            "UPDATE vendor SET name = 'Siti Nur Aminah' WHERE rt IN ('001', lpad($1::text, 3, '0'))", str(sharing)
        )
    await walked(registry)
    assert await registry.value("SELECT count(*) FROM duplicate") == int(found)


async def test_two_walks_at_once_find_each_pair_once(registry: Registry) -> None:
    for start in range(1, 12, 2):
        await couple(registry, start)
    await asyncio.gather(*(walked(registry, size=3) for _ in range(3)))
    assert await registry.value("SELECT count(*) FROM duplicate WHERE score = 100") == 6


async def test_the_timer_walks_on_at_once_while_there_are_more_and_then_pauses(registry: Registry) -> None:
    await couple(registry)
    timers = {TIMER: walk_by_timer(registry.sealer)}
    now = registry.clock.now()
    await undisturbed(registry)
    assert await run_due(registry.database, timers, now)
    assert await registry.value("SELECT due_at FROM timer WHERE kind = $1", TIMER) == now
    assert await run_due(registry.database, timers, now)
    assert await registry.value("SELECT due_at FROM timer WHERE kind = $1", TIMER) == now + PAUSE
    assert not await run_due(registry.database, timers, now)
    assert len(await pairs(registry)) == 1
    assert TIMER in create()._timers


async def add_strangers(conn: Connection, count: int) -> None:
    """People of whom no two have a name, phone, date of birth or RT in common."""
    await conn.execute(
        """
        INSERT INTO vendor (vendor_id, version, card_version, nik_index, nik_sealed, name, phone, street, kelurahan,
                            rw, rt, kind, language, origin, registered_on, registered_at, born_on)
        SELECT gen_random_uuid(), 1, 1, sha256(n::text::bytea), '\\x00', 'Nama' || md5(n::text), '+62812' || n, '',
               '31.71.02.1002', lpad((n / 999 + 1)::text, 3, '0'), lpad((n % 999)::text, 3, '0'), 'pemula', 'id',
               'file', '2023-03-01', now(), date '1960-01-01' + n
        FROM generate_series(1, $1) AS n
        """,
        count,
    )


async def test_candidates_families_and_holders_are_found_by_indexes_alone(registry: Registry) -> None:
    async with registry.database.transaction() as conn:
        await add_strangers(conn, 20_000)
        some = [row["vendor_id"] for row in await conn.fetch("SELECT vendor_id FROM vendor LIMIT 200")]
    async with registry.database.read() as conn:
        await conn.execute("ANALYZE vendor")
        asked = (
            (store.FIND_CANDIDATES, (some, store.SHARED_PHONE_MAX, store.BLOCK_MAX)),
            (store.FIND_STRETCH, (0, UUID(int=0), 200)),
            (merging.FIND_FAMILY, (some[0],)),
            (vendors.LOCK_VENDOR, (some[0],)),
            (vendors.FIND_LEADS, (some[:5],)),
        )
        plans = [
            "\n".join(row[0] for row in await conn.fetch(f"EXPLAIN (ANALYZE, COSTS OFF) {sql}", *arguments))
            for sql, arguments in asked
        ]
    assert all("Seq Scan" not in plan for plan in plans), plans
    assert [name in plans[0] for name in ("vendor_by_phone", "vendor_by_birth", "vendor_of_area")] == [True] * 3
    assert "vendor_to_compare" in plans[1]
    assert all("vendor_merged" in plan for plan in plans[2:4])


# ---- the queue


async def test_the_queue_masks_phones_and_names_no_nik(registry: Registry) -> None:
    await couple(registry)
    await walked(registry)
    answer = await registry.get("/v1/duplicates")
    assert "+62813*****001" in answer.text
    assert not any(value in answer.text for value in ("81300000001", "@contoh.id", "317102"))
    (pair,) = answer.json()["items"]
    detail = await registry.get(f"/v1/duplicates/{pair['duplicate_id']}")
    assert "81300000001" not in detail.text
    assert [vendor["email"] for vendor in ok(detail)["vendors"]] == ["o***@contoh.id", "l***@contoh.id"]
    text = (await registry.everything())["duplicate"]
    assert not any(value in text for value in ("Siti", "81300000001", "Contoh", "1990"))


async def test_the_likeliest_come_first_page_by_page(registry: Registry) -> None:
    await couple(registry, 1)
    await couple(registry, 3, rt="008")
    one = await registry.register(5, name="Joko Susilo", phone="081311111111", rw="001")
    await registry.register(6, name="Joko Susilo", phone="081311111111", rw="002")
    await registry.register(7, name="Maria Ulfah", phone="081322222222", rw="011")
    await registry.register(8, name="Maria Ulfa", phone="081322222222", rw="012")
    await walked(registry)
    everything = await pairs(registry)
    scores = [pair["score"] for pair in everything]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) < len(scores)
    found, after = [], None
    while True:
        page = ok(await registry.get("/v1/duplicates", limit=2, **({"after": after} if after else {})))
        found += page["items"]
        after = page["next"]
        if after is None:
            break
    assert found == everything
    least = scores[1]
    assert [pair["score"] for pair in await pairs(registry, score_min=least)] == [s for s in scores if s >= least]
    assert one


async def test_a_pair_is_seen_by_officers_whose_area_holds_both(registry: Registry) -> None:
    province = registry.officer("31")
    await registry.register(1, token=province, **siti(1))
    await registry.register(2, token=province, **siti(1), kelurahan=PENJARINGAN)
    await walked(registry)
    (pair,) = await pairs(registry, token=province)
    path = f"/v1/duplicates/{pair['duplicate_id']}"
    for area in ("31.71", "31.72"):
        token = registry.officer(area)
        assert await pairs(registry, token=token) == []
        assert ok(await registry.get(path, token=token), 404)["code"] == "duplicate-unknown"
        answer = await registry.post(f"{path}/dismiss", {"reason": "twins"}, token=token)
        assert ok(answer, 404)["code"] == "duplicate-unknown"
        assert ok(await registry.post(f"{path}/reopen", token=token), 404)["code"] == "duplicate-unknown"
    assert ok(await registry.get(path, token=province))["score"] == pair["score"]
    for role in ("vendor", "service", "operator"):
        assert (await registry.get("/v1/duplicates", token=registry.of(role))).status_code == 403
        assert (await registry.get(path, token=registry.of(role))).status_code == 403


async def test_a_pair_side_by_side_says_what_a_merge_would_keep(registry: Registry) -> None:
    one = await registry.register(1, **siti(1, email="", category=None))
    other = await registry.register(2, **siti(1, name="Siti Aminah Nur", kind="usaha", category="health"))
    await walked(registry)
    (pair,) = await pairs(registry)
    shown = ok(await registry.get(f"/v1/duplicates/{pair['duplicate_id']}"))
    assert [vendor["vendor_id"] for vendor in shown["vendors"]] == [str(one), str(other)]
    assert shown["proposal"] == {
        "survivor": str(one),
        "retired": str(other),
        "fields": {
            "name": "survivor",
            "phone": "same",
            "email": "retired",
            "language": "same",
            "address": "same",
            "kind": "retired",
            "category": "retired",
            "agency": "same",
        },
    }


@pytest.mark.parametrize(
    "params",
    [
        {"after": "WzEwMCwiMCJd"},
        {"after": "Wzk5OTk5OTk5OTk5LCIwMTkwYTAwMC0xYTlhLTcwMDAtODAwMC0wMDAwMDAwMDAwMDAiXQ"},
        {"score_min": 101},
        {"score_min": -1},
        {"state": "x"},
        {"limit": 0},
    ],
)
async def test_what_is_out_of_bounds_is_refused(registry: Registry, params: dict[str, Any]) -> None:
    assert (await registry.get("/v1/duplicates", **params)).status_code == 422


# ---- decisions


async def test_a_dismissed_pair_stays_so_until_a_fact_of_one_changes(registry: Registry) -> None:
    one, _ = await couple(registry)
    await walked(registry)
    (pair,) = await pairs(registry)
    answer = ok(await registry.post(f"/v1/duplicates/{pair['duplicate_id']}/dismiss", {"reason": "twins"}))
    assert answer == {"duplicate_id": pair["duplicate_id"], "state": "dismissed", "reason": "twins"}
    assert await pairs(registry) == []
    async with registry.database.transaction() as conn:
        await conn.execute("UPDATE vendor SET street = 'Jalan Lain' WHERE vendor_id = $1", one)
        await conn.execute("UPDATE vendor SET street = 'Jalan Contoh 1' WHERE vendor_id = $1", one)
    assert await walked(registry) == 1  # looked at again, and all is as it was
    assert [found["reason"] for found in await pairs(registry, state="dismissed")] == ["twins"]
    async with registry.database.transaction() as conn:
        await conn.execute("UPDATE vendor SET street = 'Jalan Lain' WHERE vendor_id = $1", one)
    await walked(registry)
    (again,) = await pairs(registry)
    assert (again["duplicate_id"], again["state"], again["reason"]) == (pair["duplicate_id"], "open", None)


async def test_a_dismissed_pair_is_reopened_and_all_is_noted(registry: Registry) -> None:
    one, other = await couple(registry)
    await walked(registry)
    (pair,) = await pairs(registry)
    path = f"/v1/duplicates/{pair['duplicate_id']}"
    assert ok(await registry.post(f"{path}/reopen"), 409)["code"] == "duplicate-settled"
    ok(await registry.post(f"{path}/dismiss", {"reason": "same-household"}))
    assert ok(await registry.post(f"{path}/dismiss", {"reason": "twins"}), 409)["code"] == "duplicate-settled"
    assert ok(await registry.post(f"{path}/reopen"))["state"] == "open"
    assert len(await pairs(registry)) == 1
    async with registry.database.read() as conn:
        entries = [tuple(row) for row in await conn.fetch("SELECT act, vendor_id, detail FROM audit_log ORDER BY seq")]
    noted = {"duplicate_id": pair["duplicate_id"], "other": str(other)}
    assert entries == [
        ("duplicate-dismissed", one, {**noted, "reason": "same-household"}),
        ("duplicate-reopened", one, {**noted, "reason": None}),
    ]


@pytest.mark.parametrize("body", [{}, {"reason": "because"}, {"reason": "twins", "text": "x"}, None])
async def test_a_dismissal_needs_a_known_reason(registry: Registry, body: dict[str, Any] | None) -> None:
    assert (await registry.post(f"/v1/duplicates/{uuid4()}/dismiss", body)).status_code == 422


async def test_of_officers_who_dismiss_and_merge_at_once_all_are_told_apart(registry: Registry) -> None:
    await registry.crowd()
    one, other = await couple(registry)
    await walked(registry)
    (pair,) = await pairs(registry)
    path = f"/v1/duplicates/{pair['duplicate_id']}/dismiss"
    answers = await at_once(*(registry.post(path, {"reason": "twins"}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    assert await registry.value("SELECT count(*) FROM audit_log") == 1
    ok(await registry.post(f"/v1/vendors/{one}/merge", {"retired": str(other)}))
    assert [found["state"] for found in await pairs(registry, state="merged")] == ["merged"]


# ---- what a merge does to the queue


async def test_a_merge_settles_the_pair_and_hides_the_retired_ones_other_pairs(registry: Registry) -> None:
    one, other = await couple(registry)
    third = await registry.register(9, **siti(1))
    await walked(registry)
    assert len(await pairs(registry)) == 3
    made = ok(await registry.post(f"/v1/vendors/{one}/merge", {"retired": str(other)}))
    await walked(registry)
    (left,) = await pairs(registry)
    assert {vendor["vendor_id"] for vendor in left["vendors"]} == {str(one), str(third)}
    (merged,) = await pairs(registry, state="merged")
    assert ok(await registry.get(f"/v1/duplicates/{merged['duplicate_id']}"))["proposal"] is None
    ok(await registry.post(f"/v1/merges/{made['merge_id']}/undo", {"reason": "wrong-survivor"}))
    await walked(registry)
    assert len(await pairs(registry)) == 3


async def test_two_people_after_all_do_not_come_back(registry: Registry) -> None:
    one, other = await couple(registry)
    await walked(registry)
    made = ok(await registry.post(f"/v1/vendors/{one}/merge", {"retired": str(other)}))
    ok(await registry.post(f"/v1/merges/{made['merge_id']}/undo", {"reason": "different-people"}))
    await walked(registry)
    assert await pairs(registry) == []
    assert [pair["reason"] for pair in await pairs(registry, state="dismissed")] == ["different-people"]


async def test_what_is_kept_about_a_person_is_collected_and_erased(registry: Registry) -> None:
    one, other = await couple(registry)
    await walked(registry)
    async with registry.database.transaction() as conn:
        (kept,) = (await store.collect_duplicates(conn, [one]))["duplicates"]
        assert (kept["vendor_ids"], kept["score"], kept["state"]) == ([str(one)], 100, "open")
        assert str(other) not in str(kept)
        assert await store.erase_duplicates(conn, [one]) == {"duplicates": 1}
        assert await store.collect_duplicates(conn, [other]) == {"duplicates": []}
