"""People and their messages: one person with several ids, and one who is erased; in any order, two things at once."""

import asyncio
import json
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.notify.handlers import copies, erasures
from services.notify.handlers import delivery as handlers
from services.notify.store.delivery import Start
from shared import dead_letters
from shared.auth import LocalIssuer
from shared.events.documents import DocumentReturned, DocumentVerified
from shared.events.programme import ExhibitionInvited
from shared.events.rights import VendorErased
from shared.events.training import TrainingInvited
from shared.events.vendor import (
    ContactCard,
    VendorMerged,
    VendorMoved,
    VendorRegistered,
    VendorReinstated,
    VendorSuspended,
    VendorUnmerged,
)
from shared.ids import new_id
from tests.conftest import StandingClock
from tests.integration.notify import Desk, Front, Mailbox, card, enrolled, mail_server, people

KARANG_ANYAR = "31.71.02.1002"


class Door:
    """A desk with its HTTP door."""

    def __init__(self, desk: Desk, client: httpx.AsyncClient, issuer: LocalIssuer) -> None:
        self.desk = desk
        self.client = client
        self.issuer = issuer

    async def data(
        self, vendor: UUID, roles: list[str], *, reason: str | None = "complaint", **claims: Any
    ) -> httpx.Response:
        """Ask for a person's data."""
        headers = {"Authorization": f"Bearer {self.issuer.token('-'.join(roles), roles, **claims)}"}
        params = {} if reason is None else {"reason": reason}
        return await self.client.get(f"/v1/vendors/{vendor}/data", params=params, headers=headers)


@pytest.fixture
def door(front: Front, issuer: LocalIssuer) -> Door:
    """Notify on a fresh database, with its HTTP door."""
    return Door(front.desk, front.client, issuer)


def registered(vendor: UUID, kelurahan: str = KARANG_ANYAR) -> VendorRegistered:
    return VendorRegistered(
        vendor_id=vendor,
        kind="usaha",
        kelurahan=kelurahan,
        rw="001",
        rt="001",
        origin="file",
        registered_on=date(2023, 3, 1),
    )


def merged(vendor: UUID, into: UUID) -> VendorMerged:
    return VendorMerged(vendor_id=vendor, into=into, merge_id=new_id())


def unmerged(vendor: UUID, out_of: UUID) -> VendorUnmerged:
    return VendorUnmerged(vendor_id=vendor, out_of=out_of, merge_id=new_id())


def erased(vendor: UUID) -> VendorErased:
    return VendorErased(vendor_id=vendor, erasure_id=new_id())


def invited(vendor: UUID, class_id: UUID) -> TrainingInvited:
    return TrainingInvited(vendor_id=vendor, course="dasar", class_id=class_id, title="Dasar Kewirausahaan", days=[])


async def rows(desk: Desk, table: str) -> list[dict[str, Any]]:
    async with desk.database.read() as conn:
        return [dict(row) for row in await conn.fetch(f'TABLE "{table}"')]


async def receipts(desk: Desk) -> list[dict[str, Any]]:
    async with desk.database.read() as conn:
        found = await conn.fetch("SELECT key, sequence, payload FROM outbox WHERE type = 'NotifyDataErased'")
    for row in found:
        assert (row["key"], row["sequence"]) == (json.loads(row["payload"])["erasure_id"], 1)
    return [json.loads(row["payload"]) for row in found]


# --- what is told


async def test_what_the_registry_decides_is_told(desk: Desk) -> None:
    (vendor,) = people(1)
    await desk.hear(
        card(vendor),
        VendorSuspended(vendor_id=vendor, reason="no-show"),
        VendorReinstated(vendor_id=vendor),
        DocumentVerified(vendor_id=vendor, document_id=new_id(), kind="nib"),
    )
    assert [row["template"] for row in await desk.rows()] == [
        "vendor-suspended",
        "vendor-reinstated",
        "document-verified",
    ]


