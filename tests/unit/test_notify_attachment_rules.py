"""Which files go along with an e-mail, and which are refused, with the field, the reason and the way out."""

import base64
import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.notify.channels import Letter
from services.notify.channels.email import SmtpServer, compose
from services.notify.domain.attachments import (
    BYTES_MAX,
    FILES_MAX,
    NAME_PATTERN,
    PDF,
    REQUEST_BYTES_MAX,
    AttachFile,
    AttachmentInvalid,
    AttachmentNeedsEmail,
    AttachmentsTooLarge,
    read_files,
)
from services.notify.domain.contents import Attachment, Email
from services.notify.domain.keys import Outward, Recipient, SendMessage, channel_of
from services.notify.handlers.attachments import open_files, read_and_seal
from shared.crypto import Sealer
from shared.ids import new_id

SENT_AT = datetime(2023, 3, 17, 3, 0, tzinfo=UTC)
START = b"%PDF-1.7\n"
SERVER = SmtpServer("127.0.0.1", 25, "Lapak <lapak@lapak.test>")
NUMBER = UUID(int=5)


def coded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def file(content: bytes = START, name: str = "surat.pdf") -> AttachFile:
    return AttachFile(name=name, content=coded(content))


def wanted(*names: str) -> SendMessage:
    files = [{"name": name, "content": coded(START)} for name in names]
    return SendMessage.model_validate(
        {"template": "broadcast-x", "recipient": {"email": "a@b.id"}, "attachments": files}
    )


def faults(*names: str) -> list[tuple[Any, ...]]:
    with pytest.raises(ValidationError) as refused:
        wanted(*names)
    return [error["loc"] for error in refused.value.errors()]


@pytest.mark.parametrize("name", ["surat.pdf", "Surat Undangan (2).PDF", "1.pdf", "a.b-c_d.Pdf", "a" * 95 + ".pdf"])
def test_a_plain_name_is_taken(name: str) -> None:
    assert wanted(name).attachments[0].name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".pdf",
        "surat",
        "surat.pdf.exe",
        "surat.doc",
        "../surat.pdf",
        "/etc/surat.pdf",
        "C:\\surat.pdf",
        "a/b.pdf",
        "surat\n.pdf",
        "surat.pdf\n",
        "surat\r\nBcc: x.pdf",
        "surat\x00.pdf",
        'a"b.pdf',
        " surat.pdf",
        "-rf.pdf",
        "surat\u202efdp.pdf",
        "surat.pdf ",
        "a" * 96 + ".pdf",
        "a;b.pdf",
        "é.pdf",
    ],
)
def test_a_name_that_is_a_path_hides_something_or_ends_otherwise_is_refused(name: str) -> None:
    assert faults("surat-lain.pdf", name) == [("attachments", 1, "name")]


@given(st.one_of(st.from_regex(NAME_PATTERN, fullmatch=True), st.text(max_size=110)))
def test_whatever_name_is_taken_comes_out_of_the_e_mail_as_it_was(name: str) -> None:
    try:
        taken = wanted(name).attachments[0]
    except ValidationError:
        return
    content = Email("Surat", "Isi\n", "<p>Isi</p>", (Attachment(taken.name, PDF, START),))
    raw = compose(Letter(NUMBER, NUMBER, "x", "Siti", "siti@example.com", content, SENT_AT, SENT_AT), SERVER)
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    (part,) = message.iter_attachments()
    assert (part.get_filename(), part.get_content_type()) == (name, PDF)


