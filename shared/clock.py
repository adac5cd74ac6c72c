"""Time: aware moments in UTC, calendar days in Asia/Jakarta. Handlers get the moment as an argument."""

import os
import time
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

__all__ = ["JAKARTA", "Clock", "day_in_jakarta"]

JAKARTA = ZoneInfo("Asia/Jakarta")


def day_in_jakarta(moment: datetime) -> date:
    """The calendar day in Jakarta at this moment (UTC+7, no daylight saving)."""
    return moment.astimezone(JAKARTA).date()


class Clock:
    """What time a service believes it is.

    Normally the system's clock. In development `file` may name a file that holds an ISO moment: the clock then shows
    that moment plus the real time that has passed since the file was written, so that a whole stack can be taken to
    20 March 2023 (`lapak clock`). A file that is missing means the system's clock.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._stamp: tuple[int, float, float] | None = None

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        if self._file is None:
            return datetime.now(UTC)
        try:
            modified = os.stat(self._file).st_mtime_ns
        except FileNotFoundError:
            return datetime.now(UTC)
        if self._stamp is None or self._stamp[0] != modified:
            base = datetime.fromisoformat(self._file.read_text().strip()).timestamp()
            self._stamp = (modified, base, modified / 1e9)
        return datetime.fromtimestamp(self._stamp[1] + (time.time() - self._stamp[2]), UTC)

    def today(self) -> date:
        """The present calendar day in Jakarta."""
        return day_in_jakarta(self.now())
