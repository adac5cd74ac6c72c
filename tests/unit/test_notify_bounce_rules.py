"""What comes back by mail: who is believed, what reports of real servers say, and that hostile mails cost little."""

import base64
import email
import random
import time
import tracemalloc
from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.notify.channels import Letter, mail_reports
from services.notify.channels.email import SmtpServer, compose
from services.notify.channels.mail_reports import read_report
from services.notify.domain import contents
from services.notify.domain.bounces import (
    CANDIDATES_MAX,
    PROOF_CHARS,
    MailReport,
    RecipientStatus,
    Verdict,
    address_fault,
    is_complaint,
    judge,
    proof,
    proven,
)
from services.notify.settings import NotifySettings
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.settings import load
from tests.conftest import SECRET_KEYS, StandingClock, environment
from tests.unit.notify_mails import ADDRESS, SERVERS, absence, arf, dsn, fields, letter, read_receipt

SEALER = Sealer(SECRET_KEYS)
INDEX = SEALER.blind_index
ATTEMPT = UUID("018f0000-0000-7000-8000-00000000000a")
MARK = proof(INDEX, ATTEMPT)
BACK = f"bounce+{MARK}@lapak.test"
OURS = frozenset({ADDRESS})


def is_ours(address: str) -> bool:
    return address.lower() in OURS


def verdict(raw: bytes) -> Verdict | None:
    report = read_report(raw)
    assert report.says is None, report.says
    return judge(report.recipients, is_ours)


# --- proofs


@given(st.uuids())
def test_a_proof_is_known_again_in_any_case_and_fits_before_the_at(attempt_id: UUID) -> None:
    mark = proof(INDEX, attempt_id)
    assert len(mark) == PROOF_CHARS
    assert mark.isalnum()
    assert proven(INDEX, [f"<bounce+{mark}@lapak.test>"]) == attempt_id
    assert proven(INDEX, [f"SRS0=a1=ZZ=lapak.test=bounce+{mark.upper()}@relay.test"]) == attempt_id


@given(st.uuids(), st.integers(0, PROOF_CHARS - 1), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_a_proof_with_any_other_character_proves_nothing(attempt_id: UUID, place: int, char: str) -> None:
    mark = proof(INDEX, attempt_id)
    forged = mark[:place] + char + mark[place + 1 :]
    assert proven(INDEX, [forged]) == (attempt_id if forged == mark else None)


@given(st.uuids(), st.binary(min_size=14, max_size=14))
def test_a_proof_cannot_be_made_without_the_key(attempt_id: UUID, guess: bytes) -> None:
    assert proven(INDEX, [base64.b32encode(attempt_id.bytes + guess).decode()]) is None
    other = Sealer({"x": base64.b64encode(b"7" * 32).decode()})
    assert proven(INDEX, [proof(other.blind_index, attempt_id)]) is None


@pytest.mark.parametrize(
    "text",
    ["", "bounce@lapak.test", str(ATTEMPT), MARK[:-1], f"a{MARK}", f"{MARK}a", f"{MARK}{MARK}", "a" * 1000, "7" * 48],
)
def test_what_is_no_proof_proves_nothing(text: str) -> None:
    assert proven(INDEX, [text]) is None


def test_only_so_many_texts_are_tried() -> None:
    junk = ["a" * PROOF_CHARS] * CANDIDATES_MAX
    assert proven(INDEX, [*junk[1:], MARK]) == ATTEMPT
    assert proven(INDEX, [*junk, MARK]) is None


def test_a_key_that_is_put_in_front_leaves_old_proofs_good() -> None:
    rotated = Sealer({"new": base64.b64encode(b"8" * 32).decode(), **SECRET_KEYS})
    assert proven(rotated.blind_index, [MARK]) == ATTEMPT


# --- what letters carry


def test_a_letter_carries_its_proof_in_a_header_and_where_it_comes_back_to() -> None:
    now = StandingClock().now()
    one = Letter(UUID(int=5), ATTEMPT, "welcome", "Siti", ADDRESS, contents.Email("x", "y\n", "<p>y</p>"), now, now)
    server = SmtpServer("127.0.0.1", 25, "Lapak <lapak@lapak.test>", bounce_address="bounce@lapak.test")
    assert f"\r\nX-Lapak-Attempt: {MARK}\r\n".encode() in compose(one, server, MARK)
    assert server.envelope_sender(MARK) == BACK
    assert server.envelope_sender(None) == "lapak@lapak.test"
    plain = SmtpServer("127.0.0.1", 25, "Lapak <lapak@lapak.test>")
    assert plain.envelope_sender(MARK) == "lapak@lapak.test"


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("bounce@pesan.example.go.id", True),
        ("b@localhost", True),
        ("a" * 15 + "@x.id", True),
        ("a" * 16 + "@x.id", False),
        ("bounce", False),
        ("Lapak <bounce@x.id>", False),
        ("bounce+x@x.id", False),
        ("bounce@x.id\r\nRCPT TO:<y@x.id>", False),
        ("bounce@x..id>", False),
    ],
)
def test_where_letters_come_back_to_is_one_bare_address_with_room_for_a_proof(
    issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str, good: bool
) -> None:
    for name, text in environment(issuer, "postgresql://notify:secret@127.0.0.1/notify").items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("LAPAK_SMTP", "127.0.0.1:25")
    monkeypatch.setenv("LAPAK_SMTP_BOUNCE_ADDRESS", value)
    if good:
        server = load(NotifySettings).server()
        assert server.bounce_address == value
        assert len(server.envelope_sender(MARK).rpartition("@")[0]) <= 64
    else:
        with pytest.raises(SystemExit):
            load(NotifySettings)
        assert "LAPAK_SMTP_BOUNCE_ADDRESS:" in capsys.readouterr().err


