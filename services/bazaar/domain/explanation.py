"""Why not me: the stored decision on a waiting applicant as plain sentences, in Indonesian and English."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from lokal.wilayah import wilayah_name

CATEGORY_NAMES = {
    "food-drink": ("makanan dan minuman", "food and drink"),
    "fashion-craft": ("busana dan kerajinan", "fashion and craft"),
    "meals-household": ("makanan berat dan kebutuhan rumah tangga", "meals and household goods"),
    "health": ("kesehatan", "health"),
}
"""The programme's product groups (DOMAIN D3); a category that is not here is shown by its code."""

AHEAD = {
    "reserved": ("{} lewat jatah binaan pengampu atau kelompoknya", "{} on seats reserved for their agency or group"),
    "fewer_turns": ("{} karena lebih jarang mendapat giliran", "{} because they had fewer turns so far"),
    "waited_longer": ("{} karena menunggu lebih lama", "{} because they have waited longer"),
    "group_fewer_turns": (
        "{} karena kelompoknya lebih jarang mendapat giliran",
        "{} because their group had fewer turns so far",
    ),
    "group_waited_longer": (
        "{} karena kelompoknya menunggu lebih lama",
        "{} because their group has waited longer",
    ),
    "lottery": ("{} lewat undian terbuka", "{} by the public lottery"),
}


class Standing(NamedTuple):
    """A waiting applicant: its place now (1 = next) of how many, and what the round's result says of it."""

    bazaar_name: str
    place: int
    waiting: int
    because: Mapping[str, Any]
    ahead: Mapping[str, int]
    forecast_round: int | None
    over: bool


class _Language(NamedTuple):
    column: int
    joined: Callable[[Sequence[str]], str]


def explain(standing: Standing, site_names: Mapping[str, str]) -> dict[str, str]:
    """{"id": ..., "en": ...}: place, what binds, who went before and why, and when the turn is forecast."""
    return {"id": _indonesian(standing, site_names), "en": _english(standing, site_names)}


def _indonesian(standing: Standing, site_names: Mapping[str, str]) -> str:
    language = _Language(0, lambda parts: _joined(parts, "dan"))
    went = _went_before(standing.ahead, language)
    sentences = [
        f"{standing.bazaar_name} sudah selesai dan kali ini Anda belum mendapat lapak."
        if standing.over
        else f"Anda berada di urutan ke-{standing.place} dari {standing.waiting} pelamar yang menunggu lapak di "
        f"{standing.bazaar_name}.",
        _binds_indonesian(standing.because, site_names, language),
        f"Yang mendapat lapak itu lebih dahulu: {went}." if went else "",
        _forecast_indonesian(standing.forecast_round),
        "" if standing.over else "Jika ada lapak yang dikembalikan, pelamar di urutan terdepan langsung kami tawari.",
        "Waktu tunggu Anda tetap dihitung: makin lama menunggu, makin depan urutan Anda di bazar berikutnya.",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _english(standing: Standing, site_names: Mapping[str, str]) -> str:
    language = _Language(1, lambda parts: _joined(parts, "and"))
    went = _went_before(standing.ahead, language)
    sentences = [
        f"{standing.bazaar_name} is over and there was no booth for you this time."
        if standing.over
        else f"You are number {standing.place} of {standing.waiting} waiting for a booth at {standing.bazaar_name}.",
        _binds_english(standing.because, site_names, language),
        f"Who came before you there: {went}." if went else "",
        _forecast_english(standing.forecast_round),
        "" if standing.over else "When a booth is given back, the first in the queue is offered it at once.",
        "Your waiting time still counts: the longer you wait, the further ahead you are at the next bazaar.",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _binds_indonesian(because: Mapping[str, Any], site_names: Mapping[str, str], language: _Language) -> str:
    match because.get("code"):
        case "group-had-its-seat":
            group = _group_name(because["group"], because["value"], language)
            return f"Setiap kelompok mendapat paling banyak {because['seats']} lapak, dan jatah {group} sudah terpakai."
        case "cap-reached":
            parts = [
                f"jatah {_group_name(cap['group'], cap['value'], language)} di "
                f"{language.joined(_sites(cap['pools'], site_names))} sudah penuh"
                for cap in because["caps"]
            ]
            if because["full"]:
                parts.append(f"semua lapak di {language.joined(_sites(because['full'], site_names))} sudah terisi")
            return _capitalised(language.joined(parts)) + "."
        case "pools-full":
            sites = language.joined(_sites(because["pools"], site_names))
            return f"Semua lapak di lokasi pilihan Anda ({sites}) sudah terisi."
        case _:
            return ""


def _binds_english(because: Mapping[str, Any], site_names: Mapping[str, str], language: _Language) -> str:
    match because.get("code"):
        case "group-had-its-seat":
            group = _group_name(because["group"], because["value"], language)
            return f"Each group gets at most {_count_of_booths(because['seats'])}; the share of {group} is used up."
        case "cap-reached":
            parts = [
                f"the booths for {_group_name(cap['group'], cap['value'], language)} at "
                f"{language.joined(_sites(cap['pools'], site_names))} went to others"
                for cap in because["caps"]
            ]
            if because["full"]:
                parts.append(f"all booths at {language.joined(_sites(because['full'], site_names))} went to others")
            return _capitalised(language.joined(parts)) + "."
        case "pools-full":
            sites = language.joined(_sites(because["pools"], site_names))
            return f"All booths at the sites you chose ({sites}) went to others."
        case _:
            return ""


def _forecast_indonesian(rounds: int | None) -> str:
    if rounds is None:
        return "Perkiraan giliran belum dapat dihitung; memilih lokasi lain akan memperbesar peluang Anda."
    when = "pada bazar berikutnya" if rounds == 1 else f"pada bazar ke-{rounds} setelah ini"
    return f"Dengan jumlah lapak dan pelamar seperti sekarang, giliran Anda diperkirakan {when}."


def _forecast_english(rounds: int | None) -> str:
    if rounds is None:
        return "Your turn cannot be forecast yet; naming other sites will improve your chance."
    when = "the next bazaar" if rounds == 1 else f"bazaar number {rounds} after this one"
    return f"With as many booths and applicants as now, your turn is forecast for {when}."


def _count_of_booths(seats: int) -> str:
    return "1 booth" if seats == 1 else f"{seats} booths"


def _went_before(ahead: Mapping[str, int], language: _Language) -> str:
    return language.joined([AHEAD[why][language.column].format(ahead[why]) for why in AHEAD if ahead.get(why)])


def _group_name(group: str, value: str, language: _Language) -> str:
    match group:
        case "agency":
            return ("binaan ", "vendors coached by ")[language.column] + value.upper()
        case "category":
            name = CATEGORY_NAMES.get(value, (value, value))[language.column]
            return ("kategori ", "the category ")[language.column] + name
        case "rw":
            kelurahan, _, rw = value.rpartition(".")
            return f"RW {rw} Kelurahan {wilayah_name(kelurahan) or kelurahan}"
        case _:
            return f"Kelurahan {wilayah_name(value) or value}"


def _sites(pools: Sequence[str], site_names: Mapping[str, str]) -> list[str]:
    return [site_names.get(pool, pool) for pool in pools]


def _joined(parts: Sequence[str], conjunction: str) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {conjunction} {parts[-1]}" if parts else ""


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
