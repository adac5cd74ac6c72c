"""A bazaar as residents see it: what, where, when, who sells what, and the links (DOMAIN A7). No personal data.

Vendors appear by the title of a storefront they asked to be shown, once an officer has looked at it; of all others only
how many there are of each category.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from lokal.wilayah import wilayah_name

from services.bazaar.domain.bazaar import Bazaar, BazaarUnknown, Link, Phase
from services.bazaar.domain.live import uid
from services.bazaar.domain.wording import days_in_words
from services.bazaar.marketplaces import marketplaces
from shared.clock import JAKARTA, day_in_jakarta
from shared.wording import CATEGORY_NAMES, Words, day_in_words, moment_in_words

PHASES: dict[Phase, Words] = {
    "tentative": Words(
        "Baru rencana, tanggalnya masih dapat berubah.", "Only planned so far; the days may still change."
    ),
    "announced": Words("Sudah diumumkan.", "Announced."),
    "open": Words("Pendaftaran pelaku usaha sedang dibuka.", "Vendors can apply now."),
    "closed": Words(
        "Pendaftaran ditutup. Tempat sedang dibagi menurut giliran.",
        "Applications are closed. Booths are being given out in turn.",
    ),
    "allocated": Words("Tempat sudah dibagi.", "Booths have been given out."),
    "held": Words("Sudah selesai. Terima kasih.", "It is over. Thank you."),
    "cancelled": Words("Dibatalkan.", "Cancelled."),
}
UNDER_WAY = Words("Sedang berlangsung.", "It is on now.")
OVER = Words("Sudah berlalu.", "It is over.")

REASONS = {
    "holiday": Words("hari libur", "of a holiday"),
    "weather": Words("cuaca", "of the weather"),
    "venue": Words("tempatnya tidak dapat dipakai", "the venue cannot be used"),
    "organiser": Words("keputusan penyelenggara", "of a decision of the organiser"),
    "safety": Words("keamanan", "of safety"),
    "series": Words("perubahan jadwal", "of a change of the schedule"),
}
SETTINGS = {"physical": Words("bazar di lokasi", "on-site bazaar"), "online": Words("bazar daring", "online bazaar")}
LINK_KINDS = {
    "storefront": Words("Etalase daring", "Storefront"),
    "stream": Words("Siaran langsung", "Live stream"),
    "social": Words("Media sosial", "Social media"),
    "maps": Words("Peta", "Map"),
    "other": Words("Tautan", "Link"),
}
ROLES = {
    "organiser": Words("penyelenggara", "organiser"),
    "co-organiser": Words("penyelenggara bersama", "co-organiser"),
    "partner": Words("mitra", "partner"),
    "sponsor": Words("sponsor", "sponsor"),
    "supporter": Words("pendukung", "supporter"),
    "media": Words("media", "media"),
}
WITHOUT_CATEGORY = Words("kategori lain", "other categories")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a bazaar that may be shown."""

    bazaar: Bazaar
    links: Sequence[Link]
    group: Mapping[str, Any] | None
    venues: Mapping[str, Mapping[str, Any]]
    storefronts: Sequence[Mapping[str, Any]]
    categories: Mapping[str | None, int]
    preorders: Sequence[Mapping[str, Any]]
    slots: Sequence[Mapping[str, Any]]
    showcases: Sequence[Mapping[str, Any]]
    rounds: Sequence[Mapping[str, Any]]


