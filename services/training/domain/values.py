"""Values that several inputs share: areas, fields of competence, accounts, names and ways to reach somebody."""

from typing import Annotated, TypeVar

import lokal
from lokal import wilayah
from pydantic import AfterValidator, StringConstraints

from shared.events.values import AreaCode

__all__ = ["Account", "Email", "FieldCode", "KnownArea", "Name", "Phone", "each_once"]

V = TypeVar("V", bound=str)


def _known_area(code: str) -> str:
    if wilayah.wilayah_name(code) is None:
        raise ValueError("is not an official area code, for example 31.71.02")
    return code


def _phone(text: str) -> str:
    info = lokal.parse_phone(text)
    if info is None or info.e164 is None:
        raise ValueError("is no Indonesian phone number, for example 081234567890")
    return str(info.e164)


def each_once(codes: list[V]) -> list[V]:
    """The codes in order. Raises `ValueError` where one stands twice."""
    if len(set(codes)) < len(codes):
        raise ValueError("names one twice")
    return sorted(codes)


KnownArea = Annotated[AreaCode, AfterValidator(_known_area)]
FieldCode = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
Account = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]+$", max_length=200)]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Phone = Annotated[str, StringConstraints(max_length=40), AfterValidator(_phone)]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254)]
