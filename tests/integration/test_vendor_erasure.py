"""A person's complete data, its erasure in the registry, and the receipts, on a real database."""

import asyncio
import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from aiokafka import ConsumerRecord
from typer.testing import CliRunner

from deploy.local import stack
from services import SERVICES
from services.vendor.cli.rights import app as rights
from services.vendor.consumers import subscriptions
from services.vendor.handlers.erasure import TIMER, follow_topic, note_commands_deleted
from services.vendor.store.person import KEPT, NOUNS
from shared import dead_letters
from shared.consume import Consumer
from shared.events.envelope import Envelope, write_headers
from shared.events.rights import BazaarDataErased, ErasureReceipt, NotifyDataErased, TrainingDataErased
from shared.events.vendor import RegisterVendor
from shared.ids import new_id
from shared.timers import run_due
from tests.conftest import StandingClock
from tests.integration.vendor import (
    PENJARINGAN,
    Registry,
    at_once,
    nik,
    ok,
    person,
)

OTHERS: tuple[type[ErasureReceipt], ...] = (TrainingDataErased, BazaarDataErased, NotifyDataErased)


def registrar(registry: Registry, area: str = "31.71") -> str:
    return registry.issuer.token(f"registrar-{area}", ["officer", "registrar"], area=area)


async def erase(registry: Registry, vendor_id: UUID) -> UUID:
    """Erased as the vendor itself wishes."""
    answer = await registry.post(f"/v1/vendors/{vendor_id}/erasure", {}, token=registry.vendor(vendor_id))
    return UUID(ok(answer, 202)["erasure_id"])


async def proof(registry: Registry, erasure_id: UUID) -> dict[str, Any]:
    return ok(await registry.get(f"/v1/erasures/{erasure_id}", token=registry.of("operator")))


async def merge(registry: Registry, retired: UUID, into: UUID) -> None:
    """As a merge leaves the two rows."""
    async with registry.database.transaction() as conn:
        await conn.execute("UPDATE vendor SET merged_into = $2 WHERE vendor_id = $1", retired, into)


async def answer(
    registry: Registry, kind: type[ErasureReceipt], erasure_id: UUID, vendor_id: UUID, **more: Any
) -> None:
    """A service's receipt, as its topic brings it."""
    body = kind(erasure_id=erasure_id, vendor_id=vendor_id, erased={"rows": 2}, **more)
    place = await registry.value("SELECT next_offset FROM consumer_offset WHERE topic = $1", kind.topic) or 0
    envelope = Envelope(new_id(), kind.__name__, "lapak/test", registry.clock.now(), str(erasure_id), 1, None)
    raw = body.to_bytes()
    record = ConsumerRecord(
        kind.topic, 0, place, 0, 0, str(erasure_id).encode(), raw, None, 36, len(raw), write_headers(envelope)
    )
    (subscription,) = [one for one in subscriptions(registry.sealer) if one.topic == kind.topic]
    consumer = Consumer("vendor", subscription, registry.database, registry.clock, registry.sealer, asyncio.Event())
    await consumer.handle([record])


async def outbox_is_sent(registry: Registry) -> None:
    """As the relay leaves it."""
    async with registry.database.transaction() as conn:
        await conn.execute("DELETE FROM outbox")


async def timers(registry: Registry) -> None:
    """Let an erasure's due timers do their work."""
    while await run_due(registry.database, {TIMER: follow_topic}, registry.clock.now()):
        pass


async def topics_are_clean(registry: Registry, *erasures: UUID) -> None:
    """The command topic was swept, and both tombstones are out."""
    async with registry.database.transaction() as conn:
        await note_commands_deleted(conn, erasures, now=registry.clock.now())
    for hours in (1, 8, 1):
        await outbox_is_sent(registry)
        registry.clock.advance(hours=hours)  # type: ignore[attr-defined]  # a StandingClock
        await timers(registry)


# ---- a person's complete data


