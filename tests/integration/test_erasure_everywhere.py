"""The proof of erasure: a person goes through all four services, is erased, and is looked for byte by byte.

Looked for in every column of every table of the four databases, in every record of every topic from the first on, in
the logs and in the folder of files; plain, in UTF-16, base64 and hexadecimal, and as digits alone. Outside of it: the
mailbox of the recipient, and what PostgreSQL and Kafka have let go but not yet overwritten on disk (docs).
"""

import asyncio
import base64
import json
import math
import os
import re
import shutil
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from typer.testing import CliRunner

from deploy.local import services, stack
from services import SERVICES
from services.vendor.cli.rights import app as rights
from shared.clock import day_in_jakarta
from shared.events.envelope import Envelope, write_headers
from shared.events.rights import VendorErasureCompleted
from shared.events.vendor import ContactCard, RegisterVendor
from shared.ids import new_id
from shared.kafka import TOPICS, TopicSpec, ensure_topics
from tests.integration.backbone import is_lag_only, until
from tests.integration.vendor import KARANG_ANYAR, ok

OTHER_AREA = "31.71.02.1001"
NIKS = ("3171025509876543", "3171025509876544", "3171026608765432")
"""As she was registered, as it was corrected, and of the second registration that was merged."""
PERSONAL = {
    **{f"nik {n}": nik for n, nik in enumerate(NIKS)},
    "phone": "81298761234",
    "new phone": "85776543219",
    "name": "Wulandari Kusumaningtyas",
    "new name": "Wulandari Prameswari",
    "email": "wulan.kusuma.77@contoh.id",
    "new email": "wulan.prameswari@contoh.id",
    "street": "Gang Kenanga Buntu 77",
    "new street": "Jalan Melati Ujung 5",
}
SHORT = {
    "segment.ms": "500",
    "max.compaction.lag.ms": "500",
    "delete.retention.ms": "500",
    "min.cleanable.dirty.ratio": "0.01",
}


