"""Attendance: words of people and scans, tickets, and what becomes of a sheet. Both sides of every limit."""

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.training.attendance_sheets import AttendanceSheetRefused, EmptyCells, read_sheet, write_sheet
from services.training.domain import attendance, attendance_sheets, classes, scans, tickets
from services.training.domain.attendance import (
    CorrectAttendance,
    Evidence,
    Mark,
    NoSuchSession,
    NotEnrolled,
    NotHeld,
    SessionAhead,
    TakeAttendance,
)
from services.training.domain.attendance_sheets import SheetRow
from services.training.domain.classes import OpenClass, TrainingClass
from services.training.domain.scans import SYNC_DAYS_AFTER, Scan, SyncTooLate
from services.training.domain.tickets import Issued, TicketElsewhere, TicketVoid, days_of_ticket, next_span
from services.training.store.attendance import SheetLine
from shared.gate.scans import CLOCK_TOLERANCE
from shared.tickets import DAYS_MAX, Ticket

FIRST = date(2023, 3, 6)
FIVE_DAYS = [FIRST + timedelta(days=number) for number in range(5)]
LAST = FIVE_DAYS[-1]
ONE_DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
NOON = datetime(2023, 3, 6, 5, tzinfo=UTC)  # 12.00 in Jakarta


def vendor(number: int) -> UUID:
    return UUID(int=number)


def a_class(days: Sequence[date] = FIVE_DAYS) -> TrainingClass:
    command = OpenClass(course="dasar-kewirausahaan", title="Dasar", area="31.71.02", days=list(days), places=9)
    return classes.open_class(UUID(int=99), command)[0]


# --- lists and corrections


def test_a_list_says_of_everybody_with_a_place_whether_it_was_there() -> None:
    command = TakeAttendance(day=FIRST, vendor_ids=[vendor(2)])
    marks = attendance.whole_list(a_class(), [vendor(1), vendor(2)], command, today=FIRST)
    assert marks == [Mark(vendor(1), FIRST, present=False), Mark(vendor(2), FIRST, present=True)]


def test_attendance_is_taken_on_the_session_day_but_not_before() -> None:
    command = TakeAttendance(day=LAST, vendor_ids=[])
    assert attendance.whole_list(a_class(), [], command, today=LAST) == []
    with pytest.raises(SessionAhead):
        attendance.whole_list(a_class(), [], command, today=LAST - ONE_DAY)
    wish = CorrectAttendance(vendor_id=vendor(1), day=LAST, present=True)
    assert attendance.correction(a_class(), [vendor(1)], wish, today=LAST).present
    with pytest.raises(SessionAhead):
        attendance.correction(a_class(), [vendor(1)], wish, today=LAST - ONE_DAY)


def test_a_day_without_a_session_is_refused() -> None:
    command = TakeAttendance(day=LAST + ONE_DAY, vendor_ids=[])
    with pytest.raises(NoSuchSession) as raised:
        attendance.whole_list(a_class(), [], command, today=LAST + 2 * ONE_DAY)
    assert raised.value.details["days"] == [day.isoformat() for day in FIVE_DAYS]


@pytest.mark.parametrize(
    ("state", "held"), [("draft", False), ("open", True), ("cancelled", False), ("finished", True)]
)
def test_only_a_class_that_is_held_has_attendance(state: classes.ClassState, held: bool) -> None:
    a = replace(a_class(), state=state)
    if held:
        attendance.require_held(a)
    else:
        with pytest.raises(NotHeld):
            attendance.require_held(a)


def test_strangers_are_named_and_nothing_is_taken() -> None:
    command = TakeAttendance(day=FIRST, vendor_ids=[vendor(1), vendor(7)])
    with pytest.raises(NotEnrolled) as raised:
        attendance.whole_list(a_class(), [vendor(1)], command, today=FIRST)
    assert raised.value.details["vendor_ids"] == [str(vendor(7))]
    wish = CorrectAttendance(vendor_id=vendor(7), day=FIRST, present=True)
    with pytest.raises(NotEnrolled):
        attendance.correction(a_class(), [vendor(1)], wish, today=FIRST)


def test_a_list_that_names_a_vendor_twice_is_malformed() -> None:
    with pytest.raises(ValidationError):
        TakeAttendance(day=FIRST, vendor_ids=[vendor(1), vendor(1)])


