"""How the criteria of export readiness weigh: a new version is added."""

from datetime import datetime

from services.vendor.domain.readiness import Weighting, WeightingVersionTaken, check_weighting
from services.vendor.store import readiness as store
from services.vendor.store.invitations import find_criteria
from shared.clock import day_in_jakarta
from shared.db import Connection

__all__ = ["add_weighting"]


async def add_weighting(conn: Connection, weighting: Weighting, *, made_by: str, now: datetime) -> None:
    """Add the next version. Raises `WeightingInvalid`, or `WeightingVersionTaken` when it is not the next."""
    known = [criterion.code for criterion in await find_criteria(conn)]
    check_weighting(weighting, known, day_in_jakarta(now))
    if not await store.add_weighting(conn, weighting, made_by, now):
        raise WeightingVersionTaken(weighting.version)