def needles(text: str) -> Iterator[bytes]:
    """The ways in which a text may lie in bytes, in small letters."""
    for raw in (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be")):
        yield raw.lower()
        yield raw.hex().encode()
        for shift in range(3):  # base64 writes three bytes as four letters: a text may begin at any of the three
            encoded = base64.b64encode(bytes(shift) + raw)
            yield encoded[math.ceil(shift * 8 / 6) : (shift + len(raw)) * 8 // 6].lower()


NEEDLES = {label: tuple(needles(text)) for label, text in PERSONAL.items()}


def found_in(content: bytes) -> set[str]:
    """Which of the personal values lie in these bytes."""
    plain = content.lower()
    digits = re.sub(rb"[ .()+-]", b"", plain)
    return {label for label, ways in NEEDLES.items() if any(way in plain or way in digits for way in ways)}


@dataclass
class World:
    """Four running services, their databases, topics, logs and files."""

    running: stack.Running
    urls: Mapping[str, str]
    dsns: Mapping[str, str]
    files: Path
    client: httpx.AsyncClient

    def token(self, roles: Sequence[str], **more: Any) -> str:
        """A token of these roles."""
        return services.issuer(self.running).token("-".join(roles), list(roles), **more)

    async def call(
        self, service: str, path: str, body: Any = None, *, token: str | None = None, status: int = 200, **more: Any
    ) -> dict[str, Any]:
        """POST as an officer of the province, unless another token is given; the answer must have this status."""
        token = token or self.token(["officer", "registrar"], area="31")
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())}
        answer = await self.client.post(f"{self.urls[service]}{path}", json=body, headers=headers, **more)
        return ok(answer, status)

    async def get(self, service: str, path: str, token: str) -> dict[str, Any]:
        """GET what must be there."""
        return ok(await self.client.get(f"{self.urls[service]}{path}", headers={"Authorization": f"Bearer {token}"}))

    async def value(self, service: str, sql: str, *arguments: Any) -> Any:
        """One value from a service's database."""
        conn = await asyncpg.connect(self.dsns[service])
        try:
            return await conn.fetchval(sql, *arguments)
        finally:
            await conn.close()

    # -- looking everywhere

    async def everywhere(self) -> dict[str, set[str]]:
        """Place -> personal values found there."""
        places: dict[str, set[str]] = {}
        for service in SERVICES:
            for table, content in await self._tables(service):
                places.setdefault(f"{service}.{table}", set()).update(found_in(content))
        for record in await self.records([spec.name for spec in TOPICS]):
            raw = [record.key or b"", record.value or b"", *(value or b"" for _, value in record.headers)]
            places.setdefault(record.topic, set()).update(found_in(b"\n".join(raw)))
        for folder in (self.running.state_dir / "logs", self.files):
            for path in folder.rglob("*"):
                if path.is_file() and not path.name.startswith(("mail", "postgres", "kafka")):
                    places[path.name] = found_in(path.read_bytes())
        return {place: labels for place, labels in places.items() if labels}

    async def _tables(self, service: str) -> list[tuple[str, bytes]]:
        conn = await asyncpg.connect(self.dsns[service])
        try:
            names = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            return [
                (name, b"\n".join(_bytes_of(value) for row in rows for value in row.values()))
                for (name,) in names
                for rows in [await conn.fetch(f'SELECT * FROM "{name}"')]  # noqa: S608 - a name from the catalogue
            ]
        finally:
            await conn.close()

    async def records(self, topics: Sequence[str]) -> list[ConsumerRecord]:
        """Every record that can be read of these topics."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.running.kafka, auto_offset_reset="earliest")
        await consumer.start()
        try:
            places = [
                TopicPartition(spec.name, number)
                for spec in TOPICS
                if spec.name in topics
                for number in range(spec.partitions)
            ]
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            ends = await consumer.end_offsets(places)
            records: list[ConsumerRecord] = []
            async with asyncio.timeout(60):
                while True:
                    for batch in (await consumer.getmany(timeout_ms=200)).values():
                        records += batch
                    # after compaction the last offsets may hold nothing: the position tells, not the records
                    if all([await consumer.position(place) >= ends[place] for place in places]):
                        return records
        finally:
            await consumer.stop()


def _bytes_of(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return str(value).encode()


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """All four services with servers of their own."""
    for name in ("LAPAK_KAFKA", "LAPAK_POSTGRES"):
        monkeypatch.delenv(name, raising=False)
    name, files = f"erasure-{os.getpid()}", tmp_path / "files"
    running = await asyncio.to_thread(stack.start, name, fresh=True)
    try:
        if running.broker_kind != "apache":
            pytest.skip("only Apache Kafka compacts and deletes; install Java 17+ and Maven")
        monkeypatch.setattr(services, "environment", _with_files(services.environment, files))
        addresses = await asyncio.to_thread(services.start_services, running)
        contact = next(spec for spec in TOPICS if spec.name == ContactCard.topic)
        short = TopicSpec(contact.name, contact.partitions, {**contact.config, **SHORT})
        await ensure_topics(running.kafka, [short])
        dsns = await asyncio.to_thread(stack.provision, running)
        async with httpx.AsyncClient(timeout=30) as client:
            yield World(running, addresses.urls, dsns, files, client)
    finally:
        await asyncio.to_thread(stack.stop, name)
        shutil.rmtree(running.state_dir, ignore_errors=True)


def _with_files(environment: Callable[..., dict[str, str]], files: Path) -> Callable[..., dict[str, str]]:
    def changed(*arguments: Any) -> dict[str, str]:
        return {**environment(*arguments), "LAPAK_FILES": str(files)}

    return changed


@asynccontextmanager
async def producing(world: World) -> AsyncIterator[AIOKafkaProducer]:
    """Another service that sends commands."""
    producer = AIOKafkaProducer(bootstrap_servers=world.running.kafka)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


def registration(nik: str) -> dict[str, Any]:
    """The person, as other services and officers write her down."""
    return {
        "nik": nik,
        "name": PERSONAL["name"],
        "phone": f"0{PERSONAL['phone']}",
        "email": PERSONAL["email"],
        "kelurahan": KARANG_ANYAR,
        "rw": "003",
        "rt": "007",
        "street": PERSONAL["street"],
        "category": "food-drink",
    }


async def live_through_everything(world: World) -> tuple[UUID, UUID]:
    """Her story; her two ids, the surviving one first."""
    # by Kafka: a command that registers her, one that nobody can read, and one that is refused
    reference = "tiket-4711"
    good = RegisterVendor(reference=reference, **registration(NIKS[0]))
    bad = RegisterVendor(reference="tiket-4712", **{**registration(NIKS[0]), "rw": PERSONAL["street"]})
    async with producing(world) as producer:
        for body, kind in ((good, "RegisterVendor"), (bad, "RegisterVendor"), (good, "RegisterSomebody")):
            key = f"{body.reference}-{kind}"
            envelope = Envelope(new_id(), kind, "lapak/elsewhere", datetime.now(UTC), key, None, None)
            await producer.send_and_wait(
                RegisterVendor.topic, body.to_bytes(), key=key.encode(), headers=write_headers(envelope)
            )
    registered = "SELECT vendor_id FROM vendor WHERE origin = 'service'"
    await until(lambda: world.value("vendor", registered), 30)
    await until(lambda: world.value("vendor", "SELECT count(*) FROM dead_letter"), 30)
    one: UUID = await world.value("vendor", registered)
    own = world.token(["vendor"], vendor_id=one)

    # over HTTP: corrected, consents, documents, products, figures, issues, a membership
    path = f"/v1/vendors/{one}"
    correction = {
        "nik": NIKS[1],
        "name": PERSONAL["new name"],
        "phone": f"0{PERSONAL['new phone']}",
        "email": PERSONAL["new email"],
        "street": PERSONAL["new street"],
        "note": f"KTP {PERSONAL['new name']} dilihat",
    }
    await world.call("vendor", f"{path}/corrections", correction, status=201)
    await world.call("vendor", f"{path}/corrections", {"name": PERSONAL["name"]}, token=own, status=201)
    consent = {"purpose": "partners", "given": True, "text_version": 1, "evidence": f"Formulir {PERSONAL['new name']}"}
    await world.call("vendor", f"{path}/consents", consent)
    headers = {"Authorization": f"Bearer {own}", "Idempotency-Key": str(uuid4())}
    scan = b"%PDF-1.7\n" + PERSONAL["new name"].encode() + NIKS[1].encode() + b"\n%%EOF\n"
    document = await world.client.post(
        f"{world.urls['vendor']}{path}/documents",
        data={"kind": "nib", "number": "9120001234567", "issued_on": "2022-01-03"},
        files={"file": (f"{PERSONAL['new name']}.pdf", scan, "application/pdf")},
        headers=headers,
    )
    ok(document, 201)
    product = {
        "name": f"Keripik {PERSONAL['new name']}",
        "description": f"Pesan di {PERSONAL['new phone']}",
        "category": "food-drink",
        "price_min_rupiah": 10_000,
        "price_max_rupiah": 15_000,
        "unit": "bungkus",
    }
    await world.call("vendor", f"{path}/products", product, token=own, status=201)
    figures = {"month": "2023-01", "turnover_rupiah": 4_500_000, "workers": 2}
    await world.call("vendor", f"{path}/indicators", figures, token=own, status=201)
    issue = {"category": "licensing", "text": f"Ibu {PERSONAL['new name']}, {PERSONAL['new street']}, belum punya izin"}
    await world.call("vendor", "/v1/issues", issue, token=own, status=201)

    # by file: a row that is rejected with its data
    sheet = "nik;nama;no_hp;kode_kelurahan;rw;rt;alamat;email\n" + ";".join(
        [
            NIKS[0],
            PERSONAL["name"],
            f"0{PERSONAL['phone']}",
            KARANG_ANYAR,
            "x",
            "1",
            PERSONAL["street"],
            PERSONAL["email"],
        ]
    )
    headers = {
        "Authorization": f"Bearer {world.token(['officer'], area='31')}",
        "Idempotency-Key": str(uuid4()),
    }
    answer = await world.client.post(
        f"{world.urls['vendor']}/v1/vendors/import",
        files={"file": ("a.csv", sheet.encode(), "text/csv")},
        headers=headers,
    )
    assert len(ok(answer)["rejected"]) == 1

    # registered a second time, and merged
    second = await world.call("vendor", "/v1/vendors", registration(NIKS[2]), status=201)
    other = UUID(second["vendor_id"])
    await world.call("vendor", f"{path}/merge", {"retired": str(other)})

    # training and a bazaar, once they know her; and what notify tells her
    for service in ("training", "bazaar"):
        await until(lambda s=service: world.value(s, "SELECT 1 FROM vendor WHERE vendor_id = $1", one), 30)  # type: ignore[misc]  # the loop's own service
    days = [(datetime.now(UTC) + timedelta(days=n)).date().isoformat() for n in (30, 31)]
    today = day_in_jakarta(datetime.now(UTC))
    opened = {"course": "dasar-kewirausahaan", "title": "A", "area": "31.71", "days": [today.isoformat()], "places": 5}
    class_id = (await world.call("training", "/v1/classes", opened, status=201))["class_id"]
    await world.call("training", f"/v1/classes/{class_id}/enrolments", {"vendor_ids": [str(one)]})
    attended = {"day": today.isoformat(), "vendor_ids": [str(one)]}
    await world.call("training", f"/v1/classes/{class_id}/attendance", attended)
    await world.call("training", f"/v1/classes/{class_id}/finish")
    await be_accompanied(world, one, own)
    await learn_and_graduate(world, one, own)
    await until(lambda: world.value("bazaar", "SELECT 1 FROM completion WHERE vendor_id = $1", one), 30)
    bazaar = {
        "name": "Bazar Jakpreneur",
        "organisers": ["Sudin PPKUKM"],
        "days": days,
        "sites": [
            {
                "site_id": "a",
                "name": "Rusun",
                "venue_type": "rusun",
                "kelurahan": KARANG_ANYAR,
                "booths": 2,
                "reserves": [],
            }
        ],
        "applications_close_at": (datetime.now(UTC) + timedelta(days=20)).isoformat(),
    }
    bazaar_id = (await world.call("bazaar", "/v1/bazaars", bazaar, status=201))["bazaar_id"]
    await world.call("bazaar", f"/v1/bazaars/{bazaar_id}/announce")
    apply = {"choices": [["a"]]}
    await world.call("bazaar", f"/v1/bazaars/{bazaar_id}/applications", apply, token=own, status=201)
    await have_a_booth(world, one, own, {**bazaar, "name": "Bazar BORJU"})
    delivered = "SELECT count(*) FROM attempt WHERE outcome = 'accepted'"
    await until(lambda: world.value("notify", delivered), 30)
    await say_what_she_wants(world, one, own)
    await be_told_with_others(world, one)
    await get_a_file(world, one)
    return one, other


async def say_what_she_wants(world: World, vendor_id: UUID, own: str) -> None:
    """Which messages she wants, and in which language; an operator notes that a number of hers is to be left alone."""
    wishes = {"topics": {"news": {"sms": False}}, "language": "en", "digest": "weekly"}
    headers = {"Authorization": f"Bearer {own}"}
    ok(await world.client.put(f"{world.urls['notify']}/v1/wishes/{vendor_id}", json=wishes, headers=headers))
    for address in (f"0{PERSONAL['phone']}", f"+62{PERSONAL['new phone']}"):
        suppressed = {"channel": "sms", "reason": "invalid", "address": address}
        await world.call("notify", "/v1/suppressions", suppressed, token=world.token(["operator"]))


async def be_told_with_others(world: World, vendor_id: UUID) -> None:
    """She is on the list of a message to many, and gets it."""
    operator, name = world.token(["operator"]), "broadcast-kabar"
    words = {"email": "Kabar {{ title }}\n\nHalo {{ name }}, ini kabar dari kami tentang {{ title }}.\n"}
    saved = {"forms": {"id": words, "en": words}, "parameters": {"title": "text"}, "reason": "new"}
    version = await world.call("notify", f"/v1/templates/{name}/versions", saved, token=operator, status=201)
    activate = f"/v1/templates/{name}/versions/{version['version']}/activate"
    await world.call("notify", activate, {"reason": "new"}, token=operator)
    draft = {"template": name, "params": {"title": "Bazar"}, "areas": ["31"], "by_list": True, "topic": "programme"}
    path = f"/v1/broadcasts/{(await world.call('notify', '/v1/broadcasts', draft, status=201))['broadcast_id']}"
    await world.call("notify", f"{path}/list", {"vendor_ids": [str(vendor_id)]})
    await world.call("notify", f"{path}/submit")
    told = "SELECT count(*) = 1 FROM notification WHERE broadcast_id IS NOT NULL AND state IN ('sent', 'delivered')"
    await until(lambda: world.value("notify", told), 30)
    # an operator sends it again and says why
    message_id = await world.value("notify", "SELECT id FROM notification WHERE broadcast_id IS NOT NULL")
    again = {"reason": f"{PERSONAL['name']} menelepon", "again": True}
    await world.call("notify", f"/v1/notifications/{message_id}/resend", again, token=operator, status=201)
    left = "SELECT state IN ('sent', 'delivered') FROM notification WHERE resend_of IS NOT NULL"
    await until(lambda: world.value("notify", left), 30)


async def get_a_file(world: World, vendor_id: UUID) -> None:
    """Another system sends her a letter; its name and what it says are of her."""
    asked = {"kind": "normal", "name": "Surat", "topic": "programme"}
    key = (await world.call("notify", "/v1/keys", asked, token=world.token(["operator"]), status=201))["key"]
    letter = f"%PDF-1.7\n{PERSONAL['new name']}, {PERSONAL['new street']}\n%%EOF\n".encode()
    file = {"name": f"Surat {PERSONAL['new name']}.pdf", "content": base64.b64encode(letter).decode()}
    message = {
        "template": "broadcast-kabar",
        "recipient": {"vendor_id": str(vendor_id)},
        "params": {"title": "Surat"},
        "attachments": [file],
    }
    await world.call("notify", "/v1/messages", message, token=key, status=201)
    left = "SELECT state IN ('sent', 'delivered') FROM notification WHERE files > 0"
    await until(lambda: world.value("notify", left), 30)


async def have_a_booth(world: World, vendor_id: UUID, own: str, described: dict[str, Any]) -> None:
    """A season of hers: a standing interest, a party, a round, and all that hangs on a booth she confirmed."""
    until_day = (datetime.now(UTC) + timedelta(days=200)).date().isoformat()
    await world.call("bazaar", "/v1/interests", {"valid_until": until_day, "needs": ["power"]}, token=own, status=201)
    await world.call("bazaar", f"/v1/vendors/{vendor_id}/calendar-link", token=own, status=201)
    closing = datetime.now(UTC) + timedelta(seconds=8)
    described = {**described, "applications_close_at": closing.isoformat()}
    bazaar_id = (await world.call("bazaar", "/v1/bazaars", described, status=201))["bazaar_id"]
    path = f"/v1/bazaars/{bazaar_id}"
    await world.call("bazaar", f"{path}/announce")
    # her standing interest applies for her
    applied = "SELECT application_id FROM application WHERE bazaar_id = $1 AND origin = 'standing'"
    await until(lambda: world.value("bazaar", applied, UUID(bazaar_id)), 30)
    hers = f"/v1/applications/{await world.value('bazaar', applied, UUID(bazaar_id))}"
    await world.call("bazaar", f"{hers}/party", {"if_apart": "split", "size": 2}, token=own, status=201)
    await asyncio.sleep(max(0.0, (closing - datetime.now(UTC)).total_seconds() + 0.1))
    await world.call("bazaar", f"{path}/freeze")
    await world.call("bazaar", f"{path}/seed", {"seed": "3-8-19", "source": "Undian terbuka"})
    await world.call("bazaar", f"{path}/allocate")
    await world.call("bazaar", f"{hers}/confirm", token=own)
    shop = {
        "shown_publicly": True,
        "marketplace": "tokopedia",
        "url": "https://www.tokopedia.com/warung-77",
        "title": f"Warung {PERSONAL['new name']}",
        "highlights": [f"Sambal {PERSONAL['new name']}"],
    }
    await world.call("bazaar", f"{hers}/storefront", shop, token=own)
    ahead = {
        "title": f"Kue {PERSONAL['new name']}",
        "pieces_max": 5,
        "pick_up_day": described["days"][0],
        "pick_up_place": PERSONAL["new street"],
    }
    await world.call("bazaar", f"{hers}/preorders", ahead, token=own)
    await world.call("bazaar", f"{hers}/sales-link", token=own)
    words = {"about": "other", "text": f"Saya {PERSONAL['new name']}, {PERSONAL['new street']}, mohon ditinjau"}
    appeal_id = (await world.call("bazaar", f"{hers}/appeals", words, token=own, status=201))["appeal_id"]
    answer = {
        "upheld": True,
        "reason": "illness",
        "remedy": "none",
        "answer": f"Ibu {PERSONAL['new name']}, sudah kami lihat",
    }
    await world.call("bazaar", f"/v1/appeals/{appeal_id}/decide", answer)
    await until(lambda: world.value("bazaar", "SELECT count(*) FROM ticket"), 30)


async def be_accompanied(world: World, vendor_id: UUID, own: str) -> None:
    """A mentor is given to her, visits her and is matched to her; so does a foster mentor; she is not content, needs
    help, and asks a bank. What is written names her.
    """
    name, street = PERSONAL["new name"], PERSONAL["new street"]
    described = {"name": "Rina", "areas": ["31.71"], "fields": ["kuliner"], "load_max": 9}
    employed = {**described, "kind": "employed", "agency": "ppkukm"}
    mentor = (await world.call("training", "/v1/mentors", employed, status=201))["mentor_id"]
    mentoring = f"/v1/trainees/{vendor_id}"
    await world.call("training", f"{mentoring}/mentors", {"mentor_id": mentor, "reason": "language"})
    wishes = {"fields": ["kuliner"], "language": "id"}
    await world.client.post(**_as_her(world, own, f"{mentoring}/mentoring-wishes", wishes))
    visited = {"visited_on": day_in_jakarta(datetime.now(UTC)).isoformat(), "mode": "visit", "note": f"Ibu {name}"}
    visit = {**visited, "vendor_id": str(vendor_id), "mentor_id": mentor, "reference": name.replace(" ", "-")}
    visit_id = (await world.call("training", "/v1/visits", visit, status=201))["visit_id"]
    await world.call("training", f"/v1/visits/{visit_id}/correct", {**visited, "note": f"Di {street}"})
    await world.call("training", f"{mentoring}/mentor-requests", {"reason": "distance"}, token=own, status=201)
    foster = {**described, "kind": "foster"}
    other = (await world.call("training", "/v1/mentors", foster, status=201))["mentor_id"]
    group = {"area": "31.71", "members_max": 5}
    group_id = (await world.call("training", f"/v1/mentors/{other}/groups", group, status=201))["group_id"]
    await world.call("training", f"/v1/foster-groups/{group_id}/members", {"vendor_ids": [str(vendor_id)]})
    matching = (await world.call("training", "/v1/matchings", {"area": KARANG_ANYAR}, status=201))["matching_id"]
    await world.call("training", f"/v1/matchings/{matching}/publish", status=202)
    wish = {"service": "P5", "note": f"Saya {name}, {street}"}
    await world.call("training", f"{mentoring}/cases", wish, token=own, status=201)

    partner = {"code": "bank-uji", "name": "Bank Uji", "kind": "bank"}
    partner_id = (await world.call("vendor", "/v1/partners", partner, status=201))["partner_id"]
    days = [(datetime.now(UTC) + timedelta(days=n)).date().isoformat() for n in (-9, 99)]
    agreement = {"area": "31", "valid_from": days[0], "valid_until": days[1], "topics": ["capital"]}
    await world.call("vendor", f"/v1/partners/{partner_id}/agreements", agreement, status=201)
    consent = {"purpose": "capital-referral", "given": True, "text_version": 1}
    await world.call("vendor", f"/v1/vendors/{vendor_id}/consents", consent, token=own)
    for known in ("SELECT 1 FROM partner_agreement", "SELECT 1 FROM capital_consent"):
        await until(lambda known=known: world.value("training", known), 30)  # type: ignore[misc]  # the loop's own
    path = f"{mentoring}/capital-referrals"
    made = await world.call("training", path, {"bank": "bank-uji"}, token=own, status=201)
    packet = {"packet_sha256": made["packet_sha256"]}
    await world.call("training", f"/v1/capital-referrals/{made['referral_id']}/send", packet, token=own)


def _as_her(world: World, own: str, path: str, body: Any) -> dict[str, Any]:
    """A POST to training that answers with nothing."""
    headers = {"Authorization": f"Bearer {own}", "Idempotency-Key": str(uuid4())}
    return {"url": f"{world.urls['training']}{path}", "json": body, "headers": headers}


async def learn_and_graduate(world: World, vendor_id: UUID, own: str) -> None:
    """She has a certificate, a ticket, a place in line, a request; she is no graduate and objects in her own words."""
    neighbour = await world.value("vendor", "SELECT vendor_id FROM vendor WHERE name = 'Tetangga'")
    days = [(datetime.now(UTC) + timedelta(days=n)).date().isoformat() for n in (40, 41)]
    for code in ("uji-satu", "uji-dua", "uji-tiga"):
        names = {"name_id": code, "name_en": code, "level": "basic", "field": "kuliner", "sessions": 2}
        await world.call("training", "/v1/courses", {"course": code, **names}, status=201)
    for code, people in (("uji-satu", [vendor_id]), ("uji-dua", [neighbour, vendor_id])):
        opened = {"course": code, "title": code, "area": "31.71.02", "days": days, "places": 1}
        class_id = (await world.call("training", "/v1/classes", opened, status=201))["class_id"]
        wish = {"vendor_ids": list(map(str, people)), "waitlist": True}
        await world.call("training", f"/v1/classes/{class_id}/enrolments", wish)
    path = f"/v1/trainees/{vendor_id}/course-requests"
    await world.call("training", path, {"course": "uji-tiga"}, token=own, status=201)

    document = {
        "months": 3,
        "late_months": 3,
        "conditions": [{"kind": "least", "measure": "turnover_rupiah", "at_least": 1}],
    }
    today = day_in_jakarta(datetime.now(UTC))
    titles = {"title_id": "Naik kelas", "title_en": "Graduation"}
    criteria = {"name": "naik-kelas", "version": 2, "effective_on": today.isoformat(), **titles, "document": document}
    await world.call("training", "/v1/graduation/criteria", criteria, status=201)
    month = today.replace(day=1)
    for _ in range(3):
        month = (month - timedelta(days=1)).replace(day=1)
        figures = {"month": f"{month:%Y-%m}", "turnover_rupiah": 4_500_000}
        await world.call("vendor", f"/v1/vendors/{vendor_id}/indicators", figures, token=own, status=201)
    for waits in ("candidacy", "certificate", "class_ticket"):
        one = f"SELECT 1 FROM {waits} WHERE vendor_id = $1"  # noqa: S608 - a constant
        await until(lambda one=one: world.value("training", one, vendor_id), 30)  # type: ignore[misc]  # the loop's own
    candidacy_id = await world.value("training", "SELECT candidacy_id FROM candidacy")
    path = f"/v1/graduation/candidacies/{candidacy_id}"
    decision = {"graduated": False, "reason": "not-lasting"}
    seen = (await world.get("training", path, own))["evidence_sha256"]
    # whoever logged a visit of hers does not decide, and whoever decided does not answer
    decider, another = world.token(["officer"], area="31"), world.token(["officer", "operator"], area="31")
    await world.call("training", f"{path}/decide", {**decision, "evidence_sha256": seen}, token=decider)
    words = {"text": f"Saya {PERSONAL['new name']}, mohon ditinjau"}
    await world.call("training", f"{path}/appeal", words, token=own, status=201)
    answer = {"upheld": False, "answer": f"Ibu {PERSONAL['new name']}, tetap"}
    await world.call("training", f"{path}/appeal/decide", answer, token=another)


TRAINED = (
    "vendor",
    "vendor_name",
    "programme_enrolment",
    "capital_consent",
    "capital_referral",
    "invitation",
    "course_request",
    "waiting",
    "class_ticket",
    "attendance",
    "attendance_mark",
    "booth_day",
    "indicator",
    "assignment",
    "mentoring_wish",
    "mentor_request",
    "matching_pair",
    "foster_member",
)
"""Tables of training in which there is a row of hers, and none once she is erased."""
WRITTEN = """
SELECT (SELECT count(holder_sealed) FROM certificate) AS names, (SELECT count(note) FROM visit) AS visits,
    (SELECT count(note) FROM visit_entry) AS entries, (SELECT count(note_sealed) FROM case_act) AS cases,
    (SELECT count(text_sealed) FROM graduation_appeal) AS appeals,
    (SELECT count(answer_sealed) FROM graduation_appeal) AS answers, (SELECT count(evidence) FROM candidacy) AS evidence
