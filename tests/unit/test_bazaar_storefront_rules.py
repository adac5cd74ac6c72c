"""What may be shown of a vendor to everybody, slots of a live channel, and orders ahead."""

from datetime import date, time
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.bazaar.domain.live import SetProgramme, slots
from services.bazaar.domain.preorders import Preorder, PreordersFull, count
from services.bazaar.domain.storefronts import LinkRefused, PersonalDataShown, SubmitStorefront, submit
from services.bazaar.marketplaces import REQUIRED, marketplaces
from shared.errors import Refused
from tests.unit.bazaar import DAYS, a_bazaar, a_site, an_application

SHOP = {
    "shown_publicly": True,
    "marketplace": "tokopedia",
    "url": "https://www.tokopedia.com/Warung-Bu-Tini/keripik",
    "title": "Warung Bu Tini, Jl. Enim 5",
}


@pytest.mark.parametrize(
    "url",
    [
        "http://www.tokopedia.com/toko",
        "https://tokopedia.com.evil.example/toko",
        "https://www.tokopedia.com@evil.example/toko",
        "https://evil.example/www.tokopedia.com",
        "https://www.tokopedia.com:444/toko",
        "https://www.tokopedia.com:x/toko",
        "https://[tokopedia.com/toko",
        "https://www.tokopedia.com/",
        "javascript:alert(1)//www.tokopedia.com",
        "https:\\\\www.tokopedia.com\\toko",
        "https://shopee.co.id/toko",
    ],
)
def test_an_address_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(LinkRefused):
        submit(an_application(state="confirmed"), SubmitStorefront.model_validate({**SHOP, "url": url}), None)


@pytest.mark.parametrize("text", ["wa 0812-3456-7890", "+62 812 3456 7890", "tini@contoh.id", "NIK 3171021503900001"])
def test_personal_data_in_what_everybody_reads_is_refused(text: str) -> None:
    for field in ({"title": text}, {"highlights": [text]}):
        with pytest.raises(PersonalDataShown) as refused:
            submit(an_application(state="confirmed"), SubmitStorefront.model_validate({**SHOP, **field}), None)
        assert text not in refused.value.message


def test_the_shop_is_read_from_the_address_and_every_change_is_looked_at_anew() -> None:
    application = an_application(state="confirmed")
    first = submit(application, SubmitStorefront.model_validate(SHOP), None)
    assert (first.shop, first.version, first.state) == ("warung-bu-tini", 1, "submitted")
    second = submit(
        application, SubmitStorefront.model_validate({**SHOP, "shop": "Toko Resmi", "sku_code": "bt"}), first
    )
    assert (second.shop, second.sku_code, second.version, second.state) == ("toko resmi", "BT", 2, "submitted")


def test_nobody_is_shown_without_having_said_so() -> None:
    for field in ({"shown_publicly": False}, {"shown_publicly": None}):
        with pytest.raises(ValidationError):
            SubmitStorefront.model_validate({**SHOP, **field})


def test_every_marketplace_says_how_its_file_is_read() -> None:
    for code, market in marketplaces().items():
        assert {*REQUIRED, "amount", "unit_price"} <= set(market.columns), code
        words = [word for words in market.statuses.values() for word in words]
        assert len(words) == len(set(words)), code
        names = [name for names in market.columns.values() for name in names]
        assert all(name == " ".join(name.split()).lower() for name in [*words, *names]), code


SHOWS = st.lists(
    st.tuples(st.sampled_from(DAYS), st.integers(0, 22), st.integers(1, 6)),
    min_size=1,
    max_size=6,
    unique_by=lambda s: s[:2],
)


@given(SHOWS, st.integers(5, 90), st.integers(0, 30))
def test_slots_fill_their_shows_and_never_overlap(shows: list[tuple[date, int, int]], minutes: int, pause: int) -> None:
    wanted = [(day, time(hour), time(min(23, hour + hours), 59)) for day, hour, hours in shows]
    try:
        command = SetProgramme.model_validate(
            {
                "title": "Live",
                "url": "https://youtu.be/x",
                "slot_minutes": minutes,
                "pause_minutes": pause,
                "shows": [{"day": day, "begins": begins, "ends": ends} for day, begins, ends in wanted],
            }
        )
    except ValidationError as error:
        assert "overlap" in str(error)  # noqa: PT017 - which shows overlap is chance
        return
    bazaar = a_bazaar(a_site(), setting="online")
    with pytest.raises(Refused) as refused:
        slots(bazaar, "one", command, [])
    booths = [f"A{number:02d}" for number in range(int(refused.value.details["slots"]))]
    made = slots(bazaar, "one", command, booths)
    assert [slot.booth for slot in made] == booths
    for before, after in pairwise(made):
        assert before.ends_at <= after.starts_at
    for slot in made:
        assert any(
            day == slot.starts_at.date()
            and begins <= slot.starts_at.time()
            and slot.ends_at.time() <= ends
            and (slot.starts_at.hour * 60 + slot.starts_at.minute - begins.hour * 60) % (minutes + pause) == 0
            for day, begins, ends in wanted
        )


def test_slots_are_for_online_bazaars_before_their_round() -> None:
    command = SetProgramme.model_validate(
        {
            "title": "Live",
            "url": "https://youtu.be/x",
            "slot_minutes": 30,
            "shows": [{"day": DAYS[0], "begins": "09:00", "ends": "10:00"}],
        }
    )
    codes = []
    for bazaar in (
        a_bazaar(a_site()),
        a_bazaar(a_site(), setting="online", state="frozen"),
        a_bazaar(a_site(days=DAYS[1:]), setting="online"),
    ):
        with pytest.raises(Refused) as refused:
            slots(bazaar, "one", command, ["A01", "A02"])
        codes.append(refused.value.code)
    assert codes == ["not-online", "wrong-moment", "slots-do-not-fit"]
    assert len(slots(a_bazaar(a_site(), setting="online"), "one", command, ["A01", "A02"])) == 2


@given(st.integers(1, 50), st.lists(st.integers(-60, 60), max_size=30))
def test_orders_ahead_stay_between_nothing_and_what_can_be_made(most: int, steps: list[int]) -> None:
    facts: dict[str, Any] = {"title": "Keripik", "pieces_max": most, "pick_up_day": DAYS[0], "pick_up_place": "RPTRA"}
    taken = 0
    for step in steps:
        preorder = Preorder(preorder_id=UUID(int=1), application_id=UUID(int=2), pieces_taken=taken, **facts)
        try:
            taken = count(preorder, step)
        except PreordersFull:
            assert not 0 <= taken + step <= most
        assert 0 <= taken <= most