def describe(facts: Facts, now: datetime) -> dict[str, Any]:
    """The bazaar as data, with words in both languages beside the codes. Raises `BazaarUnknown` for a draft."""
    bazaar = facts.bazaar
    if bazaar.state == "draft":
        raise BazaarUnknown("There is no such bazaar.")
    phase = bazaar.phase(now)
    base = f"/v1/bazaars/{bazaar.bazaar_id}"
    return {
        "bazaar_id": bazaar.bazaar_id,
        "name": bazaar.name,
        "theme": bazaar.theme,
        "setting": {"code": bazaar.setting, **SETTINGS[bazaar.setting].both()},
        "phase": {"code": phase, **phase_in_words(phase, bazaar.days, now).both()},
        "notice": _both(
            notice(bazaar.cancelled_because, bazaar.moved_from, bazaar.days, cancelled=phase == "cancelled")
        ),
        "days": bazaar.days,
        "when": days_in_words(bazaar.days).both(),
        "moved_from": bazaar.moved_from,
        "area": None if bazaar.area is None else _area(bazaar.area),
        "group": facts.group,
        "opening": None
        if bazaar.opening is None
        else {**bazaar.opening.model_dump(), "when": moment_in_words(bazaar.opening.at).both()},
        "organisers": [
            {"name": one.name, "role": {"code": one.role, **ROLES.get(one.role, Words(one.role, one.role)).both()}}
            for one in bazaar.partners
        ]
        or [{"name": name, "role": {"code": "organiser", **ROLES["organiser"].both()}} for name in bazaar.organisers],
        "applications": _applications(bazaar),
        "sites": [_site(facts, site_at, base) for site_at in range(len(bazaar.sites))],
        "links": [{**link.model_dump(), "kind_words": LINK_KINDS[link.kind].both()} for link in facts.links],
        "vendors": {
            "number": sum(facts.categories.values()),
            "by_category": [
                {"category": category, "name": _category(category).both(), "vendors": number}
                for category, number in facts.categories.items()
            ],
        },
        "storefronts": [_storefront(facts, row) for row in facts.storefronts],
        "preorders": [{**row, "pick_up": day_in_words(row["pick_up_day"]).both()} for row in facts.preorders],
        "programme": [
            {"uid": uid(bazaar.bazaar_id, row["site_id"], row["booth"]), **row, "when": _stretch(row).both()}
            for row in facts.slots
        ],
        "showcases": [
            {**row, "kelurahan": _area(row["kelurahan"]), "when": days_in_words(row["days"]).both()}
            for row in facts.showcases
        ],
        "rounds": [_round(row, base) for row in facts.rounds],
        "calendar": f"{base}/calendar.ics",
        "revision": bazaar.revision,
    }


def phase_in_words(phase: Phase, days: Sequence[date], now: datetime) -> Words:
    """How it stands, for who wants to go there."""
    today = day_in_jakarta(now)
    if phase not in ("cancelled", "held", "tentative"):
        if today in days:
            return UNDER_WAY
        if today > days[-1]:
            return OVER
    return PHASES[phase]


def notice(
    cancelled_because: str | None, moved_from: Sequence[date] | None, days: Sequence[date], *, cancelled: bool
) -> Words | None:
    """What whoever knew of it before must hear first: it is cancelled, or held on other days."""
    if cancelled:
        reason = REASONS.get(cancelled_because or "")
        return Words(
            "Bazar ini dibatalkan" + (f" karena {reason.id}." if reason else "."),
            "This bazaar is cancelled" + (f" because {reason.en}." if reason else "."),
        )
    if moved_from and tuple(moved_from) != tuple(days):
        before, after = days_in_words(moved_from), days_in_words(days)
        return Words(
            f"Jadwal berubah: dari {before.id} menjadi {after.id}.",
            f"The days have changed: from {before.en} to {after.en}.",
        )
    return None


def _both(words: Words | None) -> dict[str, str] | None:
    return None if words is None else words.both()


def _area(code: str) -> dict[str, str]:
    return {"code": code, "name": wilayah_name(code) or code}


def _category(code: str | None) -> Words:
    return WITHOUT_CATEGORY if code is None else CATEGORY_NAMES.get(code, Words(code, code))


def _applications(bazaar: Bazaar) -> dict[str, Any]:
    close = moment_in_words(bazaar.applications_close_at)
    return {
        "open_at": bazaar.applications_open_at,
        "close_at": bazaar.applications_close_at,
        "until": close.both(),
    }


def _site(facts: Facts, at: int, base: str) -> dict[str, Any]:
    site = facts.bazaar.sites[at]
    venue = facts.venues.get(site.site_id, {})
    return {
        "site_id": site.site_id,
        "name": site.name,
        "venue_type": site.venue_type,
        "kelurahan": _area(site.kelurahan),
        "address": venue.get("address"),
        "latitude": venue.get("latitude"),
        "longitude": venue.get("longitude"),
        "days": site.days,
        "when": days_in_words(site.days).both(),
        "booths": site.booths,
        "plan": f"{base}/sites/{site.site_id}/plan.svg" if venue.get("planned") else None,
    }


