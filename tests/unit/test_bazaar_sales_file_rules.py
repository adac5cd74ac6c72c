"""Sales files of marketplaces: read as exports write them, each line once, and what is wrong with a line told."""

import csv
import io
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.bazaar.domain.order_lines import Entry, compare
from services.bazaar.marketplaces import marketplaces
from services.bazaar.sales_files import FileRefused, SalesFile, mended_file, read_sales_file

TOKOPEDIA = (
    "Nomor Invoice;Tanggal Pembayaran;Status Terakhir;Nama Produk;Nomor SKU;Jumlah Produk Dibeli;Harga Jual (IDR);"
    "Nama Pembeli;No Telp Pembeli\n"
)
LINE = "INV/20211015/1;15-10-2021 13:05:22;Pesanan Selesai;Keripik Singkong;BT-001;2;12.500;Siti Aminah;081234567890\n"


def read(text: str, code: str = "tokopedia", encoding: str = "utf-8") -> SalesFile:
    """The file, read."""
    return read_sales_file(text.encode(encoding), code, marketplaces()[code])


def line(**cells: Any) -> str:
    """A file of one line with these cells, in the plain form."""
    cells = {
        "order_id": "1",
        "product": "Keripik",
        "quantity": 1,
        "amount": "12500",
        "paid_at": "2021-10-15",
        "status": "paid",
    } | cells
    written = io.StringIO()
    csv.writer(written).writerows([list(cells), list(cells.values())])
    return written.getvalue()


def test_an_export_is_read_with_its_marks_quotes_and_lines_above_the_headings() -> None:
    plain = read(TOKOPEDIA + LINE)
    [one] = plain.lines
    assert (one.day, one.outcome, one.pieces, one.amount_rupiah, one.sku) == (
        date(2021, 10, 15),
        "counted",
        2,
        25_000,
        "BT-001",
    )
    same = [
        read("Laporan Penjualan\n\n" + TOKOPEDIA + LINE),
        read(TOKOPEDIA.replace(";", ",") + LINE.replace(";", ",")),
        read(TOKOPEDIA.replace(";", "\t") + LINE.replace(";", "\t")),
        read((TOKOPEDIA + LINE).replace("\n", "\r\n")),
        read(TOKOPEDIA.upper() + LINE),
        read(TOKOPEDIA + LINE.replace("Keripik Singkong", '"Keripik  Singkong"')),
        read(TOKOPEDIA + LINE, encoding="utf-8-sig"),
        read(TOKOPEDIA + LINE + ";;;;;;;;\n"),
    ]
    assert {found.lines[0].sha256 for found in same} == {one.sha256}
    assert all(found.lines[0].amount_rupiah == 25_000 and not found.faults for found in same)


def test_nothing_of_the_buyer_is_read() -> None:
    found = read(TOKOPEDIA + LINE + LINE.replace(";2;", ";dua;"))
    assert "Siti" not in repr(found)
    assert "0812" not in repr(found)
    other = read(TOKOPEDIA + LINE.replace("Siti Aminah;081234567890", "Budi;0899"))
    assert other.lines == found.lines[:1]


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("12500", 12_500),
        ("12.500", 12_500),
        ("12,500", 12_500),
        ("Rp12.500", 12_500),
        ("Rp 12.500,00", 12_500),
        ("IDR 12,500.00", 12_500),
        ("1.250.000", 1_250_000),
        ("1,250,000.00", 1_250_000),
        ("12500.00", 12_500),
        ("12500,0", 12_500),
        ("12.500,-", 12_500),
        ("0", 0),
        ("12.5", None),
        ("12.500,50", None),
        ("1.250.00", None),
        ("1.2500", None),
        ("-12500", None),
        ("12rb", None),
        ("gratis", None),
        ("", None),
        ("1e6", None),
        ("999999999999999", None),
        ("=1+1", None),
    ],
)
def test_amounts_are_read_as_they_are_written_or_not_at_all(text: str, amount: int | None) -> None:
    found = read(line(amount=text), "other")
    if amount is None:
        assert [fault.field for fault in found.faults] == ["amount" if text else "unit_price"]
        assert not found.lines
    else:
        assert [one.amount_rupiah for one in found.lines] == [amount]


@given(st.integers(0, 10**9))
def test_every_way_to_write_an_amount_reads_the_same(amount: int) -> None:
    dots = f"{amount:,}".replace(",", ".")
    ways = [
        str(amount),
        dots,
        f"Rp{dots}",
        f"Rp {dots},00",
        f"{amount:,}",
        f"{amount:,}.00",
        f"{amount}.00",
        f"{amount},00",
    ]
    assert {read(line(amount=way), "other").lines[0].amount_rupiah for way in ways} == {amount}


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2021-10-15 13:05", date(2021, 10, 15)),
        ("2021-10-15 23:59:59", date(2021, 10, 15)),
        ("15-10-2021 00:00", date(2021, 10, 15)),
        ("05/10/2021", date(2021, 10, 5)),
        ("2021-10-15T23:30:00+00:00", date(2021, 10, 16)),
        ("10/15/2021", None),
        ("2021-02-30", None),
        ("kemarin", None),
        ("", None),
    ],
)
def test_the_day_is_that_of_the_payment_in_jakarta(text: str, day: date | None) -> None:
    found = read(line(paid_at=text), "other")
    assert [one.day for one in found.lines] == ([] if day is None else [day])
    assert [fault.field for fault in found.faults] == (["paid_at"] if day is None else [])


