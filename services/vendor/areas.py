"""Areas of the province by official code: 6 cities and regencies, 44 kecamatan, 267 kelurahan (Kemendagri, by `lokal`).

They stand in `areas.json`, taken from `lokal` and compared with it by a test: `lokal` would read the 84,000 villages of
the country and keep them, 35 MB for 317 names.

A code is a path: 31 > 31.71 > 31.71.02 > 31.71.02.1002, so an area contains another when its code leads the other's.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

__all__ = [
    "PROVINCE",
    "areas",
    "contains",
    "describe",
    "dotted",
    "kelurahan_codes",
    "kelurahan_named",
    "kelurahan_names",
    "name_trap",
]

PROVINCE = "31"
TABLE = Path(__file__).with_name("areas.json")
CODE_LENGTHS = (2, 5, 8, 13)
"""Of a province, a city, a kecamatan, a kelurahan, with dots."""

NAME_TRAPS: tuple[frozenset[str], ...] = (frozenset({"31.73.06.1004", "31.72.01.1002"}),)
"""Kelurahan whose names are mistaken for each other: Kamal (Kalideres, West) and Kamal Muara (Penjaringan, North)."""

_DIGITS = re.compile(r"\d{10}", re.ASCII)


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


def name_trap(code: str) -> str | None:
    """The kelurahan this one is mistaken for, if there is such a one."""
    for trap in NAME_TRAPS:
        if code in trap:
            return next(other for other in sorted(trap) if other != code)
    return None


def contains(area: str, code: str) -> bool:
    """True when `code` is `area` itself or lies inside it."""
    return code == area or code.startswith(f"{area}.")
