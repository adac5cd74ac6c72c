"""Enrolments in the services P2..P7, and what training's events say about them. P1 has no rows."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.vendor.domain.programme import CapitalReferral, Place, Step, stand
from shared.db import Connection

__all__ = [
    "add_steps",
    "collect_programme",
    "count_completions",
    "erase_programme",
    "find_active_services",
    "find_bank_names",
    "find_latest_steps",
    "find_places",
    "find_referral",
    "find_referrals",
    "find_steps",
    "save_places",
    "save_referrals",
]

ADD_STEPS = """
INSERT INTO enrolment_step (vendor_id, service, nth, state, previous_state, at, by, reason)
SELECT * FROM unnest(
    $1::uuid[], $2::text[], $3::int[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[]
)
"""
FIND_STEPS = """
SELECT vendor_id, service, nth, state, previous_state, at, by, reason
FROM enrolment_step WHERE vendor_id = ANY($1::uuid[]) ORDER BY at, vendor_id, service, nth
"""
FIND_LATEST_STEPS = """
SELECT DISTINCT ON (vendor_id, service) vendor_id, service, nth, state, previous_state, at, by, reason
FROM enrolment_step WHERE vendor_id = ANY($1::uuid[]) ORDER BY vendor_id, service, nth DESC
"""
SAVE_PLACES = """
INSERT INTO training_place (vendor_id, class_id, course, state, completed_on)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::date[])
ON CONFLICT (vendor_id, class_id) DO UPDATE
SET course = excluded.course, state = excluded.state, completed_on = excluded.completed_on
"""
SAVE_REFERRALS = """
INSERT INTO capital_referral (vendor_id, referral_id, bank, state, moved_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[])
ON CONFLICT (vendor_id, referral_id) DO UPDATE
SET bank = excluded.bank, state = excluded.state, moved_at = excluded.moved_at
"""


async def add_steps(conn: Connection, steps: Sequence[Step]) -> None:
    """Add changes of standing; the vendors' rows are locked."""
    await conn.execute(
        ADD_STEPS,
        [step.vendor_id for step in steps],
        [step.service for step in steps],
        [step.nth for step in steps],
        [step.state for step in steps],
        [step.previous_state for step in steps],
        [step.at for step in steps],
        [step.by for step in steps],
        [step.reason for step in steps],
    )


async def find_steps(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Step]:
    """The whole history of these registrations, oldest first."""
    return [Step(**row) for row in await conn.fetch(FIND_STEPS, vendor_ids)]


async def find_latest_steps(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Step]:
    """The last change of each of these registrations in each service."""
    return [Step(**row) for row in await conn.fetch(FIND_LATEST_STEPS, vendor_ids)]


async def save_places(conn: Connection, places: Sequence[Place]) -> None:
    """Where vendors stand in classes; one row per vendor and class."""
    await conn.execute(
        SAVE_PLACES,
        [place.vendor_id for place in places],
        [place.class_id for place in places],
        [place.course for place in places],
        [place.state for place in places],
        [place.completed_on for place in places],
    )


async def find_places(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Place]:
    """Where these registrations stand in classes."""
    rows = await conn.fetch(
        "SELECT vendor_id, class_id, course, state, completed_on FROM training_place "
        "WHERE vendor_id = ANY($1::uuid[]) ORDER BY vendor_id, class_id",
        vendor_ids,
    )
    return [Place(**row) for row in rows]


async def save_referrals(conn: Connection, referrals: Sequence[CapitalReferral]) -> None:
    """Where referrals to banks stand; one row per vendor and referral."""
    await conn.execute(
        SAVE_REFERRALS,
        [referral.vendor_id for referral in referrals],
        [referral.referral_id for referral in referrals],
        [referral.bank for referral in referrals],
        [referral.state for referral in referrals],
        [referral.moved_at for referral in referrals],
    )


async def find_referrals(conn: Connection, vendor_ids: Sequence[UUID]) -> list[CapitalReferral]:
    """Referrals of these registrations to banks."""
    rows = await conn.fetch(
        "SELECT vendor_id, referral_id, bank, state, moved_at FROM capital_referral "
        "WHERE vendor_id = ANY($1::uuid[]) ORDER BY moved_at, referral_id",
        vendor_ids,
    )
    return [CapitalReferral(**row) for row in rows]


async def find_referral(conn: Connection, referral_id: UUID) -> CapitalReferral | None:
    """A referral to a bank."""
    row = await conn.fetchrow(
        "SELECT vendor_id, referral_id, bank, state, moved_at FROM capital_referral WHERE referral_id = $1", referral_id
    )
    return None if row is None else CapitalReferral(**row)


async def find_bank_names(conn: Connection, codes: Sequence[str]) -> dict[str, str]:
    """Code -> name of those of these banks that are partners."""
    rows = await conn.fetch("SELECT code, name FROM partner WHERE code = ANY($1::text[])", codes)
    return {row["code"]: row["name"] for row in rows}


async def count_completions(conn: Connection, vendor_ids: Sequence[UUID]) -> int:
    """Trainings that these registrations of one person completed; a class counts once."""
    count: int = await conn.fetchval(
        "SELECT count(DISTINCT class_id) FROM training_place WHERE vendor_id = ANY($1::uuid[]) AND state = 'completed'",
        vendor_ids,
    )
    return count


async def find_active_services(conn: Connection, vendor_ids: Sequence[UUID]) -> set[str]:
    """The services P1..P7 in which these registrations of one person are active, or which they completed."""
    standing = stand(await find_latest_steps(conn, vendor_ids)).values()
    return {"P1", *(step.service for step in standing if step.state in ("active", "completed"))}


async def collect_programme(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, Any]:
    """Everything kept about these registrations' enrolments, JSON-ready."""
    return {
        "enrolments": [
            {
                "vendor_id": str(step.vendor_id),
                "service": step.service,
                "state": step.state,
                "previous_state": step.previous_state,
                "at": step.at.isoformat(),
                "reason": step.reason,
            }
            for step in await find_steps(conn, vendor_ids)
        ],
        "classes": [
            {
                "class_id": str(place.class_id),
                "course": place.course,
                "state": place.state,
                "completed_on": None if place.completed_on is None else place.completed_on.isoformat(),
            }
            for place in await find_places(conn, vendor_ids)
        ],
        "capital_referrals": [
            {
                "referral_id": str(referral.referral_id),
                "bank": referral.bank,
                "state": referral.state,
                "moved_at": referral.moved_at.isoformat(),
            }
            for referral in await find_referrals(conn, vendor_ids)
        ],
    }


async def erase_programme(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, int]:
    """Remove classes and referrals to banks; of enrolments the steps stay as statistics, without who and why."""
    steps = await conn.fetch(
        "UPDATE enrolment_step SET reason = NULL, by = '' WHERE vendor_id = ANY($1::uuid[]) RETURNING 1", vendor_ids
    )
    places = await conn.fetch("DELETE FROM training_place WHERE vendor_id = ANY($1::uuid[]) RETURNING 1", vendor_ids)
    referrals = await conn.fetch(
        "DELETE FROM capital_referral WHERE vendor_id = ANY($1::uuid[]) RETURNING 1", vendor_ids
    )
    return {"enrolment-steps": len(steps), "training-places": len(places), "capital-referrals": len(referrals)}
