"""Rows of applications: one at a time, many in one statement, and as they are shown."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Record

from services.bazaar.domain.application import Application, ApplicationUnknown, Offer
from services.bazaar.domain.rotation import SeatedCount
from shared.db import Connection
from shared.events.bazaar import ApplicantQueued


class StaleApplication(RuntimeError):
    """A fault of ours: an application changed although its lock, or its bazaar's, was to be held."""


async def add_application(conn: Connection, application: Application) -> bool:
    """A new application; False when this vendor has applied to this bazaar already."""
    added = await conn.fetchval(
        "INSERT INTO application (application_id, bazaar_id, vendor_id, version, state, choices, site_ids, "
        "applied_at, groups, origin, party_id, needs) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '{}', $9, $10, $11) "
        "ON CONFLICT (bazaar_id, vendor_id) WHERE state <> 'withdrawn' DO NOTHING RETURNING true",
        application.application_id,
        application.bazaar_id,
        application.vendor_id,
        application.version,
        application.state,
        [list(tier) for tier in application.choices],
        list(application.site_ids),
        application.applied_at,
        application.origin,
        application.party_id,
        list(application.needs),
    )
    return bool(added)


async def has_applied(conn: Connection, bazaar_id: UUID, vendor_ids: Sequence[UUID]) -> bool:
    """Whether one of these ids has applied to this bazaar."""
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM application WHERE bazaar_id = $1 AND vendor_id = ANY($2::uuid[]) "
        "AND state <> 'withdrawn')",
        bazaar_id,
        vendor_ids,
    )
    return found


async def find_bazaars_of(conn: Connection, vendor_ids: Sequence[UUID]) -> list[UUID]:
    """The bazaars, in order, in which these vendors still have something to give back."""
    rows = await conn.fetch(
        "SELECT DISTINCT bazaar_id FROM application WHERE vendor_id = ANY($1::uuid[]) "
        "AND state IN ('received', 'queued', 'offered', 'confirmed') ORDER BY bazaar_id",
        vendor_ids,
    )
    return [row["bazaar_id"] for row in rows]


async def lock_of_erased(conn: Connection, bazaar_id: UUID) -> list[Application]:
    """Applications of erased people to this bazaar that are not over, locked in the order of their ids."""
    rows = await conn.fetch(
        "SELECT a.application_id, a.bazaar_id, a.vendor_id, a.version, a.state, a.choices, a.applied_at, a.groups, "
        "a.place, a.site_id, a.booth, a.respond_by, a.promoted, a.remind_at, a.release_by, a.origin, a.party_id, "
        "a.needs, a.pseudonym "
        "FROM application AS a JOIN erased_vendor AS e ON e.vendor_id = a.vendor_id "
        "WHERE a.bazaar_id = $1 AND a.state IN ('received', 'queued', 'offered', 'confirmed') "
        "ORDER BY a.application_id FOR NO KEY UPDATE OF a",
        bazaar_id,
    )
    return [_application(row) for row in rows]


async def find_application(conn: Connection, application_id: UUID) -> Application:
    """The application as it stands. Raises `ApplicationUnknown`."""
    row = await conn.fetchrow(
        "SELECT application_id, bazaar_id, vendor_id, version, state, choices, applied_at, groups, place, site_id, "
        "booth, respond_by, promoted, remind_at, release_by, origin, party_id, needs, pseudonym "
        "FROM application WHERE application_id = $1",
        application_id,
    )
    if row is None:
        raise ApplicationUnknown("There is no such application.")
    return _application(row)


async def lock_application(conn: Connection, application_id: UUID) -> Application:
    """The application, held until the transaction ends. Raises `ApplicationUnknown`."""
    found = await lock_applications(conn, [application_id])
    if not found:
        raise ApplicationUnknown("There is no such application.")
    return found[0]


