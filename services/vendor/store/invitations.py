"""Export assessments and referrals, exhibitions and who is invited to them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from services.vendor.domain.invitations import Assessment, Exhibition, Invitation, Referral
from services.vendor.store.vendors import PLAN_FOR_THESE_VALUES
from shared.db import Connection

__all__ = [
    "AnswerCounts",
    "Choice",
    "Criterion",
    "add_assessment",
    "add_exhibition",
    "add_invitations",
    "add_referral",
    "collect_invitations",
    "count_answers",
    "count_candidates",
    "erase_invitations",
    "find_assessments",
    "find_candidates",
    "find_criteria",
    "find_exhibition",
    "find_exhibitions",
    "find_invitation",
    "find_invitations",
    "find_invited",
    "find_referrals",
    "lock_exhibition",
    "save_answer",
]


class Criterion(NamedTuple):
    """A criterion of export readiness, in both languages."""

    code: str
    name_id: str
    name_en: str


class Choice(NamedTuple):
    """Which vendors to invite; None does not filter. `ready` and `score_min`: for export, by the last assessment of the
    person.
    """

    area: str
    category: str | None = None
    ready: bool | None = None
    vendor_ids: Sequence[UUID] | None = None
    score_min: int | None = None


class AnswerCounts(NamedTuple):
    """How many were invited, and what they said."""

    invited: int
    accepted: int
    declined: int


async def find_criteria(conn: Connection) -> list[Criterion]:
    """The criteria of export readiness."""
    rows = await conn.fetch("SELECT code, name_id, name_en FROM export_criterion ORDER BY code")
    return [Criterion(**row) for row in rows]


async def add_assessment(conn: Connection, assessment: Assessment) -> None:
    """A new assessment; the vendor's row is locked."""
    await conn.execute(
        "INSERT INTO export_assessment (assessment_id, vendor_id, ready, criteria_met, note, assessed_on, at, by, "
        "score, weighting) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        assessment.assessment_id,
        assessment.vendor_id,
        assessment.ready,
        list(assessment.criteria_met),
        assessment.note,
        assessment.assessed_on,
        assessment.at,
        assessment.by,
        assessment.score,
        assessment.weighting,
    )


async def find_assessments(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Assessment]:
    """Assessments of these registrations, the latest first."""
    rows = await conn.fetch(
        "SELECT assessment_id, vendor_id, ready, criteria_met, note, assessed_on, at, by, score, weighting "
        "FROM export_assessment WHERE vendor_id = ANY($1::uuid[]) ORDER BY at DESC, assessment_id DESC",
        vendor_ids,
    )
    return [Assessment(**{**row, "criteria_met": tuple(row["criteria_met"])}) for row in rows]


async def add_referral(conn: Connection, referral: Referral) -> None:
    """A new referral; the vendor's row is locked."""
    await conn.execute(
        "INSERT INTO export_referral (referral_id, vendor_id, partner_id, agreement_id, referred_on, by) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        referral.referral_id,
        referral.vendor_id,
        referral.partner_id,
        referral.agreement_id,
        referral.referred_on,
        referral.by,
    )


async def find_referrals(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Referral]:
    """Referrals of these registrations for export, oldest first."""
    rows = await conn.fetch(
        "SELECT referral_id, vendor_id, partner_id, agreement_id, referred_on, by FROM export_referral "
        "WHERE vendor_id = ANY($1::uuid[]) ORDER BY referral_id",
        vendor_ids,
    )
    return [Referral(**row) for row in rows]


async def add_exhibition(conn: Connection, exhibition: Exhibition, entered_by: str, now: datetime) -> None:
    """A new exhibition."""
    await conn.execute(
        "INSERT INTO exhibition (exhibition_id, title, place, kind, area, days, answer_by, partners, entered_by, "
        "entered_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        exhibition.exhibition_id,
        exhibition.title,
        exhibition.place,
        exhibition.kind,
        exhibition.area,
        list(exhibition.days),
        exhibition.answer_by,
        list(exhibition.partners),
        entered_by,
        now,
    )


