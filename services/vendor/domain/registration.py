"""Registration (P1): the wish as it came, the vendor that follows from it, and what may change about it later.

Pure: ids, moments and the codes of the programme are arguments. The fields themselves are checked in `checks`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from json.encoder import encode_basestring
from typing import Any, ClassVar, Literal, NamedTuple
from uuid import UUID

from services.vendor import areas, checks
from services.vendor.checks import FieldRefused, Warned
from shared.errors import Forbidden, NotFound, Refused
from shared.events.values import VendorKind
from shared.events.vendor import ContactCard, VendorCategoryChosen, VendorCoached, VendorEvent, VendorRegistered

__all__ = [
    "AccountRegistered",
    "Admitted",
    "AlreadyRegistered",
    "CodeUnknown",
    "Codes",
    "ImportUnknown",
    "Origin",
    "Outcome",
    "OutsideArea",
    "Problem",
    "Registered",
    "Registration",
    "RegistrationInvalid",
    "Vendor",
    "VendorRetired",
    "VendorUnknown",
    "admit",
    "choose_category",
    "coach",
    "contact_card",
    "first_bodies",
    "register",
]

Origin = Literal["self", "officer", "service", "file"]


class Registration(NamedTuple):
    """The wish to register a person with identity and contact (DOMAIN A1): text, unchecked; empty is absent."""

    nik: str
    name: str
    phone: str
    kelurahan: str
    rw: str
    rt: str
    street: str = ""
    email: str = ""
    kind: str = ""
    category: str = ""
    agency: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes of the programme as they stand in the database."""

    categories: frozenset[str]
    agencies: frozenset[str]


class Admitted(NamedTuple):
    """A registration whose fields are good and written in one way."""

    nik: str
    name: str
    phone: str
    kelurahan: str
    rw: str
    rt: str
    street: str
    email: str | None
    kind: VendorKind
    category: str | None
    agency: str | None
    language: Literal["id", "en"]
    warnings: tuple[Warned, ...]


@dataclass(frozen=True, slots=True)
class Vendor:
    """A registered vendor, without its NIK. `version` counts its events, `card_version` its contact cards."""

    vendor_id: UUID
    version: int
    card_version: int
    name: str
    phone: str
    email: str | None
    street: str
    kelurahan: str
    rw: str
    rt: str
    kind: VendorKind
    category: str | None
    agency: str | None
    language: Literal["id", "en"]
    origin: Origin
    registered_on: date
    registered_at: datetime
    born_on: date | None = None
    """As the NIK says; no proof."""
    merged_into: UUID | None = None
    suspended_because: str | None = None
    erased_at: datetime | None = None


class Problem(NamedTuple):
    """What is wrong with one field and how to mend it; carries no value."""

    field: str
    code: str
    reason: str
    fix: str


class RegistrationInvalid(Refused):
    """Fields that cannot be kept; `problems` names every one of them, in the order of the form."""

    code: ClassVar[str] = "registration-invalid"
    status: ClassVar[int] = 422

    def __init__(self, problems: Sequence[Problem]) -> None:
        said = "; ".join(f"{problem.field} {problem.reason}" for problem in problems)
        super().__init__(f"The registration was not taken: {said}.", errors=[p._asdict() for p in problems])
        self.problems = tuple(problems)


class OutsideArea(Forbidden):
    """An officer registers vendors of its own area only."""

    code: ClassVar[str] = "outside-area"

    def __init__(self, area: str) -> None:
        super().__init__(
            f"The address lies outside your area {area}; the officer of its area can register it.", area=area
        )


class AlreadyRegistered(Refused):
    """The NIK belongs to a vendor already. Which one is said only to who may see it (`naming`)."""

    code: ClassVar[str] = "already-registered"

    def __init__(self, vendor_id: UUID, kelurahan: str) -> None:
        super().__init__("This NIK is already registered; nothing was changed.")
        self.vendor_id = vendor_id
        self.kelurahan = kelurahan

    def naming(self) -> "AlreadyRegistered":
        """The same refusal, naming the vendor to an officer whose area holds it."""
        named = AlreadyRegistered(self.vendor_id, self.kelurahan)
        named.details["vendor_id"] = str(self.vendor_id)
        return named