async def test_a_person_has_everything_the_registry_keeps_in_one_answer(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    own = registry.vendor(vendor_id)
    await registry.post(f"/v1/vendors/{vendor_id}/corrections", {"nik": nik(2), "street": "Jalan Baru"})
    consent = {"purpose": "partners", "given": True, "text_version": 1}
    await registry.post(f"/v1/vendors/{vendor_id}/consents", consent, token=own)
    answered = await registry.get(f"/v1/vendors/{vendor_id}/data", token=own)
    sections = ok(answered)["sections"]
    assert answered.headers["cache-control"] == "no-store"
    assert set(sections) == {"registrations", "unreadable_messages", "who_looked"} | {noun.name for noun in NOUNS}
    assert all(section["meaning"]["id"] and section["meaning"]["en"] for section in sections.values())
    (registration,) = sections["registrations"]["data"]
    assert (registration["nik"], registration["phone"], registration["street"]) == (
        nik(2),
        "+6281200000001",
        "Jalan Baru",
    )
    (correction,) = sections["corrections"]["data"]["corrections"]
    assert correction["values"] == {"nik": [nik(1), nik(2)], "street": ["Jalan Contoh 1", "Jalan Baru"]}
    assert sections["consents"]["data"]["consents"][0]["text_id"]
    assert [row["act"] for row in sections["who_looked"]["data"]] == ["corrected", "data-handed-out"]


async def test_the_data_is_of_all_registrations_of_the_person_and_of_nobody_else(registry: Registry) -> None:
    first, second, other = [await registry.register(number) for number in (1, 2, 3)]
    await merge(registry, second, first)
    for vendor_id, token in ((first, first), (second, second), (first, second), (second, first)):
        answered = await registry.get(f"/v1/vendors/{vendor_id}/data", token=registry.vendor(token))
        sections = ok(answered)["sections"]
        assert [one["nik"] for one in sections["registrations"]["data"]] == [nik(1), nik(2)]
        assert nik(3) not in answered.text
    assert (await registry.get(f"/v1/vendors/{other}/data", token=registry.vendor(first))).status_code == 403


async def test_a_registrar_says_why_and_it_is_noted(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path = f"/v1/vendors/{vendor_id}/data"
    assert ok(await registry.get(path, token=registrar(registry)), 422)["code"] == "reason-missing"
    assert (await registry.get(path, token=registrar(registry), reason="curious")).status_code == 422
    outside = registrar(registry, "31.72")
    assert ok(await registry.get(path, token=outside, reason="complaint"), 404)["code"] == "vendor-unknown"
    for token in (registry.officer(), registry.of("operator"), registry.of("service"), registry.newcomer()):
        assert (await registry.get(path, token=token, reason="complaint")).status_code == 403
    assert await registry.value("SELECT count(*) FROM audit_log") == 0
    ok(await registry.get(path, token=registrar(registry), reason="complaint"))
    async with registry.database.read() as conn:
        (noted,) = await conn.fetch("SELECT actor, act, vendor_id, detail FROM audit_log")
    assert tuple(noted) == ("registrar-31.71", "data-handed-out", vendor_id, {"reason": "complaint"})


# ---- erasure


async def test_nothing_of_an_erased_person_is_left_in_the_registry(registry: Registry) -> None:
    vendor_id = await registry.register(1, category="health")
    await registry.register(2, category="health")
    await registry.post(f"/v1/vendors/{vendor_id}/corrections", {"nik": nik(7), "phone": "081299990001"})
    consent = {"purpose": "partners", "given": True, "text_version": 1, "evidence": "Orang Contoh 1, Formulir 3"}
    await registry.post(f"/v1/vendors/{vendor_id}/consents", consent)
    personal = (nik(1), nik(7), "81200000001", "81299990001", "Orang Contoh 1", "orang1@", "Jalan Contoh 1", "1990")
    before = " ".join((await registry.everything()).values())
    assert {text for text in personal if text in before} >= {"81299990001", "Orang Contoh 1", "Jalan Contoh 1", "1990"}
    sealed = await registry.value("SELECT nik_sealed FROM vendor WHERE vendor_id = $1", vendor_id)
    await erase(registry, vendor_id)
    left = await registry.everything()
    for label, text in left.items():
        found = [value for value in personal if value in text.replace("Orang Contoh 2", "").replace("1990-07-02", "")]
        assert found in ([], ["1990"]) if label == "vendor" else found == [], label
        assert sealed.hex() not in text
    assert await registry.value("SELECT born_on FROM vendor WHERE vendor_id = $1", vendor_id) is None
    counted = "SELECT count(*) FROM vendor WHERE category = 'health' AND kelurahan = '31.71.02.1002'"
    assert await registry.value(counted) == 2, "statistics stay"


async def test_an_erasure_is_told_and_the_card_is_erased_by_its_tombstone(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    erasure_id = await erase(registry, vendor_id)
    async with registry.database.read() as conn:
        rows = await conn.fetch("SELECT type, key, sequence, payload FROM outbox ORDER BY seq")
    told = [(row["type"], row["sequence"], row["payload"] is None) for row in rows]
    assert told == [
        ("VendorRegistered", 1, False),
        ("ContactCard", 1, True),  # it had not left yet: it goes out without its body
        ("ContactCard", 2, True),
        ("VendorErased", 2, False),
    ]
    assert json.loads(rows[-1]["payload"]) == {"vendor_id": str(vendor_id), "erasure_id": str(erasure_id)}


async def test_all_registrations_of_the_person_are_erased_and_each_has_its_receipt(registry: Registry) -> None:
    first, second = [await registry.register(number) for number in (1, 2)]
    await merge(registry, second, first)
    leads = await erase(registry, second)
    assert await registry.value("SELECT count(*) FROM vendor WHERE erased_at IS NOT NULL") == 2
    shown = await proof(registry, leads)
    assert (shown["vendor_id"], len(shown["also"])) == (str(first), 1)
    events = {event.key: event.body["erasure_id"] for event in await registry.published("VendorErased")}
    assert events == {str(first): str(leads), str(second): shown["also"][0]}
    assert (await proof(registry, UUID(shown["also"][0])))["person"] == str(leads)


async def test_an_erased_vendor_is_unknown_and_the_person_may_register_anew(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    await erase(registry, vendor_id)
    own = registry.vendor(vendor_id)
    for path in ("", "/corrections", "/consents", "/data"):
        assert ok(await registry.get(f"/v1/vendors/{vendor_id}{path}", token=own), 404)["code"] == "vendor-unknown"
    assert ok(await registry.get("/v1/vendors"))["items"] == []
    assert ok(await registry.post(f"/v1/vendors/{vendor_id}/erasure", {}, token=own), 404)["code"] == "vendor-unknown"
    assert await registry.register(1) != vendor_id


async def test_an_erasure_is_asked_by_the_person_or_a_registrar_with_a_reason(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    path, body = f"/v1/vendors/{vendor_id}/erasure", {"reason": "asked-by-person"}
    for token, status in (
        (registry.officer(), 403),
        (registry.vendor(uuid4()), 403),
        (registry.of("operator"), 403),
        (registry.of("service"), 403),
        (registrar(registry, "31.72"), 404),
    ):
        assert (await registry.post(path, body, token=token)).status_code == status
    assert ok(await registry.post(path, {}, token=registrar(registry)), 422)["code"] == "reason-missing"
    first = await registry.post(path, body, token=registrar(registry), key="k")
    again = await registry.post(path, body, token=registrar(registry), key="k")
    assert (first.status_code, first.json()) == (202, again.json())
    shown = await proof(registry, UUID(first.json()["erasure_id"]))
    assert (shown["origin"], shown["reason"]) == ("registrar", "asked-by-person")


async def test_who_asks_at_once_for_the_same_person_erases_it_once(registry: Registry) -> None:
    await registry.crowd()
    first, second = [await registry.register(number) for number in (1, 2)]
    await merge(registry, second, first)
    asked = [
        registry.post(f"/v1/vendors/{vendor_id}/erasure", {}, token=registry.vendor(vendor_id))
        for vendor_id in (first, second) * 4
    ]
    answers = await at_once(*asked)
    assert sorted(answer.status_code for answer in answers) == [202] + [404] * 7
    assert await registry.value("SELECT count(*) FROM erasure") == 2


async def test_an_erasure_and_a_correction_at_once_leave_nothing(registry: Registry) -> None:
    await registry.crowd()
    for number in range(5):
        vendor_id = await registry.register(number)
        path = f"/v1/vendors/{vendor_id}"
        answers = await at_once(
            registry.post(f"{path}/corrections", {"name": "Nama Rahasia", "phone": "081277770001"}),
            registry.post(f"{path}/erasure", {}, token=registry.vendor(vendor_id)),
            registry.post(
                f"{path}/consents", {"purpose": "messages", "given": True, "evidence": "Rahasia", "text_version": 1}
            ),
        )
        assert answers[1].status_code == 202
    left = await registry.everything()
    assert not [label for label, text in left.items() if "Rahasia" in text or "81277770001" in text]
    assert not {"correction", "consent"} & left.keys()


async def test_dead_letters_that_name_the_person_are_wiped_and_others_stay(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    # they name it as it was registered, before it was corrected
    corrected = {"nik": nik(9), "phone": "081299990009", "email": "baru@contoh.id"}
    ok(await registry.post(f"/v1/vendors/{vendor_id}/corrections", corrected), 201)
    mine = [
        RegisterVendor(reference="a", **person(1)).to_bytes(),
        b'{"nik": "' + f"{nik(1)[:6]} {nik(1)[6:]}".encode() + b'"',
        "no. 0812-0000-0001".encode("utf-16-le"),
        b"ORANG1@contoh.id",
    ]
    other = RegisterVendor(reference="b", **person(2)).to_bytes()
    letters = []
    async with registry.database.transaction() as conn:
        for offset, value in enumerate([*mine, other]):
            key = f"ref-{offset}".encode()
            record = ConsumerRecord(
                RegisterVendor.topic, 0, offset, 0, 0, key, value, None, 5, len(value), (("note", nik(1).encode()),)
                if offset == 0 else ()
            )  # fmt: skip
            state = ("failed", "waiting", "replayed", "discarded", "failed")[offset]
            letters.append(
                await dead_letters.add(
                    conn, registry.sealer, record, message_type="RegisterVendor", state=state, now=registry.clock.now()
                )
            )
    found = ok(await registry.get(f"/v1/vendors/{vendor_id}/data", token=registry.vendor(vendor_id)))["sections"]
    assert len(found["unreadable_messages"]["data"]) == 4
    erasure_id = await erase(registry, vendor_id)
    async with registry.database.read() as conn:
        rows = await conn.fetch("SELECT id, state, value, key, headers FROM dead_letter ORDER BY record_offset")
        acts = await conn.fetch("SELECT dead_letter_id, act, note FROM dead_letter_act ORDER BY id")
    wiped = [(row["value"], row["key"], row["headers"]) for row in rows[:4]]
    assert wiped == [(None, None, [])] * 4
    assert [row["state"] for row in rows] == ["discarded", "discarded", "replayed", "discarded", "failed"]
    assert registry.sealer.open(rows[4]["value"], letters[4].bytes) == other
    assert {(act["dead_letter_id"], act["act"], act["note"]) for act in acts} == {
        (letter, "erase", f"erasure {erasure_id}") for letter in letters[:4]
    }
    (own,) = (await proof(registry, erasure_id))["receipts"]
    assert own["erased"]["dead_letters"] == 4


# ---- receipts


async def test_an_erasure_is_completed_when_every_answer_is_in_and_its_receipt_is_proved_by_its_hash(
    registry: Registry,
) -> None:
    vendor_id = await registry.register(1)
    erasure_id = await erase(registry, vendor_id)
    assert (await proof(registry, erasure_id))["waits_for"] == [
        "training", "bazaar", "notify", "topic lapak.vendor.contact.v1", "topic lapak.vendor.commands.v1",
    ]  # fmt: skip
    for kind in OTHERS[:2]:
        await answer(registry, kind, erasure_id, vendor_id)
    await topics_are_clean(registry, erasure_id)
    shown = await proof(registry, erasure_id)
    assert (shown["waits_for"], shown["completed_at"], shown["receipt"]) == (["notify"], None, None)
    await answer(registry, OTHERS[2], erasure_id, vendor_id, kept={"statistics": 3})
    shown = await proof(registry, erasure_id)
    assert shown["waits_for"] == []
    assert hashlib.sha256(shown["receipt_text"].encode()).hexdigest() == shown["receipt_sha256"]
    assert json.loads(shown["receipt_text"]) == shown["receipt"]
    services = {one["service"]: (one["erased"], one["kept"]) for one in shown["receipt"]["services"]}
    assert services == {
        "vendor": ({"registrations": 1}, {"statistics": 1}),
        "training": ({"rows": 2}, {}),
        "bazaar": ({"rows": 2}, {}),
        "notify": ({"rows": 2}, {"statistics": 3}),
    }
    (told,) = await registry.published("VendorErasureCompleted")
    assert (told.key, told.sequence, told.body["erasure_id"]) == (str(vendor_id), 3, str(erasure_id))
    noted = await registry.value("SELECT detail FROM audit_log WHERE act = 'erasure-completed'")
    assert noted == {"erasure_id": str(erasure_id), "receipt_sha256": shown["receipt_sha256"]}
    for text in (nik(1), "Orang Contoh", "81200000001", "orang1@"):
        assert text not in json.dumps(shown)


async def test_an_answer_that_comes_twice_or_unasked_changes_nothing(registry: Registry) -> None:
    vendor_id = await registry.register(1)
    erasure_id = await erase(registry, vendor_id)
    for _ in range(2):
        for kind in OTHERS:
            await answer(registry, kind, erasure_id, vendor_id)
    await answer(registry, OTHERS[0], uuid4(), vendor_id)
    assert await registry.value("SELECT count(*) FROM erasure_receipt") == 4
    await topics_are_clean(registry, erasure_id)
    await topics_are_clean(registry, erasure_id)
    assert len(await registry.published("VendorErasureCompleted")) == 0, "it left the outbox with the rest"
    assert await registry.value("SELECT count(*) FROM audit_log WHERE act = 'erasure-completed'") == 1
    assert await registry.value("SELECT count(*) FROM dead_letter") == 0


async def test_the_second_tombstone_follows_when_the_first_has_left_and_a_segment_has_passed(
    registry: Registry,
) -> None:
    vendor_id = await registry.register(1)
    erasure_id = await erase(registry, vendor_id)
    clock = registry.clock
    assert isinstance(clock, StandingClock)
    clock.advance(hours=9)
    await timers(registry)
    assert await registry.value("SELECT published_at FROM erasure") is None, "the tombstone still waits in the outbox"
    await outbox_is_sent(registry)
    clock.advance(minutes=10)
    await timers(registry)
    assert await registry.value("SELECT published_at FROM erasure") == clock.now()
    clock.advance(hours=6, minutes=59)
    await timers(registry)
    assert await registry.value("SELECT count(*) FROM outbox") == 0, "a segment still takes records"
    clock.advance(minutes=1)
    await timers(registry)
    async with registry.database.read() as conn:
        (row,) = await conn.fetch("SELECT type, key, sequence, payload FROM outbox")
    assert tuple(row) == ("ContactCard", str(vendor_id), 3, None)
    clock.advance(minutes=1)
    await timers(registry)
    assert await registry.value("SELECT sealed_at FROM erasure") is None, "the second still waits in the outbox"
    await outbox_is_sent(registry)
    clock.advance(minutes=10)
    await timers(registry)
    assert await registry.value("SELECT sealed_at FROM erasure") == clock.now()
    assert await registry.value("SELECT count(*) FROM timer WHERE kind = $1", TIMER) == 0
    assert (await proof(registry, erasure_id))["waits_for"][-1] == "topic lapak.vendor.commands.v1"


async def test_operators_see_what_is_open_and_what_is_overdue(registry: Registry) -> None:
    clock = registry.clock
    assert isinstance(clock, StandingClock)
    operator = registry.of("operator")

    async def listed(**params: str) -> list[tuple[str, bool]]:
        items = ok(await registry.get("/v1/erasures", token=operator, **params))["items"]
        return [(item["erasure_id"], item["overdue"]) for item in items]

    done, late = [await registry.register(number) for number in (1, 2)]
    completed, open_ = str(await erase(registry, done)), str(await erase(registry, late))
    for kind in OTHERS:
        await answer(registry, kind, UUID(completed), done)
    await topics_are_clean(registry, UUID(completed))
    assert await listed(state="open") == [(open_, False)]
    assert await listed(state="completed") == [(completed, False)]
    clock.moment = await registry.value("SELECT due_at FROM erasure WHERE vendor_id = $1", late)
    assert await listed(state="overdue") == []
    clock.advance(seconds=1)
    assert await listed(state="overdue") == [(open_, True)]
    assert await listed() == [(completed, False), (open_, True)]
    assert (await registry.get("/v1/erasures", token=registry.officer())).status_code == 403
    first = ok(await registry.get("/v1/erasures", token=operator, limit=1))
    assert [item["erasure_id"] for item in first["items"]] == [completed]
    assert clock.now() - timedelta(days=3) < clock.now()


async def test_a_receipt_is_for_operators_registrars_of_the_area_and_the_person(registry: Registry) -> None:
    province = registry.officer("31")
    vendor_id = await registry.register(1, token=province, kelurahan=PENJARINGAN)
    erasure_id = await erase(registry, vendor_id)
    path = f"/v1/erasures/{erasure_id}"
    for token, status in (
        (registry.of("operator"), 200),
        (registrar(registry, "31.72"), 200),
        (registry.vendor(vendor_id), 200),
        (registrar(registry, "31.71"), 404),
        (registry.officer("31.72"), 404),
        (registry.vendor(uuid4()), 404),
    ):
        assert (await registry.get(path, token=token)).status_code == status
    assert ok(await registry.get(f"/v1/erasures/{uuid4()}"), 404)["code"] == "erasure-unknown"


# ---- the command line


def test_an_export_that_nobody_answers_writes_nothing(tmp_path: Path) -> None:
    away = f"http://127.0.0.1:{stack.free_port()}"
    urls = [option for name in SERVICES for option in (f"--{name}-url", away)]
    for file, urls_said, said in (
        ("hers.txt", urls, "must end in .json or .zip"),
        ("hers.json", urls, "does not answer (ConnectError)"),
        ("hers.json", [*urls[:-1], "nonsense"], "is no address"),
        ("no/folder/hers.json", urls, "nothing was written"),
    ):
        done = CliRunner().invoke(rights, ["export", str(uuid4()), str(tmp_path / file), "--token", "t", *urls_said])
        assert done.exit_code == 2, done.output
        assert said in " ".join(done.output.replace("│", " ").split())  # also where a line breaks
    assert list(tmp_path.iterdir()) == []


# ---- nothing is forgotten to be forgotten


async def test_every_table_that_names_a_vendor_has_an_eraser_or_a_reason_to_stay(registry: Registry) -> None:
    async with registry.database.read() as conn:
        rows = await conn.fetch(
            "SELECT DISTINCT table_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND (column_name LIKE '%vendor_id%' OR column_name LIKE 'vendor\\_%')"
        )
        references = await conn.fetch(
            "SELECT DISTINCT conrelid::regclass::text FROM pg_constraint "
            "WHERE contype = 'f' AND confrelid = 'vendor'::regclass"
        )
    named = {row[0] for row in (*rows, *references)}
    answered_for = {table for noun in NOUNS for table in noun.tables}
    assert named - answered_for - set(KEPT) == set()
    assert not answered_for & set(KEPT)
    tables = {row[0] for row in await _tables(registry)}
    assert answered_for | set(KEPT) <= tables, "a table that is no more is named"


async def _tables(registry: Registry) -> Any:
    async with registry.database.read() as conn:
        return await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
