"""Rows of rounds of allocation, and what the freeze reads: applicants, their standing, the standing of groups."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from services.bazaar.domain.application import Application, Vendor
from services.bazaar.domain.round import Candidate, Dropped, GroupTurns, Round, RoundUnknown
from shared.db import Connection


async def lock_candidates(conn: Connection, bazaar_id: UUID) -> list[Candidate]:
    """Everyone who applied and did not withdraw, with what is known of the vendor and its standing now.

    Of a person with several ids all of them count, whichever applied: turns and the first application, trainings,
    suspensions; it lives and sells as the id that stands for it says, or, until that is known here, the one that
    applied.
    """
    rows = await conn.fetch(LOCK_CANDIDATES, bazaar_id)
    return [_candidate(row) for row in rows]


LOCK_CANDIDATES = """
SELECT a.application_id, a.bazaar_id, a.vendor_id, a.version, a.state, a.choices, a.applied_at, a.origin, a.party_id,
    a.needs, v.vendor_id AS known_id, v.kelurahan, v.rw, v.category, v.agency, p.person_id,
    EXISTS (SELECT FROM completion AS c WHERE c.vendor_id = ANY(who.ids)) AS trained,
    (SELECT min(s.reason) FROM suspension AS s WHERE s.vendor_id = ANY(who.ids)) AS suspended_because,
    t.turns, coalesce(t.day, f.day) AS waiting_since
FROM application AS a
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
ORDER BY a.application_id FOR NO KEY UPDATE OF a
"""


def _candidate(row: Record) -> Candidate:
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
    return Candidate(application, vendor, row["turns"], row["waiting_since"], row["person_id"])


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


async def save_groups(conn: Connection, groups: Iterable[tuple[UUID, Mapping[str, str]]]) -> None:
    """The groups of applicants as the freeze fixed them."""
    entries = list(groups)
    await conn.execute(
        "UPDATE application AS a SET groups = n.groups FROM unnest($1::uuid[], $2::jsonb[]) "
        "AS n (application_id, groups) WHERE a.application_id = n.application_id",
        [application_id for application_id, _ in entries],
        [values for _, values in entries],
    )


async def save_dropped(conn: Connection, dropped: Sequence[Dropped]) -> None:
    """Who is not eligible any more, and why."""
    await conn.execute(
        "UPDATE application AS a SET state = 'ineligible', ineligible_because = n.because "
        "FROM unnest($1::uuid[], $2::text[]) AS n (application_id, because) "
        "WHERE a.application_id = n.application_id",
        [one.application_id for one in dropped],
        [one.because for one in dropped],
    )


async def add_round(conn: Connection, frozen: Round, *, now: datetime) -> None:
    """A round, frozen now."""
    await conn.execute(
        "INSERT INTO allocation_round (bazaar_id, round, applicants, frozen, frozen_sha256, frozen_at) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        frozen.bazaar_id,
        frozen.number,
        frozen.applicants,
        frozen.frozen,
        frozen.frozen_sha256,
        now,
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


async def find_round(conn: Connection, bazaar_id: UUID, number: int) -> Round:
    """A round with its files as stored. Raises `RoundUnknown`."""
    row = await conn.fetchrow(
        "SELECT bazaar_id, round, applicants, frozen, frozen_sha256, seed, seed_source, problem, problem_sha256, "
        "result, result_sha256, served, waiting FROM allocation_round WHERE bazaar_id = $1 AND round = $2",
        bazaar_id,
        number,
    )
    if row is None:
        raise RoundUnknown("This bazaar has no such round yet.")
    return Round(*row.values())


async def find_problem(conn: Connection, bazaar_id: UUID, number: int) -> bytes:
    """The problem of a round with its seed, as stored. Raises `RoundUnknown`."""
    problem: bytes | None = await conn.fetchval(
        "SELECT problem FROM allocation_round WHERE bazaar_id = $1 AND round = $2", bazaar_id, number
    )
    if problem is None:
        raise RoundUnknown("This bazaar has no such round yet.")
    return problem
