"""CSV as officers' programmes write it: encodings, separators, headings, line numbers, broken rows."""

import io
import random
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

import pytest

from services.vendor.domain.registration import Problem, Registration
from services.vendor.sheets import HEADINGS, ColumnsMissing, ColumnTwice, Sheet, SheetRefused, open_sheet

HEAD = "nik,name,phone,kelurahan,rw,rt"
ROW = "3171024507900001,Siti,0812,31.71.02.1002,3,7"
WISH = Registration("3171024507900001", "Siti", "0812", "31.71.02.1002", "3", "7")


def sheet(text: str | bytes) -> Sheet:
    return open_sheet(io.BytesIO(text.encode() if isinstance(text, str) else text))


def rows(text: str | bytes) -> list[tuple[int, Registration | Problem]]:
    return list(sheet(text).wishes())


def refused(text: str | bytes) -> SheetRefused:
    with pytest.raises(SheetRefused) as caught:
        sheet(text)
    assert caught.value.status == 422
    return caught.value


# ---- what is read


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_sheet_is_read_with_or_without_mark_with_either_separator(mark: bytes, separator: str, ending: str) -> None:
    text = ending.join([HEAD, ROW, ""]).replace(",", separator)
    assert rows(mark + text.encode()) == [(2, WISH)]


def test_the_last_row_needs_no_line_end() -> None:
    assert rows(f"{HEAD}\n{ROW}") == [(2, WISH)]


def test_the_hint_of_excel_and_empty_lines_before_the_headings_are_passed_over() -> None:
    assert rows(f"\nsep=;\r\n{HEAD}\n{ROW}\n".replace(",", ";")) == [(4, WISH)]


def test_indonesian_headings_in_any_order_and_spelling() -> None:
    text = "RT;RW;Kode Kelurahan;No. HP;Nama Lengkap;NIK;Pengampu\n7;3;31.71.02.1002;0812;Siti;3171024507900001;KPKP\n"
    assert rows(text) == [(2, WISH._replace(agency="KPKP"))]


@pytest.mark.parametrize(("field", "heading"), [(field, name) for field, names in HEADINGS.items() for name in names])
def test_every_heading_we_promise_is_understood(field: str, heading: str) -> None:
    others = [name for name in HEAD.split(",") if name != field]
    found = sheet(",".join([*others, heading.upper().replace("_", " ")]) + "\n")
    assert found.columns[field] == len(others)


def test_no_heading_stands_for_two_fields() -> None:
    names = [name for names in HEADINGS.values() for name in names]
    assert len(names) == len(set(names))


def test_a_code_column_wins_over_a_name_column() -> None:
    text = "nik,name,phone,kelurahan,kode kelurahan,rw,rt\n3171024507900001,Siti,0812,Karang Anyar,31.71.02.1002,3,7\n"
    assert rows(text) == [(2, WISH)]


def test_columns_we_do_not_know_are_passed_over() -> None:
    assert rows(f"catatan,{HEAD},x\nbagus,{ROW},y\n") == [(2, WISH)]


# ---- lines


def test_lines_are_those_of_the_file_also_after_quoted_line_ends() -> None:
    quoted = ROW.replace("Siti", '"Siti\nbinti\r\nAli"')
    text = f"{HEAD}\n{ROW}\n{quoted}\n\n,,,,,\n{ROW}\n"
    found = rows(text)
    assert [line for line, _ in found] == [2, 3, 8]
    assert cast(Registration, found[1][1]).name == "Siti\nbinti\r\nAli"


def test_a_short_row_has_empty_cells_and_a_long_one_is_a_problem() -> None:
    found = rows(f"{HEAD}\n3171024507900001,Siti\n{ROW},,\n{ROW},x\n{ROW}\n")
    assert found[0] == (2, Registration("3171024507900001", "Siti", "", "", "", ""))
    assert found[1] == (3, WISH)
    problem = cast(Problem, found[2][1])
    assert (found[2][0], problem.code, problem.reason) == (4, "row-cells", "has 7 cells where the headings have 6")
    assert found[3] == (5, WISH)


