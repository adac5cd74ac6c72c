"""Areas of the province by official code: 6 cities and regencies, 44 kecamatan, 267 kelurahan (Kemendagri, by `lokal`).

They stand in `areas.json`, taken from `lokal` and compared with it by a test: `lokal` would read the 84,000 villages of
the country and keep them, 35 MB for 317 names.

A code is a path: 31 > 31.71 > 31.71.02 > 31.71.02.1002, so an area contains another when its code leads the other's.

`area_aliases.json` holds what people call them besides: short names (one may mean two areas), and words that are
written in short or in two ways.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

__all__ = [
    "PROVINCE",
    "PROVINCE_NAME",
    "AreaLevel",
    "AreaMatch",
    "Found",
    "aliases",
    "areas",
    "areas_inside",
    "contains",
    "describe",
    "dotted",
    "kelurahan_codes",
    "kelurahan_named",
    "kelurahan_names",
    "level_of",
    "name_of",
    "name_traps",
    "search_areas",
]

PROVINCE = "31"
PROVINCE_NAME = "DKI Jakarta"
TABLE = Path(__file__).with_name("areas.json")
ALIASES = Path(__file__).with_name("area_aliases.json")
CODE_LENGTHS = (2, 5, 8, 13)
"""Of a province, a city, a kecamatan, a kelurahan, with dots."""

AreaLevel = Literal["province", "city", "kecamatan", "kelurahan"]
LEVELS: tuple[AreaLevel, ...] = get_args(AreaLevel)
AreaMatch = Literal["code", "name", "alias", "beginning", "words", "similar"]
"""Why an area was found, the surest first."""

SIMILAR_PERCENT_MIN = 80
"""Of the letters two names share (normalized indel similarity): one slip in five letters, `Gamir`, is 90 or so; below
80 the names of the province begin to resemble each other."""
SIMILAR_LETTERS_MIN = 4

NAME_TRAPS: tuple[frozenset[str], ...] = (frozenset({"31.73.06.1004", "31.72.01.1002"}),)
"""Kelurahan whose names are mistaken for each other: Kamal (Kalideres, West) and Kamal Muara (Penjaringan, North)."""

_DIGITS = re.compile(r"\d{10}", re.ASCII)
_CODE = re.compile(r"\d{2}(?:\.?\d{2}(?:\.?\d{2}(?:\.?\d{4})?)?)?", re.ASCII)
_SAID_LEVELS: dict[str, AreaLevel] = {
    "kel": "kelurahan",
    "kelurahan": "kelurahan",
    "kec": "kecamatan",
    "kecamatan": "kecamatan",
    "kota": "city",
    "kab": "city",
    "kabupaten": "city",
}


@cache
def areas() -> Mapping[str, str]:
    """Code -> name of every city, kecamatan and kelurahan of the province."""
    return MappingProxyType(json.loads(TABLE.read_bytes()))


@cache
def kelurahan_names() -> Mapping[str, str]:
    """Code -> name of the kelurahan alone."""
    return MappingProxyType({code: name for code, name in areas().items() if len(code) == CODE_LENGTHS[-1]})


@cache
def kelurahan_codes() -> Mapping[str, str]:
    """Folded name -> code of the kelurahan; within the province no two share a name."""
    return MappingProxyType({name.casefold(): code for code, name in kelurahan_names().items()})


def kelurahan_named(text: str) -> tuple[str, ...]:
    """Codes of the kelurahan whose name is this text or starts with it, the exact one first. A hint, no decision."""
    name = " ".join(text.casefold().split()).removeprefix("kelurahan ").removeprefix("kel. ")
    if not name:
        return ()
    hits = [(known != name, code) for known, code in kelurahan_codes().items() if f"{known} ".startswith(f"{name} ")]
    return tuple(code for _, code in sorted(hits))


def dotted(text: str) -> str:
    """A kelurahan code with its dots; `3171021002` is accepted too. Other text comes back trimmed."""
    code = text.strip()
    if _DIGITS.fullmatch(code):
        return f"{code[:2]}.{code[2:4]}.{code[4:6]}.{code[6:]}"
    return code


def describe(code: str) -> str:
    """A kelurahan as people tell it apart: `Kamal (Kalideres, Kota Administrasi Jakarta Barat)`."""
    names = areas()
    return f"{names[code]} ({names[code[:8]]}, {names[code[:5]]})"


@cache
def name_traps() -> Mapping[str, str]:
    """Code of a kelurahan that is mistaken for another -> the code of that other."""
    return MappingProxyType({code: other for trap in NAME_TRAPS for code in trap for other in trap - {code}})


def contains(area: str, code: str) -> bool:
    """True when `code` is `area` itself or lies inside it."""
    return code == area or code.startswith(f"{area}.")


def level_of(code: str) -> AreaLevel:
    """The level of an area, by the length of its code."""
    return LEVELS[CODE_LENGTHS.index(len(code))]


def name_of(code: str) -> str | None:
    """The name of an area of the province, or of the province itself; None for another code."""
    return PROVINCE_NAME if code == PROVINCE else areas().get(code)


def areas_inside(area: str, level: AreaLevel | None = None) -> list[str]:
    """Codes of what lies inside an area, in their order: of this level, else of the level below the area's own."""
    below = LEVELS[LEVELS.index(level_of(area)) + 1 :]
    wanted = level or next(iter(below), None)
    return sorted(code for code in areas() if code != area and level_of(code) == wanted and contains(area, code))


