"""The HTTP door of notify: lookups, masking, settling what nobody knows, figures and checksums."""

import hashlib
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.notify.handlers import delivery as handlers
from services.notify.store.delivery import Start
from shared.auth import LocalIssuer
from shared.events.vendor import VendorMoved
from shared.ids import new_id
from tests.conftest import StandingClock
from tests.integration.notify import Desk, Front, Mailbox, card, enrolled, mail_server, offer, people


class Office:
    """A desk with its HTTP door."""

    def __init__(self, desk: Desk, client: httpx.AsyncClient, issuer: LocalIssuer) -> None:
        self.desk = desk
        self.client = client
        self.issuer = issuer

    def token(self, role: str, vendor_id: UUID | None = None) -> str:
        """A token of this role."""
        area = "31.71" if role == "officer" else None
        return self.issuer.token(f"{role}-1", [role], area=area, vendor_id=vendor_id)

    async def get(self, path: str, token: str | None = None, **query: Any) -> httpx.Response:
        """GET as an operator, unless another token is given."""
        headers = {"Authorization": f"Bearer {token or self.token('operator')}"}
        return await self.client.get(path, params=query, headers=headers)

    async def settle(self, notification_id: UUID, body: dict[str, Any], token: str | None = None) -> httpx.Response:
        """POST a settlement as an operator, unless another token is given."""
        headers = {
            "Authorization": f"Bearer {token or self.token('operator')}",
            "Idempotency-Key": str(uuid4()),
        }
        return await self.client.post(f"/v1/notifications/{notification_id}/settle", json=body, headers=headers)

    async def unknown(self) -> UUID:
        """A message whose worker died in the middle of the call."""
        (vendor,) = people(1)
        await self.desk.hear(card(vendor), enrolled(vendor))
        now = self.desk.clock.now()
        (job,) = await self.desk.claim()
        async with self.desk.database.transaction() as conn:
            start = Start(job.id, job.claim, new_id(), "email", "id")
            await handlers.begin_attempts(conn, [start], lease_seconds=0, now=now)
        async with self.desk.database.transaction() as conn:
            assert await handlers.settle_lost(conn, now=now) == 1
        return job.id


@pytest.fixture
def office(front: Front, issuer: LocalIssuer) -> Office:
    """Notify with its HTTP door."""
    return Office(front.desk, front.client, issuer)


async def test_lists_are_filtered_and_paged_newest_first(office: Office) -> None:
    vendors = people(7)
    await office.desk.hear(*[card(vendor) for vendor in vendors[:5]], *[enrolled(vendor) for vendor in vendors])
    await office.desk.hear(offer(vendors[0], office.desk.clock.now()))
    first = (await office.get("/v1/notifications", limit=5)).json()
    second = (await office.get("/v1/notifications", limit=5, after=first["next"])).json()
    ids = [item["notification_id"] for item in first["items"] + second["items"]]
    assert len(ids) == 8
    assert ids == sorted(ids, reverse=True)
    assert second["next"] is None
    waiting = (await office.get("/v1/notifications", state="waiting_contact")).json()["items"]
    assert {item["vendor_id"] for item in waiting} == {str(vendor) for vendor in vendors[5:]}
    offers = (await office.get("/v1/notifications", template="booth-assigned")).json()["items"]
    assert [item["vendor_id"] for item in offers] == [str(vendors[0])]
    own = (await office.get("/v1/notifications", vendor_id=str(vendors[0]))).json()["items"]
    assert {item["template"] for item in own} == {"booth-assigned", "training-enrolled"}
    assert (await office.get("/v1/notifications", state="lost")).status_code == 422


async def test_one_message_shows_its_text_and_its_attempts(office: Office) -> None:
    (vendor,) = people(1)
    await office.desk.hear(card(vendor, "siti@example.com"), enrolled(vendor))
    async with mail_server(Mailbox()) as mailbox, office.desk.delivering(mailbox):
        await office.desk.settled()
    notification_id = (await office.desk.row())["id"]
    shown = (await office.get(f"/v1/notifications/{notification_id}", office.token("vendor", vendor))).json()
    assert shown["state"] == "sent"
    assert shown["recipient"] == {"name": "Siti Aminah", "email": "siti@example.com"}
    assert shown["text"]["subject"] == "Anda terdaftar di pelatihan Dasar Kewirausahaan"
    assert shown["text"]["body"].startswith("Halo Siti Aminah,")
    (attempt,) = shown["attempt_list"]
    assert (attempt["outcome"], attempt["code"], attempt["channel"]) == ("accepted", "smtp 250 2.0.0", "email")


@pytest.mark.parametrize("role", ["operator", "officer"])
async def test_names_and_addresses_are_masked_for_everybody_else(office: Office, role: str) -> None:
    (vendor,) = people(1)
    lives = VendorMoved(vendor_id=vendor, kelurahan="31.71.02.1002", rw="001", rt="001")
    await office.desk.hear(lives, card(vendor, "siti@example.com"), enrolled(vendor))
    notification_id = (await office.desk.row())["id"]
    answer = await office.get(f"/v1/notifications/{notification_id}", office.token(role))
    shown = answer.json()
    assert shown["recipient"] == {"name": "S*** A***", "email": "s***@example.com"}
    assert shown["text"]["body"].startswith("Halo S*** A***,")
    assert "Siti" not in answer.text
    assert "siti@" not in answer.text