FIND_EXHIBITION = """
SELECT exhibition_id, title, place, kind, area, days, answer_by, partners FROM exhibition WHERE exhibition_id = $1
"""
LOCK_EXHIBITION = """
SELECT exhibition_id, title, place, kind, area, days, answer_by, partners FROM exhibition WHERE exhibition_id = $1
FOR UPDATE
"""


def _exhibition(row: asyncpg.Record) -> Exhibition:
    return Exhibition(**{**row, "days": tuple(row["days"]), "partners": tuple(row["partners"])})


async def find_exhibition(conn: Connection, exhibition_id: UUID) -> Exhibition | None:
    """One exhibition."""
    row = await conn.fetchrow(FIND_EXHIBITION, exhibition_id)
    return None if row is None else _exhibition(row)


async def lock_exhibition(conn: Connection, exhibition_id: UUID) -> Exhibition | None:
    """One exhibition, to which nobody else invites until the transaction ends."""
    row = await conn.fetchrow(LOCK_EXHIBITION, exhibition_id)
    return None if row is None else _exhibition(row)


async def find_exhibitions(conn: Connection, area: str, after: UUID | None, limit: int) -> list[Exhibition]:
    """Exhibitions entered for an area or inside it, the latest entered first, those before `after`, at most `limit`."""
    rows = await conn.fetch(
        "SELECT exhibition_id, title, place, kind, area, days, answer_by, partners FROM exhibition "
        "WHERE (area = $1 OR (area > $1 || '.' AND area < $1 || '/')) AND ($2::uuid IS NULL OR exhibition_id < $2) "
        "ORDER BY exhibition_id DESC LIMIT $3",
        area,
        after,
        limit,
    )
    return [_exhibition(row) for row in rows]


# Vendors who stand for their person and may be offered something; whoever withdrew the consent to news is left alone.
# `above` leads every retired registration up to the one that stands for its person now: who was invited under a
# registration that was merged since is invited, and the last assessment of any of a person's registrations counts.
# Each set is made once and joined: of 400,000 vendors none is looked up by itself. The area is a range of codes, as in
# `vendors.FIND_IDS`.
_CANDIDATES = """
WITH RECURSIVE above AS (
    SELECT r.vendor_id AS start, r.merged_into AS vendor_id FROM vendor AS r WHERE r.merged_into IS NOT NULL
    UNION ALL
    SELECT b.start, v.merged_into FROM above AS b JOIN vendor AS v ON v.vendor_id = b.vendor_id
    WHERE v.merged_into IS NOT NULL
), invited AS (
    SELECT vendor_id FROM invitation WHERE exhibition_id = $1
    UNION
    SELECT b.vendor_id FROM invitation AS i JOIN above AS b ON b.start = i.vendor_id WHERE i.exhibition_id = $1
), assessed AS (
    SELECT vendor_id, ready, score, at, assessment_id FROM export_assessment
    UNION ALL
    SELECT b.vendor_id, a.ready, a.score, a.at, a.assessment_id
    FROM export_assessment AS a JOIN above AS b ON b.start = a.vendor_id
), readiness AS (
    SELECT DISTINCT ON (vendor_id) vendor_id, ready, score FROM assessed ORDER BY vendor_id, at DESC, assessment_id DESC
), unwilling AS (
    SELECT c.vendor_id FROM consent AS c
    WHERE c.purpose = 'messages' AND NOT c.given
      AND NOT (
        SELECT n.given FROM consent AS n WHERE n.vendor_id = c.vendor_id AND n.purpose = 'messages'
        ORDER BY n.at DESC, n.consent_id DESC LIMIT 1
      )
), candidate AS (
    SELECT v.vendor_id FROM vendor AS v
    LEFT JOIN readiness AS r ON ($4::boolean IS NOT NULL OR $6::int IS NOT NULL) AND r.vendor_id = v.vendor_id
    WHERE v.erased_at IS NULL AND v.merged_into IS NULL AND v.suspended_because IS NULL
      AND v.kelurahan >= $2 AND v.kelurahan < $2 || '/'
      AND ($3::text IS NULL OR v.category = $3)
      AND ($4 IS NULL OR coalesce(r.ready, false) = $4)
      AND ($6 IS NULL OR r.score >= $6)
      AND ($5::uuid[] IS NULL OR v.vendor_id = ANY($5))
      AND NOT EXISTS (SELECT FROM unwilling AS u WHERE u.vendor_id = v.vendor_id)
      AND NOT EXISTS (SELECT FROM invited AS i WHERE i.vendor_id = v.vendor_id)
)
"""
COUNT_CANDIDATES = " ".join((_CANDIDATES, "SELECT count(*) FROM candidate"))
FIND_CANDIDATES = " ".join((_CANDIDATES, "SELECT vendor_id FROM candidate ORDER BY vendor_id LIMIT $7"))


