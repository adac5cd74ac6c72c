"""Email over SMTP: kept-open connections, one message at a time on each.

What an answer means (RFC 5321): until the server has answered the final dot of DATA with 250 it has taken nothing, and
an explicit 4xx or 5xx at any step is a clear no. The one unclear case is a content handed over without any answer:
the time ran out, or the connection broke. That is `Ambiguous`; everything before the content is safe to repeat.
"""

import asyncio
import binascii
import math
import re
import time
from base64 import encodebytes
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime, formataddr, parseaddr
from functools import cached_property
from uuid import UUID

import aiosmtplib
from aiosmtplib.email import parse_address

from services.notify.channels import ChannelDown, Letter, Line, WebhookRefused
from services.notify.channels.mail_reports import PROOF_HEADER
from services.notify.domain import contents
from services.notify.domain.bounces import address_fault, proof
from services.notify.domain.delivery import Accepted, Ambiguous, Deferred, Outcome, Rejected
from services.notify.domain.people import Contact
from services.notify.domain.reports import RejectionKind, Report
from shared.clock import JAKARTA
from shared.events.notify import Channel as ChannelName

__all__ = ["Email", "SmtpServer", "compose"]

COMMAND_SECONDS_MAX = 30.0
IDLE_SECONDS_MAX = 60.0
"""A connection unused for longer is opened anew: servers hang up silently on idle clients."""

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_URL = re.compile(r"https?://[!#-;=?-~]{1,900}")
_FILE_NAME = re.compile(r"[A-Za-z0-9._() -]{1,100}")
_CONTENT_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+(; [a-z]+=[A-Za-z0-9-]+)*")


@dataclass(frozen=True)
class SmtpServer:
    """Where mail leaves, and as whom. `answer_seconds`: how long the server may take over a content it was given;
    `bounce_address`: where what cannot be delivered comes back, with the letter's proof between + and @.
    """

    host: str
    port: int
    sender: str
    user: str | None = None
    password: str | None = None
    starttls: bool = False
    answer_seconds: float = 60.0
    bounce_address: str | None = None

    @cached_property
    def address(self) -> str:
        """The sender's bare address."""
        return parseaddr(self.sender)[1]

    @cached_property
    def domain(self) -> str:
        """The domain of the sender's address, which makes our Message-IDs ours."""
        return self.address.rpartition("@")[2]

    def envelope_sender(self, mark: str | None) -> str:
        """Whom servers tell that a letter came back. `mark`: the letter's proof."""
        if self.bounce_address is None or mark is None:
            return self.address
        local, _, domain = self.bounce_address.rpartition("@")
        return f"{local}+{mark}@{domain}"


class Email:
    """The email channel. `blind_index` makes the proofs by which what comes back is believed (`domain/bounces.py`)."""

    name = "smtp"
    channel: ChannelName = "email"

    def __init__(self, server: SmtpServer, blind_index: Callable[[str], bytes] | None = None) -> None:
        self._server = server
        self._blind_index = blind_index

    def address(self, contact: Contact) -> str | None:
        """The contact's email address, if it gave one."""
        return contact.email

    def line(self) -> Line:
        """A connection to the server, not yet open."""
        return _SmtpLine(self._server, self._blind_index)

    async def find(self, attempt_id: UUID, address: str, began_at: datetime) -> Outcome | None:
        """A mail server cannot be asked."""
        return None

    def read_webhook(self, path: str, headers: Mapping[str, str], body: bytes) -> Sequence[Report]:
        """A mail server calls nobody; what it reports comes as mail (`api/bounces.py`). Raises `WebhookRefused`."""
        raise WebhookRefused("this provider reports nothing")


def compose(letter: Letter, server: SmtpServer, mark: str | None = None) -> bytes:
    """The message as bytes (CRLF): text and HTML, and headers by which a duplicate could be recognised, and by `mark`
    what comes back.

    Put together by hand from values that `email` encodes: its own generator folds every header of every message anew,
    which costs more than all the rest of sending it.
    """
    content = letter.content
    if not isinstance(content, contents.Email):
        raise TypeError(f"{type(content).__name__} is no e-mail")
    headers = [
        f"From: {server.sender}",
        f"To: {_mailbox(letter.name, letter.address)}",
        f"Subject: {_header(content.subject, 'Subject')}",
        f"Date: {format_datetime(letter.written_at.astimezone(JAKARTA))}",
        f"Message-ID: <{letter.notification_id}@{server.domain}>",
        "Auto-Submitted: auto-generated",
        f"X-Lapak-Notification: {letter.notification_id}",
        f"X-Lapak-Template: {letter.template}",
        "MIME-Version: 1.0",
    ]
    if mark is not None:
        headers.append(f"{PROOF_HEADER}: {mark}")
    if content.unsubscribe_url is not None:
        if not _URL.fullmatch(content.unsubscribe_url):
            raise ValueError("the address to unsubscribe at would break its header")
        headers += [
            f"List-Unsubscribe: <{content.unsubscribe_url}>",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click",  # RFC 8058
        ]
    boundary = f"=_{letter.notification_id.hex}"  # quoted-printable and base64 never hold "=_"
    lines = [f'Content-Type: multipart/alternative; boundary="{boundary}"', ""]
    for subtype, text in (("plain", content.body), ("html", content.html)):
        lines += [
            f"--{boundary}",
            f"Content-Type: text/{subtype}; charset=utf-8",
            "Content-Transfer-Encoding: quoted-printable",
            "",
            binascii.b2a_qp(_lines(text).encode(), istext=True).decode("ascii").replace("\n", "\r\n"),
        ]
    lines.append(f"--{boundary}--")
    if content.attachments:
        lines = _with_attachments(lines, content.attachments, f"=_m{letter.notification_id.hex}")
    return "\r\n".join([*headers, *lines, ""]).encode("ascii")


