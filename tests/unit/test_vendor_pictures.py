"""Pictures by their containers, and the settings of the place where files lie."""

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shared.files.pictures import PictureBroken, read_picture
from shared.files.storage import FileSettings

SECRET = b"S 6.1754 E 106.8272 Jalan Rahasia 7"
BASE: dict[str, Any] = {
    "database": "postgresql://v:p@127.0.0.1/vendor",
    "kafka": "127.0.0.1:9092",
    "http_port": 0,
    "jwks": "https://id.example.go.id/certs",
    "token_issuer": "local",
    "secret_keys": '{"k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}',
}


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def exif(orientation: int, *, order: str = ">", note: bytes = SECRET) -> bytes:
    """EXIF with a note and an orientation, as a camera writes it."""
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order]
    entries = struct.pack(f"{order}HHII", 0x010E, 2, len(note), 64)
    entries += struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = mark + struct.pack(f"{order}IH", 8, 2) + entries + struct.pack(f"{order}I", 0)
    return b"Exif\0\0" + tiff.ljust(64, b"\0") + note


def jpeg(width: int = 640, height: int = 480, *, notes: bytes = b"", scan: bytes = b"\x12\xff\x00\x34") -> bytes:
    """A JPEG with the segments that matter here; the compressed data is made up."""
    return b"".join(
        [
            b"\xff\xd8",
            segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
            notes,
            segment(0xDB, bytes(65)),
            segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0"),
            segment(0xDA, b"\1\1\0\0\x3f\0") + scan,
            segment(0xC4, bytes(20)),
            segment(0xDA, b"\1\1\0\0\x3f\0") + b"\x56\xff\xd0\x78",
            b"\xff\xd9",
        ]
    )


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int = 640, height: int = 480, *, notes: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + notes + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(k + struct.pack("<I", len(b)) + b + b"\0" * (len(b) % 2) for k, b in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def lossless(width: int, height: int) -> tuple[bytes, bytes]:
    return b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + b"data"


def test_the_size_of_a_picture_is_in_its_head() -> None:
    extended = (b"VP8X", b"\x0c\0\0\0" + (799).to_bytes(3, "little") + (599).to_bytes(3, "little"))
    lossy = (b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 320, 240 | 0x4000))
    for media_type, content, size in (
        ("image/jpeg", jpeg(8160, 6144), (8160, 6144)),
        ("image/png", png(65000, 2), (65000, 2)),
        ("image/webp", riff(lossless(1024, 7)), (1024, 7)),
        ("image/webp", riff(lossy), (320, 240)),
        ("image/webp", riff(extended, lossless(800, 600)), (800, 600)),
    ):
        picture = read_picture(media_type, content)
        assert (picture.width, picture.height) == size


def test_what_a_camera_noted_is_left_out_and_the_picture_stays() -> None:
    xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + SECRET)
    icc = segment(0xE2, b"ICC_PROFILE\0\1\1colours")
    noted = jpeg(notes=segment(0xE1, exif(1)) + xmp + segment(0xED, SECRET) + segment(0xFE, SECRET) + icc)
    assert read_picture("image/jpeg", noted).bare == jpeg(notes=icc)
    behind = jpeg() + SECRET  # some phones put further pictures, with notes of their own, behind the first
    assert read_picture("image/jpeg", behind).bare == jpeg()
    noted = png(notes=chunk(b"tEXt", b"Comment\0" + SECRET) + chunk(b"eXIf", exif(1)[6:]) + chunk(b"gAMA", b"\0\0\0\1"))
    assert read_picture("image/png", noted + SECRET).bare == png(notes=chunk(b"gAMA", b"\0\0\0\1"))
    flags = {kept: (b"VP8X", bytes([kept, 0, 0, 0, 9, 0, 0, 9, 0, 0])) for kept in (0x1C, 0x10)}
    noted = riff(flags[0x1C], lossless(10, 10), (b"EXIF", exif(1)), (b"XMP ", SECRET))
    assert read_picture("image/webp", noted + SECRET).bare == riff(flags[0x10], lossless(10, 10))


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_photo_keeps_which_way_up_it_is(order: str) -> None:
    bare = read_picture("image/jpeg", jpeg(notes=segment(0xE1, exif(6, order=order)))).bare
    assert SECRET not in bare
    assert b"Exif\0\0MM\0*" in bare
    again = read_picture("image/jpeg", bare)
    assert again.bare == bare
    assert (again.width, again.height) == (640, 480)


def test_notes_that_are_broken_are_no_reason_to_refuse_a_picture() -> None:
    for broken in (b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0", exif(9)):
        assert read_picture("image/jpeg", jpeg(notes=segment(0xE1, broken))).bare == jpeg()


@pytest.mark.parametrize(
    ("media_type", "content"),
    [("image/jpeg", jpeg()), ("image/png", png()), ("image/webp", riff(lossless(3, 3)))],
)
def test_a_picture_that_is_cut_off_anywhere_is_refused(media_type: str, content: bytes) -> None:
    read_picture(media_type, content)
    for end in range(len(content)):
        with pytest.raises(PictureBroken) as broken:
            read_picture(media_type, content[:end])
        assert str(broken.value)


def test_a_picture_without_a_size_is_refused() -> None:
    for media_type, content in (
        ("image/jpeg", jpeg(0, 480)),
        ("image/png", png(5, 0)),
        ("image/webp", riff((b"ICCP", b"x"))),
        ("image/jpeg", b"\xff\xd8\xff\xd9"),
        ("image/jpeg", b"\xff\xd8\x00\x00"),
        ("image/jpeg", b"\xff\xd8\xff\xe0\x00\x01\xff\xd9"),
    ):
        with pytest.raises(PictureBroken) as broken:
            read_picture(media_type, content)
        assert str(broken.value)


@pytest.mark.parametrize("files", ["var/files", "here", "s3://lapak-vendor", "s3://lapak-vendor/deep/er"])
def test_files_lie_in_a_folder_or_a_bucket(files: str) -> None:
    assert FileSettings(**BASE, files=files).files == files


@pytest.mark.parametrize(
    "files", ["https://example.go.id/x", "s3://", "s3://Upper", "s3://b/x?y", __file__, f"{__file__}/below"]
)
def test_any_other_place_is_refused(files: str) -> None:
    with pytest.raises(ValidationError) as refused:
        FileSettings(**BASE, files=files)
    assert refused.value.errors()[0]["loc"] == ("files",)


def test_a_folder_in_which_nobody_may_write_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []
    monkeypatch.setattr(os, "access", lambda path, _: asked.append(path))  # root may write everywhere
    with pytest.raises(ValidationError) as refused:
        FileSettings(**BASE, files=str(tmp_path / "to" / "come"))
    assert asked == [tmp_path]
    assert "may not write" in str(refused.value)


@pytest.mark.parametrize("endpoint", ["minio:9000", "ftp://minio", "https://"])
def test_an_endpoint_is_an_address(endpoint: str) -> None:
    with pytest.raises(ValidationError) as refused:
        FileSettings(**BASE, files_s3_endpoint=endpoint)
    assert refused.value.errors()[0]["loc"] == ("files_s3_endpoint",)


def test_settings_do_not_show_the_keys_of_the_bucket() -> None:
    shown = repr(FileSettings(**BASE, files_s3_access_key="AKIA-1", files_s3_secret_key="geheim"))
    assert "geheim" not in shown
    assert "AKIA-1" not in shown
