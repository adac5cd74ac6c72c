"""Registering over HTTP on a real database: who may, what is kept, what leaves, and twenty who want one NIK."""

import asyncio
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidTag

from services.vendor.domain import registration as domain
from services.vendor.domain.registration import AlreadyRegistered, Codes, Outcome, Registered, Registration
from services.vendor.handlers import registration as handlers
from services.vendor.store import vendors as store
from services.vendor.store.vendors import NewVendor
from shared.ids import new_id
from tests.conftest import StandingClock
from tests.integration.vendor import (
    KARANG_ANYAR,
    PENJARINGAN,
    Registry,
    at_once,
    nik,
    ok,
    person,
)

# ---- who registers whom


async def test_a_person_registers_itself_with_identity_and_contact_only(registry: Registry) -> None:
    body = {"nik": nik(1), "name": "Siti", "phone": "62812-3456-789", "kelurahan": KARANG_ANYAR, "rw": "3", "rt": "7"}
    answer = ok(await registry.post("/v1/vendors", body, token=registry.newcomer()), 201)
    assert answer["warnings"] == []
    registered, card = await registry.published()
    assert registered == (
        "lapak.vendor.events.v1",
        "VendorRegistered",
        answer["vendor_id"],
        1,
        {
            "vendor_id": answer["vendor_id"],
            "kind": "pemula",
            "kelurahan": KARANG_ANYAR,
            "rw": "003",
            "rt": "007",
            "category": None,
            "agency": None,
            "origin": "self",
            "registered_on": "2023-03-01",
        },
    )
    assert card == (
        "lapak.vendor.contact.v1",
        "ContactCard",
        answer["vendor_id"],
        1,
        {"vendor_id": answer["vendor_id"], "name": "Siti", "phone": "+628123456789", "email": None, "language": "id"},
    )


@pytest.mark.parametrize(("role", "area", "origin"), [("officer", "31.71", "officer"), ("service", None, "service")])
async def test_the_origin_is_kept(registry: Registry, role: str, area: str | None, origin: str) -> None:
    await registry.register(1, token=registry.of(role, area))
    assert await registry.value("SELECT origin FROM vendor") == origin


async def test_the_day_is_jakartas(registry: Registry, clock: StandingClock) -> None:
    clock.advance(hours=15, minutes=1)  # 00.01 of the next day in Jakarta, still the same day in UTC
    await registry.register(1)
    assert [event.body["registered_on"] for event in await registry.published("VendorRegistered")] == ["2023-03-02"]


async def test_an_officer_registers_in_its_area_only(registry: Registry) -> None:
    refused = await registry.post("/v1/vendors", person(1, kelurahan=PENJARINGAN))
    assert ok(refused, 403)["code"] == "outside-area"
    assert (await registry.vendors(), await registry.published()) == (0, [])
    await registry.register(1, token=registry.officer("31.72"), kelurahan=PENJARINGAN)


async def test_a_registered_vendor_cannot_register_somebody_else(registry: Registry) -> None:
    refused = await registry.post("/v1/vendors", person(1), token=registry.vendor(uuid4()))
    assert ok(refused, 403)["code"] == "forbidden"
    assert await registry.vendors() == 0


@pytest.mark.parametrize("role", ["operator", "nobody"])
async def test_other_roles_register_nobody(registry: Registry, role: str) -> None:
    assert ok(await registry.post("/v1/vendors", person(1), token=registry.of(role)), 403)["code"] == "role-missing"
    assert await registry.vendors() == 0


async def test_an_officer_without_an_area_may_do_nothing(registry: Registry) -> None:
    token = registry.of("officer")
    assert (await registry.post("/v1/vendors", person(1), token=token)).status_code == 403
    assert (await registry.get("/v1/vendors", token=token)).status_code == 403
    assert await registry.vendors() == 0


# ---- what is refused


async def test_every_bad_field_is_named_without_its_value(registry: Registry) -> None:
    answer = await registry.post("/v1/vendors", person(1, nik="31710245079", phone="0812", rw="0", category="mobil"))
    problem = ok(answer, 422)
    assert problem["code"] == "registration-invalid"
    errors = problem.get("errors") or problem["details"]["errors"]
    assert [error["field"] for error in errors] == ["nik", "phone", "rw", "category"]
    assert "fashion-craft, food-drink, health, meals-household" in errors[3]["fix"]
    assert "31710245079" not in answer.text
    assert await registry.vendors() == 0


async def test_the_six_agencies_and_four_categories_are_known(registry: Registry) -> None:
    agencies = ("ppkukm", "ppapp", "kpkp", "sosial", "parekraf", "nakertransgi")
    categories = ("food-drink", "fashion-craft", "meals-household", "health")
    for number, agency in enumerate(agencies):
        await registry.register(number, agency=agency, category=categories[number % 4])
    assert await registry.value("SELECT count(DISTINCT agency) FROM vendor") == 6
    assert await registry.value("SELECT count(*) FROM agency") == 6
    assert await registry.value("SELECT count(*) FROM category") == 4