async def lock_applications(conn: Connection, application_ids: Sequence[UUID]) -> list[Application]:
    """Those of these applications that exist, locked in the order of their ids."""
    rows = await conn.fetch(
        "SELECT application_id, bazaar_id, vendor_id, version, state, choices, applied_at, groups, place, site_id, "
        "booth, respond_by, promoted, remind_at, release_by, origin, party_id, needs, pseudonym "
        "FROM application WHERE application_id = ANY($1::uuid[]) "
        "ORDER BY application_id FOR NO KEY UPDATE",
        list(application_ids),
    )
    return [_application(row) for row in rows]


async def lock_in_state(conn: Connection, bazaar_id: UUID, state: str) -> list[Application]:
    """The applications of a bazaar that are in this state, locked in the order of their ids."""
    rows = await conn.fetch(
        "SELECT application_id, bazaar_id, vendor_id, version, state, choices, applied_at, groups, place, site_id, "
        "booth, respond_by, promoted, remind_at, release_by, origin, party_id, needs, pseudonym FROM application "
        "WHERE bazaar_id = $1 AND state = $2 ORDER BY application_id FOR NO KEY UPDATE",
        bazaar_id,
        state,
    )
    return await _many(rows)


async def lock_expired_offers(conn: Connection, bazaar_id: UUID, now: datetime) -> list[Application]:
    """Offers of a bazaar whose deadline has passed without an answer, locked in the order of their ids."""
    rows = await conn.fetch(
        "SELECT application_id, bazaar_id, vendor_id, version, state, choices, applied_at, groups, place, site_id, "
        "booth, respond_by, promoted, remind_at, release_by, origin, party_id, needs, pseudonym "
        "FROM application WHERE bazaar_id = $1 AND state = 'offered' AND respond_by < $2 "
        "ORDER BY application_id FOR NO KEY UPDATE",
        bazaar_id,
        now,
    )
    return [_application(row) for row in rows]


async def lock_to_remind(conn: Connection, bazaar_id: UUID, now: datetime) -> list[Application]:
    """Offers of a bazaar that still can be answered and whose reminder is due, locked in the order of their ids."""
    rows = await conn.fetch(
        "SELECT application_id, bazaar_id, vendor_id, version, state, choices, applied_at, groups, place, site_id, "
        "booth, respond_by, promoted, remind_at, release_by, origin, party_id, needs, pseudonym "
        "FROM application WHERE bazaar_id = $1 AND state = 'offered' AND remind_at <= $2 AND respond_by >= $2 "
        "ORDER BY application_id FOR NO KEY UPDATE",
        bazaar_id,
        now,
    )
    return [_application(row) for row in rows]


async def find_ids_in_states(conn: Connection, bazaar_id: UUID, states: Sequence[str]) -> list[UUID]:
    """Ids of the applications of a bazaar that are in one of these states, in order."""
    rows = await conn.fetch(
        "SELECT application_id FROM application WHERE bazaar_id = $1 AND state = ANY($2::text[]) "
        "ORDER BY application_id",
        bazaar_id,
        list(states),
    )
    return [row["application_id"] for row in rows]


async def find_holder(conn: Connection, bazaar_id: UUID, site_id: str, booth: str) -> Application | None:
    """Who has confirmed this booth; None when nobody has."""
    row = await conn.fetchrow(
        "SELECT application_id, bazaar_id, vendor_id, version, state, choices, applied_at, groups, place, site_id, "
        "booth, respond_by, promoted, remind_at, release_by, origin, party_id, needs, pseudonym "
        "FROM application WHERE bazaar_id = $1 AND site_id = $2 AND booth = $3 AND state = 'confirmed'",
        bazaar_id,
        site_id,
        booth,
    )
    return None if row is None else _application(row)


async def leave_booth(conn: Connection, application_id: UUID) -> None:
    """Take an application out of its booth for the moment in which it changes places with another. No two may hold one
    booth, not even between two rows of one statement; nobody outside this transaction sees it."""
    await conn.execute("UPDATE application SET state = 'released' WHERE application_id = $1", application_id)


