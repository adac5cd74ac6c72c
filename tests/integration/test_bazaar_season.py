"""Seasons played through every part: what one part decided is what the next one finds."""

import json
from collections import Counter
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from services.bazaar.app import create
from services.bazaar.domain.ceremony import commitment_of
from shared.clock import JAKARTA
from shared.events import bazaar as bazaar_events
from shared.timers import TimerHandler, run_due
from tests.integration.bazaar import GAMBIR, KARANG_ANYAR, Fair, at, site
from tests.integration.bazaar_day import Phone, ticket

FIRST, SECOND = (date(2023, 3, 20), date(2023, 3, 21)), (date(2023, 4, 6), date(2023, 4, 7))
VENUE = {"kind": "rusun", "name": "Rusun Karang Anyar", "kelurahan": KARANG_ANYAR, "capacity": 30}
GRID = {"width": 24, "depth": 14, "rows": 2, "tents_per_row": 3, "desks": 2, "partners": 1}
WORDS = "Anak saya sakit, surat dokter ada pada saya."
SECRETS = [sha256(f"secret {number}".encode()).hexdigest() for number in range(3)]


class Season:
    """The service with every timer of its own, and where its events were read up to."""

    def __init__(self, fair: Fair) -> None:
        self.fair = fair
        self.timers: dict[str, TimerHandler] = dict(create()._timers)

    async def until(self, moment: datetime) -> None:
        """Time passes; what falls due meanwhile is done at its moment."""
        while True:
            async with self.fair.database.read() as conn:
                due = await conn.fetchval("SELECT min(due_at) FROM timer WHERE due_at <= $1", moment)
            if due is None:
                break
            self.fair.clock.moment = max(self.fair.clock.moment, due)
            assert await run_due(self.fair.database, self.timers, self.fair.clock.now())
        self.fair.clock.moment = moment

    async def now(self) -> None:
        """What is due now is done."""
        await self.until(self.fair.clock.now())

    async def in_state(self, bazaar_id: str, *states: str) -> list[str]:
        """Applications of a bazaar in these states, those who wait in the order of the queue."""
        async with self.fair.database.read() as conn:
            rows = await conn.fetch(
                "SELECT application_id FROM application WHERE bazaar_id = $1 AND state = ANY($2) "
                "ORDER BY place NULLS FIRST, site_id, booth",
                UUID(bazaar_id),
                list(states),
            )
        return [str(row["application_id"]) for row in rows]

    async def places(self, bazaar_id: str) -> dict[str, tuple[str, str]]:
        """Who has which booth."""
        statement = (
            "SELECT application_id, site_id, booth FROM application WHERE bazaar_id = $1 AND site_id IS NOT NULL"
        )
        async with self.fair.database.read() as conn:
            rows = await conn.fetch(statement, UUID(bazaar_id))
        return {str(row["application_id"]): (row["site_id"], row["booth"]) for row in rows}

    async def vendor_of(self, application_id: str) -> UUID:
        return UUID((await self.fair.application(application_id))["vendor_id"])

    async def draw_together(self, bazaar_id: str) -> None:
        """Three officials draw the seed."""
        path = f"/v1/bazaars/{bazaar_id}/ceremony"
        tokens = [self.fair.issuer.token(f"official-{n}", ["officer"], area="31") for n in range(3)]
        for number, token in enumerate(tokens):
            wish = {"commitment": commitment_of(SECRETS[number]), "office": f"Instansi {number}"}
            await self.fair.done(f"{path}/commit", wish, token=token)
        await self.fair.done(f"{path}/close")
        for number, token in enumerate(tokens):
            await self.fair.done(f"{path}/reveal", {"secret": SECRETS[number]}, token=token)

    async def the_books_are_right(self) -> None:
        """No gap in any sequence, no booth held twice, every event readable, the ledger is what became of each."""
        await self.fair.assert_sequences_have_no_gap()
        await self.fair.assert_booths_are_held_once()
        events = await self.fair.published()
        for event in events:
            getattr(bazaar_events, event.type).model_validate(event.body)
        async with self.fair.database.read() as conn:
            states = Counter(
                {
                    row["state"]: row["n"]
                    for row in await conn.fetch("SELECT state, count(*) AS n FROM application GROUP BY 1")
                }
            )
            turns = await conn.fetchval("SELECT count(*) FROM turn")
        types = Counter(event.type for event in events)
        by_hand = {
            "applications": states.total() - states["withdrawn"],
            "offered": types["BoothAssigned"] + len(await self.walk_ins()),
            "confirmed": types["BoothConfirmed"],
            "declined": types["BoothDeclined"],
            "lapsed": types["BoothOfferLapsed"],
            "released": types["BoothReleased"],
            "attended": states["attended"],
            "missed": states["missed"],
            "turns": turns,
        }
        for by in ("category", "agency", "kelurahan", "rw"):
            rows = (await self.fair.shown(f"/v1/fairness/ledger?by={by}&area=31.71&limit=100"))["items"]
            assert {name: sum(row[name] for row in rows) for name in by_hand} == by_hand, by

    async def walk_ins(self) -> list[str]:
        """Applications that got their booth at the gate."""
        events = await self.fair.published("BoothAssigned", "BoothConfirmed")
        assigned = {event.key for event in events if event.type == "BoothAssigned"}
        return [str(event.key) for event in events if event.type == "BoothConfirmed" and event.key not in assigned]


