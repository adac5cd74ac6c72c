"""One story of messages, as those who have the phones live it: offers, answers by phone, a night, a crash, a stop.

The stack is a newcomer's: four services, PostgreSQL, Kafka, the emulated WhatsApp and SMS. What is said of a message by
its own page is held against the books of the phones at the end.
"""

import asyncio
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest

from deploy.local import messengers, services, stack
from deploy.local.demo.doors import Doors
from deploy.local.demo.people import make_people
from deploy.local.providers.faults import Faults
from deploy.local.stack import Running
from deploy.local.state import state_dir
from shared.clock import JAKARTA
from tests.integration.backbone import is_lag_only

STACK = f"story-{os.getpid()}"
SECONDS_MAX = 120.0
"""Only a wait in vain lasts so long."""
AREA = "31.71"
KELURAHAN = "31.71.02.1002"
PEOPLE = 4
SEED = 41
ARRIVED = ("delivered", "read")
SETTLED = (*ARRIVED, "rejected")
SLOW = {"time_out": 1.0, "sent_ms": 8000, "delivered_ms": 8000}
"""A gateway that takes a message, never answers, and reports late: so notify dies before it knows of anything."""

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Vendor:
    """Somebody with a phone."""

    name: str
    phone: str
    vendor_id: str
    token: str


@dataclass
class Town:
    """The running stack, and what people do in it."""

    running: Running
    doors: Doors
    emulator: httpx.AsyncClient

    # --- time and processes

    def clock(self, moment: str) -> None:
        """Take everything to a moment in Jakarta."""
        services.set_clock(self.running, wib(moment))

    async def start(self) -> None:
        """Start what does not run."""
        await asyncio.to_thread(_start, self.running)

    async def until(self, true: Callable[[], Awaitable[Any]], what: str) -> Any:
        """Wait for something, and give it."""
        try:
            async with asyncio.timeout(SECONDS_MAX):
                while not (found := await true()):  # noqa: ASYNC110 - other processes are waited for
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"waited in vain for {what}")
        return found

    # --- vendors and bazaars

    async def settle(self) -> list[Vendor]:
        """Vendors with a phone and no e-mail, whom every service knows."""
        vendors = []
        for person in make_people(PEOPLE, SEED):
            card = person.fields() | {"email": None, "kelurahan": KELURAHAN}
            answer = await self.doors.done("vendor", "/v1/vendors", card, token=self.doors.person())
            token = self.doors.vendor(answer["vendor_id"])
            vendors.append(Vendor(person.name, person.phone, answer["vendor_id"], token))

        async def known() -> bool:
            copies = [await self.doors.get(name, "/v1/projections") for name in ("bazaar", "notify")]
            return [copies[0]["vendors"]["count"], copies[1]["contacts"]["count"]] == [PEOPLE, PEOPLE]

        await self.until(known, "the services to know everybody")
        return vendors

    async def announce(self, name: str, day: str, *, close: str) -> str:
        """A bazaar with one booth."""
        venue = {"kind": "rptra", "name": f"RPTRA {name}", "kelurahan": KELURAHAN, "capacity": 1}
        venue_id = (await self.doors.done("bazaar", "/v1/venues", venue))["venue_id"]
        site = {
            "site_id": "hall",
            "venue_id": venue_id,
            "name": f"RPTRA {name}",
            "venue_type": "rptra",
            "kelurahan": KELURAHAN,
            "booths": 1,
        }
        body = {
            "name": f"Bazar {name}",
            "area": AREA,
            "days": [day],
            "sites": [site],
            "organisers": ["Dinas PPKUKM"],
            "applications_close_at": wib(close).isoformat(),
            "policy": {"training_required": False},
        }
        bazaar_id: str = (await self.doors.done("bazaar", "/v1/bazaars", body))["bazaar_id"]
        await self.doors.done("bazaar", f"/v1/bazaars/{bazaar_id}/announce")
        return bazaar_id

    async def apply(self, vendor: Vendor, bazaar_id: str) -> str:
        """Apply as that vendor."""
        path, body = f"/v1/bazaars/{bazaar_id}/applications", {"choices": [["hall"]]}
        application_id: str = (await self.doors.done("bazaar", path, body, token=vendor.token))["application_id"]
        return application_id

    async def allocate(self, bazaar_id: str) -> None:
        """Freeze, draw, allocate."""
        path = f"/v1/bazaars/{bazaar_id}"
        await self.doors.done("bazaar", f"{path}/freeze")
        await self.doors.done("bazaar", f"{path}/seed", {"seed": "4711", "source": "undian terbuka"})
        await self.doors.done("bazaar", f"{path}/allocate")

    async def application(self, application_id: str) -> Row:
        """As bazaar shows it."""
        shown: Row = await self.doors.get("bazaar", f"/v1/applications/{application_id}")
        return shown

    # --- messages: as notify tells of them, and as they are on the phones

    async def messages(self, **which: str) -> list[Row]:
        """The pages of messages, the oldest first."""
        rows = await self.doors.items("notify", "/v1/notifications", **which)
        return [await self.doors.get("notify", f"/v1/notifications/{row['notification_id']}") for row in rows[::-1]]

    async def told(self, vendor: Vendor, template: str, *states: str) -> Row:
        """The page of the last message of a kind to a vendor, once it is in one of these states."""

        async def there() -> Row | None:
            found = await self.messages(vendor_id=vendor.vendor_id, template=template)
            return found[-1] if found and found[-1]["state"] in states else None

        page: Row = await self.until(there, f"{template} to be {' or '.join(states)}")
        return page

    async def wish(self, vendor: Vendor, wishes: Row) -> None:
        """Say what one wants to hear."""
        await self.doors.put("notify", f"/v1/wishes/{vendor.vendor_id}", wishes, token=vendor.token)

    async def book(self, vendor: Vendor | None = None, provider: str = "") -> list[Row]:
        """What the providers' books say went out, the oldest first."""
        asked: dict[str, str | int] = {
            "to": vendor.phone if vendor else "",
            "provider": provider,
            "limit": 1000,
            "after": 0,
        }
        rows = (await self.emulator.get("/admin/messages", params=asked)).json()["messages"]
        return [row for row in rows if not row["inbound"]]

    async def carried(self, message: Row, provider: str) -> Row:
        """What is on the phone of this message by this provider: one, and only one."""
        attempts = {one["attempt_id"] for one in message["attempt_list"]}
        (row,) = [row for row in await self.book(provider=provider) if _attempt(row) in attempts]
        return row

    async def say(self, vendor: Vendor, provider: str, text: str, *, button_of: Row | None = None) -> None:
        """Write from a phone, or press the button with this text of a message there."""
        said = {"provider": provider, "person": vendor.phone, "text": text}
        if button_of is not None:
            (pressed,) = [one for one in button_of["buttons"] if one["title"] == text]
            said |= {"payload": pressed["payload"], "context": button_of["message_id"]}
        (await self.emulator.post("/admin/inbound", json=said)).raise_for_status()

    async def misbehave(self, provider: str, **faults: Any) -> None:
        """Have a provider do so from now on."""
        (await self.emulator.post("/admin/faults", params={"provider": provider}, json=faults)).raise_for_status()