@pytest.mark.parametrize(
    ("word", "scanned", "attended", "contradicted"),
    [
        (None, False, False, False),
        (None, True, True, False),
        (False, True, False, True),
        (False, False, False, False),
        (True, False, True, False),
        (True, True, True, False),
    ],
)
def test_a_word_of_a_person_counts_before_scans(
    word: bool | None, scanned: bool, attended: bool, contradicted: bool
) -> None:
    one = Evidence(vendor(1), FIRST, word, scanned)
    assert (one.attended, one.contradicted) == (attended, contradicted)
    assert attendance.attended([one]) == ([(vendor(1), FIRST)] if attended else [])


# --- tickets


def issued(number: int, serial: int = 1, days: Sequence[date] = FIVE_DAYS, at: datetime = NOON) -> Issued:
    return Issued(vendor(number), serial, number, tuple(days), at)


def test_who_has_a_place_gets_a_ticket_and_who_has_one_gets_none() -> None:
    places = {vendor(3): NOON, vendor(1): NOON, vendor(2): NOON}
    due = tickets.due(a_class(), places, [issued(2)], 2, today=FIRST)
    assert [(ticket.subject, ticket.spot, ticket.serial) for ticket in due] == [
        (vendor(1), "P3", 1),
        (vendor(3), "P4", 1),
    ]
    assert {(ticket.kind, ticket.event, ticket.days) for ticket in due} == {(2, UUID(int=99), tuple(FIVE_DAYS))}


def test_a_class_that_moves_and_a_place_that_is_given_anew_give_a_new_ticket_with_the_same_number() -> None:
    moved = a_class([*FIVE_DAYS[:4], LAST + ONE_DAY])
    (ticket,) = tickets.due(moved, {vendor(2): NOON}, [issued(2, serial=4)], 2, today=FIRST)
    assert (ticket.serial, ticket.spot, ticket.days[-1]) == (5, "P2", LAST + ONE_DAY)
    (again,) = tickets.due(a_class(), {vendor(2): NOON + MINUTE}, [issued(2)], 2, today=FIRST)
    assert (again.serial, again.spot) == (2, "P2")


@pytest.mark.parametrize(
    "change", [{"state": "draft"}, {"state": "cancelled"}, {"state": "finished"}, {"kind": "online"}]
)
def test_only_an_open_class_at_a_venue_has_tickets(change: dict[str, str]) -> None:
    assert tickets.due(replace(a_class(), **change), {vendor(1): NOON}, [], 0, today=FIRST) == []  # type: ignore[arg-type]  # one of two fields


def test_after_the_last_session_no_ticket_is_issued() -> None:
    assert len(tickets.due(a_class(), {vendor(1): NOON}, [], 0, today=LAST)) == 1
    assert tickets.due(a_class(), {vendor(1): NOON}, [], 0, today=LAST + ONE_DAY) == []


@given(st.sets(st.integers(0, 400), min_size=1, max_size=60), st.integers(-5, 420))
def test_tickets_of_a_long_class_follow_each_other_and_cover_every_session(offsets: set[int], after: int) -> None:
    days = sorted(FIRST + timedelta(days=offset) for offset in offsets)
    a, today = a_class(days), FIRST + timedelta(days=after)
    span = days_of_ticket(a, today)
    assert (span[-1] - span[0]).days < DAYS_MAX
    assert set(span) <= set(days)
    assert today not in days or today in span
    covered, moment = set(), days[0]
    for _ in days:
        covered |= set(days_of_ticket(a, moment))
        following = next_span(a, moment)
        if following is None:
            break
        moment = following
    assert covered == set(days)


def test_a_ticket_counts_until_a_newer_one_replaced_it_and_a_while_longer() -> None:
    a = a_class()
    (ticket,) = tickets.due(a, {vendor(1): NOON}, [], 0, today=FIRST)
    both = [issued(1, 1), issued(1, 2, at=NOON + timedelta(hours=1))]
    replaced = NOON + timedelta(hours=1) + CLOCK_TOLERANCE
    assert tickets.require_counted(ticket, both, replaced) == NOON
    with pytest.raises(TicketVoid) as raised:
        tickets.require_counted(ticket, both, replaced + MINUTE)
    assert raised.value.details["serial"] == 2
    with pytest.raises(TicketVoid):
        tickets.require_counted(ticket, [], NOON)