# --- what reports say


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize(
    ("status", "kind"),
    [("5.1.1", "address"), ("5.1.10", "address"), ("5.2.1", "address"), ("5.2.2", None), ("5.7.1", None)],
)
def test_a_bounce_of_each_server_is_read(name: str, status: str, kind: str | None) -> None:
    raw = SERVERS[name](BACK, status, returned=letter(MARK))
    assert verdict(raw) == (f"dsn {status}", kind)
    assert proven(INDEX, read_report(raw).marks) == ATTEMPT


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("where", ["envelope", "header", "return path"])
def test_the_proof_is_found_wherever_a_server_leaves_it(name: str, where: str) -> None:
    to = BACK if where == "envelope" else "lapak@lapak.test"
    returned = letter(MARK if where == "header" else None, BACK if where == "return path" else None)
    report = read_report(SERVERS[name](to, returned=returned))
    assert proven(INDEX, report.marks) == ATTEMPT


@pytest.mark.parametrize("name", SERVERS)
def test_without_the_proof_nothing_in_a_bounce_names_an_attempt(name: str) -> None:
    report = read_report(SERVERS[name]("lapak@lapak.test", returned=letter()))
    assert report.recipients
    assert proven(INDEX, report.marks) is None


def test_a_proof_in_the_text_of_a_bounce_is_not_looked_for() -> None:
    """People quote letters; a report has places of its own."""
    report = read_report(dsn("lapak@lapak.test", [fields()], text=f"X-Lapak-Attempt: {MARK}\r\n{BACK}"))
    assert proven(INDEX, report.marks) is None


@pytest.mark.parametrize("action", ["delayed", "relayed", "expanded", "delivered", "Delayed (once more)", ""])
def test_what_is_not_for_good_settles_nothing(action: str) -> None:
    assert verdict(dsn(BACK, [fields("4.4.1", action=action)])) is None


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        (fields("5.1.1 (no such user)", action="Failed (really)"), ("dsn 5.1.1", "address")),
        (fields("4.4.7"), ("dsn 4.4.7", None)),
        (fields("4.2.2"), ("dsn 4.2.2", None)),
        (fields("nonsense"), ("dsn 5.0.0", None)),
        (fields("5.0.0", diagnosis="smtp; 550 no such user"), ("dsn 5.0.0", None)),
        (fields("5.0.0", diagnosis="smtp; 552 5.2.2 full"), ("dsn 5.2.2", None)),
        (fields("5.7.1", diagnosis="smtp; 550 5.1.1 we do not like you"), ("dsn 5.7.1", None)),
        (fields("5.1.8"), ("dsn 5.1.8", None)),
        (fields("5.1.1", address="<siti@example.com>"), ("dsn 5.1.1", "address")),
        (fields("5.1.1", address="SITI@Example.com"), ("dsn 5.1.1", "address")),
        (fields("5.1.1", address="lain@forwarded.test"), ("dsn 5.1.1", None)),
        (fields("5.1.1", address=None), ("dsn 5.1.1", None)),
        (fields("5.1.1", address="x@y.test", Original_Recipient=f"utf-8;{ADDRESS}"), ("dsn 5.1.1", "address")),
    ],
)
def test_an_address_counts_as_dead_only_where_the_report_says_so_of_it(
    group: str, expected: tuple[str, str | None]
) -> None:
    assert verdict(dsn(BACK, [group])) == expected


