"""What comes back by mail: believed with a proof only, once, in any order; from the mail server to the next channel."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from deploy.local.mail import Catcher, Connection, Faults, Store
from services.notify.api.bounces import WAITING_MAX, Reading
from services.notify.channels.email import Email, SmtpServer
from services.notify.delivery import Outlet
from services.notify.domain.bounces import BouncesBusy, MailReport, proof
from services.notify.domain.delivery import Accepted
from services.notify.domain.routing import address_key
from services.notify.handlers import delivery as deliveries
from services.notify.handlers.delivery import End
from services.notify.store.delivery import Start
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.rights import VendorErased
from shared.ids import new_id
from tests.conftest import MakeDatabase, StandingClock
from tests.integration.backbone import until
from tests.integration.notify import Desk, Front, Mailbox, card, enrolled, mail_server, offer, people
from tests.integration.notify_scripts import Scripted, offers, queue, sending
from tests.integration.test_http_fuzz import served
from tests.unit.notify_mails import absence, arf, dsn, fields, letter, postfix

DOMAIN = "lapak.test"


class Door:
    """Notify with its HTTP door, and a mail server that brings what came back."""

    def __init__(self, desk: Desk, client: httpx.AsyncClient, issuer: LocalIssuer) -> None:
        self.desk = desk
        self.client = client
        self.token = issuer.token("mail-server", ["service"])

    async def bring(self, raw: bytes, *, key: str | None = None, status: int = 200, **headers: str) -> dict[str, Any]:
        """Bring a mail."""
        given = {
            "Authorization": f"Bearer {self.token}",
            "Idempotency-Key": key or str(uuid4()),
            "Content-Type": "message/rfc822",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        answer = await self.client.post("/v1/providers/smtp/reports", content=raw, headers=given)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def sent(self, vendor: UUID, *then: Any, ends: bool = True) -> tuple[UUID, UUID]:
        """An offer that left by e-mail, with these channels to follow; notification and attempt."""
        notification_id = (await offers(self.desk, [vendor], "email", *then))[vendor]
        (job,) = await self.desk.claim()
        assert job.id == notification_id
        attempt_id = new_id()
        key = address_key(self.desk.sealer.blind_index, "email", address(vendor))
        start = Start(job.id, job.claim, attempt_id, "email", "id", "smtp", key)
        async with self.desk.database.transaction() as conn:
            assert await deliveries.begin_attempts(conn, [start], lease_seconds=60, now=self.desk.clock.now())
        if ends:
            await self.end(notification_id, attempt_id)
        return notification_id, attempt_id

    async def end(self, notification_id: UUID, attempt_id: UUID) -> None:
        """The mail server has taken it."""
        async with self.desk.database.transaction() as conn:
            end = End(notification_id, attempt_id, Accepted("smtp 250 2.0.0"))
            await deliveries.end_attempts(conn, [end], now=self.desk.clock.now())

    def mark(self, attempt_id: UUID) -> str:
        """The proof of an attempt."""
        return proof(self.desk.sealer.blind_index, attempt_id)

    async def suppressed(self) -> list[tuple[str, str, int]]:
        """Channel and reason of what is not written to, and how often it was said."""
        async with self.desk.database.read() as conn:
            rows = await conn.fetch("SELECT channel, reason, times FROM suppression ORDER BY suppression_id")
        return [tuple(row) for row in rows]

    async def told(self) -> list[str]:
        """The types of events."""
        return [kind for kind, _, _ in await self.desk.published()]

    async def touched(self) -> int:
        """How many rows anything that comes back has left."""
        async with self.desk.database.read() as conn:
            count: int = await conn.fetchval(
                "SELECT (SELECT count(*) FROM receipt) + (SELECT count(*) FROM stray_receipt) "
                "+ (SELECT count(*) FROM suppression) + (SELECT count(*) FROM attempt WHERE status IS NOT NULL)"
            )
        return count


def address(vendor: UUID) -> str:
    """The address on a vendor's card."""
    return f"v{vendor.hex}@example.com"


def back(mark: str) -> str:
    """Where a letter comes back to."""
    return f"bounce+{mark}@{DOMAIN}"


@pytest.fixture
def door(front: Front, issuer: LocalIssuer) -> Door:
    """Notify behind its HTTP door."""
    return Door(front.desk, front.client, issuer)


# --- bounces