def _storefront(facts: Facts, row: Mapping[str, Any]) -> dict[str, Any]:
    market = marketplaces().get(row["marketplace"])
    on_site = facts.bazaar.setting == "physical"
    return {
        "title": row["title"],
        "marketplace": {"code": row["marketplace"], "name": market.name if market else row["marketplace"]},
        "url": row["url"],
        "highlights": row["highlights"],
        "category": row["category"],
        "category_name": _category(row["category"]).both(),
        "site_name": facts.bazaar.site(row["site_id"]).name if on_site else None,
        "booth": row["booth"] if on_site else None,
    }


def _stretch(row: Mapping[str, Any]) -> Words:
    starts, ends = (row[name].astimezone(JAKARTA) for name in ("starts_at", "ends_at"))
    day = day_in_words(starts.date())
    clock = f"{starts:%H.%M}–{ends:%H.%M} WIB"
    return Words(f"{day.id}, {clock}", f"{day.en}, {clock}")


def _round(row: Mapping[str, Any], base: str) -> dict[str, Any]:
    files = {"frozen": "frozen_sha256", "problem": "problem_sha256", "result": "result_sha256"}
    return {
        "round": row["round"],
        "applicants": row["applicants"],
        "served": row["served"],
        "waiting": row["waiting"],
        "files": [
            {"file": name, "url": f"{base}/rounds/{row['round']}/{name}", "sha256": row[hashed]}
            for name, hashed in files.items()
            if row[hashed] is not None
        ],
    }


def listed(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """One bazaar in a list."""
    state, days = row["state"], row["days"]
    told = notice(row["cancelled_because"], row["moved_from"], days, cancelled=state == "cancelled")
    shown_as: dict[str, Phase] = {"cancelled": "cancelled", "tentative": "tentative", "finished": "held"}
    phase = shown_as.get(state, "announced")
    return {
        "bazaar_id": row["bazaar_id"],
        "name": row["name"],
        "theme": row["theme"],
        "setting": {"code": row["setting"], **SETTINGS[row["setting"]].both()},
        "phase": {"code": phase, **phase_in_words(phase, days, now).both()},
        "notice": _both(told),
        "days": days,
        "when": days_in_words(days).both(),
        "sites": row["sites"],
        "kelurahan": [_area(code) for code in row["kelurahan"]],
        "series_id": row["series_id"],
    }


def event_for_search(shown: Mapping[str, Any]) -> dict[str, Any]:
    """The bazaar as schema.org says events, for search engines and assistants."""
    online = shown["setting"]["code"] == "online"
    days: Sequence[date] = shown["days"]
    status = "EventScheduled"
    if shown["phase"]["code"] == "cancelled":
        status = "EventCancelled"
    elif shown["moved_from"]:
        status = "EventRescheduled"
    event: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "Event",
        "name": shown["name"],
        "startDate": days[0].isoformat(),
        "endDate": days[-1].isoformat(),
        "eventStatus": f"https://schema.org/{status}",
        "eventAttendanceMode": f"https://schema.org/{'Online' if online else 'Offline'}EventAttendanceMode",
        "isAccessibleForFree": True,
        "organizer": [{"@type": "Organization", "name": one["name"]} for one in shown["organisers"]],
    }
    if shown["theme"]:
        event["description"] = shown["theme"]
    if status == "EventRescheduled":
        event["previousStartDate"] = shown["moved_from"][0].isoformat()
    if online:
        event["location"] = [{"@type": "VirtualLocation", "url": link["url"]} for link in shown["links"]]
    else:
        event["location"] = [
            {
                "@type": "Place",
                "name": site["name"],
                "address": {
                    "@type": "PostalAddress",
                    "addressLocality": site["kelurahan"]["name"],
                    "addressRegion": "DKI Jakarta",
                    "addressCountry": "ID",
                    **({"streetAddress": site["address"]} if site["address"] else {}),
                },
            }
            for site in shown["sites"]
        ]
    return event
