"""Importing a sheet: chunk by chunk, each a transaction with the run's own progress in it.

A run that was cut off (a crash, a restart) goes on after its last whole chunk when the same request comes again. What
is done twice nevertheless does no harm: a NIK that is known is "already", not registered anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar
from uuid import UUID

from services.vendor import checks
from services.vendor.domain.registration import (
    AlreadyRegistered,
    Outcome,
    OutsideArea,
    Problem,
    Registered,
    Registration,
)
from services.vendor.handlers import registration as handlers
from services.vendor.sheets import Sheet
from services.vendor.store import imports as store
from services.vendor.store.imports import ImportRun, Rejection
from shared.db import Connection
from shared.errors import Refused
from shared.service import Platform
from shared.telemetry import get_logger

__all__ = ["CHUNK_ROWS", "REJECTED_ROWS_MAX", "ImportRunning", "run_import"]

CHUNK_ROWS = 500
REJECTED_ROWS_MAX = 50_000
"""With more the sheet has one fault in every row: the import stops, so that its report can be read."""
LINES_PER_WARNING_MAX = 10

Row = tuple[int, Registration | Problem]
logger = get_logger()


class ImportRunning(Refused):
    """Another request moves this very import forward."""

    code: ClassVar[str] = "import-running"


@dataclass(slots=True)
class _Tally:
    """What became of the rows of one chunk."""

    registered: int = 0
    already: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    warned: list[tuple[str, int]] = field(default_factory=list)


async def run_import(platform: Platform, run: ImportRun, sheet: Sheet, *, within: str | None) -> ImportRun:
    """Import the rows of a sheet that this run has not done yet; `within` is the officer's area.

    Raises `ImportRunning` when another request does the same; the chunks it did are not done again.
    """
    rows = islice(sheet.wishes(), run.rows, None)
    seen: dict[UUID, int] = {}
    while run.finished_at is None:
        chunk = list(islice(rows, CHUNK_ROWS))
        now = platform.clock.now()
        async with platform.database.transaction() as conn:
            standing = await store.lock_import(conn, run.import_id)
            if standing != run:
                raise ImportRunning("This import is being moved forward by another request; ask for its progress.")
            run = await _take(conn, platform, run, chunk, seen, within, now)
        if run.finished_at is not None:
            logger.info(
                "import.finished",
                import_id=str(run.import_id),
                dry_run=run.dry_run,
                rows=run.rows,
                registered=run.registered,
                already=run.already,
                rejected=run.rejected,
            )
    return run


async def _take(
    conn: Connection,
    platform: Platform,
    run: ImportRun,
    chunk: Sequence[Row],
    seen: dict[UUID, int],
    within: str | None,
    now: datetime,
) -> ImportRun:
    """Register the people of a chunk, note what was rejected, and move the run forward."""
    asked = [(line, wish) for line, wish in chunk if isinstance(wish, Registration)]
    wishes = [wish for _, wish in asked]
    if run.dry_run:
        outcomes = await handlers.preview_registrations(conn, wishes, now=now, sealer=platform.sealer, within=within)
    else:
        outcomes = await handlers.register_vendors(
            conn, wishes, origin="file", now=now, sealer=platform.sealer, within=within
        )
    tally = _Tally(rejected=[_rejection(line, None, [wish]) for line, wish in chunk if isinstance(wish, Problem)])
    for (line, wish), outcome in zip(asked, outcomes, strict=True):
        _count(tally, line, wish, outcome, seen)
    if tally.rejected:
        await store.add_rejections(conn, run.import_id, tally.rejected)
    moved = _moved(run, chunk, tally, now)
    await store.save_import(conn, moved)
    return moved


def _count(tally: _Tally, line: int, wish: Registration, outcome: Outcome, seen: dict[UUID, int]) -> None:
    if isinstance(outcome, Registered | AlreadyRegistered):
        first = seen.setdefault(outcome.vendor_id, line)
        if first != line:
            fix = "one person stands in the sheet twice, or one of the two NIK is wrong"
            tally.rejected.append(
                _rejection(line, wish, [Problem("nik", "row-repeated", f"stands in line {first}", fix)])
            )
        elif isinstance(outcome, Registered):
            tally.registered += 1
            tally.warned += [(warning.code, line) for warning in outcome.warnings]
        else:
            tally.already += 1
    elif isinstance(outcome, OutsideArea):
        fix = "the officer of that area can register this person"
        reason = f"lies outside your area {outcome.details['area']}"
        tally.rejected.append(_rejection(line, wish, [Problem("kelurahan", outcome.code, reason, fix)]))
    else:
        tally.rejected.append(_rejection(line, wish, outcome.problems))


def _rejection(line: int, wish: Registration | None, problems: Sequence[Problem]) -> Rejection:
    noted = []
    for problem in problems:
        value = "" if wish is None else checks.mask(problem.field, getattr(wish, problem.field))
        noted.append({**problem._asdict(), "value": value})
    return Rejection(line, noted)


def _moved(run: ImportRun, chunk: Sequence[Row], tally: _Tally, now: datetime) -> ImportRun:
    rejected = run.rejected + len(tally.rejected)
    stopped = chunk[-1][0] if rejected > REJECTED_ROWS_MAX else None
    finished = stopped is not None or len(chunk) < CHUNK_ROWS
    return replace(
        run,
        rows=run.rows + len(chunk),
        registered=run.registered + tally.registered,
        already=run.already + tally.already,
        rejected=rejected,
        warnings=_with_warnings(run.warnings, tally.warned),
        stopped_at_line=stopped,
        finished_at=now if finished else None,
    )


def _with_warnings(warnings: dict[str, Any], warned: Sequence[tuple[str, int]]) -> dict[str, Any]:
    merged = {code: {"count": noted["count"], "lines": list(noted["lines"])} for code, noted in warnings.items()}
    for code, line in warned:
        noted = merged.setdefault(code, {"count": 0, "lines": []})
        noted["count"] += 1
        if len(noted["lines"]) < LINES_PER_WARNING_MAX:
            noted["lines"].append(line)
    return merged
