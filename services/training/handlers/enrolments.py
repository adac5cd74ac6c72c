"""Vendors get places in classes."""

from datetime import datetime
from uuid import UUID

from services.training.domain import enrolments as domain
from services.training.domain.enrolments import Enrolling, EnrolVendors
from services.training.handlers.classes import lock_class
from services.training.handlers.trainees import record
from services.training.store import rosters, trainees
from shared import families
from shared.clock import day_in_jakarta
from shared.db import Connection


async def enrol_vendors(
    conn: Connection, class_id: UUID, command: EnrolVendors, *, by_officer: bool, now: datetime
) -> Enrolling:
    """Give vendors places, in the order asked; says for each that got none why. Raises `ClassNotFound`."""
    a_class = await lock_class(conn, class_id)
    versions = await trainees.lock_trainees(conn, command.vendor_ids)
    standings = await trainees.find_standings(conn, a_class.course, command.vendor_ids)
    taken = await rosters.count_enrolled(conn, class_id)
    outcome = domain.enrol(
        a_class,
        taken,
        command.vendor_ids,
        versions.keys(),
        standings,
        today=day_in_jakarta(now),
        by_officer=by_officer,
        persons=await families.find_persons(conn, command.vendor_ids),
    )
    await rosters.add_enrolments(conn, outcome.enrolled, now=now)
    await record(conn, versions, outcome.enrolled, now=now)
    return outcome