class AccountRegistered(Refused):
    """An account registers itself once."""

    code: ClassVar[str] = "account-registered"

    def __init__(self) -> None:
        super().__init__("This account registered itself before; an officer of the area registers other people.")


class VendorUnknown(NotFound):
    """No such vendor, or none the caller may know of."""

    code: ClassVar[str] = "vendor-unknown"

    def __init__(self, vendor_id: UUID) -> None:
        super().__init__("No vendor with this id is known to you.", vendor_id=str(vendor_id))


class VendorRetired(Refused):
    """The registration was merged into another, which stands for the person now."""

    code: ClassVar[str] = "vendor-retired"

    def __init__(self, vendor_id: UUID, into: UUID) -> None:
        super().__init__(
            f"This registration was merged into {into}; change that one, or un-merge them first.",
            vendor_id=str(vendor_id),
            merged_into=str(into),
        )


class ImportUnknown(NotFound):
    """The caller started no such import."""

    code: ClassVar[str] = "import-unknown"


class CodeUnknown(Refused):
    """A category or agency the programme does not have; names those it has."""

    code: ClassVar[str] = "code-unknown"
    status: ClassVar[int] = 422

    def __init__(self, problem: FieldRefused, known: Iterable[str]) -> None:
        message = f"The {problem.field} {problem.reason}; {problem.fix}."
        super().__init__(message, field=problem.field, known=sorted(known))


class Registered(NamedTuple):
    """A registration that was taken."""

    vendor_id: UUID
    warnings: tuple[Warned, ...]


Outcome = Registered | AlreadyRegistered | RegistrationInvalid | OutsideArea
"""What became of one registration of a batch."""


_FIELDS: tuple[Callable[[Registration, Codes, date, list[Warned]], Any], ...] = (
    lambda wish, codes, today, warnings: checks.check_nik(wish.nik, today, warnings),
    lambda wish, codes, today, warnings: checks.check_name(wish.name),
    lambda wish, codes, today, warnings: checks.check_phone(wish.phone, warnings),
    lambda wish, codes, today, warnings: checks.check_area(wish.kelurahan, warnings),
    lambda wish, codes, today, warnings: checks.check_rw_rt("rw", wish.rw),
    lambda wish, codes, today, warnings: checks.check_rw_rt("rt", wish.rt),
    lambda wish, codes, today, warnings: checks.check_street(wish.street),
    lambda wish, codes, today, warnings: checks.check_email(wish.email),
    lambda wish, codes, today, warnings: checks.check_kind(wish.kind),
    lambda wish, codes, today, warnings: checks.check_code("category", wish.category, codes.categories),
    lambda wish, codes, today, warnings: checks.check_code("agency", wish.agency, codes.agencies),
    lambda wish, codes, today, warnings: checks.check_language(wish.language),
)
"""What makes each field of `Admitted` out of a wish, in their order."""


def admit(wish: Registration, codes: Codes, today: date, *, within: str | None = None) -> Admitted:
    """Check every field and write each in one way; `within` is the area of the officer who asks, if one does.

    Raises `RegistrationInvalid` with all problems at once, or `OutsideArea`.
    """
    warnings: list[Warned] = []
    try:
        fields = [check(wish, codes, today, warnings) for check in _FIELDS]
    except FieldRefused:
        raise RegistrationInvalid(_problems(wish, codes, today)) from None
    admitted = Admitted._make([*fields, tuple(warnings)])
    if within is not None and not areas.contains(within, admitted.kelurahan):
        raise OutsideArea(within)
    return admitted


def _problems(wish: Registration, codes: Codes, today: date) -> list[Problem]:
    problems = []
    for check in _FIELDS:
        try:
            check(wish, codes, today, [])
        except FieldRefused as error:
            problems.append(Problem(error.field, error.code, error.reason, error.fix))
    return problems