async def find_waiting(
    conn: Connection, bazaar_id: UUID, site_ids: Sequence[str], limit: int | None = None
) -> list[Application]:
    """Who waits and named one of these sites, in the order of the stored queue, and may be offered a booth; with a
    limit, those of so many at its front.

    Not so the suspended, the erased, and whoever was offered a booth of this bazaar already under another id; nor who
    wants to stand with others or not at all, while one of those waits too: a single booth is not what they asked for.
    They leave the queue only under their bazaar's lock, which the caller holds.
    """
    rows = await conn.fetch(FIND_WAITING, bazaar_id, list(site_ids), limit)
    return await _many(rows)


FIND_WAITING = """
SELECT a.application_id, a.bazaar_id, a.vendor_id, a.version, a.state, a.choices, a.applied_at, a.groups, a.place,
    a.site_id, a.booth, a.respond_by, a.promoted, a.remind_at, a.release_by, a.origin, a.party_id, a.needs,
    a.pseudonym
FROM (SELECT * FROM application WHERE bazaar_id = $1 AND state = 'queued' AND site_ids && $2::text[]
    ORDER BY place LIMIT $3) AS a
LEFT JOIN family AS p ON p.vendor_id = a.vendor_id
WHERE NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = a.vendor_id)
    AND NOT EXISTS (SELECT FROM suspension AS s WHERE s.vendor_id = a.vendor_id)
    AND NOT EXISTS (SELECT FROM party JOIN application AS m USING (party_id) WHERE party.party_id = a.party_id
        AND party.if_apart = 'none' AND m.application_id <> a.application_id AND m.state = 'queued')
    AND (p.person_id IS NULL OR NOT EXISTS (
        SELECT FROM family AS m
        LEFT JOIN suspension AS s ON s.vendor_id = m.vendor_id
        LEFT JOIN application AS o ON o.bazaar_id = a.bazaar_id AND o.vendor_id = m.vendor_id
            AND o.site_id IS NOT NULL
        WHERE m.person_id = p.person_id AND (s.vendor_id IS NOT NULL OR o.application_id IS NOT NULL)))
ORDER BY a.place
"""


async def _many(rows: Sequence[Record]) -> list[Application]:
    # in a thread: with tens of thousands of rows the event loop would stand still
    return await asyncio.to_thread(lambda: [_application(row) for row in rows])


def _application(row: Record) -> Application:
    offer = None
    if row["site_id"] is not None:
        offer = Offer(row["site_id"], row["booth"], row["respond_by"], row["promoted"], row["remind_at"])
    return Application(
        application_id=row["application_id"],
        bazaar_id=row["bazaar_id"],
        vendor_id=row["vendor_id"],
        version=row["version"],
        state=row["state"],
        choices=tuple(tuple(tier) for tier in row["choices"]),
        applied_at=row["applied_at"],
        groups=row["groups"],
        place=row["place"],
        offer=offer,
        origin=row["origin"],
        party_id=row["party_id"],
        needs=tuple(row["needs"]),
        pseudonym=row["pseudonym"],
        release_by=row["release_by"],
    )


async def save_applications(conn: Connection, applications: Sequence[Application]) -> None:
    """Applications one event further, in one statement. Raises `StaleApplication` when one is not where it was."""
    offers = [application.offer for application in applications]
    status = await conn.execute(
        "UPDATE application AS a SET version = n.version, state = n.state, place = n.place, site_id = n.site_id, "
        "booth = n.booth, respond_by = n.respond_by, promoted = n.promoted, remind_at = n.remind_at, "
        "release_by = n.release_by "
        "FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::int[], $5::text[], $6::text[], $7::timestamptz[], "
        "$8::boolean[], $9::timestamptz[], $10::timestamptz[]) "
        "AS n (application_id, version, state, place, site_id, booth, respond_by, promoted, remind_at, release_by) "
        "WHERE a.application_id = n.application_id AND a.version = n.version - 1",
        [application.application_id for application in applications],
        [application.version for application in applications],
        [application.state for application in applications],
        [application.place for application in applications],
        [offer and offer.site_id for offer in offers],
        [offer and offer.booth for offer in offers],
        [offer and offer.respond_by for offer in offers],
        [offer and offer.promoted for offer in offers],
        [offer and offer.remind_at for offer in offers],
        [application.release_by for application in applications],
    )
    _require_all(status, len(applications))


