"""Parts of a text message: GSM 7-bit (3GPP TS 23.038) where its characters suffice, else UCS-2."""

__all__ = ["as_gsm", "is_gsm", "parts"]

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("\f^{}\\[~]|€")


def is_gsm(text: str) -> bool:
    """Whether the 7-bit alphabet can say it."""
    return all(character in BASIC or character in EXTENDED for character in text)


def as_gsm(text: str) -> str:
    """What is left of it in the 7-bit alphabet: a question mark for everything else."""
    return "".join(c if c in BASIC or c in EXTENDED else "?" for c in text)


def parts(text: str, *, unicode: bool | None = None) -> int:
    """How many messages it takes: 160 characters or 153 in each of several; in UCS-2 70 or 67. What takes two units (a
    character of the extension table, a surrogate pair) stays in one part.
    """
    wide = not is_gsm(text) if unicode is None else unicode
    sizes = [len(c.encode("utf-16-be")) // 2 if wide else 1 + (c in EXTENDED) for c in text]
    single, each = (70, 67) if wide else (160, 153)
    if sum(sizes) <= single:
        return 1
    count, filled = 1, 0
    for size in sizes:
        if filled + size > each:
            count, filled = count + 1, 0
        filled += size
    return count
