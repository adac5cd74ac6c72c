"""Every door of the bazaars' HTTP, tried by everybody: who gets in, and whose ids nobody else ever reads.

One table names every route and who it opens to. Every bazaar here is for all of Central Jakarta, though its site lies
in one kelurahan: that kelurahan's officer speaks for the vendors who live there, and decides nothing about the bazaar.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from services.bazaar import pages
from services.bazaar.allocation.stored import solve_stored
from services.bazaar.api import ROUTERS
from services.bazaar.app import create
from services.bazaar.domain.ceremony import commitment_of
from services.bazaar.handlers.fairness import TIMER, count_by_timer
from services.bazaar.handlers.rounds import publish_round
from services.bazaar.store.rounds import find_problem
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.ids import new_id
from shared.timers import run_due
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration import doors
from tests.integration.bazaar import CLOSING, DAYS, KARANG_ANYAR, Fair, at, open_fair, site
from tests.integration.bazaar_day import issue_tickets, ticket
from tests.integration.borju import SHOP, give_places, show
from tests.integration.doors import (
    EVERYBODY,
    ITSELF,
    OFFICERS,
    OPERATOR,
    REGISTRAR,
    Door,
    about,
    knock,
    wrong_status,
)
from tests.integration.test_bazaar_fridays import GROUPS
from tests.integration.test_bazaar_marketplace import FILE
from tests.integration.test_bazaar_policies import a_policy
from tests.integration.test_bazaar_requests import APPROVAL, wish
from tests.integration.test_bazaar_series import described
from tests.integration.test_bazaar_venues import GRID, RUSUN
from tests.unit.test_vendor_pictures import png

LOCAL = frozenset({"officer of the kelurahan"})
CALLERS = (*doors.CALLERS, *sorted(LOCAL))
HERE = doors.HERE
OWN = doors.OWN | LOCAL
"""The side of a vendor: itself, and officers of where it lives."""

ANY_OFFICER = OFFICERS | LOCAL
SIGNED_UP = frozenset(CALLERS) - {"nobody"}
PUBLIC = EVERYBODY | LOCAL
JUDGES = HERE | ITSELF
"""Who reads an appeal with its words: the vendor, and who decides on it."""

START = CLOSING - timedelta(days=12)
SECRETS = [sha256(name.encode()).hexdigest() for name in ("one", "two")]
PAST_SCAN = START - timedelta(days=3000)
NUMBERS = count(1)
FIGURES = {"day": str(DAYS[0]), "turnover_rupiah": 500_000, "transactions": 20}
SEED = {"seed": "3-8-19", "source": "Undian terbuka di balai warga"}
LATER = {"days": ["2023-04-20", "2023-04-21"], "reason": "weather"}
PREORDER = {"title": "Keripik", "pieces_max": 9, "pick_up_day": str(DAYS[0]), "pick_up_place": "RPTRA Enim"}
SHOWCASE = {
    "showcase_id": "lobi",
    "name": "Lobi",
    "kelurahan": KARANG_ANYAR,
    "address": "Jl. Enim 1",
    "days": [str(DAYS[0])],
    "opens": "09:00",
    "closes": "17:00",
    "places": 2,
}
PROGRAMME = {
    "title": "Live",
    "url": "https://www.youtube.com/@jakpreneur",
    "slot_minutes": 30,
    "shows": [{"day": str(DAYS[0]), "begins": "09:00", "ends": "10:00"}],
}
DRAFT = {
    "name": "Bazar",
    "organisers": ["Sudin PPKUKM Jakarta Pusat"],
    "area": "31.71",
    "days": [str(day) for day in DAYS],
    "sites": [site("one")],
    "applications_close_at": CLOSING.isoformat(),
}
CLONE = {"days": ["2023-05-20", "2023-05-21"], "applications_close_at": "2023-05-10T17:00:00+07:00"}
VENUE = {**RUSUN, "name": "Rusun"}


class World(doors.World):
    """The bazaars with something behind each door."""

    fair: Fair

    def token(self, caller: str, itself: str) -> str | None:
        """The token of a caller."""
        if caller in LOCAL:
            return self.fair.officer(KARANG_ANYAR)
        return super().token(caller, itself)


Ids = dict[str, str]
Maker = Callable[[Fair], Awaitable[Ids]]

# ---- what stands behind the doors; each maker makes it anew, with vendors of its own


async def a_draft(fair: Fair) -> Ids:
    return {**await people(fair), "bazaar_id": await fair.draft(area="31.71")}


async def people(fair: Fair) -> Ids:
    fair.clock.moment = START
    itself, another = await fair.register(2)
    return {"vendor_id": str(itself), "another": str(another)}


async def an_open_one(fair: Fair, *, plan: dict[str, Any] | None = None, **more: Any) -> Ids:
    """Announced; itself and another vendor have applied."""
    ids = await people(fair)
    bazaar_id = await fair.draft(area="31.71", **more)
    if plan is not None:
        await fair.done(f"/v1/bazaars/{bazaar_id}/seed-plan", plan)
    await fair.done(f"/v1/bazaars/{bazaar_id}/announce")
    own, other = [await fair.apply(bazaar_id, UUID(ids[name]), ["one"]) for name in ("vendor_id", "another")]
    return {**ids, "bazaar_id": bazaar_id, "application_id": own, "other": other, "site_id": "one"}


async def not_applied(fair: Fair) -> Ids:
    """Announced; a third vendor has not applied, and is who it is about."""
    ids = await an_open_one(fair)
    (itself,) = await fair.register(1)
    return {**ids, "vendor_id": str(itself)}


async def a_party(fair: Fair) -> Ids:
    ids = await an_open_one(fair)
    party = await fair.done(f"/v1/applications/{ids['application_id']}/party", {"if_apart": "split"})
    return {**ids, "party_id": party["party_id"], "secret:code": party["code"]}


async def a_party_of_another(fair: Fair) -> Ids:
    ids = await an_open_one(fair)
    party = await fair.done(f"/v1/applications/{ids['other']}/party", {"if_apart": "split"})
    return {**ids, "secret:code": party["code"]}


async def an_interest(fair: Fair) -> Ids:
    ids = await people(fair)
    body = {"valid_until": "2023-12-31"}
    made = await fair.done("/v1/interests", body, token=fair.vendor(UUID(ids["vendor_id"])))
    return {**ids, "interest_id": made["interest_id"]}


async def a_link_to_a_calendar(fair: Fair) -> Ids:
    ids = await an_open_one(fair)
    path = f"/v1/vendors/{ids['vendor_id']}/calendar-link"
    made = await fair.done(path, token=fair.vendor(UUID(ids["vendor_id"])))
    return {**ids, "secret:calendar": made["path"].partition("key=")[2]}


async def after_closing(fair: Fair) -> Ids:
    ids = await an_open_one(fair)
    fair.clock.moment = CLOSING
    return ids


async def frozen(fair: Fair, **more: Any) -> Ids:
    ids = await an_open_one(fair, **more)
    fair.clock.moment = CLOSING
    await fair.done(f"/v1/bazaars/{ids['bazaar_id']}/freeze")
    return {**ids, "number": "1"}


async def a_ceremony(fair: Fair) -> Ids:
    return await frozen(fair, plan={"by": "ceremony", "officials_min": 2})


async def a_full_ceremony(fair: Fair) -> Ids:
    """Two officials of the area have committed, of whom one is `officer`."""
    ids = await a_ceremony(fair)
    for secret, token in zip(SECRETS, (fair.officer(), fair.officer("31")), strict=True):
        body = {"commitment": commitment_of(secret), "office": "Sudin"}
        await fair.done(f"/v1/bazaars/{ids['bazaar_id']}/ceremony/commit", body, token=token)
    return ids


async def a_closed_ceremony(fair: Fair) -> Ids:
    ids = await a_full_ceremony(fair)
    await fair.done(f"/v1/bazaars/{ids['bazaar_id']}/ceremony/close")
    return ids


async def seeded(fair: Fair) -> Ids:
    ids = await frozen(fair)
    await fair.done(f"/v1/bazaars/{ids['bazaar_id']}/seed", SEED)
    return ids


async def offered(fair: Fair, **more: Any) -> Ids:
    """The round is published: both are offered booths."""
    ids = await frozen(fair, **more)
    await fair.done(f"/v1/bazaars/{ids['bazaar_id']}/seed", SEED)
    bazaar_id = UUID(ids["bazaar_id"])
    async with fair.database.transaction() as conn:
        # solved in this process, which saves a second each time
        await publish_round(conn, bazaar_id, solve_stored(await find_problem(conn, bazaar_id, 1)), now=fair.clock.now())
    return ids


async def a_full_one(fair: Fair) -> Ids:
    """One booth: another vendor is offered it, or itself is; the other of them waits, and is who it is about."""
    ids = await offered(fair, sites=[site("one", 1)])
    own, _ = await fair.states([ids["application_id"], ids["other"]])
    if own == "queued":
        return ids
    swapped = {"vendor_id": ids["another"], "another": ids["vendor_id"]}
    return {**ids, **swapped, "application_id": ids["other"], "other": ids["application_id"]}


async def confirmed(fair: Fair) -> Ids:
    ids = await offered(fair)
    for name in ("application_id", "other"):
        await fair.answer(ids[name], "confirm")
    await issue_tickets(fair)
    booths = [(await fair.application(ids[name]))["offer"]["booth"] for name in ("application_id", "other")]
    return {**ids, "booth": booths[0], "other_booth": booths[1]}


async def grown(fair: Fair) -> Ids:
    ids = await confirmed(fair)
    more = {"site_id": "one", "more_days": ["2023-03-22"]}
    await fair.done(f"/v1/bazaars/{ids['bazaar_id']}/grow", more)
    return ids


async def a_swap(fair: Fair) -> Ids:
    """Itself has proposed it."""
    ids = await confirmed(fair)
    body = {"site_id": "one", "booth": ids["other_booth"]}
    made = await fair.done(f"/v1/applications/{ids['application_id']}/swaps", body)
    return {**ids, "swap_id": made["swap_id"]}


async def a_swap_of_another(fair: Fair) -> Ids:
    """Itself is asked."""
    ids = await confirmed(fair)
    body = {"site_id": "one", "booth": ids["booth"]}
    made = await fair.done(f"/v1/applications/{ids['other']}/swaps", body)
    return {**ids, "swap_id": made["swap_id"]}


async def a_swap_agreed(fair: Fair) -> Ids:
    ids = await a_swap(fair)
    await fair.done(f"/v1/swaps/{ids['swap_id']}/accept")
    return ids


async def an_appeal(fair: Fair) -> Ids:
    ids = await a_full_one(fair)
    body = {"about": "not-served", "text": "Belum pernah dapat."}
    path = f"/v1/applications/{ids['application_id']}/appeals"
    made = await fair.done(path, body, token=fair.vendor(UUID(ids["vendor_id"])))
    return {**ids, "appeal_id": made["appeal_id"]}


async def the_day(fair: Fair) -> Ids:
    """The first morning; itself has shown a ticket that an officer must look at."""
    ids = await confirmed(fair)
    text = await ticket(fair, ids["application_id"])
    fair.clock.moment = at(DAYS[0])
    scan = {"scan_id": str(new_id()), "ticket": text, "scanned_at": PAST_SCAN.isoformat()}
    body = {"device_id": "A", "sent_at": fair.clock.now().isoformat(), "scans": [scan]}
    await fair.done(f"/v1/bazaars/{ids['bazaar_id']}/check-ins/sync", body)
    return {**ids, "scan_id": scan["scan_id"], "secret:ticket": text}


async def gate_closed(fair: Fair) -> Ids:
    ids = await the_day(fair)
    fair.clock.moment = at(DAYS[0], 14)
    return ids


async def a_free_booth(fair: Fair) -> Ids:
    ids = await gate_closed(fair)
    await fair.done(f"/v1/bazaars/{ids['bazaar_id']}/sites/one/release-absent")
    (present,) = await fair.register(1)
    return {**ids, "present": str(present)}


async def the_evening(fair: Fair) -> Ids:
    """Both stood at their booths."""
    ids = await the_day(fair)
    body = {"day": str(DAYS[0]), "application_ids": [ids["application_id"], ids["other"]]}
    await fair.done(f"/v1/bazaars/{ids['bazaar_id']}/check-ins", body)
    made = await fair.done(f"/v1/applications/{ids['application_id']}/sales-link")
    return {**ids, "token": made["token"], "secret:sales": made["token"]}


async def over(fair: Fair) -> Ids:
    ids = await the_evening(fair)
    fair.clock.moment = at(DAYS[-1] + timedelta(days=1))
    return ids


async def sales(fair: Fair) -> Ids:
    """Reported by itself and by another, and doubted."""
    ids = await the_evening(fair)
    for name in ("application_id", "other"):
        await fair.done(f"/v1/applications/{ids[name]}/sales", FIGURES)
    async with fair.database.transaction() as conn:
        await conn.execute("UPDATE sales SET queried_because = '{turnover-high}'")
    return ids


async def an_online_one_set_up(fair: Fair) -> Ids:
    bazaar_id = await fair.draft([site("etalase", 2, venue_type="online")], setting="online", area="31.71")
    return {**await people(fair), "bazaar_id": bazaar_id, "site_id": "etalase"}


async def an_online_one(fair: Fair) -> Ids:
    """Both take part; itself is shown, offers something ahead, and has submitted its storefront anew."""
    ids = await an_online_one_set_up(fair)
    bazaar_id = ids["bazaar_id"]
    await fair.done(f"/v1/bazaars/{bazaar_id}/sites/etalase/programme", PROGRAMME)
    await fair.done(f"/v1/bazaars/{bazaar_id}/announce")
    vendors = [UUID(ids[name]) for name in ("vendor_id", "another")]
    own, other = await fair.apply_all(bazaar_id, vendors, ["etalase"])
    await give_places(fair, bazaar_id, [own, other])
    await show(fair, own)
    made = await fair.done(f"/v1/applications/{own}/preorders", PREORDER)
    await fair.done(f"/v1/bazaars/{bazaar_id}/showcases", SHOWCASE)
    fair.clock.moment = at(DAYS[1], 20)
    more = {"preorder_id": made["preorder_id"], "showcase_id": "lobi"}
    return {**ids, "application_id": own, "other": other, **more}


async def a_series(fair: Fair, **more: Any) -> Ids:
    ids = await people(fair)
    series_id = (await fair.done("/v1/series", described(**more)))["series_id"]
    await fair.done(f"/v1/series/{series_id}/plan", {"until": "2023-06-30"})
    return {**ids, "series_id": series_id}


async def fridays(fair: Fair) -> Ids:
    ids = await a_series(fair)
    await fair.done(f"/v1/series/{ids['series_id']}/groups", {"groups": GROUPS})
    return ids


async def a_venue(fair: Fair) -> Ids:
    ids = await people(fair)
    venue_id = (await fair.done("/v1/venues", {**VENUE, "kelurahan": KARANG_ANYAR}))["venue_id"]
    path = f"/v1/venues/{venue_id}/photos"
    photo = await doors.send(fair.client, path, fair.officer(), {}, png(40, 30))
    await fair.done(f"/v1/venues/{venue_id}/plans", {"after": 0, "grid": GRID})
    return {**ids, "venue_id": venue_id, "photo_id": photo.json()["photo_id"]}


async def a_site_with_a_plan(fair: Fair) -> Ids:
    ids = await a_venue(fair)
    stands = (await fair.shown(f"/v1/venues/{ids['venue_id']}/plan"))["stands"]
    booths = sum(stand["kind"] == "vendor" for stand in stands)
    sites = [site("one", booths, venue_id=ids["venue_id"])]
    bazaar_id = await fair.announce(sites, area="31.71")
    await fair.done(f"/v1/bazaars/{bazaar_id}/sites/one/plan", {"plan": 1})
    return {**ids, "bazaar_id": bazaar_id, "site_id": "one"}


async def a_request(fair: Fair) -> Ids:
    ids = await people(fair)
    made = await fair.done("/v1/requests", wish(), token=fair.officer(KARANG_ANYAR))
    return {**ids, "request_id": made["request_id"]}


async def open_figures(fair: Fair) -> Ids:
    ids = await confirmed(fair)
    await count_by_timer_now(fair)
    return ids


async def count_by_timer_now(fair: Fair) -> None:
    while await run_due(fair.database, {TIMER: count_by_timer}, fair.clock.now()):
        pass


# ---- the table

A, B, V = "/v1/applications/{application_id}", "/v1/bazaars/{bazaar_id}", "/v1/vendors/{vendor_id}"
R, S = f"{B}/rounds/{{number}}", "/v1/sales/{token}"


def door(route: str, opens: frozenset[str], fresh: Maker, body: Any = None, **more: Any) -> Door:
    """A door with what stands behind it."""
    MAKERS[fresh.__name__] = fresh
    return Door(route, opens, body, fresh=fresh.__name__, **more)


MAKERS: dict[str, Maker] = {}

DOORS = [
    # ---- what everybody may read
    *(
        door(f"GET {path}", PUBLIC, maker)
        for path, maker in {
            "/bazaars": an_open_one,
            "/bazaars/{bazaar_id}": an_online_one,
            "/v1/bazaars": an_open_one,
            B: confirmed,
            f"{B}/calendar.ics": confirmed,
            f"{B}/gate": confirmed,
            f"{B}/gate-worker.js": confirmed,
            f"{B}/programme": an_online_one,
            f"{B}/seed-plan": a_closed_ceremony,
            R: confirmed,
            f"{R}/ceremony": a_closed_ceremony,
            f"{R}/frozen": confirmed,
            f"{R}/numbering": confirmed,
            f"{R}/problem": confirmed,
            f"{R}/result": confirmed,
            f"{B}/sites/{{site_id}}/plan.svg": a_site_with_a_plan,
            "/v1/calendar.ics": confirmed,
            "/v1/marketplaces": people,
            "/v1/open-data/fairness": open_figures,
            "/v1/open-data/fairness.csv": open_figures,
            "/v1/policies": people,
            "/v1/public/bazaars": an_open_one,
            "/v1/public/bazaars/{bazaar_id}": an_online_one,
            "/v1/series": a_series,
            "/v1/series/{series_id}": a_series,
            "/v1/series/{series_id}/calendar.ics": a_series,
            "/v1/series/{series_id}/groups": fridays,
            "/v1/statistics/appeals": an_appeal,
            "/v1/tickets/keys": confirmed,
            "/v1/venues": a_venue,
            "/v1/venues/{venue_id}": a_venue,
            "/v1/venues/{venue_id}/photos/{photo_id}": a_venue,
            "/v1/venues/{venue_id}/plan": a_venue,
            "/v1/venues/{venue_id}/plan.svg": a_venue,
        }.items()
    ),
    door("GET /v1/series/{series_id}/groups/next", PUBLIC, fridays, params={"category": "health"}),
    # ---- what has no token but a secret in its address
    door(f"GET {V}/calendar.ics", PUBLIC, a_link_to_a_calendar, params={"key": "@secret:calendar"}, shows=PUBLIC),
    door(f"GET {S}", PUBLIC, sales),
    door(f"POST {S}", PUBLIC, the_evening, FIGURES),
    door(f"POST {S}/confirm", PUBLIC, sales, {"day": str(DAYS[0])}),
    door(f"POST {S}/form", PUBLIC, the_evening, form={"day": str(DAYS[0]), "act": "report"}),
    # ---- what a vendor may read of itself, and officers of where it lives
    *(
        door(f"GET {path}", OWN, maker)
        for path, maker in {
            A: a_full_one,
            f"{A}/party": a_party,
            f"{A}/preorders": an_online_one,
            f"{A}/receipt": confirmed,
            f"{A}/sales": sales,
            f"{A}/storefront": an_online_one,
            f"{A}/swaps": a_swap_of_another,
            f"{A}/ticket": confirmed,
            f"{A}/ticket.png": confirmed,
            f"{A}/ticket.svg": confirmed,
            "/v1/interests/{interest_id}": an_interest,
            f"{V}/applications": confirmed,
            f"{V}/interests": an_interest,
            f"{V}/next-friday": fridays,
            f"{V}/standing": confirmed,
        }.items()
    ),
    door(f"GET {V}/data", REGISTRAR | ITSELF, sales, params={"reason": "to-decide"}),
    door("GET /v1/appeals/{appeal_id}", JUDGES, an_appeal),
    # ---- what only officers may read
    *(
        door(f"GET {B}/{noun}", HERE, maker)
        for noun, maker in {
            "applications": a_full_one,
            "check-ins": the_day,
            "check-ins/flagged": the_day,
            "gate/list": the_day,
            "marketplace-sales/imports": an_online_one,
            "queue": a_full_one,
            "sales": sales,
            "sales/queries": sales,
            "storefronts": an_online_one,
            "summary": confirmed,
            "swaps": a_swap,
        }.items()
    ),
    door(f"GET {B}", HERE, a_draft, hides=True),
    door("GET /v1/bazaars", ANY_OFFICER, a_draft, params={"state": "draft"}),
    door("GET /v1/series", ANY_OFFICER, a_series, params={"own": "true"}),
    door("GET /v1/appeals", ANY_OFFICER, an_appeal),
    door("GET /v1/requests", ANY_OFFICER, a_request),
    door("GET /v1/requests/{request_id}", HERE | LOCAL, a_request),
    door("GET /v1/fairness/forecasts", ANY_OFFICER | {"officer of nowhere"}, people),
    *(
        door(f"GET /v1/fairness/{noun}", HERE, confirmed, params={"area": "31.71", **more})
        for noun, more in {"ledger": {"by": "rw"}, "rws": {}, "vendors": {}}.items()
    ),
    door("GET /v1/fairness/vendors", HERE | LOCAL, confirmed, params={"area": KARANG_ANYAR}),
    # ---- operators
    door("GET /v1/projections", OPERATOR, people),
    door("POST /v1/tickets/keys", OPERATOR, people),
    # ---- what a vendor may do for itself, and officers of where it lives for it
    door(f"POST {V}/calendar-link", ITSELF, an_open_one),
    door(f"POST {V}/calendar-link/revoke", ITSELF, a_link_to_a_calendar),
    door(f"POST {B}/applications", OWN, not_applied, about(choices=[["one"]], vendor_id="@vendor_id")),
    door(f"POST {A}/change", OWN, an_open_one, {"needs": ["power"]}),
    door(f"POST {A}/withdraw", OWN, an_open_one),
    door(f"POST {A}/confirm", OWN, offered),
    door(f"POST {A}/decline", OWN, offered),
    door(f"POST {A}/release", OWN, confirmed),
    door(f"POST {A}/decline-days", OWN, grown, {"days": ["2023-03-22"]}),
    door(f"POST {A}/party", OWN, an_open_one, {"if_apart": "none"}),
    door(f"POST {A}/party/join", OWN, a_party_of_another, lambda world: {"code": world.ids["secret:code"]}),
    door(f"POST {A}/party/leave", OWN, a_party),
    door(f"POST {A}/party/code", OWN, a_party),
    door("POST /v1/interests", OWN, people, about(valid_until="2023-12-31", vendor_id="@vendor_id")),
    *(door(f"POST /v1/interests/{{interest_id}}/{act}", OWN, an_interest) for act in ("pause", "resume", "end")),
    door("POST /v1/interests/{interest_id}/confirm", OWN, an_interest, {"valid_until": "2023-11-30"}),
    door(f"POST {A}/appeals", OWN, a_full_one, {"about": "not-served", "text": "Belum pernah dapat."}),
    door(f"POST {A}/swaps", OWN, confirmed, about(site_id="one", booth="@other_booth")),
    door("POST /v1/swaps/{swap_id}/accept", OWN, a_swap_of_another),
    door("POST /v1/swaps/{swap_id}/decline", OWN, a_swap_of_another),
    door("POST /v1/swaps/{swap_id}/withdraw", OWN, a_swap),
    door(f"POST {A}/sales", OWN, the_evening, FIGURES),
    door(f"POST {A}/sales/correct", OWN, sales, {**FIGURES, "transactions": 21}),
    door(f"POST {A}/sales/confirm", OWN, sales, {"day": str(DAYS[0])}),
    door(f"POST {A}/sales-link", OWN, the_evening),
    door(f"POST {A}/storefront", OWN, an_online_one, SHOP),
    door(f"POST {A}/storefront/withdraw", OWN, an_online_one),
    door(f"POST {A}/preorders", OWN, an_online_one, PREORDER),
    door("POST /v1/preorders/{preorder_id}/count", OWN, an_online_one, {"pieces": 1}),
    door("POST /v1/preorders/{preorder_id}/withdraw", OWN, an_online_one),
    # ---- what officers of the whole bazaar do
    door("POST /v1/bazaars", HERE, people, DRAFT),
    door(f"POST {B}/announce", HERE, a_draft),
    door(f"POST {B}/edit", HERE, a_draft, DRAFT),
    door(f"POST {B}/clone", HERE, an_open_one, CLONE),
    door(f"POST {B}/links", HERE, an_open_one, {"links": []}),
    door(f"POST {B}/grow", HERE, an_open_one, {"site_id": "one", "more_booths": 1}),
    door(f"POST {B}/cancel", HERE, an_open_one, {"reason": "weather"}),
    door(f"POST {B}/move", HERE, an_open_one, LATER),
    door(f"POST {B}/seed-plan", HERE, an_open_one, {"by": "ceremony"}),
    door(f"POST {B}/freeze", HERE, after_closing),
    door(f"POST {B}/seed", HERE, frozen, SEED),
    door(f"POST {B}/allocate", HERE, seeded),
    door(f"POST {B}/ceremony/commit", HERE, a_ceremony, {"commitment": commitment_of(SECRETS[0]), "office": "Sudin"}),
    door(f"POST {B}/ceremony/close", HERE, a_full_ceremony),
    door(f"POST {B}/ceremony/reveal", frozenset({"officer"}), a_closed_ceremony, {"secret": SECRETS[0]}),
    door(f"POST {B}/preview", HERE, an_open_one, {"policy": {}}),
    door(f"POST {B}/sites/{{site_id}}/plan", HERE, a_site_with_a_plan, {"plan": 1}),
    door(f"POST {B}/sites/{{site_id}}/programme", HERE, an_online_one_set_up, PROGRAMME),
    door(f"POST {B}/sites/{{site_id}}/gate", HERE, the_day, {"closes_at": "11:00"}),
    door(f"POST {B}/sites/{{site_id}}/release-absent", HERE, gate_closed),
    door(f"POST {B}/walk-ins", HERE, a_free_booth, about(site_id="one", present=["@present"])),
    door(f"POST {B}/check-ins", HERE, the_day, about(day=str(DAYS[0]), application_ids=["@application_id"])),
    door(f"POST {B}/check-ins/sync", HERE, the_day, {"device_id": "B", "sent_at": START.isoformat(), "scans": []}),
    door(f"POST {B}/check-ins/flagged/{{scan_id}}", HERE, the_day, {"accept": True, "day": str(DAYS[0])}),
    door(f"POST {B}/finish", HERE, over),
    door(
        f"POST {B}/marketplace-sales/import",
        HERE,
        an_online_one,
        params={"marketplace": "tokopedia"},
        file=FILE.encode(),
    ),
    door(f"POST {B}/showcases", HERE, an_online_one, SHOWCASE),
    door(f"POST {B}/showcases/{{showcase_id}}/fill", HERE, an_online_one, about(application_ids=["@application_id"])),
    door(f"POST {A}/storefront/decide", HERE, an_online_one, {"version": 1, "decision": "approve"}),
    door(
        "POST /v1/appeals/{appeal_id}/decide",
        HERE,
        an_appeal,
        {"upheld": False, "reason": "rule-was-followed", "answer": "Sesuai aturan."},
    ),
    door("POST /v1/swaps/{swap_id}/approve", HERE, a_swap_agreed),
    door("POST /v1/swaps/{swap_id}/refuse", HERE, a_swap_agreed),
    # ---- what officers of an area do
    door("POST /v1/policies", HERE, people, lambda world: a_policy(f"p-{next(NUMBERS)}")),
    door("POST /v1/series", HERE, people, described()),
    door("POST /v1/series/{series_id}/change", HERE, a_series, {"version": 1, "series": described(name="Lain")}),
    door("POST /v1/series/{series_id}/plan", HERE, a_series, {"until": "2023-07-31"}),
    door("POST /v1/series/{series_id}/groups", HERE, a_series, {"groups": GROUPS}),
    door("POST /v1/venues", HERE | LOCAL, people, {**VENUE, "kelurahan": KARANG_ANYAR}),
    door("POST /v1/venues/{venue_id}/edit", HERE | LOCAL, a_venue, {**VENUE, "version": 2, "name": "Lain"}),
    door("POST /v1/venues/{venue_id}/retire", HERE | LOCAL, a_venue, {"version": 2}),
    door("POST /v1/venues/{venue_id}/photos", HERE | LOCAL, a_venue, file=png(40, 30)),
    door("POST /v1/venues/{venue_id}/photos/{photo_id}/remove", HERE | LOCAL, a_venue),
    door("POST /v1/venues/{venue_id}/plans", HERE | LOCAL, a_venue, {"after": 1, "grid": GRID}),
    door("POST /v1/requests", LOCAL, people, wish()),
    door("POST /v1/requests/{request_id}/approve", HERE, a_request, APPROVAL),
    door("POST /v1/requests/{request_id}/refuse", HERE, a_request, {"because": "no-booths"}),
]

USED_UP = {
    f"POST {A}/storefront/withdraw",
    "POST /v1/preorders/{preorder_id}/withdraw",
    f"POST {B}/check-ins/flagged/{{scan_id}}",
    "POST /v1/venues/{venue_id}/photos/{photo_id}/remove",
}
"""After the first call that is let in there is nothing there any more."""


# ---- knocking


@pytest_asyncio.fixture
async def world(
    make_database: MakeDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> AsyncIterator[World]:
    monkeypatch.setenv("LAPAK_FILES", str(tmp_path))
    fair = await open_fair(make_database, serve, issuer, clock, sealer)
    world = World(client=fair.client, issuer=issuer)
    world.fair = fair
    (elsewhere,) = await fair.register(1, kelurahan="31.72.01.1001")
    world.ids["elsewhere"] = str(elsewhere)
    yield world


def test_the_table_names_every_route_of_the_service(
    issuer: LocalIssuer, setenv: Callable[[dict[str, str]], None]
) -> None:
    setenv({"LAPAK_DATABASE": "postgresql://nowhere/bazaar"})
    assert {door.route for door in DOORS} == doors.routes(create, (*ROUTERS, pages.router))


OF_ITSELF = ("vendor_id", "application_id")
OF_ANOTHER = ("another", "other")


def wrong_sight(world: World, door: Door, caller: str, text: str) -> str | None:
    """Whose id is shown to whom it must not be shown, if any is."""
    asked = door.route.partition(" ")[2].format(**door.names(world)) + json.dumps(door.params)
    hidden = [] if caller in HERE | LOCAL else [*OF_ANOTHER]
    if (door.public or caller not in door.opens or caller in doors.ELSEWHERE) and caller not in door.shows:
        hidden = [*OF_ITSELF, *OF_ANOTHER]
    seen = [name for name in hidden if world.ids.get(name, "nothing") in text and world.ids[name] not in asked]
    return f"sees {', '.join(seen)}" if seen else None


async def written(fair: Fair) -> tuple[int, int]:
    """How much was told, and how many POSTs have acted."""
    async with fair.database.read() as conn:
        row = await conn.fetchrow(
            "SELECT (SELECT count(*) FROM outbox) AS told, (SELECT count(*) FROM idempotency_key) AS acted"
        )
    assert row is not None
    return row["told"], row["acted"]


async def test_each_door_opens_to_those_it_is_for_and_tells_nobody_of_others(
    world: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO")
    fair, wrong, secrets = world.fair, [], set()
    answered: Counter[int] = Counter()
    made: dict[str, tuple[Ids, Any]] = {}
    for door in sorted(DOORS, key=lambda door: door.method):  # what is read is made once
        if door.method == "POST" or door.fresh not in made:
            ids = await MAKERS[door.fresh](fair)
            made[door.fresh] = ids, fair.clock.moment
        ids, fair.clock.moment = made[door.fresh]
        world.ids = {"elsewhere": world.ids["elsewhere"], **ids}
        secrets |= {value for name, value in ids.items() if name.startswith("secret:")}
        opened = False
        before: tuple[int, int] | None = await written(fair)
        for caller in sorted(CALLERS, key=lambda caller: caller in door.opens):
            if opened and door.route in USED_UP:
                ids = await MAKERS[door.fresh](fair)
                world.ids |= ids
            if before is not None and caller in door.opens:  # the first; those who are refused came before
                if before != await written(fair):
                    wrong.append(f"{door.route} {door.params}: changes something though it refuses")
                before = None
            answer = await knock(world, door, caller)
            answered[answer.status_code] += 1
            opened |= answer.status_code < 400
            found = [wrong_status(door, caller, answer), wrong_sight(world, door, caller, answer.text)]
            text = f"{door.route} {door.params} {door.fresh}: {caller}"
            wrong += [f"{text} {what} ({answer.status_code}: {answer.text[:160]})" for what in found if what]
        if not opened:
            wrong.append(f"{door.route} {door.params} {door.fresh}: nobody gets through")
    assert not wrong, "\n".join(wrong)
    assert {200, 201, 204, 401, 403, 404} <= answered.keys()
    assert len(secrets) > 10
    # the client of this test logs whole addresses; the service must not
    own = [record.getMessage() for record in caplog.records if not record.name.startswith("http")]
    await _no_secret_is_left_behind(fair, secrets, capfd.readouterr().out + " ".join(own))


async def _no_secret_is_left_behind(fair: Fair, secrets: set[str], logged: str) -> None:
    """Neither in what is kept of requests and of their answers, nor in the log lines: codes, links, tickets."""
    async with fair.database.read() as conn:
        kept = await conn.fetchval(
            "SELECT string_agg(concat_ws(' ', caller, path, convert_from(body, 'UTF8')), ' ') FROM idempotency_key"
        )
    assert "request.handled" in logged
    for place, text in {"what is kept of requests": kept, "log lines": logged}.items():
        assert not [secret for secret in secrets if secret in text], place


async def test_a_planted_open_door_and_a_planted_leak_are_found(world: World) -> None:
    world.ids |= await confirmed(world.fair)
    open_door, leak = Door(f"GET {B}", HERE), Door(f"GET {A}", OWN)
    answer = await knock(world, open_door, "itself")
    assert wrong_status(open_door, "itself", answer) == "is let in"
    assert wrong_status(open_door, "nobody", answer) == "need not say who calls"
    assert wrong_status(replace(open_door, opens=PUBLIC), "nobody", httpx.Response(404)) == "is kept out"
    assert wrong_sight(world, leak, "itself", world.ids["other"]) == "sees other"
    assert wrong_sight(world, leak, "officer elsewhere", world.ids["vendor_id"]) == "sees vendor_id"
    assert wrong_sight(world, leak, "officer", world.ids["other"]) is None