def wib(text: str) -> datetime:
    """A moment in Jakarta."""
    return datetime.fromisoformat(text).replace(tzinfo=JAKARTA)


def _attempt(row: Row) -> str:
    """Our attempt at a message in a provider's book."""
    return str(row["reference"]).partition(".")[0]


def _start(running: Running) -> services.Addresses:
    return services.start_services(
        running,
        all_channels=True,
        limits=messengers.TIME_LAPSE,
        settings={"LAPAK_QUIET_HOURS": "21:00-06:00"},
    )


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the story's stack keeps its state. Its servers are its own: it kills what runs on them."""
    monkeypatch.delenv("LAPAK_KAFKA", raising=False)
    monkeypatch.delenv("LAPAK_POSTGRES", raising=False)
    yield state_dir(STACK)
    stack.stop(STACK)
    shutil.rmtree(state_dir(STACK), ignore_errors=True)


@asynccontextmanager
async def town_on(running: Running) -> AsyncIterator[Town]:
    """The town, with what its messages need: approved forms at WhatsApp, and one SMS provider of the two."""
    services.set_clock(running, wib("2027-03-01 09:00"))
    addresses = await asyncio.to_thread(_start, running)
    doors = Doors(addresses.urls, services.issuer(running))
    async with httpx.AsyncClient(base_url=running.providers_url, timeout=30) as emulator:
        try:
            town = Town(running, doors, emulator)
            # one of two SMS providers is away for the day: the other has them all, and repeats its reports for a day
            await doors.done("notify", "/v1/providers/sms-a/pause", {"reason": "maintenance"})

            async def approved() -> bool:
                forms = await doors.items("notify", "/v1/whatsapp-templates")
                return bool(forms) and all(form["status"] == "approved" for form in forms)

            await town.until(approved, "WhatsApp to approve every form")
            yield town
        finally:
            await doors.close()


