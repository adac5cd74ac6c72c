"""What a run leaves behind, read with plain clients: the published log, the stores, the mailbox, what was promised.

Written apart from the services on purpose: names of topics, tables and headers stand here a second time.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

__all__ = [
    "BAZAAR",
    "BAZAAR_COMMANDS",
    "COMMANDS",
    "CONTACT",
    "LISTENS",
    "NOTIFY",
    "OPERATIONS",
    "TRAINING",
    "VENDOR",
    "VENDOR_COMMANDS",
    "Entry",
    "Evidence",
    "Ledger",
    "Mail",
    "Record",
    "Report",
    "Row",
    "gather",
    "last_mail",
    "log_ends",
    "moving",
    "read_log",
]

VENDOR = "lapak.vendor.events.v1"
CONTACT = "lapak.vendor.contact.v1"
VENDOR_COMMANDS = "lapak.vendor.commands.v1"
TRAINING = "lapak.training.events.v1"
BAZAAR = "lapak.bazaar.events.v1"
BAZAAR_COMMANDS = "lapak.bazaar.commands.v1"
NOTIFY = "lapak.notify.events.v1"
OPERATIONS = "lapak.operations.events.v1"
TOPICS = (VENDOR, CONTACT, VENDOR_COMMANDS, TRAINING, BAZAAR, BAZAAR_COMMANDS, NOTIFY, OPERATIONS)
COMMANDS = (VENDOR_COMMANDS, BAZAAR_COMMANDS)

LISTENS: Mapping[str, Sequence[str]] = {
    "vendor": (VENDOR_COMMANDS,),
    "training": (VENDOR, CONTACT, BAZAAR),
    "bazaar": (VENDOR, TRAINING, BAZAAR_COMMANDS),
    "notify": (CONTACT, VENDOR, TRAINING, BAZAAR),
    "witness": TOPICS,
}
"""Service -> the topics it consumes."""

TABLES: Mapping[str, Mapping[str, str]] = {
    "vendor": {
        "vendor": "SELECT vendor_id::text, version, card_version, name, phone, email, language, kelurahan, rw, "
        "category, agency FROM vendor",
    },
    "training": {
        "vendor": "SELECT vendor_id::text, kelurahan, rw, category, agency FROM vendor",
        "trainee": "SELECT vendor_id::text, version FROM trainee",
        "training_class": "SELECT class_id::text, version FROM training_class",
        "course": "SELECT course, version FROM course",
        "vendor_name": "SELECT vendor_id::text FROM vendor_name",
        "invitation": "SELECT vendor_id::text, course FROM invitation",
        "enrolment": "SELECT vendor_id::text, class_id::text, result FROM enrolment",
    },
    "bazaar": {
        "vendor": "SELECT vendor_id::text, kelurahan, rw, category, agency FROM vendor",
        "completion": "SELECT vendor_id::text, class_id::text FROM completion",
        "bazaar": "SELECT bazaar_id::text, version FROM bazaar",
        "bazaar_request": "SELECT request_id::text, version FROM bazaar_request",
        "interest": "SELECT interest_id::text, version FROM interest",
        "application": "SELECT application_id::text, vendor_id::text, version, state FROM application",
    },
    "notify": {
        "contact": "SELECT vendor_id::text, name, phone, email, language FROM contact",
        "notification": "SELECT id::text, event_id::text, template, vendor_id::text, state, version, reason, channel "
        "FROM notification",
        "attempt": "SELECT id::text, notification_id::text, number, channel, provider, outcome, status FROM attempt",
        "receipt": "SELECT attempt_id::text, status FROM receipt",
        "reply": "SELECT reply_id::text, provider, message_id, intent FROM reply",
        "offer_answer": "SELECT command_id::text, outcome FROM offer_answer",
    },
    "witness": {
        "tally": "SELECT topic, key, count, trail FROM tally",
    },
}
MECHANISMS: Mapping[str, str] = {
    "outbox": "SELECT seq, topic, key, sequence, type FROM outbox ORDER BY seq",
    "dead_letter": "SELECT id::text, topic, partition, record_offset, convert_from(key, 'UTF8') AS key, type, state, "
    "error_kind, error FROM dead_letter",
    "parked_key": "SELECT topic, convert_from(key, 'UTF8') AS key FROM parked_key",
    "due_timer": "SELECT kind, key, due_at::text, attempts FROM timer WHERE due_at <= now()",
}
SETTLED = ("sent", "delivered", "rejected", "unknown", "expired")
READ_SECONDS_MAX = 600.0
ANSWER_SECONDS_MAX = 120.0
PAGE = 500

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """A record of the log. `sequence` is None for a command; `fault` says why its envelope could not be read."""

    topic: str
    partition: int
    offset: int
    key: str
    type: str
    id: str
    subject: str
    sequence: int | None
    value: bytes | None
    fault: str | None = None

    @property
    def mark(self) -> str:
        """What tells it from the others of its key: the version, or the id of a command."""
        return self.id if self.sequence is None else str(self.sequence)

    @property
    def place(self) -> str:
        """partition/offset."""
        return f"{self.partition}/{self.offset}"


@dataclass(frozen=True)
class Mail:
    """A message that the mail server took."""

    notification: str
    to: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """A message in the book of a provider: one that it took from us, or (`inbound`) from a person. `reference`: the
    attempt that was named with it; `status`: how far it came.
    """

    provider: str
    message_id: str
    person: str
    text: str
    inbound: bool
    reference: str
    status: str
    parts: int = 1


@dataclass(frozen=True)
class Report:
    """What a provider told of a message, and was answered for."""

    message_id: str
    reference: str
    status: str


@dataclass
class Ledger:
    """What the services acknowledged to the load, which keeps it in its own memory."""

    promised: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(topic, key, type) of the events that acknowledged commands must have."""
    people: set[str] = field(default_factory=set)
    """Phones of everybody who is to be registered, once each."""
    refused: set[str] = field(default_factory=set)
    """Ids of commands that must be refused, once each."""
    complaints: list[str] = field(default_factory=list)
    """Answers that no client should have got."""

    def promise(self, topic: str, key: str, kind: str) -> None:
        """An acknowledged command, by the event it must have."""
        self.promised[topic, key, kind] += 1


