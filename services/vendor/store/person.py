"""A person's complete data: every noun of the registry that keeps something about a vendor, what it keeps, and how it
forgets. A test finds a table that is missing here."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from services.vendor.store import (
    affiliations,
    coaching,
    consents,
    corrections,
    documents,
    duplicates,
    eligibility,
    indicators,
    invitations,
    issues,
    merging,
    newcomers,
    products,
    programme,
    progress,
    suspension,
)
from shared.crypto import Sealer
from shared.db import Connection

__all__ = ["KEPT", "NOUNS", "Noun", "collect_audit", "collect_registrations"]

Collect: TypeAlias = Callable[..., Awaitable[dict[str, Any]]]
Erase: TypeAlias = Callable[[Connection, Sequence[UUID]], Awaitable[dict[str, int]]]


class Noun(NamedTuple):
    """A part of the registry: what it keeps about these vendors, how it erases that, and what it means to a person.

    `tables` are those it answers for. What `opens` keeps values sealed and is collected with the `sealer`.
    """

    name: str
    tables: tuple[str, ...]
    collect: Collect
    erase: Erase
    meaning_id: str
    meaning_en: str
    opens: bool = False

    async def kept(self, conn: Connection, vendor_ids: Sequence[UUID], sealer: Sealer) -> dict[str, Any]:
        """Everything it keeps about these vendors, in the clear."""
        if self.opens:
            return await self.collect(conn, vendor_ids, sealer=sealer)
        return await self.collect(conn, vendor_ids)


NOUNS: tuple[Noun, ...] = (
    Noun(
        "account",
        ("newcomer",),
        newcomers.collect_newcomers,
        newcomers.erase_newcomers,
        "Apakah Anda mendaftar sendiri dengan akun Anda; akunnya hanya disimpan sebagai sidik bersandi.",
        "Whether you registered yourself with an account of yours; of the account only a keyed hash is kept.",
    ),
    Noun(
        "corrections",
        ("correction",),
        corrections.collect_corrections,
        corrections.erase_corrections,
        "Permintaan perbaikan data: apa yang diminta, nilai lama dan baru, dan keputusannya.",
        "Requests to correct data: what was asked, the old and the new value, and what was decided.",
        opens=True,
    ),
    Noun(
        "consents",
        ("consent",),
        consents.collect_consents,
        consents.erase_consents,
        "Persetujuan yang diberikan atau ditarik, dengan teks yang ditunjukkan.",
        "Consents given or withdrawn, with the text that was shown.",
    ),
    Noun(
        "documents",
        ("document", "document_version"),
        documents.collect_documents,
        documents.erase_documents,
        "Dokumen yang diajukan (NIB, P-IRT, halal, BPOM, HKI, KTP), masa berlakunya dan hasil pemeriksaannya.",
        "Documents submitted (NIB, P-IRT, halal, BPOM, HKI, KTP), how long they are valid and how they were decided.",
    ),
    Noun(
        "programme",
        ("enrolment_step", "training_place", "capital_referral"),
        programme.collect_programme,
        programme.erase_programme,
        "Layanan program P1 sampai P7 yang diminta dan dijalani, kelas pelatihan, dan rujukan modal ke bank.",
        "Services P1 to P7 of the programme asked for and taken, training classes, and referrals to banks for capital.",
    ),
    Noun(
        "progress",
        ("training_fact",),
        progress.collect_progress,
        progress.erase_progress,
        "Kabar dari layanan pelatihan tentang Anda: sertifikat, pendamping, kunjungan, bantuan, dan naik kelas.",
        "What the training service told of you: certificates, mentors, visits, help, and graduation.",
    ),
    Noun(
        "coaching",
        ("coaching_transfer",),
        coaching.collect_coaching,
        coaching.erase_coaching,
        "Dinas pengampu yang membina Anda, dari kapan sampai kapan.",
        "The agencies that coached you, from when until when.",
    ),
    Noun(
        "affiliations",
        ("affiliation", "affiliation_payment"),
        affiliations.collect_affiliations,
        affiliations.erase_affiliations,
        "Keanggotaan pada organisasi (PKK, Kadin) dan iuran yang dicatat.",
        "Memberships of organisations (PKK, Kadin) and the fees noted.",
    ),
    Noun(
        "issues",
        ("issue", "issue_vendor", "issue_step"),
        issues.collect_issues,
        issues.erase_issues,
        "Masalah usaha yang Anda sampaikan atau yang menyangkut usaha Anda, dan penanganannya.",
        "Problems of business that you raised or that concern you, and what became of them.",
    ),
    Noun(
        "invitations",
        ("export_assessment", "export_referral", "invitation"),
        invitations.collect_invitations,
        invitations.erase_invitations,
        "Penilaian kesiapan ekspor, rujukan ke mitra, dan undangan pameran dengan jawaban Anda.",
        "Assessments of export readiness, referrals to partners, and invitations to exhibitions with your answers.",
    ),
    Noun(
        "products",
        ("product", "product_photo", "curation"),
        products.collect_products,
        products.erase_products,
        "Produk Anda, fotonya, dan nilai kurasinya.",
        "Your products, their photos, and how they were curated.",
    ),
    Noun(
        "indicators",
        ("indicator_report",),
        indicators.collect_indicators,
        indicators.erase_indicators,
        "Laporan bulanan omzet, aset dan tenaga kerja.",
        "Monthly reports of turnover, assets and workers.",
    ),
    Noun(
        "eligibility",
        ("eligibility_decision", "eligibility_objection"),
        eligibility.collect_eligibility,
        eligibility.erase_eligibility,
        "Keputusan otomatis tentang kelayakan Anda, fakta yang dipakai, dan keberatan Anda.",
        "Automated decisions on your eligibility, the facts they used, and your objections.",
    ),
    Noun(
        "suspensions",
        ("suspension",),
        suspension.collect_suspensions,
        suspension.erase_suspensions,
        "Penangguhan dari tawaran program, dengan alasan dan akhirnya.",
        "Suspensions from offers of the programme, with their reason and end.",
    ),
    Noun(
        "duplicates",
        ("duplicate",),
        duplicates.collect_duplicates,
        duplicates.erase_duplicates,
        "Dugaan bahwa dua pendaftaran adalah orang yang sama, dengan buktinya.",
        "Suspicions that two registrations are one person, with the evidence.",
    ),
    Noun(
        "merges",
        ("merge",),
        merging.collect_merges,
        merging.erase_merges,
        "Penggabungan pendaftaran Anda, dan nilai yang disimpan untuk membatalkannya.",
        "Merges of your registrations, and the values kept to undo them.",
        opens=True,
    ),
)


KEPT: Mapping[str, str] = {
    "vendor": "stripped of the person by the erasure itself; the row counts on in statistics by area and category",
    "erasure": "the proof of the erasure: ids, codes and moments",
    "duplicate_walk": "how far the search for duplicates has come: one id, no more",
    "audit_log": "who did what under which id: ids and codes, and a chain that cannot be taken apart",
}
"""Tables that hold a vendor's id and belong to no noun, and why an erasure leaves their rows."""