def test_a_ticket_is_for_one_class_and_of_one_kind() -> None:
    ticket = Ticket(2, vendor(1), UUID(int=99), "", "P1", (FIRST,), 1)
    tickets.require_for(ticket, UUID(int=99))
    for wrong, class_id in ((ticket, UUID(int=98)), (replace(ticket, kind=1), UUID(int=99))):
        with pytest.raises(TicketElsewhere):
            tickets.require_for(wrong, class_id)


@pytest.mark.parametrize(
    ("text", "number"), [("P7", 7), ("p 12", 12), ("7", 7), ("", None), ("P", None), ("7a", None), ("٧", None)]
)
def test_numbers_are_read_as_they_are_printed_and_typed(text: str, number: int | None) -> None:
    assert tickets.number_of(text) == number


# --- scans


def test_scans_are_taken_for_a_while_after_the_last_session() -> None:
    until = datetime(2023, 3, 10, 5, tzinfo=UTC) + timedelta(days=SYNC_DAYS_AFTER)
    scans.require_sync(a_class(), until)
    with pytest.raises(SyncTooLate):
        scans.require_sync(a_class(), until + ONE_DAY)


def test_a_scan_is_of_a_session_or_an_officer_looks_at_it() -> None:
    def seen(scanned_at: datetime, sent_at: datetime, now: datetime) -> tuple[date, str | None]:
        scan = Scan(scan_id=UUID(int=1), vendor_id=vendor(1), scanned_at=scanned_at)
        found = scans.see(a_class(), scan, sent_at, now, None)
        return found.day, found.flagged_because

    wrong = timedelta(days=4000)
    assert seen(NOON - wrong, NOON - wrong + MINUTE, NOON + MINUTE) == (FIRST, None)
    assert seen(NOON, NOON, NOON + 5 * ONE_DAY) == (LAST + ONE_DAY, "not-a-session-day")


# --- sheets


def marks(rows: Sequence[SheetRow]) -> list[tuple[int, UUID | None, int | None, dict[date, bool]]]:
    return [(row.line, row.vendor_id, row.number, dict(row.marks)) for row in rows]


def test_a_row_for_each_day_and_a_column_for_each_day_are_read_alike() -> None:
    long = f"id_anggota,tanggal,hadir\n{vendor(1)},06/03/2023,x\n\n{vendor(1)},2023-03-07,tidak\n"
    wide = "\ufeffNomor;2023-03-06;7.3.2023\nP4;Hadir;-\n5;;✓\n"
    assert marks(read_sheet(long.encode(), "unmarked").rows) == [
        (2, vendor(1), None, {FIVE_DAYS[0]: True}),
        (4, vendor(1), None, {FIVE_DAYS[1]: False}),
    ]
    assert marks(read_sheet(wide.encode(), "unmarked").rows) == [
        (2, None, 4, {FIVE_DAYS[0]: True, FIVE_DAYS[1]: False}),
        (3, None, 5, {FIVE_DAYS[1]: True}),
    ]
    assert marks(read_sheet(wide.encode(), "absent").rows)[1][3] == {FIVE_DAYS[0]: False, FIVE_DAYS[1]: True}


def test_a_workbook_is_read_as_excel_keeps_it() -> None:
    content = io.BytesIO()
    book = xlsxwriter.Workbook(content)
    sheet = book.add_worksheet("Maret")
    sheet.write(0, 0, "DAFTAR HADIR")
    day = book.add_format({"num_format": "dd/mm/yyyy"})
    for at, cell in enumerate(("ID Anggota", "Nomor")):
        sheet.write(2, at, cell)
    sheet.write_datetime(2, 2, datetime(2023, 3, 6), day)  # noqa: DTZ001 - a workbook's days have no zone
    sheet.write(3, 0, str(vendor(1)))
    sheet.write(3, 1, 7)
    sheet.write(3, 2, 1)
    sheet.write(4, 1, "P8")
    sheet.write(4, 2, "alpa")
    book.close()
    read = read_sheet(content.getvalue(), "unmarked")
    assert read.faults == []
    assert marks(read.rows) == [(4, vendor(1), 7, {FIRST: True}), (5, None, 8, {FIRST: False})]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nama;hadir\n",
        b"vendor_id;tanggal\n",
        b"vendor_id;2023-03-06;06/03/2023\n",
        b"vendor_id;id_anggota;vendor_id;2023-03-06\n",
        b'vendor_id;2023-03-06\n"x;1\n',
        b"vendor_id;2023-03-06\n\xff;1\n",
    ],
)
def test_a_file_that_is_no_sheet_of_attendance_is_refused(content: bytes) -> None:
    with pytest.raises(AttendanceSheetRefused):
        read_sheet(content, "unmarked")


