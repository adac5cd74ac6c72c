"""A vendor's standing in plain words: turns had, since when it counts as waiting, what was added and until when."""

from collections.abc import Iterable
from datetime import date

from services.bazaar.domain.ledger import Adjustment, Standing, adjusted, remaining
from shared.wording import Words, day_in_words, joined


def counted(had: int, since: date | None, adjustments: Iterable[Adjustment], today: date) -> Standing | None:
    """The standing that a round frozen today would take; None for who never applied."""
    return None if since is None else adjusted(Standing(had, since), adjustments, today)


def tell(had: int, last_turn_on: date | None, standing: Standing | None) -> Words:
    """Where the vendor stands. `standing`: as it counts, with all adjustments; None for who never applied."""
    if standing is None:
        return Words(
            "Anda belum pernah melamar ke bazar. Sejak lamaran pertama, Anda mulai menunggu giliran.",
            "You have not applied to a bazaar yet. You wait for a turn from your first application on.",
        )
    since = day_in_words(standing.waiting_since)
    if last_turn_on is None:
        return Words(
            f"Anda belum pernah mendapat giliran dan dihitung menunggu sejak {since.id}.",
            f"You have not had a turn yet and count as waiting since {since.en}.",
        )
    last = day_in_words(last_turn_on)
    return Words(
        f"Anda sudah mendapat {had} giliran, terakhir pada {last.id}, dan dihitung menunggu sejak {since.id}.",
        f"You have had {_counted(had, 'turn')}, the last on {last.en}, and count as waiting since {since.en}.",
    )


def tell_adjustment(adjustment: Adjustment, today: date) -> Words:
    """Why something was added, what is left of it today, and until when."""
    if adjustment.because == "no-show":
        why = Words("Anda tidak datang ke lapak yang Anda konfirmasi", "You did not come to a booth you confirmed")
    else:
        why = Words("Keberatan Anda diterima", "Your appeal was granted")
    left = remaining(adjustment, today)
    if not left.turns and not left.wait_days:
        return Words(f"{why.id}; sekarang tidak berpengaruh lagi.", f"{why.en}; nothing is left of it now.")
    what = joined([part for part in (_turns(left.turns), _waiting(left.wait_days)) if part is not None])
    if adjustment.until_day is None:
        return Words(f"{why.id}: {what.id}.", f"{why.en}: {what.en}.")
    until = day_in_words(adjustment.until_day)
    return Words(
        f"{why.id}: {what.id}. Pengaruhnya berkurang dan habis pada {until.id}.",
        f"{why.en}: {what.en}. It fades, and is gone on {until.en}.",
    )


def _turns(turns: int) -> Words | None:
    if not turns:
        return None
    more = Words("lebih banyak", "more") if turns > 0 else Words("lebih sedikit", "fewer")
    return Words(
        f"giliran Anda dihitung {abs(turns)} {more.id}",
        f"you count as having had {_counted(abs(turns), 'turn')} {more.en}",
    )


def _waiting(days: int) -> Words | None:
    if not days:
        return None
    less = Words("lebih singkat", "less") if days > 0 else Words("lebih lama", "longer")
    return Words(
        f"masa tunggu Anda dihitung {abs(days)} hari {less.id}",
        f"you count as having waited {_counted(abs(days), 'day')} {less.en}",
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
