"""Figures of delivery, and checksums of the copies kept here."""

from collections import Counter

from fastapi import APIRouter

from services.notify.api.answers import ChecksumAnswer, LatencyAnswer, StatsAnswer
from services.notify.store import lookups
from shared.http import EdgeDep

router = APIRouter(tags=["notifications"])


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