async def planned(fair: Fair) -> list[str]:
    """A series twice a month at a venue with a plan, the stands of its first occurrence taken from it."""
    venue_id = (await fair.done("/v1/venues", VENUE))["venue_id"]
    await fair.done(f"/v1/venues/{venue_id}/plans", {"after": 0, "grid": GRID})
    more = {"venue_id": venue_id, "agency_desks": ["ppkukm", "kpkp"], "partner_booths": ["Bulog"], "reserves": []}
    series = {
        "name": "Bazar Jakpreneur",
        "organisers": ["Sudin PPKUKM Jakarta Pusat"],
        "sites": [site("balai", 12, **more)],
        "policy": {"code": "by-vendor"},
        "recurrence": "RRULE:FREQ=MONTHLY;BYMONTHDAY=6,20",
        "first_day": str(FIRST[0]),
        "window": 2,
        "applications_close": {"days_before": 7, "at": "17:00"},
    }
    series_id = (await fair.done("/v1/series", series))["series_id"]
    await fair.done(f"/v1/series/{series_id}/plan", {"until": "2023-04-30"})
    found = (await fair.shown(f"/v1/series/{series_id}"))["occurrences"]
    ordered = sorted(found, key=lambda one: str(one["days"]))
    assert [one["days"] for one in ordered[:2]] == [[str(day) for day in days] for days in (FIRST, SECOND)]
    for one in ordered:
        await fair.done(f"/v1/bazaars/{one['bazaar_id']}/sites/balai/plan", {"plan": 1})
    return [one["bazaar_id"] for one in ordered]