async def test_an_odd_nik_and_a_trap_of_names_are_warned_of(registry: Registry) -> None:
    body = person(1, nik="3171023102900001", kelurahan="31.73.06.1004")
    answer = ok(await registry.post("/v1/vendors", body, token=registry.officer("31")), 201)
    assert [warning["code"] for warning in answer["warnings"]] == ["nik-date-odd", "area-name-trap"]
    assert await registry.vendors() == 1


async def test_a_field_we_do_not_know_is_refused_not_dropped(registry: Registry) -> None:
    answer = await registry.post("/v1/vendors", {**person(1), "catgory": "health"})
    assert [error["field"] for error in ok(answer, 422)["errors"]] == ["catgory"]


async def test_text_that_no_database_takes_is_refused_as_a_field(registry: Registry) -> None:
    answer = await registry.post("/v1/vendors", person(1, name="Si\x00ti", street="\x00"))
    assert ok(answer, 422)["code"] == "registration-invalid"


# ---- one NIK, one vendor


async def test_the_same_nik_twice_is_refused_however_it_is_written(registry: Registry) -> None:
    await registry.register(1)
    spaced = f"{nik(1)[:6]} {nik(1)[6:]}"
    again = await registry.post("/v1/vendors", person(1, nik=spaced), token=registry.newcomer())
    assert ok(again, 409)["code"] == "already-registered"
    assert await registry.vendors() == 1
    assert len(await registry.published()) == 2


@pytest.mark.parametrize(
    ("role", "area", "named"),
    [("officer", "31.71", True), ("officer", "31", True), ("officer", "31.72", False), ("service", None, False),
     ("vendor", None, False)],
)  # fmt: skip
async def test_who_holds_a_nik_is_named_to_the_officer_of_its_area_only(
    registry: Registry, role: str, area: str | None, named: bool
) -> None:
    vendor_id = await registry.register(1)
    body = person(1, kelurahan=PENJARINGAN if area == "31.72" else KARANG_ANYAR)
    answer = await registry.post("/v1/vendors", body, token=registry.of(role, area))
    assert ok(answer, 409)["code"] == "already-registered"
    assert (str(vendor_id) in answer.text) is named


async def test_of_twenty_at_once_with_one_nik_exactly_one_is_registered(registry: Registry) -> None:
    await registry.crowd()
    for round_ in range(5):
        answers = await at_once(
            *(registry.post("/v1/vendors", person(round_), token=registry.newcomer()) for _ in range(20))
        )
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
        assert {a.json()["code"] for a in answers if a.status_code == 409} == {"already-registered"}
        assert await registry.vendors() == round_ + 1
    assert len(await registry.published("VendorRegistered")) == 5
    assert len(await registry.published("ContactCard")) == 5


async def test_who_waits_for_a_registration_that_is_undone_gets_in(registry: Registry) -> None:
    async with registry.database.pool.acquire() as conn:
        undone = conn.transaction()
        await undone.start()
        await register(registry, conn, [wish(1)])
        waiting = asyncio.create_task(registry.post("/v1/vendors", person(1)))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await undone.rollback()
    assert (await waiting).status_code == 201
    assert await registry.vendors() == 1


def wish(number: int) -> Registration:
    return Registration(nik(number), f"Orang {number}", f"0812{number:08d}", KARANG_ANYAR, "3", "7")


async def register(registry: Registry, conn: object, wishes: list[Registration]) -> list[Outcome]:
    return await handlers.register_vendors(
        conn,  # type: ignore[arg-type]  # a pool's connection, typed by its place
        wishes,
        origin="file",
        now=registry.clock.now(),
        sealer=registry.sealer,
    )


async def test_long_inserts_in_opposite_order_wait_for_each_other_and_never_deadlock(registry: Registry) -> None:
    """Some 100 ms of insert each, sent together: unsorted, the two meet in the middle and PostgreSQL kills one."""
    now = registry.clock.now()
    codes = Codes(frozenset(), frozenset())

    def rows() -> list[NewVendor]:
        found = []
        for number in range(4000):
            admitted = domain.admit(wish(number), codes, now.date())
            vendor, _, _ = domain.register(admitted, new_id(), "file", now.date(), now)
            found.append(NewVendor.of(vendor, registry.sealer.blind_index(admitted.nik), b""))
        return found

    async def add(batch: list[NewVendor]) -> int:
        async with registry.database.transaction() as conn:
            return len(await store.add_vendors(conn, batch))

    await registry.crowd()
    assert sorted(await asyncio.gather(add(rows()), add(rows()[::-1]))) == [0, 4000]


