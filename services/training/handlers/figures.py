"""Figures of vendors' months, as the registry tells them."""

from collections.abc import Sequence

from services.training.domain.enrolments import TraineeNotFound
from services.training.store import figures as store
from services.training.store import graduation
from services.training.store.figures import Report
from shared import families
from shared.db import Connection


async def remember_figures(conn: Connection, reports: Sequence[Report]) -> None:
    """Keep the figures; whose they are is looked at again soon, whether it is (still) a candidate for graduation.

    Of an erased id nothing is kept. Raises `TraineeNotFound` for one whose registration never came.
    """
    told = {report.event.vendor_id for report in reports}
    known = await store.save_figures(conn, reports)
    unknown = told - known
    if unknown:
        unknown -= await families.find_erased(conn, list(unknown))
    if unknown:  # its registration comes first on its key: better set aside than a silent gap
        raise TraineeNotFound("These vendors were never registered here.", vendor_ids=sorted(map(str, unknown)))
    await graduation.add_due(conn, known)
