"""The fields of a registration: both sides of every limit, and the traps of the field."""

from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lokal import wilayah

from services.vendor import areas, checks
from services.vendor.checks import FieldRefused, Warned

TODAY = date(2023, 3, 1)
NIK = "3171024507900001"


def refusal(check: object, *arguments: object) -> FieldRefused:
    assert callable(check)
    with pytest.raises(FieldRefused) as caught:
        check(*arguments)
    return caught.value


def nik_warnings(nik: str, today: date = TODAY) -> list[str]:
    warnings: list[Warned] = []
    assert checks.check_nik(nik, today, warnings) == nik
    return [warning.code for warning in warnings]


# ---- NIK


@pytest.mark.parametrize(
    "written", [NIK, f" {NIK} ", "3171 0245 0790 0001", "31.71.02.450790.0001", f"'{NIK}", f"\u202a{NIK}\u202c"]
)
def test_a_nik_is_sixteen_digits_however_it_is_written(written: str) -> None:
    warnings: list[Warned] = []
    assert checks.check_nik(written, TODAY, warnings) == NIK
    assert warnings == []


@pytest.mark.parametrize("digits", [0, 1, 15, 17])
def test_a_nik_of_another_length_is_refused(digits: int) -> None:
    error = refusal(checks.check_nik, (NIK + "9")[:digits], TODAY, [])
    assert (error.field, error.code) == ("nik", "missing" if digits == 0 else "nik-length")


def test_digits_of_other_scripts_are_no_nik() -> None:
    arabic = NIK.translate({ord(str(n)): 0x0660 + n for n in range(10)})
    assert refusal(checks.check_nik, arabic, TODAY, []).code == "nik-length"


@pytest.mark.parametrize("rounded", ["3.17102E+15", "3,17102E+15", "3.171e15"])
def test_a_nik_that_a_sheet_rounded_is_told_apart(rounded: str) -> None:
    error = refusal(checks.check_nik, rounded, TODAY, [])
    assert error.code == "nik-scientific"
    assert "text" in error.fix


@pytest.mark.parametrize(
    ("nik", "odd"),
    [
        ("3171023102900001", True),  # 31 February
        ("3171022802900001", False),
        ("3171022902920001", False),  # 1992 was a leap year
        ("3171022902910001", True),
        ("3171024000900001", True),  # day 40 of a man
        ("3171024100900001", True),  # day 1 of a woman, month 0
        ("3171024101900001", False),  # day 1 of a woman
        ("3171027112900001", False),  # day 31 of a woman
        ("3171027212900001", True),
        ("3171020013900001", True),
    ],
)
def test_an_impossible_date_in_a_nik_is_a_warning_and_no_refusal(nik: str, odd: bool) -> None:
    assert nik_warnings(nik) == (["nik-date-odd"] if odd else [])


@pytest.mark.parametrize(
    ("born", "odd"), [("010306", False), ("020306", True), ("280206", False), ("010323", True), ("010124", False)]
)
def test_a_nik_that_says_younger_than_seventeen_is_a_warning(born: str, odd: bool) -> None:
    assert nik_warnings(f"317102{born}0001") == (["nik-date-odd"] if odd else [])


def test_the_age_is_reckoned_on_the_day_given_and_not_on_todays() -> None:
    assert nik_warnings("3171020203060001", date(2023, 3, 2)) == []


@pytest.mark.parametrize(
    ("nik", "code"),
    [
        ("3171024507900000", "nik-serial"),
        ("0071024507900001", "nik-area"),
        ("9971024507900001", "nik-area"),
        ("3100024507900001", "nik-area"),
        ("3171004507900001", "nik-area"),
    ],
)
def test_what_can_be_no_nik_is_refused(nik: str, code: str) -> None:
    assert refusal(checks.check_nik, nik, TODAY, []).code == code


def test_a_nik_of_another_province_is_as_good() -> None:
    assert nik_warnings("3273014507900001") == []


# ---- phone


@pytest.mark.parametrize(
    "written",
    [
        "081234567890",
        "0812-3456-7890",
        "0812 3456 7890",
        "(0812) 3456.7890",
        "81234567890",
        "6281234567890",
        "+6281234567890",
        "+62 812 3456 7890",
        "+62 (0)812 3456 7890",
        "62081234567890",
        "006281234567890",
        "06281234567890",
        "+626281234567890",
        "'081234567890",
        "\u202a+62\u00a0812\u20113456\u20117890\u202c",
    ],
)
def test_a_mobile_is_one_number_however_it_is_written(written: str) -> None:
    warnings: list[Warned] = []
    assert checks.check_phone(written, warnings) == "+6281234567890"
    assert warnings == []


