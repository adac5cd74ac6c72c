"""E-mails with files, a way to end them in one click, and calendar files that stay one entry in a calendar."""

import email
import email.policy
from datetime import UTC, date, datetime
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
import vobject

from services.notify.calendar_files import attachments, planned_at
from services.notify.channels import Letter
from services.notify.channels.email import SmtpServer, compose
from services.notify.domain.contents import Attachment, Email
from services.notify.domain.people import Contact
from services.notify.extras import stop_links
from services.notify.rendering import Extras, release_templates
from services.notify.rendering import compose as in_words
from services.notify.store.claims import Job
from shared.crypto import Sealer
from shared.ids import new_id
from tests.conftest import StandingClock

SENT_AT = datetime(2023, 3, 17, 3, 0, tzinfo=UTC)
SERVER = SmtpServer("127.0.0.1", 25, "Lapak <lapak@lapak.test>")
NUMBER = UUID(int=5)
APPLICATION = "018f0000-0000-7000-8000-000000000001"
URL = "https://pesan.example.go.id/v1/stop/abc.DEF-123?topic=training"
PLAIN = Email("Lapak A07", "Halo\n", "<p>Halo</p>")


def parsed(content: Email) -> tuple[EmailMessage, bytes]:
    raw = compose(Letter(NUMBER, NUMBER, "welcome", "Siti", "siti@example.com", content, SENT_AT, SENT_AT), SERVER)
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message, raw


def with_files(*files: Attachment, url: str | None = None) -> Email:
    return Email(PLAIN.subject, PLAIN.body, PLAIN.html, files, url)


def test_one_click_ends_messages_of_its_topic() -> None:
    """RFC 8058: both headers, and nothing else is needed."""
    message, _ = parsed(with_files(url=URL))
    assert message["List-Unsubscribe"] == f"<{URL}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    plain, _ = parsed(PLAIN)
    assert plain["List-Unsubscribe"] is None


@pytest.mark.parametrize("url", [f"{URL}>", f"{URL}\r\nBcc: <x@example.com>", "https://é.test/", "mailto:x@y.z", ""])
def test_an_address_that_would_break_its_header_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="header"):
        parsed(with_files(url=url))


def test_files_come_back_as_they_were_beside_the_text() -> None:
    pdf = bytes(range(256)) * 30
    message, raw = parsed(
        with_files(
            Attachment("jadwal.ics", "text/calendar; method=PUBLISH; charset=utf-8", b"BEGIN:VCALENDAR\r\n"),
            Attachment("sertifikat.pdf", "application/pdf", pdf),
        )
    )
    assert message.get_content_type() == "multipart/mixed"
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert (plain.get_content().strip(), html.get_content().strip()) == ("Halo", "<p>Halo</p>")
    first, second = message.iter_attachments()
    assert (first.get_filename(), first.get_content_type()) == ("jadwal.ics", "text/calendar")
    assert first.get_param("method") == "PUBLISH"
    assert first.get_payload(decode=True) == b"BEGIN:VCALENDAR\r\n"
    assert (second.get_filename(), second.get_payload(decode=True)) == ("sertifikat.pdf", pdf)
    assert raw.isascii()
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))


@pytest.mark.parametrize(
    ("name", "kind"), [('a"b.ics', "text/calendar"), ("a.ics", "text/calendar\r\nX: y"), ("a\n.ics", "text/calendar")]
)
def test_a_file_whose_name_would_break_its_header_is_refused(name: str, kind: str) -> None:
    with pytest.raises(ValueError, match="header"):
        parsed(with_files(Attachment(name, kind, b"x")))


def test_a_relay_can_sign_it() -> None:
    """What DKIM wants: each header once, one From, of the domain that signs, lines that no relay has to fold."""
    message, raw = parsed(with_files(Attachment("a.pdf", "application/pdf", b"x" * 500), url=URL))
    names = [name.lower() for name in message]
    assert len(names) == len(set(names))
    assert len(message["From"].addresses) == 1
    assert message["From"].addresses[0].domain == "lapak.test" == SERVER.domain
    assert message["Message-ID"].endswith(f"@{SERVER.domain}>")
    assert raw.endswith(b"--\r\n")


