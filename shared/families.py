"""Which ids are one person, and which lead to nobody any more: what a service keeps of the registry's merges and
erasures, in its own tables `merge`, `family` and `erased_vendor`.

Nothing moves when registrations are merged: rows stay with their ids, and whoever counts for a person counts those of
all its ids. `family` has rows only for people with more than one id.

Whoever changes what is here holds one lock of the service (its name is the service's own), so that changes of one
family lose nothing, and two transactions of many erasures and merges never wait for each other.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from shared.db import Connection
from shared.events.rights import VendorErased
from shared.events.vendor import VendorMerged

__all__ = [
    "add_erased",
    "find_erased",
    "find_family",
    "find_persons",
    "lock_people",
    "part",
    "persons",
    "remember_merges",
    "share_people",
]


def persons(merges: Mapping[UUID, UUID]) -> dict[UUID, UUID]:
    """For every id that was merged or merged into: the id that stands for the person. `merges`: id -> merged into.

    That is the one which is merged into no other. News of different ids comes in any order, so ids may point at one
    another in a circle for a moment (an un-merge is still on its way): then the least id of the circle stands for it.
    """
    found: dict[UUID, UUID] = {}
    for vendor_id in merges:
        path = [vendor_id]
        while (into := merges.get(path[-1])) is not None and into not in path:
            path.append(into)
        found[vendor_id] = path[-1] if into is None else min(path[path.index(into) :])
    return found | {person_id: person_id for person_id in found.values()}


async def lock_people(conn: Connection, lock: str) -> None:
    """Let one transaction at a time merge, part and erase."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", lock)


async def share_people(conn: Connection, lock: str) -> None:
    """Let nobody be merged, parted or erased until this transaction ends, and others do the same.

    Not in a transaction that may come to merge or erase: two that share would wait for each other to end.
    """
    await conn.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))", lock)


# --- one person


async def remember_merges(conn: Connection, lock: str, events: Sequence[VendorMerged]) -> None:
    """Registrations are merged into others. News of either id may come first; that of an erased id is dropped."""
    await lock_people(conn, lock)
    merges = {event.vendor_id: event.into for event in events}
    for erased in await find_erased(conn, list(merges)):
        del merges[erased]
    if merges:
        await _change(conn, merges, set())


async def part(conn: Connection, lock: str, vendor_ids: Collection[UUID]) -> set[UUID]:
    """Let these ids be merged into no other: all is as if they had never been. Gives those that were."""
    await lock_people(conn, lock)
    return await _change(conn, {}, set(vendor_ids))


async def _change(conn: Connection, merged: Mapping[UUID, UUID], parted: Collection[UUID]) -> set[UUID]:
    near, merges = await _find_near(conn, {*merged, *merged.values(), *parted})
    left = {vendor_id: into for vendor_id, into in merges.items() if vendor_id not in parted}
    after = {**left, **merged}
    await conn.execute("DELETE FROM merge WHERE vendor_id = ANY($1::uuid[])", list(near))
    await conn.execute(
        "INSERT INTO merge (vendor_id, into_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])",
        list(after),
        list(after.values()),
    )
    stands_for = persons(after)
    await conn.execute("DELETE FROM family WHERE vendor_id = ANY($1::uuid[])", list(near))
    await conn.execute(
        "INSERT INTO family (vendor_id, person_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])",
        list(stands_for),
        list(stands_for.values()),
    )
    return merges.keys() & parted


async def _find_near(conn: Connection, vendor_ids: Collection[UUID]) -> tuple[set[UUID], dict[UUID, UUID]]:
    """The ids that hang together with these, directly or through others, and the merges between them."""
    rows = await conn.fetch(
        "WITH RECURSIVE near AS ("
        "SELECT id FROM unnest($1::uuid[]) AS given (id) "
        "UNION SELECT next.id FROM near CROSS JOIN LATERAL ("
        "SELECT m.into_id AS id FROM merge AS m WHERE m.vendor_id = near.id "
        "UNION ALL SELECT m.vendor_id FROM merge AS m WHERE m.into_id = near.id) AS next) "
        "SELECT near.id, m.into_id FROM near LEFT JOIN merge AS m ON m.vendor_id = near.id",
        list(vendor_ids),
    )
    return {row["id"] for row in rows}, {row["id"]: row["into_id"] for row in rows if row["into_id"] is not None}


async def find_family(conn: Connection, vendor_id: UUID) -> list[UUID]:
    """The ids of one person, the one that stands for it first; just this id where nothing was merged."""
    rows = await conn.fetch(
        "SELECT m.vendor_id FROM family AS f JOIN family AS m ON m.person_id = f.person_id "
        "WHERE f.vendor_id = $1 ORDER BY m.vendor_id <> m.person_id, m.vendor_id",
        vendor_id,
    )
    return [row["vendor_id"] for row in rows] or [vendor_id]


async def find_persons(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Those of these ids whose person has several: id -> the id that stands for the person."""
    rows = await conn.fetch("SELECT vendor_id, person_id FROM family WHERE vendor_id = ANY($1::uuid[])", vendor_ids)
    return {row["vendor_id"]: row["person_id"] for row in rows}


# --- nobody any more


async def add_erased(
    conn: Connection, lock: str, events: Sequence[VendorErased], *, now: datetime
) -> list[VendorErased]:
    """Remember that these ids lead to nobody any more. Gives those that were not erased before, in the order of ids."""
    await lock_people(conn, lock)
    wanted = {event.vendor_id: event for event in events}
    rows = await conn.fetch(
        "INSERT INTO erased_vendor (vendor_id, erasure_id, erased_at) "
        "SELECT vendor_id, erasure_id, $3 FROM unnest($1::uuid[], $2::uuid[]) AS new (vendor_id, erasure_id) "
        "ON CONFLICT DO NOTHING RETURNING vendor_id",
        list(wanted),
        [event.erasure_id for event in wanted.values()],
        now,
    )
    return [wanted[vendor_id] for vendor_id in sorted(row["vendor_id"] for row in rows)]


async def find_erased(conn: Connection, vendor_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these ids lead to nobody any more."""
    rows = await conn.fetch("SELECT vendor_id FROM erased_vendor WHERE vendor_id = ANY($1::uuid[])", vendor_ids)
    return {row["vendor_id"] for row in rows}