def _chosen(exhibition_id: UUID, choice: Choice) -> tuple[Any, ...]:
    return exhibition_id, choice.area, choice.category, choice.ready, choice.vendor_ids, choice.score_min


async def count_candidates(conn: Connection, exhibition_id: UUID, choice: Choice) -> int:
    """How many vendors a choice would invite.

    Those invited already, suspended, erased or retired, and those who withdrew their consent to news, are left out.
    """
    async with conn.transaction():
        await conn.execute(PLAN_FOR_THESE_VALUES)
        count: int = await conn.fetchval(COUNT_CANDIDATES, *_chosen(exhibition_id, choice))
        return count


async def find_candidates(conn: Connection, exhibition_id: UUID, choice: Choice, limit: int) -> list[UUID]:
    """Those whom `count_candidates` counts, in the order of their ids, at most `limit`."""
    async with conn.transaction():
        await conn.execute(PLAN_FOR_THESE_VALUES)
        rows = await conn.fetch(FIND_CANDIDATES, *_chosen(exhibition_id, choice), limit)
        return [row["vendor_id"] for row in rows]


async def add_invitations(conn: Connection, invitations: Sequence[Invitation]) -> None:
    """New invitations; the exhibition and the vendors' rows are locked."""
    await conn.execute(
        "INSERT INTO invitation (invitation_id, exhibition_id, vendor_id, invited_on, invited_by) "
        "SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::date[], $5::text[])",
        [invitation.invitation_id for invitation in invitations],
        [invitation.exhibition_id for invitation in invitations],
        [invitation.vendor_id for invitation in invitations],
        [invitation.invited_on for invitation in invitations],
        [invitation.invited_by for invitation in invitations],
    )


async def find_invitation(conn: Connection, invitation_id: UUID) -> Invitation | None:
    """One invitation."""
    row = await conn.fetchrow(
        "SELECT invitation_id, exhibition_id, vendor_id, invited_on, invited_by, accepted, answered_at FROM invitation "
        "WHERE invitation_id = $1",
        invitation_id,
    )
    return None if row is None else Invitation(**row)


async def find_invitations(conn: Connection, vendor_ids: Sequence[UUID]) -> list[tuple[Invitation, Exhibition]]:
    """Invitations of these registrations with what they are to, the latest first."""
    rows = await conn.fetch(
        "SELECT i.invitation_id, i.exhibition_id, i.vendor_id, i.invited_on, i.invited_by, i.accepted, i.answered_at, "
        "e.title, e.place, e.kind, e.area, e.days, e.answer_by, e.partners "
        "FROM invitation AS i JOIN exhibition AS e USING (exhibition_id) "
        "WHERE i.vendor_id = ANY($1::uuid[]) ORDER BY i.invitation_id DESC",
        vendor_ids,
    )
    return [
        (
            Invitation(
                row["invitation_id"],
                row["exhibition_id"],
                row["vendor_id"],
                row["invited_on"],
                row["invited_by"],
                row["accepted"],
                row["answered_at"],
            ),
            Exhibition(
                row["exhibition_id"],
                row["title"],
                row["place"],
                row["kind"],
                row["area"],
                tuple(row["days"]),
                row["answer_by"],
                tuple(row["partners"]),
            ),
        )
        for row in rows
    ]


