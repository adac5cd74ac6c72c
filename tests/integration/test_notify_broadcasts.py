"""One message to many: drafted, approved by a second person, paused, stopped; under attack."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.notify.app import create
from services.notify.domain.templates import ActivateVersion
from services.notify.expansion import Expansion
from services.notify.handlers import broadcasts as handlers
from services.notify.handlers import templates
from services.notify.handlers.budgets import Spent, Want, book, take
from services.notify.plans import Lane
from services.notify.rendering import Template, version_of
from services.notify.settings import NotifySettings
from services.notify.store import audiences
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.rights import VendorErased
from shared.events.vendor import VendorMerged
from shared.failures import is_outage, supervise
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.backbone import until
from tests.integration.notify import QUICK, Desk, Mailbox, card, mail_server, offer, people

SENEN = "31.71.04.1001"
GAMBIR = "31.71.01.1001"
KOJA = "31.72.03.1001"
WORDS = "Kabar {{ title }}\n\nHalo {{ name }}, {{ title }} mulai {{ day }}.\n"


class Bureau:
    """Notify with officers before it."""

    def __init__(self, desk: Desk, client: httpx.AsyncClient, issuer: LocalIssuer) -> None:
        self.desk = desk
        self.client = client
        self.issuer = issuer

    async def crowd(
        self, number: int, area: str = SENEN, *, consented: bool = True, language: str = "id"
    ) -> list[UUID]:
        """So many people who live there, with cards."""
        ids = people(number)
        async with self.desk.database.transaction() as conn:
            await conn.execute("INSERT INTO vendor SELECT unnest($1::uuid[]), $2", ids, area)
            await conn.execute(
                "INSERT INTO contact (vendor_id, name, phone, email, language, remembered_at) "
                "SELECT v, 'Siti Aminah', '+6281234567890', v::text || '@example.com', $2, $3 "
                "FROM unnest($1::uuid[]) AS p (v)",
                ids,
                language,
                self.desk.clock.now(),
            )
            await conn.execute(
                "INSERT INTO news_consent SELECT unnest($1::uuid[]), $2, $3, 1", ids, consented, self.desk.clock.now()
            )
        return ids

    async def post(
        self,
        path: str,
        body: Any = None,
        *,
        by: str = "ani",
        area: str | None = "31.71",
        role: str = "officer",
        **more: Any,
    ) -> httpx.Response:
        """POST as an officer."""
        headers = {
            "Authorization": f"Bearer {self.issuer.token(by, [role], area=area)}",
            "Idempotency-Key": str(uuid4()),
        }
        return await self.client.post(f"/v1{path}", json=body, headers=headers, **more)

    async def get(
        self, path: str, *, by: str = "ani", area: str | None = "31.71", role: str = "officer", **query: Any
    ) -> dict[str, Any]:
        """GET what must be there."""
        headers = {"Authorization": f"Bearer {self.issuer.token(by, [role], area=area)}"}
        answer = await self.client.get(f"/v1{path}", params=query, headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def draft(self, *, by: str = "ani", **more: Any) -> str:
        """A draft; its id."""
        answer = await self.post("/broadcasts", {**BODY, **more}, by=by)
        assert answer.status_code == 201, answer.text
        broadcast_id: str = answer.json()["broadcast_id"]
        return broadcast_id

    async def submit(self, broadcast_id: str, *, by: str = "ani") -> dict[str, Any]:
        """Submit it; the answer."""
        answer = await self.post(f"/broadcasts/{broadcast_id}/submit", by=by)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def begin(self, **more: Any) -> str:
        """A broadcast that runs, approved where it must be."""
        broadcast_id = await self.draft(**more)
        submitted = await self.submit(broadcast_id)
        if submitted["state"] == "submitted":
            answer = await self.post(
                f"/broadcasts/{broadcast_id}/approve", {"version": submitted["version"]}, by="budi"
            )
            assert answer.status_code == 200, answer.text
        return broadcast_id

    def expansion(self) -> Expansion:
        """A replica's expansion."""
        return Expansion(self.desk.database, self.desk.clock, poll_seconds=0.02)

    async def expand(self) -> None:
        """Take every broadcast as far as it goes now."""
        expansion = self.expansion()
        while await expansion.step():
            pass

    async def events(self, broadcast_id: str) -> list[tuple[str, int]]:
        """What was told of it, with versions."""
        return [(kind, version) for kind, key, version in await self.desk.published() if key == UUID(broadcast_id)]

    async def state(self, broadcast_id: str) -> str:
        """Where it stands."""
        state: str = await self.desk.database.pool.fetchval(
            "SELECT state FROM broadcast WHERE broadcast_id = $1", UUID(broadcast_id)
        )
        return state

    async def told(self) -> list[UUID]:
        """Whom there is a message for, in any state."""
        return [row["vendor_id"] for row in await self.desk.rows()]