def test_of_several_recipients_ours_counts_and_without_it_all_must_have_failed() -> None:
    other = fields("5.1.1", address="lain@x.test")
    assert verdict(dsn(BACK, [other, fields(action="delivered", status="2.0.0")])) is None
    assert verdict(dsn(BACK, [fields(action="delayed", address="lain@x.test"), fields()])) == ("dsn 5.1.1", "address")
    assert verdict(dsn(BACK, [other, other])) == ("dsn 5.1.1", None)
    assert verdict(dsn(BACK, [other, fields(action="relayed", address="lain@x.test")])) is None
    assert verdict(dsn(BACK, [])) is None


def test_an_international_report_is_read() -> None:
    raw = dsn(
        BACK,
        [fields(), ""],
        status_as="message/global-delivery-status",
        returned=letter(),
        returned_as="message/global",
    )
    assert verdict(raw) == ("dsn 5.1.1", "address")


@pytest.mark.parametrize(("wrapped", "reads"), [("", True), ("Content-Type: message/rfc822\r\n\r\n", False)])
def test_a_report_that_a_gateway_put_something_round_is_read_and_not_one_that_a_person_passed_on(
    wrapped: str, reads: bool
) -> None:
    inner = dsn(BACK, [fields()], returned=letter(MARK)).decode()
    head = f"To: {BACK}\r\nContent-Type: multipart/mixed; boundary=gw\r\n\r\n"
    raw = f"{head}--gw\r\n{wrapped}{inner}\r\n--gw--\r\n".encode()
    assert (read_report(raw).says is None) == reads


@pytest.mark.parametrize(("status", "dead"), [("5.1.0", True), ("5.1.6", True), ("5.1.5", False), ("5.1.7", False)])
def test_a_status_about_the_sender_is_not_about_the_address(status: str, dead: bool) -> None:
    assert address_fault(status) == dead


# --- complaints and automatic answers


@pytest.mark.parametrize("where", ["header", "return path", "mail from", "envelope"])
def test_a_complaint_is_read_and_its_proof_found(where: str) -> None:
    returned = letter(MARK if where == "header" else None, BACK if where == "return path" else None)
    to = BACK if where == "envelope" else "fbl@lapak.test"
    report = read_report(arf(to, returned, mail_from=BACK if where == "mail from" else None))
    assert report.feedback == "abuse"
    assert report.recipients == ()
    assert proven(INDEX, report.marks) == ATTEMPT


@pytest.mark.parametrize(
    ("kind", "ends"), [("abuse", True), ("opt-out", True), ("not-spam", False), ("auth-failure", False), ("", False)]
)
def test_only_some_feedback_is_a_complaint(kind: str, ends: bool) -> None:
    report = read_report(arf("fbl@lapak.test", letter(MARK), kind=kind.upper()))
    assert report.feedback == kind
    assert is_complaint(report.feedback) == ends


@pytest.mark.parametrize(
    "raw",
    [
        absence(BACK),
        absence(BACK, "Auto-Submitted: auto-generated"),
        absence(BACK, "Precedence: bulk"),
        absence(BACK, "X-Autoreply: yes"),
        read_receipt(BACK, letter(MARK)),
    ],
)
def test_what_a_machine_answers_is_no_bounce(raw: bytes) -> None:
    assert read_report(raw).says == "auto-reply"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"halo",
        f"To: {BACK}\r\nAuto-Submitted: no\r\n\r\nHalo, kapan bazarnya?\r\n".encode(),
        b"\xff\xfe\x00",
    ],
)
def test_what_a_person_writes_is_no_report(raw: bytes) -> None:
    assert read_report(raw).says == "no-report"


# --- hostile mails

_REPORT = b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
_STATUS = _REPORT + b"--b\nContent-Type: message/delivery-status\n\n"
_MIB = 1024 * 1024


