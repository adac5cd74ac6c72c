"""Mails that come back, as servers write them: put together after RFC 3464, 6522, 5965, 3834 and what each server does.

`letter` is what we sent, as it is returned: headers and all.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

__all__ = ["SERVERS", "absence", "arf", "dsn", "exchange", "exim", "gmail", "postfix", "read_receipt"]

ADDRESS = "siti@example.com"
Server: TypeAlias = Callable[..., bytes]


def letter(mark: str | None = None, sender: str | None = None) -> str:
    """Our letter's headers, as they are returned."""
    lines = [
        *([] if sender is None else [f"Return-Path: <{sender}>"]),
        "From: Lapak <lapak@lapak.test>",
        "To: Siti <siti@example.com>",
        "Subject: Lapak A07",
        "Message-ID: <018f0000-0000-7000-8000-000000000001@lapak.test>",
        "X-Lapak-Notification: 018f0000-0000-7000-8000-000000000001",
        *([] if mark is None else [f"X-Lapak-Attempt: {mark}"]),
        "MIME-Version: 1.0",
        'Content-Type: multipart/alternative; boundary="=_018f"',
    ]
    return "\r\n".join([*lines, ""])


def dsn(
    to: str,
    groups: Sequence[str],
    *,
    returned: str | None = None,
    returned_as: str = "text/rfc822-headers",
    text: str = "Maaf, surat ini tidak sampai.",
    top: Sequence[str] = (),
    about: str = "Reporting-MTA: dns; mx.example.com",
    status_as: str = "message/delivery-status",
) -> bytes:
    """A delivery status. `groups`: the fields of each recipient."""
    parts = [
        ("text/plain; charset=utf-8", text),
        (status_as, "\r\n\r\n".join([about, *groups]) + "\r\n"),
        *([] if returned is None else [(returned_as, returned)]),
    ]
    lines = [
        *top,
        "From: MAILER-DAEMON@mx.example.com",
        f"To: {to}",
        "Subject: Undelivered",
        "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="=-b1/x"',
        "",
        "This is a MIME message.",
    ]
    for kind, body in parts:
        lines += ["--=-b1/x", f"Content-Type: {kind}", "", body]
    return "\r\n".join([*lines, "--=-b1/x--", ""]).encode()


