"""Products: what may become of them, and how a curator's scores are counted and explained."""

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.vendor.domain import products as domain
from services.vendor.domain.products import (
    PHOTOS_PER_PRODUCT_MAX,
    PRODUCTS_PER_VENDOR_MAX,
    CategoryUnknown,
    CriteriaInvalid,
    Criterion,
    Entry,
    PhotoLimit,
    Product,
    ProductLimit,
    ProductNotListed,
    ProductWithdrawnAlready,
    ScoresInvalid,
    VendorSuspendedNow,
)
from services.vendor.domain.registration import Vendor
from shared.events.products import ProductCurated, ProductListed, ProductWithdrawn

NOW = datetime(2023, 3, 1, 2, tzinfo=UTC)
VENDOR_ID, PRODUCT_ID, CURATION_ID = (UUID(int=n) for n in (1, 2, 3))
VENDOR = Vendor(
    VENDOR_ID, 1, 1, "Siti", "+62812", None, "", "31.71.02.1002", "003", "007", "usaha", None, None, "id", "self",
    date(2023, 1, 1), NOW,
)  # fmt: skip
CATEGORIES = frozenset({"food-drink", "health"})
ENTRY = Entry("Keripik", "", "food-drink", 1000, 2000, "bungkus", None)
CRITERIA = [
    Criterion("taste", "Rasa", "Taste", 60, "Perbaiki rasa.", "Mend the taste."),
    Criterion("label", "Label", "Label", 40, "Lengkapi label.", "Complete the label."),
]


def product(state: str = "draft") -> Product:
    made = domain.draft(VENDOR, PRODUCT_ID, ENTRY, CATEGORIES, 0, NOW)
    if state == "draft":
        return made
    listed, _ = domain.enlist(VENDOR, made, NOW)
    return listed if state == "listed" else domain.withdraw(listed, NOW)[0]


def curated(scores: dict[str, int], state: str = "draft") -> domain.Curation:
    return domain.curate(product(state), CURATION_ID, 1, CRITERIA, scores, "officer", NOW)[1]


def test_a_vendor_has_a_hundred_products_and_not_one_more() -> None:
    assert domain.draft(VENDOR, PRODUCT_ID, ENTRY, CATEGORIES, PRODUCTS_PER_VENDOR_MAX - 1, NOW).state == "draft"
    with pytest.raises(ProductLimit):
        domain.draft(VENDOR, PRODUCT_ID, ENTRY, CATEGORIES, PRODUCTS_PER_VENDOR_MAX, NOW)


def test_a_product_has_five_photos_and_not_one_more() -> None:
    domain.admit_photo(PHOTOS_PER_PRODUCT_MAX - 1)
    with pytest.raises(PhotoLimit):
        domain.admit_photo(PHOTOS_PER_PRODUCT_MAX)


def test_a_category_the_programme_lacks_is_refused_naming_those_it_has() -> None:
    with pytest.raises(CategoryUnknown) as caught:
        domain.draft(VENDOR, PRODUCT_ID, ENTRY._replace(category="mobil"), CATEGORIES, 0, NOW)
    assert caught.value.details == {"known": ["food-drink", "health"]}
    with pytest.raises(CategoryUnknown):
        domain.revise(product(), ENTRY._replace(category="mobil"), CATEGORIES, NOW)


def test_listing_is_told_once() -> None:
    listed, events = domain.enlist(VENDOR, product(), NOW)
    assert events == [ProductListed(vendor_id=VENDOR_ID, product_id=PRODUCT_ID, category="food-drink")]
    assert domain.enlist(VENDOR, listed, NOW) == (listed, [])


def test_a_suspended_vendor_lists_nothing_new_but_withdraws() -> None:
    suspended = replace(VENDOR, suspended_because="no-show")
    for state in ("draft", "withdrawn"):
        with pytest.raises(VendorSuspendedNow):
            domain.enlist(suspended, product(state), NOW)
    assert domain.enlist(suspended, product("listed"), NOW)[1] == []


def test_a_change_is_told_where_the_product_is_listed_and_something_changed() -> None:
    other = ENTRY._replace(category="health")
    assert domain.revise(product(), other, CATEGORIES, NOW)[1] == []
    assert domain.revise(product("listed"), ENTRY, CATEGORIES, NOW)[1] == []
    changed, events = domain.revise(product("listed"), other, CATEGORIES, NOW)
    assert changed.entry == other
    assert events == [ProductListed(vendor_id=VENDOR_ID, product_id=PRODUCT_ID, category="health")]


