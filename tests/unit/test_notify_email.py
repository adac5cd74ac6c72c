"""An email's bytes, and the settings of the way it leaves."""

import email
import email.policy
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import unquote
from uuid import UUID

import pytest

from services.notify.channels import Letter
from services.notify.channels.email import SmtpServer, compose
from services.notify.domain.contents import Email as Text
from services.notify.settings import NotifySettings
from shared.auth import LocalIssuer
from shared.settings import EXIT_WRONG_SETTINGS, load
from tests.conftest import environment

SENT_AT = datetime(2023, 3, 17, 3, 0, tzinfo=UTC)
NUMBER = UUID(int=5)
SERVER = SmtpServer("127.0.0.1", 25, "Lapak <lapak@lapak.test>")


def parsed(text: Text, name: str = "Siti Aminah") -> tuple[EmailMessage, bytes]:
    letter = Letter(NUMBER, NUMBER, "welcome", name, "siti@example.com", text, SENT_AT, SENT_AT)
    raw = compose(letter, SERVER)
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message, raw


@pytest.mark.parametrize(
    "subject",
    [
        "Lapak A07 untuk Anda",
        "Selamat datang, Nyi Déwi Ñ",
        "é" * 200,
        "kata " * 60 + "akhir",
        "Lapak ½ harga?=",
        "=?utf-8?q?Menang?=",
    ],
)
@pytest.mark.parametrize(
    "name",
    [
        "Siti Aminah",
        'Ahmad "Mat" bin, Ali',
        "Nyi Déwi",
        "Å" * 100,
        "Nama panjang " * 12 + "x",
        "a@b.id",
        "=?utf-8?q?x?=",
    ],
)
def test_subject_and_name_come_back_as_they_were(subject: str, name: str) -> None:
    message, raw = parsed(Text(subject, "Halo\n", "<p>Halo</p>"), name)
    assert message["Subject"] == subject
    # `email` keeps the space between two encoded words of a name, against RFC 2047: decode it here
    header = str(next(value for key, value in message.raw_items() if key == "To"))
    phrase, _, address = header.rpartition("<")
    shown = str(make_header(decode_header(phrase))).strip()
    assert (shown if "=?" in phrase else unquote(shown), address) == (name, "siti@example.com>")
    assert message["To"].addresses[0].addr_spec == "siti@example.com"
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))


def test_text_and_html_come_back_as_they_were() -> None:
    body = "Halo,\n\n.titik di depan\n" + "panjang " * 200 + "\nRp120.000 = tanda sama ½\n"
    message, raw = parsed(Text("x", body, f"<p>{body}</p>"))
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n") == body
    assert html.get_content().replace("\r\n", "\n").strip() == f"<p>{body}</p>"
    assert raw.isascii()
    assert raw.count(b"\n") == raw.count(b"\r\n")


def test_headers_name_the_notification() -> None:
    message, _ = parsed(Text("x", "Halo\n", "<p>Halo</p>"))
    assert message["Message-ID"] == f"<{NUMBER}@lapak.test>"
    assert message["X-Lapak-Notification"] == str(NUMBER)
    assert message["X-Lapak-Template"] == "welcome"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"] == "Fri, 17 Mar 2023 10:00:00 +0700"


@pytest.fixture
def set_smtp(issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of a service, without LAPAK_SMTP."""
    for name, value in environment(issuer, "postgresql://notify:secret@127.0.0.1/notify").items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("LAPAK_SMTP", raising=False)
    return monkeypatch


def test_the_mail_server_is_read_from_the_settings(set_smtp: pytest.MonkeyPatch) -> None:
    set_smtp.setenv("LAPAK_SMTP", "[::1]:2525")
    set_smtp.setenv("LAPAK_SMTP_FROM", "Lapak Jakarta <lapak@example.go.id>")
    set_smtp.setenv("LAPAK_SMTP_PASSWORD", "rahasia")
    settings = load(NotifySettings)
    server = settings.server()
    assert (server.host, server.port, server.domain, server.password) == ("::1", 2525, "example.go.id", "rahasia")
    assert "rahasia" not in repr(settings)
    pace = settings.pace()
    assert pace.sending_seconds > pace.hand_over_seconds + server.answer_seconds


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LAPAK_SMTP", None),
        ("LAPAK_SMTP", "localhost"),
        ("LAPAK_SMTP", "localhost:smtp"),
        ("LAPAK_SMTP", ":25"),
        ("LAPAK_SMTP_FROM", "Lapak"),
        ("LAPAK_SMTP_FROM", "Lapak\nBcc: x@example.com <lapak@example.com>"),
        ("LAPAK_SMTP_CONNECTIONS", "0"),
    ],
)
def test_a_wrong_setting_is_named(
    set_smtp: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str | None
) -> None:
    set_smtp.setenv("LAPAK_SMTP", "127.0.0.1:25")
    if value is None:
        set_smtp.delenv(name)
    else:
        set_smtp.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        load(NotifySettings)
    assert ended.value.code == EXIT_WRONG_SETTINGS
    assert f"{name}:" in capsys.readouterr().err