@dataclass
class Evidence:
    """Everything the checker looks at."""

    log: dict[str, list[Record]]
    """Topic -> its records by partition and offset."""
    tables: dict[str, list[Row]]
    """`service.table` -> its rows."""
    mailbox: list[Mail]
    ledger: Ledger
    books: list[Entry] = field(default_factory=list)
    told: list[Report] = field(default_factory=list)

    @property
    def services(self) -> set[str]:
        """Whose stores are here."""
        return {name.partition(".")[0] for name in self.tables}


# --- the log


async def log_ends(kafka: str) -> dict[TopicPartition, int]:
    """The end of every partition."""
    consumer = AIOKafkaConsumer(*TOPICS, bootstrap_servers=kafka, enable_auto_commit=False)
    await consumer.start()  # without a group every partition is ours
    try:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(consumer.assignment())
        return ends
    finally:
        await consumer.stop()


async def read_log(kafka: str) -> dict[str, list[Record]]:
    """Every record of every topic, from the beginning to where the log ends now."""
    consumer = AIOKafkaConsumer(
        *TOPICS, bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest", max_poll_records=5000
    )
    await consumer.start()
    found: dict[str, list[Record]] = {topic: [] for topic in TOPICS}
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        waiting = {partition for partition, end in ends.items() if end > 0}
        async with asyncio.timeout(READ_SECONDS_MAX):
            while waiting:
                for partition, batch in (await consumer.getmany(timeout_ms=200)).items():
                    found[partition.topic] += [_read(one) for one in batch if one.offset < ends[partition]]
                waiting = {one for one in waiting if await consumer.position(one) < ends[one]}
    finally:
        await consumer.stop()
    for records in found.values():
        records.sort(key=lambda record: (record.partition, record.offset))
    return found


def _read(raw: Any) -> Record:
    headers = {name: value for name, value in raw.headers if value is not None}
    fault = None
    sequence: int | None = None
    texts = {name: headers.get(name, b"").decode("utf-8", "replace") for name in ("ce_type", "ce_id", "ce_subject")}
    key = (raw.key or b"").decode("utf-8", "replace")
    if headers.get("ce_specversion") != b"1.0" or not all(texts.values()):
        fault = "it lacks a header of CloudEvents 1.0"
    elif raw.topic in COMMANDS:
        fault = "a command carries a version" if "ce_sequence" in headers else None
    elif not headers.get("ce_sequence", b"").isdigit():
        fault = "its ce_sequence is no number"
    else:
        sequence = int(headers["ce_sequence"])
        fault = "its key is not its subject" if key != texts["ce_subject"] else None
    return Record(
        raw.topic,
        raw.partition,
        raw.offset,
        key,
        texts["ce_type"],
        texts["ce_id"],
        texts["ce_subject"],
        sequence,
        raw.value,
        fault,
    )