@pytest.mark.parametrize(
    ("cells", "field"),
    [
        ({"order_id": ""}, "order"),
        ({"product": " "}, "product"),
        ({"quantity": "0"}, "pieces"),
        ({"quantity": "1,5"}, "pieces"),
        ({"quantity": "٣"}, None),
        ({"quantity": "-1"}, "pieces"),
        ({"status": "hilang"}, "status"),
        ({"status": " PAID "}, None),
    ],
)
def test_what_is_wrong_with_a_line_is_told_with_the_way_to_mend_it(cells: dict[str, str], field: str | None) -> None:
    found = read(line(**cells), "other")
    assert [fault.field for fault in found.faults] == ([] if field is None else [field])
    for fault in found.faults:
        assert fault.line == 2
        assert fault.reason
        assert fault.fix


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "lacks columns"),
        (b"\xff\xfe\x00a", "no UTF-8"),
        (b"PK\x03\x04", "is a workbook"),
        (b"nama,alamat\nTini,Enim\n", "lacks columns"),
        (TOKOPEDIA.encode(), "no lines below"),
        (b"Nomor Invoice;Status Terakhir\nx;Selesai\n", "product (nama produk)"),
        (b"Nomor Invoice;" + TOKOPEDIA.encode() + b"x;" + LINE.encode(), "two columns"),
    ],
)
def test_a_file_that_is_none_is_refused_as_a_whole(content: bytes, told: str) -> None:
    with pytest.raises(FileRefused) as refused:
        read_sales_file(content, "tokopedia", marketplaces()["tokopedia"])
    assert told in refused.value.message


@given(st.binary(max_size=300))
@settings(max_examples=150)
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for head in (b"", TOKOPEDIA.encode()):
        try:
            found = read_sales_file(head + content, "tokopedia", marketplaces()["tokopedia"])
        except FileRefused:
            continue
        assert found.lines or found.faults


def test_the_same_product_twice_in_an_order_is_two_lines_in_every_file() -> None:
    first = [one.sha256 for one in read(TOKOPEDIA + LINE + LINE).lines]
    assert len(set(first)) == 2
    assert [one.sha256 for one in read(TOKOPEDIA + LINE + LINE).lines] == first
    assert len({one.order_sha256 for one in read(TOKOPEDIA + LINE + LINE).lines}) == 1
    other = read(TOKOPEDIA + LINE.replace("20211015/1", "20211015/2")).lines
    assert other[0].sha256 not in first


def test_lines_not_taken_come_back_in_full_and_without_formulas() -> None:
    content = (TOKOPEDIA + LINE + LINE.replace(";2;", ";dua;").replace("Siti", "=HYPERLINK()")).encode()
    market = marketplaces()["tokopedia"]
    found = read_sales_file(content, "tokopedia", market)
    written = mended_file(content, market, found.faults)
    [row] = csv.DictReader(io.StringIO(written), delimiter=";")
    assert row["rejected_line"] == "3"
    assert row["rejected_field"] == "pieces"
    assert row["Nama Pembeli"] == "'=HYPERLINK() Aminah"
    # mended, that file is read as the sheet itself was
    mended = written.replace("dua", "2")
    assert [one.pieces for one in read(mended).lines] == [2]


def entries(*facts: tuple[int, int, bool, int]) -> list[Entry]:
    """Entries of (line, vendor, counted, pieces)."""
    return [
        Entry(bytes([at]) * 32, bytes([at]) * 32, UUID(int=who), date(2021, 10, 15), counted, pieces, pieces * 1000)
        for at, who, counted, pieces in facts
    ]


FACTS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(1, 3), st.booleans(), st.integers(1, 5)),
    max_size=12,
    unique_by=lambda f: f[0],
)


@given(st.lists(FACTS, max_size=6))
def test_files_in_any_number_leave_what_the_last_of_each_line_says_and_nothing_doubled(files: list[Any]) -> None:
    known: dict[bytes, Entry] = {}
    for facts in files:
        changes = compare(entries(*facts), known)
        assert changes.added + changes.changed + changes.unchanged == len(facts)
        before = dict(known)
        known |= {entry.sha256: entry for entry in changes.written}
        sums = {
            (who, day): sum(e.pieces for e in held.values() if e.counted and (e.application_id, e.day) == (who, day))
            for held in (before, known)
            for who, day in {(e.application_id, e.day) for e in [*before.values(), *known.values()]}
        }
        for pair, pieces in sums.items():
            old = sum(e.pieces for e in before.values() if e.counted and (e.application_id, e.day) == pair)
            assert pieces == old or pair in changes.touched
        assert compare(entries(*facts), known) == ([], 0, 0, len(facts), set())
    last = {entry.sha256: entry for facts in files for entry in entries(*facts)}
    assert known == last
