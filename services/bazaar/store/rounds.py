"""Rows of rounds of allocation, and what the freeze reads: applicants, their standing, the standing of groups."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Record

from services.bazaar.domain.application import Application, Vendor
from services.bazaar.domain.ledger import Adjustment
from services.bazaar.domain.receipts import HASH_BYTES, HashTree
from services.bazaar.domain.round import Candidate, Dropped, GroupTurns, Listed, Round, RoundUnknown
from shared.db import Connection


async def lock_candidates(conn: Connection, bazaar_id: UUID) -> list[Candidate]:
    """Everyone who applied and did not withdraw, with what is known of the vendor and its standing now.

    Of a person with several ids all of them count, whichever applied: turns and the first application, trainings,
    suspensions; it lives and sells as the id that stands for it says, or, until that is known here, the one that
    applied.
    """
    rows = await conn.fetch(LOCK_CANDIDATES, bazaar_id)
    return await _candidates(conn, bazaar_id, rows)


async def find_candidates(conn: Connection, bazaar_id: UUID) -> list[Candidate]:
    """The same as they stand at this moment, nothing being decided on them."""
    rows = await conn.fetch(FIND_CANDIDATES, bazaar_id)
    return await _candidates(conn, bazaar_id, rows)


async def _candidates(conn: Connection, bazaar_id: UUID, rows: Sequence[Record]) -> list[Candidate]:
    adjustments = await _find_adjustments(conn, bazaar_id)
    # in a thread: with tens of thousands of rows the event loop would stand still
    return await asyncio.to_thread(
        lambda: [_candidate(row, adjustments.get(row["application_id"], ())) for row in rows]
    )


FIND_CANDIDATES = """
SELECT a.application_id, a.bazaar_id, a.vendor_id, a.version, a.state, a.choices, a.applied_at, a.origin, a.party_id,
    a.needs, a.party_nth, party.if_apart, v.vendor_id AS known_id, v.kelurahan, v.rw, v.category, v.agency, p.person_id,
    EXISTS (SELECT FROM completion AS c WHERE c.vendor_id = ANY(who.ids)) AS trained,
    (SELECT min(s.reason) FROM suspension AS s WHERE s.vendor_id = ANY(who.ids)) AS suspended_because,
    t.turns, coalesce(t.day, f.day) AS waiting_since
FROM application AS a
LEFT JOIN party ON party.party_id = a.party_id
LEFT JOIN family AS p ON p.vendor_id = a.vendor_id
CROSS JOIN LATERAL (SELECT CASE WHEN p.person_id IS NULL THEN ARRAY[a.vendor_id]
    ELSE ARRAY(SELECT m.vendor_id FROM family AS m WHERE m.person_id = p.person_id) END AS ids) AS who
LEFT JOIN vendor AS v ON v.vendor_id
    = coalesce((SELECT s.vendor_id FROM vendor AS s WHERE s.vendor_id = p.person_id), a.vendor_id)
CROSS JOIN LATERAL (SELECT count(*) AS turns, max(turn.day) AS day FROM turn
    WHERE turn.vendor_id = ANY(who.ids)) AS t
CROSS JOIN LATERAL (SELECT min(first.day) AS day FROM first_application AS first
    WHERE first.vendor_id = ANY(who.ids)) AS f
WHERE a.bazaar_id = $1 AND a.state = 'received'
ORDER BY a.application_id
"""
LOCK_CANDIDATES = FIND_CANDIDATES + "FOR NO KEY UPDATE OF a"


async def _find_adjustments(conn: Connection, bazaar_id: UUID) -> dict[UUID, list[Adjustment]]:
    """What was added to the standing of each applicant, under any of its person's ids."""
    rows = await conn.fetch(
        "SELECT a.application_id, t.adjustment_id, t.vendor_id, t.because, t.turns, t.wait_days, t.from_day, "
        "t.until_day, t.application_id AS about_id, t.appeal_id FROM application AS a "
        "LEFT JOIN family AS p ON p.vendor_id = a.vendor_id LEFT JOIN family AS m ON m.person_id = p.person_id "
        "JOIN turn_adjustment AS t ON t.vendor_id = coalesce(m.vendor_id, a.vendor_id) "
        "WHERE a.bazaar_id = $1 AND a.state = 'received' ORDER BY t.adjustment_id",
        bazaar_id,
    )
    found: dict[UUID, list[Adjustment]] = defaultdict(list)
    for row in rows:
        found[row["application_id"]].append(
            Adjustment(
                adjustment_id=row["adjustment_id"],
                vendor_id=row["vendor_id"],
                because=row["because"],
                turns=row["turns"],
                wait_days=row["wait_days"],
                from_day=row["from_day"],
                until_day=row["until_day"],
                application_id=row["about_id"],
                appeal_id=row["appeal_id"],
            )
        )
    return found


