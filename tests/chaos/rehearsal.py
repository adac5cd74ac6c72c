"""Before a run the checker proves itself awake, on real servers: it finds nothing in an orderly log, and then exactly
what was spoiled on purpose.

One event is removed from the outbox, one is published after its successor, and one is published again to a witness
whose check for duplicates is switched off. In the book of a provider one message is doubled and one removed, and of
one a report is forgotten.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg

from deploy.local import services
from deploy.local.demo.doors import everything_on, resend
from deploy.local.demo.people import make_people
from deploy.local.stack import Running
from shared.events.envelope import Envelope, write_headers
from shared.kafka import open_producer
from tests.chaos.channels import opened
from tests.chaos.checker import Finding, judge
from tests.chaos.evidence import NOTIFY, VENDOR, Evidence, gather, last_mail
from tests.chaos.fleet import Fleet
from tests.chaos.load import Load
from tests.chaos.setting import come_to_rest, fresh_databases, fresh_topics

__all__ = ["Asleep", "prove_awake"]

REST_SECONDS_MAX = 300.0
PEOPLE = 6
# One event does not reach the relay, as if its row had been removed; of another vendor it is held back.
SPOIL = """
CREATE TABLE held AS TABLE outbox WITH NO DATA;
CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO held SELECT (NEW).*;
    DELETE FROM outbox WHERE seq = NEW.seq;
    RETURN NULL;
END $$;
CREATE TRIGGER spoil AFTER INSERT ON outbox FOR EACH ROW WHEN (NEW.sequence = 2) EXECUTE FUNCTION spoil();
"""


# Under a number that the emulator, which counts by itself, never gives.
DOUBLE = """
INSERT INTO messages (id, provider, account, message_id, person, sender, text, at, inbound, reference, kind, template,
    buttons, callback, parts, steps)
SELECT 1 << 40, provider, account, message_id || '-again', person, sender, text, at, inbound, reference, kind, template,
    buttons, callback, parts, steps FROM messages WHERE reference = ?
