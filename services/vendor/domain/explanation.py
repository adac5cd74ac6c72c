"""Why, or why not: a decision of eligibility in plain sentences, in Indonesian and English."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from services.vendor import areas
from services.vendor.domain.eligibility import Facts, Judgement, holds, is_true
from services.vendor.domain.rules import (
    Category,
    DocumentsValid,
    Domicile,
    Group,
    Kind,
    Leaf,
    Node,
    NotSuspended,
    RegisteredDays,
    Rule,
    ServicesActive,
    TrainedTimes,
    Wish,
    normal,
)

__all__ = ["explain"]


class _Words(NamedTuple):
    """What a condition asks for, what the person has, and what to do; each in Indonesian and English."""

    need: tuple[str, str]
    have: tuple[str, str]
    todo: tuple[str, str]


_KINDS = {"pemula": ("pemula", "a newcomer"), "usaha": ("usaha", "a business")}
_DOCUMENTS = {"nib": "NIB", "pirt": "P-IRT", "halal": "halal", "bpom": "BPOM", "hki": "HKI", "ktp": "KTP"}


def explain(
    rule: Rule, facts: Facts, judgement: Judgement, category_names: Mapping[str, tuple[str, str]]
) -> dict[str, dict[str, Any]]:
    """{"id": {...}, "en": {...}}: a summary, what is met, and what is missing with what to do about it.

    `category_names`: code -> Indonesian and English name.
    """
    node = normal(rule.condition)
    parts = node.parts if isinstance(node, Group) and node.every else (node,)
    explained: dict[str, dict[str, Any]] = {}
    for column, language in enumerate(("id", "en")):
        met = [_met(part, facts, category_names, column) for part in parts if holds(part, facts)]
        missing = [_missing(part, facts, category_names, column) for part in parts if not holds(part, facts)]
        title = (rule.title_id, rule.title_en)[column]
        explained[language] = {"summary": _summary(title, judgement, column), "met": met, "missing": missing}
    return explained


def _summary(title: str, judgement: Judgement, column: int) -> str:
    if judgement.eligible:
        return (f"Anda memenuhi semua syarat {title}.", f"You meet every condition of {title}.")[column]
    return (
        f"Anda belum memenuhi syarat {title}. Di bawah ini apa yang kurang dan cara melengkapinya. Bila menurut Anda "
        "ini keliru, ajukan keberatan: seorang petugas akan memeriksanya.",
        f"You do not meet the conditions of {title} yet. Below is what is missing and how to mend it. If you think "
        "this is wrong, object to it: an officer will look at it.",
    )[column]


def _met(node: Node, facts: Facts, names: Mapping[str, tuple[str, str]], column: int) -> str:
    if isinstance(node, Group):
        holding = [_met(part, facts, names, column) for part in node.parts if holds(part, facts)]
        return " ".join(holding)
    words = _words(node.leaf, facts, names)
    need = _need(node, words, column)
    if is_true(node.leaf, facts) == node.negated:
        waived = ("dikecualikan oleh petugas setelah keberatan", "waived by an officer after an objection")[column]
        return f"{need}: {waived}."
    return f"{need}: {words.have[column]}."


def _missing(node: Node, facts: Facts, names: Mapping[str, tuple[str, str]], column: int) -> dict[str, str]:
    if isinstance(node, Wish):
        words = _words(node.leaf, facts, names)
        todo = words.todo if not node.negated else _ASK
        return {"what": f"{_need(node, words, column)}: {words.have[column]}.", "todo": todo[column]}
    parts = [_missing(part, facts, names, column) for part in node.parts if not holds(part, facts)]
    if len(parts) == 1:
        return parts[0]
    joined = ("; dan ", "; and ") if node.every else ("; atau ", "; or ")
    what = joined[column].join(part["what"].removesuffix(".") for part in parts)
    lead = (("Semua ini", "All of these") if node.every else ("Salah satu dari ini", "One of these"))[column]
    return {"what": f"{lead}: {what}.", "todo": " ".join(dict.fromkeys(part["todo"] for part in parts))}


_ASK = (
    "Syarat ini tidak dapat dilengkapi sendiri; tanyakan kepada petugas wilayah Anda kegiatan lain yang cocok.",
    "This cannot be mended by yourself; ask the officer of your area for another activity that fits.",
)


def _need(wish: Wish, words: _Words, column: int) -> str:
    need = f"{('tidak ', 'not ')[column]}{words.need[column]}" if wish.negated else words.need[column]
    return need[:1].upper() + need[1:]


def _words(leaf: Leaf, facts: Facts, names: Mapping[str, tuple[str, str]]) -> _Words:
    match leaf:
        case TrainedTimes(at_least=times):
            return _Words(
                (f"menyelesaikan sedikitnya {times} pelatihan", f"having completed at least {_trainings(times)}"),
                (f"Anda menyelesaikan {facts.trained_times}", f"you completed {facts.trained_times}"),
                (
                    "Ikuti kelas pelatihan program sampai selesai; petugas wilayah Anda membantu mencarikan kelas.",
                    "Attend a training class of the programme to its end; the officer of your area helps to find one.",
                ),
            )
        case RegisteredDays(at_least=days):
            left = max(days - facts.registered_days, 0)
            return _Words(
                (f"terdaftar sedikitnya {days} hari", f"being registered for at least {days} days"),
                (f"Anda terdaftar {facts.registered_days} hari", f"you have been for {facts.registered_days}"),
                (f"Coba lagi {left} hari lagi.", f"Try again in {left} days."),
            )
        case Domicile(within=codes):
            places = [areas.areas().get(code, "DKI Jakarta") for code in codes]
            home = areas.areas().get(facts.domicile, facts.domicile)
            return _Words(
                (f"beralamat KTP di {_or(places, 0)}", f"living in {_or(places, 1)} by the KTP"),
                (f"alamat KTP Anda di {home}", f"your KTP address is in {home}"),
                (
                    "Bila Anda sudah pindah dan KTP sudah diganti, ajukan perbaikan alamat.",
                    "If you have moved and have a new KTP, ask for your address to be corrected.",
                ),
            )
        case Kind(among=kinds):
            return _Words(
                (
                    f"terdaftar sebagai {_or([_KINDS[kind][0] for kind in kinds], 0)}",
                    f"being registered as {_or([_KINDS[kind][1] for kind in kinds], 1)}",
                ),
                (f"Anda terdaftar sebagai {_KINDS[facts.kind][0]}", f"you are registered as {_KINDS[facts.kind][1]}"),
                (
                    "Bila usaha Anda sudah berjalan, minta petugas mengubah jenis pendaftaran.",
                    "If your business is running, ask an officer to change the kind of your registration.",
                ),
            )
        case Category(among=codes):
            own = None if facts.category is None else names.get(facts.category, (facts.category, facts.category))
            return _Words(
                (
                    f"berkategori {_or([names.get(code, (code, code))[0] for code in codes], 0)}",
                    f"having the category {_or([names.get(code, (code, code))[1] for code in codes], 1)}",
                ),
                ("kategori Anda belum dipilih", "you have not chosen a category")
                if own is None
                else (f"kategori Anda {own[0]}", f"your category is {own[1]}"),
                (
                    "Pilih kategori produk Anda, atau pilih kegiatan untuk kategori Anda.",
                    "Choose your product category, or an activity for your category.",
                ),
            )
        case DocumentsValid(contains=kinds):
            lacking = [_DOCUMENTS[kind] for kind in kinds if kind not in facts.documents_valid]
            wanted = ", ".join(_DOCUMENTS[kind] for kind in kinds)
            return _Words(
                (f"memiliki dokumen yang sah: {wanted}", f"having valid documents: {wanted}"),
                ("lengkap", "complete")
                if not lacking
                else (f"belum ada {', '.join(lacking)}", f"{', '.join(lacking)} is missing"),
                (
                    "Unggah dokumen yang kurang, atau yang baru bila masa berlakunya habis; petugas akan memeriksanya.",
                    "Upload what is missing, or a new one where it has expired; an officer will check it.",
                ),
            )
        case ServicesActive(contains=services):
            wanted = ", ".join(services)
            own_services = ", ".join(facts.services_active)
            return _Words(
                (f"mengikuti layanan {wanted}", f"taking part in {wanted}"),
                (f"Anda mengikuti {own_services}", f"you take part in {own_services}"),
                ("Minta layanan itu lewat petugas wilayah Anda.", "Ask the officer of your area for that service."),
            )
        case NotSuspended():
            return _Words(
                ("tidak sedang ditangguhkan", "not being suspended"),
                ("Anda tidak sedang ditangguhkan", "you are not suspended")
                if facts.not_suspended
                else ("keikutsertaan Anda sedang ditangguhkan", "you are suspended at present"),
                (
                    "Tanyakan kepada petugas wilayah Anda apa sebabnya dan bagaimana penangguhan dapat diakhiri.",
                    "Ask the officer of your area why, and how the suspension can be ended.",
                ),
            )


def _or(parts: Sequence[str], column: int) -> str:
    return (" atau ", " or ")[column].join(parts)


def _trainings(count: int) -> str:
    return "1 training" if count == 1 else f"{count} trainings"
