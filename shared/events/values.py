"""Values that travel in messages: codes of areas, categories, agencies. No names, phones, addresses or NIK."""

from typing import Annotated, Literal

from pydantic import StringConstraints

__all__ = [
    "AREA_PATTERN",
    "CODE_PATTERN",
    "KELURAHAN_PATTERN",
    "RW_RT_PATTERN",
    "AgencyCode",
    "AreaCode",
    "CategoryCode",
    "KelurahanCode",
    "Language",
    "RwRt",
    "VendorKind",
]

KELURAHAN_PATTERN = r"^\d{2}\.\d{2}\.\d{2}\.\d{4}$"
AREA_PATTERN = r"^\d{2}(\.\d{2}(\.\d{2}(\.\d{4})?)?)?$"
RW_RT_PATTERN = r"^\d{3}$"
CODE_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"

KelurahanCode = Annotated[str, StringConstraints(pattern=KELURAHAN_PATTERN)]
"""Official area code of a kelurahan, for example 31.71.02.1002 (Kemendagri)."""

AreaCode = Annotated[str, StringConstraints(pattern=AREA_PATTERN)]
"""Official code of a province, city, kecamatan or kelurahan: a prefix of the kelurahan's code."""

RwRt = Annotated[str, StringConstraints(pattern=RW_RT_PATTERN)]
"""RW or RT: three digits within a kelurahan."""

CategoryCode = Annotated[str, StringConstraints(pattern=CODE_PATTERN, max_length=40)]
"""Product category, data of the programme: food-drink, fashion-craft, meals-household, health (DOMAIN D3)."""

AgencyCode = Annotated[str, StringConstraints(pattern=CODE_PATTERN, max_length=40)]
"""Coaching agency (pengampu), data: ppkukm, ppapp, kpkp, sosial, parekraf, nakertransgi."""

VendorKind = Literal["pemula", "usaha"]
"""pemula: no business yet (DOMAIN A1); usaha: has one."""

Language = Literal["id", "en"]
