"""Why me, why not me: what was decided on an application, in plain sentences in Indonesian and English."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from services.bazaar.domain.bazaar import Bazaar
from services.bazaar.domain.ledger import Adjustment, remaining
from services.bazaar.domain.standing import tell_adjustment
from services.bazaar.domain.wording import days_in_words, group_in_words, site_titles, sites_in_words
from shared.wording import Words, day_in_words, joined, moment_in_words

AHEAD = {
    "reserved": Words(
        "{} lewat jatah binaan pengampu atau kelompoknya", "{} on seats reserved for their agency or group"
    ),
    "fewer_turns": Words("{} karena lebih jarang mendapat giliran", "{} because they had fewer turns so far"),
    "waited_longer": Words("{} karena menunggu lebih lama", "{} because they have waited longer"),
    "group_fewer_turns": Words(
        "{} karena kelompoknya lebih jarang mendapat giliran",
        "{} because their group had fewer turns so far",
    ),
    "group_waited_longer": Words(
        "{} karena kelompoknya menunggu lebih lama",
        "{} because their group has waited longer",
    ),
    "lottery": Words("{} lewat undian terbuka", "{} by the public lottery"),
}

INELIGIBLE = {
    "unknown-vendor": Words("pendaftaran Anda belum kami terima", "your registration has not reached us yet"),
    "vendor-suspended": Words(
        "keikutsertaan Anda dalam program sedang ditangguhkan; hubungi petugas di kelurahan Anda",
        "your part in the programme is suspended; please speak to an officer of your kelurahan",
    ),
    "training-missing": Words(
        "bazar ini meminta satu pelatihan yang selesai, dan pelatihan Anda belum tercatat",
        "this bazaar asks for one completed training, and none of yours is recorded yet",
    ),
    "group-missing": Words(
        "giliran di bazar ini diatur menurut kelompok (misalnya kategori), dan data kelompok Anda belum tercatat",
        "this bazaar takes turns by a group such as the category, and yours is not recorded yet",
    ),
    "not-admitted": Words(
        "bazar ini dibuka untuk kelompok lain (kategori, pengampu atau wilayah)",
        "this bazaar is for other vendors (by category, agency or area)",
    ),
    "same-person": Words(
        "Anda sudah ikut dengan lamaran lain; satu orang mengikuti satu bazar dengan satu lamaran",
        "you already take part with another application; one person has one application to a bazaar",
    ),
    "already-applied": Words("Anda sudah melamar sendiri", "you have applied yourself already"),
    "withdrawn-before": Words(
        "Anda menarik kembali lamaran Anda ke bazar ini", "you took your application to this bazaar back"
    ),
    "category-changed": Words(
        "kategori Anda sekarang bukan kategori yang Anda sebut pada minat tetap ini",
        "your category now is none of those that you named in this standing interest",
    ),
}
"""Why a vendor is not in a round, or its standing interest made no application: the reason, inside a sentence."""

CANCELLED = {
    "holiday": Words("hari libur", "of a holiday"),
    "weather": Words("cuaca", "of the weather"),
    "venue": Words("tempatnya tidak dapat dipakai", "the venue cannot be used"),
    "organiser": Words("keputusan penyelenggara", "of a decision of the organiser"),
    "safety": Words("keselamatan", "of safety"),
}
"""Why a bazaar does not take place."""


class Standing(NamedTuple):
    """A waiting applicant: its place now (1 = next) of how many, and what the round's result says of it.

    `waiting` is None where it is not known how many wait.
    """

    bazaar_name: str
    place: int
    waiting: int | None
    because: Mapping[str, Any]
    ahead: Mapping[str, int]
    forecast_round: int | None
    over: bool


def explain(standing: Standing, titles: Mapping[str, Words]) -> dict[str, str]:
    """{"id": ..., "en": ...}: place, what binds, who went before and why, and when the turn is forecast.

    `titles`: what each site is called, by its id.
    """
    return _explained(standing, _binds(standing.because, titles))


def _explained(standing: Standing, binds: Words | None) -> dict[str, str]:
    parts = [
        _place(standing),
        binds,
        _went_before(standing.ahead),
        _forecast(standing.forecast_round),
        None if standing.over else WHEN_GIVEN_BACK,
        STILL_COUNTS,
    ]
    return _text(parts)


WHEN_GIVEN_BACK = Words(
    "Jika ada lapak yang dikembalikan, kami langsung menawarkannya kepada pelamar terdepan yang dapat menempatinya.",
    "When a booth is given back, the first in the queue who may have it is offered it at once.",
)
STILL_COUNTS = Words(
    "Waktu tunggu Anda tetap dihitung: makin lama menunggu, makin depan urutan Anda di bazar berikutnya.",
    "Your waiting time still counts: the longer you wait, the further ahead you are at the next bazaar.",
)


def _text(parts: Iterable[Words | None]) -> dict[str, str]:
    said = [part for part in parts if part is not None]
    return {"id": " ".join(part.id for part in said), "en": " ".join(part.en for part in said)}


def _place(standing: Standing) -> Words:
    name, place, waiting = standing.bazaar_name, standing.place, standing.waiting
    if standing.over:
        return Words(
            f"{name} sudah selesai dan kali ini Anda belum mendapat lapak.",
            f"{name} is over and there was no booth for you this time.",
        )
    if waiting is None:
        return Words(
            f"Anda berada di urutan ke-{place} dalam antrean lapak di {name}.",
            f"You are number {place} in the queue for a booth at {name}.",
        )
    return Words(
        f"Anda berada di urutan ke-{place} dari {waiting} pelamar yang menunggu lapak di {name}.",
        f"You are number {place} of {waiting} waiting for a booth at {name}.",
    )


def _binds(because: Mapping[str, Any], titles: Mapping[str, Words]) -> Words | None:
    match because.get("code"):
        case "group-had-its-seat":
            group, seats = group_in_words(because["group"], because["value"]), because["seats"]
            return Words(
                f"Setiap kelompok mendapat paling banyak {seats} lapak, dan jatah {group.id} sudah terpakai.",
                f"Each group gets at most {_booths(seats)}; the share of {group.en} is used up.",
            )
        case "cap-reached":
            return _capped(because, titles)
        case "pools-full":
            sites = sites_in_words(because["pools"], titles)
            return Words(
                f"Semua lapak di lokasi pilihan Anda ({sites.id}) sudah terisi.",
                f"All booths at the sites you chose ({sites.en}) went to others.",
            )
        case "party-does-not-fit":
            return _apart(because, titles)
        case _:
            return None


def _apart(because: Mapping[str, Any], titles: Mapping[str, Words]) -> Words:
    size, sites = because["size"], sites_in_words(because["pools"], titles)
    stands = Words(
        f"Anda ingin berjualan bersama rombongan ({size} pelamar)", f"You want to stand together as a party of {size}"
    )
    chose = Words("Kalian memilih bersama atau tidak sama sekali.", "You chose to stand together or not at all.")
    if because["cap"] is None:
        return Words(
            f"{stands.id}, dan di {sites.id} tidak ada cukup lapak untuk kalian semua sekaligus. {chose.id}",
            f"{stands.en}, and at {sites.en} there was no room for all of you at once. {chose.en}",
        )
    group, seats = group_in_words(because["cap"]["group"], because["cap"]["value"]), because["cap"]["seats"]
    return Words(
        f"{stands.id}, dan bersama-sama kalian akan melebihi jatah {group.id} (paling banyak {seats} lapak). "
        f"{chose.id}",
        f"{stands.en}, and together you would take more than the share of {group.en} ({_booths(seats)} at most). "
        f"{chose.en}",
    )


def _booths(seats: int) -> str:
    return "1 booth" if seats == 1 else f"{seats} booths"


def _capped(because: Mapping[str, Any], titles: Mapping[str, Words]) -> Words:
    parts = []
    for cap in because["caps"]:
        group, sites = group_in_words(cap["group"], cap["value"]), sites_in_words(cap["pools"], titles)
        parts.append(
            Words(
                f"jatah {group.id} di {sites.id} sudah penuh", f"the booths for {group.en} at {sites.en} went to others"
            )
        )
    if because["full"]:
        sites = sites_in_words(because["full"], titles)
        parts.append(Words(f"semua lapak di {sites.id} sudah terisi", f"all booths at {sites.en} went to others"))
    said = joined(parts)
    return Words(_capitalised(said.id) + ".", _capitalised(said.en) + ".")


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _went_before(ahead: Mapping[str, int]) -> Words | None:
    went = joined([Words(*(said.format(ahead[why]) for said in AHEAD[why])) for why in AHEAD if ahead.get(why)])
    if not went.id:
        return None
    return Words(f"Yang mendapat lapak itu lebih dahulu: {went.id}.", f"Who came before you there: {went.en}.")


def _forecast(rounds: int | None) -> Words:
    if rounds is None:
        return Words(
            "Perkiraan giliran belum dapat dihitung; memilih lokasi lain akan memperbesar peluang Anda.",
            "Your turn cannot be forecast yet; naming other sites will improve your chance.",
        )
    when = Words(f"pada bazar ke-{rounds} setelah ini", f"bazaar number {rounds} after this one")
    if rounds == 1:
        when = Words("pada bazar berikutnya", "the next bazaar")
    return Words(
        f"Dengan jumlah lapak dan pelamar seperti sekarang, giliran Anda diperkirakan {when.id}.",
        f"With as many booths and applicants as now, your turn is forecast for {when.en}.",
    )


class RoundWords:
    """The decisions of one round on those who wait, in words: of `waiting` applicants, where that is known."""

    def __init__(self, bazaar: Bazaar, waiting: int | None = None) -> None:
        self._bazaar = bazaar
        self._waiting = waiting
        self._titles = site_titles(bazaar)
        self._binding: dict[str, Words | None] = {}
        """Tens of thousands who wait share few reasons."""

    def of(self, decision: Mapping[str, Any]) -> dict[str, str]:
        """In words, the entry of one applicant under `waiting` in the round's result."""
        standing = Standing(
            self._bazaar.name,
            decision["place"],
            self._waiting,
            decision["because"],
            decision["ahead"],
            decision["forecast_round"],
            over=False,
        )
        reason = str(standing.because)
        if reason not in self._binding:
            self._binding[reason] = _binds(standing.because, self._titles)
        return _explained(standing, self._binding[reason])