def _candidate(row: Record, adjustments: Sequence[Adjustment]) -> Candidate:
    vendor = None
    if row["known_id"] is not None:
        vendor = Vendor(
            row["known_id"],
            row["kelurahan"],
            row["rw"],
            row["category"],
            row["agency"],
            row["trained"],
            row["suspended_because"],
        )
    application = Application(
        application_id=row["application_id"],
        bazaar_id=row["bazaar_id"],
        vendor_id=row["vendor_id"],
        version=row["version"],
        state=row["state"],
        choices=tuple(tuple(tier) for tier in row["choices"]),
        applied_at=row["applied_at"],
        origin=row["origin"],
        party_id=row["party_id"],
        needs=tuple(row["needs"]),
    )
    return Candidate(
        application,
        vendor,
        row["turns"],
        row["waiting_since"],
        row["person_id"],
        adjustments,
        row["if_apart"],
        row["party_nth"],
    )


async def sum_turns_by_groups(conn: Connection) -> list[GroupTurns]:
    """The ledger of every vendor that ever applied, summed up by the groups it belongs to now.

    Turns of all ids of a person count where the id that stands for it belongs. Turns of people who were erased stay
    with the groups they were taken for: an RW has had its turn, whoever stood there.
    """
    rows = await conn.fetch(SUM_TURNS_BY_GROUPS)
    return [
        GroupTurns(
            Vendor(UUID(int=0), row["kelurahan"], row["rw"], row["category"], row["agency"], trained=False).groups,
            row["turns"],
            row["last_turn_on"],
            row["first_applied_on"],
        )
        for row in rows
    ]


SUM_TURNS_BY_GROUPS = """
SELECT v.agency, v.category, v.kelurahan, v.rw, coalesce(sum(t.turns), 0)::int AS turns,
    max(t.day) AS last_turn_on, min(f.day) AS first_applied_on
FROM first_application AS f
LEFT JOIN family AS p ON p.vendor_id = f.vendor_id
JOIN vendor AS v ON v.vendor_id
    = coalesce((SELECT s.vendor_id FROM vendor AS s WHERE s.vendor_id = p.person_id), f.vendor_id)
LEFT JOIN (SELECT vendor_id, count(*) AS turns, max(day) AS day FROM turn GROUP BY vendor_id) AS t
    ON t.vendor_id = f.vendor_id
GROUP BY v.agency, v.category, v.kelurahan, v.rw
UNION ALL
SELECT a.groups ->> 'agency', a.groups ->> 'category', a.groups ->> 'kelurahan', right(a.groups ->> 'rw', 3),
    count(*)::int, max(t.day), min(t.day)
FROM erased_vendor AS e JOIN turn AS t USING (vendor_id) JOIN application AS a USING (application_id)
GROUP BY 1, 2, 3, 4
"""


async def count_candidates(conn: Connection, bazaar_id: UUID) -> int:
    """How many applied and did not withdraw."""
    count: int = await conn.fetchval(
        "SELECT count(*) FROM application WHERE bazaar_id = $1 AND state = 'received'", bazaar_id
    )
    return count


async def try_to_preview(conn: Connection, bazaar_id: UUID) -> bool:
    """Keep others from trying a policy on this bazaar until the transaction ends; False when one does."""
    kept: bool = await conn.fetchval(
        "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", f"bazaar.preview {bazaar_id}"
    )
    return kept