def _with_attachments(text: Sequence[str], attachments: Sequence[contents.Attachment], boundary: str) -> list[str]:
    """The text and the files that go with it, as one body."""
    lines = [f'Content-Type: multipart/mixed; boundary="{boundary}"', "", f"--{boundary}", *text]
    for one in attachments:
        if not _FILE_NAME.fullmatch(one.name) or not _CONTENT_TYPE.fullmatch(one.content_type):
            raise ValueError("the name or the type of an attachment would break its header")
        lines += [
            f"--{boundary}",
            f"Content-Type: {one.content_type}",
            "Content-Transfer-Encoding: base64",
            f'Content-Disposition: attachment; filename="{one.name}"',
            "",
            encodebytes(one.body).decode("ascii").replace("\n", "\r\n"),
        ]
    return [*lines, f"--{boundary}--"]


def _lines(text: str) -> str:
    """The text with ends of lines of one kind. A carriage return by itself would leave as it is, and some servers read
    one as an end of line: the words could end the message and begin another.
    """
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _header(text: str, name: str) -> str:
    """A header's text: as it is where it is short and plain, else folded and encoded (RFC 2047). Raises ValueError for
    one that is not one line.
    """
    if not text.isprintable():
        raise ValueError(f"{name} would break its header")
    if text.isascii() and "=?" not in text:
        return text if len(text) <= 66 else Header(text, "us-ascii", header_name=name).encode(linesep="\r\n")
    return Header(text, "utf-8", header_name=name).encode(linesep="\r\n")


def _mailbox(name: str, address: str) -> str:
    """The recipient; its name quoted or encoded where it must be. Raises ValueError for a name that is not one line."""
    if name.isascii() and name.isprintable() and "=?" not in name:
        return formataddr((name, address))
    return f"{_header(name, 'To')}\r\n <{address}>"


