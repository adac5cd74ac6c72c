"""Why not me: what one who waits is told, in both languages."""

from dataclasses import fields
from typing import Any

import pytest

from services.bazaar.allocation import Ahead
from services.bazaar.domain.explanation import AHEAD, Standing, explain

SITES = {"karang-anyar": "Rusun Karang Anyar", "gambir": "Kantor Kecamatan Gambir"}
FULL = {"code": "pools-full", "pools": ["karang-anyar", "gambir"]}


def standing(because: dict[str, Any] = FULL, **more: Any) -> Standing:
    told: dict[str, Any] = {
        "bazaar_name": "Bazar Jakpreneur",
        "place": 12,
        "waiting": 240,
        "ahead": {"reserved": 20, "waited_longer": 35, "lottery": 5, "fewer_turns": 0},
        "forecast_round": 2,
        "over": False,
    }
    return Standing(because=because, **{**told, **more})


def test_place_reason_who_went_before_and_forecast_are_told() -> None:
    told = explain(standing(), SITES)
    assert told["id"] == (
        "Anda berada di urutan ke-12 dari 240 pelamar yang menunggu lapak di Bazar Jakpreneur. "
        "Semua lapak di lokasi pilihan Anda (Rusun Karang Anyar dan Kantor Kecamatan Gambir) sudah terisi. "
        "Yang mendapat lapak itu lebih dahulu: 20 lewat jatah binaan pengampu atau kelompoknya, "
        "35 karena menunggu lebih lama dan 5 lewat undian terbuka. "
        "Dengan jumlah lapak dan pelamar seperti sekarang, giliran Anda diperkirakan pada bazar ke-2 setelah ini. "
        "Jika ada lapak yang dikembalikan, pelamar di urutan terdepan langsung kami tawari. "
        "Waktu tunggu Anda tetap dihitung: makin lama menunggu, makin depan urutan Anda di bazar berikutnya."
    )
    assert told["en"] == (
        "You are number 12 of 240 waiting for a booth at Bazar Jakpreneur. "
        "All booths at the sites you chose (Rusun Karang Anyar and Kantor Kecamatan Gambir) went to others. "
        "Who came before you there: 20 on seats reserved for their agency or group, "
        "35 because they have waited longer and 5 by the public lottery. "
        "With as many booths and applicants as now, your turn is forecast for bazaar number 2 after this one. "
        "When a booth is given back, the first in the queue is offered it at once. "
        "Your waiting time still counts: the longer you wait, the further ahead you are at the next bazaar."
    )


@pytest.mark.parametrize(
    ("because", "indonesian", "english"),
    [
        (
            {
                "code": "cap-reached",
                "caps": [{"group": "category", "value": "food-drink", "pools": ["gambir"]}],
                "full": ["karang-anyar"],
            },
            "Jatah kategori makanan dan minuman di Kantor Kecamatan Gambir sudah penuh dan semua lapak di Rusun "
            "Karang Anyar sudah terisi.",
            "The booths for the category food and drink at Kantor Kecamatan Gambir went to others and all booths at "
            "Rusun Karang Anyar went to others.",
        ),
        (
            {"code": "cap-reached", "caps": [{"group": "agency", "value": "kpkp", "pools": ["gambir"]}], "full": []},
            "Jatah binaan KPKP di Kantor Kecamatan Gambir sudah penuh.",
            "The booths for vendors coached by KPKP at Kantor Kecamatan Gambir went to others.",
        ),
        (
            {"code": "group-had-its-seat", "group": "rw", "value": "31.71.02.1002.003", "seats": 1},
            "Setiap kelompok mendapat paling banyak 1 lapak, dan jatah RW 003 Kelurahan Karang Anyar sudah terpakai.",
            "Each group gets at most 1 booth; the share of RW 003 Kelurahan Karang Anyar is used up.",
        ),
        (
            {"code": "group-had-its-seat", "group": "kelurahan", "value": "31.71.02.1002", "seats": 2},
            "jatah Kelurahan Karang Anyar sudah terpakai.",
            "at most 2 booths; the share of Kelurahan Karang Anyar is used up.",
        ),
        (
            {"code": "group-had-its-seat", "group": "category", "value": "batik", "seats": 2},
            "jatah kategori batik sudah terpakai.",
            "the share of the category batik is used up.",
        ),
    ],
)
def test_each_constraint_is_named(because: dict[str, Any], indonesian: str, english: str) -> None:
    told = explain(standing(because), SITES)
    assert indonesian in told["id"]
    assert english in told["en"]


def test_the_next_bazaar_and_no_forecast_have_their_own_words() -> None:
    assert "diperkirakan pada bazar berikutnya." in explain(standing(forecast_round=1), SITES)["id"]
    assert "forecast for the next bazaar." in explain(standing(forecast_round=1), SITES)["en"]
    assert "Perkiraan giliran belum dapat dihitung" in explain(standing(forecast_round=None), SITES)["id"]
    assert "cannot be forecast yet" in explain(standing(forecast_round=None), SITES)["en"]


def test_a_bazaar_that_is_over_promises_no_booth_any_more() -> None:
    told = explain(standing(over=True), SITES)
    assert told["id"].startswith("Bazar Jakpreneur sudah selesai dan kali ini Anda belum mendapat lapak.")
    assert "dikembalikan" not in told["id"]
    assert "given back" not in told["en"]


def test_nobody_ahead_is_not_mentioned() -> None:
    assert "lebih dahulu" not in explain(standing(ahead={}), SITES)["id"]


def test_words_and_figures_name_the_same_reasons() -> None:
    assert list(AHEAD) == [field.name for field in fields(Ahead)]


@pytest.mark.parametrize("why", list(AHEAD))
def test_every_reason_to_go_before_has_words(why: str) -> None:
    told = explain(standing(ahead={why: 7}), SITES)
    assert "lebih dahulu: 7 " in told["id"]
    assert "before you there: 7 " in told["en"]
