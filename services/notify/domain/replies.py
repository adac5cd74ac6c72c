"""What a person means who answers a message: pure. Precision before recall: whatever is not sure is `other`, and an
officer reads it.

A text is understood only when every word of it is. Words have classes; what the classes make together is decided by a
few rules, of which each doubt ends in `other`. No single slip of the finger turns a yes into a no: a word that one
letter parts from a negation ("ya mau", "ga mau") counts for nothing before a yes. Typing errors are forgiven in long
words only, and only where no other word is as near.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal, TypeAlias
from uuid import UUID

from shared.events.notify import Intent

__all__ = ["CHARS_MAX", "Meaning", "read_button", "understand"]

CHARS_MAX = 120
"""A longer text is a letter, not an answer."""
WORDS_MAX = 8
FUZZY_CHARS_MIN = 5
"""Shorter words are too near to one another: `ya` and `ga`, `ok` and `gk`."""

Class: TypeAlias = Literal[
    "yes",
    "act",
    "up",
    "no",
    "not",
    "doubt",
    "stop",
    "start",
    "why",
    "schedule",
    "particle",
    "self",
    "gained",
    "sending",
    "filler",
    "pause",
]

_WORDS: Mapping[Class, str] = {
    "yes": "ya y iya iyah iye yes yess yep yup yoi mau pengen ok oke okey okay oces sip siip siap setuju sanggup "
    "bersedia jadi bisa boleh konfirmasi accept accepted agree agreed sure confirm confirmed deal sepakat diterima "
    "diambil laksanakan want",
    # what one does with a booth: under a negation together with the word before it ("tidak bisa ikut")
    "act": "ikut hadir datang ambil terima menerima lanjut",
    "no": "batal batalkan dibatalkan membatalkan cancel cancelled tolak menolak ditolak mundur decline declined refuse "
    "reject gamau gakmau ngakmau nggakmau enggakmau tidakmau gajadi gakjadi nggakjadi tidakjadi tdkjadi gabisa "
    "gakbisa nggakbisa tidakbisa tdkbisa gaikut gakikut keberatan",
    "not": "tidak tdk tak tdak tida gak ga nggak ngga ngak nga enggak engga kagak kaga ndak no nope not cannot cant "
    "dont",
    # turns the meaning of what stands beside it, and nobody can tell how
    "doubt": "bukan jangan belum tapi kalau kalo asal mungkin nanti atau or but if maybe",
    "stop": "stop setop berhenti hentikan unsubscribe stopall",
    "start": "mulai start unstop aktifkan resume",
    "why": "kenapa knp knapa mengapa why alasan alasannya",
    "schedule": "jadwal jadwalnya jadual schedule kapan kpn when",
    "particle": "yah",
    "self": "saya sy aku gue gw kami kita me i my",
    "gained": "dapat dapet dpt kebagian terpilih lolos selected chosen",
    "sending": "pesan pesannya sms wa whatsapp kirim kirimi kiriman mengirim hubungi langganan berlangganan notifikasi "
    "lagi semua all info message messages sending again texts",
    "filler": "pak bu bapak ibu kak kakak min admin mas mbak bang dong deh sih kok lah nih loh ini itu tolong mohon "
    "maaf halo hai hi hello terimakasih makasih makasi trims tks thanks thx please pls lapak lapaknya bazar bazaar "
    "booth tawaran tawarannya offer stan pilih nomor nomer yang the a it to for untuk utk dengan senang hati "
    "insyaallah alhamdulillah bismillah sorry punya banyak banget sangat baik minta bazarnya pelatihan",
}
_PHRASES: tuple[tuple[str, str], ...] = (
    ("terima kasih", "makasih"),
    ("trima kasih", "makasih"),
    ("thank you", "makasih"),
    ("selamat pagi", "halo"),
    ("selamat siang", "halo"),
    ("selamat sore", "halo"),
    ("selamat malam", "halo"),
    ("insya allah", "insyaallah"),
    ("kenapa bukan saya", "kenapa"),
    ("kenapa saya tidak dapat", "kenapa"),
    ("kenapa saya nggak dapat", "kenapa"),
    ("why not me", "why"),
    ("jangan kirim", "stop kirim"),
    ("jangan kirimi", "stop kirim"),
    ("jangan hubungi", "stop hubungi"),
    ("no more", "stop"),
    ("not sure", "maybe"),
    ("iya ya", "maybe"),
    ("do not", "not"),
    ("don t", "not"),
    ("can t", "cant"),
)
_FORGIVEN: tuple[str, ...] = (
    *("setuju", "bersedia", "sanggup", "konfirmasi", "menerima", "terima", "lanjut"),
    *("tidak", "nggak", "enggak", "membatalkan", "batalkan", "menolak"),
    *("berhenti", "hentikan", "unsubscribe", "kenapa", "mengapa", "jadwal", "jadwalnya", "schedule"),
    *("accept", "confirm", "decline", "cancel"),
)
"""Words in which one slip is forgiven."""
_OTHER_WORDS = frozenset(
    {
        *("bidak", "tidal", "tindak", "lanjur", "enggan", "sanggul", "kelapa", "menyapa", "bersedih", "hentakan"),
        *("except", "accent", "conform", "recline", "cancer"),
    }
)
"""Words of their own that are one slip away from those."""

_UP, _DOWN = frozenset("👍👌✅✔💯🆗"), frozenset("👎❌✖🚫🙅")
_MOOD = frozenset("🙏😊🙂😀😁😃😄🤝😅☺🥰👋🌹🎉💪")
_PAUSE, _BETWEEN = re.compile(r"[,.;:!\n]+"), re.compile(r"[^\w👍👎🙏|]+")
_UNSEEN = frozenset({"Cf", "Mn", "Cc", "Sk"})


@dataclass(frozen=True)
class Meaning:
    """What a text means. `number`: the one that it names, as an answer to a list; `intent` is then `other` where only
    the list tells what is meant.
    """

    intent: Intent
    number: int | None = None


OTHER = Meaning("other")


def understand(text: str) -> Meaning:
    """What this text means."""
    if len(text) > CHARS_MAX:
        return OTHER
    plain = _plain(text)
    words = _phrased(plain).split()
    if not words or len(words) > WORDS_MAX * 2:
        return OTHER
    number: int | None = None
    read: list[tuple[str, Class]] = []
    for place, word in enumerate(words):
        if word.isdigit():
            # "no 2" is a no, or number two
            unclear = place > 0 and words[place - 1] == "no"
            if number is not None or unclear or len(word) > 2 or not word.isascii() or int(word) == 0:
                return OTHER
            number = int(word)
            continue
        kind = _class_of(word)
        if kind is None:
            return OTHER
        if _folded(word) in ("ya", "y") and (number is not None or any(one in _ASKING for _, one in read)):
            kind = "particle"  # "kapan ya", "2 ya"
        read.append((word, kind))
    said = [kind for _, kind in read if kind not in ("filler", "particle", "pause")]
    if len(read) - [kind for _, kind in read].count("pause") > WORDS_MAX:
        return OTHER
    if number is not None and set(said) <= {"self"}:
        return Meaning("other", number)
    intent = _asked(said, asks="?" in plain) or ("other" if "?" in plain else _yes_or_no(read))
    return Meaning(intent, number if intent in ("accept", "decline") else None)


_ASKING: frozenset[Class] = frozenset({"why", "schedule", "stop", "start"})


def _asked(said: Sequence[Class], *, asks: bool) -> Intent | None:
    """What is wished for, where it is no answer; None where it may be one."""
    kinds = set(said) - {"self"}
    if "doubt" in kinds or not kinds:
        return "other"
    if "stop" in kinds and kinds <= {"stop", "sending"}:
        # "saya berhenti" may mean the programme
        return "other" if asks or ("self" in said and "sending" not in kinds) else "stop"
    if "start" in kinds and kinds <= {"start", "sending"}:
        return "other" if asks or "self" in said else "start"
    if kinds == {"why"} or (said[0] == "why" and "gained" in kinds and kinds <= {"why", "not", "gained"}):
        return "why"
    if kinds == {"schedule"}:
        return "schedule"
    return None


def _yes_or_no(read: Sequence[tuple[str, Class]]) -> Intent:
    """A yes, a no, or a negated yes; two that do not agree are neither. A negation holds for the word right after it:
    "tidak mau" is a no, of "tidak, saya mau" nobody can tell.
    """
    answers: set[Intent] = set()
    place = 0
    while place < len(read):
        word, kind = read[place]
        following = read[place + 1][1] if place + 1 < len(read) else None
        match kind:
            case "up":
                answers.add("accept")
            case "yes" | "act":
                if place > 0 and read[place - 1][1] != "pause" and _may_negate(read[place - 1][0]):
                    return "other"
                answers.add("accept")
            case "no":
                answers.add("decline")
                place += following == "act"
            case "not":
                if following in ("no", "not") or (len(_folded(word)) < 3 and word != "no" and not _is_yes(following)):
                    return "other"  # "tidak batal", "tidak tidak"; "ga" alone is one slip from "ya"
                answers.add("decline")
                if _is_yes(following):
                    place += 1
                    after = read[place + 1][1] if place + 1 < len(read) else None
                    if after == "no":
                        return "other"  # "tidak jadi batal"
                    place += after == "act"
            case "filler" | "particle" | "self" | "pause":
                pass
            case _:
                return "other"
        place += 1
    return answers.pop() if len(answers) == 1 else "other"


def _is_yes(kind: Class | None) -> bool:
    return kind in ("yes", "act")


@lru_cache(maxsize=1024)
def _may_negate(word: str) -> bool:
    """Whether one slip parts this word from a negation: "ya mau" and "pak mau" from "ga mau", "gak mau"."""
    return any(_apart(_folded(word), one) <= 1 for one in _negations())


# --- words


def _plain(text: str) -> str:
    """Small letters in their usual form, without what cannot be seen; symbols of approval as words of their own."""
    if text.isascii() and text.isprintable():
        return text.casefold().strip()
    shown = []
    for char in unicodedata.normalize("NFKC", text):
        if unicodedata.category(char) in _UNSEEN and not char.isspace():
            continue
        if char in _UP:
            shown.append(" 👍 ")
        elif char in _DOWN:
            shown.append(" 👎 ")
        elif char in _MOOD:
            shown.append(" 🙏 ")
        elif unicodedata.category(char) == "So":
            shown.append(" unknownsymbol ")
        else:
            shown.append(char)
    return "".join(shown).casefold().strip()


def _phrased(plain: str) -> str:
    """Words with single spaces, pauses as words of their own, what is said in several words in one."""
    words = _PAUSE.sub(" | ", plain)
    words = " ".join(_BETWEEN.sub(" ", words).split()).strip("| ")
    for phrase, meant in _PHRASES:
        if phrase in words:
            words = re.sub(rf"\b{phrase}\b", meant, words)
    return words


def _folded(word: str) -> str:
    """Letters that are drawn out count once: `yaaa`, `okee`, `nggak` and `ngak`."""
    return re.sub(r"(.)\1+", r"\1", word)


@cache
def _lexicon() -> Mapping[str, Class]:
    found: dict[str, Class] = {"👍": "up", "👎": "no", "🙏": "filler", "|": "pause"}
    for kind, words in _WORDS.items():
        for word in words.split():
            found.setdefault(_folded(word), kind)
    return found


@cache
def _negations() -> tuple[str, ...]:
    return tuple(word for word, kind in _lexicon().items() if kind == "not")


@lru_cache(maxsize=4096)
def _class_of(word: str) -> Class | None:
    """The class of a word, one slip forgiven in long ones; None for a word we do not know."""
    folded = _folded(word)
    known = _lexicon().get(folded)
    if known is not None or word in _OTHER_WORDS or len(word) < FUZZY_CHARS_MIN - 1:
        return known
    near = {_lexicon()[_folded(one)] for one in _near(folded)}
    return near.pop() if len(near) == 1 else None


def _near(folded: str) -> Iterator[str]:
    for one in _FORGIVEN:
        aim = _folded(one)
        if len(aim) < FUZZY_CHARS_MIN or _apart(folded, aim) > 1:
            continue
        # in a word of five letters one that is replaced may be another word: bidak, tidur, batas
        if len(aim) == FUZZY_CHARS_MIN and len(folded) == len(aim) and sorted(folded) != sorted(aim):
            continue
        yield one


def _apart(one: str, other: str) -> int:
    from rapidfuzz.distance import OSA  # 3 MB, for the first word that is not known

    return OSA.distance(one, other, score_cutoff=1)


# --- buttons


def read_button(payload: str) -> tuple[Intent, UUID | None]:
    """What a quick reply answers and about which application, from its payload `<label>:<id>`; `other` and None where
    it is none of ours.
    """
    label, _, rest = payload.rpartition(":")
    try:
        about = UUID(rest)
    except ValueError:
        return "other", None
    return understand(label).intent, about