async def test_a_vendor_sees_its_own_messages_only(office: Office) -> None:
    own, other = people(2)
    await office.desk.hear(card(own), card(other), enrolled(own), enrolled(other))
    token = office.token("vendor", own)
    assert len((await office.get("/v1/notifications", token, vendor_id=str(own))).json()["items"]) == 1
    assert (await office.get("/v1/notifications", token, vendor_id=str(other))).status_code == 403
    assert (await office.get("/v1/notifications", token)).status_code == 403
    rows = {row["vendor_id"]: row["id"] for row in await office.desk.rows()}
    assert (await office.get(f"/v1/notifications/{rows[own]}", token)).status_code == 200
    assert (await office.get(f"/v1/notifications/{rows[other]}", token)).status_code == 403
    missing = await office.get(f"/v1/notifications/{new_id()}")
    assert (missing.status_code, missing.json()["code"]) == (404, "notification-not-found")
    for path in ("/v1/stats", "/v1/projections"):
        assert (await office.get(path, token)).status_code == 403


async def test_an_operator_settles_an_unknown_message_that_was_sent(office: Office) -> None:
    notification_id = await office.unknown()
    listed = (await office.get("/v1/notifications", state="unknown")).json()["items"]
    assert [item["notification_id"] for item in listed] == [str(notification_id)]
    body = {"outcome": "sent", "reason": "Message-ID is in the server's log"}
    answer = await office.settle(notification_id, body)
    assert answer.json() == {"notification_id": str(notification_id), "state": "sent"}
    again = await office.settle(notification_id, body)
    assert (again.status_code, again.json()["code"]) == (409, "not-unknown")
    (attempt,) = await office.desk.attempts()
    assert (attempt["outcome"], attempt["note"]) == ("accepted", "operator-1: Message-ID is in the server's log")
    assert [kind for kind, _, _ in await office.desk.published()] == ["NotificationUnknown", "NotificationSent"]
    assert [sequence for _, _, sequence in await office.desk.published()] == [1, 2]


async def test_an_operator_has_an_unknown_message_sent_again(office: Office) -> None:
    notification_id = await office.unknown()
    answer = await office.settle(notification_id, {"outcome": "not-sent", "reason": "the server never saw it"})
    assert answer.json()["state"] == "retry"
    async with mail_server(Mailbox()) as mailbox, office.desk.delivering(mailbox):
        assert await office.desk.settled() == {"sent": 1}
    assert mailbox.times() == {notification_id: 1}
    assert [attempt["outcome"] for attempt in await office.desk.attempts()] == ["deferred", "accepted"]


async def test_only_an_operator_settles_and_only_with_a_reason(office: Office) -> None:
    notification_id = await office.unknown()
    body = {"outcome": "sent", "reason": "looked"}
    assert (await office.settle(notification_id, body, office.token("officer"))).status_code == 403
    assert (await office.settle(notification_id, {"outcome": "sent", "reason": " "})).status_code == 422
    assert (await office.settle(new_id(), body)).status_code == 404


async def test_figures_count_and_measure_from_the_cause(office: Office, clock: StandingClock) -> None:
    vendors = people(4)
    await office.desk.hear(*[card(vendor) for vendor in vendors[:3]], *[enrolled(vendor) for vendor in vendors])
    clock.advance(seconds=2)
    await office.desk.hear(offer(vendors[0], clock.now()))
    async with mail_server(Mailbox()) as mailbox, office.desk.delivering(mailbox):
        await office.desk.settled()
    shown = (await office.get("/v1/stats", office.token("officer"))).json()
    assert shown["by_template"] == {"training-enrolled": 4, "booth-assigned": 1}
    assert shown["by_state"] == {"sent": 4, "waiting_contact": 1}
    assert shown["by_channel"] == {"email": 4}
    latency = shown["latency_seconds"]
    assert (latency["count"], latency["p50"]) == (4, 2.0)
    assert 0 < latency["p99"] <= 2.0


async def test_figures_of_nothing_are_no_numbers(office: Office) -> None:
    shown = (await office.get("/v1/stats")).json()
    assert shown["latency_seconds"] == {"p50": None, "p99": None, "count": 0}


async def test_the_checksum_of_contacts_is_that_of_its_sorted_lines(office: Office) -> None:
    vendors = people(20)
    cards = [
        card(vendor, None if number % 3 else f"Ü{number}@example.com", name=f"Siti {number} Ñ", language="en")
        for number, vendor in enumerate(vendors)
    ]
    await office.desk.hear(*cards)
    lines = sorted(f"{c.vendor_id}|{c.name}|{c.phone}|{c.email or ''}|{c.language}" for c in cards)
    expected = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    shown = (await office.get("/v1/projections")).json()
    assert shown == {"contacts": {"count": 20, "sha256": expected}}


async def test_the_checksum_of_no_contacts_is_that_of_nothing(office: Office) -> None:
    shown = (await office.get("/v1/projections")).json()
    assert shown == {"contacts": {"count": 0, "sha256": hashlib.sha256(b"").hexdigest()}}
