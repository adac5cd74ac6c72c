"""Why a vendor has this mentor and not another one, in Indonesian and English, from what was stored.

The others are those who would have been nearer or would have fitted better. Each is out for a reason that the rule
leaves no doubt about: it lacks the language, it fits worse in all, it has no seat left, or the vendor stays with the
mentor it has. (A mentor with a seat left who fits better and whom nothing of this keeps away would make the matching
better, and there is no better one.) Among those who fit alike the load decides.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from pydantic_core import from_json

Why: TypeAlias = Literal["language", "other-field", "other-agency", "full", "continuity", "even-load"]

Names: TypeAlias = tuple[str, str]
"""In Indonesian and English."""

OTHERS_SHOWN_MAX = 10
AREA_WORDS = (
    ("di kelurahan yang sama", "in the same kelurahan"),
    ("di kecamatan yang sama", "in the same kecamatan"),
    ("di kota yang sama", "in the same city"),
    ("di provinsi yang sama", "in the same province"),
)
WHY_WORDS: dict[Why, tuple[str, str]] = {
    "language": ("tidak berbahasa yang Anda minta", "does not speak the language asked for"),
    "other-field": ("lebih dekat, tetapi bidangnya kurang cocok", "nearer, but of a less fitting field"),
    "other-agency": ("lebih dekat, tetapi dari dinas lain", "nearer, but of another agency"),
    "full": ("sudah penuh", "has no place left"),
    "continuity": ("Anda tetap bersama pendamping Anda sekarang", "you stay with the mentor you have"),
    "even-load": ("sama cocoknya; beban dibagi rata", "fits as well; the work is shared out evenly"),
}


class Fit(NamedTuple):
    """How far a mentor is from what a vendor needs; smaller is better."""

    field: int
    agency: int
    near: int
    misfit: int


def explain(problem: bytes, result: bytes, name: str, fields: Mapping[str, Names]) -> dict[str, Any]:
    """The reasons of one pair. `because`: what speaks for the mentor; `others`: who was nearer or fitted better, or as
    well, and why not it; `others_counted`: the same as counts, for the vendor. `fields`: their names by code."""
    document, outcome = from_json(problem), from_json(result)
    vendor = next(one for one in document["vendors"] if one["id"] == name)
    pairs = dict(outcome["pairs"])
    loads = Counter(mentor for mentor in pairs.values() if mentor is not None)
    mentors = {one["id"]: one for one in document["mentors"]}
    near = {one: _near(vendor, mentors[one]) for one in mentors}
    there = {one: mentors[one] for one in mentors if near[one] is not None}
    fits = {one: _fit(document["weights"], vendor, mentor, near[one] or 0) for one, mentor in there.items()}
    given = pairs[name]
    own = None if given is None else fits[given]
    others = []
    for one, mentor in there.items():
        if one != given and (why := _why_not(vendor, mentor, loads[one], given, own, fits[one])) is not None:
            others.append((fits[one].misfit, one, why, fits[one], mentor["held"] + loads[one], mentor["load_max"]))
    others.sort()
    counts = Counter(why for _, _, why, *_ in others)
    return {
        "mentor_id": given,
        "load": None if given is None else mentors[given]["held"] + loads[given],
        "load_max": None if given is None else mentors[given]["load_max"],
        "because": _because(vendor, mentors, given, own, loads, there, fits, fields),
        "others": [
            {
                "mentor_id": one,
                **fit._asdict(),
                "load": load,
                "load_max": load_max,
                "why_not": why,
                **_both(WHY_WORDS[why]),
            }
            for _, one, why, fit, load, load_max in others[:OTHERS_SHOWN_MAX]
        ],
        "others_counted": [
            {
                "why_not": why,
                "mentors": count,
                "id": f"{count} pendamping lain: {WHY_WORDS[why][0]}.",
                "en": f"{count} other mentor{'s' * (count > 1)}: {WHY_WORDS[why][1]}.",
            }
            for why, count in sorted(counts.items())
        ],
    }


def _why_not(
    vendor: dict[str, Any], mentor: dict[str, Any], load: int, given: str | None, own: Fit | None, fit: Fit
) -> Why | None:
    """Why not this one; None where there is nothing to explain: it is neither nearer nor fits better, nor as well."""
    if own is not None and fit.misfit > own.misfit and fit.near >= own.near:
        return None
    if vendor["language"] not in mentor["languages"]:
        return "language"
    if own is not None and fit.misfit > own.misfit:
        return "other-field" if fit.field > own.field else "other-agency"
    if own is not None and given == vendor["mentor"]:
        return "continuity"
    if mentor["held"] + load >= mentor["load_max"]:
        return "full"
    return "even-load"


def _because(
    vendor: dict[str, Any],
    mentors: dict[str, Any],
    given: str | None,
    own: Fit | None,
    loads: Counter[str],
    there: dict[str, Any],
    fits: dict[str, Fit],
    fields: Mapping[str, Names],
) -> list[dict[str, str]]:
    if given is None or own is None:
        return [_nobody(vendor, there)]
    mentor = mentors[given]
    found = []
    if vendor["mentor"] == given:
        found.append(
            _reason("continuity", "Ini pendamping Anda sejak sebelumnya.", "This is the mentor you had before.")
        )
    elif vendor["mentor"] is not None and vendor["mentor"] in fits:
        found.append(
            _reason(
                "moved",
                "Anda berpindah agar lebih banyak pelaku usaha mendapat pendamping.",
                "You move so that more vendors have a mentor.",
            )
        )
    found.append(_field_reason(vendor, mentor, own, fields))
    if vendor["agency"] is not None:
        same = own.agency == 0
        found.append(
            _reason(
                "agency" if same else "other-agency",
                "Pendamping dari dinas pengampu Anda." if same else "Pendamping dari dinas lain.",
                "A mentor of the agency that coaches you." if same else "A mentor of another agency.",
            )
        )
    near = AREA_WORDS[own.near]
    found.append(_reason("near", f"Bekerja {near[0]}.", f"Works {near[1]}."))
    load = mentor["held"] + loads[given]
    found.append(
        _reason(
            "load",
            f"Mendampingi {load} dari paling banyak {mentor['load_max']} pelaku usaha.",
            f"Accompanies {load} vendors of {mentor['load_max']} at the most.",
        )
    )
    return found


def _nobody(vendor: dict[str, Any], there: dict[str, Any]) -> dict[str, str]:
    if not there:
        return _reason("nobody-here", "Belum ada pendamping di wilayah Anda.", "No mentor works in your area yet.")
    if not any(vendor["language"] in mentor["languages"] for mentor in there.values()):
        return _reason(
            "no-language",
            "Belum ada pendamping di wilayah Anda yang berbahasa yang Anda minta.",
            "No mentor in your area speaks the language asked for.",
        )
    return _reason(
        "all-full",
        "Semua pendamping di wilayah Anda penuh; Anda mendapat yang pertama yang punya tempat.",
        "Every mentor in your area is full; you get the first that has a place.",
    )


def _field_reason(
    vendor: dict[str, Any], mentor: dict[str, Any], own: Fit, fields: Mapping[str, Names]
) -> dict[str, str]:
    wished = [fields.get(one, (one, one)) for one in vendor["wishes"] if one in mentor["fields"]]
    served = [fields.get(one, (one, one)) for one in vendor["fields"] if one in mentor["fields"]]
    indonesian, english = (", ".join(names[column] for names in wished or served) for column in (0, 1))
    if wished:
        return _reason(
            "wish", f"Ahli di bidang yang Anda minta: {indonesian}.", f"Knows what you asked for: {english}."
        )
    if served:
        return _reason("field", f"Ahli di bidang usaha Anda: {indonesian}.", f"Knows your trade: {english}.")
    if own.field == 0:
        return _reason("any-field", "Anda belum menyebut bidang.", "You named no field yet.")
    if vendor["mentor"] == mentor["id"]:
        return _reason(
            "other-field",
            "Bidangnya lain; Anda tetap bersamanya.",
            "Of another field; you stay with the mentor you have.",
        )
    return _reason(
        "other-field",
        "Bidangnya lain; yang secara keseluruhan lebih cocok tidak punya tempat.",
        "Of another field; nobody who fits better in all has a place.",
    )


def _near(vendor: dict[str, Any], mentor: dict[str, Any]) -> int | None:
    parts = vendor["kelurahan"].split(".")
    found = [at for at in range(len(parts)) if ".".join(parts[: len(parts) - at]) in mentor["areas"]]
    return min(found, default=None)


def _fit(weights: dict[str, int], vendor: dict[str, Any], mentor: dict[str, Any], near: int) -> Fit:
    has, wishes, needs = set(mentor["fields"]), set(vendor["wishes"]), set(vendor["fields"])
    best = wishes or needs
    field = 0 if not best or has & best else 1 if not has or has & needs else 2
    agency = int(vendor["agency"] is not None and vendor["agency"] != mentor["agency"])
    return Fit(field, agency, near, weights["field"] * field + weights["agency"] * agency + weights["near"] * near)


def _reason(code: str, indonesian: str, english: str) -> dict[str, str]:
    return {"code": code, "id": indonesian, "en": english}


def _both(words: tuple[str, str]) -> dict[str, str]:
    return {"id": f"{words[0][0].upper()}{words[0][1:]}.", "en": f"{words[1][0].upper()}{words[1][1:]}."}