@pytest.mark.parametrize(("digits", "good"), [(8, False), (9, True), (10, True), (11, True), (12, True), (13, False)])
@pytest.mark.parametrize("prefix", ["0", "62", "+62", "0062"])
def test_a_mobile_has_nine_to_twelve_digits_after_the_trunk_zero(prefix: str, digits: int, good: bool) -> None:
    rest = "812345678901234"[:digits]
    if good:
        assert checks.check_phone(prefix + rest, []) == f"+62{rest}"
    else:
        assert refusal(checks.check_phone, prefix + rest, []).code == "phone-format"


@pytest.mark.parametrize("written", ["+6591234567", "12345", "08123abc456", "0812345678\u0661", "+", "0", "62", "x"])
def test_what_is_no_indonesian_number_is_refused(written: str) -> None:
    assert refusal(checks.check_phone, written, []).code == "phone-format"


@pytest.mark.parametrize(("written", "code"), [("", "missing"), ("  ", "missing"), ("6.28123E+12", "phone-scientific")])
def test_an_absent_or_rounded_phone_says_so(written: str, code: str) -> None:
    assert refusal(checks.check_phone, written, []).code == code


def test_a_landline_and_an_unknown_prefix_are_warnings() -> None:
    warnings: list[Warned] = []
    assert checks.check_phone("(021) 555-1234", warnings) == "+62215551234"
    assert checks.check_phone("0800-1234-5678", warnings) == "+6280012345678"
    assert [warning.code for warning in warnings] == ["phone-landline", "phone-prefix-unknown"]


def test_a_real_landline_of_area_0628_is_not_taken_for_a_mobile() -> None:
    assert checks.check_phone("0628-812345", []) == "+62628812345"


# ---- area


def test_the_table_of_areas_is_what_lokal_knows_of_the_province() -> None:
    found: dict[str, str] = {}
    parents = [areas.PROVINCE]
    for _ in ("city", "kecamatan", "kelurahan"):
        children = [child for parent in parents for child in wilayah.list_wilayah(parent)]
        found.update((child.code, child.name) for child in children)
        parents = [child.code for child in children]
    assert dict(areas.areas()) == found


def test_the_province_has_its_official_numbers_of_areas() -> None:
    lengths = [len(code) for code in areas.areas()]
    assert (lengths.count(5), lengths.count(8), lengths.count(13)) == (6, 44, 267)
    assert len(areas.kelurahan_names()) == len(areas.kelurahan_codes()) == 267


@pytest.mark.parametrize("written", ["31.71.02.1002", " 31.71.02.1002 ", "3171021002", "'3171021002"])
def test_a_kelurahan_is_its_official_code(written: str) -> None:
    warnings: list[Warned] = []
    assert checks.check_area(written, warnings) == "31.71.02.1002"
    assert warnings == []


@pytest.mark.parametrize("written", ["31.71.02.1099", "31.71.02", "32.73.01.1001", "31710210020", "31.71.02.100", "?"])
def test_what_is_no_kelurahan_of_the_province_is_refused(written: str) -> None:
    assert refusal(checks.check_area, written, []).code == "area-unknown"


def test_a_name_is_answered_with_its_code_and_never_guessed() -> None:
    error = refusal(checks.check_area, "Kel. Karang  Anyar", [])
    assert error.code == "area-name"
    assert "31.71.02.1002 is Karang Anyar (Sawah Besar" in error.fix


def test_a_name_that_begins_others_is_answered_with_all_of_them() -> None:
    error = refusal(checks.check_area, "kamal", [])
    assert error.fix.index("31.73.06.1004") < error.fix.index("31.72.01.1002")


@pytest.mark.parametrize(
    ("code", "named"), [("31.73.06.1004", "Kamal Muara (Penjaringan"), ("31.72.01.1002", "Kamal (Kalideres")]
)
def test_kamal_and_kamal_muara_are_warned_of(code: str, named: str) -> None:
    warnings: list[Warned] = []
    assert checks.check_area(code, warnings) == code
    assert [(warning.field, warning.code) for warning in warnings] == [("kelurahan", "area-name-trap")]
    assert f"is not {named}" in warnings[0].message


def test_an_area_contains_itself_and_what_lies_inside_and_no_neighbour() -> None:
    assert areas.contains("31.71", "31.71.02.1002")
    assert areas.contains("31.71.02.1002", "31.71.02.1002")
    assert not areas.contains("31.71.02.1002", "31.71.02")
    assert not areas.contains("31.7", "31.71.02.1002")
    assert not areas.contains("31.72", "31.71.02.1002")


