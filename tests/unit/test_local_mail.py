"""The mail catcher's store and what it reads out of a message."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from deploy.local.mail import Catcher, Store, decoded, pages_and_json, read_body, read_header
from deploy.local.mail_bounces import write_bounce

MESSAGE = (
    b"From: Lapak <lapak@example.id>\r\nTo: siti@example.id\r\n"
    b"Subject: =?utf-8?q?Lapak_nomor_7_=E2=80=93_Senen?=\r\nMessage-ID: <7@lapak>\r\n"
    b"X-Lapak-Notification: n-7\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    b"Yth. Ibu Siti, lapak Anda \xe2\x80\x93 nomor 7.\r\n"
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "mail")


def test_header_and_body_are_decoded() -> None:
    caught = read_header("lapak@example.id", ["Siti@Example.id", "siti@example.id"], MESSAGE)
    assert caught.recipients == ("siti@example.id",)
    assert caught.subject == "Lapak nomor 7 \u2013 Senen"
    assert (caught.message_id, caught.notification) == ("<7@lapak>", "n-7")
    body = read_body(MESSAGE)
    assert body["text"].strip() == "Yth. Ibu Siti, lapak Anda \u2013 nomor 7."
    assert body["html"] is None


async def test_the_files_of_a_message_are_listed_and_come_as_they_were(tmp_path: Path) -> None:
    message = EmailMessage()
    message["Subject"] = "Surat"
    message.set_content("Isi https://a.test/")
    pdf = b"%PDF-1.7\n" + bytes(range(256))
    message.add_attachment(pdf, maintype="application", subtype="pdf", filename="surat <1>.pdf")
    message.add_attachment("BEGIN:VCALENDAR", subtype="calendar", filename="jadwal.ics")
    catcher = Catcher(Store(tmp_path / "mail"))
    catcher.store.add([read_header("a@b.id", ["c@d.id"], message.as_bytes())])
    app = httpx.ASGITransport(app=pages_and_json(catcher))
    async with httpx.AsyncClient(transport=app, base_url="http://127.0.0.1") as client:
        listed = await client.get("/messages/1")
        answer = await client.get("/messages/1/files/1")
        missing = [await client.get(f"/messages/1/files/{number}") for number in (0, 3)]
        page = await client.get("/read/1")
    first, second = listed.json()["files"]
    assert (first["name"], first["size"], first["media_type"]) == ("surat <1>.pdf", len(pdf), "application/pdf")
    assert (second["number"], second["name"], second["media_type"]) == (2, "jadwal.ics", "text/calendar")
    assert answer.content == pdf
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''surat%20%3C1%3E.pdf"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert [one.status_code for one in missing] == [404, 404]
    assert '<a href="/messages/1/files/1">surat &lt;1&gt;.pdf</a>' in page.text
    assert '<a href="https://a.test/" rel="noopener noreferrer" target="_blank">https://a.test/</a>' in page.text


@pytest.mark.parametrize(
    "raw", [b"", b"no header at all", b"Subject: =?x-unknown?q?a?=\r\n\r\nb", b"\xff\xfe\r\n\r\n\xff"]
)
def test_a_malformed_message_is_taken_as_it_is(store: Store, raw: bytes) -> None:
    store.add([read_header("a@b.id", ["c@d.id"], raw)])
    found = store.get(1)
    assert found is not None
    assert found[1] == raw
    read_body(raw)


def test_an_unknown_charset_in_a_header_is_shown_as_it_came() -> None:
    assert decoded("=?x-unknown?q?a?=") == "=?x-unknown?q?a?="


def test_messages_are_found_by_recipient_subject_and_place(store: Store) -> None:
    for number in range(5):
        raw = f"Subject: Pesan {number} 100%\r\nX-Lapak-Notification: n{number % 4}\r\n\r\nisi".encode()
        store.add([read_header("a@b.id", [f"v{number % 2}@example.id"], raw)])

    def ids(to: str = "", subject: str = "", limit: int = 10, **place: int) -> list[int]:
        return [row["id"] for row in store.find(to=to, subject=subject, limit=limit, **place)]

    assert ids() == [5, 4, 3, 2, 1]
    assert ids(to="V0@example.id") == [5, 3, 1]
    assert ids(to="v0@example") == []
    assert ids(to="v1") == [4, 2]
    assert ids(subject="pesan 3") == [4]
    assert ids(subject="100%") == [5, 4, 3, 2, 1]
    assert ids(subject="1%0") == []
    assert ids(after=3) == [4, 5]
    assert ids(before=3, limit=1) == [2]
    assert store.count() == {"messages": 5, "recipients": 2, "notifications": 4, "duplicates": 1}
    assert store.count(to="v1@example.id") == {"messages": 2, "recipients": 1, "notifications": 2, "duplicates": 0}
    assert store.count(to="v0@example.id", subject="4")["duplicates"] == 0
    assert store.recipients(1) == [{"recipient": "v0@example.id", "messages": 3}]
    assert store.clear() == 5
    assert store.count()["messages"] == 0
    store.add([read_header("a@b.id", ["c@d.id"], MESSAGE)])
    assert ids() == [6]


def test_a_bounce_of_the_catcher_is_a_report_of_the_letter_it_returns() -> None:
    raw = write_bounce("bounce+x@lapak.test", "siti@example.id", MESSAGE, "5.2.2")
    report = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(report, EmailMessage)
    assert not report.defects
    assert (report["To"], report.get_content_type()) == ("bounce+x@lapak.test", "multipart/report")
    text, status, letter = report.iter_parts()
    about, recipient = (part for part in status.walk() if part.get_content_type() == "text/plain")
    assert (text.get_content_type(), status.get_content_type()) == ("text/plain", "message/delivery-status")
    assert about["Reporting-MTA"] == "dns; mail.localhost"
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.2.2")
    assert "X-Lapak-Notification: n-7" in letter.get_content()