def booth(**changes: Any) -> dict[str, Any]:
    params = {
        "application_id": APPLICATION,
        "bazaar_name": "Bazar Jakpreneur, Senen; 2023\\New",
        "site_name": "Rusun Karang Anyar",
        "booth": "A07",
        "days": ["2023-03-20", "2023-03-21", "2023-03-25"],
    }
    return {**params, **changes}


def events(template: str, params: dict[str, Any], notification_id: UUID, language: str = "id") -> list[Any]:
    (file,) = attachments(template, params, language=language, notification_id=notification_id)
    calendar = vobject.readOne(file.body.decode())
    assert calendar.method.value == "PUBLISH"
    return list(calendar.vevent_list)


def test_a_booth_is_noted_for_each_run_of_its_days() -> None:
    first, second = events("booth-confirmed", booth(), new_id())
    assert (first.dtstart.value, first.dtend.value) == (date(2023, 3, 20), date(2023, 3, 22))
    assert (second.dtstart.value, second.dtend.value) == (date(2023, 3, 25), date(2023, 3, 26))
    assert first.summary.value == "Lapak A07: Bazar Jakpreneur, Senen; 2023/New"
    assert first.location.value == "Rusun Karang Anyar"
    assert (first.uid.value, second.uid.value) == (f"{APPLICATION}@lapak", f"{APPLICATION}-2@lapak")


def test_a_later_message_replaces_the_earlier_one() -> None:
    first_id, second_id = UUID(int=(1_700_000_000_000 << 80)), UUID(int=(1_700_000_001_000 << 80))
    (before, *_) = events("booth-confirmed", booth(), first_id)
    (after,) = events("application-rescheduled", booth(days=["2023-04-01"]), second_id)
    assert before.uid.value == after.uid.value
    assert int(after.sequence.value) == int(before.sequence.value) + 1
    assert before.dtstamp.value == planned_at(first_id) == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def test_a_class_is_noted_by_its_sessions_or_by_its_days() -> None:
    params = {
        "class_id": APPLICATION,
        "title": "Dasar Kewirausahaan",
        "venue": "Balai Latihan",
        "days": ["2023-03-20", "2023-03-21"],
        "starts_at": ["2023-03-21T09:00:00+07:00", "2023-03-20T09:00:00+07:00"],
    }
    first, second = events("training-enrolled", params, new_id(), "en")
    assert first.dtstart.value == datetime(2023, 3, 20, 2, tzinfo=UTC)
    assert second.dtstart.value == datetime(2023, 3, 21, 2, tzinfo=UTC)
    assert first.summary.value == "Class: Dasar Kewirausahaan"
    (days,) = events("training-class-moved", {**params, "starts_at": [], "venue": None}, new_id())
    assert (days.dtstart.value, days.dtend.value) == (date(2023, 3, 20), date(2023, 3, 22))


@pytest.mark.parametrize(
    ("template", "params"),
    [
        ("booth-assigned", booth()),
        ("application-rescheduled", booth(booth=None)),
        ("booth-confirmed", booth(days=[])),
        ("training-enrolled", {"title": "x", "days": ["2023-03-20"]}),
        ("welcome", {"kind": "person"}),
    ],
)
def test_what_is_not_sure_is_not_noted(template: str, params: dict[str, Any]) -> None:
    """Also messages planned before the class's id went along."""
    assert attachments(template, params, language="id", notification_id=new_id()) == ()


def job(template: str, params: dict[str, Any], *, must: bool) -> Job:
    contact = Contact("Siti", None, "siti@example.com", "en")
    ids = (new_id(), new_id(), new_id())
    return Job(*ids, 0, "training", must, template, "v", params, SENT_AT, SENT_AT, None, None, contact, None)


def test_days_go_along_as_one_file_and_what_may_be_ended_with_the_link_that_ends_it(sealer: Sealer) -> None:
    make = stop_links("https://pesan.example.go.id", sealer, StandingClock())
    one = job("booth-confirmed", booth(), must=True)
    confirmed = make(one, "email")
    template = release_templates()[one.template]
    written = in_words(
        template, "email", language="en", params=one.params, name="Siti", notification_id=one.id, extras=confirmed
    )
    assert isinstance(written, Email)
    assert [file.name for file in written.attachments] == ["schedule.ics"]
    assert confirmed.unsubscribe_url is None
    assert make(job("welcome", {}, must=False), "email").unsubscribe_url is not None
    assert make(job("booth-confirmed", booth(), must=False), "whatsapp") == Extras()