def register(
    admitted: Admitted, vendor_id: UUID, origin: Origin, day: date, now: datetime
) -> tuple[Vendor, VendorRegistered, ContactCard]:
    """The vendor that an admitted registration becomes on this day, its first event and its first card."""
    vendor = Vendor(
        vendor_id=vendor_id,
        version=1,
        card_version=1,
        name=admitted.name,
        phone=admitted.phone,
        email=admitted.email,
        street=admitted.street,
        kelurahan=admitted.kelurahan,
        rw=admitted.rw,
        rt=admitted.rt,
        kind=admitted.kind,
        category=admitted.category,
        agency=admitted.agency,
        language=admitted.language,
        origin=origin,
        registered_on=day,
        registered_at=now,
        born_on=checks.born_on(admitted.nik, day),
    )
    event = VendorRegistered(
        vendor_id=vendor_id,
        kind=admitted.kind,
        kelurahan=admitted.kelurahan,
        rw=admitted.rw,
        rt=admitted.rt,
        category=admitted.category,
        agency=admitted.agency,
        origin=origin,
        registered_on=day,
    )
    return vendor, event, contact_card(vendor)


def first_bodies(admitted: Admitted, vendor_id: str, origin: Origin, day: date) -> tuple[bytes, bytes]:
    """The bodies of the event and the card that `register` gives, byte for byte as `to_bytes` writes them.

    For imports: written straight, they cost a fifth of what they cost by way of the models.
    """
    quoted = _quoted
    event = (
        f'{{"vendor_id":"{vendor_id}","kind":"{admitted.kind}","kelurahan":"{admitted.kelurahan}",'
        f'"rw":"{admitted.rw}","rt":"{admitted.rt}","category":{quoted(admitted.category)},'
        f'"agency":{quoted(admitted.agency)},"origin":"{origin}","registered_on":"{day}"}}'
    )
    card = (
        f'{{"vendor_id":"{vendor_id}","name":{quoted(admitted.name)},"phone":"{admitted.phone}",'
        f'"email":{quoted(admitted.email)},"language":"{admitted.language}"}}'
    )
    return event.encode(), card.encode()


def _quoted(text: str | None) -> str:
    return "null" if text is None else encode_basestring(text)


def contact_card(vendor: Vendor) -> ContactCard:
    """How the vendor is reached, for `notify` alone."""
    return ContactCard(
        vendor_id=vendor.vendor_id,
        name=vendor.name,
        phone=vendor.phone,
        email=vendor.email,
        language=vendor.language,
    )


def choose_category(vendor: Vendor, category: str, codes: Codes) -> tuple[Vendor, list[VendorEvent]]:
    """The vendor with this product category; no event when it has it already. Raises `CodeUnknown`."""
    chosen = _known("category", category, codes.categories)
    if chosen == vendor.category:
        return vendor, []
    changed = replace(vendor, category=chosen)
    return changed, [VendorCategoryChosen(vendor_id=vendor.vendor_id, category=chosen)]


def coach(vendor: Vendor, agency: str, codes: Codes) -> tuple[Vendor, list[VendorEvent]]:
    """The vendor coached by this agency from now on; no event when it was so already. Raises `CodeUnknown`."""
    chosen = _known("agency", agency, codes.agencies)
    if chosen == vendor.agency:
        return vendor, []
    changed = replace(vendor, agency=chosen)
    return changed, [VendorCoached(vendor_id=vendor.vendor_id, agency=chosen, previous_agency=vendor.agency)]


def _known(field: Literal["category", "agency"], text: str, known: frozenset[str]) -> str:
    try:
        code = checks.check_code(field, text, known)
    except FieldRefused as error:
        raise CodeUnknown(error, known) from None
    if code is None:
        raise CodeUnknown(FieldRefused(field, "missing", "is missing", f"known are {', '.join(sorted(known))}"), known)
    return code