async def test_a_message_is_of_use_until_the_end_of_the_day_it_names_and_a_week_at_most(desk: Desk) -> None:
    (vendor,) = people(1)
    document = {"vendor_id": vendor, "document_id": new_id(), "kind": "nib", "reason": "unreadable"}
    await desk.hear(
        DocumentReturned.model_validate({**document, "correct_by": date(2023, 3, 3)}),
        DocumentReturned.model_validate({**document, "correct_by": date(2023, 4, 30)}),
    )
    soon, later = [row["deadline"] for row in await desk.rows()]
    assert soon == datetime(2023, 3, 3, 17, 0, tzinfo=UTC), "midnight in Jakarta after the last day"
    assert later == datetime(2023, 3, 8, 2, 0, tzinfo=UTC)


async def test_an_invitation_that_could_no_longer_be_answered_is_not_sent(desk: Desk, clock: StandingClock) -> None:
    (vendor,) = people(1)
    await desk.hear(
        card(vendor),
        ExhibitionInvited(
            vendor_id=vendor,
            invitation_id=new_id(),
            exhibition_id=new_id(),
            title="Pameran",
            place="Balai Kota",
            days=[],
            answer_by=date(2023, 3, 1),
        ),
    )
    clock.moment = datetime(2023, 3, 1, 17, 0, tzinfo=UTC)
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        await desk.until("expired", 1)
        assert mailbox.accepted == []


# --- one person with several ids


async def test_one_person_is_told_once_for_one_cause(desk: Desk, clock: StandingClock) -> None:
    retired, survivor, stranger = people(3)
    class_id = new_id()
    await desk.hear(merged(retired, survivor))
    await desk.hear(invited(retired, class_id), invited(survivor, class_id), invited(stranger, class_id))
    assert {row["vendor_id"] for row in await desk.rows()} == {retired, stranger}
    await desk.hear(invited(survivor, class_id))
    assert len(await desk.rows()) == 2, "in a later batch too"
    clock.advance(hours=1)
    await desk.hear(invited(survivor, class_id))
    assert len(await desk.rows()) == 3, "another moment is another cause"


async def test_a_person_hears_of_different_things_under_both_ids(desk: Desk) -> None:
    retired, survivor = people(2)
    await desk.hear(card(retired), card(survivor), merged(retired, survivor))
    await desk.hear(VendorSuspended(vendor_id=retired, reason="no-show"))
    await desk.hear(VendorSuspended(vendor_id=survivor, reason="false-data"), enrolled(retired))
    assert len(await desk.rows()) == 3


async def test_after_an_unmerge_each_is_told(desk: Desk) -> None:
    one, other = people(2)
    class_id = new_id()
    await desk.hear(merged(one, other), unmerged(one, other))
    assert await rows(desk, "family") == await rows(desk, "merge") == []
    await desk.hear(invited(one, class_id), invited(other, class_id))
    assert len(await desk.rows()) == 2


# --- erasures


async def test_an_erased_persons_unsent_messages_never_leave_and_its_address_is_gone(desk: Desk) -> None:
    gone, stays = people(2)
    await desk.hear(card(gone), card(stays), enrolled(gone), enrolled(stays), registered(gone))
    event = erased(gone)

    await desk.hear(event)

    assert [row["vendor_id"] for row in await rows(desk, "contact")] == [stays]
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        assert await desk.settled() == {"rejected": 2, "sent": 1}
        assert [address for address, _ in mailbox.accepted] == [f"v{stays.hex}@example.com"]
    for row in await desk.rows():
        if row["vendor_id"] == gone:
            assert (row["reason"], row["params"], row["language"], row["attempts"]) == ("erased", {}, None, 0)
    (receipt,) = await receipts(desk)
    assert (receipt["erasure_id"], receipt["vendor_id"]) == (str(event.erasure_id), str(gone))
    counts = {kind: number for kind, number in {**receipt["erased"], **receipt["kept"]}.items() if number}
    assert counts == {"unsent_messages": 2, "contacts": 1, "vendor_copies": 1, "message_texts": 2, "messages": 2}
    failed = [key for kind, key, _ in await desk.published() if kind == "NotificationFailed"]
    assert set(failed) == {row["id"] for row in await desk.rows() if row["vendor_id"] == gone}


