"""Applying to a bazaar, changing what an application asks for, and taking it back."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.bazaar.domain import application as domain
from services.bazaar.domain import parties as rules
from services.bazaar.domain.application import AlreadyApplied, Need, Origin, Step
from services.bazaar.domain.bazaar import Bazaar
from services.bazaar.domain.parties import Party, PartyUnknown
from services.bazaar.store import applications as store
from services.bazaar.store import bazaars, parties, vendors
from shared import families
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.errors import Conflict
from shared.outbox import Fact, record


async def keep(conn: Connection, steps: Sequence[Step], *, now: datetime) -> None:
    """Save applications that are one event further, and record the events: two statements for any number."""
    if steps:
        await store.save_applications(conn, [step.after for step in steps])
        await record_steps(conn, steps, now=now)


async def keep_changes(conn: Connection, steps: Sequence[Step], *, now: datetime) -> None:
    """Save applications that ask for something else now, and record it."""
    await store.save_changes(conn, [step.after for step in steps])
    await record_steps(conn, steps, now=now)


async def record_steps(conn: Connection, steps: Sequence[Step], *, now: datetime) -> None:
    """Record the events of applications that are saved."""
    await record(conn, [Fact(step.event, step.after.version) for step in steps], now=now)


async def apply(
    conn: Connection,
    bazaar_id: UUID,
    vendor_id: UUID,
    choices: Sequence[Sequence[str]] | None,
    *,
    application_id: UUID,
    now: datetime,
    origin: Origin = "vendor",
    needs: Sequence[Need] = (),
    party_code: str | None = None,
) -> None:
    """A vendor applies, once for all ids of a person; with the code of a party as its member, by its choices.

    The vendor is shared, so that an erasure waits for applications under way; the bazaar after it, so that a freeze
    does.
    """
    vendor = await vendors.share_vendor(conn, vendor_id)
    bazaar = await bazaars.share_bazaar(conn, bazaar_id)
    party = None
    if party_code is not None:
        party, choices = await _joined(conn, bazaar, party_code)
    step = domain.apply(
        bazaar,
        vendor_id,
        vendor,
        choices or [],
        application_id=application_id,
        now=now,
        origin=origin,
        needs=needs,
        party_id=None if party is None else party.party_id,
    )
    applied = await store.has_applied(conn, bazaar_id, await families.find_family(conn, vendor_id))
    if applied or not await store.add_application(conn, step.after):
        raise AlreadyApplied(
            "This vendor has applied to this bazaar already; what the application asks for can be changed while "
            "applications are open (POST /v1/applications/{id}/change)."
        )
    if party is not None:
        await parties.save_place(conn, application_id, party.party_id)
    await store.add_first_application(conn, vendor_id, day_in_jakarta(now))
    await record_steps(conn, [step], now=now)


async def _joined(conn: Connection, bazaar: Bazaar, code: str) -> tuple[Party, Sequence[Sequence[str]]]:
    party = await lock_party_of_code(conn, bazaar, code)
    members = await parties.lock_members(conn, party.party_id)
    rules.require_room(party, members)
    return party, rules.leader(members).choices


async def lock_party_of_code(conn: Connection, bazaar: Bazaar, code: str) -> Party:
    """The party of this bazaar with this code, locked. Raises `PartyUnknown`."""
    party = await parties.lock_party_of_code(conn, bazaar.bazaar_id, rules.code_hash(bazaar.bazaar_id, code))
    if party is None:
        raise PartyUnknown("No party of this bazaar has this code; ask who leads it for the code as it is now.")
    return party


async def change(
    conn: Connection,
    application_id: UUID,
    *,
    choices: Sequence[Sequence[str]] | None,
    needs: Sequence[Need] | None,
    now: datetime,
) -> None:
    """An application asks for other sites or needs and keeps its moment. A party's leader chooses for its members."""
    found = await store.find_application(conn, application_id)
    bazaar = await bazaars.share_bazaar(conn, found.bazaar_id)
    if found.party_id is None or choices is None:
        application = await store.lock_application(conn, application_id)
        if choices is not None and application.party_id is not None:
            raise Conflict("The application joined a party at this moment; look at it again.")
        await keep_changes(conn, [domain.change(application, bazaar, now, choices=choices, needs=needs)], now=now)
        return
    await parties.lock_party(conn, found.party_id)
    members = await parties.lock_members(conn, found.party_id)
    application = await store.lock_application(conn, application_id)
    if application.party_id != found.party_id:
        raise Conflict("The application left its party at this moment; look at it again.")
    steps = rules.choose(members, application, bazaar, now, choices)
    await keep_changes(conn, steps, now=now)
    if needs is not None and set(needs) != set(application.needs):
        leading = next(step.after for step in steps if step.after.application_id == application_id)
        await keep_changes(conn, [domain.change(leading, bazaar, now, needs=needs)], now=now)


async def withdraw(conn: Connection, application_id: UUID, *, now: datetime) -> None:
    """The vendor takes its application back."""
    found = await store.find_application(conn, application_id)
    bazaar = await bazaars.share_bazaar(conn, found.bazaar_id)
    application = await store.lock_application(conn, application_id)
    await keep(conn, [domain.withdraw(application, bazaar)], now=now)