# ---- RW and RT


@pytest.mark.parametrize(
    ("written", "kept"),
    [("1", "001"), ("03", "003"), ("003", "003"), ("999", "999"), ("RW 3", "003"), ("rw.12", "012"), ("'007", "007"),
     (" 8 ", "008")],
)  # fmt: skip
def test_rw_and_rt_are_three_digits_however_they_are_written(written: str, kept: str) -> None:
    assert checks.check_rw_rt("rw", written) == kept
    assert checks.check_rw_rt("rt", written) == kept


@pytest.mark.parametrize(
    ("written", "code"),
    [("", "missing"), (" ", "missing"), ("0", "number-zero"), ("000", "number-zero"), ("1000", "number-format"),
     ("3.0", "number-format"), ("-3", "number-format"), ("003/004", "number-format"), ("\u0663", "number-format")],
)  # fmt: skip
def test_what_is_no_rw_is_refused(written: str, code: str) -> None:
    error = refusal(checks.check_rw_rt, "rw", written)
    assert (error.field, error.code) == ("rw", code)


# ---- the other fields


def test_a_name_is_kept_with_single_spaces_and_without_invisible_marks() -> None:
    assert checks.check_name("\u200e  Siti\u00a0 Aminah\n") == "Siti Aminah"
    assert checks.check_name("Jose\u0301") == "Jos\u00e9"


@pytest.mark.parametrize(("characters", "good"), [(1, True), (200, True), (201, False)])
def test_a_name_has_one_to_two_hundred_characters(characters: int, good: bool) -> None:
    if good:
        assert checks.check_name("a" * characters) == "a" * characters
    else:
        assert refusal(checks.check_name, "a" * characters).code == "too-long"


@pytest.mark.parametrize(
    ("written", "code"), [("", "missing"), (" \t", "missing"), ("081 2", "name-letters"), ("Si\x00ti", "unprintable")]
)
def test_what_is_no_name_is_refused(written: str, code: str) -> None:
    assert refusal(checks.check_name, written).code == code


def test_a_street_may_be_empty_and_ends_at_three_hundred_characters() -> None:
    assert checks.check_street("") == ""
    assert checks.check_street("x" * 300) == "x" * 300
    assert refusal(checks.check_street, "x" * 301).code == "too-long"
    assert refusal(checks.check_street, "Jl.\x00 Kramat").code == "unprintable"


@pytest.mark.parametrize("written", ["siti@contoh.co.id", " siti.a+b@x-y.id ", "a" * 64 + "@contoh.id"])
def test_an_email_address_is_kept(written: str) -> None:
    assert checks.check_email(written) == written.strip()


@pytest.mark.parametrize(
    "written",
    ["siti", "siti@", "@contoh.id", "siti@contoh", "si ti@contoh.id", "siti@contoh..id", "siti@-contoh.id",
     "a" * 65 + "@contoh.id", "siti@contoh.id, b@contoh.id", "siti@contoh.id\x00", "a@" + "b" * 60 + ".c" * 100],
)  # fmt: skip
def test_what_is_no_email_address_is_refused(written: str) -> None:
    assert refusal(checks.check_email, written).code == "email-format"


def test_an_absent_email_is_none() -> None:
    assert checks.check_email("") is None
    assert checks.check_email("  ") is None


def test_kind_and_language_have_defaults_and_know_no_others() -> None:
    assert [checks.check_kind(text) for text in ("", "pemula", " Usaha ")] == ["pemula", "pemula", "usaha"]
    assert [checks.check_language(text) for text in ("", "id", "EN")] == ["id", "id", "en"]
    assert refusal(checks.check_kind, "besar").code == "kind-unknown"
    assert refusal(checks.check_language, "nl").code == "language-unknown"


def test_an_unknown_code_is_refused_listing_those_known() -> None:
    known = frozenset({"ppkukm", "kpkp"})
    assert checks.check_code("agency", " PPKUKM ", known) == "ppkukm"
    assert checks.check_code("agency", "", known) is None
    error = refusal(checks.check_code, "agency", "dishub", known)
    assert (error.code, error.fix) == ("agency-unknown", "known are kpkp, ppkukm")


# ---- masks


def test_a_masked_nik_hides_birth_and_serial() -> None:
    assert checks.mask_nik(NIK) == "317102********01"
    assert checks.mask_nik(NIK[:15]) == "*" * 15