"""
"""What training keeps of her beside figures, in rows that stay."""
HERS = ("interest", "calendar_link", "storefront", "preorder", "ticket", "sales_link", "first_application")
"""Tables of bazaars in which there is a row of hers, and none once she is erased."""


TOLD = (
    "application_standing",
    "class_standing",
    "wish",
    "preference",
    "wish_change",
    "broadcast_listed",
    "broadcast_recipient",
)
"""Tables of notify in which there is a row of hers, and none once she is erased."""


async def rows_of_hers(world: World) -> dict[str, int]:
    """Rows that only she has, of the bazaars; and what was written and sealed."""
    counted = {name: await world.value("bazaar", f"SELECT count(*) FROM {name}") for name in HERS}  # noqa: S608 - a constant
    neighbours = await _others(world)
    for name in TOLD:
        rows = f"SELECT count(*) FROM {name} WHERE vendor_id <> ALL($1::uuid[])"  # noqa: S608 - a constant
        counted[f"notify {name}"] = await world.value("notify", rows, neighbours)
    counted["notify reasons to send again"] = await world.value("notify", "SELECT count(reason_sealed) FROM resend")
    counted["notify attached files"] = await world.value("notify", "SELECT count(*) FROM attachment")
    sealed = "SELECT count(text_sealed) + count(answer_sealed) FROM appeal"
    conn = await asyncpg.connect(world.dsns["training"])
    try:
        for name in TRAINED:
            # of her neighbour there is a copy, and a place; of nobody else anything
            rows = f"SELECT count(*) FROM {name} WHERE vendor_id <> ALL($1::uuid[])"  # noqa: S608 - a constant
            counted[f"training {name}"] = await conn.fetchval(rows, neighbours)
        written = await conn.fetchrow(WRITTEN)
    finally:
        await conn.close()
    assert written is not None
    return counted | {"sealed words": await world.value("bazaar", sealed), **dict(written)}


async def _others(world: World) -> list[UUID]:
    """Everybody but her."""
    found: list[UUID] = await world.value("vendor", "SELECT array_agg(vendor_id) FROM vendor WHERE name = 'Tetangga'")
    return found


async def statistics(world: World) -> dict[str, Any]:
    """What is counted without looking at anybody."""
    counted = (
        ("vendor", "SELECT count(*) FROM vendor WHERE merged_into IS NULL AND category = 'food-drink'"),
        ("vendor", f"SELECT count(*) FROM vendor WHERE kelurahan = '{KARANG_ANYAR}' AND merged_into IS NULL"),  # noqa: S608 - a constant
        ("vendor", "SELECT count(*) FROM issue WHERE category = 'licensing'"),
        ("training", "SELECT count(*) FROM enrolment WHERE result IS NOT NULL"),
        ("training", "SELECT count(*) FROM certificate WHERE revoked_at IS NULL"),
        ("training", "SELECT count(*) FROM visit WHERE state = 'logged'"),
        ("training", "SELECT count(*) FROM help_case WHERE service = 'P5'"),
        ("training", "SELECT count(*) FROM candidacy WHERE state = 'declined'"),
        ("notify", "SELECT count(*) FROM attempt WHERE outcome = 'accepted'"),
    )
    return {f"{service}: {sql}": await world.value(service, sql) for service, sql in counted}


async def test_an_erased_person_is_found_nowhere(world: World) -> None:
    bystander = {
        **registration("3171024103950001"),
        "name": "Tetangga",
        "phone": "081311112222",
        "street": "",
        "email": "",
    }
    await world.call("vendor", "/v1/vendors", bystander, status=201)
    one, other = await live_through_everything(world)
    before = await statistics(world)
    at_work = await world.everywhere()

    # the search is awake: it finds her wherever she must be
    awake = {
        "vendor.vendor": {"new name", "new phone", "new email", "new street"},
        "vendor.product": {"new name", "new phone"},
        "vendor.issue": {"new name", "new street"},
        "vendor.consent": {"new name"},
        "bazaar.storefront": {"new name"},
        "bazaar.preorder": {"new name", "new street"},
        "notify.contact": {"new name", "new phone", "new email"},
        RegisterVendor.topic: {"nik 0", "name", "phone", "email", "street"},
        ContactCard.topic: {"name", "phone", "email", "new name", "new phone", "new email"},
    }
    for place, labels in awake.items():
        assert labels <= at_work.get(place, set()), place
    assert all((await rows_of_hers(world)).values()), await rows_of_hers(world)
    assert "bazaar.appeal" not in at_work, "what people write is sealed"
    assert "notify.attachment" not in at_work, "files and their names are sealed"
    assert not {place for place in at_work if place.startswith("training.")}, "all that names her there is sealed"
    assert [path for path in world.files.rglob("*") if path.is_file()]
    assert not {place for place in at_work if place.endswith(".log")}, "a log names her"
    assert not {"nik 0", "nik 1", "nik 2"} & set().union(*(at_work[p] for p in at_work if p != RegisterVendor.topic))

    own = world.token(["vendor"], vendor_id=one)
    await asyncio.to_thread(export_her_data, world, one, own)
    asked = await world.call("vendor", f"/v1/vendors/{one}/erasure", {}, token=own, status=202)
    erasure_id = asked["erasure_id"]
    operator = world.token(["operator"])

    async def waits_for(*names: str) -> bool:
        shown = await world.get("vendor", f"/v1/erasures/{erasure_id}", operator)
        waits: list[str] = shown["waits_for"]
        return waits == list(names)

    # every service answers, the commands are deleted; the cards wait until a segment has passed
    await until(lambda: waits_for("topic lapak.vendor.contact.v1"), 60)
    for step, hours in ((1, 1), (2, 9), (3, 10)):
        services.set_clock(world.running, datetime.now(UTC) + timedelta(hours=hours))
        await until(lambda step=step: steps_done(world, step), 60)  # type: ignore[misc]  # the loop's own step
    await until(waits_for, 60)

    async def gone() -> bool:
        return not await world.everywhere()

    try:
        await until(gone, 90)  # the cleaner looks every 15 seconds
    except TimeoutError:
        pytest.fail(f"still found: {await world.everywhere()}")
    assert not [path for path in world.files.rglob("*") if path.is_file()], "the scan is still there"

    assert not any((await rows_of_hers(world)).values()), await rows_of_hers(world)

    # statistics survive, and so does everybody else
    assert await statistics(world) == before
    names = await world.value("vendor", "SELECT array_agg(name ORDER BY name) FROM vendor")
    assert names == ["", "", "Tetangga"]

    # the receipt says what was erased where, for each of her registrations
    shown = await world.get("vendor", f"/v1/erasures/{erasure_id}", operator)
    assert [receipt["service"] for receipt in shown["receipt"]["services"]] == [
        "vendor",
        "training",
        "bazaar",
        "notify",
    ]
    erased = {one["service"]: one["erased"] for one in shown["receipt"]["services"]}
    assert erased["vendor"]["dead_letters"] == 1
    assert all(sum(counts.values()) for counts in erased.values()), erased
    assert not found_in(json.dumps(shown).encode())
    completed = [
        record.key.decode()
        for record in await world.records([VendorErasureCompleted.topic])
        if ("ce_type", b"VendorErasureCompleted") in record.headers
    ]
    assert sorted(completed) == sorted(map(str, (one, other)))
    assert await world.value("vendor", "SELECT count(*) FROM dead_letter WHERE value IS NOT NULL") == 0

    # what was set for later finds nobody, and minds it not
    later = datetime.now(UTC) + timedelta(days=500)
    services.set_clock(world.running, later)
    await until(lambda: nothing_is_due(world, later - timedelta(days=1)), 60)
    assert not await world.everywhere()
    errors = [
        line
        for path in (world.running.state_dir / "logs").glob("*.log")
        if path.stem in SERVICES
        for line in path.read_text(errors="replace").splitlines()
        if '"level": "error"' in line and "consume.dead_letter" not in line and not is_lag_only(line)
    ]
    assert not errors, errors[:3]


def export_her_data(world: World, vendor_id: UUID, token: str) -> None:
    """`lapak rights export`: what all four services keep in one file; and which one is missing when it is away."""
    folder = world.files.parent
    urls = [option for name in SERVICES for option in (f"--{name}-url", world.urls[name])]
    done = CliRunner().invoke(rights, ["export", str(vendor_id), str(folder / "hers.zip"), "--token", token, *urls])
    assert done.exit_code == 0, done.output
    with zipfile.ZipFile(folder / "hers.zip") as archive:
        whole = json.loads(archive.read("data.json"))
        (scan,) = [name for name in archive.namelist() if name.startswith("documents/")]
        assert scan.endswith(".pdf")
        assert found_in(archive.read(scan)) == {"nik 1", "new name"}
    assert (whole["complete"], whole["not_answered"], sorted(whole["services"])) == (True, {}, sorted(SERVICES))
    assert found_in(json.dumps(whole, ensure_ascii=False).encode()) == set(PERSONAL)
    assert all(whole["services"][name] for name in SERVICES)
    assert (folder / "hers.zip").stat().st_mode & 0o777 == 0o600

    urls[urls.index("--notify-url") + 1] = f"http://127.0.0.1:{stack.free_port()}"
    done = CliRunner().invoke(rights, ["export", str(vendor_id), str(folder / "hers.json"), "--token", token, *urls])
    assert done.exit_code == 1, done.output
    whole = json.loads((folder / "hers.json").read_text())
    assert (whole["complete"], list(whole["not_answered"])) == (False, ["notify"])
    assert "notify: NOT in the file" in done.output


async def nothing_is_due(world: World, moment: datetime) -> bool:
    """Whether every service has worked off its timers up to this moment."""
    due = "SELECT count(*) FROM timer WHERE due_at < $1"
    return not any([await world.value(service, due, moment) for service in SERVICES])


async def steps_done(world: World, steps: int) -> bool:
    """Whether every erasure has come so far with the contact topic."""
    behind = "SELECT count(*) FROM erasure WHERE num_nonnulls(published_at, repeated_at, sealed_at) < $1"
    return not await world.value("vendor", behind, steps)


@pytest.mark.parametrize("label", PERSONAL)
def test_the_search_sees_a_value_however_it_is_written(label: str) -> None:
    text = PERSONAL[label]
    for hidden in (
        text.upper().encode(),
        text.encode("utf-16"),
        text.encode("utf-16-be"),
        text.encode().hex().encode(),
        text.encode().hex().upper().encode(),
        *(base64.b64encode(b"x" * n + text.encode() + b"y" * 5) for n in range(5)),
        base64.b64encode(text.encode("utf-16-le")),
    ):
        assert label in found_in(b'{"a": "' + hidden + b'"}')
    if text.isdigit():
        assert label in found_in(f"{text[:4]}-{text[4:8]} {text[8:]}".encode())
    assert not found_in(b"Tetangga, 3171024103950001, 081311112222")