def test_each_cell_that_cannot_be_read_is_told_with_its_line_field_value_and_way_out() -> None:
    rows = [
        "Siti Aminah;;06/03/2023;x",
        ";P1;32/03/2023;x",
        ";P2;06/03/2023;mungkin",
        ";;06/03/2023;x",
        ";abc;06/03/2023;",
    ]
    sheet = "\n".join(["id_anggota;nomor;tanggal;hadir", *rows])
    faults = read_sheet(sheet.encode(), "unmarked").faults
    assert [(fault.line, fault.field, fault.value) for fault in faults] == [
        (2, "vendor_id", "Siti Aminah"),
        (3, "day", "32/03/2023"),
        (4, "present", "(7 characters)"),
        (5, "vendor_id", ""),
        (6, "number", "(3 characters)"),
        (6, "present", ""),
    ]
    assert all(fault.reason and fault.fix for fault in faults)


def read_rows(*rows: SheetRow, own: Sequence[UUID] = (), today: date = LAST) -> attendance_sheets.Reading:
    places = {vendor(1): vendor(1), vendor(2): vendor(2), vendor(22): vendor(2)}
    return attendance_sheets.read_rows(
        a_class(), rows, places, {7: vendor(1), 8: vendor(22), 9: vendor(5)}, own, today=today
    )


def row(line: int, vendor_id: UUID | None, number: int | None, *days: tuple[date, bool]) -> SheetRow:
    return SheetRow(line, vendor_id, number, days)


def test_a_person_is_found_by_any_of_its_ids_and_by_number() -> None:
    reading = read_rows(
        row(2, vendor(22), None, (FIRST, True)), row(3, None, 7, (FIRST, False)), row(4, vendor(2), 8, (LAST, True))
    )
    assert reading.faults == []
    assert sorted(reading.marks) == [
        Mark(vendor(1), FIRST, present=False),
        Mark(vendor(2), FIRST, present=True),
        Mark(vendor(2), LAST, present=True),
    ]


def test_what_a_sheet_says_wrongly_is_told_row_by_row() -> None:
    later = LAST + ONE_DAY
    reading = read_rows(
        row(2, vendor(5), None, (FIRST, True)),
        row(3, None, 9, (FIRST, True)),
        row(4, None, 55, (FIRST, True)),
        row(5, vendor(1), 8, (FIRST, True)),
        row(6, vendor(1), None, (later, True)),
        row(7, vendor(1), None, (LAST, True)),
        row(8, vendor(2), None, (FIRST, True)),
        row(9, vendor(2), None, (FIRST, False)),
        row(10, vendor(2), None, (FIRST, True)),
        row(11, None, 7, (FIRST, True)),
        own=[vendor(1)],
        today=LAST - ONE_DAY,
    )
    assert [(fault.line, fault.field) for fault in reading.faults] == [
        (2, "vendor_id"),
        (3, "number"),
        (4, "number"),
        (5, "number"),
        (6, "vendor_id"),
        (7, "vendor_id"),
        (9, "present"),
        (11, "number"),
    ]
    others = read_rows(
        row(6, vendor(1), None, (later, True)), row(7, vendor(1), None, (LAST, True)), today=LAST - ONE_DAY
    )
    assert [(fault.line, fault.field, fault.value) for fault in others.faults] == [
        (6, "day", str(later)),
        (7, "day", str(LAST)),
    ]


@pytest.mark.parametrize("empty", ["unmarked", "absent"])
def test_the_sheet_that_is_given_out_is_read_back(empty: EmptyCells) -> None:
    lines = [SheetLine(vendor(1), 7, frozenset({FIRST})), SheetLine(vendor(2), None, frozenset())]
    read = read_sheet(write_sheet(FIVE_DAYS, lines).encode(), empty)
    assert read.faults == []
    said = {FIRST: True, **(dict.fromkeys(FIVE_DAYS[1:], False) if empty == "absent" else {})}
    assert marks(read.rows)[0] == (2, vendor(1), 7, said)
