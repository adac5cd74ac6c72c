"""Making a party, joining it and leaving it. The bazaar is shared, so that a freeze waits for it or it for a freeze."""

from datetime import datetime
from uuid import UUID

from services.bazaar.domain import parties as domain
from services.bazaar.domain.parties import IfApart, NotInParty, Party
from services.bazaar.handlers.applications import keep_changes, lock_party_of_code
from services.bazaar.store import applications, bazaars
from services.bazaar.store import parties as store
from shared.db import Connection


async def make_party(
    conn: Connection,
    application_id: UUID,
    *,
    party_id: UUID,
    if_apart: IfApart,
    size: int,
    code: str,
    now: datetime,
) -> None:
    """An applicant makes a party that others join with this code."""
    found = await applications.find_application(conn, application_id)
    bazaar = await bazaars.share_bazaar(conn, found.bazaar_id)
    application = await applications.lock_application(conn, application_id)
    party = Party(party_id, bazaar.bazaar_id, if_apart, size)
    step = domain.begin(application, bazaar, party, now)
    await store.add_party(conn, party, domain.code_hash(bazaar.bazaar_id, code), now=now)
    await keep_changes(conn, [step], now=now)
    await store.save_place(conn, application_id, party_id)


async def join_party(conn: Connection, application_id: UUID, *, code: str, now: datetime) -> UUID:
    """An applicant joins the party with this code, and takes over its choices. Gives the party.

    Its own application is locked first, and is in no party then: so two who join cannot wait for each other.
    """
    found = await applications.find_application(conn, application_id)
    bazaar = await bazaars.share_bazaar(conn, found.bazaar_id)
    application = await applications.lock_application(conn, application_id)
    domain.require_free(application)
    party = await lock_party_of_code(conn, bazaar, code)
    members = await store.lock_members(conn, party.party_id)
    await keep_changes(conn, [domain.join(party, members, application, bazaar, now)], now=now)
    await store.save_place(conn, application_id, party.party_id)
    return party.party_id


async def leave_party(conn: Connection, application_id: UUID, *, now: datetime) -> None:
    """A member goes its own way."""
    found = await applications.find_application(conn, application_id)
    bazaar = await bazaars.share_bazaar(conn, found.bazaar_id)
    application = await applications.lock_application(conn, application_id)
    await keep_changes(conn, [domain.leave(application, bazaar)], now=now)


async def change_code(conn: Connection, application_id: UUID, *, code: str) -> UUID:
    """The leader has another code; the one before leads nowhere. Gives the party."""
    found = await applications.find_application(conn, application_id)
    bazaar = await bazaars.share_bazaar(conn, found.bazaar_id)
    if found.party_id is None:
        raise NotInParty("This application belongs to no party.")
    party = await store.lock_party(conn, found.party_id)
    domain.require_leader(await store.lock_members(conn, party.party_id), found)
    await store.save_code(conn, party.party_id, domain.code_hash(bazaar.bazaar_id, code))
    return party.party_id
