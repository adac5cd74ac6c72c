"""Every door of notify's HTTP, tried by everybody: who gets in, and whose ids and words nobody else ever reads.

One table names every route and who it opens to. The vendors live in Central Jakarta; other systems call with keys that
open nothing but the door of messages, providers with signatures, which no token replaces.
"""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from services.notify import pages
from services.notify.api import ROUTERS
from services.notify.app import create
from services.notify.domain.delivery import Outcome, Rejected
from services.notify.domain.reports import Reply
from services.notify.handlers import delivery as deliveries
from services.notify.handlers import replies
from services.notify.handlers.delivery import End
from services.notify.handlers.providers import add_providers
from services.notify.handlers.stopping import stop_url
from services.notify.store.delivery import Start
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration import doors
from tests.integration.doors import EVERYBODY, ITSELF, OPERATOR, REGISTRAR, about, knock
from tests.integration.notify import Desk, card, enrolled, people
from tests.integration.notify_wishes import KARANG_ANYAR, consented, merged, registered
from tests.integration.outside import PARAMS, TEMPLATE, Outside
from tests.integration.test_notify_webhooks import PROVIDERS, PUBLIC
from tests.unit.notify_mails import absence

KINDS = ("normal", "team", "test")
KEYS = frozenset(f"{kind} key" for kind in KINDS)
FORMER = frozenset({"former id"})
"""The vendor itself, by an id that was merged into the one it has now."""
LOCAL, PROVINCE = frozenset({"officer of the kelurahan"}), frozenset({"officer of the province"})
SELF = frozenset({"officer who is this vendor"})
CALLERS = (
    *doors.CALLERS,
    *sorted(FORMER | LOCAL | PROVINCE | SELF | KEYS),
    *("expired", "revoked key", "mentor", "provider", "bank"),
)

OPERATORS = OPERATOR
SERVICE = doors.SERVICE
DECIDERS = doors.HERE | PROVINCE
HERE = DECIDERS | SELF
HOME = HERE | LOCAL
"""Officers of where the vendor lives; one of them is the vendor."""
HOLDER = ITSELF | SELF | FORMER
OWN = HOME | HOLDER
ANY_OFFICER = doors.OFFICERS | HOME
UNPLACED = frozenset({"officer of nowhere"})
ALL_OFFICERS = ANY_OFFICER | UNPLACED
READERS = OPERATORS | SERVICE | HOME
EVERY: frozenset[str] = EVERYBODY | frozenset(CALLERS)
NOBODY: frozenset[str] = frozenset()

NAME, WORDS = "Zubaidah Tersembunyi", "kata-kata rahasia 77"
PERSONAL = re.compile("Zubaidah|Tersembunyi|kata-kata rahasia|81277770|zubaidah\\.t")
"""What is shown only to whom a door names."""
NUMBERS = count(1)


@dataclass(frozen=True)
class Door(doors.Door):
    """A door of notify."""

    lists: frozenset[str] = HOME
    """Who sees here ids of other vendors."""