BODY = {
    "template": "broadcast-kabar",
    "params": {"title": "Bazar Ramadan", "day": "2023-03-20"},
    "areas": ["31.71"],
}


@pytest.fixture
async def bureau(
    make_database: MakeDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> Bureau:
    """Officers' door; a second person is needed over three recipients."""
    monkeypatch.setenv("LAPAK_SMTP", "127.0.0.1:1")
    monkeypatch.setenv("LAPAK_BROADCAST_APPROVAL_OVER", "3")
    fresh = await make_database("notify")
    sources = {"id": WORDS, "en": WORDS}
    template = Template("broadcast-kabar", version_of(sources), sources)
    kinds = {"title": "text", "day": "date"}
    async with fresh.database.transaction() as conn:
        now = clock.now()
        await templates.save_version(conn, template, kinds, by="op", reason="new", now=now)
        command = ActivateVersion(reason="in use")
        await templates.activate_version(conn, template.name, template.version, command, by="op", now=now)
    return Bureau(Desk(fresh.database, clock, sealer), serve(create, fresh), issuer)


# --- from the draft to the end


async def test_to_few_people_it_begins_at_once_and_each_is_told_once(bureau: Bureau) -> None:
    vendors = await bureau.crowd(3)
    broadcast_id = await bureau.draft()
    assert (await bureau.submit(broadcast_id))["state"] == "running"
    expansion = bureau.expansion()  # the same one: how far it is is measured now and then
    while await expansion.step():
        pass
    async with mail_server(Mailbox()) as mailbox, bureau.desk.delivering(mailbox):
        await bureau.desk.until("sent", 3)
    await expansion.step()
    assert sorted(await bureau.told()) == sorted(vendors)
    assert set(mailbox.times().values()) == {1}
    assert b"Bazar Ramadan" in mailbox.raw[0]
    assert await bureau.events(broadcast_id) == [
        ("BroadcastSubmitted", 1),
        ("BroadcastApproved", 2),
        ("BroadcastCompleted", 3),
    ]
    shown = await bureau.get(f"/broadcasts/{broadcast_id}")
    assert (shown["state"], shown["recipients"], shown["by_state"]) == ("completed", 3, {"sent": 3})
    assert shown["done"] == 3
    moments = [shown[name] for name in ("drafted_at", "approved_at", "ended_at", "measured_at")]
    moments += [one["at"] for one in shown["history"]]
    assert {datetime.fromisoformat(one) for one in moments} == {bureau.desk.clock.now()}, "all by the service's clock"
    assert [one["act"] for one in shown["history"]] == ["draft", "submit", "complete"]
    assert [one["by"] for one in shown["history"]] == ["ani", "ani", None]


async def test_to_many_a_second_person_must_agree_to_what_it_read(bureau: Bureau) -> None:
    await bureau.crowd(4)
    broadcast_id = await bureau.draft(by="citra")
    submitted = await bureau.submit(broadcast_id)
    assert (submitted["state"], submitted["version"]) == ("submitted", 1)
    path = f"/broadcasts/{broadcast_id}/approve"
    for by in ("ani", "ANI ", "citra"):
        answer = await bureau.post(path, {"version": 1}, by=by)
        assert (answer.status_code, answer.json()["code"]) == (403, "second-person-needed")
    assert (await bureau.post(path, {"version": 1}, by="budi", area="31.71.04")).status_code == 404
    assert (await bureau.post(path, {"version": 2}, by="budi")).json()["code"] == "broadcast-changed"
    await bureau.expand()
    assert not await bureau.told()
    assert (await bureau.post(path, {"version": 1}, by="budi")).json()["state"] == "running"
    await bureau.expand()
    assert len(await bureau.told()) == 4
    assert (await bureau.post(path, {"version": 2}, by="budi")).json()["code"] == "broadcast-state"


async def test_what_was_rejected_is_a_draft_again_and_its_old_version_cannot_be_approved(bureau: Bureau) -> None:
    await bureau.crowd(4)
    broadcast_id = await bureau.draft()
    await bureau.submit(broadcast_id)
    answer = await bureau.post(f"/broadcasts/{broadcast_id}/reject", {"reason": "Tanggalnya salah, 085 77"}, by="budi")
    assert answer.json()["state"] == "draft"
    assert await bureau.desk.database.pool.fetchval("SELECT count(*) FROM broadcast_recipient") == 0
    assert (await bureau.submit(broadcast_id))["version"] == 2
    answer = await bureau.post(f"/broadcasts/{broadcast_id}/approve", {"version": 1}, by="budi")
    assert answer.json()["code"] == "broadcast-changed"
    history = (await bureau.get(f"/broadcasts/{broadcast_id}"))["history"]
    assert history[2]["note"] == "Tanggalnya salah, 085 77"
    raw = await bureau.desk.database.pool.fetchval("SELECT note_sealed FROM broadcast_act WHERE act = 'reject'")
    assert b"Tanggalnya" not in raw


async def test_of_many_who_approve_at_once_one_does(bureau: Bureau) -> None:
    await bureau.crowd(4)
    for _ in range(3):
        broadcast_id = await bureau.draft()
        await bureau.submit(broadcast_id)
        path = f"/broadcasts/{broadcast_id}"
        answers = await asyncio.gather(
            *[bureau.post(f"{path}/approve", {"version": 1}, by=f"officer-{n}") for n in range(4)],
            bureau.post(f"{path}/reject", {"reason": "nein"}, by="dewi"),
            *[bureau.post(f"{path}/pause", {"reason": "x"}, by=f"pause-{n}") for n in range(2)],
        )
        # who pauses may come right after who approves
        assert [answer.status_code for answer in answers[:5]].count(200) == 1
        assert [answer.status_code for answer in answers[5:]].count(200) <= 1
        versions = [version for _, version in await bureau.events(broadcast_id)]
        assert versions == list(range(1, len(versions) + 1))


# --- whom


async def test_people_are_those_of_the_areas_who_consented_each_person_once(bureau: Bureau) -> None:
    here = await bureau.crowd(3)
    other = await bureau.crowd(2, GAMBIR)
    await bureau.crowd(2, KOJA)
    await bureau.crowd(5, consented=False)
    english = await bureau.crowd(1, language="en")
    await bureau.desk.hear(VendorMerged(vendor_id=here[0], into=other[0], merge_id=new_id()))
    planned = (await bureau.post("/broadcasts/plan", BODY)).json()
    assert (planned["recipients"], planned["by_channel"], planned["approval_needed"]) == (5, {"email": 5}, True)
    assert (await bureau.post("/broadcasts/plan", {**BODY, "language": "en"})).json()["recipients"] == 1
    assert (await bureau.post("/broadcasts/plan", {**BODY, "areas": ["31.71.01"]})).json()["recipients"] == 2
    about_training = (await bureau.post("/broadcasts/plan", {**BODY, "topic": "training"})).json()
    assert about_training["recipients"] == 10, "only news needs consent"
    broadcast_id = await bureau.begin()
    await bureau.expand()
    told = set(await bureau.told())
    assert told == {*here[1:], *other, *english}
    shown = await bureau.get(f"/broadcasts/{broadcast_id}")
    assert shown["by_channel"] == [{"channel": "email", "recipients": 5, "planned": 5}]


async def test_an_officer_writes_within_its_area_only(bureau: Bureau) -> None:
    await bureau.crowd(2)
    kecamatan = {"by": "eko", "area": "31.71.04"}
    answer = await bureau.post("/broadcasts", BODY, **kecamatan)
    assert (answer.status_code, answer.json()["code"]) == (403, "outside-area")
    answer = await bureau.post("/broadcasts", {**BODY, "areas": ["31.71.04"]}, **kecamatan)
    assert answer.status_code == 201
    own = answer.json()["broadcast_id"]
    citys = await bureau.draft()
    listed = await bureau.get("/broadcasts", **kecamatan)
    assert [one["broadcast_id"] for one in listed["items"]] == [own]
    assert len((await bureau.get("/broadcasts"))["items"]) == 2
    assert (await bureau.post(f"/broadcasts/{citys}/submit", **kecamatan)).json()["code"] == "broadcast-not-found"
    for role in ("vendor", "service"):
        assert (await bureau.post("/broadcasts", BODY, role=role)).status_code == 403


async def test_a_list_names_who_is_nobodys(bureau: Bureau) -> None:
    here, elsewhere = await bureau.crowd(3), await bureau.crowd(1, KOJA)
    broadcast_id = await bureau.draft(by_list=True)
    assert (await bureau.post(f"/broadcasts/{broadcast_id}/submit")).json()["code"] == "list-missing"
    stranger = new_id()
    body = {"vendor_ids": [str(one) for one in (*here[:2], here[0], *elsewhere, stranger)]}
    answer = (await bureau.post(f"/broadcasts/{broadcast_id}/list", body)).json()
    assert (answer["listed"], answer["repeated"], answer["nobodies_count"]) == (2, 1, 2)
    assert answer["nobodies"] == [
        {"line": 4, "vendor_id": str(elsewhere[0])},
        {"line": 5, "vendor_id": str(stranger)},
    ]
    headers = {"Authorization": f"Bearer {bureau.issuer.token('ani', ['officer'], area='31.71')}"}
    text = f"vendor_id;nama\n{here[2]};Siti\n\nbukan id, 0812\n{stranger}\n"
    filed = await bureau.client.post(
        f"/v1/broadcasts/{broadcast_id}/list-file",
        files={"file": ("daftar.csv", text.encode("utf-8-sig"), "text/csv")},
        headers={**headers, "Idempotency-Key": str(uuid4())},
    )
    assert filed.json()["listed"] == 1
    assert filed.json()["nobodies"] == [{"line": 4, "vendor_id": None}, {"line": 5, "vendor_id": str(stranger)}]
    await bureau.submit(broadcast_id)
    await bureau.expand()
    assert await bureau.told() == [here[2]]
    assert (await bureau.post(f"/broadcasts/{broadcast_id}/list", body)).json()["code"] == "broadcast-state"


async def test_drafts_that_cannot_be_sent_are_refused_with_the_way_out(bureau: Bureau) -> None:
    async def code(**more: Any) -> tuple[int, str]:
        answer = await bureau.post("/broadcasts", {**BODY, **more})
        return answer.status_code, answer.json()["code"]

    assert await code(template="welcome") == (409, "template-not-sendable")
    assert (await code(template="broadcast-other"))[0] == 404
    assert (await code(params={"title": "x"}))[0] == 422
    assert await code(deadline="2023-02-01T00:00:00Z") == (422, "broadcast-unfit")
    assert await code(deadline="2024-02-01T00:00:00Z") == (422, "broadcast-unfit")
    assert (await code(channels=["fax"]))[0] == 422
    assert (await code(areas=["31.71", "31.71"]))[0] == 422
    broadcast_id = await bureau.draft()
    assert (await bureau.post(f"/broadcasts/{broadcast_id}/submit")).json()["code"] == "audience-empty"


# --- holding back


async def test_paused_nothing_more_leaves_and_resumed_it_goes_on(bureau: Bureau) -> None:
    await bureau.crowd(40)
    broadcast_id = await bureau.begin()
    await bureau.expand()
    mailbox = Mailbox(delay_seconds=0.05)
    async with mail_server(mailbox), bureau.desk.delivering(mailbox):
        await until(lambda: _at_least(bureau, "sent", 4))
        answer = await bureau.post(f"/broadcasts/{broadcast_id}/pause", {"reason": "salah tanggal"}, by="dewi")
        assert answer.json()["state"] == "paused"
        await until(lambda: _none(bureau, "sending"))
        left = len(mailbox.accepted)
        await asyncio.sleep(0.3)
        await bureau.expand()
        assert len(mailbox.accepted) == left < 40
        assert (await bureau.desk.states())["held"] == 40 - left
        await bureau.post(f"/broadcasts/{broadcast_id}/resume", {"reason": "betul"})
        await bureau.desk.until("sent", 40)
    await bureau.expand()
    assert set(mailbox.times().values()) == {1}
    assert await bureau.state(broadcast_id) == "completed"
    assert [kind for kind, _ in await bureau.events(broadcast_id)][2:] == [
        "BroadcastPaused",
        "BroadcastResumed",
        "BroadcastCompleted",
    ]


async def test_what_comes_back_to_a_paused_broadcast_is_held_too(bureau: Bureau) -> None:
    await bureau.crowd(4)
    broadcast_id = await bureau.begin()
    await bureau.expand()
    await bureau.post(f"/broadcasts/{broadcast_id}/pause", {"reason": "x"})
    await bureau.desk.database.pool.execute("UPDATE notification SET state = 'planned', route = '{sms}'")
    await bureau.expand()
    assert await bureau.desk.states() == {"held": 4}
    assert {tuple(row["route"]) for row in await bureau.desk.rows()} == {("sms",)}


async def test_stopped_the_rest_is_cancelled_and_told(bureau: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "AHEAD_MAX", 20)
    monkeypatch.setattr(handlers, "CANCELLED_ROWS", 7)
    await bureau.crowd(30)
    broadcast_id = await bureau.begin()
    await bureau.expand()
    assert len(await bureau.told()) == 20
    await bureau.desk.route()
    answer = await bureau.post(f"/broadcasts/{broadcast_id}/stop", {"reason": "batal"})
    assert answer.json()["state"] == "stopped"
    await bureau.expand()
    assert await bureau.desk.states() == {"cancelled": 20}
    assert (await bureau.events(broadcast_id))[-1] == ("BroadcastStopped", 3)
    told = await bureau.desk.database.pool.fetchval("SELECT payload FROM outbox WHERE type = 'BroadcastStopped'")
    assert b'"cancelled":30' in told.replace(b" ", b"")
    failed = [kind for kind, _, _ in await bureau.desk.published() if kind == "NotificationFailed"]
    assert len(failed) == 20
    for step in ("resume", "pause", "stop"):
        again = await bureau.post(f"/broadcasts/{broadcast_id}/{step}", {"reason": "x"})
        assert again.json()["code"] == "broadcast-state"
    await bureau.expand()
    assert len(await bureau.told()) == 20


async def test_stop_against_expansion_and_sending_loses_nobody_and_tells_nobody_twice(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "CHUNK_PEOPLE", 10)
    monkeypatch.setattr(handlers, "AHEAD_MAX", 40)
    await bureau.crowd(300)
    broadcast_id = await bureau.begin()
    stopping = asyncio.Event()
    mailbox = Mailbox()
    async with mail_server(mailbox), bureau.desk.delivering(mailbox), bureau.desk.delivering(mailbox):
        tasks = [asyncio.create_task(bureau.expansion().run(stopping)) for _ in range(2)]
        await until(lambda: _at_least(bureau, "sent", 30))
        steps = ["pause", "resume", "stop", "pause", "stop", "resume"]
        answers = await asyncio.gather(
            *[bureau.post(f"/broadcasts/{broadcast_id}/{step}", {"reason": "x"}, by=step) for step in steps]
        )
        assert {answer.status_code for answer in answers} <= {200, 409}
        if await bureau.state(broadcast_id) != "stopped":
            await bureau.post(f"/broadcasts/{broadcast_id}/stop", {"reason": "x"})
        await until(lambda: _only(bureau, {"sent", "cancelled"}))
        stopping.set()
        await asyncio.gather(*tasks)
    states = await bureau.desk.states()
    assert states["sent"] == len(mailbox.accepted)
    assert set(mailbox.times().values()) == {1}
    versions = [version for _, version in await bureau.events(broadcast_id)]
    assert versions == list(range(1, len(versions) + 1))


# --- many


async def test_two_replicas_plan_each_person_once_never_far_ahead_and_go_on_after_a_cut(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "CHUNK_PEOPLE", 200)
    monkeypatch.setattr(handlers, "AHEAD_MAX", 1_000)
    await bureau.crowd(4_000)
    broadcast_id = await bureau.begin()
    most = 0
    cut = asyncio.Event()

    async def look() -> bool:
        nonlocal most
        if not cut.is_set():
            return False
        async with bureau.desk.database.transaction() as conn:
            ahead = sum((await audiences.count_ahead(conn, UUID(broadcast_id))).values())
            most = max(most, ahead)
            # what is planned leaves
            await conn.execute("UPDATE notification SET state = 'sent' WHERE state = 'planned'")
        return bool(
            await bureau.desk.database.pool.fetchval("SELECT count(*) = 4000 FROM notification WHERE state = 'sent'")
        )

    stopping = asyncio.Event()
    tasks = [
        asyncio.create_task(supervise("test.expansion", partial(bureau.expansion().run, stopping), stopping))
        for _ in range(2)
    ]
    try:
        await asyncio.sleep(0.1)
        await bureau.desk.cut()
        cut.set()
        await until(lambda: _unless_cut(look), 30)
        await until(lambda: _unless_cut(lambda: _is(bureau, broadcast_id, "completed")))
    finally:
        stopping.set()
        await asyncio.gather(*tasks)
    assert 0 < most <= handlers.AHEAD_MAX
    told = await bureau.told()
    assert (len(told), len(set(told))) == (4_000, 4_000)


async def test_who_is_erased_or_merged_meanwhile_is_not_told_or_once(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "AHEAD_MAX", 2)
    vendors = sorted(await bureau.crowd(8))
    broadcast_id = await bureau.begin()
    await bureau.expand()
    assert sorted(await bureau.told()) == vendors[:2]
    await bureau.desk.hear(
        VendorErased(erasure_id=new_id(), vendor_id=vendors[0]),
        VendorErased(erasure_id=new_id(), vendor_id=vendors[5]),
        VendorMerged(vendor_id=vendors[6], into=vendors[1], merge_id=new_id()),
        VendorMerged(vendor_id=vendors[3], into=vendors[7], merge_id=new_id()),
    )
    monkeypatch.setattr(handlers, "AHEAD_MAX", 100)
    await bureau.expand()
    states = {row["vendor_id"]: row["state"] for row in await bureau.desk.rows()}
    assert states[vendors[0]] == "rejected"
    assert sorted(states.keys() - {vendors[0]}) == [vendors[1], vendors[2], vendors[3], vendors[4]]
    left = await bureau.desk.database.pool.fetchval(
        "SELECT count(*) FROM broadcast_recipient WHERE vendor_id = ANY($1)", [vendors[0], vendors[5]]
    )
    assert left == 0
    assert await bureau.state(broadcast_id) == "running"


async def test_after_its_deadline_nothing_is_planned_and_it_ends(bureau: Bureau, clock: StandingClock) -> None:
    await bureau.crowd(5)
    broadcast_id = await bureau.begin(not_before="2023-03-01T05:00:00Z", deadline="2023-03-01T06:00:00Z")
    await bureau.expand()
    assert not await bureau.told()
    clock.advance(hours=4)
    await bureau.expand()
    assert await bureau.state(broadcast_id) == "completed"
    told = await bureau.desk.database.pool.fetchval("SELECT payload FROM outbox WHERE type = 'BroadcastCompleted'")
    assert b'"failed":5' in told.replace(b" ", b"")


async def test_an_offer_does_not_wait_behind_twenty_thousand_messages_to_many(bureau: Bureau) -> None:
    desk = bureau.desk
    ids = people(20_000)
    async with desk.database.transaction() as conn:
        await conn.execute(
            "INSERT INTO contact (vendor_id, name, phone, email, language, remembered_at) "
            "SELECT v, 'Siti', '+6281234567890', v::text || '@example.com', 'id', $2 FROM unnest($1::uuid[]) AS p (v)",
            ids,
            desk.clock.now(),
        )
        version = await conn.fetchval("SELECT version FROM template_version WHERE template = 'broadcast-kabar'")
        await conn.execute(
            "INSERT INTO notification (id, event_id, template, vendor_id, template_version, params, lane, state, "
            "channel, route, deadline, cause_at, planned_at, topic) SELECT v, v, 'broadcast-kabar', v, $3, $4, 3, "
            "'queued', 'email', '{}', $2::timestamptz + interval '1 day', $2, $2, 'news' "
            "FROM unnest($1::uuid[]) AS p (v)",
            ids,
            desk.clock.now(),
            version,
            BODY["params"],
        )
    await desk.database.pool.execute("ANALYZE notification")
    (vendor,) = people(1)
    mailbox = Mailbox(delay_seconds=0.2)
    async with mail_server(mailbox), desk.delivering(mailbox, replace(QUICK, lines=4)):
        await until(lambda: _at_least(bureau, "sent", 8))
        await desk.hear(card(vendor), offer(vendor, desk.clock.now()))
        before = len(mailbox.accepted)
        address = f"v{vendor.hex}@example.com"
        await until(lambda: _accepted(mailbox, address), 10)
        ahead = [to for to, _ in mailbox.accepted[before:]].index(address)
    # each of the four lines may end one message and begin another while the offer is routed and claimed
    assert ahead <= 12


# --- budgets


async def test_operators_see_what_is_left_of_every_budget(
    make_database: MakeDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    number = {
        "adapter": "whatsapp",
        "name": "wa-main",
        "url": "https://graph.example.com",
        "number_id": "1",
        "account_id": "77",
        "token": "t",
        "app_secret": "s",
        "verify_token": "v",
        "tier": 100,
        "daily_rupiah": 1000,
        "price_millirupiah": 300_000,
    }
    monkeypatch.setenv("LAPAK_SMTP", "127.0.0.1:1")
    monkeypatch.setenv("LAPAK_PUBLIC_URL", "https://pesan.example.com")
    monkeypatch.setenv("LAPAK_PROVIDERS", json.dumps([number]))
    fresh = await make_database("notify")
    bureau = Bureau(Desk(fresh.database, clock, sealer), serve(create, fresh), issuer)
    budget = NotifySettings().budgets()["wa-main"]
    async with fresh.database.transaction() as conn:
        wants = [Want(new_id(), Lane.BROADCAST, bytes([n])) for n in range(5)]
        taken = await take(conn, budget, wants, now=clock.now())
        assert len(taken.granted) == 2, "800 of 1,000 rupiah are for messages to many"
        await book(conn, [Spent("wa-main", bytes([0]), 350_500)], clock.now())
    (shown,) = (await bureau.get("/budgets", role="operator", area=None))["items"]
    assert shown["people"] == {
        "portfolio": "whatsapp:77",
        "tier": 100,
        "used": 2,
        "left_for_broadcasts": 78,
        "left_for_offers": 98,
    }
    assert shown["money"] == {
        "daily": 1000,
        "spent": 351,
        "put_aside": 300,
        "messages": 1,
        "left_for_broadcasts": 149,
        "left_for_offers": 349,
    }
    assert (shown["rate"]["per_second"], shown["pair_seconds"]) == (80.0, 6.0)
    headers = {"Authorization": f"Bearer {issuer.token('ani', ['officer'], area='31')}"}
    assert (await bureau.client.get("/v1/budgets", headers=headers)).status_code == 403


async def _unless_cut(ask: Callable[[], Awaitable[bool]]) -> bool:
    """The answer; False when the pool gave a connection that was cut."""
    try:
        return await ask()
    except Exception as error:
        if not is_outage(error):
            raise
        return False


async def _at_least(bureau: Bureau, state: str, count: int) -> bool:
    return (await bureau.desk.states())[state] >= count


async def _none(bureau: Bureau, state: str) -> bool:
    return (await bureau.desk.states())[state] == 0


async def _only(bureau: Bureau, states: set[str]) -> bool:
    return not (await bureau.desk.states()).keys() - states


async def _is(bureau: Bureau, broadcast_id: str, state: str) -> bool:
    return await bureau.state(broadcast_id) == state


async def _accepted(mailbox: Mailbox, address: str) -> bool:
    return any(to == address for to, _ in mailbox.accepted)
