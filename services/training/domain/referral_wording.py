"""A referral in plain words, Indonesian and English: what a bank is sent, where it stands, what was answered. Pure."""

from datetime import date

from lokal.wilayah import wilayah_name

from services.training.domain.referrals import CORRECTION_DAYS, Answer, Because, ReferralState, Weight
from shared.clock import day_in_jakarta
from shared.events.cases import CapitalPacketSent
from shared.wording import MONTHS, Words

STATES: dict[ReferralState, Words] = {
    "prepared": Words(
        "Data ini belum dikirim. Periksa dulu; setelah Anda setuju, data persis seperti ini yang dikirim ke bank.",
        "This was not sent yet. Look at it first; when you agree, exactly this is sent to the bank.",
    ),
    "sent": Words("Sudah dikirim ke bank. Bank belum menjawab.", "Sent to the bank. It has not answered yet."),
    "received": Words("Bank sudah menerima dan sedang menilai.", "The bank received it and is looking at it."),
    "approved": Words(
        "Bank menyetujui. Bank akan menghubungi Anda; keputusan kredit ada pada bank, bukan pada kami.",
        "The bank approved. It will be in touch with you; the loan is the bank's to decide, not ours.",
    ),
    "declined": Words(
        "Bank tidak menyetujui. Keputusan kredit ada pada bank, bukan pada kami; layanan kota tetap untuk Anda.",
        "The bank declined. The loan is the bank's to decide, not ours; the city's services stay open to you.",
    ),
    "withdrawn": Words(
        "Permohonan ini ditarik. Jawaban bank sesudahnya tidak dihitung.",
        "This referral was withdrawn. What the bank answers later does not count.",
    ),
}
BECAUSE: dict[Because, Words] = {
    "vendor": Words("Anda menariknya.", "You withdrew it."),
    "officer": Words("Petugas menariknya.", "An officer withdrew it."),
    "consent": Words("Persetujuan Anda dicabut.", "Your consent was withdrawn."),
}
ANSWERS = {
    "received": Words("diterima untuk dinilai", "received, to be looked at"),
    "approved": Words("disetujui", "approved"),
    "declined": Words("tidak disetujui", "declined"),
}
WEIGHTS: dict[Weight, Words] = {
    "stands": Words("berlaku", "it counts"),
    "superseded": Words("sudah diganti jawaban bank yang lain", "another answer of the bank took its place"),
    "too-late-to-correct": Words(
        f"tidak dihitung: lebih dari {CORRECTION_DAYS} hari setelah keputusan pertama bank",
        f"does not count: more than {CORRECTION_DAYS} days after the bank's first decision",
    ),
    "after-withdrawal": Words("tidak dihitung: permohonan sudah ditarik", "does not count: it was withdrawn before"),
}
KINDS = {
    "pemula": Words("belum punya usaha (pemula)", "no business yet (pemula)"),
    "usaha": Words("punya usaha", "has a business"),
}
NOT_ON_RECORD = Words("tidak tercatat", "not on record")
NONE = Words("tidak ada", "none")


def day(when: date) -> Words:
    """A day as people write it."""
    return Words(*(f"{when.day} {name} {when.year}" for name in MONTHS[when.month - 1]))


def rupiah(amount: int) -> str:
    """An amount as people write it: Rp1.250.000."""
    return "Rp" + f"{amount:,}".replace(",", ".")


def state(standing: ReferralState, because: Because | None) -> Words:
    """Where a referral stands."""
    words = STATES[standing]
    if because is None:
        return words
    why = BECAUSE[because]
    return Words(f"{words.id} {why.id}", f"{words.en} {why.en}")


def answer(one: Answer, weight: Weight, *, late: bool) -> Words:
    """What a bank answered and on which day, and whether it counts."""
    on, what, counts = day(day_in_jakarta(one.answered_at)), ANSWERS[one.answer], WEIGHTS[weight]
    late_id, late_en = (" (terlambat)", " (late)") if late else ("", "")
    return Words(f"{on.id}{late_id}: {what.id}; {counts.id}.", f"{on.en}{late_en}: {what.en}; {counts.en}.")


def packet(sent: CapitalPacketSent) -> list[Words]:
    """What a bank is sent, fact by fact: every field of the packet, so that nothing goes unseen."""
    area = wilayah_name(sent.kelurahan_area) or sent.kelurahan_area
    kind = NOT_ON_RECORD if sent.kind is None else KINDS[sent.kind]
    since = NOT_ON_RECORD if sent.member_since is None else day(sent.member_since)
    consented, answer_by = day(day_in_jakarta(sent.consented_at)), day(sent.answer_by)
    documents = _codes(sent.documents_valid)
    courses = _codes(sent.trainings_completed)
    category = Words(sent.category, sent.category) if sent.category else NOT_ON_RECORD
    lines = [
        Words(f"Bank: {sent.bank}", f"Bank: {sent.bank}"),
        Words(f"Anda menyetujui penyerahan data pada {consented.id}", f"You consented on {consented.en}"),
        Words(f"Usaha: {kind.id}", f"Business: {kind.en}"),
        Words(f"Kategori: {category.id}", f"Category: {category.en}"),
        Words(f"Kecamatan: {area}", f"Kecamatan: {area}"),
        Words(f"Anggota sejak: {since.id}", f"Member since: {since.en}"),
        Words(f"Dokumen yang berlaku: {documents.id}", f"Valid documents: {documents.en}"),
        Words(f"Pelatihan yang selesai: {courses.id}", f"Trainings completed: {courses.en}"),
    ]
    if not sent.months:
        lines.append(Words("Omzet: tidak tercatat", "Turnover: not on record"))
    for month, turnover in zip(sent.months, sent.turnover_rupiah, strict=True):
        shown = NOT_ON_RECORD if turnover is None else Words(rupiah(turnover), rupiah(turnover))
        lines.append(Words(f"Omzet {month}: {shown.id}", f"Turnover {month}: {shown.en}"))
    assets = (
        NOT_ON_RECORD if sent.assets_rupiah is None else Words(rupiah(sent.assets_rupiah), rupiah(sent.assets_rupiah))
    )
    workers = NOT_ON_RECORD if sent.workers is None else Words(f"{sent.workers} orang", str(sent.workers))
    return [
        *lines,
        Words(f"Aset: {assets.id}", f"Assets: {assets.en}"),
        Words(f"Tenaga kerja: {workers.id}", f"Workers: {workers.en}"),
        Words(f"Bank diminta menjawab paling lambat {answer_by.id}", f"The bank is to answer by {answer_by.en}"),
    ]


def _codes(codes: list[str]) -> Words:
    return Words(", ".join(codes), ", ".join(codes)) if codes else NONE
