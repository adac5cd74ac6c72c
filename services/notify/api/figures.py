"""Figures of delivery, and checksums of the copies kept here."""

from collections import Counter
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from services.notify.api.answers import ChecksumAnswer, FigureRow, FiguresAnswer, LatencyAnswer, StatsAnswer
from services.notify.domain.figures import Dimension, FiguresRefused, dimensions, not_told, percentile, rates
from services.notify.domain.keys import Mode
from services.notify.store import figures, lookups
from services.notify.store.figures import Group
from shared.clock import JAKARTA
from shared.http import EdgeDep

router = APIRouter(tags=["notifications"])

DAYS_DEFAULT = 7
ROWS_MAX = 5000


@router.get("/v1/stats")
async def stats(edge: EdgeDep) -> StatsAnswer:
    """Counts by template, state and channel, and the latency from cause to acceptance."""
    edge.caller.require("operator", "officer")
    async with edge.read() as conn:
        counts = await lookups.count_notifications(conn)
        sent, p50, p99 = await lookups.measure_latency(conn)
    by_template, by_state, by_channel = Counter[str](), Counter[str](), Counter[str]()
    for template, state, channel, count in counts:
        by_template[template] += count
        by_state[state] += count
        if channel is not None:
            by_channel[channel] += count
    return StatsAnswer(
        by_template=by_template,
        by_state=by_state,
        by_channel=by_channel,
        latency_seconds=LatencyAnswer(p50=p50, p99=p99, count=sent),
    )


@router.get("/v1/projections")
async def projections(edge: EdgeDep) -> dict[str, ChecksumAnswer]:
    """Checksums of the copies kept here, to compare with their sources."""
    edge.caller.require("operator")
    async with edge.read() as conn:
        count, digest = await lookups.contacts_checksum(conn)
    return {"contacts": ChecksumAnswer(count=count, sha256=digest)}


@router.get("/v1/figures")
async def show_figures(
    edge: EdgeDep,
    first: Annotated[date | None, Query(alias="from", description="First day in Jakarta; none: a week ago")] = None,
    last: Annotated[date | None, Query(alias="to", description="Last day; none: today")] = None,
    about: Annotated[
        Literal["attempt", "message"],
        Query(description="attempt: each try at a channel, by the day it began; message: what became of each"),
    ] = "attempt",
    mode: Annotated[Mode, Query(description="test: what test keys sent, which is in no other figure")] = "normal",
    by: Annotated[
        str, Query(max_length=100, description="Any of day, channel, provider, template, lane, code; with commas")
    ] = "channel",
) -> FiguresAnswer:
    """Counts by outcome, how long it took, parts of text messages and money, for any days ever: what is settled, each
    once. Of an attempt: seconds from the call to the receipt `delivered`; of a message: from its cause to acceptance.
    Parts and money belong to attempts. Mail servers report what comes back and no delivery: e-mails that they took are
    `not_told`, and in no share of what was delivered.
    """
    edge.caller.require("operator", "officer")
    wanted = dimensions(by)
    today = edge.now.astimezone(JAKARTA).date()
    last = last or today
    first = first or last - timedelta(days=DAYS_DEFAULT - 1)
    if first > last:
        raise FiguresRefused("from: lies after to; give the earlier day first, or leave one of them out.")
    async with edge.read() as conn:
        groups = await figures.find_figures(
            conn, about=about, mode=mode, first=first, last=last, by=wanted, limit=ROWS_MAX + 1
        )
    if len(groups) > ROWS_MAX:
        raise FiguresRefused(f"That is more than {ROWS_MAX} rows; ask for fewer days, or by less.", rows_max=ROWS_MAX)
    return FiguresAnswer(first=first, last=last, about=about, mode=mode, items=_rows(wanted, groups))


def _rows(by: tuple[Dimension, ...], groups: list[Group]) -> list[FigureRow]:
    """The outcomes of each group together."""
    together: dict[tuple[Any, ...], list[Group]] = {}
    for one in groups:
        together.setdefault(one.values, []).append(one)
    rows = []
    for values, members in together.items():
        outcomes, unreported = Counter[str](), Counter[str]()
        for one in members:
            outcomes[one.outcome] += one.tally.n
            unreported[one.outcome] += one.tally.n if one.unreported else 0
        histogram = [sum(counts) for counts in zip(*(one.tally.histogram for one in members), strict=True)]
        timed = sum(one.tally.timed for one in members)
        rows.append(
            FigureRow(
                by=dict(zip(by, values, strict=True)),
                n=outcomes.total(),
                outcomes=outcomes,
                not_told=not_told(unreported),
                rates=rates(outcomes, unreported),
                timed=timed,
                mean_seconds=sum(one.tally.seconds for one in members) / timed if timed else None,
                p50_seconds=percentile(histogram, 0.5),
                p95_seconds=percentile(histogram, 0.95),
                p99_seconds=percentile(histogram, 0.99),
                segments=sum(one.tally.segments for one in members),
                cost_millirupiah=sum(one.tally.cost_millirupiah for one in members),
            )
        )
    return rows