async def test_batches_that_share_people_in_opposite_order_register_each_once(registry: Registry) -> None:
    await registry.crowd()

    async def batch(numbers: list[int]) -> list[Outcome]:
        async with registry.database.transaction() as conn:
            return await register(registry, conn, [wish(number) for number in numbers])

    people = list(range(200))
    for round_ in range(5):
        numbers = [round_ * 1000 + number for number in people]
        results = await asyncio.gather(batch(numbers), batch(numbers[::-1]), batch(numbers[100:] + numbers[:100]))
        won = [outcome for result in results for outcome in result if isinstance(outcome, Registered)]
        lost = [outcome for result in results for outcome in result if isinstance(outcome, AlreadyRegistered)]
        assert (len(won), len(lost)) == (200, 400)
        assert {outcome.vendor_id for outcome in lost} == {outcome.vendor_id for outcome in won}
    assert await registry.vendors() == 1000
    assert len(await registry.published("VendorRegistered")) == 1000


async def test_twice_in_one_batch_is_registered_once_and_both_know_the_vendor(registry: Registry) -> None:
    async with registry.database.transaction() as conn:
        first, bad, second, other = await register(registry, conn, [wish(1), wish(2)._replace(rw=""), wish(1), wish(3)])
    assert isinstance(first, Registered)
    assert isinstance(second, AlreadyRegistered)
    assert isinstance(other, Registered)
    assert second.vendor_id == first.vendor_id != other.vendor_id
    assert getattr(bad, "code", None) == "registration-invalid"
    assert await registry.vendors() == 2


async def test_a_batch_of_any_size_takes_the_same_number_of_statements(registry: Registry) -> None:
    async with registry.database.transaction() as conn:
        await register(registry, conn, [wish(9000)])  # prepares the statements

        async def statements(numbers: range) -> int:
            asked: list[str] = []
            with conn.query_logger(lambda record: asked.append(record.query)):
                await register(registry, conn, [wish(number) for number in numbers])
            return len(asked)

        # codes, holders, vendors; asyncpg does not log the fourth, the outbox's `execute`
        assert await statements(range(1)) == await statements(range(1, 401)) == 3


# ---- a wish repeated


async def test_a_repeated_request_is_answered_and_not_repeated(registry: Registry) -> None:
    first, again = [await registry.post("/v1/vendors", person(1), key="one-wish") for _ in range(2)]
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await registry.vendors() == 1
    other = await registry.post("/v1/vendors", person(2), key="one-wish")
    assert ok(other, 422)["code"] == "idempotency-key-reused"
    assert await registry.vendors() == 1


async def test_a_refused_request_may_be_mended_under_its_key(registry: Registry) -> None:
    assert (await registry.post("/v1/vendors", person(1, rw="x"), key="one-wish")).status_code == 422
    assert (await registry.post("/v1/vendors", person(1), key="one-wish")).status_code == 201


async def test_a_post_without_a_key_is_refused(registry: Registry) -> None:
    headers = {"Authorization": f"Bearer {registry.officer()}"}
    answer = await registry.client.post("/v1/vendors", json=person(1), headers=headers)
    assert ok(answer, 400)["code"] == "idempotency-key-missing"


# ---- personal data


async def test_personal_data_stays_in_the_vendors_row_and_its_contact_card(
    registry: Registry, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    vendor_id = await registry.register(7, category="health")
    await registry.post("/v1/vendors", person(7))  # refused: already there
    await registry.post("/v1/vendors", person(8, nik=nik(8)[:15], phone="x"))  # refused: bad fields
    await registry.post(f"/v1/vendors/{vendor_id}/category", {"category": "food-drink"})
    await registry.get(f"/v1/vendors/{vendor_id}")
    said = capfd.readouterr().out + caplog.text
    assert said.count("request.handled") >= 5
    stored = await registry.everything()
    personal = [nik(7), nik(8)[:15], "Orang Contoh", "1200000007", "Jalan Contoh", "orang7@contoh.id"]
    assert not [secret for secret in personal if secret in said]
    assert nik(7) not in "\n".join(stored.values())
    holders = {label for label, text in stored.items() for secret in personal if secret in text}
    assert holders == {"vendor", "outbox ContactCard"}


async def test_a_nik_is_sealed_to_its_own_row(registry: Registry) -> None:
    first, second = await registry.register(1), await registry.register(2)
    sealed = {
        vendor_id: await registry.value("SELECT nik_sealed FROM vendor WHERE vendor_id = $1", vendor_id)
        for vendor_id in (first, second)
    }
    assert registry.sealer.open(sealed[first], first.bytes).decode() == nik(1)
    with pytest.raises(InvalidTag):
        registry.sealer.open(sealed[first], second.bytes)


# ---- one account


async def test_an_account_registers_itself_once_and_learns_nothing_of_other_niks(registry: Registry) -> None:
    token = registry.newcomer()
    ok(await registry.post("/v1/vendors", person(1), token=token), 201)
    taken = await registry.register(2)
    for number in (3, 2):
        answer = ok(await registry.post("/v1/vendors", person(number), token=token), 409)
        assert answer["code"] == "account-registered"
        assert str(taken) not in str(answer)
    assert await registry.vendors() == 2


async def test_of_two_wishes_of_one_account_at_once_one_wins(registry: Registry) -> None:
    await registry.crowd()
    token = registry.newcomer()
    answers = await at_once(*(registry.post("/v1/vendors", person(n), token=token) for n in range(1, 9)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert await registry.vendors() == 1
