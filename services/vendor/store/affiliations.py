"""Organisations, who belongs to them, and the payments noted."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.vendor.domain.affiliations import Affiliation, Organisation, Payment
from shared.db import Connection
from shared.timers import cancel_timer

__all__ = [
    "TIMER",
    "NotedPayment",
    "add_affiliation",
    "add_payment",
    "collect_affiliations",
    "erase_affiliations",
    "find_affiliation",
    "find_affiliations",
    "find_organisations",
    "find_payments",
    "save_affiliation",
]

TIMER = "affiliation"
"""Kind of the timer that each membership with a term has, keyed by its id."""


class NotedPayment(NamedTuple):
    """A payment, and until when it pays."""

    affiliation_id: UUID
    payment: Payment
    expires_on: date


async def find_organisations(conn: Connection) -> dict[str, Organisation]:
    """Every organisation of the programme, by code."""
    rows = await conn.fetch("SELECT code, name, of_area, months, fee_rupiah FROM organisation ORDER BY code")
    return {row["code"]: Organisation(**row) for row in rows}


async def add_affiliation(conn: Connection, affiliation: Affiliation) -> None:
    """A new affiliation; the vendor's row is locked."""
    await conn.execute(
        "INSERT INTO affiliation (affiliation_id, vendor_id, organisation, area, rw, state, started_on, expires_on, "
        "ended_on, told_days, entered_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        affiliation.affiliation_id,
        affiliation.vendor_id,
        affiliation.organisation,
        affiliation.area,
        affiliation.rw,
        affiliation.state,
        affiliation.started_on,
        affiliation.expires_on,
        affiliation.ended_on,
        affiliation.told_days,
        affiliation.entered_by,
    )


async def save_affiliation(conn: Connection, affiliation: Affiliation) -> None:
    """What may change about an affiliation; the vendor's row is locked."""
    await conn.execute(
        "UPDATE affiliation SET state = $2, expires_on = $3, ended_on = $4, told_days = $5 WHERE affiliation_id = $1",
        affiliation.affiliation_id,
        affiliation.state,
        affiliation.expires_on,
        affiliation.ended_on,
        affiliation.told_days,
    )


async def find_affiliation(conn: Connection, affiliation_id: UUID) -> Affiliation | None:
    """One affiliation."""
    row = await conn.fetchrow(
        "SELECT affiliation_id, vendor_id, organisation, area, rw, state, started_on, expires_on, ended_on, told_days, "
        "entered_by FROM affiliation WHERE affiliation_id = $1",
        affiliation_id,
    )
    return None if row is None else Affiliation(**row)


async def find_affiliations(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Affiliation]:
    """The affiliations of these registrations, in the order they were entered."""
    rows = await conn.fetch(
        "SELECT affiliation_id, vendor_id, organisation, area, rw, state, started_on, expires_on, ended_on, told_days, "
        "entered_by FROM affiliation WHERE vendor_id = ANY($1::uuid[]) ORDER BY affiliation_id",
        vendor_ids,
    )
    return [Affiliation(**row) for row in rows]


async def add_payment(
    conn: Connection, affiliation: Affiliation, payment: Payment, noted_by: str, now: datetime
) -> None:
    """Note a payment that pays until the affiliation's last day."""
    await conn.execute(
        "INSERT INTO affiliation_payment (affiliation_id, reference, paid_on, amount_rupiah, expires_on, noted_by, "
        "noted_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        affiliation.affiliation_id,
        payment.reference,
        payment.paid_on,
        payment.amount_rupiah,
        affiliation.expires_on,
        noted_by,
        now,
    )


async def find_payments(conn: Connection, affiliation_ids: Sequence[UUID]) -> list[NotedPayment]:
    """Payments noted for these affiliations, oldest first."""
    rows = await conn.fetch(
        "SELECT affiliation_id, reference, paid_on, amount_rupiah, expires_on FROM affiliation_payment "
        "WHERE affiliation_id = ANY($1::uuid[]) ORDER BY noted_at, affiliation_id, expires_on",
        affiliation_ids,
    )
    return [
        NotedPayment(
            row["affiliation_id"],
            Payment(row["paid_on"], row["amount_rupiah"], row["reference"]),
            row["expires_on"],
        )
        for row in rows
    ]


async def collect_affiliations(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, Any]:
    """Everything kept about what these registrations belong to, JSON-ready."""
    held = await find_affiliations(conn, vendor_ids)
    payments = await find_payments(conn, [one.affiliation_id for one in held])
    return {
        "affiliations": [
            {
                "affiliation_id": str(one.affiliation_id),
                "vendor_id": str(one.vendor_id),
                "organisation": one.organisation,
                "area": one.area,
                "rw": one.rw,
                "state": one.state,
                "started_on": one.started_on.isoformat(),
                "expires_on": None if one.expires_on is None else one.expires_on.isoformat(),
                "ended_on": None if one.ended_on is None else one.ended_on.isoformat(),
                "payments": [
                    {
                        "paid_on": noted.payment.paid_on.isoformat(),
                        "amount_rupiah": noted.payment.amount_rupiah,
                        "reference": noted.payment.reference,
                    }
                    for noted in payments
                    if noted.affiliation_id == one.affiliation_id
                ],
            }
            for one in held
        ]
    }


async def erase_affiliations(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, int]:
    """Remove affiliations with their payments and timers."""
    payments = await conn.fetch(
        "DELETE FROM affiliation_payment AS p USING affiliation AS a "
        "WHERE a.affiliation_id = p.affiliation_id AND a.vendor_id = ANY($1::uuid[]) RETURNING 1",
        vendor_ids,
    )
    rows = await conn.fetch(
        "DELETE FROM affiliation WHERE vendor_id = ANY($1::uuid[]) RETURNING affiliation_id", vendor_ids
    )
    for row in rows:
        await cancel_timer(conn, TIMER, str(row["affiliation_id"]))
    return {"affiliations": len(rows), "affiliation-payments": len(payments)}