# ---- every state of an application


class Company(NamedTuple):
    """The party it wants to stand with: how many are in it now, and whether without room for all nobody stands."""

    members: int
    together_or_not: bool


class Situation(NamedTuple):
    """All that an application's sentences need. `days`: of its booth's site, else of the bazaar.

    `because`: the code of why it is not in the round, or of why the bazaar is cancelled; `phase`: 1 where the round
    gave it a reserved seat, None where that is not known; `waiting_since`: before this application's own turn;
    `turn`: whether it counts as one.
    """

    state: str
    bazaar_name: str
    days: Sequence[date]
    over: bool = False
    because: str | None = None
    site: Words | None = None
    booth: str | None = None
    respond_by: datetime | None = None
    promoted: bool = False
    phase: int | None = None
    waiting_since: date | None = None
    queue: Standing | None = None
    company: Company | None = None
    turn: bool = True
    adjustments: Sequence[Adjustment] = ()


def tell(situation: Situation, titles: Mapping[str, Words], today: date) -> dict[str, str]:
    """How an application stands, and why, in both languages: for every state that there is."""
    return _text([*_parts(situation, titles), *counted(situation.adjustments, today)])


def _parts(one: Situation, titles: Mapping[str, Words]) -> list[Words | None]:
    name = one.bazaar_name
    match one.state:
        case "received":
            on = days_in_words(one.days)
            return [
                Words(
                    f"Lamaran Anda ke {name} ({on.id}) sudah kami terima. Siapa yang mendapat lapak ditentukan setelah "
                    "pendaftaran ditutup, dengan aturan dan undian yang dapat diperiksa semua orang.",
                    f"We have your application to {name} ({on.en}). Who gets a booth is decided after applications "
                    "close, by a rule and a lottery that everybody can check.",
                ),
                _company(one.company),
                _waits(one.waiting_since),
            ]
        case "withdrawn":
            return [
                Words(
                    f"Lamaran Anda ke {name} sudah ditarik kembali. Ini tidak mengurangi giliran Anda.",
                    f"Your application to {name} was taken back. It costs you no turn.",
                )
            ]
        case "ineligible":
            return [_ineligible(one), COUNTS_ON, MAY_OBJECT]
        case "queued" if one.queue is not None:
            return [*map(_words, [explain(one.queue, titles)])]
        case "cancelled":
            return [_cancelled(one), COUNTS_ON]
        case _:
            return _with_booth(one)


