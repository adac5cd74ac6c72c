"""Everything that notify does, at once and by chance, over few people: what is true of its books afterwards.

Deliveries, receipts in any order and doubled, replies, wishes, consents, cards that come late and change, merges that
are undone, erasures, digests, broadcasts that are paused and stopped, templates that are paused, files that go along,
operators who settle and send again, retention, a clock that jumps.
`LAPAK_HAMMER_SECONDS` makes it last longer.
"""

import asyncio
import base64
import os
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import time
from typing import Any, cast
from uuid import UUID

from services.notify.channels import Letter
from services.notify.delivery import Delivery, Outlet
from services.notify.domain.attachments import AttachFile, AttachmentNeedsEmail
from services.notify.domain.broadcasts import BroadcastNotIn, EndBroadcast
from services.notify.domain.budgets import ProviderBudget
from services.notify.domain.delivery import Accepted, Ambiguous, Deferred, NotUnknown, Rejected, SettleNotification
from services.notify.domain.keys import CreateKey, Key, Recipient, ReferenceReused, SendMessage
from services.notify.domain.pauses import PauseTemplate, ResumeTemplate, TemplateStands
from services.notify.domain.reports import Receipt, Reply, Report, Status
from services.notify.domain.resends import ResendNotification, ResendRefused
from services.notify.domain.routing import Rules
from services.notify.domain.told import find_told
from services.notify.domain.wishes import ChangeWishes, VendorNotKnown
from services.notify.expansion import Expansion
from services.notify.handlers import broadcasts, changes, inbox, keys, pauses, resends, retention, wishes
from services.notify.handlers import delivery as handlers
from services.notify.handlers.attachments import read_and_seal
from services.notify.handlers.broadcasts import Actor
from services.notify.handlers.reports import apart, take_reports
from services.notify.plans import DIGEST, TOPICS
from services.notify.store import lookups
from shared.db import Connection
from shared.events.notify import Channel
from shared.events.rights import VendorErased
from shared.events.vendor import VendorMoved, VendorUnmerged
from shared.failures import is_outage
from shared.ids import new_id
from tests.conftest import StandingClock
from tests.integration.backbone import until
from tests.integration.notify import QUICK, Desk, card, enrolled, offer, people
from tests.integration.notify_scripts import Act, Scripted
from tests.integration.notify_wishes import PAUSES, completed, consented, merged, withdrawn
from tests.integration.outside import PARAMS, TEMPLATE, Outside

SECONDS = float(os.environ.get("LAPAK_HAMMER_SECONDS", "4"))
VENDORS = 24
RULES = Rules(PAUSES.channels, PAUSES.hours, (time(10), time(16)))
PACE = replace(QUICK, lines=3, sending_seconds=10, claim_seconds=2, silence={"whatsapp": 0.4, "sms": 0.4})
AT_REST = {"sent", "delivered", "rejected", "unknown", "expired", "digested", "cancelled"}
EXPECTED = (
    VendorNotKnown,
    NotUnknown,
    ResendRefused,
    BroadcastNotIn,
    TemplateStands,
    ReferenceReused,
    AttachmentNeedsEmail,
)
PAUSED = ("training-enrolled", "training-completed", "booth-assigned", TEMPLATE, DIGEST)
ANI = Actor("ani", None)


