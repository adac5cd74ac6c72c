"""Counting the open figures, every night."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from typing import Any

from lokal.wilayah import wilayah_name

from services.bazaar.domain import fairness, openness
from services.bazaar.domain.openness import AREA_CODE_LENGTHS, TURNS_SHOWN_MAX, By, Coverage, LedgerRow
from services.bazaar.store import fairness as store
from shared.clock import JAKARTA, day_in_jakarta
from shared.db import Connection
from shared.timers import set_timer

TIMER = "open-figures"
COUNTED_AT = time(3, 0)
"""In Jakarta: when nobody applies and nothing is allocated."""

PERIOD = timedelta(days=365)
PROVINCE = "31"
AREA_LEVELS: Sequence[By] = ("city", "kecamatan", "kelurahan")


async def count_by_timer(conn: Connection, key: str, now: datetime) -> None:
    """Timer: count the open figures of today, and again tomorrow."""
    await count_figures(conn, now=now)
    tomorrow = day_in_jakarta(now) + timedelta(days=1)
    await set_timer(conn, TIMER, key, datetime.combine(tomorrow, COUNTED_AT, JAKARTA))


async def count_figures(conn: Connection, *, now: datetime) -> dict[str, Any]:
    """Count and keep the open figures: how booths were shared out in the year until today."""
    last = day_in_jakarta(now)
    first = last - PERIOD
    areas = [row for level in AREA_LEVELS for row in await store.sum_ledger(conn, level, first, last)]
    coverage = {row.value: row for row in await store.sum_coverage(conn, AREA_CODE_LENGTHS["kecamatan"], PROVINCE)}
    document = {
        "day": last.isoformat(),
        "from": first.isoformat(),
        "people_min": openness.PEOPLE_MIN,
        "areas": _shown(areas, {row.value: _parent(row.value) for row in areas}, coverage),
        "categories": _shown(await store.sum_ledger(conn, "category", first, last), {}, {}),
        "agencies": _shown(await store.sum_ledger(conn, "agency", first, last), {}, {}),
        "turns": _turns(await store.count_turns(conn), last),
        "good_spots": {"gini": fairness.gini(await store.count_good_spots(conn))},
        "coverage": _summed(coverage.values()),
        "forecasts": asdict(openness.assess(await store.find_forecasts(conn))),
    }
    await store.save_figures(conn, last, document, now=now)
    return document


def _parent(code: str) -> str:
    """The area above: its code is a part of this one; nothing above a city."""
    return code.rpartition(".")[0] if code.count(".") > 1 else ""


def _shown(
    rows: Sequence[LedgerRow], parent_of: Mapping[str, str], coverage: Mapping[str, Coverage]
) -> list[dict[str, Any]]:
    hidden = openness.conceal(rows, parent_of)
    return [
        {"value": row.value, "name": wilayah_name(row.value), "hidden": True}
        if row.value in hidden
        else {
            **asdict(row),
            "waiting_since": row.waiting_since and row.waiting_since.isoformat(),
            "name": wilayah_name(row.value),
            "hidden": False,
            **({"rws": _of(coverage[row.value])} if row.value in coverage else {}),
        }
        for row in rows
    ]


def _of(coverage: Coverage) -> dict[str, int]:
    return {"with_vendors": coverage.with_vendors, "willing": coverage.willing, "served": coverage.served}


def _summed(coverage: Any) -> dict[str, int]:
    rows = [_of(one) for one in coverage]
    return {name: sum(row[name] for row in rows) for name in ("with_vendors", "willing", "served")}


def _turns(counts: Sequence[tuple[int, int, date]], today: date) -> dict[str, Any]:
    """How evenly turns are spread over everyone who ever applied."""
    people = sum(number for _, number, _ in counts)
    rows = [{"turns": turns, "people": number} for turns, number, _ in counts if turns < TURNS_SHOWN_MAX] + [
        {"turns": TURNS_SHOWN_MAX, "or_more": True, "people": sum(n for t, n, _ in counts if t >= TURNS_SHOWN_MAX)}
    ]
    waits = [(today - since).days for turns, _, since in counts if turns == 0]
    return {
        "people": people,
        "by_turns": rows,
        "never_share": sum(number for turns, number, _ in counts if turns == 0) / people if people else None,
        "jain_index": fairness.jain_index([turns for turns, number, _ in counts for _ in range(number)]),
        "longest_wait_days_never_served": max(waits, default=None),
    }
