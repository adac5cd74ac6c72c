"""XLSX workbooks: which sheet, what becomes of Excel's kinds of cells, and what brings down a reader."""

import io
import zipfile
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
import xlsxwriter

from services.vendor import checks
from services.vendor.checks import FieldRefused
from services.vendor.domain.registration import Problem, Registration
from services.vendor.sheets import ColumnsMissing, RejectedRows, open_sheet
from shared import workbooks
from shared.workbooks import WorkbookRefused

HEADINGS = ("NIK", "Nama", "No. HP", "Kode Kelurahan", "RW", "RT", "Kategori")
ROW = ("3171024507900001", "Siti", "081234567890", "31.71.02.1002", "3", "7", "health")
WISH = Registration(*ROW[:6], category="health")
Fill = Callable[[Any, Any], None]


def book(*sheets: tuple[str, Fill], **options: object) -> io.BytesIO:
    """A workbook of sheets."""
    content = io.BytesIO()
    workbook = xlsxwriter.Workbook(content, options)
    for name, fill in sheets:
        fill(workbook, workbook.add_worksheet(name))
    workbook.close()
    content.seek(0)
    return content


def table(*rows: tuple[object, ...], top: int = 0, left: int = 0) -> Fill:
    def fill(_: Any, sheet: Any) -> None:
        for number, row in enumerate([HEADINGS, *rows]):
            for column, value in enumerate(row):
                if value is not None:
                    sheet.write(top + number, left + column, value)

    return fill


def wishes(content: io.BytesIO) -> list[tuple[int, Registration | Problem]]:
    return list(open_sheet(content).wishes())


def refused(content: io.BytesIO) -> WorkbookRefused:
    content.seek(0)
    with pytest.raises(WorkbookRefused) as caught:
        open_sheet(content)
    assert (caught.value.status, caught.value.code) == (422, "workbook-unreadable")
    return caught.value


# ---- which sheet, which rows


def test_a_sheet_is_read_where_it_stands_below_a_title_and_without_empty_rows() -> None:
    def fill(workbook: Any, sheet: Any) -> None:
        sheet.merge_range(0, 2, 0, 6, "DATA UMKM KELURAHAN KARANG ANYAR")
        table(ROW, (), ROW, top=3, left=2)(workbook, sheet)

    assert wishes(book(("Data", fill))) == [(5, WISH), (7, WISH)]


def test_of_several_sheets_the_first_with_our_headings_is_taken_and_hidden_ones_are_not() -> None:
    def hidden(workbook: Any, sheet: Any) -> None:
        table(("9" * 16, *ROW[1:]))(workbook, sheet)
        sheet.hide()

    def notes(_: Any, sheet: Any) -> None:
        sheet.write(0, 0, "Catatan")

    content = book(("Catatan", notes), ("Lama", hidden), ("Data", table(ROW)), ("Lagi", table(ROW, ROW)))
    assert wishes(content) == [(2, WISH)]


def test_a_workbook_without_our_columns_says_which_are_missing() -> None:
    with pytest.raises(ColumnsMissing) as caught:
        open_sheet(book(("Data", lambda _, sheet: sheet.write_row(0, 0, ["NIK", "Nama"]))))
    assert caught.value.details["missing"] == ["phone", "kelurahan", "rw", "rt"]


def test_a_workbook_is_known_by_its_content_and_can_be_read_again() -> None:
    sheet = open_sheet(book(("Data", table(ROW, ROW))))
    assert len(list(sheet.wishes())) == 2
    assert len(list(sheet.again().wishes())) == 2


# ---- cells


@pytest.mark.parametrize("number", [3171024507900001, 3171024507900000, 9171024507900003])
def test_a_nik_kept_as_a_number_is_refused_as_rounded_with_the_mend(number: int) -> None:
    ((_, wish),) = wishes(book(("Data", table((number, *ROW[1:])))))
    assert isinstance(wish, Registration)
    with pytest.raises(FieldRefused) as caught:
        checks.check_nik(wish.nik, date(2023, 3, 1), [])
    assert caught.value.code == "nik-scientific"
    assert "format the column as text" in caught.value.fix