async def save_changes(conn: Connection, applications: Sequence[Application]) -> None:
    """Applications that ask for something else now, one event further. Raises `StaleApplication`."""
    status = await conn.execute(
        "UPDATE application AS a SET version = n.version, choices = n.choices, site_ids = n.site_ids, "
        "needs = n.needs, party_id = n.party_id, "
        "party_nth = CASE WHEN a.party_id = n.party_id THEN a.party_nth END "
        "FROM jsonb_to_recordset($1) AS n (application_id uuid, version bigint, choices jsonb, site_ids text[], "
        "needs text[], party_id uuid) WHERE a.application_id = n.application_id AND a.version = n.version - 1",
        [
            {
                "application_id": one.application_id,
                "version": one.version,
                "choices": one.choices,
                "site_ids": one.site_ids,
                "needs": one.needs,
                "party_id": one.party_id,
            }
            for one in applications
        ],
    )
    _require_all(status, len(applications))


async def save_queued(conn: Connection, events: Sequence[ApplicantQueued], versions: Sequence[int]) -> None:
    """Applications that wait from now on, each with its place and why; `versions` are those after the events.

    Raises `StaleApplication`.
    """
    status = await conn.execute(
        "UPDATE application AS a SET version = n.version, state = 'queued', place = n.place, because = n.because, "
        "ahead = n.ahead, forecast_round = n.forecast_round "
        "FROM unnest($1::uuid[], $2::bigint[], $3::int[], $4::jsonb[], $5::jsonb[], $6::int[]) "
        "AS n (application_id, version, place, because, ahead, forecast_round) "
        "WHERE a.application_id = n.application_id AND a.version = n.version - 1",
        [event.application_id for event in events],
        versions,
        [event.place for event in events],
        [event.because for event in events],
        [event.ahead for event in events],
        [event.forecast_round for event in events],
    )
    _require_all(status, len(events))


def _require_all(status: str, expected: int) -> None:
    if status != f"UPDATE {expected}":
        raise StaleApplication(f"{status} of {expected} applications")


async def count_seated(conn: Connection, bazaar_id: UUID, groups: Sequence[str]) -> list[SeatedCount]:
    """How many who hold a booth have each value of these groups, per site."""
    rows = await conn.fetch(
        "SELECT a.site_id, g.name, a.groups ->> g.name AS value, count(*) AS seats "
        "FROM application AS a, unnest($2::text[]) AS g (name) "
        "WHERE a.bazaar_id = $1 AND a.state IN ('offered', 'confirmed', 'attended') AND a.groups ? g.name "
        "GROUP BY a.site_id, g.name, value",
        bazaar_id,
        list(groups),
    )
    return [SeatedCount(row["site_id"], row["name"], row["value"], row["seats"]) for row in rows]


async def find_turned(conn: Connection, bazaar_id: UUID) -> list[str]:
    """Whose offer counts as a turn of their groups in this round, by the names they bear in it: a booth held, or
    blocked till it lapsed, or given back too late to cost nothing.

    Those whose offer is still open count too: their booths are not to be had.
    """
    rows = await conn.fetch(
        "SELECT coalesce(a.pseudonym, a.application_id::text) AS name FROM application AS a WHERE a.bazaar_id = $1 "
        "AND a.site_id IS NOT NULL "
        "AND (a.state IN ('offered', 'confirmed', 'lapsed', 'attended', 'missed') OR a.state = 'released' "
        "AND EXISTS (SELECT FROM turn AS t WHERE t.application_id = a.application_id))",
        bazaar_id,
    )
    return [row["name"] for row in rows]


