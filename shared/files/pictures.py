"""Pictures by their containers: how large one is, and a copy without what a camera wrote beside it.

A photo from a phone carries where and when it was taken; what everyone may see must not tell where a vendor lives.
Pixels are never decoded here, so a picture that unpacks to gigabytes costs nothing; its size is read from its head.
Layouts: JPEG (ITU T.81, annex B), EXIF 2.3 (tag 0x0112), PNG (RFC 2083 and its third edition), WebP (RFC 9649).
"""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Picture", "PictureBroken", "read_picture"]

JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
"""The next marker after compressed data, in which FF is followed by 00 or a restart marker."""
JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JPEG_SOI, JPEG_EOI, JPEG_SOS, JPEG_APP1, JPEG_APP2, JPEG_COM = 0xD8, 0xD9, 0xDA, 0xE1, 0xE2, 0xFE
JPEG_APPS_KEPT = frozenset({0xE0, 0xEE})
"""JFIF and Adobe: how colours are to be read."""
ORIENTATION_TAG = 0x0112
PNG_HEAD = b"\x89PNG\r\n\x1a\n"
PNG_KEPT = frozenset(
    {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"pHYs", b"bKGD"}
)
WEBP_KEPT = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ICCP", b"ANIM", b"ANMF"})
WEBP_EXIF_XMP = 0x0C
"""The bits of VP8X that announce the chunks left out."""


class PictureBroken(ValueError):
    """The content is not a whole picture of this type."""


class Picture(NamedTuple):
    """Its size in pixels, and its content without notes, places, times and thumbnails."""

    width: int
    height: int
    bare: bytes


def read_picture(media_type: str, content: bytes) -> Picture:
    """Read a JPEG, PNG or WebP. Raises `PictureBroken`."""
    read = {"image/jpeg": _read_jpeg, "image/png": _read_png, "image/webp": _read_webp}[media_type]
    try:
        picture = read(content)
    except (IndexError, struct.error):
        raise PictureBroken("the content ends before the picture does") from None
    if picture.width == 0 or picture.height == 0:
        raise PictureBroken("the picture names no size")
    return picture


def _read_jpeg(content: bytes) -> Picture:
    width = height = 0
    orientation = 1
    kept = [b"\xff\xd8"]
    for marker, start, end in _jpeg_segments(content):
        segment = content[start:end]
        if marker in JPEG_SIZES:
            height, width = struct.unpack_from(">HH", segment, 5)
        elif marker == JPEG_APP1:
            orientation = _orientation(segment[4:]) or orientation
        app = JPEG_APP1 <= marker <= 0xEF and marker not in JPEG_APPS_KEPT
        if marker == JPEG_COM or (app and not (marker == JPEG_APP2 and segment[4:].startswith(b"ICC_PROFILE\0"))):
            continue
        kept.append(segment)
    if orientation != 1:
        kept.insert(1, _orientation_segment(orientation))
    return Picture(width, height, b"".join(kept))


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of every segment up to the end of the image; a scan's data belongs to its segment."""
    if content[:2] != b"\xff\xd8":
        raise PictureBroken("no JPEG")
    position = 2
    while True:
        while content[position : position + 2] == b"\xff\xff":
            position += 1
        if content[position] != 0xFF:
            raise PictureBroken("no marker where one must stand")
        marker = content[position + 1]
        if marker == JPEG_EOI:
            yield marker, position, position + 2
            return
        (length,) = struct.unpack_from(">H", content, position + 2)
        end = position + 2 + length
        if length < 2 or end > len(content) or marker in (0x00, JPEG_SOI):
            raise PictureBroken("a segment of impossible length")
        if marker == JPEG_SOS:
            found = JPEG_MARKER.search(content, end)
            if found is None:
                raise PictureBroken("the content ends before the picture does")
            end = found.start()
        yield marker, position, end
        position = end


def _orientation(exif: bytes) -> int | None:
    """Which way up the picture is (1 to 8), if this is EXIF and says so."""
    if not exif.startswith(b"Exif\0\0") or exif[6:8] not in (b"II", b"MM"):
        return None
    tiff, order = exif[6:], "<" if exif[6:8] == b"II" else ">"
    try:
        (offset,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, offset)
        for entry in range(entries):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, offset + 2 + 12 * entry)
            if tag == ORIENTATION_TAG:
                return value if 1 <= value <= 8 else None
    except struct.error:  # notes of a camera that are broken are no reason to refuse its picture
        return None
    return None


def _orientation_segment(orientation: int) -> bytes:
    tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, ORIENTATION_TAG, 3, 1, orientation, 0, 0)
    return b"\xff\xe1" + struct.pack(">H", 2 + 6 + len(tiff)) + b"Exif\0\0" + tiff


def _read_png(content: bytes) -> Picture:
    if not content.startswith(PNG_HEAD) or content[12:16] != b"IHDR":
        raise PictureBroken("no PNG")
    width, height = struct.unpack_from(">II", content, 16)
    kept = [PNG_HEAD]
    position = len(PNG_HEAD)
    while True:
        length, kind = struct.unpack_from(">I4s", content, position)
        end = position + 12 + length
        if end > len(content):
            raise PictureBroken("the content ends before the picture does")
        if kind in PNG_KEPT:
            kept.append(content[position:end])
        if kind == b"IEND":
            return Picture(width, height, b"".join(kept))
        position = end


def _read_webp(content: bytes) -> Picture:
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP":
        raise PictureBroken("no WebP")
    (length,) = struct.unpack_from("<I", content, 4)
    whole = 8 + length
    if whole > len(content):
        raise PictureBroken("the content ends before the picture does")
    width = height = 0
    kept = []
    position = 12
    while position + 8 <= whole:
        kind, length = struct.unpack_from("<4sI", content, position)
        end = position + 8 + length + length % 2
        if end > whole:
            raise PictureBroken("a chunk of impossible length")
        chunk = content[position:end]
        if (width, height) == (0, 0):
            width, height = _webp_size(kind, chunk)
        if kind == b"VP8X":
            chunk = chunk[:8] + bytes([chunk[8] & ~WEBP_EXIF_XMP]) + chunk[9:]
        if kind in WEBP_KEPT:
            kept.append(chunk)
        position = end
    body = b"WEBP" + b"".join(kept)
    return Picture(width, height, b"RIFF" + struct.pack("<I", len(body)) + body)


def _webp_size(kind: bytes, chunk: bytes) -> tuple[int, int]:
    if kind == b"VP8X":
        return 1 + int.from_bytes(chunk[12:15], "little"), 1 + int.from_bytes(chunk[15:18], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(chunk[9:13], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", chunk, 14)
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0