async def test_a_letter_that_came_back_goes_by_the_next_channel_and_its_address_is_written_to_no_more(
    door: Door,
) -> None:
    (vendor,) = people(1)
    notification_id, attempt_id = await door.sent(vendor, "sms")
    bounce = postfix(back(door.mark(attempt_id)), address=address(vendor))
    found = await door.bring(bounce)
    assert found == {"became": "failed", "code": "dsn 5.1.1", "notification_id": str(notification_id)}
    row = await door.desk.row()
    assert (row["state"], row["route"], row["reason"]) == ("planned", ["sms"], "dsn 5.1.1")
    assert await door.suppressed() == [("email", "bounced", 1)]
    assert await door.told() == ["NotificationSent", "NotificationChannelFailed"]
    (attempt,) = await door.desk.attempts()
    assert (attempt["outcome"], attempt["status"], attempt["failure"]) == ("accepted", "failed", "dsn 5.1.1")
    # again, under another key; and a warning that comes late
    assert (await door.bring(bounce))["became"] == "failed"
    late = dsn(back(door.mark(attempt_id)), [fields("4.4.1", action="delayed", address=address(vendor))])
    assert (await door.bring(late))["became"] == "not-final"
    assert await door.suppressed() == [("email", "bounced", 1)]
    assert await door.told() == ["NotificationSent", "NotificationChannelFailed"]


async def test_a_bounce_that_outruns_our_own_outcome_settles_the_attempt(door: Door) -> None:
    (vendor,) = people(1)
    notification_id, attempt_id = await door.sent(vendor, ends=False)
    await door.bring(postfix(back(door.mark(attempt_id)), address=address(vendor)))
    assert (await door.desk.row())["state"] == "rejected"
    await door.end(notification_id, attempt_id)
    assert (await door.desk.row())["state"] == "rejected"
    assert await door.told() == ["NotificationFailed"]


async def test_what_has_no_proof_changes_nothing_whatever_else_it_knows(door: Door) -> None:
    """The address, the message's id, the attempt's id, the proof of another key: none of them is enough."""
    (vendor,) = people(1)
    _, attempt_id = await door.sent(vendor, "sms")
    good = door.mark(attempt_id)
    forged = proof(Sealer({"x": "NzIzNDU2NzgxMjM0NTY3ODEyMzQ1Njc4MTIzNDU2Nzg="}).blind_index, attempt_id)
    tries = [
        postfix("lapak@lapak.test", address=address(vendor), returned=letter()),
        postfix(f"bounce+{attempt_id}@{DOMAIN}", address=address(vendor)),
        postfix(back(forged), address=address(vendor), returned=letter(forged, back(forged))),
        postfix(back(good[:-1]), address=address(vendor)),
        postfix(back(good[:26] + "a" * 22), address=address(vendor)),
        arf("fbl@lapak.test", letter(forged), mail_from=back(forged)),
        arf("fbl@lapak.test", letter()),
    ]
    for raw in tries:
        found = await door.bring(raw)
        assert found == {"became": "unproven", "code": None, "notification_id": None}
    assert (await door.desk.row())["state"] == "sent"
    assert await door.touched() == 0
    assert await door.told() == ["NotificationSent"]


@pytest.mark.parametrize("status", ["5.2.2", "4.4.7", "5.7.1"])
async def test_a_full_mailbox_or_a_refusal_by_policy_is_a_failure_and_no_reason_to_write_no_more(
    door: Door, status: str
) -> None:
    (vendor,) = people(1)
    _, attempt_id = await door.sent(vendor, "sms")
    found = await door.bring(postfix(back(door.mark(attempt_id)), status, address=address(vendor)))
    assert (found["became"], found["code"]) == ("failed", f"dsn {status}")
    assert (await door.desk.row())["state"] == "planned"
    assert await door.suppressed() == []


async def test_a_bounce_of_where_it_was_passed_on_to_does_not_condemn_the_address(door: Door) -> None:
    (vendor,) = people(1)
    _, attempt_id = await door.sent(vendor, "sms")
    found = await door.bring(postfix(back(door.mark(attempt_id)), address="lama@passed-on.test"))
    assert found["became"] == "failed"
    assert (await door.desk.row())["state"] == "planned"
    assert await door.suppressed() == []


async def test_one_persons_proof_says_nothing_of_another(door: Door) -> None:
    """Whoever has a letter can have mail to itself ended, and nobody else's."""
    siti, agus = people(2)
    _, own = await door.sent(siti, "sms")
    await door.sent(agus, "sms")
    await door.bring(postfix(back(door.mark(own)), address=address(agus)))
    by_vendor = {row["vendor_id"]: row["state"] for row in await door.desk.rows()}
    assert by_vendor == {siti: "planned", agus: "sent"}
    assert await door.suppressed() == []


