"""Why me, why not me: what is told of every state and every reason, in both languages."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import date, timedelta
from typing import Any, get_args
from uuid import UUID

import pytest

from services.bazaar.allocation import Ahead
from services.bazaar.allocation.result import Because
from services.bazaar.domain import application, interests
from services.bazaar.domain.application import ApplicationState, queue, require_eligible
from services.bazaar.domain.changes import Reason
from services.bazaar.domain.explanation import (
    AHEAD,
    CANCELLED,
    INELIGIBLE,
    Company,
    RoundWords,
    Situation,
    Standing,
    counted,
    explain,
    ineligible_in_words,
    tell,
)
from services.bazaar.domain.ledger import Adjustment, no_show
from services.bazaar.domain.public import notice
from services.bazaar.domain.round import SAME_PERSON
from services.bazaar.domain.wording import days_in_words, site_titles
from shared.wording import Words, moment_in_words
from tests.unit.bazaar import DAYS, RESPOND_BY, a_bazaar, a_site, an_application

SITES = {
    "karang-anyar": Words("Rusun Karang Anyar", "Rusun Karang Anyar"),
    "gambir": Words("Kantor Kecamatan Gambir", "Kantor Kecamatan Gambir"),
}
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
        "Jika ada lapak yang dikembalikan, kami langsung menawarkannya kepada pelamar terdepan yang dapat "
        "menempatinya. "
        "Waktu tunggu Anda tetap dihitung: makin lama menunggu, makin depan urutan Anda di bazar berikutnya."
    )
    assert told["en"] == (
        "You are number 12 of 240 waiting for a booth at Bazar Jakpreneur. "
        "All booths at the sites you chose (Rusun Karang Anyar and Kantor Kecamatan Gambir) went to others. "
        "Who came before you there: 20 on seats reserved for their agency or group, "
        "35 because they have waited longer and 5 by the public lottery. "
        "With as many booths and applicants as now, your turn is forecast for bazaar number 2 after this one. "
        "When a booth is given back, the first in the queue who may have it is offered it at once. "
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


# ---- every state and every code


PARTY: dict[str, Any] = {"code": "party-does-not-fit", "size": 4, "pools": ["karang-anyar", "gambir"], "cap": None}
REASONS: dict[str, dict[str, Any]] = {
    "pools-full": FULL,
    "cap-reached": {
        "code": "cap-reached",
        "caps": [{"group": "category", "value": "food-drink", "pools": ["gambir"]}],
        "full": [],
    },
    "group-had-its-seat": {"code": "group-had-its-seat", "group": "rw", "value": "31.71.02.1002.003", "seats": 1},
    "party-does-not-fit": PARTY,
}
LIE = {"id": ("None", "{", "}", "_", " None", "()", "  ", "??"), "en": ("None", "{", "}", "_", "()", "  ", "??")}


def assert_plain(told: Mapping[str, str]) -> None:
    """Whole sentences in both languages, with nothing left of how they were made."""
    assert set(told) == {"id", "en"}
    assert told["id"] != told["en"]
    for language, text in told.items():
        assert text, language
        assert text.endswith((".", "!")), text
        assert not any(mark in text for mark in LIE[language]), text


def situation(state: str, **more: Any) -> Situation:
    has_booth = state not in ("received", "withdrawn", "ineligible", "queued")
    fields_: dict[str, Any] = {
        "state": state,
        "bazaar_name": "Bazar Jakpreneur",
        "days": DAYS,
        "because": {"ineligible": "training-missing", "cancelled": "weather"}.get(state),
        "site": Words("Rusun Karang Anyar", "Rusun Karang Anyar") if has_booth else None,
        "booth": "A07" if has_booth else None,
        "respond_by": RESPOND_BY if has_booth else None,
        "waiting_since": date(2023, 1, 5),
        "queue": standing() if state == "queued" else None,
    }
    return Situation(**{**fields_, **more})


@pytest.mark.parametrize("state", get_args(ApplicationState))
@pytest.mark.parametrize("turn", [True, False])
def test_every_state_is_told_in_whole_sentences(state: str, turn: bool) -> None:
    adjustments = [no_show(UUID(int=1), UUID(int=2), UUID(int=3), date(2023, 3, 1))]
    told = tell(situation(state, turn=turn, adjustments=adjustments), SITES, date(2023, 3, 14))
    assert_plain(told)
    assert "Bazar Jakpreneur" in told["id"]
    assert "tercatat" not in told["id"] or state in ("missed", "ineligible")
    assert "habis pada Kamis, 29 Februari 2024" in told["id"]


def test_every_state_but_what_cannot_be_has_words_of_its_own() -> None:
    told = {tell(situation(state), SITES, date(2023, 3, 14))["en"] for state in get_args(ApplicationState)}
    assert len(told) == len(get_args(ApplicationState))
    assert not any("Jakpreneur is recorded" in text for text in told)


def test_every_constraint_that_the_rule_can_name_has_words() -> None:
    codes = {field.default for because in get_args(Because) for field in fields(because) if field.name == "code"}
    assert codes == set(REASONS)
    for because in REASONS.values():
        told = explain(standing(because), SITES)
        assert_plain(told)
        assert told != explain(standing({}), SITES)


def test_who_wants_to_stand_together_is_told_what_kept_them_apart() -> None:
    told = explain(standing(PARTY), SITES)
    assert "rombongan (4 pelamar)" in told["id"]
    assert "no room for all of you at once" in told["en"]
    cap = {"group": "rw", "value": "31.71.02.1002.003", "seats": 1}
    told = explain(standing({**PARTY, "cap": cap}), SITES)
    assert_plain(told)
    assert "melebihi jatah RW 003 Kelurahan Karang Anyar (paling banyak 1 lapak)" in told["id"]
    assert "the share of RW 003 Kelurahan Karang Anyar (1 booth at most)" in told["en"]


def test_every_reason_to_be_left_out_has_words() -> None:
    refusals = re.findall(r"raise (\w+)\(", inspect.getsource(require_eligible))
    assert len(refusals) >= 5
    codes = {getattr(application, name).code for name in refusals} | {
        SAME_PERSON,
        interests.ALREADY_APPLIED,
        interests.WITHDRAWN_BEFORE,
        interests.CATEGORY_CHANGED,
    }
    assert codes == set(INELIGIBLE)
    for code in codes:
        assert_plain(tell(situation("ineligible", because=code), SITES, date(2023, 3, 14)))
        assert ineligible_in_words(code) != ineligible_in_words("something-new")


def test_the_reason_to_cancel_is_a_sentence_whether_it_is_a_thing_or_a_fact() -> None:
    told = {
        code: tell(situation("cancelled", because=code), SITES, date(2023, 3, 14))["en"]
        for code in ("weather", "venue")
    }
    assert "does not take place because of the weather." in told["weather"]
    assert "does not take place because the venue cannot be used." in told["venue"]
    public = notice("venue", None, [date(2023, 3, 20)], cancelled=True)
    assert public == Words(
        "Bazar ini dibatalkan karena tempatnya tidak dapat dipakai.",
        "This bazaar is cancelled because the venue cannot be used.",
    )


def test_every_reason_to_cancel_has_words() -> None:
    assert set(get_args(Reason)) == set(CANCELLED)
    for code in CANCELLED:
        assert_plain(tell(situation("cancelled", because=code), SITES, date(2023, 3, 14)))


@pytest.mark.parametrize(
    ("more", "indonesian", "english"),
    [
        ({"phase": 1}, "dari jatah binaan pengampu", "reserved for your agency or group"),
        ({"phase": 2}, "menurut aturan giliran", "by the rule of rotation"),
        ({"promoted": True}, "dikembalikan oleh pelamar lain", "Somebody gave this booth back"),
    ],
)
def test_who_is_offered_a_booth_is_told_why(more: dict[str, Any], indonesian: str, english: str) -> None:
    told = tell(situation("offered", **more), SITES, date(2023, 3, 14))
    assert indonesian in told["id"]
    assert english in told["en"]
    assert "Anda menunggu sejak Kamis, 5 Januari 2023." in told["id"]
    assert "Jawablah sampai Rabu, 15 Maret 2023 pukul 17.00 WIB." in told["id"]


def test_a_party_is_told_how_it_stands() -> None:
    for company, words in (
        (Company(1, together_or_not=True), "belum beranggota lain"),
        (Company(3, together_or_not=True), "atau tidak satu pun"),
        (Company(3, together_or_not=False), "masing-masing dipertimbangkan sendiri"),
    ):
        told = tell(situation("received", company=company), SITES, date(2023, 3, 14))
        assert_plain(told)
        assert words in told["id"]


def test_what_was_added_to_a_standing_is_told_until_nothing_is_left() -> None:
    day = date(2023, 3, 1)
    (said,) = counted([no_show(UUID(int=1), UUID(int=2), UUID(int=3), day)], day)
    assert "giliran Anda dihitung 1 lebih banyak" in said.id
    assert "60 days less" in said.en
    assert counted([no_show(UUID(int=1), UUID(int=2), UUID(int=3), day)], day + timedelta(days=365)) == []
    (said,) = counted([Adjustment(UUID(int=1), UUID(int=2), "appeal", -1, -30, day)], day)
    assert "giliran Anda dihitung 1 lebih sedikit dan masa tunggu Anda dihitung 30 hari lebih lama" in said.id


def test_the_event_of_one_who_waits_says_the_same_as_the_page() -> None:
    bazaar = a_bazaar(a_site("one"), a_site("two", days=DAYS[:1]))
    decision: dict[str, Any] = {
        "applicant": "K7Q2",
        "place": 4,
        "because": {"code": "pools-full", "pools": ["one", "two"]},
        "ahead": {"waited_longer": 2},
        "forecast_round": 1,
    }
    step = queue(an_application(), bazaar, decision, RoundWords(bazaar, 9))
    shown = explain(
        Standing(bazaar.name, 4, 9, decision["because"], decision["ahead"], 1, over=False), site_titles(bazaar)
    )
    assert step.event.model_dump()["explanation"] == shown
    assert "(Rusun one dan Rusun two (Senin, 20 Maret 2023))" in shown["id"]
    assert "dari 9 pelamar" not in queue(an_application(), bazaar, decision).event.model_dump()["explanation"]["id"]


def test_days_and_moments_are_said_as_people_say_them() -> None:
    assert days_in_words([date(2023, 3, 20)]).id == "Senin, 20 Maret 2023"
    assert days_in_words(DAYS) == ("20 dan 21 Maret 2023", "20 and 21 March 2023")
    days = [date(2023, 8, 29), date(2023, 8, 30), date(2023, 8, 31), date(2023, 9, 1), date(2023, 9, 8)]
    assert days_in_words(days).id == "29 Agustus 2023 sampai 1 September 2023 dan Jumat, 8 September 2023"
    assert moment_in_words(RESPOND_BY).en == "Wednesday, 15 March 2023 at 17.00 WIB"