async def test_offers_answers_a_crash_a_night_and_a_stop_as_the_phones_show_them(folder: Path) -> None:
    running = await asyncio.to_thread(stack.start, STACK, fresh=True)
    async with town_on(running) as town:
        vendors = await town.settle()
        sari = vendors[0]
        melati = await town.announce("Melati", "2027-03-20", close="2027-03-05 17:00")
        mawar = await town.announce("Mawar", "2027-03-21", close="2027-03-05 17:00")
        kenanga = await town.announce("Kenanga", "2027-03-27", close="2027-03-12 17:00")
        hers = await town.apply(sari, melati)
        others = {await town.apply(vendor, mawar): vendor for vendor in vendors[1:]}
        for vendor in vendors:
            await town.told(vendor, "application-received", *ARRIVED)

        town.clock("2027-03-05 17:01")
        await an_offer_finds_its_way_through_a_crash(town, sari, melati)
        await a_yes_by_sms_makes_the_booth_hers(town, sari, hers)
        await town.allocate(mawar)
        agus, dewi, bambang = await one_has_the_offer_and_the_others_wait(town, others)
        await who_got_none_asks_why(town, dewi, others)
        await a_no_at_night_is_an_offer_in_the_morning(town, agus, dewi, bambang)
        await who_stopped_hears_only_what_must_be_told(town, dewi, bambang, kenanga)
        await every_page_says_what_the_books_say(town)
    await asyncio.to_thread(stack.stop, STACK)
    logs = "".join(path.read_text(errors="replace") for path in (folder / "logs").glob("*.log"))
    errors = [line for line in logs.splitlines() if '"level": "error"' in line and not is_lag_only(line)]
    assert not errors, errors[:3]
    assert not [vendor for vendor in vendors if vendor.phone in logs or vendor.name in logs]


async def an_offer_finds_its_way_through_a_crash(town: Town, sari: Vendor, bazaar_id: str) -> None:
    """Sari has no WhatsApp any more: her offer comes as SMS. Notify dies when the gateway has it, and comes back."""
    await town.misbehave("whatsapp", **_without_whatsapp(sari).model_dump())
    await town.misbehave("vonage", **SLOW)
    await town.allocate(bazaar_id)

    async def in_the_book() -> bool:
        return any("YA atau TIDAK" in row["text"] for row in await town.book(sari, "vonage"))

    await town.until(in_the_book, "the offer to be at the gateway")
    assert stack.kill(STACK, "notify")
    await town.misbehave("vonage")
    await town.start()

    page = await town.told(sari, "booth-assigned", *ARRIVED)
    refused, sent = page["attempt_list"]
    assert (refused["channel"], refused["status"], refused["failure"]) == ("whatsapp", "failed", "whatsapp 131026")
    # no answer was ever heard: that it was taken is known from the gateway's report alone
    assert (sent["channel"], sent["provider"], sent["outcome"], sent["code"]) == ("sms", "sms-b", "accepted", "receipt")
    assert "Bazar Melati" in (await town.carried(page, "vonage"))["text"]


async def a_yes_by_sms_makes_the_booth_hers(town: Town, sari: Vendor, application_id: str) -> None:
    """YA, and what bazaar made of it is on the same phone."""
    await town.say(sari, "vonage", "Ya, mau pak")
    page = await town.told(sari, "booth-confirmed", *ARRIVED)
    assert (await town.application(application_id))["state"] == "confirmed"
    assert "sudah pasti untuk Anda" in (await town.carried(page, "vonage"))["text"]
    await town.told(sari, "ticket-issued", *ARRIVED)


async def one_has_the_offer_and_the_others_wait(town: Town, others: dict[str, Vendor]) -> list[Vendor]:
    """Who has the offer, who is next, who comes after, by the drawn order; all of it on WhatsApp."""
    shown = [(application, vendor, await town.application(application)) for application, vendor in others.items()]
    (first,) = [vendor for _, vendor, row in shown if row["state"] == "offered"]
    queued = sorted(
        ((row["place"], vendor) for _, vendor, row in shown if row["state"] == "queued"), key=lambda one: one[0]
    )
    await town.carried(await town.told(first, "booth-assigned", *ARRIVED), "whatsapp")
    for place, vendor in queued:
        page = await town.told(vendor, "applicant-queued", *ARRIVED)
        assert f"urutan ke-{place}" in (await town.carried(page, "whatsapp"))["text"]
    return [first, *(vendor for _, vendor in queued)]


async def who_got_none_asks_why(town: Town, dewi: Vendor, others: dict[str, Vendor]) -> None:
    """KENAPA, by the button: the reason is the one that bazaar gives."""
    queued = await town.carried(await town.told(dewi, "applicant-queued", *ARRIVED), "whatsapp")
    await town.say(dewi, "whatsapp", "KENAPA", button_of=queued)
    answer = await town.carried(await town.told(dewi, "reply-why", *ARRIVED), "whatsapp")
    (application_id,) = [application for application, vendor in others.items() if vendor is dewi]
    reason = (await town.application(application_id))["explanation"]["id"]
    assert " ".join(reason.split()) in answer["text"]