"""


class Asleep(RuntimeError):
    """The checker overlooked a planted fault, or saw one where none was: its verdict would be worth nothing."""


async def prove_awake(running: Running) -> list[Finding]:
    """Plant the faults and return what the checker reported. Raises `Asleep` when it is not exactly that."""
    await fresh_topics(running.kafka)
    async with (
        opened(running, seed=0) as channels,
        fresh_databases(running, ["vendor", "notify", "witness"], forgetful=True) as databases,
        Fleet(running, databases, channels, instances=(1,)) as fleet,
        Load(fleet, services.issuer(running), seed=0) as load,
    ):
        await fleet.serving()
        mail = await last_mail(running.mail_url)
        lost, late, doubled, *others = await _register(load)

        async def found() -> tuple[Evidence, list[Finding]]:
            _, left = await come_to_rest(running, databases, REST_SECONDS_MAX)
            if left:
                raise Asleep(f"the rehearsal did not come to rest: {left}")
            evidence = await gather(
                running.kafka, databases, running.mail_url, mail, running.providers_url, load.ledger
            )
            return evidence, judge(evidence)

        evidence, before = await found()
        if before:
            raise Asleep("the checker reports faults in an orderly log:\n" + "\n".join(map(str, before)))
        await _spoil(running, databases["vendor"], load, lost, late, doubled)
        told = {row["vendor_id"]: row["id"] for row in evidence.tables["notify.notification"]}
        twice, gone, unheard = [told[vendor_id] for vendor_id in others]
        await _spoil_books(running, databases["notify"], twice, gone, unheard)
        _, after = await found()
    planted = {
        ("lost", VENDOR, lost, "2"),
        ("lost", VENDOR, lost, "VendorCategoryChosen"),
        ("effect wrong", VENDOR, lost, ""),
        ("disordered", VENDOR, late, "2"),
        ("effect doubled", VENDOR, doubled, "1"),
        ("told twice", NOTIFY, twice, "welcome"),
        ("told twice", NOTIFY, twice, _attempt_of(evidence, twice)),
        ("contradicted", NOTIFY, gone, "welcome"),
        ("not told", NOTIFY, gone, _attempt_of(evidence, gone)),
        *(("without cause", NOTIFY, gone, status) for status in _reports_of(evidence, gone)),
        ("effect lost", NOTIFY, unheard, "delivered"),
    }
    reported = {finding[:4] for finding in after}
    if reported != planted:
        raise Asleep(f"overlooked: {sorted(planted - reported)}; made up: {sorted(reported - planted)}")
    return after


async def _register(load: Load) -> list[str]:
    people = make_people(PEOPLE, seed=0)
    load.ledger.people |= {person.phone for person in people}
    answers = [await load.ask("vendor", "/v1/vendors", person.fields()) for person in people]
    ids: list[str] = [answer["vendor_id"] for answer in answers]
    for vendor_id in ids:
        load.ledger.promise(VENDOR, vendor_id, "VendorRegistered")
    return ids


async def _spoil(running: Running, dsn: str, load: Load, lost: str, late: str, doubled: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(SPOIL)
        for vendor_id in (lost, late):
            for what, kind, codes in (
                ("category", "VendorCategoryChosen", ("health", "food-drink")),
                ("agency", "VendorCoached", ("sosial", "kpkp")),
            ):
                version = await conn.fetchval("SELECT version FROM vendor WHERE vendor_id = $1", vendor_id)
                for code in codes:  # the second only where the first was what the vendor had already
                    if await conn.fetchval("SELECT version FROM vendor WHERE vendor_id = $1", vendor_id) == version:
                        await load.ask("vendor", f"/v1/vendors/{vendor_id}/{what}", {what: code})
                load.ledger.promise(VENDOR, vendor_id, kind)
        (held,) = await conn.fetch("SELECT * FROM held WHERE key = $1", late)
    finally:
        await conn.close()
    records = await _published(running, {f"{late} 3", f"{doubled} 1"})
    await resend(running.kafka, VENDOR, [records[f"{doubled} 1"]])
    envelope = Envelope(
        held["event_id"], held["type"], "lapak/vendor", held["occurred_at"], held["key"], held["sequence"], None
    )
    producer = await open_producer(running.kafka, "chaos-rehearsal")
    try:
        await producer.send_and_wait(VENDOR, held["payload"], key=late.encode(), headers=write_headers(envelope))
    finally:
        await producer.stop()


async def _spoil_books(running: Running, dsn: str, twice: str, gone: str, unheard: str) -> None:
    """A message is in the book of its provider twice, one is not there any more, and of one a report was forgotten."""
    conn = await asyncpg.connect(dsn)
    try:
        attempt = "SELECT id::text FROM attempt WHERE notification_id = $1"
        doubled, removed = await conn.fetchval(attempt, twice), await conn.fetchval(attempt, gone)
        await conn.execute(
            "DELETE FROM receipt WHERE status = 'delivered' "
            "AND attempt_id = (SELECT id FROM attempt WHERE notification_id = $1)",
            unheard,
        )
    finally:
        await conn.close()
    book = running.state_dir / "providers" / "providers.sqlite3"
    await asyncio.to_thread(_write, book, DOUBLE, [doubled])
    await asyncio.to_thread(_write, book, "DELETE FROM messages WHERE reference = ?", [removed])


def _write(book: Path, statement: str, values: Sequence[Any]) -> None:
    with closing(sqlite3.connect(book, timeout=30)) as connection, connection:
        assert connection.execute(statement, values).rowcount == 1, statement


def _attempt_of(evidence: Evidence, notification: str) -> str:
    (attempt,) = [row for row in evidence.tables["notify.attempt"] if row["notification_id"] == notification]
    return str(attempt["id"])


def _reports_of(evidence: Evidence, notification: str) -> list[str]:
    attempt = _attempt_of(evidence, notification)
    return [row["status"] for row in evidence.tables["notify.receipt"] if row["attempt_id"] == attempt]


async def _published(running: Running, wanted: set[str]) -> dict[str, object]:
    """`key version` -> its raw record, once all of these are there."""
    async with asyncio.timeout(REST_SECONDS_MAX):
        while True:
            found = {
                f"{raw.key.decode()} {dict(raw.headers)['ce_sequence'].decode()}": raw
                for raw in await everything_on(running.kafka, VENDOR)
            }
            if wanted <= found.keys():
                return found
            await asyncio.sleep(0.1)