def fields(
    status: str = "5.1.1",
    *,
    action: str = "failed",
    address: str | None = ADDRESS,
    diagnosis: str | None = None,
    **more: str,
) -> str:
    """The fields of one recipient."""
    found = {
        **({} if address is None else {"Final-Recipient": f"rfc822; {address}"}),
        "Action": action,
        "Status": status,
        **({} if diagnosis is None else {"Diagnostic-Code": diagnosis}),
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return "\r\n".join(f"{name}: {value}" for name, value in found.items())


def postfix(to: str, status: str = "5.1.1", *, returned: str | None = None, address: str = ADDRESS) -> bytes:
    """As Postfix does, through its local(8): an mbox line first, the original recipient, headers only."""
    group = fields(
        status,
        address=address,
        Original_Recipient=f"rfc822;{address}",
        Remote_MTA="dns; mx.example.com",
        diagnosis=f"smtp; 550 {status} <{address}>:\r\n    Recipient address rejected: no such mailbox",
    )
    top = [
        "From MAILER-DAEMON Wed Mar  1 02:00:00 2023",
        "Return-Path: <>",
        f"X-Original-To: {to}",
        f"Delivered-To: {to}",
        "Auto-Submitted: auto-replied",
    ]
    about = "Reporting-MTA: dns; mail.lapak.test\r\nX-Postfix-Queue-ID: 4FbQ"
    return dsn(to, [group], returned=returned, top=top, about=about)


def exim(to: str, status: str = "5.1.1", *, returned: str | None = None, address: str = ADDRESS) -> bytes:
    """As Exim does: its status is always 5.0.0, what the other one said stands in the diagnosis."""
    group = fields(
        "5.0.0",
        address=None,
        Final_Recipient=f"rfc822;{address}",
        diagnosis=f"smtp; 550-{status} No mailbox of that name\r\n 550 {status} here",
    )
    top = ["Envelope-to: " + to, "X-Failed-Recipients: " + address, "Auto-Submitted: auto-replied"]
    return dsn(to, [group], returned=returned, returned_as="message/rfc822", top=top)


def exchange(to: str, status: str = "5.1.10", *, returned: str | None = None, address: str = ADDRESS) -> bytes:
    """As Exchange does: much text, other letter case, its own names in the diagnosis."""
    group = "\r\n".join(
        [
            f"Final-recipient: RFC822;{address}",
            "Action: failed",
            f"Status: {status}",
            f"Diagnostic-code: smtp;550 {status} RESOLVER.ADR.RecipientNotFound; not found by SMTP address lookup",
            "X-Display-Name: Siti",
        ]
    )
    return dsn(
        to,
        [group],
        returned=returned,
        returned_as="message/rfc822",
        text="<div style='width:600px'>\r\n  tidak ditemukan\r\n</div>\r\n" * 300,
        about="Reporting-MTA: dns;SG2PR01.prod.example.com\r\nReceived-From-MTA: dns;mail.lapak.test",
    )


def gmail(to: str, status: str = "5.1.1", *, returned: str | None = None, address: str = ADDRESS) -> bytes:
    """As Gmail does: a group of texts and a picture first, the diagnosis over several lines."""
    text = (
        "--inner\r\nContent-Type: text/html\r\n\r\n<p>tidak ditemukan</p>\r\n--inner\r\nContent-Type: image/png"
        "\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + ("iVBORw0KGgoAAAANSUhEUgAAAJAAAACQCAYAAADnRuK4AAAAAXNSR0IArs4c6Q\r\n" * 20)
        + "--inner--"
    )
    group = fields(
        status,
        address=address,
        diagnosis=f"smtp; 550-{status} It is not there. Try\r\n 550-{status} again, or read\r\n 550 {status} x - gsmtp",
        Remote_MTA="dns; gmail-smtp-in.l.google.com. (142.250.4.27, the server for the domain.)",
    )
    raw = dsn(
        to,
        [group],
        returned=returned,
        returned_as="message/rfc822",
        text=text,
        about="Reporting-MTA: dns; googlemail.com",
    )
    return raw.replace(
        b"Content-Type: text/plain; charset=utf-8", b'Content-Type: multipart/related; boundary="inner"', 1
    )


SERVERS: dict[str, Server] = {"Postfix": postfix, "Exim": exim, "Exchange": exchange, "Gmail": gmail}


def arf(to: str, returned: str, *, kind: str = "abuse", mail_from: str | None = None) -> bytes:
    """A complaint, with the person's address blacked out as many providers do it."""
    lines = [
        "From: <feedback@provider.example>",
        f"To: <{to}>",
        "Subject: complaint",
        "MIME-Version: 1.0",
        "Content-Type: multipart/report; report-type=feedback-report; boundary=part",
        "",
        "--part",
        "Content-Type: text/plain",
        "",
        "This is a report of feedback.",
        "--part",
        "Content-Type: message/feedback-report",
        "",
        f"Feedback-Type: {kind}",
        "User-Agent: Loop/1.0",
        "Version: 1",
        "Original-Rcpt-To: redacted@example.com",
        *([] if mail_from is None else [f"Original-Mail-From: <{mail_from}>"]),
        "",
        "--part",
        "Content-Type: message/rfc822",
        "",
        returned,
        "Isi surat.",
        "--part--",
        "",
    ]
    return "\r\n".join(lines).encode()


def absence(to: str, header: str = "Auto-Submitted: auto-replied (vacation)") -> bytes:
    """Somebody's machine says that the person is away."""
    lines = ["From: siti@example.com", f"To: {to}", header, "Subject: Cuti", "", "Saya cuti sampai Senin.", ""]
    return "\r\n".join(lines).encode()


def read_receipt(to: str, returned: str) -> bytes:
    """A receipt of reading (RFC 8098), which is a report too."""
    lines = [
        "From: siti@example.com",
        f"To: {to}",
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=mdn",
        "",
        "--mdn",
        "Content-Type: text/plain",
        "",
        "Sudah dibaca.",
        "--mdn",
        "Content-Type: message/disposition-notification",
        "",
        "Final-Recipient: rfc822; siti@example.com",
        "Disposition: manual-action/MDN-sent-manually; displayed",
        "",
        "--mdn",
        "Content-Type: message/rfc822",
        "",
        returned,
        "--mdn--",
        "",
    ]
    return "\r\n".join(lines).encode()
