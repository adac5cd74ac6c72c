"""Documents: numbers and dates by kind, what replaces what, and what each day brings; both sides of every limit."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.vendor.domain import documents as domain
from services.vendor.domain.documents import (
    CorrectionDayRefused,
    Decision,
    Document,
    DocumentChanged,
    DocumentExpired,
    DocumentNotReplaceable,
    DocumentNotReturned,
    DocumentNotSubmitted,
    DocumentWaiting,
    Reason,
    ReasonUnknown,
    State,
)
from services.vendor.domain.submissions import KINDS, DocumentInvalid, Submission, admit
from shared.events.documents import (
    DocumentEvent,
    DocumentExpiring,
    DocumentKind,
    DocumentLapsed,
    DocumentRejected,
    DocumentReturned,
    DocumentSubmitted,
    DocumentVerified,
)

TODAY = date(2023, 3, 1)
NOW = datetime(2023, 3, 1, 2, 0, tzinfo=UTC)
VENDOR = uuid4()
REASONS = [
    Reason("wrong-person", True, False, "x", "x"),
    Reason("unreadable", False, True, "x", "x"),
    Reason("not-corrected", False, False, "x", "x"),
]
ISSUED = date(2022, 5, 20)


def refusals(wish: Submission, today: date = TODAY) -> list[tuple[str, str]]:
    """Field and code of every problem."""
    with pytest.raises(DocumentInvalid) as refused:
        admit(wish, today)
    assert all(problem.reason and problem.fix for problem in refused.value.problems)
    return [(problem.field, problem.code) for problem in refused.value.problems]


def warned(wish: Submission) -> list[str]:
    return [warning.code for warning in admit(wish, TODAY).warnings]


def wish(kind: DocumentKind, number: str, **more: Any) -> Submission:
    dates: dict[str, Any] = {"issued_on": ISSUED}
    if kind == "bpom":
        dates["expires_on"] = date(2027, 5, 20)
    return Submission(kind, number, **{**dates, **more})


def document(kind: DocumentKind = "halal", state: State = "submitted", **more: Any) -> Document:
    fields: dict[str, Any] = {
        "document_id": uuid4(),
        "vendor_id": VENDOR,
        "kind": kind,
        "state": state,
        "version": 1,
        "number": None if kind == "ktp" else "1234567890123",
        "issued_on": None,
        "expires_on": None,
        "file_id": uuid4(),
        "submitted_by": "vendor",
        "submitted_at": NOW,
    }
    return Document(**{**fields, **more})


def decision(version: int = 1, reason: str = "", now: datetime = NOW) -> Decision:
    return Decision(version, "officer-1", now, reason, "catatan")


# ---- numbers


@pytest.mark.parametrize(
    ("kind", "written", "kept"),
    [
        ("nib", "NIB: 1234567890123", "1234567890123"),
        ("nib", " 1234-5678-90123\u200b", "1234567890123"),
        ("nib", "１２３４５６７８９０１２３", "1234567890123"),
        ("pirt", "P-IRT No. 2053171011234-27", "205317101123427"),
        ("pirt", "205317101123427", "205317101123427"),
        ("halal", "id 31110000123450920", "ID31110000123450920"),
        ("halal", "No. ID31110000123450920", "ID31110000123450920"),
        ("bpom", "BPOM RI MD 231 009 001 234", "MD231009001234"),
        ("bpom", "ML 231009001234", "ML231009001234"),
        ("bpom", "POM NA 18171234567", "NA18171234567"),
        ("bpom", "TR 183612345", "TR183612345"),
        ("hki", "IDM000123456", "IDM000123456"),
        ("hki", "EC00202112345", "EC00202112345"),
        ("ktp", "NIK 3171024507900001", "3171024507900001"),
    ],
)
def test_a_number_is_kept_without_labels_and_separators(kind: DocumentKind, written: str, kept: str) -> None:
    expires = None if KINDS[kind].expires == "never" else date(2027, 1, 1)
    admitted = admit(Submission(kind, written, ISSUED, expires), TODAY)
    assert admitted.number == kept
    assert admitted.warnings == ()


@pytest.mark.parametrize(
    ("kind", "written", "code"),
    [
        ("nib", "123456789012", "number-format"),
        ("nib", "12345678901234", "number-format"),
        ("nib", "123456789012A", "number-format"),
        ("nib", "", "missing"),
        ("nib", "NIB", "number-format"),
        ("nib", " . - ", "missing"),
        ("pirt", "20531710112342", "number-format"),
        ("pirt", "2053171011234270", "number-format"),
        ("halal", "ID3111000012345092", "number-format"),
        ("halal", "ID311100001234509200", "number-format"),
        ("halal", "abc", "number-format"),
        ("bpom", "NA1817123456", "number-format"),
        ("bpom", "NA181712345678", "number-format"),
        ("bpom", "MD 2310<script>", "number-format"),
        ("hki", "X" * 37 + "1234", "number-format"),
        ("ktp", "317102450790000", "number-format"),
        ("ktp", "31710245079000011", "number-format"),
        ("nib", "123456789\x000123", "unprintable"),
        ("nib", "1234567890\n123", "unprintable"),
    ],
)
def test_a_number_is_refused_where_its_format_is_certain(kind: DocumentKind, written: str, code: str) -> None:
    expires = date(2027, 1, 1) if kind == "bpom" else None
    assert refusals(Submission(kind, written, ISSUED, expires)) == [("number", code)]


def test_an_unusual_number_is_taken_with_a_warning() -> None:
    assert warned(wish("bpom", "MD 23100900123")) == ["number-unusual"]
    assert warned(wish("bpom", "MD 231009001234567")) == ["number-unusual"]
    assert warned(wish("hki", "DID2023012345")) == ["number-unusual"]
    assert warned(wish("hki", "X" * 36 + "1234")) == ["number-unusual"]
    assert warned(wish("halal", "00120003820900", expires_on=date(2024, 1, 1))) == ["number-unusual"]


def test_a_refusal_repeats_no_number() -> None:
    with pytest.raises(DocumentInvalid) as refused:
        admit(Submission("ktp", "31710245079000012"), TODAY)
    assert "3171" not in f"{refused.value.message} {refused.value.details}"


def test_the_last_digits_of_a_pirt_are_its_year_of_expiry() -> None:
    assert warned(wish("pirt", "205317101123427")) == []
    assert warned(wish("pirt", "205317101123428")) == ["pirt-year-differs"]


# ---- dates


def test_a_pirt_is_valid_for_five_years_by_rule() -> None:
    number = "205317101123427"
    assert admit(wish("pirt", number), TODAY).expires_on == date(2027, 5, 20)
    leap = admit(wish("pirt", number, issued_on=date(2020, 2, 29)), TODAY)
    assert leap.expires_on == date(2025, 2, 28)
    assert admit(wish("pirt", number, expires_on=date(2027, 5, 20)), TODAY).expires_on == date(2027, 5, 20)
    assert refusals(wish("pirt", number, expires_on=date(2027, 5, 21))) == [("expires_on", "expiry-too-late")]
    assert admit(wish("pirt", number, issued_on=date(2018, 3, 1)), TODAY).expires_on == TODAY
    assert refusals(wish("pirt", number, issued_on=date(2018, 2, 28))) == [("issued_on", "expired")]
    assert refusals(wish("pirt", number, issued_on=None)) == [("issued_on", "missing")]


def test_issue_and_expiry_are_plausible() -> None:
    number = "IDM000123456"
    assert admit(wish("hki", number, issued_on=TODAY), TODAY).issued_on == TODAY
    tomorrow = TODAY + timedelta(days=1)
    assert refusals(wish("hki", number, issued_on=tomorrow)) == [("issued_on", "issued-in-future")]
    assert admit(wish("hki", number, issued_on=date(1950, 1, 1)), TODAY).issued_on == date(1950, 1, 1)
    assert refusals(wish("hki", number, issued_on=date(1949, 12, 31))) == [("issued_on", "issued-too-early")]
    assert admit(wish("hki", number, expires_on=TODAY), TODAY).expires_on == TODAY
    yesterday = TODAY - timedelta(days=1)
    assert refusals(wish("hki", number, expires_on=yesterday)) == [("expires_on", "expired")]
    assert refusals(wish("hki", number, expires_on=ISSUED)) == [("expires_on", "expiry-before-issue")]
    assert admit(wish("hki", number, expires_on=date(2073, 3, 1)), TODAY).expires_on == date(2073, 3, 1)
    assert refusals(wish("hki", number, expires_on=date(2073, 3, 2))) == [("expires_on", "expiry-too-late")]


def test_dates_far_outside_any_calendar_are_refused_all_the_same() -> None:
    for kind in KINDS:
        for day in (date.min, date.max):
            assert refusals(Submission(kind, "", day, day))
            assert refusals(Submission(kind, "", day, None))
            assert refusals(Submission(kind, "", None, day))


def test_a_kind_without_expiry_takes_none_and_one_with_expiry_needs_it() -> None:
    assert refusals(Submission("nib", "1234567890123", None, TODAY)) == [("expires_on", "never-expires")]
    assert refusals(Submission("ktp", "3171024507900001", None, TODAY)) == [("expires_on", "never-expires")]
    assert refusals(wish("bpom", "MD231009001234", expires_on=None)) == [("expires_on", "missing")]
    assert admit(wish("halal", "ID31110000123450920"), TODAY).expires_on is None
    assert refusals(wish("halal", "00120003820900")) == [("expires_on", "missing")]


def test_all_problems_are_told_at_once() -> None:
    found = refusals(Submission("pirt", "1", date(2023, 3, 2), date(2023, 2, 28)))
    assert found == [("number", "number-format"), ("issued_on", "issued-in-future"), ("expires_on", "expired")]


# ---- submitting


def submitted(
    kind: DocumentKind, *family: Document, replaces: UUID | None = None, beside: bool = False
) -> tuple[Document, list[DocumentEvent]]:
    numbers = {"nib": "1234567890123", "ktp": "3171024507900001", "hki": "IDM000123456"}
    asked = wish(kind, numbers[kind], replaces=replaces, beside=beside)
    return domain.submit(admit(asked, TODAY), asked, (uuid4(), VENDOR), uuid4(), "vendor", family, NOW)


def test_a_submitted_document_waits_and_is_told() -> None:
    made, events = submitted("nib")
    assert (made.state, made.version, made.number) == ("submitted", 1, "1234567890123")
    assert events == [DocumentSubmitted(vendor_id=VENDOR, document_id=made.document_id, kind="nib")]


def test_the_number_of_a_ktp_is_not_kept() -> None:
    made, _ = submitted("ktp")
    assert made.number is None
    assert "3171024507900001" not in repr(made)


def test_so_many_documents_of_a_kind_may_wait() -> None:
    for state in ("submitted", "returned"):
        with pytest.raises(DocumentWaiting) as refused:
            submitted("nib", document("nib", state))
        assert refused.value.details["waiting_max"] == 1
    submitted("nib", *(document("nib", state) for state in ("verified", "rejected", "lapsed", "replaced")))
    waiting = [document("hki") for _ in range(10)]
    assert submitted("hki", *waiting[:9])[0].state == "submitted"
    with pytest.raises(DocumentWaiting) as refused:
        submitted("hki", *waiting)
    assert refused.value.details["waiting_max"] == 10


def test_a_newer_document_replaces_the_one_that_stands() -> None:
    one, two = document("hki", "verified"), document("hki", "verified")
    assert submitted("hki")[0].replaces is None
    assert submitted("hki", one)[0].replaces == one.document_id
    assert submitted("hki", one, beside=True)[0].replaces is None
    assert submitted("hki", one, two, replaces=two.document_id)[0].replaces == two.document_id
    assert submitted("hki", one, two, beside=True)[0].replaces is None
    with pytest.raises(DocumentNotReplaceable) as refused:
        submitted("hki", one, two)
    assert refused.value.details["standing"] == [str(one.document_id), str(two.document_id)]


@pytest.mark.parametrize("state", ["submitted", "returned", "rejected", "replaced"])
def test_only_a_document_that_was_good_can_be_replaced(state: State) -> None:
    other = document("hki", state)
    with pytest.raises(DocumentNotReplaceable) as refused:
        submitted("hki", other, replaces=other.document_id)
    assert refused.value.code == "document-not-replaceable"
    lapsed = document("hki", "lapsed")
    assert submitted("hki", lapsed, replaces=lapsed.document_id)[0].replaces == lapsed.document_id
    with pytest.raises(DocumentNotReplaceable):
        submitted("hki", replaces=uuid4())


def test_a_person_has_one_nib_beside_which_none_stands() -> None:
    with pytest.raises(DocumentNotReplaceable):
        submitted("nib", beside=True)
    standing = document("hki", "verified")
    with pytest.raises(DocumentNotReplaceable):
        submitted("hki", standing, replaces=standing.document_id, beside=True)


def test_what_a_verified_document_replaces() -> None:
    old, other = document("hki", "verified"), document("hki", "verified")
    new = document("hki", replaces=old.document_id)
    assert domain.replaced_by(new, [old, other, new]) == [replace(old, state="replaced")]
    assert domain.replaced_by(new, [replace(old, state="replaced"), other]) == []
    assert domain.replaced_by(new, [replace(old, state="lapsed")]) == [replace(old, state="replaced")]
    two = [document("nib", "verified"), document("nib", "rejected")]
    assert domain.replaced_by(document("nib"), two) == [replace(two[0], state="replaced")]


# ---- deciding


def test_a_decision_needs_a_submitted_document_in_the_version_that_was_seen() -> None:
    for state in ("returned", "verified", "rejected", "lapsed", "replaced"):
        with pytest.raises(DocumentNotSubmitted) as settled:
            domain.verify(document(state=state), decision(), TODAY)
        assert settled.value.details["state"] == state
    with pytest.raises(DocumentChanged) as changed:
        domain.verify(document(version=2), decision(1), TODAY)
    assert changed.value.details["version"] == 2
    with pytest.raises(DocumentChanged):
        domain.reject(document(version=2), decision(1, "wrong-person"), REASONS)
    with pytest.raises(DocumentNotSubmitted):
        domain.give_back(document(state="verified"), decision(1, "unreadable"), None, REASONS, TODAY)


def test_a_document_is_verified_up_to_its_last_day() -> None:
    last = document(expires_on=TODAY)
    verified, events = domain.verify(last, decision(), TODAY)
    assert (verified.state, verified.decided_by, verified.reason) == ("verified", "officer-1", None)
    assert events == [DocumentVerified(vendor_id=VENDOR, document_id=last.document_id, kind="halal", expires_on=TODAY)]
    with pytest.raises(DocumentExpired):
        domain.verify(last, decision(), TODAY + timedelta(days=1))


def test_a_rejection_has_a_reason_for_rejections() -> None:
    rejected, events = domain.reject(document(), decision(1, "wrong-person"), REASONS)
    assert (rejected.state, rejected.reason, rejected.note) == ("rejected", "wrong-person", "catatan")
    assert [event.reason for event in events if isinstance(event, DocumentRejected)] == ["wrong-person"]
    for reason in ("unreadable", "not-corrected", "", "else"):
        with pytest.raises(ReasonUnknown) as refused:
            domain.reject(document(), decision(1, reason), REASONS)
        assert refused.value.details["known"] == ["wrong-person"]


def test_a_return_has_a_reason_for_returns_and_a_day_that_can_be_kept() -> None:
    returned, events = domain.give_back(document(), decision(1, "unreadable"), None, REASONS, TODAY)
    assert (returned.state, returned.correct_by) == ("returned", date(2023, 3, 15))
    assert [event.correct_by for event in events if isinstance(event, DocumentReturned)] == [date(2023, 3, 15)]
    for days, taken in ((0, False), (1, True), (60, True), (61, False)):
        day = TODAY + timedelta(days=days)
        if taken:
            assert domain.give_back(document(), decision(1, "unreadable"), day, REASONS, TODAY)[0].correct_by == day
        else:
            with pytest.raises(CorrectionDayRefused):
                domain.give_back(document(), decision(1, "unreadable"), day, REASONS, TODAY)
    with pytest.raises(ReasonUnknown):
        domain.give_back(document(), decision(1, "wrong-person"), None, REASONS, TODAY)


def test_a_correction_is_a_new_version_that_waits() -> None:
    returned = domain.give_back(document("nib"), decision(1, "unreadable"), None, REASONS, TODAY)[0]
    good = admit(Submission("nib", "9999999999999"), TODAY)
    corrected, events = domain.resubmit(returned, good, None, "officer", NOW)
    assert (corrected.state, corrected.version, corrected.number) == ("submitted", 2, "9999999999999")
    assert corrected.file_id == returned.file_id
    assert (corrected.reason, corrected.note, corrected.correct_by) == (None, "", None)
    assert [type(event) for event in events] == [DocumentSubmitted]
    other = uuid4()
    assert domain.resubmit(returned, good, other, "vendor", NOW)[0].file_id == other
    for state in ("submitted", "verified", "rejected", "lapsed", "replaced"):
        with pytest.raises(DocumentNotReturned):
            domain.resubmit(document("nib", state), good, None, "vendor", NOW)


# ---- days


def days_of(one: Document, *days: int) -> list[tuple[int, str, int | None]]:
    """What is told on days counted from the last valid one, asked in this order."""
    assert one.expires_on is not None
    last = one.expires_on
    told = []
    for day in days:
        one, events = domain.fall_due(one, last + timedelta(days=day), NOW)
        told += [(day, type(e).__name__, e.days_left if isinstance(e, DocumentExpiring) else None) for e in events]
    return told


def test_reminders_are_told_60_and_14_days_before_and_the_lapse_on_the_day_after() -> None:
    verified = document(state="verified", expires_on=date(2024, 1, 31))
    assert days_of(verified, *range(-70, 5)) == [
        (-60, "DocumentExpiring", 60),
        (-14, "DocumentExpiring", 14),
        (1, "DocumentLapsed", None),
    ]


def test_each_is_told_once_however_often_it_is_asked() -> None:
    verified = document(state="verified", expires_on=date(2024, 1, 31))
    assert days_of(verified, -60, -60, -59, -14, -14, 0, 1, 1) == [
        (-60, "DocumentExpiring", 60),
        (-14, "DocumentExpiring", 14),
        (1, "DocumentLapsed", None),
    ]


def test_days_that_were_slept_over_are_told_once_with_the_days_that_are_left() -> None:
    verified = document(state="verified", expires_on=date(2024, 1, 31))
    assert days_of(verified, -33) == [(-33, "DocumentExpiring", 33)]
    assert days_of(verified, -33, -14) == [(-33, "DocumentExpiring", 33), (-14, "DocumentExpiring", 14)]
    assert days_of(verified, -9, -8) == [(-9, "DocumentExpiring", 9)]
    assert days_of(verified, 0) == [(0, "DocumentExpiring", 0)]
    assert days_of(verified, 20, 21) == [(20, "DocumentLapsed", None)]


def test_the_next_day_to_look_is_the_next_that_brings_something() -> None:
    verified = document(state="verified", expires_on=date(2024, 1, 31))
    assert domain.next_due(verified) == date(2023, 12, 2)
    assert domain.next_due(replace(verified, reminded=60)) == date(2024, 1, 17)
    assert domain.next_due(replace(verified, reminded=14)) == date(2024, 2, 1)
    assert domain.next_due(replace(verified, expires_on=None)) is None
    assert domain.next_due(document(state="returned", correct_by=TODAY)) == TODAY + timedelta(days=1)
    for state in ("submitted", "rejected", "lapsed", "replaced"):
        assert domain.next_due(replace(verified, state=state)) is None


def test_a_document_that_was_replaced_is_reminded_of_no_more() -> None:
    for state in ("replaced", "lapsed", "rejected", "submitted"):
        gone = document(state=state, expires_on=date(2024, 1, 31))
        assert days_of(gone, -60, -14, 1) == []


def test_a_lapse_names_the_last_valid_day() -> None:
    verified = document(state="verified", expires_on=TODAY, reminded=14)
    lapsed, events = domain.fall_due(verified, TODAY + timedelta(days=3), NOW)
    assert lapsed.state == "lapsed"
    assert [event.expired_on for event in events if isinstance(event, DocumentLapsed)] == [TODAY]


def test_without_a_correction_by_its_day_a_document_is_rejected() -> None:
    returned = document(state="returned", correct_by=TODAY, reason="unreadable", note="x")
    assert domain.fall_due(returned, TODAY, NOW) == (returned, [])
    rejected, events = domain.fall_due(returned, TODAY + timedelta(days=1), NOW)
    assert (rejected.state, rejected.reason) == ("rejected", "not-corrected")
    assert [event.reason for event in events if isinstance(event, DocumentRejected)] == ["not-corrected"]
    assert domain.fall_due(rejected, TODAY + timedelta(days=2), NOW) == (rejected, [])
