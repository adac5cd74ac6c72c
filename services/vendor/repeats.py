"""Who stands in a sheet twice, remembered in a few bytes a row."""

from array import array

__all__ = ["FirstLines"]

FULL_AT = 0.5


class FirstLines:
    """NIK -> the line it stood in first: a hash table of plain numbers.

    400,000 rows take 17 MB; a dict of the same numbers takes 48, and the memory of an import is to be flat.
    """

    def __init__(self) -> None:
        self._make(1 << 12)
        self._count = 0

    def _make(self, size: int) -> None:
        self._mask = size - 1
        self._niks = array("q", bytes(8 * size))
        self._lines = array("q", bytes(8 * size))

    def note(self, nik: int, line: int) -> int:
        """The line where this NIK stood first: `line` itself when it did not stand before."""
        niks, mask = self._niks, self._mask
        place = (nik * 0x9E3779B97F4A7C15 >> 20) & mask  # Fibonacci hashing: serials and birth dates repeat
        while niks[place]:
            if niks[place] == nik:
                return self._lines[place]
            place = (place + 1) & mask
        niks[place] = nik
        self._lines[place] = line
        self._count += 1
        if self._count > FULL_AT * (mask + 1):
            self._grow()
        return line

    def _grow(self) -> None:
        niks, lines = self._niks, self._lines
        self._make(2 * (self._mask + 1))
        self._count = 0
        for nik, line in zip(niks, lines, strict=True):
            if nik:
                self.note(nik, line)
