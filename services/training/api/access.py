"""Who may do what to which class and training record. Officers act within their area; a vendor for itself."""

from uuid import UUID

from services.training.domain.classes import ClassNotFound, TrainingClass
from services.training.store import classes, registry
from shared import families, personal_data
from shared.auth import Caller, covers
from shared.db import Connection


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