@cache
def aliases() -> Mapping[str, tuple[str, ...]]:
    """What else people call an area, in one word -> codes of the areas it may mean."""
    named = json.loads(ALIASES.read_bytes())["names"]
    return MappingProxyType({name.replace(" ", ""): tuple(codes) for name, codes in named.items()})


class Found(NamedTuple):
    """An area that a search found, and why."""

    code: str
    match: AreaMatch


class _Spelled(NamedTuple):
    """An area's name as it is compared: its words, and all of them in one."""

    code: str
    words: tuple[str, ...]
    joined: str


def search_areas(text: str, within: str = PROVINCE, level: AreaLevel | None = None) -> list[Found]:
    """Areas by code or by name, the surest first, larger areas before smaller ones.

    Spaces, dots, capitals and accents do not matter; words may be short (`Tj. Priok`, `Kep. Seribu`), and `Kel.`,
    `Kec.`, `Kota` or `Kab.` before a name say which level is meant. Names that merely resemble what was typed (by
    `rapidfuzz`) come when nothing else does. A name that two areas bear gives both.
    """
    best: dict[str, AreaMatch] = {}
    if _CODE.fullmatch(text.strip()):
        best = dict.fromkeys(_coded(text.strip()), "code")
    else:
        for words, said in _readings(text):
            for code, match in _named(words):
                if said is None or level_of(code) == said:
                    known = best.get(code, match)
                    best[code] = min(known, match, key=_rank)
        if not best:
            for words, said in _readings(text):
                best |= {code: "similar" for code in _resembling(words) if said is None or level_of(code) == said}
    found = [
        Found(code, match)
        for code, match in best.items()
        if contains(within, code) and (level is None or level_of(code) == level)
    ]
    return sorted(found, key=lambda one: (_rank(one.match), len(one.code), one.code))


def _rank(match: AreaMatch) -> int:
    return get_args(AreaMatch).index(match)


def _coded(text: str) -> Iterable[str]:
    """The area with this code, and those right inside it."""
    digits = text.replace(".", "")
    code = ".".join(filter(None, (digits[:2], digits[2:4], digits[4:6], digits[6:])))
    return (code, *areas_inside(code)) if name_of(code) else ()


def _readings(text: str) -> list[tuple[tuple[str, ...], AreaLevel | None]]:
    """What the text may mean: the words of a name, as they stand or written out, and the level it names, if it does.

    A name may begin with the word for a level too: Kota Bambu is a kelurahan.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if unicodedata.category(c) != "Mn")
    words = tuple("".join(c if c.isalnum() else " " for c in plain).split())
    readings: list[tuple[tuple[str, ...], AreaLevel | None]] = [(words, None)]
    if words and words[0] in _SAID_LEVELS:
        name = words[2:] if words[1:2] in (("administrasi",), ("adm",)) else words[1:]
        readings.append((name, _SAID_LEVELS[words[0]]))
    readings += [(_written_out(read), said) for read, said in readings]
    return [reading for reading in dict.fromkeys(readings) if reading[0]]


@cache
def _short_words() -> Mapping[str, str]:
    return MappingProxyType(json.loads(ALIASES.read_bytes())["words"])


def _written_out(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(_short_words().get(word, word) for word in words)


@cache
def _spelled() -> tuple[_Spelled, ...]:
    """Every area as it is compared; a city without `Kota Administrasi` before its name."""
    spelled = []
    for code, name in ((PROVINCE, PROVINCE_NAME), *areas().items()):
        words = _written_out(name.casefold().split())
        if level_of(code) == "city":
            words = words[2:]
        spelled.append(_Spelled(code, words, "".join(words)))
    return tuple(spelled)


def _named(words: tuple[str, ...]) -> Iterable[Found]:
    joined = "".join(words)
    for code in aliases().get(joined, ()):
        yield Found(code, "alias")
    for area in _spelled():
        if area.joined == joined:
            yield Found(area.code, "name")
        elif area.joined.startswith(joined):
            yield Found(area.code, "beginning")
        elif all(any(known.startswith(word) for known in area.words) for word in words):
            yield Found(area.code, "words")


def _resembling(words: tuple[str, ...]) -> list[str]:
    joined = "".join(words)
    if len(joined) < SIMILAR_LETTERS_MIN:
        return []
    from rapidfuzz import fuzz, process  # 3 MB, for the first name that is not found as written

    names = {area.code: area.joined for area in _spelled()}
    hits = process.extract(joined, names, scorer=fuzz.ratio, score_cutoff=SIMILAR_PERCENT_MIN, limit=None)
    return [code for _, _, code in hits]