async def collect_registrations(conn: Connection, vendor_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """The registrations themselves; `nik_sealed` as bytes, for who holds the keys."""
    rows = await conn.fetch(
        "SELECT vendor_id, nik_sealed, name, phone, email, street, kelurahan, rw, rt, kind, category, agency, "
        "language, origin, registered_on, registered_at, born_on, merged_into, suspended_because FROM vendor "
        "WHERE vendor_id = ANY($1::uuid[]) AND erased_at IS NULL ORDER BY vendor_id",
        vendor_ids,
    )
    return [
        {
            **dict(row),
            "vendor_id": str(row["vendor_id"]),
            "registered_on": row["registered_on"].isoformat(),
            "registered_at": row["registered_at"].isoformat(),
            "born_on": None if row["born_on"] is None else row["born_on"].isoformat(),
            "merged_into": None if row["merged_into"] is None else str(row["merged_into"]),
        }
        for row in rows
    ]


async def collect_audit(conn: Connection, vendor_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Who saw or changed what of these vendors, and when."""
    rows = await conn.fetch(
        "SELECT seq, at, actor, act, vendor_id, detail FROM audit_log WHERE vendor_id = ANY($1::uuid[]) ORDER BY seq",
        vendor_ids,
    )
    return [{**dict(row), "at": row["at"].isoformat(), "vendor_id": str(row["vendor_id"])} for row in rows]