async def test_a_season_from_the_series_to_the_next_round(fair: Fair) -> None:
    season = Season(fair)
    one, two, _ = await planned(fair)
    vendors = await fair.register(20)
    wish = {"valid_until": "2023-12-31", "needs": ["power"]}
    for vendor_id in vendors[:3]:
        await fair.done("/v1/interests", wish, token=fair.vendor(vendor_id))

    # announced: standing interests apply, others do, two as a party
    await fair.done(f"/v1/bazaars/{one}/announce")
    await season.now()
    assert len(await season.in_state(one, "received")) == 3
    await fair.apply_all(one, vendors[3:18], ["balai"])
    leading, joining = (await season.in_state(one, "received"))[-2:]
    code = (await fair.done(f"/v1/applications/{leading}/party", {"if_apart": "split", "size": 2}))["code"]
    await fair.done(f"/v1/applications/{joining}/party/join", {"code": code})
    await fair.done(f"/v1/bazaars/{one}/seed-plan", {"by": "ceremony"})
    await season.until(datetime(2023, 3, 13, 17, 0, tzinfo=JAKARTA))
    await fair.done(f"/v1/bazaars/{one}/freeze")
    await season.draw_together(one)
    outcome = await fair.done(f"/v1/bazaars/{one}/allocate")
    assert (outcome["served"], outcome["waiting"], outcome["verified"]) == (12, 6, True)
    assert (await fair.shown(f"/v1/bazaars/{one}/rounds/1/numbering")) is not None

    # offers: confirmed, declined, one reminded of and left to lapse; each booth goes on to the next
    offered, waiting = await season.in_state(one, "offered"), await season.in_state(one, "queued")
    for application_id in offered[:10]:
        await fair.answer(application_id, "confirm")
    await fair.answer(offered[10], "decline")
    assert await fair.states(waiting[:2]) == ["offered", "queued"]
    await fair.answer(waiting[0], "confirm")
    await season.until(fair.clock.now() + timedelta(hours=25))
    assert [str(event.key) for event in await fair.published("BoothOfferExpiring")] == [offered[11]]
    assert await fair.states([offered[11], waiting[1]]) == ["lapsed", "offered"]
    await fair.answer(waiting[1], "confirm")
    await fair.done(f"/v1/applications/{offered[0]}/release")
    await fair.answer(waiting[2], "confirm")

    # a swap, and growth: a booth more for the next, a day more for everybody
    mine, theirs = [(await fair.application(id_))["offer"] for id_ in offered[1:3]]
    token = fair.vendor(await season.vendor_of(offered[1]))
    place = {"site_id": theirs["site_id"], "booth": theirs["booth"]}
    swap_id = (await fair.done(f"/v1/applications/{offered[1]}/swaps", place, token=token))["swap_id"]
    await fair.done(f"/v1/swaps/{swap_id}/accept", token=fair.vendor(await season.vendor_of(offered[2])))
    await fair.done(f"/v1/swaps/{swap_id}/approve")
    assert (await fair.application(offered[2]))["offer"]["booth"] == mine["booth"]
    await fair.done(f"/v1/bazaars/{one}/grow", {"site_id": "balai", "more_booths": 1})
    await fair.answer(waiting[3], "confirm")
    await fair.done(f"/v1/bazaars/{one}/grow", {"site_id": "balai", "more_days": ["2023-03-22"]})
    confirmed = await season.in_state(one, "confirmed")
    assert len(confirmed) == 13
    await season.the_books_are_right()

    # the day: tickets of all but one are scanned, the absent one's booth goes to who walks in
    await season.until(at(FIRST[0], 9))
    phone, now, absent = Phone("a"), fair.clock.now(), confirmed[0]
    scans = [phone.scan(await ticket(fair, id_), now) for id_ in confirmed[1:]]
    synced = await fair.done(f"/v1/bazaars/{one}/check-ins/sync", phone.sending(scans, now))
    assert (synced["checked_in"], synced["refused"], synced["flagged"]) == (12, [], [])
    await season.until(at(FIRST[0], 11))
    assert await fair.done(f"/v1/bazaars/{one}/sites/balai/release-absent") == {"missed": 1}
    present = [str(await season.vendor_of(waiting[5])), str(vendors[19]), str(await season.vendor_of(waiting[4]))]
    walked = await fair.done(f"/v1/bazaars/{one}/walk-ins", {"site_id": "balai", "present": present})
    assert [entry["application_id"] for entry in walked["assigned"]] == [waiting[4]]
    assert await season.walk_ins() == [waiting[4]]
    sales = {"day": str(FIRST[0]), "turnover_rupiah": 900_000, "transactions": 30}
    for application_id in confirmed[1:4]:
        await fair.done(f"/v1/applications/{application_id}/sales", sales)
    await season.until(at(date(2023, 3, 23)))
    assert await fair.done(f"/v1/bazaars/{one}/finish") == {"attended": 13, "missed": 1}
    await season.the_books_are_right()

    # the no-show weighs, until an appeal gives the turn back; the next round's file says so
    missing = await season.vendor_of(absent)
    standing = await fair.shown(f"/v1/vendors/{missing}/standing")
    appeal = {"about": "no-show", "text": WORDS}
    token = fair.vendor(missing)
    appeal_id = (await fair.done(f"/v1/applications/{absent}/appeals", appeal, token=token))["appeal_id"]
    upheld = {"upheld": True, "reason": "illness", "remedy": "turn-returned", "answer": WORDS}
    await fair.done(f"/v1/appeals/{appeal_id}/decide", upheld)
    assert await fair.shown(f"/v1/vendors/{missing}/standing") != standing
    await fair.done(f"/v1/bazaars/{two}/announce")
    await season.now()
    applied = {await season.vendor_of(id_) for id_ in await season.in_state(two, "received")}
    assert applied == set(vendors[:3]), "standing interests apply again"
    await fair.apply_all(two, [vendor_id for vendor_id in vendors if vendor_id not in applied], ["balai"])
    await season.until(datetime(2023, 3, 30, 17, 0, tzinfo=JAKARTA))
    await fair.done(f"/v1/bazaars/{two}/freeze")
    frozen = json.loads((await fair.client.get(f"/v1/bazaars/{two}/rounds/1/frozen")).content)
    entries = {entry["id"]: entry for entry in frozen["applicants"]}
    names = await fair.names(await season.in_state(two, "received"))
    turns = {await season.vendor_of(id_): entries[name]["turns"] for name, id_ in names.items()}
    had = {await season.vendor_of(id_) for id_ in (*confirmed[1:], waiting[4], offered[11])}
    assert turns == {vendor_id: int(vendor_id in had) for vendor_id in vendors}
    assert turns[missing] == 0

    # who waited is served now, and what was forecast is held against it
    await fair.done(f"/v1/bazaars/{two}/seed", {"seed": "3-8-19", "source": "Undian terbuka di balai warga"})
    await fair.done(f"/v1/bazaars/{two}/allocate")
    served = {await season.vendor_of(id_) for id_ in await season.in_state(two, "offered")}
    assert {vendor_id for vendor_id in vendors[:18] if vendor_id not in had} <= served
    for application_id in await season.in_state(two, "offered"):
        await fair.answer(application_id, "confirm")
    forecasts = await fair.shown("/v1/fairness/forecasts")
    assert forecasts["settled"] >= 1
    assert forecasts["made"] == forecasts["settled"] + forecasts["open"] + forecasts["overdue"]
    await season.until(at(date(2023, 4, 8)))
    await fair.done(f"/v1/bazaars/{two}/finish")
    await season.the_books_are_right()
    await season.until(at(date(2023, 4, 9)))
    figures = (await fair.client.get("/v1/open-data/fairness")).json()
    assert figures["turns"]["people"] == 20
    assert not any(str(vendor_id) in json.dumps(figures) for vendor_id in vendors)