def _words(text: Mapping[str, str]) -> Words:
    return Words(text["id"], text["en"])


COUNTS_ON = Words("Waktu tunggu Anda tetap dihitung.", "Your waiting time still counts.")
MAY_OBJECT = Words(
    "Jika menurut Anda ini keliru, Anda dapat mengajukan keberatan dalam 30 hari; petugas akan memeriksanya.",
    "If you think this is wrong you may object within 30 days; a person will look at it.",
)
NO_TURN = Words("Ini tidak mengurangi giliran Anda.", "It costs you no turn.")
ONE_TURN = Words("Ini dihitung sebagai satu giliran.", "It counts as one turn.")
HELD_FOR_YOU = Words(
    "Selama menunggu jawaban Anda lapak itu tertahan, maka ini dihitung sebagai satu giliran.",
    "The booth was held for you all that time, so it counts as one turn.",
)
TURN_RETURNED = Words("Giliran ini sudah dikembalikan kepada Anda.", "This turn was given back to you.")


def _company(company: Company | None) -> Words | None:
    if company is None:
        return None
    if company.members < 2:
        return Words(
            "Rombongan Anda belum beranggota lain; tanpa anggota lain Anda ikut sebagai pelamar biasa.",
            "Nobody else is in your party yet; alone you take part as any applicant.",
        )
    if company.together_or_not:
        return Words(
            f"Anda ikut dalam rombongan {company.members} pelamar: semua mendapat lapak di satu lokasi, atau tidak "
            "satu pun.",
            f"You are in a party of {company.members}: all get booths at one site, or none does.",
        )
    return Words(
        f"Anda ikut dalam rombongan {company.members} pelamar: jika tidak ada tempat untuk semua, masing-masing "
        "dipertimbangkan sendiri.",
        f"You are in a party of {company.members}: where there is no room for all, each is considered alone.",
    )


