"""What a visit may say, which visits are the same, and sheets of visits read as people write them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.training.domain.mentors import ListMentor
from services.training.domain.visits import (
    BACK_DAYS_MAX,
    NEXT_ACTIONS,
    Entry,
    LogVisit,
    Mentorship,
    Wish,
    accompanied,
    check,
    same_visit,
)
from services.training.visit_sheets import (
    FORMULA_SIGNS,
    VisitSheetRefused,
    cut_sheet,
    read_visits,
    rejected_rows,
    shown,
    template,
)

TODAY = date(2023, 3, 20)
VENDOR, MENTOR = UUID(int=1), UUID(int=2)


def codes(*, by_officer: bool = False, **fields: Any) -> list[str]:
    entry = Entry(**{"visited_on": TODAY, "mode": "visit", **fields})
    return [problem.code for problem in check(entry, TODAY, by_officer=by_officer)]


@pytest.mark.parametrize(
    ("fields", "mentor", "officer"),
    [
        ({"visited_on": TODAY}, [], []),
        ({"visited_on": TODAY + timedelta(days=1)}, ["visit-to-come"], ["visit-to-come"]),
        ({"visited_on": TODAY - timedelta(days=BACK_DAYS_MAX)}, [], []),
        ({"visited_on": TODAY - timedelta(days=BACK_DAYS_MAX + 1)}, ["visit-too-long-ago"], []),
        ({"visited_on": date(2015, 1, 1)}, ["visit-too-long-ago"], []),
        ({"visited_on": date(2014, 12, 31)}, ["visit-too-long-ago"], ["visit-too-early"]),
        ({"next_action": "licence"}, [], []),
        ({"next_action": "licence", "next_action_on": TODAY}, [], []),
        ({"next_action": "licence", "next_action_on": TODAY - timedelta(days=1)}, *[["next-action-day"]] * 2),
        ({"next_action": "licence", "next_action_on": TODAY + timedelta(days=366)}, [], []),
        ({"next_action": "licence", "next_action_on": TODAY + timedelta(days=367)}, *[["next-action-day"]] * 2),
        ({"next_action_on": TODAY}, *[["next-action-missing"]] * 2),
        ({"month": "2023-03", "workers": 0}, [], []),
        ({"month": "2023-04", "workers": 0}, *[["month-refused"]] * 2),
        ({"month": "2021-03", "workers": 0}, [], []),
        ({"month": "2021-02", "workers": 0}, *[["month-refused"]] * 2),
        ({"month": "2023-03"}, *[["figures-missing"]] * 2),
        ({"workers": 0}, *[["month-missing"]] * 2),
        (
            {"visited_on": date(2015, 1, 1), "month": "2014-12", "workers": 0},
            ["visit-too-long-ago", "month-refused"],
            ["month-refused"],
        ),
    ],
)
def test_both_sides_of_every_limit(fields: dict[str, Any], mentor: list[str], officer: list[str]) -> None:
    assert codes(**fields) == mentor
    assert codes(**fields, by_officer=True) == officer


def test_a_mentor_may_have_visited_whom_it_has_or_had_on_that_day() -> None:
    def at(day: int) -> datetime:
        return datetime(2023, 3, day, 18, tzinfo=UTC)  # one in the morning of the next day in Jakarta

    past, present = Mentorship(MENTOR, at(1), at(9)), Mentorship(MENTOR, at(15), None)
    assert [accompanied([past], MENTOR, date(2023, 3, day)) for day in (1, 2, 10, 11)] == [False, True, True, False]
    assert accompanied([present], MENTOR, date(2023, 1, 1))
    assert not accompanied([past, present], UUID(int=9), date(2023, 3, 5))
    assert not accompanied([], MENTOR, date(2023, 3, 5))


def test_a_visit_is_the_same_by_its_reference_else_by_vendor_day_and_mode() -> None:
    entry = Entry(TODAY, "visit")
    plain = Wish(VENDOR, MENTOR, None, entry)
    assert same_visit(plain) == same_visit(plain._replace(entry=entry._replace(note="x", workers=2, month="2023-03")))
    for other in (
        plain._replace(vendor_id=uuid4()),
        plain._replace(mentor_id=uuid4()),
        plain._replace(reference="1"),
        plain._replace(entry=entry._replace(mode="call")),
        plain._replace(entry=entry._replace(visited_on=TODAY - timedelta(days=1))),
    ):
        assert same_visit(other) != same_visit(plain)
    named = plain._replace(reference="7")
    assert same_visit(named) == same_visit(named._replace(entry=entry._replace(visited_on=date(2023, 1, 1))))


@pytest.mark.parametrize(
    "fields",
    [
        {"workers": -1},
        {"workers": 100_001},
        {"turnover_rupiah": 10**15 + 1},
        {"mode": "mail"},
        {"note": "x" * 2001},
        {"month": "2023-13"},
        {"reference": "a b"},
        {"next_action": "party"},
        {"colour": "blue"},
        {"workers": True},
    ],
)
def test_fields_that_cannot_be_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LogVisit.model_validate({"vendor_id": VENDOR, "visited_on": TODAY, "mode": "visit", **fields})


ENTRY = {"kind": "employed", "name": "Rina", "agency": "ppkukm", "areas": ["31.71"], "load_max": 140}


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"agency": None}, "agency"),
        ({"kind": "foster", "funding": "APBD"}, "funding"),
        ({"areas": []}, "areas"),
        ({"areas": ["31.99"]}, "areas"),
        ({"areas": ["31.71", "31.71"]}, "areas"),
        ({"load_max": 501}, "load_max"),
        ({"load_max": -1}, "load_max"),
        ({"phone": "12"}, "phone"),
        ({"email": "x"}, "email"),
        ({"languages": []}, "languages"),
        ({"name": " "}, "name"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_an_entry_of_a_mentor_that_cannot_be_is_refused_and_the_field_named(more: dict[str, Any], field: str) -> None:
    ListMentor.model_validate(ENTRY)
    with pytest.raises(ValidationError, match=field):
        ListMentor.model_validate({**ENTRY, **more})


# --- sheets


def read(*rows: str, headings: str = "id;tanggal;cara;bulan;omzet;catatan") -> list[Any]:
    return read_visits("\n".join([headings, *rows]).encode())


def test_days_modes_and_amounts_are_read_as_people_write_them() -> None:
    rows = read(
        f"{VENDOR};20/03/2023;Kunjungan;02/2023;4,5 juta;Baik",
        f"{VENDOR};2023-03-20;TELEPON;2023-02;Rp 4.500.000;",
        f"{VENDOR};20.3.2023;;;;",
    )
    assert [row.entry for row in rows] == [
        Entry(TODAY, "visit", month="2023-02", turnover_rupiah=4_500_000, note="Baik"),
        Entry(TODAY, "call", month="2023-02", turnover_rupiah=4_500_000),
        Entry(TODAY, "visit"),
    ]


@pytest.mark.parametrize("word", [word for code, names in NEXT_ACTIONS.items() for word in (code, *names)])
def test_a_next_action_is_written_as_its_code_or_in_either_language(word: str) -> None:
    (row,) = read(f"{VENDOR};20/03/2023;{word.upper()}", headings="id;tanggal;tindak_lanjut")
    assert row.entry is not None
    assert word in (row.entry.next_action, *NEXT_ACTIONS[row.entry.next_action])


def test_every_wrong_cell_of_a_row_is_named() -> None:
    (row,) = read("x;31/02/2023;surat;13/2023;kira-kira;y")
    assert [problem.field for problem in row.problems] == [
        "vendor_id",
        "visited_on",
        "mode",
        "month",
        "turnover_rupiah",
    ]
    assert row.entry is None
    (wide,) = read(f"{VENDOR};20/03/2023;;;;a;b;c")
    assert wide.problems[0].code == "row-cells"


@pytest.mark.parametrize(
    ("field", "text", "repeated"),
    [
        ("note", "Budi sakit", ""),
        ("vendor_id", str(VENDOR), str(VENDOR)),
        ("vendor_id", "3171024107900001", "317******"),
        ("mentor_id", "081234567890", "081******"),
        ("vendor_id", "Budi", "****"),
        ("turnover_rupiah", "4.5x", "4.5x"),
        ("turnover_rupiah", "3171024107900001", "317******"),
        ("visited_on", "31/02/2023", "31/02/2023"),
        ("visited_on", "Jalan Merdeka 1", "********"),
        ("mode", "surat", "surat"),
    ],
)
def test_a_report_repeats_nothing_that_tells_who_somebody_is(field: str, text: str, repeated: str) -> None:
    assert shown(field, text) == repeated


@given(st.binary(max_size=300))
def test_whatever_bytes_come_are_read_or_refused(content: bytes) -> None:
    try:
        rows = read_visits(b"id;tanggal;omzet;catatan\n" + content)
    except VisitSheetRefused:
        return
    for row in rows:
        assert (row.entry is None) == bool(row.problems)


cells = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=12)


@given(st.lists(st.tuples(cells, cells), max_size=12), st.integers(1, 4))
def test_the_parts_of_a_sheet_are_the_sheet_and_know_their_lines(rows: list[tuple[str, str]], size: int) -> None:
    import csv
    import io

    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=";")
    writer.writerow(["id", "tanggal"])
    writer.writerows(rows)
    content = written.getvalue().encode()
    whole = {row.line: row.cells for row in read_visits(content)}
    found: dict[int, Any] = {}
    for part, lines in cut_sheet(content, size):
        assert len(lines) <= size
        found |= {lines[row.line]: row.cells for row in read_visits(part)}
    assert found == whole


def test_rejected_rows_are_no_formulas_and_can_be_rejected_again() -> None:
    content = f"id;tanggal;catatan\n{VENDOR};x;=HYPERLINK(1)\n{VENDOR};y;+62\n".encode()
    problems = [{"field": "visited_on", "reason": "is no day", "fix": "write it"}]
    once = rejected_rows(content, {2: problems, 3: problems})
    twice = rejected_rows(once.encode(), {2: problems})
    assert twice.splitlines()[0] == once.splitlines()[0]
    assert len(twice.splitlines()) == 2
    assert not any(cell.startswith(FORMULA_SIGNS) for line in once.splitlines()[1:] for cell in line.split(";"))


def test_the_template_is_a_sheet_without_visits() -> None:
    assert read_visits(template([(VENDOR, "31.71.02.1002")]).encode()) == []