async def test_what_is_late_or_unknown_or_no_report_changes_nothing(
    door: Door, clock: StandingClock, capfd: pytest.CaptureFixture[str]
) -> None:
    (vendor,) = people(1)
    _, attempt_id = await door.sent(vendor, "sms")
    mark = back(door.mark(attempt_id))
    became = [
        (await door.bring(raw))["became"]
        for raw in (
            postfix(back(door.mark(new_id())), address=address(vendor)),
            absence(mark),
            f"To: {mark}\r\n\r\nHalo\r\n".encode(),
            b"Content-Type: multipart/report; boundary=b\n\n",
            arf(mark, letter(), kind="not-spam"),
        )
    ]
    clock.advance(days=31)
    became.append((await door.bring(postfix(mark, address=address(vendor))))["became"])
    assert became == ["unknown", "auto-reply", "no-report", "unreadable", "not-final", "too-late"]
    assert await door.touched() == 0
    counted = (await door.client.get("/metrics")).text
    assert 'lapak_notify_returned_mails_total{became="auto-reply"}' in counted
    assert address(vendor) not in counted + capfd.readouterr().out


# --- complaints


async def test_a_complaint_ends_mail_to_that_address_and_what_waits_goes_another_way(door: Door) -> None:
    siti, agus = people(2)
    desk = door.desk
    await desk.hear(card(agus, address(siti), phone="+6281234567899"))
    notification_id, attempt_id = await door.sent(siti, "sms")
    await desk.hear(enrolled(siti), enrolled(agus))
    await queue(desk, "email", "sms")
    raw = arf("fbl@lapak.test", letter(door.mark(attempt_id)))
    found = await door.bring(raw)
    assert found == {"became": "complained", "code": "arf abuse", "notification_id": str(notification_id)}
    states = {(row["vendor_id"], row["template"]): row["state"] for row in await desk.rows()}
    assert states[siti, "booth-assigned"] == "sent", "it arrived"
    assert states[siti, "training-enrolled"] == "planned", "to be routed anew"
    assert await door.suppressed() == [("email", "complained", 1)]
    async with desk.database.read() as conn:
        waits = await conn.fetchval(
            "SELECT count(*) FROM timer WHERE kind = 'wishes.route-anew' AND key = $1", str(agus)
        )
    assert waits == 1, "who shares the address is looked at too"
    assert (await door.bring(raw))["became"] == "complained"
    assert await door.suppressed() == [("email", "complained", 1)]
    assert (await door.told()).count("MessagesStopped") == 1


async def test_after_a_complaint_not_even_what_must_be_told_goes_there(door: Door) -> None:
    siti, dewi = people(2)
    desk = door.desk
    _, attempt_id = await door.sent(siti)
    await door.bring(arf("fbl@lapak.test", letter(door.mark(attempt_id))))
    await desk.hear(card(dewi), *(offer(one, desk.clock.now()) for one in (siti, dewi)))
    await desk.route()  # e-mail is all there is
    async with desk.database.read() as conn:
        rows = await conn.fetch("SELECT vendor_id, must, state FROM notification WHERE attempts = 0")
    assert {(row["vendor_id"], row["must"]): row["state"] for row in rows} == {
        (siti, True): "sent",
        (dewi, True): "queued",
    }, "in the inbox alone"


async def test_a_complaint_of_somebody_who_is_erased_leaves_nothing(door: Door) -> None:
    (vendor,) = people(1)
    _, attempt_id = await door.sent(vendor)
    raw = arf("fbl@lapak.test", letter(door.mark(attempt_id)))
    await door.desk.hear(VendorErased(vendor_id=vendor, erasure_id=new_id()))
    assert (await door.bring(raw))["became"] == "complained"
    assert await door.suppressed() == []


async def test_a_complaint_of_somebody_who_is_no_vendor_here_is_heeded_too(door: Door) -> None:
    (vendor,) = people(1)
    _, attempt_id = await door.sent(vendor)
    async with door.desk.database.transaction() as conn:
        await conn.execute("DELETE FROM contact")
    await door.bring(arf("fbl@lapak.test", letter(door.mark(attempt_id))))
    assert await door.suppressed() == [("email", "complained", 1)]
    assert "MessagesStopped" not in await door.told()


# --- at once


async def test_the_same_bounce_brought_many_times_at_once_counts_once(door: Door) -> None:
    (vendor,) = people(1)
    _, attempt_id = await door.sent(vendor, "sms")
    bounce = postfix(back(door.mark(attempt_id)), address=address(vendor))
    complaint = arf("fbl@lapak.test", letter(door.mark(attempt_id)))
    await asyncio.gather(*(door.bring(raw) for raw in (bounce, complaint) * 6))
    assert sorted(await door.suppressed()) == [("email", "bounced", 1), ("email", "complained", 1)]
    told = await door.told()
    assert (told.count("NotificationChannelFailed"), told.count("MessagesStopped")) == (1, 1)


async def test_one_mail_under_one_key_is_answered_the_same(door: Door) -> None:
    (vendor,) = people(1)
    _, attempt_id = await door.sent(vendor, "sms")
    bounce = postfix(back(door.mark(attempt_id)), address=address(vendor))
    answers = [await door.bring(bounce, key="mail-1") for _ in range(3)]
    assert answers == [answers[0]] * 3
    other = await door.bring(absence("x@y.test"), key="mail-1", status=422)
    assert other["code"] == "idempotency-key-reused"


