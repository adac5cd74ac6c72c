"""Random walks: anybody does anything at any time, allowed or not, and after every step the books are right.

What is tried is drawn from a seed; ids are new each time, so two walks of one seed are alike and not the same: one that
fails tells its last steps. What holds always stands in `Books`.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from services.bazaar.allocation.stored import solve_stored
from services.bazaar.app import create
from services.bazaar.handlers.rounds import publish_round
from services.bazaar.store.rounds import find_problem
from shared.clock import day_in_jakarta
from shared.errors import Refused
from shared.events import bazaar as bazaar_events
from shared.events import rights
from shared.events.envelope import Event
from shared.events.rights import VendorErased
from shared.events.vendor import VendorMerged, VendorReinstated, VendorSuspended, VendorUnmerged
from shared.ids import new_id
from shared.timers import run_due
from tests.integration.bazaar import GAMBIR, Fair, at, site

SEATED = ("offered", "confirmed", "attended")
COSTS_A_TURN = ("confirmed", "attended", "missed", "lapsed")
VENDORS, BAZAARS, STEPS = 14, 3, 300
TEXT = "Pesan penawaran tidak pernah sampai ke ponsel saya."
EVENTS: dict[str, Any] = {**vars(rights), **vars(bazaar_events)}


class Row(NamedTuple):
    """An application as the books compare it."""

    bazaar_id: UUID
    vendor_id: UUID
    version: int
    state: str
    site_id: str | None
    booth: str | None
    respond_by: datetime | None
    place: int | None
    turn: date | None
    groups: dict[str, str]


@dataclass
class Books:
    """What was so before the step, and what has to hold after it."""

    fair: Fair
    before: dict[UUID, Row] = field(default_factory=dict)
    events_seen: int = 0
    versions: Counter[UUID] = field(default_factory=Counter)
    late_releases: set[UUID] = field(default_factory=set)
    returned: set[UUID] = field(default_factory=set)

    async def check(self, step: str) -> None:
        """Read everything, and compare."""
        async with self.fair.database.read() as conn:
            rows = await conn.fetch(
                "SELECT a.application_id, a.bazaar_id, a.vendor_id, a.version, a.state, a.site_id, a.booth, "
                "a.respond_by, a.place, t.day AS turn, a.groups FROM application AS a LEFT JOIN turn AS t "
                "USING (application_id)"
            )
            bazaars = {row["bazaar_id"]: row for row in await conn.fetch("TABLE bazaar")}
            sites = {(row["bazaar_id"], row["site_id"]): row for row in await conn.fetch("TABLE site")}
            booths = {
                (row["bazaar_id"], row["site_id"], row["number"])
                for row in await conn.fetch("SELECT bazaar_id, site_id, number FROM booth WHERE kind = 'vendor'")
            }
            persons = {row["vendor_id"]: row["person_id"] for row in await conn.fetch("TABLE family")}
            declined = await conn.fetch("SELECT application_id, day FROM added_day WHERE declined_at IS NOT NULL")
            no_shows = {
                row["application_id"]
                for row in await conn.fetch("SELECT application_id FROM turn_adjustment WHERE because = 'no-show'")
            }
            erased = {row["vendor_id"] for row in await conn.fetch("SELECT vendor_id FROM erased_vendor")}
            swaps = await conn.fetch("SELECT * FROM swap WHERE state IN ('proposed', 'accepted')")
            lapses = {
                (bazaar_id, datetime.fromisoformat(moment))
                for row in await conn.fetch("SELECT key FROM timer WHERE kind = 'offers-lapse'")
                for bazaar_id, _, moment in [row["key"].partition("/")]
            }
            written = await conn.fetch(
                "SELECT type, key, sequence, payload FROM outbox ORDER BY seq OFFSET $1", self.events_seen
            )
            letters = await conn.fetchval("SELECT count(*) FROM dead_letter")
        assert letters == 0, "a message of another service could not be read"
        now = {row["application_id"]: Row(*list(row.values())[1:]) for row in rows}
        self._read(written)
        self._versions(now, bazaars)
        self._booths(now, booths, sites)
        self._holders(step, now, persons)
        forgotten = erased_applications(now, erased)
        self._ledger(now, sites, {(row["application_id"], row["day"]) for row in declined}, bazaars, forgotten)
        self._no_shows(now, no_shows, erased)
        for one in now.values():
            state = bazaars[one.bazaar_id]["state"]
            assert state != "cancelled" or one.state not in ("received", "queued", "offered", "confirmed"), one
            assert state != "finished" or one.state not in ("received", "offered"), one
            if one.state == "offered":
                assert one.respond_by is not None
                assert (str(one.bazaar_id), one.respond_by) in lapses, f"nobody lets the offer lapse: {one}"
        for swap in swaps:
            for side in ("proposer", "other"):
                held = now[swap[f"{side}_id"]]
                place = (held.state, held.site_id, held.booth)
                assert place == ("confirmed", swap[f"{side}_site_id"], swap[f"{side}_booth"]), swap
        self.before = now

    def _read(self, written: list[Any]) -> None:
        for row in written:
            event = EVENTS[row["type"]].model_validate_json(row["payload"])
            assert isinstance(event, Event)
            key = UUID(row["key"])
            assert row["sequence"] == self.versions[key] + 1, f"{row['type']} of {key} after {self.versions[key]}"
            self.versions[key] += 1
            match event:
                case bazaar_events.BoothReleased(costs_turn=True):
                    self.late_releases.add(key)
                case bazaar_events.AppealDecided(remedy="turn-returned"):
                    self.returned.add(key)
        self.events_seen += len(written)

    def _versions(self, now: dict[UUID, Row], bazaars: dict[UUID, Any]) -> None:
        for key, one in now.items():
            assert one.version == self.versions[key], f"{key} is at {one.version}, {self.versions[key]} events of it"
        for key, row in bazaars.items():
            assert row["version"] == self.versions[key]

    def _booths(self, now: dict[UUID, Row], booths: set[Any], sites: dict[Any, Any]) -> None:
        held = Counter((one.bazaar_id, one.site_id, one.booth) for one in now.values() if one.state in SEATED)
        assert held.keys() <= booths, "a booth that is not there, or not for vendors"
        assert set(held.values()) <= {1}, "a booth held twice"
        places = Counter((one.bazaar_id, one.place) for one in now.values() if one.state == "queued")
        assert set(places.values()) <= {1}, "a place in the queue given twice"
        for (bazaar_id, site_id), row in sites.items():
            here = [
                one
                for one in now.values()
                if (one.bazaar_id, one.site_id) == (bazaar_id, site_id) and one.state in SEATED
            ]
            for cap in row["caps"]:
                of_group = sum(one.groups.get(cap["group"]) == cap["value"] for one in here)
                assert of_group <= cap["seats"], f"{site_id} has {of_group} of {cap}"

    def _holders(self, step: str, now: dict[UUID, Row], persons: dict[UUID, UUID]) -> None:
        for key, one in now.items():
            was = self.before.get(key)
            if was is not None and was.state in ("confirmed", "attended") and one.state in SEATED:
                same = (was.site_id, was.booth) == (one.site_id, one.booth)
                assert same or step.startswith("approve"), f"moved out of its booth: {was} -> {one}"
            if one.state not in SEATED or step in ("publish", "merge") or (was is not None and was.site_id is not None):
                continue
            person = persons.get(one.vendor_id, one.vendor_id)
            others = [
                other
                for other_key, other in now.items()
                if other_key != key
                and other.bazaar_id == one.bazaar_id
                and other.state in SEATED
                and persons.get(other.vendor_id, other.vendor_id) == person
            ]
            assert not others, f"a person got a second booth: {one}, {others}"

    def _ledger(
        self, now: dict[UUID, Row], sites: Any, declined: set[Any], bazaars: dict[UUID, Any], forgotten: set[UUID]
    ) -> None:
        for key, one in now.items():
            owed = (one.state in COSTS_A_TURN or (one.state == "released" and key in self.late_releases)) and (
                key not in self.returned
            )
            assert (one.turn is not None) == owed, f"{key}: a turn {one.turn}, owed {owed}: {one}"
            if one.turn is not None and one.state in ("confirmed", "attended") and key not in forgotten:
                days = sites[one.bazaar_id, one.site_id]["days"] or bazaars[one.bazaar_id]["days"]
                last = max(day for day in days if (key, day) not in declined)
                assert one.turn == last, f"{key}: the turn is of {one.turn}, its booth stands until {last}"

    def _no_shows(self, now: dict[UUID, Row], no_shows: set[UUID], erased: set[UUID]) -> None:
        missed = {key for key, one in now.items() if one.state == "missed" and one.vendor_id not in erased}
        assert no_shows - erased_applications(now, erased) == missed - self.returned


def erased_applications(now: dict[UUID, Row], erased: set[UUID]) -> set[UUID]:
    return {key for key, one in now.items() if one.vendor_id in erased}


class Walk:
    """One walk over a few bazaars and people."""

    def __init__(self, fair: Fair, seed: int) -> None:
        self.fair, self.chance, self.books = fair, random.Random(seed), Books(fair)
        self.timers = dict(create()._timers)
        self.bazaars: list[str] = []
        self.vendors: list[UUID] = []
        self.merged: dict[UUID, UUID] = {}
        self.erased: set[UUID] = set()
        self.codes: list[str] = []
        self.done: Counter[str] = Counter()
        self.trail: list[str] = []
        self.asked = 0

    # -- what there is to choose from

    def application(self, *states: str) -> tuple[str, Row] | None:
        """Any application, most often one in one of these states."""
        fitting = [(str(key), one) for key, one in self.books.before.items() if one.state in states]
        if self.chance.random() < 0.9:
            return self.chance.choice(fitting or [None])
        return self.chance.choice([(str(key), one) for key, one in self.books.before.items()] or [None])

    def bazaar(self) -> str:
        return self.chance.choice(self.bazaars)

    def living(self) -> UUID:
        return self.chance.choice([one for one in self.vendors if one not in self.erased] or self.vendors)

    async def ask(self, path: str, body: dict[str, Any] | None = None, *, token: str | None = None) -> dict[str, Any]:
        """POST; the answer or nothing. What goes wrong must be a refusal."""
        self.asked += 1
        response = await self.fair.post(path, body, token=token)
        assert response.status_code < 500, (path, body, response.text)
        assert response.status_code != 422, (path, body, response.text)
        if response.is_success:
            self.done[path.rpartition("/")[2]] += 1
            return dict(response.json())
        self.trail.append(f"    {response.json()['code']}")
        return {}

    # -- steps

    async def announce(self) -> None:
        if len(self.bazaars) >= BAZAARS:
            return
        today = day_in_jakarta(self.fair.clock.now())
        first = today + timedelta(days=self.chance.randint(5, 9))
        days = [first + timedelta(days=n) for n in range(3)]
        closing = at(days[0] - timedelta(days=4), 17)
        sites = [
            site(
                "one",
                3,
                days=[str(day) for day in days[:2]],
                caps=[{"group": "category", "value": "health", "seats": 1}],
            ),
            site("two", 2, kelurahan=GAMBIR, days=[str(days[1])]),
        ]
        policies: list[dict[str, Any]] = [
            {},
            {"rotation": [{"by": "rw", "measure": "turns"}, {"by": "vendor", "measure": "waiting_since"}]},
            {"rotation": [{"by": "vendor", "measure": "turns"}], "caps": [{"group": "rw", "seats_each": 2}]},
        ]
        bazaar_id = await self.fair.announce(
            sites,
            days=[str(day) for day in days],
            applications_close_at=closing.isoformat(),
            policy=self.chance.choice(policies),
        )
        self.bazaars.append(bazaar_id)
        for vendor_id in self.chance.sample(self.vendors, VENDORS - 4):
            await self.apply(vendor_id, bazaar_id)

    async def apply(self, vendor_id: UUID | None = None, bazaar_id: str | None = None) -> None:
        vendor_id, bazaar_id = vendor_id or self.chance.choice(self.vendors), bazaar_id or self.bazaar()
        choices = self.chance.choice([[["one"]], [["two"]], [["one"], ["two"]], [["one", "two"]], [["two"], ["one"]]])
        body: dict[str, Any] = {"choices": choices, "needs": self.chance.choice([[], ["power"]])}
        if self.codes and self.chance.random() < 0.2:
            body = {"party_code": self.chance.choice(self.codes)}
        token = self.fair.vendor(vendor_id)
        await self.ask(f"/v1/bazaars/{bazaar_id}/applications", body, token=token)

    async def change(self) -> None:
        if found := self.application("received"):
            wishes: list[dict[str, Any]] = [
                {"choices": [["two"], ["one"]]},
                {"choices": [["one"]]},
                {"needs": ["water"]},
            ]
            await self.ask(f"/v1/applications/{found[0]}/change", self.chance.choice(wishes))

    async def withdraw(self) -> None:
        if found := self.application("received"):
            await self.ask(f"/v1/applications/{found[0]}/withdraw")

    async def party(self) -> None:
        if found := self.application("received"):
            path = f"/v1/applications/{found[0]}/party"
            if self.codes and self.chance.random() < 0.6:
                await self.ask(f"{path}/join", {"code": self.chance.choice(self.codes)})
            elif self.chance.random() < 0.2:
                await self.ask(f"{path}/leave")
            else:
                wish = {"if_apart": self.chance.choice(["none", "split"]), "size": 3}
                if made := await self.ask(path, wish):
                    self.codes.append(made["code"])

    async def round(self, bazaar_id: str | None = None) -> None:
        bazaar_id = bazaar_id or self.bazaar()
        state = (await self.fair.shown(f"/v1/bazaars/{bazaar_id}"))["state"]
        match state:
            case "announced":
                await self.ask(f"/v1/bazaars/{bazaar_id}/freeze")
            case "frozen":
                seed = {"seed": f"{self.chance.random()}", "source": "Undian terbuka"}
                await self.ask(f"/v1/bazaars/{bazaar_id}/seed", seed)
            case "seeded":
                async with self.fair.database.transaction() as conn:
                    solved = solve_stored(await find_problem(conn, UUID(bazaar_id), 1))
                try:
                    async with self.fair.database.transaction() as conn:
                        await publish_round(conn, UUID(bazaar_id), solved, now=self.fair.clock.now())
                    self.done["publish"] += 1
                except Refused as refused:
                    self.trail.append(f"    {refused.code}")
                self.trail.append("publish")

    async def answer(self) -> None:
        if found := self.application("offered"):
            wish = self.chance.choice(["confirm", "confirm", "confirm", "decline"])
            await self.ask(f"/v1/applications/{found[0]}/{wish}")

    async def release(self) -> None:
        if found := self.application("confirmed"):
            await self.ask(f"/v1/applications/{found[0]}/release")

    async def swap(self) -> None:
        async with self.fair.database.read() as conn:
            open_ones = await conn.fetch(
                "SELECT swap_id, state, other_id FROM swap WHERE state IN ('proposed', 'accepted')"
            )
        if open_ones and self.chance.random() < 0.7:
            one = self.chance.choice(open_ones)
            step = self.chance.choice(
                ["accept", "accept", "decline", "withdraw", "approve", "approve", "approve", "refuse"]
            )
            other = self.books.before[one["other_id"]].vendor_id
            token = self.fair.vendor(other) if step in ("accept", "decline") else None
            self.trail.append(f"{step} {one['swap_id']}")
            await self.ask(f"/v1/swaps/{one['swap_id']}/{step}", token=token)
        elif found := self.application("confirmed"):
            held = [
                one
                for one in self.books.before.values()
                if one.bazaar_id == found[1].bazaar_id
                and (one.state == "confirmed" or (one.site_id is not None and self.chance.random() < 0.1))
                and one is not found[1]
            ]
            if held:
                target = self.chance.choice(held)
                wish = {"site_id": target.site_id, "booth": target.booth}
                token = self.fair.vendor(found[1].vendor_id)
                await self.ask(f"/v1/applications/{found[0]}/swaps", wish, token=token)

    async def grow(self) -> None:
        bazaar_id = self.bazaar()
        shown = await self.fair.shown(f"/v1/bazaars/{bazaar_id}")
        last = date.fromisoformat(shown["days"][-1])
        site_id = self.chance.choice([one["site_id"] for one in shown["sites"]])
        wish: dict[str, Any] = self.chance.choice(
            [
                {"more_booths": 1},
                {"more_days": [str(last + timedelta(days=self.chance.randint(0, 1)))]},
                {"further_site": {"site_id": f"{site_id}-x", "days": [str(last)], "booths": 1}},
            ]
        )
        await self.ask(f"/v1/bazaars/{bazaar_id}/grow", {"site_id": site_id, **wish})

    async def decline_days(self) -> None:
        if found := self.application("confirmed", "attended"):
            async with self.fair.database.read() as conn:
                days = await conn.fetch("SELECT day FROM added_day WHERE application_id = $1", UUID(found[0]))
            if days:
                wish = {"days": [str(self.chance.choice(days)["day"])]}
                await self.ask(f"/v1/applications/{found[0]}/decline-days", wish)

    async def move(self) -> None:
        bazaar_id = self.bazaar()
        shown = await self.fair.shown(f"/v1/bazaars/{bazaar_id}")
        by = timedelta(days=self.chance.randint(-1, 3))
        days = [str(date.fromisoformat(day) + by) for day in shown["days"]]
        await self.ask(f"/v1/bazaars/{bazaar_id}/move", {"days": days, "reason": "weather"})

    async def cancel(self) -> None:
        if self.chance.random() < 0.25:
            bazaar_id = self.bazaar()
            if await self.ask(f"/v1/bazaars/{bazaar_id}/cancel", {"reason": "venue"}) and len(self.bazaars) > 1:
                self.bazaars.remove(bazaar_id)

    async def gate(self) -> None:
        bazaar_id, site_id = self.bazaar(), self.chance.choice(["one", "two"])
        match self.chance.randrange(5):
            case 0:
                await self.ask(f"/v1/bazaars/{bazaar_id}/sites/{site_id}/release-absent")
            case 1:
                present = [str(one) for one in self.chance.sample(self.vendors, 5)]
                await self.ask(f"/v1/bazaars/{bazaar_id}/walk-ins", {"site_id": site_id, "present": present})
            case _:
                await self.check_in(bazaar_id)

    async def check_in(self, bazaar_id: str) -> None:
        here = [
            str(key)
            for key, one in self.books.before.items()
            if str(one.bazaar_id) == bazaar_id and one.state in ("confirmed", "attended", "missed")
        ]
        some = self.chance.sample(here, min(len(here), 3))
        now = self.fair.clock.now()
        if some and self.chance.random() < 0.5:
            scans = [{"scan_id": str(new_id()), "application_id": one, "scanned_at": now.isoformat()} for one in some]
            body = {"device_id": "a", "sent_at": now.isoformat(), "scans": scans}
            await self.ask(f"/v1/bazaars/{bazaar_id}/check-ins/sync", body)
        elif some:
            body = {"day": str(day_in_jakarta(now)), "application_ids": some}
            await self.ask(f"/v1/bazaars/{bazaar_id}/check-ins", body)

    async def finish(self) -> None:
        bazaar_id = self.bazaar()
        if await self.ask(f"/v1/bazaars/{bazaar_id}/finish") and len(self.bazaars) > 1 and self.chance.random() < 0.5:
            self.bazaars.remove(bazaar_id)

    async def appeal(self) -> None:
        async with self.fair.database.read() as conn:
            waiting = await conn.fetch("SELECT appeal_id FROM appeal WHERE state = 'open'")
        if waiting and self.chance.random() < 0.6:
            wish: dict[str, Any] = self.chance.choice(
                [
                    {"upheld": True, "reason": "illness", "remedy": "turn-returned"},
                    {"upheld": True, "reason": "our-mistake", "remedy": "priority-granted"},
                    {"upheld": True, "reason": "our-mistake", "remedy": "waiting-restored", "since": "2022-12-01"},
                    {"upheld": False, "reason": "rule-was-followed"},
                ]
            )
            appeal_id = self.chance.choice(waiting)["appeal_id"]
            await self.ask(f"/v1/appeals/{appeal_id}/decide", {"answer": TEXT, **wish})
        elif found := self.application("missed", "lapsed", "queued", "ineligible"):
            fits = {"queued": "not-served", "lapsed": "lapsed", "missed": "no-show", "ineligible": "ineligible"}
            wish = {"about": fits.get(found[1].state, "other"), "text": TEXT}
            path = f"/v1/applications/{found[0]}/appeals"
            await self.ask(path, wish, token=self.fair.vendor(found[1].vendor_id))

    async def merge(self) -> None:
        one, other = self.chance.sample([one for one in self.vendors if one not in self.erased], 2)
        if one in self.merged and self.chance.random() < 0.7:
            out_of = self.merged.pop(one)
            await self.fair.hear(VendorUnmerged(vendor_id=one, out_of=out_of, merge_id=new_id()))
        elif one not in self.merged and other not in self.merged and one not in self.merged.values():
            self.merged[one] = other
            await self.fair.hear(VendorMerged(vendor_id=one, into=other, merge_id=new_id()))

    async def suspend(self) -> None:
        one = self.living()
        if self.chance.random() < 0.4:
            await self.fair.hear(VendorSuspended(vendor_id=one, reason="false-data"))
        else:
            await self.fair.hear(VendorReinstated(vendor_id=one))

    async def erase(self) -> None:
        if len(self.erased) < 4 and self.chance.random() < 0.3:
            one = self.living()
            self.erased.add(one)
            await self.fair.hear(VendorErased(vendor_id=one, erasure_id=new_id()))

    async def wait(self) -> None:
        """Time passes, and whatever was set for later is done."""
        now, chance = self.fair.clock.moment, self.chance
        until = now + timedelta(hours=chance.choice([1, 3, 8, 14]))
        bazaar_id = self.bazaar()
        shown = await self.fair.shown(f"/v1/bazaars/{bazaar_id}")
        days = [date.fromisoformat(day) for day in shown["days"]]
        match shown["state"]:
            case "announced":
                until = max(now, datetime.fromisoformat(shown["applications_close_at"]))
            case "frozen" | "seeded" if day_in_jakarta(now) < days[0]:
                await self.round(bazaar_id)
                return
            case "allocated" if chance.random() < 0.25:
                moments = [*(at(day, hour) for day in days for hour in (9, 11)), at(days[-1] + timedelta(days=1))]
                until = min((moment for moment in moments if moment > now), default=until)
            case "frozen" | "seeded" | "finished" | "cancelled" if len(self.bazaars) > 1:
                self.bazaars.remove(bazaar_id)
        self.fair.clock.moment = until
        while await run_due(self.fair.database, self.timers, self.fair.clock.now()):
            pass

    async def look(self) -> None:
        """Whatever can be read, can be read."""
        bazaar_id, vendor_id = self.bazaar(), self.chance.choice(self.vendors)
        found = self.application("offered", "confirmed", "queued")
        doors = [
            f"/v1/bazaars/{bazaar_id}",
            f"/v1/bazaars/{bazaar_id}/summary",
            f"/v1/bazaars/{bazaar_id}/gate/list",
            f"/v1/vendors/{vendor_id}/standing",
            f"/v1/vendors/{vendor_id}/data",
            f"/v1/vendors/{vendor_id}/applications",
            "/v1/fairness/ledger?by=rw",
            "/v1/fairness/forecasts",
            "/v1/calendar.ics",
            f"/v1/public/bazaars/{bazaar_id}",
            *([f"/v1/applications/{found[0]}", f"/v1/applications/{found[0]}/ticket"] if found else []),
        ]
        response = await self.fair.get(self.chance.choice(doors), token=self.fair.officer("31"))
        assert response.status_code < 500, (response.url, response.text)
        queue = await self.fair.get(f"/v1/bazaars/{bazaar_id}/queue")
        if queue.is_success:
            places = [one["place"] for one in queue.json()["items"]]
            assert places == list(range(1, len(places) + 1)), places

    async def go(self, steps: int) -> None:
        """So many steps, each followed by a look at the books."""
        self.vendors = await self.fair.register(VENDORS)
        every: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (4, self.announce),
            (3, self.apply),
            (2, self.change),
            (1, self.withdraw),
            (4, self.party),
            (14, self.round),
            (24, self.answer),
            (4, self.release),
            (16, self.swap),
            (3, self.grow),
            (3, self.decline_days),
            (2, self.move),
            (1, self.cancel),
            (9, self.gate),
            (2, self.finish),
            (3, self.appeal),
            (3, self.merge),
            (2, self.suspend),
            (2, self.erase),
            (9, self.wait),
            (5, self.look),
        ]
        await self.announce()
        await self.books.check("announce")
        for number in range(steps):
            (act,) = self.chance.choices([act for _, act in every], [weight for weight, _ in every])
            self.trail.append(f"{number} {act.__name__} at {self.fair.clock.moment:%m-%d %H:%M}")
            length = len(self.trail)
            asked = self.asked
            await act()
            if self.asked == asked and act not in (self.wait, self.merge, self.suspend, self.erase, self.round):
                continue
            marks = [line for line in self.trail[length:] if not line.startswith(" ")]
            await self.books.check(marks[-1] if marks else act.__name__)


@pytest.mark.parametrize("seed", [21, 38])
async def test_whatever_is_done_the_books_are_right(fair: Fair, seed: int) -> None:
    walk = Walk(fair, seed)
    try:
        await walk.go(STEPS)
    except AssertionError as error:
        error.add_note("\n".join(walk.trail[-20:]))
        raise
    assert walk.done["publish"] > 0, walk.done