async def a_no_at_night_is_an_offer_in_the_morning(town: Town, agus: Vendor, dewi: Vendor, bambang: Vendor) -> None:
    """TIDAK at ten in the evening is confirmed at once; who is next sleeps, and has her offer at six."""
    offer = await town.carried(await town.told(agus, "booth-assigned", *ARRIVED), "whatsapp")
    town.clock("2027-03-05 22:00")
    await town.say(agus, "whatsapp", "TIDAK", button_of=offer)
    declined = await town.told(agus, "booth-declined", *ARRIVED)
    assert (await town.carried(declined, "whatsapp"))["at"] < wib("2027-03-05 23:00").timestamp()

    waiting = await town.told(dewi, "booth-assigned", "deferred")
    assert (waiting["reason"], waiting["attempt_list"]) == ("quiet-hours", [])
    assert datetime.fromisoformat(waiting["not_before"]) == wib("2027-03-06 06:00")
    town.clock("2027-03-06 05:00")
    await town.say(bambang, "whatsapp", "jadwal")  # who writes is awake, and is answered; what waits goes on waiting
    await town.told(bambang, "reply-schedule", *ARRIVED)
    assert not (await town.told(dewi, "booth-assigned", "deferred"))["attempt_list"], "it left in the night"
    town.clock("2027-03-06 06:00")
    page = await town.told(dewi, "booth-assigned", *ARRIVED)
    came = (await town.carried(page, "whatsapp"))["at"]
    deadline = datetime.fromisoformat(page["deadline"]).timestamp()
    assert wib("2027-03-06 06:00").timestamp() <= came < deadline - timedelta(hours=3).total_seconds()


async def who_stopped_hears_only_what_must_be_told(town: Town, dewi: Vendor, bambang: Vendor, bazaar_id: str) -> None:
    """STOP ends WhatsApp for him. News of applications he ended altogether; an offer he has all the same, by SMS."""
    town.clock("2027-03-06 09:00")
    await town.say(bambang, "whatsapp", "stop")
    goodbye = await town.carried(await town.told(bambang, "reply-stopped", *ARRIVED), "whatsapp")
    ended = {"topics": {"applications": {"whatsapp": False, "sms": False, "email": False}}}
    await town.wish(bambang, ended)
    await town.apply(bambang, bazaar_id)
    assert (await town.told(bambang, "application-received", "rejected"))["reason"] == "stopped"

    offer = await town.carried(await town.told(dewi, "booth-assigned", *ARRIVED), "whatsapp")
    await town.say(dewi, "whatsapp", "TIDAK", button_of=offer)
    await town.told(dewi, "booth-declined", *ARRIVED)
    page = await town.told(bambang, "booth-assigned", *ARRIVED)
    assert [one["channel"] for one in page["attempt_list"]] == ["sms"]
    since = [row for row in await town.book(bambang) if row["id"] > goodbye["id"]]
    assert [(row["provider"], _attempt(row)) for row in since] == [("vonage", page["attempt_list"][0]["attempt_id"])]


async def every_page_says_what_the_books_say(town: Town) -> None:
    """Each message of everybody: what its page says of each attempt is what happened, and nobody has one twice."""

    async def settled() -> bool:
        pending = (await town.emulator.get("/admin/pending")).json()
        return not pending and all(page["state"] in SETTLED for page in await town.messages())

    await town.until(settled, "everything to be settled")
    pages, book = await town.messages(), {_attempt(row): row for row in await town.book()}
    attempts = {one["attempt_id"]: (page, one) for page in pages for one in page["attempt_list"]}
    assert attempts.keys() == book.keys(), "the books and the pages name the same messages"
    assert len(await town.book()) == len(book)
    for attempt_id, (page, one) in attempts.items():
        row = book[attempt_id]
        assert one["channel"] == ("whatsapp" if row["provider"] == "whatsapp" else "sms")
        assert one["message_id"] in (row["message_id"], None) or row["parts"] > 1
        assert one["status"] == row["status"], (page["template"], one, row)
    came = Counter(page["notification_id"] for page, one in attempts.values() if one["status"] in ARRIVED)
    assert set(came.values()) == {1}
    assert {page["notification_id"] for page in pages if page["state"] in ARRIVED} == came.keys()
    assert (await town.emulator.get("/admin/count")).json()["duplicate_texts"] == 0
    outcomes = Counter((page["state"], page["reason"]) for page in pages)
    assert outcomes.keys() == {("delivered", None), ("rejected", "stopped")}
    assert outcomes["rejected", "stopped"] == 1


def _without_whatsapp(one: Vendor) -> Faults:
    """A WhatsApp that knows everybody of the town but this one."""
    everybody = [person.phone.removeprefix("+") for person in make_people(PEOPLE, SEED)]
    tried = (Faults(seed=seed, unknown_numbers=0.3, delivered_ms=20, sent_ms=10, read_ms=200) for seed in count())
    gone = [one.phone.removeprefix("+")]
    return next(faults for faults in tried if [who for who in everybody if faults.not_reached(who)] == gone)
