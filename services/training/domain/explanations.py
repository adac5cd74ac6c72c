"""A result and a completion rule in words, Indonesian and English."""

from services.training.domain.completion import CompletionRule, Verdict
from shared.wording import Words


def explain_rule(rule: CompletionRule) -> Words:
    """What a rule asks for."""
    parts = []
    if rule.percent_min is not None:
        parts.append(
            Words(
                f"hadir sekurangnya {rule.percent_min} persen pertemuan",
                f"at least {rule.percent_min} per cent of the sessions attended",
            )
        )
    if rule.sessions_min is not None:
        parts.append(
            Words(
                f"hadir sekurangnya {rule.sessions_min} pertemuan (semua, bila kelasnya lebih pendek)",
                f"at least {rule.sessions_min} sessions attended (all, where a class has fewer)",
            )
        )
    if rule.last_required:
        parts.append(Words("hadir di pertemuan terakhir", "the last session attended"))
    if rule.score_min is not None:
        parts.append(Words(f"nilai sekurangnya {rule.score_min} dari 100", f"a score of at least {rule.score_min}"))
    return _sentence(parts)


def explain_result(rule: CompletionRule, verdict: Verdict, *, judged: bool) -> Words:
    """Why a trainee completed its class or did not, or what it still has to do; `judged`: the class is over."""
    came = Words(
        f"Hadir {verdict.attended} dari {verdict.held} pertemuan; yang diperlukan {verdict.needed}.",
        f"Attended {verdict.attended} of {verdict.held} sessions; {verdict.needed} are needed.",
    )
    lacks = []
    if "sessions" in verdict.lacks:
        short = verdict.needed - verdict.attended
        lacks.append(Words(f"kurang {short} pertemuan", f"{short} more needed"))
    if "last-session" in verdict.lacks:
        lacks.append(Words("tidak hadir di pertemuan terakhir", "the last session was not attended"))
    if "score" in verdict.lacks:
        if verdict.score is None:
            lacks.append(Words("nilai ujian belum ada", "there is no score of the test"))
        else:
            lacks.append(
                Words(
                    f"nilai {verdict.score}, yang diperlukan {rule.score_min}",
                    f"the score is {verdict.score}, and {rule.score_min} is needed",
                )
            )
    ending = _ending(bool(lacks), judged)
    why = _sentence(lacks)
    texts = (
        " ".join(part for part in (came[at], why[at] if lacks else "", ending[at]) if part) for at in range(len(came))
    )
    return Words(*texts)


def _ending(lacking: bool, judged: bool) -> Words:
    if not judged:
        return Words("Kelas belum selesai; ini keadaan sejauh ini.", "The class is not over; this is how it stands.")
    if lacking:
        return Words(
            "Belum lulus. Bila daftar hadir keliru, minta petugas membetulkannya.",
            "Not completed. If the attendance is wrong, ask an officer to correct it.",
        )
    return Words("Lulus.", "Completed.")


def _sentence(parts: list[Words]) -> Words:
    def joined(texts: list[str], last: str) -> str:
        text = last.join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))
        return f"{text[:1].upper()}{text[1:]}." if text else ""

    return Words(joined([part.id for part in parts], " dan "), joined([part.en for part in parts], " and "))
