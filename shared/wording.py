"""Names of days, months and product groups in Indonesian and English, as people are told them."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from shared.clock import JAKARTA

__all__ = ["CATEGORY_NAMES", "MONTHS", "WEEKDAYS", "Words", "day_in_words", "joined", "moment_in_words"]


class Words(NamedTuple):
    """The same in Indonesian and in English."""

    id: str
    en: str

    def both(self) -> dict[str, str]:
        """As it is shown and sent: {"id": ..., "en": ...}."""
        return {"id": self.id, "en": self.en}


WEEKDAYS = (
    Words("Senin", "Monday"),
    Words("Selasa", "Tuesday"),
    Words("Rabu", "Wednesday"),
    Words("Kamis", "Thursday"),
    Words("Jumat", "Friday"),
    Words("Sabtu", "Saturday"),
    Words("Minggu", "Sunday"),
)
MONTHS = (
    Words("Januari", "January"),
    Words("Februari", "February"),
    Words("Maret", "March"),
    Words("April", "April"),
    Words("Mei", "May"),
    Words("Juni", "June"),
    Words("Juli", "July"),
    Words("Agustus", "August"),
    Words("September", "September"),
    Words("Oktober", "October"),
    Words("November", "November"),
    Words("Desember", "December"),
)
CATEGORY_NAMES = {
    "food-drink": Words("makanan dan minuman", "food and drink"),
    "fashion-craft": Words("busana dan kerajinan", "fashion and craft"),
    "meals-household": Words("makanan berat dan kebutuhan rumah tangga", "meals and household goods"),
    "health": Words("kesehatan", "health"),
}
"""The programme's product groups (DOMAIN D3); a category that is not here is shown by its code."""


def joined(parts: Sequence[Words]) -> Words:
    """Parts of a list: "a, b dan c", "a, b and c"; empty where there are none."""
    return Words(_joined([part.id for part in parts], "dan"), _joined([part.en for part in parts], "and"))


def _joined(parts: Sequence[str], conjunction: str) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {conjunction} {parts[-1]}" if parts else ""


def day_in_words(day: date) -> Words:
    """A day with its weekday: "Senin, 20 Maret 2023"."""
    weekday, month = WEEKDAYS[day.weekday()], MONTHS[day.month - 1]
    return Words(*(f"{weekday[n]}, {day.day} {month[n]} {day.year}" for n in range(2)))


def moment_in_words(moment: datetime) -> Words:
    """A moment as a clock in Jakarta shows it: "Selasa, 14 Maret 2023 pukul 17.00 WIB"."""
    local = moment.astimezone(JAKARTA)
    day = day_in_words(local.date())
    return Words(f"{day.id} pukul {local:%H.%M} WIB", f"{day.en} at {local:%H.%M} WIB")
