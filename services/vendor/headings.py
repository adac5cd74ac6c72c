"""The headings under which a sheet of vendors may keep its columns."""

from shared.workbooks import Fields

__all__ = ["FIELDS", "HEADINGS", "REQUIRED"]

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

FIELDS = Fields(HEADINGS, REQUIRED)
