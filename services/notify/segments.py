"""How many parts a text message has: GSM 03.38 (3GPP TS 23.038) where its characters allow, else UCS-2.

One part holds 160 septets or 70 code units; of several each holds 153 or 67, for their header takes six octets. A
character of the extension table takes two septets, one beyond the basic plane two code units, and neither is split.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

__all__ = ["Segments", "count"]

BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = "\f^{}\\[~]|€"

SEPTETS_ALONE, SEPTETS_OF_MANY = 160, 153
CODE_UNITS_ALONE, CODE_UNITS_OF_MANY = 70, 67

_GSM = re.compile(f"[{re.escape(BASIC + EXTENDED)}]*")
_TWO_SEPTETS = re.compile(f"[{re.escape(EXTENDED)}]")
_TWO_CODE_UNITS = re.compile("[\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Segments:
    """How a text travels: its alphabet, its length in septets or code units, the parts it takes."""

    encoding: Literal["gsm-7", "ucs-2"]
    units: int
    parts: int


@lru_cache(maxsize=1024)
def count(text: str) -> Segments:
    """How this text travels. An empty text is one part."""
    if _GSM.fullmatch(text) is not None:
        return _counted("gsm-7", text, _TWO_SEPTETS, SEPTETS_ALONE, SEPTETS_OF_MANY)
    return _counted("ucs-2", text, _TWO_CODE_UNITS, CODE_UNITS_ALONE, CODE_UNITS_OF_MANY)


def _counted(
    encoding: Literal["gsm-7", "ucs-2"], text: str, two_units: re.Pattern[str], alone: int, of_many: int
) -> Segments:
    wide = {found.start() for found in two_units.finditer(text)}
    units = len(text) + len(wide)
    if units <= alone:
        return Segments(encoding, units, 1)
    parts, room = 1, of_many
    for place in range(len(text)):
        size = 2 if place in wide else 1
        if size > room:
            parts, room = parts + 1, of_many
        room -= size
    return Segments(encoding, units, parts)
