"""What the registry's HTTP door takes and answers; masked here, so that no route forgets it."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.vendor import areas, checks
from services.vendor.domain.registration import Registered, Registration
from services.vendor.sheets import Sheet
from services.vendor.store.imports import ImportRun, Rejection
from services.vendor.store.vendors import Kept
from shared.crypto import Sealer

__all__ = [
    "AgencyBody",
    "CategoryBody",
    "ImportReport",
    "ProgressAnswer",
    "RegisterBody",
    "RegisteredAnswer",
    "VendorAnswer",
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


class VendorAnswer(BaseModel):
    """A vendor as shown to who asks."""

    vendor_id: UUID
    nik: str = Field(examples=["317102********01"])
    name: str
    phone: str
    email: str | None
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

    @classmethod
    def own(cls, kept: Kept, sealer: Sealer) -> "VendorAnswer":
        """To the vendor itself: its NIK masked, the rest in full."""
        vendor = kept.vendor
        nik = "" if kept.nik_sealed is None else sealer.open(kept.nik_sealed, vendor.vendor_id.bytes).decode()
        return cls(
            vendor_id=vendor.vendor_id,
            nik=checks.mask_nik(nik),
            name=vendor.name,
            phone=vendor.phone,
            email=vendor.email,
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
        )

    @classmethod
    def masked(cls, kept: Kept, sealer: Sealer) -> "VendorAnswer":
        """To an officer: NIK, phone and email masked."""
        shown = cls.own(kept, sealer)
        shown.phone = checks.mask_phone(shown.phone)
        shown.email = None if shown.email is None else checks.mask_email(shown.email)
        return shown


class VendorPage(BaseModel):
    """A page of vendors."""

    items: list[VendorAnswer]
    next: str | None


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
    def of(cls, run: ImportRun, rejections: list[Rejection], sheet: Sheet) -> "ImportReport":
        """From the run, the rows it rejected and the sheet's headings."""
        return cls(
            import_id=run.import_id,
            dry_run=run.dry_run,
            rows=run.rows,
            registered=run.registered,
            already=run.already,
            rejected=[RejectedRow.of(rejection) for rejection in rejections],
            warnings={code: WarnedRows(**noted) for code, noted in run.warnings.items()},
            columns={name: sheet.headings[position] for name, position in sheet.columns.items()},
            stopped_at_line=run.stopped_at_line,
        )
