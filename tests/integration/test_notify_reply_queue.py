"""The officers' queue of replies: who sees what was written, and how it is answered or closed."""

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.notify.app import create
from services.notify.domain.contents import FreeText, Sms
from services.notify.handlers import queue, replies
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.notify import Desk, card
from tests.integration.notify_replies import Counter, phone, words
from tests.integration.notify_scripts import Scripted, sending


@dataclass
class Office:
    """The officers' door to what people wrote."""

    counter: Counter
    client: httpx.AsyncClient
    issuer: LocalIssuer

    def headers(self, roles: list[str], **claims: Any) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.issuer.token('-'.join(roles), roles, **claims)}",
            "Idempotency-Key": str(uuid4()),
        }

    async def get(
        self, path: str, *, roles: str = "officer", area: str | None = "31.71", **more: Any
    ) -> httpx.Response:
        """GET as an officer of a city, unless told otherwise."""
        claims = {"area": area, "vendor_id": more.pop("as_vendor", None)}
        return await self.client.get(path, params=more, headers=self.headers(roles.split(), **claims))

    async def post(self, path: str, body: dict[str, Any], *, roles: str = "officer", **claims: Any) -> httpx.Response:
        """POST as an officer of a city, unless told otherwise."""
        return await self.client.post(
            path, json=body, headers=self.headers(roles.split(), **{"area": "31.71", **claims})
        )

    async def queue(self, **more: Any) -> list[str]:
        """Ids of the open replies."""
        answer = await self.get("/v1/replies", state="open", **more)
        assert answer.status_code == 200, answer.text
        return [item["reply_id"] for item in answer.json()["items"]]


PROVIDERS = [
    {
        "adapter": "twilio",
        "name": "sms-a",
        "url": "http://127.0.0.1:1",
        "account": "AC1",
        "token": "secret",
        "sender": "LAPAK",
    },
    {
        "adapter": "whatsapp",
        "name": "wa-main",
        "url": "http://127.0.0.1:1",
        "number_id": "1",
        "account_id": "2",
        "token": "secret",
        "app_secret": "secret",
        "verify_token": "secret",
    },
]