async def test_every_rw_in_turn_at_the_city_hall_whose_booths_grow(fair: Fair) -> None:
    """Article 004: three days, 56 booths and more on those that follow, RWs in turn, a report of who was served."""
    season = Season(fair)
    days = [date(2023, 3, 29), date(2023, 3, 30), date(2023, 3, 31)]
    closing = at(date(2023, 3, 22), 17)
    bazaar_id = await fair.announce(
        [site("balai-kota", 56, kelurahan=GAMBIR, reserves=[])],
        name="Bazar UP2K-PKK",
        days=[str(day) for day in days],
        applications_close_at=closing.isoformat(),
        policy={"code": "by-rw"},
        organisers=[
            {"name": "PPAPP", "agency": "ppapp"},
            {"name": "PPKUKM", "role": "co-organiser", "agency": "ppkukm"},
        ],
    )
    # seventy RWs with one vendor each that is willing, ten of them with another one
    vendors: list[UUID] = []
    rws: dict[UUID, str] = {}
    for number in range(1, 71):
        for _ in range(2 if number <= 10 else 1):
            (vendor_id,) = await fair.register(1, trained=False, rw=f"{number:03d}")
            vendors.append(vendor_id)
            rws[vendor_id] = f"{KARANG_ANYAR}.{number:03d}"
    await fair.train(*vendors)
    applications = dict(zip(await fair.apply_at_once(bazaar_id, vendors, ["balai-kota"]), vendors, strict=True))
    await fair.allocate(bazaar_id, closing=closing)
    offered = await season.in_state(bazaar_id, "offered")
    assert len(offered) == len({rws[applications[id_]] for id_ in offered}) == 56, "no RW twice before every RW"
    for application_id in offered:
        await fair.answer(application_id, "confirm")
    places = await season.places(bazaar_id)
    heard = len(await fair.published())

    # twenty booths more on the second and third day: the RWs not served yet are offered them, nobody else hears, and
    # none has a second vendor there, as the policy's cap says
    further = {"site_id": "balai-kota-2", "days": [str(day) for day in days[1:]], "booths": 20}
    await fair.done(f"/v1/bazaars/{bazaar_id}/grow", {"site_id": "balai-kota", "further_site": further})
    grown = (await fair.published())[heard:]
    assert Counter(event.type for event in grown) == {"BazaarGrown": 1, "BoothAssigned": 14}
    assert not {str(event.key) for event in grown} & set(offered)
    assert (await season.places(bazaar_id)).items() >= places.items()
    late = await season.in_state(bazaar_id, "offered")
    in_turn = [rws[applications[id_]] for id_ in late]
    assert set(rws.values()) - {rws[applications[id_]] for id_ in offered} == set(in_turn)
    for application_id in late:
        await fair.answer(application_id, "confirm")
    served = (await fair.shown("/v1/fairness/rws?area=31.71&served=true&limit=200"))["items"]
    assert (len(served), sum(row["offered"] for row in served)) == (70, 70)
    assert (await fair.shown("/v1/fairness/rws?area=31.71&served=false&limit=200"))["items"] == []

    for day, hour in ((days[0], 9), (days[1], 9)):
        await season.until(at(day, hour))
        here: list[Any] = offered if day == days[0] else offered + late
        checked = await fair.done(f"/v1/bazaars/{bazaar_id}/check-ins", {"day": str(day), "application_ids": here})
        assert (checked["checked_in"], checked["refused"]) == (len(here), [])
    await season.until(at(date(2023, 4, 1)))
    assert await fair.done(f"/v1/bazaars/{bazaar_id}/finish") == {"attended": 70, "missed": 0}
    await season.the_books_are_right()
