"""Bounces that the catcher of mail makes on purpose: what a mail server would tell the envelope's sender (RFC 3464)."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from email.utils import format_datetime

__all__ = ["write_bounce"]

HOST = "mail.localhost"


def write_bounce(sender: str, recipient: str, raw: bytes, status: str) -> bytes:
    """The report that a message from this envelope's sender could not be delivered, for a `status` such as 5.1.1."""
    now = format_datetime(datetime.now(UTC))
    boundary = f"bounce-{uuid.uuid4().hex}"
    head = raw.split(b"\r\n\r\n", 1)[0]
    lines = [
        f"From: Mail Delivery System <MAILER-DAEMON@{HOST}>",
        f"To: {sender}",
        "Subject: Delivery failed",
        f"Date: {now}",
        f"Message-ID: <{uuid.uuid4()}@{HOST}>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        f"<{recipient}> could not be reached ({status}); this was asked of the catcher.",
        "",
        f"--{boundary}",
        "Content-Type: message/delivery-status",
        "",
        f"Reporting-MTA: dns; {HOST}",
        f"Arrival-Date: {now}",
        "",
        f"Final-Recipient: rfc822; {recipient}",
        "Action: failed",
        f"Status: {status}",
        f"Diagnostic-Code: smtp; 550 {status} made on purpose",
        "",
        f"--{boundary}",
        "Content-Type: text/rfc822-headers",
        "",
    ]
    return "\r\n".join([*lines, ""]).encode("ascii", "replace") + head + f"\r\n\r\n--{boundary}--\r\n".encode("ascii")