async def find_bazaar_ids(conn: Connection, application_ids: Sequence[UUID]) -> list[UUID]:
    """The bazaars that these applications belong to, in order."""
    rows = await conn.fetch(
        "SELECT DISTINCT bazaar_id FROM application WHERE application_id = ANY($1::uuid[]) ORDER BY bazaar_id",
        list(application_ids),
    )
    return [row["bazaar_id"] for row in rows]


# ---- the ledger


class Turn(NamedTuple):
    """One turn of one vendor."""

    application_id: UUID
    vendor_id: UUID
    day: date


async def add_first_application(conn: Connection, vendor_id: UUID, day: date) -> None:
    """Remember the day of a vendor's first application to any bazaar; later ones change nothing."""
    await conn.execute(
        "INSERT INTO first_application (vendor_id, day) VALUES ($1, $2) ON CONFLICT DO NOTHING", vendor_id, day
    )


async def add_turns(conn: Connection, turns: Sequence[Turn]) -> None:
    """Enter turns into the ledger, one for an application."""
    await conn.execute(
        "INSERT INTO turn (application_id, vendor_id, day) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::date[])",
        [turn.application_id for turn in turns],
        [turn.vendor_id for turn in turns],
        [turn.day for turn in turns],
    )


async def remove_turns(conn: Connection, application_ids: Sequence[UUID]) -> set[UUID]:
    """Take turns out of the ledger: these booths were given back in time for somebody else, or never stood.

    Gives the applications that had cost one.
    """
    rows = await conn.fetch(
        "DELETE FROM turn WHERE application_id = ANY($1::uuid[]) RETURNING application_id", list(application_ids)
    )
    return {row["application_id"] for row in rows}


async def save_turn_days(conn: Connection, days: Sequence[tuple[UUID, date]]) -> None:
    """The turns of these applications are on other days now; those that cost none have none."""
    await conn.execute(
        "UPDATE turn SET day = n.day FROM unnest($1::uuid[], $2::date[]) AS n (application_id, day) "
        "WHERE turn.application_id = n.application_id",
        [application_id for application_id, _ in days],
        [day for _, day in days],
    )


# ---- as they are shown


async def show_application(conn: Connection, application_id: UUID) -> dict[str, Any]:
    """An application with its bazaar and, for one that waits, its place now. Raises `ApplicationUnknown`."""
    rows = await conn.fetch(SHOW_APPLICATIONS, [application_id])
    if not rows:
        raise ApplicationUnknown("There is no such application.")
    return dict(rows[0])


