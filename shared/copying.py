"""Rows in PostgreSQL's binary COPY format, so that they can be made in one process and written by another.

asyncpg encodes rows too, but only on the connection that sends them. Format: PostgreSQL, COPY, "Binary Format".
"""

import struct
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from shared.db import Connection

__all__ = ["RowFormat", "copy_rows"]

_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_length = struct.Struct(">i").pack
_int8 = struct.Struct(">q").pack
_EPOCH_DAY = date(2000, 1, 1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
PIECE_ROWS = 200


@lru_cache(maxsize=1024)
def _date(value: date) -> bytes:
    return _length((value - _EPOCH_DAY).days)


@lru_cache(maxsize=16)
def _timestamptz(value: datetime) -> bytes:
    return _int8((value - _EPOCH) // _MICROSECOND)


_ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "uuid": lambda value: value.bytes,
    "bigint": _int8,
    "bytea": bytes,
    "text": str.encode,
    "date": _date,
    "timestamptz": _timestamptz,
}


class RowFormat:
    """How the rows of some columns are written; `columns`: name -> type, in order."""

    def __init__(self, **columns: str) -> None:
        self.columns = tuple(columns)
        self._encoders = [_ENCODERS[name] for name in columns.values()]
        self._count = struct.pack(">h", len(columns))

    def encode(self, values: Sequence[Any]) -> bytes:
        """One row."""
        parts = [self._count]
        for encoder, value in zip(self._encoders, values, strict=True):
            if value is None:
                parts.append(_NULL)
            else:
                raw = encoder(value)
                parts += (_length(len(raw)), raw)
        return b"".join(parts)


async def copy_rows(conn: Connection, table: str, form: RowFormat, rows: Sequence[bytes]) -> None:
    """Write encoded rows into a table by COPY: all of them, or none."""
    await conn.copy_to_table(table, source=_pieces(rows), columns=form.columns, format="binary")


async def _pieces(rows: Sequence[bytes]) -> AsyncIterator[bytes]:
    """The rows some at a time, so that no copy of all of them is made."""
    yield _HEADER
    for begin in range(0, len(rows), PIECE_ROWS):
        yield b"".join(rows[begin : begin + PIECE_ROWS])
    yield _TRAILER