async def find_invited(
    conn: Connection, exhibition_id: UUID, area: str, after: UUID | None, limit: int
) -> list[Invitation]:
    """Invitations to an exhibition of vendors of this area, in their order, those after `after`, at most `limit`."""
    rows = await conn.fetch(
        "SELECT i.invitation_id, i.exhibition_id, i.vendor_id, i.invited_on, i.invited_by, i.accepted, i.answered_at "
        "FROM invitation AS i JOIN vendor AS v USING (vendor_id) "
        "WHERE i.exhibition_id = $1 AND v.erased_at IS NULL "
        "AND v.kelurahan >= $2 AND v.kelurahan < $2 || '/' "
        "AND ($3::uuid IS NULL OR i.invitation_id > $3) ORDER BY i.invitation_id LIMIT $4",
        exhibition_id,
        area,
        after,
        limit,
    )
    return [Invitation(**row) for row in rows]


async def save_answer(conn: Connection, invitation: Invitation) -> None:
    """What a vendor said; its row is locked."""
    await conn.execute(
        "UPDATE invitation SET accepted = $2, answered_at = $3 WHERE invitation_id = $1",
        invitation.invitation_id,
        invitation.accepted,
        invitation.answered_at,
    )


async def count_answers(conn: Connection, exhibition_id: UUID) -> AnswerCounts:
    """How many were invited to an exhibition, and what they said."""
    row = await conn.fetchrow(
        "SELECT count(*) AS invited, count(*) FILTER (WHERE accepted) AS accepted, "
        "count(*) FILTER (WHERE NOT accepted) AS declined FROM invitation WHERE exhibition_id = $1",
        exhibition_id,
    )
    assert row is not None
    return AnswerCounts(**row)


async def collect_invitations(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, Any]:
    """Everything kept about these registrations' export and invitations, JSON-ready."""
    return {
        "export_assessments": [
            {
                "vendor_id": str(one.vendor_id),
                "ready": one.ready,
                "criteria_met": list(one.criteria_met),
                "score": one.score,
                "note": one.note,
                "assessed_on": one.assessed_on.isoformat(),
            }
            for one in await find_assessments(conn, vendor_ids)
        ],
        "export_referrals": [
            {
                "referral_id": str(one.referral_id),
                "partner_id": str(one.partner_id),
                "agreement_id": str(one.agreement_id),
                "referred_on": one.referred_on.isoformat(),
            }
            for one in await find_referrals(conn, vendor_ids)
        ],
        "invitations": [
            {
                "invitation_id": str(invitation.invitation_id),
                "exhibition_id": str(invitation.exhibition_id),
                "title": exhibition.title,
                "place": exhibition.place,
                "days": [day.isoformat() for day in exhibition.days],
                "invited_on": invitation.invited_on.isoformat(),
                "accepted": invitation.accepted,
                "answered_at": None if invitation.answered_at is None else invitation.answered_at.isoformat(),
            }
            for invitation, exhibition in await find_invitations(conn, vendor_ids)
        ],
    }


async def erase_invitations(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, int]:
    """Remove referrals, and invitations nobody answered; assessments and answers stay as counts, without notes."""
    assessments = await conn.fetch(
        "UPDATE export_assessment SET note = NULL WHERE vendor_id = ANY($1::uuid[]) RETURNING 1", vendor_ids
    )
    referrals = await conn.fetch(
        "DELETE FROM export_referral WHERE vendor_id = ANY($1::uuid[]) RETURNING 1", vendor_ids
    )
    invitations = await conn.fetch(
        "DELETE FROM invitation WHERE vendor_id = ANY($1::uuid[]) AND accepted IS NULL RETURNING 1", vendor_ids
    )
    return {
        "export-assessments": len(assessments),
        "export-referrals": len(referrals),
        "invitations": len(invitations),
    }
