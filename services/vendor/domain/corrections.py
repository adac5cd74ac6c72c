"""Corrections (UU PDP, article 6): what may be corrected, who decides, and what follows from it.

Pure. Texts come unchecked and are checked by the same `checks` as a registration's.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, ClassVar, Literal, NamedTuple
from uuid import UUID

from services.vendor import checks
from services.vendor.checks import FieldRefused, Warned
from services.vendor.domain.registration import Problem, Vendor
from shared.errors import NotFound, Refused
from shared.events.vendor import VendorEvent, VendorKindChosen, VendorMoved

__all__ = [
    "ADDRESS_FIELDS",
    "AT_ONCE",
    "FIELDS",
    "Correction",
    "CorrectionDecided",
    "CorrectionInvalid",
    "CorrectionUnknown",
    "NothingToCorrect",
    "Wanted",
    "admit",
    "apply",
    "changes",
    "split",
]

FIELDS = ("nik", "name", "phone", "email", "street", "kelurahan", "rw", "rt", "kind", "language")
AT_ONCE = frozenset({"phone", "email", "kind", "language"})
"""What a vendor says of itself and nobody need compare with its KTP. Name, NIK and address are the KTP's."""
ADDRESS_FIELDS = ("kelurahan", "rw", "rt")

State = Literal["waiting", "done", "refused", "replaced"]
Wanted = Mapping[str, str | None]
"""Field -> the value it shall have, checked and written in one way."""


@dataclass(frozen=True, slots=True)
class Correction:
    """One wish and what became of it. Its values are kept sealed."""

    correction_id: UUID
    vendor_id: UUID
    fields: tuple[str, ...]
    state: State
    asked_by: str
    origin: Literal["self", "officer"]
    asked_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    note: str | None = None


class Change(NamedTuple):
    """What stood in a field, and what stands there now."""

    before: str | None
    after: str | None


class CorrectionInvalid(Refused):
    """Fields that cannot be kept; `problems` names every one of them."""

    code: ClassVar[str] = "correction-invalid"
    status: ClassVar[int] = 422

    def __init__(self, problems: Iterable[Problem]) -> None:
        found = list(problems)
        said = "; ".join(f"{problem.field} {problem.reason}" for problem in found)
        super().__init__(f"Nothing was corrected: {said}.", errors=[problem._asdict() for problem in found])


class NothingToCorrect(Refused):
    """Every field named has that value already, or none was named."""

    code: ClassVar[str] = "nothing-to-correct"

    def __init__(self) -> None:
        super().__init__("Every field you named stands like that already; nothing was changed.")


class CorrectionUnknown(NotFound):
    """This vendor has no such wish."""

    code: ClassVar[str] = "correction-unknown"

    def __init__(self, correction_id: UUID) -> None:
        super().__init__("This vendor has no correction with this id.", correction_id=str(correction_id))


class CorrectionDecided(Refused):
    """Somebody decided it before, or a newer wish took its place."""

    code: ClassVar[str] = "correction-decided"

    def __init__(self, correction: Correction) -> None:
        super().__init__(
            "This correction no longer waits; look at the vendor's corrections for what became of it.",
            correction_id=str(correction.correction_id),
            state=correction.state,
        )


def admit(wish: Mapping[str, str], today: date, warnings: list[Warned]) -> dict[str, str | None]:
    """Check the fields of a wish, each by the check of a registration. Raises `CorrectionInvalid` with all problems.

    RW and RT are numbers within a kelurahan: who names a kelurahan names both, who names an RW names the RT.
    """
    checked: dict[str, Callable[[str], Any]] = {
        "nik": lambda text: checks.check_nik(text, today, warnings),
        "name": checks.check_name,
        "phone": lambda text: checks.check_phone(text, warnings),
        "email": checks.check_email,
        "street": checks.check_street,
        "kelurahan": lambda text: checks.check_area(text, warnings),
        "rw": lambda text: checks.check_rw_rt("rw", text),
        "rt": lambda text: checks.check_rw_rt("rt", text),
        "kind": checks.check_kind,
        "language": checks.check_language,
    }
    values: dict[str, str | None] = {}
    problems: list[Problem] = []
    for field in FIELDS:
        if field not in wish:
            continue
        try:
            values[field] = checked[field](wish[field])
        except FieldRefused as error:
            problems.append(Problem(error.field, error.code, error.reason, error.fix))
    for wider, inner in (("kelurahan", "rw"), ("kelurahan", "rt"), ("rw", "rt")):
        if wider in wish and inner not in wish and inner not in [problem.field for problem in problems]:
            fix = f"with a new {wider} give its {inner} too, as on the KTP"
            problems.append(Problem(inner, "address-incomplete", "is missing beside the new address", fix))
    if problems:
        raise CorrectionInvalid(problems)
    return values


def changes(vendor: Vendor, nik: str, wanted: Wanted) -> dict[str, Change]:
    """The fields that would really change, with what stands there now."""
    standing = {field: nik if field == "nik" else getattr(vendor, field) for field in wanted}
    return {field: Change(standing[field], value) for field, value in wanted.items() if standing[field] != value}


def split(wanted: Wanted, *, by_officer: bool) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """What is done at once and what waits for an officer's decision. An officer's own wish waits for nobody."""
    if by_officer:
        return dict(wanted), {}
    now = {field: value for field, value in wanted.items() if field in AT_ONCE}
    return now, {field: value for field, value in wanted.items() if field not in AT_ONCE}


def apply(vendor: Vendor, wanted: Wanted, today: date) -> tuple[Vendor, list[VendorEvent]]:
    """The corrected vendor, but for its NIK, which is kept apart; and what others must know of it."""
    changes: dict[str, Any] = {field: value for field, value in wanted.items() if field != "nik"}
    corrected = replace(vendor, **changes)
    nik = wanted.get("nik")
    if nik is not None:
        corrected = replace(corrected, born_on=checks.born_on(nik, today))
    events: list[VendorEvent] = []
    if any(getattr(corrected, field) != getattr(vendor, field) for field in ADDRESS_FIELDS):
        events.append(
            VendorMoved(vendor_id=vendor.vendor_id, kelurahan=corrected.kelurahan, rw=corrected.rw, rt=corrected.rt)
        )
    if corrected.kind != vendor.kind:
        events.append(VendorKindChosen(vendor_id=vendor.vendor_id, kind=corrected.kind))
    return corrected, events