# --- stores and mailbox


async def gather(
    kafka: str, databases: Mapping[str, str], mail_url: str, mail_after: int, providers_url: str, ledger: Ledger
) -> Evidence:
    """Read everything. `mail_after` is the last message that was in the mailbox before."""
    log = await read_log(kafka)
    stores = await asyncio.gather(*(_read_store(service, dsn) for service, dsn in databases.items()))
    tables = {name: rows for store in stores for name, rows in store.items()}
    books = [_entry(row) for row in await _read_pages(f"{providers_url}/admin/messages", "messages")]
    told = [_report(row) for row in await _read_pages(f"{providers_url}/admin/told", "told") if row["reference"]]
    return Evidence(log, tables, await _read_mail(mail_url, mail_after), ledger, books, told)


async def _read_store(service: str, dsn: str) -> dict[str, list[Row]]:
    conn = await asyncpg.connect(dsn)
    try:
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            return {
                f"{service}.{table}": [dict(row) for row in await conn.fetch(query)]
                for table, query in {**TABLES[service], **MECHANISMS}.items()
            }
    finally:
        await conn.close()


async def last_mail(mail_url: str) -> int:
    """The number of the newest message in the mailbox."""
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS_MAX) as client:
        found = (await client.get(f"{mail_url}/messages", params={"limit": 1})).raise_for_status().json()
    newest: list[dict[str, int]] = found["messages"]
    return newest[0]["id"] if newest else 0


async def _read_mail(mail_url: str, after: int) -> list[Mail]:
    found: list[Mail] = []
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS_MAX) as client:
        while True:
            answer = await client.get(f"{mail_url}/messages", params={"limit": PAGE, "after": after})
            page = answer.raise_for_status().json()["messages"]
            found += [Mail(one["notification"] or "", tuple(one["to"])) for one in page]
            if len(page) < PAGE:
                return found
            after = page[-1]["id"]


async def _read_pages(url: str, name: str) -> list[Any]:
    found: list[Any] = []
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS_MAX) as client:
        while True:
            after = found[-1]["id"] if found else 0
            answer = await client.get(url, params={"limit": PAGE, "after": after})
            page = answer.raise_for_status().json()[name]
            found += page
            if len(page) < PAGE:
                return found


def _attempt(reference: str | None) -> str:
    """The attempt that a reference names: Vonage's carries the number of parts besides."""
    return (reference or "").partition(".")[0]


def _entry(row: Any) -> Entry:
    return Entry(
        row["provider"],
        row["message_id"],
        row["person"],
        row["text"],
        row["inbound"],
        _attempt(row["reference"]),
        row["status"],
        row["parts"],
    )


def _report(row: Any) -> Report:
    return Report(row["message_id"], _attempt(row["reference"]), row["status"])


# --- rest


async def moving(kafka: str, databases: Mapping[str, str], providers_url: str) -> dict[str, int]:
    """What is still under way, by what it is; empty when all has come to rest."""
    ends = await log_ends(kafka)
    found: dict[str, int] = {}
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS_MAX) as client:
        pending = (await client.get(f"{providers_url}/admin/pending")).raise_for_status().json()
        found["reports of providers"] = sum(pending.values())
    for service, dsn in databases.items():
        conn = await asyncpg.connect(dsn)
        try:
            standing = {
                (row["topic"], row["partition"]): row["next_offset"]
                for row in await conn.fetch("SELECT topic, partition, next_offset FROM consumer_offset")
            }
            found[f"{service} outbox"] = await conn.fetchval("SELECT count(*) FROM outbox")
            found[f"{service} timers due"] = await conn.fetchval("SELECT count(*) FROM timer WHERE due_at <= now()")
            if service == "notify":
                found["messages to send"] = await conn.fetchval(
                    "SELECT count(*) FROM notification WHERE state <> ALL($1)", SETTLED
                )
        finally:
            await conn.close()
        for (topic, partition), end in ends.items():
            if topic in LISTENS[service]:
                lag = end - standing.get((topic, partition), 0)
                found[f"{service} behind {topic}"] = found.get(f"{service} behind {topic}", 0) + abs(lag)
    return {what: count for what, count in found.items() if count}