def test_withdrawing_is_told_of_what_was_listed_only() -> None:
    assert domain.withdraw(product(), NOW)[1] == []
    gone, events = domain.withdraw(product("listed"), NOW)
    assert events == [ProductWithdrawn(vendor_id=VENDOR_ID, product_id=PRODUCT_ID)]
    with pytest.raises(ProductNotListed):
        domain.withdraw(gone, NOW)
    assert domain.enlist(VENDOR, gone, NOW)[0].state == "listed"


@pytest.mark.parametrize(
    ("scores", "total"),
    [
        ({"taste": 10, "label": 10}, 100),
        ({"taste": 0, "label": 0}, 0),
        ({"taste": 5, "label": 10}, 70),
        ({"taste": 7, "label": 4}, 58),
    ],
)
def test_the_total_is_the_weighted_mean_of_the_scores(scores: dict[str, int], total: int) -> None:
    assert curated(scores).total == total


@pytest.mark.parametrize(("weights", "total"), [((95, 5), 1), ((96, 4), 0)])
def test_half_a_point_is_rounded_up(weights: tuple[int, int], total: int) -> None:
    criteria = [c._replace(weight=weight) for c, weight in zip(CRITERIA, weights, strict=True)]
    scores = {"taste": 0, "label": 1}
    assert domain.curate(product(), CURATION_ID, 1, criteria, scores, "officer", NOW)[1].total == total


@given(st.integers(0, 10), st.integers(0, 10), st.integers(1, 99))
def test_a_better_score_never_lowers_the_total(taste: int, label: int, weight: int) -> None:
    criteria = [CRITERIA[0]._replace(weight=weight), CRITERIA[1]._replace(weight=100 - weight)]

    def total(*scores: int) -> int:
        given_scores = dict(zip(("taste", "label"), scores, strict=True))
        return domain.curate(product(), CURATION_ID, 1, criteria, given_scores, "o", NOW)[1].total

    assert 0 <= total(taste, label) <= total(taste, 10) <= total(10, 10) == 100


def test_a_curation_is_told_with_its_version_and_stands_with_the_product() -> None:
    scored, _, events = domain.curate(
        product("listed"), CURATION_ID, 7, CRITERIA, {"taste": 9, "label": 9}, "officer", NOW
    )
    assert (scored.score, scored.criteria_version) == (90, 7)
    assert events == [ProductCurated(vendor_id=VENDOR_ID, product_id=PRODUCT_ID, score=90, criteria_version=7)]


@pytest.mark.parametrize("scores", [{}, {"taste": 1}, {"taste": 1, "label": 1, "price": 1}])
def test_each_criterion_is_scored_once_and_nothing_else(scores: dict[str, int]) -> None:
    with pytest.raises(ScoresInvalid) as caught:
        curated(scores)
    assert caught.value.details == {"criteria": ["taste", "label"]}


def test_a_withdrawn_product_is_not_scored() -> None:
    with pytest.raises(ProductWithdrawnAlready):
        curated({"taste": 1, "label": 1}, "withdrawn")


@pytest.mark.parametrize("weight", [39, 41])
def test_weights_sum_to_a_hundred(weight: int) -> None:
    domain.check_criteria(CRITERIA)
    with pytest.raises(CriteriaInvalid):
        domain.check_criteria([CRITERIA[0], CRITERIA[1]._replace(weight=weight)])


def test_a_criterion_stands_once() -> None:
    with pytest.raises(CriteriaInvalid):
        domain.check_criteria([CRITERIA[0]._replace(weight=50), CRITERIA[0]._replace(weight=50)])


def test_advice_is_on_what_costs_most_first() -> None:
    marks, words = domain.explain(curated({"taste": 7, "label": 0}), CRITERIA)
    assert [(mark.code, mark.points) for mark in marks] == [("taste", 42.0), ("label", 0.0)]
    assert words["en"] == (
        "This product scores 42 of 100 by version 1 of the criteria. Label (0 of 10): Complete the label. "
        "Taste (7 of 10): Mend the taste."
    )
    assert words["id"].endswith("Label (0 dari 10): Lengkapi label. Rasa (7 dari 10): Perbaiki rasa.")


def test_a_good_product_gets_no_advice() -> None:
    assert domain.explain(curated({"taste": 8, "label": 8}), CRITERIA)[1]["en"].endswith("Keep it up.")