async def save_groups(conn: Connection, groups: Iterable[tuple[UUID, Mapping[str, str]]]) -> None:
    """The groups of those who come in beside the frozen list, on the day."""
    entries = list(groups)
    await conn.execute(
        "UPDATE application AS a SET groups = n.groups FROM unnest($1::uuid[], $2::jsonb[]) "
        "AS n (application_id, groups) WHERE a.application_id = n.application_id",
        [application_id for application_id, _ in entries],
        [values for _, values in entries],
    )


async def save_listed(conn: Connection, listed: Sequence[Listed]) -> None:
    """How applicants stand in the frozen list: their groups, the name they bear there, their entry and its place."""
    await conn.execute(
        "UPDATE application AS a SET groups = n.groups, pseudonym = n.pseudonym, entry_index = n.place, "
        "entry = n.entry FROM unnest($1::uuid[], $2::jsonb[], $3::text[], $4::int[], $5::bytea[]) "
        "AS n (application_id, groups, pseudonym, place, entry) WHERE a.application_id = n.application_id",
        [one.application_id for one in listed],
        [one.groups for one in listed],
        [one.pseudonym for one in listed],
        [one.place for one in listed],
        [one.entry for one in listed],
    )


async def save_choices(conn: Connection, listed: Sequence[Listed]) -> None:
    """The choices of parties' members, which are their leader's from now on."""
    # as one JSON document: asyncpg would take a list of lists for an array of two dimensions
    await conn.execute(
        "UPDATE application AS a SET choices = n.choices, site_ids = n.site_ids "
        "FROM jsonb_to_recordset($1) AS n (application_id uuid, choices jsonb, site_ids text[]) "
        "WHERE a.application_id = n.application_id",
        [
            {
                "application_id": one.application_id,
                "choices": one.choices,
                "site_ids": [site_id for tier in one.choices for site_id in tier],
            }
            for one in listed
        ],
    )


async def save_dropped(conn: Connection, dropped: Sequence[Dropped]) -> None:
    """Who is not eligible any more, and why: one event further each. Their rows are locked."""
    await conn.execute(
        "UPDATE application AS a SET version = a.version + 1, state = 'ineligible', ineligible_because = n.because "
        "FROM unnest($1::uuid[], $2::text[]) AS n (application_id, because) "
        "WHERE a.application_id = n.application_id",
        [one.application_id for one in dropped],
        [one.because for one in dropped],
    )


async def add_round(conn: Connection, frozen: Round, tree: HashTree, *, now: datetime) -> None:
    """A round, frozen now, with the hash tree over its applicants."""
    await conn.execute(
        "INSERT INTO allocation_round (bazaar_id, round, applicants, frozen, frozen_sha256, frozen_at, "
        "applicants_root, applicants_tree) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        frozen.bazaar_id,
        frozen.number,
        frozen.applicants,
        frozen.frozen,
        frozen.frozen_sha256,
        now,
        frozen.applicants_root,
        b"".join(one for level in tree.levels for one in level),
    )


async def save_seed(conn: Connection, seeded: Round, *, now: datetime) -> None:
    """The seed, and the problem it completes."""
    await conn.execute(
        "UPDATE allocation_round SET seed = $3, seed_source = $4, problem = $5, problem_sha256 = $6, seeded_at = $7 "
        "WHERE bazaar_id = $1 AND round = $2",
        seeded.bazaar_id,
        seeded.number,
        seeded.seed,
        seeded.seed_source,
        seeded.problem,
        seeded.problem_sha256,
        now,
    )


async def save_result(conn: Connection, decided: Round, *, now: datetime) -> None:
    """The result, as published."""
    await conn.execute(
        "UPDATE allocation_round SET result = $3, result_sha256 = $4, served = $5, waiting = $6, published_at = $7 "
        "WHERE bazaar_id = $1 AND round = $2",
        decided.bazaar_id,
        decided.number,
        decided.result,
        decided.result_sha256,
        decided.served,
        decided.waiting,
        now,
    )


async def save_seats(conn: Connection, bazaar_id: UUID, number: int) -> None:
    """For each served its entry in the published result, for its receipt."""
    await conn.execute(
        "UPDATE application AS a SET seat = s.seat FROM allocation_round AS r, "
        "jsonb_array_elements(convert_from(r.result, 'UTF8')::jsonb -> 'served') AS s (seat) "
        "WHERE r.bazaar_id = $1 AND r.round = $2 AND a.bazaar_id = $1 AND a.pseudonym = s.seat ->> 'applicant'",
        bazaar_id,
        number,
    )