def _waits(since: date | None) -> Words | None:
    if since is None:
        return None
    day = day_in_words(since)
    return Words(f"Anda menunggu giliran sejak {day.id}.", f"You have waited for a turn since {day.en}.")


def _ineligible(one: Situation) -> Words:
    reason = ineligible_in_words(one.because)
    return Words(
        f"Lamaran Anda ke {one.bazaar_name} tidak ikut dalam pembagian lapak: {reason.id}.",
        f"Your application to {one.bazaar_name} is not in the round: {reason.en}.",
    )


def ineligible_in_words(code: str | None) -> Words:
    """Why a vendor may not take part, as part of a sentence."""
    return INELIGIBLE.get(
        code or "", Words("syarat bazar ini belum terpenuhi", "a condition of this bazaar is not met")
    )


def _cancelled(one: Situation) -> Words:
    reason, on = CANCELLED.get(one.because or ""), days_in_words(one.days)
    return Words(
        f"{one.bazaar_name} ({on.id}) batal diadakan{f' karena {reason.id}' if reason else ''}. Tidak ada giliran yang "
        "terpakai.",
        f"{one.bazaar_name} ({on.en}) does not take place{f' because {reason.en}' if reason else ''}. No turn is used.",
    )


def _with_booth(one: Situation) -> list[Words | None]:
    site, name, on = one.site or Words("", ""), one.bazaar_name, days_in_words(one.days)
    booth = Words(f"lapak {one.booth} di {site.id}", f"booth {one.booth} at {site.en}")
    match one.state:
        case "offered":
            return [
                Words(
                    f"Anda ditawari {booth.id} untuk {name} ({on.id}).",
                    f"You are offered {booth.en} for {name} ({on.en}).",
                ),
                _why_me(one),
                _answer_by(one.respond_by),
            ]
        case "confirmed":
            return [
                Words(
                    f"{_capitalised(booth.id)} untuk {name} ({on.id}) sudah pasti untuk Anda.",
                    f"{_capitalised(booth.en)} for {name} ({on.en}) is yours.",
                ),
                _why_me(one),
                ONE_TURN if one.turn else None,
            ]
        case "attended":
            return [
                Words(
                    f"Anda berjualan di {booth.id} pada {name} ({on.id}). Terima kasih!",
                    f"You stood at {booth.en} at {name} ({on.en}). Thank you!",
                ),
                ONE_TURN if one.turn else None,
            ]
        case "declined":
            return [
                Words(
                    f"Anda tidak mengambil {booth.id} untuk {name}; lapak itu ditawarkan kepada yang berikutnya.",
                    f"You did not take {booth.en} for {name}; it went to the next in rotation.",
                ),
                NO_TURN,
            ]
        case "released":
            return [
                Words(
                    f"{_capitalised(booth.id)} untuk {name} sudah Anda kembalikan dan ditawarkan kepada yang "
                    "berikutnya.",
                    f"You gave {booth.en} for {name} back, and it went to the next in rotation.",
                ),
                ONE_TURN if one.turn else NO_TURN,
            ]
        case "lapsed":
            until = moment_in_words(one.respond_by) if one.respond_by is not None else Words("-", "-")
            return [
                Words(
                    f"Tawaran {booth.id} untuk {name} tidak dijawab sampai {until.id}, sehingga lapak ditawarkan "
                    "kepada yang berikutnya.",
                    f"The offer of {booth.en} for {name} was not answered by {until.en}, so the booth went to the "
                    "next in rotation.",
                ),
                HELD_FOR_YOU if one.turn else TURN_RETURNED,
                MAY_OBJECT if one.turn else None,
            ]
        case "missed":
            return [
                Words(
                    f"{_capitalised(booth.id)} untuk {name} ({on.id}) sudah Anda pastikan, tetapi Anda tercatat tidak "
                    "hadir.",
                    f"{_capitalised(booth.en)} for {name} ({on.en}) was confirmed, and you were not seen there.",
                ),
                ONE_TURN if one.turn else TURN_RETURNED,
                MAY_OBJECT if one.turn else None,
            ]
        case _:
            return [Words(f"Lamaran Anda ke {name} sudah kami catat.", f"Your application to {name} is recorded.")]


