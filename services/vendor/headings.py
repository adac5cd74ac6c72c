"""The headings under which a sheet of vendors may keep its columns."""

import re
from collections.abc import Sequence

__all__ = ["HEADINGS", "REQUIRED", "find_columns", "fold"]

REQUIRED = ("nik", "name", "phone", "kelurahan", "rw", "rt")

HEADINGS: dict[str, tuple[str, ...]] = {
    "nik": ("nik", "no_nik", "nomor_nik", "no_ktp", "nomor_ktp"),
    "name": ("name", "nama", "nama_lengkap", "full_name"),
    "phone": ("phone", "no_hp", "nomor_hp", "hp", "no_wa", "nomor_wa", "whatsapp", "no_telepon", "telepon", "no_telp"),
    "kelurahan": ("kode_kelurahan", "kelurahan_code", "kode_wilayah", "kelurahan"),
    "rw": ("rw", "no_rw"),
    "rt": ("rt", "no_rt"),
    "street": ("street", "alamat", "alamat_ktp", "jalan", "address"),
    "email": ("email", "e_mail", "surel", "alamat_email"),
    "kind": ("kind", "jenis", "jenis_anggota", "tipe"),
    "category": ("category", "kategori", "kategori_produk", "kategori_usaha"),
    "agency": ("agency", "pengampu", "dinas", "instansi"),
    "language": ("language", "bahasa"),
}
"""Field -> headings it may stand under; where a sheet has several, the first of the list is taken."""

_NO_LETTERS = re.compile(r"[\s._/-]+")


def fold(heading: str) -> str:
    """A heading as `HEADINGS` writes it."""
    return _NO_LETTERS.sub("_", heading.casefold()).strip("_")


def find_columns(headings: Sequence[str]) -> dict[str, int]:
    """Field -> position of its column, of the fields that are there."""
    folded = [fold(heading) for heading in headings]
    columns = {}
    for field, names in HEADINGS.items():
        name = next((name for name in names if name in folded), None)
        if name is not None:
            columns[field] = folded.index(name)
    return columns
