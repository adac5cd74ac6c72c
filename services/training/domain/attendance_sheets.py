"""Sheets of attendance: what a row says, and what is wrong with it. A sheet is taken whole or not at all."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple
from uuid import UUID

from services.training.domain.attendance import Mark
from services.training.domain.classes import TrainingClass
from services.training.domain.tickets import spot_of
from shared.errors import Refused

FAULTS_SHOWN_MAX = 200


class Fault(NamedTuple):
    """What is wrong with a row: where, what stands there, why it cannot be taken, and how to mend it."""

    line: int
    field: str
    value: str
    reason: str
    fix: str


class SheetFaulty(Refused):
    """Rows of the sheet cannot be taken; nothing of it was recorded."""

    code = "attendance-sheet-faulty"
    status = 422

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(
            f"Nothing was recorded: {len(faults)} of the sheet's cells cannot be taken. Mend them and send it again.",
            faults=[fault._asdict() for fault in faults[:FAULTS_SHOWN_MAX]],
            faults_in_all=len(faults),
        )


class SheetRow(NamedTuple):
    """A row: whom it is about, by id or number, and what it says of which days."""

    line: int
    vendor_id: UUID | None
    number: int | None
    marks: tuple[tuple[date, bool], ...]


@dataclass
class Reading:
    """What a sheet says of a class: its marks, and what is wrong."""

    marks: list[Mark] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def read_rows(
    a_class: TrainingClass,
    rows: Iterable[SheetRow],
    places: Mapping[UUID, UUID],
    numbers: Mapping[int, UUID],
    own: Collection[UUID],
    *,
    today: date,
) -> Reading:
    """The marks of a sheet. `places`: id -> the id under which its person has a place in the class, of all who have
    one; `numbers`: who has which number; `own`: the ids that the sender has as a vendor.
    """
    found = Reading()
    said: dict[tuple[UUID, date], bool] = {}
    for row in rows:
        vendor_id = _whom(row, places, numbers, own, found.faults)
        if vendor_id is None:
            continue
        for day, present in row.marks:
            fault = _wrong_day(a_class, row.line, day, today)
            if fault is not None:
                found.faults.append(fault)
            elif said.setdefault((vendor_id, day), present) is not present:
                reason = "the sheet says of this person's day once that it was there, and once that it was not"
                found.faults.append(Fault(row.line, "present", str(day), reason, "keep the row that is right"))
    found.marks = [Mark(vendor_id, day, present) for (vendor_id, day), present in said.items()]
    return found


def _whom(
    row: SheetRow,
    places: Mapping[UUID, UUID],
    numbers: Mapping[int, UUID],
    own: Collection[UUID],
    faults: list[Fault],
) -> UUID | None:
    by_number = None if row.number is None else numbers.get(row.number)
    asked = row.vendor_id or by_number
    vendor_id = None if asked is None else places.get(asked)
    name, value = ("vendor_id", str(row.vendor_id)) if row.vendor_id else ("number", spot_of(row.number or 0))
    if vendor_id is None:
        fix = "enrol it first, or take the row out; GET the class's sheet.csv for who has a place"
        faults.append(Fault(row.line, name, value, "has no place in this class", fix))
        return None
    if (
        row.vendor_id is not None
        and row.number is not None
        and (by_number is None or places.get(by_number) != vendor_id)
    ):
        reason, fix = "is not the number of the vendor in this row", "correct one of the two, or leave one empty"
        faults.append(Fault(row.line, "number", spot_of(row.number), reason, fix))
        return None
    if vendor_id in own:
        fix = "take the row out; another officer of the area enters it"
        faults.append(Fault(row.line, name, value, "is yourself as a vendor", fix))
        return None
    return vendor_id


def _wrong_day(a_class: TrainingClass, line: int, day: date, today: date) -> Fault | None:
    if day not in a_class.days:
        days = ", ".join(str(one) for one in a_class.days)
        return Fault(line, "day", str(day), "is no session day of this class", f"its days are {days}")
    if day > today:
        return Fault(line, "day", str(day), "has not been held yet", "take its attendance on that day or later")
    return None