async def find_round(conn: Connection, bazaar_id: UUID, number: int) -> Round:
    """A round with its files as stored. Raises `RoundUnknown`."""
    row = await conn.fetchrow(
        "SELECT bazaar_id, round, applicants, frozen, frozen_sha256, seed, seed_source, problem, problem_sha256, "
        "result, result_sha256, served, waiting, applicants_root, frozen_at "
        "FROM allocation_round WHERE bazaar_id = $1 AND round = $2",
        bazaar_id,
        number,
    )
    if row is None:
        raise RoundUnknown("This bazaar has no such round yet.")
    return Round(*row.values())


async def list_rounds(conn: Connection, bazaar_id: UUID | None) -> list[tuple[UUID, int]]:
    """Every round, or those of one bazaar, the first frozen first: (bazaar, number)."""
    rows = await conn.fetch(
        "SELECT bazaar_id, round FROM allocation_round WHERE $1::uuid IS NULL OR bazaar_id = $1 "
        "ORDER BY frozen_at, bazaar_id, round",
        bazaar_id,
    )
    return [(row["bazaar_id"], row["round"]) for row in rows]


async def find_problem(conn: Connection, bazaar_id: UUID, number: int) -> bytes:
    """The problem of a round with its seed, as stored. Raises `RoundUnknown`."""
    problem: bytes | None = await conn.fetchval(
        "SELECT problem FROM allocation_round WHERE bazaar_id = $1 AND round = $2", bazaar_id, number
    )
    if problem is None:
        raise RoundUnknown("This bazaar has no such round yet.")
    return problem


class InList(NamedTuple):
    """How an application stands in its round: its entry in the frozen list and, once published, in the result."""

    round: int
    applicants: int
    frozen_sha256: str
    applicants_root: str
    entry: bytes
    place: int
    result_sha256: str | None
    outcome: dict[str, Any] | None


async def find_in_list(conn: Connection, application_id: UUID) -> InList:
    """How an application stands in its round. Raises `RoundUnknown` when it stands in none, or in one of the time
    before there were receipts."""
    row = await conn.fetchrow(
        "SELECT r.round, r.applicants, r.frozen_sha256, r.applicants_root, a.entry, a.entry_index, r.result_sha256, "
        "CASE WHEN r.result_sha256 IS NULL THEN NULL WHEN a.seat IS NOT NULL THEN jsonb_build_object('served', a.seat) "
        "ELSE jsonb_build_object('waiting', jsonb_build_object('applicant', a.pseudonym, 'place', a.place, "
        "'because', a.because, 'ahead', a.ahead, 'forecast_round', a.forecast_round)) END AS outcome "
        "FROM application AS a JOIN bazaar AS b USING (bazaar_id) "
        "JOIN allocation_round AS r ON r.bazaar_id = b.bazaar_id AND r.round = b.round "
        "WHERE a.application_id = $1 AND a.entry IS NOT NULL AND r.applicants_root IS NOT NULL",
        application_id,
    )
    if row is None:
        raise RoundUnknown(
            "This application stands in no frozen list: it is not frozen yet, or it was not eligible then."
        )
    return InList(*row.values())


async def find_hashes(
    conn: Connection, bazaar_id: UUID, number: int, positions: Sequence[tuple[int, int]], size: int
) -> list[bytes]:
    """Hashes of the tree over a round's applicants, by (level, place in the level), in this order."""
    before = [0]
    while size > 1:
        before.append(before[-1] + size)
        size = (size + 1) // 2
    rows = await conn.fetch(
        "SELECT substring(r.applicants_tree FROM n.place FOR $4) AS hash "
        "FROM allocation_round AS r, unnest($3::int[]) WITH ORDINALITY AS n (place, nth) "
        "WHERE r.bazaar_id = $1 AND r.round = $2 ORDER BY n.nth",
        bazaar_id,
        number,
        [HASH_BYTES * (before[level] + at) + 1 for level, at in positions],
        HASH_BYTES,
    )
    return [row["hash"] for row in rows]
