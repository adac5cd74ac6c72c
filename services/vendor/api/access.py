"""Who may do what to which vendor."""

from shared.auth import Caller
from shared.errors import Forbidden

__all__ = ["officer_area"]


def officer_area(caller: Caller) -> str:
    """The area an officer answers for; refuses everybody else."""
    caller.require("officer")
    if caller.area is None:
        raise Forbidden("This token names no area; an officer answers for one.")
    return caller.area
