"""Providers are told what is asked of them, and texts name mentors: by cards that come and go."""

from uuid import UUID

from services.notify.store.lookups import contacts_checksum
from shared.events.envelope import Event
from shared.events.mentoring import MentorAssigned
from shared.events.training import ClassDrafted, OrganisationCard
from shared.ids import new_id
from tests.integration.notify import Desk, Mailbox, card, mail_server, people


def organisation(kind: str, email: str | None = None) -> OrganisationCard:
    """A card of a provider or a mentor."""
    fields = {"party_id": new_id(), "kind": kind, "name": "Ibu Ratna", "phone": "+6281234567890", "email": email}
    return OrganisationCard.model_validate(fields)


def drafted(provider_id: UUID | None) -> ClassDrafted:
    """A class that enough people asked for."""
    return ClassDrafted(
        class_id=new_id(),
        course="ekspor-dasar",
        title="Dasar ekspor",
        area="31.71",
        provider_id=provider_id,
        requests=20,
        places=100,
    )


def assigned(vendor_id: UUID, mentor_id: UUID) -> MentorAssigned:
    """A vendor gets a mentor."""
    return MentorAssigned(
        vendor_id=vendor_id, assignment_id=new_id(), mentor_id=mentor_id, kind="employed", by="matching"
    )


async def test_a_provider_is_told_of_a_class_whether_its_card_comes_before_or_after(desk: Desk) -> None:
    early, late = organisation("provider", "early@example.com"), organisation("provider", "late@example.com")
    events: list[Event] = [early, drafted(early.party_id), drafted(late.party_id), drafted(None)]
    await desk.hear(*events)
    assert await desk.states() == {"planned": 1, "waiting_contact": 1}
    await desk.hear(late)
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        assert await desk.settled() == {"sent": 2}
    assert {address for address, _ in mailbox.accepted} == {"early@example.com", "late@example.com"}
    assert all(b"Dasar ekspor" in raw for raw in mailbox.raw)


async def test_a_vendor_reads_who_its_mentor_is_while_there_is_a_card_of_it(desk: Desk) -> None:
    first, second = people(2)
    mentor = organisation("mentor")
    await desk.hear(card(first), card(second), mentor, assigned(first, mentor.party_id))
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        assert await desk.settled() == {"sent": 1}
        tombstone = desk.raw(OrganisationCard.topic, mentor.subject.encode(), None)
        await desk.consumer(OrganisationCard.topic).handle([tombstone])
        await desk.hear(assigned(second, mentor.party_id))
        assert await desk.settled() == {"sent": 2}
    with_name, without = mailbox.raw
    assert b"Ibu Ratna" in with_name
    assert b"+6281234567890" in with_name
    assert b"Ratna" not in without
    params = [row["params"] for row in await desk.rows()]
    assert all("Ratna" not in str(one) for one in params)


async def test_the_copy_of_vendors_contacts_is_compared_without_organisations(desk: Desk) -> None:
    (vendor,) = people(1)
    await desk.hear(card(vendor))
    async with desk.database.read() as conn:
        alone = await contacts_checksum(conn)
    await desk.hear(organisation("mentor"), organisation("provider", "a@example.com"))
    async with desk.database.read() as conn:
        assert await contacts_checksum(conn) == alone
    assert alone[0] == 1


async def test_a_tombstone_of_an_organisation_takes_no_vendors_card(desk: Desk) -> None:
    (vendor,) = people(1)
    await desk.hear(card(vendor))
    tombstone = desk.raw(OrganisationCard.topic, str(vendor).encode(), None)
    await desk.consumer(OrganisationCard.topic).handle([tombstone])
    async with desk.database.read() as conn:
        assert (await contacts_checksum(conn))[0] == 1