def test_a_masked_phone_keeps_prefix_and_three_digits() -> None:
    assert checks.mask_phone("+6281234567890") == "+62812*****890"
    assert checks.mask_phone("+62812345678") == "+62812***678"
    assert checks.mask_phone("0812345678") == "*" * 10


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("name", "Siti Aminah", "*" * 11),
        ("street", "", ""),
        ("street", "x" * 400, "*" * 60),
        ("email", "siti@contoh.id", "s***@contoh.id"),
        ("email", "siti@Jalan Contoh 7", "*" * 19),
        ("nik", "Siti Aminah Wati", "*" * 16),
        ("phone", "Siti Aminah", "*" * 11),
        ("phone", "x" * 400, "*" * 60),
        ("rt", "\x00\n7", "?" * 2 + "7"),
        ("rw", "1000", "1000"),
        ("rw", "081234567890", "*" * 12),
        ("kelurahan", "31.71.02.1099", "31.71.02.1099"),
        ("kelurahan", "08123456789", "*" * 11),
        ("kelurahan", NIK, "*" * 16),
        ("category", "x" * 61, "x" * 60),
    ],
)
def test_a_refused_value_is_shown_masked_where_it_may_be_personal(field: str, value: str, shown: str) -> None:
    assert checks.mask(field, value) == shown


def test_no_refusal_repeats_the_value() -> None:
    secret = "RAHASIA99"
    refusals = [
        refusal(checks.check_nik, secret, TODAY, []),
        refusal(checks.check_phone, secret, []),
        refusal(checks.check_area, secret, []),
        refusal(checks.check_rw_rt, "rt", secret),
        refusal(checks.check_email, secret),
        refusal(checks.check_kind, secret),
        refusal(checks.check_language, secret),
        refusal(checks.check_code, "category", secret, frozenset({"health"})),
    ]
    assert not [error for error in refusals if secret.casefold() in f"{error} {error.reason} {error.fix}".casefold()]


# ---- what is known at a glance


@given(
    st.sampled_from(["317102", "327301", "990101", "310001", "317100", "007102"])
    | st.from_regex(r"\d{6}", fullmatch=True),
    st.integers(0, 99),
    st.integers(0, 14),
    st.integers(0, 99),
    st.sampled_from(["0000", "0001", "9999"]),
    st.dates(date(2001, 1, 1), date(2060, 12, 31)),
)
def test_a_nik_known_at_a_glance_is_what_lokal_reads(
    area: str, day: int, month: int, year: int, serial: str, today: date
) -> None:
    """A NIK with a space before it is left to `lokal`; the answer, its warnings and its refusal are the same."""
    nik = f"{area}{day:02d}{month:02d}{year:02d}{serial}"
    assert _outcome(checks.check_nik, nik, today) == _outcome(checks.check_nik, f" {nik}", today)


@given(
    st.sampled_from(["", "0", "62", "+62", "00", "0062", "6262", "+"]),
    st.from_regex(r"[0-9]{6,14}", fullmatch=True) | st.from_regex(r"8[0-9]{7,12}", fullmatch=True),
    st.lists(st.tuples(st.integers(0, 16), st.sampled_from("- ")), max_size=4),
)
def test_a_phone_known_at_a_glance_is_what_lokal_reads(
    prefix: str, digits: str, separators: list[tuple[int, str]]
) -> None:
    """A number with an invisible mark before it is left to `lokal`."""
    written = prefix + digits
    for place, separator in separators:
        written = written[:place] + separator + written[place:]
    assert _outcome(checks.check_phone, written) == _outcome(checks.check_phone, f"\u200e{written}")


def _outcome(check: Callable[..., str], *arguments: object) -> tuple[str, list[Warned]]:
    warnings: list[Warned] = []
    try:
        return check(*arguments, warnings), warnings
    except FieldRefused as error:
        return error.code, []


@pytest.mark.parametrize(
    ("nik", "born"),
    [
        ("3171020107900001", date(1990, 7, 1)),
        ("3171024107900001", date(1990, 7, 1)),
        ("3171020103060001", date(2006, 3, 1)),  # seventeen on the day
        ("3171020203060001", date(1906, 3, 2)),  # a day too young: a hundred years older
        ("3171028107900001", None),  # day 81 is no woman's day 41
        ("3171023102900001", None),
    ],
)
def test_the_birth_date_of_a_nik_is_of_the_latest_century_that_makes_a_grown_person(
    nik: str, born: date | None
) -> None:
    assert checks.born_on(nik, TODAY) == born