@dataclass
class Anvil:
    """Notify under the hammer. `chance` decides all that happens."""

    desk: Desk
    clock: StandingClock
    chance: random.Random
    vendors: list[UUID] = field(default_factory=lambda: people(VENDORS))
    providers: list[Scripted] = field(default_factory=list)
    fates: dict[UUID, list[Status]] = field(default_factory=dict)
    broadcasts: list[UUID] = field(default_factory=list)
    merges: list[tuple[UUID, UUID]] = field(default_factory=list)
    key: Key | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    done: Counter[str] = field(default_factory=Counter)

    # --- providers

    def outlets(self) -> list[Outlet]:
        """Two numbers of WhatsApp, of one portfolio; one provider of SMS, and mail."""
        kinds: list[tuple[str, Channel]] = [("wa-1", "whatsapp"), ("wa-2", "whatsapp"), ("sms-a", "sms")]
        self.providers = [Scripted(name, channel, self.act) for name, channel in [*kinds, ("smtp", "email")]]
        limits = {
            "wa-1": ProviderBudget("wa-1", "wa", 200, 0.0, 100_000, 10**12, 300_000, 10),
            "wa-2": ProviderBudget("wa-2", "wa", 200, 0.0, 100_000, 10**12, 300_000, 10),
        }
        return [Outlet(one, weight=60, budget=limits.get(one.name)) for one in self.providers]

    def act(self, letter: Letter) -> Act:
        """What a provider does with a message."""
        draw = self.chance.random()
        if draw < 0.04:
            return Act(Rejected("131026", "unreachable" if draw < 0.005 else "other"), False)
        if draw < 0.10:
            return Act(Deferred("451", "message", 0.05), False)
        if draw < 0.12:
            return Act(Deferred("429", "provider", 0.05), False)
        if draw < 0.16:
            return Act(Ambiguous("timed-out"), draw < 0.14)
        return Act(Accepted("200", f"m-{letter.attempt_id}", 1, 300_000), True)

    def fate(self, attempt_id: UUID) -> list[Status]:
        """What a provider says of a message in its hands, once for all."""
        ways: list[list[Status]] = [["sent", "delivered", "read"], ["sent", "delivered"], ["sent", "failed"], []]
        return self.fates.setdefault(attempt_id, self.chance.choices(ways, [3, 3, 3, 2])[0])

    async def report(self) -> None:
        """A call of a provider: receipts of several messages, in any order, some again; perhaps with a reply."""
        provider = self.chance.choice(self.providers[:3])
        letters = self.chance.sample(provider.taken, min(len(provider.taken), 8))
        reports: list[Report] = [
            Receipt(provider.name, letter.attempt_id, None, status, self.clock.now(), "131026")
            for letter in letters
            for status in self.fate(letter.attempt_id)
        ]
        for _ in range(self.chance.choice([0, 0, 1, 3])):
            words = self.chance.choice(["STOP", "MULAI", "JADWAL", "KENAPA", "YA", "tidak", "apa kabar"])
            number = phone(self.chance.randrange(VENDORS))
            reports.append(Reply(provider.name, provider.channel, str(new_id()), number, words, self.clock.now()))
        self.chance.shuffle(reports)
        for some in apart(reports):
            await self.transaction(
                lambda conn, some=some: take_reports(  # type: ignore[misc]
                    conn, some, sealer=self.desk.sealer, now=self.clock.now()
                )
            )

    # --- events

    async def bazaar(self) -> None:
        """Offers, some soon worthless."""
        hours = self.chance.choice([1, 6, 48])
        await self.desk.hear(*(offer(one, self.clock.now(), hours) for one in self.some()))

    async def training(self) -> None:
        """Messages that leave at once, and such that wait for a digest."""
        some = self.some(6)
        await self.desk.hear(*(enrolled(one) if self.chance.random() < 0.5 else completed(one) for one in some))

    async def cards(self) -> None:
        """Cards come, late and again, with other addresses."""
        cards = []
        for one in self.some():
            place = self.vendors.index(one)
            number = phone(self.chance.choice([place, place, place // 2]))
            cards.append(card(one, self.chance.choice(["", "", None]), phone=number))
        await self.desk.hear(*cards)

    async def registry(self) -> None:
        """People move, are merged, are erased: several at once."""
        draw = self.chance.random()
        if draw < 0.3:
            gone = self.some(2)
            await self.desk.hear(*(VendorErased(vendor_id=one, erasure_id=new_id()) for one in gone))
            for one in gone:  # somebody else comes
                self.vendors[self.vendors.index(one)] = new_id()
        elif draw < 0.5:
            one, other = self.chance.sample(self.vendors, 2)
            self.merges.append((one, other))
            await self.desk.hear(merged(one, other))
        elif draw < 0.6 and self.merges:
            one, other = self.merges.pop(self.chance.randrange(len(self.merges)))
            await self.desk.hear(VendorUnmerged(vendor_id=one, out_of=other, merge_id=new_id()))
        elif draw < 0.7:
            await self.desk.hear(*(withdrawn(one) for one in self.some()))
        else:
            await self.desk.hear(
                *(VendorMoved(vendor_id=one, kelurahan="31.71.02.1002", rw="001", rt="001") for one in self.some()),
                *(consented(one) for one in self.some()),
            )

    # --- people

    async def wish(self) -> None:
        """Somebody changes what it wants, or reads its messages."""
        one = self.chance.choice(self.vendors)
        body = {"topics": {self.chance.choice(TOPICS): {"email": self.chance.random() < 0.5}}}
        await self.transaction(
            lambda conn: wishes.change_wishes(
                conn, one, ChangeWishes.model_validate(body), by="person", actor=None, now=self.clock.now()
            )
        )
        found = await self.ids("SELECT id, vendor_id FROM notification ORDER BY random() LIMIT 3")
        for row in found:
            await self.transaction(
                lambda conn, row=row: inbox.read_message(  # type: ignore[misc]
                    conn, row["id"], [row["vendor_id"]], now=self.clock.now()
                )
            )

    async def operate(self) -> None:
        """Operators settle what is unknown by the provider's log, and send again what failed."""
        held = {letter.attempt_id for one in self.providers for letter in one.taken}
        for row in await self.ids("SELECT id, attempt_id FROM notification WHERE state = 'unknown' LIMIT 3"):
            outcome = "sent" if row["attempt_id"] in held else "not-sent"
            command = SettleNotification.model_validate({"outcome": outcome, "reason": "looked"})
            await self.transaction(
                lambda conn, row=row, command=command: handlers.settle_by_hand(  # type: ignore[misc]
                    conn, row["id"], command, by="op", now=self.clock.now()
                )
            )
        for row in await self.ids("SELECT id FROM notification WHERE state = 'rejected' ORDER BY random() LIMIT 1"):
            await self.transaction(
                lambda conn, row=row: resends.resend(  # type: ignore[misc]
                    conn,
                    row["id"],
                    ResendNotification(reason="once more"),
                    sealer=self.desk.sealer,
                    by="op",
                    now=self.clock.now(),
                )
            )

    async def announce(self) -> None:
        """A message to many begins, or one is paused, resumed or stopped."""
        if not self.broadcasts or self.chance.random() < 0.2:
            with_words = await self.ids(
                "SELECT template_version, params FROM notification WHERE template = 'training-enrolled' "
                "AND params <> '{}' LIMIT 1"
            )
            if with_words:
                self.broadcasts.append(await self.begin(with_words[0]))
            return
        broadcast_id = self.chance.choice(self.broadcasts)
        step = self.chance.choice([broadcasts.pause, broadcasts.resume, broadcasts.resume, broadcasts.stop])
        await self.transaction(
            lambda conn: step(conn, broadcast_id, EndBroadcast(reason="so"), ANI, now=self.clock.now())
        )

    async def begin(self, words: dict[str, Any]) -> UUID:
        """A broadcast that runs, to whoever is there now."""
        broadcast_id = new_id()
        async with self.desk.database.transaction() as conn:
            await conn.execute(
                "INSERT INTO broadcast (broadcast_id, state, version, template, template_version, params, topic, "
                "channels, areas, by_list, deadline, drafted_by, drafted_at, approved_at, recipients) "
                "VALUES ($1, 'running', 1, 'training-enrolled', $2, $3, 'training', '{whatsapp,email}', '{31}', false, "
                "$4::timestamptz + interval '1 day', 'ani', $4, $4, $5)",
                broadcast_id,
                words["template_version"],
                words["params"],
                self.clock.now(),
                len(self.vendors),
            )
            await conn.execute(
                "INSERT INTO broadcast_recipient SELECT $1, 'whatsapp', unnest($2::uuid[])", broadcast_id, self.vendors
            )
            await conn.execute(
                "INSERT INTO broadcast_way (broadcast_id, channel, recipients) VALUES ($1, 'whatsapp', $2)",
                broadcast_id,
                len(self.vendors),
            )
        return broadcast_id

    async def halt(self) -> None:
        """The words of a template are wrong: from the answer on it leaves no more, until it is resumed."""
        template = self.chance.choice(PAUSED)
        await self.pause(template)
        begun = await self.attempts_of(template)
        await asyncio.sleep(self.chance.random() * 0.1)
        assert await self.attempts_of(template) == begun, f"{template} left while it was paused"
        await self.resume(template, self.chance.choice(["current", "planned"]))

    async def pause(self, template: str) -> None:
        command = PauseTemplate(reason="wrong-text")
        await self.transaction(lambda conn: pauses.pause(conn, template, command, by="op", now=self.clock.now()))

    async def resume(self, template: str, words: Any) -> None:
        command = ResumeTemplate(reason="settled", words=words)
        await self.transaction(lambda conn: pauses.resume(conn, template, command, by="op", now=self.clock.now()))

    async def attempts_of(self, template: str) -> int:
        """How many attempts were begun at messages of a template."""
        async with self.desk.database.read() as conn:
            found: int = await conn.fetchval(
                "SELECT count(*) FROM attempt AS a JOIN notification AS n ON n.id = a.notification_id "
                "WHERE n.template = $1",
                template,
            )
        return found

    async def attach(self) -> None:
        """Another system sends somebody a letter."""
        assert self.key is not None
        key, sealer = self.key, self.desk.sealer
        file = AttachFile(name="surat.pdf", content=base64.b64encode(b"%PDF-1.7\n" + os.urandom(500)).decode())
        command = SendMessage(
            template=TEMPLATE,
            recipient=Recipient(vendor_id=self.chance.choice(self.vendors)),
            params=PARAMS,
            reference=f"r-{self.chance.randrange(50)}",
            attachments=(file,) * self.chance.choice([0, 1]),
        )
        files = read_and_seal(command.attachments, sealer)
        await self.transaction(
            lambda conn: keys.send(conn, key, command, files=files, sealer=sealer, now=self.clock.now())
        )

    # --- time

    async def keep(self) -> None:
        """The clock moves on, sometimes back; timers fire."""
        self.clock.advance(minutes=self.chance.choice([1, 1, 30, 90, -20]))
        for timer in (retention.count_figures, retention.forgets(7, 365)):
            await self.transaction(lambda conn, timer=timer: timer(conn, "", self.clock.now()))  # type: ignore[misc]
        for row in await self.ids("SELECT key FROM timer WHERE kind = 'wishes.route-anew' LIMIT 5"):
            await self.transaction(
                lambda conn, row=row: changes.route_anew(conn, row["key"], self.clock.now())  # type: ignore[misc]
            )

    # --- means

    def some(self, most: int = 4) -> list[UUID]:
        """A few of the people."""
        return self.chance.sample(self.vendors, self.chance.randint(1, most))

    async def ids(self, sql: str) -> list[dict[str, Any]]:
        """Rows."""
        async with self.desk.database.read() as conn:
            return [dict(row) for row in await conn.fetch(sql)]

    async def transaction(self, act: Callable[[Connection], Awaitable[object]]) -> None:
        """One transaction, which may be refused."""
        try:
            async with self.desk.database.transaction() as conn:
                await act(conn)
        except EXPECTED as refusal:
            self.done[type(refusal).__name__] += 1
        except Exception as error:
            if not is_outage(error):
                raise
            self.done["outage"] += 1

    async def again(self, act: Callable[[], Awaitable[None]]) -> None:
        """Until it is over."""
        while not self.over.is_set():
            await act()
            self.done[act.__name__] += 1
            await asyncio.sleep(self.chance.random() * 0.02)


def phone(number: int) -> str:
    return f"+62812777{number:05d}"


async def test_whatever_happens_at_once_the_books_are_true_afterwards(desk: Desk, clock: StandingClock) -> None:
    anvil = Anvil(desk, clock, random.Random(os.environ.get("LAPAK_HAMMER_SEED")))
    await Outside(desk, cast(Any, None), cast(Any, None)).template()
    async with desk.database.transaction() as conn:
        command = CreateKey(kind="normal", name="Uji", topic="programme")
        anvil.key = (await keys.create_key(conn, command, per_minute=10**6, by="op", now=clock.now())).key
    clock.advance(hours=-1)  # eight o'clock
    await anvil.registry()
    await desk.hear(*(card(one, phone=phone(place)) for place, one in enumerate(anvil.vendors[: VENDORS // 2])))
    outlets = anvil.outlets()
    stopping = asyncio.Event()
    deliveries = [
        asyncio.create_task(
            Delivery(desk.database, clock, outlets, PACE, sealer=desk.sealer, rules=RULES).run(stopping)
        )
        for _ in range(2)
    ]
    expansion = asyncio.create_task(Expansion(desk.database, clock, poll_seconds=0.05).run(stopping))
    workers = [anvil.bazaar, anvil.training, anvil.cards, anvil.registry, anvil.report, anvil.report, anvil.wish]
    workers += [anvil.operate, anvil.announce, anvil.keep, anvil.halt, anvil.attach]
    tasks = [asyncio.create_task(anvil.again(worker)) for worker in workers]
    await asyncio.wait(tasks, timeout=SECONDS, return_when=asyncio.FIRST_EXCEPTION)
    anvil.over.set()
    await asyncio.gather(*tasks)
    for template in PAUSED:
        await anvil.resume(template, "current")
    # what waits for its moment has it, and then is worthless
    for hours in (16, 24, 24, 24 * 10):
        clock.advance(hours=hours)
        await _rest(anvil, {"deferred", "held", "waiting_contact"})
    await _rest(anvil, set())
    stopping.set()
    await asyncio.gather(*deliveries, expansion)
    for problem in await _problems(anvil):
        raise AssertionError(f"{problem}; {dict(anvil.done)}; {await desk.states()}")


async def _rest(anvil: Anvil, also: set[str]) -> None:
    """Wait until nothing is on its way."""

    async def at_rest() -> bool:
        await anvil.desk.hurry_retries()
        return set(await anvil.desk.states()) <= AT_REST | also

    try:
        await until(at_rest, 30)
    except TimeoutError:
        stuck = [row for row in await anvil.desk.rows() if row["state"] not in AT_REST | also]
        raise AssertionError(f"{len(stuck)} do not come to rest at {anvil.clock.now()}: {stuck[:2]}") from None


async def _problems(anvil: Anvil) -> list[str]:
    """What is not as it should be."""
    desk, found = anvil.desk, []
    rows = {row["id"]: row for row in await desk.rows()}
    told: dict[UUID, list[tuple[int, str, str]]] = defaultdict(list)
    async with desk.database.read() as conn:
        for one_event in await conn.fetch(
            "SELECT key, sequence, type, convert_from(payload, 'UTF8')::json ->> 'reason' AS reason FROM outbox "
            "WHERE starts_with(type, 'Notification') ORDER BY seq"
        ):
            key = UUID(one_event["key"])
            told[key].append((one_event["sequence"], one_event["type"], one_event["reason"]))
        lives = {
            one: find_told(await lookups.find_notification(conn, one) or {}, await lookups.find_attempts(conn, one))
            for one in rows
        }
        files_of_nobody = await conn.fetchval(
            "SELECT count(*) FROM attachment AS a JOIN notification AS n ON n.id = a.notification_id "
            "JOIN erased_vendor AS e ON e.vendor_id = n.vendor_id"
        )
        failed = Counter(
            row["notification_id"]
            for row in await conn.fetch("SELECT notification_id FROM attempt WHERE status = 'failed'")
        )
        deadlocks = await conn.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        people_counted = await conn.fetch(
            "SELECT p.portfolio FROM budget_portfolio AS p WHERE p.recipients <> "
            "(SELECT count(*) FROM budget_recipient AS r WHERE r.portfolio = p.portfolio)"
        )
        uncounted = await conn.fetchval(
            "SELECT (SELECT count(*) FROM notification WHERE counted) "
            "- coalesce((SELECT sum(n) FROM daily_figure WHERE about = 'message'), 0)"
        )
    taken = Counter(letter.notification_id for one in anvil.providers for letter in one.taken)
    if anvil.done["outage"] or deadlocks:
        found.append(f"{deadlocks} deadlocks")
    if people_counted or uncounted:
        found.append(f"counters: {people_counted}, {uncounted}")
    if files_of_nobody:
        found.append(f"{files_of_nobody} files of people who are erased")
    found += [
        f"{letter.notification_id} left without its files"
        for letter in anvil.providers[-1].taken
        if len(letter.content.attachments) != rows[letter.notification_id]["files"]  # type: ignore[union-attr]
    ]
    for one, row in rows.items():
        events = told[one]
        kinds = Counter(kind for _, kind, _ in events)
        if [number for number, _, _ in events] != list(range(1, row["version"] + 1)):
            found.append(f"versions of {one}: {events}, {row['version']}")
        life, untraced = lives[one]
        # a receipt that comes late says better why a channel had failed than its event could
        said = Counter((each.type, each.reason) for each in life if each.type == "NotificationFailed")
        if (
            Counter(each.type for each in life) - kinds
            or said - Counter((kind, reason) for _, kind, reason in events)
            or len(life) + untraced != row["version"]
        ):
            found.append(f"the page tells {life}, and {untraced} more, of {events}")
        if any(kinds[kind] > 1 for kind in ("NotificationSent", "NotificationDelivered", "NotificationRead")):
            found.append(f"told twice: {events}")
        if (kinds["NotificationSent"] > 0) != (row["sent_at"] is not None):
            found.append(f"sent and not told, or told and not sent: {row['state']}, {events}")
        silences = sum(reason == "no-receipt" for _, _, reason in events)
        if taken[one] > 1 + failed[one] + silences:
            found.append(
                f"taken {taken[one]} times: {row['state']} {failed[one]} failed, {silences} silences, {events}"
            )
        if row["state"] not in AT_REST:
            found.append(f"{row['state']} at the end")
        if row["state"] in ("rejected", "expired") and not row["digest_id"] and taken[one] > failed[one]:
            found.append(f"{row['state']}, and yet in somebody's hands: {events}")
        if row["state"] == "delivered" and not (kinds["NotificationDelivered"] or row["channel"] == "inbox"):
            found.append(f"delivered and not told: {events}")
    return found
