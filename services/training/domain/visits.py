"""Visits: what a mentor notes each month of a vendor it accompanies (DOMAIN A3), corrected and struck.

A visit is entered, and entered again when it was wrong; the last entry counts and the earlier ones stay to be seen. Its
figures feed the registry. What people write is sealed and never leaves this service; events carry codes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.clock import day_in_jakarta
from shared.errors import Forbidden, NotFound, Refused
from shared.events.mentoring import VisitLogged, VisitStruck
from shared.events.products import Month

FIRST_DAY = date(2015, 1, 1)
"""Older visits are nobody's business here; the registry keeps no older figures either."""
BACK_DAYS_MAX = 90
"""A mentor enters and corrects visits of the last three months; officers those before."""
NEXT_ACTION_DAYS_MAX = 366
FIGURES_MONTHS_BACK_MAX = 24
AMOUNT_RUPIAH_MAX = 10**15
WORKERS_MAX = 100_000
"""Both as the registry takes them."""
NOTE_CHARACTERS_MAX = 2_000

OVERDUE_DAYS = 35
"""Visits are monthly: with less than five weeks between two, the same weekday of each month would be late."""

VisitMode: TypeAlias = Literal["visit", "call", "group"]
NextAction: TypeAlias = Literal[
    "visit-again",
    "licence",
    "documents",
    "product",
    "catalogue",
    "bookkeeping",
    "marketing",
    "training",
    "capital",
    "other",
]
StrikeReason: TypeAlias = Literal["wrong-vendor", "not-held", "entered-twice", "other"]

NEXT_ACTIONS: dict[NextAction, tuple[str, str]] = {
    "visit-again": ("Kunjungan berikutnya", "Visit again"),
    "licence": ("Mengurus perizinan", "See to a licence"),
    "documents": ("Melengkapi dokumen", "Complete documents"),
    "product": ("Memperbaiki produk atau kemasan", "Improve the product or its packaging"),
    "catalogue": ("Foto dan katalog produk", "Photos and catalogue"),
    "bookkeeping": ("Menata pembukuan", "Put the books in order"),
    "marketing": ("Membantu pemasaran", "Help with sales"),
    "training": ("Mengikuti pelatihan", "Attend a training"),
    "capital": ("Mengajukan permodalan", "Apply for capital"),
    "other": ("Lainnya", "Something else"),
}
"""What may be agreed, in Indonesian and English; the words of it belong into the note."""


class Problem(NamedTuple):
    """What is wrong with one field and how to mend it; carries no value."""

    field: str
    code: str
    reason: str
    fix: str


class VisitInvalid(Refused):
    """Fields of a visit that cannot be; `errors` names every one of them."""

    code = "visit-invalid"
    status = 422

    def __init__(self, problems: Sequence[Problem]) -> None:
        said = "; ".join(f"{problem.field} {problem.reason}" for problem in problems)
        super().__init__(f"The visit was not taken: {said}.", errors=[problem._asdict() for problem in problems])


class VisitUnknown(NotFound):
    """There is no such visit, or none the caller may know of."""

    code = "visit-unknown"

    def __init__(self) -> None:
        super().__init__("No visit with this id is known to you.")


class NotItsMentor(Forbidden):
    """A mentor visits the vendors it accompanies."""

    code = "not-its-mentor"


class VisitLoggedAlready(Refused):
    """This mentor's visit of that day and kind is there, and says something else."""

    code = "visit-logged-already"


class VisitIsStruck(Refused):
    """A struck visit is not corrected."""

    code = "visit-struck"


class TooLongAgo(Refused):
    """A mentor leaves old visits to the officers."""

    code = "visit-too-long-ago"


Rupiah = Annotated[int, Field(strict=True, ge=0, le=AMOUNT_RUPIAH_MAX)]
Workers = Annotated[int, Field(strict=True, ge=0, le=WORKERS_MAX)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=NOTE_CHARACTERS_MAX)]
Reference = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]+$", max_length=60)]


class CorrectVisit(BaseModel):
    """A visit as it is to stand, the whole of it: what is left out is not known, or not agreed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    visited_on: date
    mode: VisitMode
    next_action: NextAction | None = None
    next_action_on: date | None = Field(default=None, description="Until when; the visit is overdue after it")
    month: Month | None = Field(default=None, description="Month of the figures")
    turnover_rupiah: Rupiah | None = None
    assets_rupiah: Rupiah | None = None
    workers: Workers | None = None
    note: Note | None = None

    def entry(self) -> "Entry":
        """As it is kept."""
        return Entry(**{name: getattr(self, name) for name in Entry._fields})


class LogVisit(CorrectVisit):
    """A mentor was with a vendor."""

    vendor_id: UUID
    mentor_id: UUID | None = Field(default=None, description="An officer says whose visit it was; a mentor leaves it")
    reference: Reference | None = Field(
        default=None, description="The mentor's own id of it; tells two visits of one day apart"
    )

    def wish(self, mentor_id: UUID) -> "Wish":
        """As a visit of this mentor."""
        return Wish(self.vendor_id, mentor_id, self.reference, self.entry())


class StrikeVisit(BaseModel):
    """A visit was entered by mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: StrikeReason