async def test_few_mails_wait_to_be_read_and_more_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    began, release = 0, asyncio.Event()

    async def slowly(act: Any, raw: bytes) -> MailReport:
        nonlocal began
        began += 1
        await release.wait()
        return MailReport("no-report")

    monkeypatch.setattr(asyncio, "to_thread", slowly)
    reading = Reading()
    tasks = [asyncio.create_task(reading.read(b"")) for _ in range(WAITING_MAX + 5)]
    await asyncio.sleep(0)
    release.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(one, BouncesBusy) for one in found) == 5
    assert began == WAITING_MAX
    assert (await reading.read(b"")).says == "no-report"


# --- the door


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("message/rfc822", 200),
        ("Message/RFC822; charset=utf-8", 200),
        ("application/octet-stream", 200),
        ("application/json", 415),
        ("multipart/form-data; boundary=x", 415),
        ("", 415),
    ],
)
async def test_only_a_mail_is_taken(door: Door, content_type: str, status: int) -> None:
    found = await door.bring(absence("x@y.test"), status=status, Content_Type=content_type)
    assert found.get("code") == (None if status == 200 else "media-type-not-supported")


async def test_a_mail_that_is_too_large_or_for_another_provider_is_refused(door: Door) -> None:
    assert (await door.bring(b"x" * (1024 * 1024 + 1), status=413))["code"] == "body-too-large"
    assert (await door.bring(b"x" * (1024 * 1024)))["became"] == "no-report"
    headers = {"Authorization": f"Bearer {door.token}", "Idempotency-Key": "k", "Content-Type": "message/rfc822"}
    answer = await door.client.post("/v1/providers/sms-a/reports", content=b"", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "provider-not-found")


# --- end to end


async def test_every_attempt_leaves_with_a_proof_of_its_own(desk: Desk) -> None:
    await offers(desk, people(2), "email")
    mailbox = Mailbox()
    async with mail_server(mailbox):
        server = SmtpServer("127.0.0.1", mailbox.port, f"Lapak <lapak@{DOMAIN}>", bounce_address=f"bounce@{DOMAIN}")
        email = Email(server, desk.sealer.blind_index)
        async with sending(desk, Outlet(email)):
            await desk.until("sent", 2)
    marks = {proof(desk.sealer.blind_index, attempt["id"]) for attempt in await desk.attempts()}
    assert set(mailbox.senders) == {back(mark) for mark in marks}
    for sender, raw in zip(mailbox.senders, mailbox.raw, strict=True):
        assert f"\r\nX-Lapak-Attempt: {sender[7:55]}\r\n".encode() in raw


async def test_a_letter_taken_by_the_mail_server_comes_back_and_the_person_gets_an_sms(
    make_database: MakeDatabase,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The catcher takes it with 250, tells the envelope's sender, and brings that to notify's door."""
    fresh = await make_database("notify")
    desk = Desk(fresh.database, clock, sealer)
    siti, agus = people(2)
    catcher = Catcher(Store(tmp_path / "mail"))
    writing = asyncio.create_task(catcher.commits.run())
    smtp = await asyncio.get_running_loop().create_server(lambda: Connection(catcher), "127.0.0.1", 0)
    port = smtp.sockets[0].getsockname()[1]
    sms = Scripted("sms-a", "sms")
    try:
        async with served("notify", fresh, issuer, monkeypatch) as url:
            catcher.faults = Faults.model_validate(
                {
                    "bounce_to": siti.hex,
                    "bounce_post": f"{url}/v1/providers/smtp/reports",
                    "bounce_token": issuer.token("mail-server", ["service"]),
                }
            )
            assert '"bounce_token":"**' in catcher.faults.model_dump_json(), "a token is not shown"
            server = SmtpServer("127.0.0.1", port, f"Lapak <lapak@{DOMAIN}>", bounce_address=f"bounce@{DOMAIN}")
            await offers(desk, [siti, agus], "email", "sms")
            async with sending(desk, Outlet(Email(server, sealer.blind_index)), sms):
                await until(lambda: len(sms.taken) == 1)
                await desk.settled()
        bounces = catcher.store.find(to="bounce+", subject="", limit=9)
    finally:
        smtp.close()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        catcher.close()
    rows = {row["vendor_id"]: row for row in await desk.rows()}
    assert {one: (row["state"], row["channel"]) for one, row in rows.items()} == {
        siti: ("sent", "sms"),
        agus: ("sent", "email"),
    }
    assert [one.notification_id for one in sms.taken] == [rows[siti]["id"]]
    (bounce,) = bounces
    assert (bounce["envelope_from"], bounce["subject"]) == ("", "Delivery failed")