def test_a_quote_that_is_never_closed_is_told_with_its_lines() -> None:
    found = rows(f'{HEAD}\n{ROW}\n3171024507900001,"Siti,0812\n{ROW}\n{ROW}\n')
    assert [line for line, _ in found] == [2, 3]
    problem = cast(Problem, found[1][1])
    assert problem.code == "row-quotes"
    assert "lines 3 to 5 were not read" in problem.reason


def test_reading_goes_on_after_a_row_with_broken_quotes() -> None:
    found = rows(f'{HEAD}\n3171024507900001,"Siti" A,0812,31.71.02.1002,3,7\n{ROW}\n')
    assert [(line, type(row).__name__) for line, row in found] == [(2, "Problem"), (3, "Registration")]


def test_a_cell_larger_than_csv_takes_is_a_problem_of_its_row() -> None:
    found = rows(f"{HEAD}\n3171024507900001,{'x' * 140_000},0812,31.71.02.1002,3,7\n{ROW}\n")
    assert [(line, type(row).__name__) for line, row in found] == [(2, "Problem"), (3, "Registration")]


# ---- what is refused as a whole


def test_missing_columns_are_named_with_what_they_may_be_called() -> None:
    error = refused("nama,rt\nSiti,7\n")
    assert isinstance(error, ColumnsMissing)
    assert error.details["missing"] == ["nik", "phone", "kelurahan", "rw"]
    assert "no_hp" in error.details["accepted"]["phone"]
    assert "no_hp" in error.message


def test_one_heading_over_two_columns_is_refused() -> None:
    error = refused(f"{HEAD},NIK\n")
    assert isinstance(error, ColumnTwice)
    assert error.details == {"field": "nik"}


@pytest.mark.parametrize("text", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(text: bytes) -> None:
    assert "empty" in refused(text).message


def test_another_encoding_is_refused_before_any_row_with_its_line() -> None:
    error = refused(f"{HEAD}\n{ROW}\n".encode() + "Jos\u00e9".encode("latin-1") + b"\n")
    assert error.details == {"line": 3}


def test_a_character_cut_by_a_piece_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.vendor.sheets.PIECE_BYTES", 7)
    text = f"{HEAD}\n" + ROW.replace("Siti", "\u00e9\U0001f600" * 9) + "\n"
    assert len(rows(text)) == 1
    error = refused(text.encode() * 2 + b"\xff")
    assert error.details == {"line": 5}


def test_a_character_cut_by_the_end_is_refused() -> None:
    assert "UTF-8" in refused(f"{HEAD}\n{ROW}\n".encode() + "\u00e9".encode()[:1]).message


@pytest.mark.parametrize(
    ("content", "word"), [(b"PK\x03\x04...", "damaged"), (HEAD.encode("utf-16"), "UTF-16"), (b"x" * 10_000, "too long")]
)
def test_other_kinds_of_file_are_told_apart(content: bytes, word: str) -> None:
    assert word in refused(content).message


def test_a_header_alone_has_no_rows() -> None:
    assert rows(HEAD) == []


# ---- memory


def _many(count: int) -> Iterator[bytes]:
    chance = random.Random(7)
    yield f"{HEAD}\n".encode()
    for _ in range(count):
        yield ROW.replace("Siti", f"Siti {chance.random()}").encode() + b"\n"


def _peak(read: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_reading_takes_the_same_memory_for_many_rows_as_for_few() -> None:
    def peak(count: int) -> int:
        with tempfile.TemporaryFile() as file:
            file.writelines(_many(count))
            file.seek(0)
            return _peak(lambda: sum(1 for _ in open_sheet(cast(BinaryIO, file)).wishes()))

    few, many = peak(20_000), peak(80_000)
    assert many < few * 1.3
