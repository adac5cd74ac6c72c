"""Areas by name as people write it: short forms, other spellings, slips, names that two areas bear, aliases as data."""

import pytest

from services.vendor import areas
from services.vendor.areas import Found, search_areas


def codes(text: str, **more: str) -> list[str]:
    return [found.code for found in search_areas(text, **more)]  # type: ignore[arg-type]  # a level is a text here


def test_the_province_has_six_cities_forty_four_kecamatan_and_267_kelurahan() -> None:
    levels: tuple[areas.AreaLevel, ...] = ("city", "kecamatan", "kelurahan")
    assert [len(areas.areas_inside("31", level)) for level in levels] == [6, 44, 267]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Jakpus", "31.71"),
        ("JAKUT", "31.72"),
        ("jak. bar", "31.73"),
        ("Jaksel", "31.74"),
        ("Jak Tim", "31.75"),
        ("Jakarta Timur", "31.75"),
        ("Kota Adm. Jakarta Barat", "31.73"),
        ("Kota Administrasi Jakarta Barat", "31.73"),
        ("South Jakarta", "31.74"),
        ("Kep. Seribu", "31.01"),
        ("Kab. Kepulauan Seribu", "31.01"),
        ("Kepulauan 1000", "31.01"),
        ("Benhil", "31.71.07.1002"),
        ("Tenabang", "31.71.07"),
        ("Kel. Karang Anyar", "31.71.02.1002"),
        ("karanganyar", "31.71.02.1002"),
        ("KARANG  ANYAR", "31.71.02.1002"),
        ("karang-anyar", "31.71.02.1002"),
        ("Kp. Melayu", "31.75.03.1001"),
        ("Kb. Sirih", "31.71.06.1005"),
        ("anyar karang", "31.71.02.1002"),
        ("Sawah B", "31.71.02"),
        ("Kémayoran", "31.71.03"),
    ],
)
def test_an_area_is_found_as_people_write_it(text: str, first: str) -> None:
    assert codes(text)[0] == first


@pytest.mark.parametrize("text", ["31.71.02.1002", "3171021002", " 31.71.02.1002 "])
def test_an_area_is_found_by_its_code_with_dots_or_without(text: str) -> None:
    assert search_areas(text) == [Found("31.71.02.1002", "code")]


def test_a_code_finds_the_area_and_what_lies_right_inside() -> None:
    assert codes("3171")[:2] == ["31.71", "31.71.01"]
    assert len(codes("31.71")) == 1 + 8
    assert codes("31.7") == []
    assert codes("32.73") == []


def test_a_name_that_two_areas_bear_gives_both_the_larger_first() -> None:
    assert search_areas("Gambir") == [Found("31.71.01", "name"), Found("31.71.01.1001", "name")]
    assert search_areas("Jatinegara")[:2] == [Found("31.75.03", "name"), Found("31.75.06.1001", "name")]


def test_the_word_before_a_name_says_the_level() -> None:
    assert codes("Kel. Gambir") == ["31.71.01.1001"]
    assert codes("Kecamatan Gambir") == ["31.71.01"]
    assert codes("Gambir", level="kelurahan") == ["31.71.01.1001"]
    assert codes("kota bambu") == ["31.73.07.1003", "31.73.07.1006"], "a name may begin with such a word"


def test_a_search_stays_within_an_area() -> None:
    assert codes("Gunung Sahari") == ["31.71.02.1004", "31.71.03.1005"]
    assert codes("Gunung Sahari", within="31.71.03") == ["31.71.03.1005"]
    assert codes("Gunung Sahari", within="31.72") == []


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Kemayorn", "31.71.03"),
        ("Penjarigan", "31.72.01"),
        ("Setiabudhi", "31.74.02"),
        ("Kel. Wijaya Kesuma", "31.73.02.1007"),
    ],
)
def test_a_slip_finds_what_was_meant(text: str, first: str) -> None:
    found = search_areas(text)[0]
    assert found == Found(first, "similar")


def test_what_resembles_comes_only_when_nothing_else_does() -> None:
    assert {found.match for found in search_areas("Kalibaru")} == {"name"}  # Kalibata is one letter away
    assert codes("qwertyuiop") == codes("") == codes("...") == codes("kecamatan") == []


def test_kamal_and_kamal_muara_both_come_the_exact_name_first() -> None:
    assert search_areas("kamal") == [Found("31.73.06.1004", "name"), Found("31.72.01.1002", "beginning")]


def test_every_alias_leads_to_areas_of_the_province() -> None:
    for alias, known in areas.aliases().items():
        assert known, alias
        assert all(areas.name_of(code) for code in known), alias
        assert set(known) <= {found.code for found in search_areas(alias) if found.match in ("alias", "name")}, alias


def test_an_alias_that_fits_two_areas_gives_both() -> None:
    several = {alias: known for alias, known in areas.aliases().items() if len(known) > 1}
    assert several == {"priok": ("31.72.02", "31.72.02.1001")}
    assert codes("Priok") == codes("Tj. Priok") == ["31.72.02", "31.72.02.1001"]


def test_no_alias_hides_an_area_of_that_name() -> None:
    for alias, known in areas.aliases().items():
        named = {found.code for found in search_areas(alias) if found.match == "name"}
        assert named <= set(known), alias


def test_every_area_is_found_by_its_own_name_with_no_other_than_its_namesakes() -> None:
    one_word = {code: name.replace(" ", "").casefold() for code, name in areas.areas().items()}
    for code, name in areas.areas().items():
        found = {one.code for one in search_areas(name) if one.match == "name"}
        assert found == {other for other, joined in one_word.items() if joined == one_word[code]}, name