async def open_office(
    providers: list[dict[str, Any]],
    make_database: MakeDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> Office:
    """Notify with these providers and its HTTP door."""
    monkeypatch.setenv("LAPAK_SMTP", "127.0.0.1:1")
    monkeypatch.setenv("LAPAK_PUBLIC_URL", "https://pesan.lapak.test")
    monkeypatch.setenv("LAPAK_PROVIDERS", json.dumps(providers))
    fresh = await make_database("notify")
    return Office(Counter(Desk(fresh.database, clock, sealer)), serve(create, fresh), issuer)


@pytest.fixture
async def office(
    make_database: MakeDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> Office:
    """Notify with WhatsApp and SMS, and its HTTP door."""
    return await open_office(PROVIDERS, make_database, serve, issuer, clock, sealer, monkeypatch)


async def test_officers_see_the_replies_of_their_area_the_oldest_first(office: Office) -> None:
    (near,), (far,) = await office.counter.meet(), await office.counter.meet(kelurahan="31.74.01.1001")
    texts = [await office.counter.say(who, "halo") for who in (near, far, phone(0))]
    first, second, third = (str(row["reply_id"]) for row in texts)
    assert await office.queue() == [first]
    assert await office.queue(area="31.74") == [second]
    assert await office.queue(area="31") == [first, second, third]
    assert await office.queue(area="31.71.02.1003") == []
    page = (await office.get("/v1/replies", area="31", limit=2)).json()
    assert [item["reply_id"] for item in page["items"]] == [first, second]
    rest = (await office.get("/v1/replies", area="31", limit=2, after=page["next"])).json()
    assert [item["reply_id"] for item in rest["items"]] == [third]
    assert "halo" not in json.dumps(page), "words are shown one by one"
    for filters in ({"intent": "why"}, {"channel": "whatsapp"}, {"state": "closed"}, {"vendor_id": str(new_id())}):
        assert (await office.get("/v1/replies", area="31", **filters)).json()["items"] == [], filters
    assert (await office.get("/v1/replies", roles="vendor", as_vendor=near)).status_code == 403
    assert (await office.get("/v1/replies", roles="operator")).status_code == 403
    assert (await office.get("/v1/replies", area=None)).status_code == 403


async def test_what_was_written_is_shown_to_the_writer_and_to_officers_of_its_area_whose_look_is_noted(
    office: Office,
) -> None:
    (vendor,) = await office.counter.meet()
    row = await office.counter.say(vendor, "Boleh tukar hari?", channel="whatsapp")
    path = f"/v1/replies/{row['reply_id']}"
    own = (await office.get(path, roles="vendor", area=None, as_vendor=vendor)).json()
    assert own["text"] == "Boleh tukar hari?"
    assert await office.counter.rows("disclosure") == []
    shown = (await office.get(path)).json()
    assert (shown["text"], shown["state"]) == ("Boleh tukar hari?", "open")
    assert datetime.fromisoformat(shown["open_until"]) == office.counter.now + replies.WINDOW
    (noted,) = await office.counter.rows("disclosure")
    assert (noted["vendor_id"], noted["actor"], noted["reason"]) == (vendor, "officer", "reply")
    assert (await office.get(path, area="31.74")).status_code == 404
    assert (await office.get(path, roles="vendor", area=None, as_vendor=new_id())).status_code == 404
    assert (await office.get(f"/v1/replies/{new_id()}")).status_code == 404
    data = (await office.get(f"/v1/vendors/{vendor}/data", roles="vendor", area=None, as_vendor=vendor)).json()[
        "sections"
    ]
    assert data["replies"]["data"][0]["text"] == "Boleh tukar hari?"


async def test_an_officer_answers_in_its_own_words_which_are_kept_sealed(office: Office) -> None:
    (vendor,) = await office.counter.meet()
    row = await office.counter.say(vendor, "Boleh tukar hari?", channel="whatsapp")
    path = f"/v1/replies/{row['reply_id']}/answer"
    answer = await office.post(path, {"text": "  Boleh, Bu Siti.\nHari Selasa. "})
    assert (answer.status_code, answer.json()["channels"]) == (200, ["whatsapp", "sms"])
    (notification,) = [row for row in await office.counter.answers() if row["template"] == "reply-officer"]
    assert notification["route"] == ["whatsapp", "sms"]
    assert "Selasa" not in str(await office.counter.rows("reply")) + str(notification["params"])
    async with office.counter.desk.database.read() as conn:
        full = await queue.params_in_full(
            conn, office.counter.desk.sealer, notification["template"], notification["params"]
        )
    assert words({**notification, "params": full}, "whatsapp") == (
        "Lapak, jawaban petugas: Boleh, Bu Siti. Hari Selasa."
    )
    again = await office.post(path, {"text": "Boleh."})
    assert (again.status_code, again.json()["code"]) == (409, "reply-settled")
    own = (await office.get(f"/v1/replies/{row['reply_id']}", roles="vendor", area=None, as_vendor=vendor)).json()
    assert (own["state"], own["answer"]) == ("answered", "Boleh, Bu Siti.\nHari Selasa.")


async def test_answers_leave_as_free_text_by_the_way_they_were_asked_whatever_the_hour(office: Office) -> None:
    (vendor,) = await office.counter.meet(language="en")
    row = await office.counter.say(vendor, "May I swap days?", channel="whatsapp")
    await office.counter.say(vendor, "schedule")
    await office.post(f"/v1/replies/{row['reply_id']}/answer", {"text": "Yes, Tuesday."})
    whatsapp, sms = Scripted("wa-main", "whatsapp"), Scripted("sms-a", "sms")
    async with sending(office.counter.desk, whatsapp, sms):
        await office.counter.desk.settled()
    assert {letter.content for letter in whatsapp.taken} == {
        FreeText("Lapak: Thank you, we have your message. An officer reads it and answers on a working day."),
        FreeText("Lapak, an officer's answer: Yes, Tuesday."),
    }
    assert [letter.content for letter in sms.taken] == [
        Sms("Lapak: There is no bazaar and no training on your schedule yet.")
    ]
    assert {letter.address for letter in whatsapp.taken + sms.taken} == {office.counter.phones[vendor]}


async def test_a_reply_is_answered_or_closed_once_whoever_comes_at_the_same_time(office: Office) -> None:
    (vendor,) = await office.counter.meet()
    row = await office.counter.say(vendor, "halo")
    path = f"/v1/replies/{row['reply_id']}"
    await office.counter.crowd()
    done = await asyncio.gather(
        *(office.post(f"{path}/answer", {"text": f"Jawaban {number}"}) for number in range(3)),
        *(office.post(f"{path}/close", {"reason": "spam"}) for _ in range(3)),
    )
    assert sorted(answer.status_code for answer in done) == [200] + [409] * 5
    assert len([one for one in await office.counter.answers() if one["template"] == "reply-officer"]) <= 1


async def test_once_the_conversation_is_closed_an_answer_goes_by_sms_or_is_refused_with_the_reason(
    office: Office,
    make_database: MakeDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bare = await open_office(PROVIDERS[1:], make_database, serve, issuer, clock, sealer, monkeypatch)
    paths = {}
    for door in (office, bare):
        (vendor,) = await door.counter.meet()
        row = await door.counter.say(vendor, "halo", channel="whatsapp")
        paths[door.counter.desk.database] = f"/v1/replies/{row['reply_id']}/answer"
    clock.advance(hours=24)
    answer = await office.post(paths[office.counter.desk.database], {"text": "Halo Bu."})
    assert answer.json()["channels"] == ["sms"]
    refused = await bare.post(paths[bare.counter.desk.database], {"text": "Halo Bu."})
    assert (refused.status_code, refused.json()["code"]) == (409, "reply-no-way-back")
    assert await bare.queue() == [paths[bare.counter.desk.database].split("/")[3]], "it still waits"


async def test_an_answer_needs_somebody_to_go_to(office: Office) -> None:
    vendor, other = await office.counter.meet(2)
    await office.counter.desk.hear(card(other, phone=office.counter.phones[vendor]))
    several = await office.counter.say(vendor, "halo")
    nobody = await office.counter.say(phone(0), "halo")
    path = f"/v1/replies/{several['reply_id']}/answer"
    asked = await office.post(path, {"text": "Halo."})
    assert (asked.status_code, asked.json()["code"]) == (422, "reply-writer-not-named")
    assert (await office.post(path, {"text": "Halo.", "vendor_id": str(other)})).status_code == 200
    (notification,) = [row for row in await office.counter.answers() if row["template"] == "reply-officer"]
    assert notification["vendor_id"] == other
    path = f"/v1/replies/{nobody['reply_id']}"
    refused = await office.post(f"{path}/answer", {"text": "Halo."}, area="31")
    assert (refused.status_code, refused.json()["code"]) == (409, "reply-writer-unknown")
    assert (await office.post(f"{path}/close", {"reason": "wrong-number"}, area="31")).status_code == 200
    assert (await office.post(f"{path}/close", {"reason": "because"}, area="31")).status_code == 422


async def test_who_may_not_see_a_reply_does_not_answer_it_and_nobody_answers_itself(office: Office) -> None:
    (vendor,) = await office.counter.meet()
    row = await office.counter.say(vendor, "halo")
    path = f"/v1/replies/{row['reply_id']}"
    for act, body in (("answer", {"text": "Halo."}), ("close", {"reason": "spam"})):
        assert (await office.post(f"{path}/{act}", body, area="31.74")).status_code == 404
        assert (
            await office.post(f"{path}/{act}", body, roles="vendor", area=None, vendor_id=vendor)
        ).status_code == 403
        own = await office.post(f"{path}/{act}", body, roles="officer vendor", vendor_id=vendor)
        assert (own.status_code, own.json()["code"]) == (403, "own-reply")
