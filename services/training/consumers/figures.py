"""What training does with vendors' figures by month, as the registry tells them."""

from collections.abc import Sequence
from datetime import datetime

from services.training.handlers import figures
from services.training.store.figures import Report
from shared.consume import Many, Received
from shared.db import Connection
from shared.events.envelope import Message
from shared.events.products import IndicatorsReported


async def on_indicators(conn: Connection, received: Sequence[Received[IndicatorsReported]], _: datetime) -> None:
    """Turnover, assets and workers of a month, entered, corrected or confirmed."""
    reports = [
        # an event of before there was a moment of entry in it was told when it was entered
        Report(one.body, one.envelope.sequence or 0, one.body.entered_at or one.envelope.time)
        for one in received
    ]
    await figures.remember_figures(conn, reports)


ON_MANY: dict[type[Message], Many] = {IndicatorsReported: on_indicators}