async def test_a_message_taken_up_before_the_erasure_and_not_begun_does_not_leave(desk: Desk) -> None:
    (vendor,) = people(1)
    await desk.hear(card(vendor), enrolled(vendor))
    now = desk.clock.now()
    (job,) = await desk.claim()
    assert job.contact is not None
    await desk.hear(erased(vendor))
    async with desk.database.transaction() as conn:
        start = Start(job.id, job.claim, new_id(), "email", "id")
        assert await handlers.begin_attempts(conn, [start], lease_seconds=9, now=now) == set()


async def test_a_sent_message_stays_as_a_figure_without_its_words_and_notes(desk: Desk) -> None:
    (vendor,) = people(1)
    await desk.hear(card(vendor), enrolled(vendor))
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        await desk.settled()
    async with desk.database.transaction() as conn:
        await conn.execute("UPDATE attempt SET note = 'operator: Siti said she has it'")

    await desk.hear(erased(vendor))

    row = await desk.row()
    assert (row["state"], row["template"], row["params"], row["language"]) == ("sent", "training-enrolled", {}, None)
    assert row["sent_at"] is not None
    assert [attempt["note"] for attempt in await desk.attempts()] == [None]
    (receipt,) = await receipts(desk)
    assert receipt["erased"]["attempt_notes"] == receipt["erased"]["message_texts"] == receipt["kept"]["messages"] == 1


async def test_nothing_that_comes_late_brings_an_erased_person_back(desk: Desk) -> None:
    vendor, other = people(2)
    await desk.hear(erased(vendor))
    await desk.hear(card(vendor), registered(vendor), enrolled(vendor), merged(vendor, other))
    await desk.hear(VendorMoved(vendor_id=vendor, kelurahan=KARANG_ANYAR, rw="001", rt="001"))
    await desk.hear(unmerged(vendor, other))
    await desk.consumer(ContactCard.topic).handle([desk.raw(ContactCard.topic, str(vendor).encode(), None)])
    for table in ("contact", "vendor", "notification", "merge", "family", "dead_letter"):
        assert await rows(desk, table) == [], table
    assert len(await receipts(desk)) == 1


async def test_an_erasure_is_answered_once(desk: Desk) -> None:
    (vendor,) = people(1)
    await desk.hear(erased(vendor), erased(vendor))
    await desk.hear(erased(vendor))
    assert len(await receipts(desk)) == 1


async def test_cards_events_and_erasures_at_once_leave_nobody_reachable(desk: Desk) -> None:
    """They come on different topics, so nothing keeps them apart but the lock."""
    vendors = people(10)
    now = desk.clock.now()

    async def remember(vendor: UUID) -> None:
        async with desk.database.transaction() as conn:
            await copies.remember_contacts(conn, [card(vendor)], now=now)
            await asyncio.sleep(0)

    async def erase(vendor: UUID) -> None:
        async with desk.database.transaction() as conn:
            await erasures.erase_vendors(conn, [erased(vendor)], now=now)

    await asyncio.gather(*(act(vendor) for vendor in vendors for act in (remember, erase)))
    assert await rows(desk, "contact") == []
    assert len(await receipts(desk)) == 10


async def test_an_erasure_waits_for_a_card_that_is_being_written_and_takes_it_away(desk: Desk) -> None:
    (vendor,) = people(1)
    now = desk.clock.now()

    async def erase() -> None:
        async with desk.database.transaction() as conn:
            await erasures.erase_vendors(conn, [erased(vendor)], now=now)

    async with desk.database.transaction() as conn:
        await copies.remember_contacts(conn, [card(vendor)], now=now)
        erasing = asyncio.create_task(erase())
        done, _ = await asyncio.wait([erasing], timeout=0.2)
        assert not done
    await erasing
    assert await rows(desk, "contact") == []


