"""Reads what comes back by mail: delivery status (RFC 3464), feedback (RFC 5965), automatic answers (RFC 3834).

Anybody may send such a mail, so it is cut to what a report needs before the standard library's parser sees it: that
one's work grows with the square of the length of a header and of the depth of parts. Nothing of its text is kept.
"""

import email
import email.policy
from collections.abc import Iterator
from email.errors import MessageError
from email.message import Message
from typing import TypeAlias

from services.notify.domain.bounces import MailReport, RecipientStatus

__all__ = ["PROOF_HEADER", "read_report"]

PROOF_HEADER = "X-Lapak-Attempt"
"""The header of a letter that carries its proof, for servers that rewrite the envelope's sender."""

BYTES_MAX = 256 * 1024
"""The report comes before the letter it returns."""
LINES_MAX = 6000
LINE_BYTES_MAX = 1000
FOLDED_BYTES_MAX = 4096
"""Of a header over several lines; of text that begins with blanks too, which nobody reads."""
WORDS_MAX = 32
"""How often the words may stand that every part within a part needs."""
RECIPIENTS_MAX = 50
MARK_CHARS_MAX = 1000

_ADDRESSED = ("To", "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To")
_LETTER = (PROOF_HEADER, "Return-Path")
_FEEDBACK = ("Original-Mail-From",)
_STATUSES = ("message/delivery-status", "message/global-delivery-status")
_LETTERS = (
    *("message/rfc822", "text/rfc822-headers", "message/rfc822-headers"),
    *("message/global", "message/global-headers"),
)
_AUTOMATIC = ("X-Autoreply", "X-Autorespond", "X-Auto-Reply-From")
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, AssertionError, MessageError, RecursionError)
"""What the parser raises on mails that are made to confuse it."""

Part: TypeAlias = "Message[str, str]"


def read_report(raw: bytes) -> MailReport:
    """What this mail is, and what it says. Never raises; takes a moment whatever it is given: not on the event loop."""
    cut = _cut(raw)
    small = cut.lower()
    if any(small.count(word) > WORDS_MAX for word in (b"boundary", b"multipart/", b"message/")):
        return MailReport("unreadable")
    try:
        return _read(email.message_from_bytes(cut, policy=email.policy.compat32))
    except _UNREADABLE:
        return MailReport("unreadable")


def _cut(raw: bytes) -> bytes:
    """The beginning of a mail, with lines and headers of the length that honest ones have."""
    kept = []
    folded = 0
    for line in raw[:BYTES_MAX].splitlines()[:LINES_MAX]:
        short = line[:LINE_BYTES_MAX]
        folded = folded + len(short) if short.startswith((b" ", b"\t")) else 0
        if folded <= FOLDED_BYTES_MAX:
            kept.append(short)
    return b"\n".join([*kept, b""])


def _read(mail: Part) -> MailReport:
    for report in _reports(mail):
        parts = _children(report)
        marks = _headers(mail, _ADDRESSED)
        for letter in _letters(parts):
            marks += _headers(letter, _LETTER)
        for part in parts:
            kind = part.get_content_type()
            if kind in _STATUSES:
                return MailReport(marks=tuple(marks), recipients=tuple(_recipients(part))[:RECIPIENTS_MAX])
            if kind == "message/feedback-report":
                fields = _first(part)
                feedback = _text(fields, "Feedback-Type").strip().lower()[:40]
                return MailReport(marks=(*_headers(fields, _FEEDBACK), *marks), feedback=feedback)
        is_read = any(part.get_content_type() == "message/disposition-notification" for part in parts)
        return MailReport("auto-reply" if is_read else "unreadable")
    return MailReport("auto-reply" if _is_automatic(mail) else "no-report")


def _reports(mail: Part) -> list[Part]:
    """The mail where it is a report, or the report in it where a gateway has put something round it."""
    around = _children(mail) if mail.get_content_type() == "multipart/mixed" else [mail]
    return [part for part in around if part.get_content_type() == "multipart/report"]


def _recipients(part: Part) -> Iterator[RecipientStatus]:
    """The fields of each recipient; those that come first are about the mail as a whole."""
    for fields in _blocks(part)[1:]:
        action = _text(fields, "Action").split()
        if not action:
            continue
        yield RecipientStatus(
            action=action[0].lower(),
            status=_text(fields, "Status"),
            diagnosis=_text(fields, "Diagnostic-Code"),
            addresses=tuple(
                address
                for name in ("Original-Recipient", "Final-Recipient")
                if (address := _text(fields, name).partition(";")[2].strip().strip("<>"))
            ),
        )


def _blocks(part: Part) -> list[Part]:
    """The groups of fields of a delivery status. The parser takes those of an international one (RFC 6533) for a mail,
    whose text the recipients are.
    """
    blocks = _children(part)
    if part.get_content_type() == _STATUSES[0] or not blocks:
        return blocks
    text = blocks[0].get_payload()
    if not isinstance(text, str):
        return blocks
    groups = text.replace("\r\n", "\n").split("\n\n")
    return [blocks[0], *(email.message_from_string(group) for group in groups[:RECIPIENTS_MAX])]


def _letters(parts: list[Part]) -> Iterator[Part]:
    """The headers of the letter that is returned."""
    for part in parts:
        kind = part.get_content_type()
        if kind == "text/rfc822-headers":
            body = part.get_payload(decode=True)
            if isinstance(body, bytes):
                yield email.message_from_bytes(body, policy=email.policy.compat32)
        elif kind in _LETTERS:
            yield _first(part)


def _is_automatic(mail: Part) -> bool:
    """Whether a machine answered, as for somebody who is absent."""
    said = _text(mail, "Auto-Submitted").strip().lower()
    precedence = _text(mail, "Precedence").strip().lower()
    return (
        (said != "" and not said.startswith("no"))
        or precedence in ("auto_reply", "bulk", "junk")
        or any(mail.get(name) is not None for name in _AUTOMATIC)
    )


def _headers(part: Part, names: tuple[str, ...]) -> list[str]:
    return [str(value)[:MARK_CHARS_MAX] for name in names for value in part.get_all(name, [])[:5]]


def _text(part: Part, name: str) -> str:
    return str(part.get(name, ""))[:MARK_CHARS_MAX]


def _first(part: Part) -> Part:
    children = _children(part)
    return children[0] if children else part


def _children(part: Part) -> list[Part]:
    payload = part.get_payload()
    return [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else []