def test_two_files_of_one_name_and_too_many_files_are_refused() -> None:
    assert faults("surat.pdf", "SURAT.pdf") == [("attachments",)]
    names = [f"surat-{number}.pdf" for number in range(FILES_MAX + 1)]
    assert len(wanted(*names[:-1]).attachments) == FILES_MAX
    assert faults(*names) == [("attachments",)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"MZ\x90\x00\x03" + bytes(500) + START, "no PDF"),
        (b"\x7fELF\x02\x01\x01" + bytes(90), "no PDF"),
        (b"#!/bin/sh\nrm -rf /\n", "no PDF"),
        (b"<html><script>alert(1)</script></html>", "no PDF"),
        (b"PK\x03\x04" + START, "no PDF"),
        (b"\n\n" + START, "no PDF"),
        (b"surat", "no PDF"),
        (b"", "empty"),
    ],
)
def test_what_is_no_pdf_by_its_content_is_refused_whatever_it_is_called(content: bytes, reason: str) -> None:
    with pytest.raises(AttachmentInvalid, match=rf"attachments\.1\.content is .*{reason}") as refused:
        read_files([file(), file(content, "lain.pdf")])
    (error,) = refused.value.details["errors"]
    assert error["field"] == "attachments.1.content"


@pytest.mark.parametrize("content", ["JVBERi0x\nLjc=", "JVBERi0xLjc", "%PDF-1.7", "JVBERi0x*jc=", "é", "data:a,b"])
def test_what_is_no_base64_is_refused(content: str) -> None:
    with pytest.raises(AttachmentInvalid, match="base64"):
        read_files([AttachFile(name="a.pdf", content=content)])


def test_the_files_of_a_message_count_together() -> None:
    half = START + bytes(BYTES_MAX // 2 - len(START))
    taken = read_files([file(half, "a.pdf"), file(half, "b.pdf")])
    assert sum(len(one.content) for one in taken) == BYTES_MAX
    with pytest.raises(AttachmentsTooLarge, match="2 MiB together") as refused:
        read_files([file(half, "a.pdf"), file(half + b" ", "b.pdf")])
    assert refused.value.details["bytes_max"] == BYTES_MAX
    with pytest.raises(AttachmentsTooLarge):  # and is not decoded first
        read_files([AttachFile(name="a.pdf", content="*" * REQUEST_BYTES_MAX)])


@given(st.lists(st.integers(0, 40), min_size=FILES_MAX, max_size=FILES_MAX))
def test_however_the_bytes_are_spread_what_fits_fits_into_the_request(tails: list[int]) -> None:
    """Padding of base64 differs by length; the most a request may have is enough for all that may be attached."""
    share = BYTES_MAX // FILES_MAX
    lengths = [share - tail for tail in tails]
    lengths[0] += sum(tails) + BYTES_MAX - share * FILES_MAX
    assert sum(lengths) == BYTES_MAX
    in_base64 = sum((length + 2) // 3 * 4 for length in lengths)
    assert in_base64 + 100_000 < REQUEST_BYTES_MAX


def test_files_make_a_message_an_e_mail() -> None:
    vendor, mail, phone = (
        Recipient(vendor_id=new_id()),
        Recipient(email="a@b.id"),
        Recipient(phone="+620000000001"),
    )
    cases: list[tuple[Recipient, Outward | None, Outward | None]] = [
        (vendor, None, None),
        (vendor, "sms", "sms"),
        (phone, None, "sms"),
        (mail, None, "email"),
    ]
    for recipient, asked, way in cases:
        assert channel_of(recipient, asked) == way
    for recipient in (vendor, mail):
        for allowed in (None, "email"):
            assert channel_of(recipient, allowed, has_files=True) == "email"
        with pytest.raises(AttachmentNeedsEmail, match="leave channel out"):
            channel_of(recipient, "whatsapp", has_files=True)
    with pytest.raises(AttachmentNeedsEmail):
        channel_of(phone, None, has_files=True)


def test_a_file_is_sealed_and_bound_to_its_row(sealer: Sealer) -> None:
    body = START + b"rahasia"
    first, second = read_and_seal([file(body, "satu.pdf"), file(body, "dua.pdf")], sealer)
    assert b"rahasia" not in first.content_sealed
    assert b"satu" not in first.name_sealed
    assert [part.name for part in open_files([first, second], sealer)] == ["satu.pdf", "dua.pdf"]
    with pytest.raises(InvalidTag):
        open_files([first._replace(content_sealed=second.content_sealed)], sealer)


def test_no_text_that_is_logged_shows_a_file() -> None:
    shown = repr(wanted("surat.pdf"))
    assert coded(START) not in shown
