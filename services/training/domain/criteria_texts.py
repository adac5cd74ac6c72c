"""Criteria of graduation in plain sentences, in Indonesian and English: what is asked for, and what was found."""

from lokal import format_rupiah

from services.training.domain.criteria import (
    Check,
    Condition,
    CriteriaDocument,
    Growth,
    Least,
    Measure,
    NothingQueried,
    Trainings,
    Visits,
)

InBoth = dict[str, str]
"""Language -> text: id and en."""

_MEASURES: dict[Measure, tuple[str, str]] = {
    "turnover_rupiah": ("omzet", "turnover"),
    "assets_rupiah": ("aset", "assets"),
    "workers": ("tenaga kerja", "workers"),
}


def explain_condition(condition: Condition, document: CriteriaDocument) -> InBoth:
    """What a condition asks for."""
    n = document.months
    match condition:
        case Least(measure=measure, at_least=at_least):
            names, amount = _MEASURES[measure], _amount(measure, at_least)
            return _both(
                f"{names[0].capitalize()} setiap bulan paling sedikit {amount}, {n} bulan berturut-turut",
                f"{names[1].capitalize()} of at least {amount} in each of {n} months in a row",
            )
        case Growth(measure=measure, percent=percent, baseline_months=first):
            names = _MEASURES[measure]
            return _both(
                f"Rata-rata {names[0]} {n} bulan terakhir naik paling sedikit {percent} % dari {first} bulan pertama "
                "usaha Anda sendiri",
                f"Average {names[1]} of the last {n} months at least {percent} % above the first {first} months of "
                "your own business",
            )
        case Trainings(at_least=at_least):
            return _both(f"Paling sedikit {at_least} pelatihan selesai", f"At least {at_least} training(s) completed")
        case Visits(at_least=at_least):
            return _both(
                f"Paling sedikit {at_least} kunjungan pendamping dalam {n} bulan itu",
                f"At least {at_least} visit(s) of a mentor in those {n} months",
            )
        case NothingQueried():
            return _both(
                "Tidak ada angka yang masih ditanyakan petugas", "No figure that an officer still has a question about"
            )


def explain_check(check: Check, document: CriteriaDocument) -> InBoth:
    """What was found, beside what is asked for."""
    condition, found = check.condition, check.found
    match condition:
        case Least(measure=measure):
            held = check.months_held or 0
            least = "-" if found is None else _amount(measure, found)
            return _both(
                f"Terpenuhi {held} dari {document.months} bulan; yang terendah {least}",
                f"Held in {held} of {document.months} months; the least was {least}",
            )
        case Growth():
            if found is None and not check.met:
                return _both(
                    "Angka bulan-bulan pertama atau terakhir belum lengkap",
                    "Figures of the first or the last months are not complete",
                )
            if found is None:
                return _both("Tumbuh dari nol", "Grown from nothing")
            return _both(f"Perubahan {found} %", f"A change of {found} %")
        case Trainings():
            return _both(f"{found or 0} pelatihan selesai", f"{found or 0} training(s) completed")
        case Visits():
            return _both(f"{found or 0} kunjungan", f"{found or 0} visit(s)")
        case NothingQueried():
            return _both(f"{found or 0} bulan masih ditanyakan", f"{found or 0} month(s) still asked about")


def _amount(measure: Measure, value: int) -> str:
    return str(value) if measure == "workers" else format_rupiah(value)


def _both(indonesian: str, english: str) -> InBoth:
    return {"id": indonesian, "en": english}