async def test_dead_letters_of_an_erased_person_are_wiped_and_given_up(desk: Desk) -> None:
    gone, other = people(2)
    for event in (card(gone), enrolled(gone), card(other)):
        async with desk.database.transaction() as conn:
            kind = type(event).__name__
            await dead_letters.add(
                conn, desk.sealer, desk.record(event), message_type=kind, state="failed", now=desk.clock.now()
            )
    await desk.hear(erased(gone))
    letters = await rows(desk, "dead_letter")
    assert sorted((row["key"].decode() == str(gone), row["value"] is None, row["state"]) for row in letters) == [
        (False, False, "failed"),
        (True, True, "discarded"),
        (True, True, "discarded"),
    ]
    assert (await receipts(desk))[0]["erased"]["dead_letters"] == 2


# --- a person's own data


async def test_a_person_sees_its_messages_in_words_under_each_of_its_ids(door: Door) -> None:
    retired, survivor, stranger = people(3)
    await door.desk.hear(
        card(retired, name="Siti Aminah"), card(survivor, name="S. Aminah"), card(stranger, name="Budi Santoso")
    )
    await door.desk.hear(registered(retired), registered(survivor), registered(stranger), enrolled(retired))
    await door.desk.hear(merged(retired, survivor))

    answer = await door.data(survivor, ["vendor"], vendor_id=survivor)

    shown = answer.json()
    assert answer.status_code == 200
    assert shown["registrations_of_the_person"] == [str(survivor), str(retired)]
    sections = {name: section["data"] for name, section in shown["sections"].items()}
    assert {one["name"] for one in sections["contact_copy"]} == {"Siti Aminah", "S. Aminah"}
    texts = {one["template"]: one["text"]["body"] for one in sections["messages"] if one["vendor_id"] == str(retired)}
    assert set(texts) == {"welcome", "training-enrolled"}
    assert "Halo Siti Aminah" in texts["training-enrolled"]
    assert "Dasar Kewirausahaan" in texts["training-enrolled"]
    assert "Budi" not in answer.text
    assert str(stranger) not in answer.text
    assert sections["who_looked"] == []


async def test_a_registrar_of_where_the_person_lives_sees_it_and_that_is_noted(door: Door) -> None:
    (vendor,) = people(1)
    await door.desk.hear(card(vendor), registered(vendor))
    unsaid = await door.data(vendor, ["officer", "registrar"], reason=None, area="31.71")
    assert (unsaid.status_code, unsaid.json()["code"]) == (422, "reason-missing")
    assert (await door.data(vendor, ["officer", "registrar"], area="31.71")).status_code == 200
    await door.desk.hear(VendorMoved(vendor_id=vendor, kelurahan="31.72.01.1001", rw="001", rt="001"))
    assert (await door.data(vendor, ["officer", "registrar"], area="31.71")).status_code == 404
    shown = (await door.data(vendor, ["vendor"], vendor_id=vendor)).json()
    looked = [(one["actor"], one["reason"]) for one in shown["sections"]["who_looked"]["data"]]
    assert looked == [("officer-registrar", "complaint")]


async def test_a_persons_data_is_for_nobody_else(door: Door) -> None:
    vendor, other = people(2)
    await door.desk.hear(card(vendor), registered(vendor))
    for roles, claims, status, code in (
        (["vendor"], {"vendor_id": other}, 403, "not-own-data"),
        (["officer"], {"area": "31"}, 403, "role-missing"),
        (["operator"], {}, 403, "not-own-data"),
        (["service"], {}, 403, "not-own-data"),
        (["registrar"], {"area": "31"}, 403, "not-own-data"),
        (["officer", "registrar"], {"area": "31.72"}, 404, "vendor-unknown"),
        (["officer", "registrar"], {}, 404, "vendor-unknown"),
    ):
        answer = await door.data(vendor, roles, **claims)
        assert (answer.status_code, answer.json()["code"]) == (status, code), roles
        assert "Siti" not in answer.text
    await door.desk.hear(erased(vendor))
    assert (await door.data(vendor, ["vendor"], vendor_id=vendor)).status_code == 404
    assert (await door.data(vendor, ["officer", "registrar"], area="31")).status_code == 404
    assert await rows(door.desk, "disclosure") == []