def test_a_phone_and_numbers_of_up_to_fifteen_digits_are_read_as_written() -> None:
    row = (ROW[0], "Siti", 81234567890, 3171021002, 3, 7.0, None)
    ((_, wish),) = wishes(book(("Data", table(row))))
    assert wish == Registration(ROW[0], "Siti", "81234567890", "3171021002", "3", "7")
    assert checks.check_phone("81234567890", []) == "+6281234567890"


@pytest.mark.parametrize(("value", "text"), [(10**15 - 1, "9" * 15), (10**15, "1.00000000000000E+15")])
def test_fifteen_digits_are_the_most_that_a_number_keeps(value: int, text: str) -> None:
    assert workbooks._text(float(value)) == text


def test_dates_truth_fractions_and_formulas_are_what_excel_shows() -> None:
    def fill(workbook: Any, sheet: Any) -> None:
        table(ROW)(workbook, sheet)
        sheet.write_datetime(1, 4, date(2023, 3, 4), workbook.add_format({"num_format": "dd/mm/yyyy"}))
        sheet.write_number(1, 5, 3.5)
        sheet.write_boolean(1, 2, True)
        sheet.write_formula(1, 1, '="Si"&"ti"', None, "Siti")
        sheet.write_formula(1, 6, "=1/0", None, "#DIV/0!")

    ((_, wish),) = wishes(book(("Data", fill)))
    assert wish == WISH._replace(phone="TRUE", rw="2023-03-04", rt="3.5", category="")


def test_cells_merged_over_rows_are_refused_with_their_place() -> None:
    def fill(workbook: Any, sheet: Any) -> None:
        table(ROW, ROW, ROW)(workbook, sheet)
        sheet.merge_range(1, 4, 3, 4, "3")

    error = refused(book(("Data", fill)))
    assert error.details["why"] == "merged"
    assert "E2:E4" in error.message


def test_cells_merged_beside_our_columns_or_along_a_row_are_no_matter() -> None:
    def fill(workbook: Any, sheet: Any) -> None:
        table(ROW)(workbook, sheet)
        sheet.merge_range(1, 8, 3, 8, "catatan")
        sheet.merge_range(4, 0, 4, 5, "Mengetahui, Lurah")

    assert [line for line, _ in wishes(book(("Data", fill)))] == [2, 5]


# ---- what brings down a reader


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"PK\x03\x04" + bytes(100), "broken"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "password"),
    ],
)
def test_what_is_no_workbook_is_told(content: bytes, why: str) -> None:
    assert refused(io.BytesIO(content)).details["why"] == why


def test_a_truncated_workbook_is_broken() -> None:
    content = book(("Data", table(ROW))).getvalue()
    assert refused(io.BytesIO(content[: len(content) // 2])).details["why"] == "broken"


def test_another_archive_is_no_workbook() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    assert refused(content).details["why"] == "not-xlsx"


def test_a_workbook_that_unpacks_to_more_than_we_take_is_refused_unread() -> None:
    content = book(("Data", table(ROW)))
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/bomb.xml", "w") as part:
        for _ in range(workbooks.UNPACKED_BYTES_MAX // (1 << 24) + 1):
            part.write(bytes(1 << 24))
    assert refused(content).details["why"] == "too-large"


def test_a_sheet_with_a_cell_in_its_farthest_corner_ends_the_child_and_not_us() -> None:
    def fill(workbook: Any, sheet: Any) -> None:
        table(ROW)(workbook, sheet)
        sheet.write(1_048_575, 16_383, "x")

    assert refused(book(("Data", fill))).details["why"] == "too-large"


# ---- what was rejected comes back


def test_rejected_rows_of_a_workbook_come_back_as_csv() -> None:
    bad = ("3171024507900002", "Budi; Santoso", "x", *ROW[3:])
    rows = RejectedRows(open_sheet(book(("Data", table(ROW, bad, ROW)))))
    problem = {"field": "phone", "reason": "is no number", "fix": "give one", "code": "x"}
    text = rows.write([(3, [problem, problem])]) + rows.write([])
    assert text.splitlines() == [
        ";".join([*HEADINGS, "rejected_line", "rejected_field", "rejected_reason", "rejected_fix"]),
        '3171024507900002;"Budi; Santoso";x;31.71.02.1002;3;7;health;3;"phone; phone";"is no number; is no number";'
        '"give one; give one"',
    ]
