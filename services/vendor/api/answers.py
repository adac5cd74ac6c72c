"""What the registry's HTTP door takes and answers; masked here, so that no route forgets it."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.vendor import areas, checks
from services.vendor.api.texts import Day
from services.vendor.domain.registration import Origin, Registered, Registration
from services.vendor.domain.searching import VendorState
from services.vendor.sheets import Sheet
from services.vendor.store.imports import ImportRun, Rejection
from services.vendor.store.vendors import Kept
from shared.crypto import Sealer
from shared.events.values import AgencyCode, AreaCode, CategoryCode, VendorKind
from shared.http import LIMIT_DEFAULT, After, Limit

__all__ = [
    "AgencyBody",
    "CategoryBody",
    "ExportBody",
    "Filters",
    "ImportReport",
    "ListQuery",
    "PersonFilters",
    "ProgressAnswer",
    "RegisterBody",
    "RegisteredAnswer",
    "RejectedPage",
    "RejectedRow",
    "RevealBody",
    "RevealReason",
    "SearchBody",
    "VendorAnswer",
    "VendorDetail",
    "VendorPage",
]

Text = Annotated[str, Field(max_length=1000)]


class RegisterBody(BaseModel):
    """A person to register. Text as people write it; the registry writes it one way."""

    model_config = ConfigDict(extra="forbid")

    nik: Text = Field(examples=["3171024507900001"])
    name: Text = Field(examples=["Siti Aminah"])
    phone: Text = Field(examples=["0812-3456-7890"])
    kelurahan: Text = Field(description="Official code of the KTP address", examples=["31.71.02.1002"])
    rw: Text = Field(examples=["003"])
    rt: Text = Field(examples=["007"])
    street: Text | None = None
    email: Text | None = None
    kind: Text = Field(default="pemula", description="pemula: no business yet; usaha: has one")
    category: Text | None = None
    agency: Text | None = None
    language: Text = "id"

    def wish(self) -> Registration:
        """As the handler takes it."""
        return Registration(
            nik=self.nik,
            name=self.name,
            phone=self.phone,
            kelurahan=self.kelurahan,
            rw=self.rw,
            rt=self.rt,
            street=self.street or "",
            email=self.email or "",
            kind=self.kind,
            category=self.category or "",
            agency=self.agency or "",
            language=self.language,
        )


class CategoryBody(BaseModel):
    """A product category, by code."""

    model_config = ConfigDict(extra="forbid")

    category: Text = Field(examples=["food-drink"])


class AgencyBody(BaseModel):
    """A coaching agency, by code."""

    model_config = ConfigDict(extra="forbid")

    agency: Text = Field(examples=["ppkukm"])


class WarningAnswer(BaseModel):
    """Something odd that was taken nevertheless."""

    field: str
    code: str
    message: str


class RegisteredAnswer(BaseModel):
    """The new vendor. Holds no personal data, because it is kept to be replayed."""

    vendor_id: UUID
    warnings: list[WarningAnswer]

    @classmethod
    def of(cls, registered: Registered) -> "RegisteredAnswer":
        """From what the handler answers."""
        warnings = [WarningAnswer(**warning._asdict()) for warning in registered.warnings]
        return cls(vendor_id=registered.vendor_id, warnings=warnings)


class Filters(BaseModel):
    """Which vendors; filters combine. None of these tells who somebody is, so they may stand in an address."""

    model_config = ConfigDict(extra="forbid")

    area: AreaCode | None = Field(default=None, description="An area inside the officer's own; none: all of it")
    category: CategoryCode | None = None
    agency: AgencyCode | None = None
    kind: VendorKind | None = None
    origin: Origin | None = None
    state: VendorState | None = Field(default=None, description="None: active and suspended ones")
    registered_from: Day | None = None
    registered_until: Day | None = None


class ListQuery(Filters):
    """A page of vendors."""

    after: After = None
    limit: Limit = LIMIT_DEFAULT


class PersonFilters(Filters):
    """Which vendors, also by what tells who somebody is; that travels in a body, because addresses are logged."""

    name: str | None = Field(
        default=None, max_length=200, description="Words of the name, or how they begin", examples=["siti amin"]
    )
    phone: Text | None = Field(default=None, examples=["0812-3456-7890"])
    nik: Text | None = Field(default=None, description="All 16 digits; finds merged registrations too")


class SearchBody(PersonFilters):
    """A page of what a search finds."""

    after: str | None = Field(default=None, max_length=1000, description="`next` of the page before")
    limit: int = Field(default=LIMIT_DEFAULT, ge=1, le=500)


RevealReason = Literal["asked-by-person", "to-reach-person", "identity-check", "to-decide", "complaint", "legal-order"]

REFERENCE = r"^[A-Z0-9]{1,12}([./-][A-Z0-9]{1,8}){0,5}$"
REFERENCE_DIGITS_MAX = 9
"""Fewer than a phone has: what is kept in the audit log for ever must not tell who somebody is."""


def _reference(text: str) -> str:
    digits = sum(character.isdigit() for character in text)
    if not 1 <= digits <= REFERENCE_DIGITS_MAX:
        raise ValueError(f"must be the number of a letter or a case, with 1 to {REFERENCE_DIGITS_MAX} digits")
    return text


class RevealBody(BaseModel):
    """Why personal data is to be seen in full. Kept in the audit log as it is: a code and a number, no free text."""

    model_config = ConfigDict(extra="forbid")

    reason: RevealReason
    reference: (
        Annotated[
            str, Field(pattern=r"^[A-Z0-9]{1,12}([./-][A-Z0-9]{1,8}){0,5}$", max_length=40), AfterValidator(_reference)
        ]
        | None
    ) = Field(default=None, description="Number of the letter or case", examples=["ADUAN/117/2023"])


class ExportBody(PersonFilters):
    """Which vendors to write into a file, and whether in full."""

    reveal: RevealBody | None = Field(default=None, description="For a registrar: nothing is masked, and it is noted")


class VendorAnswer(BaseModel):
    """A vendor as shown to who asks."""

    vendor_id: UUID
    nik: str = Field(examples=["317102********01"])
    name: str
    phone: str
    email: str | None
    born_on: str | None = Field(description="As the NIK says, no proof", examples=["1990-**-**"])
    street: str
    kelurahan: str
    kelurahan_name: str
    rw: str
    rt: str
    kind: str
    category: str | None
    agency: str | None
    language: str
    origin: str
    registered_on: date
    state: VendorState
    merged_into: UUID | None

    @classmethod
    def in_full(cls, kept: Kept, sealer: Sealer) -> "VendorAnswer":
        """To a registrar who said why: nothing is masked."""
        vendor = kept.vendor
        nik = "" if kept.nik_sealed is None else sealer.open(kept.nik_sealed, vendor.vendor_id.bytes).decode()
        return cls(
            vendor_id=vendor.vendor_id,
            nik=nik,
            name=vendor.name,
            phone=vendor.phone,
            email=vendor.email,
            born_on=None if vendor.born_on is None else vendor.born_on.isoformat(),
            street=vendor.street,
            kelurahan=vendor.kelurahan,
            kelurahan_name=areas.areas().get(vendor.kelurahan, vendor.kelurahan),
            rw=vendor.rw,
            rt=vendor.rt,
            kind=vendor.kind,
            category=vendor.category,
            agency=vendor.agency,
            language=vendor.language,
            origin=vendor.origin,
            registered_on=vendor.registered_on,
            state="merged" if vendor.merged_into else "suspended" if vendor.suspended_because else "active",
            merged_into=vendor.merged_into,
        )

    @classmethod
    def own(cls, kept: Kept, sealer: Sealer) -> "VendorAnswer":
        """To the vendor itself: its NIK masked, the rest in full."""
        shown = cls.in_full(kept, sealer)
        shown.nik = checks.mask_nik(shown.nik)
        return shown

    @classmethod
    def masked(cls, kept: Kept, sealer: Sealer) -> "VendorAnswer":
        """To an officer: NIK, phone, email and day of birth masked."""
        shown = cls.own(kept, sealer)
        shown.phone = checks.mask_phone(shown.phone)
        shown.email = None if shown.email is None else checks.mask_email(shown.email)
        shown.born_on = None if shown.born_on is None else f"{shown.born_on[:4]}-**-**"
        return shown


class VendorDetail(VendorAnswer):
    """One vendor, and all registrations of the same person."""

    family: list[UUID] = Field(description="The registration that stands for the person, then those merged into it")

    @classmethod
    def of(cls, shown: VendorAnswer, family: Sequence[UUID]) -> "VendorDetail":
        """From what may be shown."""
        return cls(**shown.model_dump(), family=list(family))


class VendorPage(BaseModel):
    """A page of vendors."""

    items: list[VendorAnswer]
    next: str | None
    similar: bool = Field(
        default=False,
        description="Nobody has such a name; these, some of perhaps many, have one that is a slip away in each word",
    )


class Fault(BaseModel):
    """What is wrong with one field of a row. A personal value is masked."""

    field: str
    code: str
    value: str
    reason: str
    fix: str


class RejectedRow(Fault):
    """A row that was not taken: its line, its first fault, and any others."""

    line: int
    also: list[Fault] = Field(default_factory=list)

    @classmethod
    def of(cls, rejection: Rejection) -> "RejectedRow":
        """From what was noted."""
        first, *others = rejection.problems
        return cls(line=rejection.line, also=[Fault(**other) for other in others], **first)


class RejectedPage(BaseModel):
    """A page of rows that were not taken."""

    items: list[RejectedRow]
    next: str | None


class WarnedRows(BaseModel):
    """How many rows were taken with this warning, and the lines of the first few."""

    count: int
    lines: list[int]


class ProgressAnswer(BaseModel):
    """How far an import has come."""

    import_id: UUID
    dry_run: bool
    rows: int
    registered: int
    already: int
    rejected: int
    finished: bool

    @classmethod
    def of(cls, run: ImportRun) -> "ProgressAnswer":
        """From the run."""
        return cls(
            import_id=run.import_id,
            dry_run=run.dry_run,
            rows=run.rows,
            registered=run.registered,
            already=run.already,
            rejected=run.rejected,
            finished=run.finished_at is not None,
        )


class ImportReport(BaseModel):
    """What became of a sheet: `rows` = `registered` + `already` + the rejected."""

    import_id: UUID
    dry_run: bool
    rows: int
    registered: int
    already: int = Field(description="Their NIK was registered before; nothing was changed")
    rejected: list[RejectedRow]
    warnings: dict[str, WarnedRows]
    columns: dict[str, str] = Field(description="Field -> the heading it was read from")
    stopped_at_line: int | None = Field(description="Where the import gave up because nearly every row was rejected")

    @classmethod
    def of(cls, run: ImportRun, sheet: Sheet) -> "ImportReport":
        """From the run and the sheet's headings; the rejected rows are sent after it, page by page."""
        return cls(
            import_id=run.import_id,
            dry_run=run.dry_run,
            rows=run.rows,
            registered=run.registered,
            already=run.already,
            rejected=[],
            warnings={code: WarnedRows(**noted) for code, noted in run.warnings.items()},
            columns={name: sheet.headings[position] for name, position in sheet.columns.items()},
            stopped_at_line=run.stopped_at_line,
        )