async def list_applications_of(
    conn: Connection, vendor_ids: Sequence[UUID], after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Applications of these ids as they are shown, the latest first; one more than `limit` where there are more."""
    rows = await conn.fetch(
        "SELECT application_id FROM application WHERE vendor_id = ANY($1::uuid[]) "
        "AND ($2::uuid IS NULL OR application_id < $2) ORDER BY application_id DESC LIMIT $3",
        list(vendor_ids),
        after,
        limit + 1,
    )
    return [dict(row) for row in await conn.fetch(SHOW_APPLICATIONS, [row["application_id"] for row in rows])]


async def list_applications(
    conn: Connection, bazaar_id: UUID, state: str | None, after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Applications to a bazaar, of one state where it is named, the first made first; one more than `limit` where there
    are more."""
    rows = await conn.fetch(
        "SELECT application_id, vendor_id, state, origin, choices, needs, party_id, applied_at, ineligible_because, "
        "site_id, booth, respond_by, promoted FROM application "
        "WHERE bazaar_id = $1 AND ($2::text IS NULL OR state = $2) AND ($3::uuid IS NULL OR application_id > $3) "
        "ORDER BY application_id LIMIT $4",
        bazaar_id,
        state,
        after,
        limit + 1,
    )
    return [dict(row) for row in rows]


SHOW_APPLICATIONS = """
SELECT a.application_id, a.bazaar_id, a.vendor_id, a.state, a.choices, a.applied_at, a.ineligible_because, a.because,
    a.ahead, a.forecast_round, a.site_id, a.booth, a.respond_by, a.promoted, a.release_by, a.origin, a.needs,
    a.party_id, a.pseudonym, (a.seat ->> 'phase')::int AS phase, b.name AS bazaar_name,
    ARRAY(SELECT d FROM unnest(coalesce(site.days, b.days)) AS d WHERE NOT EXISTS (
        SELECT FROM added_day AS added WHERE added.application_id = a.application_id AND added.day = d
            AND added.declined_at IS NOT NULL) ORDER BY d) AS days,
    (coalesce(site.days, b.days))[1] AS first_day, b.release_hours, b.days AS bazaar_days, b.state AS bazaar_state,
    b.cancelled_because, site.name AS site_name,
    (SELECT count(*) FROM application AS q WHERE q.bazaar_id = a.bazaar_id AND q.state = 'queued') AS waiting,
    (SELECT count(*) FROM application AS q WHERE q.bazaar_id = a.bazaar_id AND q.state = 'queued'
        AND q.place <= a.place) AS place,
    ARRAY(SELECT c.day FROM check_in AS c WHERE c.application_id = a.application_id ORDER BY c.day) AS checked_in,
    p.if_apart,
    (SELECT count(*) FROM application AS m WHERE m.party_id = a.party_id AND m.state <> 'withdrawn') AS members,
    EXISTS (SELECT FROM turn AS t WHERE t.application_id = a.application_id) AS turn,
    coalesce(
        (SELECT max(t.day) FROM turn AS t WHERE t.vendor_id = ANY(who.ids) AND t.application_id <> a.application_id
            AND t.day < b.days[1]),
        (SELECT min(first.day) FROM first_application AS first WHERE first.vendor_id = ANY(who.ids))
    ) AS waiting_since
FROM application AS a JOIN bazaar AS b USING (bazaar_id)
LEFT JOIN site ON site.bazaar_id = a.bazaar_id AND site.site_id = a.site_id
LEFT JOIN party AS p ON p.party_id = a.party_id
LEFT JOIN family AS f ON f.vendor_id = a.vendor_id
CROSS JOIN LATERAL (SELECT CASE WHEN f.person_id IS NULL THEN ARRAY[a.vendor_id]
    ELSE ARRAY(SELECT m.vendor_id FROM family AS m WHERE m.person_id = f.person_id) END AS ids) AS who
WHERE a.application_id = ANY($1::uuid[]) ORDER BY a.application_id DESC
"""


async def list_queue(conn: Connection, bazaar_id: UUID, after: int, limit: int) -> list[dict[str, Any]]:
    """Who waits, in the order of the stored queue after this stored place; `place` is the one now, counted afresh."""
    rows = await conn.fetch(
        "SELECT q.application_id, q.vendor_id, q.choices, q.because, q.ahead, q.forecast_round, "
        "q.place AS stored_place, "
        "(SELECT count(*) FROM application AS p WHERE p.bazaar_id = $1 AND p.state = 'queued' AND p.place <= $2) "
        "+ row_number() OVER (ORDER BY q.place) AS place "
        "FROM application AS q WHERE q.bazaar_id = $1 AND q.state = 'queued' AND q.place > $2 "
        "ORDER BY q.place LIMIT $3",
        bazaar_id,
        after,
        limit + 1,
    )
    return [dict(row) for row in rows]


async def count_in_state(conn: Connection, bazaar_id: UUID, state: str) -> int:
    """How many applications of this bazaar are in this state."""
    count: int = await conn.fetchval(
        "SELECT count(*) FROM application WHERE bazaar_id = $1 AND state = $2", bazaar_id, state
    )
    return count
