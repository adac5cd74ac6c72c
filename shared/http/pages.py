"""Pages of long lists: keyset pagination with opaque cursors."""

import base64
import binascii
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any, TypeVar, overload

from fastapi import Query
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from shared.errors import Refused

__all__ = ["LIMIT_DEFAULT", "LIMIT_MAX", "After", "CursorInvalid", "Limit", "page", "read_cursor", "write_cursor"]

LIMIT_DEFAULT = 50
LIMIT_MAX = 500
CURSOR_CHARACTERS_MAX = 1000

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Rows of a page at most")]
"""Query parameter of lists: `limit: Limit = LIMIT_DEFAULT`."""

After = Annotated[
    str | None, Query(max_length=CURSOR_CHARACTERS_MAX, description="`next` of the page before; none: from the start")
]
"""Query parameter of lists: `after: After = None`."""

Row = TypeVar("Row")
T = TypeVar("T")


class CursorInvalid(Refused):
    """The cursor did not come from `next` of this list."""

    code = "cursor-invalid"
    status = 422


def page(rows: Sequence[Row], limit: int, cursor_of: Callable[[Row], Any]) -> dict[str, Any]:
    """A page of a list: {"items": [...], "next": cursor or None}.

    `rows` are read with `LIMIT limit + 1`: the one too many tells that there is a next page and is not shown.
    `cursor_of` gives the sort key of a row (a value, or a tuple), which `read_cursor` gives back.
    """
    items = list(rows[:limit])
    more = len(rows) > limit
    return {"items": items, "next": write_cursor(cursor_of(items[-1])) if more else None}


def write_cursor(key: Any) -> str:
    """The sort key of the last row of a page, as an opaque text."""
    return base64.urlsafe_b64encode(to_json(key)).decode().rstrip("=")


@overload
def read_cursor(text: str) -> Any: ...
@overload
def read_cursor(text: str, shape: type[T]) -> T: ...
def read_cursor(text: str, shape: Any = Any) -> Any:
    """The sort key in a cursor, checked against its shape, for example `tuple[date, UUID]`.

    Without a shape it is plain JSON. Raises `CursorInvalid`.
    """
    try:
        value = from_json(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        return _adapter(shape).validate_python(value)
    except (binascii.Error, ValueError, ValidationError):
        raise CursorInvalid("`after` must be the `next` of the page before, as it was given.") from None


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)