def _why_me(one: Situation) -> Words | None:
    if one.promoted:
        why = Words(
            "Lapak ini dikembalikan oleh pelamar lain, dan Anda yang terdepan dalam antrean",
            "Somebody gave this booth back, and you were first in the queue",
        )
    elif one.phase == 1:
        why = Words(
            "Lapak ini dari jatah binaan pengampu atau kelompok Anda, dan Anda yang terdepan di antara mereka",
            "It is one of the seats reserved for your agency or group, and you were first among them",
        )
    else:
        why = Words(
            "Giliran Anda tiba menurut aturan giliran dan undian terbuka",
            "Your turn has come by the rule of rotation and the public lottery",
        )
    if one.waiting_since is None:
        return Words(f"{why.id}.", f"{why.en}.")
    since = day_in_words(one.waiting_since)
    return Words(f"{why.id}; Anda menunggu sejak {since.id}.", f"{why.en}; you had waited since {since.en}.")


def _answer_by(respond_by: datetime | None) -> Words | None:
    if respond_by is None:
        return None
    until = moment_in_words(respond_by)
    return Words(
        f"Jawablah sampai {until.id}. Menolak tidak mengurangi giliran; tidak menjawab dihitung satu giliran.",
        f"Please answer by {until.en}. Declining costs no turn; not answering costs one.",
    )


def counted(adjustments: Sequence[Adjustment], today: date) -> list[Words]:
    """What is left today of each adjustment of a vendor's standing, and until when it counts."""
    return [tell_adjustment(one, today) for one in adjustments if any(remaining(one, today))]