class _SmtpLine:
    """One connection."""

    def __init__(self, server: SmtpServer, blind_index: Callable[[str], bytes] | None) -> None:
        self._server = server
        self._blind_index = blind_index
        self._smtp = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            start_tls=server.starttls,
            local_hostname=server.domain,
            timeout=COMMAND_SECONDS_MAX,
        )
        self._used_at = 0.0

    async def open(self) -> None:
        if self._smtp.is_connected and time.monotonic() - self._used_at > IDLE_SECONDS_MAX:
            await self.close()
        if self._smtp.is_connected:
            return
        try:
            await self._smtp.connect()
            await self._smtp.ehlo()
        except (aiosmtplib.SMTPException, OSError) as error:
            self._smtp.close()
            raise ChannelDown(_code_of(error)) from None
        self._used_at = time.monotonic()

    async def close(self) -> None:
        if self._smtp.is_connected:
            with suppress(aiosmtplib.SMTPException, OSError):
                await self._smtp.quit(timeout=1.0)
        self._smtp.close()

    async def send(self, letter: Letter, *, seconds: float) -> Outcome:
        give_up_at = time.monotonic() + seconds
        if not _is_plain(letter.address):
            return Rejected("address-malformed", "address")
        if seconds <= 0:
            return Deferred("before-content too-late")
        mark = None if self._blind_index is None else proof(self._blind_index, letter.attempt_id)
        try:
            content = compose(letter, self._server, mark)
        except (TypeError, ValueError):
            return Rejected("content-malformed", "defect")
        if len(content) > self._size_max():
            return Rejected("too-large")
        try:
            refusal = await self._envelope(self._server.envelope_sender(mark), letter.address, give_up_at)
            return await self._hand_over(content) if refusal is None else refusal
        except asyncio.CancelledError:
            self._smtp.close()
            raise

    def _size_max(self) -> float:
        """The largest message the server says it takes (RFC 1870); 0 and nothing mean that it does not say."""
        told = self._smtp.esmtp_extensions.get("size", "")
        return int(told) if told.isascii() and told.isdigit() and int(told) else math.inf

    async def _envelope(self, sender: str, address: str, give_up_at: float) -> Outcome | None:
        """MAIL, RCPT, DATA. None when the server waits for the content; no content has left before that.

        A kept connection may have been hung up meanwhile, or had its fill of messages: then once more on a new one.
        """
        for is_last in (False, True):
            try:
                await self._name_both(sender, address)
            except aiosmtplib.SMTPSenderRefused as error:
                # it is we who are refused (configuration, policy), not this recipient: that can be mended meanwhile
                return await self._refused(error, ours=True)
            except aiosmtplib.SMTPResponseException as error:
                if is_last or error.code != aiosmtplib.SMTPStatus.domain_unavailable:
                    return await self._refused(error)
            except (aiosmtplib.SMTPException, OSError) as error:
                self._smtp.close()
                if is_last or not isinstance(error, aiosmtplib.SMTPServerDisconnected):
                    return Deferred(f"before-content {_code_of(error)}", "provider")
            else:
                break
            try:
                await self.open()
            except ChannelDown as error:
                return Deferred(f"before-content {error.code}", "provider")
        if time.monotonic() > give_up_at:
            # somebody else may have declared us dead meanwhile; hanging up before the content makes no message
            self._smtp.close()
            return Deferred("before-content too-late")
        return None

    async def _name_both(self, sender: str, address: str) -> None:
        await self._smtp.mail(sender)
        await self._smtp.rcpt(address)
        answer = await self._smtp.execute_command(b"DATA")
        if answer.code != aiosmtplib.SMTPStatus.start_input:
            raise aiosmtplib.SMTPDataError(answer.code, answer.message)

    async def _hand_over(self, content: bytes) -> Outcome:
        """The content and the final dot: from the first byte on, only an answer settles what happened."""
        protocol = self._smtp.protocol
        if protocol is None or not protocol.is_connected:
            self._smtp.close()
            return Deferred("before-content disconnected", "provider")
        try:
            protocol.write(_dot_stuffed(content))
            answer = await protocol.read_response(timeout=self._server.answer_seconds)
        except aiosmtplib.SMTPResponseException:  # what came is no SMTP answer
            self._smtp.close()
            return Ambiguous("answer-unreadable")
        except (aiosmtplib.SMTPException, OSError) as error:
            self._smtp.close()
            return Ambiguous(_code_of(error))
        self._used_at = time.monotonic()
        if 200 <= answer.code < 300:
            return Accepted(_codes(answer.code, answer.message))
        if 400 <= answer.code < 600:
            return await self._refused(aiosmtplib.SMTPDataError(answer.code, answer.message))
        self._smtp.close()
        return Ambiguous("answer-unreadable")

    async def _refused(self, error: aiosmtplib.SMTPResponseException, *, ours: bool = False) -> Outcome:
        """An explicit no; the connection is made ready for the next message."""
        code = _codes(error.code, error.message)
        if error.code == aiosmtplib.SMTPStatus.domain_unavailable or not 400 <= error.code < 600:
            self._smtp.close()
            return Deferred(code, "provider")
        try:
            await self._smtp.rset()
        except (aiosmtplib.SMTPException, OSError):
            self._smtp.close()
        if _is_too_large(error):
            return Rejected(code)
        if ours:
            return Deferred(code, "provider")
        return Rejected(code, _kind(error)) if error.code >= 500 else Deferred(code)


def _kind(error: aiosmtplib.SMTPResponseException) -> RejectionKind:
    """Why a mailbox does not take it (RFC 3463): x.1 is about the address, x.2.2 a full mailbox. Without such a status
    the reply code of RCPT tells (RFC 5321): no mailbox of this name, or not here.
    """
    found = _ENHANCED.match(error.message)
    if found is None:
        about_mailbox = isinstance(error, aiosmtplib.SMTPRecipientRefused) and error.code in (550, 551, 553)
        return "address" if about_mailbox else "other"
    if address_fault(found[0]):
        return "address"
    return "unreachable" if found[0] == "5.2.2" else "other"


def _is_too_large(error: aiosmtplib.SMTPResponseException) -> bool:
    """Whether it is the size of the message that is refused (RFC 3463: x.2.3, x.3.4); both are for good, whatever x is,
    for a message does not get smaller.
    """
    found = _ENHANCED.match(error.message)
    return found is not None and found[0].partition(".")[2] in ("2.3", "3.4")


def _is_plain(address: str) -> bool:
    """Whether this is one bare address that plain SMTP can name."""
    try:
        return parse_address(address) == address and address.isascii() and "@" in address
    except ValueError:
        return False


def _dot_stuffed(content: bytes) -> bytes:
    """As DATA wants it: lines in CRLF, a leading dot doubled, the final dot at the end."""
    lines = content.replace(b"\r\n.", b"\r\n..")
    if lines.startswith(b"."):
        lines = b"." + lines
    return lines + (b".\r\n" if lines.endswith(b"\r\n") else b"\r\n.\r\n")


def _codes(code: int, message: str) -> str:
    """The reply code and the enhanced status (RFC 3463), never the server's text: it often repeats the address."""
    found = _ENHANCED.match(message)
    return f"smtp {code} {found[0]}" if found else f"smtp {code}"


def _code_of(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _codes(error.code, error.message)
    if isinstance(error, TimeoutError):
        return "timed-out"
    return "disconnected" if isinstance(error, aiosmtplib.SMTPServerDisconnected) else "unreachable"