@dataclass(kw_only=True)
class World(doors.World):
    """Notify with something behind each door."""

    outside: Outside
    keys: dict[str, str] = field(default_factory=dict)

    def token(self, caller: str, itself: str) -> str | None:
        """The token or the key of a caller."""
        issuer = self.issuer
        if caller in self.keys:
            return self.keys[caller]
        tokens: dict[str, Callable[[], str]] = {
            "former id": lambda: issuer.token(
                "vendor-former", ["vendor"], vendor_id=UUID(self.ids.get("former", str(uuid4())))
            ),
            "officer of the kelurahan": lambda: issuer.token("officer-ka", ["officer"], area=KARANG_ANYAR),
            "officer of the province": lambda: issuer.token("officer-31", ["officer"], area="31"),
            "officer who is this vendor": lambda: issuer.token(
                "officer-self", ["officer", "vendor"], area="31.71", vendor_id=UUID(itself)
            ),
            "expired": lambda: issuer.token("operator-late", ["operator", "service"], hours=-1),
            **{
                role: lambda role=role: issuer.token(f"{role}-1", [role])  # type: ignore[misc]  # bound at once
                for role in ("mentor", "provider", "bank")
            },
        }
        return tokens[caller]() if caller in tokens else super().token(caller, itself)

    async def act(self, path: str, body: Any = None, *, by: str = "ani", area: str = "31.71", status: int = 200) -> Any:
        """POST as an officer, what must be taken."""
        headers = {
            "Authorization": f"Bearer {self.issuer.token(by, ['officer'], area=area)}",
            "Idempotency-Key": str(uuid4()),
        }
        answer = await self.client.post(f"/v1{path}", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()


Ids: TypeAlias = dict[str, str]
Maker: TypeAlias = Callable[[World], Awaitable[Ids]]

# ---- what stands behind the doors; each maker makes it anew, with vendors of its own


async def vendors(world: World) -> Ids:
    """Two people; the first was registered twice."""
    itself, former, another = people(3)
    number = next(NUMBERS)
    cards = [
        card(one, f"zubaidah.t{number}.{place}@contoh.id", name=NAME, phone=f"+6281277770{number:03d}{place}")
        for place, one in enumerate((itself, another))
    ]
    await world.outside.desk.hear(
        *(registered(one) for one in (itself, former, another)),
        *cards,
        *(consented(one) for one in (itself, another)),
        merged(former, itself),
    )
    async with world.outside.desk.database.transaction() as conn:  # welcomes are of no interest here
        await conn.execute("DELETE FROM notification WHERE vendor_id = ANY($1)", [itself, former, another])
    return {
        "vendor_id": str(itself),
        "former": str(former),
        "another": str(another),
        "phone": str(cards[0].phone),
        "email": str(cards[0].email),
    }


async def told(world: World) -> Ids:
    """Each has a message."""
    ids = await vendors(world)
    await world.outside.desk.hear(*(enrolled(UUID(ids[name])) for name in ("vendor_id", "another")))
    rows = await world.outside.desk.rows()
    (own,) = (row["id"] for row in rows if str(row["vendor_id"]) == ids["vendor_id"])
    return {**ids, "notification_id": str(own)}


async def _ended(world: World, outcome: Outcome | None) -> Ids:
    ids = await told(world)
    desk = world.outside.desk
    now = desk.clock.now()
    jobs = await desk.claim(limit=500)
    starts = [Start(job.id, job.claim, new_id(), "email", "id") for job in jobs]
    async with desk.database.transaction() as conn:
        await deliveries.begin_attempts(conn, starts, lease_seconds=0, now=now)
    async with desk.database.transaction() as conn:
        if outcome is None:
            assert await deliveries.settle_lost(conn, now=now) == len(jobs)
        else:
            await deliveries.end_attempts(
                conn, [End(one.notification_id, one.attempt_id, outcome) for one in starts], now=now
            )
    return ids


async def unknown(world: World) -> Ids:
    return await _ended(world, None)


async def failed(world: World) -> Ids:
    return await _ended(world, Rejected("smtp 554", "other"))


async def written_to_us(world: World) -> Ids:
    """Itself wrote something that needs a person."""
    ids = await vendors(world)
    desk = world.outside.desk
    said = Reply("sms-a", "sms", uuid4().hex, ids["phone"], WORDS, desk.clock.now())
    async with desk.database.transaction() as conn:
        assert await replies.receive(conn, [said], sealer=desk.sealer, now=desk.clock.now()) == 1
        reply_id = await conn.fetchval("SELECT reply_id FROM reply WHERE message_id = $1", said.message_id)
    return {**ids, "reply_id": str(reply_id)}


def kabar(*, by_list: bool = False) -> dict[str, Any]:
    return {"template": TEMPLATE, "params": PARAMS, "areas": [KARANG_ANYAR], "by_list": by_list, "channels": ["email"]}


async def drafted(world: World, *, by_list: bool = False) -> Ids:
    ids = await vendors(world)
    made = await world.act("/broadcasts", kabar(by_list=by_list), status=201)
    return {**ids, "broadcast_id": made["broadcast_id"]}


async def drafted_for_a_list(world: World) -> Ids:
    return await drafted(world, by_list=True)


async def submitted(world: World) -> Ids:
    ids = await drafted(world)
    made = await world.act(f"/broadcasts/{ids['broadcast_id']}/submit")
    assert made["state"] == "submitted"
    return {**ids, "version": made["version"]}


async def running(world: World) -> Ids:
    ids = await submitted(world)
    await world.act(f"/broadcasts/{ids['broadcast_id']}/approve", {"version": ids["version"]}, by="budi")
    return ids


async def paused(world: World) -> Ids:
    ids = await running(world)
    await world.act(f"/broadcasts/{ids['broadcast_id']}/pause", {"reason": "wait"})
    return ids


async def a_key(world: World) -> Ids:
    ids = await vendors(world)
    made = (await world.outside.post("/keys", {"kind": "test", "name": "SIPPT"})).json()
    return {**ids, "key_id": made["key_id"], "secret:key": made["key"]}


async def a_team(world: World) -> Ids:
    ids = await vendors(world)
    await world.outside.post("/team", {"email": ids["email"]})
    (row, *_) = (await world.outside.get("/team")).json()["items"]
    return {**ids, "address_id": row["address_id"]}


async def sent_by_key(world: World) -> Ids:
    """The test key wrote to itself; keys of other kinds did not."""
    ids = await vendors(world)
    reference = f"surat/{next(NUMBERS)}"
    message_id = await world.outside.sent(world.keys["test key"], {"vendor_id": ids["vendor_id"]}, reference=reference)
    return {**ids, "message_id": str(message_id), "reference": reference}


async def subscribed(world: World) -> Ids:
    ids = await vendors(world)
    made = await world.outside.post("/subscribers", subscriber())
    assert made.status_code == 201, made.text
    return {**ids, "subscriber_id": made.json()["subscriber_id"], "secret:whsec": made.json()["secret"]}


async def subscriber_paused(world: World) -> Ids:
    ids = await subscribed(world)
    await world.outside.post(f"/subscribers/{ids['subscriber_id']}/pause")
    return ids


async def suppressed(world: World) -> Ids:
    ids = await vendors(world)
    body = {"channel": "sms", "reason": "invalid", "vendor_id": ids["vendor_id"]}
    made = await world.outside.post("/suppressions", body)
    assert made.status_code == 200, made.text
    return {**ids, "suppression_id": made.json()["suppression_id"]}


async def a_version(world: World) -> Ids:
    ids = await vendors(world)
    shown = (await world.outside.get(f"/templates/{TEMPLATE}")).json()
    return {**ids, "template": TEMPLATE, "template_version": shown["version"]}


async def linked(world: World) -> Ids:
    """Itself has a letter with a link that ends such messages."""
    ids = await vendors(world)
    url = stop_url(
        PUBLIC,
        world.outside.desk.sealer,
        vendor_id=UUID(ids["vendor_id"]),
        notification_id=new_id(),
        topic="training",
        now=world.outside.desk.clock.now(),
    )
    return {**ids, "secret:link": url.rpartition("/")[2], "wrong": "A" * 120}


MAKERS: dict[str, Maker] = {}


def door(route: str, opens: frozenset[str], maker: Maker, body: Any = None, **more: Any) -> Door:
    """A door behind which this maker puts something."""
    MAKERS[maker.__name__] = maker
    return Door(route, opens, body, fresh=maker.__name__, **more)


def subscriber() -> dict[str, Any]:
    return {"name": "Kantor", "url": "https://penerima.example.go.id/kabar", "types": ["NotificationSent"]}


def a_list(world: doors.World) -> bytes:
    return f"vendor_id\n{world.ids['vendor_id']}\n".encode()


def an_approval(world: doors.World) -> dict[str, Any]:
    return {"version": int(world.ids["version"])}


def a_new_version(world: doors.World) -> dict[str, Any]:
    form = {"email": f"Kabar {next(NUMBERS)} {{{{ title }}}}\n\nHalo {{{{ name }}}}, {{{{ title }}}}.\n"}
    return {"forms": {"id": form, "en": form}, "parameters": {"title": "text"}, "reason": "uji"}


def since(world: doors.World) -> dict[str, Any]:
    return {"since": "2023-03-01T00:00:00Z"}


B, R = "/v1/broadcasts/{broadcast_id}", "/v1/replies/{reply_id}"
S, T = "/v1/subscribers/{subscriber_id}", "/v1/templates/{name}"
NAMED = {"name": "template", "version": "template_version"}
CHALLENGE = {"hub.mode": "subscribe", "hub.verify_token": "setuju", "hub.challenge": "1158201444"}
BECAUSE = {"reason": "salah alamat"}
STAFF = OPERATORS | SERVICE | HOME

DOORS = [
    # ---- who proves its right otherwise: providers by signatures, people by the link in a letter
    door("GET /v1/providers/{name}/webhook", EVERY, vendors, params=CHALLENGE, at={"name": "wa-main"}),
    *(
        door("GET /v1/providers/{name}/webhook", NOBODY, vendors, at={"name": name}, params=params)
        for name, params in {"wa-main": {**CHALLENGE, "hub.verify_token": "x"}, "sms-a": {}, "sms-b": {}}.items()
    ),
    *(
        door(f"POST /v1/providers/{{name}}/webhook{rest}", NOBODY, vendors, {"status": "delivered"}, at={"name": name})
        for name in ("wa-main", "sms-a", "sms-b", "smtp")
        for rest in ("", "/{rest}")
    ),
    door("GET /stop/{token}", EVERY, linked, at={"token": "secret:link"}),
    door("GET /stop/{token}", NOBODY, linked, at={"token": "wrong"}, hides=True),
    door("POST /stop/{token}", EVERY, linked, form={"act": "stop"}, at={"token": "secret:link"}),
    door("POST /stop/{token}", NOBODY, linked, form={"act": "stop"}, at={"token": "wrong"}, hides=True),
    # ---- other systems, with keys
    door("GET /v1/messages", frozenset({"test key"}), sent_by_key, params={"reference": "@reference"}),
    door("GET /v1/messages/{message_id}", frozenset({"test key"}), sent_by_key),
    door(
        "POST /v1/messages",
        frozenset({"test key", "normal key"}),
        vendors,
        about(template=TEMPLATE, recipient={"vendor_id": "@vendor_id"}, params=PARAMS),
    ),
    door(
        "POST /v1/messages",
        KEYS,
        a_team,
        about(template=TEMPLATE, recipient={"vendor_id": "@vendor_id"}, params=PARAMS, channel="email"),
    ),
    # ---- messages
    door("GET /v1/notifications", ANY_OFFICER | OPERATORS | SERVICE, told, lists=STAFF),
    door(
        "GET /v1/notifications",
        HOME | HOLDER | OPERATORS | SERVICE,
        told,
        params={"vendor_id": "@vendor_id"},
        lists=STAFF,
    ),
    door("GET /v1/notifications", OPERATORS | SERVICE, sent_by_key, params={"reference": "@reference"}, lists=STAFF),
    door("GET /v1/notifications/{notification_id}", HOME | HOLDER | OPERATORS | SERVICE, told, shows=HOLDER),
    door("POST /v1/notifications/{notification_id}/settle", OPERATORS, unknown, {"outcome": "sent", **BECAUSE}),
    door("POST /v1/notifications/{notification_id}/resend", OPERATORS, failed, BECAUSE),
    door("POST /v1/notifications/people", OPERATORS, vendors, about(phone="@phone")),
    door("GET /v1/stats", OPERATORS | ALL_OFFICERS, told),
    door("GET /v1/figures", OPERATORS | ALL_OFFICERS, told),
    door("GET /v1/projections", OPERATORS, told),
    door(
        "GET /v1/vendors/{vendor_id}/data",
        REGISTRAR | ITSELF | SELF,
        written_to_us,
        params={"reason": "to-decide"},
        shows=REGISTRAR | ITSELF | SELF,
    ),
    # ---- what people see and want
    door("GET /v1/inbox/{vendor_id}", HOLDER, told, shows=HOLDER),
    door("POST /v1/inbox/{vendor_id}/{notification_id}/read", HOLDER, told),
    door("GET /v1/wishes/{vendor_id}", OWN, vendors),
    door("PUT /v1/wishes/{vendor_id}", OWN, vendors, {"language": "en", "because": "asked-by-phone"}),
    door("GET /v1/suppressions", OPERATORS, suppressed),
    door("POST /v1/suppressions", OPERATORS, vendors, about(channel="sms", reason="stopped", address="@phone")),
    door("POST /v1/suppressions/{suppression_id}/lift", OPERATORS, suppressed, {"because": "address-works"}),
    # ---- what people wrote
    door("GET /v1/replies", ANY_OFFICER, written_to_us),
    door(f"GET {R}", OWN, written_to_us, shows=OWN),
    door(f"POST {R}/answer", HOME - SELF, written_to_us, {"text": WORDS}),
    door(f"POST {R}/close", HOME - SELF, written_to_us, {"reason": "needs-no-answer"}),
    # ---- one message to many
    door("GET /v1/broadcasts", ANY_OFFICER | OPERATORS, submitted),
    door(f"GET {B}", HOME | OPERATORS, submitted),
    door("POST /v1/broadcasts/plan", HOME, vendors, kabar()),
    door("POST /v1/broadcasts", HOME, vendors, kabar()),
    door(f"POST {B}/list", HOME, drafted_for_a_list, about(vendor_ids=["@vendor_id"])),
    door(f"POST {B}/list-file", HOME, drafted_for_a_list, file=a_list),
    door(f"POST {B}/submit", HOME, drafted),
    door(f"POST {B}/approve", HOME, submitted, an_approval),
    door(f"POST {B}/reject", HOME, submitted, BECAUSE),
    door(f"POST {B}/pause", HOME | OPERATORS, running, BECAUSE),
    door(f"POST {B}/resume", HOME | OPERATORS, paused, BECAUSE),
    door(f"POST {B}/stop", HOME | OPERATORS, running, BECAUSE),
    # ---- templates
    *(
        door(f"GET {path}", OPERATORS | SERVICE | ALL_OFFICERS, a_version, at=NAMED)
        for path in ("/v1/templates", T, f"{T}/versions/{{version}}")
    ),
    door(f"POST {T}/preview", OPERATORS | ALL_OFFICERS, a_version, {"channel": "email"}, at=NAMED),
    door(f"POST {T}/versions", OPERATORS, a_version, a_new_version, at={"name": "broadcast-lain"}),
    door(f"POST {T}/versions/{{version}}/activate", OPERATORS, a_version, BECAUSE, at=NAMED),
    door(f"POST {T}/pause", OPERATORS, a_version, {"reason": "wrong-text"}, at=NAMED),
    door(f"POST {T}/resume", OPERATORS, a_version, {"reason": "text-mended"}, at=NAMED),
    door("GET /v1/template-pauses", OPERATORS, vendors),
    door("GET /v1/whatsapp-templates", OPERATORS, vendors),
    door("POST /v1/whatsapp-templates/submit", OPERATORS, vendors, {}),
    # ---- providers, keys, subscribers: operators
    *(
        door(f"GET /v1/{noun}", OPERATORS, vendors)
        for noun in ("providers", "provider-pauses", "stray-receipts", "budgets")
    ),
    door(
        "POST /v1/providers/{provider}/pause", OPERATORS, vendors, {"reason": "maintenance"}, at={"provider": "sms-a"}
    ),
    door("POST /v1/providers/{provider}/resume", OPERATORS, vendors, {"reason": "settled"}, at={"provider": "sms-a"}),
    door("POST /v1/providers/{name}/reports", OPERATORS | SERVICE, vendors, at={"name": "smtp"}, mail=absence(NAME)),
    door("GET /v1/keys", OPERATORS, a_key),
    door("GET /v1/keys/magic", OPERATORS | SERVICE, a_key),
    door("POST /v1/keys", OPERATORS, vendors, {"kind": "test", "name": "SIPPT"}),
    door("POST /v1/keys/{key_id}/revoke", OPERATORS, a_key),
    door("GET /v1/team", OPERATORS, a_team),
    door("POST /v1/team", OPERATORS, vendors, about(email="@email")),
    door("POST /v1/team/{address_id}/remove", OPERATORS, a_team),
    door("GET /v1/subscribers", OPERATORS, subscribed),
    *(door(f"GET {path}", OPERATORS, subscribed) for path in (S, f"{S}/deliveries")),
    door("POST /v1/subscribers", OPERATORS, vendors, subscriber()),
    *(door(f"POST {S}/{act}", OPERATORS, subscribed) for act in ("pause", "remove", "rotate-secret", "ping")),
    door(f"POST {S}/resume", OPERATORS, subscriber_paused),
    door(f"POST {S}/replay", OPERATORS, subscribed, since),
]


# ---- knocking


@pytest_asyncio.fixture
async def world(
    make_database: MakeDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[World]:
    monkeypatch.setenv("LAPAK_SMTP", "127.0.0.1:1")
    monkeypatch.setenv("LAPAK_PROVIDERS", json.dumps(PROVIDERS))
    monkeypatch.setenv("LAPAK_PUBLIC_URL", PUBLIC)
    monkeypatch.setenv("LAPAK_BROADCAST_APPROVAL_OVER", "1")
    fresh = await make_database("notify")
    client = serve(create, fresh)
    outside = Outside(Desk(fresh.database, clock, sealer), client, issuer)
    await outside.template()
    world = World(client=client, issuer=issuer, outside=outside)
    (elsewhere,) = people(1)
    await outside.desk.hear(registered(elsewhere, "31.72.01.1001"))
    world.ids["elsewhere"] = str(elsewhere)
    for kind in KINDS:
        world.keys[f"{kind} key"] = await outside.key(kind)
    made = (await outside.post("/keys", {"kind": "test", "name": "Lama"})).json()
    await outside.post(f"/keys/{made['key_id']}/revoke")
    world.keys["revoked key"] = made["key"]
    async with fresh.database.transaction() as conn:  # as a delivery notes them when it begins
        await add_providers(conn, [("sms-a", "sms")])
    yield world


def test_the_table_names_every_route_of_the_service(
    issuer: LocalIssuer, setenv: Callable[[dict[str, str]], None]
) -> None:
    setenv({"LAPAK_DATABASE": "postgresql://nowhere/notify", "LAPAK_SMTP": "127.0.0.1:1"})
    assert {door.route for door in DOORS} == doors.routes(create, (*ROUTERS, pages.router))


def wrong_sight(world: World, door: Door, caller: str, answer: httpx.Response) -> str | None:
    """Whose id or words are shown to whom they must not be shown, if any are."""
    file = door.file(world) if callable(door.file) else door.file
    asked = door.route.partition(" ")[2].format(**door.names(world)) + "".join(door.params.values()) + file.decode()
    hidden = [] if caller in door.lists else ["another"]
    if caller not in door.opens or caller in doors.ELSEWHERE or caller in KEYS:
        hidden = ["vendor_id", "former", "another"]
    seen = [name for name in hidden if world.ids.get(name, "nothing") in answer.text]
    seen = [name for name in seen if world.ids[name] not in asked and f"@{name}" not in asked]
    personal = PERSONAL.search(answer.text)
    if personal and caller not in door.shows:
        seen.append(personal[0])
    if answer.is_success and not personal and caller in door.shows:
        return "sees nothing in full, so this door proves nothing"
    return f"sees {', '.join(seen)}" if seen else None


async def written(world: World) -> tuple[int, int]:
    """How much was told, and how many POSTs have acted."""
    async with world.outside.desk.database.read() as conn:
        row = await conn.fetchrow(
            "SELECT (SELECT count(*) FROM outbox) AS told, (SELECT count(*) FROM idempotency_key) AS acted"
        )
    assert row is not None
    return row["told"], row["acted"]


async def test_each_door_opens_to_those_it_is_for_and_tells_nobody_of_others(
    world: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO")
    wrong, secrets = [], set(world.keys.values())
    answered: Counter[int] = Counter()
    made: dict[str, Ids] = {}
    for door in sorted(DOORS, key=lambda door: door.method):  # what is read is made once
        if door.method != "GET" or door.fresh not in made:
            made[door.fresh] = await MAKERS[door.fresh](world)
        world.ids = {"elsewhere": world.ids["elsewhere"], "rest": str(uuid4()), **made[door.fresh]}
        secrets |= {value for name, value in world.ids.items() if name.startswith("secret:")}
        opened = False
        before: tuple[int, int] | None = await written(world)
        for caller in sorted(CALLERS, key=lambda caller: caller in door.opens):
            if opened and door.method == "POST" and caller in door.opens:
                world.ids |= await MAKERS[door.fresh](world)  # each finds it unused
            if before is not None and caller in door.opens:  # the first; those who are refused came before
                if before != await written(world):
                    wrong.append(f"{door.route} {door.params}: changes something though it refuses")
                before = None
            answer = await knock(world, door, caller)
            answered[answer.status_code] += 1
            opened |= answer.status_code < 400
            found = [doors.wrong_status(door, caller, answer), wrong_sight(world, door, caller, answer)]
            text = f"{door.route} {door.params} {door.fresh}: {caller}"
            wrong += [f"{text} {what} ({answer.status_code}: {answer.text[:160]})" for what in found if what]
        if not opened and door.opens:
            wrong.append(f"{door.route} {door.params} {door.fresh}: nobody gets through")
    assert not wrong, "\n".join(wrong)
    assert {200, 201, 204, 401, 403, 404} <= answered.keys()
    assert len(secrets) > 8
    # the client of this test logs whole addresses; the service must not
    own = [record.getMessage() for record in caplog.records if not record.name.startswith("http")]
    await _nothing_is_left_behind(world, secrets, capfd.readouterr().out + " ".join(own))


async def _nothing_is_left_behind(world: World, secrets: set[str], logged: str) -> None:
    """Neither secrets nor anybody's words: in what is kept of requests and answers, in events, in logs, in metrics."""
    async with world.outside.desk.database.read() as conn:
        kept = await conn.fetchval(
            "SELECT string_agg(concat_ws(' ', caller, path, convert_from(body, 'UTF8')), ' ') FROM idempotency_key"
        )
        told = await conn.fetchval("SELECT string_agg(convert_from(payload, 'UTF8'), ' ') FROM outbox")
    measured = (await world.client.get("/metrics")).text
    assert "request.handled" in logged
    assert "lapak_http" in measured
    places = {"what is kept of requests": kept, "events": told, "log lines": logged, "metrics": measured}
    for place, text in places.items():
        assert not PERSONAL.findall(text), place
        assert not [secret for secret in secrets if secret in text], place


async def test_a_planted_open_door_and_a_planted_leak_are_found(world: World) -> None:
    world.ids |= await told(world)
    open_door, leak = Door("GET /v1/templates", OPERATORS), Door("GET /v1/wishes/{vendor_id}", OWN)
    answer = await knock(world, open_door, "officer")
    assert doors.wrong_status(open_door, "officer", answer) == "is let in"
    assert doors.wrong_status(open_door, "nobody", answer) == "need not say who calls"
    assert doors.wrong_status(replace(open_door, opens=EVERY), "nobody", httpx.Response(404)) == "is kept out"

    def sees(caller: str, text: str) -> str | None:
        return wrong_sight(world, leak, caller, httpx.Response(200, text=text))

    assert sees("itself", world.ids["another"]) == "sees another"
    assert sees("former id", world.ids["another"]) == "sees another"
    assert sees("officer", world.ids["another"]) is None
    assert sees("officer", NAME) == "sees Zubaidah"
    assert "proves nothing" in str(wrong_sight(world, replace(leak, shows=ITSELF), "itself", answer))
