"""Who may do what to which class and training record. Officers act within their area; a vendor for itself."""

from uuid import UUID

from services.training.domain.classes import ClassNotFound, TrainingClass
from services.training.domain.enrolments import TraineeNotFound
from services.training.domain.mentors import Mentor
from services.training.store import attendance, classes, mentors, registry
from shared import families, personal_data
from shared.auth import Caller, covers
from shared.db import Connection
from shared.errors import Forbidden


class OwnCase(Forbidden):
    """An officer does not decide about the vendor that it is besides."""

    code = "own-case"


class MentorUnknown(Forbidden):
    """The token says mentor, and no mentor has its account."""

    code = "mentor-account-unknown"


async def find_class(conn: Connection, class_id: UUID) -> TrainingClass:
    """The class with this id. Raises `ClassNotFound`."""
    a_class = await classes.find_class(conn, class_id)
    if a_class is None:
        raise ClassNotFound("No class has this id.", class_id=str(class_id))
    return a_class


async def require_class_area(conn: Connection, caller: Caller, class_id: UUID) -> None:
    """Refuse an officer whose area does not cover the class's. Raises `ClassNotFound`."""
    # a class never changes its area, so this needs no lock
    caller.require_area((await find_class(conn, class_id)).area)


async def require_entitled(conn: Connection, caller: Caller, vendor_id: UUID) -> None:
    """Refuse everybody but the vendor itself and a registrar of where it lives; of an erased one there is nothing."""
    if await families.find_erased(conn, [vendor_id]):
        raise personal_data.VendorNotKept("Nothing is kept here of this vendor.")
    personal_data.require_entitled(caller, vendor_id, await registry.find_kelurahan(conn, vendor_id))


def serves(caller: Caller, area: str) -> bool:
    """Whether this is an officer whose area covers this one."""
    return caller.has("officer") and caller.area is not None and covers(caller.area, area)


async def require_home(conn: Connection, caller: Caller, vendor_id: UUID) -> str:
    """Refuse an officer whose area does not cover where the vendor lives, and of its own case; gives the kelurahan.

    Raises `TraineeNotFound` where the vendor is not known, or erased.
    """
    kelurahan = await registry.find_kelurahan(conn, vendor_id)
    if kelurahan is None:
        raise TraineeNotFound("Training does not know this vendor.", vendor_id=str(vendor_id))
    caller.require("officer")
    caller.require_area(kelurahan)
    await require_not_own(conn, caller, vendor_id)
    return kelurahan


async def require_not_own(conn: Connection, caller: Caller, *vendors_concerned: UUID) -> None:
    """Refuse an officer to decide its own case as a vendor."""
    for vendor_id in vendors_concerned if caller.vendor_id is not None else ():
        if caller.vendor_id in await families.find_family(conn, vendor_id):
            raise OwnCase("This concerns you as a vendor: another officer of the area decides.")


async def find_own_mentor(conn: Connection, caller: Caller) -> Mentor:
    """The mentor who calls (role `mentor`, its account is the token's subject). Raises `MentorUnknown`."""
    caller.require("mentor")
    mentor = await mentors.find_mentor_of(conn, caller.subject)
    if mentor is None:
        raise MentorUnknown("No mentor at present has this account; ask the officers of your area to enter it.")
    return mentor


async def require_side(conn: Connection, caller: Caller, vendor_id: UUID) -> None:
    """Refuse everybody but the vendor itself, by any of its ids, and officers of where it lives.

    Raises `TraineeNotFound` where the vendor is not known, or erased.
    """
    caller.require("officer", "vendor")
    itself = caller.has("vendor") and caller.vendor_id in await families.find_family(conn, vendor_id)
    if not itself:
        caller.require_vendor(vendor_id)
    kelurahan = await registry.find_kelurahan(conn, vendor_id)
    if kelurahan is None:
        raise TraineeNotFound("Training does not know this vendor.", vendor_id=str(vendor_id))
    if not itself:
        caller.require_area(kelurahan)


async def require_class_officer(conn: Connection, caller: Caller, class_id: UUID) -> None:
    """Refuse everybody but officers whose area covers the class's. Raises `ClassNotFound`."""
    caller.require("officer")
    await require_class_area(conn, caller, class_id)


async def own_ids(conn: Connection, caller: Caller) -> set[UUID]:
    """The ids that the caller has as a vendor; none of one who is no vendor."""
    return set() if caller.vendor_id is None else set(await families.find_family(conn, caller.vendor_id))


async def require_no_own_place(conn: Connection, caller: Caller, class_id: UUID) -> None:
    """Refuse an officer who has a place in the class as a vendor to say who of all was there."""
    own = await own_ids(conn, caller)
    if own and not own.isdisjoint(await attendance.find_seats(conn, class_id)):
        raise OwnCase("You have a place in this class as a vendor: another officer of the area decides.")