class Entry(NamedTuple):
    """What is entered of a visit. `note` is in the clear here, and sealed wherever it is kept."""

    visited_on: date
    mode: VisitMode
    next_action: NextAction | None = None
    next_action_on: date | None = None
    month: str | None = None
    turnover_rupiah: int | None = None
    assets_rupiah: int | None = None
    workers: int | None = None
    note: str | None = None


class Wish(NamedTuple):
    """A visit that is to be logged."""

    vendor_id: UUID
    mentor_id: UUID
    reference: str | None
    entry: Entry


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit with its last entry, the `number`th. `by` is the subject of the token that entered it."""

    visit_id: UUID
    vendor_id: UUID
    mentor_id: UUID
    reference: str | None
    entry: Entry
    number: int
    state: Literal["logged", "struck"]
    logged_by: str
    logged_at: datetime
    struck_because: StrikeReason | None = None


class Mentorship(NamedTuple):
    """That a mentor has, or had, a vendor."""

    mentor_id: UUID
    since: datetime
    until: datetime | None


def check(entry: Entry, today: date, *, by_officer: bool) -> tuple[Problem, ...]:
    """What is wrong with an entry, seen on this day; nothing when it can be taken."""
    found = []
    if entry.visited_on > today:
        found.append(Problem("visited_on", "visit-to-come", "is still to come", "enter it when it has taken place"))
    elif not by_officer and is_long_ago(entry.visited_on, today):
        fix = "ask an officer of the area to enter it"
        found.append(Problem("visited_on", "visit-too-long-ago", f"is more than {BACK_DAYS_MAX} days ago", fix))
    elif entry.visited_on < FIRST_DAY:
        found.append(Problem("visited_on", "visit-too-early", f"is before {FIRST_DAY.isoformat()}", "check the year"))
    if entry.next_action_on is not None:
        if entry.next_action is None:
            fix = f"name one of {', '.join(NEXT_ACTIONS)}, or leave the day out"
            found.append(Problem("next_action", "next-action-missing", "is missing beside its day", fix))
        if not 0 <= (entry.next_action_on - entry.visited_on).days <= NEXT_ACTION_DAYS_MAX:
            fix = "choose a day within a year after the visit"
            found.append(Problem("next_action_on", "next-action-day", "does not follow the visit", fix))
    return (*found, *_check_figures(entry))


def _check_figures(entry: Entry) -> list[Problem]:
    given = [entry.turnover_rupiah, entry.assets_rupiah, entry.workers]
    if entry.month is None:
        if any(figure is not None for figure in given):
            fix = "say of which month the figures are, like 2023-02"
            return [Problem("month", "month-missing", "is missing beside figures", fix)]
        return []
    if all(figure is None for figure in given):
        fix = "give turnover, assets or workers, or leave the month out"
        return [Problem("month", "figures-missing", "comes without a figure", fix)]
    months_back = _months(entry.visited_on) - _months(date.fromisoformat(f"{entry.month}-01"))
    if not 0 <= months_back <= FIGURES_MONTHS_BACK_MAX or entry.month < f"{FIRST_DAY:%Y-%m}":
        fix = f"give the month of the visit, or one of the {FIGURES_MONTHS_BACK_MAX} before it"
        return [Problem("month", "month-refused", "is no month that this visit can tell of", fix)]
    return []


def _months(day: date) -> int:
    return day.year * 12 + day.month


def is_long_ago(visited_on: date, today: date) -> bool:
    """Whether a visit of that day is left to officers."""
    return visited_on < today - timedelta(days=BACK_DAYS_MAX)


def accompanied(mentorships: Collection[Mentorship], mentor_id: UUID, day: date) -> bool:
    """Whether a mentor may have visited a person on that day: it has the person now (what was agreed before is
    entered late), or it had on that day (a sheet comes in after the two were parted).
    """
    return any(
        one.mentor_id == mentor_id
        and (one.until is None or day_in_jakarta(one.since) <= day <= day_in_jakarta(one.until))
        for one in mentorships
    )


def tell(visit: Visit) -> VisitLogged:
    """What others hear of a visit as it stands."""
    entry = visit.entry
    return VisitLogged(
        vendor_id=visit.vendor_id,
        visit_id=visit.visit_id,
        mentor_id=visit.mentor_id,
        visited_on=entry.visited_on,
        mode=entry.mode,
        next_action_on=entry.next_action_on,
        month=entry.month,
        turnover_rupiah=entry.turnover_rupiah,
        assets_rupiah=entry.assets_rupiah,
        workers=entry.workers,
    )


def tell_struck(visit: Visit) -> VisitStruck:
    """What others hear when a visit is struck."""
    return VisitStruck(vendor_id=visit.vendor_id, visit_id=visit.visit_id, mentor_id=visit.mentor_id)


def same_visit(wish: Wish) -> tuple[Any, ...]:
    """What makes a visit the same one: the mentor's own reference, else vendor, day and mode."""
    if wish.reference is not None:
        return wish.mentor_id, wish.reference
    return wish.mentor_id, wish.vendor_id, wish.entry.visited_on, wish.entry.mode