def _nested(kind: bytes) -> bytes:
    return b"".join(b"Content-Type: %b; boundary=b%d\n\n--b%d\n" % (kind, n, n) for n in range(20_000))


BOMBS: dict[str, Callable[[], bytes]] = {
    "a header of semicolons": lambda: b'Content-Type: multipart/report; boundary="' + b";" * _MIB,
    "the same, folded": lambda: b'Content-Type: multipart/report; boundary="' + b"\n ".join([b";" * 990] * 1000),
    "many such headers": lambda: _REPORT + (b'--b\nContent-Type: multipart/x; y="' + b";" * 990 + b"\n\n") * 900,
    "parts within parts": lambda: _nested(b"multipart/mixed"),
    "parts within digests": lambda: _nested(b"multipart/digest"),
    "mails within mails": lambda: b"Content-Type: message/rfc822\n\n" * 30_000,
    "many parts": lambda: _REPORT + b"--b\n\n" * 200_000,
    "many recipients": lambda: _STATUS + b"a: b\n\n" * 170_000,
    "many blank lines": lambda: _STATUS + b"\n" * _MIB,
    "many proofs": lambda: b"To: " + b" ".join([b"a" * 48] * 20_000) + b"\n" + _STATUS + b"\n\nAction: failed\n",
    "carriage returns": lambda: b"\r" * _MIB,
    "zeros": lambda: b"\0" * _MIB,
    "noise": lambda: random.Random(8).randbytes(_MIB),
    "parameters that contradict": lambda: b"Content-Type: multipart/report; boundary*=a; boundary*0*=c\n\n--a\n",
    "an unknown charset": lambda: _REPORT.replace(b"boundary=b", b"boundary*=x-nothing''%ff%fe") + b"--b\n",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_hostile_mail_costs_a_moment_and_little_memory(name: str) -> None:
    """Without the cuts the first takes minutes, and blank lines 270 MB."""
    raw = BOMBS[name]()
    began = time.process_time()
    report = read_report(raw)
    assert time.process_time() - began < 3, "a moment, on the slowest machine"
    tracemalloc.start()
    read_report(raw)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 16 * _MIB
    assert judge(report.recipients, is_ours) is None or not proven(INDEX, report.marks)


@pytest.mark.parametrize(
    "name", ["parts within parts", "parts within digests", "mails within mails", "many such headers"]
)
def test_a_mail_of_too_many_parts_never_comes_to_the_parser(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*_: object, **__: object) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr(email, "message_from_bytes", parse)
    monkeypatch.setattr(mail_reports, "_UNREADABLE", ())
    assert read_report(BOMBS[name]()).says == "unreadable"


LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"",
                b"--b",
                b"--b--",
                b"Content-Type: multipart/report; boundary=b",
                b"Content-Type: multipart/mixed; boundary=b",
                b"Content-Type: multipart/report; boundary*=utf-8''%ff",
                b"Content-Type: multipart/report; boundary*0*=b; boundary*=c",
                b"Content-Type: message/delivery-status",
                b"Content-Type: message/global-delivery-status",
                b"Content-Type: message/feedback-report",
                b"Content-Type: message/rfc822",
                b"Content-Type: text/rfc822-headers; charset=x-none",
                b"Content-Transfer-Encoding: base64",
                b"Action: failed",
                b"Status: 5.1.1",
                b"Final-Recipient: rfc822; siti@example.com",
                b"Auto-Submitted: \xff",
                b" ",
                b"From siti",
            ]
        ),
        st.binary(max_size=40),
    ),
    max_size=40,
)


@given(LINES)
@example([b"Content-Type: multipart/report; boundary=b", b"", b"--b", b"Content-Type: message/delivery-status"])
def test_no_mail_whatever_makes_the_reader_fail(lines: list[bytes]) -> None:
    report = read_report(b"\n".join(lines))
    assert isinstance(report, MailReport)
    judge(report.recipients, is_ours)
    proven(INDEX, report.marks)


@given(st.lists(st.builds(RecipientStatus, st.text(max_size=8), st.text(max_size=12), st.text(max_size=30))))
def test_any_recipients_are_judged(recipients: list[RecipientStatus]) -> None:
    found = judge(recipients, is_ours)
    assert found is None or found.code.startswith("dsn ")
